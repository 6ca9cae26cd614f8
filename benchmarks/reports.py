"""What a night of reports costs: many at once, a night with nothing to do, one report beside papermill's own time."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.clocks import line

ROOT = Path(__file__).parent.parent
SCENARIOS = ("workweek", "three-regions", "twelve-presets", "lifecycle")
SIMKIT = (sys.executable, "-m", "simkit.cli")
TRIVIAL = """
import sys, papermill
papermill.execute_notebook(sys.argv[1], sys.argv[2], {"seed": 8}, kernel_name="python3", progress_bar=False)
"""
NOTEBOOK = """{"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec":
{"name": "python3", "display_name": "Python 3", "language": "python"}},
"cells": [{"id": "a", "cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "seed = 7", "outputs": [],
"execution_count": null}]}"""
ROUNDS = 3


class Took(NamedTuple):
    """Seconds of a process and of all that it started: on the wall, and of the processors."""

    wall: float
    cpu: float


def took(*command: str | Path) -> Took:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, capture_output=True, cwd=ROOT)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def batch(folder: Path) -> Path:
    """A file of twelve reports: three for each of the samples."""
    entries = [
        f"  - {{notebook: {ROOT}/notebooks/{notebook}.ipynb, name: {scenario}-{replications}, "
        f"scenarios: [{ROOT}/data/scenarios/{scenario}.yaml], parameters: {{replications: {replications}}}}}"
        for scenario in SCENARIOS
        for notebook, replications in (("01-capacity", 10), ("01-capacity", 20), ("02-expiration", 2))
    ]
    file = folder / "reports.yaml"
    file.write_text("\n".join(["reports:", *entries]) + "\n", encoding="utf-8")
    return file


def reports() -> None:
    """Twelve reports, one and two at a time, then with nothing to do; one report beside a notebook of one cell."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        all_of = (*SIMKIT, "report", "--all", batch(folder), "--out")
        trivial, executed = folder / "trivial.ipynb", folder / "executed.ipynb"
        trivial.write_text(NOTEBOOK, encoding="utf-8")
        one = (*SIMKIT, "report", ROOT / "notebooks/01-capacity.ipynb", "--out", folder / "one")
        took(*one)  # compiles
        ones, trivials = [], []
        for _ in range(ROUNDS):
            trivials.append(took(sys.executable, "-c", TRIVIAL, trivial, executed))
            ones.append(took(*one))
        own, least = min(each.wall for each in ones), min(each.wall for each in trivials)
        own_cpu, least_cpu = min(each.cpu for each in ones), min(each.cpu for each in trivials)
        line("one capacity report", f"{own:.1f} s", f"{own_cpu:.1f} s of processors")
        line("a notebook of one cell, by papermill alone", f"{least:.1f} s", f"{least_cpu:.1f} s of processors")
        line("ratio (best to best)", f"{own / least:.2f}", f"aim 3; of processors {own_cpu / least_cpu:.2f}")

        serial = took(*all_of, folder / "serial", "--jobs", "1")
        both = took(*all_of, folder / "both", "--jobs", "2")
        line("twelve reports, one at a time", f"{serial.wall:.1f} s", f"{serial.cpu:.1f} s of processors")
        line("twelve reports, two at a time", f"{both.wall:.1f} s", f"{both.cpu:.1f} s of processors")
        line("ratio", f"{both.wall / serial.wall:.2f}", "aim 0.6, on two processors that have nothing else to do")

        starts, verbs, nothings = [], [], []
        for _ in range(ROUNDS):
            starts.append(took(*SIMKIT, "--version").cpu)
            verbs.append(took(*SIMKIT, "explain", "* 8-18 * * 1-5").cpu)
            nothings.append(took(*all_of, folder / "both").cpu)
        start, nothing = min(starts), min(nothings)
        line("twelve reports, nothing to do", f"{nothing:.2f} s", f"of processors; start {start:.2f} s")
        line("a verb that does little, explain", f"{min(verbs):.2f} s", f"of processors; start {start:.2f} s")
        line(
            "nothing to do, without the start",
            f"{nothing - start:.2f} s",
            f"aim 1 s; {nothing / start:.1f} starts in all",
        )
