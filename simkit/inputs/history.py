"""Histories in CSV: a row for each time that somebody asked for a workspace, or for each session of a person."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from simkit.clock import NEVER, Zone, parse_instant
from simkit.errors import Findings, Where
from simkit.model import Distribution, History, SessionHistory

_SHOWN_PROBLEMS = 10
_Problems = list[tuple[int, str]]


def read_history(
    path: Path,
    in_zone: Zone | None,
    default_preset: str | None,
    presets: Sequence[str],
    findings: Findings,
) -> History:
    """Rows of `started_at` (RFC 3339; without an offset: wall-clock time in `in_zone`) and an optional `preset`.

    Rows may stand in any order, other columns are left alone, a name that ends in .gz is compressed. A row without a
    preset asks for `default_preset`.
    """
    problems: _Problems = []
    at: list[int] = []
    names: list[str] = []
    known = dict.fromkeys(presets)
    for line, row in _rows(path, ("started_at",), findings):
        preset = (row.get("preset") or "").strip() or default_preset
        if preset is None:
            problems.append((line, "names no preset; add one, or set demand.preset for such rows"))
        elif preset not in known:
            problems.append((line, f'there is no preset "{preset}"; there is {", ".join(known)}'))
        started_at = _instant(row, "started_at", line, in_zone, "demand.timezone", problems)
        if started_at is not None:
            at.append(started_at)
            names.append(preset or "")
    _tell(path, problems, findings)
    order = np.argsort(np.array(at, dtype=np.int64), kind="stable")
    return History(np.array(at, dtype=np.int64)[order], tuple(names[i] for i in order.tolist()), Where(str(path)))


def read_sessions(
    path: Path, in_zone: Zone | None, length: Distribution | None, connected: float, findings: Findings
) -> tuple[SessionHistory, int]:
    """(rows of `person`, `started_at` and an optional `ended_at`, how many persons there are).

    A person is any text. A row without an end lasts as `length` says. Otherwise as in `read_history`.
    """
    problems: _Problems = []
    rows: list[tuple[int, int, int]] = []
    persons: dict[str, int] = {}
    for line, row in _rows(path, ("person", "started_at"), findings):
        person = (row.get("person") or "").strip()
        if not person:
            problems.append((line, "names no person"))
        started_at = _instant(row, "started_at", line, in_zone, "sessions.timezone", problems)
        ended_at: int | None = NEVER
        if (row.get("ended_at") or "").strip():
            ended_at = _instant(row, "ended_at", line, in_zone, "sessions.timezone", problems)
        elif length is None:
            problems.append((line, "has no ended_at; add one, or set sessions.length for such rows"))
        if started_at is None or ended_at is None:
            continue
        if ended_at < started_at:
            problems.append((line, "ended_at is before started_at"))
        rows.append((started_at, ended_at, persons.setdefault(person, len(persons))))
    _tell(path, problems, findings)
    table = np.array(sorted(rows, key=lambda row: row[0]), dtype=np.int64).reshape(-1, 3)
    history = SessionHistory(table[:, 0], table[:, 1], table[:, 2], length, connected, Where(str(path)))
    return history, len(persons)


def _rows(path: Path, required: Sequence[str], findings: Findings) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    """(line, row) of a CSV file, to its end or to the first thing that cannot be read, which is an error."""
    shown = str(path)
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as file
        ):
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if missing := [name for name in required if name not in columns]:
                found = ", ".join(columns) or "nothing"
                for name in missing:
                    findings.error(Where(shown, 1), f'has no column "{name}"; its first line has {found}')
                return
            for row in reader:
                yield reader.line_num, row
    except (OSError, EOFError) as error:
        findings.error(Where(shown), f"cannot be read: {getattr(error, 'strerror', None) or error}")
    except (UnicodeDecodeError, csv.Error) as error:
        findings.error(Where(shown), f"is not CSV in UTF-8: {error}")


def _instant(
    row: Mapping[str, str | None], column: str, line: int, in_zone: Zone | None, key: str, problems: _Problems
) -> int | None:
    try:
        return parse_instant(row[column] or "", in_zone)
    except ValueError as error:
        hint = f" or set {key}" if in_zone is None and "UTC offset" in str(error) else ""
        problems.append((line, f"{column}: {error}{hint}"))
        return None


def _tell(path: Path, problems: _Problems, findings: Findings) -> None:
    for line, text in problems[:_SHOWN_PROBLEMS]:
        findings.error(Where(str(path), line), text)
    if len(problems) > _SHOWN_PROBLEMS:
        findings.error(Where(str(path), problems[-1][0]), f"... and {len(problems) - _SHOWN_PROBLEMS} more such lines")
