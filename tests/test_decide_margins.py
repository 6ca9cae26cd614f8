"""How sure a hit rate is, against numbers by hand and against weeks that are drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simkit.decide.margins import Weeks, deviation_of_next, lower_limit, outlook, rate
from simkit.estimates import t_quantile


def test_the_deviation_of_the_next_quarter_is_that_of_residuals_over_both_spans():
    # Three weeks of 100 claims and 90, 80, 100 hits: rate 0.9, residuals 0, -10, 10; s = 10 claims, 0.1 as a rate.
    weeks = Weeks(np.array([90.0, 80.0, 100.0]), np.array([100.0, 100.0, 100.0]))
    assert rate(weeks) == pytest.approx(0.9)
    assert deviation_of_next(weeks, 13) == pytest.approx(0.1 * math.sqrt(1 / 3 + 1 / 13))
    low = lower_limit(weeks, 0.95, 13)
    assert low == pytest.approx(0.9 - 2.919986 * 0.1 * math.sqrt(1 / 3 + 1 / 13), abs=1e-6)  # t of 2 degrees, 95 %


def test_of_two_weeks_the_deviation_is_that_of_one_degree_of_freedom():
    weeks = Weeks(np.array([90.0, 100.0]), np.array([100.0, 100.0]))
    assert deviation_of_next(weeks, 13) == pytest.approx(math.sqrt(50) / 100 * math.sqrt(1 / 2 + 1 / 13))


@pytest.mark.parametrize(("misses", "missed"), [(0.0, 0.5 / 2001), (1.0, 1.5 / 2001)])
def test_weeks_without_a_miss_vary_as_misses_that_come_one_by_one(misses: float, missed: float):
    # Twenty weeks of 100 claims, and no miss, or one that is spread over all of them: Jeffreys' estimate of the share.
    weeks = Weeks(np.full(20, 100.0 - misses / 20), np.full(20, 100.0))
    expected = math.sqrt(missed * (1 - missed) / 100) * math.sqrt(1 / 20 + 1 / 13)
    assert deviation_of_next(weeks, 13) == pytest.approx(expected, rel=1e-9)


def test_weeks_of_more_claims_weigh_more():
    weeks = Weeks(np.array([10.0, 900.0]), np.array([100.0, 1000.0]))
    assert rate(weeks) == pytest.approx(910 / 1100)


def test_many_plans_at_once_are_each_by_itself():
    claims = np.array([50.0, 70.0, 60.0, 55.0])
    hits = np.array([[45.0, 60.0, 50.0, 50.0], [50.0, 70.0, 60.0, 55.0]])
    both = lower_limit(Weeks(hits, claims), 0.8)
    assert both == pytest.approx([float(lower_limit(Weeks(one, claims), 0.8)) for one in hits])
    assert 0.99 < both[1] < 1.0, "no miss was seen, which does not say that none will come"


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_next_quarter_is_not_below_the_limit_as_often_as_it_says(confidence: float):
    seed = 11
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    met = []
    for _ in range(2000):
        share = np.clip(rng.normal(0.93, 0.03, 26 + 13), 0, 1)
        claims = rng.integers(150, 400, 39)
        hits = rng.binomial(claims, share)
        limit = lower_limit(Weeks(hits[:26].astype(float), claims[:26].astype(float)), confidence)
        met.append(hits[26:].sum() / claims[26:].sum() >= limit)
    assert np.mean(met) == pytest.approx(confidence, abs=0.03)


def test_a_limit_for_quarters_that_are_busier_as_a_whole_holds_as_often_as_it_says():
    seed = 12
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    slope, met = -0.1, {0.0: [], 0.01: []}
    for _ in range(2000):
        volume = np.repeat(np.exp(rng.normal(0, 0.1, 2)), (26, 13))
        volume[:26] = 1.0
        claims = rng.poisson(280 * volume)
        hits = rng.binomial(claims, 0.93 + slope * np.log(volume)).astype(float)
        for of_volume, of in met.items():
            limit = lower_limit(Weeks(hits[:26], claims[:26].astype(float)), 0.8, of_volume=of_volume)
            of.append(hits[26:].sum() / claims[26:].sum() >= limit)
    assert np.mean(met[0.01]) == pytest.approx(0.8, abs=0.03)
    assert np.mean(met[0.0]) < 0.75, "otherwise this proves nothing"


def test_the_outlook_holds_weeks_and_volume_and_stays_a_share():
    weeks = Weeks(np.full(20, 99.0) + np.tile([0.0, 1.0], 10), np.full(20, 100.0))
    one = outlook(weeks, slope=-0.1, builds=0.001)
    assert one.of_volume == pytest.approx(0.01)
    half = t_quantile(19) * math.hypot(one.of_weeks, 0.01)
    assert 0.9 < one.interval.low < 0.995 - half, "a bad quarter multiplies the few misses"
    assert one.interval.high == 1.0
    assert outlook(weeks, slope=0.0, builds=0.0).interval.low > one.interval.low, "the slope widens it"


def test_what_a_plan_loses_on_other_weeks_lowers_the_outlook_and_widens_it():
    weeks = Weeks(np.full(26, 95.0) + np.tile([-2.0, 2.0], 13), np.full(26, 100.0))
    one, lossless = outlook(weeks, 0.0, 0.0, lost=0.01), outlook(weeks, 0.0, 0.0)
    assert one.interval.mean == pytest.approx(lossless.interval.mean - 0.01)
    assert one.interval.high - one.interval.low > lossless.interval.high - lossless.interval.low


@pytest.mark.parametrize("share", [0.003, 0.01, 0.05])
def test_the_interval_holds_rare_misses_that_come_one_by_one(share: float):
    seed = 12
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    held = []
    for _ in range(1000):
        claims = rng.poisson(50, 39).astype(float)
        hits = claims - rng.binomial(claims.astype(int), share)
        one = outlook(Weeks(hits[:26], claims[:26]), 0.0, 0.0).interval
        held.append(one.low <= hits[26:].sum() / claims[26:].sum() <= one.high)
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize(
    ("hits", "slope", "lost", "low", "high"),
    [
        # t of 2 degrees is 4.302653, the deviation of weeks 0.0640513: 0.275590 to each side, where misses are many.
        ((40.0, 50.0, 60.0), 0.0, 0.0, 0.224409, 0.775591),
        # A plan that is worth less, and more or fewer people: 0.49, and 4.302653 * hypot(0.01, 0.05) besides.
        ((40.0, 50.0, 60.0), -0.5, 0.01, 0.137745, 0.842255),
        # Where misses are few, the odds of their share m, 30.5 of 301, are multiplied by exp(0.275590 / (m (1 - m))).
        ((80.0, 90.0, 100.0), 0.0, 0.0, 0.302047, 1.0),
        # And of a plan that loses a twentieth of what it had: 0.15 are missed, and 4.302653 * 0.05 comes besides.
        ((80.0, 90.0, 100.0), 0.0, 0.05, 0.346585, 1.0),
    ],
)
def test_the_outlook_is_by_hand(hits: tuple[float, ...], slope: float, lost: float, low: float, high: float):
    found = outlook(Weeks(np.array(hits), np.full(3, 100.0)), slope=slope, builds=0.0, lost=lost)
    assert found.of_weeks == pytest.approx(0.1 * math.sqrt(1 / 3 + 1 / 13))
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=2e-5)


@pytest.mark.parametrize("lost", [0.0, 0.1])
def test_where_nobody_found_anything_nothing_is_promised(lost: float):
    found = outlook(Weeks(np.zeros(3), np.full(3, 100.0)), slope=0.0, builds=0.0, lost=lost)
    assert found.interval.low == 0.0
    assert found.interval.mean == -lost
