"""Replications settle a bound, or say how many more of them would."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simkit.estimates import t_quantile
from simkit.templates.check.metrics import METRICS, judge
from simkit.templates.check.types import Bound


def test_a_limit_holds_if_the_whole_interval_is_on_its_good_side():
    values = [0.96, 0.97, 0.98]
    verdict, estimate = judge(Bound(at_least=0.94), values)
    half = 4.302653 * 0.01 / math.sqrt(3)
    assert verdict == "holds"
    assert (estimate.low, estimate.high) == pytest.approx((0.97 - half, 0.97 + half))
    assert (estimate.replications, estimate.needed) == (3, 0)
    assert judge(Bound(at_most=1), values)[0] == "holds"


def test_a_limit_fails_if_none_of_the_interval_is_on_its_good_side():
    assert judge(Bound(at_least=0.999), [0.96, 0.97, 0.98])[0] == "fails"
    assert judge(Bound(at_most=0.9), [0.96, 0.97, 0.98])[0] == "fails"
    assert judge(Bound(at_least=0.5, at_most=0.9), [0.96, 0.97, 0.98])[0] == "fails"


def test_a_limit_inside_the_interval_is_too_close_to_call_until_there_are_enough_replications():
    rng = np.random.default_rng(7)
    values = (0.95 + 0.02 * rng.standard_normal(10)).tolist()
    limit = float(np.mean(values)) - 0.004
    verdict, estimate = judge(Bound(at_least=limit), values)
    assert verdict == "open"
    spread = float(np.std(values, ddof=1))

    def half(n):
        return t_quantile(n - 1) * spread / math.sqrt(n)

    assert half(estimate.needed) < 0.004 <= half(estimate.needed - 1)


def test_a_limit_that_is_the_estimate_itself_is_never_settled():
    assert judge(Bound(at_least=2), [1, 2, 3])[1].needed is None


def test_an_exact_number_comes_out_of_every_replication():
    assert judge(Bound(exactly=0), [0, 0, 0])[0] == "holds"
    assert judge(Bound(exactly=0), [0, 0, 1])[0] == "fails"


def test_replications_that_are_all_alike_leave_no_doubt():
    verdict, estimate = judge(Bound(at_least=1), [1.0, 1.0, 1.0])
    assert (verdict, estimate.low, estimate.high) == ("holds", 1, 1)


def test_a_replication_without_a_value_is_left_out_and_none_at_all_fails():
    assert judge(Bound(at_least=1), [2.0, math.nan, 2.0])[1].replications == 2
    assert judge(Bound(at_least=1), [2.0, math.nan])[0] == "open"
    assert judge(Bound(at_least=1), [math.nan, math.nan]) == ("fails", None)


def test_a_share_below_its_limit_never_reads_as_if_it_had_reached_it():
    share = METRICS["hit_rate"]
    assert (share.show(0.94999), share.show(0.95), share.show(1)) == ("94.9 %", "95 %", "100 %")
    assert share.show_limit(0.9505) == "95.05 %"


def test_waits_are_read_as_durations_and_costs_as_numbers():
    assert METRICS["wait_p95"].show(90.44) == "90.4s"
    assert METRICS["wait_p95"].show(90) == "90s"
    assert METRICS["wait_p95"].show(3723.4) == "1h2m3s"
    assert METRICS["idle_cost_per_week"].show(1234.5) == "1,234.50"
