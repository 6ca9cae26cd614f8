"""A scenario out of a history: presets as deployed, claims as they came, durations and failures as they were.

Each number stands beside its sample size and interval.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from os.path import exists
from pathlib import Path

from simkit.deployment import hours
from simkit.deployment.assumed import assumed
from simkit.deployment.facts import Facts, facts_of, refused
from simkit.deployment.written import scenario_text
from simkit.errors import Finding, Findings, Where
from simkit.files import write_whole
from simkit.inputs.scenario import load
from simkit.model import Scenario
from simkit.store.connection import held


@dataclass(frozen=True)
class Calibrated:
    """What was measured, and the scenario as text. `notes` say where data is thin, and what is left out; `assumed`
    what is assumed or cannot be known, in sentences with numbers."""

    facts: Facts
    text: str
    notes: tuple[Finding, ...]
    assumed: tuple[str, ...]


def calibrate(
    history: str | Path,
    out: str | Path,
    template: str | None = None,
    run_id: str | None = None,
    by_hour: bool = False,
    hidden_demand: float = 0.0,
    force: bool = False,
) -> Calibrated:
    """Write the scenario of a runs file's history (or its only run) for one template. Raises InputError, StoreError.

    `template`: which one, if people asked for presets of several; `run_id`: another run than the history. Claims stand
    in it as they came, `by_hour` as expected in each hour of the week: so they do with a `hidden_demand`, a share by
    which there are more than were seen. A file that is there is written over with `force` alone.
    """
    if exists(out) and not force:
        raise refused(Path(out), "is there already; give another name, or --force")
    found = measured(history, Path(out).parent, template, run_id, by_hour, hidden_demand)
    write_whole(Path(out), found.text.encode())
    return found


def measured(
    history: str | Path,
    folder: Path,
    template: str | None = None,
    run_id: str | None = None,
    by_hour: bool = False,
    hidden_demand: float = 0.0,
    is_past: bool = False,
) -> Calibrated:
    """As `calibrate`, without writing; `folder`: where the scenario will stand.

    `is_past`: with the versions as they were active one after the other, in place of the active one alone.
    """
    path, findings = Path(history), Findings()
    with held(path):
        facts = facts_of(path, findings, template, run_id, is_past)
    if by_hour or hidden_demand:
        for one in facts.demand:
            for sentence in hours.thin(one):
                findings.warning(Where(str(path)), sentence)
    sentences = tuple(assumed(facts, hidden_demand))
    text = scenario_text(
        facts, folder, [*sentences, *(f"Thin: {note.text}" for note in findings)], by_hour, hidden_demand
    )
    return Calibrated(facts, text, tuple(findings), sentences)


def calibrated(history: str | Path, template: str | None = None, is_past: bool = False) -> tuple[Scenario, Calibrated]:
    """The scenario of a runs file's history, read, and what was measured. Raises InputError and StoreError."""
    with tempfile.TemporaryDirectory(prefix="simkit-") as folder:
        found = measured(history, Path(folder), template, is_past=is_past)
        file = Path(folder, "scenario.yaml")
        file.write_text(found.text, encoding="utf-8")
        return load(file), found
