"""What a test file says, and what running it gives: frozen facts, each knowing the line that it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from simkit.clock import Zone
from simkit.coder_versions import Behaviour
from simkit.errors import Finding, Where
from simkit.model import Preset, Scenario

Status = Literal[0, 1, 2]
"""0: all is well. 1: a test failed. 2: an input cannot be used."""


@dataclass(frozen=True)
class Bound:
    """What a number has to be: at least, at most, or exactly this; None where nothing is said."""

    at_least: float | None = None
    at_most: float | None = None
    exactly: float | None = None

    def holds(self, value: float) -> bool:
        return (
            (self.exactly is None or value == self.exactly)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
        )

    @property
    def limits(self) -> tuple[tuple[str, float], ...]:
        """(word, number) of each limit that is given: `at least`, `at most` or `exactly`."""
        given = (("at least", self.at_least), ("at most", self.at_most), ("exactly", self.exactly))
        return tuple((word, value) for word, value in given if value is not None)


@dataclass(frozen=True)
class DesiredExpectation:
    """The instances that the schedules ask for, over `spans`: (from, until) instants in order of time, apart."""

    bound: Bound
    spans: tuple[tuple[int, int], ...]
    words: str
    """The spans as a person reads them."""
    where: Where


@dataclass(frozen=True)
class MetricExpectation:
    """What a simulation has to give: `metric` is a name of `metrics.METRICS`, the bound in its unit."""

    metric: str
    bound: Bound
    where: Where


@dataclass(frozen=True)
class NeverExpectation:
    """A finding by its name (`simkit.templates.linter.NAMES`) that the linter must not have about the preset."""

    name: str
    where: Where


Expectation = DesiredExpectation | MetricExpectation | NeverExpectation


@dataclass(frozen=True)
class Simulation:
    """The scenario that a test simulates, and how often: replications 0, 1, ... of one seed.

    `assumed`: what the test does not say and decides the answer, in words.
    """

    scenario: Scenario
    seed: int
    replications: int
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Test:
    """One test of one preset. `expectations` stand in the order of the file, those under `never` last."""

    __test__: ClassVar[bool] = False  # pytest takes every class called Test for one of its own

    name: str
    where: Where
    preset: str
    zone: Zone
    """In which the test's times are read and shown."""
    expectations: tuple[Expectation, ...]
    simulation: Simulation | None = field(default=None, compare=False)


@dataclass(frozen=True)
class TestFile:
    """A `*.simkit.yaml` file: its tests, and the presets of the template that it names."""

    __test__: ClassVar[bool] = False

    path: str
    template: str
    behaviour: Behaviour
    presets: tuple[Preset, ...]
    tests: tuple[Test, ...]
    variables: tuple[tuple[str, str], ...] = ()
    """Values of Terraform variables that were given from outside, by name."""
    coder: str = ""
    """Coder's version, if it was given from outside and the file names none."""

    def preset_of(self, test: Test) -> Preset:
        return next(preset for preset in self.presets if preset.name == test.preset)


@dataclass(frozen=True)
class BadSpan:
    """[from_at, until_at), in which `value` instances are desired and that is not as expected.

    `schedule`: the position of the schedule in force that asks for them, BASE where the base number is used.
    """

    from_at: int
    until_at: int
    value: int
    schedule: int


@dataclass(frozen=True)
class Estimate:
    """A metric over replications: their mean and its 95 % confidence interval, in the metric's unit.

    `needed`: how many replications would settle whether the bound holds; 0 if these settle it, None if no number that
    anybody would wait for does.
    """

    mean: float
    low: float
    high: float
    replications: int
    needed: int | None


@dataclass(frozen=True)
class Measured:
    """An estimate of what a test expects of a simulation, and whether that holds. `text` is one line."""

    where: Where
    metric: str
    estimate: Estimate
    ok: bool
    text: str


@dataclass(frozen=True)
class Failure:
    """An expectation that does not hold. `summary` is one line, `text` the whole message and begins with it."""

    where: Where
    summary: str
    text: str
    spans: tuple[BadSpan, ...] = ()
    estimate: Estimate | None = None


@dataclass(frozen=True)
class TestOutcome:
    """What became of a test."""

    test: Test
    failures: tuple[Failure, ...]
    measured: tuple[Measured, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class Checked:
    """Everything there is to say about some templates, their tests and their snapshots.

    `findings` in the order of files and lines, `presets` says how many were looked at. A test file with an error in it
    or in its template has no outcomes.
    """

    findings: tuple[Finding, ...]
    outcomes: tuple[TestOutcome, ...]
    status: Status
    presets: int
    strict: bool = False
    differences: tuple[Finding, ...] = ()
    """Where a snapshot beside a template is not what the template asks for."""
