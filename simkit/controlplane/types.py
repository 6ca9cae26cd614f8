"""What provisioner daemons and templates hand to the control plane: frozen facts under Coder's names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simkit.model import Preset

Transition = Literal["start", "stop", "delete"]
JobType = Literal["template_version_import", "workspace_build", "template_version_dry_run"]

PREBUILDS_USER = 0
"""The id of the system user `prebuilds` in our tables (model.PREBUILDS_USER_ID in Coder's)."""


@dataclass(frozen=True)
class Timing:
    """How long a step of a job took. Instants in microseconds; None or 0 is what a broken provisioner reports."""

    started_at: int | None
    ended_at: int | None
    stage: Literal["init", "plan", "graph", "apply"]
    source: str = "coder"
    action: str = "create"
    resource: str = ""


@dataclass(frozen=True)
class App:
    """A `coder_app`. `app_id`: as the provider knows it; `slug`: as people see it."""

    app_id: str
    slug: str
    display_name: str = ""


@dataclass(frozen=True)
class Devcontainer:
    """A `coder_devcontainer`: the name is that of the resource."""

    name: str
    workspace_folder: str
    config_path: str = ""


@dataclass(frozen=True)
class Agent:
    """A `coder_agent` of a build's state. `instance_id`: it authenticates by an instance identity, not a token."""

    name: str = "main"
    operating_system: str = "linux"
    architecture: str = "amd64"
    instance_id: str = ""
    has_devcontainer_cli: bool = False
    apps: tuple[App, ...] = ()
    devcontainers: tuple[Devcontainer, ...] = ()
    is_external: bool = False
    """A `coder_external_agent`: somebody else runs it."""


@dataclass(frozen=True)
class Resource:
    """A resource of a build's state."""

    type: str = "docker_container"
    name: str = "workspace"
    daily_cost: int = 0
    agents: tuple[Agent, ...] = ()


@dataclass(frozen=True)
class Replacement:
    """A resource that a plan replaces, and the attributes that force it."""

    resource: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class AITask:
    """A `coder_ai_task`: the app in which the task runs, by the provider's id: `app_id`, or the older `sidebar_app`."""

    sidebar_app_id: str = ""
    app_id: str = ""


@dataclass(frozen=True)
class BuildResult:
    """What a daemon reports of a workspace build (or a dry run) that it has finished."""

    resources: tuple[Resource, ...] = (Resource(agents=(Agent(),)),)
    timings: tuple[Timing, ...] = ()
    ai_tasks: tuple[AITask, ...] = ()
    replacements: tuple[Replacement, ...] = ()

    @property
    def has_external_agent(self) -> bool:
        return any(agent.is_external for resource in self.resources for agent in resource.agents)


@dataclass(frozen=True)
class ImportResult:
    """What a daemon reports of a template version that it has imported."""

    start_resources: tuple[Resource, ...] = (Resource(agents=(Agent(),)),)
    stop_resources: tuple[Resource, ...] = ()
    timings: tuple[Timing, ...] = ()
    has_ai_task: bool = False
    presets: tuple[Preset, ...] = ()
    workspace_tags: tuple[tuple[str, str], ...] = ()
    """What its `coder_workspace_tags` are for everybody's workspaces, beside the tags of its import."""
    prebuild_tags: tuple[tuple[str, str], ...] = ()
    """And what they are for prebuilds beside that."""
    module_files: int | None = None
    """The id of a file that was uploaded before."""

    @property
    def has_external_agent(self) -> bool:
        return any(agent.is_external for resource in self.start_resources for agent in resource.agents)
