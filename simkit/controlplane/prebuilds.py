"""Prebuilds: what the reconciler sees by SQL, what it does about it, and how a person claims one.

The four snapshot queries are Coder's (coderd/database/queries/prebuilds.sql); what to do is `core.policy`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from simkit.clock import NEVER, SECOND_US, from_datetime
from simkit.coder_versions import Behaviour
from simkit.controlplane import jobs, workspaces
from simkit.controlplane.types import PREBUILDS_USER
from simkit.core import policy
from simkit.errors import RefusedError
from simkit.model import Reconciler
from simkit.store.database import Row, Transaction

MEMBERSHIP_GROUP = "coderprebuiltworkspaces"
"""The group through which the prebuilds user gets its quota in an organization."""

# The builds of the prebuilds user's workspaces, the latest of each last; those of people's play no part, and are many.
# Plain columns and no window: what an expression costs this database to prepare is more than these few rows to read.
_BUILDS = """
    SELECT
        w.id, w.created_at, b.template_version_preset_id, b.build_number, b.template_version_id, b.transition,
        b.created_at, a.ready_at, a.lifecycle_state, a.parent_id{columns}
    FROM workspaces AS w
    JOIN workspace_builds AS b ON b.workspace_id = w.id
    {joins}
    LEFT JOIN workspace_agents AS a ON a.workspace_build_id = b.id
    WHERE w.owner_id = 0 AND NOT w.deleted{where}
    ORDER BY w.created_at, w.id, b.build_number
"""
# Coder's GetRunningPrebuiltWorkspaces, and with it the starts that failed, which the queries below ask about.
_RUNNING = _BUILDS.format(
    columns=", j.id, j.started_at, j.completed_at, j.canceled_at, j.error",
    joins="JOIN provisioner_jobs AS j ON j.id = b.job_id",
    where="",
)
_CLAIMABLE = _BUILDS.format(
    columns=", t.organization_id, j.canceled_at",
    joins="JOIN templates AS t ON t.id = w.template_id JOIN provisioner_jobs AS j ON j.id = b.job_id",
    where=" AND b.template_version_preset_id = $preset AND t.active_version_id = b.template_version_id "
    "AND NOT t.deleted AND t.deprecated = ''",
)
_PRESETS = """
    SELECT
        p.id, t.id, v.id, t.organization_id, t.active_version_id, t.deleted, t.deprecated, p.last_invalidated_at,
        p.invalidate_after_secs
    FROM template_version_presets AS p
    JOIN template_versions AS v ON v.id = p.template_version_id
    JOIN templates AS t ON t.id = v.template_id
    ORDER BY p.id
"""
# Coder's CountInProgressPrebuilds: builds of the prebuilds user, also those of claims before v2.35.
_IN_PROGRESS = """
    SELECT b.template_version_preset_id, count(*)
    FROM provisioner_jobs AS j
    JOIN workspace_builds AS b ON b.job_id = j.id
    WHERE j.completed_at IS NULL AND j.initiator_id = 0 AND b.transition = 'start'
    GROUP BY b.template_version_preset_id
"""
_RANKED = """
    SELECT
        preset_id, failed, build_at,
        row_number() OVER (PARTITION BY preset_id ORDER BY build_at DESC, build_id DESC) AS rank
    FROM (
        SELECT
            b.template_version_preset_id AS preset_id, b.transition, b.created_at AS build_at, b.id AS build_id,
            j.job_status = 'failed' AS failed
        FROM workspaces AS w
        JOIN workspace_builds AS b ON b.workspace_id = w.id
        JOIN provisioner_jobs AS j ON j.id = b.job_id
        WHERE w.owner_id = 0 AND NOT w.deleted
        QUALIFY row_number() OVER (PARTITION BY w.id ORDER BY b.build_number DESC) = 1
    )
    WHERE transition = 'start'
"""
# Prebuilds whose start failed and which nobody has built since.
_FAILED = """
    SELECT
        w.id, b.template_version_preset_id, epoch_us(w.created_at), b.build_number, b.template_version_id,
        t.organization_id
    FROM workspaces AS w
    JOIN templates AS t ON t.id = w.template_id
    JOIN workspace_builds AS b ON b.workspace_id = w.id
    JOIN provisioner_jobs AS j ON j.id = b.job_id
    WHERE w.owner_id = 0 AND NOT w.deleted AND b.transition = 'start' AND j.job_status = 'failed'
        AND NOT EXISTS (
            SELECT 1 FROM workspace_builds AS later
            WHERE later.workspace_id = w.id AND later.build_number > b.build_number
        )
    ORDER BY b.template_version_preset_id, w.created_at, w.id
"""
# Coder's GetPresetsBackoff: a failure in the lookback among the newest `desired_instances` of a preset in force.
_BACKOFF = f"""
    WITH ranked AS ({_RANKED})
    SELECT
        r.preset_id, epoch_us(max(r.build_at)),
        (SELECT count(*) FROM ranked AS f
         WHERE f.preset_id = r.preset_id AND f.failed AND f.build_at >= make_timestamptz($since))
    FROM ranked AS r
    JOIN template_version_presets AS p ON p.id = r.preset_id
    JOIN templates AS t ON t.active_version_id = p.template_version_id AND NOT t.deleted AND t.deprecated = ''
    WHERE r.failed AND r.build_at >= make_timestamptz($since) AND r.rank <= p.desired_instances
    GROUP BY r.preset_id
"""
# Coder's GetPresetsAtFailureLimit: the newest so many starts all failed, however long ago.
_AT_FAILURE_LIMIT = f"""
    SELECT preset_id FROM ({_RANKED}) WHERE failed AND rank <= $limit GROUP BY preset_id HAVING count(*) = $limit
"""


class _Latest(NamedTuple):
    """What _BUILDS says of a prebuild's latest build; instants as the database has them, None for those to come."""

    workspace_id: int
    workspace_at: datetime
    preset_id: int
    build_number: int
    version_id: int
    transition: str
    build_at: datetime
    ready_at: datetime | None
    agents: int
    others: tuple[Any, ...]
    """The other columns that were asked for."""


def _latest(rows: Iterable[Row]) -> list[_Latest]:
    """The latest build of each workspace, in order of creation; with several agents, ready when all of them are.

    Ready is an agent in that very state: one whose scripts failed or that shuts down is not. Agents of devcontainers
    (with a parent) count for that, but not among the `agents`.
    """
    found: dict[int, _Latest] = {}
    for row in rows:
        ready_at = row[7] if row[8] == "ready" else None
        mine = _Latest._make((*row[:7], ready_at, int(row[9] is None), row[10:]))
        before = found.get(mine.workspace_id)
        if before is not None and before.build_number == mine.build_number:
            waits = mine.ready_at is None or (before.ready_at is not None and mine.ready_at > before.ready_at)
            mine = (mine if waits else before)._replace(agents=before.agents + mine.agents)
        found[mine.workspace_id] = mine
    return list(found.values())


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
    """When each failed prebuild was created, oldest first."""


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
    workspace_ids: tuple[int, ...]
    """Of the prebuilds that it created."""


def presets(tx: Transaction) -> tuple[PresetRow, ...]:
    """Every preset of every version, with what a tick must know of it."""
    found = []
    for preset_id, template_id, version_id, organization_id, active_id, *more in tx.execute(_PRESETS):
        deleted, deprecated, invalidated, ttl_s = more
        active = active_id == version_id and not deleted and not deprecated
        invalidated_at = -NEVER if invalidated is None else from_datetime(invalidated)
        ids = (preset_id, template_id, version_id, organization_id)
        found.append(PresetRow(*ids, active, invalidated_at, ttl_s * SECOND_US))
    return tuple(found)


def snapshot(tx: Transaction, now_at: int, presets: tuple[PresetRow, ...], settings: Reconciler) -> Snapshot:
    """What the reconciler sees of these presets at a tick, asked as Coder asks it. It sees none while it is paused."""
    running: dict[int, list[Prebuild]] = {}
    failures: dict[int, list[int]] = {}
    for build in _latest(tx.execute(_RUNNING)):
        _, _, completed_at, canceled_at, error = build.others
        if build.transition != "start" or completed_at is None:
            continue
        if error:
            failures.setdefault(build.preset_id, []).append(from_datetime(build.build_at))
        if error or canceled_at is not None:
            continue
        ready = build.ready_at is not None and from_datetime(build.ready_at) <= now_at
        prebuild = Prebuild(build.workspace_id, build.preset_id, from_datetime(build.workspace_at), ready)
        running.setdefault(build.preset_id, []).append(prebuild)
    backoff, hard_limited = {}, []
    if failures:
        since_at = now_at - settings.backoff_lookback_us
        backoff = {row[0]: Backoff(row[2], row[1]) for row in tx.execute(_BACKOFF, since=since_at)}
        if settings.failure_hard_limit > 0:
            hard_limited = tx.execute(_AT_FAILURE_LIMIT, limit=settings.failure_hard_limit)
    return Snapshot(
        now_at,
        presets,
        {preset_id: tuple(mine) for preset_id, mine in running.items()},
        dict(tx.execute(_IN_PROGRESS)),
        backoff,
        frozenset(preset_id for (preset_id,) in hard_limited),
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
    tx: Transaction, seen: Snapshot, behaviour: Behaviour, settings: Reconciler, desired: Callable[[int], int]
) -> tuple[Decision, ...]:
    """A tick of the reconciler: what it decides for each preset that it sees, and does.

    `desired`: how many instances a preset's schedules want now.
    """
    now_at = seen.now_at
    decisions = []
    for preset in seen.presets:
        pool, actions, until_at, limited = decide(seen, preset, desired(preset.id), settings)
        canceled, made = 0, tuple[int, ...]()
        if until_at == NEVER:
            if behaviour.cancels_pending and not preset.active:
                canceled = _cancel_pending(tx, now_at, preset.id, behaviour)
            made = _do(tx, now_at, seen, preset, actions)
        decisions.append(Decision(preset.id, pool, actions, canceled, until_at, limited, made))
    return tuple(decisions)


def _do(tx: Transaction, now_at: int, seen: Snapshot, preset: PresetRow, actions: policy.Actions) -> tuple[int, ...]:
    """Do it; the workspaces that were created."""
    running = seen.running.get(preset.id, ())
    # Expired ones are the oldest; an inactive preset leaves them behind and deletes the others.
    expired = [p for p in running if _is_expired(p, preset, now_at)]
    others = [p for p in running if not _is_expired(p, preset, now_at)]
    for prebuild in (*expired[: actions.delete_expired], *others[: actions.delete_oldest]):
        workspaces.build(tx, now_at, prebuild.workspace_id, "delete", PREBUILDS_USER)
    of = (preset.template_id, preset.version_id, preset.id, preset.organization_id)
    return tuple(workspaces.insert(tx, now_at, PREBUILDS_USER, *of)[0] for _ in range(actions.create))


def clear_failed(tx: Transaction, now_at: int, cleared_after_us: Mapping[int, int], operator_id: int) -> int:
    """An operator deletes failed prebuilds older than that, by preset id; when the next one will be, or NEVER."""
    next_at = NEVER
    for workspace_id, preset_id, created_at, number, version_id, organization_id in tx.execute(_FAILED):
        after_us = cleared_after_us.get(preset_id, 0)
        if policy.is_expired(created_at, after_us, -NEVER, now_at):
            workspaces.insert_build(
                tx, now_at, workspace_id, number + 1, "delete", operator_id, version_id, preset_id, organization_id
            )
        elif after_us > 0:
            next_at = min(next_at, created_at + after_us + 1)
    return next_at


def _cancel_pending(tx: Transaction, now_at: int, preset_id: int, behaviour: Behaviour) -> int:
    """Cancel the preset's start jobs that no daemon has taken, and delete their workspaces, of which nothing was
    built."""
    pending = [
        (build.others[0], build.workspace_id)
        for build in _latest(tx.execute(_RUNNING))
        if build.preset_id == preset_id and build.transition == "start" and build.others[1:3] == (None, None)
    ]
    for job_id, workspace_id in pending:
        jobs.cancel(tx, now_at, job_id)
        if behaviour.deletes_canceled:
            workspaces.delete_orphan(tx, now_at, workspace_id, PREBUILDS_USER)
        else:
            tx.update("workspaces", workspace_id, deleted=True)
    return len(pending)


ClaimOrder = Literal["oldest", "newest", "random"]


class Ready(NamedTuple):
    """A prebuild that somebody may claim, as its latest build has it."""

    workspace_id: int
    build_number: int
    version_id: int
    preset_id: int
    organization_id: int
    agents: int


def claimable(tx: Transaction, now_at: int, preset_id: int) -> list[Ready]:
    """The prebuilds of a preset that somebody may claim now, the oldest first: of an active version, with ready
    agents (which only a start that succeeded has), also expired ones whose delete build does not exist yet."""
    return [
        Ready(build.workspace_id, build.build_number, build.version_id, preset_id, build.others[0], build.agents)
        for build in _latest(tx.execute(_CLAIMABLE, preset=preset_id))
        if build.transition == "start"
        and build.others[1] is None
        and build.ready_at is not None
        and from_datetime(build.ready_at) <= now_at
    ]


def claim(tx: Transaction, now_at: int, owner_id: int, ready: Ready, name: str, initiator_id: int) -> int:
    """Give a prebuild to a person, who owns it from now on, and build it once more: the build's id.

    Raises RefusedError for one that has more than one agent, for only one can be reinitialised.
    """
    if ready.agents > 1:
        raise RefusedError(
            f"prebuild {ready.workspace_id} has {ready.agents} agents, and a claim can reinitialise only one; "
            "give templates with prebuilds a single coder_agent"
        )
    tx.update(
        "workspaces",
        ready.workspace_id,
        owner_id=owner_id,
        name=name,
        last_used_at=now_at,
    )
    return workspaces.insert_build(
        tx,
        now_at,
        ready.workspace_id,
        ready.build_number + 1,
        "start",
        initiator_id,
        ready.version_id,
        ready.preset_id,
        ready.organization_id,
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
