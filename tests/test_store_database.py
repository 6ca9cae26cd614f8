"""A database in transactions: all or nothing, rules by their names; and control planes killed at random moments."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from simkit.clock import MINUTE_US, NEVER, SECOND_US
from simkit.controlplane import ControlPlane, Outcome
from simkit.controlplane.jobs import HUNG
from simkit.controlplane.logs import JobLine
from simkit.controlplane.types import BuildResult, ImportResult
from simkit.errors import RefusedError, StoreError
from simkit.model import Preset, TemplateSchedule
from simkit.store.connection import constraints
from simkit.store.database import Database, instant

IN_NUMBERS = """
    SELECT workspace_id FROM workspace_builds GROUP BY workspace_id
    HAVING min(build_number) <> 1 OR max(build_number) <> count(*) OR count(DISTINCT build_number) <> count(*)
"""
BUILDS = """
    SELECT
        b.*, j.job_status, j.completed_at, j.error, j.started_at,
        row_number() OVER (PARTITION BY b.workspace_id ORDER BY b.build_number DESC) = 1 AS is_latest
    FROM workspace_builds AS b JOIN provisioner_jobs AS j ON j.id = b.job_id
"""
UNIQUE = (
    *("templates", "users", "organizations", "groups", "files", "provisioner_daemons", "notification_messages"),
    *("template_versions", "template_version_presets", "workspaces", "workspace_builds", "provisioner_jobs"),
    *("provisioner_job_logs", "workspace_resources", "workspace_agents", "workspace_agent_logs", "claims"),
)
PROMISES = {
    "every build has one job": """
        SELECT b.id FROM workspace_builds AS b LEFT JOIN provisioner_jobs AS j ON j.id = b.job_id
        GROUP BY b.id HAVING count(j.id) <> 1 OR bool_or(j.type <> 'workspace_build')""",
    "every job of a workspace build has its build": """
        SELECT j.id FROM provisioner_jobs AS j LEFT JOIN workspace_builds AS b ON b.job_id = j.id
        WHERE j.type = 'workspace_build' GROUP BY j.id HAVING count(b.id) <> 1""",
    "every import job has its version": """
        SELECT j.id FROM provisioner_jobs AS j LEFT JOIN template_versions AS v ON v.job_id = j.id
        WHERE j.type = 'template_version_import' GROUP BY j.id HAVING count(v.id) <> 1""",
    "every build has a workspace": """
        SELECT id FROM workspace_builds WHERE workspace_id NOT IN (SELECT id FROM workspaces)""",
    "every workspace has a build": """
        SELECT id FROM workspaces WHERE id NOT IN (SELECT workspace_id FROM workspace_builds)""",
    "build numbers have no gaps": IN_NUMBERS,
    "only the latest build of a workspace is in progress": f"""
        SELECT id FROM ({BUILDS}) WHERE completed_at IS NULL AND NOT is_latest""",
    "a job's instants are in order": """
        SELECT id FROM provisioner_jobs WHERE started_at < created_at OR completed_at < coalesce(started_at, created_at)
        OR canceled_at < created_at OR updated_at < started_at""",
    "a job that was taken has a daemon, and no other has": """
        SELECT id FROM provisioner_jobs WHERE (started_at IS NULL) <> (worker_id IS NULL)
        OR worker_id NOT IN (SELECT id FROM provisioner_daemons)""",
    "prebuilds have no lifecycle": """
        SELECT id FROM workspaces WHERE owner_id = 0 AND coalesce(autostart_schedule, ttl::VARCHAR,
        next_start_at::VARCHAR, dormant_at::VARCHAR, deleting_at::VARCHAR) IS NOT NULL
        UNION ALL SELECT b.id FROM workspace_builds AS b JOIN workspaces AS w ON w.id = b.workspace_id
        WHERE w.owner_id = 0 AND (b.deadline IS NOT NULL OR b.max_deadline IS NOT NULL)""",
    "an owner is the prebuilds user or somebody who is known": """
        SELECT id FROM workspaces WHERE owner_id <> 0 AND owner_id NOT IN (SELECT id FROM users)""",
    "a deadline is not after the max deadline": """
        SELECT id FROM workspace_builds
        WHERE max_deadline IS NOT NULL AND (deadline IS NULL OR deadline > max_deadline)""",
    "a claim leads to a build of its user's workspace": """
        SELECT c.id FROM claims AS c LEFT JOIN workspace_builds AS b
            ON b.id = c.workspace_build_id AND b.workspace_id = c.workspace_id
        LEFT JOIN workspaces AS w ON w.id = b.workspace_id
        WHERE b.id IS NULL OR w.owner_id <> c.user_id OR b.transition <> 'start'
            OR (c.hit AND b.build_number < 2) OR (NOT c.hit AND b.build_number <> 1)""",
    "a workspace is claimed once": "SELECT workspace_id FROM claims GROUP BY workspace_id HAVING count(*) > 1",
    "a prebuild that has an owner was claimed": """
        SELECT w.id FROM workspaces AS w JOIN workspace_builds AS b ON b.workspace_id = w.id AND b.build_number = 1
        WHERE b.initiator_id = 0 AND w.owner_id <> 0 AND w.id NOT IN (SELECT workspace_id FROM claims WHERE hit)""",
    "the length of a job's log is that of its lines": """
        SELECT j.id FROM provisioner_jobs AS j LEFT JOIN provisioner_job_logs AS l ON l.job_id = j.id
        GROUP BY j.id, j.logs_length HAVING j.logs_length <> coalesce(sum(strlen(l.output)), 0)""",
    "the length of an agent's log is that of its lines": """
        SELECT a.id FROM workspace_agents AS a LEFT JOIN workspace_agent_logs AS l ON l.agent_id = a.id
        GROUP BY a.id, a.logs_length HAVING a.logs_length <> coalesce(sum(strlen(l.output)), 0)""",
    "what is deleted was deleted by a build, or never started": f"""
        SELECT w.id FROM workspaces AS w JOIN ({BUILDS}) AS b ON b.workspace_id = w.id AND b.is_latest
        WHERE w.deleted AND NOT (b.transition = 'delete' AND b.completed_at IS NOT NULL AND coalesce(b.error, '') = '')
        AND NOT (b.build_number = 1 AND b.job_status = 'canceled' AND b.started_at IS NULL)""",
    "a delete that succeeded leaves a deleted workspace": f"""
        SELECT w.id FROM workspaces AS w JOIN ({BUILDS}) AS b ON b.workspace_id = w.id
        WHERE b.transition = 'delete' AND b.job_status = 'succeeded' AND NOT w.deleted""",
    "agents belong to starts that were completed": f"""
        SELECT a.id FROM workspace_agents AS a LEFT JOIN ({BUILDS}) AS b ON b.id = a.workspace_build_id
        WHERE b.id IS NULL OR b.transition <> 'start' OR b.completed_at IS NULL OR coalesce(b.error, '') <> ''""",
    "resources belong to jobs that were completed": """
        SELECT r.id FROM workspace_resources AS r LEFT JOIN provisioner_jobs AS j ON j.id = r.job_id
        WHERE j.completed_at IS NULL OR coalesce(j.error, '') <> ''""",
    "presets belong to versions that were imported": """
        SELECT p.id FROM template_version_presets AS p LEFT JOIN template_versions AS v ON v.id = p.template_version_id
        LEFT JOIN provisioner_jobs AS j ON j.id = v.job_id WHERE j.completed_at IS NULL""",
    "an active version was imported": """
        SELECT t.id FROM templates AS t LEFT JOIN template_versions AS v ON v.id = t.active_version_id
        LEFT JOIN provisioner_jobs AS j ON j.id = v.job_id
        WHERE t.active_version_id IS NOT NULL AND j.completed_at IS NULL""",
    "a started workspace of somebody's has had its deadline decided": f"""
        SELECT b.id FROM ({BUILDS}) AS b JOIN workspaces AS w ON w.id = b.workspace_id
        WHERE w.owner_id <> 0 AND b.transition = 'start' AND b.job_status = 'succeeded' AND b.initiator_id <> 0
        AND NOT EXISTS (SELECT 1 FROM lifecycle_decisions AS d WHERE d.workspace_build_id = b.id)""",
} | {f"ids of {table} are unique": f"SELECT id FROM {table} GROUP BY id HAVING count(*) > 1" for table in UNIQUE}


def broken_promises(database: Database) -> list[str]:
    """What is not as it always should be: the promise, and the ids that break it."""
    found = ((promise, database.rows(sql)) for promise, sql in PROMISES.items())
    return [f"{promise}: {[row[0] for row in rows]}" for promise, rows in found if rows]


@pytest.fixture
def database():
    with Database(":memory:", "run") as opened:
        yield opened


def test_a_transaction_is_kept_whole_or_not_at_all(database):
    with database.transaction() as tx:
        tx.insert("organizations", name="kept")

    def fail() -> None:
        with database.transaction() as tx:
            tx.insert("organizations", name="lost")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert database.rows("SELECT id, name FROM organizations") == [(1, "kept")]
    with database.transaction() as tx:
        assert tx.insert("organizations", name="next") == 2, "the number is free again"


def test_what_is_done_together_is_kept_together(database):

    def fail() -> None:
        with database.together():
            with database.transaction() as tx:
                tx.insert("organizations", name="inside")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert database.rows("SELECT * FROM organizations") == []
    with database.together(), database.transaction() as tx:
        tx.insert("organizations", name="inside")
    assert database.rows("SELECT name FROM organizations") == [("inside",)]
    with pytest.raises(ZeroDivisionError):
        fail()
    assert database.rows("SELECT name FROM organizations") == [("inside",)]


def test_a_broken_rule_is_told_by_its_name(database):

    def insert() -> None:
        with database.transaction() as tx:
            tx.insert("organizations", name="undone")
            tx.insert("groups", organization_id=1, name="g", quota_allowance=-1)

    with pytest.raises(RefusedError) as refused:
        insert()
    assert str(refused.value) == "the rule no_negative_quota of groups refuses this"
    assert database.rows("SELECT * FROM organizations") == []


def test_every_check_of_the_schema_has_a_name():
    assert len(constraints()) > 30
    assert all(table and check and name for table, check, name in constraints())


def test_an_update_is_checked_as_well(database):
    with database.transaction() as tx:
        group_id = tx.insert("groups", organization_id=1, name="g", quota_allowance=1)
    with pytest.raises(RefusedError, match="no_negative_quota"), database.transaction() as tx:
        tx.update("groups", group_id, quota_allowance=-1)
    assert database.rows("SELECT quota_allowance FROM groups") == [(1,)]


def test_instants_go_in_as_microseconds_and_never_is_null(database):
    with database.transaction() as tx:
        for suspended_at in (NEVER, None, 1_750_000_000_000_001):
            tx.insert("users", username="u", quiet_hours_schedule="", suspended_at=suspended_at)
    found = database.rows("SELECT epoch_us(suspended_at) FROM users ORDER BY id")
    assert [instant(value) for (value,) in found] == [NEVER, NEVER, 1_750_000_000_000_001]
    columns = database.columns("users", ("id", "suspended_at", "username"))
    assert columns["suspended_at"].tolist() == [NEVER, NEVER, 1_750_000_000_000_001]
    assert database.columns("claims", ("id",))["id"].tolist() == []


def test_every_statement_of_a_transaction_is_announced(database):
    said = []
    database.on_statement = said.append
    with database.transaction() as tx:
        tx.insert("organizations", name="one")
        tx.update("organizations", 1, name="two")
        assert tx.one("SELECT name FROM organizations") == ("two",)
        assert tx.one("SELECT name FROM organizations WHERE id = $id", id=9) is None
    assert [sql.split()[0] for sql in said] == ["SELECT", "INSERT", "UPDATE", "SELECT", "SELECT"]


def test_what_duckdb_has_to_say_is_no_traceback(database, tmp_path):
    with pytest.raises(StoreError, match="no_such_table"):
        database.rows("SELECT * FROM no_such_table")
    with pytest.raises(StoreError, match="no_such_table"):
        database.table("SELECT * FROM no_such_table")
    with pytest.raises(StoreError, match="no_such_table"), database.transaction() as tx:
        tx.execute("SELECT * FROM no_such_table")
    other = tmp_path / "other.duckdb"
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE t (i INTEGER)")
    with pytest.raises(StoreError, match="holds no simkit runs"):
        Database(other, "run")


def test_what_is_no_file_holds_no_database(tmp_path):
    with pytest.raises(StoreError, match="names a database that is no file"):
        Database("md:plane", "run")
    with pytest.raises(StoreError, match="this is a directory"):
        Database(tmp_path, "run")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_somebody_makes_meanwhile_is_taken_as_it_is(tmp_path, monkeypatch):
    file, other = tmp_path / "plane.duckdb", tmp_path / "other.duckdb"
    with Database(other, "run") as written, written.transaction() as tx:
        tx.insert("organizations", name="theirs")
    connect = duckdb.connect

    def late(*given, **named):
        if other.exists():
            other.rename(file)
        return connect(*given, **named)

    monkeypatch.setattr(duckdb, "connect", late)
    with Database(file, "run") as mine:
        assert mine.rows("SELECT name FROM organizations") == [("theirs",)]
    assert list(tmp_path.iterdir()) == [file]


def test_two_processes_do_not_write_one_file(tmp_path):
    file = tmp_path / "plane.duckdb"
    with Database(file, "run"):
        program = f"from simkit.store.database import Database\nDatabase({str(file)!r}, 'run')"
        other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert other.returncode != 0
    assert "another process is writing to it" in other.stderr


# Killed at random moments

KILLS = 54
KILLS_OF_A_FILE = 6
CALLS_TO_OPEN = 35
CALLS = 250
BUSY = """
# A parent that has imported simkit forks a child for each line of its input; the child says when it has called DuckDB
# so often, or kills itself then.
import os, sys
sys.path.insert(0, "tests")
import test_controlplane_plane
from test_store_database import busy_days, counted
for line in sys.stdin:
    file, seed, calls, kills_itself = line.split()
    child = os.fork()
    if child == 0:
        os.close(0)
        try:
            counted(int(calls), kills_itself == "True")
            busy_days(file, int(seed))
        except BaseException:
            import traceback
            traceback.print_exc()
            print("broken", flush=True)
        os._exit(1)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


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
    from test_controlplane_plane import EU, NONE, RICH_BUILD

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


@pytest.fixture(scope="module")
def killer():
    """A fork server: give it a file and when to be killed, read what becomes of the child."""
    top = Path(__file__).parent.parent
    server = subprocess.Popen(
        [sys.executable, "-c", BUSY], cwd=top, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield server
    server.kill()
    server.communicate()


def killed(server: subprocess.Popen[str], file: Path, seed: int, calls: int, by_itself: bool) -> None:
    """Let a child be busy with the file and be killed at so many calls of DuckDB, or somewhere after them."""
    assert server.stdin is not None
    assert server.stdout is not None
    print(file, seed, calls, by_itself, file=server.stdin, flush=True)
    line = server.stdout.readline()
    if not by_itself:
        assert line.startswith("reached "), f"the child broke, seed {seed}: {line}"
        os.kill(int(line.split()[1]), signal.SIGKILL)
        line = server.stdout.readline()
    assert line == "dead\n", f"the child broke, seed {seed}: {line}"


def test_a_control_plane_killed_at_random_moments_reopens_in_a_consistent_state(killer, tmp_path):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    came_far, hung = 0, 0
    for kill in range(KILLS):
        if kill % KILLS_OF_A_FILE == 0:
            file = tmp_path / f"{kill}.duckdb"
            last_at = 0
        calls = chance.randint(1, CALLS_TO_OPEN) if kill % 5 == 0 else CALLS_TO_OPEN + int(chance.random() ** 2 * CALLS)
        killed(killer, file, kill << 16 | chance.randrange(1 << 16), calls, by_itself=chance.random() < 0.5)
        plane = reopened(file)
        with closing(plane.database):
            assert broken_promises(plane.database) == [], f"kill {kill}, seed {seed}"
            assert plane.now_at >= last_at, "time does not go backwards"
            lost = plane.database.rows(
                "SELECT id FROM provisioner_jobs WHERE started_at IS NOT NULL AND completed_at IS NULL"
            )
            came_far += len(plane.database.rows("SELECT 1 FROM workspaces LIMIT 1"))
            hung += len(lost)
            plane.advance(minutes=60 if kill % KILLS_OF_A_FILE == KILLS_OF_A_FILE - 1 else 7)
            ended = plane.database.rows("SELECT id FROM provisioner_jobs WHERE error = $hung", hung=HUNG)
            assert set(lost) <= set(ended), "nobody works on what the killed process did: the reaper ends it"
            assert broken_promises(plane.database) == [], f"some time after kill {kill}, seed {seed}"
            last_at = plane.now_at
    assert came_far > KILLS // 3, f"only {came_far} processes lived long enough to have workspaces"
    assert hung > 0, "no process was killed while a daemon worked"
