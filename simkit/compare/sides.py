"""Read one side of a comparison: a template, a folder of templates, or either in a git revision."""

from __future__ import annotations

import os
import posixpath
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from simkit.errors import Finding, Findings, Where
from simkit.inputs.preset import GivenPreset, read_presets
from simkit.inputs.terraform import PRESET, read_terraform
from simkit.model import Preset
from simkit.snapshot import is_undeclared


class Key(NamedTuple):
    template: str
    preset: str


@dataclass(frozen=True)
class Written:
    """A preset, and how it was written, for the lines of its fields."""

    preset: Preset
    given: GivenPreset

    def where(self, name: str) -> Where:
        given = getattr(self.given, name, None)
        return given.where if given is not None else self.preset.where


Side = dict[Key, Written]


Undeclared = list[list[Finding]]
"""For each template, what it has to say about variables that it does not declare."""


def read_side(text: str, variables: Mapping[str, str], findings: Findings, undeclared: Undeclared) -> Side:
    """Every preset of one side; what is wrong with it becomes findings, under the names that a person wrote."""
    own = Findings()
    with _opened(text, own) as (path, shown):
        found = {} if path is None else _read(path, variables, own, undeclared)
    findings.items += [Finding(f.level, shown.where(f.where), shown.text(f.text)) for f in own]
    return {key: Written(shown.preset(w.preset), shown.given(w.given)) for key, w in found.items()}


@dataclass(frozen=True)
class _Shown:
    """Puts the name a person used in place of a path that only this process knows."""

    path: str = ""
    name: str = ""

    def text(self, text: str) -> str:
        return text.replace(self.path + os.sep, self.name).replace(self.path, self.name) if self.path else text

    def where(self, where: Where) -> Where:
        return Where(self.text(where.path), where.line)

    def preset(self, preset: Preset) -> Preset:
        schedules = tuple(replace(s, where=self.where(s.where)) for s in preset.schedules)
        return replace(preset, where=self.where(preset.where), schedules=schedules)

    def given(self, given: GivenPreset) -> GivenPreset:
        moved = {
            name: replace(value, where=self.where(value.where))
            for name in ("name", "description", "icon", "default", "parameters", "instances", "ttl_us", "timezone")
            if (value := getattr(given, name)) is not None
        }
        return replace(given, where=self.where(given.where), **moved)


@contextmanager
def _opened(text: str, findings: Findings) -> Iterator[tuple[Path | None, _Shown]]:
    """(where the files are, how to name them), while the context lasts; no path, with a finding, if there are none."""
    path, (revision, colon, inside) = Path(text), text.partition(":")
    if path.exists():
        yield path, _Shown()
    elif not colon or not revision:
        findings.error(Where(text), "there is no such file or folder; for a git revision write REV:PATH")
        yield None, _Shown()
    else:
        with TemporaryDirectory(prefix="simkit-diff-") as scratch:
            shown = _Shown(scratch, f"{revision}:")
            yield _checked_out(text, revision, inside, Path(scratch), findings), shown


def _checked_out(text: str, revision: str, inside: str, into: Path, findings: Findings) -> Path | None:
    """The Terraform files at or below a path of a git revision, written under `into`."""
    try:
        commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
        if inside.startswith(("./", "../")) or inside in (".", ".."):
            inside = posixpath.join(_git("rev-parse", "--show-prefix").strip(), inside)
        inside = posixpath.normpath(inside).lstrip("/").removeprefix(".") if inside else ""
    except FileNotFoundError:
        findings.error(Where(text), "there is no such file, and no git here to look for a revision; install git")
        return None
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        outside = next((line for line in said if "not a git repository" in line), "")
        hint = "this is not a git repository" if outside else f'git knows no revision "{revision}"'
        findings.error(
            Where(text), f"there is no such file or folder, and {hint}; write REV:PATH, such as main:{inside}"
        )
        return None
    try:
        kind = _git("cat-file", "-t", f"{commit}:{inside}").strip()
    except subprocess.CalledProcessError:
        findings.error(
            Where(text), f'the revision "{revision}" has no "{inside}"; paths count from the repository\'s top'
        )
        return None
    # Locals and variables of one file come from its whole folder.
    folder = posixpath.dirname(inside) if kind == "blob" else inside
    options = ["-z", "--full-tree"] + (["-r"] if kind == "tree" else [])
    listed = _git("ls-tree", *options, commit, *(["--", f"{folder}/"] if folder else []))
    for entry in filter(None, listed.split("\0")):
        about, _, name = entry.partition("\t")
        if name.endswith(".tf") and about.startswith("100"):
            file = into / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_git_bytes("cat-file", "blob", about.split()[2]))
    path = into / inside
    if kind == "tree":
        path.mkdir(parents=True, exist_ok=True)
    return path


def _git_bytes(*arguments: str) -> bytes:
    environment = {**os.environ, "LC_ALL": "C", "GIT_LITERAL_PATHSPECS": "1"}
    return subprocess.run(["git", *arguments], capture_output=True, check=True, env=environment).stdout


def _git(*arguments: str) -> str:
    try:
        return _git_bytes(*arguments).decode("utf-8", "surrogateescape")
    except subprocess.CalledProcessError as error:
        error.stderr = error.stderr.decode("utf-8", "replace")
        raise


def _read(path: Path, variables: Mapping[str, str], findings: Findings, undeclared: Undeclared) -> Side:
    """Every preset of a file, or of each folder below `path` that has some."""
    if path.is_file() and path.suffix != ".tf":
        findings.error(Where(str(path)), "is not a Terraform file; name a .tf file or a folder with some")
        return {}
    found: Side = {}
    for template in [path] if path.is_file() else _templates(path):
        own = Findings()
        given = read_terraform(template, variables, own)
        undeclared.append([finding for finding in own if is_undeclared(finding)])
        own.items = [finding for finding in own if not is_undeclared(finding)]
        presets = read_presets(given, own)
        findings.items += own.items
        if not own.errors:
            name = "" if template == path else template.relative_to(path).as_posix()
            found |= {Key(name, p.name): Written(p, g) for p, g in zip(presets, given, strict=True)}
    return found


def _templates(folder: Path) -> list[Path]:
    """The folders at and below `folder` with a preset in a Terraform file, hidden ones left out."""
    found = set()
    for file in folder.rglob("*.tf"):
        inside = file.relative_to(folder).parts
        if any(part.startswith(".") for part in inside) or not file.is_file():
            continue
        if PRESET in file.read_text(encoding="utf-8", errors="replace"):
            found.add(file.parent)
    return sorted(found)
