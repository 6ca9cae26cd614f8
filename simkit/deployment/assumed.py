"""What a calibrated scenario assumes, and what no history tells, in sentences with numbers."""

from __future__ import annotations

from collections.abc import Iterator

from simkit.clock import SECOND_US
from simkit.deployment.facts import Facts
from simkit.store.asking import rows_of
from simkit.times import in_column

_CLAIMS = """
SELECT count(*) FILTER (WHERE c.hit), count(*) FILTER (WHERE NOT c.hit)
FROM claims AS c
JOIN workspaces AS w ON w.run_id = c.run_id AND w.id = c.workspace_id
WHERE c.run_id = ? AND w.template_id = ?
"""
_BUILDS = """
WITH builds AS (
    SELECT
        b.run_id, b.id, b.job_id, b.build_number, b.transition, b.initiator_id, b.template_version_id,
        b.template_version_preset_id, w.template_id, b.created_at, r.end_at,
        first_value(b.initiator_id) OVER life = 0 AS of_prebuild,
        lead(b.created_at) OVER life AS next_at,
        lead(b.transition) OVER life AS after
    FROM workspace_builds AS b
    JOIN workspaces AS w ON w.run_id = b.run_id AND w.id = b.workspace_id
    JOIN runs AS r ON r.run_id = b.run_id
    WHERE b.run_id = ?
    WINDOW life AS (PARTITION BY b.workspace_id ORDER BY b.build_number)
),

jobs AS (
    SELECT
        b.*, j.started_at, j.completed_at, j.canceled_at, c.id IS NOT NULL AS is_asked_for, c.hit, c.ready_at,
        b.build_number = 1 AND b.transition = 'start' AS is_first,
        epoch_us(least(coalesce(j.started_at, j.completed_at), b.end_at)) - epoch_us(j.created_at) AS waited_us,
        epoch_us(least(j.completed_at, b.end_at)) - epoch_us(j.started_at) AS took_us
    FROM builds AS b
    JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
    LEFT JOIN claims AS c ON c.run_id = b.run_id AND c.workspace_build_id = b.id
)
"""
_COUNTS = f"""{_BUILDS}
SELECT
    count(*) FILTER (WHERE is_first AND NOT of_prebuild AND template_version_preset_id IS NULL),
    count(*) FILTER (
        WHERE is_asked_for AND NOT hit
        AND (canceled_at IS NOT NULL OR (after = 'delete' AND next_at < coalesce(ready_at, 'infinity'::TIMESTAMPTZ)))
    ),
    count(*) FILTER (WHERE transition = 'start' AND NOT is_first AND NOT is_asked_for),
    count(*) FILTER (WHERE transition = 'stop'),
    count(DISTINCT template_version_id) FILTER (WHERE is_first AND of_prebuild)
FROM jobs
WHERE template_id = ?
"""
_WAITS = f"""{_BUILDS}
SELECT is_asked_for, count(*), quantile_disc(waited_us, 0.5), quantile_disc(waited_us, 0.95)
FROM jobs
WHERE template_id = ? AND waited_us IS NOT NULL AND (is_asked_for OR (is_first AND of_prebuild))
GROUP BY is_asked_for
ORDER BY is_asked_for DESC
"""
_OTHERS = f"""{_BUILDS}
SELECT coalesce(sum(took_us) FILTER (WHERE template_id <> ?) / nullif(sum(took_us), 0), 0) FROM jobs
"""


def assumed(facts: Facts, hidden_demand: float) -> Iterator[str]:
    """A sentence or two for each thing that is assumed or unknown. Raises StoreError."""
    path, run_id, template_id = facts.path, facts.run_id, facts.template_id
    [(hits, misses)] = rows_of(path, _CLAIMS, run_id, template_id)
    [(bare, gave_up, starts, stops, versions)] = rows_of(path, _COUNTS, run_id, template_id)
    seen = hits + misses
    yield (
        f"Demand is censored: {seen:,} claims were seen, {hits:,} hits and {misses:,} misses with a preset. Who found "
        f"no preset that fits, or gave up before asking, left no row. {bare:,} more workspaces of the template were "
        f"made without a preset, and {gave_up:,} of the misses ended before they were ready."
    )
    if hidden_demand:
        yield (
            f"For those who are not seen {hidden_demand:.3%} more claims are written than were seen: "
            f"{seen * (1 + hidden_demand):,.0f} in place of {seen:,}. This share is a guess, of which the intervals "
            "know nothing."
        )
    else:
        yield "Nothing is added for those who are not seen: --hidden-demand 10% shows what follows if there are some."
    yield (
        f"Claims are somebody new each time: {starts:,} starts and {stops:,} stops of workspaces that people have take "
        "daemons, too, and are left out."
    )
    if versions > 1:
        yield f"Prebuilds of {versions} versions were built; with the active one alone its schedules hold all the time."
    [(share,)] = rows_of(path, _OTHERS, run_id, template_id)
    if share:
        yield f"Other templates took {share:.0%} of all time of jobs and are left out, so that queues are shorter."
    for is_people, count, median_us, p95_us in rows_of(path, _WAITS, run_id, template_id):
        yield (
            f"Jobs of {'people' if is_people else 'prebuilds'} waited {in_column(median_us / SECOND_US)} in the queue "
            f"(median; p95 {in_column(p95_us / SECOND_US)}, n = {count:,}): no part of the durations, but what the "
            "daemons make of them."
        )
    if facts.reconciler is None:
        yield (
            "How often the reconciler looks, how it backs off and its hard limit are settings of the server and in no "
            "table of Coder's: they are the version's defaults."
        )
    yield "Pauses, invalidations and quotas are left out. The oldest prebuild is claimed first, as simkit does."
