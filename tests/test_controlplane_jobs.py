"""Provisioner jobs: who gets which next, waiting without losing one, heartbeats, cancelling, and the reaper."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cmp_to_key

import pytest
from controlplane_office import NONE, T0, builds, office
from hypothesis import given, settings
from hypothesis import strategies as st

from simkit.clock import HOUR_US, MINUTE_US, NEVER, SECOND_US
from simkit.controlplane import ControlPlane, jobs
from simkit.controlplane.jobs import HUNG
from simkit.controlplane.types import PREBUILDS_USER, BuildResult
from simkit.core import policy
from simkit.core.policy import MOST_REAPED
from simkit.errors import RefusedError
from simkit.model import Preset
from simkit.store.database import Database, Transaction
from simkit.store.words import PENDING_TOO_LONG_ERROR

EAST = {"region": "east"}


@pytest.fixture
def tx() -> Iterator[Transaction]:
    with Database(":memory:", "test") as database, database.transaction() as transaction:
        yield transaction


@pytest.fixture
def plane() -> ControlPlane:
    """An office without prebuilds, and with a second daemon by hand."""
    plane = office(":memory:", NONE)
    plane.create_daemon("other")
    return plane


def daemon(organization_id: int = 1, **tags: str) -> jobs.Daemon:
    return jobs.Daemon(7, organization_id, jobs.read(jobs.written(tags)))


def queue(plane: ControlPlane, count: int) -> list[int]:
    """Jobs of cold workspaces that ada asks for."""
    first = plane.database.rows("SELECT count(*) FROM provisioner_jobs")[0][0]
    for i in range(first, first + count):
        plane.create_workspace(1, 1, f"w{i}", preset_id=1)
    return list(range(first + 1, first + count + 1))


def statuses(plane: ControlPlane, job_ids: list[int]) -> list[str]:
    rows = dict(plane.database.rows("SELECT id, job_status FROM provisioner_jobs"))
    return [rows[job_id] for job_id in job_ids]


def test_people_go_before_prebuilds_and_then_the_older_one(tx):
    prebuild = jobs.insert(tx, 1, "workspace_build", PREBUILDS_USER)
    young = jobs.insert(tx, 3, "workspace_build", 1)
    old = jobs.insert(tx, 2, "template_version_import", 2)
    taken = [jobs.acquire(tx, 5, daemon()) for _ in range(4)]
    assert taken == [old, young, prebuild, None]
    job = jobs.get(tx, old)
    assert (job.status, job.started_at, job.worker_id, job.type) == ("running", 5, 7, "template_version_import")
    assert (job.completed_at, job.canceled_at, job.error) == (NEVER, NEVER, "")


def test_jobs_of_one_instant_go_in_the_order_in_which_they_were_queued(tx):
    queued = [jobs.insert(tx, 1, "workspace_build", 1) for _ in range(3)]
    assert [jobs.acquire(tx, 1, daemon()) for _ in range(3)] == queued


def test_a_daemon_takes_jobs_of_its_organization_whose_tags_it_has(tx):
    tagged = jobs.insert(tx, 1, "workspace_build", 1, tags=EAST)
    elsewhere = jobs.insert(tx, 2, "workspace_build", 1, organization_id=2)
    plain = jobs.insert(tx, 3, "workspace_build", 1)
    assert jobs.acquire(tx, 9, daemon(region="west")) is None, "untagged jobs are for untagged daemons"
    assert jobs.acquire(tx, 9, daemon()) == plain
    assert jobs.acquire(tx, 9, daemon()) is None
    assert jobs.acquire(tx, 9, daemon(region="east", size="large")) == tagged
    assert jobs.acquire(tx, 9, daemon(organization_id=2)) == elsewhere


def test_a_daemon_may_ask_for_some_types_alone(tx):
    build = jobs.insert(tx, 1, "workspace_build", 1)
    dry_run = jobs.insert(tx, 2, "template_version_dry_run", 1)
    assert jobs.acquire(tx, 9, daemon(), ("template_version_dry_run",)) == dry_run
    assert jobs.acquire(tx, 9, daemon(), ("template_version_dry_run", "template_version_import")) is None
    assert jobs.acquire(tx, 9, daemon()) == build


@pytest.mark.parametrize(
    ("mine", "wanted", "fits"),
    [
        ({}, {}, True),
        ({"a": "1"}, {}, False),
        ({}, {"a": "1"}, False),
        ({"a": "1"}, {"a": "1"}, True),
        ({"a": "2"}, {"a": "1"}, False),
        ({"a": "1", "b": "2"}, {"a": "1"}, True),
        ({"a": "1"}, {"a": "1", "b": "2"}, False),
        ({"scope": "user", "owner": "ada"}, {"scope": "user", "owner": "ada"}, True),
        ({"a": "1"}, {"scope": "user", "a": "1"}, False),
    ],
)
def test_a_daemon_satisfies_a_job_whose_tags_are_among_its_own(mine, wanted, fits):
    assert jobs.satisfies(jobs.read(jobs.written(mine)), jobs.read(jobs.written(wanted))) is fits


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from(({}, EAST))), max_size=12))
def test_the_order_of_acquiring_is_that_of_the_policy(given):
    with Database(":memory:", "test") as database, database.transaction() as tx:
        queued = [
            (jobs.insert(tx, at, "workspace_build", int(human), tags=tags), human, at, tags)
            for at, human, tags in given
        ]
        taken = list(iter(lambda: jobs.acquire(tx, 9, daemon(**EAST)), None))

    def compare(a, b):
        return int(policy.goes_first(b[1], b[2], a[1], a[2])) - int(policy.goes_first(a[1], a[2], b[1], b[2]))

    assert taken == [job[0] for job in sorted(queued, key=cmp_to_key(compare)) if job[3]]


# Waiting


def test_who_waits_gets_the_job_in_the_moment_in_which_there_is_one(plane):
    wait = plane.wait_for_job(1)
    assert (wait.job_id, wait.is_over) == (None, False)
    (job_id,) = queue(plane, 1)
    assert (wait.job_id, wait.is_over) == (job_id, True)
    assert statuses(plane, [job_id]) == ["running"]


def test_who_waits_for_a_job_that_is_there_does_not_wait(plane):
    (job_id,) = queue(plane, 1)
    assert plane.wait_for_job(1).job_id == job_id


def test_those_who_wait_are_served_in_turn_and_each_job_once(plane):
    waits = [plane.wait_for_job(1), plane.wait_for_job(2), plane.wait_for_job(1)]
    assert [wait.job_id for wait in waits] == [None] * 3
    queued = queue(plane, 2)
    assert [wait.job_id for wait in waits] == [*queued, None]


def test_a_cancelled_wait_is_a_clean_result_and_loses_no_job(plane):
    first = plane.wait_for_job(1)
    assert plane.cancel_wait(first) is None
    assert plane.cancel_wait(first) is None, "also the second time"
    (job_id,) = queue(plane, 1)
    assert first.job_id is None
    assert statuses(plane, [job_id]) == ["pending"], "nobody took it for a daemon that is gone"
    second = plane.wait_for_job(2)
    assert second.job_id == job_id
    assert plane.cancel_wait(second) == job_id, "what it got before that it still has"
    assert plane.heartbeat(job_id, 2) is False
    assert plane.complete_job(job_id, BuildResult(), 2) == ""


def test_a_wait_for_another_type_takes_nothing(plane):
    wait = plane.wait_for_job(1, ("template_version_import",))
    queue(plane, 1)
    assert wait.job_id is None
    _, job_id = plane.create_version(1, "v2", 2)
    assert wait.job_id == job_id


def test_a_daemon_that_is_unknown_waits_for_nothing_and_is_in_nobodys_way(plane):
    with pytest.raises(RefusedError, match="there is no provisioner daemon 99"):
        plane.wait_for_job(99)
    assert queue(plane, 1) == [2]


@settings(max_examples=8)
@given(st.lists(st.sampled_from(("wait", "cancel", "queue", "finish")), max_size=25))
def test_whoever_waits_and_goes_every_job_is_somebodys_or_pending(operations):
    plane = office(":memory:", NONE)
    waits, queued, finished = [], [], set()
    for what in operations:
        if what == "wait":
            waits.append(plane.wait_for_job(1))
        elif what == "cancel" and waits:
            plane.cancel_wait(waits[-1])
        elif what == "queue":
            queued += queue(plane, 1)
        elif what == "finish":
            for wait in waits:
                if wait.job_id is not None and wait.job_id not in finished:
                    assert plane.complete_job(wait.job_id, BuildResult(), 1) == ""
                    finished.add(wait.job_id)
    got = [wait.job_id for wait in waits if wait.job_id is not None]
    assert len(set(got)) == len(got), "no job is given twice"
    pending = [job for job in queued if statuses(plane, [job]) == ["pending"]]
    assert sorted([*got, *pending]) == queued
    assert not pending or all(wait.is_over for wait in waits), "nobody waits while there is a job"
    plane.database.close()


# Working


def test_a_heartbeat_says_whether_somebody_has_cancelled_the_job(plane):
    (job_id,) = queue(plane, 1)
    plane.acquire(1)
    plane.advance(minutes=4)
    assert plane.heartbeat(job_id, 1) is False
    plane.advance(minutes=4)
    assert statuses(plane, [job_id]) == ["running"], "heard of 4 minutes ago"
    assert plane.cancel_job(job_id) == "canceling"
    assert plane.heartbeat(job_id, 1) is True
    seen = plane.database.rows("SELECT epoch_us(last_seen_at) FROM provisioner_daemons WHERE id = 1")
    assert seen == [(plane.now_at,)]
    with pytest.raises(RefusedError, match="is being cancelled already; wait for its daemon"):
        plane.cancel_job(job_id)


def test_a_pending_job_is_cancelled_at_once_and_nobody_gets_it(plane):
    (job_id,) = queue(plane, 1)
    assert plane.cancel_job(job_id) == "canceled"
    assert plane.acquire(1) is None
    with pytest.raises(RefusedError, match="is done already: it has canceled; there is nothing to cancel"):
        plane.cancel_job(job_id)


def test_a_simulated_daemon_ends_a_cancelled_job_as_that_and_takes_the_next(plane):
    plane.run_daemons(1, builds(3 * MINUTE_US))
    first, second = queue(plane, 2)
    plane.advance(minutes=1)
    assert plane.cancel_job(first) == "canceling"
    plane.advance(minutes=10)
    assert statuses(plane, [first, second]) == ["canceled", "succeeded"]
    assert plane.database.rows("SELECT count(*) FROM workspace_agents") == [(1,)], "of the second alone"


def test_a_job_that_somebody_else_ends_is_not_ended_again_by_its_simulated_daemon(plane):
    plane.run_daemons(1, builds(3 * MINUTE_US))
    first, second = queue(plane, 2)
    plane.advance(minutes=1)
    assert plane.complete_job(first, BuildResult()) == ""
    plane.advance(minutes=10)
    ended = plane.database.rows("SELECT epoch_us(completed_at) FROM provisioner_jobs WHERE id = $id", id=first)
    assert ended == [(T0 + MINUTE_US,)]
    assert plane.database.rows("SELECT count(*) FROM workspace_agents") == [(2,)], "one each"
    assert statuses(plane, [second]) == ["succeeded"]


def test_a_failed_job_says_of_what(plane):
    (job_id,) = queue(plane, 1)
    plane.acquire(1)
    plane.fail_job(job_id, "no disk left", 1)
    with plane.transaction() as tx:
        job = jobs.get(tx, job_id)
    assert (job.status, job.error, job.completed_at) == ("failed", "no disk left", T0)


# The reaper


@pytest.mark.parametrize(("silent_us", "status"), [(5 * MINUTE_US, "running"), (5 * MINUTE_US + SECOND_US, "failed")])
def test_a_job_of_which_nothing_was_heard_for_five_minutes_is_hung(plane, silent_us, status):
    plane.advance_to(plane.now_at + 6 * MINUTE_US - silent_us)
    (job_id,) = queue(plane, 1)
    plane.acquire(1)
    plane.advance_to(plane.now_at + silent_us)
    assert plane.now_at % MINUTE_US == 0, "the reaper looks now"
    assert statuses(plane, [job_id]) == [status]
    if status == "failed":
        assert plane.database.rows("SELECT error FROM provisioner_jobs WHERE id = $id", id=job_id) == [(HUNG,)]
        assert HUNG in plane.log(job_id)
        with pytest.raises(RefusedError, match="is done already: it has failed"):
            plane.heartbeat(job_id, 1)


def test_a_job_that_waits_for_thirty_minutes_is_given_up(plane):
    (job_id,) = queue(plane, 1)
    plane.advance(minutes=30)
    assert statuses(plane, [job_id]) == ["pending"]
    plane.advance(minutes=1)
    assert statuses(plane, [job_id]) == ["failed"]
    assert PENDING_TOO_LONG_ERROR in plane.log(job_id)
    assert plane.acquire(1) is None


def test_a_run_of_the_reaper_ends_ten_jobs_that_the_lot_falls_on(plane):
    queued = queue(plane, 25)
    for minutes, ended in ((30, 0), (1, MOST_REAPED), (1, 20), (1, 25), (1, 25)):
        plane.advance(minutes=minutes)
        told = statuses(plane, queued)
        assert told.count("failed") == ended
        assert told.count("pending") == 25 - ended
        if ended == MOST_REAPED:
            assert told != ["failed"] * ended + ["pending"] * (25 - ended), "not simply the oldest"
    reaped = plane.database.rows(
        "SELECT DISTINCT epoch_us(started_at) = epoch_us(completed_at) FROM provisioner_jobs "
        "WHERE job_status = 'failed'"
    )
    assert reaped == [(True,)], "a pending one was started in its last instant"


def test_a_job_is_pending_since_it_was_last_heard_of(plane):
    (job_id,) = queue(plane, 1)
    plane.advance(minutes=20)
    with plane.transaction() as tx:
        tx.update("provisioner_jobs", job_id, updated_at=plane.now_at)
    plane.advance(minutes=30)
    assert statuses(plane, [job_id]) == ["pending"]
    plane.advance(minutes=1)
    assert statuses(plane, [job_id]) == ["failed"]


def test_the_reaper_wakes_for_the_jobs_of_the_reconciler():
    plane = office(":memory:", Preset("eu", 3))
    plane.advance(minutes=29)
    assert plane.database.rows("SELECT count(*) FROM provisioner_jobs WHERE job_status = 'pending'") == [(3,)]
    plane.advance(minutes=10)
    ended = plane.database.rows("SELECT error, epoch_us(completed_at) FROM provisioner_jobs WHERE error <> ''")
    assert ended[:3] == [(PENDING_TOO_LONG_ERROR, T0 + 31 * MINUTE_US)] * 3


def test_simulated_daemons_are_heard_of_all_the_time(plane):
    plane.run_daemons(1, builds(HOUR_US))
    (job_id,) = queue(plane, 1)
    plane.advance(minutes=59)
    assert statuses(plane, [job_id]) == ["running"]
    plane.advance(minutes=2)
    assert statuses(plane, [job_id]) == ["succeeded"]


def test_a_control_plane_without_a_reaper_waits_for_ever():
    plane = office(":memory:", NONE, has_reaper=False)
    queued = queue(plane, 2)
    plane.acquire(1)
    plane.advance(days=2)
    assert statuses(plane, queued) == ["running", "pending"]
