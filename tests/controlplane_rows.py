"""Rows of a control plane's tables for tests that need no control plane: three people, a template, two builds."""

from __future__ import annotations

from typing import Any

from simkit.store.database import Transaction

NOW_AT = 1_772_442_000_000_000


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
