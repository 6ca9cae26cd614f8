"""The examples do what they say: each command that needs neither GitHub nor the network runs here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLES = Path(__file__).parent.parent / "examples"
TEMPLATE = EXAMPLES / "template"
WORKFLOW = EXAMPLES / "github-actions" / "simkit.yml"
HOOKS = EXAMPLES / "pre-commit" / ".pre-commit-hooks.yaml"
CONFIG = EXAMPLES / "pre-commit" / ".pre-commit-config.yaml"

NEEDS_THE_NETWORK = ["Install simkit"]
GH = """\
#!/bin/sh
# Stands in for GitHub's command: keeps what it was asked to do and the comment.
echo "$@" > "$(dirname "$0")/gh-arguments"
for last; do :; done
cp "$last" "$(dirname "$0")/gh-comment"
"""


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps() -> list[dict[str, Any]]:
    (job,) = read(WORKFLOW)["jobs"].values()
    return [step for step in job["steps"] if "run" in step]


def environment(tools: Path, **more: str) -> dict[str, str]:
    """With this Python's commands, then those in `tools`, first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), str(tools), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTEST_ADDOPTS": "-p no:cacheprovider", **more}


def run(command: str, folder: Path, tools: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """As GitHub runs a step: bash, which ends at the first command that fails."""
    return subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=folder,
        env=environment(tools, **more),
        capture_output=True,
        text=True,
    )


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o755)
    return folder


@pytest.fixture
def checkout(tmp_path: Path, tools: Path) -> Path:
    """A pull request as the workflow checks it out: the second of two commits, which begins the working day earlier and
    says so in the snapshot."""
    folder = tmp_path / "checkout"
    shutil.copytree(TEMPLATE, folder / "templates", ignore=shutil.ignore_patterns("__pycache__"))
    git = "git -c user.name=Ada -c user.email=ada@example.com -c commit.gpgsign=false"
    commit = f"git add . && {git} commit --quiet -m"
    assert run(f"git init --quiet . && {commit} before", folder, tools).returncode == 0
    main = folder / "templates" / "main.tf"
    main.write_text(main.read_text().replace("* 7-17 * * 1-5", "* 6-17 * * 1-5"))
    assert run("simkit snapshot --update templates", folder, tools).returncode == 0
    assert run(f"{commit} after", folder, tools).returncode == 0
    return folder


def test_the_template_passes_its_tests_in_yaml_and_in_python(tools: Path):
    done = run("pytest --simkit --quiet -W error", TEMPLATE, tools)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_every_step_of_the_workflow_runs_in_order_and_the_diff_becomes_the_comment(checkout: Path, tools: Path):
    summary = tools / "summary"
    given = {
        "GITHUB_STEP_SUMMARY": str(summary),
        "PULL_REQUEST": "7",
        **{name: str(value) for name, value in read(WORKFLOW)["env"].items()},
    }
    skipped = []
    for step in steps():
        assert "${{" not in step["run"], "what GitHub fills in comes through the environment, where it is only text"
        if step["name"] in NEEDS_THE_NETWORK:
            skipped.append(step["name"])
            continue
        done = run(step["run"], checkout, tools, **given)
        assert done.returncode == 0, f"{step['name']}: {done.stdout}{done.stderr}"
    assert skipped == NEEDS_THE_NETWORK
    assert (tools / "gh-arguments").read_text().split()[:3] == ["pr", "comment", "7"]
    comment = (tools / "gh-comment").read_text()
    assert comment == summary.read_text()
    assert "| `goland` | changed |" in comment
    assert "every Mon-Fri 06:00-07:00: 1 -> 6" in comment


def test_the_workflow_marks_the_lines_of_a_snapshot_that_was_forgotten(checkout: Path, tools: Path):
    assert run("git checkout --quiet HEAD^1 -- templates/main.simkit.snapshot", checkout, tools).returncode == 0
    (check,) = (step["run"] for step in steps() if step["name"] == "Check the templates and run their tests")
    done = run(check, checkout, tools, TEMPLATES="templates")
    assert done.returncode == 1
    assert "::error file=templates/main.simkit.snapshot,line=8," in done.stdout
    assert "+ Mon 2026-03-02 06:00 +01:00" in done.stdout


def test_the_workflow_fails_where_a_template_cannot_be_read(checkout: Path, tools: Path):
    main = checkout / "templates" / "main.tf"
    main.write_text(main.read_text() + "}\n")
    given = {"GITHUB_STEP_SUMMARY": str(tools / "summary"), "TEMPLATES": "templates"}
    failed = {
        step["name"]
        for step in steps()
        if step["name"] not in NEEDS_THE_NETWORK
        and run(step["run"], checkout, tools, **given, PULL_REQUEST="7").returncode
    }
    assert failed == {"Check the templates and run their tests", "Say what changes"}


def test_the_workflow_takes_a_folder_of_templates_that_is_new(checkout: Path, tools: Path):
    given = {"GITHUB_STEP_SUMMARY": str(tools / "summary"), "TEMPLATES": "new"}
    assert run("git mv templates new", checkout, tools).returncode == 0
    (command,) = (step["run"] for step in steps() if step["name"] == "Say what changes")
    done = run(command, checkout, tools, **given)
    assert done.returncode == 0, done.stderr
    assert "Presets: 1 added" in (checkout / "simkit-diff.md").read_text()


def test_the_workflow_has_no_more_rights_than_it_needs_and_names_each_action_with_a_version():
    workflow = read(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    (job,) = workflow["jobs"].values()
    actions = [step["uses"] for step in job["steps"] if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in actions)


def test_every_hook_passes_on_the_template(tools: Path):
    offered = read(HOOKS)
    assert [hook["id"] for hook in offered] == ["simkit-check"]
    for hook in offered:
        assert hook["pass_filenames"] is False
        assert re.search(hook["files"], "templates/main.tf")
        assert not re.search(hook["files"], "README.md")
        done = run(" ".join([hook["entry"], *hook["args"]]), TEMPLATE, tools)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_hook_shows_what_is_no_longer_as_the_snapshot_says(checkout: Path, tools: Path):
    forgotten = checkout / "templates" / "main.tf"
    forgotten.write_text(forgotten.read_text().replace("* 6-17 * * 1-5", "* 5-17 * * 1-5"))
    (command,) = (" ".join([h["entry"], *h["args"]]) for h in read(HOOKS))
    done = run(command, checkout, tools)
    assert (done.returncode, '+ Mon 2026-03-02 05:00 +01:00  6  "* 5-17 * * 1-5"' in done.stdout) == (1, True)


def test_both_files_of_hooks_are_the_same_but_for_who_installs_simkit():
    keys = ("id", "name", "entry", "args", "files", "pass_filenames")
    offered, used = read(HOOKS), read(CONFIG)["repos"][0]["hooks"]
    assert [[hook[key] for key in keys] for hook in offered] == [[hook[key] for key in keys] for hook in used]


def test_no_example_names_an_address():
    files = [path for path in EXAMPLES.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert [path.name for path in files if "://" in path.read_text(encoding="utf-8")] == []
