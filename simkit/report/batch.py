"""Many reports at once: what a night's job makes, what it may skip, and what became of each."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from importlib import resources
from multiprocessing import get_context
from os.path import exists
from pathlib import Path
from typing import Any

import numpy as np

from simkit.clock import (
    SECOND_US,
    WEEK_US,
    format_instant,
    parse_duration,
    parse_instant,
    zone_database_version,
)
from simkit.errors import Findings, SimkitError, Where
from simkit.files import write_whole
from simkit.inputs.document import Value, read_document
from simkit.inputs.quantities import parse_share
from simkit.inputs.scenario import load
from simkit.report.index import Threshold, index_page
from simkit.report.keys import BATCH, ENTRY, LIMITS, THRESHOLDS
from simkit.report.parameters import checked
from simkit.report.render import Report, is_name, named, render, spare_import
from simkit.store.reports import Made, add_reports, all_reports

HISTORY, INDEX = "history.duckdb", "index.html"
KEPT = 10
"""Reports of each kind that stay beside the newest, if the file does not say: two working weeks of nights."""

_MEASURES: Mapping[str, Callable[[Value], float | None]] = {
    "hit_rate": lambda value: value.read(parse_share),
    "wait_p95": lambda value: _seconds(value),
    "idle_hours_per_week": lambda value: value.number(),
    "idle_cost_per_week": lambda value: value.number(),
}


@dataclass(frozen=True)
class Asked:
    """One report that a batch is to make: `parameters` in the types of the notebook's own."""

    notebook: Path
    name: str
    parameters: Mapping[str, Any]
    scenario: str | None
    thresholds: tuple[Threshold, ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.notebook.stem, self.name


@dataclass(frozen=True)
class Batch:
    """A file of reports: where they go, how many older ones of each are kept."""

    out: Path
    keep: int
    reports: tuple[Asked, ...]


@dataclass(frozen=True)
class Became:
    """What became of a report in this run; `is_new`: it was made, or tried, now."""

    asked: Asked
    made: Made
    is_new: bool

    @property
    def broken(self) -> tuple[Threshold, ...]:
        return tuple(threshold for threshold in self.asked.thresholds if threshold.broken_by(self.made))


def read_batch(path: str | Path, out: str | Path | None = None) -> Batch:
    """The batch that a YAML file describes; its paths are relative to it. `out`: in place of the file's own.

    Raises InputError with everything that is wrong with it, notebooks and their parameters included.
    """
    findings, file = Findings(), Path(path)
    document = read_document(file, findings)
    findings.raise_errors()
    assert document is not None, "there are no errors"
    keys = document.mapping(BATCH)
    common = _thresholds(keys.get("thresholds"))
    asked = [
        report for entry in (keys["reports"].items() if "reports" in keys else []) for report in _asked(entry, common)
    ]
    places: dict[tuple[str, str], Value] = {}
    for report, where in asked:
        if report.key in places:
            first = places[report.key].where.line
            where.error(f'has the folder "{report.name}", as line {first} has; give one of them a name of its own')
        places.setdefault(report.key, where)
    if "reports" in keys and not asked and not findings.errors:
        keys["reports"].error("there are none; write at least one notebook")
    keep = keys["keep"].whole() if "keep" in keys else KEPT
    folder = keys["out"].scalar() if "out" in keys else "reports"
    findings.raise_errors()
    assert keep is not None
    assert folder is not None
    return Batch(Path(out) if out is not None else file.parent / folder, keep, tuple(report for report, _ in asked))


def _asked(entry: Value, common: tuple[Threshold, ...]) -> Iterable[tuple[Asked, Value]]:
    keys = entry.mapping(ENTRY)
    folder = Path(entry.path).parent
    if "notebook" not in keys or (written := keys["notebook"].scalar()) is None:
        return
    notebook = folder / written
    given = {
        name: text
        for name, value in (keys["parameters"].entries() if "parameters" in keys else {}).items()
        if (text := value.scalar()) is not None
    }
    thresholds = _thresholds(keys["thresholds"]) if "thresholds" in keys else common
    scenarios = [value.scalar() for value in keys["scenarios"].items()] if "scenarios" in keys else [None]
    name = keys["name"].scalar() if "name" in keys else None
    if name is not None and (len(scenarios) > 1 or not is_name(name)):
        keys["name"].error("is for one report, and the name of a folder; leave it out, or write an entry for each")
        return
    for scenario in scenarios:
        parameters = given if scenario is None else given | {"scenario": str(folder / scenario)}
        try:
            typed, defaults = checked(notebook, parameters)
        except SimkitError as error:
            entry.error(str(error))
            return
        of = (defaults | typed).get("scenario")
        # What else is given is the same every night, and stands in result.json.
        own = name or named({}, {"scenario": of or ""})
        yield Asked(notebook, own, typed, of, thresholds), keys.get("scenarios", entry)


def _thresholds(value: Value | None) -> tuple[Threshold, ...]:
    found = []
    for name, bounds in (value.mapping(THRESHOLDS) if value is not None else {}).items():
        limits = {key: _MEASURES[name](bound) for key, bound in bounds.mapping(LIMITS).items()}
        if not limits:
            bounds.error("write at_least or at_most")
        measure = "wait_p95_s" if name == "wait_p95" else name
        found.append(Threshold(measure, limits.get("at_least"), limits.get("at_most")))
    return tuple(found)


def _seconds(value: Value) -> float | None:
    found = value.read(parse_duration)
    return None if found is None else found / SECOND_US


def render_all(
    batch: Batch,
    *,
    made_at: int,
    jobs: int,
    force: bool = False,
    done: Callable[[int, int], None] = lambda made, of: None,
    seconds: Callable[[], float],
) -> list[Became]:
    """Make every report that is not up to date, `jobs` at a time; one that fails does not stop the others.

    A report is up to date if the last one of its place was made of the same notebook, parameters, scenario with all
    that it names, and simkit. The last `batch.keep` of each stay in a folder by their instant beside the newest. The
    table of all, and the index, are written at the end, and when interrupted. `seconds`: a clock, which other processes
    can be handed. Raises StoreError.
    """
    history = batch.out / HISTORY
    last: dict[tuple[str, str], Made] = {(row.notebook, row.report): row for row in all_reports(history)}
    became: dict[tuple[str, str], Became] = {}
    to_make: list[tuple[Asked, str]] = []
    digest_of = cache(_scenario)  # once for all notebooks
    for asked in batch.reports:
        digest, before = _digest(asked, digest_of), last.get(asked.key)
        is_there = before is not None and not before.message and (batch.out / before.page).is_file()
        if before is not None and is_there and before.digest == digest and not force:
            became[asked.key] = Became(asked, before, False)
        else:
            to_make.append((asked, digest))
    if to_make:
        batch.out.mkdir(parents=True, exist_ok=True)
    try:
        for made_now in _made(batch, to_make, made_at, jobs, seconds):
            became[made_now.asked.key] = made_now
            done(len(became), len(batch.reports))
    finally:
        if new := [each.made for each in became.values() if each.is_new]:
            add_reports(history, new)
        if new or not (batch.out / INDEX).is_file():
            write_index(batch)
    return [became[asked.key] for asked in batch.reports]


def write_index(batch: Batch) -> None:
    """Write the page over all reports of the folder, also of those that other batches made."""
    if rows := all_reports(batch.out / HISTORY):
        thresholds = {asked.key: asked.thresholds for asked in batch.reports}
        write_whole(batch.out / INDEX, index_page(batch.out, rows, thresholds).encode())


def _made(
    batch: Batch, to_make: list[tuple[Asked, str]], made_at: int, jobs: int, seconds: Callable[[], float]
) -> Iterable[Became]:
    if not to_make:
        return
    # Processes of their own: a kernel that takes one down, or memory that is short, costs one report.
    pool = ProcessPoolExecutor(min(jobs, len(to_make)), get_context("spawn"))
    try:
        futures = {pool.submit(_render, asked, batch, made_at, seconds): (asked, digest) for asked, digest in to_make}
        for future in as_completed(futures):
            asked, digest = futures[future]
            try:
                made = future.result()
            except BrokenProcessPool:
                made = _failed(
                    asked, made_at, "the process that made it was killed; there may have been too little memory"
                )
            yield Became(asked, made._replace(digest=digest), True)
    finally:
        pool.shutdown(cancel_futures=True)


def _render(asked: Asked, batch: Batch, made_at: int, seconds: Callable[[], float]) -> Made:
    """One report, in a process of its own. What fails is told, and what was there before stays."""
    begun, out = seconds(), batch.out
    spare_import()
    try:
        _keep(out / asked.notebook.stem / asked.name, batch.keep)
        texts = {name: str(value) for name, value in asked.parameters.items()}
        report = render(asked.notebook, texts, out, made_at=made_at, name=asked.name)
    except SimkitError as error:
        return _failed(asked, made_at, str(error))._replace(seconds=seconds() - begun)
    result = json.loads(report.result.read_text(encoding="utf-8"))
    return _measured(asked, report, result, out, made_at)._replace(seconds=seconds() - begun)


def _failed(asked: Asked, made_at: int, message: str) -> Made:
    return Made(*asked.key, made_at, "", message, 0.0, "")


def _keep(folder: Path, keep: int) -> None:
    """Copy a report that is to be replaced to a folder by its instant, and remove the oldest of these."""
    result = folder / "result.json"
    if not result.is_file():
        return
    made_at = parse_instant(json.loads(result.read_text(encoding="utf-8"))["made_at"])
    older = folder / "older"
    kept = older / format_instant(made_at).replace(":", "")  # sorts by time, and is a name everywhere
    if keep and not exists(kept):
        kept.mkdir(parents=True)
        for file in folder.iterdir():
            if file.is_file():
                shutil.copy2(file, kept)
    for name in sorted(older.iterdir() if older.is_dir() else [])[: -keep or None]:
        shutil.rmtree(name)


def _measured(asked: Asked, report: Report, result: Mapping[str, Any], out: Path, made_at: int) -> Made:
    page = report.html.relative_to(out).as_posix()
    made = Made(*asked.key, made_at, "", "", 0.0, page)
    if not result["runs"]:
        return made
    run = result["runs"][0]
    rows = run["presets"]
    weeks = (parse_instant(run["until"]) - parse_instant(run["from"])) / WEEK_US

    def all_of(name: str) -> list[float]:
        return [row[name]["median"] for row in rows if row[name] and row[name]["median"] is not None]

    # Whoever has no pool cannot miss it.
    pools = [row for row in rows if row["has_pool"]]
    claims = sum(row["claims"]["median"] for row in pools)
    return made._replace(
        claims=float(sum(all_of("claims"))),
        hit_rate=sum(row["hits"]["median"] for row in pools) / claims if claims else None,
        wait_p95_s=max(all_of("wait_p95_s"), default=None),
        idle_hours_per_week=sum(all_of("idle_instance_hours")) / weeks,
        idle_cost_per_week=sum(all_of("idle_cost")) / weeks or None,  # a scenario without a price has none
        currency=rows[0]["currency"] if rows else None,
        hard_limited_presets=float(sum(seconds > 0 for seconds in all_of("hard_limited_s"))),
    )


def _digest(asked: Asked, digest_of: Callable[[str], str]) -> str:
    """Of all that decides a report: notebook, parameters, the scenario, files that are named, simkit itself."""
    digest = hashlib.sha256(_package())
    digest.update(asked.notebook.read_bytes())
    for name, value in sorted(asked.parameters.items()):
        digest.update(f"{name}={value!r}\n".encode())
        if name != "scenario" and isinstance(value, str) and value and Path(value).is_file():
            digest.update(Path(value).read_bytes())
    if asked.scenario:
        digest.update(digest_of(asked.scenario).encode())
    return digest.hexdigest()


def _scenario(path: str) -> str:
    """A digest of a scenario as it was read, with all that it names: whoever simulates nothing needs no numba.

    Where it is the same, so is `simkit.runs.givens.scenario_digest`, which is of what a run is given.
    """
    digest = hashlib.sha256(_zones())
    try:
        for part in _parts(replace(load(path), notes=())):
            digest.update(part)
    except SimkitError as error:
        return str(error)  # the report will say so
    return digest.hexdigest()


def _parts(value: object) -> Iterable[bytes]:
    """All that a value of the model consists of, but for where it was written."""
    if isinstance(value, Where):
        return
    if is_dataclass(value):
        yield type(value).__name__.encode()
        for field in fields(value):
            yield f"{field.name}: ".encode()
            yield from _parts(getattr(value, field.name))
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}".encode()
        yield value.tobytes()
    elif isinstance(value, tuple) and not all(isinstance(one, str | int | float) for one in value):
        yield f"{len(value)} of ".encode()
        for one in value:
            yield from _parts(one)
    else:
        yield repr(value).encode()


@cache
def _zones() -> bytes:
    """A digest of the rules of all time zones."""
    digest = hashlib.sha256(zone_database_version().encode())
    if own := os.environ.get("SIMKIT_ZONEINFO", ""):
        digest.update(_folder(Path(own)))
    return digest.digest()


@cache
def _package() -> bytes:
    """A digest of simkit's own files: a version alone does not tell a working copy from the next."""
    with resources.as_file(resources.files("simkit")) as folder:
        return _folder(folder)


def _folder(folder: Path) -> bytes:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.parent.name != "__pycache__":
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.digest()
