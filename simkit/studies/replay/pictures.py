"""Pictures of what happened beside its replays: hit rates by week, waits, and the pool of one day."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from simkit.clock import HOUR_US
from simkit.deployment.replay import Replay, Replayed
from simkit.studies.heard import TOLD
from simkit.studies.style import (
    AGES,
    MISSED,
    OTHER,
    READY,
    SERVED,
    WANTED,
    WIDTH,
    Picture,
    days_axis,
    empty,
    legend,
    local_time,
    shown_name,
    styled,
    titled,
    x_of,
)
from simkit.times import about, day_month, long_weekday_date

_MOST = 4
"""Presets that a picture has room for: those with most claims."""
_MOST_LABELS = 13


@styled
def weeks(of: pd.DataFrame) -> Picture:
    """The hit rate of each local week: recorded, and nine of ten replays. `of`: tables.weeks."""
    names = list(of.groupby("preset", sort=False)["claims"].sum().nlargest(_MOST).index)
    if not names:
        return empty("Nobody asked for a workspace in this history.")
    picture = Picture(figsize=(WIDTH, 0.7 + 1.75 * len(names)), layout="constrained")
    picture.alt = f"Hit rate by week, recorded and replayed: {', '.join(names)}"
    grid = picture.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    mondays = sorted(set(of["monday"]))
    for ax, name in zip(grid, names, strict=True):
        mine = of[of["preset"] == name]
        x = np.array([mondays.index(monday) for monday in mine["monday"]])
        spans = mine["high"] - mine["low"]
        ax.bar(x, spans, 0.5, bottom=mine["low"], color=READY, alpha=0.5, label="nine of ten replays")
        ax.hlines(mine["median"], x - 0.25, x + 0.25, color=SERVED, label="median of the replays")
        ax.plot(x, mine["recorded"], "o", color=WANTED, label="recorded")
        for at, claims in zip(x, mine["claims"], strict=True):
            where = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": "center"}
            ax.annotate(f"{claims:,}", (at, 0), (0, 2), **where, fontsize=7, color="#555555")
        least = min(float(mine["recorded"].min()), float(mine["low"].min()))
        ax.set_ylim(max(np.floor(least * 10 - 1) / 10, 0), 1.02)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        ax.grid(axis="y")
        ax.set_axisbelow(True)
        titled(ax, shown_name(name))
        ax.set_ylabel("claims served\nby the pool")
    step = -(-len(mondays) // _MOST_LABELS)
    grid[-1].set_xticks(range(0, len(mondays), step), [day_month(monday) for monday in mondays[::step]])
    grid[-1].set_xlabel("week from Monday; below: its claims")
    legend(picture, *grid)
    return picture


@styled
def waits(of: Replay) -> Picture:
    """The share of claims that still wait after so long: recorded, and nine of ten replays."""
    presets = sorted(of.presets, key=lambda one: -one.recorded["claims"])[:_MOST]
    presets = [one for one in presets if one.days_with_claims]
    if not presets:
        return empty("Nobody asked for a workspace in this history.")
    columns = min(len(presets), 2)
    rows = -(-len(presets) // columns)
    picture = Picture(figsize=(WIDTH, 0.7 + 2.4 * rows), layout="constrained")
    picture.alt = f"How long people waited, recorded and replayed: {', '.join(one.preset for one in presets)}"
    grid = picture.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    took = of.claims["took_us"] / 1e6
    last = max(float(took.max()) if took.notna().any() else 60.0, 60.0) * 1.2
    x = np.geomspace(1.0, last, 400)
    for ax, one in zip(grid, presets, strict=False):
        mine = of.claims["preset"] == one.preset
        by = {
            int(i): _above(took[mine & (of.claims["replication"] == i)].to_numpy(dtype=np.float64), x)
            for i in range(-1, of.replications)
        }
        replays = np.stack([by[i] for i in range(of.replications)])
        low, middle, high = np.quantile(replays, (0.05, 0.5, 0.95), axis=0, method="inverted_cdf")
        ax.fill_between(x, low, high, color=READY, alpha=0.5, label="nine of ten replays")
        ax.plot(x, middle, color=SERVED, label="median of the replays")
        ax.plot(x, by[-1], color=WANTED, linestyle="--", label="recorded")
        ax.set_xscale("log")
        ages = [(seconds, text) for seconds, text in ((1, "1s"), *AGES) if seconds <= last]
        ax.set_xticks([seconds for seconds, _ in ages], [text for _, text in ages])
        ax.minorticks_off()
        ax.set_xlim(1, last)
        ax.set_ylim(0, 1.02)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        ax.grid()
        titled(ax, shown_name(one.preset), columns=columns)
        ax.set_xlabel("time since the claim")
        ax.set_label(TOLD)
        told = (f"{name} {_waits(by_name, x)}" for name, by_name in (("recorded", by[-1]), ("replayed", middle)))
        picture.numbers += f"{one.preset}: {'; '.join(told)}. "
    for ax in grid[len(presets) :]:
        ax.set_axis_off()
    for ax in grid[::columns]:
        ax.set_ylabel("claims that\nstill wait")
    legend(picture, grid[0])
    return picture


def _waits(above: np.ndarray, x: np.ndarray) -> str:
    """How long half and 95% of claims wait, from the shares that wait longer than each of x."""
    ends = ((f"{share:.0%}", np.flatnonzero(above <= 1 - share + 1e-9)) for share in (0.5, 0.95))
    return ", ".join(f"{of} wait at most {about(x[at[0]]) if at.size else 'forever'}" for of, at in ends)


def _above(took_s: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The share of waits that are longer than each of x; one without an end is longer than all."""
    if not took_s.size:
        return np.zeros(x.size)
    ends = np.sort(np.where(np.isnan(took_s), np.inf, took_s))
    return 1 - np.searchsorted(ends, x, side="right") / ends.size


@styled
def day(of: Replay, worst: tuple[Replayed, date] | None) -> Picture:
    """Prebuilds that ran on one day, hour by hour, and who came. `worst`: tables.worst_day."""
    if worst is None or worst[0].pools is None:
        return empty("There is no pool to show.")
    one, which = worst
    pools = worst[0].pools
    from_at = one.zone.at(datetime.combine(which, time()))
    until_at = one.zone.at(datetime.combine(which + timedelta(days=1), time()))
    inside = (pools.at >= from_at) & (pools.at < until_at)
    edges = np.append(pools.at[inside], min(until_at, int(pools.at[inside][-1]) + HOUR_US))
    picture = Picture(figsize=(WIDTH, 4.2), layout="constrained")
    picture.alt = f"Prebuilds of {one.preset} that ran on {which}, recorded and replayed, and who came"
    upper, lower = picture.subplots(2, 1, height_ratios=[2.2, 1])
    x = np.array([x_of(int(at)) for at in edges])
    low, middle, high = pools.replayed[inside].T
    upper.stairs(high, x, baseline=low, fill=True, color=READY, alpha=0.5, label="nine of ten replays")
    upper.stairs(middle, x, baseline=None, color=SERVED, label="median of the replays")
    upper.stairs(
        pools.recorded[inside], x, baseline=None, color=WANTED, linewidth=1.6, linestyle="--", label="recorded"
    )
    upper.stairs(pools.wanted[inside], x, baseline=None, color=OTHER, label="wanted")
    upper.set_ylim(0, max(float(pools.wanted[inside].max()), float(high.max())) * 1.15 + 0.5)
    _who_came(lower, of, one, edges, x)
    for ax in (upper, lower):
        days_axis(ax, one.zone, from_at, until_at)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    hours = [one.zone.at(datetime.combine(which, time(hour))) for hour in range(0, 24, 3)]
    for ax in (upper, lower):
        ax.set_xticks([x_of(at) for at in hours], [f"{one.zone.local(at):%H:%M}" for at in hours])
    titled(upper, shown_name(one.preset), long_weekday_date(which))
    upper.set_ylabel("prebuilds that ran,\non average")
    lower.set_ylabel("claims\nper hour")
    lower.set_xlabel(local_time(one.zone.name))
    legend(picture, upper, lower, ncols=3)
    return picture


def _who_came(ax: Axes, of: Replay, one: Replayed, edges: np.ndarray, x: np.ndarray) -> None:
    claims = of.claims[(of.claims["replication"] == -1) & (of.claims["preset"] == one.preset)]
    hit = claims["hit"].to_numpy(dtype=bool)
    at = claims["at"].to_numpy()
    hits, misses = np.histogram(at[hit], edges)[0], np.histogram(at[~hit], edges)[0]
    ax.bar(x[:-1], hits, np.diff(x) * 0.85, align="edge", color=SERVED, label="claims served by the pool, recorded")
    ax.bar(x[:-1], misses, np.diff(x) * 0.85, bottom=hits, align="edge", color=MISSED, label="not served, recorded")
