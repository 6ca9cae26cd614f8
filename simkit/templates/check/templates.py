"""Read the presets of Terraform templates, each folder once however many tests are about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from simkit.errors import Finding, Findings, Where
from simkit.inputs.preset import read_presets
from simkit.inputs.terraform import PRESET, read_terraform
from simkit.model import Preset
from simkit.templates.snapshot import is_undeclared

_HAS_PRESET = re.compile(rf'^\s*data\s+"?{PRESET}\b', re.MULTILINE)


@dataclass(frozen=True)
class Template:
    """What a file or a folder says. `names` and `places` are those of all presets, also of ones with a problem."""

    presets: tuple[Preset, ...] = ()
    names: tuple[str, ...] = ()
    places: tuple[Where, ...] = ()
    findings: tuple[Finding, ...] = ()
    undeclared: tuple[Finding, ...] = ()
    """Findings about variables given from outside that it does not declare."""


@dataclass
class Templates:
    """Templates that were read already, by path. `variables` are values of Terraform variables given from outside.

    A variable that one of several templates does not declare is none of its problems: see `undeclared`.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    known: dict[Path, Template] = field(default_factory=dict)

    def read(self, path: Path) -> Template:
        """The template of a folder, or that part of it which stands in one file."""
        if path.is_file() and len(list(path.parent.glob("*.tf"))) == 1:
            path = path.parent  # they say the same, and a folder and a test in it are read once
        if path not in self.known:
            findings = Findings()
            given = read_terraform(path, self.variables, findings)
            presets = read_presets(given, findings)
            names = dict.fromkeys(str(one.name.value) for one in given if one.name is not None)
            told = tuple(f for f in findings if not is_undeclared(f))
            undeclared = tuple(f for f in findings if is_undeclared(f))
            places = tuple(one.where for one in given)
            self.known[path] = Template(presets, tuple(names), places, told, undeclared)
        return self.known[path]

    @property
    def count(self) -> int:
        """How many presets there are, each once however often it was read."""
        return len({place for template in self.known.values() for place in template.places})

    @property
    def undeclared(self) -> tuple[Finding, ...]:
        """A finding for each variable that no template declares."""
        each = [template.undeclared for template in self.known.values()]
        return tuple(f for f in (each[0] if each else ()) if all(any(f.where == g.where for g in e) for e in each))


def has_preset(path: Path) -> bool:
    """Is there a preset in a file, or in one that cannot be read? A folder full of other Terraform is passed over."""
    try:
        return _HAS_PRESET.search(path.read_text(encoding="utf-8-sig")) is not None
    except (OSError, UnicodeDecodeError):
        return True
