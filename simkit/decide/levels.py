"""What constant numbers of instances do: tables by week and hour of the week, of which any schedule is a sum.

The exact kernel plays every constant number once. A miss is booked where it could have been prevented: one lead time
(build, agent, a tick) before somebody came. A schedule's hits and idle hours are then sums over its hours; how far that
is from the kernel depends on how often the number changes, and whoever uses it corrects it by exact runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.clock import HOUR_US, NEVER, WEEK_US, Int64Array, Zone
from simkit.decide.work import in_order
from simkit.model import HOURS_PER_WEEK, Scenario
from simkit.runs.counts import Counts, count
from simkit.runs.givens import givens
from simkit.timeline import local_hours

Float64Array = npt.NDArray[np.float64]

LEVELS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 29, 35, 42, 50, 60, 72, 86, 100, 120, 144, 173, 208, 250)
"""Played in this order until more serves nobody; what lies between two is drawn as a line between them."""
NO_GAIN = 0.0005
"""As a share of the claims: a number that serves so few more is the last that is played."""


@dataclass(frozen=True)
class Calendar:
    """A window's whole weeks of seven local days, from its first hour on, and its local hours.

    `edges`: int64[h + 1], instants at which the hours begin, and the last one's end; `week`: of each hour, -1 outside
    of the whole weeks; `hour`: of the week, from Monday 00:00; `begins`: int64[weeks + 1], the weeks', and the last
    one's end.
    """

    edges: Int64Array
    week: Int64Array
    hour: Int64Array
    begins: Int64Array

    @property
    def weeks(self) -> int:
        return len(self.begins) - 1

    @staticmethod
    def of(zone: Zone, start_at: int, end_at: int) -> Calendar:
        hours = local_hours(zone, start_at, end_at - 1)
        wall = hours.wall // HOUR_US * HOUR_US
        # Clocks that go back within the window take an hour or two of its last week, which is one all the same.
        weeks = max(0, (int(wall[-1]) + HOUR_US - int(wall[0]) + 2 * HOUR_US) // WEEK_US)
        week = (wall - wall[0]) // WEEK_US
        week[week >= weeks] = -1
        edges = np.append(hours.at, end_at)
        begins = [int(edges[np.argmax(week == w)]) for w in range(weeks)]
        begins.append(int(edges[1 + np.flatnonzero(week >= 0)[-1]]) if weeks else start_at)
        return Calendar(edges, week, (wall // HOUR_US + 72) % HOURS_PER_WEEK, np.array(begins, dtype=np.int64))

    def first(self, weeks: int) -> Calendar:
        """The same with the first weeks alone."""
        week = np.where(self.week < weeks, self.week, -1)
        return Calendar(self.edges, week, self.hour, self.begins[: weeks + 1])

    def counts(self, at: Int64Array, booked_at: Int64Array) -> Int64Array:
        """How many instants lie in each week, by the hour of the week in which they are booked: int64[weeks, 168]."""
        week, hour = self.week[self._hour_of(at)], self.hour[self._hour_of(booked_at)]
        cell = (week * HOURS_PER_WEEK + hour)[week >= 0]
        return np.bincount(cell, minlength=self.weeks * HOURS_PER_WEEK).reshape(self.weeks, HOURS_PER_WEEK)

    def sums(self, at: Int64Array, us: Int64Array) -> Int64Array:
        """Numbers from instants on, none for longer than an hour, by week and hour of the week: int64[weeks, 168]."""
        of = self._hour_of(at)
        inside = self.week[of] >= 0
        found = np.zeros((self.weeks, HOURS_PER_WEEK), dtype=np.int64)
        np.add.at(found, (self.week[of][inside], self.hour[of][inside]), us[inside])
        return found

    def _hour_of(self, at: Int64Array) -> Int64Array:
        return np.clip(np.searchsorted(self.edges, at, side="right") - 1, 0, len(self.week) - 1)


@dataclass(frozen=True)
class Played:
    """What one preset had in a run, by week of its calendar and hour of the week: int64[weeks, 168] each.

    Claims and misses stand where they could have been prevented, a lead time before; in the week in which they came.
    """

    claims: Int64Array
    misses: Int64Array
    idle_us: Int64Array


def lead_us(scenario: Scenario, preset: str) -> int:
    """How long before a claim a prebuild for it has to be wanted: build and agent by their medians, and a tick."""
    workload = scenario.workload_of(preset)
    return workload.build.median_us + workload.agent.median_us + scenario.reconciler.interval_us


def edges_of(calendars: Iterable[Calendar]) -> Int64Array:
    """Every instant at which an hour of one of the calendars begins, and the last end."""
    return np.unique(np.concatenate([calendar.edges for calendar in calendars]))


def played(scenario: Scenario, counts: Counts, calendars: Mapping[str, Calendar]) -> dict[str, Played]:
    """What each preset with a calendar had in one run, that was counted between `edges_of(calendars)`."""
    found = {}
    for name, calendar in calendars.items():
        i = counts.presets.index(name)
        mine = counts.claim_preset == i
        lead, at = lead_us(scenario, name), counts.claimed_at[mine]
        missed_at = counts.claimed_at[mine & ~counts.hit]
        found[name] = Played(
            claims=calendar.counts(at, at - lead),
            misses=calendar.counts(missed_at, missed_at - lead),
            idle_us=calendar.sums(counts.edges[:-1], counts.idle_us[i]),
        )
    return found


def joined(parts: Sequence[Played]) -> Played:
    """The weeks of several replications, one after the other."""
    return Played(
        *(np.concatenate(columns) for columns in zip(*((p.claims, p.misses, p.idle_us) for p in parts), strict=True))
    )


@dataclass(frozen=True)
class LevelTables:
    """What constant numbers from 0 to `most` did for one preset, hour of the week by hour of the week.

    `claims`: float64[168, w]; `misses` and `idle_hours`: float64[168, most + 1, w], w the weeks of all replications.
    """

    claims: Float64Array
    misses: Float64Array
    idle_hours: Float64Array

    @property
    def most(self) -> int:
        return self.misses.shape[1] - 1

    def of_weeks(self, weeks: npt.NDArray[np.bool_]) -> LevelTables:
        """The same of some of the weeks."""
        return LevelTables(self.claims[:, weeks], self.misses[:, :, weeks], self.idle_hours[:, :, weeks])

    def at_most(self, number: int) -> LevelTables:
        """The same without what is more than a number."""
        return LevelTables(self.claims, self.misses[:, : number + 1], self.idle_hours[:, : number + 1])


class Run(NamedTuple):
    """A run to count between edges."""

    scenario: Scenario
    seed: int
    replication: int
    edges: Int64Array


def counted(of: Run) -> Counts:
    return count(givens(of.scenario, of.seed, of.replication), of.edges)


def level_tables(
    scenario: Scenario,
    calendars: Mapping[str, Calendar],
    seed: int,
    replications: int,
    executor: Executor,
    told: Callable[[], None] = lambda: None,
) -> tuple[dict[str, LevelTables], int]:
    """(tables of each preset with a calendar, how many runs that took). `told` is called after each.

    All presets have the same number in a run. Without a hard limit: a constant run would drown in it where a schedule
    that is above it for some hours does not; what the limit does is seen in exact runs. So is what presets do to each
    other by a quota; what it does not hold of one alone is in no table.
    """
    free = replace(scenario, prebuilds_quota=None, reconciler=replace(scenario.reconciler, failure_hard_limit=0))
    found: dict[str, list[Played]] = {name: [] for name in calendars}
    tried: list[int] = []
    edges = edges_of(calendars.values())
    constants = (_constant(free, calendars, level) for level in LEVELS)
    tasks = (Run(constant, seed, r, edges) for constant in constants for r in range(replications))
    results = in_order(executor, counted, tasks, os.cpu_count() or 1)
    for level in LEVELS:
        runs = []
        for one in islice(results, replications):
            runs.append(played(scenario, one, calendars))
            told()
        for name, levels in found.items():
            levels.append(joined([one[name] for one in runs]))
        tried.append(level)
        if len(tried) > 2 and all(_is_enough(levels) for levels in found.values()):
            break
    results.close()
    held = {name: _tables(tried, levels).at_most(_held(scenario, name)) for name, levels in found.items()}
    return held, len(tried) * replications


def _held(scenario: Scenario, preset: str) -> int:
    """How many prebuilds of a preset the quota holds, if there are no others."""
    cost, quota = scenario.workload_of(preset).daily_cost, scenario.prebuilds_quota
    return NEVER if quota is None or cost == 0 else quota // cost


def _constant(scenario: Scenario, names: Container[str], level: int) -> Scenario:
    """The scenario with one number, and no schedule, for each preset of these names."""
    return scenario.with_presets(lambda p: replace(p, instances=level, schedules=()) if p.name in names else p)


def _is_enough(levels: Sequence[Played]) -> bool:
    """Does the last number serve hardly more than the one before?"""
    claims = levels[0].claims.sum()
    return bool(levels[-2].misses.sum() - levels[-1].misses.sum() <= NO_GAIN * claims)


def _tables(tried: Sequence[int], levels: Sequence[Played]) -> LevelTables:
    every = np.arange(tried[-1] + 1)
    above = np.clip(np.searchsorted(tried, every), 1, len(tried) - 1)
    low, high = np.array(tried)[above - 1], np.array(tried)[above]
    share = ((every - low) / (high - low))[:, None, None]

    def between(tables: Sequence[Int64Array]) -> Float64Array:
        stack = np.stack(tables).astype(np.float64)
        return (stack[above - 1] * (1 - share) + stack[above] * share).transpose(2, 0, 1)

    return LevelTables(
        claims=levels[0].claims.T.astype(np.float64),
        misses=between([p.misses for p in levels]),
        idle_hours=between([p.idle_us for p in levels]) / HOUR_US,
    )
