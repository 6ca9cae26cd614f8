"""Text about a control plane's tables is theirs to the number, and reads without knowing them."""

from __future__ import annotations

from control_plane_day import a_day

from simkit.studies.control_plane import sentences
from simkit.studies.control_plane.interruption import Interruption


def text(sentence: sentences.Sentence) -> str:
    return sentence.text.format(**sentence.numbers)


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
