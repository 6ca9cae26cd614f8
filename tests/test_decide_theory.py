"""The kernel is held to theory: in each case many replications, and how far their mean is from the formula.

`python -m tests.test_decide_theory` measures what `docs/theory.md` says, which the slow test compares.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as given_by
from hypothesis import strategies as st

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, WEEK_US, Zone
from simkit.core import facts
from simkit.core.numbers import DELETE, START, STOP
from simkit.decide.theory import (
    Jobs,
    erlang_b,
    erlang_c,
    fixed_build_pool,
    idle_prebuilds,
    mean_running,
    mean_waits,
    one_instance,
    waiting_jobs,
)
from simkit.estimates import deviation, t_quantile
from simkit.model import (
    Distribution,
    People,
    Preset,
    Profile,
    Reconciler,
    Scenario,
    SessionHistory,
    SessionProfile,
    TemplateSchedule,
    TemplateVersion,
    Workload,
    constant,
    lognormal,
)
from simkit.runs.measures import measures, measures_between
from simkit.runs.result import KernelResult
from simkit.runs.simulate import run
from tests.scenarios import (
    MONDAY_AT,
    busy_week,
    inhabited,
    inhabited_fortnight,
    scenarios,
    with_an_executor_for_prebuilds,
)

PAGE = Path(__file__).parent.parent / "docs" / "theory.md"
SEED = 20260302
MOST = 3.5
REPLICATIONS = 40
FEW, SHORT = 8, 8
"""In the usual suite: replications, and weeks."""
TAIL = math.erfc(MOST / math.sqrt(2))
UTC = Zone("UTC")
WARM_US = WEEK_US
ENOUGH = 400
"""Daemons, so that one is always free."""


@dataclass(frozen=True)
class Case:
    """What theory says of a scenario, and what a run has of it after a week, by name."""

    name: str
    scenario: Scenario
    theory: Mapping[str, float]
    seen: Callable[[KernelResult], Mapping[str, float]]
    weeks: int = 52
    seed: int = SEED

    def z(self, replications: int, weeks: int | None = None) -> dict[str, tuple[float, float, float]]:
        """(theory, mean over replications, how many standard errors they are apart) of each number."""
        end_at = MONDAY_AT + WARM_US + (weeks or self.weeks) * WEEK_US
        scenario = replace(self.scenario, end_at=end_at)
        runs = [self.seen(run(scenario, self.seed, r)) for r in range(replications)]
        found = {}
        for name, said in self.theory.items():
            values = np.array([each[name] for each in runs])
            error = deviation(values) / math.sqrt(replications)
            found[name] = (said, float(values.mean()), float(values.mean() - said) / error)
        return found


def profile(per_hour: float, preset: str = "p") -> Profile:
    return Profile(preset, UTC, (per_hour,) * 168)


def pool(
    instances: int, per_hour: float, workload: Workload, interval_us: int = MINUTE_US, ttl_us: int = 0
) -> Scenario:
    """One preset with Poisson claims, and daemons for all."""
    return queue((Preset("p", instances, ttl_us),), (profile(per_hour),), (("p", workload),), ENOUGH, interval_us)


def queue(
    presets: tuple[Preset, ...],
    demand: tuple[Profile, ...],
    workloads: tuple[tuple[str, Workload], ...],
    daemons: int,
    interval_us: int = SECOND_US,
) -> Scenario:
    return Scenario(
        name="theory",
        start_at=MONDAY_AT,
        end_at=MONDAY_AT + 2 * WEEK_US,
        versions=(TemplateVersion("t", "v1", presets),),
        demand=demand,
        reconciler=Reconciler(interval_us),
        provisioner_daemons=daemons,
        has_reaper=False,
        workloads=workloads,
    )


def taking(build: Distribution, agent_us: int = 0) -> Workload:
    """Builds and agents of a pool; nothing else takes time."""
    nothing = constant(0)
    return Workload(build, constant(agent_us), nothing, nothing, nothing, nothing, nothing)


def exponential(mean_us: int) -> Distribution:
    """Equally likely quantiles of an exponential distribution."""
    shares = (np.arange(4096) + 0.5) / 4096
    return Distribution(tuple(np.rint(-np.log1p(-shares) * mean_us).astype(np.int64).tolist()), "exponential")


def jobs(per_hour: float, build: Distribution) -> Jobs:
    """By the minute."""
    minutes = np.array(build.samples) / MINUTE_US
    return Jobs(per_hour / 60, float(minutes.mean()), float(minutes.var() / minutes.mean() ** 2))


def seen_of_pool(result: KernelResult) -> Mapping[str, float]:
    by = measures_between(result, np.array([MONDAY_AT + WARM_US, result.scenario.end_at]))
    return {"hit rate": by.hits[0, 0] / by.claims[0, 0], "idle": by.idle_us[0, 0] / np.diff(by.edges)[0]}


def seen_of_queue(result: KernelResult) -> Mapping[str, float]:
    """Waits in minutes: jobs of people who found no prebuild, and of prebuilds, until a day before the end."""
    builds, workspaces = result.rows.builds, result.rows.workspaces
    created_at = builds[:, facts.B_CREATED]
    inside = (created_at >= MONDAY_AT + WARM_US) & (created_at < result.scenario.end_at - DAY_US)
    inside &= builds[:, facts.B_NUMBER] == 1
    waited_us = builds[:, facts.B_STARTED] - created_at
    of_pool = workspaces[builds[:, facts.B_WORKSPACE], facts.W_PRESET] == [
        preset.name for _, preset in result.given.presets
    ].index("pool")
    human = builds[:, facts.B_HUMAN] == 1
    assert not (inside & of_pool & human).any(), "the pool is large enough for everybody"
    peoples, prebuilds = waited_us[inside & human & ~of_pool], waited_us[inside & of_pool]
    found = {}
    if peoples.size:
        found |= {"people wait": peoples.mean() / MINUTE_US, "people who wait": (peoples > 0).mean()}
    if prebuilds.size:
        found["prebuilds wait"] = prebuilds.mean() / MINUTE_US
    return found


def at_once(begin_at: np.ndarray, end_at: np.ndarray, from_at: int, until_at: int) -> tuple[float, float]:
    """(mean, variance) over time of how many spans hold."""
    at = np.concatenate([begin_at, end_at])
    order = np.argsort(at, kind="stable")
    there = np.cumsum(np.repeat([1, -1], begin_at.size)[order])
    edges = np.clip(np.append(at[order], until_at), from_at, until_at)
    shares = np.diff(edges) / (until_at - from_at)
    mean = float(there @ shares)
    return mean, float(there**2 @ shares) - mean**2


def seen_of_daemons(result: KernelResult) -> Mapping[str, float]:
    builds, until_at = result.rows.builds, result.scenario.end_at
    begun = builds[:, facts.B_STARTED] <= until_at
    spans = builds[begun][:, [facts.B_STARTED, facts.B_COMPLETED]]
    mean, variance = at_once(spans[:, 0], np.minimum(spans[:, 1], until_at), MONDAY_AT + WARM_US, until_at)
    return {"at work": mean, "variance": variance}


def seen_of_people(result: KernelResult) -> Mapping[str, float]:
    """Workspaces that run: from when they are built until their stop begins."""
    builds, until_at = result.rows.builds, result.scenario.end_at
    starts, stops = (builds[:, facts.B_TRANSITION] == which for which in (START, STOP))
    began_at, ended_at = builds[starts, facts.B_COMPLETED], builds[stops, facts.B_CREATED]
    still = np.full(began_at.size - ended_at.size, until_at)
    mean, _ = at_once(began_at, np.concatenate([ended_at, still]), MONDAY_AT + WARM_US, until_at)
    return {"running": mean}


def erlang_b_case() -> Case:
    build = lognormal(HOUR_US, 2 * HOUR_US)
    load = 3 * (np.mean(build.samples) / HOUR_US + 0.5 / 3600)
    hit_rate = 1 - erlang_b(5, float(load))
    theory = {"hit rate": hit_rate, "idle": 5 - float(load) * hit_rate}
    return Case("Erlang B, ticks of a second", pool(5, 3, taking(build), SECOND_US), theory, seen_of_pool)


def chain_case(instances: int, per_hour: float, build_us: int, agent_us: int = 0, interval_us: int = MINUTE_US) -> Case:
    means = fixed_build_pool(instances, per_hour / HOUR_US, interval_us, build_us, agent_us)
    name = f"chain of level {instances}, lead of {(build_us + agent_us) / interval_us:.3g} ticks"
    given = pool(instances, per_hour, taking(constant(build_us), agent_us), interval_us)
    return Case(name, given, {"hit rate": means.hit_rate, "idle": means.idle}, seen_of_pool, 13)


def one_case(per_hour: float, interval_us: int, build_us: int, agent_us: int, ttl_us: int) -> Case:
    found = one_instance(per_hour / HOUR_US, interval_us, build_us, agent_us, ttl_us)
    given = pool(1, per_hour, taking(constant(build_us), agent_us), interval_us, ttl_us)

    def seen(result: KernelResult) -> Mapping[str, float]:
        of = measures_between(result, np.array([MONDAY_AT + WARM_US, result.scenario.end_at]))
        claims, hits, builds = (table[0, 0] for table in (of.claims, of.hits, of.builds))
        return {"hit rate": hits / claims, "expired": 1 - hits / builds, "builds per claim": builds / claims}

    theory = {"hit rate": found.hit_rate, "expired": found.expired_share, "builds per claim": found.builds_per_claim}
    name = f"one instance, TTL {ttl_us / MINUTE_US:.0f} m, ticks of {interval_us / MINUTE_US:.0f} m"
    return Case(name, given, theory, seen)


def queue_case(name: str, daemons: int, cold: tuple[float, Distribution], warm: tuple[float, Distribution]) -> Case:
    """People who build cold, before a pool's builds, which are all but Poisson: claims at random, ticks of a second.

    A claim's own build takes no time, so that it keeps nobody waiting.
    """
    classes = [jobs(*each) for each in (cold, warm) if each[0]]
    waits = mean_waits(daemons, classes)
    theory = {"people wait": waits[0]}
    if len(classes) == 2:
        theory["prebuilds wait"] = waits[1]
    if np.std(cold[1].samples) and daemons > 1:
        theory["people who wait"] = erlang_c(daemons, sum(c.load for c in classes))
    given = queue(
        (Preset("cold", 0), Preset("pool", 200 if warm[0] else 0)),
        (profile(cold[0], "cold"), *((profile(warm[0], "pool"),) if warm[0] else ())),
        (("cold", taking(cold[1])), ("pool", taking(warm[1]))),
        daemons,
    )
    return Case(name, given, theory, seen_of_queue, 26)


def daemons_case() -> Case:
    build = lognormal(5 * MINUTE_US, 20 * MINUTE_US)
    load = mean_running(30, float(np.mean(build.samples)) / HOUR_US)
    given = pool(0, 30, taking(build))
    return Case("M/G/infinity, daemons", given, {"at work": load, "variance": load}, seen_of_daemons, 26)


def people_case(count: int) -> Case:
    """Sessions of any length, connected; the agent reports each minute, so that the last one is half a minute old when
    they end, and the executor comes by half a minute after the deadline."""
    length, bump_us, per_hour = lognormal(2 * HOUR_US, 5 * HOUR_US), 10 * MINUTE_US, 10.0
    stay_us = float(np.mean(length.samples)) + bump_us
    sessions = SessionProfile(UTC, (per_hour / count,) * 168, length)
    given = replace(
        pool(0, 0, taking(constant(0))),
        demand=(),
        people=(People("all", count, "p", sessions, ttl_us=MINUTE_US),),
        schedule=TemplateSchedule(activity_bump_us=bump_us),
    )
    running = mean_running(per_hour, stay_us / HOUR_US, count)
    return Case(f"M/G/infinity, {count} people", given, {"running": running}, seen_of_people, 13)


NOBODY = (0.0, constant(0))


def cases() -> list[Case]:
    slow, minutes = exponential(3 * MINUTE_US), MINUTE_US
    return [
        erlang_b_case(),
        chain_case(1, 6, 5 * minutes),
        chain_case(3, 20, 5 * minutes),
        chain_case(4, 30, 3 * minutes, 40 * SECOND_US),
        chain_case(6, 15, 20 * minutes, interval_us=15 * minutes),
        chain_case(2, 40, 20 * SECOND_US, 10 * SECOND_US),
        one_case(1, minutes, 4 * minutes, 30 * SECOND_US, HOUR_US),
        one_case(2, 7 * minutes, 5 * minutes, 0, 63 * minutes),
        one_case(0.5, 25 * minutes, 30 * minutes, minutes, HOUR_US),
        queue_case("Erlang C, M/M/3", 3, (48, slow), NOBODY),
        queue_case("Pollaczek-Khinchine, M/D/1", 1, (14, constant(3 * minutes)), NOBODY),
        queue_case("Cobham, M/M/3, two classes", 3, (16, slow), (32, slow)),
        queue_case(
            "Cobham, M/G/1, two classes", 1, (10, constant(2 * minutes)), (4, lognormal(5 * minutes, HOUR_US // 4))
        ),
        daemons_case(),
        people_case(200),
        people_case(5000),
    ]


# A seed each: with one for all, too few claims by chance would be too few in every case.
CASES = {case.name: replace(case, seed=SEED + i) for i, case in enumerate(cases())}


def table() -> str:
    """Of `docs/theory.md`."""
    rows = ["| case | number | theory | kernel | z |", "|---|---|---|---|---|"]
    for case in CASES.values():
        for name, (said, mean, z) in case.z(REPLICATIONS).items():
            rows.append(f"| {case.name} | {name} | {said:.5f} | {mean:.5f} | {z:+.2f} |")
    return "\n".join(rows)


def rows_of_page() -> dict[str, dict[str, float]]:
    """The page's z, by case and number."""
    found: dict[str, dict[str, float]] = {}
    for case, number, z in re.findall(
        r"^\| (.*?) \| (.*?) \| [\d.]+ \| [\d.]+ \| ([+-][\d.]+) \|$", PAGE.read_text(), re.M
    ):
        found.setdefault(case, {})[number] = float(z)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_kernel_is_what_theory_says_and_the_page_tells_how_near(name: str):
    case = CASES[name]
    found = case.z(REPLICATIONS)
    print(case.seed, found)
    assert max(abs(z) for _, _, z in found.values()) < MOST
    assert {number: z for number, (_, _, z) in found.items()} == pytest.approx(rows_of_page()[name], abs=0.02), (
        "print the table anew: python -m tests.test_decide_theory"
    )


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_is_what_theory_says_in_few_replications(name: str):
    case = CASES[name]
    found = case.z(FEW, SHORT)
    print(case.seed, found)
    # As rarely beyond it as a normal number is beyond MOST.
    assert max(abs(z) for _, _, z in found.values()) < t_quantile(FEW - 1, 1 - TAIL)


def test_the_page_has_a_row_for_each_number_of_each_case():
    assert {case: set(numbers) for case, numbers in rows_of_page().items()} == {
        name: set(case.theory) for name, case in CASES.items()
    }


@pytest.mark.parametrize("wrong", [{"interval_us": 75 * SECOND_US}, {"instances": 4}, {"build_us": 6 * MINUTE_US}])
def test_another_pool_than_the_formulas_is_told_apart_in_few_replications(wrong: dict[str, int]):
    """What these tests can see: a tick that is a quarter longer, one instance more, a build of a tick more."""
    right = {"instances": 3, "per_hour": 20, "build_us": 5 * MINUTE_US}
    case = replace(chain_case(**right), scenario=chain_case(**(right | wrong)).scenario)
    found = case.z(FEW, SHORT)
    print(case.seed, found)
    assert max(abs(z) for _, _, z in found.values()) > t_quantile(FEW - 1, 1 - TAIL)


# What the formulas say themselves.


@pytest.mark.parametrize(("servers", "load"), [(0, 2.0), (1, 0.5), (3, 2.0), (7, 11.0), (4, 0.0)])
def test_erlang_b_is_the_last_term_of_its_sum(servers: int, load: float):
    terms = [load**k / math.factorial(k) for k in range(servers + 1)]
    assert erlang_b(servers, load) == pytest.approx(terms[-1] / sum(terms))


def test_erlang_b_loses_no_digits_where_powers_and_factorials_would_overflow():
    # Of 1,000 servers with as much load: sqrt(2 / (pi s)) but for terms of 1 / s (Jagerman 1974).
    assert erlang_b(1000, 1000.0) == pytest.approx(math.sqrt(2 / (math.pi * 1000)), rel=0.02)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.3), (2, 1.5), (5, 4.9)])
def test_erlang_c_is_what_the_birth_and_death_process_says(servers: int, load: float):
    weights = [1.0]
    for jobs_there in range(1, 3000):
        weights.append(weights[-1] * load / min(jobs_there, servers))
    assert erlang_c(servers, load) == pytest.approx(sum(weights[servers:]) / sum(weights))


def test_more_than_the_daemons_can_do_waits_for_ever_unless_it_goes_first():
    assert erlang_c(2, 2.0) == erlang_c(2, 5.0) == 1
    first, last = mean_waits(2, [Jobs(0.5, 1.0), Jobs(2.0, 1.0)])
    assert math.isinf(last)
    assert first == pytest.approx(1 / 2 / (1 - 0.25)), "a daemon is free once in half a time unit"
    assert mean_waits(1, [Jobs(1.0, 1.0)]) == (math.inf,)


@pytest.mark.parametrize("daemons", [1, 3, 8])
@pytest.mark.parametrize("squared_cv", [0.0, 0.4, 1.0, 1.7])
def test_who_goes_first_changes_no_mean_of_all(daemons: int, squared_cv: float):
    """Kleinrock's conservation law, for classes that take equally long."""
    classes = [Jobs(0.2 * daemons, 1.0, squared_cv), Jobs(0.5 * daemons, 1.0, squared_cv)]
    (alike,) = mean_waits(daemons, [Jobs(0.7 * daemons, 1.0, squared_cv)])
    waits = mean_waits(daemons, classes)
    assert waits[0] < alike < waits[1]
    assert sum(c.rate * wait for c, wait in zip(classes, waits, strict=True)) == pytest.approx(0.7 * daemons * alike)


def test_one_daemon_is_pollaczek_and_khinchine():
    for squared_cv in (0.0, 1.0, 2.5):
        (wait,) = mean_waits(1, [Jobs(0.8, 1.0, squared_cv)])
        assert wait == pytest.approx(0.8 * (1 + squared_cv) / 2 / 0.2)


@pytest.mark.parametrize("lead", [0.0, 0.4, 1.0, 3.0, 4.6])
@pytest.mark.parametrize("rate", [0.02, 0.5, 3.0])
def test_the_chain_of_one_instance_is_the_closed_form_without_a_ttl(lead: float, rate: float):
    chain, closed = fixed_build_pool(1, rate, 1.0, lead), one_instance(rate, 1.0, lead)
    assert chain.hit_rate == pytest.approx(closed.hit_rate)
    assert chain.ready == pytest.approx(closed.ready), "claims by chance see what time sees"
    assert closed.expired_share == 0
    assert closed.builds_per_claim == pytest.approx(closed.hit_rate), "each build is taken"
    assert one_instance(rate, 1.0, lead, ttl=1e7).hit_rate == pytest.approx(closed.hit_rate)


@pytest.mark.parametrize(("instances", "rate", "lead"), [(2, 0.7, 2.5), (4, 0.3, 3.0), (3, 2.0, 0.25)])
def test_the_chains_steady_state_is_where_a_pool_goes_that_is_played_tick_by_tick(instances, rate, lead):
    rng = np.random.default_rng(SEED)
    ready_at = np.zeros(instances)
    taken = asked = 0
    for tick in range(60_000):
        for at in tick + np.sort(rng.random(rng.poisson(rate))):
            asked += 1
            oldest = int(np.argmin(ready_at))
            if ready_at[oldest] <= at:
                taken += 1
                ready_at[oldest] = tick + 1 + lead
    said = fixed_build_pool(instances, rate, 1.0, lead).hit_rate
    assert taken / asked == pytest.approx(said, abs=4 * math.sqrt(said * (1 - said) / asked) * 1.5), SEED


def test_erlang_b_is_the_limit_of_short_ticks_and_too_low_with_long_ones():
    assert 1 - fixed_build_pool(2, 1.0, 0.02, 1.0).hit_rate == pytest.approx(erlang_b(2, 1.01), rel=2e-3)
    for instances, per_minute in ((1, 0.1), (3, 1 / 3), (5, 0.5), (8, 2 / 3), (5, 0.1)):
        missed = 1 - fixed_build_pool(instances, per_minute, 1.0, 5.0).hit_rate
        assert 0.05 < 1 - erlang_b(instances, per_minute * 5) / missed < 0.4
        assert 0 < 1 - erlang_b(instances, per_minute * 5.5) / missed < 0.06


@pytest.mark.parametrize("ticks", [1, 3, 7])
@pytest.mark.parametrize("interval", [0.1, 1 / 3, 1 / 60, 0.7, 60e6])
def test_a_build_of_whole_ticks_is_one_whatever_the_unit(ticks: int, interval: float):
    rightly = fixed_build_pool(3, 0.5, 1.0, ticks)
    for build in (ticks * interval, interval * (ticks + 1) - interval, sum([interval] * ticks)):
        found = fixed_build_pool(3, 0.5 / interval, interval, build)
        assert found == pytest.approx(rightly)


def test_a_ttl_of_whole_ticks_is_one_whatever_the_unit():
    in_minutes = one_instance(1 / 60, 7.0, 5.0, ttl=63.0)
    for unit in (60.0, 3600.0, 1e7, 1440.0, 3.0):
        other = one_instance(unit / 60, 7 / unit, 5 / unit, ttl=63 / unit)
        assert other == pytest.approx(in_minutes), unit


def test_people_who_come_back_are_counted_once():
    assert mean_running(10, 2.5) == 25
    assert mean_running(10, 2.5, 1) == pytest.approx(1), "one person has one workspace"
    assert mean_running(10, 2.5, 1e6) == pytest.approx(25, rel=1e-4)


@pytest.mark.parametrize(
    "call",
    [
        lambda: erlang_b(-1, 1.0),
        lambda: erlang_b(1, -0.1),
        lambda: erlang_c(0, 1.0),
        lambda: fixed_build_pool(2, 0.0, 1.0, 1.0),
        lambda: fixed_build_pool(2, 1.0, 0.0, 1.0),
        lambda: fixed_build_pool(100, 1.0, 1.0, 50.0),
        lambda: one_instance(1.0, 1.0, 5.0, ttl=4.0),
        lambda: one_instance(0.0, 1.0, 5.0),
        lambda: mean_waits(0, [Jobs(1.0, 1.0)]),
        lambda: mean_waits(1, []),
        lambda: mean_waits(1, [Jobs(0.0, 1.0)]),
        lambda: mean_running(1.0, 1.0, 0),
        lambda: idle_prebuilds(run(busy_week(hours=2)), MONDAY_AT, MONDAY_AT),
        lambda: waiting_jobs(run(busy_week(hours=2)), MONDAY_AT - 1, MONDAY_AT + HOUR_US),
    ],
)
def test_what_no_formula_is_for_is_refused(call: Callable[[], object]):
    with pytest.raises(ValueError, match=r"above|or more|too many|daemon|window"):
        call()


# Where formulas do not hold: by how much they miss.


def test_cosmetatos_is_a_few_per_cent_off_for_constant_builds_on_three_daemons():
    case = queue_case("M/D/3", 3, (48, constant(3 * MINUTE_US)), NOBODY)
    said, mean, z = case.z(FEW, 2 * SHORT)["people wait"]
    assert mean == pytest.approx(said, rel=0.03), (SEED, z)


@pytest.mark.parametrize(("tick", "least", "most"), [(1, 1.05, 1.2), (15, 1.6, 2.0)])
def test_a_pools_builds_wait_longer_than_cobham_says_for_they_come_together(tick: int, least: float, most: float):
    """In the wake of claims and in batches at ticks: 6 claims an hour of 10 s before 6 builds of 10 minutes."""
    build, claim = exponential(10 * MINUTE_US), constant(10 * SECOND_US)
    workloads = (("pool", replace(taking(build), claim=claim)),)
    given = queue((Preset("pool", 30),), (profile(6, "pool"),), workloads, 3, tick * MINUTE_US)
    given = replace(given, end_at=MONDAY_AT + 27 * WEEK_US)
    _, said = mean_waits(3, [jobs(6, claim), jobs(6, build)])
    waits = [seen_of_queue(run(given, SEED, r))["prebuilds wait"] for r in range(FEW)]
    assert least * said < np.mean(waits) < most * said, (SEED, said, np.mean(waits))


# Little's law, on any run.


def kept(result: KernelResult, from_at: int, until_at: int) -> None:
    for flow in (idle_prebuilds(result, from_at, until_at), waiting_jobs(result, from_at, until_at)):
        assert flow.is_kept, flow
        edges_us = flow.before_us - flow.after_us
        little = flow.rate_per_us * flow.mean_stay_us if flow.arrivals else 0.0
        assert flow.mean_there == pytest.approx(little + edges_us / flow.window_us)


@given_by(scenarios(), st.integers(0, 3), st.lists(st.integers(0, 8 * 3600), min_size=2, max_size=2, unique=True))
def test_littles_law_holds_for_any_run_and_window(scenario: Scenario, seed: int, seconds: list[int]):
    result = run(scenario, seed)
    from_at, until_at = (MONDAY_AT + second * SECOND_US for second in sorted(seconds))
    kept(result, from_at, until_at)
    whole = idle_prebuilds(result, scenario.start_at, scenario.end_at)
    assert whole.area_us == measures(result).idle_us.sum()


@given_by(inhabited())
def test_littles_law_holds_with_people(scenario: Scenario):
    result = run(scenario, 3)
    span_us = scenario.end_at - scenario.start_at
    kept(result, scenario.start_at, scenario.end_at)
    kept(result, scenario.start_at + span_us // 3, scenario.start_at + max(span_us // 2, span_us // 3 + 1))


@given_by(with_an_executor_for_prebuilds())
def test_littles_law_holds_where_prebuilds_are_stopped(scenario: Scenario):
    result = run(scenario, 3)
    kept(result, scenario.start_at, scenario.end_at)
    span_us = scenario.end_at - scenario.start_at
    kept(result, scenario.start_at + span_us // 3, scenario.start_at + max(span_us // 2, span_us // 3 + 1))
    assert idle_prebuilds(result, scenario.start_at, scenario.end_at).area_us == measures(result).idle_us.sum()


@pytest.mark.parametrize("given", [busy_week(), busy_week("v2.24"), inhabited_fortnight()], ids=lambda s: s.name)
def test_littles_law_holds_where_much_happens(given: Scenario):
    result = run(given, 7)
    kept(result, given.start_at, given.end_at)
    kept(result, given.start_at + 9 * HOUR_US, given.start_at + 33 * HOUR_US)
    assert idle_prebuilds(result, given.start_at, given.end_at).arrivals > 10
    assert waiting_jobs(result, given.start_at, given.end_at).stay_us > 0


def test_who_comes_while_their_workspace_is_deleted_claims_when_it_is_gone():
    """A workspace that is dormant after a minute and deleted after another; its deletion takes an hour."""
    came_at = np.array([MONDAY_AT + 10 * MINUTE_US, MONDAY_AT + 40 * MINUTE_US])
    sessions = SessionHistory(came_at, came_at, np.zeros(2, dtype=np.int64))
    given = replace(
        pool(2, 0, replace(taking(constant(MINUTE_US)), delete=constant(HOUR_US))),
        demand=(),
        people=(People("one", 1, "p", sessions),),
        schedule=TemplateSchedule(time_til_dormant_us=MINUTE_US, time_til_dormant_autodelete_us=MINUTE_US),
    )
    result = run(given, 0)
    assert result.rows.claims[:, facts.C_HIT].tolist() == [facts.HIT, facts.HIT]
    claimed_at = np.sort(result.rows.workspaces[:, facts.W_CLAIMED])[:2]
    assert claimed_at[0] == came_at[0]
    assert claimed_at[1] > came_at[1] + 20 * MINUTE_US
    kept(result, MONDAY_AT, given.end_at)
    kept(result, MONDAY_AT, int(came_at[1]) + MINUTE_US)


def test_littles_law_sees_a_prebuild_that_is_lost():
    result = run(busy_week(), 7)
    lost = int(np.flatnonzero(result.inputs.claims[:, facts.A_AT] > MONDAY_AT + 9 * HOUR_US)[0])
    assert (result.rows.claims[lost:, facts.C_HIT] == facts.HIT).any()
    claims = result.rows.claims.copy()
    hit = lost + int(np.flatnonzero(claims[lost:, facts.C_HIT] == facts.HIT)[0])
    claims[hit, facts.C_HIT] = facts.COLD
    broken = replace(result, rows=result.rows._replace(claims=claims))
    assert not idle_prebuilds(broken, MONDAY_AT, result.scenario.end_at).is_kept


def test_a_deleted_prebuild_is_idle_until_its_deletion_is_done():
    """One instance that expires each hour: built for all of the time but its builds."""
    given = pool(1, 0.0, replace(taking(constant(MINUTE_US)), delete=constant(2 * MINUTE_US)), ttl_us=HOUR_US)
    result = run(replace(given, demand=(), end_at=MONDAY_AT + 61 * MINUTE_US + 30 * SECOND_US), 0)
    deletes = result.rows.builds[:, facts.B_TRANSITION] == DELETE
    assert deletes.sum() == 1
    flow = idle_prebuilds(result, MONDAY_AT, MONDAY_AT + 61 * MINUTE_US)
    assert (flow.arrivals, flow.area_us) == (1, HOUR_US)
    assert flow.after_us == 30 * SECOND_US


if __name__ == "__main__":
    print(table())
