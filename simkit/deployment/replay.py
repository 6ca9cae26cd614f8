"""A history beside its replay: the recorded claims, played by the event loop against the schedules of their time.

Where the two differ the model, or what was measured for it, does not say what happened.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simkit.clock import UTC_ZONE, Int64Array, Zone, format_instant, zone
from simkit.demand.claims import local_day
from simkit.deployment.calibrate import measured
from simkit.deployment.suspects import Count, Events, events_of, longest_stall, suspects
from simkit.errors import Finding, InputError, Where
from simkit.estimates import Spread, spread
from simkit.inputs.scenario import load
from simkit.model import Scenario
from simkit.runs.result import Result
from simkit.runs.simulate import replicate
from simkit.store.asking import ask, history_run, rows_of, table_of
from simkit.store.connection import held
from simkit.timeline import local_hours
from simkit.times import many, weekday_date

if TYPE_CHECKING:
    import pandas as pd

Float64Array = npt.NDArray[np.float64]

MEASURES = ("claims", "hit_rate", "wait_p50_s", "wait_p95_s", "builds", "failed_builds", "idle_instance_hours")
"""What is compared: columns of the question `summary`."""
EPOCH = date(1970, 1, 1).toordinal()
REPLICATIONS = 20
"""By chance alone one day in ten lies outside so many replays: 2 in 21, if no two numbers are equal."""

_HAPPENED = """
SELECT p.preset, h.* EXCLUDE (run_id, preset_id)
FROM (
    SELECT
        run_id, preset_id, 'claim' AS what, created_at AS happened_at, hit,
        epoch_us(ready_at) - epoch_us(created_at) AS took_us
    FROM claims
    UNION ALL
    SELECT run_id, preset_id, 'build', created_at, false, epoch_us(started_at) - epoch_us(created_at)
    FROM prebuild_spans
    UNION ALL
    SELECT
        run_id, preset_id, build_status, completed_at, false, epoch_us(completed_at) - epoch_us(started_at)
    FROM prebuild_spans WHERE completed_at IS NOT NULL
    UNION ALL
    SELECT run_id, preset_id, 'deleted', delete_created_at, false, NULL
    FROM prebuild_spans WHERE build_status = 'succeeded' AND claimed_at IS NULL AND delete_created_at IS NOT NULL
) AS h
JOIN presets AS p USING (run_id, preset_id)
WHERE run_id = $run
ORDER BY happened_at
"""


@dataclass(frozen=True)
class Day:
    """A day of a preset's own clocks on which fewer or more were hits than in any replay.

    `why`: what else was out of the ordinary on it, in sentences.
    """

    day: date
    claims: int
    hits: int
    replayed: Spread
    running: float
    replayed_running: Spread
    why: tuple[str, ...]


@dataclass(frozen=True)
class Pools:
    """Prebuilds that ran in each hour, on average over it. at: int64[h]; recorded, wanted: float64[h]; replayed:
    float64[h, 3], as in Spread."""

    at: Int64Array
    wanted: Float64Array
    recorded: Float64Array
    replayed: Float64Array

    @property
    def agree(self) -> float:
        """The share of hours in which nine of ten replays lie around what was recorded, or all are equal to it."""
        return float(self.is_around.mean())

    @property
    def is_around(self) -> npt.NDArray[np.bool_]:
        """In which of them: bool[h]."""
        low, high = self.replayed[:, 0], self.replayed[:, 2]
        return (low - 1e-9 <= self.recorded) & (self.recorded <= high + 1e-9)


@dataclass(frozen=True)
class Replayed:
    """One preset: of each of MEASURES what was recorded and what replays gave, NaN where there is none.

    `days`: those on which the two differ, most first, of `days_with_claims`; by chance alone so many as `by_chance` at
    most. `pools` is None where it never wanted a prebuild.
    """

    preset: str
    zone: Zone
    recorded: Mapping[str, float]
    replayed: Mapping[str, Spread]
    days: tuple[Day, ...]
    days_with_claims: int
    by_chance: float
    pools: Pools | None


@dataclass(frozen=True)
class Replay:
    """All presets of a history that a scenario has, what was played, and what there was to say while it was calibrated.

    `claims`: a row for each claim, with `replication` (-1: as it was recorded), preset, at (microseconds), hit and
    took_us (the wait; NaN if it had no end).
    """

    scenario: Scenario
    results: tuple[Result, ...]
    presets: tuple[Replayed, ...]
    replications: int
    notes: tuple[Finding, ...]
    claims: pd.DataFrame


def replay(
    history: str | Path,
    scenario: str | Path | None = None,
    template: str | None = None,
    seed: int = 0,
    replications: int = REPLICATIONS,
    told: Callable[[int, int], None] | None = None,
) -> Replay:
    """Play what a runs file's history (or only run) tells, and put it beside what happened.

    `scenario`: another one to play, such as a calibrated one with a changed schedule; else that of the past itself,
    with the versions as they were active. Days and hours are those that both windows have. `told` hears how many of
    the replications and the presets are done. Raises InputError and StoreError.
    """
    with held(history):
        return _replay(history, scenario, template, seed, replications, told)


def _replay(
    history: str | Path,
    scenario: str | Path | None,
    template: str | None,
    seed: int,
    replications: int,
    told: Callable[[int, int], None] | None,
) -> Replay:
    import pandas as pd

    run_id = history_run(history)
    notes: tuple[Finding, ...] = ()
    if scenario is None:
        with tempfile.TemporaryDirectory(prefix="simkit-") as folder:
            found = measured(history, Path(folder), template, is_past=True)
            file = Path(folder, "replay.yaml")
            file.write_text(found.text, encoding="utf-8")
            played, notes = load(file), found.notes
    else:
        played = load(scenario)
    zones, window = _zones(history, run_id), _window(history, run_id, played)
    names = [p.name for version in played.all_versions for p in version.presets if p.name in zones]
    different = list(dict.fromkeys(names))
    steps = replications + len(different)
    results = []
    for result in replicate(played, seed, replications):
        results.append(result)
        if told is not None:
            told(len(results), steps)
    before, after = ask(history, "summary", run_id), ask(results, "summary")
    recorded = _Told(history, run_id, window)
    again = [_Told(result, result.run_id, window) for result in results]
    events = events_of(history, run_id)
    presets = []
    for name in different:
        mine = before[before["preset"] == name]
        of_all = {measure: float(mine[measure].iloc[0]) for measure in MEASURES}
        spreads = {measure: spread(after.loc[after["preset"] == name, measure].to_numpy()) for measure in MEASURES}
        presets.append(_replayed(name, zones[name], of_all, spreads, recorded, again, events))
        if told is not None:
            told(replications + len(presets), steps)
    parts = [one.claims.assign(replication=i) for i, one in enumerate([recorded, *again], -1)]
    return Replay(played, tuple(results), tuple(presets), replications, notes, pd.concat(parts, ignore_index=True))


def told(one: Replayed, most: int = 5) -> tuple[str, ...]:
    """How near the replays are, on which days they are not, and how the pools went, as lines; `most` days."""
    if not one.days_with_claims:
        return ("Nobody asked for it.",)
    lines = [_verdict(one)] if one.recorded["hit_rate"] == one.recorded["hit_rate"] else []
    if one.days:
        lines.append(
            f"On {len(one.days)} of {many(one.days_with_claims, 'day')} with claims the recorded hits are none of the "
            f"replays' (by chance alone: on {one.by_chance:.0f} or fewer):"
        )
    else:
        lines.append(
            f"On each of {many(one.days_with_claims, 'day')} with claims the recorded hits are within the replays'."
        )
    for day in one.days[:most]:
        again = f"{day.replayed.low:,.0f} to {day.replayed.high:,.0f}"
        lines.append(f"  {weekday_date(day.day)}: {day.hits:,} of {day.claims:,} claims were hits; replayed {again}")
        lines += [f"    {sentence}" for sentence in day.why]
    if len(one.days) > most:
        lines.append(f"  and {len(one.days) - most} more")
    if one.pools is not None:
        middle = one.pools.replayed[:, 1].mean()
        lines.append(
            f"Prebuilds that ran, on average: {one.pools.recorded.mean():,.2f} recorded, {middle:,.2f} replayed; in "
            f"{one.pools.agree:.0%} of the hours as many as in nine of ten replays."
        )
    return tuple(lines)


def is_around(of: Spread, recorded: float) -> bool:
    """Do nine of ten replays lie around what was recorded, or equal it?"""
    return of.low - 1e-9 <= recorded <= of.high + 1e-9


def _verdict(one: Replayed) -> str:
    low, middle, high = one.replayed["hit_rate"]
    happened = one.recorded["hit_rate"]
    if middle != middle:
        return f"{happened:.1%} of the claims were hits; what is played has no pool for them."
    where = "within" if is_around(one.replayed["hit_rate"], happened) else "outside"
    return (
        f"Replayed are {middle:.1%} hits where {happened:.1%} happened: {where} nine of ten replays ({low:.1%} to "
        f"{high:.1%})."
    )


class _Told:
    """What a run tells in a window: claims, and for each preset its pool as steps and what happened to it."""

    def __init__(self, source: str | Path | Result, run_id: str, window: tuple[int, int]) -> None:
        happened = table_of(source, _HAPPENED, run_id)
        took_us = happened["took_us"].to_numpy(dtype=np.float64, na_value=np.nan)
        happened = happened.assign(at=_us(happened["happened_at"]), took_us=took_us)
        self.window = window
        self._happened = happened[(happened["at"] >= window[0]) & (happened["at"] < window[1])]
        pool = ask(source, "pool", run_id)
        self._pool = pool.assign(at=_us(pool["changed_at"]))
        is_claim = self._happened["what"] == "claim"
        self.claims: pd.DataFrame = self._happened.loc[is_claim, ["preset", "at", "hit", "took_us"]]

    def means(self, preset: str, column: str, edges: Int64Array) -> Float64Array:
        """A column of the question `pool` between each two of the instants, on average: float64[n - 1]."""
        mine = self._pool[self._pool["preset"] == preset]
        return means(mine["at"].to_numpy(), mine[column].to_numpy(dtype=np.float64), edges)

    def has_pool(self, preset: str) -> bool:
        return bool((self._pool["preset"] == preset).any())

    def stall_us(self, preset: str, day: date, in_zone: Zone) -> int:
        """`suspects.longest_stall` of one local day."""
        mine = self._pool[self._pool["preset"] == preset]
        return longest_stall(mine, *np.clip(_midnights(day, in_zone), *self.window).tolist())

    def days(self, preset: str, in_zone: Zone) -> dict[date, Count]:
        """Each local day of the window on which something happened to a preset."""
        mine = self._happened[self._happened["preset"] == preset]
        day, of_day = np.unique(local_day(mine["at"].to_numpy(), in_zone), return_inverse=True)
        what, hit = mine["what"].to_numpy(), mine["hit"].to_numpy(dtype=bool)
        dates = [date_of(one) for one in day.tolist()]
        edges = np.array([_midnights(one, in_zone) for one in dates], dtype=np.int64).reshape(-1)
        running = self.means(preset, "running", np.clip(edges, *self.window))[::2]

        def count(which: npt.NDArray[np.bool_]) -> list[int]:
            found: list[int] = np.bincount(of_day[which], minlength=day.size).tolist()
            return found

        def median_s(which: npt.NDArray[np.bool_]) -> list[float]:
            of = mine["took_us"][which].groupby(of_day[which]).median() / 1e6
            found: list[float] = of.reindex(range(day.size)).tolist()
            return found

        columns = (
            *(count(which) for which in (what == "claim", hit, what == "failed", what == "deleted")),
            *(median_s(what == one) for one in ("build", "succeeded")),
            running.tolist(),
        )
        return {one: Count(*row) for one, *row in zip(dates, *columns, strict=True)}


def _replayed(
    name: str,
    in_zone: Zone,
    recorded_measures: Mapping[str, float],
    replayed_measures: Mapping[str, Spread],
    recorded: _Told,
    again: Sequence[_Told],
    events: Events,
) -> Replayed:
    happened = recorded.days(name, in_zone)
    replays = [told.days(name, in_zone) for told in again]
    with_claims = {day: count for day, count in happened.items() if count.claims}
    nobody = Count(0, 0, 0, 0, float("nan"), float("nan"), 0.0)
    days = []
    for day, count in with_claims.items():
        of = [days_of.get(day, nobody) for days_of in replays]
        hits = [one.hits for one in of]
        if min(hits) <= count.hits <= max(hits):
            continue
        stalls = (recorded.stall_us(name, day, in_zone), max(told.stall_us(name, day, in_zone) for told in again))
        why = suspects(count, of, stalls, events.on(name, day, in_zone), day == min(happened))
        running = spread([one.running for one in of])
        days.append(Day(day, count.claims, count.hits, spread(hits), count.running, running, why))
    days.sort(key=lambda one: (-abs(one.hits - one.replayed.median), one.day))
    by_chance = 2 * len(with_claims) / (len(again) + 1)
    pools = _pools(name, in_zone, recorded, again) if recorded.has_pool(name) else None
    return Replayed(
        name, in_zone, recorded_measures, replayed_measures, tuple(days), len(with_claims), by_chance, pools
    )


def _pools(name: str, in_zone: Zone, recorded: _Told, again: Sequence[_Told]) -> Pools:
    start_at, end_at = recorded.window
    at = local_hours(in_zone, start_at, end_at - 1).at
    edges = np.append(at, end_at)
    replayed = np.stack([told.means(name, "running", edges) for told in again])
    levels = np.quantile(replayed, (0.05, 0.5, 0.95), axis=0, method="inverted_cdf").T
    return Pools(at, recorded.means(name, "desired", edges), recorded.means(name, "running", edges), levels)


def means(at: Int64Array, value: Float64Array, edges: Int64Array) -> Float64Array:
    """A step function (value[i] from at[i] on, 0 before) between each two edges, on average: float64[n - 1]."""
    if not at.size:
        return np.zeros(edges.size - 1)
    area = np.concatenate([[0.0], np.cumsum(value[:-1] * np.diff(at))])
    which = np.searchsorted(at, edges, side="right") - 1
    reached = np.where(which < 0, 0.0, area[which] + value[which] * (edges - at[which]))
    length = np.diff(edges)
    return np.divide(np.diff(reached), length, out=np.zeros(length.size), where=length > 0)


def _zones(path: str | Path, run_id: str) -> dict[str, Zone]:
    """By whose clocks people think of each preset."""
    sql = "SELECT preset, max_by(timezone, preset_id) FROM presets WHERE run_id = ? GROUP BY preset"
    return {name: zone(timezone) or UTC_ZONE for name, timezone in rows_of(path, sql, run_id)}


def _window(path: str | Path, run_id: str, played: Scenario) -> tuple[int, int]:
    """What a history and a scenario have in common. Raises InputError if that is nothing."""
    sql = "SELECT epoch_us(start_at), epoch_us(end_at) FROM runs WHERE run_id = ?"
    [(start_at, end_at)] = rows_of(path, sql, run_id)
    window = max(start_at, played.start_at), min(end_at, played.end_at)
    if window[0] < window[1]:
        return window
    spans = " and ".join(
        f"{format_instant(a)} to {format_instant(b)}" for a, b in ((start_at, end_at), (played.start_at, played.end_at))
    )
    text = f"the history and the window of scenario {played.name} have no time in common: {spans}"
    raise InputError([Finding("error", Where(str(path)), text)])


def _us(column: pd.Series[Any]) -> Int64Array:
    return column.dt.as_unit("us").astype("int64").to_numpy()


def date_of(day: int) -> date:
    """The date of a local day, counted from 1970-01-01."""
    return date.fromordinal(day + EPOCH)


@lru_cache(maxsize=4096)
def _midnights(day: date, in_zone: Zone) -> tuple[int, int]:
    """When a local day begins and ends."""
    begin = datetime.combine(day, time())
    return in_zone.at(begin), in_zone.at(begin + timedelta(days=1))
