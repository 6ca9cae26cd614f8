"""Text about a control plane's tables is theirs to the number, and reads without knowing them."""

from __future__ import annotations

import pandas as pd

from simkit.studies import tables
from simkit.studies.control_plane import sentences
from simkit.studies.control_plane.interruption import Interruption
from simkit.studies.tables import Listing


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def text(sentence: sentences.Sentence) -> str:
    return sentence.text.format(**sentence.numbers)


def a_day() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """As `answers` gives them: a prebuild that is claimed and fails, and one that is deleted."""
    states = pd.DataFrame(
        [
            (1, "ben/api", "waiting", at("2026-11-10T13:00"), at("2026-11-10T14:00")),
            (1, "ben/api", "claimed", at("2026-11-10T14:00"), at("2026-11-10T14:00")),
            (1, "ben/api", "failed", at("2026-11-10T14:00"), at("2026-11-10T14:30")),
            (2, "prebuild-2", "waiting", at("2026-11-10T13:00"), at("2026-11-10T14:00")),
            (2, "prebuild-2", "deleted", at("2026-11-10T14:00"), at("2026-11-10T14:00")),
        ],
        columns=["workspace_id", "workspace", "state", "from_at", "until_at"],
    )
    queue = pd.DataFrame(
        {
            "changed_at": [at("2026-11-10T13:00"), at("2026-11-10T13:10"), at("2026-11-10T14:00")],
            "people": [0, 1, 2],
            "prebuilds": [2, 3, 0],
        }
    )
    volume = pd.DataFrame(
        {
            "from_at": [at("2026-11-10T13:00"), at("2026-11-10T13:15"), at("2026-11-10T13:30")],
            "jobs": [1000, 4000, 0],
            "agents": [500, 2500, 0],
        }
    )
    return states, queue, volume


def test_a_day_is_told_with_its_zone_and_the_numbers_of_its_tables():
    assert text(sentences.day(*a_day(), "America/New_York")) == (
        "On Tuesday 2026-11-10, from 08:00 EST to 08:30 EST, there were **2 workspaces**. Prebuilds claimed: 1; builds "
        "that failed: 1; workspaces deleted: 1. The queue was longest at 08:10 EST: 1 of people's jobs and 3 of the "
        "prebuilds' waited then; of people's there were never more than 2. Jobs wrote 5 kB of log and agents 3 kB, "
        "most in the quarter of an hour from 08:15 EST on (6 kB)."
    )


def test_a_day_without_workspaces_is_told_so():
    states, queue, volume = a_day()
    assert text(sentences.day(states.iloc[:0], queue, volume, "UTC")) == "There was no workspace yet."


def test_a_table_names_the_zone_of_each_instant_and_leaves_out_what_is_null():
    answer = pd.DataFrame(
        {
            "asked_by": ["ben", None],
            "queued": [at("2026-11-10T13:00"), at("2026-11-10T13:01")],
            "done": [at("2026-11-10T13:00:05"), pd.NaT],
            "bytes": [1_048_576, 0],
            "overflowed": [True, False],
        }
    )
    shown = tables.table(answer, "Europe/Berlin")
    assert shown.frame.to_dict("list") == {
        "asked by": ["ben", ""],
        "queued": ["Tue 14:00 CET", "Tue 14:01 CET"],
        "done": ["Tue 14:00:05 CET", ""],
        "bytes": ["1,048,576", "0"],
        "overflowed": ["yes", "no"],
    }


def test_a_table_has_numbers_to_the_right_and_wraps_only_what_is_long():
    answer = pd.DataFrame({"name": ["<b>"], "error": ["x" * 60], "count": [3]})
    page = tables.table(answer, "UTC")._repr_html_()
    assert ">&#60;b&#62;</td>" in page
    assert '<td style="text-align: right; vertical-align: top">3</td>' in page
    assert page.count("white-space: normal") == 2  # the head and the cell of one column
    assert repr(tables.table(answer, "UTC")).split()[:3] == ["name", "error", "count"]


def test_an_empty_answer_is_a_table_of_names():
    assert tables.table(pd.DataFrame({"a_b": []}), "UTC")._repr_html_().count("<th") == 1 + 1  # with <thead>


def test_a_listing_is_text_as_it_is():
    assert (
        Listing('a{le="1"} <2>\n b')._repr_html_().endswith("a&#123;le&#61;&#34;1&#34;&#125; &#60;2&#62;\n&#32;b</pre>")
    )
    assert repr(Listing("a\nb\x1b")) == "a\nb\\x1b"


def test_refusals_are_a_line_each_also_with_braces_and_for_what_was_not_refused():
    told = sentences.refusals({"stop it": "no {way}", "set its TTL": ""})
    assert text(told) == "- **stop it**: no {way}\n- **set its TTL**: (not refused)"
    assert told.numbers == {"refused_stop_it_1": "no {way}", "refused_set_its_TTL_2": "(not refused)"}


def test_an_interrupted_completion_is_a_row_with_what_success_adds():
    shown = sentences.interruptions(
        [
            Interruption("workspace_build", 12, 0, {"workspace_agents": 2}),
            Interruption("template_version_dry_run", 3, 1, {}),
        ]
    )
    assert shown.frame.to_dict("list") == {
        "job": ["workspace build", "template version dry run"],
        "failures injected": ["12", "3"],
        "tables changed by them": ["0", "1"],
        "rows that success adds": ["2 workspace_agents", "none"],
    }
