"""Runs go into a DuckDB file: each whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import duckdb
import numpy as np

from simkit.arguments import a_path, results, takes
from simkit.clock import NEVER
from simkit.errors import StoreError
from simkit.phases import phase
from simkit.store.columns import Columns, Storable, Tables, length, passing, rows, some_at_a_time, stacked
from simkit.store.connection import ensure_schema, file_of, make, opened, value_of

_ROWS_AT_ONCE = 500_000
"""Runs are loaded together, each table once, up to so many rows: a statement costs as much as 100,000 of them."""

# Which ids a column speaks of. Asserted on load.
_REFERENCES = {
    ("templates", "active_version_id"): "template_versions",
    ("template_versions", "template_id"): "templates",
    ("template_version_presets", "template_version_id"): "template_versions",
    ("template_version_preset_parameters", "template_version_preset_id"): "template_version_presets",
    ("template_version_preset_prebuild_schedules", "preset_id"): "template_version_presets",
    ("workspaces", "template_id"): "templates",
    ("workspace_builds", "workspace_id"): "workspaces",
    ("workspace_builds", "template_version_id"): "template_versions",
    ("workspace_builds", "template_version_preset_id"): "template_version_presets",
    ("workspace_builds", "job_id"): "provisioner_jobs",
    ("workspace_agents", "workspace_build_id"): "workspace_builds",
    ("claims", "preset_id"): "template_version_presets",
    ("claims", "workspace_id"): "workspaces",
    ("claims", "workspace_build_id"): "workspace_builds",
    ("reconciler_decisions", "preset_id"): "template_version_presets",
    ("provisioner_job_logs", "job_id"): "provisioner_jobs",
    ("sessions", "user_id"): "users",
    ("sessions", "workspace_build_id"): "workspace_builds",
    ("lifecycle_decisions", "workspace_id"): "workspaces",
    ("lifecycle_decisions", "workspace_build_id"): "workspace_builds",
    ("desired_instances", "preset_id"): "template_version_presets",
}


@takes(path=a_path, runs=results)
def save(path: str | Path, runs: Iterable[Storable], told: Callable[[int, int], None] | None = None) -> list[str]:
    """Write runs to a DuckDB file and return their run_ids. Raises StoreError.

    A run is in the file entirely or not at all, also when the process is killed; small ones come some at a time. A
    run_id that is already there is left as it is: it names the run's inputs and seed, so its rows are the same. A new
    file comes to its name with its first runs in it. Nothing is asked of `runs` before it is known that the file can be
    written. `told` hears after each table how many rows are in it, of how many in all of `runs`, a sequence then.

    >>> result = simkit.run(simkit.load("examples/template/morning.yaml"), seed=7)
    >>> len(simkit.save("runs.duckdb", [result]))
    1
    """
    with phase("saved", file=str(path)) as sizes:
        saved = _save(path, runs, told)
        sizes |= {"runs": len(saved), "bytes": file_of(path).stat().st_size}
    return saved


def _save(path: str | Path, runs: Iterable[Storable], told: Callable[[int, int], None] | None) -> list[str]:
    of = sum(rows(run.tables) for run in runs) if told is not None else 0
    done = 0

    def heard(count: int) -> None:
        nonlocal done
        done += count
        if told is not None:
            told(done, of)

    pending = some_at_a_time(runs, _ROWS_AT_ONCE)
    saved: list[str] = []
    if not file_of(path).exists():
        first: list[Sequence[Storable]] = []

        def fill(connection: duckdb.DuckDBPyConnection) -> None:
            first.extend(some for some in [next(pending, None)] if some)
            for some in first:
                _load(connection, some, heard)

        if make(path, fill):
            saved = [run.run_id for some in first for run in some]
            first = [some for some in [next(pending, None)] if some]
            if not first:
                return saved
        pending = chain(first, pending)
    with opened(path) as connection:
        ensure_schema(connection, path)
        for some in pending:
            _load(connection, some, heard)
            saved += [run.run_id for run in some]
    return saved


def check_target(path: str | Path) -> None:
    """Raise StoreError for what `save` could not write to, so that nobody simulates for nothing."""
    file = file_of(path)
    if file.exists():
        with opened(path) as connection:
            ensure_schema(connection, path)
    elif not file.parent.is_dir():
        raise StoreError(f"{path}: there is no directory {file.parent}; make it first")


def _load(connection: duckdb.DuckDBPyConnection, runs: Sequence[Storable], heard: Callable[[int], None]) -> None:
    """Insert the rows of runs in one transaction, and make sure that they are there. `heard`: how many more are in."""
    already = {run_id for (run_id,) in connection.execute("SELECT run_id FROM runs").fetchall()}
    new = list({run.run_id: run for run in runs if run.run_id not in already}.values())
    heard(sum(rows(run.tables) for run in runs if run.run_id in already))
    if not new:
        return
    tables, expected = list(new[0].tables), dict[tuple[str, str], int]()
    connection.begin()
    try:
        for table in tables:
            each = [passing(run.tables, table) for run in new]
            for run, columns in zip(new, each, strict=True):
                _assert_whole(run.tables, table, columns)
                expected[run.run_id, table] = length(columns)
            names = dict.fromkeys(name for columns in each for name in columns)
            insert_columns(connection, table, stacked([run.run_id for run in new], each, names))
            heard(sum(map(length, each)))
        connection.commit()
    except BaseException:
        with suppress(duckdb.Error):  # DuckDB may have ended the transaction itself
            connection.rollback()
        raise
    # DuckDB can end a transaction that failed by rolling it back without raising.
    ids = [run.run_id for run in new]
    for table in tables:
        stored = dict(
            connection.execute(
                f"SELECT run_id, count(*) FROM {table} WHERE list_contains($ids, run_id) GROUP BY run_id", {"ids": ids}
            ).fetchall()
        )
        for run_id in ids:
            found, meant = stored.get(run_id, 0), expected[run_id, table]
            if found != meant:
                raise StoreError(f"{run_id} was not stored: {table} has {found} of its {meant} rows", status=1)


def insert_columns(connection: duckdb.DuckDBPyConnection, table: str, columns: Columns) -> None:
    """Insert rows as columns, run_id among them. Instants and whole numbers that are NEVER become NULL."""
    types = dict(
        connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?", [table]
        ).fetchall()
    )
    selected = ", ".join(value_of(types[name], name) for name in columns)
    connection.register("given", dict(columns))
    connection.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {selected} FROM given")
    connection.unregister("given")


def _assert_whole(tables: Tables, table: str, columns: Columns) -> None:
    """Columns of one length, ids that are unique, references that lead somewhere."""
    assert len({len(column) for column in columns.values()}) == 1, f"{table}: columns differ in length"
    assert "id" not in columns or bool(np.all(np.diff(columns["id"]) > 0)), f"{table}: ids are not unique"
    for (of, column), target in _REFERENCES.items():
        if of != table or column not in columns:
            continue
        ids, wanted = passing(tables, target)["id"], columns[column]
        wanted = wanted[wanted != NEVER]
        if wanted.size:
            at = np.minimum(np.searchsorted(ids, wanted), max(ids.size - 1, 0))
            assert ids.size, f"{table}.{column} leads nowhere"
            assert bool(np.all(ids[at] == wanted)), f"{table}.{column} leads nowhere"
