"""Pictures of a control plane's tables over time: workspaces by state, jobs that wait, bytes of log."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from simkit.clock import DAY_US, HOUR_US, Zone
from simkit.studies.style import (
    MISSED,
    OTHER,
    READY,
    SERVED,
    STARTING,
    WANTED,
    WIDTH,
    Picture,
    empty,
    instants,
    legend,
    local_time,
    steps,
    styled,
    told_as_time,
    x_of,
)
from simkit.studies.wording import zone_of
from simkit.times import long_weekday_date

_STATES = {
    "pending": (WANTED, "its job is pending"),
    "building": (STARTING, "its job runs"),
    "waiting": (READY, "prebuild, waits for somebody"),
    "running": (SERVED, "runs for its owner"),
    "stopped": (OTHER, "stopped"),
    "failed": (MISSED, "failed"),
}
_MARKS: dict[str, tuple[str, dict[str, Any]]] = {
    "claimed": ("claimed", {"marker": "v", "color": "white", "markeredgecolor": WANTED, "markersize": 6}),
    "deleted": ("deleted", {"marker": "x", "color": WANTED, "markersize": 4.5, "markeredgewidth": 1.3}),
}
_ROW = 0.165  # inches


@styled
def day(states: pd.DataFrame, queue: pd.DataFrame, volume: pd.DataFrame, timezone: str) -> Picture:
    """Workspaces by state, pending jobs, and bytes of log written, one below the other on one time axis of a zone.

    `states`, `queue`, `volume`: of `answers`. The axis spans the intervals of `volume`, of which all but the last are
    whole.
    """
    if states.empty or len(volume) < 2:
        return empty("There was no workspace yet.")
    edges = instants(volume["from_at"])
    from_at, until_at = int(edges[0]), int(edges[-1])
    where = zone_of(timezone)
    rows = len(states["workspace_id"].unique())
    picture = Picture(figsize=(WIDTH, 3.9 + _ROW * rows), layout="constrained")
    picture.alt = "Workspaces by state, pending jobs and log volume over one day"
    gantt, waiting, written = picture.subplots(3, 1, sharex=True, height_ratios=[_ROW * rows + 0.3, 1, 1])
    _gantt(gantt, states)
    _queue(waiting, queue, from_at, until_at)
    minutes = (edges[1] - edges[0]) // 60_000_000
    _volume(written, volume, edges, f"kB per\n{minutes} minutes")
    for ax, title in (
        (gantt, "Workspaces by state"),
        (waiting, "Jobs that wait for a daemon"),
        (written, "Log written"),
    ):
        ax.set_title(title)
        ax.grid(axis="both" if ax is not gantt else "x")
        ax.set_axisbelow(True)
        ax.tick_params(axis="x", labelbottom=ax is written)
    _hours(written, where, from_at, until_at)
    written.set_xlabel(f"{local_time(where.name)}, {long_weekday_date(where.local(from_at))}")
    legend(picture, gantt, side="left", ncols=4)
    return picture


def _gantt(ax: Axes, states: pd.DataFrame) -> None:
    ids = list(dict.fromkeys(states["workspace_id"]))
    row = states["workspace_id"].map({id: i for i, id in enumerate(ids)}).to_numpy()
    from_x, until_x = (instants(states[name]) / DAY_US for name in ("from_at", "until_at"))
    for state, (colour, label) in _STATES.items():
        of = (states["state"] == state).to_numpy()
        if of.any():
            ax.barh(row[of], (until_x - from_x)[of], left=from_x[of], height=0.72, color=colour, label=label)
    for state, (label, look) in _MARKS.items():
        of = (states["state"] == state).to_numpy()
        if of.any():
            ax.plot(from_x[of], row[of], linestyle="none", label=label, **look)
    names = states.drop_duplicates("workspace_id")["workspace"]
    ax.set_yticks(range(len(ids)), list(names), fontsize=7)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(ids) - 0.4, -0.6)


def _queue(ax: Axes, queue: pd.DataFrame, from_at: int, until_at: int) -> None:
    at = instants(queue["changed_at"])
    # Everybody's behind, people's in front: what is seen of it are the prebuilds'.
    x, all_jobs = steps(at, queue["people"] + queue["prebuilds"], from_at, until_at)
    prebuilds = ax.fill_between(x, all_jobs, step="post", color=STARTING, linewidth=0, label="prebuilds'")
    x, people = steps(at, queue["people"], from_at, until_at)
    peoples = ax.fill_between(x, people, step="post", color=SERVED, linewidth=0, label="people's")
    ax.set_ylim(0, max(1, int(all_jobs.max())) * 1.25)
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.set_ylabel("jobs")
    ax.legend(handles=[peoples, prebuilds], loc="upper right", ncols=2, borderaxespad=0)


def _volume(ax: Axes, volume: pd.DataFrame, edges: np.ndarray[Any, Any], unit: str) -> None:
    jobs, agents = (volume[name].to_numpy()[:-1] / 1000 for name in ("jobs", "agents"))
    ax.stairs(jobs, edges / DAY_US, fill=True, color=SERVED, label="by jobs")
    ax.stairs(jobs + agents, edges / DAY_US, baseline=jobs, fill=True, color=STARTING, label="by agents")
    ax.set_ylim(0, max(1.0, float((jobs + agents).max())) * 1.25)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.set_ylabel(unit)
    ax.legend(loc="upper right", ncols=2, borderaxespad=0)


def _hours(ax: Axes, where: Zone, from_at: int, until_at: int) -> None:
    """A tick at every second hour of the zone's wall clock."""
    start = where.at(datetime.combine(where.local(from_at).date(), time()))
    hours = [at for at in range(start, until_at + 1, HOUR_US) if at >= from_at and where.local(at).hour % 2 == 0]
    ax.set_xticks([x_of(at) for at in hours], [f"{where.local(at):%H:%M}" for at in hours])
    ax.set_xlim(x_of(from_at), x_of(until_at))
    ax.fmt_xdata = told_as_time(where, with_day=False)
