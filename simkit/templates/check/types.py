"""What a test file says, and what running it gives: frozen facts, each knowing the line that it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import ClassVar, Literal

from simkit.clock import Zone
from simkit.coder_versions import Behaviour
from simkit.errors import Finding, Where
from simkit.model import Preset, Scenario

Status = Literal[0, 1, 2]
"""0: all is well. 1: a test failed. 2: an input cannot be used."""
WEEKS, MOST_WEEKS = 4, 520
"""What counts of a history if nothing is said: the fewest weeks that a recommendation takes, for older ones hide what
people do by now."""
WITHIN = 0.10
"""By so much the best for four weeks differs from the best for the next four by chance alone."""
TARGET = 0.95
"""What `simkit recommend` aims at if nothing is said."""


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


@dataclass(frozen=True)
class DriftExpectation:
    """That a preset's numbers cost at most the share `within` more than the best with as many schedules, and meet
    `target`, a hit rate, in the last `weeks` whole weeks of a history.

    `history`: a runs file, "" for what the test simulates; `template`: which of its templates, "" for the one that has
    such a preset; `was`: the preset's name in it, "" if it is the same.
    """

    within: float
    target: float
    weeks: int
    where: Where
    history: str = ""
    template: str = ""
    was: str = ""


Expectation = DesiredExpectation | MetricExpectation | NeverExpectation | DriftExpectation


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

    options: tuple[str, ...] = ()
    """More words of the command that runs its tests."""

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
class Setting:
    """What a preset's numbers have in the weeks that count: the hit rate, and a week's instance-hours of the pool
    (building, idle and deleting) with what they cost."""

    hit_rate: float
    pool_hours_per_week: float
    cost_per_week: float


@dataclass(frozen=True)
class Against:
    """The history that all presets below some paths are held to, and what is asked of them.

    `target`: None for what the tests of a preset ask of its hit rate, else TARGET; `template`: which one of the
    history's, "" for the one that has a preset; `renamed`: (old, new) names.
    """

    history: str
    weeks: int = WEEKS
    within: float = WITHIN
    target: float | None = None
    template: str = ""
    renamed: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """As on a command line."""
        words = ["--against", self.history]
        words += ["--weeks", str(self.weeks)] if self.weeks != WEEKS else []
        words += ["--within", f"{self.within:.10g}"] if self.within != WITHIN else []
        words += ["--target-hit-rate", f"{self.target:.10g}"] if self.target is not None else []
        words += ["--template", self.template] if self.template else []
        return (*words, *(word for old, new in self.renamed for word in ("--renamed", f"{old}={new}")))


@dataclass(frozen=True)
class Drift:
    """How far a preset's numbers are from the best for the last weeks.

    [from_at, until_at): the weeks that count; `claims` in them. `best`: of the cheapest numbers with as many schedules
    that meet the target in them, as far as a search finds them, or come nearest to it (not `is_best_enough`); `block`:
    these, as Terraform. `misses`: the hit rate is below the target by more than weeks differ; `costs_more`: they cost
    more than they may. `broke_at`: the Monday of the week since which that is so, None if no week stands out.
    `by_week`: of each whole week of the history the hit rate of these numbers or, where they only cost too much, of the
    best ones, NaN where nobody came; `rate_before` and `rate_after` are of the weeks before that Monday and since.
    """

    from_at: int
    until_at: int
    weeks: int
    claims: int
    target: float
    now: Setting
    best: Setting
    block: str
    is_best_enough: bool
    misses: bool
    costs_more: bool
    broke_at: int | None
    weeks_before: int
    rate_before: float
    rate_after: float
    by_week: tuple[float, ...]
    currency: str
    assumed: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.misses and not self.costs_more

    @property
    def above_best(self) -> float:
        """The share by which they cost more than the best; negative if they cost less."""
        if not self.best.pool_hours_per_week:
            return inf if self.now.pool_hours_per_week else 0.0
        return self.now.pool_hours_per_week / self.best.pool_hours_per_week - 1


@dataclass(frozen=True)
class Measured:
    """What a test expects of a simulation, by an estimate or its drift, and whether that holds. `text` is one line."""

    where: Where
    metric: str
    estimate: Estimate | None
    ok: bool
    text: str
    drift: Drift | None = None


@dataclass(frozen=True)
class Failure:
    """An expectation that does not hold. `summary` is one line, `text` the whole message and begins with it."""

    where: Where
    summary: str
    text: str
    spans: tuple[BadSpan, ...] = ()
    estimate: Estimate | None = None
    drift: Drift | None = None


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
