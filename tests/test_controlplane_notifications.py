"""Who is told what: a row for each person, in Coder's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from simkit.clock import DAY_US, HOUR_US
from simkit.controlplane import notifications
from simkit.controlplane.types import Replacement
from simkit.errors import RefusedError
from simkit.store.database import Database, Transaction

NOW_AT = 1_772_442_000_000_000
REPLACED = Replacement("docker_container.workspace[0]", ("env", "hostname"))


@pytest.fixture
def tx() -> Iterator[Transaction]:
    with Database(":memory:", "test") as database, database.transaction() as transaction:
        populate(transaction)
        yield transaction


def populate(tx: Transaction) -> None:
    """Ann (1) owns workspace 1 with build 1; Bob (2) and Cid (3) are template admins; workspace 2 is a prebuild."""
    for name, is_admin in (("ann", False), ("bob", True), ("cid", True)):
        tx.insert("users", username=name, quiet_hours_schedule="", is_template_admin=is_admin)
    insert_template(tx)
    insert_preset(tx, "v1", created_at=0)
    insert_build(tx, owner_id=1)
    insert_build(tx, owner_id=0)


def insert_template(tx: Transaction) -> None:
    columns = "default_ttl activity_bump autostart_days_of_week autostop_requirement_days_of_week failure_ttl"
    columns += " autostop_requirement_weeks time_til_dormant time_til_dormant_autodelete"
    numbers = dict.fromkeys(columns.split(), 0)
    tx.insert("templates", name="docker", allow_user_autostart=True, allow_user_autostop=True, **numbers)


def insert_preset(tx: Transaction, version: str, created_at: int) -> int:
    version_id = tx.insert("template_versions", template_id=1, name=version, created_at=created_at)
    return tx.insert(
        "template_version_presets",
        template_version_id=version_id,
        name="large",
        description="",
        icon="",
        is_default=False,
        desired_instances=1,
        invalidate_after_secs=0,
        scheduling_timezone="",
        timezone="UTC",
        cost_per_instance_hour=0.0,
    )


def insert_build(tx: Transaction, owner_id: int, workspace_id: int | None = None, **columns: Any) -> int:
    """A start build, of a new workspace `dev` if none is named."""
    if workspace_id is None:
        row = {"owner_id": owner_id, "template_id": 1, "deleted": False, "name": "dev"}
        workspace_id = tx.insert("workspaces", created_at=0, **row)
    count = tx.one("SELECT count(*) FROM workspace_builds WHERE workspace_id = $id", id=workspace_id)
    assert count is not None
    given = {
        "created_at": 0,
        "workspace_id": workspace_id,
        "template_version_id": 1,
        "template_version_preset_id": 1,
        "build_number": count[0] + 1,
        "transition": "start",
        "initiator_id": owner_id,
        "job_id": tx.insert("provisioner_jobs", created_at=0, initiator_id=owner_id),
        "reason": "initiator",
    }
    return tx.insert("workspace_builds", **(given | columns))


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
