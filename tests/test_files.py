"""A file is written whole, where a link leads, and with the mode it had."""

from __future__ import annotations

import pytest

from simkit import InputError
from simkit.files import write_all, write_whole


def test_what_a_link_leads_to_is_replaced_and_keeps_its_mode(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"before")
    file.chmod(0o640)
    link.symlink_to(file)
    write_whole(link, b"after")
    assert link.is_symlink()
    assert file.read_bytes() == b"after"
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_what_cannot_be_written_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "no" / "file", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "folder", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


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
