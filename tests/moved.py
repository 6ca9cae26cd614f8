"""Numbers that the samples give move only with a line in the CHANGELOG that begins with "Results change:".

What is recorded names the lines that stood there when it was recorded, and those that explain the numbers that moved
last. Who records other numbers needs a line that is new since the recording before: that of git's last commit, or
without git the file's own. A test looks at every recording in git's history in the same way.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sampled import NUMBERS, differences, short_hash

RECORDED = "tests/samples/recorded.json"
CHANGELOG = "CHANGELOG.md"
EXPLAINED = "explained"
"""The section of what is recorded that says by what its numbers are explained."""
OF_THE_INPUTS = ("digest", "run_id")
"""They move with simkit's version and with what the kernel is given; rows do not."""
BEGIN = "Results change:"
SHOWN = 90
"""Characters of a line that explains numbers, in what is recorded."""
LOOKED_AT = 20
"""Recordings of git's history, at most."""


def lines_of(changelog: str) -> list[str]:
    """The entries that tell of moved numbers and belong to no release yet, in a line each."""
    unreleased = next((part for part in changelog.split("\n## ") if "(unreleased)" in part.split("\n", 1)[0]), "")
    entries = (" ".join(entry.split()) for entry in unreleased.split("\n- ")[1:])
    return [entry for entry in entries if entry.startswith(BEGIN)]


def moves(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The numbers in both recordings that differ, a line each. What is new or gone has not moved."""
    return [
        line
        for section in NUMBERS
        for line in differences(*_shared(before.get(section, {}), after.get(section, {})), section)
    ]


def _shared(before: Any, after: Any) -> tuple[Any, Any]:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return before, after
    names = [name for name in before if name in after and name not in OF_THE_INPUTS]
    pairs = {name: _shared(before[name], after[name]) for name in names}
    return {name: pair[0] for name, pair in pairs.items()}, {name: pair[1] for name, pair in pairs.items()}


def unexplained(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The numbers that moved between two recordings, if no line of the CHANGELOG came with them."""
    came = set(after[EXPLAINED]["lines"]) - set(before[EXPLAINED]["lines"])
    return [] if came else moves(before, after)


def explained(before: Mapping[str, Any], told: Mapping[str, Any], changelog: str) -> dict[str, Any]:
    """`told` as it is recorded after `before`: with the lines that there are, those that explain it, and a seal."""
    hashes = {short_hash(line.encode()): line[:SHOWN] for line in lines_of(changelog)}
    earlier = before.get(EXPLAINED, {"by": [], "lines": []})
    came = [line for name, line in hashes.items() if name not in earlier["lines"]]
    by = came if moves(before, told) else earlier["by"]
    recorded = {**told, EXPLAINED: {"by": by, "lines": sorted(hashes)}}
    recorded[EXPLAINED]["seal"] = seal_of(recorded)
    return recorded


def seal_of(recorded: Mapping[str, Any]) -> str:
    """A hash of the numbers, and of what explains them: who edits them by hand breaks it."""
    of = {name: recorded.get(name) for name in NUMBERS}
    of |= {EXPLAINED: {name: recorded[EXPLAINED][name] for name in ("by", "lines")}}
    return short_hash(json.dumps(of, sort_keys=True).encode())


def keep(told: Mapping[str, Any], top: Path) -> list[str]:
    """Record what was told; or, if numbers moved without a line, record nothing and return which."""
    file = top / RECORDED
    committed = recordings(top)
    before = committed[-1] if committed else json.loads(file.read_text(encoding="utf-8"))
    recorded = explained(before, told, (top / CHANGELOG).read_text(encoding="utf-8"))
    if EXPLAINED in before and (moved := unexplained(before, recorded)):
        return moved
    file.write_text(f"{json.dumps(recorded, indent=1, sort_keys=True, ensure_ascii=False)}\n", encoding="utf-8")
    return []


def recordings(top: Path) -> list[dict[str, Any]]:
    """What git's history has recorded at `top`, the last one last; nothing without git, or in another's repository."""
    try:
        if Path(_git(top, "rev-parse", "--show-toplevel").strip()).resolve() != top.resolve():
            return []
        commits = _git(top, "log", f"-{LOOKED_AT}", "--format=%H", "--", RECORDED).split()
        return list(_since_lines_are_kept(_git(top, "show", f"{commit}:{RECORDED}") for commit in commits))[::-1]
    except (OSError, subprocess.CalledProcessError):
        return []


def _since_lines_are_kept(texts: Iterator[str]) -> Iterator[dict[str, Any]]:
    for text in texts:
        recorded = json.loads(text)
        if EXPLAINED not in recorded:
            return
        yield recorded


def _git(top: Path, *arguments: str) -> str:
    # A hook of git's own has variables that lead elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(top), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
