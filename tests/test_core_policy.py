"""Coder's rules one by one, at their edges. The conformance cases hold the answers of Coder's own code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simkit.core.numbers import MINUTE_US, SECOND_US
from simkit.core.policy import (
    Actions,
    Pool,
    backoff_until_at,
    extraneous,
    goes_first,
    is_above_quota,
    is_expired,
    is_hard_limited,
    is_reapable,
    reaping_lot,
    reconcile,
    starts_backoff,
)

NOT_INVALIDATED = -(2**62)
counts = st.integers(0, 20)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    actual = draw(counts)
    return Pool(draw(st.integers(-3, 20)), actual, draw(st.integers(0, actual)), draw(counts), draw(st.booleans()))


def test_an_expired_prebuild_is_replaced_in_the_same_tick():
    assert reconcile(Pool(desired=2, actual=2, expired=1, starting=0, active=True)) == Actions(1, 0, 1)


def test_what_is_starting_is_not_created_again():
    assert reconcile(Pool(desired=5, actual=1, expired=0, starting=3, active=True)) == Actions(0, 0, 1)


def test_surplus_is_deleted_though_something_is_starting():
    assert reconcile(Pool(desired=1, actual=3, expired=0, starting=2, active=True)) == Actions(0, 2, 0)


def test_an_inactive_preset_loses_the_unexpired_and_keeps_the_expired():
    assert reconcile(Pool(desired=0, actual=5, expired=2, starting=4, active=False)) == Actions(0, 3, 0)


def test_a_negative_number_desired_deletes_what_runs_and_no_more():
    assert reconcile(Pool(desired=-1, actual=3, expired=1, starting=0, active=True)) == Actions(1, 2, 0)
    assert reconcile(Pool(desired=-1, actual=0, expired=0, starting=0, active=True)) == Actions(0, 0, 0)
    # Coder's own report counts one more.
    assert extraneous(Pool(desired=-1, actual=3, expired=1, starting=0, active=True)) == 3


@given(pool=pools())
def test_no_more_is_deleted_than_runs_and_what_is_left_comes_to_the_number_desired(pool):
    do = reconcile(pool)
    assert min(do) >= 0
    left = pool.actual - do.delete_expired - do.delete_oldest
    assert left >= 0
    if pool.active:
        assert left <= max(pool.desired, 0)
        assert left + pool.starting + do.create >= pool.desired
        assert do.create == 0 or left + pool.starting + do.create == pool.desired


@pytest.mark.parametrize(("age", "expired"), [(99, False), (100, False), (101, True)])
def test_a_prebuild_still_lives_in_the_instant_it_turns_as_old_as_its_ttl(age, expired):
    assert is_expired(1000, 100, NOT_INVALIDATED, 1000 + age) is expired


def test_a_ttl_of_zero_never_expires():
    assert not is_expired(0, 0, NOT_INVALIDATED, 2**60)


@pytest.mark.parametrize(("created_at", "expired"), [(499, True), (500, False)])
def test_what_was_created_before_the_invalidation_counts_as_expired(created_at, expired):
    assert is_expired(created_at, 0, 500, 501) is expired


@pytest.mark.parametrize(
    ("failed_at", "newer", "instances", "held"),
    [
        (100, 0, 1, True),
        (99, 0, 1, False),  # before the lookback
        (100, 1, 1, False),  # no longer among the newest
        (100, 1, 2, True),
        (100, 0, 0, False),  # a base of 0 never backs off
    ],
)
def test_a_failure_holds_a_preset_back_while_it_is_recent_and_among_the_newest(failed_at, newer, instances, held):
    assert starts_backoff(failed_at, newer, instances, since_at=100) is held


def test_every_failure_in_the_lookback_adds_an_interval():
    assert [backoff_until_at(1000, failures, 60) for failures in (1, 2, 3)] == [1060, 1120, 1180]


@pytest.mark.parametrize(
    ("failed", "newer", "limit", "limited"),
    [(3, 0, 3, True), (2, 0, 3, False), (3, 1, 3, False), (9, 0, 0, False)],
)
def test_the_hard_limit_is_the_newest_n_all_failed(failed, newer, limit, limited):
    assert is_hard_limited(failed, newer, limit) is limited


def test_a_person_goes_before_a_prebuild_and_the_older_job_before_the_younger():
    assert goes_first(True, 9, False, 1)
    assert not goes_first(False, 1, True, 9)
    assert goes_first(False, 1, False, 9)
    assert not goes_first(True, 5, True, 5)


def test_the_shortest_ttl_of_all_is_one():
    assert is_expired(created_at=0, ttl_us=1, invalidated_at=NOT_INVALIDATED, now_at=2)
    assert not is_expired(created_at=0, ttl_us=1, invalidated_at=NOT_INVALIDATED, now_at=1)


def test_nothing_is_surplus_of_an_inactive_preset():
    assert extraneous(Pool(desired=0, actual=3, expired=1, starting=0, active=False)) == 0


@pytest.mark.parametrize(("is_started", "minutes"), [(True, 5), (False, 30)])
def test_a_job_may_be_silent_for_all_of_its_time_and_no_longer(is_started: bool, minutes: int):
    heard_at = 7 * MINUTE_US
    assert not is_reapable(is_started, heard_at, heard_at + minutes * MINUTE_US)
    assert is_reapable(is_started, heard_at, heard_at + minutes * MINUTE_US + 1)


@pytest.mark.parametrize(
    ("consumed", "daily_cost", "above"),
    [(5, 2, False), (6, 2, True), (7, 0, False), (9, 0, False), (0, 8, True), (7, 1, True), (6, 1, False)],
)
def test_a_build_takes_what_is_left_of_the_quota_and_no_more(consumed: int, daily_cost: int, above: bool):
    assert is_above_quota(consumed, daily_cost, 7) is above


def test_a_lot_belongs_to_a_job_and_a_second():
    at = 9 * SECOND_US
    assert reaping_lot(3, at) == reaping_lot(3, at + SECOND_US - 1)
    assert len({reaping_lot(3, at), reaping_lot(4, at), reaping_lot(3, at + SECOND_US), reaping_lot(3, at - 1)}) == 4
