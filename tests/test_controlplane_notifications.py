"""Who is told what: a row for each person, in Coder's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from controlplane_rows import NOW_AT, insert_build, insert_preset, populate

from simkit.clock import DAY_US, HOUR_US
from simkit.controlplane import notifications
from simkit.controlplane.types import Replacement
from simkit.errors import RefusedError
from simkit.store.database import Database, Transaction

REPLACED = Replacement("docker_container.workspace[0]", ("env", "hostname"))


@pytest.fixture
def tx() -> Iterator[Transaction]:
    with Database(":memory:", "test") as database, database.transaction() as transaction:
        populate(transaction)
        yield transaction


def told(tx: Transaction) -> list[tuple[Any, ...]]:
    """(user, template, title, workspace) of every message."""
    return tx.execute(
        "SELECT user_id, notification_template, title, workspace_id FROM notification_messages ORDER BY id"
    )


def body(tx: Transaction) -> str:
    found = tx.one("SELECT body FROM notification_messages ORDER BY id DESC")
    assert found is not None
    return str(found[0])


def test_a_message_is_a_row_with_its_instant(tx):
    message = notifications.notify(tx, NOW_AT, 1, "TemplateWorkspaceDormant", "title", "body", 1)
    row = tx.one("SELECT id, epoch_us(created_at), user_id, body, workspace_id FROM notification_messages")
    assert row == (message, NOW_AT, 1, "body", 1)


def test_nobody_unknown_is_told_and_nothing_unknown(tx):
    with pytest.raises(RefusedError, match="there is no user 9"):
        notifications.notify(tx, NOW_AT, 9, "TemplateWorkspaceDormant", "", "")
    with pytest.raises(RefusedError, match='write "TemplateWorkspaceDormant"'):
        notifications.notify(tx, NOW_AT, 1, "TemplateWorkspaceDorman", "", "")  # type: ignore[arg-type]
    assert told(tx) == []


def test_every_template_admin_hears_what_a_claim_replaced(tx):
    assert notifications.resource_replaced(tx, NOW_AT, 1, [REPLACED]) == [1, 2]
    title = "There might be a problem with a recently claimed prebuilt workspace"
    assert told(tx) == [(user, "TemplateWorkspaceResourceReplaced", title, 1) for user in (2, 3)]
    said = body(tx)
    assert said.startswith("Workspace dev was claimed from a prebuilt workspace by ann.\n")
    assert "docker_container.workspace[0] was replaced due to changes to env, hostname\n" in said
    assert said.endswith("NOTE: this prebuilt workspace used the large preset.")


def test_a_replacement_without_attributes_is_told_to_nobody(tx):
    assert notifications.resource_replaced(tx, NOW_AT, 1, [Replacement("docker_volume.home", ())]) == []


def test_the_failure_limit_is_told_once_for_each_presets_version(tx):
    assert len(notifications.prebuild_failure_limit_reached(tx, NOW_AT, 1)) == 2
    assert body(tx).startswith(
        "The number of failed prebuilds has reached the hard limit for template docker and preset large."
    )
    assert notifications.prebuild_failure_limit_reached(tx, NOW_AT + HOUR_US, 1) == []
    later = insert_preset(tx, "v2", NOW_AT + DAY_US)
    assert len(notifications.prebuild_failure_limit_reached(tx, NOW_AT + 2 * DAY_US, later)) == 2
    assert len(told(tx)) == 4


def test_an_owner_hears_that_the_workspace_is_dormant_and_when_it_goes(tx):
    assert notifications.workspace_dormant(tx, NOW_AT, 1) == 1
    assert told(tx) == [(1, "TemplateWorkspaceDormant", 'Workspace "dev" marked as dormant', 1)]
    assert "deleted" not in body(tx)
    for left_us, words in (
        (DAY_US, "24 hours"),
        (14 * DAY_US + HOUR_US, "14 days"),
        (HOUR_US, "1 hour "),
        (-1, "0 hours"),
    ):
        tx.update("workspaces", 1, deleting_at=NOW_AT + left_us)
        notifications.workspace_dormant(tx, NOW_AT, 1)
        assert f"will be automatically deleted in {words}" in body(tx)


def test_an_owner_hears_that_the_workspace_is_marked_for_deletion(tx):
    with pytest.raises(RefusedError, match="no deleting_at"):
        notifications.workspace_marked_for_deletion(tx, NOW_AT, 1)
    tx.update("workspaces", 1, deleting_at=NOW_AT + DAY_US)
    notifications.workspace_marked_for_deletion(tx, NOW_AT, 1)
    assert told(tx) == [(1, "TemplateWorkspaceMarkedForDeletion", 'Workspace "dev" marked for deletion', 1)]
    assert "after 24 hours of dormancy" in body(tx)
    assert "because of template updated to new dormancy policy." in body(tx)


def test_an_owner_hears_why_the_workspace_was_deleted_but_for_the_one_who_did_it(tx):
    by_itself = insert_build(tx, 1, 1, transition="delete", reason="autodelete")
    notifications.workspace_deleted(tx, NOW_AT, by_itself)
    assert told(tx) == [(1, "TemplateWorkspaceDeleted", 'Workspace "dev" deleted', 1)]
    assert '"autodeleted due to dormancy (autobuild)"' in body(tx)
    notifications.workspace_deleted(tx, NOW_AT, insert_build(tx, 1, 1, transition="delete", initiator_id=2))
    assert '"initiated by user (bob)"' in body(tx)
    assert notifications.workspace_deleted(tx, NOW_AT, insert_build(tx, 1, 1, transition="delete")) is None


def test_admins_hear_of_a_persons_failed_build_and_the_owner_of_one_by_itself(tx):
    assert len(notifications.build_failed(tx, NOW_AT, 1)) == 2
    assert told(tx)[0] == (2, "TemplateWorkspaceManualBuildFailed", 'Workspace "dev" manual build failed', 1)
    assert "using the template docker failed (version: v1)" in body(tx)
    assert body(tx).endswith("The workspace build was initiated by ann.")
    assert len(notifications.build_failed(tx, NOW_AT, insert_build(tx, 1, 1, reason="autostart"))) == 1
    assert told(tx)[-1] == (1, "TemplateWorkspaceAutobuildFailed", 'Workspace "dev" autobuild failed', 1)
    assert 'The specified reason was "autostart".' in body(tx)


def test_nobody_hears_of_a_prebuild(tx):
    assert notifications.build_failed(tx, NOW_AT, 2) == []
    assert notifications.workspace_dormant(tx, NOW_AT, 2) is None
    assert notifications.workspace_deleted(tx, NOW_AT, insert_build(tx, 0, 2, reason="autodelete")) is None
    assert told(tx) == []


@pytest.mark.parametrize(
    "tell",
    [
        lambda tx: notifications.resource_replaced(tx, NOW_AT, 99, [REPLACED]),
        lambda tx: notifications.prebuild_failure_limit_reached(tx, NOW_AT, 99),
        lambda tx: notifications.workspace_dormant(tx, NOW_AT, 99),
        lambda tx: notifications.workspace_deleted(tx, NOW_AT, 99),
        lambda tx: notifications.build_failed(tx, NOW_AT, 99),
    ],
)
def test_an_unknown_id_is_refused(tx, tell):
    with pytest.raises(RefusedError, match=r"there is no .* 99; name one"):
        tell(tx)
