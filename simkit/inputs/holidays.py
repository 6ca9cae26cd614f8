"""Holidays: days on which people do not come, a row each of a CSV file."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from simkit.clock import FIRST_YEAR, LAST_YEAR
from simkit.errors import Findings
from simkit.inputs.rows import Problems, csv_rows
from simkit.model import Holiday

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def read_holidays(path: Path, findings: Findings) -> tuple[Holiday, ...]:
    """Rows of `date` (RFC 3339) and an optional `name`, in any order; in order of time, a day once with all its names.

    A day is one of each preset's own clocks. Whatever cannot be read is an error.
    """
    problems: Problems = []
    names: dict[date, list[str]] = {}
    rows = csv_rows(path, ("date",), ("date", "name"), findings, "holiday")
    for row, (text, name) in rows.each(problems) if rows is not None else ():
        day = _date((text or "").strip())
        if day is None:
            problems.append((row, f'date: "{(text or "").strip()}" is not a date; write "2026-12-25"'))
        elif not FIRST_YEAR <= day.year <= LAST_YEAR:
            problems.append((row, f'date: "{day}" is out of range; write a year from {FIRST_YEAR} to {LAST_YEAR}'))
        else:
            known, told = names.setdefault(day, []), (name or "").strip()
            if told and told not in known:
                known.append(told)
    if rows is not None:
        rows.say(problems)
    return tuple(Holiday(day, ", ".join(names[day])) for day in sorted(names))


def _date(text: str) -> date | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
