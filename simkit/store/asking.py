"""Questions, each of which is one SQL file, asked of a runs file or of results in memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb

from simkit.errors import StoreError
from simkit.store.columns import Storable
from simkit.store.connection import check_schema, constraints, file_of, opened, schema
from simkit.store.memory import connection_over

if TYPE_CHECKING:
    import pandas as pd


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
    with closing(connection_over(runs, sql)) as connection:
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


@lru_cache(maxsize=64)
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
