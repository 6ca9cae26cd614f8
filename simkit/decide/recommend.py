"""What to set, and what is known of it: the choice, and what else exact runs say of what was chosen."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from simkit.arguments import a_number, a_scenario, a_text, a_whole_number, takes
from simkit.clock import HOUR_US, NEVER, format_duration
from simkit.decide.asked import Asked, drowns_below
from simkit.decide.bounds import ladder
from simkit.decide.choice import (
    FAILING_LUCKS,
    LUCKS,
    Choice,
    Chosen,
    Targets,
    cheapest_worth_it,
    cost_of,
    limited_from,
    preset_named,
    slopes_of,
    weeks_of,
)
from simkit.decide.holidays import Exceptions, Of, Span, exceptions, quiet_number, without
from simkit.decide.levels import (
    Played,
    lead_us,
    level_tables,
)
from simkit.decide.margins import QUARTER, outlook, rate
from simkit.decide.plan import Plan
from simkit.decide.quota import quota_said
from simkit.decide.reasons import queued, why
from simkit.decide.recommendation import (
    CONFIDENCE,
    NOTICED_US,
    PRINTED,
    Advice,
    HeldOut,
    InTime,
    Outcome,
    Queue,
    Recommendation,
)
from simkit.decide.work import workers
from simkit.estimates import share_interval
from simkit.model import Daemons, History, Holiday, Scenario
from simkit.runs.counts import Counts, count
from simkit.runs.givens import givens

AS_A_RULE = 30
"""Runs of each replication that it takes to know what to set."""
SOME_FAIL = 0.01
"""Of builds: what is tried where a scenario has no failures."""
MANY_DAEMONS = 1000
NOTICED_RATE = 0.002


@takes(
    scenario=a_scenario,
    target_hit_rate=a_number,
    max_wait_p95_s=a_number,
    max_cost_per_week=a_number,
    max_schedules=a_whole_number,
    preset=a_text,
    seed=a_whole_number,
)
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
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Recommendation:
    """The cheapest base and schedules of each preset that is asked for (or of the one named) that meet the target.

    `holdout_weeks`: so many weeks at the end are left out of the choice and judge it; None chooses by all weeks and has
    the same way of choosing judged. `ttls_us`: lifetimes of prebuilds that may be chosen, 0 is none, beside
    the preset's own. `holidays`: days on which people do not come. A history's weeks with one are left out of the
    choice; for those in the window and after it there are the two edits around them. `executor`: where runs are
    computed, threads if it is left out; the numbers are the same. `told` is called with how many runs are done, and how
    many it takes as a rule. Raises InputError with every problem: a target that nobody can mean, limits that contradict
    each other, no demand or less than four weeks of it, a preset that is not there.

    >>> scenario = simkit.load("data/scenarios/three-regions.yaml")
    >>> found = simkit.recommend(scenario, 0.9, preset="backend-us", max_schedules=1)
    >>> found.is_met, len(found.presets)
    (True, 1)
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
        ttls = (None, *dict.fromkeys(ttls_us))
        done = itertools.count(1)

        def one_more() -> None:
            many = next(done)
            told(many, max(many + 1, AS_A_RULE * sum(one.replications for one in known)))

        known = [Known(asked, ttl_us, given, one_more) for ttl_us in ttls]
        chosen = [one.recommendation() for one in known]
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
        short = "" if one.is_met else " (misses what was asked for)"
        rows.append(f"{format_duration(ttl_us) if ttl_us else 'no TTL'} {hours:,.0f}{short}")
    return f"TTLs tried, with the pools' instance-hours a week: {', '.join(rows)}."


class Known(Choice):
    """A choice, and what is known of what was chosen."""

    def _runs_without(self, scenario: Scenario, spans: Sequence[Span]) -> list[Counts]:
        """Runs to which nobody comes in these spans."""
        if not spans:
            return self._runs(scenario)
        self.runs += self.replications
        found = []
        for r in range(self.replications):
            found.append(count(without(givens(scenario, self.asked.seed, r), spans), self.edges))
            self.told()
        return found

    def recommendation(self) -> Recommendation:
        self.tables, runs = level_tables(
            self.scenario, self.calendar, self.asked.seed, self.replications, self.executor, self.told
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
        slopes = slopes_of([self._hit_rates(one) for one in self._by_volume(chosen.plans)])
        builds = self._of_builds()
        fragile, of_today = self._fragile(chosen), self._drowned_today(before_results)
        in_time = {} if most_s is None else self._in_time(chosen, most_s)
        held_out = self._judged(chosen, targets, exact, exact_before)
        exceptions = self._exceptions(chosen)
        advised = self._with(chosen.plans)
        faster = self._with_more_daemons(chosen.plans)
        presets = []
        for name in self.names:
            seen = weeks_of(exact[name], self.fitted)
            limit = self._limit(seen, name)
            presets.append(
                Advice(
                    now=self.now[name],
                    preset=preset_named(advised, name),
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
                    ladder=ladder(
                        chosen.searches[name],
                        chosen.plans[name],
                        self.asked.target,
                        self.asked.max_schedules,
                        self.scenario.reconciler.interval_us,
                    ),
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
            over_cost=0.0 if most_cost is None else max(0.0, cost_of(after) - most_cost),
            notes=(quota_said(advised, chosen.results, all(one.is_met for one in presets)),),
            left_out_weeks=int((~self.ordinary).sum()),
        )

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
            lived = [one for one, luck in zip(many, self.lucks, strict=True) if limited_from(luck, i) == NEVER]
            claims = many[0][name].claims.sum() / self.weeks
            found[name] = float("nan")
            if len(lived) > 1 and claims:
                hits = np.stack([weeks_of(one[name], self.fitted).hits for one in lived])
                found[name] = float(np.sqrt(hits.var(axis=0, ddof=1).mean() / QUARTER) / claims)
        return found

    def _judged(
        self, chosen: Chosen, targets: Targets, exact: Mapping[str, Played], before: Mapping[str, Played]
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
                plans[name] = cheapest_worth_it(search, self.asked.max_schedules)
            of = self._played(self._runs(self._with(plans)))
        found = {}
        for name in self.names:
            mine, theirs = weeks_of(of[name], judging), weeks_of(before[name], judging)
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

    def _fragile(self, chosen: Chosen) -> dict[str, str]:
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

    def _exceptions(self, chosen: Chosen) -> dict[str, Exceptions]:
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
            preset = preset_named(advised, name)
            presets[name] = Of(preset, plan, self.zone[name], quiet)
        return exceptions(advised, self.asked.holidays, presets, chosen.results, self._runs_without)

    def _with_more_daemons(self, plans: Mapping[str, Plan]) -> dict[str, Outcome]:
        """What the plans would have if no build ever waited for a daemon."""
        advised = self._with(plans)
        many = tuple(replace(one, count=MANY_DAEMONS) for one in advised.daemons)
        return self._outcomes(self._runs(replace(advised, provisioners=many), 1))

    def _bound(
        self, name: str, chosen: Chosen, after: Outcome, limit: float, faster: Mapping[str, Outcome]
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
        ttl_us = preset_named(self.scenario, name).ttl_us
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
        return (text,)

    def _queue(self, before: Sequence[Counts], chosen: Chosen) -> Queue | None:
        """The hour of the day in which people's builds wait longest for a daemon; None if nobody notices."""
        zone = self.scenario.zone
        theirs, mine = queued(before, zone), queued(chosen.results, zone)
        hour = int(np.argmax(mine.wait_s))
        if mine.wait_s[hour] * 1e6 < NOTICED_US:
            return None
        mending = own_s = None
        if not self.scenario.is_tagged:
            count = self.scenario.provisioner_daemons
            advised = self._with(chosen.plans)
            mine_apart = (("of", "prebuilds"),)
            apart = replace(
                advised,
                provisioners=(Daemons(count), Daemons(MANY_DAEMONS, mine_apart)),
                prebuild_tags=mine_apart,
            )
            own_s = float(queued(self._runs(apart, 1), zone).wait_s[hour])
            for daemons in dict.fromkeys((count + 1, count + 2, *(-(-count * n // 2) for n in (3, 4, 6, 10, 20)))):
                more = replace(advised, provisioners=(), provisioner_daemons=daemons)
                if queued(self._runs(more, 1), zone).wait_s.max() * 1e6 < NOTICED_US:
                    mending = daemons
                    break
        return Queue(
            hour=hour,
            before_s=float(theirs.wait_s[hour]),
            after_s=float(mine.wait_s[hour]),
            own_s=own_s,
            builds=float(mine.builds[hour]),
            daemons=sum(one.count for one in self.scenario.daemons),
            mending_daemons=mending,
        )
