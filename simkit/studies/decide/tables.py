"""A recommendation as text in a notebook: the block to paste, what it buys, other plans and their price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simkit.decide import standings
from simkit.decide.advice import compared as compared_rows
from simkit.decide.advice import front_rows, front_titles
from simkit.decide.league import League
from simkit.decide.plan import terraform
from simkit.decide.recommendation import Advice
from simkit.studies.decide.trials import RECOMMENDED, TODAY
from simkit.studies.tables import Listing, Table, of_rows

if TYPE_CHECKING:
    import pandas as pd


def block(advice: Advice) -> Listing:
    """The preset's `prebuilds` block, as its template takes it."""
    return Listing(terraform(advice.preset))


def compared(advice: Advice, currency: str) -> Table:
    """Today's setting and the recommended one in the same weeks."""
    return of_rows(("in the same weeks", "today's", "recommended"), compared_rows(advice, currency), 1)


def front(advice: Advice, currency: str) -> Table:
    """The plans of `pictures.front` by the numbers that they have there."""
    rows = [(str(number), *row) for number, row in enumerate(front_rows(advice), 1)]
    return of_rows(("", *front_titles(currency)), rows, 0, texts=1)


def league(of: League) -> Table:
    """Each policy's numbers a week, in the order of `pictures.league`."""
    return of_rows(standings.headings(of), [standings.cells(of, row) for row in of.rows], 1, texts=1)


def side_by_side(before: pd.DataFrame, after: pd.DataFrame, preset: str) -> pd.DataFrame:
    """The same question's answers for today's setting and for the recommended one, of one preset, as if of two."""
    import pandas as pd

    parts = [_of_preset(before, preset, TODAY), _of_preset(after, preset, RECOMMENDED)]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _of_preset(answer: pd.DataFrame, preset: str, setting: str) -> pd.DataFrame:
    """The rows of a question's answer that are of `preset`, or of all presets; it goes by the name of a setting."""
    mine = answer[(answer["preset"] == preset) | answer["preset"].isna()]
    return mine.assign(preset=mine["preset"].where(mine["preset"].isna(), setting))
