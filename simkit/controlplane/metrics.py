"""Coder's Prometheus metrics at one instant of a run, under Coder's names: a real dashboard reads a simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from simkit.clock import SECOND_US, format_instant, parse_instant
from simkit.errors import Finding, InputError, StoreError, Where
from simkit.model import Reconciler
from simkit.store.database import Database

PRESET_LABELS = ("template_name", "preset_name", "organization_name")

_PREBUILDS = "coderd_prebuilt_workspaces_"
_PROVISIONER = "terraform"  # the only kind of provisioner here
_BUILD_S = (1, 10, 30, 60, 300, 600, 1800, 3600)
_CLAIM_S = (1, 5, 10, 20, 30, 60, 120, 180, 240, 300)
_QUEUE_S = (0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 900, 1800)

# Texts as in Coder's enterprise/coderd/prebuilds/metricscollector.go.
_COUNTERS = {
    "created": "Total number of prebuilt workspaces that have been created to meet the desired instance count of each "
    "template preset.",
    "failed": "Total number of prebuilt workspaces that failed to build.",
    "claimed": "Total number of prebuilt workspaces which were claimed by users. Claiming refers to creating a "
    "workspace with a preset selected for which eligible prebuilt workspaces are available and one is reassigned to a "
    "user.",
}
_REPLACEMENTS = (
    "Total number of prebuilt workspaces whose resource(s) got replaced upon being claimed. In Terraform, drift on "
    "immutable attributes results in resource replacement. This represents a worst-case scenario for prebuilt "
    "workspaces because the pre-provisioned resource would have been recreated when claiming, thus obviating the point "
    "of pre-provisioning. See https://coder.com/docs/admin/templates/extending-templates/prebuilt-workspaces"
    "#preventing-resource-replacement"
)
_GAUGES = {
    "desired": "Target number of prebuilt workspaces that should be available for each template preset.",
    "running": "Current number of prebuilt workspaces that are in a running state. These workspaces have started "
    "successfully but may not yet be claimable by users (see coderd_prebuilt_workspaces_eligible).",
    "eligible": "Current number of prebuilt workspaces that are eligible to be claimed by users. These are workspaces "
    "that have completed their build process with their agent reporting 'ready' status.",
}
_HARD_LIMITED = (
    "Indicates whether a given preset has reached the hard failure limit (1 = hard-limited). Metric is omitted "
    "otherwise."
)

# Everything as it stood at $now: what came later is not there yet, whatever a row says of the end of the run.
_AS_OF = """
WITH asked AS (SELECT make_timestamptz($now::BIGINT) AS now_at),

named AS ( -- each preset with its labels
    SELECT
        p.id AS preset_id, p.template_version_id AS version_id, v.template_id, v.created_at,
        t.name AS template_name, p.name AS preset_name, coalesce(o.name, 'coder') AS organization_name, t.deleted,
        t.active_version_id,
        p.desired_instances > 0 OR EXISTS (
            SELECT 1 FROM template_version_preset_prebuild_schedules AS s
            WHERE s.run_id = $run AND s.preset_id = p.id AND s.desired_instances > 0
        ) AS has_pool
    FROM template_version_presets AS p
    JOIN template_versions AS v ON v.run_id = p.run_id AND v.id = p.template_version_id
    JOIN templates AS t ON t.run_id = v.run_id AND t.id = v.template_id
    LEFT JOIN organizations AS o ON o.run_id = t.run_id AND o.id = t.organization_id
    WHERE p.run_id = $run
),

jobs AS (
    SELECT
        id, created_at, type, initiator_id,
        CASE WHEN started_at <= now_at THEN started_at END AS started_at,
        CASE WHEN completed_at <= now_at THEN completed_at END AS completed_at,
        CASE
            WHEN completed_at <= now_at THEN job_status
            WHEN completed_at IS NULL AND coalesce(error, '') <> '' THEN 'failed'
            WHEN canceled_at <= now_at THEN 'canceling'
            WHEN started_at <= now_at THEN 'running'
            ELSE 'pending'
        END AS status
    FROM provisioner_jobs, asked
    WHERE run_id = $run AND created_at <= now_at
),

builds AS (
    SELECT
        b.id, b.workspace_id, b.template_version_id AS version_id, b.template_version_preset_id AS preset_id,
        b.build_number, b.transition, b.initiator_id, b.reason, b.created_at, j.started_at, j.completed_at, j.status
    FROM workspace_builds AS b
    JOIN jobs AS j ON j.id = b.job_id
    CROSS JOIN asked
    WHERE b.run_id = $run AND b.created_at <= now_at
),

latest AS (SELECT * FROM builds QUALIFY build_number = max(build_number) OVER (PARTITION BY workspace_id)),

hits AS (
    SELECT workspace_id, min(created_at) AS claimed_at FROM claims WHERE run_id = $run AND hit GROUP BY workspace_id
),

prebuilt AS ( -- each workspace that was made for the pool; claimed: it has an owner by now
    SELECT
        b.workspace_id, b.preset_id, b.status AS first_status,
        w.owner_id <> 0 AND coalesce(h.claimed_at, b.created_at) <= now_at AS claimed
    FROM builds AS b
    JOIN workspaces AS w ON w.run_id = $run AND w.id = b.workspace_id
    LEFT JOIN hits AS h USING (workspace_id)
    CROSS JOIN asked
    WHERE b.build_number = 1 AND b.initiator_id = 0
),

gone AS ( -- deleted: by a build that is done by now, or without one when its pending start was cancelled
    SELECT w.id AS workspace_id
    FROM workspaces AS w
    WHERE
        w.run_id = $run AND w.deleted
        AND (
            EXISTS (
                SELECT 1 FROM builds AS b
                WHERE b.workspace_id = w.id AND b.transition = 'delete' AND b.status = 'succeeded'
            )
            OR (
                NOT EXISTS (
                    SELECT 1 FROM workspace_builds AS b
                    WHERE b.run_id = $run AND b.workspace_id = w.id AND b.transition = 'delete'
                )
                AND NOT EXISTS (SELECT 1 FROM builds AS b WHERE b.workspace_id = w.id AND b.completed_at IS NULL)
            )
        )
),

agents AS ( -- by build; an agent that was ready is turned off by a later build, which may lie after $now
    SELECT
        a.workspace_build_id AS build_id,
        bool_and(
            coalesce(a.ready_at <= now_at, false)
            AND a.lifecycle_state NOT IN ('starting', 'start_timeout', 'start_error')
            AND (
                a.lifecycle_state IN ('created', 'ready') -- a simulation's agents stay 'created'
                OR EXISTS (
                    SELECT 1 FROM workspace_builds AS later
                    JOIN workspace_builds AS mine ON mine.run_id = $run AND mine.id = a.workspace_build_id
                    WHERE
                        later.run_id = $run AND later.workspace_id = mine.workspace_id
                        AND later.build_number > mine.build_number
                )
            )
        ) AS ready
    FROM workspace_agents AS a
    CROSS JOIN asked
    WHERE a.run_id = $run
    GROUP BY a.workspace_build_id
),

wanted AS (
    SELECT preset_id, arg_max(desired, from_at) AS desired
    FROM desired_instances
    CROSS JOIN asked
    WHERE run_id = $run AND from_at <= now_at
    GROUP BY preset_id
),

active AS ( -- of each template the version that wants something, else that which is active in the end, else the last
    SELECT template_id, arg_max(version_id, (wants, is_last_active, created_at, version_id)) AS version_id
    FROM (
        SELECT
            n.template_id, n.version_id, n.created_at,
            coalesce(n.version_id = n.active_version_id, false) AS is_last_active,
            coalesce(max(w.desired), 0) > 0 AS wants
        FROM named AS n
        LEFT JOIN wanted AS w USING (preset_id)
        CROSS JOIN asked
        WHERE n.created_at <= now_at
        GROUP BY ALL
    )
    GROUP BY template_id
),

owned AS (
    SELECT b.*, coalesce(a.ready, false) AS ready
    FROM latest AS b
    JOIN prebuilt AS p USING (workspace_id)
    LEFT JOIN agents AS a ON a.build_id = b.id
    WHERE NOT p.claimed AND b.workspace_id NOT IN (SELECT workspace_id FROM gone)
)
"""

_TOTALS = """
SELECT
    n.template_name, n.preset_name, n.organization_name,
    count(*) AS created,
    count(*) FILTER (WHERE p.first_status = 'failed') AS failed,
    count(*) FILTER (WHERE p.claimed) AS claimed
FROM prebuilt AS p
JOIN named AS n USING (preset_id)
WHERE NOT n.deleted
GROUP BY ALL
ORDER BY ALL
"""

# Coder counts that a claim replaced something, not how much: one resource is enough to lose the head start.
_REPLACED = """
SELECT n.template_name, n.preset_name, n.organization_name, count(DISTINCT r.workspace_build_id)
FROM workspace_build_replacements AS r
JOIN builds AS b ON b.id = r.workspace_build_id
JOIN prebuilt AS p USING (workspace_id)
JOIN named AS n ON n.preset_id = p.preset_id
CROSS JOIN asked
WHERE r.run_id = $run AND r.happened_at <= now_at
GROUP BY ALL
ORDER BY ALL
"""

_POOLS = """
SELECT
    n.template_name, n.preset_name, n.organization_name, n.preset_id,
    any_value(w.desired) AS desired,
    count(o.id) FILTER (WHERE o.transition = 'start' AND o.status = 'succeeded') AS running,
    count(o.id) FILTER (WHERE o.transition = 'start' AND o.status = 'succeeded' AND o.ready) AS eligible
FROM named AS n
JOIN active AS v USING (version_id)
LEFT JOIN wanted AS w USING (preset_id)
LEFT JOIN owned AS o USING (preset_id)
-- A preset that never wants a prebuild has no pool: Coder's has no prebuilds block, and no metrics.
WHERE NOT n.deleted AND (n.has_pool OR o.id IS NOT NULL)
GROUP BY ALL
ORDER BY ALL
"""

_LIMITED = """
SELECT n.template_name, n.preset_name, n.organization_name
FROM (
    SELECT preset_id, status
    FROM owned
    WHERE transition = 'start'
    QUALIFY row_number() OVER (PARTITION BY preset_id ORDER BY created_at DESC, id DESC) <= $limit
) AS newest
JOIN named AS n USING (preset_id)
JOIN active AS v USING (version_id)
WHERE NOT n.deleted
GROUP BY ALL
HAVING count(*) FILTER (WHERE newest.status = 'failed') = $limit
ORDER BY ALL
"""

_LATEST_STATUS = """
SELECT status, count(*) FROM latest
WHERE workspace_id NOT IN (SELECT workspace_id FROM gone)
GROUP BY ALL ORDER BY ALL
"""

_RUNNING_JOBS = "SELECT count(*) FROM jobs WHERE started_at IS NOT NULL AND status IN ('running', 'canceling')"

_WORKSPACE_BUILDS = """
SELECT
    CASE WHEN p.workspace_id IS NOT NULL AND b.created_at < coalesce(h.claimed_at, 'infinity') THEN 'prebuilds'
        ELSE coalesce(u.username, 'prebuilds') END AS workspace_owner,
    w.name AS workspace_name, t.name AS template_name, v.name AS template_version,
    CASE b.transition WHEN 'delete' THEN 'DESTROY' ELSE upper(b.transition) END AS workspace_transition,
    CASE b.status WHEN 'succeeded' THEN 'success' ELSE 'failed' END AS status,
    count(*)
FROM builds AS b
JOIN workspaces AS w ON w.run_id = $run AND w.id = b.workspace_id
JOIN template_versions AS v ON v.run_id = $run AND v.id = b.version_id
JOIN templates AS t ON t.run_id = $run AND t.id = v.template_id
LEFT JOIN prebuilt AS p ON p.workspace_id = b.workspace_id
LEFT JOIN hits AS h ON h.workspace_id = b.workspace_id
LEFT JOIN users AS u ON u.run_id = $run AND u.id = w.owner_id
WHERE b.started_at IS NOT NULL AND b.completed_at IS NOT NULL
GROUP BY ALL
ORDER BY ALL
"""

_JOB_SECONDS = """
SELECT
    'terraform', CASE status WHEN 'succeeded' THEN 'success' ELSE 'failed' END,
    epoch_us(completed_at) - epoch_us(started_at)
FROM jobs
WHERE started_at IS NOT NULL AND completed_at IS NOT NULL
"""

_QUEUE_SECONDS = """
SELECT
    'terraform', j.type, coalesce(b.transition, ''),
    CASE WHEN j.initiator_id = 0 THEN 'prebuild' ELSE coalesce(b.reason, '') END,
    epoch_us(j.started_at) - epoch_us(j.created_at)
FROM jobs AS j
LEFT JOIN (SELECT job_id, transition, reason FROM workspace_builds WHERE run_id = $run) AS b ON b.job_id = j.id
WHERE j.started_at IS NOT NULL
"""

_CREATION_SECONDS = """
SELECT
    n.organization_name, n.template_name, n.preset_name, CASE b.initiator_id WHEN 0 THEN 'prebuild' ELSE 'regular' END,
    epoch_us(b.completed_at) - epoch_us(b.created_at)
FROM builds AS b
JOIN named AS n USING (preset_id)
WHERE b.build_number = 1 AND b.status = 'succeeded'
"""

_CLAIM_SECONDS = """
SELECT n.organization_name, n.template_name, n.preset_name, epoch_us(b.completed_at) - epoch_us(b.created_at)
FROM builds AS b
JOIN named AS n USING (preset_id)
WHERE b.status = 'succeeded' AND b.id IN (SELECT workspace_build_id FROM claims WHERE run_id = $run AND hit)
"""


def exposition(
    db: Database,
    now_at: int,
    desired: Mapping[int, int] | None = None,
    hard_limit: int = Reconciler.failure_hard_limit,
) -> str:
    """The metrics of the database's run as they stood at `now_at`, in Prometheus text format.

    `desired`: instances that presets want, by id; those it lacks want what `desired_instances` says, else nothing.
    `hard_limit`: so many newest builds must all fail to limit a preset, 0 for off. Raises StoreError.

    Tables keep no history of the pause, of a workspace's name, or of a template's deletion: those are as they are last.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(db, now_at, desired or {}, hard_limit))
    return generate_latest(registry).decode()


def exposition_of(path: str | Path, at: str, run_id: str | None = None) -> str:
    """The metrics of a run in a runs file at an instant (RFC 3339); `run_id` may be left out if there is only one.

    Presets are limited by the run's own hard limit. Raises StoreError for a file or a run that is not there, InputError
    for what is no instant, or one that the run's window does not have.
    """
    try:
        now_at = parse_instant(at)
    except ValueError as error:
        raise InputError([Finding("error", Where("at"), str(error))]) from error
    if not Path(path).is_file():
        raise StoreError(f"{path}: there is no such runs file; `simkit run` writes one with --out")
    with Database(path, run_id or "", readable=True) as db:
        known = [str(id) for (id,) in db.rows("SELECT run_id FROM runs ORDER BY run_id")]
        if run_id is None and len(known) > 1:
            raise StoreError(f"{path}: it holds {len(known)} runs; name one of {', '.join(known)} with --run")
        if not known or (run_id is not None and run_id not in known):
            raise StoreError(f'{path}: there is no run "{run_id or ""}"; it holds {", ".join(known) or "no run"}')
        db.run_id = run_id or known[0]
        ((start_at, end_at),) = db.rows(
            "SELECT epoch_us(start_at), epoch_us(end_at) FROM runs WHERE run_id = $run", run=db.run_id
        )
        if not start_at <= now_at <= end_at:
            window = f"{format_instant(start_at)} to {format_instant(end_at)}"
            text = f"{format_instant(now_at)} is outside the run's window; write an instant from {window}"
            raise InputError([Finding("error", Where("at"), text)])
        return exposition(db, now_at, hard_limit=_hard_limit(db))


def _hard_limit(db: Database) -> int:
    """The run's own; Coder's default for a file of an older simkit, which did not keep it."""
    known = db.rows("SELECT 1 FROM information_schema.tables WHERE table_name = 'reconciler_settings'")
    found = known and db.rows("SELECT failure_hard_limit FROM reconciler_settings WHERE run_id = $run", run=db.run_id)
    return int(found[0][0]) if found else Reconciler.failure_hard_limit


class _Collector(Collector):
    """Hands the client library what SQL counted."""

    def __init__(self, db: Database, now_at: int, desired: Mapping[int, int], hard_limit: int) -> None:
        self._db, self._now_at, self._desired, self._hard_limit = db, now_at, desired, hard_limit

    def collect(self) -> Iterable[Metric]:
        yield from self._totals()
        yield from self._pools()
        paused = self._db.rows(
            "SELECT bool_or(reconciliation_paused) FROM prebuilds_settings WHERE run_id = $run", run=self._db.run_id
        )
        yield GaugeMetricFamily(
            f"{_PREBUILDS}reconciliation_paused",
            "Indicates whether prebuilds reconciliation is currently paused (1 = paused, 0 = not paused).",
            value=float(bool(paused[0][0])),
        )
        yield GaugeMetricFamily(
            f"{_PREBUILDS}metrics_last_updated",
            "The unix timestamp when the metrics related to prebuilt workspaces were last updated; these metrics are "
            "cached.",
            value=self._now_at // SECOND_US,
        )
        yield from self._builds()
        yield from self._durations()

    def _totals(self) -> Iterator[Metric]:
        rows = self._rows(_TOTALS)
        for i, (name, text) in enumerate(_COUNTERS.items(), start=len(PRESET_LABELS)):
            counter = CounterMetricFamily(f"{_PREBUILDS}{name}", text, labels=PRESET_LABELS)
            for row in rows:
                counter.add_metric(row[: len(PRESET_LABELS)], row[i])
            yield counter
        counter = CounterMetricFamily(f"{_PREBUILDS}resource_replacements", _REPLACEMENTS, labels=PRESET_LABELS)
        for *labels, count in self._rows(_REPLACED):
            counter.add_metric(labels, count)
        yield counter

    def _pools(self) -> Iterator[Metric]:
        rows = self._rows(_POOLS)
        gauges = {name: GaugeMetricFamily(_PREBUILDS + name, _GAUGES[name], labels=PRESET_LABELS) for name in _GAUGES}
        for *labels, preset_id, desired, running, eligible in rows:
            gauges["desired"].add_metric(labels, self._desired.get(preset_id, desired or 0))
            gauges["running"].add_metric(labels, running)
            gauges["eligible"].add_metric(labels, eligible)
        yield from gauges.values()
        limited = GaugeMetricFamily(f"{_PREBUILDS}preset_hard_limited", _HARD_LIMITED, labels=PRESET_LABELS)
        for row in self._rows(_LIMITED, limit=self._hard_limit) if self._hard_limit > 0 else ():
            limited.add_metric(row, 1)
        yield limited

    def _builds(self) -> Iterator[Metric]:
        latest = GaugeMetricFamily(
            "coderd_api_workspace_latest_build", "The latest workspace builds with a status.", labels=["status"]
        )
        for status, count in self._rows(_LATEST_STATUS):
            latest.add_metric([status], count)
        yield latest
        labels = ["workspace_owner", "workspace_name", "template_name", "template_version", "workspace_transition"]
        builds = CounterMetricFamily(
            "coderd_workspace_builds",
            "The number of workspaces started, updated, or deleted.",
            labels=[*labels, "status"],
        )
        for *values, count in self._rows(_WORKSPACE_BUILDS):
            builds.add_metric(values, count)
        yield builds
        running = GaugeMetricFamily(
            "coderd_provisionerd_jobs_current",
            "The number of currently running provisioner jobs.",
            labels=["provisioner"],
        )
        running.add_metric([_PROVISIONER], self._rows(_RUNNING_JOBS)[0][0])
        yield running

    def _durations(self) -> Iterator[Metric]:
        yield self._histogram(
            "coderd_provisionerd_job_timings_seconds",
            "The provisioner job time duration in seconds.",
            ["provisioner", "status"],
            _JOB_SECONDS,
            _BUILD_S,
        )
        yield self._histogram(
            "coderd_provisioner_job_queue_wait_seconds",
            "Time from job creation to acquisition by a provisioner daemon.",
            ["provisioner_type", "job_type", "transition", "build_reason"],
            _QUEUE_SECONDS,
            _QUEUE_S,
        )
        yield self._histogram(
            "coderd_workspace_creation_duration_seconds",
            "Time to create a workspace by organization, template, preset, and type (regular or prebuild).",
            ["organization_name", "template_name", "preset_name", "type"],
            _CREATION_SECONDS,
            _BUILD_S,
        )
        yield self._histogram(
            "coderd_prebuilt_workspace_claim_duration_seconds",
            "Time to claim a prebuilt workspace by organization, template, and preset.",
            ["organization_name", "template_name", "preset_name"],
            _CLAIM_SECONDS,
            _CLAIM_S,
        )

    def _histogram(
        self, name: str, text: str, labels: list[str], measured: str, bounds_s: tuple[float, ...]
    ) -> HistogramMetricFamily:
        """`measured` selects the labels and, last, a duration in microseconds a row."""
        found = HistogramMetricFamily(name, text, labels=labels)
        names = [f"label_{i}" for i in range(len(labels))]
        buckets = ", ".join(f"count(*) FILTER (WHERE us <= {round(bound * SECOND_US)})" for bound in bounds_s)
        rows = self._rows(
            f"SELECT {', '.join(names)}, {buckets}, count(*), sum(us)::BIGINT "
            f"FROM ({measured}) AS measured({', '.join(names)}, us) GROUP BY ALL ORDER BY ALL"
        )
        bounds = [str(float(bound)) for bound in bounds_s] + ["+Inf"]
        for row in rows:
            values, counts, sum_us = row[: len(labels)], row[len(labels) : -1], row[-1]
            found.add_metric(values, list(zip(bounds, counts, strict=True)), sum_us / SECOND_US)
        return found

    def _rows(self, sql: str, **given: Any) -> list[tuple[Any, ...]]:
        return self._db.rows(_AS_OF + sql, run=self._db.run_id, now=self._now_at, **given)
