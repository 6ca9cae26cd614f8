"""A build is an AI task if its sidebar app exists; a stop keeps what the build before it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from controlplane_office import office

from simkit.clock import SECOND_US
from simkit.coder_versions import BEHAVIOURS
from simkit.controlplane import Outcome, ai_tasks
from simkit.controlplane.types import Agent, AITask, App, BuildResult, ImportResult, Resource, Transition
from simkit.errors import RefusedError
from simkit.store.database import Database, Transaction

T0 = 1_750_000_000 * SECOND_US
CHAT = App("chat-id", "chat")
V24, V26, V35 = (BEHAVIOURS[version] for version in ("v2.24", "v2.26", "v2.35"))


@pytest.fixture
def tx() -> Iterator[Transaction]:
    with Database(":memory:", "test") as database, database.transaction() as transaction:
        yield transaction


def build(
    tx: Transaction, number: int, transition: Transition, flag: bool | None = None, app_id: str | None = None
) -> tuple[int, int]:
    """(job, build) of workspace 1."""
    job_id = tx.insert("provisioner_jobs", created_at=T0, started_at=T0, initiator_id=1)
    build_id = tx.insert(
        "workspace_builds",
        created_at=T0,
        workspace_id=1,
        template_version_id=1,
        template_version_preset_id=1,
        build_number=number,
        transition=transition,
        initiator_id=1,
        job_id=job_id,
        reason="initiator",
        has_ai_task=flag,
        ai_task_sidebar_app_id=app_id,
    )
    return job_id, build_id


def logs(tx: Transaction) -> list[tuple[int, str, str, str]]:
    return tx.execute("SELECT job_id, level, source, output FROM provisioner_job_logs ORDER BY id")


def test_a_task_whose_app_exists_sets_the_flag(tx: Transaction) -> None:
    job_id, build_id = build(tx, 1, "start")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "start", [AITask("chat-id")], [CHAT], V26) == (True, "chat-id")
    assert logs(tx) == []


def test_a_build_without_a_task_is_none(tx: Transaction) -> None:
    job_id, build_id = build(tx, 1, "start")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "start", [], [CHAT], V26) == (False, None)
    assert logs(tx) == []


def test_a_task_needs_a_sidebar_app(tx: Transaction) -> None:
    job_id, build_id = build(tx, 1, "start")
    with pytest.raises(RefusedError, match=r"a coder_ai_task has no sidebar_app; write sidebar_app \{"):
        ai_tasks.resolve(tx, T0, job_id, build_id, "start", [AITask("")], [CHAT], V26)


def test_an_unknown_app_drops_the_flag_and_warns_in_the_jobs_logs(tx: Transaction) -> None:
    job_id, build_id = build(tx, 1, "start")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "start", [AITask("gone")], [CHAT], V26) == (False, None)
    found = logs(tx)
    assert {(job, level, source) for job, level, source, _ in found} == {(job_id, "warn", "provisioner_daemon")}
    assert '"gone"' in found[0][3]
    assert "coder_app" in found[1][3]


def test_the_slug_of_an_app_is_not_its_id(tx: Transaction) -> None:
    job_id, build_id = build(tx, 1, "start")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "start", [AITask("chat")], [CHAT], V26) == (False, None)


def test_a_stop_keeps_what_the_build_before_it_was_without_a_warning(tx: Transaction) -> None:
    build(tx, 1, "start", True, "chat-id")
    job_id, build_id = build(tx, 2, "stop")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "stop", [], [], V26) == (True, "chat-id")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "stop", [AITask("gone")], [], V26) == (True, "chat-id")
    assert logs(tx) == []


@pytest.mark.parametrize("flag", [None, False])
def test_a_stop_after_a_build_that_was_no_task_is_none(tx: Transaction, flag: bool | None) -> None:
    build(tx, 1, "start", flag)
    job_id, build_id = build(tx, 2, "stop")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "stop", [AITask("chat-id")], [CHAT], V26) == (False, None)


def test_the_build_just_before_decides_not_an_older_one(tx: Transaction) -> None:
    build(tx, 1, "start", True, "chat-id")
    build(tx, 2, "start", False)
    job_id, build_id = build(tx, 3, "stop")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "stop", [], [], V26) == (False, None)


@pytest.mark.parametrize("transition", ["start", "delete"])
def test_only_a_stop_keeps_the_flag(tx: Transaction, transition: Transition) -> None:
    build(tx, 1, "start", True, "chat-id")
    job_id, build_id = build(tx, 2, transition)
    assert ai_tasks.resolve(tx, T0, job_id, build_id, transition, [], [], V26) == (False, None)


def test_the_answer_satisfies_the_tables_rule_and_half_of_it_does_not(tx: Transaction) -> None:
    job_id, build_id = build(tx, 1, "start")
    flag, app_id = ai_tasks.resolve(tx, T0, job_id, build_id, "start", [AITask("chat-id")], [CHAT], V26)
    tx.update("workspace_builds", build_id, has_ai_task=flag, ai_task_sidebar_app_id=app_id)
    assert tx.execute("SELECT has_ai_task, ai_task_sidebar_app_id FROM workspace_builds") == [(True, "chat-id")]
    with (
        Database(":memory:", "other") as other,
        pytest.raises(RefusedError, match="workspace_builds_ai_task_sidebar_app_id_required"),
        other.transaction() as broken,
    ):
        build(broken, 1, "start", True, None)


def test_an_unknown_build_is_refused(tx: Transaction) -> None:
    with pytest.raises(RefusedError, match="there is no workspace build 99"):
        ai_tasks.resolve(tx, T0, 1, 99, "start", [], [], V26)


def test_in_the_oldest_version_a_stop_loses_the_task(tx: Transaction) -> None:
    build(tx, 1, "start", True, "chat-id")
    job_id, build_id = build(tx, 2, "stop")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "stop", [], [], V24) == (False, None)


@pytest.mark.parametrize(
    ("task", "found"),
    [
        (AITask(app_id="chat-id"), (True, "chat-id")),
        (AITask("gone", app_id="chat-id"), (True, "chat-id")),
        (AITask("chat-id"), (True, "chat-id")),
        (AITask(app_id="gone"), (False, None)),
    ],
)
def test_newer_versions_take_the_app_id_and_else_the_sidebar_app(tx: Transaction, task: AITask, found) -> None:
    job_id, build_id = build(tx, 1, "start")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "start", [task], [CHAT], V35) == found
    with pytest.raises(RefusedError, match="write app_id"):
        ai_tasks.resolve(tx, T0, job_id, build_id, "start", [AITask()], [CHAT], V35)


def test_a_task_is_kept_with_the_app_of_each_build() -> None:
    work = BuildResult((Resource(agents=(Agent(apps=(CHAT,)),)),), ai_tasks=(AITask(app_id="chat-id"),))
    plane = office()
    with pytest.raises(RefusedError, match="has no coder_ai_task"):
        plane.create_task(1, 1, "fix", "fix the bug")
    version_id, job_id = plane.create_version(1, "v2", 2)
    assert plane.acquire(1) == job_id
    plane.complete_job(job_id, ImportResult(has_ai_task=True), 1)
    plane.activate_version(version_id)
    plane.run_daemons(1, lambda job: Outcome(result=work if job.build.transition == "start" else BuildResult(())))
    assert plane.create_task(1, 1, "fix", "fix the bug") == 1
    plane.advance(minutes=1)
    plane.stop_workspace(1, 1)
    plane.advance(minutes=1)
    assert plane.database.rows("SELECT name, prompt, workspace_id FROM tasks") == [("fix", "fix the bug", 1)]
    linked = plane.database.rows("SELECT workspace_build_number, app_id FROM task_workspace_apps ORDER BY ALL")
    assert linked == [(1, "chat-id"), (2, "chat-id")], "a stop keeps it"
    with pytest.raises(RefusedError, match="has no tasks of their own"):
        office(coder="v2.26").create_task(1, 1, "fix", "fix the bug")
