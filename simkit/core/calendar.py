"""Calendar arithmetic over whole numbers: days, wall clocks in a zone, and a cron's next occurrence.

A zone is two arrays, `from_at` and `offset_us` (see `simkit.clock.Zone.offsets`): the offset holds from its instant on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simkit.core.compile import jit
from simkit.core.numbers import DAY_US, HOUR_US, MINUTE_US, NEVER, SECOND_US, Int64Array


class CronBits(NamedTuple):
    """The five fields of a cron as bit sets. `both_days`: day of month *and* day of week must match, else either."""

    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    both_days: bool


class Date(NamedTuple):
    year: int
    month: int
    day: int


@jit
def date_of(day_number: int) -> Date:
    """The civil date of a day counted from 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date
    Algorithms")."""
    z = day_number + 719_468
    era = z // 146_097
    of_era = z - era * 146_097
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * of_year + 2) // 153
    day = of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    return Date(year_of_era + era * 400 + (1 if month <= 2 else 0), month, day)


@jit
def day_number(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a civil date; a day past the end of the month runs on into the next one, as in Go."""
    y = year - 1 if month <= 2 else year
    era = y // 400
    year_of_era = y - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + of_year - 719_468 + day - 1


@jit
def weekday_of(day_number: int) -> int:
    """Day of the week, Sunday 0, as cron counts it."""
    return (day_number + 4) % 7


@jit
def _zone_i(at: int, from_at: Int64Array) -> int:
    return max(int(np.searchsorted(from_at, at, side="right")) - 1, 0)


@jit
def local_us(at: int, from_at: Int64Array, offset_us: Int64Array) -> int:
    """The wall clock at the instant `at`, as microseconds since 1970-01-01 00:00 of that clock."""
    return at + offset_us[_zone_i(at, from_at)]


@jit
def instant_of(wall_us: int, from_at: Int64Array, offset_us: Int64Array) -> int:
    """The instant of a wall-clock time as Go's `time.Date` finds it, also where clocks jump.

    Of two it takes either, and inside a gap it may land before or after it: that is Go's, and decides what Coder does.
    """
    i = _zone_i(wall_us, from_at)
    if offset_us[i] != 0:
        at = wall_us - offset_us[i]
        end_at = from_at[i + 1] if i + 1 < from_at.size else NEVER
        if (i > 0 and at < from_at[i]) or at >= end_at:
            i = _zone_i(at, from_at)
    return wall_us - offset_us[i]


@jit
def _holds(bits: int, value: int) -> bool:
    return (bits >> value) & 1 == 1


@jit
def day_matches(cron: CronBits, day: int) -> bool:
    """Does the cron hold on a day (counted from 1970-01-01), as far as its two day fields go?"""
    month_day = _holds(cron.days, date_of(day).day)
    week_day = _holds(cron.weekdays, weekday_of(day))
    return (month_day and week_day) if cron.both_days else (month_day or week_day)


@jit
def next_occurrence(cron: CronBits, after_at: int, from_at: Int64Array, offset_us: Int64Array) -> int:
    """The cron's first occurrence after an instant as robfig/cron v3 finds it; NEVER if none within five years.

    Its search walks months, days, hours and minutes of the wall clock, and where clocks jump it skips or repeats
    as `SpecSchedule.Next` does. The zone must cover six years from `after_at`.
    """
    at = (after_at // SECOND_US + 1) * SECOND_US
    started = False
    last_year = date_of(local_us(at, from_at, offset_us) // DAY_US).year + 5
    while True:
        wall = local_us(at, from_at, offset_us)
        date = date_of(wall // DAY_US)
        if date.year > last_year:
            return NEVER

        wrapped = False
        while not _holds(cron.months, date.month):
            if not started:
                started = True
                at = instant_of(day_number(date.year, date.month, 1) * DAY_US, from_at, offset_us)
                wall = local_us(at, from_at, offset_us)
                date = date_of(wall // DAY_US)
            year = date.year + 1 if date.month == 12 else date.year
            month = 1 if date.month == 12 else date.month + 1
            # A month is added to the wall clock, whatever the time of day is after an earlier jump.
            at = instant_of(day_number(year, month, date.day) * DAY_US + wall % DAY_US, from_at, offset_us)
            wall = local_us(at, from_at, offset_us)
            date = date_of(wall // DAY_US)
            if date.month == 1:
                wrapped = True
                break
        if wrapped:
            continue

        while not day_matches(cron, wall // DAY_US):
            if not started:
                started = True
                at = instant_of(wall // DAY_US * DAY_US, from_at, offset_us)
                wall = local_us(at, from_at, offset_us)
            next_at = instant_of(wall + DAY_US, from_at, offset_us)
            # Clocks once left out a whole day (Apia, 2011-12-30): Go's search stays there for ever, this one goes on.
            at = next_at if next_at > at else at + DAY_US
            hour = local_us(at, from_at, offset_us) % DAY_US // HOUR_US
            if hour > 12:
                at += (24 - hour) * HOUR_US
            else:
                at -= hour * HOUR_US
            wall = local_us(at, from_at, offset_us)
            if date_of(wall // DAY_US).day == 1:
                wrapped = True
                break
        if wrapped:
            continue

        while not _holds(cron.hours, wall % DAY_US // HOUR_US):
            if not started:
                started = True
                at = instant_of(wall // HOUR_US * HOUR_US, from_at, offset_us)
            at += HOUR_US
            wall = local_us(at, from_at, offset_us)
            if wall % DAY_US // HOUR_US == 0:
                wrapped = True
                break
        if wrapped:
            continue

        while not _holds(cron.minutes, wall % HOUR_US // MINUTE_US):
            if not started:
                started = True
                at = at // MINUTE_US * MINUTE_US
            at += MINUTE_US
            wall = local_us(at, from_at, offset_us)
            if wall % HOUR_US // MINUTE_US == 0:
                wrapped = True
                break
        if wrapped:
            continue

        if wall % MINUTE_US < SECOND_US:
            return at
        # Seconds count up to the next minute, and every field is looked at again from there.
        started = True
        at += MINUTE_US - wall % MINUTE_US
