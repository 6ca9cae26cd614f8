"""The pools of prebuilds: what stands in them, claims, and the reconciler."""

from __future__ import annotations

from typing import NamedTuple

from simkit.core.chance import happens, luck_of, mix, pick
from simkit.core.compile import part
from simkit.core.facts import (
    A_LUCK,
    A_PRESET,
    AGENT,
    B_COMPLETED,
    B_CREATED,
    B_ENDED,
    B_HUMAN,
    B_NEXT,
    B_NUMBER,
    B_READY,
    B_STARTED,
    B_STATUS,
    B_TRANSITION,
    B_WORKSPACE,
    BUILDS,
    BY_ITSELF,
    C_BUILD,
    C_HIT,
    C_WORKSPACE,
    CHOICE_STREAM,
    CLAIMS_FIRST,
    D_ACTUAL,
    D_AT,
    D_BACKOFF_UNTIL,
    D_CANCELED,
    D_CREATED,
    D_DELETED_EXPIRED,
    D_DELETED_OLDEST,
    D_DESIRED,
    D_EXPIRED,
    D_HARD_LIMITED,
    D_PRESET,
    D_STARTING,
    DECISIONS,
    FAILED_LIST,
    FAILURE_STREAM,
    FIRST,
    G_PREBUILDS,
    LAST,
    LISTS,
    NEWEST,
    NEXT_WAKE,
    OLDEST,
    OPERATORS_FIRST,
    P_CHANGES_UNTIL,
    P_CLEARED_AFTER,
    P_DAILY_COST,
    P_FAILING_FROM,
    P_FAILING_UNTIL,
    P_FAILURE_THRESHOLD,
    P_INSTANCES,
    P_KEY,
    P_SAMPLES_COUNT,
    P_SAMPLES_FROM,
    P_TTL,
    PEOPLE_FIRST,
    PREBUILDS_FIRST,
    RUNNING_LIST,
    S_ACTIVE,
    S_CHANGE,
    S_CLAIMING,
    S_HELD_LIMIT,
    S_HELD_UNTIL,
    S_INVALIDATED,
    S_ORDINAL,
    S_WAKE,
    SIZE,
    STARTING_LIST,
    STREAMS,
    W_BUILD,
    W_CLAIMED,
    W_CREATED,
    W_DELETED,
    W_LUCK,
    W_NEXT,
    W_ORDINAL,
    W_OWNER,
    W_PRESET,
    W_PREV,
    W_READY,
    WORKSPACES,
    Inputs,
    Pools,
    World,
)
from simkit.core.numbers import (
    CANCELED,
    DELETE,
    NEVER,
    NONE,
    PENDING,
    SECOND_US,
    START,
    SUCCEEDED,
)
from simkit.core.policy import (
    Actions,
    Pool,
    backoff_until_at,
    is_above_quota,
    is_expired,
    is_hard_limited,
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
def _insert_build(world: World, workspace: int, transition: int, human: bool, now_at: int) -> int:
    """A build whose job is in no queue."""
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
    row[B_ENDED] = BY_ITSELF
    world.workspaces[workspace, W_BUILD] = i
    return i


@part
def new_build(world: World, workspace: int, transition: int, human: bool, now_at: int) -> int:
    """Insert a build and queue its job."""
    i = _insert_build(world, workspace, transition, human, now_at)
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
def duration(inputs: Inputs, preset: int, what: int, luck: int) -> int:
    given = inputs.presets[preset]
    return pick(inputs.samples, given[P_SAMPLES_FROM + what], given[P_SAMPLES_COUNT + what], luck, STREAMS[what])


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
def is_above(inputs: Inputs, world: Pools, preset: int) -> bool:
    """Would one more prebuild that runs take more than the quota? Only those count whose latest build is a start that
    succeeded: others, deletions too, cost nothing until they are done."""
    more = inputs.presets[preset, P_DAILY_COST]
    if inputs.settings.quota == NEVER or more == 0:
        return False
    consumed = 0
    for other in range(inputs.presets.shape[0]):
        consumed += inputs.presets[other, P_DAILY_COST] * world.lists[other * LISTS + RUNNING_LIST, SIZE]
    return is_above_quota(consumed, more, inputs.settings.quota)


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
def count_taken(inputs: Inputs, world: Pools, preset: int, now_at: int) -> None:
    """One prebuild of a preset's pool has a new owner."""
    if inputs.settings.claims_by_prebuilds:  # one running less and one starting more change no decision
        world.state[preset, S_CLAIMING] += 1
        if not _failed_lately(inputs, world, preset, now_at):
            return
    wake(world, preset, now_at)


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
        count_taken(inputs, world, preset, now_at)
    else:
        w = new_workspace(world, preset, i, inputs.claims[i, A_LUCK], now_at)
    if targets is not None:
        count_claim(targets, preset, hit, inputs.settings.start_at, now_at)
        wake(world, preset, now_at)
    world.claims[i, C_WORKSPACE] = w
    world.claims[i, C_BUILD] = new_build(world, w, START, not (hit and inputs.settings.claims_by_prebuilds), now_at)
    world.claims[i, C_HIT] = 1 if hit else 0


@part
def _cancel_pending(inputs: Inputs, world: World, preset: int, now_at: int) -> int:
    """Cancel the preset's start jobs that no daemon has taken, and delete their workspaces."""
    canceled = 0
    which = preset * LISTS + STARTING_LIST
    w = world.lists[which, FIRST]
    while w != NONE:
        following = world.workspaces[w, W_NEXT]
        build = world.builds[world.workspaces[w, W_BUILD]]
        if build[B_STATUS] == PENDING:
            build[B_STATUS] = CANCELED
            build[B_COMPLETED] = now_at
            unlink(world, which, w)
            canceled += 1
            if inputs.settings.deletes_canceled and inputs.daemons[:, G_PREBUILDS].any():
                new_build(world, w, DELETE, False, now_at)
            else:
                _delete_at_once(inputs, world, w, now_at)
        w = following
    return canceled


@part
def _delete_at_once(inputs: Inputs, world: World, w: int, now_at: int) -> None:
    """A workspace of which nothing was built is gone. Coder completes its delete build itself, if it has one, where no
    daemon could take the job."""
    world.workspaces[w, W_DELETED] = now_at
    if inputs.settings.deletes_canceled:
        build = world.builds[_insert_build(world, w, DELETE, False, now_at)]
        build[B_STARTED] = now_at
        build[B_COMPLETED] = now_at
        build[B_STATUS] = SUCCEEDED


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
def _failed_lately(inputs: Inputs, world: Pools, preset: int, now_at: int) -> bool:
    """Could the preset's newest failed prebuild hold it back, with fewer others that are newer?"""
    newest = world.lists[preset * LISTS + FAILED_LIST, LAST]
    return newest != NONE and world.workspaces[newest, W_CREATED] >= now_at - inputs.settings.lookback_us


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
def sleep(inputs: Inputs, world: Pools, preset: int, deletes: int, wake_at: int, now_at: int) -> None:
    """After a tick that was not held back: the instant before which no other can decide anything."""
    lists = preset * LISTS
    if deletes > 0 and _failed_lately(inputs, world, preset, now_at):
        wake_at = now_at + 1  # a failure may be among the newest again, of which fewer are left
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
    canceled = _cancel_pending(inputs, world, preset, now_at) if inputs.settings.cancels_pending and not active else 0
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
    sleep(inputs, world, preset, deletes, wake_at, now_at)
