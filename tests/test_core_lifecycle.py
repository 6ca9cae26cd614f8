"""The rules of a person's workspace, each at its bounds: what is due in one instant is not in the one before."""

from __future__ import annotations

from typing import Any

import pytest
from uncompiled import lifecycle

from simkit.clock import DAY_US, HOUR_US, NEVER, SECOND_US, parse_instant
from simkit.core.numbers import DELETE, FAILED, START, STOP, SUCCEEDED
from simkit.cron import daily, weekly
from simkit.workspace import instants

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, SUNDAY = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 6
EVERY_DAY = 0b1111111
NEW_YORK = "CRON_TZ=America/New_York "


def template(**more: Any) -> Any:
    given = dict.fromkeys(lifecycle.Template._fields, 0)
    given |= {"autostart_days": EVERY_DAY, "autostop_weeks": 1, "allow_user_autostart": True}
    return lifecycle.Template(**{**given, "allow_user_autostop": True, **more})


def facts(**more: Any) -> Any:
    """A workspace that was started at 0 and is running, of which nothing is due."""
    given = dict.fromkeys(lifecycle.Facts._fields, NEVER)
    given |= {"user_status": lifecycle.ACTIVE, "transition": START, "job_status": SUCCEEDED, "has_autostart": False}
    return lifecycle.Facts(**{**given, "created_at": 0, "finished_at": 0, "last_used_at": 0, **more})


# Autostart


def test_the_next_autostart_is_a_whole_minute_on_a_weekday_that_may_be_allowed():
    after = parse_instant("2026-03-02T08:00:30.5Z")
    daily_at_nine = instants.zoned(weekly("0 9 * * *"), after)
    nine = parse_instant("2026-03-02T09:00:00Z")
    assert lifecycle.next_autostart(daily_at_nine, after, MONDAY) == (nine, True)
    assert lifecycle.next_autostart(daily_at_nine, after, EVERY_DAY ^ MONDAY) == (nine, False)
    assert lifecycle.next_autostart(daily_at_nine, nine, TUESDAY) == (nine + DAY_US, True)


def test_a_weekday_is_that_of_the_autostarts_own_zone():
    after = parse_instant("2026-03-02T00:00:00Z")  # Sunday evening in New York
    late = instants.zoned(weekly(NEW_YORK + "0 22 * * *"), after)
    assert lifecycle.next_autostart(late, after, SUNDAY) == (parse_instant("2026-03-02T03:00:00Z"), True)


def test_an_allowed_autostart_is_looked_for_in_about_a_week():
    after = parse_instant("2026-03-02T09:00:00Z")  # a Monday
    at_nine = instants.zoned(weekly("0 9 * * *"), after)
    assert lifecycle.next_allowed_autostart(at_nine, after, EVERY_DAY) == after + DAY_US
    assert lifecycle.next_allowed_autostart(at_nine, after, THURSDAY) == after + 3 * DAY_US
    assert lifecycle.next_allowed_autostart(at_nine, after, MONDAY) == after + 7 * DAY_US
    assert lifecycle.next_allowed_autostart(at_nine, after, 0) == NEVER
    # Sunday's half past two is skipped: Saturday's is seven days from 01:30, an hour less from 02:30.
    skipped = NEW_YORK + "30 2 * * *"
    for minute, found in (("01:30", NEVER), ("01:31", parse_instant("2026-03-15T02:30:00-04:00"))):
        after = parse_instant(f"2026-03-07T{minute}:00-05:00")
        assert lifecycle.next_allowed_autostart(instants.zoned(weekly(skipped), after), after, SUNDAY) == found


# Deadlines


def test_where_users_may_set_no_ttl_the_templates_is_in_force():
    assert lifecycle.ttl_in_force(5, template(default_ttl_us=7)) == 5
    assert lifecycle.ttl_in_force(5, template(default_ttl_us=7, allow_user_autostop=False)) == 7


@pytest.mark.parametrize(
    ("ttl_us", "next_start_at", "max_at", "deadline"),
    [
        (60, NEVER, NEVER, 160),
        (1, NEVER, NEVER, 101),
        (0, NEVER, NEVER, NEVER),
        (NEVER, NEVER, NEVER, NEVER),
        (NEVER, 120, 500, 500),
        (60, 161, NEVER, 160),
        (60, 160, NEVER, 160),  # it ends with the next start, and does not cross it
        (60, 159, NEVER, 219),
        (60, 159, 218, 218),
        (0, 159, 218, 218),
    ],
)
def test_a_deadline_is_a_ttl_away_or_from_the_next_start_on_that_it_crosses(ttl_us, next_start_at, max_at, deadline):
    assert lifecycle.deadlines(ttl_us, next_start_at, max_at, 100) == (deadline, max_at)


@pytest.mark.parametrize(
    ("bump_us", "ttl_us", "next_start_at", "interval_us"),
    [
        (60, 30, NEVER, 60),
        (60, 30, 100, 60),  # that start is not to come
        (60, 30, 101, 31),
        (60, 30, 159, 89),
        (60, 30, 160, 60),
        (60, NEVER, 159, 0),
        (60, 0, 159, 59),
    ],
)
def test_activity_extends_by_the_bump_or_by_the_ttl_of_the_start_that_it_crosses(
    bump_us, ttl_us, next_start_at, interval_us
):
    assert lifecycle.bump_interval(100, bump_us, ttl_us, next_start_at) == interval_us


@pytest.mark.parametrize(
    ("deadline", "max_at", "bump_us", "interval_us", "after"),
    [
        (195, NEVER, 100, 100, 195),  # 95 % are left
        (194, NEVER, 100, 100, 200),
        (194, 197, 100, 100, 197),
        (NEVER, NEVER, 100, 100, NEVER),
        (90, NEVER, 0, 100, 90),
        (90, NEVER, 1, 1, 101),
        (90, NEVER, 100, 0, 90),
        (101, NEVER, 40, 2, 102),
    ],
)
def test_activity_moves_a_deadline_of_which_less_than_95_percent_are_left(
    deadline, max_at, bump_us, interval_us, after
):
    assert lifecycle.bumped_deadline(100, deadline, max_at, bump_us, interval_us) == after


@pytest.mark.parametrize(
    ("days", "weeks", "completed", "quiet", "found"),
    [
        (0, 1, "2026-03-02T12:00", "0 2 * * *", None),
        (1, 1, "2026-03-02T00:00", "0 2 * * *", "2026-03-02T02:00"),  # just two hours
        (1, 1, "2026-03-02T00:01", "0 2 * * *", "2026-03-09T02:00"),
        (EVERY_DAY, 1, "2026-03-02T00:01", "0 2 * * *", "2026-03-03T02:00"),
        (EVERY_DAY, 1, "2026-03-02T22:00", "0 0 * * *", "2026-03-03T00:00"),
        (EVERY_DAY, 1, "2026-03-02T21:59", "0 0 * * *", "2026-03-03T00:00"),
        (EVERY_DAY, 1, "2026-03-02T22:01", "0 0 * * *", "2026-03-04T00:00"),
        (TUESDAY, 1, "2026-03-02T12:00", "0 2 * * *", "2026-03-03T02:00"),
        (SUNDAY, 1, "2026-03-02T12:00", "0 2 * * *", "2026-03-08T02:00"),
        (MONDAY, 1, "2026-02-24T12:00", "0 2 * * *", "2026-03-02T02:00"),
        (MONDAY, 3, "2026-03-01T23:00", "0 2 * * *", "2026-03-02T02:00"),  # 165 weeks after Coder's first
        (TUESDAY, 3, "2026-03-02T12:00", "0 2 * * *", "2026-03-03T02:00"),
        (MONDAY, 2, "2026-03-02T12:00", "0 2 * * *", "2026-03-09T02:00"),
        (WEDNESDAY, 2, "2026-03-02T12:00", "0 2 * * *", "2026-03-11T02:00"),
        (MONDAY, 4, "2026-03-04T12:00", "0 2 * * *", "2026-03-23T02:00"),
        (EVERY_DAY, 1, "2026-03-02T12:00", "50 23 * * *", "2026-03-02T23:50"),
        (EVERY_DAY, 1, "2026-03-01T23:00", "50 23 * * *", "2026-03-02T23:50"),
        (EVERY_DAY, 1, "2026-03-01T23:00", "45 23 * * *", "2026-03-02T23:45"),
    ],
)
def test_the_max_deadline_is_the_first_quiet_hour_of_a_required_day_two_hours_away(
    days, weeks, completed, quiet, found
):
    begin = parse_instant(f"{completed}:00Z")
    given = template(autostop_days=days, autostop_weeks=weeks)
    at_last, is_refused = lifecycle.max_deadline(instants.zoned(daily(quiet), begin), begin, given)
    assert not is_refused
    assert at_last == (NEVER if found is None else parse_instant(f"{found}:00Z"))


def test_a_ttl_that_is_removed_leaves_the_max_deadline_or_nothing():
    assert lifecycle.deadline_without_ttl(9, True) == 9
    assert lifecycle.deadline_without_ttl(9, False) == NEVER


# What is due


def rule(now_at: int, retries: bool = False, given: Any = None, **of: Any) -> Any:
    return lifecycle.transition(facts(**of), given or template(), now_at, retries)


def test_a_running_workspace_stops_at_its_deadline_or_when_its_owner_is_suspended():
    assert rule(10, deadline=10) == lifecycle.AUTOSTOP
    assert rule(9, deadline=10) == lifecycle.NOTHING
    assert rule(0, user_status=lifecycle.SUSPENDED) == lifecycle.SUSPENDED_STOP
    assert rule(10, user_status=lifecycle.SUSPENDED, deadline=10) == lifecycle.SUSPENDED_STOP
    assert rule(10, user_status=lifecycle.DORMANT_USER, deadline=10) == lifecycle.AUTOSTOP
    for not_running in ({"job_status": FAILED}, {"dormant_at": 5}, {"transition": STOP}, {"transition": DELETE}):
        assert rule(10, deadline=10, **not_running) == lifecycle.NOTHING
        assert rule(10, user_status=lifecycle.SUSPENDED, **not_running) == lifecycle.NOTHING


STOPPED = {"transition": STOP, "has_autostart": True, "allowed_start_at": 10, "next_start_at": 10}


def test_a_stopped_workspace_starts_when_its_autostart_comes():
    assert rule(10, **STOPPED) == lifecycle.AUTOSTART
    assert rule(9, **STOPPED) == lifecycle.NOTHING
    assert rule(10, **STOPPED, given=template(allow_user_autostart=False)) == lifecycle.NOTHING
    for other in (
        {"user_status": lifecycle.DORMANT_USER},
        {"user_status": lifecycle.SUSPENDED},
        {"job_status": FAILED},
        {"dormant_at": 5},
        {"transition": START},
        {"has_autostart": False},
    ):
        assert rule(10, **{**STOPPED, **other}) == lifecycle.NOTHING
        assert not lifecycle.may_autostart(facts(**{**STOPPED, **other}), 10)
    assert lifecycle.may_autostart(facts(**STOPPED), 10)
    assert not lifecycle.may_autostart(facts(**STOPPED), 9)
    assert lifecycle.may_autostart(facts(**{**STOPPED, "next_start_at": NEVER}), 0), "until it is known"


def test_a_failed_start_is_stopped_once_the_wait_is_over_and_a_failed_stop_where_the_version_does_so():
    waits = template(failure_ttl_us=1)
    failed = {"job_status": FAILED, "finished_at": 10}
    assert rule(12, given=waits, **failed) == lifecycle.FAILED_STOP
    assert rule(11, given=waits, **failed) == lifecycle.NOTHING
    assert rule(12, **failed) == lifecycle.NOTHING, "no wait is no rule"
    assert rule(12, given=waits, **{**failed, "finished_at": NEVER}) == lifecycle.NOTHING
    assert rule(12, given=waits, finished_at=10) == lifecycle.NOTHING
    for transition, retries, found in ((STOP, False, False), (STOP, True, True), (DELETE, True, False)):
        of = {**failed, "transition": transition}
        assert rule(12, retries, waits, **of) == (lifecycle.FAILED_STOP if found else lifecycle.NOTHING)


def test_who_is_unused_for_longer_than_the_wait_goes_dormant():
    waits = template(time_til_dormant_us=1)
    assert rule(12, given=waits, last_used_at=10) == lifecycle.DORMANCY
    assert rule(11, given=waits, last_used_at=10) == lifecycle.NOTHING
    assert rule(12, last_used_at=10) == lifecycle.NOTHING
    assert rule(12, given=waits, last_used_at=10, dormant_at=11) == lifecycle.NOTHING
    assert rule(12, given=waits, deadline=12, last_used_at=10) == lifecycle.AUTOSTOP, "it stops first"


def test_a_dormant_workspace_is_deleted_after_its_time_and_a_failed_delete_a_day_later():
    deletes = template(time_til_dormant_autodelete_us=1)
    dormant = {"dormant_at": 5, "deleting_at": 10, "transition": STOP}
    assert rule(11, given=deletes, **dormant) == lifecycle.AUTODELETE
    assert rule(10, given=deletes, **dormant) == lifecycle.NOTHING
    assert rule(11, **dormant) == lifecycle.NOTHING
    assert rule(11, given=deletes, **{**dormant, "deleting_at": NEVER}) == lifecycle.NOTHING
    assert rule(11, given=deletes, **{**dormant, "dormant_at": NEVER}) == lifecycle.NOTHING
    assert rule(11, given=deletes, **{**dormant, "job_status": FAILED}) == lifecycle.AUTODELETE
    tried = {**dormant, "transition": DELETE}
    assert rule(11, given=deletes, **tried) == lifecycle.AUTODELETE
    failed = {**tried, "job_status": FAILED, "finished_at": 20}
    assert rule(20 + DAY_US, given=deletes, **failed) == lifecycle.NOTHING
    assert rule(21 + DAY_US, given=deletes, **failed) == lifecycle.AUTODELETE
    assert rule(21 + DAY_US, given=deletes, **{**failed, "finished_at": NEVER}) == lifecycle.NOTHING
    assert lifecycle.deletes_at(5, deletes) == 6
    assert lifecycle.deletes_at(5, template()) == lifecycle.deletes_at(NEVER, deletes) == NEVER


@pytest.mark.parametrize(
    ("of", "given", "now_at"),
    [
        ({"deadline": 9}, {}, 10),
        ({"user_status": lifecycle.SUSPENDED}, {}, 10),
        (STOPPED, {}, 10),
        ({"last_used_at": 8}, {"time_til_dormant_us": 1}, 10),
        ({"dormant_at": 5, "deleting_at": 9}, {"time_til_dormant_autodelete_us": 1}, 10),
        ({"job_status": FAILED, "finished_at": 8}, {"failure_ttl_us": 1}, 10),
    ],
)
def test_the_executor_looks_at_whom_a_rule_may_apply_to(of: dict[str, int], given: dict[str, int], now_at: int):
    def is_eligible(is_prebuild: bool = False, is_deleted: bool = False) -> bool:
        return bool(lifecycle.is_eligible(facts(**of), template(**given), now_at, is_prebuild, is_deleted, False))

    assert is_eligible()
    assert not is_eligible(is_prebuild=True)
    assert not is_eligible(is_deleted=True)


@pytest.mark.parametrize(
    "of", [{}, {"deadline": 10}, *({"deadline": 9, **no} for no in ({"job_status": FAILED}, {"transition": STOP}))]
)
def test_the_executor_looks_at_nobody_else(of: dict[str, int]):
    assert not lifecycle.is_eligible(facts(**of), template(), 10, False, False, True)
    assert not lifecycle.is_eligible(facts(**of, dormant_at=5), template(), 10, False, False, True)


def test_only_what_is_not_started_goes_dormant_without_a_build():
    assert not lifecycle.needs_build(lifecycle.NOTHING, START)
    assert lifecycle.needs_build(lifecycle.DORMANCY, START)
    assert not lifecycle.needs_build(lifecycle.DORMANCY, STOP)
    assert lifecycle.needs_build(lifecycle.AUTODELETE, STOP)
    assert lifecycle.needs_build(lifecycle.AUTOSTOP, START)


# A template's schedule changes


def test_a_schedule_differs_if_any_field_of_it_does():
    before = template(autostop_days=MONDAY)
    assert not lifecycle.changes_schedule(before, before)
    for name, value in before._asdict().items():
        after = before._replace(**{name: not value if isinstance(value, bool) else value + 1})
        assert lifecycle.changes_schedule(before, after), name


@pytest.mark.parametrize(
    ("before", "after", "ttl_us"),
    [
        ({}, {"default_ttl_us": 9}, 5),
        ({}, {"default_ttl_us": 9, "allow_user_autostop": False}, 9),
        ({}, {"default_ttl_us": 1, "allow_user_autostop": False}, 1),
        ({}, {"default_ttl_us": 0, "allow_user_autostop": False}, NEVER),
        ({"allow_user_autostop": False, "default_ttl_us": 9}, {"default_ttl_us": 9, "allow_user_autostop": False}, 5),
        ({"allow_user_autostop": False, "default_ttl_us": 9}, {"default_ttl_us": 8, "allow_user_autostop": False}, 8),
        ({"allow_user_autostop": False, "default_ttl_us": 9}, {"default_ttl_us": 8}, 5),
        ({"default_ttl_us": 9}, {"default_ttl_us": 9, "allow_user_autostop": False}, 9),
    ],
)
def test_a_ttl_is_overwritten_where_users_may_set_none(before: dict[str, int], after: dict[str, int], ttl_us: int):
    assert lifecycle.ttl_after_change(5, template(**before), template(**after)) == ttl_us


@pytest.mark.parametrize(
    ("max_at", "new_max_at", "ttl_us", "removes", "found"),
    [
        (2 * HOUR_US - 1, NEVER, 0, True, (50, 2 * HOUR_US - 1)),  # too near to be changed
        (2 * HOUR_US, NEVER, 5, True, (50, NEVER)),
        (NEVER, HOUR_US, 0, True, (50, 2 * HOUR_US)),
        (NEVER, 3 * HOUR_US, 0, True, (50, 3 * HOUR_US)),
        (NEVER, NEVER, 0, True, (NEVER, NEVER)),
        (NEVER, NEVER, NEVER, True, (NEVER, NEVER)),
        (NEVER, NEVER, 1, True, (50, NEVER)),
        (NEVER, NEVER, 0, False, (50, NEVER)),
        (NEVER, NEVER, NEVER, False, (50, NEVER)),
    ],
)
def test_a_new_max_deadline_lies_two_hours_ahead_and_one_that_is_nearer_stays(
    max_at: int, new_max_at: int, ttl_us: int, removes: bool, found: tuple[int, int]
):
    assert lifecycle.rescheduled(50, max_at, new_max_at, ttl_us, 0, removes) == found
    assert lifecycle.keeps_deadlines(max_at, 0) is (max_at < 2 * HOUR_US)
    later = 7 * SECOND_US
    moved = [at if at == NEVER else at + later for at in (50, max_at, new_max_at, *found)]
    assert lifecycle.rescheduled(*moved[:3], ttl_us, later, removes) == tuple(moved[3:])


def test_a_deadline_beyond_the_new_max_deadline_comes_down_to_it():
    assert lifecycle.rescheduled(5 * HOUR_US, NEVER, 3 * HOUR_US, 0, 0, True) == (3 * HOUR_US, 3 * HOUR_US)
