"""A scenario and a seed become a Result, on the kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from simkit.arguments import a_scenario, a_whole_number, at_least, takes
from simkit.core import kernel
from simkit.core.compile import compiled
from simkit.core.compile import will_compile as not_compiled
from simkit.model import History, Scenario
from simkit.phases import phase
from simkit.runs.givens import Givens, givens, told_if_too_long
from simkit.runs.result import KernelResult


@takes(scenario=a_scenario, seed=a_whole_number, replication=at_least(0))
def run(scenario: Scenario, seed: int = 0, replication: int = 0) -> KernelResult:
    """Simulate a scenario once. Raises RunError.

    >>> result = simkit.run(simkit.load("examples/template/morning.yaml"), seed=7)
    >>> result.ask("hit_rate")[["preset", "hits", "claims"]].to_dict("records")
    [{'preset': 'goland', 'hits': 10, 'claims': 10}]
    """
    return play(givens(scenario, seed, replication))


def play(given: Givens) -> KernelResult:
    """Simulate what is given. Raises RunError."""
    with phase("simulated", scenario=given.scenario.name, seed=given.seed, replication=given.replication) as told:
        result = KernelResult(given, rows_of(given))
        told |= {"workspaces": len(result.rows.workspaces), "builds": len(result.rows.builds)}
    compiled(kind_of(given.scenario, given.programs is not None))
    return result


def rows_of(given: Givens) -> kernel.Output:
    """The kernel's rows. Raises RunError for more than a run may have."""
    with told_if_too_long(given):
        return kernel.simulate(given.inputs, given.people, programs=given.programs, most_rows=given.most_rows)


def will_compile(scenario: Scenario, with_targets: bool = False) -> bool:
    """Will the next run of the scenario compile the event loop first? That takes some 20 seconds, once."""
    return not_compiled(kind_of(scenario, with_targets))


def kind_of(scenario: Scenario, with_targets: bool = False) -> str:
    """Which event loop it takes: the one without people, without an executor that comes to prebuilds, and without
    expressions as targets, is smaller."""
    kind = "people" if scenario.people else "pools"
    if not scenario.behaviour.executor_skips_prebuilds:
        kind = "prebuilds"
    return kind + "-targets" * with_targets


@takes(scenario=a_scenario, seed=a_whole_number, replications=at_least(1), threads=at_least(1))
def replicate(scenario: Scenario, seed: int, replications: int, threads: int | None = None) -> Iterator[KernelResult]:
    """Results of replications 0, 1, ... in order, computed on `threads` threads (as many as there are processors).

    >>> scenario = simkit.load("examples/template/morning.yaml")
    >>> results = list(simkit.replicate(scenario, seed=7, replications=3))
    >>> len(simkit.ask(results, "hit_rate"))
    3
    """
    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        # One window of work at a time: memory is bounded by the results in it and not by all of them.
        for first in range(0, replications, workers):
            window = range(first, min(first + workers, replications))
            yield from pool.map(lambda r: run(scenario, seed, r), window)


def chance(scenario: Scenario) -> str:
    """What differs between replications of a scenario, and so what an interval over them holds."""
    if is_only_of_builds(scenario):
        return (
            "Only the chance of builds: one history is replayed, every replication meets the same people, and what "
            "varies is how long builds take and which of them fail. Another week may differ by more."
        )
    return "The chance of people and of builds: every replication draws its own people, build times and failures."


def is_only_of_builds(scenario: Scenario) -> bool:
    return isinstance(scenario.demand, History) and not scenario.people
