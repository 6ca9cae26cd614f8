"""A build is an AI task if its sidebar app exists; a stop keeps what the build before it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simkit.clock import SECOND_US
from simkit.controlplane import ai_tasks
from simkit.controlplane.types import AITask, App, Transition
from simkit.errors import RefusedError
from simkit.store.database import Database, Transaction

T0 = 1_750_000_000 * SECOND_US
CHAT = App("chat-id", "chat")


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
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "start", [AITask("chat-id")], [CHAT]) == (True, "chat-id")
    assert logs(tx) == []


def test_a_build_without_a_task_is_none(tx: Transaction) -> None:
    job_id, build_id = build(tx, 1, "start")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "start", [], [CHAT]) == (False, None)
    assert logs(tx) == []


def test_a_task_needs_a_sidebar_app(tx: Transaction) -> None:
    job_id, build_id = build(tx, 1, "start")
    with pytest.raises(RefusedError, match=r"a coder_ai_task has no sidebar_app; write sidebar_app \{"):
        ai_tasks.resolve(tx, T0, job_id, build_id, "start", [AITask("")], [CHAT])


def test_an_unknown_app_drops_the_flag_and_warns_in_the_jobs_logs(tx: Transaction) -> None:
    job_id, build_id = build(tx, 1, "start")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "start", [AITask("gone")], [CHAT]) == (False, None)
    found = logs(tx)
    assert {(job, level, source) for job, level, source, _ in found} == {(job_id, "warn", "provisioner_daemon")}
    assert '"gone"' in found[0][3]
    assert "coder_app" in found[1][3]


def test_the_slug_of_an_app_is_not_its_id(tx: Transaction) -> None:
    job_id, build_id = build(tx, 1, "start")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "start", [AITask("chat")], [CHAT]) == (False, None)


def test_a_stop_keeps_what_the_build_before_it_was_without_a_warning(tx: Transaction) -> None:
    build(tx, 1, "start", True, "chat-id")
    job_id, build_id = build(tx, 2, "stop")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "stop", [], []) == (True, "chat-id")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "stop", [AITask("gone")], []) == (True, "chat-id")
    assert logs(tx) == []


@pytest.mark.parametrize("flag", [None, False])
def test_a_stop_after_a_build_that_was_no_task_is_none(tx: Transaction, flag: bool | None) -> None:
    build(tx, 1, "start", flag)
    job_id, build_id = build(tx, 2, "stop")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "stop", [AITask("chat-id")], [CHAT]) == (False, None)


def test_the_build_just_before_decides_not_an_older_one(tx: Transaction) -> None:
    build(tx, 1, "start", True, "chat-id")
    build(tx, 2, "start", False)
    job_id, build_id = build(tx, 3, "stop")
    assert ai_tasks.resolve(tx, T0, job_id, build_id, "stop", [], []) == (False, None)


@pytest.mark.parametrize("transition", ["start", "delete"])
def test_only_a_stop_keeps_the_flag(tx: Transaction, transition: Transition) -> None:
    build(tx, 1, "start", True, "chat-id")
    job_id, build_id = build(tx, 2, transition)
    assert ai_tasks.resolve(tx, T0, job_id, build_id, transition, [], []) == (False, None)


def test_the_answer_satisfies_the_tables_rule_and_half_of_it_does_not(tx: Transaction) -> None:
    job_id, build_id = build(tx, 1, "start")
    flag, app_id = ai_tasks.resolve(tx, T0, job_id, build_id, "start", [AITask("chat-id")], [CHAT])
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
        ai_tasks.resolve(tx, T0, 1, 99, "start", [], [])
