"""One scenario file with other values in some places, as a sweep reads it: every refusal of the reader is kept."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

from simkit.clock import parse_duration
from simkit.errors import Finding, Findings, InputError, Where, did_you_mean
from simkit.inputs.document import Value, read_document
from simkit.inputs.preset import Given, GivenPreset, read_presets
from simkit.inputs.scenario import ScenarioReader, found
from simkit.inputs.templates import Templates
from simkit.inputs.variables import Outside, from_outside
from simkit.model import History, Preset, Scenario

PRESETS = "presets."
"""Paths `presets.NAME.instances` and `presets.NAME.ttl` are of a preset in every version, wherever it is written."""
_OF_PRESET = ("instances", "ttl")
_GIVEN = "--vary"
_NEVER = ("0", "never")
_KEPT = 256
"""Scenarios that were read."""


class Varied:
    """A scenario file, read once: what it says now, it says at every point of a sweep."""

    def __init__(self, path: str | Path, variables: Outside | None = None) -> None:
        """Raises InputError with every problem of the file as it is."""
        findings = Findings()
        self._file = found(Path(path))
        self._variables = from_outside(variables or {})
        self._histories: dict[object, History] = {}
        self._read_lately: OrderedDict[tuple[tuple[str, str], ...], Scenario] = OrderedDict()
        document = read_document(self._file, findings)
        findings.raise_errors()
        assert document is not None, "a document that cannot be read is an error"
        self._document = document
        self.base = self._of_document(())

    def scenario(self, changes: Mapping[str, str]) -> Scenario:
        """The scenario with other values, by path: of a preset (see PRESETS), or a key of the file such as
        `coder.provisioner_daemons`, which may be missing in it. Raises InputError with every problem."""
        of_presets = {path: text for path, text in changes.items() if path.startswith(PRESETS)}
        read = self._of_document(tuple((path, text) for path, text in changes.items() if path not in of_presets))
        findings = Findings()
        for path, text in of_presets.items():
            name, key = self.preset_of(path)
            given = _given(name, key, text, findings)
            presets = () if given is None else read_presets((given,), findings)
            for valid in presets:
                read = read.with_presets(partial(_changed, valid, key))
        findings.raise_errors()
        return read

    def preset_of(self, path: str) -> tuple[str, str]:
        """(name, instances or ttl) of a path. Raises InputError for one that leads nowhere."""
        inner, _, key = path.removeprefix(PRESETS).rpartition(".")
        names = {preset.name for version in self.base.all_versions for preset in version.presets}
        if path.removeprefix(PRESETS) in names or (inner in names and key not in _OF_PRESET):
            text = f"{path}: of a preset instances and ttl can be varied"
            wanted = key if inner in names else ""
            raise InputError([Finding("error", Where(_GIVEN), f"{text}; {did_you_mean(wanted, _OF_PRESET)}")])
        if inner not in names:
            text = f'{path}: there is no preset "{inner or key}"; {did_you_mean(inner or key, names)}'
            raise InputError([Finding("error", Where(_GIVEN), text)])
        return inner, key

    def _of_document(self, changes: tuple[tuple[str, str], ...]) -> Scenario:
        """Read once for all points that differ in presets alone, if that was lately."""
        if changes in self._read_lately:
            self._read_lately.move_to_end(changes)
        else:
            self._read_lately[changes] = self._read(dict(changes))
            if len(self._read_lately) > _KEPT:
                self._read_lately.popitem(last=False)
        return self._read_lately[changes]

    def _read(self, changes: Mapping[str, str]) -> Scenario:
        findings = Findings()
        document = Value(deepcopy(self._document.node), self._document.path, "", findings)
        for path, text in changes.items():
            try:
                document.put(path, text, _GIVEN)
            except ValueError as error:
                findings.error(Where(_GIVEN), str(error))
        findings.raise_errors()
        reader = ScenarioReader(self._file.parent, findings, Templates(self._variables), histories=self._histories)
        scenario = reader.scenario(document, self._file.stem)
        findings.raise_errors()
        assert scenario is not None, "a scenario without errors exists"
        return scenario


def _changed(valid: Preset, key: str, preset: Preset) -> Preset:
    """The preset with the other one's value, if it has its name."""
    if preset.name != valid.name:
        return preset
    return replace(preset, instances=valid.instances) if key == "instances" else replace(preset, ttl_us=valid.ttl_us)


def _given(name: str, key: str, text: str, findings: Findings) -> GivenPreset | None:
    """The preset with this value alone, for Coder's provider to look at."""
    where = Where(f"{_GIVEN} {PRESETS}{name}.{key}")
    instances, ttl_us = Given(0, where), None
    if key == "instances":
        instances = Given(int(text) if re.fullmatch(r"[+-]?\d+", text) else text, where)
    else:
        try:
            ttl_us = Given(0 if text in _NEVER else parse_duration(text), where)
        except ValueError as error:
            findings.error(where, str(error))
            return None
    return GivenPreset(where, name=Given(name, where), instances=instances, ttl_us=ttl_us)
