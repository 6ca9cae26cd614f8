"""A log holds 1 MiB, and says so when there was more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simkit.clock import parse_instant
from simkit.controlplane import logs
from simkit.controlplane.logs import (
    AGENT_NOTICE,
    JOB_NOTICE,
    MAX_LINE,
    MAX_LOG_BYTES,
    Admitted,
    AgentLine,
    JobLine,
    admit,
    admit_whole,
    agent_log,
    job_log,
    write_agent_logs,
    write_job_logs,
)
from simkit.errors import RefusedError
from simkit.store.database import Database

NOW_AT = parse_instant("2026-03-02T09:00:00Z")
KINDS = {
    "job": ("provisioner_jobs", "provisioner_job_logs", "job_id", write_job_logs, job_log, JobLine, JOB_NOTICE),
    "agent": (
        "workspace_agents",
        "workspace_agent_logs",
        "agent_id",
        write_agent_logs,
        agent_log,
        AgentLine,
        AGENT_NOTICE,
    ),
}


class Log:
    """The log of job or agent 1: `write` batches of texts, then look."""

    def __init__(self, database: Database, kind: str) -> None:
        self.owner, self.table, self.whose, self._write, self._read, self.line, self.notice = KINDS[kind]
        self.db = database
        with database.transaction() as tx:
            tx.execute(f"DELETE FROM {self.owner}")
            tx.execute(f"DELETE FROM {self.table}")
            if kind == "job":
                tx.insert("provisioner_jobs", id=1, created_at=1, initiator_id=0)
            else:
                tx.insert("workspace_agents", id=1, workspace_build_id=1)

    def write(self, *texts: str) -> int:
        with self.db.transaction() as tx:
            return self._write(tx, NOW_AT, 1, [self.line(text) for text in texts])

    @property
    def stored(self) -> list[str]:
        return [text for (text,) in self.db.rows(f"SELECT output FROM {self.table} WHERE {self.whose} = 1 ORDER BY id")]

    @property
    def levels(self) -> list[str]:
        return [level for (level,) in self.db.rows(f"SELECT level FROM {self.table} ORDER BY id")]

    @property
    def columns(self) -> tuple[int, bool]:
        return self.db.rows(f"SELECT logs_length, logs_overflowed FROM {self.owner}")[0]

    @property
    def seen(self) -> str:
        return self._read(self.db, 1)


@pytest.fixture(scope="module")
def database():
    with Database(":memory:", "test") as db:
        yield db


@pytest.fixture(params=["job", "agent"])
def log(request, database):
    return Log(database, request.param)


def full(log: Log, bytes_left: int) -> None:
    """Fill the log but for `bytes_left` and the notice."""
    count, rest = divmod(MAX_LOG_BYTES - len(log.notice) - bytes_left, MAX_LINE)
    log.write(*["x" * MAX_LINE] * count, "x" * rest)


def test_a_line_is_seen_with_its_instant_level_source_and_stage(database):
    log = Log(database, "job")
    with database.transaction() as tx:
        lines = [
            JobLine("Initializing", "debug", "Setting up", "provisioner_daemon", NOW_AT - 500_000),
            JobLine("Plan: 1 to add", stage="Planning"),
        ]
        assert write_job_logs(tx, NOW_AT, 1, lines) == 2
    assert log.seen == (
        "2026-03-02T08:59:59.500000Z [debug] [provisioner_daemon|Setting up] Initializing\n"
        "2026-03-02T09:00:00Z [info] [provisioner|Planning] Plan: 1 to add\n"
    )
    assert log.columns == (26, False)


def test_an_agents_line_is_seen_with_its_script(database):
    log = Log(database, "agent")
    with database.transaction() as tx:
        write_agent_logs(tx, NOW_AT, 1, [AgentLine("ready", source="Dotfiles")])
    assert log.seen == "2026-03-02T09:00:00Z [info] [Dotfiles] ready\n"


def test_a_line_fits_while_the_notice_still_fits_behind_it(log):
    full(log, bytes_left=10)
    assert log.write("ten bytes.") == 1
    assert log.columns == (MAX_LOG_BYTES - len(log.notice), False)
    assert log.notice not in log.seen


@pytest.fixture
def of_job(database):
    return Log(database, "job")


def test_of_an_agents_log_the_whole_batch_that_overflows_is_dropped(database):
    log = Log(database, "agent")
    full(log, bytes_left=-len(log.notice) + 10)
    before = log.stored
    assert log.write("ten bytes..", "a", "b") == 0
    assert (log.stored, log.columns) == (before, (MAX_LOG_BYTES - 10, True))
    assert log.write("later") == 0
    assert log.seen.endswith(f"[warn] {log.notice}\n"), "who reads it is told"


@pytest.mark.parametrize("more", [("ten bytes.",), ("five.", "five."), ("",)])
def test_an_agents_log_takes_a_batch_that_fills_it_to_the_last_byte(database, more):
    log = Log(database, "agent")
    full(log, bytes_left=-len(log.notice) + 10)
    assert log.write(*more) == len(more)
    assert log.columns[1] is False


def test_one_byte_more_is_replaced_by_the_notice_and_the_rest_is_dropped(of_job):
    log = of_job
    full(log, bytes_left=10)
    before = log.stored
    assert log.write("ten bytes..", "a", "b") == 1
    assert log.stored == [*before, log.notice]
    assert log.columns == (MAX_LOG_BYTES - 10, True)
    assert log.levels[-1] == "warn"
    assert log.write("later") == 0
    assert log.stored == [*before, log.notice]


def test_what_would_fit_after_the_notice_is_dropped_too(of_job):
    log = of_job
    full(log, bytes_left=900)
    assert log.write("x" * MAX_LINE) == 1
    before, columns = log.stored, log.columns
    assert log.write("short", "") == 0
    assert (log.stored, log.columns) == (before, columns)
    assert columns == (MAX_LOG_BYTES - 900, True)


def test_after_the_last_byte_there_is_exactly_the_notice_and_the_log_is_full_to_the_limit(of_job):
    log = of_job
    full(log, bytes_left=0)
    log.write("x")
    assert log.columns == (MAX_LOG_BYTES, True)
    assert log.seen.endswith(f"] {log.notice}\n")
    assert log.seen.count(log.notice) == 1


def test_bytes_are_counted_and_not_characters(of_job):
    log = of_job
    full(log, bytes_left=3)
    log.write("é")
    assert log.columns == (MAX_LOG_BYTES - len(log.notice) - 1, False)
    log.write("é")
    assert log.columns == (MAX_LOG_BYTES - 1, True)


def test_an_empty_line_is_a_line_and_no_line_is_nothing(log):
    assert log.write("") == 1
    assert log.write() == 0
    assert (log.stored, log.columns) == ([""], (0, False))


def test_a_line_is_cut_after_1024_characters_without_a_mark_as_postgresql_cuts_it(log):
    log.write("é" * MAX_LINE + "lost", "y" * MAX_LINE)
    assert log.stored == ["é" * MAX_LINE, "y" * MAX_LINE]
    assert log.columns == (3 * MAX_LINE, False)


def test_text_that_is_no_utf_8_costs_a_character_and_not_the_batch(log):
    log.write("a\ud800b", "c")
    assert log.stored == ["a?b", "c"]
    assert log.columns == (4, False)


def test_the_notice_takes_the_place_of_its_line_with_its_instant_and_stage(database):
    log = Log(database, "job")
    full(log, bytes_left=0)
    with database.transaction() as tx:
        write_job_logs(tx, NOW_AT, 1, [JobLine("Creating", "error", "Apply", created_at=NOW_AT + 1_000_000)])
    last = log.seen.splitlines()[-1]
    assert last == f"2026-03-02T09:00:01Z [warn] [provisioner|Apply] {JOB_NOTICE}"


def test_a_log_from_elsewhere_that_overflowed_without_a_notice_shows_one(log):
    log.write("a")
    with log.db.transaction() as tx:
        tx.update(log.owner, 1, logs_overflowed=True)
    assert log.seen.splitlines()[1] == f"[warn] {log.notice}"
    assert log.stored == ["a"]


def test_a_log_from_elsewhere_without_room_for_the_notice_overflows_and_shows_it_all_the_same(log):
    with log.db.transaction() as tx:
        tx.update(log.owner, 1, logs_length=MAX_LOG_BYTES - 1)
    assert log.write("x", "y") == 0
    assert log.columns == (MAX_LOG_BYTES - 1, True)
    assert log.seen == f"[warn] {log.notice}\n"


def test_a_log_is_its_owners_and_new_lines_get_new_ids(log):
    with log.db.transaction() as tx:
        given = {"created_at": 1, "initiator_id": 0} if log.owner == "provisioner_jobs" else {"workspace_build_id": 1}
        tx.insert(log.owner, id=2, **given)
        log._write(tx, NOW_AT, 2, [log.line("other")])
        log._write(tx, NOW_AT, 1, [log.line("a"), log.line("b")])
    log.write("c")
    assert log.stored == ["a", "b", "c"]
    assert log.db.rows(f"SELECT count(DISTINCT id), count(*), any_value(run_id) FROM {log.table}") == [(4, 4, "test")]


def test_a_level_that_coder_does_not_know_is_refused_by_its_rule(log):
    with pytest.raises(RefusedError, match="the rule log_level of"), log.db.transaction() as tx:
        log._write(tx, NOW_AT, 1, [log.line("a", "fatal")])
    assert (log.stored, log.columns) == ([], (0, False))


def test_a_log_of_nobody_is_refused(log):
    with pytest.raises(RefusedError, match=r"there is no (job|agent) 7"), log.db.transaction() as tx:
        log._write(tx, NOW_AT, 7, [log.line("a")])
    with pytest.raises(RefusedError, match=r"there is no (job|agent) 7"):
        log._read(log.db, 7)


@pytest.mark.parametrize("notice", [JOB_NOTICE, AGENT_NOTICE])
def test_a_notice_is_one_line_that_fits(notice):
    assert len(notice) <= MAX_LINE
    assert notice.isascii()
    assert "\n" not in notice


@settings(max_examples=300)
@given(st.lists(st.integers(0, 12), max_size=30), st.data(), st.integers(5, 60))
def test_in_whatever_batches_lines_come_a_log_keeps_the_same_ones(sizes, draw, limit):
    notice = 5
    whole = admit(sizes, 0, notice, limit)
    used, kept, notices, rest = 0, 0, 0, sizes
    while rest:
        count = draw.draw(st.integers(1, len(rest)))
        does = admit(rest[:count], used, notice, limit)
        used, kept, notices, rest = does.used, kept + does.lines, notices + does.notice, rest[count:]
        if does.overflowed:
            break
    assert (kept, used, notices) == (whole.lines, whole.used, whole.notice)


@settings(max_examples=300)
@given(st.lists(st.integers(0, 12), max_size=30), st.integers(0, 60), st.integers(5, 60))
def test_a_log_never_passes_its_limit_and_drops_nothing_without_saying_so(sizes, used, limit):
    notice = 5
    does = admit(sizes, min(used, limit), notice, limit)
    start = min(used, limit)
    assert does.used == start + sum(sizes[: does.lines]) + notice * does.notice
    assert does.used <= limit
    assert does.overflowed == (does.lines < len(sizes))
    if start + notice <= limit:
        assert does.notice == does.overflowed
    if does.overflowed:
        kept = start + sum(sizes[: does.lines])
        assert kept + sizes[does.lines] + notice > limit, "the next line would have left no room"


def test_a_batch_without_lines_changes_nothing():
    assert admit([], 7, 5, 10) == Admitted(0, 7, notice=False, overflowed=False)


TEXTS = st.text(st.sampled_from("aé€😀\n"), max_size=30)


@settings(max_examples=40)
@given(st.lists(st.lists(TEXTS, max_size=6), max_size=6), st.integers(200, 900))
def test_the_tables_hold_what_the_rule_of_agents_says(database, batches, limit):
    log = Log(database, "agent")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "admit_whole", lambda sizes, used: admit_whole(sizes, used, limit))
        written = [log.write(*batch) for batch in batches]
    kept = next((i for i in range(len(batches)) if written[i] < len(batches[i])), len(batches))
    every = [text for batch in batches[:kept] for text in batch]
    assert log.stored == every
    assert log.columns == (sum(len(text.encode()) for text in every), kept < len(batches))
    assert log.columns[0] <= limit
    assert not any(written[kept:])


@settings(max_examples=40)
@given(st.lists(st.lists(TEXTS, max_size=6), max_size=6), st.integers(200, 900))
def test_the_tables_hold_what_the_rule_of_jobs_says(database, batches, limit):
    """With a limit of a few hundred bytes: every batch in a transaction of its own."""
    log = Log(database, "job")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "admit", lambda sizes, used, notice: admit(sizes, used, notice, limit))
        written = sum(log.write(*batch) for batch in batches)
    every = [text for batch in batches for text in batch]
    stored, (length, overflowed) = log.stored, log.columns
    assert length == sum(len(text.encode()) for text in stored) <= limit
    assert written == len(stored)
    assert stored.count(log.notice) == overflowed
    assert stored == ([*every[: len(stored) - 1], log.notice] if overflowed else every)


@settings(max_examples=10)
@given(st.lists(st.integers(900, MAX_LINE), min_size=1, max_size=20), st.integers(1000, 1200), st.integers(40, 1200))
def test_a_job_that_says_too_much_stays_below_1_mib_in_the_table(database, lengths, count, batch):
    log = Log(database, "job")
    texts = ["x" * lengths[i % len(lengths)] for i in range(count)]
    for i in range(0, count, batch):
        log.write(*texts[i : i + batch])
    stored, (length, overflowed) = log.stored, log.columns
    assert length == sum(map(len, stored)) <= MAX_LOG_BYTES
    assert overflowed == (sum(map(len, texts)) + len(JOB_NOTICE) > MAX_LOG_BYTES)
    assert stored.count(JOB_NOTICE) == overflowed
    assert stored[: len(stored) - overflowed] == texts[: len(stored) - overflowed]
