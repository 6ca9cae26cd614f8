"""What a claim would replace, read from a Terraform plan: each resource, what forces it, and what to ignore."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.errors import Finding, Findings, InputError, Where
from simkit.shown import joined

STDIN = "-"
_SHOW = "write the output of `terraform show -json PLANFILE`"
_MAX_VALUE = 80  # characters of a value that are shown
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_INSTANCE = re.compile(r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]')
_REASONS = {
    "replace_because_tainted": "it is tainted: an earlier apply failed half way. Mend it, or run `terraform untaint`",
    "replace_by_request": "somebody asked for it with -replace. Plan without it",
    "replace_by_triggers": "its lifecycle says replace_triggered_by. Mend what triggers it, or remove the trigger",
}

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Forced:
    """An attribute that cannot be changed in place. `attribute` as HCL writes it; values as JSON, or why not."""

    attribute: str
    before: str
    after: str


@dataclass(frozen=True)
class Replaced:
    """A resource that the plan destroys and creates anew. `reason`: why, where no attribute forces it."""

    address: str
    forced: tuple[Forced, ...]
    reason: str = ""

    @property
    def block(self) -> str:
        """The resource's address without its instance: what has one lifecycle block."""
        return _without_instances(self.address)


@dataclass(frozen=True)
class Plan:
    """What a plan replaces, in its own order, and what else is worth knowing of it."""

    replaced: tuple[Replaced, ...]
    notes: tuple[Finding, ...] = ()

    @property
    def ignore_changes(self) -> dict[str, tuple[str, ...]]:
        """The attributes to ignore of each resource block: address without instances -> references in HCL."""
        found: dict[str, dict[str, None]] = {}
        for resource in self.replaced:
            if resource.forced:
                found.setdefault(resource.block, {}).update(dict.fromkeys(f.attribute for f in resource.forced))
        return {block: tuple(names) for block, names in found.items()}

    @property
    def text(self) -> str:
        """For a person: every replacement, and for each resource block the lifecycle to paste."""
        if not self.replaced:
            return "Nothing would be replaced: a claim keeps its head start."
        many = len(self.replaced) > 1
        lines = [f"{len(self.replaced)} resource{'s' * many} would be replaced: a claim loses its head start."]
        ignored = self.ignore_changes
        for block, resources in _by_block(self.replaced).items():
            lines.append("")
            for resource in resources:
                lines.append(f"{resource.address}{f': {resource.reason}.' if resource.reason else ''}")
                lines += [f"  {f.attribute}: {f.before} -> {f.after}" for f in resource.forced]
            if block in ignored:
                *_, kind, name = block.split(".")
                lines += [
                    f'Add to resource "{kind}" "{name}", or to the lifecycle block that it has:',
                    "  lifecycle {",
                    f"    ignore_changes = [{', '.join(ignored[block])}]",
                    "  }",
                ]
        return joined(lines)


def read_plan(path: str | Path) -> Plan:
    """The plan in a file of JSON. Raises InputError for a file that is none, with what was seen and what to write."""
    try:
        return parse_plan(Path(path).read_bytes(), str(path))
    except OSError as error:
        found = Findings()
        found.error(Where(str(path)), f"cannot be read: {(error.strerror or str(error)).lower()}; {_SHOW}")
        raise InputError(found.errors) from error


def parse_plan(data: bytes, path: str = "(standard input)") -> Plan:
    """The plan in JSON that came from `path`, in any of JSON's encodings. Raises InputError for what is no plan."""
    findings = Findings()
    document = _document(data, path, findings)
    findings.raise_errors()
    replaced = tuple(_replaced(document, path, findings))
    findings.raise_errors()
    return Plan(replaced, tuple(findings))


def _document(data: bytes, path: str, findings: Findings) -> dict[str, Any]:
    """The plan as JSON has it; what is no plan becomes an error."""
    where = Where(path)
    if not data.strip():
        findings.error(where, f"it is empty; {_SHOW}")
        return {}
    if data.startswith(b"PK"):
        findings.error(where, f"this is the plan file itself, which only Terraform reads; {_SHOW}")
        return {}
    try:
        document = json.loads(data)
    except UnicodeDecodeError:
        findings.error(where, f"this is no text; {_SHOW}")
        return {}
    except json.JSONDecodeError as error:
        first = _first_line(data)
        if isinstance(first, dict) and "@level" in first:
            findings.error(where, f"this is the log of `terraform plan -json`, not the plan; {_SHOW}")
        else:
            findings.error(Where(path, error.lineno), f"this is no JSON ({error.msg}); {_SHOW}")
        return {}
    except (RecursionError, ValueError):
        findings.error(where, f"its JSON is nested too deep, or holds a number too long, for a plan; {_SHOW}")
        return {}
    if not isinstance(document, dict):
        findings.error(where, f"a JSON {_kind(document)} is no plan; {_SHOW}")
    elif "@level" in document:
        findings.error(where, f"this is the log of `terraform plan -json`, not the plan; {_SHOW}")
    elif "planned_values" not in document and "resource_changes" not in document:
        is_state = "values" in document or ("lineage" in document and "serial" in document)
        seen = "this is a state, not a plan" if is_state else 'it has neither "planned_values" nor "resource_changes"'
        findings.error(where, f"{seen}; run `terraform plan -out PLANFILE` and {_SHOW}")
    elif not re.fullmatch(r"1\.\d+", str(document.get("format_version"))):
        version = document.get("format_version")
        seen = "there is no format_version" if version is None else f"format_version {json.dumps(version)[:_MAX_VALUE]}"
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


def _replaced(document: Mapping[str, Any], path: str, findings: Findings) -> Iterator[Replaced]:
    where = Where(path)
    changes = document.get("resource_changes", [])
    if not isinstance(changes, list):
        findings.error(where, f"resource_changes is a JSON {_kind(changes)}; {_SHOW}")
        return
    for i, entry in enumerate(changes):
        change = entry.get("change") if isinstance(entry, dict) else None
        address = entry.get("address") if isinstance(entry, dict) else None
        actions = change.get("actions") if isinstance(change, dict) else None
        if not isinstance(change, dict) or not isinstance(actions, list):
            findings.error(where, f"resource_changes[{i}] has no list change.actions; {_SHOW}")
            continue
        if not isinstance(address, str) or "." not in _without_instances(address):
            findings.error(where, f"resource_changes[{i}] has no address such as docker_container.workspace; {_SHOW}")
            continue
        if entry.get("mode") == "data":
            continue
        kind = str(entry.get("type") or _without_instances(address).split(".")[-2:][0])
        # "forget" leaves the old one running where nobody looks after it: the claim waits for the new one all the same.
        if len(actions) == 2 and "create" in actions and ("delete" in actions or "forget" in actions):
            if kind.startswith("coder_"):
                # They are made anew in every build, and nothing real hangs on them but through other resources.
                findings.note(where, f"{address} is replaced, which costs nothing: Coder leaves out its own resources")
                continue
            yield _replacement(document, entry, change, address, findings, where)
        elif actions in (["create"], ["delete"]) and not kind.startswith("coder_"):
            findings.note(where, f"{address}: a claim would {actions[0]} it; that is no replacement, but takes time")


def _replacement(
    document: Mapping[str, Any],
    entry: Mapping[str, Any],
    change: Mapping[str, Any],
    address: str,
    findings: Findings,
    where: Where,
) -> Replaced:
    """The resource with what forces it. A path inside another one that forces it too is left out."""
    paths = sorted({_ignorable(p) for p in _list(change.get("replace_paths")) if _ignorable(p)}, key=len)
    forcing = [p for i, p in enumerate(paths) if not any(p[: len(shorter)] == shorter for shorter in paths[:i])]
    forced = []
    written = _written(document, address)
    for steps in sorted(forcing, key=reference):
        before = _shown(change.get("before"), change.get("before_sensitive"), None, steps)
        after = _shown(change.get("after"), change.get("after_sensitive"), change.get("after_unknown"), steps)
        forced.append(Forced(reference(steps), before, after))
        if written is not None and steps[0] not in written:
            findings.note(where, f"{address}: the provider alone decides {steps[0]}; ignore_changes may not help")
    if forced:
        return Replaced(address, tuple(forced))
    given = str(entry.get("action_reason") or "")
    reason = _REASONS.get(given, f"the plan names no attribute{f' ({given})' if given else ''}")
    return Replaced(address, (), f"{reason}; ignore_changes does not help")


def reference(path: Sequence[str | int]) -> str:
    """A path of a plan as ignore_changes takes it: ["network", 0, "ip"] is network[0].ip."""
    text = str(path[0])
    for step in path[1:]:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if _NAME.fullmatch(step) else f"[{_quoted(step)}]"
    return text


def _quoted(key: str) -> str:
    # In HCL `${` and `%{` begin a template, also in a key.
    return json.dumps(key, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _ignorable(path: object) -> Path_:
    """The steps of a path that ignore_changes can name: none from an element of a set on, which has no name."""
    steps: list[str | int] = []
    for step in _list(path):
        if isinstance(step, bool) or not isinstance(step, str | int):
            break
        steps.append(step)
    return tuple(steps) if steps and isinstance(steps[0], str) and _NAME.fullmatch(steps[0]) else ()


def _shown(value: object, sensitive: object, unknown: object, path: Path_) -> str:
    """The value at a path for a person. One that holds anything sensitive is hidden whole."""
    if _is_marked(sensitive, path):
        return "(sensitive value)"
    if _is_marked(unknown, path):
        return "(known after apply)"
    for step in path:
        value = _child(value, step)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 3]}..."


def _is_marked(marks: object, path: Path_) -> bool:
    """True if the value at the path is marked, or something around or inside it."""
    for step in path:
        if marks is True:
            return True
        marks = _child(marks, step)
    todo = [marks]
    while todo:
        mark = todo.pop()
        if mark is True:
            return True
        todo += mark.values() if isinstance(mark, dict) else mark if isinstance(mark, list) else ()
    return False


def _child(value: object, step: str | int) -> object:
    if isinstance(value, dict):
        return value.get(str(step))
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return value[step]
    return None


def _written(document: Mapping[str, Any], address: str) -> set[str] | None:
    """The attributes that the configuration gives a resource; None if the plan does not have the resource's block."""
    module: object = _child(_child(document, "configuration"), "root_module")
    steps = _without_instances(address).split(".")
    while len(steps) > 2 and steps[0] == "module":
        module = _child(_child(_child(module, "module_calls"), steps[1]), "module")
        steps = steps[2:]
    for resource in _list(_child(module, "resources")):
        expressions = _child(resource, "expressions")
        if _child(resource, "address") == ".".join(steps) and isinstance(expressions, dict):
            return set(expressions)
    return None


def _without_instances(address: str) -> str:
    return _INSTANCE.sub("", address)


def _by_block(resources: Iterable[Replaced]) -> dict[str, list[Replaced]]:
    found: dict[str, list[Replaced]] = {}
    for resource in resources:
        found.setdefault(resource.block, []).append(resource)
    return found


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _kind(value: object) -> str:
    kinds = {dict: "object", list: "list", str: "text", bool: "truth value", type(None): "null"}
    return kinds.get(type(value), "number")
