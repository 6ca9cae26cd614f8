"""Say in words, and as a text week, when a cron range holds, and who reads it differently."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise

import numpy as np

from simkit.arguments import a_text, an_instant, takes
from simkit.clock import (
    DAY_US,
    MONTHS,
    SECOND_US,
    UTC_ZONE,
    WEEK_US,
    WEEKDAYS,
    Zone,
    format_duration,
    parse_instant,
    to_datetime,
    zone,
)
from simkit.coder_versions import EARLY_RANGES, Behaviour, with_early_ranges
from simkit.cron import (
    Cron,
    CronError,
    day_words,
    first_detected_overlap,
    listed,
    names,
    night_of,
    provider_cron,
    runs,
)
from simkit.errors import Finding, Findings, Where
from simkit.inputs.coder import named_version
from simkit.inputs.preset import Given, GivenPreset, GivenSchedule, read_presets
from simkit.timeline import BASE, Steps, local_hours, matching_steps, range_steps
from simkit.times import hours_text, short_weekday, weekday_date, weekday_instant

YEAR_US = 366 * DAY_US
_SEARCH_US = 9 * YEAR_US  # 29 February may be eight years away
_WIDTH = 80
_CHANGES = 6

_ALL_HOURS = (1 << 24) - 1
_ALL_DAYS = (1 << 32) - 2
_ALL_MONTHS = (1 << 13) - 2
_ALL_WEEKDAYS = (1 << 7) - 1


@dataclass(frozen=True)
class Change:
    """At `at` the range begins to hold, or ends."""

    at: int
    begins: bool


@dataclass(frozen=True)
class ClockChange:
    """At `at` the zone's clocks jump from one wall-clock time to another, given in microseconds since its 1970.

    `extra_us`: how much longer (or, negative, shorter) the range holds for it. `lost_day`: it does not hold at all on
    that date because of it.
    """

    at: int
    from_wall: int
    to_wall: int
    extra_us: int
    lost_day: bool


@dataclass(frozen=True)
class Explanation:
    """What there is to know about a cron range at the instant `at`. `text` says it to people.

    `week` has a label and 24 truths (does it hold in that hour?) for each of seven days; without a date in the labels
    it is every week. `hours_per_week` is exact if `repeats_weekly`, else the mean of the year from `at` on.
    `readers`: who reads the cron (other Coder versions, standard cron, ...) and how.
    """

    cron: Cron
    zone: Zone
    behaviour: Behaviour
    at: int
    words: str
    holds: bool
    hours_per_week: float
    repeats_weekly: bool
    week: tuple[tuple[str, tuple[bool, ...]], ...]
    changes: tuple[Change, ...]
    clock_changes: tuple[ClockChange, ...]
    readers: tuple[tuple[str, str], ...]
    notes: tuple[Finding, ...] = ()
    """That another version's rules are used in place of those of the version that was asked for."""

    @property
    def never_holds(self) -> bool:
        return not self.holds and not self.changes

    @property
    def text(self) -> str:
        """Plain text, at most 80 characters wide."""
        title = textwrap.fill(
            f"{self.cron.text}   in {self.zone.name}, as Coder {self.behaviour.version} reads it", _WIDTH
        )
        if self.never_holds:
            sections = [f'Never holds ("{self.words}"): no such time exists.']
        else:
            sections = [self._when(), *self._night(), self._grid(), self._next(), self._clocks()]
        readers = _columns("Who reads it how", self.readers)
        return "\n\n".join([title, *sections, readers])

    def _when(self) -> str:
        mean = "" if self.repeats_weekly else ", the mean of the coming year"
        early = ", but one minute early" if self.behaviour.range_early_us else ""
        said = f"Holds {self.words}{early}: {hours_text(self.hours_per_week)} a week{mean}."
        if not self.cron.both_days and every_day(self.cron):
            said += " Neither day field carries a star, so a day matches if either does: here every day."
        return textwrap.fill(said, _WIDTH)

    def _night(self) -> list[str]:
        """That hours before and after midnight are of one date, where somebody probably means nights."""
        night = night_of(self.cron)
        if night is None:
            return []
        evening, morning = night.crons
        return [
            textwrap.fill(
                f"Mind the nights: it {night.covers}. For the nights that begin on {night.days} write two schedules, "
                f'"{evening}" and "{morning}".',
                _WIDTH,
            )
        ]

    def _grid(self) -> str:
        label = max(len(day) for day, _ in self.week)
        head = "Every week" if self.repeats_weekly else f"Seven days from {self.week[0][0]}, as the date counts"
        lines = [
            f'{head} ("#" holds, "." does not):',
            " " * label + "".join(f"  {hour:02d}" for hour in range(0, 24, 2)),
            *(f"{day:{label}}   " + " ".join("#" if held else "." for held in hours) for day, hours in self.week),
        ]
        return "\n".join(lines)

    def _next(self) -> str:
        now = f"At {weekday_instant(self.at, self.zone)} it {'holds' if self.holds else 'does not hold'}"
        if not self.changes:
            return f"{now}, and goes on."
        lines = [f"  {'begins' if c.begins else 'ends':7} {weekday_instant(c.at, self.zone)}" for c in self.changes]
        return "\n".join([f"{now}. Next it", *lines])

    def _clocks(self) -> str:
        if not self.clock_changes:
            return f"No clock changes in {self.zone.name} in the coming year."
        rows = []
        for change in self.clock_changes:
            before, after = to_datetime(change.from_wall), to_datetime(change.to_wall)
            jump = f"{weekday_date(before)} {before:%H:%M} -> {after:%H:%M}"
            rows.append((jump, self._effect(change)))
        return _columns("Clock changes in the coming year", rows)

    def _effect(self, change: ClockChange) -> str:
        first, last = sorted((to_datetime(change.from_wall), to_datetime(change.to_wall)))
        hour = f"{first:%H:%M} to {last:%H:%M}"
        if change.extra_us > 0:
            return f"holds {format_duration(change.extra_us)} more: {hour} comes twice"
        if change.extra_us == 0:
            return "no effect"
        how = "does not hold at all that day" if change.lost_day else f"holds {format_duration(-change.extra_us)} less"
        return f"{how}: {hour} is skipped"


@takes(timezone=a_text, at=an_instant, coder=a_text)
def explain(cron: str, *, timezone: str = "UTC", at: str | int, coder: str | None = None) -> Explanation:
    """What a prebuild schedule's cron means, seen from the instant `at` (microseconds UTC, or RFC 3339 text; text
    without an offset is read in the timezone).

    `coder`: Coder's version, such as "v2.26"; the newest that is modelled, if not given. Raises InputError with every
    problem if the Terraform provider would refuse the cron or the timezone.

    >>> simkit.explain("* 8-18 * * 1-5", timezone="Europe/Berlin", at="2026-03-02").words
    'Monday to Friday, 08:00 to 18:59'
    """
    findings = Findings()
    # The provider's rules stand in one place: ask about a preset that has this schedule and nothing else.
    schedule = GivenSchedule(Given(cron, Where("cron")), Given(1, Where("cron")), Where("cron"))
    preset = GivenPreset(
        where=Where("cron"),
        name=Given("explain", Where("cron")),
        instances=Given(0, Where("cron")),
        timezone=Given(timezone, Where("timezone")),
        schedules=(schedule,),
    )
    read_presets((preset,), findings)
    in_zone = zone(timezone) or UTC_ZONE
    behaviour = named_version(coder, findings)
    try:
        now_at = parse_instant(at, in_zone) if isinstance(at, str) else at
    except ValueError as error:
        findings.error(Where("at"), str(error))
    findings.raise_errors()
    return replace(_explain(provider_cron(cron), in_zone, behaviour, now_at), notes=tuple(findings))


def _explain(cron: Cron, in_zone: Zone, behaviour: Behaviour, at: int) -> Explanation:
    expected = _changes(range_steps(cron, in_zone, at, at + _SEARCH_US))
    horizon_at = expected[_CHANGES - 1].at + DAY_US if len(expected) >= _CHANGES else at + _SEARCH_US
    by_early = {
        early_us: range_steps(cron, in_zone, at, horizon_at, early_us)
        for early_us in (0, with_early_ranges(behaviour).range_early_us)
    }
    steps = by_early[behaviour.range_early_us]
    changes = _changes(steps)[:_CHANGES]
    weekly = repeats_weekly(cron)
    next_at = changes[0].at if changes and not steps.value[0] else at
    return Explanation(
        cron=cron,
        zone=in_zone,
        behaviour=behaviour,
        at=at,
        words=describe(cron),
        holds=bool(steps.value[0]),
        hours_per_week=hours_per_week([cron], in_zone, at, at + YEAR_US),
        repeats_weekly=weekly,
        week=_week(cron, None if weekly else in_zone.local(next_at + behaviour.range_early_us).date()),
        changes=changes,
        clock_changes=_clock_changes(cron, in_zone, at),
        readers=(*_coder_readers(by_early, behaviour, in_zone), *_cron_readers(cron, in_zone.local(at).date())),
    )


def describe(cron: Cron) -> str:
    """When a range holds, in words on one line, without its zone: "Monday to Friday, 08:00 to 18:59"."""
    months = listed(names(cron.months, ("", *MONTHS))) if cron.months != _ALL_MONTHS else ""
    days = _month_day_words(cron.days)
    weekdays = day_words(cron.weekdays)
    in_months = f" in {months}" if months else ""
    if every_day(cron):
        when = f"every day{in_months}"
    elif not cron.both_days:
        when = f"{days} of the month or {weekdays} (either is enough){in_months}"
    elif cron.days != _ALL_DAYS:
        when = f"{days} of {months or 'the month'}"
    else:
        when = f"{weekdays}{in_months}"
    return f"{when}, {_hour_words(cron.hours, through_midnight=when == 'every day')}"


def repeats_weekly(cron: Cron) -> bool:
    """Does the range hold in the same hours every week? (Its day of month and month exclude nothing.)"""
    return cron.months == _ALL_MONTHS and (cron.days == _ALL_DAYS or every_day(cron))


def every_day(cron: Cron) -> bool:
    """Does the range hold on every day of its months?"""
    full = cron.days == _ALL_DAYS, cron.weekdays == _ALL_WEEKDAYS
    return all(full) if cron.both_days else any(full)


def hours_per_week(crons: Sequence[Cron], in_zone: Zone, start_at: int, end_at: int) -> float:
    """Hours a week in which at least one of the ranges holds: by the wall clock if all are weekly, else the mean of
    [start_at, end_at)."""
    if all(repeats_weekly(cron) for cron in crons):
        in_zone, start_at, end_at = UTC_ZONE, 0, WEEK_US
    spans = matching_steps(crons, in_zone, start_at, end_at).spans()
    held_us = sum(until - since for since, until, i in spans if i != BASE)
    return held_us / (end_at - start_at) * (24 * 7)


def _values(bits: int) -> list[int]:
    return [value for value in range(bits.bit_length()) if bits >> value & 1]


def _every_nth(bits: int) -> tuple[str, int, int] | None:
    """("2nd", first, last) for four and more values that are equally far apart."""
    values = _values(bits)
    steps = {b - a for a, b in pairwise(values)}
    if len(values) < 4 or len(steps) > 1 or steps == {1}:
        return None
    step = steps.pop()
    return {2: "2nd", 3: "3rd"}.get(step, f"{step}th"), values[0], values[-1]


def _month_day_words(days: int) -> str:
    nth = _every_nth(days)
    if nth:
        return f"every {nth[0]} day from {nth[1]} to {nth[2]}"
    numbers = names(days, [str(day) for day in range(32)])
    return f"day{'s' if days.bit_count() > 1 else ''} {listed(numbers)}"


def _hour_words(hours: int, through_midnight: bool) -> str:
    if hours == _ALL_HOURS:
        return "all day"
    nth = _every_nth(hours)
    if nth:
        return f"every {nth[0]} hour from {nth[1]:02d}:00 to {nth[2]:02d}:59"
    spans = runs(hours)
    if through_midnight and len(spans) > 1 and spans[0][0] == 0 and spans[-1][1] == 23:
        spans = [*spans[1:-1], (spans[-1][0], spans[0][1])]
    return listed([f"{first:02d}:00 to {last:02d}:59" for first, last in spans])


def _columns(head: str, rows: Iterable[tuple[str, str]]) -> str:
    rows = list(rows)
    indent = 4 + max(len(left) for left, _ in rows)
    lines = []
    for left, right in rows:
        lines += textwrap.wrap(right, _WIDTH, initial_indent=f"  {left:{indent - 2}}", subsequent_indent=" " * indent)
    return "\n".join([head, *lines])


def _changes(steps: Steps) -> tuple[Change, ...]:
    return tuple(
        Change(at, value == 1) for at, value in zip(steps.at.tolist()[1:], steps.value.tolist()[1:], strict=True)
    )


def _wall(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_US


def _week(cron: Cron, first: date | None) -> tuple[tuple[str, tuple[bool, ...]], ...]:
    """The seven days from `first` on; Monday to Sunday of every week if it is None. As the wall clock shows it."""
    begin = first or date(1970, 1, 5)  # a Monday
    held = local_hours(UTC_ZONE, _wall(begin), _wall(begin) + WEEK_US - 1).hold(cron).reshape(7, 24)
    labels = [weekday_date(begin + timedelta(days=i)) if first else WEEKDAYS[i] for i in range(7)]
    return tuple((label, tuple(row)) for label, row in zip(labels, held.tolist(), strict=True))


def _wall_held_us(cron: Cron, from_wall: int, until_wall: int) -> int:
    """How long the range holds between two wall-clock times of a clock that does not jump."""
    return sum(b - a for a, b, value in range_steps(cron, UTC_ZONE, from_wall, until_wall).spans() if value)


def _clock_changes(cron: Cron, in_zone: Zone, at: int) -> tuple[ClockChange, ...]:
    from_at, offset_us = (column.tolist() for column in in_zone.offsets(at, at + YEAR_US))
    found = []
    for change_at, (before, after) in zip(from_at[1:], pairwise(offset_us), strict=True):
        from_wall, to_wall = change_at + before, change_at + after
        if after > before:
            extra_us = -_wall_held_us(cron, from_wall, to_wall)
            midnight = from_wall // DAY_US * DAY_US
            lost_day = 0 < _wall_held_us(cron, midnight, midnight + DAY_US) == -extra_us
        else:
            extra_us, lost_day = _wall_held_us(cron, to_wall, from_wall), False
        found.append(ClockChange(change_at, from_wall, to_wall, extra_us, lost_day))
    return tuple(found)


def _coder_readers(by_early: dict[int, Steps], here: Behaviour, in_zone: Zone) -> list[tuple[str, str]]:
    said = []
    for early_us, steps in sorted(by_early.items(), reverse=True):
        changes = _changes(steps)
        pairs = [(a.at, b.at) for a, b in pairwise(changes) if a.begins]
        if early_us == here.range_early_us:
            how = "as here"
        elif not changes:
            how = "no difference"
        else:
            how = "one minute early" if early_us else "one minute later"
            if pairs:
                begins, ends = in_zone.local(pairs[0][0]), in_zone.local(pairs[0][1] - SECOND_US)
                last_day = "" if begins.date() == ends.date() else f"{short_weekday(ends)} "
                how += f", next {short_weekday(begins)} {begins:%H:%M:%S} to {last_day}{ends:%H:%M:%S}"
        said.append((f"Coder +{EARLY_RANGES}" if early_us else "Coder, every release", how))
    return said


def _cron_readers(cron: Cron, today: date) -> list[tuple[str, str]]:
    """How the provider's overlap check and other crons read the fields. They agree on hours, not always on days."""
    try:
        first_detected_overlap([cron.text, cron.text])
        said = [("Terraform provider", "accepts it")]
    except CronError as error:
        said = [("Terraform provider", f"accepts it alone, refuses it beside another schedule: {error}")]
    here = _coder_days(cron, today)
    for who, star_joins in (("standard cron", True), ("croniter", False)):
        days = _croniter_days(cron, today, star_joins)
        if who == "standard cron" and "?" in cron.text:
            how = 'does not know "?", which Coder reads as "*"'
        elif days is None:
            how = "does not accept it"
        elif days == here:
            how = "the same days"
        else:
            how = f"{len(days)} days of the coming year, where Coder has {len(here)}"
            if star_joins:
                how += ': there both day fields must match if one begins with "*", else either'
        said.append((who, how))
    return said


def _coder_days(cron: Cron, today: date) -> set[date]:
    hours = local_hours(UTC_ZONE, _wall(today), _wall(today) + YEAR_US - 1)
    return {today + timedelta(days=i) for i in set((np.flatnonzero(hours.hold(cron)) // 24).tolist())}


def _croniter_days(cron: Cron, today: date, star_joins: bool) -> set[date] | None:
    """The days of the year from today on, as croniter reads the day fields; None if it refuses them."""
    from croniter import CroniterBadDateError, CroniterError, croniter

    _, _, *day_fields = cron.text.split()
    begin = datetime.combine(today, time()) - timedelta(minutes=1)
    end = begin + timedelta(microseconds=YEAR_US)
    days: set[date] = set()
    try:
        croniter.expand(cron.text)
        # With `implement_cron_bug` croniter reads a star as the cron of Unix systems does.
        occurrences = croniter(" ".join(["0 0", *day_fields]), begin, implement_cron_bug=star_joins)
        while (when := occurrences.get_next(datetime)) < end:
            days.add(when.date())
    except CroniterBadDateError:
        pass  # it looked, and there is no further day
    except CroniterError:
        return None
    return days
