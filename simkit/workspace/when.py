"""What becomes of one workspace once its start is done, by a scenario's rules, and why; nothing is simulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from simkit.arguments import a_scenario, a_text, an_instant, takes
from simkit.clock import DAY_US, LONG_WEEKDAYS, MINUTE_US, NEVER, UTC_ZONE, Zone, format_duration, parse_instant
from simkit.core.lifecycle import BUFFER_US, EPOCH_DAY, LEEWAY_US
from simkit.cron import Cron, CronError, daily, daily_time, weekly
from simkit.errors import Findings, Where, did_you_mean
from simkit.inputs.people import parse_ttl
from simkit.model import DEFAULT_QUIET_HOURS, Scenario, TemplateSchedule
from simkit.shown import joined
from simkit.times import weekday_instant
from simkit.workspace.instants import next_starts, start_deadlines

_T = TypeVar("_T")

_DAY = timedelta(days=1)
_EPOCH = date(1970, 1, 1) + EPOCH_DAY * _DAY
"""Monday 2023-01-02, from which weeks are counted."""


@dataclass(frozen=True)
class Fate:
    """What happens to a workspace next: sentences, each with its reason, in the order of a story. NEVER: unset.

    `is_refused`: Coder cannot complete the build.
    """

    deadline: int
    max_deadline: int
    next_start_at: int
    is_refused: bool
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return joined(self.sentences)


@takes(scenario=a_scenario, at=an_instant, people=a_text, ttl=a_text, autostart=a_text, quiet_hours=a_text)
def when(
    scenario: Scenario,
    at: str | int,
    people: str | None = None,
    *,
    ttl: str | None = None,
    autostart: str | None = None,
    quiet_hours: str | None = None,
) -> Fate:
    """Deadline, max deadline and next autostart of a workspace whose start is done `at` (microseconds UTC, or text).

    TTL, autostart and quiet hours are those given; else those of the scenario's `people` of that name (of the only
    ones, if there is one group); else Coder's defaults. A `ttl` of `none` is no TTL, `quiet_hours` of "" are none.
    Raises InputError with every problem.

    >>> scenario = simkit.load("data/scenarios/lifecycle.yaml")
    >>> simkit.when(scenario, at="2026-10-13T09:00:00-04:00", people="developers").sentences[1]
    'Its TTL of 10h ends at Tue 2026-10-13T19:00:00-04:00.'
    """
    findings = Findings()
    now_at = _read("at", at, lambda text: parse_instant(text, scenario.zone), findings) if isinstance(at, str) else at
    groups = {group.name: group for group in scenario.people}
    if people is not None and people not in groups:
        findings.error(Where("people"), f'there are no people "{people}"; {did_you_mean(people, groups)}')
    only = next(iter(groups)) if len(groups) == 1 else ""
    group = groups.get(people or only)
    ttl_us = group.ttl_us if group is not None else None
    if ttl is not None:
        ttl_us = _read("ttl", ttl, parse_ttl, findings)
    hours = quiet_hours if quiet_hours is not None else group.quiet_hours if group else DEFAULT_QUIET_HOURS
    if hours:
        _read("quiet_hours", hours, daily_time, findings)
    findings.raise_errors()
    assert now_at is not None, "an instant that cannot be read is an error"
    schedule = scenario.schedule_at(now_at)
    if ttl_us is None:
        ttl_us = schedule.default_ttl_us
    starts = autostart if autostart is not None else group.autostart if group else ""
    return _fate(schedule, now_at, ttl_us or None, starts, hours, scenario.zone)


def _read(name: str, text: str, convert: Callable[[str], _T], findings: Findings) -> _T | None:
    try:
        return convert(text)
    except ValueError as error:
        findings.error(Where(name), str(error))
        return None


def _fate(
    schedule: TemplateSchedule, completed_at: int, ttl_us: int | None, autostart: str, quiet_hours: str, zone: Zone
) -> Fate:
    def show(at: int) -> str:
        return weekday_instant(at, zone)

    start_at, allowed, allowed_at, problem = NEVER, False, NEVER, ""
    if autostart:
        try:
            start_at, allowed, allowed_at = next_starts(autostart, schedule, completed_at)
        except CronError as error:
            problem = str(error)
    found = start_deadlines(schedule, completed_at, ttl_us, autostart, quiet_hours)
    begins = f"The start build is done at {show(completed_at)}."
    if found.is_refused:
        refused = (
            "Coder cannot complete this build: its search for the day of the autostop requirement stalls at a midnight "
            "that the clocks of the quiet hours' zone skip. This is a defect of Coder on that date."
        )
        return Fate(NEVER, NEVER, NEVER, True, (begins, refused))
    if not schedule.allow_user_autostart:
        allowed_at = NEVER
    said = (
        begins,
        _ttl_says(schedule, completed_at, ttl_us or 0, start_at if allowed else NEVER, show),
        _max_deadline_says(schedule, completed_at, found.max_deadline, quiet_hours, show),
        _deadline_says(schedule, found.deadline, found.max_deadline, start_at if allowed else NEVER, ttl_us or 0, show),
        _autostart_says(schedule, autostart, problem, start_at, allowed, allowed_at, show),
        *_dormancy_says(schedule, completed_at, show),
    )
    return Fate(found.deadline, found.max_deadline, allowed_at, False, said)


def _ttl_says(
    schedule: TemplateSchedule, completed_at: int, ttl_us: int, start_at: int, show: Callable[[int], str]
) -> str:
    """When the TTL alone ends it, and why."""
    if not schedule.allow_user_autostop:
        ttl_us = schedule.default_ttl_us
        whose = "The template's default TTL (users may not set their own)"
        missing = "The template has no default TTL, and users may not set their own"
    else:
        whose, missing = "Its TTL", "The workspace has no TTL"
    if not ttl_us:
        return f"{missing}: nothing but a max deadline ends it."
    by_ttl = completed_at + ttl_us
    whose += f" of {format_duration(ttl_us)}"
    if start_at != NEVER and by_ttl > start_at:
        by_ttl = start_at + ttl_us
        return f"{whose} would end after the next autostart, {show(start_at)}, so it counts from there: {show(by_ttl)}."
    return f"{whose} ends at {show(by_ttl)}."


def _max_deadline_says(
    schedule: TemplateSchedule, completed_at: int, max_deadline: int, quiet_hours: str, show: Callable[[int], str]
) -> str:
    """Each reason is looked up in the calendar: Coder's search finds other days, too, where clocks or weeks turn."""
    if not schedule.autostop_days:
        return "It has no max deadline: the template requires no autostop."
    if max_deadline == NEVER:
        return "It has no max deadline: there are no quiet hours."
    cron = daily(quiet_hours)
    zone = cron.zone or UTC_ZONE
    found = zone.local(max_deadline).date()
    its = f'Its max deadline is {show(max_deadline)}: the next start of the quiet hours "{quiet_hours}"'
    if max_deadline == _first_required(schedule, cron, zone, completed_at):
        return f"{its} on a day and in a week that the template requires, two hours away or more."
    eve, morrow = found - _DAY, found + _DAY
    day, finds = found, f" that Coder finds on {_dated(found)}"
    is_eve = zone.at(datetime(morrow.year, morrow.month, morrow.day)) - max_deadline <= BUFFER_US  # noqa: DTZ001
    if not _is_required(schedule, found) and is_eve and _is_required(schedule, morrow):
        day = morrow
        finds = f" from 15 minutes before {_dated(day)} on, which is when Coder begins to look for the one of that day"
    elif not _is_required(schedule, found) and _is_required(schedule, eve) and _skips(cron, zone, eve, max_deadline):
        day = eve
        finds = f" after {_dated(day)}, on which a change of the clocks skips it"
    if not _is_required(schedule, day):
        return f"{its} that Coder's search finds, though the template does not require {_dated(day)}."
    if _is_in_week(schedule, day):
        return f"{its}{finds}. The template requires that day."
    return (
        f"{its}{finds}. The template requires that weekday, though not in that week: Coder settles the week first, "
        "and moves on to the weekday from there."
    )


def _skips(cron: Cron, zone: Zone, day: date, before_at: int) -> bool:
    """Is there no start on a day that ends less than two days before an instant?

    The wall clock may well show the time on that day: where clocks change by half an hour, as on Lord Howe, Coder's
    cron adds whole hours and passes over 03:00 after a jump from 02:00 to 02:30.
    """
    at = cron.next_after(before_at - 3 * DAY_US)
    while at < before_at:
        if zone.local(at).date() == day:
            return False
        at = cron.next_after(at)
    return True


def _first_required(schedule: TemplateSchedule, cron: Cron, zone: Zone, completed_at: int) -> int:
    """The first start of the quiet hours, two hours away or more, on a required day of a required week."""
    at = completed_at + LEEWAY_US - 1
    for _ in range(7 * (schedule.autostop_weeks + 1)):
        at = cron.next_after(at)
        if at == NEVER:
            break
        day = zone.local(at).date()
        if _is_required(schedule, day) and _is_in_week(schedule, day):
            return at
    return NEVER


def _is_required(schedule: TemplateSchedule, day: date) -> bool:
    return bool(schedule.autostop_days >> day.weekday() & 1)


def _is_in_week(schedule: TemplateSchedule, day: date) -> bool:
    """Is the day's week, counted from Monday 2023-01-02, one of those that the template requires?"""
    weeks = (day - _EPOCH) // timedelta(weeks=1)
    return schedule.autostop_weeks <= 1 or weeks % schedule.autostop_weeks == 0


def _dated(day: date) -> str:
    return f"{LONG_WEEKDAYS[day.weekday()]} {day.isoformat()}"


def _deadline_says(
    schedule: TemplateSchedule,
    deadline: int,
    max_deadline: int,
    start_at: int,
    ttl_us: int,
    show: Callable[[int], str],
) -> str:
    if deadline == NEVER:
        return "Deadline: unset. Nothing stops it."
    if deadline == max_deadline:
        return f"Deadline: {show(deadline)}, the max deadline, which activity cannot move."
    bump_us = schedule.activity_bump_us
    if not bump_us:
        return f"Deadline: {show(deadline)}; activity does not move it."
    moved = f"activity moves it to {format_duration(bump_us)} after itself"
    if deadline <= start_at < deadline + bump_us:
        ttl_us = schedule.default_ttl_us if not schedule.allow_user_autostop else ttl_us
        moved += f", and where that passes the autostart at {show(start_at)}, to {format_duration(ttl_us)} after that"
    cap = ", at most to the max deadline" if max_deadline != NEVER else ""
    return f"Deadline: {show(deadline)}; {moved}{cap}."


def _autostart_says(
    schedule: TemplateSchedule,
    autostart: str,
    problem: str,
    start_at: int,
    allowed: bool,
    allowed_at: int,
    show: Callable[[int], str],
) -> str:
    if not autostart:
        return "Next autostart: none, for it has no autostart."
    if problem:
        return f'Next autostart: never, for Coder cannot read its autostart "{autostart}": {problem}.'
    if not schedule.allow_user_autostart:
        return "Next autostart: none, for the template does not allow any."
    if allowed_at == NEVER and any(
        weekly(autostart).weekdays >> (day + 1) % 7 & schedule.autostart_days >> day & 1 for day in range(7)
    ):
        return (
            "Next autostart: none, for Coder looks a week ahead, and in it a change of the clocks skips those on a day "
            "that the template allows."
        )
    if allowed_at == NEVER:
        return "Next autostart: never, for the template allows none of its autostart's days."
    if allowed:
        return f"Next autostart: {show(allowed_at)}, if it is stopped by then."
    return (
        f"Next autostart: {show(allowed_at)}, if it is stopped by then; before, {show(start_at)} is on a day that the "
        "template does not allow."
    )


def _dormancy_says(schedule: TemplateSchedule, completed_at: int, show: Callable[[int], str]) -> tuple[str, ...]:
    """The executor looks every full minute, and both waits must be exceeded."""
    if not schedule.time_til_dormant_us:
        return ()
    dormant_at = _tick_after(completed_at + schedule.time_til_dormant_us)
    said = f"If nobody uses it from now on, it goes dormant at {show(dormant_at)}."
    if not schedule.time_til_dormant_autodelete_us:
        return (said,)
    deleted_at = _tick_after(dormant_at + schedule.time_til_dormant_autodelete_us)
    return said, f"Left dormant, it is deleted at {show(deleted_at)}."


def _tick_after(at: int) -> int:
    return (at // MINUTE_US + 1) * MINUTE_US
