"""What to set: for each preset the cheapest base and schedules that meet a target, and what is known of them.

Constant numbers are played once on the exact kernel and give tables (`levels`); a search over them finds a plan
(`search`); exact runs of all presets together correct the tables until the plan meets the aim there, too. The aim is
not the target itself: of plans that just met it on past weeks every second one missed it on the next. It is a limit
that the next quarter is not below, with a confidence, raised by what such plans lose on weeks left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from simkit.clock import DAY_US, HOUR_US, NEVER, SECOND_US, WEEK_US, Zone, format_duration
from simkit.decide.asked import Asked, claims_of, drowns_below, presets_of
from simkit.decide.bounds import ladder
from simkit.decide.holidays import Exceptions, Of, Span, exceptions, ordinary_weeks, quiet_number, without
from simkit.decide.levels import (
    Calendar,
    LevelTables,
    Played,
    Run,
    counted,
    edges_of,
    joined,
    lead_us,
    level_tables,
    played,
)
from simkit.decide.margins import QUARTER, Weeks, lower_limit, outlook, rate
from simkit.decide.plan import Plan
from simkit.decide.reasons import queued, why
from simkit.decide.recommendation import (
    CONFIDENCE,
    NOTICED_US,
    P95_TARGET,
    PRINTED,
    Advice,
    Drowned,
    HeldOut,
    InTime,
    Outcome,
    Point,
    Queue,
    Recommendation,
)
from simkit.decide.search import Aim, Fit, Search
from simkit.decide.work import in_order, workers
from simkit.demand import scaled
from simkit.estimates import share_interval
from simkit.model import History, Holiday, Preset, Scenario
from simkit.runs.counts import Counts, count
from simkit.runs.givens import givens

FOLDS = 4
ENOUGH_WEEKS = 26
"""So many weeks of a profile are drawn."""
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
SOME_FAIL = 0.01
"""Of builds: what is tried where a scenario has no failures."""
MANY_DAEMONS = 1000
NOTICED_RATE = 0.002
THINNED, THICKENED = 0.8, 1.25


Targets = Mapping[str, float]
"""By preset."""


def recommend(
    scenario: Scenario,
    target_hit_rate: float = 0.95,
    *,
    max_wait_p95_s: float | None = None,
    max_cost_per_week: float | None = None,
    max_schedules: int = 3,
    preset: str | None = None,
    holdout_weeks: int | None = None,
    ttls_us: Sequence[int] = (),
    holidays: Sequence[Holiday] = (),
    seed: int = 0,
    executor: Executor | None = None,
) -> Recommendation:
    """The cheapest base and schedules of each preset that is asked for (or of the one named) that meet the target.

    `holdout_weeks`: so many weeks at the end are left out of the choice and judge it; None chooses by all weeks and has
    the same way of choosing judged. `ttls_us`: lifetimes of prebuilds that may be chosen, 0 is none, beside
    the preset's own. `holidays`: days on which people do not come. A history's weeks with one are left out of the
    choice; for those in the window and after it there are the two edits around them. `executor`: where runs are
    computed, threads if it is left out; the numbers are the same. Raises InputError with every
    problem: a target that nobody can mean, limits that contradict each other, no demand or less than four weeks of it,
    a preset that is not there.
    """
    asked = Asked(
        scenario,
        target_hit_rate,
        max_wait_p95_s,
        max_cost_per_week,
        max_schedules,
        preset,
        holdout_weeks,
        seed,
        tuple(holidays),
    )
    asked.check()
    with workers(executor) as given:
        chosen = [Choice(asked, ttl_us, given).recommendation() for ttl_us in (None, *dict.fromkeys(ttls_us))]
    if len(chosen) == 1:
        return chosen[0]
    met = [one for one in chosen if one.is_met] or chosen
    best = min(met, key=lambda one: sum(p.after.pool_hours_per_week for p in one.presets))
    return replace(best, runs=sum(one.runs for one in chosen), notes=(*best.notes, _ttls_said(chosen)))


def _ttls_said(chosen: Sequence[Recommendation]) -> str:
    rows = []
    for one in chosen:
        ttl_us = one.presets[0].preset.ttl_us
        hours = sum(p.after.pool_hours_per_week for p in one.presets)
        rows.append(f"{format_duration(ttl_us) if ttl_us else 'no TTL'} {hours:,.0f}")
    return f"TTLs tried, with the pools' instance-hours a week: {', '.join(rows)}."


class Choice:
    """The way from a question to plans, for one choice of TTL."""

    def __init__(self, asked: Asked, ttl_us: int | None, executor: Executor) -> None:
        self.asked, self.runs, self.executor = asked, 0, executor
        self.more_least = 0
        self.may_drown = any(drowns_below(asked.scenario, p.name) for p in presets_of(asked.scenario))
        self.lost: dict[str, float] = {}
        """What plans lose on other weeks, as a rate, by preset."""
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
        self.replications = -(-ENOUGH_WEEKS // weeks) if drawn and weeks else 1
        self.weeks = weeks * self.replications
        self.held_out = asked.holdout_weeks or 0
        ordinary = np.ones(self.weeks, dtype=np.bool_)
        if not drawn:
            for name, calendar in self.calendar.items():
                ordinary &= ordinary_weeks(calendar, self.zone[name], asked.holidays)
        self.ordinary = ordinary
        """Weeks without a holiday: what is chosen and judged by."""
        self.fitted = ordinary & (np.arange(self.weeks) < self.weeks - self.held_out)

    # What runs say

    def _runs(self, scenario: Scenario, replications: int | None = None, first: int = 0) -> list[Counts]:
        many = replications or self.replications
        self.runs += many
        tasks = (Run(scenario, self.asked.seed, first + r, self.edges) for r in range(many))
        return list(in_order(self.executor, counted, tasks))

    def _runs_without(self, scenario: Scenario, spans: Sequence[Span]) -> list[Counts]:
        """Runs to which nobody comes in these spans."""
        if not spans:
            return self._runs(scenario)
        self.runs += self.replications
        return [
            count(without(givens(scenario, self.asked.seed, r), spans), self.edges) for r in range(self.replications)
        ]

    def _played(self, results: Sequence[Counts]) -> dict[str, Played]:
        parts = [played(self.scenario, result, self.calendar) for result in results]
        return {name: joined([part[name] for part in parts]) for name in self.names}

    def _with(self, plans: Mapping[str, Plan], scenario: Scenario | None = None) -> Scenario:
        def changed(preset: Preset) -> Preset:
            plan = plans.get(preset.name)
            return plan.of(preset, self.zone[preset.name].name) if plan is not None else preset

        return (scenario or self.scenario).with_presets(changed)

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
                limited_at=min(_limited_at(one, i) for one in results),
            )
        return found

    # The choice

    def recommendation(self) -> Recommendation:
        self.tables, runs = level_tables(
            self.scenario, self.calendar, self.asked.seed, self.replications, self.executor
        )
        self.runs += runs
        targets: Targets = dict.fromkeys(self.names, self.asked.target)
        bound: list[str] = []
        chosen = self._surviving(targets)
        most_s, most_cost = self.asked.max_wait_p95_s, self.asked.max_cost_per_week
        if most_s is not None:
            chosen, targets = self._within_wait(chosen, targets, most_s)
        if most_cost is not None:
            chosen = self._within_cost(chosen, targets, most_cost, bound)
        chosen, fronts = self._settled(chosen)
        self._know_lucks(chosen)
        before_results = self._runs(self.asked.scenario)
        before, after = self._outcomes(before_results), self._outcomes(chosen.results)
        exact, exact_before = self._played(chosen.results), self._played(before_results)
        slopes, builds = self._slopes(chosen.plans), self._of_builds()
        fragile, of_today = self._fragile(chosen), self._drowned_today(before_results)
        in_time = {} if most_s is None else self._in_time(chosen, most_s)
        held_out = self._judged(chosen, targets, exact, exact_before)
        exceptions = self._exceptions(chosen)
        advised = self._with(chosen.plans)
        faster = self._with_more_daemons(chosen.plans)
        presets = []
        for name in self.names:
            seen = _weeks(exact[name], self.fitted)
            limit = float(lower_limit(seen, CONFIDENCE)) - self.lost[name]
            table = self.tables[name].of_weeks(self.fitted)
            presets.append(
                Advice(
                    now=self.now[name],
                    preset=_preset(advised, name),
                    plan=chosen.plans[name],
                    timezone=self.zone[name].name,
                    target=self.asked.target,
                    aim=float(rate(seen)),
                    limit=limit,
                    before=before[name],
                    after=after[name],
                    held_out=held_out.get(name),
                    drowned=self.drowned.get(name),
                    outlook=outlook(seen, slopes[name], builds[name], self.lost[name]),
                    front=fronts[name],
                    ladder=ladder(table, self.asked.target, self.scenario.reconciler.interval_us),
                    why=why(
                        chosen.searches[name],
                        chosen.plans[name],
                        lead_us(self.scenario, name),
                        float(rate(seen)),
                        limit,
                    ),
                    in_time=in_time.get(name),
                    bound=(
                        *self._bound(name, chosen, after[name], limit, faster),
                        *self._bound_by_wait(name, in_time.get(name), targets[name], after[name]),
                        *(said[name] for said in (fragile, of_today) if name in said),
                        *bound,
                    ),
                    exceptions=exceptions.get(name),
                )
            )
        return Recommendation(
            scenario=self.asked.scenario,
            advised=advised,
            seed=self.asked.seed,
            weeks=self.weeks,
            fitted_weeks=int(self.fitted.sum()),
            presets=tuple(presets),
            queue=self._queue(before_results, chosen),
            runs=self.runs,
            over_cost=0.0 if most_cost is None else max(0.0, _cost(after) - most_cost),
            notes=(),
            left_out_weeks=int((~self.ordinary).sum()),
        )

    def _surviving(self, targets: Targets) -> _Chosen:
        """Plans that no replication has drown in the hard limit; what was found, where there are none."""
        chosen = self._chosen(targets)
        lucks = self._lucks(chosen)
        drowned = self._drowned(lucks)
        other, others = drowned, lucks
        while other and self.more_least < MORE_LEAST:
            self.more_least += 1
            higher = self._chosen(targets)
            others = self._lucks(higher)
            other = self._drowned(others)
            if not other:
                chosen, lucks, drowned = higher, others, {}
        if drowned:
            self.more_least = 0
        self.lucks, self.lucks_of = lucks, chosen.plans
        return chosen

    def _lucks_of(self, chosen: _Chosen) -> list[Counts]:
        """The replications of these plans, made if they are of others."""
        if self.lucks_of != chosen.plans:
            self.lucks, self.lucks_of = self._lucks(chosen), chosen.plans
        return self.lucks

    def _know_lucks(self, chosen: _Chosen) -> None:
        """Sets what replications say of these plans."""
        self._lucks_of(chosen)
        weeks = (self.scenario.end_at - self.scenario.start_at) / WEEK_US
        found = self._drowned(self.lucks)
        self.drowned = {name: Drowned(tuple(days), len(self.lucks), weeks) for name, days in found.items()}

    def _lucks(self, chosen: _Chosen) -> list[Counts]:
        """Replications of the plans that meet other builds, and, where nobody's history is replayed, other people."""
        many = max(LUCKS if self.replications == 1 else 0, FAILING_LUCKS if self.may_drown else 0)
        more = many - self.replications
        if more <= 0:
            return chosen.results
        return [*chosen.results, *self._runs(self._with(chosen.plans), more, self.replications)]

    def _drowned(self, lucks: Sequence[Counts]) -> dict[str, list[float]]:
        """For each preset that is hard-limited to the end in some replications: after how many days."""
        found = {}
        for name in self.names:
            i = lucks[0].presets.index(name)
            since = [at for at in (_limited_at(one, i) for one in lucks) if at != NEVER]
            if since:
                found[name] = [(at - self.scenario.start_at) / DAY_US for at in since]
        return found

    def _chosen(self, targets: Targets) -> _Chosen:
        """Plans that the exact kernel says meet the aim, all presets together; the nearest to it if none do."""
        searches = {
            name: self._search(self.tables[name].of_weeks(self.fitted), name, targets[name]) for name in self.names
        }
        plans = {}
        for name, search in searches.items():
            first = _cheapest_worth_it(search, self.asked.max_schedules)
            if name not in self.lost:
                self.lost[name] = self._lost(search, first)
            searches[name] = self._search(search.tables, name, targets[name])
            again = searches[name].best(self.asked.max_schedules, (first,)) if self.lost[name] else None
            plans[name] = first if again is None else again.plan
        return self._corrected(plans, searches)

    def _corrected(self, begin: Mapping[str, Plan], searches: Mapping[str, Search]) -> _Chosen:
        """The best of exact runs of these plans and of those that searches find which these runs correct."""
        plans, searches = dict(begin), dict(searches)
        failed: dict[str, dict[Plan, Search]] = {name: {} for name in self.names}
        found: list[tuple[float, float, _Chosen]] = []
        for _ in range(MOST_CORRECTIONS):
            results = self._runs(self._with(plans))
            exact = self._played(results)
            short, idle = 0.0, 0.0
            following = {}
            for name, search in searches.items():
                fit, weeks = search.fit(plans[name]), _weeks(exact[name], self.fitted)
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
            found.append((short, idle, _Chosen(dict(plans), dict(searches), results)))
            if following == plans or any(following == one.plans for _, _, one in found):
                break
            plans = following
        return min(found, key=lambda one: (one[0] if one[0] > 1e-9 else 0.0, one[1]))[2]

    def _search(self, table: LevelTables, name: str, target: float) -> Search:
        claims = table.claims.sum(axis=0)
        most = table.claims.sum(axis=0) - table.misses[:, table.most].sum(axis=0)
        reachable = float(lower_limit(Weeks(most, claims), CONFIDENCE)) - WITHIN_REACH
        goal = min(target + self.lost.get(name, 0.0), reachable)
        return Search(table, Aim(claims, goal, CONFIDENCE), self._least(name))

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

    def _within_wait(self, chosen: _Chosen, targets: Targets, most_s: float) -> tuple[_Chosen, Targets]:
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

    def _short_of_time(self, of: _Chosen, most_s: float) -> dict[str, float]:
        return {name: max(0.0, P95_TARGET - one.limit) for name, one in self._in_time(of, most_s).items()}

    def _in_time(self, of: _Chosen, most_s: float) -> dict[str, InTime]:
        """Who is served within so many seconds in the exact runs of these plans."""
        found = {}
        for name in self.names:
            parts = []
            for one in of.results:
                mine = one.claim_preset == one.presets.index(name)
                at, calendar = one.claimed_at[mine], self.calendar[name]
                served = at[one.ready_at[mine] - at <= most_s * SECOND_US]
                parts.append([calendar.counts(who, who).sum(axis=1) for who in (served, at)])
            served_by_week, asked = (np.concatenate(weeks).astype(np.float64) for weeks in zip(*parts, strict=True))
            weeks = Weeks(served_by_week[self.fitted], asked[self.fitted])
            limit = float(lower_limit(weeks, CONFIDENCE)) - self.lost[name]
            found[name] = InTime(most_s, float(rate(weeks)), max(0.0, limit))
        return found

    def _within_cost(self, chosen: _Chosen, targets: Targets, most: float, bound: list[str]) -> _Chosen:
        cost = _cost(self._outcomes(chosen.results))
        if cost <= most:
            return chosen
        low, high, within = 0.0, 1.0, None
        for _ in range(COST_STEPS):
            middle = (low + high) / 2
            one = self._chosen({name: middle * target for name, target in targets.items()})
            if _cost(self._outcomes(one.results)) <= most:
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

    # What is known of it

    def _slopes(self, plans: Mapping[str, Plan]) -> dict[str, float]:
        """d hit rate / d log volume of each preset."""
        rates = []
        for factor in (THINNED, THICKENED):
            other = self._played(self._runs(self._with(plans, scaled(self.scenario, factor))))
            rates.append({name: other[name].hit_rate for name in self.names})
        span = float(np.log(THICKENED / THINNED))
        return {name: (rates[1][name] - rates[0][name]) / span for name in self.names}

    def _of_builds(self) -> dict[str, float]:
        """The standard deviation of a quarter's hit rate that is chance of builds alone, while the pool lives.

        Of a demand that is drawn, replications hold people, too: there it is not known apart.
        """
        if self.replications > 1 or not isinstance(self.scenario.demand, History):
            return dict.fromkeys(self.names, float("nan"))
        many = [self._played([one]) for one in self.lucks]
        found = {}
        for name in self.names:
            i = self.lucks[0].presets.index(name)
            # A pool that the hard limit ends is told of by itself, and is no spread of weeks.
            lived = [one for one, luck in zip(many, self.lucks, strict=True) if _limited_at(luck, i) == NEVER]
            claims = many[0][name].claims.sum() / self.weeks
            found[name] = float("nan")
            if len(lived) > 1 and claims:
                hits = np.stack([_weeks(one[name], self.fitted).hits for one in lived])
                found[name] = float(np.sqrt(hits.var(axis=0, ddof=1).mean() / QUARTER) / claims)
        return found

    def _judged(
        self, chosen: _Chosen, targets: Targets, exact: Mapping[str, Played], before: Mapping[str, Played]
    ) -> dict[str, HeldOut]:
        """What weeks say that were not used: those held out, or the last ones, by a choice made without them."""
        weeks = self.held_out or min(QUARTER, self.weeks // 4)
        judging = self.ordinary & (np.arange(self.weeks) >= self.weeks - weeks)
        weeks = int(judging.sum())
        if not weeks:
            return {}
        plans, of = chosen.plans, exact
        if not self.held_out:
            plans = {}
            for name in self.names:
                search = self._search(self.tables[name].of_weeks(self.ordinary & ~judging), name, targets[name])
                plans[name] = _cheapest_worth_it(search, self.asked.max_schedules)
            of = self._played(self._runs(self._with(plans)))
        found = {}
        for name in self.names:
            mine, theirs = _weeks(of[name], judging), _weeks(before[name], judging)
            if mine.claims.sum():
                found[name] = HeldOut(
                    weeks=weeks,
                    plan=plans[name],
                    is_recommended=bool(self.held_out),
                    now_rate=float(rate(theirs)),
                    now_idle_hours=float(before[name].idle_us[judging].sum()) / HOUR_US / weeks,
                    rate=float(rate(mine)),
                    idle_hours=float(of[name].idle_us[judging].sum()) / HOUR_US / weeks,
                )
        return found

    def _settled(self, chosen: _Chosen) -> tuple[_Chosen, dict[str, tuple[Point, ...]]]:
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

    def _is_better(self, other: _Chosen, chosen: _Chosen) -> bool:
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

    def _keeps_limits(self, other: _Chosen, chosen: _Chosen) -> bool:
        """Is it no further from what was asked of wait and cost?"""
        most_s, most = self.asked.max_wait_p95_s, self.asked.max_cost_per_week
        if most_s is not None:
            short, before = (sum(self._short_of_time(one, most_s).values()) for one in (other, chosen))
            if short > before + 1e-9:
                return False
        if most is not None:
            cost, before = (_cost(self._outcomes(one.results)) for one in (other, chosen))
            return cost <= max(most, before)
        return True

    def _tried(self, of: _Chosen) -> dict[str, _Tried]:
        """What the exact runs of these plans say of each preset."""
        exact, outcomes, found = self._played(of.results), self._outcomes(of.results), {}
        for name, one in outcomes.items():
            limit = float(lower_limit(_weeks(exact[name], self.fitted), CONFIDENCE)) - self.lost[name]
            point = Point(of.plans[name], one.hit_rate, limit, one.idle_hours_per_week, one.cost_per_week)
            goal = of.searches[name].aim.hit_rate - self.lost[name]
            found[name] = _Tried(point, goal, float(exact[name].idle_us[self.fitted].sum()))
        return found

    def _fronts(self, chosen: _Chosen) -> dict[str, list[_Tried]]:
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

    def _fragile(self, chosen: _Chosen) -> dict[str, str]:
        """What would become of numbers below the hard limit if some builds failed, of which the scenario has none."""
        limit, works = (
            self.scenario.reconciler.failure_hard_limit,
            {n: self.scenario.workload_of(n) for n in self.names},
        )
        below = [
            name
            for name, work in works.items()
            if not work.failure_probability
            and not work.failing_builds
            and not work.failed_cleared_after_us
            and chosen.plans[name].levels.min() < limit
        ]
        if not below:
            return {}
        failing = tuple((name, replace(works[name], failure_probability=SOME_FAIL)) for name in below)
        others = tuple(one for one in self.scenario.workloads if one[0] not in below)
        given = replace(self._with(chosen.plans), workloads=(*others, *failing))
        runs = self._runs(given, LUCKS)
        ended, found = self._drowned(runs), {}
        for name in below:
            days = ended.get(name, [])
            text = (
                f"The scenario says that no build fails. If one in {round(1 / SOME_FAIL)} did, and nobody deleted "
                f"those, the hard limit would end these numbers in {len(days)} of {LUCKS} replications (tried)"
            )
            text += f", half of those after {float(np.median(days)):,.0f} days" if days else ""
            found[name] = f"{text}: it takes {limit} failed builds, and the plan wants fewer at times."
        return found

    def _drowned_today(self, before: Sequence[Counts]) -> dict[str, str]:
        """How often the hard limit ends today's numbers that are below it: why they are not kept, whatever they serve
        until then."""
        limits = {name: drowns_below(self.scenario, name) for name in self.names}
        below = [name for name, limit in limits.items() if self._least_wanted(name) < limit]
        if not below:
            return {}
        more = FAILING_LUCKS - len(before)
        lucks = [*before, *(self._runs(self.asked.scenario, more, len(before)) if more > 0 else ())]
        ended, found = self._drowned(lucks), {}
        for name in below:
            days = ended.get(name, [])
            found[name] = (
                f"Today's numbers go below {limits[name]}: the hard limit ends them in {len(days)} of {len(lucks)} "
                "replications of these weeks"
                + (f", half of those after {float(np.median(days)):,.0f} days." if days else ".")
            )
        return found

    def _least_wanted(self, name: str) -> int:
        """The least number that today's setting of a preset wants at any time."""
        preset = self.now[name]
        return min([preset.instances, *(schedule.instances for schedule in preset.schedules)])

    def _exceptions(self, chosen: _Chosen) -> dict[str, Exceptions]:
        if not self.asked.holidays:
            return {}
        advised, is_history = self._with(chosen.plans), isinstance(self.scenario.demand, History)
        presets = {}
        for name, plan in chosen.plans.items():
            quiet = quiet_number(
                self.tables[name],
                self.calendar[name],
                self.zone[name],
                self.asked.holidays if is_history else (),
                plan,
                self.asked.target,
                self._least(name),
            )
            preset = _preset(advised, name)
            presets[name] = Of(preset, plan, self.zone[name], quiet)
        return exceptions(advised, self.asked.holidays, presets, chosen.results, self._runs_without)

    def _with_more_daemons(self, plans: Mapping[str, Plan]) -> dict[str, Outcome]:
        """What the plans would have if no build ever waited for a daemon."""
        advised = self._with(plans)
        many = tuple(replace(one, count=MANY_DAEMONS) for one in advised.daemons)
        return self._outcomes(self._runs(replace(advised, provisioners=many), 1))

    def _bound(
        self, name: str, chosen: _Chosen, after: Outcome, limit: float, faster: Mapping[str, Outcome]
    ) -> tuple[str, ...]:
        found = []
        target, workload = self.asked.target, self.scenario.workload_of(name)
        lead = format_duration(round(lead_us(self.scenario, name) / 1e6) * 1_000_000)
        if limit < target - PRINTED:
            found.append(
                f"The target is missed by {100 * (target - limit):.1f} points: {after.hit_rate:.1%} on the weeks seen, "
                f"and the next quarter is not below {limit:.1%} with a confidence of {CONFIDENCE:.0%}."
            )
        gain = faster[name].hit_rate - after.hit_rate
        if gain > NOTICED_RATE:
            count = sum(one.count for one in self.scenario.daemons)
            found.append(
                f"{count} provisioner daemons bind: if no build waited for one, the same numbers would give "
                f"{faster[name].hit_rate:.1%}, {100 * gain:.1f} points more."
            )
        least = self._least(name)
        if least and chosen.plans[name].levels.min() <= least:
            found.append(
                f"Never fewer than {least}: of builds that fail, {workload.failure_probability:.1%} here, {least} "
                "stand as the newest sooner or later, and the hard limit then ends all building until somebody "
                "deletes them."
            )
        if name in self.drowned:
            found.append(
                "More instances did not keep the hard limit away: once people take all that are ready between two "
                "ticks, the newest that are left have failed, and nothing is built any more until somebody deletes "
                "them. `failures: {cleared_after: 1d}` in the scenario shows what an operator who does so changes."
            )
        elif drowns_below(self.scenario, name):
            many = len(self.lucks)
            found.append(
                f"The hard limit ended it in none of {many} replications of these weeks, which still allows "
                f"{share_interval(0, many).high:.0%} of many more."
            )
        expired = after.builds_per_week - after.claims_per_week * after.hit_rate
        ttl_us = _preset(self.scenario, name).ttl_us
        if ttl_us and expired > after.claims_per_week:
            found.append(
                f"The TTL of {format_duration(ttl_us)} binds: {expired:,.0f} of {after.builds_per_week:,.0f} builds a "
                "week are thrown away unclaimed."
            )
        found.append(f"A prebuild has to be wanted {lead} before it is needed (build, agent, a tick).")
        return tuple(found)

    def _bound_by_wait(self, name: str, in_time: InTime | None, target: float, after: Outcome) -> tuple[str, ...]:
        """How the wait that was asked for bound the answer."""
        if in_time is None:
            return ()
        if in_time.is_met:
            if target <= self.asked.target:
                return ()
            return (
                f"A wait of {in_time.within_s:,.0f} s at p95 takes a higher hit rate than was asked for: it aims at "
                f"{target:.1%}.",
            )
        text = (
            f"A wait of {in_time.within_s:,.0f} s at p95 is missed: {in_time.seen:.1%} are served in that time on the "
            f"weeks seen, and in the next quarter not below {in_time.limit:.1%}, where nineteen of twenty have to be."
        )
        workload = self.scenario.workload_of(name)
        own_s = (workload.claim.median_us + workload.reinitialize.median_us) / SECOND_US
        if own_s > in_time.within_s:
            text += f" To claim a prebuild takes {own_s:,.0f} s by itself, and no number of them shortens it."
        return (text,)

    def _queue(self, before: Sequence[Counts], chosen: _Chosen) -> Queue | None:
        """The hour of the day in which people's builds wait longest for a daemon; None if nobody notices."""
        zone = self.scenario.zone
        theirs, mine = queued(before, zone), queued(chosen.results, zone)
        hour = int(np.argmax(mine.wait_s))
        if mine.wait_s[hour] * 1e6 < NOTICED_US:
            return None
        mending = None
        if not self.scenario.is_tagged:
            enough = max(float(theirs.wait_s[hour]), NOTICED_US / 2e6)
            count = self.scenario.provisioner_daemons
            advised = self._with(chosen.plans)
            for daemons in dict.fromkeys((count + 1, count + 2, count * 3 // 2 + 1, count * 2, count * 3, count * 5)):
                more = replace(advised, provisioners=(), provisioner_daemons=daemons)
                if queued(self._runs(more, 1), zone).wait_s.max() <= enough:
                    mending = daemons
                    break
        return Queue(
            hour=hour,
            before_s=float(theirs.wait_s[hour]),
            after_s=float(mine.wait_s[hour]),
            building=float(mine.building[hour]),
            daemons=sum(one.count for one in self.scenario.daemons),
            mending_daemons=mending,
        )


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
class _Chosen:
    """Plans, the searches as exact runs corrected them, and the last exact runs."""

    plans: dict[str, Plan]
    searches: dict[str, Search]
    results: list[Counts]


def _cost(outcomes: Mapping[str, Outcome]) -> float:
    return sum(one.cost_per_week for one in outcomes.values())


def _cheapest_worth_it(search: Search, most_blocks: int) -> Plan:
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


def _weeks(of: Played, which: npt.NDArray[np.bool_]) -> Weeks:
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


def _limited_at(counts: Counts, preset: int) -> int:
    """Since when the hard limit keeps a preset from building for most of what is left of the window; NEVER if not."""
    since_at = int(counts.limited_at[preset])
    left_us = int(counts.edges[-1]) - since_at
    return since_at if since_at != NEVER and counts.limited_us[preset] > left_us // 2 else NEVER


def _preset(scenario: Scenario, name: str) -> Preset:
    return next(p for p in presets_of(scenario) if p.name == name)
