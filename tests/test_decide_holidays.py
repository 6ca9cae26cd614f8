"""Edits around holidays are those of days that need one, change what was played, and say what that was."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scenarios import MONDAY_AT, scenario

from simkit import InputError, recommend
from simkit.cli import main
from simkit.clock import DAY_US, HOUR_US, MINUTE_US, UTC_ZONE, WEEK_US, parse_instant, zone
from simkit.decide.holidays import (
    Days,
    Edit,
    Span,
    in_rows,
    is_holiday,
    like_days,
    midnight,
    ordinary_weeks,
    span_of,
    with_edits,
    without,
)
from simkit.decide.levels import Calendar
from simkit.decide.plan import Block, Plan, terraform
from simkit.decide.recommendation import Recommendation
from simkit.inputs.templates import read_template
from simkit.model import Activate, History, Holiday, Preset, Profile, Scenario, Schedule, Workload, lognormal
from simkit.runs.counts import count
from simkit.runs.givens import givens

MONDAY = date(2026, 3, 2)
WEEKS = 16
WEEKDAYS = Plan(1, (Block(8, 17, 0b11111, 6),))
SEEN = (Holiday(date(2026, 3, 18), "Founders' day"), Holiday(date(2026, 4, 3), "Good Friday"))
AHEAD = (Holiday(date(2026, 12, 25), "Christmas"), Holiday(date(2026, 12, 26)), Holiday(date(2027, 1, 1)))


def office(weeks: int = WEEKS, holidays: tuple[Holiday, ...] = SEEN, kept: int = 10, **more: object) -> Scenario:
    """People on working days from 7 to 17 UTC; on holidays one of `kept`."""
    rng = np.random.default_rng(8)
    hours = np.arange(weeks * 168)
    busy = (hours // 24 % 7 < 5) & (hours % 24 >= 7) & (hours % 24 < 17)
    many = rng.poisson(np.where(busy, 3.0, 0.05))
    at = np.sort(MONDAY_AT + np.repeat(hours, many) * HOUR_US + rng.integers(0, HOUR_US, many.sum()))
    off = np.isin((at - MONDAY_AT) // DAY_US, [(one.day - MONDAY).days for one in holidays])
    at = at[~off | (np.arange(at.size) % kept == 0)]
    today = Preset("dev", 6, timezone="UTC", schedules=(Schedule("* 8-18 * * 1-5", 9),))
    work = Workload(lognormal(5 * MINUTE_US, 8 * MINUTE_US))
    given = scenario(today, provisioner_daemons=10, workload=work)
    demand = History(at, ("dev",) * at.size)
    return replace(given, **{"demand": demand, "start_at": MONDAY_AT, "end_at": MONDAY_AT + weeks * WEEK_US, **more})


@pytest.fixture(scope="module")
def found() -> Recommendation:
    return recommend(office(), 0.9, max_schedules=2, holidays=(*SEEN, *AHEAD))


def edits(of: Recommendation) -> tuple[Edit, ...]:
    (one,) = of.presets
    assert one.exceptions is not None
    return one.exceptions.edits


def test_weeks_with_a_holiday_neither_choose_nor_judge(found: Recommendation):
    assert (found.weeks, found.fitted_weeks, found.left_out_weeks) == (WEEKS, WEEKS - 2, 2)
    other = recommend(office(kept=1_000_000), 0.9, max_schedules=2, holidays=SEEN)
    assert other.presets[0].plan == found.presets[0].plan, "whoever comes on holidays"
    assert other.presets[0].aim == pytest.approx(found.presets[0].aim, abs=0.002)
    told_nothing = recommend(office(kept=1_000_000), 0.9, max_schedules=2)
    assert told_nothing.left_out_weeks == 0
    assert told_nothing.presets[0].exceptions is None


def test_a_holiday_of_the_history_was_played_with_those_who_came(found: Recommendation):
    (advice,) = found.presets
    seen = [one for one in edits(found) if one.is_seen]
    assert [(one.first, one.names) for one in seen] == [(one.day, one.name) for one in SEEN]
    one = seen[0]
    at = midnight(one.first, UTC_ZONE)
    assert (one.edit_at, one.back_at) == (at, at + DAY_US)
    assert advice.exceptions is not None
    spans = [span_of("dev", Days(e.first, e.last, ""), UTC_ZONE) for e in edits(found)[:2]]
    edges = np.arange(found.advised.start_at, found.advised.end_at + 1, HOUR_US)
    usual = count(givens(found.advised, 0, 0), edges)
    edited = count(givens(with_edits(found.advised, {"dev": advice.exceptions.preset}, spans), 0, 0), edges)
    days = slice((at - MONDAY_AT) // HOUR_US, (at + 2 * DAY_US - MONDAY_AT) // HOUR_US)
    saved = (usual.idle_us[0, days].sum() - edited.idle_us[0, days].sum()) / HOUR_US
    assert one.idle_saved_hours == pytest.approx(saved)
    assert saved > 5
    misses = (edited.claims - edited.hits - usual.claims + usual.hits)[0, days].sum()
    assert one.misses_added == misses


def test_a_holiday_to_come_is_tried_on_such_a_day_with_nobody_and_with_everybody(found: Recommendation):
    christmas, new_year = (one for one in edits(found) if not one.is_seen)
    assert (christmas.first, christmas.last) == (date(2026, 12, 25), date(2026, 12, 25))
    assert christmas.tried_on.weekday() == christmas.first.weekday()
    assert christmas.tried_on + timedelta(days=1) < MONDAY + timedelta(weeks=WEEKS)
    assert christmas.tried_on > SEEN[-1].day
    assert christmas.idle_saved_hours > 0
    assert christmas.misses_added > 3, "people who come all the same find next to nothing"
    assert new_year.idle_saved_hours == christmas.idle_saved_hours, "it is a Friday, too"
    (advice,) = found.presets
    assert advice.exceptions is not None
    assert advice.exceptions.quiet == (AHEAD[1],), "a Saturday has nothing to edit"


def test_both_edits_pass_the_check_and_read_back(found: Recommendation, tmp_path: Path):
    (advice,) = found.presets
    assert advice.exceptions is not None
    assert advice.exceptions.instances < advice.plan.levels.max()
    for preset in (advice.exceptions.preset, advice.preset):
        file = tmp_path / "main.tf"
        file.write_text(f'data "coder_workspace_preset" "dev" {{\n  name = "dev"\n{terraform(preset)}\n}}\n')
        contents = read_template(file, {})
        assert contents.errors == ()
        done = CliRunner().invoke(main, ["check", "--strict", str(file)])
        assert done.exit_code == 0, done.output
        (read,) = contents.presets
        assert (read.instances, read.ttl_us) == (preset.instances, preset.ttl_us)
        assert [(s.cron, s.instances) for s in read.schedules] == [(s.cron, s.instances) for s in preset.schedules]


def test_where_as_many_come_there_is_nothing_to_edit():
    found = recommend(office(kept=1), 0.9, max_schedules=1, holidays=SEEN)
    (advice,) = found.presets
    assert advice.exceptions is not None
    claim_at = found.scenario.demand.claim_at
    many = np.bincount((claim_at - MONDAY_AT) // DAY_US)
    days = [(one.day - MONDAY).days for one in SEEN]
    usual = [np.delete(many[day % 7 :: 7], day // 7).mean() for day in days]
    assert advice.exceptions.share == pytest.approx(many[days].sum() / np.sum(usual), abs=0.03)
    assert advice.exceptions.instances >= advice.plan.levels.max() - 1


def test_people_who_are_drawn_know_no_holiday():
    rates = tuple(3.0 if hour // 24 < 5 and 8 <= hour % 24 < 18 else 0.1 for hour in range(168))
    drawn = office(2, demand=(Profile("dev", UTC_ZONE, rates),))
    found = recommend(drawn, 0.9, max_schedules=1, holidays=(Holiday(date(2026, 3, 4)), *AHEAD))
    assert found.left_out_weeks == 0
    first, *_ = edits(found)
    assert (first.first, first.tried_on, first.is_seen) == (date(2026, 3, 4), date(2026, 3, 4), False)
    assert first.idle_saved_hours > 0
    assert len(edits(found)) == 3


def test_days_in_a_row_are_one_edit_with_the_weekend_between_them():
    days, quiet = in_rows(
        [
            Holiday(date(2026, 4, 6), "Easter Monday"),
            Holiday(date(2026, 4, 3), "Good Friday"),
            Holiday(date(2026, 4, 11)),
        ],
        WEEKDAYS,
        1,
    )
    assert days == [Days(date(2026, 4, 3), date(2026, 4, 6), "Good Friday, Easter Monday")]
    assert quiet == [Holiday(date(2026, 4, 11))]
    two, _ = in_rows([Holiday(date(2026, 4, 6)), Holiday(date(2026, 4, 8))], WEEKDAYS, 1)
    assert [one.first.day for one in two] == [6, 8], "Tuesday is a working day"
    none, all_quiet = in_rows([Holiday(date(2026, 4, 6))], WEEKDAYS, 6)
    assert (none, all_quiet) == ([], [Holiday(date(2026, 4, 6))])


@pytest.mark.parametrize(
    ("name", "day", "begins"),
    [
        ("America/New_York", date(2026, 3, 8), "2026-03-08T00:00:00-05:00"),
        ("Asia/Beirut", date(2026, 3, 29), "2026-03-29T01:00:00+03:00"),
        ("Asia/Kathmandu", date(2026, 12, 25), "2026-12-25T00:00:00+05:45"),
    ],
)
def test_a_day_begins_where_its_clocks_say_so(name: str, day: date, begins: str):
    of = zone(name)
    assert of is not None
    assert midnight(day, of) == parse_instant(begins)
    calendar = Calendar.of(of, parse_instant(begins) - 5 * DAY_US, parse_instant(begins) + 12 * DAY_US)
    hours = calendar.edges[:-1][is_holiday(calendar, of, [Holiday(day)])]
    assert hours[0] == parse_instant(begins)
    assert of.local(int(hours[-1])).date() == day
    assert ordinary_weeks(calendar, of, [Holiday(day)]).tolist() == [False, True]


def test_a_like_day_is_in_the_window_is_no_holiday_and_nobody_elses():
    window = MONDAY_AT, MONDAY_AT + 4 * WEEK_US
    friday = Days(date(2026, 12, 25), date(2026, 12, 25), "")
    last = like_days(friday, "dev", UTC_ZONE, window, (), ())
    assert last == Days(date(2026, 3, 27), date(2026, 3, 27), "")
    taken = [span_of("dev", Days(date(2026, 3, 28), date(2026, 3, 28), ""), UTC_ZONE)]
    earlier = like_days(friday, "dev", UTC_ZONE, window, taken, [Holiday(date(2026, 3, 20))])
    assert earlier is not None
    assert earlier.first == date(2026, 3, 13)
    assert like_days(friday, "other", UTC_ZONE, window, taken, ()) == last, "the spans of another preset are its own"
    sunday = Days(date(2026, 12, 27), date(2026, 12, 27), "")
    before = like_days(sunday, "dev", UTC_ZONE, window, (), ())
    assert before is not None
    assert before.first == date(2026, 3, 22), "the day after has to be in the window, too"
    assert like_days(friday, "dev", UTC_ZONE, (MONDAY_AT, MONDAY_AT + 4 * DAY_US), (), ()) is None


def test_an_edit_is_a_new_version_and_so_is_taking_it_back():
    other = Preset("gpu", 2)
    given = scenario(Preset("dev", 5), other)
    first = given.versions[0]
    newer = replace(first, name="newer", presets=(Preset("dev", 7), other))
    given = replace(given, events=(Activate(MONDAY_AT + 2 * DAY_US, newer),), end_at=MONDAY_AT + WEEK_US)
    spans = [
        Span("dev", MONDAY_AT + DAY_US, MONDAY_AT + 3 * DAY_US, MONDAY_AT + 4 * DAY_US),
        Span("gpu", MONDAY_AT - DAY_US, MONDAY_AT + DAY_US, MONDAY_AT + 2 * DAY_US),
    ]
    edited = with_edits(given, {"dev": Preset("dev", 1), "gpu": Preset("gpu", 0)}, spans)
    assert [p.instances for p in edited.versions[0].presets] == [5, 0], "the window begins on a holiday of gpu"
    events = [e for e in edited.events if isinstance(e, Activate)]
    assert [(e.at - MONDAY_AT) // DAY_US for e in events] == [1, 2, 3]
    assert [[p.instances for p in e.version.presets] for e in events] == [[1, 2], [1, 2], [7, 2]]
    assert len({v.name for v in edited.all_versions}) == 4


def test_without_those_who_come_in_a_span_the_others_are_as_they_were():
    given = givens(office(2), 0, 0)
    span = Span("dev", MONDAY_AT + DAY_US, MONDAY_AT + 2 * DAY_US, MONDAY_AT + 3 * DAY_US)
    at = given.inputs.claims[:, 0]
    inside = (at >= span.edit_at) & (at < span.back_at)
    assert inside.any()
    assert np.array_equal(without(given, [span]).inputs.claims, given.inputs.claims[~inside])
    assert without(given, [span._replace(preset="other")]).inputs.claims.shape == given.inputs.claims.shape


def test_holidays_that_leave_too_little_or_are_over_are_refused():
    with pytest.raises(InputError, match="its window has 6 whole weeks less 3 with a holiday"):
        recommend(office(6), 0.9, holidays=[Holiday(MONDAY + timedelta(weeks=i)) for i in range(3)])
    with pytest.raises(InputError, match="the last of them, 2025-12-25, is before the window"):
        recommend(office(6), 0.9, holidays=[Holiday(date(2025, 12, 25))])
