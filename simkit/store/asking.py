"""Questions, each of which is one SQL file, asked of a runs file or of results in memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
import numpy as np

from simkit.arguments import a_text, runs, takes
from simkit.clock import Int64Array
from simkit.errors import StoreError
from simkit.phases import phase
from simkit.store.columns import Storable, some_at_a_time
from simkit.store.connection import (
    MOST_MEMORY,
    check_schema,
    closing_told,
    constraints,
    end_statements,
    file_of,
    opened,
)
from simkit.store.memory import connection_over, empty, make_views, rows_read
from simkit.store.narrowing import RUNS_AND_PRESETS, Instant, Narrowing
from simkit.store.question import find

if TYPE_CHECKING:
    import pandas as pd

HISTORY = "history"
"""The run_id of what was imported from a deployment."""
_CHUNKS = 100
"""So many of DuckDB's chunks, of 2,048 rows each, come of an answer at once."""
_ROWS_AT_ONCE = 200_000
"""Runs in memory are asked together up to so many rows: joins of more leave the processor's cache."""


@takes(source=runs, question=a_text, run_id=a_text, workspace=a_text, preset=a_text, over=a_text)
def ask(
    source: str | Path | Storable | Sequence[Storable],
    question: str,
    run_id: str | None = None,
    workspace: str | None = None,
    *,
    preset: str | None = None,
    from_at: Instant | None = None,
    until_at: Instant | None = None,
    local: bool = False,
    over: str | None = None,
) -> pd.DataFrame:
    """The answer to a question as a DataFrame with run_id first, in a fixed order of rows.

    `source` is a runs file, a Result or several; `question` one of `questions()`; without a `run_id` the answer covers
    every run. A question about single workspaces may be asked of one alone, by its id, its name or its owner's.
    Instants are aware datetimes in UTC.

    `preset` keeps its rows and those of no preset; `from_at` and `until_at` those of this span of time, with what began
    before and lasts into it. They are text, read by the clocks of a row's preset where it has no offset, or
    microseconds.
    `local` gives instants by these clocks, and a column `timezone`. `over="replications"` gives one row for all
    replications of a scenario and seed: the median of each number with 5 % and 95 % (`store.replications`).
    Raises StoreError; InputError for what a question does not take, and for a preset or a time that is not in the runs.

    >>> result = simkit.run(simkit.load("examples/template/morning.yaml"), seed=7)
    >>> simkit.ask(result, "hit_rate")["hit_rate"].tolist()
    [1.0]
    >>> list(simkit.ask(result, "pool", preset="goland", until_at="2026-03-10", local=True).columns)[:2]
    ['run_id', 'preset']
    """
    with phase("asked", question=question) as told:
        answer = _asked(source, question, run_id, workspace, Narrowing(preset, from_at, until_at, local, over))
        told["rows"] = len(answer)
    return answer


def _asked(
    source: str | Path | Storable | Sequence[Storable],
    question: str,
    run_id: str | None,
    workspace: str | None,
    narrowing: Narrowing,
) -> pd.DataFrame:
    asked_for = find(question)
    sql = asked_for.sql
    narrows = narrowing != Narrowing()
    if isinstance(source, str | Path):
        check_there(source)
        with opened(source, read_only=True) as connection:
            check_schema(connection, source, readable=True)
            known = [row[0] for row in connection.execute("SELECT run_id FROM runs ORDER BY run_id").fetchall()]
            make_views(connection, sql)
            chosen = _chosen(known, run_id, str(source))
            whole = _answer(connection, sql, chosen, workspace)
            is_shown = _lacks_a_zone(whole)
            presets = connection.execute(RUNS_AND_PRESETS, {"runs": chosen}).df() if narrows or is_shown else None
        if presets is None:
            return whole
        return narrowing.of(whole, asked_for, presets) if narrows else _with_zones(whole, presets)
    runs = cast("Sequence[Storable]", source if isinstance(source, list | tuple) else [source])
    by_id = {run.run_id: run for run in runs}
    asked = [by_id[name] for name in _chosen(list(by_id), run_id, "the result")]

    def answer_of(some: Sequence[Storable]) -> pd.DataFrame:
        with closing(connection_over(some, sql)) as connection:
            return _answer(connection, sql, [run.run_id for run in some], workspace)

    lots = some_at_a_time(asked, _ROWS_AT_ONCE, lambda run: rows_read(run, sql))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            answers = list(pool.map(answer_of, lots)) or [answer_of([])]
        except (KeyboardInterrupt, SystemExit):
            end_statements()  # or the pool is waited for
            raise
    whole = _together(answers)
    if not narrows and not _lacks_a_zone(whole):
        return whole
    with closing(connection_over(asked, RUNS_AND_PRESETS)) as connection:
        presets = connection.execute(RUNS_AND_PRESETS, {"runs": [run.run_id for run in asked]}).df()
    return narrowing.of(whole, asked_for, presets) if narrows else _with_zones(whole, presets)


ZONES = "simkit_timezones"
"""In an answer's `attrs`, for who shows it in a notebook: the zone of each preset, that of the runs as ""."""


def _lacks_a_zone(answer: pd.DataFrame) -> bool:
    """Does a person look at instants, in a notebook, of which no column says in which zone they are?"""
    ipython = sys.modules.get("IPython")
    if ipython is None or "timezone" in answer or ipython.get_ipython() is None:
        return False
    return any(getattr(kind, "tz", None) is not None for kind in answer.dtypes)


def _with_zones(answer: pd.DataFrame, presets: pd.DataFrame) -> pd.DataFrame:
    if len(presets):
        of_presets = presets.dropna(subset=["preset"])
        zones = dict(zip(of_presets["preset"], of_presets["timezone"], strict=True))
        answer.attrs[ZONES] = {**zones, "": presets["run_timezone"].iloc[0]}
    return answer


def check_there(path: str | Path) -> None:
    """Raise StoreError where there is no runs file to ask."""
    if not file_of(path).exists():
        raise StoreError(f"{path}: there is no such runs file; `simkit run` writes one with --out")


def history_run(path: str | Path) -> str:
    """The run of a runs file that tells what happened: its run `history`, or the only one. Raises StoreError."""
    if not file_of(path).exists():
        raise StoreError(f"{path}: there is no such runs file; `simkit import` writes one with --out")
    runs = [row[0] for row in rows_of(path, "SELECT run_id FROM runs ORDER BY run_id")]
    if HISTORY in runs or len(runs) == 1:
        return HISTORY if HISTORY in runs else str(runs[0])
    raise StoreError(f"{path}: it holds {len(runs)} runs and none is a history; give a file with one run")


def rows_of(path: str | Path, sql: str, *given: Any, **named: Any) -> list[tuple[Any, ...]]:
    """What a SELECT answers that asks a runs file for more than a question does; `given` for ?, `named` for $name.

    Raises StoreError.
    """
    with opened(path, read_only=True) as connection:
        check_schema(connection, path, readable=True)
        make_views(connection, sql)
        return connection.execute(sql, named or list(given)).fetchall()


def table_of(source: str | Path | Storable, sql: str, run_id: str) -> pd.DataFrame:
    """The same of one run, `$run` in the SELECT, of a file or in memory, as a DataFrame. Raises StoreError."""
    if isinstance(source, str | Path):
        with opened(source, read_only=True) as connection:
            check_schema(connection, source, readable=True)
            make_views(connection, sql)
            return connection.execute(sql, {"run": run_id}).df()
    with closing(connection_over([source], sql)) as connection:
        return connection.execute(sql, {"run": run_id}).df()


def claims_of(path: str | Path) -> list[tuple[str, str, Int64Array, int, int]]:
    """(preset, its time zone, when somebody asked, from when and until when that is known) of each preset of a history.
    Raises StoreError."""
    found = rows_of(
        path,
        "SELECT p.preset, max_by(p.timezone, p.preset_id), list(epoch_us(c.created_at) ORDER BY c.created_at), "
        "epoch_us(any_value(p.start_at)), epoch_us(any_value(p.end_at)) FROM presets AS p "
        "JOIN claims AS c USING (run_id, preset_id) WHERE p.run_id = ? GROUP BY p.preset ORDER BY min(p.preset_id)",
        history_run(path),
    )
    return [(name, zone, np.array(at, dtype=np.int64), start, end) for name, zone, at, start, end in found]


def _together(answers: list[pd.DataFrame]) -> pd.DataFrame:
    """The answers of lots of runs as one."""
    # Lots that have no rows would only confuse pandas about the types of the others' columns.
    full = [answer for answer in answers if len(answer)] or answers[:1]
    if len(full) == 1:
        return full[0]
    import pandas as pd

    # Every question has its rows in the order of run_id.
    return pd.concat(full, ignore_index=True).sort_values("run_id", kind="stable", ignore_index=True)


def _chosen(known: Sequence[str], run_id: str | None, name: str) -> list[str]:
    """The run of this id, or all. Raises StoreError."""
    if run_id is not None and run_id not in known:
        raise StoreError(f'{name}: there is no run "{run_id}"; it holds {", ".join(known) or "no run"}')
    return list(known) if run_id is None else [run_id]


def refused(table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table of the schema with a column `constraint`: the rule that refuses each, "" if none does.

    The rules are the table's own CHECK constraints. A column that `rows` lacks is NULL; NOT NULL is not looked at.
    """
    with closing_told(empty(), ":memory:") as connection:
        columns = dict(
            connection.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?", [table]
            ).fetchall()
        )
        connection.register("given", rows)
        cells = (f"given.{name}::{of}" if name in rows else f"NULL::{of}" for name, of in columns.items())
        values = ", ".join(f"{cell} AS {name}" for cell, name in zip(cells, columns, strict=True))
        checks = " ".join(
            f"WHEN NOT coalesce({check}, true) THEN '{name}'" for of, check, name in constraints() if of == table
        )
        found = connection.execute(
            f"SELECT CASE {checks} ELSE '' END FROM (SELECT {values}, row_number() OVER () AS place FROM given) "
            "ORDER BY place"
        ).fetchall()
    return rows.assign(constraint=[name for (name,) in found])


def _answer(connection: duckdb.DuckDBPyConnection, sql: str, run_ids: list[str], workspace: str | None) -> pd.DataFrame:
    given: dict[str, Any] = {"runs": run_ids}
    if "$workspace" in sql:
        given["workspace"] = workspace
    try:
        return _frame(connection.execute(sql, given))
    except duckdb.OutOfMemoryException:
        connection.execute(f"SET memory_limit = '{MOST_MEMORY}B'")
        return _frame(connection.execute(sql, given))


def _frame(answered: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """What a statement answered, as its `df()`, in which equal texts of a column are one text, and so is an ENUM's.

    DuckDB makes one of every row's, which takes ten times the room of the numbers beside it.
    """
    import pandas as pd

    known: dict[str, str] = {}
    columns: dict[str, list[pd.Series[Any]]] = {}
    rows = -1
    while rows:
        part = answered.fetch_df_chunk(_CHUNKS)
        rows = len(part)
        for name, of in part.items():
            # A copy, as a column alone would keep its part whole.
            columns.setdefault(str(name), []).append(_with_texts_once(of, known) if _is_text(of.dtype) else of.copy())
    answer = {}
    for name in list(columns):
        of_parts = columns.pop(name)
        of_parts = of_parts[:-1] or of_parts
        text = next((of.dtype for of in of_parts if _is_text(of.dtype)), None)
        if text is not None:  # a part in which all are NULL is of objects
            of_parts = [of.astype(text) for of in of_parts]
        answer[name] = pd.concat(of_parts, ignore_index=True) if len(of_parts) > 1 else of_parts[0]
    return pd.DataFrame(answer, copy=False)


def _is_text(kind: Any) -> bool:
    import pandas as pd

    return isinstance(kind, pd.StringDtype | pd.CategoricalDtype)


def _with_texts_once(of: pd.Series[Any], known: dict[str, str]) -> pd.Series[Any]:
    """The column with texts out of `known`, into which go those that are not yet there."""
    import pandas as pd

    kind: Any = of.dtype
    if isinstance(kind, pd.CategoricalDtype):
        code, texts, kind = of.cat.codes.to_numpy(), list(of.cat.categories), of.cat.categories.dtype
    else:
        code, found = pd.factorize(of.to_numpy(dtype=object))
        texts = list(found)
    once = np.array([*(known.setdefault(t, t) for t in texts), None], dtype=object)  # the last has the code -1
    return pd.Series(once[code]).astype(kind)
