"""Templates and their versions: imported by a job, made active, deprecated, deleted, given another schedule."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from simkit.clock import SECOND_US
from simkit.controlplane import directory, jobs
from simkit.errors import RefusedError
from simkit.model import Preset, Schedule, TemplateSchedule
from simkit.store.database import Row, Transaction

_DURATIONS = {
    "default_ttl": "default_ttl_us",
    "activity_bump": "activity_bump_us",
    "failure_ttl": "failure_ttl_us",
    "time_til_dormant": "time_til_dormant_us",
    "time_til_dormant_autodelete": "time_til_dormant_autodelete_us",
}
_PLAIN = {
    "autostart_days_of_week": "autostart_days",
    "autostop_requirement_days_of_week": "autostop_days",
    "autostop_requirement_weeks": "autostop_weeks",
    "allow_user_autostart": "allow_user_autostart",
    "allow_user_autostop": "allow_user_autostop",
}


class Template(NamedTuple):
    id: int
    name: str
    active_version_id: int | None
    organization_id: int
    deleted: bool
    deprecated: str


def create(tx: Transaction, name: str, organization_id: int, schedule: TemplateSchedule | None = None) -> int:
    """A template without a version. Raises RefusedError for an unknown organization and a name that is taken."""
    directory.organization(tx, organization_id)
    if tx.one(
        "SELECT 1 FROM templates WHERE organization_id = $organization AND lower(name) = lower($name) AND NOT deleted",
        organization=organization_id,
        name=name,
    ):
        raise RefusedError(f'there is a template "{name}" already; choose another name')
    return tx.insert("templates", name=name, organization_id=organization_id, **columns(schedule or TemplateSchedule()))


def get(tx: Transaction, template_id: int) -> Template:
    """Raises RefusedError for an id that no template has."""
    row = tx.one(
        "SELECT id, name, active_version_id, organization_id, deleted, deprecated FROM templates WHERE id = $id",
        id=template_id,
    )
    if row is None:
        raise RefusedError(f"there is no template {template_id}")
    return Template(*row)


def create_version(
    tx: Transaction,
    now_at: int,
    template_id: int,
    name: str,
    created_by: int,
    tags: Mapping[str, str] | None = None,
) -> tuple[int, int]:
    """(version id, id of its import job). It can be used once a daemon has imported it."""
    template = get(tx, template_id)
    if template.deleted:
        raise RefusedError(f'template "{template.name}" is deleted')
    directory.username(tx, created_by)
    if tx.one("SELECT 1 FROM template_versions WHERE template_id = $id AND name = $name", id=template_id, name=name):
        raise RefusedError(f'template "{template.name}" has a version "{name}" already; choose another name')
    job_id = jobs.insert(tx, now_at, "template_version_import", created_by, template.organization_id, tags)
    version_id = tx.insert(
        "template_versions",
        template_id=template_id,
        name=name,
        created_at=now_at,
        job_id=job_id,
        created_by=created_by,
    )
    return version_id, job_id


def dry_run(tx: Transaction, now_at: int, version_id: int, initiator_id: int) -> int:
    """Queue a dry run of a version: its job's id. Raises RefusedError if it is unknown or was not imported."""
    row = tx.one(
        "SELECT v.name, t.organization_id, v.job_id IS NULL OR j.job_status = 'succeeded', j.job_status "
        "FROM template_versions AS v "
        "JOIN templates AS t ON t.id = v.template_id LEFT JOIN provisioner_jobs AS j ON j.id = v.job_id "
        "WHERE v.id = $id",
        id=version_id,
    )
    if row is None:
        raise RefusedError(f"there is no template version {version_id}")
    name, organization_id, is_imported, status = row
    if not is_imported:
        raise RefusedError(f'version "{name}" cannot be tried: its import has {status}; it must have succeeded')
    tags = build_tags(tx, version_id, prebuild=False)
    return jobs.insert(tx, now_at, "template_version_dry_run", initiator_id, organization_id, tags)


def activate(tx: Transaction, version_id: int) -> None:
    """Make a version its template's active one. Raises RefusedError if it is unknown or was not imported."""
    row = tx.one(
        "SELECT v.template_id, v.name, v.job_id IS NULL OR j.job_status = 'succeeded', j.job_status "
        "FROM template_versions AS v "
        "LEFT JOIN provisioner_jobs AS j ON j.id = v.job_id WHERE v.id = $id",
        id=version_id,
    )
    if row is None:
        raise RefusedError(f"there is no template version {version_id}")
    template_id, name, is_imported, status = row
    if not is_imported:
        raise RefusedError(f'version "{name}" cannot be made active: its import has {status}; it must have succeeded')
    tx.update("templates", template_id, active_version_id=version_id)


def deprecate(tx: Transaction, template_id: int, message: str) -> None:
    """Its pools are emptied, and nobody creates a workspace of it. An empty message ends that."""
    get(tx, template_id)
    tx.update("templates", template_id, deprecated=message)


def delete(tx: Transaction, template_id: int) -> None:
    """Raises RefusedError while people have workspaces of it; prebuilds are no hindrance."""
    template = get(tx, template_id)
    row = tx.one(
        "SELECT count(*) FROM workspaces WHERE template_id = $id AND NOT deleted AND owner_id <> 0", id=template_id
    )
    if row and row[0]:
        raise RefusedError(f'template "{template.name}" has {row[0]} workspaces; delete them first')
    tx.update("templates", template_id, deleted=True)


_TAGS = """
    SELECT
        coalesce(j.tags, '{}'),
        (SELECT list((w.key, w.value) ORDER BY w.of_prebuilds, w.key) FROM template_version_workspace_tags AS w
         WHERE w.template_version_id = v.id AND (NOT w.of_prebuilds OR $prebuild))
    FROM template_versions AS v LEFT JOIN provisioner_jobs AS j ON j.id = v.job_id
"""


def build_tags(tx: Transaction, version_id: int, prebuild: bool) -> Mapping[str, str]:
    """What a daemon must satisfy to build a workspace of a version: of a prebuild, or of a person's workspace."""
    return _tags(tx.one(f"{_TAGS} WHERE v.id = $id", id=version_id, prebuild=prebuild))


def active_tags(tx: Transaction, template_id: int) -> Mapping[str, str]:
    """The tags of the template's active version, for which the executor looks for a live daemon."""
    sql = f"{_TAGS} JOIN templates AS t ON t.active_version_id = v.id WHERE t.id = $id"
    return _tags(tx.one(sql, id=template_id, prebuild=False))


def _tags(row: Row | None) -> Mapping[str, str]:
    if row is None:
        return {}
    return {**json.loads(row[0]), **dict(row[1] or ())}


def set_workspace_tags(
    tx: Transaction, version_id: int, tags: Iterable[tuple[str, str]], of_prebuilds: bool = False
) -> None:
    """Give the builds of a version's workspaces tags; `of_prebuilds`: those of its prebuilds alone."""
    for key, value in tags:
        tx.insert(
            "template_version_workspace_tags",
            template_version_id=version_id,
            key=key,
            value=value,
            of_prebuilds=of_prebuilds,
        )


def schedule(tx: Transaction, template_id: int) -> TemplateSchedule:
    """The template's schedule, durations in microseconds."""
    names = (*_DURATIONS, *_PLAIN)
    row = tx.one(f"SELECT {', '.join(names)} FROM templates WHERE id = $id", id=template_id)
    if row is None:
        raise RefusedError(f"there is no template {template_id}")
    found = dict(zip(names, row, strict=True))
    fields: dict[str, Any] = {field: int(found[name]) // 1000 for name, field in _DURATIONS.items()}
    return TemplateSchedule(**fields, **{field: found[name] for name, field in _PLAIN.items()})


def set_schedule(tx: Transaction, template_id: int, given: TemplateSchedule) -> None:
    """The columns alone; what it does to running builds is `lifecycle.reschedule`."""
    tx.update("templates", template_id, **columns(given))


def columns(given: TemplateSchedule) -> dict[str, int | bool]:
    """A schedule under Coder's names, durations in nanoseconds."""
    durations: dict[str, int | bool] = {name: getattr(given, field) * 1000 for name, field in _DURATIONS.items()}
    return durations | {name: getattr(given, field) for name, field in _PLAIN.items()}


def presets(tx: Transaction, version_id: int | None = None) -> dict[int, Preset]:
    """The presets of a version, or of all, by id, as the scheduler reads them: base, TTL, zone and schedules."""
    rows = tx.execute(
        "SELECT id, name, desired_instances, invalidate_after_secs, scheduling_timezone FROM template_version_presets "
        "WHERE $version IS NULL OR template_version_id = $version ORDER BY id",
        version=version_id,
    )
    schedules: dict[int, list[Schedule]] = {}
    for preset_id, cron, instances in tx.execute(
        "SELECT preset_id, cron_expression, desired_instances FROM template_version_preset_prebuild_schedules "
        "ORDER BY id"
    ):
        schedules.setdefault(preset_id, []).append(Schedule(cron, instances))
    return {
        row[0]: Preset(row[1], row[2], row[3] * SECOND_US, row[4], tuple(schedules.get(row[0], ()))) for row in rows
    }


def check_usable(template: Template) -> int:
    """The template's active version. Raises RefusedError if nobody may create a workspace of it."""
    if template.deleted:
        raise RefusedError(f'template "{template.name}" is deleted')
    if template.deprecated:
        raise RefusedError(f'template "{template.name}" is deprecated: {template.deprecated}')
    if template.active_version_id is None:
        raise RefusedError(f'template "{template.name}" has no active version; import one and activate it')
    return template.active_version_id
