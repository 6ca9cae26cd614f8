"""The people of a scenario, their sessions, and the template's schedule that their workspaces live by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from simkit.clock import MINUTE_US, NEVER, Zone, format_duration, parse_duration
from simkit.cron import daily_time
from simkit.inputs import keys
from simkit.inputs.document import Value
from simkit.inputs.history import read_sessions, source_of
from simkit.inputs.keys import HOURS_KEYS
from simkit.inputs.quantities import distribution, hours_of_week, preset_of
from simkit.limits import MOST_PEOPLE
from simkit.model import (
    DEFAULT_QUIET_HOURS,
    MAX_WORKSPACE_TTL_US,
    MIN_WORKSPACE_TTL_US,
    People,
    SessionHistory,
    SessionProfile,
    TemplateSchedule,
)
from simkit.names import workspace_name_problem

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MAX_WEEKS = 16
_DURATIONS = {
    "default_ttl": 0,
    "activity_bump": 0,
    # Coder takes none, or a minute at least.
    "failure_ttl": MINUTE_US,
    "time_til_dormant": MINUTE_US,
    "time_til_dormant_autodelete": MINUTE_US,
}
_SWITCHES = ("allow_user_autostart", "allow_user_autostop")


def template_schedule(value: Value, base: TemplateSchedule) -> TemplateSchedule:
    """A template's schedule under the names of Coder's API: `base` with what is given in its place."""
    given = value.mapping(keys.TEMPLATE_SCHEDULE)
    read: dict[str, Any] = {}
    for key, lowest in _DURATIONS.items():
        us = given[key].duration() if key in given else None
        if us is not None and 0 < us < lowest:
            given[key].error(f"is shorter than a minute, which Coder refuses; write 0s (off) or {lowest // MINUTE_US}m")
        elif us is not None:
            read[f"{key}_us"] = us
    for key in _SWITCHES:
        if key in given:
            read[key] = given[key].choice(("true", "false")) == "true"
    if "autostop_requirement" in given:
        requirement = given["autostop_requirement"].mapping(keys.AUTOSTOP)
        if "days_of_week" in requirement:
            read["autostop_days"] = _days(requirement["days_of_week"])
        if "weeks" in requirement:
            weeks = requirement["weeks"].whole(lowest=1)
            if weeks is not None and weeks > _MAX_WEEKS:
                requirement["weeks"].error(f"is more than {_MAX_WEEKS}, which Coder refuses")
            read["autostop_weeks"] = weeks
            if weeks is not None and weeks > 1 and not read.get("autostop_days", base.autostop_days):
                said = "no workspace has to stop in any week, as no days are given; write days_of_week, too"
                value.findings.warning(requirement["weeks"].where, f"{requirement['weeks'].name}: {said}")
    if "autostart_requirement" in given:
        requirement = given["autostart_requirement"].mapping(keys.AUTOSTART)
        if "days_of_week" in requirement:
            read["autostart_days"] = _days(requirement["days_of_week"])
    return replace(base, **{key: value for key, value in read.items() if value is not None})


def workspace_ttl(value: Value) -> int | None:
    """A workspace's own TTL in microseconds, 0 for `none`."""
    return value.read(parse_ttl)


def parse_ttl(text: str) -> int:
    """A workspace's own TTL as text: a minute to 30 days in whole minutes, rounded down as Coder does, or `none` (0).

    Raises ValueError.
    """
    if text == "none":
        return 0
    us = parse_duration(text) // MINUTE_US * MINUTE_US
    if not MIN_WORKSPACE_TTL_US <= us <= MAX_WORKSPACE_TTL_US:
        allowed = f"{format_duration(MIN_WORKSPACE_TTL_US)} to {format_duration(MAX_WORKSPACE_TTL_US)}"
        raise ValueError(f'"{text}" is not a TTL that Coder takes; write {allowed}, or none')
    return us


def people(
    value: Value, zone: Zone, names: tuple[str, ...], beside: Callable[[Value], Path | None]
) -> tuple[People, ...]:
    """The groups of people in a list. `zone`: of what says nothing of one; `beside`: where a file that it names is."""
    found: dict[str, People] = {}
    for entry in value.items():
        group = _group(entry, zone, names, beside)
        if group is not None and group.name in found:
            entry.error(f'there are two groups called "{group.name}", first in line {found[group.name].where.line}')
        elif group is not None:
            found[group.name] = group
    if (total := sum(group.count for group in found.values())) > MOST_PEOPLE:
        value.error(f"there are {total:,} people, and simkit simulates up to {MOST_PEOPLE:,}; write fewer")
    return tuple(found.values())


def _group(value: Value, zone: Zone, names: tuple[str, ...], beside: Callable[[Value], Path | None]) -> People | None:
    given = value.mapping(keys.PEOPLE)
    before = len(value.findings.errors)
    name = given["name"].scalar() if "name" in given else None
    if name is not None and (problem := workspace_name_problem(name)):
        given["name"].error(problem.replace("workspace name", "name"))
    preset = preset_of(value, given, names)
    own_zone = (given["timezone"].zone() if "timezone" in given else None) or zone
    count = given["count"].whole(lowest=1) if "count" in given else None
    quiet_hours = DEFAULT_QUIET_HOURS
    if "quiet_hours" in given:
        quiet_hours = given["quiet_hours"].read(_quiet_hours) or ""
    sessions, persons = None, 0
    if "sessions" in given:
        sessions, persons = _sessions(given["sessions"], own_zone, "timezone" in given, beside)
        if "count" not in given and "history" not in given["sessions"].entries():
            value.error('"count" is missing: how many people')
    if count is not None and persons > count:
        given["count"].error(f"is less than the {persons} persons of the history")
    suspended_at = given["suspended_at"].instant(own_zone) if "suspended_at" in given else NEVER
    ttl_us = workspace_ttl(given["ttl"]) if "ttl" in given else None
    if ttl_us == 0:
        given["ttl"].findings.note(
            given["ttl"].where,
            "Coder has no way to create a workspace without a TTL: it gets the template's default_ttl; "
            "write set_workspace_ttl events to remove it afterwards",
        )
    autostart = given["autostart"].scalar() if "autostart" in given else ""
    if preset is None or name is None or sessions is None or len(value.findings.errors) > before:
        return None
    assert suspended_at is not None, "an instant that cannot be read is an error"
    return People(
        name=name,
        count=count or persons,
        preset=preset,
        sessions=sessions,
        quiet_hours=quiet_hours,
        autostart=autostart or "",
        ttl_us=ttl_us,
        suspended_at=suspended_at,
        where=value.where,
    )


def _sessions(
    value: Value, zone: Zone, has_zone: bool, beside: Callable[[Value], Path | None]
) -> tuple[SessionProfile | SessionHistory | None, int]:
    """(sessions drawn by the hour or read from a history, the number of persons of the latter)."""
    given = value.mapping(keys.SESSIONS)
    connected = given["connected"].number(0, 1) if "connected" in given else 1.0
    length = distribution(given["length"]) if "length" in given else None
    if "history" not in given:
        if "length" not in given:
            value.error('"length" is missing: how long a session lasts, such as {median: 3h, p95: 8h}')
        per_hour = hours_of_week(value, given, "per_week")
        if length is None or per_hour is None or connected is None:
            return None, 0
        return SessionProfile(zone, per_hour, length, connected), 0
    for key in ("per_week", *HOURS_KEYS):
        if key in given:
            given[key].error("does not belong to a history, which says when people worked")
    source = source_of(given["history"], beside)
    if source is None or connected is None:
        return None, 0
    return read_sessions(source, zone if has_zone else None, length, connected, value.findings)


def _quiet_hours(text: str) -> str:
    if text not in ("", "none"):
        daily_time(text)
        return text
    return ""


def _days(value: Value) -> int | None:
    chosen = [item.choice(_DAYS) for item in value.items()]
    known = {_DAYS.index(day) for day in chosen if day is not None}
    return sum(1 << day for day in known) if value.is_list and None not in chosen else None
