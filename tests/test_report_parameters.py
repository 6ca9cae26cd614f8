"""What a notebook's parameters are, read without papermill, and what is told of those that are given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from simkit.errors import InputError
from simkit.report.parameters import checked

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
CELL = """
scenario = "week.yaml"  # a file; "" is none = nothing
seed: int = 7
share = 0.5
is_short = False
levels = [1, 2]
nothing = None
low = -3
first, second = 1, 2
print(scenario)
"""


def book(path: Path, *cells: str) -> Path:
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_code_cell(text, metadata={"tags": ["parameters"]}) for text in cells]
    nbformat.write(made, path)
    return path


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_parameters_of_every_notebook_are_those_that_papermill_finds(notebook: Path):
    _, defaults = checked(notebook, {})
    assert list(defaults) == list(papermill.inspect_notebook(str(notebook)))
    assert all(not isinstance(value, str) or '"' not in value for value in defaults.values())


def test_a_default_is_what_python_reads_and_what_is_given_takes_its_type(tmp_path: Path):
    given, defaults = checked(
        book(tmp_path / "a.ipynb", CELL, "later = 1"), {"seed": "8", "share": "1", "is_short": "true", "low": "4"}
    )
    assert defaults == {
        "scenario": "week.yaml",
        "seed": 7,
        "share": 0.5,
        "is_short": False,
        "levels": "[1, 2]",
        "nothing": None,
        "low": -3,
    }
    assert given == {"seed": 8, "share": 1.0, "is_short": True, "low": 4}


def test_every_problem_of_parameters_is_told_at_once(tmp_path: Path):
    with pytest.raises(InputError) as told:
        checked(book(tmp_path / "a.ipynb", CELL), {"sed": "1", "seed": "x", "share": "nan"})
    assert [problem.text for problem in told.value.problems] == [
        'declares no parameter "sed"; write "seed"',
        'parameter "seed": "x" is not a whole number, as its default 7 is',
        'parameter "share": "nan" is not a number, as its default 0.5 is',
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", '{"nbformat": 4}', '{"nbformat": 3, "worksheets": []}', "[" * 100_000, "\x00"),
        '{"nbformat": 4, "metadata": {}, "cells": [1]}',
        '{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "metadata": [], "source": ""}]}',
        '{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "metadata": {}, "source": [1]}]}',
    ],
    ids=lambda text: text[:20],
)
def test_a_file_that_is_no_notebook_is_refused(text: str, tmp_path: Path):
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(InputError, match="is not a notebook that can be read; write one that Jupyter opens"):
        checked(tmp_path / "a.ipynb", {})


@pytest.mark.parametrize("text", ["%matplotlib inline", "seed = ", "x = " + "(" * 5000, "\x00"])
def test_a_cell_of_parameters_that_is_no_python_is_refused(text: str, tmp_path: Path):
    made = {"nbformat": 4, "metadata": {}}
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": [text]}
    (tmp_path / "a.ipynb").write_text(json.dumps(made | {"cells": [cell]}))
    with pytest.raises(InputError, match="its cell of parameters is not Python"):
        checked(tmp_path / "a.ipynb", {})


def test_reading_a_batch_imports_nothing_that_executes_notebooks():
    """Two seconds of a night in which nothing is to be made."""
    code = (
        "import sys; from simkit.report import batch; from simkit.report.parameters import checked;"
        "from pathlib import Path; checked(Path(sys.argv[1]), {});"
        "print([m for m in ('papermill', 'nbformat', 'nbconvert', 'jsonschema', 'IPython') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(NOTEBOOKS[0])], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
