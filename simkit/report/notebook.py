"""What a notebook says of its run: findings with `say`, the run with `cite`; both reach the page and result.json."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from numbers import Number
from string import Formatter
from typing import Any

from simkit.clock import format_instant, zone_database_version
from simkit.runs.result import Result
from simkit.shown import escaped, visible
from simkit.version import __version__

_EMPHASIS = re.compile(r"(\*\*|\*)(\S|\S.*?\S)\1")
_CODE = re.compile(r"`([^`]*)`")
_TAGS = {"*": "em", "**": "strong"}
MIME = "application/vnd.simkit.result+json"
_LIBRARIES = ("duckdb", "numba", "numpy", "pandas")


def say(text: str, **numbers: Any) -> None:
    """Show a sentence in the notebook, and record its numbers for result.json under their names.

    `text` is Markdown with a replacement field for each number, such as `{hit_rate:.1%}`. What stands in a field is
    shown as text, whatever is in it.
    """
    _display(text, numbers, {"numbers": {name: _plain(value) for name, value in numbers.items()}})


def say_each(told: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """The same for sentences of which there may be none: (text, numbers) each."""
    for text, numbers in told:
        say(text, **numbers)


def cite(results: Sequence[Result]) -> None:
    """Say what was simulated, and record the seed, versions and inputs' digest for result.json."""
    first = results[0]
    scenario = first.scenario
    versions = {"simkit": __version__, "python": platform.python_version(), "tzdata": zone_database_version()}
    versions |= {name: version(name) for name in _LIBRARIES}
    many = f"{len(results)} replications" if len(results) > 1 else "one run"
    window = f"{format_instant(scenario.start_at, scenario.zone)} to {format_instant(scenario.end_at, scenario.zone)}"
    _display(
        "Scenario *{scenario}*, {window} ({zone}), Coder {coder}: {many} with seed {seed}, simkit {simkit}, "
        "inputs `{digest}`.",
        {
            "scenario": scenario.name,
            "window": window,
            "zone": scenario.zone.name,
            "coder": scenario.behaviour.version,
            "many": many,
            "seed": first.seed,
            "simkit": __version__,
            "digest": first.digest[:12],
        },
        {
            "run": {
                "scenario": scenario.name,
                "seed": first.seed,
                "replications": len(results),
                "coder_version": scenario.behaviour.version,
                "digest": first.digest,
                "versions": versions,
            }
        },
    )


def _display(template: str, values: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """The one way of a sentence to a notebook and its page. `template` is Markdown, its values are text."""
    from IPython.display import display

    data = {"text/markdown": _markdown(template, values), "text/plain": text_of(template, values), MIME: record}
    display(data, raw=True)  # type: ignore[no-untyped-call]


class _Values(Formatter):
    """Puts values into a template, each made harmless first; a number is as it is."""

    def __init__(self, harmless: Callable[[str], str]) -> None:
        self._harmless = harmless

    def format_field(self, value: Any, format_spec: str) -> str:
        text: str = super().format_field(value, format_spec)
        return text if isinstance(value, Number) else self._harmless(text)


def _markdown(template: str, values: Mapping[str, Any]) -> str:
    """Emphasis and code become HTML's: no value is too odd to stand in them."""
    html = _rewritten(
        template,
        lambda stars, inside: f"<{_TAGS[stars]}>{inside}</{_TAGS[stars]}>",
        lambda code: f"<code>{escaped(Formatter().vformat(code, (), values))}</code>",
    )
    return _Values(escaped).vformat(html, (), values)


def text_of(template: str, values: Mapping[str, Any]) -> str:
    """As a terminal shows it: what stands between backticks, a cron for one, keeps its stars."""
    return _Values(visible).vformat(_rewritten(template, lambda _, inside: inside, str), (), values)


def _rewritten(template: str, emphasis: Callable[[str, str], str], code: Callable[[str], str]) -> str:
    """A template with other marks for its emphasis, of one star or two, and its code."""
    codes = _CODE.findall(template)
    text, before = _CODE.sub("\0", template), ""
    while text != before:
        text, before = _EMPHASIS.sub(lambda found: emphasis(found[1], found[2]), text), text
    for inside in codes:
        text = text.replace("\0", code(inside), 1)
    return text


def _plain(value: Any) -> Any:
    """A number or text as JSON writes it; numpy's scalars become Python's, what is neither becomes its text."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and value != value:
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
