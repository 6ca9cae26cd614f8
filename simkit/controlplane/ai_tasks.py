"""Decide whether a finished build is an AI task and in which app it runs, and keep the tasks of newer versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simkit.coder_versions import Behaviour
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
    behaviour: Behaviour,
) -> tuple[bool, str | None]:
    """(has_ai_task, ai_task_sidebar_app_id) of a build that succeeded; the id is there exactly if the flag is true.

    `apps`: all apps of the build. An app that is not among them drops the flag and writes a warning to the job's logs.
    A stop keeps what the build before it had, whatever its own result says: the template of a stopped workspace has no
    coder_ai_task, and people would lose sight of their task, as in the oldest version they do. Newer versions take the
    task's `app_id`, and the sidebar app where it has none. Raises RefusedError for a task without an app and for an
    unknown build.
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
    if ai_tasks and behaviour.has_tasks:
        sidebar_app_id = ai_tasks[0].app_id or sidebar_app_id
        if sidebar_app_id == "":
            raise RefusedError("a coder_ai_task has no app; write app_id = coder_app.<name>.id in the template")
    if sidebar_app_id == "":
        raise RefusedError(
            "a coder_ai_task has no sidebar_app; write sidebar_app { id = coder_app.<name>.id } in the template"
        )
    has_before, kept, kept_app_id = row
    if transition == "stop" and has_before and behaviour.stops_keep_ai_task:
        return bool(kept), kept_app_id
    if sidebar_app_id is None:
        return False, None
    if sidebar_app_id not in {app.app_id for app in apps}:
        _warn(tx, now_at, job_id, sidebar_app_id)
        return False, None
    return True, sidebar_app_id


def create(tx: Transaction, now_at: int, owner_id: int, version_id: int, workspace_id: int, prompt: str) -> int:
    """A task for which a workspace was made: its id."""
    row = tx.one("SELECT name FROM workspaces WHERE id = $id", id=workspace_id)
    assert row is not None, "a task is created with its workspace"
    return tx.insert(
        "tasks",
        created_at=now_at,
        owner_id=owner_id,
        name=row[0],
        workspace_id=workspace_id,
        template_version_id=version_id,
        prompt=prompt,
    )


def link(tx: Transaction, workspace_id: int, build_number: int, agent_ids: Iterable[int], app_id: str | None) -> None:
    """Say in which app of a finished build its workspace's task runs, if the workspace was made for one."""
    task = tx.one("SELECT id FROM tasks WHERE workspace_id = $id AND deleted_at IS NULL", id=workspace_id)
    if task is None:
        return
    agent = tx.one(
        "SELECT agent_id FROM workspace_apps WHERE app_id = $app AND list_contains($agents::BIGINT[], agent_id)",
        app=app_id,
        agents=list(agent_ids),
    )
    tx.insert(
        "task_workspace_apps",
        task_id=task[0],
        workspace_build_number=build_number,
        workspace_agent_id=None if agent is None else agent[0],
        app_id=app_id,
    )


def _warn(tx: Transaction, now_at: int, job_id: int, sidebar_app_id: str) -> None:
    outputs = (
        f'Unknown ai_task_app_id "{sidebar_app_id}". This workspace cannot run AI tasks; tell the template author.',
        "To the author: the sidebar_app of a coder_ai_task needs the id of a coder_app in this template, and the agent "
        "of that app needs a compute resource, as an agent without one is not stored.",
    )
    lines = [JobLine(output, "warn", STAGE, "provisioner_daemon") for output in outputs]
    write_job_logs(tx, now_at, job_id, lines)
