"""Decide whether a finished build is an AI task, and which app its sidebar shows (rules of Coder v2.26)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simkit.controlplane.logs import JobLine, write_job_logs
from simkit.controlplane.types import AITask, App, Transition
from simkit.errors import RefusedError
from simkit.store.database import Transaction

STAGE = "Cleaning Up"
"""The stage of the warning, as in Coder: the job's last one."""


def resolve(
    tx: Transaction,
    now_at: int,
    job_id: int,
    build_id: int,
    transition: Transition,
    ai_tasks: Sequence[AITask],
    apps: Iterable[App],
) -> tuple[bool, str | None]:
    """(has_ai_task, ai_task_sidebar_app_id) of a build that succeeded; the id is there exactly if the flag is true.

    `apps`: all apps of the build. An app that is not among them drops the flag and writes a warning to the job's logs.
    A stop keeps what the build before it had, whatever its own result says: the template of a stopped workspace has no
    coder_ai_task, and people would lose sight of their task. Raises RefusedError for a task without a sidebar app and
    for an unknown build.
    """
    row = tx.one(
        """
        SELECT before.id IS NOT NULL, coalesce(before.has_ai_task, false), before.ai_task_sidebar_app_id
        FROM workspace_builds AS b
        LEFT JOIN workspace_builds AS before
            ON before.workspace_id = b.workspace_id AND before.build_number = b.build_number - 1
        WHERE b.id = $build
        """,
        build=build_id,
    )
    if row is None:
        raise RefusedError(f"there is no workspace build {build_id}")
    # Coder looks at the first task only; a template cannot have another.
    sidebar_app_id = ai_tasks[0].sidebar_app_id if ai_tasks else None
    if sidebar_app_id == "":
        raise RefusedError(
            "a coder_ai_task has no sidebar_app; write sidebar_app { id = coder_app.<name>.id } in the template"
        )
    has_before, kept, kept_app_id = row
    if transition == "stop" and has_before:
        return bool(kept), kept_app_id
    if sidebar_app_id is None:
        return False, None
    if sidebar_app_id not in {app.app_id for app in apps}:
        _warn(tx, now_at, job_id, sidebar_app_id)
        return False, None
    return True, sidebar_app_id


def _warn(tx: Transaction, now_at: int, job_id: int, sidebar_app_id: str) -> None:
    outputs = (
        f'Unknown ai_task_app_id "{sidebar_app_id}". This workspace cannot run AI tasks; tell the template author.',
        "To the author: the sidebar_app of a coder_ai_task needs the id of a coder_app in this template, and the agent "
        "of that app needs a compute resource, as an agent without one is not stored.",
    )
    lines = [JobLine(output, "warn", STAGE, "provisioner_daemon") for output in outputs]
    write_job_logs(tx, now_at, job_id, lines)
