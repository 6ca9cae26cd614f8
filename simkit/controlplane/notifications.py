"""What Coder tells people: a row for each person and message, in Coder's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from simkit.clock import DAY_US, HOUR_US
from simkit.controlplane.types import PREBUILDS_USER, Replacement
from simkit.errors import RefusedError, did_you_mean
from simkit.store.database import Transaction

# Named as in Coder's coderd/notifications/events.go.
Template = Literal[
    "TemplateWorkspaceAutobuildFailed",
    "TemplateWorkspaceDeleted",
    "TemplateWorkspaceDormant",
    "TemplateWorkspaceManualBuildFailed",
    "TemplateWorkspaceMarkedForDeletion",
    "TemplateWorkspaceResourceReplaced",
    "PrebuildFailureLimitReached",
]

_DOCS = "https://coder.com/docs/admin/templates"
_REPLACEMENTS = f"{_DOCS}/extending-templates/prebuilt-workspaces#preventing-resource-replacement"
_DORMANCY = f"{_DOCS}/managing-templates/schedule#dormancy-threshold"
_AUTO_DELETION = f"{_DOCS}/managing-templates/schedule#dormancy-auto-deletion"


def notify(
    tx: Transaction,
    now_at: int,
    user_id: int,
    template: Template,
    title: str,
    body: str,
    workspace_id: int | None = None,
) -> int:
    """Tell a user and return the message's id. Raises RefusedError for an unknown template or user."""
    if template not in get_args(Template):
        names = get_args(Template)
        raise RefusedError(f'"{template}" is no notification template; {did_you_mean(template, names)}')
    if tx.one("SELECT 1 FROM users WHERE id = $id", id=user_id) is None:
        raise RefusedError(f"there is no user {user_id} to tell; name one that was created")
    return tx.insert(
        "notification_messages",
        created_at=now_at,
        user_id=user_id,
        notification_template=template,
        title=title,
        body=body,
        workspace_id=workspace_id,
    )


def template_admins(tx: Transaction) -> list[int]:
    """The ids of all template admins, whatever their status: Coder asks for the role alone."""
    return [int(id) for (id,) in tx.execute("SELECT id FROM users WHERE is_template_admin ORDER BY id")]


def resource_replaced(tx: Transaction, now_at: int, build_id: int, replacements: Sequence[Replacement]) -> list[int]:
    """Tell every template admin what a claim's build replaced; the messages' ids.

    Only replacements whose attributes are known are told, as in Coder; without one nobody is. Raises RefusedError for
    an unknown build.
    """
    build = _build(tx, build_id)
    told = sorted((r.resource, ", ".join(r.paths)) for r in replacements if r.paths)
    if not told:
        return []
    listed = "\n".join(f"{resource} was replaced due to changes to {paths}" for resource, paths in told)
    body = (
        f"Workspace {build.workspace} was claimed from a prebuilt workspace by {build.owner}.\n\n"
        "During the claim, Terraform destroyed and recreated the following resources\n"
        f"because one or more immutable attributes changed:\n\n{listed}\n\n"
        "When Terraform must change an immutable attribute, it replaces the entire resource.\n"
        "If you're using prebuilds to speed up provisioning, unexpected replacements will slow down\n"
        "workspace startup—even when claiming a prebuilt environment.\n\n"
        "For tips on preventing replacements and improving claim performance, see this guide "
        f"({_REPLACEMENTS}).\n\n"
        f"NOTE: this prebuilt workspace used the {build.preset} preset."
    )
    title = "There might be a problem with a recently claimed prebuilt workspace"
    return [
        notify(tx, now_at, admin, "TemplateWorkspaceResourceReplaced", title, body, build.workspace_id)
        for admin in template_admins(tx)
    ]


def prebuild_failure_limit_reached(tx: Transaction, now_at: int, preset_id: int) -> list[int]:
    """Tell every template admin that a preset is hard-limited, once; the messages' ids, none if they know already.

    Once for each preset: a new template version's presets are told anew. Raises RefusedError for an unknown preset.
    """
    found = tx.one(
        "SELECT t.name, p.name, epoch_us(v.created_at) FROM template_version_presets AS p "
        "JOIN template_versions AS v ON v.id = p.template_version_id JOIN templates AS t ON t.id = v.template_id "
        "WHERE p.id = $id",
        id=preset_id,
    )
    if found is None:
        raise RefusedError(f"there is no preset {preset_id}; name one of a version that was imported")
    template, preset, created_at = found
    body = (
        f"The number of failed prebuilds has reached the hard limit for template {template} and preset {preset}.\n\n"
        "To resume prebuilds, fix the underlying issue and upload a new template version."
    )
    # Coder keeps in the preset that it has told (prebuild_status); here the messages since its version was made say so.
    if tx.one(
        "SELECT 1 FROM notification_messages WHERE notification_template = 'PrebuildFailureLimitReached' "
        "AND body = $body AND created_at >= make_timestamptz($since::BIGINT)",
        body=body,
        since=created_at,
    ):
        return []
    title = "There is a problem creating prebuilt workspaces for the preset"
    return [notify(tx, now_at, admin, "PrebuildFailureLimitReached", title, body) for admin in template_admins(tx)]


def workspace_dormant(tx: Transaction, now_at: int, workspace_id: int) -> int | None:
    """Tell the owner that the workspace is dormant, and when it will be deleted if its `deleting_at` says so.

    The message's id, None for a prebuild, whose owner reads nothing. Raises RefusedError for an unknown workspace.
    """
    owner_id, name, deleting_at = _workspace(tx, workspace_id)
    body = (
        f"Your workspace {name} has been marked as dormant ({_DORMANCY}) due to inactivity exceeding the dormancy "
        "threshold.\n\n"
    )
    if deleting_at is None:
        body += "Activate your workspace using the link below to resume working in it."
    else:
        body += (
            f"This workspace will be automatically deleted in {_in_words(deleting_at - now_at)} if it remains "
            "inactive.\n\nTo prevent deletion, activate your workspace using the link below."
        )
    title = f'Workspace "{name}" marked as dormant'
    return _tell_owner(tx, now_at, owner_id, "TemplateWorkspaceDormant", title, body, workspace_id)


def workspace_marked_for_deletion(
    tx: Transaction, now_at: int, workspace_id: int, reason: str = "template updated to new dormancy policy"
) -> int | None:
    """Tell the owner that a dormant workspace will be deleted at its `deleting_at`; None for a prebuild.

    Raises RefusedError for an unknown workspace and for one that nothing will delete.
    """
    owner_id, name, deleting_at = _workspace(tx, workspace_id)
    if deleting_at is None:
        raise RefusedError(f"workspace {workspace_id} has no deleting_at; set it before its owner is told")
    body = (
        f"Your workspace {name} has been marked for deletion after {_in_words(deleting_at - now_at)} of dormancy "
        f"({_AUTO_DELETION}) because of {reason}.\nTo prevent deletion, use your workspace with the link below."
    )
    title = f'Workspace "{name}" marked for deletion'
    return _tell_owner(tx, now_at, owner_id, "TemplateWorkspaceMarkedForDeletion", title, body, workspace_id)


def workspace_deleted(tx: Transaction, now_at: int, build_id: int) -> int | None:
    """Tell the owner that a delete build is done, and why; the message's id.

    None for a prebuild and for an owner who deleted it. Raises RefusedError for an unknown build.
    """
    build = _build(tx, build_id)
    if build.reason == "initiator" and build.initiator_id == build.owner_id:
        return None
    why, who = {
        "initiator": ("initiated by user", build.initiator),
        "autodelete": ("autodeleted due to dormancy", "autobuild"),
    }.get(build.reason, (build.reason, "autobuild"))
    body = f'Your workspace {build.workspace} was deleted.\n\nThe specified reason was "{why} ({who})".'
    title = f'Workspace "{build.workspace}" deleted'
    return _tell_owner(tx, now_at, build.owner_id, "TemplateWorkspaceDeleted", title, body, build.workspace_id)


def build_failed(tx: Transaction, now_at: int, build_id: int) -> list[int]:
    """Tell that a workspace's build failed: the owner of one by itself, every template admin of a person's.

    The messages' ids; none for a prebuild, whose failures `prebuild_failure_limit_reached` tells. Raises RefusedError
    for an unknown build.
    """
    build = _build(tx, build_id)
    if build.owner_id == PREBUILDS_USER:
        return []
    if build.reason != "initiator":
        title = f'Workspace "{build.workspace}" autobuild failed'
        body = (
            f'Automatic build of your workspace {build.workspace} failed.\n\nThe specified reason was "{build.reason}".'
        )
        template: Template = "TemplateWorkspaceAutobuildFailed"
        return [notify(tx, now_at, build.owner_id, template, title, body, build.workspace_id)]
    title = f'Workspace "{build.workspace}" manual build failed'
    body = (
        f"A manual build of the workspace {build.workspace} using the template {build.template} failed "
        f"(version: {build.version}).\n\nThe workspace build was initiated by {build.initiator}."
    )
    return [
        notify(tx, now_at, admin, "TemplateWorkspaceManualBuildFailed", title, body, build.workspace_id)
        for admin in template_admins(tx)
    ]


class _Told(NamedTuple):
    workspace_id: int
    workspace: str
    owner_id: int
    owner: str
    initiator_id: int
    initiator: str
    reason: str
    template: str
    version: str
    preset: str
    """Of the workspace's first build: that of the prebuild, if it was one. "" without."""


def _build(tx: Transaction, build_id: int) -> _Told:
    row = tx.one(
        "SELECT w.id, w.name, w.owner_id, coalesce(o.username, 'prebuilds'), b.initiator_id, "
        "coalesce(i.username, 'prebuilds'), b.reason, t.name, v.name, coalesce(p.name, '') "
        "FROM workspace_builds AS b "
        "JOIN workspaces AS w ON w.id = b.workspace_id "
        "JOIN template_versions AS v ON v.id = b.template_version_id "
        "JOIN templates AS t ON t.id = v.template_id "
        "JOIN workspace_builds AS first ON first.workspace_id = w.id AND first.build_number = 1 "
        "LEFT JOIN template_version_presets AS p ON p.id = first.template_version_preset_id "
        "LEFT JOIN users AS o ON o.id = w.owner_id "
        "LEFT JOIN users AS i ON i.id = b.initiator_id "
        "WHERE b.id = $id",
        id=build_id,
    )
    if row is None:
        raise RefusedError(f"there is no workspace build {build_id}; name one that was created")
    return _Told._make(row)


def _workspace(tx: Transaction, workspace_id: int) -> tuple[int, str, int | None]:
    """(owner, name, deleting_at) of a workspace, also of a deleted one."""
    row = tx.one("SELECT owner_id, name, epoch_us(deleting_at) FROM workspaces WHERE id = $id", id=workspace_id)
    if row is None:
        raise RefusedError(f"there is no workspace {workspace_id}; name one that was created")
    owner_id, name, deleting_at = row
    return owner_id, name, deleting_at


def _tell_owner(
    tx: Transaction, now_at: int, owner_id: int, template: Template, title: str, body: str, workspace_id: int
) -> int | None:
    if owner_id == PREBUILDS_USER:
        return None
    return notify(tx, now_at, owner_id, template, title, body, workspace_id)


def _in_words(duration_us: int) -> str:
    """A duration as Coder's messages have it: whole hours up to two days, then whole days."""
    hours = max(duration_us, 0) // HOUR_US
    if hours < 48:
        return f"{hours} hour{'s' * (hours != 1)}"
    return f"{max(duration_us, 0) // DAY_US} days"
