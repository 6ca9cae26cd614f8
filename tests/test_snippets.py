"""Every command and snippet of the README and of docs/ is run here, in a folder with the sample data.

A page's blocks run from its top to its end, in one folder:

- `sh`, or no language: commands, each of which ends with status 0.
- `console`: `$ command`, and below it what it prints on a terminal of 120 columns. A line `...` stands for any lines,
  and `...` inside of one for any text; a command with nothing below it may print what it likes. `$ echo $?` asks for
  another status.
- `python`: run, with what the page's earlier blocks have named.
- a block that begins with a line `# NAME.yaml`, or another name of a file, is that file from there on, for the commands
  below it. `# in NAME.yaml` is laid over the keys of that scenario, and the result is read.
- `json`: objects, one a line, that can be read.
- `text`, `promql`, `{...}`: nothing is run.

`python tests/test_snippets.py docs/why.md` writes what comes where a line `?` stands below a command.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
import yaml
from click.testing import CliRunner
from git_history import Commit, repository
from pages import PAGES, TOP

import simkit
from simkit.cli import main
from simkit.errors import Findings
from simkit.report.batch import read_batch
from simkit.templates.check.file import read_test_file

COLUMNS = 120

NOT_RUN = {
    ". .venv/bin/activate": "is of the shell that it is typed into",
    "make ": "sets up, tests or measures everything; `.ci/run` does it",
    ".ci/run": "is what runs this test",
    "SIMKIT_CONFORMANCE=": "needs other cases than those that are here",
    "pip install": "needs the package registry",
    "simkit import postgres": "needs a PostgreSQL server; tests/test_deployment.py has one",
    "simkit import csv": "needs a deployment's tables as files; tests/test_deployment.py makes them",
    "simkit import api": "needs a server; tests/test_deployment_api.py stands in for one",
    "BEGIN ISOLATION": "is psql's; tests/test_deployment.py has a server",
    "\\copy": "is psql's; tests/test_deployment.py has a server",
    "COMMIT;": "is psql's; tests/test_deployment.py has a server",
    "terraform ": "is another program; tests/samples/plan.json is what it wrote",
    "prometheus ": "is a server; tests/test_prometheus.py starts it",
    "promtool ": "comes with Prometheus; tests/test_prometheus.py runs it",
    "simkit report": "takes long; tests/test_notebooks.py and tests/test_report_batch.py make them",
    "pytest --simkit": "is run by tests/test_examples.py",
    "eval ": "is a shell's completion; tests/test_docs.py asks for each",
    "_SIMKIT_COMPLETE=": "is a shell's completion; tests/test_docs.py asks for each",
    "from dask.distributed": "needs a cluster; tests/test_decide_work.py makes one",
}
"""{how a command or a block begins: why it is not run here}. tests/test_documents.py parses the options of simkit's."""


ADA = ("Ada", "ada@example.com")
BACKEND = [Commit("2026-03-02 09:00 -0500"), Commit("2026-03-02 10:30 -0500"), Commit("2026-03-02 15:00 +0100", *ADA)]
FRONTEND = [
    Commit("2026-03-02 12:00 -0500"),
    Commit("2026-03-02 16:00 +0100", *ADA),
    Commit("2026-03-02 16:59 -0500"),
    Commit("2026-03-02 17:30 -0500"),
    Commit("2026-03-03 09:30 -0500"),
    Commit("2026-03-03 10:00 -0500", "renovate[bot]", "bot@example.com"),
    Commit("2026-03-03 10:10 -0500", merged=1),
]


class Block(NamedTuple):
    """`first` is the number of the line below the fence, from 1."""

    language: str
    first: int
    lines: list[str]


class Step(NamedTuple):
    """A command, and the lines that it prints; None if the page does not say."""

    command: str
    line: int
    printed: list[str] | None


def blocks(text: str) -> list[Block]:
    found: list[Block] = []
    inside: Block | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if inside is None and line.startswith("```"):
            inside = Block(line[3:].strip(), number + 1, [])
        elif inside is not None and line == "```":
            found.append(inside)
            inside = None
        elif inside is not None:
            inside.lines.append(line)
    assert inside is None, f"the block that begins at line {inside and inside.first} has no end"
    return found


def steps(block: Block) -> list[Step]:
    if block.language != "console":
        if any("<<" in line for line in block.lines):
            return [Step("\n".join(block.lines), block.first, None)]
        lines = enumerate(block.lines, block.first)
        return [Step(line, number, None) for number, line in lines if line.strip() and not line.startswith("#")]
    found: list[Step] = []
    for number, line in enumerate(block.lines, block.first):
        if line.startswith("$ "):
            found.append(Step(line[2:], number, None))
        else:
            last = found.pop()
            found.append(last._replace(printed=[*(last.printed or []), line]))
    return found


def agrees(printed: list[str], came: str) -> bool:
    lines = [line.rstrip() for line in came.rstrip("\n").split("\n")]
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line.rstrip()).replace(r"\.\.\.", ".*?") + r"\n"
        for line in printed
    )
    return re.fullmatch(pattern, "\n".join(lines) + "\n") is not None


def why_not(text: str) -> str | None:
    return next((reason for start, reason in NOT_RUN.items() if text.startswith(start)), None)


def run(command: str, folder: Path) -> tuple[str, int]:
    """What it prints, and its status. simkit's own commands share this process, which has its kernel compiled."""
    if command.startswith("simkit ") and "\n" not in command:
        done = CliRunner().invoke(main, shlex.split(command, comments=True)[1:], prog_name="simkit")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output, done.exit_code
    shell = subprocess.run(["bash", "-e", "-c", command], cwd=folder, capture_output=True, text=True)
    return shell.stdout + shell.stderr, shell.returncode


def written(block: Block, folder: Path) -> bool:
    """Whether the block is a file, which now is there and is read as what it is."""
    named = re.fullmatch(r"# (in )?([\w./-]+\.\w+)", block.lines[0]) if block.lines else None
    if named is None:
        return False
    file, text = folder / named[2], "\n".join(block.lines) + "\n"
    if named[1]:
        given = yaml.safe_load(file.read_text(encoding="utf-8")) | yaml.safe_load(text)
        file = file.with_name("laid-over.yaml")
        text = yaml.safe_dump(given)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    if block.language == "yaml":
        content = yaml.safe_load(text)
        if "reports" in content:
            read_batch(file)
        elif "tests" in content:
            findings = Findings()
            read_test_file(file, findings)
            findings.raise_errors()
        else:
            simkit.load(file)
    return True


@contextlib.contextmanager
def at_a_terminal(folder: Path) -> Iterator[None]:
    with contextlib.chdir(folder), mock.patch("simkit.cli.door._PIPED_WIDTH", COLUMNS):
        yield


def walk(text: str, folder: Path) -> Iterator[tuple[Step, str]]:
    """Does what a page says, and gives each command with what it printed. Raises AssertionError for one that failed."""
    namespace: dict[str, Any] = {}
    for block in blocks(text):
        if block.language in ("text", "promql") or block.language.startswith("{") or written(block, folder):
            continue
        if block.language == "json":
            assert all(isinstance(json.loads(line), dict) for line in block.lines)
            continue
        if block.language == "python":
            if why_not("\n".join(block.lines)) is None:
                exec(compile("\n" * (block.first - 1) + "\n".join(block.lines), "page", "exec"), namespace)
            continue
        assert block.language in ("", "sh", "console"), f"line {block.first}: a block of {block.language!r}"
        todo = steps(block)
        for step, after in zip(todo, [*todo[1:], None], strict=True):
            if step.command == "echo $?" or why_not(step.command) is not None:
                continue
            came, status = run(step.command, folder)
            asked = after is not None and after.command == "echo $?"
            expected = int((after.printed or ["0"])[0]) if asked and after is not None else 0
            assert status == expected, f"line {step.line}: {step.command}: status {status}\n{came}"
            yield step, came


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("snippets") / "sample")


def prepared(folder: Path) -> Path:
    """The top of a checkout, as far as pages name it; a repository of templates, whose working day begins an hour
    earlier than it did on `main`; and two of people who have no Coder yet."""
    for name in ("data", "examples", "notebooks"):
        shutil.copytree(TOP / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    templates = folder / "templates"
    templates.mkdir()
    for name in ("main.tf", "main.simkit.yaml", "morning.csv"):
        shutil.copy(TOP / "examples" / "template" / name, templates)
    git = "git -c user.name=Ada -c user.email=ada@example.com -c commit.gpgsign=false"
    run(f"git init --quiet -b main . && git add templates && {git} commit --quiet -m templates", folder)
    repository(folder / "backend", BACKEND)
    repository(folder / "frontend", FRONTEND)
    shutil.copy(TOP / "tests" / "samples" / "plan.json", folder)
    template = templates / "main.tf"
    template.write_text(template.read_text().replace("* 7-17 * * 1-5", "* 6-17 * * 1-5"))
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_every_command_and_snippet_of_a_page_does_what_the_page_says(name: str, sample: Path, tmp_path: Path):
    folder = tmp_path / "page"
    shutil.copytree(sample, folder)
    with at_a_terminal(folder):
        for step, came in walk(PAGES[name], folder):
            if step.printed is not None:
                assert agrees(step.printed, came), f"{name}:{step.line}: {step.command}\nprints\n{came}"


def test_what_is_not_run_is_there_and_each_reason_is_needed():
    begun = [step.command for name in PAGES for block in blocks(PAGES[name]) for step in steps(block)]
    begun += ["\n".join(block.lines) for name in PAGES for block in blocks(PAGES[name])]
    assert [start for start in NOT_RUN if not any(text.startswith(start) for text in begun)] == []


@pytest.mark.parametrize(
    ("printed", "came", "same"),
    [
        (["a", "b"], "a\nb\n", True),
        (["a  ", ""], "a\n\n", False),
        (["a", "...", "d"], "a\nb\nc\nd\n", True),
        (["a", "...", "d"], "a\nd\n", True),
        (["a", "..."], "b\nc\n", False),
        (["run-...-7 took ... s"], "run-e5.1-7 took 0.3 s\n", True),
        (["run-...-7"], "run-7\n", False),
        (["94.1%"], "94x1%\n", False),
    ],
)
def test_what_is_printed_is_compared_line_by_line_but_for_what_is_left_out(printed: list[str], came: str, same: bool):
    assert agrees(printed, came) is same


def fill(name: str, folder: Path) -> None:
    """Write what comes into a page, where a line `?` stands below a command."""
    lines = PAGES[name].splitlines()
    found: list[tuple[int, list[str]]] = []
    with at_a_terminal(prepared(folder)):
        for step, came in walk("\n".join(lines), folder):
            if step.printed == ["?"]:
                found.append((step.line, [line.rstrip() for line in came.rstrip("\n").split("\n")]))
            elif step.printed is not None and not agrees(step.printed, came):
                print(f"{name}:{step.line}: {step.command}\nprints\n{came}")
    for line, came_lines in reversed(found):
        lines[line : line + 1] = came_lines
    (TOP / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    import tempfile

    for given in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as scratch:
            fill(given, Path(scratch) / "sample")
