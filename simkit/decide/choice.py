"""The way from a question to plans: for each preset the cheapest that meets the aim, all presets together.

Constant numbers are played once on the exact kernel and give tables (`levels`); a search over them finds a plan
(`search`); exact runs of all presets together correct the tables until the plan meets the aim there, too. The aim is
not the target itself: of plans that just met it on past weeks every second one missed it on the next. It is a limit
that the next quarter is not below, with a confidence, be it a busier one; raised by what such plans lose on weeks left
out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from simkit.clock import DAY_US, HOUR_US, NEVER, SECOND_US, WEEK_US, Zone
from simkit.decide.asked import Asked, claims_of, drowns_below, presets_of, weeks_drawn
from simkit.decide.holidays import ordinary_weeks
from simkit.decide.levels import (
    Calendar,
    LevelTables,
    Played,
    Run,
    counted,
    edges_of,
    joined,
    played,
)
from simkit.decide.margins import Weeks, deviation_of_volume, lower_limit, rate
from simkit.decide.plan import Plan
from simkit.decide.recommendation import (
    CONFIDENCE,
    P95_TARGET,
    Drowned,
    InTime,
    Outcome,
    Point,
)
from simkit.decide.search import Aim, Fit, Search
from simkit.decide.work import in_order
from simkit.demand import scaled
from simkit.model import History, Preset, Scenario
from simkit.runs.counts import Counts

FOLDS = 4
THINNED, THICKENED = 0.8, 1.25
"""Volumes between which the hit rate's slope is measured."""
WORTH_A_BLOCK = 0.02
"""Of the idle time: a schedule that saves less is one line too many."""
MOST_CORRECTIONS = 4
MORE_LEAST = 2
"""So many more than the hard limit are tried as the least number, where a pool drowns in it."""
WITHIN_REACH = 0.001
"""Of what any number could do, where the target is beyond it: the last thousandth costs most."""
WAIT_STEPS, LEAST_RAISED, MOST_RAISED = 8, 0.003, 0.995
"""How often, by what and to what at most a target is raised for the sake of the wait."""
COST_STEPS = 6
LUCKS, FAILING_LUCKS = 5, 20
"""Replications that say how much is chance of builds; and, where builds fail, how often the hard limit ends it."""
FRONT = (0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995)
"""Hit rates at which the price of others is shown."""
FRONT_POINTS = 5
Targets = Mapping[str, float]
"""By preset."""


class Choice:
    """The way from a question to plans, for one choice of TTL. `told` is called after each run."""

    def __init__(
        self, asked: Asked, ttl_us: int | None, executor: Executor, told: Callable[[], None] = lambda: None
    ) -> None:
        self.tables: dict[str, LevelTables] = {}
        self.asked, self.runs, self.executor, self.told = asked, 0, executor, told
        self.more_least = 0
        self.may_drown = any(drowns_below(asked.scenario, p.name) for p in presets_of(asked.scenario))
        self.lost: dict[str, float] = {}
        """What plans lose on other weeks, as a rate, by preset."""
        self.of_volume: dict[str, float] = {}
        """The standard deviation of a quarter's hit rate as more or fewer people come, by preset."""
        self.by_volume: list[list[Counts]] = []
        """Runs with THINNED and THICKENED demand, of plans that nearly meet the target."""
        self.lucks: list[Counts] = []
        self.lucks_of: Mapping[str, Plan] = {}
        """The plans that have them."""
        self.drowned: dict[str, Drowned] = {}
        wanted = claims_of(asked.scenario)
        self.names = [p.name for p in presets_of(asked.scenario) if p.name in wanted and asked.preset in (None, p.name)]
        scenario = asked.scenario
        if ttl_us is not None:
            scenario = scenario.with_presets(lambda p: replace(p, ttl_us=ttl_us) if p.name in self.names else p)
        self.scenario = scenario
        self.now = {p.name: p for p in presets_of(asked.scenario)}
        self.zone: dict[str, Zone] = {name: scenario.zone_of(self.now[name]) for name in self.names}
        self.calendar = {
            name: Calendar.of(zone, scenario.start_at, scenario.end_at) for name, zone in self.zone.items()
        }
        self.edges = edges_of(self.calendar.values())
        weeks = min(c.weeks for c in self.calendar.values())
        self.calendar = {name: calendar.first(weeks) for name, calendar in self.calendar.items()}
        drawn = not isinstance(scenario.demand, History)
        self.replications = weeks_drawn(weeks) // weeks if drawn and weeks else 1
        self.weeks = weeks * self.replications
        self.held_out = asked.holdout_weeks or 0
        ordinary = np.ones(self.weeks, dtype=np.bool_)
        if not drawn:
            for name, calendar in self.calendar.items():
                ordinary &= ordinary_weeks(calendar, self.zone[name], asked.holidays)
        self.ordinary = ordinary
        """Weeks without a holiday: what is chosen and judged by."""
        self.fitted = ordinary & (np.arange(self.weeks) < self.weeks - self.held_out)

    def _runs(self, scenario: Scenario, replications: int | None = None, first: int = 0) -> list[Counts]:
        many = replications or self.replications
        self.runs += many
        tasks = (Run(scenario, self.asked.seed, first + r, self.edges) for r in range(many))
        found = []
        for one in in_order(self.executor, counted, tasks):
            found.append(one)
            self.told()
        return found

    def _played(self, results: Sequence[Counts]) -> dict[str, Played]:
        parts = [played(self.scenario, result, self.calendar) for result in results]
        return {name: joined([part[name] for part in parts]) for name in self.names}

    def _with(self, plans: Mapping[str, Plan]) -> Scenario:
        def changed(preset: Preset) -> Preset:
            plan = plans.get(preset.name)
            return plan.of(preset, self.zone[preset.name].name) if plan is not None else preset

        return self.scenario.with_presets(changed)

    def _outcomes(self, results: Sequence[Counts]) -> dict[str, Outcome]:
        weeks = (self.scenario.end_at - self.scenario.start_at) / WEEK_US * len(results)
        found = {}
        for name in self.names:
            i = results[0].presets.index(name)
            claims = sum(int(one.claims[i].sum()) for one in results)
            waits = [np.where(q == NEVER, np.nan, q / SECOND_US) for q in (r.wait_quantiles_us[i] for r in results)]
            pool_hours = sum(int(one.pool_us[i].sum()) for one in results) / HOUR_US / weeks
            found[name] = Outcome(
                hit_rate=sum(int(one.hits[i].sum()) for one in results) / claims if claims else float("nan"),
                wait_p50_s=float(np.mean([q[0] for q in waits])),
                wait_p95_s=float(np.mean([q[1] for q in waits])),
                claims_per_week=claims / weeks,
                builds_per_week=sum(int(one.builds[i].sum()) for one in results) / weeks,
                idle_hours_per_week=sum(int(one.idle_us[i].sum()) for one in results) / HOUR_US / weeks,
                pool_hours_per_week=pool_hours,
                cost_per_week=pool_hours * self.scenario.workload_of(name).cost_per_instance_hour,
                limited_at=min(limited_from(one, i) for one in results),
            )
        return found

    def _surviving(self, targets: Targets) -> Chosen:
        """Plans that no replication has drown in the hard limit; what was found, where there are none."""
        chosen = self._chosen(targets)
        lucks = self._lucks(chosen)
        drowned = self._drowned(lucks)
        other, others = drowned, lucks
        while other and self.more_least < MORE_LEAST:
            self.more_least += 1
            higher = self._chosen(targets)
            others = self._lucks(higher, while_none_drowns=True)
            other = self._drowned(others)
            if not other:
                chosen, lucks, drowned = higher, others, {}
        if drowned:
            self.more_least = 0
        self.lucks, self.lucks_of = lucks, chosen.plans
        return chosen

    def _lucks_of(self, chosen: Chosen) -> list[Counts]:
        """The replications of these plans, made if they are of others."""
        if self.lucks_of != chosen.plans:
            self.lucks, self.lucks_of = self._lucks(chosen), chosen.plans
        return self.lucks

    def _know_lucks(self, chosen: Chosen) -> None:
        """Sets what replications say of these plans."""
        self._lucks_of(chosen)
        weeks = (self.scenario.end_at - self.scenario.start_at) / WEEK_US
        found = self._drowned(self.lucks)
        self.drowned = {name: Drowned(tuple(days), len(self.lucks), weeks) for name, days in found.items()}

    def _lucks(self, chosen: Chosen, *, while_none_drowns: bool = False) -> list[Counts]:
        """Replications of the plans that meet other builds, and, where nobody's history is replayed, other people.

        `while_none_drowns`: plans that drown are not looked at any further.
        """
        many = max(LUCKS if self.replications == 1 else 0, FAILING_LUCKS if self.may_drown else 0)
        found, scenario = list(chosen.results), self._with(chosen.plans)
        while len(found) < many:
            if while_none_drowns and self._drowned(found):
                break
            more = min(LUCKS, many - len(found)) if while_none_drowns else many - len(found)
            found += self._runs(scenario, more, len(found))
        return found

    def _drowned(self, lucks: Sequence[Counts]) -> dict[str, list[float]]:
        """For each preset that is hard-limited to the end in some replications: after how many days."""
        found = {}
        for name in self.names:
            i = lucks[0].presets.index(name)
            since = [at for at in (limited_from(one, i) for one in lucks) if at != NEVER]
            if since:
                found[name] = [(at - self.scenario.start_at) / DAY_US for at in since]
        return found

    def _chosen(self, targets: Targets) -> Chosen:
        """Plans that the exact kernel says meet the aim, all presets together; the nearest to it if none do."""
        searches = {
            name: self._search(self.tables[name].of_weeks(self.fitted), name, targets[name]) for name in self.names
        }
        plans = {name: cheapest_worth_it(search, self.asked.max_schedules) for name, search in searches.items()}
        if not self.lost:
            self._measure_margins(plans, searches, targets)
        safer = {}
        for name, first in plans.items():
            searches[name] = self._search(searches[name].tables, name, targets[name])
            has_margin = self.lost[name] or self.of_volume[name]
            again = searches[name].best(self.asked.max_schedules, (first,)) if has_margin else None
            safer[name] = first if again is None else again.plan
        chosen = self._corrected(safer, searches)
        if safer != plans and _rank(*self._tried(chosen).values())[0] > 0:
            # Where daemons are few, more prebuilds may serve fewer people.
            other = self._corrected(plans, searches)
            chosen = min(chosen, other, key=lambda one: _rank(*self._tried(one).values()))
        return chosen

    def _measure_margins(self, plans: Mapping[str, Plan], searches: Mapping[str, Search], targets: Targets) -> None:
        """How much worse such plans do in a quarter with more people, and on weeks that they were not chosen by."""
        self.by_volume = self._by_volume(plans)
        slopes = slopes_of([self._hit_rates(one) for one in self.by_volume])
        self.of_volume = {name: deviation_of_volume(slope) for name, slope in slopes.items()}
        for name, search in searches.items():
            safe = self._search(search.tables, name, targets[name])
            self.lost[name] = self._lost(safe, plans[name])

    def _by_volume(self, plans: Mapping[str, Plan]) -> list[list[Counts]]:
        scenario = self._with(plans)
        return [self._runs(scaled(scenario, factor)) for factor in (THINNED, THICKENED)]

    def _hit_rates(self, results: Sequence[Counts]) -> dict[str, float]:
        return {name: float(rate(weeks_of(one, self.fitted))) for name, one in self._played(results).items()}

    def _limit(self, weeks: Weeks, name: str) -> float:
        """What the next quarter's hit rate is not below, less what plans lose on weeks they were not chosen by."""
        return float(lower_limit(weeks, CONFIDENCE, of_volume=self.of_volume[name])) - self.lost[name]

    def _corrected(self, begin: Mapping[str, Plan], searches: Mapping[str, Search]) -> Chosen:
        """The best of exact runs of these plans and of those that searches find which these runs correct."""
        plans, searches = dict(begin), dict(searches)
        failed: dict[str, dict[Plan, Search]] = {name: {} for name in self.names}
        found: list[tuple[float, float, Chosen]] = []
        for _ in range(MOST_CORRECTIONS):
            results = self._runs(self._with(plans))
            exact = self._played(results)
            short, idle = 0.0, 0.0
            following = {}
            for name, search in searches.items():
                fit, weeks = search.fit(plans[name]), weeks_of(exact[name], self.fitted)
                idle_hours = exact[name].idle_us[self.fitted].sum(axis=1) / HOUR_US
                short += max(0.0, float(search.aim.shortfall(weeks.hits[None])[0]))
                idle += float(idle_hours.sum())
                searches[name] = replace(
                    search,
                    hits_off=search.hits_off + weeks.hits - fit.hits,
                    idle_off=search.idle_off + idle_hours - fit.idle_hours,
                )
                if search.aim.shortfall(weeks.hits[None])[0] > 1e-9:
                    failed[name][plans[name]] = searches[name]
                blocks = min(max(len(plans[name].blocks), 1), self.asked.max_schedules)
                following[name] = searches[name].nearest(blocks, plans[name])
                if following[name] in failed[name]:
                    # Where it falls short, the tables are as far off as they were seen to be at worst.
                    searches[name] = min(failed[name].values(), key=lambda one: float(np.sum(one.hits_off)))
                    following[name] = searches[name].nearest(blocks, plans[name])
            found.append((short, idle, Chosen(dict(plans), dict(searches), results)))
            if following == plans or any(following == one.plans for _, _, one in found):
                break
            plans = following
        return min(found, key=lambda one: (one[0] if one[0] > 1e-9 else 0.0, one[1]))[2]

    def _search(self, table: LevelTables, name: str, target: float) -> Search:
        claims = table.claims.sum(axis=0)
        most = table.claims.sum(axis=0) - table.misses[:, table.most].sum(axis=0)
        of_volume = self.of_volume.get(name, 0.0)
        reachable = float(lower_limit(Weeks(most, claims), CONFIDENCE, of_volume=of_volume)) - WITHIN_REACH
        goal = min(target + self.lost.get(name, 0.0), reachable)
        return Search(table, Aim(claims, goal, CONFIDENCE, of_volume), min(self._least(name), table.most))

    def _lost(self, search: Search, begin: Plan) -> float:
        """What plans lose, as a rate, on weeks that they were not chosen by: on a quarter of the weeks left out, four
        times. A plan with more schedules fits its weeks better than those to come."""
        tables, weeks = search.tables, search.tables.claims.shape[1]
        if weeks < FOLDS * 2:
            return 0.0
        lost, claims = 0.0, 0.0
        for fold in range(FOLDS):
            out = np.arange(weeks) * FOLDS // weeks == fold
            inside, left = tables.of_weeks(~out), tables.of_weeks(out)
            aim = replace(search.aim, claims=inside.claims.sum(axis=0))
            fit = replace(search, tables=inside, aim=aim).best(self.asked.max_schedules, (begin,))
            if fit is not None:
                asked = left.claims.sum()
                lost += (
                    fit.hits.sum() / inside.claims.sum() * asked - replace(search, tables=left).fit(fit.plan).hits.sum()
                )
                claims += asked
        return max(0.0, float(lost / claims)) if claims else 0.0

    def _least(self, name: str) -> int:
        """With failures, a number below the hard limit drowns in it: as many stand failed as the rule counts."""
        limit = drowns_below(self.scenario, name)
        return limit + self.more_least if limit else 0

    def _within_wait(self, chosen: Chosen, targets: Targets, most_s: float) -> tuple[Chosen, Targets]:
        """Plans by which nineteen of twenty are served in time in the exact run, in the next quarter, too: with a
        target raised by what is missing, again and again; those that come nearest to it, where none do."""
        found = [(chosen, targets)]
        for _ in range(WAIT_STEPS):
            short = {name: P95_TARGET - one.limit for name, one in self._in_time(chosen, most_s).items()}
            if max(short.values()) <= 0 or all(targets[name] >= MOST_RAISED for name in self.names if short[name] > 0):
                break
            targets = {
                name: min(at + max(short[name], LEAST_RAISED), MOST_RAISED) if short[name] > 0 else at
                for name, at in targets.items()
            }
            chosen = self._surviving(targets)
            found.append((chosen, targets))
        missed = [sum(self._short_of_time(one, most_s).values()) for one, _ in found]
        return found[next(i for i, short in enumerate(missed) if short <= min(missed) + WITHIN_REACH)]

    def _short_of_time(self, of: Chosen, most_s: float) -> dict[str, float]:
        return {name: max(0.0, P95_TARGET - one.limit) for name, one in self._in_time(of, most_s).items()}

    def _in_time(self, of: Chosen, most_s: float) -> dict[str, InTime]:
        """Who is served within so many seconds in the exact runs of these plans."""
        slopes = slopes_of(
            [{n: float(rate(self._served(one, n, most_s))) for n in self.names} for one in self.by_volume]
        )
        found = {}
        for name in self.names:
            weeks = self._served(of.results, name, most_s)
            of_volume = deviation_of_volume(slopes[name])
            limit = float(lower_limit(weeks, CONFIDENCE, of_volume=of_volume)) - self.lost[name]
            found[name] = InTime(most_s, float(rate(weeks)), max(0.0, limit))
        return found

    def _served(self, results: Sequence[Counts], name: str, most_s: float) -> Weeks:
        """Who of a preset is served within so many seconds, in the weeks that choose."""
        parts = []
        for one in results:
            mine = one.claim_preset == one.presets.index(name)
            at, calendar = one.claimed_at[mine], self.calendar[name]
            served = at[one.ready_at[mine] - at <= most_s * SECOND_US]
            parts.append([calendar.counts(who, who).sum(axis=1) for who in (served, at)])
        served_by_week, asked = (np.concatenate(weeks).astype(np.float64) for weeks in zip(*parts, strict=True))
        return Weeks(served_by_week[self.fitted], asked[self.fitted])

    def _within_cost(self, chosen: Chosen, targets: Targets, most: float, bound: list[str]) -> Chosen:
        cost = cost_of(self._outcomes(chosen.results))
        if cost <= most:
            return chosen
        low, high, within = 0.0, 1.0, None
        for _ in range(COST_STEPS):
            middle = (low + high) / 2
            one = self._chosen({name: middle * target for name, target in targets.items()})
            if cost_of(self._outcomes(one.results)) <= most:
                low, within = middle, one
            else:
                high = middle
        currency = self.scenario.currency
        if within is None:
            text = f"Even next to nothing warm costs more than {most:,.0f} {currency} a week; the target {cost:,.0f}."
            bound.append(text)
            return chosen
        bound.append(
            f"{most:,.0f} {currency} a week is not enough for the target, which takes {cost:,.0f}: this is the best "
            "found within it."
        )
        return within

    def _settled(self, chosen: Chosen) -> tuple[Chosen, dict[str, tuple[Point, ...]]]:
        """The plans, or what the front around them has that is better; and the front, as exact runs have it."""
        fronts = self._fronts(chosen)
        for _ in range(MOST_CORRECTIONS):
            own = self._tried(chosen)
            plans = {name: min([own[name], *fronts[name]], key=_rank).point.plan for name in self.names}
            if plans == chosen.plans:
                break
            other = replace(chosen, plans=plans, results=self._runs(self._with(plans)))
            if self._is_better(other, chosen):
                chosen = other
                refined = self._corrected(chosen.plans, chosen.searches)
                if self._is_better(refined, chosen):
                    chosen = refined
            # What a run of all of them has is what counts; what does not hold in it is no point of the front.
            for name, plan in plans.items():
                fronts[name] = [one for one in fronts[name] if one.point.plan != plan]
        own = self._tried(chosen)
        return chosen, {name: _unbeaten(own[name].point, [one.point for one in fronts[name]]) for name in self.names}

    def _is_better(self, other: Chosen, chosen: Chosen) -> bool:
        """Does it come nearer to the aim, or idle less where both meet it, without drowning more often?"""
        mine, theirs = (_rank(*self._tried(one).values()) for one in (other, chosen))
        if mine >= theirs or not self._keeps_limits(other, chosen):
            return False
        if self.may_drown:
            lucks = self._lucks(other)
            ended, before = self._drowned(lucks), self._drowned(self._lucks_of(chosen))
            if any(len(days) > len(before.get(name, ())) for name, days in ended.items()):
                return False
            self.lucks, self.lucks_of = lucks, other.plans
        return True

    def _keeps_limits(self, other: Chosen, chosen: Chosen) -> bool:
        """Is it no further from what was asked of wait and cost?"""
        most_s, most = self.asked.max_wait_p95_s, self.asked.max_cost_per_week
        if most_s is not None:
            short, before = (sum(self._short_of_time(one, most_s).values()) for one in (other, chosen))
            if short > before + 1e-9:
                return False
        if most is not None:
            cost, before = (cost_of(self._outcomes(one.results)) for one in (other, chosen))
            return cost <= max(most, before)
        return True

    def _tried(self, of: Chosen) -> dict[str, _Tried]:
        """What the exact runs of these plans say of each preset."""
        exact, outcomes, found = self._played(of.results), self._outcomes(of.results), {}
        for name, one in outcomes.items():
            limit = self._limit(weeks_of(exact[name], self.fitted), name)
            point = Point(of.plans[name], one.hit_rate, limit, one.idle_hours_per_week, one.cost_per_week)
            goal = of.searches[name].aim.hit_rate - self.lost[name]
            found[name] = _Tried(point, goal, float(exact[name].idle_us[self.fitted].sum()))
        return found

    def _fronts(self, chosen: Chosen) -> dict[str, list[_Tried]]:
        """Plans for other hit rates, as exact runs have them."""
        found: dict[str, list[_Tried]] = {name: [] for name in self.names}
        begin: dict[str, tuple[Plan, ...]] = {name: (plan,) for name, plan in chosen.plans.items()}
        by_distance = sorted(FRONT, key=lambda goal: abs(np.log((1 - goal) / (1 - self.asked.target))))
        nearest = sorted(by_distance[:FRONT_POINTS])
        for goal in nearest:
            plans = {}
            for name, search in chosen.searches.items():
                claims = search.tables.claims.sum(axis=0)
                of_goal = replace(search, aim=Aim(claims, goal))
                fit = of_goal.best(self.asked.max_schedules, begin[name])
                plans[name] = fit.plan if fit is not None else chosen.plans[name]
                begin[name] = (*begin[name], plans[name])
            for name, one in self._tried(replace(chosen, plans=plans, results=self._runs(self._with(plans)))).items():
                found[name].append(one)
        return found


@dataclass(frozen=True)
class _Tried:
    """A plan in an exact run; `goal`: the limit that is aimed at; `idle_us` in the weeks that it was chosen by."""

    point: Point
    goal: float
    idle_us: float


def _rank(*tried: _Tried) -> tuple[float, float]:
    """What is less is better: how far from the aim they are together, and their idle time."""
    short = sum(max(0.0, one.goal - one.point.limit) for one in tried)
    return short if short > 1e-9 else 0.0, sum(one.idle_us for one in tried)


@dataclass(frozen=True)
class Chosen:
    """Plans, the searches as exact runs corrected them, and the last exact runs."""

    plans: dict[str, Plan]
    searches: dict[str, Search]
    results: list[Counts]


def slopes_of(rates: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """d hit rate / d log volume of each preset, of its rates with THINNED and THICKENED demand."""
    few, many = rates
    return {name: (many[name] - few[name]) / math.log(THICKENED / THINNED) for name in few}


def cost_of(outcomes: Mapping[str, Outcome]) -> float:
    return sum(one.cost_per_week for one in outcomes.values())


def cheapest_worth_it(search: Search, most_blocks: int) -> Plan:
    """The best with 0, 1, 2, ... schedules, the last that is worth its line."""
    kept: list[Fit] = []
    tried: list[Plan] = []
    for blocks in range(most_blocks + 1):
        one = search.best(blocks, tuple(tried))
        if one is not None:
            tried.append(one.plan)
            if not kept or one.idle_hours.sum() < kept[-1].idle_hours.sum() * (1 - WORTH_A_BLOCK):
                kept.append(one)
    return kept[-1].plan if kept else Plan(search.tables.most)


def weeks_of(of: Played, which: npt.NDArray[np.bool_]) -> Weeks:
    claims = of.claims[which].sum(axis=1)
    return Weeks((claims - of.misses[which].sum(axis=1)).astype(np.float64), claims.astype(np.float64))


def _unbeaten(own: Point, points: Sequence[Point]) -> tuple[Point, ...]:
    """In order of the hit rate, the own one and those that no other beats."""
    ordered = sorted({own, *points}, key=lambda p: (p.hit_rate, p.idle_hours_per_week))
    return tuple(one for one in ordered if one == own or not any(_beats(other, one) for other in ordered))


def _beats(one: Point, other: Point) -> bool:
    """Is it nowhere worse, and somewhere better?"""
    signed = ((p.hit_rate, p.limit, -p.idle_hours_per_week) for p in (one, other))
    mine, theirs = signed
    return mine != theirs and all(a >= b for a, b in zip(mine, theirs, strict=True))


def limited_from(counts: Counts, preset: int) -> int:
    """Since when the hard limit keeps a preset from building for most of what is left of the window; NEVER if not."""
    since_at = int(counts.limited_at[preset])
    left_us = int(counts.edges[-1]) - since_at
    return since_at if since_at != NEVER and counts.limited_us[preset] > left_us // 2 else NEVER


def preset_named(scenario: Scenario, name: str) -> Preset:
    return next(p for p in presets_of(scenario) if p.name == name)
