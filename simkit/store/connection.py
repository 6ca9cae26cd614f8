"""Connections to DuckDB, the schema in them, and what to say when something is wrong with a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import resources
from pathlib import Path

import duckdb

from simkit.errors import StoreError

SCHEMA_VERSION = 3


@lru_cache(maxsize=1)
def schema() -> str:
    """The statements that make an empty database of the schema."""
    sql = resources.files("simkit.store").joinpath("schema.sql").read_text(encoding="utf-8")
    return f"{sql}\nINSERT INTO schema_version VALUES ({SCHEMA_VERSION});"


def connect(path: str, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection that speaks UTC. Raises StoreError."""
    try:
        connection = duckdb.connect(path, read_only=read_only)
        # Object arrays hold text, also where the rows that DuckDB would look at to find out are all NULL.
        connection.execute("SET TimeZone = 'UTC'; SET pandas_analyze_sample = 0; SET preserve_insertion_order = true")
    except duckdb.Error as error:
        raise StoreError(explained(path, error)) from error
    return connection


@contextmanager
def opened(path: str, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection, closed in any case. Raises StoreError for whatever DuckDB has to say."""
    connection = connect(path, read_only)
    try:
        yield connection
    except duckdb.Error as error:
        raise StoreError(explained(path, error)) from error
    finally:
        connection.close()


def explained(path: str, error: duckdb.Error) -> str:
    """What DuckDB has to say, for a person."""
    text = str(error).splitlines()[0]
    if "lock" in text.lower():
        return f"{path}: another process is writing to it; wait until it is done, or write to another file"
    if "not a valid DuckDB database" in text:
        return f"{path}: this is not a DuckDB file; choose another name for the runs file"
    return f"{path}: {text}"


def ensure_schema(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make the tables in an empty database. Raises StoreError for one that holds something else."""
    tables = connection.execute("SELECT count(*) FROM information_schema.tables").fetchall()
    if tables == [(0,)]:
        connection.execute(f"BEGIN; {schema()}; COMMIT")
    check_schema(connection, path)


def check_schema(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise StoreError unless the database has the tables of this simkit."""
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


@lru_cache(maxsize=1)
def constraints() -> tuple[tuple[str, str, str], ...]:
    """(table, expression as DuckDB shows it, name) of every CHECK. DuckDB forgets the names that schema.sql gives."""
    with opened(":memory:") as connection:
        connection.execute(schema())
        rows = connection.execute(
            "SELECT table_name, expression FROM duckdb_constraints() WHERE constraint_type = 'CHECK' "
            "ORDER BY table_oid, constraint_index"
        ).fetchall()
    names = re.findall(r"CONSTRAINT\s+(\w+)\s+CHECK", schema())
    return tuple((table, check, name) for (table, check), name in zip(rows, names, strict=True))
