"""Read what templates say about presets, each once, whoever asks: the one reader of templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os.path import isdir, isfile
from pathlib import Path

from simkit.errors import UNDECLARED_VARIABLE, Finding, Findings
from simkit.inputs.hcl import terraform_files
from simkit.inputs.preset import Given, GivenPreset, read_each
from simkit.inputs.shown import is_shown, read_shown
from simkit.inputs.terraform import read_terraform
from simkit.model import Preset


@dataclass(frozen=True)
class Contents:
    """What a template, a folder or one of its files, says."""

    written: tuple[tuple[GivenPreset, Preset | None], ...] = ()
    """Each preset as it was written, and None for one with a problem."""
    findings: tuple[Finding, ...] = ()
    undeclared: tuple[Finding, ...] = ()
    """Findings about variables given from outside that it does not declare."""

    @property
    def presets(self) -> tuple[Preset, ...]:
        return tuple(preset for _, preset in self.written if preset is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all presets, also of those with a problem, each once."""
        named = (str(given.name.value) for given, _ in self.written if given.name is not None)
        return tuple(dict.fromkeys(named))

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "error")

    def part(self, file: Path) -> Contents:
        """What stands in one file of the template; what is wrong with the others is wrong with the whole."""
        return replace(self, written=tuple(one for one in self.written if one[0].where.path == str(file)))


@dataclass
class Templates:
    """Templates that were read already, by path. `variables` are values of Terraform variables given from outside.

    A variable that one of several templates does not declare is none of its problems: see `undeclared`.
    """

    variables: Mapping[str, Given] = field(default_factory=dict)
    known: dict[Path, Contents] = field(default_factory=dict)
    others: list[Templates] = field(default_factory=list)

    def read(self, path: Path) -> Contents:
        """The template of a folder, or that part of it which stands in one file."""
        path = self.named(path)
        if path not in self.known:
            self.known[path] = read_template(path, self.variables)
        return self.known[path]

    def named(self, path: Path) -> Path:
        """The folder in place of its only file: they say the same, and are read once."""
        return path.parent if isfile(path) and terraform_files(path.parent) == [path] else path

    def with_values(self, own: Mapping[str, Given]) -> Templates:
        """Templates with values of their own, where these have none; what they read counts here, too."""
        if not own:
            return self
        others = Templates({**own, **self.variables})
        self.others.append(others)
        return others

    @property
    def read_so_far(self) -> tuple[Contents, ...]:
        return (*self.known.values(), *(contents for other in self.others for contents in other.read_so_far))

    @property
    def count(self) -> int:
        """How many presets there are, each once however often it was read."""
        return len({(given.where, given.address) for contents in self.read_so_far for given, _ in contents.written})

    @property
    def undeclared(self) -> tuple[Finding, ...]:
        """A finding for each variable that no template declares: the one rule of what is declared nowhere."""
        first, *others = [contents.undeclared for contents in self.read_so_far] or [()]
        elsewhere = [{finding.where for finding in other} for other in others]
        return tuple(finding for finding in first if all(finding.where in places for places in elsewhere))


def read_template(path: Path, variables: Mapping[str, Given]) -> Contents:
    """A template with values of variables that are its own. Its files are parsed once, whatever the values."""
    findings = Findings()
    given = (read_shown if is_shown(path.name) and not isdir(path) else read_terraform)(path, variables, findings)
    return Contents(
        tuple(zip(given, read_each(given, findings), strict=True)),
        tuple(finding for finding in findings if finding.name != UNDECLARED_VARIABLE),
        tuple(finding for finding in findings if finding.name == UNDECLARED_VARIABLE),
    )
