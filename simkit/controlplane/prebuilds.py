"""Prebuilds: what the reconciler sees by SQL, what it does about it, and how a person claims one.

The four snapshot queries are Coder's (coderd/database/queries/prebuilds.sql); what to do is `core.policy`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from simkit.clock import NEVER
from simkit.controlplane import jobs, workspaces
from simkit.controlplane.types import PREBUILDS_USER
from simkit.core import policy
from simkit.errors import RefusedError
from simkit.model import Behaviour, Reconciler
from simkit.store.database import Transaction

MEMBERSHIP_GROUP = "coderprebuiltworkspaces"
"""The group through which the prebuilds user gets its quota in an organization."""

# The latest builds of the prebuilds user's workspaces; those of people's ones play no part, and are many.
_LATEST = """
    SELECT
        b.workspace_id, b.id AS build_id, b.template_version_id, b.template_version_preset_id AS preset_id,
        b.transition, b.job_id, j.job_status, epoch_us(w.created_at) AS workspace_us, epoch_us(b.created_at) AS build_us
    FROM workspaces AS w
    JOIN workspace_builds AS b ON b.workspace_id = w.id
    JOIN provisioner_jobs AS j ON j.id = b.job_id
    WHERE w.owner_id = 0 AND NOT w.deleted
    QUALIFY row_number() OVER (PARTITION BY w.id ORDER BY b.build_number DESC) = 1
"""


class Prebuild(NamedTuple):
    """A running prebuild: its latest build is a start that succeeded."""

    workspace_id: int
    preset_id: int
    created_at: int
    ready: bool


class Backoff(NamedTuple):
    """Failures that hold a preset back: how many in the lookback, and when the newest of them was created."""

    failed: int
    last_build_at: int


class Snapshot(NamedTuple):
    """All that a tick decides by, read once for all presets.

    `active`: the presets of active versions of templates that are neither deleted nor deprecated.
    """

    now_at: int
    presets: tuple[PresetRow, ...]
    running: Mapping[int, tuple[Prebuild, ...]]
    starting: Mapping[int, int]
    backoff: Mapping[int, Backoff]
    hard_limited: frozenset[int]
    failures: Mapping[int, tuple[int, ...]]
    """When each failed prebuild was created, newest first."""


class PresetRow(NamedTuple):
    id: int
    template_id: int
    version_id: int
    organization_id: int
    active: bool
    invalidated_at: int
    ttl_us: int


class Decision(NamedTuple):
    """What a tick did to a preset, as `reconciler_decisions` has it; `backoff_until` and `hard_limited` as they are."""

    preset_id: int
    pool: policy.Pool
    actions: policy.Actions
    canceled: int
    backoff_until: int
    hard_limited: bool


def snapshot(tx: Transaction, now_at: int, settings: Reconciler) -> Snapshot:
    """What the reconciler sees at a tick."""
    presets = tuple(
        PresetRow(preset, template, version, organization, active, -NEVER if invalidated is None else invalidated, ttl)
        for preset, template, version, organization, active, invalidated, ttl in tx.execute(
            """
            SELECT
                p.id, t.id, v.id, t.organization_id,
                t.active_version_id = v.id AND NOT t.deleted AND t.deprecated = '', epoch_us(p.last_invalidated_at),
                p.invalidate_after_secs * 1000000
            FROM template_version_presets AS p
            JOIN template_versions AS v ON v.id = p.template_version_id
            JOIN templates AS t ON t.id = v.template_id
            ORDER BY p.id
            """
        )
    )
    running: dict[int, list[Prebuild]] = {}
    for row in tx.execute(
        f"""
        SELECT l.workspace_id, l.preset_id, l.workspace_us, coalesce(min(a.ready_at) <= make_timestamptz($now), false)
        FROM ({_LATEST}) AS l
        LEFT JOIN workspace_agents AS a ON a.workspace_build_id = l.build_id
        WHERE l.transition = 'start' AND l.job_status = 'succeeded'
        GROUP BY l.workspace_id, l.preset_id, l.workspace_us
        ORDER BY l.workspace_us, l.workspace_id
        """,
        now=now_at,
    ):
        running.setdefault(row[1], []).append(Prebuild._make(row))
    starting: dict[int, int] = {}
    # Builds of the prebuilds user, be it its own workspaces' or, before v2.35, claims'.
    for preset_id, count in tx.execute(
        "SELECT b.template_version_preset_id, count(*) FROM provisioner_jobs AS j "
        "JOIN workspace_builds AS b ON b.job_id = j.id "
        "WHERE j.completed_at IS NULL AND j.initiator_id = 0 AND b.transition = 'start' GROUP BY ALL"
    ):
        starting[preset_id] = count
    failures: dict[int, list[int]] = {}
    ranked = tx.execute(
        f"""
        SELECT preset_id, job_status = 'failed', build_us, row_number() OVER newest_first
        FROM ({_LATEST})
        WHERE transition = 'start'
        WINDOW newest_first AS (PARTITION BY preset_id ORDER BY build_us DESC, build_id DESC)
        ORDER BY preset_id, build_us DESC, build_id DESC
        """
    )
    since_at = now_at - settings.backoff_lookback_us
    base: dict[int, int] = dict(tx.execute("SELECT id, desired_instances FROM template_version_presets"))
    active = {preset.id for preset in presets if preset.active}
    backoff: dict[int, Backoff] = {}
    newest_failed: dict[int, int] = {}
    for preset_id, failed, created_at, rank in ranked:
        if not failed:
            continue
        failures.setdefault(preset_id, []).append(created_at)
        if rank <= settings.failure_hard_limit:
            newest_failed[preset_id] = newest_failed.get(preset_id, 0) + 1
        if preset_id in active and rank <= base[preset_id] and created_at >= since_at and preset_id not in backoff:
            backoff[preset_id] = Backoff(0, created_at)
    for preset_id, held in backoff.items():
        recent = sum(created_at >= since_at for created_at in failures[preset_id])
        backoff[preset_id] = held._replace(failed=recent)
    limit = settings.failure_hard_limit
    return Snapshot(
        now_at,
        presets,
        {preset_id: tuple(rows) for preset_id, rows in running.items()},
        starting,
        backoff,
        frozenset(preset_id for preset_id, failed in newest_failed.items() if limit > 0 and failed >= limit),
        {preset_id: tuple(at) for preset_id, at in failures.items()},
    )


def decide(
    seen: Snapshot, preset: PresetRow, desired: int, settings: Reconciler
) -> tuple[policy.Pool, policy.Actions, int, bool]:
    """(facts, actions, until when a backoff holds the preset, did the hard limit keep it from creating)."""
    running = seen.running.get(preset.id, ())
    expired = sum(_is_expired(prebuild, preset, seen.now_at) for prebuild in running)
    pool = policy.Pool(
        desired if preset.active else 0, len(running), expired, seen.starting.get(preset.id, 0), preset.active
    )
    held = seen.backoff.get(preset.id)
    if held is not None:
        until_at = policy.backoff_until_at(held.last_build_at, held.failed, settings.backoff_interval_us)
        if seen.now_at <= until_at:
            return pool, policy.Actions(0, 0, 0), int(until_at), False
    actions = policy.reconcile(pool)
    limited = actions.create > 0 and preset.id in seen.hard_limited
    if limited:
        actions = policy.Actions(actions.delete_expired, actions.delete_oldest, 0)
    return pool, actions, NEVER, limited


def _is_expired(prebuild: Prebuild, preset: PresetRow, now_at: int) -> bool:
    return bool(policy.is_expired(prebuild.created_at, preset.ttl_us, preset.invalidated_at, now_at))


def reconcile(
    tx: Transaction, now_at: int, behaviour: Behaviour, settings: Reconciler, desired: Callable[[int], int]
) -> tuple[Snapshot, tuple[Decision, ...]]:
    """A tick of the reconciler: the snapshot it read, and what it decided for each preset, which is done.

    `desired`: how many instances a preset's schedules want now. A paused reconciler decides nothing.
    """
    seen = snapshot(tx, now_at, settings)
    if is_paused(tx):
        return seen, ()
    decisions = []
    for preset in seen.presets:
        pool, actions, until_at, limited = decide(seen, preset, desired(preset.id), settings)
        canceled = 0
        if until_at == NEVER:
            if behaviour.cancels_pending and not preset.active:
                canceled = _cancel_pending(tx, now_at, preset.id)
            _do(tx, now_at, seen, preset, actions)
        decisions.append(Decision(preset.id, pool, actions, canceled, until_at, limited))
    return seen, tuple(decisions)


def _do(tx: Transaction, now_at: int, seen: Snapshot, preset: PresetRow, actions: policy.Actions) -> None:
    running = seen.running.get(preset.id, ())
    # Expired ones are the oldest; an inactive preset leaves them behind and deletes the others.
    expired = [p for p in running if _is_expired(p, preset, now_at)]
    others = [p for p in running if not _is_expired(p, preset, now_at)]
    for prebuild in (*expired[: actions.delete_expired], *others[: actions.delete_oldest]):
        workspaces.build(tx, now_at, prebuild.workspace_id, "delete", PREBUILDS_USER)
    for _ in range(actions.create):
        workspaces.insert(
            tx, now_at, PREBUILDS_USER, preset.template_id, preset.version_id, preset.id, preset.organization_id
        )


def _cancel_pending(tx: Transaction, now_at: int, preset_id: int) -> int:
    """Cancel the preset's start jobs that no daemon has taken; their workspaces are gone."""
    pending = tx.execute(
        f"SELECT job_id, workspace_id FROM ({_LATEST}) "
        "WHERE preset_id = $preset AND transition = 'start' AND job_status = 'pending' ORDER BY workspace_id",
        preset=preset_id,
    )
    for job_id, workspace_id in pending:
        jobs.cancel(tx, now_at, job_id)
        tx.update("workspaces", workspace_id, deleted=True)
    return len(pending)


ClaimOrder = Literal["oldest", "newest", "random"]


def claimable(tx: Transaction, now_at: int, preset_id: int) -> list[int]:
    """The prebuilds of a preset that somebody may claim now, the oldest first: of an active version, with a ready
    agent, also expired ones whose delete build does not exist yet."""
    return [
        int(row[0])
        for row in tx.execute(
            f"""
            SELECT l.workspace_id
            FROM ({_LATEST}) AS l
            JOIN template_versions AS v ON v.id = l.template_version_id
            JOIN templates AS t ON t.id = v.template_id AND t.active_version_id = v.id
            JOIN workspace_agents AS a ON a.workspace_build_id = l.build_id
            WHERE l.preset_id = $preset AND l.transition = 'start' AND l.job_status = 'succeeded'
                AND NOT t.deleted AND t.deprecated = ''
            GROUP BY l.workspace_id, l.workspace_us
            HAVING bool_and(coalesce(a.ready_at <= make_timestamptz($now), false))
            ORDER BY l.workspace_us, l.workspace_id
            """,
            preset=preset_id,
            now=now_at,
        )
    ]


def claim(tx: Transaction, now_at: int, owner_id: int, workspace_id: int, name: str, initiator_id: int) -> int:
    """Give a prebuild to a person, who owns it from now on, and build it once more: the build's id.

    Raises RefusedError for what is no prebuild (any more), or has more than one agent, for only one can be
    reinitialised.
    """
    workspace = workspaces.get(tx, workspace_id)
    if workspace.owner_id != PREBUILDS_USER:
        raise RefusedError(f"workspace {workspace_id} is no prebuild: user {workspace.owner_id} owns it")
    before = workspaces.latest_build(tx, workspace_id)
    if before.transition != "start" or before.job_status != "succeeded":
        raise RefusedError(
            f"prebuild {workspace_id} cannot be claimed: its {before.transition} build is {before.job_status}"
        )
    agents = tx.one("SELECT count(*) FROM workspace_agents WHERE workspace_build_id = $build", build=before.id)
    if agents is not None and agents[0] > 1:
        raise RefusedError(
            f"prebuild {workspace_id} has {agents[0]} agents, and a claim can reinitialise only one; "
            "give templates with prebuilds a single coder_agent"
        )
    tx.update(
        "workspaces",
        workspace_id,
        owner_id=owner_id,
        name=name,
        last_used_at=now_at,
        dormant_at=None,
        deleting_at=None,
    )
    return workspaces.insert_build(
        tx,
        now_at,
        workspace_id,
        before.build_number + 1,
        "start",
        initiator_id,
        before.template_version_id,
        before.preset_id,
        workspace.organization_id,
    )


def invalidate(tx: Transaction, now_at: int, preset_id: int, behaviour: Behaviour) -> None:
    """Prebuilds that were created before now count as expired. Raises RefusedError before v2.35."""
    if not behaviour.invalidates:
        raise RefusedError(f"Coder {behaviour.version} has no preset invalidation; v2.35 has")
    if tx.one("SELECT 1 FROM template_version_presets WHERE id = $id", id=preset_id) is None:
        raise RefusedError(f"there is no preset {preset_id}")
    tx.update("template_version_presets", preset_id, last_invalidated_at=now_at)


def pause(tx: Transaction, paused: bool) -> None:
    """The reconciler does nothing from now on, or goes on."""
    tx.execute("DELETE FROM prebuilds_settings")
    tx.insert("prebuilds_settings", reconciliation_paused=paused)


def is_paused(tx: Transaction) -> bool:
    return bool(tx.execute("SELECT 1 FROM prebuilds_settings WHERE reconciliation_paused"))


def set_quota(tx: Transaction, organization_id: int, quota_allowance: int) -> None:
    """Let the prebuilds user have workspaces of this daily cost in an organization: Coder makes its group with 0."""
    found = tx.one(
        "SELECT id FROM groups WHERE organization_id = $organization AND name = $name",
        organization=organization_id,
        name=MEMBERSHIP_GROUP,
    )
    if found is not None:
        tx.update("groups", found[0], quota_allowance=quota_allowance)
        return
    group_id = tx.insert(
        "groups", organization_id=organization_id, name=MEMBERSHIP_GROUP, quota_allowance=quota_allowance
    )
    tx.insert("group_members", group_id=group_id, user_id=PREBUILDS_USER)


def preset_of(tx: Transaction, preset_id: int) -> tuple[int, int]:
    """(template, version) of a preset. Raises RefusedError for an id that no preset has."""
    row = tx.one(
        "SELECT v.template_id, v.id FROM template_version_presets AS p "
        "JOIN template_versions AS v ON v.id = p.template_version_id WHERE p.id = $id",
        id=preset_id,
    )
    if row is None:
        raise RefusedError(f"there is no preset {preset_id}")
    return int(row[0]), int(row[1])
