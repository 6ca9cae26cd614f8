"""Answers on terminals, narrow ones above all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from simkit.cli.answers import MOST, laid_out

ID = "workweek-s7-r0-e6894909"
INSTANT = pd.Timestamp("2026-03-02T14:00:00Z")


def rows(count: int, runs: int = 1) -> pd.DataFrame:
    each = range(count)
    return pd.DataFrame(
        {
            "run_id": [f"workweek-s7-r{i * runs // count}-e6894909" for i in each],
            "preset": [f"goland-{i % 3}" for i in each],
            "timezone": "America/New_York",
            "changed_at": [INSTANT + pd.Timedelta(minutes=i) for i in each],
            **{f"number_of_things_{n}": [i * n for i in each] for n in range(8)},
        }
    )


def test_a_table_that_fits_is_left_as_it_is():
    given = rows(4)
    assert laid_out(given, ["preset"], None) == given.to_string(index=False)
    assert laid_out(given, ["preset"], 300) == given.to_string(index=False)


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
@pytest.mark.parametrize("lead", [("preset",), ("changed_at", "preset"), ()])
def test_a_wide_table_is_folded_into_blocks_that_fit(columns: int, lead: tuple[str, ...]):
    given = rows(7, runs=2)
    text = laid_out(given, lead, columns)
    assert max(map(len, text.splitlines())) <= columns
    for name in given:
        assert name in text
    for run in given["run_id"].unique():
        assert text.count(run) == 1, "said once, and whole"
    for value in given["number_of_things_7"]:
        assert str(value) in text
    heads = [line.split() for line in text.splitlines() if line.split()[:1] == [*lead[:1]]]
    assert all(head[: len(lead)] == list(lead) for head in heads)
    assert len(heads) >= 2 * bool(lead)


def test_one_row_is_a_line_per_column():
    given = pd.DataFrame({"run_id": [ID], "digest": ["e6" * 40], "error": ["no room " * 20], "ended_by": [None]})
    lines = laid_out(given, (), 60).splitlines()
    assert lines[0] == f"run_id    {ID}"
    assert lines[1] == f"digest    {'e6' * 40}", "an id is not broken"
    assert lines[-1] == "ended_by  -"
    assert max(len(line) for line in lines[2:]) <= 60


def test_rows_that_no_column_fits_beside_are_paragraphs():
    given = pd.DataFrame({"run_id": [ID, ID], "preset": ["p" * 50, "q" * 50], "digest": ["e6" * 20, "a7" * 20]})
    paragraphs = laid_out(given, ["preset"], 60).split("\n\n")
    assert [p.splitlines()[1] for p in paragraphs] == [f"preset  {'p' * 50}", f"preset  {'q' * 50}"]


def test_of_many_rows_the_first_and_the_last_are_shown():
    text = laid_out(rows(200), ["changed_at", "preset"], 80)
    assert f"... {200 - MOST} rows are left out ..." in text
    assert "14:29:00" in text
    assert "14:30:00" not in text
    assert "17:19:00" in text


def test_no_rows_are_told_in_words():
    assert laid_out(rows(3)[:0], (), 60) == laid_out(rows(3)[:0], (), None) == "no rows"


def test_a_spread_is_one_cell():
    given = pd.DataFrame(
        {
            "preset": ["a", "b", "c"],
            "rate_low": [0.93, 1.0, np.nan],
            "rate_median": [0.94712, 1.0, np.nan],
            "rate_high": [0.96, 1.0, np.nan],
        }
    )
    assert [line.split(maxsplit=1) for line in laid_out(given, ["preset"], None).splitlines()] == [
        ["preset", "rate"], ["a", "0.9471 (0.93 to 0.96)"], ["b", "1"], ["c", "-"],
    ]  # fmt: skip


def test_text_that_a_terminal_would_obey_is_shown_as_escapes_and_measured_so():
    given = rows(6).assign(preset=[f"\x1b[31m\n{i}" for i in range(6)])
    text = laid_out(given, ["preset"], 60)
    assert "\x1b" not in text
    assert "\\x1b[31m\\n5" in text
    assert max(map(len, text.splitlines())) <= 60
