"""Answers in JupyterLab: local time, durations and units as people say them, ids on one line.

`install()` has IPython show DataFrames that `simkit.ask` gave this way; they stay what they are, and others are shown
as before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from simkit.clock import HOUR_US, MINUTE_US, WEEKDAYS
from simkit.shown import escaped, visible
from simkit.store.asking import ZONES
from simkit.studies.wording import as_instant, zone_of
from simkit.times import about, in_column, in_hours, short_weekday

MOST = 60
"""Rows that are shown; of more the first and the last."""
_LONG = 48  # characters, above which a text may be wrapped
_WHOLE = ("run_id", "scenario", "currency", "timezone", "seed")
"""What is said once above the rows where it is the same in all."""
_SPREADS = ("_low", "_median", "_high")
_LASTING = ("hard_limited_hours",)
"""Hours that say how long something lasted; others are instance-hours, as on a bill."""
_PLAIN = ("seed", "replication", "build_number")
"""Numbers that name something: without thousands."""


def install() -> None:
    """Register the look with IPython, where it runs; else nothing."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None:
        return
    shell.display_formatter.formatters["text/html"].for_type_by_name("pandas", "DataFrame", _html_or_pandas)


def _html_or_pandas(frame: pd.DataFrame) -> str | None:
    """IPython's formatter of every DataFrame: pandas' own look for what is no answer."""
    if len(frame.columns) and frame.columns[0] in ("run_id", "scenario") and frame.columns.is_unique:
        return html(frame)
    return frame._repr_html_()  # type: ignore[operator]


def html(answer: pd.DataFrame) -> str:
    """An answer as a table of text, with what all rows share above it."""
    names = [str(name) for name in answer.columns]
    same = [n for n in names if n in _WHOLE and len(answer) and answer[n].nunique(dropna=False) == 1]
    where = _zones(answer)
    zone = where[0] if len(set(where)) == 1 else None
    caption = [f"{_title(n)} {answer[n].iloc[0]}" for n in same if n != "timezone"]
    if zone is not None and any(answer[n].dtype.kind == "M" for n in names):
        caption.append(f"times of {zone}")
    elif "timezone" in same:
        caption.append(f"time zone {zone}")
    parts = [answer] if len(answer) <= MOST else [answer.iloc[: MOST // 2], answer.iloc[-(MOST // 2) :]]
    shown = [n for n in names if n not in same]
    currency = str(answer["currency"].iloc[0]) if "currency" in same else ""
    styles = [_style(answer[n]) for n in shown]
    head = "".join(
        f'<th style="{style}">{escaped(_header(n, currency))}</th>' for n, style in zip(shown, styles, strict=True)
    )
    left = f"... {len(answer) - MOST:,} rows are left out ..."
    left = f'<tr><td colspan="{len(shown)}" style="text-align: left">{left}</td></tr>'
    body = left.join(_rows(part, shown, styles) for part in parts)
    said = escaped("; ".join([f"{len(answer):,} {'row' if len(answer) == 1 else 'rows'}", *map(visible, caption)]))
    return f'<p>{said}</p><table class="dataframe"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _rows(part: pd.DataFrame, shown: Sequence[str], styles: Sequence[str]) -> str:
    where = _zones(part)
    cells = []
    for name, style in zip(shown, styles, strict=True):
        write = _writer(name, part[name])
        texts = ("" if pd.isna(of) else write(of, zone) for of, zone in zip(part[name], where, strict=True))
        cells.append([f'<td style="{style}">{escaped(text)}</td>' for text in texts])
    return "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*cells, strict=True))


def _zones(answer: pd.DataFrame) -> list[str]:
    """The name of each row's zone."""
    if "timezone" in answer:
        return [name if isinstance(name, str) else "UTC" for name in answer["timezone"]]
    known = answer.attrs.get(ZONES, {})
    of_run = known.get("", "UTC")
    if "preset" not in answer:
        return [of_run] * len(answer)
    return [known.get(name, of_run) for name in answer["preset"]]


def _header(name: str, currency: str) -> str:
    """A column's name with its unit: "idle cost, USD"."""
    base, spread = name, ""
    for end in _SPREADS:
        if name.endswith(end):
            base, spread = name.removesuffix(end), f", {end[1:]}"
    if base.endswith("_instance_hours"):
        return f"{_title(base.removesuffix('_instance_hours'))}, instance-hours{spread}"
    if base.endswith("_hours") and base not in _LASTING:
        return f"{_title(base.removesuffix('_hours'))}, hours{spread}"
    if base.endswith(("_s", "_hours")):
        return f"{_title(base.removesuffix('_s').removesuffix('_hours'))}{spread}"
    is_money = base.endswith(("_cost", "_cost_per_week")) and currency
    return f"{_title(base)}{f', {currency}' if is_money else ''}{spread}"


def _title(name: str) -> str:
    return {"run_id": "run", "timezone": "time zone"}.get(name, name.replace("_", " "))


def _writer(name: str, column: pd.Series[Any]) -> Callable[[Any, str], str]:
    """How a column's values are written: each with its row's zone."""
    base = name
    for end in _SPREADS:
        base = base.removesuffix(end)
    if column.dtype.kind == "M" and getattr(column.dtype, "tz", None) is None:
        return lambda at, _: f"{short_weekday(at)} {at:%Y-%m-%d}"
    if column.dtype.kind == "M" or (column.dtype.kind == "O" and column.map(lambda x: hasattr(x, "tzinfo")).any()):
        seconds = any(at.second for at in column.dropna())
        return lambda at, zone: _local(at, zone, seconds)
    if base.endswith("_s") and column.dtype.kind in "iuf":
        return lambda of, _: in_column(of) if of < 3600 else str(about(of))
    if base == "hit_rate" or base.endswith(("_share", "_rate")):
        return lambda of, _: f"{of:.1%}"
    if base in _LASTING:
        return lambda of, _: in_hours(round(of * HOUR_US / MINUTE_US) * MINUTE_US)
    if base == "weekday":
        return lambda of, _: WEEKDAYS[int(of)]
    if base == "hour":
        return lambda of, _: f"{int(of):02}:00"
    if base in _PLAIN or base.endswith("_id"):
        return lambda of, _: str(of)
    return lambda of, _: _plain(of)


def _local(at: Any, zone: str, seconds: bool) -> str:
    local = zone_of(zone).local(as_instant(at))
    clock = "%H:%M:%S" if seconds else "%H:%M"
    return f"{short_weekday(local)} {local:%Y-%m-%d} {local:{clock}} {local:%Z}"


def _plain(of: Any) -> str:
    if isinstance(of, str):
        return visible(of)
    kind = getattr(getattr(of, "dtype", None), "kind", "")
    if isinstance(of, bool) or kind == "b":
        return "yes" if of else "no"
    if isinstance(of, int) or kind in ("i", "u"):
        return f"{of:,}"
    if isinstance(of, float) or kind == "f":
        return f"{of:,.0f}" if float(of).is_integer() else f"{of:,.3g}" if abs(of) < 1 else f"{of:,.1f}"
    return visible(str(of))


def _style(column: pd.Series[Any]) -> str:
    """Numbers to the right; an id, an instant and a short name on one line."""
    if column.dtype.kind in "iuf":
        return "text-align: right; white-space: nowrap"
    longest = max((len(of) for of in column if isinstance(of, str)), default=0)
    return f"text-align: left; white-space: {'normal' if longest > _LONG else 'nowrap'}"
