"""What a forecast is worth and what it costs: a year of origins, one week ahead, on a demand that happened."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.clocks import line, spread, timed
from simkit.clock import DAY_US, HOUR_US, UTC_ZONE, WEEK_US, format_instant
from simkit.deployment.forecast import Demand, hours_of, tried
from simkit.errors import Findings
from simkit.inputs.history import read_history

ORIGINS = 52
WEEKS = 104
SHAPE = (0, 0, 0, 0, 0, 0, 0, 1, 3, 6, 7, 7, 5, 6, 7, 7, 6, 4, 2, 1, 1, 0, 0, 0)
"""Of a working day of the demand that is made where none is given."""


def forecast() -> None:
    """The demand in the file that SIMKIT_DEMAND names (a column `started_at`), or a made one, in UTC."""
    given = os.environ.get("SIMKIT_DEMAND")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(given) if given else made(Path(folder))
        findings = Findings()
        history, reading_s = timed(lambda: read_history(path, UTC_ZONE, "all", ("all",), findings), 3)
        findings.raise_errors()
    at = history.claim_at
    demand = Demand("all", UTC_ZONE, at, int(at[0]) // DAY_US * DAY_US, int(at[-1]) // HOUR_US * HOUR_US)
    hours = hours_of(demand, ())
    trial, trial_s = timed(lambda: tried(hours, 1, ORIGINS), 3)
    assert trial is not None, "the history is long enough"
    what = path.name if given else f"a made demand, seed 1, from {format_instant(demand.start_at)[:10]}"
    note = f"{'aim 0.40; ' if given else ''}{trial.origins} origins, a week ahead; {at.size:,} claims of {what}"
    line("loss, as a share of that of 'same hour last week'", f"{trial.loss:.3f}", note)
    line("hours in which no more came than the bound of 95 %", f"{trial.covered:.1%}", "aim 94 % to 97.5 %")
    note = f"{spread(trial_s)}; aim 3 x reading the file + 2 s"
    line("all origins", f"{min(trial_s):.2f} s", f"{note} = {3 * min(reading_s) + 2:.2f} s")


def made(folder: Path) -> Path:
    """Two years of a demand whose weeks differ more than chance alone would have it."""
    chance = np.random.default_rng(1)
    week = np.array([*SHAPE * 5, *np.array(SHAPE * 2) // 5], dtype=np.float64)
    counts = chance.poisson(week * chance.gamma(8, 1 / 8, (WEEKS, week.size)))
    hours = np.repeat(np.arange(counts.size), counts.ravel()) * HOUR_US + 2900 * WEEK_US - 3 * DAY_US
    at = np.sort(hours + chance.integers(0, HOUR_US, hours.size))
    path = folder / "demand.csv"
    path.write_text("started_at\n" + "".join(f"{one}\n" for one in at.tolist()), encoding="utf-8")
    return path
