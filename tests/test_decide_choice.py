"""How plans are chosen, step by step: what each step makes of searches and runs whose answers are known."""

from __future__ import annotations

import math
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from decided import WEEKS, six_weeks
from scenarios import MONDAY_AT

from simkit.clock import DAY_US, HOUR_US, NEVER, SECOND_US, UTC_ZONE, WEEK_US
from simkit.decide import choice as steps
from simkit.decide.asked import Asked
from simkit.decide.choice import (
    Choice,
    Chosen,
    _beats,
    _rank,
    _Tried,
    _unbeaten,
    cheapest_worth_it,
    cost_of,
    limited_from,
    slopes_of,
    weeks_of,
)
from simkit.decide.levels import LevelTables, Played
from simkit.decide.margins import Weeks, deviation_of_volume, lower_limit
from simkit.decide.plan import Block, Plan
from simkit.decide.recommendation import CONFIDENCE, Drowned, InTime, Outcome, Point
from simkit.decide.search import Aim, Fit, Search
from simkit.model import Holiday, Preset, Profile, Scenario, Schedule, TemplateVersion
from simkit.runs.counts import Counts, count
from simkit.runs.givens import givens

END_AT = MONDAY_AT + WEEKS * WEEK_US
BUSY = Block(9, 16, 0b11111, 3)


class AtOnce(Executor):
    """Whoever gives it something to compute does so."""

    def submit(self, function: Any, /, *given: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*given, **named))
        return future


def choice(of: Scenario | None = None, ttl_us: int | None = None, **asked: Any) -> Choice:
    given = {"target": 0.9, "max_wait_p95_s": None, "max_cost_per_week": None, "max_schedules": 1, "preset": None}
    return Choice(Asked(of or six_weeks(), **{**given, "holdout_weeks": None, "seed": 0, **asked}), ttl_us, AtOnce())


def drawn(weeks: int = 2) -> Scenario:
    profile = Profile("go", UTC_ZONE, (1.0,) * 168)
    return replace(six_weeks(), demand=(profile,), end_at=MONDAY_AT + weeks * WEEK_US)


def counts(**more: Any) -> Counts:
    """A run of six weeks of a preset that is not asked for, and of `go`, in which nothing happened."""
    nothing = np.zeros((2, 1), dtype=np.int64)
    cells = ("claims", "hits", "builds", "failed_builds", "above_quota", "idle_us", "building_us", "ready_us")
    given = dict.fromkeys((*cells, "deleting_us"), nothing)
    given |= dict.fromkeys(("claimed_at", "claim_preset", "hit", "ready_at", "queued_us"), np.zeros(0, dtype=np.int64))
    given |= {"limited_at": np.full(2, NEVER), "limited_us": np.zeros(2, dtype=np.int64)}
    edges = np.array([MONDAY_AT, END_AT])
    return Counts(**{"presets": ("other", "go"), "edges": edges, **given, **more})


def limited(days: float) -> Counts:
    """It is hard-limited from so many days on to the end."""
    at = MONDAY_AT + int(days * DAY_US)
    return counts(limited_at=np.array([NEVER, at]), limited_us=np.array([0, END_AT - at]))


def point(hit_rate: float, limit: float, idle: float, base: int = 1) -> Point:
    return Point(Plan(base), hit_rate, limit, idle, 0.0)


# What stands at the beginning


def test_a_choice_knows_its_weeks_and_those_that_are_held_out():
    one = choice(holdout_weeks=2)
    assert (one.weeks, one.replications, one.names) == (6, 1, ["go"])
    assert one.fitted.tolist() == [True] * 4 + [False] * 2
    assert one.ordinary.all()
    assert choice().fitted.all()
    assert (one.runs, one.more_least, one.may_drown) == (0, 0, False)
    failing = six_weeks(failing=0.1)
    assert choice(failing).may_drown
    (version,) = failing.versions
    beside = replace(failing, versions=(replace(version, presets=(*version.presets, Preset("sound", 1))),))
    assert choice(replace(beside, workloads=(("sound", six_weeks().workload),))).may_drown
    assert len(one.edges) == 6 * 168 + 1


def test_a_demand_that_is_drawn_is_drawn_until_its_weeks_are_enough():
    assert (choice(drawn()).replications, choice(drawn()).weeks) == (13, 26)
    assert (choice(drawn(5)).replications, choice(drawn(5)).weeks) == (6, 30)
    assert choice(drawn(), holdout_weeks=3).fitted.sum() == 23


def test_weeks_with_a_holiday_choose_nothing_where_a_history_is_replayed():
    holiday = (Holiday(date(2026, 3, 11), "a day off"),)
    assert choice(holidays=holiday).fitted.tolist() == [True, False, True, True, True, True]
    assert choice(drawn(), holidays=holiday).fitted.all()


def test_presets_are_chosen_for_by_the_weeks_that_all_have():
    given = six_weeks()
    (version,) = given.versions
    there = Preset("there", 1, timezone="America/New_York", schedules=(Schedule("* 9 * * *", 2),))
    versions = (replace(version, presets=(*version.presets, there)),)
    demand = replace(given.demand, preset=("go", "there") * 180)
    # Three hours less than six weeks; clocks that go forward make them two in New York, which is as good as none.
    one = choice(replace(given, versions=versions, demand=demand, end_at=END_AT - 3 * HOUR_US))
    assert one.weeks == 5
    assert {name: calendar.weeks for name, calendar in one.calendar.items()} == {"go": 5, "there": 5}
    assert {weeks_of(of, one.fitted).claims.sum() for of in one._played(one._runs(one.scenario)).values()} == {150.0}


def test_presets_that_nobody_asks_for_are_not_chosen_for_and_a_ttl_is_that_of_those_that_are():
    given = six_weeks()
    (version,) = given.versions
    given = replace(given, versions=(TemplateVersion("t", "v1", (*version.presets, Preset("idle", 1))),))
    one = choice(given, ttl_us=HOUR_US)
    assert one.names == ["go"]
    assert [p.ttl_us for p in one.scenario.versions[0].presets] == [HOUR_US, 0]
    assert choice(given).scenario == given
    assert choice(given, preset="go").names == ["go"]


# Runs and what they say


def test_runs_are_counted_and_go_on_from_a_replication():
    one = choice(six_weeks(failing=0.3))
    found = one._runs(one.scenario, 2, 3)
    assert one.runs == 2
    for replication, run in enumerate(found, 3):
        same = count(givens(one.scenario, 0, replication), one.edges)
        assert run.builds.tolist() == same.builds.tolist()
    assert found[0].failed_builds.tolist() != found[1].failed_builds.tolist(), "or this proves nothing"
    assert len(one._runs(one.scenario)) == 1
    assert one.runs == 3
    (first,) = one._runs(one.scenario, 1)
    assert first.builds.tolist() == count(givens(one.scenario, 0, 0), one.edges).builds.tolist()


def test_outcomes_are_means_over_runs_and_weeks():
    def run(claims: int, hits: int, builds: int, hours: int, waits: range, at: int) -> Counts:
        def cells(number: int) -> np.ndarray:
            return np.array([[99, 99], [number - 1, 1]])

        ready = np.array([s * SECOND_US for s in waits] + [NEVER])
        of_hours = {
            "idle_us": cells(hours * HOUR_US),
            "building_us": cells(12 * HOUR_US),
            "ready_us": cells(hours * HOUR_US),
            "deleting_us": cells(24 * HOUR_US),
        }
        edges = np.array([MONDAY_AT, MONDAY_AT + WEEK_US, END_AT])
        claim = {
            "claimed_at": np.zeros(51, dtype=np.int64),
            "claim_preset": np.array([1] * 50 + [0]),
            "ready_at": ready,
        }
        since = {"limited_at": np.array([MONDAY_AT, at]), "limited_us": np.array([NEVER, NEVER])}
        of = {"claims": cells(claims), "hits": cells(hits), "builds": cells(builds)}
        return counts(edges=edges, **of, **of_hours, **claim, **since)

    one = choice()
    runs = [run(40, 30, 24, 120, range(1, 51), MONDAY_AT + 9), run(60, 45, 36, 144, range(11, 61), MONDAY_AT + 5)]
    (found,) = one._outcomes(runs).values()
    assert found == Outcome(
        hit_rate=0.75,
        wait_p50_s=30.0,
        wait_p95_s=53.0,
        claims_per_week=pytest.approx(100 / 12),
        builds_per_week=5.0,
        idle_hours_per_week=22.0,
        pool_hours_per_week=28.0,
        cost_per_week=pytest.approx(0.4 * 28.0),
        limited_at=MONDAY_AT + 5,
    )
    (nobody,) = one._outcomes([counts()]).values()
    assert math.isnan(nobody.hit_rate)
    never = counts(claimed_at=np.zeros(1), claim_preset=np.ones(1, dtype=np.int64), ready_at=np.array([NEVER]))
    assert math.isnan(one._outcomes([never])["go"].wait_p50_s)
    assert cost_of({"a": found, "b": found}) == pytest.approx(2 * 0.4 * 28.0)


@pytest.mark.parametrize(("since", "lasts", "found"), [(40, 31, 40), (40, 30, NEVER), (0, 51, 0), (NEVER, 99, NEVER)])
def test_a_preset_is_limited_to_the_end_if_it_is_so_for_most_of_what_is_left(since: int, lasts: int, found: int):
    of = counts(edges=np.array([0, 50, 100]), limited_at=np.array([7, since]), limited_us=np.array([99, lasts]))
    assert limited_from(of, 1) == found


def test_who_is_served_in_time_is_counted_in_the_weeks_that_choose():
    one = choice(holdout_weeks=1)
    (run,) = one._runs(one.scenario)
    until = run.claimed_at < MONDAY_AT + 5 * WEEK_US
    waited = run.ready_at - run.claimed_at
    most_us = int(np.sort(waited)[-9])
    served = one._served([run], "go", most_us / SECOND_US)
    assert served.claims.tolist() == [60.0] * 5
    assert served.hits.sum() == (until & (waited <= most_us)).sum()
    sooner = one._served([run], "go", (most_us - 1) / SECOND_US)
    assert served.hits.sum() > sooner.hits.sum(), "who waits just so long is served in time"
    of_another = replace(run, presets=("other", "go"), claim_preset=run.claim_preset * 0)
    assert one._served([of_another], "go", 360).claims.sum() == 0


# The hard limit


def survivors(*days: list[float]) -> tuple[Choice, list[int], Chosen]:
    """A choice whose plans drown after these days in some replications: at first, and with each higher number."""
    one, asked = choice(six_weeks(failing=0.1)), []
    stops: list[bool] = []

    def lucks(of: Chosen, *, while_none_drowns: bool = False) -> list[Counts]:
        stops.append(while_none_drowns)
        return [limited(d) for d in days[of.plans["go"].base]] or [counts()]

    def chosen(_: Any) -> Chosen:
        asked.append(one.more_least)
        return Chosen({"go": Plan(one.more_least)}, {}, [])

    one._chosen = chosen  # type: ignore[method-assign]
    one._lucks = lucks  # type: ignore[method-assign]
    found = one._surviving({"go": 0.9})
    assert stops == [False, *[True] * (len(asked) - 1)], "what is tried beyond the first may stop at once"
    return one, asked, found


def test_plans_that_live_are_kept_and_those_that_drown_are_asked_for_higher_numbers():
    one, asked, found = survivors([])
    assert (asked, found.plans, one.more_least) == ([0], {"go": Plan(0)}, 0)
    one, asked, found = survivors([1.5], [])
    assert (asked, found.plans, one.more_least) == ([0, 1], {"go": Plan(1)}, 1)
    assert one.lucks_of == found.plans
    assert one._drowned(one.lucks) == {}
    one, asked, found = survivors([1.5], [2.5], [])
    assert (asked, found.plans, one.more_least) == ([0, 1, 2], {"go": Plan(2)}, 2)


def test_where_all_drown_the_first_plans_stay_and_it_is_known_when():
    one, asked, found = survivors([1.5, 9.0], [2.5], [3.5])
    assert (asked, found.plans, one.more_least) == ([0, 1, 2], {"go": Plan(0)}, 0)
    one._lucks = None  # type: ignore[assignment]  # they are known
    one._know_lucks(found)
    assert one.drowned == {"go": Drowned((1.5, 9.0), 2, 6.0)}


def test_replications_are_made_of_plans_that_have_none():
    one = choice()
    made: list[Any] = []
    one._lucks = lambda of: made.append(of) or [limited(2)]  # type: ignore[method-assign, func-returns-value]
    of = Chosen({"go": Plan(4)}, {}, [])
    assert len(one._lucks_of(of)) == 1
    assert one._lucks_of(of) is one.lucks
    assert made == [of]
    assert one.lucks_of == of.plans
    other = replace(of, plans={"go": Plan(5)})
    one._know_lucks(other)
    assert made == [of, other]
    assert one.drowned == {"go": Drowned((2.0,), 1, 6.0)}


@pytest.mark.parametrize(
    ("of", "known", "more"),
    [(six_weeks(), 1, 4), (six_weeks(failing=0.1), 1, 19), (drawn(), 13, 0), (six_weeks(), 5, 0)],
)
def test_there_are_as_many_replications_as_builds_and_failures_need(of: Scenario, known: int, more: int):
    one = choice(of)
    asked: list[tuple[int, int]] = []
    one._runs = lambda _, many, first: asked.append((many, first)) or [counts()] * many  # type: ignore
    found = one._lucks(Chosen({"go": Plan(1)}, {}, [counts()] * known))
    assert len(found) == known + more
    assert asked == ([(more, known)] if more else [])


def test_plans_that_drown_are_not_looked_at_any_further_where_that_is_wanted():
    one = choice(six_weeks(failing=0.1))
    asked: list[tuple[int, int]] = []
    one._runs = lambda _, many, first: asked.append((many, first)) or [limited(3) if first > 5 else counts()] * many  # type: ignore
    of = Chosen({"go": Plan(1)}, {}, [counts()])
    assert len(one._lucks(of, while_none_drowns=True)) == 11
    assert asked == [(5, 1), (5, 6)]
    one._runs = lambda _, many, first: asked.append((many, first)) or [counts()] * many  # type: ignore
    assert len(one._lucks(of, while_none_drowns=True)) == 20
    assert asked[2:] == [(5, 1), (5, 6), (5, 11), (4, 16)]


def test_the_least_number_is_the_hard_limit_where_builds_fail_and_what_is_tried_beyond_it():
    one, free = choice(six_weeks(failing=0.1)), choice()
    one.more_least = free.more_least = 2
    assert one._least("go") == 3 + 2
    assert free._least("go") == 0


# Searches


def tables(weeks: int = 8, most: int = 6) -> LevelTables:
    """Ten claims in each of 168 hours and each week, of which a number n misses 6 - n and one more in later weeks; it
    idles for n hours, and twice that in the last week."""
    claims = np.full((168, weeks), 10.0)
    number = np.arange(most + 1)[None, :, None] * np.ones((168, 1, weeks))
    misses = most - number + (np.arange(weeks) >= weeks // 2)
    idle = number * np.where(np.arange(weeks) == weeks - 1, 2.0, 1.0)
    return LevelTables(claims, misses, idle)


@dataclass(frozen=True)
class Told(Search):
    """A search that says what it is told: `plans` by the hit rate that each is for at most, and what follows each."""

    plans: tuple[tuple[float, Plan | None], ...] = ()
    asked: list[Any] = field(default_factory=list)
    following: dict[Plan, Plan] = field(default_factory=dict)

    def best(self, blocks: int, begin: tuple[Plan, ...] = ()) -> Fit | None:
        assert self.aim.claims.tolist() == self.tables.claims.sum(axis=0).tolist()
        self.asked.append((round(self.aim.hit_rate, 9), blocks, begin))
        plan = next((plan for most, plan in self.plans if self.aim.hit_rate <= most + 1e-9), None)
        return None if plan is None else self.fit(plan)

    def nearest(self, blocks: int, begin: Plan) -> Plan:
        self.asked.append((np.round(self.hits_off, 6).tolist(), np.round(self.idle_off, 6).tolist(), blocks, begin))
        return self.following.get(begin, begin)


def told(*plans: tuple[float, Plan | None], goal: float = 0.9, of: LevelTables | None = None, **more: Any) -> Told:
    of = of or tables(WEEKS)
    return Told(of, Aim(of.claims.sum(axis=0), goal), plans=plans, **more)


class Blocks(Told):
    """The best with so many blocks."""

    def best(self, blocks: int, begin: tuple[Plan, ...] = ()) -> Fit | None:
        self.asked.append((blocks, begin))
        plan = self.plans[blocks][1]
        return None if plan is None else self.fit(plan)


def test_a_schedule_that_saves_little_is_one_line_too_many():
    idle = {0: 100.0, 1: 98.0, 2: 97.9, 3: 50.0, 4: 90.0, 5: 89.5}
    of = replace(tables(), idle_hours=np.zeros((168, 7, 8)))
    for number, hours in idle.items():
        of.idle_hours[0, number, 0] = hours

    def search(*numbers: int | None) -> Blocks:
        plans = tuple((0.0, None if n is None else Plan(n)) for n in numbers)
        return Blocks(of, Aim(of.claims.sum(axis=0), 0.9), plans=plans)

    assert cheapest_worth_it(search(0, 1), 1) == Plan(0), "a fiftieth is not less than a fiftieth"
    assert cheapest_worth_it(search(0, 2), 1) == Plan(2)
    assert cheapest_worth_it(search(0, 2, 1, 3), 3) == Plan(3)
    assert cheapest_worth_it(search(0, 2, 1, 3), 2) == Plan(2)
    assert cheapest_worth_it(search(0, 4, 5), 2) == Plan(4), "beside the line before it"
    assert cheapest_worth_it(search(None, 1), 1) == Plan(1)
    assert cheapest_worth_it(search(None, None), 1) == Plan(6), "nothing meets it: the most there is"
    one = search(0, None, 2)
    cheapest_worth_it(one, 2)
    assert one.asked == [(0, ()), (1, (Plan(0),)), (2, (Plan(0),))]


def test_a_search_aims_above_the_target_by_what_plans_lose_and_no_higher_than_can_be_reached():
    one, of = choice(), tables(8)
    search = one._search(of, "go", 0.7)
    assert search.aim.hit_rate == 0.7
    assert search.aim.confidence == CONFIDENCE
    assert search.aim.claims.tolist() == [1680.0] * 8
    assert (search.least, search.aim.of_volume) == (0, 0.0)
    one.lost, one.of_volume = {"go": 0.05}, {"go": 0.02}
    search = one._search(of, "go", 0.7)
    assert search.aim.hit_rate == pytest.approx(0.75)
    assert search.aim.of_volume == 0.02
    most = Weeks(np.array([1680.0] * 4 + [1512.0] * 4), np.full(8, 1680.0))
    reachable = float(lower_limit(most, CONFIDENCE, of_volume=0.02)) - 0.001
    assert one._search(of, "go", 0.94).aim.hit_rate == pytest.approx(reachable)
    one.lost, one.of_volume = {}, {}
    assert one._search(of, "go", 0.99).aim.hit_rate > reachable
    one = choice(six_weeks(failing=0.1))
    assert one._search(of, "go", 0.7).least == 3
    assert one._search(tables(8, 2), "go", 0.7).least == 2, "a quota holds no more"


def test_what_a_plan_loses_is_what_it_has_less_on_weeks_that_did_not_choose_it():
    one = choice()
    # A number for each quarter of the weeks that is left out; the base is what is found on the other three.
    of = tables(8)
    search = Told(of, Aim(of.claims.sum(axis=0), 0.9), plans=((1.0, Plan(5)),))
    begin = Plan(2)
    # With 5 of 6 a week misses 168, or 336 in the later half. Chosen by 6 weeks: two early and four late, or four and
    # two: hits 1400 and 1288 of 1680.
    early, late = 1512.0, 1344.0
    lost = sum(
        (a * early + b * late) / (6 * 1680) * 3360 - out for a, b, out in ((2, 4, 2 * early), (4, 2, 2 * late)) * 2
    )
    assert one._lost(search, begin) == pytest.approx(max(0.0, lost / (8 * 1680)))
    assert [asked[1:] for asked in search.asked] == [(1, (begin,))] * 4
    assert one._lost(Told(tables(7), search.aim, plans=search.plans), begin) == 0.0, "too few weeks to leave some out"
    assert one._lost(Told(of, search.aim), begin) == 0.0, "nothing is found"


@pytest.mark.parametrize(("weeks", "lost"), [(8, 0.9 - 0.6), (7, 0.0)])
def test_what_a_plan_loses_is_measured_on_the_weeks_left_out_alone_if_there_are_some(weeks: int, lost: float):
    one = choice()
    of = tables(weeks)
    of.misses[:, 5] = np.where(np.arange(weeks) < 2, 4.0, 1.0)  # the first quarter is worse

    class OnFirst(Told):
        """Finds a plan where the first weeks are left out alone."""

        def best(self, blocks: int, begin: tuple[Plan, ...] = ()) -> Fit | None:
            super().best(blocks, begin)
            return self.fit(Plan(5)) if self.tables.misses[0, 5, 0] == 1.0 else None

    search = OnFirst(of, Aim(of.claims.sum(axis=0), 0.9))
    assert one._lost(search, Plan(1)) == pytest.approx(lost)


# From searches to plans


def test_margins_are_measured_once_and_a_safer_plan_is_sought_where_there_are_some():
    one = choice(max_schedules=2)
    all_weeks, of = tables(8), tables(WEEKS)
    one.tables = {"go": SimpleNamespace(of_weeks=lambda which: of if which is one.fitted else all_weeks)}  # type: ignore
    searches: list[Told] = []

    def search(given: LevelTables, name: str, target: float) -> Told:
        assert given is of
        searches.append(told((1.0, Plan(3 + len(searches))), of=given))
        return searches[-1]

    margins: list[Any] = []

    def measured(plans: Any, of: Any, targets: Any) -> None:
        margins.append((plans, targets))
        one.lost, one.of_volume = {"go": 0.0}, {"go": 0.01}

    result = Chosen({"go": Plan(9)}, {}, [])
    corrected: list[Any] = []
    one._search, one._measure_margins = search, measured  # type: ignore[method-assign]
    one._corrected = lambda begin, of: corrected.append((dict(begin), of)) or result  # type: ignore
    one._tried = lambda of: {"go": _Tried(point(0.9, 0.9, 1), 0.9, 1.0)}  # type: ignore[method-assign]
    assert one._chosen({"go": 0.9}) is result
    assert margins == [({"go": Plan(3)}, {"go": 0.9})]
    assert searches[1].asked == [(0.9, 2, (Plan(3),))]
    assert corrected == [({"go": Plan(4)}, {"go": searches[1]})]
    one._chosen({"go": 0.9})
    assert len(margins) == 1, "what is lost is known"
    one.of_volume = {"go": 0.0}
    searches.clear()
    one._chosen({"go": 0.9})
    assert corrected[-1][0] == {"go": Plan(3)}
    assert searches[1].asked == [], "nothing is lost: the first plan is safe"


def test_of_safer_plans_that_miss_the_aim_and_the_first_ones_the_nearer_are_taken():
    one = choice()
    one.tables = {"go": SimpleNamespace(of_weeks=lambda which: None)}  # type: ignore[dict-item]
    one.lost, one.of_volume = {"go": 0.01}, {"go": 0.0}
    plans = iter((Plan(3), Plan(4)) * 9)
    one._search = lambda *given: told((1.0, next(plans)))  # type: ignore[method-assign]
    one._corrected = lambda begin, _: Chosen(dict(begin), {}, [])  # type: ignore[method-assign]
    limits = {Plan(4): 0.8, Plan(3): 0.85}
    one._tried = lambda of: {"go": _Tried(point(0.9, limits[of.plans["go"]], 1), 0.9, 1.0)}  # type: ignore[method-assign]
    assert one._chosen({"go": 0.9}).plans == {"go": Plan(3)}
    limits[Plan(4)] = 0.86
    assert one._chosen({"go": 0.9}).plans == {"go": Plan(4)}
    limits[Plan(4)], limits[Plan(3)] = 0.9, 0.95
    assert one._chosen({"go": 0.9}).plans == {"go": Plan(4)}, "it meets the aim, and others are not tried"


def test_margins_are_those_of_fewer_and_more_people_and_of_weeks_left_out():
    one = choice()
    plans, search = {"go": Plan(2)}, told()
    factors: list[float] = []
    one._runs = lambda of, *_: factors.append(len(of.demand.claim_at) / 360) or [len(factors)]  # type: ignore
    one._hit_rates = lambda runs: {"go": 0.95 - 0.02 * runs[0]}  # type: ignore
    one._search = lambda table, name, target: told(goal=target)  # type: ignore[method-assign]
    one._lost = lambda of, begin: of.aim.hit_rate / 10 if begin == Plan(2) else 9.0  # type: ignore[method-assign]
    one._measure_margins(plans, {"go": search}, {"go": 0.8})
    assert factors == [pytest.approx(0.8, abs=0.05), pytest.approx(1.25, abs=0.05)]
    assert one.by_volume == [[1], [2]]
    assert one.of_volume == {"go": pytest.approx(deviation_of_volume(-0.02 / math.log(1.25 / 0.8)))}
    assert one.lost == {"go": pytest.approx(0.08)}
    assert slopes_of([{"a": 0.9, "b": 0.5}, {"a": 0.8, "b": 0.6}]) == {
        "a": pytest.approx(-0.1 / math.log(1.5625)),
        "b": pytest.approx(0.1 / math.log(1.5625)),
    }


def exact(plan: Plan, less: float = 0.0, more_idle: float = 0.0, of: LevelTables | None = None) -> dict[str, Played]:
    """A run that has what the tables say, but for so many more misses and idle hours in the first hour of each week."""
    of = of or tables(WEEKS)
    cells = np.arange(168)
    misses, idle = of.misses[cells, plan.levels].T.copy(), of.idle_hours[cells, plan.levels].T.copy()
    misses[:, 0] += less
    idle[:, 0] += more_idle
    return {"go": Played(of.claims.T, misses, (idle * HOUR_US).astype(np.int64))}


def correcting(search: Told, runs: dict[Plan, dict[str, Played]], **asked: Any) -> tuple[Choice, list[Plan]]:
    one = choice(**asked)
    tried: list[Plan] = []

    def run(of: Scenario) -> list[Any]:
        preset = of.versions[0].presets[0]
        tried.append(Plan(preset.instances, tuple(BUSY for _ in preset.schedules)))
        return [tried[-1]]

    one._runs = run  # type: ignore[method-assign, assignment]
    one._played = lambda results: runs[results[0]]  # type: ignore[method-assign]
    return one, tried


def test_a_plan_that_an_exact_run_confirms_is_kept():
    search = told(goal=0.8)
    one, tried = correcting(search, {Plan(6): exact(Plan(6))})
    found = one._corrected({"go": Plan(6)}, {"go": search})
    assert (tried, found.plans, found.results) == ([Plan(6)], {"go": Plan(6)}, [Plan(6)])
    assert search.asked == [([0.0] * 6, [0.0] * 6, 1, Plan(6))]


def test_what_exact_runs_have_more_corrects_the_search_that_goes_on_from_there():
    search = told(goal=0.85, following={Plan(5): Plan(6)})
    one, tried = correcting(search, {Plan(5): exact(Plan(5), 7.0, 2.0), Plan(6): exact(Plan(6), 1.0, 3.0)})
    found = one._corrected({"go": Plan(5)}, {"go": search})
    assert tried == [Plan(5), Plan(6)]
    assert found.plans == {"go": Plan(6)}, "it alone meets the aim"
    assert search.asked[:2] == [([-7.0] * 6, [2.0] * 6, 1, Plan(5)), ([-1.0] * 6, [3.0] * 6, 1, Plan(6))]
    assert np.asarray(found.searches["go"].hits_off).tolist() == [-1.0] * 6


def test_of_plans_that_meet_the_aim_the_one_that_idles_least_is_kept_and_of_others_the_nearest():
    meets = {Plan(n): exact(Plan(n)) for n in (4, 5, 6)}
    search = told(goal=0.5, following={Plan(6): Plan(5), Plan(5): Plan(4), Plan(4): Plan(6)})
    one, tried = correcting(search, meets)
    assert one._corrected({"go": Plan(6)}, {"go": search}).plans == {"go": Plan(4)}
    assert tried == [Plan(6), Plan(5), Plan(4)], "then it goes in a circle"
    search = told(goal=0.99, following={Plan(4): Plan(6), Plan(6): Plan(5)})
    one, tried = correcting(search, meets)
    assert one._corrected({"go": Plan(4)}, {"go": search}).plans == {"go": Plan(6)}


def test_a_plan_that_fell_short_once_is_sought_by_the_worst_of_all_corrections():
    falling = {Plan(5): exact(Plan(5), 40.0), Plan(6): exact(Plan(6), 9.0)}
    search = told(goal=0.9, following={Plan(5): Plan(6), Plan(6): Plan(5)})
    one, tried = correcting(search, falling)
    one._corrected({"go": Plan(5)}, {"go": search})
    assert tried == [Plan(5), Plan(6)]
    # Asked with Plan(6), it says Plan(5), which failed: it is asked again, by the correction of Plan(5), the worst.
    assert [asked[0][0] for asked in search.asked] == [-40.0, -9.0, -40.0]


def test_a_plan_that_misses_the_aim_by_a_billionth_meets_it():
    meets = {Plan(n): exact(Plan(n)) for n in (4, 6)}
    search = told(goal=0.75 + 5e-10, following={Plan(4): Plan(6), Plan(6): Plan(4)})
    one, tried = correcting(search, meets)
    assert one._corrected({"go": Plan(4)}, {"go": search}).plans == {"go": Plan(4)}
    assert tried == [Plan(4), Plan(6)]


def test_there_are_at_most_four_corrections_and_a_plan_keeps_its_schedules():
    plans = tuple(Plan(n) for n in range(7))
    search = told(goal=0.5, following=dict(pairwise(plans)))
    one, tried = correcting(search, {plan: exact(plan) for plan in plans}, max_schedules=3)
    one._corrected({"go": Plan(0)}, {"go": search})
    assert tried == list(plans[:4])
    assert {asked[2] for asked in search.asked} == {1}, "one schedule at least may be tried"
    blocked = Plan(1, (BUSY,))
    for most, blocks in ((3, 1), (0, 0)):
        search = told(goal=0.5)
        one, _ = correcting(search, {blocked: exact(blocked)}, max_schedules=most)
        one._corrected({"go": blocked}, {"go": search})
        assert search.asked[0][2] == blocks


# Limits of wait and cost


def waiting(limits: dict[Any, dict[str, float]], *names: str) -> tuple[Choice, list[dict[str, float]]]:
    """A choice whose n-th plans have these limits of who is served in time; the last of them stay."""
    one = choice()
    one.names = list(names)
    asked: list[dict[str, float]] = []
    one._surviving = lambda targets: asked.append(dict(targets)) or len(asked)  # type: ignore
    one._in_time = lambda of, s: {n: InTime(s, 0.99, x) for n, x in limits[min(of, max(limits))].items()}  # type: ignore
    return one, asked


def test_a_wait_that_is_kept_asks_for_no_more():
    one, asked = waiting({0: {"a": 0.95}}, "a")
    assert one._within_wait(0, {"a": 0.9}, 60.0) == (0, {"a": 0.9})  # type: ignore
    assert asked == []


def test_a_target_is_raised_by_what_is_missing_of_the_wait_and_by_a_little_at_least():
    one, asked = waiting({0: {"a": 0.9, "b": 0.95}, 1: {"a": 0.949, "b": 0.94}, 2: {"a": 0.95, "b": 0.97}}, "a", "b")
    found, targets = one._within_wait(0, {"a": 0.8, "b": 0.7}, 60.0)  # type: ignore
    assert found == 2
    assert asked == [
        {"a": pytest.approx(0.85), "b": 0.7},
        {"a": pytest.approx(0.853), "b": pytest.approx(0.71)},
    ]
    assert targets == asked[1]


def test_a_wait_that_no_plan_keeps_ends_at_the_highest_target_with_the_first_of_the_nearest():
    one, asked = waiting({0: {"a": 0.5}, 1: {"a": 0.6}, 2: {"a": 0.6005}}, "a")
    found, targets = one._within_wait(0, {"a": 0.8}, 60.0)  # type: ignore
    assert asked == [{"a": 0.995}]
    assert (found, targets) == (1, asked[0])
    one, asked = waiting({0: {"a": 0.9}, 1: {"a": 0.945}, 2: {"a": 0.9455}, 3: {"a": 0.94}}, "a")
    found, _ = one._within_wait(0, {"a": 0.5}, 60.0)  # type: ignore
    assert found == 1, "another that is nearer by less than a thousandth is not worth its price"
    assert len(asked) == 8, "it is tried so often"


def test_who_has_the_highest_target_waits_for_the_others():
    one, asked = waiting({0: {"a": 0.9, "b": 0.9}, 1: {"a": 0.94, "b": 0.95}}, "a", "b")
    one._within_wait(0, {"a": 0.995, "b": 0.9}, 60.0)  # type: ignore
    assert asked == [{"a": 0.995, "b": pytest.approx(0.95)}]
    assert one._short_of_time(0, 60.0) == {"a": pytest.approx(0.05), "b": pytest.approx(0.05)}  # type: ignore
    assert one._short_of_time(1, 60.0)["b"] == 0.0  # type: ignore


def test_who_is_served_in_time_has_a_limit_like_that_of_the_hit_rate():
    one = choice()
    claims = np.full(6, 100.0)
    weeks = {"few": claims, "many": claims * 0.9, "own": claims * 0.95, "bad": claims * 0.01}
    one._served = lambda results, name, most_s: Weeks(weeks[results] * most_s / 60, claims)  # type: ignore
    one.by_volume, one.lost = ["few", "many"], {"go": 0.01}  # type: ignore
    found = one._in_time(SimpleNamespace(results="own"), 60.0)["go"]  # type: ignore
    volume = deviation_of_volume(-0.1 / math.log(1.5625))
    limit = float(lower_limit(Weeks(claims * 0.95, claims), CONFIDENCE, of_volume=volume)) - 0.01
    assert found == InTime(60.0, pytest.approx(0.95), pytest.approx(limit))
    assert one._in_time(SimpleNamespace(results="bad"), 60.0)["go"].limit == 0.0  # type: ignore


def costing(per_target: float, least: float = 0.0) -> tuple[Choice, list[float], list[str]]:
    one = choice()
    asked: list[float] = []

    def chosen(targets: Any) -> Any:
        asked.append(round(targets["go"], 9))
        return SimpleNamespace(results=targets["go"])

    one._chosen = chosen  # type: ignore[method-assign]
    one._outcomes = lambda target: {"go": SimpleNamespace(cost_per_week=max(per_target * target, least))}  # type: ignore
    return one, asked, []


def test_a_cost_that_is_kept_changes_nothing():
    one, asked, bound = costing(100.0)
    first = SimpleNamespace(results=0.8)
    assert one._within_cost(first, {"go": 0.8}, 80.0, bound) is first  # type: ignore
    assert (asked, bound) == ([], [])


def test_the_best_within_a_cost_is_sought_by_halves():
    one, asked, bound = costing(100.0)
    found = one._within_cost(SimpleNamespace(results=0.8), {"go": 0.8}, 40.0, bound)  # type: ignore
    assert asked == [0.4, 0.6, 0.5, 0.45, 0.425, 0.4125]
    assert found.results == pytest.approx(0.4)
    (text,) = bound
    assert text == (
        f"40 {one.scenario.currency} a week is not enough for the target, which takes 80: this is the best found "
        "within it."
    )


def test_a_cost_that_nothing_keeps_is_told_as_that():
    one, asked, bound = costing(100.0, least=50.0)
    first = SimpleNamespace(results=0.8)
    assert one._within_cost(first, {"go": 0.8}, 40.0, bound) is first  # type: ignore
    assert len(asked) == 6
    assert asked[-1] == pytest.approx(0.8 / 64)
    assert bound == [f"Even next to nothing warm costs more than 40 {one.scenario.currency} a week; the target 80."]


# The front, and what is better


def test_less_of_the_aim_comes_first_and_then_less_idle_time():
    def one(limit: float, idle: float) -> _Tried:
        return _Tried(point(0.9, limit, 0), 0.9, idle)

    assert _rank(one(0.85, 3.0), one(0.8, 4.0)) == (pytest.approx(0.15), 7.0)
    assert _rank(one(0.95, 3.0), one(0.8, 4.0)) == (pytest.approx(0.1), 7.0), "one's surplus is no help to the other"
    assert _rank(one(0.9 - 1e-10, 3.0)) == (0.0, 3.0)
    assert _rank(one(0.9 - 2e-9, 3.0))[0] > 0


def test_a_point_is_beaten_by_what_is_nowhere_worse_and_somewhere_better():
    own = point(0.9, 0.88, 10.0)
    assert not _beats(own, own)
    for better in (point(0.91, 0.88, 10.0), point(0.9, 0.89, 10.0), point(0.9, 0.88, 9.0)):
        assert _beats(better, own)
        assert not _beats(own, better)
    assert not _beats(point(0.95, 0.88, 11.0), own)
    beaten, high, low = point(0.9, 0.88, 12.0), point(0.95, 0.9, 20.0), point(0.8, 0.7, 5.0)
    assert _unbeaten(own, [high, beaten, low, own]) == (low, own, high)
    assert _unbeaten(beaten, [own]) == (own, beaten), "the own one stands in any case, in order of idle time"


def settling(better: set[Plan], **tried: float) -> tuple[Choice, Chosen, list[Any]]:
    """A choice of plan 1 whose front has plans by name, p2 and so on, with these idle times."""
    one = choice()
    log: list[Any] = []

    def of(plan: Plan) -> _Tried:
        return _Tried(replace(point(0.9, 0.9, tried[f"p{plan.base}"]), plan=plan), 0.9, tried[f"p{plan.base}"])

    one._tried = lambda chosen: {"go": of(chosen.plans["go"])}  # type: ignore[method-assign]
    one._fronts = lambda chosen: {"go": [of(Plan(int(name[1:]))) for name in tried]}  # type: ignore[method-assign]
    one._runs = lambda scenario: log.append(scenario.versions[0].presets[0].instances) or [counts()]  # type: ignore

    def is_better(other: Chosen, chosen: Chosen) -> bool:
        log.append((other.plans["go"].base, chosen.plans["go"].base))
        return other.plans["go"] in better

    one._is_better = is_better  # type: ignore[method-assign]
    one._corrected = lambda plans, searches: Chosen({"go": Plan(plans["go"].base + 10)}, searches, [])  # type: ignore
    return one, Chosen({"go": Plan(1)}, {}, []), log


def test_a_plan_that_its_front_does_not_beat_is_settled():
    one, chosen, log = settling(set(), p1=5.0, p2=6.0)
    found, fronts = one._settled(chosen)
    assert found is chosen
    assert log == []
    assert [p.plan.base for p in fronts["go"]] == [1], "what idles longer for the same is beaten"


def test_what_the_front_has_better_is_taken_and_corrected_once_more():
    one, chosen, log = settling({Plan(2)}, p1=5.0, p2=4.0)
    found, fronts = one._settled(chosen)
    assert found.plans == {"go": Plan(2)}
    assert log == [2, (2, 1), (12, 2)]
    assert [p.plan.base for p in fronts["go"]] == [2]
    one, chosen, log = settling({Plan(2), Plan(12)}, p1=5.0, p2=4.0, p12=3.0)
    one._fronts = lambda _: {"go": [_Tried(replace(point(0.9, 0.9, 4.0), plan=Plan(2)), 0.9, 4.0)]}  # type: ignore
    assert one._settled(chosen)[0].plans == {"go": Plan(12)}


def test_what_is_not_better_in_a_run_of_all_is_no_point_of_the_front():
    one, chosen, log = settling(set(), p1=5.0, p2=4.0, p3=4.5)
    found, fronts = one._settled(chosen)
    assert found is chosen
    assert log == [2, (2, 1), 3, (3, 1)]
    assert [p.plan.base for p in fronts["go"]] == [1]
    one, chosen, log = settling(set(), p1=9.0, p2=4.0, p3=4.5, p4=5.0, p5=6.0, p6=7.0)
    one._settled(chosen)
    assert log[::2] == [2, 3, 4, 5], "no more than four are tried"
    one, chosen, _ = settling({Plan(5)}, p1=9.0, p2=4.0, p3=4.5, p4=5.0, p5=6.0, p6=7.0, p15=8.0)
    found, fronts = one._settled(chosen)
    assert found.plans == {"go": Plan(5)}
    assert [p.plan.base for p in fronts["go"]] == [5], "the last of them is one, too"


def comparing(mine: float, theirs: float, **asked: Any) -> tuple[Choice, Chosen, Chosen]:
    """A choice, and two of which the runs miss the aim by so much."""
    one = choice(**asked)
    miss = {"mine": mine, "theirs": theirs}
    one._tried = lambda of: {"go": _Tried(point(0.9, 0.9 - miss[of.results], 0), 0.9, 1.0)}  # type: ignore
    return one, *(Chosen({"go": Plan(i)}, {}, name) for i, name in enumerate(miss))  # type: ignore


def test_better_is_what_comes_nearer_to_the_aim_within_the_limits():
    one, mine, theirs = comparing(0.1, 0.2)
    assert one._is_better(mine, theirs)
    assert not one._is_better(theirs, mine)
    assert not one._is_better(mine, replace(mine, plans={})), "not what is as good"
    one._keeps_limits = lambda *_: False  # type: ignore[method-assign]
    assert not one._is_better(mine, theirs)


@pytest.mark.parametrize(("ended", "before", "better"), [(1, 1, True), (2, 1, False), (0, 0, True), (1, 0, False)])
def test_what_drowns_more_often_is_not_better(ended: int, before: int, better: bool):
    one, mine, theirs = comparing(0.1, 0.2, of=six_weeks(failing=0.1))
    lucks = {"mine": [limited(1)] * ended + [counts()], "theirs": [limited(1)] * before + [counts()]}
    one._lucks = lambda of: lucks[of.results]  # type: ignore
    assert one._is_better(mine, theirs) is better
    assert one.lucks == lucks["mine" if better else "theirs"]
    assert one.lucks_of == (mine if better else theirs).plans


def test_limits_of_wait_and_cost_are_kept_if_they_are_missed_by_no_more_than_before():
    near, far = SimpleNamespace(results="near"), SimpleNamespace(results="far")
    one = choice(max_wait_p95_s=60.0)
    short = {"near": {"a": 0.1, "b": 0.0}, "far": {"a": 0.1, "b": 0.1}}
    one._short_of_time = lambda of, s: short[of.results] if s == 60.0 else {}  # type: ignore
    assert one._keeps_limits(near, far)  # type: ignore
    assert one._keeps_limits(near, near)  # type: ignore
    assert not one._keeps_limits(far, near)  # type: ignore
    one = choice(max_cost_per_week=50.0)
    costs = {"near": 50.0, "far": 60.0, "further": 70.0}
    one._outcomes = lambda results: {"go": SimpleNamespace(cost_per_week=costs[results])}  # type: ignore
    assert one._keeps_limits(near, far)  # type: ignore
    assert one._keeps_limits(near, near)  # type: ignore
    assert not one._keeps_limits(far, near)  # type: ignore
    assert one._keeps_limits(far, SimpleNamespace(results="further"))  # type: ignore
    assert choice()._keeps_limits(far, near)  # type: ignore


def test_what_exact_runs_say_of_a_plan_is_its_point_and_how_far_it_idles():
    one = choice(holdout_weeks=2)
    one.lost, one.of_volume = {"go": 0.02}, {"go": 0.01}
    (run,) = one._runs(one.scenario)
    search = told(goal=0.93)
    found = one._tried(Chosen({"go": Plan(7)}, {"go": search}, [run]))["go"]
    outcome, played = one._outcomes([run])["go"], one._played([run])["go"]
    seen = weeks_of(played, one.fitted)
    assert seen.claims.tolist() == [60.0] * 4
    assert seen.hits.tolist() == (played.claims - played.misses).sum(axis=1)[:4].tolist()
    limit = float(lower_limit(seen, CONFIDENCE, of_volume=0.01)) - 0.02
    rates = outcome.hit_rate, limit, outcome.idle_hours_per_week, outcome.cost_per_week
    assert found.point == Point(Plan(7), *rates)
    assert found.goal == pytest.approx(0.91)
    assert found.idle_us == played.idle_us[:4].sum() > 0
    assert one._hit_rates([run])["go"] == pytest.approx(seen.hits.sum() / 240)


def test_plans_are_put_into_the_presets_that_have_some():
    one = choice()
    (preset,) = one._with({"go": Plan(2, (BUSY,))}).versions[0].presets
    assert (preset.instances, preset.schedules[0].instances, preset.timezone) == (2, 3, "UTC")
    assert one._with({"other": Plan(2)}) == one.scenario
    assert steps.preset_named(one.scenario, "go") == one.now["go"]


@pytest.mark.parametrize(
    ("target", "goals"), [(0.9, [0.8, 0.85, 0.9, 0.93, 0.95]), (0.95, [0.9, 0.93, 0.95, 0.97, 0.98])]
)
def test_the_front_is_sought_at_the_hit_rates_around_the_target(target: float, goals: list[float]):
    one = choice(target=target, max_schedules=2)
    search = told((goals[1], Plan(2)), (goals[3], None), (1.0, Plan(4)), goal=0.99)
    ran: list[int] = []
    one._runs = lambda of: ran.append(of.versions[0].presets[0].instances) or [counts()]  # type: ignore
    one._tried = lambda of: {"go": (of.plans["go"], of.results)}  # type: ignore
    found = one._fronts(Chosen({"go": Plan(1)}, {"go": search}, []))
    assert ran == [2, 2, 1, 1, 4], "where nothing is found it is the chosen plan's"
    assert [plan.base for plan, _ in found["go"]] == ran
    assert [asked[0] for asked in search.asked] == goals
    assert {asked[1] for asked in search.asked} == {2}
    assert search.asked[3][2] == (Plan(1), Plan(2), Plan(2), Plan(1))


def test_the_numbers_of_the_way_are_what_they_are():
    """A change of them changes what is recommended."""
    assert (steps.LUCKS, steps.FAILING_LUCKS, steps.MORE_LEAST, steps.FOLDS) == (5, 20, 2, 4)
    assert (steps.WITHIN_REACH, steps.WORTH_A_BLOCK) == (0.001, 0.02)
