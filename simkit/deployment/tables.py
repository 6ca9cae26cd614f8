"""What is read of Coder's database: tables, columns, what of them is kept. Both readers and the help ask here.

The names are those of Coder's `coderd/database/dump.sql`. Expressions are in the SQL that PostgreSQL and DuckDB share.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["uuid", "text", "instant", "whole", "flag"]

OLDEST = "v2.24"
"""The first version with schedules of prebuilds, and so the oldest whose tables are read."""

SQL_TYPE: dict[Kind, str] = {
    "uuid": "UUID",
    "text": "TEXT",
    "instant": "TIMESTAMPTZ",
    "whole": "BIGINT",
    "flag": "BOOLEAN",
}
# Coder writes year 1 for "no deadline", which drivers choke on west of Greenwich.
_KEPT_INSTANT = "CASE WHEN {0} >= '1971-01-01' AND {0} < '9000-01-01' THEN {0} END"
# An error can have anything in it. What the reaper writes is Coder's own, and tells its work from other failures.
_KEPT_ERROR = "CASE WHEN {0} LIKE 'Coder: Build has been detected as %' THEN {0} WHEN {0} <> '' THEN 'failed' END"
_RECENT = "SELECT workspace_id FROM workspace_builds WHERE created_at >= {0}"
_RECENT_JOBS = f"SELECT job_id FROM workspace_builds WHERE workspace_id IN ({_RECENT})"


@dataclass(frozen=True)
class Column:
    """`kept`: what of it is kept. `is_newer`: a version or an export may lack it. `is_name`: read if names are kept."""

    name: str
    kind: Kind = "text"
    kept: str = "{0}"
    is_newer: bool = False
    is_name: bool = False

    @property
    def exported(self) -> str:
        """SQL for PostgreSQL: what leaves the database. Year 1 may: who reads the export drops it."""
        return self.name if self.kept == "{0}" else f"{self.kept.format(self.name)} AS {self.name}"

    def value(self, text: str) -> str:
        """SQL: what is kept of the value `text`, as this kind."""
        cast = f"CAST({text} AS {SQL_TYPE[self.kind]})"
        return (_KEPT_INSTANT if self.kind == "instant" else self.kept).format(cast)


@dataclass(frozen=True)
class Table:
    """A table of Coder's.

    `rows`: which rows are read, all if it is "". `since`: which of them concern what happened since the instant {0}: a
    workspace that had a build since then is read whole. `may_lack`: an export may leave the table out.
    """

    name: str
    columns: tuple[Column, ...]
    rows: str = ""
    since: str = ""
    may_lack: bool = False

    def columns_read(self, keep_names: bool) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if keep_names or not column.is_name)

    def select(self, keep_names: bool, since: str, has: Collection[str]) -> str:
        """SQL for PostgreSQL: every column, NULL for one that is not among those it `has`, or is a name not kept.

        `since` is the SQL of an instant, "" for all.
        """
        kept = self.columns_read(keep_names)
        cells = [
            f"{column.value(column.name) if column in kept and column.name in has else _null(column)} AS {column.name}"
            for column in self.columns
        ]
        return f"SELECT {', '.join(cells)} FROM {self.name}{self._where(since)}"

    def copy_line(self) -> str:
        """The `\\copy` of psql that exports what `simkit import csv` reads, of whichever version."""
        cells = [
            f"to_jsonb({self.name}) ->> '{column.name}' AS {column.name}" if column.is_newer else column.exported
            for column in self.columns_read(keep_names=False)
        ]
        return f"\\copy (SELECT {', '.join(cells)} FROM {self.name}{self._where('')}) TO '{self.name}.csv' CSV HEADER"

    def _where(self, since: str) -> str:
        conditions = [self.rows] if self.rows else []
        if since and self.since:
            conditions.append(self.since.format(since))
        return f" WHERE {' AND '.join(f'({condition})' for condition in conditions)}" if conditions else ""


def _null(column: Column) -> str:
    return f"CAST(NULL AS {SQL_TYPE[column.kind]})"


def _uuid(name: str) -> Column:
    return Column(name, "uuid")


def _at(name: str, is_newer: bool = False) -> Column:
    return Column(name, "instant", is_newer=is_newer)


def _whole(name: str) -> Column:
    return Column(name, "whole")


def _flag(name: str, is_newer: bool = False) -> Column:
    return Column(name, "flag", is_newer=is_newer)


def _name(name: str) -> Column:
    return Column(name, is_name=True)


TABLES = (
    Table(
        "templates",
        (
            *(_uuid("id"), _at("created_at"), _uuid("organization_id"), _flag("deleted"), Column("name")),
            *(_uuid("active_version_id"), _whole("default_ttl"), _whole("activity_bump")),
            *(_whole("autostart_block_days_of_week"), _whole("autostop_requirement_days_of_week")),
            *(_whole("autostop_requirement_weeks"), _whole("failure_ttl"), _whole("time_til_dormant")),
            *(_whole("time_til_dormant_autodelete"), _flag("allow_user_autostart"), _flag("allow_user_autostop")),
            Column("deprecated", kept="CASE WHEN {0} <> '' THEN 'deprecated' ELSE '' END"),
        ),
    ),
    Table("template_versions", (_uuid("id"), _uuid("template_id"), _at("created_at"), Column("name"))),
    Table(
        "template_version_presets",
        (
            *(_uuid("id"), _uuid("template_version_id"), _at("created_at"), Column("name")),
            *(_whole("desired_instances"), _whole("invalidate_after_secs"), Column("scheduling_timezone")),
            *(_flag("is_default", is_newer=True), _at("last_invalidated_at", is_newer=True)),
        ),
    ),
    Table(
        "template_version_preset_parameters",
        (_uuid("template_version_preset_id"), Column("name"), Column("value")),
        may_lack=True,
    ),
    Table(
        "template_version_preset_prebuild_schedules",
        (_uuid("id"), _uuid("preset_id"), Column("cron_expression"), _whole("desired_instances")),
    ),
    Table(
        "users",
        (
            *(_uuid("id"), _at("created_at"), Column("status"), Column("quiet_hours_schedule"), _name("username")),
            *(_flag("is_service_account", is_newer=True), _flag("is_system", is_newer=True)),
            Column("login_type", kept="CASE WHEN {0} = 'none' THEN {0} END", is_newer=True),
        ),
    ),
    Table("groups", (_uuid("id"), _uuid("organization_id"), _whole("quota_allowance"), _name("name")), may_lack=True),
    Table("group_members", (_uuid("group_id"), _uuid("user_id")), may_lack=True),
    Table(
        "provisioner_daemons",
        (
            *(_uuid("id"), _uuid("organization_id"), _at("created_at"), _at("last_seen_at")),
            *(Column("tags"), Column("version"), _name("name")),
        ),
        may_lack=True,
    ),
    Table(
        "workspace_agents",
        (_uuid("id"), _uuid("resource_id"), _at("ready_at"), Column("parent_id", "uuid", is_newer=True)),
        since=f"resource_id IN (SELECT id FROM workspace_resources WHERE job_id IN ({_RECENT_JOBS}))",
    ),
    Table(
        "workspace_resources",
        (_uuid("id"), _uuid("job_id")),
        rows="id IN (SELECT resource_id FROM workspace_agents)",
        since=f"job_id IN ({_RECENT_JOBS})",
    ),
    Table(
        "provisioner_jobs",
        (
            *(_uuid("id"), _at("created_at"), _at("updated_at"), _at("started_at"), _at("canceled_at")),
            *(_at("completed_at"), Column("error", kept=_KEPT_ERROR), Column("error_code"), _uuid("initiator_id")),
            *(_uuid("organization_id"), Column("type"), Column("tags"), _uuid("worker_id")),
        ),
        since=f"created_at >= {{0}} OR id IN ({_RECENT_JOBS})",
    ),
    Table(
        "workspaces",
        (
            *(_uuid("id"), _at("created_at"), _uuid("owner_id"), _uuid("template_id"), _flag("deleted")),
            *(Column("autostart_schedule"), _whole("ttl"), _at("last_used_at"), _at("dormant_at")),
            *(_at("deleting_at"), _at("next_start_at"), _name("name")),
        ),
        since=f"id IN ({_RECENT})",
    ),
    Table(
        "workspace_builds",
        (
            *(_uuid("id"), _at("created_at"), _uuid("workspace_id"), _uuid("template_version_id")),
            *(_whole("build_number"), Column("transition"), _uuid("initiator_id"), _uuid("job_id")),
            *(Column("reason"), _at("deadline"), _at("max_deadline"), _whole("daily_cost")),
            *(_uuid("template_version_preset_id"), _flag("has_external_agent", is_newer=True)),
            _flag("has_ai_task", is_newer=True),
        ),
        since=f"workspace_id IN ({_RECENT})",
    ),
)
"""In an order in which what `since` speaks of comes later."""

NEEDED = {
    "templates": ("name", "organization_id"),
    "template_versions": ("name", "created_at"),
    "template_version_presets": ("name", "template_version_id"),
    "workspaces": ("created_at", "owner_id", "template_id"),
    "workspace_builds": (
        *("created_at", "workspace_id", "template_version_id", "build_number", "transition", "initiator_id", "job_id"),
    ),
    "provisioner_jobs": ("created_at", "initiator_id"),
}
"""{table: the columns without which a row tells nothing}"""

REFERENCES = (
    ("template_version_presets", "template_version_id", "template_versions"),
    ("template_version_preset_prebuild_schedules", "preset_id", "template_version_presets"),
    ("workspaces", "template_id", "templates"),
    ("workspaces", "owner_id", "users"),
    ("workspace_builds", "workspace_id", "workspaces"),
    ("workspace_builds", "template_version_id", "template_versions"),
    ("workspace_builds", "template_version_preset_id", "template_version_presets"),
    ("workspace_builds", "initiator_id", "users"),
    ("workspace_builds", "job_id", "provisioner_jobs"),
    ("provisioner_jobs", "initiator_id", "users"),
)
"""(table, column, table whose id it is): what must lead somewhere, or a table was cut off."""


def psql_lines() -> str:
    """What an administrator types into psql to export the tables as files of one instant."""
    copies = "\n".join(table.copy_line() for table in TABLES)
    return f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n{copies}\nCOMMIT;\n"


class Seen(NamedTuple):
    """What a source has to say of its tables: when they are seen (0: they are empty); the version of Coder, where no
    daemon tells it; `keeps_presets`: it tells so little of presets that those which are known stay as they are; what
    it cannot tell, a sentence each."""

    at: int
    coder_version: str = ""
    keeps_presets: bool = False
    lacks: tuple[str, ...] = ()


Reading = Callable[[str, float], None]
"""Is told which table is read now, and which share of all rows is read already."""
