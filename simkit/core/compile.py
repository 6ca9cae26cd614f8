"""The two decorators that compile the core, and the key under which compiled code is kept.

The key covers the source of all of `core/` and the versions that compile it: numba's own cache looks only at
the file a function stands in, and would go on using a kernel that was compiled with an older policy.
Set NUMBA_DISABLE_JIT=1 to run the same code as plain Python.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
import numpy as np
import platformdirs

_F = TypeVar("_F", bound=Callable[..., Any])


def source_digest() -> str:
    """Digest of what decides the compiled code: every file of the core, numba, llvmlite, numpy and Python."""
    digest = hashlib.sha256()
    versions = (numba.__version__, llvmlite.__version__, np.__version__, platform.python_version())
    digest.update(repr(versions).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _cache_directory() -> Path | None:
    """Where compiled code is kept; None if no such directory can be written (each process then compiles)."""
    base = os.environ.get("SIMKIT_CACHE_DIR") or platformdirs.user_cache_dir("simkit")
    directory = Path(base) / f"core-{source_digest()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return directory if os.access(directory, os.W_OK) else None


_DIRECTORY = _cache_directory()


def jit(function: _F) -> _F:
    """Compile a function of whole numbers and arrays; it releases the interpreter lock, and its code is kept.

    Compiled code borrows its arrays and makes none: counting references took half of a run's time.
    """
    return _compiled(function, cache=_DIRECTORY is not None)


def part(function: _F) -> _F:
    """Compile a function into those that call it, and into nothing else: Python cannot call it.

    Half of a cold start went into wrappers that nobody used, half of a run into handing the tables' 50 fields from
    function to function.
    """
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)


def called(function: _F) -> _F:
    """Like `part`, but compiled once and called: for what stands in many places and runs seldom.

    With people in a run, inlining all of it took 35 s to compile in place of some.
    """
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compiled(function: _F, **options: bool) -> _F:
    config: Any = numba.config
    if config.DISABLE_JIT:
        return function
    before = config.CACHE_DIR
    config.CACHE_DIR = str(_DIRECTORY or "")
    try:
        # `_nrt` is how numba switches its reference counting off; the function then cannot allocate.
        given: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False, **options}
        compiled: _F = numba.njit(**given)(function)
    finally:
        config.CACHE_DIR = before
    return compiled
