"""Tables that fit a terminal: cells wrap between words, and columns that still do not fit go into a table below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table

CLOSE = 1
"""Between columns where a table does not fit as it is."""


def print_table(console: Console, table: Table) -> None:
    """Print a table of texts; where not even its longest words fit, several, each with the first column."""
    gap = table.padding[1] + (0 if table.collapse_padding else table.padding[3])
    if _sum([_most(column) for column in table.columns], gap) <= console.width:
        console.print(table)
        return
    for i, part in enumerate(_parts(table, console.width)):
        if i:
            console.print("")
        console.print(part)


def _parts(table: Table, width: int) -> Iterator[Table]:
    first, *rest = table.columns
    title = table.title
    while rest:
        shown = [first, rest.pop(0)]  # what does not fit beside the first one is shown nevertheless
        while rest and _sum([_least(column) for column in (*shown, rest[0])]) <= width:
            shown.append(rest.pop(0))
        part = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, CLOSE, 0, 0))
        part.header_style = table.header_style
        for column, wide in zip(shown, _narrowed(shown, width), strict=True):
            part.add_column(
                column.header, justify=column.justify, vertical=column.vertical, overflow="fold", width=wide
            )
        for row, *cells in zip(table.rows, *(column.cells for column in shown), strict=True):
            part.add_row(*cells, style=row.style)
        yield part
        title = None


def _narrowed(columns: Sequence[Column], width: int) -> list[int]:
    """Widths for which all fit, if their longest words do: what has most room beyond its words gives it first."""
    least, widths = [_least(column) for column in columns], [_most(column) for column in columns]
    while _sum(widths) > width:
        room = [wide - few for wide, few in zip(widths, least, strict=True)]
        if max(room) <= 0:
            break
        widths[room.index(max(room))] -= 1
    if _sum(widths) > width:  # a first column of one long word is broken, which a number never is
        widths[0] = max(widths[0] - (_sum(widths) - width), 1)
    return widths


def _sum(widths: Sequence[int], gap: int = CLOSE) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _texts(column: Column) -> list[str]:
    return [str(text) for text in (column.header, *column.cells)]


def _most(column: Column) -> int:
    return max(cell_len(line) for text in _texts(column) for line in text.split("\n"))


def _least(column: Column) -> int:
    """What breaks no word, nor any cell of a column that must not wrap; headings always may."""
    header, *texts = _texts(column)
    parts = [
        *header.split(),
        *(part for text in texts for part in (text.split("\n") if column.no_wrap else text.split())),
    ]
    return max(map(cell_len, parts), default=0)
