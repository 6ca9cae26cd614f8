"""Terraform files as trees with their lines: found, parsed once, and asked for their presets.

Only what a preset needs is understood. Everything else (resources, functions, heredocs) is read past.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from simkit.errors import Findings, Where
from simkit.inputs.text import read_text

if TYPE_CHECKING:
    from lark import Token, Tree
    from lark.exceptions import UnexpectedInput

PRESET = "coder_workspace_preset"
TERRAFORM = ".tf"
NOT_TERRAFORM = f"is not a Terraform file; name a {TERRAFORM} file or a folder with some"
_BEGINS = re.compile(rf'^\s*data\s+"?{PRESET}\b', re.MULTILINE)
"""A preset in a file that cannot be parsed."""
META = {"count", "for_each", "provider", "depends_on", "lifecycle"}
NAMES: Mapping[str, set[str]] = {
    PRESET: {"name", "description", "icon", "default", "parameters", "prebuilds", *META},
    "prebuilds": {"instances", "expiration_policy", "scheduling"},
    "expiration_policy": {"ttl"},
    "scheduling": {"timezone", "schedule"},
    "schedule": {"cron", "instances"},
}
BLOCK_FORM = (
    "prebuilds {",
    "  instances = 1",
    "  expiration_policy {",
    "    ttl = 86400",
    "  }",
    "  scheduling {",
    '    timezone = "UTC"',
    "    schedule {",
    '      cron      = "* 8-18 * * 1-5"',
    "      instances = 5",
    "    }",
    "  }",
    "}",
)


def terraform_files(folder: Path) -> list[Path]:
    """The files of a folder that Terraform reads, in order: not hidden ones, not folders of that name."""
    return [
        path for path in sorted(folder.glob(f"*{TERRAFORM}")) if not path.name.startswith(".") and not path.is_dir()
    ]


def has_preset(path: Path) -> bool:
    """Is there a preset in a file? A mention in a comment or in a text is none.

    True, too, for one that cannot be read, so that whoever reads it tells: nobody knows what is in it.
    """
    text = _text(path, Findings())
    if text is None:
        return True
    if PRESET not in text:
        return False  # a repository has much other Terraform, and to parse it takes long
    body, _ = _parsed(text)
    return (
        _BEGINS.search(text) is not None if body is None else any(True for _ in File(str(path), text, body).presets())
    )


@dataclass(frozen=True)
class Node:
    """A piece of a file: an expression, or the body of a block. `line` is where its name stands."""

    file: File
    tree: Tree[Token]
    line: int

    @property
    def where(self) -> Where:
        return Where(self.file.path, self.line)

    @property
    def is_block(self) -> bool:
        return self.tree.data == "body"

    @property
    def source(self) -> str:
        return self.file.text[self.tree.meta.start_pos : self.tree.meta.end_pos].strip()

    def part(self, tree: Tree[Token]) -> Node:
        return Node(self.file, tree, tree.meta.line)


Fields = dict[str, list[Node]]
"""The attributes and blocks of a body by name."""


@dataclass(frozen=True)
class File:
    path: str
    text: str
    body: Tree[Token]

    def blocks(self) -> Iterator[tuple[tuple[str, ...], Node]]:
        """Every block of the file by its type and labels."""
        for child in subtrees(self.body):
            if child.data == "block":
                *labels, body = subtrees(child)
                yield tuple(word(label) for label in labels), Node(self, body, child.meta.line)

    def presets(self) -> Iterator[Node]:
        return (body for words, body in self.blocks() if words[:2] == ("data", PRESET))


def subtrees(tree: Tree[Token]) -> list[Tree[Token]]:
    return [c for c in tree.children if not isinstance(c, str) and c.data != "new_line_or_comment"]


def word(tree: Tree[Token]) -> str:
    """A name or a quoted label."""
    return "".join(str(token) for token in tree.scan_values(lambda token: token != '"'))


def inner(tree: Tree[Token]) -> Tree[Token]:
    """An expression without the parentheses around it."""
    while tree.data in ("expr_term", "object_elem_key"):
        (tree,) = subtrees(tree)
    return tree


def fields_of(body: Node) -> Fields:
    """The attributes and blocks of a body by name, in the order of the file."""
    fields: Fields = {}
    for child in subtrees(body.tree):
        name, *_, value = subtrees(child)
        fields.setdefault(word(name), []).append(Node(body.file, value, child.meta.line))
    return fields


def _text(path: Path, findings: Findings) -> str | None:
    if path.exists() and not path.is_file():
        findings.error(Where(str(path)), NOT_TERRAFORM)  # a pipe, at which one would wait for ever
        return None
    return read_text(path, findings, missing="there is no such file, or it is a link to none; name a .tf file")


def read_file(path: Path, findings: Findings) -> File | None:
    """Parse a file; what cannot be read becomes a finding."""
    text = _text(path, findings)
    if text is None:
        return None
    body, problems = _parsed(text)
    for problem in problems:
        findings.error(Where(str(path), problem.line), problem.text, problem.details)
    return None if body is None else File(str(path), text, body)


class _Problem(NamedTuple):
    line: int
    text: str
    details: tuple[str, ...] = ()


@lru_cache(maxsize=1024)
def _parsed(original: str) -> tuple[Tree[Token] | None, tuple[_Problem, ...]]:
    """The body of a file, parsed once for all who look at the same text, or why it cannot be parsed."""
    import hcl2
    from lark.exceptions import UnexpectedInput

    problems: list[_Problem] = []
    text = original
    while True:
        try:
            (body,) = hcl2.parses_to_tree(text).children
            assert not isinstance(body, str), "a file has one body"
            return body, tuple(problems)
        except UnexpectedInput as error:
            equals = _open_equals(error)
            if not equals:
                if text == original:  # otherwise its own faults are told, and this may be one of our reading
                    problems.append(_syntax_problem(text, error))
                return None, tuple(problems)
            line = text.split("\n")[error.line - 1].strip()
            said = (
                f'"{line}" is a block inside an object, which Terraform refuses; write blocks all the way, without "=":'
            )
            problems.append(_Problem(error.line, said, BLOCK_FORM))
            for start, end in equals:  # read on as the blocks that were meant
                text = text[:start] + " " * (end - start) + text[end:]


def _stack(error: UnexpectedInput) -> list[Any]:
    """The tokens and trees that the parser had read and not yet put together when it met the error."""
    return list(getattr(error.state, "value_stack", ()))


def _open_equals(error: UnexpectedInput) -> list[tuple[int, int]]:
    """Where the "=" of the objects around a block stand that is in an object; nothing if that is not what is wrong."""
    stack = _stack(error)
    token = getattr(error, "token", None)
    if token is None or token.type != "LBRACE" or "EQ" not in getattr(error, "expected", ()):
        return []
    if word(stack[-1]) not in NAMES:
        return []
    return [(one.start_pos, one.end_pos) for one, after in pairwise(stack) if _is(one, "EQ") and _is(after, "LBRACE")]


def _is(item: Any, *kinds: str) -> bool:
    return getattr(item, "type", None) in kinds


def _syntax_problem(text: str, error: UnexpectedInput) -> _Problem:
    opened = [one for one in _stack(error) if _is(one, *_CLOSED_BY)]
    if opened and _is(getattr(error, "token", None), "$END"):
        last = opened[-1]
        return _Problem(last.line, f"the {last} here is never closed; write {_CLOSED_BY[last.type]} where it ends")
    lines = text.split("\n")
    line = min(max(error.line, 1), len(lines))
    seen = lines[line - 1][max(error.column - 1, 0) :].strip() or lines[line - 1].strip()
    return _Problem(line, f"this cannot be read as HCL: {short(seen)}; correct it or what comes before it")


_CLOSED_BY = {"LBRACE": "}", "LSQB": "]", "LPAR": ")", "INTERP_START": "}", "DBLQUOTE": '"'}


def short(text: str) -> str:
    """A piece of text for a message: in one line, and not long."""
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."


def unescaped(text: Token) -> str:
    """What the characters of a quoted string stand for."""
    from hcl2.utils import process_escape_sequences

    # A token is a str, but for its repr, which is part of the digests by which runs files know their runs.
    plain: str = process_escape_sequences(text)
    return plain


def heredoc(tree: Tree[Token]) -> str:
    """The text of a heredoc that has no template in it."""
    from hcl2.transformer import RuleTransformer
    from hcl2.utils import SerializationOptions

    options = SerializationOptions(preserve_heredocs=False, strip_string_quotes=True)
    return str(RuleTransformer().transform(tree).serialize(options))
