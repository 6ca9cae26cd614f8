"""Find templates, and the test files beside them, below paths: the one finder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from simkit.errors import Findings, Where
from simkit.files import LEADS_OUT, leads_out
from simkit.inputs.hcl import TERRAFORM, called_folders, has_preset, is_terraform, terraform_files
from simkit.inputs.shown import is_shown

TESTS = ".simkit.yaml"
"""How the name of a test file ends."""


@dataclass(frozen=True)
class Found:
    """What there is at and below some paths."""

    files: Mapping[Path, Path]
    """Each Terraform file with a preset, or that nobody can read, in the order in which they were asked for -> what to
    read for it: its folder, if all files of that were found, as they are one template to Terraform; else itself. For a
    file of a module it is the template that calls the module."""
    tests: tuple[Path, ...]

    @property
    def templates(self) -> tuple[Path, ...]:
        """What to read, each once."""
        return tuple(dict.fromkeys(self.files.values()))


def find(paths: Iterable[str | Path], findings: Findings) -> Found:
    """The templates and the test files at and below the paths; with a Terraform file also the tests in its folder. What
    `terraform show -json` wrote is a template, too, if it is named.

    As for Terraform and Coder, hidden files and folders (.terraform, .git) are none; a link to a file is that file, a
    link to a folder is followed only if it is named. Paths that do not exist, or are something else, become findings.
    """
    terraform: dict[Path, None] = {}
    tests: set[Path] = set()
    for path in (Path(os.path.normpath(path)) for path in paths):
        if os.path.isdir(path):
            below = sorted(_below(path, findings))
            terraform.update(dict.fromkeys(file for file in below if not file.name.endswith(TESTS)))
            tests.update(_inside((file for file in below if file.name.endswith(TESTS)), findings))
        elif not os.path.exists(path):
            findings.error(Where(str(path)), "there is no such file or folder")
        elif is_terraform(path.name) or is_shown(path.name):
            terraform[path] = None
            beside = (file for file in path.parent.glob(f"*{TESTS}") if not file.name.startswith("."))
            tests.update(_inside(beside, findings))
        elif path.name.endswith(TESTS):
            tests.update(_inside([path], findings))
        else:
            said = f"is neither a folder nor a {TERRAFORM} file nor a *{TESTS} file nor a plan in JSON; name one"
            findings.error(Where(str(path)), said)
    return Found(_with_presets(terraform), tuple(sorted(tests)))


def _inside(files: Iterable[Path], findings: Findings) -> Iterator[Path]:
    """Those that are no links out of their repository; the others become findings."""
    for file in files:
        if leads_out(file):
            findings.error(Where(str(file)), LEADS_OUT)
        else:
            yield file


def _below(top: Path, findings: Findings) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        findings.error(Where(str(error.filename)), f"cannot be looked into: {error.strerror}")

    for folder, folders, names in os.walk(top, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen = (name for name in names if not name.startswith("."))
        yield from (Path(folder, name) for name in seen if is_terraform(name) or name.endswith(TESTS))


def _with_presets(terraform: Iterable[Path]) -> dict[Path, Path]:
    shown, folders = [], dict[Path, list[Path]]()
    for file in terraform:
        if is_shown(file.name):
            shown.append(file)
        else:
            folders.setdefault(file.parent, []).append(file)
    roots: dict[Path, Path] = {}  # each file -> what to read for it
    for folder in sorted(folders, key=lambda folder: len(folder.parts)):  # a template before the modules in it
        whole = terraform_files(folder) == sorted(folders[folder])
        for file in folders[folder]:
            root = roots.setdefault(file, folder if whole else file)
            if root in (folder, file):
                for called in _called(folder, file):
                    roots[called] = root
    asked = [file for files in folders.values() for file in files]
    found = {file: roots[file] for file in dict.fromkeys([*asked, *roots]) if has_preset(file)}
    return found | {file: file for file in shown}


def _called(top: Path, file: Path) -> Iterator[Path]:
    """The files of the modules that a file calls, and that those call."""
    todo, seen = [file], {file.parent}
    while todo:
        for folder in called_folders(top, todo.pop()):
            if folder not in seen:
                seen.add(folder)
                files = terraform_files(folder)
                yield from files
                todo += files
