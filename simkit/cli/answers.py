"""Answers on a terminal: a table where it fits, else run by run in blocks of columns that do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from simkit.cli.door import cell

if TYPE_CHECKING:
    import pandas as pd

MOST = 60
"""Rows that are shown; of more the first and the last."""
_NARROWEST = 20
_GROUPS = ("run_id", "scenario", "seed")


def laid_out(answer: pd.DataFrame, lead: Sequence[str], columns: int | None) -> str:
    """The rows for a terminal of so many columns, None for no limit.

    Where they do not fit, each run has blocks that begin with the columns `lead`, and what is the same in all its rows
    is said once above; a row alone, or one of which not even this fits, is a line per column. No word is broken.
    """
    if not len(answer):
        return "no rows"
    shown = _with_spreads_in_one(answer)
    shown = shown.assign(**{name: shown[name].map(_text) for name in _names(shown) if shown[name].dtype.kind == "O"})
    whole = _table(shown)
    if columns is None or _width(whole) <= columns:
        return whole
    parts = [shown] if len(shown) <= MOST else [shown.iloc[: MOST // 2], shown.iloc[-(MOST // 2) :]]
    groups = [name for name in _GROUPS if name in shown]
    folded = (
        "\n\n".join(block for _, rows in part.groupby(groups, sort=False) for block in _blocks(rows, lead, columns))
        for part in parts
    )
    return f"\n\n... {len(shown) - MOST} rows are left out ...\n\n".join(folded)


def _blocks(rows: pd.DataFrame, lead: Sequence[str], columns: int) -> Iterator[str]:
    names = _names(rows)
    alike = [name for name in names if rows[name].dtype.kind == "O" and rows[name].nunique(dropna=False) == 1]
    lead = [name for name in lead if name in rows and name not in alike] or [name for name in lead if name in rows]
    same = [name for name in names if name in _GROUPS or (name in alike and name not in lead)]
    rest = [name for name in names if name not in (*lead, *same)]
    if len(rows) == 1 or any(_width(_table(rows[[*lead, name]])) > columns for name in rest):
        yield "\n\n".join(_record(rows.iloc[[i]], columns) for i in range(len(rows)))
        return
    said = ", ".join(f"{name} {rows[name].iloc[0]}" for name in same)
    head = "\n".join(textwrap.wrap(said, columns, break_long_words=False, break_on_hyphens=False))
    tables: list[str] = []
    while rest:
        count = 1
        while count < len(rest) and _width(_table(rows[[*lead, *rest[: count + 1]]])) <= columns:
            count += 1
        tables.append(_table(rows[[*lead, *rest[:count]]]))
        rest = rest[count:]
    yield "\n".join([head, *tables[:1]])
    yield from tables[1:]


def _record(row: pd.DataFrame, columns: int) -> str:
    """A row as a line per column, long text in several."""
    indent = max(map(len, _names(row))) + 2
    lines: list[str] = []
    for name in _names(row):
        value = "-" if row[name].isna().iloc[0] else row[[name]].to_string(index=False, header=False).strip()
        room = max(columns - indent, _NARROWEST)
        parts = textwrap.wrap(value, room, break_long_words=False, break_on_hyphens=False) or [""]
        lines += [f"{name:<{indent}}{parts[0]}", *(" " * indent + part for part in parts[1:])]
    return "\n".join(lines)


def _table(rows: pd.DataFrame) -> str:
    return str(rows.to_string(index=False, max_rows=MOST))


def _names(rows: pd.DataFrame) -> list[str]:
    return [str(name) for name in rows]


def _width(text: str) -> int:
    return max(map(cell_len, text.splitlines()))


def _text(value: object) -> object:
    return cell(value) if isinstance(value, str) else value


def _with_spreads_in_one(answer: pd.DataFrame) -> pd.DataFrame:
    """The three columns of a spread as one: 0.95 (0.93 to 0.96), or 153 where nothing varies."""
    shown = answer.copy()
    for middle in [name for name in _names(answer) if name.endswith("_median")]:
        name = middle.removesuffix("_median")
        low, high = f"{name}_low", f"{name}_high"
        shown[middle] = [_spread(*row) for row in zip(answer[low], answer[middle], answer[high], strict=True)]
        shown = shown.drop(columns=[low, high]).rename(columns={middle: name})
    return shown


def _spread(low: float, median: float, high: float) -> str:
    if median != median:
        return "-"
    shown = [_number(value) for value in (median, low, high)]
    return shown[0] if len(set(shown)) == 1 else "{} ({} to {})".format(*shown)


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() or abs(value) >= 10_000 else f"{value:.4g}"
