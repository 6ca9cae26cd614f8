"""When desired instances differ, and what was written differently."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from simkit.clock import HOUR_US, WEEK_US, WEEKDAYS, Zone, format_duration
from simkit.coder_versions import Behaviour
from simkit.errors import Where
from simkit.templates.diff.sides import Key, Written
from simkit.templates.diff.types import ClockDay, FieldChange, Kind, Period, PresetChange
from simkit.templates.explainer import YEAR_US
from simkit.timeline import Steps, desired, steps_of


def preset_change(
    key: Key, old: Written | None, new: Written | None, at: int, weeks: int, behaviour: Behaviour
) -> PresetChange:
    known = new or old
    assert known is not None, "a preset is on one side at least"
    zone = known.preset.zone
    start_at = midnight(zone, at, 0)
    end_at = midnight(zone, at, 7 * weeks)
    year_at = max(end_at, start_at + YEAR_US)
    # A week more at either end: what is cut off there is seen whole.
    steps = [_desired(side, behaviour, start_at - WEEK_US, year_at + WEEK_US) for side in (old, new)]
    spans = differences(*steps)
    fields = _fields(old, new)
    later = [max(span[0], end_at) for span in spans if span[1] > end_at and span[0] < year_at]
    kind: Kind = "added" if old is None else "removed" if new is None else "changed" if fields else "unchanged"
    return PresetChange(
        template=key.template,
        name=key.preset,
        kind=kind,
        where=known.preset.where,
        zone=zone,
        fields=fields,
        start_at=start_at,
        end_at=end_at,
        periods=weekly_periods(spans, zone, at, start_at, end_at, weeks),
        clock_days=_clock_days(steps, spans, zone, old, start_at, year_at),
        later_at=min(later, default=None),
        hours=_hours(steps, start_at, end_at, weeks),
    )


def midnight(zone: Zone, at: int, days: int) -> int:
    """The local midnight that begins the day of `at`, or that many days later."""
    return zone.at(datetime.combine(zone.local(at).date() + timedelta(days=days), time()))


def _desired(side: Written | None, behaviour: Behaviour, start_at: int, end_at: int) -> Steps:
    if side is None:
        return Steps(np.array([start_at]), np.array([0]), end_at)
    steps = desired(side.preset, behaviour, start_at, end_at)
    return steps_of(steps.at, np.maximum(steps.value, 0), end_at)


Span = tuple[int, int, int, int]


def differences(old: Steps, new: Steps) -> list[Span]:
    """(from, until, old, new) wherever the two differ, each as long as both stay as they are."""
    at = np.union1d(old.at, new.at)
    rows = list(zip(at.tolist(), [*at.tolist()[1:], old.end_at], old.value_at(at), new.value_at(at), strict=True))
    return [(a, b, int(before), int(after)) for a, b, before, after in rows if before != after]


def _hours(steps: Sequence[Steps], start_at: int, end_at: int, parts: int) -> tuple[float, float]:
    """Instance-hours of each side in [start_at, end_at), divided by `parts`."""
    of = [
        sum(max(min(b, end_at) - max(a, start_at), 0) * value for a, b, value in side.spans()) / HOUR_US / parts
        for side in steps
    ]
    return of[0], of[1]


def weekly_periods(
    spans: Sequence[Span], zone: Zone, at: int, start_at: int, end_at: int, weeks: int
) -> tuple[Period, ...]:
    """The spans of some weeks that end after `at`; those that come every week, or in all but one, told once."""
    mine = [span for span in spans if span[1] > start_at and span[0] < end_at]
    if len(mine) == 1 and mine[0][0] <= start_at and mine[0][1] >= end_at:
        _, _, old, new = mine[0]
        return (Period(start_at, end_at, old, new, "at all times"),)
    by_shape: dict[tuple[int, _Shape], list[Span]] = {}
    for span in mine:
        begin, end = zone.local(span[0]), zone.local(span[1])
        shape = _Shape(begin.time(), (end.date() - begin.date()).days, end.time(), span[2], span[3])
        by_shape.setdefault((begin.weekday(), shape), []).append(span)
    weekly: dict[tuple[_Shape, tuple[date, ...], int], list[Span]] = {}
    found: list[Period] = []
    for (weekday, shape), of in by_shape.items():
        inside = [span for span in of if span[0] >= start_at]
        if len(inside) >= max(2, weeks - 1):
            # What ends on another day is told for each weekday, the rest for several at once.
            alone = -1 if shape.within_a_day else weekday
            weekly.setdefault((shape, _missing(zone, inside, start_at, weeks), alone), []).extend(inside)
        else:
            found += [Period(*span) for span in of if span[1] > at]
    for (shape, missing, _), of in weekly.items():
        days = sorted({zone.local(span[0]).weekday() for span in of})
        found.append(Period(*min(span for span in of if span[1] > at), shape.words(days), missing))
    return tuple(sorted(found, key=lambda period: (period.start_at, period.end_at)))


class _Shape(NamedTuple):
    """What spans that come every week share: wall-clock times, and how many days lie between them."""

    begin: time
    days: int
    end: time
    old: int
    new: int

    @property
    def within_a_day(self) -> bool:
        """No longer than 24 hours by the wall clock."""
        return self.days == 0 or (self.days == 1 and self.end <= self.begin)

    def words(self, weekdays: Sequence[int]) -> str:
        """ "every Mon-Fri 07:00-08:00"."""
        if not self.within_a_day:
            first, last = WEEKDAYS[weekdays[0]], WEEKDAYS[(weekdays[0] + self.days) % 7]
            return f"every week from {first} {self.begin:%H:%M} to {last} {self.end:%H:%M}"
        if self.days == 0:
            return f"every {_days(weekdays)} {self.begin:%H:%M}-{self.end:%H:%M}"
        if self.end == time():
            hours = "all day" if self.begin == time() else f"{self.begin:%H:%M}-24:00"
            return f"every {_days(weekdays)} {hours}"
        return f"every {_days(weekdays)} {self.begin:%H:%M} to {self.end:%H:%M} the next day"


def _missing(zone: Zone, spans: Sequence[Span], start_at: int, weeks: int) -> tuple[date, ...]:
    """On which of the weeks' days a weekly span does not begin."""
    if not spans:
        return ()
    begins = {zone.local(span[0]).date() for span in spans}
    first = zone.local(start_at).date()
    day = first + timedelta(days=(min(begins).weekday() - first.weekday()) % 7)
    return tuple(d for d in (day + timedelta(weeks=i) for i in range(weeks)) if d not in begins)


def _days(days: Sequence[int]) -> str:
    if len(days) == 7:
        return "day"
    groups: list[list[int]] = []
    for day in days:
        if groups and groups[-1][-1] == day - 1:
            groups[-1].append(day)
        else:
            groups.append([day])
    said = [
        f"{WEEKDAYS[g[0]]}-{WEEKDAYS[g[-1]]}" if len(g) > 2 else ", ".join(WEEKDAYS[day] for day in g) for g in groups
    ]
    return ", ".join(said)


def _clock_days(
    steps: Sequence[Steps], spans: Sequence[Span], zone: Zone, old: Written | None, start_at: int, end_at: int
) -> tuple[ClockDay, ...]:
    found = {}
    for of in dict.fromkeys([zone, old.preset.zone if old else zone]):
        from_at, offsets = (column.tolist() for column in of.offsets(start_at, end_at))
        for change_at, (before, after) in zip(from_at[1:], pairwise(offsets), strict=True):
            first, last = midnight(zone, change_at, 0), midnight(zone, change_at, 1)
            periods = tuple(Period(max(a, first), min(b, last), o, n) for a, b, o, n in spans if b > first and a < last)
            hours = _hours(steps, first, last, 1)
            found[change_at] = ClockDay(change_at, change_at + before, change_at + after, of, periods, hours)
    return tuple(found[at] for at in sorted(found))


def _fields(old: Written | None, new: Written | None) -> tuple[FieldChange, ...]:
    """What was written differently; for a preset that comes or goes, what it says."""
    before, after = (_said(side) for side in (old, new))
    changes = []
    for name in dict.fromkeys([*before, *after]):
        (was, was_at), (now, now_at) = before.get(name, (None, None)), after.get(name, (None, None))
        if was != now:
            changes.append(FieldChange(name, was, now, was_at, now_at))
    if old and new and not changes:
        crons = [[s.cron for s in side.preset.schedules] for side in (old, new)]
        if crons[0] != crons[1]:
            was, now = (", ".join(f'"{cron}"' for cron in side) for side in crons)
            at = (old.preset.schedules[0].where, new.preset.schedules[0].where)
            changes.append(FieldChange("order of schedules", was, now, *at))
    return tuple(changes)


def _said(side: Written | None) -> dict[str, tuple[str | None, Where]]:
    if side is None:
        return {}
    preset = side.preset
    said: dict[str, tuple[str | None, Where]] = {
        "instances": (str(preset.instances), side.where("instances")),
        "ttl": (format_duration(preset.ttl_us) if preset.ttl_us else "never expires", side.where("ttl_us")),
    }
    for name in ("timezone", "description", "icon"):
        if value := getattr(preset, name):
            said[name] = (value, side.where(name))
    if preset.default:
        said["default"] = ("true", side.where("default"))
    for name, value in preset.parameters:
        said[f"parameter {name}"] = (value, side.where("parameters"))
    seen: dict[str, int] = {}
    for schedule in preset.schedules:
        seen[schedule.cron] = seen.get(schedule.cron, 0) + 1
        again = f" ({seen[schedule.cron]})" if seen[schedule.cron] > 1 else ""
        said[f'schedule "{schedule.cron}"{again}'] = (_instances(schedule.instances), schedule.where)
    return said


def _instances(count: int) -> str:
    return f"{count} instance{'s' * (count != 1)}"
