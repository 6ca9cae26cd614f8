"""What the sample inputs give: rows, counts, answers, decisions, what the command line and the notebooks say.

Little but what simkit offers from outside is used here (`load`, `run`, `run_reference`, `save`, `ask`, `questions`,
`compare`, `sweep`, the command line, the notebooks and their reports), so that modules can move while this stays.
`tests/test_samples.py` holds it to what it was.

As a program it prints what moved, a line each, of the sections and samples that it is given: for tests that compare
processes.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import numpy.typing as npt
import pandas as pd
from click.testing import CliRunner

import simkit
from simkit.cli import main
from simkit.clock import HOUR_US
from simkit.decide.advice import document
from simkit.decide.compared import as_json
from simkit.report.render import render
from simkit.runs.counts import count
from simkit.runs.givens import givens

TOP = Path(__file__).parent.parent
SAMPLES = TOP / "tests" / "samples"
RECORDED = SAMPLES / "recorded.json"
SHORT = 30
"""Lines of a text that is recorded as it is."""
SHOWN = 12
"""Lines of a difference that are shown."""
HASH = 12
"""Hexadecimal digits of a hash."""


class Sample(NamedTuple):
    """A run. `changes`: what to write in the scenario in place of what, each found there once."""

    scenario: str
    seed: int = 7
    replication: int = 0
    changes: tuple[tuple[str, str], ...] = ()


RUNS = {
    "workweek": Sample("data/scenarios/workweek.yaml"),
    "workweek, replication 3": Sample("data/scenarios/workweek.yaml", replication=3),
    "twelve-presets": Sample("data/scenarios/twelve-presets.yaml"),
    "three-regions": Sample("data/scenarios/three-regions.yaml"),
    "lifecycle": Sample("data/scenarios/lifecycle.yaml"),
    "lifecycle, seed 1": Sample("data/scenarios/lifecycle.yaml", seed=1),
    "morning": Sample("examples/template/morning.yaml"),
    "busy": Sample("samples/busy.yaml"),
    "busy, oldest first": Sample("samples/busy.yaml", changes=(("claim_order: random", "claim_order: oldest"),)),
    "busy, newest first": Sample("samples/busy.yaml", changes=(("claim_order: random", "claim_order: newest"),)),
    "busy, v2.26": Sample("samples/busy.yaml", changes=(("v2.35", "v2.26"),)),
    "busy, v2.24": Sample("samples/busy.yaml", changes=(("v2.35", "v2.24"),)),
    "clocks": Sample("samples/clocks.yaml"),
    "people": Sample("samples/people.yaml"),
    "people, v2.24": Sample("samples/people.yaml", seed=0, changes=(("v2.35", "v2.24"),)),
}
# Short enough for the engine that does row by row what the kernel computes. Events outside the window are refused.
_SHORTER = (("2026-03-13", "2026-03-05T15:00"), ('- {at: "2026-03-09', '# {at: "'), ('- {at: "2026-03-10', '# {at: "'))
REFERENCE = {
    "people, until Thursday": Sample("samples/people.yaml", changes=_SHORTER),
    "morning": RUNS["morning"],
    "clocks": RUNS["clocks"],
}
NUMBERS = ("runs", "reference", "counts", "decisions", "reports")
"""Sections of what is recorded in which a change is one of results, not of words."""

# Of the place that a run was made in, not of what happened in it. A run's digest is recorded beside its tables; it is
# also of simkit's version and of the names of the kernel's inputs, and moves alone where only these do.
NOT_COMPARED = {"run_id", "digest", "simkit_version", "timezone_database"}

# In this order, in a folder with copies of data, examples and tests/samples. `cp` and `cat` are what they are in a
# shell; the rest is simkit's command line.
COMMANDS = """
run data/scenarios/workweek.yaml --seed 7 --replications 3
run data/scenarios/three-regions.yaml --seed 7
run samples/busy.yaml --seed 7 --out runs.duckdb
run samples/people.yaml --seed 7 --out people.duckdb
run examples/template/morning.yaml --seed 7 --engine reference --out reference.duckdb
run samples/wrong.yaml --seed 7 --out wrong.duckdb
run samples/nowhere.yaml
run data/scenarios/workweek.yaml --var instances=2
ask runs.duckdb
ask runs.duckdb summary
ask people.duckdb fates --csv
ask reference.duckdb decisions --csv
ask runs.duckdb happiness
ask nowhere.duckdb summary
ask runs.duckdb summary --run nobody
why people.duckdb --workspace staff-1
why people.duckdb --workspace rare-3
why people.duckdb --workspace leaves-1
why runs.duckdb --workspace prebuild-1
why runs.duckdb --workspace nobody
when samples/people.yaml --at 2026-03-06T09:00 --people staff
when samples/people.yaml --at 2026-03-07T23:30 --people leaves
when data/scenarios/lifecycle.yaml --at 2026-10-30T20:00 --ttl none
when data/scenarios/lifecycle.yaml --at 2026-10-30T20:00:00-04:00 --ttl 8h --autostart '0 25 * * *' --quiet-hours none
when data/scenarios/lifecycle.yaml --at yesterday --people nobody
metrics runs.duckdb --at 2026-03-03T10:30:00-05:00
metrics people.duckdb --at 2026-03-09T15:00:00Z
plan-check samples/plan.json
plan-check samples/wrong.yaml
explain '* 8-18 * * 1-5' --timezone America/New_York --at 2026-02-24T00:00:00Z
explain '* 2 * * *' --timezone Europe/Berlin --at 2026-03-20T00:00:00Z
explain '* 0-1,22 1-7 * 1' --timezone Australia/Lord_Howe --at 2026-03-20T00:00:00Z
explain '* * 29 2 *' --at 2026-03-20T00:00:00Z
explain '*/5 8-18 * jan 1-5' --timezone Mars/Base --at 2026-03-20T00:00:00Z
check examples/template
check data
check samples/odd
check samples/odd --format json -k 'a Monday'
check samples/odd --format junit -k 'no lists'
check samples/odd --format github --strict -k 'no lists'
check samples/odd -k nothing
check nowhere
diff samples/old samples/new --at 2026-03-02T00:00:00-05:00 --demand samples/monday.csv --replications 3 --seed 7
diff samples/old samples/new --at 2026-03-02T00:00:00-05:00 --weeks 2 --var night=3 --format markdown
diff samples/old samples/new --at 2026-03-02T00:00:00Z --scenario samples/busy.yaml --replications 2 --format markdown
diff data/templates examples/template --at 2026-03-25T00:00:00Z
diff samples/new samples/new --at 2026-03-02T00:00:00Z
diff samples/old samples/nowhere --at 2026-03-02T00:00:00Z
snapshot --check examples/template
snapshot samples/old samples/new --at 2026-10-12T00:00:00Z --weeks 4
cat samples/old/main.simkit.snapshot
cat samples/new/main.simkit.snapshot
snapshot data/templates/twelve --at 2026-03-02T00:00:00Z
cat data/templates/twelve/main.simkit.snapshot
check samples/old
cp samples/new/main.tf samples/old/main.tf
snapshot --check samples
check samples/old samples/new
check samples/old --format github
snapshot --update samples/old
cat samples/old/main.simkit.snapshot
snapshot --check samples/old
"""

# With parameters that make them quicker.
NOTEBOOKS: Mapping[str, Mapping[str, Any]] = {
    "01-capacity": {"replications": 2},
    "02-expiration": {"replications": 2, "ttls": "4h"},
    "03-cron-ranges": {"pools": 2, "pools_for_a_year": 1},
    "04-control-plane": {},
}


# --- What is recorded of tables and texts --------------------------------------------------------------------------


def short_hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:HASH]


@dataclass(frozen=True)
class Rows:
    """A table of a run, column -> values."""

    columns: Mapping[str, npt.NDArray[Any]]

    def brief(self) -> str:
        """The number of rows, and a hash of the columns in order of name: their kinds, and their values as bytes."""
        names = sorted(self.columns.keys() - NOT_COMPARED)
        parts = (part for name in names for part in (name.encode(), *_bytes(self.columns[name])))
        count = len(next(iter(self.columns.values())))
        return f"{count} rows {short_hash(*parts)}"

    def whole(self) -> str:
        return csv_of(pd.DataFrame({name: list(self.columns[name]) for name in sorted(self.columns)}))


@dataclass(frozen=True)
class Arrays:
    """Arrays by name, of any shape."""

    arrays: Mapping[str, npt.NDArray[Any]]

    def brief(self) -> str:
        """How many values, and a hash of the arrays in order of name: their shapes, kinds and values."""
        names = sorted(self.arrays)
        parts = (p for n in names for p in (n.encode(), repr(self.arrays[n].shape).encode(), *_bytes(self.arrays[n])))
        return f"{sum(array.size for array in self.arrays.values())} values {short_hash(*parts)}"

    def whole(self) -> str:
        return "".join(f"{name}: {self.arrays[name].tolist()}\n" for name in sorted(self.arrays))


@dataclass(frozen=True)
class Answer:
    """The answer to a question."""

    frame: pd.DataFrame

    def brief(self) -> str:
        return f"{len(self.frame)} rows {short_hash(self.whole().encode())}"

    def whole(self) -> str:
        return csv_of(self.frame.drop(columns=[name for name in self.frame if name in NOT_COMPARED]))


@dataclass(frozen=True)
class Text:
    """What was said."""

    text: str

    def brief(self) -> list[str] | str:
        lines = masked(self.text).splitlines()
        return lines if len(lines) <= SHORT else f"{len(lines)} lines {short_hash(masked(self.text).encode())}"

    def whole(self) -> str:
        return masked(self.text)


def _bytes(column: npt.NDArray[Any]) -> Iterator[bytes]:
    """The kind of a column's values, then the values, whatever width or byte order this machine keeps them in."""
    if column.dtype.kind in "OUT":
        yield b"text"
        for value in column.tolist():
            # The length keeps ("a", "b") and ("ab", "") apart.
            yield b"-" if value is None else b"%d:%s" % (len(value.encode()), value.encode())
        return
    kind = {"i": "<i8", "u": "<i8", "b": "|b1", "f": "<f8"}[column.dtype.kind]
    yield kind.encode()
    yield np.ascontiguousarray(column, dtype=kind).tobytes()


def csv_of(frame: pd.DataFrame) -> str:
    """Rows of cells. Instants in UTC; of floating-point numbers nine digits, so that the order of a sum is not seen."""
    cells = [_cells(frame[name]) for name in frame]
    rows = (",".join(row) for row in zip(*cells, strict=True))
    return "\n".join([",".join(map(str, frame)), *rows]) + "\n"


def _cells(column: pd.Series[Any]) -> list[str]:
    missing = column.isna().tolist()
    if column.dtype.kind == "M":
        instants = column.dt.tz_convert(None) if column.dt.tz is not None else column
        values = np.datetime_as_string(instants.to_numpy().astype("datetime64[us]")).tolist()
    else:
        values = column.tolist()
    return ["" if no else _cell(value) for value, no in zip(values, missing, strict=True)]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        # A column of whole numbers is one of floating point where some are missing.
        return str(int(value)) if value.is_integer() else f"{value:.9g}"
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if {*text} & {*',"\\\n'} else text


def masked(text: str) -> str:
    """A text without what is of a run's digest or of simkit's version."""
    text = re.sub(r"(-s\d+-r\d+-)[0-9a-f]{8}\b", r"\1DIGEST", text)
    text = re.sub(r"(inputs `?)[0-9a-f]{12}\b", r"\1DIGEST", text)
    return text.replace(f"simkit {simkit.__version__}", "simkit VERSION")


# --- What is compared ----------------------------------------------------------------------------------------------


def runs(folder: Path) -> dict[str, Any]:
    """Of each run its name, its digest, its tables and the answers to every question."""
    results = {name: simkit.run(_scenario(sample, folder), *sample[1:3]) for name, sample in RUNS.items()}
    return _told(results, folder / "runs.duckdb")


def rows(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """Of these runs the tables alone."""
    results = {name: simkit.run(_scenario(RUNS[name], folder), *RUNS[name][1:3]) for name in names}
    return {name: {"tables": _tables(result)} for name, result in results.items()}


def counts(folder: Path, names: Iterable[str] = RUNS) -> dict[str, Any]:
    """Of each run what the loop counts that keeps no rows, by quarters of days."""
    told = {}
    for name in names:
        given = givens(_scenario(RUNS[name], folder), *RUNS[name][1:3])
        window = given.inputs.settings
        counted = count(given, np.append(np.arange(window.start_at, window.end_at, 6 * HOUR_US), window.end_at))
        kept = {field.name: np.asarray(getattr(counted, field.name)) for field in fields(counted)}
        told[name] = Arrays({what: array for what, array in kept.items() if array.dtype.kind in "iub"})
    return told


def decisions(folder: Path) -> dict[str, Any]:
    """What is recommended, how two scenarios compare, and the table of a sweep."""
    with chdir(folder):  # a comparison names its files
        regions = simkit.load("data/scenarios/three-regions.yaml")
        found = simkit.recommend(regions, 0.9, preset="backend-us", max_schedules=1, seed=7)
        week = Path("data/scenarios/workweek.yaml")
        fewer = Path("data/scenarios/fewer.yaml")
        fewer.write_text(week.read_text(encoding="utf-8").replace("daemons: 6", "daemons: 2"), encoding="utf-8")
        compared = simkit.compare(week, fewer, replications=6, seed=7)
        vary = ["presets.eager.ttl=1h,2h", "failures.probability=0,0.1", "coder.provisioner_daemons=2..3"]
        swept = simkit.sweep("samples/busy.yaml", vary, "sweep.duckdb", replications=2, seed=7).table
    return {
        "recommend": Text(json.dumps(document(found), indent=1)),
        "compare": Text(as_json(compared)),
        "sweep": Answer(swept),
    }


def reports(folder: Path) -> dict[str, Any]:
    """The numbers in a report's result.json."""
    parameters = {"scenario": str(folder / "data/scenarios/workweek.yaml"), "replications": "2"}
    made = render(TOP / "notebooks" / "01-capacity.ipynb", parameters, folder / "reports", made_at=0)
    result = json.loads(made.result.read_text(encoding="utf-8"))
    kept = {"numbers": result["numbers"], "presets": [run["presets"] for run in result["runs"]]}
    return {"01-capacity": {name: Text(json.dumps(of, indent=1, sort_keys=True)) for name, of in kept.items()}}


def reference(folder: Path) -> dict[str, Any]:
    """The same of the reference engine's runs."""
    results = {
        name: simkit.run_reference(_scenario(sample, folder), *sample[1:3]) for name, sample in REFERENCE.items()
    }
    return _told(results, folder / "reference.duckdb")


def _scenario(sample: Sample, folder: Path) -> Any:
    path = folder / sample.scenario
    if sample.changes:
        text = path.read_text(encoding="utf-8")
        for before, after in sample.changes:
            assert text.count(before) == 1, f"{sample.scenario} has {before!r} {text.count(before)} times"
            text = text.replace(before, after)
        path = path.with_name("changed.yaml")
        path.write_text(text, encoding="utf-8")
    return simkit.load(path)


def _told(results: Mapping[str, Any], file: Path) -> dict[str, Any]:
    ids = simkit.save(file, results.values())
    assert len(set(ids)) == len(results), "each run has a name of its own"
    told: dict[str, Any] = {
        name: {
            "run_id": result.run_id,
            "digest": str(result.tables["runs"]["digest"][0])[:HASH],
            "tables": _tables(result),
            "answers": {},
        }
        for name, result in results.items()
    }
    for question in simkit.questions():
        answer = simkit.ask(file, question)
        for name, result in results.items():
            told[name]["answers"][question] = Answer(answer[answer["run_id"] == result.run_id])
    return told


def _tables(result: Any) -> dict[str, Rows]:
    return {table: Rows(columns) for table, columns in result.tables.items()}


def commands(folder: Path) -> dict[str, Any]:
    """Of each command its exit status and what it wrote to either stream."""
    told: dict[str, Any] = {}
    # A terminal's colours, width and language are not the commands'.
    plain = dict.fromkeys(("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "SIMKIT_ZONEINFO"))
    with chdir(folder):
        for line in COMMANDS.strip().splitlines():
            name, arguments = f"{line} (again)" if line in told else line, shlex.split(line)
            if arguments[0] == "cp":
                shutil.copyfile(arguments[1], arguments[2])
            elif arguments[0] == "cat":
                told[name] = {"stdout": Text(Path(arguments[1]).read_text(encoding="utf-8"))}
            else:
                done = CliRunner(env=plain).invoke(main, arguments)
                if done.exception is not None and not isinstance(done.exception, SystemExit):
                    raise AssertionError(f"simkit {line} has a traceback") from done.exception
                streams = {"stdout": done.stdout, "stderr": done.stderr}
                told[name] = {"status": done.exit_code} | {k: Text(text) for k, text in streams.items() if text}
    return told


def notebook(name: str, folder: Path) -> dict[str, Any]:
    """Of each cell what it said and showed. Pictures: the words in them; what they draw are answers."""
    cells = json.loads((TOP / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    told: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    said: list[str] = []

    def display(data: Mapping[str, Any], **_: Any) -> None:
        said.append(data["text/plain"])

    with mock.patch("IPython.display.display", display), chdir(folder):
        for cell in cells:
            if cell["cell_type"] != "code":
                continue
            shown = _execute("".join(cell["source"]), variables)
            if "parameters" in cell["metadata"].get("tags", ()):
                assert variables.keys() >= NOTEBOOKS[name].keys(), f"{name} has no such parameter"
                variables |= NOTEBOOKS[name]
            found = {"said": Text("\n".join(said)), "shown": shown}
            told[cell["id"]] = {what: value for what, value in found.items() if value not in (None, Text(""))}
            said.clear()
    return {cell: found for cell, found in told.items() if found}


def _execute(source: str, variables: dict[str, Any]) -> Answer | Text | None:
    """Execute a cell, and tell what its last expression shows."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), variables)
    value = None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), variables)
    if value is None:
        return None
    if isinstance(value, pd.DataFrame):
        return Answer(value.reset_index())
    if hasattr(value, "savefig"):
        words = [value.alt, *(text.get_text() for text in value.findobj(lambda artist: hasattr(artist, "get_text")))]
        return Text("\n".join(words))
    return Text(repr(value))


# --- Comparing and recording ---------------------------------------------------------------------------------------


def brief(told: Any) -> Any:
    """`told` as it is recorded."""
    if isinstance(told, dict):
        return {name: brief(value) for name, value in told.items()}
    return told.brief() if hasattr(told, "brief") else told


def differences(recorded: Any, found: Any, path: str = "") -> Iterator[str]:
    """A line for each thing that moved, by its path; of a text the lines that differ."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for name in dict.fromkeys([*recorded, *found]):
            below = f"{path}: {name}" if path else name
            yield from differences(recorded.get(name), found.get(name), below)
    elif recorded != found:
        before, after = ("nothing" if value is None else value for value in (recorded, found))
        if isinstance(before, list) and isinstance(after, list):
            yield f"{path}:"
            lines = list(islice(difflib.unified_diff(before, after, lineterm="", n=0), 2, None))
            yield from (f"    {line}" for line in lines[:SHOWN])
            if len(lines) > SHOWN:
                yield f"    ... and {len(lines) - SHOWN} more lines"
        else:
            before, after = (_first(value) for value in (before, after))
            yield f"{path}: was {before}, is {after}"


def _first(value: Any) -> str:
    """A value in a line."""
    if isinstance(value, dict):
        return f"there ({', '.join(value)})"
    return f"{len(value)} lines, first {value[0]!r}" if isinstance(value, list) else str(value)


def copies(folder: Path) -> Path:
    """The sample inputs in a folder in which a run may write what it likes."""
    for name in ("data", "examples"):
        shutil.copytree(TOP / name, folder / name)
    shutil.copytree(SAMPLES, folder / "samples", ignore=shutil.ignore_patterns(RECORDED.name))
    return folder


def moved(names: Iterable[str]) -> Iterator[str]:
    """What is not as it is recorded of these samples' rows and counts, or of "decisions"."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = copies(Path(scratch))
        for name in names:
            if name == "decisions":
                yield from differences(recorded[name], brief(decisions(folder)), name)
                continue
            before = {"rows": {"tables": recorded["runs"][name]["tables"]}, "counts": recorded["counts"][name]}
            after = {"rows": rows(folder, [name])[name], "counts": counts(folder, [name])[name]}
            yield from differences(before, brief(after), name)


if __name__ == "__main__":
    print(*moved(sys.argv[1:]), sep="\n")
