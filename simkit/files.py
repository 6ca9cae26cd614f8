"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from errno import EISDIR
from pathlib import Path

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
            target = path.resolve()
            scratch = target.with_name(f".{target.name}.simkit")
            if target.is_dir():
                raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
            moves[path] = scratch, target
            scratch.write_bytes(data)
            if target.exists():
                scratch.chmod(target.stat().st_mode & 0o777)
        for path in moves:
            os.replace(*moves[path])
    except OSError as error:
        for scratch, _ in moves.values():
            scratch.unlink(missing_ok=True)
        text = f"cannot be written: {error.strerror}; give a file that you may write to"
        raise InputError([Finding("error", Where(str(path)), text)]) from None
