"""Pictures of how long things live: prebuilds and their TTL, deadlines, activity, dormancy, and what runs when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.ticker import MaxNLocator, MultipleLocator

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, UTC_ZONE, WEEKDAYS, Zone, format_duration
from simkit.estimates import spread_by
from simkit.studies.expiration import tables
from simkit.studies.expiration.sentences import (
    BUMPED,
    DEADLINE,
    FAILED_START,
    GONE_DORMANT,
    MAX_DEADLINE,
    OWNER_SUSPENDED,
    stop_reasons,
)
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
    styled,
    titled,
    told_as_time,
    whiskers,
    x_of,
)
from simkit.studies.wording import zone_of
from simkit.times import about, short_weekday

_NOBODY = "The scenario has no people, so there are no workspaces of theirs to show."


@styled
def prebuild_ttls(answer: pd.DataFrame) -> Picture:
    """Age at claim, share expired, builds and the pool's cost as billed by a preset's TTL; bars span nine of ten runs.

    `answer`: ttls.prebuild_ttls.
    """
    if answer["created"].sum() == 0:
        return empty("No prebuild was built in this window.")
    tried = list(dict.fromkeys(answer["ttl_us"]))
    at = {ttl_us: place for place, ttl_us in enumerate(tried)}
    preset = answer["preset"].iloc[0]
    costs = answer["pool_cost_per_week"].sum() > 0
    picture = Picture(figsize=(WIDTH, 5.0), layout="constrained")
    picture.alt = f"Age at claim, share expired, builds and cost of the pool of {preset} by prebuild TTL"
    (age, expired), (builds, paid) = grid = picture.subplots(2, 2, sharex=True)
    _by_ttl(age, answer.assign(age_s=answer["age_p50_s"]), "age_s", at, MEDIAN, -0.1, "median age")
    _by_ttl(age, answer.assign(age_s=answer["age_p95_s"]), "age_s", at, TAIL, 0.1, "95% are at most so old")
    limited = [ttl_us for ttl_us in tried if ttl_us]
    age.plot([at[t] for t in limited], [t / 1e6 for t in limited], "_", color=WANTED, markersize=16, label="the TTL")
    age.set_yscale("log")
    low, high = age.get_ylim()
    ticks = [(s, text) for s, text in AGES if low <= s <= high]
    age.set_yticks([s for s, _ in ticks], [text for _, text in ticks])
    age.minorticks_off()
    age.fmt_ydata = lambda seconds: str(about(seconds))
    age.set_ylabel("age when claimed\n(log scale)")
    _by_ttl(expired, answer, "expired_share", at, MISSED)
    expired.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    expired.set_ylabel("of prebuilds\nexpire unused")
    _by_ttl(builds, answer, "builds_per_week", at, STARTING)
    builds.set_ylabel("prebuilds built\nper week")
    _by_ttl(paid, answer, "pool_cost_per_week" if costs else "pool_hours_per_week", at, SERVED)
    unit = shown_name(answer["currency"].iloc[0]) if costs else "instance-hours"
    paid.set_ylabel(f"the pool, building and idle\n({unit} per week)")
    own = answer.loc[answer["is_own"], "ttl_us"]
    for ax in grid.ravel():
        if ax is not age:
            ax.set_ylim(0, 1.1 * ax.dataLim.ymax if ax is not expired else 1)
        if len(own):
            ax.axvspan(
                at[own.iloc[0]] - 0.4, at[own.iloc[0]] + 0.4, color="#EEEEEE", zorder=0, label="the scenario's TTL"
            )
        ax.grid(axis="y")
        ax.set_axisbelow(True)
        ax.set_xticks(range(len(tried)), [format_duration(t) if t else "never" for t in tried])
        ax.tick_params(labelbottom=True)
    for ax in (builds, paid):
        ax.set_xlabel(f"prebuild TTL of {shown_name(preset)}\n(bars span nine of ten replications)")
    legend(picture, age, side="left")
    return picture


@styled
def deadlines(answer: pd.DataFrame, quiet_hours: pd.DataFrame) -> Picture:
    """For how long a workspace may run, by when its start is done; when quiet hours begin, by the wall clock and UTC.

    `answer` and `quiet_hours`: tables.deadlines_around and tables.quiet_hours_around for the same days.
    """
    if answer.empty:
        return empty(_NOBODY)
    where = zone_of(answer["timezone"].iloc[0])
    done = instants(answer["completed_at"])
    from_at, until_at = int(done[0]), int(done[-1]) + 1
    people = answer["people"].iloc[0]
    picture = Picture(figsize=(WIDTH, 5.2), layout="constrained")
    picture.alt = f"Deadline and max deadline of starts of {people}, and the beginning of their quiet hours"
    upper, lower = picture.subplots(2, 1, height_ratios=[1.7, 1], sharex=True)
    hours = {name: _hours_after(answer[name], answer["completed_at"]) for name in ("deadline", "max_deadline")}
    x = done / DAY_US
    for name, label, look in (
        (
            "max_deadline",
            "max deadline (far ones lie above)",
            {"color": MISSED, "linewidth": 1.4, "linestyle": (0, (4, 2))},
        ),
        ("deadline", "deadline", {"color": SERVED, "linewidth": 1.6}),
    ):
        if hours[name].notna().any():
            upper.plot(x, _cut_at_jumps(hours[name]), label=label, **look)
    refused = answer["is_refused"].to_numpy()
    if refused.any():
        upper.plot(x[refused], np.zeros(refused.sum()), "x", color=WANTED, label="Coder cannot complete the build")
    unset = answer["deadline"].isna().to_numpy() & ~refused
    if unset.any():
        upper.plot(x[unset], np.zeros(unset.sum()), "|", color=OTHER, label="no deadline: it never stops")
    longest = hours["deadline"].max()
    upper.set_ylim(0, 1.35 * longest if longest > 0 else None)
    upper.set_ylabel("hours until\nits deadline")
    upper.fmt_ydata = lambda hours: str(about(3600 * hours))
    upper.grid(axis="y")
    titled(upper, f"{people}: a workspace whose start is done at this instant may run for …")
    _quiet_hours(lower, quiet_hours, set(answer["max_deadline"].dropna()), where)
    days_axis(lower, where, from_at, until_at)
    upper.grid(axis="x")
    upper.set_axisbelow(True)
    upper.tick_params(labelbottom=False, length=0)
    for ax, y in ((upper, 0.96), (lower, 0.5)):
        for change_at, text in _clock_changes(where, from_at, until_at):
            ax.axvline(x_of(change_at), color="#555555", linewidth=1, linestyle=":")
            if ax is upper:
                ax.text(x_of(change_at), y, f" {text}", transform=ax.get_xaxis_transform(), fontsize=8, va="top")
    lower.set_xlabel(local_time(where.name))
    lower.set_title("their quiet hours begin")
    lower.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=3, borderaxespad=0)
    legend(picture, upper, side="left")
    return picture


@styled
def bumps(answer: pd.DataFrame) -> Picture:
    """One start's deadline against the instants of activity's reports, and the first half hour in which it moves.

    `answer`: tables.bumps.
    """
    if answer.empty:
        return empty(_NOBODY)
    if answer["deadline"].isna().all():
        return empty("This start has no deadline, so there is nothing that activity could move.")
    where = zone_of(answer["timezone"].iloc[0])
    at, deadline = instants(answer["reported_at"]), instants(answer["deadline"])
    picture = Picture(figsize=(WIDTH, 4.6), layout="constrained")
    picture.alt = "The deadline of one workspace while activity is reported every minute"
    moved = answer["what"].isin(_MOVES).to_numpy()
    left, right = picture.subplots(1, 2, width_ratios=[1.9, 1]) if moved.any() else (picture.subplots(), None)
    end_at = min(int(at[-1]) + tables.REPORT_US, int(deadline[-1]))
    top_at = int(deadline.max())
    now = np.array([at[0], top_at])
    left.plot(now / DAY_US, now / DAY_US, color="#555555", linewidth=1, label="now: at its deadline it stops")
    x, y = np.append(at, end_at) / DAY_US, np.append(deadline, deadline[-1]) / DAY_US
    left.plot(x, y, drawstyle="steps-post", color=SERVED, linewidth=1.6, label="deadline")
    if answer["max_deadline"].notna().any():
        max_at = int(instants(answer["max_deadline"])[0])
        if max_at <= top_at + 12 * HOUR_US:
            left.axhline(x_of(max_at), color=MISSED, linewidth=1.4, linestyle=(0, (4, 2)), label="max deadline")
            top_at = max(top_at, max_at)
    starts = [s for s in sorted(set(instants(answer["next_start_at"].dropna()))) if at[0] <= s <= end_at]
    for place, start_at in enumerate(starts):
        label = "autostart" if place == 0 else None
        left.axvline(x_of(start_at), color=STARTING, linewidth=1.4, linestyle=":", label=label)
    marks = _marks(answer)
    for letter, row, _ in marks:
        _mark(left, letter, at[row], deadline[row], is_last=row == len(answer) - 1)
    _clock_axis(left, where, int(at[0]), end_at, "x")
    _clock_axis(left, where, int(at[0]), top_at, "y")
    margin = 0.05 * (end_at - at[0])
    left.set_xlim(x_of(int(at[0] - margin)), x_of(int(end_at + margin)))
    left.set_ylim(x_of(int(at[0])), x_of(int(top_at + 0.08 * (top_at - at[0]))))
    left.set_ylabel(f"deadline, {local_time(where.name)}")
    left.set_xlabel(f"activity is reported each minute, {local_time(where.name)}")
    if right is not None:
        _first_moves(right, answer, where, int(np.flatnonzero(moved)[0]))
    left.legend(loc="lower right")
    handles = [_letter(letter, text) for letter, _, text in marks]
    picture.legend(handles=handles, loc="outside upper left", ncols=2)
    return picture


@styled
def workspaces(answer: pd.DataFrame, story: pd.DataFrame, runs: pd.DataFrame) -> Picture:
    """People's workspaces by state over the window; below, how many go dormant and are deleted each day.

    The answers for one run.
    """
    if not (story["what"] == "started").any():
        return empty(_NOBODY)
    where = zone_of(runs["timezone"].iloc[0])
    from_at, until_at = int(instants(runs["start_at"])[0]), int(instants(runs["end_at"])[0])
    picture = Picture(figsize=(WIDTH, 4.6), layout="constrained")
    picture.alt = "People's workspaces by state, and how many went dormant and were deleted each day"
    upper, lower = picture.subplots(2, 1, height_ratios=[2, 1], sharex=True)
    x = np.concatenate([[from_at], instants(answer["changed_at"]), [until_at]]) / DAY_US
    below = np.zeros(len(x) - 1)
    for state, colour in _STATES.items():
        count = np.concatenate([[0], answer[state]])
        upper.stairs(below + count, x, baseline=below, fill=True, color=colour, label=state)
        below = below + count
    upper.set_ylim(0, 1.05 * below.max())
    upper.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    upper.set_ylabel("workspaces")
    midnights = _midnights(where, from_at, until_at)
    edges = np.array([*midnights, until_at]) / DAY_US
    dormant, deleted = (_per_day(story, what, midnights) for what in ("dormancy", "autodelete"))
    lower.stairs(dormant, edges, fill=True, color=_STATES["dormant"], label="go dormant")
    lower.stairs(-deleted, edges, fill=True, color=_STATES["deleted"], label="are deleted")
    lower.axhline(0, color="#555555", linewidth=0.8)
    highest, lowest = max(1, int(dormant.max())), max(1, int(deleted.max()))
    lower.set_ylim(-1.15 * lowest, 1.15 * highest)
    lower.yaxis.set_major_locator(MultipleLocator(-(-(highest + lowest) // 5)))
    lower.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
    lower.set_ylabel("per day:\ndeleted | dormant")
    days_axis(lower, where, from_at, until_at)
    upper.grid(axis="x")
    upper.set_axisbelow(True)
    upper.tick_params(labelbottom=False, length=0)
    lower.set_xlabel(local_time(where.name))
    legend(picture, upper, side="left")
    return picture


@styled
def running(answer: pd.DataFrame, presets: Sequence[str], with_people: bool = True) -> Picture:
    """Instances of `presets` that run in each hour of the local week, on average: prebuilds, and on top people's.

    `answer`: running, of any number of runs. Without people a claimed workspace has no lifecycle: it is left out.
    """
    answer = answer[answer["preset"].isin(presets)]
    if not with_people:
        answer = answer.assign(people_instance_hours=0.0)
    both = ["prebuild_instance_hours", "people_instance_hours"]
    if answer.empty or answer[both].to_numpy().sum() == 0:
        return empty("No instance ran in this window.")
    keys = ["preset", "timezone", "weekday", "hour"]
    sums = answer.groupby(keys, sort=False, as_index=False)[[*both, "hours"]].sum()
    shown = list(dict.fromkeys(zip(sums["preset"], sums["timezone"], strict=True)))
    picture = Picture(figsize=(WIDTH, 0.9 + 2.3 * len(shown)), layout="constrained")
    picture.alt = f"Instances that run by hour of the week: {', '.join(presets)}"
    grid = picture.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (preset, where) in zip(grid, shown, strict=True):
        mine = sums[(sums["preset"] == preset) & (sums["timezone"] == where)]
        hour = 24 * mine["weekday"].to_numpy() + mine["hour"].to_numpy()
        prebuilds, people = (np.full(168, np.nan) for _ in both)
        prebuilds[hour], people[hour] = (mine[name] / mine["hours"] for name in both)
        edges = np.arange(169)
        ax.stairs(np.nan_to_num(prebuilds), edges, fill=True, color=READY, label="prebuilds")
        total = np.nan_to_num(prebuilds + people)
        if with_people:
            below = np.nan_to_num(prebuilds)
            ax.stairs(total, edges, baseline=below, fill=True, color=SERVED, label="people's workspaces")
        unknown = np.isnan(prebuilds)
        if unknown.any():
            ax.stairs(unknown * 2 * total.max(), edges, fill=True, color="#EEEEEE", label="not in the window")
        titled(ax, shown_name(preset))
        ax.set_ylabel("instances that run,\non average")
        ax.set_ylim(0, 1.08 * total.max())
        ax.set_xticks([24 * day + hour for day in range(7) for hour in (6, 12, 18)])
        ax.set_xticklabels([f"12\n{day}" if hour == 12 else str(hour) for day in WEEKDAYS for hour in (6, 12, 18)])
        ax.set_xticks(range(0, 169, 24), minor=True)
        ax.grid(axis="x", which="minor")
        ax.grid(axis="y")
        ax.set_axisbelow(True)
        ax.set_xlim(0, 168)
        ax.tick_params(labelbottom=True)
        ax.set_xlabel(f"hour of the week, {local_time(where)}")
    legend(picture, grid[0], side="left")
    return picture


@styled
def stops(answer: pd.DataFrame, runs: pd.DataFrame) -> Picture:
    """Why people's workspaces stop, by hour of day: how many a day on average, over all runs given.

    `answer` and `runs`: of the same runs.
    """
    reasons = stop_reasons(answer)
    if reasons.empty:
        return empty("No workspace of a person was stopped in this window.")
    days = (instants(runs["end_at"]) - instants(runs["start_at"])).sum() / DAY_US
    picture = Picture(figsize=(WIDTH, 3.4), layout="constrained")
    picture.alt = "Why people's workspaces stop, by hour of day"
    ax = picture.subplots()
    below = np.zeros(24)
    for reason, colour in _REASONS.items():
        counts = reasons.loc[reasons["reason"] == reason].groupby("hour")["times"].sum()
        if counts.empty:
            continue
        height = counts.reindex(range(24), fill_value=0).to_numpy() / days
        ax.bar(np.arange(24) + 0.5, height, bottom=below, width=0.85, color=colour, label=reason)
        below = below + height
    ax.set_xlim(0, 24)
    ax.set_xticks(range(0, 25, 2), [f"{hour}:00" for hour in range(0, 25, 2)])
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_ylabel("workspaces per day,\non average")
    ax.set_xlabel(f"hour of day, {local_times(answer['timezone'])}")
    ax.grid(axis="y")
    ax.set_axisbelow(True)
    legend(picture, ax, ncols=3, side="left")
    return picture


_MOVES = (tables.MOVED, tables.CROSSED, tables.CAPPED)
_STATES = {"running": SERVED, "stopped": READY, "dormant": STARTING, "deleted": OTHER}
_REASONS = {
    DEADLINE: SERVED,
    BUMPED: READY,
    MAX_DEADLINE: MISSED,
    OWNER_SUSPENDED: WANTED,
    FAILED_START: OTHER,
    GONE_DORMANT: STARTING,
}


def _by_ttl(
    ax: Axes, answer: pd.DataFrame, value: str, at: dict[int, int], colour: str, offset: float = 0, label: str = ""
) -> None:
    by = spread_by(answer, ["ttl_us"], value).dropna()
    middle = by["median"].to_numpy()
    x = by["ttl_us"].map(at).to_numpy() + offset
    ax.errorbar(
        x, middle, yerr=whiskers(by, middle), fmt="o-", color=colour, markersize=4, linewidth=1, capsize=2, label=label
    )


def _hours_after(at: pd.Series[Any], since: pd.Series[Any]) -> pd.Series[Any]:
    return (at - since).dt.total_seconds() / 3600


def _cut_at_jumps(hours: pd.Series[Any]) -> pd.Series[Any]:
    """NaN where a line would rise to the next deadline: between two instants it falls, or stays."""
    return hours.mask(hours.diff() > 0.5)


def _clock_changes(where: Zone, from_at: int, until_at: int) -> list[tuple[int, str]]:
    """(instant, what happens) of each change of the zone's offset in the span."""
    at, offset_us = where.offsets(from_at, until_at)
    pairs = zip(at[1:].tolist(), np.diff(offset_us).tolist(), strict=True)
    return [
        (change_at, f"clocks go {'back' if by_us < 0 else 'forward'} {format_duration(abs(by_us))}")
        for change_at, by_us in pairs
    ]


def _quiet_hours(ax: Axes, quiet_hours: pd.DataFrame, stops_at: set[Any], where: Zone) -> None:
    """Each night's beginning of the quiet hours as a time of day, on the wall clock and in UTC."""
    ax.set_ylabel("time of day")
    if quiet_hours.empty:
        ax.text(0.01, 0.5, "There are no quiet hours.", transform=ax.transAxes, color="#555555")
        ax.set_yticks([])
        return
    at = instants(quiet_hours["begins_at"])
    is_stop = quiet_hours["begins_at"].isin(stops_at).to_numpy()
    clocks = [(where, SERVED, f"on the wall clock, {where.name}")]
    clocks += [(UTC_ZONE, STARTING, "in UTC")] if where != UTC_ZONE else []
    every: list[float] = []
    for clock, colour, label in clocks:
        hours = np.array([_hour_of_day(clock, a) for a in at.tolist()])
        ax.plot(at / DAY_US, hours, ".-", color=colour, linewidth=1, markersize=5, label=label)
        look: dict[str, Any] = {"markersize": 8, "mfc": "white", "mew": 1.8, "label": "_nolegend_"}
        ax.plot(at[is_stop] / DAY_US, hours[is_stop], "o", color=colour, **look)
        for place in [0, *(np.flatnonzero(np.diff(hours)) + 1)]:
            text = f"{clock.local(int(at[place])):%H:%M}"
            ax.annotate(text, (at[place] / DAY_US, hours[place]), (0, 7), textcoords="offset points", fontsize=8)
        every += hours.tolist()
    if is_stop.any():
        ax.plot([], [], "o", color="#555555", mfc="white", mew=1.8, label="a max deadline")
    low, high = min(every), max(every)
    ax.set_ylim(low - 0.8 - 0.05 * (high - low), high + 1.4 + 0.1 * (high - low))
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value % 24:02.0f}:00")
    ax.grid(axis="y")


def _hour_of_day(clock: Zone, at: int) -> float:
    local = clock.local(at)
    return local.hour + local.minute / 60


def _marks(answer: pd.DataFrame) -> list[tuple[str, int, str]]:
    """(letter, row, what happens there) of the reports that a reader should find, in order."""
    what = answer["what"].to_numpy()
    found = [(0, "the start is done")]
    for kind, text in (
        (tables.MOVED, "activity moves it for the first time"),
        (tables.CROSSED, "the extension crosses the autostart: autostart + TTL"),
        (tables.CAPPED, "capped by the max deadline: nothing moves it any more"),
    ):
        rows = np.flatnonzero(what == kind)
        found += [(int(row), text) for row in (rows if kind == tables.CROSSED else rows[:1])]
    if answer["is_over"].iloc[-1]:
        found.append((len(answer) - 1, "the workspace stops"))
    return [(letter, row, text) for letter, (row, text) in zip("ABCDEFGH", sorted(found), strict=False)]


def _mark(ax: Axes, letter: str, at: int, deadline: int, is_last: bool) -> None:
    """A dot and its letter beside the line: above it, the last one below."""
    ax.plot(at / DAY_US, deadline / DAY_US, "o", color=SERVED, markersize=5, zorder=5, label="_nolegend_")
    circle = {"boxstyle": "circle,pad=0.2", "facecolor": "white", "edgecolor": WANTED, "linewidth": 0.8}
    ax.annotate(
        letter,
        (at / DAY_US, deadline / DAY_US),
        (10, -12) if is_last else (-10, 11),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=7.5,
        bbox=circle,
        zorder=6,
    )


def _letter(letter: str, text: str) -> Line2D:
    """A letter's line in a legend."""
    with rc_context({"text.parse_math": True}):
        marker = MarkerStyle(rf"$\mathrm{{{letter}}}$")
    return Line2D([], [], linestyle="", marker=marker, color=WANTED, mew=0.2, markersize=6, label=text)


def _first_moves(ax: Axes, answer: pd.DataFrame, where: Zone, first: int) -> None:
    """The half hour from shortly before the first report that moves the deadline: each report, moved or not."""
    rows = answer.iloc[max(first - 6, 0) : first + 20]
    at, deadline = instants(rows["reported_at"]), instants(rows["deadline"])
    ax.plot(at / DAY_US, deadline / DAY_US, drawstyle="steps-post", color=SERVED, linewidth=1.4)
    bump = at + rows["extension_us"].to_numpy()
    ax.plot(at / DAY_US, bump / DAY_US, color="#555555", linewidth=1, linestyle=":", label="now + extension")
    moves = rows["what"].isin(_MOVES).to_numpy()
    ax.plot(at[~moves] / DAY_US, deadline[~moves] / DAY_US, ".", color=OTHER, markersize=6, label="moves nothing")
    ax.plot(at[moves] / DAY_US, deadline[moves] / DAY_US, "o", color=SERVED, markersize=5, label="moves the deadline")
    _clock_axis(ax, where, int(at[0]), int(at[-1]), "x")
    _clock_axis(ax, where, int(min(deadline[0], bump[0])), int(deadline[-1]), "y")
    ax.set_title("the first moves, report by report", fontweight="normal")
    ax.set_ylabel("deadline")
    ax.set_xlabel(f"reported at, {local_time(where.name)}")
    ax.legend(loc="lower right", fontsize=7.5)
    ax.grid(axis="y")
    ax.set_axisbelow(True)


_CLOCK_STEPS_US = (
    5 * MINUTE_US,
    10 * MINUTE_US,
    30 * MINUTE_US,
    HOUR_US,
    3 * HOUR_US,
    6 * HOUR_US,
    12 * HOUR_US,
    DAY_US,
)


def _clock_axis(ax: Axes, where: Zone, from_at: int, until_at: int, which: str) -> None:
    """Times of the zone's wall clock on an axis of instants; with the weekday where the span is longer than a day."""
    step_us = next((s for s in _CLOCK_STEPS_US if (until_at - from_at) / s <= 7), DAY_US)
    at = where.at(datetime.combine(where.local(from_at).date(), time()))
    ticks = [t for t in range(at, until_at + step_us, step_us) if from_at <= t <= until_at]
    days = [f"{short_weekday(where.local(t))} " if until_at - from_at > DAY_US else "" for t in ticks]
    labels = [f"{day}{where.local(t):%H:%M}" for day, t in zip(days, ticks, strict=True)]
    setattr(ax, f"fmt_{which}data", told_as_time(where))
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_ticks([x_of(t) for t in ticks], [text.replace(" ", "\n") if which == "x" else text for text in labels])


def _midnights(where: Zone, from_at: int, until_at: int) -> list[int]:
    """The instants at which days of the zone begin in a span, the first one where the span begins."""
    days, day = [from_at], where.local(from_at).date() + timedelta(days=1)
    while (at := where.at(datetime.combine(day, time()))) < until_at:
        days.append(at)
        day += timedelta(days=1)
    return days


def _per_day(story: pd.DataFrame, what: str, midnights: Sequence[int]) -> Any:
    """How often something happened on each day, int64[days]."""
    at = instants(story.loc[story["what"] == what, "happened_at"])
    return np.bincount(np.searchsorted(midnights, at, side="right") - 1, minlength=len(midnights))
