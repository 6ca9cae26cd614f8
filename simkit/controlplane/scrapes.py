"""Coder's metrics of a run over a span of time: all that a Prometheus would have scraped, as OpenMetrics text.

`metrics` asks for everything as it stood at one instant. Here each row of the run says from when until when it counts
for which series, and a series is the sum of that over the whole span: one query a metric, however many steps there are.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from simkit.clock import NEVER, SECOND_US, format_duration, format_instant, parse_duration, parse_instant
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
    HAS_LIMITS,
    JOB_SECONDS,
    JOBS,
    LATEST_BUILD,
    LIMITS,
    NAMED,
    PAUSE,
    PAUSED,
    PROVISIONER,
    QUEUE_SECONDS,
    REPLACEMENTS,
    RUNNING,
    RUNS,
    UPDATED,
    Family,
    hard_limit_of,
    run_of,
)
from simkit.errors import Findings, StoreError, Where, did_you_mean
from simkit.limits import MOST_SAMPLES
from simkit.store.connection import Connection, check_schema, opened
from simkit.store.database import Row

_LINES = 20_000
"""Of text that is made at once."""

# What holds of the rows, each from when until when: [from_at, until_at) in microseconds, NEVER for what does not end.
# A row is known from its creation on, whatever else it says.
_STATES = (
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


class _Source(NamedTuple):
    """SQL of what counts for the series of families, the columns it has for them, the first one how many make a series
    be there, and the families with a column each. A histogram takes them all."""

    sql: str
    columns: tuple[str, ...]
    families: tuple[tuple[Family, str], ...]


def _measured(family: Family, sql: str) -> _Source:
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
    return _Source(counted, columns, ((family, ""),))


_SOURCES = (
    _Source(
        _TOTALS,
        ("created", "failed", "claimed"),
        ((CREATED, "created"), (FAILED, "failed"), (CLAIMED, "claimed")),
    ),
    _Source(_REPLACED, ("replaced",), ((REPLACEMENTS, "replaced"),)),
    _Source(
        _POOLS,
        ("present", "desired", "running", "eligible"),
        ((DESIRED, "desired"), (RUNNING, "running"), (ELIGIBLE, "eligible")),
    ),
    _Source(_LIMITED, ("limited",), ((HARD_LIMITED, "least(limited, 1)"),)),
    _Source(_LATEST, ("builds",), ((LATEST_BUILD, "builds"),)),
    _Source(_BUILDS, ("builds",), ((BUILDS, "builds"),)),
    _Source(_JOBS, ("present", "running"), ((JOBS, "running"),)),
    _measured(JOB_SECONDS, _JOB_SECONDS),
    _measured(QUEUE_SECONDS, _QUEUE_SECONDS),
    _measured(CREATION_SECONDS, _CREATION_SECONDS),
    _measured(CLAIM_SECONDS, _CLAIM_SECONDS),
)
_WITHOUT_ROWS = (PAUSED, UPDATED)
NAMES = tuple(sorted(f.name for f in (*(f for s in _SOURCES for f, _ in s.families), *_WITHOUT_ROWS)))
"""Of all families."""


class Span(NamedTuple):
    """The steps from `from_at` on, before `until_at`; microseconds."""

    from_at: int
    until_at: int
    step_us: int

    @property
    def steps(self) -> int:
        return -((self.from_at - self.until_at) // self.step_us)


class Scrapes:
    """The metrics of a run over a span, counted and ready to be written. Made by `scraped`."""

    def __init__(self, connection: Connection, run_id: str, span: Span, without: frozenset[str]) -> None:
        self._connection, self._run_id, self._span, self._without = connection, run_id, span, without
        # A `Database` of this file in this process switches them off for all; without them DuckDB 1.5 crashes on these.
        self._connection.execute("RESET disabled_optimizers")
        for sql in _STATES:
            self._execute(sql)
        limited = self._connection.execute(HAS_LIMITS).fetchall() and self._execute(LIMITS).fetchall()
        self._limit(hard_limit_of(limited))
        self.samples: dict[str, int] = {}
        """How many, by family."""
        for i, source in enumerate(_SOURCES):
            wanted = [family for family, _ in source.families if family.name not in without]
            if wanted:
                self._execute(_stepped(f"scraped_{i}", source, span))
                (count,) = self._rows(
                    f"SELECT coalesce(sum(until_step - step), 0)::BIGINT FROM scraped_{i} WHERE {source.columns[0]} > 0"
                )
                self.samples |= {family.name: count[0] * _lines(family) for family in wanted}
        self.samples |= {family.name: span.steps for family in _WITHOUT_ROWS if family.name not in without}

    def text(self) -> Iterator[str]:
        """OpenMetrics, some thousand lines at a time. A family's series come one after another, each by time."""
        seconds = [
            str(self._span.from_at // SECOND_US + i * (self._span.step_us // SECOND_US))
            for i in range(self._span.steps)
        ]
        for i, source in enumerate(_SOURCES):
            for family, column in source.families:
                if family.name not in self._without:
                    yield family.description()
                    yield from self._of(f"scraped_{i}", source, family, column, seconds)
            if source.families[-1][0] is HARD_LIMITED:
                yield from self._of_the_deployment(seconds)
        yield "# EOF\n"

    def _of(self, table: str, source: _Source, family: Family, column: str, seconds: Sequence[str]) -> Iterator[str]:
        labels = ", ".join(family.labels)
        values = ", ".join((*source.columns[1:-1], "every", "every", "us") if family.bounds_s else (column,))
        found = self._connection.execute(
            f"SELECT {labels}, step, until_step, {values} FROM {table} WHERE {source.columns[0]} > 0 "
            f"ORDER BY {labels}, step"
        )
        width = len(family.labels)
        for of, rows in groupby(_fetched(found), key=lambda row: row[:width]):
            series = family.series(of)
            for row in rows:
                yield from _lines_of(series, _shown(family, row[width + 2 :]), seconds[row[width] : row[width + 1]])

    def _of_the_deployment(self, seconds: Sequence[str]) -> Iterator[str]:
        if PAUSED.name not in self._without:
            paused = self._execute(PAUSE).fetchall()
            yield PAUSED.description()
            yield from _lines_of(PAUSED.series(()), [str(int(bool(paused[0][0])))], seconds)
        if UPDATED.name not in self._without:
            yield UPDATED.description()
            (name,) = UPDATED.series(())
            yield "".join(f"{name} {second} {second}\n" for second in seconds)

    def _limit(self, limit: int) -> None:
        """Fill the table `limited`: when the `limit` newest starts of a preset's prebuilds have all failed."""
        changes: dict[int, list[tuple[int, bool, tuple[int, int, bool]]]] = defaultdict(list)
        for preset_id, created_at, id, failed, from_at, until_at in self._rows(f"""
            SELECT preset_id, created_at, id, status = 'failed', from_at, until_at FROM owned
            WHERE transition = 'start' AND preset_id IN (
                SELECT preset_id FROM owned WHERE transition = 'start' AND status = 'failed'
                GROUP BY preset_id HAVING count(*) >= {limit} AND {limit} > 0
            )
        """):
            changes[preset_id].append((from_at, True, (created_at, id, failed)))
            changes[preset_id].append((until_at, False, (created_at, id, failed)))
        spans: list[tuple[int, int, int]] = []
        for preset_id, each in changes.items():
            starts: list[tuple[int, int, bool]] = []
            limited_at = NEVER
            for at, some in groupby(sorted(each), key=lambda change: change[0]):
                for _, begins, start in some:
                    if begins:
                        insort(starts, start)
                    else:
                        del starts[bisect(starts, start) - 1]
                is_limited = len(starts) >= limit and all(failed for _, _, failed in starts[-limit:])
                if is_limited != (limited_at < NEVER):
                    if not is_limited:
                        spans.append((preset_id, limited_at, at))
                    limited_at = at if is_limited else NEVER
        if spans:
            self._connection.executemany("INSERT INTO limited VALUES (?, ?, ?)", spans)

    def _rows(self, sql: str) -> list[Row]:
        return self._connection.execute(sql).fetchall()

    def _execute(self, sql: str) -> Connection:
        return self._connection.execute(sql, {"run": self._run_id} if "$run" in sql else None)


def _stepped(table: str, source: _Source, span: Span) -> str:
    """A table of each series' values: from `step` until before `until_step`, by position."""
    labels = ", ".join(source.families[0][0].labels)
    columns, sums = ", ".join(source.columns), ", ".join(f"sum({c}) AS {c}" for c in source.columns)
    so_far = ", ".join(f"(sum({c}) OVER so_far)::BIGINT AS {c}" for c in source.columns)
    less = ", ".join(f"-{c}" for c in source.columns)
    # Whatever happens between two steps is seen at the later one.
    return f"""
CREATE TEMP TABLE {table} AS
WITH counted AS (SELECT * FROM ({source.sql}) WHERE from_at < until_at AND from_at < {span.until_at}),

changes AS (
    SELECT {labels}, from_at AS changed_at, {columns} FROM counted
    UNION ALL
    SELECT {labels}, until_at, {less} FROM counted WHERE until_at < {span.until_at}
),

stepped AS (
    SELECT
        {labels},
        CASE
            WHEN changed_at <= {span.from_at} THEN 0
            ELSE (changed_at - {span.from_at} + {span.step_us - 1}) // {span.step_us}
        END AS step,
        {sums}
    FROM changes
    GROUP BY {labels}, step
)

SELECT {labels}, step, lead(step, 1, {span.steps}) OVER so_far AS until_step, {so_far}
FROM stepped
WHERE step < {span.steps}
WINDOW so_far AS (PARTITION BY {labels} ORDER BY step)
"""


def _fetched(found: Connection) -> Iterator[Row]:
    while some := found.fetchmany(10_000):
        yield from some


def _lines(family: Family) -> int:
    """Of a series at one step: a histogram has its buckets, the last one too, the number and the sum."""
    return len(family.bounds_s) + 3 if family.bounds_s else 1


def _shown(family: Family, values: Sequence[int]) -> list[str]:
    """Values as text, a histogram's sum in seconds."""
    if not family.bounds_s:
        return [str(value) for value in values]
    return [*(str(count) for count in values[:-1]), repr(values[-1] / SECOND_US)]


def _lines_of(series: Sequence[str], values: Sequence[str], seconds: Sequence[str]) -> Iterator[str]:
    """The lines of a series that has these values at all these seconds."""
    parts = [f"{name} {value} " for name, value in zip(series, values, strict=True)]
    # Joined by the second, so that a step costs one call whatever it has to say.
    parts = [parts[0], *(f"\n{part}" for part in parts[1:]), "\n"]
    at_once = max(_LINES // len(values), 1)
    for first in range(0, len(seconds), at_once):
        yield "".join([second.join(parts) for second in seconds[first : first + at_once]])


@contextmanager
def scraped(
    path: str | Path,
    from_at: str | None,
    until_at: str | None,
    step: str,
    run_id: str | None = None,
    without: Iterable[str] = (),
) -> Iterator[Scrapes]:
    """The metrics of a run in a runs file at `from_at` and each `step` later, before `until_at`; None: the run's first
    whole second, its end.

    Instants are RFC 3339, in whole seconds as timestamps are then, `step` is a duration. `without`: families left out,
    by patterns of their names (`coderd_*_seconds`). Each step says what `metrics.exposition_of` says of its instant.
    Raises StoreError for a file or a run that is not there, InputError with all that is wrong with the rest, and for
    more samples than MOST_SAMPLES.
    """
    if not Path(path).is_file():
        raise StoreError(f"{path}: there is no such runs file; `simkit run` writes one with --out")
    with opened(path, read_only=True) as connection:
        check_schema(connection, path, readable=True)
        found, start_at, end_at = run_of(connection.execute(RUNS).fetchall(), path, run_id)
        findings = Findings()
        span = _span(from_at, until_at, step, (start_at, end_at), findings)
        left_out = _left_out(without, findings)
        findings.raise_errors()
        assert span is not None
        scrapes = Scrapes(connection, found, span, left_out)
        _check_size(scrapes, span)
        yield scrapes


def _span(
    from_at: str | None, until_at: str | None, step: str, window: tuple[int, int], findings: Findings
) -> Span | None:
    """None where something is wrong."""
    instants: dict[str, int | None] = {}
    shown = f"{format_instant(window[0])} to {format_instant(window[1])}"
    first_second = -(-window[0] // SECOND_US) * SECOND_US
    for option, given, default in (("--from", from_at, first_second), ("--until", until_at, window[1])):
        instants[option] = None
        try:
            at = default if given is None else parse_instant(given)
        except ValueError as error:
            findings.error(Where(option), str(error))
            continue
        if not window[0] <= at <= window[1]:
            findings.error(
                Where(option), f"{format_instant(at)} is outside the run's window; write an instant from {shown}"
            )
        elif option == "--from" and at % SECOND_US:
            findings.error(Where(option), f"{format_instant(at)} is no whole second; leave out the fraction")
        instants[option] = at
    first, last = instants["--from"], instants["--until"]
    step_us = 0
    try:
        step_us = parse_duration(step)
        if step_us == 0 or step_us % SECOND_US:
            findings.error(Where("--step"), f'"{step}" is no whole number of seconds; write one such as 15s')
    except ValueError as error:
        findings.error(Where("--step"), str(error))
    if first is not None and last is not None:
        if last <= first:
            findings.error(
                Where("--until"),
                f"{format_instant(last)} is not after --from {format_instant(first)}; write a later one",
            )
        elif step_us > last - first:
            findings.error(
                Where("--step"),
                f'"{step}" is longer than the {format_duration(last - first)} between --from and --until; '
                "write a shorter one",
            )
    return None if findings.errors or first is None or last is None else Span(first, last, step_us)


def _left_out(without: Iterable[str], findings: Findings) -> frozenset[str]:
    """The names of families that patterns name. A counter's may end in `_total`, as in queries."""
    found: set[str] = set()
    for pattern in without:
        named = {name for name in NAMES if fnmatchcase(name, pattern) or fnmatchcase(f"{name}_total", pattern)}
        if not named:
            findings.error(Where("--without"), f'there is no metric "{pattern}"; {did_you_mean(pattern, NAMES)}')
        found |= named
    if found == set(NAMES):
        findings.error(Where("--without"), "this leaves out every metric; write fewer")
    return frozenset(found)


def _check_size(scrapes: Scrapes, span: Span) -> None:
    total = sum(scrapes.samples.values())
    if total <= MOST_SAMPLES:
        return
    name, most = max(scrapes.samples.items(), key=lambda item: item[1])
    findings = Findings()
    findings.error(
        Where("--step"),
        f"{span.steps:,} steps are {total:,} samples, more than {MOST_SAMPLES:,}; take a longer step or a shorter "
        f"span, or leave metrics out: --without {name}, which has {most:,} of them",
    )
    findings.raise_errors()
