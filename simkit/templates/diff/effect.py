"""Simulate both sides with the same people and the same slow builds: what people notice of a change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from math import nan

import numpy as np

from simkit.clock import UTC_ZONE
from simkit.coder_versions import Behaviour
from simkit.errors import NOWHERE, VERSION_NOTE, Finding, Findings, InputError, Where
from simkit.estimates import mean_interval
from simkit.inputs import load
from simkit.inputs.history import check_inside, read_history, source_in_words
from simkit.inputs.scenario import tags_told, untaken
from simkit.model import Activate, History, Preset, Scenario, TemplateVersion
from simkit.runs.measures import Measures, measures
from simkit.runs.simulate import chance, replicate
from simkit.templates.check.file import assumed
from simkit.templates.diff.desired import midnight
from simkit.templates.diff.sides import Side, Written
from simkit.templates.diff.types import Effect, Paired, Trial
from simkit.times import many


def scenario_of(trial: Trial, coder: str | None, findings: Findings) -> Scenario | None:
    """The scenario that a trial names, and what there is to say of its version; its problems become findings."""
    if not trial.scenario:
        return None
    try:
        scenario = load(trial.scenario, coder=coder)
    except InputError as error:
        findings.extend(error.problems)
        return None
    findings.extend(note for note in scenario.notes if note.name == VERSION_NOTE)
    return scenario


def effect_of(
    before: Side,
    after: Side,
    trial: Trial,
    scenario: Scenario | None,
    behaviour: Behaviour,
    findings: Findings,
    told: Callable[[int, int], None] | None = None,
) -> Effect:
    """Replication r of both sides meets the same claims and the same slow builds. Raises InputError."""
    for side in (before, after):
        seen: dict[str, Written] = {}
        for key, written in side.items():
            first = seen.setdefault(key.preset, written)
            if first is not written:
                findings.error(
                    written.preset.where,
                    f'"{key.preset}" is also the preset at {first.preset.where}, and demand names presets alone; '
                    "compare one template at a time",
                )
    findings.raise_errors()
    names = list(dict.fromkeys(key.preset for key in (*after, *before)))
    given, demanded = _given(before, after, trial, scenario, behaviour, findings)
    names_of = [{key.preset for key in side} for side in (before, after)]
    notes = [
        f"{name} is not among the {which} templates: its people found no prebuild there"
        for name in demanded
        for which, names_in in zip(("old", "new"), names_of, strict=True)
        if name not in names_in
    ]
    if scenario is None:
        notes[:0] = [f"without a scenario it is assumed: {', '.join(_assumed(given))}", *_untaken(given)]
    sides = [replace(given, versions=_versions(side, names)) for side in (before, after)]
    done = told or (lambda _, __: None)
    tables = [_measured(side, trial, done, i * trial.replications) for i, side in enumerate(sides)]
    return Effect(
        seed=trial.seed,
        replications=trial.replications,
        start_at=given.start_at,
        end_at=given.end_at,
        zone=given.zone,
        demand=trial.history or trial.scenario,
        currency=given.currency,
        chance=chance(given),
        rows=_paired(tables[0], tables[1], names, any_cost=_has_cost(given)),
        notes=tuple(notes),
    )


def _assumed(given: Scenario) -> list[str]:
    """What decides the answer without a scenario. Daemons and jobs are told with their tags, where any has some."""
    *said, daemons = assumed(given.workload, given.provisioner_daemons)
    if not given.is_tagged:
        return [*said, daemons]
    groups = [
        f"{many(group.count, 'provisioner daemon')} {f'with {tags_told(group.tags)}' if group.tags else 'without tags'}"
        for group in given.daemons
    ]
    jobs = ((given.job_tags(prebuild=True), "prebuilds"), (given.job_tags(prebuild=False), "people's workspaces"))
    return [*said, *groups, *(f"jobs of {whose} with {tags_told(tags)}" for tags, whose in jobs if tags)]


def _untaken(given: Scenario) -> list[str]:
    return list(untaken(given)) if given.is_tagged else []


def _has_cost(scenario: Scenario) -> bool:
    return any(w.cost_per_instance_hour for w in (scenario.workload, *(w for _, w in scenario.workloads)))


def _given(
    before: Side, after: Side, trial: Trial, scenario: Scenario | None, behaviour: Behaviour, findings: Findings
) -> tuple[Scenario, list[str]]:
    """(the scenario in which both sides play, the presets that are asked for, in the order of the new side)."""
    names = list(dict.fromkeys(key.preset for key in (*after, *before)))
    zones = {w.preset.zone for w in (*after.values(), *before.values()) if w.preset.timezone}
    in_zone = next(iter(zones)) if len(zones) == 1 else None
    history = None
    if trial.history:
        own = scenario.zone if scenario else in_zone
        source = source_in_words(trial.history, "--demand", findings)
        findings.raise_errors()
        assert source is not None, "what is no source is an error"
        history = read_history(source, own, names[0] if len(names) == 1 else None, names, findings, None)
        if scenario is not None and not findings.errors:
            check_inside(
                history.claim_at,
                history.where,
                scenario.start_at,
                scenario.end_at,
                scenario.zone,
                findings,
                is_noted=True,
            )
        findings.raise_errors()
    if scenario is not None:
        events = tuple(event for event in scenario.events if not isinstance(event, Activate))
        scenario = replace(scenario, events=events, demand=history or scenario.demand)
    else:
        assert history is not None, "a trial has a history or a scenario"
        zone = in_zone or UTC_ZONE
        first, last = int(history.claim_at[0]), int(history.claim_at[-1])
        scenario = Scenario(
            name="diff",
            start_at=midnight(zone, first, 0),
            end_at=midnight(zone, last, 1),
            versions=(),
            demand=history,
            zone=zone,
            behaviour=behaviour,
            provisioner_daemons=trial.provisioner_daemons,
            provisioners=trial.provisioners,
            version_tags=trial.version_tags,
            prebuild_tags=trial.prebuild_tags,
            workload=trial.workload,
            currency=trial.currency,
        )
    demand = scenario.demand
    asked = set(demand.preset if isinstance(demand, History) else (profile.preset for profile in demand))
    asked |= {people.preset for people in scenario.people}
    known = [name for name in names if name in asked]
    if missing := sorted(asked - set(names)):
        where = scenario.where if scenario.where != NOWHERE else Where(trial.history)
        raise InputError(
            Finding("error", where, f'demand asks for "{name}", which neither side has; they have {", ".join(names)}')
            for name in missing
        )
    return scenario, known


def _versions(side: Side, names: Sequence[str]) -> tuple[TemplateVersion, ...]:
    """A version per template; what only the other side has is a preset without prebuilds in one of its own."""
    templates: dict[str, list[Preset]] = {}
    for key, written in side.items():
        templates.setdefault(key.template or "template", []).append(written.preset)
    here = {key.preset for key in side}
    absent = tuple(Preset(name, 0) for name in names if name not in here)
    versions = [TemplateVersion(name, "v1", tuple(presets)) for name, presets in templates.items()]
    return (*versions, *([TemplateVersion("(absent)", "v1", absent)] if absent else []))


def _measured(scenario: Scenario, trial: Trial, told: Callable[[int, int], None], before: int) -> list[Measures]:
    """The numbers of every replication. `before`: how many of the trial's runs were done already."""
    numbers = []
    for result in replicate(scenario, trial.seed, trial.replications):
        numbers.append(measures(result))
        told(before + len(numbers), 2 * trial.replications)
    return numbers


_MEASURES = (
    ("hit_rate", "hit rate"),
    ("wait_p50_s", "wait p50"),
    ("wait_p95_s", "wait p95"),
    ("idle_instance_hours", "idle instance-hours a week"),
    ("pool_instance_hours", "pool's instance-hours a week"),
    ("pool_cost", "pool's cost a week"),
)
"""A pool's hours and its cost are those of building, idle and deleting: as billed."""
ALL = "all presets"


def _paired(
    old: Sequence[Measures], new: Sequence[Measures], presets: Sequence[str], any_cost: bool
) -> tuple[Paired, ...]:
    rows = []
    columns = [m for m in _MEASURES if any_cost or m[0] != "pool_cost"]
    pooled = {name for of in (old[0], new[0]) for name, has in zip(of.presets, of.has_pool, strict=True) if has}
    for preset in [*presets, *([ALL] if len(presets) > 1 else [])]:
        for column, name in columns:
            if preset == ALL and column.startswith("wait"):
                continue  # a quantile of several presets is none of their quantiles
            before, after = (np.array([_number(of, preset, column, pooled) for of in runs]) for runs in (old, new))
            row = Paired(preset, name, *_interval(before, after))
            rows += [] if np.isnan(row.change) else [row]
    return tuple(rows)


def _number(of: Measures, preset: str, column: str, pooled: Collection[str]) -> float:
    """One number of a run; per week where a number adds up. `pooled`: the presets with a pool on one side at least, for
    the others' people count nowhere."""
    mine = np.array([name in pooled and preset in (ALL, name) for name in of.presets])
    if column == "hit_rate":
        return int(of.hits[mine].sum()) / claims if (claims := int(of.claims[mine].sum())) else nan
    if column.startswith("wait"):
        return float(of.columns[column][of.presets.index(preset)])
    return float(of.columns[column][mine].sum()) / of.weeks


def _interval(
    old: np.ndarray[tuple[int], np.dtype[np.float64]], new: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> tuple[float, float, float, float, float]:
    """(mean of old, mean of new, mean of new - old, low, high) over the replications in which both have a value.

    The paired-t confidence interval: Law, Simulation Modeling and Analysis, section 10.2.
    """
    both = ~(np.isnan(old) | np.isnan(new))
    old, new = old[both], new[both]
    if old.size == 0:
        return nan, nan, nan, nan, nan
    change = mean_interval(new - old)
    return float(old.mean()), float(new.mean()), *change
