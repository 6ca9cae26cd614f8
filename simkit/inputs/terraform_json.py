"""Terraform's JSON as the trees that its own language has, with the same lines, so that one reader reads both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark import Token, Tree

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_LABELS = {"data": 2, "resource": 2, "variable": 1, "module": 1, "output": 1, "provider": 1, "check": 1, "ephemeral": 2}
"""How many labels a block of the first level has. The others have none."""
_MOST_DEEP = 60


class NotJson(ValueError):
    """The text cannot be read. `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        super().__init__(text)


@dataclass(frozen=True)
class Piece:
    """A value of a JSON document and where it stands. `value`: a dict of name -> (line, Piece), a list of pieces, or
    what JSON has."""

    value: Any
    line: int
    start: int
    end: int

    @property
    def plain(self) -> Any:
        """What json.loads makes of it."""
        if isinstance(self.value, dict):
            return {name: piece.plain for name, (_, piece) in self.value.items()}
        return [piece.plain for piece in self.value] if isinstance(self.value, list) else self.value


def read_json(text: str) -> Piece:
    """A JSON document with lines. Raises NotJson, also for one that is nested too deep."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise NotJson(error.lineno, f"this cannot be read as JSON: {error.msg.lower()}; correct it") from None
    except (RecursionError, ValueError):
        raise NotJson(1, "this JSON is nested too deep, or has too long a number; write less") from None
    return _Reader(text).piece(0)


class _Reader:
    """Goes over the tokens of what is JSON already."""

    def __init__(self, text: str) -> None:
        self.tokens = self.found(text)
        self.token, self.line, self.start, self.end = next(self.tokens)

    @staticmethod
    def found(text: str) -> Iterator[tuple[str, int, int, int]]:
        line, at = 1, 0
        for match in _TOKEN.finditer(text):
            line += text.count("\n", at, match.start())
            at = match.start()
            yield match[0], line, match.start(), match.end()

    def step(self) -> str:
        token, self.last = self.token, self.end
        self.token, self.line, self.start, self.end = next(self.tokens, ("", self.line, self.end, self.end))
        return token

    def piece(self, depth: int) -> Piece:
        if depth > _MOST_DEEP:
            raise NotJson(self.line, f"this JSON is nested deeper than {_MOST_DEEP} levels; write less")
        line, start = self.line, self.start
        token = self.step()
        value: Any
        if token == "{":
            value = {}
            while self.token != "}":
                name_line, name = self.line, json.loads(self.step())
                self.step()  # the colon
                value[name] = name_line, self.piece(depth + 1)
                if self.token == ",":
                    self.step()
            self.step()
        elif token == "[":
            value = []
            while self.token != "]":
                value.append(self.piece(depth + 1))
                if self.token == ",":
                    self.step()
            self.step()
        else:
            value = json.loads(token)
        return Piece(value, line, start, self.last)


def body(text: str) -> Tree[Token]:
    """The body of a `.tf.json` file. Raises NotJson."""
    document = read_json(text)
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
