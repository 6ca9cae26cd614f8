"""A scenario made of a history has the presets as deployed, the claims as they came, and durations as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from coder_database import SCENARIO, coder_id, rows_of, simulated, write_files

import simkit
from simkit.cli import main
from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, zone
from simkit.deployment.calibrate import calibrate, measure, measured, nearest, quantile, wilson
from simkit.deployment.exports import Exports
from simkit.deployment.history import bring
from simkit.errors import InputError
from simkit.model import Preset


@pytest.fixture(scope="module")
def rows():
    return rows_of(simulated())


@pytest.fixture(scope="module")
def history(rows, tmp_path_factory) -> Path:
    """A simulated week that went out as Coder's tables and came back by an import."""
    folder = tmp_path_factory.mktemp("calibrate")
    bring(folder / "my.duckdb", Exports(write_files(rows, folder)), zone("America/New_York"))
    return folder / "my.duckdb"


def plain(preset: Preset) -> tuple:
    """What decides its pool."""
    schedules = [(schedule.cron, schedule.instances) for schedule in preset.schedules]
    return preset.name, preset.instances, preset.ttl_us, preset.timezone, schedules


def test_presets_schedules_and_claims_of_a_deployment_come_back_as_a_scenario(history, tmp_path):
    found = calibrate(history, tmp_path / "deployment.yaml")
    made, origin = simkit.load(tmp_path / "deployment.yaml"), simulated().scenario
    assert [plain(p) for p in made.versions[0].presets] == [plain(p) for p in origin.versions[0].presets]
    claims = simkit.ask(history, "summary")["claims"].sum()
    assert (found.claims, made.demand.claim_at.size) == (claims, claims)
    assert made.behaviour == origin.behaviour
    assert found.daemons == made.provisioner_daemons == 3
    workload = made.workload
    assert (workload.agent.samples, workload.claim.samples) == ((40 * SECOND_US,), (8 * SECOND_US,))


def test_its_simulation_serves_as_the_deployment_did(history, tmp_path):
    calibrate(history, tmp_path / "deployment.yaml")
    again = simkit.ask(simkit.run(simkit.load(tmp_path / "deployment.yaml")), "hit_rate")
    before = simkit.ask(history, "hit_rate")
    assert again["claims"].tolist() == before["claims"].tolist()
    assert (again["hits"] - before["hits"]).abs().max() <= 5


def test_each_number_stands_beside_its_sample_size_and_interval(history, tmp_path):
    text = measured(history, tmp_path).text
    builds = [line for line in text.splitlines() if line.strip().startswith("# n = ")]
    assert len(builds) >= 5
    assert all("median" in line and "[" in line for line in builds)
    assert "nearest to a lognormal distribution" in builds[0]
    assert "failures: " in text
    assert "of n = " in text
    assert "Demand is seen in part" in text


def test_thin_data_is_told_and_what_nobody_saw_is_left_to_the_default(history, rows, tmp_path):
    few = {name: list(of) for name, of in rows.items()}
    kept = {row["id"] for row in few["workspaces"][:8]}
    few["workspaces"] = [row for row in rows["workspaces"] if row["id"] in kept]
    few["workspace_builds"] = [
        row for row in rows["workspace_builds"] if row["workspace_id"] in kept and row["transition"] == "start"
    ]
    bring(tmp_path / "few.duckdb", Exports(write_files(few, tmp_path)), zone("UTC"))
    found = measured(tmp_path / "few.duckdb", tmp_path)
    told = [note.text for note in found.notes]
    assert any(text.startswith("durations.build is thin: only ") for text in told)
    assert "durations.delete is thin: none was seen, so that simkit's default stands" in told
    assert any(text.startswith("failures.probability is thin: ") for text in told)
    assert "delete" not in yaml.safe_load(found.text)["durations"]
    assert "overrides" not in yaml.safe_load(found.text)


def test_failed_prebuilds_that_somebody_deletes_are_cleared_and_others_stay(history, rows, tmp_path):
    cleared = [row for row in rows["workspace_builds"] if row["build_number"] == 2 and row["transition"] == "delete"]
    failed = {row["id"] for row in rows["provisioner_jobs"] if row["error"]}
    first = {row["workspace_id"] for row in rows["workspace_builds"] if row["job_id"] in failed}
    cleared = [row for row in cleared if row["workspace_id"] in first]
    found = measured(history, tmp_path)
    assert cleared, "an operator deletes some in the simulated week"
    assert 24 * HOUR_US <= found.cleared_after_us <= 25 * HOUR_US
    gone = {row["id"] for row in cleared}
    never = rows | {"workspace_builds": [row for row in rows["workspace_builds"] if row["id"] not in gone]}
    bring(tmp_path / "never.duckdb", Exports(write_files(never, tmp_path)), zone("UTC"))
    left = measured(tmp_path / "never.duckdb", tmp_path)
    assert left.cleared_after_us == 0
    assert "cleared_after" not in left.text


def two_templates(rows) -> dict:
    """The same history, half of whose workspaces belong to a second template with one preset of an odd name."""
    other = coder_id("templates", 2)
    version = dict(rows["template_versions"][0], id=other, template_id=other)
    preset = dict(rows["template_version_presets"][0], id=other, template_version_id=other, name="a \"b\": #'c'")
    moved = {row["id"] for row in rows["workspaces"][::2]}
    return rows | {
        "templates": [*rows["templates"], dict(rows["templates"][0], id=other, name="other", active_version_id=other)],
        "template_versions": [*rows["template_versions"], version],
        "template_version_presets": [*rows["template_version_presets"], preset],
        "workspaces": [dict(row, template_id=other) if row["id"] in moved else row for row in rows["workspaces"]],
        "workspace_builds": [
            dict(row, template_version_id=other, template_version_preset_id=other)
            if row["workspace_id"] in moved
            else row
            for row in rows["workspace_builds"]
        ],
    }


def test_templates_are_told_apart_and_names_are_text(rows, tmp_path):
    bring(tmp_path / "two.duckdb", Exports(write_files(two_templates(rows), tmp_path)), zone("UTC"))
    with pytest.raises(InputError, match=r"several templates \(.*\); choose one with --template"):
        measured(tmp_path / "two.duckdb", tmp_path)
    with pytest.raises(
        InputError, match=r'of a template "none"; there is ide, other|of a template "none"; there is other, ide'
    ):
        measured(tmp_path / "two.duckdb", tmp_path, "none")
    (tmp_path / "below").mkdir()
    found = calibrate(tmp_path / "two.duckdb", tmp_path / "below" / "s.yaml", "other")
    made = simkit.load(tmp_path / "below" / "s.yaml")
    assert [p.name for p in made.versions[0].presets] == ["a \"b\": #'c'"]
    assert set(made.demand.preset) == {"a \"b\": #'c'"}
    rest = measured(tmp_path / "two.duckdb", tmp_path, "ide")
    assert min(found.claims, rest.claims) > 20
    assert found.claims + rest.claims == simkit.ask(tmp_path / "two.duckdb", "summary")["claims"].sum()


def test_the_claims_of_a_run_are_found_whatever_its_name_is(tmp_path):
    office = replace(simulated().scenario, name="it's \"ours\"; '")
    simkit.save(tmp_path / "a 'b'.duckdb", [simkit.run(office)])
    found = calibrate(tmp_path / "a 'b'.duckdb", tmp_path / "s.yaml")
    assert simkit.load(tmp_path / "s.yaml").demand.claim_at.size == found.claims > 20


def test_claims_of_presets_that_are_no_more_are_left_out_and_told(rows, tmp_path):
    changed = dict(rows["template_version_presets"][1], template_version_id=coder_id("template_versions", 9))
    old = dict(rows["template_versions"][0], id=coder_id("template_versions", 9), created_at="2026-01-01 00:00:00+00")
    moved = rows | {
        "template_version_presets": [rows["template_version_presets"][0], changed],
        "template_versions": [*rows["template_versions"], old],
    }
    bring(tmp_path / "old.duckdb", Exports(write_files(moved, tmp_path)), zone("UTC"))
    found = measured(tmp_path / "old.duckdb", tmp_path)
    assert any("claims are left out: of presets that the active version of ide" in note.text for note in found.notes)
    assert [p["name"] for p in yaml.safe_load(found.text)["presets"]] == ["large"]


@pytest.mark.parametrize("size", [40, 400])
def test_known_quantiles_and_probabilities_lie_in_their_intervals_in_95_of_100_samples(size):
    print("seed 11")
    chance = np.random.default_rng(11)
    inside = dict.fromkeys(("median", "p95", "failures"), 0)
    sigma = np.log(2.0) / 1.6448536269514722  # the 95th percentile is twice the median
    for _ in range(100):
        sample = np.sort((4 * MINUTE_US * np.exp(sigma * chance.standard_normal(size))).astype(np.int64))
        one = measure("build", "", sample)
        inside["median"] += one.median[1] <= 4 * MINUTE_US <= one.median[2]
        inside["p95"] += one.p95[1] <= 8 * MINUTE_US <= one.p95[2]
        low, high = wilson(int(chance.binomial(size, 0.1)), size)
        inside["failures"] += low <= 0.1 <= high
    wanted = {"median": 90, "p95": 80 if size == 40 else 90, "failures": 90}  # 40 have no order statistic above p95
    assert all(inside[name] >= least for name, least in wanted.items()), inside


def test_the_nearest_family_is_that_of_the_sample():
    chance = np.random.default_rng(4)
    drawn = {
        "lognormal": chance.lognormal(5, 0.7, 4000),
        "gamma": chance.gamma(2.0, 60, 4000),
        "weibull": 200 * chance.weibull(3.5, 4000),
    }
    found = {name: nearest(np.sort((x * 1e6).astype(np.int64))) for name, x in drawn.items()}
    assert {name: family for name, (family, _) in found.items()} == {name: name for name in drawn}
    assert all(distance < 0.03 for _, distance in found.values())


def test_a_quantile_of_few_is_between_the_least_and_the_greatest():
    assert quantile(np.array([5]), 0.5) == (5, 5, 5)
    assert quantile(np.arange(1, 6), 0.5) == (3, 1, 5)
    assert wilson(0, 20)[0] == 0
    assert wilson(20, 20)[1] == 1


def test_the_command_prints_what_was_measured_and_refuses_what_it_cannot_use(history, tmp_path):
    done = CliRunner().invoke(main, ["calibrate", str(history), "--out", str(tmp_path / "s.yaml")])
    assert done.exit_code == 0
    assert "build: n = " in done.output
    assert "failures: 3 of n = " in done.output
    done = CliRunner().invoke(main, ["calibrate", str(tmp_path / "no.duckdb"), "--out", str(tmp_path / "t.yaml")])
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    (tmp_path / "office.yaml").write_text(SCENARIO, encoding="utf-8")
    done = CliRunner().invoke(main, ["calibrate", str(tmp_path / "office.yaml"), "--out", str(tmp_path / "t.yaml")])
    assert done.exit_code == 2
    assert not (tmp_path / "t.yaml").exists()


@pytest.mark.longest
def test_what_a_scenario_says_lies_in_the_intervals_of_its_own_history_in_90_of_100_runs(tmp_path):
    (tmp_path / "office.yaml").write_text(SCENARIO, encoding="utf-8")
    scenario = simkit.load(tmp_path / "office.yaml")
    inside = dict.fromkeys(("median", "p95", "failures"), 0)
    for seed in range(100):
        file = tmp_path / f"{seed}.duckdb"
        simkit.run(scenario, seed=seed).save(file)
        found = measured(file, tmp_path)
        file.unlink()
        build = next(one for one in found.durations if (one.kind, one.preset) == ("build", ""))
        rate = next(one for one in found.failures if not one.preset)
        inside["median"] += build.median[1] <= 4 * MINUTE_US <= build.median[2]
        inside["p95"] += build.p95[1] <= 8 * MINUTE_US <= build.p95[2]
        inside["failures"] += rate.low <= 0.02 <= rate.high
    assert all(90 <= count <= 99 for count in inside.values()), inside
