"""The event loop: a whole run in arrays. It applies the policy and jumps from event to event.

At one instant, in this order: a scenario's events, jobs finish (in the order they were taken), claims and sessions
arrive, the lifecycle executor ticks, the reconciler ticks; after each of these, free daemons take jobs. An agent needs
no event: it is ready from an instant on.

`lives` is None in a run without people: the compiler then leaves everything out that concerns them.

Tables are arrays with a row per thing and a named column per fact; they double when they are full. A prebuild stands
in exactly one list of its preset (starting, running or failed), in order of creation, linked through its row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.core.calendar import MINUTE_US
from simkit.core.chance import happens, luck_of, mix, pick
from simkit.core.compile import called, jit, part
from simkit.core.lifecycle import (
    AUTODELETE,
    AUTOSTART,
    AUTOSTOP,
    DORMANCY,
    FAILED_STOP,
    NOTHING,
    SUSPENDED,
    SUSPENDED_STOP,
    Facts,
    deadline_without_ttl,
    max_deadline,
    rescheduled,
    transition,
    ttl_in_force,
)
from simkit.core.lives import (
    H_CROSSED,
    H_QUIET_HOURS,
    H_REPORT,
    H_TEMPLATE,
    H_TTL,
    H_UNTIL,
    H_WAITING,
    H_WORKSPACE,
    L_BUMPED_AT,
    L_BUMPED_FROM,
    L_BUMPS,
    L_COLUMNS,
    L_DEADLINE,
    L_MAX_DEADLINE,
    L_REASON,
    NEXT_CHANGE,
    NEXT_LOOK,
    NO_STOP_DAY,
    O_COLUMNS,
    O_DELETING,
    O_DORMANT,
    O_LAST_USED,
    O_NEXT_START,
    O_TTL,
    SET_TTL,
    STARTED_UP,
    STORIES,
    TEMPLATE_CHANGED,
    TEMPLATES_TTL,
    TICKED_AT,
    TTL_CHANGED,
    V_AT,
    V_KIND,
    V_PERSON,
    V_VALUE,
    WOKEN,
    X_AT,
    X_BUILD,
    X_BUMPED_AT,
    X_BUMPED_FROM,
    X_BUMPS,
    X_CLAIM,
    X_COLUMNS,
    X_DEADLINE,
    X_DELETING,
    X_LAST_USED,
    X_MAX_DEADLINE,
    X_NEXT_START,
    X_RULE,
    X_TTL,
    Lives,
    People,
    complete_start,
    due_at,
    empty_lives,
    facts_of,
    first_due,
    next_start,
    report,
    schedule_of,
    set_wake,
    status_of,
    template_of,
)
from simkit.core.policy import (
    Actions,
    Pool,
    backoff_until_at,
    is_expired,
    is_hard_limited,
    reconcile,
    starts_backoff,
)

Int64Array = npt.NDArray[np.int64]
Table = npt.NDArray[np.int64]

NEVER = np.iinfo(np.int64).max
NONE = -1
SECOND_US = 1_000_000

# Transitions and job statuses, by position in Coder's enums' order as simkit.run names them.
START, STOP, DELETE = 0, 1, 2
PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED = 0, 1, 2, 3, 4
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
B_WORKSPACE, B_NUMBER, B_TRANSITION, B_CREATED, B_STARTED, B_COMPLETED, B_STATUS, B_HUMAN, B_READY, B_NEXT = range(10)
B_COLUMNS = 10
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
P_SAMPLES_FROM, P_SAMPLES_COUNT, P_COLUMNS = 11, 11 + DURATIONS, 11 + 2 * DURATIONS
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
WORKSPACES, BUILDS, DECISIONS, PEOPLE_FIRST, PEOPLE_LAST, PREBUILDS_FIRST, PREBUILDS_LAST, NEXT_WAKE = range(8)
NEXT_EVENT, NEXT_CLAIM, NEXT_TICK, PAUSED, RUNNING_JOBS, MORE = range(8, 14)
COUNTERS = 14

# Running jobs: (finishes at, build), the next to finish last.
J_AT, J_BUILD, J_COLUMNS = 0, 1, 2


class Settings(NamedTuple):
    """A run's numbers that hold for all presets."""

    start_at: int
    end_at: int
    interval_us: int
    backoff_interval_us: int
    lookback_us: int
    hard_limit: int
    daemons: int
    claim_order: int
    claims_by_prebuilds: bool  # a claim's build is initiated by the prebuilds user
    cancels_pending: bool  # pending start jobs of an inactive version are cancelled


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


class Output(NamedTuple):
    """Rows of the run, in order of creation (decisions: in order of ticks and presets)."""

    workspaces: Table
    builds: Table
    claims: Table
    decisions: Table
    owned: Table  # [claims, lives.O_COLUMNS], empty without people, as are the next two
    lives: Table  # [builds, lives.L_COLUMNS]
    stories: Table  # what the executor did


@part
def _wake(world: World, preset: int, at: int) -> None:
    """The preset may decide something new at the first tick from `at` on."""
    world.state[preset, S_WAKE] = min(world.state[preset, S_WAKE], at)
    world.counters[NEXT_WAKE] = min(world.counters[NEXT_WAKE], at)


@part
def _link(world: World, which: int, workspace: int) -> None:
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
def _unlink(world: World, which: int, workspace: int) -> None:
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
def _newer(world: World, which: int, than: int, at_most: int) -> int:
    """How many of a list were created after the workspace `than`; counting stops at `at_most`."""
    found = 0
    workspace = world.lists[which, LAST]
    while workspace > than and found < at_most:
        found += 1
        workspace = world.workspaces[workspace, W_PREV]
    return found


@part
def _new_workspace(world: World, preset: int, owner: int, luck: int, now_at: int) -> int:
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
def _new_build(world: World, workspace: int, transition: int, human: bool, now_at: int) -> int:
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
    world.workspaces[workspace, W_BUILD] = i
    queue = PEOPLE_FIRST if human else PREBUILDS_FIRST
    if world.counters[queue] == NONE:
        world.counters[queue] = i
    else:
        world.builds[world.counters[queue + 1], B_NEXT] = i
    world.counters[queue + 1] = i
    return i


@part
def _next_job(world: World) -> int:
    """Take the next pending job off its queue, people's before prebuilds'; NONE if there is none.

    Jobs are queued as time goes by, so each queue is in order of creation (policy.goes_first).
    """
    for queue in (PEOPLE_FIRST, PREBUILDS_FIRST):
        while world.counters[queue] != NONE:
            i = world.counters[queue]
            world.counters[queue] = world.builds[i, B_NEXT]
            world.builds[i, B_NEXT] = NONE
            if world.builds[i, B_STATUS] == PENDING:
                return i
    return NONE


@part
def _duration(inputs: Inputs, preset: int, what: int, luck: int) -> int:
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
    return _duration(inputs, workspace[W_PRESET], what, luck)


@part
def _fails(inputs: Inputs, preset: int, ordinal: int, luck: int) -> bool:
    if happens(inputs.presets[preset, P_FAILURE_THRESHOLD], luck, FAILURE_STREAM):
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
def _finish(inputs: Inputs, world: World, lives: Lives | None, i: int, now_at: int) -> None:
    """A build's job is done: the workspace is built, its claim is built, it has failed, is stopped or is gone."""
    build = world.builds[i]
    w = build[B_WORKSPACE]
    workspace = world.workspaces[w]
    preset = workspace[W_PRESET]
    build[B_COMPLETED] = now_at
    build[B_STATUS] = SUCCEEDED
    if build[B_TRANSITION] == DELETE:
        workspace[W_DELETED] = now_at
        if lives is not None:
            _go_on(inputs, world, lives, w, now_at)
        return
    if workspace[W_OWNER] != NONE:  # a person's: the build after a claim, a cold one, or one of its later life
        claim = workspace[W_OWNER]
        claimed = build[B_NUMBER] > 1 and world.claims[claim, C_BUILD] == i
        if claimed and inputs.settings.claims_by_prebuilds:
            world.state[preset, S_CLAIMING] -= 1
            _wake(world, preset, now_at)
        if build[B_TRANSITION] == START:
            agent = REINITIALIZE if claimed else AGENT
            build[B_READY] = now_at + _duration(inputs, preset, agent, inputs.claims[claim, A_LUCK])
            workspace[W_READY] = build[B_READY]
        if lives is not None:
            if build[B_TRANSITION] == START:
                _begin_life(inputs, world, lives, w, now_at)
            _go_on(inputs, world, lives, w, now_at)
        return
    _unlink(world, preset * LISTS + STARTING_LIST, w)
    if _fails(inputs, preset, workspace[W_ORDINAL], workspace[W_LUCK]):
        build[B_STATUS] = FAILED
        _link(world, preset * LISTS + FAILED_LIST, w)
        _wake(world, preset, now_at)
        return
    build[B_READY] = now_at + _duration(inputs, preset, AGENT, workspace[W_LUCK])
    workspace[W_READY] = build[B_READY]
    running = preset * LISTS + RUNNING_LIST
    _link(world, running, w)
    # One more running and one less starting changes no decision, unless there are now too many or it is old already.
    if (
        world.state[preset, S_ACTIVE] == 0
        or world.lists[running, SIZE] > inputs.change_desired[world.state[preset, S_CHANGE]]
    ):
        _wake(world, preset, now_at)
    if inputs.presets[preset, P_TTL] > 0:
        expires_at = workspace[W_CREATED] + inputs.presets[preset, P_TTL] + 1
        _wake(world, preset, max(expires_at, now_at))
    if workspace[W_CREATED] < world.state[preset, S_INVALIDATED]:
        _wake(world, preset, now_at)


@part
def _choose(inputs: Inputs, world: World, preset: int, luck: int, now_at: int) -> int:
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
    ready = _ready(world, which, now_at)
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
def _ready(world: World, which: int, now_at: int) -> int:
    """How many of a preset's running prebuilds have a ready agent."""
    ready = 0
    workspace = world.lists[which, FIRST]
    while workspace != NONE:
        if world.workspaces[workspace, W_READY] <= now_at:
            ready += 1
        workspace = world.workspaces[workspace, W_NEXT]
    return ready


@part
def _claim(inputs: Inputs, world: World, i: int, now_at: int) -> None:
    """Somebody asks for a workspace: give a ready prebuild a new owner and build it once more, or build one cold."""
    preset = inputs.claims[i, A_PRESET]
    w = _choose(inputs, world, preset, inputs.claims[i, A_LUCK], now_at)
    hit = w != NONE
    if hit:
        _unlink(world, preset * LISTS + RUNNING_LIST, w)
        world.workspaces[w, W_OWNER] = i
        world.workspaces[w, W_CLAIMED] = now_at
        world.workspaces[w, W_READY] = NEVER
        if inputs.settings.claims_by_prebuilds:
            world.state[preset, S_CLAIMING] += 1
        _wake(world, preset, now_at)
    else:
        w = _new_workspace(world, preset, i, inputs.claims[i, A_LUCK], now_at)
    world.claims[i, C_WORKSPACE] = w
    world.claims[i, C_BUILD] = _new_build(world, w, START, not (hit and inputs.settings.claims_by_prebuilds), now_at)
    world.claims[i, C_HIT] = 1 if hit else 0


@part
def _arrive(inputs: Inputs, world: World, lives: Lives | None, i: int, now_at: int) -> None:
    """Somebody starts to work: with the workspace they have, else they claim one."""
    person = inputs.claims[i, A_PERSON]
    if lives is None or person == NONE:
        _claim(inputs, world, i, now_at)
    else:
        _work(inputs, world, lives, person, i, now_at)


@called
def _work(inputs: Inputs, world: World, lives: Lives, person: int, i: int, now_at: int) -> None:
    h = lives.people[person]
    if status_of(lives, person, now_at) == SUSPENDED:
        return
    w = h[H_WORKSPACE]
    if w == NONE:
        _settle_in(inputs, world, lives, person, i, now_at)
        return
    build = world.workspaces[w, W_BUILD]
    transition, status = world.builds[build, B_TRANSITION], world.builds[build, B_STATUS]
    claim = world.workspaces[w, W_OWNER]
    if transition == START and status == SUCCEEDED:
        report(lives, person, claim, build, now_at)
    is_on = h[H_UNTIL] >= now_at
    connects = inputs.claims[i, A_CONNECTED] == 1
    if connects:
        h[H_UNTIL] = max(h[H_UNTIL], inputs.claims[i, A_UNTIL])
    world.claims[i, C_WORKSPACE] = w
    world.claims[i, C_BUILD] = build
    world.claims[i, C_HIT] = FOUND_RUNNING
    if transition == START and status == SUCCEEDED:
        if connects and not is_on:
            h[H_REPORT] = max(now_at, world.builds[build, B_READY])
        report(lives, person, claim, build, now_at)
    elif transition == START and status <= RUNNING:
        h[H_WAITING] = i
        world.claims[i, C_HIT] = FOUND_STARTING
    elif status <= RUNNING:
        h[H_WAITING] = i
        world.claims[i, C_HIT] = STARTED
    else:
        _start_again(world, lives, person, w, i, now_at)


@called
def _start_again(world: World, lives: Lives, person: int, w: int, i: int, now_at: int) -> None:
    """A person starts their stopped workspace, which ends its dormancy."""
    o = lives.owned[world.workspaces[w, W_OWNER]]
    if o[O_DORMANT] != NEVER:
        o[O_DORMANT] = NEVER
        o[O_DELETING] = NEVER
        o[O_LAST_USED] = now_at
        _tell(world, lives, w, WOKEN, now_at)
    world.claims[i, C_HIT] = STARTED
    world.claims[i, C_BUILD] = _new_life_build(world, lives, w, START, 0, now_at)
    lives.people[person, H_WAITING] = i
    set_wake(lives, person, NEVER)


@called
def _settle_in(inputs: Inputs, world: World, lives: Lives, person: int, i: int, now_at: int) -> None:
    """A person who has no workspace claims one: it gets their TTL and their autostart."""
    _claim(inputs, world, i, now_at)
    h, o = lives.people[person], lives.owned[i]
    template = template_of(lives, person)
    h[H_WORKSPACE] = world.claims[i, C_WORKSPACE]
    h[H_UNTIL] = inputs.claims[i, A_UNTIL] if inputs.claims[i, A_CONNECTED] == 1 else -NEVER
    h[H_WAITING] = i
    o[O_TTL] = h[H_TTL]
    if h[H_TTL] == TEMPLATES_TTL:
        o[O_TTL] = template.default_ttl_us if template.default_ttl_us > 0 else NEVER
    o[O_LAST_USED] = now_at
    o[O_DORMANT] = NEVER
    o[O_DELETING] = NEVER
    o[O_NEXT_START] = next_start(lives, person, now_at)
    _clear(lives.builds[world.claims[i, C_BUILD]], 0)
    set_wake(lives, person, NEVER)


@part
def _clear(life: Int64Array, reason: int) -> None:
    life[L_DEADLINE] = NEVER
    life[L_MAX_DEADLINE] = NEVER
    life[L_REASON] = reason
    life[L_BUMPED_AT] = NEVER
    life[L_BUMPED_FROM] = NEVER
    life[L_BUMPS] = 0


@called
def _new_life_build(world: World, lives: Lives, w: int, transition: int, reason: int, now_at: int) -> int:
    """A build of an owned workspace, initiated by its owner (whom the executor acts for)."""
    build = _new_build(world, w, transition, True, now_at)
    _clear(lives.builds[build], reason)
    return build


@called
def _begin_life(inputs: Inputs, world: World, lives: Lives, w: int, now_at: int) -> None:
    """An owned workspace's start build is done: it fails, or it gets its deadlines and its owner is connected."""
    claim = world.workspaces[w, W_OWNER]
    person = inputs.claims[claim, A_PERSON]
    if person == NONE:
        return
    build = world.workspaces[w, W_BUILD]
    h, row = lives.people[person], world.builds[build]
    luck = mix(inputs.claims[claim, A_LUCK] ^ row[B_NUMBER])
    by_chance = row[B_NUMBER] > 1 and world.claims[claim, C_BUILD] != build
    threshold = inputs.presets[world.workspaces[w, W_PRESET], P_START_FAILURE_THRESHOLD]
    fails = by_chance and happens(threshold, luck, FAILURE_STREAM)
    if not fails and not complete_start(lives, person, claim, build, now_at):
        fails = True
        _tell(world, lives, w, NO_STOP_DAY, now_at)
    if fails:
        row[B_STATUS] = FAILED
        row[B_READY] = NEVER
        world.workspaces[w, W_READY] = NEVER
        return
    _tell(world, lives, w, STARTED_UP, now_at)
    h[H_REPORT] = row[B_READY]


@called
def _go_on(inputs: Inputs, world: World, lives: Lives, w: int, now_at: int) -> None:
    """A job of an owned workspace is done: who waited for it goes on, and the executor knows when to look again."""
    claim = world.workspaces[w, W_OWNER]
    if claim == NONE or inputs.claims[claim, A_PERSON] == NONE:
        return
    person = inputs.claims[claim, A_PERSON]
    h = lives.people[person]
    build = world.workspaces[w, W_BUILD]
    waiting = h[H_WAITING]
    h[H_WAITING] = NONE
    if world.builds[build, B_TRANSITION] == DELETE:
        h[H_WORKSPACE] = NONE
        set_wake(lives, person, NEVER)
        if waiting != NONE:
            _settle_in(inputs, world, lives, person, waiting, now_at)
        return
    if world.builds[build, B_TRANSITION] == STOP and waiting != NONE:
        _start_again(world, lives, person, w, waiting, now_at)
        return
    set_wake(lives, person, due_at(lives, person, _facts(world, lives, person, w, now_at), now_at))


@called
def _facts(world: World, lives: Lives, person: int, w: int, now_at: int) -> Facts:
    build = world.workspaces[w, W_BUILD]
    b = world.builds[build]
    return facts_of(
        lives,
        person,
        world.workspaces[w, W_OWNER],
        b[B_TRANSITION],
        b[B_STATUS],
        b[B_CREATED],
        b[B_COMPLETED],
        build,
        now_at,
    )


@called
def _tell(world: World, lives: Lives, w: int, rule: int, now_at: int) -> None:
    """Write down what is about to happen to an owned workspace, and the numbers that caused it."""
    i = lives.counters[STORIES]
    lives.counters[STORIES] = i + 1
    claim, build = world.workspaces[w, W_OWNER], world.workspaces[w, W_BUILD]
    row, life, o = lives.stories[i], lives.builds[build], lives.owned[claim]
    row[X_AT] = now_at
    row[X_CLAIM] = claim
    row[X_RULE] = rule
    row[X_BUILD] = build
    row[X_DEADLINE] = life[L_DEADLINE]
    row[X_MAX_DEADLINE] = life[L_MAX_DEADLINE]
    row[X_BUMPED_AT] = life[L_BUMPED_AT]
    row[X_BUMPED_FROM] = life[L_BUMPED_FROM]
    row[X_NEXT_START] = o[O_NEXT_START]
    row[X_LAST_USED] = o[O_LAST_USED]
    row[X_DELETING] = o[O_DELETING]
    row[X_BUMPS] = life[L_BUMPS]
    row[X_TTL] = o[O_TTL]


@called
def _execute(world: World, lives: Lives, person: int, now_at: int) -> None:
    """The lifecycle executor looks at a person's workspace, and acts by the first rule that applies."""
    w = lives.people[person, H_WORKSPACE]
    if w == NONE or world.builds[world.workspaces[w, W_BUILD], B_STATUS] <= RUNNING:
        set_wake(lives, person, NEVER)  # until the job is done
        return
    build, claim = world.workspaces[w, W_BUILD], world.workspaces[w, W_OWNER]
    if world.builds[build, B_TRANSITION] == START and world.builds[build, B_STATUS] == SUCCEEDED:
        report(lives, person, claim, build, now_at)
    facts = _facts(world, lives, person, w, now_at)
    template = template_of(lives, person)
    rule = transition(facts, template, now_at)
    if rule != NOTHING:
        _tell(world, lives, w, rule, now_at)
    o = lives.owned[claim]
    if rule in (AUTOSTOP, SUSPENDED_STOP, FAILED_STOP):
        _new_life_build(world, lives, w, STOP, rule, now_at)
        o[O_NEXT_START] = next_start(lives, person, now_at)
    elif rule == AUTOSTART:
        _new_life_build(world, lives, w, START, rule, now_at)
    elif rule == AUTODELETE:
        _new_life_build(world, lives, w, DELETE, rule, now_at)
    elif rule == DORMANCY:
        o[O_DORMANT] = now_at
        if template.time_til_dormant_autodelete_us > 0:
            o[O_DELETING] = now_at + template.time_til_dormant_autodelete_us
        if facts.transition == START:
            _new_life_build(world, lives, w, STOP, rule, now_at)
            o[O_NEXT_START] = next_start(lives, person, now_at)
    if world.builds[world.workspaces[w, W_BUILD], B_STATUS] <= RUNNING:
        set_wake(lives, person, NEVER)
    else:
        set_wake(lives, person, due_at(lives, person, _facts(world, lives, person, w, now_at), now_at))


@called
def _change(world: World, lives: Lives, i: int) -> None:
    """A person's TTL or a template's schedule changes."""
    x = lives.changes[i]
    now_at, person = x[V_AT], x[V_PERSON]
    h = lives.people[person]
    if x[V_KIND] == SET_TTL and not template_of(lives, person).allow_user_autostop:
        return  # Coder refuses it
    w = h[H_WORKSPACE]
    runs = False
    if w != NONE:
        b = world.builds[world.workspaces[w, W_BUILD]]
        runs = b[B_TRANSITION] == START and b[B_STATUS] == SUCCEEDED
        if runs:
            report(lives, person, world.workspaces[w, W_OWNER], world.workspaces[w, W_BUILD], now_at)
    if x[V_KIND] == SET_TTL:
        h[H_TTL] = x[V_VALUE]
    else:
        h[H_TEMPLATE] = x[V_VALUE]
    h[H_CROSSED] = -NEVER
    if w == NONE:
        return
    build, claim = world.workspaces[w, W_BUILD], world.workspaces[w, W_OWNER]
    o, life = lives.owned[claim], lives.builds[build]
    if x[V_KIND] == SET_TTL:
        o[O_TTL] = x[V_VALUE]
        _tell(world, lives, w, TTL_CHANGED, now_at)
        if runs and x[V_VALUE] == NEVER:
            life[L_DEADLINE] = deadline_without_ttl(life[L_MAX_DEADLINE])
    else:
        _tell(world, lives, w, TEMPLATE_CHANGED, now_at)
        o[O_NEXT_START] = next_start(lives, person, world.builds[build, B_CREATED])
        if runs:
            template = template_of(lives, person)
            max_at = NEVER
            if h[H_QUIET_HOURS] != NONE:
                max_at, _ = max_deadline(
                    schedule_of(lives, h[H_QUIET_HOURS]), world.builds[build, B_COMPLETED], template
                )
            life[L_DEADLINE], life[L_MAX_DEADLINE] = rescheduled(
                life[L_DEADLINE], life[L_MAX_DEADLINE], max_at, ttl_in_force(o[O_TTL], template), now_at
            )
    if world.builds[build, B_STATUS] > RUNNING:
        set_wake(lives, person, due_at(lives, person, _facts(world, lives, person, w, now_at), now_at))


@called
def _end_lives(inputs: Inputs, world: World, lives: Lives, end_at: int) -> None:
    """What agents have reported until the window ends."""
    for person in range(lives.people.shape[0]):
        w = lives.people[person, H_WORKSPACE]
        if w != NONE:
            b = world.builds[world.workspaces[w, W_BUILD]]
            if b[B_TRANSITION] == START and b[B_STATUS] == SUCCEEDED:
                report(lives, person, world.workspaces[w, W_OWNER], world.workspaces[w, W_BUILD], end_at)


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
            _unlink(world, which, w)
            canceled += 1
        w = following
    return canceled


@part
def _newer_than(world: World, preset: int, failed: int, at_most: int) -> int:
    """Prebuilds whose latest build is a start that did not fail, created after the workspace `failed`."""
    lists = preset * LISTS
    found = _newer(world, lists + STARTING_LIST, failed, at_most)
    return found + _newer(world, lists + RUNNING_LIST, failed, at_most)


@part
def _limited(inputs: Inputs, world: World, preset: int) -> bool:
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
def _backoff_until(inputs: Inputs, world: World, preset: int, now_at: int) -> tuple[int, int]:
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
def _decide(inputs: Inputs, world: World, preset: int, now_at: int) -> None:
    """One preset's part of a tick: facts, decision, builds, and the instant before which nothing can change."""
    lists = preset * LISTS
    running = lists + RUNNING_LIST
    active = world.state[preset, S_ACTIVE] == 1

    last_change = inputs.presets[preset, P_CHANGES_UNTIL] - 1
    while world.state[preset, S_CHANGE] < last_change and inputs.change_at[world.state[preset, S_CHANGE] + 1] <= now_at:
        world.state[preset, S_CHANGE] += 1
    change_i = world.state[preset, S_CHANGE]
    wake_at = inputs.change_at[change_i + 1] if change_i < last_change else NEVER

    expired = 0
    w = world.lists[running, FIRST]
    ttl_us, invalidated_at = inputs.presets[preset, P_TTL], world.state[preset, S_INVALIDATED]
    while w != NONE and is_expired(world.workspaces[w, W_CREATED], ttl_us, invalidated_at, now_at):
        expired += 1
        w = world.workspaces[w, W_NEXT]
    pool = Pool(
        desired=inputs.change_desired[change_i] if active else 0,
        actual=world.lists[running, SIZE],
        expired=expired,
        # Claims' builds count too where the prebuilds user initiates them.
        starting=world.lists[lists + STARTING_LIST, SIZE] + world.state[preset, S_CLAIMING],
        active=active,
    )

    until_at, backoff_changes_at = _backoff_until(inputs, world, preset, now_at)
    if until_at != NEVER:
        world.state[preset, S_WAKE] = min(wake_at, backoff_changes_at)
        if world.state[preset, S_HELD_UNTIL] != until_at:
            world.state[preset, S_HELD_UNTIL] = until_at
            _note(world, preset, pool, Actions(0, 0, 0), 0, until_at, now_at)
        return

    actions = reconcile(pool)
    limited = actions.create > 0 and _limited(inputs, world, preset)
    if limited:
        actions = Actions(actions.delete_expired, actions.delete_oldest, 0)
    newly_limited = limited and world.state[preset, S_HELD_LIMIT] == 0
    world.state[preset, S_HELD_LIMIT] = 1 if limited else 0
    canceled = _cancel_pending(world, preset, now_at) if inputs.settings.cancels_pending and not active else 0

    deletes = actions.delete_expired + actions.delete_oldest
    if deletes + actions.create + canceled > 0 or newly_limited:
        _note(world, preset, pool, actions, canceled, NONE if newly_limited else NEVER, now_at)
        if active:
            w = world.lists[running, FIRST]  # the expired come first: they are the oldest
        for _ in range(deletes):
            following = world.workspaces[w, W_NEXT]
            _unlink(world, running, w)
            _new_build(world, w, DELETE, False, now_at)
            w = following
        for slot in range(actions.create):
            w = _new_workspace(
                world, preset, NONE, luck_of(inputs.presets[preset, P_KEY], now_at // SECOND_US, slot), now_at
            )
            world.state[preset, S_ORDINAL] += 1
            world.workspaces[w, W_ORDINAL] = world.state[preset, S_ORDINAL]
            _link(world, lists + STARTING_LIST, w)
            _new_build(world, w, START, False, now_at)
        if world.lists[lists + FAILED_LIST, SIZE] > 0:
            wake_at = now_at + 1  # what was created or deleted changes which failures are among the newest
    if active and ttl_us > 0 and world.lists[running, FIRST] != NONE:
        wake_at = min(wake_at, world.workspaces[world.lists[running, FIRST], W_CREATED] + ttl_us + 1)
    world.state[preset, S_WAKE] = wake_at


@part
def _happen(inputs: Inputs, world: World, i: int) -> None:
    """One of the scenario's events."""
    at, kind, preset = inputs.events[i, E_AT], inputs.events[i, E_KIND], inputs.events[i, E_PRESET]
    if kind == PAUSE:
        world.counters[PAUSED] = 1
        return
    if kind == RESUME:
        world.counters[PAUSED] = 0
        first_at = _tick_from(at, inputs.settings.start_at, inputs.settings.interval_us)
        world.counters[NEXT_TICK] = max(world.counters[NEXT_TICK], first_at)
        return
    if kind == INVALIDATE:
        world.state[preset, S_INVALIDATED] = at
    else:
        world.state[preset, S_ACTIVE] = 1 if kind == ACTIVATE else 0
    _wake(world, preset, at)


@part
def _tick_from(at: int, start_at: int, interval_us: int) -> int:
    """The first tick at or after an instant."""
    return NEVER if at == NEVER else at + (start_at - at) % interval_us


@part
def _take_jobs(inputs: Inputs, world: World, now_at: int) -> None:
    """Free daemons take pending jobs."""
    counters, jobs = world.counters, world.jobs
    while counters[RUNNING_JOBS] < jobs.shape[0]:
        build = _next_job(world)
        if build == NONE:
            return
        world.builds[build, B_STATUS] = RUNNING
        world.builds[build, B_STARTED] = now_at
        finishes_at = now_at + _job_us(inputs, world, build)
        # The one taken first finishes first, where two finish at one instant.
        i = counters[RUNNING_JOBS]
        while i > 0 and jobs[i - 1, J_AT] <= finishes_at:
            jobs[i, J_AT] = jobs[i - 1, J_AT]
            jobs[i, J_BUILD] = jobs[i - 1, J_BUILD]
            i -= 1
        jobs[i, J_AT] = finishes_at
        jobs[i, J_BUILD] = build
        counters[RUNNING_JOBS] += 1


@part
def _has_room(world: World, more: int) -> bool:
    """Do the tables that grow take `more` rows each? If not, say so in the counter MORE."""
    counters = world.counters
    if (
        counters[WORKSPACES] + more <= world.workspaces.shape[0]
        and counters[BUILDS] + more <= world.builds.shape[0]
        and counters[DECISIONS] + more <= world.decisions.shape[0]
    ):
        return True
    counters[MORE] = more
    return False


@part
def _has_room_for_lives(world: World, lives: Lives, looks: bool) -> bool:
    """Two more stories and one more workspace and build than a claim needs: a job that is done may bring the next.

    The executor's tick may bring a story and a build for everybody.
    """
    more = lives.people.shape[0] + 2 if looks else 2
    if lives.counters[STORIES] + more > lives.stories.shape[0]:
        world.counters[MORE] = more
        return False
    return _has_room(world, more)


@called
def _look(world: World, lives: Lives, every_tick: bool, now_at: int) -> None:
    """The executor's tick: at everybody who is due, or at everybody, in order."""
    lives.counters[TICKED_AT] = now_at
    if every_tick:
        for person in range(lives.people.shape[0]):
            _execute(world, lives, person, now_at)
        lives.counters[NEXT_LOOK] = now_at + MINUTE_US
    else:
        while lives.wakes[1] == now_at:
            _execute(world, lives, first_due(lives), now_at)


@jit
def _advance(inputs: Inputs, world: World, lives: Lives | None, every_tick: bool) -> bool:
    """Go on from event to event: True at the end of the window, False when a table is full."""
    start_at, end_at, interval_us = inputs.settings.start_at, inputs.settings.end_at, inputs.settings.interval_us
    presets = inputs.presets.shape[0]
    counters, jobs = world.counters, world.jobs
    while True:
        event_at = inputs.events[counters[NEXT_EVENT], E_AT] if counters[NEXT_EVENT] < inputs.events.shape[0] else NEVER
        claim_at = inputs.claims[counters[NEXT_CLAIM], A_AT] if counters[NEXT_CLAIM] < inputs.claims.shape[0] else NEVER
        job_at = jobs[counters[RUNNING_JOBS] - 1, J_AT] if counters[RUNNING_JOBS] > 0 else NEVER
        if counters[PAUSED] == 1:
            tick_at = NEVER
        elif every_tick or counters[NEXT_WAKE] <= counters[NEXT_TICK]:
            tick_at = counters[NEXT_TICK]
        else:
            tick_at = _tick_from(counters[NEXT_WAKE], start_at, interval_us)
        now_at = min(event_at, claim_at, job_at, tick_at)
        change_at, look_at = NEVER, NEVER
        if lives is not None:
            if lives.counters[NEXT_CHANGE] < lives.changes.shape[0]:
                change_at = lives.changes[lives.counters[NEXT_CHANGE], V_AT]
            look_at = lives.counters[NEXT_LOOK] if every_tick else lives.wakes[1]
            now_at = min(now_at, change_at, look_at)
        if now_at > end_at:
            if lives is not None:
                _end_lives(inputs, world, lives, end_at)
            return True
        if lives is not None and not _has_room_for_lives(world, lives, look_at == now_at):
            return False

        if event_at == now_at:
            _happen(inputs, world, counters[NEXT_EVENT])
            counters[NEXT_EVENT] += 1
        elif change_at == now_at:
            if lives is not None:
                _change(world, lives, lives.counters[NEXT_CHANGE])
                lives.counters[NEXT_CHANGE] += 1
        elif job_at == now_at:
            counters[RUNNING_JOBS] -= 1
            _finish(inputs, world, lives, jobs[counters[RUNNING_JOBS], J_BUILD], now_at)
        elif claim_at == now_at:
            if not _has_room(world, 1):
                return False
            _arrive(inputs, world, lives, counters[NEXT_CLAIM], now_at)
            counters[NEXT_CLAIM] += 1
        elif look_at == now_at:
            if lives is not None:
                _look(world, lives, every_tick, now_at)
        else:
            more = 0
            for preset in range(presets):
                more += inputs.presets[preset, P_MOST_DESIRED] + world.lists[preset * LISTS + RUNNING_LIST, SIZE] + 1
            if not _has_room(world, more):
                return False
            if lives is not None:
                lives.counters[TICKED_AT] = now_at
            counters[NEXT_WAKE] = NEVER
            for preset in range(presets):
                if every_tick or world.state[preset, S_WAKE] <= now_at:
                    _decide(inputs, world, preset, now_at)
                counters[NEXT_WAKE] = min(counters[NEXT_WAKE], world.state[preset, S_WAKE])
            counters[NEXT_TICK] = now_at + interval_us
        _take_jobs(inputs, world, now_at)


def simulate(inputs: Inputs, people: People | None = None, every_tick: bool = False) -> Output:
    """Run a scenario from its window's start to its end (inclusive): rows of everything that happened.

    `every_tick` looks at each preset at every tick and at each person in every minute, also where nothing can have
    changed: the rows are the same.
    """
    world = _empty_world(inputs)
    lives = (
        None if people is None else empty_lives(people, len(inputs.claims), len(world.builds), inputs.settings.start_at)
    )
    while not _advance(inputs, world, lives, every_tick):
        more = int(world.counters[MORE])
        world = world._replace(
            workspaces=_grown(world.workspaces, more),
            builds=_grown(world.builds, more),
            decisions=_grown(world.decisions, more),
        )
        if lives is not None:
            # As many rows as builds; those of prebuilds stay empty.
            room = np.full((len(world.builds) - len(lives.builds), L_COLUMNS), NEVER, dtype=np.int64)
            lives = lives._replace(builds=np.concatenate([lives.builds, room]), stories=_grown(lives.stories, more))
    counters = world.counters
    nothing = np.empty((0, 0), dtype=np.int64)
    return Output(
        world.workspaces[: counters[WORKSPACES]],
        world.builds[: counters[BUILDS]],
        world.claims,
        world.decisions[: counters[DECISIONS]],
        nothing if lives is None else lives.owned,
        nothing if lives is None else lives.builds[: counters[BUILDS]],
        nothing if lives is None else lives.stories[: lives.counters[STORIES]],
    )


def no_rows(inputs: Inputs) -> Output:
    """The output of a run in which nothing has happened yet."""
    tables = (W_COLUMNS, B_COLUMNS, D_COLUMNS, O_COLUMNS, L_COLUMNS, X_COLUMNS)
    workspaces, builds, decisions, owned, lives, stories = (np.empty((0, n), dtype=np.int64) for n in tables)
    return Output(workspaces, builds, _no_claims(inputs), decisions, owned, lives, stories)


def _no_claims(inputs: Inputs) -> Table:
    return np.full((inputs.claims.shape[0], C_COLUMNS), NONE, dtype=np.int64)


def _empty_world(inputs: Inputs) -> World:
    presets, claims = inputs.presets.shape[0], inputs.claims.shape[0]
    start_at = inputs.settings.start_at
    counters = np.zeros(COUNTERS, dtype=np.int64)
    counters[[PEOPLE_FIRST, PEOPLE_LAST, PREBUILDS_FIRST, PREBUILDS_LAST]] = NONE
    counters[[NEXT_WAKE, NEXT_TICK]] = start_at
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
        claims=_no_claims(inputs),
        decisions=np.empty((claims + 4096, D_COLUMNS), dtype=np.int64),
        counters=counters,
        lists=lists,
        state=state,
        jobs=np.empty((inputs.settings.daemons, J_COLUMNS), dtype=np.int64),
    )


def _grown(table: Table, more: int) -> Table:
    """A copy with room for at least `more` further rows."""
    copy = np.empty((2 * table.shape[0] + more, table.shape[1]), dtype=np.int64)
    copy[: table.shape[0]] = table
    return copy
