"""Runs in a DuckDB file: written whole or not at all, and asked questions, each of which is one SQL file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import duckdb
import numpy as np
import numpy.typing as npt

from simkit.clock import NEVER
from simkit.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 2

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
    is left as it is: it names the run's inputs and seed, so its rows are the same.
    """
    path = Path(path)
    is_new = not path.exists()
    saved = []
    try:
        with _open(str(path)) as connection:
            _ensure_schema(connection, path)
            for run in runs:
                _load(connection, run)
                saved.append(run.run_id)
    except BaseException:
        if is_new and not saved:
            for left in (path, path.with_name(path.name + ".wal")):
                left.unlink(missing_ok=True)
        raise
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
        if not Path(source).is_file():
            raise StoreError(f"{source}: there is no such runs file; `simkit run` writes one with --out")
        with _open(str(source), read_only=True) as connection:
            _check_schema(connection, Path(source))
            return _answer(connection, sql, run_id, workspace, str(source))
    runs = cast("Sequence[Storable]", source if isinstance(source, list | tuple) else [source])
    with _open(":memory:") as connection:
        connection.execute(_schema())
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
    with _open(":memory:") as connection:
        connection.execute(_schema())
        columns = dict(
            connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ?", [table]
            ).fetchall()
        )
        connection.register("given", rows)
        cells = (f"given.{name}::{of}" if name in rows else f"NULL::{of}" for name, of in columns.items())
        values = ", ".join(f"{cell} AS {name}" for cell, name in zip(cells, columns, strict=True))
        checks = " ".join(
            f"WHEN NOT coalesce({check}, true) THEN '{name}'" for of, check, name in _constraints() if of == table
        )
        found = connection.execute(
            f"SELECT CASE {checks} ELSE '' END FROM (SELECT {values}, row_number() OVER () AS place FROM given) "
            "ORDER BY place"
        ).fetchall()
    return rows.assign(constraint=[name for (name,) in found])


@lru_cache(maxsize=1)
def _constraints() -> tuple[tuple[str, str, str], ...]:
    """(table, expression as DuckDB shows it, name) of every CHECK. DuckDB forgets the names that schema.sql gives."""
    with _open(":memory:") as connection:
        connection.execute(_schema())
        rows = connection.execute(
            "SELECT table_name, expression FROM duckdb_constraints() WHERE constraint_type = 'CHECK' "
            "ORDER BY table_oid, constraint_index"
        ).fetchall()
    names = re.findall(r"CONSTRAINT\s+(\w+)\s+CHECK", _schema())
    return tuple((table, check, name) for (table, check), name in zip(rows, names, strict=True))


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


@lru_cache(maxsize=1)
def _schema() -> str:
    sql = resources.files("simkit.store").joinpath("schema.sql").read_text(encoding="utf-8")
    return f"{sql}\nINSERT INTO schema_version VALUES ({SCHEMA_VERSION});"


@contextmanager
def _open(path: str, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that speaks UTC, closed in any case. Raises StoreError for whatever DuckDB has to say."""
    try:
        connection = duckdb.connect(path, read_only=read_only)
    except duckdb.Error as error:
        raise StoreError(_explained(path, error)) from error
    try:
        # Object arrays hold text, also where the rows that DuckDB would look at to find out are all NULL.
        connection.execute("SET TimeZone = 'UTC'; SET pandas_analyze_sample = 0; SET preserve_insertion_order = true")
        yield connection
    except duckdb.Error as error:
        raise StoreError(_explained(path, error)) from error
    finally:
        connection.close()


def _explained(path: str, error: duckdb.Error) -> str:
    text = str(error).splitlines()[0]
    if "lock" in text.lower():
        return f"{path}: another process is writing to it; wait until it is done, or write to another file"
    if "not a valid DuckDB database" in text:
        return f"{path}: this is not a DuckDB file; choose another name for the runs file"
    return f"{path}: {text}"


def _ensure_schema(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    tables = connection.execute("SELECT count(*) FROM information_schema.tables").fetchall()
    if tables == [(0,)]:
        connection.execute(f"BEGIN; {_schema()}; COMMIT")
    _check_schema(connection, path)


def _check_schema(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    found = connection.execute(
        "SELECT count(*) FROM information_schema.tables WHERE table_name = 'schema_version'"
    ).fetchall()
    version = connection.execute("SELECT max(version) FROM schema_version").fetchall() if found == [(1,)] else None
    if version is None:
        raise StoreError(f"{path}: this DuckDB file holds no simkit runs; choose another file")
    if version != [(SCHEMA_VERSION,)]:
        raise StoreError(
            f"{path}: its tables have version {version[0][0]}, this simkit reads {SCHEMA_VERSION}; "
            "run the scenario again into a new file"
        )


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
            _insert(connection, table, columns, run.run_id)
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


def _insert(connection: duckdb.DuckDBPyConnection, table: str, columns: Columns, run_id: str) -> None:
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
