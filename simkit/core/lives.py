"""What the kernel knows of people and the workspaces they own, and when the executor must next look at one of them.

A person owns one workspace at a time. While a person is connected, the agent reports activity every minute; reports are
applied when somebody looks: they move the deadline as `lifecycle.bumped_deadline` says, and the last use. A connection
that a stop cuts off is taken up again by the next start, as an IDE does that is left open.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.core.calendar import MINUTE_US, CronBits
from simkit.core.compile import called, part
from simkit.core.lifecycle import (
    ACTIVE,
    FAILED,
    NEVER,
    RETRY_DELETE_US,
    START,
    STOP,
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

Int64Array = npt.NDArray[np.int64]
Table = npt.NDArray[np.int64]
NONE = -1
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
# Changes during a run: a person's TTL (NEVER: removed), a template's schedule (the new row).
V_AT, V_KIND, V_PERSON, V_VALUE, V_COLUMNS = 0, 1, 2, 3, 4
SET_TTL, SET_TEMPLATE = 0, 1
# Crons: five fields, both_days, and the range of the zone's offsets.
Q_MINUTES, Q_HOURS, Q_DAYS, Q_MONTHS, Q_WEEKDAYS, Q_BOTH, Q_FROM, Q_UNTIL, Q_COLUMNS = range(9)
# Template schedules, in the order of lifecycle.Template.
T_COLUMNS = 10
# What the executor did and what befell a workspace: a row each.
(
    X_AT,
    X_CLAIM,
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
NEXT_CHANGE, STORIES, NEXT_LOOK, TICKED_AT, COUNTERS = 0, 1, 2, 3, 4
TEMPLATES_TTL = -2
"""In place of a person's own TTL: the template's default, as it is when they get their workspace."""


class People(NamedTuple):
    """People's givens."""

    people: Table  # [n, H_COLUMNS], of which the given ones are filled in
    templates: Table  # [t, T_COLUMNS]
    crons: Table  # [c, Q_COLUMNS]
    zone_from: Int64Array
    zone_offset: Int64Array
    changes: Table  # [v, V_COLUMNS] in order of time


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
    leaves = 1
    while leaves < len(people):
        leaves *= 2
    counters = np.zeros(COUNTERS, dtype=np.int64)
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
        wakes=np.full(2 * leaves, NEVER, dtype=np.int64),
        counters=counters,
    )


@part
def template_of(lives: Lives, person: int) -> Template:
    t = lives.templates[lives.people[person, H_TEMPLATE]]
    return Template(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8] == 1, t[9] == 1)


@part
def schedule_of(lives: Lives, cron: int) -> Zoned:
    q = lives.crons[cron]
    bits = CronBits(q[Q_MINUTES], q[Q_HOURS], q[Q_DAYS], q[Q_MONTHS], q[Q_WEEKDAYS], q[Q_BOTH] == 1)
    return Zoned(bits, lives.zone_from[q[Q_FROM] : q[Q_UNTIL]], lives.zone_offset[q[Q_FROM] : q[Q_UNTIL]])


@part
def set_wake(lives: Lives, person: int, at: int) -> None:
    """The executor looks at the person's workspace at an instant."""
    wakes = lives.wakes
    i = wakes.size // 2 + person
    wakes[i] = at
    i //= 2
    while i > 0:
        wakes[i] = min(wakes[2 * i], wakes[2 * i + 1])
        i //= 2


@part
def first_due(lives: Lives) -> int:
    """The first person, in order, who is due at wakes[1]."""
    wakes = lives.wakes
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


@called
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


@called
def complete_start(lives: Lives, person: int, claim: int, build: int, now_at: int) -> bool:
    """Give a start build that is done its deadlines. False: Coder cannot complete it (no day to stop on)."""
    template = template_of(lives, person)
    quiet_hours = lives.people[person, H_QUIET_HOURS]
    max_at, refused = NEVER, False
    if quiet_hours != NONE:
        max_at, refused = max_deadline(schedule_of(lives, quiet_hours), now_at, template)
    if refused:
        return False
    ttl_us = ttl_in_force(lives.owned[claim, O_TTL], template)
    lives.people[person, H_CROSSED] = -NEVER
    deadline, max_at = deadlines(ttl_us, start_crossed(lives, person, now_at), max_at, now_at)
    row = lives.builds[build]
    row[L_DEADLINE] = deadline
    row[L_MAX_DEADLINE] = max_at
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


@called
def facts_of(
    lives: Lives,
    person: int,
    claim: int,
    transition: int,
    status: int,
    created_at: int,
    finished_at: int,
    build: int,
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
        last_used_at=o[O_LAST_USED],
        dormant_at=o[O_DORMANT],
        deleting_at=o[O_DELETING],
    )


@called
def next_start(lives: Lives, person: int, after_at: int) -> int:
    """The next start that the template allows after an instant; NEVER without autostart."""
    autostart = lives.people[person, H_AUTOSTART]
    template = template_of(lives, person)
    if autostart == NONE or not template.allow_user_autostart:
        return NEVER
    return next_allowed_autostart(schedule_of(lives, autostart), after_at, template.autostart_days)


@called
def due_at(lives: Lives, person: int, facts: Facts, now_at: int) -> int:
    """The first of the ticks to come at which a rule may apply to a workspace whose latest job is done."""
    first_at = tick_after(now_at) if lives.counters[TICKED_AT] == now_at else tick_at(now_at)
    template = template_of(lives, person)
    at = NEVER
    failed = facts.job_status == FAILED
    if facts.dormant_at == NEVER:
        suspended_at = lives.people[person, H_SUSPENDED_AT]
        if facts.transition == START and not failed:
            at = min(at, tick_at(facts.deadline), tick_at(suspended_at) if suspended_at != NEVER else NEVER)
        if facts.transition == STOP and not failed and suspended_at > now_at:
            at = min(at, tick_at(facts.next_start_at))
        if template.time_til_dormant_us > 0:
            at = min(at, tick_after(facts.last_used_at + template.time_til_dormant_us))
    elif facts.deleting_at != NEVER and template.time_til_dormant_autodelete_us > 0:
        at = min(at, tick_after(facts.deleting_at))
        if failed:
            at = max(at, tick_after(facts.finished_at + RETRY_DELETE_US))
    if failed and facts.transition == START and template.failure_ttl_us > 0:
        at = min(at, tick_after(facts.finished_at + template.failure_ttl_us))
    return max(at, first_at)
