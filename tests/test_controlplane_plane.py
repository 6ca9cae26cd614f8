"""A control plane's public door: a day in it from the first user on, its clock, and what it refuses in which words."""

from __future__ import annotations

import pytest
from controlplane_office import EU, MONDAY, NONE, T0, builds, dump, office

from simkit.clock import DAY_US, HOUR_US, MINUTE_US
from simkit.controlplane import ControlPlane, templates
from simkit.controlplane.logs import JobLine
from simkit.controlplane.types import (
    Agent,
    AITask,
    BuildResult,
    ImportResult,
    Resource,
)
from simkit.errors import RefusedError
from simkit.model import TemplateSchedule


def test_a_day_from_the_first_user_to_a_workspace_that_stops_by_itself():
    plane = office(":memory:", reconciler=None)
    plane.run_daemons(2, builds())
    plane.advance(minutes=5)
    assert plane.sql("SELECT count(*) AS n FROM workspaces WHERE owner_id = 0")["n"].item() == 2
    got = plane.create_workspace(1, 1, "dev", parameters={"region": "eu"}, ttl="8h")
    assert got == (1, 3, True), "the oldest prebuild, and its second build"
    plane.advance(minutes=5)
    built = plane.sql(
        "SELECT w.owner_id, w.name, b.build_number, epoch_us(b.deadline) AS deadline "
        "FROM workspaces AS w JOIN workspace_builds AS b ON b.workspace_id = w.id WHERE b.id = 3"
    )
    completed_at = T0 + 5 * MINUTE_US + MINUTE_US
    assert built.to_dict("records") == [
        {"owner_id": 1, "name": "dev", "build_number": 2, "deadline": completed_at + 8 * HOUR_US}
    ]
    plane.advance_to("2026-03-02T17:00:00Z")
    last = plane.sql("SELECT transition, reason FROM workspace_builds WHERE workspace_id = 1 ORDER BY build_number")
    assert last.iloc[-1].tolist() == ["stop", "autostop"]
    assert "coderd_prebuilt_workspaces_claimed_total" in plane.metrics()


def test_time_goes_forward_only():
    plane = office()
    plane.advance(minutes=5)
    assert plane.now == "2026-03-02T08:05:00Z"
    plane.advance(hours=1, days=1)
    assert plane.now_at == T0 + 5 * MINUTE_US + HOUR_US + DAY_US
    for backwards in (lambda: plane.advance(minutes=-1), lambda: plane.advance_to(MONDAY)):
        with pytest.raises(RefusedError, match="is before 2026-03-03T09:05:00Z: time does not go backwards"):
            backwards()
    plane.advance_to(plane.now_at)
    assert plane.now_at == T0 + 5 * MINUTE_US + HOUR_US + DAY_US


def test_a_new_control_plane_wants_to_know_the_time_and_a_version_that_is_modelled():
    with pytest.raises(RefusedError, match="give now"):
        ControlPlane()
    with pytest.raises(
        RefusedError, match=r'"v1.0" is older than any modelled version; there are v2.24, v2.26, v2.29, v2.34, v2.35'
    ):
        ControlPlane(now=MONDAY, coder="v1.0")


@pytest.mark.parametrize("now", ["garbage", "", "0001-01-01T00:00:00Z", "2026-03-02T09:00:99Z", 2**63, -(2**62), None])
def test_a_control_plane_that_is_refused_leaves_no_file(tmp_path, now):
    with pytest.raises(RefusedError, match=r"instant|out of range|give now"):
        ControlPlane(tmp_path / "plane.duckdb", now=now)
    assert list(tmp_path.iterdir()) == []


def test_a_reopened_file_goes_on_where_it_stopped(tmp_path):
    file = tmp_path / "plane.duckdb"
    plane = office(file)
    plane.advance(minutes=20)
    before = dump(plane.database)
    plane.database.close()
    again = ControlPlane(file)
    assert again.now_at == T0 + 20 * MINUTE_US
    assert dump(again.database) == before
    assert again.acquire(1) == 2, "the first prebuild's job is still there"
    assert again.create_user("grace") == 3, "ids go on as well"
    again.database.close()
    with pytest.raises(RefusedError, match="at which this control plane stopped; time does not go backwards"):
        ControlPlane(file, now=MONDAY)
    later = ControlPlane(file, now=T0 + 2 * HOUR_US)
    assert later.now_at == T0 + 2 * HOUR_US
    later.database.close()


def test_a_file_may_be_reopened_at_the_very_instant_at_which_it_stopped(tmp_path):
    file = tmp_path / "plane.duckdb"
    office(file).database.close()
    again = ControlPlane(file, now=MONDAY)
    assert again.now == MONDAY
    again.database.close()


def furnished() -> ControlPlane:
    """An office in which something of every kind is there to be used wrongly."""
    plane = office(":memory:", EU, NONE)
    plane.advance_to(plane.now_at)
    assert plane.sql("SELECT id FROM workspaces")["id"].tolist() == [1, 2], "two prebuilds (jobs 2 and 3)"
    plane.create_workspace(1, 1, "cold", preset_id=2)  # workspace 3, job 4
    plane.create_workspace(1, 1, "pending", preset_id=2)  # workspace 4, job 5
    plane.create_daemon("other")
    assert plane.acquire(1) == 4
    plane.complete_job(4, BuildResult(), 1)
    assert plane.acquire(2) == 5
    plane.create_version(1, "v2", 2)  # job 6
    plane.create_template(1, "empty")
    plane.create_template(1, "gone")
    plane.create_template(1, "old")
    with plane.transaction() as tx:
        templates.delete(tx, 3)
        templates.deprecate(tx, 4, "use docker")
    return plane


@pytest.fixture(scope="module")
def used() -> ControlPlane:
    return furnished()


NOBODY = "there is no user 9"
NO_JOB = "there is no job 99"
NO_WORKSPACE = "there is no workspace 99"
BELONGS = "is a prebuild, and its lifecycle belongs to the reconciler: nobody else can"
BAD_USES = [
    (lambda p: p.create_organization("acme"), 'there is an organization "acme" already'),
    (lambda p: p.create_user("Ada"), 'there is a user "Ada" already'),
    (lambda p: p.create_user("a_b"), 'username "a_b" is more than letters and digits'),
    (lambda p: p.create_user("eve", quiet_hours="0 99 * * *"), "quiet hours: "),
    (lambda p: p.suspend_user(9), NOBODY),
    (lambda p: p.create_group(9, "g", 5), "there is no organization 9"),
    (lambda p: p.create_group(1, "g", 5, (1, 9)), NOBODY),
    (lambda p: p.create_group(1, "g", -1), "the rule no_negative_quota of groups refuses this"),
    (lambda p: p.create_template(9, "t"), "there is no organization 9"),
    (lambda p: p.create_template(1, "Docker"), 'there is a template "Docker" already'),
    (lambda p: p.create_version(9, "v1", 2), "there is no template 9"),
    (lambda p: p.create_version(1, "v1", 2), 'has a version "v1" already'),
    (lambda p: p.create_version(1, "v9", 9), NOBODY),
    (lambda p: p.create_version(3, "v1", 2), 'template "gone" is deleted'),
    (lambda p: p.activate_version(9), "there is no template version 9"),
    (lambda p: p.activate_version(2), 'version "v2" cannot be made active: its import has pending'),
    (lambda p: p.dry_run(9, 1), "there is no template version 9"),
    (lambda p: p.dry_run(2, 1), 'version "v2" cannot be tried: its import has pending'),
    (lambda p: p.dry_run(1, 9), NOBODY),
    (lambda p: p.set_template_schedule(9, TemplateSchedule()), "there is no template 9"),
    (lambda p: p.create_workspace(9, 1, "w"), NOBODY),
    (lambda p: p.create_workspace(0, 1, "w"), "there is no user 0"),
    (lambda p: p.create_workspace(1, 9, "w"), "there is no template 9"),
    (lambda p: p.create_workspace(1, 2, "w"), 'template "empty" has no active version'),
    (lambda p: p.create_workspace(1, 3, "w"), 'template "gone" is deleted'),
    (lambda p: p.create_workspace(1, 4, "w"), 'template "old" is deprecated: use docker'),
    (lambda p: p.create_workspace(1, 1, "new"), 'workspace name "new" is reserved'),
    (lambda p: p.create_workspace(1, 1, "COLD"), 'the owner has a workspace "COLD" already'),
    (lambda p: p.create_workspace(1, 1, "w", preset_id=9), "there is no preset 9"),
    (lambda p: p.create_workspace(1, 1, "w", ttl="31d"), "a TTL of 31d is not one that Coder takes"),
    (lambda p: p.create_workspace(1, 1, "w", ttl=-1), "is not one that Coder takes"),
    (lambda p: p.create_workspace(1, 1, "w", ttl="soon"), '"soon" is not a duration'),
    (lambda p: p.create_workspace(1, 1, "w", autostart="0 25 * * *"), "autostart: "),
    (lambda p: p.start_workspace(99, 1), NO_WORKSPACE),
    (lambda p: p.start_workspace(3, 1), "workspace 3 runs already"),
    (lambda p: p.start_workspace(4, 1), "workspace 4 has a start build that is running; wait for it"),
    (lambda p: p.stop_workspace(99, 1), NO_WORKSPACE),
    (lambda p: p.stop_workspace(3, 9), NOBODY),
    (lambda p: p.stop_workspace(4, 1), "workspace 4 has a start build that is running; wait for it"),
    (lambda p: p.delete_workspace(99, 1), NO_WORKSPACE),
    (lambda p: p.delete_workspace(3, 9), NOBODY),
    (lambda p: p.delete_workspace(3, 0), "there is no user 0"),
    (lambda p: p.set_workspace_ttl(99, "1h"), NO_WORKSPACE),
    (lambda p: p.set_workspace_ttl(3, "30s"), "a TTL of 30s is not one that Coder takes"),
    (lambda p: p.set_workspace_ttl(3, "soon"), '"soon" is not a duration'),
    (lambda p: p.set_workspace_ttl(1, "1h"), f"{BELONGS} change its TTL"),
    (lambda p: p.set_workspace_autostart(99, ""), NO_WORKSPACE),
    (lambda p: p.set_workspace_autostart(3, "* * * * * *"), "autostart: "),
    (lambda p: p.set_workspace_autostart(1, "0 9 * * *"), f"{BELONGS} change its autostart"),
    (lambda p: p.set_workspace_dormant(99, True), NO_WORKSPACE),
    (lambda p: p.set_workspace_dormant(1, True), f"{BELONGS} change its dormancy"),
    (lambda p: p.set_workspace_deadline(99, T0), NO_WORKSPACE),
    (lambda p: p.set_workspace_deadline(3, T0), "at least 29 minutes in the future"),
    (lambda p: p.set_workspace_deadline(3, "tomorrow"), '"tomorrow" is not an instant'),
    (lambda p: p.set_workspace_deadline(4, T0 + HOUR_US), "workspace 4 does not run; start it first"),
    (lambda p: p.set_workspace_deadline(1, T0 + HOUR_US), f"{BELONGS} change its deadline"),
    (lambda p: p.connect(99, "1h"), NO_WORKSPACE),
    (lambda p: p.connect(4, "1h"), "workspace 4 does not run; start it first"),
    (lambda p: p.connect(1, "1h"), BELONGS),
    (lambda p: p.invalidate_preset(99), "there is no preset 99"),
    (lambda p: p.set_prebuilds_quota(9, 1), "there is no organization 9"),
    (lambda p: p.set_prebuilds_quota(1, -1), "the rule no_negative_quota of groups refuses this"),
    (lambda p: p.create_daemon("d", 9), "there is no organization 9"),
    (lambda p: p.run_daemons(1, builds(), 9), "there is no organization 9"),
    (lambda p: p.acquire(9), "there is no provisioner daemon 9"),
    (lambda p: p.wait_for_job(9), "there is no provisioner daemon 9"),
    (lambda p: p.heartbeat(99, 1), NO_JOB),
    (lambda p: p.heartbeat(5, 1), "job 5 belongs to provisioner daemon 2, not to 1"),
    (lambda p: p.heartbeat(2, 1), "job 2 waits for a daemon; acquire it first"),
    (lambda p: p.heartbeat(4, 1), "job 4 is done already: it has succeeded"),
    (lambda p: p.write_log(99, [JobLine("x")]), NO_JOB),
    (lambda p: p.write_log(5, [JobLine("x", "shout")]), "the rule log_level of provisioner_job_logs refuses this"),
    (lambda p: p.log(99), NO_JOB),
    (lambda p: p.cancel_job(99), NO_JOB),
    (lambda p: p.cancel_job(4), "job 4 is done already: it has succeeded; there is nothing to cancel"),
    (lambda p: p.complete_job(99, BuildResult()), NO_JOB),
    (lambda p: p.complete_job(2, BuildResult()), "job 2 waits for a daemon; acquire it first"),
    (lambda p: p.complete_job(4, BuildResult()), "job 4 is done already"),
    (lambda p: p.complete_job(5, BuildResult(), 1), "job 5 belongs to provisioner daemon 2, not to 1"),
    (lambda p: p.complete_job(5, ImportResult(), 2), "job 5 is a workspace_build; complete it with a BuildResult"),
    (lambda p: p.complete_job(5, BuildResult((Resource(agents=(Agent("a_b"),)),))), 'agent name "a_b"'),
    (lambda p: p.complete_job(5, BuildResult(ai_tasks=(AITask(""),))), "a coder_ai_task has no app"),
    (lambda p: p.fail_job(99, "boom"), NO_JOB),
    (lambda p: p.fail_job(5, ""), "a job fails of something; say what"),
    (lambda p: p.fail_job(5, "boom", 1), "job 5 belongs to provisioner daemon 2, not to 1"),
    (lambda p: p.agent_connects(99), "there is no agent 99"),
    (lambda p: p.agent_reports(1, "happy"), '"happy" is no lifecycle state of an agent'),
    (lambda p: p.manifest(99), "there is no agent 99"),
    (lambda p: p.run_init_script(99, "token"), "agent 99"),
    (lambda p: p.external_credentials(99, "main", "https://coder.example.com"), "workspace 99"),
]


@pytest.mark.parametrize(("use", "said"), BAD_USES, ids=[str(i) for i in range(len(BAD_USES))])
def test_bad_use_is_refused_in_words_and_changes_nothing(used, use, said):
    before = dump(used.database)
    with pytest.raises(RefusedError) as refused:
        use(used)
    assert said in str(refused.value)
    assert not any(word in str(refused.value) for word in ("CHECK", "INSERT", "SELECT", "Constraint"))
    assert dump(used.database) == before


def test_what_was_refused_leaves_a_control_plane_that_works():
    plane = furnished()
    for use, _ in BAD_USES:
        with pytest.raises(RefusedError):
            use(plane)
    plane.run_daemons(2, builds())
    plane.advance(hours=1)
    assert plane.sql("SELECT * FROM provisioner_jobs WHERE completed_at IS NULL").empty


def test_an_unknown_file_of_modules_is_refused():
    plane = office()
    _, job_id = plane.create_version(1, "v2", 2)
    assert plane.acquire(1) == job_id
    with pytest.raises(RefusedError, match="there is no file 9; upload the module files first"):
        plane.complete_job(job_id, ImportResult(module_files=9), 1)
    file_id = plane.upload(b"modules", uploader=2)
    assert plane.upload(b"modules", uploader=2) == file_id
    assert plane.complete_job(job_id, ImportResult(module_files=file_id), 1) == ""


def test_a_workspace_needs_no_preset():
    plane = office()
    assert plane.create_workspace(1, 1, "dev") == (1, 1, False)
    assert plane.create_workspace(1, 1, "odd", parameters={"region": "moon"}) == (2, 2, False)
    given = plane.sql("SELECT workspace_build_id, name, value FROM workspace_build_parameters")
    assert given.to_dict("records") == [{"workspace_build_id": 2, "name": "region", "value": "moon"}]
    assert plane.sql("SELECT * FROM claims").empty, "a claim is one of a preset"
    plane.run_daemons(2, builds())
    plane.advance(minutes=10)
    done = plane.sql("SELECT job_status FROM provisioner_jobs WHERE initiator_id = 1")
    assert done["job_status"].tolist() == ["succeeded", "succeeded"]


def test_what_it_says_of_a_file_that_holds_something_else(tmp_path):
    file = tmp_path / "text.duckdb"
    file.write_text("no database" * 1000)
    with pytest.raises(Exception, match="not a DuckDB file"):
        ControlPlane(file, now=MONDAY)
