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
def test_without_a_mutant_no_case_fails(found):
    assert tuple(found["without"]) == tuple(CHECKS)
    assert [check for check, (asked, _) in found["without"].items() if asked == 0] == [], "nothing was asked"
    assert {check: failed for check, (_, failed) in found["without"].items() if failed} == {}


# All at once: what is found out together would be found out again by each worker that has some of them.
@pytest.mark.slow
def test_a_broken_rule_is_caught(found, record_property):
    caught = {mutant: found[mutant] for mutant in MUTANTS}
    for mutant, by in caught.items():
        for check, (asked, failed) in by.items():
            record_property("mutant", f"{mutant}: {failed} of {asked} ({check})")
    assert {mutant: tuple(by) for mutant, by in caught.items()} == {m: of.caught_by for m, of in MUTANTS.items()}
    missed = [(mutant, check) for mutant, by in caught.items() for check, (_, failed) in by.items() if failed == 0]
    assert missed == [], "cases that do not reach what runs"


def test_every_kind_that_an_engine_answers_catches_a_mutant():
    caught = {check for mutant in MUTANTS.values() for check in mutant.caught_by}
    assert set(CHECKS) - caught == set()
