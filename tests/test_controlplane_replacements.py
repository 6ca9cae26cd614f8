"""What a claim replaced is recorded, logged in its build and told; what is no claim's is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from controlplane_rows import NOW_AT, insert_build, populate

from simkit.controlplane import replacements
from simkit.controlplane.types import Replacement
from simkit.errors import RefusedError
from simkit.store.database import Database, Transaction

CONTAINER = Replacement("docker_container.workspace[0]", ("name", "env"))


@pytest.fixture
def tx() -> Iterator[Transaction]:
    with Database(":memory:", "test") as database, database.transaction() as transaction:
        populate(transaction)
        yield transaction


@pytest.fixture
def claimed(tx: Transaction) -> tuple[Transaction, int]:
    """Ann takes the prebuild (workspace 2): (transaction, the claim's build)."""
    tx.update("workspaces", 2, owner_id=1)
    build_id = insert_build(tx, 1, 2)
    row = {"preset_id": 1, "user_id": 1, "workspace_id": 2, "workspace_build_id": build_id, "hit": True}
    tx.insert("claims", created_at=0, **row)
    return tx, build_id


def recorded(tx: Transaction) -> list[tuple[Any, ...]]:
    return tx.execute(
        "SELECT workspace_build_id, resource, paths, epoch_us(happened_at) FROM workspace_build_replacements "
        "ORDER BY resource"
    )


def logged(tx: Transaction) -> list[tuple[Any, ...]]:
    return tx.execute("SELECT job_id, level, stage, output FROM provisioner_job_logs ORDER BY id")


def test_a_claims_replacements_are_recorded_logged_and_told_to_every_template_admin(claimed):
    tx, build_id = claimed
    assert len(replacements.record(tx, NOW_AT, build_id, [CONTAINER])) == 2
    assert recorded(tx) == [(build_id, "docker_container.workspace[0]", "name, env", NOW_AT)]
    job = tx.one("SELECT job_id FROM workspace_builds WHERE id = $id", id=build_id)[0]
    assert {row[:3] for row in logged(tx)} == {(job, "warn", "Planning infrastructure")}
    assert [row[3] for row in logged(tx)] == [
        "Resource replacements:",
        "  -/+ docker_container.workspace[0] (replace)",
        "      ~ env (forces replacement)",
        "      ~ name (forces replacement)",
    ]
    assert tx.one("SELECT count(*) FROM notification_messages WHERE workspace_id = 2") == (2,)


def test_a_build_that_claims_nothing_records_nothing(tx):
    assert replacements.record(tx, NOW_AT, 1, [CONTAINER]) == []
    assert recorded(tx) == logged(tx) == []


def test_coders_own_resources_are_left_out_wherever_they_are(claimed):
    tx, build_id = claimed
    for address in (
        "coder_agent.main",
        "coder_agent.main[0]",
        'module.ide["a.b"].coder_app.code',
        "module.m[0].coder_x.y",
    ):
        assert replacements.record(tx, NOW_AT, build_id, [Replacement(address, ("arch",))]) == []
    assert recorded(tx) == logged(tx) == []
    named = Replacement("docker_container.coder_box", ("env",))
    assert len(replacements.record(tx, NOW_AT, build_id, [named])) == 2


def test_one_resource_that_is_named_twice_is_one_row_with_every_path(claimed):
    tx, build_id = claimed
    replacements.record(tx, NOW_AT, build_id, [CONTAINER, Replacement(CONTAINER.resource, ("image", "env"))])
    assert [row[2] for row in recorded(tx)] == ["name, env, image"]


def test_a_replacement_without_attributes_is_only_logged(claimed):
    tx, build_id = claimed
    assert replacements.record(tx, NOW_AT, build_id, [Replacement("docker_volume.home", ())]) == []
    assert recorded(tx) == []
    assert logged(tx)[-1][3] == "      ~ replacement reason unavailable"


def test_no_replacement_is_no_log(claimed):
    tx, build_id = claimed
    assert replacements.record(tx, NOW_AT, build_id, []) == []
    assert logged(tx) == []


def test_an_unknown_build_is_refused(tx):
    with pytest.raises(RefusedError, match="there is no workspace build 99; name one"):
        replacements.record(tx, NOW_AT, 99, [CONTAINER])
