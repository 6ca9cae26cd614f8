"""The demand of a history by hour of the week: what is expected, how sure that is, and how it grows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simkit.clock import HOUR_US, LONG_WEEKDAYS, WEEKDAYS, Int64Array, Zone
from simkit.demand.claims import hour_of_week
from simkit.deployment.fits import Float64Array, Trend, trend
from simkit.deployment.text import as_yaml
from simkit.estimates import Interval, rate_interval
from simkit.model import HOURS_PER_WEEK
from simkit.timeline import local_hours, whole_weeks

ENOUGH_WEEKS = 4
"""Seen in fewer weeks, an hour stands for a day or three, and a holiday among them for a third of all."""
ENOUGH_CLAIMS = 100
"""Of fewer, chance alone moves a week's number by more than a fifth: 1.96 / sqrt(100)."""


@dataclass(frozen=True)
class Asked:
    """The demand for a preset. `hours`: how often each local hour of the week came, float64[168]; `counts`: its claims.

    `per_week` and `per_day` (seven, from Monday) have intervals of 95 %. `trend` is over whole weeks, None if they are
    fewer than ENOUGH_WEEKS.
    """

    preset: str
    zone: Zone
    hours: Float64Array
    counts: Int64Array
    per_week: Interval
    per_day: tuple[Interval, ...]
    trend: Trend | None
    whole_weeks: int

    @property
    def claims(self) -> int:
        return int(self.counts.sum())

    @property
    def weeks(self) -> float:
        return float(self.hours.sum()) / HOURS_PER_WEEK

    @property
    def per_hour(self) -> Float64Array:
        """Claims expected in each hour; none in one that never came."""
        return self.counts * _weight(self.hours)


def asked(preset: str, in_zone: Zone, claim_at: Int64Array, start_at: int, end_at: int) -> Asked:
    """The demand for a preset by its claims, int64[n] instants in [start_at, end_at].

    Weeks that differ by more than chance (`fits.trend`) widen the intervals.
    """
    found = local_hours(in_zone, start_at, end_at - 1)
    length = np.diff(np.append(found.at, end_at)) / HOUR_US
    of_week = (found.weekday + 6) % 7 * 24 + found.hour  # its week begins on Sunday
    hours: Float64Array = np.bincount(of_week, weights=length, minlength=HOURS_PER_WEEK).astype(np.float64)
    counts: Int64Array = np.bincount(hour_of_week(claim_at, in_zone), minlength=HOURS_PER_WEEK).astype(np.int64)
    edges = whole_weeks(in_zone, start_at, end_at)
    weekly = np.histogram(claim_at, edges)[0] if edges.size else np.zeros(0)
    growth = trend(weekly) if weekly.size >= ENOUGH_WEEKS else None
    dispersion, weight = growth.dispersion if growth else 1.0, _weight(hours)
    days = [slice(24 * day, 24 * day + 24) for day in range(7)]
    per_day = [rate_interval(counts[day], weight[day], dispersion) if weight[day].any() else _UNSEEN for day in days]
    per_week = rate_interval(counts, weight, dispersion)
    return Asked(preset, in_zone, hours, counts, per_week, tuple(per_day), growth, weekly.size)


_UNSEEN = Interval(0.0, np.nan, np.nan)


def _weight(hours: Float64Array) -> Float64Array:
    return np.divide(1.0, hours, out=np.zeros(hours.size), where=hours > 0)


def thin(one: Asked) -> Iterator[str]:
    """Where the demand says less than it seems."""
    if not one.claims:
        yield f"{one.preset}: nobody asked for it; no demand is written for it"
        return
    if one.weeks < ENOUGH_WEEKS:
        yield (
            f"{one.preset}: the history is {one.weeks:.1f} weeks long, fewer than {ENOUGH_WEEKS}: an hour of the week "
            "stands for as few days, and no trend can be told"
        )
    if one.claims < ENOUGH_CLAIMS:
        yield (
            f"{one.preset}: {one.claims:,} claim{'s' * (one.claims > 1)}, fewer than {ENOUGH_CLAIMS}: there may be "
            f"{one.per_week.low:.1f} to {one.per_week.high:.1f} a week"
        )
    if never := int((one.hours == 0).sum()):
        yield (
            f"{one.preset}: {never} of the {HOURS_PER_WEEK} hours of a week are not in the history; nobody comes in "
            "them"
        )
    if one.trend and not one.trend.factor.low <= 1 <= one.trend.factor.high:
        yield (
            f"{one.preset}: the demand changes by {_percent(one.trend.factor)} a week; what is written is the mean of "
            f"the history, and at its end it was about {one.trend.level:,.0f} a week"
        )


def profile(one: Asked, factor: float) -> Iterator[str]:
    """An entry of a scenario's `demand.profiles`, line by line, with `factor` times as many claims as were seen."""
    yield f"- preset: {as_yaml(one.preset)}"
    yield f"  timezone: {as_yaml(one.zone.name)}"
    raised = Interval(*(number * factor for number in one.per_week))
    more = f"; {factor:g} times what was seen" if factor != 1 else ""
    yield (
        f"  claims_per_week: {raised.mean:.6g}  # n = {one.claims:,} in {one.weeks:.1f} weeks {_between(raised)}{more}"
    )
    yield from (f"  # {line}" for line in textwrap.wrap(trend_told(one), 105))
    yield "  # The hours below are the mean of the history and know nothing of a trend."
    for day, (name, interval) in enumerate(zip(WEEKDAYS, one.per_day, strict=True)):
        hours = slice(24 * day, 24 * day + 24)
        rates = ", ".join(f"{rate:.4g}" for rate in one.per_hour[hours])
        days = one.hours[hours].sum() / 24
        seen = f"n = {one.counts[hours].sum():,} in {days:.1f} of {LONG_WEEKDAYS[day]}"
        yield f"  {name.lower()}: [{rates}]  # {interval.mean:.4g} a day, {seen} {_between(interval)}"
    yield "  # Hours are scaled to claims_per_week. Each rests on so many claims, from Monday 00:00 on:"
    for day in range(7):
        yield f"  #   {' '.join(map(str, one.counts[24 * day : 24 * day + 24]))}"


def amount(one: Asked) -> str:
    """How many ask, in a sentence."""
    return (
        f"{one.per_week.mean:,.4g} {_between(one.per_week)} claims a week, n = {one.claims:,} in {one.weeks:.1f} weeks."
    )


def trend_told(one: Asked) -> str:
    """How the demand grows, and what makes its end of its mean, in sentences."""
    if one.trend is None:
        return f"Trend: not known from {one.whole_weeks} whole weeks, fewer than {ENOUGH_WEEKS} with a claim."
    level = one.trend.level
    said = (
        f"Trend: {_percent(one.trend.factor)} a week, n = {one.whole_weeks} whole weeks; at the last one's end about "
        f"{level:,.4g} a week, {level / one.per_week.mean:.3g} times the mean."
    )
    if one.trend.dispersion > 1:
        said += (
            f" Weeks differ more than chance explains (variance {one.trend.dispersion:.1f} times Poisson's): intervals "
            "are wider by its root, and what is simulated varies less than these weeks did."
        )
    return said


def _between(interval: Interval) -> str:
    return "[unknown]" if np.isnan(interval.low) else f"[{interval.low:.4g}, {interval.high:.4g}]"


def _percent(factor: Interval) -> str:
    return f"{factor.mean - 1:+.1%} [{factor.low - 1:+.1%}, {factor.high - 1:+.1%}]"
