"""What is likely a mistake or worth knowing is told where it stands, with what to write instead."""

from dataclasses import replace

import numpy as np
import pytest

from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, parse_instant
from simkit.coder_versions import DEFAULT_BEHAVIOUR, behaviour_of
from simkit.core.policy import Pool, reconcile
from simkit.errors import Where
from simkit.model import (
    Activate,
    People,
    Preset,
    Scenario,
    Schedule,
    SessionHistory,
    TemplateSchedule,
    TemplateVersion,
    Workload,
    constant,
)
from simkit.templates.explainer import YEAR_US
from simkit.templates.linter import NAMES, lint, lint_preset

START_AT = parse_instant("2026-01-01T00:00:00Z")
WORKLOAD = Workload(build=constant(210 * SECOND_US), agent=constant(30 * SECOND_US))


def preset(instances, *schedules, **fields):
    """A preset at main.tf:5 with (cron, instances) schedules at main.tf:10, 20, ..."""
    placed = tuple(Schedule(cron, n, Where("main.tf", 10 * i)) for i, (cron, n) in enumerate(schedules, 1))
    given = {"timezone": "America/New_York", "schedules": placed, "where": Where("main.tf", 5), **fields}
    return Preset("large", instances, **given)


def said(of, workload=WORKLOAD, behaviour=DEFAULT_BEHAVIOUR):
    return [str(finding) for finding in lint_preset(of, workload, START_AT, START_AT + YEAR_US, behaviour)]


def only(of, word, workload=WORKLOAD):
    """The one finding that contains the word."""
    (found,) = [text for text in said(of, workload) if word in text]
    return found


NAMED = {
    "undetected_overlap": preset(1, ("* 9 1 * 1", 1), ("* 9 2 * 2", 2)),
    "fallback_to_base": preset(1, ("* 8-18 * * 1-5", 1), timezone=""),
    "list_for_range": preset(1, ("* 8-18 * * 1,5", 1)),
    "never_holds": preset(1, ("* 8-18 30 2 *", 1)),
    "negative_instances": preset(1, ("* 8-18 * * 1-5", -2)),
    "short_ttl": preset(1, ttl_us=MINUTE_US),
    "either_day": preset(1, ("* 9 1-7 * 1", 1)),
    "uncovered_hours": preset(1, ("* 8-18 * * 1-5", 1)),
    "no_backoff": preset(0, ("* * * * *", 1)),
    "cold_begin": preset(1, ("* 8-18 * * 1-5", 9)),
}


def test_each_name_stands_for_something_and_all_that_is_said_of_a_preset_has_one():
    assert NAMED.keys() == NAMES.keys()
    for name, of in NAMED.items():
        names = {finding.name for finding in lint_preset(of, WORKLOAD, START_AT, START_AT + YEAR_US, DEFAULT_BEHAVIOUR)}
        assert name in names
        assert names <= NAMES.keys()


def test_a_schedule_without_anything_to_say_about_says_nothing():
    assert said(preset(2, ("* * * * *", 3), ttl_us=8 * HOUR_US)) == []
    assert said(preset(2, timezone="")) == []


def test_an_overlap_that_coder_misses_is_told_with_a_time_and_the_winner():
    assert only(preset(1, ("* 9 1 * 1", 1), ("* 9 2 * 2", 2)), "overlaps") == (
        'main.tf:20: warning: "* 9 2 * 2" overlaps "* 9 1 * 1" at main.tf:10, which Coder does not notice: both hold '
        "on Mon 2026-02-02T09:00:00-05:00, and the one written first wins (1, not 2 instances); where day of month "
        "and day of week are given either is enough: write one"
    )


def test_schedules_that_coder_ignores_are_told_with_the_reason():
    overlap = preset(4, ("* 8-18 * * 1-5", 3), ("* 18-19 * * 5-6", 1))
    assert said(overlap) == [
        "main.tf:5: warning: Coder ignores all schedules and keeps the base of 4 in their hours; correct what it "
        'stumbles over: "* 8-18 * * 1-5" and "* 18-19 * * 5-6" overlap'
    ]
    assert "the timezone is not set" in only(preset(4, ("* 8 * * 1", 3), timezone=""), "ignores all")
    assert 'day of week "MON-FRI"' in only(preset(4, ("* 8 * * MON-FRI", 3), ("* 9 * * 6", 1)), "ignores all")
    assert "hour" in only(preset(4, ("* 25 * * *", 3)), "ignores all")


@pytest.mark.parametrize(
    ("cron", "write"),
    [
        ("* * * * 1,5", '"1-5" for Monday to Friday, or "5,1" if'),
        ("* * * * MON,fri", '"1-5" for Monday to Friday, or "5,1" if'),
        ("* * * * 0,4", '"0-4" for Sunday to Thursday, or "4,0" if'),
        ("* 8,18 * * *", '"8-18" for 08:00 to 18:59, or "18,8" if'),
        ("* 0,12 * * *", '"0-12" for 00:00 to 12:59, or "12,0" if'),
    ],
)
def test_two_values_far_apart_are_likely_the_ends_of_a_range(cron, write):
    assert f"only; write {write} you mean the two" in only(preset(3, (cron, 3)), "warning")


@pytest.mark.parametrize(
    "cron",
    ["* * * * 0,6", "* * * * 6,0", "* * * * 2,4", "* * * * 5,1", "* * * * 1,3,5", "* * * * 1-5", "* 9,13 * * 1-2,5"],
)
def test_weekends_neighbours_and_longer_lists_are_taken_as_meant(cron):
    assert not [text for text in said(preset(3, (cron, 3))) if "warning" in text]


def test_a_ttl_shorter_than_a_start_is_told_with_both_durations():
    slow = replace(WORKLOAD, build=constant(70 * MINUTE_US))
    assert said(preset(2, ttl_us=HOUR_US), slow) == [
        "main.tf:5: warning: ttl is 1h, but a prebuild takes build 1h10m + agent 30s: each expires before or soon "
        "after it is ready; write a longer ttl, or 0 so that none expires"
    ]
    assert said(preset(2, ttl_us=2 * HOUR_US), slow) == said(preset(2, ttl_us=0), slow) == []
    assert said(preset(2, ttl_us=HOUR_US), None) == []


@pytest.mark.parametrize("running", [0, 1, 5])
def test_a_negative_count_acts_as_zero(running):
    assert only(preset(2, ("* * * * *", -1)), "acts") == (
        "main.tf:10: warning: instances = -1 acts as 0, no prebuild is kept; write 0"
    )
    below, none = (reconcile(Pool(desired, actual=running, expired=0, starting=1, active=True)) for desired in (-1, 0))
    assert below == none == (0, running, 0)


def test_a_schedule_that_never_holds_is_told():
    assert only(preset(2, ("* * 30 2 *", 2)), "warning") == (
        'main.tf:10: warning: "* * 30 2 *" (day 30 of February, all day) does not hold once from 2025-12-31 to '
        "2027-01-01; write days that come in that time"
    )


def test_two_day_fields_of_which_either_is_enough_are_noted():
    assert only(preset(1, ("* 9 1-7 * 1", 2)), "either") == (
        'main.tf:10: note: "* 9 1-7 * 1" holds on days 1 to 7 of the month or Monday (either is enough), 09:00 to '
        '09:59; for fewer days, write "*" as day of month or as day of week'
    )
    # To robfig a star with a step is no star, and one without is.
    assert "either is enough" in only(preset(1, ("* 9 */2 * 1-5", 2)), "for fewer days")
    assert not any("either" in text for text in said(preset(1, ("* 9 1-7 * *", 2), ("* 9 * * 1", 2))))


def test_uncovered_hours_are_noted_with_the_base():
    assert said(preset(4, ("* 8-18 * * 1-5", 3))) == [
        "main.tf:5: note: the 113 hours a week that no schedule covers use the base of 4, more than in any schedule; "
        "write another schedule if that is too many"
    ]
    assert "have no prebuilds, as the base is 0; write another" in only(preset(0, ("* 8-18 * * 1-5", 3)), "113 hours")
    assert said(preset(2, ("* 0-11 * * *", 3), ("* 12-23 * * *", 3))) == []


def test_backoff_never_triggers_with_a_base_of_0():
    assert only(preset(0, ("* * * * *", 3)), "backoff").startswith("main.tf:5: note: with a base of 0 backoff never")
    assert said(preset(0, ("* * * * *", 0))) == []


def test_a_pool_that_starts_to_build_when_the_day_starts_is_noted():
    assert only(preset(0, ("* 8-18 * * 1-5", 5)), "08:04") == (
        'main.tf:10: note: "* 8-18 * * 1-5" goes from 0 to 5 prebuilds at 08:00, and none can be ready before about '
        '08:04 (build 3m30s + agent 30s); write "* 7-18 * * 1-5" to have them at 08:00, if claims come that early'
    )
    assert "only 1 can be ready in its first minutes" in only(preset(1, ("* 8-18 * * 1-5", 5)), "goes from", None)
    assert not [text for text in said(preset(2, ("* 8-18 * * 1-5", 5))) if "goes from" in text]


@pytest.mark.parametrize(
    ("base", "schedules", "advice"),
    [
        (0, [("* 0-5 * * *", 5)], 'write "* 0-5,23 * * *" to have them at 00:00'),
        (0, [("* * * * 1-5", 5)], 'write another schedule "* 23 * * 0" with 5 instances to have them at 00:00'),
        (0, [("* 8-11,14-17 * * MON-FRI", 5)], 'write "* 7-11,13-17 * * MON-FRI" to have them at 08:00'),
        (0, [("* */2 * * *", 5)], "begin an hour earlier to have them at 00:00"),
        (0, [("* 8-18 1 * *", 5)], 'write "* 7-18 1 * *"'),
        (0, [("* * 1 * *", 5)], "begin an hour earlier to have them at 00:00"),
        (0, [("* 0-7 * * *", 0), ("* 8-18 * * *", 5)], 'begin an hour earlier, and end "* 0-7 * * *" before that'),
        (3, [("* 2 * * *", 0)], 'leave out "* 2 * * *" to have them at 03:00'),
        (3, [("* 22-23,0-5 * * *", 0)], 'end "* 22-23,0-5 * * *" an hour earlier to have them at 06:00'),
    ],
)
def test_the_advice_is_a_cron_that_coder_accepts_or_says_what_to_do(base, schedules, advice):
    assert f"; {advice}" in only(preset(base, *schedules), "goes from")


@pytest.mark.parametrize(
    ("cron", "said_of_it"),
    [
        ("* 22-23,0-6 * * 1-5", 'write "* 0-6,21-23 * * 1-5" to have them at 22:00'),
        ("* 20-23,0-3 * * MON-THU", 'write "* 0-3,19-23 * * MON-THU" to have them at 20:00'),
        ("* 23,0-7 * * 0,2,3,4", 'write "* 0-7,22-23 * * 0,2,3,4" to have them at 23:00'),
    ],
)
def test_a_night_begins_at_the_hour_of_most_nights(cron, said_of_it):
    assert only(preset(0, (cron, 5)), "goes from").endswith(f"; {said_of_it}, if claims come that early")


def test_a_scenario_is_looked_at_for_a_year_and_each_finding_is_told_once():
    # On 1 June 2026, a Monday; where one day of week is "*", Coder compares the days of the month only.
    rare = preset(2, ("* 9 1 6 *", 3), ("* 9 2 6 1", 2))
    never = replace(preset(2, ("* * 30 2 *", 2)), where=Where("main.tf", 1))
    versions = tuple(TemplateVersion("dev", name, (rare, never)) for name in ("v1", "v2"))
    scenario = Scenario(
        "week", START_AT, START_AT + 24 * HOUR_US, versions[:1], events=(Activate(START_AT, versions[1]),)
    )
    found = lint(scenario)
    assert len(found) == len(set(found))
    assert [f.where.line for f in found] == sorted(f.where.line for f in found)
    assert len(found) == 5
    assert "Mon 2026-06-01T09:00:00-04:00" in next(f.text for f in found if "overlaps" in f.text)


def people_said(schedule=None, **fields):
    """What is said of people at week.yaml:9 in a scenario with this template schedule."""
    sessions = SessionHistory(*np.empty((3, 0), dtype=np.int64))
    staff = People("staff", 2, "large", sessions, where=Where("week.yaml", 9), **fields)
    version = TemplateVersion("t", "v1", (Preset("large", 0),))
    where = Where("week.yaml", 1)
    given = Scenario(
        "week",
        START_AT,
        START_AT + HOUR_US,
        (version,),
        schedule=schedule or TemplateSchedule(),
        people=(staff,),
        where=where,
    )
    return [str(finding) for finding in lint(given) if finding.where.path == "week.yaml"]


def test_an_autostart_that_never_starts_anything_is_told_with_the_reason():
    never = "week.yaml:9: warning: the workspaces of staff never start by themselves, though their autostart is"
    assert people_said(autostart="0 25 * * *") == [
        f'{never} "0 25 * * *": Coder cannot read it (hour "25": 25 is no hour; write 0 to 23)'
    ]
    weekend = TemplateSchedule(autostart_days=0b0011111)
    assert people_said(weekend, autostart="0 9 * * 6") == [
        f'{never} "0 9 * * 6": it is on none of the days that the template allows'
    ]
    closed = TemplateSchedule(allow_user_autostart=False)
    assert people_said(closed, autostart="0 9 * * *") == [
        f'{never} "0 9 * * *": the template\'s allow_user_autostart is false'
    ]
    assert people_said(autostart="0 9 * * *") == []


def test_a_ttl_that_does_not_act_is_told():
    closed = TemplateSchedule(allow_user_autostop=False)
    assert people_said(closed, ttl_us=HOUR_US) == [
        "week.yaml:9: warning: the TTL of staff does not act: the template's allow_user_autostop is false, and its "
        "default "
        "TTL is in force"
    ]


def test_template_rules_that_lead_to_nothing_are_told():
    schedule = TemplateSchedule(time_til_dormant_autodelete_us=HOUR_US, autostop_weeks=2)
    assert [text.partition("; ")[0] for text in people_said(schedule)] == [
        "week.yaml:1: warning: template_schedule.time_til_dormant_autodelete deletes nothing: nothing goes dormant",
        "week.yaml:1: warning: template_schedule.autostop_requirement.weeks stops nothing without days_of_week",
    ]


def test_a_cold_beginning_is_when_the_version_of_coder_has_it():
    given = preset(0, ("* 9-17 * * *", 5))
    assert any("goes from 0 to 5 prebuilds at 09:00" in text for text in said(given))
    assert any(
        "goes from 0 to 5 prebuilds at 08:59" in text for text in said(given, behaviour=behaviour_of("early-ranges"))
    )
