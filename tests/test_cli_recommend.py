"""`simkit recommend` at the command line."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from result_schema import faults
from rich.console import Console

from simkit.cli import main
from simkit.errors import RunError
from simkit.inputs import load

TOP = Path(__file__).parent.parent


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Six weeks of three presets, with their template."""
    shutil.copytree(TOP / "data", tmp_path / "data", ignore=shutil.ignore_patterns("*.py", "twelve*", "work*"))
    return tmp_path / "data" / "scenarios" / "three-regions.yaml"


def recommend(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["recommend", *map(str, arguments)])


def test_a_block_is_printed_written_and_means_what_was_said(scenario: Path):
    template = scenario.parent.parent / "templates" / "three-regions" / "main.tf"
    before = template.read_text()
    done = recommend(scenario, "--preset", "backend-us", "--apply", template, "--max-schedules", 1)
    assert done.exit_code == 0, done.output
    assert "backend-us" in done.stdout
    assert "prebuilds {" in done.stdout
    assert "today's" in done.stdout
    assert 'Wrote the prebuilds of "backend-us"' in done.stderr
    assert template.read_text() != before
    again = json.loads(recommend(scenario, "--preset", "backend-us", "--max-schedules", 1, "--format", "json").stdout)
    (one,) = again["presets"]
    today = {key: one["today"][key] for key in ("instances", "ttl_s", "schedules")}
    assert today == {key: one["recommended"][key] for key in ("instances", "ttl_s", "schedules")}
    preset = next(p for v in load(scenario).versions for p in v.presets if p.name == "backend-us")
    assert preset.instances == one["recommended"]["instances"]


@pytest.mark.parametrize("verb", ["recommend", "worth", "league", "compare", "sweep"])
def test_who_watches_is_told_before_the_loop_that_counts_is_compiled(verb: str, scenario: Path, monkeypatch):
    told = []
    watched = Console(force_terminal=True, file=StringIO())

    def stop(*_: object, **__: object) -> None:
        raise RunError(f"told {told}")

    monkeypatch.setattr("simkit.cli.door.console_for", lambda **_: watched)
    monkeypatch.setattr("simkit.core.compile.will_compile", lambda kind: told.append(kind) or True)
    monkeypatch.setattr(f"simkit.{verb}", stop, raising=False)
    more = {"compare": [scenario], "sweep": ["--vary", "coder.provisioner_daemons=2", "--out", "x.duckdb"]}
    done = CliRunner().invoke(main, [verb, str(scenario), *map(str, more.get(verb, []))])
    assert "compiling the loop that counts, once" in done.stderr
    assert "told ['counts']" in str(done.exception) + done.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--target-hit-rate", "1"], "can be promised by no pool"),
        (["--target-hit-rate", "100%"], "can be promised by no pool"),
        (["--target-hit-rate", "95"], "a target of 95 is no share of the claims; write 0.95 or 95%"),
        (["--target-hit-rate", "all"], "write 95% or 0.95"),
        (["--preset", "backend-uk"], 'there is no preset "backend-uk"; write "backend-'),
        (["--holdout", "soon"], '"soon" is not a number of weeks'),
        (["--holdout", "4"], "less 4 held out"),
        (["--holdout", "0w"], "--holdout: 0 weeks cannot judge; write 13w"),
        (["--max-wait-p95", "1s"], "takes longer by itself, whatever is set; write"),
        (["--ttl", "5m"], "Coder takes 1h to 365d"),
        (["--max-wait-p95", "x"], "is not a duration"),
        (["--apply", "nowhere.tf"], "nowhere.tf"),
    ],
)
def test_wrong_input_ends_with_status_2_and_a_sentence(scenario: Path, options: list[str], said: str):
    done = recommend(scenario, *options)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_holidays_are_planned_around_and_told_in_each_format(scenario: Path, tmp_path: Path):
    days = tmp_path / "holidays.csv"
    days.write_text("date,name\n2026-10-12,Columbus Day\n2026-11-26,Thanksgiving\n2026-11-27,\n")
    options = (scenario, "--preset", "backend-us", "--max-schedules", 1, "--holidays", days)
    text = recommend(*options).stdout
    assert "Around holidays put this block in its place" in text
    assert "Thu 2026-11-26 00:00 EST" in text
    markdown = recommend(*options, "--format", "markdown").stdout
    assert markdown.count("```hcl") == 2
    assert "| Thu 2026-11-26 to Fri 2026-11-27 (Thanksgiving) |" in markdown
    told = json.loads(recommend(*options, "--format", "json").stdout)
    assert faults(told, "simkit.decide", "recommendation.schema.json") == []
    (one,) = told["presets"]
    ahead = one["holidays"]["edits"][-1]
    assert (ahead["first"], ahead["last"], ahead["is_seen"]) == ("2026-11-26", "2026-11-27", False)
    assert "prebuilds {" in one["holidays"]["terraform"]


def test_a_country_has_its_holidays_in_the_window_and_the_quarter_after_it(scenario: Path, monkeypatch):
    asked = []

    class Known:
        @staticmethod
        def country_holidays(country: str, subdiv: str | None, years: range) -> dict[date, str]:
            asked.append((country, subdiv, list(years)))
            return {date(2026, 11, 11): "Veterans Day", date(2027, 9, 6): "Labor Day"}

    monkeypatch.setitem(sys.modules, "holidays", Known)
    options = (scenario, "--preset", "backend-us", "--max-schedules", 1, "--format", "json")
    one = json.loads(recommend(*options, "--holidays", "country:US-NY").stdout)["presets"][0]
    assert asked == [("US", "NY", [2026, 2027])]
    assert "2026-11-11" in json.dumps(one["holidays"])
    assert "2027-09-06" not in json.dumps(one["holidays"])


def test_problems_of_the_holidays_and_of_the_scenario_are_told_together(scenario: Path, tmp_path: Path):
    days = tmp_path / "holidays.csv"
    days.write_text("date\n2026-13-01\n")
    broken = scenario.with_name("broken.yaml")
    broken.write_text(scenario.read_text() + "\nnonsense: 1\n")
    done = recommend(broken, "--holidays", days)
    assert done.exit_code == 2
    assert f'{days}:2: date: "2026-13-01" is not a date' in done.output
    assert "nonsense" in done.output
