"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from simkit.errors import Finding, InputError, Where


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` in a file's place, where the path leads to if it is a link; a file that was there keeps its mode.

    Raises InputError if that cannot be done; what was there is still there then.
    """
    target = path.resolve()
    scratch = target.with_name(f".{target.name}.simkit")
    try:
        scratch.write_bytes(data)
        if target.exists():
            scratch.chmod(target.stat().st_mode & 0o777)
        os.replace(scratch, target)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        text = f"cannot be written: {error.strerror}; give a file that you may write to"
        raise InputError([Finding("error", Where(str(path)), text)]) from None
