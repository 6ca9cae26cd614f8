"""What observed durations and weeks say: quantiles, the family that fits, a trend, each with its interval."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from simkit.estimates import CONFIDENCE, Interval, t_quantile

Float64Array = npt.NDArray[np.float64]

NEGLIGIBLE_DISTANCE = 0.03
"""So far a family may be from what was seen, however sure that it is: no quantile is then off by more than 3 points."""
SLICES = 50
"""So many equally likely values a longer sample is written as, each the mean of its fiftieth: the mean is kept, and the
95th percentile lies in the 48th, between the 94th and the 96th: nearer than chance leaves it in 400 (a percent is a
standard deviation there, sqrt(.05 * .95 / 400))."""
_P95 = 1.6448536269514722  # how many deviations the 95th percentile of a normal distribution is above its mean


@dataclass(frozen=True)
class Durations:
    """Durations in microseconds: of what ended, `lasted`, and of what went on for longer than that, `outlasted`."""

    lasted: Float64Array
    outlasted: Float64Array

    @property
    def count(self) -> int:
        return self.lasted.size + self.outlasted.size


@dataclass(frozen=True)
class Fit:
    """A distribution as a scenario can express it, and how sure it is; durations in microseconds.

    `empirical`: the quantiles 5 %, 50 % and 95 % and the longest that ended, by Kaplan and Meier. `distance`: the
    greatest between the lognormal's distribution function and the observed one; it is turned down above `limit`. NaN,
    as the AICs, where no lognormal can be.
    """

    family: Literal["constant", "lognormal", "sample"]
    count: int
    censored: int
    median: Interval
    p95: Interval
    empirical: tuple[float, float, float, float]
    sample: tuple[int, ...] = ()
    distance: float = math.nan
    limit: float = math.nan
    aic: float = math.nan
    aic_of_gamma: float = math.nan


def fit(durations: Durations) -> Fit | None:
    """The family for durations; None if none of them ended.

    What went on when the window closed counts as longer than that: a likelihood of its survival, and the estimate of
    Kaplan and Meier. The test is Lilliefors', for a lognormal whose parameters come from the same data (Stephens 1974).
    """
    lasted, outlasted = durations.lasted, durations.outlasted
    if not lasted.size:
        return None
    steps = _Steps(durations)
    empirical = (steps.quantile(0.05), steps.quantile(0.5), steps.quantile(0.95), float(lasted.max()))
    median, p95 = steps.interval(0.5), steps.interval(0.95)
    if np.ptp(lasted) == 0 and not (outlasted > lasted[0]).any():
        return Fit("constant", durations.count, outlasted.size, median, p95, empirical)
    sample = steps.sample()
    if lasted.min() <= 0 or np.ptp(lasted) == 0:
        return Fit("sample", durations.count, outlasted.size, median, p95, empirical, sample)
    mean, deviation = _lognormal(durations)
    root = math.sqrt(lasted.size)
    limit = max(0.895 / (root - 0.01 + 0.85 / root), NEGLIGIBLE_DISTANCE)
    distance = steps.distance(mean, deviation)
    is_lognormal = distance <= limit
    if is_lognormal:
        median, p95 = _intervals(durations, mean, deviation)
    return Fit(
        "lognormal" if is_lognormal else "sample",
        durations.count,
        outlasted.size,
        median,
        p95,
        empirical,
        () if is_lognormal else sample,
        distance,
        limit,
        *_aics(durations, mean, deviation),
    )


def quantile(durations: Durations, share: float) -> Interval:
    """A quantile by Kaplan and Meier with an interval that assumes no family; NaN if nothing ended."""
    return _Steps(durations).interval(share) if durations.lasted.size else Interval(math.nan, math.nan, math.nan)


def sample(durations: Durations) -> tuple[int, ...]:
    """What a scenario takes for durations that no family fits, increasing: see SLICES. Some have to have ended."""
    return _Steps(durations).sample()


class _Steps:
    """The distribution function by Kaplan and Meier: it steps up to `below[i]` at `at[i]`."""

    def __init__(self, durations: Durations) -> None:
        from scipy.stats import ecdf

        found = ecdf(_data(durations.lasted, durations.outlasted)).cdf
        steps = np.diff(found.probabilities, prepend=0.0) > 0
        self.at, self.below = found.quantiles[steps], found.probabilities[steps]
        self._bounds: tuple[Float64Array, Float64Array] | None = None
        if durations.outlasted.size:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # where all or none have ended there is no bound
                bounds = found.confidence_interval(CONFIDENCE, method="log-log")
            low, high = bounds.low.probabilities[steps], bounds.high.probabilities[steps]
            self._bounds = np.nan_to_num(low, nan=0.0), np.nan_to_num(high, nan=1.0)
        self.count = durations.count
        self.longest = max(self.at[-1], durations.outlasted.max(initial=0.0))

    def quantile(self, share: float) -> float:
        """The least duration that so large a share does not outlast; where none is known, the longest there was."""
        i = int(np.searchsorted(self.below, share - 1e-12))
        return float(self.at[i]) if i < self.at.size else float(self.longest)

    def sample(self) -> tuple[int, ...]:
        """All of it, if it is short and all of it ended; else SLICES equally likely values, the means of its slices.

        What outlasted all that ended is taken for as long as the longest there was.
        """
        at, below = np.append(self.at, self.longest), np.append(self.below, 1.0)
        if self._bounds is None and self.count <= SLICES:
            many = np.diff(np.rint(self.below * self.count), prepend=0).astype(np.int64)
            return tuple(np.rint(np.repeat(self.at, many)).astype(np.int64).tolist())
        share = np.diff(below, prepend=0.0)
        edges = np.linspace(0, 1, SLICES + 1)
        until = np.interp(edges, np.append(0.0, below), np.append(0.0, np.cumsum(at * share)))
        return tuple(round(value) for value in (np.diff(until) * SLICES).tolist())

    def interval(self, share: float) -> Interval:
        """A quantile and its interval, which assumes nothing of the distribution: by order statistics, or, where some
        had not ended, by Brookmeyer and Crowley 1982: the durations at which Greenwood's interval holds the share."""
        if self._bounds is not None:
            low_i, high_i = (int(np.argmax(of >= share)) if (of >= share).any() else -1 for of in self._bounds[::-1])
            low_at = self.at[low_i] if low_i >= 0 else self.longest
            return Interval(self.quantile(share), float(low_at), float(self.at[high_i]) if high_i >= 0 else math.inf)
        from scipy.stats import binom

        tail = (1 - CONFIDENCE) / 2
        low, high = binom.ppf(tail, self.count, share), binom.ppf(1 - tail, self.count, share) + 1
        bounds = (self.quantile(low / self.count), self.quantile(high / self.count) if high <= self.count else math.inf)
        return Interval(self.quantile(share), *bounds)

    def distance(self, mean: float, deviation: float) -> float:
        from scipy.special import ndtr

        said = ndtr((np.log(self.at) - mean) / deviation)
        return float(max((self.below - said).max(), (said - np.concatenate([[0.0], self.below[:-1]])).max()))


def _data(lasted: Float64Array, outlasted: Float64Array) -> object:
    from scipy.stats import CensoredData

    return CensoredData(uncensored=lasted, right=outlasted)


def _lognormal(durations: Durations) -> tuple[float, float]:
    """(mean, deviation) of the logarithms: the likeliest; without anything censored the deviation is a sample's."""
    from scipy.stats import norm

    logs = np.log(durations.lasted)
    if not durations.outlasted.size:
        return float(logs.mean()), float(logs.std(ddof=1))
    mean, deviation = norm.fit(_data(logs, np.log(np.maximum(durations.outlasted, 1.0))))
    return float(mean), float(deviation)


def _intervals(durations: Durations, mean: float, deviation: float) -> tuple[Interval, Interval]:
    """Median and 95th percentile of a lognormal, by the observed information and Student's t."""
    from scipy.special import log_ndtr

    z = (np.log(durations.lasted) - mean) / deviation
    cut = (np.log(np.maximum(durations.outlasted, 1.0)) - mean) / deviation
    hazard = np.exp(-0.5 * cut**2 - 0.5 * math.log(2 * math.pi) - log_ndtr(-cut))
    bend = hazard * (hazard - cut)  # minus the second derivative of the logarithm of what survives
    # Of mean and deviation, in units of 1 / deviation squared.
    information = np.array(
        [
            [z.size + bend.sum(), (2 * z).sum() + (hazard + cut * bend).sum()],
            [0.0, (3 * z**2 - 1).sum() + (cut**2 * bend + 2 * cut * hazard).sum()],
        ]
    )
    information[1, 0] = information[0, 1]
    variance = np.linalg.inv(information)
    found = []
    for above in (0.0, _P95):
        at, towards = mean + above * deviation, np.array([1.0, above])
        half = t_quantile(z.size - 1) * deviation * math.sqrt(towards @ variance @ towards)
        found.append(Interval(math.exp(at), math.exp(at - half), math.exp(at + half)))
    return found[0], found[1]


def _aics(durations: Durations, mean: float, deviation: float) -> tuple[float, float]:
    """Akaike's criterion for the lognormal, and for a gamma distribution, which no scenario can express.

    Of durations in seconds, so that the numbers are short.
    """
    from scipy.stats import gamma, lognorm

    lasted, outlasted = durations.lasted / 1e6, durations.outlasted / 1e6
    shape, _, scale = gamma.fit(_data(lasted, outlasted) if outlasted.size else lasted, floc=0)

    def aic(family: object) -> float:
        return float(4 - 2 * (family.logpdf(lasted).sum() + family.logsf(outlasted).sum()))  # type: ignore[attr-defined]

    return aic(lognorm(deviation, scale=math.exp(mean) / 1e6)), aic(gamma(shape, scale=scale))


@dataclass(frozen=True)
class Trend:
    """How a number that is counted each week grows: the factor from week to week, and the level at the last week's end.

    `dispersion`: how many times more than Poisson's the variance about the trend is, 1 where chance explains it.
    """

    factor: Interval
    level: float
    dispersion: float


def trend(weekly: npt.ArrayLike) -> Trend | None:
    """The Poisson regression of the logarithm on the week; None for less than three weeks and where nothing counts.

    Weeks that differ more than chance lets them (Pearson's chi square, 5 %) widen every interval.
    """
    from scipy.special import chdtri

    count = np.asarray(weekly, dtype=np.float64)
    if count.size < 3 or not count.any():
        return None
    week = np.arange(count.size) - (count.size - 1) / 2
    terms = np.stack([np.ones_like(week), week], axis=1)
    found = np.array([math.log(count.mean()), 0.0])
    for _ in range(50):
        said = np.exp(np.clip(terms @ found, -30, 30))
        information = terms.T @ (terms * said[:, None])
        step = np.linalg.solve(information, terms.T @ (count - said))
        found += np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-10:
            break
    said = np.exp(np.clip(terms @ found, -30, 30))
    freedom = count.size - 2
    pearson = float(((count - said) ** 2 / said).sum())
    dispersion = pearson / freedom if pearson > chdtri(freedom, 1 - CONFIDENCE) else 1.0
    deviation = math.sqrt(np.linalg.inv(terms.T @ (terms * said[:, None]))[1, 1] * dispersion)
    half = deviation * (t_quantile(freedom) if dispersion > 1 else t_quantile(10**6))
    bounds = (math.exp(np.clip(found[1] + sign * half, -30, 30)) for sign in (-1, 1))
    level = math.exp(found[0] + found[1] * (week[-1] + 0.5))
    return Trend(Interval(math.exp(found[1]), *bounds), level, dispersion)
