"""Durations and hours of the week as a scenario writes them."""

from __future__ import annotations

from collections.abc import Mapping

from simkit.clock import WEEKDAYS
from simkit.inputs.document import Value
from simkit.inputs.keys import DISTRIBUTION, HOURS_KEYS
from simkit.model import HOURS_PER_WEEK, Distribution, constant, empirical, lognormal

_DAYS = tuple(day.lower() for day in WEEKDAYS)


def distribution(value: Value) -> Distribution | None:
    """A duration, `{median, p95}` of a lognormal distribution, or a `sample` of durations."""
    if not value.is_mapping:
        us = value.duration()
        return None if us is None else constant(us)
    given = value.mapping(DISTRIBUTION)
    if "sample" in given:
        if len(given) > 1:
            value.error("a sample stands alone; leave median and p95 out")
        sample = [v.duration() for v in given["sample"].items()]
        if not sample and given["sample"].is_list:
            given["sample"].error("the list is empty; write observed durations such as [2m, 3m30s]")
        known = tuple(us for us in sample if us is not None)
        return empirical(known) if known else None
    if set(given) != {"median", "p95"}:
        value.error('expected a duration such as "3m", {median: "3m", p95: "6m"} or {sample: ["2m", "4m"]}')
        return None
    median_us, p95_us = given["median"].duration(), given["p95"].duration()
    if median_us is None or p95_us is None:
        return None
    if not 0 < median_us <= p95_us:
        value.error("the median must be longer than 0s and not above p95")
        return None
    return lognormal(median_us, p95_us)


def hours_of_week(value: Value, given: Mapping[str, Value], total_key: str) -> tuple[float, ...] | None:
    """Expected numbers for each hour of the week: lists of 24 under mon ... sun, weekday or weekend.

    `value` is the mapping whose entries `given` are; its entry `total_key`, if there is one, is what the hours of a
    week add up to, and they are scaled to it.
    """
    rates = {key: _hours(given[key]) for key in HOURS_KEYS if key in given}
    if not rates:
        value.error("has no hours; write lists of 24 numbers under weekday, weekend or mon ... sun")
    per_hour: list[float] = []
    for i, day in enumerate(_DAYS):
        per_hour += rates.get(day) or rates.get("weekday" if i < 5 else "weekend") or [0.0] * 24
    if total_key in given:
        wanted, total = given[total_key].number(), sum(per_hour)
        if wanted and not total and rates:
            given[total_key].error("cannot be spread over hours that are all 0")
        elif wanted is not None and total:
            per_hour = [rate * wanted / total for rate in per_hour]
    return tuple(per_hour) if len(per_hour) == HOURS_PER_WEEK else None


def preset_of(value: Value, given: Mapping[str, Value], names: tuple[str, ...]) -> str | None:
    """The preset that an entry names, or the only one there is."""
    if "preset" in given:
        return given["preset"].choice(names)
    if len(names) > 1:
        value.error(f"names no preset; there is {', '.join(names)}")
    return names[0] if len(names) == 1 else None


def parse_share(text: str) -> float:
    """5% or 0.05, as 0.05. Raises ValueError for what is no share above 0."""
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise ValueError(f'"{text}" is not a share above 0; write 5% or 0.05')
    return found


def _hours(value: Value) -> list[float] | None:
    items = value.items()
    if value.is_list and len(items) != 24:
        value.error(f"has {len(items)} numbers, expected 24, one for each hour from 00:00")
        return None
    rates = [item.number() for item in items]
    known = [rate for rate in rates if rate is not None]
    return known if len(known) == 24 else None
