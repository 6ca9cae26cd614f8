"""What was checked, as workflow commands by which GitHub marks lines of a pull request."""

from __future__ import annotations

from simkit.errors import Level, Where
from simkit.templates.check.text import counts
from simkit.templates.check.types import Checked

_COMMANDS: dict[Level, str] = {"error": "error", "warning": "warning", "note": "notice"}


def render(checked: Checked) -> str:
    """A command a line, and a last line for the log. A warning is an error if it is strict."""
    lines = []
    for finding in checked.findings:
        command = "error" if checked.strict and finding.level == "warning" else _COMMANDS[finding.level]
        lines.append(_command(command, finding.where, f"simkit: {finding.level}", finding.told))
    for outcome in checked.outcomes:
        for failure in outcome.failures:
            lines.append(_command("error", failure.where, f"simkit: {outcome.test.name}", failure.text))
    for difference in checked.differences:
        lines.append(_command("error", difference.where, "simkit: snapshot", difference.told))
    return "\n".join([*lines, counts(checked)]) + "\n"


def _command(command: str, where: Where, title: str, text: str) -> str:
    given = {"file": where.path, "line": str(where.line) if where.line else "", "title": title}
    properties = ",".join(f"{key}={_property(value)}" for key, value in given.items() if value)
    return f"::{command} {properties}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
