"""Tables and listings show text as text, numbers to the right and instants with their zone."""

from __future__ import annotations

import re

import pandas as pd

from simkit.studies import tables
from simkit.studies.tables import Listing


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


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
    assert '<td data-of="count" style="text-align: right; vertical-align: top">3</td>' in page
    assert page.count("white-space: normal") == 2  # the head and the cell of one column
    assert repr(tables.table(answer, "UTC")).split()[:3] == ["name", "error", "count"]


def test_a_cell_of_several_numbers_is_wrapped_before_the_table_leaves_the_page():
    frame = pd.DataFrame({"since, for": ["18 Oct 16:45, 28.3 days"], "as said": ["18 Oct 16:45, 28.3 days (17 of 20)"]})
    page = tables.Table(frame, frozenset(frame.columns))._repr_html_()
    assert page.count("text-align: right; vertical-align: top; white-space: normal") == 2


def test_an_empty_answer_is_a_table_of_names():
    assert tables.table(pd.DataFrame({"a_b": []}), "UTC")._repr_html_().count("<th") == 1 + 1  # with <thead>


def test_a_short_line_of_a_listing_stays_whole_on_a_phone_and_a_long_one_is_wrapped():
    grid, sentence = "Mon " + " ." * 24, "a word " * 10
    page = Listing(f"{grid}\n{sentence}")._repr_html_()
    whole = re.findall('<span style="white-space: pre">(.*?)</span>', page)
    assert len(whole) == 1
    assert whole[0].startswith("Mon")
    assert page.startswith('<pre class="listing" style="white-space: pre-wrap">')


def test_a_listing_is_text_as_it_is():
    page = Listing('a{le="1"} <2>\n b')._repr_html_()
    assert re.sub("</?(span|pre)[^>]*>", "", page) == "a&#123;le&#61;&#34;1&#34;&#125; &#60;2&#62;\n&#32;b"
    assert repr(Listing("a\nb\x1b")) == "a\nb\\x1b"
