"""What the tables say of a day is what happened."""

from __future__ import annotations

import pandas as pd
import pytest
from days import UTC, small

from simkit.controlplane import ControlPlane
from simkit.studies.control_plane import answers


@pytest.fixture(scope="module")
def morning() -> ControlPlane:
    """From 7:25 to 8:40: Ben claims a prebuild at 8:35 and stops it a minute later."""
    plane, _, owner, template, us = small()
    plane.advance_to(UTC("08:35"))
    created = plane.create_workspace(owner, template, "api", preset_id=us)
    plane.advance(minutes=1)
    plane.stop_workspace(created.workspace_id, owner)
    plane.advance_to(UTC("08:40"))
    return plane


def test_a_workspace_is_in_one_state_after_the_other_without_gaps(morning):
    states = answers.states(morning)
    mine = states[states["workspace"] == "ben/api"]
    assert list(mine["state"]) == ["building", "waiting", "claimed", "building", "running", "building", "stopped"]
    spans = mine[mine["state"] != "claimed"]
    assert list(spans["from_at"][1:]) == list(spans["until_at"][:-1])
    assert spans["until_at"].iloc[-1] == pd.Timestamp("2026-11-10T08:40Z")
    assert mine.loc[mine["state"] == "claimed", "from_at"].iloc[0] == pd.Timestamp("2026-11-10T08:35Z")


def test_the_queue_is_people_and_prebuilds_by_themselves_and_ends():
    plane, _, owner, template, us = small()
    plane.advance_to(UTC("08:01"))  # both daemons build the two prebuilds that are missing since 8:00
    hits = [plane.create_workspace(owner, template, f"w{i}", preset_id=us).hit for i in range(3)]
    assert hits == [True, False, False]
    plane.advance(minutes=1)
    queue = answers.queue_length(plane)
    assert (queue["people"].iloc[-1], queue["prebuilds"].iloc[-1]) == (3, 1)
    plane.advance(minutes=40)
    queue = answers.queue_length(plane)
    assert (queue["people"].iloc[-1], queue["prebuilds"].iloc[-1]) == (0, 0)
    assert (queue[["people", "prebuilds"]] >= 0).all(axis=None)


def test_log_volume_adds_up_to_what_is_stored(morning):
    volume = answers.log_volume(morning)
    stored = morning.sql(
        "SELECT (SELECT sum(logs_length) FROM provisioner_jobs) AS jobs, "
        "(SELECT sum(logs_length) FROM workspace_agents) AS agents"
    ).iloc[0]
    assert stored["jobs"] > 0
    assert stored["agents"] > 0
    assert (volume["jobs"].sum(), volume["agents"].sum()) == (stored["jobs"], stored["agents"])
    assert len(volume) == 6
    assert set(volume["from_at"].diff().dropna()) == {pd.Timedelta(minutes=15)}


def test_parameters_find_the_largest_preset_that_fits():
    plane, *_ = small()
    version = plane.database.rows("SELECT id FROM template_versions")[0][0]
    given = ({"region": "us", "size": "large"}, {"region": "us", "size": "s"}, {"size": "large"}, {})
    assert list(answers.matches(plane, version, given)["preset"]) == ["us-large", "us", "none", "none"]


def test_a_pool_is_seen_as_the_reconciler_sees_it():
    plane, *_ = small()
    plane.advance_to(UTC("08:01"))
    pools = answers.pools(plane).set_index("preset")
    assert pools.loc["us", ["desired", "running", "eligible", "starting"]].tolist() == [3, 1, 1, 2]
