"""Terraform files, also those in JSON, as trees with their lines: found, parsed once, and asked for their blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from os.path import exists, isfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from simkit.errors import Findings, Where
from simkit.files import LEADS_OUT, leads_out
from simkit.inputs import terraform_json
from simkit.inputs.text import MOST_BYTES, read_text

if TYPE_CHECKING:
    from lark import Token, Tree
    from lark.exceptions import UnexpectedInput

PRESET = "coder_workspace_preset"
TERRAFORM = ".tf"
TERRAFORM_JSON = ".tf.json"
NOT_TERRAFORM = f"is not a Terraform file; name a {TERRAFORM} file or a folder with some"
_BEGINS = re.compile(rf'^\s*data\s+"?{PRESET}\b|"{PRESET}"\s*:', re.MULTILINE)
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


_MOST_BYTES = 1_000_000
"""Of a Terraform file. The parser takes 250 bytes of memory for each of a long text, and a template has a tenth."""
_MOST_TOKENS = 25_000
"""Words and signs of a Terraform file: some 3,500 lines, which the parser takes a second for."""
_MOST_BLOCKS_IN_OBJECTS = 20
"""That are told of a file: it is read again behind each."""


def is_terraform(name: str) -> bool:
    """Whether Terraform reads a file of this name in a folder: not hidden ones, nor what editors leave behind."""
    hidden = name.startswith((".", "#")) or name.endswith("~")
    return name.endswith((TERRAFORM, TERRAFORM_JSON)) and not hidden


def is_override(name: str) -> bool:
    """Whether a Terraform file changes the blocks of others instead of having its own."""
    stem = name.removesuffix(".json").removesuffix(TERRAFORM)
    return stem == "override" or stem.endswith("_override")


MOST_FILES = 1_000
"""Of Terraform's in a folder: each takes a millisecond to look at."""


def terraform_files(folder: Path) -> list[Path]:
    """The files of a folder that Terraform reads, in order; not folders of such a name."""
    return [path for path in sorted(folder.glob("*")) if is_terraform(path.name) and not path.is_dir()]


def has_preset(path: Path) -> bool:
    """Is there a preset in a file? A mention in a comment or in a text is none, nor is what an override changes.

    True, too, for one that cannot be read, so that whoever reads it tells: nobody knows what is in it.
    """
    text = _text(path, Findings())
    if text is None:
        return True
    if PRESET not in text or is_override(path.name):
        return False  # a repository has much other Terraform, and to parse it takes long
    file = read_file(path, Findings())
    return _BEGINS.search(text) is not None if file is None else any(True for _ in file.presets())


def child_folder(top: Path, folder: Path, source: str) -> Path | None:
    """The folder of a module that is called from `folder`, as a path below `top`; None for one outside of that."""
    try:
        whole, real = top.resolve(), (folder / source).resolve()
    except (OSError, RuntimeError, ValueError):
        return None
    return top / real.relative_to(whole) if real.is_relative_to(whole) else None


def called_folders(top: Path, path: Path) -> tuple[Path, ...]:
    """The folders below `top` of the child modules that a file there calls by a path (`source = "./pool"`)."""
    text = _text(path, Findings())
    if text is None or "module" not in text or not _LOCAL_SOURCE.search(text):
        return ()
    file = read_file(path, Findings())
    if file is None:
        return ()
    sources = [fields_of(body).get("source", []) for words, body in file.blocks() if words[:1] == ("module",)]
    written = [nodes[0].source.strip('"') for nodes in sources if nodes]
    found = (child_folder(top, path.parent, source) for source in written if source.startswith(LOCAL_SOURCES))
    return tuple(folder for folder in found if folder is not None)


LOCAL_SOURCES = ("./", "../")
"""How the source of a module begins that is a folder beside the template, and comes from nowhere else."""
_LOCAL_SOURCE = re.compile(r'source"?\s*[=:]\s*"\.')


@dataclass(frozen=True)
class Node:
    """A piece of a file: an expression, or the body of a block. `line` is where its name stands."""

    file: File
    tree: Tree[Token]
    line: int
    labels: tuple[str, ...] = ()
    """Of a block."""

    @property
    def where(self) -> Where:
        return Where(self.file.path, self.line)

    @property
    def is_block(self) -> bool:
        return self.tree.data == "body"

    @property
    def source(self) -> str:
        meta = self.tree.meta
        return self.file.text[meta.start_pos : meta.end_pos].strip() if hasattr(meta, "start_pos") else ""

    def part(self, tree: Tree[Token]) -> Node:
        return Node(self.file, tree, getattr(tree.meta, "line", self.line))


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
                words = tuple(word(label) for label in labels)
                yield words, Node(self, body, child.meta.line, words[1:])

    def presets(self) -> Iterator[Node]:
        return (body for words, body in self.blocks() if words[:2] == ("data", PRESET))

    @property
    def is_override(self) -> bool:
        return is_override(Path(self.path).name)

    @property
    def is_json(self) -> bool:
        return self.path.endswith(".json")


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
        name, *labels, value = subtrees(child)
        words = tuple(word(label) for label in labels)
        fields.setdefault(word(name), []).append(Node(body.file, value, child.meta.line, words))
    return fields


def _text(path: Path, findings: Findings) -> str | None:
    if exists(path) and not isfile(path):
        findings.error(Where(str(path)), NOT_TERRAFORM)  # a pipe, at which one would wait for ever
        return None
    if leads_out(path) and exists(path):
        findings.error(Where(str(path)), LEADS_OUT)
        return None
    most = MOST_BYTES if path.name.endswith(TERRAFORM_JSON) else _MOST_BYTES
    missing = "there is no such file, or it is a link to none; name a .tf file"
    return read_text(path, findings, missing=missing, most=most)


def read_file(path: Path, findings: Findings) -> File | None:
    """Parse a file; what cannot be read becomes a finding."""
    text = _text(path, findings)
    if text is None:
        return None
    is_json = path.name.endswith(TERRAFORM_JSON)
    body, problems = _parsed_json(text) if is_json else _parsed(text)
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
    from lark.exceptions import UnexpectedInput

    problems: list[_Problem] = []
    text = original
    while True:
        try:
            return _body(_as_the_parser_takes_it(text)), tuple(problems)
        except _TooLong as error:
            return None, (*problems, _Problem(error.line, str(error)))
        except UnexpectedInput as error:
            equals = _open_equals(error)
            if not equals or len(problems) >= _MOST_BLOCKS_IN_OBJECTS:
                if not problems:  # otherwise its own faults are told, and this may be one of our reading
                    problems.append(_syntax_problem(text, error))
                return None, tuple(problems)
            line = text.split("\n")[error.line - 1].strip()
            said = (
                f'"{line}" is a block inside an object, which Terraform refuses; write blocks all the way, without "=":'
            )
            problems.append(_Problem(error.line, said, BLOCK_FORM))
            for start, end in equals:  # read on as the blocks that were meant
                text = text[:start] + " " * (end - start) + text[end:]


@lru_cache(maxsize=1024)
def _parsed_json(text: str) -> tuple[Tree[Token] | None, tuple[_Problem, ...]]:
    try:
        return terraform_json.body(text), ()
    except terraform_json.NotJson as error:
        return None, (_Problem(error.line, str(error)),)


class _TooLong(ValueError):
    """A text has more in it than is read, from `line` on."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(
            f"a file is read up to {_MOST_TOKENS:,} words and signs, which end here; "
            "write loops in place of what is alike, or several files"
        )


def _body(text: str) -> Tree[Token]:
    """The body of a file. Raises UnexpectedInput, and _TooLong."""
    from hcl2.parser import parser

    parsing = parser().parse_interactive(f"{text}\n")
    for count, token in enumerate(parsing.iter_parse()):
        if count >= _MOST_TOKENS:
            raise _TooLong(token.line or 1)
    state: Any = parsing.lexer_thread.state
    (body,) = parsing.feed_eof(state.last_token).children  # type: ignore[no-untyped-call]
    assert not isinstance(body, str), "a file has one body"
    return body


def _as_the_parser_takes_it(text: str) -> str:
    """The text with blanks after the ends of heredocs moved before them, where each keeps its place."""
    if "<<" not in text:
        return text
    lines, end = text.split("\n"), ""
    for i, line in enumerate(lines):
        if not end:
            begun = _HEREDOC.search(line)
            end = begun[1] if begun else ""
        elif line.strip(" \t") == end:
            named = line.rstrip(" \t").removesuffix(end)
            lines[i] = f"{named}{line[len(named) + len(end) :]}{end}"
            end = ""
    return "\n".join(lines)


_HEREDOC = re.compile(r"^(?!\s*(?:#|//)).*<<-?([\w.-]+)$")


def expression_in(code: str, path: str, line: int) -> Node | None:
    """An expression that stands inside a text, there, as a file of its own; None if it cannot be read."""
    tree = parse_expression(code)
    return None if tree is None else Node(File(path, _BEFORE + code, tree), tree, line)


_BEFORE = "x = (\n"


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Tree[Token] | None:
    """The expression that a text is; None if it is none."""
    from lark.exceptions import UnexpectedInput

    try:
        body = _body(f"{_BEFORE}{text}\n)\n")
        (attribute,) = [child for child in subtrees(body) if child.data == "attribute"]
    except (UnexpectedInput, ValueError):
        return None
    return subtrees(attribute)[-1]


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

    return str(process_escape_sequences(text))
