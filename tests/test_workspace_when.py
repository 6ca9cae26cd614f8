"""What `simkit when` says of one workspace: the instants are the rules', and each has its reason."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from datetime import time as time_of_day

import numpy as np
import pytest
from hypothesis import example, settings
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st
from scenarios import JUMPY_ZONES, scenario

import simkit
from simkit.clock import DAY_US, HOUR_US, NEVER, Zone, format_instant, parse_instant
from simkit.model import People, Scenario, SessionHistory, SetSchedule, TemplateSchedule
from simkit.workspace.when import Fate

NEW_YORK = Zone("America/New_York")
NOBODY = SessionHistory(*np.empty((3, 0), dtype=np.int64))
QUIET = "CRON_TZ=America/New_York 0 2 * * *"
MONDAY, SUNDAY = 1, 1 << 6
SCHEDULE = TemplateSchedule(10 * HOUR_US, autostop_days=0b0100000)


def given(schedule: TemplateSchedule = SCHEDULE, **more: object) -> Scenario:
    return replace(scenario(), zone=NEW_YORK, schedule=schedule, **more)  # type: ignore[arg-type]


def local(at: int) -> str:
    return "-" if at == NEVER else format_instant(at, NEW_YORK)


def instants(fate: Fate) -> tuple[str, str, str]:
    return local(fate.deadline), local(fate.max_deadline), local(fate.next_start_at)


def test_quiet_hours_stay_at_their_wall_clock_through_daylight_saving():
    weekly = given(TemplateSchedule(10 * DAY_US, autostop_days=0b1000000))
    before = simkit.when(weekly, "2026-02-28T15:00", quiet_hours="CRON_TZ=America/New_York 0 4 * * *")
    on_the_day = simkit.when(weekly, "2026-03-07T15:00", quiet_hours="CRON_TZ=America/New_York 0 4 * * *")
    assert local(before.max_deadline) == "2026-03-01T04:00:00-05:00"
    assert local(on_the_day.max_deadline) == "2026-03-08T04:00:00-04:00"


def test_every_sentence_gives_its_reason():
    fate = simkit.when(
        given(), "2026-10-30T15:00:00-04:00", autostart="CRON_TZ=America/New_York 30 8 * * 1-5", quiet_hours=QUIET
    )
    assert fate.text.splitlines() == [
        "The start build is done at Fri 2026-10-30T15:00:00-04:00.",
        "Its TTL of 10h ends at Sat 2026-10-31T01:00:00-04:00.",
        "Its max deadline is Sat 2026-10-31T02:00:00-04:00: the next start of the quiet hours "
        '"CRON_TZ=America/New_York 0 2 * * *" on a day and in a week that the template requires, two hours away or '
        "more.",
        "Deadline: Sat 2026-10-31T01:00:00-04:00; activity moves it to 1h after itself, at most to the max deadline.",
        "Next autostart: Mon 2026-11-02T08:30:00-05:00, if it is stopped by then.",
    ]
    assert instants(fate) == ("2026-10-31T01:00:00-04:00", "2026-10-31T02:00:00-04:00", "2026-11-02T08:30:00-05:00")


def max_deadline_says(days: int, at: str, quiet_hours: str, weeks: int = 1) -> str:
    rules = TemplateSchedule(10 * DAY_US, autostop_days=days, autostop_weeks=weeks)
    return next(s for s in simkit.when(given(rules), at, quiet_hours=quiet_hours).sentences if "max deadline is" in s)


def test_quiet_hours_that_the_clocks_skip_are_told_as_skipped():
    quiet = "CRON_TZ=America/New_York 30 2 * * *"
    assert max_deadline_says(SUNDAY, "2026-03-07T20:00:00-05:00", quiet) == (
        f'Its max deadline is Mon 2026-03-09T02:30:00-04:00: the next start of the quiet hours "{quiet}" after Sunday '
        "2026-03-08, on which a change of the clocks skips it. The template requires that day."
    )
    assert max_deadline_says(SUNDAY | MONDAY, "2026-03-07T20:00:00-05:00", quiet).endswith(
        "on a day and in a week that the template requires, two hours away or more."
    )


def test_quiet_hours_just_before_midnight_belong_to_the_day_that_begins():
    said = max_deadline_says(SUNDAY, "2026-10-24T12:00", "CRON_TZ=America/New_York 50 23 * * *")
    assert said.startswith("Its max deadline is Sat 2026-10-24T23:50:00-04:00: ")
    assert "from 15 minutes before Sunday 2026-10-25 on, which is when Coder begins to look" in said


def test_a_day_in_a_week_that_is_not_required_is_told_as_such():
    """Less than two hours before the quiet hours of a required Sunday Coder moves on by days, into the next week."""
    said = max_deadline_says(SUNDAY, "2026-11-08T01:00", "CRON_TZ=America/New_York 0 2 * * *", weeks=2)
    assert said.startswith("Its max deadline is Sun 2026-11-15T02:00:00-05:00: ")
    assert said.endswith(
        "though not in that week: Coder settles the week first, and moves on to the weekday from there."
    )


@settings(max_examples=200)
@hypothesis_given(
    zone=st.sampled_from(JUMPY_ZONES),
    hours=st.integers(-24 * 9, 24 * 4),
    change=st.integers(0, 3),
    time=st.sampled_from(["30 2", "0 0", "50 23", "59 23", "15 1", "0 3", "0 12", "45 23"]),
    days=st.one_of(st.sampled_from([1 << day for day in range(7)]), st.integers(1, 127)),
    weeks=st.sampled_from([1, 1, 2, 4]),
)
@example(zone="Australia/Lord_Howe", hours=0, change=2, time="0 3", days=64, weeks=1)
def test_the_reason_of_a_max_deadline_is_true_on_the_day(
    zone: str, hours: int, change: int, time: str, days: int, weeks: int
):
    """What the sentence says is looked up in Python's own calendar, around changes of the clocks."""
    own = Zone(zone)
    changes, _ = own.offsets(parse_instant("2025-01-01T00:00:00Z"), parse_instant("2027-01-01T00:00:00Z"))
    at = int(changes[min(change, changes.size - 1)]) + hours * HOUR_US
    rules = TemplateSchedule(10 * DAY_US, autostop_days=days, autostop_weeks=weeks)
    fate = simkit.when(replace(given(rules), zone=own), at, quiet_hours=f"CRON_TZ={zone} {time} * * *")
    if fate.is_refused:
        return
    says, found = fate.sentences[2], own.local(fate.max_deadline)

    def is_required(day: date) -> bool:
        return bool(days >> day.weekday() & 1)

    def is_in_week(day: date) -> bool:
        return (day - date(2023, 1, 2)).days // 7 % weeks == 0

    named = re.search(r"(?:day|before|after) (?:\w+day )?(\d{4}-\d\d-\d\d)", says)
    day = date.fromisoformat(named[1]) if named else found.date()
    if "on a day and in a week" in says:
        assert is_required(found.date()), says
        assert is_in_week(found.date()), says
        assert fate.max_deadline - at >= 2 * HOUR_US, says
    elif "does not require" in says:
        assert not is_required(day), says
    else:
        assert is_required(day), says
        assert is_in_week(day) is ("not in that week" not in says), says
    if "a change of the clocks skips it" in says:
        minute, hour = map(int, time.split())
        wall = datetime.combine(day, time_of_day.min) + timedelta(hours=hour, minutes=minute)
        is_skipped = own.local(own.at(wall)).replace(tzinfo=None) != wall
        change_at = next(int(c) for c in changes if own.local(int(c)).date() == day)
        jumps_by = own.local(change_at).utcoffset() - own.local(change_at - 1).utcoffset()
        assert is_skipped or jumps_by == timedelta(minutes=30), says
    if "15 minutes before" in says:
        assert 0 < own.at(datetime.combine(day, time_of_day.min)) - fate.max_deadline <= 15 * 60 * 1_000_000, says


def test_an_activity_that_crosses_the_next_autostart_counts_from_there():
    rules = TemplateSchedule(10 * HOUR_US, activity_bump_us=2 * HOUR_US)
    fate = simkit.when(given(rules), "2026-11-02T21:00", autostart="CRON_TZ=America/New_York 0 8 * * *")
    assert (
        "Deadline: Tue 2026-11-03T07:00:00-05:00; activity moves it to 2h after itself, and where that passes the "
        "autostart at Tue 2026-11-03T08:00:00-05:00, to 10h after that." in fate.sentences
    )


def test_a_deadline_that_is_the_max_deadline_does_not_move():
    quiet = "CRON_TZ=America/New_York 0 2 * * *"
    fate = simkit.when(given(), "2026-10-30T15:00", ttl="11h", quiet_hours=quiet)
    assert "Deadline: Sat 2026-10-31T02:00:00-04:00, the max deadline, which activity cannot move." in fate.sentences


def test_an_autostart_that_the_clocks_skip_in_the_week_ahead_is_told_as_that():
    rules = TemplateSchedule(autostart_days=SUNDAY)
    autostart = "CRON_TZ=America/New_York 30 2 * * *"
    skipped = simkit.when(given(rules), "2026-03-07T01:00", autostart=autostart)
    assert skipped.next_start_at == NEVER
    assert skipped.sentences[-1].startswith("Next autostart: none, for Coder looks a week ahead, and in it a change of")
    later = simkit.when(given(rules), "2026-03-08T04:00", autostart=autostart)
    assert "Next autostart: Sun 2026-03-15T02:30:00-04:00" in later.text


def test_a_ttl_that_passes_the_next_autostart_counts_from_there():
    fate = simkit.when(
        given(TemplateSchedule(10 * HOUR_US)), "2026-03-03T23:00", autostart="CRON_TZ=America/New_York 0 8 * * *"
    )
    assert local(fate.deadline) == "2026-03-04T18:00:00-05:00"
    assert "would end after the next autostart, Wed 2026-03-04T08:00:00-05:00, so it counts from there" in fate.text


def test_without_ttl_and_requirement_nothing_stops_it():
    fate = simkit.when(given(TemplateSchedule(0)), "2026-03-03T23:00")
    assert instants(fate) == ("-", "-", "-")
    assert "The workspace has no TTL: nothing but a max deadline ends it." in fate.sentences
    assert "Deadline: unset. Nothing stops it." in fate.sentences


def test_a_deadline_at_the_max_deadline_says_that_activity_cannot_move_it():
    fate = simkit.when(given(), "2026-10-30T20:00", ttl="2d", quiet_hours=QUIET)
    assert "Deadline: Sat 2026-10-31T02:00:00-04:00, the max deadline, which activity cannot move." in fate.sentences


def test_where_users_may_set_nothing_the_templates_ttl_is_in_force():
    closed = replace(SCHEDULE, allow_user_autostop=False, allow_user_autostart=False)
    fate = simkit.when(given(closed), "2026-10-27T15:00", ttl="1h", autostart="0 9 * * *")
    assert local(fate.deadline) == "2026-10-28T01:00:00-04:00"
    assert "The template's default TTL (users may not set their own) of 10h" in fate.text
    assert "Next autostart: none, for the template does not allow any." in fate.sentences


@pytest.mark.parametrize(
    ("autostart", "days", "says"),
    [
        ("", 127, "Next autostart: none, for it has no autostart."),
        (
            "0 25 * * *",
            127,
            'Next autostart: never, for Coder cannot read its autostart "0 25 * * *": '
            'hour "25": 25 is no hour; write 0 to 23.',
        ),
        ("0 9 * * 6", 0b0011111, "Next autostart: never, for the template allows none of its autostart's days."),
        (
            "0 9 * * *",
            0b0000001,
            "Next autostart: Mon 2026-11-02T04:00:00-05:00, if it is stopped by then; before, Tue "
            "2026-10-27T05:00:00-04:00 is on a day that the template does not allow.",
        ),
    ],
)
def test_the_next_autostart_or_why_there_is_none(autostart, days, says):
    assert (
        says
        in simkit.when(given(TemplateSchedule(autostart_days=days)), "2026-10-26T15:00", autostart=autostart).sentences
    )


def test_dormancy_and_deletion_come_at_the_ticks_after_both_waits():
    rules = TemplateSchedule(time_til_dormant_us=7 * DAY_US, time_til_dormant_autodelete_us=DAY_US)
    text = simkit.when(given(rules), "2026-03-02T15:00").text
    assert "If nobody uses it from now on, it goes dormant at Mon 2026-03-09T16:01:00-04:00." in text
    assert "Left dormant, it is deleted at Tue 2026-03-10T16:02:00-04:00." in text


def test_a_midnight_that_does_not_exist_is_told_as_what_it_is():
    fate = simkit.when(
        given(replace(SCHEDULE, autostop_days=0b0010000)),
        "2026-03-08T04:00:00Z",
        quiet_hours="CRON_TZ=America/Havana 0 0 * * *",
    )
    assert fate.is_refused
    assert instants(fate) == ("-", "-", "-")
    assert "This is a defect of Coder on that date." in fate.text


def test_a_group_of_people_gives_what_is_not_said():
    staff = People("staff", 3, "p", NOBODY, QUIET, "CRON_TZ=America/New_York 0 7 * * *", 2 * HOUR_US)
    one = given(people=(staff,))
    assert instants(simkit.when(one, "2026-10-27T15:00")) == (
        "2026-10-27T17:00:00-04:00",
        "2026-10-31T02:00:00-04:00",
        "2026-10-28T07:00:00-04:00",
    )
    several = replace(one, people=(staff, replace(staff, name="others", ttl_us=HOUR_US)))
    assert local(simkit.when(several, "2026-10-27T15:00", "others").deadline) == "2026-10-27T16:00:00-04:00"
    assert local(simkit.when(several, "2026-10-27T15:00", "others", ttl="5h").deadline) == "2026-10-27T20:00:00-04:00"


def test_the_schedule_is_the_one_in_force_at_that_time():
    later = SetSchedule(parse_instant("2026-10-28T00:00:00Z"), TemplateSchedule(HOUR_US))
    changing = given(events=(later,))
    assert local(simkit.when(changing, "2026-10-27T15:00").deadline) == "2026-10-28T01:00:00-04:00"
    assert local(simkit.when(changing, "2026-10-28T15:00").deadline) == "2026-10-28T16:00:00-04:00"


def test_everything_wrong_is_told_at_once():
    with pytest.raises(simkit.InputError) as caught:
        simkit.when(given(), "soon", "nobody", ttl="5s", quiet_hours="0 0 * * 1")
    assert str(caught.value).splitlines() == [
        'at: "soon" is not an instant; write "2026-03-02T09:00:00-05:00"',
        'people: there are no people "nobody"; there are none',
        'quiet_hours: day of month, month and day of week must be "*"',
        'ttl: "5s" is not a TTL that Coder takes; write 1m to 30d, or none',
    ]
