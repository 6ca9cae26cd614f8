"""Rows of a table that somebody else made, as text: CSV, Parquet files, tables and queries of DuckDB files.

Whatever cannot be read is told with its line and what to write instead.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from simkit.clock import SECOND_US, Zone, parse_instant
from simkit.errors import Findings, StoreError, Where
from simkit.files import read_head, read_whole
from simkit.inputs.keys import Keys
from simkit.store.foreign import MOST_UNREADABLE, Foreign, Query, of_csv, of_query

_SHOWN_PROBLEMS = 10
_MOST_PROBLEMS = 1000
"""Rows that cannot be read, after which nobody reads on: they have one cause, and a file may have millions."""
_MOST_BYTES = 150_000_000
"""Of a CSV file, unpacked: five million rows of an instant and a name, a year of the largest deployments."""
_MOST_ROWS = 10_000_000
"""Of any table. A million takes some three seconds to read, and 16 MB."""
_LONGEST_HEAD = 100_000
"""Characters up to the end of the names of the columns."""
_MOST_COLUMNS = 500
"""Of CSV, which DuckDB looks through in one expression, of a thousand steps at most."""
_PIECE = 700_000
"""Characters of CSV that are read at once: as rows they take twenty times that, and as rows with errors two hundred."""
_LONGEST_NUMBER = 100
"""Characters of a number that may be an instant: nanoseconds have 19 digits, and a float some 20 more."""
_MAGIC_GZIP = b"\x1f\x8b"
Problems = list[tuple[int, str]]
"""What is wrong with rows: with which (a line of a text, else a row from 1), and the words."""
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
    """The columns that are read, as text; None for one that it does not have. They can be gone over once."""

    path: Path
    names: dict[str, int]
    """Where each is among all columns."""
    wanted: tuple[str, ...]
    is_text: bool
    pieces: Iterator[Foreign]
    """Some rows at a time, so that no file is in memory as a whole; InputError or StoreError as they cannot be read."""
    findings: Findings

    def each(self, problems: Problems) -> Iterator[tuple[int, tuple[str | None, ...]]]:
        """(which row, its values), until there are too many `problems` of the caller's; or an error of the file's."""
        before = 0
        try:
            for piece in self.pieces:
                by_name = dict(zip(self.names, piece.columns, strict=True))
                size = len(piece.columns[0])
                columns = [by_name.get(name, [None] * size) for name in self.wanted]
                places = piece.line if self.is_text else range(before + 1, before + size + 1)
                for place, values in zip(places, zip(*columns, strict=True), strict=True):
                    yield place, values
                    if len(problems) > _MOST_PROBLEMS:
                        return
                before += size
                if before > _MOST_ROWS:
                    said = f"has more than {_MOST_ROWS:,} rows; give those of a shorter time"
                    self.findings.error(Where(str(self.path)), said)
                    return
        except StoreError as error:
            self.findings.error(Where(str(self.path)), str(error).removeprefix(f"{self.path}: "))

    def say(self, problems: Problems) -> None:
        """An error for each row with which something is wrong, up to some."""
        tell(self.path, problems, self.is_text, self.findings)


def read_rows(source: Path | Query, keys: Keys, findings: Findings) -> Rows | None:
    """The rows of a history; None, with errors, if it cannot be read or has none."""
    path, required, wanted = file_of(source), keys.required, tuple(keys)
    try:
        magic = read_head(path, 16)
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
                return csv_rows(source, keys, findings)
        query = source if isinstance(source, Query) else Query(source, "parquet")
        found: dict[str, int] = {}

        def choose(columns: tuple[str, ...]) -> Sequence[int] | None:
            chosen = _columns(columns, required, wanted, Where(str(path)), "it", findings)
            found.update(chosen or {})
            return None if chosen is None else tuple(chosen.values())

        pieces = of_query(query, choose, _MOST_ROWS)
        first = next(pieces, None)
    except OSError as error:
        findings.error(Where(str(path)), f"cannot be read: {error.strerror or error}")
        return None
    except StoreError as error:
        findings.error(Where(str(path)), str(error).removeprefix(f"{path}: "))
        return None
    if first is None:
        if found:
            findings.error(Where(str(path)), "has no rows; give a history with some")
        return None
    return Rows(path, found, wanted, False, chain([first], pieces), findings)


def csv_rows(path: Path, keys: Keys, findings: Findings, each: str = "time that somebody asked") -> Rows | None:
    """The rows of a CSV file, each of which stands for one such thing; None, with errors, if it cannot be read.

    The last of the required columns has instants or dates.
    """
    required, wanted = keys.required, tuple(keys)
    text = _text(path, findings)
    if text is None:
        return None
    lines = text[:_LONGEST_HEAD].split("\n")
    at = next((i for i, line in enumerate(lines) if line.strip()), None)
    if at is None:
        findings.error(Where(str(path)), f"is empty; write {','.join(wanted)} and a row for each below")
        return None
    separator = ""
    if told := re.fullmatch(r"sep=(.)", lines[at]):  # as spreadsheets write it
        separator, at = told[1], at + 1
    where = Where(str(path), at + 1)
    if at + 1 >= len(lines) and len(text) > _LONGEST_HEAD:
        said = f"there are no names of columns in the first {_LONGEST_HEAD:,} characters, or they do not end there"
        findings.error(where, f"{said}; write {','.join(wanted)}")
        return None
    headers = {s: _header(lines[at] if at < len(lines) else "", s) for s in separator or _SEPARATORS}
    best = max(
        headers, key=lambda s: (sum(name in map(_named, headers[s] or ()) for name in wanted), len(headers[s] or ()))
    )
    columns = headers[best]
    if columns is None or (None in headers.values() and not set(wanted) & set(map(_named, columns))):
        findings.error(where, "a quote is opened and not closed in the names of the columns; close it")
        return None
    if len(columns) > _MOST_COLUMNS:
        findings.error(where, f"has {len(columns):,} columns, and {_MOST_COLUMNS} at most are read; leave others out")
        return None
    found = _columns(columns, required, wanted, where, "its first line", findings)
    if found is None:
        return None
    begin = sum(map(len, lines[: at + 1])) + at + 1
    pieces = _pieces(text, begin, at + 1)
    table = Csv(path, len(columns), best, tuple(found.values()), found[required[-1]], findings)
    before = len(findings.errors)
    read = table.read(pieces)
    first = next(read, None)
    if first is None:
        if len(findings.errors) == before:
            findings.error(where, f"has no rows below it; write a row for each {each}, or give another file")
        return None
    return Rows(path, found, wanted, True, chain([first], read), findings)


_BLANK = re.compile("\n{1000,}")
"""Lines with nothing in them, so many that they are better left out at once."""


def _pieces(text: str, begin: int, line: int) -> Iterator[tuple[str, int]]:
    """(some rows of CSV, how many lines are above them), from the character `begin` on, which is behind `line` lines.

    They end where a line does, and no quote is open: where there was an even number of them.
    """
    while begin < len(text):
        if blank := _BLANK.match(text, begin):
            line += blank.end() - begin
            begin = blank.end()
            continue
        end, quotes, counted = begin + _PIECE, 0, begin
        while True:
            end = text.find("\n", end) + 1 or len(text)
            quotes += text.count('"', counted, end)
            if quotes % 2 == 0 or end == len(text):
                break
            counted, end = end, end + _PIECE // 10
        yield text[begin:end], line
        line += text.count("\n", begin, end)
        begin = end


@dataclass(frozen=True)
class Csv:
    """How the rows of a CSV file are read."""

    path: Path
    count: int
    separator: str
    chosen: tuple[int, ...]
    started: int
    """Where the column of instants is."""
    findings: Findings

    def read(self, pieces: Iterator[tuple[str, int]]) -> Iterator[Foreign]:
        """The rows of each piece that has some; after one with errors, which are told, nobody reads on."""
        for piece in pieces:
            rows = self._rows(*piece)
            if rows is None:
                return
            if rows.line:
                yield rows

    def _rows(self, text: str, above: int) -> Foreign | None:
        """Some rows below so many lines; None, with errors, if they cannot be read."""
        table, unreadable = of_csv(text, self.count, self.separator, self.chosen)
        for row in unreadable[:_SHOWN_PROBLEMS]:
            self.findings.error(Where(str(self.path), row.line + above), row.text)
        if len(unreadable) > _SHOWN_PROBLEMS:
            counted = f"{len(unreadable) - _SHOWN_PROBLEMS}{' or' if len(unreadable) >= MOST_UNREADABLE else ''}"
            more = f"... and {counted} more such lines"
            self.findings.error(Where(str(self.path), unreadable[-1].line + above), more)
        if unreadable or not table.line:
            return None if unreadable else table
        swallowed = _swallowed(text.split("\n"), table.line, above, self.count, self.separator, self.started)
        problems = list(islice(swallowed, _MOST_PROBLEMS))
        tell(self.path, problems, True, self.findings)
        return None if problems else table._replace(line=[line + above for line in table.line])


def _swallowed(
    lines: list[str], begins: list[int], above: int, count: int, separator: str, started: int
) -> Iterator[tuple[int, str]]:
    """Rows whose quoted text goes over lines of which one looks like a row itself: its quote was never meant so.

    (the line where it begins, what is wrong), with so many lines `above` the first of `lines`.
    """
    for begin, end in zip(begins, [*begins[1:], len(lines) + 1], strict=True):
        for line in range(begin, end - 1) if end > begin + 1 else ():
            # The last line goes on behind the quote that closes.
            text = lines[line] if line < end - 2 else re.match(r'(?:[^"]|"")*', lines[line])[0]  # type: ignore[index]
            cells = text.split(separator)
            if len(cells) >= count > started and _is_instant(cells[started]):
                taken = line + above + 1
                text = f"a quote that is opened here takes in line {taken}, which looks like a row; close it before"
                yield begin + above, text
                break


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
        raw = read_whole(path, _MOST_BYTES)
        if raw[:2] == _MAGIC_GZIP:
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
                raw = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        findings.error(where, f"cannot be read: {getattr(error, 'strerror', None) or error}")
        return None
    if len(raw) > _MOST_BYTES:
        findings.error(
            where, f"has more than {_MOST_BYTES:,} bytes when it is unpacked; give a shorter time, or Parquet"
        )
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
    for _, unit_us in _UNITS_US if len(text) <= _LONGEST_NUMBER else ():
        # Whole numbers stay whole: microseconds of today need more digits than a float has room to spare for.
        at = int(text) * SECOND_US // round(SECOND_US / unit_us) if text.isdecimal() else round(float(text) * unit_us)
        if _FROM_AT <= at < _UNTIL_AT:
            return at
    units = ", ".join(unit for unit, _ in _UNITS_US)
    raise ValueError(
        f'"{text}" is a number, but not of {units} since 1970 in the years 2000 to 2099; '
        'write "2026-03-02T09:00:00-05:00"'
    )


def tell(path: Path, problems: Problems, is_text: bool, findings: Findings) -> None:
    """An error for each row with which something is wrong, up to some."""

    def say(place: int, text: str) -> None:
        where = Where(str(path), place) if is_text else Where(str(path))
        findings.error(where, text if is_text else f"row {place}: {text}")

    for place, text in problems[:_SHOWN_PROBLEMS]:
        say(place, text)
    if len(problems) > _SHOWN_PROBLEMS:
        counted = f"{len(problems) - _SHOWN_PROBLEMS:,}" + (" or" if len(problems) > _MOST_PROBLEMS else "")
        say(problems[-1][0], f"... and {counted} more such lines")
