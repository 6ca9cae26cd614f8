"""compare and sweep as a person types it: what it prints, and with which status it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simkit.cli import main
from simkit.runs.counts import count_measures
from simkit.runs.givens import Givens

SCENARIO = """\
name: week
window: {from: "2026-03-02", until: "2026-03-16"}
presets: [{name: dev, instances: 2}]
demand: {profiles: [{preset: dev, claims_per_week: 60, weekday: [8, 9, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                                                 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}]}
durations: {build: 10m}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "week.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


@pytest.fixture
def change(tmp_path: Path) -> Path:
    path = tmp_path / "more.yaml"
    path.write_text(SCENARIO.replace("instances: 2", "instances: 6"), encoding="utf-8")
    return path


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_compare_prints_what_a_change_does(scenario: Path, change: Path):
    done = invoke("compare", scenario, change, "--replications", "5", "--seed", "3")
    assert (done.exit_code, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("hit rate")]
    assert [row[-1] for row in rows] == ["yes"]
    assert "5 replications with seed 3 of 2 whole weeks, from Monday in UTC" in done.stdout


def test_compare_writes_json_and_markdown(scenario: Path, change: Path):
    told = json.loads(invoke("compare", scenario, change, "--replications", "2", "--format", "json").stdout)
    assert [row["measure"] for row in told["changes"][0]["differences"]] == [
        *("hit_rate", "wait_p95_s", "idle_hours", "pool_hours", "builds"),
    ]
    text = invoke("compare", scenario, change, change, "--replications", "2", "--format", "markdown").stdout
    assert text.count("| `dev` | hit rate |") == 2


def test_compare_stops_by_itself_and_looks_at_what_is_asked_for(scenario: Path, change: Path):
    arguments = ("--until-settled", "5%", "--measure", "idle", "--measure", "pool", "--format", "json")
    told = json.loads(invoke("compare", scenario, change, *arguments).stdout)
    assert {row["measure"] for row in told["changes"][0]["differences"]} == {"idle_hours", "pool_hours"}
    assert (told["until_settled"], told["is_settled"], told["replications"]) == (0.05, True, 20)
    assert (
        json.loads(invoke("compare", scenario, change, *arguments, "--replications", "9").stdout)["replications"] == 9
    )


@pytest.mark.parametrize("share", ["0%", "five", "-5%", "200%", "nan"])
def test_compare_refuses_what_is_no_share(scenario: Path, share: str):
    done = invoke("compare", scenario, scenario, "--until-settled", share)
    assert done.exit_code == 2
    assert f'"{share}" is not a share above 0; write 5% or 0.05' in done.stderr


def test_compare_tells_every_problem_of_every_file(scenario: Path, tmp_path: Path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SCENARIO.replace("instances: 2", "instances: two, ttl: soon"), encoding="utf-8")
    done = invoke("compare", scenario, wrong, tmp_path / "missing.yaml")
    assert done.exit_code == 2
    assert [line.count("wrong.yaml:3") for line in done.stderr.splitlines()] == [0, 1, 1]
    assert "missing.yaml: cannot be read" in done.stderr
    assert done.stdout == ""


VARY = ("--vary", "presets.dev.instances=0..5", "--vary", "presets.dev.ttl=0,4h")


def test_sweep_prints_the_points_and_goes_on_with_a_file(scenario: Path, tmp_path: Path):
    out = tmp_path / "s.duckdb"
    done = invoke("sweep", scenario, *VARY, "--out", out, "--replications", "2")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].strip() == "Points"
    assert f"12 points in {out}: 12 computed, 0 were there" in done.stdout
    more = invoke("sweep", scenario, "--vary", "presets.dev.instances=0..19", *VARY[2:], "--out", out)
    assert f"40 points in {out}: 28 computed, 12 were there" in more.stdout
    assert more.stdout.splitlines()[0].strip() == "Points of which no other is as good for less"
    assert invoke("sweep", scenario, *VARY, "--out", tmp_path / "few.duckdb", "--sample", "3").stdout.count("4h") > 0


def test_sweep_ends_with_1_where_a_point_fails_and_says_why(scenario: Path, tmp_path: Path):
    vary = ("--vary", "durations.build.median=5m,30m", "--vary", "durations.build.p95=20m,40m")
    done = invoke("sweep", scenario, *vary, "--out", tmp_path / "s.duckdb")
    assert done.exit_code == 1
    assert "durations.build.median=30m durations.build.p95=20m: " in done.stderr
    assert "4 points in" in done.stdout
    assert "3 computed, 0 were there, 1 failed" in done.stdout


def test_sweep_tells_every_problem_at_once(scenario: Path, tmp_path: Path):
    out = tmp_path / "s.duckdb"
    vary = ("--vary", "presets.dve.ttl=1h", "--vary", "coder.daemons=2", "--vary", "coder.provisioner_daemons=0")
    done = invoke("sweep", scenario, *vary, "--out", out)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 3
    assert invoke("sweep", scenario, *VARY, "--out", tmp_path).exit_code == 2
    assert not out.exists()


def test_sweep_says_how_to_go_on_when_it_is_interrupted(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from simkit.decide import sweep as sweeping

    ran: list[int] = []

    def counted(given: Givens) -> object:
        ran.append(1)
        if len(ran) == 5:
            raise KeyboardInterrupt
        return count_measures(given)

    monkeypatch.setattr(sweeping, "count_measures", counted)
    done = invoke("sweep", scenario, *VARY, "--out", tmp_path / "s.duckdb")
    assert done.exit_code == 1
    assert "interrupted; what was done is in it" in done.stderr
    assert "the same command goes on" in done.stderr
    monkeypatch.undo()
    assert "12 points" in invoke("sweep", scenario, *VARY, "--out", tmp_path / "s.duckdb").stdout
