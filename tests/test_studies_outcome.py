"""What a run came to is said as it was: the hard limit beside the hit rate, and every hour that somebody pays for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from scenarios import MONDAY_AT, history, inhabited_fortnight, scenario

import simkit
from simkit.cli import main
from simkit.clock import DAY_US, HOUR_US, MINUTE_US
from simkit.model import (
    Activate,
    Invalidate,
    Pause,
    Preset,
    Reconciler,
    Resume,
    Scenario,
    Schedule,
    TemplateVersion,
    Workload,
    constant,
)
from simkit.runs.simulate import run
from simkit.studies.capacity import sentences
from simkit.studies.choosing import worst_presets
from simkit.studies.outcome import hard_limits, quota, reaped, spent
from simkit.studies.wording import Sentence

TOP = Path(__file__).parent.parent
CLAIMS = tuple((MONDAY_AT + hour * HOUR_US, "p") for hour in range(1, 24))


def text(sentence: Sentence) -> str:
    return sentence.text.format(**sentence.numbers)


def dying(hours: int = 24, **more: object) -> Scenario:
    """A preset whose first three prebuilds fail."""
    workload = Workload(failing_builds=(1, 2, 3), cost_per_instance_hour=2.0)
    return scenario(Preset("p", 1), hours=hours, claims=CLAIMS, **{"workload": workload, **more})


def test_a_hard_limit_says_since_when_for_how_long_what_it_cost_and_what_ends_it():
    answer = run(dying()).ask("hard_limits")
    (told,) = hard_limits(answer)
    assert text(told) == (
        "**The hard limit stopped *p***, on Monday 2026-03-02 at 00:10 UTC, for 23.8 hours: its newest 3 prebuilds had "
        "failed, and Coder builds no more then. 23 of the 23 claims of that time found no prebuild. Nothing ended it "
        "in this window. What does: deleting its failed prebuilds (`failures: {cleared_after: 1d}` in the scenario "
        "plays an operator who does so), or a new version of the template."
    )
    assert told.numbers["hard_limit_1_misses"] == 23
    summary = run(dying()).ask("summary").iloc[0]
    assert (summary["hard_limited_misses"], summary["hard_limited_hours"]) == (23, pytest.approx(23 + 50 / 60))


def of_runs(begins: tuple[int, ...], ended: tuple[str | None, ...]) -> pd.DataFrame:
    """The answer for a run a day's hour of `begins`, each hard-limited from then on to midnight."""
    one = run(dying()).ask("hard_limits").iloc[0]
    rows = [
        one.to_dict()
        | {
            "run_id": f"r{i}",
            "from_at": pd.Timestamp(f"2026-03-02T{hour:02}:00Z"),
            "hours": 24.0 - hour,
            "ended_by": by,
            "until_at": pd.Timestamp("2026-03-03T00:00Z") if by else pd.NaT,
        }
        for i, (hour, by) in enumerate(zip(begins, ended, strict=True))
    ]
    return pd.DataFrame(rows)


def test_of_several_runs_since_and_for_how_long_are_of_the_same_run_and_none_outlasts_the_window():
    """The first run's day beside the median length was a span that ended weeks after the window."""
    (told,) = hard_limits(of_runs((23, 4, 2), (None, None, None)), 5)
    assert text(told).startswith(
        "**The hard limit stopped *p* in 3 of 5 replications**, in half of these by Monday 2026-03-02 at 04:00 UTC "
        "(nine of ten: Monday 2026-03-02 to Monday 2026-03-02), for 20 hours: "
    )
    assert "Nothing ended it in this window." in text(told)
    (even,) = hard_limits(of_runs((23, 4, 2, 22), (None,) * 4), 5)
    assert "in half of these by Monday 2026-03-02 at 04:00 UTC" in text(even)
    assert ", for 20 hours: " in text(even), "of four, the second to begin is not the second shortest"
    (alone,) = hard_limits(of_runs((23,), (None,)), 5)
    assert "in 1 of 5 replications**, on Monday 2026-03-02 at 23:00 UTC, for 1 hour:" in text(alone)


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (
            (None, "deletion", "deletion"),
            "The deletion of failed prebuilds ended it in 2 of these before the window did.",
        ),
        (("version", "deletion", "deletion"), "prebuilds or a new version of the template ended it."),
        (("version", "version", "version"), "A new version of the template ended it."),
    ],
)
def test_what_ends_a_limit_is_counted_over_the_runs(ended, said):
    (told,) = hard_limits(of_runs((1, 2, 3), ended), 3)
    assert said in text(told)
    assert ("What does: deleting" in text(told)) == (None in ended)


def test_a_limit_ends_with_the_deletion_of_a_failure():
    given = dying()
    given = replace(given, workload=replace(given.workload, failed_cleared_after_us=5 * HOUR_US))
    (row,) = run(given).ask("hard_limits").to_dict("records")
    assert (row["ended_by"], str(row["until_at"])) == ("deletion", "2026-03-02 05:01:00+00:00")
    (told,) = hard_limits(run(given).ask("hard_limits"))
    assert "The deletion of failed prebuilds ended it on Monday 2026-03-02 at 05:01 UTC." in text(told)


def test_a_limit_ends_with_a_new_version():
    after = TemplateVersion("t", "v2", (Preset("p", 1),))
    given = dying(events=(Activate(MONDAY_AT + 7 * HOUR_US, after),))
    answer = run(given).ask("hard_limits")
    assert answer["ended_by"].tolist()[0] == "version"
    assert "A new version of the template ended it on Monday 2026-03-02 at 07:00 UTC." in text(
        hard_limits(answer.iloc[:1])[0]
    )
    assert "2 times in all" in text(hard_limits(answer)[0]), "the first three of v2 fail, too"


def test_one_job_that_the_reaper_ended_is_one_job():
    """A daemon that is busy for an hour with the first of the pool."""
    for count, said in ((2, "ended 1 job** that"), (3, "ended 2 jobs** that")):
        given = scenario(Preset("p", count), hours=1, workload=Workload(constant(2 * HOUR_US)), provisioner_daemons=1)
        (told,) = reaped(run(given).ask("reaped"), given)
        assert said in text(told)
        assert "1 provisioner daemon is too few" in text(told)


def test_a_limit_that_is_met_every_morning_is_one_death():
    """The reconciler notes the limit whenever it wants to build again: evenings are no deaths."""
    preset = Preset("p", 0, 0, "UTC", (Schedule("* 8-17 * * *", 2),))
    given = scenario(preset, hours=24 * 9, workload=Workload(failure_probability=1.0))
    result = run(given)
    assert result.tables["reconciler_decisions"]["hard_limited"].sum() > 5
    assert len(result.ask("hard_limits")) == 1
    told = sentences.failures(result.ask("failures"), result.ask("summary"))
    assert text(told).endswith("and the hard limit stopped 1 preset.")


def test_of_many_dead_presets_those_with_most_misses_are_told_and_the_others_named():
    presets = [Preset(f"p{i}", 1) for i in range(9)]
    claims = tuple((MONDAY_AT + (1 + i) * HOUR_US, f"p{i % 3}") for i in range(20))
    dead = Workload(failing_builds=(1, 2, 3))
    told = hard_limits(run(scenario(*presets, hours=24, claims=claims, workload=dead)).ask("hard_limits"))
    assert [s.numbers.get(f"hard_limit_{i}_misses") for i, s in enumerate(told, 1)] == [7, 7, 6, 0, 0, 0, None]
    assert "Nobody asked for one in that time." in text(told[3])
    assert text(told[-1]) == "**The hard limit stopped 3 more**, with fewer misses: p6, p7, p8."


@pytest.mark.parametrize("limit", [0, 4])
def test_no_limit_no_sentence(limit: int):
    result = run(dying(reconciler=Reconciler(failure_hard_limit=limit)))
    assert hard_limits(result.ask("hard_limits")) == []
    assert result.ask("summary")["hard_limited_hours"].tolist() == [0]


def test_three_regions_say_on_the_terminal_that_they_are_dead():
    """A hit rate of 8 % with not a word about the limit that caused it was a false answer."""
    path = str(TOP / "data" / "scenarios" / "three-regions.yaml")
    done = CliRunner().invoke(main, ["run", path, "--seed", "7"], env={"COLUMNS": "80"})
    head, told = done.stdout.split("\n\n", 1)
    assert "hard-" in head
    assert "limited" in head
    assert "The hard limit stopped backend-us, on Wednesday 2026-10-07 at 11:00 EDT, for 39.6 days" in told.replace(
        "\n", " "
    )
    answer = simkit.run(simkit.load(path), seed=7).ask("hard_limits")
    summary = simkit.run(simkit.load(path), seed=7).ask("summary").set_index("preset")
    assert summary.loc["backend-us", "hit_rate"] < 0.1
    unlimited = replace(simkit.load(path), reconciler=Reconciler(failure_hard_limit=0))
    assert simkit.run(unlimited, seed=7).ask("summary").set_index("preset").loc["backend-us", "hit_rate"] > 0.8
    assert set(answer["preset"]) == set(summary.index)


def week(ttl_us: int, build_us: int = 30 * MINUTE_US, instances: int = 4) -> Scenario:
    return scenario(
        Preset("a", instances, ttl_us),
        hours=7 * 24,
        claims=((MONDAY_AT + 12 * HOUR_US, "a"),),
        provisioner_daemons=6,
        workload=Workload(constant(build_us), constant(0), delete=constant(MINUTE_US), cost_per_instance_hour=1.0),
    )


@pytest.mark.parametrize(
    ("ttl_us", "build_us", "instances"),
    [
        (HOUR_US, 30 * MINUTE_US, 4),
        (DAY_US, 30 * MINUTE_US, 4),
        (2 * HOUR_US, 90 * MINUTE_US, 1),
        (0, 5 * MINUTE_US, 7),
        (HOUR_US, MINUTE_US, 2),
    ],
)
def test_a_pool_that_is_always_wanted_is_paid_for_all_the_time(ttl_us: int, build_us: int, instances: int):
    """A shorter TTL looked cheaper, for what is built was left out."""
    hours = run(week(ttl_us, build_us, instances)).ask("hours").iloc[0]
    assert hours["pool_hours"] == hours["building_hours"] + hours["idle_hours"] + hours["deleting_hours"]
    # All the week, less the ticks that somebody waits for, and more where an old one goes while the next is built.
    assert hours["pool_hours"] == pytest.approx(7 * 24 * instances, rel=0.05)
    assert hours["pool_cost"] == hours["pool_cost_per_week"] == hours["pool_hours"]
    assert hours["claimed_hours"] == pytest.approx(7 * 24 - 12)
    assert hours["billed_cost"] == pytest.approx(hours["pool_cost"] + hours["failed_hours"] + hours["claimed_hours"])


def test_a_shorter_ttl_is_not_cheaper():
    short, long = (run(week(ttl_us)).ask("hours").iloc[0] for ttl_us in (HOUR_US, DAY_US))
    assert short["idle_hours"] < 0.6 * long["idle_hours"]
    assert short["pool_cost"] >= long["pool_cost"]


def test_what_failed_builds_leave_behind_is_counted_to_its_deletion():
    given = dying(hours=10)
    left = run(given).ask("hours").iloc[0]["failed_hours"]
    assert left == pytest.approx(3 * 10 - (3 + 6 + 9) / 60)
    cleared = replace(given, workload=replace(given.workload, failed_cleared_after_us=HOUR_US))
    assert run(cleared).ask("hours").iloc[0]["failed_hours"] == pytest.approx(3 * (1 + 1 / 60) - 9 / 60)


def test_the_sentence_on_money_says_which_hours_it_holds():
    hours = run(week(HOUR_US)).ask("hours")
    told = spent(hours, week(HOUR_US))
    said = text(told)
    for word in ("building", "idle", "being deleted", "a week"):
        assert word in said
    assert "left behind" not in said, "nothing failed: one total is enough"
    assert said.count("680") == 3, "its hours, and at 1 USD each its cost, in a window of a week"
    failing = dying(hours=10)
    assert "With 30 that failed builds left behind that is " in text(spent(run(failing).ask("hours"), failing))
    assert "Workspaces that somebody has claimed are not in it" in said, "nobody knows when those stop"
    assert told.numbers["total_cost"] == pytest.approx(hours["pool_cost"].iloc[0])
    lived_in = inhabited_fortnight()
    assert "claimed by people that is" in text(spent(run(lived_in).ask("hours"), lived_in))
    free = replace(week(HOUR_US), workload=Workload(), demand=())
    assert "USD" not in text(spent(run(free).ask("hours"), free))
    assert "not in it" not in text(spent(run(free).ask("hours"), free))


def test_a_preset_without_a_pool_has_no_hit_rate_and_counts_nowhere():
    claims = ((MONDAY_AT + HOUR_US, "p"), (MONDAY_AT + 2 * HOUR_US, "none"), (MONDAY_AT + 3 * HOUR_US, "none"))
    given = scenario(
        versions=(TemplateVersion("t", "v1", (Preset("p", 1), Preset("none", 0))),), demand=history(*claims)
    )
    result = run(given)
    summary = result.ask("summary")
    for question in ("pool", "hit_rate", "hit_rate_by_hour", "first_hour"):
        assert set(result.ask(question)["preset"]) == {"p"}, question
    assert worst_presets(summary) == ["p"]
    assert summary["has_pool"].tolist() == [True, False]
    assert summary["hit_rate"].isna().tolist() == [False, True]
    said = text(sentences.served(summary))
    assert said.startswith("**The pools served 100.0% of 1 claims**; nobody missed one.")
    assert "2 claims were for presets without a pool (none), and are not among them." in said


def test_a_pause_that_explains_misses_is_said_and_one_that_does_not_is_not():
    claims = tuple((MONDAY_AT + 10 * HOUR_US + i * 20 * MINUTE_US, "p") for i in range(12))
    paused = (Pause(MONDAY_AT + 10 * HOUR_US), Resume(MONDAY_AT + 12 * HOUR_US))
    result = run(scenario(Preset("p", 2), hours=24, claims=claims, events=paused))
    (told,) = sentences.events(result.ask("events"), result.ask("summary"))
    assert text(told) == (
        "**The reconciler was paused** from Monday 2026-03-02 at 10:00 UTC to Monday 2026-03-02 at 12:00 UTC. "
        "Meanwhile 4 of 6 claims found no prebuild (67%; 17% at other times)."
    )
    at_night = (Pause(MONDAY_AT + HOUR_US), Resume(MONDAY_AT + 2 * HOUR_US))
    calm = run(scenario(Preset("p", 2), hours=24, claims=claims, events=at_night))
    assert calm.ask("events")["misses"].tolist() == [0]
    assert sentences.events(calm.ask("events"), calm.ask("summary")) == []


def test_an_invalidation_and_a_new_version_explain_the_misses_of_the_next_hour():
    claims = tuple((MONDAY_AT + 10 * HOUR_US + i * 15 * MINUTE_US + MINUTE_US, "p") for i in range(20))
    workload = Workload(constant(20 * MINUTE_US), constant(0), constant(0), constant(0), constant(0))
    after = TemplateVersion("t", "v2", (Preset("p", 3),))
    for event, said in (
        (Invalidate(MONDAY_AT + 11 * HOUR_US), "**Prebuilds were invalidated** on Monday 2026-03-02 at 11:00 UTC"),
        (
            Activate(MONDAY_AT + 11 * HOUR_US, after),
            "**A new version**, *v2*, became active on Monday 2026-03-02 at 11:00",
        ),
    ):
        given = scenario(
            Preset("p", 3), hours=24, claims=claims, events=(event,), workload=workload, provisioner_daemons=9
        )
        result = run(given)
        (told,) = sentences.events(result.ask("events"), result.ask("summary"))
        assert text(told).startswith(said)


def test_a_pause_without_an_end_lasts_to_the_windows_and_a_second_one_is_none():
    events = (Pause(MONDAY_AT + HOUR_US), Pause(MONDAY_AT + 2 * HOUR_US), Resume(MONDAY_AT + 3 * HOUR_US))
    events += (Pause(MONDAY_AT + 5 * HOUR_US),)
    answer = run(scenario(Preset("p", 1), hours=6, events=events)).ask("events")
    spans = [(at.hour, until.hour) for at, until in zip(answer["happened_at"], answer["until_at"], strict=True)]
    assert spans == [(1, 3), (5, 6)]


@pytest.mark.parametrize(
    ("claims_at", "begins"),
    [
        ((7.5, 9.0, 9.1, 9.2, 9.3, 9.4, 14.0), 9),  # who comes alone before the others begins no day
        ((3.2, 9.0, 9.5), 3),  # one of two does
        ((22.0, 22.1, 23.9), 22),  # a night shift
        ((12.0,), 12),
    ],
)
def test_a_day_begins_with_its_people_however_early_the_pool_is_warm(claims_at: tuple[float, ...], begins: int):
    preset = Preset("p", 0, 0, "UTC", (Schedule("* 5-20 * * *", 3),))
    claims = tuple((MONDAY_AT + round(hour * HOUR_US), "p") for hour in claims_at)
    days = run(scenario(preset, hours=48, claims=claims)).ask("first_hour")
    assert [at.hour for at in days["started_at"]] == [begins], "and a day on which nobody comes has no first hour"
    assert days["claims"].tolist() == [sum(begins <= at < begins + 1 for at in claims_at)]


def test_a_run_in_which_the_reaper_ended_jobs_says_how_many_since_when_and_whose():
    given = scenario(Preset("p", 40), hours=4, workload=Workload(constant(10 * MINUTE_US)))
    (told,) = reaped(run(given).ask("reaped"), given)
    assert text(told).startswith(
        "**The reaper ended {:,} jobs** that no daemon had taken for 30 minutes, first on Monday 2026-03-02 at 00:31 "
        "UTC".format(told.numbers["reaped_jobs"])
    )
    assert told.numbers["reaped_jobs"] == told.numbers["reaped_of_prebuilds"] >= 28
    both = [run(given, 7), run(replace(given, has_reaper=False), 7)]
    assert [len(reaped(result.ask("reaped"), given)) for result in both] == [1, 0]


def crowded(**more: object) -> Scenario:
    dear, workload = Workload(daily_cost=8), Workload(daily_cost=4)
    return scenario(
        Preset("p", 3), Preset("q", 2), workload=workload, workloads=(("q", dear),), provisioner_daemons=9, **more
    )


def test_the_quota_is_said_with_what_it_ended_and_what_would_hold_all():
    given = crowded(prebuilds_quota=20)
    (told,) = quota(run(given).ask("quota"), given)
    said = text(told)
    count = len(run(given).ask("quota"))
    assert said.startswith(
        f"**The quota of the prebuilds group ended {count} builds**, first on Monday 2026-03-02 at 00:03"
    )
    assert "it allows 20 a day, and the schedules ask for up to 28 at once" in said
    assert "An allowance of 28 holds what they ask for" in said
    enough = replace(given, prebuilds_quota=28)
    assert quota(run(enough).ask("quota"), enough) == []


def test_over_several_runs_the_quota_is_said_of_those_in_which_it_bound():
    given = crowded(prebuilds_quota=20)
    runs = [run(given, replication=i) for i in range(3)]
    (told,) = quota(simkit.ask(runs, "quota"), given, 4)
    assert "builds** (median; 3 of 4 replications), first on" in text(told)
