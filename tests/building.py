"""Wheel and sdist of simkit, the same bytes each time. As a program: builds into the folder that it is given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parent.parent
_BUILD = "import sys; from flit_core import buildapi; buildapi.build_{what}(sys.argv[1])"


def build(what: str, into: Path, epoch: int, source: Path = TOP) -> Path:
    """The `wheel` or `sdist` of a source tree. `epoch`: seconds since 1970, the instant of everything in it."""
    into.mkdir(parents=True, exist_ok=True)
    before = set(into.iterdir())
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    program = _BUILD.format(what=what)
    subprocess.run([sys.executable, "-c", program, str(into.absolute())], cwd=source, env=env, check=True)
    (made,) = set(into.iterdir()) - before
    return made


def needed(requirements: list[str]) -> set[str]:
    """The top names in site-packages of what these requirements bring along, here and on this Python; no other ones."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name in found or (one.marker is not None and not one.marker.evaluate({"extra": ""})):
            continue
        found[name] = metadata.distribution(one.name)
        waiting += [Requirement(text) for text in found[name].requires or []]
        waiting += [
            Requirement(text)
            for extra in one.extras
            for text in found[name].requires or []
            if (marker := Requirement(text).marker) is not None and marker.evaluate({"extra": extra})
        ]
    return {file.parts[0] for each in found.values() for file in each.files or [] if file.parts[0] not in ("..", "/")}


def main(folder: str) -> None:
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    shutil.rmtree(folder, ignore_errors=True)
    for what in ("wheel", "sdist"):
        made = build(what, Path(folder), epoch)
        with tempfile.TemporaryDirectory() as scratch:
            again = build(what, Path(scratch), epoch)
            if again.read_bytes() != made.read_bytes():
                sys.exit(f"{made}: a second build gives other bytes")
        print(f"{sha256(made.read_bytes()).hexdigest()}  {made}")


if __name__ == "__main__":
    main(*sys.argv[1:])
