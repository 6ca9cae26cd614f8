"""Jobs: their queue, the daemons that take them, and the reaper that ends those which nobody takes."""

from __future__ import annotations

from simkit.core.chance import mix
from simkit.core.compile import part
from simkit.core.facts import (
    A_LUCK,
    B_CREATED,
    B_ENDED,
    B_HUMAN,
    B_NEXT,
    B_NUMBER,
    B_STARTED,
    B_STATUS,
    B_TRANSITION,
    B_WORKSPACE,
    BUILD,
    BY_REAPER,
    C_BUILD,
    CLAIM,
    CLAIMS_FIRST,
    DRAWN,
    DRAWN_AT,
    DRAWN_JOB,
    DRAWN_LOT,
    G_PEOPLE,
    G_PREBUILDS,
    HALT,
    J_AT,
    J_BUILD,
    J_GROUP,
    NEXT_DRAWN,
    NEXT_REAP,
    OPERATORS_FIRST,
    PEOPLE_FIRST,
    PREBUILDS_FIRST,
    QUEUES_END,
    REAPED_AT,
    REMOVE,
    REMOVE_CANCELED,
    RESTART,
    RUNNING_JOBS,
    W_LUCK,
    W_OWNER,
    W_PRESET,
    W_READY,
    Inputs,
    Pools,
    World,
)
from simkit.core.numbers import (
    DELETE,
    MINUTE_US,
    NEVER,
    NONE,
    PENDING,
    RUNNING,
    STOP,
    Table,
)
from simkit.core.policy import (
    MOST_REAPED,
    PENDING_TOO_LONG_US,
    goes_first,
    is_reapable,
    reaping_lot,
)
from simkit.core.pools import duration


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
def _job_us(inputs: Inputs, world: World, build: int) -> int:
    workspace = world.workspaces[world.builds[build, B_WORKSPACE]]
    what, luck = BUILD, workspace[W_LUCK]
    number = world.builds[build, B_NUMBER]
    if world.builds[build, B_TRANSITION] == DELETE:
        what = REMOVE
        if number == 2 and workspace[W_READY] == NEVER and world.builds[build, B_HUMAN] == 0:
            what = REMOVE_CANCELED  # nobody but an operator deletes what was to be built, failed and is left
    elif number > 1 and workspace[W_OWNER] == NONE:
        what, luck = HALT, mix(luck ^ number)
    elif number > 1:
        what, luck = CLAIM, inputs.claims[workspace[W_OWNER], A_LUCK]
        if world.claims[workspace[W_OWNER], C_BUILD] != build:
            what, luck = RESTART, mix(luck ^ number)
            if world.builds[build, B_TRANSITION] == STOP:
                what = HALT
    return duration(inputs, workspace[W_PRESET], what, luck)


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
def _draw(world: World, now_at: int) -> None:
    """Draw the jobs that the reaper's tick ends, those with the lowest lots; they stand as they were queued then."""
    drawn, count = world.drawn, 0
    for queue in range(PEOPLE_FIRST, QUEUES_END, 2):
        job = world.counters[queue]
        while job != NONE and is_reapable(False, world.builds[job, B_CREATED], now_at):
            if world.builds[job, B_STATUS] == PENDING:
                count = _keep(drawn, count, MOST_REAPED, reaping_lot(job + 1, now_at), job)
            job = world.builds[job, B_NEXT]
    for i in range(count):
        _keep(drawn, i, count, 0, drawn[i, DRAWN_JOB])
    world.counters[DRAWN] = count
    world.counters[NEXT_DRAWN] = 0
    world.counters[DRAWN_AT] = now_at


@part
def _keep(drawn: Table, count: int, most: int, lot: int, job: int) -> int:
    """Put a job among the `count` that are drawn, by lot and row; of more than `most` the last one goes. How many there
    are then."""
    i = count
    while i > 0:
        before = drawn[i - 1]
        if before[DRAWN_LOT] < lot or (before[DRAWN_LOT] == lot and before[DRAWN_JOB] < job):
            break
        if i < most:
            drawn[i, DRAWN_LOT] = before[DRAWN_LOT]
            drawn[i, DRAWN_JOB] = before[DRAWN_JOB]
        i -= 1
    if i < most:
        drawn[i, DRAWN_LOT] = lot
        drawn[i, DRAWN_JOB] = job
    return min(count + 1, most)


@part
def next_to_reap(world: World, now_at: int) -> int:
    """The next job that the reaper's tick ends, in the order in which they were queued, as started in its last instant;
    NONE when the tick is over."""
    counters = world.counters
    if counters[DRAWN_AT] != now_at:
        _draw(world, now_at)
    while counters[NEXT_DRAWN] < counters[DRAWN]:
        job = world.drawn[counters[NEXT_DRAWN], DRAWN_JOB]
        counters[NEXT_DRAWN] += 1
        if world.builds[job, B_STATUS] == PENDING:  # and no daemon has taken it in the meantime
            world.builds[job, B_STARTED] = now_at
            world.builds[job, B_ENDED] = BY_REAPER
            return job
    counters[REAPED_AT] = now_at
    return NONE
