"""What is recommended meets its target in exact runs, says what bound it, and refuses what cannot be meant."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from decided import decided, six_weeks
from result_schema import faults
from scenarios import MONDAY_AT, scenario

from simkit import InputError, load, recommend
from simkit.clock import HOUR_US, MINUTE_US, NEVER, SECOND_US, UTC_ZONE, WEEK_US
from simkit.decide.advice import document, queue_said, sentences, verdict
from simkit.decide.asked import Asked
from simkit.decide.bounds import OF_WEEK
from simkit.decide.margins import Weeks, lower_limit
from simkit.decide.plan import Block, Plan
from simkit.decide.recommendation import CONFIDENCE, Recommendation
from simkit.estimates import share_interval
from simkit.model import Daemons, History, Preset, Profile, Scenario, Schedule, Workload, constant, lognormal
from simkit.runs.counts import count
from simkit.runs.givens import givens
from simkit.runs.measures import measures, measures_by_week
from simkit.runs.simulate import run

BUILD = lognormal(5 * MINUTE_US, 8 * MINUTE_US)
WORK = Workload(BUILD, cost_per_instance_hour=0.5)
THREE_REGIONS = Path(__file__).parent.parent / "data" / "scenarios" / "three-regions.yaml"
TODAY = Preset("dev", 6, timezone="UTC", schedules=(Schedule("* 8-18 * * 1-5", 9),))


def history(weeks: int, per_hour: float = 3.0, seed: int = 8, names: tuple[str, ...] = ("dev",)) -> History:
    """Claims on working days from 7 to 17 UTC."""
    rng = np.random.default_rng(seed)
    hours = np.arange(weeks * 168)
    busy = (hours // 24 % 7 < 5) & (hours % 24 >= 7) & (hours % 24 < 17)
    many = rng.poisson(np.where(busy, per_hour, 0.05))
    at = np.sort(MONDAY_AT + np.repeat(hours, many) * HOUR_US + rng.integers(0, HOUR_US, many.sum()))
    return History(at, tuple(names[i % len(names)] for i in range(at.size)))


def office(weeks: int = 12, *presets: Preset, **more: object) -> Scenario:
    presets = presets or (TODAY,)
    given = scenario(*presets, provisioner_daemons=10, workload=WORK)
    demand = history(weeks, names=tuple(p.name for p in presets))
    span = {"start_at": MONDAY_AT, "end_at": MONDAY_AT + weeks * WEEK_US}
    return replace(given, **{"demand": demand, **span, **more})


@pytest.fixture(scope="module")
def found() -> Recommendation:
    return recommend(office(), 0.95)


def test_the_recommendation_meets_the_target_in_an_exact_run_and_idles_less_than_today(found: Recommendation):
    (one,) = found.presets
    exact = measures(run(found.advised, 0))
    assert one.is_met
    assert found.is_met
    assert one.after.hit_rate == pytest.approx(float(exact.hit_rate[0]))
    assert one.after.idle_hours_per_week == pytest.approx(float(exact.idle_instance_hours[0]) / exact.weeks)
    assert one.after.pool_hours_per_week == pytest.approx(float(exact.pool_instance_hours[0]) / exact.weeks)
    assert one.after.wait_p95_s == float(exact.wait_s[0, 1])
    assert one.after.cost_per_week == pytest.approx(one.after.pool_hours_per_week * 0.5)
    assert one.after.hit_rate >= 0.95
    assert one.before.hit_rate == pytest.approx(float(measures(run(found.scenario, 0)).hit_rate[0]))
    assert one.after.idle_hours_per_week < one.before.idle_hours_per_week
    assert one.limit >= 0.95
    assert found.runs <= 40


def test_the_aim_is_what_the_next_quarter_is_not_below(found: Recommendation):
    weeks = measures_by_week(run(found.advised, 0))
    hits, claims = weeks.hits[0].astype(float), weeks.claims[0].astype(float)
    (one,) = found.presets
    assert one.limit == pytest.approx(float(lower_limit(Weeks(hits, claims), CONFIDENCE)), abs=0.002)
    assert one.outlook.interval.low < one.limit < one.aim <= one.outlook.interval.high


def test_the_front_has_nothing_that_another_beats_and_the_ladder_ascends(found: Recommendation):
    (one,) = found.presets
    rates, idle = [p.hit_rate for p in one.front], [p.idle_hours_per_week for p in one.front]
    assert rates == sorted(rates)
    assert idle == sorted(idle)
    assert len(one.front) > 2
    ladder = {r.name: r.idle_hours_per_week for r in one.ladder if r.in_sample}
    assert list(ladder.values()) == sorted(ladder.values())
    assert ladder[OF_WEEK] < ladder["best with 3 schedules at most"] < one.after.idle_hours_per_week
    assert one.after.idle_hours_per_week < ladder["one number all week"]


@pytest.mark.parametrize(("target", "schedules"), [(0.8, 1), (0.8, 3), (0.85, 1), (0.9, 3), (0.95, 3), (0.97, 3)])
def test_nothing_on_the_front_is_better_than_what_is_recommended(target: float, schedules: int):
    (one,) = recommend(six_weeks(), target, max_schedules=schedules).presets
    (own,) = [point for point in one.front if point.plan == one.plan]
    assert (own.hit_rate, own.limit) == (one.after.hit_rate, one.limit)
    assert own.limit >= target - 1e-9
    for other in one.front:
        assert other.limit < target or other.idle_hours_per_week >= own.idle_hours_per_week, other
    assert one.plan.merged == one.plan, "no line is needless"


def test_a_plan_that_the_tables_take_for_better_than_it_is_leads_to_no_dear_one():
    (one,) = recommend(six_weeks(), 0.97, max_schedules=3).presets
    enough = (Block(8, 9, 0b11111, 3), Block(10, 15, 0b11111, 2), Block(16, 16, 0b11111, 1))
    of = six_weeks().with_presets(lambda preset: Plan(0, enough).of(preset, "UTC"))
    exact = measures(run(of, 0))
    assert float(exact.hit_rate[0]) > 0.98
    assert one.after.idle_hours_per_week <= float(exact.idle_instance_hours[0]) / exact.weeks


def test_three_sentences_say_why_with_a_number_each(found: Recommendation):
    (one,) = found.presets
    assert len(one.why) == 3
    assert all(any(letter.isdigit() for letter in text) for text in one.why)


def test_the_same_question_has_the_same_answer(found: Recommendation):
    told: list[tuple[int, int]] = []
    again = recommend(office(), 0.95, told=lambda *of: told.append(of))
    assert again.presets[0].plan == found.presets[0].plan
    assert again.presets[0].after == found.presets[0].after
    assert again.runs == found.runs
    assert [done for done, _ in told] == list(range(1, again.runs + 1)), "each run is told"
    assert all(done < of for done, of in told)


@pytest.mark.parametrize("made", [lambda: ThreadPoolExecutor(1), lambda: ProcessPoolExecutor(2)], ids=["one", "two"])
def test_whoever_computes_the_runs_the_answer_is_the_same(found: Recommendation, made: Callable[[], Executor]):
    with made() as executor:
        again = recommend(office(), 0.95, executor=executor)
    assert document(again) == document(found)


def test_weeks_held_out_are_not_looked_at():
    demand = history(16)
    late = demand.claim_at >= MONDAY_AT + 12 * WEEK_US
    many = replace(demand, claim_at=np.sort(np.concatenate([demand.claim_at, demand.claim_at[late] + MINUTE_US])))
    many = replace(many, preset=("dev",) * many.claim_at.size)
    quiet = recommend(office(16, demand=demand), 0.95, holdout_weeks=4)
    busy = recommend(office(16, demand=many), 0.95, holdout_weeks=4)
    assert quiet.presets[0].plan == busy.presets[0].plan
    assert quiet.fitted_weeks == 12
    held, other = quiet.presets[0].held_out, busy.presets[0].held_out
    assert held is not None
    assert other is not None
    assert held.is_recommended
    assert held.weeks == 4
    assert other.rate < held.rate, "twice as many people find less"


def test_fewer_schedules_are_kept_to():
    assert recommend(office(), 0.95, max_schedules=0).advised.versions[0].presets[0].schedules == ()
    assert len(recommend(office(), 0.95, max_schedules=1).presets[0].plan.blocks) == 1


def test_with_failures_nothing_is_recommended_that_drowns_unsaid():
    failing = office(12, workload=replace(WORK, failure_probability=0.01))
    one = recommend(failing, 0.9)
    (advice,) = one.presets
    assert int(advice.plan.levels.min()) >= 3
    exact = measures(run(one.advised, 0))
    assert float(exact.hit_rate[0]) >= 0.9
    assert any("Never fewer than 3" in text for text in advice.bound)
    free = recommend(office(), 0.9).presets[0]
    assert int(free.plan.levels.min()) < 3, "without failures nothing keeps it up"


def test_how_often_todays_numbers_drown_is_said_where_they_are_below_the_hard_limit():
    (one,) = decided(failing=0.02).presets
    (text,) = [text for text in one.bound if text.startswith("Today's numbers go below 3")]
    today = six_weeks(failing=0.02)
    ended = sum(int(measures_by_week(run(today, 0, i)).hits[0, -1]) == 0 for i in range(20))
    said = int(text.partition(" of 20 replications")[0].split()[-1])
    assert ended <= said <= ended + 2, "some end within the last week"
    assert ended > 10
    high = office(6, replace(TODAY, schedules=()), workload=replace(WORK, failure_probability=0.01))
    (kept,) = recommend(high, 0.9, max_schedules=0).presets
    assert not any("Today's numbers" in text for text in kept.bound)


def test_a_plan_that_the_hard_limit_may_end_says_so_first_and_how_often():
    found = recommend(load(THREE_REGIONS), preset="backend-us", max_schedules=1)
    (one,) = found.presets
    assert one.drowned is not None
    runs = [run(found.advised, found.seed, i) for i in range(one.drowned.replications)]
    ended = [measures(of) for of in runs]
    which = ended[0].presets.index("backend-us")
    assert sum(of.hit_rate[which] < 0.5 for of in ended) == len(one.drowned.after_days) > 0
    assert verdict(one).startswith("Meets 95.0% only while the hard limit stays away: ")
    assert f"in {len(one.drowned.after_days)} of {one.drowned.replications} replications" in verdict(one)
    assert any("cleared_after" in text for text in one.bound)
    assert one.drowned.replications == 20
    assert found.runs < 90, "higher numbers, which drown, too, are not looked at twenty times"
    assert f"({one.drowned.share.low:.0%} to {one.drowned.share.high:.0%} of many more)" in verdict(one)
    assert sentences(one)[-1].endswith("nor the end by the hard limit.")
    assert one.outlook.of_builds < 0.02, "how pools that live differ, not that some die"
    assert faults(json.loads(json.dumps(document(found))), "simkit.decide", "recommendation.schema.json") == []


@pytest.mark.slow
def test_a_year_with_failures_drowns_as_often_as_is_said():
    many = office(52, workload=replace(WORK, failure_probability=0.01))
    few = replace(many, demand=history(52, per_hour=0.6))
    for year in (many, few):
        found = recommend(year, 0.9)
        (one,) = found.presets
        of = [measures(run(found.advised, 1, i)) for i in range(20)]  # replications that it has not seen
        ended = sum(float(exact.hit_rate[0]) < 0.85 for exact in of)
        share = one.drowned.share if one.drowned is not None else share_interval(0, 20)
        fresh = share_interval(ended, 20)
        assert share.low <= fresh.high
        assert fresh.low <= share.high
        assert one.drowned is not None or any("in none of 20 replications" in text for text in one.bound)


def test_a_target_beyond_the_daemons_is_not_met_and_says_what_binds():
    slow = office(
        8, provisioner_daemons=1, workload=Workload(constant(40 * MINUTE_US)), demand=history(8, per_hour=1.6)
    )
    found = recommend(slow, 0.99)
    (one,) = found.presets
    assert not found.is_met
    assert any("provisioner daemons bind" in text for text in one.bound)
    assert any("points" in text and "missed" in text for text in one.bound)
    assert found.queue is not None
    assert found.queue.mending_daemons is not None
    assert found.queue.mending_daemons > 1


def early_birds(daemons: int) -> Scenario:
    """Twelve weeks: six people come for `dev` around nine on each working day, and four before them, around eight, for
    `odd`, which has no pool, so that they may stand behind what is built for the six."""
    rng = np.random.default_rng(8)
    days = np.flatnonzero(np.arange(7 * 12) % 7 < 5)
    at = {
        "dev": days[:, None] * 24 + 9 + rng.random((60, 6)) * 0.4,
        "odd": days[:, None] * 24 + 8 + rng.random((60, 4)) * 0.5,
    }
    claims = sorted((MONDAY_AT + int(hour * HOUR_US), name) for name, of in at.items() for hour in of.ravel())
    presets = (Preset("dev", 0, timezone="UTC", schedules=(Schedule("* 9-10 * * 1-5", 1),)), Preset("odd", 0))
    given = scenario(*presets, workload=Workload(constant(12 * MINUTE_US)), provisioner_daemons=daemons)
    demand = History(np.array([at for at, _ in claims]), tuple(name for _, name in claims))
    return replace(given, start_at=MONDAY_AT, end_at=MONDAY_AT + 12 * WEEK_US, demand=demand)


def waits_at(hour: int, of: Scenario) -> float:
    """How long people's builds wait for a daemon on average in this hour of the day (UTC), in seconds."""
    found = count(givens(of, 0, 0))
    in_hour = (found.claimed_at // HOUR_US % 24 == hour) & (found.queued_us != NEVER)
    return float(found.queued_us[in_hour].mean()) / 1e6


def test_people_who_wait_behind_prebuilds_are_told_why_and_which_daemons_would_mend_it():
    found = recommend(early_birds(3), 0.8, preset="dev", max_schedules=1)
    queue = found.queue
    assert queue is not None
    advised = found.advised
    assert queue.hour == 8
    assert queue.after_s == pytest.approx(waits_at(8, advised))
    assert queue.before_s == pytest.approx(waits_at(8, found.scenario))
    assert queue.after_s > queue.before_s + 60, "what is recommended is built at eight, today's pool at nine"
    tags = (("pool", "prebuilds"),)
    apart = replace(advised, provisioners=(Daemons(3), Daemons(99, tags)), prebuild_tags=tags)
    assert queue.own_s == pytest.approx(waits_at(8, apart))
    assert queue.own_s < queue.after_s - 60
    assert queue.builds == pytest.approx(found.presets[0].plan.levels[8], abs=0.5), "the pool is filled in that hour"
    assert queue.mending_daemons is not None
    assert waits_at(8, replace(advised, provisioner_daemons=queue.mending_daemons)) < 30
    assert waits_at(8, replace(advised, provisioner_daemons=4)) >= 30, "one more is tried, and is too few"
    (text,) = queue_said(queue)
    assert f"because {queue.builds:,.0f} prebuilds are ordered in that hour" in text
    assert recommend(early_birds(40), 0.8, preset="dev", max_schedules=1).queue is None


def test_more_prebuilds_than_daemons_can_build_in_time_are_not_taken_for_safer():
    (one,) = recommend(early_birds(3), 0.85, preset="dev", max_schedules=1).presets
    assert one.after.hit_rate > 0.85, "six at nine come too late, where five serve nearly all"


def test_a_limit_of_cost_is_kept_and_named():
    full = recommend(office(), 0.97).presets[0]
    found = recommend(office(), 0.97, max_cost_per_week=full.after.cost_per_week * 0.7)
    (one,) = found.presets
    assert one.after.cost_per_week <= full.after.cost_per_week * 0.7
    assert not found.is_met
    assert any("not enough for the target" in text for text in one.bound)


@pytest.mark.slow
def test_a_limit_of_the_wait_asks_for_nineteen_of_twenty():
    found = recommend(office(), 0.5, max_wait_p95_s=60)
    (one,) = found.presets
    assert one.after.wait_p95_s <= 60
    assert one.after.hit_rate >= 0.95
    assert recommend(office(), 0.5).presets[0].after.wait_p95_s > 60, "otherwise this proves nothing"


def test_a_wait_is_looked_at_in_exact_runs_and_takes_no_more_than_it_needs():
    given = six_weeks()
    found = recommend(given, 0.8, max_wait_p95_s=60, max_schedules=1)
    (one,) = found.presets
    exact = run(found.advised, 0)
    assert float(measures(exact).wait_s[0, 1]) == one.after.wait_p95_s <= 60
    assert one.in_time is not None
    assert found.is_met
    assert one.in_time.limit >= 0.9495
    assert one.in_time.seen < 0.985, "hardly more are served than have to be"
    assert any("takes a higher hit rate" in text for text in one.bound)
    easy = recommend(given, 0.5, max_wait_p95_s=700, max_schedules=1)
    assert easy.is_met
    assert easy.presets[0].after.hit_rate < 0.7, "who waits for a build is served in time, too"


def test_a_wait_that_no_number_keeps_is_not_said_to_be_met():
    one_daemon = replace(six_weeks(), provisioner_daemons=1)
    found = recommend(one_daemon, 0.9, max_wait_p95_s=10, max_schedules=1)
    (one,) = found.presets
    assert one.is_target_met
    assert not found.is_met
    assert verdict(one).startswith("Meets 90.0%, but not the wait")
    assert any("A wait of 10 s at p95 is missed" in text for text in one.bound)
    assert faults(json.loads(json.dumps(document(found))), "simkit.decide", "recommendation.schema.json") == []


def test_numbers_below_the_hard_limit_are_tried_with_failures_where_there_are_none():
    found = decided()
    (one,) = found.presets
    (text,) = [text for text in one.bound if text.startswith("The scenario says that no build fails.")]
    failing = replace(found.advised, workload=replace(found.advised.workload, failure_probability=0.01))
    ended = sum(float(measures(run(failing, 0, i)).hit_rate[0]) < 0.8 for i in range(5))
    assert f"in {ended} of 5 replications (tried)" in text
    (sure,) = decided(failing=0.02).presets
    assert not any("no build fails" in text for text in sure.bound)


@pytest.mark.slow
def test_a_lifetime_may_be_chosen_too():
    found = recommend(office(), 0.95, ttls_us=(HOUR_US, 0))
    assert found.presets[0].preset.ttl_us == 0, "building anew every hour is dearer"
    assert any("TTLs tried" in note for note in found.notes)


def test_presets_that_share_daemons_are_judged_together():
    two = office(10, TODAY, replace(TODAY, name="gpu", instances=1))
    found = recommend(two, 0.9)
    assert [one.preset.name for one in found.presets] == ["dev", "gpu"]
    exact = measures(run(found.advised, 0))
    assert [one.after.hit_rate for one in found.presets] == pytest.approx(exact.hit_rate.tolist())
    alone = recommend(two, 0.9, preset="gpu")
    assert [one.preset.name for one in alone.presets] == ["gpu"]
    assert alone.advised.versions[0].presets[0] == TODAY, "the other stays as it is"


def test_a_profile_is_drawn_as_often_as_weeks_are_needed():
    rates = tuple(3.0 if hour // 24 < 5 and 8 <= hour % 24 < 18 else 0.1 for hour in range(168))
    found = recommend(office(2, demand=(Profile("dev", UTC_ZONE, rates),)), 0.9)
    assert found.weeks == 26
    assert found.is_met
    assert math.isnan(found.presets[0].outlook.of_builds)


@pytest.mark.parametrize(
    ("target", "more", "said"),
    [
        (1.0, {}, "can be promised by no pool"),
        (1.5, {}, "a target of 1.5 is no share of the claims; write 0.95 or 95%"),
        (0.0, {}, "needs no pool at all"),
        (-0.1, {}, "a target of -0.1 is no share"),
        (float("nan"), {}, "--target-hit-rate: a target of nan is no share"),
        (0.9, {"max_schedules": -1}, "write 0 to 5"),
        (0.9, {"max_cost_per_week": 0.0}, "is 0; write an amount above 0"),
        (0.9, {"max_cost_per_week": float("nan")}, "--max-cost-per-week"),
        (0.9, {"preset": "deb"}, 'there is no preset "deb"; write "dev"'),
        (0.9, {"holdout_weeks": 9}, "its window has 12 whole weeks less 9 held out"),
        (0.9, {"holdout_weeks": 0}, "--holdout: 0 weeks cannot judge; write 13w, or leave it out"),
        (0.9, {"holdout_weeks": -3}, "--holdout: -3 weeks cannot judge"),
        (0.9, {"max_wait_p95_s": -1.0}, "--max-wait-p95: is -1 s; write a duration"),
        (0.9, {"max_wait_p95_s": float("nan")}, "--max-wait-p95: is nan s; write a duration"),
    ],
)
def test_what_cannot_be_meant_is_refused(target: float, more: dict[str, object], said: str):
    with pytest.raises(InputError) as error:
        recommend(office(), target, **more)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("work", "within_s", "least_s"),
    [
        (Workload(BUILD, claim=constant(20 * SECOND_US)), 19.9, 20),
        (Workload(BUILD, claim=constant(20 * SECOND_US), reinitialize=constant(5 * SECOND_US)), 24, 25),
        (Workload(BUILD, claim=lognormal(20 * SECOND_US, 60 * SECOND_US)), 60, 61),
        (Workload(constant(8 * SECOND_US), agent=constant(0), claim=constant(20 * SECOND_US)), 7, 8),
    ],
)
def test_a_wait_that_a_claim_takes_by_itself_is_refused_at_once(work: Workload, within_s: float, least_s: int):
    given = office(workload=work)
    with pytest.raises(InputError, match=f"takes longer by itself, whatever is set; write {least_s}s or more"):
        recommend(given, 0.9, max_wait_p95_s=within_s)
    asked = Asked(given, 0.9, None, None, 1, None, None, 0)
    replace(asked, max_wait_p95_s=float(least_s)).check()


def test_a_cost_needs_a_price_of_the_preset_that_is_asked_for():
    two = office(10, TODAY, replace(TODAY, name="gpu"), workloads=(("gpu", replace(WORK, cost_per_instance_hour=0)),))
    with pytest.raises(InputError, match="needs a price"):
        recommend(two, 0.9, max_cost_per_week=4, preset="gpu")
    Asked(two, 0.9, None, 4, 1, "dev", None, 0).check()


def test_weeks_held_out_of_a_demand_that_is_drawn_leave_enough_to_choose_by():
    drawn = office(2, demand=(Profile("dev", UTC_ZONE, (1.0,) * 168),))
    with pytest.raises(InputError, match="26 weeks are drawn, of which 4 have to choose; write 22w at most"):
        recommend(drawn, 0.9, holdout_weeks=23)
    Asked(drawn, 0.9, None, None, 1, None, 22, 0).check()


def test_no_demand_and_too_little_of_it_are_refused():
    with pytest.raises(InputError, match="nobody asks"):
        recommend(office(demand=()), 0.9)
    with pytest.raises(InputError, match="nobody asks"):
        recommend(office(demand=(Profile("dev", UTC_ZONE, (0.0,) * 168),)), 0.9)
    with pytest.raises(InputError, match="needs at least 4"):
        recommend(office(3), 0.9)
    drawn = office(demand=(Profile("dev", UTC_ZONE, (1.0,) * 168),))
    with pytest.raises(InputError, match="shorter than a week"):
        recommend(replace(drawn, end_at=drawn.start_at + 6 * 24 * HOUR_US), 0.9)
    with pytest.raises(InputError, match="needs a price"):
        recommend(office(workload=Workload(BUILD)), 0.9, max_cost_per_week=4)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(InputError) as error:
        recommend(office(2), 2.0, preset="x", max_schedules=9)
    assert len(error.value.problems) == 4
