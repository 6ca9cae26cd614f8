"""The shape of the code itself: layers, one home per library, no wall clock, a light `import simkit`."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

TOP = Path(__file__).parent.parent
PACKAGE = TOP / "simkit"
MODULES = sorted(
    ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__") for path in PACKAGE.rglob("*.py")
)

# From the doors down; a module imports its own line and the lines below. The package itself offers public names.
LAYERS = (
    ("simkit.__main__",),
    ("simkit.cli", "simkit.pytest_plugin"),
    ("simkit.studies",),
    ("simkit.report",),
    ("simkit.templates",),
    ("simkit.decide",),
    ("simkit.deployment",),
    ("simkit.runs",),
    ("simkit.controlplane",),
    ("simkit.pool", "simkit.workspace"),
    ("simkit.inputs",),
    ("simkit.demand", "simkit.store"),
    ("simkit.timeline",),
    ("simkit.model",),
    ("simkit.coder_versions",),
    ("simkit.cron", "simkit.times"),
    ("simkit.clock",),
    ("simkit.core",),
    ("simkit.files",),
    (
        "simkit.arguments",
        "simkit.errors",
        "simkit.estimates",
        "simkit.limits",
        "simkit.names",
        "simkit.phases",
        "simkit.shown",
        "simkit.version",
    ),
    ("simkit",),
)

# The modules that may import a library; a package stands for all of its modules.
HOMES = {
    "adbc_driver_postgresql": {"simkit.deployment.postgres"},
    "click": {"simkit.cli"},
    "croniter": {"simkit.templates.explainer"},
    "duckdb": {"simkit.store"},
    "hcl2": {"simkit.inputs.hcl"},
    "holidays": {"simkit.inputs.holidays"},
    "matplotlib": {"simkit.studies"},
    "nbconvert": {"simkit.report.page"},
    "numba": {"simkit.core.compile"},
    "papermill": {"simkit.report.execute"},
    "prometheus_client": {"simkit.controlplane.metrics"},
    "rich": {"simkit.cli"},
    "scipy": {"simkit.decide", "simkit.deployment.durations", "simkit.deployment.fits", "simkit.estimates"},
    "yaml": {"simkit.inputs"},
}

WALL_CLOCK = {
    ("datetime", "now"),
    ("datetime", "today"),
    ("datetime", "utcnow"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "localtime"),
    ("time", "gmtime"),
}
MAY_READ_THE_CLOCK = {"simkit.cli.door"}

# Modules whose tests stand under another name, and where: what is seen of them is seen there alone.
TESTED_ELSEWHERE = {
    "simkit.core.facts": "test_core_pools",  # columns, by all that happens in them
    "simkit.core.tally": "test_core_counts",  # the counts of rows are those of the loop that keeps none
    "simkit.decide.asked": "test_decide_recommend",  # what is refused, beside what is answered
    "simkit.report.execute": "test_report_render",
    "simkit.report.pdf": "test_cli_report",  # a page is printed, or it is said why not
    "simkit.inputs.document": "test_inputs_scenario",  # through everything that is written in a scenario
    "simkit.inputs.expressions": "test_inputs_functions",
    "simkit.decide.reasons": "test_decide_recommend",
    "simkit.inputs.dates": "test_inputs_functions",  # as templates call it
    "simkit.inputs.globs": "test_inputs_functions",
    "simkit.inputs.hcl": "test_inputs_terraform",
    "simkit.inputs.networks": "test_inputs_functions",
    "simkit.inputs.quantities": "test_inputs_scenario",
    "simkit.inputs.rows": "test_inputs_history",  # through the histories that have them
    "simkit.inputs.terraform_json": "test_inputs_module",  # through templates in JSON
    "simkit.inputs.values": "test_inputs_functions",
    "simkit.inputs.variables": "test_inputs_module",  # through templates that take them
    "simkit.runs.givens": "test_runs_simulate",  # what a run is given, through what it does
    "simkit.runs.static": "test_store",  # the tables that a run did not move, as they are stored
    "simkit.templates.check.drifted": "test_templates_check_drift",  # the words beside what they tell
    "simkit.templates.check.failure": "test_templates_check_verdicts",
    "simkit.templates.check.json": "test_templates_check_formats",
    "simkit.templates.check.junit": "test_templates_check_formats",
}
LONG = 40
"""Lines, from which on a module with public functions needs tests of its own."""


class Import(NamedTuple):
    """`line` of the module imports `what`; `at_runtime` is False below `if TYPE_CHECKING`."""

    what: str
    line: int
    at_runtime: bool


def path_of(module: str) -> Path:
    parts = TOP.joinpath(*module.split("."))
    return parts / "__init__.py" if parts.is_dir() else parts.with_suffix(".py")


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


@cache
def imports(module: str) -> tuple[Import, ...]:
    """Every import of a module, also those inside its functions."""
    guarded = {
        id(below)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for below in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree(module)):
        match node:
            case ast.Import(names=names):
                what = [alias.name for alias in names]
            case ast.ImportFrom(module=str(source), names=names, level=0):
                # `from simkit import cron` imports simkit.cron, `from simkit.cron import parse` simkit.cron.
                inner = [f"{source}.{alias.name}" for alias in names]
                what = [name if name in MODULES else source for name in inner]
            case ast.ImportFrom():
                raise AssertionError(f"{module}:{node.lineno}: write the whole name of what is imported")
            case _:
                continue
        found += [Import(name, node.lineno, id(node) not in guarded) for name in what]
    return tuple(found)


def is_in(module: str, home: str) -> bool:
    return module == home or module.startswith(f"{home}.")


def layer_of(module: str) -> int:
    for i, layer in enumerate(LAYERS):
        if any(module == home or (home != "simkit" and is_in(module, home)) for home in layer):
            return i
    raise AssertionError(f"{module} has no place in LAYERS; give it one")


def test_the_layers_name_each_place_once_and_none_that_does_not_exist():
    places = [place for layer in LAYERS for place in layer]
    assert len(places) == len(set(places))
    assert [place for place in places if place not in MODULES] == []


@pytest.mark.parametrize("module", [m for m in MODULES if m != "simkit"])
def test_nothing_imports_upwards(module):
    up = [
        f"{module}:{i.line} imports {i.what}"
        for i in imports(module)
        if i.at_runtime and is_in(i.what, "simkit") and layer_of(i.what) < layer_of(module)
    ]
    assert up == []


@pytest.mark.parametrize("module", [m for m in MODULES if is_in(m, "simkit.core")])
def test_the_core_knows_nothing_of_simkit_above_it(module):
    ours = {i.what for i in imports(module) if is_in(i.what, "simkit")}
    assert {what for what in ours if not is_in(what, "simkit.core")} == set()


def test_no_two_modules_import_each_other():
    graph = {m: {i.what for i in imports(m) if i.what in MODULES and i.at_runtime} for m in MODULES if m != "simkit"}
    while leaves := {m for m, what in graph.items() if not what & set(graph)}:
        graph = {m: what for m, what in graph.items() if m not in leaves}
    assert graph == {}, "what is left imports itself in a circle"


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_library_has_one_home(library):
    elsewhere = [
        f"{module}:{i.line}"
        for module in MODULES
        for i in imports(module)
        if is_in(i.what, library) and not any(is_in(module, home) for home in HOMES[library])
    ]
    assert elsewhere == []


@pytest.mark.parametrize("module", [m for m in MODULES if m not in MAY_READ_THE_CLOCK])
def test_nobody_reads_the_wall_clock(module):
    calls = [node.func for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
    read = [
        f"{module}:{call.lineno} calls {ast.unparse(call)}"
        for call in calls
        if isinstance(call, ast.Attribute) and (ast.unparse(call.value).split(".")[-1], call.attr) in WALL_CLOCK
    ]
    bare = [
        f"{module}:{node.lineno} imports {alias.name} by itself"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
        if ("time", alias.name) in WALL_CLOCK
    ]
    assert read + bare == []


@pytest.mark.parametrize("module", MODULES)
def test_only_one_home_says_weekdays_and_months(module):
    """`%a` and its like speak the language of the machine; `simkit.times` and the names in `simkit.clock` do not."""
    texts = [node for node in ast.walk(tree(module)) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert [f"{module}:{text.lineno}" for text in texts if re.search("%[aAbBc]", text.value)] == []
    named = [f"{module}:{text.lineno}" for text in texts if text.value in ("Tue", "Tuesday", "February")]
    assert module == "simkit.clock" or named == []


@pytest.mark.parametrize("module", MODULES)
def test_every_module_opens_with_a_sentence(module):
    said = ast.get_docstring(tree(module)) or ""
    assert said.strip()[:1].isupper() or said.startswith('"'), "the sentence a newcomer needs"
    assert said.split("\n\n")[0].rstrip().endswith((".", ":")), "a whole sentence"


def test_every_longer_module_has_tests_under_its_name():
    """tests/test_<path>.py, or one file for all of a package."""
    tests = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    without = set()
    for module in MODULES:
        functions = [node.name for node in tree(module).body if isinstance(node, ast.FunctionDef)]
        is_long = path_of(module).read_text(encoding="utf-8").count("\n") > LONG
        names = {f"test_{'_'.join(home.split('.')[1:])}" for home in (module, module.rpartition(".")[0])}
        if is_long and any(not name.startswith("_") for name in functions) and not names & tests:
            without.add(module)
    assert without == set(TESTED_ELSEWHERE), "write tests/test_<path>.py, or strike out what has it by now"
    assert set(TESTED_ELSEWHERE.values()) <= tests


@pytest.mark.parametrize("module", ["simkit", "simkit.cli"])
def test_importing_simkit_or_its_command_line_loads_nothing_heavy(module: str):
    heavy = ("numba", "numpy", "pandas", "duckdb", "matplotlib", "papermill", "scipy", "yaml", "hcl2", "croniter")
    heavy += ("rich",) if module == "simkit" else ()
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP)
    assert done.stdout.strip() == "[]"


TESTS = Path(__file__).parent


@pytest.mark.parametrize("file", sorted(path.name for path in TESTS.glob("*.py")))
def test_no_test_imports_another_test(file):
    text = (TESTS / file).read_text(encoding="utf-8")
    # A program that a test hands to another process is a text in it.
    texts = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    programs = [text, *(each for each in texts if isinstance(each, str) and "import" in each)]
    imported = {
        name.split(".")[0]
        for program in programs
        for name in re.findall(r"^\s*(?:from|import) ([\w.]+)", program, re.MULTILINE)
    }
    others = {name for name in imported if name.startswith("test_")} - {file.removesuffix(".py")}
    assert others == set(), "what tests share has a module of its own"
