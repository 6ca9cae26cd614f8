"""Measures from the kernel's rows are what the questions answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as drawn
from scenarios import MONDAY_AT, busy_week, history, inhabited, inhabited_fortnight, scenario, scenarios

from simkit.clock import HOUR_US, MINUTE_US, NEVER
from simkit.coder_versions import BEHAVIOURS
from simkit.core import pools
from simkit.model import Preset, Scenario, TemplateVersion, Workload, constant
from simkit.runs.measures import SPENT, measures, measures_by_hour
from simkit.runs.simulate import run


def assert_as_asked(given: Scenario, seed: int = 7) -> None:
    result = run(given, seed)
    found, summary = measures(result), result.ask("summary")
    assert list(found.presets) == summary["preset"].tolist()
    for column in ("claims", "hits", "still_waiting", "builds", "failed_builds"):
        assert getattr(found, column).tolist() == summary[column].tolist(), column
    np.testing.assert_array_equal(found.hit_rate, summary["hit_rate"])
    np.testing.assert_array_equal(found.wait_s, summary[["wait_p50_s", "wait_p95_s", "wait_p99_s"]])
    np.testing.assert_allclose(found.idle_instance_hours, summary["idle_instance_hours"], rtol=1e-15)
    np.testing.assert_allclose(found.idle_cost, summary["idle_cost"], rtol=1e-15)
    assert found.has_pool.tolist() == summary["has_pool"].tolist()
    hours = result.ask("hours")
    spent = np.stack([hours[f"{what}_hours"] for what in SPENT], axis=1)
    np.testing.assert_allclose(found.spent_us / HOUR_US, spent, rtol=1e-14)
    for column in ("pool", "billed"):
        np.testing.assert_allclose(getattr(found, f"{column}_instance_hours"), hours[f"{column}_hours"], rtol=1e-14)
        np.testing.assert_allclose(getattr(found, f"{column}_cost"), hours[f"{column}_cost"], rtol=1e-14)
    if any(len(set(zones)) > 1 for zones in zones_by_name(given).values()):
        return  # the questions have a row for each zone of a preset then
    hourly = measures_by_hour(result)
    for question, column, mine in (
        ("demand", "claims", hourly.claims),
        ("idle", "idle_instance_hours", hourly.idle_us / HOUR_US),
        ("idle", "hours", hourly.window_us / HOUR_US),
    ):
        answer = result.ask(question)
        asked = np.zeros_like(mine, dtype=np.float64)
        preset = [found.presets.index(name) for name in answer["preset"]]
        asked[preset, answer["weekday"] * 24 + answer["hour"]] = answer[column]
        np.testing.assert_allclose(mine, asked, rtol=1e-12, atol=1e-9, err_msg=f"{question}.{column}")
    assert hourly.hits.sum(axis=1).tolist() == found.hits.tolist()


def zones_by_name(given: Scenario) -> dict[str, list[str]]:
    zones: dict[str, list[str]] = {}
    for version in given.all_versions:
        for preset in version.presets:
            zones.setdefault(preset.name, []).append(given.zone_of(preset).name)
    return zones


@drawn(given=scenarios())
def test_measures_of_pools_are_what_the_questions_answer(given: Scenario):
    assert_as_asked(given)


@drawn(given=inhabited())
def test_measures_with_people_are_what_the_questions_answer(given: Scenario):
    assert_as_asked(given)


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
    waits = np.sort(result.rows.builds[:, pools.B_READY] - result.rows.builds[:, pools.B_CREATED])
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
