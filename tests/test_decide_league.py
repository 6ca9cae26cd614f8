"""The league: what each policy comes to, how its number is chosen, and which pools end at zero."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenarios import MONDAY_AT, scenario

from simkit import InputError, league, recommend
from simkit.clock import DAY_US, HOUR_US, MINUTE_US, WEEK_US, Zone
from simkit.decide.league import (
    CONSTANT,
    DRAFTED,
    IN_USE,
    PERCENTILE,
    PERCENTILES,
    RATE,
    RECOMMENDED,
    TODAY,
    League,
    Row,
)
from simkit.decide.standings import as_json
from simkit.model import Activate, History, Preset, Profile, Scenario, Schedule, TemplateVersion, Workload, constant
from simkit.runs.measures import measures
from simkit.runs.simulate import run

UTC = Zone("UTC")
QUICK = Workload(constant(5 * MINUTE_US), constant(0), cost_per_instance_hour=2.0)
OFFICE = tuple(6.0 if hour % 24 in range(8, 18) and hour < 120 else 0.2 for hour in range(168))


def weeks(count: int, *presets: Preset, **more: object) -> Scenario:
    given = scenario(*(presets or (Preset("p", 2),)), workload=QUICK, provisioner_daemons=20)
    demand = tuple(Profile(p.name, UTC, OFFICE) for p in given.versions[0].presets)
    return replace(given, **{"end_at": MONDAY_AT + count * WEEK_US, "demand": demand, **more})


def others(of: Scenario, **more: object) -> League:
    """The league without a search for what to recommend, which takes seconds: today's setting stands in for it."""
    return league(of, **{"advised": of, "expressions": (), **more})


def row_of(found: League, policy: str) -> Row:
    return next(row for row in found.rows if row.policy == policy)


def with_constants(of: Scenario, **numbers: int) -> Scenario:
    return of.with_presets(lambda p: replace(p, instances=numbers.get(p.name, p.instances), schedules=()))


def rates(of: Scenario, seed: int = 0) -> list[float]:
    return measures(run(of, seed)).hit_rate.tolist()


def test_todays_row_is_what_a_run_measures():
    of = weeks(2)
    row = others(of, seed=5).today
    known = measures(run(of, 5))
    assert row.total.hit_rate == known.hit_rate[0]
    assert row.total.wait_p95_s == known.wait_s[0, 1]
    assert row.total.claims == known.claims[0] / 2
    assert row.total.idle_hours == pytest.approx(known.idle_instance_hours[0] / 2)
    assert row.total.pool_hours == pytest.approx(known.pool_instance_hours[0] / 2)
    assert row.total.pool_cost == pytest.approx(known.pool_cost[0] / 2)
    assert row.total.builds == known.builds[0] / 2
    assert dict(row.by_preset)["p"] == row.total


def test_who_reaches_the_target_stands_first_the_cheapest_on_top():
    found = others(weeks(2), target_hit_rate=0.9, expressions=("20", "scheduled_target"))
    assert {row.policy for row in found.rows} == {
        *(TODAY, RECOMMENDED, CONSTANT, PERCENTILE, RATE, IN_USE),
        *("20", "scheduled_target"),
    }
    reached = [found.reaches(row) for row in found.rows]
    assert reached == sorted(reached, reverse=True)
    costs = [row.total.pool_cost for row in found.rows if found.reaches(row)]
    assert len(costs) >= 3
    assert costs == sorted(costs)
    rest = [row.total.hit_rate for row in found.rows if not found.reaches(row)]
    assert rest == sorted(rest, reverse=True)
    assert row_of(found, "scheduled_target").total == found.today.total


@pytest.mark.parametrize("target", [0.9, *(pytest.param(x, marks=pytest.mark.slow) for x in (0.6, 0.97))])
def test_a_constant_is_the_smallest_that_reaches_the_target(target):
    of = weeks(1)
    row = row_of(others(of, target_hit_rate=target), CONSTANT)
    ((_, chosen),) = row.settings
    tried = {n: rates(with_constants(of, p=n))[0] for n in range(1, int(chosen) + 1)}
    assert [n for n, rate in tried.items() if rate >= target] == [chosen]
    assert row.total.hit_rate == tried[int(chosen)]


def test_each_preset_has_a_number_of_its_own():
    of = weeks(1, Preset("busy", 1), Preset("calm", 1))
    of = replace(of, demand=(of.demand[0], Profile("calm", UTC, tuple(x / 10 for x in OFFICE))))
    row = row_of(others(of, target_hit_rate=0.9), CONSTANT)
    numbers = {name: int(n) for name, n in row.settings}
    assert numbers["busy"] > numbers["calm"] >= 1
    assert min(rates(with_constants(of, **numbers))) >= 0.9
    for name, number in numbers.items():
        if number > 1:
            fewer = rates(with_constants(of, **{**numbers, name: number - 1}))
            assert fewer[list(numbers).index(name)] < 0.9


def test_where_no_number_reaches_the_target_the_smallest_that_serves_most_is_shown():
    """Three people come before anything can be built, two at once a day later."""
    of = weeks(1, demand=History(np.array([MONDAY_AT] * 3 + [MONDAY_AT + DAY_US] * 2), ("p",) * 5))
    found = others(of, target_hit_rate=0.9)
    row = row_of(found, CONSTANT)
    assert not found.reaches(row)
    assert (row.settings, row.total.hit_rate) == ((("p", 2.0),), 0.4)


def test_a_percentile_looks_at_the_same_hour_of_the_weeks_before():
    """Three people at 09:10 each Monday: nothing is known in the first week, everything in the others."""
    at = np.sort(np.repeat(MONDAY_AT + np.arange(4) * WEEK_US + 9 * HOUR_US + 10 * MINUTE_US, 3))
    of = weeks(4, Preset("p", 0), demand=History(at, ("p",) * at.size))
    row = row_of(others(of, target_hit_rate=0.7), PERCENTILE)
    assert (row.settings, row.total.hit_rate) == ((("p", float(PERCENTILES[0])),), 0.75)
    # Three, and three in their place, for the rest of an hour.
    assert row.total.builds == 6 * 3 / 4
    assert 3 * 3 / 4 < row.total.pool_hours < 6 * 1.5 * 3 / 4


def test_a_policy_that_can_never_leave_zero_is_found_in_its_text_and_in_the_run():
    found = others(weeks(3), expressions=("min(claims_10m*10, 20)", "claims_30m + misses_30m"))
    stuck, lives = (row_of(found, text) for text in ("min(claims_10m*10, 20)", "claims_30m + misses_30m"))
    assert (stuck.stuck, stuck.dead, stuck.total.hit_rate) == (("p",), ("p",), 0.0)
    assert stuck.total.at_zero_since == MONDAY_AT
    assert stuck.total.missed == round(stuck.total.claims * 3)
    assert (lives.stuck, lives.dead) == ((), ())
    assert lives.total.hit_rate > 0.3


def test_one_that_dies_in_the_run_alone_is_found_there():
    """A Sunday would bring it back, and the window ends before one comes."""
    of = weeks(1, Preset("p", 0))
    row = row_of(
        others(replace(of, end_at=of.end_at - DAY_US), expressions=("weekday == 0 ? 1 : claims_5m",)),
        "weekday == 0 ? 1 : claims_5m",
    )
    assert (row.stuck, row.dead) == ((), ("p",))


def test_nights_and_weekends_at_zero_are_no_death():
    of = weeks(2, Preset("p", 0, timezone="UTC", schedules=(Schedule("* 8-17 * * 1-4", 4),)))
    of = replace(of, end_at=of.end_at - DAY_US)
    assert others(of).today.dead == ()


def test_a_pool_that_the_hard_limit_ends_is_dead_of_that():
    of = weeks(1, workload=replace(QUICK, failing_builds=frozenset(range(5, 40))))
    row = others(of).today
    assert row.dead == ("p",)
    assert row.total.is_limited
    assert MONDAY_AT < row.total.at_zero_since < MONDAY_AT + 2 * DAY_US


def test_presets_that_have_no_pool_today_or_that_nobody_asks_for_stay_out():
    of = weeks(1, Preset("p", 2), Preset("none", 0), Preset("idle", 3))
    of = replace(of, demand=of.demand[:2])
    found = others(of)
    assert found.presets == ("p",)
    assert row_of(found, CONSTANT).settings[0][0] == "p"


def test_replications_are_pooled_and_the_same_seed_gives_the_same_league():
    of = weeks(1)
    found, again = (others(of, seed=3, replications=2, expressions=DRAFTED) for _ in range(2))
    assert found.rows == again.rows
    each = [measures(run(of, 3, r)) for r in range(2)]
    assert found.today.total.hit_rate == sum(m.hits[0] for m in each) / sum(m.claims[0] for m in each)
    assert found.today.total.builds == sum(m.builds[0] for m in each) / 2


@pytest.mark.slow
def test_whoever_plays_the_policies_the_rows_are_the_same():
    of = weeks(5)
    with ProcessPoolExecutor(2) as processes:
        assert as_json(league(of, executor=processes)) == as_json(league(of))


def test_versions_that_are_activated_follow_the_policy_too():
    later = TemplateVersion("t", "v2", (Preset("p", 2),))
    of = weeks(2, events=(Activate(MONDAY_AT + WEEK_US, later),))
    row = row_of(others(of, expressions=("9",)), "9")
    assert row.total.hit_rate > 0.99


def test_every_problem_is_told_at_once(tmp_path: Path):
    with pytest.raises(InputError) as caught:
        league(tmp_path / "none.yaml", target_hit_rate=1.0, expressions=("1 +", "foo"), replications=0)
    told = [str(problem) for problem in caught.value.problems]
    assert told[0] == "--expression 1:4: the end where a value is needed; write a number, a name or a function"
    assert told[1].startswith('--expression 2:1: there is no "foo"; there are claim_rate_10m')
    assert told[2] == "--replications: 0 is none; write 1 or more"
    assert told[3] == "--target-hit-rate: a target of 1 is met by no pool, or by every; write a share such as 0.95"
    assert "none.yaml: cannot be read" in told[4]
    assert len(told) == 5


def test_nobody_who_asks_is_told():
    with pytest.raises(InputError, match="nobody asks for any preset"):
        league(weeks(1, demand=()))


def test_what_is_recommended_plays_too_and_a_history_that_is_too_short_for_it_is_told():
    of = weeks(2)
    row = row_of(league(of, target_hit_rate=0.9, expressions=()), RECOMMENDED)
    advised = recommend(of, 0.9).advised
    assert row.total.hit_rate == measures(run(advised, 0)).hit_rate[0]
    at = MONDAY_AT + np.arange(40, dtype=np.int64) * 3_600_000_000
    short = league(replace(of, demand=History(at, ("p",) * 40)), target_hit_rate=0.9, expressions=())
    assert [text for text in short.left_out if "needs at least 4" in text] != []
    assert RECOMMENDED not in {row.policy for row in short.rows}


def test_one_preset_alone_is_played_with_what_was_recommended_already():
    of = weeks(5, Preset("p", 2), Preset("q", 2))
    advised = of.with_presets(lambda p: replace(p, instances=7))
    found = league(of, expressions=(), preset="q", advised=advised)
    assert found.presets == ("q",)
    assert row_of(found, RECOMMENDED).total.hit_rate == rates(advised)[1]
    with pytest.raises(InputError, match='nobody asks for a preset "r"; there are p, q'):
        league(of, expressions=(), preset="r")
