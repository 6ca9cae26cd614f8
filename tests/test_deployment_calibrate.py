"""A scenario made of a history has the presets as deployed, the claims as they came, and durations as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from coder_database import SCENARIO, coder_id, rows_of, simulated, write_files
from scenarios import MONDAY_AT, scenario

import simkit
from simkit.cli import main
from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, zone
from simkit.deployment.calibrate import calibrate, measured
from simkit.deployment.durations import Rate, measure, nearest
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
    assert (found.facts.claims, made.demand.claim_at.size) == (claims, claims)
    assert made.behaviour == origin.behaviour
    assert found.facts.provisioners.count == made.provisioner_daemons == 3
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
    assert 24 * HOUR_US <= found.facts.cleared_after_us <= 25 * HOUR_US
    gone = {row["id"] for row in cleared}
    never = rows | {"workspace_builds": [row for row in rows["workspace_builds"] if row["id"] not in gone]}
    bring(tmp_path / "never.duckdb", Exports(write_files(never, tmp_path)), zone("UTC"))
    left = measured(tmp_path / "never.duckdb", tmp_path)
    assert left.facts.cleared_after_us == 0
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
    assert min(found.facts.claims, rest.facts.claims) > 20
    assert found.facts.claims + rest.facts.claims == simkit.ask(tmp_path / "two.duckdb", "summary")["claims"].sum()


def test_the_claims_of_a_run_are_found_whatever_its_name_is(tmp_path):
    office = replace(simulated().scenario, name="it's \"ours\"; '")
    simkit.save(tmp_path / "a 'b'.duckdb", [simkit.run(office)])
    found = calibrate(tmp_path / "a 'b'.duckdb", tmp_path / "s.yaml")
    assert simkit.load(tmp_path / "s.yaml").demand.claim_at.size == found.facts.claims > 20


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


def daemons(*given: tuple[str, str]) -> list[dict]:
    """Daemons of Coder's table by (tags, when they were last seen)."""
    fixed = {"organization_id": coder_id("organizations", 1), "created_at": "2026-01-01 00:00:00+00"}
    return [
        {**fixed, "id": coder_id("daemons", i), "version": "v2.35.1", "tags": tags, "last_seen_at": seen}
        for i, (tags, seen) in enumerate(given, 1)
    ]


END = "2026-03-09 04:00:00+00"
PLAIN, MINE = '{"scope": "organization", "owner": ""}', '{"scope": "organization", "owner": "", "pool": "prebuilds"}'


def brought(rows: dict, folder: Path, **tables: list) -> Path:
    """A history of these rows, with some tables in place of theirs."""
    path = folder / "changed.duckdb"
    path.unlink(missing_ok=True)
    bring(path, Exports(write_files(rows | tables, folder)), zone("America/New_York"))
    return path


def flat(text: str) -> str:
    """A scenario's lines as one."""
    return " ".join(line.strip().removeprefix("#").strip() for line in text.splitlines())


def test_daemons_that_are_alive_are_written_by_their_tags_and_those_of_others_are_left_out(rows, tmp_path):
    builds = {row["job_id"] for row in rows["workspace_builds"] if row["initiator_id"] == coder_id("users", 0)}
    jobs = [dict(row, tags=MINE if row["id"] in builds else PLAIN) for row in rows["provisioner_jobs"]]
    alive = daemons(
        *[(PLAIN, END)] * 2,
        *[(MINE, END)] * 3,
        (PLAIN, "2026-03-08 00:00:00+00"),
        ('{"scope": "user", "owner": "x"}', END),
        ('{"scope": "organization", "gpu": "yes"}', END),
    )
    found = calibrate(brought(rows, tmp_path, provisioner_jobs=jobs, provisioner_daemons=alive), tmp_path / "s.yaml")
    made = simkit.load(tmp_path / "s.yaml")
    assert {(one.count, one.tags) for one in made.daemons} == {(2, ()), (3, (("pool", "prebuilds"),))}
    assert made.job_tags(prebuild=True) == (("pool", "prebuilds"),)
    assert made.job_tags(prebuild=False) == ()
    assert "5 daemons alive when the history was read, and 2 that take no such jobs; 3 jobs ran" in found.text


def test_daemons_without_tags_are_a_number_and_no_fewer_than_jobs_ran_at_once(rows, tmp_path):
    for alive, count in (((PLAIN, END),) * 7, 7), (((PLAIN, END),), 3), ((), 3):
        calibrate(brought(rows, tmp_path, provisioner_daemons=daemons(*alive)), tmp_path / "s.yaml", force=True)
        made = simkit.load(tmp_path / "s.yaml")
        assert (made.provisioner_daemons, made.provisioners) == (count, ())


def test_the_quota_of_prebuilds_is_told_and_how_many_fit_in_it(rows, history, tmp_path):
    text = flat(measured(history, tmp_path).text)
    assert "a daily cost of 40, and a prebuild costs 12 (median of n = " in text
    assert "12 to 12): 3 at once." in text
    assert measured(brought(rows, tmp_path, group_members=[]), tmp_path).facts.quota is None
    free = [dict(row, daily_cost=0) for row in rows["workspace_builds"]]
    assert measured(brought(rows, tmp_path, workspace_builds=free), tmp_path).facts.quota is None


def test_people_are_counted_and_programs_told_apart(rows, tmp_path):
    """Of three accounts in turn the last is a program's."""
    ids = [coder_id("users", i) for i in (1, 2, 3)]
    mine = [row for row in rows["workspaces"] if row["owner_id"] != coder_id("users", 0)]
    owner_of = {row["id"]: ids[i % 3] for i, row in enumerate(mine)}
    workspaces = [dict(row, owner_id=owner_of.get(row["id"], row["owner_id"])) for row in rows["workspaces"]]
    others = [row for row in rows["users"] if row["id"] not in ids]
    fixed = {"created_at": "2026-01-01 00:00:00+00", "status": "active", "quiet_hours_schedule": ""}
    users = [*others, *({**fixed, "id": one, "is_service_account": "f" if one != ids[2] else "t"} for one in ids)]
    task = next(iter(owner_of))
    builds = [row | {"has_ai_task": "t" if row["workspace_id"] == task else None} for row in rows["workspace_builds"]]
    history = brought(rows, tmp_path, workspaces=workspaces, users=users, workspace_builds=builds)
    found = measured(history, tmp_path)
    mix = found.facts.mix
    assert (mix.people, mix.programs, mix.owners, mix.several) == (2, 1, 2, 2)
    assert mix.claims + mix.program_claims == found.facts.claims
    assert 0.3 < mix.program_claims / found.facts.claims < 0.37
    assert mix.per_week.mean == pytest.approx(mix.claims / 2, rel=0.06), "the history is a week long, nearly"
    assert mix.tasks == 1
    assert "2 people asked" in flat(found.text)
    assert "of all, for tasks of agents" in flat(found.text)
    assert "of 1 account of programs." in flat(found.text)
    plain = measured(brought(rows, tmp_path), tmp_path)
    assert (plain.facts.mix.people, plain.facts.mix.programs) == (plain.facts.claims, 0)


@pytest.mark.parametrize(("days", "weeks"), [(7, ""), (15, "2.0"), (36, "5.0")])
def test_a_history_in_which_nothing_happens_any_more_is_told_as_a_copy_of_an_older_database(days, weeks, tmp_path):
    one = scenario(hours=24 * days, claims=((MONDAY_AT + 24 * HOUR_US, "p"),))
    simkit.run(one).save(tmp_path / "old.duckdb")
    found = measured(tmp_path / "old.duckdb", tmp_path)
    silent = [note.text for note in found.notes if note.text.startswith("no job was begun in the last")]
    assert len(silent) == bool(weeks)
    for text in silent:
        assert f"the last {weeks} weeks of the history" in text
        assert 'write {until: "2026-03-03T' in text


def test_how_the_reconciler_of_a_simulated_run_was_set_comes_back(tmp_path):
    office = simulated().scenario
    odd = replace(office.reconciler, interval_us=30 * SECOND_US, failure_hard_limit=5)
    simkit.run(replace(office, reconciler=odd)).save(tmp_path / "odd.duckdb")
    calibrate(tmp_path / "odd.duckdb", tmp_path / "s.yaml")
    assert simkit.load(tmp_path / "s.yaml").reconciler == odd
    simkit.run(office).save(tmp_path / "even.duckdb")
    assert "reconciliation" not in measured(tmp_path / "even.duckdb", tmp_path).text


def test_claims_as_they_came_have_their_trend_beside_them(history, tmp_path):
    text = flat(measured(history, tmp_path).text)
    assert "claims a week, n = " in text
    assert "Trend: not known from " in text


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
        failures = Rate("", int(chance.binomial(size, 0.1)), size).share
        inside["failures"] += failures.low <= 0.1 <= failures.high
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
    assert measure("build", "", np.array([5])).median == (5, 5, 5)
    assert measure("build", "", np.arange(1, 6)).median == (3, 1, 5)


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
        build = next(one for one in found.facts.durations if (one.kind, one.preset) == ("build", ""))
        rate = next(one for one in found.facts.failures if not one.preset)
        inside["median"] += build.median[1] <= 4 * MINUTE_US <= build.median[2]
        inside["p95"] += build.p95[1] <= 8 * MINUTE_US <= build.p95[2]
        inside["failures"] += rate.share.low <= 0.02 <= rate.share.high
    assert all(90 <= count <= 99 for count in inside.values()), inside
