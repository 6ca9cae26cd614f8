"""Decide how many prebuilt workspaces a Coder deployment keeps warm, when, for how long and at what cost.

Nothing heavy is imported until it is used: `import simkit` costs a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from simkit.version import __version__

# The public names and the module each lives in. `__getattr__` imports a module when one of its names is first used.
_HOME = {
    "ControlPlane": "simkit.controlplane",
    "run_reference": "simkit.runs.reference",
    "check": "simkit.templates.check",
    "compare": "simkit.decide.compare",
    "diff": "simkit.templates.diff",
    "explore": "simkit.studies.explore",
    "forecast": "simkit.deployment.forecast",
    "league": "simkit.decide.league",
    "load": "simkit.inputs",
    "lint": "simkit.templates.linter",
    "run": "simkit.runs.simulate",
    "replicate": "simkit.runs.simulate",
    "recommend": "simkit.decide.recommend",
    "Result": "simkit.runs.result",
    "sweep": "simkit.decide.sweep",
    "save": "simkit.store",
    "ask": "simkit.store",
    "questions": "simkit.store",
    "explain": "simkit.templates.explainer",
    "when": "simkit.workspace.when",
    "worth": "simkit.decide.worth",
    "why": "simkit.workspace.why",
    "why_preset": "simkit.pool.why",
    "InputError": "simkit.errors",
    "RefusedError": "simkit.errors",
    "RunError": "simkit.errors",
    "SimkitError": "simkit.errors",
    "StoreError": "simkit.errors",
}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604

if TYPE_CHECKING:
    from simkit.controlplane import ControlPlane as ControlPlane
    from simkit.decide.compare import compare as compare
    from simkit.decide.league import league as league
    from simkit.decide.recommend import recommend as recommend
    from simkit.decide.sweep import sweep as sweep
    from simkit.decide.worth import worth as worth
    from simkit.deployment.forecast import forecast as forecast
    from simkit.errors import InputError as InputError
    from simkit.errors import RefusedError as RefusedError
    from simkit.errors import RunError as RunError
    from simkit.errors import SimkitError as SimkitError
    from simkit.errors import StoreError as StoreError
    from simkit.inputs import load as load
    from simkit.pool.why import why_preset as why_preset
    from simkit.runs.reference import run_reference as run_reference
    from simkit.runs.result import Result as Result
    from simkit.runs.simulate import replicate as replicate
    from simkit.runs.simulate import run as run
    from simkit.store import ask as ask
    from simkit.store import questions as questions
    from simkit.store import save as save
    from simkit.studies.explore import explore as explore
    from simkit.templates.check import check as check
    from simkit.templates.diff import diff as diff
    from simkit.templates.explainer import explain as explain
    from simkit.templates.linter import lint as lint
    from simkit.workspace.when import when as when
    from simkit.workspace.why import why as why


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'simkit' has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    if name == "ask":  # what it gives is for people to look at, in a notebook
        import_module("simkit.studies.answers").install()
    return value


def __dir__() -> list[str]:
    # What is public and nothing else: not the modules that happen to be imported.
    return __all__
