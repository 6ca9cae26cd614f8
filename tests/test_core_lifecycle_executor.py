"""The executor's tick and the reaper's in the event loop: what they see, when, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conformance_kernel import lives_of
from one_person import life, one_person, stories
from scenarios import MONDAY_AT, scenario
from uncompiled import lifecycle, lifecycle_executor, lives

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, NEVER, SECOND_US
from simkit.coder_versions import BEHAVIOURS
from simkit.core.facts import B_COMPLETED, B_CREATED, B_STATUS, B_TRANSITION
from simkit.core.lives import L_DEADLINE, L_MAX_DEADLINE, TTL_CHANGED, X_DEADLINE, X_RULE
from simkit.core.numbers import START, STOP, SUCCEEDED
from simkit.model import Daemons, Preset, SetSchedule, SetTTL, TemplateSchedule, Workload, constant
from simkit.runs.reference import run_reference
from simkit.runs.simulate import run
from simkit.workspace import instants

SLOW_STOP = Workload(constant(0), constant(0), constant(0), constant(0), constant(0), constant(20 * MINUTE_US))


def reaped(result) -> list[tuple[int, int]]:
    """(job, minute at which the reaper ended it)."""
    jobs = result.tables["provisioner_jobs"]
    rows = zip(jobs["id"].tolist(), jobs["completed_at"].tolist(), jobs["error"], strict=True)
    return [(job, (at - MONDAY_AT) // MINUTE_US) for job, at, error in rows if str(error).startswith("Coder:")]


@pytest.mark.parametrize(("seconds", "stops_at"), [(0, 121), (1, 121), (59, 121), (-1, 120), (-60, 120)])
def test_a_deadline_stops_at_the_first_tick_that_is_strictly_after_it(seconds, stops_at):
    given = one_person((0, 0), schedule=TemplateSchedule(2 * HOUR_US + seconds * SECOND_US)).scenario
    result = run(replace(given, workload=replace(given.workload, build=constant(0))))
    assert life(result)[1] == (stops_at, "stop", "autostop")


def test_a_start_that_falls_into_a_stop_is_skipped():
    schedule = TemplateSchedule(2 * HOUR_US)
    given = one_person((0, 0), hours=40, autostart="10 2 * * *", schedule=schedule).scenario
    quick = run(replace(given, workload=replace(given.workload, build=constant(0))))
    slow = run(replace(given, workload=SLOW_STOP))
    # It stops at 02:01. With a stop of 20 minutes the start of 02:10 is over when it is done.
    assert life(quick)[1:3] == [(121, "stop", "autostop"), (130, "start", "autostart")]
    assert life(slow)[1:3] == [(121, "stop", "autostop"), (24 * 60 + 130, "start", "autostart")]


def test_a_workspace_is_marked_dormant_while_its_stop_still_runs():
    schedule = TemplateSchedule(HOUR_US, time_til_dormant_us=70 * MINUTE_US)
    result = run(replace(one_person((0, 0), schedule=schedule).scenario, workload=SLOW_STOP))
    assert stories(result) == [(61, "autostop"), (71, "dormancy")]
    assert life(result) == [(0, "start", "initiator"), (61, "stop", "autostop")]


def test_a_dormant_workspace_has_no_next_start():
    schedule = TemplateSchedule(HOUR_US, time_til_dormant_us=5 * HOUR_US)
    result = one_person((0, 0), hours=40, autostart="0 9 * * *", schedule=schedule)
    assert stories(result) == [(63, "autostop"), (301, "dormancy")]
    assert result.tables["workspaces"]["next_start_at"].tolist() == [NEVER]


def test_autodelete_that_is_switched_on_reaches_who_is_dormant_already():
    before = TemplateSchedule(HOUR_US, time_til_dormant_us=5 * HOUR_US)
    after = replace(before, time_til_dormant_autodelete_us=DAY_US)
    changed = (SetSchedule(MONDAY_AT + 40 * HOUR_US, after),)
    result = one_person((0, 0), hours=41, schedule=before, events=changed)
    # Dormant since minute 301: the day after is over when the rule changes, at a tick.
    assert stories(result)[-1] == (2400, "autodelete")
    assert result.tables["workspaces"]["deleted"].tolist() == [True]


def test_a_failed_stop_is_retried_where_the_version_does_so():
    schedule = TemplateSchedule(HOUR_US, failure_ttl_us=DAY_US)
    given = replace(one_person((0, 0), hours=48, schedule=schedule).scenario, workload=SLOW_STOP)
    # The stop of minute 61 is not taken: no daemon is left for it, and the reaper ends it half an hour later.
    busy = scenario(Preset("q", 0), claims=((MONDAY_AT + HOUR_US, "q"),))
    workloads = (("q", Workload(constant(2 * HOUR_US))),)
    versions = (*given.versions, *(replace(version, template="u") for version in busy.versions))
    together = replace(
        given, versions=versions, demand=busy.demand, workloads=workloads, provisioner_daemons=1, has_reaper=True
    )
    for version, stops in (("v2.26", [61]), ("v2.29", [61]), ("v2.34", [61, 1533]), ("v2.35", [61, 1533])):
        result = run(replace(together, behaviour=BEHAVIOURS[version]))
        tables = result.tables["workspace_builds"]
        at = (tables["created_at"][tables["transition"] == "stop"] - MONDAY_AT) // MINUTE_US
        assert at.tolist() == stops, version


def overloaded(**more):
    """40 prebuilds wanted at once, three daemons, builds of ten minutes."""
    return replace(scenario(Preset("p", 40), hours=4, workload=Workload(constant(10 * MINUTE_US))), **more)


def test_under_overload_the_reaper_ends_ten_jobs_a_minute_that_nobody_took():
    ended = reaped(run(overloaded()))
    minutes = sorted(minute for _, minute in ended)
    # 40 were queued at once; nine of them were done by then and three were being built.
    assert minutes[:28] == [31] * 10 + [32] * 10 + [33] * 8
    # It draws lots: those of its first run are not the oldest.
    assert sorted(job for job, minute in ended if minute == 31) != list(range(13, 23))
    assert not reaped(run(overloaded(has_reaper=False)))


def test_both_engines_reap_the_same_jobs():
    assert reaped(run(overloaded())) == reaped(run_reference(overloaded())) != []


def test_jobs_that_no_daemon_may_take_wait_for_the_reaper_and_others_pass_them():
    given = scenario(Preset("p", 1), hours=2, claims=((MONDAY_AT + MINUTE_US, "p"),))
    pools_alone = (("pool", "prebuilds"),)
    apart = replace(given, provisioners=(Daemons(1),), prebuild_tags=pools_alone)
    result = run(apart)
    assert result.tables["claims"]["hit"].tolist() == [False]
    assert result.tables["claims"]["ready_at"][0] != NEVER
    assert reaped(result)[0] == (1, 31)
    dedicated = replace(apart, provisioners=(Daemons(1), Daemons(1, pools_alone)))
    assert not reaped(run(dedicated))


def test_what_an_operator_deletes_waits_for_the_daemons_of_prebuilds():
    failing = Workload(constant(MINUTE_US), failing_builds=(1,), failed_cleared_after_us=10 * MINUTE_US)
    given = scenario(Preset("p", 1), hours=2, workload=failing)
    apart = replace(given, provisioners=(Daemons(1),), prebuild_tags=(("pool", "prebuilds"),))
    for result in (run(apart), run_reference(apart)):
        tables = result.tables
        deletes = tables["workspace_builds"]["transition"] == "delete"
        assert deletes.sum() > 0
        # Nobody takes them: the daemon does people's jobs alone.
        errors = tables["provisioner_jobs"]["error"][deletes]
        assert all(error is None or str(error).startswith("Coder:") for error in errors)
        assert not tables["workspaces"]["deleted"].any()


@pytest.mark.parametrize(
    ("version", "days", "stops"),
    [("v2.24", 0b1111111, 123), ("v2.24", 0, None), ("v2.26", 0b1111111, 20 * 60 + 1), ("v2.26", 0, None)],
)
def test_a_ttl_is_removed_unless_that_would_unset_a_deadline_that_a_max_deadline_needs(version, days, stops):
    removed = (SetTTL(MONDAY_AT + HOUR_US, "one", None),)
    schedule = TemplateSchedule(2 * HOUR_US, autostop_days=days)
    given = one_person((0, 0), events=removed, schedule=schedule, quiet_hours="0 20 * * *").scenario
    result = run(replace(given, behaviour=BEHAVIOURS[version]))
    assert life(result)[1:] == ([] if stops is None else [(stops, "stop", "autostop")])
    assert bool(result.tables["workspaces"]["ttl"][0] == NEVER) is (stops != 123)


def test_the_ttl_of_a_stopped_workspace_may_be_removed_in_any_version():
    removed = (SetTTL(MONDAY_AT + 3 * HOUR_US, "one", None),)
    schedule = TemplateSchedule(2 * HOUR_US, autostop_days=0b1111111)
    given = one_person((0, 0), (300, 300), events=removed, schedule=schedule, quiet_hours="0 20 * * *").scenario
    result = run(replace(given, behaviour=BEHAVIOURS["v2.24"]))
    assert [minute for minute, transition, _ in life(result) if transition == "stop"] == [123, 20 * 60 + 1]


def test_a_ttl_that_users_may_not_set_stays_and_a_schedule_that_is_the_same_changes_nothing():
    closed = TemplateSchedule(2 * HOUR_US, allow_user_autostop=False)
    changed = (SetTTL(MONDAY_AT + HOUR_US, "one", 5 * HOUR_US), SetSchedule(MONDAY_AT + HOUR_US, closed))
    result = one_person((0, 0), schedule=closed, events=changed)
    assert stories(result) == [(123, "autostop")]
    assert result.tables["workspaces"]["ttl"].tolist() == [2 * HOUR_US * 1000]


@pytest.mark.parametrize(
    ("minute", "early_us", "deadline_us"),
    [
        (60, 1, 120 * MINUTE_US - 1),
        (60, 0, 72 * MINUTE_US),
        (32, 0, 116 * MINUTE_US),  # it moves the deadline every four minutes, and would at 60
    ],
)
def test_activity_until_just_before_a_change_counts_before_it(minute: int, early_us: int, deadline_us: int):
    """What comes in the instant of the change is seen after it, when there is no deadline to move."""
    removed = (SetTTL(MONDAY_AT + HOUR_US, "one", None),)
    given = one_person((0, 0), (minute, 61), events=removed, schedule=TemplateSchedule(70 * MINUTE_US)).scenario
    (who,) = given.people
    moved = who.sessions.started_at - np.array([0, early_us])
    result = run(replace(given, people=(replace(who, sessions=replace(who.sessions, started_at=moved)),)))
    changed = result.rows.stories[result.rows.stories[:, X_RULE] == TTL_CHANGED]
    assert (changed[:, X_DEADLINE] - MONDAY_AT).tolist() == [deadline_us]


COMPLETED_AT = MONDAY_AT + 8 * HOUR_US
BEFORE = TemplateSchedule(10 * HOUR_US)


def followed(after: TemplateSchedule, **more: int) -> dict[str, int]:
    """What is known of a workspace that is on since eight, and is to start at nine of each day, once its template's
    schedule has changed at ten; in hours of that Monday, or as it was given."""
    columns = {"ttl": lives.O_TTL, "next": lives.O_NEXT_START, "dormant": lives.O_DORMANT, "deleting": lives.O_DELETING}
    inputs, world, theirs = lives_of(BEFORE, COMPLETED_AT, "0 9 * * *", "0 20 * * *")
    world.builds[0, [B_COMPLETED, B_STATUS, B_TRANSITION]] = COMPLETED_AT, SUCCEEDED, more.pop("transition", START)
    deadlines = more.pop("deadline", 18), more.pop("max_deadline", NEVER)
    given = {"ttl": 10, "next": 33, "dormant": NEVER, "deleting": NEVER, **more}

    def at(hour: int) -> int:
        return hour if hour == NEVER else MONDAY_AT + hour * HOUR_US

    theirs.builds[0, [L_DEADLINE, L_MAX_DEADLINE]] = [at(hour) for hour in deadlines]
    for name, hour in given.items():
        theirs.owned[0, columns[name]] = hour * HOUR_US if name == "ttl" else at(hour)
    of = lifecycle.Template(*instants.template(BEFORE)), lifecycle.Template(*instants.template(after))
    theirs = theirs._replace(templates=np.array([of[1]], dtype=np.int64))  # it is in force by now
    lifecycle_executor._follow(inputs, world, theirs, 0, 0, *of, MONDAY_AT + 10 * HOUR_US)
    found = {name: int(theirs.owned[0, column]) for name, column in columns.items()}
    found |= {"deadline": int(theirs.builds[0, L_DEADLINE]), "max_deadline": int(theirs.builds[0, L_MAX_DEADLINE])}
    from_midnight = {name: (value if value == NEVER else value - MONDAY_AT) for name, value in found.items()}
    from_midnight["ttl"] = found["ttl"]
    return {name: v if v == NEVER else v // HOUR_US for name, v in from_midnight.items()}


AS_IT_WAS = {"ttl": 10, "next": 33, "dormant": NEVER, "deleting": NEVER, "deadline": 18, "max_deadline": NEVER}


@pytest.mark.parametrize(
    ("after", "more", "found"),
    [
        (replace(BEFORE, activity_bump_us=7), {}, {}),
        (replace(BEFORE, activity_bump_us=7), {"next": 57}, {"next": 33}),  # it is asked for anew
        (replace(BEFORE, activity_bump_us=7), {"next": 57, "dormant": 9}, {"next": 57, "dormant": 9}),
        (replace(BEFORE, activity_bump_us=7), {"next": 57, "transition": STOP}, {"next": 57}),
        (replace(BEFORE, autostart_days=0b0000100), {}, {"next": 57}),  # a Wednesday
        (replace(BEFORE, autostart_days=0b0000100), {"transition": STOP}, {"next": 57}),
        (replace(BEFORE, autostart_days=0b0000100), {"dormant": 9}, {"next": NEVER, "dormant": 9}),
        (replace(BEFORE, time_til_dormant_autodelete_us=4 * HOUR_US), {"dormant": 9}, {"dormant": 9, "deleting": 13}),
        (BEFORE, {"dormant": 9, "deleting": 13}, {"dormant": 9, "deleting": NEVER}),
        (replace(BEFORE, default_ttl_us=6 * HOUR_US, allow_user_autostop=False), {}, {"ttl": 6}),
        (replace(BEFORE, autostop_days=0b1111111), {}, {"max_deadline": 20}),
        (replace(BEFORE, autostop_days=0b0000010), {"deadline": 48}, {"deadline": 44, "max_deadline": 44}),
        (replace(BEFORE, autostop_days=0b1111111), {"transition": STOP}, {}),
        # A max deadline in less than two hours stays, and so does the next start.
        (replace(BEFORE, autostop_days=0b1111111), {"max_deadline": 11, "next": 57}, {"max_deadline": 11, "next": 57}),
        (replace(BEFORE, autostop_days=0b1111111), {"max_deadline": 12}, {"max_deadline": 20}),
        (BEFORE, {"ttl": 0, "max_deadline": 18}, {"ttl": 0, "deadline": NEVER}),
        (BEFORE, {"max_deadline": 18}, {}),
    ],
)
def test_a_workspace_follows_the_new_schedule_of_its_template(after, more, found):
    assert followed(after, **more) == {**AS_IT_WAS, **found}


@pytest.mark.parametrize(("dormant_at", "next_start_at"), [(NEVER, 33), (9, NEVER)])
def test_the_executor_finds_out_the_next_start_of_who_has_none_but_for_the_dormant(dormant_at, next_start_at):
    schedule = TemplateSchedule(HOUR_US, time_til_dormant_autodelete_us=HOUR_US)
    inputs, world, theirs = lives_of(schedule, COMPLETED_AT, "0 9 * * *")
    world.builds[0, [B_COMPLETED, B_STATUS, B_TRANSITION]] = COMPLETED_AT, SUCCEEDED, STOP
    world.builds[0, B_CREATED] = COMPLETED_AT + 2 * HOUR_US  # after that day's start
    owned = theirs.owned[0]
    owned[[lives.O_NEXT_START, lives.O_DORMANT, lives.O_DELETING]] = NEVER
    if dormant_at != NEVER:
        owned[[lives.O_DORMANT, lives.O_DELETING]] = [
            MONDAY_AT + hour * HOUR_US for hour in (dormant_at, dormant_at + 1)
        ]
    lifecycle_executor._execute(inputs, world, theirs, 0, MONDAY_AT + 11 * HOUR_US)
    found = int(owned[lives.O_NEXT_START])
    assert (found if found == NEVER else (found - MONDAY_AT) // HOUR_US) == next_start_at


@pytest.mark.parametrize(("version", "hours"), [("v2.29", 20), ("v2.35", 10)])
def test_a_new_schedule_reaches_what_is_deleted_already_where_the_version_does_so(version: str, hours: int):
    before = TemplateSchedule(HOUR_US, time_til_dormant_us=5 * HOUR_US, time_til_dormant_autodelete_us=10 * HOUR_US)
    later = SetSchedule(MONDAY_AT + 17 * HOUR_US, replace(before, time_til_dormant_autodelete_us=20 * HOUR_US))
    given = one_person((0, 0), hours=18, schedule=before, events=(later,)).scenario
    tables = run(replace(given, behaviour=BEHAVIOURS[version])).tables
    assert tables["workspaces"]["deleted"].tolist() == [True]
    assert tables["workspaces"]["deleting_at"].tolist() == [MONDAY_AT + 301 * MINUTE_US + hours * HOUR_US]


def test_another_ttl_is_no_removal_of_one():
    changed = (SetTTL(MONDAY_AT + HOUR_US, "one", 5 * HOUR_US),)
    schedule = TemplateSchedule(2 * HOUR_US, autostop_days=0b1111111)
    given = one_person((0, 0), events=changed, schedule=schedule, quiet_hours="0 20 * * *").scenario
    result = run(replace(given, behaviour=BEHAVIOURS["v2.24"]))
    assert result.tables["workspaces"]["ttl"].tolist() == [5 * HOUR_US * 1000]
