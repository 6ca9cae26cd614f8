"""The runs file: whole runs or none, Coder's constraints, and questions with one answer."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from scenarios import inhabited, inhabited_fortnight
from weekend import END_AT, START_AT, scenario, short_runs

import simkit
from simkit.clock import HOUR_US, MINUTE_US, NEVER, SECOND_US, parse_instant
from simkit.model import (
    Activate,
    History,
    Invalidate,
    Preset,
    Scenario,
    Schedule,
    TemplateVersion,
    Workload,
    constant,
)
from simkit.runs.result import Result
from simkit.store import ask, asking, questions, refused, save, writing
from simkit.store import connection as store_connection
from simkit.store.asking import table_of
from simkit.store.columns import rows as rows_in
from simkit.store.connection import constraints, explained, opened, schema
from simkit.store.question import find as questioned


def asked(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def result() -> Result:
    return simkit.run(scenario(), seed=7)


@pytest.fixture(scope="module")
def path(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("runs") / "runs.duckdb"
    result.save(file)
    return file


def test_every_row_of_a_run_is_in_the_file(result: Result, path: Path):
    for table, columns in result.tables.items():
        assert asked(path, f"SELECT count(*) FROM {table}") == [(len(next(iter(columns.values()))),)]
    assert asked(path, "SELECT count(*) FROM workspaces")[0][0] > 100


def test_a_run_that_is_there_already_is_left_as_it_is(result: Result, tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    first = result.save(file)
    assert result.save(file) == first
    assert asked(file, "SELECT count(*) FROM runs") == [(1,)]


def test_a_file_holds_many_runs_and_answers_for_one_of_them(tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    results = list(simkit.replicate(scenario(), 7, 3))
    assert save(file, results) == [r.run_id for r in results]
    assert len(ask(file, "runs")) == 3
    one = ask(file, "summary", run_id=results[1].run_id)
    assert set(one["run_id"]) == {results[1].run_id}
    assert one.equals(ask(results[1], "summary"))
    assert len(ask(list(results), "summary")) == 3 * len(one)


@pytest.mark.parametrize("question", sorted(questions()))
def test_a_result_and_its_file_give_one_answer(result: Result, path: Path, question: str):
    answer = ask(path, question)
    assert answer.columns[0] == "run_id"
    assert len(answer) > 0 or question in ("stops", "events", "reaped", "quota"), "nothing of it happens here"
    assert answer.equals(result.ask(question))
    assert questions()[question].split("?")[0], "a question is asked in the file's first comment"


def test_the_stored_columns_are_the_kernels_rows(result: Result, path: Path):
    stored = asked(path, "SELECT id, epoch_us(created_at), owner_id, deleted FROM workspaces ORDER BY id")
    columns = result.tables["workspaces"]
    expected = zip(*(columns[c].tolist() for c in ("id", "created_at", "owner_id", "deleted")), strict=True)
    assert stored == list(expected)


def test_null_stands_where_an_instant_never_came(path: Path):
    never = asked(path, "SELECT count(*) FROM provisioner_jobs WHERE completed_at > now() + INTERVAL 1000 YEARS")
    assert never == [(0,)]
    assert asked(path, "SELECT count(*) FROM provisioner_jobs WHERE canceled_at IS NULL")[0][0] > 0


def test_job_status_follows_from_the_columns(path: Path):
    failed = asked(path, "SELECT count(*) FROM provisioner_jobs WHERE job_status = 'failed' AND error IS NOT NULL")
    assert failed[0][0] > 0
    assert asked(path, "SELECT DISTINCT job_status FROM provisioner_jobs WHERE error IS NOT NULL") == [("failed",)]


def test_local_hours_know_of_daylight_saving(path: Path):
    skipped = asked(
        path,
        "SELECT hour(local_at) FROM local_hours WHERE timezone = 'America/New_York' AND "
        "local_at::DATE = DATE '2026-03-08' ORDER BY from_at",
    )
    assert [hour for (hour,) in skipped] == [0, 1, *range(3, 24)]


def test_a_preset_without_schedules_thinks_in_the_scenarios_zone(path: Path):
    assert asked(path, "SELECT timezone FROM presets WHERE preset = 'small'") == [("America/New_York",)]


def test_summary_adds_up(result: Result):
    summary = result.ask("summary").set_index("preset")
    fates = result.ask("fates").set_index("preset")
    assert summary["builds"].equals(fates["created"].rename("builds"))
    parts = fates[["claimed", "expired", "surplus", "stopped", "failed", "canceled", "waiting", "building"]].sum(axis=1)
    assert parts.tolist() == fates["created"].tolist()
    assert summary["hits"].tolist() == fates["claimed"].tolist()
    idle = result.ask("idle").groupby("preset", sort=False)[["idle_instance_hours", "idle_cost"]].sum()
    np.testing.assert_allclose(idle["idle_instance_hours"], summary["idle_instance_hours"])
    np.testing.assert_allclose(idle["idle_cost"], summary["idle_cost"])


def test_waits_are_nearest_rank_quantiles(result: Result):
    claims = result.tables["claims"]
    waits = np.sort((claims["ready_at"] - claims["created_at"])[claims["preset_id"] == 1])
    summary = result.ask("summary").set_index("preset").loc["large"]
    for column, share in (("wait_p50_s", 0.5), ("wait_p95_s", 0.95), ("wait_p99_s", 0.99)):
        assert summary[column] == waits[int(np.ceil(share * waits.size)) - 1] / 1e6


def test_the_pool_ends_as_the_tables_say(result: Result):
    last = result.ask("pool").groupby("preset", sort=False).last()
    fates = result.ask("fates").set_index("preset")
    summary = result.ask("summary").set_index("preset")
    assert last["running"].tolist() == fates["waiting"].tolist()
    assert last["starting"].tolist() == fates["building"].tolist()
    assert last["claimed"].tolist() == summary["hits"].tolist()
    assert (last["claimed"] + last["missed"]).tolist() == summary["claims"].tolist()


def test_each_pool_begins_with_nothing_whatever_the_pools_before_it_have_left(tmp_path: Path):
    always = (Schedule("* * * * *", 4),)
    here, there = (Preset("moves", 4, 0, zone, always) for zone in ("America/New_York", "Asia/Kolkata"))
    versions = (TemplateVersion("ide", "v1", (Preset("before", 9), here)),)
    moved = (Activate(START_AT + HOUR_US, TemplateVersion("ide", "v2", (Preset("before", 9), there))),)
    runs = [simkit.run(scenario(versions=versions, demand=(), events=moved), seed) for seed in (1, 2)]
    file = tmp_path / 'a "quoted" name.duckdb'
    save(file, runs)
    for answer in (ask(runs, "pool"), ask(file, "pool")):
        assert not any(isinstance(kind, pd.CategoricalDtype) for kind in answer.dtypes), "texts are texts"
        first = answer.groupby(["run_id", "preset"], sort=False).first()
        assert first["desired"].tolist() == [9, 4] * 2
        assert first["starting"].tolist() == [9, 4] * 2
        assert (first[["running", "eligible", "claimed", "missed"]] == 0).all(axis=None)
        last = answer.groupby(["run_id", "preset"], sort=False).last()
        assert last["desired"].tolist() == [9, 4] * 2, "both versions of a preset are one pool"
        zones = answer[answer["preset"] == "moves"].groupby("timezone")["running"].max()
        assert set(zones.index) == {"America/New_York", "Asia/Kolkata"}
        assert answer["changed_at"].groupby([answer["run_id"], answer["preset"]]).is_monotonic_increasing.all()


def test_saving_keeps_no_table_that_was_made_for_it(tmp_path: Path):
    result = simkit.run(scenario(), seed=7)
    claims = result.tables["claims"]
    result.save(tmp_path / "runs.duckdb")
    assert result.tables["claims"] is claims
    assert result.tables.passing("workspace_builds") is not result.tables.passing("workspace_builds")


def test_the_first_hour_is_the_first_in_which_people_come_in_numbers(result: Result):
    days = result.ask("first_hour").query("preset == 'large'")
    claims, claims_at = result.tables["claims"], result.tables["claims"]["created_at"]
    monday = days[days["local_date"].astype(str) == "2026-03-09"].iloc[0]
    first = int(monday["started_at"].value // 1000)
    day_at = parse_instant("2026-03-09T04:00:00Z")
    by_hour = np.bincount((claims_at[(claims["preset_id"] == 1) & (claims_at >= day_at)] - day_at) // HOUR_US)[:24]
    assert (first - day_at) // HOUR_US == np.flatnonzero(4 * by_hour >= by_hour.max())[0]
    inside = (claims_at >= first) & (claims_at < first + HOUR_US) & (claims["preset_id"] == 1)
    assert monday["claims"] == inside.sum()
    assert monday["hits"] == (inside & claims["hit"]).sum()


def test_desired_is_zero_while_the_version_is_not_active():
    small = Preset("small", 3)
    changed = scenario(
        versions=(TemplateVersion("ide", "v1", (small,)),),
        demand=(),
        events=(
            Activate(START_AT + HOUR_US, TemplateVersion("ide", "v2", (replace(small, instances=5),))),
            Invalidate(START_AT + 2 * HOUR_US),
        ),
    )
    result = simkit.run(changed)
    columns = result.tables["desired_instances"]
    steps = list(zip(*(columns[c].tolist() for c in ("preset_id", "from_at", "desired")), strict=True))
    assert steps == [(1, START_AT, 3), (1, START_AT + HOUR_US, 0), (2, START_AT, 0), (2, START_AT + HOUR_US, 5)]
    pool = result.ask("pool")
    assert pool["desired"].tolist()[-1] == 5
    assert pool[pool["changed_at"] == pool["changed_at"].iloc[0]]["desired"].tolist() == [3]
    assert result.tables["template_version_presets"]["last_invalidated_at"].tolist()[1] == START_AT + 2 * HOUR_US


def test_a_claim_that_is_not_ready_in_time_is_still_waiting():
    late = History(np.array([END_AT - MINUTE_US], dtype=np.int64), ("small",))
    slow = Workload(build=constant(10 * MINUTE_US), claim=constant(SECOND_US))
    versions = (TemplateVersion("ide", "v1", (Preset("small", 0),)),)
    summary = simkit.run(scenario(versions=versions, demand=late, workload=slow)).ask("summary")
    assert summary[["claims", "hits", "still_waiting"]].to_numpy().tolist() == [[1, 0, 1]]
    assert summary["wait_p50_s"].isna().all()


def test_a_prebuild_with_a_lifecycle_is_refused(path: Path, tmp_path: Path):
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(path.read_bytes())
    with duckdb.connect(str(copy)) as connection, pytest.raises(duckdb.ConstraintException):
        connection.execute("UPDATE workspaces SET ttl = 3600 WHERE owner_id = 0")


def test_a_deadline_after_its_max_deadline_is_refused(path: Path, tmp_path: Path):
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(path.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        connection.execute("UPDATE workspace_builds SET deadline = created_at, max_deadline = created_at WHERE id = 1")
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("UPDATE workspace_builds SET deadline = NULL WHERE id = 1")


class Broken:
    """A run whose last table DuckDB refuses."""

    def __init__(self, result: Result) -> None:
        self.run_id = result.run_id
        tables = dict(result.tables)
        tables["claims"] = dict(tables["claims"]) | {"user_id": np.zeros(len(tables["claims"]["id"]), dtype=np.int64)}
        self.tables = tables


def test_a_run_that_is_refused_leaves_nothing(result: Result, tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    with pytest.raises(simkit.StoreError, match=r"the rule \w+ of claims refuses this; it was not stored"):
        save(file, [Broken(result)])
    assert list(tmp_path.iterdir()) == []
    other = simkit.run(scenario(), seed=8)
    save(file, [other])
    with pytest.raises(simkit.StoreError, match=r"the rule \w+ of claims refuses this; it was not stored"):
        save(file, [Broken(result)])
    assert asked(file, "SELECT run_id FROM runs") == [(other.run_id,)]
    assert asked(file, "SELECT DISTINCT run_id FROM workspaces") == [(other.run_id,)]


def test_a_reference_that_leads_nowhere_is_a_broken_promise(result: Result, tmp_path: Path):
    broken = Broken(result)
    broken.tables["claims"] = dict(result.tables["claims"]) | {"workspace_id": result.tables["claims"]["id"] + 10**6}
    with pytest.raises(AssertionError, match=r"claims.workspace_id leads nowhere"):
        save(tmp_path / "runs.duckdb", [broken])


@pytest.mark.parametrize(
    ("question", "run_id", "said"),
    [
        ("hit_rates", None, '"hit_rates" is not a question; ask one of'),
        ("hit_rate", "no-such", 'there is no run "no-such"; it holds weekend-s7'),
    ],
)
def test_a_question_nobody_can_answer_is_refused(path: Path, question: str, run_id: str | None, said: str):
    with pytest.raises(simkit.StoreError, match=said):
        ask(path, question, run_id=run_id)


def test_files_that_hold_no_runs_are_told(tmp_path: Path):
    with pytest.raises(simkit.StoreError, match="there is no such runs file"):
        ask(tmp_path / "absent.duckdb", "runs")
    text = tmp_path / "text.duckdb"
    text.write_text("not a database, but long enough to be taken for one" * 100)
    with pytest.raises(simkit.StoreError, match="not a DuckDB file"):
        ask(text, "runs")
    other = tmp_path / "other.duckdb"
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE mine (x INTEGER)")
    with pytest.raises(simkit.StoreError, match="holds no simkit runs"):
        ask(other, "runs")
    with pytest.raises(simkit.StoreError, match="holds no simkit runs"):
        save(other, [])
    assert asked(other, "SELECT count(*) FROM information_schema.tables") == [(1,)]


def test_tables_of_another_version_are_told(path: Path, tmp_path: Path):
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(path.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(simkit.StoreError, match="version 99"):
        ask(copy, "runs")


@pytest.mark.parametrize(
    ("error", "said", "status"),
    [
        (duckdb.IOException('IO Error: Cannot open file "a": Permission denied'), "you may not open it so", 2),
        (duckdb.IOException('IO Error: Could not write file "a": No space left on device'), "has no room", 1),
        (duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block"), "has no room", 1),
        (duckdb.IOException("IO Error: Could not read enough bytes from file"), "this DuckDB file is damaged", 2),
        (duckdb.IOException("IO Error: Trying to read a database file with version number 99"), "another version", 2),
        (duckdb.IOException("IO Error: Could not read from file: Input/output error"), "the disk it is on fails", 1),
        (duckdb.CatalogException("Catalog Error: Table with name x"), "it lacks a table or a column", 2),
        (duckdb.ConstraintException("Constraint Error: NOT NULL"), "a rule of its tables refuses a row", 1),
        (duckdb.InternalException("INTERNAL Error: 0x7f"), "DuckDB cannot work with it", 1),
    ],
)
def test_what_duckdb_says_is_told_in_words_for_people(error: duckdb.Error, said: str, status: int):
    told = explained("runs.duckdb", error)
    assert said in str(told)
    assert told.status == status
    assert not set(str(error).split(": ")) & set(str(told).split(": "))


def test_a_damaged_file_is_told_as_one(path: Path, tmp_path: Path):
    whole = path.read_bytes()
    # All but the headers: what lies where is another for each version of DuckDB.
    scratched = whole[:12288] + b"x" * (len(whole) - 12288)
    for name, data in {"short": whole[:9000], "scratched": scratched}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(simkit.StoreError, match=f"{name}: this DuckDB file is damaged"):
            ask(tmp_path / name, "summary")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (":memory:", "names a database that is no file"),
        ("md:runs", "names a database that is no file"),
        ("https://example.org/runs.duckdb", "names a database that is no file"),
        ("", "this is a directory"),
        ("directory", "this is a directory"),
        ("pipe", "this is no ordinary file"),
        ("sqlite", "this is not a DuckDB file"),
        ("text/runs.duckdb", "text/runs.duckdb: Not a directory"),
        ("loop", "loop: Too many levels of symbolic links"),
        ("absent/runs.duckdb", "there is no directory .*absent; make it first"),
        ("orphaned", "there is no such file, but orphaned.wal"),
    ],
)
def test_what_is_no_runs_file_is_refused_before_anything_is_run(
    path: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("directory").mkdir()
    os.mkfifo("pipe")
    with closing(sqlite3.connect("sqlite")) as other:
        other.execute("CREATE TABLE mine (x INTEGER)")
    Path("text").write_text("")
    Path("loop").symlink_to("loop")
    Path("orphaned.wal").write_text("what was said last")
    before = {file: file.is_file() and file.read_bytes() for file in tmp_path.iterdir()}

    def runs() -> Iterator[Result]:
        pytest.fail("a run was asked for")
        yield

    with pytest.raises(simkit.StoreError, match=said):
        save(path, runs())
    assert {file: file.is_file() and file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_file_may_be_called_like_a_database_of_another_kind(result: Result, tmp_path: Path):
    save(tmp_path / "md:runs", [result])
    assert len(ask(tmp_path / "md:runs", "runs")) == 1


def test_a_link_is_followed_and_stays(result: Result, tmp_path: Path):
    (tmp_path / "far").mkdir()
    file, link = tmp_path / "far" / "runs.duckdb", tmp_path / "link.duckdb"
    link.symlink_to(file)
    with pytest.raises(simkit.StoreError, match=r"the rule \w+ of claims refuses this; it was not stored"):
        save(link, [Broken(result)])
    assert link.readlink() == file
    assert list(file.parent.iterdir()) == []
    save(link, [result])
    assert link.readlink() == file
    with opened(link) as connection:
        connection.execute("CREATE TEMP TABLE t AS SELECT 1; CREATE TABLE mine AS SELECT 1")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["far", "link.duckdb"], "the journal is beside the file"
    assert len(ask(file, "runs")) == 1


def test_no_extension_is_fetched_or_loaded(path: Path):
    settings = "SELECT current_setting('autoinstall_known_extensions'), current_setting('autoload_known_extensions')"
    for database in (":memory:", path):
        with opened(database) as connection:
            assert connection.execute(settings).fetchall() == [(False, False)]
            with pytest.raises(duckdb.Error):
                connection.execute("LOAD sqlite")


def test_a_file_that_this_process_has_open_is_asked_through_what_is_open(path: Path):
    with duckdb.connect(str(path), read_only=True):
        assert len(ask(path, "runs")) == 1
    with duckdb.connect(str(path)), pytest.raises(simkit.StoreError, match="this process has it open already"):
        ask(path, "runs")


def test_a_csv_file_is_said_to_be_no_runs_file(tmp_path: Path):
    """DuckDB opens it as a table in memory."""
    (tmp_path / "claims.csv").write_text("started_at,person\n2026-03-02T09:00:00-05:00,1\n")
    with pytest.raises(simkit.StoreError, match="not a DuckDB file"):
        ask(tmp_path / "claims.csv", "runs")


def test_only_a_lock_is_told_as_one(tmp_path: Path):
    (tmp_path / "blocks").mkdir()
    file = tmp_path / "blocks" / "locked.duckdb"
    file.write_text("not a database, but long enough to be taken for one" * 100)
    with pytest.raises(simkit.StoreError, match="not a DuckDB file"):
        ask(file, "runs")


HOLDER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process has the file open to write."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_a_file_that_another_process_writes_is_told(result: Result, path: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(store_connection, "_PATIENCE_S", 0)
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(path.read_bytes())
    with held(copy):
        with pytest.raises(simkit.StoreError, match="another process has it open") as caught:
            ask(copy, "runs")
        assert caught.value.status == 1, "nothing that was given is wrong"
        with pytest.raises(simkit.StoreError, match="another process has it open"):
            save(copy, [result])


def test_who_writes_waits_for_somebody_who_has_the_file_open_for_a_moment(
    result: Result, path: Path, tmp_path: Path, monkeypatch
):
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(path.read_bytes())
    with held(copy) as holder:
        monkeypatch.setattr(store_connection.time, "sleep", lambda seconds: (holder.kill(), holder.wait()))
        assert save(copy, [result]) == [result.run_id]


def test_a_question_that_needs_more_memory_than_is_meant_gets_it(result: Result, path: Path, monkeypatch):
    expected = ask(path, "pool")
    monkeypatch.setitem(store_connection._CONFIGURATION, "memory_limit", "8MB")
    monkeypatch.setattr(asking, "MOST_MEMORY", 8_000_000)
    with pytest.raises(simkit.StoreError, match="no room for this"):
        ask(path, "pool")
    monkeypatch.setattr(asking, "MOST_MEMORY", 1_000_000_000)
    pd.testing.assert_frame_equal(ask(path, "pool"), expected)


@pytest.mark.parametrize("still_writing", [True, False])
def test_a_file_that_another_process_makes_meanwhile_is_its_own(
    still_writing: bool, result: Result, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store_connection, "_PATIENCE_S", 0)
    file, mine = tmp_path / "runs.duckdb", simkit.run(scenario(), seed=8)
    connect, others = duckdb.connect, ExitStack()

    def late(*given: Any, **named: Any) -> duckdb.DuckDBPyConnection:
        if not file.exists():
            shutil.copy(path, file)
            if still_writing:
                others.enter_context(held(file))
        return connect(*given, **named)

    with others:
        monkeypatch.setattr(duckdb, "connect", late)
        if still_writing:
            with pytest.raises(simkit.StoreError, match="another process has it open"):
                save(file, [mine])
        else:
            save(file, [mine])
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [file]
    assert ask(file, "runs")["run_id"].tolist() == [result.run_id] + [mine.run_id] * (not still_writing)


def test_where_a_file_has_one_name_only_it_is_written_in_place(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    file = tmp_path / "runs.duckdb"
    assert save(file, [result]) == [result.run_id]
    assert list(tmp_path.iterdir()) == [file]
    assert ask(file, "summary").equals(result.ask("summary"))


def test_drafts_of_killed_processes_are_removed_and_no_others(result: Result, path: Path, tmp_path: Path):
    token = "0123456789abcdef"
    killed, named, early, written = (tmp_path / f".simkit-{of}-{token}.duckdb" for of in (1, 2, 3, 4))
    shutil.copy(path, killed)
    killed.with_name(f"{killed.name}.wal").write_text("cut short")
    killed.with_name(f"{killed.name}.tmp").mkdir()
    shutil.copy(path, tmp_path / "another.duckdb")
    os.link(tmp_path / "another.duckdb", named)
    early.write_bytes(b"")
    shutil.copy(path, written)
    kept = {written, tmp_path / ".simkit-notes.duckdb", tmp_path / "another.duckdb", tmp_path / "runs.duckdb"}
    (tmp_path / ".simkit-notes.duckdb").write_text("")
    with held(written):
        save(tmp_path / "runs.duckdb", [result])
    assert set(tmp_path.iterdir()) == kept
    assert (tmp_path / "another.duckdb").read_bytes() == path.read_bytes()


WRITERS = """
# For each line of input a child saves the runs and is killed: before so many insertions of tables, or when a file of
# its has so many bytes (0: not at all). Answers with the signal that ended it.
import os, resource, signal, sys
sys.path.insert(0, "tests")
import simkit
from simkit.store import writing
from weekend import short_runs

runs = short_runs()
writing._ROWS_AT_ONCE = 1  # each run in a transaction of its own
insert = writing.insert_columns
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

def counted(*given):
    global left
    left -= 1
    if left == -1:
        os.kill(os.getpid(), signal.SIGKILL)
    insert(*given)

for line in sys.stdin:
    file, insertions, length = line.split()
    child = os.fork()
    if child == 0:
        left = int(insertions)
        if left:
            writing.insert_columns = counted
        if int(length):
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(length), int(length)))
        try:
            simkit.save(file, runs)
        finally:
            os._exit(0)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


class Killed:
    """Files that writers wrote to until they were killed."""

    def __init__(self, writers: subprocess.Popen[str], folder: Path) -> None:
        self.writers, self.folder, self.results = writers, folder, short_runs()
        self.rows = {
            r.run_id: [len(next(iter(columns.values()))) for columns in r.tables.values()] for r in self.results
        }
        self.tables = list(self.results[0].tables)

    def found(self, file: Path) -> list[str]:
        """The runs in a file, each of which is whole."""
        if not file.exists():
            return []
        counts = ", ".join(f"(SELECT count(*) FROM {table} WHERE run_id = r.run_id)" for table in self.tables)
        totals = ", ".join(f"(SELECT count(*) FROM {table})" for table in self.tables)
        in_runs = asked(file, f"SELECT run_id, {counts} FROM runs AS r ORDER BY replication")
        assert [list(of) for _, *of in in_runs] == [self.rows[run_id] for run_id, *_ in in_runs]
        assert asked(file, f"SELECT {totals}") == [
            tuple(sum(self.rows[r][i] for r, *_ in in_runs) for i in range(len(self.tables)))
        ]
        return [run_id for run_id, *_ in in_runs]

    def at(self, insertions: int, length: int, begun_with: Path | None = None) -> tuple[int, int]:
        """How many runs a writer left that was killed there, and how long their journal was."""
        assert self.writers.stdin is not None
        assert self.writers.stdout is not None
        file = self.folder / f"{insertions}-{length}-{begun_with is not None}" / "runs.duckdb"
        file.parent.mkdir()
        if begun_with is not None:
            shutil.copy(begun_with, file)
        print(file, insertions, length, file=self.writers.stdin, flush=True)
        assert int(self.writers.stdout.readline()) == (signal.SIGXFSZ if length else signal.SIGKILL)
        journal = file.with_name("runs.duckdb.wal")
        journal_length = journal.stat().st_size if journal.exists() else 0
        left = self.found(file)
        assert left == list(self.rows)[: len(left)]
        assert save(file, self.results) == self.found(file) == list(self.rows)
        assert list(file.parent.iterdir()) == [file], "the next writer clears up"
        return len(left), journal_length


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Killed]:
    top = Path(__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-B", "-c", WRITERS], cwd=top, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writers:
        yield Killed(writers, tmp_path)


def test_a_killed_process_leaves_whole_runs_only(killed: Killed):
    n = len(killed.tables)
    for insertions in (1, n - 1, n, n + 3):
        assert killed.at(insertions, 0)[0] == insertions // n, f"killed before insertion {insertions}"


@pytest.mark.slow
def test_a_process_that_is_killed_amid_a_file_leaves_whole_runs_only(killed: Killed, tmp_path: Path):
    left, journal_length = killed.at(3 * len(killed.tables) - 1, 0)
    assert left == 2
    begun = tmp_path / "begun.duckdb"
    save(begun, killed.results[:1])
    for length in (1, 12_288, begun.stat().st_size // 2, begun.stat().st_size - 1):
        assert killed.at(0, length)[0] == 0, f"killed at {length} bytes of its first run"
    # The journal was that of one run: killed while a second and a third are written.
    lefts = [killed.at(0, journal_length * tenths // 10, begun)[0] for tenths in (1, 9, 13, 18)]
    assert lefts == sorted(lefts)
    assert len(set(lefts)) > 1, f"killed at too few places of its journal: {lefts}"


def test_several_runs_are_loaded_together_each_table_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    results, inserted = short_runs(), list[str]()
    insert = writing.insert_columns
    monkeypatch.setattr(
        writing, "insert_columns", lambda c, table, rows: (inserted.append(table), insert(c, table, rows))
    )
    told: list[tuple[int, int]] = []
    assert save(tmp_path / "runs.duckdb", results, lambda *of: told.append(of)) == [r.run_id for r in results]
    assert inserted == list(results[0].tables)
    rows = sum(rows_in(result.tables) for result in results)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (rows, rows), "how long the rest will take is told by rows"
    assert {of for _, of in told} == {rows}
    save(tmp_path / "runs.duckdb", results, lambda *of: told.append(of))
    assert told[-1] == (rows, rows), "what is there already is done"
    assert ask(tmp_path / "runs.duckdb", "summary").equals(ask(results, "summary"))


def spans_of(result: Result) -> list[tuple[int, int, int]]:
    """(workspace, from, until) of every instance that ran."""
    with opened(":memory:") as connection:
        connection.execute(schema())
        writing._load(connection, [result], lambda rows: None)
        return connection.execute(
            "SELECT workspace_id, epoch_us(from_at), epoch_us(until_at) FROM instances ORDER BY workspace_id, from_at"
        ).fetchall()


@settings(max_examples=12)
@given(given=inhabited())
def test_a_stopped_workspace_uses_no_capacity(given: Scenario):
    result = simkit.run(given, 7)
    spans = spans_of(result)
    for (one, _, until_at), (other, from_at, _) in pairwise(spans):
        assert one != other or until_at <= from_at, "an instance runs once at a time"
    builds, jobs = result.tables["workspace_builds"], result.tables["provisioner_jobs"]
    for i in np.flatnonzero((builds["transition"] != "start") & (jobs["completed_at"] != NEVER)):
        later = (builds["workspace_id"] == builds["workspace_id"][i]) & (
            builds["build_number"] > builds["build_number"][i]
        )
        started = jobs["completed_at"][later & (builds["transition"] == "start")]
        stopped_at, starts_at = jobs["completed_at"][i], min([*started.tolist(), given.end_at])
        mine = [(begin, end) for workspace, begin, end in spans if workspace == builds["workspace_id"][i]]
        assert all(end <= stopped_at or begin >= starts_at for begin, end in mine)


def test_questions_about_people_add_up():
    result = simkit.run(inhabited_fortnight(), 7)
    running = result.ask("running")
    hours = running["people_instance_hours"].sum() + running["prebuild_instance_hours"].sum()
    np.testing.assert_allclose(hours, sum(until - begin for _, begin, until in spans_of(result)) / 3.6e9)
    last = result.ask("workspaces").iloc[-1]
    workspaces = result.tables["workspaces"]
    owned = workspaces["owner_id"] > 0
    assert last["deleted"] == (owned & workspaces["deleted"]).sum() > 0
    assert last[["running", "stopped", "dormant"]].sum() == (owned & ~workspaces["deleted"]).sum()
    assert last["dormant"] == (workspaces["dormant_at"][~workspaces["deleted"]] != NEVER).sum() > 0
    stops = result.ask("stops").groupby("rule")["times"].sum()
    rules, counts = np.unique(result.tables["lifecycle_decisions"]["rule"].astype(str), return_counts=True)
    assert stops.to_dict() == dict(zip(rules.tolist(), counts.tolist(), strict=True))


def by_hour(result: Result, spans: str) -> pd.DataFrame:
    """Instance-hours by preset and hour of the local week, each span paired with each of its hours.

    `spans`: SQL of run_id, preset_id, from_at, until_at.
    """
    paired = f"""
        SELECT p.preset, isodow(h.local_at) - 1 AS weekday, hour(h.local_at) AS hour,
            sum(least(epoch_us(h.until_at), epoch_us(s.until_at))
                - greatest(epoch_us(h.from_at), epoch_us(s.from_at))) AS us
        FROM ({spans}) AS s
        JOIN presets AS p USING (run_id, preset_id)
        JOIN local_hours AS h
            ON h.run_id = s.run_id AND h.timezone = p.timezone AND h.from_at < s.until_at AND h.until_at > s.from_at
        WHERE p.run_id = $run GROUP BY ALL"""
    return table_of(result, paired, result.run_id)


IDLE_SPANS = """
    SELECT b.run_id, b.preset_id, b.completed_at AS from_at, coalesce(b.claimed_at, b.deleted_at, r.end_at) AS until_at
    FROM prebuild_spans AS b JOIN runs AS r USING (run_id) WHERE b.build_status = 'succeeded'"""


@settings(max_examples=12)
@given(given=inhabited())
def test_hours_are_those_of_each_span_in_each_hour(given: Scenario):
    result = simkit.run(given, 7)
    idle, running = result.ask("idle"), result.ask("running")
    for answer, column, spans in (
        (idle, "idle_instance_hours", IDLE_SPANS),
        (running, "people_instance_hours", "FROM instances WHERE owned"),
        (running, "prebuild_instance_hours", "FROM instances WHERE NOT owned"),
    ):
        paired = by_hour(result, spans).rename(columns={"us": "paired"})
        both = answer.merge(paired, how="left", on=["preset", "weekday", "hour"])
        assert len(both) == len(answer)
        np.testing.assert_array_equal(both[column], both["paired"].fillna(0) / 3.6e9)
        assert both["paired"].sum() == paired["paired"].sum(), "every span is in some hour"


@settings(max_examples=12)
@given(given=inhabited())
def test_a_pools_row_counts_what_is_there_at_its_instant(given: Scenario):
    result = simkit.run(given, 7)
    counted = """
        SELECT p.preset, t.at,
            count(*) FILTER (WHERE b.created_at <= t.at AND coalesce(b.completed_at, 'infinity') > t.at) AS starting,
            count(*) FILTER (WHERE b.build_status = 'succeeded' AND b.completed_at <= t.at
                AND coalesce(b.claimed_at, b.delete_created_at, 'infinity') > t.at) AS running,
            count(*) FILTER (WHERE b.ready_at <= t.at
                AND coalesce(b.claimed_at, b.delete_created_at, 'infinity') > t.at) AS eligible
        FROM presets AS p
        JOIN prebuilds AS b USING (run_id, preset_id)
        JOIN (SELECT created_at AS at FROM claims UNION SELECT from_at FROM desired_instances) AS t ON true
        WHERE p.run_id = $run GROUP BY ALL"""
    counts = table_of(result, counted, result.run_id)
    both = result.ask("pool").merge(counts, left_on=["preset", "changed_at"], right_on=["preset", "at"])
    for name in ("starting", "running", "eligible"):
        np.testing.assert_array_equal(both[f"{name}_x"], both[f"{name}_y"], err_msg=name)


def test_an_answer_that_comes_in_parts_is_duckdbs_with_equal_texts_once():
    columns = """i, CASE WHEN i % 7 > 0 THEN i END AS gap, 'preset-' || i % 3 AS preset, make_timestamptz(i) AS at,
        CASE WHEN i >= 9000 THEN 'late ' || i % 2 END AS error, i % 2 = 0 AS even, i / 3 AS third,
        NULL::VARCHAR AS none, CASE WHEN i % 5 > 0 THEN 'x' END AS some"""
    for rows in (0, 1, 2_047, 20_000):
        sql = f"SELECT {columns} FROM range({rows}) AS r(i) ORDER BY i"
        with opened(":memory:") as connection, pytest.MonkeyPatch.context() as patched:
            patched.setattr(asking, "_CHUNKS", 1)
            answer, theirs = asking._frame(connection.execute(sql)), connection.execute(sql).df()
        pd.testing.assert_frame_equal(answer, theirs)
        assert len({id(text) for text in answer["preset"].to_numpy(dtype=object)}) == min(rows, 3)


def test_a_row_is_refused_by_the_rule_that_it_breaks_as_it_is_on_insert():
    rows = pd.DataFrame(
        {"deadline": [None, "2026-03-01"], "max_deadline": ["2026-03-02"] * 2, "transition": ["start"] * 2}
    )
    found = refused("workspace_builds", rows)
    assert found["constraint"].tolist() == ["workspace_builds_deadline_below_max_deadline", ""]
    with opened(":memory:") as connection:
        connection.execute(schema())
        insert = (
            "INSERT INTO workspace_builds (run_id, id, created_at, workspace_id, template_version_id, "
            "template_version_preset_id, build_number, transition, initiator_id, job_id, reason, deadline, "
            "max_deadline) "
            "VALUES ('', 1, now(), 1, 1, 1, 1, 'start', 0, 1, 'initiator', ?, TIMESTAMPTZ '2026-03-02')"
        )
        connection.execute(insert, ["2026-03-01"])
        with pytest.raises(duckdb.ConstraintException, match="max_deadline"):
            connection.execute(insert, [None])


def test_every_constraint_has_the_name_that_the_schema_gives_it():
    names = {(table, name) for table, _, name in constraints()}
    assert ("workspace_builds", "workspace_builds_deadline_below_max_deadline") in names
    assert ("workspaces", "prebuilds_have_no_lifecycle") in names
    assert ("provisioner_jobs", "max_provisioner_logs_length") in names


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_question_in_memory_is_not_waited_for_when_somebody_interrupts(number, result: Result, monkeypatch):
    """DuckDB answers it in other threads, which no signal reaches."""
    endless = (
        "SELECT run_id, sum(range) AS n FROM runs, range(1000000000000000) "
        "WHERE list_contains($runs, run_id) GROUP BY run_id"
    )
    ask(result, "runs")  # makes what all questions share
    monkeypatch.setattr(asking, "find", lambda name: replace(questioned(name), sql=endless))
    before = signal.signal(number, signal.default_int_handler)
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), number))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            ask(result, "runs")
    finally:
        timer.join()
        signal.signal(number, before)
