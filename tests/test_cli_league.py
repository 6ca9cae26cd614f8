"""league as a person types it: what it prints, and with which status it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simkit.cli import main

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


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_league_prints_a_table_with_todays_row_and_what_is_stuck(scenario: Path):
    done = invoke("league", scenario, "--target", "90%")
    assert (done.exit_code, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head.split("  ")[0] == "a week"
    assert "90%?" in head
    assert [line.rstrip().split()[-1] for line in lines if line.startswith("today's schedule")] == ["today"]
    assert "Stuck: min(claims_10m*10, 20) can never leave zero, whoever comes" in done.stdout


def test_league_plays_the_expressions_that_are_given(scenario: Path):
    arguments = ("--expression", "misses_60m + 3", "--expression", "hour < 3 ? 6 : 0")
    told = json.loads(invoke("league", scenario, *arguments, "--format", "json").stdout)
    policies = [row["policy"] for row in told["rows"]]
    assert {"misses_60m + 3", "hour < 3 ? 6 : 0"} < set(policies)
    assert "min(claims_10m*10, 20)" not in policies
    assert sum(row["is_today"] for row in told["rows"]) == 1


def test_league_writes_markdown(scenario: Path):
    text = invoke("league", scenario, "--expression", "4", "--format", "markdown").stdout
    assert "| `4` |" in text


def test_league_tells_every_problem_of_the_scenario_and_of_expressions(tmp_path: Path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SCENARIO.replace("instances: 2", "instances: two"), encoding="utf-8")
    done = invoke("league", wrong, "--expression", "min(1", "--expression", "3 + clams_5m")
    assert (done.exit_code, done.stdout) == (2, "")
    assert '--expression 1:6: the end where "," is needed or ")" after a value of min' in done.stderr
    assert '--expression 2:5: there is no "clams_5m"; write "claims_5m"' in done.stderr
    assert "wrong.yaml:3" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("target", ["0", "150%", "nan", "most"])
def test_league_refuses_a_target_that_is_no_share(scenario: Path, target: str):
    done = invoke("league", scenario, "--target-hit-rate", target)
    assert done.exit_code == 2
    assert "is not a share above 0" in done.stderr
