"""The lives of prebuilds, in versions whose executor does not leave them alone.

A prebuild's start gets deadlines of the template's default TTL and requirement; it is stopped, dormant and deleted by
the rules for people's workspaces, and a change of the template's schedule reaches it. The reconciler sees a stopped one
no more. The prebuilds user is the last of the people, and has no workspace of a person's kind.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simkit.core.compile import called, part
from simkit.core.facts import (
    B_COMPLETED,
    B_CREATED,
    B_STATUS,
    B_TRANSITION,
    B_WORKSPACE,
    BUILDS,
    FAILED_LIST,
    LISTS,
    RUNNING_LIST,
    W_BUILD,
    W_CREATED,
    W_DELETED,
    W_OWNER,
    W_PRESET,
    WORKSPACES,
    Inputs,
    World,
)
from simkit.core.lifecycle import (
    ACTIVE,
    AUTODELETE,
    DORMANCY,
    NOTHING,
    Facts,
    Template,
    changes_schedule,
    deadlines,
    deletes_at,
    is_eligible,
    keeps_deadlines,
    max_deadline,
    needs_build,
    rescheduled,
    transition,
    ttl_in_force,
)
from simkit.core.lifecycle_executor import look
from simkit.core.lives import (
    H_QUIET_HOURS,
    H_TEMPLATE,
    L_DEADLINE,
    L_MAX_DEADLINE,
    SET_TEMPLATE,
    SET_TEMPLATE_OF_DELETED,
    STARTED_UP,
    TEMPLATE_CHANGED,
    TICKED_AT,
    V_AT,
    V_KIND,
    V_PERSON,
    V_VALUE,
    Lives,
    begin_life,
    due_at,
    first_due,
    no_wakes,
    schedule_of,
    set_wake,
    template_at,
    template_of,
    tick_after,
    write,
)
from simkit.core.numbers import DELETE, NEVER, NONE, RUNNING, START, STOP, SUCCEEDED, Int64Array, Table
from simkit.core.pools import new_build, unlink, wake

U_DORMANT, U_DELETING, U_COLUMNS = 0, 1, 2


class Prebuilt(NamedTuple):
    """Prebuilds by the row of their workspace. What a claim has taken over is left to its owner's life."""

    rows: Table  # [rows of World.workspaces, U_COLUMNS]
    wakes: Int64Array  # as Lives.wakes


def empty_prebuilt(workspaces: int, before: Prebuilt | None = None) -> Prebuilt:
    """Room for so many workspaces, with the state that there is already."""
    made = Prebuilt(np.full((workspaces, U_COLUMNS), NEVER, dtype=np.int64), no_wakes(workspaces))
    if before is not None:
        made.rows[: len(before.rows)] = before.rows
        leaves, known = len(made.wakes) // 2, len(before.wakes) // 2
        made.wakes[leaves : leaves + known] = before.wakes[known:]
        for i in range(leaves - 1, 0, -1):
            made.wakes[i] = min(made.wakes[2 * i], made.wakes[2 * i + 1])
    return made


@part
def _user(lives: Lives) -> int:
    """The prebuilds user's row among the people."""
    return lives.people.shape[0] - 1


@part
def _is_theirs(world: World, w: int) -> bool:
    return world.workspaces[w, W_OWNER] == NONE and world.workspaces[w, W_DELETED] == NEVER


@called
def _facts(world: World, lives: Lives, prebuilt: Prebuilt, w: int) -> Facts:
    build = world.workspaces[w, W_BUILD]
    b, k = world.builds[build], prebuilt.rows[w]
    return Facts(
        user_status=ACTIVE,
        transition=b[B_TRANSITION],
        job_status=b[B_STATUS],
        created_at=b[B_CREATED],
        finished_at=b[B_COMPLETED],
        deadline=lives.builds[build, L_DEADLINE] if b[B_TRANSITION] == START else NEVER,
        has_autostart=False,
        next_start_at=NEVER,
        allowed_start_at=NEVER,
        last_used_at=world.workspaces[w, W_CREATED],
        dormant_at=k[U_DORMANT],
        deleting_at=k[U_DELETING],
    )


@part
def _tell(world: World, lives: Lives, prebuilt: Prebuilt, w: int, rule: int, now_at: int) -> None:
    deleting_at = prebuilt.rows[w, U_DELETING]
    write(world, lives, w, rule, NEVER, world.workspaces[w, W_CREATED], deleting_at, NEVER, now_at)


@called
def _look_again(inputs: Inputs, world: World, lives: Lives, prebuilt: Prebuilt, w: int, now_at: int) -> None:
    """The executor looks at a prebuild when a rule may apply to it."""
    at = NEVER
    if _is_theirs(world, w):
        at = due_at(inputs, lives, _user(lives), _facts(world, lives, prebuilt, w), now_at)
    set_wake(prebuilt.wakes, w, at)


@part
def end_prebuild_job(inputs: Inputs, world: World, lives: Lives, prebuilt: Prebuilt, w: int, now_at: int) -> None:
    """A job of a prebuild is done: a start that succeeded gets its deadlines."""
    build = world.workspaces[w, W_BUILD]
    if world.builds[build, B_TRANSITION] == START and world.builds[build, B_STATUS] == SUCCEEDED:
        user = _user(lives)
        template = template_of(lives, user)
        # The default quiet hours are at midnights of UTC, all of which exist: there is a day to stop on.
        max_at, _ = max_deadline(schedule_of(lives, lives.people[user, H_QUIET_HOURS]), now_at, template)
        deadline, max_at = deadlines(template.default_ttl_us, NEVER, max_at, now_at)
        lives.builds[build, L_DEADLINE] = deadline
        lives.builds[build, L_MAX_DEADLINE] = max_at
        _tell(world, lives, prebuilt, w, STARTED_UP, now_at)
    _look_again(inputs, world, lives, prebuilt, w, now_at)


@part
def see_pool(inputs: Inputs, world: World, lives: Lives, prebuilt: Prebuilt, first: int, now_at: int) -> None:
    """Builds from the row `first` on were ordered for the pools: what they delete may still be marked dormant."""
    for build in range(first, world.counters[BUILDS]):
        _look_again(inputs, world, lives, prebuilt, world.builds[build, B_WORKSPACE], now_at)


@called
def _execute_of_prebuilt(inputs: Inputs, world: World, lives: Lives, prebuilt: Prebuilt, w: int, now_at: int) -> None:
    """The executor's tick comes to a prebuild, as it does to a person's workspace."""
    if not _is_theirs(world, w):
        set_wake(prebuilt.wakes, w, NEVER)
        return
    facts, template = _facts(world, lives, prebuilt, w), template_of(lives, _user(lives))
    retries = inputs.settings.retries_failed_stops
    if is_eligible(facts, template, now_at, False, False, retries):
        rule = transition(facts, template, now_at, retries)
        if facts.job_status <= RUNNING and needs_build(rule, facts.transition):
            set_wake(prebuilt.wakes, w, tick_after(now_at))  # one that cannot be created undoes all of it
            return
        if rule != NOTHING:
            _act_on(world, lives, prebuilt, w, rule, facts, template, now_at)
    _look_again(inputs, world, lives, prebuilt, w, now_at)


@part
def _act_on(
    world: World, lives: Lives, prebuilt: Prebuilt, w: int, rule: int, facts: Facts, template: Template, now_at: int
) -> None:
    """Do what a rule says to a prebuild; one that is stopped is none of its pool's any more."""
    _tell(world, lives, prebuilt, w, rule, now_at)
    if needs_build(rule, facts.transition):
        if facts.transition == START:
            preset = world.workspaces[w, W_PRESET]
            which = RUNNING_LIST if facts.job_status == SUCCEEDED else FAILED_LIST
            unlink(world, preset * LISTS + which, w)
            wake(world, preset, now_at)
        build = new_build(world, w, DELETE if rule == AUTODELETE else STOP, False, now_at)
        begin_life(lives.builds[build], rule)
    if rule == DORMANCY:
        prebuilt.rows[w, U_DORMANT] = now_at
        prebuilt.rows[w, U_DELETING] = deletes_at(now_at, template)


@part
def look_at_all(inputs: Inputs, world: World, lives: Lives, prebuilt: Prebuilt, every_tick: bool, now_at: int) -> bool:
    """The executor's tick: at a prebuild that is due, or at everybody once none is. False: it goes on."""
    lives.counters[TICKED_AT] = now_at
    if every_tick:
        for w in range(world.counters[WORKSPACES]):
            _execute_of_prebuilt(inputs, world, lives, prebuilt, w, now_at)
    elif prebuilt.wakes[1] == now_at:
        # One at a time, as the tables must have room for what it brings; daemons take jobs when all are done.
        _execute_of_prebuilt(inputs, world, lives, prebuilt, first_due(prebuilt.wakes), now_at)
        if prebuilt.wakes[1] == now_at:
            return False
    look(inputs, world, lives, every_tick, now_at)
    return True


@called
def change_prebuilds(inputs: Inputs, world: World, lives: Lives, prebuilt: Prebuilt, i: int) -> None:
    """If it is the schedule of their template that changes, prebuilds follow it as people's workspaces do."""
    x, user = lives.changes[i], _user(lives)
    of_deleted = x[V_KIND] == SET_TEMPLATE_OF_DELETED
    if not of_deleted and (x[V_KIND] != SET_TEMPLATE or x[V_PERSON] != user):
        return
    now_at = x[V_AT]
    after = template_at(lives, x[V_VALUE])
    if not changes_schedule(template_of(lives, user), after):
        return
    if not of_deleted:
        lives.people[user, H_TEMPLATE] = x[V_VALUE]
    quiet_hours = schedule_of(lives, lives.people[user, H_QUIET_HOURS])
    for w in range(world.counters[WORKSPACES]):
        if world.workspaces[w, W_OWNER] != NONE or of_deleted == (world.workspaces[w, W_DELETED] == NEVER):
            continue
        k = prebuilt.rows[w]
        if not of_deleted:
            _tell(world, lives, prebuilt, w, TEMPLATE_CHANGED, now_at)
        k[U_DELETING] = deletes_at(k[U_DORMANT], after)
        if of_deleted:
            continue
        build = world.workspaces[w, W_BUILD]
        b, life = world.builds[build], lives.builds[build]
        runs = b[B_TRANSITION] == START and b[B_STATUS] == SUCCEEDED
        if runs and not keeps_deadlines(life[L_MAX_DEADLINE], now_at):
            max_at, _ = max_deadline(quiet_hours, b[B_COMPLETED], after)
            removes = inputs.settings.schedule_change_removes_deadline
            life[L_DEADLINE], life[L_MAX_DEADLINE] = rescheduled(
                life[L_DEADLINE], life[L_MAX_DEADLINE], max_at, ttl_in_force(NEVER, after), now_at, removes
            )
        _look_again(inputs, world, lives, prebuilt, w, now_at)
