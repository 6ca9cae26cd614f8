"""Which version of Coder somebody names: read the same wherever it is named, and the nearest one counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import simkit
from simkit.cli import main
from simkit.coder_versions import BEHAVIOURS, DEFAULT_BEHAVIOUR, minor_version
from simkit.errors import Findings, InputError
from simkit.inputs import load
from simkit.inputs.coder import named_version
from simkit.templates.check import check
from simkit.templates.diff import Trial, diff


@given(st.text() | st.text("v2.35x-+ ", max_size=8))
def test_whatever_is_accepted_has_a_major_and_a_minor(text: str):
    findings = Findings()
    behaviour = named_version(text, findings)
    if not findings.errors:
        major, minor = minor_version(text).removeprefix("v").split(".")
        assert text.strip().lstrip("vV").startswith(f"{major}.{minor}")
        assert behaviour in BEHAVIOURS.values()


@pytest.mark.parametrize(
    "text",
    [
        "v2.x",
        "v2",
        "2",
        "",
        "latest",
        "v2.35.x",
        "v2..35",
        "v2.35.",
        "vv2.35",
        "v-2.35",
        "v2.035",
        "2.35.1.1",
        "٢.٣٥",
        "v2,35",
    ],
)
def test_nothing_else_is_a_version(text: str):
    findings = Findings()
    assert named_version(text, findings) is DEFAULT_BEHAVIOUR
    assert [str(f) for f in findings] == [f'coder: "{text}" is not a version of Coder; write one such as v2.35']


def test_a_note_is_told_once_however_many_places_give_rise_to_it():
    findings = Findings()
    for text in ("v2.27.1", "v2.27", "2.27.0", "v2.31"):
        named_version(text, findings)
    assert [f.text[:11] for f in findings] == ["Coder v2.27", "Coder v2.31"]


# Wherever templates are read.

TEMPLATE = """\
data "coder_workspace_preset" "large" {
  name = "large"
  prebuilds {
    instances = 0
    scheduling {
      timezone = "UTC"
      schedule {
        cron      = "* 9-17 * * *"
        instances = 5
      }
    }
  }
}
"""
AT = "2026-03-02T00:00:00Z"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("main.tf").write_text(TEMPLATE)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def scenario(version: str = "") -> str:
    Path("week.yaml").write_text(
        'window: {from: "2026-03-02", until: "2026-03-04"}\ntemplate: main.tf\n'
        + (f"coder: {{version: {version}}}\n" if version else "")
        + "demand: {profiles: [{preset: large, claims_per_week: 50, weekday: ["
        + ", ".join(["1"] * 24)
        + "]}]}\n"
    )
    return "week.yaml"


def write_tests(coder: str) -> None:
    """Passes with early ranges, and with no release."""
    Path("a.simkit.yaml").write_text(
        f"template: main.tf\n{coder}tests:\n"
        '  - {name: early, expect: [{desired: 5, from: "2026-03-02 08:59", until: "2026-03-02 09:00"}]}\n'
    )


def test_a_test_file_comes_before_the_command_line_and_that_before_the_newest(folder: Path):
    write_tests("")
    assert [check(["."], coder=coder).status for coder in (None, "2.24.1+early-ranges", "early-ranges", "v2.26")] == [
        *(1, 0, 0, 1)
    ]
    write_tests("coder: v2.24.2+early-ranges\n")
    assert [check(["."], coder=coder).status for coder in (None, "v2.35")] == [0, 0]


def test_the_command_to_run_a_test_alone_names_the_version_that_was_given(folder: Path):
    write_tests("")
    for coder, end in ((None, "-k early"), ("v2.26.1", "-k early --coder v2.26")):
        (failure,) = check(["."], coder=coder).outcomes[0].failures
        assert failure.text.splitlines()[-1].endswith(end)


def test_check_notes_a_version_without_rules_once_for_all_files(folder: Path):
    write_tests("coder: v2.25\n")
    Path("b.simkit.yaml").write_text(Path("a.simkit.yaml").read_text())
    notes = [f for f in check(["."], coder="v2.25.3").findings if f.name == "coder_version"]
    assert len(notes) == 1
    assert invoke("check", "--coder", "v2.23").exit_code == 2
    assert 'coder: "v2.23" is older than any modelled version' in invoke("check", "--coder", "v2.23").output


def test_the_linter_looks_as_the_scenarios_version_does_or_as_another(folder: Path):
    early = load(scenario("v2.26+early-ranges"))
    assert any("at 08:59" in finding.text for finding in simkit.lint(early))
    assert any("at 09:00" in finding.text for finding in simkit.lint(early, coder="v2.26"))
    with pytest.raises(InputError, match="is not a version of Coder"):
        simkit.lint(early, coder="v2.x")


def test_a_scenario_without_a_version_takes_that_of_the_call_and_notes_are_told_when_it_runs(folder: Path):
    assert load(scenario(), coder="v2.24.1").behaviour is BEHAVIOURS["v2.24"]
    assert load(scenario("v2.26.9"), coder="v2.24").behaviour is BEHAVIOURS["v2.26"]
    loaded = load(scenario("2.31"))
    assert (loaded.behaviour.version, [str(note) for note in loaded.notes]) == (
        "v2.30",
        ["week.yaml:3: note: Coder v2.31 is not modelled by itself; the rules of v2.30, the newest below it, are used"],
    )
    assert simkit.lint(loaded).count(loaded.notes[0]) == 1
    done = invoke("when", "week.yaml", "--at", AT)
    assert "note: Coder v2.31 is not modelled" in done.stderr


def test_diff_reads_both_sides_as_the_scenarios_version_or_the_one_given(folder: Path):
    Path("new.tf").write_text(TEMPLATE.replace("9-17", "8-17"))
    sides = ("main.tf", "new.tf", simkit.explain("* 9 * * *", at=AT).at)

    def begin(coder: str | None = None, trial: Trial | None = None) -> tuple[str, list[str]]:
        found = diff(*sides, coder=coder, trial=trial)
        zone = found.presets[0].zone
        return f"{zone.local(found.presets[0].periods[0].start_at):%H:%M}", [f.text for f in found.findings]

    assert begin() == ("08:00", [])
    assert begin("v2.24.3") == ("08:00", [])
    assert begin("v2.24.3+early-ranges") == ("07:59", [])
    of_scenario = Trial(scenario=scenario("early-ranges"), replications=2)
    assert begin(trial=of_scenario) == ("07:59", [])
    assert begin("v2.35", of_scenario) == ("07:59", ["week.yaml is about Coder v2.35+early-ranges, which is used"])
    done = invoke("diff", "main.tf", "new.tf", "--at", AT, "--coder", "v2.25")
    assert "Read as Coder v2.24.2 does." in done.stdout
    assert done.stderr.splitlines() == [
        "coder: note: Coder v2.25 is not modelled by itself; the rules of v2.24.2, the newest below it, are used"
    ]
    done = invoke("diff", "main.tf", "new.tf", "--coder", "v2.x")
    assert (done.exit_code, done.output) == (2, 'coder: "v2.x" is not a version of Coder; write one such as v2.35\n')


def test_explain_takes_any_version(folder: Path):
    done = invoke("explain", "* 9-17 * * *", "--at", AT, "--coder", "v2.24.2")
    assert "as Coder v2.24.2 reads it" in done.stdout
    assert "note" not in done.stderr
    done = invoke("explain", "* 9-17 * * *", "--at", AT, "--coder", "2.99")
    assert "as Coder v2.35 reads it" in done.stdout
    assert "Coder v2.99 is newer than any modelled version" in done.stderr


def test_the_control_plane_takes_a_patch_release():
    assert simkit.ControlPlane(now=AT, coder="2.26.4").behaviour is BEHAVIOURS["v2.26"]
