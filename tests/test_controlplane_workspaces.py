"""Workspaces and their builds: numbered without gaps, one at a time, by whoever may; names and TTLs Coder takes."""

from __future__ import annotations

import pytest
from controlplane_office import EU, NONE, T0, builds, dump, office
from promises import broken_promises

from simkit.clock import DAY_US, MINUTE_US, NEVER
from simkit.controlplane import ControlPlane, workspaces
from simkit.controlplane.types import PREBUILDS_USER
from simkit.errors import RefusedError


@pytest.fixture
def plane() -> ControlPlane:
    """Ada's workspace 1 runs."""
    plane = office(":memory:", NONE)
    plane.run_daemons(2, builds())
    plane.create_workspace(1, 1, "dev", preset_id=1)
    plane.advance(minutes=2)
    return plane


def history(plane: ControlPlane) -> list[tuple[int, str, str]]:
    return plane.database.rows(
        "SELECT b.build_number, b.transition, j.job_status FROM workspace_builds AS b "
        "JOIN provisioner_jobs AS j ON j.id = b.job_id WHERE b.workspace_id = 1 ORDER BY b.build_number"
    )


def test_builds_are_numbered_from_one_on_without_gaps(plane):
    for act in (plane.stop_workspace, plane.start_workspace, plane.delete_workspace):
        act(1, 1)
        plane.advance(minutes=2)
    done = "succeeded"
    assert history(plane) == [(1, "start", done), (2, "stop", done), (3, "start", done), (4, "delete", done)]
    assert broken_promises(plane.database) == []


def test_one_build_at_a_time(plane):
    plane.stop_workspace(1, 1)
    before = dump(plane.database)
    for act in (plane.stop_workspace, plane.start_workspace, plane.delete_workspace):
        with pytest.raises(RefusedError, match="workspace 1 has a stop build that is running; wait for it"):
            act(1, 1)
    assert dump(plane.database) == before


def test_a_workspace_whose_start_failed_may_be_started_again():
    plane = office(":memory:", NONE)
    plane.create_workspace(1, 1, "dev", preset_id=1)
    plane.fail_job(plane.acquire(1), "boom", 1)
    plane.start_workspace(1, 1)
    assert history(plane) == [(1, "start", "failed"), (2, "start", "pending")]


def test_a_workspace_whose_start_was_cancelled_is_still_there():
    plane = office(":memory:", NONE)
    created = plane.create_workspace(1, 1, "dev", preset_id=1)
    plane.cancel_job(2)
    plane.delete_workspace(created.workspace_id, 1)
    assert history(plane) == [(1, "start", "canceled"), (2, "delete", "pending")]


def test_a_failed_delete_leaves_the_workspace():
    plane = office(":memory:", NONE)
    plane.create_workspace(1, 1, "dev", preset_id=1)
    plane.fail_job(plane.acquire(1), "boom", 1)
    plane.delete_workspace(1, 1)
    plane.fail_job(plane.acquire(1), "boom", 1)
    assert plane.database.rows("SELECT deleted FROM workspaces") == [(False,)]
    plane.delete_workspace(1, 1)


def test_names_are_an_owners_own_and_case_does_not_count(plane):
    with pytest.raises(RefusedError, match='the owner has a workspace "DEV" already'):
        plane.create_workspace(1, 1, "DEV", preset_id=1)
    assert plane.create_workspace(2, 1, "dev", preset_id=1).workspace_id == 2


@pytest.mark.parametrize("name", ["", "a_b", "-a", "a--b", "new", "create", "x" * 33])
def test_a_name_that_coder_does_not_take_is_refused(plane, name):
    with pytest.raises(RefusedError, match="workspace name"):
        plane.create_workspace(1, 1, name, preset_id=1)


@pytest.mark.parametrize(
    ("ttl_us", "taken"),
    [
        (None, True),
        (MINUTE_US, True),
        (30 * DAY_US, True),
        (MINUTE_US - 1, False),
        (30 * DAY_US + MINUTE_US, False),
    ],
)
def test_a_ttl_is_a_minute_to_thirty_days(ttl_us, taken):
    if taken:
        assert workspaces.checked_ttl(ttl_us) == ttl_us
        assert ttl_us is None or workspaces.checked_ttl(ttl_us + MINUTE_US - 1) == ttl_us, "whole minutes"
        return
    with pytest.raises(RefusedError, match="it takes 1m to 30d, or none"):
        workspaces.checked_ttl(ttl_us)


def test_what_is_known_of_a_workspace_and_its_latest_build(plane):
    plane.stop_workspace(1, 2)
    with plane.transaction() as tx:
        workspace, build = workspaces.get(tx, 1), workspaces.latest_build(tx, 1)
        with pytest.raises(RefusedError, match="there is no workspace 9"):
            workspaces.get(tx, 9)
    assert (workspace.owner_id, workspace.name, workspace.organization_id, workspace.dormant_at) == (1, "dev", 1, NEVER)
    assert (build.build_number, build.transition, build.job_status, build.is_done) == (2, "stop", "running", False)
    assert (build.created_at, build.completed_at, build.deadline) == (T0 + 2 * MINUTE_US, NEVER, NEVER)


def test_a_prebuild_is_named_and_built_by_the_prebuilds_user_alone():
    plane = office(":memory:", EU)
    plane.advance_to(plane.now_at)
    assert plane.database.rows("SELECT name, owner_id, epoch_us(last_used_at) FROM workspaces ORDER BY id") == [
        ("prebuild-1", PREBUILDS_USER, T0),
        ("prebuild-2", PREBUILDS_USER, T0),
    ]
    plane.run_daemons(2, builds())
    plane.advance(minutes=2)
    with plane.transaction() as tx:
        for initiator_id in (1, 2):
            with pytest.raises(RefusedError, match="nobody else can delete it; claim it first"):
                workspaces.build(tx, plane.now_at, 1, "delete", initiator_id)
        assert workspaces.build(tx, plane.now_at, 1, "delete", PREBUILDS_USER) == 3


def test_the_table_rule_of_prebuilds_stands_behind_every_door():
    plane = office(":memory:", EU)
    plane.advance_to(plane.now_at)
    for column, value in (("ttl", 1), ("autostart_schedule", "x"), ("next_start_at", T0)):
        with (
            pytest.raises(RefusedError, match="the rule prebuilds_have_no_lifecycle of workspaces refuses this"),
            plane.transaction() as tx,
        ):
            tx.update("workspaces", 1, **{column: value})


def test_a_deadline_after_the_max_deadline_is_refused_by_the_tables_rule(plane):
    rule = "workspace_builds_deadline_below_max_deadline"
    for ends in (
        {"max_deadline": T0},
        {"deadline": T0 + 1, "max_deadline": T0},
        {"deadline": None, "max_deadline": T0},
    ):
        with (
            pytest.raises(RefusedError, match=f"the rule {rule} of workspace_builds refuses"),
            plane.transaction() as tx,
        ):
            tx.update("workspace_builds", 1, **ends)
