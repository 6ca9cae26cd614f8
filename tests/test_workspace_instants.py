"""The rules for one workspace without a run: its TTL, the starts to come, the deadlines of a start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenarios import scenario

from simkit import InputError
from simkit.clock import HOUR_US, NEVER, Zone, format_instant, parse_instant
from simkit.cron import CronError
from simkit.model import People, Scenario, SessionHistory, SetTTL, TemplateSchedule
from simkit.workspace import instants

NEW_YORK = Zone("America/New_York")
NOBODY = SessionHistory(*np.empty((3, 0), dtype=np.int64))
WORKING_DAYS, SATURDAY = 0b0011111, 0b0100000
AUTOSTART, QUIET = "CRON_TZ=America/New_York 30 8 * * *", "CRON_TZ=America/New_York 0 2 * * *"
SCHEDULE = TemplateSchedule(10 * HOUR_US, autostart_days=WORKING_DAYS, autostop_days=SATURDAY)


def at(text: str) -> int:
    return parse_instant(text, NEW_YORK)


def local(when: int) -> str:
    return "never" if when == NEVER else format_instant(when, NEW_YORK)[:16]


def given(**more: object) -> Scenario:
    me = People("me", 1, "p", NOBODY, autostart=AUTOSTART, quiet_hours=QUIET)
    return replace(scenario(), zone=NEW_YORK, schedule=SCHEDULE, people=(me,), **more)  # type: ignore[arg-type]


def test_a_ttl_is_the_workspaces_own_or_the_templates_as_events_left_it():
    changed = given(events=(SetTTL(at("2026-10-30T12:00"), "me", None),))
    me = changed.people[0]
    assert instants.ttl_at(changed, me, at("2026-10-30T11:59")) == 10 * HOUR_US
    assert instants.ttl_at(changed, me, at("2026-10-30T12:00")) is None
    assert instants.ttl_at(changed, replace(me, ttl_us=HOUR_US), at("2026-10-29T08:00")) == HOUR_US


def test_the_next_start_may_be_on_a_day_that_the_template_does_not_allow():
    friday = at("2026-10-30T12:00")
    start_at, allowed, allowed_at = instants.next_starts(AUTOSTART, SCHEDULE, friday)
    assert (local(start_at), allowed, local(allowed_at)) == ("2026-10-31T08:30", False, "2026-11-02T08:30")
    with pytest.raises(CronError):
        instants.next_starts("0 25 * * *", SCHEDULE, friday)


def test_a_start_has_the_deadline_of_its_ttl_the_next_start_and_the_quiet_hours():
    def found(when: str, autostart: str = AUTOSTART, quiet: str = QUIET) -> tuple[str, str]:
        deadlines = instants.start_deadlines(SCHEDULE, at(when), 10 * HOUR_US, autostart, quiet)
        return local(deadlines.deadline), local(deadlines.max_deadline)

    assert found("2026-10-27T12:00") == ("2026-10-27T22:00", "2026-10-31T02:00")
    assert found("2026-10-27T23:00") == ("2026-10-28T18:30", "2026-10-31T02:00"), "it counts from the next start"
    assert found("2026-10-27T23:00", autostart="0 25 * * *")[0] == "2026-10-28T09:00", "Coder cannot read that one"
    assert found("2026-10-30T20:00") == ("2026-10-31T02:00", "2026-10-31T02:00")
    assert found("2026-10-30T20:00", quiet="") == ("2026-10-31T06:00", "never")
    assert instants.start_deadlines_of(given(), given().people[0], at("2026-10-30T20:00")).deadline == at(
        "2026-10-31T02:00"
    )


def test_people_are_found_by_name_and_the_first_are_those_without_one():
    both = given()
    you = replace(both.people[0], name="you")
    both = replace(both, people=(*both.people, you))
    assert instants.people_named(both, "you") is you
    assert instants.people_named(both) is both.people[0]
    assert instants.people_named(scenario()) is None
    with pytest.raises(InputError, match='there are no people "yu"; write "you"'):
        instants.people_named(both, "yu")


def test_a_report_moves_a_deadline_once_5_percent_of_its_extension_are_over_and_to_no_later_than_the_max():
    schedule = TemplateSchedule(activity_bump_us=HOUR_US)
    begin = at("2026-03-02T10:00")
    minute = HOUR_US // 60
    first = [next(each) for each in [instants.reports(schedule, "", 8 * HOUR_US, begin + HOUR_US, NEVER, begin)] * 5]
    assert [(each.at - begin) // minute for each in first] == [0, 1, 2, 3, 4]
    assert [(each.after - each.before) // minute for each in first] == [0, 0, 0, 0, 4]
    capped = instants.reports(schedule, "", 8 * HOUR_US, begin + HOUR_US, begin + HOUR_US + minute, begin + 30 * minute)
    assert next(capped).after == begin + HOUR_US + minute


def test_a_report_that_crosses_an_autostart_extends_by_the_whole_ttl_from_it():
    schedule = TemplateSchedule(activity_bump_us=HOUR_US)
    begin = at("2026-03-02T08:00")
    report = next(instants.reports(schedule, AUTOSTART, 10 * HOUR_US, begin + HOUR_US, NEVER, begin))
    assert local(report.next_start_at) == "2026-03-02T08:30"
    assert local(report.after) == "2026-03-02T18:30"
    elsewhere = instants.reports(replace(schedule, autostart_days=SATURDAY), AUTOSTART, NEVER, begin, NEVER, begin)
    assert next(elsewhere).next_start_at == NEVER, "the template does not allow that weekday"
