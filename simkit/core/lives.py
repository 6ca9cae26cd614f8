"""What the kernel knows of people and the workspaces they own, what they do, and what the executor does for them.

A person owns one workspace at a time. While a person is connected, the agent reports activity every minute; reports are
applied when somebody looks: they move the deadline as `lifecycle.bumped_deadline` says, and the last use. A connection
that a stop cuts off is taken up again by the next start, as an IDE does that is left open.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simkit.core.calendar import CronBits
from simkit.core.chance import happens, mix
from simkit.core.compile import called, part
from simkit.core.facts import (
    A_CONNECTED,
    A_LUCK,
    A_PERSON,
    A_UNTIL,
    B_COMPLETED,
    B_CREATED,
    B_NUMBER,
    B_READY,
    B_STATUS,
    B_TRANSITION,
    C_BUILD,
    C_HIT,
    C_WORKSPACE,
    FAILURE_STREAM,
    FOUND_RUNNING,
    FOUND_STARTING,
    P_START_FAILURE_THRESHOLD,
    STARTED,
    W_BUILD,
    W_DELETED,
    W_OWNER,
    W_PRESET,
    W_READY,
    Inputs,
    World,
)
from simkit.core.lifecycle import (
    ACTIVE,
    RETRY_DELETE_US,
    SUSPENDED,
    Facts,
    Template,
    Zoned,
    bump_interval,
    bumped_deadline,
    deadlines,
    max_deadline,
    next_allowed_autostart,
    next_autostart,
    ttl_in_force,
)
from simkit.core.numbers import (
    DELETE,
    FAILED,
    MINUTE_US,
    NEVER,
    NONE,
    RUNNING,
    START,
    STOP,
    SUCCEEDED,
    Int64Array,
    Table,
)
from simkit.core.pools import new_build, serve_claim
from simkit.core.targets import Targets

REPORT_US = MINUTE_US

# People, given: the row of their template's schedule, crons (NONE: none), their own TTL (NEVER: unset).
H_TEMPLATE, H_AUTOSTART, H_QUIET_HOURS, H_TTL, H_SUSPENDED_AT = range(5)
# People, as time goes by: the workspace, until when a connection lasts, the session that waits for a build, the next
# report, the next start that activity may cross and whether it is allowed.
H_WORKSPACE, H_UNTIL, H_WAITING, H_REPORT, H_CROSSED, H_ALLOWED = range(5, 11)
H_COLUMNS = 11
# The life of an owned workspace, by the claim that owns it.
O_TTL, O_LAST_USED, O_DORMANT, O_DELETING, O_NEXT_START, O_COLUMNS = 0, 1, 2, 3, 4, 5
# Builds of owned workspaces. BUMPED_AT and BUMPED_FROM: the last report that moved the deadline, and from where.
L_DEADLINE, L_MAX_DEADLINE, L_REASON, L_BUMPED_AT, L_BUMPED_FROM, L_BUMPS, L_COLUMNS = 0, 1, 2, 3, 4, 5, 6
# Changes during a run: a person's TTL (NEVER: removed), a template's schedule (the new row); the same of deleted
# workspaces, to which old versions write, before anybody else's.
V_AT, V_KIND, V_PERSON, V_VALUE, V_COLUMNS = 0, 1, 2, 3, 4
SET_TTL, SET_TEMPLATE, SET_TEMPLATE_OF_DELETED = 0, 1, 2
# Crons: five fields, both_days, and the range of the zone's offsets.
Q_MINUTES, Q_HOURS, Q_DAYS, Q_MONTHS, Q_WEEKDAYS, Q_BOTH, Q_FROM, Q_UNTIL, Q_COLUMNS = range(9)
# Template schedules: rows are lifecycle.Template, columns are found by the names of its fields.
T_DEFAULT_TTL = Template._fields.index("default_ttl_us")
T_ACTIVITY_BUMP = Template._fields.index("activity_bump_us")
T_AUTOSTART_DAYS = Template._fields.index("autostart_days")
T_AUTOSTOP_DAYS = Template._fields.index("autostop_days")
T_AUTOSTOP_WEEKS = Template._fields.index("autostop_weeks")
T_FAILURE_TTL = Template._fields.index("failure_ttl_us")
T_TIME_TIL_DORMANT = Template._fields.index("time_til_dormant_us")
T_TIME_TIL_AUTODELETE = Template._fields.index("time_til_dormant_autodelete_us")
T_ALLOW_AUTOSTART = Template._fields.index("allow_user_autostart")
T_ALLOW_AUTOSTOP = Template._fields.index("allow_user_autostop")
T_COLUMNS = len(Template._fields)
# What the executor did and what befell a workspace: a row each.
(
    X_AT,
    X_WORKSPACE,
    X_RULE,
    X_BUILD,
    X_DEADLINE,
    X_MAX_DEADLINE,
    X_BUMPED_AT,
    X_BUMPED_FROM,
    X_NEXT_START,
    X_LAST_USED,
    X_DELETING,
    X_BUMPS,
    X_TTL,
) = range(13)
X_COLUMNS = 13
# Rules beside those of lifecycle.transition.
TTL_CHANGED, TEMPLATE_CHANGED, NO_STOP_DAY, WOKEN, STARTED_UP = 10, 11, 12, 13, 14

# Counters. TICKED_AT: the last instant of which the executor's tick, if it had one, is over.
NEXT_CHANGE, STORIES, NEXT_LOOK, TICKED_AT, LIFE_COUNTERS = 0, 1, 2, 3, 4


class People(NamedTuple):
    """People's givens."""

    people: Table  # [n, H_COLUMNS], of which the given ones are filled in
    templates: Table  # [t, T_COLUMNS]
    crons: Table  # [c, Q_COLUMNS]
    zone_from: Int64Array
    zone_offset: Int64Array
    changes: Table  # [v, V_COLUMNS] in order of time
    prebuilds_too: bool = False  # the executor does not leave prebuilds alone; their user is the last of the people


class Lives(NamedTuple):
    """People's givens and state."""

    people: Table  # [n, H_COLUMNS]
    templates: Table  # [t, T_COLUMNS]
    crons: Table  # [c, Q_COLUMNS]
    zone_from: Int64Array
    zone_offset: Int64Array
    changes: Table  # [v, V_COLUMNS] in order of time
    owned: Table  # [claims, O_COLUMNS]
    builds: Table  # [rows of World.builds, L_COLUMNS]
    stories: Table  # [?, X_COLUMNS]
    wakes: Int64Array  # [2 n] the least of each pair, so that wakes[1] is the next instant at which anybody is due
    counters: Int64Array


def empty_lives(given: People, inputs_claims: int, builds: int, start_at: int) -> Lives:
    """Everybody without a workspace, and room to begin with."""
    people = given.people.copy()
    people[:, [H_WORKSPACE, H_WAITING]] = NONE
    people[:, [H_UNTIL, H_CROSSED, H_REPORT]] = -NEVER
    people[:, [H_ALLOWED]] = 0
    counters = np.zeros(LIFE_COUNTERS, dtype=np.int64)
    counters[TICKED_AT] = -NEVER
    counters[NEXT_LOOK] = -(-start_at // MINUTE_US) * MINUTE_US
    return Lives(
        people=people,
        templates=given.templates,
        crons=given.crons,
        zone_from=given.zone_from,
        zone_offset=given.zone_offset,
        changes=given.changes,
        owned=np.full((inputs_claims, O_COLUMNS), NEVER, dtype=np.int64),
        builds=np.full((builds, L_COLUMNS), NEVER, dtype=np.int64),
        stories=np.empty((inputs_claims + 4096, X_COLUMNS), dtype=np.int64),
        wakes=no_wakes(len(people)),
        counters=counters,
    )


def no_wakes(of: int) -> Int64Array:
    """Nobody of so many is due."""
    leaves = 1
    while leaves < of:
        leaves *= 2
    return np.full(2 * leaves, NEVER, dtype=np.int64)


@part
def template_of(lives: Lives, person: int) -> Template:
    return template_at(lives, lives.people[person, H_TEMPLATE])


@called
def template_at(lives: Lives, row: int) -> Template:
    t = lives.templates[row]
    return Template(
        default_ttl_us=t[T_DEFAULT_TTL],
        activity_bump_us=t[T_ACTIVITY_BUMP],
        autostart_days=t[T_AUTOSTART_DAYS],
        autostop_days=t[T_AUTOSTOP_DAYS],
        autostop_weeks=t[T_AUTOSTOP_WEEKS],
        failure_ttl_us=t[T_FAILURE_TTL],
        time_til_dormant_us=t[T_TIME_TIL_DORMANT],
        time_til_dormant_autodelete_us=t[T_TIME_TIL_AUTODELETE],
        allow_user_autostart=t[T_ALLOW_AUTOSTART] == 1,
        allow_user_autostop=t[T_ALLOW_AUTOSTOP] == 1,
    )


@part
def schedule_of(lives: Lives, cron: int) -> Zoned:
    q = lives.crons[cron]
    bits = CronBits(q[Q_MINUTES], q[Q_HOURS], q[Q_DAYS], q[Q_MONTHS], q[Q_WEEKDAYS], q[Q_BOTH] == 1)
    return Zoned(bits, lives.zone_from[q[Q_FROM] : q[Q_UNTIL]], lives.zone_offset[q[Q_FROM] : q[Q_UNTIL]])


@part
def set_wake(wakes: Int64Array, which: int, at: int) -> None:
    """The executor looks at somebody's workspace at an instant. `wakes`: see `Lives.wakes`."""
    i = wakes.size // 2 + which
    wakes[i] = at
    i //= 2
    while i > 0:
        wakes[i] = min(wakes[2 * i], wakes[2 * i + 1])
        i //= 2


@part
def first_due(wakes: Int64Array) -> int:
    """The first, in order, who is due at wakes[1]."""
    i = 1
    while i < wakes.size // 2:
        i = 2 * i if wakes[2 * i] == wakes[1] else 2 * i + 1
    return i - wakes.size // 2


@part
def tick_at(at: int) -> int:
    """The first of the executor's ticks from an instant on: it looks every full minute."""
    return NEVER if at == NEVER else -(-at // MINUTE_US) * MINUTE_US


@part
def tick_after(at: int) -> int:
    return NEVER if at == NEVER else (at // MINUTE_US + 1) * MINUTE_US


@part
def status_of(lives: Lives, person: int, now_at: int) -> int:
    return SUSPENDED if lives.people[person, H_SUSPENDED_AT] <= now_at else ACTIVE


@part
def start_crossed(lives: Lives, person: int, at: int) -> int:
    """The next start after an instant, NEVER if there is none or its weekday is not allowed."""
    h = lives.people[person]
    if h[H_AUTOSTART] == NONE:
        return NEVER
    if h[H_CROSSED] <= at:
        found, allowed = next_autostart(
            schedule_of(lives, h[H_AUTOSTART]), at, template_of(lives, person).autostart_days
        )
        h[H_CROSSED] = found
        h[H_ALLOWED] = 1 if allowed else 0
    return h[H_CROSSED] if h[H_ALLOWED] == 1 else NEVER


@part
def complete_build(lives: Lives, person: int, claim: int, build: int, transition: int, now_at: int) -> bool:
    """Give a build that is done its deadlines, and its workspace the next start. False: Coder finds no day to stop on.

    Coder computes the deadlines of stops and deletes too, which nothing reads: they are not kept.
    """
    template = template_of(lives, person)
    quiet_hours = lives.people[person, H_QUIET_HOURS]
    max_at, refused = NEVER, False
    if quiet_hours != NONE:
        max_at, refused = max_deadline(schedule_of(lives, quiet_hours), now_at, template)
    if refused:
        return False
    start_at = next_start(lives, person, now_at)
    if start_at != NEVER and lives.owned[claim, O_DORMANT] == NEVER:
        lives.owned[claim, O_NEXT_START] = start_at
    if transition == START:
        ttl_us = ttl_in_force(lives.owned[claim, O_TTL], template)
        lives.people[person, H_CROSSED] = -NEVER
        deadline, max_at = deadlines(ttl_us, start_crossed(lives, person, now_at), max_at, now_at)
        lives.builds[build, L_DEADLINE] = deadline
        lives.builds[build, L_MAX_DEADLINE] = max_at
    return True


@called
def report(lives: Lives, person: int, claim: int, build: int, now_at: int) -> None:
    """Apply the activity that the agent has reported up to an instant, the person being connected to a start build."""
    h = lives.people[person]
    until_at = min(now_at, h[H_UNTIL])
    at = h[H_REPORT]
    if at > until_at:
        return
    row = lives.builds[build]
    template = template_of(lives, person)
    bump_us = template.activity_bump_us
    ttl_us = ttl_in_force(lives.owned[claim, O_TTL], template)
    last_at = at + (until_at - at) // REPORT_US * REPORT_US
    lives.owned[claim, O_LAST_USED] = max(lives.owned[claim, O_LAST_USED], last_at)
    h[H_REPORT] = last_at + REPORT_US
    if bump_us <= 0 or row[L_DEADLINE] == NEVER:
        return
    while at <= last_at:
        if row[L_DEADLINE] == row[L_MAX_DEADLINE]:
            return  # nothing moves it any more
        start_at = start_crossed(lives, person, at)
        interval_us = bump_interval(at, bump_us, ttl_us, start_at)
        after = bumped_deadline(at, row[L_DEADLINE], row[L_MAX_DEADLINE], bump_us, interval_us)
        if after != row[L_DEADLINE]:
            row[L_BUMPED_AT] = at
            row[L_BUMPED_FROM] = row[L_DEADLINE]
            row[L_BUMPS] += 1
            row[L_DEADLINE] = after
        # Nothing happens before 5 % of the interval have passed, unless the interval itself changes: where it begins to
        # cross a start, and where that start is over and another comes next.
        due_at = row[L_DEADLINE] - 19 * interval_us // 20 + 1
        if start_at != NEVER and at + bump_us <= start_at:
            due_at = min(due_at, start_at - bump_us + 1)
        elif h[H_AUTOSTART] != NONE:
            due_at = min(due_at, h[H_CROSSED])
        at += max(REPORT_US, -(-(due_at - at) // REPORT_US) * REPORT_US)


@part
def facts_of(
    lives: Lives,
    person: int,
    claim: int,
    transition: int,
    status: int,
    created_at: int,
    finished_at: int,
    build: int,
    allowed_start_at: int,
    now_at: int,
) -> Facts:
    o, row = lives.owned[claim], lives.builds[build]
    return Facts(
        user_status=status_of(lives, person, now_at),
        transition=transition,
        job_status=status,
        created_at=created_at,
        finished_at=finished_at,
        deadline=row[L_DEADLINE] if transition == START else NEVER,
        has_autostart=lives.people[person, H_AUTOSTART] != NONE,
        next_start_at=o[O_NEXT_START],
        allowed_start_at=allowed_start_at,
        last_used_at=o[O_LAST_USED],
        dormant_at=o[O_DORMANT],
        deleting_at=o[O_DELETING],
    )


@called
def next_start(lives: Lives, person: int, after_at: int) -> int:
    """The next start on a day that the template allows after an instant; NEVER without autostart.

    Whether users may have an autostart at all plays no part in it.
    """
    autostart = lives.people[person, H_AUTOSTART]
    if autostart == NONE:
        return NEVER
    return next_allowed_autostart(schedule_of(lives, autostart), after_at, template_of(lives, person).autostart_days)


@called
def due_at(inputs: Inputs, lives: Lives, person: int, facts: Facts, now_at: int) -> int:
    """The first of the ticks to come at which a rule may apply to a workspace."""
    first_at = tick_after(now_at) if lives.counters[TICKED_AT] == now_at else tick_at(now_at)
    template = template_of(lives, person)
    at = NEVER
    failed, awake = facts.job_status == FAILED, facts.dormant_at == NEVER
    is_done = facts.job_status > RUNNING
    if awake and template.time_til_dormant_us > 0 and (is_done or facts.transition != START):
        at = tick_after(facts.last_used_at + template.time_til_dormant_us)
    if is_done:
        suspended_at = lives.people[person, H_SUSPENDED_AT]
        if awake and facts.transition == START and not failed:
            at = min(at, tick_after(facts.deadline))
            if suspended_at != NEVER:
                at = min(at, tick_at(suspended_at))
        if awake and facts.transition == STOP and not failed and suspended_at > now_at and facts.has_autostart:
            start_at = next_start(lives, person, facts.created_at)
            if facts.next_start_at == NEVER and start_at != NEVER:
                at = first_at  # the executor computes it
            elif template.allow_user_autostart:
                at = min(at, tick_at(max(facts.next_start_at, start_at)))
        if not awake and facts.deleting_at != NEVER and template.time_til_dormant_autodelete_us > 0:
            delete_at = facts.deleting_at
            if failed and facts.transition == DELETE:
                delete_at = max(delete_at, facts.finished_at + RETRY_DELETE_US)
            at = min(at, tick_after(delete_at))
        cleans = facts.transition == START or (facts.transition == STOP and inputs.settings.retries_failed_stops)
        if failed and cleans and template.failure_ttl_us > 0:
            at = min(at, tick_after(facts.finished_at + template.failure_ttl_us))
    return max(at, first_at)


@part
def work(inputs: Inputs, world: World, lives: Lives, targets: Targets | None, person: int, i: int, now_at: int) -> None:
    h = lives.people[person]
    if status_of(lives, person, now_at) == SUSPENDED:
        return
    w = h[H_WORKSPACE]
    if w == NONE:
        _settle_in(inputs, world, lives, targets, person, i, now_at)
        return
    build = world.workspaces[w, W_BUILD]
    transition, status = world.builds[build, B_TRANSITION], world.builds[build, B_STATUS]
    claim = world.workspaces[w, W_OWNER]
    if transition == START and status == SUCCEEDED:
        report(lives, person, claim, build, now_at - 1)  # people act before their agents report
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
        tell(world, lives, w, WOKEN, now_at)
    world.claims[i, C_HIT] = STARTED
    world.claims[i, C_BUILD] = new_life_build(world, lives, w, START, 0, now_at)
    lives.people[person, H_WAITING] = i
    set_wake(lives.wakes, person, NEVER)


@called
def _settle_in(
    inputs: Inputs, world: World, lives: Lives, targets: Targets | None, person: int, i: int, now_at: int
) -> None:
    """A person who has no workspace claims one: it gets their TTL and their autostart."""
    serve_claim(inputs, world, targets, i, now_at)
    h, o = lives.people[person], lives.owned[i]
    template = template_of(lives, person)
    h[H_WORKSPACE] = world.claims[i, C_WORKSPACE]
    h[H_UNTIL] = inputs.claims[i, A_UNTIL] if inputs.claims[i, A_CONNECTED] == 1 else -NEVER
    h[H_WAITING] = i
    o[O_TTL] = h[H_TTL]
    if h[H_TTL] == NEVER:  # there is no way to ask for none
        o[O_TTL] = template.default_ttl_us if template.default_ttl_us > 0 else NEVER
    o[O_LAST_USED] = now_at
    o[O_DORMANT] = NEVER
    o[O_DELETING] = NEVER
    o[O_NEXT_START] = next_start(lives, person, now_at)
    begin_life(lives.builds[world.claims[i, C_BUILD]], 0)
    set_wake(lives.wakes, person, NEVER)


@part
def begin_life(life: Int64Array, reason: int) -> None:
    life[L_DEADLINE] = NEVER
    life[L_MAX_DEADLINE] = NEVER
    life[L_REASON] = reason
    life[L_BUMPED_AT] = NEVER
    life[L_BUMPED_FROM] = NEVER
    life[L_BUMPS] = 0


@called
def new_life_build(world: World, lives: Lives, w: int, transition: int, reason: int, now_at: int) -> int:
    """A build of an owned workspace, initiated by its owner (whom the executor acts for)."""
    build = new_build(world, w, transition, True, now_at)
    begin_life(lives.builds[build], reason)
    return build


@part
def end_build(
    inputs: Inputs, world: World, lives: Lives, targets: Targets | None, w: int, is_reaped: bool, now_at: int
) -> None:
    """A job of somebody's workspace is done: it has failed, or the workspace gets what its build brings. Who waited for
    it goes on, and the executor knows when to look again."""
    claim = world.workspaces[w, W_OWNER]
    person = inputs.claims[claim, A_PERSON]
    build = world.workspaces[w, W_BUILD]
    h, row = lives.people[person], world.builds[build]
    transition = row[B_TRANSITION]
    fails = is_reaped
    if transition == START and row[B_NUMBER] > 1 and world.claims[claim, C_BUILD] != build:
        threshold = inputs.presets[world.workspaces[w, W_PRESET], P_START_FAILURE_THRESHOLD]
        fails |= happens(threshold, mix(inputs.claims[claim, A_LUCK] ^ row[B_NUMBER]), FAILURE_STREAM)
    if not fails and not complete_build(lives, person, claim, build, transition, now_at):
        fails = True
        tell(world, lives, w, NO_STOP_DAY, now_at)
    if fails:
        row[B_STATUS] = FAILED
        row[B_READY] = NEVER
        world.workspaces[w, W_READY] = NEVER
    elif transition == START:
        tell(world, lives, w, STARTED_UP, now_at)
        h[H_REPORT] = row[B_READY]
    waiting = h[H_WAITING]
    h[H_WAITING] = NONE
    if transition == DELETE and not fails:
        world.workspaces[w, W_DELETED] = now_at
        h[H_WORKSPACE] = NONE
        set_wake(lives.wakes, person, NEVER)
        if waiting != NONE:
            _settle_in(inputs, world, lives, targets, person, waiting, now_at)
    elif transition != START and waiting != NONE:
        _start_again(world, lives, person, w, waiting, now_at)
    else:
        look_again(inputs, world, lives, person, w, now_at)


@called
def look_again(inputs: Inputs, world: World, lives: Lives, person: int, w: int, now_at: int) -> None:
    """The executor looks at a workspace when a rule may apply to it."""
    facts = facts_of_workspace(world, lives, person, w, NEVER, now_at)
    set_wake(lives.wakes, person, due_at(inputs, lives, person, facts, now_at))


@called
def facts_of_workspace(world: World, lives: Lives, person: int, w: int, allowed_start_at: int, now_at: int) -> Facts:
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
        allowed_start_at,
        now_at,
    )


@called
def tell(world: World, lives: Lives, w: int, rule: int, now_at: int) -> None:
    """Write down what is about to happen to an owned workspace, and the numbers that caused it."""
    o = lives.owned[world.workspaces[w, W_OWNER]]
    write(world, lives, w, rule, o[O_NEXT_START], o[O_LAST_USED], o[O_DELETING], o[O_TTL], now_at)


@part
def write(
    world: World,
    lives: Lives,
    w: int,
    rule: int,
    next_start_at: int,
    last_used_at: int,
    deleting_at: int,
    ttl_us: int,
    now_at: int,
) -> None:
    """A row of stories about a workspace and its latest build."""
    i = lives.counters[STORIES]
    lives.counters[STORIES] = i + 1
    build = world.workspaces[w, W_BUILD]
    row, life = lives.stories[i], lives.builds[build]
    row[X_AT] = now_at
    row[X_WORKSPACE] = w
    row[X_RULE] = rule
    row[X_BUILD] = build
    row[X_DEADLINE] = life[L_DEADLINE]
    row[X_MAX_DEADLINE] = life[L_MAX_DEADLINE]
    row[X_BUMPED_AT] = life[L_BUMPED_AT]
    row[X_BUMPED_FROM] = life[L_BUMPED_FROM]
    row[X_NEXT_START] = next_start_at
    row[X_LAST_USED] = last_used_at
    row[X_DELETING] = deleting_at
    row[X_BUMPS] = life[L_BUMPS] if life[L_BUMPS] != NEVER else 0  # the pool's own builds have no life
    row[X_TTL] = ttl_us


@part
def end_lives(inputs: Inputs, world: World, lives: Lives, end_at: int) -> None:
    """What agents have reported until the window ends."""
    for person in range(lives.people.shape[0]):
        w = lives.people[person, H_WORKSPACE]
        if w != NONE:
            b = world.builds[world.workspaces[w, W_BUILD]]
            if b[B_TRANSITION] == START and b[B_STATUS] == SUCCEEDED:
                report(lives, person, world.workspaces[w, W_OWNER], world.workspaces[w, W_BUILD], end_at)
