"""The executor's tick and the reaper's in the event loop: what they see, when, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from one_person import life, one_person, stories
from scenarios import MONDAY_AT, scenario

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, NEVER, SECOND_US
from simkit.coder_versions import BEHAVIOURS
from simkit.model import Daemons, Preset, SetSchedule, TemplateSchedule, Workload, constant
from simkit.runs.reference import run_reference
from simkit.runs.simulate import run

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
