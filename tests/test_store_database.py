"""A database in transactions: all or nothing, rules by their names; and control planes killed at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from busy_days import reopened
from promises import broken_promises

from simkit.clock import NEVER
from simkit.controlplane.jobs import HUNG
from simkit.errors import RefusedError, StoreError
from simkit.store.connection import MEMORY, connect, constraints
from simkit.store.database import Database, instant


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
    assert "another process has it open" in other.stderr


# Killed at random moments

KILLS, KILLS_IF_SLOW = 12, 54
KILLS_OF_A_FILE = 6
CALLS_TO_OPEN = 35
CALLS = 250
BUSY = """
# A parent that has imported simkit forks a child for each line of its input; the child says when it has called DuckDB
# so often, or kills itself then.
import os, sys
sys.path.insert(0, "tests")
from busy_days import busy_days, counted
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
    came_far, _ = killed_often(killer, tmp_path, KILLS)
    assert came_far > 0, "no process lived long enough to have workspaces"


@pytest.mark.slow
def test_a_control_plane_killed_often_reopens_also_where_a_daemon_worked(killer, tmp_path):
    came_far, hung = killed_often(killer, tmp_path, KILLS_IF_SLOW)
    assert came_far > KILLS_IF_SLOW // 3, f"only {came_far} processes lived long enough to have workspaces"
    assert hung > 0, "no process was killed while a daemon worked"


def killed_often(killer: subprocess.Popen[str], tmp_path: Path, kills: int) -> tuple[int, int]:
    """Kill so often, and look at what is left: (how many had workspaces, how many jobs nobody works on any more)."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    came_far, hung = 0, 0
    for kill in range(kills):
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
    return came_far, hung


def test_what_takes_long_draws_no_bar_and_fits_the_machine():
    with closing(connect(":memory:")) as connection:
        asked = "SELECT name, value FROM duckdb_settings() WHERE name IN ('enable_progress_bar', 'temp_directory')"
        found = dict(connection.execute(asked).fetchall())
    assert found["enable_progress_bar"] == "false", "a bar would stand in what a pipe reads"
    assert not Path(found["temp_directory"]).exists(), "a name that nobody can take before"
    assert 0 < MEMORY <= 1_000_000_000
