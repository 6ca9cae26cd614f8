"""The text of a file, or a finding that says where it cannot be read."""

from __future__ import annotations

import re
from pathlib import Path

from simkit.errors import Findings, Where
from simkit.files import read_whole

MOST_BYTES = 20_000_000
"""Of a text. What people write by hand has a thousandth; a file that has more is another one than they mean."""


NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What is in no text of Coder's: a zero byte, which its database refuses, and half of a surrogate pair, which is no
character."""


def read_text(
    path: Path, findings: Findings, cure: str = "save it as UTF-8", missing: str = "", most: int = MOST_BYTES
) -> str | None:
    """A file's text in UTF-8, without a byte order mark; None, with a finding, if that cannot be had.

    `cure`: what to do about another encoding. `missing`: what to say if there is no such file. `most`: bytes.
    """
    try:
        data = read_whole(path, most)
    except OSError as error:
        no_file = isinstance(error, FileNotFoundError) and missing
        findings.error(Where(str(path)), missing if no_file else f"cannot be read: {error.strerror}")
        return None
    try:
        # As in text mode, where each kind of line end is one.
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        # A byte order mark that was taken off does not count in `start`, and is part of the first line.
        line = error.object[: error.start].count(b"\n") + 1
        findings.error(Where(str(path), line), f"is not UTF-8 text (byte 0x{error.object[error.start]:02x}); {cure}")
        return None
