"""What tables are made of: columns as arrays, each made when it is first asked for.

Instants and durations are int64 microseconds with NEVER for NULL, text is an object array with None for NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from simkit.clock import NEVER, Int64Array

_T = TypeVar("_T")

Columns = Mapping[str, npt.NDArray[Any]]
"""A table: its columns by name, of equal length."""

Tables = Mapping[str, Columns]


class Storable(Protocol):
    """A run as the store takes it: tables of schema.sql without run_id."""

    @property
    def run_id(self) -> str: ...

    @property
    def tables(self) -> Tables: ...

    @property
    def views(self) -> Tables:
        """Views of schema.sql whose rows the run has anyhow: questions in memory read these, and need not join."""
        ...


class Lazy(Mapping[str, _T]):
    """A mapping whose values are made when they are first asked for, and kept: most questions need few of them."""

    def __init__(self, makers: Mapping[str, Callable[[], _T]]) -> None:
        self._makers = dict(makers)
        self._made: dict[str, _T] = {}

    def __getitem__(self, name: str) -> _T:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def passing(self, name: str) -> _T:
        """The value, which is not kept if it is made for this."""
        return self._made[name] if name in self._made else self._makers[name]()

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def ids(count: int) -> Int64Array:
    """1 to `count`."""
    return np.arange(1, count + 1, dtype=np.int64)


def whole(values: Iterable[int]) -> Int64Array:
    """Whole numbers as a column."""
    return np.array(list(values), dtype=np.int64)


def text(values: Sequence[str | None]) -> npt.NDArray[Any]:
    """Text as a column."""
    return np.array(values, dtype=object)


def length(columns: Columns) -> int:
    """How many rows a table has."""
    return len(next(iter(columns.values())))


def passing(tables: Tables, table: str) -> Columns:
    """One of the tables, which is not kept if it is made for this: the columns of all take as much room as the run."""
    return tables.passing(table) if isinstance(tables, Lazy) else tables[table]


def rows(tables: Tables, names: Iterable[str] | None = None) -> int:
    """How many rows these tables have together, or all of them."""
    return sum(length(passing(tables, name)) for name in (tables if names is None else names))


def stacked(run_ids: Sequence[str], each: Sequence[Columns], names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """These columns of one table of several runs, run by run, and run_id. A column that no run has is left out, one
    that some have is NULL in the others."""
    lengths = [length(columns) for columns in each]
    found = {"run_id": np.repeat(text(run_ids), lengths)}
    for name in names:
        parts = [columns.get(name) for columns in each]
        known = next((part for part in parts if part is not None), None)
        if len(parts) == 1 and known is not None:
            found[name] = known  # nothing is copied of a run of millions of rows
        elif known is not None:
            null = None if known.dtype == object else NEVER
            found[name] = np.concatenate(
                [np.full(n, null, known.dtype) if p is None else p for n, p in zip(lengths, parts, strict=True)]
            )
    return found


def some_at_a_time(
    runs: Iterable[Storable], most: int, rows_of: Callable[[Storable], int] = lambda run: rows(run.tables)
) -> Iterator[Sequence[Storable]]:
    """Runs of together at most `most` rows, or one that has more: what is done to each lot costs as much as many rows,
    and memory is bounded by one lot. `rows_of`: how many of a run's rows are worked on."""
    some: list[Storable] = []
    so_far = 0
    for run in runs:
        more = rows_of(run)
        if some and so_far + more > most:
            yield some
            some, so_far = [], 0
        some.append(run)
        so_far += more
    if some:
        yield some
