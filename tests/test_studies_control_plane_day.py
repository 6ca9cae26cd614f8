"""The sample day's world works as it says, and what the tables say of a day is what happened."""

from __future__ import annotations

import pandas as pd
import pytest

from simkit.clock import MINUTE_US
from simkit.controlplane import ControlPlane
from simkit.controlplane.types import BuildResult, Replacement
from simkit.errors import RefusedError
from simkit.studies.control_plane import answers, day, interruption, steps

UTC = day.Clock("2026-11-10", "UTC")  # a Tuesday


def small() -> tuple[ControlPlane, day.World, int, int, int]:
    """(plane, world, owner, template, preset `us`) at 7:40, before the working day, with one prebuild that is ready."""
    plane = ControlPlane(now=UTC("07:25"))
    organization = plane.create_organization("acme")
    admin = plane.create_user("ada", is_template_admin=True)
    owner = plane.create_user("ben")
    plane.create_group(organization, "developers", 100, (owner,))
    plane.set_prebuilds_quota(organization, 100)
    world = day.World(plane, day.version("UTC"))
    plane.run_daemons(2, world.work, organization)
    template = plane.create_template(organization, "dev")
    version, _ = plane.create_version(template, "v1", admin)
    plane.advance_to(UTC("07:40"))
    return plane, world, owner, template, day.preset_ids(plane, version)[0]


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


def lab() -> tuple[ControlPlane, int, int, int]:
    """(plane, daemon, owner, template) without simulated daemons; the template's import is queued."""
    plane = ControlPlane(now=UTC("12:00"))
    organization = plane.create_organization("lab")
    owner = plane.create_user("ada")
    daemon = plane.create_daemon("plain", organization)
    template = plane.create_template(organization, "crafts")
    plane.create_version(template, "v1", owner)
    return plane, daemon, owner, template


def test_a_clock_reads_the_wall_of_its_zone_and_refuses_what_is_none():
    new_york = day.Clock("2026-11-10", "America/New_York")
    assert new_york("08:30") - UTC("08:30") == 5 * 60 * MINUTE_US
    with pytest.raises(RefusedError, match="day 2026-13-10"):
        day.Clock("2026-13-10", "UTC")("08:30")
    with pytest.raises(RefusedError, match="timezone: "):
        day.Clock("2026-11-10", "Mars/Olympus")("08:30")


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


def test_the_next_error_and_the_next_replacements_are_those_of_a_person_once():
    plane, world, owner, template, us = small()
    world.next_error = "no space left"
    world.next_replacements = (Replacement("docker_container.workspace", ("env",)),)
    plane.advance_to(UTC("08:20"))
    assert "failed" not in set(answers.states(plane)["state"]), "prebuilds were built and did not fail"
    for name in ("fails", "works"):
        plane.create_workspace(owner, template, name, preset_id=us)
        plane.advance(minutes=2)
    states = answers.states(plane)
    assert list(states.loc[states["state"] == "failed", "workspace"]) == ["ben/fails"]
    assert world.next_replacements == ()
    error = plane.sql("SELECT error FROM provisioner_jobs WHERE job_status = 'failed'")
    assert list(error["error"]) == ["no space left"]


def test_a_failure_before_any_statement_of_a_completion_leaves_no_trace():
    plane, daemon, owner, template = lab()
    imported = interruption.interrupt(plane, daemon, day.lab_version())
    assert (imported.kind, imported.changed_by_failures) == ("template_version_import", 0)
    assert imported.statements > 5
    assert imported.added == {"template_version_presets": 1, "workspace_resources": 1}
    preset = plane.database.rows("SELECT id FROM template_version_presets")[0][0]
    plane.create_workspace(owner, template, "box", preset_id=preset)
    built = interruption.interrupt(plane, daemon, BuildResult())
    assert (built.changed_by_failures, built.added["workspace_agents"]) == (0, 1)
    with pytest.raises(RefusedError, match="there is no job"):
        interruption.interrupt(plane, daemon, BuildResult())


def test_a_changed_cell_changes_what_a_table_contains():
    plane, *_, template = lab()
    before = interruption.contents(plane)
    with plane.database.transaction() as tx:
        tx.update("templates", template, deprecated="old")
    after = interruption.contents(plane)
    assert [table for table in before if before[table] != after[table]] == ["templates"]


def test_a_refusal_is_text_and_what_is_done_says_nothing():
    plane, *_ = lab()
    assert steps.refusal(plane.create_organization, "lab") == (
        'there is an organization "lab" already; choose another name'
    )
    assert steps.refusal(plane.create_organization, "attic") == ""


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


def test_the_end_of_a_log_is_cut_where_a_line_is_very_long():
    assert steps.tail("a\nb\n" + "c" * 301, 2) == f"b\n{'c' * 90}…"
