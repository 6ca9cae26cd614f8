"""A cron range is explained in words, as a week, by its changes, and by who reads it differently."""

import subprocess
import sys

import pytest

from simkit.clock import HOUR_US, MINUTE_US, format_instant, parse_instant, zone
from simkit.cron import provider_cron
from simkit.errors import InputError
from simkit.templates.explainer import YEAR_US, describe, explain, hours_per_week
from simkit.timeline import range_steps

AT = "2025-11-24T00:00:00Z"


def held_us(steps):
    return sum(until - since for since, until, value in steps.spans() if value)


def effects(cron, timezone, at=AT):
    """Date and effect of each clock change, as the text has them."""
    section = explain(cron, timezone=timezone, at=at).text.split("Clock changes in the coming year\n")[1]
    return " ".join(section.split("\n\n")[0].split())


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("* 8-18 * * 1-5", "Monday to Friday, 08:00 to 18:59"),
        ("* 8-18 * * MON-FRI", "Monday to Friday, 08:00 to 18:59"),
        ("* * * * *", "every day, all day"),
        ("* 9 * * 0,6", "Saturday and Sunday, 09:00 to 09:59"),
        ("* 9 * * 0,2,4-6", "Tuesday and Thursday to Sunday, 09:00 to 09:59"),
        ("* 22-23,0-5 * * *", "every day, 22:00 to 05:59"),
        ("* 22-23,0-5 * * 1-5", "Monday to Friday, 00:00 to 05:59 and 22:00 to 23:59"),
        ("* 8,12,18 * * *", "every day, 08:00 to 08:59, 12:00 to 12:59 and 18:00 to 18:59"),
        ("* */2 * * *", "every day, every 2nd hour from 00:00 to 22:59"),
        ("* 9 1 * *", "day 1 of the month, 09:00 to 09:59"),
        ("* 9 1-7,15 3-5 *", "days 1 to 7 and 15 of March to May, 09:00 to 09:59"),
        ("* 9 * 12 1", "Monday in December, 09:00 to 09:59"),
        ("* 9 * 6,7 *", "every day in June and July, 09:00 to 09:59"),
        ("* 9 1 * 1", "day 1 of the month or Monday (either is enough), 09:00 to 09:59"),
        ("* 9 */2 * 1", "every 2nd day from 1 to 31 of the month or Monday (either is enough), 09:00 to 09:59"),
        ("* 9 */1 * 1", "Monday, 09:00 to 09:59"),
        ("* 9 ? * 1", "Monday, 09:00 to 09:59"),
        ("* 9 1-31 * 1", "every day, 09:00 to 09:59"),
        ("* 9 1 * 0-6", "every day, 09:00 to 09:59"),
    ],
)
def test_a_range_is_said_in_words(cron, words):
    assert describe(provider_cron(cron)) == words


def test_a_night_says_which_mornings_it_has():
    said = " ".join(explain("* 22-23,0-6 * * 1-5", timezone="Europe/Berlin", at=AT).text.split())
    assert (
        "Mind the nights: it covers the mornings and the evenings of Monday to Friday: not the morning of Saturday, "
        'and also that of Monday. For the nights that begin on Monday to Friday write two schedules, "* 22-23 * * 1-5" '
        'and "* 0-6 * * 2-6".'
    ) in said
    assert "Mind the nights" not in explain("* 22-23,0-6 * * *", timezone="Europe/Berlin", at=AT).text


def test_the_text_answers_a_planner_whole():
    assert (
        explain("* 8-18 * * 1-5", timezone="America/New_York", at=AT).text
        == """\
* 8-18 * * 1-5   in America/New_York, as Coder v2.35 reads it

Holds Monday to Friday, 08:00 to 18:59: 55 hours a week.

Every week ("#" holds, "." does not):
     00  02  04  06  08  10  12  14  16  18  20  22
Mon   . . . . . . . . # # # # # # # # # # # . . . . .
Tue   . . . . . . . . # # # # # # # # # # # . . . . .
Wed   . . . . . . . . # # # # # # # # # # # . . . . .
Thu   . . . . . . . . # # # # # # # # # # # . . . . .
Fri   . . . . . . . . # # # # # # # # # # # . . . . .
Sat   . . . . . . . . . . . . . . . . . . . . . . . .
Sun   . . . . . . . . . . . . . . . . . . . . . . . .

At Sun 2025-11-23T19:00:00-05:00 it does not hold. Next it
  begins  Mon 2025-11-24T08:00:00-05:00
  ends    Mon 2025-11-24T19:00:00-05:00
  begins  Tue 2025-11-25T08:00:00-05:00
  ends    Tue 2025-11-25T19:00:00-05:00
  begins  Wed 2025-11-26T08:00:00-05:00
  ends    Wed 2025-11-26T19:00:00-05:00

Clock changes in the coming year
  Sun 2026-03-08 02:00 -> 03:00  no effect
  Sun 2026-11-01 02:00 -> 01:00  no effect

Who reads it how
  Coder +early-ranges   one minute early, next Mon 07:59:00 to 18:58:59
  Coder, every release  as here
  Terraform provider    accepts it
  standard cron         the same days
  croniter              the same days"""
    )


def test_where_the_date_counts_the_grid_shows_the_dates_from_the_next_begin_on():
    said = explain("* 9 1 * 1", timezone="America/New_York", at="2025-11-25T12:00:00")
    assert not said.repeats_weekly
    assert [day for day, hours in said.week if any(hours)] == ["Mon 2025-12-01"]
    assert said.week[0] == ("Mon 2025-12-01", tuple(hour == 9 for hour in range(24)))
    assert "Seven days from Mon 2025-12-01, as the date counts" in said.text
    assert "1.2 hours a week, the mean of the coming year" in " ".join(said.text.split())


def test_a_time_without_an_offset_is_read_in_the_timezone():
    said = explain("* 9 * * *", timezone="Asia/Kolkata", at="2026-03-02T09:30:00")
    assert said.at == parse_instant("2026-03-02T04:00:00Z")
    assert said.holds
    assert said == explain("* 9 * * *", timezone="Asia/Kolkata", at=said.at)


@pytest.mark.parametrize(
    ("cron", "timezone", "expected"),
    [
        (
            "* 0 * * *",
            "America/Havana",
            "Sun 2026-03-08 00:00 -> 01:00 does not hold at all that day: 00:00 to 01:00 is skipped",
        ),
        (
            "* 0 * * *",
            "Africa/Cairo",
            "Fri 2026-04-24 00:00 -> 01:00 does not hold at all that day: 00:00 to 01:00 is skipped "
            "Fri 2026-10-30 00:00 -> 23:00 no effect",
        ),
        (
            "* 1-2 * * 0",
            "Europe/London",
            "Sun 2026-03-29 01:00 -> 02:00 holds 1h less: 01:00 to 02:00 is skipped "
            "Sun 2026-10-25 02:00 -> 01:00 holds 1h more: 01:00 to 02:00 comes twice",
        ),
        (
            "* 1-2 * * 0",
            "Australia/Lord_Howe",
            "Sun 2026-04-05 02:00 -> 01:30 holds 30m more: 01:30 to 02:00 comes twice "
            "Sun 2026-10-04 02:00 -> 02:30 holds 30m less: 02:00 to 02:30 is skipped",
        ),
    ],
)
def test_it_says_what_daylight_saving_does(cron, timezone, expected):
    assert effects(cron, timezone).startswith(expected)


@pytest.mark.parametrize("timezone", ["America/Havana", "Africa/Cairo", "Europe/London", "Australia/Lord_Howe"])
@pytest.mark.parametrize("cron", ["* 0 * * *", "* 1-2 * * 0", "* 23,0-1 * * *", "* 2 */2 * 0", "* * * * *"])
def test_clock_changes_account_for_all_that_the_wall_clock_does_not(cron, timezone):
    at, in_zone, range_ = parse_instant(AT), zone(timezone), provider_cron(cron)
    end_at = at + YEAR_US
    by_wall = range_steps(range_, zone("UTC"), at + in_zone.offset_us(at), end_at + in_zone.offset_us(end_at))
    extra_us = sum(change.extra_us for change in explain(cron, timezone=timezone, at=at).clock_changes)
    assert held_us(range_steps(range_, in_zone, at, end_at)) == held_us(by_wall) + extra_us


def test_a_zone_without_clock_changes_says_so():
    assert (
        "No clock changes in America/Phoenix in the coming year."
        in explain("* 2 * * *", timezone="America/Phoenix", at=AT).text
    )


def test_early_ranges_begin_and_end_a_minute_early():
    said = explain("* 0 * * *", timezone="Europe/Berlin", at=AT, coder="v2.24+early-ranges")
    assert [format_instant(c.at, said.zone) for c in said.changes[:2]] == [
        "2025-11-24T23:59:00+01:00",
        "2025-11-25T00:59:00+01:00",
    ]
    assert "00:00 to 00:59, but one minute early" in said.text
    assert dict(said.readers)["Coder +early-ranges"] == "as here"
    assert dict(said.readers)["Coder, every release"] == "one minute later, next Tue 00:00:00 to 00:59:59"
    after = dict(explain("* 0 * * *", timezone="Europe/Berlin", at=AT).readers)
    assert after["Coder +early-ranges"] == "one minute early, next Mon 23:59:00 to Tue 00:58:59"


def test_a_range_that_always_holds_has_no_changes():
    said = explain("* * * * *", at=AT)
    assert said.holds
    assert not said.changes
    assert "it holds, and goes on." in said.text
    assert dict(said.readers)["Coder +early-ranges"] == "no difference"


def test_a_range_that_never_holds_says_so_and_a_leap_day_is_found():
    assert 'Never holds ("day 30 of February, all day"): no such time exists.' in explain("* * 30 2 *", at=AT).text
    leap = explain("* 9 29 2 *", at=AT)
    assert not leap.never_holds
    assert leap.week[0][0] == "Tue 2028-02-29"


def test_it_says_who_reads_the_day_fields_differently():
    readers = dict(explain("* 9-17 */2 * 1", at="2026-01-01T00:00:00Z").readers)
    # 366 days from Thursday 2026-01-01 on: 52 Mondays; the odd days are 187, and 26 of them are Mondays.
    assert readers["standard cron"].startswith("26 days of the coming year, where Coder has 213")
    assert readers["croniter"] == "the same days"
    assert readers["Terraform provider"].startswith(
        'accepts it alone, refuses it beside another schedule: day of month "*/2"'
    )
    readers = dict(explain("* 9 1 * */1", at=AT).readers)
    assert readers["standard cron"] == "the same days"
    assert readers["croniter"] == "366 days of the coming year, where Coder has 12"
    assert dict(explain("* 9 ? * 1", at=AT).readers)["standard cron"] == 'does not know "?", which Coder reads as "*"'
    assert dict(explain("* +9 * * *", at=AT).readers)["croniter"] == "does not accept it"


@pytest.mark.parametrize(
    "cron", ["* 9 1-15,20 2,3,5-9 1,3,5", "* 1,3,5,9,14-23 1,3,8,9,22 jan,mar-may,DEC mon,wed", "* , * * 1"]
)
@pytest.mark.parametrize("coder", ["early-ranges", "v2.35"])
def test_every_line_fits_a_terminal(cron, coder):
    text = explain(cron, timezone="America/Argentina/ComodRivadavia", at=AT, coder=coder).text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert text.isascii()


def test_hours_of_several_ranges_count_once():
    crons = [provider_cron("* 8-11 * * 1"), provider_cron("* 10-12 * * 1")]
    assert hours_per_week(crons, zone("Europe/London"), 0, 24 * HOUR_US) == 5
    assert hours_per_week([provider_cron("* 9 1 1 *")], zone("UTC"), 0, YEAR_US) == pytest.approx(168 / 8784 * 2)


def test_what_the_provider_refuses_is_told_at_once():
    with pytest.raises(InputError) as caught:
        explain("30 8-18 * * 1-5", timezone="Amerika/New York", at="soon", coder="v2.x")
    assert [p.where.path for p in caught.value.problems] == ["at", "coder", "cron", "timezone"]
    at, coder, cron, timezone = (p.text for p in caught.value.problems)
    assert at.startswith('"soon" is not an instant; write')
    assert coder == '"v2.x" is not a version of Coder; write one such as v2.35'
    assert cron.startswith('minutes must be "*", got "30"')
    assert timezone == '"Amerika/New York" is not a time zone; write an IANA name such as "America/New_York"'


@pytest.mark.parametrize("cron", ["", "* 8 * *", "CRON_TZ=UTC * 8 * * *", "* 8 * * 7", "* 25 * * *", "@daily"])
def test_a_cron_that_the_provider_refuses_is_an_input_error(cron):
    with pytest.raises(InputError, match=r"^cron: "):
        explain(cron, at=0)


def test_croniter_is_imported_only_when_asked():
    code = "import sys, simkit.templates.explainer; sys.exit('croniter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_changes_are_where_the_minutes_change():
    said = explain("* 1-2 * * 0", timezone="Australia/Lord_Howe", at="2026-04-04T12:00:00")
    for change in said.changes:
        for at, holds in ((change.at - MINUTE_US, not change.begins), (change.at, change.begins)):
            local = said.zone.local(at)
            assert (local.isoweekday() == 7 and local.hour in (1, 2)) == holds
