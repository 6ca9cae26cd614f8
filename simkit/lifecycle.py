"""When one workspace stops, starts, goes dormant and is deleted, and why: the rules of `core.lifecycle`, for one."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from simkit.clock import NEVER, Zone, format_duration, format_instant
from simkit.core import lifecycle as core
from simkit.core.calendar import CronBits
from simkit.cron import Cron, CronError, daily, weekly
from simkit.model import TemplateSchedule


def template(schedule: TemplateSchedule) -> core.Template:
    """A template's schedule as the rules take it."""
    return core.Template(*astuple(schedule))


def zoned(cron: Cron, at: int) -> core.Zoned:
    """A cron with its zone's offsets around an instant, as the rules take it."""
    bits = CronBits(cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays, cron.both_days)
    return core.Zoned(bits, *cron.offsets_from(at))


def next_start(autostart: str, schedule: TemplateSchedule, after_at: int) -> tuple[int, bool, int]:
    """(the next start after an instant, is its weekday allowed, the next allowed one); NEVER where there is none.

    Raises CronError for a schedule that Coder does not read.
    """
    found = zoned(weekly(autostart), after_at)
    at, allowed = core.next_autostart(found, after_at, schedule.autostart_days)
    return int(at), bool(allowed), int(core.next_allowed_autostart(found, after_at, schedule.autostart_days))


def deadlines(
    schedule: TemplateSchedule, completed_at: int, ttl_us: int | None, autostart: str, quiet_hours: str
) -> core.Deadlines:
    """The deadlines of a start build that is done. `ttl_us` None: the workspace has no TTL. NEVER: unset."""
    start_at = NEVER
    if autostart:
        try:
            at, allowed, _ = next_start(autostart, schedule, completed_at)
            start_at = at if allowed else NEVER
        except CronError:
            pass  # Coder cannot read it and goes on without
    max_at, refused = NEVER, False
    if quiet_hours:
        max_at, refused = core.max_deadline(zoned(daily(quiet_hours), completed_at), completed_at, template(schedule))
    if refused:
        return core.Deadlines(NEVER, NEVER, True)
    ttl = core.ttl_in_force(NEVER if ttl_us is None else ttl_us, template(schedule))
    deadline, max_at = core.deadlines(ttl, start_at, max_at, completed_at)
    return core.Deadlines(int(deadline), int(max_at), False)


@dataclass(frozen=True)
class Fate:
    """What happens to a workspace next: sentences, each with its reason, in the order of a story."""

    deadline: int
    max_deadline: int
    next_start_at: int
    is_refused: bool
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.sentences)


def when(
    schedule: TemplateSchedule, completed_at: int, ttl_us: int | None, autostart: str, quiet_hours: str, zone: Zone
) -> Fate:
    """Deadline, max deadline and next autostart of a workspace whose start completes at an instant, and why.

    `zone` is the one to show instants in.
    """

    def show(at: int) -> str:
        return f"{zone.local(at):%a} {format_instant(at, zone)}"

    found = deadlines(schedule, completed_at, ttl_us, autostart, quiet_hours)
    said = [f"The build completes at {show(completed_at)}."]
    if schedule.allow_user_autostop:
        ttl = ttl_us or 0
        whose = f"its TTL of {format_duration(ttl)}" if ttl else ""
        missing = "The workspace has no TTL"
    else:
        ttl = schedule.default_ttl_us
        whose = f"the template's default TTL of {format_duration(ttl)} (users may not set their own)" if ttl else ""
        missing = "The template has no default TTL, and users may not set their own"
    start_at, allowed, allowed_at = NEVER, False, NEVER
    problem = ""
    if autostart:
        try:
            start_at, allowed, allowed_at = next_start(autostart, schedule, completed_at)
        except CronError as error:
            problem = str(error)
    if found.is_refused:
        said.append(
            "Coder cannot complete this build: its search for the day of the autostop requirement stalls at a midnight "
            "that the clocks of the quiet hours' zone skip. This is a defect of Coder on that date."
        )
        return Fate(NEVER, NEVER, NEVER, True, tuple(said))
    by_ttl = completed_at + ttl if ttl else NEVER
    if ttl and allowed and by_ttl > start_at:
        by_ttl = start_at + ttl
        said.append(
            f"{whose[0].upper()}{whose[1:]} would end after the next autostart, {show(start_at)}; "
            f"so it counts from there: {show(by_ttl)}."
        )
    elif ttl:
        said.append(f"{whose[0].upper()}{whose[1:]} ends at {show(by_ttl)}.")
    else:
        said.append(f"{missing}, so no TTL ends it.")
    if found.max_deadline == NEVER:
        why = "the template requires no autostop" if not schedule.autostop_days else "there are no quiet hours"
        said.append(f"It has no max deadline: {why}.")
    else:
        said.append(
            f'Its max deadline is {show(found.max_deadline)}: the next start of the quiet hours "{quiet_hours}" '
            "on a day and in a week that the template requires, at least two hours away."
        )
    if found.deadline == NEVER:
        said.append("Nothing stops it: its deadline is unset.")
    elif found.deadline == found.max_deadline and found.deadline < by_ttl:
        said.append(f"Deadline: {show(found.deadline)}, capped by the max deadline; activity cannot move it.")
    else:
        bump = schedule.activity_bump_us
        moved = (
            f"activity extends it to {format_duration(bump)} from then on" if bump else "activity does not extend it"
        )
        said.append(f"Deadline: {show(found.deadline)}; {moved}.")
    if not autostart:
        said.append("It does not start on its own: it has no autostart.")
    elif problem:
        said.append(f'It never starts on its own: Coder cannot read its autostart "{autostart}" ({problem}).')
    elif not schedule.allow_user_autostart:
        said.append("It does not start on its own: the template does not allow autostart.")
        allowed_at = NEVER
    elif allowed_at == NEVER:
        said.append("It never starts on its own: the template allows none of its autostart's days.")
    elif allowed:
        said.append(f"Once stopped, it starts at {show(allowed_at)} or at a later time of its autostart.")
    else:
        said.append(
            f"Its autostart falls on {show(start_at)}, which the template does not allow; next {show(allowed_at)}."
        )
    if schedule.time_til_dormant_us:
        said.append(f"Unused for more than {format_duration(schedule.time_til_dormant_us)}, it goes dormant.")
    if schedule.time_til_dormant_autodelete_us:
        said.append(f"Dormant for {format_duration(schedule.time_til_dormant_autodelete_us)}, it is deleted.")
    return Fate(found.deadline, found.max_deadline, allowed_at, False, tuple(said))
