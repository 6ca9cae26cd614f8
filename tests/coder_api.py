"""A Coder that answers its REST API in a thread of the tests' own, out of rows as its database has them."""

from __future__ import annotations

import json
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from simkit.model import PREBUILDS_USER_ID

TOKEN = "abcdefghij-0123456789012345678901"
VERSION = "v2.35.1+0a1b2c3"
Rows = dict[str, list[dict[str, Any]]]
Answer = Callable[[dict[str, str]], Any]
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Refusal(Exception):
    """An answer of another status: status, headers, body."""

    def __init__(self, status: int, headers: dict[str, str] | None = None, body: bytes = b'{"message": "no"}') -> None:
        super().__init__(status)
        self.status, self.headers, self.body = status, headers or {}, body


@dataclass
class Coder:
    """Where it answers, and how: `instead` has answers of the test's own, by path; `asked` what was asked."""

    port: int
    rows: Rows
    instead: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    page: int = 1_000_000

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, given: dict[str, str], token: str) -> Any:
        self.asked.append((path, given))
        self.tokens.add(token)
        if path in self.instead:
            return self.instead[path](given)
        if path != "buildinfo" and token != TOKEN:
            raise Refusal(401)
        head, *rest = path.split("/")
        match head, rest:
            case "buildinfo", []:
                return {"version": VERSION, "external_url": "https://github.com/coder/coder"}
            case "users", ["me"]:
                return {"id": "00000000-0000-4000-8000-000000000001", "username": "owner"}
            case "users", []:
                people = [_user(row) for row in self.rows["users"] if row["id"] != PREBUILDS_USER_ID]
                return {"users": _page(people, given), "count": len(people)}
            case "organizations", []:
                return [{"id": i, "name": "office"} for i in {row["organization_id"] for row in self.rows["templates"]}]
            case "organizations", [_, "templates"]:
                wanted = "deleted:true" in given["q"]
                deprecated = "deprecated:true" in given["q"]
                return [
                    _template(row)
                    for row in self.rows["templates"]
                    if (row["deleted"] == "t", row["deprecated"] != "") == (wanted, deprecated)
                ]
            case "organizations", [_, "provisionerdaemons"]:
                return [{**row, "tags": json.loads(row["tags"])} for row in self.rows["provisioner_daemons"]]
            case "organizations", [_, "provisionerjobs"]:
                return self.jobs()[: int(given["limit"])]
            case "groups", []:
                members = self.rows["group_members"]
                return [
                    {**row, "members": [{"id": m["user_id"]} for m in members if m["group_id"] == row["id"]]}
                    for row in self.rows["groups"]
                ]
            case "workspaces", []:
                listed = [row for row in self.rows["workspaces"] if row["deleted"] != "t"]
                page = _page(listed, {**given, "limit": str(min(int(given["limit"]), self.page))})
                return {"workspaces": [self.workspace(row) for row in page], "count": len(listed)}
            case "workspaces", [workspace, "builds"]:
                return _page(self.builds(workspace), given)
            case "templateversions", [version]:
                return next(_version(row) for row in self.rows["template_versions"] if row["id"] == version)
            case "templateversions", [version, "presets"]:
                found = [
                    self.preset(row)
                    for row in self.rows["template_version_presets"]
                    if row["template_version_id"] == version
                ]
                return found or None  # as Go writes a list that nobody has put anything into
        raise Refusal(404)

    def workspace(self, row: dict[str, Any]) -> dict[str, Any]:
        builds = self.builds(row["id"])
        return {
            **{name: row[name] for name in ("id", "created_at", "owner_id", "template_id", "name", "last_used_at")},
            **{"organization_id": self.rows["templates"][0]["organization_id"], "latest_build": builds[0]},
            **{"autostart_schedule": row["autostart_schedule"], "ttl_ms": None, "template_name": "ide"},
        }

    def builds(self, workspace_id: str) -> list[dict[str, Any]]:
        """The builds of a workspace, the newest first."""
        of = next(row for row in self.rows["workspaces"] if row["id"] == workspace_id)
        builds = [row for row in self.rows["workspace_builds"] if row["workspace_id"] == workspace_id]
        return [self.build(row, of) for row in sorted(builds, key=lambda row: -row["build_number"])]

    def build(self, row: dict[str, Any], workspace: dict[str, Any]) -> dict[str, Any]:
        left = (
            "created_at",
            "build_number",
            "transition",
            "initiator_id",
            "reason",
            "daily_cost",
            "id",
            "workspace_id",
        )
        return {
            **{name: row[name] for name in (*left, "template_version_id", "template_version_preset_id")},
            **{"deadline": "0001-01-01T00:00:00Z", "max_deadline": None, "template_version_name": "v1"},
            **{"workspace_owner_id": workspace["owner_id"], "workspace_owner_name": "zoe", "workspace_name": "w"},
            **{"initiator_name": "zoe", "job": self.job(row["job_id"]), "resources": self.resources(row["job_id"])},
        }

    def job(self, job_id: str) -> dict[str, Any]:
        row = self._by("provisioner_jobs", "id")[job_id][0]
        return {
            name: json.loads(value) if name == "tags" else value for name, value in row.items() if value is not None
        }

    def jobs(self) -> list[dict[str, Any]]:
        """As an organization lists them: the newest first, with what they work on."""
        template_of = {row["id"]: row["template_id"] for row in self.rows["workspaces"]}
        jobs = [
            {
                **self.job(row["job_id"]),
                "metadata": {
                    **{"workspace_id": row["workspace_id"], "template_id": template_of[row["workspace_id"]]},
                    "template_name": "ide",
                },
            }
            for row in self.rows["workspace_builds"]
        ]
        return sorted(jobs, key=lambda job: job["created_at"], reverse=True)

    def resources(self, job_id: str) -> list[dict[str, Any]]:
        return [
            {
                **row,
                "agents": [
                    {name: value for name, value in agent.items() if value is not None}
                    for agent in self._by("workspace_agents", "resource_id")[row["id"]]
                ],
            }
            for row in self._by("workspace_resources", "job_id")[job_id]
        ]

    def preset(self, row: dict[str, Any]) -> dict[str, Any]:
        """Fields of a preset have no names for JSON in Go."""
        given = self._by("template_version_preset_parameters", "template_version_preset_id")[row["id"]]
        return {
            **{"ID": row["id"], "Name": row["name"], "Default": False, "Description": "", "Icon": ""},
            "Parameters": [{"Name": one["name"], "Value": one["value"]} for one in given] or None,
            "DesiredPrebuildInstances": row["desired_instances"],
        }

    def _by(self, table: str, column: str) -> dict[str, list[dict[str, Any]]]:
        known = self.__dict__.setdefault("known", {})
        if (table, column) not in known:
            known[table, column] = defaultdict(list)
            for row in self.rows[table]:
                known[table, column][row[column]].append(row)
        return known[table, column]


def _page(rows: list[dict[str, Any]], given: dict[str, str]) -> list[dict[str, Any]]:
    offset = int(given["offset"])
    return rows[offset : offset + int(given["limit"])]


def _user(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{"id": row["id"], "username": row["username"], "email": "zoe@example.com", "status": row["status"]},
        **{"created_at": row["created_at"], "login_type": row.get("login_type"), "name": "Zoe"},
        "is_service_account": row.get("is_service_account") == "t",
    }


def _template(row: dict[str, Any]) -> dict[str, Any]:
    blocked = row["autostart_block_days_of_week"]
    return {
        **{name: row[name] for name in ("id", "created_at", "organization_id", "name", "active_version_id")},
        **{f"{name}_ms": row[name] // 1_000_000 for name in ("default_ttl", "activity_bump", "failure_ttl")},
        **{"time_til_dormant_ms": 0, "time_til_dormant_autodelete_ms": 0, "deprecation_message": row["deprecated"]},
        "autostart_requirement": {"days_of_week": [day for i, day in enumerate(DAYS) if not blocked & 1 << i]},
        "autostop_requirement": {"days_of_week": [], "weeks": 0},
        **{"allow_user_autostart": row["allow_user_autostart"] == "t", "allow_user_autostop": True},
    }


def _version(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "readme": "# zoe", "created_by": {"username": "zoe"}}


@contextmanager
def answering(rows: Rows, tls: ssl.SSLContext | None = None) -> Iterator[Coder]:
    """Starts one, and ends it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # an answer in one piece, or every one waits for an acknowledgement

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            given = {name: values[0] for name, values in parse_qs(asked.query).items()}
            path = asked.path.removeprefix("/api/v2/")
            try:
                told = coder.answer(path, given, self.headers.get("Coder-Session-Token", ""))
                status, headers = 200, {"Content-Type": "application/json"}
                body = told if isinstance(told, bytes) else json.dumps(told).encode()
            except Refusal as refusal:
                status, headers, body = refusal.status, refusal.headers, refusal.body
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # who does not trust us hangs up
    coder = Coder(int(server.server_address[1]), rows)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield coder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
