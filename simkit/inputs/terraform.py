"""Coder's presets out of a Terraform template, as far as literals, locals and variables say what their values are.

Only what a preset needs is worked out. Everything else in a template (resources, functions, heredocs) is read past.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simkit.clock import SECOND_US
from simkit.errors import Finding, Findings, Where, did_you_mean
from simkit.inputs.preset import (
    MAX_DESCRIPTION,
    MAX_ICON,
    REPORTED,
    Given,
    GivenPreset,
    GivenSchedule,
    text_of,
)

if TYPE_CHECKING:
    from lark import Token, Tree
    from lark.exceptions import UnexpectedInput

PRESET = "coder_workspace_preset"
_META = {"count", "for_each", "provider", "depends_on", "lifecycle"}
_NAMES: Mapping[str, set[str]] = {
    PRESET: {"name", "description", "icon", "default", "parameters", "prebuilds", *_META},
    "prebuilds": {"instances", "expiration_policy", "scheduling"},
    "expiration_policy": {"ttl"},
    "scheduling": {"timezone", "schedule"},
    "schedule": {"cron", "instances"},
}
_BLOCK_FORM = (
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


def read_terraform(path: Path, variables: Mapping[str, str], findings: Findings) -> tuple[GivenPreset, ...]:
    """The presets of a template: of all its `*.tf` files if `path` is a directory, or of one of them.

    Locals and variables come from the whole directory in either case. `variables` are values given from outside:
    `name` is a variable's, `local.name` stands in for a local that cannot be worked out. Problems become findings.
    """
    if path.is_dir():
        named, beside = sorted(path.glob("*.tf")), []
        if not named:
            findings.error(Where(str(path)), "there is no .tf file here; name the directory of a Coder template")
            return ()
    else:
        named, beside = [path], [other for other in sorted(path.parent.glob("*.tf")) if other.name != path.name]
    broken = Findings()
    files = [_read(file, broken) for file in named]
    findings.items.extend(broken)
    every = files + [_read(file, broken) for file in beside]
    module = _Module([f for f in every if f], variables, findings, () if all(every) else tuple(broken))
    if all(files) and not any(True for file in files if file for _ in file.presets()):
        findings.error(Where(str(path)), f'no data "{PRESET}" here; name the file or directory that has some')
    if all(every):
        module.check_variables()
    return tuple(preset for file in files if file for preset in module.presets(file))


@dataclass(frozen=True)
class _Node:
    """A piece of a file: an expression, or the body of a block. `line` is where its name stands."""

    file: _File
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

    def part(self, tree: Tree[Token]) -> _Node:
        return _Node(self.file, tree, tree.meta.line)


_Fields = dict[str, list[_Node]]


@dataclass(frozen=True)
class _File:
    path: str
    text: str
    body: Tree[Token]

    def blocks(self) -> Iterator[tuple[tuple[str, ...], _Node]]:
        """Every block of the file by its type and labels."""
        for child in _subtrees(self.body):
            if child.data == "block":
                *words, body = _subtrees(child)
                yield tuple(_word(word) for word in words), _Node(self, body, child.meta.line)

    def presets(self) -> Iterator[_Node]:
        return (body for words, body in self.blocks() if words[:2] == ("data", PRESET))


def _subtrees(tree: Tree[Token]) -> list[Tree[Token]]:
    return [c for c in tree.children if not isinstance(c, str) and c.data != "new_line_or_comment"]


def _word(tree: Tree[Token]) -> str:
    """A name or a quoted label."""
    return "".join(str(token) for token in tree.scan_values(lambda token: token != '"'))


def _inner(tree: Tree[Token]) -> Tree[Token]:
    """An expression without the parentheses around it."""
    while tree.data in ("expr_term", "object_elem_key"):
        (tree,) = _subtrees(tree)
    return tree


def _fields(body: _Node) -> _Fields:
    """The attributes and blocks of a body by name, in the order of the file."""
    fields: _Fields = {}
    for child in _subtrees(body.tree):
        name, *_, value = _subtrees(child)
        fields.setdefault(_word(name), []).append(_Node(body.file, value, child.meta.line))
    return fields


def _read(path: Path, findings: Findings) -> _File | None:
    """Parse a file; what cannot be read becomes a finding."""
    import hcl2
    from lark.exceptions import UnexpectedInput

    try:
        text = original = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        findings.error(Where(str(path)), f"cannot be read: {reason}; name a .tf file or a directory of them")
        return None
    while True:
        try:
            (body,) = hcl2.parses_to_tree(text).children
            assert not isinstance(body, str), "a file has one body"
            return _File(str(path), original, body)
        except UnexpectedInput as error:
            equals = _open_equals(error)
            if not equals:
                if text == original:  # otherwise its own faults are told, and this may be one of our reading
                    findings.error(*_syntax_problem(str(path), text, error))
                return None
            line = text.split("\n")[error.line - 1].strip()
            findings.error(
                Where(str(path), error.line),
                f'"{line}" is a block inside an object, which Terraform refuses; '
                'write blocks all the way, without "=":',
                _BLOCK_FORM,
            )
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
    if _word(stack[-1]) not in _NAMES:
        return []
    return [(one.start_pos, one.end_pos) for one, after in pairwise(stack) if _is(one, "EQ") and _is(after, "LBRACE")]


def _is(item: Any, *kinds: str) -> bool:
    return getattr(item, "type", None) in kinds


def _syntax_problem(path: str, text: str, error: UnexpectedInput) -> tuple[Where, str]:
    opened = [one for one in _stack(error) if _is(one, *_CLOSED_BY)]
    if opened and _is(getattr(error, "token", None), "$END"):
        last = opened[-1]
        return Where(path, last.line), f"the {last} here is never closed; write {_CLOSED_BY[last.type]} where it ends"
    lines = text.split("\n")
    line = min(max(error.line, 1), len(lines))
    seen = lines[line - 1][max(error.column - 1, 0) :].strip() or lines[line - 1].strip()
    return Where(path, line), f"this cannot be read as HCL: {_short(seen)}; correct it or what comes before it"


_CLOSED_BY = {"LBRACE": "}", "LSQB": "]", "LPAR": ")", "INTERP_START": "}", "DBLQUOTE": '"'}


class _Unresolved(Exception):
    """A value that only Terraform can work out: why, and how to give it (when that is known already)."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        self.reason, self.remedy = reason, remedy


@dataclass
class _Module:
    """A template's directory: its blocks, and the values that are given from outside."""

    files: list[_File]
    variables: Mapping[str, str]
    findings: Findings
    broken: tuple[Finding, ...]
    """Why files of the directory could not be read. One that nobody named is told once something is missing."""

    def __post_init__(self) -> None:
        self.locals: dict[str, _Node] = {}
        self.declared: dict[str, _Fields] = {}
        self.data: dict[tuple[str, str], _Fields] = {}
        self.working: list[int] = []  # the expressions that are being worked out, to notice a circle
        for file in self.files:
            for words, body in file.blocks():
                match words:
                    case ("locals",):
                        self.locals.update({name: nodes[0] for name, nodes in _fields(body).items()})
                    case ("variable", name):
                        self.declared[name] = _fields(body)
                    case ("data", kind, label):
                        self.data[kind, label] = _fields(body)
                    case _:
                        pass

    def check_variables(self) -> None:
        """Every value given from outside has a name that the template declares and the type it asks for."""
        names = [*self.declared, *(f"local.{name}" for name in self.locals)]
        for name, text in self.variables.items():
            where = Where(f"--var {name}={text}")
            if name not in names:
                self.findings.error(where, f'the template declares no "{name}"; {did_you_mean(name, names)}')
                continue
            wanted = self._type(name)
            if wanted in ("number", "bool") and isinstance(_CONVERT[wanted](text), str):
                example = "3" if wanted == "number" else "true"
                self.findings.error(where, f'variable "{name}" is a {wanted}; write --var {name}={example}')

    def _type(self, name: str) -> str:
        nodes = self.declared.get(name, {}).get("type", [])
        return nodes[0].source.strip('"') if nodes else ""

    # What an expression is worth.

    def evaluate(self, node: _Node) -> object:
        """A str, int, float, bool, None, or a dict or list of nodes that are not worked out yet. Raises _Unresolved."""
        if id(node.tree) in self.working:
            raise _Unresolved("refers to itself")
        self.working.append(id(node.tree))
        try:
            return self._evaluate(node, _inner(node.tree))
        finally:
            self.working.pop()

    def _evaluate(self, node: _Node, tree: Tree[Token]) -> object:
        match str(tree.data):
            case "int_lit" | "float_lit":
                return _number(str(tree.children[0]))
            case "literal_value":
                return {"true": True, "false": False}.get(_word(tree))
            case "string":
                return self._string(node, tree)
            case "heredoc_template" | "heredoc_template_trim":
                return _heredoc(tree)
            case "unary_op" if tree.children[0] == "-":
                value = self.evaluate(node.part(_subtrees(tree)[0]))
                if isinstance(value, int | float):
                    return -value
            case "tuple":
                return [node.part(element) for element in _subtrees(tree)]
            case "object":
                elements = [_subtrees(element) for element in _subtrees(tree)]
                return {self._key(node.part(key)): _Node(node.file, value, key.meta.line) for key, value in elements}
            case "get_attr_expr_term" | "index_expr_term":
                return self._reference(node, self._path(node, tree))
            case _:
                pass
        raise _Unresolved(_ONLY_TERRAFORM.get(str(tree.data), _ONLY_TERRAFORM[""]))

    def _key(self, node: _Node) -> str:
        tree = _inner(node.tree)
        if tree.data in ("identifier", "keyword", "literal_value"):
            return _word(tree)
        try:
            return str(text_of(self.evaluate(node)))
        except _Unresolved:
            return node.source

    def _string(self, node: _Node, tree: Tree[Token]) -> object:
        from hcl2.utils import process_escape_sequences

        parts: list[object] = []
        for (part,) in (part.children for part in _subtrees(tree)):
            if isinstance(part, str):  # "$${" and "%%{" stand for "${" and "%{"
                parts.append(process_escape_sequences(part) if part.type == "STRING_CHARS" else str(part[1:]))
            elif part.data == "interpolation":
                parts.append(self.evaluate(node.part(_subtrees(part)[0])))
            else:
                raise _Unresolved("cannot be worked out here (template directives are Terraform's)")
        if len(parts) == 1:
            return parts[0]  # as in Terraform, "${local.n}" is what local.n is, a number too
        texts = [text_of(part) for part in parts]
        if not all(isinstance(text, str) for text in texts):
            raise _Unresolved("puts something into text that is none")
        return "".join(map(str, texts))

    def _path(self, node: _Node, tree: Tree[Token]) -> list[object]:
        """The steps of a reference: local.pools["gpu"] is local, pools, gpu."""
        tree = _inner(tree)
        if tree.data == "identifier":
            return [_word(tree)]
        if tree.data not in ("get_attr_expr_term", "index_expr_term"):
            raise _Unresolved(_ONLY_TERRAFORM.get(str(tree.data), _ONLY_TERRAFORM[""]))
        base, step = _subtrees(tree)
        path = self._path(node, base)
        if step.data == "braces_index":
            return [*path, self.evaluate(node.part(_subtrees(step)[0]))]
        return [*path, int(str(step.children[-1])) if step.data == "short_index" else _word(_subtrees(step)[0])]

    def _reference(self, node: _Node, path: list[object]) -> object:
        match path:
            case ["local", str(name), *rest]:
                value = self._local(name)
            case ["var", str(name), *rest]:
                value = self._variable(name)
            case ["data", str(kind), str(label), str(name), *rest] if name in self.data.get((kind, label), {}):
                value = self.evaluate(self.data[kind, label][name][0])
            case _:
                raise _Unresolved(_ONLY_TERRAFORM[""])
        for step in rest:
            if isinstance(value, dict) and str(step) in value:
                value = self.evaluate(value[str(step)])
            elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
                value = self.evaluate(value[step])
            else:
                raise _Unresolved(f'there is no "{step}" in it', "write one that is there")
        return value

    def _local(self, name: str) -> object:
        if f"local.{name}" in self.variables:
            return self.variables[f"local.{name}"]
        if name not in self.locals:
            raise self._undeclared(f"local.{name}", [f"local.{known}" for known in self.locals])
        try:
            return self.evaluate(self.locals[name])
        except _Unresolved as error:
            if error.remedy:
                raise
            reason = f"local.{name} is {_short(self.locals[name].source)}, which {error.reason}"
            raise _Unresolved(reason, f"give it with --var local.{name}=value") from None

    def _variable(self, name: str) -> object:
        if name not in self.declared:
            raise self._undeclared(f"var.{name}", [f"var.{known}" for known in self.declared])
        if name in self.variables:
            value: object = self.variables[name]
        elif "default" in self.declared[name]:
            value = self.evaluate(self.declared[name]["default"][0])
        else:
            raise _Unresolved(f"var.{name} has no default", f"give it with --var {name}=value")
        return _CONVERT.get(self._type(name), _as_is)(value)

    def _undeclared(self, name: str, names: Collection[str]) -> _Unresolved:
        if self.broken:
            self.findings.items.extend(f for f in self.broken if f not in self.findings.items)
            return _Unresolved(_TOLD, _TOLD)
        return _Unresolved(f"{name} is not declared", did_you_mean(name, names))

    # What a preset says.

    def presets(self, file: _File) -> Iterator[GivenPreset]:
        """The file's presets, without those whose count is 0."""
        for body in file.presets():
            fields = _fields(body)
            for name in fields:
                if name not in _NAMES[PRESET] and name != "dynamic":
                    known = did_you_mean(name, _NAMES[PRESET] - _META)
                    self.findings.warning(fields[name][0].where, f'"{name}" in a {PRESET} is not looked at; {known}')
            self._refuse_dynamic(fields)
            if self._is_counted(fields):
                yield self._preset(body, fields)

    def _is_counted(self, fields: _Fields) -> bool:
        if "for_each" in fields:
            self._error(fields["for_each"][0], "for_each cannot be worked out here; write each preset out")
        count = self._given(fields, "count", _number)
        if count is None or count.value in (REPORTED, 1):
            return True
        if count.value != 0:
            self.findings.error(
                count.where, f"count must be 0 or 1, got {count.value}; write out each preset, names are unique"
            )
        return count.value != 0

    def _preset(self, body: _Node, fields: _Fields) -> GivenPreset:
        pool = self._block(fields, "prebuilds")
        policy = self._block(pool[1], "expiration_policy") if pool else None
        scheduling = self._block(pool[1], "scheduling") if pool else None
        return GivenPreset(
            where=body.where,
            name=self._given(fields, "name", text_of),
            description=self._text(fields, "description", MAX_DESCRIPTION),
            icon=self._text(fields, "icon", MAX_ICON),
            default=self._given(fields, "default", _truth),
            parameters=self._parameters(fields),
            instances=self._required(pool, "instances", _number) if pool else Given(0, body.where),
            ttl_us=self._ttl_us(policy),
            timezone=self._required(scheduling, "timezone", text_of),
            schedules=tuple(self._schedules(scheduling[1])) if scheduling else (),
        )

    def _ttl_us(self, policy: tuple[_Node, _Fields] | None) -> Given | None:
        ttl = self._required(policy, "ttl", _number)
        if ttl is None or ttl.value is REPORTED:
            return ttl
        if isinstance(ttl.value, int) and not isinstance(ttl.value, bool):
            return Given(ttl.value * SECOND_US, ttl.where)
        seen = "is missing" if ttl.value is None else f"must be a whole number of seconds, got {text_of(ttl.value)}"
        self.findings.error(ttl.where, f"ttl {seen}; write ttl = 86400")
        return Given(REPORTED, ttl.where)

    def _schedules(self, scheduling: _Fields) -> Iterator[GivenSchedule]:
        for node in scheduling.get("schedule", []):
            elements: list[_Node] = [node]
            if not node.is_block:
                value = self._value(node, "schedule")
                elements = value if isinstance(value, list) else [] if value is None else [node]
            for element in elements:
                fields = self._inside(element, "schedule")
                if fields is not None:
                    yield GivenSchedule(
                        cron=self._given(fields, "cron", text_of),
                        instances=self._given(fields, "instances", _number),
                        where=element.where,
                    )

    def _parameters(self, fields: _Fields) -> Given | None:
        node = self._single(fields, "parameters")
        if node is None:
            return None
        try:
            value = self.evaluate(node)
        except _Unresolved:
            value = {}  # a function such as merge() of what only Terraform knows
        if not isinstance(value, dict):
            return Given(value, node.where)
        return Given({name: self._text_or_source(one) for name, one in value.items()}, node.where)

    def _text(self, fields: _Fields, name: str, longest: int) -> Given | None:
        """A text that simkit only shows: its source, cut to what Coder takes, where the value cannot be worked out."""
        node = self._single(fields, name)
        if node is None:
            return None
        text = self._text_or_source(node)
        return Given(text[:longest] if text == node.source else text, node.where)

    def _text_or_source(self, node: _Node) -> str:
        try:
            text = text_of(self.evaluate(node))
        except _Unresolved:
            return node.source
        return "" if text is None else text if isinstance(text, str) else node.source

    # Fields and blocks.

    def _error(self, node: _Node, text: str) -> None:
        self.findings.error(node.where, text)

    def _refuse_dynamic(self, fields: _Fields) -> None:
        for node in fields.get("dynamic", []):
            self._error(node, "a dynamic block cannot be worked out here; write out each block that it makes")

    def _single(self, fields: _Fields, name: str) -> _Node | None:
        nodes = fields.get(name, [])
        for again in nodes[1:]:
            self._error(again, f'a second "{name}", the first is at {nodes[0].where}; Terraform takes one')
        return nodes[0] if nodes else None

    def _block(self, fields: _Fields, name: str) -> tuple[_Node, _Fields] | None:
        """A nested block, or the object that stands for it; None if it is absent."""
        node = self._single(fields, name)
        inside = None if node is None else self._inside(node, name)
        return None if node is None or inside is None else (node, inside)

    def _inside(self, node: _Node, name: str) -> _Fields | None:
        if node.is_block:
            fields = _fields(node)
        else:
            value = self._value(node, name)
            if value is None or value is REPORTED:
                return None
            if not isinstance(value, dict):
                self._error(
                    node, f"{name} must be a block, got {_short(node.source)}; write it like this:{_BLOCK_FORM}"
                )
                return None
            fields = {key: [element] for key, element in value.items()}
        self._refuse_dynamic(fields)
        for key, nodes in fields.items():
            if key not in _NAMES[name] and key != "dynamic":
                known = did_you_mean(key, _NAMES[name])
                self._error(nodes[0], f'"{key}" is unknown in {name}, and Terraform refuses it; {known}')
        return fields

    def _given(self, fields: _Fields, name: str, convert: Callable[[object], object]) -> Given | None:
        """One value, converted as Terraform does where it can be; None if it is absent or null."""
        node = self._single(fields, name)
        if node is None:
            return None
        value = self._value(node, name)
        if isinstance(value, dict | list):
            self._error(node, f"{name} must be one value, got {_short(node.source)}")
            value = REPORTED
        return None if value is None else Given(convert(value), node.where)

    def _required(
        self, block: tuple[_Node, _Fields] | None, name: str, convert: Callable[[object], object]
    ) -> Given | None:
        """As `_given`, but a block without it gives a missing value at the block's place."""
        if block is None:
            return None
        return self._given(block[1], name, convert) or Given(None, block[0].where)

    def _value(self, node: _Node, name: str) -> object:
        """The value of an attribute, REPORTED if there is something wrong with it."""
        if node.is_block:
            self._error(node, f"{name} is written as a block; write {name} = ...")
            return REPORTED
        try:
            return self.evaluate(node)
        except _Unresolved as error:
            remedy = error.remedy or (
                "give the value itself, or name it in locals as x and give it with --var local.x=value"
            )
            if error.reason != _TOLD:
                self._error(node, f"{name} = {_short(node.source)}: {error.reason}; {remedy}")
            return REPORTED


_TOLD = "it may stand in a file that cannot be read"
_ONLY_TERRAFORM = {
    "function_call": "cannot be worked out here (functions are Terraform's)",
    "binary_op": "cannot be worked out here (arithmetic is Terraform's)",
    "unary_op": "cannot be worked out here (arithmetic is Terraform's)",
    "conditional": "cannot be worked out here (conditions are Terraform's)",
    "": "cannot be worked out here (only Terraform knows it)",
}


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."


def _heredoc(tree: Tree[Token]) -> str:
    from hcl2.transformer import RuleTransformer
    from hcl2.utils import SerializationOptions

    if re.search(r"[$%]\{", str(tree.children[0])):
        raise _Unresolved("cannot be worked out here (template directives are Terraform's)")
    options = SerializationOptions(preserve_heredocs=False, strip_string_quotes=True)
    return str(RuleTransformer().transform(tree).serialize(options))


def _number(value: object) -> object:
    """The number that a text stands for, whole if it is; anything else as it is."""
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", value):
        value = int(value) if re.fullmatch(r"-?\d+", value) else float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _truth(value: object) -> object:
    """The truth value that a text stands for; anything else as it is."""
    return _TRUTHS.get(value, value) if isinstance(value, str) else value


_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def _as_is(value: object) -> object:
    return value


_CONVERT: Mapping[str, Callable[[object], object]] = {"number": _number, "bool": _truth, "string": text_of}
