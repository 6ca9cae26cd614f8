"""What a claim's plan replaces: recorded, logged in its build, told to every template admin. The head start is lost."""

from __future__ import annotations

import re
from collections.abc import Iterable

from simkit.controlplane import logs, notifications
from simkit.controlplane.types import Replacement
from simkit.errors import RefusedError
from simkit.store.database import Transaction

STAGE = "Planning infrastructure"
_TYPE = re.compile(r'(?:module\.[^.\[]+(?:\["[^"]*"\]|\[\d+\])?\.)*([^.]+)\.')


def record(tx: Transaction, now_at: int, build_id: int, replacements: Iterable[Replacement]) -> list[int]:
    """Record what the plan of a claim's build replaces, and return the ids of the messages that tell of it.

    Nothing happens for a build that claims nothing. Coder's own resources (`coder_agent` and so on) are left out: no
    compute hangs on them. A replacement without attributes (a tainted resource) is logged only, as in Coder. Raises
    RefusedError for an unknown build.
    """
    build = tx.one("SELECT job_id FROM workspace_builds WHERE id = $id", id=build_id)
    if build is None:
        raise RefusedError(f"there is no workspace build {build_id}; name one that was created")
    found = _merged(replacements)
    if not found or not is_claim(tx, build_id):
        return []
    for replacement in found:
        if replacement.paths:
            tx.insert(
                "workspace_build_replacements",
                workspace_build_id=build_id,
                resource=replacement.resource,
                paths=", ".join(replacement.paths),
                happened_at=now_at,
            )
    logs.write_job_logs(tx, now_at, build[0], (logs.JobLine(line, "warn", STAGE) for line in log_lines(found)))
    return notifications.resource_replaced(tx, now_at, build_id, found)


def is_claim(tx: Transaction, build_id: int) -> bool:
    """True for a build by which somebody takes a prebuild."""
    return tx.one("SELECT 1 FROM claims WHERE hit AND workspace_build_id = $id", id=build_id) is not None


def log_lines(replacements: Iterable[Replacement]) -> list[str]:
    """What a build's log says of replacements, in Coder's words, resources and attributes in alphabetical order."""
    lines = ["Resource replacements:"]
    for replacement in sorted(replacements, key=lambda r: r.resource):
        lines.append(f"  -/+ {replacement.resource} (replace)")
        lines += [f"      ~ {path} (forces replacement)" for path in sorted(replacement.paths)]
        if not replacement.paths:
            lines.append("      ~ replacement reason unavailable")
    return lines


def _merged(replacements: Iterable[Replacement]) -> list[Replacement]:
    """One replacement a resource, without Coder's own, in the order of their first mention."""
    paths: dict[str, dict[str, None]] = {}
    for replacement in replacements:
        kind = _TYPE.match(replacement.resource)
        if kind is None or not kind[1].startswith("coder_"):
            paths.setdefault(replacement.resource, {}).update(dict.fromkeys(replacement.paths))
    return [Replacement(resource, tuple(names)) for resource, names in paths.items()]
