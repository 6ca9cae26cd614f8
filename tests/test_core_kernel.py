"""The event loop: no tick that was skipped would have decided anything, and tables grow without losing a row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import uncompiled
from conformance_kernel import lives_of, world_of
from hypothesis import given
from scenarios import MONDAY_AT, busy_week, history, inhabited_fortnight, scenario, scenarios

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, NEVER, SECOND_US
from simkit.coder_versions import BEHAVIOURS
from simkit.core import facts, kernel, lives
from simkit.core.facts import (
    B_COMPLETED,
    B_CREATED,
    B_STARTED,
    BUILDS,
    C_HIT,
    DECISIONS,
    MORE,
    W_CLAIMED,
    W_CREATED,
    W_DELETED,
    WORKSPACES,
)
from simkit.model import Activate, Daemons, Preset, Scenario, TemplateSchedule, TemplateVersion, Workload, constant
from simkit.runs.simulate import run


@given(given=scenarios())
def test_skipping_ticks_changes_no_row(given):
    result = run(given)
    for skipped, every in zip(
        result.rows, kernel.simulate(result.inputs, result.given.people, every_tick=True), strict=True
    ):
        np.testing.assert_array_equal(skipped, every)


@pytest.mark.parametrize("version", sorted(BEHAVIOURS))
def test_more_rows_than_there_was_room_for_are_kept(version, monkeypatch):
    roomy = run(busy_week(version), 7).rows
    empty_world = kernel.empty_world
    monkeypatch.setattr(
        kernel,
        "empty_world",
        lambda inputs: (world := empty_world(inputs))._replace(
            workspaces=world.workspaces[:1], builds=world.builds[:1], decisions=world.decisions[:1]
        ),
    )
    cramped = run(busy_week(version), 7).rows
    for some, same in zip(roomy, cramped, strict=True):
        np.testing.assert_array_equal(some, same)


def test_nothing_happens_after_the_window():
    result = run(scenario(Preset("p", 2, ttl_us=HOUR_US), hours=3))
    end_at = result.scenario.end_at
    for column in (B_CREATED, B_STARTED, B_COMPLETED):
        at = result.rows.builds[:, column]
        assert (at[at != NEVER] <= end_at).all()
    at = result.rows.workspaces[:, [W_CREATED, W_CLAIMED, W_DELETED]]
    assert (at[at != NEVER] <= end_at).all()


def test_a_scenario_without_presets_has_no_rows():
    given = scenario(versions=(TemplateVersion("t", "v1", ()),), demand=history())
    assert {len(table) for table in run(given).rows} == {0}


def full(**more: int) -> Any:
    """A world with tables of ten rows, of which so many are taken: `workspaces`, `builds`, `decisions`."""
    _, world = world_of()
    tables = {name: np.zeros((10, getattr(world, name).shape[1]), np.int64) for name in ("workspaces", "builds")}
    world = world._replace(**tables, decisions=np.zeros((10, facts.D_COLUMNS), dtype=np.int64))
    for name, counter in (("workspaces", WORKSPACES), ("builds", BUILDS), ("decisions", DECISIONS)):
        world.counters[counter] = more.get(name, 0)
    world.counters[MORE] = 0
    return world


@pytest.mark.parametrize("table", ["workspaces", "builds", "decisions"])
def test_there_is_room_up_to_the_last_row_of_each_table(table: str):
    world = full(**{table: 7})
    assert uncompiled.kernel._has_room(world, 3)
    assert world.counters[MORE] == 0
    assert not uncompiled.kernel._has_room(world, 4)
    assert world.counters[MORE] == 4
    assert not uncompiled.kernel._has_room(full(workspaces=7, builds=7, decisions=7), 4)


def test_people_need_room_for_stories_too():
    _, _, theirs = lives_of(TemplateSchedule(), MONDAY_AT)
    theirs.counters[lives.STORIES] = 6
    world = full()
    assert uncompiled.kernel._has_room_for_lives(world, theirs, 2)
    assert not uncompiled.kernel._has_room_for_lives(world, theirs, 3)
    assert world.counters[MORE] == 3
    assert not uncompiled.kernel._has_room_for_lives(full(builds=9), theirs, 2)


def test_a_table_grows_by_as_much_as_it_has_and_is_asked_for():
    table = np.arange(12).reshape(4, 3)
    grown = uncompiled.kernel._grown(table, 3, 5)
    assert grown.shape == (13, 3)
    assert grown[:3].tolist() == table[:3].tolist()
    assert uncompiled.kernel._grown(table, 3, 1) is table
    assert len(uncompiled.kernel._grown(table, 3, 2)) == 10


@pytest.mark.parametrize("table", ["workspaces", "builds", "decisions", "stories"])
def test_no_table_has_more_rows_than_a_run_may_have(table: str):
    inputs, world = world_of()
    _, _, theirs = lives_of(TemplateSchedule(), MONDAY_AT)
    world.counters[[WORKSPACES, BUILDS, DECISIONS, MORE]] = 0, 0, 0, 3
    counters, counter = (
        (theirs.counters, lives.STORIES)
        if table == "stories"
        else (world.counters, {"workspaces": WORKSPACES, "builds": BUILDS, "decisions": DECISIONS}[table])
    )
    counters[counter] = 7
    world.builds[:8, facts.B_CREATED] = inputs.settings.start_at + np.arange(8)
    uncompiled.kernel._check_rows(inputs, world, theirs, 10)
    counters[counter] += 1
    with pytest.raises(uncompiled.kernel.TooManyRowsError) as told:
        uncompiled.kernel._check_rows(inputs, world, theirs, 10)
    begun_at = inputs.settings.start_at
    assert (told.value.rows, told.value.at) == (10, begun_at + 7 if table == "builds" else begun_at), "how far it came"


def happened(kind: int, at: int, tick_at: int = 0) -> tuple[list[int], int, int]:
    """(active, invalidated, wake) of the preset, PAUSED and NEXT_TICK after an event, of a world that ticks each second
    from 0 on."""
    inputs, world = world_of()
    event = np.zeros((1, facts.E_COLUMNS), dtype=np.int64)
    event[0, [facts.E_AT, facts.E_KIND, facts.E_PRESET]] = at, kind, 0
    world.counters[[facts.NEXT_TICK, facts.PAUSED]] = tick_at, 7
    world.state[0, [facts.S_ACTIVE, facts.S_INVALIDATED, facts.S_WAKE]] = 5, -NEVER, NEVER
    world.counters[facts.NEXT_WAKE] = NEVER
    uncompiled.kernel._happen(inputs._replace(events=event), world, 0)
    state = world.state[0, [facts.S_ACTIVE, facts.S_INVALIDATED, facts.S_WAKE]].tolist()
    assert world.counters[facts.NEXT_WAKE] == state[2]
    return state, int(world.counters[facts.PAUSED]), int(world.counters[facts.NEXT_TICK])


def test_each_event_does_what_it_is_called():
    as_it_was = [5, -NEVER, NEVER]
    at = SECOND_US + 1
    assert happened(facts.PAUSE, at) == (as_it_was, 1, 0)
    assert happened(facts.RESUME, at) == (as_it_was, 0, 2 * SECOND_US)
    assert happened(facts.RESUME, at, 9 * SECOND_US) == (as_it_was, 0, 9 * SECOND_US)
    assert happened(facts.INVALIDATE, at) == ([5, at, at], 7, 0)
    assert happened(facts.ACTIVATE, at) == ([1, -NEVER, at], 7, 0)
    assert happened(facts.DEACTIVATE, at) == ([0, -NEVER, at], 7, 0)


def test_a_run_of_which_nothing_has_happened_yet_has_the_columns_of_one():
    result = run(busy_week(hours=2), 7)
    nothing = kernel.no_rows(result.inputs)
    for name in ("workspaces", "builds", "decisions"):
        assert getattr(nothing, name).shape == (0, getattr(result.rows, name).shape[1]), name
    with_people = run(inhabited_fortnight_of_a_day(), 7)
    nothing = kernel.no_rows(with_people.inputs)
    for name in ("owned", "lives", "stories"):
        assert getattr(nothing, name).shape == (0, getattr(with_people.rows, name).shape[1]), name
    assert nothing.claims.shape == with_people.rows.claims.shape


def inhabited_fortnight_of_a_day() -> Scenario:
    given = inhabited_fortnight()
    return replace(given, end_at=given.start_at + DAY_US, events=())


@pytest.mark.parametrize("people", [True, False])
def test_rows_that_grow_with_people_are_kept(people: bool, monkeypatch):
    given = inhabited_fortnight_of_a_day() if people else busy_week(hours=24)
    given = replace(given, behaviour=BEHAVIOURS["v2.24"])
    roomy = run(given, 7).rows
    empty_world, empty_lives = kernel.empty_world, kernel.empty_lives
    monkeypatch.setattr(
        kernel,
        "empty_world",
        lambda inputs: (world := empty_world(inputs))._replace(
            workspaces=world.workspaces[:1], builds=world.builds[:1], decisions=world.decisions[:1]
        ),
    )
    monkeypatch.setattr(
        kernel, "empty_lives", lambda *given: (one := empty_lives(*given))._replace(stories=one.stories[:1])
    )
    for some, same in zip(roomy, run(given, 7).rows, strict=True):
        np.testing.assert_array_equal(some, same)


def test_what_the_reaper_ends_is_seen_by_the_tick_after_it():
    """Nobody takes the job of the first prebuild: it is ended at a whole minute, at which the pool had its tick."""
    given = scenario(Preset("p", 1), hours=1, provisioners=(Daemons(1),), prebuild_tags=(("pool", "prebuilds"),))
    created = run(given).rows.workspaces[:, W_CREATED] - MONDAY_AT
    assert created.tolist() == [0, 32 * MINUTE_US]
    assert run(given).rows.builds[0, B_COMPLETED] - MONDAY_AT == 31 * MINUTE_US


def test_at_one_instant_a_job_ends_before_a_claim_and_the_tick_comes_after_it():
    workload = Workload(constant(10 * MINUTE_US), constant(0))
    at = MONDAY_AT + 10 * MINUTE_US
    rows = run(scenario(Preset("p", 1), hours=1, claims=((at, "p"),), workload=workload)).rows
    assert rows.claims[:, C_HIT].tolist() == [1], "it is built in the instant in which somebody asks"
    assert (rows.workspaces[:, W_CREATED] - MONDAY_AT).tolist() == [0, 10 * MINUTE_US], "the tick has seen the claim"
    emptied = scenario(
        Preset("p", 1),
        hours=1,
        claims=((at, "p"),),
        workload=workload,
        events=(Activate(at, TemplateVersion("t", "v2", ())),),
    )
    assert run(emptied).rows.claims[:, C_HIT].tolist() == [0], "the event comes first"


def test_an_event_at_the_very_end_happens_and_one_after_it_does_not():
    after = TemplateVersion("t", "v2", (Preset("p", 3),))
    for late, created in ((0, 4), (1, 1)):
        given = scenario(Preset("p", 1), hours=1)
        given = replace(given, events=(Activate(given.end_at + late, after),))
        assert len(run(given).rows.workspaces) == created
