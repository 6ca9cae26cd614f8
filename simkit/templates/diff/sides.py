"""Read one side of a comparison: a template, a folder of templates, or either in a git revision."""

from __future__ import annotations

import os
import posixpath
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from simkit.errors import Findings, Where
from simkit.inputs.hcl import NOT_TERRAFORM, TERRAFORM, TERRAFORM_JSON
from simkit.inputs.preset import GivenPreset
from simkit.inputs.templates import Templates
from simkit.inputs.variables import is_values
from simkit.model import Preset
from simkit.templates.find import find


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

_LINK, _SUBMODULE = "120000", "160000"  # modes of entries of a git tree
_MOST_FILES, _MOST_BYTES = 20_000, 64_000_000  # Terraform files of one side that is a revision
_READ_BY_TEMPLATES = (".json", ".yaml", ".yml", ".csv", ".txt", ".md", ".sh", ".tpl", ".tftpl")
"""Ends of names of files that templates read with file() and templatefile()."""
_MOST_READ = 100_000  # bytes of one of those


def read_side(text: str, templates: Templates, findings: Findings) -> Side:
    """Every preset of one side; what is wrong with it becomes findings, under the names that a person wrote."""
    own = Findings()
    with _opened(text, own) as (path, shown):
        found = {} if path is None else _read(path, templates, own)
    findings.extend(replace(f, where=shown.where(f.where), text=shown.text(f.text)) for f in own)
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
    if os.path.exists(path):
        yield path, _Shown()
    elif not colon or not revision:
        findings.error(Where(text), "there is no such file or folder; for a git revision write REV:PATH")
        yield None, _Shown()
    else:
        with TemporaryDirectory(prefix="simkit-diff-") as scratch:
            shown = _Shown(scratch, f"{revision}:")
            yield _checked_out(text, revision, inside, Path(scratch), findings), shown


def _checked_out(text: str, revision: str, inside: str, into: Path, findings: Findings) -> Path | None:
    """The Terraform files at or below a path of a git revision, written under `into`; None, with a finding, if that
    cannot be.

    They are the bytes that git stores: nothing in the repository (attributes, filters) changes them or is run.
    """
    try:
        commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
        if inside.startswith(("./", "../")) or inside in (".", ".."):
            inside = posixpath.join(_git("rev-parse", "--show-prefix").removesuffix("\n"), inside)
    except FileNotFoundError:
        findings.error(Where(text), "there is no such file, and no git here to look for a revision; install git")
        return None
    except subprocess.CalledProcessError as error:
        outside = "not a git repository" in _said(error)
        hint = "this is not a git repository" if outside else f'git knows no revision "{revision}"'
        findings.error(
            Where(text), f"there is no such file or folder, and {hint}; write REV:PATH, such as main:{inside}"
        )
        return None
    inside = posixpath.normpath(inside or ".").lstrip("/")
    inside = "" if inside == "." else inside
    try:
        kind = "" if inside.split("/")[0] == ".." else _git("cat-file", "-t", f"{commit}:{inside}").strip()
    except subprocess.CalledProcessError:
        kind = ""
    if kind not in ("blob", "tree"):
        findings.error(
            Where(text), f'the revision "{revision}" has no "{inside}"; paths count from the repository\'s top'
        )
        return None
    own = Findings()
    try:
        # Locals and variables of one file come from its whole folder.
        folder = posixpath.dirname(inside) if kind == "blob" else inside
        _write_terraform(commit, folder, kind == "tree", revision, into, own)
    except subprocess.CalledProcessError as error:
        own.error(Where(text), f"git cannot read this: {_said(error)}; look with `git fsck`")
    path = into / inside
    if kind == "tree":
        path.mkdir(parents=True, exist_ok=True)
    elif not path.is_file() and not own.errors:
        own.error(Where(text), NOT_TERRAFORM)
    findings.extend(own)
    return None if own.errors else path


class _Entry(NamedTuple):
    """A line of `git ls-tree`, which names whatever the tree has: nothing keeps a made-up tree from `../x`."""

    mode: str
    blob: str
    size: int
    name: str

    @property
    def is_inside(self) -> bool:
        """Whether the name, joined to a folder, stays below it, on any system."""
        parts = self.name.split("/")
        return all(part != ".." and Path(part).parts == (part,) for part in parts)


def _write_terraform(commit: str, folder: str, deep: bool, revision: str, into: Path, findings: Findings) -> None:
    """Write the Terraform files of a folder, with those below it if `deep`; what is refused becomes a finding."""
    files = size = 0
    for entry in _entries(commit, folder, deep):
        where = Where(f"{revision}:{entry.name}")
        name = posixpath.basename(entry.name)
        is_terraform = name.endswith((TERRAFORM, TERRAFORM_JSON)) or is_values(name)
        is_read = name.endswith(_READ_BY_TEMPLATES) and entry.size <= _MOST_READ
        if not entry.is_inside:
            findings.error(where, "leads out of its folder, so this revision is not read; take the entry out of it")
            return
        if entry.mode == _SUBMODULE:
            findings.note(where, "is a submodule; what is in it is not compared")
        elif is_terraform and entry.mode == _LINK:
            findings.warning(
                where, "is a symbolic link, which is not followed in a revision; compare checked-out files"
            )
        elif (is_terraform or is_read) and entry.mode.startswith("100"):
            files, size = files + 1, size + entry.size
            if files > _MOST_FILES or size > _MOST_BYTES:
                most = f"{_MOST_FILES:,} Terraform files or {_MOST_BYTES:,} bytes of them"
                findings.error(where, f"with this there are more than {most}; name a smaller folder")
                return
            file = into / entry.name
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("xb") as target:
                    target.write(_git_bytes("cat-file", "blob", entry.blob))
            except OSError as error:  # another entry of this name, as a file or folder, or a name too long
                findings.error(where, f"cannot be written to a folder: {error.strerror}; rename it")


def _entries(commit: str, folder: str, deep: bool) -> Iterator[_Entry]:
    """The entries of a folder of a commit, one at a time: a tree can be made to have more than memory holds."""
    options = ["-z", "--long", "--full-tree", *(["-r"] if deep else []), commit]
    command = ["git", "ls-tree", *options, *(["--", f"{folder}/"] if folder else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment()) as listing:
        assert listing.stdout is not None, "it is a pipe"
        assert listing.stderr is not None, "it is a pipe"
        try:
            rest = b""
            while piece := listing.stdout.read(1 << 16):
                *lines, rest = (rest + piece).split(b"\0")
                for line in lines:
                    about, _, name = line.partition(b"\t")
                    mode, _, blob, size = about.decode("ascii").split()
                    yield _Entry(mode, blob, int(size) if size.isdigit() else 0, os.fsdecode(name))
        finally:
            listing.stdout.close()  # whoever has seen enough ends it
        said = listing.stderr.read()
    if listing.returncode:
        raise subprocess.CalledProcessError(listing.returncode, command, stderr=said.decode("utf-8", "replace"))


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "GIT_LITERAL_PATHSPECS": "1"}


def _git_bytes(*arguments: str) -> bytes:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True, env=_environment()).stdout
    except subprocess.CalledProcessError as error:
        error.stderr = error.stderr.decode("utf-8", "replace")
        raise


def _git(*arguments: str) -> str:
    return os.fsdecode(_git_bytes(*arguments))


def _said(error: subprocess.CalledProcessError) -> str:
    """What git said last."""
    return (error.stderr.strip().splitlines() or [f"status {error.returncode}"])[-1].removeprefix("fatal: ")


def _read(path: Path, templates: Templates, findings: Findings) -> Side:
    """Every preset of a file, or of each folder below `path` that has some."""
    found: Side = {}
    for template in [path] if path.is_file() else find([path], findings).templates:
        contents = templates.read(template)
        findings.extend(contents.findings)
        if not contents.errors:
            name = "" if path.is_file() or template == path else template.relative_to(path).as_posix()
            found |= {Key(name, p.name): Written(p, given) for given, p in contents.written if p is not None}
    return found
