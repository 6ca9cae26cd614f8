"""The documentation is built from what is there, and the shell completes what it says."""

from __future__ import annotations

import ast
import doctest
import json
import os
import re
import shutil
import subprocess
import sys
from html import escape
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import simkit
from simkit.cli import main
from simkit.inputs.keys import ROWS
from simkit.inputs.scenario_keys import SCENARIO_KEYS
from simkit.report.keys import BATCH_KEYS
from simkit.store.connection import schema
from simkit.templates.check.keys import TEST_KEYS

ROOT = Path(__file__).parent.parent
REGIONS = "data/scenarios/three-regions.yaml"


@pytest.mark.slow
def test_the_documentation_is_built_without_a_warning_and_has_every_command_question_and_function(tmp_path: Path):
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(ROOT / "docs"),
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    commands = (tmp_path / "cli.html").read_text()
    for name in ("recommend", "report", "check", "import", "forecast"):
        assert f'id="simkit-{name}"' in commands, name
    questions = (tmp_path / "questions.html").read_text()
    assert all(f'id="{name.replace("_", "-")}"' in questions for name in simkit.questions())
    functions = (tmp_path / "python.html").read_text()
    assert all(f'id="simkit.{name}"' in functions for name in simkit.__all__ if name != "__version__")
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert all((tmp_path / f"{name}.html").is_file() for name in pages)


def test_the_page_of_keys_has_each_key_that_is_read_with_its_default_and_no_other():
    sections = generate().keys_page().split("\n### ")[1:]
    tables = [*SCENARIO_KEYS, *TEST_KEYS, *BATCH_KEYS, *ROWS]
    assert len(sections) == len(tables)
    for section, table in zip(sections, tables, strict=True):
        assert section.splitlines()[0].endswith(f": `{table.place or 'top level'}`")
        rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
        assert [row[0] for row in rows] == [f"`{name}`" for name in table], table.place
        for key, row in zip(table.keys, rows, strict=True):
            assert key.default in row[2], key
            assert row[2], f"{table.place}.{key.name} says what applies without it"


def test_every_column_of_every_file_has_a_sentence_and_none_is_of_a_column_that_is_gone():
    pages = generate()
    every = [*pages.tables(), *pages.sweep_tables(), *pages.report_tables()]
    assert len(every) > 50
    assert [f"{t.name}.{c.name}" for t in every for c in t.columns if not c.meaning.endswith((".", ")"))] == []
    assert [t.name for t in every if not t.columns or not t.meaning.endswith(".")] == []
    there = {c.name for t in every for c in t.columns} | {f"{t.name}.{c.name}" for t in every for c in t.columns}
    told = re.findall(r"^-- ([\w.]+): ", schema().partition("-- What columns hold")[2], re.MULTILINE)
    assert [name for name in told if name not in there] == []
    assert [name for name in told if told.count(name) > 1] == []


@pytest.mark.parametrize("name", [name for name in simkit.__all__ if name != "__version__"])
def test_what_is_public_has_an_example_that_gives_what_it_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for folder in ("data", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    of = getattr(simkit, name)
    (test,) = doctest.DocTestFinder(recurse=False).find(of, name, module=False, globs={"simkit": simkit})
    assert len(test.examples) >= 1
    said: list[str] = []
    failed, _ = doctest.DocTestRunner().run(test, out=said.append)
    assert failed == 0, "".join(said)


def test_each_command_that_ends_with_its_own_status_says_in_its_help_with_which():
    tree = [node for file in (ROOT / "simkit" / "cli").glob("*.py") for node in ast.walk(ast.parse(file.read_text()))]
    ending = {
        node.name.rstrip("_")
        for node in tree
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(b, ast.Call) and ast.unparse(b.func).endswith("ontext.exit") for b in ast.walk(node))
    } | {"report"}
    rows = {line.split("`")[1]: line for line in generate().status_page().splitlines() if line.startswith("| `")}
    assert set(rows) >= {f"simkit {name}" for name in main.commands if name != "import"}
    usual = {name for name, line in rows.items() if "| it could not be done |" in line}
    assert {f"simkit {name.replace('_', '-')}" for name in ending & {c.replace("-", "_") for c in main.commands}} <= (
        set(rows) - usual
    )
    assert len(rows) - len(usual) >= 7


def test_the_page_of_the_environment_has_every_variable_that_simkit_reads():
    text = "\n".join(file.read_text() for file in (ROOT / "simkit").rglob("*.py"))
    read = set(re.findall(r"""environ(?:\.get\(|\[)"(\w+)""", text)) | set(re.findall(r'envvar="(\w+)"', text))
    assert read - {"COMP_WORDS"} <= set(generate().ENVIRONMENT)


def test_the_page_of_schemas_has_each_field_of_both():
    page = generate().schemas_page()
    for file in ("report/result.schema.json", "decide/recommendation.schema.json"):
        fields = re.findall(r'^\s*"(\w+)": \{', (ROOT / "simkit" / file).read_text(), re.MULTILINE)
        structure = {
            "properties",
            "items",
            "additionalProperties",
            *json.loads((ROOT / "simkit" / file).read_text()).get("$defs", {}),
        }
        assert [name for name in fields if name not in structure and f"{name}`" not in page] == []


def test_the_gallery_has_a_card_for_each_notebook_with_its_question_and_links_what_is_rendered(tmp_path: Path):
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    (tmp_path / "data").symlink_to(ROOT / "data")
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("generate.py", "gallery.yaml"):
        shutil.copy(ROOT / "docs" / name, docs)
    pages = generate(docs)
    page = pages.gallery_page()
    for notebook in notebooks:
        title = json.loads(notebook.read_text())["cells"][0]["source"]
        assert escape("".join(title).splitlines()[0].removeprefix("# ")) in page
    assert page.count('class="card"') == page.count("Not rendered yet") == len(notebooks)
    rendered = docs / "_gallery/gallery/01-capacity/workweek/01-capacity.html"
    rendered.parent.mkdir(parents=True)
    rendered.write_text('<img src="data:image/svg+xml;base64,PHN2Zy8+">')
    page = pages.gallery_page()
    assert 'href="gallery/01-capacity/workweek/01-capacity.html"' in page
    assert page.count("Not rendered yet") == len(notebooks) - 1
    assert (rendered.parent / "thumbnail.svg").read_text() == "<svg/>"


def test_what_tab_offers_is_what_is_public():
    code = "import simkit; print(sorted(n for n in dir(simkit) if not n.startswith('_')) == simkit.__all__[1:])"
    for before in ("", "simkit.load; simkit.run; "):
        done = subprocess.run([sys.executable, "-c", f"import simkit; {before}{code}"], capture_output=True, text=True)
        assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_completes(shell: str):
    assert f"_SIMKIT_COMPLETE={shell}_source" in (ROOT / "docs" / "cli.md").read_text()
    done = completed(f"{shell}_source")
    assert f"_SIMKIT_COMPLETE={shell}_complete" in done


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("simkit rec", {"recommend"}),
        ("simkit ask runs.duckdb hit", {"hit_rate", "hit_rate_by_hour"}),
        (f"simkit recommend {REGIONS} --preset backend-", {"backend-us", "backend-eu", "backend-ap"}),
        ("simkit worth absent.yaml --preset x", set()),
        ("simkit report --a", {"--all"}),
        ("simkit im", {"import"}),
    ],
)
def test_commands_and_options_are_completed(typed: str, offered: set[str]):
    words = typed.split()
    found = completed("bash_complete", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1))
    assert {line.partition(",")[2] for line in found.split()} == offered


def test_the_documentation_has_each_of_its_colours_for_light_and_for_dark():
    look = (ROOT / "docs" / "_static" / "simkit.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", look, re.DOTALL)
    named = set(re.findall(r"var\((--\w+)\)", look + (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")))
    assert named == set(re.findall(r"(--\w+):", light)) == set(re.findall(r"(--\w+):", dark))


def generate(folder: Path = ROOT / "docs") -> Any:
    """What makes the pages of the reference: it stands beside them, outside of the package."""
    spec = spec_from_file_location("generate", folder / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def completed(what: str, **more: str) -> str:
    command = [sys.executable, "-c", "from simkit.cli import main; main(prog_name='simkit')"]
    done = subprocess.run(
        command, env={**os.environ, "_SIMKIT_COMPLETE": what, **more}, capture_output=True, text=True, cwd=ROOT
    )
    return done.stdout
