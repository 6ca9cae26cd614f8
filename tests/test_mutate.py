"""The mutants are what they are said to be: one slip each, and those that change nothing have a reason."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import pytest
from mutate import DECIDE, EQUAL, SUITES, TOP, Mutant, all_mutants, mutants, path_of, summed_up

SOURCE = '''
LIMIT = 0.8
"""Not a rule."""


def other(a: bool) -> bool:
    return not a


def chosen(a: int, b: int = 3) -> int:
    """1 + 1 of a docstring is no slip."""
    assert a < b, f"{a + 1}"
    c = min(a, 2)
    if not (a <= b and
            c == b - 1):
        raise ValueError(a + b)
    return c
'''


@pytest.fixture(scope="module")
def every() -> list[Mutant]:
    return all_mutants(list(SUITES))


def test_each_kind_of_slip_is_made_where_it_can_be():
    found = {(one.function, one.new) for one in mutants("m", SOURCE)}
    assert {
        ("LIMIT", "LIMIT = 1.3"),
        ("other", "return a"),
        ("chosen", "if (a <= b and"),
        ("chosen", "c = max(a, 2)"),
        ("chosen", "c = min(a, 3)"),
        ("chosen", "c = min(a, 1)"),
        ("chosen", "pass"),
        ("chosen", "if not (a < b and"),
        ("chosen", "if not (a > b and"),
        ("chosen", "if not (a <= b or"),
        ("chosen", "c != b - 1):"),
        ("chosen", "c == b + 1):"),
        ("chosen", "c == b - 2):"),
        ("chosen", "c == b - 0):"),
    } == {(function, new.replace("1.3000000000000003", "1.3")) for function, new in found}


def test_a_mutant_is_one_line_that_differs_and_can_be_compiled(every: list[Mutant]):
    assert len(every) > 2000
    sources = {name: path_of(name).read_text(encoding="utf-8").splitlines() for name in SUITES}
    for one in every[:: len(every) // 150]:
        ast.parse(one.source)
        assert one.old != one.new
        assert sources[one.module][one.line - 1].strip() == one.old
        assert one.source.splitlines()[: one.line - 1] == sources[one.module][: one.line - 1]


def test_those_that_change_nothing_are_still_made_and_have_a_reason(every: list[Mutant]):
    names = {one.name for one in every}
    assert set(EQUAL) - names == set(), "strike out what is no longer there"
    assert [name for name, why in EQUAL.items() if len(why.split()) < 5] == []


def test_every_module_has_tests_that_are_there():
    assert [
        name for tests in SUITES.values() for name in tests if not (TOP / "tests" / f"test_{name}.py").is_file()
    ] == []
    assert set(DECIDE) <= {name.rpartition(".")[2] for name in SUITES}


def test_too_many_that_nobody_noticed_are_a_failure(capsys: pytest.CaptureFixture[str]):
    one = mutants("m", SOURCE)[0]
    assert summed_up([(one, True)] * 95 + [(one, False)] * 5) == 0
    assert summed_up([(one, True)] * 94 + [(one, False)] * 6) == 1
    assert "94 of 100 mutants were noticed, 94.0%" in capsys.readouterr().out


@pytest.mark.slow
def test_mutants_of_a_rule_are_noticed_and_the_seed_draws_the_same_again():
    command = [sys.executable, "tests/mutate.py", "--modules", "simkit.core.policy", "--many", "4", "--seed", "3"]
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=TOP, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^4 of \d+ mutants, seed 3$", done.stdout, re.MULTILINE)
    assert done.stdout.count("\nnoticed") == 4, done.stdout
