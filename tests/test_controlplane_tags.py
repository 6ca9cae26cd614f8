"""Tags of versions, jobs and daemons: who builds what, and what nobody builds."""

from __future__ import annotations

import json

import pytest
from controlplane_office import T0, builds, office

from simkit.clock import MINUTE_US
from simkit.controlplane import ControlPlane
from simkit.controlplane.types import Agent, ImportResult
from simkit.model import Daemons, Preset

POOL = (("pool", "prebuilds"),)


def tagged(**more: tuple[tuple[str, str], ...]) -> ControlPlane:
    """Version 2 of template 1 is active and has a pool of one prebuild; its import had the tag `zone=eu`."""
    plane = office(":memory:", Preset("none", 0))
    daemon_id = plane.create_daemon("importer", tags={"zone": "eu"})
    version_id, job_id = plane.create_version(1, "v2", 2, {"zone": "eu"})
    assert plane.acquire(1) is None, "an untagged daemon does not import it"
    assert plane.acquire(daemon_id) == job_id
    plane.complete_job(job_id, ImportResult(presets=(Preset("p", 1),), **more), daemon_id)
    plane.activate_version(version_id)
    return plane


def tags_of(plane: ControlPlane) -> list[dict[str, str]]:
    rows = plane.database.rows("SELECT tags FROM provisioner_jobs WHERE type = 'workspace_build' ORDER BY id")
    return [json.loads(tags) for (tags,) in rows]


def test_a_versions_tags_reach_the_jobs_of_its_workspaces_and_those_of_prebuilds_theirs_alone():
    plane = tagged(workspace_tags=(("gpu", "1"),), prebuild_tags=POOL)
    plane.advance(minutes=1)
    plane.create_workspace(1, 1, "dev")
    everybodys = {"zone": "eu", "gpu": "1"}
    assert tags_of(plane) == [{**everybodys, "pool": "prebuilds"}, everybodys]
    plane.run_daemons(2, builds(), tags={"zone": "eu", "gpu": "1"})
    plane.advance(minutes=5)
    statuses = plane.database.rows("SELECT job_status FROM provisioner_jobs WHERE id > 2 ORDER BY id")
    assert statuses == [("pending",), ("succeeded",)], "no daemon has the prebuilds' tag"
    plane.run_daemons(1, builds(), tags={"zone": "eu", "gpu": "1", "pool": "prebuilds"})
    plane.advance(minutes=5)
    assert plane.create_workspace(1, 1, "warm", preset_id=2).hit
    assert tags_of(plane)[-1] == everybodys, "a claim's build is a person's"


def test_the_executor_looks_for_a_daemon_with_the_tags_of_the_active_version():
    plane = tagged()
    plane.pause_prebuilds()
    plane.run_daemons(1, builds(), tags={"zone": "eu"})
    plane.create_workspace(1, 1, "dev", ttl="1h")
    plane.advance(hours=3)
    made = plane.database.rows("SELECT reason FROM workspace_builds ORDER BY id")
    assert made == [("initiator",), ("autostop",)]


@pytest.mark.parametrize(
    ("daemons", "job", "takes"),
    [((), (), True), (POOL, (), False), ((), POOL, False), (POOL, POOL, True), ((*POOL, ("a", "b")), POOL, True)],
)
def test_a_job_without_tags_goes_to_daemons_without_tags_alone(daemons, job, takes):
    assert Daemons(1, daemons).takes(job) is takes


@pytest.mark.parametrize("state", ["start_error", "start_timeout", "shutting_down", "starting"])
def test_only_a_ready_agent_makes_a_prebuild_claimable(state):
    plane = office(":memory:", Preset("p", 1))
    plane.run_daemons(1, builds(agent_us=None))
    plane.advance(minutes=2)
    if state == "shutting_down":
        plane.agent_reports(1, "ready")
    plane.agent_reports(1, state)
    assert not plane.create_workspace(1, 1, "dev", preset_id=1).hit


def test_an_agent_of_a_devcontainer_counts_for_readiness():
    plane = office(":memory:", Preset("p", 1))
    plane.run_daemons(1, builds())
    plane.advance_to(T0 + 3 * MINUTE_US)
    agent_id = plane.create_sub_agent(1, Agent("site"))
    assert not plane.create_workspace(1, 1, "dev", preset_id=1).hit
    plane.agent_reports(agent_id, "ready")
    assert plane.create_workspace(1, 1, "other", preset_id=1).hit
