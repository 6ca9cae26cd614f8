"""The pytest plugin: what it collects, how a failure reads, and that it costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree

import pytest

import simkit.inputs.terraform
import simkit.runs.simulate
import simkit.store
import simkit.templates.check
from simkit.cron import weekly

pytest_plugins = ["pytester"]

# A session within this one forgets what it imported, and numpy cannot be imported twice: all is here beforehand.
_ = simkit.templates.check, simkit.inputs.terraform, simkit.runs.simulate, simkit.store
weekly("0 9 * * *").next_after(0)  # numba imports more of itself at the first call of what is compiled

TEMPLATE = """\
data "coder_workspace_preset" "large" {
  name = "large"
  prebuilds {
    instances = 1
    scheduling {
      timezone = "Europe/Berlin"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 6
      }
    }
  }
}
"""
TESTS = """\
template: main.tf
tests:
  - name: the day is covered
    expect:
      - {desired: 6, every: "weekday 08:00-18:00", over: "2026-03"}
  - name: the early morning is covered
    expect:
      - {desired: 6, every: "weekday 07:00-08:00", over: "2026-03"}
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """The current folder has a template and two tests, of which the second fails."""
    (pytester.path / "main.tf").write_text(TEMPLATE)
    (pytester.path / "main.simkit.yaml").write_text(TESTS)
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess("-p", "no:cacheprovider", "-W", "error", *arguments)


def test_loading_the_plugin_imports_nothing_heavy():
    heavy = (
        "numba",
        "numpy",
        "pandas",
        "duckdb",
        "yaml",
        "hcl2",
        "lark",
        "click",
        "rich",
        "tzdata",
        "simkit.templates.check",
    )
    code = f"import pytest, sys, simkit.pytest_plugin; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_files_are_left_alone_unless_somebody_asks(project: pytest.Pytester):
    assert run(project).ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("how", ["option", "ini", "named"])
def test_an_option_an_ini_setting_or_the_files_name_collects_them(project: pytest.Pytester, how: str):
    if how == "ini":
        project.makeini("[pytest]\nsimkit = true\n")
    arguments = {"option": ["--simkit"], "ini": [], "named": ["main.simkit.yaml"]}[how]
    run(project, *arguments).assert_outcomes(passed=1, failed=1)


def test_a_failure_shows_its_text_without_a_traceback(project: pytest.Pytester):
    done = run(project, "--simkit")
    done.stdout.fnmatch_lines(
        [
            "*the early morning is covered*",
            "main.simkit.yaml:8: the early morning is covered: expected 6 desired instances every*",
            "  It does not hold for 22h of the 22h, in 22 spans:",
            "    1. main.tf:*6 instances*",
            "FAILED main.simkit.yaml::the early morning is covered*",
        ]
    )
    done.stdout.no_fnmatch_line("*Traceback*")
    done.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_a_test_is_found_by_its_name_and_by_its_place(project: pytest.Pytester):
    run(project, "--simkit", "-k", "day").assert_outcomes(passed=1, deselected=1)
    run(project, "--simkit", "-k", "large and not early").assert_outcomes(passed=1, deselected=1)
    run(project, "main.simkit.yaml::the day is covered").assert_outcomes(passed=1)
    items, _ = project.inline_genitems("--simkit")
    assert [(item.location[0], item.location[1] + 1) for item in items] == [
        ("main.simkit.yaml", 3),
        ("main.simkit.yaml", 6),
    ]


def test_a_broken_file_is_a_collection_error_with_every_problem(project: pytest.Pytester):
    (project.path / "main.simkit.yaml").write_text(TESTS.replace("desired", "desird").replace("over", "ovr"))
    done = run(project, "--simkit")
    done.assert_outcomes(errors=1)
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines(
        ["*ERROR collecting main.simkit.yaml*", "main.simkit.yaml:5: *desird*", "main.simkit.yaml:8: *desird*"]
    )
    done.stdout.no_fnmatch_line("*Traceback*")


def test_a_template_with_an_error_breaks_the_collection_too(project: pytest.Pytester):
    (project.path / "main.tf").write_text(TEMPLATE.replace("8-17", "8-77"))
    done = run(project, "--simkit")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["main.tf:8: *"])


def test_junit_has_a_case_for_each_test_with_the_failures_text(project: pytest.Pytester):
    run(project, "--simkit", "--junitxml=report.xml")
    cases = list(ElementTree.parse(project.path / "report.xml").iter("testcase"))
    assert [case.get("name") for case in cases] == ["the day is covered", "the early morning is covered"]
    failure = cases[1].find("failure")
    assert failure is not None
    assert (failure.text or "").startswith("main.simkit.yaml:8: the early morning is covered")


def test_values_of_variables_come_from_the_command_line_or_the_ini_file(project: pytest.Pytester):
    variable = 'variable "evening" {\n  type = number\n}\n'
    (project.path / "main.tf").write_text(variable + TEMPLATE.replace("8-17", "8-${var.evening}"))
    run(project, "--simkit").assert_outcomes(errors=1)
    run(project, "--simkit", "--simkit-var", "evening=17").assert_outcomes(passed=1, failed=1)
    project.makeini("[pytest]\nsimkit = true\nsimkit_variables =\n  evening=18\n")
    run(project, "-k", "day").assert_outcomes(passed=1, deselected=1)
    done = run(project, "--simkit-var", "evning=18", "-k", "day")
    done.stdout.fnmatch_lines(['*the template declares no "evning"*'])
    assert run(project, "--simkit-var", "evening").ret == pytest.ExitCode.USAGE_ERROR


def test_where_simkit_is_installed_the_plugin_is_loaded_and_workers_side_by_side_say_the_same(project: pytest.Pytester):
    pytest.importorskip("xdist")
    others = ("-p", "no:hypothesispytest", "-p", "no:anyio")  # which take longer to load than all of this
    strict = ("-p", "no:cacheprovider", "-W", "error", "--strict-config")
    done = project.runpytest_subprocess(*others, *strict, "--simkit", "-n", "2")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["plugins: *simkit-*", "main.simkit.yaml:8: the early morning is covered*"])


def test_fixtures_serve_tests_in_python(project: pytest.Pytester):
    (project.path / "claims.csv").write_text("started_at\n2026-03-02T10:00:00Z\n2026-03-03T10:00:00Z\n")
    (project.path / "week.yaml").write_text(
        'window: {from: "2026-03-02", until: "2026-03-04"}\ntemplate: main.tf\ndemand: {history: claims.csv}\n'
    )
    project.makepyfile(
        """
        import pytest
        import simkit

        def test_presets_and_what_they_desire(simkit_presets, simkit_desired):
            large = simkit_presets("main.tf")["large"]
            assert [simkit_desired(large, at) for at in ("2026-03-02 07:59", "2026-03-02 08:00")] == [1, 6]
            assert simkit_desired(large, "2026-03-02T07:00:00Z") == 6

        def test_a_run(simkit_run):
            result = simkit_run("week.yaml", seed=3)
            assert result is simkit_run("week.yaml", seed=3)
            assert result.ask("hit_rate")[["hits", "claims"]].to_numpy().tolist() == [[2, 2]]
            assert simkit_run(simkit.load("week.yaml"), seed=3).run_id == result.run_id

        def test_an_input_that_is_wrong(simkit_presets):
            with pytest.raises(simkit.InputError):
                simkit_presets("nothing.tf")
        """
    )
    run(project).assert_outcomes(passed=3)


def test_a_version_of_coder_comes_from_the_test_file_the_command_line_or_the_ini_file(project: pytest.Pytester):
    early = 'tests:\n  - {name: a, expect: [{desired: 6, from: "2026-03-02 07:59", until: "2026-03-02 08:00"}]}\n'
    tests = project.path / "main.simkit.yaml"
    tests.write_text(f"template: main.tf\n{early}")
    project.makepyfile(
        """
        def test_an_early_minute(simkit_presets, simkit_desired):
            assert simkit_desired(simkit_presets("main.tf")["large"], "2026-03-02 07:59") == 6
        """
    )
    run(project, "--simkit").assert_outcomes(failed=2)
    run(project, "--simkit", "--simkit-coder", "v2.24.2+early-ranges").assert_outcomes(passed=2)
    project.makeini("[pytest]\nsimkit = true\nsimkit_coder = v2.25+early-ranges\n")
    done = run(project)
    done.assert_outcomes(passed=2)
    assert [line for line in done.outlines if line.startswith("simkit: ")] == [
        "simkit: coder: note: Coder v2.25 is not modelled by itself; "
        "the rules of v2.24.2, the newest below it, are used"
    ]
    run(project, "--simkit-coder", "2.35").assert_outcomes(failed=2)
    tests.write_text(f"template: main.tf\ncoder: 2.26.1\n{early}")
    run(project).assert_outcomes(passed=1, failed=1)
    done = run(project, "--simkit-coder", "v2.x")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(['*simkit_coder: "v2.x" is not a version of Coder; write one such as v2.35'])
