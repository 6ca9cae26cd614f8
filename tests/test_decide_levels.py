"""Tables of constant numbers are what exact runs have, and sums of them are close to exact runs of schedules."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from scenarios import MONDAY_AT, scenario

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, UTC_ZONE, WEEK_US, parse_instant, zone
from simkit.decide.levels import Calendar, LevelTables, edges_of, lead_us, level_tables, played
from simkit.decide.plan import Block, Plan
from simkit.decide.search import Aim, Search
from simkit.model import Preset, Profile, Scenario, Workload, constant
from simkit.runs.counts import count
from simkit.runs.givens import givens
from simkit.runs.measures import measures
from simkit.runs.simulate import run


def working(weeks: int = 6, build_us: int = 5 * MINUTE_US) -> Scenario:
    """A pool whose people come on working days from 8 to 18."""
    rates = tuple(3.0 if hour // 24 < 5 and 8 <= hour % 24 < 18 else 0.1 for hour in range(168))
    given = scenario(Preset("p", 2, ttl_us=8 * HOUR_US), workload=Workload(constant(build_us)), provisioner_daemons=10)
    span = {"start_at": MONDAY_AT, "end_at": MONDAY_AT + weeks * WEEK_US}
    return replace(given, demand=(Profile("p", UTC_ZONE, rates),), **span)


def calendars(of: Scenario) -> dict[str, Calendar]:
    return {"p": Calendar.of(of.zone, of.start_at, of.end_at)}


@pytest.mark.parametrize(("hours", "weeks"), [(168, 1), (166, 1), (165, 0), (336, 2), (333, 1), (1, 0)])
def test_a_week_that_lacks_no_more_than_clocks_can_take_is_whole(hours: int, weeks: int):
    assert Calendar.of(UTC_ZONE, MONDAY_AT, MONDAY_AT + hours * HOUR_US).weeks == weeks


def test_tables_of_three_numbers_go_up_to_two():
    assert LevelTables(np.zeros((168, 4)), np.zeros((168, 3, 4)), np.zeros((168, 3, 4))).most == 2


def test_a_calendar_has_whole_weeks_from_the_first_hour_on():
    new_york = zone("America/New_York")
    assert new_york is not None
    start, end = parse_instant("2026-03-04T15:30:00-05:00"), parse_instant("2026-03-27T00:00:00-04:00")
    of = Calendar.of(new_york, start, end)
    assert of.weeks == 3, "Wednesday to Wednesday, three times"
    assert of.begins.tolist() == [
        parse_instant(text)
        for text in (
            "2026-03-04T15:30:00-05:00",
            "2026-03-11T15:00:00-04:00",
            "2026-03-18T15:00:00-04:00",
            "2026-03-25T15:00:00-04:00",
        )
    ]
    assert [int((of.week == w).sum()) for w in range(3)] == [167, 168, 168], "clocks go forward on the 8th"
    assert int(of.hour[np.argmax(of.week == 0)]) == 2 * 24 + 15, "Wednesday, 15:00"
    assert (of.week[-24:] == -1).all(), "the day that is left over belongs to no week"
    back = Calendar.of(new_york, parse_instant("2026-10-05T00:00:00Z"), parse_instant("2026-11-16T00:00:00Z"))
    assert back.weeks == 6, "clocks go back on 1 November"
    assert of.first(2).weeks == 2
    assert of.first(2).week.max() == 1


@pytest.fixture
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize("level", [0, 1, 3])
def test_a_constant_number_has_in_the_tables_what_the_kernel_gives_it(level: int, threads: Executor):
    of = working()
    tables, runs = level_tables(of, calendars(of), 4, 1, threads)
    table = tables["p"]
    assert runs == len([0, 1, 2, 3, 4, 5, 6, 7, 8]) or runs > 3
    exact = measures(run(of.with_presets(lambda p: replace(p, instances=level)), 4))
    fit = Search(table, Aim(table.claims.sum(axis=0), 0.9)).fit(Plan(level))
    assert table.claims.sum() == exact.claims[0]
    assert round(float(fit.hits.sum())) == exact.hits[0]
    assert fit.idle_hours.sum() == pytest.approx(float(exact.idle_instance_hours[0]), rel=1e-9)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(1, (Block(8, 17, 0b11111, 4),)),
        Plan(0, (Block(7, 12, 0b11111, 3), Block(13, 18, 0b11111, 2))),
        Plan(2, (Block(0, 23, 0b1100000, 1),)),
    ],
)
def test_a_schedule_is_nearly_the_sum_of_its_hours(plan: Plan, threads: Executor):
    of = working(26)
    tables, _ = level_tables(of, calendars(of), 4, 1, threads)
    fit = Search(tables["p"], Aim(tables["p"].claims.sum(axis=0), 0.9)).fit(plan)
    exact = measures(run(of.with_presets(lambda p: plan.of(p, "UTC")), 4))
    assert fit.hits.sum() / tables["p"].claims.sum() == pytest.approx(float(exact.hit_rate[0]), abs=0.005)
    assert fit.idle_hours.sum() == pytest.approx(float(exact.idle_instance_hours[0]), rel=0.02)


def test_a_miss_stands_a_lead_time_before_the_claim_and_in_the_claims_week():
    of = replace(working(2), demand=(Profile("p", UTC_ZONE, (30.0,) + (0.0,) * 167),))
    of = of.with_presets(lambda p: replace(p, instances=0))
    calendar = calendars(of)
    one = played(of, count(givens(of, 1, 0), edges_of(calendar.values())), calendar)["p"]
    asked = count(givens(of, 1, 0)).claimed_at
    assert asked.size > 0
    lead = lead_us(of, "p")
    early = int(((asked % HOUR_US < lead) & (asked >= MONDAY_AT + WEEK_US)).sum())
    assert early > 0, "otherwise this proves nothing"
    assert one.misses[:, 167].tolist() == [0, early], "Sunday's last hour could have prevented them"
    assert one.misses.sum(axis=1).tolist() == [int(((asked - MONDAY_AT) // (7 * DAY_US) == w).sum()) for w in (0, 1)]


def test_tables_have_no_hard_limit_in_which_a_constant_number_drowns(threads: Executor):
    of = working(2)
    of = replace(of, workload=replace(of.workload, failure_probability=0.3))
    tables, _ = level_tables(of, calendars(of), 4, 1, threads)
    free = replace(of, reconciler=replace(of.reconciler, failure_hard_limit=0))
    two = measures(run(free.with_presets(lambda p: replace(p, instances=2)), 4))
    assert tables["p"].idle_hours[:, 2].sum() == pytest.approx(float(two.idle_instance_hours[0]), rel=1e-9)
    assert tables["p"].misses[:, 2].sum() == two.claims[0] - two.hits[0]


def test_numbers_are_tried_until_no_preset_gains_by_more_and_three_at_least(threads: Executor):
    slow = working(1, build_us=3 * WEEK_US)
    tables, runs = level_tables(slow, calendars(slow), 4, 2, threads)
    assert (tables["p"].most, runs) == (2, 6), "nobody is ever served: 0, 1 and 2 are tried, twice each"
    assert tables["p"].claims.shape == (168, 2)
    (profile,) = slow.demand
    (version,) = slow.versions
    both = replace(
        slow,
        versions=(replace(version, presets=(*version.presets, replace(version.presets[0], name="quick"))),),
        demand=(profile, replace(profile, preset="quick")),
        workloads=(("quick", Workload(constant(HOUR_US))),),
        provisioner_daemons=500,
    )
    calendar = calendars(both)["p"]
    tables, runs = level_tables(both, {"p": calendar, "quick": calendar}, 4, 1, threads)
    assert tables["p"].most == tables["quick"].most > 2
    assert runs > 3
