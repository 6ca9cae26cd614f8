"""What a notebook's parameters are, by its own cell of them, and what is given for them in the types of these.

Read without papermill, which takes two seconds to import: a night with nothing to make needs nothing else of it.
"""

from __future__ import annotations

import ast
import json
import math
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simkit.errors import Finding, InputError, Where, did_you_mean
from simkit.limits import MAX_DAEMONS, MAX_SEED

_NEEDED = ("ipykernel", "nbconvert", "papermill")
"""The extra `notebooks`."""
_TAG = "parameters"  # papermill's
_CELLS = ("code", "markdown", "raw")


def checked(source: Path, parameters: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters in the types of the notebook's own ones, and what the notebook has for all of its own.

    Raises InputError for a file that is no notebook, for parameters that it does not declare or has of another type, or
    where the extra `notebooks` is not installed.
    """
    defaults = _declared(source)
    return typed(source, parameters, defaults), {name: _default(text) for name, text in defaults.items()}


def _declared(source: Path) -> dict[str, str]:
    """Python source of each parameter's default, from the first cell that is tagged as theirs."""
    if not os.path.isfile(source):  # names that are too long are none, too
        text = "there is no such notebook; simkit's own come with its source, and not with what pip installs"
        raise InputError([Finding("error", Where(str(source)), text)])
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        text = f"a report needs {', '.join(missing)}; install what makes reports with: pip install 'simkit[notebooks]'"
        raise InputError([Finding("error", Where(str(source)), text)])
    try:
        notebook = json.loads(source.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _no_notebook(source) from error
    if not _is_notebook(notebook):
        raise _no_notebook(source)
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", ())
        if cell["cell_type"] == "code" and isinstance(tags, list) and _TAG in tags:
            return _assigned(source, "".join(cell["source"]))
    return {}


def _no_notebook(source: Path) -> InputError:
    text = "is not a notebook that can be read; write one that Jupyter opens, of format 4"
    return InputError([Finding("error", Where(str(source)), text)])


def _is_notebook(found: Any) -> bool:
    """As far as whoever executes it relies on it."""
    return (
        isinstance(found, dict)
        and found.get("nbformat") == 4
        and isinstance(found.get("metadata"), dict)
        and isinstance(found.get("cells"), list)
        and all(_is_cell(cell) for cell in found["cells"])
    )


def _is_cell(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and found.get("cell_type") in _CELLS
        and isinstance(found.get("metadata"), dict)
        and isinstance(text := found.get("source"), str | list)
        and all(isinstance(line, str) for line in text)
    )


def _assigned(source: Path, text: str) -> dict[str, str]:
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError) as error:
        told = "its cell of parameters is not Python; write a line `name = value` for each"
        raise InputError([Finding("error", Where(str(source)), told)]) from error
    found = {}
    for statement in statements:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                found[name] = ast.get_source_segment(text, value) or ""
    return found


def typed(source: Path, parameters: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, Any]:
    """Parameters in the types of the defaults, which are Python source. Raises InputError with every problem."""
    problems, given = [], {}
    for name, text in parameters.items():
        if name not in defaults:
            problem = f'declares no parameter "{name}"; {did_you_mean(name, defaults)}'
            problems.append(Finding("error", Where(str(source)), problem))
            continue
        try:
            given[name] = _bounded(name, _typed(text, defaults[name]))
        except ValueError as error:
            problems.append(Finding("error", Where(str(source)), f'parameter "{name}": {error}'))
    if problems:
        raise InputError(problems)
    return given


def _default(source: str) -> Any:
    """A parameter's default by its Python source; what is no plain value stays source."""
    try:
        value = ast.literal_eval(source)
    except (ValueError, SyntaxError):
        return source
    return value if isinstance(value, str | int | float | bool | None) else source


_BOUNDS = {"seed": (0, MAX_SEED), "replications": (1, MAX_SEED), "daemons": (1, MAX_DAEMONS)}
"""Of parameters that are options of the command line, too: any notebook means the same by them."""


def _bounded(name: str, value: Any) -> Any:
    lowest, highest = _BOUNDS.get(name, (-math.inf, math.inf))
    if isinstance(value, int) and not lowest <= value <= highest:
        raise ValueError(f"{value} is out of range; write {lowest} to {highest}")
    return value


def _typed(text: str, default: str) -> Any:
    """`text` as the type that the parameter's default (Python source) has; text, if that is no plain value."""
    example = _default(default)
    if isinstance(example, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(f'"{text}" is neither true nor false')
        return text.lower() == "true"
    if isinstance(example, int | float):
        try:
            value = type(example)(text)
        except ValueError:
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):  # JSON has no other numbers
            kind = "a whole number" if isinstance(example, int) else "a number"
            raise ValueError(f'"{text}" is not {kind}, as its default {default} is')
        return value
    return text
