"""An argument that cannot be meant gets a sentence: whatever is public refuses it before anything is begun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import simkit
from simkit.arguments import a_path, a_whole_number, at_least, takes

ROOT = Path(__file__).parent.parent
MORNING = str(ROOT / "examples/template/morning.yaml")
WEEKS = str(ROOT / "data/scenarios/workweek.yaml")
TEMPLATE = str(ROOT / "examples/template")
AT = "2026-03-02T09:00:00Z"

LOADED, NAMED, FILE = "a scenario that was loaded", "a scenario or the path of one", "the path of a file"
RUNS, WHOLE, TEXT, MAPPING = "a runs file, a result", "a whole number", "text", "a dictionary"
# For each function: arguments, and which of them is told how.
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("load", {"path": 7}, "path", FILE),
    ("load", {"path": None}, "path", FILE),
    ("load", {"path": MORNING, "variables": 3}, "variables", MAPPING),
    ("load", {"path": MORNING, "coder": 2.35}, "coder", TEXT),
    ("run", {"scenario": MORNING}, "scenario", LOADED),
    ("run", {"scenario": None}, "scenario", LOADED),
    ("run", {"seed": "x"}, "seed", WHOLE),
    ("run", {"seed": 1.5}, "seed", WHOLE),
    ("run", {"replication": -1}, "replication", "a whole number, 0 or more"),
    ("run_reference", {"scenario": MORNING}, "scenario", LOADED),
    ("run_reference", {"seed": None}, "seed", WHOLE),
    ("run_reference", {"replication": True}, "replication", WHOLE),
    ("replicate", {"scenario": [1], "seed": 0, "replications": 1}, "scenario", LOADED),
    ("replicate", {"seed": 0, "replications": 0}, "replications", "a whole number, 1 or more"),
    ("replicate", {"seed": 0, "replications": 2, "threads": 0}, "threads", "a whole number, 1 or more"),
    ("ask", {"source": 3, "question": "hit_rate"}, "source", RUNS),
    ("ask", {"source": [MORNING], "question": "hit_rate"}, "source", RUNS),
    ("ask", {"source": "runs.duckdb", "question": 3}, "question", TEXT),
    ("ask", {"source": "runs.duckdb", "question": "hit_rate", "preset": 1}, "preset", TEXT),
    ("save", {"path": 3, "runs": []}, "path", FILE),
    ("save", {"path": "runs.duckdb", "runs": 3}, "runs", "a list of results"),
    ("save", {"path": "runs.duckdb", "runs": MORNING}, "runs", "a list of results"),
    ("check", {"paths": TEMPLATE}, "paths", "a list of paths"),
    ("check", {"paths": 3}, "paths", "a list of paths"),
    ("check", {"paths": [TEMPLATE], "keyword": 3}, "keyword", TEXT),
    ("diff", {"old": 1, "new": TEMPLATE, "at": AT}, "old", TEXT),
    ("diff", {"old": TEMPLATE, "new": TEMPLATE, "at": 1.5}, "at", "an instant"),
    ("diff", {"old": TEMPLATE, "new": TEMPLATE, "at": AT, "weeks": 0}, "weeks", "a whole number, 1 or more"),
    ("explain", {"cron": "* 8 * * *", "at": None}, "at", "an instant"),
    ("explain", {"cron": "* 8 * * *", "at": AT, "timezone": 1}, "timezone", TEXT),
    ("explain", {"cron": "* 8 * * *", "at": AT, "coder": 2.35}, "coder", TEXT),
    ("when", {"scenario": MORNING, "at": AT}, "scenario", LOADED),
    ("when", {"at": [AT]}, "at", "an instant"),
    ("when", {"at": AT, "ttl": 3600}, "ttl", TEXT),
    ("why", {"source": 3}, "source", RUNS),
    ("why", {"source": "runs.duckdb", "workspace": 3}, "workspace", TEXT),
    ("why", {"source": "runs.duckdb", "run_id": 3}, "run_id", TEXT),
    ("why_preset", {"source": 3, "preset": "large", "on": "2026-11-16"}, "source", RUNS),
    ("why_preset", {"source": "runs.duckdb", "preset": 3, "on": "2026-11-16"}, "preset", TEXT),
    ("why_preset", {"source": "runs.duckdb", "preset": "large", "on": 20261116}, "on", TEXT),
    ("forecast", {"source": 3}, "source", FILE),
    ("forecast", {"source": WEEKS, "weeks": 0}, "weeks", "a whole number, 1 or more"),
    ("forecast", {"source": WEEKS, "preset": 3}, "preset", TEXT),
    ("compare", {"base": 3}, "base", NAMED),
    ("compare", {"base": WEEKS, "replications": 0}, "replications", "a whole number, 1 or more"),
    ("compare", {"base": WEEKS, "measures": "hit_rate"}, "measures", "a list of texts"),
    ("sweep", {"scenario": 3, "vary": [], "out": "s.duckdb"}, "scenario", FILE),
    ("sweep", {"scenario": WEEKS, "vary": "a=1", "out": "s.duckdb"}, "vary", "a list of texts"),
    ("sweep", {"scenario": WEEKS, "vary": [], "out": "s.duckdb", "sample": 0}, "sample", "a whole number, 1 or more"),
    ("recommend", {"scenario": WEEKS}, "scenario", LOADED),
    ("recommend", {"target_hit_rate": "95%"}, "target_hit_rate", "a number"),
    ("recommend", {"max_schedules": 1.5}, "max_schedules", WHOLE),
    ("worth", {"scenario": WEEKS}, "scenario", LOADED),
    ("worth", {"preset": 3}, "preset", TEXT),
    ("worth", {"seed": "x"}, "seed", WHOLE),
    ("league", {"scenario": 3}, "scenario", NAMED),
    ("league", {"scenario": WEEKS, "target_hit_rate": "95%"}, "target_hit_rate", "a number"),
    ("league", {"scenario": WEEKS, "expressions": "claims_30m"}, "expressions", "a list of texts"),
    ("lint", {"scenario": MORNING}, "scenario", LOADED),
    ("lint", {"scenario": None}, "scenario", LOADED),
    ("lint", {"coder": 2}, "coder", TEXT),
    ("explore", {"scenario": 3}, "scenario", NAMED),
    ("explore", {"scenario": WEEKS, "preset": 3}, "preset", TEXT),
    ("explore", {"scenario": WEEKS, "seed": "x"}, "seed", WHOLE),
]
OF_A_SCENARIO = {"run", "run_reference", "replicate", "when", "recommend", "worth", "lint"}


@pytest.mark.parametrize(("name", "given", "argument", "expected"), WRONG)
def test_an_argument_that_cannot_be_meant_gets_a_sentence(
    name: str, given: dict[str, Any], argument: str, expected: str
):
    if name in OF_A_SCENARIO:
        given = {"scenario": simkit.load(MORNING), **given}
    with pytest.raises(simkit.InputError) as told:
        getattr(simkit, name)(**given)
    assert str(told.value).startswith(f"{argument}: expected {expected}")
    assert ", got " in str(told.value)


def test_every_public_function_is_tried_with_three_wrong_arguments():
    functions = [name for name in simkit.__all__ if name.islower() and name not in ("__version__", "questions")]
    tried = [name for name, *_ in WRONG]
    assert [name for name in functions if tried.count(name) < 3] == []


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda: simkit.ControlPlane(now="x"), simkit.SimkitError, "is not an instant"),
        (lambda: simkit.ControlPlane(now=AT, coder="x"), simkit.SimkitError, "is not a version of Coder"),
        (lambda: simkit.ControlPlane("data", now=AT), simkit.SimkitError, "data"),
        (lambda: simkit.nothing, AttributeError, "it offers"),
    ],
)
def test_what_else_is_public_tells_what_is_wrong(call: Callable[[], object], error: type[Exception], told: str):
    with pytest.raises(error, match=told):
        call()


def test_a_change_that_is_no_scenario_is_told_among_those_that_are():
    with pytest.raises(simkit.InputError, match="changes: expected scenarios or the paths of some"):
        simkit.compare(WEEKS, WEEKS, 3)  # type: ignore[arg-type]


def test_every_wrong_argument_is_told_at_once_and_the_right_ones_arrive():
    @takes(path=a_path, count=at_least(2), seed=a_whole_number)
    def taken(path: str, count: int = 2, seed: int | None = None) -> tuple[str, int, int | None]:
        """Gives back what it got."""
        return path, count, seed

    with pytest.raises(simkit.InputError) as told:
        taken(3, count=1)  # type: ignore[arg-type]
    assert len(told.value.problems) == 2
    assert taken("a", 3) == ("a", 3, None)
    assert taken("a", seed=None) == ("a", 2, None), "None is let through where it is the default"
    assert taken.__doc__ == "Gives back what it got."
    with pytest.raises(TypeError, match="missing a required argument: 'path'"):
        taken()  # type: ignore[call-arg]
