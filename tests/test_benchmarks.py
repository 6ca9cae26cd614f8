"""The benchmark compares like with like: both models tell the same story."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scenarios import MONDAY_AT

from benchmarks import promises, year
from benchmarks.__main__ import counts, given
from benchmarks.peer_simpy import Deployment
from simkit.clock import DAY_US, HOUR_US, UTC_ZONE, WEEK_US, zone
from simkit.inputs import load
from simkit.runs.simulate import run


@pytest.mark.parametrize("claims", [0, 500, 20_000])
def test_simpy_and_simkit_agree_on_every_wait(claims: int):
    scenario = replace(year.scenario(claims), end_at=year.START_AT + 60 * DAY_US)
    result = run(scenario)
    assert Deployment(given(result)).run() == counts(result)
    assert len(result.rows.claims) <= claims


def test_the_scenario_file_is_the_scenario(tmp_path):
    written = load(year.write(tmp_path))
    made = year.scenario()
    assert written.versions[0].presets[0].schedules[0].cron == made.versions[0].presets[0].schedules[0].cron
    assert written.workload == made.workload
    assert (written.start_at, written.end_at, written.reconciler) == (made.start_at, made.end_at, made.reconciler)
    assert written.demand.claim_at.tolist() == made.demand.claim_at.tolist()


@pytest.mark.slow
def test_hindsight_meets_its_target_for_less_than_is_recommended_beforehand():
    of = promises.demand(np.sort(MONDAY_AT + office_hours(10)), UTC_ZONE)
    seen = promises.scenario(of, 5, 0, 10)
    assert (seen.end_at - seen.start_at) / WEEK_US == 10
    advice = promises.advised(seen, 0.9)
    hit_rate, idle = promises.played(seen, advice.plan)
    assert (hit_rate, idle) == pytest.approx((advice.after.hit_rate, advice.after.idle_hours_per_week))
    assert promises.best_in_hindsight(seen, 0.9, promises.MOST_SCHEDULES) < idle


def test_weeks_of_a_demand_begin_on_monday_by_its_clocks_also_where_these_change():
    new_york = zone("America/New_York")
    assert new_york is not None
    tuesday_at = 1772560800000000  # 3 March 2026
    of = promises.demand(tuesday_at + np.arange(6) * WEEK_US, new_york)
    assert of.weeks == 4
    assert promises.demand(tuesday_at + np.array([0, 5 * WEEK_US + 3 * DAY_US]), new_york).weeks == 5, "to Friday"
    first = promises.scenario(of, 5, 0, 1)
    assert [str(new_york.local(at)) for at in (first.start_at, first.end_at)] == [
        "2026-03-09 00:00:00-04:00",
        "2026-03-16 00:00:00-04:00",
    ]


def office_hours(weeks: int) -> npt.NDArray[np.int64]:
    """A hundred and twenty people a week between nine and five, in microseconds from Monday on."""
    rng = np.random.default_rng(3)
    days = np.flatnonzero(np.arange(7 * weeks) % 7 < 5)
    return ((days[:, None] * 24 + 9 + rng.random((days.size, 24)) * 8) * HOUR_US).astype(np.int64).ravel()
