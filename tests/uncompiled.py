"""The core as plain Python beside the compiled one: what only compiled code may call, tests call here.

It is the same source, imported a second time. In a process with NUMBA_DISABLE_JIT=1 it is the core itself.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import numba

import simkit

CORE = "simkit.core"


def _second_copy(*names: str) -> list[ModuleType]:
    """Modules of the core that nothing else in this process uses, and that know each other alone."""
    config: Any = numba.config
    if config.DISABLE_JIT:
        return [import_module(f"{CORE}.{name}") for name in names]
    first = {name: module for name, module in sys.modules.items() if name == CORE or name.startswith(f"{CORE}.")}
    for name in first:
        del sys.modules[name]
    config.DISABLE_JIT = 1
    try:
        return [import_module(f"{CORE}.{name}") for name in names]
    finally:
        config.DISABLE_JIT = 0
        for name in [name for name in sys.modules if name == CORE or name.startswith(f"{CORE}.")]:
            del sys.modules[name]
        sys.modules.update(first)
        if CORE in first:
            simkit.core = first[CORE]


jobs, pools, lives, lifecycle, lifecycle_executor, kernel = _second_copy(
    "jobs", "pools", "lives", "lifecycle", "lifecycle_executor", "kernel"
)
