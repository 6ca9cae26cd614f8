"""A scenario and a seed become givens: arrays, the same for both engines. The only place that turns types into them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from simkit.clock import DAY_US, NEVER, UTC_ZONE, WEEK_US, Int64Array, format_instant
from simkit.core import facts, lives
from simkit.core.chance import ONE
from simkit.core.numbers import NONE, Table
from simkit.core.targets import (
    F_COLUMNS,
    F_FROM,
    F_UNTIL,
    F_USES_CLOCK,
    F_USES_ELIGIBLE,
    F_ZONE,
    F_ZONE_FROM,
    F_ZONE_UNTIL,
    HIGHEST_TARGET,
    OF_ELIGIBLE,
    OF_HOUR,
    OF_WEEKDAY,
    Program,
    Programs,
)
from simkit.cron import is_autostart, weekly
from simkit.demand import Claims, Draws
from simkit.demand.streams import key
from simkit.errors import InputError, RunError
from simkit.limits import MAX_SEED, MOST_ROWS
from simkit.model import (
    DEFAULT_QUIET_HOURS,
    Activate,
    Distribution,
    History,
    Invalidate,
    Pause,
    Preset,
    Resume,
    Scenario,
    SessionHistory,
    SetSchedule,
    SetTTL,
    TemplateVersion,
    Workload,
)
from simkit.phases import phase
from simkit.shown import visible
from simkit.store.columns import ids, whole
from simkit.timeline import Steps, desired
from simkit.version import __version__
from simkit.workspace.instants import template

_YEARS_AHEAD_US = 6 * 366 * DAY_US
_ORDERS = {"oldest": facts.OLDEST, "newest": facts.NEWEST, "random": facts.RANDOM}


@dataclass(frozen=True)
class Givens:
    """What a run is given: a function of (scenario, seed, replication), before anything has happened."""

    scenario: Scenario
    seed: int
    replication: int
    presets: tuple[tuple[TemplateVersion, Preset], ...]
    """In the kernel's order."""
    inputs: facts.Inputs
    people: lives.People | None
    programs: Programs | None = None
    """Expressions that say what is desired in place of the schedules; those of the presets that have one."""

    @cached_property
    def digest(self) -> str:
        """Of everything that decides the run; equal digests mean equal rows."""
        chance = self.seed, self.replication
        return _digest(self.scenario, chance, self.presets, self.inputs, self.people, self.programs).hexdigest()

    @property
    def run_id(self) -> str:
        return f"{self.scenario.name}-s{self.seed}-r{self.replication}-{self.digest[:8]}"

    @cached_property
    def user_of_claim(self) -> Int64Array:
        """Who asks: a person, or somebody new for each claim: int64[n], ids."""
        person = self.inputs.claims[:, facts.A_PERSON]
        strangers_from = sum(p.count for p in self.scenario.people)
        return np.where(person == NONE, strangers_from + ids(len(person)), person + 1)

    @property
    def most_rows(self) -> int:
        return MOST_ROWS + 4 * len(self.inputs.claims)

    @property
    def operator_id(self) -> int:
        """The user who deletes failed prebuilds: nobody of those who claim."""
        return sum(p.count for p in self.scenario.people) + len(self.inputs.claims) + 1


@contextmanager
def told_if_too_long(given: Givens) -> Iterator[None]:
    """Raises RunError where the core raises TooManyRowsError: how far the run came, and what to write instead."""
    try:
        yield
    except facts.TooManyRowsError as error:
        scenario, most = given.scenario, int(np.argmax(error.prebuilds))
        until = format_instant(error.at, scenario.zone)
        said = f"the run has {error.rows:,} builds by {until} already, and simkit simulates up to so many"
        if error.prebuilds.sum() < error.rows // 4:
            way_out = "most are of people's workspaces; write fewer people, or a shorter window"
        else:
            name, many = visible(given.presets[most][1].name), error.prebuilds[most]
            way_out = (
                f'{many:,} are prebuilds of "{name}"; write fewer instances of it or a shorter window, or let them '
                "fail, expire or be replaced less often"
            )
        raise RunError(f"{scenario.where}: {said}: {way_out}", InputError.status) from None


def givens(scenario: Scenario, seed: int, replication: int) -> Givens:
    """What both engines are given. Raises RunError.

    What candidates share is made once: a scenario's own part for all of its runs; what replications share of the
    claims, and the claims of a replication, for all scenarios with the same demand, people and window.
    """
    if not 0 <= seed <= MAX_SEED:
        raise RunError(f"seed is {seed}; give a whole number from 0 to {MAX_SEED}", InputError.status)
    own = _OWN.get((scenario,), (), lambda: _own_part(scenario))
    presets = own.inputs.presets.copy()
    presets[:, facts.P_KEY] = [key(seed, replication, f"prebuilds/{v.template}/{p.name}") for v, p in own.presets]
    demand, window = (scenario.demand, scenario.people), (scenario.start_at, scenario.end_at)
    draws = _DRAWS.get(demand, window, lambda: Draws(scenario))
    claims = _CLAIMS.get(
        demand,
        (seed, replication, *window, own.asked_for),
        lambda: _drawn(draws, seed, replication, own),
    )
    inputs = own.inputs._replace(presets=presets, claims=claims)
    return Givens(scenario, seed, replication, own.presets, inputs, own.people)


def _drawn(draws: Draws, seed: int, replication: int, own: _OwnPart) -> Table:
    with phase("drawn", seed=seed, replication=replication) as told:
        claims = _claims(draws.claims(seed, replication), own.asked_for, own.presets)
        told["claims"] = len(claims)
        return claims


def with_programs(given: Givens, programs: Mapping[str, Program]) -> Givens:
    """The same run, in which an expression says at each tick what the presets of these names desire.

    The kernel alone plays it.
    """
    scenario, inputs = given.scenario, given.inputs
    presets, rows = inputs.presets.copy(), np.zeros((len(given.presets), F_COLUMNS), dtype=np.int64)
    code: list[int] = []
    operand: list[float] = []
    zone_from, zone_offset = [whole(())], [whole(())]
    clocks = 0
    for i, (_, preset) in enumerate(given.presets):
        zone = scenario.zone_of(preset).offsets(scenario.start_at, scenario.end_at + 1)
        zone_from.append(zone[0])
        zone_offset.append(zone[1])
        rows[i, [F_ZONE, F_ZONE_FROM, F_ZONE_UNTIL]] = clocks, clocks, clocks + zone[0].size
        clocks += zone[0].size
        rows[i, F_FROM] = len(code)
        program = programs.get(preset.name)
        if program is not None:
            code += program.code
            operand += program.operand
            rows[i, F_USES_ELIGIBLE] = OF_ELIGIBLE in program.code
            rows[i, F_USES_CLOCK] = OF_HOUR in program.code or OF_WEEKDAY in program.code
            presets[i, facts.P_MOST_DESIRED] = max(presets[i, facts.P_MOST_DESIRED], HIGHEST_TARGET)
        rows[i, F_UNTIL] = len(code)
    made = Programs(
        code=whole(code),
        operand=np.array(operand, dtype=np.float64),
        presets=rows,
        zone_from=np.concatenate(zone_from),
        zone_offset=np.concatenate(zone_offset),
        depth=max((p.depth for p in programs.values()), default=1),
    )
    return replace(given, inputs=inputs._replace(presets=presets), programs=made)


def with_desired(given: Givens, steps: Mapping[str, Steps]) -> Givens:
    """The same run, in which the presets of these names desire what the steps say, and not what their schedules do."""
    inputs = given.inputs
    presets = inputs.presets.copy()
    columns = (facts.P_CHANGES_FROM, facts.P_CHANGES_UNTIL)
    at, value = [], []
    begin = 0
    for i, (_, preset) in enumerate(given.presets):
        old = slice(*inputs.presets[i, list(columns)])
        mine = steps.get(preset.name)
        at.append(inputs.change_at[old] if mine is None else mine.at)
        value.append(inputs.change_desired[old] if mine is None else mine.value)
        presets[i, list(columns)] = begin, begin + at[-1].size
        presets[i, facts.P_MOST_DESIRED] = max(0, *value[-1])
        begin += at[-1].size
    changed = inputs._replace(presets=presets, change_at=np.concatenate(at), change_desired=np.concatenate(value))
    return replace(given, inputs=changed)


def without_claims(given: Givens, is_left_out: npt.NDArray[np.bool_]) -> Givens:
    """The same run without some of those who are somebody new each time: bool[n], by claim. People stay."""
    claims = given.inputs.claims
    kept = ~is_left_out | (claims[:, facts.A_PERSON] != NONE)
    return replace(given, inputs=given.inputs._replace(claims=claims[kept]))


_T = TypeVar("_T")


class _Recent(Generic[_T]):
    """What was made lately, by the identity of what it follows from: scenarios hold arrays and have no hash."""

    def __init__(self, most: int, size_of: Callable[[_T], int] = lambda _: 1) -> None:
        self._most, self._size_of = most, size_of
        self._kept: OrderedDict[Hashable, tuple[tuple[object, ...], _T]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, of: tuple[object, ...], which: Hashable, make: Callable[[], _T]) -> _T:
        name = (*map(id, of), which)
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name][1]
        made = make()
        with self._lock:
            if name not in self._kept:
                # An identity is nobody else's for as long as its object is kept.
                self._kept[name] = of, made
                self._size += self._size_of(made)
            while self._size > self._most:
                _, (_, old) = self._kept.popitem(last=False)
                self._size -= self._size_of(old)
        return made


_AskedFor = tuple[tuple[str, tuple[tuple[int, int], ...]], ...]


@dataclass(frozen=True)
class _OwnPart:
    """What follows from a scenario without chance. `inputs` lack claims and the keys of chance.

    `asked_for`: for each name of a preset, from when on claims for it go to which preset.
    """

    presets: tuple[tuple[TemplateVersion, Preset], ...]
    inputs: facts.Inputs
    people: lives.People | None
    asked_for: _AskedFor


_OWN: _Recent[_OwnPart] = _Recent(64)
_DRAWS: _Recent[Draws] = _Recent(8)
_WHO: _Recent[bytes] = _Recent(8)
_CLAIMS: _Recent[Int64Array] = _Recent(256 << 20, lambda claims: claims.nbytes + 4096)
"""256 MiB: fifty replications of a year of 100,000 claims."""


def _own_part(scenario: Scenario) -> _OwnPart:
    versions = scenario.all_versions
    presets = tuple((version, preset) for version in versions for preset in version.presets)
    of_version = [[i for i, (v, _) in enumerate(presets) if v is version] for version in versions]
    steps = [desired(p, scenario.behaviour, scenario.start_at, scenario.end_at) for _, p in presets]
    workloads = [scenario.workload_of(p.name) for _, p in presets]
    sample_ranges, samples = _samples(workloads)
    failing = [sorted(w.failing_builds) for w in workloads]
    failing_from = _offsets(len(f) for f in failing)
    change_from = _offsets(s.at.size for s in steps)

    given = np.zeros((len(presets), facts.P_COLUMNS), dtype=np.int64)
    given[:, facts.P_INSTANCES] = [p.instances for _, p in presets]
    given[:, facts.P_TTL] = [p.ttl_us for _, p in presets]
    given[:, facts.P_ACTIVE] = [v in scenario.versions for v, _ in presets]
    given[:, facts.P_FAILURE_THRESHOLD] = [round(w.failure_probability * ONE) for w in workloads]
    given[:, facts.P_START_FAILURE_THRESHOLD] = [round(w.start_failure_probability * ONE) for w in workloads]
    given[:, facts.P_CLEARED_AFTER] = [w.failed_cleared_after_us for w in workloads]
    given[:, facts.P_DAILY_COST] = [w.daily_cost for w in workloads]
    given[:, facts.P_FAILING_FROM], given[:, facts.P_FAILING_UNTIL] = failing_from[:-1], failing_from[1:]
    given[:, facts.P_MOST_DESIRED] = [max(0, *s.value) for s in steps]
    given[:, facts.P_CHANGES_FROM], given[:, facts.P_CHANGES_UNTIL] = change_from[:-1], change_from[1:]
    given[:, facts.P_SAMPLES_FROM :] = sample_ranges
    peoples, prebuilds = scenario.job_tags(False), scenario.job_tags(True)
    daemons = np.array([(d.count, d.takes(peoples), d.takes(prebuilds)) for d in scenario.daemons], dtype=np.int64)
    inputs = facts.Inputs(
        settings=facts.Settings(
            start_at=scenario.start_at,
            end_at=scenario.end_at,
            interval_us=scenario.reconciler.interval_us,
            backoff_interval_us=scenario.reconciler.backoff_interval_us,
            lookback_us=scenario.reconciler.backoff_lookback_us,
            hard_limit=scenario.reconciler.failure_hard_limit,
            claim_order=_ORDERS[scenario.claim_order],
            claims_by_prebuilds=scenario.behaviour.claims_by_prebuilds,
            cancels_pending=scenario.behaviour.cancels_pending,
            deletes_canceled=scenario.behaviour.deletes_canceled,
            retries_failed_stops=scenario.behaviour.retries_failed_stops,
            ttl_removal_keeps_max_deadline=scenario.behaviour.ttl_removal_keeps_max_deadline,
            schedule_change_removes_deadline=scenario.behaviour.schedule_change_removes_deadline,
            has_reaper=scenario.has_reaper,
            executor_acts=not scenario.behaviour.executor_needs_daemons or bool(daemons[:, facts.G_PEOPLE].any()),
            clears_failed=any(w.failed_cleared_after_us for w in workloads),
            quota=NEVER if scenario.prebuilds_quota is None else scenario.prebuilds_quota,
        ),
        daemons=daemons,
        presets=given,
        change_at=np.concatenate([whole(()), *(s.at for s in steps)]),
        change_desired=np.concatenate([whole(()), *(s.value for s in steps)]),
        samples=samples,
        failing=whole(ordinal for f in failing for ordinal in f),
        events=_events(scenario, versions, of_version),
        claims=np.empty((0, facts.A_COLUMNS), dtype=np.int64),
    )
    active_from = [scenario.start_at] * len(scenario.versions)
    active_from += [e.at for e in scenario.events if isinstance(e, Activate)]
    asked_for: dict[str, list[tuple[int, int]]] = {}
    for since_at, mine in zip(active_from, of_version, strict=True):
        for i in mine:
            asked_for.setdefault(presets[i][1].name, []).append((since_at, i))
    asked = tuple((name, tuple(found)) for name, found in asked_for.items())
    return _OwnPart(presets, inputs, kernel_people(scenario), asked)


def _claims(drawn: Claims, asked_for: _AskedFor, presets: tuple[tuple[TemplateVersion, Preset], ...]) -> Table:
    """Claims as the kernel takes them, each for the preset of the newest version so far that has one of this name.

    Raises RunError for a name that no version has.
    """
    table = np.empty((drawn.at.size, facts.A_COLUMNS), dtype=np.int64)
    table[:, facts.A_AT] = drawn.at
    table[:, facts.A_LUCK] = drawn.luck
    table[:, facts.A_PERSON] = drawn.person
    table[:, facts.A_UNTIL] = drawn.until
    table[:, facts.A_CONNECTED] = drawn.connected
    known = dict(asked_for)
    first = np.zeros(len(drawn.names), dtype=np.int64)
    for name_i, name in enumerate(drawn.names):
        if name not in known:
            has = ", ".join(f'"{n}"' for n in dict.fromkeys(p.name for _, p in presets))
            text = f'the demand asks for the preset "{name}", which no template version has; it has {has}'
            raise RunError(text, InputError.status)
        first[name_i] = known[name][0][1]
    table[:, facts.A_PRESET] = first[drawn.preset]
    for name_i, name in enumerate(drawn.names):
        if len(known[name]) > 1:
            since, chosen = (whole(column) for column in zip(*known[name], strict=True))
            mine = drawn.preset == name_i
            position = np.maximum(np.searchsorted(since, drawn.at[mine], side="right") - 1, 0)
            table[mine, facts.A_PRESET] = chosen[position]
    return table


def kernel_people(scenario: Scenario) -> lives.People | None:
    """People as the kernel takes them; None without any.

    Where the executor does not leave prebuilds alone, their user is the last of them.
    """
    prebuilds_too = not scenario.behaviour.executor_skips_prebuilds
    if not scenario.people and not prebuilds_too:
        return None
    schedules = [scenario.schedule, *(e.schedule for e in scenario.events if isinstance(e, SetSchedule))]
    crons: dict[str, int] = {}
    rows: list[list[int]] = []
    first: dict[str, int] = {}
    for people in scenario.people:
        first[people.name] = len(rows)
        ttl_us = people.ttl_us or NEVER
        row = [0] * lives.H_COLUMNS
        row[lives.H_TTL], row[lives.H_SUSPENDED_AT] = ttl_us, people.suspended_at
        for column, text in ((lives.H_AUTOSTART, people.autostart), (lives.H_QUIET_HOURS, people.quiet_hours)):
            row[column] = crons.setdefault(text, len(crons)) if is_autostart(text) else NONE
        rows += [row] * people.count
    known = len(rows)
    if prebuilds_too:
        row = [0] * lives.H_COLUMNS
        row[lives.H_TTL], row[lives.H_SUSPENDED_AT], row[lives.H_AUTOSTART] = NEVER, NEVER, NONE
        row[lives.H_QUIET_HOURS] = crons.setdefault(DEFAULT_QUIET_HOURS, len(crons))
        rows.append(row)
    changes: list[tuple[int, int, int, int]] = []
    later = 0
    for event in scenario.events:
        if isinstance(event, SetTTL):
            group = next(p for p in scenario.people if p.name == event.people)
            who = range(first[group.name], first[group.name] + group.count)
            changes += [(event.at, lives.SET_TTL, person, event.ttl_us or NEVER) for person in who]
        elif isinstance(event, SetSchedule):
            later += 1
            if scenario.behaviour.schedule_changes_deleted:
                changes.append((event.at, lives.SET_TEMPLATE_OF_DELETED, 0, later))
            # The executor and the store come to the prebuilds user first.
            of = [*range(known, len(rows)), *range(known)]
            changes += [(event.at, lives.SET_TEMPLATE, person, later) for person in of]
    cron_rows, offsets = _crons(scenario, list(crons))
    return lives.People(
        people=np.array(rows, dtype=np.int64).reshape(-1, lives.H_COLUMNS),
        templates=np.array([template(s) for s in schedules], dtype=np.int64),
        crons=cron_rows,
        zone_from=offsets[0],
        zone_offset=offsets[1],
        changes=np.array(changes, dtype=np.int64).reshape(-1, lives.V_COLUMNS),
        prebuilds_too=prebuilds_too,
    )


def _crons(scenario: Scenario, texts: list[str]) -> tuple[Int64Array, tuple[Int64Array, Int64Array]]:
    """(rows [c, Q_COLUMNS], their zones' offsets), over the window and the years that a search may look ahead."""
    rows, from_at, offset = [], [whole(())], [whole(())]
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


def _offsets(lengths: Iterable[int]) -> Int64Array:
    return np.cumsum(whole([0, *lengths]), dtype=np.int64)


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
                    rows += [(event.at, facts.DEACTIVATE, p) for p in of_version[before]]
                rows += [(event.at, facts.ACTIVATE, p) for p in of_version[later]]
                active[event.version.template] = later
                later += 1
            case Invalidate():
                for i in active.values():
                    chosen = zip(of_version[i], versions[i].presets, strict=True)
                    rows += [(event.at, facts.INVALIDATE, p) for p, x in chosen if event.preset in (None, x.name)]
            case Pause():
                rows.append((event.at, facts.PAUSE, 0))
            case Resume():
                rows.append((event.at, facts.RESUME, 0))
            case SetTTL() | SetSchedule():
                pass  # of people's workspaces, see kernel_people
    if not scenario.behaviour.invalidates:
        rows = [row for row in rows if row[1] != facts.INVALIDATE]
    return np.array(rows, dtype=np.int64).reshape(-1, facts.E_COLUMNS)


@lru_cache(maxsize=256)
def _sample_array(distribution: Distribution) -> Int64Array:
    return np.array(distribution.samples, dtype=np.int64)


def _samples(workloads: list[Workload]) -> tuple[Int64Array, Int64Array]:
    """Every preset's durations in one array, each distinct one once: (ranges [p, froms and counts], samples)."""
    table = [
        [w.build, w.agent, w.claim, w.reinitialize, w.delete, w.stop, w.start, w.delete_canceled] for w in workloads
    ]
    distinct = list(dict.fromkeys(d for row in table for d in row))
    begins = dict(zip(distinct, _offsets(len(d.samples) for d in distinct).tolist(), strict=False))
    ranges = [[begins[d] for d in row] + [len(d.samples) for d in row] for row in table]
    return (
        np.array(ranges, dtype=np.int64).reshape(-1, 2 * facts.DURATIONS),
        np.concatenate([whole(()), *(_sample_array(d) for d in distinct)]),
    )


def scenario_digest(scenario: Scenario) -> str:
    """Of everything that decides a scenario's runs but seed and replication, without drawing anybody."""
    own = _OWN.get((scenario,), (), lambda: _own_part(scenario))
    digest = _digest(scenario, None, own.presets, own.inputs, own.people)
    digest.update(repr(own.asked_for).encode())
    digest.update(_WHO.get((scenario.demand, scenario.people), (), lambda: _who_comes(scenario)))
    return digest.hexdigest()


def _who_comes(scenario: Scenario) -> bytes:
    """A digest of demand and people, which many scenarios share."""
    digest = hashlib.sha256()
    demand = scenario.demand
    if isinstance(demand, History):
        comes: list[object] = [demand.claim_at, repr(demand.preset)]
    else:
        comes = [repr([(p.preset, p.zone.name, p.claims_per_hour) for p in demand])]
    for people in scenario.people:
        sessions = people.sessions
        comes += [
            repr((people.preset, sessions.connected, None if sessions.length is None else sessions.length.samples))
        ]
        if isinstance(sessions, SessionHistory):
            comes += [sessions.started_at, sessions.ended_at, sessions.person]
        else:
            comes += [repr((sessions.zone.name, sessions.per_hour))]
    for part in comes:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else str(part).encode())
    return digest.digest()


def _digest(
    scenario: Scenario,
    chance: tuple[int, int] | None,
    presets: tuple[tuple[TemplateVersion, Preset], ...],
    inputs: facts.Inputs,
    people: lives.People | None,
    programs: Programs | None = None,
) -> hashlib._Hash:
    """`chance`: seed and replication."""
    digest = hashlib.sha256()
    named = [(v.template, v.name, p.name, p.timezone, [(s.cron, s.instances) for s in p.schedules]) for v, p in presets]
    costs = [scenario.workload_of(p.name).cost_per_instance_hour for _, p in presets]
    first = (__version__, scenario.name, scenario.behaviour.version, *(chance or ()), named, costs)
    groups = [(p.name, p.count, p.autostart, p.quiet_hours) for p in scenario.people]
    daemons = [(one.count, one.tags) for one in scenario.daemons]
    queue = (scenario.has_reaper, daemons, scenario.version_tags, scenario.prebuild_tags)
    digest.update(repr((*first, scenario.currency, scenario.zone.name, groups, queue)).encode())
    named_arrays = [*zip(inputs._fields, inputs, strict=True)]
    if people is not None:  # whose executor comes to prebuilds too, the version says
        named_arrays += [
            (name, one) for name, one in zip(people._fields, people, strict=True) if name != "prebuilds_too"
        ]
    named_arrays += [] if programs is None else zip(programs._fields, programs, strict=True)
    for name, value in named_arrays:
        digest.update(name.encode() + (value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()))
    return digest
