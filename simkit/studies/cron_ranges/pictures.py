"""Pictures of when schedules hold: weeks of hours, years of days, the day on which clocks change, a range's edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import groupby, pairwise

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Patch, Rectangle

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, UTC_ZONE, WEEKDAYS, to_datetime
from simkit.studies.cron_ranges.readings import AROUND_A_CHANGE_US, Case, Jump, Reading, cells_of, days, overlaps
from simkit.studies.heard import TOLD
from simkit.studies.style import (
    MISSED,
    SERVED,
    STARTING,
    WANTED,
    WIDTH,
    Picture,
    empty,
    instants,
    local_time,
    steps,
    styled,
    x_of,
)
from simkit.timeline import BASE, local_hours
from simkit.times import day_month, many, month, short_weekday, weekday_date

_LOWEST = "#E4E4E4"
_LONGEST_TITLE = 84  # characters
_EDGES_US = 3 * MINUTE_US
_EDGE_COLOURS = (MISSED, SERVED, STARTING)


@styled
def weeks(case: Case) -> Picture:
    """Each reading's week: a row per day, 24 hours across, coloured by desired instances."""
    if not case.readings:
        return empty("There is no schedule to show.")
    cells, colours = cells_of(case), _colours(case)
    picture = Picture(figsize=(WIDTH, 0.55 + 2.05 * len(case.readings)), layout="constrained")
    picture.alt = f"Desired instances in each hour of a week, {_labels(case)}, {case.zone.name}"
    grid = picture.subplots(len(case.readings), 1, sharex=True, squeeze=False)[:, 0]
    for ax, of in zip(grid, case.readings, strict=True):
        mine = cells[cells["reading"] == of.label]
        _week(ax, mine, colours)
        ax.set_title(_title(of), fontsize=8.5)
        picture.numbers += _week_told(of, mine)
    grid[-1].set_xlabel(f"hour of day, {local_time(case.zone.name)}")
    _legend(picture, colours)
    return picture


@styled
def edges(case: Case) -> Picture:
    """A week of the first reading, and below, to the second, when each reading's first span begins and ends."""
    held = case.desired[case.desired["schedule"] != BASE]
    if held.empty:
        return empty("No schedule holds in this time.")
    cells, colours = cells_of(case), _colours(case)
    picture = Picture(figsize=(WIDTH, 4.6), layout="constrained")
    picture.alt = f"A week of desired instances, and the minutes around a span's begin and end, {_labels(case)}"
    grid = picture.add_gridspec(2, 2, height_ratios=[1.9, 1.6])
    upper = picture.add_subplot(grid[0, :])
    first = case.readings[0]
    mine = cells[cells["reading"] == first.label]
    _week(upper, mine, colours)
    picture.numbers = _week_told(first, mine)
    upper.set_title(_title(first), fontsize=8.5)
    upper.set_xlabel(f"hour of day, {local_time(case.zone.name)}")
    latest = held[held["reading"] == held["reading"].iloc[-1]]
    lower = [picture.add_subplot(grid[1, i]) for i in (0, 1)]
    for ax, edge, what in zip(lower, ("from_at", "until_at"), ("begins", "ends"), strict=True):
        at = int(instants(latest[edge])[0])
        from_at, until_at = at - _EDGES_US, at + _EDGES_US
        for i, of in enumerate(case.readings):
            mine = case.desired[case.desired["reading"] == of.label]
            x, y = steps(instants(mine["from_at"]), mine["desired"], from_at, until_at)
            style = ("-", (0, (4, 2)), (0, (1, 1.5)))[i % 3]
            colour = _EDGE_COLOURS[i % len(_EDGE_COLOURS)]
            ax.step(x, y, where="post", color=colour, linewidth=2.2, linestyle=style, label=of.label)
        ticks = range(from_at, until_at + 1, MINUTE_US)
        ax.set_xticks([x_of(t) for t in ticks], [f"{case.zone.local(t):%H:%M}" for t in ticks])
        ax.set_xlim(x_of(from_at), x_of(until_at))
        ax.set_ylim(-0.4, 1.12 * max(colours))
        ax.set_title(f"the first span {what}, {weekday_date(case.zone.local(at))}", fontweight="normal")
        ax.set_xlabel(local_time(case.zone.name))
        ax.grid(True)
        ax.set_axisbelow(True)
    lower[0].set_ylabel("desired instances")
    lower[0].legend(loc="upper left", bbox_to_anchor=(0, 0.9))
    _legend(picture, colours)
    return picture


@styled
def year(case: Case, with_overlaps: bool = False) -> Picture:
    """Each reading's year: a column per week, a row per weekday, coloured by the day's most desired instances.

    `with_overlaps`: the days on which schedules of the first reading hold at the same time are framed.
    """
    if not case.readings:
        return empty("There is no schedule to show.")
    by_day, colours = days(case), _colours(case)
    framed = {day for on in overlaps(case)["days"] for day in on} if with_overlaps else set()
    picture = Picture(figsize=(WIDTH, 0.6 + 1.75 * len(case.readings)), layout="constrained")
    picture.alt = f"Desired instances on each day of {case.zone.local(case.start_at).year}, {_labels(case)}"
    if with_overlaps:
        picture.alt += f"; {len(framed)} days on which two schedules hold are framed"
    grid = picture.subplots(len(case.readings), 1, sharex=True, squeeze=False)[:, 0]
    for ax, of in zip(grid, case.readings, strict=True):
        mine = by_day[by_day["reading"] == of.label]
        _calendar(ax, mine["day"].tolist(), mine["desired"].tolist(), colours, framed)
        ax.set_title(_title(of), fontsize=8.5)
        picture.numbers += _year_told(of, mine)
    year = case.zone.local(case.start_at).year
    grid[-1].set_xlabel(f"weeks of {year}, days of {case.zone.name}")
    more = [Patch(facecolor="none", edgecolor=WANTED, linewidth=1.5, label="two schedules hold")] if framed else []
    _legend(picture, colours, "up to ", more)
    return picture


@styled
def clocks(jump: Jump, case: Case) -> Picture:
    """The hours around a change of clocks, as long as they are: what the wall clock shows, and each reading's pool."""
    if jump.change is None:
        way = "forward" if jump.forward else "back"
        return empty(f"The clocks of {jump.zone.name} do not go {way} in {jump.year}.")
    colours, at = _colours(case), jump.change.at
    rows = len(case.readings)
    picture = Picture(figsize=(WIDTH, 1.45 + 0.62 * rows), layout="constrained")
    before, after = to_datetime(jump.change.from_wall), to_datetime(jump.change.to_wall)
    what = "is skipped" if jump.forward else "comes twice"
    first, last = (to_datetime(wall) for wall in jump.walls)
    picture.alt = (
        f"The hours around {before:%Y-%m-%d %H:%M} in {jump.zone.name}, of which {first:%H:%M} to {last:%H:%M} {what}, "
        f"and desired instances {_labels(case)}"
    )
    ax = picture.subplots()
    ax.set_label(TOLD)
    _wall_clock(ax, jump, case, rows)
    cells = cells_of(case)
    for row, of in enumerate(case.readings):
        mine = cells[cells["reading"] == of.label]
        begins = mine["from_at"].tolist()
        for begin, end, desired in zip(begins, [*begins[1:], case.end_at], mine["desired"], strict=True):
            _box(ax, begin, end, rows - 1 - row, colours[desired], str(desired), "white")
        other = mine[mine["desired"] != of.preset.instances]
        ends = (
            (f"{UTC_ZONE.local(t):%H:%M}" for t in (begin, begin + round(hours * HOUR_US)))
            for begin, hours in zip(other["from_at"].tolist(), other["hours"], strict=True)
        )
        spans = [f"{wanted} from {' to '.join(pair)} UTC" for pair, wanted in zip(ends, other["desired"], strict=True)]
        picture.numbers += _told(of, spans)
    line = ax.axvline(x_of(at), color=MISSED, linewidth=1.6, linestyle=(0, (3, 2)), label="the clocks change")
    lost = f"no {first:%H:%M} to {last:%H:%M}" if jump.forward else f"{first:%H:%M} to {last:%H:%M} again"
    ax.text(x_of(at), rows + 0.5, f" {lost}", color=MISSED, fontsize=8, va="bottom")
    labels = [f"{of.label}\n{of.preset.timezone}" for of in case.readings]
    ax.set_yticks(range(rows + 1), [*reversed(labels), "the wall clock,\nhour by hour"])
    ax.set_ylim(-0.5, rows + 0.85)
    ticks = range(at - AROUND_A_CHANGE_US, at + AROUND_A_CHANGE_US + 1, HOUR_US)
    ax.set_xticks([x_of(t) for t in ticks], [f"{UTC_ZONE.local(t):%H:%M}" for t in ticks])
    ax.set_xlim(x_of(ticks[0]), x_of(ticks[-1]))
    ax.set_xlabel(f"time, UTC (the clocks of {jump.zone.name} change at {UTC_ZONE.local(at):%Y-%m-%d %H:%M})")
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_title(
        f"{_code(jump.cron)}:  {short_weekday(before)} {day_month(before)} {before:%H:%M} becomes {after:%H:%M},  "
        f"{first:%H:%M} to {last:%H:%M} {what}",
        fontsize=9,
    )
    frame: list[Artist] = [] if jump.forward else [Patch(facecolor=_REPEATED, edgecolor=MISSED, label="comes twice")]
    _legend(picture, colours, "", [*frame, line])
    return picture


_REPEATED = "#FBE3D2"


def _wall_clock(ax: Axes, jump: Jump, case: Case, row: int) -> None:
    """A box for each local hour, as wide as it is long, with what the clock shows when it begins."""
    hours = local_hours(case.zone, case.start_at, case.end_at - 1)
    first, last = jump.walls
    ends = [*hours.at[1:].tolist(), case.end_at]
    day = -1
    for begin, end, wall in zip(hours.at.tolist(), ends, hours.wall.tolist(), strict=True):
        begin = max(begin, case.start_at)
        cuts = sorted({begin, end, *(begin + w - wall for w in (first, last) if wall < w < wall + end - begin)})
        for a, b in pairwise(cuts):
            shown = wall + a - begin
            again = not jump.forward and first <= shown < last
            text = f"{to_datetime(shown):%H:%M}"
            if shown // DAY_US != day:
                text, day = f"{short_weekday(to_datetime(shown))}\n{text}", shown // DAY_US
            _box(ax, a, b, row, _REPEATED if again else "white", text, "#999999", MISSED if again else "")


def _box(ax: Axes, begin: int, end: int, row: int, colour: str, text: str, edge: str, ink: str = "") -> None:
    """A box of a strip with a text in the middle, where there is room for one."""
    ax.add_patch(
        Rectangle(
            (x_of(begin), row - 0.38), x_of(end) - x_of(begin), 0.76, facecolor=colour, edgecolor=edge, linewidth=0.8
        )
    )
    if end - begin >= HOUR_US // 3:
        dark = sum(int(to_hex(colour)[i : i + 2], 16) for i in (1, 3, 5)) < 400
        size = 8 if end - begin >= HOUR_US else 6.5
        ax.text(
            x_of((begin + end) // 2),
            row,
            text,
            ha="center",
            va="center",
            fontsize=size,
            color=ink or ("white" if dark else "#333333"),
        )


def _told(of: Reading, spans: Sequence[str]) -> str:
    """A reading's schedules as a sentence: what is wanted in its spans, and its base in all else."""
    if not spans:
        return f"{of.label}: {of.preset.instances} all the time. "
    return f"{of.label}: {'; '.join(spans)}; else {of.preset.instances}. "


def _week_told(of: Reading, cells: pd.DataFrame) -> str:
    by_day: dict[date, list[tuple[float, float, int]]] = {day: [] for day in cells["day"]}
    held = cells[cells["desired"] != of.preset.instances]
    for day, hour, hours, desired in zip(held["day"], held["hour"], held["hours"], held["desired"], strict=True):
        spans = by_day[day]
        goes_on = bool(spans) and spans[-1][1] == hour and spans[-1][2] == desired
        begin = spans.pop()[0] if goes_on else hour
        spans.append((begin, hour + hours, desired))
    told = []
    for same, group in groupby(by_day.items(), key=lambda item: item[1]):
        names = [f"{short_weekday(day)} {day_month(day)}" for day, _ in group]
        texts = [f"{_clock(begin)} to {_clock(end)} {desired}" for begin, end, desired in same]
        if texts:
            told.append(f"{' to '.join(dict.fromkeys((names[0], names[-1])))} {', '.join(texts)}")
    return _told(of, told)


def _clock(hour: float) -> str:
    return f"{int(hour):02d}:{round(hour % 1 * 60):02d}"


def _year_told(of: Reading, by_day: pd.DataFrame) -> str:
    told = []
    for desired, mine in by_day[by_day["desired"] != of.preset.instances].groupby("desired"):
        weekdays = Counter(day.weekday() for day in mine["day"])
        each = ", ".join(f"{WEEKDAYS[weekday]} {weekdays[weekday]}" for weekday in sorted(weekdays))
        told.append(f"up to {desired} on {many(len(mine), 'day')} ({each})")
    return _told(of, told)


def _week(ax: Axes, cells: pd.DataFrame, colours: dict[int, str]) -> None:
    ax.set_label(TOLD)
    shown = list(dict.fromkeys(cells["day"]))
    for desired, colour in colours.items():
        for row, day in enumerate(shown):
            mine = cells[(cells["desired"] == desired) & (cells["day"] == day)]
            ax.broken_barh(list(zip(mine["hour"], mine["hours"], strict=True)), (row - 0.44, 0.88), color=colour, lw=0)
    ax.set_xlim(0, 24)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    for hour in range(1, 24):
        ax.axvline(hour, color="white", linewidth=0.8)
    ax.set_xticks(range(0, 25, 2), [f"{hour:02d}:00" for hour in range(0, 25, 2)])
    ax.tick_params(labelbottom=True)
    ax.set_yticks(range(len(shown)), [f"{short_weekday(day)} {day_month(day)}" for day in shown])
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "bottom"]].set_visible(False)


def _calendar(
    ax: Axes, dates: Sequence[date], desired: Iterable[int], colours: dict[int, str], framed: set[date]
) -> None:
    ax.set_label(TOLD)
    monday = dates[0] - timedelta(days=dates[0].weekday())
    boxes: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for day, value in zip(dates, desired, strict=True):
        column, row = (day - monday).days // 7, day.weekday()
        boxes.setdefault((row, value), []).append((column + 0.06, 0.88))
        if day in framed:
            frame = Rectangle((column, row - 0.5), 1, 1, fill=False, edgecolor=WANTED, linewidth=1.6, zorder=5)
            ax.add_patch(frame)
    for (row, value), columns in boxes.items():
        ax.broken_barh(columns, (row - 0.44, 0.88), color=colours[value], lw=0)
    firsts = [day for day in dates if day.day == 1]
    for day in firsts:  # a line between months, down from the first of each
        column, row = (day - monday).days // 7, day.weekday()
        corners = [(column + 1, -0.5), (column + 1, row - 0.5), (column, row - 0.5), (column, 6.5)]
        x, y = np.array(corners if row else [(column, -0.5), (column, 6.5)]).T
        ax.plot(x, y, color="#777777", linewidth=0.6)
    weeks = (dates[-1] - monday).days // 7 + 1
    ax.set_xlim(0, weeks)
    ax.set_ylim(6.6, -0.6)
    ax.set_yticks(range(7), WEEKDAYS)
    middles = [(day - monday).days / 7 + 2.2 for day in firsts]
    ax.set_xticks(middles, [month(day) for day in firsts])
    ax.tick_params(axis="both", length=0, labelbottom=True)
    ax.spines[["left", "bottom"]].set_visible(False)


def _colours(case: Case) -> dict[int, str]:
    """A colour for each number of desired instances of a case, the lowest in grey, the highest darkest."""
    values = sorted(set(case.desired["desired"].tolist()))
    blues = colormaps["Blues"]
    higher = {1: [SERVED]}.get(len(values) - 1) or [to_hex(blues(x)) for x in np.linspace(0.4, 0.9, len(values) - 1)]
    return dict(zip(values, [_LOWEST, *higher], strict=True))


def _legend(picture: Picture, colours: dict[int, str], most: str = "", more: Sequence[Artist] = ()) -> None:
    patches = [Patch(facecolor=c, label=f"{most}{v} desired instance{'s' * (v != 1)}") for v, c in colours.items()]
    picture.legend(handles=[*patches, *more], loc="outside upper left", ncols=len(patches) + len(more))


def _labels(case: Case) -> str:
    *others, last = (of.label for of in case.readings)
    return " and ".join([", ".join(others), last] if others else [last])


def _title(of: Reading) -> str:
    """A reading and its schedules, as far as there is room."""
    schedules = [f"{_code(s.cron)} = {s.instances}" for s in of.preset.schedules]
    text = f"{of.label}:  {',  '.join(schedules)}"
    if len(text) > _LONGEST_TITLE:
        text = f"{of.label}:  {schedules[0]},  … ({len(schedules)} schedules)"
    return f"{text},  else {of.preset.instances}"


def _code(cron: str) -> str:
    return f'"{cron}"'
