"""What a finished job leaves behind, whole or not at all: a failure is injected at every statement of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from controlplane_office import (
    EU,
    NONE,
    RICH_BUILD,
    RICH_PRESETS,
    T0,
    TIMINGS,
    builds,
    dump,
    import_version,
    office,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from promises import broken_promises

from simkit.clock import HOUR_US, MINUTE_US, SECOND_US
from simkit.controlplane import ControlPlane, completion
from simkit.controlplane.completion import INSUFFICIENT_QUOTA_CODE
from simkit.controlplane.types import Agent, BuildResult, ImportResult, Resource
from simkit.errors import RefusedError
from simkit.model import TemplateSchedule
from simkit.store.words import INSUFFICIENT_QUOTA_ERROR, NO_STOP_DAY_ERROR

RICH_IMPORT = ImportResult(
    start_resources=RICH_BUILD.resources,
    stop_resources=(Resource("docker_volume", "home"),),
    timings=TIMINGS,
    has_ai_task=True,
    presets=RICH_PRESETS,
    module_files=1,
)


class InjectedError(Exception):
    """What a test lets a statement fail of."""


class Injector:
    """Counts the statements of a control plane's transactions, and lets the n-th one from now on fail."""

    def __init__(self, plane: ControlPlane) -> None:
        self.seen = 0
        self.fails_at: int | None = None
        plane.database.on_statement = self

    def __call__(self, sql: str) -> None:
        self.seen += 1
        if self.seen == self.fails_at:
            raise InjectedError(sql)

    def at(self, n: int | None) -> None:
        self.seen, self.fails_at = 0, n


Job = tuple[ControlPlane, Callable[[], Any]]


def an_import() -> Job:
    plane = office()
    plane.upload(b"modules", uploader=2)
    _, job_id = plane.create_version(1, "v2", 2)
    assert plane.acquire(1) == job_id
    return plane, lambda: plane.complete_job(job_id, RICH_IMPORT, 1)


def a_dry_run() -> Job:
    plane = office()
    job_id = plane.dry_run(1, 2)
    assert plane.acquire(1) == job_id
    return plane, lambda: plane.complete_job(job_id, RICH_BUILD, 1)


def a_claim() -> Job:
    """Of a prebuild with a rich state: what the claim's plan replaces is told to the template admin."""
    plane = office()
    plane.create_group(1, "developers", 10, (1,))
    plane.set_prebuilds_quota(1, 10)
    plane.set_template_schedule(1, TemplateSchedule(default_ttl_us=8 * HOUR_US, autostop_days=0b1111111))
    plane.advance(minutes=1)
    for _ in range(2):
        job_id = plane.acquire(1)
        assert job_id is not None
        assert plane.complete_job(job_id, RICH_BUILD, 1) == ""
    for agent_id in (1, 2):
        plane.agent_connects(agent_id)
        plane.agent_reports(agent_id, "ready")
    assert plane.create_workspace(1, 1, "dev", preset_id=1, autostart="0 9 * * *").hit
    job_id = plane.acquire(1)
    assert job_id is not None
    return plane, lambda: plane.complete_job(job_id, RICH_BUILD, 1)


def running() -> ControlPlane:
    """Workspace 1 of ada's runs, an AI task."""
    plane = office(":memory:", NONE)
    plane.create_group(1, "developers", 10, (1,))
    plane.create_workspace(1, 1, "dev", preset_id=1)
    job_id = plane.acquire(1)
    assert job_id is not None
    assert plane.complete_job(job_id, RICH_BUILD, 1) == ""
    return plane


def a_build_above_quota() -> Job:
    plane = running()
    plane.create_workspace(1, 1, "more", preset_id=1)
    job_id = plane.acquire(1)
    assert job_id is not None
    dear = BuildResult((Resource(daily_cost=6),))
    return plane, lambda: plane.complete_job(job_id, dear, 1)


def a_stop() -> Job:
    plane = running()
    plane.stop_workspace(1, 1)
    job_id = plane.acquire(1)
    assert job_id is not None
    return plane, lambda: plane.complete_job(job_id, BuildResult((), TIMINGS), 1)


def a_delete() -> Job:
    plane = running()
    plane.delete_workspace(1, 1)
    job_id = plane.acquire(1)
    assert job_id is not None
    return plane, lambda: plane.complete_job(job_id, BuildResult((), TIMINGS), 1)


def a_failure() -> Job:
    plane = running()
    plane.stop_workspace(1, 1)
    job_id = plane.acquire(1)
    assert job_id is not None
    return plane, lambda: plane.fail_job(job_id, "no disk left", 1)


KINDS = [an_import, a_dry_run, a_claim, a_build_above_quota, a_stop, a_delete, a_failure]


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_at_any_statement_leaves_no_trace_of_a_half_completed_job(kind):
    plane, complete = kind()
    injector = Injector(plane)
    before, n = dump(plane.database), 0
    while True:
        n += 1
        injector.at(n)
        try:
            complete()
            break
        except InjectedError:
            assert dump(plane.database) == before, f"the failure of statement {n} left a trace"
    statements = n - 1
    injector.at(None)
    assert injector.seen == 0
    after = dump(plane.database)
    assert after != before, "in the end the job is done"
    assert statements > {a_failure: 2, a_build_above_quota: 4}.get(kind, 8), f"{statements} statements could fail"
    assert broken_promises(plane.database) == []
    # The same as if nothing had ever failed.
    untouched, complete = kind()
    complete()
    assert dump(untouched.database) == after


@pytest.mark.parametrize("kind", KINDS)
def test_an_interruption_is_undone_as_well(kind):
    plane, complete = kind()
    before = dump(plane.database)

    def interrupt(sql: str) -> None:
        if "UPDATE provisioner_jobs" in sql:
            raise KeyboardInterrupt

    plane.database.on_statement = interrupt
    with pytest.raises(KeyboardInterrupt):
        complete()
    plane.database.on_statement = lambda _: None
    assert dump(plane.database) == before
    complete()


def counts(plane: ControlPlane, *tables: str) -> tuple[int, ...]:
    return tuple(plane.database.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables)


def test_an_import_brings_presets_with_parameters_and_schedules_resources_timings_and_flags(
    caplog,
):
    plane, complete = an_import()
    assert complete() == ""
    version = plane.database.rows(
        "SELECT has_ai_task, has_external_agent, cached_module_files FROM template_versions WHERE id = 2"
    )
    assert version == [(True, False, 1)]
    assert plane.database.rows(
        "SELECT name, description, icon, is_default, desired_instances, invalidate_after_secs, scheduling_timezone "
        "FROM template_version_presets WHERE template_version_id = 2 ORDER BY id"
    ) == [("eu", "near", "/eu.svg", True, 1, 7200, "Europe/Berlin"), ("none", "", "", False, 0, 0, "")]
    assert plane.database.rows(
        "SELECT name, value FROM template_version_preset_parameters WHERE template_version_preset_id = 2 ORDER BY name"
    ) == [("region", "eu"), ("size", "large")]
    assert plane.database.rows(
        "SELECT cron_expression, desired_instances FROM template_version_preset_prebuild_schedules ORDER BY id"
    ) == [("* 8-17 * * 1-5", 3), ("* 18 * * 1-5", 0)]
    assert plane.database.rows("SELECT transition, type FROM workspace_resources WHERE job_id = 2 ORDER BY id") == [
        ("start", "docker_container"),
        ("start", "docker_volume"),
        ("stop", "docker_volume"),
    ]
    assert plane.database.rows("SELECT stage FROM provisioner_job_timings ORDER BY stage") == [("apply",), ("init",)]
    assert caplog.text.count("skipped") == 2, "the two timings with a missing end: the server says so in its own log"
    assert [timing.stage for timing in plane.timings(2)] == ["init", "apply"]
    assert counts(plane, "workspace_agents") == (0,), "a version's agents are nobody's"


def test_a_first_import_becomes_the_active_version_and_a_second_does_not():
    plane = office()
    second = import_version(plane, EU, name="v2")
    assert plane.database.rows("SELECT active_version_id FROM templates") == [(1,)]
    plane.activate_version(second)
    assert plane.database.rows("SELECT active_version_id FROM templates") == [(2,)]


def test_a_version_with_agents_that_coder_does_not_take_is_not_imported():
    plane = office()
    _, job_id = plane.create_version(1, "v2", 2)
    plane.acquire(1)
    with pytest.raises(RefusedError, match="agent name") as refused:
        plane.complete_job(job_id, ImportResult((Resource(agents=(Agent("a_b"), Agent("dev"), Agent("DEV"))),)), 1)
    assert 'agent name "DEV" is taken by agent "dev"' in str(refused.value), "every problem is told at once"
    plane.fail_job(job_id, str(refused.value), 1)
    with pytest.raises(RefusedError, match="its import has failed"):
        plane.activate_version(2)


def test_a_dry_run_makes_no_workspace():
    plane, complete = a_dry_run()
    before = counts(plane, "workspaces", "workspace_builds", "workspace_agents")
    assert complete() == ""
    assert counts(plane, "workspaces", "workspace_builds", "workspace_agents") == before
    assert plane.database.rows("SELECT type, job_status FROM provisioner_jobs WHERE id = 2") == [
        ("template_version_dry_run", "succeeded")
    ]
    assert plane.database.rows("SELECT name, daily_cost FROM workspace_resources WHERE job_id = 2 ORDER BY id") == [
        ("workspace", 3),
        ("home", 2),
    ]


def test_a_claims_build_brings_everything_that_its_result_says():
    plane, complete = a_claim()
    assert complete() == ""
    build = plane.database.rows(
        "SELECT id, epoch_us(deadline), epoch_us(max_deadline), has_ai_task, ai_task_sidebar_app_id, "
        "has_external_agent, daily_cost FROM workspace_builds WHERE build_number = 2"
    )
    done_at = T0 + MINUTE_US
    midnight_at = T0 + 16 * HOUR_US
    # 09:00 comes before the TTL is over: autostart + TTL, capped by the max deadline, which comes sooner still.
    assert build == [(3, min(T0 + 9 * HOUR_US, midnight_at), midnight_at, True, "chat-id", False, 5)]
    agent_id = plane.agents_of(1)[0]
    assert plane.database.rows(
        "SELECT workspace_id, epoch_us(happened_at), reason FROM workspace_agent_reinitializations "
        "WHERE agent_id = $id",
        id=agent_id,
    ) == [(1, done_at, "prebuild_claimed")]
    assert [d.name for d in plane.manifest(agent_id).devcontainers] == ["site", "api"]
    tokens = plane.database.rows(
        "SELECT DISTINCT auth_token FROM workspace_agents AS a JOIN workspace_builds AS b "
        "ON b.id = a.workspace_build_id WHERE b.workspace_id = 1"
    )
    assert len(tokens) == 1, "the agent of the prebuild still gets in"
    assert plane.database.rows("SELECT resource, paths FROM workspace_build_replacements") == [
        ("docker_container.workspace", "env, image")
    ]
    told = plane.database.rows(
        "SELECT DISTINCT user_id FROM notification_messages "
        "WHERE notification_template = 'TemplateWorkspaceResourceReplaced'"
    )
    assert told == [(2,)], "template admins are told"
    assert "-/+ docker_container.workspace (replace)" in plane.log(4)
    assert counts(plane, "workspace_apps", "workspace_agent_devcontainers") == (6, 6), "three builds had two of each"


def test_a_stop_keeps_that_the_build_before_it_was_an_ai_task():
    plane, complete = a_stop()
    complete()
    assert plane.database.rows(
        "SELECT transition, has_ai_task, ai_task_sidebar_app_id FROM workspace_builds ORDER BY build_number"
    ) == [("start", True, "chat-id"), ("stop", True, "chat-id")]
    assert counts(plane, "workspace_agents") == (1,)


def test_a_delete_leaves_a_deleted_workspace_whose_name_is_free():
    plane, complete = a_delete()
    complete()
    assert plane.database.rows("SELECT deleted FROM workspaces") == [(True,)]
    with pytest.raises(RefusedError, match="workspace 1 is deleted"):
        plane.start_workspace(1, 1)
    assert plane.create_workspace(1, 1, "dev", preset_id=1).workspace_id == 2


def test_a_build_above_its_owners_quota_fails_as_that_and_leaves_nothing_else():
    plane, complete = a_build_above_quota()
    agents_before = counts(plane, "workspace_agents", "workspace_resources")
    assert complete() == INSUFFICIENT_QUOTA_ERROR
    assert plane.database.rows(
        "SELECT job_status, error, error_code FROM provisioner_jobs ORDER BY id DESC LIMIT 1"
    ) == [("failed", INSUFFICIENT_QUOTA_ERROR, INSUFFICIENT_QUOTA_CODE)]
    assert counts(plane, "workspace_agents", "workspace_resources") == agents_before
    assert plane.database.rows("SELECT epoch_us(deadline) FROM workspace_builds WHERE workspace_id = 2") == [(None,)]
    # What fits exactly is allowed.
    job_id = plane.create_workspace(1, 1, "fits", preset_id=1).build_id + 1
    assert plane.acquire(1) == job_id
    assert plane.complete_job(job_id, BuildResult((Resource(daily_cost=5),)), 1) == ""


def test_a_build_that_costs_less_than_the_one_before_it_is_never_above_quota():
    plane = running()
    plane.stop_workspace(1, 1)
    plane.complete_job(plane.acquire(1), BuildResult((Resource(daily_cost=5),)), 1)
    with plane.transaction() as tx:
        tx.update("groups", 1, quota_allowance=0)
    for cost, error in ((4, ""), (5, INSUFFICIENT_QUOTA_ERROR)):
        plane.start_workspace(1, 1)
        assert plane.complete_job(plane.acquire(1), BuildResult((Resource(daily_cost=cost),)), 1) == error
        if not error:
            plane.stop_workspace(1, 1)
            plane.complete_job(plane.acquire(1), BuildResult((Resource(daily_cost=cost),)), 1)


def test_on_a_day_without_a_midnight_west_of_greenwich_the_build_fails():
    plane = office(":memory:", NONE)
    plane.create_user("eva", quiet_hours="CRON_TZ=America/Havana 0 0 * * *")
    plane.set_template_schedule(1, TemplateSchedule(autostop_days=0b1000000))
    plane.advance_to("2026-03-08T04:30:00Z")
    plane.create_workspace(3, 1, "dev", preset_id=1)
    assert plane.complete_job(plane.acquire(1), BuildResult(), 1) == NO_STOP_DAY_ERROR
    assert plane.database.rows("SELECT rule FROM lifecycle_decisions") != []
    assert counts(plane, "workspace_agents") == (0,)


def test_an_unknown_app_drops_the_flag_of_an_ai_task_and_says_so():
    plane = office(":memory:", NONE)
    plane.create_workspace(1, 1, "dev", preset_id=1)
    job_id = plane.acquire(1)
    plane.complete_job(job_id, BuildResult(ai_tasks=RICH_BUILD.ai_tasks), 1)
    assert plane.database.rows("SELECT coalesce(has_ai_task, false), ai_task_sidebar_app_id FROM workspace_builds") == [
        (False, None)
    ]
    assert 'Unknown ai_task_app_id "chat-id"' in plane.log(job_id)


def test_an_external_agent_marks_its_build():
    plane = office(":memory:", NONE)
    plane.create_workspace(1, 1, "dev", preset_id=1)
    plane.complete_job(plane.acquire(1), BuildResult((Resource(agents=(Agent(is_external=True),)),)), 1)
    assert plane.database.rows("SELECT has_external_agent FROM workspace_builds") == [(True,)]


def test_an_assignment_says_whose_build_a_job_is():
    plane, _ = a_claim()
    with plane.transaction() as tx:
        job = completion.assignment(tx, 4)
        with pytest.raises(RefusedError, match="there is no job 99"):
            completion.assignment(tx, 99)
    assert job.build is not None
    assert (job.build.workspace_id, job.build.number, job.build.user_id, job.build.is_hit) == (1, 2, 1, True)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ("create", "claim", "acquire", "complete", "fail", "cancel", "stop", "start", "delete", "ready", "advance")
        ),
        st.integers(0, 5),
        st.one_of(st.none(), st.integers(1, 25)),
    ),
    min_size=5,
    max_size=20,
)


def operate(plane: ControlPlane, what: str, i: int) -> None:
    """One thing that somebody does, to the i-th of what there is."""

    def pick(sql: str) -> int:
        found = plane.database.rows(sql)
        return int(found[i % len(found)][0]) if found else 99

    workspace_id = pick("SELECT id FROM workspaces ORDER BY id")
    taken = pick("SELECT id FROM provisioner_jobs WHERE started_at IS NOT NULL AND completed_at IS NULL ORDER BY id")
    match what:
        case "create":
            plane.create_workspace(1, 1, f"w{i}", preset_id=2)
        case "claim":
            plane.create_workspace(1, 1, f"c{i}", preset_id=1)
        case "acquire":
            plane.acquire(1)
        case "complete":
            plane.complete_job(taken, (RICH_BUILD, BuildResult(), BuildResult((Resource(daily_cost=90),)))[i % 3])
        case "fail":
            plane.fail_job(taken, "boom")
        case "cancel":
            plane.cancel_job(pick("SELECT id FROM provisioner_jobs ORDER BY id"))
        case "stop":
            plane.stop_workspace(workspace_id, 1)
        case "start":
            plane.start_workspace(workspace_id, 1)
        case "delete":
            plane.delete_workspace(workspace_id, 1)
        case "ready":
            plane.agent_reports(pick("SELECT id FROM workspace_agents ORDER BY id"), "ready")
        case "advance":
            plane.advance(minutes=(0, 1, 4, 6, 31, 70)[i])


@settings(max_examples=5)
@given(OPERATIONS, st.booleans())
def test_whatever_happens_and_fails_the_tables_stay_consistent(operations, has_daemons):
    assert_consistent(operations, has_daemons)


@pytest.mark.slow
@settings(max_examples=30)
@given(OPERATIONS, st.booleans())
def test_whatever_else_happens_and_fails_the_tables_stay_consistent(operations, has_daemons):
    assert_consistent(operations, has_daemons)


def assert_consistent(operations, has_daemons):
    plane = office(":memory:", EU, NONE)
    plane.create_group(1, "developers", 20, (1,))
    plane.set_prebuilds_quota(1, 20)
    if has_daemons:
        plane.run_daemons(1, builds(90 * SECOND_US))
    injector = Injector(plane)
    for what, i, fails_at in operations:
        before = dump(plane.database)
        injector.at(fails_at)
        try:
            operate(plane, what, i)
        except RefusedError:
            assert dump(plane.database) == before, "what is refused changes nothing"
        except InjectedError:
            # Time that went by goes on from the loop that failed; and a job may be delivered after what made it.
            if what in ("complete", "fail", "ready") and not has_daemons:
                assert dump(plane.database) == before
        assert broken_promises(plane.database) == []
    injector.at(None)
    plane.advance(hours=1)
    assert broken_promises(plane.database) == []
    plane.database.close()
