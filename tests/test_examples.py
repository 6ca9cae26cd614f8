"""The examples do what they say: each command that needs neither GitHub nor the network runs here."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from croniter import croniter

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


@pytest.mark.slow
def test_the_workflow_marks_the_lines_of_a_snapshot_that_was_forgotten(checkout: Path, tools: Path):
    assert run("git checkout --quiet HEAD^1 -- templates/main.simkit.snapshot", checkout, tools).returncode == 0
    (check,) = (step["run"] for step in steps() if step["name"] == "Check the templates and run their tests")
    done = run(check, checkout, tools, TEMPLATES="templates")
    assert done.returncode == 1
    assert "::error file=templates/main.simkit.snapshot,line=8," in done.stdout
    assert "+ Mon 2026-03-02 06:00 +01:00" in done.stdout


@pytest.mark.slow
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


def test_every_hook_passes_on_the_template(checkout: Path, tools: Path):
    offered = read(HOOKS)
    assert [hook["id"] for hook in offered] == ["simkit-check", "simkit-diff"]
    shutil.copy(TEMPLATE / "morning.csv", checkout / "claims.csv")
    for hook in offered:
        assert hook["pass_filenames"] is False
        assert re.search(hook["files"], "templates/main.tf")
        assert not re.search(hook["files"], "README.md")
        done = run(" ".join([hook["entry"], *hook["args"]]), checkout, tools)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_hook_with_demand_says_what_people_notice_and_lets_the_commit_pass(checkout: Path, tools: Path):
    hook = next(hook for hook in read(HOOKS) if hook["id"] == "simkit-diff")
    assert hook["verbose"], "pre-commit shows what a hook says only if it failed, otherwise"
    command = " ".join([hook["entry"], *hook["args"]])
    missing = run(command, checkout, tools)
    assert (missing.returncode, "claims.csv" in missing.stderr) == (2, True), "the history is not there"
    shutil.copy(TEMPLATE / "morning.csv", checkout / "claims.csv")
    assert "Desired instances stay as they are" in run(command, checkout, tools).stdout
    main = checkout / "templates" / "main.tf"
    main.write_text(main.read_text().replace("* 6-17 * * 1-5", "* 9-17 * * 1-5"))
    done = run(command, checkout, tools)
    assert done.returncode == 0, done.stderr
    assert "hit rate" in done.stdout
    assert run(command.replace(" --exit-zero", ""), checkout, tools).returncode == 1


@pytest.mark.slow
def test_a_hook_shows_what_is_no_longer_as_the_snapshot_says(checkout: Path, tools: Path):
    forgotten = checkout / "templates" / "main.tf"
    forgotten.write_text(forgotten.read_text().replace("* 6-17 * * 1-5", "* 5-17 * * 1-5"))
    (command,) = (" ".join([h["entry"], *h["args"]]) for h in read(HOOKS) if h["id"] == "simkit-check")
    done = run(command, checkout, tools)
    assert (done.returncode, '+ Mon 2026-03-02 05:00 +01:00  6  "* 5-17 * * 1-5"' in done.stdout) == (1, True)


def test_both_files_of_hooks_are_the_same_but_for_who_installs_simkit():
    keys = ("id", "name", "entry", "args", "files", "pass_filenames")
    offered, used = read(HOOKS), read(CONFIG)["repos"][0]["hooks"]
    assert [[hook[key] for key in keys] for hook in offered] == [[hook[key] for key in keys] for hook in used]


def test_no_example_names_an_address():
    files = [path for path in EXAMPLES.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert [path.name for path in files if "://" in path.read_text(encoding="utf-8")] == []


NIGHTLY = EXAMPLES / "nightly"


def test_the_nightly_reports_are_a_batch_of_notebooks_and_scenarios_that_are_there():
    from simkit.report.batch import read_batch

    batch = read_batch(NIGHTLY / "reports.yaml")
    assert [(asked.notebook.stem, asked.name) for asked in batch.reports] == [
        ("01-capacity", "morning"),
        ("01-capacity", "workweek"),
        ("03-cron-ranges", "default"),
    ]
    assert all(Path(asked.scenario).is_file() for asked in batch.reports if asked.scenario)
    assert [len(asked.thresholds) for asked in batch.reports] == [2, 2, 0]


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("simkit-reports.service", {("Service", "Type"), ("Service", "ExecStart")}),
        ("simkit-reports.timer", {("Timer", "OnCalendar"), ("Install", "WantedBy")}),
    ],
)
def test_the_systemd_units_are_units(name: str, needed: set[tuple[str, str]]):
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(NIGHTLY / name)
    assert needed <= {(section, key) for section in unit.sections() for key in unit[section]}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_units(tmp_path: Path):
    for name in ("simkit-reports.service", "simkit-reports.timer"):
        text = (NIGHTLY / name).read_text().replace("/srv/simkit/.venv/bin/simkit", sys.executable)
        (tmp_path / name).write_text(text.replace("/srv/capacity", str(tmp_path)).replace("User=planner\n", ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_cron_takes_the_line():
    (line,) = [text for text in (NIGHTLY / "crontab").read_text().splitlines() if not text.startswith("#")]
    *when, command = line.split(None, 5)
    assert croniter.is_valid(" ".join(when))
    assert "simkit report --all reports.yaml" in command


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_the_nightly_pipelines_are_yaml_and_run_the_batch_as_the_command_line_has_it(name: str):
    text = (NIGHTLY / name).read_text()
    assert isinstance(yaml.safe_load(text), dict)
    assert "simkit report --all reports.yaml" in text


def test_the_workflow_for_the_night_has_the_keys_of_one():
    workflow = read(NIGHTLY / "github-actions.yml")
    (job,) = workflow["jobs"].values()
    assert croniter.is_valid(workflow[True]["schedule"][0]["cron"])  # YAML 1.1 reads `on` as true
    assert all(set(step) & {"uses", "run"} for step in job["steps"])
    assert job["runs-on"]


def test_the_gitlab_job_checks_and_compares_what_a_merge_request_changes(tmp_path: Path, tools: Path):
    (job,) = read(EXAMPLES / "gitlab" / "gitlab-ci.yml").values()
    shutil.copytree(TEMPLATE, tmp_path / "repository" / "templates")
    repository = tmp_path / "repository"
    git = "git -c user.name=a -c user.email=a@b -c commit.gpgsign=false"
    run(f"git init -q . && git add . && {git} commit -qm before", repository, tools)
    main = repository / "templates" / "main.tf"
    main.write_text(main.read_text().replace("7-17", "8-17"))
    before = run("git rev-parse HEAD", repository, tools).stdout.strip()
    # As GitLab runs a script: a shell, which ends at the first line that fails.
    done = run(
        "\n".join(job["script"]), repository, tools, TEMPLATES="templates", CI_MERGE_REQUEST_DIFF_BASE_SHA=before
    )
    assert (repository / "simkit-junit.xml").read_text().startswith("<?xml")
    told = (repository / "simkit-diff.md").read_text()
    assert told
    assert told in done.stdout
    assert job["artifacts"]["reports"] == {"junit": "simkit-junit.xml"}
