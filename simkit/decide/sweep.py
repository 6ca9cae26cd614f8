"""One scenario at many points: a grid, or a sample of it, computed on any executor and kept in a file as it goes."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simkit.arguments import a_mapping, a_path, a_whole_number, at_least, takes, texts
from simkit.clock import WEEK_US
from simkit.decide.variation import Point, Variation, points, read_variations
from simkit.decide.work import in_order, workers
from simkit.errors import Finding, Findings, InputError, RunError, SimkitError, Where
from simkit.inputs.variables import Outside
from simkit.inputs.varied import PRESETS, Varied
from simkit.model import Demand, People, Scenario
from simkit.runs.counts import count_measures
from simkit.runs.givens import givens, scenario_digest
from simkit.store.sweeps import REAL, WHOLE, Known, Outcome, Rows, SweepFile, read_sweep, sweep_file

if TYPE_CHECKING:
    import pandas as pd

_WRITE_AFTER_S = 1.0
"""What is done is written about once a second: so much is lost when the process is killed."""
_TOGETHER = 16
"""So many points at most are sent together, so that demand and people, which are large, travel with them once."""
_TRIED = 50
"""A value that the scenario alone does not take is tried in so many points before it is refused."""


@dataclass(frozen=True)
class Swept:
    """What a sweep did: `points` it has in all, of which `stored` were there before; `failures`: (values by path,
    message) of those that failed."""

    out: str
    points: int
    stored: int
    failures: tuple[tuple[dict[str, str], str], ...]

    @property
    def table(self) -> pd.DataFrame:
        """All rows of the file, also of points of earlier sweeps: see simkit.store.sweeps.read_sweep."""
        return read_sweep(self.out)


@takes(
    scenario=a_path,
    vary=texts,
    out=a_path,
    sample=at_least(1),
    replications=at_least(1),
    seed=a_whole_number,
    variables=a_mapping,
)
def sweep(
    scenario: str | Path,
    vary: Sequence[str],
    out: str | Path,
    *,
    sample: int | None = None,
    replications: int = 1,
    seed: int = 0,
    variables: Outside | None = None,
    executor: Executor | None = None,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Swept:
    """Simulate a scenario file at every point of a grid, or at `sample` points that fill it evenly, into a DuckDB file.

    `vary`: PATH=VALUES each (see simkit.decide.variation), the path being `presets.NAME.instances`, `presets.NAME.ttl`
    or a key of the file, such as `coder.provisioner_daemons`. The file's table `points` has a column per path,
    `measures` a row per point, replication and preset, with what the questions `summary` and `hours` say. What is there
    already is not computed again, and a sweep that was stopped goes on; a point that fails is a row with its message,
    is tried again the next time, and stops no other. `executor`: any of concurrent.futures, also a Dask client's
    (client.get_executor()); threads if it is left out; the numbers are the same. `told` is called with how many points
    are done, of how many.

    Raises InputError with every problem, StoreError for a file of something else, RunError if the workers die.

    >>> simkit.sweep("data/scenarios/workweek.yaml", ["presets.goland-large.instances=0,2"], "sweep.duckdb").points
    2
    """
    varied, variations = _read(scenario, vary, variables)
    plan = points(variations, sample, seed)
    _check_values(varied, variations, plan)
    paths = [variation.path for variation in variations]
    made_of = (varied.base.name, seed, scenario_digest(varied.base))
    failures: list[tuple[dict[str, str], str]] = []
    with sweep_file(out, paths, [v.values for v in variations], made_of) as file, workers(executor) as given:
        known = file.stored()
        tasks = _Tasks(varied, paths, plan, seed, replications, known, file, is_sent=executor is not None)
        pending: list[Outcome] = []
        told(0, len(plan))
        done, written_at = 0, time.monotonic()
        try:
            together = 1 if executor is None else min(_TOGETHER, 1 + len(plan) // (4 * _TOGETHER))
            for outcomes in in_order(given, _all_measured, _batches(tasks, together)):
                pending += outcomes
                failures += [(dict(zip(paths, o.values, strict=True)), o.message) for o in outcomes if o.message]
                done += len(outcomes)
                told(done + tasks.stored, len(plan))
                if time.monotonic() - written_at >= _WRITE_AFTER_S:
                    file.write(pending, known)
                    pending, written_at = [], time.monotonic()
        except (SimkitError, KeyboardInterrupt):
            raise
        except Exception as error:
            # What a run raises is its point's message: this is the executor's.
            text = (
                f"{out}: the workers ended ({type(error).__name__}: {error}); the same sweep goes on where it was left"
            )
            raise RunError(text) from error
        finally:
            file.write(pending, known)
        told(len(plan), len(plan))
    return Swept(str(out), len(plan), tasks.stored, tuple(failures))


def _read(scenario: str | Path, vary: Sequence[str], variables: Outside | None) -> tuple[Varied, tuple[Variation, ...]]:
    """The scenario and what is varied, or every problem of both."""
    findings = Findings()
    varied, variations = None, None
    try:
        variations = read_variations(vary)
    except InputError as error:
        findings.extend(error.problems)
    try:
        varied = Varied(scenario, variables)
    except InputError as error:
        findings.extend(error.problems)
    findings.raise_errors()
    assert varied is not None, "what cannot be read has a problem"
    assert variations is not None, "what cannot be read has a problem"
    return varied, variations


def _check_values(varied: Varied, variations: Sequence[Variation], plan: Sequence[Point]) -> None:
    """Raise InputError with what is wrong with values that no point can take."""
    findings = Findings()
    for i, variation in enumerate(variations):
        for value in variation.values:
            try:
                varied.scenario({variation.path: value})
            except InputError as error:
                # Some values go together only with others: a median with its p95.
                mine = islice((point for point in plan if point[i] == value), _TRIED)
                is_of_preset = variation.path.startswith(PRESETS)
                if is_of_preset or not any(_can_be(varied, variations, point) for point in mine):
                    findings.extend(
                        _of_value(problem, f"--vary {variation.path}={value}") for problem in error.problems
                    )
    findings.raise_errors()


def _of_value(problem: Finding, given: str) -> Finding:
    """A problem told where the value was given, also if the scenario has it in one of its lines."""
    text = problem.text if problem.where.path.startswith("--vary") else str(problem)
    return replace(problem, where=Where(given), text=text)


def _can_be(varied: Varied, variations: Sequence[Variation], point: Point) -> bool:
    try:
        varied.scenario({v.path: text for v, text in zip(variations, point, strict=True)})
    except InputError:
        return False
    return True


class _Task(NamedTuple):
    """A point to compute. `who`: demand and people, pickled, where the scenario is sent without them; `message`: why
    there is no scenario."""

    values: Point
    digest: str
    scenario: Scenario | None
    who: bytes
    seed: int
    replications: tuple[int, ...]
    message: str


class _Tasks:
    """The points that the file lacks, in order, each read when it is its turn; `stored` counts the others so far."""

    def __init__(
        self,
        varied: Varied,
        paths: Sequence[str],
        plan: Sequence[Point],
        seed: int,
        replications: int,
        known: Known,
        file: SweepFile,
        is_sent: bool,
    ) -> None:
        self._varied, self._paths, self._plan, self._seed = varied, paths, plan, seed
        self._replications, self._known, self._file, self._is_sent = replications, known, file, is_sent
        self._sent: tuple[Demand, tuple[People, ...], bytes] = ((), (), pickle.dumps(((), ())))
        self.stored = 0

    def __iter__(self) -> Iterator[_Task]:
        for values in self._plan:
            stored = self._known.get(values)
            there = stored.replications if stored else frozenset()
            missing = tuple(r for r in range(self._replications) if r not in there)
            try:
                scenario = self._varied.scenario(dict(zip(self._paths, values, strict=True)))
            except InputError as error:
                yield _Task(values, "", None, b"", self._seed, (), str(error))
                continue
            digest = scenario_digest(scenario)
            if stored and there and stored.digest != digest:
                raise self._file.moved(scenario.name)
            if not missing:
                self.stored += 1
                continue
            who = b""
            if self._is_sent:
                who = self._who_of(scenario)
                scenario = replace(scenario, demand=(), people=())
            yield _Task(values, digest, scenario, who, self._seed, missing, "")

    def _who_of(self, scenario: Scenario) -> bytes:
        """Demand and people as they are sent: the same bytes as before where they are the same, for they are large."""
        demand, people, _ = self._sent
        if demand is not scenario.demand or people is not scenario.people:
            self._sent = scenario.demand, scenario.people, pickle.dumps((scenario.demand, scenario.people))
        return self._sent[2]


@lru_cache(maxsize=4)
def _who(pickled: bytes) -> tuple[Demand, tuple[People, ...]]:
    """Made once in a process, so that what follows from it is made once, too."""
    demand, people = pickle.loads(pickled)
    return demand, people


def _batches(tasks: Iterable[_Task], size: int) -> Iterator[tuple[_Task, ...]]:
    pending = iter(tasks)
    while batch := tuple(islice(pending, size)):
        yield batch


def _all_measured(tasks: tuple[_Task, ...]) -> list[Outcome]:
    return [_measured(task) for task in tasks]


def _measured(task: _Task) -> Outcome:
    """A point's measures, or the message of what failed. What comes back is small: the rows of runs stay here."""
    if task.scenario is None:
        return Outcome(task.values, "", 0.0, None, task.message)
    scenario = task.scenario
    if task.who:
        demand, people = _who(task.who)
        scenario = replace(scenario, demand=demand, people=people)
    weeks = (scenario.end_at - scenario.start_at) / WEEK_US
    try:
        found = [count_measures(givens(scenario, task.seed, replication)) for replication in task.replications]
    except Exception as error:
        told = str(error) if isinstance(error, SimkitError) else f"{type(error).__name__}: {error}"
        return Outcome(task.values, task.digest, weeks, None, told)
    rows = Rows(
        replication=np.repeat(np.array(task.replications, dtype=np.int64), [len(m.presets) for m in found]),
        preset=list(chain.from_iterable(m.presets for m in found)),
        columns={name: np.concatenate([m.columns[name] for m in found]) for name in (*WHOLE, *REAL)},
    )
    return Outcome(task.values, task.digest, weeks, rows, "")


TOTALS = (
    *("hit_rate", "wait_p95_s", "idle_hours_per_week", "pool_cost_per_week", "pool_hours_per_week", "builds_per_week"),
)


def totals(swept: Swept) -> pd.DataFrame:
    """A row for each of the sweep's points that succeeded: its values, and TOTALS over its presets, as means of the
    replications; `wait_p95_s` is the longest of its presets'. Without costs there are hours in their place."""
    table = swept.table
    paths = list(table.columns[1 : list(table.columns).index("weeks")])
    good = table[table["message"].isna()]
    runs = good.groupby(["point", "replication"], sort=False)
    by_run = runs[["claims", "hits", "builds", "idle_instance_hours", "pool_instance_hours", "pool_cost"]].sum()
    weeks = runs["weeks"].first()
    found = runs[paths].first()
    found["hit_rate"] = by_run["hits"] / by_run["claims"].where(by_run["claims"] > 0)
    found["wait_p95_s"] = runs["wait_p95_s"].max()
    found["idle_hours_per_week"] = by_run["idle_instance_hours"] / weeks
    paid = "pool_cost" if by_run["pool_cost"].any() else "pool_instance_hours"
    found["pool_cost_per_week" if paid == "pool_cost" else "pool_hours_per_week"] = by_run[paid] / weeks
    found["builds_per_week"] = by_run["builds"] / weeks
    how = dict.fromkeys(paths, "first") | {name: "mean" for name in found.columns if name not in paths}
    return found.groupby("point").agg(how)


def front(of_points: pd.DataFrame) -> pd.DataFrame:
    """The points of `totals` than which no other has as high a hit rate for less, cheapest first."""
    paid = next(name for name in ("pool_cost_per_week", "pool_hours_per_week") if name in of_points)
    known = of_points[of_points["hit_rate"].notna()]
    ordered = known.sort_values([paid, "hit_rate"], ascending=[True, False], kind="stable")
    best = ordered["hit_rate"].cummax().shift(fill_value=-1.0)
    return ordered[ordered["hit_rate"] > best]
