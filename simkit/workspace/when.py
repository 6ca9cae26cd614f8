"""What becomes of one workspace once its start is done, by a scenario's rules, and why; nothing is simulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from simkit.clock import MINUTE_US, NEVER, Zone, format_duration, parse_instant
from simkit.cron import CronError, daily
from simkit.errors import Findings, Where, did_you_mean
from simkit.inputs.people import parse_ttl
from simkit.model import DEFAULT_QUIET_HOURS, Scenario, TemplateSchedule
from simkit.shown import joined
from simkit.times import weekday_instant
from simkit.workspace.rules import next_starts, start_deadlines

_T = TypeVar("_T")


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
        _read("quiet_hours", hours, daily, findings)
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
    by_ttl, ttl_says = _by_ttl(schedule, completed_at, ttl_us or 0, start_at if allowed else NEVER, show)
    if not schedule.allow_user_autostart:
        allowed_at = NEVER
    said = (
        begins,
        ttl_says,
        _max_deadline_says(schedule, found.max_deadline, quiet_hours, show),
        _deadline_says(schedule, found.deadline, found.max_deadline, by_ttl, show),
        _autostart_says(schedule, autostart, problem, start_at, allowed, allowed_at, show),
        *_dormancy_says(schedule, completed_at, show),
    )
    return Fate(found.deadline, found.max_deadline, allowed_at, False, said)


def _by_ttl(
    schedule: TemplateSchedule, completed_at: int, ttl_us: int, start_at: int, show: Callable[[int], str]
) -> tuple[int, str]:
    """(when the TTL alone ends it, and why)."""
    if not schedule.allow_user_autostop:
        ttl_us = schedule.default_ttl_us
        whose = "The template's default TTL (users may not set their own)"
        missing = "The template has no default TTL, and users may not set their own"
    else:
        whose, missing = "Its TTL", "The workspace has no TTL"
    if not ttl_us:
        return NEVER, f"{missing}: nothing but a max deadline ends it."
    by_ttl = completed_at + ttl_us
    whose += f" of {format_duration(ttl_us)}"
    if start_at != NEVER and by_ttl > start_at:
        by_ttl = start_at + ttl_us
        return by_ttl, (
            f"{whose} would end after the next autostart, {show(start_at)}, so it counts from there: {show(by_ttl)}."
        )
    return by_ttl, f"{whose} ends at {show(by_ttl)}."


def _max_deadline_says(
    schedule: TemplateSchedule, max_deadline: int, quiet_hours: str, show: Callable[[int], str]
) -> str:
    if not schedule.autostop_days:
        return "It has no max deadline: the template requires no autostop."
    if max_deadline == NEVER:
        return "It has no max deadline: there are no quiet hours."
    return (
        f'Its max deadline is {show(max_deadline)}: the next start of the quiet hours "{quiet_hours}" on a day and in '
        "a week that the template requires, two hours away or more."
    )


def _deadline_says(
    schedule: TemplateSchedule, deadline: int, max_deadline: int, by_ttl: int, show: Callable[[int], str]
) -> str:
    if deadline == NEVER:
        return "Deadline: unset. Nothing stops it."
    if deadline == max_deadline and deadline < by_ttl:
        return f"Deadline: {show(deadline)}, the max deadline, which activity cannot move."
    bump_us = schedule.activity_bump_us
    moved = f"activity moves it to {format_duration(bump_us)} after itself" if bump_us else "activity does not move it"
    cap = ", at most to the max deadline" if bump_us and max_deadline != NEVER else ""
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
