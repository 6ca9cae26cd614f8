"""What a notebook says of its run: findings with `say`, the run with `cite`; both reach the page and result.json."""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from numbers import Number
from string import Formatter
from typing import TYPE_CHECKING, Any

from simkit.clock import format_instant, from_datetime, zone_database_version
from simkit.estimates import spread
from simkit.shown import escaped, visible
from simkit.times import Told, window_text
from simkit.version import __version__

if TYPE_CHECKING:
    import pandas as pd

    from simkit.runs.result import Result

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
    _display(text, numbers, {"numbers": {name: plain(value) for name, value in numbers.items()}})


def say_each(told: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """The same for sentences of which there may be none: (text, numbers) each."""
    for text, numbers in told:
        say(text, **numbers)


def cite(results: Sequence[Result]) -> None:
    """Say what was simulated, and record it for result.json: seed, versions, inputs' digest, and a row per preset."""
    from simkit.store import ask  # with the library behind it, which whoever makes pages of notebooks need not load

    first = results[0]
    scenario = first.scenario
    versions = {"simkit": __version__, "python": platform.python_version(), "tzdata": zone_database_version()}
    versions |= {name: version(name) for name in _LIBRARIES}
    many = f"{len(results)} replications" if len(results) > 1 else "one run"
    _display(
        "Scenario *{scenario}*, {window}, Coder {coder}: {many} with seed {seed}, simkit {simkit}, inputs `{digest}`.",
        {
            "scenario": scenario.name,
            "window": window_text(scenario.start_at, scenario.end_at, scenario.zone),
            "coder": scenario.behaviour.version,
            "many": many,
            "seed": first.seed,
            "simkit": __version__,
            "digest": first.digest[:12],
        },
        {
            "run": {
                "scenario": scenario.name,
                "from": format_instant(scenario.start_at, scenario.zone),
                "until": format_instant(scenario.end_at, scenario.zone),
                "timezone": scenario.zone.name,
                "seed": first.seed,
                "replications": len(results),
                "coder_version": scenario.behaviour.version,
                "digest": first.digest,
                "versions": versions,
                "presets": list(rows_of_presets(ask(results, "summary"))),
            }
        },
    )


def rows_of_presets(summary: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """A row per preset, in the order of the scenario, of the answer `summary` of one run or of several.

    Text and truth are as they are; a number or an instant is `{low, median, high}` over the runs that have one, None
    where none has. Durations are in seconds, instants in RFC 3339.
    """
    for preset, mine in summary.groupby("preset", sort=False):
        row: dict[str, Any] = {"preset": str(preset)}
        for name in summary.columns.drop(["run_id", "preset"]):
            column = mine[name]
            if column.dtype.kind in "iuf":
                # The only duration that people read in hours; instance-hours are an amount, and stay what bills name.
                is_duration = name == "hard_limited_hours"
                found = spread(column * 3600 if is_duration else column)
                row["hard_limited_s" if is_duration else name] = {
                    of: plain(round(value, 6)) for of, value in found._asdict().items()
                }
            elif column.dtype.kind == "M":
                found = spread([from_datetime(at.to_pydatetime()) for at in column.dropna()])
                row[name] = {
                    of: None if math.isnan(at) else format_instant(round(at)) for of, at in found._asdict().items()
                }
            else:
                row[name] = plain(column.iloc[0]) if column.notna().all() else None
        yield row


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
    html = rewritten(
        template,
        emphasised,
        lambda code: f"<code>{escaped(Formatter().vformat(code, (), values))}</code>",
    )
    return _Values(escaped).vformat(html, (), values)


def text_of(template: str, values: Mapping[str, Any]) -> str:
    """As a terminal shows it: what stands between backticks, a cron for one, keeps its stars."""
    return _Values(visible).vformat(rewritten(template, lambda _, inside: inside, str), (), values)


def emphasised(stars: str, inside: str) -> str:
    """Emphasis as HTML's."""
    return f"<{_TAGS[stars]}>{inside}</{_TAGS[stars]}>"


def rewritten(template: str, emphasis: Callable[[str, str], str], code: Callable[[str], str]) -> str:
    """A template with other marks for its emphasis, of one star or two, and its code."""
    codes = _CODE.findall(template)
    text, before = _CODE.sub("\0", template), ""
    while text != before:
        text, before = _EMPHASIS.sub(lambda found: emphasis(found[1], found[2]), text), text
    for inside in codes:
        text = text.replace("\0", code(inside), 1)
    return text


def plain(value: Any) -> Any:
    """A number or text as JSON writes it: whole numbers whole, numpy's scalars as Python's, what is `Told` exact.

    What is no number is None, what is neither number nor text its text.
    """
    value = value.exact if isinstance(value, Told) else value
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() else value
    return value if isinstance(value, str | int | float | bool | None) else str(value)
