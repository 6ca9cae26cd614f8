"""What replications agree on: the median of a number, and the range that nine of ten of them fall into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

LEVELS = (0.05, 0.5, 0.95)


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


def worst_presets(summary: pd.DataFrame, most: int = 4) -> list[str]:
    """The presets with most claims that found no prebuild, over all runs, in the answer's order: at most `most`."""
    misses = (summary["claims"] - summary["hits"]).groupby(summary["preset"], sort=False).sum()
    worst = set(misses.sort_values(ascending=False, kind="stable").index[:most])
    return [str(preset) for preset in misses.index if preset in worst]
