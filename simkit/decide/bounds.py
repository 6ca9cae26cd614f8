"""A ladder of bounds: what idling the target takes if more is known, or can be said in finer hours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simkit.decide.levels import Float64Array, LevelTables


@dataclass(frozen=True)
class Rung:
    """A way of choosing that meets the target on the weeks seen, and its idle instance-hours a week, NaN if it cannot.

    `knows`: what it knows that nobody does beforehand, or "nothing".
    """

    name: str
    knows: str
    hit_rate: float
    idle_hours_per_week: float


def ladder(tables: LevelTables, target: float, interval_us: int) -> tuple[Rung, ...]:
    """The rungs above any schedule, by tables of the weeks seen, the lowest bound first."""
    claims, weeks = float(tables.claims.sum()), tables.claims.shape[1]
    # Built to be ready in the last tick before it is claimed, an instance waits half a tick.
    clairvoyant = target * claims * interval_us / 2 / 3_600e6 / weeks
    hourly, weekly = (
        _cheapest(tables.misses, tables.idle_hours),
        _cheapest(tables.misses.sum(axis=2, keepdims=True), tables.idle_hours.sum(axis=2, keepdims=True)),
    )
    found = [Rung("each claim known", "every claim", target, clairvoyant)]
    for name, knows, at in (
        ("best number in each hour that was", "each week's hours", hourly),
        ("best number for each hour of the week", "these weeks", weekly),
    ):
        rate, idle = _at_target(at, claims, target)
        found.append(Rung(name, knows, rate, idle / weeks))
    totals = 1 - tables.misses.sum(axis=(0, 2)) / claims, tables.idle_hours.sum(axis=(0, 2))
    enough = np.flatnonzero(totals[0] >= target)
    constant = int(enough[0]) if enough.size else -1
    idle = float(totals[1][constant]) / weeks if enough.size else float("nan")
    found.append(Rung("one number all week", "these weeks", float(totals[0][constant]), idle))
    return tuple(found)


_Choice = tuple[Float64Array, Float64Array]


def _cheapest(misses: Float64Array, idle: Float64Array) -> list[_Choice]:
    """(misses, idle hours) of the best numbers at each of many prices per miss, dearer and dearer: [168, w] summed."""
    found = []
    for price in np.geomspace(1e-3, 1e5, 60):
        at = np.argmin(idle + price * misses, axis=1)[:, None, :]
        found.append((np.take_along_axis(misses, at, axis=1).sum(), np.take_along_axis(idle, at, axis=1).sum()))
    return found


def _at_target(choices: list[_Choice], claims: float, target: float) -> tuple[float, float]:
    """(hit rate, idle hours) of the first that meets the target, less what it has more than that (along a line)."""
    before: tuple[float, float] | None = None
    for misses, idle in choices:
        rate = 1 - float(misses) / claims
        if rate >= target:
            if before is None or rate == before[0]:
                return rate, float(idle)
            share = (target - before[0]) / (rate - before[0])
            return target, before[1] + share * (float(idle) - before[1])
        before = rate, float(idle)
    return (before[0] if before else float("nan")), float("nan")
