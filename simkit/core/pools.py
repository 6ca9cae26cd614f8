"""The pools of prebuilds: the tables of a run, the queue of jobs, claims, and the reconciler.

Tables are arrays with a row per thing and a named column per fact; they double when they are full. A prebuild stands
in exactly one list of its preset (starting, running or failed), in order of creation, linked through its row.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from simkit.core.chance import happens, luck_of, mix, pick
from simkit.core.compile import part
from simkit.core.numbers import (
    CANCELED,
    DELETE,
    MINUTE_US,
    NEVER,
    NONE,
    PENDING,
    RUNNING,
    SECOND_US,
    START,
    STOP,
    Int64Array,
    Table,
)
from simkit.core.policy import (
    MOST_REAPED,
    PENDING_TOO_LONG_US,
    Actions,
    Pool,
    backoff_until_at,
    goes_first,
    is_expired,
    is_hard_limited,
    is_reapable,
    reaping_lot,
    reconcile,
    starts_backoff,
)
from simkit.core.targets import (
    F_USES_ELIGIBLE,
    PoolFacts,
    Targets,
    count_claim,
    has_program,
    target,
    target_changes_at,
)

# Claim orders.
OLDEST, NEWEST, RANDOM = 0, 1, 2
# Scenario events.
ACTIVATE, DEACTIVATE, INVALIDATE, PAUSE, RESUME = 0, 1, 2, 3, 4
# What takes time, by column of Inputs.samples_from.
BUILD, AGENT, CLAIM, REINITIALIZE, REMOVE, HALT, RESTART, DURATIONS = 0, 1, 2, 3, 4, 5, 6, 7
# Streams of chance, so that a slow build does not come with a slow agent.
STREAMS = np.array([0x3C6EF372, 0x1F83D9AB, 0x5BE0CD19, 0x0F4A7C15, 0x27D4EB2F, 0x510E527F, 0x1B873593], dtype=np.int64)
FAILURE_STREAM, CHOICE_STREAM = 0x2545F491, 0x6A09E667

# Workspaces. OWNER is the claim that owns it, NONE for the prebuilds user.
W_PRESET, W_CREATED, W_OWNER, W_CLAIMED, W_DELETED, W_READY, W_LUCK, W_ORDINAL, W_BUILD, W_PREV, W_NEXT = range(11)
W_COLUMNS = 11
# Builds; each is one job. HUMAN: initiated by a person and not by the prebuilds user.
# REAPED: the reaper ended it.
B_WORKSPACE, B_NUMBER, B_TRANSITION, B_CREATED, B_STARTED, B_COMPLETED, B_STATUS, B_HUMAN, B_READY, B_NEXT = range(10)
B_REAPED, B_COLUMNS = 10, 11
# Claims, in the order of the input. A session of somebody who has a workspace is none: it finds it RUNNING or STARTING,
# or has it STARTED; a suspended person's is LOST.
C_WORKSPACE, C_BUILD, C_HIT = range(3)
LOST, COLD, HIT, FOUND_RUNNING, FOUND_STARTING, STARTED = -1, 0, 1, 2, 3, 4
C_COLUMNS = 3
# The reconciler's decisions: a row for each tick at which it acted or what it saw made it hold still.
(
    D_AT,
    D_PRESET,
    D_DESIRED,
    D_ACTUAL,
    D_EXPIRED,
    D_STARTING,
    D_DELETED_EXPIRED,
    D_DELETED_OLDEST,
    D_CREATED,
    D_CANCELED,
    D_HARD_LIMITED,
    D_BACKOFF_UNTIL,
) = range(12)
D_COLUMNS = 12

# What a preset is given. Ranges into other arrays are [FROM, UNTIL).
P_INSTANCES, P_TTL, P_ACTIVE, P_KEY, P_FAILURE_THRESHOLD, P_FAILING_FROM, P_FAILING_UNTIL = range(7)
P_MOST_DESIRED, P_CHANGES_FROM, P_CHANGES_UNTIL, P_START_FAILURE_THRESHOLD = 7, 8, 9, 10
# How old a failed prebuild gets until an operator deletes it, 0 for ever.
P_CLEARED_AFTER = 11
P_SAMPLES_FROM, P_SAMPLES_COUNT, P_COLUMNS = 12, 12 + DURATIONS, 12 + 2 * DURATIONS
# Scenario events, and claims as they arrive.
E_AT, E_KIND, E_PRESET, E_COLUMNS = 0, 1, 2, 3
# A_PERSON: who asks, NONE for somebody new each time; A_UNTIL: the end of that person's session; A_CONNECTED: 1 if a
# connection reports activity until then.
A_AT, A_PRESET, A_LUCK, A_PERSON, A_UNTIL, A_CONNECTED, A_COLUMNS = 0, 1, 2, 3, 4, 5, 6

STARTING_LIST, RUNNING_LIST, FAILED_LIST, LISTS = 0, 1, 2, 3
FIRST, LAST, SIZE = 0, 1, 2

# What the reconciler knows of a preset. CLAIMING: claims' builds in progress that count as starting. CHANGE: the
# timeline's entry in force at its last tick. WAKE: no tick before this instant can decide anything.
# HELD_LIMIT, HELD_UNTIL: what it last held still for.
S_ACTIVE, S_INVALIDATED, S_CLAIMING, S_ORDINAL, S_CHANGE, S_WAKE, S_HELD_LIMIT, S_HELD_UNTIL = range(8)
S_COLUMNS = 8

# Counters.
WORKSPACES, BUILDS, DECISIONS, NEXT_WAKE = range(4)
# Queues of jobs, each its first and, in the next counter, its last, by who initiates them and whose tags they have:
# people's own and an operator's on prebuilds; of the prebuilds user's the claims' and the pools'.
PEOPLE_FIRST, OPERATORS_FIRST, CLAIMS_FIRST, PREBUILDS_FIRST, QUEUES_END = 4, 6, 8, 10, 12
NEXT_EVENT, NEXT_CLAIM, NEXT_TICK, PAUSED, RUNNING_JOBS, MORE = range(12, 18)
# NEXT_REAP: the reaper's next tick that may find a job; REAPED_AT: its last tick that is over; LIMITED_AT: the tick for
# which the limit of the lots (and rows) of those that it ends was drawn.
NEXT_REAP, REAPED_AT, LIMITED_AT, LIMIT, LIMIT_ROW, COUNTERS = range(18, 24)

# Running jobs: (finishes at, build, group of daemons), the next to finish last.
J_AT, J_BUILD, J_GROUP, J_COLUMNS = 0, 1, 2, 3
# Groups of daemons, in the order in which they take jobs: how many, and which jobs their tags let them take.
G_COUNT, G_PEOPLE, G_PREBUILDS, G_COLUMNS = 0, 1, 2, 3


class Settings(NamedTuple):
    """A run's numbers that hold for all presets."""

    start_at: int
    end_at: int
    interval_us: int
    backoff_interval_us: int
    lookback_us: int
    hard_limit: int
    claim_order: int
    claims_by_prebuilds: bool  # a claim's build is initiated by the prebuilds user
    cancels_pending: bool  # pending start jobs of an inactive version are cancelled
    retries_failed_stops: bool  # a stop that failed is tried again after failure_ttl
    ttl_removal_keeps_max_deadline: bool
    schedule_change_removes_deadline: bool
    has_reaper: bool  # jobs that wait for too long are ended
    executor_acts: bool  # False: no daemon could take what it builds, and the version looks
    clears_failed: bool = False  # an operator deletes failed prebuilds of some preset


class Inputs(NamedTuple):
    """A run's givens. Presets stand in the order in which the reconciler visits them; instants lie in the window."""

    settings: Settings
    presets: Table  # [p, P_COLUMNS]
    change_at: Int64Array  # instants at which a preset's desired number changes; the first of each is start_at
    change_desired: Int64Array
    samples: Int64Array  # durations in microseconds, equally likely within each range of samples
    failing: Int64Array  # ordinals, from 1, of prebuilds whose build fails; each preset's ascend
    events: Table  # [e, E_COLUMNS] in order of time
    claims: Table  # [n, A_COLUMNS] in order of time
    daemons: Table  # [g, G_COLUMNS]


class World(NamedTuple):
    """Everything that changes."""

    workspaces: Table
    builds: Table
    claims: Table
    decisions: Table
    counters: Int64Array
    lists: Table  # [p * LISTS + list, (first, last, size)]
    state: Table  # [p, S_COLUMNS]
    jobs: Table  # [daemons, J_COLUMNS]
    free: Int64Array  # [g] daemons of each group without a job


class Pools(Protocol):
    """What the rules of the pools look at. Whoever has it can use them; rows stand in the order of creation."""

    @property
    def workspaces(self) -> Table: ...
    @property
    def counters(self) -> Int64Array: ...
    @property
    def lists(self) -> Table: ...
    @property
    def state(self) -> Table: ...
    @property
    def jobs(self) -> Table: ...
    @property
    def free(self) -> Int64Array: ...


class Verdict(NamedTuple):
    """What a tick comes to for one preset.

    `first`: where the prebuilds begin that go, if some do. `held_until`: the preset is left alone until then (NEVER:
    it is not). `newly_limited`: the hard limit begins to keep it from building. `wake_at`: what follows if nothing is
    done, see S_WAKE.
    """

    pool: Pool
    actions: Actions
    first: int
    held_until: int
    newly_limited: bool
    wake_at: int


@part
def tick_from(at: int, start_at: int, interval_us: int) -> int:
    """The first tick at or after an instant."""
    return NEVER if at == NEVER else at + (start_at - at) % interval_us


@part
def wake(world: Pools, preset: int, at: int) -> None:
    """The preset may decide something new at the first tick from `at` on."""
    world.state[preset, S_WAKE] = min(world.state[preset, S_WAKE], at)
    world.counters[NEXT_WAKE] = min(world.counters[NEXT_WAKE], at)


@part
def link(world: Pools, which: int, workspace: int) -> None:
    """Put a workspace in a list, in order of creation (which is the order of rows)."""
    w = world.workspaces
    before = world.lists[which, LAST]
    after = NONE
    while before > workspace:
        after = before
        before = w[before, W_PREV]
    w[workspace, W_PREV] = before
    w[workspace, W_NEXT] = after
    if before == NONE:
        world.lists[which, FIRST] = workspace
    else:
        w[before, W_NEXT] = workspace
    if after == NONE:
        world.lists[which, LAST] = workspace
    else:
        w[after, W_PREV] = workspace
    world.lists[which, SIZE] += 1


@part
def unlink(world: Pools, which: int, workspace: int) -> None:
    w = world.workspaces
    before = w[workspace, W_PREV]
    after = w[workspace, W_NEXT]
    if before == NONE:
        world.lists[which, FIRST] = after
    else:
        w[before, W_NEXT] = after
    if after == NONE:
        world.lists[which, LAST] = before
    else:
        w[after, W_PREV] = before
    world.lists[which, SIZE] -= 1


@part
def _newer(world: Pools, which: int, than: int, at_most: int) -> int:
    """How many of a list were created after the workspace `than`; counting stops at `at_most`."""
    found = 0
    workspace = world.lists[which, LAST]
    while workspace > than and found < at_most:
        found += 1
        workspace = world.workspaces[workspace, W_PREV]
    return found


@part
def new_workspace(world: World, preset: int, owner: int, luck: int, now_at: int) -> int:
    i = world.counters[WORKSPACES]
    world.counters[WORKSPACES] = i + 1
    row = world.workspaces[i]
    row[W_PRESET] = preset
    row[W_CREATED] = now_at
    row[W_OWNER] = owner
    row[W_CLAIMED] = NEVER
    row[W_DELETED] = NEVER
    row[W_READY] = NEVER
    row[W_LUCK] = luck
    row[W_ORDINAL] = 0
    row[W_BUILD] = NONE
    row[W_PREV] = NONE
    row[W_NEXT] = NONE
    return i


@part
def new_build(world: World, workspace: int, transition: int, human: bool, now_at: int) -> int:
    """Insert a build and queue its job."""
    i = world.counters[BUILDS]
    world.counters[BUILDS] = i + 1
    before = world.workspaces[workspace, W_BUILD]
    row = world.builds[i]
    row[B_WORKSPACE] = workspace
    row[B_NUMBER] = 1 if before == NONE else world.builds[before, B_NUMBER] + 1
    row[B_TRANSITION] = transition
    row[B_CREATED] = now_at
    row[B_STARTED] = NEVER
    row[B_COMPLETED] = NEVER
    row[B_STATUS] = PENDING
    row[B_HUMAN] = 1 if human else 0
    row[B_READY] = NEVER
    row[B_NEXT] = NONE
    row[B_REAPED] = 0
    world.workspaces[workspace, W_BUILD] = i
    if world.workspaces[workspace, W_OWNER] == NONE:
        queue = OPERATORS_FIRST if human else PREBUILDS_FIRST
    else:
        queue = PEOPLE_FIRST if human else CLAIMS_FIRST
    if world.counters[queue] == NONE:
        world.counters[queue] = i
    else:
        world.builds[world.counters[queue + 1], B_NEXT] = i
    world.counters[queue + 1] = i
    return i


@part
def _first(world: World, queue: int) -> int:
    """The first pending job of a queue, which is its oldest; NONE if there is none. Cancelled ones leave the queue."""
    i = world.counters[queue]
    while i != NONE and world.builds[i, B_STATUS] != PENDING:
        i = world.builds[i, B_NEXT]
    world.counters[queue] = i
    return i


@part
def _first_of(world: World, peoples: bool, of_people: int, prebuilds: bool, of_prebuilds: int) -> tuple[int, int]:
    """(queue, its first job) of two queues with people's and prebuilds' tags, of which one may be no choice."""
    queue, i = of_people, NONE
    if peoples:
        i = _first(world, of_people)
    if prebuilds:
        other = _first(world, of_prebuilds)
        if i == NONE or (other != NONE and other < i):  # rows are in the order of creation
            queue, i = of_prebuilds, other
    return queue, i


@part
def _next_job(world: World, peoples: bool, prebuilds: bool) -> int:
    """Take the pending job that goes first off its queue, with people's or prebuilds' tags or either; NONE if there is
    none."""
    queue, i = _first_of(world, peoples, PEOPLE_FIRST, prebuilds, OPERATORS_FIRST)
    other_queue, other = _first_of(world, peoples, CLAIMS_FIRST, prebuilds, PREBUILDS_FIRST)
    if i == NONE or (
        other != NONE and goes_first(False, world.builds[other, B_CREATED], True, world.builds[i, B_CREATED])
    ):
        queue, i = other_queue, other
    if i != NONE:
        world.counters[queue] = world.builds[i, B_NEXT]
    return i


@part
def duration(inputs: Inputs, preset: int, what: int, luck: int) -> int:
    given = inputs.presets[preset]
    return pick(inputs.samples, given[P_SAMPLES_FROM + what], given[P_SAMPLES_COUNT + what], luck, STREAMS[what])


@part
def _job_us(inputs: Inputs, world: World, build: int) -> int:
    workspace = world.workspaces[world.builds[build, B_WORKSPACE]]
    what, luck = BUILD, workspace[W_LUCK]
    number = world.builds[build, B_NUMBER]
    if world.builds[build, B_TRANSITION] == DELETE:
        what = REMOVE
    elif number > 1:
        what, luck = CLAIM, inputs.claims[workspace[W_OWNER], A_LUCK]
        if world.claims[workspace[W_OWNER], C_BUILD] != build:
            what, luck = RESTART, mix(luck ^ number)
            if world.builds[build, B_TRANSITION] == STOP:
                what = HALT
    return duration(inputs, workspace[W_PRESET], what, luck)


@part
def fails_by_chance(inputs: Inputs, preset: int, luck: int) -> bool:
    return happens(inputs.presets[preset, P_FAILURE_THRESHOLD], luck, FAILURE_STREAM)


@part
def fails(inputs: Inputs, preset: int, ordinal: int, luck: int) -> bool:
    """Does a prebuild's build fail, by chance or because the scenario names its ordinal?"""
    if fails_by_chance(inputs, preset, luck):
        return True
    low, high = inputs.presets[preset, P_FAILING_FROM], inputs.presets[preset, P_FAILING_UNTIL]
    while low < high:
        middle = (low + high) // 2
        if inputs.failing[middle] < ordinal:
            low = middle + 1
        else:
            high = middle
    return low < inputs.presets[preset, P_FAILING_UNTIL] and inputs.failing[low] == ordinal


@part
def finish_prebuild(inputs: Inputs, world: Pools, w: int, failed: bool, now_at: int) -> bool:
    """A prebuild's start build is done: the prebuild runs (True), or it has failed."""
    workspace = world.workspaces[w]
    preset = workspace[W_PRESET]
    unlink(world, preset * LISTS + STARTING_LIST, w)
    if failed:
        link(world, preset * LISTS + FAILED_LIST, w)
        wake(world, preset, now_at)
        return False
    workspace[W_READY] = now_at + duration(inputs, preset, AGENT, workspace[W_LUCK])
    running = preset * LISTS + RUNNING_LIST
    link(world, running, w)
    # One more running and one less starting changes no decision, unless there are now too many or it is old already.
    if (
        world.state[preset, S_ACTIVE] == 0
        or world.lists[running, SIZE] > inputs.change_desired[world.state[preset, S_CHANGE]]
    ):
        wake(world, preset, now_at)
    if inputs.presets[preset, P_TTL] > 0:
        expires_at = workspace[W_CREATED] + inputs.presets[preset, P_TTL] + 1
        wake(world, preset, max(expires_at, now_at))
    if workspace[W_CREATED] < world.state[preset, S_INVALIDATED]:
        wake(world, preset, now_at)
    return True


@part
def choose(inputs: Inputs, world: Pools, preset: int, luck: int, now_at: int) -> int:
    """The ready prebuild that a claim takes; NONE if there is none."""
    if world.state[preset, S_ACTIVE] == 0:
        return NONE
    w = world.workspaces
    which = preset * LISTS + RUNNING_LIST
    if inputs.settings.claim_order == OLDEST:
        found = world.lists[which, FIRST]
        while found != NONE and w[found, W_READY] > now_at:
            found = w[found, W_NEXT]
        return found
    if inputs.settings.claim_order == NEWEST:
        found = world.lists[which, LAST]
        while found != NONE and w[found, W_READY] > now_at:
            found = w[found, W_PREV]
        return found
    ready = _ready(world, which, 0, now_at)
    if ready == 0:
        return NONE
    skip = (mix(luck ^ CHOICE_STREAM) * ready) >> 32
    found = world.lists[which, FIRST]
    while skip > 0 or w[found, W_READY] > now_at:
        if w[found, W_READY] <= now_at:
            skip -= 1
        found = w[found, W_NEXT]
    return found


@part
def _ready(world: Pools, which: int, skipped: int, now_at: int) -> int:
    """How many of a preset's running prebuilds have a ready agent, but for the oldest `skipped`."""
    ready = 0
    workspace = world.lists[which, FIRST]
    for _ in range(skipped):
        workspace = world.workspaces[workspace, W_NEXT]
    while workspace != NONE:
        if world.workspaces[workspace, W_READY] <= now_at:
            ready += 1
        workspace = world.workspaces[workspace, W_NEXT]
    return ready


@part
def serve_claim(inputs: Inputs, world: World, targets: Targets | None, i: int, now_at: int) -> None:
    """Somebody asks for a workspace: give a ready prebuild a new owner and build it once more, or build one cold."""
    preset = inputs.claims[i, A_PRESET]
    w = choose(inputs, world, preset, inputs.claims[i, A_LUCK], now_at)
    hit = w != NONE
    if hit:
        unlink(world, preset * LISTS + RUNNING_LIST, w)
        world.workspaces[w, W_OWNER] = i
        world.workspaces[w, W_CLAIMED] = now_at
        world.workspaces[w, W_READY] = NEVER
        if inputs.settings.claims_by_prebuilds:
            world.state[preset, S_CLAIMING] += 1
        wake(world, preset, now_at)
    else:
        w = new_workspace(world, preset, i, inputs.claims[i, A_LUCK], now_at)
    if targets is not None:
        count_claim(targets, preset, hit, inputs.settings.start_at, now_at)
        wake(world, preset, now_at)
    world.claims[i, C_WORKSPACE] = w
    world.claims[i, C_BUILD] = new_build(world, w, START, not (hit and inputs.settings.claims_by_prebuilds), now_at)
    world.claims[i, C_HIT] = 1 if hit else 0


@part
def _cancel_pending(world: World, preset: int, now_at: int) -> int:
    """Cancel the preset's start jobs that no daemon has taken; their workspaces are gone."""
    canceled = 0
    which = preset * LISTS + STARTING_LIST
    w = world.lists[which, FIRST]
    while w != NONE:
        following = world.workspaces[w, W_NEXT]
        build = world.builds[world.workspaces[w, W_BUILD]]
        if build[B_STATUS] == PENDING:
            build[B_STATUS] = CANCELED
            build[B_COMPLETED] = now_at
            world.workspaces[w, W_DELETED] = now_at
            unlink(world, which, w)
            canceled += 1
        w = following
    return canceled


@part
def _newer_than(world: Pools, preset: int, failed: int, at_most: int) -> int:
    """Prebuilds whose latest build is a start that did not fail, created after the workspace `failed`."""
    lists = preset * LISTS
    found = _newer(world, lists + STARTING_LIST, failed, at_most)
    return found + _newer(world, lists + RUNNING_LIST, failed, at_most)


@part
def _limited(inputs: Inputs, world: Pools, preset: int) -> bool:
    """Is the preset hard-limited?"""
    failed = world.lists[preset * LISTS + FAILED_LIST, SIZE]
    if inputs.settings.hard_limit == 0 or failed < inputs.settings.hard_limit:
        return False
    last = world.lists[preset * LISTS + FAILED_LIST, LAST]
    for _ in range(inputs.settings.hard_limit - 1):
        last = world.workspaces[last, W_PREV]
    return is_hard_limited(failed, _newer_than(world, preset, last, 1), inputs.settings.hard_limit)


@part
def _note(world: World, preset: int, pool: Pool, actions: Actions, canceled: int, held: int, now_at: int) -> None:
    """Write down a decision. `held`: NEVER, or until when a backoff lasts, or NONE where the hard limit begins."""
    i = world.counters[DECISIONS]
    world.counters[DECISIONS] = i + 1
    row = world.decisions[i]
    row[D_AT] = now_at
    row[D_PRESET] = preset
    row[D_DESIRED] = pool.desired
    row[D_ACTUAL] = pool.actual
    row[D_EXPIRED] = pool.expired
    row[D_STARTING] = pool.starting
    row[D_DELETED_EXPIRED] = actions.delete_expired
    row[D_DELETED_OLDEST] = actions.delete_oldest
    row[D_CREATED] = actions.create
    row[D_CANCELED] = canceled
    row[D_HARD_LIMITED] = 1 if held == NONE else 0
    row[D_BACKOFF_UNTIL] = NEVER if held == NONE else held


@part
def _backoff_until(inputs: Inputs, world: Pools, preset: int, now_at: int) -> tuple[int, int]:
    """(the instant until which the preset is left alone, the next instant at which that changes); NEVER, NEVER if it
    is not."""
    failed = preset * LISTS + FAILED_LIST
    if world.state[preset, S_ACTIVE] == 0 or world.lists[failed, SIZE] == 0:
        return NEVER, NEVER
    since_at = now_at - inputs.settings.lookback_us
    instances = inputs.presets[preset, P_INSTANCES]
    newest = world.lists[failed, LAST]
    if not starts_backoff(
        world.workspaces[newest, W_CREATED], _newer_than(world, preset, newest, instances), instances, since_at
    ):
        return NEVER, NEVER
    recent = 0
    oldest_at = NEVER
    w = newest
    while w != NONE and world.workspaces[w, W_CREATED] >= since_at:
        recent += 1
        oldest_at = world.workspaces[w, W_CREATED]
        w = world.workspaces[w, W_PREV]
    until_at = backoff_until_at(world.workspaces[newest, W_CREATED], recent, inputs.settings.backoff_interval_us)
    if now_at > until_at:
        return NEVER, NEVER
    # It ends, or the oldest of the failures leaves the lookback and it becomes shorter.
    return until_at, min(until_at, oldest_at + inputs.settings.lookback_us) + 1


@part
def clear_failed(inputs: Inputs, world: World, preset: int, now_at: int) -> None:
    """An operator deletes the preset's failed prebuilds that are old enough. Coder itself never does."""
    cleared_after_us, failed = inputs.presets[preset, P_CLEARED_AFTER], preset * LISTS + FAILED_LIST
    w = world.lists[failed, FIRST]
    while w != NONE and is_expired(world.workspaces[w, W_CREATED], cleared_after_us, -NEVER, now_at):
        following = world.workspaces[w, W_NEXT]
        unlink(world, failed, w)
        new_build(world, w, DELETE, True, now_at)
        w = following


@part
def _becomes_ready_at(world: Pools, which: int, now_at: int) -> int:
    """The next instant at which one more of a preset's running prebuilds has a ready agent."""
    ready_at = NEVER
    workspace = world.lists[which, FIRST]
    while workspace != NONE:
        if world.workspaces[workspace, W_READY] > now_at:
            ready_at = min(ready_at, world.workspaces[workspace, W_READY])
        workspace = world.workspaces[workspace, W_NEXT]
    return ready_at


@part
def judge(inputs: Inputs, world: Pools, targets: Targets | None, preset: int, now_at: int) -> Verdict:
    """Facts and decision of one preset's part of a tick; nothing is done yet."""
    lists = preset * LISTS
    running = lists + RUNNING_LIST
    active = world.state[preset, S_ACTIVE] == 1

    last_change = inputs.presets[preset, P_CHANGES_UNTIL] - 1
    while world.state[preset, S_CHANGE] < last_change and inputs.change_at[world.state[preset, S_CHANGE] + 1] <= now_at:
        world.state[preset, S_CHANGE] += 1
    change_i = world.state[preset, S_CHANGE]
    wake_at = inputs.change_at[change_i + 1] if change_i < last_change else NEVER
    if inputs.settings.clears_failed and world.lists[lists + FAILED_LIST, FIRST] != NONE:
        cleared_after_us = inputs.presets[preset, P_CLEARED_AFTER]
        if cleared_after_us > 0:
            oldest_at = world.workspaces[world.lists[lists + FAILED_LIST, FIRST], W_CREATED]
            wake_at = min(wake_at, oldest_at + cleared_after_us + 1)

    expired = 0
    w = world.lists[running, FIRST]
    ttl_us, invalidated_at = inputs.presets[preset, P_TTL], world.state[preset, S_INVALIDATED]
    while w != NONE and is_expired(world.workspaces[w, W_CREATED], ttl_us, invalidated_at, now_at):
        expired += 1
        w = world.workspaces[w, W_NEXT]
    if active:
        w = world.lists[running, FIRST]  # the expired go first: they are the oldest
    # Claims' builds count too where the prebuilds user initiates them.
    starting = world.lists[lists + STARTING_LIST, SIZE] + world.state[preset, S_CLAIMING]
    desired = inputs.change_desired[change_i]
    if targets is not None and active and has_program(targets, preset):
        eligible = 0
        if targets.presets[preset, F_USES_ELIGIBLE] == 1:
            eligible = _ready(world, running, expired, now_at)
            wake_at = min(wake_at, _becomes_ready_at(world, running, now_at))
        facts = PoolFacts(desired, world.lists[running, SIZE] - expired, eligible, starting, expired)
        desired = target(targets, preset, facts, inputs.settings.start_at, now_at)
        wake_at = min(wake_at, target_changes_at(targets, preset, inputs.settings.start_at, now_at))
    pool = Pool(
        desired=desired if active else 0,
        actual=world.lists[running, SIZE],
        expired=expired,
        starting=starting,
        active=active,
    )

    until_at, backoff_changes_at = _backoff_until(inputs, world, preset, now_at)
    if until_at != NEVER:
        return Verdict(pool, Actions(0, 0, 0), w, until_at, False, min(wake_at, backoff_changes_at))
    actions = reconcile(pool)
    limited = actions.create > 0 and _limited(inputs, world, preset)
    if limited:
        actions = Actions(actions.delete_expired, actions.delete_oldest, 0)
    newly_limited = limited and world.state[preset, S_HELD_LIMIT] == 0
    world.state[preset, S_HELD_LIMIT] = 1 if limited else 0
    return Verdict(pool, actions, w, NEVER, newly_limited, wake_at)


@part
def sleep(inputs: Inputs, world: Pools, preset: int, acted: bool, wake_at: int, now_at: int) -> None:
    """After a tick that was not held back: the instant before which no other can decide anything."""
    lists = preset * LISTS
    if acted and world.lists[lists + FAILED_LIST, SIZE] > 0:
        wake_at = now_at + 1  # what was created or deleted changes which failures are among the newest
    oldest, ttl_us = world.lists[lists + RUNNING_LIST, FIRST], inputs.presets[preset, P_TTL]
    if world.state[preset, S_ACTIVE] == 1 and ttl_us > 0 and oldest != NONE:
        wake_at = min(wake_at, world.workspaces[oldest, W_CREATED] + ttl_us + 1)
    world.state[preset, S_WAKE] = wake_at


@part
def decide(inputs: Inputs, world: World, targets: Targets | None, preset: int, now_at: int) -> None:
    """One preset's part of a tick: facts, decision, builds, and the instant before which nothing can change."""
    lists = preset * LISTS
    active = world.state[preset, S_ACTIVE] == 1
    of = judge(inputs, world, targets, preset, now_at)
    if of.held_until != NEVER:
        world.state[preset, S_WAKE] = of.wake_at
        if world.state[preset, S_HELD_UNTIL] != of.held_until:
            world.state[preset, S_HELD_UNTIL] = of.held_until
            _note(world, preset, of.pool, of.actions, 0, of.held_until, now_at)
        return

    actions = of.actions
    canceled = _cancel_pending(world, preset, now_at) if inputs.settings.cancels_pending and not active else 0
    deletes = actions.delete_expired + actions.delete_oldest
    acted = deletes + actions.create + canceled > 0 or of.newly_limited
    if acted:
        _note(world, preset, of.pool, actions, canceled, NONE if of.newly_limited else NEVER, now_at)
        w = of.first
        for _ in range(deletes):
            following = world.workspaces[w, W_NEXT]
            unlink(world, lists + RUNNING_LIST, w)
            new_build(world, w, DELETE, False, now_at)
            w = following
        for slot in range(actions.create):
            w = new_workspace(
                world, preset, NONE, luck_of(inputs.presets[preset, P_KEY], now_at // SECOND_US, slot), now_at
            )
            world.state[preset, S_ORDINAL] += 1
            world.workspaces[w, W_ORDINAL] = world.state[preset, S_ORDINAL]
            link(world, lists + STARTING_LIST, w)
            new_build(world, w, START, False, now_at)
    wake_at = of.wake_at
    if targets is not None and acted:
        wake_at = now_at + 1  # an expression may ask for what was created or deleted
    sleep(inputs, world, preset, acted, wake_at, now_at)


@part
def take_jobs(inputs: Inputs, world: World, now_at: int) -> None:
    """Free daemons take pending jobs that their tags let them take, group by group."""
    for group in range(inputs.daemons.shape[0]):
        peoples, prebuilds = inputs.daemons[group, G_PEOPLE] == 1, inputs.daemons[group, G_PREBUILDS] == 1
        while world.free[group] > 0:
            build = _next_job(world, peoples, prebuilds)
            if build == NONE:
                break
            _start_job(inputs, world, build, group, now_at)
    if inputs.settings.has_reaper:
        _expect_reaper(world)


@part
def _start_job(inputs: Inputs, world: World, build: int, group: int, now_at: int) -> None:
    world.builds[build, B_STATUS] = RUNNING
    world.builds[build, B_STARTED] = now_at
    begin_job(world, build, group, now_at + _job_us(inputs, world, build))


@part
def begin_job(world: Pools, build: int, group: int, finishes_at: int) -> None:
    """A daemon of the group is busy with a build until then."""
    counters, jobs = world.counters, world.jobs
    world.free[group] -= 1
    # The one taken first finishes first, where two finish at one instant.
    i = counters[RUNNING_JOBS]
    while i > 0 and jobs[i - 1, J_AT] <= finishes_at:
        jobs[i, J_AT] = jobs[i - 1, J_AT]
        jobs[i, J_BUILD] = jobs[i - 1, J_BUILD]
        jobs[i, J_GROUP] = jobs[i - 1, J_GROUP]
        i -= 1
    jobs[i, J_AT] = finishes_at
    jobs[i, J_BUILD] = build
    jobs[i, J_GROUP] = group
    counters[RUNNING_JOBS] += 1


@part
def next_to_finish(world: Pools) -> int:
    """The build whose job finishes next; its daemon is free again."""
    world.counters[RUNNING_JOBS] -= 1
    i = world.counters[RUNNING_JOBS]
    world.free[world.jobs[i, J_GROUP]] += 1
    return world.jobs[i, J_BUILD]


@part
def _expect_reaper(world: World) -> None:
    """The reaper's next tick that can find a job which nobody has taken for too long."""
    counters = world.counters
    oldest_at = NEVER
    for queue in range(PEOPLE_FIRST, QUEUES_END, 2):
        first = _first(world, queue)
        if first != NONE:
            oldest_at = min(oldest_at, world.builds[first, B_CREATED])
    counters[NEXT_REAP] = NEVER
    if oldest_at != NEVER:
        counters[NEXT_REAP] = reap_after(oldest_at, counters[REAPED_AT])


@part
def reap_after(oldest_at: int, reaped_at: int) -> int:
    """The reaper's first tick after its last that may end a job which has been pending since then."""
    return (max(oldest_at + PENDING_TOO_LONG_US, reaped_at) // MINUTE_US + 1) * MINUTE_US


@part
def _draw_limit(world: World, now_at: int) -> None:
    """Of the jobs that the reaper may end it ends those whose (lot, row) is at most the limit: as many as it takes."""
    limit, limit_row = NONE, NONE
    for _ in range(MOST_REAPED):
        lot, row = NEVER, NONE
        for queue in range(PEOPLE_FIRST, QUEUES_END, 2):
            i = world.counters[queue]
            while i != NONE and is_reapable(False, world.builds[i, B_CREATED], now_at):
                if world.builds[i, B_STATUS] == PENDING:
                    of = reaping_lot(i + 1, now_at)
                    comes = of > limit or (of == limit and i > limit_row)
                    if comes and (of < lot or (of == lot and i < row)):
                        lot, row = of, i
                i = world.builds[i, B_NEXT]
        if row == NONE:
            limit = NEVER
            break
        limit, limit_row = lot, row
    world.counters[LIMIT] = limit
    world.counters[LIMIT_ROW] = limit_row
    world.counters[LIMITED_AT] = now_at


@part
def next_to_reap(world: World, now_at: int) -> int:
    """The next job that the reaper's tick ends, in the order in which they were queued, as started in its last instant;
    NONE when the tick is over."""
    counters = world.counters
    if counters[LIMITED_AT] != now_at:
        _draw_limit(world, now_at)
    found = NONE
    for queue in range(PEOPLE_FIRST, QUEUES_END, 2):
        i = counters[queue]
        while i != NONE and is_reapable(False, world.builds[i, B_CREATED], now_at):
            if world.builds[i, B_STATUS] == PENDING:
                lot = reaping_lot(i + 1, now_at)
                if lot < counters[LIMIT] or (lot == counters[LIMIT] and i <= counters[LIMIT_ROW]):
                    if found == NONE or i < found:
                        found = i
                    break
            i = world.builds[i, B_NEXT]
    if found == NONE:
        counters[REAPED_AT] = now_at
    else:
        world.builds[found, B_STARTED] = now_at
        world.builds[found, B_REAPED] = 1
    return found


def no_claims(inputs: Inputs) -> Table:
    return np.full((inputs.claims.shape[0], C_COLUMNS), NONE, dtype=np.int64)


def empty_world(inputs: Inputs) -> World:
    presets, claims = inputs.presets.shape[0], inputs.claims.shape[0]
    start_at = inputs.settings.start_at
    counters = np.zeros(COUNTERS, dtype=np.int64)
    counters[PEOPLE_FIRST:QUEUES_END] = NONE
    counters[[NEXT_WAKE, NEXT_TICK]] = start_at
    counters[[NEXT_REAP, LIMITED_AT]] = NEVER
    counters[REAPED_AT] = -(-start_at // MINUTE_US) * MINUTE_US - MINUTE_US
    lists = np.full((presets * LISTS, 3), NONE, dtype=np.int64)
    lists[:, SIZE] = 0
    state = np.zeros((presets, S_COLUMNS), dtype=np.int64)
    state[:, S_ACTIVE] = inputs.presets[:, P_ACTIVE]
    state[:, S_INVALIDATED] = -NEVER
    state[:, S_CHANGE] = inputs.presets[:, P_CHANGES_FROM]
    state[:, S_WAKE] = start_at
    return World(
        # Pages of an array cost nothing until they are written to, so there is room to begin with.
        workspaces=np.empty((2 * claims + 4096, W_COLUMNS), dtype=np.int64),
        builds=np.empty((4 * claims + 8192, B_COLUMNS), dtype=np.int64),
        claims=no_claims(inputs),
        decisions=np.empty((claims + 4096, D_COLUMNS), dtype=np.int64),
        counters=counters,
        lists=lists,
        state=state,
        jobs=np.empty((inputs.daemons[:, G_COUNT].sum(), J_COLUMNS), dtype=np.int64),
        free=inputs.daemons[:, G_COUNT].copy(),
    )
