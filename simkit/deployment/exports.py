"""Coder's tables are read from a folder of exports: a CSV file each, as psql's `\\copy` writes them, or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simkit.clock import format_instant
from simkit.deployment.tables import OLDEST, SQL_TYPE, TABLES, Column, Kind, Reading, Seen, Table
from simkit.errors import Findings, Where
from simkit.store.connection import literal

if TYPE_CHECKING:
    from simkit.store.staging import Stage

_ENDINGS = (".csv", ".parquet")
MEANT: dict[Kind, str] = {
    **{"uuid": "an id", "instant": "an instant", "whole": "a whole number"},
    **{"flag": "t or f", "text": "text"},
}
"""What a value should have been, in words."""
_LAST_AT = """
SELECT epoch_us(greatest(
    (SELECT max(greatest(created_at, started_at, completed_at)) FROM provisioner_jobs),
    (SELECT max(created_at) FROM workspace_builds), (SELECT max(ready_at) FROM workspace_agents)
))
"""


@dataclass(frozen=True)
class Exports:
    """A folder with a file for each table, `workspaces.csv` and so on."""

    folder: Path

    @property
    def where(self) -> Where:
        return Where(str(self.folder))

    def read(self, stage: Stage, keep_names: bool, since_at: int | None, reading: Reading) -> Seen:
        """Put every table into the stage; they are seen at the last instant of which they tell.

        Raises InputError with every file that is missing, cut off or no export of this table.
        """
        findings = Findings()
        files = {table.name: self._file(table, findings) for table in TABLES}
        findings.raise_errors()
        whole = sum(file.stat().st_size for file in files.values() if file) or 1
        done = 0
        for table in TABLES:
            file = files[table.name]
            reading(table.name, done / whole)
            if file is None:
                cells = ", ".join(f"CAST(NULL AS {SQL_TYPE[c.kind]}) AS {c.name}" for c in table.columns)
                stage.rows(f"CREATE TABLE {table.name} AS SELECT {cells} WHERE false")
                continue
            _read(stage, table, file, keep_names, findings)
            done += file.stat().st_size
        findings.raise_errors()
        keep_since(stage, since_at)
        return Seen(told_until(stage))

    def _file(self, table: Table, findings: Findings) -> Path | None:
        found = [self.folder / f"{table.name}{ending}" for ending in _ENDINGS]
        found = [file for file in found if file.is_file()]
        if len(found) > 1:
            names = " and ".join(file.name for file in found)
            findings.error(self.where, f"has both {names}; keep one of them")
        elif not found and not self.folder.is_dir():
            findings.error(self.where, "there is no such folder; name the one with the exports")
        elif not found and not table.may_lack:
            text = f"has no {table.name}.csv (or .parquet); `simkit import csv --help` prints how to export it"
            findings.error(self.where, text)
        return found[0] if found else None


def keep_since(stage: Stage, since_at: int | None) -> None:
    """Of the staged tables what concerns the time since then stays; None: all of it."""
    if since_at is None:
        return
    for table in TABLES:
        if table.since:
            kept = table.since.format(f"TIMESTAMPTZ '{format_instant(since_at)}'")
            stage.rows(f"DELETE FROM {table.name} WHERE ({kept}) IS NOT TRUE")


def told_until(stage: Stage) -> int:
    """Just behind the last instant of which the staged tables tell; 0: of none."""
    last_at = stage.rows(_LAST_AT)[0][0]
    return 0 if last_at is None else int(last_at) + 1


def _read(stage: Stage, table: Table, file: Path, keep_names: bool, findings: Findings) -> None:
    """One file becomes one table of the stage. What is wrong with it is told."""
    where, before = Where(str(file)), len(findings.errors)
    if file.suffix == ".parquet":
        _stage_parquet(stage, file, findings)
    else:
        _stage_csv(stage, file, findings)
    if len(findings.errors) > before:
        return
    has = {str(column).lower(): str(column) for (column, *_) in stage.rows("DESCRIBE raw")}
    lacks = [c.name for c in table.columns if not c.is_newer and not c.is_name and c.name not in has]
    if lacks:
        text = f"has no column {', '.join(lacks)}; export it again, from Coder {OLDEST} or newer"
        findings.error(where, text)
        return
    for row, column, value in from_text(stage, table, "raw", has, keep_names):
        findings.error(where, f'row {row}: {column.name} "{value}" is not {MEANT[column.kind]}; export it again')


def from_text(
    stage: Stage, table: Table, raw: str, has: Mapping[str, str], keep_names: bool
) -> list[tuple[int, Column, str]]:
    """A table of text becomes the table that it tells of, and goes. `has`: which of its columns there are, as written.

    Returns (row, column, value) for what is not what its column means, the first of each column.
    """
    read = [c for c in table.columns_read(keep_names) if c.name in has]
    cast = {c.name: f'CAST("{has[c.name]}" AS VARCHAR)' for c in read}
    wrong: list[tuple[int, Column, str]] = []
    for column in read:
        if column.kind == "text":
            continue
        found = stage.rows(
            f"SELECT row, value FROM (SELECT row_number() OVER () AS row, {cast[column.name]} AS value FROM {raw}) "
            f"WHERE {_cell(column, 'value')} IS NULL AND value IS NOT NULL AND value <> '' "
            f"AND NOT {_is_ancient('value')} ORDER BY row LIMIT 1"
        )
        wrong += [(row, column, value) for row, value in found]
    cells = ", ".join(
        f"{column.kept.format(_cell(column, cast[column.name])) if column in read else _null(column)} AS {column.name}"
        for column in table.columns
    )
    stage.rows(f"CREATE TABLE {table.name} AS SELECT {cells} FROM {raw}")
    stage.rows(f"DROP TABLE {raw}")
    return wrong


def _stage_parquet(stage: Stage, file: Path, findings: Findings) -> None:
    with file.open("rb") as opened:
        begins = opened.read(4)
        opened.seek(max(file.stat().st_size - 4, 0))
        is_whole = begins == opened.read(4) == b"PAR1"
    if not is_whole:
        findings.error(Where(str(file)), "is no whole Parquet file; is it cut off? Export it again")
        return
    stage.rows("CREATE OR REPLACE TEMP TABLE raw AS SELECT * FROM read_parquet($file)", {"file": str(file)})


def _stage_csv(stage: Stage, file: Path, findings: Findings) -> None:
    """Every value is text. Rows that are none are told by their lines."""
    where = Where(str(file))
    with file.open("rb") as opened:
        first = opened.readline()
        opened.seek(max(file.stat().st_size - 1, 0))
        if opened.read(1) not in (b"\n", b"\r"):
            findings.error(where, "is cut off: its last line does not end; export it again")
            return
    try:
        header = next(csv.reader([first.decode("utf-8-sig").strip()], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        header = []
    if not header or len({name.lower() for name in header}) < len(header):
        findings.error(where, "its first line does not name the columns; export it with CSV HEADER, in UTF-8")
        return
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    stage.rows(
        f"CREATE OR REPLACE TEMP TABLE raw AS SELECT * FROM read_csv($file, columns = {{{columns}}}, header = true, "
        "auto_detect = false, delim = ',', quote = '\"', escape = '\"', allow_quoted_nulls = false, "
        "store_rejects = true, strict_mode = true)",
        {"file": str(file)},
    )
    rejects = stage.rows(
        "SELECT line, any_value(error_message) FROM reject_errors GROUP BY line ORDER BY line LIMIT 10"
    )
    for line, message in rejects:
        text = f"is no row of this table ({str(message).splitlines()[0]}); is the file cut off? Export it again"
        findings.error(Where(str(file), line), text)
    stage.rows("DROP TABLE reject_errors")
    stage.rows("DROP TABLE reject_scans")


def _cell(column: Column, text: str) -> str:
    """SQL: a value of an export as its kind, NULL if it is none."""
    if column.kind == "text":
        return text
    value = f"TRY_CAST({text} AS {SQL_TYPE[column.kind]})"
    if column.kind != "instant":
        return value
    return f"CASE WHEN {_is_ancient(text)} THEN NULL ELSE {value} END"


def _is_ancient(text: str) -> str:
    """SQL: year 1, which Coder writes for "no deadline", or what stands there west of Greenwich; or no end."""
    return f"({text} LIKE '0001-%' OR {text} LIKE '% BC' OR {text} LIKE '%infinity')"


def _null(column: Column) -> str:
    return f"CAST(NULL AS {SQL_TYPE[column.kind]})"
