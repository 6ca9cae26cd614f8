"""Coder's presets out of a Terraform template, as far as literals, locals and variables say what their values are.

Only what a preset needs is worked out. Everything else in a template (resources, functions, heredocs) is read past.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simkit.clock import SECOND_US
from simkit.errors import UNDECLARED_VARIABLE, Finding, Findings, Where, did_you_mean
from simkit.inputs.hcl import (
    BLOCK_FORM,
    META,
    NAMES,
    NOT_TERRAFORM,
    PRESET,
    TERRAFORM,
    Fields,
    File,
    Node,
    fields_of,
    heredoc,
    inner,
    read_file,
    short,
    subtrees,
    terraform_files,
    unescaped,
    word,
)
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


def from_outside(variables: Mapping[str, str]) -> dict[str, Given]:
    """Values of variables as the command line gives them."""
    return {name: Given(text, Where(f"--var {name}={text}")) for name, text in variables.items()}


def read_terraform(path: Path, variables: Mapping[str, Given], findings: Findings) -> tuple[GivenPreset, ...]:
    """The presets of a template: of all its `*.tf` files if `path` is a directory, or of one of them.

    Locals and variables come from the whole directory in either case. `variables` are values given from outside:
    `name` is a variable's, `local.name` stands in for a local that cannot be worked out. Problems become findings; that
    the template does not declare a variable has a name, UNDECLARED_VARIABLE.
    """
    if path.is_dir():
        named, beside = terraform_files(path), []
        if not named:
            findings.error(Where(str(path)), f"there is no {TERRAFORM} file here; name the folder of a Coder template")
            return ()
    elif path.suffix != TERRAFORM:
        findings.error(Where(str(path)), NOT_TERRAFORM)
        return ()
    else:
        named, beside = [path], [other for other in terraform_files(path.parent) if other.name != path.name]
    broken = Findings()
    files = [read_file(file, broken) for file in named]
    findings.extend(broken)
    every = files + [read_file(file, broken) for file in beside]
    module = _Module([f for f in every if f], variables, findings, () if all(every) else tuple(broken))
    if all(files) and not any(True for file in files if file for _ in file.presets()):
        findings.error(Where(str(path)), f'no data "{PRESET}" here; name the file or directory that has some')
    if all(every):
        module.check_variables()
    return tuple(preset for file in files if file for preset in module.presets(file))


class _Unresolved(Exception):
    """A value that only Terraform can work out: why, and how to give it (when that is known already)."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        self.reason, self.remedy = reason, remedy


@dataclass
class _Module:
    """A template's directory: its blocks, and the values that are given from outside."""

    files: list[File]
    variables: Mapping[str, Given]
    findings: Findings
    broken: tuple[Finding, ...]
    """Why files of the directory could not be read. One that nobody named is told once something is missing."""

    def __post_init__(self) -> None:
        self.locals: dict[str, Node] = {}
        self.declared: dict[str, Fields] = {}
        self.data: dict[tuple[str, str], Fields] = {}
        self.working: list[int] = []  # the expressions that are being worked out, to notice a circle
        for file in self.files:
            for words, body in file.blocks():
                match words:
                    case ("locals",):
                        self.locals.update({name: nodes[0] for name, nodes in fields_of(body).items()})
                    case ("variable", name):
                        self.declared[name] = fields_of(body)
                    case ("data", kind, label):
                        self.data[kind, label] = fields_of(body)
                    case _:
                        pass

    def check_variables(self) -> None:
        """Every value given from outside has a name that the template declares and the type it asks for."""
        names = [*self.declared, *(f"local.{name}" for name in self.locals)]
        for name, given in self.variables.items():
            if name not in names:
                known = did_you_mean(name, names)
                text = f'the template declares no "{name}"; {known}'
                self.findings.error(given.where, text, name=UNDECLARED_VARIABLE)
                continue
            wanted = self._type(name)
            if wanted in ("number", "bool") and isinstance(_CONVERT[wanted](given.value), str):
                example = "3" if wanted == "number" else "true"
                self.findings.error(given.where, f'variable "{name}" is a {wanted}; write {name}={example}')

    def _type(self, name: str) -> str:
        nodes = self.declared.get(name, {}).get("type", [])
        return nodes[0].source.strip('"') if nodes else ""

    # What an expression is worth.

    def evaluate(self, node: Node) -> object:
        """A str, int, float, bool, None, or a dict or list of nodes that are not worked out yet. Raises _Unresolved."""
        if id(node.tree) in self.working:
            raise _Unresolved("refers to itself")
        self.working.append(id(node.tree))
        try:
            return self._evaluate(node, inner(node.tree))
        finally:
            self.working.pop()

    def _evaluate(self, node: Node, tree: Tree[Token]) -> object:
        match str(tree.data):
            case "int_lit" | "float_lit":
                return _number(str(tree.children[0]))
            case "literal_value":
                return {"true": True, "false": False}.get(word(tree))
            case "string":
                return self._string(node, tree)
            case "heredoc_template" | "heredoc_template_trim":
                if re.search(r"[$%]\{", str(tree.children[0])):
                    raise _Unresolved("cannot be worked out here (template directives are Terraform's)")
                return heredoc(tree)
            case "unary_op" if tree.children[0] == "-":
                value = self.evaluate(node.part(subtrees(tree)[0]))
                if isinstance(value, int | float):
                    return -value
            case "tuple":
                return [node.part(element) for element in subtrees(tree)]
            case "object":
                elements = [subtrees(element) for element in subtrees(tree)]
                return {self._key(node.part(key)): Node(node.file, value, key.meta.line) for key, value in elements}
            case "get_attr_expr_term" | "index_expr_term":
                return self._reference(node, self._path(node, tree))
            case _:
                pass
        raise _Unresolved(_ONLY_TERRAFORM.get(str(tree.data), _ONLY_TERRAFORM[""]))

    def _key(self, node: Node) -> str:
        tree = inner(node.tree)
        if tree.data in ("identifier", "keyword", "literal_value"):
            return word(tree)
        try:
            return str(text_of(self.evaluate(node)))
        except _Unresolved:
            return node.source

    def _string(self, node: Node, tree: Tree[Token]) -> object:
        parts: list[object] = []
        for (part,) in (part.children for part in subtrees(tree)):
            if isinstance(part, str):  # "$${" and "%%{" stand for "${" and "%{"
                parts.append(unescaped(part) if part.type == "STRING_CHARS" else str(part[1:]))
            elif part.data == "interpolation":
                parts.append(self.evaluate(node.part(subtrees(part)[0])))
            else:
                raise _Unresolved("cannot be worked out here (template directives are Terraform's)")
        if len(parts) == 1:
            return parts[0]  # as in Terraform, "${local.n}" is what local.n is, a number too
        texts = [text_of(part) for part in parts]
        if not all(isinstance(text, str) for text in texts):
            raise _Unresolved("puts something into text that is none")
        return "".join(map(str, texts))

    def _path(self, node: Node, tree: Tree[Token]) -> list[object]:
        """The steps of a reference: local.pools["gpu"] is local, pools, gpu."""
        tree = inner(tree)
        if tree.data == "identifier":
            return [word(tree)]
        if tree.data not in ("get_attr_expr_term", "index_expr_term"):
            raise _Unresolved(_ONLY_TERRAFORM.get(str(tree.data), _ONLY_TERRAFORM[""]))
        base, step = subtrees(tree)
        path = self._path(node, base)
        if step.data == "braces_index":
            return [*path, self.evaluate(node.part(subtrees(step)[0]))]
        return [*path, int(str(step.children[-1])) if step.data == "short_index" else word(subtrees(step)[0])]

    def _reference(self, node: Node, path: list[object]) -> object:
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
            return self.variables[f"local.{name}"].value
        if name not in self.locals:
            raise self._undeclared(f"local.{name}", [f"local.{known}" for known in self.locals])
        try:
            return self.evaluate(self.locals[name])
        except _Unresolved as error:
            if error.remedy:
                raise
            reason = f"local.{name} is {short(self.locals[name].source)}, which {error.reason}"
            raise _Unresolved(reason, f"give it with --var local.{name}=value") from None

    def _variable(self, name: str) -> object:
        if name not in self.declared:
            raise self._undeclared(f"var.{name}", [f"var.{known}" for known in self.declared])
        if name in self.variables:
            value: object = self.variables[name].value
        elif "default" in self.declared[name]:
            value = self.evaluate(self.declared[name]["default"][0])
        else:
            raise _Unresolved(f"var.{name} has no default", f"give it with --var {name}=value")
        return _CONVERT.get(self._type(name), _as_is)(value)

    def _undeclared(self, name: str, names: Collection[str]) -> _Unresolved:
        if self.broken:
            self.findings.extend(self.broken)
            return _Unresolved(_TOLD, _TOLD)
        return _Unresolved(f"{name} is not declared", did_you_mean(name, names))

    # What a preset says.

    def presets(self, file: File) -> Iterator[GivenPreset]:
        """The file's presets, without those whose count is 0."""
        for body in file.presets():
            fields = fields_of(body)
            for name in fields:
                if name not in NAMES[PRESET] and name != "dynamic":
                    known = did_you_mean(name, NAMES[PRESET] - META)
                    self.findings.warning(fields[name][0].where, f'"{name}" in a {PRESET} is not looked at; {known}')
            self._refuse_dynamic(fields)
            if self._is_counted(fields):
                yield self._preset(body, fields)

    def _is_counted(self, fields: Fields) -> bool:
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

    def _preset(self, body: Node, fields: Fields) -> GivenPreset:
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

    def _ttl_us(self, policy: tuple[Node, Fields] | None) -> Given | None:
        ttl = self._required(policy, "ttl", _number)
        if ttl is None or ttl.value is REPORTED:
            return ttl
        if isinstance(ttl.value, int) and not isinstance(ttl.value, bool):
            return Given(ttl.value * SECOND_US, ttl.where)
        seen = "is missing" if ttl.value is None else f"must be a whole number of seconds, got {text_of(ttl.value)}"
        self.findings.error(ttl.where, f"ttl {seen}; write ttl = 86400")
        return Given(REPORTED, ttl.where)

    def _schedules(self, scheduling: Fields) -> Iterator[GivenSchedule]:
        for node in scheduling.get("schedule", []):
            elements: list[Node] = [node]
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

    def _parameters(self, fields: Fields) -> Given | None:
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

    def _text(self, fields: Fields, name: str, longest: int) -> Given | None:
        """A text that simkit only shows: its source, cut to what Coder takes, where the value cannot be worked out."""
        node = self._single(fields, name)
        if node is None:
            return None
        text = self._text_or_source(node)
        return Given(text[:longest] if text == node.source else text, node.where)

    def _text_or_source(self, node: Node) -> str:
        try:
            text = text_of(self.evaluate(node))
        except _Unresolved:
            return node.source
        return "" if text is None else text if isinstance(text, str) else node.source

    # Fields and blocks.

    def _error(self, node: Node, text: str) -> None:
        self.findings.error(node.where, text)

    def _refuse_dynamic(self, fields: Fields) -> None:
        for node in fields.get("dynamic", []):
            self._error(node, "a dynamic block cannot be worked out here; write out each block that it makes")

    def _single(self, fields: Fields, name: str) -> Node | None:
        nodes = fields.get(name, [])
        for again in nodes[1:]:
            self._error(again, f'a second "{name}", the first is at {nodes[0].where}; Terraform takes one')
        return nodes[0] if nodes else None

    def _block(self, fields: Fields, name: str) -> tuple[Node, Fields] | None:
        """A nested block, or the object that stands for it; None if it is absent."""
        node = self._single(fields, name)
        inside = None if node is None else self._inside(node, name)
        return None if node is None or inside is None else (node, inside)

    def _inside(self, node: Node, name: str) -> Fields | None:
        if node.is_block:
            fields = fields_of(node)
        else:
            value = self._value(node, name)
            if value is None or value is REPORTED:
                return None
            if not isinstance(value, dict):
                self._error(node, f"{name} must be a block, got {short(node.source)}; write it like this:{BLOCK_FORM}")
                return None
            fields = {key: [element] for key, element in value.items()}
        self._refuse_dynamic(fields)
        for key, nodes in fields.items():
            if key not in NAMES[name] and key != "dynamic":
                known = did_you_mean(key, NAMES[name])
                self._error(nodes[0], f'"{key}" is unknown in {name}, and Terraform refuses it; {known}')
        return fields

    def _given(self, fields: Fields, name: str, convert: Callable[[object], object]) -> Given | None:
        """One value, converted as Terraform does where it can be; None if it is absent or null."""
        node = self._single(fields, name)
        if node is None:
            return None
        value = self._value(node, name)
        if isinstance(value, dict | list):
            self._error(node, f"{name} must be one value, got {short(node.source)}")
            value = REPORTED
        return None if value is None else Given(convert(value), node.where)

    def _required(
        self, block: tuple[Node, Fields] | None, name: str, convert: Callable[[object], object]
    ) -> Given | None:
        """As `_given`, but a block without it gives a missing value at the block's place."""
        if block is None:
            return None
        return self._given(block[1], name, convert) or Given(None, block[0].where)

    def _value(self, node: Node, name: str) -> object:
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
                self._error(node, f"{name} = {short(node.source)}: {error.reason}; {remedy}")
            return REPORTED


_TOLD = "it may stand in a file that cannot be read"
_ONLY_TERRAFORM = {
    "function_call": "cannot be worked out here (functions are Terraform's)",
    "binary_op": "cannot be worked out here (arithmetic is Terraform's)",
    "unary_op": "cannot be worked out here (arithmetic is Terraform's)",
    "conditional": "cannot be worked out here (conditions are Terraform's)",
    "": "cannot be worked out here (only Terraform knows it)",
}


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
