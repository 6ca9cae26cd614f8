"""Find templates and their tests, look at the first and run the second."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simkit.arguments import a_mapping, a_text, paths, takes
from simkit.clock import DAY_US, parse_instant, to_datetime, zone_database_version
from simkit.coder_versions import Behaviour
from simkit.errors import Finding, Findings, InputError, Where, did_you_mean
from simkit.inputs.coder import named_version
from simkit.inputs.hcl import PRESET
from simkit.inputs.templates import Templates
from simkit.inputs.variables import Outside, from_outside, value_text
from simkit.model import Preset, Workload
from simkit.templates import snapshot
from simkit.templates.check.days import joined
from simkit.templates.check.drifted import drift_failure, drift_text, unjudged_failure
from simkit.templates.check.failure import desired_failure, measured_text, metric_failure, never_failure
from simkit.templates.check.file import read_test_file
from simkit.templates.check.keys import DRIFT
from simkit.templates.check.metrics import METRICS, Verdict, judge
from simkit.templates.check.types import (
    Against,
    BadSpan,
    Checked,
    DesiredExpectation,
    DriftExpectation,
    Estimate,
    Failure,
    Measured,
    MetricExpectation,
    NeverExpectation,
    Simulation,
    Status,
    Test,
    TestFile,
    TestOutcome,
)
from simkit.templates.explainer import YEAR_US
from simkit.templates.find import TESTS, find
from simkit.templates.linter import lint_preset
from simkit.timeline import Steps, schedule_steps

if TYPE_CHECKING:
    from simkit.runs.measures import Measures

_LEVELS = ("error", "warning", "note")


@takes(paths=paths, keyword=a_text, variables=a_mapping, coder=a_text)
def check(
    paths: Iterable[str | Path],
    keyword: str = "",
    strict: bool = False,
    variables: Outside | None = None,
    coder: str | None = None,
    against: Against | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Checked:
    """Look at every preset below the paths, compare the snapshots beside them and run every test: those called
    `keyword`, or that have it in their name in any case; all if it is "". `variables` are values of Terraform
    variables, by name, in place of their defaults. `coder` is Coder's version for whatever names none itself.
    `against`: a history to which each preset is held, as one more test. `told` hears how many of how many tests are
    done.

    A snapshot that differs fails; with `strict` a warning does, too. Never raises for an input that is wrong: that is
    among the findings.

    >>> checked = simkit.check(["examples/template"])
    >>> checked.status, len(checked.outcomes)
    (0, 3)
    """
    paths = tuple(paths)
    problems = Findings()
    behaviour = named_version(coder, problems)
    found = find(paths, problems)
    if problems.errors:
        return Checked(InputError(problems).problems, (), 2, 0, strict)
    findings: dict[Finding, None] = dict.fromkeys(problems)
    presets: dict[Preset, None] = {}
    files: list[TestFile] = []
    templates = Templates(from_outside(variables or {}))
    for path in found.templates:
        contents = templates.read(path)
        findings.update(dict.fromkeys(contents.findings))
        presets.update(dict.fromkeys(contents.presets))
    said, differences = snapshot.differences(found)
    findings.update(dict.fromkeys(said))
    if not found.files and not found.tests:
        shown = " ".join(str(path) for path in paths)
        text = f'there is neither a data "{PRESET}" in a .tf file here nor a *{TESTS} file; name a folder that has one'
        findings[Finding("error", Where(shown), text)] = None
    for path in found.tests:
        of_file = Findings()
        read = read_test_file(path, of_file, templates, behaviour)
        findings.update(dict.fromkeys(of_file))
        if read is not None:
            files.append(read)
            presets.update(dict.fromkeys(read.presets))
    start_at = _year_start()
    for preset in presets:
        findings.update(dict.fromkeys(_linted(preset, None, start_at, start_at + YEAR_US, behaviour)))
    findings.update(dict.fromkeys(templates.undeclared))
    chosen = [(file, test) for file in files for test in file.tests]
    if against is not None:
        from simkit.templates.check.drift import tests_against  # it takes the kernel

        of_history = Findings()
        given = tuple((name, value_text(value.value)) for name, value in templates.variables.items())
        chosen += tests_against(against, tuple(presets), files, behaviour, given, of_history)
        findings.update(dict.fromkeys(of_history))
    if keyword:
        chosen, unknown = _chosen(chosen, keyword)
        if unknown and not _errors(findings):
            findings[unknown] = None
    outcomes = []
    for file, test in chosen:
        outcomes.append(run_test(file, test))
        if told is not None:
            told(len(outcomes), len(chosen))
    warned = strict and any(finding.level == "warning" for finding in findings)
    failed = warned or bool(differences) or not all(outcome.ok for outcome in outcomes)
    said_of = sorted(_once(findings), key=lambda f: (f.where, _LEVELS.index(f.level), f.text))
    status: Status = 2 if _errors(findings) else 1 if failed else 0
    return Checked(tuple(said_of), tuple(outcomes), status, templates.count, strict, differences)


def run_test(test_file: TestFile, test: Test) -> TestOutcome:
    """What holds of what the test expects. Raises RunError if its simulation cannot go on."""
    failures: list[Failure | None] = []
    measured: list[Measured] = []
    runs: list[Measures] = []
    for expected in test.expectations:
        match expected:
            case DesiredExpectation():
                failures.append(_desired(test_file, test, expected))
            case NeverExpectation():
                failures.append(_never(test_file, test, expected))
            case DriftExpectation():
                failure, said = _drift(test_file, test, expected)
                failures.append(failure)
                measured += said
            case MetricExpectation():
                assert test.simulation is not None, "a metric is expected of a simulation"
                runs = runs or _simulated(test.simulation)
                verdict, estimate = _judged(test, expected, runs)
                if verdict != "holds":
                    failures.append(metric_failure(test_file, test, expected, verdict, estimate))
                if estimate is not None:
                    text = measured_text(test, expected, estimate)
                    measured.append(Measured(expected.where, expected.metric, estimate, verdict == "holds", text))
    return TestOutcome(test, tuple(failure for failure in failures if failure is not None), tuple(measured))


def _desired(file: TestFile, test: Test, expected: DesiredExpectation) -> Failure | None:
    preset = file.preset_of(test)
    # A day more at either end says which schedule was in force just before.
    steps = schedule_steps(preset, file.behaviour, expected.spans[0][0] - DAY_US, expected.spans[-1][1] + DAY_US)
    bad = bad_spans(preset, steps, expected)
    return desired_failure(file, test, expected, bad, steps) if bad else None


def bad_spans(preset: Preset, steps: Steps, expected: DesiredExpectation) -> tuple[BadSpan, ...]:
    """Where the expectation does not hold, in order of time; `steps` are positions of the preset's schedules in force.

    Neighbours with one schedule in force are one span.
    """
    spans = np.array(expected.spans, dtype=np.int64)
    instances = np.array([*(s.instances for s in preset.schedules_in_force), preset.instances], dtype=np.int64)
    fits = np.array([expected.bound.holds(value) for value in np.maximum(instances, 0).tolist()])
    at = np.unique(np.concatenate([spans.ravel(), steps.at]))
    schedule = steps.value_at(np.maximum(at, steps.at[0]))
    span_i = np.searchsorted(spans[:, 0], at, side="right") - 1
    is_wanted = (span_i >= 0) & (at < spans[np.maximum(span_i, 0), 1])
    is_bad = is_wanted & ~fits[schedule]
    until = np.append(at[1:], at[-1])
    found = []
    for which in np.unique(schedule[is_bad]).tolist():
        mine = is_bad & (schedule == which)
        value = max(int(instances[which]), 0)
        both = joined(np.stack([at[mine], until[mine]], axis=1))
        found += [BadSpan(from_at, until_at, value, which) for from_at, until_at in both.tolist()]
    return tuple(sorted(found, key=lambda span: span.from_at))


def _drift(file: TestFile, test: Test, expected: DriftExpectation) -> tuple[Failure | None, list[Measured]]:
    from simkit.templates.check.drift import UnjudgedError, drift_of  # it takes the kernel

    try:
        found = drift_of(file, test, expected)
    except UnjudgedError as error:
        return unjudged_failure(file, test, expected, str(error)), []
    said = Measured(expected.where, DRIFT, None, found.ok, drift_text(test, expected, found), found)
    return None if found.ok else drift_failure(file, test, expected, found), [said]


def _never(file: TestFile, test: Test, expected: NeverExpectation) -> Failure | None:
    spans = [e.spans for e in test.expectations if isinstance(e, DesiredExpectation)]
    # From the beginning of that year on, in which the template itself is looked at, too.
    start_at = min((_year_start(to_datetime(s[0][0] + DAY_US).year) for s in spans), default=_year_start())
    end_at = max([start_at + YEAR_US, *(s[-1][1] for s in spans)])
    workload = test.simulation.scenario.workload_of(test.preset) if test.simulation else None
    found = _linted(file.preset_of(test), workload, start_at, end_at, file.behaviour)
    named = [finding for finding in found if finding.name == expected.name]
    if named and expected.name == "cold_begin" and test.simulation is not None:
        named = _tried(named, test.simulation)
    return never_failure(file, test, expected, named) if named else None


def _tried(said: list[Finding], simulation: Simulation) -> list[Finding]:
    """The same, with what their cures buy for the people of a simulation, where it meets these beginnings."""
    from simkit.templates.cures import lint_tried  # it takes the kernel, as below

    def what(finding: Finding) -> tuple[Where, str]:
        return finding.where, finding.text.split(";")[0]

    tried = {what(finding): finding for finding in lint_tried(simulation.scenario, simulation.seed)}
    return [tried.get(what(finding), finding) for finding in said]


def _simulated(simulation: Simulation) -> list[Measures]:
    """The numbers of every replication."""
    # The compiled kernel takes a second to import, which tests of schedules need not wait for.
    from simkit.runs.measures import measures
    from simkit.runs.simulate import replicate

    return [measures(result) for result in replicate(simulation.scenario, simulation.seed, simulation.replications)]


def _judged(test: Test, expected: MetricExpectation, runs: list[Measures]) -> tuple[Verdict, Estimate | None]:
    return judge(expected.bound, METRICS[expected.metric].values(runs, test.preset))


def _once(findings: Iterable[Finding]) -> Findings:
    """All of them, but a note that several files give rise to once."""
    told = Findings()
    told.extend(sorted(findings, key=lambda finding: finding.where))
    return told


def _chosen(tests: list[tuple[TestFile, Test]], keyword: str) -> tuple[list[tuple[TestFile, Test]], Finding | None]:
    """Those tests, and a finding if there are none."""
    exact = [one for one in tests if one[1].name == keyword]
    part = exact or [one for one in tests if keyword.casefold() in one[1].name.casefold()]
    if part:
        return part, None
    names = did_you_mean(keyword, {test.name for _, test in tests})
    return [], Finding("error", Where(f"-k {keyword}"), f"no test has this in its name; {names}")


def _errors(findings: Iterable[Finding]) -> bool:
    return any(finding.level == "error" for finding in findings)


def _linted(
    preset: Preset, workload: Workload | None, start_at: int, end_at: int, behaviour: Behaviour
) -> tuple[Finding, ...]:
    if workload is not None:
        return lint_preset(preset, workload, start_at, end_at, behaviour)
    return _linted_alone(preset, start_at, end_at, behaviour)


@lru_cache(maxsize=4096)
def _linted_alone(preset: Preset, start_at: int, end_at: int, behaviour: Behaviour) -> tuple[Finding, ...]:
    return lint_preset(preset, None, start_at, end_at, behaviour)


def _year_start(year: int | None = None) -> int:
    """The beginning of a year; without one, of that in which the linter looks at schedules if no test names another.

    This is the year of the time zone rules' release, so that the findings are the same on whatever day it is asked.
    """
    return parse_instant(f"{year or int(zone_database_version()[:4])}-01-01T00:00:00Z")
