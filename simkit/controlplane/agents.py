"""A workspace's agents: how they start, become ready and shut down, and how a claim makes one start anew."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Literal, NamedTuple, get_args
from uuid import UUID

from simkit.clock import NEVER
from simkit.controlplane import devcontainers
from simkit.controlplane.types import PREBUILDS_USER, Agent
from simkit.errors import RefusedError, did_you_mean
from simkit.names import agent_name_problem, app_slug_problem
from simkit.store.database import Transaction, instant

LifecycleState = Literal[
    "created",
    "starting",
    "start_timeout",
    "start_error",
    "ready",
    "shutting_down",
    "shutdown_timeout",
    "shutdown_error",
    "off",
]

LIFECYCLE: tuple[LifecycleState, ...] = get_args(LifecycleState)
"""The order in which one agent process reports its states (Coder's WorkspaceAgentLifecycleOrder); it may skip some."""

_SCRIPTS_ARE_DONE = ("ready", "start_timeout", "start_error")


class Reinitialization(NamedTuple):
    """What an agent is told when its prebuild was claimed: of which workspace, whose it is now, and why."""

    agent_id: int
    workspace_id: int
    owner_id: int
    reason: str


class AgentState(NamedTuple):
    """An agent as its workspace's owner sees it. Instants in microseconds, NEVER for what has not come."""

    id: int
    name: str
    lifecycle_state: str
    first_connected_at: int
    last_connected_at: int
    started_at: int
    ready_at: int


def insert(
    tx: Transaction, now_at: int, build_id: int, number: int, placed: Iterable[tuple[int, Agent]]
) -> tuple[int, ...]:
    """Insert all agents of a workspace's build, each with its resource, and their apps and devcontainers: their ids.

    `number`: the build's. An agent of the start before keeps its token, because Terraform keeps it: so the agent of a
    prebuild that was claimed still gets in. Raises RefusedError with everything that Coder does not take.
    """
    placed = tuple(placed)
    if found := problems(agent for _, agent in placed):
        raise RefusedError("\n".join(found))
    kept = _tokens_of_the_start_before(tx, build_id) if number > 1 and placed else {}
    return tuple(_insert(tx, now_at, build_id, resource_id, agent, kept) for resource_id, agent in placed)


def problems(agents: Iterable[Agent]) -> list[str]:
    """Why Coder refuses these agents of one build, with their apps and devcontainers, and what to write instead."""
    found: list[str] = []
    # Coder compares agent names in lower case, because they are a part of host names.
    taken: dict[str, str] = {}
    taken_slugs: set[str] = set()
    for agent in agents:
        if problem := agent_name_problem(agent.name):
            found.append(problem)
        elif (other := taken.get(agent.name.lower())) is not None:
            found.append(
                f'agent name "{agent.name}" is taken by agent "{other}", as case does not count; choose another one'
            )
        taken.setdefault(agent.name.lower(), agent.name)
        for app in agent.apps:
            if problem := app_slug_problem(app.slug):
                found.append(f'agent "{agent.name}": {problem}')
            elif app.slug in taken_slugs:
                found.append(
                    f'agent "{agent.name}": app slug "{app.slug}" is taken in this template; choose another one'
                )
            taken_slugs.add(app.slug)
        found.extend(f'agent "{agent.name}": {problem}' for problem in devcontainers.problems(agent.devcontainers))
    return found


def insert_sub_agent(tx: Transaction, now_at: int, parent_id: int, agent: Agent) -> int:
    """An agent starts a devcontainer, in which an agent of its own will run: that one's id.

    Raises RefusedError for an unknown parent, for one that is itself such an agent, and for a name that Coder does not
    take.
    """
    found = get(tx, parent_id)
    row = tx.one("SELECT workspace_build_id, resource_id, parent_id FROM workspace_agents WHERE id = $id", id=parent_id)
    assert row is not None, "it is there"
    build_id, resource_id, grandparent_id = row
    if grandparent_id is not None:
        raise RefusedError(f'agent "{found.name}" runs in a devcontainer itself, and starts none')
    others = tx.execute("SELECT name FROM workspace_agents WHERE workspace_build_id = $build", build=build_id)
    if refused := problems([*(Agent(name) for (name,) in others), agent]):
        raise RefusedError("\n".join(refused))
    agent_id = _insert(tx, now_at, build_id, resource_id, agent, {})
    tx.update("workspace_agents", agent_id, parent_id=parent_id)
    return agent_id


def get(tx: Transaction, agent_id: int) -> AgentState:
    """An agent by its id. Raises RefusedError for an id that no agent has."""
    row = tx.one(
        "SELECT id, name, lifecycle_state, epoch_us(first_connected_at), epoch_us(last_connected_at), "
        "epoch_us(started_at), epoch_us(ready_at) FROM workspace_agents WHERE id = $id",
        id=agent_id,
    )
    if row is None:
        raise RefusedError(f"there is no agent {agent_id}")
    return AgentState._make([*row[:3], *(instant(value) for value in row[3:])])


def connect(tx: Transaction, now_at: int, agent_id: int) -> None:
    """The agent opens a connection. Its lifecycle waits for its own reports.

    Raises RefusedError for an unknown agent, and as Coder does for one whose workspace is deleted or has a later build.
    """
    agent = get(tx, agent_id)
    row = tx.one(
        """
        SELECT w.id, w.deleted, b.build_number, (
            SELECT max(later.build_number) FROM workspace_builds AS later WHERE later.workspace_id = w.id
        )
        FROM workspace_agents AS a
        JOIN workspace_builds AS b ON b.id = a.workspace_build_id
        JOIN workspaces AS w ON w.id = b.workspace_id
        WHERE a.id = $id
        """,
        id=agent_id,
    )
    assert row is not None, "an agent belongs to a build, and a build to a workspace"
    workspace_id, is_deleted, number, latest = row
    if is_deleted:
        raise RefusedError(f'agent "{agent.name}" cannot connect: workspace {workspace_id} is deleted')
    if number != latest:
        raise RefusedError(
            f'agent "{agent.name}" is of build {number} of workspace {workspace_id}, whose latest build is {latest}; '
            "connect an agent of that one"
        )
    tx.update("workspace_agents", agent_id, **_heard_of(agent, now_at))


def report(tx: Transaction, now_at: int, agent_id: int, state: str) -> bool:
    """The agent reports its lifecycle; False if nothing changes, as its process has been that far already.

    Coder's agent keeps such a report to itself. One that starts again is a new process: see `start_anew`. `ready_at` is
    when its startup scripts were done, with success, an error or a timeout, as in Coder: only the state tells a ready
    agent. Raises RefusedError for an unknown agent or state.
    """
    agent = get(tx, agent_id)
    if state not in LIFECYCLE:
        raise RefusedError(f'"{state}" is no lifecycle state of an agent; {did_you_mean(state, LIFECYCLE)}')
    if LIFECYCLE.index(state) <= LIFECYCLE.index(agent.lifecycle_state):
        return False
    times = _heard_of(agent, now_at)
    if state == "starting" or (state in _SCRIPTS_ARE_DONE and agent.started_at == NEVER):
        times["started_at"] = now_at
    if state in _SCRIPTS_ARE_DONE:
        times["ready_at"] = now_at
    tx.update("workspace_agents", agent_id, lifecycle_state=state, **times)
    return True


def become_ready(tx: Transaction, now_at: int, agent_ids: Iterable[int]) -> None:
    """Several agents report `ready` at once: as `report` of each, in one statement. Unknown ids are nobody's."""
    tx.execute(
        """
        UPDATE workspace_agents SET
            lifecycle_state = 'ready',
            ready_at = make_timestamptz($now),
            started_at = coalesce(started_at, make_timestamptz($now)),
            first_connected_at = coalesce(first_connected_at, make_timestamptz($now)),
            last_connected_at = make_timestamptz($now)
        WHERE list_contains($ids::BIGINT[], id) AND list_contains($before, lifecycle_state)
        """,
        now=now_at,
        ids=list(agent_ids),
        before=list(LIFECYCLE[: LIFECYCLE.index("ready")]),
    )


def start_anew(tx: Transaction, now_at: int, agent_id: int) -> None:
    """A new process of the agent starts, whatever the one before it has reported: it is not ready until it says so.

    Raises RefusedError for an unknown agent.
    """
    heard = _heard_of(get(tx, agent_id), now_at)
    tx.update("workspace_agents", agent_id, lifecycle_state="starting", started_at=now_at, ready_at=None, **heard)


def single(tx: Transaction, workspace_id: int) -> int | None:
    """The one agent of the workspace's newest build that has agents, None without any.

    Raises RefusedError if it has more: only one agent can be told that its prebuild was claimed.
    """
    found = tx.execute(
        """
        SELECT a.id, a.name FROM workspace_agents AS a
        JOIN workspace_builds AS b ON b.id = a.workspace_build_id
        WHERE b.workspace_id = $workspace AND a.parent_id IS NULL
        QUALIFY rank() OVER (ORDER BY b.build_number DESC) = 1
        ORDER BY a.id
        """,
        workspace=workspace_id,
    )
    if len(found) > 1:
        names = ", ".join(f'"{name}"' for _, name in found)
        raise RefusedError(
            f"workspace {workspace_id} has {len(found)} agents ({names}), and a claim reinitialises one; "
            "write a single coder_agent in a template with prebuilds"
        )
    return int(found[0][0]) if found else None


def reinitialize(tx: Transaction, now_at: int, workspace_id: int) -> Reinitialization | None:
    """Tell the agent of a prebuild that it was claimed; it starts anew and is not ready until it says so.

    None if no agent is there to hear it. Raises RefusedError for an unknown workspace, one that never was a prebuild,
    one whose agent was told before, and one with more agents than one.
    """
    row = tx.one(
        """
        SELECT
            w.owner_id,
            (SELECT b.initiator_id FROM workspace_builds AS b WHERE b.workspace_id = w.id AND b.build_number = 1),
            (SELECT count(*) FROM workspace_agent_reinitializations AS r WHERE r.workspace_id = w.id)
        FROM workspaces AS w WHERE w.id = $id
        """,
        id=workspace_id,
    )
    if row is None:
        raise RefusedError(f"there is no workspace {workspace_id}")
    owner_id, first_initiator_id, told = row
    if first_initiator_id != PREBUILDS_USER:
        raise RefusedError(f"workspace {workspace_id} never was a prebuild; only a claim reinitialises an agent")
    if told:
        # A second event would cut the sessions of the person who works there.
        raise RefusedError(f"workspace {workspace_id} was claimed before; its agent is reinitialised once")
    agent_id = single(tx, workspace_id)
    return tell_claimed(tx, now_at, workspace_id, int(owner_id), () if agent_id is None else (agent_id,))


def tell_claimed(
    tx: Transaction, now_at: int, workspace_id: int, owner_id: int, agent_ids: tuple[int, ...]
) -> Reinitialization | None:
    """Tell the agent of a claim's build, which is done, that it starts anew; None if there is none to hear it.

    Raises RefusedError for more agents than one.
    """
    if len(agent_ids) > 1:
        single(tx, workspace_id)
    if not agent_ids:
        return None
    event = Reinitialization(agent_ids[0], workspace_id, owner_id, "prebuild_claimed")
    tx.insert(
        "workspace_agent_reinitializations",
        agent_id=event.agent_id,
        workspace_id=workspace_id,
        happened_at=now_at,
        reason=event.reason,
    )
    tx.update("workspace_agents", event.agent_id, lifecycle_state="starting", started_at=now_at, ready_at=None)
    return event


def _insert(
    tx: Transaction, now_at: int, build_id: int, resource_id: int, agent: Agent, kept: dict[str, str | None]
) -> int:
    by_token = not agent.instance_id
    agent_id = tx.insert(
        "workspace_agents",
        workspace_build_id=build_id,
        resource_id=resource_id,
        name=agent.name,
        created_at=now_at,
        auth_token=(kept.get(agent.name.lower()) or _token(build_id, agent.name)) if by_token else None,
        auth_instance_id=agent.instance_id or None,
        operating_system=agent.operating_system,
        architecture=agent.architecture,
        has_devcontainer_cli=agent.has_devcontainer_cli,
    )
    for app in agent.apps:
        tx.insert("workspace_apps", agent_id=agent_id, app_id=app.app_id, slug=app.slug, display_name=app.display_name)
    devcontainers.insert(tx, now_at, agent_id, agent.devcontainers)
    return agent_id


def _tokens_of_the_start_before(tx: Transaction, build_id: int) -> dict[str, str | None]:
    """Token by lower-case agent name, of the build just before this one if that was a start."""
    found = tx.execute(
        """
        SELECT a.name, a.auth_token FROM workspace_agents AS a
        WHERE a.workspace_build_id IN (
            SELECT before.id FROM workspace_builds AS before
            JOIN workspace_builds AS b
                ON b.workspace_id = before.workspace_id AND b.build_number = before.build_number + 1
            WHERE b.id = $build AND before.transition = 'start'
        )
        """,
        build=build_id,
    )
    return {name.lower(): token for name, token in found}


def _token(build_id: int, name: str) -> str:
    """A UUID, as Coder's tokens are, that only the build and the agent's name decide."""
    return str(UUID(bytes=sha256(f"agent token {build_id}/{name.lower()}".encode()).digest()[:16], version=4))


def _heard_of(agent: AgentState, now_at: int) -> dict[str, int]:
    """The columns of a connection. A report travels over one, so that it counts as one."""
    first_at = now_at if agent.first_connected_at == NEVER else agent.first_connected_at
    return {"first_connected_at": first_at, "last_connected_at": now_at}
