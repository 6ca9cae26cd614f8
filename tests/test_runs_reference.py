"""Both engines tell one story: where the kernel and the control plane cover a scenario, their rows are equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from scenarios import (
    MONDAY_AT,
    busy_week,
    history,
    inhabited,
    inhabited_fortnight,
    scenario,
    scenarios,
    with_a_quota,
    with_an_executor_for_prebuilds,
    with_canceled_builds,
)

import simkit
from simkit.clock import DAY_US, HOUR_US, MINUTE_US, NEVER, SECOND_US
from simkit.coder_versions import BEHAVIOURS
from simkit.model import (
    People,
    Preset,
    Scenario,
    SessionHistory,
    SetSchedule,
    TemplateSchedule,
    Workload,
    constant,
)
from simkit.runs.reference import run_reference
from simkit.runs.simulate import run
from simkit.store import ask, questions, save

USUAL, MORE, MOST = 2, 8, 150
"""Scenarios that are drawn in the usual suite, by `make test-slow` and by `make test-longest`: one takes the reference
engine a second."""

DRAWN = {
    "pools": scenarios,
    "builds that are cancelled": with_canceled_builds,
    "builds above a quota": with_a_quota,
    "people": inhabited,
    "prebuilds that the executor stops": with_an_executor_for_prebuilds,
}

NEAR = (min(BEHAVIOURS), max(BEHAVIOURS))
"""Versions that are played in the usual suite, the others by `make test-slow`."""


def assert_equal(given: Scenario) -> None:
    kernel, reference = run(given, 7).tables, run_reference(given, 7).tables
    assert kernel.keys() == reference.keys()
    for table, columns in kernel.items():
        for name, column in columns.items():
            np.testing.assert_array_equal(reference[table][name], column, f"{table}.{name}")


@pytest.mark.parametrize(
    "examples", [USUAL, pytest.param(MORE, marks=pytest.mark.slow), pytest.param(MOST, marks=pytest.mark.longest)]
)
@pytest.mark.parametrize("drawn", DRAWN, ids=str)
def test_both_engines_have_equal_rows(drawn: str, examples: int):
    settings(max_examples=examples, deadline=None)(given(given=DRAWN[drawn]())(assert_equal))()


@pytest.mark.parametrize("version", [v if v in NEAR else pytest.param(v, marks=pytest.mark.slow) for v in BEHAVIOURS])
def test_a_busy_day_has_equal_rows_in_every_version(version: str):
    assert_equal(busy_week(version, hours=12))


@pytest.mark.slow
def test_two_weeks_in_which_everything_happens_have_equal_rows():
    assert_equal(inhabited_fortnight())


@pytest.mark.parametrize("quota", [None, 1])
def test_a_reference_run_is_stored_and_asked_like_any_other(tmp_path, quota: int | None):
    given = scenario(
        Preset("p", 2, HOUR_US),
        claims=tuple((MONDAY_AT + i * HOUR_US, "p") for i in range(1, 9)),
        workload=Workload(daily_cost=1),
        prebuilds_quota=quota,
    )
    result = run_reference(given, 7)
    path = tmp_path / "runs.duckdb"
    save(path, [result])
    for question in questions():
        assert ask(path, question).equals(run(given, 7).ask(question)), question
    assert len(ask(path, "quota")) == (0 if quota is None else 3), "until the hard limit"


@pytest.mark.parametrize("version", BEHAVIOURS)
def test_a_schedule_change_writes_to_deleted_workspaces_where_the_version_does_so(version: str):
    sleepy = TemplateSchedule(time_til_dormant_us=HOUR_US, time_til_dormant_autodelete_us=HOUR_US)
    later = replace(sleepy, time_til_dormant_autodelete_us=5 * HOUR_US)
    at = np.array([MONDAY_AT], dtype=np.int64)
    one = People("one", 1, "p", SessionHistory(at, at + MINUTE_US, np.zeros(1, dtype=np.int64)))
    events = (SetSchedule(MONDAY_AT + 8 * HOUR_US, sleepy), SetSchedule(MONDAY_AT + 9 * HOUR_US, later))
    behaviour = BEHAVIOURS[version]
    given = scenario(Preset("p", 0), people=(one,), schedule=sleepy, events=events, behaviour=behaviour)
    assert_equal(given)
    workspaces = run(given, 7).tables["workspaces"]
    assert workspaces["deleted"].tolist() == [True]
    asleep_for = workspaces["deleting_at"] - workspaces["dormant_at"]
    assert asleep_for.tolist() == [5 * HOUR_US if behaviour.schedule_changes_deleted else HOUR_US]


def test_a_control_plane_shows_more_than_the_kernel_knows():
    workload = Workload(constant(2 * MINUTE_US), constant(MINUTE_US), constant(MINUTE_US), constant(MINUTE_US))
    given = scenario(Preset("p", 1), hours=2, claims=((MONDAY_AT + HOUR_US, "p"),), workload=workload)
    plane = run_reference(given).plane
    told = plane.sql("SELECT reason, epoch_us(happened_at) AS at FROM workspace_agent_reinitializations")
    assert told.values.tolist() == [["prebuild_claimed", MONDAY_AT + HOUR_US + MINUTE_US]]
    states = plane.sql("SELECT lifecycle_state, count(*) AS agents FROM workspace_agents GROUP BY ALL ORDER BY ALL")
    assert states.values.tolist() == [["ready", 3]]


def test_ticks_on_which_nothing_can_change_are_skipped(monkeypatch):
    from simkit.controlplane import prebuilds

    seen = []
    snapshot = prebuilds.snapshot
    monkeypatch.setattr(prebuilds, "snapshot", lambda tx, at, *more: seen.append(at) or snapshot(tx, at, *more))
    given = replace(scenario(Preset("p", 2, 8 * HOUR_US)), end_at=MONDAY_AT + DAY_US, demand=history())
    assert_equal(given)
    assert len(seen) < 12, "a day has 1,440 ticks, and three generations of prebuilds"
    assert seen == sorted(seen)


def test_a_window_that_ends_while_somebody_waits_leaves_them_waiting():
    given = scenario(Preset("p", 0), hours=1, claims=((MONDAY_AT + HOUR_US - 1, "p"),))
    claims = run_reference(given).tables["claims"]
    assert claims["ready_at"].tolist() == [NEVER]
    assert simkit.run(given).tables["claims"]["ready_at"].tolist() == [NEVER]


@pytest.mark.parametrize("after_us", [4 * MINUTE_US + 1, 5 * MINUTE_US, 6 * MINUTE_US])
def test_who_comes_while_their_workspace_is_being_deleted_waits_from_then_on_both_engines(after_us: int):
    at = np.array([MONDAY_AT, MONDAY_AT + after_us], dtype=np.int64)
    schedule = TemplateSchedule(time_til_dormant_us=MINUTE_US, time_til_dormant_autodelete_us=MINUTE_US)
    workload = Workload(*[constant(0)] * 4, delete=constant(2 * MINUTE_US + 30 * SECOND_US))
    who = People("ada", 1, "p", SessionHistory(at, at, np.zeros(2, dtype=np.int64)))
    given = scenario(Preset("p", 1), hours=1, workload=workload, schedule=schedule, people=(who,))
    assert_equal(given)
    claims, builds = run(given).tables["claims"], run(given).tables["workspace_builds"]
    assert claims["created_at"].tolist() == at.tolist()
    made_at = builds["created_at"][claims["workspace_build_id"] - 1]
    assert made_at[1] > at[1], "after the deletion, or nothing was tested"
