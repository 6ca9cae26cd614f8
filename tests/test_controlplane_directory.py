"""Organizations, users and groups, and what a user's groups allow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simkit.controlplane import directory, templates, workspaces
from simkit.controlplane.types import PREBUILDS_USER
from simkit.errors import RefusedError
from simkit.model import TemplateSchedule
from simkit.store.database import Database, Transaction


@pytest.fixture
def tx() -> Iterator[Transaction]:
    """Organization 1 with user 1, template 1 (of a version 1 that nobody imported)."""
    with Database(":memory:", "test") as database, database.transaction() as transaction:
        directory.create_organization(transaction, "acme")
        directory.create_user(transaction, "ada")
        templates.create(transaction, "docker", 1, TemplateSchedule())
        yield transaction


def workspace(tx: Transaction, owner_id: int, cost: int, template_id: int = 1) -> int:
    workspace_id, build_id = workspaces.insert(tx, 1, owner_id, template_id, 1, 1, 1)
    tx.update("workspace_builds", build_id, daily_cost=cost)
    return workspace_id


def test_names_are_taken_once(tx):
    with pytest.raises(RefusedError, match='there is an organization "acme" already'):
        directory.create_organization(tx, "acme")
    for name in ("ada", "ADA"):
        with pytest.raises(RefusedError, match=f'there is a user "{name}" already'):
            directory.create_user(tx, name)
    directory.create_group(tx, 1, "developers", 0)
    with pytest.raises(RefusedError, match='there is a group "developers" already'):
        directory.create_group(tx, 1, "developers", 5)
    other = directory.create_organization(tx, "other")
    assert directory.create_group(tx, other, "developers", 5) == 2


@pytest.mark.parametrize("name", ["", "a_b", "-a", "a--b", "new", "x" * 33])
def test_a_username_is_what_coder_takes(tx, name):
    with pytest.raises(RefusedError, match="username"):
        directory.create_user(tx, name)


def test_quiet_hours_may_be_missing_but_not_unreadable(tx):
    assert directory.create_user(tx, "eve", quiet_hours="") == 2
    with pytest.raises(RefusedError, match="quiet hours: "):
        directory.create_user(tx, "bob", quiet_hours="sometimes")


def test_a_users_status_holds_from_now_on(tx):
    directory.set_status(tx, 77, 1, "suspended")
    assert tx.one("SELECT status, epoch_us(suspended_at) FROM users WHERE id = 1") == ("suspended", 77)
    with pytest.raises(RefusedError, match="is suspended"):
        directory.not_suspended(tx, 1)
    directory.set_status(tx, 78, 1, "dormant")
    assert tx.one("SELECT status, suspended_at FROM users WHERE id = 1") == ("dormant", None)
    directory.not_suspended(tx, 1)


def test_quota_is_the_sum_of_what_groups_of_the_organization_allow(tx):
    other = directory.create_organization(tx, "other")
    directory.create_group(tx, 1, "a", 3, (1, PREBUILDS_USER))
    directory.create_group(tx, 1, "b", 4, (1,))
    directory.create_group(tx, other, "c", 100, (1,))
    assert directory.quota(tx, 1, 1) == (0, 7)
    assert directory.quota(tx, 1, other) == (0, 100)
    assert directory.quota(tx, PREBUILDS_USER, 1) == (0, 3)
    assert directory.quota(tx, 99, 1) == (0, 0)


def test_what_a_user_consumes_is_the_cost_of_latest_builds_of_workspaces_that_are_not_deleted(tx):
    first = workspace(tx, 1, 5)
    workspace(tx, 1, 3)
    workspace(tx, PREBUILDS_USER, 50)
    gone = workspace(tx, 1, 100)
    tx.update("workspaces", gone, deleted=True)
    assert directory.quota(tx, 1, 1) == (8, 0)
    build_id = workspaces.insert_build(tx, 2, first, 2, "stop", 1, 1, 1, 1)
    assert directory.quota(tx, 1, 1) == (3, 0), "a stop costs nothing until it says so"
    tx.update("workspace_builds", build_id, daily_cost=1)
    assert directory.quota(tx, 1, 1) == (4, 0)


def test_a_workspace_costs_where_its_template_is(tx):
    other = directory.create_organization(tx, "other")
    template_id = templates.create(tx, "docker", other, TemplateSchedule())
    workspace(tx, 1, 5, template_id)
    assert directory.quota(tx, 1, 1) == (0, 0)
    assert directory.quota(tx, 1, other) == (5, 0)
