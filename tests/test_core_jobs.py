"""The queue of jobs and the daemons that take them: people first, one job at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conformance_kernel import world_of
from hypothesis import given
from one_person import one_person
from scenarios import MONDAY_AT, scenario, scenarios
from uncompiled import jobs, pools

from simkit.clock import HOUR_US, MINUTE_US, NEVER, SECOND_US
from simkit.coder_versions import BEHAVIOURS
from simkit.core import facts
from simkit.core.facts import (
    B_COMPLETED,
    B_CREATED,
    B_ENDED,
    B_HUMAN,
    B_STARTED,
    B_STATUS,
    B_WORKSPACE,
    BY_REAPER,
)
from simkit.core.numbers import CANCELED, FAILED, NONE, PENDING, RUNNING, START, STOP
from simkit.core.policy import reaping_lot
from simkit.model import Preset, TemplateSchedule, Workload, constant, empirical
from simkit.runs.simulate import run


def columns(table: np.ndarray, *which: int) -> list[tuple[int, ...]]:
    return [tuple(row) for row in table[:, list(which)].tolist()]


QUICK = Workload(constant(2 * MINUTE_US), constant(0), constant(MINUTE_US), constant(0), constant(MINUTE_US))


@given(given=scenarios())
def test_a_build_waits_for_a_daemon_and_no_daemon_does_two_at_once(given):
    result = run(given)
    builds, daemons = result.rows.builds, sum(group.count for group in given.daemons)
    created, started, completed, status = (builds[:, c] for c in (B_CREATED, B_STARTED, B_COMPLETED, B_STATUS))
    assert (started >= created).all()
    taken = started != NEVER
    assert (completed[taken] >= started[taken]).all()
    assert (np.isin(status[~taken], (PENDING, CANCELED))).all()
    assert ((completed == NEVER) == np.isin(status, (PENDING, RUNNING))).all()
    assert ((status == RUNNING) == (taken & (completed == NEVER))).all()
    # A job that ends makes room at that instant, so ends are counted first; jobs that take no time occupy nothing.
    lasting = taken & (completed > started)
    change = sorted([(at, 1) for at in started[lasting]] + [(at, -1) for at in completed[lasting] if at != NEVER])
    assert max(np.cumsum([step for _, step in change]), default=0) <= daemons
    # No one waits while a daemon is free at the end that could take the job.
    assert given.is_tagged or (status == PENDING).sum() == 0 or (status == RUNNING).sum() == daemons


@given(given=scenarios())
def test_prebuilds_jobs_wait_while_a_persons_job_does(given):
    builds = run(replace(given, provisioners=(), version_tags=(), prebuild_tags=())).rows.builds
    builds = builds[builds[:, B_ENDED] != BY_REAPER]
    taken = np.flatnonzero(builds[:, B_STARTED] != NEVER)
    for i in taken[builds[taken, B_HUMAN] == 0]:
        at = builds[i, B_STARTED]
        # Rows are in order of creation; a person's job that came after at this instant is no reason to wait.
        people = builds[:i][builds[:i, B_HUMAN] == 1]
        assert not (people[:, B_STARTED] > at).any()


def test_a_person_waits_for_no_prebuild_that_is_only_queued():
    claims = ((MONDAY_AT + SECOND_US, "p"),)
    result = run(scenario(Preset("p", 3), claims=claims, provisioner_daemons=1, workload=QUICK))
    assert columns(result.rows.builds, B_HUMAN, B_STARTED)[:4] == [
        (0, MONDAY_AT),
        (0, MONDAY_AT + 4 * MINUTE_US),
        (0, MONDAY_AT + 6 * MINUTE_US),
        (1, MONDAY_AT + 2 * MINUTE_US),
    ]


def test_a_start_of_later_takes_its_own_time_and_not_that_of_a_claim():
    workload = Workload(
        constant(2 * MINUTE_US),
        claim=constant(5 * MINUTE_US),
        stop=constant(3 * MINUTE_US),
        start=empirical(tuple(range(6 * MINUTE_US, 9 * MINUTE_US, SECOND_US))),
    )
    given = one_person((10, 10), (400, 400), (800, 800), instances=1, schedule=TemplateSchedule(HOUR_US)).scenario
    result = run(replace(given, workload=workload))
    mine = result.rows.builds[result.rows.builds[:, B_WORKSPACE] == 0]
    took = (mine[:, B_COMPLETED] - mine[:, B_STARTED]).tolist()
    assert took[:3] == [2 * MINUTE_US, 5 * MINUTE_US, 3 * MINUTE_US]
    assert took[4] == 3 * MINUTE_US
    assert all(6 * MINUTE_US <= one < 9 * MINUTE_US for one in (took[3], took[5]))
    assert took[3] != took[5], "each of them has a luck of its own"


def test_of_jobs_that_finish_at_one_instant_the_one_taken_first_finishes_first():
    _, world = world_of()
    world = world._replace(jobs=np.zeros((8, world.jobs.shape[1]), dtype=np.int64), free=np.array([3, 5]))
    for build, group, at in ((0, 0, 20), (1, 1, 10), (2, 1, 20), (3, 0, 30), (4, 1, 20)):
        jobs.begin_job(world, build, group, at)
    assert world.free.tolist() == [1, 2]
    assert [int(jobs.next_to_finish(world)) for _ in range(5)] == [1, 0, 2, 4, 3]
    assert world.free.tolist() == [3, 5]


def queued(*queues: int) -> Any:
    """A world in which one job after the other was put into these queues."""
    _, world = world_of()
    claims = np.zeros((1, world.claims.shape[1]), dtype=np.int64)
    world = world._replace(claims=claims)
    kinds = {
        facts.PEOPLE_FIRST: (0, True),
        facts.CLAIMS_FIRST: (0, False),
        facts.OPERATORS_FIRST: (NONE, True),
        facts.PREBUILDS_FIRST: (NONE, False),
    }
    for at, queue in enumerate(queues):
        owner, human = kinds[queue]
        pools.new_build(world, pools.new_workspace(world, 0, owner, 0, at), START, human, at)
    return world


def taken(world: Any, peoples: bool, prebuilds: bool) -> list[int]:
    return [int(i) for i in iter(lambda: jobs._next_job(world, peoples, prebuilds), NONE)]


def test_daemons_take_whose_tags_they_have_people_first_and_the_oldest_of_each():
    of = (facts.PREBUILDS_FIRST, facts.CLAIMS_FIRST, facts.OPERATORS_FIRST, facts.PEOPLE_FIRST) * 2
    assert taken(queued(*of), True, True) == [2, 3, 6, 7, 0, 1, 4, 5]
    assert taken(queued(*of), True, False) == [3, 7, 1, 5]
    assert taken(queued(*of), False, True) == [2, 6, 0, 4]
    assert taken(queued(*of), False, False) == []
    world = queued(*of)
    world.builds[[2, 4], B_STATUS] = CANCELED
    assert taken(world, True, True) == [3, 6, 7, 0, 1, 5], "what is cancelled is passed over"
    assert taken(queued(facts.CLAIMS_FIRST, facts.PREBUILDS_FIRST), True, True) == [0, 1]
    assert taken(queued(facts.PEOPLE_FIRST, facts.OPERATORS_FIRST), True, True) == [0, 1]


def test_the_reaper_comes_at_the_first_whole_minute_after_half_an_hour_and_after_its_last():
    half = 30 * MINUTE_US
    assert jobs.reap_after(0, -1) == half + MINUTE_US
    assert jobs.reap_after(-1, -1) == half
    assert jobs.reap_after(0, half + 5 * MINUTE_US) == half + 6 * MINUTE_US
    assert jobs.reap_after(1, 0) == half + MINUTE_US


def reaped_of(world: Any, now_at: int) -> list[int]:
    """The jobs that a run of the reaper ends, in order."""
    found = []
    for i in iter(lambda: int(jobs.next_to_reap(world, now_at)), NONE):
        found.append(i)
        assert world.builds[i, B_STARTED] == now_at
        assert world.builds[i, B_ENDED] == BY_REAPER
        world.builds[i, B_STATUS] = FAILED
    assert world.counters[facts.REAPED_AT] == now_at
    return found


def test_the_reaper_ends_the_ten_jobs_with_the_lowest_lots_in_order_of_the_queue():
    queues = (facts.PEOPLE_FIRST, facts.PREBUILDS_FIRST, facts.OPERATORS_FIRST, facts.CLAIMS_FIRST)
    world = queued(*(queues * 6))
    world.builds[3, B_STATUS] = RUNNING
    now_at = 23 + 30 * MINUTE_US  # the last was created just half an hour ago
    lots = sorted((reaping_lot(i + 1, now_at), i) for i in range(23) if i != 3)
    assert reaped_of(world, now_at) == sorted(i for _, i in lots[:10])
    assert reaped_of(world, now_at + 1) == sorted(
        [i for _, i in sorted((reaping_lot(i + 1, now_at + 1), i) for _, i in [*lots[10:], (0, 23)])[:10]]
    )
    assert len(reaped_of(world, now_at + SECOND_US)) == 3
    assert reaped_of(world, now_at + 2 * SECOND_US) == []


def test_of_jobs_with_one_lot_the_reaper_ends_the_oldest(monkeypatch):
    monkeypatch.setattr(jobs, "reaping_lot", lambda job, now_at: 7)
    world = queued(*((facts.PREBUILDS_FIRST, facts.PEOPLE_FIRST) * 7))
    assert reaped_of(world, 31 * MINUTE_US) == list(range(10))
    assert reaped_of(world, 32 * MINUTE_US) == [10, 11, 12, 13]


def test_the_reaper_is_expected_when_the_oldest_pending_job_has_waited_too_long():
    world = queued(facts.PREBUILDS_FIRST, facts.PREBUILDS_FIRST, facts.PEOPLE_FIRST)
    world.counters[facts.REAPED_AT] = 0
    world.builds[:3, B_CREATED] = 5 * MINUTE_US, 9 * MINUTE_US, 7 * MINUTE_US
    for taken_jobs, minute in (([], 36), ([0], 38), ([2], 40)):
        world.builds[taken_jobs, B_STATUS] = RUNNING
        jobs._expect_reaper(world)
        assert world.counters[facts.NEXT_REAP] == minute * MINUTE_US
    world.builds[1, B_STATUS] = RUNNING
    jobs._expect_reaper(world)
    assert world.counters[facts.NEXT_REAP] == NEVER


@pytest.mark.parametrize(
    "queue", [facts.PEOPLE_FIRST, facts.CLAIMS_FIRST, facts.OPERATORS_FIRST, facts.PREBUILDS_FIRST]
)
def test_the_reaper_is_expected_for_a_job_of_any_kind(queue: int):
    world = queued(queue)
    jobs._expect_reaper(world)
    assert world.counters[facts.NEXT_REAP] == 31 * MINUTE_US
    assert reaped_of(world, 31 * MINUTE_US) == [0]


def test_a_prebuild_that_is_stopped_takes_the_time_of_a_stop():
    stop = empirical(tuple(range(6 * MINUTE_US, 9 * MINUTE_US, SECOND_US)))
    given = scenario(
        Preset("p", 2),
        hours=3,
        behaviour=BEHAVIOURS["v2.24"],
        schedule=TemplateSchedule(HOUR_US),
        workload=Workload(constant(2 * MINUTE_US), stop=stop),
    )
    rows = run(given).rows.builds
    stops = rows[(rows[:, facts.B_TRANSITION] == STOP) & (rows[:, B_COMPLETED] != NEVER)]
    took = stops[:, B_COMPLETED] - stops[:, B_STARTED]
    assert ((took >= 6 * MINUTE_US) & (took < 9 * MINUTE_US)).all()
    assert len(set(took.tolist())) > 1, "each of them has a luck of its own"
