"""A `*.simkit.yaml` file becomes a TestFile: strict, line-exact, every problem at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from os.path import exists
from pathlib import Path
from types import MappingProxyType

import numpy as np

from simkit.clock import DAY_US, FIRST_YEAR, LAST_YEAR, SECOND_US, UTC_ZONE, Zone
from simkit.coder_versions import DEFAULT_BEHAVIOUR, Behaviour
from simkit.errors import ASSUMED, Findings, StoreError, did_you_mean
from simkit.inputs.coder import written_version
from simkit.inputs.document import Value, read_document
from simkit.inputs.hcl import PRESET
from simkit.inputs.history import read_history, source_of
from simkit.inputs.preset import Given
from simkit.inputs.scenario import ScenarioReader
from simkit.inputs.scenario_keys import WINDOW
from simkit.inputs.templates import Templates
from simkit.inputs.variables import from_document, value_text
from simkit.limits import MAX_DAEMONS, MAX_SEED
from simkit.model import Demand, History, Preset, Reconciler, Scenario, TemplateVersion, Workload
from simkit.templates.check import keys
from simkit.templates.check.days import parse_every, parse_over
from simkit.templates.check.keys import DRIFT
from simkit.templates.check.metrics import METRICS
from simkit.templates.check.types import (
    MOST_WEEKS,
    TARGET,
    WEEKS,
    Bound,
    DesiredExpectation,
    DriftExpectation,
    Expectation,
    MetricExpectation,
    NeverExpectation,
    Simulation,
    Test,
    TestFile,
)
from simkit.templates.find import TESTS
from simkit.templates.linter import NAMES
from simkit.times import many, rounded, weekday_date

_DESIRED = tuple(key.name for key in keys.DESIRED_KEYS)
_DRIFT = tuple(key.name for key in keys.DRIFT_KEYS)
_MAX_REPLICATIONS = 100_000
_REPLICATIONS = 20
_MAX_DAYS = 20 * 366


def read_test_file(
    path: str | Path,
    findings: Findings,
    templates: Templates | None = None,
    behaviour: Behaviour = DEFAULT_BEHAVIOUR,
) -> TestFile | None:
    """The tests in a file and the presets that they are about; None, with findings, if something is wrong with it.

    `templates` remembers those that were read already, and holds values of Terraform variables. `behaviour` is that of
    Coder's version where the file names none.
    """
    path = Path(path)
    # Of this file and its template alone: what is wrong elsewhere does not stand in its way.
    mine = Findings()
    document = read_document(path, mine)
    read = None if document is None else _Reader(path, mine, templates or Templates(), behaviour).file(document)
    findings.extend(mine)
    return None if mine.errors else read


@dataclass(frozen=True)
class _Reader:
    path: Path
    findings: Findings
    templates: Templates
    behaviour: Behaviour

    def file(self, document: Value) -> TestFile | None:
        given = document.mapping(keys.TEST_FILE)
        behaviour = written_version(given.get("coder"), self.behaviour)
        coder = self.behaviour.version if behaviour is self.behaviour is not DEFAULT_BEHAVIOUR else ""
        own = from_document(given["variables"]) if "variables" in given else {}
        template, presets, names = self.template(given.get("template"), own)
        tests: dict[str, Test] = {}
        items = given["tests"].items() if "tests" in given else []
        if "tests" in given and given["tests"].is_list and not items:
            given["tests"].error("the list is empty; write at least one test")
        for value in items:
            test = self.test(value, behaviour, template, presets, names)
            if test is not None and test.name in tests:
                self.findings.error(
                    test.where, f'the test at {tests[test.name].where} is also called "{test.name}"; names are unique'
                )
            elif test is not None:
                tests[test.name] = test
        outside = self.templates.variables.items()
        variables = tuple((name, value_text(given.value)) for name, given in outside)
        return TestFile(str(self.path), template, behaviour, presets, tuple(tests.values()), variables, coder)

    def template(
        self, value: Value | None, own: Mapping[str, Given]
    ) -> tuple[str, tuple[Preset, ...], tuple[str, ...]]:
        """(path, the presets without a problem, the names of all), with values that the file itself has."""
        path = value.file(self.path.parent, is_trusted=False) if value is not None else None
        if value is None or path is None:
            return "", (), ()
        if not exists(path):
            value.error(f"{path} does not exist")
            return str(path), (), ()
        read = self.templates.with_values(own).read(path)
        self.findings.extend(read.findings)
        places = {given.where for given in own.values()}
        self.findings.extend(finding for finding in read.undeclared if finding.where in places)
        if not read.written and not read.errors:
            value.error(f'{path} has no data "{PRESET}" block')
        return str(path), read.presets, read.names

    def test(
        self,
        value: Value,
        behaviour: Behaviour,
        template: str,
        presets: tuple[Preset, ...],
        names: tuple[str, ...],
    ) -> Test | None:
        given = value.mapping(keys.TEST)
        name = given["name"].scalar() if "name" in given else None
        if name is not None and not name.strip():
            given["name"].error("is empty; say what the test is about")
        preset_name = self.preset_name(value, given, names)
        preset = next((p for p in presets if p.name == preset_name), None)
        zone = given["timezone"].zone() if "timezone" in given else preset.zone if preset else None
        zone_known = zone or UTC_ZONE
        simulation = None
        if "simulate" in given:
            simulation = self.simulation(
                given["simulate"], behaviour, template, presets, names, preset_name, zone_known
            )
        expectations: list[Expectation] = []
        for item in given["expect"].items() if "expect" in given else []:
            expectations += self.expectation(item, zone_known, "simulate" in given)
        for item in given["never"].items() if "never" in given else []:
            finding_name = item.choice(NAMES)
            if finding_name is not None:
                expectations.append(NeverExpectation(finding_name, item.where))
        said = [given[key] for key in ("expect", "never") if key in given]
        if value.is_mapping and all(one.is_list and not one.items() for one in said):
            value.error("expects nothing; write expect or never")
        asked = [e.bound.at_least for e in expectations if isinstance(e, MetricExpectation) and e.metric == "hit_rate"]
        target = max((bound for bound in asked if bound is not None and 0 < bound < 1), default=TARGET)
        expectations = [
            replace(e, target=e.target or target) if isinstance(e, DriftExpectation) else e for e in expectations
        ]
        self.about_simulation(given, expectations, simulation)
        if name is None or preset is None:
            return None
        return Test(name, given["name"].where, str(preset.name), zone_known, tuple(expectations), simulation)

    def about_simulation(
        self, given: Mapping[str, Value], expectations: list[Expectation], simulation: Simulation | None
    ) -> None:
        metrics = [e for e in expectations if isinstance(e, MetricExpectation)]
        costs = [e for e in metrics if e.metric in ("idle_cost_per_week", "pool_cost_per_week")]
        if costs and "simulate" in given and given["simulate"].is_mapping and "cost" not in given["simulate"].entries():
            self.findings.warning(
                costs[0].where,
                f"{costs[0].metric} is always 0, as simulate says nothing of cost; write there "
                "cost: {per_instance_hour: 0.38, currency: USD}",
            )
        drifts = [e for e in expectations if isinstance(e, DriftExpectation) and not e.history]
        if simulation is not None and not metrics and not drifts:
            self.findings.warning(given["simulate"].where, "simulate is not used: nothing under expect is simulated")
        elif simulation is not None and not self.findings.errors:
            self.say_assumed(given["simulate"], simulation.assumed)

    def preset_name(self, value: Value, given: Mapping[str, Value], names: tuple[str, ...]) -> str | None:
        if "preset" in given:
            return given["preset"].read(lambda text: _known(text, names)) if names else given["preset"].scalar()
        if len(names) > 1 and value.is_mapping:
            value.error(f"names no preset; there is {', '.join(names)}")
        return names[0] if len(names) == 1 else None

    # What is expected.

    def expectation(self, value: Value, zone: Zone, is_simulated: bool) -> list[Expectation]:
        given = value.mapping(keys.EXPECTATION)
        if any(key in given for key in _DRIFT):
            return self.drift(value, given, is_simulated)
        metrics = [key for key in given if key in METRICS]
        times = [key for key in given if key in _DESIRED]
        if not given or not value.is_mapping:
            if value.is_mapping and not value.entries():
                value.error("expects nothing; write desired, or a metric such as hit_rate")
            return []
        if metrics and times:
            given[times[0]].error(f"does not go with {metrics[0]}, which is one number of a whole simulation")
            return []
        if times:
            return self.desired(value, given, zone)
        found: list[Expectation] = []
        for key in metrics:
            if not is_simulated:
                given[key].error("comes from a simulation; write simulate: {demand: FILE.csv} beside expect")
            metric = METRICS[key]
            read: dict[str, Callable[[Value], float | None]] = {
                "share": lambda v: v.number(0, 1),
                "duration": _seconds,
                "number": lambda v: v.number(),
            }
            bound = self.bound(given[key], read[metric.kind])
            if bound is not None:
                found.append(MetricExpectation(key, bound, given[key].where))
        return found

    def drift(self, value: Value, given: Mapping[str, Value], is_simulated: bool) -> list[Expectation]:
        if DRIFT not in given:
            value.error(f'"{DRIFT}" is missing; write {DRIFT}: 10%')
        for key in given:
            if key not in _DRIFT:
                given[key].error(f"does not go with {DRIFT}; write it as an expectation of its own")
        within = given[DRIFT].read(_share) if DRIFT in given else None
        target, weeks = 0.0, WEEKS
        if "target_hit_rate" in given:
            target = given["target_hit_rate"].read(_target) or 0.0
        if "weeks" in given:
            weeks = given["weeks"].read(lambda text: _whole_in(text, WEEKS, MOST_WEEKS)) or weeks
        history = ""
        if "against" in given:
            history = self.runs_file(given["against"])
        elif not is_simulated:
            value.error(
                "needs people who come; write against: my.duckdb, or simulate: {demand: FILE.csv} beside expect"
            )
        for key in ("template", "was"):
            if key in given and "against" not in given:
                given[key].error("is of a history; write against: my.duckdb")
        template, was = (given[key].scalar() or "" if key in given else "" for key in ("template", "was"))
        if within is None:
            return []
        return [DriftExpectation(within, target, weeks, given[DRIFT].where, history, template, was)]

    def runs_file(self, value: Value) -> str:
        """The path of a history; "", with an error, for what is none."""
        from simkit.store.asking import history_run  # it takes DuckDB, which most tests need not wait for

        # A history is seldom in the repository; what is no runs file is refused, and nothing of it is told.
        path = value.file(self.path.parent)
        if path is None:
            return ""
        try:
            history_run(str(path))
        except StoreError as error:
            value.error(str(error))
        return str(path)

    def desired(self, value: Value, given: Mapping[str, Value], zone: Zone) -> list[Expectation]:
        if "desired" not in given:
            value.error('"desired" is missing; write desired: 1, or desired: {at_least: 1}')
        bound = self.bound(given["desired"], lambda v: v.whole()) if "desired" in given else None
        spans = self.spans(value, given, zone)
        if bound is None or spans is None:
            return []
        return [DesiredExpectation(bound, spans[0], spans[1], given["desired"].where)]

    def spans(
        self, value: Value, given: Mapping[str, Value], zone: Zone
    ) -> tuple[tuple[tuple[int, int], ...], str] | None:
        """When, as instants and in words."""
        if "every" not in given and "over" not in given:
            missing = [key for key in ("from", "until") if key not in given]
            if missing:
                value.error(
                    f'"{missing[0]}" is missing; write from: "2026-03-09 18:00" and until: "2026-03-10 07:00", '
                    'or every: "weekday 08:00-18:00" and over: 2026'
                )
            span = self.from_until(given, zone)
            return None if span is None else ((span,), f"from {_minute(span[0], zone)} until {_minute(span[1], zone)}")
        for key in ("from", "until"):
            if key in given:
                given[key].error("stands alone or inside over; write over: {from: ..., until: ...}")
        if "over" not in given:
            given["every"].error("needs over; write over: 2026 for a whole year")
        over = self.over(given["over"], zone) if "over" in given else None
        every = given["every"].read(parse_every) if "every" in given else None
        if over is None or ("every" in given and every is None):
            return None
        (start_at, end_at), words = over
        if every is None:
            return ((start_at, end_at),), words
        spans = every.spans(zone, start_at, end_at)
        if not len(spans):
            given["every"].error("no such time is in over; write a longer one")
            return None
        return tuple((a, b) for a, b in spans.tolist()), f'every "{_text(given["every"])}" {words}'

    def over(self, value: Value, zone: Zone) -> tuple[tuple[int, int], str] | None:
        if value.is_mapping:
            span = self.from_until(value.mapping(keys.SPAN), zone)
            if span is None:
                return None
            return span, f"from {_minute(span[0], zone)} until {_minute(span[1], zone)}"
        read = value.read(lambda text: parse_over(text, zone))
        return None if read is None else (read, f"in {_text(value)}")

    def from_until(self, given: Mapping[str, Value], zone: Zone) -> tuple[int, int] | None:
        start_at, end_at = (given[key].instant(zone) if key in given else None for key in ("from", "until"))
        if start_at is None or end_at is None:
            return None
        if end_at <= start_at:
            given["until"].error("is not after from; write a later time")
            return None
        if end_at - start_at > _MAX_DAYS * DAY_US:
            given["until"].error("is more than 20 years after from; write an earlier time")
            return None
        return start_at, end_at

    def bound(self, value: Value, read: Callable[[Value], float | None]) -> Bound | None:
        if not value.is_mapping:
            exactly = read(value)
            return None if exactly is None else Bound(exactly=exactly)
        given = value.mapping(keys.BOUND)
        if not given:
            if not value.entries():
                value.error("says no number; write at_least, at_most or both")
            return None
        limits = {key: read(one) for key, one in given.items()}
        if None in limits.values():
            return None
        bound = Bound(limits.get("at_least"), limits.get("at_most"))
        if bound.at_least is not None and bound.at_most is not None and bound.at_least > bound.at_most:
            given["at_most"].error("is below at_least, so that nothing can be both")
            return None
        return bound

    # What is simulated.

    def simulation(
        self,
        value: Value,
        behaviour: Behaviour,
        template: str,
        presets: tuple[Preset, ...],
        names: tuple[str, ...],
        preset: str | None,
        zone: Zone,
    ) -> Simulation | None:
        given = value.mapping(keys.SIMULATE)
        reader = ScenarioReader(self.path.parent, self.findings, is_trusted=False)
        errors = len(self.findings.errors)
        seed, replications = 0, _REPLICATIONS
        if "seed" in given:
            seed = given["seed"].read(lambda text: _whole_in(text, 0, MAX_SEED)) or 0
        if "replications" in given:
            most = _MAX_REPLICATIONS
            replications = given["replications"].read(lambda text: _whole_in(text, 2, most)) or replications
        workload = reader.workload({key: given[key] for key in keys.WORKLOAD if key in given}, Workload())
        currency = reader.currency(given.get("cost"))
        daemons = 3
        if "provisioner_daemons" in given:
            daemons = given["provisioner_daemons"].read(lambda text: _whole_in(text, 1, MAX_DAEMONS)) or daemons
        demand = self.demand(given.get("demand"), reader, names, preset, zone)
        window = self.window(value, given, demand, zone)
        if window is not None and "window" in given:
            reader.check_rows(demand, (), *window, zone, noted=True)
        if len(self.findings.errors) > errors or window is None or preset is None or not presets:
            return None
        scenario = Scenario(
            name=self.path.name.removesuffix(TESTS),
            start_at=window[0],
            end_at=window[1],
            versions=(TemplateVersion(template, "v1", presets, value.where),),
            demand=demand,
            zone=zone,
            behaviour=behaviour,
            reconciler=replace(Reconciler(), interval_us=behaviour.reconciliation_interval_us),
            provisioner_daemons=daemons,
            workload=workload,
            currency=currency,
            where=value.where,
        )
        return Simulation(scenario, seed, replications, assumed(workload, daemons, given))

    def say_assumed(self, value: Value, assumed: tuple[str, ...]) -> None:
        """Whoever reads an answer knows what it rests on. How long a build takes decides most of it."""
        build, rest = assumed[:1], assumed
        if build and build[0].startswith("build "):
            rest = assumed[1:]
            self.findings.warning(
                value.where,
                f"simulate does not say how long a build takes, on which waits and hit rates hang: {build[0]} is "
                "assumed; write durations: {build: 6m, agent: 40s} with those of your deployment",
                name=ASSUMED,
            )
        if rest:
            self.findings.note(
                value.where,
                f"simulate does not say, and so assumes: {', '.join(rest)}; write what differs",
                name=ASSUMED,
            )

    def demand(
        self, value: Value | None, reader: ScenarioReader, names: tuple[str, ...], preset: str | None, zone: Zone
    ) -> Demand:
        if value is None:
            return ()
        if value.is_mapping:
            return reader.demand(value, zone, names)
        source = source_of(value, reader.beside)
        return () if source is None or not names else read_history(source, zone, preset, names, self.findings)

    def window(self, value: Value, given: Mapping[str, Value], demand: Demand, zone: Zone) -> tuple[int, int] | None:
        """As given; else the whole weeks, from Monday on in the test's zone, that hold the demand's history."""
        if "window" in given:
            times = given["window"].mapping(WINDOW)
            own_zone = times["timezone"].zone() if "timezone" in times else None
            return self.from_until(times, own_zone or zone)
        if not isinstance(demand, History):
            if "demand" in given and given["demand"].is_mapping and "profiles" in given["demand"].entries():
                value.error('"window" is missing; write window: {from: "2026-03-02", until: "2026-03-30"}')
            return None
        if not demand.claim_at.size:
            return None  # which is an error already
        first, last = (zone.local(at).date() for at in np.asarray(demand.claim_at)[[0, -1]].tolist())
        if not FIRST_YEAR <= first.year <= last.year <= LAST_YEAR or (last - first).days > _MAX_DAYS:
            given["demand"].error(f"its claims go from {first} to {last}; write a window of 20 years at most")
            return None
        begin = first - timedelta(days=first.weekday())
        end = last + timedelta(days=7 - last.weekday())
        return zone.at(datetime(begin.year, begin.month, begin.day)), zone.at(datetime(end.year, end.month, end.day))  # noqa: DTZ001


_ASSUMED_DURATIONS = ("build", "agent", "claim", "delete")
"""What a pool that nobody owns workspaces of takes time for. Reinitializing takes none, if nothing is said."""


def assumed(workload: Workload, daemons: int, given: Mapping[str, Value] = MappingProxyType({})) -> tuple[str, ...]:
    """What decides the answer and is not among the keys `given`, with the value that is taken; the build first."""
    written = given["durations"].entries() if "durations" in given and given["durations"].is_mapping else {}
    said = [
        f"{name} {rounded(getattr(workload, name).median_us, SECOND_US // 10)}"
        for name in _ASSUMED_DURATIONS
        if name not in written
    ]
    if "failures" not in given:
        share = workload.failure_probability
        said.append(f"{share:.3g} of the builds fail" if share else "builds never fail")
    if "provisioner_daemons" not in given:
        said.append(many(daemons, "provisioner daemon"))
    return tuple(said)


def _share(text: str) -> float:
    """10% or 0.1."""
    try:
        found = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 100:
        raise ValueError(f'"{text}" is not a share; write 10% or 0.1')
    return found


def _target(text: str) -> float:
    found = _share(text)
    if not 0 < found < 1:
        raise ValueError(f'"{text}" is not a hit rate between 0 and 1; write 0.95 or 95%')
    return found


def _seconds(value: Value) -> float | None:
    us = value.duration()
    return None if us is None else us / SECOND_US


def _text(value: Value) -> str:
    return str(value.node.value)


def _known(text: str, names: tuple[str, ...]) -> str:
    if text not in names:
        raise ValueError(f'there is no preset "{text}"; {did_you_mean(text, names)}')
    return text


def _whole_in(text: str, lowest: int, highest: int) -> int:
    if not text.strip().isdecimal() or not lowest <= int(text) <= highest:
        raise ValueError(f'"{text}" is not a whole number from {lowest} to {highest}')
    return int(text)


def _minute(at: int, zone: Zone) -> str:
    local = zone.local(at)
    seconds = f":{local:%S}" if local.second else ""
    return f"{weekday_date(local)} {local:%H:%M}{seconds}"
