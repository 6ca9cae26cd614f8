"""An office for tests of the control plane: users, a template, daemons' work, a rich import and a rich build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, parse_instant
from simkit.controlplane import ControlPlane, Outcome
from simkit.controlplane.completion import Assignment
from simkit.controlplane.types import (
    Agent,
    AITask,
    App,
    BuildResult,
    Devcontainer,
    ImportResult,
    Replacement,
    Resource,
    Timing,
)
from simkit.model import Preset, Schedule
from simkit.store.database import Database

MONDAY = "2026-03-02T08:00:00Z"
T0 = parse_instant(MONDAY)
EU = Preset("eu", 2, parameters=(("region", "eu"),))
NONE = Preset("none", 0)
"""Without prebuilds: whoever takes it gets a cold workspace."""

RICH_AGENT = Agent(
    has_devcontainer_cli=True,
    apps=(App("chat-id", "chat", "Chat"), App("code-id", "code")),
    devcontainers=(Devcontainer("site", "/home/coder/site"), Devcontainer("api", "/home/coder/api", "dev.json")),
)
TIMINGS = (
    Timing(T0, T0 + SECOND_US, "init"),
    Timing(0, T0, "plan"),
    Timing(T0, None, "graph"),
    Timing(T0 + SECOND_US, T0 + MINUTE_US, "apply", resource="docker_container.workspace"),
)
RICH_BUILD = BuildResult(
    resources=(Resource(daily_cost=3, agents=(RICH_AGENT,)), Resource("docker_volume", "home", daily_cost=2)),
    timings=TIMINGS,
    ai_tasks=(AITask("chat-id"),),
    replacements=(Replacement("docker_container.workspace", ("env", "image")), Replacement("null_resource.a", ())),
)
RICH_PRESETS = (
    Preset(
        "eu",
        1,
        2 * HOUR_US,
        "Europe/Berlin",
        (Schedule("* 8-17 * * 1-5", 3), Schedule("* 18 * * 1-5", 0)),
        description="near",
        icon="/eu.svg",
        default=True,
        parameters=(("region", "eu"), ("size", "large")),
    ),
    NONE,
)


def office(path: str | Path = ":memory:", *presets: Preset, **more: Any) -> ControlPlane:
    """A control plane with organization 1, users `ada` (1) and `root` (2, template admin), and template 1.

    Its version 1 a daemon of somebody else's (1) has imported.
    """
    plane = ControlPlane(path, now=MONDAY, **more)
    plane.create_organization("acme")
    plane.create_user("ada")
    plane.create_user("root", is_template_admin=True)
    plane.create_template(1, "docker")
    plane.create_daemon("by-hand")
    import_version(plane, *(presets or (EU,)))
    return plane


def import_version(plane: ControlPlane, *presets: Preset, name: str = "v1", **more: Any) -> int:
    """A version of template 1 that was imported: its id."""
    version_id, job_id = plane.create_version(1, name, created_by=2)
    assert plane.acquire(1) == job_id
    assert plane.complete_job(job_id, ImportResult(presets=presets, **more), 1) == ""
    return version_id


def builds(takes_us: int = MINUTE_US, agent_us: int = 30 * SECOND_US, **more: Any) -> Any:
    """Work of simulated daemons: every job takes so long and succeeds, unless `error` says otherwise."""

    def work(job: Assignment) -> Outcome:
        result = None if job.type != "template_version_import" else ImportResult()
        return Outcome(takes_us, agent_us, **({"result": result} | more))

    return work


def dump(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    tables = database.rows("SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'")
    return {name: database.rows(f"SELECT * FROM {name} ORDER BY ALL") for (name,) in tables}
