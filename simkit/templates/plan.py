"""What a claim would replace, read from a Terraform plan: each resource, what forces it, and what to ignore."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.errors import Finding, Findings, InputError, Where
from simkit.files import read_whole
from simkit.inputs.shown import MAX_VALUE, MOST_BYTES, SHOW, json_kind, shown_document
from simkit.shown import joined

STDIN = "-"
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
        return parse_plan(read_whole(Path(path), MOST_BYTES), str(path))
    except OSError as error:
        found = Findings()
        found.error(Where(str(path)), f"cannot be read: {(error.strerror or str(error)).lower()}; {SHOW}")
        raise InputError(found.errors) from error


def parse_plan(data: bytes, path: str = "(standard input)") -> Plan:
    """The plan in JSON that came from `path`, in any of JSON's encodings. Raises InputError for what is no plan."""
    findings = Findings()
    document = shown_document(data, path, findings)
    findings.raise_errors()
    replaced = tuple(_replaced(document, path, findings))
    findings.raise_errors()
    return Plan(replaced, tuple(findings))


def _replaced(document: Mapping[str, Any], path: str, findings: Findings) -> Iterator[Replaced]:
    where = Where(path)
    changes = document.get("resource_changes", [])
    if not isinstance(changes, list):
        findings.error(where, f"resource_changes is a JSON {json_kind(changes)}; {SHOW}")
        return
    attributes = _written(document)
    for i, entry in enumerate(changes):
        change = entry.get("change") if isinstance(entry, dict) else None
        address = entry.get("address") if isinstance(entry, dict) else None
        actions = change.get("actions") if isinstance(change, dict) else None
        if not isinstance(change, dict) or not isinstance(actions, list):
            findings.error(where, f"resource_changes[{i}] has no list change.actions; {SHOW}")
            continue
        if not isinstance(address, str) or "." not in _without_instances(address):
            findings.error(where, f"resource_changes[{i}] has no address such as docker_container.workspace; {SHOW}")
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
            yield _replacement(attributes, entry, change, address, findings, where)
        elif actions in (["create"], ["delete"]) and not kind.startswith("coder_"):
            findings.note(where, f"{address}: a claim would {actions[0]} it; that is no replacement, but takes time")


def _replacement(
    attributes: Mapping[str, set[str]],
    entry: Mapping[str, Any],
    change: Mapping[str, Any],
    address: str,
    findings: Findings,
    where: Where,
) -> Replaced:
    """The resource with what forces it. A path inside another one that forces it too is left out."""
    paths = {_ignorable(p) for p in _list(change.get("replace_paths"))} - {()}
    forcing = [p for p in paths if not any(p[:length] in paths for length in range(1, len(p)))]
    forced = []
    written = attributes.get(_without_instances(address))
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
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 3]}..."


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


def _written(document: Mapping[str, Any]) -> dict[str, set[str]]:
    """The attributes that the configuration gives each resource, by its address without instances."""
    found: dict[str, set[str]] = {}
    todo = [("", _child(_child(document, "configuration"), "root_module"))]
    while todo:
        before, module = todo.pop()
        for resource in _list(_child(module, "resources")):
            expressions, address = _child(resource, "expressions"), _child(resource, "address")
            if isinstance(expressions, dict):
                found.setdefault(f"{before}{address}", set(expressions))
        calls = _child(module, "module_calls")
        for name, call in calls.items() if isinstance(calls, dict) else ():
            todo.append((f"{before}module.{name}.", _child(call, "module")))
    return found


def _without_instances(address: str) -> str:
    return _INSTANCE.sub("", address)


def _by_block(resources: Iterable[Replaced]) -> dict[str, list[Replaced]]:
    found: dict[str, list[Replaced]] = {}
    for resource in resources:
        found.setdefault(resource.block, []).append(resource)
    return found


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
