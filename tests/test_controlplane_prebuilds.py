"""Prebuilds on a control plane: what a tick sees and does, claims, pauses, invalidation, quota and whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from controlplane_office import EU, MONDAY, NONE, T0, builds, dump, office
from hypothesis import given, settings
from hypothesis import strategies as st
from promises import broken_promises

from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, parse_instant
from simkit.coder_versions import BEHAVIOURS
from simkit.controlplane import ControlPlane, Outcome, jobs, prebuilds, presets, templates, workspaces
from simkit.controlplane.prebuilds import MEMBERSHIP_GROUP, Prebuild
from simkit.controlplane.types import PREBUILDS_USER, Agent, BuildResult, ImportResult, Resource
from simkit.core import policy
from simkit.errors import RefusedError
from simkit.model import Preset, Reconciler, Schedule, TemplateSchedule
from simkit.store.database import Database, Transaction
from simkit.store.words import INSUFFICIENT_QUOTA_ERROR

TWO_AGENTS = BuildResult((Resource(agents=(Agent("one"), Agent("two"))),))


def warm(*given: Preset, minutes: float = 5, **more: Any) -> ControlPlane:
    """An office whose simulated daemons have built the prebuilds."""
    plane = office(":memory:", *given, **more)
    plane.run_daemons(3, builds())
    plane.advance(minutes=minutes)
    return plane


def pool(plane: ControlPlane, where: str = "true") -> list[tuple[Any, ...]]:
    """(workspace, transition, status) of the latest builds of prebuilds that are not deleted."""
    return plane.database.rows(
        "SELECT w.id, b.transition, j.job_status FROM workspaces AS w JOIN workspace_builds AS b "
        "ON b.workspace_id = w.id JOIN provisioner_jobs AS j ON j.id = b.job_id "
        f"WHERE w.owner_id = 0 AND NOT w.deleted AND {where} "
        "QUALIFY row_number() OVER (PARTITION BY w.id ORDER BY b.build_number DESC) = 1 ORDER BY w.id"
    )


def seen_by(plane: ControlPlane, settings: Reconciler | None = None) -> prebuilds.Snapshot:
    with plane.transaction() as tx:
        return prebuilds.snapshot(tx, plane.now_at, prebuilds.presets(tx), settings or plane.reconciler)


RUNS = ("start", "succeeded")


def test_a_tick_sees_what_runs_what_starts_and_what_has_failed():
    plane = office()
    plane.advance_to(plane.now_at)
    assert seen_by(plane).starting == {1: 2}
    first, second = plane.acquire(1), plane.acquire(1)
    plane.complete_job(first, BuildResult(), 1)
    assert seen_by(plane).running == {1: (Prebuild(1, 1, T0, ready=False),)}
    assert seen_by(plane).starting == {1: 1}
    plane.agent_reports(1, "ready")
    plane.fail_job(second, "boom", 1)
    seen = seen_by(plane)
    assert seen.running == {1: (Prebuild(1, 1, T0, ready=True),)}
    assert (dict(seen.starting), seen.failures) == ({}, {1: (T0,)})
    assert seen.backoff == {1: prebuilds.Backoff(1, T0)}
    assert seen.hard_limited == frozenset()
    assert seen_by(plane, Reconciler(failure_hard_limit=2)).hard_limited == frozenset(), "one of the newest two runs"
    assert seen_by(plane, Reconciler(failure_hard_limit=1)).hard_limited == {1}


def test_a_start_that_was_being_cancelled_and_failed_is_a_failure():
    plane = office(":memory:", Preset("p", 1))
    plane.advance_to(plane.now_at)
    job_id = plane.acquire(1)
    plane.cancel_job(job_id)
    plane.fail_job(job_id, "boom", 1)
    assert plane.database.rows("SELECT job_status FROM provisioner_jobs WHERE id = $id", id=job_id) == [("failed",)]
    seen = seen_by(plane)
    assert (seen.failures, seen.backoff) == ({1: (T0,)}, {1: prebuilds.Backoff(1, T0)})


STARTS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(("failed", "failed", "succeeded", "pending"))), max_size=8
)
"""(minutes ago, status) of prebuilds' starts."""


@pytest.fixture(scope="module")
def tables() -> Iterator[Database]:
    with Database(":memory:", "test") as opened:
        yield opened


@settings(max_examples=20)
@given(starts=STARTS, instances=st.integers(0, 4), lookback=st.integers(0, 9), limit=st.integers(0, 4))
def test_what_the_queries_say_of_failures_is_what_the_policy_says_of_them(tables, starts, instances, lookback, limit):
    settings_ = Reconciler(backoff_lookback_us=lookback * MINUTE_US, failure_hard_limit=limit)
    with tables.transaction() as tx:
        for table in ("templates", "template_versions", "template_version_presets", *BUILDS):
            tx.execute(f"DELETE FROM {table}")
        tx.insert("templates", id=1, name="t", active_version_id=1, **templates.columns(TemplateSchedule()))
        tx.insert("template_versions", id=1, template_id=1, name="v", created_at=0)
        preset_id = presets.insert(tx, 1, Preset("p", instances), "UTC")
        for ago, status in sorted(starts, reverse=True):
            insert_start(tx, T0 - ago * MINUTE_US, preset_id, status)
        seen = prebuilds.snapshot(tx, T0, prebuilds.presets(tx), settings_)
    # The newest first; of one instant the one that was created last, as the rows above are sorted.
    newest = [(T0 - ago * MINUTE_US, status == "failed") for ago, status in sorted(starts)]
    failed = [i for i, (_, is_failed) in enumerate(newest) if is_failed]
    since_at = T0 - settings_.backoff_lookback_us
    held = limited = None
    if failed and policy.starts_backoff(newest[failed[0]][0], failed[0], instances, since_at):
        held = prebuilds.Backoff(sum(newest[i][0] >= since_at for i in failed), newest[failed[0]][0])
    if 0 < limit <= len(failed):
        limited = policy.is_hard_limited(len(failed), failed[limit - 1] - (limit - 1), limit)
    assert seen.backoff.get(preset_id) == held
    assert (preset_id in seen.hard_limited) == bool(limited)


BUILDS = ("workspaces", "workspace_builds", "provisioner_jobs")


def insert_start(tx: Transaction, at: int, preset_id: int, status: str) -> None:
    """A prebuild, created at an instant, whose start has a status."""
    workspace_id, _ = workspaces.insert(tx, at, PREBUILDS_USER, 1, 1, preset_id, 1)
    job_id = workspaces.latest_build(tx, workspace_id).job_id
    if status != "pending":
        tx.update("provisioner_jobs", job_id, started_at=at, worker_id=1)
        jobs.finish(tx, at, job_id, "boom" if status == "failed" else "")


def test_the_pool_follows_its_schedules():
    plane = warm(Preset("p", 1, 0, "Europe/Berlin", (Schedule("* 10-11 * * *", 3),)))
    assert pool(plane) == [(1, *RUNS)]
    plane.advance_to("2026-03-02T09:05:00Z")  # 10:05 in Berlin
    assert pool(plane) == [(1, *RUNS), (2, *RUNS), (3, *RUNS)]
    plane.advance_to("2026-03-02T11:05:00Z")
    assert pool(plane) == [(3, *RUNS)], "the oldest are deleted, of one instant the first"
    decisions = plane.database.rows(
        "SELECT epoch_us(decided_at), desired, actual, created, deleted_oldest FROM reconciler_decisions "
        "ORDER BY decided_at"
    )
    at = [parse_instant(f"2026-03-02T{hour}:00:00Z") for hour in ("08", "09", "11")]
    assert decisions == [(at[0], 1, 0, 1, 0), (at[1], 3, 1, 2, 0), (at[2], 1, 3, 0, 2)]


def test_an_expired_prebuild_is_replaced_and_an_old_one_outlives_its_ttls_last_instant():
    plane = warm(Preset("p", 1, HOUR_US), minutes=60)
    assert pool(plane) == [(1, *RUNS)], "it still lives in the instant it turns an hour old"
    plane.advance(minutes=5)
    assert pool(plane) == [(2, *RUNS)]


def test_a_prebuild_that_is_built_later_than_it_expires_is_deleted():
    plane = office(":memory:", Preset("p", 1, HOUR_US))
    plane.run_daemons(1, builds(90 * MINUTE_US))
    plane.advance(hours=2)
    expired = plane.database.rows("SELECT epoch_us(decided_at), deleted_expired FROM reconciler_decisions")
    assert (T0 + 90 * MINUTE_US, 1) in expired


def test_work_that_outlasts_a_step_of_time_is_still_done():
    plane = office(":memory:", Preset("p", 1))
    plane.run_daemons(1, builds(90 * SECOND_US, 90 * SECOND_US))
    for _ in range(30):
        plane.advance(minutes=0.1)
    assert pool(plane) == [(1, *RUNS)]
    plane.advance(minutes=0.1)
    assert seen_by(plane).running[1][0].ready


@pytest.mark.parametrize(("version", "initiator_id"), [("v2.24", 0), ("v2.26", 0), ("v2.35", 1)])
def test_a_claim_hands_over_a_prebuild_with_every_field_of_its_lifecycle(version, initiator_id):
    plane = warm(EU, coder=version)
    plane.set_template_schedule(1, TemplateSchedule(default_ttl_us=8 * HOUR_US))
    before = plane.database.rows(
        "SELECT autostart_schedule, ttl, next_start_at, dormant_at, deleting_at, last_used_at = created_at "
        "FROM workspaces"
    )
    assert before == [(*(None,) * 5, True)] * 2, "a prebuild has none"
    assert plane.create_workspace(1, 1, "dev", preset_id=1, autostart="CRON_TZ=UTC 30 9 * * 1-5") == (1, 3, True)
    row = plane.database.rows(
        "SELECT owner_id, name, autostart_schedule, ttl, epoch_us(next_start_at), epoch_us(last_used_at), dormant_at, "
        "deleting_at FROM workspaces WHERE id = 1"
    )
    next_at = parse_instant("2026-03-02T09:30:00Z")
    ttl = 8 * HOUR_US * 1000
    assert row == [(1, "dev", "CRON_TZ=UTC 30 9 * * 1-5", ttl, next_at, plane.now_at, None, None)]
    build = plane.database.rows(
        "SELECT build_number, transition, initiator_id, reason FROM workspace_builds WHERE id = 3"
    )
    assert build == [(2, "start", initiator_id, "initiator")]
    claim = plane.database.rows("SELECT preset_id, user_id, workspace_id, workspace_build_id, hit FROM claims")
    assert claim == [(1, 1, 1, 3, True)]
    assert seen_by(plane).starting == ({} if initiator_id else {1: 1}), "before v2.35 a claim counts as starting"
    plane.advance(minutes=5)
    started_at = plane.database.rows(
        "SELECT epoch_us(b.deadline), epoch_us(c.ready_at) FROM claims AS c "
        "JOIN workspace_builds AS b ON b.id = c.workspace_build_id"
    )
    done_at = T0 + 6 * MINUTE_US
    assert started_at == [(next_at + 8 * HOUR_US, done_at + 30 * SECOND_US)]
    told = plane.database.rows(
        "SELECT workspace_id, epoch_us(happened_at), reason FROM workspace_agent_reinitializations"
    )
    assert told == [(1, done_at, "prebuild_claimed")]
    assert len(pool(plane)) == 2, "the pool is full again"


def test_a_claim_takes_the_oldest_ready_one_and_without_one_builds_cold():
    plane = warm(EU)
    claimed = [plane.create_workspace(1, 1, f"w{i}", preset_id=1) for i in range(3)]
    assert [(c.workspace_id, c.hit) for c in claimed] == [(1, True), (2, True), (3, False)]
    assert plane.database.rows(
        "SELECT owner_id, build_number FROM workspaces AS w JOIN workspace_builds AS b "
        "ON b.workspace_id = w.id WHERE w.id = 3"
    ) == [(1, 1)]


def test_a_prebuild_whose_agent_is_not_ready_cannot_be_claimed():
    plane = office(":memory:", EU)
    plane.run_daemons(2, builds(MINUTE_US, None))
    plane.advance(minutes=5)
    assert [row[1:] for row in pool(plane)] == [RUNS, RUNS]
    assert not plane.create_workspace(1, 1, "early", preset_id=1).hit
    plane.agent_reports(2, "ready")
    assert plane.create_workspace(1, 1, "late", preset_id=1) == (2, 4, True)


def test_a_prebuild_whose_start_was_cancelled_cannot_be_claimed():
    plane = office(":memory:", Preset("p", 1))
    plane.advance_to(plane.now_at)
    job_id = plane.acquire(1)
    plane.cancel_job(job_id)
    plane.complete_job(job_id, BuildResult(), 1)
    for agent_id in plane.agents_of(1):
        plane.agent_reports(agent_id, "ready")
    assert seen_by(plane).running == {}, "its status is canceled"
    assert not plane.create_workspace(1, 1, "dev", preset_id=1).hit


def test_an_expired_prebuild_is_claimable_until_its_delete_build_exists():
    plane = warm(Preset("p", 1, HOUR_US), minutes=60.5)
    assert plane.now_at - T0 > HOUR_US
    assert plane.create_workspace(1, 1, "dev", preset_id=1).hit
    later = warm(Preset("p", 1, HOUR_US), minutes=61)
    assert not later.create_workspace(1, 1, "dev", preset_id=1).hit


def test_a_prebuild_with_two_agents_cannot_be_claimed_and_stays_a_prebuild():
    plane = office(":memory:", Preset("p", 1))
    plane.run_daemons(1, lambda job: Outcome(MINUTE_US, 0, TWO_AGENTS))
    plane.advance(minutes=5)
    before = dump(plane.database)
    with pytest.raises(RefusedError, match="has 2 agents, and a claim can reinitialise only one"):
        plane.create_workspace(1, 1, "dev", preset_id=1)
    assert dump(plane.database) == before


def test_a_paused_reconciler_does_nothing_and_then_goes_on():
    plane = warm(EU)
    plane.pause_prebuilds()
    for i in range(2):
        plane.create_workspace(1, 1, f"w{i}", preset_id=1)
    plane.advance(hours=3)
    assert pool(plane) == []
    plane.pause_prebuilds()
    plane.resume_prebuilds()
    assert plane.database.rows("SELECT reconciliation_paused FROM prebuilds_settings") == [(False,)]
    plane.advance(minutes=5)
    assert pool(plane) == [(3, *RUNS), (4, *RUNS)]


def test_invalidated_prebuilds_are_replaced_and_new_ones_stay():
    plane = warm(EU, NONE)
    plane.invalidate_preset(1)
    plane.advance(minutes=5)
    assert pool(plane) == [(3, *RUNS), (4, *RUNS)]
    plane.advance(minutes=30)
    assert pool(plane) == [(3, *RUNS), (4, *RUNS)]


@pytest.mark.parametrize("version", ["v2.24", "v2.26"])
def test_before_v2_35_there_is_no_invalidation(version):
    plane = warm(EU, coder=version)
    with pytest.raises(RefusedError, match=rf"Coder {version} has no preset invalidation; v2.35 has"):
        plane.invalidate_preset(1)


def test_a_new_version_cancels_what_is_pending_and_deletes_what_runs():
    plane = office(":memory:", Preset("p", 3))
    plane.advance_to(plane.now_at)
    running = plane.acquire(1)
    plane.complete_job(running, BuildResult(), 1)
    taken = plane.acquire(1)
    second = import_version_beside(plane, Preset("p", 1))
    plane.activate_version(second)
    plane.advance(minutes=1)
    found = plane.database.rows(
        "SELECT w.id, w.deleted, j.job_status FROM workspaces AS w JOIN workspace_builds AS b ON b.workspace_id = w.id "
        "JOIN provisioner_jobs AS j ON j.id = b.job_id WHERE b.build_number = 1 AND w.id <= 3 ORDER BY w.id"
    )
    assert found == [(1, False, "succeeded"), (2, False, "running"), (3, False, "canceled")]
    assert (1, "delete", "pending") in pool(plane)
    assert (3, "delete", "pending") in pool(plane), "a daemon is alive that will take its empty job"
    assert (4, "start", "pending") in pool(plane), "the new version's own"
    plane.complete_job(taken, BuildResult(), 1)
    plane.advance(minutes=1)
    assert (2, "delete", "pending") in pool(plane), "built, then deleted"
    assert broken_promises(plane.database) == []
    canceled = plane.database.rows("SELECT canceled FROM reconciler_decisions WHERE canceled > 0")
    assert canceled == [(1,)]


@pytest.mark.parametrize(
    ("coder", "silent_s", "deletes"),
    [
        ("v2.28", 60, []),
        ("v2.29", 60, ["pending"] * 2),
        ("v2.35", 90, ["pending"] * 2),
        ("v2.35", 91, ["succeeded"] * 2),
    ],
)
def test_what_was_cancelled_is_deleted_by_a_daemon_if_one_is_alive_and_by_coder_itself_if_not(coder, silent_s, deletes):
    plane = office(":memory:", Preset("p", 2), coder=coder)
    plane.advance_to(plane.now_at)
    plane.activate_version(import_version_beside(plane))
    with plane.transaction() as tx:
        jobs.seen(tx, plane.now_at + MINUTE_US - silent_s * SECOND_US, [1, 2, 3])
    plane.advance(minutes=1)
    found = plane.database.rows(
        "SELECT j.job_status, w.deleted, j.started_at = b.created_at, j.completed_at = b.created_at "
        "FROM workspace_builds AS b JOIN provisioner_jobs AS j ON j.id = b.job_id "
        "JOIN workspaces AS w ON w.id = b.workspace_id WHERE b.transition = 'delete'"
    )
    at_once = (True, True, True)
    assert found == [(status, *(at_once if status == "succeeded" else (False, None, None))) for status in deletes]
    assert (pool(plane) == []) == ("pending" not in deletes)
    assert broken_promises(plane.database) == []
    plane.run_daemons(1, builds())
    plane.advance(minutes=5)
    assert pool(plane) == []


def test_before_v2_35_what_is_pending_is_built_and_then_deleted():
    plane = office(":memory:", Preset("p", 1), coder="v2.26")
    plane.advance_to(plane.now_at)
    plane.activate_version(import_version_beside(plane))
    plane.advance(minutes=1)
    assert pool(plane) == [(1, "start", "pending")]
    plane.run_daemons(1, builds())
    plane.advance(minutes=5)
    assert pool(plane) == []
    assert plane.database.rows("SELECT transition FROM workspace_builds ORDER BY id") == [("start",), ("delete",)]


def import_version_beside(plane: ControlPlane, *given: Preset) -> int:
    """A second version, imported before prebuilds' jobs by a daemon that wants nothing else."""
    version_id, job_id = plane.create_version(1, "v2", created_by=2)
    assert plane.acquire(1, ("template_version_import",)) == job_id
    plane.complete_job(job_id, ImportResult(presets=given), 1)
    return version_id


@pytest.mark.parametrize("end", ["deprecate", "delete"])
def test_the_pool_of_a_template_that_is_no_longer_used_is_emptied(end):
    plane = warm(EU)
    with plane.transaction() as tx:
        if end == "delete":
            templates.delete(tx, 1)
        else:
            templates.deprecate(tx, 1, "use another")
    plane.advance(minutes=5)
    assert pool(plane) == []


def test_failures_hold_a_preset_back_and_the_hard_limit_ends_creating():
    plane = office(":memory:", Preset("p", 1), reconciler=Reconciler(failure_hard_limit=3))
    plane.run_daemons(1, builds(10 * SECOND_US, error="boom"))
    plane.advance(hours=6)
    created = plane.database.rows("SELECT epoch_us(created_at) FROM workspaces ORDER BY id")
    # Each failure in the lookback adds a minute, and the tick at the end of a backoff still waits.
    assert [(at - T0) // MINUTE_US for (at,) in created] == [0, 2, 5]
    limited = plane.database.rows("SELECT count(*) FROM reconciler_decisions WHERE hard_limited")
    assert limited == [(1,)], "told once"
    messages = plane.database.rows("SELECT user_id, notification_template FROM notification_messages")
    assert messages == [(2, "PrebuildFailureLimitReached")]


def test_above_its_quota_a_prebuild_fails_and_counts_as_a_failure():
    plane = office(":memory:", Preset("p", 3))
    plane.set_prebuilds_quota(1, 10)
    plane.run_daemons(1, lambda job: Outcome(SECOND_US, 0, BuildResult((Resource(daily_cost=4, agents=(Agent(),)),))))
    plane.advance(minutes=0.5)
    assert [row[2] for row in pool(plane)] == ["succeeded", "succeeded", "failed"]
    failed = plane.database.rows("SELECT error, error_code FROM provisioner_jobs WHERE job_status = 'failed'")
    assert failed == [(INSUFFICIENT_QUOTA_ERROR, "INSUFFICIENT_QUOTA")]
    assert seen_by(plane).backoff == {1: prebuilds.Backoff(1, T0)}
    plane.set_prebuilds_quota(1, 12)
    plane.advance(minutes=10)
    assert [row[2] for row in pool(plane)].count("succeeded") == 3


def test_the_membership_group_is_made_once_with_the_prebuilds_user_in_it():
    plane = office()
    for quota in (0, 7):
        plane.set_prebuilds_quota(1, quota)
    assert plane.database.rows("SELECT name, quota_allowance FROM groups") == [(MEMBERSHIP_GROUP, 7)]
    assert plane.database.rows("SELECT group_id, user_id FROM group_members") == [(1, 0)]


CHANGES = [
    lambda p: p.set_workspace_ttl(1, "1h"),
    lambda p: p.set_workspace_ttl(1, None),
    lambda p: p.set_workspace_autostart(1, "0 9 * * *"),
    lambda p: p.set_workspace_autostart(1, ""),
    lambda p: p.set_workspace_deadline(1, MONDAY.replace("T08", "T20")),
    lambda p: p.set_workspace_dormant(1, True),
    lambda p: p.set_workspace_dormant(1, False),
    lambda p: p.connect(1, "1h"),
    lambda p: p.stop_workspace(1, 1),
    lambda p: p.delete_workspace(1, 2),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_prebuilds_lifecycle_belongs_to_the_reconciler(change):
    plane = warm(EU)
    before = dump(plane.database)
    with pytest.raises(
        RefusedError, match=r"workspace 1 is a prebuild, and its lifecycle belongs to the reconciler: .*claim"
    ):
        change(plane)
    assert dump(plane.database) == before
    plane.create_workspace(1, 1, "dev", preset_id=1)
    plane.advance(minutes=5)
    change(plane)  # of a person's workspace it is theirs


def test_a_change_of_the_templates_schedule_leaves_prebuilds_alone():
    plane = warm(EU)
    schedule = TemplateSchedule(HOUR_US, autostop_days=0b1111111, time_til_dormant_us=HOUR_US, failure_ttl_us=MINUTE_US)
    plane.set_template_schedule(1, schedule)
    plane.advance(hours=5)
    assert pool(plane) == [(1, *RUNS), (2, *RUNS)]
    assert broken_promises(plane.database) == []


def test_every_version_has_its_interval():
    for version, behaviour in BEHAVIOURS.items():
        plane = office(":memory:", EU, coder=version)
        assert plane.reconciler.interval_us == behaviour.reconciliation_interval_us
