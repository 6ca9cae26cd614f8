"""The rules of `core.lifecycle` for one workspace: types and cron text in, instants out; nothing is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import NamedTuple, TypeVar

from simkit.clock import NEVER
from simkit.core import lifecycle as core
from simkit.core.calendar import CronBits
from simkit.core.lives import REPORT_US
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


def start_crossed(autostart: str, schedule: TemplateSchedule, at: int) -> tuple[int, int]:
    """(the next start after an instant, the one that activity may cross: the same, or NEVER if the template does not
    allow its weekday); NEVER, NEVER without an autostart that Coder can read."""
    try:
        start_at, allowed, _ = next_starts(autostart, schedule, at) if autostart else (NEVER, False, NEVER)
    except CronError:
        return NEVER, NEVER
    return start_at, start_at if allowed else NEVER


class Report(NamedTuple):
    """A minute's report of activity at `at`: the deadline before and after it. NEVER: unset.

    `next_start_at`: the autostart that it may cross; `extension_us`: from now, if it moves the deadline.
    """

    at: int
    before: int
    after: int
    next_start_at: int
    extension_us: int


def reports(
    schedule: TemplateSchedule, autostart: str, ttl_us: int, deadline: int, max_at: int, first_at: int
) -> Iterator[Report]:
    """What each minute's report does to a start's deadline, from an instant on and without end. `ttl_us`: the
    workspace's, NEVER for none.

    The kernel's `lives.report` does the same and skips the reports that change nothing.
    """
    ttl_us = core.ttl_in_force(ttl_us, template(schedule))
    at, known_until_at, start_at = first_at, -NEVER, NEVER
    while True:
        if known_until_at <= at:
            known_until_at, start_at = start_crossed(autostart, schedule, at)
        extension_us = int(core.bump_interval(at, schedule.activity_bump_us, ttl_us, start_at))
        after = int(core.bumped_deadline(at, deadline, max_at, schedule.activity_bump_us, extension_us))
        yield Report(at, deadline, after, start_at, extension_us)
        deadline = after
        at += REPORT_US


def start_deadlines(
    schedule: TemplateSchedule, completed_at: int, ttl_us: int | None, autostart: str, quiet_hours: str
) -> core.Deadlines:
    """The deadlines of a start build that is done. `ttl_us` None: the workspace has no TTL. NEVER: unset."""
    _, start_at = start_crossed(autostart, schedule, completed_at)
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
