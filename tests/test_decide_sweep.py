"""A sweep's points are what runs give, whoever computes them and however often it was stopped."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import simkit
from simkit import InputError, RunError, StoreError
from simkit.decide import sweep as sweeping
from simkit.decide.sweep import Swept, front, sweep, totals
from simkit.runs.counts import count_measures
from simkit.runs.givens import Givens
from simkit.runs.measures import Measures
from simkit.store.sweeps import REAL, WHOLE, read_sweep

SCENARIO = """\
name: week
window: {from: "2026-03-02", until: "2026-03-04"}
presets: [{name: dev, instances: 2}, {name: gpu, instances: 1}]
demand: {history: asked.csv}
durations: {build: {median: 5m, p95: 20m}}
failures: {probability: 0.1}
cost: {per_instance_hour: 0.5}
"""
VARY = ["presets.dev.instances=0..3", "presets.gpu.ttl=0,1h", "coder.provisioner_daemons=1,2"]
POINTS = 16


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    rows = [f"2026-03-0{day}T{hour:02}:{minute:02}:00Z,{preset}" for day in (2, 3) for hour in range(8, 18)
            for minute, preset in ((0, "dev"), (1, "dev"), (20, "gpu"), (47, "dev"))]  # fmt: skip
    (tmp_path / "asked.csv").write_text("\n".join(["started_at,preset", *rows]), encoding="utf-8")
    path = tmp_path / "week.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def swept(scenario: Path, name: str = "s", **more: object) -> Swept:
    return sweep(scenario, VARY, scenario.with_name(f"{name}.duckdb"), **{"replications": 2, **more})  # type: ignore[arg-type]


def assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Bit for bit, and in the same order."""
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_each_point_has_what_its_runs_give(scenario: Path):
    found = swept(scenario)
    assert (found.points, found.stored, found.failures) == (POINTS, 0, ())
    table = found.table
    assert len(table) == POINTS * 2 * 2
    text = SCENARIO.replace("instances: 2", "instances: 3").replace("instances: 1", "instances: 1, ttl: 1h")
    single = scenario.with_name("single.yaml")
    single.write_text(text + "coder: {provisioner_daemons: 1}\n", encoding="utf-8")
    mine = table[
        (table["presets.dev.instances"] == 3)
        & (table["presets.gpu.ttl"] == "1h")
        & (table["coder.provisioner_daemons"] == 1)
    ]
    results = list(simkit.replicate(simkit.load(single), 0, 2))
    summary, hours = simkit.ask(results, "summary"), simkit.ask(results, "hours")
    assert mine["preset"].tolist() == summary["preset"].tolist()
    for column in set(summary) & {*WHOLE, *REAL}:
        np.testing.assert_allclose(mine[column], summary[column].astype(float), rtol=1e-14, err_msg=column)
    np.testing.assert_allclose(mine["pool_cost"], hours["pool_cost"], rtol=1e-14)
    assert mine["weeks"].tolist() == pytest.approx([2 / 7] * 4)


def test_what_is_stored_is_not_computed_again(scenario: Path, monkeypatch: pytest.MonkeyPatch):
    first = swept(scenario).table
    monkeypatch.setattr(sweeping, "count_measures", None)
    again = swept(scenario)
    assert (again.points, again.stored) == (POINTS, POINTS)
    assert_same(first, again.table)
    monkeypatch.undo()
    ran: list[int] = []
    monkeypatch.setattr(
        sweeping, "count_measures", lambda given: ran.append(given.replication) or count_measures(given)
    )
    more = swept(scenario, replications=3)
    assert ran == [2] * POINTS
    assert_same(more.table, swept(scenario, "fresh", replications=3).table)


def test_more_points_come_to_those_that_are_there(scenario: Path):
    out = scenario.with_name("s.duckdb")
    sweep(scenario, [VARY[0], VARY[1], "coder.provisioner_daemons=2"], out)
    found = sweep(scenario, VARY, out)
    assert (found.points, found.stored) == (POINTS, POINTS // 2)
    assert len(found.table) == POINTS * 2
    assert not found.table.duplicated(["point", "preset", "replication"]).any()


KILLED = """
import os, signal, sys
from simkit.decide import sweep
sweep._WRITE_AFTER_S = 0.0
def told(done, total):
    if done == 7:
        os.kill(os.getpid(), signal.SIGKILL)
sweep.sweep(sys.argv[1], sys.argv[3:], sys.argv[2], replications=2, told=told)
"""


class Interrupting:
    """Ctrl-C, when so many points are done."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, done: int, total: int) -> None:
        if done == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [1, 5, 15])
def test_a_sweep_that_was_interrupted_goes_on_to_the_same_table(scenario: Path, after: int):
    with pytest.raises(KeyboardInterrupt):
        swept(scenario, "stopped", told=Interrupting(after))
    assert read_sweep(scenario.with_name("stopped.duckdb"))["point"].nunique() == after
    again = swept(scenario, "stopped")
    assert again.stored == after
    assert_same(again.table, swept(scenario, "undisturbed").table)


def test_a_sweep_whose_process_is_killed_goes_on_to_the_same_table(scenario: Path):
    """What is done is written as it goes: here after every point."""
    out = scenario.with_name("killed.duckdb")
    done = subprocess.run([sys.executable, "-c", KILLED, scenario, out, *VARY], cwd=Path(__file__).parent.parent)
    assert done.returncode == -signal.SIGKILL
    again = swept(scenario, "killed")
    assert again.stored == 6
    assert_same(again.table, swept(scenario, "undisturbed").table)


def test_points_travel_together_and_come_back_as_they_were(scenario: Path, monkeypatch: pytest.MonkeyPatch):
    sent: list[int] = []
    measured = sweeping._all_measured

    def all_measured(tasks: tuple[sweeping._Task, ...]) -> list[sweeping.Outcome]:
        sent.append(len(pickle.dumps(tasks)))
        assert len(tasks) <= 2
        return measured(tasks)

    monkeypatch.setattr(sweeping, "_all_measured", all_measured)
    many = ["presets.dev.instances=0..69", "presets.gpu.instances=1"]
    told: list[tuple[int, int]] = []
    with ThreadPoolExecutor(2) as threads:
        out = scenario.with_name("many.duckdb")
        found = sweep(scenario, many, out, executor=threads, told=lambda done, of: told.append((done, of)))
    assert len(sent) == 35
    assert told[-1] == (70, 70)
    assert_same(found.table, sweep(scenario, many, scenario.with_name("alone.duckdb")).table)


def test_a_point_that_fails_is_a_row_and_stops_no_other(scenario: Path, monkeypatch: pytest.MonkeyPatch):
    def counted(given: Givens) -> Measures:
        of = given.scenario
        if of.provisioner_daemons == 2 and of.versions[0].presets[0].instances == 1:
            raise RunError("no more room")
        if of.provisioner_daemons == 2 and of.versions[0].presets[0].instances == 2:
            raise ZeroDivisionError("by 0")
        return count_measures(given)

    monkeypatch.setattr(sweeping, "count_measures", counted)
    found = swept(scenario)
    assert [message for _, message in found.failures] == ["no more room"] * 2 + ["ZeroDivisionError: by 0"] * 2
    assert found.failures[0][0] == {
        "presets.dev.instances": "1",
        "presets.gpu.ttl": "0",
        "coder.provisioner_daemons": "2",
    }
    assert found.table["message"].notna().sum() == 4
    assert len(totals(found)) == POINTS - 4
    monkeypatch.undo()
    healed = swept(scenario)
    assert (healed.stored, healed.failures) == (POINTS - 4, ())
    fresh = swept(scenario, "fresh").table
    assert_same(healed.table, fresh)


def test_values_that_go_together_only_with_some_others_fail_there_alone(scenario: Path):
    vary = ["durations.build.median=5m,30m", "durations.build.p95=20m,40m"]
    found = sweep(scenario, vary, scenario.with_name("s.duckdb"))
    ((values, message),) = found.failures
    assert values == {"durations.build.median": "30m", "durations.build.p95": "20m"}
    assert "the median must be longer than 0s and not above p95" in message


def test_wrong_values_are_refused_at_once_and_nothing_is_written(scenario: Path):
    out = scenario.with_name("s.duckdb")
    vary = ["coder.provisioner_daemons=0..2", "presets.dve.ttl=1h", "failures.probabilty=0,1", "durations.build.p95=1m"]
    with pytest.raises(InputError) as refused:
        sweep(scenario, vary, out)
    told = [str(problem) for problem in refused.value.problems]
    assert len(told) == 5
    assert sum("failures.probabilty=" in text and 'write "probability"' in text for text in told) == 2
    assert any(text.startswith("--vary durations.build.p95=1m: ") and "week.yaml:5" in text for text in told)
    assert not out.exists()
    with pytest.raises(InputError) as both:
        sweep(scenario.with_name("missing.yaml"), ["a"], out)
    assert len(both.value.problems) == 2


def test_a_scenario_that_has_changed_is_refused(scenario: Path):
    swept(scenario)
    rows = scenario.with_name("asked.csv")
    rows.write_text(rows.read_text(encoding="utf-8").replace("T08:00", "T08:02"), encoding="utf-8")
    with pytest.raises(StoreError, match="its points are of another state of week"):
        swept(scenario)


def test_a_file_that_a_varied_value_names_counts_too(scenario: Path):
    other = scenario.with_name("other.csv")
    other.write_text("started_at,preset\n2026-03-02T10:00:00Z,dev\n", encoding="utf-8")
    out, vary = scenario.with_name("s.duckdb"), ["demand.history=asked.csv,other.csv"]
    assert sweep(scenario, vary, out).table.groupby("demand.history")["claims"].sum().to_dict() == {
        "asked.csv": 80,
        "other.csv": 1,
    }
    other.write_text("started_at,preset\n2026-03-02T11:00:00Z,dev\n", encoding="utf-8")
    with pytest.raises(StoreError, match="its points are of another state of week"):
        sweep(scenario, vary, out)


def test_a_sample_can_be_gone_on_with_by_a_larger_one(scenario: Path):
    assert swept(scenario, sample=5).points == 5
    found = swept(scenario, sample=9)
    assert (found.points, found.stored) == (9, 5)


def test_totals_and_the_front_say_what_serves_best_for_what(scenario: Path):
    found = totals(swept(scenario))
    assert len(found) == POINTS
    first = swept(scenario).table.query("point == 0")
    by_run = first.groupby("replication")[["hits", "claims", "pool_cost"]].sum()
    assert found["hit_rate"].iloc[0] == pytest.approx((by_run["hits"] / by_run["claims"]).mean())
    assert found["pool_cost_per_week"].iloc[0] == pytest.approx(by_run["pool_cost"].mean() * 3.5)
    best = front(found)
    assert best["hit_rate"].is_monotonic_increasing
    assert best["pool_cost_per_week"].is_monotonic_increasing
    for row in found.itertuples():
        assert any(
            b.hit_rate >= row.hit_rate and b.pool_cost_per_week <= row.pool_cost_per_week for b in best.itertuples()
        )


def test_threads_of_somebody_else_give_the_same(scenario: Path):
    with ThreadPoolExecutor(2) as pool:
        assert_same(swept(scenario, "mine", executor=pool).table, swept(scenario).table)


@pytest.mark.slow
def test_processes_give_the_same_and_a_dead_one_costs_no_point_that_is_done(scenario: Path):
    undisturbed = swept(scenario, **MANY).table
    with ProcessPoolExecutor(2) as pool:
        assert_same(swept(scenario, "processes", executor=pool, **MANY).table, undisturbed)
    with ProcessPoolExecutor(2) as pool, pytest.raises(RunError, match="the same sweep goes on where it was left"):
        swept(scenario, "killed", executor=pool, told=killing(lambda: next(iter(pool._processes))), **MANY)
    done = read_sweep(scenario.with_name("killed.duckdb"))["point"].nunique()
    assert 3 <= done < POINTS
    with ProcessPoolExecutor(2) as pool:
        again = swept(scenario, "killed", executor=pool, **MANY)
    assert again.stored == done
    assert_same(again.table, undisturbed)


MANY = {"replications": 60}
"""So that much is to be done when a worker is killed."""


def killing(victim: Callable[[], int]) -> Callable[[int, int], None]:
    """Kills a process when the third point is done."""

    def told(done: int, total: int) -> None:
        if done == 3:
            os.kill(victim(), signal.SIGKILL)

    return told


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_the_same_also_when_a_worker_is_killed(scenario: Path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor: Executor = client.get_executor()
        with closing(client):
            undisturbed = swept(scenario, **MANY).table
            assert_same(swept(scenario, "cluster", executor=executor, **MANY).table, undisturbed)
            pids = list(client.run(os.getpid).values())
            found = swept(scenario, "killed", executor=executor, told=killing(lambda: pids[0]), **MANY)
            assert found.failures == ()
            assert_same(found.table, undisturbed)
            client.wait_for_workers(2)
            assert pids[0] not in client.run(os.getpid).values(), "one was killed, and there is another"
