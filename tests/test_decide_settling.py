"""How many replications are enough, and that the interval at the end covers as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simkit.decide.settling import FIRST, enough, enough_later, replications_for, settled_interval
from simkit.estimates import mean_interval, t_quantile

REPETITIONS = 2000


def test_so_many_replications_as_steins_rule_asks_for():
    first = np.tile([-1.0, 1.0], 10)
    spread = first.std(ddof=1)
    wanted = (t_quantile(19) * spread / 0.1) ** 2
    assert replications_for(first, 0.1) == math.ceil(wanted)
    assert replications_for(first, 10.0) == 20, "the first stage is enough"


def test_a_difference_beyond_doubt_needs_no_more_and_one_that_just_is_real_does():
    noise = np.tile([-1.0, 1.0], 10)
    edge = t_quantile(19, 0.999) * noise.std(ddof=1) / math.sqrt(20)
    assert replications_for(noise + edge * 1.01, 1e-3) == 20
    assert replications_for(noise - edge * 1.01, 1e-3) == 20
    assert replications_for(noise + edge * 0.99, 1e-3) > 1e6


def test_equal_values_need_no_more_and_a_width_of_nothing_is_never_reached():
    assert replications_for([3.0] * 5, 0.0) == 5
    assert replications_for([0.0] * 5, 0.0) == 5
    assert replications_for([1.0, -1.0], 0.0) == math.inf


@pytest.mark.parametrize(("spread", "half", "least"), [(1.0, 0.5, 2), (3.0, 0.1, 10), (0.2, 5.0, 7), (10.0, 3.1, 4)])
def test_what_is_needed_later_is_the_least_number_that_suffices(spread: float, half: float, least: int):
    found = enough_later(spread, half, least)
    assert found >= least
    assert t_quantile(int(found) - 1) * spread / math.sqrt(found) <= half
    if found > least:
        assert t_quantile(int(found) - 2) * spread / math.sqrt(found - 1) > half


def test_no_number_is_enough_for_no_width():
    assert enough_later(1.0, 0.0, 5) == math.inf
    assert enough_later(0.0, 0.0, 5) == 5
    assert enough(0.0, 0.0, 2.0) == 1


def test_the_interval_has_the_first_stages_deviation_and_the_mean_of_all():
    values = np.array([1.0, 2.0, 3.0, 10.0])
    mean, low, high = settled_interval(values, 3)
    assert mean == 4.0
    assert (high - mean, mean - low) == pytest.approx([4.302653 / 2] * 2)
    assert settled_interval(values, 4) == pytest.approx(mean_interval(values))
    assert math.isnan(settled_interval([1.0], 1).low)


def stopped(rng: np.random.Generator, mean: float, half: float, skewed: bool) -> tuple[float, float, int]:
    """The interval after two stages of values with this mean and a deviation of 1, and how many there were."""

    def values(count: int) -> np.ndarray:
        drawn = (rng.gamma(4.0, size=count) - 4) / 2 if skewed else rng.standard_normal(count)
        return mean + drawn

    first = values(FIRST)
    total = int(replications_for(first, half))
    interval = settled_interval(np.concatenate([first, values(total - FIRST)]), FIRST)
    return interval.low, interval.high, total


# At 0.87 half of the first stages are beyond doubt: where looking at the mean costs most.
@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("mean", [0.0, 0.2, 0.5, 0.87, 1.1, 3.0])
def test_two_stages_keep_the_confidence_whatever_the_true_difference(mean: float, skewed: bool):
    rng = np.random.default_rng(20260301)
    found = [stopped(rng, mean, 0.2, skewed) for _ in range(REPETITIONS)]
    covered = sum(low <= mean <= high for low, high, _ in found) / REPETITIONS
    assert 0.93 <= covered <= 0.97, covered
    assert all(high - low <= 0.4 + 1e-9 or low > 0 or high < 0 for low, high, total in found if total > FIRST)
