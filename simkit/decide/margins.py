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
    It varies at least as much as misses do that come one by one: weeks without any do not say that none will come.
    """
    seen = weeks.claims.size
    residuals = weeks.hits - rate(weeks)[..., None] * weeks.claims
    s = np.sqrt((residuals**2).sum(axis=-1) / max(seen - 1, 1)) / weeks.claims.mean()
    missed = _missed(weeks)
    s = np.maximum(s, np.sqrt(missed * (1 - missed) / weeks.claims.mean()))
    return np.asarray(s * math.sqrt(1 / seen + 1 / ahead))


def _missed(weeks: Weeks) -> Float64Array:
    """The share of claims that miss, of which none is seen to be none: Jeffreys' estimate."""
    misses = np.clip(weeks.claims.sum() - weeks.hits.sum(axis=-1), 0.0, weeks.claims.sum())
    return np.asarray((misses + 0.5) / (weeks.claims.sum() + 1))


def deviation_of_volume(slope: float) -> float:
    """How far a quarter's hit rate is off as more or fewer people come. `slope`: d rate / d log volume."""
    return abs(slope) * GROWTH


def lower_limit(weeks: Weeks, confidence: float, ahead: int = QUARTER, of_volume: float = 0.0) -> Float64Array:
    """What the hit rate of the next `ahead` weeks is not below, with this confidence (one-sided, Student's t).

    Weeks of one quarter are no strangers to each other: that it is busier than those before is in no difference of
    weeks, and `of_volume` (see Outlook) has it.
    """
    t = t_quantile(weeks.claims.size - 1, 2 * confidence - 1)
    return np.asarray(rate(weeks) - t * np.hypot(deviation_of_next(weeks, ahead), of_volume))


@dataclass(frozen=True)
class Outlook:
    """What the next quarter may bring: an interval of 95 %, and the standard deviations it is made of.

    `of_weeks`: weeks differ; `of_choice`: a plan does better on the weeks that it was chosen by, by about so much;
    `of_volume`: more or fewer people come, by the slope of the hit rate over the logarithm of the volume; `of_builds`:
    that part of `of_weeks` which is chance of builds.
    """

    interval: Interval
    of_weeks: float
    of_choice: float
    of_volume: float
    of_builds: float


def outlook(weeks: Weeks, slope: float, builds: float, lost: float = 0.0) -> Outlook:
    """The next quarter's hit rate. `slope`: d rate / d log volume; `builds`: see Outlook; `lost`: of_choice.

    As weeks differ, the interval reaches down by the odds of a miss, which a bad quarter multiplies.
    """
    mean, of_weeks, of_volume = float(rate(weeks)) - lost, float(deviation_of_next(weeks)), deviation_of_volume(slope)
    t = t_quantile(weeks.claims.size - 1)
    missed, others = max(1 - mean, float(_missed(weeks))), t * math.hypot(lost, of_volume)
    down = up = t * of_weeks
    if missed < 1:
        odds = missed / (1 - missed) * math.exp(min(down / (missed * (1 - missed)), 50.0))
        down = max(down, odds / (1 + odds) - missed)
    low, high = mean - math.hypot(down, others), mean + math.hypot(up, others)
    return Outlook(Interval(mean, max(0.0, low), min(1.0, high)), of_weeks, lost, of_volume, builds)
