"""Which differences between scenarios are real: the same people and the same slow builds meet each of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.arguments import (
    a_mapping,
    a_number,
    a_scenario_or_path,
    a_whole_number,
    at_least,
    scenarios_or_paths,
    takes,
    texts,
)
from simkit.clock import HOUR_US, NEVER, SECOND_US
from simkit.decide.settling import FIRST, enough_later, replications_for, settled_interval
from simkit.decide.work import in_order, workers
from simkit.errors import Finding, Findings, InputError, Where
from simkit.estimates import Interval, deviation, mean_interval, t_quantile
from simkit.inputs import load
from simkit.inputs.variables import Outside
from simkit.model import Scenario
from simkit.runs.counts import count_by_week
from simkit.runs.givens import givens
from simkit.runs.measures import ByWeek
from simkit.runs.simulate import is_only_of_builds

Float64Array = npt.NDArray[np.float64]

ALL = "all presets"
MEASURES = ("hit_rate", "wait_p95_s", "idle_hours", "pool_cost", "pool_hours", "builds")
"""Of a week: the share of claims that a prebuild served (0 without a pool), the 95th percentile of waits in seconds,
idle instance-hours, what the pool costs and runs (building, idle and deleting), prebuilds built. The pool's cost is
compared where something costs, its hours where nothing does."""
Verdict = Literal["real", "same", "small", "open", "unknown"]
WITHIN = 0.05
"""Of the base value: what is smaller than that needs no more replications."""


@dataclass(frozen=True)
class Difference:
    """One measure of a week, under BASE and under CHANGE, of one preset or of ALL.

    `base`, `change`: means over weeks and replications, `difference`: that of change - base, NaN where no week has a
    value on both sides. `of_replications`: its 95 % interval over replications; `of_weeks`: over weeks, where a history
    is replayed, each week being the mean of its replications; None where people are drawn, for then replications have
    other people, too, and their interval holds everything. `is_real`: both exclude 0; the one over replications may be
    the wider one, for what chance does in one week can stay for the weeks after it (a hard limit). `is_same`: not one
    pair of weeks differs.

    An open difference is settled once its half width is at most its size, or `within` of the base value, if means and
    deviations stay as they are: with `replications` more, and with `weeks` more of history where no number of
    replications could; None where none is needed, infinite where nothing would do.
    """

    preset: str
    measure: str
    base: float
    change: float
    difference: float
    of_replications: Interval
    of_weeks: Interval | None
    is_same: bool
    replications: float | None
    weeks: float | None

    @property
    def is_real(self) -> bool:
        known = [self.of_replications, *([self.of_weeks] if self.of_weeks else [])]
        return all(interval.low > 0 or interval.high < 0 for interval in known)

    @property
    def verdict(self) -> Verdict:
        """unknown: one replication, or no week with a value on both sides."""
        if self.is_same and not math.isnan(self.difference):
            return "same"
        if self.is_real:
            return "real"
        if math.isnan(self.of_replications.low):
            return "unknown"
        return "small" if self.replications is None and self.weeks is None else "open"


@dataclass(frozen=True)
class Changed:
    """What one CHANGE does: `differences` by preset and measure, ALL last; `only_base` and `only_change` are presets
    that one side alone has."""

    name: str
    differences: tuple[Difference, ...]
    only_base: tuple[str, ...]
    only_change: tuple[str, ...]

    def of(self, preset: str, measure: str) -> Difference:
        return next(d for d in self.differences if (d.preset, d.measure) == (preset, measure))


@dataclass(frozen=True)
class Comparison:
    """BASE and what each CHANGE does to it.

    `weeks`: whole ones of the window, from Monday in `zone`; `left_out_us`: what is left of the window. `is_replayed`:
    a history is, so that replications differ in the chance of builds alone. `until_settled`: the share of the base
    values that was asked for, if any; `is_settled`: whether that was reached before the most replications.
    """

    base: str
    changes: tuple[Changed, ...]
    replications: int
    seed: int
    weeks: int
    left_out_us: int
    zone: str
    currency: str
    is_replayed: bool
    within: float
    until_settled: float | None
    is_settled: bool


@takes(
    base=a_scenario_or_path,
    changes=scenarios_or_paths,
    replications=at_least(1),
    seed=a_whole_number,
    until_settled=a_number,
    measures=texts,
    variables=a_mapping,
)
def compare(
    base: str | Path | Scenario,
    *changes: str | Path | Scenario,
    replications: int = 50,
    seed: int = 0,
    until_settled: float | None = None,
    measures: Sequence[str] = MEASURES,
    variables: Outside | None = None,
    executor: Executor | None = None,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Simulate scenarios with the same people and the same slow builds, and tell which differences are real.

    Weeks are paired: week w of replication r of a change with that of the base. `until_settled`: a share, such as 0.05;
    after a first stage of 20 replications so many more are made, `replications` at most, that each of the `measures` of
    ALL presets has an interval over replications of at most this share of its base value on either side, or is real
    beyond doubt (see simkit.decide.settling). `executor`: where runs are computed, threads if it is left out. `told` is
    called with how many runs are done, of how many. Raises InputError with every problem, RunError.

    >>> today = simkit.load("data/scenarios/workweek.yaml")
    >>> from dataclasses import replace
    >>> faster = replace(today, provisioner_daemons=12)
    >>> change = simkit.compare(today, faster, replications=2).changes[0]
    >>> [row.measure for row in change.differences][:2]
    ['hit_rate', 'wait_p95_s']
    """
    sides = _sides((base, *changes), variables)
    weeks = _Weeks(tuple(scenario for _, scenario in sides), seed)
    has_cost = any(w.cost_per_instance_hour for _, s in sides for w in (s.workload, *(w for _, w in s.workloads)))
    asked = [m for m in MEASURES if m in measures and m != ("pool_hours" if has_cost else "pool_cost")]
    first = replications if until_settled is None else min(FIRST, replications)
    is_settled = False
    with workers(executor) as given:
        weeks.more(first, given, told)
        if until_settled is not None:
            wanted = max(chain([2.0], (weeks.needed(i, m, until_settled) for i in weeks.changes for m in asked)))
            is_settled = wanted <= replications
            weeks.more(int(min(wanted, replications)), given, told)
    scenario = sides[0][1]
    edges = weeks.edges
    return Comparison(
        base=sides[0][0],
        changes=tuple(weeks.changed(i, sides[i][0], asked, first, until_settled or WITHIN) for i in weeks.changes),
        replications=weeks.replications,
        seed=seed,
        weeks=edges.size - 1,
        left_out_us=scenario.end_at - scenario.start_at - int(edges[-1] - edges[0]),
        zone=scenario.zone.name,
        currency=scenario.currency,
        is_replayed=weeks.is_replayed,
        within=until_settled or WITHIN,
        until_settled=until_settled,
        is_settled=is_settled,
    )


def _sides(given: Sequence[str | Path | Scenario], variables: Outside | None) -> list[tuple[str, Scenario]]:
    """(name, scenario) of each side. Raises InputError with every problem of every file, and what cannot be paired."""
    findings, sides = Findings(), []
    for one in given:
        try:
            sides.append((one.name, one) if isinstance(one, Scenario) else (str(one), load(one, variables)))
        except InputError as error:
            findings.extend(error.problems)
    findings.raise_errors()
    (first, base), *rest = sides
    for name, scenario in rest:
        where = Where(name)
        if (scenario.start_at, scenario.end_at, scenario.zone.name) != (base.start_at, base.end_at, base.zone.name):
            findings.error(where, f"its window differs from that of {first}; write the same from, until and timezone")
        if scenario.currency != base.currency:
            text = f"costs are in {scenario.currency}, and those of {first} in {base.currency}; write one currency"
            findings.error(where, text)
    findings.raise_errors()
    return sides


class _Task(NamedTuple):
    scenario: Scenario
    seed: int
    replication: int


def _by_week(task: _Task) -> ByWeek:
    return count_by_week(givens(*task))


class _Weeks:
    """The weeks of each side's replications, as far as they were simulated."""

    def __init__(self, scenarios: Sequence[Scenario], seed: int) -> None:
        self._scenarios, self._seed = scenarios, seed
        self._tables: list[list[ByWeek]] = [[] for _ in scenarios]
        self.changes = range(1, len(scenarios))
        # Where nobody comes, nobody is drawn.
        self.is_replayed = all(is_only_of_builds(s) or not (s.demand or s.people) for s in scenarios)

    @property
    def replications(self) -> int:
        return len(self._tables[-1])

    @property
    def edges(self) -> npt.NDArray[np.int64]:
        return self._tables[0][0].edges

    def more(self, until: int, executor: Executor, told: Callable[[int, int], None]) -> None:
        """Simulate replications until there are so many of each side. Raises InputError where no week is whole."""
        sides = len(self._scenarios)
        tasks = (
            _Task(scenario, self._seed, replication)
            for replication in range(self.replications, until)
            for scenario in self._scenarios
        )
        for i, table in enumerate(in_order(executor, _by_week, tasks)):
            if table.edges.size < 2:
                zone = self._scenarios[0].zone.name
                text = f"the window has no whole week from Monday in {zone}; let it reach from a Monday to another"
                raise InputError([Finding("error", self._scenarios[0].where, text)])
            self._tables[i % sides].append(table)
            told(sum(map(len, self._tables)), until * sides)

    def pairs(self, i: int, preset: str, measure: str) -> tuple[Float64Array, Float64Array]:
        """(base, change) by replication and week: float64[r, w], NaN on both sides where one has no value."""
        base, change = (np.stack([_values(table, preset, measure) for table in self._tables[side]]) for side in (0, i))
        lacks = np.isnan(base) | np.isnan(change)
        return np.where(lacks, np.nan, base), np.where(lacks, np.nan, change)

    def needed(self, i: int, measure: str, share: float) -> float:
        base, change = self.pairs(i, ALL, measure)
        differences = _means(change - base, 1)
        if differences.size < 2:
            return 2  # nothing to be known, or of one replication
        return replications_for(differences, share * abs(float(_means(base, 1).mean())))

    def changed(self, i: int, name: str, measures: Sequence[str], first: int, within: float) -> Changed:
        mine, theirs = self._tables[0][0].presets, self._tables[i][0].presets
        both = [preset for preset in mine if preset in theirs]
        is_one = len(mine) == len(theirs) == len(both) == 1  # which is all of them
        shown = both if is_one else [*both, ALL]
        return Changed(
            name=name,
            differences=tuple(self._difference(i, p, m, first, within) for p in shown for m in measures),
            only_base=tuple(p for p in mine if p not in theirs),
            only_change=tuple(p for p in theirs if p not in mine),
        )

    def _difference(self, i: int, preset: str, measure: str, first: int, within: float) -> Difference:
        base, change = self.pairs(i, preset, measure)
        differences = change - base
        # By replication where people are drawn: its weeks hang together. By week where a history is replayed.
        by_replication, by_week = _means(differences, 1), _means(differences, 0)
        over_weeks = mean_interval(by_week) if self.is_replayed and by_week.size > 1 else None
        over_replications = settled_interval(by_replication, first)
        difference = over_replications.mean
        found = Difference(
            preset=preset,
            measure=measure,
            base=_mean(_means(base, 1)),
            change=_mean(_means(change, 1)),
            difference=difference,
            of_replications=over_replications,
            of_weeks=over_weeks,
            is_same=bool(np.all(np.isnan(differences) | (differences == 0))),
            replications=None,
            weeks=None,
        )
        if found.is_real or found.is_same or by_replication.size < 2:
            return found
        half = max(abs(difference), within * abs(found.base))
        more = enough_later(deviation(by_replication), half, self.replications) - self.replications
        if over_weeks is None:
            return replace(found, replications=more or None)
        # The variance of a week's mean is that of weeks, and that of builds shared by the replications.
        of_builds = float(np.nanmean(np.nanvar(differences, axis=0, ddof=1)))
        of_weeks = max(deviation(by_week) ** 2 - of_builds / self.replications, 0.0)
        room = by_week.size * (half / t_quantile(by_week.size - 1)) ** 2 - of_weeks
        weeks = 0.0
        if room > 0:
            more = max(more, math.ceil(of_builds / room) - self.replications)
        else:
            weeks = enough_later(deviation(by_week), half, by_week.size) - by_week.size
        return replace(found, replications=more or None, weeks=weeks or None)


def _values(table: ByWeek, preset: str, measure: str) -> Float64Array:
    """One measure of one preset (ALL: the last row) by week: float64[w], NaN where there is none."""
    row = len(table.presets) if preset == ALL else table.presets.index(preset)
    match measure:
        case "hit_rate":
            claims = table.claims[row]
            return np.where(claims > 0, table.hits[row] / np.maximum(claims, 1), np.nan)
        case "wait_p95_s":
            return np.where(table.wait_p95_us[row] == NEVER, np.nan, table.wait_p95_us[row] / SECOND_US)
        case "idle_hours":
            return table.idle_us[row] / HOUR_US
        case "pool_hours":
            return table.pool_us[row] / HOUR_US
        case "pool_cost":
            return table.pool_cost[row]
    assert measure == "builds", f"{measure} is one of MEASURES"
    return table.builds[row].astype(np.float64)


def _means(values: Float64Array, axis: int) -> Float64Array:
    """Means over an axis of what is not NaN; those of nothing are left out."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    return np.where(known, values, 0.0).sum(axis=axis)[count > 0] / count[count > 0]


def _mean(values: Float64Array) -> float:
    return float(values.mean()) if values.size else math.nan
