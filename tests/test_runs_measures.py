"""Measures from the kernel's rows are what the questions answer."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from scenarios import (
    MONDAY_AT,
    busy_week,
    history,
    inhabited,
    inhabited_fortnight,
    scenario,
    scenarios,
    with_an_executor_for_prebuilds,
)

from simkit.clock import HOUR_US, MINUTE_US, NEVER, WEEK_US, Zone
from simkit.coder_versions import BEHAVIOURS
from simkit.core import facts
from simkit.model import Preset, Scenario, TemplateVersion, Workload, constant
from simkit.runs.measures import SPENT, measures, measures_between, measures_by_hour, measures_by_week
from simkit.runs.result import Result
from simkit.runs.simulate import run
from simkit.store import ask
from simkit.store.memory import connection_over

ASKED = ("summary", "hours", "demand", "idle")


def assert_as_asked(*given: Scenario, seed: int = 7) -> None:
    """Asked of all of them at once, for a question costs as much of one."""
    results = {result.run_id: result for result in (run(each, seed) for each in given)}
    told = {question: ask(list(results.values()), question) for question in ASKED}
    for run_id, result in results.items():
        assert_told(result, {question: answer[answer["run_id"] == run_id] for question, answer in told.items()})


def assert_told(result: Result, told: dict[str, pd.DataFrame]) -> None:
    found, summary, hours = measures(result), told["summary"], told["hours"]
    assert list(found.presets) == summary["preset"].tolist()
    for column in ("claims", "hits", "still_waiting", "builds", "failed_builds"):
        assert getattr(found, column).tolist() == summary[column].tolist(), column
    np.testing.assert_array_equal(found.hit_rate, summary["hit_rate"])
    np.testing.assert_array_equal(found.wait_s, summary[["wait_p50_s", "wait_p95_s", "wait_p99_s"]])
    np.testing.assert_allclose(found.idle_instance_hours, summary["idle_instance_hours"], rtol=1e-15)
    np.testing.assert_allclose(found.idle_cost, summary["idle_cost"], rtol=1e-15)
    assert found.has_pool.tolist() == summary["has_pool"].tolist()
    spent = np.stack([hours[f"{what}_hours"] for what in SPENT], axis=1)
    np.testing.assert_allclose(found.spent_us / HOUR_US, spent, rtol=1e-14)
    for column in ("pool", "billed"):
        np.testing.assert_allclose(getattr(found, f"{column}_instance_hours"), hours[f"{column}_hours"], rtol=1e-14)
        np.testing.assert_allclose(getattr(found, f"{column}_cost"), hours[f"{column}_cost"], rtol=1e-14)
    if any(len(set(zones)) > 1 for zones in zones_by_name(result.given.scenario).values()):
        return  # the questions have a row for each zone of a preset then
    hourly = measures_by_hour(result)
    for question, column, mine in (
        ("demand", "claims", hourly.claims),
        ("idle", "idle_instance_hours", hourly.idle_us / HOUR_US),
        ("idle", "hours", hourly.window_us / HOUR_US),
    ):
        answer = told[question]
        asked = np.zeros_like(mine, dtype=np.float64)
        preset = [found.presets.index(name) for name in answer["preset"]]
        asked[preset, answer["weekday"] * 24 + answer["hour"]] = answer[column]
        np.testing.assert_allclose(mine, asked, rtol=1e-12, atol=1e-9, err_msg=f"{question}.{column}")
    assert hourly.hits.sum(axis=1).tolist() == found.hits.tolist()


BETWEEN = """
WITH spans AS (SELECT i, make_timestamptz($edges[i]) AS from_at, make_timestamptz($edges[i + 1]) AS until_at
               FROM range(1, len($edges)) AS r(i)),
named AS (SELECT DISTINCT preset FROM presets UNION ALL SELECT NULL),
mine AS (SELECT n.preset AS shown, p.* FROM named AS n JOIN presets AS p ON n.preset IS NULL OR n.preset = p.preset),
served AS (
    SELECT m.shown, s.i, count(*) AS claims, count(*) FILTER (WHERE c.hit) AS hits,
        quantile_disc(epoch_us(c.ready_at) - epoch_us(c.created_at), 0.95) AS wait_us
    FROM claims AS c JOIN mine AS m USING (preset_id)
    JOIN spans AS s ON c.created_at >= s.from_at AND c.created_at < s.until_at GROUP BY ALL
),
made AS (
    SELECT m.shown, s.i, count(*) AS builds
    FROM prebuild_spans AS b JOIN mine AS m USING (preset_id)
    JOIN spans AS s ON b.created_at >= s.from_at AND b.created_at < s.until_at GROUP BY ALL
),
ran AS (
    SELECT preset_id, true AS idles, completed_at AS from_at, coalesce(claimed_at, deleted_at, end_at) AS until_at
    FROM prebuild_spans JOIN presets USING (preset_id) WHERE build_status = 'succeeded'
    UNION ALL
    SELECT preset_id, false, started_at, coalesce(completed_at, end_at)
    FROM prebuild_spans JOIN presets USING (preset_id)
    WHERE workspace_build_id NOT IN (
        SELECT b.id FROM workspace_builds AS b JOIN provisioner_jobs AS j ON j.id = b.job_id
        WHERE j.error = 'insufficient quota'
    )
    UNION ALL
    SELECT preset_id, false, completed_at, coalesce(claimed_at, delete_created_at, end_at)
    FROM prebuild_spans JOIN presets USING (preset_id) WHERE build_status = 'succeeded'
    UNION ALL
    SELECT preset_id, false, delete_created_at, coalesce(deleted_at, end_at)
    FROM prebuild_spans JOIN presets USING (preset_id)
),
spent AS (
    SELECT m.shown, s.i, sum(us) FILTER (WHERE idles) AS idle_us, sum(us) FILTER (WHERE NOT idles) AS pool_us,
        sum(us / 3.6e9 * m.cost_per_instance_hour) FILTER (WHERE NOT idles) AS pool_cost
    FROM ran AS r JOIN mine AS m USING (preset_id)
    JOIN spans AS s ON r.from_at < s.until_at AND r.until_at > s.from_at,
    LATERAL (SELECT least(epoch_us(r.until_at), epoch_us(s.until_at))
                    - greatest(epoch_us(r.from_at), epoch_us(s.from_at)) AS us) GROUP BY ALL
)
SELECT n.preset, s.i - 1 AS span, coalesce(claims, 0), coalesce(hits, 0), coalesce(wait_us, $never),
    coalesce(idle_us, 0), coalesce(pool_us, 0), coalesce(builds, 0), coalesce(pool_cost, 0)
FROM named AS n CROSS JOIN spans AS s
LEFT JOIN served AS v ON v.shown IS NOT DISTINCT FROM n.preset AND v.i = s.i
LEFT JOIN made AS d ON d.shown IS NOT DISTINCT FROM n.preset AND d.i = s.i
LEFT JOIN spent AS p ON p.shown IS NOT DISTINCT FROM n.preset AND p.i = s.i
"""


def assert_as_asked_between(given: Scenario, edges: list[int]) -> None:
    result = run(given, 7)
    found = measures_between(result, np.array(edges, dtype=np.int64))
    columns = (found.claims, found.hits, found.wait_p95_us, found.idle_us, found.pool_us, found.builds, found.pool_cost)
    with closing(connection_over([result], BETWEEN)) as connection:
        rows = connection.execute(BETWEEN, {"edges": edges, "never": NEVER}).fetchall()
    assert len(rows) == found.claims.size
    for preset, span, *asked in rows:
        row = len(found.presets) if preset is None else found.presets.index(preset)
        assert [column[row, span] for column in columns] == pytest.approx(asked, rel=1e-12), (preset, span)


@settings(max_examples=20)
@drawn(given=scenarios(), edges=st.sets(st.integers(-60, 540), min_size=2, max_size=6))
def test_measures_between_instants_are_what_sql_finds(given: Scenario, edges: set[int]):
    assert_as_asked_between(given, [MONDAY_AT + minute * MINUTE_US for minute in sorted(edges)])


@settings(max_examples=10)
@drawn(given=with_an_executor_for_prebuilds(), shares=st.sets(st.integers(-10, 110), min_size=2, max_size=6))
def test_measures_between_instants_of_prebuilds_that_are_stopped_are_what_sql_finds(given: Scenario, shares: set[int]):
    length_us = given.end_at - given.start_at
    assert_as_asked_between(given, [given.start_at + length_us * share // 100 for share in sorted(shares)])


@settings(max_examples=20)
@drawn(given=inhabited(), shares=st.sets(st.integers(-10, 110), min_size=2, max_size=6))
def test_measures_between_instants_with_people_are_what_sql_finds(given: Scenario, shares: set[int]):
    length_us = given.end_at - given.start_at
    assert_as_asked_between(given, [given.start_at + length_us * share // 100 for share in sorted(shares)])


def test_weeks_begin_on_monday_in_the_scenarios_zone_and_cut_ones_are_left_out():
    """Three weeks from a Monday, 00:00 UTC: in New York the first one begins five hours later, and four when the clocks
    have changed."""
    monday_at = MONDAY_AT + 5 * HOUR_US
    claims = [(at, "p") for at in (MONDAY_AT, monday_at, monday_at + WEEK_US - HOUR_US, monday_at + 2 * WEEK_US)]
    given = scenario(hours=3 * 7 * 24, claims=tuple(claims), zone=Zone("America/New_York"))
    found = measures_by_week(run(given))
    assert found.edges.tolist() == [monday_at, monday_at + WEEK_US - HOUR_US, monday_at + 2 * WEEK_US - HOUR_US]
    assert found.claims.tolist() == [[1, 1], [1, 1]]
    assert measures_by_week(run(scenario())).claims.shape == (2, 0)


def test_weeks_of_whole_weeks_add_up_to_the_run():
    claims = tuple((MONDAY_AT + i * HOUR_US, "pq"[i % 2]) for i in range(3 * 7 * 24))
    workload = Workload(cost_per_instance_hour=0.5)
    result = run(scenario(Preset("p", 1, HOUR_US), Preset("q", 1), hours=3 * 7 * 24, claims=claims, workload=workload))
    found, whole = measures_by_week(result), measures(result)
    for column in ("claims", "hits", "idle_us", "builds"):
        table = getattr(found, column)
        assert table[:-1].sum(axis=1).tolist() == getattr(whole, column).tolist(), column
        assert table[-1].sum() == getattr(whole, column).sum()
    np.testing.assert_allclose(found.pool_cost[:-1].sum(axis=1), whole.pool_cost)


def zones_by_name(given: Scenario) -> dict[str, list[str]]:
    zones: dict[str, list[str]] = {}
    for version in given.all_versions:
        for preset in version.presets:
            zones.setdefault(preset.name, []).append(given.zone_of(preset).name)
    return zones


@settings(max_examples=12)
@drawn(given=st.lists(scenarios(), min_size=5, max_size=5))
def test_measures_of_pools_are_what_the_questions_answer(given: list[Scenario]):
    assert_as_asked(*given)


@settings(max_examples=12)
@drawn(given=st.lists(inhabited(), min_size=5, max_size=5))
def test_measures_with_people_are_what_the_questions_answer(given: list[Scenario]):
    assert_as_asked(*given)


@settings(max_examples=6)
@drawn(given=st.lists(with_an_executor_for_prebuilds(), min_size=5, max_size=5))
def test_measures_of_prebuilds_that_the_executor_stops_are_what_the_questions_answer(given: list[Scenario]):
    assert_as_asked(*given)


@pytest.mark.parametrize("version", sorted(BEHAVIOURS))
def test_measures_of_a_busy_week_are_what_the_questions_answer(version: str):
    assert_as_asked(busy_week(version))


def test_measures_of_a_fortnight_with_people_are_what_the_questions_answer():
    assert_as_asked(inhabited_fortnight())


def test_who_is_not_ready_by_the_end_has_no_wait():
    slow = Workload(build=constant(3 * HOUR_US))
    found = measures(run(scenario(Preset("p", 0), hours=2, claims=((MONDAY_AT, "p"),), workload=slow)))
    assert (found.claims.tolist(), found.still_waiting.tolist()) == ([1], [1])
    assert found.wait_us.tolist() == [[NEVER, NEVER, NEVER]]
    assert np.isnan(found.wait_s).all()


def test_ranks_of_waits_are_exact():
    """p95 of 20 is the 19th: 0.95 * 20 is a little more than 19 in floating point."""
    claims = tuple((MONDAY_AT + i * MINUTE_US, "p") for i in range(20))
    sample = Workload(build=constant(MINUTE_US), agent=constant(0), claim=constant(0))
    result = run(scenario(Preset("p", 0), claims=claims, workload=sample, provisioner_daemons=1))
    waits = np.sort(result.rows.builds[:, facts.B_READY] - result.rows.builds[:, facts.B_CREATED])
    assert measures(result).wait_us.tolist() == [[waits[9], waits[18], waits[19]]]


def test_a_preset_that_nobody_asked_for_has_no_hit_rate():
    found = measures(run(scenario(Preset("p", 1), Preset("q", 1), claims=((MONDAY_AT, "q"),))))
    assert np.isnan(found.hit_rate[0])
    assert found.hit_rate[1] == 0


def test_a_preset_without_a_pool_has_no_hit_rate():
    found = measures(run(scenario(Preset("p", 0), Preset("q", -1), claims=((MONDAY_AT, "p"), (MONDAY_AT, "q")))))
    assert found.has_pool.tolist() == [False, False]
    assert np.isnan(found.hit_rate).all()


def test_a_run_without_presets_has_measures_without_rows():
    nothing = run(scenario(versions=(TemplateVersion("t", "v1", ()),), demand=history()))
    assert measures(nothing).presets == ()
    assert measures_by_hour(nothing).claims.shape == (0, 168)
    assert measures_by_week(nothing).claims.shape == (1, 0)
