"""Values of Terraform's variables that stand outside of its files: from the command line and from files of values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os.path import exists, isfile
from pathlib import Path
from typing import TYPE_CHECKING

from simkit.errors import Findings, Where
from simkit.inputs import terraform_json
from simkit.inputs.document import Value as Document
from simkit.inputs.expressions import Budget, Scope, evaluate, plain
from simkit.inputs.functions import of_json
from simkit.inputs.hcl import (
    MOST_FILES,
    File,
    Node,
    child_folder,
    fields_of,
    inner,
    parse_expression,
    read_file,
    subtrees,
    word,
)
from simkit.inputs.preset import Given
from simkit.inputs.text import read_text
from simkit.inputs.values import (
    Unknown,
    Value,
    as_text,
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


Outside = Mapping[str, str | Given]
"""Values of variables by name: text as the command line has it, or a value with the place where it stands."""


def from_outside(variables: Outside) -> dict[str, Given]:
    return {
        name: value if isinstance(value, Given) else Given(value, Where(f"--var {name}={value}"))
        for name, value in variables.items()
    }


def from_document(value: Document) -> dict[str, Given]:
    """The values under `variables` of a scenario or a test file, each with its line."""
    return {name: Given(_of_document(one), one.where) for name, one in value.entries().items()}


def _of_document(value: Document) -> Value:
    if value.is_mapping:
        return {name: _of_document(one) for name, one in value.entries().items()}
    if value.is_list:
        return [_of_document(one) for one in value.items()]
    found = value.plain()
    return found if found is None else as_text(found) if isinstance(found, bool) else value.scalar()


def value_text(value: object) -> str:
    """A value in one text: itself, or JSON, which Terraform's language can read."""
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)


def var_file(path: str | Path) -> dict[str, Given]:
    """The values in a file that is named, as for Terraform's -var-file. Raises InputError."""
    findings = Findings()
    path = Path(path)
    if not isfile(path):
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
    if len(others) > MOST_FILES:
        said = f"there are {len(others):,} files of values here, and {MOST_FILES:,} at most are read; take some out"
        findings.error(Where(str(folder)), said)
        return found
    for path in [*named, *others]:
        if path.is_symlink() and child_folder(folder, folder, path.name) is None:
            said = "is a link out of the template's folder, which is all that Coder gets; it is not read"
            findings.warning(Where(str(path)), said)
        elif exists(path):
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
    content = read_text(path, findings)
    if content is None:
        return {}
    try:
        document = terraform_json.read_json(content, terraform_json.MOST_VALUES)
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
