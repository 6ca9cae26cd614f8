"""Does `recommend` keep what it promises? A demand that happened: half of it to choose by, the other half to judge."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.clocks import line
from benchmarks.forecast import made
from simkit import recommend
from simkit.clock import HOUR_US, MINUTE_US, WEEK_US, Int64Array, Zone, zone
from simkit.decide.asked import Asked
from simkit.decide.choice import Choice, Targets
from simkit.decide.levels import LevelTables, level_tables
from simkit.decide.plan import Plan
from simkit.decide.recommendation import Advice, Outcome
from simkit.decide.search import Aim, Search
from simkit.decide.work import workers
from simkit.errors import Findings
from simkit.inputs.history import read_history
from simkit.model import History, Preset, Scenario, TemplateVersion, Workload, lognormal
from simkit.runs.counts import count
from simkit.runs.givens import givens

BUILDS_MINUTES = 5, 20
TARGETS = 0.9, 0.95, 0.99
MOST_SCHEDULES = 3
NAME = "all"
FITTED, AHEAD, EVERY = 26, 13, 9
"""Weeks: asked again every 9 weeks with the last 26, judged by the next 13."""
NEAR = 0.001
"""A year's target is met within a tenth of a point; quarters are counted exactly."""


def promises() -> None:
    """The demand that `demanded` is, with SIMKIT_DAEMONS.

    Builds of 5 and 20 minutes, a TTL of 8 hours, targets of 90, 95 and 99 %. Takes minutes, and runs only by its name.
    """
    of = demanded()
    line("weeks of the demand", f"{of.weeks}", f"{of.history.claim_at.size:,} claims")
    _halves(of, of.weeks // 2)
    _rolling(of)


class Demand(NamedTuple):
    """Claims, and their whole weeks from the first Monday on by these clocks."""

    history: History
    zone: Zone
    monday: datetime
    weeks: int


def demanded() -> Demand:
    """The demand in the file that SIMKIT_DEMAND names, in SIMKIT_TIMEZONE, or a made one."""
    given, where = os.environ.get("SIMKIT_DEMAND"), zone(os.environ.get("SIMKIT_TIMEZONE", "UTC"))
    assert where is not None, "SIMKIT_TIMEZONE is a time zone"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(given) if given else made(Path(folder))
        findings = Findings()
        history = read_history(path, where, NAME, (NAME,), findings)
        findings.raise_errors()
    return demand(history.claim_at, where)


def demand(claim_at: Int64Array, where: Zone) -> Demand:
    """Whole weeks; the last one may end with its last claim, on Friday."""
    first, last = (where.local(int(at)).date() for at in claim_at[[0, -1]])
    monday = datetime.combine(first + timedelta(days=-first.weekday() % 7), time())
    history = History(claim_at, (NAME,) * claim_at.size)
    return Demand(history, where, monday, ((last - monday.date()).days + 3) // 7)


def first_year() -> Scenario:
    """The first half of that demand, with builds of the first kind."""
    of = demanded()
    return scenario(of, BUILDS_MINUTES[0], 0, of.weeks // 2)


def scenario(of: Demand, build: int, first: int, weeks: int) -> Scenario:
    """So many weeks of it, from week `first` on."""
    preset = Preset(NAME, 1, ttl_us=8 * HOUR_US, timezone=of.zone.name)
    workload = Workload(lognormal(build * MINUTE_US, build * MINUTE_US * 3 // 2), cost_per_instance_hour=0.4)
    return Scenario(
        name=f"builds of {build} min",
        start_at=of.zone.at(of.monday + timedelta(weeks=first)),
        end_at=of.zone.at(of.monday + timedelta(weeks=first + weeks)),
        versions=(TemplateVersion("t", "v1", (preset,)),),
        demand=of.history,
        workload=workload,
        provisioner_daemons=int(os.environ.get("SIMKIT_DAEMONS", "10")),
        zone=of.zone,
    )


def played(of: Scenario, plan: Plan) -> tuple[float, float]:
    """(hit rate, idle hours a week)."""
    found = count(givens(of.with_presets(lambda preset: plan.of(preset, of.zone.name)), 0, 0))
    hours = float(found.idle_us.sum()) / HOUR_US
    return float(found.hits.sum() / found.claims.sum()), hours / ((of.end_at - of.start_at) / WEEK_US)


class _Hindsight(Choice):
    """Chooses by the very weeks that judge, and aims at the target itself."""

    def _search(self, table: LevelTables, name: str, target: float) -> Search:
        return Search(table, Aim(table.claims.sum(axis=0), target), self._least(name))

    def _measure_margins(self, plans: Mapping[str, Plan], searches: Mapping[str, Search], targets: Targets) -> None:
        self.lost = self.of_volume = dict.fromkeys(plans, 0.0)

    def best(self) -> Outcome:
        self.tables, _ = level_tables(self.scenario, self.calendar, 0, self.replications, self.executor)
        return self._outcomes(self._chosen({NAME: self.asked.target}).results)[NAME]


def best_in_hindsight(of: Scenario, target: float, schedules: int) -> float:
    """The least idle hours a week found with so many schedules at most."""
    found = []
    with workers(None) as executor:
        for many in range(schedules + 1):
            outcome = _Hindsight(Asked(of, target, None, None, many, None, None, 0), None, executor).best()
            if outcome.hit_rate >= target:
                found.append(outcome.idle_hours_per_week)
    return min(found, default=float("nan"))


def advised(of: Scenario, target: float) -> Advice:
    (advice,) = recommend(of, target, max_schedules=MOST_SCHEDULES).presets
    return advice


def _halves(of: Demand, weeks: int) -> None:
    met, times = 0, []
    for build in BUILDS_MINUTES:
        first, second = scenario(of, build, 0, weeks), scenario(of, build, weeks, weeks)
        for target in TARGETS:
            advice = advised(first, target)
            hit_rate, idle = played(second, advice.plan)
            times.append(idle / best_in_hindsight(second, target, len(advice.plan.blocks)))
            met += hit_rate >= target - NEAR
            note = f"aim {target:.1%} within .1; {idle:,.0f} idle hours, {times[-1]:.3f} x hindsight, aim 1.05"
            line(f"{weeks} weeks ahead, {build} min, {target:.0%}", f"{hit_rate:.2%}", note)
    line("targets met", f"{met} of {len(times)}", f"aim {len(times)} of {len(times)}")
    line("idle time, x the best as many schedules in hindsight", f"{np.mean(times):.3f}", "mean; aim 1.05 of each")


def _rolling(of: Demand) -> None:
    rows = []
    for build in BUILDS_MINUTES:
        for origin in range(0, of.weeks - FITTED - AHEAD + 1, EVERY):
            seen, ahead = scenario(of, build, origin, FITTED), scenario(of, build, origin + FITTED, AHEAD)
            for target in TARGETS:
                advice = advised(seen, target)
                hit_rate, idle = played(ahead, advice.plan)
                interval = advice.outlook.interval
                rows.append(
                    {
                        "met": hit_rate >= target,
                        "held": hit_rate >= advice.limit,
                        "short": max(0.0, target - hit_rate),
                        "covered": interval.low <= hit_rate <= interval.high,
                        "width": interval.high - interval.low,
                        "times": idle / best_in_hindsight(ahead, target, MOST_SCHEDULES),
                    }
                )
    mean: Mapping[str, float] = {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}
    line("quarters in which the target was met", f"{mean['met']:.1%}", f"aim 83 %; {len(rows)} of {FITTED} weeks each")
    line("and what they should not be below", f"{mean['held']:.1%}", "promised 80 %")
    line("mean shortfall of all, in points", f"{100 * mean['short']:.2f}", "aim 0.10")
    note = f"aim 1.15; {MOST_SCHEDULES} schedules at most"
    line("idle time, x the best schedules in hindsight", f"{mean['times']:.3f}", note)
    line("quarters in the interval of 95 %", f"{mean['covered']:.1%}", "aim 93 %")
    line("its mean width", f"{mean['width']:.3f}", "aim 0.08")
