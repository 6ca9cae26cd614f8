"""The two decorators that compile the core, and the key under which compiled code is kept.

The key covers the source of all of `core/` and the versions that compile it: numba's own cache looks only at
the file a function stands in, and would go on using a kernel that was compiled with an older policy. A file that
cannot be read, or is not what was written, costs a compilation, and so does one that cannot be written.
Set NUMBA_DISABLE_JIT=1 to run the same code as plain Python.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
import platform
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import llvmlite
import numba
import numpy as np
import platformdirs

_F = TypeVar("_F", bound=Callable[..., Any])
_numba: Any = numba  # it carries no types
_core: Any = _numba.core
_config: Any = _numba.config
_LOG = logging.getLogger("simkit.core")
_LOG.addHandler(logging.NullHandler())  # a warning is for whoever listens, and not for a terminal


def source_digest() -> str:
    """Digest of what decides the compiled code: every file of the core, numba, llvmlite, numpy and Python."""
    digest = hashlib.sha256()
    versions = (numba.__version__, llvmlite.__version__, np.__version__, platform.python_version())
    digest.update(repr(versions).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _place() -> Path | None:
    """Where compiled code is kept if it can be; None for a user without a home."""
    base = os.environ.get("SIMKIT_CACHE_DIR", "")
    if not base:
        with suppress(RuntimeError):  # of newer ones; others leave the tilde
            base = platformdirs.user_cache_dir("simkit")
        if not Path(base).is_absolute():
            return None
    return Path(base).absolute() / f"core-{source_digest()}"


def _cache_directory() -> Path | None:
    """Where compiled code is kept; None if no such directory can be written (each process then compiles)."""
    directory = _place()
    if directory is None:
        _LOG.warning("compiled code is not kept: this user has no home; name a folder in SIMKIT_CACHE_DIR")
        return None
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if os.access(directory, os.W_OK):
            return directory
        reason = "it may not be written"
    except OSError as error:
        reason = str(error)
    _LOG.warning("compiled code is not kept: %s: %s", directory, reason)
    return None


_DIRECTORY = _cache_directory()


def will_compile(kind: str) -> bool:
    """Will the next run of this kind compile first, as far as `compiled` was told? Kinds are those of
    `runs.simulate.kind_of`, and "counts"."""
    return not _config.DISABLE_JIT and (_DIRECTORY is None or not (_DIRECTORY / f"compiled-{kind}").exists())


def compiled(kind: str) -> None:
    """Remember that code for this kind of simulation is kept."""
    if _DIRECTORY is not None and will_compile(kind):
        with suppress(OSError):
            (_DIRECTORY / f"compiled-{kind}").touch()


class _Place(_core.caching.CompileResultCacheImpl):  # type: ignore[misc]
    """Keeps code in our directory or nowhere: beside the source, where numba goes next, its key would not be ours."""

    _locator_classes = (_core.caching.UserProvidedCacheLocator,)


class _Files(_core.caching.IndexDataCacheFile):  # type: ignore[misc]
    """An index and files of code as numba writes them; each file of code has a digest, and says what it is the code of.

    Damaged code can end the process, and numba lets two processes that write at once give one file to two keys.
    """

    def load(self, key: Any) -> Any:
        """The code that is kept under a key; None if it is not there as it was written."""
        name = self._load_index().get(key)
        with suppress(OSError):
            kept = Path(self._data_path(name)).read_bytes() if name else b""
            digest, code = kept[: hashlib.sha256().digest_size], kept[hashlib.sha256().digest_size :]
            if digest == self._digest(code):
                of, data = pickle.loads(code)
                return data if of == key else None
        return None

    def save(self, key: Any, data: Any) -> None:
        super().save(key, (key, data))

    def _load_index(self) -> Any:
        try:
            return super()._load_index()
        except Exception:  # whatever the bytes of a damaged pickle lead to
            return {}

    def _save_data(self, name: str, data: Any) -> None:
        code = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(self._digest(code) + code)

    def _digest(self, code: bytes) -> bytes:
        return _digest_of(self._index_name, code)


def _digest_of(index_name: str, code: bytes) -> bytes:
    # The key does not see constants, nor the functions that are called: the function's name and the core's do.
    place = f"{_DIRECTORY.name if _DIRECTORY else ''}/{index_name}"
    return hashlib.sha256(place.encode() + b"\0" + code).digest()


class _Kept(_core.caching.FunctionCache):  # type: ignore[misc]
    """Code of a function that is kept from one process to the next. Nothing fails because of it."""

    _impl_class = _Place

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._name, self._begun_s = function.__qualname__, time.perf_counter()
        locator = self._impl.locator
        self._cache_file = _Files(self.cache_path, self._impl.filename_base, locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = super().load_overload(sig, target_context)
        self._begun_s = time.perf_counter()  # if it was not found, numba compiles it now
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        told = {"function": self._name, "seconds": round(time.perf_counter() - self._begun_s, 6)}
        _LOG.info("compiled", extra={"told": told})
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _LOG.warning("compiled code is not kept: %s", error)


def jit(function: _F) -> _F:
    """Compile a function of whole numbers and arrays; it releases the interpreter lock, and its code is kept.

    Compiled code borrows its arrays and makes none: counting references took half of a run's time.
    """
    compiled = _kept(_compiled(function))
    if compiled is not function:
        _call_instead(compiled, called(function))  # compiled code has no use for what Python needs to call it
    return compiled


def part(function: _F) -> _F:
    """Compile a function into those that call it, and into nothing else: Python cannot call it.

    Half of a run's time went into handing the tables' 50 fields from function to function.
    """
    return called(function, forceinline=True)


def called(function: _F, forceinline: bool = False) -> _F:
    """Like `part`, but compiled once and called: for what is big, stands in several places and runs seldom.

    With people in a run, inlining all of it took twice as long to compile.
    """
    wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _compiled(function, pipeline_class=_IntoCallers, forceinline=forceinline, **wrappers)


def _compiled(function: _F, **options: Any) -> _F:
    if _config.DISABLE_JIT:
        return function
    # `_nrt` is how numba switches its reference counting off; the function then cannot allocate.
    compiled = _numba.njit(nogil=True, error_model="numpy", _nrt=False, **options)(function)
    compiled._compiler._customize_flags = _Options
    _call_instead(compiled, compiled)
    return cast(_F, compiled)


def _call_instead(compiled: Any, other: Any) -> None:
    """Compiled code that calls `compiled` calls `other`, and one code of it for all whole numbers.

    Numba would compile it once more for each constant that it is given.
    """
    template = type(other).get_call_template

    def call_template(args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        wide = {name: _core.types.unliteral(of) for name, of in named.items()}
        return template(other, tuple(map(_core.types.unliteral, args)), wide)

    compiled.get_call_template = call_template
    compiled.get_overload = other.get_overload


class _Options(_core.compiler.Flags):  # type: ignore[misc]
    """A function's options as numba has them, compared faster.

    Numba looks up each operator under all of them, and makes a dictionary of them each time that it compares them.
    """

    __slots__ = ()
    _HASH = hash(tuple(sorted(_core.compiler.Flags.options)))

    def __hash__(self) -> int:
        return self._HASH

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _core.compiler.Flags) and self._values == other._values:
            return True
        return bool(super().__eq__(other))  # an option that is not given is as good as its default


class _Library(_core.codegen.JITCodeLibrary):  # type: ignore[misc]
    """Code that is linked into a function that Python calls, and is optimised and becomes machine code only there.

    Numba does both for every function, and again in each that calls it: half of a cold start.
    """

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True


@_core.compiler_machinery.register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(_core.typed_passes.NativeLowering):  # type: ignore[misc]
    """Numba's last step, which ends with such a library in place of machine code."""

    _name = "lowering_into_callers"

    def run_pass(self, state: Any) -> bool:
        state.library = _Library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state.cr
        module, name, keep = lowered.fndesc.lookup_module(), state.func_id.func_name, (state.library,)
        # Under this object, which is a function at no address, numba finds the code that it links into others.
        nowhere = _numba._dynfunc.make_function(module, name, "", 0, lowered.env, keep)
        state.targetctx.insert_user_function(nowhere, lowered.fndesc, [state.library])
        state.cr = lowered._replace(cfunc=nowhere)
        return True


class _IntoCallers(_core.compiler.CompilerBase):  # type: ignore[misc]
    """Numba's steps but for the last."""

    def define_pipelines(self) -> list[Any]:
        manager = _core.compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
        native = _core.typed_passes.NativeLowering
        manager.passes = [(_Lowering if step is native else step, what) for step, what in manager.passes]
        manager.finalize()
        return [manager]


def _kept(function: _F) -> _F:
    """A compiled function whose code is kept, if there is a place for it."""
    if _config.DISABLE_JIT or _DIRECTORY is None:
        return function
    compiled: Any = function
    before = _config.CACHE_DIR
    _config.CACHE_DIR = str(_DIRECTORY)
    try:
        with suppress(RuntimeError, OSError):  # its directory can have become unwritable
            compiled._cache = _Kept(compiled.py_func)
    finally:
        _config.CACHE_DIR = before
    return function


class Kept(NamedTuple):
    """What is kept of compiled code, or would be: where, if it can be, in how many bytes, and which files are not as
    they were written. `directory` is None for a user without a home."""

    directory: Path | None
    is_usable: bool
    bytes: int
    damaged: tuple[Path, ...]


def kept() -> Kept:
    """Look at what is kept of this core. It is not run."""
    if _DIRECTORY is None:
        return Kept(_place(), False, 0, ())
    files = [path for path in sorted(_DIRECTORY.rglob("*")) if path.suffix in (".nbi", ".nbc")]
    damaged = tuple(path for path in files if not _is_whole(path))
    size = sum(path.stat().st_size for path in files if path.is_file())
    return Kept(_DIRECTORY, os.access(_DIRECTORY, os.W_OK), size, damaged)


def _is_whole(path: Path) -> bool:
    try:
        data = path.read_bytes()
        if path.suffix == ".nbi":
            stream = io.BytesIO(data)
            version, (_, of) = pickle.load(stream), pickle.load(stream)
            return version == numba.__version__ and all((path.parent / name).is_file() for name in of.values())
        size = hashlib.sha256().digest_size
        return data[:size] == _digest_of(re.sub(r"\.\d+\.nbc$", ".nbi", path.name), data[size:])
    except Exception:  # whatever the bytes of a damaged pickle lead to
        return False
