"""Compiled code and plain Python are the same code, and a stale kernel does not run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scenarios import digests

from simkit.core import compile as compiling

SCENARIOS = Path(__file__).parent / "scenarios.py"


def digests_in_another_process(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, str(SCENARIOS)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    "environment",
    [
        {"NUMBA_DISABLE_JIT": "1"},
        {"TZ": "Pacific/Apia", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
    ],
    ids=["plain Python", "another machine's settings"],
)
def test_a_run_has_the_same_tables(environment):
    assert digests_in_another_process(**environment) == digests()


def test_the_key_of_compiled_code_covers_every_file_of_the_core(tmp_path, monkeypatch):
    (tmp_path / "compile.py").write_text("a")
    (tmp_path / "policy.py").write_text("b")
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "compile.py"))
    before = compiling.source_digest()
    assert compiling.source_digest() == before
    (tmp_path / "policy.py").write_text("c")
    changed = compiling.source_digest()
    (tmp_path / "another.py").write_text("")
    assert len({before, changed, compiling.source_digest()}) == 3


def test_the_key_covers_what_compiles(monkeypatch):
    before = compiling.source_digest()
    monkeypatch.setattr(compiling.numba, "__version__", "0.0.0")
    assert compiling.source_digest() != before


def test_compiled_code_is_kept_where_it_is_told_to(tmp_path, monkeypatch):
    monkeypatch.setenv("SIMKIT_CACHE_DIR", str(tmp_path / "new"))
    assert compiling._cache_directory() == tmp_path / "new" / f"core-{compiling.source_digest()}"


def test_without_a_place_to_keep_it_each_process_compiles(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIMKIT_CACHE_DIR", str(tmp_path / "file"))
    assert compiling._cache_directory() is None
