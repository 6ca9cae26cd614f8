"""The conformance cases reach what runs: each rule that is broken in an engine is caught by cases of its kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutants import CHECKS, MUTANTS

TOP = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, tuple[int, int]]]:
    """(cases that were put, cases that failed) by mutant and check; in plain Python, where rules can be replaced."""
    paths = [str(TOP / "tests"), str(TOP), *filter(None, [os.environ.get("PYTHONPATH")])]
    given = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, str(TOP / "tests" / "mutants.py")], capture_output=True, text=True, env=given, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_without_a_mutant_no_case_fails(found, check):
    asked, failed = found["without"][check]
    assert asked > 0
    assert failed == 0


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_rule_is_caught(found, mutant, record_property):
    caught = found[mutant]
    for check, (asked, failed) in caught.items():
        record_property("mutant", f"{mutant}: {failed} of {asked} ({check})")
    assert tuple(caught) == MUTANTS[mutant].caught_by
    assert [check for check, (_, failed) in caught.items() if failed == 0] == [], "cases that do not reach what runs"


def test_every_kind_that_an_engine_answers_catches_a_mutant():
    caught = {check for mutant in MUTANTS.values() for check in mutant.caught_by}
    assert set(CHECKS) - caught == set()
