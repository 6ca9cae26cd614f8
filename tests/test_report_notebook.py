"""What a notebook says is Markdown and text, with every value in it made harmless."""

from __future__ import annotations

from html import unescape

from simkit.report.notebook import _markdown, say_each, text_of

CRON = "**Of *all* runs, `* 8-18 * * 1-5` is `the` one**: 2 * 3"


def test_a_sentence_without_emphasis_keeps_a_crons_stars():
    assert text_of(CRON, {}) == "Of all runs, * 8-18 * * 1-5 is the one: 2 * 3"
    assert unescape(_markdown(CRON, {})) == (
        "<strong>Of <em>all</em> runs, <code>* 8-18 * * 1-5</code> is <code>the</code> one</strong>: 2 * 3"
    )


def test_a_value_in_a_sentence_is_text_and_a_number_is_formatted():
    values = {"name": "**<b>`x`** {n}", "n": 1234.5, "date": "2026-03-02", "line": "a\n# b"}
    template = "- *{name}*, `{name}`: {n:,.1f} on {date}; {line}"
    assert text_of(template, values) == "- **<b>`x`** {n}, **<b>`x`** {n}: 1,234.5 on 2026-03-02; a\\n# b"
    odd = "&#42;&#42;&#60;b&#62;&#96;x&#96;&#42;&#42; &#123;n&#125;"
    assert _markdown(template, values) == (
        f"- <em>{odd}</em>, <code>{odd}</code>: 1,234.5 on 2026-03-02; a<span>&#92;</span>n&#35; b"
    )


def test_each_of_several_sentences_is_said_and_none_is_silence(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data["text/plain"]))
    say_each([])
    say_each([("{n} *pools*", {"n": 1}), ("`{{a: 1d}}`", {})])
    assert shown == ["1 pools", "{a: 1d}"]
