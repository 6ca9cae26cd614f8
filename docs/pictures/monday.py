"""Draw the picture of the README from the sample data: `python docs/pictures/monday.py` writes monday.svg beside it.

A Monday morning of data/scenarios/monday.yaml, as its template has it today and as `simkit recommend --apply` writes
it. The same people come on both. There is no background, and greys that are read on white and on black, for a code host
shows it on either.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.dates
import pandas as pd
from matplotlib.axes import Axes

import simkit
from simkit.studies.style import MISSED, READY, Picture, styled

HERE = Path(__file__).parent
DATA = HERE.parent.parent / "data"
SCENARIO = Path("scenarios", "monday.yaml")
TEMPLATE = Path("templates", "workweek", "main.tf")
ZONE = "America/New_York"
FROM, UNTIL = (pd.Timestamp(f"2026-11-09T{hour}:00", tz=ZONE) for hour in ("08", "11"))
SEED = 7
GREY = "#808080"


@styled
def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(shutil.copytree(DATA, Path(folder, "data")))
        today, cost_today = morning(data)
        command = ["recommend", SCENARIO, "--target-hit-rate", "0.98", "--apply", TEMPLATE]
        program = "from simkit.cli import main; main()"
        subprocess.run([sys.executable, "-c", program, *map(str, command)], cwd=data, check=True, capture_output=True)
        recommended, cost = morning(data)
    picture = Picture(figsize=(7.6, 4.4), layout="constrained")
    upper, lower = picture.subplots(2, 1, sharex=True, sharey=True)
    panel(upper, today, f"Today, {cost_today:.0f} USD a week")
    panel(lower, recommended, f"Recommended, {cost:.0f} USD a week")
    upper.legend(loc="upper left", labelcolor=GREY)
    lower.xaxis.set_major_locator(matplotlib.dates.MinuteLocator(byminute=(0, 30), tz=ZONE))
    lower.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M", tz=ZONE))
    lower.set_xlabel("Monday morning, 9 November 2026, New York", color=GREY)
    picture.patch.set_alpha(0)
    Path(*sys.argv[1:] or [HERE / "monday.svg"]).write_bytes(picture.svg())


def morning(data: Path) -> tuple[pd.DataFrame, float]:
    """What the pool had from when on, that morning: the answer to the question `pool`. And what it costs a week."""
    result = simkit.run(simkit.load(data / SCENARIO), seed=SEED)
    with tempfile.TemporaryDirectory() as folder:
        result.save(Path(folder, "runs.duckdb"))
        pool = simkit.ask(Path(folder, "runs.duckdb"), "pool")
        cost = simkit.ask(Path(folder, "runs.duckdb"), "hours")["pool_cost_per_week"].sum()
    before = pool[pool["changed_at"] <= FROM].tail(1).assign(changed_at=FROM)
    after = pool[pool["changed_at"].between(FROM, UNTIL, inclusive="right")]
    last = pool[pool["changed_at"] <= UNTIL].tail(1).assign(changed_at=UNTIL)
    return pd.concat([before, after, last], ignore_index=True), float(cost)


def panel(ax: Axes, pool: pd.DataFrame, name: str) -> None:
    missed = pool["missed"].diff().fillna(0).to_numpy()
    came = int(pool["claimed"].iloc[-1] + pool["missed"].iloc[-1] - pool["claimed"].iloc[0] - pool["missed"].iloc[0])
    at = pool["changed_at"]
    ax.fill_between(at, pool["eligible"], step="post", color=READY, alpha=0.7, linewidth=0, label="ready to claim")
    ax.step(
        at, pool["desired"], where="post", color=GREY, linewidth=1.4, linestyle="--", label="wanted by the schedule"
    )
    dry = at[missed > 0]
    ax.plot(
        dry, [0.35] * len(dry), "o", color=MISSED, markersize=6, label="somebody found none, and waited", clip_on=False
    )
    ax.set_title(f"{name}: {int(missed.sum())} of {came} people found no prebuilt workspace", color=GREY)
    ax.set_ylabel("workspaces", color=GREY)
    ax.set_ylim(0, 13)
    ax.patch.set_alpha(0)
    ax.tick_params(colors=GREY)
    for spine in ax.spines.values():
        spine.set_color(GREY)


if __name__ == "__main__":
    main()
