"""The rules for one workspace laid out for a picture agree with a run, and with what the table takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scenarios import inhabited_fortnight, scenario

from simkit import InputError, run
from simkit.clock import HOUR_US, Zone, from_datetime, parse_instant
from simkit.model import People, Preset, Scenario, SessionHistory, TemplateSchedule, Workload, constant
from simkit.store import refused
from simkit.studies.expiration import tables

NEW_YORK = Zone("America/New_York")
RULE = "workspace_builds_deadline_below_max_deadline"
WEEKDAYS, SATURDAY = 0b0011111, 0b0100000
NOBODY = SessionHistory(*np.empty((3, 0), dtype=np.int64))


def at(text: str) -> int:
    return parse_instant(text, NEW_YORK)


def one_person(
    until: str = "2026-10-31T12:00", bump_us: int = HOUR_US, sessions: SessionHistory = NOBODY, **more: object
) -> Scenario:
    """Somebody in New York whose workspace is ready at once, starts at 8:30 and may not run past Saturday 2:00."""
    crons = {"autostart": "CRON_TZ=America/New_York 30 8 * * 1-5", "quiet_hours": "CRON_TZ=America/New_York 0 2 * * *"}
    given = Scenario(
        name="one",
        start_at=at("2026-10-29T08:00"),
        end_at=at(until),
        versions=scenario(Preset("p", 0)).versions,
        zone=NEW_YORK,
        workload=Workload(build=constant(0), agent=constant(0), stop=constant(0), start=constant(0)),
        schedule=TemplateSchedule(10 * HOUR_US, bump_us, autostart_days=WEEKDAYS, autostop_days=SATURDAY),
        people=(People("me", 1, "p", sessions, **crons),),
    )
    return replace(given, **more)  # type: ignore[arg-type]


def connected(begin: str, until: str) -> SessionHistory:
    return SessionHistory(np.array([at(begin)]), np.array([at(until)]), np.zeros(1, dtype=np.int64))


def local(of: pd.Timestamp) -> str:
    return f"{NEW_YORK.local(from_datetime(of.to_pydatetime())):%a %H:%M %Z}"


def first(reports: pd.DataFrame, what: str) -> pd.Series:
    return reports[reports["what"] == what].iloc[0]


def test_reports_of_activity_move_a_deadline_as_a_run_does():
    reports = tables.bumps(one_person(), "2026-10-29T08:32", "2d")
    story = run(one_person(sessions=connected("2026-10-29T08:32", "2026-10-31T08:32"))).ask("story")
    started, stopped = (story[story["what"] == what].iloc[0] for what in ("started", "autostop"))
    assert reports["deadline"].iloc[0] == started["deadline"]
    assert reports["max_deadline"].iloc[0] == started["max_deadline"]
    moves = (reports["deadline"] != reports["deadline"].shift(fill_value=reports["deadline"].iloc[0])).sum()
    assert moves == stopped["bumps"] > 100
    assert reports["deadline"].iloc[-1] == stopped["deadline"]
    # At a whole minute: the executor sees it a minute later.
    assert stopped["happened_at"] == stopped["deadline"] + pd.Timedelta(minutes=1)
    assert reports["is_over"].tolist() == [False] * (len(reports) - 1) + [True]


def test_a_report_moves_a_deadline_once_5_percent_of_the_extension_have_passed():
    reports = tables.bumps(one_person(), "2026-10-29T08:32", "2d")
    assert local(first(reports, tables.TOO_EARLY)["reported_at"]) == "Thu 17:32 EDT"
    move = first(reports, tables.MOVED)
    assert (local(move["reported_at"]), local(move["deadline"])) == ("Thu 17:36 EDT", "Thu 18:36 EDT")
    moved = reports.loc[reports["what"] == tables.MOVED, "reported_at"].iloc[:5]
    assert (moved.diff().dropna() == pd.Timedelta(minutes=4)).all(), "3 minutes are 5 % of an hour, and not more"


def test_a_deadline_is_never_lowered_and_stays_below_the_max_deadline():
    reports = tables.bumps(one_person(), "2026-10-29T08:32", "2d")
    assert (reports["deadline"].diff().dropna() >= pd.Timedelta(0)).all()
    assert (reports["deadline"] <= reports["max_deadline"]).all()
    capped = first(reports, tables.CAPPED)
    assert local(capped["deadline"]) == "Sat 02:00 EDT"
    after = reports[reports["reported_at"] > capped["reported_at"]]
    assert set(after["what"]) == {tables.AT_MAX}


def test_an_extension_that_crosses_the_next_autostart_counts_the_ttl_from_there():
    crossed = first(tables.bumps(one_person(), "2026-10-29T08:32", "2d"), tables.CROSSED)
    assert (local(crossed["reported_at"]), local(crossed["deadline"])) == ("Fri 07:31 EDT", "Fri 18:30 EDT")
    assert local(crossed["next_start_at"]) == "Fri 08:30 EDT"


def test_a_person_who_leaves_lets_the_deadline_be_and_one_without_deadline_has_none_to_move():
    left = tables.bumps(one_person(), "2026-10-29T08:32", "1h")
    assert len(left) == 61
    assert set(left["what"]) == {tables.FURTHER}
    assert not left["is_over"].any()
    unset = one_person(schedule=TemplateSchedule(0))
    assert set(tables.bumps(unset, "2026-10-29T08:32", "1h")["what"]) == {tables.FIXED}
    assert tables.bumps(unset, "2026-10-29T08:32", "1h")["deadline"].isna().all()
    assert set(tables.bumps(one_person(bump_us=0), "2026-10-29T08:32", "1h")["what"]) == {tables.FIXED}


def test_deadlines_count_from_the_next_autostart_and_end_at_the_max_deadline():
    around = tables.deadlines_around(one_person(), "2026-11-01").set_index("completed_at")
    assert len(around) == 15 * 96 + 4, "the day on which clocks go back has an hour more"

    def deadline(text: str) -> str:
        return local(around["deadline"][pd.Timestamp(at(text), unit="us", tz="UTC")])

    assert deadline("2026-10-27T12:00") == "Tue 22:00 EDT"
    assert deadline("2026-10-27T23:00") == "Wed 18:30 EDT", "it would end after 8:30"
    assert deadline("2026-10-30T20:00") == "Sat 02:00 EDT", "capped"
    assert deadline("2026-11-06T20:00") == "Sat 02:00 EST", "the same wall clock a week later"
    assert not around["is_refused"].any()


def test_quiet_hours_keep_their_wall_clock_and_a_time_that_clocks_skip_has_none():
    autumn = tables.quiet_hours_around(one_person(), "2026-11-01", days=1)["begins_at"]
    assert [local(of) for of in autumn] == ["Sat 02:00 EDT", "Sun 02:00 EST", "Mon 02:00 EST"]
    assert [f"{of:%H:%M}" for of in autumn] == ["06:00", "07:00", "07:00"]
    spring = tables.quiet_hours_around(one_person(), "2027-03-14", days=1)["begins_at"]
    assert [local(of) for of in spring] == ["Sat 02:00 EST", "Mon 02:00 EDT"]


def test_a_midnight_that_does_not_exist_is_told_as_refused():
    havana = Zone("America/Havana")
    crons = {"quiet_hours": "CRON_TZ=America/Havana 0 0 * * *"}
    given = one_person(
        zone=havana,
        people=(People("me", 1, "p", NOBODY, **crons),),
        schedule=TemplateSchedule(10 * HOUR_US, autostop_days=0b1000000),
    )
    around = tables.deadlines_around(given, "2026-03-08", days=2)
    assert 0 < around["is_refused"].sum() < len(around)
    assert around.loc[around["is_refused"], ["deadline", "max_deadline"]].isna().all(axis=None)


def test_a_scenario_without_people_has_no_rows_and_the_same_columns():
    nobody, somebody = scenario(Preset("p", 1)), one_person()
    for asked in (
        lambda given: tables.deadlines_around(given, "2026-11-01", days=1),
        lambda given: tables.quiet_hours_around(given, "2026-11-01", days=1),
        lambda given: tables.bumps(given, "2026-10-29T08:32", "5m"),
    ):
        assert asked(nobody).empty
        instants = [c for c in asked(somebody) if c.endswith(("_at", "deadline"))]
        assert asked(nobody).columns.tolist() == asked(somebody).columns.tolist()
        assert asked(nobody)[instants].dtypes.equals(asked(somebody)[instants].dtypes)


def test_what_cannot_be_read_is_told_with_what_to_write():
    for wrong, asked in (
        ("people: there are no people", lambda: tables.bumps(one_person(), "2026-10-29T08:32", "1h", "you")),
        ("completed: .* is not an instant", lambda: tables.bumps(one_person(), "noon", "1h")),
        ("connected: .* is not a duration", lambda: tables.bumps(one_person(), "2026-10-29T08:32", "long")),
        ("day: .* is not a date", lambda: tables.deadlines_around(one_person(), "soon")),
    ):
        with pytest.raises(InputError, match=wrong):
            asked()


@pytest.fixture(scope="module")
def fortnight() -> pd.DataFrame:
    return run(inhabited_fortnight(), 7).ask("story")


def test_the_builds_that_run_when_most_do_are_those_begun_and_not_stopped(fortnight):
    builds = tables.running_starts(fortnight)
    now = builds["at"].iloc[0]
    assert builds["workspace"].is_unique
    assert (builds["started_at"] <= now).all()
    ends = fortnight[fortnight["what"].isin(("autostop", "owner suspended", "dormancy"))]
    for build in builds.itertuples():
        stops = ends.loc[ends["workspace_build_id"] == build.id, "happened_at"]
        assert stops.empty or stops.iloc[0] > now
    before = fortnight[fortnight["happened_at"] <= now].drop_duplicates("workspace_id", keep="last")
    assert len(builds) >= (before["what"] == "started").sum() > 0


def test_the_constraint_refuses_what_the_older_endpoint_left_and_takes_todays_rows(fortnight):
    builds = tables.running_starts(fortnight)
    limited = builds["max_deadline"].notna()
    assert limited.any()
    older = refused("workspace_builds", tables.without_ttl(builds, older=True))
    assert older["deadline"].isna().all()
    assert (older["constraint"] == np.where(limited, RULE, "")).all()
    today = refused("workspace_builds", tables.without_ttl(builds))
    assert (today["constraint"] == "").all()
    assert today["deadline"].equals(builds["max_deadline"].rename("deadline"))


def test_a_build_without_a_max_deadline_may_lose_its_deadline():
    instants = {"deadline": ["2026-03-01"], "max_deadline": [None]}
    builds = pd.DataFrame({name: pd.to_datetime(of, utc=True) for name, of in instants.items()})
    for older in (True, False):
        assert refused("workspace_builds", tables.without_ttl(builds, older))["constraint"].tolist() == [""]


def test_where_nobody_started_anything_there_is_nothing_to_refuse():
    story = run(scenario(Preset("p", 1), hours=1)).ask("story")
    assert len(story) > 0
    assert tables.running_starts(story).empty
    assert refused("workspace_builds", tables.without_ttl(tables.running_starts(story), older=True)).empty


def test_reports_come_every_minute():
    reported = tables.bumps(one_person(), "2026-10-29T08:32", "2h")["reported_at"]
    assert (reported.diff().dropna() == pd.Timedelta(minutes=1)).all()
    assert reported.iloc[-1] - reported.iloc[0] == pd.Timedelta(hours=2)
