"""People's workspaces in the event loop: every stop has a rule, every rule its numbers, and nothing is lost."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import uncompiled
from hypothesis import given
from one_person import QUICK, life, one_person, stories
from scenarios import MONDAY_AT, inhabited, inhabited_fortnight

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, NEVER, parse_instant
from simkit.coder_versions import BEHAVIOURS
from simkit.core import facts, kernel, lifecycle, lives
from simkit.core.facts import B_COMPLETED, B_CREATED, B_STATUS, B_TRANSITION, B_WORKSPACE
from simkit.core.lives import L_BUMPED_FROM, L_DEADLINE, L_MAX_DEADLINE, L_REASON
from simkit.core.numbers import DELETE, FAILED, NONE, RUNNING, START, STOP, SUCCEEDED
from simkit.model import (
    People,
    Preset,
    Scenario,
    SessionHistory,
    SetSchedule,
    SetTTL,
    TemplateSchedule,
    TemplateVersion,
    constant,
)
from simkit.runs.givens import kernel_people
from simkit.runs.result import Result
from simkit.runs.simulate import run


def test_a_template_schedule_has_the_fields_that_the_rules_know():
    assert {field.name for field in fields(TemplateSchedule)} == set(lifecycle.Template._fields)


def test_each_field_of_a_template_schedule_reaches_the_rules_under_its_name():
    numbers = {field.name: 3 + i for i, field in enumerate(fields(TemplateSchedule)) if field.type == "int"}
    assert len(numbers) == 8
    for allowed in ({"allow_user_autostart": True}, {"allow_user_autostop": True}):
        schedule = {**numbers, "allow_user_autostart": False, "allow_user_autostop": False, **allowed}
        given = kernel_people(replace(inhabited_fortnight(), schedule=TemplateSchedule(**schedule), events=()))
        assert uncompiled.lives.template_of(given, 0)._asdict() == schedule


@given(given=inhabited())
def test_looking_at_everybody_in_every_minute_changes_no_row(given):
    result = run(given, 7)
    every_tick = kernel.simulate(result.inputs, kernel_people(given), every_tick=True)
    for name, skipped, every in zip(result.rows._fields, result.rows, every_tick, strict=True):
        np.testing.assert_array_equal(skipped, every, name)


@given(given=inhabited())
def test_a_deadline_is_never_after_its_max_deadline(given):
    rows = run(given, 7).rows
    for table, deadline, max_deadline in (
        (rows.lives, L_DEADLINE, L_MAX_DEADLINE),
        (rows.stories, lives.X_DEADLINE, lives.X_MAX_DEADLINE),
    ):
        assert (table[:, deadline] <= table[:, max_deadline]).all()
        # What Coder's table demands: without a deadline there is no max deadline.
        assert (table[table[:, deadline] == NEVER, max_deadline] == NEVER).all()


@given(given=inhabited(changes=False))
def test_a_bump_never_lowers(given):
    rows = run(given, 7).rows.lives
    bumped = rows[(rows[:, L_REASON] != NEVER) & (rows[:, lives.L_BUMPS] > 0)]
    assert (bumped[:, L_BUMPED_FROM] < bumped[:, L_DEADLINE]).all()


@given(given=inhabited())
def test_nothing_of_the_prebuilds_user_has_a_lifecycle_where_the_executor_leaves_it_alone(given):
    if not given.behaviour.executor_skips_prebuilds:
        given = replace(given, behaviour=BEHAVIOURS["v2.26"])
    tables = run(given, 7).tables
    of_prebuilds = tables["workspaces"]["owner_id"] == 0
    for column in ("ttl", "next_start_at", "dormant_at", "deleting_at"):
        assert (tables["workspaces"][column][of_prebuilds] == NEVER).all()
    created_at, last_used_at = (tables["workspaces"][c][of_prebuilds] for c in ("created_at", "last_used_at"))
    assert (last_used_at == created_at).all()
    assert not tables["workspaces"]["autostart_schedule"][of_prebuilds].any()
    builds = tables["workspace_builds"]
    first = (builds["build_number"] == 1) & (builds["initiator_id"] == 0)
    theirs = first | of_prebuilds[builds["workspace_id"] - 1]
    for column in ("deadline", "max_deadline"):
        assert (builds[column][theirs] == NEVER).all()
    assert not np.isin(tables["lifecycle_decisions"]["workspace_id"], np.flatnonzero(of_prebuilds) + 1).any()


@given(given=inhabited())
def test_every_stop_has_a_rule(given):
    result = run(given, 7)
    rows = result.rows
    owned = rows.workspaces[rows.builds[:, B_WORKSPACE], facts.W_OWNER] != NONE
    told = {(s[lives.X_AT], s[lives.X_WORKSPACE]): s[lives.X_RULE] for s in rows.stories}
    for i in np.flatnonzero(owned & (rows.builds[:, B_TRANSITION] != START)):
        rule = told[rows.builds[i, B_CREATED], rows.builds[i, B_WORKSPACE]]
        assert rule == rows.lives[i, L_REASON]
        stops = (lifecycle.AUTOSTOP, lifecycle.SUSPENDED_STOP, lifecycle.FAILED_STOP, lifecycle.DORMANCY)
        assert rule in (stops if rows.builds[i, B_TRANSITION] == STOP else (lifecycle.AUTODELETE,))


@given(given=inhabited())
def test_every_workspace_is_running_stopped_dormant_or_deleted_and_the_builds_agree(given):
    result = run(given, 7)
    rows = result.rows
    last = rows.builds[rows.workspaces[:, facts.W_BUILD]]
    owned = rows.workspaces[:, facts.W_OWNER] != NONE
    deleted = rows.workspaces[:, facts.W_DELETED] != NEVER
    dormant = np.zeros(len(owned), dtype=bool)
    dormant[owned] = rows.owned[rows.workspaces[owned, facts.W_OWNER], lives.O_DORMANT] != NEVER
    busy = last[:, B_STATUS] <= RUNNING
    ends = {
        "deleted": deleted,
        "dormant": ~deleted & dormant,
        "in progress": ~deleted & ~dormant & busy,
        "running": ~deleted & ~dormant & ~busy & (last[:, B_TRANSITION] == START),
        "stopped": ~deleted & ~dormant & ~busy & (last[:, B_TRANSITION] == STOP),
    }
    assert (np.stack(list(ends.values()))[:, owned].sum(axis=0) == 1).all()
    gone = rows.builds[(rows.builds[:, B_TRANSITION] == DELETE) & (rows.builds[:, B_STATUS] == SUCCEEDED)]
    assert deleted.sum() == len(gone), "no version comes here, for which something would be cancelled"
    # Nobody owns two workspaces at once.
    person = result.inputs.claims[rows.workspaces[owned & ~deleted, facts.W_OWNER], facts.A_PERSON]
    assert len(np.unique(person)) == len(person)


@given(given=inhabited())
def test_no_build_of_a_workspace_begins_before_the_one_before_it_is_done(given):
    builds = run(given, 7).rows.builds
    order = np.lexsort((builds[:, facts.B_NUMBER], builds[:, B_WORKSPACE]))
    before, after = builds[order][:-1], builds[order][1:]
    same = before[:, B_WORKSPACE] == after[:, B_WORKSPACE]
    assert (before[same, B_COMPLETED] <= after[same, B_CREATED]).all()
    # A stop follows a start or a stop that failed; a person's start follows a stop or a failure, or is the claim of a
    # prebuild.
    starts_twice = same & (before[:, B_TRANSITION] == START) & (after[:, B_TRANSITION] == START)
    claimed = (after[:, facts.B_NUMBER] == 2) | (before[:, B_STATUS] == FAILED)
    assert claimed[starts_twice].all()
    # One that the reaper ended, as no daemon took it, is tried again.
    started = (before[:, B_TRANSITION] == START) | (before[:, B_STATUS] == FAILED)
    assert started[same & (after[:, B_TRANSITION] == STOP)].all()


def test_everything_happens_in_the_fortnight():
    assert set(fortnight().rows.stories[:, lives.X_RULE].tolist()) == {
        lifecycle.AUTOSTOP,
        lifecycle.AUTOSTART,
        lifecycle.FAILED_STOP,
        lifecycle.DORMANCY,
        lifecycle.AUTODELETE,
        lifecycle.SUSPENDED_STOP,
        lives.TTL_CHANGED,
        lives.TEMPLATE_CHANGED,
        lives.WOKEN,
        lives.STARTED_UP,
    }


def fortnight() -> Result:
    return run(inhabited_fortnight(), 7)


def test_a_workspace_stops_at_its_deadline_and_starts_again_when_its_owner_comes_back():
    result = one_person((0, 0), (300, 300), schedule=TemplateSchedule(2 * HOUR_US))
    # Built at 2, so its deadline is two hours later, at a whole minute: the executor sees it a minute after that. The
    # second start takes a moment.
    assert life(result) == [
        (0, "start", "initiator"),
        (123, "stop", "autostop"),
        (300, "start", "initiator"),
        (421, "stop", "autostop"),
    ]


def test_activity_moves_the_deadline_to_an_hour_after_the_last_report():
    result = one_person((0, 200), schedule=TemplateSchedule(2 * HOUR_US))
    # From minute 66 on less than 95 % of the hour are left, and then again every four minutes: last at 198.
    assert life(result)[1] == (259, "stop", "autostop")
    decided = result.tables["lifecycle_decisions"]
    at = [(decided[column][1] - MONDAY_AT) // MINUTE_US for column in ("bumped_from", "bumped_at", "deadline")]
    assert at == [254, 198, 258]


def test_a_session_without_a_connection_moves_nothing():
    at = np.array([MONDAY_AT], dtype=np.int64)
    history = SessionHistory(at, at + 5 * HOUR_US, np.zeros(1, dtype=np.int64), connected=0.0)
    given = one_person((0, 0), schedule=TemplateSchedule(2 * HOUR_US)).scenario
    given = replace(given, people=(replace(given.people[0], sessions=history),))
    assert life(run(given))[1] == (123, "stop", "autostop")


def test_a_workspace_starts_by_itself_and_stops_though_nobody_came():
    result = one_person((0, 0), hours=36, autostart="0 9 * * *", schedule=TemplateSchedule(2 * HOUR_US))
    assert life(result)[2:4] == [(540, "start", "autostart"), (661, "stop", "autostop")]


def test_an_autostart_that_coder_cannot_read_never_starts_anything():
    result = one_person((0, 0), hours=24 * 60, autostart="0 25 * * *", schedule=TemplateSchedule(2 * HOUR_US))
    assert life(result) == [(0, "start", "initiator"), (123, "stop", "autostop")]
    assert result.tables["workspaces"]["next_start_at"].tolist() == [NEVER]
    assert result.tables["workspaces"]["autostart_schedule"].tolist() == ["0 25 * * *"]


def test_an_unused_workspace_goes_dormant_and_is_deleted_and_its_owner_gets_a_new_one():
    schedule = TemplateSchedule(HOUR_US, time_til_dormant_us=5 * HOUR_US, time_til_dormant_autodelete_us=10 * HOUR_US)
    result = one_person((0, 0), (1000, 1000), hours=17, schedule=schedule)
    # The last use was at 0; both waits are over once they are exceeded.
    assert stories(result)[:3] == [(63, "autostop"), (301, "dormancy"), (902, "autodelete")]
    assert result.tables["claims"]["workspace_id"].tolist() == [1, 2]
    assert result.tables["workspaces"]["deleted"].tolist() == [True, False]


def test_a_dormant_workspace_that_is_started_wakes():
    schedule = TemplateSchedule(HOUR_US, time_til_dormant_us=5 * HOUR_US, time_til_dormant_autodelete_us=10 * HOUR_US)
    result = one_person((0, 0), (400, 400), hours=11, schedule=schedule)
    assert stories(result) == [(63, "autostop"), (301, "dormancy"), (400, "woken"), (461, "autostop")]
    assert result.tables["workspaces"]["dormant_at"].tolist() == [NEVER]


def test_a_running_workspace_that_goes_dormant_is_stopped():
    schedule = TemplateSchedule(DAY_US, time_til_dormant_us=5 * HOUR_US)
    assert life(one_person((0, 0), schedule=schedule)) == [(0, "start", "initiator"), (301, "stop", "dormancy")]


def test_a_suspended_owners_workspace_stops_and_starts_no_more():
    result = one_person(
        (0, 0),
        (100, 100),
        autostart="0 9 * * *",
        suspended_at=MONDAY_AT + 30 * MINUTE_US,
        schedule=TemplateSchedule(8 * HOUR_US),
    )
    assert life(result) == [(0, "start", "initiator"), (30, "stop", "autostop")]
    assert stories(result) == [(30, "owner suspended")]
    assert result.tables["sessions"]["found"].tolist() == ["claimed", "nothing"]


def test_a_start_that_failed_is_stopped_after_a_while():
    given = one_person((0, 0), (200, 200), schedule=TemplateSchedule(HOUR_US, failure_ttl_us=HOUR_US)).scenario
    failing = replace(given, workload=replace(QUICK, start=constant(MINUTE_US), start_failure_probability=1.0))
    result = run(failing)
    assert life(result) == [
        (0, "start", "initiator"),
        (63, "stop", "autostop"),
        (200, "start", "initiator"),
        (262, "stop", "autostop"),
    ]
    assert stories(result) == [(63, "autostop"), (262, "failure stop")]


def test_removing_a_ttl_sets_the_deadline_to_the_max_deadline():
    schedule = TemplateSchedule(2 * HOUR_US, autostop_days=0b1111111)
    removed = (SetTTL(MONDAY_AT + HOUR_US, "one", None),)
    result = one_person((0, 0), events=removed, schedule=schedule, quiet_hours="0 20 * * *")
    assert life(result) == [(0, "start", "initiator"), (20 * 60 + 1, "stop", "autostop")]
    without = one_person((0, 0), events=removed, schedule=TemplateSchedule(2 * HOUR_US))
    assert life(without) == [(0, "start", "initiator")]


def test_a_new_ttl_acts_from_the_next_build_on():
    longer = (SetTTL(MONDAY_AT + HOUR_US, "one", 5 * HOUR_US),)
    result = one_person((0, 0), (200, 200), events=longer, schedule=TemplateSchedule(2 * HOUR_US))
    assert [minute for minute, transition, _ in life(result) if transition == "stop"] == [123, 501]


def test_a_new_autostop_requirement_moves_the_deadline_of_what_runs():
    required = (SetSchedule(MONDAY_AT + HOUR_US, TemplateSchedule(DAY_US, autostop_days=0b1111111)),)
    result = one_person((0, 0), events=required, schedule=TemplateSchedule(DAY_US), quiet_hours="30 2 * * *")
    # Half past two would be within two hours, so it becomes two hours from the change.
    assert life(result)[1] == (181, "stop", "autostop")


def test_a_prebuild_has_no_lifecycle_until_it_is_claimed_and_all_of_it_afterwards():
    schedule = TemplateSchedule(
        8 * HOUR_US, autostop_days=0b1111111, time_til_dormant_us=DAY_US, activity_bump_us=HOUR_US
    )
    more = {"autostart": "0 9 * * *", "quiet_hours": "0 22 * * *", "instances": 1, "schedule": schedule}
    before = one_person((600, 600), hours=9, **more).tables
    lifecycle_columns = ("ttl", "next_start_at", "dormant_at", "deleting_at", "last_used_at")
    assert [before["workspaces"][c][0] for c in lifecycle_columns] == [NEVER] * 4 + [MONDAY_AT]
    assert before["workspaces"]["owner_id"][0] == 0
    assert before["workspace_builds"]["deadline"].tolist() == [NEVER]
    after = one_person((600, 600), hours=11, **more).tables
    tuesday_at = parse_instant("2026-03-03T09:00:00Z")
    claimed_at = MONDAY_AT + 10 * HOUR_US
    assert [after["workspaces"][c][0] for c in lifecycle_columns] == [
        8 * HOUR_US * 1000,
        tuesday_at,
        NEVER,
        NEVER,
        claimed_at,
    ]
    assert after["workspaces"]["autostart_schedule"][0] == "0 9 * * *"
    assert after["workspaces"]["owner_id"][0] == 1
    builds = after["workspace_builds"]
    mine = builds["workspace_id"] == 1
    built_at = claimed_at + MINUTE_US
    assert builds["deadline"][mine].tolist() == [NEVER, built_at + 8 * HOUR_US]
    assert builds["max_deadline"][mine].tolist() == [NEVER, MONDAY_AT + 22 * HOUR_US]


@pytest.mark.parametrize("zone", ["America/Havana", "America/Santiago"])
def test_a_midnight_that_does_not_exist_fails_the_build_and_says_so(zone):
    sunday = {"America/Havana": "2026-03-08T02:00:00-04:00", "America/Santiago": "2026-09-06T02:00:00-03:00"}[zone]
    at = np.array([parse_instant(sunday) - 6 * HOUR_US], dtype=np.int64)
    who = People(
        "one", 1, "p", SessionHistory(at, at, np.zeros(1, dtype=np.int64)), quiet_hours=f"CRON_TZ={zone} 0 0 * * *"
    )
    version = TemplateVersion("t", "v1", (Preset("p", 0),))
    schedule = TemplateSchedule(8 * HOUR_US, autostop_days=0b0010000)
    given = Scenario(
        "one",
        int(at[0]) - HOUR_US,
        int(at[0]) + 8 * HOUR_US,
        (version,),
        workload=QUICK,
        schedule=schedule,
        people=(who,),
    )
    tables = run(given).tables
    assert tables["lifecycle_decisions"]["rule"].tolist() == ["no day to stop on"]
    assert tables["provisioner_jobs"]["error"][0].startswith("could not find suitable day for template autostop")
