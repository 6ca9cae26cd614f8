"""Git repositories for tests, made of commits in one go: nobody waits for a process each."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Commit(NamedTuple):
    """`when`: git's raw date, seconds and offset, or "2026-03-02 09:00 -0500"; `committed` likewise, as `when` if "".

    `merged`: which of the commits before it, counted from 1, it brings in."""

    when: str
    name: str = "Zoe"
    email: str = "zoe@example.com"
    committed: str = ""
    merged: int = 0


def git(folder: Path, *arguments: str, data: bytes = b"") -> bytes:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *arguments], cwd=folder, input=data, env=clean, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def repository(
    folder: Path, commits: Sequence[Commit], files: dict[str, str] | None = None, bare: bool = False
) -> Path:
    """A repository with these commits on `main`, each after the one before; the last has the files."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "-b", "main", *(["--bare"] if bare else []), ".")
    told = []
    for i, one in enumerate(commits, 1):
        told += ["commit refs/heads/main", f"mark :{i}", f"author {one.name} <{one.email}> {_raw(one.when)}"]
        told += [f"committer Hub <hub@example.com> {_raw(one.committed or one.when)}", "data 1", "x"]
        told += [f"merge :{one.merged}"] if one.merged else []
        for name, text in (files or {}).items() if i == len(commits) else ():
            told += [f"M 644 inline {name}", f"data {len(text.encode())}", text]
    git(folder, "fast-import", "--quiet", "--date-format=raw-permissive", data="\n".join([*told, ""]).encode())
    if not bare and commits:
        git(folder, "checkout", "--quiet", "main")
    return folder


def _raw(when: str) -> str:
    if "-" not in when[:8]:
        return when
    from datetime import datetime

    at = datetime.strptime(when, "%Y-%m-%d %H:%M %z")
    return f"{int(at.timestamp())} {when.split()[-1]}"
