"""Devcontainers of an agent: the template names them, the agent's manifest carries them, its start brings them up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from posixpath import isabs, join

from simkit.controlplane.logs import AgentLine, write_agent_logs
from simkit.controlplane.types import Devcontainer
from simkit.errors import RefusedError
from simkit.store.database import Transaction

CONFIG_PATHS = (".devcontainer/devcontainer.json", ".devcontainer.json")
"""Where the devcontainer CLI looks in a workspace folder, in this order."""

_MAY_START = ("start_timeout", "start_error", "ready")
"""The states of an agent whose startup scripts have ended, well or not."""


@dataclass(frozen=True)
class Manifest:
    """What an agent asks the control plane for when it starts: who it is, whose its workspace is, what to bring up."""

    agent_id: int
    agent_name: str
    workspace_id: int
    workspace_name: str
    owner_id: int
    devcontainers: tuple[Devcontainer, ...]


@dataclass(frozen=True)
class Attempt:
    """What became of a devcontainer: started from a config, or what is missing and what to do about it."""

    name: str
    config_path: str
    """The file it starts from, "" if it does not start."""
    problem: str
    """"" if it starts."""

    @property
    def started(self) -> bool:
        return not self.problem


def problems(devcontainers: Iterable[Devcontainer]) -> list[str]:
    """Why an agent cannot have these devcontainers, and what to write instead."""
    found: list[str] = []
    names: set[str] = set()
    for devcontainer in devcontainers:
        if not devcontainer.workspace_folder:
            found.append(
                f'coder_devcontainer "{devcontainer.name}" has no workspace_folder; '
                'write the folder of the project, such as "/home/coder/project"'
            )
        if devcontainer.name in names:
            found.append(f'there are two coder_devcontainer "{devcontainer.name}"; name each resource differently')
        names.add(devcontainer.name)
    return found


def insert(tx: Transaction, now_at: int, agent_id: int, devcontainers: Iterable[Devcontainer]) -> tuple[int, ...]:
    """Insert the devcontainers that the template gives an agent; their ids, in order.

    Raises RefusedError with everything that is wrong with them.
    """
    devcontainers = tuple(devcontainers)
    if found := problems(devcontainers):
        raise RefusedError("\n".join(found))
    return tuple(
        tx.insert(
            "workspace_agent_devcontainers",
            workspace_agent_id=agent_id,
            created_at=now_at,
            workspace_folder=devcontainer.workspace_folder,
            config_path=devcontainer.config_path,
            name=devcontainer.name,
        )
        for devcontainer in devcontainers
    )


def manifest(tx: Transaction, agent_id: int) -> Manifest:
    """The agent's manifest, devcontainers in the template's order. Raises RefusedError for an unknown agent."""
    row = tx.one(
        """
        SELECT a.id, a.name, w.id, w.name, w.owner_id
        FROM workspace_agents AS a
        JOIN workspace_builds AS b ON b.id = a.workspace_build_id
        JOIN workspaces AS w ON w.id = b.workspace_id
        WHERE a.id = $id
        """,
        id=agent_id,
    )
    if row is None:
        raise RefusedError(f"there is no agent {agent_id}")
    found = tx.execute(
        "SELECT name, workspace_folder, config_path FROM workspace_agent_devcontainers "
        "WHERE workspace_agent_id = $id ORDER BY id",
        id=agent_id,
    )
    of_agent, agent_name, workspace_id, workspace_name, owner_id = row
    wanted = tuple(Devcontainer(*each) for each in found)
    return Manifest(of_agent, agent_name, workspace_id, workspace_name, owner_id, wanted)


def config_paths(devcontainer: Devcontainer) -> tuple[str, ...]:
    """The files that can configure a devcontainer: the one that the template names, else those that the CLI tries.

    A path that is neither absolute nor below `~` is below the workspace folder.
    """
    if not devcontainer.config_path:
        return tuple(join(devcontainer.workspace_folder, path) for path in CONFIG_PATHS)
    path = devcontainer.config_path
    return (path if isabs(path) or path.startswith("~") else join(devcontainer.workspace_folder, path),)


def autostart(tx: Transaction, now_at: int, agent_id: int, config_exists: Callable[[str], bool]) -> tuple[Attempt, ...]:
    """Start the agent's devcontainers, and write an agent log line about each; call it once startup scripts are done.

    A script may install the CLI or clone the project, so that nothing is looked for before. `config_exists`: is there
    such a file in the workspace? Raises RefusedError for an unknown agent and for one that has not started or that
    shuts down.
    """
    row = tx.one("SELECT name, lifecycle_state, has_devcontainer_cli FROM workspace_agents WHERE id = $id", id=agent_id)
    if row is None:
        raise RefusedError(f"there is no agent {agent_id}")
    name, state, has_cli = row
    if state not in _MAY_START:
        raise RefusedError(
            f'agent "{name}" is {state}; start its devcontainers when its startup scripts are done and it still runs'
        )
    attempts = tuple(_start(each, has_cli, config_exists) for each in manifest(tx, agent_id).devcontainers)
    if attempts:
        _write(tx, now_at, agent_id, attempts)
    return attempts


def _start(devcontainer: Devcontainer, has_cli: bool, config_exists: Callable[[str], bool]) -> Attempt:
    if not has_cli:
        return Attempt(
            devcontainer.name,
            "",
            "the devcontainer CLI is not installed; install @devcontainers/cli in the image or in a startup script "
            "(npm install -g @devcontainers/cli)",
        )
    paths = config_paths(devcontainer)
    for path in paths:
        if config_exists(path):
            return Attempt(devcontainer.name, path, "")
    missing = f"there is no {' or '.join(paths)}"
    instead = "correct config_path in the template" if devcontainer.config_path else "set config_path in the template"
    return Attempt(devcontainer.name, "", f"{missing}; add the file to the project, or {instead}")


def _write(tx: Transaction, now_at: int, agent_id: int, attempts: Iterable[Attempt]) -> None:
    lines = [
        AgentLine(
            f'Dev container "{each.name}" starts from {each.config_path}.', "info", f"Dev Container ({each.name})"
        )
        if each.started
        else AgentLine(
            f'Dev container "{each.name}" was not started: {each.problem}.', "error", f"Dev Container ({each.name})"
        )
        for each in attempts
    ]
    write_agent_logs(tx, now_at, agent_id, lines)
