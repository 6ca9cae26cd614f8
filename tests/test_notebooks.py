"""Every notebook is a question: parameters, then ask, draw, say. It keeps no outputs, and it runs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CAPACITY = ROOT / "notebooks" / "01-capacity.ipynb"
EXPIRATION = ROOT / "notebooks" / "02-expiration.ipynb"
LONGEST_CELL = 12  # lines


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(source: Path, target: Path, folder: Path, **parameters: object):
    """Run a notebook with papermill's own command, started in `folder`, and return what came out."""
    given = [text for name, value in parameters.items() for text in ("-p", name, str(value))]
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(source),
        str(target),
        "--no-progress-bar",
        "-k",
        "python3",
        *given,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return nbformat.read(target, as_version=4)


def outputs(notebook) -> list:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def of_kind(notebook, kind: str) -> list:
    return [output["data"][kind] for output in outputs(notebook) if kind in output.get("data", {})]


def test_there_are_notebooks():
    assert {CAPACITY, EXPIRATION} <= set(NOTEBOOKS)


def test_a_notebook_is_valid_and_keeps_no_outputs(notebook):
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(notebook))


def test_a_notebook_asks_draws_and_says_and_defines_nothing(notebook):
    for cell in code_cells(notebook):
        forbidden = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If)
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, forbidden)], cell.source
        assert len(cell.source.splitlines()) <= LONGEST_CELL, cell.source


def test_a_notebook_begins_with_a_title_and_its_parameters(notebook):
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == [notebook.cells[1]]
    assert all(isinstance(node, ast.Assign) for node in ast.parse(tagged[0].source).body)


def test_the_capacity_notebook_runs_from_its_own_folder_with_two_replications(tmp_path):
    done = execute(CAPACITY, tmp_path / "out.ipynb", ROOT / "notebooks", replications=2, week="2026-11-18")
    said = "\n".join(of_kind(done, "text/markdown"))
    assert "of 948 claims**" in said
    assert "In the week from Monday 2026-11-16" in said
    assert len(of_kind(done, "image/png")) == 9
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


def test_the_expiration_notebook_runs_from_its_own_folder_and_says_what_freshness_costs(tmp_path):
    done = execute(EXPIRATION, tmp_path / "out.ipynb", ROOT / "notebooks", replications=2, ttls="4h")
    said = "\n".join(of_kind(done, "text/markdown"))
    assert "Halving the TTL of *goland-large* from 8h to 4h costs" in said
    assert "always at 02:00 on the wall clock of America/New_York; in UTC that is 06:00 and then 07:00" in said
    assert "At Sat 31 Oct 02:00 EDT the workspace stops" in said
    assert "`workspace_builds_deadline_below_max_deadline` would refuse" in said
    assert len(of_kind(done, "image/png")) == 7
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


def test_the_expiration_notebook_says_so_where_a_scenario_has_no_people(tmp_path):
    scenario = "data/scenarios/workweek.yaml"
    done = execute(EXPIRATION, tmp_path / "out.ipynb", ROOT, scenario=scenario, replications=1, ttls="")
    said = "\n".join(of_kind(done, "text/markdown"))
    assert said.count("The scenario has no people") == 4
    assert len(of_kind(done, "image/png")) == 7
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
@pytest.mark.parametrize("scenario", sorted((ROOT / "data" / "scenarios").glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize(
    ("notebook", "pictures"), [(CAPACITY, 9), (EXPIRATION, 7)], ids=lambda x: getattr(x, "stem", "")
)
def test_a_notebook_runs_with_every_sample_scenario(notebook, pictures, scenario, tmp_path):
    done = execute(notebook, tmp_path / "out.ipynb", ROOT, scenario=scenario.relative_to(ROOT))
    assert len(of_kind(done, "image/png")) == pictures
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []
