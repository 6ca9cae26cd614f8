"""Terraform's formatdate, of the function library that it shares with other tools (zclconf/go-cty)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from simkit.clock import LONG_WEEKDAYS, MONTHS
from simkit.inputs.values import Value, failure, text

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_PARTS = re.compile(r"''|'((?:[^']|'')+)('?)|(([A-Za-z])\4*)|[^A-Za-z']+|'")


def formatdate(spec: Value, timestamp: Value) -> str:
    """A time written as a specification says, such as "DD MMM YYYY hh:mm ZZZ"; text between single quotes stays."""
    at, shown = _time(text(timestamp)), []
    for part in _PARTS.finditer(text(spec)):
        quoted, closed, verb = part[1], part[2], part[3]
        if verb:
            shown.append(_verb(verb, at))
        elif part[0] == "''":
            shown.append("'")
        elif part[0] == "'" or (quoted is not None and not closed):
            raise failure("formatdate has a quote that does not end", "close it with '")
        elif quoted is None:
            shown.append(part[0])
        else:
            shown.append(quoted.replace("''", "'"))
    return "".join(shown)


def _time(written: str) -> datetime:
    match = _TIMESTAMP.fullmatch(written)
    if match is not None:
        try:
            return datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3].replace('Z', '+00:00')}")
        except ValueError:
            pass
    raise failure(f'"{written[:40]}" is no timestamp of RFC 3339', 'write one such as "2026-03-02T09:00:00Z"')


def _verb(verb: str, at: datetime) -> str:
    hour12 = (at.hour + 11) % 12 + 1
    values = {
        "YYYY": f"{at.year:04}",
        "YY": f"{at.year % 100:02}",
        "MMMM": MONTHS[at.month - 1],
        "MMM": MONTHS[at.month - 1][:3],
        "MM": f"{at.month:02}",
        "M": f"{at.month}",
        "DD": f"{at.day:02}",
        "D": f"{at.day}",
        "EEEE": LONG_WEEKDAYS[at.weekday()],
        "EEE": LONG_WEEKDAYS[at.weekday()][:3],
        "hh": f"{at.hour:02}",
        "h": f"{at.hour}",
        "HH": f"{hour12:02}",
        "H": f"{hour12}",
        "AA": "AM" if at.hour < 12 else "PM",
        "aa": "am" if at.hour < 12 else "pm",
        "mm": f"{at.minute:02}",
        "m": f"{at.minute}",
        "ss": f"{at.second:02}",
        "s": f"{at.second}",
        "ZZZZZ": _offset(at, ":"),
        "ZZZZ": _offset(at, ""),
        "ZZZ": _offset(at, "") if at.utcoffset() else UTC.tzname(None),
        "Z": _offset(at, ":") if at.utcoffset() else "Z",
    }
    if verb not in values:
        raise failure(f'formatdate knows no "{verb}"', "write another, or put it between single quotes")
    return values[verb]


def _offset(at: datetime, between: str) -> str:
    minutes = (at.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{between}{rest:02}"
