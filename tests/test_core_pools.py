"""Pools, jobs and claims: nothing is lost, nothing happens twice, and each rule acts when it is due."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conformance_kernel import put, world_of
from hypothesis import given
from scenarios import MONDAY_AT, scenario, scenarios
from uncompiled import pools

from simkit.clock import HOUR_US, MINUTE_US, NEVER, SECOND_US
from simkit.coder_versions import BEHAVIOURS, behaviour_of
from simkit.core import facts
from simkit.core.facts import (
    B_COMPLETED,
    B_CREATED,
    B_HUMAN,
    B_NUMBER,
    B_READY,
    B_STARTED,
    B_STATUS,
    B_TRANSITION,
    B_WORKSPACE,
    C_BUILD,
    C_HIT,
    C_WORKSPACE,
    D_AT,
    D_BACKOFF_UNTIL,
    D_CANCELED,
    D_CREATED,
    D_DELETED_EXPIRED,
    D_DELETED_OLDEST,
    D_HARD_LIMITED,
    W_BUILD,
    W_CLAIMED,
    W_CREATED,
    W_DELETED,
    W_ORDINAL,
    W_OWNER,
)
from simkit.core.numbers import CANCELED, DELETE, FAILED, NONE, PENDING, RUNNING, START, SUCCEEDED
from simkit.model import (
    Activate,
    Daemons,
    Pause,
    Preset,
    Reconciler,
    Resume,
    Schedule,
    Tags,
    TemplateVersion,
    Workload,
    constant,
)
from simkit.runs.result import Result
from simkit.runs.simulate import run


def columns(table: np.ndarray, *which: int) -> list[tuple[int, ...]]:
    return [tuple(row) for row in table[:, list(which)].tolist()]


def minutes(at: np.ndarray) -> list[int | None]:
    """Instants as whole minutes of the scenario; None: not yet."""
    return [None if a == NEVER else (a - MONDAY_AT) // MINUTE_US for a in at.tolist()]


QUICK = Workload(constant(2 * MINUTE_US), constant(0), constant(MINUTE_US), constant(0), constant(MINUTE_US))


@given(given=scenarios())
def test_every_workspace_ends_as_exactly_one_thing_and_the_builds_agree(given):
    workspaces, builds, claims, decisions, *_ = run(given).rows
    owned = workspaces[:, W_OWNER] != NONE
    deleted = workspaces[:, W_DELETED] != NEVER
    last = builds[workspaces[:, W_BUILD]]
    prebuild = ~owned & ~deleted & (last[:, B_TRANSITION] == START)
    in_progress = np.isin(last[:, B_STATUS], (PENDING, RUNNING))
    ends = np.stack(
        [
            owned,
            deleted,
            ~owned & ~deleted & (last[:, B_TRANSITION] == DELETE) & (in_progress | (last[:, B_STATUS] == FAILED)),
            prebuild & in_progress,
            prebuild & (last[:, B_STATUS] == SUCCEEDED),
            prebuild & (last[:, B_STATUS] == FAILED),
        ]
    )
    assert (ends.sum(axis=0) == 1).all()

    of_prebuilds = ~owned | (workspaces[:, W_CLAIMED] != NEVER)
    assert decisions[:, D_CREATED].sum() == of_prebuilds.sum()
    assert decisions[:, D_CANCELED].sum() == (builds[:, B_STATUS] == CANCELED).sum()
    removed = decisions[:, [D_DELETED_EXPIRED, D_DELETED_OLDEST]].sum()
    if given.behaviour.deletes_canceled:
        removed += decisions[:, D_CANCELED].sum()
    # What failed is deleted by an operator, who is a person; the rest by the reconciler.
    cleared = ((builds[:, B_TRANSITION] == DELETE) & (builds[:, B_HUMAN] == 1)).sum()
    assert removed + cleared == (builds[:, B_TRANSITION] == DELETE).sum()
    # A workspace is built once, and once more if it is claimed or deleted.
    assert len(builds) == len(workspaces) + removed + cleared + claims[:, C_HIT].sum()
    assert (np.bincount(builds[:, B_WORKSPACE], minlength=len(workspaces)) == last[:, B_NUMBER]).all()


@given(given=scenarios())
def test_every_claim_has_a_workspace_of_its_own(given):
    result = run(given)
    workspaces, builds, claims, *_ = result.rows
    asked = result.inputs.claims
    assert sorted(claims[:, C_WORKSPACE]) == sorted(np.flatnonzero(workspaces[:, W_OWNER] != NONE))
    taken = workspaces[claims[:, C_WORKSPACE]]
    build = builds[claims[:, C_BUILD]]
    hit = claims[:, C_HIT] == 1
    assert (taken[:, W_OWNER] == np.arange(len(claims))).all()
    assert (build[:, B_CREATED] == asked[:, facts.A_AT]).all()
    assert (build[:, B_NUMBER] == 1 + hit).all()
    assert (taken[hit, W_CLAIMED] == asked[hit, facts.A_AT]).all()
    assert (taken[~hit, W_CREATED] == asked[~hit, facts.A_AT]).all()
    first = {int(w): i for i, w in reversed(list(enumerate(builds[:, B_WORKSPACE])))}
    ready_at = np.array([builds[first[int(w)], B_READY] for w in claims[hit, C_WORKSPACE]])
    assert (ready_at <= asked[hit, facts.A_AT]).all(), "a claimed prebuild was ready"
    assert (taken[:, facts.W_PRESET] == asked[:, facts.A_PRESET]).all()


def test_a_pool_is_filled_at_the_first_tick_and_again_at_the_tick_after_a_claim():
    claimed_at = MONDAY_AT + 10 * MINUTE_US + SECOND_US
    result = run(scenario(Preset("p", 2), claims=((claimed_at, "p"),), workload=QUICK))
    assert minutes(result.rows.workspaces[:, W_CREATED]) == [0, 0, 11]
    assert columns(result.rows.claims, C_WORKSPACE, C_HIT) == [(0, 1)]


def test_a_claim_of_an_empty_pool_builds_a_workspace_cold():
    result = run(scenario(Preset("p", 0), claims=((MONDAY_AT + MINUTE_US, "p"),), workload=QUICK))
    assert columns(result.rows.claims, C_HIT) == [(0,)]
    assert minutes(result.rows.builds[:, B_READY]) == [3]


@pytest.mark.parametrize(("order", "taken"), [("oldest", 0), ("newest", 1)])
def test_a_claim_takes_the_oldest_or_the_newest_that_is_ready(order, taken):
    grows = Preset("p", 1, timezone="UTC", schedules=(Schedule("* 1 * * *", 2),))
    claims = ((MONDAY_AT + HOUR_US + 30 * MINUTE_US, "p"),)
    result = run(scenario(grows, claims=claims, claim_order=order, workload=QUICK))
    assert result.rows.claims[0, C_WORKSPACE] == taken


def test_a_claim_does_not_take_what_has_no_ready_agent():
    slow_agent = Workload(constant(2 * MINUTE_US), constant(5 * MINUTE_US))
    claims = ((MONDAY_AT + 7 * MINUTE_US - 1, "p"), (MONDAY_AT + 7 * MINUTE_US, "p"))
    result = run(scenario(Preset("p", 1), claims=claims, workload=slow_agent))
    assert result.rows.claims[:, C_HIT].tolist() == [0, 1]


def deletions(result: Result) -> list[tuple[int, int]]:
    """(workspace, minute) of each delete build."""
    builds = result.rows.builds[result.rows.builds[:, B_TRANSITION] == DELETE]
    return list(zip(builds[:, B_WORKSPACE].tolist(), minutes(builds[:, B_CREATED]), strict=True))


def test_a_prebuild_is_replaced_at_the_first_tick_after_its_ttl():
    result = run(scenario(Preset("p", 1, ttl_us=HOUR_US), hours=2, workload=QUICK))
    assert deletions(result) == [(0, 61)]
    assert minutes(result.rows.workspaces[:, W_CREATED]) == [0, 61]


def test_the_oldest_go_when_fewer_are_desired():
    shrinks = Preset("p", 1, timezone="UTC", schedules=(Schedule("* 0 * * *", 3),))
    assert deletions(run(scenario(shrinks, workload=QUICK))) == [(0, 60), (1, 60)]


def test_a_failed_prebuild_stays_and_holds_the_preset_back():
    # One that fails at minute 2: until a minute after its creation, which is over by then, so the next is made at once.
    failing = Workload(constant(2 * MINUTE_US), failing_builds=(1,))
    result = run(scenario(Preset("p", 1), hours=1, workload=failing))
    assert result.rows.workspaces[:, W_ORDINAL].tolist() == [1, 2]
    assert minutes(result.rows.workspaces[:, W_CREATED]) == [0, 2]
    assert result.rows.builds[:, B_STATUS].tolist() == [FAILED, SUCCEEDED]
    # Three that fail at minute 1 in a pool of three: until three minutes after their creation.
    failing = Workload(constant(MINUTE_US), failing_builds=(1, 2, 3))
    result = run(scenario(Preset("p", 3), hours=1, workload=failing))
    held = [(at, until) for at, until in columns(result.rows.decisions, D_AT, D_BACKOFF_UNTIL) if until != NEVER]
    assert held == [(MONDAY_AT + MINUTE_US, MONDAY_AT + 3 * MINUTE_US)]


def test_three_failures_in_a_row_are_the_hard_limit():
    result = run(scenario(Preset("p", 1), hours=12, workload=Workload(failure_probability=1.0)))
    assert result.rows.builds[:, B_STATUS].tolist() == [FAILED] * 3
    assert minutes(result.rows.decisions[result.rows.decisions[:, D_HARD_LIMITED] == 1, D_AT]) == [10]


@pytest.mark.parametrize(("after_us", "cleared"), [(HOUR_US, 61), (90 * MINUTE_US, 91), (90 * MINUTE_US - 1, 90)])
def test_an_operator_who_deletes_failed_prebuilds_ends_the_hard_limit(after_us: int, cleared: int):
    failing = Workload(failing_builds=(1, 2, 3), failed_cleared_after_us=after_us)
    result = run(scenario(Preset("p", 1), hours=3, workload=failing))
    created = minutes(result.rows.workspaces[:, W_CREATED])
    # The first to go leaves two failures among the newest, and the pool is built in the same tick.
    assert created == [0, 3, 6, cleared]
    assert deletions(result) == [(i, at + cleared) for i, at in enumerate(created[:3])]
    deleting = result.rows.builds[result.rows.builds[:, B_TRANSITION] == DELETE]
    assert (deleting[:, B_HUMAN] == 1).all(), "an operator is a person, whose jobs go first"
    assert minutes(result.rows.decisions[result.rows.decisions[:, D_HARD_LIMITED] == 1, D_AT]) == [10]


def test_nobody_deletes_failed_prebuilds_unless_the_scenario_says_so():
    result = run(scenario(Preset("p", 1), hours=100, workload=Workload(failing_builds=(1, 2, 3))))
    assert len(result.rows.builds) == 3


def test_a_new_version_empties_the_old_pool_and_fills_its_own():
    after = TemplateVersion("t", "v2", (Preset("p", 1),))
    result = run(scenario(Preset("p", 2), workload=QUICK, events=(Activate(MONDAY_AT + HOUR_US, after),)))
    assert deletions(result) == [(0, 60), (1, 60)]
    assert columns(result.rows.workspaces, facts.W_PRESET, W_CREATED)[2:] == [(1, MONDAY_AT + HOUR_US)]


@pytest.mark.parametrize(
    ("version", "canceled", "deleted"), [("v2.26", 0, 2), ("v2.28", 1, 1), ("v2.29", 1, 2), ("v2.35", 1, 2)]
)
def test_pending_jobs_of_an_old_version_are_cancelled_from_v2_28_on_and_deleted_by_a_job_from_v2_29_on(
    version, canceled, deleted
):
    after = TemplateVersion("t", "v2", ())
    result = run(
        scenario(
            Preset("p", 2),
            provisioner_daemons=1,
            workload=QUICK,
            behaviour=behaviour_of(version),
            events=(Activate(MONDAY_AT + MINUTE_US, after),),
        )
    )
    assert (result.rows.builds[:, B_STATUS] == CANCELED).sum() == canceled
    assert len(deletions(result)) == deleted
    assert (result.rows.workspaces[:, W_DELETED] != NEVER).all()


def above(result: Result) -> list[tuple[Any, ...]]:
    """(preset, minute) of each build that the quota ended."""
    builds = result.rows.builds[result.rows.builds[:, facts.B_ENDED] == facts.BY_QUOTA]
    assert (builds[:, B_STATUS] == FAILED).all()
    presets = result.rows.workspaces[builds[:, B_WORKSPACE], facts.W_PRESET]
    return list(zip(presets.tolist(), minutes(builds[:, B_COMPLETED]), strict=True))


def test_a_build_above_the_quota_fails_when_its_job_is_done_and_counts_as_a_failure():
    given = scenario(Preset("p", 3), hours=1, workload=replace(QUICK, daily_cost=4), prebuilds_quota=11)
    result = run(given)
    assert above(result)[0] == (0, 2), "two cost 8; the third is one too many"
    assert len(above(result)) == 3, "until the hard limit"
    jobs = result.tables["provisioner_jobs"]
    assert set(jobs["error"].tolist()) == {None, "insufficient quota"}
    assert result.tables["workspace_builds"]["daily_cost"].tolist() == [4, 4, 0, 0, 0]
    assert (result.rows.decisions[:, D_BACKOFF_UNTIL] != NEVER).any()
    assert above(run(replace(given, prebuilds_quota=12))) == above(run(replace(given, prebuilds_quota=None))) == []


def test_what_is_claimed_or_goes_leaves_room_in_the_quota_at_once():
    claims = ((MONDAY_AT + 10 * MINUTE_US, "p"),)
    given = scenario(Preset("p", 2), hours=1, claims=claims, workload=replace(QUICK, daily_cost=5), prebuilds_quota=10)
    assert above(run(given)) == [], "the claimed one is its new owner's, whose quota nobody plays"
    slow = replace(QUICK, daily_cost=5, delete=constant(30 * MINUTE_US))
    aged = scenario(Preset("p", 2, HOUR_US), hours=2, workload=slow, prebuilds_quota=10)
    assert len(deletions(run(aged))) == 2
    assert above(run(aged)) == [], "a deletion costs nothing, also while it lasts"


def test_presets_share_one_quota_and_a_failed_build_takes_nothing_of_it():
    workload = replace(QUICK, daily_cost=2, failing_builds=(1,))
    own = (("q", replace(QUICK, daily_cost=3)), ("free", replace(QUICK, daily_cost=0)))
    given = scenario(
        *(Preset(name, 2) for name in ("p", "q", "free")), hours=1, workload=workload, workloads=own, prebuilds_quota=7
    )
    result = run(replace(given, provisioner_daemons=9))
    # Of p one fails, one takes 2, of q one takes 3; another 3 is too much, another 2 of p is not.
    assert above(result)[0] == (1, 2)
    assert {preset for preset, _ in above(result)} == {1}


def canceled_at_noon(*daemons: Daemons, empty_us: int = 0, prebuild_tags: Tags = ()) -> tuple[Result, list[Any]]:
    """A pool of three at noon, of which the daemons are still at work or have not begun when another version comes a
    minute later: the run, and (workspace, created, started, completed) of each deletion, in minutes from then."""
    noon_at = MONDAY_AT + 12 * HOUR_US
    noon = Preset("p", 0, timezone="UTC", schedules=(Schedule("* 12 * * *", 3),))
    given = scenario(
        noon,
        hours=13,
        provisioners=daemons,
        prebuild_tags=prebuild_tags,
        workload=replace(QUICK, build=constant(10 * MINUTE_US), delete_canceled=constant(empty_us)),
        events=(Activate(noon_at + MINUTE_US, TemplateVersion("t", "v2", ())),),
    )
    result = run(given)
    builds = result.rows.builds[result.rows.builds[:, B_TRANSITION] == DELETE]
    rows = columns(builds, B_WORKSPACE, B_CREATED, B_STARTED, B_COMPLETED)
    return result, [(w, *(NEVER if at == NEVER else (at - noon_at) // MINUTE_US for at in times)) for w, *times in rows]


def test_the_empty_job_of_what_was_cancelled_waits_for_a_daemon_and_takes_it():
    result, deleted = canceled_at_noon(Daemons(1), empty_us=3 * MINUTE_US)
    assert deleted == [(1, 1, 10, 13), (2, 1, 13, 16), (0, 10, 16, 17)], "the first is built, then deleted"
    gone = result.tables["workspaces"]
    assert gone["deleted"].tolist() == [True] * 3
    # Nothing was ever there of the two.
    spans = result.ask("hours").iloc[0]
    assert spans["deleting_hours"] * 60 == pytest.approx(7)


def test_an_empty_job_of_no_time_waits_for_its_daemon_all_the_same():
    _, deleted = canceled_at_noon(Daemons(1))
    assert deleted == [(1, 1, 10, 10), (2, 1, 10, 10), (0, 10, 10, 11)]


def test_coder_itself_deletes_what_was_cancelled_where_no_daemon_could():
    elsewhere = (("pool", "elsewhere"),)
    result, deleted = canceled_at_noon(Daemons(1), empty_us=3 * MINUTE_US, prebuild_tags=elsewhere)
    assert deleted == [(w, 1, 1, 1) for w in range(3)]
    assert result.tables["workspaces"]["deleted"].all()
    _, deleted = canceled_at_noon(Daemons(1), Daemons(1, elsewhere), prebuild_tags=elsewhere)
    assert [row[2] for row in deleted] == [10, 10, 10], "a daemon with the tags is alive, though busy"


def test_a_paused_reconciler_does_nothing_and_ticks_on_when_it_is_resumed():
    claims = ((MONDAY_AT + 20 * MINUTE_US, "p"),)
    events = (Pause(MONDAY_AT + 10 * MINUTE_US), Resume(MONDAY_AT + 30 * MINUTE_US + SECOND_US))
    result = run(scenario(Preset("p", 1), claims=claims, workload=QUICK, events=events))
    assert minutes(result.rows.workspaces[:, W_CREATED]) == [0, 31]


@pytest.mark.parametrize(("version", "created"), [("v2.24", [0, 12]), ("v2.26", [0, 12]), ("v2.35", [0, 10])])
def test_a_claims_build_counts_as_starting_where_the_prebuilds_user_initiates_it(version, created):
    workload = Workload(constant(MINUTE_US), constant(0), claim=constant(2 * MINUTE_US))
    claims = ((MONDAY_AT + 10 * MINUTE_US, "p"),)
    given = scenario(Preset("p", 1), claims=claims, workload=workload, behaviour=BEHAVIOURS[version])
    assert minutes(run(given).rows.workspaces[:, W_CREATED]) == created


@pytest.mark.parametrize(
    ("failing", "claimed", "held_from"),
    [(1, (6, 6, 6), 6), (4, (30, 31), 61)],
    ids=["all that are newer are claimed", "and are deleted when none are wanted"],
)
def test_a_failure_holds_back_from_the_tick_on_at_which_it_is_among_the_newest_again(failing, claimed, held_from):
    # Base of one: a single newer prebuild hides a failure.
    given = scenario(
        Preset("p", 1, timezone="UTC", schedules=(Schedule("* 0 * * *", 3), Schedule("* 1 * * *", 0))),
        claims=tuple((MONDAY_AT + at * MINUTE_US, "p") for at in claimed),
        workload=replace(QUICK, claim=constant(MINUTE_US), failing_builds=(failing,)),
        reconciler=Reconciler(backoff_interval_us=2 * HOUR_US),
        behaviour=BEHAVIOURS["v2.26"],
    )
    decisions = run(given).rows.decisions
    assert minutes(decisions[decisions[:, D_BACKOFF_UNTIL] != NEVER, D_AT])[:1] == [held_from]


def test_a_random_claim_takes_any_that_is_ready_and_no_other():
    grows = Preset("p", 2, timezone="UTC", schedules=(Schedule("* 1 * * *", 4),))
    workload = Workload(constant(2 * MINUTE_US), constant(20 * MINUTE_US))
    for minute, any_of in ((70, {0, 1}), (90, {0, 1, 2, 3})):
        claims = ((MONDAY_AT + minute * MINUTE_US, "p"),)
        given = scenario(grows, hours=2, claims=claims, claim_order="random", workload=workload)
        found = [run(given, seed).rows.claims[0].tolist() for seed in range(24)]
        assert {row[C_HIT] for row in found} == {1}
        assert {row[C_WORKSPACE] for row in found} == any_of
    none = scenario(grows, hours=2, claims=((MONDAY_AT + MINUTE_US, "p"),), claim_order="random", workload=workload)
    assert run(none).rows.claims[0, C_HIT] == 0


def test_only_a_prebuild_has_an_ordinal_and_each_build_counts_on_from_that_before_it():
    claims = ((MONDAY_AT + 10 * MINUTE_US, "p"), (MONDAY_AT + 10 * MINUTE_US, "p"))
    rows = run(scenario(Preset("p", 1), claims=claims, workload=QUICK)).rows
    assert rows.workspaces[:, W_ORDINAL].tolist() == [1, 0, 2], "the second claim is built cold"
    assert columns(rows.builds, B_WORKSPACE, B_NUMBER) == [(0, 1), (0, 2), (1, 1), (2, 1)]


@pytest.mark.parametrize(("newer", "held"), [(0, True), (1, True), (2, False)])
def test_a_failure_holds_back_while_fewer_than_the_base_number_are_newer(newer: int, held: bool):
    inputs, world = world_of(instances=2, backoff_us=HOUR_US, lookback_us=HOUR_US)
    put(world, facts.FAILED_LIST, 0, FAILED)
    for _ in range(newer):
        put(world, facts.RUNNING_LIST, 0, SUCCEEDED)
    assert bool(pools._backoff_until(inputs, world, 0, MINUTE_US)[0] != NEVER) is held


def test_a_backoff_is_over_after_its_last_instant_and_shorter_when_a_failure_leaves_the_lookback():
    inputs, world = world_of(instances=9, backoff_us=10, lookback_us=25)
    for at in (0, 5):
        put(world, facts.FAILED_LIST, at, FAILED)
    assert pools._backoff_until(inputs, world, 0, 25) == (25, 26), "two intervals from the newest"
    assert pools._backoff_until(inputs, world, 0, 26) == (NEVER, NEVER)
    inputs, world = world_of(instances=9, backoff_us=30, lookback_us=25)
    for at in (0, 5):
        put(world, facts.FAILED_LIST, at, FAILED)
    assert pools._backoff_until(inputs, world, 0, 20) == (65, 26), "at 26 the first is out of the lookback"
    assert pools._backoff_until(inputs, world, 0, 26) == (35, 31)
    world.state[0, facts.S_ACTIVE] = 0
    assert pools._backoff_until(inputs, world, 0, 20) == (NEVER, NEVER)


@pytest.mark.parametrize(
    ("limit", "failed", "newer", "limited"),
    [
        (3, 3, 0, True),
        (3, 2, 0, False),
        (3, 3, 1, False),
        (1, 1, 0, True),
        (0, 3, 0, False),
        (2, 3, 0, True),
    ],
)
def test_the_hard_limit_is_reached_when_the_newest_have_all_failed(limit: int, failed: int, newer: int, limited: bool):
    inputs, world = world_of(hard_limit=limit)
    put(world, facts.STARTING_LIST, 0, PENDING)
    for _ in range(failed):
        put(world, facts.FAILED_LIST, 0, FAILED)
    for _ in range(newer):
        put(world, facts.RUNNING_LIST, 0, SUCCEEDED)
    assert bool(pools._limited(inputs, world, 0)) is limited


def test_a_workspace_stands_in_a_list_by_its_creation_and_leaves_it_from_anywhere():
    _, world = world_of()
    ids = [int(pools.new_workspace(world, 0, NONE, 0, 0)) for _ in range(4)]

    def listed() -> list[int]:
        found, w = [], world.lists[1, facts.FIRST]
        while w != NONE:
            found.append(int(w))
            w = world.workspaces[w, facts.W_NEXT]
        back, w = [], world.lists[1, facts.LAST]
        while w != NONE:
            back.append(int(w))
            w = world.workspaces[w, facts.W_PREV]
        assert back[::-1] == found
        assert world.lists[1, facts.SIZE] == len(found)
        return found

    for one, expected in ((2, [2]), (0, [0, 2]), (1, [0, 1, 2]), (3, [0, 1, 2, 3])):
        pools.link(world, 1, one)
        assert listed() == expected
    for one, expected in ((1, [0, 2, 3]), (0, [2, 3]), (3, [2]), (2, [])):
        pools.unlink(world, 1, one)
        assert listed() == expected
    assert [row[facts.W_CREATED] for row in world.workspaces[ids].tolist()] == [0] * 4


def test_failing_ordinals_are_those_of_the_preset():
    own = (("one", Workload(failing_builds=(1, 3, 4, 8))), ("two", Workload(failing_builds=(2, 9))))
    given = scenario(Preset("one", 1), Preset("two", 1), workloads=own)
    inputs = run(given).inputs
    for preset, failing in enumerate(({1, 3, 4, 8}, {2, 9})):
        assert {ordinal for ordinal in range(12) if pools.fails(inputs, preset, ordinal, 0)} == failing


def test_the_next_tick_is_at_an_instant_or_after_it():
    assert [pools.tick_from(at, 3, 10) for at in (3, 4, 12, 13, NEVER)] == [3, 13, 13, 13, NEVER]


def test_a_pool_that_is_due_for_several_reasons_wakes_for_the_first():
    _, world = world_of()
    world.state[0, facts.S_WAKE] = world.counters[facts.NEXT_WAKE] = 50
    pools.wake(world, 0, 60)
    assert (world.state[0, facts.S_WAKE], world.counters[facts.NEXT_WAKE]) == (50, 50)
    pools.wake(world, 0, 40)
    assert (world.state[0, facts.S_WAKE], world.counters[facts.NEXT_WAKE]) == (40, 40)


def test_each_preset_takes_of_the_quota_what_it_costs_for_each_that_runs():
    own = (
        ("p", replace(QUICK, daily_cost=1)),
        ("q", replace(QUICK, daily_cost=10)),
        ("r", replace(QUICK, daily_cost=100)),
    )
    given = scenario(Preset("p", 2), Preset("q", 1), Preset("r", 3), hours=1, workloads=own, provisioner_daemons=9)
    assert above(run(replace(given, prebuilds_quota=312))) == []
    assert above(run(replace(given, prebuilds_quota=311)))[0] == (2, 2), "the last of the dearest is one too many"


@pytest.mark.parametrize(
    ("deletes", "failed", "ttl_us", "active", "wakes_at"),
    [
        (0, [20], 0, True, 90),
        (1, [], 0, True, 90),
        (1, [20], 0, True, 51),  # a failure may be among the newest again
        (1, [19], 0, True, 90),  # it is out of the lookback
        (2, [19, 20], 0, True, 51),
        (0, [], 30, True, 71),
        (0, [], 60, True, 90),
        (0, [], 1, True, 42),
        (0, [], 30, False, 90),
    ],
)
def test_a_pool_sleeps_until_something_can_be_decided_anew(
    deletes: int, failed: list[int], ttl_us: int, active: bool, wakes_at: int
):
    inputs, world = world_of(lookback_us=30)
    inputs.presets[0, facts.P_TTL], world.state[0, facts.S_ACTIVE] = ttl_us, active
    for at in failed:
        put(world, facts.FAILED_LIST, at, FAILED)
    for at in (40, 45):
        put(world, facts.RUNNING_LIST, at, SUCCEEDED)
    pools.sleep(inputs, world, 0, deletes, 90, 50)
    assert world.state[0, facts.S_WAKE] == wakes_at


@pytest.mark.parametrize(
    ("by_prebuilds", "failed", "wakes_at"), [(False, [], 50), (True, [], 90), (True, [20], 50), (True, [19], 90)]
)
def test_a_claim_wakes_its_pool_unless_its_build_counts_as_starting(by_prebuilds, failed, wakes_at):
    inputs, world = world_of(lookback_us=30)
    inputs = inputs._replace(settings=inputs.settings._replace(claims_by_prebuilds=by_prebuilds))
    world.state[0, facts.S_WAKE] = 90
    for at in failed:
        put(world, facts.FAILED_LIST, at, FAILED)
    pools.count_taken(inputs, world, 0, 50)
    assert world.state[0, [facts.S_WAKE, facts.S_CLAIMING]].tolist() == [wakes_at, int(by_prebuilds)]


@pytest.mark.parametrize(("desired", "limited"), [(1, True), (0, False)])
def test_the_hard_limit_begins_where_it_keeps_something_from_being_built(desired: int, limited: bool):
    inputs, world = world_of(desired_now=desired, hard_limit=1)
    put(world, facts.FAILED_LIST, 0, FAILED)
    for newly in (limited, False):
        verdict = pools.judge(inputs, world, None, 0, HOUR_US)
        assert (verdict.actions.create, bool(verdict.newly_limited)) == (0, newly)
        assert world.state[0, facts.S_HELD_LIMIT] == limited
