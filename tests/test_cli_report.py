"""`simkit report` at the command line: one report, and all of a file."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner, Result

from simkit.cli import main
from simkit.report.pdf import chromium
from simkit.studies.explore import grid


def book(path: Path, *cells: str) -> Path:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    parameters = nbformat.v4.new_code_cell("seed = 7", metadata={"tags": ["parameters"]})
    made.cells = [nbformat.v4.new_markdown_cell("# A book"), parameters, *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(made, path)
    return path


def simkit(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give a NOTEBOOK, or --all CONFIG.yaml"),
        (["a.ipynb", "--all", "b.yaml"], "give a NOTEBOOK, or --all CONFIG.yaml"),
        (["--all", "b.yaml", "-p", "seed=1"], "leave out -p, --name and --interactive"),
        (["--all", "b.yaml", "--name", "x"], "leave out -p, --name and --interactive"),
        (["--all", "b.yaml", "--interactive"], "leave out -p, --name and --interactive"),
        (["absent.yaml", "--interactive"], "absent.yaml: "),
        (["a.yaml", "--interactive", "-p", "presett=x"], 'declares no parameter "presett"; write "preset"'),
        (["a.yaml", "--interactive", "-p", "replications=0"], "0 is out of range; write 1 to"),
        (["a.yaml", "--interactive", "--name", ".."], "is no name of a folder"),
        (["a.ipynb", "--force"], "--jobs and --force go with --all"),
        (["a.ipynb", "--jobs", "2"], "--jobs and --force go with --all"),
        (["--all", "absent.yaml"], "absent.yaml: "),
    ],
)
def test_what_does_not_go_together_is_told(arguments: list[str], told: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = simkit(*arguments)
    assert done.exit_code == 2
    assert told in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["..", "a/b", "", "x" * 200])
def test_the_name_of_a_report_stays_below_its_notebook(name: str, tmp_path: Path):
    done = simkit(book(tmp_path / "a.ipynb", "seed"), "--name", name, "--out", tmp_path / "r")
    assert done.exit_code == 2
    assert "is no name of a folder" in done.output
    assert not (tmp_path / "r").exists()


def test_all_reports_are_told_one_by_one_and_the_status_says_whether_all_is_well(tmp_path: Path):
    book(tmp_path / "good.ipynb", "seed + 1")
    book(tmp_path / "bad.ipynb", "seed / 0")
    file = tmp_path / "reports.yaml"
    file.write_text("reports: [{notebook: good.ipynb}]")
    first, second = simkit("--all", file, "--jobs", "1"), simkit("--all", file)
    index = tmp_path / "reports" / "index.html"
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.output.splitlines() == [
        "good default: made",
        f"1 report: 1 made, 0 up to date, 0 failed, 0 out of bounds. Index: {index}",
    ]
    assert "good default: up to date" in second.output

    file.write_text("reports: [{notebook: good.ipynb}, {notebook: bad.ipynb}]")
    third = simkit("--all", file)
    assert third.exit_code == 1
    assert f"bad default: failed: {tmp_path / 'bad.ipynb'}: cell 2 failed: ZeroDivisionError" in third.output
    assert "2 reports: 0 made, 1 up to date, 1 failed" in third.output


def test_a_page_is_printed_where_there_is_a_browser_and_said_where_there_is_none(tmp_path: Path, monkeypatch):
    path = book(tmp_path / "a.ipynb", "seed")
    with monkeypatch.context() as without:
        without.setattr("simkit.report.pdf._BROWSERS", ())
        done = simkit(path, "--pdf", "--out", tmp_path / "r")
    assert done.exit_code == 0
    assert "no PDF: there is no Chromium" in done.output
    if chromium() is None:
        pytest.skip("there is no Chromium here to print with")
    done = simkit(path, "--pdf", "--out", tmp_path / "r")
    printed = tmp_path / "r" / "a" / "default" / "a.pdf"
    assert f"PDF: {printed}" in done.output
    assert printed.read_bytes().startswith(b"%PDF")


def test_a_browser_that_does_not_print_is_told_in_a_line(tmp_path: Path, monkeypatch):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho out of memory >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("simkit.report.pdf._BROWSERS", (str(broken),))
    done = simkit(book(tmp_path / "a.ipynb", "seed"), "--pdf", "--out", tmp_path / "r")
    assert done.exit_code == 1
    assert done.output.splitlines()[-1].endswith("did not print it: out of memory")


DAY = """
window: {from: "2026-03-09", until: "2026-03-10"}
presets: [{name: dev, instances: 1}]
demand: {profiles: [{preset: dev, claims_per_week: 70, weekday: [0,0,0,0,0,0,0,0,5,5,3,2,1,1,1,1,1,1,0,0,0,0,0,0]}]}
"""


def test_a_page_of_sliders_is_written_for_a_scenario(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(grid, "_SHARES", (1.0,))
    monkeypatch.setattr(grid, "_BASES", 2)
    monkeypatch.setattr(grid, "_LEVELS", 2)
    (tmp_path / "day.yaml").write_text(DAY)
    done = simkit(tmp_path / "day.yaml", "--interactive", "-p", "replications=1", "--out", tmp_path / "r")
    assert done.exit_code == 0, done.output
    page = tmp_path / "r/explore/day_replications=1/explore.html"
    assert done.output == f"Page: {page}\n"
    assert "What to set for <em>dev</em>" in page.read_text()
    assert "one run&#x27;s, without an interval" in page.read_text()
