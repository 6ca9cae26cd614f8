"""A DuckDB database of one run that is written as Coder writes its own: statement by statement, in transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import numpy as np

from simkit.clock import NEVER
from simkit.errors import RefusedError, StoreError
from simkit.store.columns import Columns, length, text
from simkit.store.connection import broken_rule, check_schema, connect, ensure_schema, explained, file_of, make
from simkit.store.writing import insert_columns

Row = tuple[Any, ...]
_OPTIMIZERS = ("filter_pushdown", "unused_columns", "expression_rewriter")
"""Those that a database of small tables is better off with."""


class Database:
    """An open database. Instants are int64 microseconds in Python and TIMESTAMPTZ inside; None is NULL.

    `read_only`: nothing is written, so that a file that may only be read will do, and an older one that still can be.
    `on_statement` is called before each statement of a transaction: tests let it fail anywhere.
    """

    def __init__(self, path: str | Path, run_id: str, read_only: bool = False) -> None:
        self.path = str(path)
        self.run_id = run_id
        self.on_statement: Callable[[str], None] = lambda _: None
        if self.path != ":memory:" and not read_only and not file_of(path).exists():
            make(path)
        self._connection = connect(self.path, read_only)
        try:
            if read_only:
                check_schema(self._connection, self.path, readable=True)
            else:
                ensure_schema(self._connection, self.path)
            # Its statements are many and small: handing one to a second thread takes longer than doing it, and most
            # of what the optimizer may do takes longer than it saves.
            self._connection.execute("SET threads = 1")
            optimizers = self._connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
            unused = ",".join(name for (name,) in optimizers if name not in _OPTIMIZERS)
            self._connection.execute(f"SET disabled_optimizers = '{unused}'")
            found = self._connection.execute(
                "SELECT table_name, column_name, data_type FROM information_schema.columns"
            ).fetchall()
        except duckdb.Error as error:
            self._connection.close()
            raise explained(self.path, error) from error
        self._types: dict[str, dict[str, str]] = {}
        for table, column, of in found:
            self._types.setdefault(table, {})[column] = of
        self._together = False
        self._last_ids: dict[str, int] = {}
        self.inserted: dict[str, int] = {}
        """How many rows each table got, also in transactions that were undone: has anything new come?"""
        self._inserts: dict[tuple[str, ...], str] = {}

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All that happens inside is kept together, or nothing of it is.

        Raises RefusedError for a broken constraint, by its name, StoreError for what else DuckDB has to say.
        """
        if self._together:
            yield Transaction(self)
            return
        connection = self._connection
        connection.begin()
        try:
            yield Transaction(self)
            connection.commit()
        except BaseException as error:
            self._last_ids.clear()  # numbers that were given out are free again
            # DuckDB may have ended the transaction itself.
            with suppress(duckdb.Error):
                connection.rollback()
            if isinstance(error, duckdb.Error):
                raise _named(self.path, error) from error
            raise

    @contextmanager
    def together(self) -> Iterator[None]:
        """Keep all transactions inside together, or none of them: for a run that nobody looks at before its end.

        A transaction of its own for each costs this database more than what is done in it.
        """
        with self.transaction():
            self._together = True
            try:
                yield
            finally:
                self._together = False

    def rows(self, sql: str, **given: Any) -> list[Row]:
        """What a SELECT answers. Instants come out of `epoch_us(...)`."""
        try:
            return self._connection.execute(sql, _plain(given)).fetchall()
        except duckdb.Error as error:
            raise _answerless(self.path, error) from error

    def table(self, sql: str, **given: Any) -> Any:
        """What a SELECT answers, as a DataFrame."""
        try:
            return self._connection.execute(sql, _plain(given)).df()
        except duckdb.Error as error:
            raise _answerless(self.path, error) from error

    def columns(self, table: str, names: Iterable[str]) -> Columns:
        """Columns of a table as a run's tables hold them, by id or in order of insertion: NULL is NEVER, or None."""
        types = self._types[table]
        cells = {name: _read(name, types[name]) for name in names}
        order = " ORDER BY id" if "id" in types else ""
        found = self._connection.execute(f"SELECT {', '.join(cells.values())} FROM {table}{order}").fetchall()
        values = zip(*found, strict=True) if found else ((),) * len(cells)
        return {name: np.array(column, dtype=_dtype(types[name])) for name, column in zip(cells, values, strict=True)}

    def replace(self, tables: Mapping[str, Columns]) -> None:
        """Put rows in the place of what tables hold, all of them or none."""
        with self.transaction():
            for table, columns in tables.items():
                self._connection.execute(f"DELETE FROM {table}")
                run_id = np.repeat(text([self.run_id]), length(columns))
                insert_columns(self._connection, table, {"run_id": run_id, **columns})

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Transaction:
    """What a transaction can do. Made by `Database.transaction`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def execute(self, sql: str, **given: Any) -> list[Row]:
        """Execute one statement, with `$name` parameters; its rows, if it has any."""
        self._database.on_statement(sql)
        cursor = self._database._connection.execute(sql, given or None)
        return cursor.fetchall()

    def one(self, sql: str, **given: Any) -> Row | None:
        """The first row of a SELECT."""
        found = self.execute(sql, **given)
        return found[0] if found else None

    def insert(self, table: str, **values: Any) -> int:
        """Insert a row and return its id, the next one of the table unless it is given (0 for a table without ids)."""
        types = self._database._types[table]
        if "id" in types and "id" not in values:
            values["id"] = self.next_id(table)
        key = (table, *values)
        sql = self._database._inserts.get(key)
        if sql is None:
            cells = ", ".join(_cell(f"${name}", types[name]) for name in values)
            sql = f"INSERT INTO {table} (run_id, {', '.join(values)}) VALUES ($run_id, {cells})"
            self._database._inserts[key] = sql
        self.execute(sql, run_id=self._database.run_id, **{name: _null(value) for name, value in values.items()})
        self._database.inserted[table] = self._database.inserted.get(table, 0) + 1
        return int(values.get("id", 0))

    def update(self, table: str, id: int, **values: Any) -> None:
        """Set columns of the row with this id."""
        key = ("", table, *values)
        sql = self._database._inserts.get(key)
        if sql is None:
            types = self._database._types[table]
            cells = ", ".join(f"{name} = {_cell(f'${name}', types[name])}" for name in values)
            sql = f"UPDATE {table} SET {cells} WHERE id = $row_id"
            self._database._inserts[key] = sql
        self.execute(sql, row_id=id, **{name: _null(value) for name, value in values.items()})

    def next_id(self, table: str) -> int:
        """The id of the table's next row: give it to the row."""
        last = self._database._last_ids.get(table)
        if last is None:
            found = self.one(f"SELECT coalesce(max(id), 0) FROM {table}")
            last = int(found[0]) if found else 0
        self._database._last_ids[table] = last + 1
        return last + 1


def _plain(given: dict[str, Any]) -> dict[str, Any] | None:
    """Parameters as DuckDB takes them: a number of an earlier answer is numpy's."""
    return {name: v.item() if isinstance(v, np.generic) else v for name, v in given.items()} or None


def instant(value: Any) -> int:
    """An instant as it came out of `epoch_us(...)`, NEVER for NULL."""
    return NEVER if value is None else int(value)


def _read(name: str, of: str) -> str:
    if of == "TIMESTAMP WITH TIME ZONE":
        return f"coalesce(epoch_us({name}), {NEVER})"
    return f"coalesce({name}, {NEVER})" if of == "BIGINT" else name


def _dtype(of: str) -> Any:
    return {"TIMESTAMP WITH TIME ZONE": np.int64, "BIGINT": np.int64, "BOOLEAN": bool, "DOUBLE": np.float64}.get(
        of, object
    )


def _cell(parameter: str, of: str) -> str:
    return f"make_timestamptz({parameter}::BIGINT)" if of == "TIMESTAMP WITH TIME ZONE" else f"{parameter}::{of}"


def _null(value: Any) -> Any:
    return None if isinstance(value, int) and value == NEVER else value


def _named(path: str, error: duckdb.Error) -> RefusedError | StoreError:
    """A broken CHECK by the name of its rule; anything else as what it is."""
    if isinstance(error, duckdb.ConstraintException):
        return RefusedError(broken_rule(error) or f"this is refused: {_words(error)}")
    return _answerless(path, error)


def _answerless(path: str, error: duckdb.Error) -> StoreError:
    """SQL that somebody wrote is answered in DuckDB's words for it, which say where it is wrong."""
    if isinstance(error, duckdb.ProgrammingError | duckdb.DataError):
        return StoreError(f"{path}: this SQL cannot be answered: {_words(error)}")
    return explained(path, error)


def _words(error: duckdb.Error) -> str:
    return str(error).splitlines()[0].partition(" Error: ")[2]
