"""Every small slip that the rules and decisions could have, one at a time, and whether a test notices.

`make mutants` draws some of them; each lives in a process of its own, forked from one that has imported what is heavy,
in which the module's own tests run until one fails or the processor's time is up. mutants.py has hand-made ones for the
conformance cases.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

TOP = Path(__file__).parent.parent
CPU_S = 120
"""Seconds of the processor that a mutant's tests may take; without a mutant they take a third of it at most."""

ENOUGH = 0.95
"""Share of the mutants that have to be noticed."""
EQUAL: dict[str, str] = {
    "decide.levels.level_tables: results = in_order(executor, counted, tasks, os.cpu_count() or 1)"
    " -> results = in_order(executor, counted, tasks, os.cpu_count() or 0)": (
        "each machine knows how many processors it has, so that neither number is taken"
    ),
    "decide.levels.Calendar._hour_of: "
    'return np.clip(np.searchsorted(self.edges, at, side="right") - 1, 0, len(self.week) - 1)'
    ' -> return np.clip(np.searchsorted(self.edges, at, side="right") - 1, 0, len(self.week) - 0)': (
        "nothing happens at the window's end or after it, so that the last hour is the most that is asked for"
    ),
    "decide.margins.outlook: odds = missed / (1 - missed) * math.exp(min(down / (missed * (1 - missed)), 50.0))"
    " -> odds = missed / (1 - missed) * math.exp(min(down / (missed * (1 - missed)), 75.1))": (
        "such odds are a share of 1 to the last digit; the bound keeps exp from an overflow"
    ),
}
"""Mutants that no test can notice, by name, and why."""
NOT_TRIED = 99
"""Status of a process in which the mutant did not live."""

CORE = {
    "policy": ("core_policy",),
    "lifecycle": ("core_lifecycle_executor", "workspace_when"),
    "lifecycle_executor": ("core_lifecycle_executor", "core_stopped_prebuilds", "core_lives"),
    "pools": ("core_pools", "core_jobs", "runs_quota", "core_kernel", "core_stopped_prebuilds"),
    "jobs": ("core_jobs", "core_pools", "core_lifecycle_executor", "core_kernel"),
    "kernel": ("core_pools", "core_kernel", "core_jobs", "core_lifecycle_executor", "core_lives"),
}
CASES = {
    "simkit.core.policy": ("kernel: actions", "kernel: backoff", "kernel: acquire_order"),
    "simkit.core.lifecycle": (
        "kernel: transition",
        "kernel: autostop",
        "kernel: activity_bump",
        "kernel: next_autostart",
    ),
    "simkit.core.pools": ("kernel: pool", "kernel: pool v2.35"),
    "simkit.core.jobs": ("kernel: acquire_order", "kernel: pool"),
    "simkit.core.kernel": ("kernel: pool",),
}
"""Cases of Coder's own answers that are put to the kernel after those tests: the checks of mutants.py."""
DECIDE = {
    "margins": ("decide_margins",),
    "search": ("decide_search",),
    "levels": ("decide_levels", "decide_search"),
    "choice": ("decide_recommend",),
    "plan": ("decide_plan", "decide_search"),
}
SUITES = {
    f"simkit.{room}.{name}": tests for room, of in (("core", CORE), ("decide", DECIDE)) for name, tests in of.items()
}
"""The tests of each module, those that notice most first; of the core in plain Python, where a slip is quickly made."""


class Mutant(NamedTuple):
    """`line` of the module reads `new` in place of `old`; `source` is all of it."""

    module: str
    function: str
    line: int
    old: str
    new: str
    source: str

    @property
    def name(self) -> str:
        """What tells it, wherever its line moves."""
        return f"{self.module.removeprefix('simkit.')}.{self.function}: {self.old} -> {self.new}"


_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
_REVERSED: dict[type[ast.cmpop], str] = {ast.Lt: ">", ast.LtE: ">", ast.Gt: "<", ast.GtE: "<"}
_COUNTED: dict[type[ast.operator], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.FloorDiv: "*", ast.Div: "*", ast.Mod: "*", ast.BitAnd: "|",
    ast.BitOr: "&", ast.LShift: ">>", ast.RShift: "<<",
}  # fmt: skip
_SWAPPED = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}


def mutants(module: str, source: str) -> list[Mutant]:
    """Every mutant of a source: comparisons, arithmetic, and/or, not, constants, min/max, lost statements."""
    text = source.encode()
    starts = [0]
    for row in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(row))
    rows = source.splitlines()
    found: list[Mutant] = []

    def at(line: int, column: int) -> int:
        return starts[line - 1] + column

    def put(where: ast.expr | ast.stmt, begin: int, end: int, new: str) -> None:
        changed = (text[:begin] + new.encode() + text[end:]).decode()
        line = text[:begin].count(b"\n")
        found.append(
            Mutant(module, function, line + 1, rows[line].strip(), changed.splitlines()[line].strip(), changed)
        )

    def between(left: ast.expr, right: ast.expr) -> tuple[int, int]:
        """Where an operator stands, without what is around it."""
        begin, end = at(left.end_lineno or 0, left.end_col_offset or 0), at(right.lineno, right.col_offset)
        words = text[begin:end].decode()
        inner = words.strip(" ()\n")
        begin += words.index(inner)
        return begin, begin + len(inner)

    def within(node: ast.AST) -> None:
        match node:
            case ast.Raise() | ast.Assert() | ast.JoinedStr() | ast.arguments() | ast.AnnAssign(value=None):
                return
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                for one, op, other in zip([left, *comparators], ops, comparators, strict=False):
                    begin, end = between(one, other)
                    for table in (_COMPARED, _REVERSED):
                        if type(op) in table:
                            put(node, begin, end, table[type(op)])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _COUNTED:
                if not isinstance(left, ast.Constant | ast.JoinedStr) or not isinstance(left.value, str):  # type: ignore[union-attr]
                    put(node, *between(left, right), _COUNTED[type(op)])
            case ast.BoolOp(op=op, values=values):
                for one, other in itertools.pairwise(values):
                    put(node, *between(one, other), "or" if isinstance(op, ast.And) else "and")
            case ast.UnaryOp(op=ast.Not()):
                put(node, at(node.lineno, node.col_offset), at(node.lineno, node.col_offset) + len("not "), "")
            case ast.Constant(value=bool(value)):
                put(
                    node,
                    at(node.lineno, node.col_offset),
                    at(node.end_lineno or 0, node.end_col_offset or 0),
                    str(not value),
                )
            case ast.Constant(value=int(value)):
                begin, end = at(node.lineno, node.col_offset), at(node.end_lineno or 0, node.end_col_offset or 0)
                put(node, begin, end, str(value + 1))
                if value > 0:
                    put(node, begin, end, str(value - 1))
            case ast.Constant(value=float(value)):
                put(
                    node,
                    at(node.lineno, node.col_offset),
                    at(node.end_lineno or 0, node.end_col_offset or 0),
                    str(value * 1.5 + 0.1),
                )
            case ast.Name(id=name) if name in _SWAPPED:
                put(
                    node, at(node.lineno, node.col_offset), at(node.lineno, node.col_offset) + len(name), _SWAPPED[name]
                )
            case ast.Attribute(attr=name) if name in _SWAPPED:
                end = at(node.end_lineno or 0, node.end_col_offset or 0)
                put(node, end - len(name), end, _SWAPPED[name])
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Continue | ast.Break) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        ):
            put(node, at(node.lineno, node.col_offset), at(node.end_lineno or 0, node.end_col_offset or 0), "pass")
        for child in ast.iter_child_nodes(node):
            within(child)

    for place, body in _bodies(ast.parse(source)):
        function = place
        for statement in body:
            within(statement)
    return found


def _bodies(tree: ast.Module | ast.ClassDef, of: str = "") -> Iterator[tuple[str, list[ast.stmt]]]:
    """What runs of each function, method and constant, with its name."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name, body=body):
                yield f"{of}{name}", body[1:] if ast.get_docstring(node) else body
            case ast.ClassDef(name=name):
                yield from _bodies(node, f"{name}.")
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=float())):
                yield name, [ast.Expr(node.value)]


class _Loader(SourceFileLoader):
    """Gives a module another source than its file has."""

    def __init__(self, fullname: str, path: str, source: str) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


class _Finder:
    """A plugin of pytest's, as what pytest itself finds modules by goes before whatever was there when it began."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def pytest_sessionstart(self) -> None:
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != self._mutant.module:
            return None
        file = str(path_of(name))
        return spec_from_file_location(name, file, loader=_Loader(name, file, self._mutant.source))


def path_of(module: str) -> Path:
    return TOP.joinpath(*module.split(".")).with_suffix(".py")


def all_mutants(modules: Sequence[str]) -> list[Mutant]:
    return [one for name in modules for one in mutants(name, path_of(name).read_text(encoding="utf-8"))]


HEAVY = ("numba", "numpy", "pandas", "duckdb", "scipy.stats", "click", "rich", "yaml", "hcl2", "pytest")


def is_noticed(module: str, mutant: Mutant | None, folder: Path) -> bool:
    """Does a test of the module fail, in a fork of this process, with this mutant of it, or with none?"""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) != NOT_TRIED, (folder / "said.txt").read_text()
        return status != 0
    try:  # whatever happens here, this process ends below
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 5))
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        signal.signal(signal.SIGXCPU, lambda *_: os._exit(3))
        sink = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        os.chdir(TOP)
        import pytest

        given = [*(f"tests/test_{name}.py" for name in SUITES[module]), "-x", "-q"]
        given += [
            "--no-header",
            "-p",
            "no:cacheprovider",
            "-p",
            "_hypothesis_pytestplugin",
            "--hypothesis-profile=mutants",
        ]
        status = pytest.main([*given, f"--basetemp={folder / 'pytest'}"], [_Finder(mutant)] if mutant else [])
        if status == 0:
            status = _wrong_answers(module)
        if status == 0 and mutant and not isinstance(sys.modules[module].__loader__, _Loader):
            print("the mutant was not tried: its module came from elsewhere")
            status = NOT_TRIED
        sys.stdout.flush()
        os._exit(status)
    except BaseException:
        traceback.print_exc()
        sys.stdout.flush()
        os._exit(2)


def _wrong_answers(module: str) -> int:
    from mutants import CHECKS, ZONEINFO, failing

    os.environ["SIMKIT_ZONEINFO"] = str(ZONEINFO)
    return int(any(failing(CHECKS[name])[1] for name in CASES.get(module, ())))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--many", type=int, default=200, help="mutants drawn; 0: all")
    options.add_argument("--seed", type=int, default=None, help="which ones")
    options.add_argument("--modules", default=",".join(SUITES))
    options.add_argument("--list", action="store_true", help="say how many there are, and try none")
    given = options.parse_args()
    seed = random.SystemRandom().randrange(1 << 31) if given.seed is None else given.seed
    names = given.modules.split(",")
    every = all_mutants(names)
    if given.list:
        for name in names:
            print(f"{name}: {sum(one.module == name for one in every)}")
        return
    drawn = random.Random(seed).sample(every, given.many) if 0 < given.many < len(every) else every
    print(f"{len(drawn)} of {len(every)} mutants, seed {seed}", flush=True)
    trials = []
    for room, compiled in (("simkit.core", False), ("simkit.decide", True)):
        mine = sorted((one for one in drawn if one.module.startswith(room)), key=lambda one: (one.module, one.line))
        if mine:
            trials += _in_room(mine, compiled)
    sys.exit(summed_up(trials))


def summed_up(trials: list[tuple[Mutant, bool]]) -> int:
    """Say how many were noticed and which were not; 1 if that is too few, those aside that change nothing."""
    alive = [mutant for mutant, noticed in trials if not noticed]
    equal = [mutant for mutant in alive if mutant.name in EQUAL]
    counted = len(trials) - len(equal)
    share = (len(trials) - len(alive)) / counted if counted else 1.0
    print(
        f"{len(trials) - len(alive)} of {counted} mutants were noticed, {share:.1%}; {len(equal)} more change nothing"
    )
    for mutant in alive:
        why = EQUAL.get(mutant.name, "NOT EXPLAINED")
        print(f"  {mutant.name}\n    {why}")
    return int(share < ENOUGH)


def _in_room(drawn: list[Mutant], compiled: bool) -> list[tuple[Mutant, bool]]:
    """Each mutant, and whether it was noticed."""
    trials: list[tuple[Mutant, bool]] = []
    sys.path[:0] = [str(TOP), str(TOP / "tests")]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # none of the others is needed here
    os.environ["NUMBA_DISABLE_JIT"] = "0" if compiled else "1"
    for name in HEAVY:
        import_module(name)
    sys.modules["numba"].config.DISABLE_JIT = int(not compiled)  # numba looks at the environment once
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(folder / "hypothesis")
        for module in dict.fromkeys(one.module for one in drawn):
            before = time.monotonic()
            if is_noticed(module, None, folder):
                sys.exit(f"{module}: its tests fail without a mutant: {(folder / 'said.txt').read_text()[-2000:]}")
            print(f"without a mutant the tests of {module} pass in {time.monotonic() - before:.1f} s", flush=True)
        for mutant in drawn:
            before = time.monotonic()
            noticed = is_noticed(mutant.module, mutant, folder)
            took = time.monotonic() - before
            trials.append((mutant, noticed))
            print(f"{'noticed ' if noticed else 'SURVIVED'} {took:5.1f}s {mutant.line:4} {mutant.name}", flush=True)
    return trials


if __name__ == "__main__":
    main()
