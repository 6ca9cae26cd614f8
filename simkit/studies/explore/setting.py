"""What a planner can move, and what it comes to: one preset's numbers, on one run of the counts that keep no rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.clock import HOUR_US, NEVER, SECOND_US, WEEK_US, Int64Array
from simkit.cron import CronError, runs, time_range
from simkit.decide.levels import Calendar
from simkit.decide.plan import EVERY_DAY, Block, Plan
from simkit.model import HOURS_PER_WEEK, Preset, Scenario, Schedule
from simkit.runs.counts import count
from simkit.runs.givens import givens
from simkit.timeline import desired


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


class Seen(NamedTuple):
    """What a setting comes to in one run: per week, and by hour of the local week, float64[168] each.

    `hit_rate` and `wait_p95_s` (seconds) are NaN where nobody came; `limited_us`: how long the hard limit held.
    """

    claims: float
    hit_rate: float
    wait_p95_s: float
    idle_hours: float
    cost: float
    builds: float
    limited_us: int
    wanted: npt.NDArray[np.float64]
    ready: npt.NDArray[np.float64]
    served: npt.NDArray[np.float64]
    missed: npt.NDArray[np.float64]


def preset_of(scenario: Scenario, name: str) -> Preset:
    """The preset of the version that is there at first."""
    return next(preset for version in scenario.versions for preset in version.presets if preset.name == name)


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
    calendar = Calendar.of(scenario.zone_of(preset_of(scenario, preset)), scenario.start_at, scenario.end_at)
    counted = count(givens(scenario, seed, 0), calendar.edges)
    row = counted.presets.index(preset)
    weeks = (scenario.end_at - scenario.start_at) / WEEK_US
    lasted = _by_hour(calendar, np.diff(calendar.edges))
    claims, hits = counted.claims[row], counted.hits[row]
    wanted = desired(preset_of(scenario, preset), scenario.behaviour, scenario.start_at, scenario.end_at).value_at(
        calendar.edges[:-1]
    )
    came, wait_us = int(claims.sum()), int(counted.wait_quantiles_us[row, 1])
    hours = counted.idle_us[row].sum() / HOUR_US / weeks
    return Seen(
        claims=came / weeks,
        hit_rate=hits.sum() / came if came else float("nan"),
        wait_p95_s=float("nan") if wait_us == NEVER else wait_us / SECOND_US,
        idle_hours=hours,
        cost=counted.pool_us[row].sum() / HOUR_US / weeks * scenario.workload_of(preset).cost_per_instance_hour,
        builds=counted.builds[row].sum() / weeks,
        limited_us=int(counted.limited_us[row]),
        wanted=_by_hour(calendar, wanted * np.diff(calendar.edges)) / np.maximum(lasted, 1),
        ready=_by_hour(calendar, counted.ready_us[row]) / np.maximum(lasted, 1),
        served=_by_hour(calendar, hits) * HOUR_US / np.maximum(lasted, 1),
        missed=_by_hour(calendar, claims - hits) * HOUR_US / np.maximum(lasted, 1),
    )


def _by_hour(calendar: Calendar, values: Int64Array) -> npt.NDArray[np.float64]:
    return np.bincount(calendar.hour, weights=values, minlength=HOURS_PER_WEEK).astype(np.float64)
