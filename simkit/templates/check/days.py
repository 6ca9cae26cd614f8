"""Read "weekday 08:00-18:00" and "2026-03": which minutes of the wall clock an expectation speaks of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from simkit.clock import DAY_US, FIRST_YEAR, LAST_YEAR, MINUTE_US, WEEKDAYS, Int64Array, Zone
from simkit.errors import did_you_mean

_WORDS = {"daily": 0b1111111, "weekday": 0b0011111, "weekend": 0b1100000}
_DAYS = tuple(day.lower() for day in WEEKDAYS)
_TIMES = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_EXAMPLE = 'write days and times such as "weekday 08:00-18:00" or "mon-thu,sat 22:00-06:00"'
_MONDAY = 3  # 1970-01-01 was a Thursday, so day -3 of the epoch was a Monday


@dataclass(frozen=True)
class Every:
    """Minutes of the week by the wall clock: those of `days` (Monday is bit 0) from `from_us` to before `until_us`
    after midnight. An end past 24 hours reaches into the next day, which need not be one of `days`."""

    days: int
    from_us: int
    until_us: int

    def spans(self, zone: Zone, start_at: int, end_at: int) -> Int64Array:
        """Its spans in [start_at, end_at): int64[n, (from, until)], in order of time, apart.

        An hour that comes twice counts twice, one that is skipped does not count.
        """
        from_at, offset_us = zone.offsets(start_at, end_at)
        parts = []
        for (begin, end), offset in zip(pairwise([*from_at.tolist(), end_at]), offset_us.tolist(), strict=True):
            first, last = (begin + offset) // DAY_US - 1, (end + offset) // DAY_US
            day = np.arange(first, last + 1, dtype=np.int64)
            day = day[(self.days >> ((day + _MONDAY) % 7)) & 1 == 1] * DAY_US - offset
            both = np.stack([np.maximum(day + self.from_us, begin), np.minimum(day + self.until_us, end)], axis=1)
            parts.append(both[both[:, 0] < both[:, 1]])
        return joined(np.concatenate(parts))


def joined(spans: Int64Array) -> Int64Array:
    """Spans [n, (from, until)] in order of time, those that touch as one."""
    if not len(spans):
        return spans
    until = np.maximum.accumulate(spans[:, 1])
    is_new = np.append(True, spans[1:, 0] > until[:-1])
    is_last = np.append(is_new[1:], True)
    return np.stack([spans[is_new, 0], until[is_last]], axis=1)


def parse_every(text: str) -> Every:
    """Days and times. Raises ValueError with what to write instead."""
    days_text, _, times_text = text.strip().rpartition(" ")
    times = _TIMES.fullmatch(times_text)
    if not days_text or times is None:
        raise ValueError(f'"{text}" is not days and times; {_EXAMPLE}')
    days = 0
    for item in days_text.lower().replace(" ", "").split(","):
        days |= _days(item)
    hours = [int(times[1]), int(times[3])]
    minutes = [int(times[2]), int(times[4])]
    from_us, until_us = ((60 * hour + minute) * MINUTE_US for hour, minute in zip(hours, minutes, strict=True))
    if max(minutes) > 59 or from_us >= DAY_US or until_us > DAY_US:
        raise ValueError(f'"{times_text}" is not two times of a day; write times from 00:00 to 24:00')
    if from_us == until_us:
        raise ValueError(f'"{times_text}" begins when it ends; write "00:00-24:00" for the whole day')
    return Every(days, from_us, until_us if until_us > from_us else until_us + DAY_US)


def _days(item: str) -> int:
    if item in _WORDS:
        return _WORDS[item]
    ends = item.split("-")
    for end in ends:
        if end not in _DAYS:
            raise ValueError(f'"{end}" is no day; {did_you_mean(end, (*_WORDS, *_DAYS))}')
    if len(ends) > 2:
        raise ValueError(f'"{item}" has more than one "-"; {_EXAMPLE}')
    first, last = _DAYS.index(ends[0]), _DAYS.index(ends[-1])
    return sum(1 << (first + i) % 7 for i in range((last - first) % 7 + 1))


def parse_over(text: str, zone: Zone) -> tuple[int, int]:
    """(start, end) of a year "2026" or a month "2026-03" in the zone. Raises ValueError with what to write instead."""
    found = re.fullmatch(r"(\d{4})(?:-(\d{2}))?", text.strip())
    year, month = (int(found[1]), int(found[2] or 1)) if found else (0, 0)
    if found is None or not 1 <= month <= 12 or not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f'"{text}" is neither a year nor a month; write 2026, "2026-03" or {{from: ..., until: ...}}')
    months = year * 12 + month - 1 + (1 if found[2] else 12)
    return zone.at(datetime(year, month, 1)), zone.at(datetime(months // 12, months % 12 + 1, 1))  # noqa: DTZ001
