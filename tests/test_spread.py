"""Quantiles over replications."""

from __future__ import annotations

import math

import pandas as pd

from simkit.spread import spread, spread_by, worst_presets


def test_a_spread_holds_nine_of_ten_values_that_happened():
    assert spread(range(1, 21)) == (1, 10, 19)
    assert spread([3.0, 1.0]) == (1, 1, 3)
    assert spread([5]) == (5, 5, 5)


def test_an_unknown_value_counts_as_none():
    assert spread([math.nan, 2.0]) == (2, 2, 2)
    assert all(math.isnan(bound) for bound in spread([]))


def test_a_column_is_spread_over_runs_in_the_order_of_the_answer():
    answer = pd.DataFrame({"run_id": ["a", "a", "b", "b"], "preset": ["z", "y"] * 2, "n": [1, 2, 3, 4]})
    assert spread_by(answer, ["preset"], "n").to_numpy().tolist() == [["z", 1, 1, 3], ["y", 2, 2, 4]]


def test_the_worst_presets_are_those_with_most_misses_in_their_own_order():
    summary = pd.DataFrame({"preset": list("abcab"), "claims": [9, 9, 9, 9, 9], "hits": [9, 7, 0, 9, 9]})
    assert worst_presets(summary, most=2) == ["b", "c"]
    assert worst_presets(summary) == ["a", "b", "c"]
