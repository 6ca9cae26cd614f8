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
    given = np.asarray(values, dtype=np.float64)
    return Spread(*spreads(given, np.zeros(given.size, dtype=np.int64), 1)[0].tolist())


def spreads(values: npt.NDArray[np.float64], group_i: npt.NDArray[np.int64], groups: int) -> npt.NDArray[np.float64]:
    """The spread of each of many groups, float64[groups, 3]: value k belongs to the group `group_i[k]`."""
    known = ~np.isnan(values)
    in_order = values[known][np.argsort(group_i[known], kind="stable")]
    counts = np.bincount(group_i[known], minlength=groups)
    begins = np.cumsum(counts) - counts
    found = np.full((groups, len(LEVELS)), np.nan)
    for count in np.unique(counts[counts > 0]):
        of = np.flatnonzero(counts == count)
        # Nearest rank, so that nine of ten lie inside for any number of replications and each bound happened.
        alike = in_order[begins[of][:, None] + np.arange(count)]
        found[of] = np.quantile(alike, LEVELS, axis=1, method="inverted_cdf").T
    return found


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


def share_interval(those: int, of: int) -> Interval:
    """The interval of a share of which `those` of `of` (1 or more) independent trials are, by Clopper and Pearson."""
    assert 0 <= those <= of >= 1, "a share of something"
    from scipy.special import betaincinv  # a fifth of a second that most commands need not wait for

    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(those, of - those + 1, tail)) if those else 0.0
    high = float(betaincinv(those + 1, of - those, 1 - tail)) if those < of else 1.0
    return Interval(those / of, low, high)


def deviation(values: npt.ArrayLike) -> float:
    """The standard deviation of a sample; exactly 0 where all are equal, and for one value."""
    known = np.asarray(values, dtype=np.float64)
    return float(known.std(ddof=1)) if known.size > 1 and np.ptp(known) else 0.0


def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """How far from 0 Student's t is with this confidence, for degrees of freedom of 1 or more."""
    from scipy.special import stdtrit  # a fifth of a second that most commands need not wait for

    return float(stdtrit(freedom, (1 + confidence) / 2))


def rate_interval(counts: npt.ArrayLike, weights: npt.ArrayLike, dispersion: float = 1.0) -> Interval:
    """The weighted sum of Poisson counts, such as claims of each hour over how often it came, and its interval.

    By Fay and Feuer 1997 (Confidence intervals for directly standardized rates), which for equal weights is Garwood's
    exact one. `dispersion`: how many times more than Poisson's the variance is.
    """
    from scipy.special import gammaincinv

    count, weight = np.asarray(counts, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    tail, heaviest = (1 - CONFIDENCE) / 2, float(weight.max())
    total, variance = float((weight * count).sum()), float((weight**2 * count).sum()) * dispersion
    low = variance / total * float(gammaincinv(total**2 / variance, tail)) if total else 0.0
    # One more of the heaviest may have been due.
    above, its_variance = total + heaviest, variance + heaviest**2 * dispersion
    high = its_variance / above * float(gammaincinv(above**2 / its_variance, 1 - tail))
    return Interval(total, low, high)
