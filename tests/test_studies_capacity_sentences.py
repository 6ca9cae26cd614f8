"""Sentences are true for any scenario, and their numbers are those of the answers."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from simkit import InputError, ask, replicate
from simkit.clock import HOUR_US, parse_instant, zone
from simkit.model import History, Preset, Profile, Scenario, Schedule, TemplateVersion, Workload
from simkit.studies.capacity import sentences

NEW_YORK = zone("America/New_York")
POOL = Preset("go", 2, 8 * HOUR_US, "America/New_York", (Schedule("* 9-17 * * 1-5", 3),))


def scenario(preset: Preset = POOL, claims: tuple[str, ...] = (), **workload: float) -> Scenario:
    """Two weeks in New York; `claims` are wall-clock instants."""
    at = np.array([parse_instant(text, NEW_YORK) for text in claims], dtype=np.int64)
    return Scenario(
        name="test",
        start_at=parse_instant("2026-11-09T00:00", NEW_YORK),
        end_at=parse_instant("2026-11-23T00:00", NEW_YORK),
        zone=NEW_YORK,
        provisioner_daemons=20,
        versions=(TemplateVersion("t", "v1", (preset,)),),
        demand=History(at, (preset.name,) * at.size),
        workload=Workload(**workload),
    )


def told(given: Scenario, replications: int = 1) -> dict[str, sentences.Sentence]:
    results = list(replicate(given, seed=7, replications=replications))
    one = results[0]
    summary, pool, runs = ask(results, "summary"), ask(one, "pool"), ask(one, "runs")
    demand = ask(results, "demand")
    return {
        "served": sentences.served(summary),
        "first_dry": sentences.first_dry(pool, ask(one, "first_hour")),
        "replications": sentences.replications(given, replications),
        "demand": sentences.demand(demand),
        "week": sentences.week(pool, ["go"], sentences.busiest_week(pool, runs)),
        "worst_hour": sentences.worst_hour(ask(results, "hit_rate_by_hour")),
        "first_hour": sentences.first_hour(ask(results, "first_hour"), summary),
        "idle": sentences.idle(ask(results, "idle"), demand),
        "failures": sentences.failures(ask(one, "failures"), summary),
        "age_at_claim": sentences.age_at_claim(ask(results, "age_at_claim"), ask(results, "fates")),
    }


def text(sentence: sentences.Sentence) -> str:
    return sentence.text.format(**sentence.numbers)


RUSH = tuple(f"2026-11-17T09:00:0{second}" for second in range(1, 6))


@pytest.fixture(scope="module")
def rush() -> dict[str, sentences.Sentence]:
    return told(scenario(claims=("2026-11-09T12:00", *RUSH), cost_per_instance_hour=1.0), replications=2)


def test_a_rush_is_told_with_its_day_and_local_time(rush):
    assert text(rush["first_dry"]) == (
        "On Tuesday 2026-11-17 at 09:00 EST somebody found the pool of *go* empty for the first time. Its worst first "
        "hour began on Tuesday 2026-11-17 at 09:00 EST with 2 ready: 3 of the 5 people who came found none, and the "
        "longest wait was 3m30s."
    )
    assert text(rush["week"]) == "In the week from Monday 2026-11-16, 3 of 5 claims found no prebuild."


def test_what_the_pools_served_has_its_range_over_replications(rush):
    assert text(rush["served"]).startswith(
        "**The pools served 50.0% of 6 claims** (in nine of ten replications 50.0% to 50.0%); 3 found no prebuild"
    )
    assert rush["served"].numbers["hit_rate_low"] == 0.5


def test_the_hour_with_most_misses_and_their_share_in_the_first_hour_are_told(rush):
    assert "*go* between 9:00 and 10:00: its pool serves 40.0%" in text(rush["worst_hour"])
    assert rush["first_hour"].numbers["first_hour_share"] == 1
    assert rush["demand"].numbers["peak_claims_per_hour"] == 2.5, "five on one of two Tuesdays"


def test_nobody_and_nothing_are_told_as_such():
    nothing = told(scenario(Preset("go", 0)))
    assert text(nothing["served"]).startswith("Nobody asked for a workspace")
    assert text(nothing["first_dry"]) == "No pool was ever asked for one."
    assert text(nothing["week"]) == "In the week from Monday 2026-11-09 nobody came."
    assert text(nothing["idle"]) == "No prebuild stood idle."
    assert text(nothing["failures"]) == "No build of a prebuild failed."
    assert text(nothing["age_at_claim"]) == "No prebuild was built."


def test_a_pool_that_is_never_empty_is_told_as_such():
    calm = told(scenario(Preset("go", 5, 0), claims=("2026-11-09T12:00",)))
    assert text(calm["first_dry"]) == "Whoever came found a prebuild."
    assert "100.0% of 1 claims**; nobody missed one." in text(calm["served"])
    assert text(calm["worst_hour"]) == "Every claim in every hour of the day found a prebuild."
    assert "they never expire" in text(calm["age_at_claim"])
    assert "in nine of ten" not in "".join(map(text, calm.values())), "one replication has no ranges"


def test_failures_are_counted_with_what_the_reconciler_did_about_them():
    failed = told(scenario(failure_probability=1.0))["failures"]
    assert failed.numbers["failed_builds"] == failed.numbers["builds"] == failed.numbers["shown_failures"] > 0
    assert failed.numbers["hard_limits"] == 1


def test_a_history_meets_the_same_people_and_a_profile_does_not():
    assert "same people" in text(sentences.replications(scenario(), 3))
    profile = Scenario(**{**vars(scenario()), "demand": (Profile("go", NEW_YORK, (1.0,) * 168),)})
    assert "its own people" in text(sentences.replications(profile, 3))
    assert "no ranges" in text(sentences.replications(profile, 1))


def test_the_table_has_a_row_for_every_preset_with_units():
    results = list(replicate(scenario(claims=RUSH), seed=7, replications=2))
    table = sentences.overview(ask(results, "summary"), ask(results[0], "pool"), ask(results, "hours")).frame
    assert table["preset"].tolist() == ["go"]
    row = table.iloc[0]
    assert row["hit rate"] == "40.0%"
    assert row["nine of ten hit rates"] == "40.0% to 40.0%"
    assert row["wait p50 / p95 / p99"] == "3m30s / 3m30s / 3m30s"
    assert row["first found empty (first replication)"] == "Tue 17 Nov 09:00 EST"
    assert "hours building / idle" in set(table)
    assert "hard-limited since, for" not in set(table), "no preset was"


def test_what_only_the_first_of_several_replications_knows_is_said_of_it():
    one = next(replicate(scenario(claims=RUSH), seed=7, replications=1))
    told = sentences.first_dry(one.ask("pool"), one.ask("first_hour"), runs=2)
    assert text(told).startswith("In the first replication, on Tuesday 2026-11-17 at 09:00 EST somebody found")
    assert "first found empty" in sentences.overview(one.ask("summary"), one.ask("pool"), one.ask("hours")).frame


def test_a_chosen_week_is_the_one_with_its_date_and_must_lie_in_the_window():
    result = next(replicate(scenario(claims=RUSH), seed=7, replications=1))
    pool, runs = result.ask("pool"), result.ask("runs")
    assert sentences.busiest_week(pool, runs) == date(2026, 11, 16)
    assert sentences.busiest_week(pool, runs, "2026-11-15") == date(2026, 11, 9)
    for wrong in ("2026-11-23", "2026-11-08", "soon"):
        with pytest.raises(InputError, match=r'week: ".*" is not a date from 2026-11-09 to 2026-11-22'):
            sentences.busiest_week(pool, runs, wrong)


def test_weeks_are_those_of_the_presets_zone():
    late = scenario(claims=tuple(f"2026-11-15T23:30:0{s}" for s in range(5)))  # Monday in UTC
    result = next(replicate(late, seed=7, replications=1))
    assert sentences.busiest_week(result.ask("pool"), result.ask("runs")) == date(2026, 11, 9)
