"""Holidays: days on which people do not come, a row each of a CSV file, or those of a country."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from simkit.clock import FIRST_YEAR, LAST_YEAR
from simkit.errors import Findings, Where
from simkit.inputs.keys import HOLIDAY_ROWS
from simkit.inputs.rows import Problems, csv_rows
from simkit.model import Holiday

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
COUNTRY = "country:"
"""Begins the name of a country's holidays, in place of a file."""


def holidays_of(given: str | Path, first: date, last: date, findings: Findings) -> tuple[Holiday, ...]:
    """Those in a CSV file (`read_holidays`), or of a country or one of its regions, `country:US` or `country:DE-BY`,
    between two days: these come from the package `holidays`, the extra of that name. What cannot be had is an error."""
    text = str(given)
    if not text.startswith(COUNTRY):
        return read_holidays(Path(given), findings)
    try:
        import holidays
    except ImportError:
        text += " needs the package holidays: pip install 'simkit[holidays]', or give a CSV of dates"
        findings.error(Where("--holidays"), text)
        return ()
    country, _, region = text.removeprefix(COUNTRY).upper().partition("-")
    years = range(first.year, last.year + 1)
    try:
        found = holidays.country_holidays(country, subdiv=region or None, years=years)
    except NotImplementedError:
        text = (
            f'no holidays of "{text.removeprefix(COUNTRY)}" are known; write country:US, or country:DE-BY for a region'
        )
        findings.error(Where("--holidays"), text)
        return ()
    return tuple(Holiday(day, str(name)) for day, name in sorted(found.items()) if first <= day <= last)


def read_holidays(path: Path, findings: Findings) -> tuple[Holiday, ...]:
    """Rows of `date` (RFC 3339) and an optional `name`, in any order; in order of time, a day once with all its names.

    A day is one of each preset's own clocks. Whatever cannot be read is an error.
    """
    problems: Problems = []
    names: dict[date, list[str]] = {}
    rows = csv_rows(path, HOLIDAY_ROWS, findings, "holiday")
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
