"""Presets as Terraform resolved them, out of `terraform show -json` of a plan or a state."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simkit.errors import UNDECLARED_VARIABLE, Findings, Where
from simkit.files import LEADS_OUT, leads_out, read_whole
from simkit.inputs.hcl import PRESET, TERRAFORM_JSON, File, Node
from simkit.inputs.module import AGENT, MOST_INSTANCES, Block, Module, Reading
from simkit.inputs.preset import Given, GivenPreset
from simkit.inputs.terraform import PresetReader, warn_of_agents
from simkit.inputs.terraform_json import NotJson, Piece, expression, read_json

SHOW = "write the output of `terraform show -json PLANFILE`"
MAX_VALUE = 80  # characters of a value that are shown
MOST_BYTES = 10_000_000
"""Of a plan. Twenty thousand changes are four million; what Python makes of them may be thirty times as large."""


def is_shown(name: str) -> bool:
    """Whether a file of this name may be what Terraform shows, and not a file of a template."""
    return name.endswith(".json") and not name.endswith((TERRAFORM_JSON, ".tfvars.json"))


def read_shown(path: Path, variables: Mapping[str, Given], findings: Findings) -> tuple[GivenPreset, ...]:
    """The presets in what `terraform show -json` says of a plan or a state, with the values that Terraform gave them.

    Problems become findings; a value from outside is one, as a plan has its own: UNDECLARED_VARIABLE.
    """
    where = Where(str(path))
    for given in variables.values():
        said = f"{path} has its values already; give them to `terraform plan`, or name the template itself"
        findings.error(given.where, said, name=UNDECLARED_VARIABLE)
    if leads_out(path):
        findings.error(where, LEADS_OUT)
        return ()
    try:
        data = read_whole(path, MOST_BYTES)
    except OSError as error:
        findings.error(where, f"cannot be read: {(error.strerror or str(error)).lower()}; {SHOW}")
        return ()
    if not shown_document(data, str(path), findings, states=True):
        return ()
    text = data.decode(json.detect_encoding(data))
    try:
        document = read_json(text)
    except NotJson as error:
        findings.error(Where(str(path), error.line), str(error))
        return ()
    file = File(str(path), text, None)  # type: ignore[arg-type]
    late = _read_late(document)
    found: dict[str, GivenPreset] = {}
    agents: dict[str, Where] = {}
    for resource in _resources(document):
        kind, address = (str(resource.plain.get(name, "")) for name in ("type", "address"))
        if kind == AGENT:
            agents[address] = Where(str(path), resource.line)
        if kind == PRESET and address not in found and address not in late:
            if len(found) == MOST_INSTANCES:
                findings.error(where, f"has more than {MOST_INSTANCES:,} presets; show a plan of one template")
                return ()
            found[address] = _preset(file, address, resource.line, _at(resource, "values"), findings)
    for address, line in late.items():
        said = f"{address} is read only when the plan is applied; its values are not here; apply, and show the state"
        findings.error(Where(str(path), line), said)
    warn_of_agents([*agents.values()], found.values(), findings)
    if not found and not late:
        findings.error(where, f'no data "{PRESET}" here; show a plan of a template that has some')
    return tuple(found.values())


def _preset(file: File, address: str, line: int, values: Piece | None, findings: Findings) -> GivenPreset:
    module = Module(Reading(Path(file.path).parent, findings), Path(file.path).parent, [])
    fields = {}
    if values is not None and isinstance(values.value, dict):
        for name, (at, piece) in values.value.items():
            if piece.value is not None:
                fields[name] = [Node(file, expression(piece, is_literal=True), at)]
    where = Where(file.path, line)
    block = Block(address, where, file.path, Node(file, None, line), fields)  # type: ignore[arg-type]
    return PresetReader(module, address, is_shown=True).read(block, module.scope)


def _resources(document: Piece) -> Iterator[Piece]:
    """Each resource that Terraform read or plans, those of child modules among them."""
    for steps in (("prior_state", "values"), ("planned_values",), ("values",)):
        yield from _of_module(_at(document, *steps, "root_module"))


def _of_module(module: Piece | None) -> Iterator[Piece]:
    todo = deque([module])
    while todo:
        one = todo.popleft()
        for resource in _elements(_at(one, "resources")):
            if isinstance(resource.plain, dict):
                yield resource
        todo += _elements(_at(one, "child_modules"))


def _read_late(document: Piece) -> dict[str, int]:
    """The addresses of presets that Terraform has not read yet, with their lines."""
    found = {}
    for change in _elements(_at(document, "resource_changes")):
        is_preset = isinstance(change.plain, dict) and change.plain.get("type") == PRESET
        address, actions = (
            (_at(change, *steps) for steps in (("address",), ("change", "actions"))) if is_preset else (None, None)
        )
        if address and actions and actions.plain == ["read"]:
            found[str(address.value)] = change.line
    return found


def _at(piece: Piece | None, *steps: str) -> Piece | None:
    for step in steps:
        if piece is None or not isinstance(piece.value, dict) or step not in piece.value:
            return None
        _, piece = piece.value[step]
    return piece


def _elements(piece: Piece | None) -> list[Piece]:
    return piece.value if piece is not None and isinstance(piece.value, list) else []


def shown_document(data: bytes, path: str, findings: Findings, states: bool = False) -> dict[str, Any]:
    """The plan as JSON has it; what is no plan becomes an error. With `states` a state is taken, too."""
    where = Where(path)
    if not data.strip():
        findings.error(where, f"it is empty; {SHOW}")
        return {}
    if data.startswith(b"PK"):
        findings.error(where, f"this is the plan file itself, which only Terraform reads; {SHOW}")
        return {}
    try:
        document = json.loads(data)
    except UnicodeDecodeError:
        findings.error(where, f"this is no text; {SHOW}")
        return {}
    except json.JSONDecodeError as error:
        first = _first_line(data)
        if isinstance(first, dict) and "@level" in first:
            findings.error(where, f"this is the log of `terraform plan -json`, not the plan; {SHOW}")
        else:
            findings.error(Where(path, error.lineno), f"this is no JSON ({error.msg}); {SHOW}")
        return {}
    except (RecursionError, ValueError):
        findings.error(where, f"its JSON is nested too deep, or holds a number too long, for a plan; {SHOW}")
        return {}
    if not isinstance(document, dict):
        findings.error(where, f"a JSON {json_kind(document)} is no plan; {SHOW}")
    elif "@level" in document:
        findings.error(where, f"this is the log of `terraform plan -json`, not the plan; {SHOW}")
    elif states and "values" in document:
        return document
    elif "planned_values" not in document and "resource_changes" not in document:
        is_state = "values" in document or ("lineage" in document and "serial" in document)
        seen = "this is a state, not a plan" if is_state else 'it has neither "planned_values" nor "resource_changes"'
        findings.error(where, f"{seen}; run `terraform plan -out PLANFILE` and {SHOW}")
    elif not re.fullmatch(r"1\.\d+", str(document.get("format_version"))):
        version = document.get("format_version")
        seen = "there is no format_version" if version is None else f"format_version {json.dumps(version)[:MAX_VALUE]}"
        findings.error(where, f"{seen}; write a plan of format 1, as Terraform 1.2 and newer show it")
    elif document.get("errored") is True:
        findings.error(where, "Terraform failed while it made this plan, which is not whole; mend that and plan again")
    else:
        return document
    return {}


def _first_line(data: bytes) -> object:
    try:
        return json.loads(data.lstrip().split(b"\n", 1)[0])
    except ValueError:
        return None


def json_kind(value: object) -> str:
    kinds = {dict: "object", list: "list", str: "text", bool: "truth value", type(None): "null"}
    return kinds.get(type(value), "number")
