"""Who asks for a workspace, and when: a history replayed, or claims drawn from an hour-of-week profile."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.clock import DAY_US, HOUR_US, NEVER, UTC_ZONE, WEEK_US, Int64Array, Zone
from simkit.demand.streams import Float64Array, UInt64Array, choices, keys, lucks, numbers, shares
from simkit.model import History, People, Scenario, SessionHistory, SessionProfile

# What a claim's numbers are for, each at a position of its own.
_AT, _LUCK, _WHO, _LENGTH, _CONNECTED = range(5)
_PURPOSES = 5


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


class Draws:
    """The claims of a scenario's replications within its window; what they share is made once.

    A history is the same in every replication but for luck, which belongs to a preset and an instant. A profile is a
    Poisson process whose numbers belong to a preset and a local day, so that a longer window or another preset leaves
    a day's claims as they were. Sessions of people belong to the group and a local day (a history's: to the group).
    """

    def __init__(self, scenario: Scenario) -> None:
        history = scenario.demand if isinstance(scenario.demand, History) else None
        profiles = () if isinstance(scenario.demand, History) else scenario.demand
        asked = [*(history.preset if history else ()), *(p.preset for p in profiles)]
        asked += [p.preset for p in scenario.people]
        self.names = tuple(dict.fromkeys(asked))
        position = {name: i for i, name in enumerate(self.names)}
        zones = {p.zone for p in profiles}
        zones |= {p.sessions.zone for p in scenario.people if isinstance(p.sessions, SessionProfile)}
        clocks = {zone: _Clock(scenario, zone) for zone in zones}
        self._sources: list[_Replayed | _Drawn | _Sessions] = []
        if history:
            self._sources.append(_Replayed.of(scenario, history, self.names, position))
        often: dict[str, int] = {}
        for profile in profiles:
            # Counted for each preset, so that another preset's profile changes nothing.
            which = often[profile.preset] = often.get(profile.preset, -1) + 1
            name = f"profile/{profile.preset}/{which}"
            rate = np.array(profile.claims_per_hour)
            self._sources.append(_Drawn(name, position[profile.preset], _Week(rate), clocks[profile.zone]))
        person = 0
        for people in scenario.people:
            preset, sessions = position[people.preset], people.sessions
            if isinstance(sessions, SessionHistory):
                self._sources.append(_Sessions.of(scenario, people, sessions, preset, person))
            else:
                # The sum of independent Poisson processes is one, of which each session is anybody's alike.
                week = _Week(np.array(sessions.per_hour) * people.count)
                working = _Working(person, people.count, np.array(sessions.length.samples), sessions.connected)
                source = _Drawn(f"people/{people.name}", preset, week, clocks[sessions.zone], working)
                self._sources.append(source)
            person += people.count

    def claims(self, seed: int, replication: int) -> Claims:
        """The claims of one replication."""
        parts = [np.empty((6, 0), dtype=np.int64), *(source.claims(seed, replication) for source in self._sources)]
        columns = parts[1] if len(parts) == 2 else np.concatenate(parts, axis=1)
        # Most come in order, and a year's claims are large to copy.
        if (columns[0, 1:] < columns[0, :-1]).any():
            columns = columns[:, np.argsort(columns[0], kind="stable")]
        at, preset, luck, who, until, connected = columns
        return Claims(at, preset, luck, who, until, connected, self.names)


@dataclass(frozen=True)
class _Replayed:
    """A history's claims in the window: int64[n] instants and presets, and how many of both came before it."""

    names: tuple[str, ...]
    at: Int64Array
    preset: Int64Array
    before: Int64Array

    @staticmethod
    def of(scenario: Scenario, history: History, names: tuple[str, ...], position: dict[str, int]) -> _Replayed:
        inside = (history.claim_at >= scenario.start_at) & (history.claim_at <= scenario.end_at)
        preset = np.fromiter((position[name] for name in history.preset), np.int64, len(history.preset))[inside]
        at = history.claim_at[inside]
        order = np.lexsort((at, preset))
        same = (np.diff(at[order], prepend=-1) == 0) & (np.diff(preset[order], prepend=-1) == 0)
        before = np.empty_like(at)
        before[order] = _since(~same)
        return _Replayed(tuple(f"claims/{name}" for name in names), at, preset, before)

    def claims(self, seed: int, replication: int) -> Int64Array:
        luck = lucks(numbers(numbers(keys(seed, replication, *self.names)[self.preset], self.at), self.before))
        return _columns(self.at, self.preset, luck)


@dataclass(frozen=True)
class _Working:
    """Sessions of `count` people from the position `first` on: how long they last, and the share with a connection."""

    first: int
    count: int
    length: Int64Array
    connected: float


@dataclass(frozen=True)
class _Drawn:
    """Claims that come by the hours of a week, of somebody new each time or of people who work."""

    name: str
    preset: int
    week: _Week
    clock: _Clock
    working: _Working | None = None

    def claims(self, seed: int, replication: int) -> Int64Array:
        day = self.clock.days
        of_day = numbers(keys(seed, replication, self.name), day)
        count = self.week.counts(day, shares(numbers(of_day, np.zeros_like(day))))
        of_claim, which = np.repeat(of_day, count), _ordinals(count)

        def of(purpose: int) -> UInt64Array:
            return numbers(of_claim, 1 + which * _PURPOSES + purpose)

        at, inside = self.clock.instants(self.week.walls(np.repeat(day, count), shares(of(_AT))))
        preset = np.full(at.size, self.preset)
        if self.working is None:
            return _columns(at[inside], preset[inside], lucks(of(_LUCK))[inside])
        working = self.working
        who = working.first + choices(of(_WHO), working.count)
        until = at + working.length[choices(of(_LENGTH), working.length.size)]
        connected = shares(of(_CONNECTED)) < working.connected
        return np.stack([at, preset, lucks(of(_LUCK)), who, until, connected]).astype(np.int64, copy=False)[:, inside]


@dataclass(frozen=True)
class _Sessions:
    """A history's sessions in the window, of people of whom the first has the position `first`."""

    name: str
    preset: int
    first: int
    at: Int64Array
    until: Int64Array
    person: Int64Array
    length: Int64Array | None
    connected: float

    @staticmethod
    def of(scenario: Scenario, people: People, sessions: SessionHistory, preset: int, first: int) -> _Sessions:
        at = sessions.started_at
        inside = (at >= scenario.start_at) & (at <= scenario.end_at)
        length = None if sessions.length is None else np.array(sessions.length.samples)
        columns = (at[inside], sessions.ended_at[inside], sessions.person[inside])
        return _Sessions(f"people/{people.name}", preset, first, *columns, length, sessions.connected)

    def claims(self, seed: int, replication: int) -> Int64Array:
        of_session = numbers(numbers(keys(seed, replication, self.name), self.at), self.person)

        def of(purpose: int) -> UInt64Array:
            return numbers(of_session, np.full(self.at.size, purpose))

        until = self.until
        if self.length is not None:
            drawn = self.at + self.length[choices(of(_LENGTH), self.length.size)]
            until = np.where(until == NEVER, drawn, until)
        connected = shares(of(_CONNECTED)) < self.connected
        preset = np.full(self.at.size, self.preset)
        columns = [self.at, preset, lucks(of(_LUCK)), self.first + self.person, until, connected]
        return np.stack(columns).astype(np.int64, copy=False)


def _columns(at: Int64Array, preset: Int64Array, luck: Int64Array) -> Int64Array:
    """Claims of somebody new each time."""
    nobody = np.full(at.size, ANYBODY)
    return np.stack([at, preset, luck, nobody, at, np.zeros_like(nobody)]).astype(np.int64, copy=False)


def _since(begins: npt.NDArray[np.bool_]) -> Int64Array:
    """How many entries ago the last one began."""
    position = np.arange(begins.size)
    return position - np.maximum.accumulate(np.where(begins, position, 0))


def _ordinals(count: Int64Array) -> Int64Array:
    """0, 1, ... for each count, one after the other: [2, 3] gives [0, 1, 0, 1, 2]."""
    return np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)


class _Week:
    """Rates for each hour of a week, float64[168], as what claims are drawn by."""

    def __init__(self, rate: Float64Array) -> None:
        self._expected = rate.reshape(7, 24).sum(axis=1)
        self._until = np.concatenate([[0.0], np.cumsum(rate)])

    def counts(self, day: Int64Array, share: Float64Array) -> Int64Array:
        """How many come on each day (counted from 1970-01-01), by a share each."""
        found, weekdays = np.zeros(day.size, dtype=np.int64), _weekday(day)
        for weekday, expected in enumerate(self._expected.tolist()):
            if expected > 0:
                mine = weekdays == weekday
                least, until = _poisson(expected)
                found[mine] = least + np.searchsorted(until, share[mine], side="right")
        return found

    def walls(self, day: Int64Array, share: Float64Array) -> Int64Array:
        """What the wall clock shows when one comes on a day that has any, by a share each."""
        midnight = _weekday(day) * 24
        begin, end = self._until[midnight], self._until[midnight + 24]
        # The end is another day's, also where the sum is rounded.
        reached = np.minimum(begin + share * (end - begin), np.nextafter(end, 0.0))
        hour = np.searchsorted(self._until, reached, side="right") - 1
        into = (reached - self._until[hour]) / (self._until[hour + 1] - self._until[hour])
        within = np.minimum((into * HOUR_US).astype(np.int64), HOUR_US - 1)
        return day * DAY_US + (hour - midnight) * HOUR_US + within


def _weekday(day: Int64Array) -> Int64Array:
    """Monday is 0; 1970-01-01 was a Thursday."""
    return (day + 3) % 7


@lru_cache(maxsize=4096)
def _poisson(expected: float) -> tuple[int, Float64Array]:
    """(the least number, the probability of at most it and of each next one) of a Poisson distribution.

    What is left out on both sides has less than 1e-20 of it.
    """
    reach = 10 * math.sqrt(expected) + 50
    least = max(0, math.floor(expected - reach))
    number = np.arange(least, math.ceil(expected + reach))
    logs = np.log(expected / np.maximum(number, 1))
    logs[0] = least * math.log(expected) - expected - math.lgamma(least + 1)
    until = np.cumsum(np.exp(np.cumsum(logs)))
    return least, until / until[-1]


class _Clock:
    """The wall clock of a zone over a scenario's window."""

    def __init__(self, scenario: Scenario, zone: Zone) -> None:
        self.start_at, self.end_at = scenario.start_at, scenario.end_at
        self.from_at, self.offset_us = zone.offsets(self.start_at - DAY_US, self.end_at + DAY_US)
        # What the clock shows when each change comes.
        self.changes_at_wall = self.from_at + np.append(self.offset_us[:1], self.offset_us[:-1])

        first = (self.start_at + int(self.offset_us[0])) // DAY_US - 1
        self.days = np.arange(first, (self.end_at + int(self.offset_us[-1])) // DAY_US + 2)
        """Every local day of the window, and one around it."""

    def instants(self, wall: Int64Array) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
        """(the instants, which of them exist and lie in the window).

        A wall clock's hour that is skipped has no instants, one that is repeated has them the first time.
        """
        at = wall - self.offset_us[np.maximum(np.searchsorted(self.changes_at_wall, wall, side="right") - 1, 0)]
        real = at + self.offset_us[np.maximum(np.searchsorted(self.from_at, at, side="right") - 1, 0)] == wall
        return at, real & (at >= self.start_at) & (at <= self.end_at)


def hour_of_week(at: Int64Array, zone: Zone = UTC_ZONE) -> Int64Array:
    """The local hour of the week of each instant, from Monday 00:00: int64[n] in 0..167."""
    return (_wall(at, zone) // HOUR_US + 72) % 168


def local_day(at: Int64Array, zone: Zone) -> Int64Array:
    """The local day of each instant, counted from 1970-01-01: int64[n]."""
    return _wall(at, zone) // DAY_US


def monday_of(day: Int64Array) -> Int64Array:
    """The day on which the week of each day begins."""
    return day - _weekday(day)


def _wall(at: Int64Array, zone: Zone) -> Int64Array:
    """What the wall clock shows at each instant, in microseconds since its 1970-01-01 00:00."""
    if at.size == 0:
        return at
    from_at, offset_us = zone.offsets(int(at.min()), int(at.max()) + 1)
    return at + offset_us[np.searchsorted(from_at, at, side="right") - 1]


def scaled(scenario: Scenario, factor: float) -> Scenario:
    """The scenario with `factor` times as many claims: profiles have higher rates, a history loses some of its rows or
    has some again a week later, evenly and always the same ones. People with sessions of their own stay as they are."""
    if not isinstance(scenario.demand, History):
        profiles = tuple(
            replace(p, claims_per_hour=tuple(rate * factor for rate in p.claims_per_hour)) for p in scenario.demand
        )
        return replace(scenario, demand=profiles)
    history = scenario.demand
    at, preset = history.claim_at, np.array(history.preset, dtype=object)
    # Multiples of the golden ratio lie evenly in [0, 1), however many there are.
    share = np.arange(at.size) * ((math.sqrt(5) - 1) / 2) % 1.0
    whole, part = divmod(factor, 1.0)
    copies = int(whole) + (share < part)
    again = np.repeat(np.arange(at.size), copies)
    which = np.arange(again.size) - np.repeat(np.cumsum(copies) - copies, copies)
    length = scenario.end_at - scenario.start_at
    moved = at[again] + which * WEEK_US
    inside = (at[again] >= scenario.start_at) & (at[again] <= scenario.end_at)
    moved = np.where(inside & (moved > scenario.end_at), moved - max(length // WEEK_US, 1) * WEEK_US, moved)
    order = np.argsort(moved, kind="stable")
    return replace(scenario, demand=replace(history, claim_at=moved[order], preset=tuple(preset[again][order])))
