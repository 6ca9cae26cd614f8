"""Readings of a schedule side by side: when they differ, whom their pools serve, and what the provider says."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, Zone, parse_instant
from simkit.cron import first_detected_overlap
from simkit.errors import InputError
from simkit.runs.simulate import run
from simkit.studies.cron_ranges import readings
from simkit.timeline import desired

NEW_YORK = "America/New_York"
OFFICE = {"* 9-17 * * 1-5": 6.0}


def read(*crons: str, timezone: str = NEW_YORK, label: str = "as written") -> readings.Reading:
    return readings.reading(label, {cron: 4 + i for i, cron in enumerate(crons)}, timezone, base=1)


def test_a_week_has_every_step_of_every_reading():
    written, meant = read("* 8-17 * * 1,5"), read("* 8-17 * * 1-5", label="as meant")
    case = readings.week([written, meant], NEW_YORK, "2026-06-01", OFFICE, seed=7, pools=1)
    assert (case.start_at, case.hours) == (parse_instant("2026-06-01T00:00:00-04:00"), 168)
    for of in (written, meant):
        mine = case.desired[case.desired["reading"] == of.label]
        steps = desired(of.preset, of.behaviour, case.start_at, case.end_at)
        assert mine["desired"].tolist() == steps.value.tolist()
        assert (mine["from_at"].dt.as_unit("us").astype("int64") == steps.at).all()
    assert any('"1,5" is Monday and Friday only' in warning for warning in case.warnings)


def test_every_reading_meets_the_same_people_and_more_prebuilds_serve_more_of_them():
    written, meant = read("* 8-17 * * 1,5"), read("* 8-17 * * 1-5", label="as meant")
    case = readings.week([written, meant], NEW_YORK, "2026-06-01", OFFICE, seed=7, pools=3)
    pool = case.pool.set_index("reading")
    assert pool.loc["as written", "claims"] == pool.loc["as meant", "claims"] > 600
    assert pool.loc["as written", "hits"] < pool.loc["as meant", "hits"]
    assert pool.loc["as written", "idle_instance_hours"] < pool.loc["as meant", "idle_instance_hours"]
    again = readings.week([written, meant], NEW_YORK, "2026-06-01", OFFICE, seed=7, pools=3)
    assert again.pool.equals(case.pool)


def test_pools_side_by_side_are_as_if_each_had_been_alone(monkeypatch):
    runs = []
    monkeypatch.setattr(readings, "run", lambda scenario, seed: runs.append(run(scenario, seed)) or runs[-1])
    readings.week([read("* 8-17 * * 1-5")], NEW_YORK, "2026-06-01", OFFICE, seed=7, pools=3)
    jobs = runs[0].tables["provisioner_jobs"]
    assert (jobs["started_at"] == jobs["created_at"]).all(), "no build waits for a daemon"


def test_nobody_asks_for_a_workspace_where_nobody_is_expected():
    case = readings.week([read("* 8 * * *")], NEW_YORK, "2026-06-01", {}, seed=7, pools=1)
    assert case.pool["claims"].tolist() == [0]
    assert np.isnan(case.pool["hit_rate"].iloc[0])


def test_a_minute_early_are_early_ranges_and_nothing_else():
    new = read("* 9-17 * * 1-5")
    early = readings.a_minute_early("early", new).behaviour
    assert early.range_early_us == MINUTE_US
    assert early.reconciliation_interval_us == new.behaviour.reconciliation_interval_us


@pytest.mark.parametrize(
    ("cron", "year"), [("* 8-17 1-7 * 1", 2026), ("* 8-17 */2 * 1-5", 2026), ("* 9 20-31 2,3 5", 2028)]
)
def test_both_days_holds_exactly_where_day_of_month_and_day_of_week_match(cron, year):
    schedules = readings.both_days(cron, 3, year)
    assert first_detected_overlap(list(schedules)) is None
    of = readings.reading("as meant", schedules, "UTC", base=0)
    either = readings.reading("as written", {cron: 3}, "UTC", base=0)
    case = readings.year([of, either], "UTC", year, {}, seed=0, pools=1)
    held = readings.days(case).query("held_hours > 0").groupby("reading")["day"].agg(set)
    fields = cron.split()
    weekdays = readings.reading("w", {f"* 8 * * {fields[4]}": 1}, "UTC", 0)
    days = readings.reading("d", {f"* 8 {fields[2].replace('*/2', '1-31/2')} {fields[3]} *": 1}, "UTC", 0)
    one = readings.days(readings.year([weekdays, days], "UTC", year, {}, seed=0, pools=1))
    alone = one.query("held_hours > 0").groupby("reading")["day"].agg(set)
    assert held["as meant"] == alone["w"] & alone["d"]
    assert held["as meant"] <= held["as written"]


def test_a_jump_knows_what_it_skips_and_what_that_does_to_the_range_of_the_hour():
    gap, repeat = (readings.jump(NEW_YORK, 2026, forward) for forward in (True, False))
    assert (gap.cron, repeat.cron) == ("* 2 * * *", "* 1 * * *")
    assert gap.change.lost_day
    assert (gap.change.extra_us, repeat.change.extra_us) == (-HOUR_US, HOUR_US)
    assert [wall % DAY_US // HOUR_US for wall in gap.walls] == [2, 3]


@pytest.mark.parametrize(
    ("timezone", "forward", "cron", "extra_us"),
    [
        ("Africa/Cairo", True, "* 0 * * *", -HOUR_US),
        ("Africa/Cairo", False, "* 23 * * *", HOUR_US),
        ("America/Santiago", True, "* 0 * * *", -HOUR_US),
        ("Asia/Beirut", False, "* 23 * * *", HOUR_US),
        ("Australia/Lord_Howe", True, "* 2 * * *", -HOUR_US // 2),
        ("Australia/Lord_Howe", False, "* 1 * * *", HOUR_US // 2),
    ],
)
def test_clocks_jump_at_midnight_and_by_half_an_hour_too(timezone, forward, cron, extra_us):
    jump = readings.jump(timezone, 2026, forward)
    assert (jump.cron, jump.change.extra_us) == (cron, extra_us)
    case = readings.across(jump, 8, 1, 0, seed=7, pools=1)
    held = readings.cells_of(case).query("schedule == 0").groupby("reading")["hours"].sum()
    assert held.get("as written", 0.0) == 1 + extra_us / HOUR_US
    assert held["summer time all along"] == 1


def test_a_zone_whose_clocks_stand_still_has_no_jump_and_no_case():
    jump = readings.jump("UTC", 2026, forward=True)
    assert jump.change is None
    case = readings.across(jump, 8, 1, 6, seed=7, pools=1)
    assert (case.readings, len(case.desired), len(case.pool)) == ((), 0, 0)


def test_an_offset_of_a_part_of_an_hour_is_shown_as_written_alone():
    case = readings.across(readings.jump("Pacific/Chatham", 2026, forward=True), 8, 1, 6, seed=7, pools=1)
    assert [of.label for of in case.readings] == ["as written"]


def test_cells_cut_the_steps_at_each_local_hour_and_lose_nothing():
    case = readings.across(readings.jump("Australia/Lord_Howe", 2026, forward=False), 8, 1, 0, seed=7, pools=1)
    cells = readings.cells_of(case)
    assert cells.groupby("reading")["hours"].sum().tolist() == [12, 12]
    assert (cells["hours"] <= 1).all()
    mine = cells[cells["reading"] == "as written"]
    assert mine[mine["schedule"] == 0]["hour"].tolist() == [1, 1.5]


def test_days_have_the_most_that_is_desired_and_the_hours_that_a_schedule_holds():
    case = readings.week([read("* 8-17 * * 1", "* 9-10 * * 2")], NEW_YORK, "2026-06-01", {}, seed=7, pools=1)
    by_day = readings.days(case)
    assert by_day["day"].tolist()[:2] == [date(2026, 6, 1), date(2026, 6, 2)]
    assert by_day["desired"].tolist() == [4, 5, 1, 1, 1, 1, 1]
    assert by_day["held_hours"].tolist() == [10, 2, 0, 0, 0, 0, 0]


def test_overlaps_that_coder_does_not_notice_have_their_days():
    case = readings.year([read("* 8-17 1 * 1", "* 8-17 2 * 2")], NEW_YORK, 2026, {}, seed=7, pools=1)
    found = readings.overlaps(case).iloc[0]
    assert found["hours"] == 50
    assert found["days"] == [date(2026, *day) for day in ((2, 2), (3, 2), (9, 1), (11, 2), (12, 1))]
    alone = readings.year([read("* 8-17 1 * 1")], NEW_YORK, 2026, {}, seed=7, pools=1)
    assert readings.overlaps(alone).empty


def test_names_and_steps_are_refused_only_beside_a_schedule_that_nothing_earlier_tells_apart():
    crons = ["* 9-17 * * MON-FRI", "* 9-17/2 * * 1-5", "* 9-17/2 * * 1-6", "* 9-17 * * 1-5", "* 9-17 * * 7"]
    tried = readings.validation(crons, "* 10-13 * * 6", NEW_YORK)
    assert tried["alone"].tolist() == [True, True, True, True, False]
    assert tried["beside"].tolist() == [False, True, False, True, False]
    assert ['"MON-FRI"' in text for text in tried["refusal"]] == [True, False, False, False, False]
    assert (tried["refusal"] == "").tolist() == tried["beside"].tolist()


def test_what_cannot_be_read_is_told():
    with pytest.raises(InputError, match="America/New_York"):
        readings.week([], "america/new_york", "2026-06-01", {}, 7, 1)
    with pytest.raises(InputError, match="monday"):
        readings.week([], NEW_YORK, "June", {}, 7, 1)
    with pytest.raises(InputError, match="is older than any modelled version"):
        readings.reading("old", {}, NEW_YORK, 1, coder="v1.0")


def test_a_case_is_shown_in_its_own_zone_whatever_the_zone_of_its_presets():
    case = readings.week([read("* 8-17 * * 1", timezone="UTC")], NEW_YORK, "2026-06-01", {}, seed=7, pools=1)
    assert case.zone == Zone(NEW_YORK)
    held = readings.cells_of(case).query("schedule == 0")
    assert (held["hour"].min(), held["hour"].max()) == (4, 13)
