"""How fast a run answers, as ratios to the kernel's own time: two weeks with 948 claims, and the year with 100,000."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import simkit
from benchmarks import year
from benchmarks.clocks import line, spread, timed
from simkit.core import kernel
from simkit.model import Scenario
from simkit.runs.measures import measures, measures_by_hour
from simkit.runs.simulate import replicate, run
from simkit.store import ask

WORKWEEK = Path(__file__).parent.parent / "data" / "scenarios" / "workweek.yaml"
REPLICATIONS = 20
START = """
import duckdb, pandas, simkit, sys
from rich.progress import Progress
from simkit.cli import main
simkit.lint(given := simkit.load(sys.argv[1]))
simkit.run(given)
"""


def answers() -> None:
    """Both scenarios, in this process; then the whole command."""
    _of("two weeks, 948 claims", simkit.load(WORKWEEK), times=30)
    _of("a year, 100,000 claims", year.scenario(), times=5)
    _command()


def _of(what: str, scenario: Scenario, times: int) -> None:
    result = run(scenario)  # compiles
    seeds = count(1)  # a seed of its own for each run: nothing that was made for another serves it
    _, kernel_s = timed(lambda: kernel.simulate(result.given.inputs, result.given.people), times)
    _, run_s = timed(lambda: run(scenario, next(seeds)), times)
    _, measures_s = timed(lambda: (measures(result), measures_by_hour(result)), times)
    kernel_ms, run_ms, measures_ms = (1e3 * statistics.median(s) for s in (kernel_s, run_s, measures_s))
    line(f"{what}: kernel", f"{kernel_ms:,.2f} ms", spread(kernel_s))
    line("  simkit.run", f"{run_ms:,.2f} ms", f"aim {2 * kernel_ms + 1:,.2f}: twice the kernel and 1 ms")
    line("  measures, by hour too", f"{measures_ms:,.2f} ms", f"aim {1.5 * kernel_ms + 1:,.2f}: 1.5 kernels and 1 ms")
    asked_s = _asked(scenario, seeds, times=5)
    if times > 5:
        ratio = 1e3 * statistics.median(asked_s) / run_ms
        line(f"  summary of {REPLICATIONS} results, in runs", f"{ratio:,.0f}", f"aim 75; {spread(asked_s)}")
    else:
        line(f"  summary of {REPLICATIONS} results", f"{min(asked_s):,.2f} s", f"aim 2 s; {spread(asked_s)}")


def _asked(scenario: Scenario, seeds: Iterator[int], times: int) -> list[float]:
    """Seconds that a question takes, each time of results of which nothing was asked before."""
    seconds = []
    for _ in range(times):
        results = list(replicate(scenario, next(seeds), REPLICATIONS))
        seconds += timed(partial(ask, results, "summary"), 1)[1]
    return seconds


def _command() -> None:
    """The command on the workweek, against a process that loads and reads the same and simulates once."""
    command = [sys.executable, "-m", "simkit.cli", "run", str(WORKWEEK), "--replications", str(REPLICATIONS)]

    def finished(of: list[str]) -> object:
        return subprocess.run(of, check=True, capture_output=True)

    finished(command)  # compiles
    start_s = timed(lambda: finished([sys.executable, "-c", START, str(WORKWEEK)]), 3)[1]
    command_s = timed(lambda: finished(command), 3)[1]
    more = min(command_s) - min(start_s)
    line(
        f"simkit run --replications {REPLICATIONS}, after start-up", f"{more:.2f} s", f"aim 0.5 s; {spread(command_s)}"
    )
