"""Tables that others made, as text: CSV, Parquet files, tables and queries of DuckDB files. DuckDB reads them all."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb

from simkit.errors import StoreError, did_you_mean
from simkit.store.connection import literal, opened

_ROWS_AT_ONCE = 50_000
"""As Python's tuples they take some 10 MB."""
MOST_UNREADABLE = 1000
"""Rows that are no CSV, of which it is worked out what is wrong: each costs a look through the text."""
_MEMORY = "SET memory_limit = '300MB'"
"""Of DuckDB for a file of somebody else's, in which little may stand for much."""


class Foreign(NamedTuple):
    """Some columns of a table, as text; None for NULL. `line`: where each row of a text begins, from 1; else empty."""

    columns: tuple[list[str | None], ...]
    line: list[int]


class Unreadable(NamedTuple):
    """A row that is not CSV: in which line it begins, and what is wrong with it."""

    line: int
    text: str


def of_csv(text: str, count: int, separator: str, wanted: Sequence[int]) -> tuple[Foreign, list[Unreadable]]:
    """The columns at the positions `wanted` of CSV without a header, `count` columns wide, or each row that is none.

    Lines end with a line feed. Lines with nothing in them are no rows.
    """
    names = [f"c{i}" for i in range(count)]
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    breaks = " + ".join(f"coalesce(length({name}) - length(replace({name}, chr(10), '')), 0)" for name in names)
    with tempfile.TemporaryDirectory() as folder, opened(":memory:") as connection:
        connection.execute(_MEMORY)
        # A file of its own, as DuckDB reads no text in memory, takes some names for patterns, and guesses encodings.
        file = Path(folder, "text.csv")
        file.write_text(text, encoding="utf-8", newline="")
        rows = connection.execute(
            f"SELECT {', '.join(names[i] for i in wanted)}, {breaks} "
            f"FROM read_csv(?, delim = ?, columns = {{{types}}}, "
            "auto_detect = false, header = false, quote = '\"', escape = '\"', strict_mode = true, new_line = '\\n', "
            "comment = '', store_rejects = true)",
            [str(file), separator],
        ).fetchall()
        rejects = connection.execute(
            "SELECT line_byte_position, csv_line, error_type, error_message FROM reject_errors "
            "ORDER BY line_byte_position, column_idx LIMIT ?",
            [MOST_UNREADABLE],
        ).fetchall()
    if rejects:
        return Foreign(tuple([] for _ in wanted), []), _unreadable(text, count, rejects)
    if count == 1:
        rows = [row for row in rows if row[0] is not None]  # DuckDB takes a line with nothing in it for one
    lines, at = text.split("\n"), 0
    begins = []
    for row in rows:
        while lines[at] in ("", '""') and (count == 1 or not lines[at]):
            at += 1
        begins.append(at + 1)
        at += 1 + row[-1]
    return Foreign(tuple([row[i] for row in rows] for i in range(len(wanted))), begins), []


def _unreadable(text: str, count: int, rejects: list[tuple[int, str, str, str]]) -> list[Unreadable]:
    """Each row that is no CSV, once."""
    raw = text.encode()
    found: dict[int, str] = {}
    for position, row, kind, message in rejects:
        line = raw[: max(position - 1, 0)].count(b"\n") + 1 + len(row) - len(row.lstrip("\n"))
        values = re.search(r"Found: (\d+)", message)
        if kind == "UNQUOTED VALUE":
            said = (
                "a quote is opened and not closed before the next separator; close it, or write each quote in it twice"
            )
        elif values is not None:
            said = f"has {values[1]} value{'s' * (values[1] != '1')}, and the first line names {count}; write as many"
        elif "LINE SIZE" in kind:
            said = "is longer than 2 MB; is a quote opened that is not closed?"
        else:
            said = f"is not CSV: {message.splitlines()[0]}"
        found.setdefault(line, said)
    return [Unreadable(line, said) for line, said in sorted(found.items())]


class Query(NamedTuple):
    """What to read from a file: all of a Parquet file, or a table of a DuckDB file, or a query of it."""

    file: Path
    kind: str  # parquet, table, query
    text: str = ""


def of_query(query: Query, choose: Callable[[tuple[str, ...]], Sequence[int] | None]) -> Iterator[Foreign]:
    """The columns that `choose` takes, by position, from all their names, of which two may be the same: some rows at a
    time.

    Nothing if it takes none, or there are no rows. Instants with a zone are in UTC. Raises StoreError.
    """
    with _opened(query) as connection:
        try:
            sql = _sql(connection, query)
            names = tuple(str(column[0]) for column in connection.execute(sql).description or ())
        except duckdb.ProgrammingError as error:
            if query.kind != "query":
                raise
            # Who wrote the query knows best what DuckDB has against it.
            raise StoreError(f"{query.file}: {str(error).splitlines()[0]}") from error
        wanted = choose(names)
        if wanted is None:
            return
        chosen = ", ".join(f"CAST(c{i} AS VARCHAR)" for i in wanted)
        aliases = ", ".join(f"c{i}" for i in range(len(names)))
        found = connection.execute(f"SELECT {chosen} FROM ({sql}\n) AS t({aliases})")
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            yield Foreign(tuple([row[i] for row in rows] for i in range(len(wanted))), [])


@contextmanager
def _opened(query: Query) -> Iterator[duckdb.DuckDBPyConnection]:
    if query.kind == "parquet":
        with opened(":memory:", shown=query.file) as connection:
            connection.execute(_MEMORY)
            yield connection
    else:
        with opened(query.file, read_only=True, shown=query.file) as connection:
            connection.execute(_MEMORY)
            connection.execute("SET enable_external_access = false")  # a query reads this file and no other
            yield connection


def _sql(connection: duckdb.DuckDBPyConnection, query: Query) -> str:
    """One SELECT."""
    if query.kind == "parquet":
        # What stands for a pattern in a name is put in brackets, which stand for itself.
        name = re.sub(r"([*?\[])", r"[\1]", str(query.file))
        return f"SELECT * FROM read_parquet({literal(name)}, hive_partitioning = false)"
    if query.kind == "table":
        tables = [name for (name,) in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()]
        if query.text not in tables:
            raise StoreError(f'{query.file}: has no table "{query.text}"; {did_you_mean(query.text, tables)}')
        return 'SELECT * FROM "{}"'.format(query.text.replace('"', '""'))
    statements = connection.extract_statements(query.text)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise StoreError(f"{query.file}: the query is no single SELECT; write one, such as SELECT * FROM claims")
    return str(statements[0].query).strip().rstrip(";")
