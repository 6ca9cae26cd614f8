"""The queue of jobs and the daemons that take them: people first, one job at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from scenarios import MONDAY_AT, scenario, scenarios

from simkit.clock import MINUTE_US, NEVER, SECOND_US
from simkit.core.facts import (
    B_COMPLETED,
    B_CREATED,
    B_ENDED,
    B_HUMAN,
    B_STARTED,
    B_STATUS,
    BY_REAPER,
)
from simkit.core.numbers import CANCELED, PENDING, RUNNING
from simkit.model import Preset, Workload, constant
from simkit.runs.simulate import run


def columns(table: np.ndarray, *which: int) -> list[tuple[int, ...]]:
    return [tuple(row) for row in table[:, list(which)].tolist()]


QUICK = Workload(constant(2 * MINUTE_US), constant(0), constant(MINUTE_US), constant(0), constant(MINUTE_US))


@given(given=scenarios())
def test_a_build_waits_for_a_daemon_and_no_daemon_does_two_at_once(given):
    result = run(given)
    builds, daemons = result.rows.builds, sum(group.count for group in given.daemons)
    created, started, completed, status = (builds[:, c] for c in (B_CREATED, B_STARTED, B_COMPLETED, B_STATUS))
    assert (started >= created).all()
    taken = started != NEVER
    assert (completed[taken] >= started[taken]).all()
    assert (np.isin(status[~taken], (PENDING, CANCELED))).all()
    assert ((completed == NEVER) == np.isin(status, (PENDING, RUNNING))).all()
    assert ((status == RUNNING) == (taken & (completed == NEVER))).all()
    # A job that ends makes room at that instant, so ends are counted first; jobs that take no time occupy nothing.
    lasting = taken & (completed > started)
    change = sorted([(at, 1) for at in started[lasting]] + [(at, -1) for at in completed[lasting] if at != NEVER])
    assert max(np.cumsum([step for _, step in change]), default=0) <= daemons
    # No one waits while a daemon is free at the end that could take the job.
    assert given.is_tagged or (status == PENDING).sum() == 0 or (status == RUNNING).sum() == daemons


@given(given=scenarios())
def test_prebuilds_jobs_wait_while_a_persons_job_does(given):
    builds = run(replace(given, provisioners=(), version_tags=(), prebuild_tags=())).rows.builds
    builds = builds[builds[:, B_ENDED] != BY_REAPER]
    taken = np.flatnonzero(builds[:, B_STARTED] != NEVER)
    for i in taken[builds[taken, B_HUMAN] == 0]:
        at = builds[i, B_STARTED]
        # Rows are in order of creation; a person's job that came after at this instant is no reason to wait.
        people = builds[:i][builds[:i, B_HUMAN] == 1]
        assert not (people[:, B_STARTED] > at).any()


def test_a_person_waits_for_no_prebuild_that_is_only_queued():
    claims = ((MONDAY_AT + SECOND_US, "p"),)
    result = run(scenario(Preset("p", 3), claims=claims, provisioner_daemons=1, workload=QUICK))
    assert columns(result.rows.builds, B_HUMAN, B_STARTED)[:4] == [
        (0, MONDAY_AT),
        (0, MONDAY_AT + 4 * MINUTE_US),
        (0, MONDAY_AT + 6 * MINUTE_US),
        (1, MONDAY_AT + 2 * MINUTE_US),
    ]
