"""What a planner can move, and what it comes to: one preset's numbers, on one run of the counts that keep no rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.clock import HOUR_US, NEVER, SECOND_US, WEEK_US, Int64Array
from simkit.cron import CronError, runs, time_range
from simkit.decide.levels import Calendar
from simkit.decide.plan import EVERY_DAY, Block, Plan
from simkit.errors import Finding, InputError, Where, did_you_mean
from simkit.model import HOURS_PER_WEEK, Preset, Scenario, Schedule
from simkit.runs.counts import Counts, count
from simkit.runs.givens import givens
from simkit.shown import visible
from simkit.timeline import desired
from simkit.times import about, to_a_tenth


@dataclass(frozen=True)
class Setting:
    """One preset's numbers and what is around it. `blocks`: the schedules in their order; `kept`: those that are no
    hours of weekdays, which stay as they are. `build_us`: the median of its builds."""

    base: int
    blocks: tuple[Block, ...]
    kept: tuple[Schedule, ...]
    ttl_us: int
    daemons: int
    build_us: int

    @staticmethod
    def of(scenario: Scenario, preset: str) -> Setting:
        """As the scenario has it."""
        now = preset_of(scenario, preset)
        blocks = [(block_of(schedule), schedule) for schedule in now.schedules]
        return Setting(
            base=now.instances,
            blocks=tuple(block for block, _ in blocks if block is not None),
            kept=tuple(schedule for block, schedule in blocks if block is None),
            ttl_us=now.ttl_us,
            daemons=sum(group.count for group in scenario.daemons),
            build_us=scenario.workload_of(preset).build.median_us,
        )

    def preset(self, now: Preset, timezone: str) -> Preset:
        """The preset with these numbers."""
        planned = Plan(self.base, self.blocks).of(replace(now, ttl_us=self.ttl_us), timezone)
        if not self.kept:
            return planned
        return replace(planned, schedules=planned.schedules + self.kept, timezone=planned.timezone or now.timezone)

    def scenario(self, now: Scenario, preset: str) -> Scenario:
        """The scenario with these numbers; daemons of several groups are as many times as many."""
        before = Setting.of(now, preset)
        changed = now.with_presets(lambda p: self.preset(p, now.zone.name) if p.name == preset else p)
        if self.daemons != before.daemons:
            share = self.daemons / before.daemons
            groups = tuple(replace(group, count=max(1, round(group.count * share))) for group in now.daemons)
            changed = replace(changed, provisioners=groups)
        if self.build_us != before.build_us:
            workload = now.workload_of(preset)
            workload = replace(workload, build=workload.build.stretched(self.build_us / before.build_us))
            others = tuple((name, one) for name, one in now.workloads if name != preset)
            changed = replace(changed, workloads=(*others, (preset, workload)))
        return changed


@dataclass(frozen=True, eq=False)
class Totals:
    """What a setting comes to in one run, per week.

    `hit_rate` is NaN where nobody came; `wait_p95_s` (seconds) too, and where the p95 was not ready within the window.
    `pool_hours` and `cost` as billed: building, idle and deleting. `limited_us`: how long the hard limit held. `failed`
    builds of prebuilds, of which the quota ended `above_quota`. `queued`: the share of claims whose build waited for a
    daemon, `queued_s` seconds on average (NaN where none did).
    """

    claims: float
    hit_rate: float
    wait_p95_s: float
    idle_hours: float
    pool_hours: float
    cost: float
    builds: float
    limited_us: int
    failed: float
    above_quota: float
    queued: float
    queued_s: float


@dataclass(frozen=True, eq=False)
class Seen(Totals):
    """The same by hour of the local week, too: float64[168] each."""

    wanted: npt.NDArray[np.float64]
    ready: npt.NDArray[np.float64]
    served: npt.NDArray[np.float64]
    missed: npt.NDArray[np.float64]


class Measure(NamedTuple):
    """A number that settings are compared by, and how people read it; "" for NaN."""

    name: str
    of: Callable[[Totals], float]
    text: Callable[[float], str]


def measures_of(currency: str, has_cost: bool) -> tuple[Measure, ...]:
    """A week's; the pool's hours where nothing has a price."""

    def whole(number: float) -> str:
        return f"{number:,.0f}"

    cost = Measure(f"cost of the pool, {visible(currency)}", lambda t: t.cost, whole)
    hours = Measure("instance-hours of the pool", lambda t: t.pool_hours, whole)
    return (
        Measure("claims", lambda t: t.claims, to_a_tenth),
        Measure("hit rate", lambda t: t.hit_rate, lambda x: "" if np.isnan(x) else f"{x:.1%}"),
        Measure("wait p95", lambda t: t.wait_p95_s, lambda x: str(about(x))),
        Measure("idle instance-hours", lambda t: t.idle_hours, whole),
        Measure("builds of prebuilds", lambda t: t.builds, whole),
        cost if has_cost else hours,
    )


def preset_of(scenario: Scenario, name: str) -> Preset:
    """The preset of the version that is there at first."""
    return next(preset for version in scenario.versions for preset in version.presets if preset.name == name)


def chosen(scenario: Scenario, preset: str | None, seed: int) -> str:
    """The preset of this name, or that with most claims if none is named. Raises InputError."""
    names = list(dict.fromkeys(one.name for version in scenario.versions for one in version.presets))
    if preset is None:
        counted = count(givens(scenario, seed, 0))
        preset = counted.presets[int(counted.claims.sum(axis=1).argmax())]
    if preset not in names:
        text = f'there is no preset "{preset}"; {did_you_mean(preset, names)}'
        raise InputError([Finding("error", Where("preset"), text)])
    return preset


def block_of(schedule: Schedule) -> Block | None:
    """A schedule as hours of weekdays; None for what is more than that."""
    try:
        cron = time_range(schedule.cron)
    except CronError:
        return None
    spans = runs(cron.hours)
    every_month = cron.months.bit_count() == 12 and cron.days.bit_count() == 31
    if len(spans) != 1 or cron.minutes.bit_count() != 60 or not every_month:
        return None
    days = (cron.weekdays >> 1 | cron.weekdays << 6) & EVERY_DAY  # a cron's week begins on Sunday
    return Block(*spans[0], days, schedule.instances)


def see(scenario: Scenario, preset: str, seed: int) -> Seen:
    """One run of a scenario, counted for one preset."""
    calendar = _calendar(scenario, preset)
    counted = count(givens(scenario, seed, 0), calendar.edges)
    row = counted.presets.index(preset)
    lasted = np.maximum(_by_hour(calendar, np.diff(calendar.edges)), 1)
    claims, hits = counted.claims[row], counted.hits[row]
    return Seen(
        **vars(totals(scenario, preset, counted)),
        wanted=wanted_by_hour(scenario, preset),
        ready=_by_hour(calendar, counted.ready_us[row]) / lasted,
        served=_by_hour(calendar, hits) * HOUR_US / lasted,
        missed=_by_hour(calendar, claims - hits) * HOUR_US / lasted,
    )


def totals(scenario: Scenario, preset: str, counted: Counts) -> Totals:
    """A run's counts of one preset, over all of their periods, per week of the window."""
    row = counted.presets.index(preset)
    weeks = (scenario.end_at - scenario.start_at) / WEEK_US
    came, wait_us = int(counted.claims[row].sum()), int(counted.wait_quantiles_us[row, 1])
    pool_hours = counted.pool_us[row].sum() / HOUR_US / weeks
    queued_us = counted.queued_us[counted.claim_preset == row]
    queued = queued_us[queued_us > 0]
    taken = queued[queued != NEVER]
    return Totals(
        claims=came / weeks,
        hit_rate=counted.hits[row].sum() / came if came else float("nan"),
        wait_p95_s=float("nan") if wait_us == NEVER else wait_us / SECOND_US,
        idle_hours=counted.idle_us[row].sum() / HOUR_US / weeks,
        pool_hours=pool_hours,
        cost=pool_hours * scenario.workload_of(preset).cost_per_instance_hour,
        builds=counted.builds[row].sum() / weeks,
        limited_us=int(counted.limited_us[row]),
        failed=counted.failed_builds[row].sum() / weeks,
        above_quota=counted.above_quota[row].sum() / weeks,
        queued=len(queued) / came if came else 0.0,
        queued_s=float(taken.mean()) / SECOND_US if len(taken) else float("nan"),
    )


def wanted_by_hour(scenario: Scenario, preset: str) -> npt.NDArray[np.float64]:
    """How many are wanted by hour of the local week, means over the window: float64[168]."""
    calendar, window = _calendar(scenario, preset), (scenario.start_at, scenario.end_at)
    wanted = desired(preset_of(scenario, preset), scenario.behaviour, *window).value_at(calendar.edges[:-1])
    lasted = np.diff(calendar.edges)
    return _by_hour(calendar, wanted * lasted) / np.maximum(_by_hour(calendar, lasted), 1)


def _calendar(scenario: Scenario, preset: str) -> Calendar:
    return Calendar.of(scenario.zone_of(preset_of(scenario, preset)), scenario.start_at, scenario.end_at)


def _by_hour(calendar: Calendar, values: Int64Array) -> npt.NDArray[np.float64]:
    return np.bincount(calendar.hour, weights=values, minlength=HOURS_PER_WEEK).astype(np.float64)
