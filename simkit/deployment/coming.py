"""A forecast becomes the demand of a scenario: the coming weeks as one of the futures that it allows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import exists
from pathlib import Path

from simkit.clock import HOUR_US, Zone, format_instant
from simkit.deployment.forecast import Forecast, drawn
from simkit.deployment.text import as_yaml
from simkit.errors import Finding, InputError, SimkitError, Where
from simkit.files import write_whole
from simkit.inputs.scenario import load
from simkit.inputs.variables import Outside

_REPLACED = ("window", "demand")
"""Keys of a scenario that are those of the coming weeks in place of what they were."""
_KEY = re.compile(r"[A-Za-z_]+:")


@dataclass(frozen=True)
class Coming:
    """What was written: so many claims in [start_at, end_at); `scenario` is None where only they were."""

    demand: Path
    scenario: Path | None
    claims: int
    start_at: int
    end_at: int
    zone: Zone
    seed: int


def write_coming(
    found: Sequence[Forecast],
    out: Path,
    scenario: Path | None = None,
    seed: int = 0,
    variables: Outside | None = None,
    force: bool = False,
) -> Coming:
    """Claims drawn from forecasts as a CSV file, and with `scenario` the same scenario for the coming weeks beside it.

    `out`: the CSV file; with `scenario` a YAML file in its folder, for what it names stands beside it, and the claims
    go into a CSV file of the same name. A file that is there is written over with `force` alone. Raises InputError: a
    name of another kind, or a scenario that the coming weeks do not fit, for presets of the forecast are not in it, or
    its timed events lie outside them; nothing is left behind.
    """
    kind = ".csv" if scenario is None else ".yaml"
    if out.suffix != kind:
        raise _refused(out, f"write a name that ends with {kind}: {out.with_suffix(kind).name}")
    if scenario is not None and not scenario.is_file():
        raise _refused(scenario, "there is no such file")
    if scenario is not None and out.resolve().parent != scenario.resolve().parent:
        raise _refused(out, f"what {scenario.name} names stands beside it; write {scenario.with_name(out.name)}")
    if scenario is not None and out.resolve() == scenario.resolve():
        raise _refused(out, "that is the scenario itself; give the coming weeks another name")
    demand = out.with_suffix(".csv")
    for path in (out, demand):
        if exists(path) and not force:
            raise _refused(path, "is there already; give another name, or --force")
    start_at = min(int(one.at[0]) for one in found)
    end_at = max(int(one.at[-1]) for one in found) + HOUR_US
    claims = [(at, one.preset, one.zone) for one in found for at in drawn(one, seed).tolist()]
    claims.sort(key=lambda claim: claim[0])
    rows = [f"{format_instant(at, home)},{_cell(preset)}\n" for at, preset, home in claims]
    written = Coming(demand, None if scenario is None else out, len(claims), start_at, end_at, found[0].zone, seed)
    text = None if scenario is None else _with_keys(scenario, lines_of(written))
    write_whole(demand, "".join(["started_at,preset\n", *rows]).encode())
    if text is not None:
        write_whole(out, text.encode())
        try:
            load(out, variables)
        except SimkitError:
            for path in (out, demand):
                path.unlink()
            raise
    return written


def lines_of(written: Coming) -> tuple[str, ...]:
    """What a scenario has to have for the coming weeks: a line for each of its keys."""
    start, end = (format_instant(at, written.zone) for at in (written.start_at, written.end_at))
    span = {"from": start, "until": end, "timezone": written.zone.name}
    return f"window: {as_yaml(span)}", f"demand: {as_yaml({'history': written.demand.name})}"


def _with_keys(scenario: Path, lines: Sequence[str]) -> str:
    """The text of a scenario with other values of _REPLACED, and everything else as it is."""
    kept, is_kept = [], True
    for line in scenario.read_text(encoding="utf-8").splitlines():
        if _KEY.match(line):
            is_kept = not line.startswith(tuple(f"{key}:" for key in _REPLACED))
        elif line and not line[0].isspace() and not line.startswith("-"):
            is_kept = True  # a comment of its own
        if is_kept:
            kept.append(line)
    return "\n".join([*kept, *lines]) + "\n"


def _cell(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""')) if set(text) & set(',"\n\r') else text


def _refused(path: Path, text: str) -> InputError:
    return InputError([Finding("error", Where(str(path)), text)])
