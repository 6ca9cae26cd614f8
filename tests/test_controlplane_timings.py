"""Timings without a start or an end are neither stored nor shown, and somebody says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simkit.clock import NEVER
from simkit.controlplane import jobs, timings
from simkit.controlplane.timings import GO_ZERO_AT
from simkit.controlplane.types import Timing
from simkit.errors import RefusedError
from simkit.store.database import Database

UNSET = (None, 0, GO_ZERO_AT, NEVER)


@pytest.fixture(scope="module")
def database():
    with Database(":memory:", "test") as db:
        yield db


@pytest.fixture
def db(database):
    with database.transaction() as tx:
        tx.execute("DELETE FROM provisioner_job_timings")
        tx.execute("DELETE FROM provisioner_jobs")
        tx.insert("provisioner_jobs", id=1, created_at=1, initiator_id=0)
        tx.insert("provisioner_jobs", id=2, created_at=1, initiator_id=0)
    return database


def stored(db):
    return db.rows(
        "SELECT job_id, epoch_us(started_at), epoch_us(ended_at), stage, source, action, resource "
        "FROM provisioner_job_timings ORDER BY ALL"
    )


def test_a_timing_is_stored_and_read_as_it_was_reported(db):
    timing = Timing(1_000_001, 2_000_002, "apply", "docker", "create", "docker_container.workspace")
    with db.transaction() as tx:
        assert timings.insert(tx, 1, [timing]) == ()
    assert stored(db) == [(1, 1_000_001, 2_000_002, "apply", "docker", "create", "docker_container.workspace")]
    assert timings.read(db, 1) == ((timing,), ())
    assert timings.read(db, 2) == ((), ()), "another job's"


@pytest.mark.parametrize("unset", UNSET)
@pytest.mark.parametrize(
    ("starts", "ends", "said"), [(0, 1, "no start"), (1, 0, "no end"), (0, 0, "no start and no end")]
)
def test_a_missing_or_zero_instant_skips_the_timing_with_a_warning(db, unset, starts, ends, said):
    bad = Timing(5 if starts else unset, 9 if ends else unset, "plan", resource="null_resource.a")
    good = Timing(6, 8, "plan")
    with db.transaction() as tx:
        warnings = timings.insert(tx, 1, [bad, good])
    assert warnings == (f'job 1: the timing "coder create null_resource.a" of plan has {said}, skipped',)
    assert timings.read(db, 1) == ((good,), ())


def test_an_empty_timing_and_one_of_an_unknown_stage_are_skipped_with_a_warning(db):
    with db.transaction() as tx:
        warnings = timings.insert(tx, 1, [None, Timing(1, 2, "destroy")])  # type: ignore[arg-type]
    assert warnings[0] == "job 1: an empty timing, skipped"
    assert warnings[1].endswith("of destroy is of no stage that Coder knows (init, plan, graph, apply), skipped")
    assert stored(db) == []


@pytest.mark.parametrize("zero", [0, GO_ZERO_AT])
@pytest.mark.parametrize("column", ["started_at", "ended_at"])
def test_a_zero_row_from_elsewhere_is_skipped_with_a_warning_when_it_is_read(db, zero, column):
    row = {"started_at": 5, "ended_at": 7, column: zero}
    with db.transaction() as tx:
        tx.insert("provisioner_job_timings", job_id=1, stage="init", source="coder", action="a", resource="r", **row)
        timings.insert(tx, 1, [Timing(6, 8, "init")])
    found, warnings = timings.read(db, 1)
    assert found == (Timing(6, 8, "init"),)
    missing = "start" if column == "started_at" else "end"
    assert warnings == (f'job 1: the timing "coder a r" of init has no {missing}, skipped',)
    assert len(stored(db)) == 2, "reading changes nothing"


def test_an_end_before_its_start_is_kept_as_coder_keeps_it(db):
    timing = Timing(9, 5, "graph")
    with db.transaction() as tx:
        assert timings.insert(tx, 1, [timing]) == ()
    assert timings.read(db, 1) == ((timing,), ())


@given(
    st.lists(
        st.builds(
            Timing,
            st.sampled_from(UNSET) | st.integers(-(10**15), 10**15),
            st.sampled_from(UNSET) | st.integers(-(10**15), 10**15),
            st.sampled_from(timings.STAGES),
        ),
        max_size=6,
    )
)
def test_every_timing_is_either_read_again_or_warned_of(database, given):
    with database.transaction() as tx:
        tx.execute("DELETE FROM provisioner_job_timings")
        tx.execute("DELETE FROM provisioner_jobs")
        job_id = jobs.insert(tx, 1, "workspace_build", initiator_id=0)
        warnings = timings.insert(tx, job_id, given)
    found, on_read = timings.read(database, job_id)
    good = [t for t in given if t.started_at not in UNSET and t.ended_at not in UNSET]
    assert sorted(found, key=repr) == sorted(good, key=repr)
    assert list(found) == sorted(found, key=lambda t: (t.started_at, t.ended_at, t.stage))
    assert (len(found) + len(warnings), on_read) == (len(given), ())


def test_a_job_that_is_not_there_is_refused(db):
    with pytest.raises(RefusedError, match="there is no job 3"), db.transaction() as tx:
        timings.insert(tx, 3, [])
    with pytest.raises(RefusedError, match="there is no job 3"):
        timings.read(db, 3)
