"""Answers in JupyterLab: local time, durations and units as people say them, and nothing that wraps an id."""

from __future__ import annotations

import re
import sys
from html import unescape
from types import SimpleNamespace

import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter

import simkit
from simkit.studies import answers

AT = pd.to_datetime(["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", None], utc=True)
ANSWER = pd.DataFrame(
    {
        "run_id": "week-s0-r0-0123abcd",
        "preset": ["us", "eu", "<script>"],
        "timezone": ["America/New_York", "Europe/Berlin", "America/New_York"],
        "changed_at": AT,
        "wait_p95_s": [46.54, 3725.0, None],
        "hit_rate": [0.9412, 1.0, None],
        "idle_instance_hours": [1234.56, 8.0, 0.0],
        "pool_cost": [12.5, 1.0, 0.25],
        "hard_limited_hours": [36.5, 0.0, 240.0],
        "currency": "EUR",
        "weekday": [0, 6, 3],
        "claims": [1234, 1, 0],
        "is_last": [True, False, False],
    }
)


def read(html: str) -> tuple[str, list[str], list[list[str]]]:
    """(what is said above, the headings, the cells of each row)."""
    above = re.search("<p>(.*?)</p>", html)
    rows = re.findall("<tr>(.*?)</tr>", html)
    cells = [[unescape(of) for of in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]
    return unescape(above[1]) if above else "", cells[0], cells[1:]


def test_instants_are_local_with_their_zone_and_numbers_have_units():
    above, heads, rows = read(answers.html(ANSWER))
    assert above == "3 rows; run week-s0-r0-0123abcd; currency EUR"
    assert dict(zip(heads, rows[0], strict=True)) == {
        "preset": "us",
        "time zone": "America/New_York",
        "changed at": "Sun 2026-11-01 01:30 EDT",
        "wait p95": "46.5s",
        "hit rate": "94.1%",
        "idle, instance-hours": "1,234.6",
        "pool cost, EUR": "12.5",
        "hard limited": "36h30m",
        "weekday": "Mon",
        "claims": "1,234",
        "is last": "yes",
    }
    assert rows[1][2:4] == ["Sun 2026-11-01 07:30 CET", "1h2m"]
    assert rows[2][:5] == ["<script>", "America/New_York", "", "", ""]


def test_one_zone_is_said_once_above_and_an_hour_that_comes_twice_is_told_apart():
    above, heads, rows = read(answers.html(ANSWER[ANSWER["preset"] != "eu"].assign(changed_at=AT[[0, 1]])))
    assert above.endswith("times of America/New_York")
    assert "time zone" not in heads
    assert [row[1] for row in rows] == ["Sun 2026-11-01 01:30 EDT", "Sun 2026-11-01 01:30 EST"]


def test_nothing_is_obeyed_and_no_id_wraps():
    html = answers.html(ANSWER.assign(preset=["<img src=x>", "a\u202eb", "c"], run_id=["r-1", "r-2", "r-3"]))
    assert "<img" not in html
    assert "\\u202eb" in unescape(re.sub("</?span>", "", html))
    heads = re.findall('<th style="([^"]*)">', html)
    assert heads
    assert all("nowrap" in style for style in heads)


def test_of_many_rows_the_first_and_the_last_are_shown():
    many = pd.DataFrame({"run_id": "r", "claims": range(1000)})
    above, _, rows = read(answers.html(many))
    assert above == "1,000 rows; run r"
    assert len(rows) == answers.MOST + 1
    assert rows[answers.MOST // 2] == ["... 940 rows are left out ..."]
    assert rows[-1] == ["999"]
    assert read(answers.html(many[:0]))[0] == "0 rows"


@pytest.fixture
def formatter(monkeypatch: pytest.MonkeyPatch) -> DisplayFormatter:
    """That of a notebook."""
    of_notebook = DisplayFormatter()
    shell = SimpleNamespace(display_formatter=of_notebook)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    return of_notebook


def test_a_notebook_shows_what_ask_gives_by_the_clocks_of_the_presets(formatter: DisplayFormatter):
    answers.install()
    one = simkit.run(simkit.load("data/scenarios/workweek.yaml"), 7)
    for question in ("decisions", "pool", "workspaces"):
        answer = simkit.ask(one, question)
        shown, _ = formatter.format(answer)
        assert "times of America/New_York" in read(shown["text/html"])[0], question
        assert str(answer[answer.columns[answer.dtypes.map(str).str.contains("UTC")][0]].dt.tz) == "UTC", "as before"


def test_other_tables_keep_the_look_of_pandas(formatter: DisplayFormatter):
    answers.install()
    mine = pd.DataFrame({"a": [1]})
    assert formatter.format(mine)[0]["text/html"] == mine._repr_html_()


def test_without_a_notebook_nothing_is_registered_and_nothing_is_added(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "IPython")
    answers.install()
    one = simkit.run(simkit.load("data/scenarios/workweek.yaml"), 7)
    assert simkit.ask(one, "decisions").attrs == {}
