"""Decide when a person's workspace starts, stops, goes dormant and is deleted. Pure: whole numbers in, numbers out.

Instants and durations are int64 microseconds; NEVER stands for an instant that does not come (Coder's zero time, NULL).
A zone is two arrays, see `simkit.core.calendar`. Bit 0 of a set of weekdays is Monday.
"""

from __future__ import annotations

from typing import NamedTuple

from simkit.core.calendar import CronBits, instant_of, local_us, next_occurrence
from simkit.core.compile import jit
from simkit.core.numbers import DAY_US, DELETE, FAILED, HOUR_US, MINUTE_US, NEVER, START, STOP, Int64Array

LEEWAY_US = 2 * HOUR_US
BUFFER_US = 15 * MINUTE_US
EPOCH_DAY = 19_359
"""Monday 2023-01-02, from which weeks are counted."""
RETRY_DELETE_US = 24 * HOUR_US
UNCHANGED_WITHIN_US = 2 * HOUR_US
"""A max deadline that is this near stays as it is when the template's schedule changes."""

# A user's status.
ACTIVE, DORMANT_USER, SUSPENDED = 0, 1, 2
# The rule that applies; NOTHING is due.
NOTHING, AUTOSTOP, AUTOSTART, FAILED_STOP, DORMANCY, AUTODELETE, SUSPENDED_STOP = 0, 1, 2, 3, 4, 5, 6


class Zoned(NamedTuple):
    """A cron schedule in its zone."""

    cron: CronBits
    from_at: Int64Array
    offset_us: Int64Array


class Template(NamedTuple):
    """A template's schedule. Durations of 0 switch a rule off."""

    default_ttl_us: int
    activity_bump_us: int
    autostart_days: int
    autostop_days: int
    autostop_weeks: int
    failure_ttl_us: int
    time_til_dormant_us: int
    time_til_dormant_autodelete_us: int
    allow_user_autostart: bool
    allow_user_autostop: bool


class Facts(NamedTuple):
    """What the executor sees of a workspace. `finished_at`: of the latest build's job, NEVER while it has none.

    `next_start_at` is the column, NEVER for NULL; `allowed_start_at` the next start that the template allows after the
    latest build was created, NEVER for none, which is asked for only where `may_autostart` holds.
    """

    user_status: int
    transition: int
    job_status: int
    created_at: int  # the latest build
    finished_at: int
    deadline: int
    has_autostart: bool
    next_start_at: int
    allowed_start_at: int
    last_used_at: int
    dormant_at: int
    deleting_at: int


class Deadlines(NamedTuple):
    """NEVER: unset. `is_refused`: Coder cannot complete the build, because it finds no day to stop on."""

    deadline: int
    max_deadline: int
    is_refused: bool


@jit
def _is_in(days: int, day: int) -> bool:
    """Is a day, counted from 1970-01-01 (a Thursday), in a set of weekdays?"""
    return (days >> ((day + 3) % 7)) & 1 == 1


@jit
def _midnight(day: int, zone: Zoned) -> int:
    """00:00 of a day as Go's `time.Date` finds it: where clocks skip it, it may be in the day before."""
    return instant_of(day * DAY_US, zone.from_at, zone.offset_us)


@jit
def _day(at: int, zone: Zoned) -> int:
    return local_us(at, zone.from_at, zone.offset_us) // DAY_US


@jit
def next_cron(schedule: Zoned, after_at: int) -> int:
    """The schedule's first occurrence after an instant."""
    return next_occurrence(schedule.cron, after_at, schedule.from_at, schedule.offset_us)


@jit
def next_autostart(schedule: Zoned, after_at: int, autostart_days: int) -> tuple[int, bool]:
    """The next start after an instant, in whole minutes, and whether the template allows that weekday (there)."""
    at = next_cron(schedule, after_at)
    if at == NEVER:
        return NEVER, False
    at = at // MINUTE_US * MINUTE_US
    return at, _is_in(autostart_days, _day(at, schedule))


@jit
def next_allowed_autostart(schedule: Zoned, after_at: int, autostart_days: int) -> int:
    """The next start on an allowed weekday; NEVER if there is none in about a week."""
    at = after_at
    while at - after_at < 7 * DAY_US:
        at, allowed = next_autostart(schedule, at, autostart_days)
        if allowed or at == NEVER:
            return at
    return NEVER


@jit
def ttl_in_force(ttl_us: int, template: Template) -> int:
    """The workspace's TTL (NEVER: unset), or the template's default where users may not set their own (0: none)."""
    return ttl_us if template.allow_user_autostop else template.default_ttl_us


@jit
def max_deadline(quiet_hours: Zoned, completed_at: int, template: Template) -> tuple[int, bool]:
    """When the autostop requirement stops a build that completed at an instant; (NEVER, False) without one.

    The next start of the quiet hours on a required weekday of a required week. The flag is True where Coder's search
    stalls at a midnight that does not exist: it then cannot complete the build.
    """
    if template.autostop_days == 0:
        return NEVER, False
    day = _day(completed_at + LEEWAY_US, quiet_hours)
    stop_at = _midnight(day, quiet_hours)
    if template.autostop_weeks > 1:
        weeks = (_day(stop_at, quiet_hours) - EPOCH_DAY) // 7
        if weeks % template.autostop_weeks != 0:
            weeks += template.autostop_weeks - weeks % template.autostop_weeks
            stop_at = _midnight(EPOCH_DAY + 7 * weeks, quiet_hours)
    if next_cron(quiet_hours, stop_at - BUFFER_US) < completed_at + LEEWAY_US:
        stop_at = _midnight(_day(stop_at, quiet_hours) + 1, quiet_hours)
    tried = 0
    while not _is_in(template.autostop_days, _day(stop_at, quiet_hours)):
        tried += 1
        if tried == 7:
            return NEVER, True
        stop_at = _midnight(_day(stop_at, quiet_hours) + 1, quiet_hours)
    check_at = completed_at + HOUR_US if stop_at < completed_at + HOUR_US else stop_at - BUFFER_US
    return next_cron(quiet_hours, check_at), False


@jit
def deadlines(ttl_us: int, next_start_at: int, max_at: int, completed_at: int) -> tuple[int, int]:
    """(deadline, max_deadline) of a start build. `ttl_us`: in force; `next_start_at`: the next start, NEVER if it is
    on a weekday that the template does not allow."""
    deadline = NEVER
    if 0 < ttl_us < NEVER:
        deadline = completed_at + ttl_us
        if next_start_at != NEVER and deadline > next_start_at:
            deadline = next_start_at + ttl_us
    return min(deadline, max_at), max_at


@jit
def bump_interval(now_at: int, bump_us: int, ttl_us: int, next_start_at: int) -> int:
    """By how much activity extends a deadline from now: the bump, or the whole TTL from an autostart that it crosses.

    0, no extension, where it crosses one and the TTL is unset.
    """
    if next_start_at != NEVER and next_start_at > now_at and now_at + bump_us > next_start_at:
        return 0 if ttl_us == NEVER else next_start_at - now_at + ttl_us
    return bump_us


@jit
def bumped_deadline(now_at: int, deadline: int, max_at: int, bump_us: int, interval_us: int) -> int:
    """The deadline after activity at an instant; the same one while less than 5 % of the interval has passed."""
    if bump_us <= 0 or interval_us <= 0 or deadline == NEVER:
        return deadline
    if 20 * (deadline - now_at) >= 19 * interval_us:
        return deadline
    return min(max(deadline, now_at + interval_us), max_at)


@jit
def transition(facts: Facts, template: Template, now_at: int, retries_failed_stops: bool) -> int:
    """The first rule that applies to a workspace which `is_eligible` has selected.

    `retries_failed_stops`: a stop that failed is cleaned up after as a start is, which newer versions do.
    """
    failed = facts.job_status == FAILED
    awake = facts.dormant_at == NEVER
    if facts.transition == START and not failed and awake:
        if facts.user_status == SUSPENDED:
            return SUSPENDED_STOP
        if now_at >= facts.deadline:
            return AUTOSTOP
    if (
        facts.user_status == ACTIVE
        and not failed
        and awake
        and facts.transition == STOP
        and template.allow_user_autostart
        and facts.has_autostart
        and now_at >= facts.allowed_start_at
    ):
        return AUTOSTART
    if needs_cleanup(facts, template, now_at, retries_failed_stops):
        return FAILED_STOP
    if is_unused(facts, template, now_at):
        return DORMANCY
    if is_to_delete(facts, template, now_at):
        return AUTODELETE
    return NOTHING


@jit
def is_eligible(
    facts: Facts, template: Template, now_at: int, is_prebuild: bool, is_deleted: bool, retries_failed_stops: bool
) -> bool:
    """Coder's pre-filter: the executor looks at no other workspace. `now_at`: its tick, truncated to the minute.

    `is_prebuild`: of a version that leaves prebuilds alone.
    """
    if is_prebuild or is_deleted:
        return False
    # Strictly: a deadline on a whole minute stops a minute later.
    runs = facts.job_status != FAILED and facts.dormant_at == NEVER and facts.transition == START
    return (
        (runs and (facts.user_status == SUSPENDED or facts.deadline < now_at))
        or may_autostart(facts, now_at)
        or is_unused(facts, template, now_at)
        or is_to_delete(facts, template, now_at)
        or needs_cleanup(facts, template, now_at, retries_failed_stops)
    )


@jit
def may_autostart(facts: Facts, now_at: int) -> bool:
    """Does the pre-filter select a stopped workspace for its autostart? It does so until its `next_start_at` is known,
    and knows nothing of the template's days."""
    return (
        facts.user_status == ACTIVE
        and facts.job_status != FAILED
        and facts.dormant_at == NEVER
        and facts.transition == STOP
        and facts.has_autostart
        and (facts.next_start_at == NEVER or facts.next_start_at <= now_at)
    )


@jit
def is_unused(facts: Facts, template: Template, now_at: int) -> bool:
    """Is it time to be dormant?"""
    return (
        facts.dormant_at == NEVER
        and template.time_til_dormant_us > 0
        and now_at - facts.last_used_at > template.time_til_dormant_us
    )


@jit
def is_to_delete(facts: Facts, template: Template, now_at: int) -> bool:
    """Is a dormant workspace to be deleted? A delete that failed is retried after a day."""
    if (
        facts.dormant_at == NEVER
        or facts.deleting_at == NEVER
        or template.time_til_dormant_autodelete_us <= 0
        or now_at <= facts.deleting_at
    ):
        return False
    if facts.transition != DELETE or facts.job_status != FAILED:
        return True
    return facts.finished_at != NEVER and now_at - facts.finished_at > RETRY_DELETE_US


@jit
def needs_cleanup(facts: Facts, template: Template, now_at: int, retries_failed_stops: bool) -> bool:
    """Is a start (or, where the version does so, a stop) that failed long enough ago to be stopped (again)?"""
    return (
        template.failure_ttl_us > 0
        and facts.job_status == FAILED
        and (facts.transition == START or (retries_failed_stops and facts.transition == STOP))
        and facts.finished_at != NEVER
        and now_at - facts.finished_at > template.failure_ttl_us
    )


@jit
def needs_build(rule: int, transition: int) -> bool:
    """Does a rule build a workspace whose latest build is of this transition? Only one that is not started is marked
    dormant as it is. Where another build is active, a rule that needs one does nothing, and is tried again."""
    return rule != NOTHING and (rule != DORMANCY or transition == START)


@jit
def deletes_at(dormant_at: int, template: Template) -> int:
    """When a workspace that is dormant since an instant is to be deleted; NEVER for an awake one, or if never."""
    if dormant_at == NEVER or template.time_til_dormant_autodelete_us <= 0:
        return NEVER
    return dormant_at + template.time_til_dormant_autodelete_us


@jit
def deadline_without_ttl(max_at: int, to_max: bool) -> int:
    """A start build's deadline once its workspace's TTL is removed: its max deadline, unset if it has none.

    `to_max` False: unset in any case, as old versions do, whose table refuses it where there is a max deadline.
    """
    return max_at if to_max else NEVER


@jit
def changes_schedule(before: Template, after: Template) -> bool:
    """Does a template's new schedule differ at all? Nothing happens if not."""
    return (
        before.default_ttl_us != after.default_ttl_us
        or before.activity_bump_us != after.activity_bump_us
        or before.autostart_days != after.autostart_days
        or before.autostop_days != after.autostop_days
        or before.autostop_weeks != after.autostop_weeks
        or before.failure_ttl_us != after.failure_ttl_us
        or before.time_til_dormant_us != after.time_til_dormant_us
        or before.time_til_dormant_autodelete_us != after.time_til_dormant_autodelete_us
        or before.allow_user_autostart != after.allow_user_autostart
        or before.allow_user_autostop != after.allow_user_autostop
    )


@jit
def ttl_after_change(ttl_us: int, before: Template, after: Template) -> int:
    """A workspace's own TTL (NEVER: none) once its template has another schedule.

    It is overwritten for good with the default where users may not set their own any more, and where they still may not
    and the default changes.
    """
    if after.allow_user_autostop or (not before.allow_user_autostop and before.default_ttl_us == after.default_ttl_us):
        return ttl_us
    return after.default_ttl_us if after.default_ttl_us > 0 else NEVER


@jit
def keeps_deadlines(max_at: int, now_at: int) -> bool:
    """Is a running build's max deadline too near for its template's new schedule to reach it?"""
    return max_at != NEVER and max_at - now_at < UNCHANGED_WITHIN_US


@jit
def rescheduled(
    deadline: int, max_at: int, new_max_at: int, ttl_us: int, now_at: int, removes: bool
) -> tuple[int, int]:
    """(deadline, max_deadline) of a running build once its template's schedule has changed.

    `new_max_at` is computed from the build's completion, `ttl_us` is the TTL now in force. A max deadline within two
    hours stays; a new one lies at least two hours ahead. `removes`: with neither left, the deadline is unset.
    """
    if keeps_deadlines(max_at, now_at):
        return deadline, max_at
    if new_max_at != NEVER:
        new_max_at = max(new_max_at, now_at + UNCHANGED_WITHIN_US)
        return min(deadline, new_max_at), new_max_at
    return deadline if 0 < ttl_us < NEVER or not removes else NEVER, NEVER
