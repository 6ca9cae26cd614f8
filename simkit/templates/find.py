"""Find templates, and the test files beside them, below paths: the one finder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from simkit.errors import Findings, Where
from simkit.inputs.hcl import TERRAFORM, has_preset, terraform_files

TESTS = ".simkit.yaml"
"""How the name of a test file ends."""


@dataclass(frozen=True)
class Found:
    """What there is at and below some paths."""

    files: Mapping[Path, Path]
    """Each Terraform file with a preset, or that nobody can read, in the order in which they were asked for -> what to
    read for it: its folder, if all files of that were found, as they are one template to Terraform; else itself."""
    tests: tuple[Path, ...]

    @property
    def templates(self) -> tuple[Path, ...]:
        """What to read, each once."""
        return tuple(dict.fromkeys(self.files.values()))


def find(paths: Iterable[str | Path], findings: Findings) -> Found:
    """The templates and the test files at and below the paths; with a Terraform file also the tests in its folder.

    As for Terraform and Coder, hidden files and folders (.terraform, .git) are none; a link to a file is that file, a
    link to a folder is followed only if it is named. Paths that do not exist, or are something else, become findings.
    """
    terraform: dict[Path, None] = {}
    tests: set[Path] = set()
    for path in (Path(os.path.normpath(path)) for path in paths):
        if path.is_dir():
            below = sorted(_below(path, findings))
            terraform.update(dict.fromkeys(file for file in below if file.suffix == TERRAFORM))
            tests.update(file for file in below if file.suffix != TERRAFORM)
        elif not path.exists():
            findings.error(Where(str(path)), "there is no such file or folder")
        elif path.suffix == TERRAFORM:
            terraform[path] = None
            tests.update(file for file in path.parent.glob(f"*{TESTS}") if not file.name.startswith("."))
        elif path.name.endswith(TESTS):
            tests.add(path)
        else:
            findings.error(
                Where(str(path)), f"is neither a folder nor a {TERRAFORM} file nor a *{TESTS} file; name one"
            )
    return Found(_with_presets(terraform), tuple(sorted(tests)))


def _below(top: Path, findings: Findings) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        findings.error(Where(str(error.filename)), f"cannot be looked into: {error.strerror}")

    for folder, folders, names in os.walk(top, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen = (name for name in names if not name.startswith("."))
        yield from (Path(folder, name) for name in seen if name.endswith((TERRAFORM, TESTS)))


def _with_presets(terraform: Iterable[Path]) -> dict[Path, Path]:
    folders: dict[Path, list[Path]] = {}
    for file in terraform:
        folders.setdefault(file.parent, []).append(file)
    found = {}
    for folder, files in folders.items():
        whole = terraform_files(folder) == sorted(files)
        found.update({file: folder if whole else file for file in files if has_preset(file)})
    return found
