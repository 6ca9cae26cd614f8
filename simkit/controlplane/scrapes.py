"""Coder's metrics of a run over a span of time: all that a Prometheus would have scraped, as OpenMetrics text.

`metrics` asks for everything as it stood at one instant. Here each row of the run says from when until when it counts
for which series, and a series is the sum of that over the whole span: one query a metric, however many steps there are.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import groupby
from os.path import isfile
from pathlib import Path
from typing import NamedTuple

from simkit.clock import NEVER, SECOND_US, format_duration, format_instant, parse_duration, parse_instant
from simkit.controlplane.metrics import (
    HARD_LIMITED,
    HAS_LIMITS,
    LIMITS,
    PAUSE,
    PAUSED,
    RUNS,
    UPDATED,
    Family,
    hard_limit_of,
    run_of,
)
from simkit.controlplane.series import NAMES, SOURCES, STATES, WITHOUT_ROWS, Source
from simkit.errors import Findings, StoreError, Where, did_you_mean
from simkit.limits import MOST_SAMPLES
from simkit.store.connection import Connection, check_schema, opened
from simkit.store.database import Row

_LINES = 20_000
"""Of text that is made at once."""


class Span(NamedTuple):
    """The steps from `from_at` on, before `until_at`; microseconds."""

    from_at: int
    until_at: int
    step_us: int

    @property
    def steps(self) -> int:
        return -((self.from_at - self.until_at) // self.step_us)


class Scrapes:
    """The metrics of a run over a span, counted and ready to be written. Made by `scraped`."""

    def __init__(self, connection: Connection, run_id: str, span: Span, without: frozenset[str]) -> None:
        self._connection, self._run_id, self._span, self._without = connection, run_id, span, without
        # A `Database` of this file in this process switches them off for all; without them DuckDB 1.5 crashes on these.
        self._connection.execute("RESET disabled_optimizers")
        for sql in STATES:
            self._execute(sql)
        limited = self._connection.execute(HAS_LIMITS).fetchall() and self._execute(LIMITS).fetchall()
        self._limit(hard_limit_of(limited))
        self.samples: dict[str, int] = {}
        """How many, by family."""
        for i, source in enumerate(SOURCES):
            wanted = [family for family, _ in source.families if family.name not in without]
            if wanted:
                self._execute(_stepped(f"scraped_{i}", source, span))
                (count,) = self._rows(
                    f"SELECT coalesce(sum(until_step - step), 0)::BIGINT FROM scraped_{i} WHERE {source.columns[0]} > 0"
                )
                self.samples |= {family.name: count[0] * _lines(family) for family in wanted}
        self.samples |= {family.name: span.steps for family in WITHOUT_ROWS if family.name not in without}

    def text(self) -> Iterator[str]:
        """OpenMetrics, some thousand lines at a time. A family's series come one after another, each by time."""
        seconds = [
            str(self._span.from_at // SECOND_US + i * (self._span.step_us // SECOND_US))
            for i in range(self._span.steps)
        ]
        for i, source in enumerate(SOURCES):
            for family, column in source.families:
                if family.name not in self._without:
                    yield family.description()
                    yield from self._of(f"scraped_{i}", source, family, column, seconds)
            if source.families[-1][0] is HARD_LIMITED:
                yield from self._of_the_deployment(seconds)
        yield "# EOF\n"

    def _of(self, table: str, source: Source, family: Family, column: str, seconds: Sequence[str]) -> Iterator[str]:
        labels = ", ".join(family.labels)
        values = ", ".join((*source.columns[1:-1], "every", "every", "us") if family.bounds_s else (column,))
        found = self._connection.execute(
            f"SELECT {labels}, step, until_step, {values} FROM {table} WHERE {source.columns[0]} > 0 "
            f"ORDER BY {labels}, step"
        )
        width = len(family.labels)
        for of, rows in groupby(_fetched(found), key=lambda row: row[:width]):
            series = family.series(of)
            for row in rows:
                yield from _lines_of(series, _shown(family, row[width + 2 :]), seconds[row[width] : row[width + 1]])

    def _of_the_deployment(self, seconds: Sequence[str]) -> Iterator[str]:
        if PAUSED.name not in self._without:
            paused = self._execute(PAUSE).fetchall()
            yield PAUSED.description()
            yield from _lines_of(PAUSED.series(()), [str(int(bool(paused[0][0])))], seconds)
        if UPDATED.name not in self._without:
            yield UPDATED.description()
            (name,) = UPDATED.series(())
            yield "".join(f"{name} {second} {second}\n" for second in seconds)

    def _limit(self, limit: int) -> None:
        """Fill the table `limited`: when the `limit` newest starts of a preset's prebuilds have all failed."""
        changes: dict[int, list[tuple[int, bool, tuple[int, int, bool]]]] = defaultdict(list)
        for preset_id, created_at, id, failed, from_at, until_at in self._rows(f"""
            SELECT preset_id, created_at, id, status = 'failed', from_at, until_at FROM owned
            WHERE transition = 'start' AND preset_id IN (
                SELECT preset_id FROM owned WHERE transition = 'start' AND status = 'failed'
                GROUP BY preset_id HAVING count(*) >= {limit} AND {limit} > 0
            )
        """):
            changes[preset_id].append((from_at, True, (created_at, id, failed)))
            changes[preset_id].append((until_at, False, (created_at, id, failed)))
        spans: list[tuple[int, int, int]] = []
        for preset_id, each in changes.items():
            starts: list[tuple[int, int, bool]] = []
            limited_at = NEVER
            for at, some in groupby(sorted(each), key=lambda change: change[0]):
                for _, begins, start in some:
                    if begins:
                        insort(starts, start)
                    else:
                        del starts[bisect(starts, start) - 1]
                is_limited = len(starts) >= limit and all(failed for _, _, failed in starts[-limit:])
                if is_limited != (limited_at < NEVER):
                    if not is_limited:
                        spans.append((preset_id, limited_at, at))
                    limited_at = at if is_limited else NEVER
        if spans:
            self._connection.executemany("INSERT INTO limited VALUES (?, ?, ?)", spans)

    def _rows(self, sql: str) -> list[Row]:
        return self._connection.execute(sql).fetchall()

    def _execute(self, sql: str) -> Connection:
        return self._connection.execute(sql, {"run": self._run_id} if "$run" in sql else None)


def _stepped(table: str, source: Source, span: Span) -> str:
    """A table of each series' values: from `step` until before `until_step`, by position."""
    labels = ", ".join(source.families[0][0].labels)
    columns, sums = ", ".join(source.columns), ", ".join(f"sum({c}) AS {c}" for c in source.columns)
    so_far = ", ".join(f"(sum({c}) OVER so_far)::BIGINT AS {c}" for c in source.columns)
    less = ", ".join(f"-{c}" for c in source.columns)
    # Whatever happens between two steps is seen at the later one.
    return f"""
CREATE TEMP TABLE {table} AS
WITH counted AS (SELECT * FROM ({source.sql}) WHERE from_at < until_at AND from_at < {span.until_at}),

changes AS (
    SELECT {labels}, from_at AS changed_at, {columns} FROM counted
    UNION ALL
    SELECT {labels}, until_at, {less} FROM counted WHERE until_at < {span.until_at}
),

stepped AS (
    SELECT
        {labels},
        CASE
            WHEN changed_at <= {span.from_at} THEN 0
            ELSE (changed_at - {span.from_at} + {span.step_us - 1}) // {span.step_us}
        END AS step,
        {sums}
    FROM changes
    GROUP BY {labels}, step
)

SELECT {labels}, step, lead(step, 1, {span.steps}) OVER so_far AS until_step, {so_far}
FROM stepped
WHERE step < {span.steps}
WINDOW so_far AS (PARTITION BY {labels} ORDER BY step)
"""


def _fetched(found: Connection) -> Iterator[Row]:
    while some := found.fetchmany(10_000):
        yield from some


def _lines(family: Family) -> int:
    """Of a series at one step: a histogram has its buckets, the last one too, the number and the sum."""
    return len(family.bounds_s) + 3 if family.bounds_s else 1


def _shown(family: Family, values: Sequence[int]) -> list[str]:
    """Values as text, a histogram's sum in seconds."""
    if not family.bounds_s:
        return [str(value) for value in values]
    return [*(str(count) for count in values[:-1]), repr(values[-1] / SECOND_US)]


def _lines_of(series: Sequence[str], values: Sequence[str], seconds: Sequence[str]) -> Iterator[str]:
    """The lines of a series that has these values at all these seconds."""
    parts = [f"{name} {value} " for name, value in zip(series, values, strict=True)]
    # Joined by the second, so that a step costs one call whatever it has to say.
    parts = [parts[0], *(f"\n{part}" for part in parts[1:]), "\n"]
    at_once = max(_LINES // len(values), 1)
    for first in range(0, len(seconds), at_once):
        yield "".join([second.join(parts) for second in seconds[first : first + at_once]])


@contextmanager
def scraped(
    path: str | Path,
    from_at: str | None,
    until_at: str | None,
    step: str,
    run_id: str | None = None,
    without: Iterable[str] = (),
) -> Iterator[Scrapes]:
    """The metrics of a run in a runs file at `from_at` and each `step` later, before `until_at`; None: the run's first
    whole second, its end.

    Instants are RFC 3339, in whole seconds as timestamps are then, `step` is a duration. `without`: families left out,
    by patterns of their names (`coderd_*_seconds`). Each step says what `metrics.exposition_of` says of its instant.
    Raises StoreError for a file or a run that is not there, InputError with all that is wrong with the rest, and for
    more samples than MOST_SAMPLES.
    """
    if not isfile(path):
        raise StoreError(f"{path}: there is no such runs file; `simkit run` writes one with --out")
    with opened(path, read_only=True) as connection:
        check_schema(connection, path, readable=True)
        found, start_at, end_at = run_of(connection.execute(RUNS).fetchall(), path, run_id)
        findings = Findings()
        span = _span(from_at, until_at, step, (start_at, end_at), findings)
        left_out = _left_out(without, findings)
        findings.raise_errors()
        assert span is not None
        scrapes = Scrapes(connection, found, span, left_out)
        _check_size(scrapes, span)
        yield scrapes


def _span(
    from_at: str | None, until_at: str | None, step: str, window: tuple[int, int], findings: Findings
) -> Span | None:
    """None where something is wrong."""
    instants: dict[str, int | None] = {}
    shown = f"{format_instant(window[0])} to {format_instant(window[1])}"
    first_second = -(-window[0] // SECOND_US) * SECOND_US
    for option, given, default in (("--from", from_at, first_second), ("--until", until_at, window[1])):
        instants[option] = None
        try:
            at = default if given is None else parse_instant(given)
        except ValueError as error:
            findings.error(Where(option), str(error))
            continue
        if not window[0] <= at <= window[1]:
            findings.error(
                Where(option), f"{format_instant(at)} is outside the run's window; write an instant from {shown}"
            )
        elif option == "--from" and at % SECOND_US:
            findings.error(Where(option), f"{format_instant(at)} is no whole second; leave out the fraction")
        instants[option] = at
    first, last = instants["--from"], instants["--until"]
    step_us = 0
    try:
        step_us = parse_duration(step)
        if step_us == 0 or step_us % SECOND_US:
            findings.error(Where("--step"), f'"{step}" is no whole number of seconds; write one such as 15s')
    except ValueError as error:
        findings.error(Where("--step"), str(error))
    if first is not None and last is not None:
        if last <= first:
            findings.error(
                Where("--until"),
                f"{format_instant(last)} is not after --from {format_instant(first)}; write a later one",
            )
        elif step_us > last - first:
            findings.error(
                Where("--step"),
                f'"{step}" is longer than the {format_duration(last - first)} between --from and --until; '
                "write a shorter one",
            )
    return None if findings.errors or first is None or last is None else Span(first, last, step_us)


def _left_out(without: Iterable[str], findings: Findings) -> frozenset[str]:
    """The names of families that patterns name. A counter's may end in `_total`, as in queries."""
    found: set[str] = set()
    for pattern in without:
        named = {name for name in NAMES if fnmatchcase(name, pattern) or fnmatchcase(f"{name}_total", pattern)}
        if not named:
            findings.error(Where("--without"), f'there is no metric "{pattern}"; {did_you_mean(pattern, NAMES)}')
        found |= named
    if found == set(NAMES):
        findings.error(Where("--without"), "this leaves out every metric; write fewer")
    return frozenset(found)


def _check_size(scrapes: Scrapes, span: Span) -> None:
    total = sum(scrapes.samples.values())
    if total <= MOST_SAMPLES:
        return
    name, most = max(scrapes.samples.items(), key=lambda item: item[1])
    findings = Findings()
    findings.error(
        Where("--step"),
        f"{span.steps:,} steps are {total:,} samples, more than {MOST_SAMPLES:,}; take a longer step or a shorter "
        f"span, or leave metrics out: --without {name}, which has {most:,} of them",
    )
    findings.raise_errors()
