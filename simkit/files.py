"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import EISDIR
from pathlib import Path
from typing import BinaryIO

from simkit.errors import Finding, InputError, Where


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` in a file's place, where the path leads to if it is a link; a file that was there keeps its mode.

    Raises InputError if that cannot be done; what was there is still there then.
    """
    write_all({path: data})


def write_all(files: Mapping[Path, bytes]) -> None:
    """As `write_whole` does with each file: none takes its place before all of them are on disk.

    Raises InputError for the first that cannot be written.
    """
    moves: dict[Path, tuple[Path, Path]] = {}
    path = Path()
    try:
        for path, data in files.items():
            target, scratch = moves[path] = _move(path)
            scratch.write_bytes(data)
            _as_before(target, scratch)
        for path in moves:
            target, scratch = moves[path]
            os.replace(scratch, target)
    except OSError as error:
        raise _unwritten(path, error) from None
    finally:
        for _, scratch in moves.values():
            scratch.unlink(missing_ok=True)


@contextmanager
def writing_whole(path: Path) -> Iterator[BinaryIO]:
    """As `write_whole` does with what is written inside, piece by piece, when that is done."""
    try:
        target, scratch = _move(path)
        try:
            with scratch.open("wb") as file:
                yield file
            _as_before(target, scratch)
            os.replace(scratch, target)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritten(path, error) from None


def _move(path: Path) -> tuple[Path, Path]:
    """The file that a path leads to, and another one beside it that is to take its place."""
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    return target, target.with_name(f".{target.name}.simkit")


def _as_before(target: Path, scratch: Path) -> None:
    if target.exists():
        scratch.chmod(target.stat().st_mode & 0o777)


def _unwritten(path: Path, error: OSError) -> InputError:
    text = f"cannot be written: {error.strerror}; give a file that you may write to"
    return InputError([Finding("error", Where(str(path)), text)])
