"""What can go wrong and how it is told: where it is, what was seen, what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

from simkit.shown import clipped, joined, visible

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, order=True)
class Where:
    """A place in an input: a path as the user gave it, and a line counted from 1 (0: the file as a whole)."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


MOST_PROBLEMS = 200
"""Of one input that are shown: more of them have one cause, or are read by nobody."""
_MOST_NAMES = 100
"""Of what there is that are named in a sentence."""
_LONGEST_NAME = 100
"""Characters of a name that may be a slip."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """What to write in place of `name`: the nearest of `names`, or all of them if none is near.

    Near is a slip: a word more or less, or another word, is something else (`demand` for `end`).
    """
    names = sorted(names)
    looked_at = [one for one in names if abs(len(one) - len(name)) < 10 and len(one) <= _LONGEST_NAME]
    near = [one for one in get_close_matches(name[:_LONGEST_NAME], looked_at, n=3) if _is_slip(name, one)][:1]
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return f'write "{near[0]}"' if near else f"there are {', '.join(names[:_MOST_NAMES]) or 'none'}{more}"


def _is_slip(name: str, other: str) -> bool:
    """Is one name the other with a slip: as many words, each with letters swapped, or one or two too many, missing or
    wrong?"""
    if max(len(name), len(other)) > _LONGEST_NAME:
        return False
    words, others = (re.split("[^a-z0-9]+", text.lower()) for text in (name, other))
    if len(words) != len(others):
        return "".join(words) == "".join(others)
    return all(
        sorted(a) == sorted(b) or _distance(a, b) <= (1 if len(a) <= 4 else 2)
        for a, b in zip(words, others, strict=True)
    )


def _distance(a: str, b: str) -> int:
    """How many letters to put in, take out or change, to make one word the other."""
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != other))
    return row[-1]


NOWHERE = Where("(given in Python)")

UNDECLARED_VARIABLE = "undeclared_variable"
"""Name of the finding that a template does not declare a variable for which there is a value."""

ASSUMED = "assumed"
"""Name of what a test's simulation takes for granted, as its file does not say it."""

VERSION_NOTE = "coder_version"
"""Name of the note that another version's rules are used for a version of Coder; it is told once, not at each place."""


@dataclass(frozen=True)
class Finding:
    """One thing to say about an input. An *error* refuses it, a *warning* is likely a mistake, a *note* is worth
    knowing. What a program tells apart has a `name`: what the linter says about a preset (`templates.linter.NAMES`), by
    which a test forbids it, UNDECLARED_VARIABLE, ASSUMED and VERSION_NOTE. `details` are lines below the text."""

    level: Level
    where: Where
    text: str
    name: str = ""
    details: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The text with its details, as text of lines."""
        return joined([clipped(self.text), *(f"    {line}" for line in self.details)])

    def __str__(self) -> str:
        label = "" if self.level == "error" else f"{self.level}: "
        return f"{visible(clipped(str(self.where)))}: {label}{self.told}"


@dataclass
class Findings:
    """Collects what there is to say, so that a user hears all of it at once."""

    items: list[Finding] = field(default_factory=list)
    _known: set[Finding] = field(default_factory=set, repr=False)
    _errors: list[Finding] = field(default_factory=list, repr=False)

    def error(self, where: Where, text: str, details: tuple[str, ...] = (), name: str = "") -> None:
        self._add(Finding("error", where, text, name, details))

    def warning(self, where: Where, text: str, name: str = "") -> None:
        self._add(Finding("warning", where, text, name))

    def note(self, where: Where, text: str, name: str = "") -> None:
        self._add(Finding("note", where, text, name))

    def extend(self, findings: Iterable[Finding]) -> None:
        """All of these, each once."""
        for finding in findings:
            self._add(finding)

    def _add(self, finding: Finding) -> None:
        said = [f.text for f in self.items if f.name == VERSION_NOTE] if finding.name == VERSION_NOTE else []
        if finding not in self._known and finding.text not in said:
            self._known.add(finding)
            self.items.append(finding)
            if finding.level == "error":
                self._errors.append(finding)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.items)

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(self._errors)

    def raise_errors(self) -> None:
        """Raise InputError with every error found so far, if there is one."""
        if self.errors:
            raise InputError(self.errors)


class SimkitError(Exception):
    """Anything simkit tells a person instead of a traceback. `status`: with which the command line ends.

    >>> try:
    ...     simkit.load("absent.yaml")
    ... except simkit.SimkitError as error:
    ...     print(error, error.status)
    absent.yaml: there is no such file 2
    """

    status = 1


class InputError(SimkitError):
    """An input is wrong. `problems` holds every problem, in the order of the input's lines.

    >>> try:
    ...     simkit.explain("* 25 * * *", at="2026-03-02")
    ... except simkit.InputError as error:
    ...     print(len(error.problems))
    1
    """

    status = 2

    def __init__(self, problems: Iterable[Finding]) -> None:
        self.problems = tuple(sorted(problems, key=lambda f: (f.where, f.text)))
        told = [str(problem) for problem in self.problems[:MOST_PROBLEMS]]
        more = len(self.problems) - len(told)
        super().__init__("\n".join([*told, *([f"... and {more:,} more problems"] if more else [])]))


class RunError(SimkitError):
    """A simulation or a report cannot go on: what was asked for does not exist, or a notebook failed.

    >>> try:
    ...     simkit.run(simkit.load("examples/template/morning.yaml"), seed=-1)
    ... except simkit.RunError as error:
    ...     print(error)
    seed is -1; give a whole number from 0 to 9223372036854775807
    """

    def __init__(self, text: str, status: int = SimkitError.status) -> None:
        self.status = status
        super().__init__(text)


class StoreError(SimkitError):
    """A runs file cannot be read or written, or not be asked this; nothing was changed in it.

    `status` is 2 where what was given is wrong, 1 where nothing is: another process holds the file, the machine has no
    room, or what was to be stored was not.

    >>> try:
    ...     simkit.ask("absent.duckdb", "hit_rate")
    ... except simkit.StoreError as error:
    ...     print(error)
    absent.duckdb: there is no such runs file; `simkit run` writes one with --out
    """

    status = InputError.status

    def __init__(self, text: str, status: int = InputError.status) -> None:
        self.status = status
        super().__init__(text)


class RefusedError(SimkitError):
    """The control plane refuses what Coder refuses: an unknown id, a wrong state, a broken rule. Nothing changes.

    >>> plane = simkit.ControlPlane(now="2026-11-09T08:00:00Z")
    >>> try:
    ...     plane.create_template(7, "ide")
    ... except simkit.RefusedError as error:
    ...     print(error)
    there is no organization 7
    """
