"""Pictures of pools: when people come, who finds no prebuild, what waits unused, what fails and how old it gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, WEEKDAYS, Zone
from simkit.estimates import spread_by
from simkit.studies.capacity.sentences import asked_for
from simkit.studies.outcome import days_text, middle
from simkit.studies.style import (
    AGES,
    MEDIAN,
    MISSED,
    OTHER,
    READY,
    SERVED,
    STARTING,
    TAIL,
    WANTED,
    WIDTH,
    Picture,
    days_axis,
    empty,
    instants,
    legend,
    local_time,
    local_times,
    shown_name,
    steps,
    styled,
    titled,
    told_as_time,
    value_at,
    whiskers,
    x_of,
)
from simkit.studies.wording import as_instant, zone_of
from simkit.timeline import local_hours
from simkit.times import about, long_weekday_date

_FIRST_HOURS_US = (-15 * MINUTE_US, 2 * HOUR_US)
_MOST_PANELS, _MOST_ROWS = 12, 24
"""So many panels or rows are drawn. Of more presets the last stands for the lightest: nobody reads 200."""


@styled
def demand(answer: pd.DataFrame) -> Picture:
    """Claims per hour over the local week, a panel per preset. `answer`: demand, of any number of runs."""
    if answer["claims"].sum() == 0:
        return empty("Nobody asked for a workspace in this window.")
    return _weeks(answer, "claims", "claims per hour", "Blues")


@styled
def idle(answer: pd.DataFrame) -> Picture | None:
    """Prebuilds that wait for somebody over the local week, on average. `answer`: idle, of any number of runs.

    None where none stood idle, which the sentence beside it says.
    """
    if answer["idle_instance_hours"].sum() == 0:
        return None
    return _weeks(answer, "idle_instance_hours", "idle prebuilds, on average", "Oranges")


@styled
def week(
    pool: pd.DataFrame,
    runs: pd.DataFrame,
    presets: Sequence[str],
    monday: date,
    events: pd.DataFrame | None = None,
    limits: pd.DataFrame | None = None,
    *,
    alike: bool = False,
) -> Picture:
    """The pools of `presets` in the local week from `monday`: desired, running, eligible as steps; claims by hour.

    `pool`, `runs`, `events` and `limits` (hard_limits): the answers for one run. `alike`: all on one scale, to be
    compared by eye.
    """
    if pool.empty or not presets:
        return empty("There is no pool to show.")
    picture = Picture(figsize=(WIDTH, 0.6 + 2.6 * len(presets)), layout="constrained")
    picture.alt = f"Pools and claims in the week of {monday}: {', '.join(presets)}"
    grid = picture.subplots(2 * len(presets), 1, squeeze=False, height_ratios=[3, 1.2] * len(presets))[:, 0]
    end_at = instants(runs["end_at"])[0]
    for upper, lower, preset in zip(grid[::2], grid[1::2], presets, strict=True):
        mine = pool[pool["preset"] == preset]
        where = zone_of(mine["timezone"].iloc[0])
        from_at = where.at(datetime.combine(monday, time()))
        until_at = where.at(datetime.combine(monday + timedelta(days=7), time()))
        _pool_steps(upper, mine, ("running", "desired"), from_at, min(until_at, end_at))
        _claims_by_hour(lower, mine, where, from_at, min(until_at, end_at))
        _happenings((upper, lower), events, limits, preset, from_at, min(until_at, end_at))
        days_axis(lower, where, from_at, until_at)
        _under_one(upper, lower, [shown_name(preset)], where)
        lower.set_ylabel("claims\nper hour")
    if alike:
        for axes in (grid[::2], grid[1::2]):
            most = max(ax.get_ylim()[1] for ax in axes)
            for ax in axes:
                ax.set_ylim(top=most)
    legend(picture, *grid)
    return picture


@styled
def first_hours(
    pool: pd.DataFrame,
    first_hour: pd.DataFrame,
    runs: pd.DataFrame,
    presets: Sequence[str],
    events: pd.DataFrame | None = None,
    limits: pd.DataFrame | None = None,
) -> Picture:
    """The first two hours of each preset's worst day: what the pool has, who comes, and who finds nothing.

    The answers for one run.
    """
    mornings = [m for p in presets if (m := _worst_morning(pool, first_hour, p)) is not None]
    if not mornings:
        return empty("No day began in this window: nobody came.")
    columns = min(len(mornings), 2)
    rows = -(-len(mornings) // columns)
    picture = Picture(figsize=(WIDTH, 0.6 + 3.0 * rows), layout="constrained")
    picture.alt = "The first two hours of the day with most misses: " + ", ".join(m["preset"] for m in mornings)
    grid = picture.subplots(2 * rows, columns, squeeze=False, height_ratios=[1.5, 1] * rows)
    end_at = instants(runs["end_at"])[0]
    for upper, lower, morning in zip(grid[::2].ravel(), grid[1::2].ravel(), mornings, strict=False):
        mine = pool[pool["preset"] == morning["preset"]]
        where = zone_of(morning["timezone"])
        start_at = morning["started_at"]
        from_at, until_at = start_at + _FIRST_HOURS_US[0], start_at + _FIRST_HOURS_US[1]
        _pool_steps(upper, mine, ("starting", "running", "desired"), from_at, min(until_at, end_at))
        _people(lower, mine, from_at, min(until_at, end_at))
        _happenings((upper, lower), events, limits, morning["preset"], from_at, min(until_at, end_at))
        ticks = range(start_at, until_at + 1, 30 * MINUTE_US)
        lower.set_xticks([x_of(at) for at in ticks], [f"{where.local(at):%H:%M}" for at in ticks])
        lower.set_xlim(x_of(from_at), x_of(until_at))
        lower.fmt_xdata = told_as_time(where, with_day=False)
        title = shown_name(morning["preset"]), long_weekday_date(where.local(start_at))
        _under_one(upper, lower, title, where, columns)
        lower.set_ylabel(f"people since\n{where.local(from_at):%H:%M}")
    for ax in [*grid[::2].ravel()[len(mornings) :], *grid[1::2].ravel()[len(mornings) :]]:
        ax.set_axis_off()
    legend(picture, *grid[::2].ravel()[: len(mornings)])
    return picture


@styled
def first_hour(answer: pd.DataFrame, limits: pd.DataFrame | None = None) -> Picture:
    """The share of people who found no prebuild in the first hour of a day, by preset and weekday, over all runs given.

    `answer`: first_hour.
    """
    if answer["claims"].sum() == 0:
        return empty("Nobody came in the first hour of any day.")
    runs = answer["run_id"].nunique()
    misses = (answer["claims"] - answer["hits"]).groupby(answer["preset"], sort=False).sum()
    answer = _folded(answer, _names(misses, _MOST_ROWS))
    by = [answer["preset"], pd.to_datetime(answer["local_date"]).dt.day_of_week]
    sums = answer.groupby(by, sort=False)[["claims", "hits"]].sum()
    presets = list(dict.fromkeys(answer["preset"]))
    share = np.full((len(presets), 7), np.nan)
    picture = Picture(figsize=(WIDTH, 1.0 + 0.32 * len(presets)), layout="constrained")
    picture.alt = "Share of people who found no prebuild in the first hour, by preset and weekday"
    ax = picture.subplots()
    for (preset, weekday), (claims, hits) in zip(sums.index, sums.to_numpy(), strict=True):
        row = presets.index(preset)
        if claims:
            share[row, weekday] = (claims - hits) / claims
        came = f"{claims / runs:,.0f}" if claims >= 999.5 * runs else f"{claims / runs:.3g}"
        text = f"{share[row, weekday]:.0%} of {came}" if claims else "-"
        dark = claims > 0 and share[row, weekday] > 0.5
        ax.text(weekday, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "#222222")
    image = ax.imshow(share, cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    image.format_cursor_data = "{:.0%}".format  # type: ignore[method-assign]
    ax.set_xticks(range(7), WEEKDAYS)
    ax.set_yticks(range(len(presets)), [_with_limit(p, limits) for p in presets])
    ax.set_ylim(len(presets) - 0.5, -0.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(f"weekday, {local_times(answer['timezone'])}")
    ax.set_title("found no prebuild in the first hour of the day, of those who came then", fontweight="normal")
    return picture


@styled
def hit_rate_by_hour(answer: pd.DataFrame, presets: Sequence[str], limits: pd.DataFrame | None = None) -> Picture:
    """Hit rate, waits and claims of `presets` by local hour; bars span nine of ten replications.

    `answer`: hit_rate_by_hour, of any number of runs.
    """
    answer = answer[answer["preset"].isin(presets)]
    if answer.empty:
        return empty("Nobody asked for a workspace in this window.")
    answer = answer.assign(wait_p50_min=answer["wait_p50_s"] / 60, wait_p95_min=answer["wait_p95_s"] / 60)
    shown = [p for p in presets if p in set(answer["preset"])]
    picture = Picture(figsize=(WIDTH, 5.2), layout="constrained")
    picture.alt = f"Hit rate and waits by hour of day: {', '.join(shown)}"
    grid = picture.subplots(3, len(shown), sharex=True, sharey="row", squeeze=False, height_ratios=[2, 2, 1])
    for (rate, wait, claims), preset in zip(grid.T, shown, strict=True):
        mine = answer[answer["preset"] == preset]
        _hourly(rate, mine, "hit_rate", 0.0, SERVED, "")
        _hourly(wait, mine, "wait_p50_min", -0.15, MEDIAN, "half of the claims wait at most")
        _hourly(wait, mine, "wait_p95_min", 0.15, TAIL, "95% wait at most")
        came = spread_by(mine, ["hour"], "claims")
        claims.bar(came["hour"], came["median"], color=OTHER, width=0.8)
        titled(rate, *_with_limit(preset, limits).split("\n"), columns=len(shown))
        claims.set_xlabel(f"hour of day,\n{local_time(mine['timezone'].iloc[0])}")
    hours = answer["hour"]
    grid[0, 0].set_xlim(hours.min() - 0.6, hours.max() + 0.6)
    step = 1 if len(shown) == 1 else 3
    grid[2, 0].set_xticks([h for h in range(24) if hours.min() <= h <= hours.max() and h % step == 0])
    grid[0, 0].set_ylim(min(0.5, answer["hit_rate"].min() - 0.02), 1.02)
    grid[0, 0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    grid[1, 0].set_ylim(bottom=-0.04 * grid[1, 0].get_ylim()[1])
    grid[0, 0].set_ylabel("claims served\nby the pool")
    grid[1, 0].set_ylabel("wait (minutes)")
    grid[1, 0].fmt_ydata = lambda minutes: str(about(60 * minutes))
    grid[0, 0].fmt_xdata = lambda hour: f"{hour:.0f}:00"
    grid[2, 0].set_ylabel("claims\nin the window")
    for ax in grid[:2].ravel():
        ax.grid(axis="y")
        ax.set_axisbelow(True)
    legend(picture, grid[1, 0])
    return picture


@styled
def cost(hours: pd.DataFrame, idle: pd.DataFrame, demand: pd.DataFrame) -> Picture:
    """What pools cost in the window as billed, by preset: building, idle in hours of the week with claims and without.

    Instance-hours where nothing costs anything; idle includes being deleted. Any number of runs: medians, with nine of
    ten replications as a bar.
    """
    if hours["pool_hours"].sum() == 0:
        return empty("No prebuild was built in this window.")
    currency = shown_name(idle["currency"].iloc[0])
    costs = hours["pool_cost"].sum() > 0
    value, unit = ("idle_cost", currency) if costs else ("idle_instance_hours", "instance-hours")
    whole = hours.assign(
        building=hours["building_hours"] * (hours["pool_cost"] / hours["pool_hours"]).fillna(0.0)
        if costs
        else hours["building_hours"]
    )
    split = idle.assign(asked=asked_for(idle, demand), of=idle["preset"])
    spent = hours.groupby("preset", sort=False)["pool_cost" if costs else "pool_hours"].sum()
    names = _names(spent, _MOST_ROWS, ", each")
    hours, whole, split = (_folded(answer, names) for answer in (hours, whole, split))
    presets = list(dict.fromkeys(split["preset"]))
    picture = Picture(figsize=(WIDTH, 1.0 + 0.32 * len(presets)), layout="constrained")
    picture.alt = f"What pools cost by preset in {unit}: building and idle"
    ax = picture.subplots()
    rows = np.arange(len(presets))
    left = spread_by(whole, ["preset"], "building")["median"].to_numpy()
    ax.barh(rows, left, height=0.65, color=STARTING, label="building")
    for asked, colour, label in (
        (True, SERVED, "idle in hours of the week with claims"),
        (False, OTHER, "idle in hours without"),
    ):
        part = split.assign(part=split[value].where(split["asked"] == asked, 0.0))
        per_run = part.groupby(["run_id", "preset", "of"], sort=False)["part"].sum().reset_index()
        width = spread_by(per_run, ["preset"], "part")["median"].to_numpy()
        ax.barh(rows, width, left=left, height=0.65, color=colour, label=label)
        left = left + width
    total = spread_by(hours, ["preset"], "pool_cost" if costs else "pool_hours")
    ran = spread_by(hours, ["preset"], "pool_hours")["median"]
    ax.errorbar(left, rows, xerr=whiskers(total, left), fmt="none", ecolor="#222222", elinewidth=1, capsize=2)
    for row, high, spent, of_pool in zip(rows.tolist(), total["high"], total["median"], ran, strict=True):
        text = f" {spent:,.0f} {currency}, {of_pool:,.0f} h" if costs else f" {of_pool:,.0f} h"
        ax.text(max(high, left[row]), row, text, va="center", fontsize=8)
    ax.set_yticks(rows, [shown_name(p) for p in presets])
    ax.set_ylim(len(presets) - 0.4, -0.6)
    ax.margins(x=0.18)
    ax.set_xlim(left=0)
    ax.set_xlabel(
        f"the pools over the window as billed, building and idle ({unit}; the thin bar spans nine of ten replications)"
    )
    legend(picture, ax)
    return picture


@styled
def failures(answer: pd.DataFrame, runs: pd.DataFrame, events: pd.DataFrame | None = None) -> Picture | None:
    """Failed builds, backoffs and hard limits over the window of one run, in the presets' zone if they share one.

    None where none failed, which the sentence beside it says.
    """
    if answer.empty:
        return None
    zones = set(answer["timezone"])
    where = zone_of(zones.pop() if len(zones) == 1 else runs["timezone"].iloc[0])
    from_at, until_at = instants(runs["start_at"])[0], instants(runs["end_at"])[0]
    failures_of = answer["what"].eq("build failed").groupby(answer["preset"], sort=False).sum()
    answer = _folded(answer, _names(failures_of, _MOST_ROWS))
    presets = list(dict.fromkeys(answer["preset"]))
    picture = Picture(figsize=(WIDTH, 1.1 + 0.3 * len(presets)), layout="constrained")
    picture.alt = "Failed builds, backoffs and hard limits over the window"
    ax = picture.subplots()
    rows = answer["preset"].map(presets.index).to_numpy()
    x = instants(answer["happened_at"]) / DAY_US
    held = (answer["what"] == "backoff").to_numpy()
    if held.any():
        until = instants(answer.loc[held, "until_at"]) / DAY_US
        ax.hlines(rows[held], x[held], until, color=STARTING, linewidth=7, label="reconciler backs off")
    limited = (answer["what"] == "hard limit").to_numpy()
    if limited.any():
        until = instants(answer.loc[limited, "until_at"]) / DAY_US
        ax.hlines(rows[limited], x[limited], until, color=WANTED, linewidth=2.5, label="hard-limited")
        ax.plot(x[limited], rows[limited], "D", color=WANTED, markersize=5, label="_nolegend_")
    failed = (answer["what"] == "build failed").to_numpy()
    if failed.any():
        ax.plot(x[failed], rows[failed], "x", color=MISSED, markersize=5, label="build failed")
    _happenings((ax,), events, None, None, from_at, until_at)
    ax.set_yticks(range(len(presets)), [shown_name(p) for p in presets])
    ax.set_ylim(len(presets) - 0.5, -0.5)
    ax.grid(axis="y")
    ax.set_axisbelow(True)
    days_axis(ax, where, from_at, until_at)
    ax.set_xlabel(local_time(where.name))
    legend(picture, ax)
    return picture


@styled
def age_at_claim(age: pd.DataFrame, fates: pd.DataFrame) -> Picture | None:
    """How old prebuilds were when they were claimed, against their TTL, and what became of all of them, by preset.

    The answers for the same runs; ages of all of them together. None where none was built, which the sentence
    beside it says.
    """
    names = _names(fates.groupby("preset", sort=False)["created"].sum(), _MOST_ROWS)
    age, fates = (_folded(answer, names) for answer in (age, fates))
    presets = list(dict.fromkeys(fates["preset"]))
    became = fates.groupby("preset", sort=False)[["created", *_FATES]].sum()
    if became["created"].sum() == 0:
        return None
    picture = Picture(figsize=(WIDTH, 1.2 + 0.32 * len(presets)), layout="constrained")
    picture.alt = "Age of prebuilds when claimed against their TTL, and what became of prebuilds"
    left, right = picture.subplots(1, 2, sharey=True, width_ratios=[1.15, 1])
    for row, preset in enumerate(presets):
        ages = age.loc[age["preset"] == preset]
        if ages.empty:
            left.text(0.02, row, "none was claimed", va="center", fontsize=8, transform=left.get_yaxis_transform())
            continue
        p5, p25, p50, p75, p95 = np.quantile(np.maximum(ages["age_s"], 1), (0.05, 0.25, 0.5, 0.75, 0.95))
        left.hlines(row, p5, p95, color=SERVED, linewidth=1.5, label="nine of ten")
        left.hlines(row, p25, p75, color=SERVED, linewidth=6, label="half of them")
        left.plot(p50, row, "o", color="white", markeredgecolor=SERVED, markersize=5, label="median")
        for ttl in sorted({t for t in ages["ttl_s"] if t > 0}):
            left.plot(ttl, row, "|", color=MISSED, markersize=16, markeredgewidth=2, label="TTL")
            left.annotate(
                "TTL",
                (ttl, row),
                (-4, 0),
                textcoords="offset points",
                color=MISSED,
                fontsize=8,
                ha="right",
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},  # a line may end there
            )
    left.set_xscale("log")
    left.fmt_xdata = lambda seconds: str(about(seconds))
    low, high = left.get_xlim()
    ticks = [(s, text) for s, text in AGES if low <= s <= high and not age.empty]
    left.set_xticks([s for s, _ in ticks], [text for _, text in ticks])
    left.minorticks_off()
    left.grid(axis="x")
    left.set_axisbelow(True)
    left.set_xlabel("age when claimed (log scale)\ndot: median, thick: half of them, thin: nine of ten")
    left.set_yticks(range(len(presets)), [shown_name(p) for p in presets])
    left.set_ylim(len(presets) - 0.5, -0.5)
    begin = np.zeros(len(presets))
    for fate, colour in _FATES.items():
        share = (became[fate] / became["created"].clip(lower=1)).to_numpy()
        if share.any():
            right.barh(range(len(presets)), share, left=begin, height=0.65, color=colour, label=fate)
        begin = begin + share
    for row, share in enumerate(became["expired"] / became["created"].clip(lower=1)):
        right.text(1.01, row, f"{share:.1%} expired", va="center", fontsize=8)
    right.set_xlim(0, 1)
    right.spines["left"].set_visible(False)
    right.tick_params(axis="y", length=0)
    right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    right.set_xlabel("what became of the prebuilds")
    legend(picture, right)
    return picture


_PAUSED, _EVENT = "#DDDDDD", "#CC79A7"
_EVENT_LINES: dict[str, tuple[Any, str]] = {
    "activate": ("-", "new version"),
    "invalidate": (":", "prebuilds invalidated"),
}
_LOOKS: dict[str, dict[str, Any]] = {
    "starting": {"color": STARTING},
    "running": {"color": SERVED, "linewidth": 0.8},
    "desired": {"color": WANTED, "linewidth": 1.2, "linestyle": (0, (4, 2))},
}
_FATES = {
    "claimed": SERVED,
    "waiting": READY,
    "building": STARTING,
    "surplus": OTHER,
    "canceled": "#777777",
    "failed": WANTED,
    "expired": MISSED,
}


def _names(weights: pd.Series[Any], most: int, how: str = "") -> dict[str, str]:
    """What each preset is called, by `weights`, a number for each: the lightest of more than `most` have one name."""
    if len(weights) <= most:
        return {preset: preset for preset in weights.index}
    own = set(weights.sort_values(ascending=False, kind="stable").index[: most - 1])
    others = f"the other {len(weights) - len(own)}{how}"
    return {preset: preset if preset in own else others for preset in weights.index}


def _folded(answer: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The answer with presets under these names; what several share stands last."""
    folded = answer.assign(preset=answer["preset"].map(names))
    shared = folded["preset"] != answer["preset"]
    return pd.concat([folded[~shared], folded[shared]]) if shared.any() else answer


def _weeks(answer: pd.DataFrame, value: str, label: str, colours: str) -> Picture:
    """A column's mean per hour for each hour of the local week: a heatmap per preset on one colour scale."""
    answer = _folded(answer, _names(answer.groupby("preset", sort=False)[value].sum(), _MOST_PANELS, ", on average"))
    sums = answer.groupby(["preset", "timezone", "weekday", "hour"], sort=False, as_index=False)[[value, "hours"]].sum()
    presets = list(dict.fromkeys(zip(sums["preset"], sums["timezone"], strict=True)))
    columns = 1 if len(presets) == 1 else 2 if len(presets) <= 4 else 3
    rows = -(-len(presets) // columns)
    size = (WIDTH, 2.6) if len(presets) == 1 else (WIDTH, 0.7 + 1.45 * rows)
    picture = Picture(figsize=size, layout="constrained")
    picture.alt = f"Heatmap of {label} by weekday and hour: {', '.join(p for p, _ in presets)}"
    grid = picture.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    norm = Normalize(0, float((sums[value] / sums["hours"]).max()))
    several = len({where for _, where in presets}) > 1
    for ax, (preset, where) in zip(grid.ravel(), presets, strict=False):
        mine = sums[(sums["preset"] == preset) & (sums["timezone"] == where)]
        cells = np.full((7, 24), np.nan)
        cells[mine["weekday"], mine["hour"]] = mine[value] / mine["hours"]
        image = ax.imshow(cells, cmap=colours, norm=norm, aspect="auto")
        ax.set_facecolor("#EEEEEE")  # what is not in the window
        if len(presets) > 1:
            titled(ax, shown_name(preset), *([where] if several else []), columns=columns)
        if len(presets) == 1:
            for (weekday, hour), cell in np.ndenumerate(cells):
                if cell > 0:
                    colour = "white" if norm(cell) > 0.55 else "#222222"
                    ax.text(hour, weekday, _short(cell), ha="center", va="center", fontsize=7, color=colour)
        ax.set_xticks(range(0, 24, 1 if columns == 1 else 3 if columns == 2 else 6))
        ax.set_yticks(range(7), WEEKDAYS)
        ax.tick_params(length=0, labelsize=8 if len(presets) == 1 else 7)
        ax.spines[:].set_visible(False)
    for ax in grid.ravel()[len(presets) :]:
        ax.set_axis_off()
    picture.supxlabel(f"hour of day, {local_times(sums['timezone'])}", fontsize=9)
    picture.colorbar(image, ax=grid, label=label, shrink=0.8 if rows == 1 else 0.4, pad=0.01)
    return picture


def _pool_steps(ax: Axes, pool: pd.DataFrame, names: Sequence[str], from_at: int, until_at: int) -> None:
    """Eligible prebuilds as an area, columns `names` as lines: steps over [from_at, until_at), from the first row."""
    at = instants(pool["changed_at"])
    from_at = max(from_at, int(at[0]))
    x, y = steps(at, pool["eligible"], from_at, until_at)
    ax.fill_between(x, y, step="post", color=READY, alpha=0.55, linewidth=0, label="eligible (ready to claim)")
    lines = [steps(at, pool[name], from_at, until_at) for name in names]
    for name, (x, y) in zip(names, lines, strict=True):
        ax.plot(x, y, drawstyle="steps-post", label=name, **_LOOKS[name])
    ax.set_ylim(0, max(1, *(int(values.max()) for _, values in lines)) * 1.12)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))


def _happenings(
    axes: Sequence[Axes],
    events: pd.DataFrame | None,
    limits: pd.DataFrame | None,
    preset: str | None,
    from_at: int,
    until_at: int,
) -> None:
    """Pauses and a preset's hard limits as shades, versions and invalidations as lines, in [from_at, until_at].

    What concerns another preset alone is left out; `preset` None takes all.
    """
    for ax in axes:
        label = ax is axes[0]
        for _, event in (events if events is not None else pd.DataFrame()).iterrows():
            at = as_instant(event["happened_at"])
            if event["event"] == "pause":
                begin, end = max(at, from_at), min(as_instant(event["until_at"]), until_at)
                if begin < end:
                    ax.axvspan(
                        x_of(begin), x_of(end), color=_PAUSED, zorder=0, linewidth=0, label="reconciler paused" * label
                    )
            elif event["event"] in _EVENT_LINES and from_at <= at <= until_at and _concerns(event, preset):
                style, text = _EVENT_LINES[event["event"]]
                ax.axvline(x_of(at), color=_EVENT, linestyle=style, linewidth=1.2, label=text * label)
        for _, limit in (limits if limits is not None else pd.DataFrame()).iterrows():
            ends_at = until_at if pd.isna(limit["until_at"]) else min(as_instant(limit["until_at"]), until_at)
            begin = max(as_instant(limit["from_at"]), from_at)
            if limit["preset"] == preset and begin < ends_at:
                ax.axvspan(
                    x_of(begin),
                    x_of(ends_at),
                    facecolor=MISSED,
                    alpha=0.12,
                    zorder=0,
                    linewidth=0,
                    label="hard-limited" * label,
                )


def _concerns(event: pd.Series[Any], preset: str | None) -> bool:
    return preset is None or not isinstance(event["preset"], str) or bool(event["preset"] == preset)


def _with_limit(preset: str, limits: pd.DataFrame | None) -> str:
    """A preset's name, and for how long it was hard-limited, as a line of its own."""
    mine = None if limits is None else limits[limits["preset"] == preset]
    if mine is None or mine.empty:
        return shown_name(preset)
    per_run = mine.groupby("run_id", sort=False)
    hours = per_run["hours"].sum().loc[middle(per_run["from_at"].min())]
    return f"{shown_name(preset)}\nhard-limited for {days_text(hours)}"


def _claims_by_hour(ax: Axes, pool: pd.DataFrame, where: Zone, from_at: int, until_at: int) -> None:
    """Claims in each local hour of [from_at, until_at): served, and on top those that found no prebuild."""
    if from_at >= until_at:
        return
    edges = np.append(local_hours(where, from_at, until_at - 1).at, until_at)
    at = instants(pool["changed_at"])
    # A claim at an edge belongs to the hour that begins there.
    served, missed = (np.diff(value_at(at, pool[name], edges - 1)) for name in ("claimed", "missed"))
    ax.stairs(served, edges / DAY_US, fill=True, color=SERVED, label="claims served")
    ax.stairs(served + missed, edges / DAY_US, baseline=served, fill=True, color=MISSED, label="claims that found none")
    ax.set_ylim(0, max(1, (served + missed).max()) * 1.1)
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))


def _people(ax: Axes, pool: pd.DataFrame, from_at: int, until_at: int) -> None:
    """Who came since `from_at`, and who of them found no prebuild; each line says its own name."""
    at = instants(pool["changed_at"])
    came = pool["claimed"] + pool["missed"]
    counts = []
    for values, colour, name in ((came, SERVED, "came"), (pool["missed"], MISSED, "found none")):
        x, y = steps(at, values, from_at, until_at)
        y = y - value_at(at, values, np.array([from_at - 1]))[0]
        ax.plot(x, y, drawstyle="steps-post", color=colour)
        counts.append((y[-1], colour, name))
    top = max(1, counts[0][0])
    # One text stands above the other.
    for (count, colour, name), low, high in zip(counts, (0.2 * top, 0.0), (top, 0.8 * top), strict=True):
        y_of_text = min(max(count, low), high)
        ax.text(x[-1], y_of_text, f" {count} {name}", color=colour, va="center", fontsize=8, clip_on=False)
    ax.set_ylim(0, top * 1.15)
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def _worst_morning(pool: pd.DataFrame, first_hour: pd.DataFrame, preset: str) -> dict[str, Any] | None:
    """The first day on which most people found no prebuild in the hours shown; None if no day began."""
    days = first_hour[first_hour["preset"] == preset]
    if days.empty:
        return None
    mine = pool[pool["preset"] == preset]
    started_at = instants(days["started_at"])
    at = instants(mine["changed_at"])
    came = mine["missed"] * 1_000_000 + mine["claimed"]  # among equals, the day with most people
    before, after = (value_at(at, came, started_at + offset - 1) for offset in _FIRST_HOURS_US)
    worst = int(np.argmax(after - before))
    return {"preset": preset, "timezone": days["timezone"].iloc[worst], "started_at": int(started_at[worst])}


def _hourly(ax: Axes, answer: pd.DataFrame, value: str, offset: float, colour: str, label: str) -> None:
    by_hour = spread_by(answer, ["hour"], value).dropna()
    middle = by_hour["median"].to_numpy()
    error = whiskers(by_hour, middle)
    x = by_hour["hour"].to_numpy() + offset
    ax.errorbar(x, middle, yerr=error, fmt="o", color=colour, markersize=4, elinewidth=1.5, capsize=2, label=label)


def _under_one(upper: Axes, lower: Axes, title: Sequence[str], where: Zone, columns: int = 1) -> None:
    """Make two axes one panel: a title above, the time below."""
    upper.sharex(lower)
    upper.tick_params(labelbottom=False, which="both", length=0)
    titled(upper, *title, columns=columns)
    upper.set_ylabel("prebuilds")
    lower.set_xlabel(local_time(where.name))


def _short(value: float) -> str:
    """At most three characters where that is possible: 0.3, 12, 120."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
