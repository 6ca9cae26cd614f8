"""Tables that others made, as text: CSV, Parquet files, tables and queries of DuckDB files. DuckDB reads them all."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import duckdb

from simkit.errors import StoreError, did_you_mean
from simkit.store.connection import literal, opened

_ROWS_AT_ONCE = 50_000
"""As Python's tuples they take some 10 MB."""
MOST_UNREADABLE = 1000
"""Rows that are no CSV, of which it is worked out what is wrong: each costs a look through the text."""
_LONGEST_LINE = 2_000_000
"""Characters of a row of CSV; DuckDB takes as many bytes."""
_TOO_LONG = "is longer than 2 MB; is a quote opened that is not closed?"
_MEMORY = "SET memory_limit = '200MB'"
"""Of DuckDB for a file of somebody else's, in which little may stand for much."""
_MOST_COLUMNS = 5_000
"""Of a table, of which three are wanted; DuckDB takes a second to look at so many."""
_LONGEST_S = 30.0
"""Seconds for which DuckDB works on a query of somebody's own: ten million rows are joined and sorted in fewer, and
what takes longer is better kept as a table."""
_MOST_QUERY = 20_000
"""Characters of a query: what people write has a hundredth."""
_MOST_FOOTER = 20_000_000
"""Bytes in which a Parquet file says what it has; DuckDB takes ten times that for them. 500 columns of ten million rows
take four million."""


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
    if len(text) > _LONGEST_LINE:  # of one such DuckDB tells nothing, and leaves it out
        long = next((i for i, line in enumerate(text.split("\n")) if len(line) > _LONGEST_LINE), None)
        if long is not None:
            return Foreign(tuple([] for _ in wanted), []), [Unreadable(long + 1, _TOO_LONG)]
    names = [f"c{i}" for i in range(count)]
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    # One look at all columns together: a sum over them has a step for each, and takes their square.
    breaks = f"length(concat({', '.join(names)})) - length(replace(concat({', '.join(names)}), chr(10), ''))"
    with tempfile.TemporaryDirectory() as folder, opened(":memory:") as connection:
        connection.execute(_MEMORY)
        # A file of its own, as DuckDB reads no text in memory, takes some names for patterns, and guesses encodings.
        file = Path(folder, "text.csv")
        file.write_text(text, encoding="utf-8", newline="")
        rows = connection.execute(
            f"SELECT {', '.join(names[i] for i in wanted)}, {breaks} "
            f"FROM read_csv(?, delim = ?, columns = {{{types}}}, "
            "auto_detect = false, header = false, quote = '\"', escape = '\"', strict_mode = true, new_line = '\\n', "
            f"comment = '', store_rejects = true, rejects_limit = {MOST_UNREADABLE})",
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
    above, counted = 0, 0
    for position, row, kind, message in rejects:
        above, counted = above + raw.count(b"\n", counted, max(position - 1, 0)), max(position - 1, 0)
        line = above + 1 + len(row) - len(row.lstrip("\n"))
        values = re.search(r"Found: (\d+)", message)
        if kind == "UNQUOTED VALUE":
            said = (
                "a quote is opened and not closed before the next separator; close it, or write each quote in it twice"
            )
        elif values is not None:
            said = f"has {values[1]} value{'s' * (values[1] != '1')}, and the first line names {count}; write as many"
        elif "LINE SIZE" in kind:
            said = _TOO_LONG
        else:
            said = f"is not CSV: {message.splitlines()[0]}"
        found.setdefault(line, said)
    return [Unreadable(line, said) for line, said in sorted(found.items())]


class Query(NamedTuple):
    """What to read from a file: all of a Parquet file, or a table of a DuckDB file, or a query of it."""

    file: Path
    kind: str  # parquet, table, query
    text: str = ""


def of_query(
    query: Query, choose: Callable[[tuple[str, ...]], Sequence[int] | None], most_rows: int
) -> Iterator[Foreign]:
    """The columns that `choose` takes, by position, from all their names, of which two may be the same: some rows at a
    time.

    Nothing if it takes none, or there are no rows. Instants with a zone are in UTC. Raises StoreError, also for what
    takes too long; for more than `most_rows` rows only where the file says how many they are.
    """
    with _opened(query) as connection:
        patience = _Patience(connection, query.file)
        try:
            if query.kind == "parquet":
                _check_footer(connection, query.file, most_rows)
            with patience.waiting():
                sql = _sql(connection, query)
                names = tuple(str(column[0]) for column in connection.execute(f"DESCRIBE {sql}").fetchall())
            _check_columns(query.file, len(names))
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
        with patience.waiting():
            found = connection.execute(f"SELECT {chosen} FROM ({sql}\n) AS t({aliases})")
        while True:
            with patience.waiting():
                rows = found.fetchmany(_ROWS_AT_ONCE)
            if not rows:
                return
            yield Foreign(tuple([row[i] for row in rows] for i in range(len(wanted))), [])


@dataclass
class _Patience:
    """Ends what DuckDB does with a file of somebody else's once it has taken too long, all of it together."""

    connection: duckdb.DuckDBPyConnection
    file: Path
    left_s: float = field(default_factory=lambda: _LONGEST_S)
    is_over: bool = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While DuckDB works. Raises StoreError when it is to work no longer."""
        begun_s = time.monotonic()
        timer = threading.Timer(max(self.left_s, 0), self._end)
        timer.start()
        try:
            yield
        except (RuntimeError, duckdb.InterruptException) as error:
            if not self.is_over or "interrupted" not in str(error).lower():
                raise  # Ctrl-C, which is told in the same words
            raise StoreError(
                f"{self.file}: the rows took DuckDB more than {_LONGEST_S:g} s, and it was stopped; "
                "store them as a table, and give that"
            ) from error
        finally:
            timer.cancel()
            timer.join()  # so that it ends nothing that comes after
            self.left_s -= time.monotonic() - begun_s

    def _end(self) -> None:
        self.is_over = True
        self.connection.interrupt()


def _check_footer(connection: duckdb.DuckDBPyConnection, file: Path, most_rows: int) -> None:
    """Raise StoreError for a Parquet file that says itself that it has more than is read."""
    with file.open("rb") as data:
        whole = data.seek(0, 2)
        data.seek(max(whole - 8, 0))
        size = int.from_bytes(data.read(4), "little")
    if _MOST_FOOTER < size <= whole:
        raise StoreError(
            f"{file}: says in {size:,} bytes what it has, and {_MOST_FOOTER:,} at most are read; leave columns out"
        )
    try:
        ((columns,),) = connection.execute("SELECT count(*) - 1 FROM parquet_schema(?)", [_named(file)]).fetchall()
        ((rows,),) = connection.execute("SELECT num_rows FROM parquet_file_metadata(?)", [_named(file)]).fetchall()
    except duckdb.Error as error:
        if isinstance(error, duckdb.InterruptException | duckdb.OutOfMemoryException):
            raise
        raise StoreError(f"{file}: is damaged, or cut off; write it anew") from error
    _check_columns(file, columns)
    if rows > most_rows:
        raise StoreError(f"{file}: has {rows:,} rows, and {most_rows:,} at most are read; give those of a shorter time")


def _check_columns(file: Path, count: int) -> None:
    if count > _MOST_COLUMNS:
        raise StoreError(f"{file}: has {count:,} columns, and {_MOST_COLUMNS:,} at most are read; leave others out")


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
        return f"SELECT * FROM read_parquet({literal(_named(query.file))}, hive_partitioning = false)"
    if query.kind == "table":
        tables = [name for (name,) in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()]
        if query.text not in tables:
            raise StoreError(f'{query.file}: has no table "{query.text}"; {did_you_mean(query.text, tables)}')
        return 'SELECT * FROM "{}"'.format(query.text.replace('"', '""'))
    if len(query.text) > _MOST_QUERY:
        raise StoreError(
            f"{query.file}: the query has {len(query.text):,} characters, and {_MOST_QUERY:,} at most are read; "
            "store its rows as a table, and give that"
        )
    statements = connection.extract_statements(query.text)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise StoreError(f"{query.file}: the query is no single SELECT; write one, such as SELECT * FROM claims")
    return str(statements[0].query).strip().rstrip(";")


def _named(file: Path) -> str:
    """A file's name where DuckDB takes some for patterns: what stands for one is put in brackets, which stand for
    itself."""
    return re.sub(r"([*?\[])", r"[\1]", str(file))
