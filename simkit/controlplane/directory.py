"""Who there is: organizations, users and groups with their quota."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from simkit.controlplane.types import PREBUILDS_USER
from simkit.cron import CronError, daily_time
from simkit.errors import RefusedError, did_you_mean
from simkit.model import DEFAULT_QUIET_HOURS
from simkit.names import workspace_name_problem
from simkit.store.database import Transaction


def create_organization(tx: Transaction, name: str) -> int:
    """Raises RefusedError for a name that is taken."""
    if tx.one("SELECT 1 FROM organizations WHERE name = $name", name=name):
        raise RefusedError(f'there is an organization "{name}" already; choose another name')
    return tx.insert("organizations", name=name)


def create_user(
    tx: Transaction, username: str, quiet_hours: str = DEFAULT_QUIET_HOURS, is_template_admin: bool = False
) -> int:
    """Raises RefusedError for a name that is taken or that Coder does not take, and for unreadable quiet hours."""
    if problem := workspace_name_problem(username):
        raise RefusedError(problem.replace("workspace name", "username"))
    if tx.one("SELECT 1 FROM users WHERE lower(username) = lower($name)", name=username):
        raise RefusedError(f'there is a user "{username}" already; choose another name')
    if quiet_hours:
        try:
            daily_time(quiet_hours)
        except CronError as error:
            raise RefusedError(f"quiet hours: {error}") from error
    return tx.insert("users", username=username, quiet_hours_schedule=quiet_hours, is_template_admin=is_template_admin)


UserStatus = Literal["active", "dormant", "suspended"]


def set_status(tx: Transaction, now_at: int, user_id: int, status: UserStatus) -> None:
    """A user's status, from now on; the executor stops the workspaces of a suspended one, at its next tick.

    Raises RefusedError for an unknown id or status.
    """
    username(tx, user_id)
    if status not in get_args(UserStatus):
        raise RefusedError(f'"{status}" is no status of a user; {did_you_mean(status, get_args(UserStatus))}')
    tx.update("users", user_id, status=status, suspended_at=now_at if status == "suspended" else None)


def not_suspended(tx: Transaction, user_id: int) -> None:
    """Raises RefusedError for an unknown user and for a suspended one, who can do nothing."""
    name = username(tx, user_id)
    if tx.one("SELECT 1 FROM users WHERE id = $id AND status = 'suspended'", id=user_id):
        raise RefusedError(f'user "{name}" is suspended; make them active first')


def username(tx: Transaction, user_id: int) -> str:
    """Raises RefusedError for an id that no user has."""
    found = tx.one("SELECT username FROM users WHERE id = $id", id=user_id)
    if found is None:
        raise RefusedError(f"there is no user {user_id}")
    return str(found[0])


def create_group(
    tx: Transaction, organization_id: int, name: str, quota_allowance: int, members: Iterable[int] = ()
) -> int:
    """A group whose members, the prebuilds user (0) maybe among them, may have workspaces of this daily cost."""
    organization(tx, organization_id)
    if tx.one("SELECT 1 FROM groups WHERE organization_id = $id AND name = $name", id=organization_id, name=name):
        raise RefusedError(f'there is a group "{name}" already; choose another name')
    group_id = tx.insert("groups", organization_id=organization_id, name=name, quota_allowance=quota_allowance)
    for user_id in members:
        if user_id != PREBUILDS_USER:
            username(tx, user_id)
        tx.insert("group_members", group_id=group_id, user_id=user_id)
    return group_id


def organization(tx: Transaction, organization_id: int) -> str:
    """An organization's name. Raises RefusedError for an id that none has."""
    found = tx.one("SELECT name FROM organizations WHERE id = $id", id=organization_id)
    if found is None:
        raise RefusedError(f"there is no organization {organization_id}")
    return str(found[0])


def quota(tx: Transaction, user_id: int, organization_id: int) -> tuple[int, int]:
    """(daily cost of the user's workspaces by their latest builds, what the user's groups allow) in an organization."""
    found = tx.one(
        """
        SELECT
            (SELECT coalesce(sum(daily_cost), 0) FROM (
                SELECT b.daily_cost
                FROM workspaces AS w
                JOIN templates AS t ON t.id = w.template_id
                JOIN workspace_builds AS b ON b.workspace_id = w.id
                WHERE w.owner_id = $user AND NOT w.deleted AND t.organization_id = $organization
                QUALIFY row_number() OVER (PARTITION BY w.id ORDER BY b.build_number DESC) = 1
            )),
            (SELECT coalesce(sum(g.quota_allowance), 0)
             FROM groups AS g
             JOIN group_members AS m ON m.group_id = g.id
             WHERE m.user_id = $user AND g.organization_id = $organization)
        """,
        user=user_id,
        organization=organization_id,
    )
    assert found is not None, "an aggregate has a row"
    return int(found[0]), int(found[1])
