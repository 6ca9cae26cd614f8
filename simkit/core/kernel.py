"""The event loop: a whole run in arrays. It jumps from event to event and lets `pools` and `lives` do what is due.

At one instant things happen in the order of `numbers.Order`; after each of them free daemons take jobs. An agent needs
no event: it is ready from an instant on.

`lives` is None in a run without people, `prebuilt` where the executor leaves prebuilds alone, and `targets` where
schedules alone say what is desired: the compiler then leaves everything out that concerns them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simkit.core.compile import jit, part
from simkit.core.facts import (
    A_AT,
    A_LUCK,
    A_PERSON,
    ACTIVATE,
    AGENT,
    B_COLUMNS,
    B_COMPLETED,
    B_CREATED,
    B_ENDED,
    B_NUMBER,
    B_READY,
    B_STATUS,
    B_TRANSITION,
    B_WORKSPACE,
    BUILDS,
    BY_QUOTA,
    BY_REAPER,
    C_BUILD,
    D_COLUMNS,
    DECISIONS,
    E_AT,
    E_KIND,
    E_PRESET,
    FAILED_LIST,
    INVALIDATE,
    J_AT,
    LISTS,
    MORE,
    NEXT_CLAIM,
    NEXT_EVENT,
    NEXT_REAP,
    NEXT_TICK,
    NEXT_WAKE,
    P_MOST_DESIRED,
    PAUSE,
    PAUSED,
    REINITIALIZE,
    RESUME,
    RUNNING_JOBS,
    RUNNING_LIST,
    S_ACTIVE,
    S_CLAIMING,
    S_INVALIDATED,
    S_ORDINAL,
    S_WAKE,
    SIZE,
    STARTING_LIST,
    W_COLUMNS,
    W_DELETED,
    W_LUCK,
    W_ORDINAL,
    W_OWNER,
    W_PRESET,
    W_READY,
    WORKSPACES,
    Inputs,
    TooManyRowsError,
    World,
    empty_world,
    no_claims,
)
from simkit.core.jobs import next_to_finish, next_to_reap, take_jobs
from simkit.core.lifecycle_executor import change, look
from simkit.core.lives import (
    L_COLUMNS,
    NEXT_CHANGE,
    NEXT_LOOK,
    O_COLUMNS,
    STORIES,
    TICKED_AT,
    V_AT,
    X_COLUMNS,
    Lives,
    People,
    empty_lives,
    end_build,
    end_lives,
    work,
)
from simkit.core.numbers import DELETE, FAILED, NEVER, NONE, START, SUCCEEDED, Table
from simkit.core.pools import (
    clear_failed,
    decide,
    duration,
    fails,
    finish_prebuild,
    is_above,
    serve_claim,
    tick_from,
    wake,
)
from simkit.core.stopped_prebuilds import (
    U_COLUMNS,
    Prebuilt,
    change_prebuilds,
    empty_prebuilt,
    end_prebuild_job,
    look_at_all,
    see_pool,
)
from simkit.core.targets import Programs, Targets, empty_targets


class Output(NamedTuple):
    """Rows of the run, in order of creation (decisions: in order of ticks and presets)."""

    workspaces: Table
    builds: Table
    claims: Table
    decisions: Table
    owned: Table  # [claims, lives.O_COLUMNS], empty without people, as are the next two
    lives: Table  # [builds, lives.L_COLUMNS]
    stories: Table  # what the executor did
    prebuilt: Table  # [workspaces, prebuilt.U_COLUMNS], empty where the executor leaves prebuilds alone


@jit
def _advance(
    inputs: Inputs,
    world: World,
    lives: Lives | None,
    prebuilt: Prebuilt | None,
    targets: Targets | None,
    every_tick: bool,
) -> bool:
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
            tick_at = tick_from(counters[NEXT_WAKE], start_at, interval_us)
        reap_at = counters[NEXT_REAP]
        now_at = min(event_at, claim_at, job_at, tick_at, reap_at)
        change_at, look_at = NEVER, NEVER
        if lives is not None:
            if lives.counters[NEXT_CHANGE] < lives.changes.shape[0]:
                change_at = lives.changes[lives.counters[NEXT_CHANGE], V_AT]
            look_at = lives.counters[NEXT_LOOK] if every_tick else lives.wakes[1]
            if prebuilt is not None and not every_tick:
                look_at = min(look_at, prebuilt.wakes[1])
            now_at = min(now_at, change_at, look_at)
        if now_at > end_at:
            if lives is not None:
                end_lives(inputs, world, lives, end_at)
            return True
        if lives is not None:
            more = lives.people.shape[0] + 2 if look_at == now_at else 2
            if prebuilt is not None and (every_tick or change_at == now_at):
                more += counters[WORKSPACES]  # all prebuilds at once
            if not _has_room_for_lives(world, lives, more):
                return False

        ends = NONE  # the build whose job ends
        # What happens at one instant happens in the order of these branches, which is that of `numbers.Order`.
        if event_at == now_at:
            _happen(inputs, world, counters[NEXT_EVENT])
            counters[NEXT_EVENT] += 1
        elif change_at == now_at:
            if lives is not None:
                if prebuilt is not None:
                    change_prebuilds(inputs, world, lives, prebuilt, lives.counters[NEXT_CHANGE])
                change(inputs, world, lives, lives.counters[NEXT_CHANGE])
                lives.counters[NEXT_CHANGE] += 1
        elif job_at == now_at:
            ends = next_to_finish(world)
        elif claim_at == now_at:
            if not _has_room(world, 1):
                return False
            _arrive(inputs, world, lives, targets, counters[NEXT_CLAIM], now_at)
            counters[NEXT_CLAIM] += 1
        elif look_at == now_at:
            if lives is not None:
                if prebuilt is None:
                    look(inputs, world, lives, every_tick, now_at)
                elif not look_at_all(inputs, world, lives, prebuilt, every_tick, now_at):
                    continue
        elif tick_at == now_at:
            more = 0
            for preset in range(presets):
                more += inputs.presets[preset, P_MOST_DESIRED] + world.lists[preset * LISTS + RUNNING_LIST, SIZE] + 1
                if inputs.settings.clears_failed:
                    more += world.lists[preset * LISTS + FAILED_LIST, SIZE]
                if inputs.settings.deletes_canceled:
                    more += world.lists[preset * LISTS + STARTING_LIST, SIZE]
            if not _has_room(world, more):
                return False
            if lives is not None:
                lives.counters[TICKED_AT] = now_at
            ordered = counters[BUILDS]
            if inputs.settings.clears_failed:
                for preset in range(presets):
                    clear_failed(inputs, world, preset, now_at)
            counters[NEXT_WAKE] = NEVER
            for preset in range(presets):
                if every_tick or world.state[preset, S_WAKE] <= now_at:
                    decide(inputs, world, targets, preset, now_at)
                counters[NEXT_WAKE] = min(counters[NEXT_WAKE], world.state[preset, S_WAKE])
            counters[NEXT_TICK] = now_at + interval_us
            if lives is not None and prebuilt is not None:
                see_pool(inputs, world, lives, prebuilt, ordered, now_at)
        else:
            # What it ends is seen by the next ticks of the others: those of this instant, if they had any, are over.
            counters[NEXT_TICK] = max(counters[NEXT_TICK], tick_from(now_at + 1, start_at, interval_us))
            if lives is not None:
                lives.counters[TICKED_AT] = now_at
            ends = next_to_reap(world, now_at)
        if ends != NONE:
            _finish(inputs, world, lives, targets, ends, now_at)
            if lives is not None and prebuilt is not None:
                w = world.builds[ends, B_WORKSPACE]
                if world.workspaces[w, W_OWNER] == NONE:
                    end_prebuild_job(inputs, world, lives, prebuilt, w, now_at)
        take_jobs(inputs, world, now_at)


@part
def _finish(inputs: Inputs, world: World, lives: Lives | None, targets: Targets | None, i: int, now_at: int) -> None:
    """A build's job is done: the workspace is built, its claim is built, it has failed, is stopped or is gone."""
    build = world.builds[i]
    is_reaped = build[B_ENDED] == BY_REAPER
    w = build[B_WORKSPACE]
    workspace = world.workspaces[w]
    preset, owner = workspace[W_PRESET], workspace[W_OWNER]
    build[B_COMPLETED] = now_at
    build[B_STATUS] = FAILED if is_reaped else SUCCEEDED
    if owner == NONE and build[B_TRANSITION] == START:
        failed = is_reaped or fails(inputs, preset, workspace[W_ORDINAL], workspace[W_LUCK])
        if not failed and is_above(inputs, world, preset):
            failed = True
            build[B_ENDED] = BY_QUOTA
        if finish_prebuild(inputs, world, w, failed, now_at):
            build[B_READY] = workspace[W_READY]
        else:
            build[B_STATUS] = FAILED
        if targets is not None:  # an expression may ask how many run
            wake(world, preset, now_at)
        return
    if owner != NONE and build[B_TRANSITION] == START:  # after a claim, a cold one, or one of its later life
        claimed = build[B_NUMBER] > 1 and world.claims[owner, C_BUILD] == i
        if claimed and inputs.settings.claims_by_prebuilds:
            world.state[preset, S_CLAIMING] -= 1
            wake(world, preset, now_at)
        if not is_reaped:
            agent = REINITIALIZE if claimed else AGENT
            build[B_READY] = now_at + duration(inputs, preset, agent, inputs.claims[owner, A_LUCK])
            workspace[W_READY] = build[B_READY]
    if lives is not None and owner != NONE and inputs.claims[owner, A_PERSON] != NONE:
        end_build(inputs, world, lives, targets, w, is_reaped, now_at)
    elif build[B_TRANSITION] == DELETE and not is_reaped:
        workspace[W_DELETED] = now_at


@part
def _arrive(inputs: Inputs, world: World, lives: Lives | None, targets: Targets | None, i: int, now_at: int) -> None:
    """Somebody starts to work: with the workspace they have, else they claim one."""
    person = inputs.claims[i, A_PERSON]
    if lives is None or person == NONE:
        serve_claim(inputs, world, targets, i, now_at)
    else:
        work(inputs, world, lives, targets, person, i, now_at)


@part
def _happen(inputs: Inputs, world: World, i: int) -> None:
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
    wake(world, preset, at)


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
def _has_room_for_lives(world: World, lives: Lives, more: int) -> bool:
    """Two more stories and one more workspace and build than a claim needs: a job that is done may bring the next.

    The executor's tick may bring a story and a build for everybody.
    """
    if lives.counters[STORIES] + more > lives.stories.shape[0]:
        world.counters[MORE] = more
        return False
    return _has_room(world, more)


def simulate(
    inputs: Inputs,
    people: People | None = None,
    every_tick: bool = False,
    programs: Programs | None = None,
    most_rows: int = NEVER,
) -> Output:
    """Run a scenario from its window's start to its end (inclusive): rows of everything that happened.

    `every_tick` looks at each preset at every tick and at each person in every minute, also where nothing can have
    changed: the rows are the same. `programs` replace the schedules of the presets that have one. Raises
    TooManyRowsError where a table has `most_rows` and is to grow.
    """
    world = empty_world(inputs)
    lives = (
        None if people is None else empty_lives(people, len(inputs.claims), len(world.builds), inputs.settings.start_at)
    )
    prebuilt = None if people is None or not people.prebuilds_too else empty_prebuilt(len(world.workspaces))
    targets = None if programs is None else empty_targets(programs)
    while not _advance(inputs, world, lives, prebuilt, targets, every_tick):
        _check_rows(inputs, world, lives, most_rows)
        counters, more = world.counters, int(world.counters[MORE])
        world = world._replace(
            workspaces=_grown(world.workspaces, counters[WORKSPACES], more),
            builds=_grown(world.builds, counters[BUILDS], more),
            decisions=_grown(world.decisions, counters[DECISIONS], more),
        )
        if lives is not None:
            # As many rows as builds; those of prebuilds stay empty.
            room = np.full((len(world.builds) - len(lives.builds), L_COLUMNS), NEVER, dtype=np.int64)
            lives = lives._replace(
                builds=np.concatenate([lives.builds, room]),
                stories=_grown(lives.stories, lives.counters[STORIES], more),
            )
        if prebuilt is not None and len(prebuilt.rows) < len(world.workspaces):
            prebuilt = empty_prebuilt(len(world.workspaces), prebuilt)
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
        nothing if prebuilt is None else prebuilt.rows[: counters[WORKSPACES]],
    )


def _check_rows(inputs: Inputs, world: World, lives: Lives | None, most: int) -> None:
    counters = world.counters
    rows = max(counters[[WORKSPACES, BUILDS, DECISIONS]].max(), 0 if lives is None else lives.counters[STORIES])
    if rows + counters[MORE] > most:
        last_at = world.builds[: counters[BUILDS], B_CREATED].max(initial=inputs.settings.start_at)
        raise TooManyRowsError(most, int(last_at), world.state[:, S_ORDINAL])


def no_rows(inputs: Inputs) -> Output:
    """The output of a run in which nothing has happened yet."""
    tables = (W_COLUMNS, B_COLUMNS, D_COLUMNS, O_COLUMNS, L_COLUMNS, X_COLUMNS, U_COLUMNS)
    workspaces, builds, decisions, owned, lives, stories, prebuilt = (np.empty((0, n), dtype=np.int64) for n in tables)
    return Output(workspaces, builds, no_claims(inputs), decisions, owned, lives, stories, prebuilt)


def _grown(table: Table, rows: int, more: int) -> Table:
    """The table, of which `rows` are used, with room for at least `more`: if it has none, a copy twice as long."""
    if rows + more <= len(table):
        return table
    copy = np.empty((2 * len(table) + more, table.shape[1]), dtype=np.int64)
    copy[:rows] = table[:rows]
    return copy
