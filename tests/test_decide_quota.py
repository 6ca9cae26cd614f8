"""What is said of the quota beside a recommendation: none looked at, held, used up, or builds ended by it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from decided import decided, six_weeks

from simkit import recommend
from simkit.decide.quota import quota_said
from simkit.model import Preset, Scenario, Schedule
from simkit.runs.counts import count
from simkit.runs.givens import givens


def with_quota(quota: int | None, daily_cost: int, *more: Preset) -> Scenario:
    """Six weeks in which a preset wants up to 3 prebuilds at once."""
    given = six_weeks()
    own = Preset("go", 1, timezone="UTC", schedules=(Schedule("* 9-16 * * 1-5", 3),))
    return replace(
        given,
        versions=(replace(given.versions[0], presets=(own, *more)),),
        workload=replace(given.workload, daily_cost=daily_cost),
        prebuilds_quota=quota,
    )


def said(given: Scenario, is_met: bool = True) -> str:
    return quota_said(given, [count(givens(given, 0, 0))], is_met)


@pytest.mark.parametrize(
    ("quota", "daily_cost", "is_met", "expected"),
    [
        (None, 0, True, "No quota was looked at: the recommended numbers ask for at most 3 prebuilds at once."),
        (None, 5, False, "ask for at most 3 prebuilds at once, a daily_cost of 15."),
        (15, 5, True, "holds the recommended numbers: a daily_cost of 15 of 15, at most 3 prebuilds at once."),
        (40, 5, False, "holds the recommended numbers: a daily_cost of 15 of 40"),
        (19, 5, False, "binds: it is used up (a daily_cost of 15 of 19, at most 3 prebuilds at once), and the target"),
    ],
)
def test_a_quota_that_ended_nothing_holds_or_is_used_up(quota, daily_cost, is_met, expected):
    assert expected in said(with_quota(quota, daily_cost), is_met)


def test_builds_that_the_quota_ended_are_counted_and_what_holds_them_all_is_named():
    text = said(with_quota(2, 1))
    assert text.startswith("The quota of the prebuilds group (2) binds: it ended ")
    assert text.endswith("which ask for a daily_cost of up to 3 at once; an allowance of 3 holds that.")
    other = Preset("rust", 2)
    assert "up to 5 at once; an allowance of 5" in said(with_quota(4, 1, other)), "presets share it"


def test_no_more_is_recommended_than_the_quota_holds():
    free = decided()
    (unbound,) = free.presets
    assert unbound.plan.levels.max() == 2
    assert free.notes[0].startswith("No quota was looked at")
    given = six_weeks()
    given = replace(given, prebuilds_quota=9, workload=replace(given.workload, daily_cost=5))
    bound = recommend(given, 0.95, max_schedules=1)
    (one,) = bound.presets
    assert one.plan.levels.max() == 1
    assert not one.is_met
    assert one.after.hit_rate > 0.5, "and it does not drown in builds that the quota ends"
    assert "binds: it is used up (a daily_cost of 5 of 9" in bound.notes[0]
    nothing = recommend(replace(given, prebuilds_quota=4), 0.95, max_schedules=1)
    assert nothing.presets[0].plan.levels.max() == 0
