"""What the public functions take: an argument that cannot be meant gets a sentence before anything is begun."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from simkit.errors import Finding, InputError, Where
from simkit.shown import clipped

Check = Callable[[Any], str]
"""What is wrong with a value, as an end of the sentence "expected ..."; "" if nothing is."""
_P = ParamSpec("_P")
_R = TypeVar("_R")


def takes(**checks: Check) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Make a function refuse arguments by name: InputError with every one of them, and what to write instead.

    None is let through where it is the default.
    """

    def decorated(function: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = inspect.signature(function)
        assert set(checks) <= set(signature.parameters), "checks are of its parameters"

        @wraps(function)
        def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            given = signature.bind(*args, **kwargs).arguments
            wrong = [
                Finding("error", Where(name), f"expected {said}, got {_shown(value)}")
                for name, check in checks.items()
                if name in given
                and not ((value := given[name]) is None and signature.parameters[name].default is None)
                and (said := check(value))
            ]
            if wrong:
                raise InputError(wrong)
            return function(*args, **kwargs)

        return checked

    return decorated


def a_path(value: object) -> str:
    return "" if _is_path(value) else 'the path of a file, such as "week.yaml"'


def a_text(value: object) -> str:
    return "" if isinstance(value, str) else "text"


def an_instant(value: object) -> str:
    return "" if isinstance(value, str) or _is_whole(value) else 'an instant, such as "2026-03-02T09:00:00Z"'


def a_mapping(value: object) -> str:
    return "" if hasattr(value, "items") else "a dictionary of names and values"


def a_number(value: object) -> str:
    return "" if isinstance(value, float) or _is_whole(value) else "a number"


def a_whole_number(value: object) -> str:
    """Its bounds are for the function to tell."""
    return "" if _is_whole(value) else "a whole number"


def at_least(lowest: int) -> Check:
    """A whole number from this on."""
    return lambda value: "" if _is_whole(value) and value >= lowest else f"a whole number, {lowest} or more"


def a_scenario(value: object) -> str:
    """One that was loaded."""
    write = f'simkit.load("{value}")' if _is_path(value) else 'simkit.load("week.yaml")'
    return "" if _is_scenario(value) else f"a scenario that was loaded, as {write} does"


def a_scenario_or_path(value: object) -> str:
    return "" if _is_path(value) or _is_scenario(value) else 'a scenario or the path of one, such as "week.yaml"'


def scenarios_or_paths(value: object) -> str:
    return "" if _all(value, lambda one: not a_scenario_or_path(one)) else "scenarios or the paths of some"


def runs(value: object) -> str:
    """A runs file, a result or several: a function may ask no more of a result than that it is one."""
    is_one = _is_path(value) or _is_result(value)
    return "" if is_one or _all(value, _is_result) else "a runs file, a result, or a list of results"


def results(value: object) -> str:
    """Several, which may come one by one."""
    return "" if isinstance(value, Iterable) and not _is_path(value) else "a list of results, such as [result]"


def paths(value: object) -> str:
    return "" if _all(value, _is_path) else 'a list of paths, such as ["templates/"]'


def texts(value: object) -> str:
    return "" if _all(value, lambda one: isinstance(one, str)) else "a list of texts"


def _is_path(value: object) -> bool:
    return isinstance(value, str | os.PathLike)


def _is_whole(value: object) -> bool:
    # numpy's integers, too, and no truth value.
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _is_scenario(value: object) -> bool:
    return _has(value, "start_at", "all_versions")


def _is_result(value: object) -> bool:
    return _has(value, "run_id", "tables")


def _has(value: object, *names: str) -> bool:
    """Without making them: a result works out its tables when it is asked for them."""
    return all(inspect.getattr_static(value, name, None) is not None for name in names)


def _all(value: object, is_one: Callable[[object], bool]) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(map(is_one, value))


def _shown(value: object) -> str:
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    return clipped(shown) if len(shown) < 80 else f"something else ({type(value).__name__})"
