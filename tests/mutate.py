"""Every small slip that the rules and decisions could have, one at a time, and whether a test notices.

`make mutants` draws some of them. A process imports a module's tests once, sees which lines of the module each of them
reaches and what it costs, and forks for each mutant: there the tests that reach the mutant's line run, the cheapest
first, until one fails or takes far longer than it should. mutants.py has hand-made ones for the conformance cases.
"""

from __future__ import annotations

import argparse
import ast
import gc
import inspect
import itertools
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

TOP = Path(__file__).parent.parent
SLOWER, AT_LEAST_S, AT_MOST_S = 10, 3, 240
"""So often as long as without a mutant a test may take, of the processor's time, but some seconds; and all together."""
HANGS_S = 1800
"""After so long by the clock a mutant's tests are taken to wait for nothing."""

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
    "core.lifecycle.max_deadline: if template.autostop_weeks > 1: -> if template.autostop_weeks >= 1:": (
        "of every single week none is skipped: what is divided by 1 leaves nothing"
    ),
    "core.jobs._first: world.counters[queue] = i -> pass": (
        "what was cancelled is passed over each time anew, which takes longer"
    ),
    "core.jobs._draw: _keep(drawn, i, count, 0, drawn[i, DRAWN_JOB])"
    " -> _keep(drawn, i, count, 1, drawn[i, DRAWN_JOB])": "all get the same lot, so that their rows alone order them",
    "core.jobs._keep:"
    " if before[DRAWN_LOT] < lot or (before[DRAWN_LOT] == lot and before[DRAWN_JOB] < job):"
    " -> if before[DRAWN_LOT] < lot or (before[DRAWN_LOT] == lot and before[DRAWN_JOB] <= job):": (
        "no job is drawn twice"
    ),
    "core.jobs._next_job: "
    "other != NONE and goes_first(False, world.builds[other, B_CREATED], True, world.builds[i, B_CREATED])"
    " -> other == NONE and goes_first(False, world.builds[other, B_CREATED], True, world.builds[i, B_CREATED])": (
        "people's jobs go first: the rule says no, whatever the instants are"
    ),
    "core.kernel._advance: elif every_tick or counters[NEXT_WAKE] <= counters[NEXT_TICK]:"
    " -> elif every_tick or counters[NEXT_WAKE] < counters[NEXT_TICK]:": (
        "who is due at the very next tick is due at the first tick from then on, which is that one"
    ),
    "core.lifecycle.max_deadline: if tried == 7: -> if tried == 8:": (
        "what is on none of seven days is not on the eighth, which is the first again"
    ),
    "core.kernel._check_rows: rows = max(counters[[WORKSPACES, BUILDS, DECISIONS]].max(),"
    " 0 if lives is None else lives.counters[STORIES])"
    " -> rows = max(counters[[WORKSPACES, BUILDS, DECISIONS]].max(),"
    " 1 if lives is None else lives.counters[STORIES])": "who asks for room for more has one row at least",
    "core.kernel._advance: more = lives.people.shape[0] + 2 if look_at == now_at else 2"
    " -> more = lives.people.shape[0] + 3 if look_at == now_at else 2": (
        "a row more than can be needed is made room for"
    ),
    "core.pools._newer: while workspace > than and found < at_most: -> while workspace >= than and found < at_most:": (
        "the one that is asked about has failed, and stands in none of these lists"
    ),
    "core.pools.judge: eligible = 0 -> eligible = 1": "an expression that does not ask for it does not see it",
    "core.pools._newer: while workspace > than and found < at_most: -> while workspace > than and found <= at_most:": (
        "whoever asks wants to know only whether there are at least so many"
    ),
    "core.pools._becomes_ready_at: if world.workspaces[workspace, W_READY] > now_at:"
    " -> if world.workspaces[workspace, W_READY] >= now_at:": (
        "a tick more is looked at, in which nothing can have changed"
    ),
    **dict.fromkeys(
        (
            "decide.choice.Choice._lucks: "
            "many = max(LUCKS if self.replications == 1 else 0, FAILING_LUCKS if self.may_drown else 0)"
            f" -> many = max(LUCKS if self.replications == 1 else {a}, FAILING_LUCKS if self.may_drown else {b})"
            for a, b in ((1, 0), (0, 1))
        ),
        "there is one run at least, that of the choice",
    ),
    "decide.choice.Choice._corrected: short, idle = 0.0, 0.0 -> short, idle = 0.0, 0.1": (
        "the same is added to all that are compared"
    ),
    "decide.choice.Choice._corrected: if search.aim.shortfall(weeks.hits[None])[0] > 1e-9:"
    " -> if search.aim.shortfall(weeks.hits[None])[0] >= 1e-9:": (
        "a shortfall of just a billionth, to the last digit, is none of claims that can be counted"
    ),
    "decide.choice.Choice._within_wait: if max(short.values()) <= 0"
    " or all(targets[name] >= MOST_RAISED for name in self.names if short[name] > 0):"
    " -> if max(short.values()) < 0"
    " or all(targets[name] >= MOST_RAISED for name in self.names if short[name] > 0):": (
        "where none is short, all of those that are have the highest target"
    ),
    "decide.choice.Choice._within_wait: "
    "return found[next(i for i, short in enumerate(missed) if short <= min(missed) + WITHIN_REACH)]"
    " -> return found[next(i for i, short in enumerate(missed) if short < min(missed) + WITHIN_REACH)]": (
        "plans that differ by just a thousandth, to the last digit, are as good as each other"
    ),
    **{
        "decide.levels.level_tables: results = in_order(executor, counted, tasks, os.cpu_count() or 1)"
        f" -> results = in_order(executor, counted, tasks, os.cpu_count() {slip})": (
            "how many runs are under way at once changes none of them"
        )
        for slip in ("or 2", "and 1")
    },
    "decide.levels.level_tables: results.close() -> pass": (
        "runs that nobody waits for are cancelled all the same, when the last name for them is gone"
    ),
    "decide.choice._beats: return mine != theirs and all(a >= b for a, b in zip(mine, theirs, strict=True))"
    " -> return mine != theirs and all(a >= b for a, b in zip(mine, theirs, strict=False))": (
        "both are lists of three"
    ),
    "decide.choice.Choice._keeps_limits: if short > before + 1e-9: -> if short >= before + 1e-9:": (
        "what is more by just a billionth, to the last digit, is none of claims that can be counted"
    ),
    "decide.choice._rank: return short if short > 1e-9 else 0.0, sum(one.idle_us for one in tried)"
    " -> return short if short >= 1e-9 else 0.0, sum(one.idle_us for one in tried)": (
        "what is short by just a billionth, to the last digit, is none of claims that can be counted"
    ),
    "decide.choice.Choice._served: "
    "served_by_week, asked = (np.concatenate(weeks).astype(np.float64) for weeks in zip(*parts, strict=True))"
    " -> served_by_week, asked = (np.concatenate(weeks).astype(np.float64) for weeks in zip(*parts, strict=False))": (
        "each part is a list of two"
    ),
    "decide.search.Search.meets: return bool(self.aim.shortfall(fit.hits[None])[0] <= 1e-12)"
    " -> return bool(self.aim.shortfall(fit.hits[None])[0] < 1e-12)": (
        "a shortfall of just 1e-12, to the last digit, is none of claims that can be counted"
    ),
    "decide.choice.Choice._corrected: "
    "return min(found, key=lambda one: (one[0] if one[0] > 1e-9 else 0.0, one[1]))[2]"
    " -> return min(found, key=lambda one: (one[0] if one[0] >= 1e-9 else 0.0, one[1]))[2]": (
        "a shortfall of just a billionth, to the last digit, is none of claims that can be counted"
    ),
    "decide.margins.outlook: odds = missed / (1 - missed) * math.exp(min(down / (missed * (1 - missed)), 50.0))"
    " -> odds = missed / (1 - missed) * math.exp(min(down / (missed * (1 - missed)), 75.1))": (
        "such odds are a share of 1 to the last digit; the bound keeps exp from an overflow"
    ),
}
_OF_STARTING = {
    "pools.finish_prebuild": "unlink(world, preset * LISTS + STARTING_LIST, w)",
    "pools._cancel_pending": "which = preset * LISTS + STARTING_LIST",
    "pools._newer_than": "found = _newer(world, lists + STARTING_LIST, failed, at_most)",
    "pools.judge": "starting = world.lists[lists + STARTING_LIST, SIZE] + world.state[preset, S_CLAIMING]",
    "pools.decide": "link(world, lists + STARTING_LIST, w)",
    "kernel._advance": "more += world.lists[preset * LISTS + STARTING_LIST, SIZE]",
}
EQUAL |= {
    f"core.{place}: {line} -> {line.replace('+ STARTING_LIST', '- STARTING_LIST')}": (
        "this list is the first of a preset's, 0 after where they begin"
    )
    for place, line in _OF_STARTING.items()
}
"""Mutants that no test can notice, by name, and why."""

CORE = {
    "policy": ("core_policy",),
    "lifecycle": ("core_lifecycle", "workspace_when"),
    "lifecycle_executor": ("core_lifecycle_executor", "core_stopped_prebuilds", "core_lives"),
    "pools": ("core_pools", "core_jobs", "runs_quota", "core_kernel", "core_stopped_prebuilds", "core_targets"),
    "jobs": ("core_jobs", "core_pools", "core_lifecycle_executor", "core_kernel"),
    "kernel": (
        "core_pools",
        "core_kernel",
        "core_jobs",
        "core_lifecycle_executor",
        "core_lives",
        "core_stopped_prebuilds",
        "core_targets",
    ),
}
CASES = {
    "simkit.core.policy": ("kernel: actions", "kernel: backoff", "kernel: acquire_order"),
    "simkit.core.lifecycle": (
        "kernel: transition",
        "kernel: autostop",
        "kernel: activity_bump",
        "kernel: next_autostart",
    ),
    "simkit.core.pools": ("kernel: pool", "kernel: pool v2.35", "kernel: backoff", "kernel: actions"),
    "simkit.core.jobs": ("kernel: acquire_order", "kernel: pool"),
    "simkit.core.kernel": ("kernel: pool",),
}
"""Cases of Coder's own answers that are put to the kernel after those tests: the checks of mutants.py."""
DECIDE = {
    "margins": ("decide_margins",),
    "search": ("decide_search",),
    "levels": ("decide_levels", "decide_search"),
    "choice": ("decide_choice",),
    "plan": ("decide_plan", "decide_search"),
}
SUITES = {
    f"simkit.{room}.{name}": tests for room, of in (("core", CORE), ("decide", DECIDE)) for name, tests in of.items()
}
"""The tests of each module; of the core in plain Python, where a slip is quickly made."""


class Mutant(NamedTuple):
    """`line` of the module reads `new` in place of `old`; `of`: where its statement begins; `source`: all of it."""

    module: str
    function: str
    of: int
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
    statement = 0

    def at(line: int, column: int) -> int:
        return starts[line - 1] + column

    def put(where: ast.expr | ast.stmt, begin: int, end: int, new: str) -> None:
        changed = (text[:begin] + new.encode() + text[end:]).decode()
        line = text[:begin].count(b"\n")
        found.append(
            Mutant(
                module, function, statement, line + 1, rows[line].strip(), changed.splitlines()[line].strip(), changed
            )
        )

    def between(left: ast.expr, right: ast.expr) -> tuple[int, int]:
        """Where an operator stands, without what is around it."""
        begin, end = at(left.end_lineno or 0, left.end_col_offset or 0), at(right.lineno, right.col_offset)
        words = text[begin:end].decode()
        inner = words.strip(" ()\n")
        begin += words.index(inner)
        return begin, begin + len(inner)

    def within(node: ast.AST) -> None:
        nonlocal statement
        outer, statement = statement, node.lineno if isinstance(node, ast.stmt) else statement
        slips_of(node)
        statement = outer

    def slips_of(node: ast.AST) -> None:
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
                yield name, [ast.copy_location(ast.Expr(node.value), node)]


def path_of(module: str) -> Path:
    return TOP.joinpath(*module.split(".")).with_suffix(".py")


def all_mutants(modules: Sequence[str]) -> list[Mutant]:
    return [one for name in modules for one in mutants(name, path_of(name).read_text(encoding="utf-8"))]


def live(mutant: Mutant) -> None:
    """The mutant takes its function's place, or its constant's, in this process, wherever that was imported."""
    code = compile(mutant.source, path_of(mutant.module), "exec", dont_inherit=True)
    if codes := [one for one in _codes(code) if one.co_qualname == mutant.function]:
        _function(mutant.module, mutant.function).__code__ = codes[0]
    else:
        names: dict[str, Any] = {"__name__": mutant.module}
        exec(code, names)
        old = getattr(sys.modules[mutant.module], mutant.function)
        for module in list(sys.modules.values()):
            if vars(module).get(mutant.function) is old:
                setattr(module, mutant.function, names[mutant.function])
    _forget()


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of every function and class."""
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


def _function(module: str, name: str) -> FunctionType:
    found: Any = reduce(inspect.getattr_static, name.split("."), sys.modules[module])
    while not isinstance(found, FunctionType):  # what a decorator made of it
        found = next(getattr(found, key) for key in ("__wrapped__", "__func__", "fget", "func") if hasattr(found, key))
    return found


def _forget() -> None:
    """Nothing that was computed before is still known."""
    for module in list(sys.modules.values()):
        if str(getattr(module, "__file__", None) or "").startswith(str(TOP)):
            for value in list(vars(module).values()):
                if hasattr(type(value), "cache_clear"):
                    value.cache_clear()


def noting(module: str) -> set[int]:
    """From now on the module puts the first line of each statement that it comes to into this set."""
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
    for node in [one for one in ast.walk(tree) if not isinstance(one, ast.Module | ast.ClassDef)]:
        for name in ("body", "orelse", "finalbody"):
            if isinstance(statements := getattr(node, name, None), list):
                noted = [ast.parse(f"_reached.add({one.lineno})").body[0] for one in statements]
                setattr(node, name, [one for both in zip(noted, statements, strict=True) for one in both])
    reached: set[int] = set()
    vars(sys.modules[module])["_reached"] = reached
    codes = {one.co_qualname: one for one in _codes(compile(ast.unparse(tree), path_of(module), "exec"))}
    for name, _ in _bodies(tree):
        if name in codes:
            _function(module, name).__code__ = codes[name]
    return reached


class Trial(NamedTuple):
    """A test, or cases of a kind. `fails` is asked with the test that comes next, for what both need."""

    name: str
    fails: Callable[[Any], bool]
    item: Any = None


class Known(NamedTuple):
    """What a trial costs of the processor's time where there is no mutant, and which statements it comes to."""

    seconds: float
    reached: list[int]


class _Session:
    """A plugin of pytest's that runs what was collected for each mutant, in forks, and in its own order."""

    def __init__(self, module: str, drawn: Sequence[Mutant], folder: Path, told: Any) -> None:
        self._module, self._drawn, self._folder, self._told = module, drawn, folder, told
        self._failed = False

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._failed |= report.failed

    def pytest_runtestloop(self, session: Any) -> bool:
        if session.testsfailed or not session.items:
            os._exit(1)
        trials = [
            Trial(item.nodeid, lambda following, item=item: self._fails(item, following), item)
            for item in session.items
        ]
        trials += [Trial(name, lambda _, name=name: _is_wrong(name)) for name in CASES.get(self._module, ())]
        if _forked(lambda: self._learn(trials)):
            os._exit(1)
        known = [Known(*one) for one in json.loads((self._folder / "known.json").read_text())]
        seconds = sum(one.seconds for one in known)
        print(f"without a mutant the tests of {self._module} pass in {seconds:.1f} s", file=self._told, flush=True)
        noticed = []
        gc.freeze()  # a fork then copies less
        for mutant in self._drawn:
            before = time.monotonic()
            chosen = [(of, one) for of, one in zip(known, trials, strict=True) if _reaches(of, mutant)]
            chosen.sort(key=lambda pair: pair[0].seconds)
            (self._folder / "by.txt").write_text("nothing")
            noticed.append(bool(_forked(lambda mutant=mutant, chosen=chosen: self._is_noticed(mutant, chosen))))
            by = (self._folder / "by.txt").read_text()
            if noticed[-1] and by == "nothing":
                os._exit(1)  # it did not come to live
            by = by if noticed[-1] else f"{len(chosen)} of {len(known)} come to it"
            words = f"{'noticed ' if noticed[-1] else 'SURVIVED'} {time.monotonic() - before:5.1f}s {mutant.line:4}"
            print(f"{words} {mutant.name}\n{'':22}{by}", file=self._told, flush=True)
        (self._folder / "noticed.json").write_text(json.dumps(noticed))
        return True

    def _fails(self, item: Any, following: Any) -> bool:
        self._failed = False
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        return self._failed

    def _learn(self, trials: Sequence[Trial]) -> int:
        """Each trial by itself, with all that it needs made anew."""
        reached, known = noting(self._module), []
        for one in trials:
            _forget()
            reached.clear()
            before = time.process_time()
            if one.fails(None):
                print(f"{one.name} fails without a mutant")
                return 1
            known.append(Known(time.process_time() - before, sorted(reached)))
        (self._folder / "known.json").write_text(json.dumps(known))
        return 0

    def _is_noticed(self, mutant: Mutant, chosen: Sequence[tuple[Known, Trial]]) -> int:
        live(mutant)
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        signal.signal(signal.SIGXCPU, lambda *_: os._exit(3))
        signal.alarm(HANGS_S)
        for i, (known, trial) in enumerate(chosen):
            (self._folder / "by.txt").write_text(trial.name)
            until_s = int(time.process_time() + SLOWER * known.seconds) + AT_LEAST_S
            resource.setrlimit(resource.RLIMIT_CPU, (min(until_s, AT_MOST_S), AT_MOST_S + 5))
            if trial.fails(next((one.item for _, one in chosen[i + 1 :] if one.item is not None), None)):
                return 1
        return 0


def _reaches(known: Known, mutant: Mutant) -> bool:
    return mutant.of in known.reached or mutant.function.isupper()  # a constant is everywhere


def _forked(work: Callable[[], int]) -> int:
    """The status of a fork of this process that does some work."""
    child = os.fork()
    if not child:
        status = 2  # whatever happens here, this process ends below
        try:
            status = work()
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _is_wrong(name: str) -> bool:
    """Do cases of this name have another answer than Coder's?"""
    from mutants import CHECKS, ZONEINFO, failing

    os.environ["SIMKIT_ZONEINFO"] = str(ZONEINFO)
    _forget()
    try:
        return failing(CHECKS[name])[1] > 0
    finally:
        del os.environ["SIMKIT_ZONEINFO"]
        _forget()


def _session(module: str, drawn: Sequence[Mutant], folder: Path) -> int:
    """Everything about one module; in a process of its own, as it imports what the module is of."""
    told = os.fdopen(os.dup(1), "w")
    sink = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.chdir(TOP)
    import pytest

    if module in CASES:
        import_module("mutants")
    given = [f"tests/test_{name}.py" for name in SUITES[module]]
    given += ["-q", "-s", "--no-header", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin"]
    given += ["--hypothesis-profile=mutants", f"--basetemp={folder / 'pytest'}"]
    return pytest.main(given, [_Session(module, drawn, folder, told)])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--many", type=int, default=200, help="mutants drawn; 0: all")
    options.add_argument("--seed", type=int, default=None, help="which ones")
    options.add_argument("--modules", default=",".join(SUITES))
    options.add_argument("--only", default="", help="those alone whose name, as it is told, has this")
    options.add_argument("--list", action="store_true", help="say how many there are, and try none")
    given = options.parse_args()
    seed = random.SystemRandom().randrange(1 << 31) if given.seed is None else given.seed
    names = given.modules.split(",")
    every = [one for one in all_mutants(names) if given.only in one.name]
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


HEAVY = ("numba", "numpy", "pandas", "duckdb", "scipy.stats", "click", "rich", "yaml", "hcl2", "pytest")


def _in_room(drawn: list[Mutant], compiled: bool) -> list[tuple[Mutant, bool]]:
    """Each mutant, and whether it was noticed."""
    trials: list[tuple[Mutant, bool]] = []
    sys.path[:0] = [str(TOP), str(TOP / "tests")]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # none of the others is needed here
    os.environ["NUMBA_DISABLE_JIT"] = "0" if compiled else "1"
    os.environ.pop("SIMKIT_ZONEINFO", None)
    for name in HEAVY:
        import_module(name)
    sys.modules["numba"].config.DISABLE_JIT = int(not compiled)  # numba looks at the environment once
    for module, of in itertools.groupby(drawn, key=lambda one: one.module):
        mine = list(of)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(folder / "hypothesis")
            if _forked(lambda module=module, mine=mine, folder=folder: _session(module, mine, folder)):
                sys.exit(f"{module}: its tests fail without a mutant: {(folder / 'said.txt').read_text()[-2000:]}")
            noticed = json.loads((folder / "noticed.json").read_text())
            trials += zip(mine, noticed, strict=True)
    return trials


if __name__ == "__main__":
    main()
