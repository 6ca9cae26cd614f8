"""What is told to a person: everything at once, in the order of the input's lines."""

from __future__ import annotations

import pytest

from simkit.errors import NOWHERE, Finding, Findings, InputError, RunError, SimkitError, StoreError, Where, did_you_mean


def test_a_place_is_a_path_and_a_line_if_there_is_one():
    assert str(Where("a.yaml", 7)) == "a.yaml:7"
    assert str(Where("a.yaml")) == "a.yaml"
    assert str(NOWHERE) == "(given in Python)"


def test_a_finding_says_what_it_is_unless_it_is_an_error():
    assert str(Finding("error", Where("a", 1), "bad")) == "a:1: bad"
    assert str(Finding("warning", Where("a", 1), "odd")) == "a:1: warning: odd"
    assert str(Finding("note", Where("a", 1), "so")) == "a:1: note: so"


def test_every_error_is_raised_at_once_in_the_order_of_lines():
    findings = Findings()
    findings.error(Where("b", 1), "third")
    findings.error(Where("a", 20), "second")
    findings.warning(Where("a", 1), "no error")
    findings.error(Where("a", 3), "first")
    with pytest.raises(InputError) as raised:
        findings.raise_errors()
    assert str(raised.value) == "a:3: first\na:20: second\nb:1: third"
    assert [problem.text for problem in raised.value.problems] == ["first", "second", "third"]


def test_warnings_and_notes_refuse_nothing():
    findings = Findings()
    findings.warning(NOWHERE, "odd")
    findings.note(NOWHERE, "so")
    findings.raise_errors()
    assert findings.errors == ()
    assert [f.level for f in findings] == ["warning", "note"]


def test_the_same_thing_is_said_once():
    findings = Findings()
    for _ in range(2):
        findings.error(NOWHERE, "bad")
    assert len(findings.errors) == 1


@pytest.mark.parametrize("error", [InputError, RunError, StoreError])
def test_whatever_is_told_to_a_person_is_a_simkit_error(error):
    assert issubclass(error, SimkitError)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("end", ["demand", "window"]),
        ("time_til_autostop_notify", ["time_til_dormant", "time_til_dormant_autodelete"]),
        ("autostop", ["autostart", "count"]),
        ("prebuilds", ["presets"]),
    ],
)
def test_a_hint_does_not_point_to_something_of_another_meaning(name, names):
    assert did_you_mean(name, names) == f"there are {', '.join(names)}"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("instance", "instances"), ("time_zone", "timezone"), ("exd", "ext"), ("Durations", "durations")],
)
def test_a_hint_points_to_what_was_meant(name, meant):
    assert did_you_mean(name, ["window", meant, "zzz"]) == f'write "{meant}"'
