"""What counts for each of Coder's metrics, from when until when: SQL over a run's rows, for the sums of `scrapes`."""

from __future__ import annotations

from typing import NamedTuple

from simkit.clock import NEVER, SECOND_US
from simkit.controlplane.metrics import (
    BUILDS,
    CLAIM_SECONDS,
    CLAIMED,
    CREATED,
    CREATION_SECONDS,
    DESIRED,
    ELIGIBLE,
    FAILED,
    HARD_LIMITED,
    JOB_SECONDS,
    JOBS,
    LATEST_BUILD,
    NAMED,
    PAUSED,
    PROVISIONER,
    QUEUE_SECONDS,
    REPLACEMENTS,
    RUNNING,
    UPDATED,
    Family,
)

# What holds of the rows, each from when until when: [from_at, until_at) in microseconds, NEVER for what does not end.
# A row is known from its creation on, whatever else it says.
STATES = (
    f"CREATE TEMP TABLE named AS {NAMED}",
    f"""
CREATE TEMP TABLE jobs AS
SELECT
    j.id, j.type, j.initiator_id, j.job_status, epoch_us(j.created_at) AS created_at,
    greatest(coalesce(epoch_us(j.started_at), {NEVER}), epoch_us(j.created_at)) AS started_at,
    greatest(coalesce(epoch_us(j.canceled_at), {NEVER}), epoch_us(j.created_at)) AS canceled_at,
    greatest(coalesce(epoch_us(j.completed_at), {NEVER}), epoch_us(j.created_at)) AS completed_at,
    j.completed_at IS NULL AND coalesce(j.error, '') <> '' AS is_broken
FROM provisioner_jobs AS j
WHERE j.run_id = $run
""",
    f"""
CREATE TEMP TABLE job_states AS
SELECT * FROM (
    SELECT id AS job_id, job_status AS status, completed_at AS from_at, {NEVER} AS until_at FROM jobs
    UNION ALL
    SELECT id, 'failed', created_at, {NEVER} FROM jobs WHERE is_broken
    UNION ALL
    SELECT id, 'canceling', canceled_at, completed_at FROM jobs WHERE NOT is_broken
    UNION ALL
    SELECT id, 'running', started_at, least(canceled_at, completed_at) FROM jobs WHERE NOT is_broken
    UNION ALL
    SELECT id, 'pending', created_at, least(started_at, canceled_at, completed_at) FROM jobs WHERE NOT is_broken
)
WHERE from_at < until_at
""",
    """
CREATE TEMP TABLE builds AS
SELECT
    b.id, b.workspace_id, b.template_version_id AS version_id, b.template_version_preset_id AS preset_id,
    b.build_number, b.transition, b.initiator_id, b.reason, b.job_id, epoch_us(b.created_at) AS created_at,
    greatest(epoch_us(b.created_at), j.created_at) AS from_at,
    greatest(epoch_us(b.created_at), j.started_at) AS started_at,
    greatest(epoch_us(b.created_at), j.completed_at) AS completed_at,
    j.job_status
FROM workspace_builds AS b
JOIN jobs AS j ON j.id = b.job_id
WHERE b.run_id = $run
""",
    """
CREATE TEMP TABLE hits AS
SELECT workspace_id, epoch_us(min(created_at)) AS claimed_at
FROM claims
WHERE run_id = $run AND hit
GROUP BY workspace_id
""",
    # Each workspace that was made for the pool, until it has an owner.
    f"""
CREATE TEMP TABLE prebuilt AS
SELECT
    b.workspace_id, b.preset_id, b.job_id, b.from_at,
    CASE
        WHEN w.owner_id <> 0 THEN greatest(b.from_at, coalesce(h.claimed_at, b.created_at)) ELSE {NEVER}
    END AS claimed_at
FROM builds AS b
JOIN workspaces AS w ON w.run_id = $run AND w.id = b.workspace_id
LEFT JOIN hits AS h ON h.workspace_id = b.workspace_id
WHERE b.build_number = 1 AND b.initiator_id = 0
""",
    # When a workspace is not gone: one that was deleted without a build is there while a build of it goes on.
    f"""
CREATE TEMP TABLE present AS
WITH each AS (
    SELECT
        b.workspace_id, coalesce(any_value(w.deleted), false) AS deleted,
        bool_or(b.transition = 'delete') AS has_delete,
        min(b.completed_at) FILTER (WHERE b.transition = 'delete' AND b.job_status = 'succeeded') AS gone_at
    FROM builds AS b
    LEFT JOIN workspaces AS w ON w.run_id = $run AND w.id = b.workspace_id
    GROUP BY b.workspace_id
),

busy AS (
    SELECT
        b.workspace_id, b.id, b.from_at, b.completed_at,
        coalesce(
            b.from_at > max(b.completed_at) OVER (
                PARTITION BY b.workspace_id ORDER BY b.from_at, b.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ),
            true
        ) AS begins
    FROM builds AS b
    JOIN each AS e USING (workspace_id)
    WHERE e.deleted AND NOT e.has_delete AND b.from_at < b.completed_at
)

SELECT workspace_id, -{NEVER} AS from_at, {NEVER} AS until_at FROM each WHERE NOT deleted
UNION ALL
SELECT workspace_id, -{NEVER}, coalesce(gone_at, {NEVER}) FROM each WHERE deleted AND has_delete
UNION ALL
SELECT workspace_id, min(from_at), max(completed_at)
FROM (
    SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY workspace_id ORDER BY from_at, id) AS span FROM busy
)
GROUP BY workspace_id, span
""",
    # The latest build of each workspace, by its status.
    f"""
CREATE TEMP TABLE latest AS
SELECT
    b.* EXCLUDE (from_at, until_at, started_at, completed_at), s.status,
    greatest(b.from_at, p.from_at, s.from_at) AS from_at, least(b.until_at, p.until_at, s.until_at) AS until_at
FROM (
    SELECT
        *,
        coalesce(
            min(from_at) OVER (
                PARTITION BY workspace_id ORDER BY build_number RANGE BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
            ),
            {NEVER}
        ) AS until_at
    FROM builds
) AS b
JOIN present AS p USING (workspace_id)
JOIN job_states AS s USING (job_id)
WHERE greatest(b.from_at, p.from_at, s.from_at) < least(b.until_at, p.until_at, s.until_at)
""",
    f"""
CREATE TEMP TABLE agents AS
SELECT
    a.workspace_build_id AS build_id,
    CASE
        WHEN
            bool_and(
                a.ready_at IS NOT NULL
                AND a.lifecycle_state NOT IN ('starting', 'start_timeout', 'start_error')
                AND (
                    a.lifecycle_state IN ('created', 'ready')
                    OR EXISTS (
                        SELECT 1 FROM workspace_builds AS later
                        JOIN workspace_builds AS mine ON mine.run_id = $run AND mine.id = a.workspace_build_id
                        WHERE
                            later.run_id = $run AND later.workspace_id = mine.workspace_id
                            AND later.build_number > mine.build_number
                    )
                )
            )
            THEN epoch_us(max(a.ready_at))
        ELSE {NEVER}
    END AS ready_at
FROM workspace_agents AS a
WHERE a.run_id = $run
GROUP BY a.workspace_build_id
""",
    f"""
CREATE TEMP TABLE owned AS
SELECT
    l.* EXCLUDE (from_at, until_at), coalesce(a.ready_at, {NEVER}) AS ready_at,
    greatest(l.from_at, p.from_at) AS from_at, least(l.until_at, p.claimed_at) AS until_at
FROM latest AS l
JOIN prebuilt AS p USING (workspace_id)
LEFT JOIN agents AS a ON a.build_id = l.id
WHERE greatest(l.from_at, p.from_at) < least(l.until_at, p.claimed_at)
""",
    f"""
CREATE TEMP TABLE wanted AS
SELECT
    preset_id, desired, epoch_us(from_at) AS from_at,
    coalesce(epoch_us(lead(from_at) OVER (PARTITION BY preset_id ORDER BY from_at)), {NEVER}) AS until_at
FROM desired_instances
WHERE run_id = $run
""",
    # Of each template the version that wants something, else that which is active in the end, else the last.
    f"""
CREATE TEMP TABLE active AS
WITH points AS (
    SELECT DISTINCT template_id, epoch_us(created_at) AS from_at FROM named
    UNION
    SELECT n.template_id, w.from_at FROM wanted AS w JOIN named AS n USING (preset_id)
),

candidates AS (
    SELECT p.template_id, p.from_at, n.version_id, n.preset_id, n.created_at, n.active_version_id
    FROM points AS p
    JOIN named AS n ON n.template_id = p.template_id AND epoch_us(n.created_at) <= p.from_at
),

each AS (
    SELECT
        c.template_id, c.from_at, c.version_id, c.created_at,
        coalesce(c.version_id = c.active_version_id, false) AS is_last_active,
        coalesce(max(w.desired), 0) > 0 AS wants
    FROM candidates AS c
    ASOF LEFT JOIN wanted AS w ON w.preset_id = c.preset_id AND c.from_at >= w.from_at
    GROUP BY ALL
),

chosen AS (
    SELECT template_id, from_at, arg_max(version_id, (wants, is_last_active, created_at, version_id)) AS version_id
    FROM each
    GROUP BY ALL
)

SELECT
    version_id, from_at, coalesce(lead(from_at) OVER (PARTITION BY template_id ORDER BY from_at), {NEVER}) AS until_at
FROM chosen
""",
    "CREATE TEMP TABLE limited (preset_id BIGINT, from_at BIGINT, until_at BIGINT)",
)

# What counts for which series: labels, from_at, until_at, then how much for each column.
_LABELS = "n.template_name, n.preset_name, n.organization_name"

_TOTALS = f"""
SELECT {_LABELS}, p.from_at, {NEVER} AS until_at, 1 AS created, 0 AS failed, 0 AS claimed
FROM prebuilt AS p JOIN named AS n USING (preset_id) WHERE NOT n.deleted
UNION ALL
SELECT {_LABELS}, greatest(p.from_at, s.from_at), s.until_at, 0, 1, 0
FROM prebuilt AS p JOIN named AS n USING (preset_id) JOIN job_states AS s USING (job_id)
WHERE NOT n.deleted AND s.status = 'failed'
UNION ALL
SELECT {_LABELS}, p.claimed_at, {NEVER}, 0, 0, 1
FROM prebuilt AS p JOIN named AS n USING (preset_id) WHERE NOT n.deleted
"""

_REPLACED = f"""
SELECT
    {_LABELS},
    min(greatest(epoch_us(r.happened_at), b.from_at, p.from_at)) AS from_at, {NEVER} AS until_at, 1 AS replaced
FROM workspace_build_replacements AS r
JOIN builds AS b ON b.id = r.workspace_build_id
JOIN prebuilt AS p USING (workspace_id)
JOIN named AS n ON n.preset_id = p.preset_id
WHERE r.run_id = $run
GROUP BY b.id, n.preset_id, {_LABELS}
"""

_OF_ACTIVE = "JOIN named AS n USING (preset_id) JOIN active AS a USING (version_id) WHERE NOT n.deleted"
_STANDS = "o.transition = 'start' AND o.status = 'succeeded'"
_WHILE_ACTIVE = "greatest(o.from_at, a.from_at) AS from_at, least(o.until_at, a.until_at) AS until_at"

_POOLS = f"""
SELECT {_LABELS}, a.from_at, a.until_at, 1 AS present, 0 AS desired, 0 AS running, 0 AS eligible
FROM named AS n JOIN active AS a USING (version_id) WHERE NOT n.deleted AND n.has_pool
UNION ALL
SELECT {_LABELS}, {_WHILE_ACTIVE}, 0, o.desired, 0, 0 FROM wanted AS o {_OF_ACTIVE}
UNION ALL
SELECT {_LABELS}, {_WHILE_ACTIVE}, 1, 0, CASE WHEN {_STANDS} THEN 1 ELSE 0 END, 0
FROM (SELECT * EXCLUDE (version_id) FROM owned) AS o {_OF_ACTIVE}
UNION ALL
SELECT {_LABELS}, greatest(o.from_at, a.from_at, o.ready_at), least(o.until_at, a.until_at), 0, 0, 0, 1
FROM (SELECT * EXCLUDE (version_id) FROM owned) AS o {_OF_ACTIVE} AND {_STANDS}
"""

_LIMITED = f"SELECT {_LABELS}, {_WHILE_ACTIVE}, 1 AS limited FROM limited AS o {_OF_ACTIVE}"

_LATEST = "SELECT status, from_at, until_at, 1 AS builds FROM latest"

_JOBS = f"""
SELECT '{PROVISIONER}' AS provisioner, -{NEVER} AS from_at, {NEVER} AS until_at, 1 AS present, 0 AS running
UNION ALL
SELECT '{PROVISIONER}', greatest(s.from_at, j.started_at), s.until_at, 0, 1
FROM job_states AS s JOIN jobs AS j ON j.id = s.job_id WHERE s.status IN ('running', 'canceling')
"""

_BUILDS = f"""
SELECT
    CASE WHEN p.workspace_id IS NOT NULL AND b.created_at < coalesce(h.claimed_at, {NEVER}) THEN 'prebuilds'
        ELSE coalesce(u.username, 'prebuilds') END AS workspace_owner,
    w.name AS workspace_name, t.name AS template_name, v.name AS template_version,
    CASE b.transition WHEN 'delete' THEN 'DESTROY' ELSE upper(b.transition) END AS workspace_transition,
    CASE b.job_status WHEN 'succeeded' THEN 'success' ELSE 'failed' END AS status,
    greatest(b.started_at, b.completed_at) AS from_at, {NEVER} AS until_at, 1 AS builds
FROM builds AS b
JOIN workspaces AS w ON w.run_id = $run AND w.id = b.workspace_id
JOIN template_versions AS v ON v.run_id = $run AND v.id = b.version_id
JOIN templates AS t ON t.run_id = $run AND t.id = v.template_id
LEFT JOIN prebuilt AS p ON p.workspace_id = b.workspace_id
LEFT JOIN hits AS h ON h.workspace_id = b.workspace_id
LEFT JOIN users AS u ON u.run_id = $run AND u.id = w.owner_id
"""

# Durations: labels, from when it is known, microseconds.
_JOB_SECONDS = f"""
SELECT
    '{PROVISIONER}', CASE j.job_status WHEN 'succeeded' THEN 'success' ELSE 'failed' END,
    greatest(j.started_at, j.completed_at), epoch_us(p.completed_at) - epoch_us(p.started_at)
FROM jobs AS j JOIN provisioner_jobs AS p ON p.run_id = $run AND p.id = j.id
"""

_QUEUE_SECONDS = f"""
SELECT
    '{PROVISIONER}', j.type, coalesce(b.transition, ''),
    CASE WHEN j.initiator_id = 0 THEN 'prebuild' ELSE coalesce(b.reason, '') END,
    j.started_at, epoch_us(p.started_at) - epoch_us(p.created_at)
FROM jobs AS j
JOIN provisioner_jobs AS p ON p.run_id = $run AND p.id = j.id
LEFT JOIN (SELECT job_id, transition, reason FROM workspace_builds WHERE run_id = $run) AS b ON b.job_id = j.id
"""

_CREATION_SECONDS = """
SELECT
    n.organization_name, n.template_name, n.preset_name, CASE b.initiator_id WHEN 0 THEN 'prebuild' ELSE 'regular' END,
    b.completed_at, epoch_us(p.completed_at) - b.created_at
FROM builds AS b
JOIN named AS n USING (preset_id)
JOIN provisioner_jobs AS p ON p.run_id = $run AND p.id = b.job_id
WHERE b.build_number = 1 AND b.job_status = 'succeeded'
"""

_CLAIM_SECONDS = """
SELECT n.organization_name, n.template_name, n.preset_name, b.completed_at, epoch_us(p.completed_at) - b.created_at
FROM builds AS b
JOIN named AS n USING (preset_id)
JOIN provisioner_jobs AS p ON p.run_id = $run AND p.id = b.job_id
WHERE b.job_status = 'succeeded' AND b.id IN (SELECT workspace_build_id FROM claims WHERE run_id = $run AND hit)
"""


class Source(NamedTuple):
    """SQL of what counts for the series of families, the columns it has for them, the first one how many make a series
    be there, and the families with a column each. A histogram takes them all."""

    sql: str
    columns: tuple[str, ...]
    families: tuple[tuple[Family, str], ...]


def _measured(family: Family, sql: str) -> Source:
    """`sql` selects durations. Columns: how many, the buckets' counts, the sum in microseconds."""
    labels = ", ".join(family.labels)
    bounds = [round(bound * SECOND_US) for bound in family.bounds_s]
    columns = ("every", *(f"up_to_{i}" for i in range(len(bounds))), "us")
    counts = ", ".join(f"(us <= {bound})::INT AS up_to_{i}" for i, bound in enumerate(bounds))
    counted = f"""
SELECT {labels}, from_at, {NEVER} AS until_at, 1 AS every, {counts}, us
FROM ({sql}) AS measured({labels}, from_at, us)
WHERE us IS NOT NULL
"""
    return Source(counted, columns, ((family, ""),))


SOURCES = (
    Source(
        _TOTALS,
        ("created", "failed", "claimed"),
        ((CREATED, "created"), (FAILED, "failed"), (CLAIMED, "claimed")),
    ),
    Source(_REPLACED, ("replaced",), ((REPLACEMENTS, "replaced"),)),
    Source(
        _POOLS,
        ("present", "desired", "running", "eligible"),
        ((DESIRED, "desired"), (RUNNING, "running"), (ELIGIBLE, "eligible")),
    ),
    Source(_LIMITED, ("limited",), ((HARD_LIMITED, "least(limited, 1)"),)),
    Source(_LATEST, ("builds",), ((LATEST_BUILD, "builds"),)),
    Source(_BUILDS, ("builds",), ((BUILDS, "builds"),)),
    Source(_JOBS, ("present", "running"), ((JOBS, "running"),)),
    _measured(JOB_SECONDS, _JOB_SECONDS),
    _measured(QUEUE_SECONDS, _QUEUE_SECONDS),
    _measured(CREATION_SECONDS, _CREATION_SECONDS),
    _measured(CLAIM_SECONDS, _CLAIM_SECONDS),
)
WITHOUT_ROWS = (PAUSED, UPDATED)
NAMES = tuple(sorted(f.name for f in (*(f for s in SOURCES for f, _ in s.families), *WITHOUT_ROWS)))
"""Of all families."""
