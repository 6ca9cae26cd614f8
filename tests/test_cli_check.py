"""`simkit check` as a person or a pipeline types it: what it prints, and with which status it ends."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from benchmarks import many_presets
from simkit.cli import main
from simkit.templates.check import FORMATS

TEMPLATE = """\
data "coder_workspace_preset" "large" {
  name = "large"
  prebuilds {
    instances = 1
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 8-18 * * 1-5"
        instances = 5
      }
    }
  }
}
"""
TESTS = """\
template: main.tf
tests:
  - name: day
    expect: [{desired: 5, every: "weekday 08:00-18:00", over: 2026}]
  - name: night
    expect: [{desired: 1, every: "weekday 18:00-08:00", over: 2026}]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("main.tf").write_text(TEMPLATE)
    Path("large.simkit.yaml").write_text(TESTS)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments])


def test_the_current_folder_is_checked_if_no_path_is_given():
    done = invoke()
    assert done.exit_code == 1
    assert "large.simkit.yaml:6: night: expected 1 desired instance" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 preset, 2 tests: 1 failed; 2 notes"
    assert done.stdout == invoke(".").stdout == invoke("main.tf").stdout


def test_one_test_is_run_alone_as_the_failure_says():
    said = invoke("large.simkit.yaml", "-k", "night")
    assert said.exit_code == 1
    assert "simkit check large.simkit.yaml -k night" in said.stdout
    assert invoke("large.simkit.yaml", "-k", "day").exit_code == 0


def test_a_pull_request_that_corrects_the_cron_passes():
    Path("main.tf").write_text(TEMPLATE.replace("8-18", "8-17"))
    done = invoke("--strict")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "1 preset, 2 tests, all passed; 2 notes"


def test_the_command_offers_every_form_there_is():
    (option,) = [parameter for parameter in main.commands["check"].params if parameter.name == "form"]
    assert set(option.type.choices) == set(FORMATS)


def test_every_form_ends_with_the_same_status():
    assert {invoke("--format", form).exit_code for form in ("text", "json", "junit", "github")} == {1}
    assert json.loads(invoke("--format", "json").stdout)["status"] == 1
    assert ElementTree.fromstring(invoke("--format", "junit").stdout).get("failures") == "1"
    assert invoke("--format", "github").stdout.startswith("::")


@pytest.mark.parametrize("form", ["text", "json", "junit", "github"])
def test_an_unusable_input_ends_with_status_2_and_still_in_its_form(form):
    Path("large.simkit.yaml").write_text("template: main.tf\ntests: [{name: a, expct: []}]\n")
    done = invoke("--format", form)
    assert done.exit_code == 2
    assert "unknown key; write" in done.stdout
    assert "Traceback" not in done.output
    if form == "json":
        assert json.loads(done.stdout)["status"] == 2
    if form == "junit":
        assert ElementTree.fromstring(done.stdout).get("errors") == "2"


def test_a_path_that_is_not_there_ends_with_status_2():
    done = invoke("nowhere")
    assert (done.exit_code, done.stdout) == (
        2,
        "nowhere: there is no such file or folder\n\nno presets, no test was run; 1 error\n",
    )


def test_a_variable_of_the_template_is_given():
    Path("main.tf").write_text('variable "n" {}\n' + TEMPLATE.replace("instances = 5", "instances = var.n"))
    assert invoke("-k", "day").exit_code == 2
    assert invoke("-k", "day", "--var", "n=5").exit_code == 0
    assert invoke("-k", "day", "--var", "n=6").exit_code == 1


@pytest.mark.slow
def test_500_presets_with_4_schedules_are_checked_over_a_year(folder):
    done = invoke(*many_presets.write(folder))
    assert done.stdout.splitlines()[-1].startswith("500 presets, 500 tests, all passed")


@pytest.fixture
def snapshot(folder: Path) -> Path:
    """Of a template whose tests all pass, two instances being in place of the one of which it tells."""
    Path("large.simkit.yaml").write_text(TESTS.replace("desired: 1", "desired: 2"))
    Path("main.tf").write_text(TEMPLATE.replace("* 8-18", "* 8-17"))
    assert CliRunner().invoke(main, ["snapshot", ".", "--at", "2026-03-04T00:00:00Z", "--weeks", "2"]).exit_code == 0
    Path("main.tf").write_text(TEMPLATE.replace("* 8-18", "* 8-17").replace("instances = 1\n", "instances = 2\n"))
    return Path("main.simkit.snapshot")


def test_a_snapshot_that_differs_fails_and_shows_only_what_differs(snapshot):
    done = invoke()
    assert done.exit_code == 1
    assert f'{snapshot}:7: preset "large" is not as main.tf has it\n    - Mon' in done.stdout
    assert "    + Mon 2026-03-02 18:00 -05:00  2  base" in done.stdout
    assert '5  "* 8-17' not in done.stdout
    assert done.stdout.splitlines()[-1] == "1 preset, 2 tests, all passed; 1 note, 1 snapshot differs"


def test_every_form_tells_of_a_snapshot_that_differs(snapshot):
    said = 'preset "large" is not as main.tf has it'
    (differing,) = json.loads(invoke("--format", "json").stdout)["snapshots"]
    assert (differing["path"], differing["text"].splitlines()[0]) == (str(snapshot), said)
    assert f"::error file={snapshot},line=7,title=simkit%3A snapshot::{said}" in invoke("--format", "github").stdout
    suites = ElementTree.fromstring(invoke("--format", "junit").stdout.split("\n", 1)[1])
    assert suites.get("failures") == "1"
    assert [failure.get("message") for failure in suites.iter("failure")] == [said]


@pytest.mark.parametrize("name", ["main.tf", "large"])
def test_an_update_writes_the_snapshot_of_a_path_or_a_preset_again(snapshot, name):
    before = snapshot.read_text()
    done = invoke("--update", name)
    assert (done.exit_code, done.stderr) == (0, f"Wrote {snapshot}\n")
    assert snapshot.read_text().replace("  2  base", "  1  base") == before
    assert invoke().exit_code == 0


def test_an_update_of_a_name_that_no_snapshot_has_says_which_there_are(snapshot):
    before = snapshot.read_text()
    done = invoke("--update", "lagre")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--update lagre: no snapshot has this in its path, and none is of a preset of this name" in done.stderr
    assert "main.tf" in done.stderr
    assert snapshot.read_text() == before
    snapshot.unlink()
    assert "there is no snapshot to update; write some with: simkit snapshot" in invoke("--update", "main").stderr


def test_a_broken_snapshot_cannot_be_used(snapshot):
    snapshot.write_text("nothing")
    done = invoke()
    assert (done.exit_code, f'{snapshot}: has no line "from"' in done.stdout) == (2, True)
