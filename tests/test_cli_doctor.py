"""What is not well on a machine is told with what to do about it, and nothing of it ends the doctor early."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import simkit
from simkit.cli import doctor, main
from simkit.core import compile as compiling

KNOWN = json.loads(Path(doctor.__file__).with_name("selfcheck.json").read_text(encoding="utf-8"))


def told(status: int) -> dict[str, dict[str, Any]]:
    done = CliRunner().invoke(main, ["doctor", "--format", "json"])
    assert done.exit_code == status, done.output
    document = json.loads(done.stdout)
    assert document["well"] == (status == 0)
    for check in document["checks"]:
        assert check["found"]
        assert check["cure"] or check["state"] == "well", "each says what to do"
    return {check["name"]: check for check in document["checks"]}


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for compiled code, so that the day is simulated as plain Python; and an ordinary machine."""
    monkeypatch.setattr(compiling, "_DIRECTORY", tmp_path)
    monkeypatch.delenv("SIMKIT_ZONEINFO", raising=False)
    monkeypatch.setattr(doctor, "day_digest", lambda: KNOWN["digest"])
    return tmp_path


def test_all_is_well_here_and_each_line_says_what_was_found():
    by = told(0)
    assert by["simkit"]["found"] == simkit.__version__
    assert f"numba {metadata.version('numba')}" in by["packages"]["found"]
    assert by["hours of crons"]["found"] == by["desired prebuilds"]["found"] == "24 of Coder's own answers"
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 0
    assert "NOT WELL" not in done.stdout
    assert len(done.stdout.splitlines()) == len(by)


def test_compiled_code_and_plain_python_simulate_the_known_day(directory, monkeypatch):
    assert doctor.digest_of_day() == KNOWN["digest"], "write it into selfcheck.json if results were meant to change"
    monkeypatch.undo()
    monkeypatch.setattr(compiling, "_DIRECTORY", directory / "nothing is kept here")
    assert doctor._can_run_compiled() == bool(compiling.numba.config.DISABLE_JIT)
    assert doctor.day_digest() == KNOWN["digest"]


@pytest.mark.parametrize("name", ["a.f-1.py311.nbi", "a.f-1.py311.1.nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80\x04", bytes(range(256))], ids=["empty", "cut", "foreign"])
def test_damaged_compiled_code_is_told(name, content, directory):
    (directory / name).write_bytes(content)
    check = told(1)["compiled code"]
    assert check["found"] == f"1 damaged, such as {directory / name}"
    assert f"delete {directory}" in check["cure"]


def test_compiled_code_as_it_was_written_is_well(directory):
    compiled: Any = compiling.jit(_twice)
    assert compiled(4) == 8
    assert {path.suffix for path in directory.rglob("*.nb?")} == {".nbi", ".nbc"}
    assert told(0)["compiled code"]["state"] == "well"
    (directory.rglob("*.nbc").__next__()).unlink()
    assert told(1)["compiled code"]["state"] == "wrong"


def _twice(number: int) -> int:
    return number * 2


def test_compiled_code_that_cannot_be_kept_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIMKIT_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(compiling, "_DIRECTORY", compiling._cache_directory())
    check = told(1)["compiled code"]
    assert check["found"].startswith(f"{tmp_path / 'file'}")
    assert "SIMKIT_CACHE_DIR" in check["cure"]


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("nowhere", "nowhere is no folder"),
        ("text", "text is no folder"),
        ("zones", "zones/Europe/Berlin is no file of time zone rules"),
    ],
)
def test_zone_files_that_are_none_are_told(place, found, tmp_path, monkeypatch):
    (tmp_path / "zones" / "Europe").mkdir(parents=True)
    (tmp_path / "zones" / "Europe" / "Berlin").write_text("no rules")
    (tmp_path / "text").write_text("no folder")
    monkeypatch.setenv("SIMKIT_ZONEINFO", str(tmp_path / place))
    assert told(1)["SIMKIT_ZONEINFO"]["found"] == f"{tmp_path}/{found}"


def test_a_machine_without_time_zones_is_told_and_all_else_is_still_looked_at(tmp_path):
    (tmp_path / "tzdata.py").write_text("raise ModuleNotFoundError('No module named tzdata')\n")
    path = os.pathsep.join((str(tmp_path), str(Path(simkit.__file__).parents[1])))
    environment = {**os.environ, "PYTHONPATH": path, "SIMKIT_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "simkit.cli", "doctor", "--format", "json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    by = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert by["time zones"]["state"] == by["self-check"]["state"] == "wrong"
    assert "time zone database is missing" in by["time zones"]["found"]
    assert by["scratch"]["state"] == "well"


def test_places_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    by = told(1)
    assert by["scratch"]["found"] == f"{tmp_path / 'file'} cannot be written: Not a directory"
    assert "TMPDIR" in by["scratch"]["cure"]
    assert by["this folder"]["state"] == "well"


def test_packages_that_are_missing_or_too_old_are_told(monkeypatch):
    versions = {"duckdb": None, "numpy": "1.26.4"}
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, "99"))
    monkeypatch.setattr(doctor, "_satisfies", lambda version, wanted: version != "1.26.4")
    found = told(1)["packages"]["found"]
    assert "duckdb is missing" in found
    assert "numpy 1.26.4 (needs " in found


@pytest.mark.parametrize(
    ("version", "wanted", "is_good"),
    [
        ("3.13.0", ">=3.11,<3.14", True),
        ("3.14.0rc1", ">=3.11,<3.14", False),
        ("3.10.9", "<3.14,>=3.11", False),
        ("2.1", ">=2.1.0", True),
        ("1.5.2", ">=1.5,<3", True),
        ("2026.1", ">=2024.1", True),
        ("1", "", True),
    ],
)
def test_a_version_is_within_its_bounds(version, wanted, is_good):
    assert doctor._satisfies(version, wanted) == is_good


def test_an_extra_that_is_not_there_is_no_fault(monkeypatch):
    extras = [("click", ">=8", ""), ("ipywidgets", ">=8", "lab"), ("pytest", "", "dev")]
    monkeypatch.setattr(doctor, "_requirements", lambda: iter(extras))
    monkeypatch.setattr(doctor, "_version", lambda name: {"click": "8.1"}.get(name))
    by = told(0)
    assert by["extra lab"]["state"] == "absent"
    assert by["extra lab"]["cure"] == "for the panel in JupyterLab: pip install 'simkit[lab]'"
    assert "extra dev" not in by


@pytest.mark.parametrize(("ask", "name"), [("_is_within", "hours of crons"), ("_is_desired", "desired prebuilds")])
def test_an_answer_that_is_another_is_told(ask, name, monkeypatch):
    monkeypatch.setattr(doctor, ask, lambda case: [])
    assert told(1)[name]["found"] == "24 of 24 known answers are others"


def test_a_day_that_is_another_is_told_and_what_fails_too(monkeypatch):
    monkeypatch.setattr(doctor, "day_digest", lambda: "0" * 12)
    assert KNOWN["digest"] in told(1)["a simulated day"]["found"]

    def fails() -> str:
        raise ImportError("numba is\nbroken")

    monkeypatch.setattr(doctor, "day_digest", fails)
    by = told(1)
    assert by["self-check"]["found"] == "ImportError: numba is broken"
    assert by["browser"], "all else is looked at"


def test_code_that_is_not_compiled_is_told(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert "unset NUMBA_DISABLE_JIT" in told(1)["compiling"]["cure"]
