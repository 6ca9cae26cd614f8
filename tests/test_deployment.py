"""A deployment's history comes into a runs file: from a real PostgreSQL of Coder's shape, and from exports of it."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner
from coder_database import Server, coder_id, rows_of, server, simulated, write_files

import simkit
from simkit.cli import main
from simkit.clock import NEVER, parse_instant, zone
from simkit.deployment import history
from simkit.deployment.exports import Exports
from simkit.deployment.history import Brought, bring
from simkit.deployment.postgres import Database
from simkit.deployment.tables import TABLES, psql_lines
from simkit.errors import InputError
from simkit.model import PREBUILDS_USER_ID

HOME = zone("America/New_York")
QUESTIONS = ("hit_rate", "hit_rate_by_hour", "age_at_claim", "failures", "first_hour")
"""Of which nothing depends on when the window ends."""


@pytest.fixture(scope="module")
def result() -> simkit.Result:
    return simulated()


@pytest.fixture(scope="module")
def rows(result):
    return rows_of(result)


@pytest.fixture(scope="module")
def exports(rows, tmp_path_factory) -> Path:
    return write_files(rows, tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def coder(exports) -> Iterator[Server]:
    pytest.importorskip("adbc_driver_postgresql", reason="the extra simkit[postgres] is not installed")
    with server() as one:
        one.make_coder("coder", exports)
        yield one


def brought(path: Path, source: Exports | Database, **more) -> Brought:
    return bring(path, source, HOME, **more)


def table(path: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def told(folder: Path, **files: bytes | None) -> str:
    """What is told of a folder with these files in place of the good ones; None: without it."""
    for name, data in files.items():
        file = folder / f"{name}.csv"
        file.unlink() if data is None else file.write_bytes(data)
    with pytest.raises(InputError) as error:
        brought(folder / "out.duckdb", Exports(folder))
    assert not (folder / "out.duckdb").exists()
    return str(error.value)


@pytest.fixture
def folder(exports, tmp_path) -> Path:
    return Path(shutil.copytree(exports, tmp_path / "exports"))


def without(file: Path, columns: tuple[str, ...]) -> None:
    """Takes columns out of a CSV file, as an older Coder does not have them."""
    pd.read_csv(file, dtype=str, keep_default_na=False).drop(columns=list(columns)).to_csv(file, index=False)


def same_history(result: simkit.Result, path: Path) -> None:
    """The file answers as the simulation that the deployment was made of."""
    for question in QUESTIONS:
        expected = simkit.ask(result, question).drop(columns="run_id")
        found = simkit.ask(path, question, run_id="history").drop(columns="run_id")
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, obj=question)
    claims = "SELECT created_at, hit, ready_at, preset_id FROM claims ORDER BY created_at, preset_id"
    got = [(row[0].timestamp(), row[1]) for row in table(path, claims)]
    given = result.tables["claims"]
    assert got == sorted((at / 1e6, bool(hit)) for at, hit in zip(given["created_at"], given["hit"], strict=True))


def test_a_simulated_history_comes_back_from_postgresql(result, coder, tmp_path):
    found = brought(tmp_path / "my.duckdb", Database(coder.url()))
    same_history(result, tmp_path / "my.duckdb")
    assert (found.coder_version, found.claims) == ("v2.35.1", len(result.tables["claims"]["id"]))


def test_a_simulated_history_comes_back_from_exports(result, exports, tmp_path):
    found = brought(tmp_path / "my.duckdb", Exports(exports))
    same_history(result, tmp_path / "my.duckdb")
    assert found.hits == int(result.tables["claims"]["hit"].sum())


def test_durations_of_builds_and_what_presets_wanted_come_back(result, exports, tmp_path):
    brought(tmp_path / "my.duckdb", Exports(exports))
    took = "SELECT epoch_us(completed_at) - epoch_us(started_at) FROM provisioner_jobs WHERE completed_at IS NOT NULL"
    jobs = result.tables["provisioner_jobs"]
    done = jobs["completed_at"] != NEVER
    expected = (jobs["completed_at"] - jobs["started_at"])[done]
    assert sorted(us for (us,) in table(tmp_path / "my.duckdb", took)) == sorted(expected.tolist())
    steps = result.tables["desired_instances"]
    given = sorted(zip(*(steps[name].tolist() for name in ("preset_id", "from_at", "desired")), strict=True))
    last = table(tmp_path / "my.duckdb", "SELECT epoch_us(end_at) FROM runs")[0][0]
    assert table(tmp_path / "my.duckdb", f"{WANTED} ORDER BY ALL") == [step for step in given if step[1] < last]


def test_the_files_that_psql_writes_by_the_printed_lines_give_the_same_history(coder, result, tmp_path):
    subprocess.run(
        [coder.binaries / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", coder.url()],
        input="SET TimeZone = 'America/New_York';\n" + psql_lines(),
        cwd=tmp_path,
        check=True,
        text=True,
    )
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(table.name for table in TABLES)
    brought(tmp_path / "my.duckdb", Exports(tmp_path))
    same_history(result, tmp_path / "my.duckdb")
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"zoe" not in everything


@pytest.mark.parametrize("keep_names", [False, True])
def test_names_leave_the_database_only_if_they_are_asked_for_and_errors_and_addresses_never(
    coder, tmp_path, keep_names
):
    brought(tmp_path / "my.duckdb", Database(coder.url()), keep_names=keep_names)
    with duckdb.connect(str(tmp_path / "my.duckdb"), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        text = "\n".join(str(connection.execute(f"FROM {name}").fetchall()) for name in tables)
    assert ("zoe-1" in text, "zoe-laptop" in text) == (keep_names, keep_names)
    assert "secret" not in text
    assert "@example.com" not in text
    assert coder_id("workspaces", 1) not in text
    owner = coder_id("users", max(table(tmp_path / "my.duckdb", "SELECT id FROM users"))[0])
    assert owner not in text


@pytest.mark.parametrize("lacks", [(), ("is_service_account",), ("is_service_account", "is_system", "login_type")])
def test_accounts_of_programs_are_told_apart_from_people_as_far_as_the_version_tells(rows, tmp_path, lacks):
    """Newer versions say so; before, they are those that have no way to log in."""
    marks = ({"is_service_account": "t", "login_type": "none"}, {"login_type": "none"}, {"is_system": "t"})
    people = [row for row in rows["users"] if row["id"] != PREBUILDS_USER_ID]
    marked = [dict(row, **mark) for row, mark in zip(people, marks, strict=False)]
    system = [row for row in rows["users"] if row["id"] == PREBUILDS_USER_ID]
    exported = write_files(rows | {"users": [*system, *marked, *people[len(marked) :]]}, tmp_path)
    without(exported / "users.csv", lacks)
    brought(tmp_path / "my.duckdb", Exports(exported))
    found = table(tmp_path / "my.duckdb", "SELECT count(*) FILTER (WHERE is_service_account), count(*) FROM users")
    assert found == [({0: 3, 1: 3, 3: 0}[len(lacks)], len(people))]


@pytest.mark.parametrize("is_told", [True, False])
def test_workspaces_for_tasks_of_agents_are_told_apart(rows, tmp_path, is_told):
    builds = [dict(row, has_ai_task="t" if i % 5 == 0 else "f") for i, row in enumerate(rows["workspace_builds"])]
    exported = write_files(rows | {"workspace_builds": builds}, tmp_path)
    without(exported / "workspace_builds.csv", () if is_told else ("has_ai_task",))
    brought(tmp_path / "my.duckdb", Exports(exported))
    found = table(tmp_path / "my.duckdb", "SELECT count(*) FILTER (WHERE has_ai_task) FROM workspace_builds")
    assert found == [(len(builds[::5]) if is_told else 0,)]


WANTED = "SELECT preset_id, epoch_us(from_at), desired FROM desired_instances"
HALF = parse_instant("2026-03-05T00:00:00Z")


@pytest.fixture
def early(rows, tmp_path) -> Path:
    """Exports as they were in the middle of the week: a part of the workspaces, and a part of their builds."""
    kept = {row["id"] for row in rows["workspaces"] if parse_instant(row["created_at"]) < HALF}
    builds = [row for row in rows["workspace_builds"] if row["workspace_id"] in kept]
    jobs = {row["job_id"] for row in builds if parse_instant(row["created_at"]) < HALF}
    before = rows | {
        "workspaces": [row for row in rows["workspaces"] if row["id"] in kept],
        "workspace_builds": [row for row in builds if row["job_id"] in jobs],
        "provisioner_jobs": [row for row in rows["provisioner_jobs"] if row["id"] in jobs],
        "workspace_resources": [row for row in rows["workspace_resources"] if row["job_id"] in jobs],
    }
    before["workspace_agents"] = [
        row
        for row in rows["workspace_agents"]
        if row["resource_id"] in {r["id"] for r in before["workspace_resources"]}
    ]
    (tmp_path / "early").mkdir()
    return write_files(before, tmp_path / "early")


def test_a_second_import_adds_what_is_new_and_renews_what_went_on(early, exports, tmp_path):
    path = tmp_path / "my.duckdb"
    brought(path, Exports(early))
    numbers = table(path, "SELECT id, created_at FROM workspaces ORDER BY id")
    found = brought(path, Exports(exports))
    once = brought(tmp_path / "once.duckdb", Exports(exports))
    assert found == once
    assert table(path, "SELECT id, created_at FROM workspaces ORDER BY id")[: len(numbers)] == numbers
    for name in (
        "workspaces",
        "workspace_builds",
        "provisioner_jobs",
        "workspace_agents",
        "claims",
        "desired_instances",
    ):
        counts = [
            table(file, f"SELECT count(*), count(DISTINCT columns(*)) FROM {name}")
            for file in (path, tmp_path / "once.duckdb")
        ]
        assert counts[0] == counts[1], name
    assert brought(path, Exports(exports)) == once


def test_since_reads_only_what_happened_since_then_and_workspaces_that_reach_into_it_whole(exports, result, tmp_path):
    since = parse_instant("2026-03-05T12:00:00Z")
    found = brought(tmp_path / "my.duckdb", Exports(exports), since_at=since)
    claims = result.tables["claims"]
    late = claims["created_at"] >= since
    assert (found.start_at, found.claims, found.hits) == (since, late.sum(), claims["hit"][late].sum())
    first = table(
        tmp_path / "my.duckdb",
        "SELECT count(*) FILTER (WHERE build_number = 1), count(DISTINCT workspace_id) FROM workspace_builds",
    )
    assert first[0][0] == first[0][1]


def test_a_claim_before_since_is_none_though_its_workspace_goes_on(rows, tmp_path):
    since = parse_instant("2026-03-05T12:00:00Z")
    claimed = [row for row in rows["workspace_builds"] if row["build_number"] == 2 and row["transition"] == "start"]
    old = next(row for row in claimed if parse_instant(row["created_at"]) < since)
    stop = dict(old, id=coder_id("stops", 1), job_id=coder_id("stops", 1), build_number=3, transition="stop")
    stop["created_at"] = "2026-03-06T12:00:00Z"
    job = next(row for row in rows["provisioner_jobs"] if row["id"] == old["job_id"])
    more = rows | {
        "workspace_builds": [*rows["workspace_builds"], stop],
        "provisioner_jobs": [*rows["provisioner_jobs"], dict(job, id=stop["job_id"], created_at=stop["created_at"])],
    }
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one = brought(tmp_path / "one.duckdb", Exports(write_files(rows, tmp_path / "one")), since_at=since)
    other = brought(tmp_path / "other.duckdb", Exports(write_files(more, tmp_path / "other")), since_at=since)
    assert (other.claims, other.workspaces, other.builds) == (one.claims, one.workspaces + 1, one.builds + 3)


def test_since_from_postgresql_and_from_exports_read_the_same(coder, exports, tmp_path):
    since = parse_instant("2026-03-05T12:00:00Z")
    one = brought(tmp_path / "one.duckdb", Database(coder.url()), since_at=since)
    other = brought(tmp_path / "other.duckdb", Exports(exports), since_at=since)
    assert (one.workspaces, one.builds, one.claims, one.hits) == (
        other.workspaces,
        other.builds,
        other.claims,
        other.hits,
    )


@pytest.mark.parametrize("at", ["users", "workspace_builds", "writing"])
def test_who_is_interrupted_leaves_the_file_as_it_was(early, exports, tmp_path, at):
    def interrupt(table: str, share: float) -> None:
        assert 0 <= share <= 1
        if table == at:
            raise KeyboardInterrupt

    path = tmp_path / "my.duckdb"
    with pytest.raises(KeyboardInterrupt):
        brought(path, Exports(exports), reading=interrupt)
    assert not path.exists()
    first = brought(path, Exports(early))
    with pytest.raises(KeyboardInterrupt):
        brought(path, Exports(exports), reading=interrupt)
    assert table(path, "SELECT count(*) FROM claims") == [(first.claims,)]
    assert [p.name for p in tmp_path.iterdir()] == ["early", "my.duckdb"]


def test_an_import_that_fails_while_it_writes_leaves_the_file_as_it_was(early, exports, tmp_path, monkeypatch):
    path = tmp_path / "my.duckdb"
    first = brought(path, Exports(early))

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(history, "_take_desired", fail)
    for target in (path, tmp_path / "new.duckdb"):
        with pytest.raises(KeyboardInterrupt):
            brought(target, Exports(exports))
    assert table(path, "SELECT count(*) FROM claims") == [(first.claims,)]
    assert table(path, "SELECT count(*) FROM runs WHERE run_id = 'history'") == [(1,)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["early", "my.duckdb"]


def test_a_gap_behind_the_history_is_refused(early, exports, tmp_path):
    brought(tmp_path / "my.duckdb", Exports(early))
    before = (tmp_path / "my.duckdb").read_bytes()
    with pytest.raises(InputError, match=r"ends at 2026-03-0.*leave no gap"):
        brought(tmp_path / "my.duckdb", Exports(exports), since_at=parse_instant("2026-03-06T00:00:00Z"))
    assert (tmp_path / "my.duckdb").read_bytes() == before


def test_runs_of_simulations_stay_as_they_are(exports, result, tmp_path):
    path = tmp_path / "my.duckdb"
    run_id = result.save(path)
    brought(path, Exports(exports))
    assert simkit.ask(path, "hit_rate")["run_id"].unique().tolist() == ["history", run_id]
    pd.testing.assert_frame_equal(simkit.ask(path, "summary", run_id=run_id), simkit.ask(result, "summary"))


NASTY = """
INSERT INTO templates SELECT '{other}', created_at, organization_id, true, 'gone', '{other}', 0, 0, 0, 0, 0, 0, 0, 0,
    true, true, 'use ide' FROM templates;
INSERT INTO template_versions VALUES
    ('{other}', '{other}', '2026-01-02', repeat('v', 64)), ('{orphan}', NULL, '2026-01-03', 'orphan');
INSERT INTO template_version_presets VALUES
    ('{other}', '{other}', '2026-01-02', 'renamed', NULL, NULL, '', NULL, NULL);
INSERT INTO users VALUES ('{user}', '2026-01-01', 'suspended', '', 'eve');
INSERT INTO workspaces (id, created_at, owner_id, template_id, deleted, name, ttl, last_used_at) VALUES
    ('{miss}', '2026-03-04 12:00+00', '{user}', '{other}', true, repeat('n', 64), 0, '0001-01-01 00:00+00'),
    ('{hit}', '2026-03-04 11:00+00', '{user}', '{other}', false, 'x', 3600000000000, 'infinity'),
    ('{plain}', '2026-03-04 13:00+00', '{user}', '{other}', false, 'y', NULL, NULL);
INSERT INTO provisioner_jobs
    (id, created_at, updated_at, started_at, completed_at, error, initiator_id, organization_id, type, tags)
SELECT id::uuid, created_at::timestamptz, now(), started_at::timestamptz, completed_at::timestamptz, error,
    initiator_id::uuid, '{other}', 'workspace_build', '{{"owner": "{user}"}}'
FROM (VALUES
    ('{miss}', '2026-03-04 12:00+00', '2026-03-04 11:59:59.9+00', NULL, NULL, '{user}'),
    ('{hit}', '2026-03-04 11:00+00', '2026-03-04 11:00+00', '2026-03-04 11:05+00', '', '{prebuilds}'),
    ('{claim}', '2026-03-04 14:00+00', '2026-03-04 14:00+00', '2026-03-04 14:00:20+00', NULL, '{user}'),
    ('{plain}', '2026-03-04 13:00+00', NULL, NULL, NULL, '{user}')
) AS jobs (id, created_at, started_at, completed_at, error, initiator_id);
INSERT INTO workspace_builds (id, job_id, created_at, workspace_id, template_version_id, build_number, transition,
    initiator_id, reason, deadline, max_deadline, daily_cost, template_version_preset_id)
SELECT id::uuid, id::uuid, created_at::timestamptz, workspace_id::uuid, version_id::uuid, build_number, 'start',
    initiator_id::uuid, 'cli', deadline::timestamptz, max_deadline::timestamptz, 3.0, preset_id::uuid
FROM (VALUES
    ('{miss}', '2026-03-04 12:00+00', '{miss}', '{other}', 1, '{user}', '0001-01-01', '0001-01-01', '{other}'),
    ('{hit}', '2026-03-04 11:00+00', '{hit}', '{other}', 1, '{prebuilds}', NULL, '2026-03-05', '{other}'),
    ('{claim}', '2026-03-04 14:00+00', '{hit}', '{other}', 2, '{user}', '2026-03-05', '2026-03-05', '{other}'),
    ('{plain}', '2026-03-04 13:00+00', '{plain}', '{orphan}', 1, '{user}', NULL, NULL, NULL)
) AS builds (id, created_at, workspace_id, version_id, build_number, initiator_id, deadline, max_deadline, preset_id);
"""


@pytest.fixture
def nasty(coder, exports) -> Iterator[str]:
    """The name of a database with rows that Coder may well have."""
    names = ("other", "orphan", "user", "miss", "hit", "claim", "plain")
    coder.make_coder("nasty", exports)
    ids = {name: coder_id("nasty", i) for i, name in enumerate(names)} | {"prebuilds": PREBUILDS_USER_ID}
    coder.psql(NASTY.format(**ids), "nasty")
    yield "nasty"
    coder.psql("DROP DATABASE nasty", "postgres")


def test_what_coder_may_well_have_is_read_for_what_it_is(coder, nasty, result, tmp_path):
    path = tmp_path / "my.duckdb"
    found = brought(path, Database(coder.url(nasty)))
    assert (found.claims, found.without_preset) == (len(result.tables["claims"]["id"]) + 2, 1)
    mine = table(
        path,
        "SELECT c.created_at::VARCHAR, c.hit, c.ready_at::VARCHAR, u.status, p.name, p.desired_instances "
        "FROM claims AS c JOIN users AS u ON u.id = c.user_id JOIN template_version_presets AS p ON p.id = c.preset_id "
        "WHERE u.status = 'suspended' ORDER BY c.created_at",
    )
    assert mine == [
        ("2026-03-04 12:00:00+00", False, None, "suspended", "renamed", 0),
        ("2026-03-04 14:00:00+00", True, "2026-03-04 14:00:20+00", "suspended", "renamed", 0),
    ]
    assert table(path, "SELECT deleted, deprecated FROM templates WHERE name = 'gone'") == [(True, "deprecated")]
    assert table(path, "SELECT count(*) FROM template_versions WHERE length(name) = 64 OR name = 'orphan'") == [(2,)]
    assert (
        table(path, "SELECT count(*) FROM provisioner_jobs WHERE completed_at IS NULL AND started_at >= created_at")[0][
            0
        ]
        >= 1
    )
    assert table(path, "SELECT count(deadline) FROM workspace_builds") == [(1,)]
    assert table(path, "SELECT count(*) FROM workspaces WHERE last_used_at IS NOT NULL") == [(0,)]


def test_a_schema_without_newer_columns_is_read_and_an_older_one_refused(coder, exports, result, tmp_path):
    coder.make_coder("older", exports)
    newer = [(t.name, c.name) for t in TABLES for c in t.columns if c.is_newer]
    coder.psql("".join(f"ALTER TABLE {name} DROP COLUMN {column};" for name, column in newer), "older")
    brought(tmp_path / "my.duckdb", Database(coder.url("older")))
    same_history(result, tmp_path / "my.duckdb")
    coder.psql("ALTER TABLE template_version_presets DROP COLUMN scheduling_timezone", "older")
    with pytest.raises(
        InputError, match=r"older than that of Coder v2\.24.*template_version_presets\.scheduling_timezone"
    ):
        brought(tmp_path / "not.duckdb", Database(coder.url("older")))
    coder.psql("DROP DATABASE older", "postgres")


def run(*arguments: str) -> tuple[int, str]:
    """(status, everything that is said, the traceback of an exception included)"""
    done = CliRunner().invoke(main, arguments)
    raised = "" if done.exc_info is None else "".join(traceback.format_exception(*done.exc_info))
    return done.exit_code, done.output + ("" if isinstance(done.exception, SystemExit) else raised)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("postgresql://coder:{wrong}@127.0.0.1:{port}/coder", "refuses this user or password"),
        ("postgresql://nobody:{escaped}@127.0.0.1:{port}/coder", "refuses this user or password"),
        ("postgresql://coder:{escaped}@127.0.0.1:1/coder", "nobody answers there"),
        ("postgresql://coder:{escaped}@no-such-host.invalid:5432/coder", "there is no host of this name"),
        ("postgresql://coder:{escaped}@127.0.0.1:{port}/nothing", "has no such database"),
        ("postgresql://coder:{escaped}@127.0.0.1:{port}/postgres", "not Coder's database"),
        ("postgresql://coder:p%zz{wrong}@127.0.0.1:{port}/coder", "address cannot be read"),
        ("postgresql://coder:{wrong}#x@127.0.0.1:{port}/coder", "address cannot be read"),
        ("postgresql://coder:{wrong}/x@127.0.0.1:{port}/coder", "address cannot be read"),
        ("postgresql://coder:{escaped}@127.0.0.1:{port}/coder?connect_timeout=x{wrong}", "address cannot be read"),
        ("mysql://coder:{wrong}@127.0.0.1/coder", "not the address of a PostgreSQL"),
        ("postgresql://coder:{escaped}@127.0.0.1:{port}/coder?sslmode=require", "encrypted connection cannot be made"),
    ],
)
@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_what_is_wrong_is_one_sentence_without_the_password(coder, tmp_path, address, words, debug):
    secret = "hunter2"
    url = address.format(wrong=secret, escaped=coder.escaped, port=coder.port)
    status, said = run(*debug, "import", "postgres", url, "--out", str(tmp_path / "my.duckdb"))
    assert words in said.splitlines()[-1]
    assert not any(word in said for word in (secret, coder.password, coder.escaped))
    assert list(tmp_path.iterdir()) == []
    assert debug or (status, len(said.splitlines())) == (2, 1)


def test_a_user_who_may_not_read_a_table_is_told_which(coder, tmp_path):
    coder.psql(f"CREATE ROLE planner LOGIN PASSWORD '{coder.password}'; GRANT SELECT ON templates TO planner")
    with pytest.raises(InputError, match="GRANT SELECT ON template_versions"):
        brought(tmp_path / "my.duckdb", Database(coder.url(user="planner")))
    assert list(tmp_path.iterdir()) == []


def test_a_password_may_come_from_the_environment(coder, tmp_path, monkeypatch):
    url = f"postgresql://coder@127.0.0.1:{coder.port}/coder"
    monkeypatch.setenv("PGPASSWORD", coder.password)
    status, said = run("import", "postgres", url, "--out", str(tmp_path / "my.duckdb"))
    assert status == 0
    assert "the history of Coder v2.35.1" in said
    assert coder.password not in repr(Database(coder.url()))


def test_nothing_is_left_where_the_disk_is_full(exports, tmp_path):
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    arguments = ["import", "csv", str(exports), "--out", str(tmp_path / "my.duckdb")]
    # -B: Python would cut the bytecode that it writes, too, and leave it for everybody.
    done = subprocess.run(
        [sys.executable, "-B", "-m", "simkit.cli", *arguments], capture_output=True, text=True, preexec_fn=small
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no room" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_cut_off_is_told_with_its_line(folder):
    whole = (folder / "workspace_builds.csv").read_bytes()
    at = whole.index(b"\n", len(whole) // 2) + 1
    assert "cut off: its last line does not end" in told(folder, workspace_builds=whole[: at + 40])
    line = whole[:at].count(b"\n") + 1
    assert f"workspace_builds.csv:{line}: " in told(folder, workspace_builds=whole[: at + 40] + b"\n")
    assert "workspaces lacks rows" in told(folder, workspace_builds=whole, workspaces=_half(folder / "workspaces.csv"))


def _half(file: Path) -> bytes:
    lines = file.read_bytes().splitlines(keepends=True)
    return b"".join(lines[: len(lines) // 2])


def test_files_that_are_no_exports_are_all_told_at_once(folder):
    text = told(
        folder,
        users=b"nothing\n1\n",
        groups=None,
        workspaces=b"\xff\xfe\n",
        template_versions=b"",
        workspace_agents=b"id,ID\n",
    )
    assert [line.partition(".csv")[0].rpartition("/")[2] for line in text.splitlines()] == [
        *("template_versions", "users", "workspace_agents", "workspaces")
    ]


def test_a_missing_file_is_told_with_the_way_to_get_it(folder, tmp_path):
    text = told(folder, users=None, workspace_builds=None)
    assert "has no users.csv" in text
    assert "has no workspace_builds.csv" in text
    with pytest.raises(InputError, match="no such folder"):
        brought(tmp_path / "out.duckdb", Exports(tmp_path / "nowhere"))


@pytest.mark.parametrize("value", ["x", "2026-13-01", "1e400"])
def test_a_value_of_another_kind_is_told_with_its_row(folder, value):
    lines = (folder / "workspaces.csv").read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[1], value, 1)
    text = told(folder, workspaces="\n".join([*lines, ""]).encode())
    assert f'row 3: created_at "{value}" is not an instant' in text


def test_rows_that_stand_twice_and_tables_without_rows_are_refused(folder):
    lines = (folder / "users.csv").read_bytes().splitlines(keepends=True)
    assert "users has 1 row twice" in told(folder, users=b"".join([*lines, lines[-1]]))
    header = (folder / "workspace_builds.csv").read_bytes().splitlines(keepends=True)[0]
    assert "no history to import" in told(folder, users=b"".join(lines), workspace_builds=header)


@pytest.mark.parametrize(
    ("name", "column"),
    [("workspace_builds", "created_at"), ("provisioner_jobs", "initiator_id"), ("templates", "name")],
)
def test_rows_without_what_they_need_are_refused(folder, name, column):
    file = folder / f"{name}.csv"
    rows = pd.read_csv(file, dtype=str)
    rows.loc[0, column] = None
    rows.to_csv(file, index=False)
    assert f"{name} has 1 row without {column}" in told(folder)


def test_parquet_files_are_read_as_csv_files_are(folder, result, tmp_path):
    for file in folder.glob("*.csv"):
        duckdb.sql(f"COPY (FROM read_csv('{file}', header = true)) TO '{file.with_suffix('.parquet')}'")
        file.unlink()
    brought(tmp_path / "my.duckdb", Exports(folder))
    same_history(result, tmp_path / "my.duckdb")
    cut = folder / "users.parquet"
    cut.write_bytes(cut.read_bytes()[:-9])
    assert "no whole Parquet file" in told(folder)


def test_versions_are_active_from_their_first_prebuild_on(rows, tmp_path):
    """A version with other numbers, from the fifth of March on; the first one from the beginning."""
    new, at = coder_id("template_versions", 2), parse_instant("2026-03-05T00:00:00Z")
    preset = dict(rows["template_version_presets"][0], id=new, template_version_id=new, desired_instances=7)
    version = dict(rows["template_versions"][0], id=new, name="v2", created_at="2026-03-04T09:00:00Z")
    late = {
        row["workspace_id"]
        for row in rows["workspace_builds"]
        if row["build_number"] == 1 and parse_instant(row["created_at"]) >= at
    }
    builds = [
        dict(row, template_version_id=new, template_version_preset_id=new) if row["workspace_id"] in late else row
        for row in rows["workspace_builds"]
    ]
    changed = rows | {
        "workspace_builds": builds,
        "template_versions": [*rows["template_versions"], version],
        "template_version_presets": [*rows["template_version_presets"], preset],
        "templates": [dict(rows["templates"][0], active_version_id=new)],
    }
    brought(tmp_path / "my.duckdb", Exports(write_files(changed, tmp_path)))
    first = min(row["created_at"] for row in builds if row["template_version_id"] == new)
    steps = table(tmp_path / "my.duckdb", f"{WANTED} ORDER BY ALL")
    by_preset = {i: [(at, desired) for of, at, desired in steps if of == i] for i, _, _ in steps}
    start = table(tmp_path / "my.duckdb", "SELECT epoch_us(start_at) FROM runs")[0][0]
    number = table(tmp_path / "my.duckdb", "SELECT id FROM template_version_presets WHERE desired_instances = 7")[0][0]
    assert by_preset.pop(number) == [(start, 0), (parse_instant(first), 7)]
    assert [of[-1] for of in by_preset.values()] == [(parse_instant(first), 0)] * 2
    events = simkit.ask(tmp_path / "my.duckdb", "events")
    assert events["version"].tolist() == ["v1", "v2"]
    assert [at.value // 1000 for at in events["happened_at"]] == [start, parse_instant(first)]


def test_the_help_and_the_document_print_a_line_for_each_table():
    assert psql_lines() in (Path(__file__).parent.parent / "docs" / "deployment.md").read_text(encoding="utf-8")
    said = CliRunner().invoke(main, ["import", "csv", "--help"]).output
    assert psql_lines() in said
    assert [
        line.split("FROM ")[1].split(" ")[0].strip(")") for line in said.splitlines() if line.startswith("\\copy")
    ] == [table.name for table in TABLES]
    assert "username" not in said
    assert "email" not in said
