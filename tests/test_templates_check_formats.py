"""The same findings and failures as text, JSON, JUnit XML and GitHub's workflow commands."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from simkit.errors import Finding, Where
from simkit.shown import visible_lines
from simkit.templates.check import FORMATS, Checked, check

TEMPLATE = """\
data "coder_workspace_preset" "goland" {
  name = "100 % <GoLand>, large"
  prebuilds {
    instances = 2
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 8-18 * * 1,5"
        instances = 2
      }
    }
  }
}
"""
TESTS = """\
template: main.tf
tests:
  - name: always two
    expect: [{desired: 2, over: 2026}]
  - name: three, at 9
    expect: [{desired: 3, from: "2026-03-09 18:30", until: "2026-03-09 19:30"}]
"""
FAILURE = """\
goland.simkit.yaml:6: three, at 9: expected 3 desired instances from Mon 2026-03-09 18:30 until Mon 2026-03-09 19:30, \
in America/New_York
  It does not hold for 1h of the 1h, in 2 spans:
    Mon 2026-03-09T18:30:00-04:00 to Mon 2026-03-09T19:00:00-04:00: 2 instances, by schedule 1
    Mon 2026-03-09T19:00:00-04:00 to Mon 2026-03-09T19:30:00-04:00: 2 instances, by the base
  The schedules of 100 % <GoLand>, large at main.tf:1, in America/New_York; where two hold at once the first decides:
    1. main.tf:7: "* 8-18 * * 1,5", 2 instances: Monday and Friday, 08:00 to 18:59
    When none holds: 2 instances, the base.
  Hint: main.tf:7: "1,5" is Monday and Friday only; write "1-5" for Monday to Friday, or "5,1" if you mean the two days.
  To run it alone: simkit check goland.simkit.yaml -k 'three, at 9'"""
NOTE = "the 146 hours a week that no schedule covers use the base of 2; write another schedule if that is too many"
WARNING = '"1,5" is Monday and Friday only; write "1-5" for Monday to Friday, or "5,1" if you mean the two days'


@pytest.fixture
def checked(tmp_path, monkeypatch) -> Checked:
    monkeypatch.chdir(tmp_path)
    Path("main.tf").write_text(TEMPLATE)
    Path("goland.simkit.yaml").write_text(TESTS)
    return check(["."])


def test_text_has_the_findings_the_failures_and_a_count(checked):
    assert FORMATS["text"](checked) == (
        f"main.tf:1: note: {NOTE}\nmain.tf:7: warning: {WARNING}\n\n{FAILURE}\n\n"
        "1 preset, 2 tests: 1 failed; 1 warning, 1 note\n"
    )


def test_json_has_every_span_with_its_instants(checked):
    whole = json.loads(FORMATS["json"](checked))
    assert (whole["status"], whole["presets"]) == (1, 1)
    assert whole["findings"] == [
        {"level": "note", "name": "uncovered_hours", "path": "main.tf", "line": 1, "text": NOTE},
        {"level": "warning", "name": "list_for_range", "path": "main.tf", "line": 7, "text": WARNING},
    ]
    good, bad = whole["tests"]
    assert (good["name"], good["ok"], good["failures"]) == ("always two", True, [])
    assert (bad["path"], bad["line"], bad["preset"]) == ("goland.simkit.yaml", 5, "100 % <GoLand>, large")
    (failure,) = bad["failures"]
    assert failure["text"] == FAILURE
    assert failure["spans"] == [
        {"from": "2026-03-09T18:30:00-04:00", "until": "2026-03-09T19:00:00-04:00", "desired": 2, "schedule": 1},
        {"from": "2026-03-09T19:00:00-04:00", "until": "2026-03-09T19:30:00-04:00", "desired": 2, "schedule": None},
    ]


def test_junit_is_xml_whose_counts_are_right(checked):
    root = ElementTree.fromstring(FORMATS["junit"](checked))
    assert {key: root.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "4",
        "failures": "1",
        "errors": "0",
    }
    for suite in root:
        assert int(suite.get("tests")) == len(suite)
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
    failed = root.find("testsuite[@name='goland.simkit.yaml']/testcase[@name='three, at 9']")
    assert (failed.get("classname"), failed.get("file"), failed.get("line")) == (
        "goland.simkit.yaml",
        "goland.simkit.yaml",
        "5",
    )
    assert failed.find("failure").text == FAILURE
    assert failed.find("failure").get("message") in FAILURE


def test_junit_tells_errors_and_what_is_strict():
    warning = Finding("warning", Where("main.tf", 7), "odd\x1b[0m \x00")
    error = Finding("error", Where("main.tf", 3), "wrong:", details=("more",))
    lenient = ElementTree.fromstring(FORMATS["junit"](Checked((error, warning), (), 2, 1)))
    assert [lenient.get(key) for key in ("tests", "failures", "errors")] == ["2", "0", "1"]
    assert lenient.find("testsuite/testcase/error").get("message") == "wrong:"
    strict = ElementTree.fromstring(FORMATS["junit"](Checked((error, warning), (), 2, 1, strict=True)))
    assert [strict.get(key) for key in ("tests", "failures", "errors")] == ["2", "1", "1"]


def test_github_marks_the_lines_and_escapes_what_it_must(checked):
    lines = FORMATS["github"](checked).splitlines()
    assert lines[0] == f"::notice file=main.tf,line=1,title=simkit%3A note::{NOTE}"
    assert lines[1] == f"::warning file=main.tf,line=7,title=simkit%3A warning::{WARNING}"
    data = FAILURE.replace("%", "%25").replace("\n", "%0A")
    assert lines[2] == f"::error file=goland.simkit.yaml,line=6,title=simkit%3A three%2C at 9::{data}"
    assert lines[3:] == ["1 preset, 2 tests: 1 failed; 1 warning, 1 note"]


def test_github_shows_a_warning_as_an_error_if_it_is_strict():
    warning = Finding("warning", Where("main.tf"), "odd")
    (line, _) = FORMATS["github"](Checked((warning,), (), 1, 1, strict=True)).splitlines()
    assert line == "::error file=main.tf,title=simkit%3A warning::odd"


ODD = "a\x1b[31m\n::error::b\x9b\x7f\u202e\udce9 %<>&"
SEEN = "a\\x1b[31m\\n::error::b\\x9b\\x7f\\u202e\\udce9 %<>&"


@pytest.fixture
def odd() -> Checked:
    """A finding and a difference whose paths and texts would do something to a terminal or to GitHub."""
    finding = Finding("warning", Where(ODD, 3), ODD, "name")
    return Checked((finding,), (), 1, 1, differences=(Finding("error", Where(ODD, 2), ODD, details=(ODD, "more")),))


def test_text_shows_what_is_not_seen_and_keeps_its_lines(odd):
    assert FORMATS["text"](odd).splitlines() == [
        f"{SEEN}:3: warning: {SEEN}",
        "",
        f"{SEEN}:2: {SEEN}",
        f"    {SEEN}",
        "    more",
        "",
        "1 preset, no tests; 1 warning, 1 snapshot differs",
    ]


def test_github_gets_one_command_a_line(odd):
    lines = FORMATS["github"](odd).splitlines()
    assert [line.split(" ")[0] for line in lines[:2]] == ["::warning", "::error"]
    assert len(lines) == 3
    assert lines[1].endswith(f"::{SEEN}%0A    {SEEN}%0A    more".replace(" %<", " %25<"))


def test_json_is_exact_and_has_nothing_that_is_not_seen(odd):
    text = FORMATS["json"](odd)
    assert visible_lines(text) == text
    (finding,) = json.loads(text)["findings"]
    assert (finding["path"], finding["text"]) == (ODD, SEEN)


def test_junit_shows_what_is_not_seen(odd):
    root = ElementTree.fromstring(FORMATS["junit"](odd))
    case = root.find("testsuite[@name='snapshots']/testcase")
    assert (case.get("name"), case.get("file")) == (SEEN, SEEN)
    assert case.find("failure").text == f"{SEEN}:2: {SEEN}\n    {SEEN}\n    more"


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_nothing_found_is_a_form_too(name):
    assert FORMATS[name](Checked((), (), 0, 0)).endswith("\n")
