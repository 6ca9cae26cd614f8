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
from simkit.core import pools
from simkit.core.numbers import DELETE, FAILED, NONE, START, SUCCEEDED
from simkit.model import HOURS_PER_WEEK
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
    names = _names(result)
    group = _groups(result, names)
    count = len(names)
    asked, of_claim = _asked(result), result.rows.claims
    hit = of_claim[asked, pools.C_HIT] == pools.HIT
    claim_group = group[result.inputs.claims[asked, pools.A_PRESET]]
    ready_at = result.rows.builds[of_claim[asked, pools.C_BUILD], pools.B_READY]
    in_time = ready_at <= result.scenario.end_at
    wait_us = ready_at[in_time] - result.inputs.claims[asked, pools.A_AT][in_time]
    of = _prebuilds(result)
    costs = [result.scenario.workload_of(name).cost_per_instance_hour for name in names]
    claims = np.bincount(claim_group, minlength=count)
    return Measures(
        presets=names,
        claims=claims,
        hits=np.bincount(claim_group[hit], minlength=count),
        still_waiting=claims - np.bincount(claim_group[in_time], minlength=count),
        wait_us=_quantiles(claim_group[in_time], wait_us, count),
        idle_us=_sums(group[of.preset[of.is_built]], (of.until_at - of.from_at)[of.is_built], count),
        builds=np.bincount(group[of.preset], minlength=count),
        failed_builds=np.bincount(group[of.preset[of.has_failed]], minlength=count),
        spent_us=_spent(result, group, count),
        has_pool=_has_pool(result, group, count),
        cost_per_instance_hour=np.array(costs, dtype=np.float64),
        window_us=result.scenario.end_at - result.scenario.start_at,
    )


def _names(result: KernelResult) -> tuple[str, ...]:
    return tuple(dict.fromkeys(preset.name for _, preset in result.given.presets))


def _groups(result: KernelResult, names: tuple[str, ...]) -> Int64Array:
    """For each preset, which of the names it has."""
    position = {name: i for i, name in enumerate(names)}
    return np.array([position[preset.name] for _, preset in result.given.presets], dtype=np.int64)


def _asked(result: KernelResult) -> Int64Array:
    """The claims among what people came for; the rest are sessions of those who have a workspace."""
    found = result.rows.claims[:, pools.C_HIT]
    return np.flatnonzero((found == pools.HIT) | (found == pools.COLD))


class _Prebuilds(NamedTuple):
    """A row per prebuild: when it was created, built and stopped to be idle (the window's end if it still is)."""

    preset: Int64Array
    created_at: Int64Array
    from_at: Int64Array
    until_at: Int64Array
    is_built: npt.NDArray[np.bool_]
    has_failed: npt.NDArray[np.bool_]


def _prebuilds(result: KernelResult) -> _Prebuilds:
    workspaces, builds = result.rows.workspaces, result.rows.builds
    first = np.flatnonzero((builds[:, pools.B_NUMBER] == 1) & (builds[:, pools.B_HUMAN] == 0))
    mine = workspaces[builds[first, pools.B_WORKSPACE]]
    claimed_at, deleted_at = mine[:, pools.W_CLAIMED], mine[:, pools.W_DELETED]
    until_at = np.where(claimed_at != NEVER, claimed_at, np.minimum(deleted_at, result.scenario.end_at))
    status = builds[first, pools.B_STATUS]
    return _Prebuilds(
        preset=mine[:, pools.W_PRESET],
        created_at=builds[first, pools.B_CREATED],
        from_at=builds[first, pools.B_COMPLETED],
        until_at=until_at,
        is_built=status == SUCCEEDED,
        has_failed=status == FAILED,
    )


def _has_pool(result: KernelResult, group: Int64Array, count: int) -> npt.NDArray[np.bool_]:
    """Does a group of presets ever want a prebuild, while its version is active?"""
    if not len(result.inputs.events):  # no version comes or goes
        given = result.inputs.presets
        return np.bincount(group, given[:, pools.P_MOST_DESIRED] * given[:, pools.P_ACTIVE], count) > 0
    wanted = static_tables(result.given)["desired_instances"]
    return np.bincount(group[wanted["preset_id"][wanted["desired"] > 0] - 1], minlength=count) > 0


class _Span(NamedTuple):
    """When some instances run as one of SPENT: a row per build, `begin_at` and `end_at`; `rows`: which of them do."""

    rows: npt.NDArray[np.bool_]
    begin_at: Int64Array
    end_at: Int64Array


def _spent(result: KernelResult, group: Int64Array, count: int) -> Int64Array:
    """How long instances ran, by group of presets, as each of SPENT: int64[count, 5]. See the question `hours`."""
    of, spans = _spans(result)
    of = group[of]
    sums = [_sums(of[span.rows], (span.end_at - span.begin_at)[span.rows], count) for span in spans]
    return np.stack(sums, axis=1)


def _spans(result: KernelResult) -> tuple[Int64Array, tuple[_Span, ...]]:
    """(the preset of each build, the spans of each of SPENT)."""
    workspaces, builds, end_at = result.rows.workspaces, result.rows.builds, result.scenario.end_at
    order = np.argsort(builds[:, pools.B_WORKSPACE], kind="stable")
    follows = builds[order[1:], pools.B_WORKSPACE] == builds[order[:-1], pools.B_WORKSPACE]
    following = np.full(len(builds), NONE, dtype=np.int64)
    following[order[:-1][follows]] = order[1:][follows]
    has_next = following != NONE
    created_at = builds[:, pools.B_CREATED]
    started_at, completed_at = (np.minimum(builds[:, c], end_at) for c in (pools.B_STARTED, pools.B_COMPLETED))
    next_created_at = np.where(has_next, created_at[following], end_at)
    next_completed_at = np.where(has_next, completed_at[following], end_at)
    starts, failed = builds[:, pools.B_TRANSITION] == START, builds[:, pools.B_STATUS] == FAILED
    prebuilt = (builds[:, pools.B_NUMBER] == 1) & (builds[:, pools.B_HUMAN] == 0)
    owned = starts & ~prebuilt
    hits = result.rows.claims[result.rows.claims[:, pools.C_HIT] == pools.HIT, pools.C_BUILD]
    takes_over = np.zeros(len(builds), dtype=bool)
    takes_over[hits] = True
    begins_at = np.where(takes_over, created_at, started_at)
    deleted = has_next & prebuilt & (builds[following, pools.B_TRANSITION] == DELETE)
    left_until = np.where(prebuilt, next_created_at, next_completed_at)
    # One whose deletion failed is still there; one whose build never began never was.
    gone_at = np.where(builds[following, pools.B_STATUS] == FAILED, end_at, next_completed_at)
    left = starts & failed & (completed_at > started_at)
    spans = (
        _Span(prebuilt & (builds[:, pools.B_STARTED] != NEVER), started_at, completed_at),
        _Span(prebuilt & (builds[:, pools.B_STATUS] == SUCCEEDED), completed_at, next_created_at),
        _Span(deleted, next_created_at, gone_at),
        _Span(left, completed_at, left_until),
        _Span(owned, begins_at, np.where(failed, completed_at, next_completed_at)),
    )
    return workspaces[builds[:, pools.B_WORKSPACE], pools.W_PRESET], spans


def _quantiles(group: Int64Array, values: Int64Array, count: int) -> Int64Array:
    """WAIT_QUANTILES of each group by nearest rank: int64[count, 3], NEVER for an empty group."""
    found = np.full((count, len(WAIT_QUANTILES)), NEVER, dtype=np.int64)
    if not values.size:
        return found
    ordered = np.sort(values) if count == 1 else values[np.lexsort((values, group))]
    sizes = np.bincount(group, minlength=count)
    begins = np.cumsum(sizes) - sizes
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
    names = _names(result)
    scenario, group = result.scenario, _groups(result, names)
    asked = _asked(result)
    claims = result.inputs.claims[asked]
    hit = result.rows.claims[asked, pools.C_HIT] == pools.HIT
    of = _prebuilds(result)
    tables = np.zeros((4, len(names), HOURS_PER_WEEK), dtype=np.int64)
    zones: set[tuple[int, str]] = set()
    for i, (_, one) in enumerate(result.given.presets):
        zone = scenario.zone_of(one)
        edges, hour = _hours(zone, scenario.start_at, scenario.end_at)
        start_at = scenario.start_at
        mine, waits = claims[:, pools.A_PRESET] == i, of.is_built & (of.preset == i)
        spans = (
            _counts(claims[mine, pools.A_AT], edges),
            _counts(claims[mine & hit, pools.A_AT], edges),
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
    names = _names(result)
    group, count, width = _groups(result, names), len(names), max(edges.size - 1, 0)
    cells = count * width

    def cell(of: Int64Array, at: Int64Array) -> tuple[npt.NDArray[np.bool_], Int64Array]:
        """(which instants lie in a span, and for these the number of preset and span)."""
        span = np.searchsorted(edges, at, side="right") - 1
        inside = (span >= 0) & (span < width)
        return inside, group[of[inside]] * width + span[inside]

    def counts(where: Int64Array) -> Int64Array:
        return _with_all(np.bincount(where, minlength=cells).reshape(count, width))

    def lasting(of: Int64Array, from_at: Int64Array, until_at: Int64Array) -> Int64Array:
        table = np.zeros((count, width), dtype=np.int64)
        for i in range(count if width else 0):
            mine = of == i
            table[i] = _overlaps(from_at[mine] - edges[0], until_at[mine] - edges[0], edges - edges[0])
        return _with_all(table)

    asked = _asked(result)
    of_claim, claims = result.rows.claims[asked], result.inputs.claims[asked]
    inside, where = cell(claims[:, pools.A_PRESET], claims[:, pools.A_AT])
    hit = of_claim[inside, pools.C_HIT] == pools.HIT
    ready_at = result.rows.builds[of_claim[inside, pools.C_BUILD], pools.B_READY]
    in_time = ready_at <= result.scenario.end_at
    wait_us, of_wait = (ready_at - claims[inside, pools.A_AT])[in_time], where[in_time]
    waits = [_quantiles(of_wait, wait_us, cells), _quantiles(of_wait % max(width, 1), wait_us, width)]
    idle = _prebuilds(result)
    built_for, spans = _spans(result)
    of_pool = [(group[built_for[s.rows]], s.begin_at[s.rows], s.end_at[s.rows]) for s in spans[:_OF_POOL]]
    pool_us = lasting(*(np.concatenate(parts) for parts in zip(*of_pool, strict=True)))
    _, created = cell(idle.preset, idle.created_at)
    costs = np.array([result.scenario.workload_of(name).cost_per_instance_hour for name in names], dtype=np.float64)
    return ByWeek(
        presets=names,
        edges=edges,
        claims=counts(where),
        hits=counts(where[hit]),
        wait_p95_us=np.concatenate([w[:, _P95] for w in waits]).reshape(count + 1, width),
        idle_us=lasting(group[idle.preset[idle.is_built]], idle.from_at[idle.is_built], idle.until_at[idle.is_built]),
        pool_us=pool_us,
        builds=counts(created),
        pool_cost=_with_all(pool_us[:-1] / HOUR_US * costs[:, np.newaxis]),
    )
