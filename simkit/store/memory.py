"""Questions about runs in memory: views over their columns, of which only those are made that a question names.

Nothing is inserted, and several runs are one table: a question costs what it reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import duckdb

from simkit.store.columns import Columns, Storable, stacked
from simkit.store.connection import SETTINGS, connect, schema, value_of

_WORD = re.compile(r"[a-z_][a-z_0-9]*")
_COMMENT = re.compile("--.*")
_VIEW = re.compile(r"CREATE VIEW (\w+) AS\n(.*)", re.DOTALL)


class _Column(NamedTuple):
    name: str
    type: str
    default: str
    """An SQL expression: NULL, a constant, or what is computed from the table's other columns."""
    is_generated: bool


class _Schema(NamedTuple):
    base: duckdb.DuckDBPyConnection
    """An empty database of the schema, for tables that the runs do not have."""
    tables: Mapping[str, tuple[_Column, ...]]
    views: Mapping[str, str]
    """In the order in which they build on each other."""


@lru_cache(maxsize=1)
def _schema() -> _Schema:
    base = connect(":memory:")
    base.execute(schema())
    generated = set(re.findall(r"(\w+) \w+ GENERATED ALWAYS", schema()))
    tables: dict[str, list[_Column]] = {}
    for table, name, of, default in base.execute(
        "SELECT table_name, column_name, data_type, column_default FROM duckdb_columns() WHERE NOT internal"
    ).fetchall():
        tables.setdefault(table, []).append(_Column(name, of, default or "NULL", name in generated))
    found = (_VIEW.search(statement.query) for statement in base.extract_statements(schema()))
    views = {view[1]: view[2] for view in found if view}
    return _Schema(base, {name: tuple(of) for name, of in tables.items() if name not in views}, views)


def empty() -> duckdb.DuckDBPyConnection:
    """A connection to the empty tables of the schema, which all such share: insert nothing, and close it."""
    connection = _schema().base.cursor()
    connection.execute(SETTINGS)  # a cursor starts with DuckDB's own
    return connection


def connection_over(runs: Sequence[Storable], sql: str) -> duckdb.DuckDBPyConnection:
    """A connection in which the tables and views that `sql` names hold the rows of these runs. Close it."""
    given = _schema()
    words = _words_of(sql, *_views_of(sql).values())
    connection = empty()
    for table, columns in given.tables.items():
        if table in words and runs and table in runs[0].tables:
            for column in columns:
                if column.is_generated and column.name in words:
                    words |= set(_WORD.findall(column.default))
            used = [column for column in columns if column.name in words]
            _register(connection, table, used, stacked(runs, table, [c.name for c in used]))
    make_views(connection, sql)
    return connection


def make_views(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Give a connection the views that `sql` names as they are today, whatever its database has under these names.

    A table that they name and that its database lacks, as one of an older file does, is empty.
    """
    words = _words_of(sql, *_views_of(sql).values())
    has = {name for (name,) in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()}
    for table, columns in _schema().tables.items():
        if table in words and table not in has:
            cells = ", ".join(f"NULL::{column.type} AS {column.name}" for column in columns)
            connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {cells} WHERE false")
    for name, body in _views_of(sql).items():
        connection.execute(f"CREATE TEMP VIEW {name} AS {body}")


def _views_of(sql: str) -> dict[str, str]:
    """The views that `sql` names, and those that they name, in the order in which they build on each other."""
    words, found = _words_of(sql), dict[str, str]()
    for name, body in reversed(list(_schema().views.items())):
        if name in words:
            found[name] = body
            words |= _words_of(body)
    return dict(reversed(list(found.items())))


def _words_of(*sql: str) -> set[str]:
    """What may be a name in it; a comment names nothing."""
    return {word for text in sql for word in _WORD.findall(_COMMENT.sub("", text))}


def _register(connection: duckdb.DuckDBPyConnection, table: str, used: Sequence[_Column], rows: Columns) -> None:
    """A view of these columns of the table, under its name."""
    connection.register(f"given_{table}", dict(rows))
    cells = [
        f"{value_of(c.type, c.name) if c.name in rows else f'{c.default}::{c.type}'} AS {c.name}"
        for c in used
        if c.name != "run_id" and not c.is_generated
    ]
    generated = "".join(f", {c.default} AS {c.name}" for c in used if c.is_generated)
    connection.execute(
        f"CREATE TEMP VIEW {table} AS SELECT *{generated} FROM (SELECT {', '.join(['run_id', *cells])} "
        f"FROM given_{table})"
    )
