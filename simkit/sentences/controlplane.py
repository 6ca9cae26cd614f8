"""What a control plane's tables hold, as text that reads without knowing them: a day, tables, listings, refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.sentences.wording import Sentence, day_and_time, instant, zone_of
from simkit.shown import escaped, visible, visible_lines

if TYPE_CHECKING:
    import pandas as pd

    from simkit.sample_day import Interruption

_TEXT, _NUMBER = "text-align: left; vertical-align: top", "text-align: right; vertical-align: top"
_WRAPPED = f"{_TEXT}; white-space: normal; min-width: 20rem"
_LONG = 48  # characters, above which a column's text is wrapped


class Table:
    """A DataFrame of text as a notebook shows it: without an index, text to the left and numbers to the right."""

    def __init__(self, frame: pd.DataFrame, numbers: frozenset[str]) -> None:
        self.frame = frame
        self._numbers = numbers

    def __repr__(self) -> str:
        return self.frame.map(visible).rename(columns=visible).to_string(index=False)

    def _repr_html_(self) -> str:
        names = [str(name) for name in self.frame.columns]
        styles = [self._style(name) for name in names]
        head = "".join(f'<th style="{style}">{escaped(name)}</th>' for name, style in zip(names, styles, strict=True))
        body = ""
        for row in self.frame.itertuples(index=False, name=None):
            cells = (f'<td style="{style}">{escaped(cell)}</td>' for cell, style in zip(row, styles, strict=True))
            body += f"<tr>{''.join(cells)}</tr>"
        return f'<table class="dataframe"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'

    def _style(self, name: str) -> str:
        if name in self._numbers:
            return _NUMBER
        return _WRAPPED if any(len(cell) > _LONG for cell in self.frame[name]) else _TEXT


class Listing:
    """Text as it is, line by line: a log, metrics."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return visible_lines(self.text)

    def _repr_html_(self) -> str:
        lines = "\n".join(map(escaped, self.text.split("\n")))
        return f'<pre style="white-space: pre-wrap">{lines}</pre>'


def table(answer: pd.DataFrame, timezone: str) -> Table:
    """A small answer of `ControlPlane.sql` as text: instants on the wall clock of a zone, which each names,
    with seconds where one of a column has some,
    whole numbers with thousands separated, "" for NULL, and `_` in column names as a space."""
    where = zone_of(timezone)
    numbers = frozenset(
        name.replace("_", " ")
        for name in answer.columns
        if answer[name].dtype.kind in "iuf" or answer[name].isna().all()
    )

    def written(value: Any, clock: str) -> str:
        if value is None or value != value:
            return ""
        if hasattr(value, "to_pydatetime"):
            return f"{where.local(instant(value)):%a {clock} %Z}"
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        if isinstance(value, int | np.integer):
            return f"{value:,}"
        if isinstance(value, float):
            return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
        return str(value)

    def column(values: pd.Series[Any]) -> list[str]:
        is_instant = values.dtype.kind == "M"
        to_the_minute = is_instant and (values.dropna().dt.floor("min") == values.dropna()).all()
        return [written(value, "%H:%M" if to_the_minute else "%H:%M:%S") for value in values]

    columns = {name.replace("_", " "): column(answer[name]) for name in answer.columns}
    return Table(type(answer)(columns), numbers)


def refusals(tried: Mapping[str, str]) -> Sentence:
    """What was tried and what the control plane said, a line each; "" is said where it did it."""
    lines, numbers = [], dict[str, str]()
    for i, (what, said) in enumerate(tried.items(), start=1):
        name = f"refused_{'_'.join(what.split()[:3])}".replace("-", "_")
        name = "".join(c for c in name if c.isalnum() or c == "_") + f"_{i}"
        numbers[name] = said or "(not refused)"
        lines.append(f"- **{what}**: {{{name}}}")
    return Sentence("\n".join(lines), numbers)


def day(states: pd.DataFrame, queue: pd.DataFrame, volume: pd.DataFrame, timezone: str) -> Sentence:
    """What happened on a day. The answers are sample_day's."""
    if states.empty:
        return Sentence("There was no workspace yet.", {})
    where = zone_of(timezone)
    count = states["state"].value_counts()
    first, last = (instant(volume["from_at"].iloc[i]) for i in (0, -1))
    written = volume["jobs"] + volume["agents"]
    waiting = queue["people"] + queue["prebuilds"]
    worst, most = int(waiting.to_numpy().argmax()), int(written.to_numpy().argmax())
    numbers: dict[str, Any] = {
        "workspaces": states["workspace_id"].nunique(),
        "claims": int(count.get("claimed", 0)),
        "failed": int(count.get("failed", 0)),
        "deleted": int(count.get("deleted", 0)),
        "pending_people": int(queue["people"].iloc[worst]),
        "pending_prebuilds": int(queue["prebuilds"].iloc[worst]),
        "most_people": int(queue["people"].max()),
        "job_kb": float(volume["jobs"].sum() / 1000),
        "agent_kb": float(volume["agents"].sum() / 1000),
        "most_kb": float(written.iloc[most] / 1000),
        **day_and_time(first, where, "first"),
        **{"last_time": day_and_time(last, where, "last")["last_time"]},
        **{"worst_time": day_and_time(instant(queue["changed_at"].iloc[worst]), where, "worst")["worst_time"]},
        **{"most_time": day_and_time(instant(volume["from_at"].iloc[most]), where, "most")["most_time"]},
    }
    return Sentence(
        "On {first_day}, from {first_time} to {last_time}, there were **{workspaces} workspaces**. Prebuilds claimed: "
        "{claims}; builds that failed: {failed}; workspaces deleted: {deleted}. The queue was longest at {worst_time}: "
        "{pending_people} of people's jobs and {pending_prebuilds} of the prebuilds' waited then; of people's there "
        "were never more than {most_people}. Jobs wrote {job_kb:,.0f} kB of log and agents {agent_kb:,.0f} kB, most in "
        "the quarter of an hour from {most_time} on ({most_kb:,.0f} kB).",
        numbers,
    )


def interruptions(of: Sequence[Interruption]) -> Table:
    """A row for each completion that was made to fail before each of its statements."""
    import pandas as pd

    rows = [
        {
            "job": one.kind.replace("_", " "),
            "failures injected": f"{one.statements:,}",
            "tables changed by them": f"{one.changed_by_failures:,}",
            "rows that success adds": ", ".join(f"{n} {table}" for table, n in one.added.items()) or "none",
        }
        for one in of
    ]
    return Table(pd.DataFrame(rows), frozenset({"failures injected", "tables changed by them"}))
