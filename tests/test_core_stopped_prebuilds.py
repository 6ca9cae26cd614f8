"""Prebuilds of the version whose executor stops them, too: others are built beside those that stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from scenarios import MONDAY_AT, scenario, with_an_executor_for_prebuilds

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, NEVER, SECOND_US
from simkit.coder_versions import BEHAVIOURS
from simkit.core import kernel
from simkit.core.stopped_prebuilds import empty_prebuilt
from simkit.model import Preset, Scenario, SetSchedule, TemplateSchedule, Workload, constant
from simkit.runs.givens import kernel_people
from simkit.runs.measures import measures
from simkit.runs.reference import run_reference
from simkit.runs.result import Result
from simkit.runs.simulate import kind_of, run

OLD = BEHAVIOURS["v2.24"]
QUICK = Workload(constant(2 * MINUTE_US), constant(10 * SECOND_US), *[constant(30 * SECOND_US)] * 5)
EIGHT = TemplateSchedule(8 * HOUR_US)
BUILT_AT = MONDAY_AT + 2 * MINUTE_US
"""The first prebuilds are built: it is then that their deadlines are counted from."""


def pool(instances: int = 2, hours: int = 24, **more: Any) -> Scenario:
    given = {"behaviour": OLD, "schedule": EIGHT, "workload": QUICK, "provisioner_daemons": 2, **more}
    return scenario(Preset("p", instances), hours=hours, **given)


def builds(result: Result, transition: str) -> list[int]:
    """When builds of this transition were ordered, as minutes of the window."""
    of = result.tables["workspace_builds"]
    return [int(at - MONDAY_AT) // MINUTE_US for at in of["created_at"][of["transition"] == transition]]


def test_a_prebuild_is_stopped_after_the_default_ttl_and_another_is_built_beside_it():
    result = run(pool(hours=17))
    # The deadline lies on a whole minute: it stops at the next tick, and the reconciler sees it gone in that instant.
    assert builds(result, "stop") == [483, 483, 966, 966]
    assert builds(result, "start") == [0, 0, 483, 483, 966, 966]
    assert builds(result, "delete") == [], "a stopped prebuild stays"
    jobs, of = result.tables["provisioner_jobs"], result.tables["workspace_builds"]
    assert set(of["reason"][of["transition"] == "stop"]) == {"autostop"}
    assert set(jobs["initiator_id"]) == {0}
    assert of["deadline"][:2].tolist() == [BUILT_AT + 8 * HOUR_US] * 2


@pytest.mark.parametrize("version", ["v2.26", "v2.29", "v2.35"])
def test_later_versions_leave_prebuilds_alone(version: str):
    result = run(pool(behaviour=BEHAVIOURS[version]))
    assert builds(result, "stop") == []
    assert len(result.tables["lifecycle_decisions"]["rule"]) == 0


def test_an_autostop_requirement_stops_prebuilds_at_midnight_of_utc():
    result = run(pool(hours=72, schedule=TemplateSchedule(0, autostop_days=0b0000010)))  # Tuesdays
    assert builds(result, "stop") == [24 * 60 + 1] * 2
    assert result.tables["workspace_builds"]["max_deadline"][:2].tolist() == [MONDAY_AT + DAY_US] * 2


def test_without_ttl_or_requirement_nothing_stops():
    assert builds(run(pool(schedule=TemplateSchedule(0))), "stop") == []


def test_an_unused_prebuild_is_dormant_and_then_deleted():
    schedule = TemplateSchedule(0, time_til_dormant_us=HOUR_US, time_til_dormant_autodelete_us=2 * HOUR_US)
    result = run(pool(1, hours=4, schedule=schedule))
    of, w = result.tables["workspace_builds"], result.tables["workspaces"]
    assert of["reason"].tolist()[1] == "dormancy"
    assert builds(result, "stop")[0] == 61
    assert builds(result, "delete") == [61 + 121]
    assert w["deleted"].tolist()[:2] == [True, False]
    assert (w["deleting_at"] - w["dormant_at"])[0] == 2 * HOUR_US


def test_a_failed_prebuild_that_is_stopped_no_longer_limits_its_pool():
    workload = replace(QUICK, failing_builds=(1, 2, 3))
    given = pool(1, hours=8, workload=workload, schedule=TemplateSchedule(0, failure_ttl_us=3 * HOUR_US))
    result = run(given)
    kept = run(replace(given, schedule=TemplateSchedule(0)))
    assert len(builds(kept, "start")) == 3, "the hard limit holds without"
    # The first failure is stopped, two are left, and the fourth build succeeds.
    assert len(builds(result, "start")) == 4
    assert len(builds(result, "stop")) == 3
    limit = result.ask("failures").query("what == 'hard limit'")
    stopped_at = MONDAY_AT + builds(result, "stop")[0] * MINUTE_US
    assert limit["until_at"].astype("int64").tolist() == [stopped_at]
    assert result.tables["workspace_builds"]["transition"][-1] == "stop"
    assert measures(result).failed_builds.tolist() == [3]


def test_a_new_schedule_reaches_running_prebuilds_and_a_claimed_one_is_its_owners():
    later = SetSchedule(MONDAY_AT + HOUR_US, TemplateSchedule(0, autostop_days=0b1111111))
    given = pool(2, hours=30, claims=((MONDAY_AT + 2 * HOUR_US, "p"),), events=(later,))
    result = run(given)
    told = result.tables["lifecycle_decisions"]
    assert told["rule"].tolist().count("template schedule changed") == 2
    of = result.tables["workspace_builds"]
    assert of["max_deadline"][:2].tolist() == [MONDAY_AT + DAY_US] * 2
    assert of["deadline"][:2].tolist() == [BUILT_AT + 8 * HOUR_US] * 2, "the deadline is kept, and earlier"
    stopped = set(of["workspace_id"][of["transition"] == "stop"].tolist())
    claimed = set(result.tables["claims"]["workspace_id"].tolist())
    assert stopped
    assert not stopped & claimed, "of strangers' later life nothing is known"


def test_a_stopped_prebuild_costs_nothing_and_is_idle_until_it_is_stopped():
    result = run(pool(1, hours=9))
    found = measures(result)
    end_at = MONDAY_AT + 9 * HOUR_US
    stop_at = MONDAY_AT + 483 * MINUTE_US
    second_at = stop_at + 2 * MINUTE_US
    idle_us = (stop_at - BUILT_AT) + (end_at - second_at)
    stopping_us = 30 * SECOND_US
    assert found.spent_us.tolist() == [[4 * MINUTE_US, idle_us, stopping_us, 0, 0]]
    assert found.idle_us.tolist() == [idle_us + stopping_us]
    assert result.ask("hours")["billed_hours"].tolist() == [(4 * MINUTE_US + idle_us + stopping_us) / HOUR_US]
    fates = result.ask("fates").iloc[0]
    assert fates[["created", "stopped", "waiting", "expired", "surplus"]].tolist() == [2, 1, 1, 0, 0]
    assert result.ask("pool").iloc[-1][["running", "eligible"]].tolist() == [1, 1]


def test_questions_about_people_do_not_count_prebuilds():
    schedule = TemplateSchedule(0, time_til_dormant_us=HOUR_US, time_til_dormant_autodelete_us=HOUR_US)
    result = run(pool(2, schedule=schedule))
    assert len(result.tables["lifecycle_decisions"]["rule"]) > 20, "or nothing is tested"
    assert result.ask("stops").empty
    assert (result.ask("workspaces")[["running", "stopped", "dormant", "deleted"]] == 0).all(axis=None)


def test_more_prebuilds_than_there_was_room_for_are_all_stopped():
    schedule = TemplateSchedule(0, time_til_dormant_us=MINUTE_US)
    workload = Workload(*[constant(0)] * 7)
    result = run(pool(40, hours=8, schedule=schedule, workload=workload, provisioner_daemons=80))
    assert len(result.rows.workspaces) > 2 * 4096, "the tables have grown"
    assert abs(len(builds(result, "stop")) - len(builds(result, "start"))) <= 40
    assert (result.rows.prebuilt[:-80, 0] != NEVER).all()


def test_who_is_due_is_still_known_when_the_tables_grow():
    small = empty_prebuilt(3)
    small.rows[2] = 5, 6
    small.wakes[len(small.wakes) // 2 + 2] = 7
    grown = empty_prebuilt(40, small)
    assert grown.rows[2].tolist() == [5, 6]
    assert grown.wakes[1] == 7
    assert np.flatnonzero(grown.wakes[len(grown.wakes) // 2 :] == 7).tolist() == [2]


@settings(max_examples=10)
@drawn(given=with_an_executor_for_prebuilds())
def test_looking_at_every_prebuild_in_every_minute_changes_no_row(given: Scenario):
    result = run(given, 7)
    every_tick = kernel.simulate(result.inputs, kernel_people(given), every_tick=True)
    for name, skipped, every in zip(result.rows._fields, result.rows, every_tick, strict=True):
        np.testing.assert_array_equal(skipped, every, name)


def test_both_engines_agree_on_case_15():
    claims = ((MONDAY_AT + 20 * HOUR_US, "p"),)
    given = scenario(
        Preset("p", 2, 2 * DAY_US),
        hours=72,
        claims=claims,
        behaviour=OLD,
        schedule=EIGHT,
        workload=QUICK,
        provisioner_daemons=2,
    )
    kernel_tables, reference = run(given).tables, run_reference(given).tables
    for table, columns in kernel_tables.items():
        for name, column in columns.items():
            np.testing.assert_array_equal(reference[table][name], column, f"{table}.{name}")
    stops = builds(run(given), "stop")
    assert len(stops) == 16, "each of the two lasts eight hours and three minutes"
    assert stops[:4] == [483, 483, 966, 966]


@pytest.mark.parametrize(("version", "kind"), [("v2.24", "prebuilds"), ("v2.26", "pools")])
def test_only_that_version_has_an_event_loop_for_them(version: str, kind: str):
    assert kind_of(pool(behaviour=BEHAVIOURS[version])) == kind
