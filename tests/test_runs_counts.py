"""Counts by period are what measures and questions say of the same run."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from scenarios import MONDAY_AT, busy_week, inhabited_fortnight, scenario, scenarios

from simkit.clock import HOUR_US, MINUTE_US, NEVER, SECOND_US, Zone
from simkit.core import counts as core
from simkit.core.facts import TooManyRowsError
from simkit.errors import RunError
from simkit.model import Activate, Daemons, Preset, Reconciler, Scenario, TemplateVersion, Workload, constant
from simkit.runs.counts import Counts, count, count_by_week, count_measures
from simkit.runs.givens import givens, told_if_too_long
from simkit.runs.measures import ByWeek, Measures, measures, measures_by_week
from simkit.runs.simulate import run


def assert_as_measured(found: Counts, expected: Measures) -> None:
    """Over all periods, which cover the window."""
    assert found.presets == expected.presets
    for name in ("claims", "hits", "builds", "failed_builds", "idle_us"):
        assert getattr(found, name).sum(axis=1).tolist() == getattr(expected, name).tolist(), name
    spent = np.stack([found.building_us, found.ready_us, found.deleting_us], axis=2).sum(axis=1)
    np.testing.assert_array_equal(spent, expected.spent_us[:, :3])
    np.testing.assert_array_equal(found.pool_us.sum(axis=1) / HOUR_US, expected.pool_instance_hours)
    np.testing.assert_array_equal(found.wait_quantiles_us, expected.wait_us)
    waiting = np.bincount(found.claim_preset[found.ready_at == NEVER], minlength=len(found.presets))
    assert waiting.tolist() == expected.still_waiting.tolist()


def periods(given: Scenario, minutes: int = 95) -> np.ndarray:
    return np.append(np.arange(given.start_at, given.end_at, minutes * MINUTE_US), given.end_at)


@settings(max_examples=200)
@drawn(given=scenarios())
def test_counts_are_what_measures_say_whoever_counts(given: Scenario):
    assert_as_measured(count(givens(given, 5, 0), periods(given)), measures(run(given, 5)))


@settings(max_examples=200)
@drawn(given=scenarios())
def test_measures_without_rows_are_those_of_rows(given: Scenario):
    found, expected = count_measures(givens(given, 5, 0)), measures(run(given, 5))
    for field in fields(Measures):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name), err_msg=field.name)


def test_a_build_that_fails_at_once_leaves_nothing_behind():
    for build_us, left in ((0, False), (MINUTE_US, True)):
        given = stuck(workload=Workload(constant(build_us), failure_probability=1.0))
        found, expected = count_measures(givens(given, 5, 0)), measures(run(given, 5))
        np.testing.assert_array_equal(found.spent_us, expected.spent_us)
        assert (found.spent_us[:, 3] > 0).all() == left


@pytest.mark.parametrize(
    "given", [busy_week(), busy_week("v2.24"), inhabited_fortnight()], ids=["new", "old", "people"]
)
def test_counts_of_long_runs_are_what_measures_say(given: Scenario):
    assert_as_measured(count(givens(given, 5, 0), periods(given)), measures(run(given, 5)))


def test_each_period_has_its_own_rows():
    """By hand from the tables, for a week in which everything happens, however it is counted."""
    lean = busy_week()
    for given in (lean, replace(lean, workload=replace(lean.workload, failed_cleared_after_us=3 * HOUR_US))):
        edges = periods(given)
        found, tables = count(givens(given, 5, 0), edges), run(given, 5).tables
        builds, jobs, claims = tables["workspace_builds"], tables["provisioner_jobs"], tables["claims"]
        names = tables["template_version_presets"]["name"]
        ours = (builds["build_number"] == 1) & (builds["initiator_id"] == 0)
        for p, preset in enumerate(found.presets):
            mine = ours & (names[builds["template_version_preset_id"] - 1] == preset)
            asked = names[claims["preset_id"] - 1] == preset
            failed = mine & (jobs["error"] != np.array(None))
            started, completed = (np.minimum(jobs[at][mine], given.end_at) for at in ("started_at", "completed_at"))
            for k in range(len(edges) - 1):
                low, high = edges[k], edges[k + 1] + (k == len(edges) - 2)
                for name, at in (
                    ("builds", builds["created_at"][mine]),
                    ("failed_builds", jobs["completed_at"][failed]),
                    ("claims", claims["created_at"][asked]),
                    ("hits", claims["created_at"][asked & claims["hit"]]),
                ):
                    assert getattr(found, name)[p, k] == ((at >= low) & (at < high)).sum(), (name, preset, k)
                overlap = np.minimum(completed, edges[k + 1]) - np.maximum(started, edges[k])
                assert found.building_us[p, k] == np.maximum(overlap, 0).sum()


def stuck(**more: object) -> Scenario:
    """Every build fails, so that the hard limit of three comes soon."""
    more = {"workload": Workload(failure_probability=1.0), **more}
    return scenario(Preset("p", 2), Preset("q", 1), **more)


@pytest.mark.parametrize(
    "given",
    [
        stuck(),
        stuck(events=(Activate(MONDAY_AT + 7 * HOUR_US, TemplateVersion("t", "v2", (Preset("p", 1),))),)),
        replace(stuck(hours=40), workload=Workload(failure_probability=1.0, failed_cleared_after_us=5 * HOUR_US)),
        busy_week(),
        scenario(Preset("p", 1)),
    ],
    ids=["for good", "until a version comes", "until failures are cleared", "a busy week", "never"],
)
def test_a_hard_limit_begins_and_lasts_as_the_summary_says(given: Scenario):
    found, summary = count(givens(given, 5, 0)), run(given, 5).ask("summary")
    assert list(found.presets) == summary["preset"].tolist()
    limited = found.limited_at != NEVER
    assert limited.tolist() == summary["hard_limited_at"].notna().tolist()
    at = summary["hard_limited_at"][limited]
    assert found.limited_at[limited].tolist() == [round(each.timestamp() * SECOND_US) for each in at]
    np.testing.assert_allclose(found.limited_us / HOUR_US, summary["hard_limited_hours"].fillna(0.0), rtol=1e-12)


def test_people_wait_behind_the_builds_of_prebuilds():
    """One daemon that builds for 20 minutes what the pool asked for; who comes meanwhile waits for it."""
    given = scenario(
        Preset("p", 1),
        claims=((MONDAY_AT + 5 * MINUTE_US, "p"),),
        workload=Workload(build=constant(20 * MINUTE_US)),
        provisioner_daemons=1,
    )
    assert count(givens(given, 0, 0)).queued_us.tolist() == [15 * MINUTE_US]


@pytest.mark.parametrize(
    "of",
    [
        replace(busy_week(hours=600), zone=Zone("Asia/Kathmandu")),
        replace(busy_week(hours=400), events=(), zone=Zone("America/New_York")),
        replace(inhabited_fortnight(), zone=Zone("Europe/Berlin")),
        scenario(),
        replace(busy_week(hours=400), events=(), provisioner_daemons=1),
    ],
    ids=["events", "pools", "people", "no week", "one daemon"],
)
def test_weeks_are_those_of_the_rows_whoever_counts(of: Scenario):
    found, expected = count_by_week(givens(of, 7, 1)), measures_by_week(run(of, 7, 1))
    assert found.presets == expected.presets
    for name in ByWeek.__dataclass_fields__.keys() - {"presets"}:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def test_threads_change_nothing():
    of, edges = givens(busy_week(), 7, 0), periods(busy_week())
    alone = count(of, edges)
    with ThreadPoolExecutor(2) as threads:
        for found in threads.map(lambda _: count(of, edges), range(8)):
            for name in Counts.__dataclass_fields__:
                np.testing.assert_array_equal(getattr(found, name), getattr(alone, name), err_msg=name)


@pytest.mark.parametrize("edges", [[], [MONDAY_AT], [MONDAY_AT, MONDAY_AT], [MONDAY_AT + 2, MONDAY_AT + 1]])
def test_edges_that_make_no_period_are_refused(edges: list[int]):
    with pytest.raises(ValueError, match="edges of periods are at least two instants"):
        count(givens(scenario(), 0, 0), np.array(edges, dtype=np.int64))


def test_without_presets_there_are_counts_without_rows():
    nothing = count(givens(scenario(versions=(TemplateVersion("t", "v1", ()),)), 0, 0))
    assert (nothing.presets, nothing.claims.shape, nothing.wait_quantiles_us.shape) == ((), (0, 1), (0, 3))


def test_the_kernel_takes_over_where_jobs_find_no_daemon_for_long():
    given = scenario(Preset("p", 2), provisioners=(Daemons(1, (("a", "b"),)),), prebuild_tags=(("a", "b"),))
    assert_as_measured(count(givens(given, 0, 0)), measures(run(given, 0)))


def test_a_run_does_not_compile_what_only_counts():
    code = "import simkit, scenarios; from simkit.core import counts, tally; simkit.run(scenarios.scenario())\n"
    code += "print([len(of.signatures) for of in (counts._count_on, tally._tally)])"
    if not hasattr(core._count_on, "signatures"):
        pytest.skip("nothing is compiled")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[0, 0]"


@pytest.mark.parametrize("how", [run, lambda given: count(givens(given, 0, 0))])
@pytest.mark.parametrize("why", ["expire", "are cleared"])
def test_a_run_of_more_rows_than_one_may_have_ends_with_what_to_change(how, why: str, monkeypatch):
    """For decades prebuilds are made anew at each tick: because they fail and are cleared, or because they expire."""
    monkeypatch.setattr("simkit.runs.givens.MOST_ROWS", 20_000)
    clears = why == "are cleared"
    workload = Workload(constant(0), failure_probability=float(clears), failed_cleared_after_us=SECOND_US * clears)
    given = scenario(
        Preset("p", 500, ttl_us=0 if clears else SECOND_US),
        Preset("q", 1),
        hours=20 * 365 * 24,
        workload=workload,
        provisioner_daemons=1000,
        reconciler=Reconciler(failure_hard_limit=0, backoff_interval_us=0),
    )
    told = r"\(given in Python\): the run has 20,000 builds by 2026-03-02T0.* \"p\"; write fewer instances"
    with pytest.raises(RunError, match=told):
        how(given)


def test_a_run_of_more_rows_of_people_says_so():
    with (
        pytest.raises(RunError, match="most are of people's workspaces; write fewer people, or a shorter window"),
        told_if_too_long(givens(inhabited_fortnight(), 0, 0)),
    ):
        raise TooManyRowsError(1000, MONDAY_AT, np.array([249]))
