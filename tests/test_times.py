"""Times as people read them: each form once, in English, and never a rounding that says more than was there."""

from __future__ import annotations

import locale
from datetime import date, datetime

import pytest

from simkit import times
from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, Zone, parse_instant

MARCH = date(2026, 3, 2)


def test_a_day_is_said_in_the_forms_that_there_are():
    assert times.short_weekday(MARCH) == "Mon"
    assert times.weekday_date(MARCH) == "Mon 2026-03-02"
    assert times.long_weekday_date(MARCH) == "Monday 2026-03-02"
    assert (times.month(MARCH), times.day_month(MARCH)) == ("Mar", "2 Mar")
    assert times.weekday_date(date(900, 3, 2)).endswith(" 0900-03-02")


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 jobs"), (1, "1 job"), (2, "2 jobs"), (1001, "1,001 jobs")], ids=lambda x: str(x)
)
def test_one_of_a_kind_is_one(count, told):
    assert times.many(count, "job") == told
    assert times.plural("job", float(count)) == told.split()[1]


def test_a_noun_in_y_ends_in_ies_but_after_a_vowel():
    told = [times.many(2, noun) for noun in ("repository", "day", "delivery", "key")]
    assert told == ["2 repositories", "2 days", "2 deliveries", "2 keys"]


def test_days_are_english_where_the_machine_is_not(monkeypatch):
    known = [name for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8") if _is_known(name)]
    before = locale.setlocale(locale.LC_TIME)
    try:
        for name in known:
            locale.setlocale(locale.LC_TIME, name)
            assert f"{times.long_weekday_date(MARCH)}, {times.day_month(MARCH)}" == "Monday 2026-03-02, 2 Mar"
    finally:
        locale.setlocale(locale.LC_TIME, before)


def _is_known(name: str) -> bool:
    before = locale.setlocale(locale.LC_TIME)
    try:
        locale.setlocale(locale.LC_TIME, name)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_TIME, before)
    return True


def test_an_instant_with_its_weekday_can_be_given_back():
    zone = Zone("America/New_York")
    at = parse_instant("2026-03-02T09:00:00-05:00")
    said = times.weekday_instant(at, zone)
    assert said == "Mon 2026-03-02T09:00:00-05:00"
    assert parse_instant(said.split(" ")[1]) == at
    assert times.weekday_instant(parse_instant("2026-03-02T01:00:00Z"), zone).startswith("Sun 2026-03-01"), "local"


@pytest.mark.parametrize(
    ("name", "offset"),
    [("America/New_York", "-05:00"), ("Asia/Kathmandu", "+05:45"), ("UTC", "+00:00"), ("America/St_Johns", "-03:30")],
)
def test_an_offset_has_a_colon(name, offset):
    assert times.utc_offset(datetime(2026, 1, 5, tzinfo=Zone(name).info)) == offset


def test_a_rounded_duration_is_the_nearest_number_of_units():
    assert times.rounded(89.6 * SECOND_US, SECOND_US) == "1m30s"
    assert times.rounded(89.6 * SECOND_US, MINUTE_US) == "1m"
    assert times.rounded(0, SECOND_US) == "0s"


@pytest.mark.parametrize(
    ("seconds", "about", "in_column", "tenths"),
    [
        (0, "0s", "0s", "0s"),
        (46.46, "46s", "46.5s", "46.5s"),
        (59.96, "1m", "1m00s", "60s"),
        (65, "1m5s", "1m05s", "65s"),
        (600, "10m", "10m00s", "600s"),
        (3599.7, "1h", "60m00s", "3599.7s"),
        (3725, "1h2m", "62m05s", "3725s"),
        (90000, "1d1h", "1500m00s", "90000s"),
    ],
)
def test_seconds_are_said_in_a_sentence_in_a_column_and_against_a_bound(seconds, about, in_column, tenths):
    assert (times.about(seconds), times.in_column(seconds), times.tenths(seconds)) == (about, in_column, tenths)


def test_no_number_has_no_words():
    assert times.about(float("nan")) == ""


def test_many_hours_stay_hours():
    assert times.in_hours(2349 * HOUR_US + 30 * MINUTE_US) == "2349h30m"
    assert (times.in_hours(0), times.in_hours(HOUR_US), times.in_hours(MINUTE_US)) == ("0s", "1h", "1m")


def test_hours_are_counted_as_people_do():
    said = [times.hours_text(hours) for hours in (0, 0.25, 1, 1.04, 36.5, 168)]
    assert said == ["0 hours", "0.25 hours", "1 hour", "1 hour", "36.5 hours", "168 hours"]
