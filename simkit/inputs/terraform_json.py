"""Terraform's JSON as the trees that its own language has, with the same lines, so that one reader reads both."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from json.scanner import make_scanner
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark import Token, Tree

_BLANK = re.compile(r"[ \t\r\n]+")
_LABELS = {"data": 2, "resource": 2, "variable": 1, "module": 1, "output": 1, "provider": 1, "check": 1, "ephemeral": 2}
"""How many labels a block of the first level has. The others have none."""
_MOST_DEEP = 60
MOST_VALUES = 20_000
"""Of a file that people or programs write for Terraform: twice what two thousand blocks have, and a second."""


class NotJson(ValueError):
    """The text cannot be read. `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        super().__init__(text)


@dataclass(frozen=True)
class _Text:
    """A JSON document. `scan`: json's own reader of the value at a place, and of where that ends."""

    text: str

    @cached_property
    def scan(self) -> Callable[[str, int], tuple[Any, int]]:
        return make_scanner(json.JSONDecoder())  # type: ignore[arg-type]

    @cached_property
    def line_ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.text)]

    def behind(self, at: int) -> int:
        """Where what is no blank begins, at or after a place."""
        blank = _BLANK.match(self.text, at)
        return at if blank is None else blank.end()


@dataclass(frozen=True)
class Piece:
    """A value of a JSON document and where it stands. What is in it becomes pieces only if somebody asks: of a large
    document most is asked for by nobody."""

    whole: _Text
    plain: Any
    """What json.loads makes of it."""
    start: int
    end: int
    named_at: int
    """Where its name stands; itself, if it has none."""

    @property
    def line(self) -> int:
        return bisect_left(self.whole.line_ends, self.start) + 1

    @property
    def name_line(self) -> int:
        return bisect_left(self.whole.line_ends, self.named_at) + 1

    @cached_property
    def value(self) -> Any:
        """A dict of name -> (line of the name, Piece), a list of pieces, or what JSON has."""
        if isinstance(self.plain, dict):
            return {name: (piece.name_line, piece) for name, piece in self._members(has_names=True)}
        return [piece for _, piece in self._members(has_names=False)] if isinstance(self.plain, list) else self.plain

    def _members(self, has_names: bool) -> Iterator[tuple[str, Piece]]:
        text, behind = self.whole.text, self.whole.behind
        at = behind(self.start + 1)
        while at < self.end - 1:
            name, named_at = "", at
            if has_names:
                name, at = self.whole.scan(text, at)
                at = behind(behind(at) + 1)  # the colon
            plain, end = self.whole.scan(text, at)
            yield name, Piece(self.whole, plain, at, end, named_at)
            at = behind(end)
            if text[at] == ",":
                at = behind(at + 1)


def read_json(text: str, most: int | None = None) -> Piece:
    """A JSON document with lines. Raises NotJson, also for one that is nested too deep or has more than `most`
    values."""
    whole = _Text(text)
    try:
        plain = json.loads(text)
    except json.JSONDecodeError as error:
        raise NotJson(error.lineno, f"this cannot be read as JSON: {error.msg.lower()}; correct it") from None
    except (RecursionError, ValueError):
        raise NotJson(1, "this JSON is nested too deep, or has too long a number; write less") from None
    level, seen, depth = [plain], 1, 0
    while level:
        if depth > _MOST_DEEP:
            raise NotJson(1, f"this JSON is nested deeper than {_MOST_DEEP} levels; write less")
        level = [one for one in level if isinstance(one, dict | list)]
        seen, depth = seen + sum(map(len, level)), depth + 1
        if most is not None and seen > most:
            raise NotJson(1, f"this JSON has more than {most:,} values; write less")
        level = [below for one in level for below in (one.values() if isinstance(one, dict) else one)]
    start = whole.behind(0)
    return Piece(whole, plain, start, len(text.rstrip(" \t\r\n")), start)


def body(text: str) -> Tree[Token]:
    """The body of a `.tf.json` file. Raises NotJson."""
    document = read_json(text, MOST_VALUES)
    blocks: list[Any] = []
    for part in document.value if isinstance(document.value, list) else [document]:
        if not isinstance(part.value, dict):
            raise NotJson(part.line, 'a file of Terraform\'s is an object in JSON; write {"data": {...}}')
        for name, (line, piece) in part.value.items():
            if not name.startswith("//"):
                blocks += _blocks([name], piece, line, _LABELS.get(name, 0))
    return _tree("body", blocks, document)


def _blocks(words: list[str], piece: Piece, line: int, labels: int) -> Iterator[Tree[Token]]:
    """A block for each object below the names that are its labels."""
    if isinstance(piece.value, list):
        for element in piece.value:
            yield from _blocks(words, element, element.line, labels)
    elif not isinstance(piece.value, dict):
        raise NotJson(line, f'"{words[-1]}" must be an object; write {{...}}')
    elif labels:
        for name, (name_line, inside) in piece.value.items():
            if not name.startswith("//"):
                yield from _blocks([*words, name], inside, name_line, labels - 1)
    else:
        attributes = [
            _tree("attribute", [_word(name, piece), expression(inside)], inside, name_line)
            for name, (name_line, inside) in piece.value.items()
            if not name.startswith("//")
        ]
        yield _tree("block", [*(_word(word, piece) for word in words), _tree("body", attributes, piece)], piece, line)


def expression(piece: Piece, is_literal: bool = False) -> Tree[Token]:
    """The value as an expression. Text in it is a template, or what it says itself (`is_literal`)."""
    from lark import Token

    value, kind = piece.value, "json_literal" if is_literal else "json_text"
    if isinstance(value, dict):
        elements = [
            _tree(
                "object_elem",
                [_tree(kind, [Token("JSON", name)], inside, line), expression(inside, is_literal)],
                inside,
            )
            for name, (line, inside) in value.items()
        ]
        return _tree("object", elements, piece)
    if isinstance(value, list):
        return _tree("tuple", [expression(element, is_literal) for element in value], piece)
    if isinstance(value, str):
        return _tree(kind, [Token("JSON", value)], piece)
    if isinstance(value, bool) or value is None:
        return _tree("literal_value", [Token("JSON", json.dumps(value))], piece)
    return _tree("float_lit", [Token("JSON", json.dumps(value))], piece)


def _word(name: str, piece: Piece) -> Tree[Token]:
    from lark import Token

    return _tree("identifier", [Token("JSON", name)], piece)


def _tree(data: str, children: list[Any], piece: Piece, line: int = 0) -> Tree[Token]:
    from lark import Tree
    from lark.tree import Meta

    meta = Meta()  # type: ignore[no-untyped-call]
    meta.line, meta.start_pos, meta.end_pos, meta.empty = line or piece.line, piece.start, piece.end, False
    return Tree(data, children, meta)
