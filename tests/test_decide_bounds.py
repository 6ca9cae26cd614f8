"""The rungs of the ladder, by hand and in their order."""

from __future__ import annotations

import numpy as np
import pytest

from simkit.clock import MINUTE_US
from simkit.decide.bounds import ladder
from simkit.decide.levels import LevelTables


def two_hours(weeks: int = 2) -> LevelTables:
    """Ten claims in hour 0 of the first week and in hour 1 of the second; one instance serves all of an hour's."""
    claims = np.zeros((168, weeks))
    claims[0, 0] = claims[1, 1] = 10.0
    misses = np.stack([claims, np.zeros_like(claims)], axis=1)
    idle = np.stack([np.zeros_like(claims), np.ones_like(claims)], axis=1)
    return LevelTables(claims, misses, idle)


def test_the_rungs_by_hand():
    known, hourly, weekly, constant = ladder(two_hours(), 1.0, MINUTE_US)
    assert known.idle_hours_per_week == pytest.approx(20 * 0.5 / 60 / 2)
    assert hourly.idle_hours_per_week == pytest.approx(1.0), "one hour in each week"
    assert weekly.idle_hours_per_week == pytest.approx(2.0), "both hours in each week"
    assert constant.idle_hours_per_week == pytest.approx(168.0)
    assert [r.hit_rate for r in (known, hourly, weekly, constant)] == [1.0, 1.0, 1.0, 1.0]


def test_half_of_it_takes_half_of_it():
    _, hourly, weekly, constant = ladder(two_hours(), 0.5, MINUTE_US)
    assert hourly.idle_hours_per_week == pytest.approx(0.5)
    assert weekly.idle_hours_per_week == pytest.approx(1.0)
    assert constant.hit_rate == 1.0, "one number has nothing between"


def test_what_cannot_be_reached_has_no_idle_hours():
    of = two_hours()
    short = LevelTables(of.claims, of.misses + of.claims[:, None, :] * 0.1, of.idle_hours)
    assert [np.isnan(rung.idle_hours_per_week) for rung in ladder(short, 0.95, MINUTE_US)[1:]] == [True, True, True]
