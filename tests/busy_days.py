"""Days in which a control plane is busy, and a process that says or kills itself when it has called DuckDB so often."""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from controlplane_office import EU, NONE, RICH_BUILD

from simkit.clock import MINUTE_US, SECOND_US
from simkit.controlplane import ControlPlane, Outcome
from simkit.controlplane.logs import JobLine
from simkit.controlplane.types import BuildResult, ImportResult
from simkit.model import Preset, TemplateSchedule
from simkit.store.database import Database


class Counted:
    """A connection to DuckDB that tells of each call before it is made."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, on_call: Callable[[], None]) -> None:
        self._connection, self._on_call = connection, on_call

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            self._on_call()
            return getattr(self._connection, name)(*given, **named)

        return call


def counted(calls: int, kills_itself: bool) -> None:
    """Let this process say when it calls DuckDB for so many times, and go on; or kill itself in place of the call."""
    numbers = itertools.count(1)
    connect = duckdb.connect

    def on_call() -> None:
        if next(numbers) == calls:
            if kills_itself:
                os.kill(os.getpid(), signal.SIGKILL)
            print("reached", os.getpid(), flush=True)

    def connected(*given: Any, **named: Any) -> Any:
        on_call()
        return Counted(connect(*given, **named), on_call)

    duckdb.connect = connected


def reopened(file: str | Path) -> ControlPlane:
    """What a killed process left behind, or a new control plane if it did not come so far."""
    with Database(file, "") as database:
        is_new = not database.rows("SELECT 1 FROM runs")
    return ControlPlane(file, now="2026-03-02T08:00:00Z" if is_new else None)


def busy_days(file: str, seed: int) -> None:
    """Days in which everything happens, until somebody kills the process."""
    chance = random.Random(seed)
    plane = reopened(file)
    presets = (EU, Preset("us", 1, ttl_us=60 * MINUTE_US, parameters=(("region", "us"),)), NONE)

    def work(job):
        if job.type == "template_version_import":
            return Outcome(SECOND_US, result=ImportResult(presets=presets))
        result = RICH_BUILD if job.build is None or job.build.transition == "start" else BuildResult(())
        error = "boom" if chance.random() < 0.1 else ""
        return Outcome(chance.randrange(1, 150) * SECOND_US, 20 * SECOND_US, result, error)

    # The process before this one may have been killed anywhere.
    if not plane.database.rows("SELECT 1 FROM organizations"):
        plane.create_organization("acme")
    if not plane.database.rows("SELECT 1 FROM groups WHERE id = 1"):
        plane.create_group(1, "developers", 60)
    plane.set_prebuilds_quota(1, 30)
    if not plane.database.rows("SELECT 1 FROM templates"):
        schedule = TemplateSchedule(default_ttl_us=45 * MINUTE_US, time_til_dormant_us=120 * MINUTE_US)
        plane.create_template(1, "docker", schedule)
    plane.run_daemons(4, work)
    for i in range(1_000_000):
        name = f"p{seed}-{i}"
        person = plane.create_user(name, is_template_admin=i % 7 == 0)
        with plane.transaction() as tx:
            tx.insert("group_members", group_id=1, user_id=person)
        if i % 9 == 0:
            plane.create_version(1, name, person)
            plane.advance(minutes=1)
        found = plane.database.rows(
            "SELECT max(v.id) FROM template_versions AS v JOIN provisioner_jobs AS j "
            "ON j.id = v.job_id WHERE j.job_status = 'succeeded'"
        )
        if not found[0][0]:
            continue
        plane.activate_version(found[0][0])
        plane.create_workspace(person, 1, name, parameters={"region": chance.choice(("eu", "us", "moon"))})
        mine = plane.database.rows("SELECT max(id) FROM provisioner_jobs")[0][0]
        plane.write_log(mine, [JobLine("building \u00e4" * 20)] * 5)
        if i % 5 == 0:
            plane.cancel_job(mine)
        if i % 4 == 0:
            plane.dry_run(found[0][0], person)
        plane.advance(minutes=chance.choice((1, 5, 20)))
        idle = plane.database.rows(
            "SELECT w.id, w.owner_id FROM workspaces AS w WHERE w.owner_id > 0 AND NOT w.deleted AND NOT EXISTS ("
            "SELECT 1 FROM workspace_builds AS b JOIN provisioner_jobs AS j ON j.id = b.job_id "
            "WHERE b.workspace_id = w.id AND j.completed_at IS NULL) ORDER BY w.id LIMIT 3"
        )
        for workspace_id, owner_id in idle:
            chance.choice((plane.stop_workspace, plane.delete_workspace))(workspace_id, owner_id)
