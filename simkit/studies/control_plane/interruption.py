"""Interrupt a transaction at each of its statements: nothing of it may be left, and tried again it goes through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from simkit.controlplane import ControlPlane
from simkit.controlplane.types import BuildResult, ImportResult
from simkit.errors import RefusedError


class Interruption(NamedTuple):
    """A job's completion was made to fail before each of its statements, then let through.

    `changed_by_failures`: tables that differed after one of the failures. `added`: rows that success added, by table.
    """

    kind: str
    statements: int
    changed_by_failures: int
    added: Mapping[str, int]


def interrupt(plane: ControlPlane, daemon_id: int, result: BuildResult | ImportResult) -> Interruption:
    """A daemon's next job is completed with a failure injected before each statement in turn, then without one.

    Raises RefusedError if there is no job for the daemon.
    """
    job_id = plane.acquire(daemon_id)
    if job_id is None:
        raise RefusedError(f"there is no job for provisioner daemon {daemon_id}")
    kind = str(plane.database.rows("SELECT type FROM provisioner_jobs WHERE id = $id", id=job_id)[0][0])
    before, changed, statements = contents(plane), 0, 0
    while _breaks_before(plane, statements + 1, lambda: plane.complete_job(job_id, result, daemon_id)):
        statements += 1
        after = contents(plane)
        changed += sum(after[table] != before[table] for table in before)
    after = contents(plane)
    added = {table: after[table][0] - before[table][0] for table in before if after[table][0] > before[table][0]}
    return Interruption(kind, statements, changed, added)


def contents(plane: ControlPlane) -> dict[str, tuple[int, int]]:
    """(rows, a hash of them) of each table."""
    tables = plane.database.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' ORDER BY table_name"
    )
    return {
        table: plane.database.rows(f"SELECT count(*), coalesce(bit_xor(hash(of)), 0) FROM {table} AS of")[0]
        for (table,) in tables
    }


class _InjectedError(Exception):
    pass


def _breaks_before(plane: ControlPlane, statement: int, act: Callable[[], object]) -> bool:
    """Let something fail before its n-th statement. False if it is done before, with fewer."""
    seen = 0

    def count(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            raise _InjectedError

    usual, plane.database.on_statement = plane.database.on_statement, count
    try:
        act()
    except _InjectedError:
        return True
    finally:
        plane.database.on_statement = usual
    return False
