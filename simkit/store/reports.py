"""What became of every report: one table in a DuckDB file, of which a batch asks and to which it adds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from simkit.clock import format_instant
from simkit.errors import StoreError
from simkit.store.connection import file_of, opened


class Made(NamedTuple):
    """A report, or what went wrong with it.

    `made_at`: microseconds. `digest`: of its notebook, inputs and simkit; `message`: "" if it was made. `page`: below
    the folder of all reports, "" if there is none. What its first run came to, medians over replications, None where
    nothing was simulated: `hit_rate` of all presets together, `wait_p95_s` (seconds) of the preset that has the
    longest, idle hours and cost a week.
    """

    notebook: str
    report: str
    made_at: int
    digest: str
    message: str
    seconds: float
    page: str
    claims: float | None = None
    hit_rate: float | None = None
    wait_p95_s: float | None = None
    idle_hours_per_week: float | None = None
    idle_cost_per_week: float | None = None
    currency: str | None = None
    hard_limited_presets: float | None = None


_TABLE = """
    CREATE TABLE reports (
        notebook VARCHAR NOT NULL, report VARCHAR NOT NULL, made_at TIMESTAMPTZ NOT NULL, digest VARCHAR NOT NULL,
        message VARCHAR NOT NULL, seconds DOUBLE NOT NULL, page VARCHAR NOT NULL,
        claims DOUBLE, hit_rate DOUBLE, wait_p95_s DOUBLE, idle_hours_per_week DOUBLE, idle_cost_per_week DOUBLE,
        currency VARCHAR, hard_limited_presets DOUBLE
    )
"""


def add_reports(path: str | Path, made: Sequence[Made]) -> None:
    """Write reports to the file, which is made if it is not there, all or none. Raises StoreError."""
    rows = [list(each._replace(made_at=format_instant(each.made_at))) for each in made]  # type: ignore[arg-type]
    places = ", ".join("?" * len(Made._fields))
    with opened(path) as connection:
        connection.begin()
        if not connection.execute("SELECT 1 FROM information_schema.tables").fetchall():
            connection.execute(_TABLE)
        _check(connection, path)
        if rows:
            connection.executemany(f"INSERT INTO reports VALUES ({places})", rows)
        connection.commit()


def all_reports(path: str | Path) -> list[Made]:
    """Every report that the file tells of, in the order in which they were written; none without a file.

    Raises StoreError.
    """
    if not file_of(path).exists():
        return []
    with opened(path, read_only=True) as connection:
        _check(connection, path)
        columns = ", ".join("epoch_us(made_at)" if name == "made_at" else name for name in Made._fields)
        return [Made(*row) for row in connection.execute(f"SELECT {columns} FROM reports ORDER BY rowid").fetchall()]


def _check(connection: duckdb.DuckDBPyConnection, path: str | Path) -> None:
    there = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'reports' ORDER BY ordinal_position"
    ).fetchall()
    if [name for (name,) in there] != list(Made._fields):
        raise StoreError(f"{path}: this file holds no history of reports that this simkit writes; move it away")
