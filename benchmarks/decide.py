"""What a candidate costs who is compared with others: its counts, its measures, and a run that is asked a question.

And what is made of candidates: a sweep, and a recommendation.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import year
from benchmarks.clocks import line, spread, timed
from benchmarks.memory import peak_megabytes
from simkit import ask, sweep
from simkit.clock import MINUTE_US, WEEK_US
from simkit.core import kernel
from simkit.model import History, Scenario, lognormal
from simkit.runs.counts import count
from simkit.runs.givens import givens
from simkit.runs.measures import measures
from simkit.runs.result import KernelResult
from simkit.runs.simulate import run


def scenario() -> Scenario:
    """The year, with builds of chance."""
    given = year.scenario()
    return replace(given, workload=replace(given.workload, build=lognormal(year.BUILD_US, 3 * MINUTE_US * 3 // 2)))


def fresh(of: Scenario) -> Scenario:
    """The same of which nothing has been made yet."""
    demand = of.demand
    assert isinstance(demand, History)
    return replace(of, demand=replace(demand))


def decide() -> None:
    """The same year as counts, as rows, as measures and as an answer, in processor time."""
    of = scenario()
    given = givens(of, 7, 0)
    edges = np.append(np.arange(of.start_at, of.end_at, WEEK_US), of.end_at)
    found, asked = count(given, edges), run(of, 7)  # compile
    assert found.hits.sum() == measures(asked).hits.sum(), "both tell the same story"
    rounds: dict[str, list[float]] = {}
    for _ in range(11):  # one after the other, so that they meet the same machine
        for name, work in (
            ("counts", lambda: count(given, edges)),
            ("kernel", lambda: kernel.simulate(given.inputs)),
            ("candidate", lambda: measures(KernelResult(given, kernel.simulate(given.inputs)))),
            ("run", lambda: run(fresh(of), 7)),
        ):
            rounds.setdefault(name, []).extend(timed(work, 1, time.process_time)[1])
    rounds["ask"] = timed(lambda: ask(run(fresh(of), 7), "summary"), 3, time.process_time)[1]
    best = {name: min(seconds) for name, seconds in rounds.items()}
    line("counts of a year by week", f"{best['counts'] * 1e3:,.1f} ms", spread(rounds["counts"]))
    line("ratio to the kernel", f"{best['counts'] / best['kernel']:.2f}", f"aim 0.65; {spread(rounds['kernel'])}")
    line("ratio to simkit.run", f"{best['counts'] / best['run']:.2f}", f"aim 0.28; {spread(rounds['run'])}")
    line("times as fast as simkit.run and a question", f"{best['ask'] / best['counts']:,.0f}", "aim 25")
    line("kernel and measures, ratio to the kernel", f"{best['candidate'] / best['kernel']:.2f}", "aim 1.4")
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda _: count(given, edges), range(2)))
    assert all((one.ready_at == found.ready_at).all() and (one.idle_us == found.idle_us).all() for one in both)


POINTS = 20, 80
"""Points of a sweep, and of a larger one."""


def sweeps() -> None:
    """Sweeps of the year into a file, processor time of all threads, beside the kernel on their points."""
    with tempfile.TemporaryDirectory() as folder:
        path = year.write(Path(folder))
        seconds: dict[int, float] = {}
        given = [givens(replace(year.scenario(), provisioner_daemons=daemons), 0, 0) for daemons in range(8, 12)]
        kernel.simulate(given[0].inputs)
        kernel_s: list[float] = []
        for points in (1, *POINTS * 3):  # the first compiles
            out = Path(folder, f"{len(kernel_s)}.duckdb")
            vary = [
                f"presets.large.instances=1..{min(points, 10)}",
                f"coder.provisioner_daemons=8..{7 + -(-points // 10)}",
            ]
            took = timed(partial(sweep, path, vary, out), 1, time.process_time)[1]
            seconds[points] = min(seconds.get(points, np.inf), *took)
            for one in given:
                kernel_s += timed(partial(kernel.simulate, one.inputs), 1, time.process_time)[1]
    once, twice = (seconds[points] for points in POINTS)
    each = (twice - once) / (POINTS[1] - POINTS[0])
    line(f"a sweep of {POINTS[1]} points of a year", f"{twice:.2f} s", f"{POINTS[0]} points: {once:.2f} s")
    line("each further point", f"{each * 1e3:,.1f} ms")
    # A sweep meets the processor as it is and not at its best: so does the kernel that it is compared with.
    line("ratio to the kernel's median", f"{each / np.median(kernel_s):.2f}", f"aim 0.72; {spread(kernel_s)}")
    line("peak memory of this process", f"{peak_megabytes():,.0f} MB", "aim 2,000 MB")
