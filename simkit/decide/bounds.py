"""A ladder of bounds: what idling the target takes if more is known, or can be said in finer hours."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from simkit.decide.levels import Float64Array, LevelTables
from simkit.decide.plan import Plan
from simkit.decide.search import Aim, Search

OF_WEEK = "best number for each hour of the week"
"""How names of rungs begin that have numbers for each hour of the week."""
FORECAST_FOLDS = 4
"""Parts of the weeks, each of which is met by numbers that the others choose."""


@dataclass(frozen=True)
class Rung:
    """A way of choosing that aims at the target, and its idle instance-hours a week, NaN if it cannot reach it.

    `knows`: what it is chosen by; `in_sample`: are these the weeks that it is judged by, too?
    """

    name: str
    knows: str
    hit_rate: float
    idle_hours_per_week: float
    in_sample: bool = True


def ladder(search: Search, plan: Plan, target: float, blocks: int, interval_us: int) -> tuple[Rung, ...]:
    """The rungs by tables of the weeks seen, from all that could be known to one number.

    `search`: as exact runs of `plan` corrected it, with the least number that may be wanted: where that is what the
    hard limit asks for, a rung more says what numbers for each hour would do if somebody deleted failed prebuilds.
    """
    tables = search.tables
    claims, weeks = float(tables.claims.sum()), tables.claims.shape[1]
    # Built to be ready in the last tick before it is claimed, an instance waits half a tick.
    clairvoyant = target * claims * interval_us / 2 / 3_600e6 / weeks
    found = [Rung("each claim known", "every claim", target, clairvoyant)]

    def add(name: str, knows: str, of: tuple[float, float], *, in_sample: bool = True) -> None:
        found.append(Rung(name, knows, of[0], of[1] / weeks, in_sample))

    if search.least:
        name = f"{OF_WEEK}, if failed prebuilds were deleted"
        add(name, "these weeks", _at_target(_cheapest(*_summed(tables), 0), claims, target))
    at_least = f", {search.least} or more" if search.least else ""
    hourly = _cheapest(tables.misses, tables.idle_hours, search.least)
    add(f"best number in each hour that was{at_least}", "each week's hours", _at_target(hourly, claims, target))
    weekly = _cheapest(*_summed(tables), search.least)
    add(f"{OF_WEEK}{at_least}", "these weeks", _at_target(weekly, claims, target))
    if weeks >= 2 * FORECAST_FOLDS:
        forecast = _forecast(tables, target, search.least)
        add(f"{OF_WEEK}, forecast{at_least}", "the other weeks", forecast, in_sample=False)
    if blocks:
        fit = replace(search, aim=Aim(search.aim.claims, target)).best(blocks, (plan,))
        name = f"best with {blocks} schedule{'s' if blocks > 1 else ''} at most{at_least}"
        if fit is not None:
            add(name, "these weeks", (float(fit.hits.sum()) / claims, float(fit.idle_hours.sum())))
    rates, idle = 1 - tables.misses.sum(axis=(0, 2)) / claims, tables.idle_hours.sum(axis=(0, 2))
    enough = np.flatnonzero((rates >= target) & (np.arange(rates.size) >= search.least))
    constant = int(enough[0]) if enough.size else -1
    of = float(rates[constant]), float(idle[constant]) if enough.size else float("nan")
    add(f"one number all week{at_least}", "these weeks", of)
    return tuple(found)


def _summed(tables: LevelTables) -> tuple[Float64Array, Float64Array]:
    """(misses, idle hours) of all weeks: float64[168, s, 1]."""
    return tables.misses.sum(axis=2, keepdims=True), tables.idle_hours.sum(axis=2, keepdims=True)


def _forecast(tables: LevelTables, target: float, least: int) -> tuple[float, float]:
    """(hit rate, idle hours) of numbers for each hour of the week that meet the target on the other weeks."""
    weeks = tables.claims.shape[1]
    missed = idle = 0.0
    for fold in range(FORECAST_FOLDS):
        out = np.arange(weeks) * FORECAST_FOLDS // weeks == fold
        inside, left = tables.of_weeks(~out), _summed(tables.of_weeks(out))
        misses, hours = _summed(inside)
        claims = float(inside.claims.sum())
        at = _numbers(misses, hours, _PRICES[-1], least)
        for price in _PRICES:
            one = _numbers(misses, hours, price, least)
            if float(np.take_along_axis(misses, one, axis=1).sum()) <= (1 - target) * claims + 1e-9:
                at = one
                break
        missed += float(np.take_along_axis(left[0], at, axis=1).sum())
        idle += float(np.take_along_axis(left[1], at, axis=1).sum())
    return 1 - missed / float(tables.claims.sum()), idle


_Choice = tuple[Float64Array, Float64Array]


_PRICES = np.geomspace(1e-3, 1e5, 60)
"""Per miss, in idle hours."""


def _numbers(misses: Float64Array, idle: Float64Array, price: float, least: int) -> npt.NDArray[np.intp]:
    """The cheapest numbers, of `least` or more, at a price per miss: [168, 1, w]."""
    cost = idle + price * misses
    return least + np.argmin(cost[:, least:], axis=1)[:, None, :]


def _cheapest(misses: Float64Array, idle: Float64Array, least: int) -> list[_Choice]:
    """(misses, idle hours) of the best numbers at each of many prices per miss, dearer and dearer: [168, w] summed."""
    found = []
    for price in _PRICES:
        at = _numbers(misses, idle, price, least)
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
