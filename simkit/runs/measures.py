"""What a decision needs of a run, straight from the kernel's rows: who was served, how long people waited, what idles.

The same numbers as the questions `summary`, `hours`, `demand` and `idle` give, a hundred times as fast, for the whole
window, by hour of the week or by week; property tests say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from simkit.clock import HOUR_US, NEVER, SECOND_US, WEEK_US, Int64Array, Zone
from simkit.core import facts, tally
from simkit.core.numbers import SUCCEEDED
from simkit.model import HOURS_PER_WEEK
from simkit.runs.givens import Givens
from simkit.runs.result import KernelResult
from simkit.runs.static import static_tables
from simkit.timeline import local_hours, whole_weeks

WAIT_QUANTILES = ((1, 2), (19, 20), (99, 100))
"""p50, p95 and p99, as fractions of whole numbers: a rank is then exact."""
_P95 = 1

SPENT = ("building", "idle", "deleting", "failed", "claimed")
"""What an instance is while it runs; the first three are the pool's own."""
_OF_POOL = 3


@dataclass(frozen=True)
class Measures:
    """Numbers of one run, a row per preset in the order of the scenario; presets of one name are one.

    `wait_us`: int64[p, 3], p50, p95 and p99 by nearest rank from claim to ready, over the claims that were ready in
    time; NEVER without any. `idle_us`: from build to claim or deletion. `builds`: of prebuilds. `spent_us`:
    int64[p, 5], how long instances ran as each of SPENT. `has_pool`: bool[p], is a prebuild ever wanted?
    """

    presets: tuple[str, ...]
    claims: Int64Array
    hits: Int64Array
    still_waiting: Int64Array
    wait_us: Int64Array
    idle_us: Int64Array
    builds: Int64Array
    failed_builds: Int64Array
    spent_us: Int64Array
    has_pool: npt.NDArray[np.bool_]
    cost_per_instance_hour: npt.NDArray[np.float64]
    window_us: int

    @property
    def hit_rate(self) -> npt.NDArray[np.float64]:
        """float64[p], NaN where nobody asked, or where there is no pool to ask."""
        with np.errstate(invalid="ignore"):
            return np.where(self.has_pool, self.hits / self.claims, np.nan)

    @property
    def wait_s(self) -> npt.NDArray[np.float64]:
        """float64[p, 3], NaN where nobody was served in time."""
        return np.where(self.wait_us == NEVER, np.nan, self.wait_us / SECOND_US)

    @property
    def idle_instance_hours(self) -> npt.NDArray[np.float64]:
        return self.idle_us / HOUR_US

    @property
    def idle_cost(self) -> npt.NDArray[np.float64]:
        return self.idle_instance_hours * self.cost_per_instance_hour

    @property
    def pool_instance_hours(self) -> npt.NDArray[np.float64]:
        """What the pool itself runs: building, idle and deleting."""
        return self.spent_us[:, :_OF_POOL].sum(axis=1) / HOUR_US

    @property
    def pool_cost(self) -> npt.NDArray[np.float64]:
        return self.pool_instance_hours * self.cost_per_instance_hour

    @property
    def billed_instance_hours(self) -> npt.NDArray[np.float64]:
        """Everything that runs, as a cloud bill has it."""
        return self.spent_us.sum(axis=1) / HOUR_US

    @property
    def billed_cost(self) -> npt.NDArray[np.float64]:
        return self.billed_instance_hours * self.cost_per_instance_hour

    @cached_property
    def columns(self) -> Mapping[str, npt.NDArray[Any]]:
        """What the questions `summary` and `hours` answer, by name: [p] each."""
        waits = {f"wait_p{p}_s": self.wait_s[:, i] for i, p in enumerate((50, 95, 99))}
        names = (
            "claims",
            "hits",
            "hit_rate",
            "still_waiting",
            "builds",
            "failed_builds",
            "idle_instance_hours",
            "idle_cost",
            "pool_instance_hours",
            "pool_cost",
            "billed_instance_hours",
            "billed_cost",
        )
        return {name: getattr(self, name) for name in names} | waits

    @property
    def weeks(self) -> float:
        """How many weeks the run's window has."""
        return self.window_us / WEEK_US


@dataclass(frozen=True)
class ByHour:
    """What adds up, by hour of the week in each preset's zone.

    int64[p, 168] each, from Monday 00:00 of the preset's wall clock; `window_us`: how long of the window it is.
    """

    presets: tuple[str, ...]

    claims: Int64Array
    hits: Int64Array
    idle_us: Int64Array
    window_us: Int64Array


@dataclass(frozen=True)
class ByWeek:
    """Numbers of spans of a run, whole weeks in most cases: a row per preset and a last one of all of them, a column
    per span.

    `edges`: int64[w + 1], where the spans begin and the last one ends. int64[p + 1, w] each: `claims` and `hits` of the
    claims that came in the span; `wait_p95_us` by nearest rank over those of them that were ready in the run's window,
    NEVER without any; `idle_us` and `pool_us` (building, idle and deleting) as much as lies in the span; `builds` of
    prebuilds that were created in it. `pool_cost`: float64[p + 1, w].
    """

    presets: tuple[str, ...]
    edges: Int64Array
    claims: Int64Array
    hits: Int64Array
    wait_p95_us: Int64Array
    idle_us: Int64Array
    pool_us: Int64Array
    builds: Int64Array
    pool_cost: npt.NDArray[np.float64]


def measures(result: KernelResult) -> Measures:
    """The numbers of one run of the kernel."""
    return of_window(result.given, tally.tally(result.given.inputs, result.rows, window_of(result.given)))


def window_of(given: Givens) -> Int64Array:
    """The edges of the whole window: int64[2]."""
    return np.array([given.scenario.start_at, given.scenario.end_at], dtype=np.int64)


def of_window(given: Givens, of: tally.Counted) -> Measures:
    """The same from what was counted in `window_of(given)`, with or without rows."""
    names = names_of(given)
    group, count = groups_of(given, names), len(names)
    cells = of_groups(of.cells[:, 0], group, count)
    wait_us = np.where(of.ready_at == NEVER, NEVER, of.ready_at - given.inputs.claims[:, facts.A_AT])
    waiting = group[given.inputs.claims[of.asked & (wait_us == NEVER), facts.A_PRESET]]
    costs = [given.scenario.workload_of(name).cost_per_instance_hour for name in names]
    return Measures(
        presets=names,
        claims=cells[:, tally.N_CLAIMS],
        hits=cells[:, tally.N_HITS],
        still_waiting=np.bincount(waiting, minlength=count),
        wait_us=wait_quantiles(group[given.inputs.claims[:, facts.A_PRESET]], wait_us, count),
        idle_us=cells[:, tally.N_UNUSED],
        builds=cells[:, tally.N_BUILDS],
        failed_builds=cells[:, tally.N_FAILED],
        spent_us=cells[:, tally.N_SPENT],
        has_pool=_has_pool(given, group, count),
        cost_per_instance_hour=np.array(costs, dtype=np.float64),
        window_us=given.scenario.end_at - given.scenario.start_at,
    )


def names_of(given: Givens) -> tuple[str, ...]:
    return tuple(dict.fromkeys(preset.name for _, preset in given.presets))


def groups_of(given: Givens, names: tuple[str, ...]) -> Int64Array:
    """For each preset, which of the names it has."""
    position = {name: i for i, name in enumerate(names)}
    return np.array([position[preset.name] for _, preset in given.presets], dtype=np.int64)


def of_groups(values: Int64Array, group: Int64Array, count: int) -> Int64Array:
    """The sum of each group of rows: int64[count, ...]."""
    found = np.zeros((count, *values.shape[1:]), dtype=np.int64)
    np.add.at(found, group, values)
    return found


def _asked(result: KernelResult) -> Int64Array:
    """The claims among what people came for; the rest are sessions of those who have a workspace."""
    found = result.rows.claims[:, facts.C_HIT]
    return np.flatnonzero((found == facts.HIT) | (found == facts.COLD))


class _Prebuilds(NamedTuple):
    """A row per prebuild: when it was built and stopped to be idle (the window's end if it still is)."""

    preset: Int64Array
    from_at: Int64Array
    until_at: Int64Array
    is_built: npt.NDArray[np.bool_]


def _prebuilds(result: KernelResult) -> _Prebuilds:
    workspaces, builds = result.rows.workspaces, result.rows.builds
    first = np.flatnonzero((builds[:, facts.B_NUMBER] == 1) & (builds[:, facts.B_HUMAN] == 0))
    mine = workspaces[builds[first, facts.B_WORKSPACE]]
    claimed_at = mine[:, facts.W_CLAIMED]
    gone_at = result.gone_at[builds[first, facts.B_WORKSPACE]]
    until_at = np.where(claimed_at != NEVER, claimed_at, np.minimum(gone_at, result.scenario.end_at))
    return _Prebuilds(
        preset=mine[:, facts.W_PRESET],
        from_at=builds[first, facts.B_COMPLETED],
        until_at=until_at,
        is_built=builds[first, facts.B_STATUS] == SUCCEEDED,
    )


def _has_pool(given: Givens, group: Int64Array, count: int) -> npt.NDArray[np.bool_]:
    """Does a group of presets ever want a prebuild, while its version is active?"""
    if not len(given.inputs.events):  # no version comes or goes
        presets = given.inputs.presets
        return np.bincount(group, presets[:, facts.P_MOST_DESIRED] * presets[:, facts.P_ACTIVE], count) > 0
    wanted = static_tables(given)["desired_instances"]
    return np.bincount(group[wanted["preset_id"][wanted["desired"] > 0] - 1], minlength=count) > 0


def wait_quantiles(group: Int64Array, wait_us: Int64Array, count: int) -> Int64Array:
    """WAIT_QUANTILES of each group's waits by nearest rank, over those that are not NEVER: int64[count, 3], NEVER
    without any."""
    found = np.full((count, len(WAIT_QUANTILES)), NEVER, dtype=np.int64)
    if count == 0:
        return found
    ordered = np.sort(wait_us) if count == 1 else wait_us[np.lexsort((wait_us, group))]
    begins = np.cumsum(np.bincount(group, minlength=count)) - np.bincount(group, minlength=count)
    sizes = np.bincount(group[wait_us != NEVER], minlength=count)  # NEVER stands at the end of its group
    some = sizes > 0
    for i, (share, of) in enumerate(WAIT_QUANTILES):
        rank = -(-sizes[some] * share // of)  # rounded up
        found[some, i] = ordered[begins[some] + rank - 1]
    return found


def _sums(group: Int64Array, values: Int64Array, count: int) -> Int64Array:
    """The sum of each group, exact: a float64 holds whole numbers up to 2**53, so halves are summed apart."""
    high = np.bincount(group, weights=values >> 26, minlength=count).astype(np.int64)
    low = np.bincount(group, weights=values & ((1 << 26) - 1), minlength=count).astype(np.int64)
    return (high << 26) + low


@lru_cache(maxsize=64)
def _hours(zone: Zone, start_at: int, end_at: int) -> tuple[Int64Array, Int64Array]:
    """(each local hour's beginning, and the window's end after them; which hour of the week each is)."""
    hours = local_hours(zone, start_at, end_at - 1)
    return np.append(hours.at, end_at), (hours.wall // HOUR_US + 72) % HOURS_PER_WEEK


def measures_by_hour(result: KernelResult) -> ByHour:
    """What adds up, by hour of the week; presets of one name are one."""
    names = names_of(result.given)
    scenario, group = result.scenario, groups_of(result.given, names)
    asked = _asked(result)
    claims = result.inputs.claims[asked]
    hit = result.rows.claims[asked, facts.C_HIT] == facts.HIT
    of = _prebuilds(result)
    tables = np.zeros((4, len(names), HOURS_PER_WEEK), dtype=np.int64)
    zones: set[tuple[int, str]] = set()
    for i, (_, one) in enumerate(result.given.presets):
        zone = scenario.zone_of(one)
        edges, hour = _hours(zone, scenario.start_at, scenario.end_at)
        start_at = scenario.start_at
        mine, waits = claims[:, facts.A_PRESET] == i, of.is_built & (of.preset == i)
        spans = (
            _counts(claims[mine, facts.A_AT], edges),
            _counts(claims[mine & hit, facts.A_AT], edges),
            _overlaps(of.from_at[waits] - start_at, of.until_at[waits] - start_at, edges - start_at),
            # A preset of several versions has its hours once.
            np.diff(edges) if (group[i], zone.name) not in zones else np.zeros(hour.size, dtype=np.int64),
        )
        zones.add((int(group[i]), zone.name))
        for table, values in zip(tables, spans, strict=True):
            table[group[i]] += _sums(hour, values, HOURS_PER_WEEK)
    return ByHour(names, *tables)


_Table = TypeVar("_Table", Int64Array, npt.NDArray[np.float64])


def _with_all(table: _Table) -> _Table:
    """A row per preset, and a last one of their sums."""
    return np.concatenate([table, table.sum(axis=0, keepdims=True)])


def _counts(at: Int64Array, edges: Int64Array) -> Int64Array:
    """How many of the instants, in order, lie from each edge to the next; what is later counts into the last."""
    before = np.searchsorted(at, edges)
    before[-1] = at.size
    return np.diff(before)


def _overlaps(from_at: Int64Array, until_at: Int64Array, edges: Int64Array) -> Int64Array:
    """How long the spans last from each edge to the next, added up.

    What has passed of all spans at an instant t is the sum of t - begin over those begun, less that of t - end over
    those ended; whole numbers may wrap on the way, their differences do not.
    """
    passed = np.zeros(edges.size, dtype=np.int64)
    for sign, at in ((1, np.sort(from_at)), (-1, np.sort(until_at))):
        begun = np.searchsorted(at, edges)
        total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(at)])
        passed += sign * (begun * edges - total[begun])
    return np.diff(passed)


def measures_by_week(result: KernelResult) -> ByWeek:
    """The numbers of each whole week of the window, from Monday 00:00 in the scenario's zone; presets of one name are
    one. What is left of a week at either end of the window is left out."""
    scenario = result.scenario
    return measures_between(result, whole_weeks(scenario.zone, scenario.start_at, scenario.end_at))


def measures_between(result: KernelResult, edges: Int64Array) -> ByWeek:
    """The same for the spans from each edge to the next: int64[w + 1] instants, increasing."""
    return counted_between(result.given, edges, tally.tally(result.given.inputs, result.rows, periods_of(edges)))


def periods_of(edges: Int64Array) -> Int64Array:
    """A span ends before its end: what happens at the last one's end falls into a period of its own."""
    return np.append(edges, edges[-1:] + 1)


def counted_between(given: Givens, edges: Int64Array, of: tally.Counted) -> ByWeek:
    """The same from what was counted in `periods_of(edges)`, with or without rows."""
    names = names_of(given)
    group, count, width = groups_of(given, names), len(names), max(edges.size - 1, 0)
    cells = _with_all(of_groups(of.cells[:, :width], group, count))
    claims = given.inputs.claims[of.asked]
    wait_us = np.where(of.ready_at == NEVER, NEVER, of.ready_at - given.inputs.claims[:, facts.A_AT])[of.asked]
    span = np.searchsorted(edges, claims[:, facts.A_AT], side="right") - 1
    inside = (span >= 0) & (span < width)
    preset, span, wait_us = group[claims[inside, facts.A_PRESET]], span[inside], wait_us[inside]
    waits = [wait_quantiles(preset * width + span, wait_us, count * width), wait_quantiles(span, wait_us, width)]
    pool_us = cells[:, :, tally.N_SPENT][:, :, :_OF_POOL].sum(axis=2)
    costs = np.array([given.scenario.workload_of(name).cost_per_instance_hour for name in names], dtype=np.float64)
    return ByWeek(
        presets=names,
        edges=edges,
        claims=cells[:, :, tally.N_CLAIMS],
        hits=cells[:, :, tally.N_HITS],
        wait_p95_us=np.concatenate([w[:, _P95] for w in waits]).reshape(count + 1, width),
        idle_us=cells[:, :, tally.N_UNUSED],
        pool_us=pool_us,
        builds=cells[:, :, tally.N_BUILDS],
        pool_cost=_with_all(pool_us[:-1] / HOUR_US * costs[:, np.newaxis]),
    )
