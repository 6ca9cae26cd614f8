"""A run that keeps counts only, and the same counts from the kernel's rows.

The loop is the kernel's without what can be left to it (people, tags, operators, the reaper): the rules of `policy` and
`pools`, in the order of `numbers.Order`. Its prebuilds have a row while they stand; when the rows are used up, those of
the prebuilds that are gone are closed up, so that a year takes a few pages of memory. Queues need no memory at all:
people's jobs are claims in their order, the others are prebuilds, each with one job at a time.

A job that decides nothing when it is done is quiet: all that follows from it is known when a daemon takes it, and its
end is looked at only when somebody waits for a daemon.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.core.chance import luck_of
from simkit.core.compile import jit, part
from simkit.core.facts import (
    A_AT,
    A_LUCK,
    A_PRESET,
    ACTIVATE,
    AGENT,
    BUILD,
    CLAIM,
    COUNTERS,
    E_AT,
    E_KIND,
    E_PRESET,
    FIRST,
    G_COUNT,
    G_PEOPLE,
    G_PREBUILDS,
    INVALIDATE,
    J_AT,
    J_BUILD,
    LAST,
    LISTS,
    MORE,
    NEXT_CLAIM,
    NEXT_EVENT,
    NEXT_REAP,
    NEXT_TICK,
    NEXT_WAKE,
    P_FAILING_FROM,
    P_FAILING_UNTIL,
    P_KEY,
    P_MOST_DESIRED,
    PAUSE,
    PAUSED,
    PREBUILDS_FIRST,
    REAPED_AT,
    REINITIALIZE,
    REMOVE,
    REMOVE_CANCELED,
    RESUME,
    RUNNING_JOBS,
    RUNNING_LIST,
    S_ACTIVE,
    S_CLAIMING,
    S_COLUMNS,
    S_INVALIDATED,
    S_ORDINAL,
    S_WAKE,
    STARTING_LIST,
    W_COLUMNS,
    W_CREATED,
    W_LUCK,
    W_NEXT,
    W_ORDINAL,
    W_OWNER,
    W_PRESET,
    W_PREV,
    WORKSPACES,
    Inputs,
    TooManyRowsError,
    empty_world,
)
from simkit.core.jobs import begin_job, next_to_finish, reap_after
from simkit.core.lives import People
from simkit.core.numbers import (
    NEVER,
    NONE,
    SECOND_US,
    Int64Array,
    Table,
)
from simkit.core.policy import goes_first
from simkit.core.pools import (
    choose,
    count_taken,
    duration,
    fails_by_chance,
    finish_prebuild,
    is_above,
    judge,
    link,
    sleep,
    tick_from,
    unlink,
    wake,
)
from simkit.core.tally import (
    N_ABOVE,
    N_BUILDING,
    N_BUILDS,
    N_CLAIMS,
    N_COLUMNS,
    N_DELETING,
    N_FAILED,
    N_HITS,
    N_IDLE,
    N_LEFT,
    N_UNUSED,
    Counted,
    Periods,
    _add,
    _spread,
    periods_of,
)

# A prebuild that stands has a workspace's columns and these: what it is at; since when it is built, idle or deleted;
# when its job was queued, and the next in the queue; will its build fail.
K_WORK, K_SINCE, K_QUEUED, K_AFTER, K_FAILS, K_TO, K_COLUMNS = (*range(W_COLUMNS, W_COLUMNS + 6), W_COLUMNS + 6)
GONE, PENDING_BUILD, BUILDING, STANDING, BROKEN, TAKEN, LEAVING, CANCELED_BUILD = range(8)
# Of each preset, beside what the reconciler knows: the first of its failing builds that is not behind its ordinal.
K_FAILING, K_STATE_COLUMNS = S_COLUMNS, S_COLUMNS + 1
# Counters beside those of the kernel: the period of now; the first claim whose own job may not have been taken; how
# many quiet jobs run, and the end of one that somebody waits for.
PERIOD, NEXT_OWN, QUIET_JOBS, NEXT_QUIET, MORE_COUNTERS = (*range(COUNTERS, COUNTERS + 4), COUNTERS + 4)
# Why the loop stops: it is over, the rows are used up, and those of what is gone closed up; the reaper would act.
OVER, FULL, REAPED = range(3)


class _World(NamedTuple):
    """Everything that changes. What the rules of `pools` look at has their names."""

    workspaces: Table  # [rows, K_COLUMNS]
    counters: Int64Array
    lists: Table
    state: Table  # [p, K_STATE_COLUMNS]
    jobs: Table  # J_BUILD: a prebuild's row twice, or a claim twice and one more
    quiet: Int64Array  # when quiet jobs are done, the next last
    free: Int64Array  # [1]
    cells: Int64Array  # [p, k + 2, N_COLUMNS]
    hit: npt.NDArray[np.bool_]
    ready_at: Int64Array
    queued_us: Int64Array
    limited_at: Int64Array
    limited_us: Int64Array  # NEVER while it lasts


@jit
def _count_on(inputs: Inputs, world: _World, periods: Periods) -> int:
    """Go on from event to event, as the kernel does, until it stops for one of the reasons above."""
    start_at, end_at, interval_us = inputs.settings.start_at, inputs.settings.end_at, inputs.settings.interval_us
    presets = inputs.presets.shape[0]
    counters, jobs = world.counters, world.jobs
    most = 0
    for preset in range(presets):
        most += inputs.presets[preset, P_MOST_DESIRED]
    while True:
        event_at = inputs.events[counters[NEXT_EVENT], E_AT] if counters[NEXT_EVENT] < inputs.events.shape[0] else NEVER
        claim_at = inputs.claims[counters[NEXT_CLAIM], A_AT] if counters[NEXT_CLAIM] < inputs.claims.shape[0] else NEVER
        job_at = jobs[counters[RUNNING_JOBS] - 1, J_AT] if counters[RUNNING_JOBS] > 0 else NEVER
        now_at = min(event_at, claim_at, job_at, counters[NEXT_QUIET], counters[NEXT_REAP])
        tick_at = max(counters[NEXT_TICK], counters[NEXT_WAKE])
        if counters[PAUSED] == 1 or tick_at > now_at:
            tick_at = NEVER  # not the next: a division is spared
        elif counters[NEXT_WAKE] > counters[NEXT_TICK]:
            tick_at = tick_from(counters[NEXT_WAKE], start_at, interval_us)
        now_at = min(now_at, tick_at)
        ends = now_at > end_at
        if ends:
            now_at = end_at
        while now_at >= periods.counts_from[counters[PERIOD] + 1]:
            counters[PERIOD] += 1
        if ends:
            _close(inputs, world, periods)
            return OVER
        # What happens at one instant happens in the order of these branches, which is that of `numbers.Order`.
        if event_at == now_at:
            _come_about(inputs, world, counters[NEXT_EVENT])
            counters[NEXT_EVENT] += 1
        elif job_at == now_at:
            _end_job(inputs, world, periods, next_to_finish(world), now_at)
        elif counters[NEXT_QUIET] == now_at:
            pass  # its daemon takes the next job
        elif claim_at == now_at:
            _serve(inputs, world, periods, counters[NEXT_CLAIM], now_at)
            counters[NEXT_CLAIM] += 1
        elif tick_at == now_at:
            if counters[WORKSPACES] + most > world.workspaces.shape[0]:
                _close_up(world)
                counters[MORE] = most
                return FULL
            counters[NEXT_WAKE] = NEVER
            for preset in range(presets):
                if world.state[preset, S_WAKE] <= now_at:
                    _decide(inputs, world, periods, preset, now_at)
                counters[NEXT_WAKE] = min(counters[NEXT_WAKE], world.state[preset, S_WAKE])
            counters[NEXT_TICK] = now_at + interval_us
        else:
            return REAPED
        _take_jobs(inputs, world, periods, now_at)


@part
def _count(world: _World, preset: int, what: int) -> None:
    world.cells[preset, world.counters[PERIOD], what] += 1


@part
def _spend(world: _World, periods: Periods, w: int, what: int, until_at: int) -> None:
    """A prebuild has been at something since K_SINCE."""
    row = world.workspaces[w]
    _spread(world.cells, periods, world.counters[PERIOD], row[W_PRESET], what, row[K_SINCE], until_at)


@part
def _come_about(inputs: Inputs, world: _World, i: int) -> None:
    """One of the scenario's events."""
    at, kind, preset = inputs.events[i, E_AT], inputs.events[i, E_KIND], inputs.events[i, E_PRESET]
    if kind == PAUSE:
        world.counters[PAUSED] = 1
        return
    if kind == RESUME:
        world.counters[PAUSED] = 0
        first_at = tick_from(at, inputs.settings.start_at, inputs.settings.interval_us)
        world.counters[NEXT_TICK] = max(world.counters[NEXT_TICK], first_at)
        return
    if kind == INVALIDATE:
        world.state[preset, S_INVALIDATED] = at
    else:
        world.state[preset, S_ACTIVE] = 1 if kind == ACTIVATE else 0
        _unlimit(world, preset, at)
    wake(world, preset, at)


@part
def _unlimit(world: _World, preset: int, at: int) -> None:
    """A hard limit lasts until another version comes, or the window ends: nobody deletes failures here."""
    if world.limited_at[preset] != NEVER and world.limited_us[preset] == NEVER:
        world.limited_us[preset] = at - world.limited_at[preset]


@part
def _enqueue(world: _World, w: int, work: int, now_at: int) -> None:
    """Queue a prebuild's job behind the others that the prebuilds user initiates."""
    counters, row = world.counters, world.workspaces[w]
    row[K_WORK] = work
    row[K_QUEUED] = now_at
    row[K_AFTER] = NONE
    if counters[PREBUILDS_FIRST] == NONE:
        counters[PREBUILDS_FIRST] = w
    else:
        world.workspaces[counters[PREBUILDS_FIRST + 1], K_AFTER] = w
    counters[PREBUILDS_FIRST + 1] = w


@part
def _end_job(inputs: Inputs, world: _World, periods: Periods, job: int, now_at: int) -> None:
    """A job is done: a prebuild runs or has failed, or a claim is built."""
    i = job >> 1
    if job & 1:  # of a claim whose build counts as starting
        preset = inputs.claims[i, A_PRESET]
        world.state[preset, S_CLAIMING] -= 1
        wake(world, preset, now_at)
        return
    row = world.workspaces[i]
    above = row[K_FAILS] == 0 and is_above(inputs, world, row[W_PRESET])
    if above:  # Coder looks at the quota between plan and apply: nothing was built
        row[K_FAILS] = 1
        _count(world, row[W_PRESET], N_ABOVE)
    else:
        _spend(world, periods, i, N_BUILDING, now_at)
    # One that failed at once never was, either.
    never_was = above or (row[K_FAILS] == 1 and row[K_SINCE] == now_at)
    row[K_SINCE] = inputs.settings.end_at if never_was else now_at
    row[K_WORK] = BROKEN if row[K_FAILS] else STANDING
    if not finish_prebuild(inputs, world, i, row[K_FAILS] == 1, now_at):
        _count(world, row[W_PRESET], N_FAILED)


@part
def _serve(inputs: Inputs, world: _World, periods: Periods, i: int, now_at: int) -> None:
    """Somebody asks for a workspace, and gets a ready prebuild or one that is built cold."""
    preset = inputs.claims[i, A_PRESET]
    w = choose(inputs, world, preset, inputs.claims[i, A_LUCK], now_at)
    _count(world, preset, N_CLAIMS)
    if w == NONE:
        return
    _count(world, preset, N_HITS)
    _spend(world, periods, w, N_IDLE, now_at)
    world.hit[i] = True
    unlink(world, preset * LISTS + RUNNING_LIST, w)
    world.workspaces[w, K_WORK] = GONE
    count_taken(inputs, world, preset, now_at)
    if inputs.settings.claims_by_prebuilds:
        world.workspaces[w, W_OWNER] = i
        _enqueue(world, w, TAKEN, now_at)


@part
def _decide(inputs: Inputs, world: _World, periods: Periods, preset: int, now_at: int) -> None:
    """One preset's part of a tick."""
    lists = preset * LISTS
    of = judge(inputs, world, None, preset, now_at)
    if of.held_until != NEVER:
        world.state[preset, S_WAKE] = of.wake_at
        return
    actions = of.actions
    if inputs.settings.cancels_pending and not of.pool.active:
        _withdraw(inputs, world, preset, now_at)
    if of.newly_limited and world.limited_at[preset] == NEVER:
        world.limited_at[preset] = now_at
    deletes = actions.delete_expired + actions.delete_oldest
    w = of.first
    for _ in range(deletes):
        following = world.workspaces[w, W_NEXT]
        _spend(world, periods, w, N_IDLE, now_at)
        unlink(world, lists + RUNNING_LIST, w)
        world.workspaces[w, K_SINCE] = now_at
        _enqueue(world, w, LEAVING, now_at)
        w = following
    for slot in range(actions.create):
        w = world.counters[WORKSPACES]
        world.counters[WORKSPACES] += 1
        world.state[preset, S_ORDINAL] += 1
        row = world.workspaces[w]
        row[W_PRESET] = preset
        row[W_CREATED] = now_at
        row[W_LUCK] = luck_of(inputs.presets[preset, P_KEY], now_at // SECOND_US, slot)
        row[W_ORDINAL] = world.state[preset, S_ORDINAL]
        row[K_FAILS] = 1 if _fails(inputs, world, preset, row[W_LUCK]) else 0
        _count(world, preset, N_BUILDS)
        link(world, lists + STARTING_LIST, w)
        _enqueue(world, w, PENDING_BUILD, now_at)
    sleep(inputs, world, preset, deletes, of.wake_at, now_at)


@part
def _fails(inputs: Inputs, world: _World, preset: int, luck: int) -> bool:
    """Will the build of the preset's newest prebuild fail? Ordinals only grow, so that no search is needed."""
    i, until = world.state[preset, K_FAILING], inputs.presets[preset, P_FAILING_UNTIL]
    ordinal = world.state[preset, S_ORDINAL]
    while i < until and inputs.failing[i] < ordinal:
        i += 1
    world.state[preset, K_FAILING] = i
    return (i < until and inputs.failing[i] == ordinal) or fails_by_chance(inputs, preset, luck)


@part
def _withdraw(inputs: Inputs, world: _World, preset: int, now_at: int) -> None:
    """Cancel a preset's builds that no daemon has taken; where the version deletes what it cancels, by a job of its
    own, that waits in their place behind the others."""
    counters, rows = world.counters, world.workspaces
    last, w = NONE, counters[PREBUILDS_FIRST]
    while w != NONE:
        if rows[w, K_WORK] != PENDING_BUILD or rows[w, W_PRESET] != preset:
            last = w
        elif last == NONE:
            counters[PREBUILDS_FIRST] = rows[w, K_AFTER]
        else:
            rows[last, K_AFTER] = rows[w, K_AFTER]
        w = rows[w, K_AFTER]
    counters[PREBUILDS_FIRST + 1] = last
    which = preset * LISTS + STARTING_LIST
    w = world.lists[which, FIRST]
    while w != NONE:
        following = rows[w, W_NEXT]
        if rows[w, K_WORK] == PENDING_BUILD:
            rows[w, K_WORK] = GONE
            unlink(world, which, w)
            if inputs.settings.deletes_canceled:
                _enqueue(world, w, CANCELED_BUILD, now_at)
        w = following


@part
def _take_jobs(inputs: Inputs, world: _World, periods: Periods, now_at: int) -> None:
    """Free daemons take pending jobs."""
    counters = world.counters
    while True:
        # People's own: who waits in the other queue has a hit.
        own = counters[NEXT_OWN]
        while own < counters[NEXT_CLAIM] and world.hit[own] and inputs.settings.claims_by_prebuilds:
            own += 1
        counters[NEXT_OWN] = own
        w = counters[PREBUILDS_FIRST]
        is_asked, is_queued = own < counters[NEXT_CLAIM], w != NONE
        if not (is_asked or is_queued):
            counters[NEXT_QUIET] = NEVER
            counters[NEXT_REAP] = NEVER
            return
        quiet = counters[QUIET_JOBS]
        while quiet > 0 and world.quiet[quiet - 1] <= now_at:
            quiet -= 1
            world.free[0] += 1
        counters[QUIET_JOBS] = quiet
        asked_at = inputs.claims[own, A_AT] if is_asked else NEVER
        queued_at = world.workspaces[w, K_QUEUED] if is_queued else NEVER
        if world.free[0] == 0:
            counters[NEXT_QUIET] = world.quiet[quiet - 1] if quiet > 0 else NEVER
            if inputs.settings.has_reaper:
                counters[NEXT_REAP] = reap_after(min(asked_at, queued_at), counters[REAPED_AT])
            return
        if is_asked and (not is_queued or goes_first(True, asked_at, False, queued_at)):
            counters[NEXT_OWN] += 1
            _build_claim(inputs, world, own, now_at)
            continue
        row = world.workspaces[w]
        counters[PREBUILDS_FIRST] = row[K_AFTER]
        preset, work = row[W_PRESET], row[K_WORK]
        if work == PENDING_BUILD:
            row[K_WORK] = BUILDING
            row[K_SINCE] = now_at
            begin_job(world, 2 * w, 0, now_at + duration(inputs, preset, BUILD, row[W_LUCK]))
            continue
        row[K_WORK] = GONE
        if work == TAKEN:
            _build_claim(inputs, world, row[W_OWNER], now_at)
        elif work == CANCELED_BUILD:
            _begin_quiet(world, now_at + duration(inputs, preset, REMOVE_CANCELED, row[W_LUCK]))
        else:
            gone_at = now_at + duration(inputs, preset, REMOVE, row[W_LUCK])
            until_at = min(gone_at, inputs.settings.end_at)
            _add(world.cells, periods, counters[PERIOD], preset, N_DELETING, row[K_SINCE], until_at)
            _begin_quiet(world, gone_at)


@part
def _build_claim(inputs: Inputs, world: _World, i: int, now_at: int) -> None:
    given, hit = inputs.claims[i], world.hit[i]
    preset, luck = given[A_PRESET], given[A_LUCK]
    world.queued_us[i] = now_at - given[A_AT]
    built_at = now_at + duration(inputs, preset, CLAIM if hit else BUILD, luck)
    ready_at = built_at + duration(inputs, preset, REINITIALIZE if hit else AGENT, luck)
    if ready_at <= inputs.settings.end_at:
        world.ready_at[i] = ready_at
    if hit and inputs.settings.claims_by_prebuilds:
        begin_job(world, 2 * i + 1, 0, built_at)
    else:
        _begin_quiet(world, built_at)


@part
def _begin_quiet(world: _World, until_at: int) -> None:
    """A daemon is busy until then, with a job that decides nothing when it is done."""
    world.free[0] -= 1
    i, quiet = world.counters[QUIET_JOBS], world.quiet
    world.counters[QUIET_JOBS] = i + 1
    while i > 0 and quiet[i - 1] < until_at:
        quiet[i] = quiet[i - 1]
        i -= 1
    quiet[i] = until_at


@part
def _close_up(world: _World) -> None:
    """Close up the rows of the prebuilds that are gone; the others keep their order."""
    rows, counters = world.workspaces, world.counters
    count, kept = counters[WORKSPACES], 0
    for w in range(count):
        rows[w, K_TO] = NONE
        if rows[w, K_WORK] != GONE:
            rows[w, K_TO] = kept
            kept += 1
    for w in range(count):
        if rows[w, K_WORK] != GONE:
            # Those of a prebuild in no list or no queue may be old; nobody follows them.
            rows[w, W_PREV] = _to(rows, rows[w, W_PREV])
            rows[w, W_NEXT] = _to(rows, rows[w, W_NEXT])
            rows[w, K_AFTER] = _to(rows, rows[w, K_AFTER])
    for which in range(world.lists.shape[0]):
        world.lists[which, FIRST] = _to(rows, world.lists[which, FIRST])
        world.lists[which, LAST] = _to(rows, world.lists[which, LAST])
    if counters[PREBUILDS_FIRST] != NONE:  # the last of an empty queue may be gone
        counters[PREBUILDS_FIRST] = _to(rows, counters[PREBUILDS_FIRST])
        counters[PREBUILDS_FIRST + 1] = _to(rows, counters[PREBUILDS_FIRST + 1])
    for i in range(counters[RUNNING_JOBS]):
        job = world.jobs[i, J_BUILD]
        if job & 1 == 0:
            world.jobs[i, J_BUILD] = 2 * rows[job >> 1, K_TO]
    for w in range(count):
        if rows[w, K_WORK] != GONE and rows[w, K_TO] != w:
            for column in range(K_COLUMNS):
                rows[rows[w, K_TO], column] = rows[w, column]
    counters[WORKSPACES] = kept


@part
def _to(rows: Table, w: int) -> int:
    return NONE if w == NONE else rows[w, K_TO]


@part
def _close(inputs: Inputs, world: _World, periods: Periods) -> None:
    """The window ends: what still lasts counts until then."""
    end_at = inputs.settings.end_at
    for w in range(world.counters[WORKSPACES]):
        work = world.workspaces[w, K_WORK]
        if work == BUILDING:
            _spend(world, periods, w, N_BUILDING, end_at)
        elif work == STANDING:
            _spend(world, periods, w, N_IDLE, end_at)
        elif work == LEAVING:
            _spend(world, periods, w, N_DELETING, end_at)
        elif work == BROKEN:
            _spend(world, periods, w, N_LEFT, end_at)
    for preset in range(inputs.presets.shape[0]):
        _unlimit(world, preset, end_at)
    for i in range(world.limited_us.shape[0]):
        world.limited_us[i] = 0 if world.limited_at[i] == NEVER else world.limited_us[i]


def can_count(inputs: Inputs, people: People | None = None) -> bool:
    """Does the loop that keeps counts only have all that the run needs, unless the reaper acts in it?

    It leaves people with workspaces, daemons that their tags keep from some jobs, and operators who delete failed
    prebuilds to the kernel.
    """
    takes_all = inputs.daemons[:, [G_PEOPLE, G_PREBUILDS]].all()
    return people is None and bool(takes_all) and not inputs.settings.clears_failed


def count(inputs: Inputs, edges: Int64Array, most_rows: int = NEVER) -> Counted | None:
    """Run a scenario that `can_count`; None if the reaper would act in the run. `edges`: int64[k + 1], ascending.

    Raises TooManyRowsError where it has made `most_rows` prebuilds: the kernel would have as many workspaces.
    """
    periods = periods_of(edges)
    world = _empty_world(inputs, periods)
    while (reason := _count_on(inputs, world, periods)) == FULL:
        rows, kept, most = world.workspaces, int(world.counters[WORKSPACES]), int(world.counters[MORE])
        if (made := world.state[:, S_ORDINAL]).sum() > most_rows:
            raise TooManyRowsError(most_rows, int(world.counters[NEXT_TICK] - inputs.settings.interval_us), made)
        if 2 * kept + most > len(rows):  # with half of the rows free it does not come to this again soon
            more = np.empty((2 * len(rows) + 2 * most, K_COLUMNS), dtype=np.int64)
            more[:kept] = rows[:kept]
            world = world._replace(workspaces=more)
    if reason == REAPED:
        return None
    cells = world.cells[:, 1:-1]
    cells[:, :, N_UNUSED] = cells[:, :, N_IDLE] + cells[:, :, N_DELETING]
    asked = np.ones(len(world.hit), dtype=np.bool_)
    return Counted(cells, asked, world.hit, world.ready_at, world.queued_us, world.limited_at, world.limited_us)


def claimed_us(inputs: Inputs, of: Counted) -> Int64Array:
    """How long the workspaces that were claimed or built cold ran within the window: int64[p], where nobody's end.

    A prebuild is its owner's at once, a cold workspace runs from when a daemon takes its build.
    """
    found = np.zeros(inputs.presets.shape[0], dtype=np.int64)
    _claimed(inputs, of.hit, of.queued_us, found)
    return found


@jit
def _claimed(inputs: Inputs, hit: npt.NDArray[np.bool_], queued_us: Int64Array, found: Int64Array) -> None:
    end_at = inputs.settings.end_at
    for i in range(hit.size):
        claim = inputs.claims[i]
        if hit[i]:
            found[claim[A_PRESET]] += end_at - claim[A_AT]
        elif queued_us[i] != NEVER:
            found[claim[A_PRESET]] += end_at - claim[A_AT] - queued_us[i]


def _empty_world(inputs: Inputs, periods: Periods) -> _World:
    presets, claims = inputs.presets.shape[0], inputs.claims.shape[0]
    few = empty_world(inputs._replace(claims=inputs.claims[:0]))
    counters = np.append(few.counters, np.zeros(MORE_COUNTERS - COUNTERS, dtype=np.int64))
    counters[NEXT_QUIET] = NEVER
    daemons = int(inputs.daemons[:, G_COUNT].sum())
    return _World(
        workspaces=np.empty((256 + 8 * int(inputs.presets[:, P_MOST_DESIRED].sum()), K_COLUMNS), dtype=np.int64),
        counters=counters,
        lists=few.lists,
        state=np.column_stack([few.state, inputs.presets[:, P_FAILING_FROM]]),
        jobs=few.jobs,
        quiet=np.empty(daemons, dtype=np.int64),
        free=np.array([daemons], dtype=np.int64),
        cells=np.zeros((presets, periods.from_at.size, N_COLUMNS), dtype=np.int64),
        hit=np.zeros(claims, dtype=np.bool_),
        ready_at=np.full(claims, NEVER, dtype=np.int64),
        queued_us=np.full(claims, NEVER, dtype=np.int64),
        limited_at=np.full(presets, NEVER, dtype=np.int64),
        limited_us=np.full(presets, NEVER, dtype=np.int64),
    )
