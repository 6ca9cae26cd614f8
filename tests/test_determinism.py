"""The same inputs give the same numbers, those that are recorded, on whatever machine they are computed.

Threads are tried in test_samples.py, other Pythons by `make smoke` and `make test-pythons`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sampled import RUNS, TOP

SMALL = ("clocks", "morning")
LARGE = ("lifecycle", "lifecycle, seed 1", "three-regions", "twelve-presets", "workweek", "workweek, replication 3")
"""They take minutes as plain Python."""
PLAIN = {"NUMBA_DISABLE_JIT": "1"}
ELSEWHERE = {"TZ": "Pacific/Apia", "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE.UTF-8", "PYTHONHASHSEED": "1"}


def moved(*names: str, here: Path, top: Path = TOP, **environment: str) -> str:
    """What is not as recorded, in a process of its own that starts in a directory of its own."""
    done = subprocess.run(
        [sys.executable, str(top / "tests" / "sampled.py"), *names],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(top), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_plain_python_gives_the_same_numbers(tmp_path):
    assert moved(*SMALL, here=tmp_path, **PLAIN) == ""


def test_another_directory_zone_locale_and_order_of_hashes_give_the_same_numbers(tmp_path):
    assert moved("busy", "people", here=tmp_path, **ELSEWHERE) == ""


def test_a_number_that_moved_is_told(tmp_path):
    for name in ("simkit", "data", "examples", "tests"):
        shutil.copytree(TOP / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "conformance"))
    policy = tmp_path / "simkit" / "core" / "policy.py"
    text = policy.read_text(encoding="utf-8")
    assert text.count("now_at - created_at > ttl_us") == 1
    policy.write_text(text.replace("created_at > ttl_us", "created_at > 2 * ttl_us"), encoding="utf-8")
    told = moved("clocks", here=tmp_path, top=tmp_path, **PLAIN)
    assert "clocks: rows: tables: " in told
    assert "clocks: counts: was " in told


@pytest.mark.slow
def test_plain_python_gives_the_same_numbers_for_everything_that_is_short(tmp_path):
    assert moved(*(name for name in RUNS if name not in LARGE), here=tmp_path, **PLAIN, **ELSEWHERE) == ""


@pytest.mark.slow
def test_code_for_any_processor_gives_the_same_numbers(tmp_path):
    assert moved(*RUNS, "decisions", here=tmp_path, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="") == ""


@pytest.mark.longest
def test_a_copy_in_another_place_gives_the_same_numbers(tmp_path):
    top = tmp_path / "a place, with blanks and ü"
    for name in ("simkit", "data", "examples", "tests"):
        shutil.copytree(TOP / name, top / name, ignore=shutil.ignore_patterns("__pycache__", "conformance"))
    assert moved(*RUNS, "decisions", here=tmp_path, top=top) == ""
