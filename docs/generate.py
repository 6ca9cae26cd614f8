"""The pages of the reference, each made of what the program itself reads or does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import simkit
from simkit.inputs.keys import NEEDED, ROWS, Key, Keys
from simkit.inputs.scenario_keys import SCENARIO_KEYS
from simkit.report.keys import BATCH_KEYS
from simkit.templates.check.keys import TEST_KEYS


def write_pages(write: Callable[[str, str], None]) -> None:
    """Give each generated page to `write`, by its name and text."""
    for name, page in PAGES.items():
        write(name, page())


def keys_page() -> str:
    """Every key of the files that people write."""
    parts: list[tuple[str, str, Iterable[Keys]]] = [
        (
            "Scenario",
            "[Write a scenario](scenario.md) says how they go together.",
            SCENARIO_KEYS,
        ),
        (
            "Test file",
            "`simkit check` and `pytest --simkit` run each `*.simkit.yaml` beside a template.",
            TEST_KEYS,
        ),
        ("Batch of reports", "`simkit report --all` reads it.", BATCH_KEYS),
        ("Rows of data files", "CSV, Parquet and DuckDB files that a scenario or an option names.", ROWS),
    ]
    lines = ["# Keys of files", "", _KINDS, ""]
    for title, about, tables in parts:
        lines += [f"## {title}", "", about, ""]
        for table in tables:
            lines += [f"### {title}: {_code(table.place or 'top level')}", "", table.meaning, ""]
            lines += [_table(("Key", "Type and unit", "Default", "Meaning"), map(_key, table.keys)), ""]
    return "\n".join(lines)


_KINDS = """\
A key that is not known is an error, which names the nearest one. A dot is a level, `[]` each entry of a list, and a
word in capitals whatever name stands there.

- A *duration* is written `90s`, `15m`, `8h`, `7d` or `1h30m`; a *distribution* is `{median: 3m, p95: 6m}` or
  `{sample: [2m, 4m]}`.
- An *instant* is RFC 3339 (`"2026-03-02T09:00:00-05:00"`); without an offset it is *local time*, by the clocks that are
  named beside it.
- A *time zone* is an IANA name, such as `Europe/Berlin`. A *cron expression* is Coder's: minute, hour, day, month,
  weekday.
- A *path* is relative to the file that names it. A *version* is one of Coder's, such as `v2.35`.
- A *bound* is an exact number, or limits: `{at_least: 1, at_most: 4}`.
"""


def _key(key: Key) -> tuple[str, str, str, str]:
    meaning = f"{key.meaning} Such as {_code(key.example)}." if key.example else key.meaning
    return _code(key.name), key.kind, default_of(key), meaning


def default_of(key: Key) -> str:
    """What the page says that applies where the key is left out."""
    if key.required or key.otherwise == NEEDED:
        return f"*{NEEDED}*"
    if key.default and key.otherwise:
        return f"{_code(key.default)}; {key.otherwise}"
    return _code(key.default) if key.default else key.otherwise


def questions_page() -> str:
    about = "`simkit ask RUNS QUESTION`, or `simkit.ask`. Instants are UTC, durations seconds."
    lines = ["# Questions", "", about, ""]
    for name, text in simkit.questions().items():
        lines += [f"## {name}", "", text.replace("*", "\\*"), ""]
    return "\n".join(lines)


PAGES: Mapping[str, Callable[[], str]] = {"keys": keys_page, "questions": questions_page}


def _code(text: str) -> str:
    return f"`{text}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown. A line break or a bar in a cell would end it."""

    def line(cells: tuple[str, ...]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(head), line(tuple("---" for _ in head)), *map(line, rows)])
