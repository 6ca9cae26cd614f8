"""Instants, durations and zones, as people write them and as arrays hold them."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenarios import Span, spans

from simkit.clock import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    UTC_ZONE,
    Zone,
    format_duration,
    format_instant,
    from_datetime,
    parse_duration,
    parse_instant,
    to_datetime,
    zone,
    zone_database_version,
    zone_names,
)

HERE = Path(__file__).parent
BERLIN = Zone("Europe/Berlin")
instants = st.integers(0, 4_000_000_000 * SECOND_US)


@given(at=instants)
def test_an_instant_survives_being_written_and_read(at):
    assert parse_instant(format_instant(at)) == at
    assert from_datetime(to_datetime(at)) == at


@given(at=instants)
def test_an_instant_survives_being_written_in_a_zone(at):
    assert parse_instant(format_instant(at, BERLIN)) == at


def test_an_instant_is_written_as_rfc_3339_says():
    at = from_datetime(datetime(2026, 3, 2, 9, tzinfo=UTC))
    assert format_instant(at) == "2026-03-02T09:00:00Z"
    assert format_instant(at, BERLIN) == "2026-03-02T10:00:00+01:00"
    assert format_instant(at + 1) == "2026-03-02T09:00:00.000001Z"


def test_an_instant_without_an_offset_is_wall_clock_time_of_the_zone_it_is_read_in():
    assert parse_instant("2026-03-02T10:00:00", BERLIN) == parse_instant("2026-03-02T09:00:00Z")
    with pytest.raises(ValueError, match='has no UTC offset; write "2026-03-02T10:00:00Z" for UTC, or "-05:00"'):
        parse_instant("2026-03-02T10:00:00")


def test_a_wall_clock_time_that_comes_twice_is_the_first_and_one_that_never_comes_is_an_hour_later():
    assert parse_instant("2026-10-25T02:30:00", BERLIN) == parse_instant("2026-10-25T02:30:00+02:00")
    assert parse_instant("2026-03-29T02:30:00", BERLIN) == parse_instant("2026-03-29T03:30:00+02:00")


def test_what_is_no_instant_is_told_what_to_write():
    with pytest.raises(ValueError, match='"next week" is not an instant; write "2026-'):
        parse_instant("next week")


@pytest.mark.parametrize("text", ["0001-01-01", "1899-12-31T23:00:00Z", "9999-12-31", "9001-01-01T00:00:00-05:00"])
def test_a_year_that_no_calendar_reaches_around_is_refused(text: str):
    with pytest.raises(ValueError, match="is out of range; write a year from 1900 to 9000"):
        parse_instant(text, BERLIN)


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("90s", 90 * SECOND_US),
        ("15m", 15 * MINUTE_US),
        ("8h", 8 * HOUR_US),
        ("7d", 7 * DAY_US),
        ("1h 30m", 90 * MINUTE_US),
        ("0s", 0),
        ("0.5s", SECOND_US // 2),
        ("250ms", SECOND_US // 4),
    ],
)
def test_a_duration_is_numbers_with_units(text, us):
    assert parse_duration(text) == us


@pytest.mark.parametrize("text", ["", "90", "1 hour", "-5m", "1h30", "m"])
def test_what_is_no_duration_is_told_what_to_write(text):
    with pytest.raises(ValueError, match='is not a duration; write "90s"'):
        parse_duration(text)


@given(us=st.integers(0, 400 * DAY_US))
def test_a_duration_survives_being_written_and_read(us):
    assert parse_duration(format_duration(us)) == us
    assert format_duration(-us) in (f"-{format_duration(us)}", "0s")


@given(span=spans())
def test_a_zones_offsets_are_those_at_every_instant(span: Span):
    from_at, offset_us = span.zone.offsets(span.start_at, span.end_at)
    assert from_at[0] == span.start_at
    for at, offset in zip(from_at.tolist(), offset_us.tolist(), strict=True):
        assert span.zone.offset_us(at) == offset
        assert at == span.start_at or span.zone.offset_us(at - 1) != offset
    assert span.zone.offset_us(span.end_at - 1) == offset_us[-1]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("UTC", []),
        ("Europe/Berlin", ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"]),
        ("Australia/Lord_Howe", ["2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z"]),
        ("Asia/Kathmandu", []),
    ],
)
def test_the_changes_of_a_year_are_found_to_the_microsecond(name, changes):
    from_at, _ = Zone(name).offsets(parse_instant("2026-01-01T00:00:00Z"), parse_instant("2027-01-01T00:00:00Z"))
    assert [format_instant(at) for at in from_at[1:].tolist()] == changes


def test_a_zone_is_known_by_its_exact_name_and_go_reads_none_as_utc():
    assert zone("Europe/Berlin") == BERLIN
    assert zone("europe/berlin") is zone("Mars/Olympus") is zone("Local") is None
    assert zone("") is zone("UTC") is UTC_ZONE
    assert "America/New_York" in zone_names()
    assert zone_database_version()[:2] == "20"


def test_zone_files_of_a_directory_come_first(monkeypatch):
    at = parse_instant("2026-12-15T12:00:00Z")
    monkeypatch.delenv("SIMKIT_ZONEINFO", raising=False)
    ours = zone("Africa/Casablanca")
    monkeypatch.setenv("SIMKIT_ZONEINFO", str(HERE / "conformance" / "zoneinfo"))
    theirs = zone("Africa/Casablanca")
    assert ours is not None
    assert theirs is not None
    assert ours != theirs, "what is cached for one is not used for the other"
    assert theirs.offset_us(at) == HOUR_US
    assert zone("Europe/Berlin") == BERLIN, "a zone the directory does not have is tzdata's"


def test_a_zone_goes_to_another_process_by_its_name():
    """A zone that was used holds rules that were read from a file, which cannot be sent."""
    used = Zone("Europe/Berlin")
    assert used.offset_us(0)
    sent = pickle.loads(pickle.dumps(used))
    assert sent == used
    assert sent.offset_us(0) == used.offset_us(0)
