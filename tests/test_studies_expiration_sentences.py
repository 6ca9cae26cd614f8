"""Sentences on lifetimes are true for any scenario, and their numbers are those of the answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scenarios import inhabited_fortnight, scenario

from simkit import ask, replicate
from simkit.clock import DAY_US, HOUR_US
from simkit.model import Preset, TemplateSchedule
from simkit.store import refused
from simkit.studies.expiration import sentences, tables

CHANGE = "2026-03-08"


def text(sentence: sentences.Sentence) -> str:
    return sentence.text.format(**sentence.numbers)


def swept(*rows: tuple[int, float, float, float], own_us: int = 8 * HOUR_US, runs: int = 1) -> pd.DataFrame:
    """As `prebuild_ttls` gives it: (ttl, builds a week, share expired, hours of age at claim) in each run."""
    return pd.DataFrame(
        [
            {
                "ttl_us": ttl_us,
                "is_own": ttl_us == own_us,
                "replication": replication,
                "preset": "go",
                "created": 100,
                "claims": 50,
                "hits": 40 + hours,
                "builds_per_week": builds + 10 * replication,
                "expired_share": share,
                "age_p50_s": hours * 3600,
                "age_p95_s": hours * 7200,
                "idle_hours_per_week": 20.0 - builds / 100,
            }
            for ttl_us, builds, share, hours in rows
            for replication in range(runs)
        ]
    )


FOUR, EIGHT, NEVER = (4 * HOUR_US, 300.0, 0.6, 1.0), (8 * HOUR_US, 200.0, 0.4, 1.5), (0, 100.0, 0.0, 3.0)


def test_halving_a_ttl_is_told_by_what_it_costs():
    told = sentences.prebuild_ttls(swept((HOUR_US, 900.0, 0.9, 0.5), FOUR, EIGHT, NEVER))
    assert text(told) == (
        "**Halving the TTL of *go* from 8h to 4h costs 100 more builds a week**: 300 instead of 200, and 60% of the "
        "prebuilds expire unused instead of 40%. The median age at claim goes from 1h30m to 1h, and 95% of the claimed "
        "prebuilds are at most 2h old instead of 3h. 82.0% of the claims find a prebuild instead of 83.0%. Prebuilds "
        "then stand ready for 1.0 instance-hours a week less, because one that is built again serves nobody meanwhile."
    )


def test_the_range_is_that_of_the_difference_and_not_of_what_differs():
    told = sentences.prebuild_ttls(swept(FOUR, EIGHT, runs=3))
    assert "costs 100 more builds a week** (in nine of ten replications +100 to +100)" in text(told)
    assert told.numbers["shorter_builds_per_week"] == 310


def test_another_step_is_told_where_the_half_was_not_tried():
    assert "Shortening the TTL of *go* from 8h to 3h costs" in text(
        sentences.prebuild_ttls(swept((3 * HOUR_US, 310.0, 0.6, 1.0), EIGHT))
    )
    own_never = sentences.prebuild_ttls(swept(EIGHT, NEVER, own_us=0))
    assert "A TTL of 8h for *go*, whose prebuilds else never expire, costs 100 more" in text(own_never)
    shortest = sentences.prebuild_ttls(swept(EIGHT, NEVER))
    assert "A TTL of 8h for *go*" in text(shortest), "compared with the next longer one"
    alone = sentences.prebuild_ttls(swept(NEVER, own_us=0))
    assert text(alone).startswith("With a TTL of never, *go* has 100 prebuilds built a week")
    unclaimed = swept(FOUR, EIGHT).assign(age_p50_s=np.nan, age_p95_s=np.nan, claims=0, hits=0)
    assert "claim" not in text(sentences.prebuild_ttls(unclaimed))
    assert "84.0% of the claims find a prebuild, as before." in text(
        sentences.prebuild_ttls(swept(FOUR, EIGHT).assign(hits=42))
    )
    assert text(sentences.prebuild_ttls(swept(FOUR).assign(created=0))) == "No prebuild was built."


def test_deadlines_are_told_by_their_lengths_and_by_what_caps_them():
    around = tables.deadlines_around(inhabited_fortnight(), CHANGE)
    told = sentences.deadlines(around)
    hours = (around["deadline"] - around["completed_at"]).dt.total_seconds() / 3600
    assert f"From 2026-03-01 to 2026-03-15, a workspace of *staff* may run for {hours.min():.0f}h to " in text(told)
    capped = (around["deadline"] == around["max_deadline"]).mean()
    assert told.numbers["capped_share"] == capped > 0
    unlimited = replace(inhabited_fortnight(), schedule=TemplateSchedule(8 * HOUR_US), events=())
    assert "nothing gives it a max deadline" in text(sentences.deadlines(tables.deadlines_around(unlimited, CHANGE)))
    free = replace(unlimited, schedule=TemplateSchedule(0))
    assert text(sentences.deadlines(tables.deadlines_around(free, CHANGE))).endswith("*staff* has no deadline.")


def test_a_start_that_coder_cannot_complete_is_told():
    around = tables.deadlines_around(inhabited_fortnight(), CHANGE, days=1)
    refusing = around.assign(is_refused=around.index < 3, deadline=around["deadline"].mask(around.index < 3))
    assert "Coder cannot complete a start" in text(sentences.deadlines(refusing))
    assert sentences.deadlines(refusing).numbers["refused_share"] == 3 / len(around)


def test_quiet_hours_that_stay_on_the_wall_clock_move_in_utc():
    given = inhabited_fortnight()
    assert text(sentences.quiet_hours(tables.quiet_hours_around(given, CHANGE))) == (
        "The quiet hours of *staff* begin 14 times in these days, always at 02:00 on the wall clock of "
        "America/New_York; in UTC that is 07:00 and then 06:00. A change of the clocks skips that time on 2026-03-08, "
        "so that night has none."
    )
    assert text(sentences.quiet_hours(tables.quiet_hours_around(given, CHANGE, "rare"))) == (
        "The quiet hours of *rare* begin 15 times in these days, at 19:00 and then 20:00 on the wall clock of "
        "America/New_York; in UTC that is 00:00."
    )
    assert text(sentences.quiet_hours(tables.quiet_hours_around(given, "2026-03-20"))).endswith(
        "always at 02:00 in America/New_York (06:00 UTC)."
    )


def test_activity_is_told_by_its_reports_and_by_what_each_does():
    reports = tables.bumps(inhabited_fortnight(), "2026-03-03T09:00", "5d")
    told = sentences.bumps(reports)
    counts = reports["what"].value_counts()
    moves = counts[[tables.MOVED, tables.CROSSED, tables.CAPPED]].sum()
    kinds = ("moves", "too_far", "too_early", "at_max")
    assert sum(told.numbers[kind] for kind in kinds) == told.numbers["reports"] == len(reports)
    assert told.numbers["moves"] == moves
    assert "on Tuesday 2026-03-03 at 09:00 EST gets the deadline Tue 3 Mar 18:00 EST" in text(told)
    assert "at Wed 4 Mar 07:31 EST the extension crosses the next autostart and becomes Wed 4 Mar 17:30" in text(told)
    assert text(told).endswith("At Sat 7 Mar 02:00 EST the workspace stops, with somebody connected.")
    short = sentences.bumps(tables.bumps(inhabited_fortnight(), "2026-03-03T09:00", "1h"))
    assert "61 reports of activity, one a minute, 0 move it" in text(short)
    assert "stops" not in text(short)


@pytest.fixture(scope="module")
def fortnight() -> dict:
    results = list(replicate(inhabited_fortnight(), seed=7, replications=2))
    one = {q: ask(results[0], q) for q in ("workspaces", "story")}
    return {"one": one, **{q: ask(results, q) for q in ("running", "stops", "runs")}}


def test_the_constraint_is_told_with_its_name_and_the_rows_it_refuses(fortnight):
    builds = tables.running_starts(fortnight["one"]["story"])
    older = refused("workspace_builds", tables.without_ttl(builds, older=True))
    today = refused("workspace_builds", tables.without_ttl(builds))
    told = sentences.ttl_removed(older, today)
    count = builds["max_deadline"].notna().sum()
    assert f"**`workspace_builds_deadline_below_max_deadline` would refuse {count} of {len(builds)} rows**" in text(
        told
    )
    assert text(told).endswith("and it refuses 0.")
    table = sentences.refused_rows(builds, older, today).frame
    assert len(table) == min(count, 6) > 0
    assert set(table["the older way"]) == {"cleared"}
    assert set(table["refused by"]) == {"workspace_builds_deadline_below_max_deadline"}
    assert table["today"].tolist() == table["max deadline"].tolist()
    assert table["workspace"].tolist() == builds.loc[builds["max_deadline"].notna(), "workspace"].tolist()[:6]
    assert table["deadline"].str.fullmatch(r"\d+ Mar \d\d:\d\d E[SD]T").all()


def test_builds_without_a_max_deadline_are_all_taken(fortnight):
    builds = tables.running_starts(fortnight["one"]["story"])
    free = builds.assign(max_deadline=builds["max_deadline"].mask(builds.index >= 0))
    older = refused("workspace_builds", tables.without_ttl(free, older=True))
    assert "every row would still be valid" in text(sentences.ttl_removed(older, older))
    assert sentences.refused_rows(free, older, older).frame.empty


def test_dormancy_is_told_by_its_days(fortnight):
    one = fortnight["one"]
    told = sentences.workspaces(one["workspaces"], one["story"])
    dormancies = one["story"][one["story"]["what"] == "dormancy"]
    days = dormancies["happened_at"].dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d").value_counts()
    assert told.numbers["dormancies"] == len(dormancies) > 0
    assert told.numbers["worst_dormancies"] == days.max()
    assert days[told.numbers["worst_dormancy_day"]] == days.max()
    assert told.numbers["most_running"] == one["workspaces"]["running"].max()
    awake = one["story"][one["story"]["what"] != "dormancy"]
    assert text(sentences.workspaces(one["workspaces"], awake)).endswith("None goes dormant.")


def test_what_runs_is_told_by_the_busiest_and_the_quietest_hour(fortnight):
    answer = fortnight["running"]
    told = sentences.running(answer)
    both = answer["people_instance_hours"] + answer["prebuild_instance_hours"]
    assert told.numbers["mean_instances"] == pytest.approx(both.sum() / answer["hours"].sum())
    rates = (both.groupby([answer["weekday"], answer["hour"]]).sum()) / answer.groupby(["weekday", "hour"])[
        "hours"
    ].sum()
    assert told.numbers["busiest_instances"] == pytest.approx(rates.max())
    assert told.numbers["quietest_instances"] == pytest.approx(rates.min())
    alone = sentences.running(answer, with_people=False)
    assert "what becomes of a workspace once it is claimed is left out" in text(alone)
    assert alone.numbers["mean_instances"] < told.numbers["mean_instances"]


def test_reasons_of_stops_add_up_and_dormancy_is_not_one_of_them(fortnight):
    answer, runs = fortnight["stops"], fortnight["runs"]
    told = sentences.stops(answer, runs)
    shares = [value for name, value in told.numbers.items() if name.startswith("stop_share_")]
    assert sum(shares) == pytest.approx(1)
    assert sorted(shares, reverse=True) == shares
    stopping = answer["rule"].isin(("autostop", "owner suspended", "failure stop"))
    weeks = (runs["end_at"] - runs["start_at"]).dt.total_seconds().sum() * 1e6 / (7 * DAY_US)
    assert told.numbers["stops_per_week"] == pytest.approx(answer.loc[stopping, "times"].sum() / weeks)
    reasons = sentences.stop_reasons(answer)
    autostops = reasons[reasons["reason"].isin(("deadline, as the start got it", "deadline, moved by activity"))]
    limited = reasons.loc[reasons["reason"] == "max deadline", "times"].sum()
    of_rule = answer[answer["rule"] == "autostop"]
    assert limited == of_rule["at_max_deadline"].sum() > 0
    assert autostops["times"].sum() + limited == of_rule["times"].sum()


def test_without_people_every_sentence_says_so():
    nobody = scenario(Preset("p", 1), hours=24)
    result = next(replicate(nobody, seed=7, replications=1))
    story = result.ask("story")
    builds = tables.running_starts(story)
    empty = refused("workspace_builds", tables.without_ttl(builds, older=True))
    for told in (
        sentences.deadlines(tables.deadlines_around(nobody, CHANGE)),
        sentences.bumps(tables.bumps(nobody, "2026-03-02T09:00", "1h")),
        sentences.workspaces(result.ask("workspaces"), story),
    ):
        assert text(told).startswith("The scenario has no people, so there are no workspaces of theirs: ")
    assert text(sentences.quiet_hours(tables.quiet_hours_around(nobody, CHANGE))) == "There are no quiet hours."
    assert text(sentences.ttl_removed(empty, empty)).startswith("No start of a person's workspace ever ran")
    assert sentences.refused_rows(builds, empty, empty).frame.empty
    assert text(sentences.stops(result.ask("stops"), result.ask("runs"))).startswith("No workspace of a person")
    assert "prebuilds run" in text(sentences.running(result.ask("running"), with_people=False))
    assert text(sentences.running(result.ask("running").iloc[:0])) == "No instance ran in this window."
