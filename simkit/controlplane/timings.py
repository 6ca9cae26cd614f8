"""How long the steps of a provisioner job took, as its daemon reports them; what has no start or no end is left out.

An end before its start is kept: Coder looks neither when it stores a timing nor when it shows one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args, get_type_hints

from simkit.clock import NEVER
from simkit.controlplane.types import Timing
from simkit.errors import RefusedError
from simkit.store.database import Database, Transaction

GO_ZERO_AT = -62_135_596_800_000_000
"""0001-01-01T00:00:00Z, Go's `time.Time{}`: what Coder stored for a time that was never set."""

STAGES: tuple[str, ...] = get_args(get_type_hints(Timing)["stage"])
_UNSET = (None, 0, GO_ZERO_AT, NEVER)


def insert(tx: Transaction, job_id: int, timings: Iterable[Timing | None]) -> tuple[str, ...]:
    """Store the timings of a job that can be stored; a warning for each that is skipped, in the order given.

    Skipped are those without a start or an end (missing or zero), those of a stage that Coder does not know, and None,
    an empty message. Raises RefusedError for an id that no job has.
    """
    if tx.one("SELECT 1 FROM provisioner_jobs WHERE id = $id", id=job_id) is None:
        raise RefusedError(f"there is no job {job_id}; timings belong to one that was inserted")
    warnings = []
    for timing in timings:
        problem = _problem(timing)
        if problem:
            warnings.append(f"job {job_id}: {problem}")
        elif timing is not None:
            tx.insert("provisioner_job_timings", job_id=job_id, **vars(timing))
    return tuple(warnings)


def read(db: Database, job_id: int) -> tuple[tuple[Timing, ...], tuple[str, ...]]:
    """The timings of a job by start, and a warning for each row that is skipped, because its start or end is zero.

    Such rows come from elsewhere, as with a database that an older Coder wrote. Raises RefusedError for an id that no
    job has.
    """
    if not db.rows("SELECT 1 FROM provisioner_jobs WHERE id = $id", id=job_id):
        raise RefusedError(f"there is no job {job_id}; ask for one that was inserted")
    rows = db.rows(
        "SELECT epoch_us(started_at), epoch_us(ended_at), stage, source, action, resource FROM provisioner_job_timings "
        "WHERE job_id = $id ORDER BY ALL",
        id=job_id,
    )
    found, warnings = [], []
    for timing in (Timing(*row) for row in rows):
        problem = _problem(timing)
        if problem:
            warnings.append(f"job {job_id}: {problem}")
        else:
            found.append(timing)
    return tuple(found), tuple(warnings)


def _problem(timing: Timing | None) -> str:
    """Why a timing is skipped, "" if it is not."""
    if timing is None:
        return "an empty timing, skipped"
    of = f'the timing "{timing.source} {timing.action} {timing.resource}" of {timing.stage}'
    ends = (("start", timing.started_at), ("end", timing.ended_at))
    unset = [name for name, at in ends if at in _UNSET]
    if unset:
        return f"{of} has no {' and no '.join(unset)}, skipped"
    if timing.stage not in STAGES:
        return f"{of} is of no stage that Coder knows ({', '.join(STAGES)}), skipped"
    return ""
