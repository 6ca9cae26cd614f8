"""Schedules and a window become a step function of desired instances, the same as asking in every minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from simkit.clock import DAY_US, HOUR_US, SECOND_US, WEEK_US, Int64Array, Zone
from simkit.coder_versions import Behaviour
from simkit.cron import Cron, provider_cron
from simkit.model import Preset

BASE = -1
"""In place of a schedule's position: no schedule holds, the preset's base number is used."""


@dataclass(frozen=True)
class Steps:
    """A step function over [start_at, end_at]: value[i] holds from at[i] on. at[0] is start_at, at increases."""

    at: Int64Array
    value: Int64Array
    end_at: int

    def __post_init__(self) -> None:
        assert self.at.size == self.value.size > 0, "a timeline covers its whole window"

    def value_at(self, at: int | Int64Array) -> Int64Array:
        """The value at one or many instants of the window."""
        index = np.searchsorted(self.at, np.asarray(at), side="right") - 1
        return self.value[index]

    def spans(self) -> list[tuple[int, int, int]]:
        """(from, until, value) of each step, in order of time."""
        ends = [*self.at[1:].tolist(), self.end_at]
        return [(a, b, v) for a, b, v in zip(self.at.tolist(), ends, self.value.tolist(), strict=True)]

    def map(self, values: Sequence[int]) -> Steps:
        """Each value v becomes values[v] (BASE: the last one); equal neighbours become one step."""
        return steps_of(self.at, np.array(values, dtype=np.int64)[self.value], self.end_at)


def steps_of(at: Int64Array, value: Int64Array, end_at: int) -> Steps:
    """Values from instants on, as a step function: equal neighbours become one step."""
    changed = np.ones(at.size, dtype=bool)
    changed[1:] = value[1:] != value[:-1]
    return Steps(at[changed], value[changed], end_at)


@dataclass(frozen=True)
class LocalHours:
    """Every local hour of a window: when it begins (cut at offset changes), what the wall clock shows then, in
    microseconds since its 1970-01-01 00:00, and its calendar fields."""

    at: Int64Array
    wall: Int64Array
    hour: Int64Array
    day: Int64Array
    month: Int64Array
    weekday: Int64Array

    def hold(self, cron: Cron) -> npt.NDArray[np.bool_]:
        """In which of the hours the range holds."""
        days = (cron.days >> self.day) & 1 == 1
        weekdays = (cron.weekdays >> self.weekday) & 1 == 1
        by_day = days & weekdays if cron.both_days else days | weekdays
        return ((cron.hours >> self.hour) & 1 == 1) & ((cron.months >> self.month) & 1 == 1) & by_day


@lru_cache(maxsize=64)
def whole_weeks(zone: Zone, start_at: int, end_at: int) -> Int64Array:
    """Where the weeks that lie whole in [start_at, end_at] begin, Monday 00:00 in the zone, and the last one's end.

    int64[w + 1]; empty if there is no whole week.
    """
    first = zone.local(start_at).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    first -= timedelta(days=first.weekday())
    count = (end_at - start_at) // WEEK_US + 3
    mondays = np.array([zone.at(first + timedelta(weeks=i)) for i in range(count)], dtype=np.int64)
    inside = mondays[(mondays >= start_at) & (mondays <= end_at)]
    edges = inside if inside.size > 1 else inside[:0]
    edges.flags.writeable = False  # everybody gets the same one
    return edges


@lru_cache(maxsize=16)
def local_hours(zone: Zone, start_at: int, end_at: int) -> LocalHours:
    """The local hours that begin or go on in [start_at, end_at]; whoever asks for the same ones shares them."""
    from_at, offset_us = zone.offsets(start_at, end_at + 1)
    at_parts, wall_parts = [], []
    for (begin, end), offset in zip(pairwise([*from_at.tolist(), end_at + 1]), offset_us.tolist(), strict=True):
        first = (begin + offset) // HOUR_US * HOUR_US
        wall = np.arange(first, end + offset, HOUR_US, dtype=np.int64)
        at_parts.append(np.maximum(wall - offset, begin))
        wall_parts.append(wall)
    at, wall = np.concatenate(at_parts), np.concatenate(wall_parts)
    dates = (wall // DAY_US).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    hours = LocalHours(
        at=at,
        wall=at + np.repeat(offset_us, [part.size for part in at_parts]),
        hour=wall % DAY_US // HOUR_US,
        day=(dates - months).astype(np.int64) + 1,
        month=months.astype(np.int64) % 12 + 1,
        weekday=(wall // DAY_US + 4) % 7,
    )
    for column in (hours.at, hours.wall, hours.hour, hours.day, hours.month, hours.weekday):
        column.flags.writeable = False
    return hours


def range_steps(cron: Cron, zone: Zone, start_at: int, end_at: int, early_us: int = 0) -> Steps:
    """1 while the cron's range holds in the zone, else 0. `early_us`: see Behaviour.range_early_us."""
    hours = local_hours(zone, start_at, end_at + early_us)
    return _range_steps(cron, zone, hours, start_at, end_at, early_us)


def _range_steps(cron: Cron, zone: Zone, hours: LocalHours, start_at: int, end_at: int, early_us: int) -> Steps:
    steps = steps_of(hours.at - early_us, hours.hold(cron).astype(np.int64), end_at)
    if early_us == 0:
        return steps
    # v2.24 asks whether the cron's next occurrence is at most a minute away. Where clocks have just jumped, that
    # search (robfig/cron) can miss the span's first minute; the span then begins a second before it and not a minute.
    at = steps.at.copy()
    located = replace(cron, zone=zone)
    for i in range(1, at.size):
        if steps.value[i] == 1 and located.next_after(int(at[i])) != at[i] + early_us:
            at[i] += early_us - SECOND_US
    first = int(np.searchsorted(at, start_at, side="right")) - 1
    return Steps(np.maximum(at[first:], start_at), steps.value[first:], end_at)


def matching_steps(crons: Sequence[Cron], zone: Zone, start_at: int, end_at: int, early_us: int = 0) -> Steps:
    """The position of the first range that holds, BASE where none does."""
    hours = local_hours(zone, start_at, end_at + early_us)
    ranges = [_range_steps(cron, zone, hours, start_at, end_at, early_us) for cron in crons]
    at = np.unique(np.concatenate([np.array([start_at], dtype=np.int64), *(r.at for r in ranges)]))
    match = np.full(at.size, BASE, dtype=np.int64)
    for i in range(len(ranges) - 1, -1, -1):
        match[ranges[i].value_at(at) == 1] = i
    return steps_of(at, match, end_at)


def schedule_steps(preset: Preset, behaviour: Behaviour, start_at: int, end_at: int) -> Steps:
    """The position in `preset.schedules_in_force` of the schedule that holds, BASE where the base number is used."""
    crons = [provider_cron(s.cron) for s in preset.schedules_in_force]
    return matching_steps(crons, preset.zone, start_at, end_at, behaviour.range_early_us)


def desired(preset: Preset, behaviour: Behaviour, start_at: int, end_at: int) -> Steps:
    """Desired instances over [start_at, end_at] for an active preset, daylight saving included."""
    steps = schedule_steps(preset, behaviour, start_at, end_at)
    return steps.map([*(s.instances for s in preset.schedules_in_force), preset.instances])


@dataclass(frozen=True)
class Overlap:
    """Two of a preset's schedules in force that hold at the same time, by position; for how long, and when first."""

    first: int
    second: int
    first_at: int
    total_us: int


def true_overlaps(preset: Preset, start_at: int, end_at: int) -> list[Overlap]:
    """Every pair of the preset's schedules that hold at the same time in the window, whatever Coder's check says.

    Asked hour by hour of the preset's own wall clock; schedules that Coder does not look at are left out.
    """
    hours = local_hours(preset.zone, start_at, end_at - 1)
    length = np.diff(np.append(hours.at, end_at))
    holds = [hours.hold(provider_cron(s.cron)) for s in preset.schedules_in_force]
    found = []
    for (i, one), (j, other) in combinations(enumerate(holds), 2):
        both = one & other
        if both.any():
            found.append(Overlap(i, j, int(hours.at[both.argmax()]), int(length[both].sum())))
    return found
