"""The lifecycle executor's tick, and what a changed TTL or schedule does to the workspaces that people own."""

from __future__ import annotations

from simkit.core.compile import called, part
from simkit.core.facts import (
    B_COMPLETED,
    B_STATUS,
    B_TRANSITION,
    C_WORKSPACE,
    NEXT_CLAIM,
    W_BUILD,
    W_DELETED,
    W_OWNER,
    Inputs,
    World,
)
from simkit.core.lifecycle import (
    AUTODELETE,
    AUTOSTART,
    DORMANCY,
    NOTHING,
    Template,
    changes_schedule,
    deadline_without_ttl,
    deletes_at,
    is_eligible,
    keeps_deadlines,
    max_deadline,
    may_autostart,
    needs_build,
    next_autostart,
    rescheduled,
    transition,
    ttl_after_change,
    ttl_in_force,
)
from simkit.core.lives import (
    H_AUTOSTART,
    H_CROSSED,
    H_QUIET_HOURS,
    H_TEMPLATE,
    H_TTL,
    H_WORKSPACE,
    L_DEADLINE,
    L_MAX_DEADLINE,
    NEXT_LOOK,
    O_DELETING,
    O_DORMANT,
    O_NEXT_START,
    O_TTL,
    SET_TEMPLATE_OF_DELETED,
    SET_TTL,
    TEMPLATE_CHANGED,
    TICKED_AT,
    TTL_CHANGED,
    V_AT,
    V_KIND,
    V_PERSON,
    V_VALUE,
    Lives,
    facts_of_workspace,
    first_due,
    look_again,
    new_life_build,
    next_start,
    report,
    schedule_of,
    set_wake,
    tell,
    template_at,
    template_of,
    tick_after,
)
from simkit.core.numbers import DELETE, MINUTE_US, NEVER, NONE, RUNNING, START, STOP, SUCCEEDED


@called
def _execute(inputs: Inputs, world: World, lives: Lives, person: int, now_at: int) -> None:
    """The lifecycle executor's tick comes to a person's workspace: it acts by the first rule that applies, if its
    pre-filter selects the workspace."""
    w = lives.people[person, H_WORKSPACE]
    if w == NONE:
        set_wake(lives.wakes, person, NEVER)
        return
    build, claim = world.workspaces[w, W_BUILD], world.workspaces[w, W_OWNER]
    status = world.builds[build, B_STATUS]
    if world.builds[build, B_TRANSITION] == START and status == SUCCEEDED:
        report(lives, person, claim, build, now_at)
    facts = facts_of_workspace(world, lives, person, w, NEVER, now_at)
    template = template_of(lives, person)
    retries = inputs.settings.retries_failed_stops
    if is_eligible(facts, template, now_at, False, False, retries):
        if may_autostart(facts, now_at):
            facts = facts_of_workspace(world, lives, person, w, next_start(lives, person, facts.created_at), now_at)
        rule = transition(facts, template, now_at, retries)
        if status <= RUNNING and needs_build(rule, facts.transition):
            set_wake(lives.wakes, person, tick_after(now_at))  # one that cannot be created undoes all of it
            return
        o = lives.owned[claim]
        if o[O_NEXT_START] == NEVER and o[O_DORMANT] == NEVER:
            o[O_NEXT_START] = next_start(lives, person, now_at)
        if rule != NOTHING and not inputs.settings.executor_acts:
            set_wake(lives.wakes, person, NEVER)
            return
        if rule != NOTHING:
            _act(world, lives, w, claim, rule, facts.transition, template, now_at)
    look_again(inputs, world, lives, person, w, now_at)


@part
def _act(
    world: World, lives: Lives, w: int, claim: int, rule: int, transition: int, template: Template, now_at: int
) -> None:
    """Do what a rule says to a workspace."""
    tell(world, lives, w, rule, now_at)
    if needs_build(rule, transition):
        following = STOP
        if rule == AUTOSTART:
            following = START
        elif rule == AUTODELETE:
            following = DELETE
        new_life_build(world, lives, w, following, rule, now_at)
    if rule == DORMANCY:
        o = lives.owned[claim]
        o[O_DORMANT] = now_at
        o[O_DELETING] = deletes_at(now_at, template)
        o[O_NEXT_START] = NEVER


@part
def change(inputs: Inputs, world: World, lives: Lives, i: int) -> None:
    """A person's TTL or a template's schedule changes, of one person, or of all deleted workspaces."""
    x = lives.changes[i]
    now_at, person = x[V_AT], x[V_PERSON]
    h = lives.people[person]
    before = template_of(lives, person)
    if x[V_KIND] == SET_TTL and not before.allow_user_autostop:
        return  # Coder refuses it
    after = before
    if x[V_KIND] != SET_TTL:
        after = template_at(lives, x[V_VALUE])
        if not changes_schedule(before, after):
            return
    if x[V_KIND] == SET_TEMPLATE_OF_DELETED:
        _follow_deleted(world, lives, after)
        return
    w = h[H_WORKSPACE]
    if w != NONE:
        b = world.builds[world.workspaces[w, W_BUILD]]
        if x[V_KIND] == SET_TTL and x[V_VALUE] == NEVER and b[B_TRANSITION] == START:
            max_at = lives.builds[world.workspaces[w, W_BUILD], L_MAX_DEADLINE]
            if max_at != NEVER and not inputs.settings.ttl_removal_keeps_max_deadline:
                return  # Coder refuses it: with the TTL it would unset a deadline that a max deadline needs
        if b[B_TRANSITION] == START and b[B_STATUS] == SUCCEEDED:
            report(lives, person, world.workspaces[w, W_OWNER], world.workspaces[w, W_BUILD], now_at - 1)
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
        tell(world, lives, w, TTL_CHANGED, now_at)
        if world.builds[build, B_TRANSITION] == START and x[V_VALUE] == NEVER:
            to_max = inputs.settings.ttl_removal_keeps_max_deadline
            life[L_DEADLINE] = deadline_without_ttl(life[L_MAX_DEADLINE], to_max)
    else:
        tell(world, lives, w, TEMPLATE_CHANGED, now_at)
        _follow(inputs, world, lives, person, w, before, after, now_at)
    look_again(inputs, world, lives, person, w, now_at)


@part
def _follow_deleted(world: World, lives: Lives, after: Template) -> None:
    """Deleted workspaces get the instant of a deletion that nobody looks at any more."""
    for claim in range(world.counters[NEXT_CLAIM]):
        o = lives.owned[claim]
        if o[O_DORMANT] != NEVER and world.workspaces[world.claims[claim, C_WORKSPACE], W_DELETED] != NEVER:
            o[O_DELETING] = deletes_at(o[O_DORMANT], after)


@part
def _follow(
    inputs: Inputs, world: World, lives: Lives, person: int, w: int, before: Template, after: Template, now_at: int
) -> None:
    """A workspace follows the new schedule of its template, in the order in which Coder's store goes on."""
    build, claim = world.workspaces[w, W_BUILD], world.workspaces[w, W_OWNER]
    h, o, life, b = lives.people[person], lives.owned[claim], lives.builds[build], world.builds[build]
    is_awake = o[O_DORMANT] == NEVER
    o[O_DELETING] = deletes_at(o[O_DORMANT], after)
    o[O_TTL] = ttl_after_change(o[O_TTL], before, after)
    runs = b[B_TRANSITION] == START and b[B_STATUS] == SUCCEEDED
    if runs and not keeps_deadlines(life[L_MAX_DEADLINE], now_at):
        if h[H_AUTOSTART] != NONE and is_awake:
            # Coder asks for the next start here, whether the template allows its day or not.
            start_at, _ = next_autostart(schedule_of(lives, h[H_AUTOSTART]), now_at, after.autostart_days)
            o[O_NEXT_START] = start_at
        max_at = NEVER
        if h[H_QUIET_HOURS] != NONE:
            max_at, _ = max_deadline(schedule_of(lives, h[H_QUIET_HOURS]), b[B_COMPLETED], after)
        removes = inputs.settings.schedule_change_removes_deadline
        life[L_DEADLINE], life[L_MAX_DEADLINE] = rescheduled(
            life[L_DEADLINE], life[L_MAX_DEADLINE], max_at, ttl_in_force(o[O_TTL], after), now_at, removes
        )
    if before.autostart_days != after.autostart_days:
        o[O_NEXT_START] = next_start(lives, person, now_at) if is_awake else NEVER


@part
def look(inputs: Inputs, world: World, lives: Lives, every_tick: bool, now_at: int) -> None:
    """The executor's tick: at everybody who is due, or at everybody, in order."""
    lives.counters[TICKED_AT] = now_at
    if every_tick:
        for person in range(lives.people.shape[0]):
            _execute(inputs, world, lives, person, now_at)
        lives.counters[NEXT_LOOK] = now_at + MINUTE_US
    else:
        while lives.wakes[1] == now_at:
            _execute(inputs, world, lives, first_due(lives.wakes), now_at)
