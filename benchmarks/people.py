"""The benchmark's scenario with people: 2,000 of them work on weekdays for a year, in about a million sessions."""

from __future__ import annotations

from simkit.clock import DAY_US, HOUR_US, UTC_ZONE, parse_instant
from simkit.model import (
    People,
    Preset,
    Scenario,
    SessionProfile,
    TemplateSchedule,
    TemplateVersion,
    lognormal,
)

PEOPLE = 2_000
_WEEKDAY = (*[0.0] * 8, 0.4, 0.3, 0.2, 0.1, 0.1, 0.3, 0.2, 0.2, 0.1, 0.1, *[0.0] * 6)


def scenario(people: int = PEOPLE) -> Scenario:
    """A year of so many people; their workspaces start in the morning, stop at night and on Saturday."""
    sessions = SessionProfile(UTC_ZONE, (*_WEEKDAY * 5, *[0.0] * 48), lognormal(2 * HOUR_US, 6 * HOUR_US))
    group = People("staff", people, "p", sessions, autostart="30 8 * * 1-5")
    return Scenario(
        "people",
        parse_instant("2026-01-01T00:00:00Z"),
        parse_instant("2027-01-01T00:00:00Z"),
        (TemplateVersion("t", "v1", (Preset("p", 5),)),),
        provisioner_daemons=50,
        schedule=TemplateSchedule(
            default_ttl_us=4 * HOUR_US,
            autostop_days=0b0100000,
            failure_ttl_us=DAY_US,
            time_til_dormant_us=30 * DAY_US,
            time_til_dormant_autodelete_us=30 * DAY_US,
        ),
        people=(group,),
    )
