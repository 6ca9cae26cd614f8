"""Pictures of a forecast: each coming week by hour with its bounds, over what the same hours of the last weeks had."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from simkit.clock import WEEK_US
from simkit.demand.claims import hour_of_week
from simkit.deployment.forecast import LEVELS, Forecast, told
from simkit.model import HOURS_PER_WEEK
from simkit.studies.style import (
    OTHER,
    READY,
    SERVED,
    STARTING,
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
from simkit.times import weekday_date

_LAST_WEEKS = 4
_MOST_PANELS = 8
_LOW, _MIDDLE, _HIGH, _HIGHEST = range(4)
assert LEVELS == (0.05, 0.5, 0.95, 0.99), "the picture's labels name these"


@styled
def weeks(found: Sequence[Forecast]) -> Picture:
    """A panel for each coming week of each preset: claims per hour as expected, their bounds, and the last weeks'.

    Where there are more than _MOST_PANELS, each preset has its first weeks alone.
    """
    if not found:
        return empty("There is nothing to look ahead from.")
    each = max(_MOST_PANELS // len(found), 1)
    panels = [(one, week) for one in found for week in range(min(one.at.size // HOURS_PER_WEEK, each))]
    picture = Picture(figsize=(WIDTH, 0.9 + 1.9 * len(panels)), layout="constrained")
    picture.alt = f"Claims per hour in the coming weeks: {', '.join(one.preset for one in found)}"
    grid = picture.subplots(len(panels), 1, squeeze=False)[:, 0]
    for ax, (one, week) in zip(grid, panels, strict=True):
        _week(ax, one, week)
    for i, (one, _) in enumerate(panels):
        if i + 1 == len(panels) or panels[i + 1][0] is not one:
            sentence = textwrap.fill(told(one), 125)
            grid[i].set_xlabel(f"{local_time(one.zone.name)}\n{sentence}", loc="left")
    legend(picture, grid[0], ncols=4)
    return picture


def _week(ax: Axes, one: Forecast, week: int) -> None:
    begin = week * HOURS_PER_WEEK
    hours = slice(begin, min(begin + HOURS_PER_WEEK, one.at.size))
    at, bounds = one.at[hours], one.bounds[hours]
    edges = np.append(at, at[-1] + (at[-1] - at[-2]))
    x = np.array([x_of(int(instant)) for instant in edges])
    for back in range(_LAST_WEEKS, 0, -1):
        last = one.past.at.size - back * HOURS_PER_WEEK
        if last < 0:
            continue
        counts = one.past.count[last : last + HOURS_PER_WEEK]
        by_hour = np.full(HOURS_PER_WEEK, np.nan)
        by_hour[one.past.of_week[last : last + HOURS_PER_WEEK]] = counts
        where = by_hour[hour_of_week(at, one.zone)]
        label = f"the last {_LAST_WEEKS} weeks" if back == 1 else "_nolegend_"
        ax.plot((x[:-1] + x[1:]) / 2, where, ".", color="#777777", markersize=2.5, label=label)
    ax.stairs(
        bounds[:, _HIGH], x, baseline=bounds[:, _LOW], fill=True, color=READY, alpha=0.5, label="nine of ten hours"
    )
    ax.stairs(bounds[:, _HIGHEST], x, baseline=None, color=STARTING, linewidth=0.8, label="at most, 99%")
    ax.stairs(one.mean[hours], x, baseline=None, color=SERVED, linewidth=1.4, label="expected")
    for i in np.flatnonzero(one.is_holiday[hours]):
        ax.axvspan(x[i], x[i + 1], color=OTHER, alpha=0.35, linewidth=0)
    days_axis(ax, one.zone, int(at[0]), int(at[0]) + WEEK_US)
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel("claims\nper hour")
    titled(ax, shown_name(one.preset), f"week from {weekday_date(one.zone.local(int(at[0])).date())}")
