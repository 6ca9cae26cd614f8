"""How sure a hit rate is: what the coming weeks are not below, and what they may bring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.estimates import Interval, t_quantile

Float64Array = npt.NDArray[np.float64]

QUARTER = 13
"""Weeks that an answer has to hold for."""
GROWTH = 0.10
"""Standard deviation of a quarter's volume about that of the weeks seen, as a share: people come and go."""


class Weeks(NamedTuple):
    """Hits and claims by week: float64[..., w] and float64[w]."""

    hits: Float64Array
    claims: Float64Array


def rate(weeks: Weeks) -> Float64Array:
    """The hit rate of all weeks together."""
    return np.asarray(weeks.hits.sum(axis=-1) / weeks.claims.sum())


def deviation_of_next(weeks: Weeks, ahead: int = QUARTER) -> Float64Array:
    """The standard deviation of the next `ahead` weeks' hit rate about that of the weeks seen.

    Weeks are taken as alike and independent. The ratio of hits to claims varies as its residuals do, over the weeks
    seen and over those to come. (Cochran, Sampling Techniques, 6.3; Hahn and Meeker, Statistical Intervals, 4.8.)
    """
    seen = weeks.claims.size
    residuals = weeks.hits - rate(weeks)[..., None] * weeks.claims
    s = np.sqrt((residuals**2).sum(axis=-1) / max(seen - 1, 1)) / weeks.claims.mean()
    return np.asarray(s * math.sqrt(1 / seen + 1 / ahead))


def lower_limit(weeks: Weeks, confidence: float, ahead: int = QUARTER) -> Float64Array:
    """What the hit rate of the next `ahead` weeks is not below, with this confidence (one-sided, Student's t)."""
    t = t_quantile(weeks.claims.size - 1, 2 * confidence - 1)
    return rate(weeks) - t * deviation_of_next(weeks, ahead)


@dataclass(frozen=True)
class Outlook:
    """What the next quarter may bring: an interval of 95 %, and the standard deviations it is made of.

    `of_weeks`: weeks differ; `of_volume`: more or fewer people come, by the slope of the hit rate over the logarithm of
    the volume; `of_builds`: that part of `of_weeks` which is chance of builds.
    """

    interval: Interval
    of_weeks: float
    of_volume: float
    of_builds: float


def outlook(weeks: Weeks, slope: float, builds: float) -> Outlook:
    """The next quarter's hit rate. `slope`: d rate / d log volume; `builds`: see Outlook."""
    mean, of_weeks, of_volume = float(rate(weeks)), float(deviation_of_next(weeks)), abs(slope) * GROWTH
    half = t_quantile(weeks.claims.size - 1) * math.hypot(of_weeks, of_volume)
    return Outlook(Interval(mean, max(0.0, mean - half), min(1.0, mean + half)), of_weeks, of_volume, builds)
