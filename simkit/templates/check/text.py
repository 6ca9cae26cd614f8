"""What was checked, for a person at a terminal."""

from __future__ import annotations

from simkit.templates.check.types import Checked
from simkit.times import many, plural


def render(checked: Checked) -> str:
    """The findings, a line each, the failures, and a line that counts."""
    blocks = ["\n".join(str(finding) for finding in checked.findings)] if checked.findings else []
    passed = [m.text for outcome in checked.outcomes for m in outcome.measured if m.ok]
    blocks += ["\n".join(passed)] if passed else []
    blocks += [failure.text for outcome in checked.outcomes for failure in outcome.failures]
    blocks += [str(difference) for difference in checked.differences]
    return "\n\n".join([*blocks, counts(checked)]) + "\n"


def counts(checked: Checked) -> str:
    """All in one line, such as "2 presets, 3 tests: 1 failed; 1 warning"."""
    failed = sum(not outcome.ok for outcome in checked.outcomes)
    levels = [finding.level for finding in checked.findings]
    tests = _many(len(checked.outcomes), "test")
    if checked.status == 2 and not checked.outcomes:
        tests = "no test was run"
    elif checked.outcomes:
        tests += f": {failed} failed" if failed else f", {'all' if len(checked.outcomes) > 1 else 'it'} passed"
    said = [_many(levels.count(level), level) for level in ("error", "warning", "note") if level in levels]
    changed = len({difference.where.path for difference in checked.differences})
    if changed:
        said.append(f"{_many(changed, 'snapshot')} {'differs' if changed == 1 else 'differ'}")
    line = "; ".join([f"{_many(checked.presets, 'preset')}, {tests}", *([", ".join(said)] if said else [])])
    if checked.strict and "warning" in levels:
        line += " (strict: a warning fails)"
    return line


def _many(count: int, noun: str) -> str:
    return many(count, noun) if count else f"no {plural(noun, count)}"
