"""What the tables of a control plane say while its day goes on: states, queues, log volume, pools, matches.

These ask about now, and so are no questions of `simkit ask`, which asks finished runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from simkit.clock import MINUTE_US
from simkit.controlplane import ControlPlane, prebuilds, presets

if TYPE_CHECKING:
    import pandas as pd


VOLUME_US = 15 * MINUTE_US
"""The interval over which log volume is counted."""


def states(plane: ControlPlane) -> pd.DataFrame:
    """Every span in which a workspace was in a state: workspace, state, from_at, until_at, by creation.

    States: `pending` and `building` while a job waits or works, `waiting` (a prebuild that stands there for nobody),
    `running` (for its owner), `stopped`, `failed` (or cancelled); `deleted` and `claimed` are instants.
    """
    return plane.sql(_STATES, now=plane.now_at)


def queue_length(plane: ControlPlane) -> pd.DataFrame:
    """Pending jobs after each instant at which their number changed: changed_at, of people, of prebuilds."""
    return plane.sql(_QUEUE)


def log_volume(plane: ControlPlane) -> pd.DataFrame:
    """Bytes of UTF-8 that jobs and agents wrote in each interval of VOLUME_US from the first instant on, 0 also."""
    return plane.sql(_VOLUME, now=plane.now_at, interval=VOLUME_US)


def pools(plane: ControlPlane) -> pd.DataFrame:
    """What the reconciler's snapshot sees now: a row for each preset of an active version."""
    import pandas as pd

    with plane.database.transaction() as tx:
        seen = prebuilds.snapshot(tx, plane.now_at, prebuilds.presets(tx), plane.reconciler)
        names: dict[int, str] = dict(tx.execute("SELECT id, name FROM template_version_presets"))
        rows = [
            {
                "preset": names[preset.id],
                "preset_id": preset.id,
                "desired": plane.desired(tx, preset.id),
                "running": len(seen.running.get(preset.id, ())),
                "eligible": sum(prebuild.ready for prebuild in seen.running.get(preset.id, ())),
                "starting": seen.starting.get(preset.id, 0),
                "hard limited": "yes" if preset.id in seen.hard_limited else "no",
            }
            for preset in seen.presets
            if preset.active
        ]
    return pd.DataFrame(rows)


def matches(plane: ControlPlane, version_id: int, given: Iterable[Mapping[str, str]]) -> pd.DataFrame:
    """The preset of a version that each set of parameters finds, as text; "none" where none does."""
    import pandas as pd

    rows = []
    with plane.database.transaction() as tx:
        names: dict[int, str] = dict(tx.execute("SELECT id, name FROM template_version_presets"))
        for parameters in given:
            found = presets.match(tx, version_id, parameters)
            text = ", ".join(f"{name} = {value}" for name, value in parameters.items())
            rows.append({"parameters given": text or "(none)", "preset": "none" if found is None else names[found]})
    return pd.DataFrame(rows)


_STATES = """
WITH builds AS (
    SELECT
        b.workspace_id, w.name AS workspace_name, w.owner_id, w.deleted, b.build_number, b.transition, b.created_at,
        j.started_at, j.completed_at, j.job_status,
        coalesce(lead(b.created_at) OVER next_build, make_timestamptz($now::BIGINT)) AS next_at,
        first(b.initiator_id) OVER next_build = 0 AS was_prebuild,
        coalesce(c.hit, false) AS is_claim,
        make_timestamptz($now::BIGINT) AS now_at
    FROM workspace_builds AS b
    JOIN workspaces AS w ON w.id = b.workspace_id
    JOIN provisioner_jobs AS j ON j.id = b.job_id
    LEFT JOIN claims AS c ON c.workspace_build_id = b.id
    WINDOW next_build AS (PARTITION BY b.workspace_id ORDER BY b.build_number)
),

spans AS (
    SELECT
        workspace_id, 'pending' AS state, created_at AS from_at,
        coalesce(started_at, completed_at, now_at) AS until_at
    FROM builds
    UNION ALL
    SELECT workspace_id, 'building', started_at, coalesce(completed_at, now_at) FROM builds WHERE started_at IS NOT NULL
    UNION ALL
    SELECT
        workspace_id,
        CASE
            WHEN job_status <> 'succeeded' THEN 'failed'
            WHEN transition = 'stop' THEN 'stopped'
            WHEN was_prebuild AND build_number = 1 THEN 'waiting'
            ELSE 'running'
        END,
        completed_at, next_at
    FROM builds
    WHERE completed_at IS NOT NULL AND NOT (transition = 'delete' AND job_status = 'succeeded')
        AND NOT (deleted AND job_status = 'canceled')
    UNION ALL
    SELECT workspace_id, 'deleted', completed_at, completed_at FROM builds
    WHERE (transition = 'delete' AND job_status = 'succeeded') OR (deleted AND job_status = 'canceled')
    UNION ALL
    SELECT workspace_id, 'claimed', created_at, created_at FROM builds WHERE is_claim
)

SELECT
    s.workspace_id, CASE WHEN w.owner_id = 0 THEN w.name ELSE u.username || '/' || w.name END AS workspace, s.state,
    s.from_at, s.until_at
FROM spans AS s
JOIN workspaces AS w ON w.id = s.workspace_id
LEFT JOIN users AS u ON u.id = w.owner_id
WHERE s.from_at < s.until_at OR s.state IN ('deleted', 'claimed')
ORDER BY s.workspace_id, s.from_at, s.until_at, s.state
"""

_QUEUE = """
WITH changes AS (
    SELECT created_at AS changed_at, initiator_id, 1 AS change FROM provisioner_jobs
    UNION ALL
    SELECT coalesce(started_at, completed_at), initiator_id, -1 FROM provisioner_jobs
    WHERE started_at IS NOT NULL OR completed_at IS NOT NULL
),

net AS (
    SELECT
        changed_at,
        sum(CASE WHEN initiator_id <> 0 THEN change ELSE 0 END) AS people,
        sum(CASE WHEN initiator_id = 0 THEN change ELSE 0 END) AS prebuilds
    FROM changes
    GROUP BY changed_at
)

SELECT
    changed_at, (sum(people) OVER in_time)::BIGINT AS people, (sum(prebuilds) OVER in_time)::BIGINT AS prebuilds
FROM net
WINDOW in_time AS (ORDER BY changed_at)
ORDER BY changed_at
"""

_VOLUME = """
WITH begun AS (SELECT epoch_us(start_at) AS start_us FROM runs),

written AS (
    SELECT created_at, strlen(output) AS bytes, true AS of_job FROM provisioner_job_logs
    UNION ALL
    SELECT created_at, strlen(output), false FROM workspace_agent_logs
),

intervals AS (
    SELECT start_us + i * $interval::BIGINT AS from_us
    FROM begun, range(0, ($now::BIGINT - (SELECT start_us FROM begun)) // $interval::BIGINT + 1) AS of(i)
)

SELECT
    make_timestamptz(i.from_us) AS from_at,
    coalesce(sum(w.bytes) FILTER (WHERE w.of_job), 0)::BIGINT AS jobs,
    coalesce(sum(w.bytes) FILTER (WHERE NOT w.of_job), 0)::BIGINT AS agents
FROM intervals AS i
LEFT JOIN written AS w
    ON epoch_us(w.created_at) >= i.from_us AND epoch_us(w.created_at) < i.from_us + $interval::BIGINT
GROUP BY i.from_us
ORDER BY i.from_us
"""
