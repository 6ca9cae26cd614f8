"""A timeline is the same as asking in every minute, whatever the clocks do."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenarios import MONDAY_AT, Range, Span, ranges, spans

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Zone, parse_instant
from simkit.coder_versions import BEHAVIOURS, behaviour_of
from simkit.cron import parse
from simkit.model import Preset, Schedule
from simkit.timeline import (
    BASE,
    Overlap,
    Steps,
    desired,
    local_hours,
    matching_steps,
    range_steps,
    steps_of,
    true_overlaps,
    whole_weeks,
)

EARLY = behaviour_of("early-ranges")
EARLY_US = EARLY.range_early_us
NEW_YORK, LORD_HOWE = Zone("America/New_York"), Zone("Australia/Lord_Howe")


def asked_instants(span: Span) -> list[int]:
    """Every minute of the span, and the seconds around it."""
    first = -(-span.start_at // MINUTE_US) * MINUTE_US
    minutes = range(first, span.end_at + 1, MINUTE_US)
    around = {at + s * SECOND_US for at in minutes for s in (-1, 0, 1)} | {span.start_at, span.end_at}
    return sorted(at for at in around if span.start_at <= at <= span.end_at)


def holds(range_: Range, wall: datetime) -> bool:
    """What a range means, from the drawn sets and a wall clock alone."""
    day, weekday = wall.day in range_.day.values, wall.isoweekday() % 7 in range_.weekday.values
    by_day = day and weekday if range_.day.star or range_.weekday.star else day or weekday
    return wall.hour in range_.hour.values and wall.month in range_.month.values and by_day


@given(span=spans(), range_=ranges())
def test_a_range_holds_in_every_minute_whose_wall_clock_matches(span, range_):
    at = asked_instants(span)
    steps = range_steps(range_.cron, span.zone, span.start_at, span.end_at)
    expected = [int(holds(range_, span.zone.local(a))) for a in at]
    assert steps.value_at(np.array(at)).tolist() == expected


@given(span=spans(), range_=ranges())
def test_an_early_range_holds_while_its_next_occurrence_is_at_most_a_minute_away(span, range_):
    at = np.array(asked_instants(span))
    steps = range_steps(range_.cron, span.zone, span.start_at, span.end_at, EARLY_US)
    located = parse(f"CRON_TZ={span.zone.name} {range_.text}")
    found = [located.next_after(a) for a in at.tolist()]
    away = np.array(found) - at
    # No case says what early ranges make of two slips of robfig's search: before the instant it starts from, where
    # clocks go back in the middle of an hour; on a weekday that the cron leaves out, where they skip midnight.
    sound = [
        us > 0 and (us > MINUTE_US or holds(range_, span.zone.local(f))) for f, us in zip(found, away, strict=True)
    ]
    assert steps.value_at(at)[sound].tolist() == (away <= MINUTE_US)[sound].astype(int).tolist()


@given(span=spans(), schedules=st.lists(ranges(), max_size=4), early_us=st.sampled_from((0, EARLY_US)))
def test_the_first_schedule_that_holds_decides_and_the_base_where_none_does(span, schedules, early_us):
    crons = [s.cron for s in schedules]
    at = np.array(asked_instants(span))
    match = matching_steps(crons, span.zone, span.start_at, span.end_at, early_us).value_at(at)
    alone = [range_steps(c, span.zone, span.start_at, span.end_at, early_us).value_at(at) for c in crons]
    expected = [next((i for i, one in enumerate(alone) if one[k]), BASE) for k in range(at.size)]
    assert match.tolist() == expected


@given(span=spans(), schedules=st.lists(ranges(), max_size=3))
def test_a_timeline_has_its_window_and_no_step_without_a_change(span, schedules):
    steps = matching_steps([s.cron for s in schedules], span.zone, span.start_at, span.end_at)
    assert steps.at[0] == span.start_at
    assert (np.diff(steps.at) > 0).all()
    assert (np.diff(steps.value) != 0).all()
    assert steps.at[-1] <= span.end_at


def hours_of(cron: str, in_zone: Zone, day: str) -> float:
    """How many hours of a local day a range holds."""
    start = datetime.fromisoformat(day)
    start_at, end_at = in_zone.at(start), in_zone.at(start + timedelta(days=1))
    spans_ = range_steps(parse(cron), in_zone, start_at, end_at).spans()
    return sum(until - since for since, until, value in spans_ if value) / HOUR_US


@pytest.mark.parametrize(
    ("cron", "in_zone", "day", "hours"),
    [
        ("* 1 * * *", NEW_YORK, "2026-11-01", 2),  # repeated
        ("* 2 * * *", NEW_YORK, "2026-03-08", 0),  # skipped
        ("* 1-3 * * *", NEW_YORK, "2026-03-08", 2),
        ("* * * * *", NEW_YORK, "2026-03-08", 23),
        ("* 1 * * *", LORD_HOWE, "2026-04-05", 1.5),  # 1:30 to 2:00 twice
        ("* 2 * * *", LORD_HOWE, "2026-10-04", 0.5),  # from 2:30 on
        ("* 0 * * *", Zone("America/Havana"), "2026-03-08", 0),
        ("* * 30 12 *", Zone("Pacific/Apia"), "2011-12-30", 0),  # a day that was not
    ],
)
def test_a_repeated_hour_counts_twice_and_a_skipped_one_never(cron, in_zone, day, hours):
    assert hours_of(cron, in_zone, day) == hours


@pytest.mark.parametrize("version", sorted(BEHAVIOURS))
def test_early_ranges_are_a_minute_early_and_releases_are_not(version):
    preset = Preset("p", 1, timezone="UTC", schedules=(Schedule("* 9-18 * * *", 5),))
    day = parse_instant("2026-03-02T00:00:00Z")
    late = desired(preset, BEHAVIOURS[version], day, day + DAY_US)
    early = desired(preset, behaviour_of(f"{version}+early-ranges"), day, day + DAY_US)
    assert late.spans() == [
        (day, day + 9 * HOUR_US, 1),
        (day + 9 * HOUR_US, day + 19 * HOUR_US, 5),
        (day + 19 * HOUR_US, day + DAY_US, 1),
    ]
    assert (early.at[1:] == late.at[1:] - MINUTE_US).all()


def test_the_first_of_two_schedules_that_both_hold_wins():
    # Coder's check misses that these two meet on a first of the month that is a Tuesday.
    schedules = (Schedule("* 9 1 * 1", 7), Schedule("* 9 2 * 2", 3))
    preset = Preset("p", 0, timezone="UTC", schedules=schedules)
    assert preset.schedules_in_force == schedules
    nine = parse_instant("2026-06-02T09:00:00Z")  # the second, a Tuesday
    assert desired(preset, BEHAVIOURS["v2.35"], nine, nine + HOUR_US).value_at(nine) == 3
    nine = parse_instant("2026-09-01T09:00:00Z")  # the first, a Tuesday: both
    assert desired(preset, BEHAVIOURS["v2.35"], nine, nine + HOUR_US).value_at(nine) == 7


def test_schedules_that_coder_ignores_leave_the_base():
    preset = Preset("p", 4, timezone="", schedules=(Schedule("* * * * *", 9),))
    steps = desired(preset, BEHAVIOURS["v2.35"], MONDAY_AT, MONDAY_AT + DAY_US)
    assert steps.spans() == [(MONDAY_AT, MONDAY_AT + DAY_US, 4)]


def test_equal_neighbours_become_one_step():
    steps = steps_of(np.array([0, 10, 20, 30]), np.array([1, 1, 2, 1]), 40)
    assert steps.spans() == [(0, 20, 1), (20, 30, 2), (30, 40, 1)]
    assert steps.map([5, 6, 6]).spans() == [(0, 40, 6)]


def test_a_timeline_without_a_step_breaks_a_promise():
    with pytest.raises(AssertionError, match="covers its whole window"):
        Steps(np.array([], dtype=np.int64), np.array([], dtype=np.int64), 0)


@given(span=spans())
def test_local_hours_show_the_wall_clock_and_leave_nothing_out(span):
    hours = local_hours(span.zone, span.start_at, span.end_at)
    assert hours.at[0] <= span.start_at
    assert hours.at[-1] <= span.end_at
    assert (np.diff(hours.at) > 0).all()
    assert (np.diff(hours.at) <= HOUR_US).all()
    for i, at in enumerate(hours.at.tolist()):
        wall = span.zone.local(at)
        assert hours.wall[i] == at + span.zone.offset_us(at)
        shown = (hours.hour[i], hours.day[i], hours.month[i], hours.weekday[i])
        assert shown == (wall.hour, wall.day, wall.month, wall.isoweekday() % 7)


def test_a_true_overlap_is_found_where_the_check_sees_none():
    schedules = (Schedule("* 9-10 1 * 1", 7), Schedule("* 8-9 2 * 2", 3), Schedule("* 20 * * *", 1))
    preset = Preset("p", 0, timezone="Europe/Berlin", schedules=schedules)
    start_at = parse_instant("2026-09-01T00:00:00+02:00")
    # Tuesday the first: 9:00 to 10:00 belongs to both.
    assert true_overlaps(preset, start_at, start_at + DAY_US) == [Overlap(0, 1, start_at + 9 * HOUR_US, HOUR_US)]
    assert true_overlaps(preset, start_at + 2 * DAY_US, start_at + 3 * DAY_US) == []


@given(span=spans(), weeks=st.integers(0, 4), seconds=st.integers(0, 7 * 86400))
def test_whole_weeks_are_those_of_the_wall_clock(span, weeks, seconds):
    """Every day's first instant is looked at; a week is whole if its Monday and the next one lie in the window."""
    end_at = span.start_at + weeks * 7 * DAY_US + seconds * SECOND_US + 1
    first = span.zone.local(span.start_at).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    days = [first + timedelta(days=i) for i in range(6 * 7)]
    mondays = [span.zone.at(day) for day in days if day.weekday() == 0]
    inside = [at for at in mondays if span.start_at <= at <= end_at]
    found = whole_weeks(span.zone, span.start_at, end_at).tolist()
    assert found == (inside if len(inside) > 1 else [])
