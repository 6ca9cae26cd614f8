"""What is done and how long it takes is told on stderr where somebody asks for it, an object of JSON a line."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import simkit
from simkit.cli import main

EVERY_HOUR = f"[{', '.join('1' * 24)}]"
SCENARIO = f"""\
window: {{from: "2026-03-02", until: "2026-03-03"}}
presets: [{{name: large, instances: 2}}]
demand: {{profiles: [{{preset: large, claims_per_week: 70, weekday: {EVERY_HOUR}}}]}}
"""


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("week.yaml").write_text(SCENARIO)
    return "week.yaml"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def told(done: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]


def test_each_phase_is_a_line_with_its_seconds_and_sizes(scenario):
    done = invoke("--log-level", "info", "run", scenario, "--out", "runs.duckdb", "--replications", "2")
    assert done.exit_code == 0
    lines = told(done)
    phases = [line["message"] for line in lines if line["logger"] == "simkit"]
    assert phases[0] == "read"
    assert [phases.count(name) for name in ("read", "drawn", "simulated", "saved")] == [1, 2, 2, 1]
    assert phases.index("drawn") < phases.index("simulated") < phases.index("saved") < phases.index("asked")
    assert all(line["level"] == "info" and line["seconds"] >= 0 and line["at"].endswith("Z") for line in lines)
    by = {line["message"]: line for line in lines}
    assert (by["read"]["file"], by["read"]["presets"]) == (scenario, 1)
    assert (by["saved"]["runs"], by["saved"]["bytes"]) == (2, Path("runs.duckdb").stat().st_size)
    counted = simkit.ask("runs.duckdb", "summary")["claims"].sum()
    assert sum(line["claims"] for line in lines if line["message"] == "drawn") == counted > 0
    assert by["simulated"]["builds"] > 0


def test_without_the_option_nothing_is_told_and_after_a_command_no_more(scenario):
    before = (list(logging.getLogger("simkit").handlers), logging.getLogger("simkit").level)
    invoke("--log-level", "debug", "run", scenario)
    assert (list(logging.getLogger("simkit").handlers), logging.getLogger("simkit").level) == before
    done = invoke("run", scenario)
    assert told(done) == []
    done = invoke("--log-level", "warning", "run", scenario)
    assert (done.exit_code, told(done)) == (0, [])


def test_standard_output_is_the_same_with_and_without(scenario):
    assert invoke("--log-level", "debug", "run", scenario).stdout == invoke("run", scenario).stdout


def test_what_a_name_has_in_it_stays_text_in_one_line(scenario):
    name = "a\x1b[31m\nb\u202e.yaml"
    Path(name).write_text(SCENARIO)
    done = invoke("--log-level", "info", "run", name)
    assert done.exit_code == 0
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr
    assert told(done)[0]["file"] == name


def test_the_reference_engine_tells_the_same_phases(scenario):
    staff = f"{{name: staff, count: 1, preset: large, sessions: {{per_week: 20, weekday: {EVERY_HOUR}, length: 1h}}}}"
    Path("people.yaml").write_text(f"{SCENARIO}people: [{staff}]\n")
    done = invoke("--log-level", "debug", "run", "people.yaml", "--engine", "reference")
    assert done.exit_code == 0, done.stderr
    by = {line["message"]: line for line in told(done)}
    assert by["simulated"]["engine"] == "reference"


def test_a_place_where_compiled_code_cannot_be_kept_is_a_warning(scenario, tmp_path):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "simkit.cli", "--log-level", "warning", "explain", "* 8 * * *"]
    environment = {"SIMKIT_CACHE_DIR": str(tmp_path / "file"), "PYTHONPATH": str(Path(simkit.__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (line,) = (json.loads(text) for text in done.stderr.splitlines())
    assert (line["level"], line["logger"]) == ("warning", "simkit.core")
    assert line["message"].startswith(f"compiled code is not kept: {tmp_path / 'file'}")


def test_a_level_that_is_none_is_refused(scenario):
    done = invoke("--log-level", "loud", "run", scenario)
    assert done.exit_code == 2
    assert "debug" in done.stderr
