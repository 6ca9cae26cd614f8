"""Calendar arithmetic against Python's own, and a cron's next occurrence where clocks jump."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simkit.clock import HOUR_US, NEVER, SECOND_US, Zone, parse_instant
from simkit.core.calendar import date_of, day_number, instant_of, local_us, weekday_of
from simkit.cron import parse

EPOCH = date(1970, 1, 1)


@given(day=st.dates(date(1900, 1, 1), date(2400, 1, 1)))
def test_dates_and_day_numbers_are_pythons(day):
    number = (day - EPOCH).days
    assert date_of(number) == (day.year, day.month, day.day)
    assert day_number(day.year, day.month, day.day) == number
    assert weekday_of(number) == day.isoweekday() % 7


def test_a_day_past_the_end_of_a_month_runs_on_into_the_next():
    assert day_number(2026, 2, 30) == (date(2026, 3, 2) - EPOCH).days


def offsets(name: str) -> tuple[np.ndarray, np.ndarray]:
    return Zone(name).offsets(parse_instant("2026-01-01T00:00:00Z"), parse_instant("2033-01-01T00:00:00Z"))


@given(hour=st.integers(0, 6 * 365 * 24), name=st.sampled_from(("America/New_York", "Australia/Lord_Howe", "UTC")))
def test_an_instants_wall_clock_leads_back_to_it_or_to_its_twin(hour, name):
    arrays = offsets(name)
    at = parse_instant("2026-01-02T00:00:00Z") + hour * HOUR_US
    wall = local_us(at, *arrays)
    assert wall == at + Zone(name).offset_us(at)
    assert local_us(instant_of(wall, *arrays), *arrays) == wall


@pytest.mark.parametrize(
    ("name", "wall", "lands"),
    [
        ("America/Havana", "2026-03-08T00:00:00Z", "2026-03-07T23:00:00-05:00"),  # west: before the gap
        ("Africa/Cairo", "2026-04-24T00:00:00Z", "2026-04-24T01:00:00+03:00"),  # east: after it
    ],
)
def test_a_midnight_that_does_not_exist_lands_where_gos_does(name, wall, lands):
    assert instant_of(parse_instant(wall), *offsets(name)) == parse_instant(lands)


@pytest.mark.parametrize(
    ("spec", "after", "found"),
    [
        ("CRON_TZ=UTC 30 9 * * *", "2026-03-02T09:29:59Z", "2026-03-02T09:30:00Z"),
        ("CRON_TZ=UTC 30 9 * * *", "2026-03-02T09:30:00Z", "2026-03-03T09:30:00Z"),  # strictly after
        ("CRON_TZ=UTC 0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("CRON_TZ=UTC 0 0 1 1 *", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
        ("CRON_TZ=America/New_York 30 2 * * *", "2026-03-07T12:00:00Z", "2026-03-09T02:30:00-04:00"),  # skipped
        ("CRON_TZ=America/New_York 30 1 * * *", "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"),  # twice
    ],
)
def test_the_next_occurrence_of_a_cron(spec, after, found):
    assert parse(spec).next_after(parse_instant(after)) == parse_instant(found)


def test_the_search_goes_on_where_a_whole_day_is_left_out():
    # Apia had no 30 December in 2011. Go's own search never comes back from there.
    cron = parse("CRON_TZ=Pacific/Apia * 0,20 24,31 * *")
    assert cron.next_after(parse_instant("2011-12-28T17:56:59-10:00")) == parse_instant("2011-12-31T00:00:00+14:00")


def test_a_cron_that_never_occurs_has_no_next():
    assert parse("CRON_TZ=UTC 0 0 31 2 *").next_after(0) == NEVER


@given(second=st.integers(0, 2**31))
def test_an_hourly_cron_in_utc_occurs_at_every_full_hour(second):
    at = second * SECOND_US
    hourly = parse("CRON_TZ=UTC 0 * * * *")
    assert hourly.next_after(at) == at // HOUR_US * HOUR_US + HOUR_US
