"""What is replayed: a deployment's history, or one that is simulated to have something to look at; and what changes."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from simkit.clock import DAY_US
from simkit.decide.compare import Comparison, compare
from simkit.deployment.replay import Replay, replay
from simkit.inputs.scenario import found, load
from simkit.model import Preset, Scenario
from simkit.runs.simulate import run
from simkit.timeline import whole_weeks

SAMPLE = "data/scenarios/three-regions.yaml"
"""Six weeks of three presets, in which the reconciler is paused once and a preset invalidated once."""
_SAMPLE_SEED = 2026
_SAMPLE_MORE = -4


def replayed(history: str = "", template: str = "", seed: int = 0, replications: int = 20) -> Replay:
    """The replay of the history in a runs file, which is looked for in the folders around, too.

    "" is a sample: SAMPLE with smaller pools and an operator who deletes failed prebuilds after a day, simulated once
    and taken for what happened. Raises InputError and StoreError.
    """
    if history:
        return replay(found(Path(history)), None, template or None, seed, replications)
    with tempfile.TemporaryDirectory(prefix="simkit-") as folder:
        file = Path(folder, "sample.duckdb")
        given = with_more(load(SAMPLE), _SAMPLE_MORE)
        workload = replace(given.workload, failed_cleared_after_us=DAY_US)
        run(replace(given, workload=workload), _SAMPLE_SEED).save(file)
        return replay(file, None, template or None, seed, replications)


def changed(of: Replay, scenario: str = "", more: int = 1) -> Scenario:
    """A scenario file with another schedule; "" is what was played with so many `more` prebuilds wherever it wants any.

    Raises InputError.
    """
    if scenario:
        return load(scenario)

    return replace(with_more(of.scenario, more), name=f"today's schedule {more:+d}")


def compared(of: Replay, change: Scenario, replications: int, seed: int) -> Comparison | None:
    """What was played beside `change`, with the same people and the same slow builds; None without a whole week.

    Raises InputError: their windows differ.
    """
    played = of.scenario
    if whole_weeks(played.zone, played.start_at, played.end_at).size < 2:
        return None
    return compare(played, change, replications=replications, seed=seed)


def with_more(scenario: Scenario, more: int) -> Scenario:
    """The scenario with so many more prebuilds wherever it wants any, one at least."""

    def of(instances: int) -> int:
        return max(instances + more, 1) if instances else 0

    def raised(preset: Preset) -> Preset:
        schedules = tuple(replace(s, instances=of(s.instances)) for s in preset.schedules)
        return replace(preset, instances=of(preset.instances), schedules=schedules)

    return scenario.with_presets(raised)
