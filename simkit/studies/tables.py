"""Tables and listings as a notebook shows them: text that is text, whatever it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.shown import escaped, visible, visible_lines
from simkit.studies.wording import as_instant, zone_of
from simkit.times import many, short_weekday

if TYPE_CHECKING:
    import pandas as pd

_TEXT, _NUMBER = "text-align: left; vertical-align: top", "text-align: right; vertical-align: top"
_WRAPPED = f"{_TEXT}; white-space: normal; min-width: 20rem"
_LONG = 48  # characters, above which a column's text is wrapped
_LONG_LINE = 60  # characters, above which a line of a listing is wrapped
_NARROW = 3  # columns, up to which a table fits a phone; the rows of a wider one become lists there
_LONG_NUMBERS = 24  # the same for a column of numbers, of which a cell may hold several


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
        titles = [f'data-of="{escaped(name)}" style="{style}"' for name, style in zip(names, styles, strict=True)]
        body = ""
        for row in self.frame.itertuples(index=False, name=None):
            cells = (f"<td {title}>{escaped(cell)}</td>" for cell, title in zip(row, titles, strict=True))
            body += f"<tr>{''.join(cells)}</tr>"
        fits = "narrow" if len(names) <= _NARROW else "stacks"
        return f'<table class="dataframe {fits}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'

    def _style(self, name: str) -> str:
        longest = max(map(len, self.frame[name]), default=0)
        if name in self._numbers:
            return f"{_NUMBER}; white-space: normal; min-width: 7rem" if longest > _LONG_NUMBERS else _NUMBER
        return _WRAPPED if longest > _LONG else _TEXT


def of_rows(titles: Sequence[str], rows: Iterable[Iterable[str]], first_number: int, texts: int = 0) -> Table:
    """A table of text in which the columns from `first_number` on are numbers, but for the last `texts`."""
    import pandas as pd

    numbers = frozenset(titles[first_number : len(titles) - texts])
    return Table(pd.DataFrame([tuple(row) for row in rows], columns=list(titles)), numbers)


class Listing:
    """Text as it is, line by line: a log, metrics. A long line is wrapped; a short one, of a grid perhaps, is not.

    Of more lines than `most` the first are shown, and how many are not.
    """

    def __init__(self, text: str, most: int | None = None) -> None:
        lines = text.split("\n")
        left = 0 if most is None else len(lines) - most
        self.text = text if left <= 0 else "\n".join([*lines[:most], f"... and {many(left, 'more line')}"])

    def __repr__(self) -> str:
        return visible_lines(self.text)

    def _repr_html_(self) -> str:
        lines = "\n".join(
            escaped(line) if len(line) > _LONG_LINE else f'<span style="white-space: pre">{escaped(line)}</span>'
            for line in self.text.split("\n")
        )
        return f'<pre class="listing" style="white-space: pre-wrap">{lines}</pre>'


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
            local = where.local(as_instant(value))
            return f"{short_weekday(local)} {local:{clock} %Z}"
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
