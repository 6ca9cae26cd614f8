"""Days, instants, durations and counts as people read them, in English whatever the machine speaks; clock has exact
instants and durations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self

from simkit.clock import (
    HOUR_US,
    LONG_WEEKDAYS,
    MINUTE_US,
    MONTHS,
    SECOND_US,
    WEEKDAYS,
    Zone,
    format_duration,
    format_instant,
)


class Told(str):
    """Text for people that knows what a program should get in its place.

    `exact` is seconds, an instant in RFC 3339, or None where there is nothing to tell.
    """

    exact: str | float | None

    def __new__(cls, text: str, exact: str | float | None) -> Self:
        self = super().__new__(cls, text)
        self.exact = exact
        return self


@dataclass(frozen=True)
class Happening:
    """Something that happened to a workspace or a pool, in a word and in a sentence."""

    at: int
    what: str
    why: str


def lines_of(events: Sequence[Happening], when: Callable[[int], str]) -> list[str]:
    """A line for each event, its instant as `when` writes it and the words in one column; none for no event."""
    width = max((len(event.what) for event in events), default=0)
    return [f"{when(e.at)}  {e.what:<{width}}  {e.why}".rstrip() for e in events]


def short_weekday(of: date) -> str:
    """ "Mon"."""
    return WEEKDAYS[of.weekday()]


def weekday_date(of: date) -> str:
    """ "Mon 2026-03-02"."""
    return f"{short_weekday(of)} {_date(of)}"


def long_weekday_date(of: date) -> str:
    """ "Monday 2026-03-02"."""
    return f"{LONG_WEEKDAYS[of.weekday()]} {_date(of)}"


def month(of: date) -> str:
    """ "Mar"."""
    return MONTHS[of.month - 1][:3]


def day_month(of: date) -> str:
    """ "2 Mar"."""
    return f"{of.day} {month(of)}"


def utc_offset(local: datetime) -> str:
    """ "-04:00"; the seconds that zones had long ago are left out."""
    text = f"{local:%z}"
    return f"{text[:3]}:{text[3:5]}"


def weekday_instant(at: int, in_zone: Zone) -> str:
    """ "Mon 2026-03-02T09:00:00-05:00": what stands behind the weekday can be given back."""
    return f"{short_weekday(in_zone.local(at))} {format_instant(at, in_zone)}"


def local_instant(at: int, in_zone: Zone) -> Told:
    """ "Mon 2026-03-02 09:00 EST"; exactly, in RFC 3339."""
    local = in_zone.local(at)
    return Told(f"{weekday_date(local)} {local:%H:%M %Z}", format_instant(at, in_zone))


def window_text(start_at: int, end_at: int, in_zone: Zone) -> str:
    """ "Mon 2026-03-02 00:00 EST to Mon 2026-03-16 00:00 EDT (America/New_York)"."""
    return f"{local_instant(start_at, in_zone)} to {local_instant(end_at, in_zone)} ({in_zone.name})"


def _date(of: date) -> str:
    return f"{of.year:04d}-{of:%m-%d}"  # `%Y` does not pad


def plural(noun: str, count: float) -> str:
    """ "build" for 1, "builds" for any other count; "repositories", but "days"."""
    if count == 1:
        return noun
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"


def many(count: int, noun: str) -> str:
    """ "1 build", "1,200 builds"."""
    return f"{count:,} {plural(noun, count)}"


def rounded(us: float, unit_us: int) -> str:
    """The nearest whole number of units: 89.6 seconds to the second are 1m30s."""
    return format_duration(round(us / unit_us) * unit_us)


def about(seconds: float) -> Told:
    """In a sentence: to the second, from an hour on to the minute; "" for NaN. Exactly: the seconds."""
    if seconds != seconds:
        return Told("", None)
    return Told(rounded(seconds * SECOND_US, SECOND_US if seconds < 3600 else MINUTE_US), float(seconds))


def to_a_tenth(number: float) -> str:
    """ "474", "1,474.5"."""
    return f"{number:,.1f}".removesuffix(".0")


def tenths(seconds: float) -> str:
    """ "46.5s", "90s"."""
    return f"{seconds:.1f}".removesuffix(".0") + "s"


def in_column(seconds: float) -> str:
    """Where lengths are compared down a column: "46.5s", from a minute on "1m05s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else tenths(seconds)


def in_hours(us: int) -> str:
    """Exact, with as many hours as there are: 2349h30m."""
    hours, rest = divmod(us, HOUR_US)
    return (f"{hours}h" if hours else "") + (format_duration(rest) if rest or not hours else "")


def hours_text(hours: float) -> str:
    """Hours as people say them: "1 hour", "36.5 hours"."""
    digits = f"{hours:.1f}" if hours >= 1 or hours == 0 else f"{hours:.2g}"
    return "1 hour" if digits == "1.0" else f"{digits.removesuffix('.0')} hours"
