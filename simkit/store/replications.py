"""One row for all replications: the median of each number, and between what nine of ten lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simkit.errors import StoreError
from simkit.estimates import Spread, spreads

if TYPE_CHECKING:
    import pandas as pd

OVER = "replications"
OF = ("scenario", "seed")
"""Runs of which these are equal are replications of each other."""


def over_replications(answer: pd.DataFrame, key: Sequence[str], runs: pd.DataFrame) -> pd.DataFrame:
    """A row per scenario, seed and `key`, by which the rows of one run are told apart.

    `runs`: every run that was asked, with run_id, scenario, seed and replication. Columns of the result: scenario,
    seed, key..., `runs` that have this row, `of_runs` that were asked, and of each number x_low, x_median and x_high
    (`estimates.spread`). Anything else is as it is where all runs agree on it, and None elsewhere. Raises StoreError
    where one replication is there twice, and so of two scenarios with one name.
    """
    import pandas as pd

    _refuse_two_scenarios(runs)
    rows = answer.merge(runs[["run_id", *OF]], how="left", on="run_id")
    assert not rows.duplicated(["run_id", *key]).any(), "a key tells the rows of a run apart"
    by = [*OF, *key]
    names = [str(name) for name in answer]
    numbers = [name for name in names if name not in ("run_id", *key) and answer[name].dtype.kind in "iuf"]
    others = [name for name in names if name not in ("run_id", *key, *numbers)]
    grouped = rows.groupby(by, sort=False, dropna=False)
    group_i = np.asarray(grouped.ngroup(), dtype=np.int64)
    _, first = np.unique(group_i, return_index=True)
    summed = rows.iloc[first][by].reset_index(drop=True)
    summed["runs"] = np.bincount(group_i)
    of_runs = runs.groupby(list(OF)).size().rename("of_runs").reset_index()
    summed = summed.merge(of_runs, how="left", on=list(OF))
    for name in names:
        if name in numbers:
            values = rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
            bounds = spreads(values, group_i, len(first))
            # Each bound is a value that happened: whole numbers stay whole.
            of = rows[name].dtype
            for bound, column in zip(Spread._fields, bounds.T, strict=True):
                summed[f"{name}_{bound}"] = pd.Series(column, dtype=np.float64).astype(of)
        elif name in others:
            agreed = (grouped[name].nunique(dropna=False) == 1).to_numpy()
            values = rows[name].to_numpy(dtype=object)[first]
            summed[name] = [value if same else None for value, same in zip(values, agreed, strict=True)]
    # Presets stay in their order; a row that the first run lacks has its place among the others.
    place = {name: i for i, name in enumerate(dict.fromkeys(answer["preset"]))} if "preset" in key else {}
    return summed.sort_values(
        by, key=lambda of: of.map(place) if of.name == "preset" else of, kind="stable", ignore_index=True
    )


def _refuse_two_scenarios(runs: pd.DataFrame) -> None:
    one = [*OF, "replication"]
    twice = runs[runs.duplicated(one, keep=False)].sort_values(one, kind="stable")
    if len(twice):
        scenario, seed, replication = twice.iloc[0][one]
        both = ", ".join(twice[(twice[one] == [scenario, seed, replication]).all(axis=1)]["run_id"])
        raise StoreError(
            f"replication {replication} of {scenario} with seed {seed} is there more than once, of other inputs: "
            f"{both}; keep their runs in files of their own to sum up over replications"
        )
