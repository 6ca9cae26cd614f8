"""A year of 200 presets with four schedules each, of more and more claims: what a run takes, and each question.

`python -m benchmarks load 10000 5000000` takes these numbers of claims. Each step is a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.clocks import line
from simkit.store import questions

SIZES = (10_000, 100_000, 1_000_000)
_SAID = """
from time import process_time
from benchmarks.memory import peak_megabytes
def said(what, since):
    print("said", what, process_time() - since, peak_megabytes(), sep=",", flush=True)
"""
_RUN = """
from benchmarks.drawing import PRESETS, scenario
from simkit.core import kernel
from simkit.demand import Draws
from simkit.runs.simulate import run
run(scenario(1, 10))  # compiles
many = scenario(PRESETS, {claims})
since = process_time()
Draws(many).claims(7, 0)
said("drawing", since)
since = process_time()
result = run(many, 7)
said("simkit.run", since)
for question in ("summary", "hours"):
    since = process_time()
    result.ask(question)
    said(question + " in memory", since)
since = process_time()
result.save({file!r})
said("saving", since)
"""
_ASK = """
from simkit.store import ask
since = process_time()
rows = len(ask({file!r}, {question!r}, workspace={workspace!r}))
said(f"{question}: {{rows}} rows", since)
"""


def load(sizes: Sequence[int] = SIZES) -> None:
    """Processor time and peak memory of each step, the parts of one process in one column."""
    for claims in sizes:
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder, "runs.duckdb"))
            print(f"\n{claims:,} claims", flush=True)
            _told(_RUN.format(claims=claims, file=file))
            line("the file", f"{Path(file).stat().st_size / 1e6:,.0f} MB", "aim 2,000 MB")
            for question in questions():
                workspace = "1" if question == "story" else None  # it is meant for one
                _told(_ASK.format(file=file, question=question, workspace=workspace))


def _told(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", _SAID + code], capture_output=True, text=True)
    for said in done.stdout.splitlines():  # DuckDB's progress is among them
        if "said," not in said:
            continue
        what, seconds, megabytes = said.partition("said,")[2].rsplit(",", 2)
        line(what, f"{float(seconds):,.2f} s", f"{float(megabytes):,.0f} MB")
    if done.returncode:
        line("failed", str(done.returncode), (done.stderr.splitlines() or [""])[-1])
