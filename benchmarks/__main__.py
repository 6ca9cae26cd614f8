"""`make bench`: a year of one preset in simkit and in SimPy, a year of people, memory, start times, the whole command.

`python -m benchmarks compare start` runs only the benchmarks of these names.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks import many_presets, people, week, year
from benchmarks.answers import answers
from benchmarks.clocks import line, spread, timed
from benchmarks.decide import decide, sweeps
from benchmarks.drawing import drawing
from benchmarks.forecast import forecast
from benchmarks.load import SIZES, load
from benchmarks.memory import peak_megabytes
from benchmarks.peer_simpy import Counts, Deployment, Given
from benchmarks.promises import first_year, promises
from benchmarks.reports import reports
from benchmarks.targets import targets
from simkit.clock import NEVER
from simkit.core import facts, kernel
from simkit.runs.givens import givens
from simkit.runs.reference import run_reference
from simkit.runs.result import KernelResult
from simkit.runs.simulate import run

TINY = """
import simkit
from simkit.model import Preset, Scenario, TemplateVersion
scenario = Scenario("tiny", 0, 3_600_000_000, (TemplateVersion("t", "v1", (Preset("p", 1),)),))
assert len(simkit.run(scenario).rows.workspaces) == 1
"""
TINY_WITH_PEOPLE = """
from benchmarks import people
from simkit.runs.simulate import run
assert len(run(people.scenario(1)).rows.lives) > 0
"""
RECOMMEND = """
from benchmarks.promises import first_year
from simkit import recommend
found = recommend(first_year(), 0.95, max_schedules=3)
print(found.runs, found.is_met)
"""
YEAR = """
from benchmarks import year
from simkit.runs.simulate import run
run(year.scenario())
"""


def given(result: KernelResult) -> Given:
    """The peer's inputs: what the kernel was given."""
    scenario, inputs = result.scenario, result.inputs
    preset = scenario.versions[0].presets[0]
    return Given(
        claims_at=inputs.claims[:, facts.A_AT].tolist(),
        changes=list(zip(inputs.change_at.tolist(), inputs.change_desired.tolist(), strict=True)),
        end_at=scenario.end_at,
        interval_us=scenario.reconciler.interval_us,
        daemons=scenario.provisioner_daemons,
        base=preset.instances,
        ttl_us=preset.ttl_us,
        build_us=year.BUILD_US,
        agent_us=year.AGENT_US,
        claim_us=year.CLAIM_US,
        delete_us=year.DELETE_US,
        backoff_us=scenario.reconciler.backoff_interval_us,
        lookback_us=scenario.reconciler.backoff_lookback_us,
        hard_limit=scenario.reconciler.failure_hard_limit,
        failing=frozenset(year.FAILING),
    )


def counts(result: KernelResult) -> Counts:
    """What simkit's rows say of what the peer counts."""
    claims = result.tables["claims"]
    waits = np.where(claims["ready_at"] == NEVER, -1, claims["ready_at"] - claims["created_at"])
    return Counts(waits.tolist(), int(claims["hit"].sum()), len(result.rows.builds))


def child(code: str, **environment: str) -> tuple[float, float]:
    """Seconds and peak MB of a Python process of its own that executes the code."""
    report = "\nfrom benchmarks.memory import peak_megabytes; print(peak_megabytes())"
    before = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code + report], env=os.environ | environment, check=True, capture_output=True, text=True
    )
    return time.perf_counter() - before, float(done.stdout.splitlines()[-1])


def compare() -> None:
    """simkit and SimPy, in this process, on the same year."""
    scenario = year.scenario()
    result = run(scenario)  # compiles
    peer, peer_s = timed(lambda: Deployment(given(result)).run(), 3)
    _, kernel_s = timed(lambda: kernel.simulate(result.inputs), 15)
    _, run_s = timed(lambda: run(scenario), 5)
    assert peer == counts(result), "both models tell the same story"

    line("SimPy, claims per second", f"{year.CLAIMS / min(peer_s):,.0f}", spread(peer_s))
    line("simkit kernel, claims per second", f"{year.CLAIMS / min(kernel_s):,.0f}", spread(kernel_s))
    line("ratio (best to best)", f"{min(peer_s) / min(kernel_s):,.0f}", "aim 150")
    line(
        "simkit.run, claims per second",
        f"{year.CLAIMS / min(run_s):,.0f}",
        f"{spread(run_s)}; draws, schedules, kernel",
    )
    line("ratio (best to best)", f"{min(peer_s) / min(run_s):,.0f}")
    line("same hits, waits and builds in both", f"{peer.hits:,} hits", f"{peer.builds:,} builds")
    line("peak memory of this process, SimPy included", f"{peak_megabytes():,.0f} MB")


def lifecycle() -> None:
    """A year of people's workspaces, in this process."""
    scenario = people.scenario()
    run(people.scenario(1))  # compiles
    result, seconds = timed(lambda: run(scenario), 3)
    sessions, bumps = len(result.rows.claims), int(result.tables["lifecycle_decisions"]["bumps"].sum())
    line("simkit.run, a year of 2,000 people's workspaces", f"{min(seconds):.2f} s", f"{spread(seconds)}; aim 5 s")
    line("in it", f"{sessions:,} sessions", f"{len(result.rows.builds):,} builds, {bumps:,} bumps")


def reference() -> None:
    """A week on the reference engine and on the kernel, in this process; both tell the same story."""
    scenario = week.scenario()
    result = run(scenario)  # compiles
    _, kernel_s = timed(lambda: run(scenario), 5)
    slow, reference_s = timed(lambda: run_reference(scenario), 1)
    for table in ("workspaces", "workspace_builds", "provisioner_jobs", "claims"):
        for name, column in result.tables[table].items():
            assert (slow.tables[table][name] == column).all(), f"{table}.{name} differs"
    note = f"aim 60 s; {len(result.rows.builds):,} builds"
    line("reference engine, a week of 2,000 claims", f"{min(reference_s):.1f} s", note)
    line("ratio to simkit.run", f"{min(reference_s) / min(kernel_s):,.0f}", "equal rows")


def memory() -> None:
    """simkit alone, in a process of its own, with nothing to compile and with everything to compile."""
    child(YEAR)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        cold = child(YEAR, SIMKIT_CACHE_DIR=folder)[1]
    note = f"aim 300 MB; {cold:,.0f} MB if it compiles first"
    line("peak memory of simkit.run in its own process", f"{child(YEAR)[1]:,.0f} MB", note)


def start() -> None:
    """From the start of Python to the end of a tiny simulation, with SimPy's year in between to compare with."""
    peer = given(run(year.scenario()))
    kinds = (("pools", TINY, 1.5), ("people", TINY_WITH_PEOPLE, 3.5))
    peer_s: list[float] = []
    cold_s: dict[str, list[float]] = {}
    warm_s: dict[str, list[float]] = {}
    for _ in range(3):
        peer_s += timed(lambda: Deployment(peer).run(), 1)[1]
        for what, code, _ in kinds:
            with tempfile.TemporaryDirectory() as folder:
                cold_s.setdefault(what, []).append(child(code, SIMKIT_CACHE_DIR=folder)[0])
                warm_s.setdefault(what, []).append(child(code, SIMKIT_CACHE_DIR=folder)[0])
    for what, _, aim in kinds:
        cold, warm = cold_s[what], warm_s[what]
        line(f"process that simulates {what}, cold compile cache", f"{min(cold):.2f} s", spread(cold))
        line("ratio to SimPy's year (best to best)", f"{min(cold) / min(peer_s):.1f}", f"aim {aim}")
        line(f"process that simulates {what}, warm compile cache", f"{min(warm):.2f} s", f"{spread(warm)}; aim 0.8 s")


def command() -> None:
    """`simkit run` on the year's files, with a warm compile cache."""
    child(TINY)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        path = year.write(Path(folder))
        simkit_run = [sys.executable, "-m", "simkit.cli", "run", str(path), "--seed", "7", "--out"]
        seconds = []
        for i in range(3):
            before = time.perf_counter()
            subprocess.run([*simkit_run, str(Path(folder, f"{i}.duckdb"))], check=True, capture_output=True)
            seconds.append(time.perf_counter() - before)
    line("simkit run, start of process to stored file", f"{min(seconds):.2f} s", f"{spread(seconds)}; aim 3 s")


def check() -> None:
    """`simkit check` of many presets, start of process to its end, as a multiple of SimPy's year in between."""
    peer = given(run(year.scenario()))
    with tempfile.TemporaryDirectory() as folder:
        simkit_check = [sys.executable, "-m", "simkit.cli", "check", *many_presets.write(Path(folder))]
        seconds, peer_s = [], []
        for _ in range(3):
            peer_s += timed(lambda: Deployment(peer).run(), 1)[1]
            seconds += timed(partial(subprocess.run, simkit_check, cwd=folder, check=True, capture_output=True), 1)[1]
    line("simkit check, 500 presets, 500 tests of a year", f"{min(seconds):.2f} s", f"{spread(seconds)}; aim 10 s")
    line("ratio to SimPy's year (best to best)", f"{min(seconds) / min(peer_s):.1f}")


def recommendation() -> None:
    """`recommend` on a year of the demand that `promises` judges, with up to three schedules, in a process of its own.

    As a multiple of SimPy's year in between, of 100,000 claims and of as many.
    """
    claims = len(givens(first_year(), 0, 0).inputs.claims)
    peer, as_many = (given(run(year.scenario(many))) for many in (year.CLAIMS, claims))
    recommend = [sys.executable, "-c", RECOMMEND]
    told = subprocess.run(recommend, check=True, capture_output=True, text=True).stdout  # compiles
    seconds, peer_s = [], []
    for _ in range(3):
        peer_s += timed(lambda: Deployment(peer).run(), 1, time.process_time)[1]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(recommend, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    runs, is_met = told.split()
    line(f"recommend, {claims:,} claims in a year, with its start", f"{min(seconds):.2f} s", spread(seconds))
    line("ratio to SimPy's year (best to best)", f"{min(seconds) / min(peer_s):.1f}", f"aim 3; {spread(peer_s)}")
    few_s = timed(lambda: Deployment(as_many).run(), 2, time.process_time)[1]
    line("ratio to SimPy's year of as many claims", f"{min(seconds) / min(few_s):.1f}", spread(few_s))
    line("exact runs", runs, f"aim 40; target met: {is_met}")


BENCHMARKS = {
    benchmark.__name__: benchmark
    for benchmark in (
        compare,
        decide,
        sweeps,
        recommendation,
        targets,
        answers,
        drawing,
        forecast,
        lifecycle,
        reference,
        memory,
        start,
        command,
        check,
        promises,
        reports,
        load,
    )
}
BY_NAME = {promises.__name__, reports.__name__, load.__name__}
"""What takes minutes is run only where it is named."""


def main(names: list[str]) -> None:
    """Run the benchmarks of these names, or all that take seconds; a number is a size for `load`."""
    sizes = [int(name) for name in names if name.isdigit()]
    names = [name for name in names if not name.isdigit()]
    if unknown := [name for name in names if name not in BENCHMARKS]:
        sys.exit(f"no benchmark {', '.join(unknown)}; write one of: {', '.join(BENCHMARKS)}")
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy", "duckdb", "simpy"))
    print(f"Python {platform.python_version()}, {libraries}; {os.cpu_count()} processors, {platform.system()}")
    print(
        f"One preset, a year, {year.CLAIMS:,} claims. Ratios of one run carry over to other machines, seconds do not.\n"
    )
    for name in names or [name for name in BENCHMARKS if name not in BY_NAME]:
        if name == load.__name__:
            load(sizes or SIZES)
        else:
            BENCHMARKS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
