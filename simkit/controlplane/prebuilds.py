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
        b.build_number, b.transition, b.job_id, j.job_status, epoch_us(w.created_at) AS workspace_us, epoch_us(b.created_at) AS build_us
    FROM workspaces AS w
    JOIN workspace_builds AS b ON b.workspace_id = w.id
    JOIN provisioner_jobs AS j ON j.id = b.job_id
    WHERE w.owner_id = 0 AND NOT w.deleted
    QUALIFY row_number() OVER (PARTITION BY w.id ORDER BY b.build_number DESC) = 1
"""


# What a tick reads, each part as Coder asks for it. Failures and hard limits look at latest builds that are starts, newest
# first; a backoff needs a failure in the lookback among the newest `desired_instances` of a preset in force.
_SNAPSHOT = f"""
    WITH preset AS (
        SELECT
            p.id, t.id AS template_id, v.id AS version_id, t.organization_id, p.desired_instances,
            t.active_version_id = v.id AND NOT t.deleted AND t.deprecated = '' AS active,
            epoch_us(p.last_invalidated_at) AS invalidated_us, p.invalidate_after_secs * 1000000 AS ttl_us
        FROM template_version_presets AS p
        JOIN template_versions AS v ON v.id = p.template_version_id
        JOIN templates AS t ON t.id = v.template_id
    ),

    latest AS MATERIALIZED ({_LATEST}),

    ranked AS (
        SELECT
            preset_id, job_status = 'failed' AS failed, build_us,
            row_number() OVER (PARTITION BY preset_id ORDER BY build_us DESC, build_id DESC) AS rank
        FROM latest WHERE transition = 'start'
    ),

    recent AS (
        SELECT preset_id, count(*) AS failed FROM ranked WHERE failed AND build_us >= $since GROUP BY preset_id
    )

    SELECT '1 preset', id, template_id, version_id, organization_id, active, invalidated_us, ttl_us FROM preset
    UNION ALL
    SELECT '2 running', l.preset_id, l.workspace_us, l.workspace_id, NULL,
        coalesce(min(a.ready_at) <= make_timestamptz($now), false), NULL, NULL
    FROM latest AS l
    LEFT JOIN workspace_agents AS a ON a.workspace_build_id = l.build_id
    WHERE l.transition = 'start' AND l.job_status = 'succeeded'
    GROUP BY l.workspace_id, l.preset_id, l.workspace_us
    UNION ALL
    -- Builds of the prebuilds user, be it its own workspaces' or, before v2.35, claims'.
    SELECT '3 starting', b.template_version_preset_id, count(*), NULL, NULL, NULL, NULL, NULL
    FROM provisioner_jobs AS j
    JOIN workspace_builds AS b ON b.job_id = j.id
    WHERE j.completed_at IS NULL AND j.initiator_id = 0 AND b.transition = 'start'
    GROUP BY b.template_version_preset_id
    UNION ALL
    SELECT '4 failed', preset_id, build_us, -rank, NULL, NULL, NULL, NULL FROM ranked WHERE failed
    UNION ALL
    SELECT '5 backoff', r.preset_id, any_value(c.failed), max(r.build_us), NULL, NULL, NULL, NULL
    FROM ranked AS r
    JOIN preset AS p ON p.id = r.preset_id AND p.active
    JOIN recent AS c ON c.preset_id = r.preset_id
    WHERE r.failed AND r.build_us >= $since AND r.rank <= p.desired_instances
    GROUP BY r.preset_id
    UNION ALL
    SELECT '6 hard limit', preset_id, NULL, NULL, NULL, NULL, NULL, NULL
    FROM ranked WHERE failed AND rank <= $limit
    GROUP BY preset_id HAVING count(*) = $limit
    ORDER BY 1, 2, 3, 4
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


def snapshot(tx: Transaction, now_at: int, settings: Reconciler) -> Snapshot:
    """What the reconciler sees at a tick: Coder's queries, in one statement that reads the latest builds once."""
    presets: list[PresetRow] = []
    running: dict[int, list[Prebuild]] = {}
    starting: dict[int, int] = {}
    failures: dict[int, list[int]] = {}
    backoff: dict[int, Backoff] = {}
    hard_limited: set[int] = set()
    for kind, preset_id, one, two, three, flag, invalidated_at, ttl_us in tx.execute(
        _SNAPSHOT,
        now=now_at,
        since=now_at - settings.backoff_lookback_us,
        limit=settings.failure_hard_limit,
    ):
        match kind:
            case "1 preset":
                since_at = -NEVER if invalidated_at is None else invalidated_at
                presets.append(PresetRow(preset_id, one, two, three, flag, since_at, ttl_us))
            case "2 running":
                running.setdefault(preset_id, []).append(Prebuild(two, preset_id, one, flag))
            case "3 starting":
                starting[preset_id] = one
            case "4 failed":
                failures.setdefault(preset_id, []).append(one)
            case "5 backoff":
                backoff[preset_id] = Backoff(one, two)
            case "6 hard limit":
                hard_limited.add(preset_id)
    return Snapshot(
        now_at,
        tuple(presets),
        {preset_id: tuple(rows) for preset_id, rows in running.items()},
        starting,
        backoff,
        frozenset(hard_limited),
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
        canceled, made = 0, tuple[int, ...]()
        if until_at == NEVER:
            if behaviour.cancels_pending and not preset.active:
                canceled = _cancel_pending(tx, now_at, preset.id)
            made = _do(tx, now_at, seen, preset, actions)
        decisions.append(Decision(preset.id, pool, actions, canceled, until_at, limited, made))
    return seen, tuple(decisions)


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
    agents, also expired ones whose delete build does not exist yet."""
    return [
        Ready._make(row)
        for row in tx.execute(
            f"""
            SELECT
                l.workspace_id, any_value(l.build_number), v.id, l.preset_id, any_value(t.organization_id), count(*)
            FROM ({_LATEST}) AS l
            JOIN template_versions AS v ON v.id = l.template_version_id
            JOIN templates AS t ON t.active_version_id = v.id AND NOT t.deleted AND t.deprecated = ''
            JOIN workspace_agents AS a ON a.workspace_build_id = l.build_id
            WHERE l.preset_id = $preset AND l.transition = 'start' AND l.job_status = 'succeeded'
            GROUP BY l.workspace_id, l.workspace_us, v.id, l.preset_id
            HAVING bool_and(coalesce(a.ready_at <= make_timestamptz($now), false))
            ORDER BY l.workspace_us, l.workspace_id
            """,
            preset=preset_id,
            now=now_at,
        )
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
        dormant_at=None,
        deleting_at=None,
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
