"""Tables on terminals of any width: no word is broken, and nothing is left out."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from simkit.cli.tables import print_table

HEADS = ("a week", "hit rate", "idle hours", "remark")
ROWS = [
    ("max(scheduled_target, claims_30m)", "96.6%", "1,115", ""),
    ("constant 7", "-30.72 pp", "9", "stuck at 0"),
]


def shown(width: int, title: str | None = None) -> list[str]:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for i, head in enumerate(HEADS):
        table.add_column(head, justify="left" if i in (0, 3) else "right", no_wrap=i in (1, 2))
    for row in ROWS:
        table.add_row(*row)
    out = io.StringIO()
    print_table(Console(file=out, width=width, highlight=False), table)
    return out.getvalue().splitlines()


def words(lines: list[str]) -> set[str]:
    return {word for line in lines for word in line.split()}


def test_what_fits_stays_as_it_is():
    lines = shown(100)
    assert len(lines) == 3
    assert "hit rate  idle hours  remark" in lines[0]


@pytest.mark.parametrize("width", [72, 60, 50, 40, 34, 33])
def test_no_word_is_broken_and_no_number_is_left_out(width: int):
    lines = shown(width, "Policies")
    whole = {word for text in (*HEADS, *(cell for row in ROWS for cell in row)) for word in text.split()}
    assert words(lines) == whole | {"Policies"}
    assert max(map(len, lines)) <= width
    assert any("-30.72 pp" in line for line in lines), "a number and its unit stand in one line"
    assert sum("Policies" in line for line in lines) == 1


def test_columns_that_do_not_fit_have_a_table_of_their_own_with_the_same_first_column():
    lines = shown(34)
    assert sum(line.startswith("constant 7") for line in lines) > 1
    assert "" in [line.strip() for line in lines], "a line lies between them"


def test_a_name_of_one_long_word_is_broken_and_the_numbers_are_not():
    assert "-30.72 pp" in "\n".join(shown(20))
    assert max(map(len, shown(20))) <= 20
