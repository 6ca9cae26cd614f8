"""People, sessions and the template's schedule in a scenario file: what is read, and every problem at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

import simkit
from simkit.clock import DAY_US, HOUR_US, MINUTE_US, NEVER, Zone, format_instant
from simkit.inputs import load
from simkit.inputs.people import parse_ttl
from simkit.model import (
    DEFAULT_QUIET_HOURS,
    SessionHistory,
    SessionProfile,
    SetSchedule,
    SetTTL,
    TemplateSchedule,
    constant,
)

HEAD = """\
window: {from: "2026-03-02", until: "2026-03-09", timezone: America/New_York}
presets: [{name: large, instances: 2}]
"""
STAFF = """\
people:
  - name: staff
    count: 3
    sessions: {weekday: [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], length: 2h}
"""


def read(folder: Path, text: str) -> simkit.model.Scenario:  # type: ignore[name-defined]
    path = folder / "week.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load(path)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(simkit.InputError) as caught:
        read(folder, text)
    return [str(p).replace(f"{folder}/", "") for p in caught.value.problems]


def test_people_and_hours_are_enough(tmp_path: Path):
    scenario = read(tmp_path, STAFF)
    (staff,) = scenario.people
    assert (staff.name, staff.count, staff.preset, staff.where.line) == ("staff", 3, "large", 4)
    assert (staff.quiet_hours, staff.autostart, staff.ttl_us, staff.suspended_at) == (
        DEFAULT_QUIET_HOURS,
        "",
        None,
        NEVER,
    )
    assert isinstance(staff.sessions, SessionProfile)
    assert staff.sessions.zone == Zone("America/New_York")
    assert [h for h, rate in enumerate(staff.sessions.per_hour) if rate] == [
        day * 24 + hour for day in range(5) for hour in (8, 9)
    ]
    assert (staff.sessions.length, staff.sessions.connected) == (constant(2 * HOUR_US), 1.0)
    assert scenario.schedule == TemplateSchedule()


def test_everything_that_may_be_said_of_people_is_read(tmp_path: Path):
    scenario = read(
        tmp_path,
        """\
people:
  - name: staff
    count: 3
    preset: large
    timezone: Europe/Berlin
    quiet_hours: none
    autostart: "CRON_TZ=Europe/Berlin 30 8 * * 1-5"
    ttl: none
    suspended_at: "2026-03-04T12:00"
    sessions:
      per_week: 5
      length: 2h
      connected: 0.5
      sun: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
""",
    )
    (staff,) = scenario.people
    assert (staff.quiet_hours, staff.autostart, staff.ttl_us) == ("", "CRON_TZ=Europe/Berlin 30 8 * * 1-5", 0)
    assert format_instant(staff.suspended_at) == "2026-03-04T11:00:00Z"
    assert isinstance(staff.sessions, SessionProfile)
    assert (staff.sessions.zone.name, staff.sessions.connected, sum(staff.sessions.per_hour)) == (
        "Europe/Berlin",
        0.5,
        5,
    )
    assert staff.sessions.per_hour[144] == 2.5


def test_a_history_of_sessions_counts_its_persons(tmp_path: Path):
    rows = ("ada,2026-03-03T09:00:00Z,", "bob,2026-03-02T09:00:00Z,2026-03-02T10:00:00Z", "ada,2026-03-02 12:00,")
    (tmp_path / "sessions.csv").write_text("\n".join(("person,started_at,ended_at", *rows)), encoding="utf-8")
    scenario = read(
        tmp_path, "people: [{name: staff, timezone: UTC, sessions: {history: sessions.csv, length: 30m}}]\n"
    )
    (staff,) = scenario.people
    assert staff.count == 2
    assert isinstance(staff.sessions, SessionHistory)
    assert [format_instant(at) for at in staff.sessions.started_at.tolist()] == [
        "2026-03-02T09:00:00Z",
        "2026-03-02T12:00:00Z",
        "2026-03-03T09:00:00Z",
    ]
    assert staff.sessions.person.tolist() == [1, 0, 0]
    sessions = simkit.run(scenario).tables["sessions"]
    assert ((sessions["ended_at"] - sessions["started_at"]) // MINUTE_US).tolist() == [60, 30, 30]


def test_a_template_schedule_is_read_under_the_names_of_coders_api(tmp_path: Path):
    scenario = read(
        tmp_path,
        """\
template_schedule:
  default_ttl: 8h
  activity_bump: 30m
  autostop_requirement: {days_of_week: [saturday, monday], weeks: 2}
  autostart_requirement: {days_of_week: [friday]}
  failure_ttl: 1h
  time_til_dormant: 7d
  time_til_dormant_autodelete: 30d
  allow_user_autostart: false
  allow_user_autostop: false
""",
    )
    assert scenario.schedule == TemplateSchedule(
        default_ttl_us=8 * HOUR_US,
        activity_bump_us=30 * MINUTE_US,
        autostart_days=0b0010000,
        autostop_days=0b0100001,
        autostop_weeks=2,
        failure_ttl_us=HOUR_US,
        time_til_dormant_us=7 * DAY_US,
        time_til_dormant_autodelete_us=30 * DAY_US,
        allow_user_autostart=False,
        allow_user_autostop=False,
    )


def test_a_change_of_schedule_leaves_what_it_does_not_name(tmp_path: Path):
    scenario = read(
        tmp_path,
        STAFF
        + """\
template_schedule: {default_ttl: 8h}
events:
  - {at: "2026-03-05", event: set_template_schedule, template_schedule: {activity_bump: 0s}}
  - {at: "2026-03-04", event: set_template_schedule, template_schedule: {failure_ttl: 1h}}
  - {at: "2026-03-06", event: set_workspace_ttl, people: staff, ttl: none}
  - {at: "2026-03-07", event: set_workspace_ttl, people: staff, ttl: 5h}
""",
    )
    first = TemplateSchedule(8 * HOUR_US, failure_ttl_us=HOUR_US)
    second = TemplateSchedule(8 * HOUR_US, 0, failure_ttl_us=HOUR_US)
    assert [e.schedule for e in scenario.events if isinstance(e, SetSchedule)] == [first, second]
    assert [e.ttl_us for e in scenario.events if isinstance(e, SetTTL)] == [None, 5 * HOUR_US]
    assert scenario.schedule_at(scenario.events[0].at - 1) == TemplateSchedule(8 * HOUR_US)
    assert scenario.schedule_at(scenario.events[1].at) == second


def test_every_problem_with_people_is_told_at_once(tmp_path: Path):
    text = """\
people:
  - {name: a b, count: 0, sessions: {length: 2h}}
  - name: staff
    autostop: 2h
    preset: small
    timezone: Berlin
    quiet_hours: "0 0 * * 1"
    ttl: 40d
    suspended_at: soon
    sessions: {weekday: [1, 2], connected: 2}
  - {name: other}
"""
    assert problems(tmp_path, text) == [
        "week.yaml:4: people[0].count: 0 is out of range; write a number 1 or more",
        'week.yaml:4: people[0].name: name "a b" is more than letters and digits with single hyphens between; write '
        '"a-b"',
        "week.yaml:4: people[0].sessions: has no hours; write lists of 24 numbers under weekday, weekend or mon ... "
        "sun",
        'week.yaml:5: people[1]: "count" is missing: how many people',
        "week.yaml:6: people[1].autostop: unknown key; there are autostart, count, name, preset, quiet_hours, "
        "sessions, suspended_at, timezone, ttl",
        'week.yaml:7: people[1].preset: "small" is unknown; there are large',
        'week.yaml:8: people[1].timezone: "Berlin" is not a time zone; write an IANA name such as "Europe/Berlin"',
        'week.yaml:9: people[1].quiet_hours: day of month, month and day of week must be "*"',
        'week.yaml:10: people[1].ttl: "40d" is not a TTL that Coder takes; write 1m to 30d, or none',
        'week.yaml:11: people[1].suspended_at: "soon" is not an instant; write "2026-03-02T09:00:00-05:00"',
        "week.yaml:12: people[1].sessions.connected: 2 is out of range; write a number from 0 to 1",
        "week.yaml:12: people[1].sessions.weekday: has 2 numbers, expected 24, one for each hour from 00:00",
        'week.yaml:12: people[1].sessions: "length" is missing: how long a session lasts, such as {median: 3h, p95: '
        "8h}",
        'week.yaml:13: people[2]: "sessions" is missing',
    ]


def test_two_groups_of_one_name_are_refused(tmp_path: Path):
    twice = STAFF + STAFF.partition("\n")[2]
    assert problems(tmp_path, twice) == ['week.yaml:7: people[1]: there are two groups called "staff", first in line 4']


def test_every_problem_with_a_history_of_sessions_is_told_at_its_line(tmp_path: Path):
    (tmp_path / "bad.csv").write_text(
        "person,started_at,ended_at\n,2026-03-02T09:00:00Z,2026-03-02T10:00:00Z\nada,2026-03-02 09:00,\n"
        "ada,2026-03-02T09:00:00Z,2026-03-02T08:00:00Z\n",
        encoding="utf-8",
    )
    (tmp_path / "empty.csv").write_text("started\n", encoding="utf-8")
    text = """\
people:
  - {name: a, sessions: {history: bad.csv, per_week: 3}}
  - {name: b, sessions: {history: empty.csv}}
  - {name: c, sessions: {history: none.csv}}
"""
    found = [problem.replace(str(tmp_path), "") for problem in problems(tmp_path, text)]
    assert found == [
        "bad.csv:2: names no person",
        "bad.csv:3: has no ended_at; add one, or set sessions.length for such rows",
        'bad.csv:3: started_at: "2026-03-02 09:00" has no UTC offset; write whose clock it is below sessions, '
        'such as "timezone: America/New_York"',
        "bad.csv:4: ended_at is before started_at",
        'empty.csv:1: has no column "person"; its first line has started; rename one, or add it',
        'empty.csv:1: has no column "started_at"; its first line has started; rename one, or add it',
        "week.yaml:4: people[0].sessions.per_week: does not belong to a history, which says when people worked",
        "week.yaml:6: people[2].sessions.history: none.csv does not exist",
    ]


def test_fewer_people_than_the_history_has_are_refused(tmp_path: Path):
    (tmp_path / "s.csv").write_text("person,started_at\na,2026-03-02T09:00:00Z\nb,2026-03-02T09:00:00Z\n")
    text = "people: [{name: a, count: 1, sessions: {history: s.csv, length: 1h}}]\n"
    assert problems(tmp_path, text) == ["week.yaml:3: people[0].count: is less than the 2 persons of the history"]


def test_every_problem_with_a_template_schedule_is_told_at_once(tmp_path: Path):
    text = """\
template_schedule:
  default_ttl: long
  failure_ttl: 30s
  autostop_requirement: {days_of_week: [sat], weeks: 17}
  autostart_requirement: {}
  allow_user_autostart: maybe
  dormancy: 3d
"""
    assert problems(tmp_path, text) == [
        'week.yaml:4: template_schedule.default_ttl: "long" is not a duration; write "90s", "15m", "8h", "7d" or '
        '"1h30m"',
        "week.yaml:5: template_schedule.failure_ttl: is shorter than a minute, which Coder refuses; write 0s (off) "
        "or 1m",
        'week.yaml:6: template_schedule.autostop_requirement.days_of_week[0]: "sat" is unknown; there are friday, '
        "monday, saturday, sunday, thursday, tuesday, wednesday",
        "week.yaml:6: template_schedule.autostop_requirement.weeks: is more than 16, which Coder refuses",
        'week.yaml:7: template_schedule.autostart_requirement: "days_of_week" is missing',
        'week.yaml:8: template_schedule.allow_user_autostart: "maybe" is unknown; there are true, false',
        "week.yaml:9: template_schedule.dormancy: unknown key; there are activity_bump, allow_user_autostart, "
        "allow_user_autostop, autostart_requirement, autostop_requirement, default_ttl, failure_ttl, time_til_dormant, "
        "time_til_dormant_autodelete",
    ]


def test_events_of_people_name_them_and_what_changes(tmp_path: Path):
    text = (
        STAFF
        + """\
template_schedule: {allow_user_autostop: false}
events:
  - {at: "2026-03-05", event: set_workspace_ttl, people: nobody, ttl: 5h}
  - {at: "2026-03-05", event: set_workspace_ttl, people: staff}
  - {at: "2026-03-05", event: set_template_schedule, preset: large}
"""
    )
    assert problems(tmp_path, text) == [
        "week.yaml:9: Coder refuses this: the template's allow_user_autostop is false at that time",
        'week.yaml:9: there are no people "nobody"; there is staff',
        'week.yaml:10: events[1]: "ttl" is missing',
        'week.yaml:11: events[2].preset: does not belong to "set_template_schedule"',
        'week.yaml:11: events[2]: "template_schedule" is missing',
    ]


@pytest.mark.parametrize(("text", "us"), [("none", 0), ("1m", MINUTE_US), ("30d", 30 * DAY_US)])
def test_a_ttl_is_none_or_a_minute_to_thirty_days(text, us):
    assert parse_ttl(text) == us


@pytest.mark.parametrize("text", ["59s", "30d1m", "0s", "never"])
def test_other_ttls_are_refused(text):
    with pytest.raises(ValueError, match="is not a"):
        parse_ttl(text)
