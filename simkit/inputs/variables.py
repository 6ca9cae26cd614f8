"""Values of Terraform's variables that stand outside of its files: from the command line and from files of values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from simkit.errors import Findings, Where
from simkit.inputs import terraform_json
from simkit.inputs.expressions import Budget, Scope, evaluate
from simkit.inputs.functions import of_json
from simkit.inputs.hcl import File, Node, fields_of, inner, parse_expression, read_file, subtrees, word
from simkit.inputs.preset import Given
from simkit.inputs.text import read_text
from simkit.inputs.values import (
    Unknown,
    Value,
    failure,
    items,
    known,
    mapping,
    number,
    text,
    to_set,
    truth,
)

if TYPE_CHECKING:
    from lark import Token, Tree

VALUES = ".tfvars"
_VALUES_JSON = ".tfvars.json"
_OF_ITSELF = ("terraform.tfvars", "terraform.tfvars.json")


def from_outside(variables: Mapping[str, Value]) -> dict[str, Given]:
    """Values of variables as the command line gives them: text, or what a file of values says."""
    found = {}
    for name, value in variables.items():
        where = Where(f"--var {name}={value}") if isinstance(value, str) else Where(f"--var {name}")
        found[name] = value if isinstance(value, Given) else Given(value, where)
    return found


def var_file(path: str | Path) -> dict[str, Given]:
    """The values in a file that is named, as for Terraform's -var-file. Raises InputError."""
    findings = Findings()
    path = Path(path)
    if not path.is_file():
        findings.error(Where(str(path)), "there is no such file; name a .tfvars or .tfvars.json file")
    found = {} if findings.errors else _values(path, findings)
    findings.raise_errors()
    return found


def is_values(name: str) -> bool:
    """Whether Terraform and Coder read a file of this name in a template's folder for the values of variables."""
    return name in _OF_ITSELF or (name.endswith((".auto" + VALUES, ".auto" + _VALUES_JSON)) and name[0] != ".")


def values_beside(folder: Path, findings: Findings) -> dict[str, Given]:
    """The values that a template's folder has for its variables: of several the last, in Terraform's order."""
    named = [folder / name for name in _OF_ITSELF]
    others = sorted(path for path in folder.glob("*.auto.tfvars*") if is_values(path.name))
    found: dict[str, Given] = {}
    for path in [*named, *others]:
        if path.exists():
            found.update(_values(path, findings))
    return found


def _values(path: Path, findings: Findings) -> dict[str, Given]:
    if path.name.endswith(".json"):
        return _values_in_json(path, findings)
    file = read_file(path, findings)
    if file is None:
        return {}
    found = {}
    body = Node(file, file.body, 1)
    for name, nodes in fields_of(body).items():
        node = nodes[-1]
        value = Unknown("", "is a block") if node.is_block else literal(node)
        if isinstance(value, Unknown):
            findings.error(node.where, f"{name} {value.reason}; write a value, such as {name} = 1")
        else:
            found[name] = Given(value, node.where)
    return found


def _values_in_json(path: Path, findings: Findings) -> dict[str, Given]:
    content = read_text(path, findings) if path.is_file() else None
    if content is None:
        return {}
    try:
        document = terraform_json.read_json(content)
    except terraform_json.NotJson as error:
        findings.error(Where(str(path), error.line), str(error))
        return {}
    if not isinstance(document.value, dict):
        findings.error(Where(str(path), document.line), 'is no JSON object of values; write {"name": 1}')
        return {}
    return {name: Given(of_json(piece.plain), Where(str(path), line)) for name, (line, piece) in document.value.items()}


class _Nothing:
    """Names of nothing, where a value has to stand by itself."""

    def lookup(self, path: list[str | int], scope: Scope) -> tuple[Value, int]:
        raise failure(f"refers to {path[0]}, and has to stand by itself")

    def call(self, name: str, arguments: list[Value], scope: Scope) -> Value:
        raise failure(f"calls {name}, and has to stand by itself")


def literal(node: Node) -> Value:
    return evaluate(node, Scope(_Nothing(), Budget()))


def parsed_literal(written: str) -> Value:
    """A value that is written as an expression, as Terraform reads -var of a variable that is no text."""
    tree = parse_expression(written)
    if tree is None:
        return Unknown("", "cannot be read as a value", failed=True)
    return literal(Node(File("", "", tree), tree, 1))


# Types.


def type_of(fields: Mapping[str, list[Node]]) -> Tree[Token] | None:
    """The type constraint of a variable block; None if it takes anything."""
    nodes = fields.get("type", [])
    if not nodes or nodes[0].is_block:
        return None
    tree = inner(nodes[0].tree)
    return parse_expression(nodes[0].source.strip('"')) if tree.data in ("string", "json_text") else tree


def converted(value: Value, wanted: Tree[Token] | None, node: Node) -> Value:
    """A value as a type constraint asks for it, with the defaults of optional(). Raises NotKnown."""
    if value is None or wanted is None or isinstance(value, Unknown):
        return value
    tree = inner(wanted)
    if tree.data != "function_call":
        how = {"string": text, "number": number, "bool": truth}.get(word(tree))
        return value if how is None else how(value)
    kind, *inside = subtrees(tree)
    arguments = subtrees(inside[0]) if inside else []
    of = arguments[0] if arguments else None
    match word(kind):
        case "list":
            return [converted(one, of, node) for one in items(value)]
        case "set":
            return to_set([converted(one, of, node) for one in items(value)])
        case "map":
            return {name: converted(one, of, node) for name, one in mapping(value).items()}
        case "tuple" if of is not None:
            wants = subtrees(inner(of))
            return [converted(one, want, node) for one, want in zip(items(value), wants, strict=False)]
        case "object" if of is not None:
            return _object(mapping(value), of, node)
        case _:
            return value


def _object(value: dict[str, Value], wanted: Tree[Token], node: Node) -> Value:
    found: dict[str, Value] = {}
    for element in subtrees(inner(wanted)):
        key, want = subtrees(element)
        name, tree = word(inner(key)), inner(want)
        default: Value = None
        parts = subtrees(tree) if tree.data == "function_call" else []
        is_optional = bool(parts) and word(parts[0]) == "optional"
        if is_optional:
            want, *rest = subtrees(parts[1])
            default = literal(node.part(rest[0])) if rest else None
        elif name not in value:
            raise failure(f'has no "{name}", which its type asks for', "write it")
        given = value.get(name)
        found[name] = converted(default if given is None else given, want, node)
    return found


def given_value(given: Given, wanted: Tree[Token] | None, node: Node) -> Value:
    """A value from outside as its variable takes it. Raises NotKnown."""
    value: Value = given.value
    is_plain = wanted is None or inner(wanted).data != "function_call"
    if isinstance(value, str) and not is_plain:
        value = known(parsed_literal(value))
    return converted(value, wanted, node)
