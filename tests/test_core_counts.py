"""The loop that keeps counts only, and the count of the kernel's rows, are equal to the last number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from scenarios import (
    MONDAY_AT,
    busy_week,
    inhabited_fortnight,
    scenario,
    scenarios,
    with_canceled_builds,
    with_workload,
)

from simkit.clock import HOUR_US, MINUTE_US, NEVER, Int64Array
from simkit.coder_versions import BEHAVIOURS
from simkit.core import counts, facts, kernel, tally
from simkit.model import Daemons, Preset, Scenario, Workload, constant
from simkit.runs.givens import givens


def edges_of(given: Scenario) -> Int64Array:
    """Periods of which some edges lie on ticks, one on neither tick nor second, and one before the end."""
    inside = given.start_at + np.array([HOUR_US + 1, 3 * HOUR_US, 4 * HOUR_US, 5 * HOUR_US + 1234567], dtype=np.int64)
    return np.array([given.start_at, *inside[inside < given.end_at], given.end_at], dtype=np.int64)


def countable(given: Scenario) -> Scenario:
    """The same without what is left to the kernel."""
    return replace(
        with_workload(given, failed_cleared_after_us=0),
        provisioners=(),
        version_tags=(),
        prebuild_tags=(),
        behaviour=replace(given.behaviour, executor_skips_prebuilds=True),
    )


def assert_as_counted_from_rows(given: Scenario, seed: int = 3) -> bool:
    """Is the loop's every count that of the kernel's rows? False if it left the run to the kernel."""
    of = givens(given, seed, 0)
    assert counts.can_count(of.inputs, of.people)
    rows = kernel.simulate(of.inputs)
    edges = edges_of(given)
    found = counts.count(of.inputs, edges)
    assert (found is None) == (rows.builds[:, facts.B_ENDED] == facts.BY_REAPER).any()
    if found is None:
        return False
    expected = tally.tally(of.inputs, rows, edges)
    # For how long people have their workspaces is counted in the whole window alone.
    both = slice(tally.N_CLAIMED)
    np.testing.assert_array_equal(found.cells[:, :, both], expected.cells[:, :, both], err_msg=f"seed {seed}")
    for name in ("asked", "hit", "ready_at", "queued_us", "limited_at", "limited_us"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    claimed_us = expected.cells[:, :, tally.N_CLAIMED].sum(axis=1)
    np.testing.assert_array_equal(counts.claimed_us(of.inputs, found), claimed_us, err_msg=f"seed {seed}")
    return True


@settings(max_examples=200)
@drawn(given=st.one_of(scenarios(), with_canceled_builds()))
def test_counts_are_those_of_the_kernels_rows(given: Scenario):
    assume(assert_as_counted_from_rows(countable(given)))


@pytest.mark.parametrize("version", sorted(BEHAVIOURS))
@pytest.mark.parametrize("seed", range(3))
def test_counts_of_a_busy_week_are_those_of_its_rows(version: str, seed: int):
    assert assert_as_counted_from_rows(countable(busy_week(version)), seed)


@pytest.mark.parametrize("order", ["oldest", "newest", "random"])
def test_rows_are_closed_up_and_added_without_a_difference(order: str, monkeypatch):
    """With room for nothing but what one tick may build, rows are closed up all the time, and run out at first."""
    given = replace(busy_week(), claim_order=order)
    empty_world = counts._empty_world
    monkeypatch.setattr(
        counts,
        "_empty_world",
        lambda *of: (world := empty_world(*of))._replace(workspaces=world.workspaces[:1]),
    )
    assert assert_as_counted_from_rows(given)


@pytest.mark.parametrize("daemons", [1, 2, 50])
def test_who_waits_for_a_daemon_is_counted_as_the_kernel_has_it(daemons: int):
    given = scenario(
        Preset("p", 6),
        Preset("q", 0),
        claims=tuple((MONDAY_AT + HOUR_US + i * MINUTE_US, "qp"[i % 2]) for i in range(6)),
        workload=Workload(build=constant(5 * MINUTE_US), delete=constant(MINUTE_US)),
        provisioner_daemons=daemons,
    )
    assert assert_as_counted_from_rows(given)


def test_a_run_in_which_the_reaper_acts_is_left_to_the_kernel():
    slow = Workload(build=constant(2 * HOUR_US))
    given = scenario(Preset("p", 3), workload=slow, provisioner_daemons=1)
    assert counts.count(givens(given, 0, 0).inputs, edges_of(given)) is None
    assert not assert_as_counted_from_rows(given)
    assert assert_as_counted_from_rows(replace(given, has_reaper=False))


def test_people_tags_and_operators_are_left_to_the_kernel():
    def can(given: Scenario) -> bool:
        of = givens(given, 0, 0)
        return counts.can_count(of.inputs, of.people)

    assert can(busy_week())
    assert can(replace(busy_week(), provisioners=(Daemons(1), Daemons(2)))), "groups that take all are as one"
    assert not can(inhabited_fortnight())
    assert not can(replace(busy_week(), workload=replace(busy_week().workload, failed_cleared_after_us=HOUR_US)))
    assert not can(
        replace(busy_week(), provisioners=(Daemons(2), Daemons(1, (("a", "b"),))), version_tags=(("c", "d"),))
    )


def test_groups_of_daemons_that_take_all_count_as_one():
    assert assert_as_counted_from_rows(replace(busy_week(), provisioners=(Daemons(1), Daemons(2))))


def test_a_span_counts_in_each_period_its_part_and_the_last_period_has_its_end():
    """One prebuild, built from 0:00 to 0:10, claimed when the window ends at 2:00."""
    end_at = MONDAY_AT + 2 * HOUR_US
    given = scenario(
        Preset("p", 1), hours=2, claims=((end_at, "p"),), workload=Workload(constant(10 * MINUTE_US), constant(0))
    )
    edges = MONDAY_AT + np.array([0, 4, 60, 120], dtype=np.int64) * MINUTE_US
    of = givens(given, 0, 0)
    for found in (counts.count(of.inputs, edges), tally.tally(of.inputs, kernel.simulate(of.inputs), edges)):
        assert found is not None
        (cells,) = found.cells.tolist()
        assert [row[tally.N_BUILDING] for row in cells] == [4 * MINUTE_US, 6 * MINUTE_US, 0]
        assert [row[tally.N_IDLE] for row in cells] == [0, 50 * MINUTE_US, 60 * MINUTE_US]
        assert [row[tally.N_HITS] for row in cells] == [0, 0, 1]
        assert [row[tally.N_BUILDS] for row in cells] == [1, 0, 1], "the next is built at once"


def test_what_lies_outside_of_the_periods_counts_nowhere():
    given = scenario(Preset("p", 1), hours=2, claims=((MONDAY_AT + HOUR_US, "p"),))
    edges = MONDAY_AT + np.array([30, 45], dtype=np.int64) * MINUTE_US
    of = givens(given, 0, 0)
    for found in (counts.count(of.inputs, edges), tally.tally(of.inputs, kernel.simulate(of.inputs), edges)):
        assert found is not None
        (row,) = found.cells[0].tolist()
        assert row[tally.N_IDLE] == 15 * MINUTE_US
        assert row[tally.N_CLAIMS] == row[tally.N_BUILDS] == row[tally.N_BUILDING] == 0
        assert found.hit.tolist() == [True], "a claim is known all the same"


def test_who_is_not_ready_within_the_window_is_never_ready():
    given = scenario(Preset("p", 0), hours=1, claims=((MONDAY_AT + 59 * MINUTE_US, "p"),))
    of = givens(given, 0, 0)
    found = counts.count(of.inputs, edges_of(given))
    assert found is not None
    assert (found.ready_at.tolist(), found.queued_us.tolist()) == ([NEVER], [0])
