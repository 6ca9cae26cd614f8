"""A scenario and a seed become a Result. The only place that turns types into the kernel's arrays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from functools import lru_cache

import numpy as np

import simkit
from simkit.clock import DAY_US, NEVER, UTC_ZONE, WEEK_US, Int64Array
from simkit.core import kernel, lives
from simkit.core.chance import ONE
from simkit.cron import is_weekly, weekly
from simkit.demand import Claims, draw
from simkit.demand.streams import key
from simkit.errors import RunError
from simkit.model import (
    Activate,
    Distribution,
    Invalidate,
    Pause,
    Preset,
    Resume,
    Scenario,
    SetSchedule,
    SetTTL,
    TemplateVersion,
    Workload,
)
from simkit.result import Result
from simkit.timeline import desired

_YEARS_AHEAD_US = 6 * 366 * DAY_US
MAX_SEED = (1 << 63) - 1
_ORDERS = {"oldest": kernel.OLDEST, "newest": kernel.NEWEST, "random": kernel.RANDOM}


def run(scenario: Scenario, seed: int = 0, replication: int = 0) -> Result:
    """Simulate a scenario once. Raises RunError."""
    given = givens(scenario, seed, replication)
    return replace(given, rows=kernel.simulate(given.inputs, given.people))


def replicate(scenario: Scenario, seed: int, replications: int, threads: int | None = None) -> Iterator[Result]:
    """Results of replications 0, 1, ... in order, computed on `threads` threads (as many as there are processors)."""
    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        # One window of work at a time: memory is bounded by the results in it and not by all of them.
        for first in range(0, replications, workers):
            window = range(first, min(first + workers, replications))
            yield from pool.map(lambda r: run(scenario, seed, r), window)


def givens(scenario: Scenario, seed: int, replication: int) -> Result:
    """A run without its rows: what both engines are given. Raises RunError."""
    if not 0 <= seed <= MAX_SEED:
        raise RunError(f"seed is {seed}; give a whole number from 0 to {MAX_SEED}")
    presets = tuple((version, preset) for version in scenario.all_versions for preset in version.presets)
    claims = draw(scenario, seed, replication)
    inputs = _inputs(scenario, seed, replication, presets, claims)
    people = kernel_people(scenario)
    digest = _digest(scenario, seed, replication, presets, inputs, people)
    run_id = f"{scenario.name}-s{seed}-r{replication}-{digest[:8]}"
    return Result(scenario, seed, replication, run_id, digest, presets, inputs, people, kernel.no_rows(inputs))


def _inputs(
    scenario: Scenario,
    seed: int,
    replication: int,
    presets: tuple[tuple[TemplateVersion, Preset], ...],
    claims: Claims,
) -> kernel.Inputs:
    versions = scenario.all_versions
    of_version = [[i for i, (v, _) in enumerate(presets) if v is version] for version in versions]
    steps = [desired(p, scenario.behaviour, scenario.start_at, scenario.end_at) for _, p in presets]
    workloads = [scenario.workload_of(p.name) for _, p in presets]
    sample_ranges, samples = _samples(workloads)
    failing = [sorted(w.failing_builds) for w in workloads]
    failing_from = _offsets(len(f) for f in failing)
    change_from = _offsets(s.at.size for s in steps)

    given = np.zeros((len(presets), kernel.P_COLUMNS), dtype=np.int64)
    given[:, kernel.P_INSTANCES] = [p.instances for _, p in presets]
    given[:, kernel.P_TTL] = [p.ttl_us for _, p in presets]
    given[:, kernel.P_ACTIVE] = [v in scenario.versions for v, _ in presets]
    given[:, kernel.P_KEY] = [key(seed, replication, f"prebuilds/{v.template}/{p.name}") for v, p in presets]
    given[:, kernel.P_FAILURE_THRESHOLD] = [round(w.failure_probability * ONE) for w in workloads]
    given[:, kernel.P_START_FAILURE_THRESHOLD] = [round(w.start_failure_probability * ONE) for w in workloads]
    given[:, kernel.P_FAILING_FROM], given[:, kernel.P_FAILING_UNTIL] = failing_from[:-1], failing_from[1:]
    given[:, kernel.P_MOST_DESIRED] = [max(0, *s.value) for s in steps]
    given[:, kernel.P_CHANGES_FROM], given[:, kernel.P_CHANGES_UNTIL] = change_from[:-1], change_from[1:]
    given[:, kernel.P_SAMPLES_FROM :] = sample_ranges
    return kernel.Inputs(
        settings=kernel.Settings(
            start_at=scenario.start_at,
            end_at=scenario.end_at,
            interval_us=scenario.reconciler.interval_us,
            backoff_interval_us=scenario.reconciler.backoff_interval_us,
            lookback_us=scenario.reconciler.backoff_lookback_us,
            hard_limit=scenario.reconciler.failure_hard_limit,
            daemons=scenario.provisioner_daemons,
            claim_order=_ORDERS[scenario.claim_order],
            claims_by_prebuilds=scenario.behaviour.claims_by_prebuilds,
            cancels_pending=scenario.behaviour.cancels_pending,
        ),
        presets=given,
        change_at=np.concatenate([_array(()), *(s.at for s in steps)]),
        change_desired=np.concatenate([_array(()), *(s.value for s in steps)]),
        samples=samples,
        failing=_array(ordinal for f in failing for ordinal in f),
        events=_events(scenario, versions, of_version),
        claims=np.stack(
            [
                claims.at,
                _claimed_presets(scenario, versions, of_version, presets, claims),
                claims.luck,
                claims.person,
                claims.until,
                claims.connected,
            ],
            axis=1,
        ),
    )


def kernel_people(scenario: Scenario) -> lives.People | None:
    """People as the kernel takes them; None without any."""
    if not scenario.people:
        return None
    schedules = [scenario.schedule, *(e.schedule for e in scenario.events if isinstance(e, SetSchedule))]
    crons: dict[str, int] = {}
    rows: list[list[int]] = []
    first: dict[str, int] = {}
    for people in scenario.people:
        first[people.name] = len(rows)
        ttl_us = lives.TEMPLATES_TTL if people.ttl_us is None else people.ttl_us or NEVER
        row = [0] * lives.H_COLUMNS
        row[lives.H_TTL], row[lives.H_SUSPENDED_AT] = ttl_us, people.suspended_at
        for column, text in ((lives.H_AUTOSTART, people.autostart), (lives.H_QUIET_HOURS, people.quiet_hours)):
            row[column] = crons.setdefault(text, len(crons)) if is_weekly(text) else lives.NONE
        rows += [row] * people.count
    changes: list[tuple[int, int, int, int]] = []
    later = 0
    for event in scenario.events:
        if isinstance(event, SetTTL):
            group = next(p for p in scenario.people if p.name == event.people)
            who = range(first[group.name], first[group.name] + group.count)
            changes += [(event.at, lives.SET_TTL, person, event.ttl_us or NEVER) for person in who]
        elif isinstance(event, SetSchedule):
            later += 1
            changes += [(event.at, lives.SET_TEMPLATE, person, later) for person in range(len(rows))]
    cron_rows, offsets = _crons(scenario, list(crons))
    return lives.People(
        people=np.array(rows, dtype=np.int64).reshape(-1, lives.H_COLUMNS),
        templates=np.array([[int(value) for value in astuple(s)] for s in schedules], dtype=np.int64),
        crons=cron_rows,
        zone_from=offsets[0],
        zone_offset=offsets[1],
        changes=np.array(changes, dtype=np.int64).reshape(-1, lives.V_COLUMNS),
    )


def _crons(scenario: Scenario, texts: list[str]) -> tuple[Int64Array, tuple[Int64Array, Int64Array]]:
    """(rows [c, Q_COLUMNS], their zones' offsets), over the window and the years that a search may look ahead."""
    rows, from_at, offset = [], [_array(())], [_array(())]
    begin = 0
    for text in texts:
        cron = weekly(text)
        zone_from, zone_offset = (cron.zone or UTC_ZONE).offsets(
            scenario.start_at - WEEK_US, scenario.end_at + _YEARS_AHEAD_US
        )
        until = begin + zone_from.size
        fields = (cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays, int(cron.both_days))
        rows.append([*fields, begin, until])
        from_at.append(zone_from)
        offset.append(zone_offset)
        begin = until
    table = np.array(rows, dtype=np.int64).reshape(-1, lives.Q_COLUMNS)
    return table, (np.concatenate(from_at), np.concatenate(offset))


def _array(values: Iterable[int]) -> Int64Array:
    return np.array(list(values), dtype=np.int64)


def _offsets(lengths: Iterable[int]) -> Int64Array:
    return np.cumsum(_array([0, *lengths]), dtype=np.int64)


def _events(scenario: Scenario, versions: tuple[TemplateVersion, ...], of_version: list[list[int]]) -> Int64Array:
    """The scenario's events as the kernel takes them, preset by preset: int64[e, (at, kind, preset)]."""
    rows: list[tuple[int, int, int]] = []
    active = {version.template: i for i, version in enumerate(scenario.versions)}
    later = len(scenario.versions)
    for event in scenario.events:
        match event:
            case Activate():
                before = active.get(event.version.template)
                if before is not None:
                    rows += [(event.at, kernel.DEACTIVATE, p) for p in of_version[before]]
                rows += [(event.at, kernel.ACTIVATE, p) for p in of_version[later]]
                active[event.version.template] = later
                later += 1
            case Invalidate():
                for i in active.values():
                    chosen = zip(of_version[i], versions[i].presets, strict=True)
                    rows += [(event.at, kernel.INVALIDATE, p) for p, x in chosen if event.preset in (None, x.name)]
            case Pause():
                rows.append((event.at, kernel.PAUSE, 0))
            case Resume():
                rows.append((event.at, kernel.RESUME, 0))
            case SetTTL() | SetSchedule():
                pass  # of people's workspaces, see kernel_people
    if not scenario.behaviour.invalidates:
        rows = [row for row in rows if row[1] != kernel.INVALIDATE]
    return np.array(rows, dtype=np.int64).reshape(-1, kernel.E_COLUMNS)


def _claimed_presets(
    scenario: Scenario,
    versions: tuple[TemplateVersion, ...],
    of_version: list[list[int]],
    presets: tuple[tuple[TemplateVersion, Preset], ...],
    claims: Claims,
) -> Int64Array:
    """The preset each claim asks for: that of the newest version so far which has one of this name.

    Raises RunError for a name that no version has.
    """
    active_from = [scenario.start_at] * len(scenario.versions)
    active_from += [e.at for e in scenario.events if isinstance(e, Activate)]
    chosen = np.zeros(claims.at.size, dtype=np.int64)
    for name_i, name in enumerate(claims.names):
        mine = claims.preset == name_i
        found = [(active_from[v], p) for v in range(len(versions)) for p in of_version[v] if presets[p][1].name == name]
        if not found:
            known = ", ".join(f'"{n}"' for n in dict.fromkeys(p.name for _, p in presets))
            raise RunError(f'the demand asks for the preset "{name}", which no template version has; it has {known}')
        since = _array(at for at, _ in found)
        position = np.maximum(np.searchsorted(since, claims.at[mine], side="right") - 1, 0)
        chosen[mine] = _array(p for _, p in found)[position]
    return chosen


@lru_cache(maxsize=256)
def _sample_array(distribution: Distribution) -> Int64Array:
    return np.array(distribution.samples, dtype=np.int64)


def _samples(workloads: list[Workload]) -> tuple[Int64Array, Int64Array]:
    """Every preset's durations in one array, each distinct one once: (ranges [p, froms and counts], samples)."""
    table = [[w.build, w.agent, w.claim, w.reinitialize, w.delete, w.stop, w.start] for w in workloads]
    distinct = list(dict.fromkeys(d for row in table for d in row))
    begins = dict(zip(distinct, _offsets(len(d.samples) for d in distinct).tolist(), strict=False))
    ranges = [[begins[d] for d in row] + [len(d.samples) for d in row] for row in table]
    return (
        np.array(ranges, dtype=np.int64).reshape(-1, 2 * kernel.DURATIONS),
        np.concatenate([_array(()), *(_sample_array(d) for d in distinct)]),
    )


def _digest(
    scenario: Scenario,
    seed: int,
    replication: int,
    presets: tuple[tuple[TemplateVersion, Preset], ...],
    inputs: kernel.Inputs,
    people: lives.People | None,
) -> str:
    digest = hashlib.sha256()
    named = [(v.template, v.name, p.name, p.timezone, [(s.cron, s.instances) for s in p.schedules]) for v, p in presets]
    costs = [scenario.workload_of(p.name).cost_per_instance_hour for _, p in presets]
    givens = (simkit.__version__, scenario.name, scenario.behaviour.version, seed, replication, named, costs)
    groups = [(p.name, p.count, p.autostart, p.quiet_hours) for p in scenario.people]
    digest.update(repr((*givens, scenario.currency, scenario.zone.name, groups)).encode())
    named_arrays = [*zip(inputs._fields, inputs, strict=True)]
    named_arrays += [] if people is None else zip(people._fields, people, strict=True)
    for name, value in named_arrays:
        digest.update(name.encode() + (value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()))
    return digest.hexdigest()
