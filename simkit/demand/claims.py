"""Who asks for a workspace, and when: a history replayed, or claims drawn from an hour-of-week profile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.clock import DAY_US, HOUR_US, NEVER, UTC_ZONE, Int64Array, Zone
from simkit.demand.streams import stream
from simkit.model import History, People, Profile, Scenario, SessionHistory


class Claims(NamedTuple):
    """Claims in order of time: at int64[n] microseconds, preset int64[n] into `names`, luck int64[n] of 32 bits.

    `person`: who asks, by position among all people, ANYBODY for somebody new each time; `until`: the end of the
    person's session; `connected`: 1 if a connection reports activity until then.
    """

    at: Int64Array
    preset: Int64Array
    luck: Int64Array
    person: Int64Array
    until: Int64Array
    connected: Int64Array
    names: tuple[str, ...]


ANYBODY = -1


def draw(scenario: Scenario, seed: int, replication: int) -> Claims:
    """The claims of one replication within the scenario's window.

    A history is the same in every replication; a profile is a Poisson process whose draws belong to a preset and a
    local day, so that a longer window or another preset leaves a day's claims as they were.
    """
    history = scenario.demand if isinstance(scenario.demand, History) else None
    profiles = () if isinstance(scenario.demand, History) else scenario.demand
    asked = [*(history.preset if history else ()), *(p.preset for p in profiles), *(p.preset for p in scenario.people)]
    names = tuple(dict.fromkeys(asked))
    position = {name: i for i, name in enumerate(names)}
    parts = [np.empty((6, 0), dtype=np.int64)]
    if history:
        parts.append(_replayed(scenario, history, position, seed, replication))
    parts += [_drawn(scenario, p, position[p.preset], i, seed, replication) for i, p in enumerate(profiles)]
    person = 0
    for people in scenario.people:
        parts.append(_sessions(scenario, people, position[people.preset], person, seed, replication))
        person += people.count
    columns = np.concatenate(parts, axis=1)
    at, preset, luck, who, until, connected = columns[:, np.argsort(columns[0], kind="stable")]
    return Claims(at, preset, luck, who, until, connected, names)


def _replayed(
    scenario: Scenario, history: History, position: dict[str, int], seed: int, replication: int
) -> Int64Array:
    """A history's claims in the window: int64[6, n]."""
    preset = np.fromiter((position[name] for name in history.preset), np.int64, len(history.preset))
    luck = np.empty(preset.size, dtype=np.int64)
    for name, i in position.items():
        mine = preset == i
        luck[mine] = stream(seed, replication, f"claims/{name}").integers(0, 1 << 32, int(mine.sum()))
    inside = (history.claim_at >= scenario.start_at) & (history.claim_at <= scenario.end_at)
    return _columns(history.claim_at[inside], preset[inside], luck[inside])


def _drawn(scenario: Scenario, profile: Profile, preset: int, which: int, seed: int, replication: int) -> Int64Array:
    """A profile's claims: int64[6, n], in order of time within each day."""
    rate = np.array(profile.claims_per_hour)
    clock = _Clock(scenario, profile.zone)
    parts = [_columns(*np.empty((3, 0), dtype=np.int64))]
    for day in clock.days():
        chance = stream(seed, replication, f"profile/{profile.preset}/{which}/{day}")
        hour = np.repeat(np.arange(24), chance.poisson(_of_day(rate, day)))
        wall = np.sort(day * DAY_US + hour * HOUR_US + chance.integers(0, HOUR_US, hour.size))
        luck = chance.integers(0, 1 << 32, hour.size)
        at, inside = clock.instants(wall)
        parts.append(_columns(at[inside], np.full(int(inside.sum()), preset), luck[inside]))
    return np.concatenate(parts, axis=1)


def _sessions(scenario: Scenario, people: People, preset: int, first: int, seed: int, replication: int) -> Int64Array:
    """The sessions of people, of whom the first has the position `first`: int64[6, n].

    Draws belong to a group of people and a local day (a history's: to the group).
    """
    sessions = people.sessions
    if isinstance(sessions, SessionHistory):
        inside = (sessions.started_at >= scenario.start_at) & (sessions.started_at <= scenario.end_at)
        chance = stream(seed, replication, f"people/{people.name}")
        luck = chance.integers(0, 1 << 32, inside.size)
        connected = chance.random(inside.size) < sessions.connected
        ended_at = sessions.ended_at
        if sessions.length is not None:
            length = np.array(sessions.length.samples, dtype=np.int64)
            drawn = sessions.started_at + length[chance.integers(0, length.size, inside.size)]
            ended_at = np.where(ended_at == NEVER, drawn, ended_at)
        who = first + sessions.person
        every = np.stack([sessions.started_at, np.full(who.size, preset), luck, who, ended_at, connected])
        return every[:, inside].astype(np.int64)
    rate = np.array(sessions.per_hour)
    length = np.array(sessions.length.samples, dtype=np.int64)
    clock = _Clock(scenario, sessions.zone)
    parts = [np.empty((6, 0), dtype=np.int64)]
    for day in clock.days():
        chance = stream(seed, replication, f"people/{people.name}/{day}")
        counts = chance.poisson(_of_day(rate, day)[:, None], (24, people.count))
        hour, who = np.nonzero(counts)
        often = counts[hour, who]
        hour, who = np.repeat(hour, often), np.repeat(who, often)
        wall = day * DAY_US + hour * HOUR_US + chance.integers(0, HOUR_US, hour.size)
        luck = chance.integers(0, 1 << 32, hour.size)
        lasts = length[chance.integers(0, length.size, hour.size)]
        connected = (chance.random(hour.size) < sessions.connected).astype(np.int64)
        at, inside = clock.instants(wall)
        part = np.stack([at, np.full(at.size, preset), luck, first + who, at + lasts, connected])
        parts.append(part[:, inside])
    return np.concatenate(parts, axis=1)


def _columns(at: Int64Array, preset: Int64Array, luck: Int64Array) -> Int64Array:
    """Claims of somebody new each time."""
    nobody = np.full(at.size, ANYBODY)
    return np.stack([at, preset, luck, nobody, at, np.zeros_like(nobody)]).astype(np.int64)


def _of_day(rate: npt.NDArray[np.float64], day: int) -> npt.NDArray[np.float64]:
    """The 24 rates of a day counted from 1970-01-01, which was a Thursday."""
    return rate[(day + 3) % 7 * 24 :][:24]


class _Clock:
    """The wall clock of a zone over a scenario's window."""

    def __init__(self, scenario: Scenario, zone: Zone) -> None:
        self.start_at, self.end_at = scenario.start_at, scenario.end_at
        self.from_at, self.offset_us = zone.offsets(self.start_at - DAY_US, self.end_at + DAY_US)
        # What the clock shows when each change comes.
        self.changes_at_wall = self.from_at + np.append(self.offset_us[:1], self.offset_us[:-1])

    def days(self) -> range:
        """Every local day of the window, and one around it."""
        first = (self.start_at + int(self.offset_us[0])) // DAY_US - 1
        return range(first, (self.end_at + int(self.offset_us[-1])) // DAY_US + 2)

    def instants(self, wall: Int64Array) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
        """(the instants, which of them exist and lie in the window).

        A wall clock's hour that is skipped has no instants, one that is repeated has them the first time.
        """
        at = wall - self.offset_us[np.maximum(np.searchsorted(self.changes_at_wall, wall, side="right") - 1, 0)]
        real = at + self.offset_us[np.maximum(np.searchsorted(self.from_at, at, side="right") - 1, 0)] == wall
        return at, real & (at >= self.start_at) & (at <= self.end_at)


def hour_of_week(at: Int64Array, zone: Zone = UTC_ZONE) -> Int64Array:
    """The local hour of the week of each instant, from Monday 00:00: int64[n] in 0..167."""
    if at.size == 0:
        return at
    from_at, offset_us = zone.offsets(int(at.min()), int(at.max()) + 1)
    wall = at + offset_us[np.searchsorted(from_at, at, side="right") - 1]
    return (wall // HOUR_US + 72) % 168
