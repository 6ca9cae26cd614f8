"""A deployment of Coder's shape for tests: a simulated history as files, and a real PostgreSQL that holds them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import simkit
from simkit.clock import NEVER, format_instant
from simkit.deployment.tables import TABLES
from simkit.model import PREBUILDS_USER_ID

SCENARIO = """
name: office
window: {from: "2026-03-02", until: "2026-03-09", timezone: America/New_York}
coder: {version: v2.35, provisioner_daemons: 3}
presets:
  - {name: large, instances: 1, ttl: 8h, parameters: {size: "8"},
     scheduling: {timezone: America/New_York, schedules: [{cron: "* 8-17 * * 1-5", instances: 3}]}}
  - {name: "small & cheap, 'x'", instances: 1}
demand:
  profiles:
    - {preset: large, timezone: America/New_York, claims_per_week: 120,
       weekday: [0, 0, 0, 0, 0, 0, 0, 0, 2, 8, 4, 2, 1, 3, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0]}
    - {preset: "small & cheap, 'x'", timezone: America/New_York, claims_per_week: 20,
       weekday: [0, 0, 0, 0, 0, 0, 0, 0, 2, 8, 4, 2, 1, 3, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0]}
durations: {build: {median: 4m, p95: 8m}, agent: 40s, claim: 8s, delete: 30s}
failures: {probability: 0.02, cleared_after: 1d}
"""
"""A week of two pools, in which some builds fail."""

_NEVER = "0001-01-01 00:00:00+00"
_SQL = {"uuid": "uuid", "text": "text", "instant": "timestamptz", "whole": "bigint", "flag": "boolean"}
# Where Coder's columns have other types than the plain ones: what a driver could stumble over.
_TYPES = {
    "tags": "jsonb",
    "transition": "workspace_transition",
    "type": "provisioner_job_type",
    "status": "user_status",
    "login_type": "login_type",
    "daily_cost": "numeric",
    "desired_instances": "integer",
    "autostart_block_days_of_week": "smallint",
    "name": "varchar(64)",
}
_ENUMS = """
CREATE TYPE workspace_transition AS ENUM ('start', 'stop', 'delete');
CREATE TYPE provisioner_job_type AS ENUM ('template_version_import', 'workspace_build', 'template_version_dry_run');
CREATE TYPE user_status AS ENUM ('active', 'suspended', 'dormant');
CREATE TYPE login_type AS ENUM ('password', 'github', 'oidc', 'token', 'none');
"""


def coder_id(table: str, number: int) -> str:
    """The id that a row of a simulated table has in Coder."""
    return (
        PREBUILDS_USER_ID
        if (table, number) == ("users", 0)
        else str(uuid.uuid5(uuid.NAMESPACE_OID, f"{table} {number}"))
    )


def simulated() -> simkit.Result:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "office.yaml")
        file.write_text(SCENARIO, encoding="utf-8")
        return simkit.run(simkit.load(file), seed=3)


def rows_of(result: simkit.Result) -> dict[str, list[dict[str, Any]]]:
    """A simulated run as the rows of Coder's tables, with Coder's ids and Coder's year 1."""
    t = {name: _rows(table) for name, table in result.tables.items()}
    builds = t["workspace_builds"]
    organization, template = coder_id("organizations", 1), coder_id("templates", 1)
    people = sorted({row["owner_id"] for row in t["workspaces"]} | {row["initiator_id"] for row in builds} | {0})
    found: dict[str, list[dict[str, Any]]] = {table.name: [] for table in TABLES}
    found["templates"] = [
        {
            **dict.fromkeys(("default_ttl", "activity_bump", "failure_ttl", "time_til_dormant"), 0),
            **dict.fromkeys(("time_til_dormant_autodelete", "autostop_requirement_weeks"), 0),
            **{"autostart_block_days_of_week": 96, "autostop_requirement_days_of_week": 0, "deprecated": ""},
            **{"id": template, "created_at": "2026-01-01 00:00:00+00", "organization_id": organization},
            **{"deleted": "f", "name": "ide", "active_version_id": coder_id("template_versions", 1)},
            **{"allow_user_autostart": "t", "allow_user_autostop": "t"},
        }
    ]
    found["template_versions"] = [
        {
            "id": coder_id("template_versions", row["id"]),
            "template_id": template,
            "name": row["name"],
            "created_at": row["created_at"],
        }
        for row in t["template_versions"]
    ]
    found["template_version_presets"] = [
        {
            **{
                name: row[name]
                for name in ("name", "desired_instances", "invalidate_after_secs", "scheduling_timezone")
            },
            **{"id": _preset(row["id"]), "template_version_id": coder_id("template_versions", 1)},
            **{"created_at": "2026-01-01 00:00:00+00", "is_default": "f", "last_invalidated_at": None},
        }
        for row in t["template_version_presets"]
    ]
    found["template_version_preset_parameters"] = [
        {**row, "template_version_preset_id": _preset(row["template_version_preset_id"])}
        for row in t["template_version_preset_parameters"]
    ]
    found["template_version_preset_prebuild_schedules"] = [
        {**row, "id": coder_id("schedules", row["id"]), "preset_id": _preset(row["preset_id"])}
        for row in t["template_version_preset_prebuild_schedules"]
    ]
    found["users"] = [
        {
            **{"id": coder_id("users", i), "created_at": "2026-01-01 00:00:00+00", "username": f"zoe-{i}"},
            **{"status": "active", "quiet_hours_schedule": "", "login_type": "password", "is_service_account": "f"},
        }
        for i in people
    ]
    found["groups"] = [
        {"id": coder_id("groups", 1), "organization_id": organization, "name": "Prebuilds", "quota_allowance": 40}
    ]
    found["group_members"] = [{"group_id": coder_id("groups", 1), "user_id": PREBUILDS_USER_ID}]
    found["provisioner_daemons"] = [
        {
            **{
                "id": coder_id("daemons", 1),
                "organization_id": organization,
                "name": "zoe-laptop",
                "version": "v2.35.1",
            },
            **{"created_at": "2026-01-01 00:00:00+00", "last_seen_at": "2026-03-09 00:00:00+00"},
            "tags": f'{{"scope": "user", "owner": "{coder_id("users", people[-1])}"}}',
        }
    ]
    found["workspaces"] = [
        {
            **{"id": coder_id("workspaces", row["id"]), "created_at": row["created_at"], "template_id": template},
            **{"owner_id": coder_id("users", row["owner_id"]), "deleted": "t" if row["deleted"] else "f"},
            **{"name": f"zoe-{row['id']}", "last_used_at": _NEVER, "autostart_schedule": None, "ttl": None},
        }
        for row in t["workspaces"]
    ]
    found["workspace_builds"] = [
        {
            **{name: row[name] for name in ("created_at", "build_number", "transition", "reason")},
            **{
                "id": coder_id("workspace_builds", row["id"]),
                "workspace_id": coder_id("workspaces", row["workspace_id"]),
            },
            **{"template_version_id": coder_id("template_versions", 1), "daily_cost": 12},
            **{"initiator_id": coder_id("users", row["initiator_id"]), "job_id": coder_id("jobs", row["job_id"])},
            **{"deadline": _NEVER, "max_deadline": _NEVER, "has_external_agent": None},
            "template_version_preset_id": _preset(row["template_version_preset_id"]),
        }
        for row in builds
    ]
    found["provisioner_jobs"] = [
        {
            **{name: row[name] for name in ("created_at", "started_at", "canceled_at", "completed_at")},
            **{"id": coder_id("jobs", row["id"]), "updated_at": row["created_at"], "organization_id": organization},
            **{
                "error": row["error"] and f"{row['error']}: secret of zoe",
                "error_code": None,
                "type": "workspace_build",
            },
            **{"initiator_id": coder_id("users", row["initiator_id"]), "tags": '{"scope": "organization"}'},
        }
        for row in t["provisioner_jobs"]
    ]
    job_of = {row["id"]: row["job_id"] for row in builds}
    for row in t["workspace_agents"]:
        resource = coder_id("resources", row["id"])
        job = coder_id("jobs", job_of[row["workspace_build_id"]])
        found["workspace_resources"].append({"id": resource, "job_id": job})
        found["workspace_agents"].append(
            {
                "id": coder_id("agents", row["id"]),
                "resource_id": resource,
                "ready_at": row["ready_at"],
                "parent_id": None,
            }
        )
    return found


def _rows(table: Any) -> list[dict[str, Any]]:
    columns = {name: values.tolist() for name, values in table.items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [
        {
            name: None if value == NEVER else format_instant(value) if name.endswith("_at") else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _preset(number: int | None) -> str | None:
    return None if number is None else coder_id("presets", number)


def write_files(rows: dict[str, list[dict[str, Any]]], folder: Path) -> Path:
    """The rows as `\\copy` writes them: NULL is empty, and empty text is in quotes."""
    for table in TABLES:
        names = [column.name for column in table.columns]
        with (folder / f"{table.name}.csv").open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(names) + "\n")
            for row in rows[table.name]:
                file.write(",".join(_cell(row.get(name)) for name in names) + "\n")
    return folder


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    return '"{}"'.format(text.replace('"', '""')) if not text or set(text) & set(',"\n') else text


class Server(NamedTuple):
    """A PostgreSQL of the tests' own. `password` has signs that a URL has to escape."""

    port: int
    binaries: Path
    password: str = "p@ss/w:rd%&x"
    escaped: str = "p%40ss%2Fw%3Ard%25%26x"

    def url(self, database: str = "coder", user: str = "coder") -> str:
        return f"postgresql://{user}:{self.escaped}@127.0.0.1:{self.port}/{database}"

    def psql(self, sql: str, database: str = "coder", user: str = "coder") -> str:
        """What psql answers, without decoration."""
        done = subprocess.run(
            [
                *(self.binaries / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"),
                *("-p", str(self.port), "-U", user, "-d", database),
            ],
            input=sql,
            env={**os.environ, "PGPASSWORD": self.password},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make_coder(self, database: str, folder: Path) -> None:
        """A database of Coder's shape, with unknown tables and columns, that holds these files."""
        self.psql(f"CREATE DATABASE {database}", database="postgres")
        statements = [_ENUMS, "CREATE TABLE licenses (id serial, jwt text);"]
        for table in TABLES:
            columns = [f"{c.name} {_TYPES.get(c.name, _SQL[c.kind])}" for c in table.columns]
            statements.append(f"CREATE TABLE {table.name} ({', '.join(columns)}, icon text DEFAULT 'x');")
            names = ", ".join(c.name for c in table.columns)
            statements.append(f"\\copy {table.name} ({names}) FROM '{folder / table.name}.csv' CSV HEADER")
        statements.append("ALTER TABLE users ADD COLUMN email text DEFAULT 'zoe@example.com';")
        self.psql("\n".join(statements), database=database)


@contextmanager
def server() -> Iterator[Server]:
    """Starts one, and ends it. Skips the test, with the reason, where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.skip("PostgreSQL is not installed: there is no initdb")
    binaries = found[-1].parent if found else Path(str(on_path)).parent
    user = {"user": "postgres"} if os.geteuid() == 0 else {}  # it refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="simkit-postgres-"))
    try:
        one = Server(_free_port(), binaries)
        (folder / "password").write_text(one.password)
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres")
        data = folder / "data"
        options = f"-p {one.port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        for command in (
            [
                "initdb",
                "-D",
                data,
                "-U",
                "coder",
                "-E",
                "UTF8",
                "--locale=C",
                "-A",
                "scram-sha-256",
                "--pwfile",
                folder / "password",
            ],
            ["pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"],
        ):
            done = subprocess.run(
                [binaries / str(command[0]), *command[1:]], capture_output=True, text=True, cwd=folder, **user
            )
            assert done.returncode == 0, done.stderr
        try:
            yield one
        finally:
            subprocess.run(
                [binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"], capture_output=True, cwd=folder, **user
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
