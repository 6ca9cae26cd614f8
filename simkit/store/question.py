"""A question is one SQL file: what it asks, and what its rows are, stand in the comments at its head."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from simkit.errors import StoreError

_HEAD = re.compile(r"(key|when): (.*)")
_WHEN = re.compile(r"(?P<at>\w+)(?: until (?:(?P<holds>the next)|(?P<until>\w+)(?P<ends> or the end)?))?")


@dataclass(frozen=True)
class Question:
    """A question by its name, and what the lines at the head of its file say of its rows.

    `-- key: preset, hour` are the columns that tell the rows of one run apart, where replications have the same rows.
    `-- when: from_at` is the instant of a row. With ` until until_at` it lasts until then, where that is not NULL, or
    to the end of the run where it is NULL with `or the end`; with ` until the next` to the next row of its preset.
    """

    name: str
    text: str
    sql: str
    key: tuple[str, ...] = ()
    at: str = ""
    until: str = ""
    holds: bool = False
    """A row says what is so until the next one."""
    ends: bool = False
    """`until` is NULL where a row lasts to the end of the run."""

    @property
    def lead(self) -> tuple[str, ...]:
        """The columns by which a person finds a row of a run."""
        return self.key or ((self.at, "preset") if self.at else ())


def questions() -> dict[str, str]:
    """The questions a runs file can be asked: name -> what it asks.

    >>> "hit_rate" in simkit.questions()
    True
    """
    return {name: of.text for name, of in _all().items()}


def find(name: str) -> Question:
    """The question of this name. Raises StoreError."""
    if name not in _all():
        raise StoreError(f'"{name}" is not a question; ask one of {", ".join(_all())}')
    return _all()[name]


@lru_cache(maxsize=1)
def _all() -> dict[str, Question]:
    files = sorted(resources.files("simkit.store").joinpath("questions").iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(".sql"): read(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))
        for file in files
        if file.name.endswith(".sql")
    }


def read(name: str, sql: str) -> Question:
    """The question that is in an SQL file."""
    lines = list(_first_comment(sql))
    heads = {found[1]: found[2] for found in map(_HEAD.fullmatch, lines) if found}
    known: dict[str, Any] = {}
    if "when" in heads:
        when = _WHEN.fullmatch(heads["when"])
        assert when, f"{name}.sql says when in words that are understood"
        known = {
            "at": when["at"],
            "until": when["until"] or "",
            "holds": bool(when["holds"]),
            "ends": bool(when["ends"]),
        }
    key = tuple(heads["key"].split(", ")) if "key" in heads else ()
    return Question(name, " ".join(line for line in lines if not _HEAD.fullmatch(line)), sql, key, **known)


def _first_comment(sql: str) -> Iterable[str]:
    for line in sql.splitlines():
        if not line.startswith("--"):
            return
        yield line.removeprefix("--").strip()
