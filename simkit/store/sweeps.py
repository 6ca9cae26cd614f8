"""A sweep's file: a DuckDB database of points and their measures, which is gone on with where it was left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

from simkit.errors import StoreError
from simkit.store.connection import file_of, opened

if TYPE_CHECKING:
    import pandas as pd

SWEEP_VERSION = 1

# How many and how long: numbers of one run, in the order in which simkit.runs.measures has them.
WHOLE = ("claims", "hits", "still_waiting", "builds", "failed_builds")
REAL = (
    *("hit_rate", "wait_p50_s", "wait_p95_s", "wait_p99_s", "idle_instance_hours", "idle_cost"),
    *("pool_instance_hours", "pool_cost", "billed_instance_hours", "billed_cost"),
)

_Typed = int | float | str


class Rows(NamedTuple):
    """What a point's replications gave, a row per replication and preset: [n] each. `columns`: all WHOLE and REAL."""

    replication: npt.NDArray[np.int64]
    preset: Sequence[str]
    columns: Mapping[str, npt.NDArray[np.float64] | npt.NDArray[np.int64]]


class Outcome(NamedTuple):
    """What became of a point: rows, or the message of what failed. `values`: texts, by the sweep's paths; `digest`: of
    its scenario, "" where that could not be read; `weeks`: how long its window is."""

    values: tuple[str, ...]
    digest: str
    weeks: float
    rows: Rows | None
    message: str


class Stored(NamedTuple):
    """A point that the file has: its number, its scenario's digest, the replications that are there."""

    number: int
    digest: str
    replications: frozenset[int]


class SweepFile:
    """An open sweep. Raises StoreError for what the file is not."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: str | Path,
        paths: Sequence[str],
        values: Sequence[Sequence[str]],
        made_of: tuple[str, int, str],
    ) -> None:
        """`made_of`: the scenario's name, the seed, the digest of the scenario as its file says it."""
        self._connection, self._path, self._paths = connection, path, tuple(paths)
        tables = {name for (name,) in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()}
        if not tables:
            self._types = [_type_of(given) for given in values]
            self._make(made_of)
        elif not {"sweep", "points", "measures"} <= tables:
            raise StoreError(f"{path}: this DuckDB file holds no sweep; choose another file")
        else:
            self._check(made_of, values)

    def _make(self, made_of: tuple[str, int, str]) -> None:
        keys = "".join(f", {_quoted(p)} {of} NOT NULL" for p, of in zip(self._paths, self._types, strict=True))
        measures = ", ".join([*(f"{name} BIGINT" for name in WHOLE), *(f"{name} DOUBLE" for name in REAL)])
        self._connection.execute(
            "BEGIN; "
            "CREATE TABLE sweep (version INTEGER, scenario VARCHAR, seed BIGINT, digest VARCHAR, paths VARCHAR[]); "
            f"CREATE TABLE points (point BIGINT PRIMARY KEY{keys}, digest VARCHAR, weeks DOUBLE, message VARCHAR); "
            "CREATE TABLE measures (point BIGINT NOT NULL, replication BIGINT NOT NULL, preset VARCHAR NOT NULL, "
            f"{measures}, PRIMARY KEY (point, replication, preset))"
        )
        self._connection.execute(
            "INSERT INTO sweep VALUES (?, ?, ?, ?, ?)", [SWEEP_VERSION, *made_of, list(self._paths)]
        )
        self._connection.execute("COMMIT")

    def _check(self, made_of: tuple[str, int, str], values: Sequence[Sequence[str]]) -> None:
        found = self._connection.execute("SELECT version, scenario, seed, digest, paths FROM sweep").fetchall()
        other = "choose another file"
        if len(found) != 1 or found[0][0] != SWEEP_VERSION:
            raise StoreError(f"{self._path}: another version of simkit wrote this sweep; {other}")
        _, name, seed, digest, paths = found[0]
        if tuple(paths) != self._paths:
            raise StoreError(
                f"{self._path}: this sweep varies {', '.join(paths)}, in this order; vary the same, or {other}"
            )
        if seed != made_of[1]:
            raise StoreError(f"{self._path}: this sweep has the seed {seed}; give --seed {seed}, or {other}")
        if digest != made_of[2]:
            raise self.moved(name)
        described = self._connection.execute("DESCRIBE points").fetchall()
        types = {column: of for column, of, *_ in described}
        self._types = [types[p] for p in self._paths]
        for p, of, given in zip(self._paths, self._types, values, strict=True):
            if wrong := [text for text in given if _typed(text, of) is None]:
                what = "whole numbers" if of == "BIGINT" else "numbers"
                raise StoreError(f'{self._path}: {p} has {what} in this sweep, not "{wrong[0]}"; {other}')

    def moved(self, scenario: str) -> StoreError:
        return StoreError(
            f"{self._path}: its points are of another state of {scenario}, of a file that it names, or of simkit; "
            "choose another file"
        )

    def _key(self, values: Sequence[str]) -> tuple[_Typed, ...]:
        found = tuple(_typed(text, of) for text, of in zip(values, self._types, strict=True))
        assert None not in found, "values fit their columns"
        return tuple(each for each in found if each is not None)

    def stored(self) -> Known:
        """The points that succeeded, and the numbers of those that did not."""
        columns = ", ".join(map(_quoted, self._paths))
        there = dict(
            self._connection.execute("SELECT point, list(DISTINCT replication) FROM measures GROUP BY point").fetchall()
        )
        rows = self._connection.execute(f"SELECT point, digest, message, {columns} FROM points").fetchall()
        points = {
            tuple(key): Stored(number, digest or "", frozenset(there.get(number, ()) if message is None else ()))
            for number, digest, message, *key in rows
        }
        return Known(self, points)

    def write(self, outcomes: Sequence[Outcome], known: Known) -> None:
        """All of them, in one transaction."""
        if not outcomes:
            return
        self._connection.begin()
        try:
            numbers = [self._number(outcome, known) for outcome in outcomes]
            self._put(numbers, outcomes)
            self._insert([(number, o.rows) for number, o in zip(numbers, outcomes, strict=True) if o.rows is not None])
            self._connection.commit()
        except BaseException:
            with suppress(duckdb.Error):  # DuckDB may have ended the transaction itself
                self._connection.rollback()
            raise

    def _put(self, numbers: Sequence[int], outcomes: Sequence[Outcome]) -> None:
        """The points, as columns: a row at a time takes DuckDB as long as a small run. The last of a point counts."""
        last = dict(zip(numbers, outcomes, strict=True))
        keys = zip(*(self._key(outcome.values) for outcome in last.values()), strict=True)
        dtypes = {"BIGINT": np.int64, "DOUBLE": np.float64, "VARCHAR": np.object_}
        given: dict[str, npt.NDArray[Any]] = {"point": np.array(list(last), dtype=np.int64)}
        for i, (column, of) in enumerate(zip(keys, self._types, strict=True)):
            given[f"key{i}"] = np.array(column, dtype=dtypes[of])
        given["weeks"] = np.array([outcome.weeks for outcome in last.values()])
        for name in ("digest", "message"):
            given[name] = np.array([getattr(outcome, name) for outcome in last.values()], dtype=object)
        self._connection.register("given", given)
        columns = ", ".join(["point", *(f"key{i}" for i in range(len(self._types)))])
        self._connection.execute(
            f"INSERT OR REPLACE INTO points SELECT {columns}, "
            "nullif(digest, ''), nullif(weeks, 0), nullif(message, '') FROM given"
        )
        self._connection.unregister("given")

    def _number(self, outcome: Outcome, known: Known) -> int:
        """The point's number, which it keeps; it is known from now on."""
        key = self._key(outcome.values)
        old = known.points.get(key)
        number = len(known.points) if old is None else old.number
        done = old.replications if old else frozenset()
        if outcome.rows is not None:
            done |= frozenset(outcome.rows.replication.tolist())
        known.points[key] = Stored(number, outcome.digest, done)
        return number

    def _insert(self, found: Sequence[tuple[int, Rows]]) -> None:
        if not found:
            return
        given: dict[str, npt.NDArray[Any]] = {
            "point": np.repeat([number for number, _ in found], [rows.replication.size for _, rows in found]),
            "replication": np.concatenate([rows.replication for _, rows in found]),
            "preset": np.array([name for _, rows in found for name in rows.preset], dtype=object),
        }
        given |= {name: np.concatenate([rows.columns[name] for _, rows in found]) for name in (*WHOLE, *REAL)}
        self._connection.register("given", given)
        real = ", ".join(f"CASE WHEN NOT isnan({name}) THEN {name} END" for name in REAL)
        self._connection.execute(
            f"INSERT INTO measures SELECT point, replication, preset, {', '.join(WHOLE)}, {real} FROM given"
        )
        self._connection.unregister("given")


class Known:
    """Points of the file by their values."""

    def __init__(self, file: SweepFile, points: dict[tuple[_Typed, ...], Stored]) -> None:
        self._file, self.points = file, points

    def get(self, values: Sequence[str]) -> Stored | None:
        return self.points.get(self._file._key(values))


@contextmanager
def sweep_file(
    path: str | Path, paths: Sequence[str], values: Sequence[Sequence[str]], made_of: tuple[str, int, str]
) -> Iterator[SweepFile]:
    """The sweep in a file, which is made if it is not there. Raises StoreError."""
    file = file_of(path)
    if not file.parent.is_dir():
        raise StoreError(f"{path}: there is no directory {file.parent}; make it first")
    with opened(path) as connection:
        yield SweepFile(connection, path, paths, values, made_of)


def read_sweep(path: str | Path) -> pd.DataFrame:
    """Every row of a sweep's file, in the order of points, replications and presets: the varied paths, point,
    replication, preset, measures, weeks; points that failed have one row with their `message`. Raises StoreError."""
    if not file_of(path).exists():
        raise StoreError(f"{path}: there is no such file; `simkit sweep` writes one with --out")
    with opened(path, read_only=True) as connection:
        tables = {name for (name,) in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()}
        if not {"sweep", "points", "measures"} <= tables:
            raise StoreError(f"{path}: this DuckDB file holds no sweep; choose another file")
        return connection.execute(
            "SELECT p.* EXCLUDE (digest), m.* EXCLUDE (point) FROM points AS p LEFT JOIN measures AS m "
            "ON m.point = p.point AND p.message IS NULL ORDER BY p.point, m.replication, m.rowid"
        ).df()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _type_of(texts: Sequence[str]) -> str:
    """Of a column: whole numbers, numbers, or text as it is written."""
    return next(of for of in ("BIGINT", "DOUBLE", "VARCHAR") if all(_typed(text, of) is not None for text in texts))


def _typed(text: str, of: str) -> _Typed | None:
    """None where the text is nothing of the kind."""
    if of == "VARCHAR":
        return text
    try:
        number = int(text) if of == "BIGINT" else float(text)
    except ValueError:
        return None
    return number if abs(number) < 2**63 else None
