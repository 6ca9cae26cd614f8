"""Files that are read only if they end, and written whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import EFBIG, EINVAL, EISDIR
from pathlib import Path
from typing import BinaryIO

from simkit.errors import Finding, InputError, Where


def read_whole(path: Path, most: int) -> bytes:
    """All bytes of an ordinary file.

    Raises OSError, of which `strerror` is what to say: also for a name that no file has, for a pipe or a device, which
    need not end, and for a file of more than `most` bytes.
    """
    data = _read(path, most + 1)
    if len(data) > most:
        raise OSError(EFBIG, f"it has more than {most:,} bytes, and no more are read")
    return data


def _read(path: Path, count: int) -> bytes:
    try:
        _ordinary(os.stat(path).st_mode)
        # Should it become a pipe meanwhile, nobody waits for its other end.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as file:
            status = os.fstat(file.fileno())
            _ordinary(status.st_mode)
            # What the system makes up as it is read has no size.
            return file.read(min(status.st_size + 1, count) if status.st_size else count) or b""
    except ValueError:
        raise OSError(EINVAL, "no file has such a name") from None


def read_head(path: Path, count: int) -> bytes:
    """The first bytes of an ordinary file. Raises OSError as `read_whole`."""
    return _read(path, count)


LEADS_OUT = "is a link out of its repository, or out of its folder if it is in none, and not followed; put a copy there"
OUTSIDE = "is outside of the repository of this file, or of its folder if it is in none, and not read; put a copy there"


def leads_out(path: Path) -> bool:
    """Is a file a link to one outside of the git repository in which it is, or of its folder if it is in none?

    Who looks at somebody else's templates reads no other files of the machine for them.
    """
    return os.path.islink(path) and not _within(path, _top(path.parent) or path.parent)


def is_outside(path: Path, folder: Path) -> bool:
    """Is a file, which one in `folder` names, outside of the git repository of that one?

    If there is no repository, what is below `folder` or the current folder is not outside. Links are followed.
    """
    top = _top(folder)
    return not any(_within(path, place) for place in ((folder, Path.cwd()) if top is None else (top,)))


def _top(folder: Path) -> Path | None:
    """The uppermost folder of the git repository in which this one is."""
    real = Path(os.path.realpath(folder))
    return next((place for place in (real, *real.parents) if os.path.lexists(place / ".git")), None)


def _within(path: Path, folder: Path) -> bool:
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except ValueError:
        return True  # a name that no file has leads nowhere


def _ordinary(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(EINVAL, "it is a pipe or a device, and no file")


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` in a file's place; a file that was there keeps its mode, and a link is refused.

    A link stays as it is, and so does what it leads to: who names one seldom means the file at its other end, and in
    somebody else's folder that may be any file. Folders on the way may be links.
    Raises InputError if that cannot be done; what was there is still there then.
    """
    write_all({path: data})


def write_all(files: Mapping[Path, bytes]) -> None:
    """As `write_whole` does with each file: none takes its place before all of them are on disk.

    Raises InputError for the first that cannot be written.
    """
    drafts: dict[Path, Path] = {}
    path = Path()
    try:
        for path, data in files.items():
            with _draft(path, drafts) as file:
                file.write(data)
        for path, draft in drafts.items():
            os.replace(draft, path)
    except OSError as error:
        raise _unwritten(path, error.strerror) from None
    finally:
        _remove(drafts)


@contextmanager
def writing_whole(path: Path) -> Iterator[BinaryIO]:
    """As `write_whole` does with what is written inside, piece by piece, when that is done."""
    drafts: dict[Path, Path] = {}
    try:
        with _draft(path, drafts) as file:
            yield file
        os.replace(drafts[path], path)
    except OSError as error:
        raise _unwritten(path, error.strerror) from None
    finally:
        _remove(drafts)


def _remove(drafts: Mapping[Path, Path]) -> None:
    for draft in drafts.values():
        with suppress(OSError):  # a disk that may only be read says so also of what was never there
            draft.unlink()


@contextmanager
def _draft(path: Path, drafts: dict[Path, Path]) -> Iterator[BinaryIO]:
    """A new file beside `path`, entered in `drafts`: all of it is on the disk in the end, with the mode of `path`."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        mode = None
    except ValueError:
        raise _unwritten(path, "no file has such a name") from None
    if mode is not None and stat.S_ISLNK(mode):
        raise _unwritten(path, f"it is a link to {os.readlink(path)}", "name that file itself, or remove the link")
    if mode is not None:
        _ordinary(mode)
    # A name that nobody can have put a link at, and that no other process writes to.
    draft = path.parent / f".simkit-{os.getpid()}-{secrets.token_hex(8)}"
    drafts[path] = draft
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with open(descriptor, "wb") as file:
        if mode is not None:
            os.fchmod(descriptor, mode & 0o777)
        yield file
        file.flush()
        os.fsync(descriptor)  # some disks say only now that they are full


def _unwritten(path: Path, why: str | None, cure: str = "give a file that you may write to") -> InputError:
    return InputError([Finding("error", Where(str(path)), f"cannot be written: {why}; {cure}")])
