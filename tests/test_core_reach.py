"""Each rule of the core is used by an engine, and each name of the core means one thing."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

SIMKIT = Path(__file__).parent.parent / "simkit"
RULES = ("policy", "lifecycle")
ENGINES = sorted(
    [SIMKIT / "core" / f"{name}.py" for name in ("kernel", "pools", "jobs", "lives")]
    + [path for folder in ("controlplane", "runs") for path in (SIMKIT / folder).rglob("*.py")]
)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(module: str) -> dict[str, ast.FunctionDef]:
    return {
        node.name: node for node in tree(SIMKIT / "core" / f"{module}.py").body if isinstance(node, ast.FunctionDef)
    }


def used_of(module: str, path: Path) -> set[str]:
    """The names of a module of the core that a file uses; to import one is not to use it."""
    aliases, names = set(), {}
    nodes = list(ast.walk(tree(path)))
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "simkit.core":
            aliases |= {alias.asname or alias.name for alias in node.names if alias.name == module}
        if isinstance(node, ast.ImportFrom) and node.module == f"simkit.core.{module}":
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
    return {names[node.id] for node in nodes if isinstance(node, ast.Name) and node.id in names} | {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases
    }


def reached(module: str) -> set[str]:
    """The module's functions that an engine uses, and those that they use."""
    known = functions(module)
    found: set[str] = set()
    coming = {name for path in ENGINES for name in used_of(module, path)} & set(known)
    while coming:
        found |= coming
        coming = {node.id for name in coming for node in ast.walk(known[name]) if isinstance(node, ast.Name)} & set(
            known
        ) - found
    return found


@pytest.mark.parametrize("module", RULES)
def test_an_engine_uses_each_rule(module):
    assert set(functions(module)) - reached(module) == set()


def test_no_two_modules_of_the_core_give_something_the_same_name():
    given = Counter(
        name
        for path in sorted((SIMKIT / "core").glob("*.py"))
        for name in {
            name.id
            for node in tree(path).body
            if isinstance(node, (ast.Assign, ast.AnnAssign))
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            for name in ast.walk(target)
            if isinstance(name, ast.Name)
        }
        | {node.name for node in tree(path).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    )
    assert [name for name, times in given.items() if times > 1] == []
