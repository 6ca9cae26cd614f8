"""Rows of a table that somebody else made, as text: CSV, Parquet files, tables and queries of DuckDB files.

Whatever cannot be read is told with its line and what to write instead.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from simkit.clock import SECOND_US, Zone, parse_instant
from simkit.errors import Findings, StoreError, Where
from simkit.store.foreign import Foreign, Query, of_csv, of_query

_SHOWN_PROBLEMS = 10
Problems = list[tuple[int, str]]
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_UNITS_US = (("seconds", SECOND_US), ("milliseconds", 1000), ("microseconds", 1), ("nanoseconds", 0.001))
_FROM_AT, _UNTIL_AT = parse_instant("2000-01-01T00:00:00Z"), parse_instant("2100-01-01T00:00:00Z")
_NO_TEXT = {
    b"PK\x03\x04": "is a workbook or a zip file; save it as CSV",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd; unpack it, or compress it with gzip",
    b"BZh": "is compressed with bzip2; unpack it, or compress it with gzip",
    b"\xfd7zXZ": "is compressed with xz; unpack it, or compress it with gzip",
    b"SQLite format 3": "is a SQLite file; export the table as CSV",
}


def file_of(source: Path | Query) -> Path:
    return source.file if isinstance(source, Query) else source


@dataclass(frozen=True)
class Rows:
    """The columns that are read, as text; None for one that it does not have."""

    path: Path
    names: dict[str, int]
    """Where each is among all columns."""
    wanted: tuple[str, ...]
    table: Foreign

    def each(self) -> Iterator[tuple[int, tuple[str | None, ...]]]:
        by_name = dict(zip(self.names, self.table.columns, strict=True))
        size = len(self.table.columns[0])
        columns = [by_name.get(name, [None] * size) for name in self.wanted]
        return enumerate(zip(*columns, strict=True))

    def say(self, findings: Findings, row: int | None, text: str) -> None:
        """An error at a row (None: at the columns' names)."""
        is_text = bool(self.table.line)
        if row is None:
            findings.error(Where(str(self.path), int(is_text)), text)
        elif is_text:
            findings.error(Where(str(self.path), self.table.line[row]), text)
        else:
            findings.error(Where(str(self.path)), f"row {row + 1}: {text}")


def read_rows(
    source: Path | Query, required: tuple[str, ...], optional: tuple[str, ...], findings: Findings
) -> Rows | None:
    """The rows of a history; None, with errors, if it cannot be read or has none."""
    path, wanted = file_of(source), (*required, *optional)
    try:
        with path.open("rb") as file:
            magic = file.read(16)
        if isinstance(source, Query) and magic[8:12] != b"DUCK":
            findings.error(
                Where(str(path)), "is not a DuckDB file; give one, or write history: FILE.csv or FILE.parquet"
            )
            return None
        if isinstance(source, Path):
            if magic[8:12] == b"DUCK":
                findings.error(Where(str(path)), "is a DuckDB file; write {duckdb: FILE, table: NAME} as the history")
                return None
            if magic[:4] != b"PAR1":
                return csv_rows(source, required, wanted, findings)
        query = source if isinstance(source, Query) else Query(source, "parquet")
        found: dict[str, int] = {}

        def choose(columns: tuple[str, ...]) -> Sequence[int] | None:
            chosen = _columns(columns, required, wanted, Where(str(path)), "it", findings)
            found.update(chosen or {})
            return None if chosen is None else tuple(chosen.values())

        table = of_query(query, choose)
    except OSError as error:
        findings.error(Where(str(path)), f"cannot be read: {error.strerror or error}")
        return None
    except StoreError as error:
        findings.error(Where(str(path)), str(error).removeprefix(f"{path}: "))
        return None
    if table is not None and not table.columns[0]:
        findings.error(Where(str(path)), "has no rows; give a history with some")
    return None if table is None or not table.columns[0] else Rows(path, found, wanted, table)


def csv_rows(
    path: Path,
    required: tuple[str, ...],
    wanted: tuple[str, ...],
    findings: Findings,
    each: str = "time that somebody asked",
) -> Rows | None:
    """The rows of a CSV file, each of which stands for one such thing; None, with errors, if it cannot be read.

    The last of the required columns has instants or dates.
    """
    text = _text(path, findings)
    if text is None:
        return None
    lines = text.split("\n")
    at = next((i for i, line in enumerate(lines) if line.strip()), None)
    if at is None:
        findings.error(Where(str(path)), f"is empty; write {','.join(wanted)} and a row for each below")
        return None
    separator = ""
    if told := re.fullmatch(r"sep=(.)", lines[at]):  # as spreadsheets write it
        separator, at = told[1], at + 1
    where = Where(str(path), at + 1)
    headers = {s: _header(lines[at] if at < len(lines) else "", s) for s in separator or _SEPARATORS}
    best = max(
        headers, key=lambda s: (sum(name in map(_named, headers[s] or ()) for name in wanted), len(headers[s] or ()))
    )
    columns = headers[best]
    if columns is None or (None in headers.values() and not set(wanted) & set(map(_named, columns))):
        findings.error(where, "a quote is opened and not closed in the names of the columns; close it")
        return None
    found = _columns(columns, required, wanted, where, "its first line", findings)
    if found is None:
        return None
    below = "\n".join(lines[at + 1 :])
    table, unreadable = of_csv(below, len(columns), best, tuple(found.values()))
    for row in unreadable[:_SHOWN_PROBLEMS]:
        findings.error(Where(str(path), row.line + at + 1), row.text)
    if len(unreadable) > _SHOWN_PROBLEMS:
        more = f"... and {len(unreadable) - _SHOWN_PROBLEMS} more such lines"
        findings.error(Where(str(path), unreadable[-1].line + at + 1), more)
    if unreadable:
        return None
    if not table.line:
        findings.error(where, f"has no rows below it; write a row for each {each}, or give another file")
        return None
    begins = [line + at + 1 for line in table.line]
    problems = _swallowed(lines, begins, len(columns), best, found[required[-1]])
    rows = Rows(path, found, wanted, table._replace(line=begins))
    tell(rows, problems, findings)
    return None if problems else rows


def _swallowed(lines: list[str], begins: list[int], count: int, separator: str, started: int) -> Problems:
    """Rows whose quoted text goes over lines of which one looks like a row itself: its quote was never meant so."""
    problems: Problems = []
    for row, (begin, end) in enumerate(zip(begins, [*begins[1:], len(lines) + 1], strict=True)):
        for line in range(begin, end - 1) if end > begin + 1 else ():
            # The last line goes on behind the quote that closes.
            text = lines[line] if line < end - 2 else re.match(r'(?:[^"]|"")*', lines[line])[0]  # type: ignore[index]
            cells = text.split(separator)
            if len(cells) >= count > started and _is_instant(cells[started]):
                text = f"a quote that is opened here takes in line {line + 1}, which looks like a row; close it before"
                problems.append((row, text))
                break
    return problems


def _is_instant(text: str) -> bool:
    try:
        read_instant(text.strip().strip('"'), Zone("UTC"))
    except ValueError:
        return False
    return True


def _header(line: str, separator: str) -> tuple[str, ...] | None:
    line = re.sub(rf'"\s+(?={re.escape(separator)}|$)', '"', line)  # blanks before a name are skipped, those behind not
    try:
        return tuple(next(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True), []))
    except csv.Error:
        return None


def _named(column: str) -> str:
    """A column's name without what people and programs add to it: blanks around it, capitals."""
    return column.strip().casefold()


def _columns(
    columns: tuple[str, ...],
    required: tuple[str, ...],
    wanted: tuple[str, ...],
    where: Where,
    whose: str,
    findings: Findings,
) -> dict[str, int] | None:
    """Where each wanted column is that there is; None, with errors, if a required one is missing, or one is twice."""
    named = [_named(column) for column in columns]
    before = len(findings.errors)
    shown = ", ".join(column.strip() for column in columns[:20]) or "nothing"
    for name in wanted:
        if name in required and name not in named:
            findings.error(where, f'has no column "{name}"; {whose} has {shown}; rename one, or add it')
        if named.count(name) > 1:
            places = " and ".join(str(i + 1) for i, column in enumerate(named) if column == name)
            findings.error(where, f'has {named.count(name)} columns "{name}", at {places}; keep one of them')
        if name not in required and name not in named:
            near = [column.strip() for column in columns if name.split("_")[0] in _named(column)]
            near = [column for column in near if _named(column) not in wanted]
            if near:
                findings.warning(where, f'has no column "{name}"; if "{near[0]}" is meant, rename it')
    if len(findings.errors) > before:
        return None
    return {name: named.index(name) for name in wanted if name in named}


def _text(path: Path, findings: Findings) -> str | None:
    """A text file in UTF-8 or UTF-16, maybe compressed with gzip, with a line feed at the end of each line."""
    where = Where(str(path))
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, ValueError) as error:
        findings.error(where, f"cannot be read: {getattr(error, 'strerror', None) or error}")
        return None
    except Exception as error:  # of zlib, which gzip lets through
        findings.error(where, f"cannot be read: {error}")
        return None
    for magic, cure in _NO_TEXT.items():
        if raw.startswith(magic):
            findings.error(where, cure)
            return None
    encoding = "utf-8-sig"
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif raw[1:2] == b"\0" or raw[:1] == b"\0":
        encoding = "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        seen = f"byte {raw[error.start]:#04x} is not {'UTF-8' if encoding == 'utf-8-sig' else 'UTF-16'}"
        findings.error(Where(str(path), line), f"{seen}; save the file as CSV in UTF-8")
        return None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        findings.error(Where(str(path), line), "has a zero byte, so it is no text; save the file as CSV in UTF-8")
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_instant(text: str, in_zone: Zone | None) -> int:
    """Microseconds since the epoch. Raises ValueError with what to write instead."""
    if not _NUMBER.fullmatch(text):
        return parse_instant(text, in_zone)
    for _, unit_us in _UNITS_US:
        # Whole numbers stay whole: microseconds of today need more digits than a float has room to spare for.
        at = int(text) * SECOND_US // round(SECOND_US / unit_us) if text.isdecimal() else round(float(text) * unit_us)
        if _FROM_AT <= at < _UNTIL_AT:
            return at
    units = ", ".join(unit for unit, _ in _UNITS_US)
    raise ValueError(
        f'"{text}" is a number, but not of {units} since 1970 in the years 2000 to 2099; '
        'write "2026-03-02T09:00:00-05:00"'
    )


def tell(rows: Rows | None, problems: Problems, findings: Findings) -> None:
    if rows is None:
        return
    for row, text in problems[:_SHOWN_PROBLEMS]:
        rows.say(findings, row, text)
    if len(problems) > _SHOWN_PROBLEMS:
        rows.say(findings, problems[-1][0], f"... and {len(problems) - _SHOWN_PROBLEMS} more such lines")
