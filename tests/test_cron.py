"""Cron text as Coder reads it, at its edges; croniter agrees wherever the two mean the same."""

from __future__ import annotations

from datetime import datetime

import pytest
from croniter import croniter
from hypothesis import assume, given
from hypothesis import strategies as st
from scenarios import Field, fields

from simkit.clock import HOUR_US, MINUTE_US, NEVER, WEEK_US, parse_instant, to_datetime
from simkit.cron import (
    CronError,
    daily,
    daily_time,
    first_detected_overlap,
    night_of,
    parse,
    provider_cron,
    time_range,
    weekly,
)


def values(bits: int) -> list[int]:
    return [value for value in range(60) if bits >> value & 1]


@pytest.mark.parametrize(
    ("hours", "meant"),
    [
        ("9", [9]),
        ("8-10", [8, 9, 10]),
        ("8,10", [8, 10]),
        ("8-12/2", [8, 10, 12]),
        ("20/2", [20, 22]),
        ("*/8", [0, 8, 16]),
        ("?", list(range(24))),
        ("1-2,22-23", [1, 2, 22, 23]),
    ],
)
def test_a_field_is_a_list_of_numbers_ranges_and_steps(hours, meant):
    assert values(parse(f"* {hours} * * *").hours) == meant


def test_months_and_days_of_the_week_have_names_in_any_case():
    cron = parse("* * * jan-MAR Mon,FRI")
    assert values(cron.months) == [1, 2, 3]
    assert values(cron.weekdays) == [1, 5]


@pytest.mark.parametrize(
    ("days", "weekdays", "both"),
    [("*", "1", True), ("1", "*", True), ("?", "1", True), ("*/1", "1", True), ("*/2", "1", False), ("1", "1", False)],
)
def test_a_star_in_a_day_field_asks_for_both(days, weekdays, both):
    assert parse(f"* * {days} * {weekdays}").both_days is both


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "the cron is empty; write five fields"),
        ("* * * *", "has 4 fields, expected 5"),
        ("CRON_TZ=UTC", "has a zone and nothing else"),
        ("CRON_TZ=Mars/Olympus * * * * *", '"Mars/Olympus" is not a time zone'),
        ("@daily", "is a descriptor, which Coder does not read"),
        ("* 24 * * *", "24 is no hour; write 0 to 23"),
        ("* * * * 7", "7 is no day of week; write 0 to 6, Sunday is 0"),
        ("* * 0 * *", "0 is no day of month; write 1 to 31"),
        ("* 18-8 * * *", 'runs backwards; write "18-23,0-8"'),
        ("* 21-6/2 * * *", 'runs backwards; write "21-23/2,1-6/2"'),
        ("* 23-0 * * *", 'runs backwards; write "23,0"'),
        ("* 22-23/2,20-6/7 * * *", 'runs backwards; write "20-23/7,3-6/7"'),
        ("0 22-6 * * 1-5", 'runs backwards; write "22-23,0-6"'),
        ("* 8/0 * * *", "steps by 0"),
        ("* 8/1/2 * * *", 'more than one "/"'),
        ("* 1-2-3 * * *", 'more than one "-"'),
        ("* * * * L", '"L" is not a number or a name such as MON'),
        ("* -1 * * *", '"" is not a number'),
    ],
)
def test_a_refusal_says_what_was_seen(spec, said):
    with pytest.raises(CronError) as refused:
        parse(spec)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("spec", "crons", "covers"),
    [
        (
            "* 22-6 * * 1-5",
            ("* 22-23 * * 1-5", "* 0-6 * * 2-6"),
            "not the morning of Saturday, and also that of Monday",
        ),
        (
            "* 23-5 * * MON-THU",
            ("* 23 * * MON-THU", "* 0-5 * * 2-5"),
            "not the morning of Friday, and also that of Monday",
        ),
        ("* 20-0 * * 6", ("* 20-23 * * 6", "* 0 * * 0"), "not the morning of Sunday, and also that of Saturday"),
        ("* 18-8 * * 5,0", ("* 18-23 * * 5,0", "* 0-8 * * 1,6"), "not the morning of Monday and Saturday"),
    ],
)
def test_a_night_on_some_days_is_two_schedules(spec, crons, covers):
    with pytest.raises(CronError, match="runs backwards, and a night is on two days") as refused:
        parse(spec)
    assert 'write two schedules, "{}" and "{}"'.format(*crons) in str(refused.value)
    assert covers in str(refused.value)
    _, hours, *_, days = spec.split()
    first, last = hours.split("-")
    together = time_range(f"* {first}-23,0-{last} * * {days}")
    assert night_of(together).crons == crons


def test_what_holds_every_day_or_by_the_date_is_no_night_to_mistake():
    for text in (
        "* 22-23,0-6 * * *",
        "* 22-23,0-6 1 * *",
        "* 22-23,0-6 * 3 1-5",
        "* 0-6,12,22-23 * * 1-5",
        "* * * * 1",
    ):
        assert night_of(time_range(text)) is None


def test_each_kind_of_schedule_has_its_own_fields():
    assert weekly("30 9 * * 1-5").string == "CRON_TZ=UTC 30 9 * * 1-5"
    assert daily("CRON_TZ=US/Central 0 0 * * *").string == "CRON_TZ=US/Central 0 0 * * *"
    assert time_range("* 9-18 * * 1-5").zone is not None
    for kind, spec in ((weekly, "30 9 1 * *"), (daily, "0 0 * * 1"), (time_range, "30 9 * * *")):
        with pytest.raises(CronError, match='must be "\\*"'):
            kind(spec)
    with pytest.raises(CronError, match="which Coder refuses here; write an IANA name"):
        weekly("CRON_TZ=Local 30 9 * * 1-5")


def test_a_schedule_block_carries_no_zone_and_no_minutes():
    assert provider_cron("* 8-18 * * 1-5").hours == parse("* 8-18 * * *").hours
    with pytest.raises(CronError, match="carries no time zone; write it as timezone"):
        provider_cron("CRON_TZ=UTC * 8-18 * * 1-5")
    with pytest.raises(CronError, match=r'minutes must be "\*", got "30".*write "\* 9-12 \* \* 6"'):
        provider_cron("30 9-12 * * 6")


def test_a_schedule_is_shown_as_coder_shows_it():
    assert weekly("CRON_TZ=US/Central 30 9 * * 1-5").humanize == "9:30AM Mon-Fri (US/Central)"
    assert daily("0 0 * * *").humanize == "12:00AM daily (UTC)"
    assert time_range("* 9-18 * * 0").humanize == "cron(* 9-18) Sun (UTC)"


def test_the_shortest_time_between_occurrences_is_coders():
    assert weekly("30 9 * * 1-5").min_us() == 24 * HOUR_US
    assert weekly("30 9 * * 1").min_us() == WEEK_US
    assert weekly("*/20 9 * * 1").min_us() == 20 * MINUTE_US
    assert parse("0 0 31 2 *").min_us() is None


@pytest.mark.parametrize(
    ("specs", "overlap"),
    [
        (["* 9-12 * * 1-5", "* 13-18 * * 1-5"], None),
        (["* 9-12 * * 1-5", "* 12-18 * * 1-5"], (0, 1)),
        (["* 9-12 * * 1-3", "* 9-12 * * 4-5"], None),
        (["* 9 * 1 *", "* 9 * 2 *"], None),
        (["* 9 1 * *", "* 9 * * 1"], (0, 1)),
        (["* 9 1 * 1", "* 9 2 * 2"], None),  # missed: the second of a month may be a Monday
        (["* 1 * * *", "* 2 * * *", "* 2-3 * * *"], (1, 2)),
        (["* MON * * x"], None),  # a single schedule is not looked at
    ],
)
def test_the_overlap_check_is_coders_with_its_gaps(specs, overlap):
    assert first_detected_overlap(specs) == overlap


def test_the_overlap_check_reads_neither_names_nor_steps():
    for cron in ("* 9 * * MON", "* 9/2 * * *"):
        with pytest.raises(CronError, match="neither a number, a range a-b, a list nor"):
            first_detected_overlap([cron, "* 9 * * *"])


def means_the_same(field: Field) -> bool:
    """croniter takes a range from a number to itself, such as 5-5, for all values."""
    first, _, last = field.text.partition("-")
    return first != last


@given(
    minute=fields(0, 59),
    hour=fields(0, 23),
    day=fields(1, 31),
    month=fields(1, 12),
    weekday=fields(0, 6),
    start=st.integers(0, 2**31),
)
def test_croniter_finds_the_same_occurrences_in_utc(minute, hour, day, month, weekday, start):
    # The two also differ in `*/1` (a star to Coder), in 7 for Sunday, in L, W and #, and where clocks jump.
    every = (minute, hour, day, month, weekday)
    assume(all(means_the_same(field) for field in every))
    spec = " ".join(field.text for field in every)
    cron, at = parse(f"CRON_TZ=UTC {spec}"), start * 1_000_000
    theirs = croniter(spec, to_datetime(at))
    for _ in range(4):
        at = cron.next_after(at)
        if at == NEVER:
            return  # ours looks five years ahead, croniter fifty
        assert to_datetime(at) == theirs.get_next(datetime)


@pytest.mark.parametrize(
    ("spec", "ours", "theirs"),
    [
        ("0 0 * * 5-5", "2026-03-06T00:00:00Z", "2026-03-03T00:00:00Z"),
        ("0 0 9 * */1", "2026-03-09T00:00:00Z", "2026-03-03T00:00:00Z"),
    ],
)
def test_croniter_differs_in_a_range_of_one_and_in_what_is_a_star(spec, ours, theirs):
    monday = parse_instant("2026-03-02T00:00:00Z")
    assert parse(f"CRON_TZ=UTC {spec}").next_after(monday) == parse_instant(ours)
    assert croniter(spec, to_datetime(monday)).get_next(datetime) == to_datetime(parse_instant(theirs))


@pytest.mark.parametrize(
    "spec", ["0 0,12 * * *", "*/15 2 * * *", "0 * * * *", "0 1-3 * * *", "CRON_TZ=UTC 0,30 2 * * *"]
)
def test_quiet_hours_begin_once_a_day(spec):
    daily(spec)
    with pytest.raises(CronError, match="has more than one time a day"):
        daily_time(spec)


@pytest.mark.parametrize("spec", ["0 0 * * *", "CRON_TZ=Europe/Berlin 07 02 * * *"])
def test_one_time_a_day_is_one_minute_and_one_hour(spec):
    assert daily_time(spec) == daily(spec)
