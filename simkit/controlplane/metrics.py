"""Coder's Prometheus metrics at one instant of a run, under Coder's names: a real dashboard reads a simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os.path import isfile
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as in_openmetrics
from prometheus_client.registry import Collector

from simkit.clock import SECOND_US, format_instant, parse_instant
from simkit.errors import Finding, InputError, StoreError, Where
from simkit.model import Reconciler
from simkit.store.database import Database, Row

PRESET_LABELS = ("template_name", "preset_name", "organization_name")

_PREBUILDS = "coderd_prebuilt_workspaces_"
PROVISIONER = "terraform"  # the only kind of provisioner here
_BUILD_S = (1.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0)
_CLAIM_S = (1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0)
_QUEUE_S = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0)


class Family(NamedTuple):
    """A metric as Coder describes it. A histogram has the upper bounds of its buckets, without that of the last one."""

    kind: type[CounterMetricFamily] | type[GaugeMetricFamily] | type[HistogramMetricFamily]
    name: str
    text: str
    labels: tuple[str, ...] = ()
    bounds_s: tuple[float, ...] = ()

    def empty(self) -> Any:
        """The metric without a series."""
        return self.kind(self.name, self.text, labels=self.labels)

    def cumulated(self, counts: Iterable[float]) -> list[tuple[str, float]]:
        """The counts of its buckets, the last one's included, with their bounds as the format has them."""
        return list(zip([*map(str, self.bounds_s), "+Inf"], counts, strict=True))

    def description(self) -> str:
        """Its first lines in OpenMetrics."""
        return "".join(f"{line}\n" for line in _openmetrics(self.empty()))

    def series(self, labels: Sequence[str]) -> list[str]:
        """What stands before the value in each line of a series in OpenMetrics: its name and its labels."""
        metric = self.empty()
        if self.bounds_s:
            metric.add_metric(labels, self.cumulated([0] * (len(self.bounds_s) + 1)), 0)
        else:
            metric.add_metric(labels, 0)
        return [line.rpartition(" ")[0] for line in _openmetrics(metric) if not line.startswith("#")]


def _openmetrics(metric: Metric) -> list[str]:
    """The lines of a metric, without the end of the file."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Made([metric]))
    text: str = in_openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    return text.split("\n")[:-2]


# Names and texts as in Coder's enterprise/coderd/prebuilds/metricscollector.go and its neighbours.
CREATED = Family(
    CounterMetricFamily,
    f"{_PREBUILDS}created",
    "Total number of prebuilt workspaces that have been created to meet the desired instance count of each "
    "template preset.",
    PRESET_LABELS,
)
FAILED = Family(
    CounterMetricFamily,
    f"{_PREBUILDS}failed",
    "Total number of prebuilt workspaces that failed to build.",
    PRESET_LABELS,
)
CLAIMED = Family(
    CounterMetricFamily,
    f"{_PREBUILDS}claimed",
    "Total number of prebuilt workspaces which were claimed by users. Claiming refers to creating a "
    "workspace with a preset selected for which eligible prebuilt workspaces are available and one is reassigned to a "
    "user.",
    PRESET_LABELS,
)
REPLACEMENTS = Family(
    CounterMetricFamily,
    f"{_PREBUILDS}resource_replacements",
    "Total number of prebuilt workspaces whose resource(s) got replaced upon being claimed. In Terraform, drift on "
    "immutable attributes results in resource replacement. This represents a worst-case scenario for prebuilt "
    "workspaces because the pre-provisioned resource would have been recreated when claiming, thus obviating the point "
    "of pre-provisioning. See https://coder.com/docs/admin/templates/extending-templates/prebuilt-workspaces"
    "#preventing-resource-replacement",
    PRESET_LABELS,
)
DESIRED = Family(
    GaugeMetricFamily,
    f"{_PREBUILDS}desired",
    "Target number of prebuilt workspaces that should be available for each template preset.",
    PRESET_LABELS,
)
RUNNING = Family(
    GaugeMetricFamily,
    f"{_PREBUILDS}running",
    "Current number of prebuilt workspaces that are in a running state. These workspaces have started "
    "successfully but may not yet be claimable by users (see coderd_prebuilt_workspaces_eligible).",
    PRESET_LABELS,
)
ELIGIBLE = Family(
    GaugeMetricFamily,
    f"{_PREBUILDS}eligible",
    "Current number of prebuilt workspaces that are eligible to be claimed by users. These are workspaces "
    "that have completed their build process with their agent reporting 'ready' status.",
    PRESET_LABELS,
)
HARD_LIMITED = Family(
    GaugeMetricFamily,
    f"{_PREBUILDS}preset_hard_limited",
    "Indicates whether a given preset has reached the hard failure limit (1 = hard-limited). Metric is omitted "
    "otherwise.",
    PRESET_LABELS,
)
PAUSED = Family(
    GaugeMetricFamily,
    f"{_PREBUILDS}reconciliation_paused",
    "Indicates whether prebuilds reconciliation is currently paused (1 = paused, 0 = not paused).",
)
UPDATED = Family(
    GaugeMetricFamily,
    f"{_PREBUILDS}metrics_last_updated",
    "The unix timestamp when the metrics related to prebuilt workspaces were last updated; these metrics are cached.",
)
LATEST_BUILD = Family(
    GaugeMetricFamily,
    "coderd_api_workspace_latest_build",
    "The latest workspace builds with a status.",
    ("status",),
)
BUILDS = Family(
    CounterMetricFamily,
    "coderd_workspace_builds",
    "The number of workspaces started, updated, or deleted.",
    ("workspace_owner", "workspace_name", "template_name", "template_version", "workspace_transition", "status"),
)
JOBS = Family(
    GaugeMetricFamily,
    "coderd_provisionerd_jobs_current",
    "The number of currently running provisioner jobs.",
    ("provisioner",),
)
JOB_SECONDS = Family(
    HistogramMetricFamily,
    "coderd_provisionerd_job_timings_seconds",
    "The provisioner job time duration in seconds.",
    ("provisioner", "status"),
    _BUILD_S,
)
QUEUE_SECONDS = Family(
    HistogramMetricFamily,
    "coderd_provisioner_job_queue_wait_seconds",
    "Time from job creation to acquisition by a provisioner daemon.",
    ("provisioner_type", "job_type", "transition", "build_reason"),
    _QUEUE_S,
)
CREATION_SECONDS = Family(
    HistogramMetricFamily,
    "coderd_workspace_creation_duration_seconds",
    "Time to create a workspace by organization, template, preset, and type (regular or prebuild).",
    ("organization_name", "template_name", "preset_name", "type"),
    _BUILD_S,
)
CLAIM_SECONDS = Family(
    HistogramMetricFamily,
    "coderd_prebuilt_workspace_claim_duration_seconds",
    "Time to claim a prebuilt workspace by organization, template, and preset.",
    ("organization_name", "template_name", "preset_name"),
    _CLAIM_S,
)

# Each preset of $run with its labels.
NAMED = """
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
"""

PAUSE = "SELECT bool_or(reconciliation_paused) FROM prebuilds_settings WHERE run_id = $run"

# Everything as it stood at $now: what came later is not there yet, whatever a row says of the end of the run.
_AS_OF = (
    """
WITH asked AS (SELECT make_timestamptz($now::BIGINT) AS now_at),

named AS (
"""
    + NAMED
    + """
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
)

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
        raise InputError([Finding("error", Where("--at"), str(error))]) from error
    if not isfile(path):
        raise StoreError(f"{path}: there is no such runs file; `simkit run` writes one with --out")
    with Database(path, run_id or "", read_only=True) as db:
        db.run_id, start_at, end_at = run_of(db.rows(RUNS), path, run_id)
        if not start_at <= now_at <= end_at:
            window = f"{format_instant(start_at)} to {format_instant(end_at)}"
            text = f"{format_instant(now_at)} is outside the run's window; write an instant from {window}"
            raise InputError([Finding("error", Where("--at"), text)])
        known = db.rows(HAS_LIMITS)
        return exposition(db, now_at, hard_limit=hard_limit_of(db.rows(LIMITS, run=db.run_id) if known else []))


RUNS = "SELECT run_id, epoch_us(start_at), epoch_us(end_at) FROM runs ORDER BY run_id"
HAS_LIMITS = "SELECT 1 FROM information_schema.tables WHERE table_name = 'reconciler_settings'"
LIMITS = "SELECT failure_hard_limit FROM reconciler_settings WHERE run_id = $run"


def run_of(runs: Sequence[Row], path: str | Path, run_id: str | None) -> tuple[str, int, int]:
    """The run of this id, or the only one, with its window. `runs`: what RUNS answers. Raises StoreError."""
    known = [str(run[0]) for run in runs]
    if run_id is None and len(known) > 1:
        raise StoreError(f"{path}: it holds {len(known)} runs; name one of {', '.join(known)} with --run")
    if not known or (run_id is not None and run_id not in known):
        raise StoreError(f'{path}: there is no run "{run_id or ""}"; it holds {", ".join(known) or "no run"}')
    found = runs[known.index(run_id or known[0])]
    return str(found[0]), int(found[1]), int(found[2])


def hard_limit_of(found: Sequence[Row]) -> int:
    """What LIMITS answers; Coder's default for a file of an older simkit, which did not keep it."""
    return int(found[0][0]) if found else Reconciler.failure_hard_limit


class _Made(Collector):
    """Metrics that are there already."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


class _Collector(Collector):
    """Hands the client library what SQL counted."""

    def __init__(self, db: Database, now_at: int, desired: Mapping[int, int], hard_limit: int) -> None:
        self._db, self._now_at, self._desired, self._hard_limit = db, now_at, desired, hard_limit

    def collect(self) -> Iterable[Metric]:
        yield from self._totals()
        yield from self._pools()
        paused = self._db.rows(PAUSE, run=self._db.run_id)
        yield _with(PAUSED, [((), float(bool(paused[0][0])))])
        yield _with(UPDATED, [((), self._now_at // SECOND_US)])
        yield _with(LATEST_BUILD, _split(self._rows(_LATEST_STATUS)))
        yield _with(BUILDS, _split(self._rows(_WORKSPACE_BUILDS)))
        yield _with(JOBS, [((PROVISIONER,), self._rows(_RUNNING_JOBS)[0][0])])
        yield self._histogram(JOB_SECONDS, _JOB_SECONDS)
        yield self._histogram(QUEUE_SECONDS, _QUEUE_SECONDS)
        yield self._histogram(CREATION_SECONDS, _CREATION_SECONDS)
        yield self._histogram(CLAIM_SECONDS, _CLAIM_SECONDS)

    def _totals(self) -> Iterator[Metric]:
        rows = self._rows(_TOTALS)
        for i, family in enumerate((CREATED, FAILED, CLAIMED), start=len(PRESET_LABELS)):
            yield _with(family, ((row[: len(PRESET_LABELS)], row[i]) for row in rows))
        yield _with(REPLACEMENTS, _split(self._rows(_REPLACED)))

    def _pools(self) -> Iterator[Metric]:
        rows = self._rows(_POOLS)
        yield _with(DESIRED, ((row[:3], self._desired.get(row[3], row[4] or 0)) for row in rows))
        yield _with(RUNNING, ((row[:3], row[5]) for row in rows))
        yield _with(ELIGIBLE, ((row[:3], row[6]) for row in rows))
        limited = self._rows(_LIMITED, limit=self._hard_limit) if self._hard_limit > 0 else []
        yield _with(HARD_LIMITED, ((row, 1) for row in limited))

    def _histogram(self, family: Family, measured: str) -> Metric:
        """`measured` selects the labels and, last, a duration in microseconds a row."""
        names = ", ".join(family.labels)
        buckets = ", ".join(f"count(*) FILTER (WHERE us <= {round(bound * SECOND_US)})" for bound in family.bounds_s)
        rows = self._rows(
            f"SELECT {names}, {buckets}, count(*), sum(us)::BIGINT "
            f"FROM ({measured}) AS measured({names}, us) GROUP BY ALL ORDER BY ALL"
        )
        found = family.empty()
        for row in rows:
            values, counts, sum_us = row[: len(family.labels)], row[len(family.labels) : -1], row[-1]
            found.add_metric(values, family.cumulated(counts), sum_us / SECOND_US)
        return found

    def _rows(self, sql: str, **given: Any) -> list[Row]:
        return self._db.rows(_AS_OF + sql, run=self._db.run_id, now=self._now_at, **given)


def _with(family: Family, samples: Iterable[tuple[Sequence[str], float]]) -> Metric:
    """The metric with these samples: labels and value."""
    found = family.empty()
    for labels, value in samples:
        found.add_metric(labels, value)
    return found


def _split(rows: Iterable[Row]) -> Iterator[tuple[Row, float]]:
    """Rows of labels and, last, a value."""
    return ((row[:-1], row[-1]) for row in rows)
