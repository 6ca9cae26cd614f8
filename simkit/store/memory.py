"""Questions about runs in memory: views over their columns, of which only those are made that a question names.

Nothing is inserted, and several runs are one table: a question costs what it reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from functools import lru_cache
from typing import NamedTuple

import duckdb

from simkit.store.columns import Columns, Storable, rows, stacked, text
from simkit.store.connection import SETTINGS, connect, interruptible, schema, value_of

_WORD = re.compile(r"(?<![$\w])[a-z_]\w*")
_COMMENT = re.compile("--.*")
_VIEW = re.compile(r"CREATE VIEW (\w+) AS\n(.*)", re.DOTALL)


FEW_TEXTS = "few_texts"
"""What a question names that has millions of rows: the type of run_id in its tables, and one for names of presets and
their zones. Its values are numbers, which take little room and are quick to join by, and become texts in Python once
(`asking`)."""


class _Column(NamedTuple):
    name: str
    type: str
    default: str
    """An SQL expression: NULL, a constant, or what is computed from the table's other columns."""
    is_generated: bool


class _Schema(NamedTuple):
    base: duckdb.DuckDBPyConnection
    """An empty database of the schema, for tables that the runs do not have."""
    tables: dict[str, tuple[_Column, ...]]
    views: Mapping[str, str]
    """In the order in which they build on each other."""
    of_views: Mapping[str, tuple[_Column, ...]]
    """The columns of each view."""


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
    columns = {name: tuple(of) for name, of in tables.items()}
    return _Schema(
        base,
        {name: of for name, of in columns.items() if name not in views},
        views,
        {name: columns[name] for name in views},
    )


def empty() -> duckdb.DuckDBPyConnection:
    """A connection to the empty tables of the schema, which all such share: insert nothing, and close it."""
    connection = interruptible(_schema().base.cursor())
    connection.execute(SETTINGS)  # a cursor starts with DuckDB's own
    return connection


def connection_over(runs: Sequence[Storable], sql: str) -> duckdb.DuckDBPyConnection:
    """A connection in which the tables and views that `sql` names hold the rows of these runs. Close it."""
    given, made = _schema(), frozenset[str]()
    if runs:
        made = frozenset.intersection(*(frozenset(run.views) for run in runs))
    words, views = _read_by(sql, made)
    connection = empty()
    if FEW_TEXTS in words:
        presets = [run.tables["template_version_presets"] for run in runs]
        texts = (columns[name].tolist() for columns in presets for name in ("name", "timezone"))
        _make_few_texts(connection, {run.run_id for run in runs}.union(*texts))
    for name, columns in (given.tables | {view: given.of_views[view] for view in made}).items():
        sources = [run.views if name in made else run.tables for run in runs]
        if name not in words or not sources or name not in sources[0]:
            continue
        named = set(words)
        for column in columns:
            if column.is_generated and column.name in words:
                named |= set(_WORD.findall(column.default))
        used = [column for column in columns if column.name in named]
        each = [source[name] for source in sources]
        given_rows = stacked([run.run_id for run in runs], each, [c.name for c in used])
        _register(connection, name, used, given_rows, FEW_TEXTS in words)
    _make(connection, views)
    return connection


def rows_read(run: Storable, sql: str) -> int:
    """How many rows of a run `sql` reads."""
    words, _ = _read_by(sql, frozenset(run.views))
    return sum(rows(of, words & of.keys()) for of in (run.tables, run.views))


def make_views(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Give a connection the views that `sql` names as they are today, whatever its database has under these names.

    A table that they name and that its database lacks, as one of an older file does, is empty.
    """
    words, views = _read_by(sql)
    has = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    for table, columns in _schema().tables.items():
        if table in words and table not in has:
            cells = ", ".join(f"NULL::{column.type} AS {column.name}" for column in columns)
            connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {cells} WHERE false")
    if FEW_TEXTS in words:
        found = connection.execute(
            "SELECT run_id FROM runs UNION SELECT name FROM template_version_presets "
            "UNION SELECT timezone FROM template_version_presets"
        ).fetchall()
        _make_few_texts(connection, {of for (of,) in found})
        ((database,),) = connection.execute("SELECT current_database()").fetchall()
        for table in words & has & _schema().tables.keys():
            quoted = database.replace('"', '""')
            connection.execute(
                f"CREATE TEMP VIEW {table} AS "
                f'SELECT * REPLACE (run_id::{FEW_TEXTS} AS run_id) FROM "{quoted}".main.{table}'
            )
    _make(connection, views)


def _make_few_texts(connection: duckdb.DuckDBPyConnection, texts: Set[str]) -> None:
    connection.register("given_texts", {"of": text(sorted(texts))})
    connection.execute(f"CREATE TEMP TYPE {FEW_TEXTS} AS ENUM (SELECT of FROM given_texts)")
    connection.unregister("given_texts")


def _make(connection: duckdb.DuckDBPyConnection, views: Mapping[str, str]) -> None:
    for name, body in views.items():
        connection.execute(f"CREATE TEMP VIEW {name} AS {body}")


@lru_cache(maxsize=64)
def _read_by(sql: str, made: frozenset[str] = frozenset()) -> tuple[Set[str], Mapping[str, str]]:
    """What may be a name in `sql` and the views that it names; and these, with those that they name, in the order in
    which they build on each other. Not what is `made` already."""
    words, found = _words_of(sql), dict[str, str]()
    for name, body in reversed(list(_schema().views.items())):
        if name in words and name not in made:
            found[name] = body
            words |= _words_of(body)
    return words, dict(reversed(list(found.items())))


def _words_of(sql: str) -> set[str]:
    """What may be a name in it; a comment and a parameter such as $runs name nothing."""
    return set(_WORD.findall(_COMMENT.sub("", sql)))


def _register(
    connection: duckdb.DuckDBPyConnection, table: str, used: Sequence[_Column], rows: Columns, few_texts: bool
) -> None:
    """A view of these columns of the table, under its name; run_id as one of few texts, or as any text."""
    connection.register(f"given_{table}", dict(rows))
    cells = [
        f"{value_of(c.type, c.name) if c.name in rows else f'{c.default}::{c.type}'} AS {c.name}"
        for c in used
        if c.name != "run_id" and not c.is_generated
    ]
    generated = "".join(f", {c.default} AS {c.name}" for c in used if c.is_generated)
    run_id = f"run_id::{FEW_TEXTS} AS run_id" if few_texts else "run_id"
    connection.execute(
        f"CREATE TEMP VIEW {table} AS SELECT *{generated} FROM (SELECT {', '.join([run_id, *cells])} "
        f"FROM given_{table})"
    )
