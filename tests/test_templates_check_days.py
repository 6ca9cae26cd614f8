"""Days and times of an expectation are the minutes of the wall clock that they name, in every zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simkit.clock import MINUTE_US, UTC_ZONE, Zone, format_instant, parse_instant, zone
from simkit.coder_versions import BEHAVIOURS
from simkit.cron import provider_cron
from simkit.errors import NOWHERE
from simkit.model import Preset, Schedule
from simkit.templates.check.days import parse_every, parse_over
from simkit.templates.check.run import bad_spans
from simkit.templates.check.types import Bound, DesiredExpectation
from simkit.timeline import BASE, schedule_steps

ZONES = sorted(name for name in available_timezones() if zone(name) is not None)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def spans(text: str, zone_name: str, start: str, end: str) -> list[tuple[str, str]]:
    """As text, from local `start` to `end`."""
    in_zone = known(zone_name)
    start_at, end_at = (in_zone.at(datetime.fromisoformat(at)) for at in (start, end))
    found = parse_every(text).spans(in_zone, start_at, end_at).tolist()
    return [(format_instant(a, in_zone), format_instant(b, in_zone)) for a, b in found]


def known(name: str) -> Zone:
    found = zone(name)
    assert found is not None
    return found


def test_weekdays_begin_on_monday_and_end_on_friday():
    assert spans("weekday 08:00-18:00", "UTC", "2026-03-06", "2026-03-10") == [
        ("2026-03-06T08:00:00Z", "2026-03-06T18:00:00Z"),
        ("2026-03-09T08:00:00Z", "2026-03-09T18:00:00Z"),
    ]


def test_a_span_past_midnight_belongs_to_the_day_on_which_it_begins():
    assert spans("sun 22:00-06:00", "UTC", "2026-03-01", "2026-03-08") == [
        ("2026-03-01T22:00:00Z", "2026-03-02T06:00:00Z")
    ]
    assert spans("sun 22:00-06:00", "UTC", "2026-03-02", "2026-03-03") == [
        ("2026-03-02T00:00:00Z", "2026-03-02T06:00:00Z")
    ]


def test_days_that_touch_are_one_span():
    assert spans("weekend 00:00-24:00", "UTC", "2026-03-06", "2026-03-10") == [
        ("2026-03-07T00:00:00Z", "2026-03-09T00:00:00Z")
    ]


def test_a_skipped_hour_does_not_count_and_a_repeated_one_counts_twice():
    assert spans("daily 01:30-03:30", "America/New_York", "2026-03-08", "2026-03-09") == [
        ("2026-03-08T01:30:00-05:00", "2026-03-08T03:30:00-04:00")  # an hour
    ]
    assert spans("daily 01:30-02:00", "America/New_York", "2026-11-01", "2026-11-02") == [
        ("2026-11-01T01:30:00-04:00", "2026-11-01T01:00:00-05:00"),
        ("2026-11-01T01:30:00-05:00", "2026-11-01T02:00:00-05:00"),
    ]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("daily 08:00-09:00", DAYS),
        ("mon-thu,sat 08:00-09:00", ("mon", "tue", "wed", "thu", "sat")),
        ("fri-mon 08:00-09:00", ("mon", "fri", "sat", "sun")),
        ("Sun, weekday 8:00-9:00", ("mon", "tue", "wed", "thu", "fri", "sun")),
    ],
)
def test_days_are_words_lists_and_ranges(text, days):
    assert parse_every(text).days == sum(1 << DAYS.index(day) for day in days)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("weekday 8-18", 'write days and times such as "weekday 08:00-18:00"'),
        ("08:00-18:00", "write days and times"),
        ("weekdy 08:00-18:00", '"weekdy" is no day; write "weekday"'),
        ("mon-wed-fri 08:00-18:00", 'more than one "-"'),
        ("mon 08:00-25:00", "write times from 00:00 to 24:00"),
        ("mon 08:60-09:00", "write times from 00:00 to 24:00"),
        ("mon 24:00-09:00", "write times from 00:00 to 24:00"),
        ("mon 08:00-08:00", 'write "00:00-24:00" for the whole day'),
    ],
)
def test_other_text_is_refused_with_what_to_write(text, said):
    with pytest.raises(ValueError, match=r".") as refused:
        parse_every(text)
    assert said in str(refused.value)


def test_over_is_a_year_or_a_month_by_the_wall_clock():
    berlin = known("Europe/Berlin")
    assert [format_instant(at, berlin) for at in parse_over("2026", berlin)] == [
        "2026-01-01T00:00:00+01:00",
        "2027-01-01T00:00:00+01:00",
    ]
    assert [format_instant(at, berlin) for at in parse_over("2026-03", berlin)] == [
        "2026-03-01T00:00:00+01:00",
        "2026-04-01T00:00:00+02:00",
    ]
    assert parse_over("2026-12", UTC_ZONE)[1] == parse_over("2026", UTC_ZONE)[1]
    for wrong in ("2026-13", "26", "March", "0000"):
        with pytest.raises(ValueError, match="neither a year nor a month"):
            parse_over(wrong, UTC_ZONE)


def field(draw, lowest: int, highest: int) -> str:
    """A cron field of plain numbers, as the overlap check reads them too."""
    if draw(st.booleans()):
        return "*"
    items = []
    for _ in range(draw(st.integers(1, 2))):
        first = draw(st.integers(lowest, highest))
        last = draw(st.integers(first, highest))
        items.append(f"{first}-{last}" if last > first else str(first))
    return ",".join(items)


@st.composite
def presets(draw) -> Preset:
    schedules = tuple(
        Schedule(f"* {field(draw, 0, 23)} {field(draw, 1, 31)} * {field(draw, 0, 6)}", draw(st.integers(0, 3)))
        for _ in range(draw(st.integers(1, 3)))
    )
    return Preset("p", draw(st.integers(0, 3)), timezone=draw(st.sampled_from(ZONES)), schedules=schedules)


@st.composite
def everies(draw) -> str:
    days = draw(st.sampled_from(["daily", "weekday", "weekend", "fri-mon", "tue,thu", "sun"]))
    times = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
    begin = draw(times)
    return f"{days} {begin}-{draw(times.filter(lambda end: end != begin))}"


@st.composite
def windows(draw, of: Zone) -> tuple[int, int]:
    """Two days, most often around a change of the zone's clocks."""
    year = draw(st.integers(2005, 2037))
    year_at = parse_over(str(year), UTC_ZONE)[0]
    changes = of.offsets(year_at, year_at + 366 * 1440 * MINUTE_US)[0].tolist()[1:]
    anywhere = year_at + draw(st.integers(0, 363 * 1440)) * MINUTE_US
    begin = draw(st.sampled_from([*changes, anywhere])) // MINUTE_US * MINUTE_US - 1440 * MINUTE_US
    begin += draw(st.integers(0, 1440)) * MINUTE_US
    return begin, begin + 2 * 1440 * MINUTE_US


def decides(preset: Preset, local: datetime) -> int:
    """The schedule that a person would find for this minute of the wall clock."""
    for i, schedule in enumerate(preset.schedules_in_force):
        cron = provider_cron(schedule.cron)
        weekday = cron.weekdays >> (local.isoweekday() % 7) & 1
        day = cron.days >> local.day & 1
        if cron.hours >> local.hour & 1 and (weekday and day if cron.both_days else weekday or day):
            return i
    return BASE


def is_within(every: str, local: datetime) -> bool:
    """Is this minute of the wall clock one that the text names?"""
    days_text, times = every.split(" ")
    sets = {"daily": DAYS, "weekday": DAYS[:5], "weekend": DAYS[5:], "fri-mon": ("fri", "sat", "sun", "mon")}
    days = sets.get(days_text, tuple(days_text.split(",")))
    now, (begin, end) = f"{local.hour:02}:{local.minute:02}", times.split("-")
    today, yesterday = (DAYS[(local.date() - timedelta(days=back)).weekday()] for back in (0, 1))
    if begin < end:
        return today in days and begin <= now < end
    return (today in days and begin <= now) or (yesterday in days and now < end)


@settings(max_examples=12, deadline=None)
@given(st.data(), presets(), everies(), st.sampled_from(ZONES), st.sampled_from(sorted(BEHAVIOURS)))
def test_the_spans_reported_are_those_of_a_minute_by_minute_evaluation(data, preset, every, zone_name, version):
    test_zone, behaviour = known(zone_name), BEHAVIOURS[version]
    start_at, end_at = data.draw(windows(preset.zone))
    bound = Bound(at_least=data.draw(st.integers(0, 3)))
    wanted = parse_every(every).spans(test_zone, start_at, end_at)
    expected = DesiredExpectation(bound, tuple((a, b) for a, b in wanted.tolist()), "", NOWHERE)
    found: dict[int, int] = {}
    if expected.spans:
        steps = schedule_steps(preset, behaviour, expected.spans[0][0], expected.spans[-1][1])
        bad = bad_spans(preset, steps, expected)
        assert [span.from_at for span in bad] == sorted({span.from_at for span in bad})
        for span in bad:
            assert (span.until_at - span.from_at) % MINUTE_US == 0
            found |= dict.fromkeys(range(span.from_at, span.until_at, MINUTE_US), span.schedule)
    by_minute = {}
    counts = [*(s.instances for s in preset.schedules_in_force), preset.instances]
    for at in range(start_at, end_at, MINUTE_US):
        if is_within(every, test_zone.local(at)):
            i = decides(preset, preset.zone.local(at + behaviour.range_early_us))
            if counts[i] < bound.at_least:
                by_minute[at] = i
    assert found == by_minute


def test_in_every_zone_the_spans_around_each_change_of_the_clocks_are_those_of_the_minutes():
    year_at, year_end = parse_over("2026", UTC_ZONE)
    preset = Preset("p", 0, schedules=(Schedule("* 0-2,23 * * *", 1),))
    every, compared = "daily 00:30-02:30", 0
    for name in ZONES:
        of, placed = known(name), replace(preset, timezone=name)
        for change_at in of.offsets(year_at, year_end)[0].tolist()[1:]:
            start_at, end_at = change_at - 150 * MINUTE_US, change_at + 150 * MINUTE_US
            wanted = parse_every(every).spans(of, start_at, end_at)
            expected = DesiredExpectation(Bound(exactly=0), tuple((a, b) for a, b in wanted.tolist()), "", NOWHERE)
            steps = schedule_steps(placed, BEHAVIOURS["v2.35"], start_at, end_at)
            found = bad_spans(placed, steps, expected) if expected.spans else ()
            minutes = range(start_at, end_at, MINUTE_US)
            assert {at for span in found for at in range(span.from_at, span.until_at, MINUTE_US)} == {
                at for at in minutes if is_within(every, of.local(at)) and of.local(at).hour in (0, 1, 2, 23)
            }, name
            compared += 1
    assert len(ZONES) > 590
    assert compared > 200


@pytest.mark.parametrize(
    ("name", "year", "month", "day"),
    [
        ("Pacific/Apia", 2011, 12, 29),  # a day that was left out
        ("America/Havana", 2026, 3, 7),  # a midnight that was left out
        ("Australia/Lord_Howe", 2026, 4, 4),  # half an hour that comes twice
        ("America/Asuncion", 2010, 4, 10),  # a midnight that comes twice
        ("Africa/Casablanca", 2026, 2, 14),
    ],
)
@pytest.mark.parametrize("every", ["daily 00:00-01:00", "thu-sat 22:00-06:00", "sun 00:30-24:00"])
def test_where_clocks_do_strange_things_the_minutes_are_still_those_of_the_wall_clock(name, year, month, day, every):
    of = known(name)
    start_at = parse_instant(f"{year}-{month:02d}-{day:02d}", UTC_ZONE)
    end_at = start_at + 3 * 1440 * MINUTE_US
    by_span = {
        at
        for since, until in parse_every(every).spans(of, start_at, end_at).tolist()
        for at in range(since, until, MINUTE_US)
    }
    words = every.replace("thu-sat", "thu,fri,sat")
    assert by_span == {at for at in range(start_at, end_at, MINUTE_US) if is_within(words, of.local(at))}
