"""Who asks for a workspace, and when: a history replayed, or claims drawn from an hour-of-week profile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simkit.clock import DAY_US, HOUR_US, UTC_ZONE, Int64Array, Zone
from simkit.demand.streams import stream
from simkit.model import History, Profile, Scenario

__all__ = ["Claims", "draw", "hour_of_week"]


class Claims(NamedTuple):
    """Claims in order of time: at int64[n] microseconds, preset int64[n] into `names`, luck int64[n] of 32 bits."""

    at: Int64Array
    preset: Int64Array
    luck: Int64Array
    names: tuple[str, ...]


def draw(scenario: Scenario, seed: int, replication: int) -> Claims:
    """The claims of one replication within the scenario's window.

    A history is the same in every replication; a profile is a Poisson process whose draws belong to a preset and a
    local day, so that a longer window or another preset leaves a day's claims as they were.
    """
    if isinstance(scenario.demand, History):
        return _replayed(scenario, scenario.demand, seed, replication)
    names = tuple(dict.fromkeys(p.preset for p in scenario.demand))
    parts = [_drawn(scenario, p, names.index(p.preset), i, seed, replication) for i, p in enumerate(scenario.demand)]
    empty = np.empty((3, 0), dtype=np.int64)
    at, preset, luck = np.concatenate([empty, *parts], axis=1)
    order = np.argsort(at, kind="stable")
    return Claims(at[order], preset[order], luck[order], names)


def _replayed(scenario: Scenario, history: History, seed: int, replication: int) -> Claims:
    names = tuple(dict.fromkeys(history.preset))
    position = {name: i for i, name in enumerate(names)}
    preset = np.fromiter((position[name] for name in history.preset), np.int64, len(history.preset))
    luck = np.empty(preset.size, dtype=np.int64)
    for i, name in enumerate(names):
        mine = preset == i
        luck[mine] = stream(seed, replication, f"claims/{name}").integers(0, 1 << 32, int(mine.sum()))
    inside = (history.claim_at >= scenario.start_at) & (history.claim_at <= scenario.end_at)
    return Claims(history.claim_at[inside], preset[inside], luck[inside], names)


def _drawn(scenario: Scenario, profile: Profile, preset: int, which: int, seed: int, replication: int) -> Int64Array:
    """(at, preset, luck) of a profile's claims: int64[3, n], in order of time within each day."""
    rate = np.array(profile.claims_per_hour)
    from_at, offset_us = profile.zone.offsets(scenario.start_at - DAY_US, scenario.end_at + DAY_US)
    first = (scenario.start_at + int(offset_us[0])) // DAY_US - 1
    last = (scenario.end_at + int(offset_us[-1])) // DAY_US + 1
    changes_at_wall = from_at + np.append(offset_us[:1], offset_us[:-1])  # what the clock shows when each change comes
    parts = []
    for day in range(first, last + 1):
        chance = stream(seed, replication, f"profile/{profile.preset}/{which}/{day}")
        of_day = rate[(day + 3) % 7 * 24 :][:24]  # 1970-01-01 was a Thursday
        hour = np.repeat(np.arange(24), chance.poisson(of_day))
        wall = np.sort(day * DAY_US + hour * HOUR_US + chance.integers(0, HOUR_US, hour.size))
        luck = chance.integers(0, 1 << 32, hour.size)
        # A wall clock's hour that is skipped has no claims, one that is repeated has them the first time.
        at = wall - offset_us[np.maximum(np.searchsorted(changes_at_wall, wall, side="right") - 1, 0)]
        real = at + offset_us[np.maximum(np.searchsorted(from_at, at, side="right") - 1, 0)] == wall
        inside = real & (at >= scenario.start_at) & (at <= scenario.end_at)
        parts.append(np.stack([at[inside], np.full(int(inside.sum()), preset), luck[inside]]))
    return np.concatenate(parts, axis=1).astype(np.int64)


def hour_of_week(at: Int64Array, zone: Zone = UTC_ZONE) -> Int64Array:
    """The local hour of the week of each instant, from Monday 00:00: int64[n] in 0..167."""
    if at.size == 0:
        return at
    from_at, offset_us = zone.offsets(int(at.min()), int(at.max()) + 1)
    wall = at + offset_us[np.searchsorted(from_at, at, side="right") - 1]
    return (wall // HOUR_US + 72) % 168
