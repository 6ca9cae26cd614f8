"""Quantiles over replications."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from simkit.estimates import mean_interval, share_interval, spread, spread_by, spreads, t_quantile


def test_a_spread_holds_nine_of_ten_values_that_happened():
    assert spread(range(1, 21)) == (1, 10, 19)
    assert spread([3.0, 1.0]) == (1, 1, 3)
    assert spread([5]) == (5, 5, 5)


def test_an_unknown_value_counts_as_none():
    assert spread([math.nan, 2.0]) == (2, 2, 2)
    assert all(math.isnan(bound) for bound in spread([]))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_many_spreads_at_once_are_those_of_each_group_by_nearest_rank(seed: int):
    rng = np.random.default_rng(seed)
    group_i, values = rng.integers(0, 30, 400), rng.normal(size=400)
    values[rng.random(400) < 0.2] = np.nan
    values[group_i == 7] = np.nan
    found = spreads(values, group_i, 32)
    for group in range(32):
        known = sorted(value for value in values[group_i == group] if value == value)
        ranks = [max(math.ceil(len(known) * percent / 100), 1) - 1 for percent in (5, 50, 95)]
        expected = [known[rank] for rank in ranks] if known else [math.nan] * 3
        np.testing.assert_equal(found[group].tolist(), expected, f"seed {seed}, group {group}")


def test_a_column_is_spread_over_runs_in_the_order_of_the_answer():
    answer = pd.DataFrame({"run_id": ["a", "a", "b", "b"], "preset": ["z", "y"] * 2, "n": [1, 2, 3, 4]})
    assert spread_by(answer, ["preset"], "n").to_numpy().tolist() == [["z", 1, 1, 3], ["y", 2, 2, 4]]


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (19, 2.0930), (99, 1.9842), (5000, 1.9604)],
)
def test_the_quantiles_of_students_t_are_those_of_the_tables(freedom, expected):
    assert t_quantile(freedom) == pytest.approx(expected, abs=6e-5)


def test_the_interval_of_a_mean_is_students():
    mean, low, high = mean_interval([1.0, 2.0, 3.0])
    assert (mean, high - mean) == pytest.approx((2, 4.302653 / math.sqrt(3)))
    assert mean - low == pytest.approx(high - mean)


def test_the_interval_of_a_share_is_that_of_the_tables():
    assert share_interval(8, 20) == pytest.approx((0.4, 0.191191, 0.639457), abs=1e-6)
    assert share_interval(0, 20) == pytest.approx((0.0, 0.0, 0.168433), abs=1e-6)
    assert share_interval(20, 20) == pytest.approx((1.0, 1 - 0.168433, 1.0), abs=1e-6)


def test_equal_values_have_an_interval_without_width_and_one_value_has_none():
    assert mean_interval([0.1, 0.1, 0.1]) == (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1))
    assert mean_interval([0.1, 0.1, 0.1]).low == mean_interval([0.1, 0.1, 0.1]).high
    assert math.isnan(mean_interval([0.1]).low)
    assert math.isnan(mean_interval([]).mean)
