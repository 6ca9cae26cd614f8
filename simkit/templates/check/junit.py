"""What was checked, as the JUnit XML that continuous integration shows: a suite of findings, a suite a test file."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from simkit.errors import Finding
from simkit.shown import visible, visible_lines
from simkit.templates.check.types import Checked, TestOutcome

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(checked: Checked) -> str:
    """A finding is a test case: an error cannot be used, a warning fails if it is strict, the rest has passed."""
    suites = ElementTree.Element("testsuites", name="simkit check")
    if checked.findings:
        cases = [_finding(finding, checked.strict) for finding in checked.findings]
        suites.append(_suite("templates and test files", cases))
    files: dict[str, list[TestOutcome]] = {}
    for outcome in checked.outcomes:
        files.setdefault(outcome.test.where.path, []).append(outcome)
    for path, outcomes in files.items():
        suites.append(_suite(path, [_outcome(path, outcome) for outcome in outcomes]))
    if checked.differences:
        suites.append(_suite("snapshots", [_difference(difference) for difference in checked.differences]))
    for count in ("tests", "failures", "errors"):
        suites.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _suite(name: str, cases: list[ElementTree.Element]) -> ElementTree.Element:
    suite = ElementTree.Element(
        "testsuite",
        name=_name(name),
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped="0",
    )
    suite.extend(cases)
    return suite


def _case(path: str, line: int, name: str) -> ElementTree.Element:
    return ElementTree.Element("testcase", classname=_name(path), name=_name(name), file=_name(path), line=str(line))


def _finding(finding: Finding, strict: bool) -> ElementTree.Element:
    case = _case(finding.where.path, finding.where.line, str(finding).split("\n")[0])
    tag = "error" if finding.level == "error" else "failure" if strict and finding.level == "warning" else "system-out"
    said = ElementTree.SubElement(case, tag)
    if tag != "system-out":
        said.set("message", _name(finding.text))
        said.set("type", finding.level)
    said.text = _clean(str(finding))
    return case


def _difference(difference: Finding) -> ElementTree.Element:
    case = _case(difference.where.path, difference.where.line, difference.text)
    said = ElementTree.SubElement(case, "failure", message=_name(difference.text), type="differs")
    said.text = _clean(str(difference))
    return case


def _outcome(path: str, outcome: TestOutcome) -> ElementTree.Element:
    case = _case(path, outcome.test.where.line, outcome.test.name)
    if outcome.failures:
        # Viewers show one failure of a case.
        said = ElementTree.SubElement(case, "failure", message=_name(outcome.failures[0].summary), type="failed")
        said.text = _clean("\n\n".join(failure.text for failure in outcome.failures))
    if outcome.measured:
        ElementTree.SubElement(case, "system-out").text = _clean("\n".join(m.text for m in outcome.measured))
    return case


def _clean(text: str) -> str:
    """Lines of text without the characters that XML cannot hold, not even escaped."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", visible_lines(text))


def _name(text: str) -> str:
    return _clean(visible(text))
