"""Say what a change of templates does: which presets differ, when desired instances do, and what people notice of it.

difference = diff("main:templates", "templates", at)
print(FORMATS["text"](difference))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simkit.arguments import a_mapping, a_text, an_instant, at_least, takes
from simkit.clock import parse_instant
from simkit.errors import Finding, Findings, InputError, Where
from simkit.inputs.coder import named_version
from simkit.inputs.hcl import PRESET
from simkit.inputs.templates import Templates
from simkit.inputs.variables import Outside, from_outside
from simkit.templates.diff import markdown, text
from simkit.templates.diff.desired import preset_change
from simkit.templates.diff.effect import effect_of, scenario_of
from simkit.templates.diff.sides import read_side
from simkit.templates.diff.types import WEEKS, Difference, Effect, Paired, Period, PresetChange, Trial

__all__ = ["FORMATS", "WEEKS", "Difference", "Effect", "Paired", "Period", "PresetChange", "Trial", "diff"]

FORMATS: Mapping[str, Callable[[Difference], str]] = {"text": text.render, "markdown": markdown.render}
"""How a difference is told."""


@takes(old=a_text, new=a_text, at=an_instant, weeks=at_least(1), variables=a_mapping, coder=a_text)
def diff(
    old: str,
    new: str,
    at: int | str,
    *,
    weeks: int = WEEKS,
    variables: Outside | None = None,
    coder: str | None = None,
    trial: Trial | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Difference:
    """The difference between two templates or folders of templates, seen from the instant `at` (microseconds UTC, or
    RFC 3339 text).

    Each side is a .tf file, a folder, or either of them in a git revision, as REV:PATH. `coder`: Coder's version,
    if the trial's scenario names none. `told` hears how many of how many runs of the trial are done. Raises InputError
    with every problem of both sides.

    >>> simkit.diff("examples/template", "examples/template", at="2026-03-02T00:00:00Z").differs
    False
    """
    assert weeks > 0, "there is something to look at"
    findings = Findings()
    if isinstance(at, str):
        try:
            at = parse_instant(at)
        except ValueError as error:
            raise InputError([Finding("error", Where("at"), str(error))]) from None
    templates = Templates(from_outside(variables or {}))
    before, after = (read_side(side, templates, findings) for side in (old, new))
    # A variable that a change adds, or that one of many templates has, is declared somewhere, and that is enough.
    findings.extend(templates.undeclared)
    named = named_version(coder, findings)
    scenario = None if trial is None else scenario_of(trial, coder, findings)
    findings.raise_errors()
    behaviour = scenario.behaviour if scenario else named
    if coder is not None and behaviour is not named:
        findings.note(Where("coder"), f"{trial and trial.scenario} is about Coder {behaviour.version}, which is used")
    if not before and not after:
        raise InputError([Finding("error", Where(new), f'no data "{PRESET}" here, nor in {old}')])
    keys = dict.fromkeys([*after, *before])
    presets = tuple(preset_change(key, before.get(key), after.get(key), at, weeks, behaviour) for key in keys)
    effect = None if trial is None else effect_of(before, after, trial, scenario, behaviour, findings, told)
    return Difference(old, new, weeks, presets, behaviour, tuple(findings), effect)
