"""Cron text as Coder reads it: robfig/cron v3 fields, Coder's three kinds of schedule, the provider's overlap check.

A *range* is a cron whose minute is `*`: it holds in every local minute that matches all of its fields.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from simkit.clock import (
    DAY_US,
    HOUR_US,
    LONG_WEEKDAYS,
    MINUTE_US,
    NEVER,
    SECOND_US,
    UTC_ZONE,
    WEEK_US,
    WEEKDAYS,
    Int64Array,
    Zone,
    zone,
)


class CronError(ValueError):
    """Text that Coder does not accept; the message says what was seen and what to write instead."""


@dataclass(frozen=True)
class _Field:
    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()
    hint: str = ""


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day of month", 1, 31)
_MONTH = _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
_WEEKDAY = _Field("day of week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"), ", Sunday is 0")
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)
WEEKDAY_WORDS = (WEEKDAYS[-1], *WEEKDAYS[:-1])


@dataclass(frozen=True)
class Cron:
    """Five cron fields as sets of values (a bit per value), and the zone of its `CRON_TZ=` prefix.

    `both_days`: a day field carries a star, so day of month *and* day of week must match; otherwise either is enough.
    """

    text: str
    zone: Zone | None
    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    both_days: bool

    @property
    def string(self) -> str:
        """As Coder writes it back, zone first. (`None` is Go's `Local`, the zone of the machine.)"""
        return f"CRON_TZ={self.zone.name if self.zone else 'Local'} {self.text}"

    @property
    def humanize(self) -> str:
        """As Coder shows it to people, such as `9:30AM Mon-Fri (US/Central)`."""
        minute, hour, _, _, days = self.text.split()
        if re.fullmatch(r"\d{1,2}", minute) and re.fullmatch(r"\d{1,2}", hour) and int(minute) < 60 and int(hour) < 24:
            when = f"{(int(hour) + 11) % 12 + 1}:{int(minute):02d}{'AM' if int(hour) < 12 else 'PM'}"
        else:
            when = f"cron({minute} {hour})"
        for number, word in enumerate(WEEKDAY_WORDS):
            days = days.replace(str(number), word, 1)
        return f"{when} {'daily' if days == '*' else days} ({self.zone.name if self.zone else 'Local'})"

    def next_after(self, at: int) -> int:
        """The first occurrence after the instant `at`, NEVER if there is none within five years. Takes a zone."""
        from simkit.core.calendar import CronBits, next_occurrence

        bits = CronBits(self.minutes, self.hours, self.days, self.months, self.weekdays, self.both_days)
        return int(next_occurrence(bits, at, *self.offsets_from(at)))

    def offsets_from(self, at: int) -> tuple[Int64Array, Int64Array]:
        """Its zone's offsets from some time before an instant to more than six years after it (see Zone.offsets)."""
        return _zone_arrays(self._zone(), at)

    def min_us(self) -> int | None:
        """The shortest time between two occurrences, as Coder measures it over the first week of 1970.

        None for a cron that never occurs, for which Coder's own search does not end.
        """
        from_at = HOUR_US + MINUTE_US + SECOND_US
        until_at = from_at + WEEK_US
        shortest = WEEK_US
        before = self.next_after(from_at)
        if before == NEVER:
            return None
        # Nothing recurs within a minute: who has seen that need not look on.
        while before < until_at and shortest > MINUTE_US:
            now = self.next_after(before)
            shortest = min(shortest, now - before)
            before = now
        return shortest

    def _zone(self) -> Zone:
        # Go reads a cron without a zone in the zone of the machine; Coder's servers run in UTC.
        return self.zone or UTC_ZONE


@lru_cache(maxsize=1024)
def _zone_years(in_zone: Zone, from_year: int) -> tuple[Int64Array, Int64Array]:
    start_at = (from_year - 1970) * 365 * DAY_US
    return in_zone.offsets(start_at, start_at + 20 * 366 * DAY_US)


def _zone_arrays(in_zone: Zone, at: int) -> tuple[Int64Array, Int64Array]:
    """The zone's offsets from some time before `at` to more than six years after it."""
    years = at // (366 * DAY_US)
    return _zone_years(in_zone, 1970 + years // 10 * 10 - 1)


def parse(spec: str) -> Cron:
    """Read five fields with an optional `CRON_TZ=` or `TZ=` prefix as robfig/cron v3 does. Raises CronError."""
    if not spec:
        raise CronError('the cron is empty; write five fields such as "* 8-18 * * 1-5"')
    in_zone: Zone | None = None
    text = spec
    if spec.startswith(("TZ=", "CRON_TZ=")):
        name, space, text = spec.partition("=")[2].partition(" ")
        if not space:
            raise CronError(f'"{spec}" has a zone and nothing else; write five fields after it')
        in_zone = zone(name)
        if in_zone is None and name != "Local":
            raise CronError(f'"{name}" is not a time zone; write an IANA name such as "America/New_York"')
    if text.strip().startswith("@"):
        raise CronError(f'"{text.strip()}" is a descriptor, which Coder does not read; write five fields')
    fields = text.split()
    if len(fields) != 5:
        raise CronError(
            f'"{text.strip()}" has {len(fields)} fields, expected 5 (minute, hour, day of month, month, day of week)'
        )
    _check_night(fields)
    minute, hour, day, month, weekday = (_field(part, of) for part, of in zip(fields, _FIELDS, strict=True))
    return Cron(
        text=" ".join(fields),
        zone=in_zone,
        minutes=minute[0],
        hours=hour[0],
        days=day[0],
        months=month[0],
        weekdays=weekday[0],
        both_days=day[1] or weekday[1],
    )


def _field(text: str, of: _Field) -> tuple[int, bool]:
    """The values a field allows, and whether it carries a star. robfig skips empty list items."""
    bits, star = 0, False
    for item in text.split(","):
        if item:
            more, is_star = _item(item, of)
            bits, star = bits | more, star or is_star
    return bits, star


def _item(item: str, of: _Field) -> tuple[int, bool]:
    span, *steps = item.split("/")
    if len(steps) > 1:
        raise CronError(f'{of.name} "{item}" has more than one "/"; write one step such as "*/2"')
    low, *rest = span.split("-")
    star = low in ("*", "?")
    if star:
        first, last = of.lowest, of.highest  # what follows a star's hyphen is not looked at
    else:
        first = _number(low, item, of)
        if len(rest) > 1:
            raise CronError(f'{of.name} "{item}" has more than one "-"; write a range such as "1-5"')
        last = _number(rest[0], item, of) if rest else first
    step = 1
    if steps:
        step = _whole(steps[0], item, of)
        if step == 0:
            raise CronError(f'{of.name} "{item}" steps by 0; write a step of 1 or more')
        if not rest:
            last = of.highest  # "N/step" means "N-max/step"
        star = star and step == 1
    if first < of.lowest or last > of.highest:
        seen = first if first < of.lowest else last
        raise CronError(f'{of.name} "{item}": {seen} is no {of.name}; write {of.lowest} to {of.highest}{of.hint}')
    if first > last:
        raise CronError(f'{of.name} "{item}" runs backwards; write "{",".join(_both_sides(first, last, step, of))}"')
    return sum(1 << value for value in range(first, last + 1, step)), star


def _both_sides(first: int, last: int, step: int, of: _Field) -> list[str]:
    """What somebody has in mind whose range runs backwards: the values up to the highest, and those after it."""
    every = f"/{step}" if step > 1 else ""
    onward = of.lowest + -(of.highest + 1 - first) % step
    sides = [(first, of.highest), (onward, last)]
    return [f"{a}-{b}{every}" if a < b else str(a) for a, b in sides if a <= b]


def _check_night(fields: list[str]) -> None:
    """Raise CronError for hours that run backwards on some days of the week: a night is on two of them."""
    minute, hours, day, month, weekdays = fields
    night = re.fullmatch(r"(\d{1,2})-(\d{1,2})", hours)
    if night is None or (minute, day, month) != ("*", "*", "*") or not int(night[2]) < int(night[1]) <= _HOUR.highest:
        return
    days, _ = _field(weekdays, _WEEKDAY)
    evening, morning = _both_sides(int(night[1]), int(night[2]), 1, _HOUR)
    if days != _ALL_WEEKDAYS:
        split = Night(day_words(days), evening, morning, weekdays, field_text(_next_days(days)))
        raise CronError(f'hour "{hours}" runs backwards, and a night is on two days; {split.cure}')


@dataclass(frozen=True)
class Night:
    """The nights that begin on some days of the week, as two schedules; one alone has the days' own mornings."""

    days: str
    evening: str
    morning: str
    weekdays: str
    next_weekdays: str

    @property
    def crons(self) -> tuple[str, str]:
        """What holds in the evening, and what holds on the mornings after."""
        return f"* {self.evening} * * {self.weekdays}", f"* {self.morning} * * {self.next_weekdays}"

    @property
    def cure(self) -> str:
        """What to write, and what another way would mean."""
        evening, morning = self.crons
        return (
            f'for the nights that begin on {self.days} write two schedules, "{evening}" and "{morning}" '
            f'("{self.evening},{self.morning}" with "{self.weekdays}" {self.covers})'
        )

    @property
    def covers(self) -> str:
        """What one schedule with the hours of both sides really holds."""
        days, following = (_field(of, _WEEKDAY)[0] for of in (self.weekdays, self.next_weekdays))
        return (
            f"covers the mornings and the evenings of {self.days}: not the morning of {day_words(following & ~days)}, "
            f"and also that of {day_words(days & ~following)}"
        )


def night_of(cron: Cron) -> Night | None:
    """The nights that a weekly range probably means which holds before and after midnight, on some days of the week.

    None for one that holds every day, or by the day of the month, or all day long: there is nothing to mistake.
    """
    _, _, day, month, weekdays = cron.text.split()
    spans = runs(cron.hours)
    if len(spans) != 2 or spans[0][0] != 0 or spans[1][1] != _HOUR.highest:
        return None
    if (day, month) != ("*", "*") or cron.weekdays == _ALL_WEEKDAYS:
        return None
    morning, evening = (field_text(sum(1 << hour for hour in range(a, b + 1))) for a, b in spans)
    return Night(day_words(cron.weekdays), evening, morning, weekdays, field_text(_next_days(cron.weekdays)))


_ALL_WEEKDAYS = (1 << 7) - 1


def _next_days(weekdays: int) -> int:
    return (weekdays << 1 | weekdays >> 6) & _ALL_WEEKDAYS


def runs(bits: int) -> list[tuple[int, int]]:
    """The (first, last) of each run of neighbouring values."""
    values = [value for value in range(bits.bit_length()) if bits >> value & 1]
    firsts = [v for v in values if v - 1 not in values]
    lasts = [v for v in values if v + 1 not in values]
    return list(zip(firsts, lasts, strict=True))


def field_text(bits: int) -> str:
    """Values as a cron field."""
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in runs(bits))


def names(bits: int, of: Sequence[str]) -> list[str]:
    """Three and more in a row become "first to last"."""
    said = []
    for first, last in runs(bits):
        said += [f"{of[first]} to {of[last]}"] if last - first > 1 else list(of[first : last + 1])
    return said


def day_words(weekdays: int) -> str:
    """A set of weekdays (bit 0 is Sunday) in words: "Monday to Friday"."""
    return listed(names(weekdays >> 1 | (weekdays & 1) << 6, LONG_WEEKDAYS))


def listed(items: Sequence[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items) or "nothing"


def _number(text: str, item: str, of: _Field) -> int:
    word = text.lower()
    if word in of.words:
        return of.words.index(word) + of.lowest
    return _whole(text, item, of)


def _whole(text: str, item: str, of: _Field) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        allowed = f" or a name such as {of.words[1].upper()}" if of.words else ""
        raise CronError(f'{of.name} "{item}": "{text}" is not a number{allowed}')
    if _int(text) < 0:
        raise CronError(f'{of.name} "{item}": a number below 0; write {of.lowest} to {of.highest}')
    return _int(text)


def _int(text: str) -> int:
    """A whole number; of one with more digits than any field has the first ones, which are too large as well."""
    sign = -1 if text.startswith("-") else 1
    return sign * int(text.lstrip("+-0")[:20] or "0")


def _parse_in_utc(spec: str) -> Cron:
    cron = parse(spec if spec.startswith("CRON_TZ=") else f"CRON_TZ=UTC {spec}")
    if cron.zone is None:
        raise CronError('"Local" is the zone of a machine, which Coder refuses here; write an IANA name')
    return cron


def _parts(spec: str) -> list[str]:
    parts = spec.split()
    if len(parts) < 5:
        raise CronError(f'"{spec}" has {len(parts)} fields, expected 5 with an optional CRON_TZ=zone before them')
    return parts[1:] if len(parts) == 6 else parts


def weekly(spec: str) -> Cron:
    """Coder's weekly schedule (autostart): day of month and month are `*`; UTC if no zone is given."""
    parts = _parts(spec)
    if parts[2:4] != ["*", "*"]:
        raise CronError('day of month and month must be "*"')
    return _parse_in_utc(spec)


def is_autostart(spec: str) -> bool:
    """Does Coder accept the text as a weekly schedule? An autostart that it cannot read never starts anything."""
    try:
        return bool(weekly(spec))
    except CronError:
        return False


def daily(spec: str) -> Cron:
    """Coder's daily schedule: all three day fields are `*`; UTC if no zone is given."""
    if _parts(spec)[2:] != ["*", "*", "*"]:
        raise CronError('day of month, month and day of week must be "*"')
    return _parse_in_utc(spec)


def daily_time(spec: str) -> Cron:
    """A user's quiet hours as Coder takes them: a daily schedule of one time."""
    found = daily(spec)
    minute, hour = _parts(spec)[:2]
    if not (minute.isdecimal() and hour.isdecimal()):
        raise CronError(f'"{spec}" has more than one time a day; write one minute and one hour, such as "30 2 * * *"')
    return found


def time_range(spec: str) -> Cron:
    """Coder's time range (prebuild schedules): the minute is exactly `*`; UTC if no zone is given."""
    minute, *rest = _parts(spec)
    if minute != "*":
        instead = " ".join(["*", *rest])
        raise CronError(
            f'minutes must be "*", got "{minute}": Coder reads a schedule as whole hours; write "{instead}"'
        )
    return _parse_in_utc(spec)


def provider_cron(spec: str) -> Cron:
    """A `schedule` block's cron as the Terraform provider accepts it: a time range of five fields without a zone."""
    if spec.startswith(("CRON_TZ=", "TZ=")):
        raise CronError("a schedule's cron carries no time zone; write it as timezone in the scheduling block")
    if len(spec.split()) != 5:
        raise CronError(
            f'"{spec}" has {len(spec.split())} fields, expected 5 (minute, hour, day of month, month, day of week)'
        )
    return time_range(spec)


def first_detected_overlap(specs: list[str]) -> tuple[int, int] | None:
    """The first two crons that Coder's own overlap check refuses, by position; None if it accepts them all.

    The check compares text, field by field, and reads only integers, `a-b`, lists and `*`. It misses real overlaps;
    those are `simkit.timeline.true_overlaps`. Raises CronError where Coder's check fails to read a field.
    """
    for i, one in enumerate(specs):
        for j in range(i + 1, len(specs)):
            if _overlap(one.split(), specs[j].split()):
                return i, j
    return None


def _overlap(one: list[str], other: list[str]) -> bool:
    for fields in (one, other):
        if len(fields) != 5:
            raise CronError(f'"{" ".join(fields)}" has {len(fields)} fields, expected 5')
    # Order matters: a field that cannot be read is no error when an earlier one already differs.
    return _share(one[3], other[3], _MONTH) and _days_overlap(one, other) and _share(one[1], other[1], _HOUR)


def _days_overlap(one: list[str], other: list[str]) -> bool:
    if "*" in (one[2], other[2]):
        return _share(one[4], other[4], _WEEKDAY)
    if "*" in (one[4], other[4]):
        return _share(one[2], other[2], _DAY)
    by_day = _share(one[2], other[2], _DAY)
    return _share(one[4], other[4], _WEEKDAY) or by_day


def _share(one: str, other: str, of: _Field) -> bool:
    return not _plain(one, of).isdisjoint(_plain(other, of))


@lru_cache(maxsize=1024)  # each schedule of a preset is compared with each other
def _plain(text: str, of: _Field) -> frozenset[int]:
    """The values of a field as the overlap check reads it (from 0 on, whatever the field's lowest value)."""
    if text == "*":
        return frozenset(range(of.highest + 1))
    values: set[int] = set()
    for item in text.split(","):
        ends = [_plain_number(end, item, of) for end in item.split("-")[:2]]
        if ends[0] > ends[-1] or ends[-1] > of.highest:
            raise CronError(f'{of.name} "{item}" is not in 0-{of.highest}')
        values.update(range(ends[0], ends[-1] + 1))
    return frozenset(values)


def _plain_number(text: str, item: str, of: _Field) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise CronError(
            f'{of.name} "{item}" is neither a number, a range a-b, a list nor "*", and with two schedules or more '
            "Coder's overlap check reads nothing else; write numbers"
        )
    return _int(text)
