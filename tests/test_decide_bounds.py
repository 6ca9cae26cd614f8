"""The rungs of the ladder, by hand and in their order."""

from __future__ import annotations

import numpy as np
import pytest

from simkit.clock import MINUTE_US
from simkit.decide.bounds import Rung, ladder
from simkit.decide.levels import LevelTables
from simkit.decide.plan import Plan
from simkit.decide.search import Aim, Search


def two_hours(weeks: int = 2) -> LevelTables:
    """Ten claims in hour 0 of the first week and in hour 1 of the second; one instance serves all of an hour's."""
    claims = np.zeros((168, weeks))
    claims[0, 0] = claims[1, 1] = 10.0
    misses = np.stack([claims, np.zeros_like(claims)], axis=1)
    idle = np.stack([np.zeros_like(claims), np.ones_like(claims)], axis=1)
    return LevelTables(claims, misses, idle)


def rungs(of: LevelTables, target: float, least: int = 0, blocks: int = 0) -> tuple[Rung, ...]:
    search = Search(of, Aim(of.claims.sum(axis=0), target), least)
    return ladder(search, Plan(least), target, blocks, MINUTE_US)


def test_the_rungs_by_hand():
    known, hourly, weekly, constant = rungs(two_hours(), 1.0)
    assert known.idle_hours_per_week == pytest.approx(20 * 0.5 / 60 / 2)
    assert hourly.idle_hours_per_week == pytest.approx(1.0), "one hour in each week"
    assert weekly.idle_hours_per_week == pytest.approx(2.0), "both hours in each week"
    assert constant.idle_hours_per_week == pytest.approx(168.0)
    assert [r.hit_rate for r in (known, hourly, weekly, constant)] == [1.0, 1.0, 1.0, 1.0]


def test_half_of_it_takes_half_of_it():
    _, hourly, weekly, constant = rungs(two_hours(), 0.5)
    assert hourly.idle_hours_per_week == pytest.approx(0.5)
    assert weekly.idle_hours_per_week == pytest.approx(1.0)
    assert constant.hit_rate == 1.0, "one number has nothing between"


def test_what_cannot_be_reached_has_no_idle_hours():
    of = two_hours()
    short = LevelTables(of.claims, of.misses + of.claims[:, None, :] * 0.1, of.idle_hours)
    assert [np.isnan(rung.idle_hours_per_week) for rung in rungs(short, 0.95)[1:]] == [True, True, True]


def test_a_number_that_the_hard_limit_asks_for_is_kept_but_where_failed_prebuilds_are_deleted():
    known, deleted, *bound = rungs(two_hours(), 1.0, least=1)
    assert known.idle_hours_per_week < 1
    assert (deleted.name, deleted.idle_hours_per_week) == (
        "best number for each hour of the week, if failed prebuilds were deleted",
        pytest.approx(2.0),
    )
    assert [rung.idle_hours_per_week for rung in bound] == pytest.approx([168.0, 168.0, 168.0])
    assert all(rung.name.endswith(", 1 or more") for rung in bound)


def test_schedules_that_hindsight_finds_lie_between_hours_of_the_week_and_one_number():
    *_, weekly, blocks, constant = rungs(two_hours(), 1.0, blocks=2)
    assert blocks.name == "best with 2 schedules at most"
    assert (blocks.hit_rate, blocks.idle_hours_per_week) == (1.0, pytest.approx(2.0)), "Monday from 00:00 to 02:00"
    assert weekly.idle_hours_per_week <= blocks.idle_hours_per_week < constant.idle_hours_per_week


def test_a_forecast_is_judged_by_weeks_that_it_was_not_chosen_by():
    alike, alternating = two_hours(8), two_hours(8)
    alike.claims[0] = 10.0
    alike.misses[0, 0] = 10.0
    (found,) = [rung for rung in rungs(alike, 1.0) if not rung.in_sample]
    assert found.knows == "the other weeks"
    assert found.hit_rate == pytest.approx(80 / 90), "who came once, in the second week, is seen by no other week"
    assert found.idle_hours_per_week == pytest.approx(1.75), "but planned for in all other weeks"
    (found,) = [rung for rung in rungs(alternating, 1.0) if not rung.in_sample]
    assert found.hit_rate == 0.0, "both weeks of people who ever came are in one quarter"
