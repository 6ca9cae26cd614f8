"""A recommendation as text in a notebook: the block to paste, what it buys, other plans and their price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simkit.decide.advice import FRONT_TITLES, Row, front_rows
from simkit.decide.advice import compared as compared_rows
from simkit.decide.plan import terraform
from simkit.decide.recommendation import Advice
from simkit.studies.tables import Listing, Table


def block(advice: Advice) -> Listing:
    """The preset's `prebuilds` block, as its template takes it."""
    return Listing(terraform(advice.preset))


def compared(advice: Advice, currency: str) -> Table:
    """Today's setting and the recommended one in the same weeks."""
    return _table(("in the same weeks", "today's", "recommended"), compared_rows(advice, currency), 1)


def front(advice: Advice) -> Table:
    """The plans of `pictures.front` by the numbers that they have there."""
    rows = [(str(number), *row) for number, row in enumerate(front_rows(advice), 1)]
    return _table(("", *FRONT_TITLES), rows, 0, texts=1)


def _table(titles: Sequence[str], rows: Iterable[Row], first_number: int, texts: int = 0) -> Table:
    """A table of text in which the columns from `first_number` on are numbers, but for the last `texts`."""
    import pandas as pd

    numbers = frozenset(titles[first_number : len(titles) - texts])
    return Table(pd.DataFrame([tuple(row) for row in rows], columns=list(titles)), numbers)
