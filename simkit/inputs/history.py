"""Histories: a row for each time that somebody asked for a workspace, or for each session of a person.

They are CSV files, Parquet files, or tables and queries of DuckDB files.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from os.path import exists, isfile
from pathlib import Path

import numpy as np

from simkit.clock import NEVER, Int64Array, NoOffset, Zone, format_instant
from simkit.errors import Findings, Where
from simkit.inputs import keys
from simkit.inputs.document import Value, read_yaml
from simkit.inputs.rows import Problems, file_of, read_instant, read_rows
from simkit.model import Distribution, History, Scenario, SessionHistory
from simkit.store.foreign import Query


def source_of(value: Value, beside: Callable[[Value], Path | None]) -> Path | Query | None:
    """What a scenario gives as a history: a file, or `{duckdb: FILE, table: NAME}`, or `{duckdb: FILE, query: SQL}`."""
    what, text = "", ""
    named = value
    if value.is_mapping:
        given = value.mapping(keys.HISTORY)
        kinds = [kind for kind in ("table", "query") if kind in given]
        if len(kinds) != 1:
            value.error("expected either table (its name) or query (a SELECT) beside duckdb")
        if len(kinds) != 1 or "duckdb" not in given:
            return None
        named, what = given["duckdb"], kinds[0]
        text = given[what].scalar() or ""
    path = beside(named)
    if path is None or (what and not text):
        return None
    if not isfile(path):
        named.error(f"{path} {'is no file' if exists(path) else 'does not exist'}")
        return None
    return Query(path, what, text) if what else path


def source_in_words(text: str, given: str, findings: Findings) -> Path | Query | None:
    """What a command line gives as a history, `given` there: a file, or in braces what a scenario would have."""
    if not text.lstrip().startswith("{"):
        return Path(text)
    value = read_yaml(text, given, findings)
    return None if value is None else source_of(value, lambda named: named.file(Path()))


def read_history(
    source: Path | Query,
    in_zone: Zone | None,
    default_preset: str | None,
    presets: Sequence[str],
    findings: Findings,
    key: str | None = "demand",
) -> History:
    """Rows of `started_at` and an optional `preset`, one or more of them.

    `key`: below which a scenario gives them; None where none does.

    `started_at` is RFC 3339 (without an offset: wall-clock time in `in_zone`), or a number of seconds, milliseconds,
    microseconds or nanoseconds since 1970 that lies in this century. Rows may stand in any order, other columns are
    left alone. A row without a preset asks for `default_preset`. Whatever cannot be read is an error.
    """
    problems: Problems = []
    at = array("q")
    names: list[str] = []
    known = {name: name for name in presets}  # one text for all rows that name it
    rows = read_rows(source, keys.CLAIM_ROWS, findings)
    if default_preset is None and rows is not None and "preset" not in rows.names:
        where = Where(str(file_of(source)), int(rows.is_text))
        findings.error(where, 'has no column "preset"; add one, or set demand.preset for all rows')
        rows = None
    for row, (text, named) in rows.each(problems) if rows is not None else ():
        preset = (named or "").strip() or default_preset
        if preset is None:
            problems.append((row, "names no preset; add one, or set demand.preset for such rows"))
        elif preset not in known:
            problems.append((row, f'there is no preset "{preset}"; there is {", ".join(known)}'))
        started_at = _instant(text, "started_at", row, in_zone, key, problems)
        if started_at is not None:
            at.append(started_at)
            names.append(known.get(preset or "", ""))
    if rows is not None:
        rows.say(problems)
    order = np.argsort(np.array(at, dtype=np.int64), kind="stable")
    where = Where(str(file_of(source)))
    return History(np.array(at, dtype=np.int64)[order], tuple(names[i] for i in order.tolist()), where)


def read_sessions(
    source: Path | Query, in_zone: Zone | None, length: Distribution | None, connected: float, findings: Findings
) -> tuple[SessionHistory, int]:
    """(rows of `person`, `started_at` and an optional `ended_at`, how many persons there are).

    A person is any text. A row without an end lasts as `length` says. Otherwise as in `read_history`.
    """
    problems: Problems = []
    table = array("q")
    persons: dict[str, int] = {}
    rows = read_rows(source, keys.SESSION_ROWS, findings)
    for row, (named, begin, end) in rows.each(problems) if rows is not None else ():
        person = (named or "").strip()
        if not person:
            problems.append((row, "names no person"))
        started_at = _instant(begin, "started_at", row, in_zone, "sessions", problems)
        ended_at: int | None = NEVER
        if (end or "").strip():
            ended_at = _instant(end, "ended_at", row, in_zone, "sessions", problems)
        elif length is None:
            problems.append((row, "has no ended_at; add one, or set sessions.length for such rows"))
        if started_at is None or ended_at is None:
            continue
        if ended_at < started_at:
            problems.append((row, "ended_at is before started_at"))
        table.extend((started_at, ended_at, persons.setdefault(person, len(persons))))
    if rows is not None:
        rows.say(problems)
    columns = np.array(table, dtype=np.int64).reshape(-1, 3)
    columns = columns[np.argsort(columns[:, 0], kind="stable")]
    where = Where(str(file_of(source)))
    return SessionHistory(columns[:, 0], columns[:, 1], columns[:, 2], length, connected, where), len(persons)


def check_inside(
    at: Int64Array, where: Where, start_at: int, end_at: int, zone: Zone, findings: Findings, *, is_noted: bool = False
) -> None:
    """An error if a history has rows and none is in the window; a note, if asked for, where some are outside."""
    if at.size and not _inside(at, start_at, end_at):
        window = f"{format_instant(start_at, zone)} to {format_instant(end_at, zone)}"
        span = f"{format_instant(int(at.min()), zone)} to {format_instant(int(at.max()), zone)}"
        told = "its row is not" if at.size == 1 else f"none of its {at.size:,} rows is"
        findings.error(where, f"{told} in the window, {window}, but {span}; move the window or give other rows")
    elif is_noted and _inside(at, start_at, end_at) < at.size:
        findings.note(where, _counts(at, start_at, end_at))


def rows_told(scenario: Scenario) -> tuple[str, ...]:
    """For each history of a scenario how many of its rows were read and used, and how many are outside the window."""
    read = [(scenario.demand.where, scenario.demand.claim_at)] if isinstance(scenario.demand, History) else []
    groups = [p.sessions for p in scenario.people if isinstance(p.sessions, SessionHistory)]
    read += [(sessions.where, sessions.started_at) for sessions in groups]
    return tuple(f"{where}: {_counts(at, scenario.start_at, scenario.end_at)}" for where, at in read)


def _counts(at: Int64Array, start_at: int, end_at: int) -> str:
    before, after = int((at < start_at).sum()), int((at > end_at).sum())
    sides = [f"{n:,} {side} it" for n, side in ((before, "before"), (after, "after")) if n]
    outside = f" ({', '.join(sides)})" if sides else ""
    rows = f"{at.size:,} row{'s' * (at.size != 1)} read"
    return f"{rows}, {_inside(at, start_at, end_at):,} used, {before + after:,} outside the window{outside}"


def _inside(at: Int64Array, start_at: int, end_at: int) -> int:
    return int(((at >= start_at) & (at <= end_at)).sum())


def _instant(
    text: str | None, column: str, row: int, in_zone: Zone | None, key: str | None, problems: Problems
) -> int | None:
    try:
        return read_instant((text or "").strip(), in_zone)
    except NoOffset as error:
        # With a key that says it for all rows, none of them has to change.
        of_all = (
            f'"{text}" has no UTC offset; write whose clock it is below {key}, such as "timezone: America/New_York"'
        )
        problems.append((row, f"{column}: {of_all if key else error}"))
    except (ValueError, OverflowError) as error:
        problems.append((row, f"{column}: {error}"))
    return None
