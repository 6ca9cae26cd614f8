"""One row for all replications: the median and the spread of each number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from weekend import scenario

import simkit
from simkit.estimates import spread
from simkit.store import ask
from simkit.store.replications import over_replications

RUNS = pd.DataFrame(
    {
        "run_id": [f"r{i}" for i in range(5)],
        "scenario": ["a", "a", "a", "b", "a"],
        "seed": [1, 1, 1, 1, 2],
        "replication": [0, 1, 2, 0, 0],
    }
)


def answer(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_numbers_become_median_and_spread_and_whole_ones_stay_whole():
    given = answer(run_id=["r0", "r1", "r2"], preset=["x"] * 3, claims=[5, 9, 7], rate=[0.5, np.nan, 0.25])
    (row,) = over_replications(given, ["preset"], RUNS).to_dict("records")
    assert row == {
        "scenario": "a", "seed": 1, "preset": "x", "runs": 3, "of_runs": 3,
        "claims_low": 5, "claims_median": 7, "claims_high": 9,
        "rate_low": 0.25, "rate_median": 0.25, "rate_high": 0.5,
    }  # fmt: skip
    assert over_replications(given, ["preset"], RUNS)["claims_low"].dtype == np.int64


def test_scenarios_and_seeds_are_kept_apart():
    given = answer(run_id=[f"r{i}" for i in range(5)], preset=["x"] * 5, claims=[1, 2, 3, 40, 500])
    found = over_replications(given, ["preset"], RUNS)
    assert found[["scenario", "seed", "of_runs", "claims_median"]].to_numpy().tolist() == [
        ["a", 1, 3, 2], ["a", 2, 1, 500], ["b", 1, 1, 40],
    ]  # fmt: skip


def test_a_row_that_some_runs_lack_says_how_many_have_it_and_has_its_place():
    given = answer(run_id=["r0", "r0", "r1"], preset=["z", "z", "z"], hour=[9, 11, 10], claims=[1, 2, 3])
    found = over_replications(given, ["preset", "hour"], RUNS)
    assert found[["hour", "runs", "of_runs"]].to_numpy().tolist() == [[9, 1, 3], [10, 1, 3], [11, 1, 3]]


def test_presets_stay_in_their_order():
    given = answer(run_id=["r0", "r0", "r1", "r1"], preset=["z", "b", "z", "b"], claims=[1, 2, 3, 4])
    assert over_replications(given, ["preset"], RUNS)["preset"].tolist() == ["z", "b"]


def test_what_is_no_number_is_told_where_all_agree():
    given = answer(run_id=["r0", "r1"], preset=["x", "x"], currency=["EUR", "EUR"], pooled=[True, False])
    found = over_replications(given, ["preset"], RUNS)
    assert (found["currency"][0], found["pooled"][0]) == ("EUR", None)


def test_whole_numbers_of_which_some_are_missing_are_summed_up_without_them():
    given = answer(run_id=["r0", "r1", "r2"], preset=["x", "x", "y"], misses=pd.array([4, None, None], dtype="Int64"))
    found = over_replications(given, ["preset"], RUNS)
    assert found["misses_median"].tolist() == [4, pd.NA]
    assert found["runs"].tolist() == [2, 1]


def test_rows_in_any_order_of_runs_belong_to_their_own():
    rng = np.random.default_rng(3)
    given = answer(
        run_id=[f"r{i}" for i in (0, 1, 2) for _ in range(20)],
        preset=["x"] * 60,
        hour=[hour for _ in range(3) for hour in rng.permutation(20)],
        claims=rng.integers(0, 99, 60).tolist(),
    )
    found = over_replications(given, ["preset", "hour"], RUNS)
    assert found["hour"].tolist() == list(range(20))
    for row in found.itertuples():
        mine = given[given["hour"] == row.hour]["claims"]
        assert (row.claims_low, row.claims_median, row.claims_high) == tuple(spread(mine)), "seed 3"


def test_an_answer_without_rows_has_the_columns():
    found = over_replications(answer(run_id=[], preset=[], claims=[]).astype({"claims": float}), ["preset"], RUNS)
    assert list(found) == [
        "scenario",
        "seed",
        "preset",
        "runs",
        "of_runs",
        "claims_low",
        "claims_median",
        "claims_high",
    ]


def test_real_replications_are_summed_up_as_each_number_alone_would_be():
    results = list(simkit.replicate(scenario(), 7, 4))
    whole, found = ask(results, "summary"), ask(results, "summary", over="replications")
    for preset, rows in whole.groupby("preset"):
        (mine,) = found[found["preset"] == preset].to_dict("records")
        assert (mine["runs"], mine["of_runs"]) == (4, 4)
        for name in ("claims", "hits", "hit_rate", "wait_p95_s", "idle_instance_hours"):
            expected = spread(rows[name])
            np.testing.assert_equal([mine[f"{name}_low"], mine[f"{name}_median"], mine[f"{name}_high"]], [*expected])


def test_two_scenarios_of_one_name_are_refused():
    first = scenario()
    other = replace(first, reconciler=replace(first.reconciler, interval_us=2 * first.reconciler.interval_us))
    results = [simkit.run(first, seed=7), simkit.run(other, seed=7)]
    with pytest.raises(simkit.StoreError, match="with seed 7 is there more than once, of other inputs: ") as caught:
        ask(results, "hit_rate", over="replications")
    assert all(result.run_id in str(caught.value) for result in results)
    one = ask(results, "hit_rate", results[0].run_id, over="replications")
    assert set(one["of_runs"]) == {1}, "one of them alone can be asked"
