"""Pictures of a decision: how sure the answer is, what other answers cost, and what nobody could save beforehand."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from simkit.clock import WEEKDAYS
from simkit.decide.bounds import Rung
from simkit.decide.league import RECOMMENDED, League
from simkit.decide.margins import QUARTER, Float64Array
from simkit.decide.recommendation import CONFIDENCE, Advice, Point
from simkit.decide.standings import name_of
from simkit.decide.worth import Worth, extremes
from simkit.studies.decide.trials import Effect, widest
from simkit.studies.heard import TOLD
from simkit.studies.style import (
    MISSED,
    OTHER,
    READY,
    SERVED,
    WIDTH,
    Picture,
    empty,
    legend,
    local_times,
    shown_name,
    styled,
    titled,
)
from simkit.studies.wording import percent

if TYPE_CHECKING:
    import pandas as pd

_TODAY = MISSED
_TARGET: dict[str, Any] = {"color": "#222222", "linestyle": (0, (4, 2)), "linewidth": 1.0}


@styled
def answer(advice: Advice) -> Picture:
    """Hit rates of today's setting and of the recommendation: in the weeks seen, in weeks left out of the choice, and
    what the next quarter may bring."""
    held, span = advice.held_out, advice.outlook.interval
    rows: list[tuple[str, float, str]] = [
        ("today's setting, weeks seen", advice.before.hit_rate, _TODAY),
        ("recommended, weeks seen", advice.after.hit_rate, SERVED),
    ]
    if held is not None:
        weeks = "the last week" if held.weeks == 1 else f"the last {held.weeks} weeks"
        name = f"recommended, {weeks}" if held.is_recommended else f"chosen without {weeks}, and tried there"
        rows.append((name, held.rate, READY))
    last = len(rows)
    picture = Picture(figsize=(WIDTH, 1.1 + 0.27 * last), layout="constrained")
    picture.alt = f"Hit rates of today's setting and of the recommendation of {advice.preset.name}, against the target"
    ax = picture.subplots()
    beside = ax.get_yaxis_transform()
    for row, (_, rate, colour) in enumerate(rows):
        ax.plot(rate, row, "o", color=colour, markersize=7)
        ax.text(1.015, row, percent(rate) or "nobody came", va="center", fontsize=8, transform=beside)
    ax.hlines(last, span.low, span.high, color=SERVED, linewidth=2)
    ax.plot([span.low, span.high], [last, last], "|", color=SERVED, markersize=9, label="_nolegend_")
    ax.plot(advice.limit, last, "D", color=SERVED, markersize=6, label=f"not below this, with {CONFIDENCE:.0%}")
    ax.text(1.015, last, f"{span.low:.1%} to {span.high:.1%}", va="center", fontsize=8, transform=beside)
    ax.axvline(advice.target, label=f"target {advice.target:.1%}", **_TARGET)
    ax.set_yticks(range(last + 1), [*(name for name, _, _ in rows), f"recommended, next {QUARTER} weeks (95%)"])
    ax.set_ylim(last + 0.5, -0.5)
    low = min([*(rate for _, rate, _ in rows if not math.isnan(rate)), span.low, advice.target])
    ax.set_xlim(low - 0.05 * (1 - low) - 0.002, 1 + 0.02 * (1 - low))
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    ax.set_xlabel("hit rate: share of claims that find a prebuild")
    ax.grid(axis="x")
    ax.set_axisbelow(True)
    legend(picture, ax)
    return picture


@styled
def front(advice: Advice, currency: str) -> Picture:
    """Plans of which no other is as good for less, by the numbers of `tables.front`: hit rate over what they cost a
    week, or over idle instance-hours where nothing costs anything."""
    has_cost = any(point.cost_per_week for point in advice.front)
    x = [_price(point, has_cost) for point in advice.front]
    y = [point.hit_rate for point in advice.front]
    today = advice.before.cost_per_week if has_cost else advice.before.idle_hours_per_week
    unit = f"the pool's cost a week, {shown_name(currency)}" if has_cost else "idle instance-hours a week"
    picture = Picture(figsize=(WIDTH, 3.4), layout="constrained")
    picture.alt = f"Hit rates of plans for {advice.preset.name} over {unit}; the recommendation and today's setting"
    ax = picture.subplots()
    ax.plot(x, y, color=OTHER, linewidth=1.2, zorder=1)
    own = next(i for i, point in enumerate(advice.front) if point.plan == advice.plan)
    span = advice.outlook.interval
    ax.vlines(x[own], span.low, span.high, color=SERVED, linewidth=2, zorder=2, label="next quarter, 95%")
    for i, (at, rate) in enumerate(zip(x, y, strict=True)):
        colour = SERVED if i == own else "#666666"
        ax.plot(at, rate, "o", color=colour, markersize=13, zorder=3)
        ax.text(at, rate, str(i + 1), color="white", ha="center", va="center", fontsize=8, zorder=4)
    ax.axhline(advice.target, label=f"target {advice.target:.1%}", **_TARGET)
    low, high = min([*y, span.low, advice.target]), max([*y, span.high])
    ax.set_ylim(low - 0.12 * (high - low) - 1e-3, high + 0.12 * (high - low) + 1e-3)
    wide = max(max(x) - min(x), 0.02 * max(x), 1e-9)
    ax.set_xlim(min(x) - 0.15 * wide, max(x) + 0.15 * wide)
    picture.numbers = f"{_mark_today(ax, today, advice.before.hit_rate)}."
    ax.fmt_xdata = lambda price: f"at {price:,.0f}"
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    ax.set_ylabel("hit rate in the weeks seen")
    ax.set_xlabel(unit)
    ax.grid()
    ax.set_axisbelow(True)
    legend(picture, ax)
    return picture


@styled
def ladder(advice: Advice) -> Picture:
    """Idle instance-hours a week that the target takes if more is known, beside those of the answer and of today."""
    rows = [(r.idle_hours_per_week, r.hit_rate, _rung_name(r), OTHER) for r in advice.ladder]
    rows.append((advice.after.idle_hours_per_week, advice.after.hit_rate, "the recommendation", SERVED))
    rows.append((advice.before.idle_hours_per_week, advice.before.hit_rate, "today's setting", _TODAY))
    rows.sort(key=lambda row: (math.isnan(row[0]), row[0]))
    picture = Picture(figsize=(WIDTH, 0.7 + 0.4 * len(rows)), layout="constrained")
    picture.alt = f"Idle instance-hours a week of {advice.preset.name}: bounds, the recommendation, today's setting"
    ax = picture.subplots()
    ax.set_label(TOLD)
    told: list[str] = []
    for row, (idle, rate, _, colour) in enumerate(rows):
        if math.isnan(idle):
            text = f" no such number reaches {advice.target:.1%}; the best has {rate:.1%}"
        else:
            ax.barh(row, idle, height=0.62, color=colour)
            text = f" {idle:,.0f} h at {rate:.1%}" if idle >= 9.95 else f" {idle:,.1f} h at {rate:.1%}"
        ax.text(0.0 if math.isnan(idle) else idle, row, text, va="center", fontsize=8)
        told.append(f"{' '.join(rows[row][2].split())}{text}")
    ax.set_yticks(range(len(rows)), [name for *_, name, _ in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    picture.numbers = f"{'; '.join(told)}."
    most = max((idle for idle, *_ in rows if not math.isnan(idle)), default=1.0)
    ax.set_xlim(0, 1.22 * max(most, 1e-9))
    ax.set_xlabel("idle instance-hours a week, at the hit rate that stands beside them")
    ax.grid(axis="x")
    ax.set_axisbelow(True)
    return picture


def _rung_name(of: Rung) -> str:
    return f"{of.name}\n(chosen by {of.knows}, {'in' if of.in_sample else 'out of'} sample)"


@styled
def worth(of: Sequence[Worth]) -> Picture:
    """The price per miss that the last instance wanted implies, and that of one more, over the local week.

    In money, or idle instance-hours where nothing costs anything. One preset: with today's numbers and a number in each
    cell. Several: a row each. The hour in which one fewer, or one more, pays most is outlined.
    """
    if not of:
        return empty("There is no preset to show.")
    if len(of) == 1:
        picture = Picture(figsize=(WIDTH, 5.6), layout="constrained")
        wanted, *panels = picture.subplots(3, 1, sharex=True)
        grid = np.array([panels])
        _wanted(wanted, of[0])
    else:
        picture = Picture(figsize=(WIDTH, 1.0 + 1.35 * len(of)), layout="constrained")
        grid = picture.subplots(len(of), 2, sharex=True, sharey=True)
    picture.alt = f"Price per miss prevented by hour of the week: {', '.join(one.preset for one in of)}"
    prices = [[_money(one, one.hours_per_miss), _money(one, one.hours_per_miss_of_more)] for one in of]
    known = np.concatenate([x[np.isfinite(x) & (x > 0)] for pair in prices for x in pair])
    low, high = (known.min(), known.max()) if known.size else (1.0, 1.0)
    norm = LogNorm(low * 0.999, max(high, 2 * low))
    image = None
    for one, axes, pair in zip(of, grid, prices, strict=True):
        for ax, price, marked, text in zip(axes, pair, extremes(one)[::-1], _PANELS, strict=True):
            image = _week(ax, price, norm, numbered=len(of) == 1)
            if marked is not None:
                day, hour = divmod(marked, 24)
                ax.add_patch(
                    Rectangle(
                        (hour - 0.5, day - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.8, clip_on=False
                    )
                )
            if len(of) == 1:
                titled(ax, text)
            else:
                ax.set_title("\n".join([*([text] if one is of[0] else []), shown_name(one.preset)]), fontsize=8)
    units = {one.currency if one.price else "idle instance-hours" for one in of}
    unit = f"{', '.join(map(shown_name, sorted(units)))}\nper miss prevented"
    assert image is not None, "there is a preset"
    bar = picture.colorbar(image, ax=list(grid.ravel()), label=unit, pad=0.01, shrink=0.8 if len(of) < 4 else 0.4)
    bar.set_ticks([float(x) for x in np.geomspace(norm.vmin or 1, norm.vmax or 1, 5)])
    bar.ax.yaxis.set_major_formatter(lambda value, _: _short(value))
    bar.ax.minorticks_off()
    picture.supxlabel(f"hour of day, {local_times(one.timezone for one in of)}", fontsize=9)
    picture.legend(
        handles=[
            Patch(facecolor=_FOR_NOBODY, label="prevents no miss"),
            Patch(facecolor=_NOTHING, label="nothing wanted"),
        ],
        loc="outside upper right",
        ncols=2,
    )
    return picture


_FOR_NOBODY, _NOTHING = "#B4BCC4", "#F3F3F3"
_PANELS = ("the last one (outlined: one fewer pays most)", "one more (outlined: it pays most)")


def _wanted(ax: Axes, of: Worth) -> None:
    cells = of.wanted.reshape(7, 24)
    ax.imshow(cells, cmap="Greys", norm=Normalize(0, 2.4 * max(1, cells.max())), aspect="auto")
    for (day, hour), wanted in np.ndenumerate(cells):
        ax.text(hour, day, str(wanted), ha="center", va="center", fontsize=7)
    _hours_axes(ax)
    titled(ax, shown_name(of.preset), "prebuilds wanted")


def _week(ax: Axes, price: Float64Array, norm: LogNorm, *, numbered: bool) -> AxesImage:
    """Prices by hour of the week; infinite ones and those that are not there have colours of their own."""
    cells = price.reshape(7, 24)
    known = np.isfinite(cells)
    nobody = ax.imshow(np.where(np.isinf(cells), 1.0, np.nan), cmap=ListedColormap([_FOR_NOBODY]), aspect="auto")
    nobody.set_label("_nolegend_")
    image = ax.imshow(
        np.where(known, np.maximum(cells, norm.vmin or 0), np.nan), cmap="YlOrRd", norm=norm, aspect="auto"
    )
    ax.set_facecolor(_NOTHING)
    if numbered:
        for day, hour in np.argwhere(known):
            colour = "white" if norm(max(cells[day, hour], norm.vmin or 0)) > 0.6 else "#222222"
            ax.text(hour, day, _short(cells[day, hour]), ha="center", va="center", fontsize=6.5, color=colour)
    _hours_axes(ax)
    return image


def _hours_axes(ax: Axes) -> None:
    ax.set_xticks(range(0, 24, 3))
    ax.set_yticks(range(7), WEEKDAYS)
    ax.tick_params(length=0, labelsize=7)
    ax.spines[:].set_visible(False)


def _money(of: Worth, hours: Float64Array) -> Float64Array:
    return hours * of.price if of.price else hours


def _short(value: float) -> str:
    """At most four characters: 0.04, 0.3, 12, 1.2k."""
    if value < 0.095:
        return f"{value:.2f}"
    return f"{value / 1000:.1f}k" if value >= 999.5 else f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"


@styled
def league(of: League) -> Picture:
    """What each policy serves and costs, in the order of its table; what reaches the target is filled."""
    rows = of.rows
    price = [row.total.pool_cost if of.has_cost else row.total.pool_hours for row in rows]
    unit = (
        f"the pool's cost a week, {shown_name(of.scenario.currency)}"
        if of.has_cost
        else "the pool's instance-hours a week"
    )
    picture = Picture(figsize=(WIDTH, 1.1 + 0.36 * len(rows)), layout="constrained")
    picture.alt = f"Hit rate and price of each policy: {', '.join(row.policy for row in rows)}"
    left, right = picture.subplots(1, 2, sharey=True)
    for i, (row, cost) in enumerate(zip(rows, price, strict=True)):
        colour = _TODAY if row.is_today else SERVED if row.policy == RECOMMENDED else "#666666"
        reaches = of.reaches(row)
        left.plot(
            row.total.hit_rate, i, "o", color=colour, markerfacecolor=colour if reaches else "white", markersize=7
        )
        right.barh(i, cost, height=0.55, color=colour, alpha=1.0 if reaches else 0.4)
        right.text(cost, i, f" {cost:,.0f}", va="center", fontsize=8)
    left.axvline(of.target, label=f"target {of.target:.1%}", **_TARGET)
    names = [textwrap.fill(name_of(row), 36) + (" (dead)" if row.dead or row.stuck else "") for row in rows]
    left.set_yticks(range(len(rows)), names)
    left.set_ylim(len(rows) - 0.5, -0.5)
    left.set_xlim(-0.03, 1.03)
    left.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    left.set_xlabel("hit rate (filled: reaches the target)")
    right.set_xlim(0, 1.18 * max([*price, 1e-9]))
    right.tick_params(axis="y", length=0)
    right.set_xlabel(unit)
    for ax in (left, right):
        ax.grid(axis="x")
        ax.set_axisbelow(True)
    legend(picture, left)
    return picture


@styled
def sensitivity(effects: Sequence[Effect]) -> Picture:
    """What one thing that is other than written does to the hit rate and to idle instance-hours: the largest first, the
    wider of the two intervals as a thin line, pale where the difference is not real."""
    order: dict[str, float] = {}
    for one in effects:
        size = abs(one.hit_rate.difference)
        order[one.what] = max(order.get(one.what, 0.0), 0.0 if math.isnan(size) else size)
    whats = sorted(order, key=lambda what: -order[what])
    rows = [one for what in whats for one in effects if one.what == what]
    if not rows:
        return empty("Nothing was varied.")
    picture = Picture(figsize=(WIDTH, 1.2 + 0.3 * len(rows)), layout="constrained")
    picture.alt = f"What changes the hit rate and the idle hours: {', '.join(whats)}"
    left, right = picture.subplots(1, 2, sharey=True)
    for i, one in enumerate(rows):
        for ax, found, scale in ((left, one.hit_rate, 100.0), (right, one.idle_hours, 1.0)):
            low, high = (scale * x for x in widest(found))
            value = scale * found.difference
            colour = "#777777" if ax is right else SERVED if value > 0 else MISSED
            ax.barh(i, value, height=0.6, color=colour, alpha=1.0 if found.is_real else 0.35, linewidth=0)
            if not math.isnan(low):
                ax.hlines(i, low, high, color="#333333", linewidth=1)
    left.set_yticks(range(len(rows)), [f"{one.what}: {one.how}" for one in rows])
    left.set_ylim(len(rows) - 0.5, -0.5)
    left.set_xlabel("hit rate, difference in percentage points")
    right.set_xlabel("idle instance-hours a week, difference")
    right.tick_params(axis="y", length=0)
    for ax in (left, right):
        ax.axvline(0, color="#333333", linewidth=0.8)
        ax.grid(axis="x")
        ax.set_axisbelow(True)
    picture.legend(
        handles=[
            Patch(facecolor="#666666", label="real"),
            Patch(facecolor="#666666", alpha=0.35, label="not told from chance"),
            Line2D([], [], color="#333333", linewidth=1, label="95% interval, the wider of builds and weeks"),
        ],
        loc="outside upper right",
        ncols=3,
    )
    return picture


@styled
def until_limited(limits: pd.DataFrame) -> Picture:
    """When the hard limit first stops a pool at each failure rate: a dot per replication, and how many met it."""
    if limits.empty or not limits["hard_limit"].any():
        return empty("The hard limit is off, or no build fails: nothing stops a pool.")
    settings = list(dict.fromkeys(limits["setting"]))
    rates = sorted(set(limits["rate"]))
    window = float(limits["window_days"].iloc[0])
    picture = Picture(figsize=(WIDTH, 1.0 + 0.42 * len(rates)), layout="constrained")
    picture.alt = "Days until the hard limit stops the pool, by failure rate"
    axes = picture.subplots(1, len(settings), sharey=True, sharex=True, squeeze=False)[0]
    own = set(limits.loc[limits["is_own"], "rate"])
    for ax, setting in zip(axes, settings, strict=True):
        ax.set_label(TOLD)
        told: list[str] = []
        for row, rate in enumerate(rates):
            mine = limits[(limits["setting"] == setting) & (limits["rate"] == rate)]
            met = np.sort(mine["days"].dropna().to_numpy())
            ax.hlines(row, 0, window, color="#E4E4E4", linewidth=1, zorder=0)
            ax.plot(met, np.full(met.size, row), "o", color=MISSED, alpha=0.5, markersize=6, markeredgewidth=0)
            ax.text(1.02 * window, row, f"{met.size} of {len(mine)}", va="center", fontsize=8)
            first = f", the first after {met[0]:.3g} days" if met.size else ""
            told.append(f"{100 * rate:g}% fail{' (as now)' if rate in own else ''}, {met.size} of {len(mine)}{first}")
        ax.set_xlim(-0.02 * window, 1.2 * window)
        ax.set_xlabel("days from the beginning until the hard limit\nfirst stops the pool; right: in how many runs")
        titled(ax, setting, columns=len(settings))
        picture.numbers += f"{setting}: {'; '.join(told)}. "
    names = [f"{100 * rate:g}% fail" + (" (as now)" if rate in own else "") for rate in rates]
    axes[0].set_yticks(range(len(rates)), names)
    axes[0].set_ylim(len(rates) - 0.5, -0.5)
    return picture


def _price(point: Point, has_cost: bool) -> float:
    return point.cost_per_week if has_cost else point.idle_hours_per_week


def _mark_today(ax: Axes, price: float, rate: float) -> str:
    """Today's setting where it is, or at the nearest edge with its numbers, where it would crush the others; these."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    inside = left <= price <= right and low <= rate <= high
    x, y = float(np.clip(price, left, right)), float(np.clip(rate, low, high))
    look: dict[str, Any] = {"color": _TODAY, "markersize": 9, "zorder": 5, "clip_on": False}
    ax.plot([], [], "s", **look, label="today's setting")
    ax.plot(x, y, "s", **look, label="_nolegend_")
    text = f"today's setting: {rate:.1%} at {price:,.0f}" + ("" if inside else ", beyond this edge")
    ha = "left" if x < (left + right) / 2 else "right"
    va = "bottom" if y < (low + high) / 2 else "top"
    ax.annotate(
        text,
        (x, y),
        (10 if ha == "left" else -10, 6 if va == "bottom" else -6),
        textcoords="offset points",
        ha=ha,
        va=va,
        fontsize=8,
        color=_TODAY,
    )
    return text
