"""What replications say of a number: its median and spread, the interval of a mean and of a paired change.

Intervals are Student's t over independent replications: each gives one number. (Law, Simulation Modeling and Analysis:
the fixed-sample-size procedure on terminating simulations; paired-t, section 10.2.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

LEVELS = (0.05, 0.5, 0.95)
CONFIDENCE = 0.95


class Spread(NamedTuple):
    """Quantiles over replications by nearest rank: `low` 5 %, `median`, `high` 95 %. NaN where there is no value."""

    low: float
    median: float
    high: float


def spread(values: npt.ArrayLike) -> Spread:
    """The spread of one number per replication; NaN counts as no value."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if known.size == 0:
        return Spread(np.nan, np.nan, np.nan)
    # Nearest rank, so that nine of ten lie inside for any number of replications and each bound is one that happened.
    return Spread(*np.quantile(known, LEVELS, method="inverted_cdf").tolist())


def spread_by(answer: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """The spread of a column of an answer with one row per run and `by`, in order: by..., low, median, high."""
    rows = [(*key, *spread(group)) for key, group in answer.groupby(list(by), sort=False)[value]]
    return type(answer)(rows, columns=[*by, *Spread._fields])


class Interval(NamedTuple):
    """An estimate and its confidence interval. NaN where there is no value, or one replication and so no interval."""

    mean: float
    low: float
    high: float


def mean_interval(values: npt.ArrayLike) -> Interval:
    """The interval of the mean of one number per replication, none of them NaN."""
    known = np.asarray(values, dtype=np.float64)
    if not known.size:
        return Interval(np.nan, np.nan, np.nan)
    mean = float(known.mean())
    if known.size == 1:
        return Interval(mean, np.nan, np.nan)
    half = t_quantile(known.size - 1) * deviation(known) / math.sqrt(known.size)
    return Interval(mean, mean - half, mean + half)


def deviation(values: npt.ArrayLike) -> float:
    """The standard deviation of a sample; exactly 0 where all are equal, and for one value."""
    known = np.asarray(values, dtype=np.float64)
    return float(known.std(ddof=1)) if known.size > 1 and np.ptp(known) else 0.0


def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """How far from 0 Student's t is with this confidence, for whole degrees of freedom of 1 or more."""
    low, high = 0.0, 1.0
    while _t_within(high, freedom) < confidence:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_within(middle, freedom) < confidence else (low, middle)
    return high


def _t_within(t: float, freedom: int) -> float:
    """P(|T| <= t): the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4; the normal beyond 1,000 degrees."""
    if freedom > 1000:
        return math.erf(t * (1 - 1 / (4 * freedom)) / math.sqrt(2 * (1 + t * t / (2 * freedom))))
    angle = math.atan2(t, math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    if freedom % 2 == 0:
        total = term = 1.0
        for k in range(1, freedom // 2):
            term *= square * (2 * k - 1) / (2 * k)
            total += term
        return sine * total
    total = 0.0
    if freedom > 1:
        total = term = math.cos(angle)
        for k in range(1, (freedom - 1) // 2):
            term *= square * (2 * k) / (2 * k + 1)
            total += term
    return 2 / math.pi * (angle + sine * total)
