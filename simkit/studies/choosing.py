"""Which presets to show, where a run has more than fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simkit.errors import Finding, InputError, Where, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


def worst_presets(summary: pd.DataFrame, most: int = 4) -> list[str]:
    """The presets with a pool whose claims most often found no prebuild, over all runs, in the answer's order: at most
    `most`."""
    summary = summary[summary["has_pool"]]
    misses = (summary["claims"] - summary["hits"]).groupby(summary["preset"], sort=False).sum()
    worst = set(misses.sort_values(ascending=False, kind="stable").index[:most])
    return [str(preset) for preset in misses.index if preset in worst]


def busiest_preset(summary: pd.DataFrame, name: str = "") -> str:
    """The preset called `name`; if that is "", the one with most claims over all runs of the answer `summary`.

    Raises InputError for a name that the runs do not have.
    """
    claims = summary.groupby("preset", sort=False)["claims"].sum()
    if not name:
        return str(claims.idxmax())
    if name not in claims.index:
        text = f'there is no preset "{name}"; {did_you_mean(name, claims.index)}'
        raise InputError([Finding("error", Where("preset"), text)])
    return name
