"""Reports: a notebook's parameters, its files, and what it says in result.json."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from result_schema import faults

import simkit
from simkit.clock import HOUR_US, parse_instant
from simkit.report.render import named, render

SCENARIO = 'window: {from: "2026-03-02", until: "2026-03-03"}\npresets: [{name: large, instances: 2}]\n'
CELLS = """
import simkit
from simkit.report import cite, say

results = [simkit.run(simkit.load(scenario), seed=seed)]
cite(results)
# ---
summary = simkit.ask(results, "summary")
say("The pool built **{builds}** prebuilds.", builds=summary["builds"].sum())
# ---
summary
# ---
import matplotlib.pyplot as plt

figure = plt.figure(figsize=(2, 1)).add_subplot()
"""


MADE_AT = parse_instant("2026-03-02T09:00:00.75Z")


def notebook(folder: Path, cells: str = CELLS, name: str = "pool.ipynb") -> Path:
    (folder / "day.yaml").write_text(SCENARIO)
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    made.cells.append(nbformat.v4.new_markdown_cell("# A pool & its <day>"))
    parameters = nbformat.v4.new_code_cell(f'scenario = "{folder / "day.yaml"}"\nseed = 7')
    parameters.metadata["tags"] = ["parameters"]
    made.cells.append(parameters)
    made.cells += [nbformat.v4.new_code_cell(source.strip()) for source in cells.split("# ---")]
    path = folder / name
    nbformat.write(made, path)
    return path


def test_a_report_is_a_notebook_a_page_and_its_numbers(tmp_path: Path):
    told: list[tuple[int, int]] = []
    report = render(
        notebook(tmp_path),
        {"seed": "8"},
        tmp_path / "reports",
        made_at=MADE_AT,
        told=lambda done, of: told.append((done, of)),
    )
    assert told == [(done, 7) for done in range(8)], "cell by cell, the given parameters among them"
    folder = tmp_path / "reports" / "pool" / "day_seed=8"
    assert report.notebook.parent == report.html.parent == report.result.parent == folder

    page = report.html.read_text()
    assert "<title>A pool &amp; its &lt;day&gt;</title>" in page
    assert "<strong>2</strong> prebuilds" in page
    assert "data:image/png;base64," in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page), "the page needs no other file"
    assert "@import" not in page

    result = json.loads(report.result.read_text())
    assert result["notebook"] == "pool.ipynb"
    assert result["made_at"] == "2026-03-02T09:00:00Z"
    assert result["parameters"] == {"scenario": str(tmp_path / "day.yaml"), "seed": 8}
    assert result["numbers"] == {"builds": 2}
    assert faults(result) == []
    (run,) = result["runs"]
    assert (run["seed"], run["replications"], run["versions"]["simkit"]) == (8, 1, simkit.__version__)
    assert run["digest"] == simkit.run(simkit.load(tmp_path / "day.yaml"), seed=8).digest
    assert (run["from"], run["until"], run["timezone"]) == ("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z", "UTC")
    (row,) = run["presets"]
    assert (row["preset"], row["builds"]) == ("large", {"low": 2, "median": 2, "high": 2})
    assert report.sentences[1] == "The pool built 2 prebuilds."

    again = render(tmp_path / "pool.ipynb", {"seed": "8"}, tmp_path / "again", made_at=MADE_AT + HOUR_US)
    written = report.result.read_text()
    assert written.count("2026-03-02T09:00:00Z") == 1
    assert again.result.read_text() == written.replace("2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"made_at": "Mon 2 Mar 09:00"}, "made_at"),
        ({"parameters": {"ttls": [1, 2]}}, "parameters/ttls"),
        ({"runs": [{"scenario": "day"}]}, "runs/0"),
        ({"extra": 1}, ""),
    ],
)
def test_the_schema_refuses_what_is_no_result(change, told):
    good = {
        "made_at": "2026-03-02T09:00:00Z",
        "notebook": "x",
        "parameters": {},
        "runs": [],
        "numbers": {},
        "sentences": [],
    }
    assert faults(good) == []
    assert {place for place, _ in faults(good | change)} == {told}


def test_a_parameter_that_the_notebook_does_not_declare_is_refused(tmp_path: Path):
    with pytest.raises(simkit.InputError) as caught:
        render(notebook(tmp_path), {"sed": "8", "seed": "eight", "x": "1"}, tmp_path / "reports", made_at=MADE_AT)
    assert [p.text for p in caught.value.problems] == [
        'declares no parameter "sed"; write "seed"',
        'declares no parameter "x"; there are scenario, seed',
        'parameter "seed": "eight" is not a whole number, as its default 7 is',
    ]
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("text", ["inf", "-Infinity", "nan", "1e999", "", "1,5", "9" * 5000])
def test_a_number_is_one_that_json_has(text: str, tmp_path: Path):
    written = notebook(tmp_path)
    written.write_text(written.read_text().replace("seed = 7", "seed = 7\\nshare = 0.5\\nplaces = [1]\\nother = 2 + x"))
    with pytest.raises(simkit.InputError) as caught:
        render(written, {"share": text, "seed": text, "places": "[2]", "other": "x"}, tmp_path, made_at=MADE_AT)
    assert [p.text for p in caught.value.problems] == [
        f'parameter "seed": "{text}" is not a whole number, as its default 7 is',
        f'parameter "share": "{text}" is not a number, as its default 0.5 is',
    ]


@pytest.mark.parametrize(
    ("given", "defaults", "name"),
    [
        ({}, {"seed": 7}, "default"),
        ({}, {"scenario": "data/week.yaml", "seed": 7}, "week"),
        ({"scenario": "a/b/other.yaml", "seed": 8}, {"scenario": "week.yaml", "seed": 7}, "other_seed=8"),
        ({"preset": "eu"}, {"scenario": "week.yaml", "preset": ""}, "week_preset=eu"),
        ({"cron": "* 8-18 * * 1-5"}, {"cron": ""}, "cron=-8-18-1-5-2c1729"),
        ({"cron": "- 8-18 - - 1-5"}, {"cron": ""}, "cron=--8-18-----1-5-cc420b"),
        ({"scenario": "../.hidden"}, {}, "-hidden-169241"),
        ({"preset": "é" * 300}, {}, "preset=--329481"),
    ],
)
def test_a_report_has_a_folder_of_its_own_by_what_it_is_about(given, defaults, name):
    assert named(given, defaults) == name


def test_two_reports_of_one_notebook_stand_beside_each_other(tmp_path: Path):
    path = notebook(tmp_path, "seed")
    made = [render(path, {"seed": seed}, tmp_path / "r", made_at=MADE_AT) for seed in ("1", "2")]
    made.append(render(path, {"seed": "2"}, tmp_path / "r", made_at=MADE_AT, name="monday"))
    assert sorted(place.name for place in (tmp_path / "r" / "pool").iterdir()) == ["day_seed=1", "day_seed=2", "monday"]
    assert all(report.html.is_file() for report in made)


@pytest.mark.parametrize("place", ["", "below", "reports/pool"])
def test_where_no_folder_can_be_made_nothing_is_executed(place: str, tmp_path: Path):
    written = notebook(tmp_path, "raise SystemExit")
    (tmp_path / "reports").mkdir()
    file = tmp_path / "reports" / "pool" if "pool" in place else tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(simkit.InputError, match=f"{file}: this is no folder"):
        render(written, {}, tmp_path / "reports" if "pool" in place else file / place, made_at=MADE_AT)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("text", ["0", "-1", str(2**63)])
@pytest.mark.parametrize("name", ["replications", "daemons"])
def test_a_parameter_that_counts_is_no_less_than_one(name: str, text: str, tmp_path: Path):
    written = notebook(tmp_path, "raise SystemExit")
    document = json.loads(written.read_text())
    (cell,) = (one for one in document["cells"] if "parameters" in one["metadata"].get("tags", ()))
    cell["source"] = f"{name} = 3"
    written.write_text(json.dumps(document))
    with pytest.raises(simkit.InputError, match=rf'parameter "{name}": {text} is out of range; write 1 to'):
        render(written, {name: text}, tmp_path / "reports", made_at=MADE_AT)


def test_a_folder_with_a_name_that_none_can_have_is_told_before_anything_is_executed(tmp_path: Path):
    written = notebook(tmp_path, "raise SystemExit")
    with pytest.raises(simkit.InputError, match="this can be no folder: File name too long"):
        render(written, {}, tmp_path / ("x" * 300), made_at=MADE_AT)
    with pytest.raises(simkit.InputError, match="there is no such notebook"):
        render(tmp_path / ("x" * 300), {}, tmp_path, made_at=MADE_AT)


def test_a_scenario_with_problems_is_told_as_the_command_line_tells_it(tmp_path: Path):
    path = notebook(tmp_path)
    (tmp_path / "day.yaml").write_text(SCENARIO.replace("instances: 2", "instances: -2"))
    with pytest.raises(simkit.RunError, match=r"day\.yaml:2: instances must be") as caught:
        render(path, {}, tmp_path / "reports", made_at=MADE_AT)
    assert "cell" not in str(caught.value)
    assert caught.value.status == 2
    assert not (tmp_path / "reports").exists()


def test_a_mistake_in_a_notebook_is_told_with_its_cell(tmp_path: Path):
    with pytest.raises(simkit.RunError, match=r"pool\.ipynb: cell 2 failed: ZeroDivisionError"):
        render(notebook(tmp_path, "1 / 0"), {}, tmp_path / "reports", made_at=MADE_AT)


def test_a_kernel_that_dies_is_told(tmp_path: Path):
    with pytest.raises(simkit.RunError, match=r"pool\.ipynb: the kernel that executed it died"):
        render(notebook(tmp_path, "import os\nos._exit(1)"), {}, tmp_path / "reports", made_at=MADE_AT)
    assert not (tmp_path / "reports").exists()


def test_a_kernel_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def absent(_: KernelSpecManager, name: str) -> None:
        raise NoSuchKernel(name)

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", absent)
    with pytest.raises(
        simkit.RunError, match=r"pool\.ipynb: there is no Python kernel to execute it; install ipykernel"
    ):
        render(notebook(tmp_path), {}, tmp_path / "reports", made_at=MADE_AT)


@pytest.mark.parametrize("absent", [["papermill"], ["ipykernel", "nbconvert", "papermill"]], ids=len)
def test_without_the_extra_a_report_names_all_that_is_missing(
    absent: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(simkit.InputError) as caught:
        render(notebook(tmp_path), {}, tmp_path / "reports", made_at=MADE_AT)
    assert [p.text for p in caught.value.problems] == [
        f"a report needs {', '.join(absent)}; install what makes reports with: pip install 'simkit[notebooks]'"
    ]
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("text", ["{}", "[1]", '{"cells": 3, "nbformat": 4}', '{"cells": [], "nbformat": 99}'])
def test_what_jupyter_says_of_other_files_stays_out_of_sight(text: str, tmp_path: Path):
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(simkit.InputError) as caught:
        render(tmp_path / "a.ipynb", {}, made_at=MADE_AT)
    assert [p.text for p in caught.value.problems] == [
        "is not a notebook that can be read; write one that Jupyter opens, of format 4"
    ]


def test_what_is_no_notebook_is_told(tmp_path: Path):
    with pytest.raises(simkit.InputError, match="there is no such notebook"):
        render(tmp_path / "absent.ipynb", {}, made_at=MADE_AT)
    (tmp_path / "text.ipynb").write_text("text")
    with pytest.raises(simkit.InputError, match="is not a notebook"):
        render(tmp_path / "text.ipynb", {}, made_at=MADE_AT)


def test_what_spares_the_import_of_grammars_is_needed_as_long_as_jsonschema_loads_them_when_it_is_loaded():
    formats = Path(importlib.util.find_spec("jsonschema").origin).with_name("_format.py").read_text()
    assert re.search(r"^    with suppress.*\n +from rfc3987_syntax import", formats, re.M), "spare_import can go"
