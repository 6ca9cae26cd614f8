"""What is fitted to durations and weeks: what did not end counts, what no lognormal is, is not called one."""

from __future__ import annotations

import numpy as np
import pytest

from simkit.deployment.durations import measure
from simkit.deployment.fits import SLICES, Durations, fit, quantile, sample, trend
from simkit.deployment.written import distribution
from simkit.estimates import rate_interval

NONE = np.zeros(0)
RANDOM = np.random.default_rng(7)


def lognormals(count: int) -> np.ndarray:
    """Seconds with a median of 100 and a 95th percentile of 200."""
    return 100e6 * np.exp(np.log(2) / 1.6448536 * RANDOM.standard_normal(count))


def test_what_had_not_ended_counts_as_longer_than_that():
    all_of_them, until = lognormals(2000), RANDOM.uniform(0, 200e6, 2000)
    ended = all_of_them <= until
    found = fit(Durations(all_of_them[ended], until[~ended]))
    assert found is not None
    assert (found.family, found.count, found.censored) == ("lognormal", 2000, int((~ended).sum()))
    assert found.median.low <= 100e6 <= found.median.high
    assert found.p95.low <= 200e6 <= found.p95.high
    assert np.median(all_of_them[ended]) < found.median.low, "without them the short ones alone would be left"
    low, high = quantile(Durations(all_of_them[ended], until[~ended]), 0.5)[1:]
    assert low <= 100e6 <= high


def test_two_humps_are_no_lognormal_and_their_quantiles_are_written():
    humps = np.sort(np.concatenate([RANDOM.normal(60e6, 2e6, 300), RANDOM.normal(600e6, 9e6, 300)]))
    found = fit(Durations(humps, NONE))
    assert found is not None
    assert found.family == "sample"
    assert found.distance > found.limit
    written = distribution(measure("build", "", humps.astype(np.int64)))
    assert isinstance(written, dict)
    assert set(written) == {"sample"}


def test_a_lognormal_is_written_as_one_and_a_constant_as_a_duration():
    written = distribution(measure("build", "", np.sort(lognormals(500)).astype(np.int64)))
    assert isinstance(written, dict)
    assert set(written) == {"median", "p95"}
    assert distribution(measure("agent", "", np.full(50, 40_000_000))) == "40s"


@pytest.mark.parametrize("values", [[0.0] * 40 + [1e6] * 40, [5e6]])
def test_durations_of_nothing_and_a_single_one_have_no_family_that_breaks(values: list[float]):
    found = fit(Durations(np.array(values), NONE))
    assert found is not None
    assert found.family in ("sample", "constant")
    assert fit(Durations(NONE, np.array([3e6]))) is None


def test_a_gamma_is_told_by_its_criterion():
    found = fit(Durations(RANDOM.gamma(2.0, 60e6, 3000), NONE))
    assert found is not None
    assert found.aic_of_gamma < found.aic - 10


def test_the_trend_of_steady_weeks_is_none_and_wild_weeks_are_less_sure():
    steady, wild = trend([100, 103, 98, 101, 99, 102]), trend([20, 190, 60, 150, 30, 150])
    assert steady is not None
    assert wild is not None
    assert steady.factor.low < 1 < steady.factor.high
    assert steady.dispersion == 1 < 10 < wild.dispersion
    assert wild.factor.high / wild.factor.low > steady.factor.high / steady.factor.low
    assert trend([3, 4]) is None
    assert trend([0, 0, 0, 0]) is None


def test_the_interval_of_a_rate_is_garwoods_where_weights_are_equal():
    assert rate_interval([4, 6], [1, 1]) == pytest.approx((10, 4.795389, 18.390356), abs=1e-5)
    assert rate_interval([0], [1]) == pytest.approx((0, 0, 3.688879), abs=1e-5)
    wider = rate_interval([100], [1], dispersion=4)
    assert wider.high - wider.low == pytest.approx(2 * 2 * 19.6, rel=0.05)


@pytest.mark.parametrize(
    "seconds",
    [
        RANDOM.lognormal(5, 1, 2000),
        np.concatenate([RANDOM.normal(60, 2, 300), RANDOM.normal(600, 9, 300)]),
        60 * (1 + RANDOM.pareto(2.5, 1000)),
        RANDOM.choice([30.0, 31.0, 32.0, 90.0], 500),
        RANDOM.gamma(2.0, 60, 73),
    ],
    ids=["lognormal", "two humps", "a long tail", "few values", "few"],
)
def test_a_long_sample_is_written_as_fifty_values_of_its_mean_and_95th_percentile(seconds: np.ndarray):
    written = np.array(sample(Durations(seconds * 1e6, NONE)))
    assert written.size == SLICES == 50
    assert written.mean() == pytest.approx(seconds.mean() * 1e6, rel=1e-6)
    p95 = np.quantile(seconds, 0.95, method="inverted_cdf") * 1e6
    assert np.quantile(written, 0.95, method="inverted_cdf") == pytest.approx(p95, rel=0.05)
    assert (np.diff(written) >= 0).all()


def test_a_short_sample_is_written_as_it_is_and_what_had_not_ended_as_longer():
    assert sample(Durations(np.array([3e6, 1e6, 2e6, 2e6]), NONE)) == (1_000_000, 2_000_000, 2_000_000, 3_000_000)
    cut = np.array(sample(Durations(np.array([1e6, 2e6]), np.array([1.5e6, 3e6]))))
    assert cut.max() == 3_000_000, "nothing is known to last longer than the longest that was seen"
    assert cut.mean() > 1_500_000
