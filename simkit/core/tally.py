"""What is counted of a run, by preset and period, and the counts from the kernel's rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.core.compile import jit, part
from simkit.core.facts import (
    A_AT,
    A_PRESET,
    B_COMPLETED,
    B_CREATED,
    B_ENDED,
    B_HUMAN,
    B_NUMBER,
    B_READY,
    B_STARTED,
    B_STATUS,
    B_TRANSITION,
    B_WORKSPACE,
    BY_QUOTA,
    BY_REAPER,
    C_BUILD,
    C_HIT,
    COLD,
    D_AT,
    D_HARD_LIMITED,
    D_PRESET,
    DEACTIVATE,
    E_AT,
    E_KIND,
    E_PRESET,
    HIT,
    W_CLAIMED,
    W_OWNER,
    W_PRESET,
    Inputs,
)
from simkit.core.kernel import Output
from simkit.core.numbers import (
    CANCELED,
    FAILED,
    NEVER,
    NONE,
    START,
    SUCCEEDED,
    Int64Array,
    Table,
)

# What is counted, by preset and period. ABOVE the quota is a part of FAILED. IDLE is until somebody claims a prebuild
# or its deletion is ordered, UNUSED until it is claimed or gone; a stop, which old versions' executor orders, is as
# good as a deletion. LEFT behind by a failed build; CLAIMED by people is counted from rows alone.
N_CLAIMS, N_HITS, N_BUILDS, N_FAILED, N_ABOVE, N_UNUSED, N_BUILDING, N_IDLE, N_DELETING, N_LEFT, N_CLAIMED = range(11)
N_COLUMNS = 11


N_SPENT = slice(N_BUILDING, N_COLUMNS)
"""What an instance is while it runs, in the order of `runs.measures.SPENT`."""


class Periods(NamedTuple):
    """Columns of time: before the first edge, from each to the next, after the last. The last period has its end."""

    from_at: Int64Array  # [k + 2] where each begins
    counts_from: Int64Array  # [k + 3] what happens from then on belongs to it; NEVER at the end


class Counted(NamedTuple):
    """What was counted. `cells`: int64[p, k, N_COLUMNS].

    By claim of the input, [n] each: `asked`: is it a claim, and no session of somebody who has a workspace?
    `ready_at`: NEVER for who is not ready within the window. `queued_us`: how long their build waited for a daemon,
    NEVER if none has taken it.
    `limited_at`, `limited_us`: int64[p], since when the hard limit kept a preset from building (NEVER) and how long.
    """

    cells: Int64Array
    asked: npt.NDArray[np.bool_]
    hit: npt.NDArray[np.bool_]
    ready_at: Int64Array
    queued_us: Int64Array
    limited_at: Int64Array
    limited_us: Int64Array


@part
def _spread(
    cells: Int64Array, periods: Periods, period: int, preset: int, what: int, from_at: int, until_at: int
) -> None:
    """Each period's part of a span; it ends in `period`."""
    while from_at < periods.from_at[period]:
        cells[preset, period, what] += until_at - periods.from_at[period]
        until_at = periods.from_at[period]
        period -= 1
    cells[preset, period, what] += until_at - from_at


def periods_of(edges: Int64Array) -> Periods:
    from_at = np.concatenate([np.array([-NEVER], dtype=np.int64), edges])
    counts_from = np.append(from_at, NEVER)
    counts_from[-2] += 1
    return Periods(from_at, counts_from)


@jit
def _tally(
    inputs: Inputs,
    workspaces: Table,
    builds: Table,
    claims: Table,
    periods: Periods,
    following: Int64Array,
    gone_at: Int64Array,
    cells: Int64Array,
    asked: npt.NDArray[np.bool_],
    hit: npt.NDArray[np.bool_],
    ready_at: Int64Array,
    queued_us: Int64Array,
) -> None:
    """Count the kernel's rows. `following`: int64[workspaces], NONE; it takes each one's build after the current.
    `gone_at`: int64[workspaces], the window's end; it takes when each one runs no more."""
    end_at, created_in = inputs.settings.end_at, periods.from_at.size - 1
    for i in range(builds.shape[0] - 1, -1, -1):
        build = builds[i]
        w = build[B_WORKSPACE]
        preset, owner = workspaces[w, W_PRESET], workspaces[w, W_OWNER]
        after = following[w]
        following[w] = i
        after_created_at = builds[after, B_CREATED] if after != NONE else end_at
        after_completed_at = min(builds[after, B_COMPLETED], end_at) if after != NONE else end_at
        created_at, started_at = build[B_CREATED], min(build[B_STARTED], end_at)
        completed_at, failed = min(build[B_COMPLETED], end_at), build[B_STATUS] == FAILED
        if build[B_TRANSITION] != START and build[B_STATUS] == SUCCEEDED:
            gone_at[w] = completed_at
        starts, prebuilt = build[B_TRANSITION] == START, build[B_NUMBER] == 1 and build[B_HUMAN] == 0
        above = failed and build[B_ENDED] == BY_QUOTA  # found between plan and apply: nothing was built
        while created_at < periods.counts_from[created_in]:
            created_in -= 1
        if prebuilt:
            cells[preset, created_in, N_BUILDS] += 1
            if build[B_STARTED] != NEVER and not above:
                _add(cells, periods, created_in, preset, N_BUILDING, started_at, completed_at)
            if failed:
                period = _period(periods, created_in, completed_at)
                cells[preset, period, N_FAILED] += 1
                if above:
                    cells[preset, period, N_ABOVE] += 1
            if build[B_STATUS] == SUCCEEDED:
                until_at = workspaces[w, W_CLAIMED]
                if until_at == NEVER:
                    until_at = gone_at[w]
                _add(cells, periods, created_in, preset, N_UNUSED, completed_at, until_at)
                _add(cells, periods, created_in, preset, N_IDLE, completed_at, after_created_at)
            if after != NONE and builds[after, B_TRANSITION] != START and build[B_STATUS] != CANCELED:
                # One whose deletion failed is still there; of a cancelled one nothing ever was.
                _add(cells, periods, created_in, preset, N_DELETING, after_created_at, gone_at[w])
        if starts and failed and not above and completed_at > started_at:  # one whose build never began never was
            until_at = after_created_at if prebuilt else after_completed_at
            _add(cells, periods, created_in, preset, N_LEFT, completed_at, until_at)
        if starts and not prebuilt:
            takes_over = claims[owner, C_HIT] == HIT and claims[owner, C_BUILD] == i
            begins_at = created_at if takes_over else started_at
            until_at = completed_at if failed else after_completed_at
            _add(cells, periods, created_in, preset, N_CLAIMED, begins_at, until_at)
    period = 0
    for i in range(claims.shape[0]):
        found, at = claims[i, C_HIT], inputs.claims[i, A_AT]
        if found != HIT and found != COLD:
            continue
        asked[i] = True
        preset = inputs.claims[i, A_PRESET]
        period = _period(periods, period, at)
        cells[preset, period, N_CLAIMS] += 1
        if found == HIT:
            hit[i] = True
            cells[preset, period, N_HITS] += 1
        build = builds[claims[i, C_BUILD]]
        if build[B_READY] <= end_at:
            ready_at[i] = build[B_READY]
        if build[B_STARTED] != NEVER and build[B_ENDED] != BY_REAPER:
            queued_us[i] = build[B_STARTED] - build[B_CREATED]


@part
def _period(periods: Periods, period: int, at: int) -> int:
    """The period of an instant that is not before one."""
    while at >= periods.counts_from[period + 1]:
        period += 1
    return period


@part
def _add(cells: Int64Array, periods: Periods, period: int, preset: int, what: int, from_at: int, until_at: int) -> None:
    """Each period's part of a span that does not end before `period`."""
    _spread(cells, periods, _period(periods, period, until_at), preset, what, from_at, until_at)


def tally(inputs: Inputs, rows: Output, edges: Int64Array) -> Counted:
    """The counts of a run of the kernel, any run. `edges`: int64[k + 1], ascending."""
    claims, periods = len(rows.claims), periods_of(edges)
    following = np.full(len(rows.workspaces), NONE, dtype=np.int64)
    cells = np.zeros((inputs.presets.shape[0], periods.from_at.size, N_COLUMNS), dtype=np.int64)
    asked, hit = (np.zeros(claims, dtype=np.bool_) for _ in range(2))
    ready_at, queued_us = (np.full(claims, NEVER, dtype=np.int64) for _ in range(2))
    of_claims = (asked, hit, ready_at, queued_us)
    gone_at = np.full(len(rows.workspaces), inputs.settings.end_at, dtype=np.int64)
    _tally(inputs, rows.workspaces, rows.builds, rows.claims, periods, following, gone_at, cells, *of_claims)
    return Counted(cells[:, 1:-1], *of_claims, *_limits(inputs, rows))


def _limits(inputs: Inputs, rows: Output) -> tuple[Int64Array, Int64Array]:
    """(since when, how long) the hard limit kept each preset from building, as the view `hard_limits` has it.

    It ends when one of the newest failures is deleted, when another version comes, or with the window.
    """
    presets = inputs.presets.shape[0]
    limited_at = np.full(presets, NEVER, dtype=np.int64)
    limited_us = np.zeros(presets, dtype=np.int64)
    held = rows.decisions[rows.decisions[:, D_HARD_LIMITED] == 1]
    if not len(held):
        return limited_at, limited_us
    b = rows.builds
    failed = b[(b[:, B_NUMBER] == 1) & (b[:, B_HUMAN] == 0) & (b[:, B_STATUS] == FAILED)]
    deleted_at = np.full(len(rows.workspaces), NEVER, dtype=np.int64)
    deletes = b[b[:, B_TRANSITION] != START][::-1]  # the first of a workspace is written last
    deleted_at[deletes[:, B_WORKSPACE]] = deletes[:, B_CREATED]
    gone_at = deleted_at[failed[:, B_WORKSPACE]]
    ended: dict[tuple[int, int], int] = {}  # the first tick of each span, by preset and end
    for at, preset in held[:, [D_AT, D_PRESET]].tolist():
        mine = rows.workspaces[failed[:, B_WORKSPACE], W_PRESET] == preset
        stands = mine & (failed[:, B_COMPLETED] <= at) & (gone_at > at)
        events = inputs.events[(inputs.events[:, E_PRESET] == preset) & (inputs.events[:, E_AT] >= at)]
        replaced = events[events[:, E_KIND] == DEACTIVATE, E_AT].tolist()
        cleared = gone_at[stands][-inputs.settings.hard_limit :].tolist()
        ended.setdefault((preset, min(*cleared, *replaced, inputs.settings.end_at)), at)
    for (preset, until_at), at in ended.items():
        limited_at[preset] = min(limited_at[preset], at)
        limited_us[preset] += until_at - at
    return limited_at, limited_us
