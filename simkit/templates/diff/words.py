"""Sentences and numbers of a difference, for text and for Markdown."""

from __future__ import annotations

from collections.abc import Callable

from simkit.clock import DAY_US, HOUR_US, Zone, to_datetime
from simkit.coder_versions import DEFAULT_BEHAVIOUR
from simkit.templates.diff.types import Difference, Effect, FieldChange, Paired, Period, PresetChange
from simkit.times import in_column, utc_offset, weekday_date

_MOST_PERIODS = 12


def clock(at: int, zone: Zone) -> str:
    """ "Mon 2026-03-09 08:00 -04:00"."""
    local = zone.local(at)
    return f"{weekday_date(local)} {local:%H:%M} {utc_offset(local)}"


def _span_text(period: Period, zone: Zone) -> str:
    begin, end = zone.local(period.start_at), zone.local(period.end_at)
    until = clock(period.end_at, zone)
    if begin.date() == end.date():
        until = until.split(" ", 2)[2]
    return f"{clock(period.start_at, zone)} to {until}"


def version(difference: Difference) -> str:
    """By which version of Coder both sides are read, where that is not the newest."""
    used = difference.behaviour
    return "" if used is DEFAULT_BEHAVIOUR else f"Read as Coder {used.version} does."


def period_texts(preset: PresetChange) -> list[str]:
    """A line for each period: when, and from how many to how many."""
    said = []
    for period in preset.periods[:_MOST_PERIODS]:
        when = period.words or _span_text(period, preset.zone)
        more = f", next {clock(period.start_at, preset.zone)}" if period.words.startswith("every") else ""
        if period.except_on:
            more += f", not on {', '.join(day.isoformat() for day in period.except_on)}"
        said.append(f"{when}: {period.old} -> {period.new}{more}")
    if (left := len(preset.periods) - _MOST_PERIODS) > 0:
        said.append(f"... and {left} more")
    if preset.later_at is not None and not preset.periods:
        said.append(f"not in these weeks; first on {clock(preset.later_at, preset.zone)}")
    return said


def clock_day_texts(preset: PresetChange) -> list[str]:
    """A line for each day on which clocks change; nothing for a preset that is as it was then."""
    said = []
    several = len({day.zone for day in preset.clock_days}) > 1
    for day in preset.clock_days:
        local = day.zone.local(day.at)
        jump = f"{to_datetime(day.from_wall):%H:%M} -> {to_datetime(day.to_wall):%H:%M}"
        title = f"{weekday_date(local)}, clocks {jump}"
        title += f" in {day.zone.name}" if several else ""
        parts = [f"{_span_short(p, preset.zone)}: {p.old} -> {p.new}" for p in day.periods]
        hours = f"{_number(day.hours[0])} -> {_number(day.hours[1])} instance-hours that day"
        said.append(f"{title}: {'; '.join([*parts, hours]) if parts else 'no difference'}")
    return said


def _span_short(period: Period, zone: Zone) -> str:
    def short(at: int) -> str:
        return clock(at, zone).split(" ", 2)[2]

    whole_day = period.end_at - period.start_at >= DAY_US - 2 * HOUR_US and short(period.start_at)[:5] == "00:00"
    return (
        "all day"
        if whole_day and short(period.end_at)[:5] == "00:00"
        else (f"{short(period.start_at)} to {short(period.end_at)}")
    )


def instance_hours(preset: PresetChange) -> str:
    old, new = preset.hours
    if old == new:
        return f"{_number(old)}, unchanged"
    share = f", {(new - old) / old:+.1%}" if old else ""
    return f"{_number(old)} -> {_number(new)} ({'+' if new > old else '-'}{_number(abs(new - old))}{share})"


def _number(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def name_of(preset: PresetChange) -> str:
    return f"{preset.template}/{preset.name}" if preset.template else preset.name


def headline(difference: Difference) -> str:
    counts = {kind: len(difference.of(kind)) for kind in ("changed", "added", "removed", "unchanged")}
    said = [f"{count} {kind}" for kind, count in counts.items() if count]
    return f"Presets: {', '.join(said)}"


def verdict(difference: Difference) -> str:
    differing = sum(preset.differs for preset in difference.presets)
    if not differing:
        return "Desired instances stay as they are, all year."
    return f"Desired instances differ in {differing} of {len(difference.presets)}."


def looking(preset: PresetChange, weeks: int) -> str:
    return f"in the {_weeks(weeks)} from {clock(preset.start_at, preset.zone)} ({preset.zone.name})"


def _weeks(weeks: int) -> str:
    return f"{weeks} weeks" if weeks > 1 else "week"


def field_text(change: FieldChange) -> str:
    was, now = (value if value is not None else "(not there)" for value in (change.old, change.new))
    return f"{was} -> {now}"


def places(change: FieldChange) -> str:
    return " -> ".join(str(where) for where in (change.old_where, change.new_where) if where is not None)


def affected(effect: Effect) -> tuple[list[Paired], list[str]]:
    """(the rows of presets for which anything changed, the names of the others)."""
    changed = {row.preset for row in effect.rows if (row.change, row.low, row.high) != (0, 0, 0)}
    others = [name for name in dict.fromkeys(row.preset for row in effect.rows) if name not in changed]
    return [row for row in effect.rows if row.preset in changed], others


def effect_title(effect: Effect, name: Callable[[str], str] = str) -> str:
    since, until = (f"{effect.zone.local(at):%Y-%m-%d}" for at in (effect.start_at, effect.end_at))
    return (
        f"Simulated from {since} until {until} ({effect.zone.name}) with {name(effect.demand)}, seed {effect.seed}, "
        f"{effect.replications} replications under common random numbers"
    )


def intervals(effect: Effect) -> str:
    """What a change and its interval are; first of all, what they hold."""
    return f"{effect.chance} Change: the mean of the replications' differences, in brackets its 95 % paired-t interval."


def _value(measure: str, value: float, currency: str, signed: bool = False) -> str:
    if value != value:
        return "-"
    sign = "+" if signed and value > 0 else "-" if value < 0 else ""
    size = abs(value)
    if measure == "hit rate":
        return f"{sign}{size * 100:.1f}{' pp' if signed else ' %'}"
    if measure.startswith("wait"):
        return sign + in_column(size)
    return f"{sign}{size:,.2f} {currency}" if "cost" in measure else f"{sign}{_number(size)}"


def row_texts(row: Paired, currency: str) -> tuple[str, str, str]:
    """(old, new, change with its interval)."""
    old, new = (_value(row.measure, value, currency) for value in (row.old, row.new))
    change, low, high = (_value(row.measure, value, currency, True) for value in (row.change, row.low, row.high))
    return old, new, "-" if row.change != row.change else f"{change} [{low}, {high}]"
