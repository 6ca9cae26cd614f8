"""The rules of `core.lifecycle` for one workspace: types and cron text in, instants out; nothing is simulated."""

from __future__ import annotations

from dataclasses import asdict
from typing import TypeVar

from simkit.clock import NEVER
from simkit.core import lifecycle as core
from simkit.core.calendar import CronBits
from simkit.cron import Cron, CronError, daily, weekly
from simkit.errors import Finding, InputError, Where, did_you_mean
from simkit.model import People, Scenario, SetTTL, TemplateSchedule

_T = TypeVar("_T")


def template(schedule: TemplateSchedule) -> core.Template:
    """A template's schedule as the rules take it."""
    return core.Template(**asdict(schedule))


def zoned(cron: Cron, at: int) -> core.Zoned:
    """A cron with its zone's offsets around an instant, as the rules take it."""
    bits = CronBits(cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays, cron.both_days)
    return core.Zoned(bits, *cron.offsets_from(at))


def next_starts(autostart: str, schedule: TemplateSchedule, after_at: int) -> tuple[int, bool, int]:
    """(the next start after an instant, is its weekday allowed, the next allowed one); NEVER where there is none.

    Raises CronError for a schedule that Coder does not read.
    """
    found = zoned(weekly(autostart), after_at)
    at, allowed = core.next_autostart(found, after_at, schedule.autostart_days)
    return int(at), bool(allowed), int(core.next_allowed_autostart(found, after_at, schedule.autostart_days))


def start_deadlines(
    schedule: TemplateSchedule, completed_at: int, ttl_us: int | None, autostart: str, quiet_hours: str
) -> core.Deadlines:
    """The deadlines of a start build that is done. `ttl_us` None: the workspace has no TTL. NEVER: unset."""
    start_at = NEVER
    if autostart:
        try:
            at, allowed, _ = next_starts(autostart, schedule, completed_at)
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


def people_named(scenario: Scenario, name: str = "") -> People | None:
    """The people called so, the first ones for ""; None where the scenario has none. Raises InputError."""
    groups = {group.name: group for group in scenario.people}
    if name and name not in groups:
        text = f'there are no people "{name}"; {did_you_mean(name, groups)}'
        raise InputError([Finding("error", Where("people"), text)])
    return groups[name] if name else next(iter(groups.values()), None)


def ttl_at(scenario: Scenario, people: People, at: int) -> int | None:
    """The TTL of these people's workspaces at an instant, for `start_deadlines`; None: they have none."""
    found = people.ttl_us
    for event in scenario.events:
        if isinstance(event, SetTTL) and event.people == people.name and event.at <= at:
            found = event.ttl_us or 0
    return (scenario.schedule_at(at).default_ttl_us if found is None else found) or None


def start_deadlines_of(scenario: Scenario, group: People, completed_at: int) -> core.Deadlines:
    """The deadlines of a start build of these people that is done at an instant."""
    schedule = scenario.schedule_at(completed_at)
    return start_deadlines(
        schedule, completed_at, ttl_at(scenario, group, completed_at), group.autostart, group.quiet_hours
    )
