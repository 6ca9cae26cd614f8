"""Text from inputs is shown as text: nothing in it is obeyed by a terminal, a Markdown renderer or a browser."""

from __future__ import annotations

import json
import unicodedata
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from simkit.shown import escaped, joined, printed, visible, visible_json, visible_lines


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("GPU [beta] 日本 é €", "GPU [beta] 日本 é €"),
        ("\x1b[31mred\x9b0m", "\\x1b[31mred\\x9b0m"),
        ("a\nb\tc\rd\x00", "a\\nb\\tc\\rd\\x00"),
        ("\u202eright to left\u2066", "\\u202eright to left\\u2066"),
        ("\u2028 \ufeff \u200b", "\\u2028 \\ufeff \\u200b"),
        ("caf\udce9", "caf\\udce9"),
        ("\U000e0041", "\\U000e0041"),
        ("\N{WOMAN}\u200d\N{PERSONAL COMPUTER}", "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}"),
    ],
)
def test_what_is_unseen_is_made_visible_and_nothing_else(text, seen):
    assert visible(text) == seen
    assert visible(seen) == seen


def test_lines_and_tabs_stay_in_lines_of_text():
    assert visible_lines("a\n\tb\x1b\r\u2029") == "a\n\tb\\x1b\\r\\u2029"


@given(st.text())
def test_no_control_is_left(text):
    left = {unicodedata.category(c) for c in visible(text)} & {"Cc", "Cs", "Zl", "Zp"}
    assert left == set()
    assert {unicodedata.bidirectional(c) for c in visible(text)}.isdisjoint(
        {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    )


class _Seen(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


MARKS = st.text(st.sampled_from("<>[](){}!*_`~#|=+-.:/\\$&;'\"@^%1ax \n\t\x1b"), max_size=30)


@given(MARKS | st.text(max_size=30))
def test_escaped_text_is_text_in_markdown_and_in_html(text):
    for html in (markdown2html_mistune(escaped(text)), f"<p>{escaped(text)}</p>"):
        seen = _Seen(html)
        assert seen.tags <= {"p", "span"}
        assert seen.text.removesuffix("\n") == visible(text)


@pytest.mark.parametrize(
    "text",
    ["https://evil.example/x", "www.evil.example", "a@b.example", "1. one", "- one", "    code", ":smile:", "[ ] x"],
)
def test_links_lists_and_code_are_text_too(text):
    html = markdown2html_mistune(escaped(text))
    assert unescape(html).strip() == f"<p>{text}</p>"


def test_numbers_dates_and_times_stay_legible_and_formulas_are_broken():
    assert escaped("2026-03-02, 09:00, 1.5, 1,000") == "2026-03-02, 09:00, 1.5, 1,000"
    assert escaped("$x$") == "<span>&#36;</span>x<span>&#36;</span>"


def test_lines_are_joined_each_in_a_line_of_its_own():
    assert joined(["a\nb", "c"]) == "a\\nb\nc"


def test_no_printed_line_is_a_command_to_github():
    assert printed("::error::x\n  ##[group]y\na::b") == "\\::error::x\n  \\##[group]y\na::b"
    assert printed(printed("::x")) == printed("::x")


@given(st.text())
def test_visible_json_means_the_same(text):
    shown = visible_json(json.dumps([text], ensure_ascii=False))
    assert json.loads(shown) == [text]
    assert visible(shown) == shown
