"""What jobs and agents say while they work: 1 MiB for each, then one notice that the rest is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from simkit.clock import format_instant
from simkit.errors import RefusedError
from simkit.store.database import Database, Row, Transaction

MAX_LOG_BYTES = 1_048_576
"""Of UTF-8, for all lines of a job or of an agent together."""
MAX_LINE = 1024
"""Characters. Coder casts a line to VARCHAR(1024), and PostgreSQL cuts what a cast finds too long, without a mark."""
JOB_NOTICE = (
    "Provisioner logs exceeded the max size of 1MB. Will not continue to write provisioner logs for workspace build."
)
AGENT_NOTICE = (
    "Startup logs exceeded the max size of 1MB, and will not continue to be written to the database! "
    "Logs will continue to be written to the /tmp/coder-startup-script.log file in the workspace."
)

Level = Literal["trace", "debug", "info", "warn", "error"]


@dataclass(frozen=True)
class JobLine:
    """A line of a job's log. `created_at` in microseconds, None: when it is written."""

    output: str
    level: Level = "info"
    stage: str = ""
    source: Literal["provisioner_daemon", "provisioner"] = "provisioner"
    created_at: int | None = None


@dataclass(frozen=True)
class AgentLine:
    """A line of an agent's log. `source`: the script that said it. `created_at` in microseconds, None: when written."""

    output: str
    level: Level = "info"
    source: str = "Startup Script"
    created_at: int | None = None


@dataclass(frozen=True)
class Admitted:
    """The first `lines` of a batch are kept, `used` bytes then; `notice`: one follows, in place of the next line."""

    lines: int
    used: int
    notice: bool
    overflowed: bool


def admit(sizes: Iterable[int], used: int, notice_size: int, limit: int = MAX_LOG_BYTES) -> Admitted:
    """What of a batch is kept of a log that has not overflowed. Pure; `sizes` of its lines and all else in bytes.

    A line is kept while the notice still fits behind it, as in Coder: room for it is held back from the first line on.
    Only a log from elsewhere can be too full for the notice. It overflows without one, and its readers add it.
    """
    kept = 0
    for size in sizes:
        if used + size + notice_size > limit:
            notice = used + notice_size <= limit
            return Admitted(kept, used + (notice_size if notice else 0), notice, overflowed=True)
        used += size
        kept += 1
    return Admitted(kept, used, notice=False, overflowed=False)


def admit_whole(sizes: Sequence[int], used: int, limit: int = MAX_LOG_BYTES) -> Admitted:
    """What of a batch is kept of an agent's log: all of it, or, where it does not fit, nothing of it. Pure.

    No notice is stored then, as in Coder: who reads the log adds it.
    """
    whole = used + sum(sizes)
    if whole > limit:
        return Admitted(0, used, notice=False, overflowed=True)
    return Admitted(len(sizes), whole, notice=False, overflowed=False)


def write_job_logs(tx: Transaction, now_at: int, job_id: int, lines: Iterable[JobLine]) -> int:
    """Append to a job's log; how many lines were written, the notice among them. What comes after it is dropped.

    Characters behind the 1,024th of a line are cut off, as in Coder; `logs_length` counts the bytes that are stored
    (Coder counts a line before it is cut). Anybody may write, at any time: daemons, the server when it completes a job,
    the reaper. Raises RefusedError for an id that no job has.
    """
    batch = list(lines)
    columns: dict[str, list[str]] = {"source": [line.source for line in batch], "stage": [line.stage for line in batch]}
    return _write(tx, now_at, "provisioner_jobs", job_id, batch, columns)


def write_agent_logs(tx: Transaction, now_at: int, agent_id: int, lines: Iterable[AgentLine]) -> int:
    """Append to an agent's log; how many lines were written, the notice among them. What comes after it is dropped.

    The same rule as for a job. Coder drops the whole batch in which the limit is passed and lets its dashboard show the
    notice; here what fits is kept and the notice stored, so that a log does not depend on how it was cut into batches.
    Raises RefusedError for an id that no agent has.
    """
    batch = list(lines)
    return _write(tx, now_at, "workspace_agents", agent_id, batch, {"source": [line.source for line in batch]})


def job_log(db: Database, job_id: int) -> str:
    """What a person sees of a job's log: a line each, with instant, level, source and stage, and at the end the notice
    if lines are missing. Raises RefusedError for an id that no job has.
    """
    return _read(db, "provisioner_jobs", job_id, "source || '|' || stage")


def agent_log(db: Database, agent_id: int) -> str:
    """What a person sees of an agent's log: as `job_log`, with the source only. Raises RefusedError for an id that no
    agent has.
    """
    return _read(db, "workspace_agents", agent_id, "source")


# Whose log it is, where its lines stand, the column that says whose they are, and the notice.
_LOGS = {
    "provisioner_jobs": ("job", "provisioner_job_logs", "job_id", JOB_NOTICE),
    "workspace_agents": ("agent", "workspace_agent_logs", "agent_id", AGENT_NOTICE),
}


def _write(
    tx: Transaction,
    now_at: int,
    owner: str,
    id: int,
    lines: Sequence[JobLine] | Sequence[AgentLine],
    columns: dict[str, list[str]],
) -> int:
    what, table, whose, notice = _LOGS[owner]
    found = tx.one(f"SELECT logs_length, logs_overflowed FROM {owner} WHERE id = $id", id=id)
    if found is None:
        raise RefusedError(f"there is no {what} {id}; logs belong to one that was inserted")
    used, overflowed = found
    if overflowed or not lines:
        return 0
    # Half of a surrogate pair is no UTF-8.
    encoded = [line.output[:MAX_LINE].encode(errors="replace") for line in lines]
    sizes = [len(output) for output in encoded]
    whole = owner == "workspace_agents"
    does = admit_whole(sizes, used) if whole else admit(sizes, used, len(notice.encode()))
    outputs = [output.decode() for output in encoded[: does.lines]]
    levels: list[str] = [line.level for line in lines[: does.lines]]
    if does.notice:
        outputs.append(notice)
        levels.append("warn")
    if outputs:
        at = [now_at if line.created_at is None else line.created_at for line in lines[: len(outputs)]]
        # One statement for all lines, since a statement for each takes 0.5 ms.
        tx.execute(
            f"INSERT INTO {table} (run_id, id, {whose}, created_at, level, output, {', '.join(columns)}) "
            "SELECT run_id, unnest($ids::BIGINT[]), id, make_timestamptz(unnest($at::BIGINT[])), "
            "unnest($levels::VARCHAR[]), unnest($outputs::VARCHAR[]), "
            f"{', '.join(f'unnest(${name}::VARCHAR[])' for name in columns)} FROM {owner} WHERE id = $owner_id",
            ids=[tx.next_id(table) for _ in outputs],
            at=at,
            levels=levels,
            outputs=outputs,
            owner_id=id,
            **{name: values[: len(outputs)] for name, values in columns.items()},
        )
    tx.update(owner, id, logs_length=does.used, logs_overflowed=does.overflowed)
    return len(outputs)


def _read(db: Database, owner: str, id: int, said_by: str) -> str:
    what, table, whose, notice = _LOGS[owner]
    found = db.rows(f"SELECT logs_overflowed FROM {owner} WHERE id = $id", id=id)
    if not found:
        raise RefusedError(f"there is no {what} {id}; ask for one that was inserted")
    rows: list[Row] = db.rows(
        f"SELECT epoch_us(created_at), level, {said_by}, output FROM {table} WHERE {whose} = $id ORDER BY id", id=id
    )
    seen = [f"{format_instant(at)} [{level}] [{by}] {output}" for at, level, by, output in rows]
    if found[0][0] and (not rows or rows[-1][3] != notice):
        seen.append(f"[warn] {notice}")  # Coder's agents have it nowhere: its dashboard shows it
    return "".join(f"{line}\n" for line in seen)
