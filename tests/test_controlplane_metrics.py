"""Coder's metrics out of tables: the present, any instant of the past, and what a dashboard asks of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from metric_rows import Samples, build, claim, insert_template, insert_version, samples
from scenarios import busy_week, history, scenario

from simkit.cli import main
from simkit.clock import SECOND_US
from simkit.controlplane.metrics import exposition, exposition_of
from simkit.errors import InputError, StoreError
from simkit.model import Preset, Reconciler, TemplateVersion, Workload
from simkit.runs.simulate import replicate, run
from simkit.store import ask, save
from simkit.store.database import Database

POOL = ("organization_name", "acme"), ("preset_name", "large"), ("template_name", "t")
P = "coderd_prebuilt_workspaces_"


@pytest.fixture
def db() -> Iterator[Database]:
    """A template with one active version and one preset of an organization, and a person (1)."""
    with Database(":memory:", "test") as database:
        with database.transaction() as tx:
            tx.insert("organizations", name="acme")
            insert_template(tx, "t", active_version_id=1)
            insert_version(tx, 1, "v1", created_at=0)
            tx.insert("users", username="ann", quiet_hours_schedule="")
        yield database


def at(db: Database, second: int, **given: object) -> Samples:
    return samples(exposition(db, second * SECOND_US, **given))  # type: ignore[arg-type]


def pool(found: Samples) -> dict[str, float]:
    """What the one preset has, by the last part of a metric's name."""
    return {name.removeprefix(P): values[POOL] for name, values in found.items() if POOL in values}


def test_a_prebuild_is_counted_as_it_is_made_and_becomes_ready_and_is_claimed(db):
    with db.transaction() as tx:
        claim(tx, 200, build(tx, 10, 70, ready_s=100), 215)
    nothing = {"created_total": 0, "failed_total": 0, "claimed_total": 0, "desired": 0, "running": 0, "eligible": 0}
    made = nothing | {"created_total": 1}
    assert pool(at(db, 9)) == {"desired": 0, "running": 0, "eligible": 0}
    assert pool(at(db, 10)) == made
    assert pool(at(db, 70)) == made | {"running": 1}
    assert pool(at(db, 99)) == made | {"running": 1}
    assert pool(at(db, 100)) == made | {"running": 1, "eligible": 1}
    assert pool(at(db, 199)) == made | {"running": 1, "eligible": 1}
    assert pool(at(db, 200)) == made | {"claimed_total": 1}


def test_a_failed_prebuild_has_failed_from_the_end_of_its_build_on(db):
    with db.transaction() as tx:
        build(tx, 10, 70, error="boom")
    assert pool(at(db, 69))["failed_total"] == 0
    assert pool(at(db, 70))["failed_total"] == 1
    assert pool(at(db, 70))["running"] == 0


def test_a_prebuild_with_a_delete_build_no_longer_runs_and_stays_created(db):
    with db.transaction() as tx:
        workspace = build(tx, 10, 70, ready_s=80, lifecycle_state="off")
        build(tx, 100, 120, workspace, "delete")
        tx.update("workspaces", workspace, deleted=True)
    assert (pool(at(db, 99))["running"], pool(at(db, 99))["eligible"]) == (1, 1)
    assert (pool(at(db, 100))["running"], pool(at(db, 130))["created_total"]) == (0, 1)
    latest = "coderd_api_workspace_latest_build"
    assert [at(db, s).get(latest) for s in (99, 100, 120)] == [
        {(("status", "succeeded"),): 1},
        {(("status", "pending"),): 1},
        None,
    ]


def test_an_agent_whose_start_script_failed_is_not_eligible(db):
    with db.transaction() as tx:
        build(tx, 10, 70, ready_s=80, lifecycle_state="start_error")
        build(tx, 11, 71, ready_s=80, lifecycle_state="ready")
    assert (pool(at(db, 90))["running"], pool(at(db, 90))["eligible"]) == (2, 1)


def test_workspaces_built_cold_are_nobodys_prebuilds(db):
    with db.transaction() as tx:
        build(tx, 10, 70, ready_s=80, initiator=1)
    assert pool(at(db, 100)) == {"desired": 0, "running": 0, "eligible": 0}
    created = "coderd_workspace_creation_duration_seconds_count"
    assert [dict(labels)["type"] for labels in at(db, 100)[created]] == ["regular"]


def test_desired_is_the_last_step_before_the_instant_or_what_is_given(db):
    with db.transaction() as tx:
        for from_s, wanted in ((0, 2), (100, 5)):
            tx.insert("desired_instances", preset_id=1, from_at=from_s * SECOND_US, desired=wanted)
    assert [pool(at(db, s))["desired"] for s in (0, 99, 100)] == [2, 2, 5]
    assert pool(at(db, 100, desired={1: 7}))["desired"] == 7
    assert pool(at(db, 100, desired={2: 7}))["desired"] == 5


def test_gauges_speak_of_the_active_version_and_counters_of_all(db):
    with db.transaction() as tx:
        insert_version(tx, 1, "v2", created_at=100 * SECOND_US)
        tx.update("templates", 1, active_version_id=2)
        build(tx, 10, 70)
        build(tx, 110, 150, preset=2)
        build(tx, 120, 160, preset=2)
    assert [pool(at(db, s)).get("running") for s in (99, 100, 150, 160)] == [1, 0, 1, 2]
    assert pool(at(db, 160))["created_total"] == 3
    with db.transaction() as tx:
        tx.insert("desired_instances", preset_id=1, from_at=0, desired=2)
    assert pool(at(db, 160))["running"] == 1, "the version that wants something is the active one"


def test_a_deleted_templates_pools_are_not_told(db):
    with db.transaction() as tx:
        build(tx, 10, 70)
        tx.update("templates", 1, deleted=True)
    assert pool(at(db, 100)) == {}


def test_a_preset_whose_newest_builds_all_failed_is_hard_limited_and_others_are_left_out(db):
    with db.transaction() as tx:
        build(tx, 1, 5)
        for second in (10, 20, 30):
            build(tx, second, second + 5, error="boom")
    limited = P + "preset_hard_limited"
    assert limited not in at(db, 34)
    assert at(db, 35)[limited] == {POOL: 1}
    assert limited not in at(db, 35, hard_limit=4)
    assert limited not in at(db, 35, hard_limit=0)
    with db.transaction() as tx:
        build(tx, 40)
    assert limited not in at(db, 40)


def test_a_claim_that_replaces_several_resources_counts_once(db):
    with db.transaction() as tx:
        taken = claim(tx, 200, build(tx, 10, 70), 215)
        for resource in ("docker_container.a", "docker_volume.b"):
            row = {"workspace_build_id": taken, "resource": resource, "paths": "env"}
            tx.insert("workspace_build_replacements", happened_at=210 * SECOND_US, **row)
    assert "resource_replacements_total" not in pool(at(db, 209))
    assert pool(at(db, 210))["resource_replacements_total"] == 1


def test_the_pause_is_told_with_0_and_1(db):
    assert at(db, 0)[P + "reconciliation_paused"] == {(): 0}
    with db.transaction() as tx:
        tx.insert("prebuilds_settings", reconciliation_paused=True)
    assert at(db, 0)[P + "reconciliation_paused"] == {(): 1}


def test_builds_are_counted_by_who_owned_the_workspace_then(db):
    with db.transaction() as tx:
        claim(tx, 200, build(tx, 10, 70), 215)
        build(tx, 20, 30, error="boom")
    found = at(db, 300)["coderd_workspace_builds_total"]
    seen = {
        (dict(k)["workspace_owner"], dict(k)["workspace_transition"], dict(k)["status"]): v for k, v in found.items()
    }
    assert seen == {
        ("prebuilds", "START", "success"): 1,
        ("prebuilds", "START", "failed"): 1,
        ("ann", "START", "success"): 1,
    }


def test_durations_fall_into_coders_buckets(db):
    with db.transaction() as tx:
        claim(tx, 200, build(tx, 10, 70), 215)
    found = at(db, 300)
    claims = {dict(k)["le"]: v for k, v in found["coderd_prebuilt_workspace_claim_duration_seconds_bucket"].items()}
    assert [le for le, count in claims.items() if count] == [
        "20.0",
        "30.0",
        "60.0",
        "120.0",
        "180.0",
        "240.0",
        "300.0",
        "+Inf",
    ]
    assert list(found["coderd_prebuilt_workspace_claim_duration_seconds_sum"].values()) == [15]
    jobs = (("provisioner", "terraform"), ("status", "success"))
    assert found["coderd_provisionerd_job_timings_seconds_sum"][jobs] == 59 + 14
    waits = found["coderd_provisioner_job_queue_wait_seconds_count"]
    assert {dict(k)["build_reason"]: v for k, v in waits.items()} == {"prebuild": 1, "initiator": 1}


def test_jobs_run_between_their_start_and_their_end(db):
    with db.transaction() as tx:
        build(tx, 10, 70)
    current = [at(db, s)["coderd_provisionerd_jobs_current"] for s in (10, 11, 69, 70)]
    assert [list(c.values()) for c in current] == [[0], [1], [1], [0]]


def test_the_text_is_that_of_prometheus_with_coders_names_and_types(db):
    with db.transaction() as tx:
        build(tx, 10, 70)
    text = exposition(db, 100 * SECOND_US)
    assert f"# TYPE {P}created_total counter\n" in text
    assert f"# TYPE {P}desired gauge\n" in text
    assert f'{P}created_total{{organization_name="acme",preset_name="large",template_name="t"}} 1.0\n' in text
    assert f"{P}metrics_last_updated 100.0\n" in text
    for name in ("created_total", "failed_total", "claimed_total", "resource_replacements_total", "desired", "running"):
        assert f"# HELP {P}{name} " in text


def test_nothing_is_told_twice_where_versions_and_organizations_share_names(db):
    with db.transaction() as tx:
        for name in ("v2", "v3"):
            insert_version(tx, 1, name, created_at=0)
        build(tx, 10, 70)
        build(tx, 11, 71, preset=2)
    lines = [line.rsplit(" ", 1)[0] for line in exposition(db, 100 * SECOND_US).splitlines() if line[0] != "#"]
    assert len(lines) == len(set(lines))


def test_only_the_databases_own_run_is_told(db):
    with db.transaction() as tx:
        build(tx, 10, 70)
    db.run_id = "another"
    assert pool(at(db, 100)) == {}


def test_the_history_of_a_simulation_agrees_with_its_own_answers(tmp_path):
    result = run(replace(busy_week(hours=24), events=()), seed=3)
    file = tmp_path / "runs.duckdb"
    save(file, [result])
    answer = ask(file, "pool")
    assert len(answer) > 100
    with Database(file, result.run_id) as database:
        for row in answer.iloc[:: len(answer) // 12].itertuples():
            found = samples(exposition(database, int(row.changed_at.timestamp() * 1_000_000)))
            seen = {
                name.removeprefix(P): value
                for name, values in found.items()
                for labels, value in values.items()
                if name.startswith(P) and ("preset_name", row.preset) in labels
            }
            mine = (seen["desired"], seen["running"], seen["eligible"], seen.get("claimed_total", 0))
            assert mine == (row.desired, row.running, row.eligible, row.claimed), f"{row.preset} at {row.changed_at}"


def test_the_command_prints_the_metrics_of_a_runs_file_at_an_instant(tmp_path):
    file = tmp_path / "runs.duckdb"
    save(file, replicate(scenario(), seed=3, replications=2))
    command = ["metrics", str(file), "--at", "2026-03-02T06:00:00Z"]
    several = CliRunner().invoke(main, command)
    assert several.exit_code == 2
    assert "it holds 2 runs" in several.stderr
    run_id = ask(file, "runs")["run_id"][0]
    done = CliRunner().invoke(main, [*command, "--run", run_id])
    assert done.exit_code == 0
    labels = '{organization_name="coder",preset_name="p",template_name="t"}'
    assert f"coderd_prebuilt_workspaces_desired{labels} 2.0" in done.stdout
    assert CliRunner().invoke(main, [*command, "--run", "no"]).exit_code == 2
    assert CliRunner().invoke(main, ["metrics", str(file), "--at", "noon", "--run", run_id]).exit_code == 2
    absent = CliRunner().invoke(main, ["metrics", str(tmp_path / "no.duckdb"), "--at", "2026-03-02T06:00:00Z"])
    assert (absent.exit_code, (tmp_path / "no.duckdb").exists()) == (2, False)


@pytest.mark.parametrize(("limit", "limited"), [(1, True), (3, True), (4, False), (0, False)])
def test_a_runs_metrics_know_its_own_hard_limit(tmp_path: Path, limit: int, limited: bool):
    given = scenario(
        Preset("p", 1),
        hours=3,
        workload=Workload(failing_builds=(1, 2, 3)),
        reconciler=Reconciler(failure_hard_limit=limit),
    )
    run(given).save(tmp_path / "runs.duckdb")
    text = exposition_of(tmp_path / "runs.duckdb", "2026-03-02T00:12:00Z")
    assert ('preset_hard_limited{organization_name="coder",preset_name="p"' in text) == limited


@pytest.mark.parametrize("at", ["2026-03-01T23:59:59Z", "2026-03-02T03:00:01Z", "2027-03-02T00:00:00Z"])
def test_an_instant_outside_the_window_is_refused(tmp_path: Path, at: str):
    run(scenario(Preset("p", 1), hours=3)).save(tmp_path / "runs.duckdb")
    said = f"at: {at} is outside the run's window; write an instant from 2026-03-02T00:00:00Z to 2026-03-02T03:00:00Z"
    with pytest.raises(InputError, match=re.escape(said)):
        exposition_of(tmp_path / "runs.duckdb", at)


def test_a_preset_without_a_pool_has_no_metrics_of_one(tmp_path: Path):
    versions = (TemplateVersion("t", "v1", (Preset("p", 1), Preset("none", 0))),)
    run(scenario(versions=versions, demand=history())).save(tmp_path / "runs.duckdb")
    text = exposition_of(tmp_path / "runs.duckdb", "2026-03-02T01:00:00Z")
    assert 'preset_name="p"' in text
    assert 'preset_name="none"' not in text


def test_a_file_of_an_older_simkit_is_read_with_coders_default_limit(tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    given = scenario(Preset("p", 1), hours=3, workload=Workload(failing_builds=(1, 2, 3)))
    run(given).save(file)
    with duckdb.connect(str(file)) as connection:
        connection.execute("DROP VIEW hard_limits; DROP TABLE reconciler_settings; DROP TABLE scenario_events")
        connection.execute("UPDATE schema_version SET version = 3")
    assert "preset_hard_limited{" in exposition_of(file, "2026-03-02T00:12:00Z")
    assert ask(file, "hard_limits")["ended_by"].tolist() == [None]
    assert len(ask(file, "events")) == 0
    assert (
        ask(file, "summary")["hard_limited_hours"].tolist() == ask(run(given), "summary")["hard_limited_hours"].tolist()
    )
    with pytest.raises(StoreError, match="its tables have version 3"):
        run(given).save(file)
