"""Runs in a DuckDB file: written whole or not at all, and asked questions, each of which is one SQL file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import duckdb
import numpy as np
import numpy.typing as npt

from simkit.clock import NEVER
from simkit.errors import StoreError
from simkit.store.connection import check_schema, constraints, ensure_schema, file_of, make, opened, schema

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, npt.NDArray[Any]]


class Storable(Protocol):
    """A run as the store takes it: tables of schema.sql without run_id, as columns of equal length."""

    @property
    def run_id(self) -> str: ...

    @property
    def tables(self) -> Mapping[str, Columns]: ...


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


def save(path: str | Path, runs: Iterable[Storable]) -> list[str]:
    """Write runs to a DuckDB file, one transaction each, and return their run_ids. Raises StoreError.

    A run is in the file entirely or not at all, also when the process is killed. A run_id that is already there
    is left as it is: it names the run's inputs and seed, so its rows are the same. A new file comes to its name with
    its first run in it. Nothing is asked of `runs` before it is known that the file can be written.
    """
    pending = iter(runs)
    saved = []
    if not file_of(path).exists():
        first: list[Storable] = []

        def fill(connection: duckdb.DuckDBPyConnection) -> None:
            first.extend(islice(pending, 1))
            for run in first:
                _load(connection, run)

        if make(path, fill):
            saved = [run.run_id for run in first]
            first = list(islice(pending, 1))
            if not first:
                return saved
        pending = chain(first, pending)
    with opened(path) as connection:
        ensure_schema(connection, path)
        for run in pending:
            _load(connection, run)
            saved.append(run.run_id)
    return saved


def ask(
    source: str | Path | Storable | Sequence[Storable],
    question: str,
    run_id: str | None = None,
    workspace: str | None = None,
) -> pd.DataFrame:
    """The answer to a question as a DataFrame with run_id first, in a fixed order of rows.

    `source` is a runs file, a Result or several; `question` one of `questions()`; without a `run_id` the answer covers
    every run. A question about single workspaces may be asked of one alone, by its id, its name or its owner's.
    Instants are aware datetimes in UTC. Raises StoreError.
    """
    sql = _question(question)
    if isinstance(source, str | Path):
        if not file_of(source).exists():
            raise StoreError(f"{source}: there is no such runs file; `simkit run` writes one with --out")
        with opened(source, read_only=True) as connection:
            check_schema(connection, source)
            return _answer(connection, sql, run_id, workspace, str(source))
    runs = cast("Sequence[Storable]", source if isinstance(source, list | tuple) else [source])
    with opened(":memory:") as connection:
        connection.execute(schema())
        for run in runs:
            _load(connection, run)
        return _answer(connection, sql, run_id, workspace, "the result")


def questions() -> dict[str, str]:
    """The questions a runs file can be asked: name -> what it asks."""
    return {
        file.name.removesuffix(".sql"): _first_comment(file.read_text(encoding="utf-8"))
        for file in sorted(_questions_directory().iterdir(), key=lambda f: f.name)
        if file.name.endswith(".sql")
    }


def refused(table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table of the schema with a column `constraint`: the rule that refuses each, "" if none does.

    The rules are the table's own CHECK constraints. A column that `rows` lacks is NULL; NOT NULL is not looked at.
    """
    with opened(":memory:") as connection:
        connection.execute(schema())
        columns = dict(
            connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ?", [table]
            ).fetchall()
        )
        connection.register("given", rows)
        cells = (f"given.{name}::{of}" if name in rows else f"NULL::{of}" for name, of in columns.items())
        values = ", ".join(f"{cell} AS {name}" for cell, name in zip(cells, columns, strict=True))
        checks = " ".join(
            f"WHEN NOT coalesce({check}, true) THEN '{name}'" for of, check, name in constraints() if of == table
        )
        found = connection.execute(
            f"SELECT CASE {checks} ELSE '' END FROM (SELECT {values}, row_number() OVER () AS place FROM given) "
            "ORDER BY place"
        ).fetchall()
    return rows.assign(constraint=[name for (name,) in found])


def _answer(
    connection: duckdb.DuckDBPyConnection, sql: str, run_id: str | None, workspace: str | None, name: str
) -> pd.DataFrame:
    known = [row[0] for row in connection.execute("SELECT run_id FROM runs ORDER BY run_id").fetchall()]
    if run_id is not None and run_id not in known:
        raise StoreError(f'{name}: there is no run "{run_id}"; it holds {", ".join(known) or "no run"}')
    given: dict[str, Any] = {"runs": known if run_id is None else [run_id]}
    if "$workspace" in sql:
        given["workspace"] = workspace
    return connection.execute(sql, given).df()


def _questions_directory() -> Any:
    return resources.files("simkit.store").joinpath("questions")


def _question(name: str) -> str:
    known = questions()
    if name not in known:
        raise StoreError(f'"{name}" is not a question; ask one of {", ".join(known)}')
    return str(_questions_directory().joinpath(f"{name}.sql").read_text(encoding="utf-8"))


def _first_comment(sql: str) -> str:
    lines = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)


def _load(connection: duckdb.DuckDBPyConnection, run: Storable) -> None:
    """Insert a run's rows in one transaction, and make sure that they are there."""
    already = connection.execute("SELECT count(*) FROM runs WHERE run_id = ?", [run.run_id]).fetchall()
    if already != [(0,)]:
        return
    tables = run.tables
    _assert_whole(tables)
    connection.begin()
    try:
        for table, columns in tables.items():
            insert_columns(connection, table, columns, run.run_id)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    # DuckDB can end a transaction that failed by rolling it back without raising.
    for table, columns in tables.items():
        stored = connection.execute(f"SELECT count(*) FROM {table} WHERE run_id = ?", [run.run_id]).fetchall()
        expected = len(next(iter(columns.values())))
        if stored != [(expected,)]:
            raise StoreError(f"{run.run_id} was not stored: {table} has {stored[0][0]} of its {expected} rows")


def insert_columns(connection: duckdb.DuckDBPyConnection, table: str, columns: Columns, run_id: str) -> None:
    """Insert rows as columns. Instants and whole numbers that are NEVER become NULL."""
    types = dict(
        connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ?", [table]
        ).fetchall()
    )
    values = {
        "TIMESTAMP WITH TIME ZONE": f"make_timestamptz(nullif({{}}, {NEVER}))",
        "TIMESTAMP": "make_timestamp({})",
        "BIGINT": f"nullif({{}}, {NEVER})",
    }
    selected = ", ".join(values.get(types[name], "{}").format(name) for name in columns)
    connection.register("given", dict(columns))
    connection.execute(
        f"INSERT INTO {table} (run_id, {', '.join(columns)}) SELECT $run_id, {selected} FROM given", {"run_id": run_id}
    )
    connection.unregister("given")


def _assert_whole(tables: Mapping[str, Columns]) -> None:
    """Columns of one length, ids that are unique, references that lead somewhere."""
    for table, columns in tables.items():
        assert len({len(column) for column in columns.values()}) == 1, f"{table}: columns differ in length"
        assert "id" not in columns or bool(np.all(np.diff(columns["id"]) > 0)), f"{table}: ids are not unique"
    for (table, column), target in _REFERENCES.items():
        if table not in tables or column not in tables[table]:
            continue
        ids, wanted = tables[target]["id"], tables[table][column]
        wanted = wanted[wanted != NEVER]
        if wanted.size:
            at = np.minimum(np.searchsorted(ids, wanted), max(ids.size - 1, 0))
            assert ids.size, f"{table}.{column} leads nowhere"
            assert bool(np.all(ids[at] == wanted)), f"{table}.{column} leads nowhere"
