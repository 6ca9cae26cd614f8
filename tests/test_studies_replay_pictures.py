"""What is drawn of a replay is what it holds, with units and the clocks that it is told by."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from replayed import ODD, replayed

from simkit.studies.replay import pictures, tables
from simkit.studies.style import Picture


def words(picture: Picture) -> str:
    """Every text in a picture."""
    return "\n".join(text.get_text() for text in picture.findobj(lambda artist: hasattr(artist, "get_text")))


def test_weeks_have_a_dot_for_what_happened_beside_the_replays():
    frame = tables.weeks(replayed())
    picture = pictures.weeks(frame)
    dots = [float(line.get_ydata()[0]) for ax in picture.axes for line in ax.lines if line.get_marker() == "o"]
    assert dots == frame["recorded"].tolist()
    bars = [bar for ax in picture.axes for bar in ax.patches]
    assert [bar.get_y() for bar in bars] == frame["low"].tolist()
    assert [bar.get_y() + bar.get_height() for bar in bars] == pytest.approx(frame["high"].tolist())
    assert "week from Monday" in words(picture)
    assert "Nobody asked" in words(pictures.weeks(frame.iloc[:0]))


def test_waits_fall_from_all_claims_to_none():
    picture = pictures.waits(replayed())
    dashed = [line for ax in picture.axes for line in ax.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 2
    for line in dashed:
        y = line.get_ydata()
        assert y[0] == 1.0
        assert (np.diff(y) <= 0).all()
        assert y[-1] == 0.0
    assert "time since the claim" in words(picture)
    told = re.findall(r"(recorded|replayed) 50% wait at most (\w+), 95% wait at most (\w+)", picture._text())
    assert [name for name, *_ in told] == ["recorded", "replayed"] * 2
    assert "from 0% to 100%" not in picture._text()


def test_a_wait_without_an_end_is_longer_than_all():
    of = replayed()
    never = replace(of, claims=of.claims.assign(took_us=np.nan))
    dashed = [line for ax in pictures.waits(never).axes for line in ax.lines if line.get_linestyle() == "--"]
    assert {float(line.get_ydata()[-1]) for line in dashed} == {1.0}


def test_the_day_has_what_ran_in_each_hour_and_who_came():
    of = replayed()
    worst = tables.worst_day(of)
    picture = pictures.day(of, worst)
    upper, lower = picture.axes
    recorded = next(patch for patch in upper.patches if patch.get_label() == "recorded").get_data().values
    assert recorded.size == 24
    assert recorded.sum() / 24 == pytest.approx(of.presets[0].days[0].running)
    assert sum(bar.get_height() for bar in lower.patches) == of.presets[0].days[0].claims
    said = words(picture)
    assert "local time, America/New_York" in said
    assert "large, Wednesday 2026-03-04" in said
    assert "There is no pool" in words(pictures.day(of, None))


def test_names_are_text():
    of = replayed(ODD)
    said = words(pictures.waits(of)) + words(pictures.weeks(tables.weeks(of)))
    assert ODD in said
    assert pictures.day(of, tables.worst_day(of)).png().startswith(b"\x89PNG")
