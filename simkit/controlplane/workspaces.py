"""Workspaces and their builds: what people do with them, and what nobody but the reconciler does with a prebuild."""

from __future__ import annotations

from typing import NamedTuple

from simkit.clock import MINUTE_US, NEVER, format_duration
from simkit.controlplane import directory, jobs, templates
from simkit.controlplane.types import PREBUILDS_USER, Transition
from simkit.core import policy
from simkit.errors import RefusedError
from simkit.model import MAX_WORKSPACE_TTL_US, MIN_WORKSPACE_TTL_US
from simkit.names import workspace_name_problem
from simkit.store.database import Transaction, instant

LATEST = """
    SELECT
        b.id, b.workspace_id, b.build_number, b.transition, j.job_status, j.id AS job_id,
        epoch_us(b.created_at) AS created_at, epoch_us(j.completed_at) AS completed_at,
        b.template_version_id, b.template_version_preset_id, epoch_us(b.deadline) AS deadline,
        epoch_us(b.max_deadline) AS max_deadline
    FROM workspace_builds AS b
    JOIN provisioner_jobs AS j ON j.id = b.job_id
    WHERE b.workspace_id = $workspace
    ORDER BY b.build_number DESC LIMIT 1
"""


class LatestBuild(NamedTuple):
    """A workspace's latest build. Instants in microseconds, NEVER for what has not come or is unset."""

    id: int
    workspace_id: int
    build_number: int
    transition: str
    job_status: str
    job_id: int
    created_at: int
    completed_at: int
    template_version_id: int
    preset_id: int | None
    deadline: int
    max_deadline: int

    @property
    def is_done(self) -> bool:
        return self.completed_at != NEVER


class Workspace(NamedTuple):
    """A workspace that is not deleted. `dormant_at`: NEVER while it is awake."""

    id: int
    owner_id: int
    name: str
    template_id: int
    organization_id: int
    dormant_at: int


def get(tx: Transaction, workspace_id: int) -> Workspace:
    """Raises RefusedError for an id that no workspace has, or that of a deleted one."""
    row = tx.one(
        "SELECT w.id, w.owner_id, w.name, w.template_id, t.organization_id, epoch_us(w.dormant_at), w.deleted "
        "FROM workspaces AS w JOIN templates AS t ON t.id = w.template_id WHERE w.id = $id",
        id=workspace_id,
    )
    if row is None:
        raise RefusedError(f"there is no workspace {workspace_id}")
    *known, dormant_at, deleted = row
    if deleted:
        raise RefusedError(f"workspace {workspace_id} is deleted")
    return Workspace._make([*known, instant(dormant_at)])


def latest_build(tx: Transaction, workspace_id: int) -> LatestBuild:
    """The build with the highest number. Every workspace has one."""
    row = tx.one(LATEST, workspace=workspace_id)
    assert row is not None, "a workspace is created with its first build"
    *known, created_at, completed_at, version_id, preset_id, deadline, max_deadline = row
    ends = (instant(deadline), instant(max_deadline))
    return LatestBuild._make([*known, created_at, instant(completed_at), version_id, preset_id, *ends])


def insert(
    tx: Transaction,
    now_at: int,
    owner_id: int,
    template_id: int,
    version_id: int,
    preset_id: int | None,
    organization_id: int,
    name: str = "",
) -> tuple[int, int]:
    """A workspace and its first start build: (workspace id, build id). A name is made for it if none is given.

    `template_id` and `version_id` exist; people's names are checked by `checked_name` before.
    """
    workspace_id = tx.next_id("workspaces")
    made = f"workspace-{owner_id}" if owner_id != PREBUILDS_USER else f"prebuild-{workspace_id}"
    tx.insert(
        "workspaces",
        id=workspace_id,
        created_at=now_at,
        owner_id=owner_id,
        template_id=template_id,
        deleted=False,
        name=name or made,
        last_used_at=now_at,
    )
    build_id = insert_build(tx, now_at, workspace_id, 1, "start", owner_id, version_id, preset_id, organization_id)
    return workspace_id, build_id


def checked_name(tx: Transaction, owner_id: int, name: str) -> str:
    """The name, if Coder takes it and its owner has no other workspace of this name. Raises RefusedError."""
    if problem := workspace_name_problem(name):
        raise RefusedError(problem)
    if tx.one(
        "SELECT 1 FROM workspaces WHERE owner_id = $owner AND NOT deleted AND lower(name) = lower($name)",
        owner=owner_id,
        name=name,
    ):
        raise RefusedError(f'the owner has a workspace "{name}" already; choose another name')
    return name


def insert_build(
    tx: Transaction,
    now_at: int,
    workspace_id: int,
    number: int,
    transition: Transition,
    initiator_id: int,
    version_id: int,
    preset_id: int | None,
    organization_id: int,
    reason: str = "initiator",
) -> int:
    """A build and its job, which waits for a daemon with the tags of the version (and of prebuilds, if it is one)."""
    tags = templates.build_tags(tx, version_id, _is_prebuild(tx, workspace_id))
    job_id = jobs.insert(tx, now_at, "workspace_build", initiator_id, organization_id, tags)
    return tx.insert(
        "workspace_builds",
        created_at=now_at,
        workspace_id=workspace_id,
        template_version_id=version_id,
        template_version_preset_id=preset_id,
        build_number=number,
        transition=transition,
        initiator_id=initiator_id,
        job_id=job_id,
        reason=reason,
    )


def _is_prebuild(tx: Transaction, workspace_id: int) -> bool:
    return tx.one("SELECT 1 FROM workspaces WHERE id = $id AND owner_id = 0", id=workspace_id) is not None


def build(
    tx: Transaction,
    now_at: int,
    workspace_id: int,
    transition: Transition,
    initiator_id: int,
    reason: str = "initiator",
    version_id: int | None = None,
) -> int:
    """The next build of a workspace, of the version that it has unless another is given; its id.

    Raises RefusedError while the build before it is not done, and for a prebuild that somebody else than the
    reconciler wants to build.
    """
    workspace, before = get(tx, workspace_id), latest_build(tx, workspace_id)
    if not before.is_done:
        raise RefusedError(
            f"workspace {workspace_id} has a {before.transition} build that is {before.job_status}; wait for it"
        )
    if workspace.owner_id == PREBUILDS_USER and initiator_id != PREBUILDS_USER:
        raise RefusedError(_of_the_reconciler(workspace_id, f"{transition} it"))
    return insert_build(
        tx,
        now_at,
        workspace_id,
        before.build_number + 1,
        transition,
        initiator_id,
        version_id or before.template_version_id,
        before.preset_id,
        workspace.organization_id,
        reason,
    )


def delete_orphan(tx: Transaction, now_at: int, workspace_id: int, initiator_id: int) -> int:
    """A delete build without a state, as for a workspace of which nothing was built: its id.

    Where no daemon is alive that could take its job, Coder completes it at once. Raises RefusedError as `build`.
    """
    build_id = build(tx, now_at, workspace_id, "delete", initiator_id)
    row = tx.one(
        "SELECT j.id, j.organization_id, j.tags FROM provisioner_jobs AS j "
        "JOIN workspace_builds AS b ON b.job_id = j.id WHERE b.id = $id",
        id=build_id,
    )
    assert row is not None, "a build has a job"
    job_id, organization_id, tags = row
    if not jobs.has_daemon(tx, now_at, organization_id, jobs.read(tags)):
        tx.update("provisioner_jobs", job_id, started_at=now_at)
        jobs.finish(tx, now_at, job_id)
        tx.update("workspaces", workspace_id, deleted=True)
    return build_id


def owned(tx: Transaction, workspace_id: int, what: str) -> Workspace:
    """A person's workspace, of which somebody wants to change `what`. Raises RefusedError for a prebuild."""
    workspace = get(tx, workspace_id)
    if workspace.owner_id == PREBUILDS_USER:
        raise RefusedError(_of_the_reconciler(workspace_id, f"change its {what}"))
    return workspace


def _of_the_reconciler(workspace_id: int, what: str) -> str:
    return (
        f"workspace {workspace_id} is a prebuild, and its lifecycle belongs to the reconciler: nobody else can {what}; "
        "claim it first"
    )


def checked_ttl(ttl_us: int | None) -> int | None:
    """A workspace's own TTL in microseconds, as Coder keeps it: whole minutes, rounded down; None for none.

    Raises RefusedError for one that Coder does not take.
    """
    if not ttl_us:
        return None
    whole_us = ttl_us // MINUTE_US * MINUTE_US
    if not MIN_WORKSPACE_TTL_US <= whole_us <= MAX_WORKSPACE_TTL_US:
        allowed = f"{format_duration(MIN_WORKSPACE_TTL_US)} to {format_duration(MAX_WORKSPACE_TTL_US)}"
        raise RefusedError(
            f"a TTL of {format_duration(ttl_us)} is not one that Coder takes; it takes {allowed}, or none"
        )
    return whole_us


def is_above_quota(tx: Transaction, build_id: int, daily_cost: int) -> bool:
    """Would a build of this cost, which costs more than the one before it, be above what its owner's groups allow?"""
    if daily_cost == 0:
        return False  # without a look at all workspaces
    row = tx.one(
        """
        SELECT w.owner_id, t.organization_id, coalesce(before.daily_cost, 0)
        FROM workspace_builds AS b
        JOIN workspaces AS w ON w.id = b.workspace_id
        JOIN templates AS t ON t.id = w.template_id
        LEFT JOIN workspace_builds AS before
            ON before.workspace_id = b.workspace_id AND before.build_number = b.build_number - 1
        WHERE b.id = $build
        """,
        build=build_id,
    )
    assert row is not None, "the build exists"
    consumed, allowed = directory.quota(tx, row[0], row[1])
    return policy.is_above_quota(consumed, daily_cost, allowed) and daily_cost >= row[2]
