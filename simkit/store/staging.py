"""Tables of others on their way into a runs file: kept aside until they are whole and known to be good."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from simkit.store.columns import Columns
from simkit.store.connection import ensure_schema, file_of, literal, make, opened
from simkit.store.writing import insert_columns

MEMORY = "512MB"
"""How much DuckDB takes before it goes on on the disk: a deployment may be larger than a planner's laptop."""


class Stage:
    """A database to put tables into, and to ask. What DuckDB has to say is raised as its own error."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        connection.execute(f"SET memory_limit = '{MEMORY}'; SET enable_progress_bar = false")

    def rows(self, sql: str, given: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """What a statement answers."""
        return self._connection.execute(sql, dict(given or {})).fetchall()

    def take(self, stream: Any, sql: str) -> None:
        """Do what `sql` says with `given`: a table that streams in, in Arrow's form."""
        self._connection.register("given", stream)
        try:
            self._connection.execute(sql)
        finally:
            self._connection.unregister("given")

    def insert(self, table: str, columns: Columns) -> None:
        """As `store.writing.insert_columns`."""
        insert_columns(self._connection, table, columns)


class Staged:
    """A database beside the runs file, until it is known that what is in it goes there."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def opened(self) -> Iterator[Stage]:
        """To fill it, or to look into it. Raises StoreError."""
        with opened(self._file, shown="what was read") as connection:
            yield Stage(connection)

    def write(self, path: str | Path, fill: Callable[[Stage], None]) -> None:
        """Add to a runs file, or make one: all that `fill` does, in one transaction, or nothing of it.

        `fill` finds these tables in the schema `staged`, and may be called twice. Raises StoreError.
        """

        def all_of_it(connection: duckdb.DuckDBPyConnection) -> None:
            connection.execute(f"ATTACH {literal(self._file)} AS staged (READ_ONLY)")
            connection.begin()
            try:
                fill(Stage(connection))
                connection.commit()
            except BaseException:
                with suppress(duckdb.Error):  # DuckDB may have ended the transaction itself
                    connection.rollback()
                raise
            finally:
                with suppress(duckdb.Error):
                    connection.execute("DETACH staged")

        if file_of(path).exists() or not make(path, all_of_it):
            with opened(path) as connection:
                ensure_schema(connection, path)
                all_of_it(connection)


@contextmanager
def staging() -> Iterator[Staged]:
    """A place to stage tables, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="simkit-") as folder:
        yield Staged(Path(folder, "staged.duckdb"))
