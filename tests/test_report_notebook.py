"""What a notebook says is Markdown and text, with every value in it made harmless."""

from __future__ import annotations

from html import unescape
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simkit.clock import parse_instant
from simkit.report.notebook import MIME, _markdown, plain, rows_of_presets, say_each, text_of
from simkit.studies.wording import day_and_time, zone_of
from simkit.times import about

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


@pytest.mark.parametrize(
    ("value", "recorded"),
    [
        (np.int64(2), 2),
        (664.0, 664),
        (np.float64(0.25), 0.25),
        (float("nan"), None),
        (float("inf"), None),
        (np.bool_(True), True),
        ("Tuesday", "Tuesday"),
        (about(95.4), 95.4),
        (about(7200), 7200),
        (about(float("nan")), None),
    ],
)
def test_a_number_is_recorded_exactly_and_whole_where_it_is_whole(value, recorded):
    assert (plain(value), type(plain(value))) == (recorded, type(recorded))


def test_a_day_and_a_time_are_words_in_a_sentence_and_a_date_and_an_instant_for_a_program(monkeypatch):
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    at = parse_instant("2026-11-17T14:00:00Z")
    say_each([("{x_day}, {x_time}, {wait}", day_and_time(at, zone_of("America/New_York"), "x") | {"wait": about(90)})])
    assert shown[0]["text/plain"] == "Tuesday 2026-11-17, 09:00 EST, 1m30s"
    assert shown[0][MIME] == {"numbers": {"x_day": "2026-11-17", "x_time": "2026-11-17T09:00:00-05:00", "wait": 90}}


def test_a_row_per_preset_spans_its_replications():
    at = pd.Timestamp("2026-03-02T09:00:00Z")
    summary = pd.DataFrame(
        {
            "run_id": ["a", "a", "b", "b"],
            "preset": ["z", "b", "z", "b"],
            "claims": [4, 0, 8, 0],
            "hit_rate": [0.5, np.nan, 1.0, np.nan],
            "has_pool": [True, False, True, False],
            "currency": ["USD", None, "USD", None],
            "idle_instance_hours": [1.5, 0, 2, 0],
            "hard_limited_at": [pd.NaT, pd.NaT, at, pd.NaT],
            "hard_limited_hours": [0, 0, 0.1, 0],
        }
    )
    nobody = dict.fromkeys(("low", "median", "high"))
    limited = "2026-03-02T09:00:00Z"
    z, b = rows_of_presets(summary)
    assert z == {
        "preset": "z",
        "claims": {"low": 4, "median": 4, "high": 8},
        "hit_rate": {"low": 0.5, "median": 0.5, "high": 1},
        "has_pool": True,
        "currency": "USD",
        "idle_instance_hours": {"low": 1.5, "median": 1.5, "high": 2},
        "hard_limited_at": {"low": limited, "median": limited, "high": limited},
        "hard_limited_s": {"low": 0, "median": 0, "high": 360},
    }
    assert (b["preset"], b["has_pool"], b["currency"]) == ("b", False, None)
    assert b["hit_rate"] == b["hard_limited_at"] == nobody
