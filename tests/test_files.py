"""Files are read only if they end, and written whole, never over a link, with the mode that was there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from simkit import InputError
from simkit.files import read_head, read_whole, write_all, write_whole, writing_whole


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"before")
    file.chmod(0o640)
    write_whole(file, b"after")
    assert file.read_bytes() == b"after"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_new_file_has_the_mode_of_any_other(tmp_path):
    (tmp_path / "other").write_bytes(b"")
    write_whole(tmp_path / "new", b"x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_neither_followed_nor_removed(tmp_path, there):
    file, link = tmp_path / "file", tmp_path / "link"
    if there:
        file.write_bytes(b"before")
    link.symlink_to(file)
    with pytest.raises(InputError, match=r"link: cannot be written: it is a link to .*file; name that file itself, or"):
        write_whole(link, b"after")
    with pytest.raises(InputError, match="it is a link"), writing_whole(link) as opened:
        opened.write(b"after")
    assert link.is_symlink()
    assert file.exists() == there
    assert not there or file.read_bytes() == b"before"


def test_a_link_that_somebody_put_where_a_draft_would_be_is_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"before")
    for name in (".file.simkit", ".simkit", f".simkit-{os.getpid()}"):
        (tmp_path / name).symlink_to(secret)
    write_whole(tmp_path / "file", b"after")
    assert (tmp_path / "file").read_bytes() == b"after"
    assert secret.read_bytes() == b"before"


def test_what_cannot_be_written_is_refused_and_nothing_is_left(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "below").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(path.name for path in tmp_path.iterdir())
    for place in ("no/file", "folder", "below/file", "pipe", "x" * 300, "a\0b"):
        with pytest.raises(InputError, match="cannot be written: "):
            write_whole(tmp_path / place, b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_of_several_files_none_is_replaced_if_one_cannot_be_written(tmp_path):
    first, second = tmp_path / "first", tmp_path / "folder"
    first.write_bytes(b"before")
    second.mkdir()
    for other in (second, tmp_path / "no" / "file"):
        with pytest.raises(InputError, match=f"{other.name}: cannot be written"):
            write_all({first: b"after", other: b"after"})
        assert first.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "folder"]
    write_all({first: b"after", tmp_path / "new": b"x"})
    assert (first.read_bytes(), (tmp_path / "new").read_bytes()) == (b"after", b"x")


def test_a_file_that_outgrows_its_disk_leaves_what_was_there(tmp_path):
    (tmp_path / "file").write_bytes(b"before")
    script = (
        "import resource, signal\nfrom pathlib import Path\nfrom simkit.files import write_whole\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))\n"
        "write_whole(Path('file'), b'x' * 2254)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "file: cannot be written: File too large" in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"before"}


def test_only_what_ends_is_read(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x" * 10)
    assert read_whole(file, 10) == b"x" * 10
    assert read_head(file, 4) == b"xxxx"
    with pytest.raises(OSError, match="more than 9 bytes"):
        read_whole(file, 9)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "zero", "loop", "none", "file/x", "x" * 300, "a\0b", "\ud800", "."):
        with pytest.raises(OSError, match=r".") as raised:
            read_whole(tmp_path / name, 10)
        assert raised.value.strerror, name
