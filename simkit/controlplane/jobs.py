"""Provisioner jobs: inserted, acquired by daemons, kept alive, cancelled, and reaped when nobody works on them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from simkit.clock import NEVER, SECOND_US
from simkit.controlplane.types import PREBUILDS_USER, JobType
from simkit.core import policy
from simkit.errors import RefusedError
from simkit.store.database import Transaction, instant
from simkit.store.words import PENDING_TOO_LONG_ERROR

UNTAGGED: Mapping[str, str] = {"scope": "organization", "owner": ""}
"""The tags of a job or daemon that says nothing of tags."""
STALE_US = 90 * SECOND_US
"""A daemon that was last seen longer ago than this is not alive."""
HUNG = "Coder: Build has been detected as hung for 5 minutes and has been terminated by the reaper."

# Coder's AcquireProvisionerJob; the order is that of `core.policy.goes_first`.
_PENDING = """
    SELECT id, tags, type FROM provisioner_jobs
    WHERE started_at IS NULL AND completed_at IS NULL AND organization_id = $organization
    ORDER BY initiator_id = $prebuilds, created_at, id
"""


class Job(NamedTuple):
    """A job as daemons and people see it. Instants in microseconds, NEVER for one that has not come."""

    id: int
    type: str
    status: str
    created_at: int
    started_at: int
    completed_at: int
    canceled_at: int
    worker_id: int | None
    initiator_id: int
    error: str


def insert(
    tx: Transaction,
    now_at: int,
    type: JobType,
    initiator_id: int,
    organization_id: int = 1,
    tags: Mapping[str, str] | None = None,
) -> int:
    """Queue a job and return its id. `tags`: what a daemon must satisfy, beside Coder's own two."""
    given: dict[str, object] = {"tags": written(tags)} if tags else {}
    return tx.insert(
        "provisioner_jobs",
        created_at=now_at,
        updated_at=now_at,
        type=type,
        initiator_id=initiator_id,
        organization_id=organization_id,
        **given,
    )


def get(tx: Transaction, job_id: int) -> Job:
    """A job by its id. Raises RefusedError for an id that no job has."""
    row = tx.one(
        "SELECT id, type, job_status, epoch_us(created_at), epoch_us(started_at), epoch_us(completed_at), "
        "epoch_us(canceled_at), worker_id, initiator_id, coalesce(error, '') FROM provisioner_jobs WHERE id = $id",
        id=job_id,
    )
    if row is None:
        raise RefusedError(f"there is no job {job_id}")
    return Job._make([*row[:3], *(instant(value) for value in row[3:7]), *row[7:]])


class Working(NamedTuple):
    """A job in the hands of a daemon."""

    type: str
    is_canceled: bool


class Daemon(NamedTuple):
    """A provisioner daemon: what it can take."""

    id: int
    organization_id: int
    tags: Mapping[str, str]


def daemon(tx: Transaction, daemon_id: int) -> Daemon:
    """A daemon by its id. Raises RefusedError for an id that no daemon has."""
    row = tx.one("SELECT id, organization_id, tags FROM provisioner_daemons WHERE id = $id", id=daemon_id)
    if row is None:
        raise RefusedError(f"there is no provisioner daemon {daemon_id}")
    return Daemon(row[0], row[1], read(row[2]))


def has_daemon(tx: Transaction, now_at: int, organization_id: int, tags: Mapping[str, str]) -> bool:
    """Is a daemon of the organization alive that a job with these tags could go to?"""
    alive = tx.execute(
        "SELECT tags FROM provisioner_daemons "
        "WHERE organization_id = $organization AND last_seen_at >= make_timestamptz($since)",
        organization=organization_id,
        since=now_at - STALE_US,
    )
    return any(satisfies(read(theirs), read(written(tags))) for (theirs,) in alive)


def seen(tx: Transaction, now_at: int, daemon_ids: Iterable[int]) -> None:
    """These daemons are alive."""
    tx.execute(
        "UPDATE provisioner_daemons SET last_seen_at = make_timestamptz($now) WHERE list_contains($ids::BIGINT[], id)",
        now=now_at,
        ids=list(daemon_ids),
    )


def acquire(
    tx: Transaction,
    now_at: int,
    by: Daemon,
    types: Iterable[JobType] = (),
) -> int | None:
    """Give the daemon the next job that it can do, of these types (without any: of all), None if there is none.

    People's jobs before the prebuilds user's, then the oldest; its organization's, with tags that the daemon satisfies.
    """
    pending = tx.execute(_PENDING, organization=by.organization_id, prebuilds=PREBUILDS_USER)
    wanted = set(types)
    for job_id, tags, of in pending:
        if (not wanted or of in wanted) and satisfies(by.tags, read(tags)):
            tx.update("provisioner_jobs", job_id, started_at=now_at, updated_at=now_at, worker_id=by.id)
            return int(job_id)
    return None


def heartbeat(tx: Transaction, now_at: int, job_id: int, daemon_id: int) -> bool:
    """The daemon still works on the job. True: somebody has cancelled it, and the daemon must stop.

    Raises RefusedError for a job that is not the daemon's or is done.
    """
    job = working_on(tx, job_id, daemon_id)
    tx.update("provisioner_jobs", job_id, updated_at=now_at)
    tx.update("provisioner_daemons", daemon_id, last_seen_at=now_at)
    return job.is_canceled


def working_on(tx: Transaction, job_id: int, daemon_id: int | None) -> Working:
    """The job, if it is in the hands of the daemon (of anybody: None). Raises RefusedError if it is not."""
    row = tx.one("SELECT job_status, type, worker_id FROM provisioner_jobs WHERE id = $id", id=job_id)
    if row is None:
        raise RefusedError(f"there is no job {job_id}")
    status, of, worker_id = row
    if status == "pending":
        raise RefusedError(f"job {job_id} waits for a daemon; acquire it first")
    if status not in ("running", "canceling"):
        raise RefusedError(f"job {job_id} is done already: it has {status}; nothing more can be reported of it")
    if daemon_id is not None and worker_id != daemon_id:
        raise RefusedError(f"job {job_id} belongs to provisioner daemon {worker_id}, not to {daemon_id}")
    return Working(of, status == "canceling")


def cancel(tx: Transaction, now_at: int, job_id: int) -> str:
    """Cancel a job and return its status: one that nobody has taken is `canceled` at once, one that runs `canceling`.

    Raises RefusedError for a job that is done or cancelled already.
    """
    job = get(tx, job_id)
    if job.completed_at != NEVER:
        raise RefusedError(f"job {job_id} is done already: it has {job.status}; there is nothing to cancel")
    if job.canceled_at != NEVER:
        raise RefusedError(f"job {job_id} is being cancelled already; wait for its daemon")
    if job.started_at == NEVER:
        tx.update("provisioner_jobs", job_id, canceled_at=now_at, completed_at=now_at)
        return "canceled"
    tx.update("provisioner_jobs", job_id, canceled_at=now_at)
    return "canceling"


def finish(tx: Transaction, now_at: int, job_id: int, error: str = "", error_code: str = "") -> None:
    """The job is done: it has failed where there is an error, else it was cancelled or it succeeded."""
    failed = {"error": error, "error_code": error_code or None} if error else {}
    tx.update("provisioner_jobs", job_id, completed_at=now_at, updated_at=now_at, **failed)


class Reapable(NamedTuple):
    """A job that nobody works on. `is_pending`: nobody ever did, and it ends as started in the same instant."""

    job_id: int
    is_pending: bool
    error: str


def reapable(tx: Transaction, now_at: int) -> list[Reapable]:
    """Every job that the reaper may end now, in the order in which they were queued.

    Running ones of which nothing was heard for more than 5 minutes, and those that nobody has taken for more than 30;
    a cancelled one that was never taken is held to the second like a pending one, and ends as a hung one.
    """
    found = tx.execute(
        "SELECT id, started_at IS NOT NULL, canceled_at IS NOT NULL, epoch_us(updated_at) FROM provisioner_jobs "
        "WHERE completed_at IS NULL ORDER BY id"
    )
    due = [
        (int(job_id), not started and not canceled)
        for job_id, started, canceled, updated_at in found
        if policy.is_reapable(started, updated_at, now_at)
    ]
    return [Reapable(job_id, pending, PENDING_TOO_LONG_ERROR if pending else HUNG) for job_id, pending in due]


def to_reap(tx: Transaction, now_at: int) -> list[Reapable]:
    """The jobs that the reaper ends in one run: of more than ten those that the lot falls on, as queued."""
    due = reapable(tx, now_at)
    chosen = sorted(due, key=lambda job: policy.reaping_lot(job.job_id, now_at))[: policy.MOST_REAPED]
    return [job for job in due if job in chosen]


def reap(tx: Transaction, now_at: int, job: Reapable) -> None:
    """End a job that nobody works on; a pending one is started in its last instant."""
    if job.is_pending:
        tx.update("provisioner_jobs", job.job_id, started_at=now_at)
    finish(tx, now_at, job.job_id, job.error)


def heard_of(tx: Transaction, now_at: int, job_ids: Iterable[int]) -> None:
    """The daemons of these jobs are alive."""
    tx.execute(
        "UPDATE provisioner_jobs SET updated_at = make_timestamptz($now) WHERE list_contains($jobs, id)",
        now=now_at,
        jobs=list(job_ids),
    )


def reapable_at(tx: Transaction, alive: Iterable[int]) -> int:
    """No job can be reaped before this instant; NEVER if none can. `alive`: jobs whose daemons will be heard of."""
    row = tx.one(
        "SELECT min(epoch_us(updated_at) + CASE WHEN started_at IS NULL THEN $pending ELSE $hung END) + 1 "
        "FROM provisioner_jobs WHERE completed_at IS NULL AND NOT list_contains($alive, id)",
        pending=policy.PENDING_TOO_LONG_US,
        hung=policy.HUNG_US,
        alive=list(alive),
    )
    return NEVER if row is None else instant(row[0])


def satisfies(daemon: Mapping[str, str], job: Mapping[str, str]) -> bool:
    """Can a daemon with these tags do a job with those? An untagged job goes to untagged daemons alone.

    Coder's provisioner_tagset_contains.
    """
    if job == UNTAGGED:
        return daemon == UNTAGGED
    return all(daemon.get(name) == value for name, value in job.items())


def written(tags: Mapping[str, str] | None) -> str:
    """Tags as a table holds them; `{}` says nothing, which stands for Coder's own two."""
    return json.dumps(dict(tags or {}), sort_keys=True)


def read(tags: str) -> Mapping[str, str]:
    """Tags as `satisfies` compares them."""
    return UNTAGGED if tags == "{}" else {**UNTAGGED, **json.loads(tags)}
