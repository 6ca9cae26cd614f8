"""Agents start, become ready, shut down, and start anew when their prebuild is claimed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simkit.clock import NEVER, SECOND_US
from simkit.controlplane import agents
from simkit.controlplane.types import PREBUILDS_USER, Agent, App, Devcontainer
from simkit.errors import RefusedError
from simkit.store.database import Database, Transaction

T0 = 1_750_000_000 * SECOND_US
ALICE = 1


@pytest.fixture
def tx() -> Iterator[Transaction]:
    with Database(":memory:", "test") as database, database.transaction() as transaction:
        yield transaction


def workspace(tx: Transaction, owner_id: int = ALICE) -> int:
    return tx.insert("workspaces", created_at=T0, owner_id=owner_id, template_id=1, deleted=False, name="dev")


def build(
    tx: Transaction, workspace_id: int, number: int = 1, transition: str = "start", initiator_id: int = ALICE
) -> int:
    return tx.insert(
        "workspace_builds",
        created_at=T0,
        workspace_id=workspace_id,
        template_version_id=1,
        template_version_preset_id=1,
        build_number=number,
        transition=transition,
        initiator_id=initiator_id,
        job_id=number,
        reason="initiator",
    )


def insert(tx: Transaction, at: int, build_id: int, resource_id: int, given: list[Agent]) -> tuple[int, ...]:
    """The agents of a build, all of one resource."""
    row = tx.one("SELECT build_number FROM workspace_builds WHERE id = $id", id=build_id)
    assert row is not None
    return agents.insert(tx, at, build_id, row[0], [(resource_id, agent) for agent in given])


def one_agent(tx: Transaction) -> int:
    return insert(tx, T0, build(tx, workspace(tx)), 1, [Agent()])[0]


def prebuild(tx: Transaction, *of: Agent) -> int:
    """A claimed prebuild: its first build has the agents, and they are ready."""
    workspace_id = workspace(tx, ALICE)
    for agent_id in insert(tx, T0, build(tx, workspace_id, initiator_id=PREBUILDS_USER), 1, of):
        agents.report(tx, T0 + 10, agent_id, "ready")
    return workspace_id


def token(tx: Transaction, agent_id: int) -> str | None:
    row = tx.one("SELECT auth_token FROM workspace_agents WHERE id = $id", id=agent_id)
    assert row is not None
    return row[0]


def test_a_build_has_the_agents_and_apps_of_its_template(tx: Transaction) -> None:
    build_id = build(tx, workspace(tx))
    given = Agent("dev", "windows", "arm64", apps=(App("uuid-1", "code", "Code"),))
    (agent_id,) = insert(tx, T0, build_id, 7, [given])
    assert tx.execute(
        "SELECT workspace_build_id, resource_id, name, operating_system, architecture, lifecycle_state, "
        "epoch_us(created_at) FROM workspace_agents"
    ) == [(build_id, 7, "dev", "windows", "arm64", "created", T0)]
    assert tx.execute("SELECT agent_id, app_id, slug, display_name FROM workspace_apps") == [
        (agent_id, "uuid-1", "code", "Code")
    ]


def test_every_bad_name_is_reported_at_once_and_nothing_is_inserted(tx: Transaction) -> None:
    given = [Agent("my_agent", apps=(App("1", "Code"),)), Agent("a--b", devcontainers=(Devcontainer("api", ""),))]
    with pytest.raises(RefusedError) as refused:
        insert(tx, T0, build(tx, workspace(tx)), 1, given)
    first, second, third, fourth = str(refused.value).splitlines()
    assert '"my_agent"' in first
    assert 'write "my-agent"' in first
    assert 'app slug "Code" has capital letters' in second
    assert '"a--b"' in third
    assert 'coder_devcontainer "api" has no workspace_folder' in fourth
    assert tx.execute("SELECT count(*) FROM workspace_agents") == [(0,)]


def test_agent_names_are_unique_in_a_build_whatever_their_case(tx: Transaction) -> None:
    build_id = build(tx, workspace(tx))
    with pytest.raises(RefusedError, match=r'"MAIN" is taken by agent "main", as case does not count'):
        agents.insert(tx, T0, build_id, 1, [(1, Agent("main")), (2, Agent("MAIN"))])
    with pytest.raises(RefusedError, match='"Dev" is taken by agent "dev"'):
        insert(tx, T0, build_id, 2, [Agent("dev"), Agent("Dev")])


def test_another_build_may_have_an_agent_of_the_same_name(tx: Transaction) -> None:
    workspace_id = workspace(tx)
    insert(tx, T0, build(tx, workspace_id, 1), 1, [Agent("main")])
    assert len(insert(tx, T0, build(tx, workspace_id, 2), 2, [Agent("main")])) == 1


def test_app_slugs_are_unique_in_the_whole_build(tx: Transaction) -> None:
    build_id = build(tx, workspace(tx))
    first, second = (Agent(name, apps=(App(name, "code"),)) for name in ("a", "b"))
    with pytest.raises(RefusedError, match='agent "b": app slug "code" is taken in this template'):
        agents.insert(tx, T0, build_id, 1, [(1, first), (2, second)])


def test_a_token_is_decided_by_the_build_and_the_name(tx: Transaction) -> None:
    workspace_id = workspace(tx)
    first, second = insert(tx, T0, build(tx, workspace_id), 1, [Agent("a"), Agent("b")])
    with Database(":memory:", "again") as database, database.transaction() as other:
        (same,) = insert(other, T0 + 5, build(other, workspace(other)), 1, [Agent("a")])
        assert token(other, same) == token(tx, first)
    assert token(tx, first) != token(tx, second)


def test_an_agent_with_an_instance_identity_has_no_token(tx: Transaction) -> None:
    (agent_id,) = insert(tx, T0, build(tx, workspace(tx)), 1, [Agent(instance_id="i-1")])
    assert token(tx, agent_id) is None
    assert tx.execute("SELECT auth_instance_id FROM workspace_agents") == [("i-1",)]


def test_a_token_outlives_a_start_over_a_start_but_not_a_stop(tx: Transaction) -> None:
    workspace_id = workspace(tx)
    (first,) = insert(tx, T0, build(tx, workspace_id, 1), 1, [Agent()])
    (kept,) = insert(tx, T0, build(tx, workspace_id, 2), 2, [Agent()])
    insert(tx, T0, build(tx, workspace_id, 3, "stop"), 3, [Agent()])
    (new,) = insert(tx, T0, build(tx, workspace_id, 4), 3, [Agent()])
    assert token(tx, kept) == token(tx, first)
    assert token(tx, new) != token(tx, first)


def test_the_first_connection_stays_and_the_last_one_moves(tx: Transaction) -> None:
    agent_id = one_agent(tx)
    assert agents.get(tx, agent_id).first_connected_at == NEVER
    agents.connect(tx, T0 + 1, agent_id)
    agents.connect(tx, T0 + 2, agent_id)
    agent = agents.get(tx, agent_id)
    assert (agent.first_connected_at, agent.last_connected_at) == (T0 + 1, T0 + 2)
    assert agent.lifecycle_state == "created"


def test_an_agent_of_an_outdated_build_cannot_connect(tx: Transaction) -> None:
    workspace_id = workspace(tx)
    (agent_id,) = insert(tx, T0, build(tx, workspace_id, 1), 1, [Agent()])
    build(tx, workspace_id, 2, "stop")
    with pytest.raises(RefusedError, match="is of build 1 of workspace 1, whose latest build is 2"):
        agents.connect(tx, T0 + 1, agent_id)


def test_an_agent_of_a_deleted_workspace_cannot_connect(tx: Transaction) -> None:
    agent_id = one_agent(tx)
    tx.update("workspaces", 1, deleted=True)
    with pytest.raises(RefusedError, match="workspace 1 is deleted"):
        agents.connect(tx, T0 + 1, agent_id)


def test_an_agent_starts_becomes_ready_and_shuts_down(tx: Transaction) -> None:
    agent_id = one_agent(tx)
    for seconds, state in enumerate(("starting", "ready", "shutting_down", "off")):
        assert agents.report(tx, T0 + seconds, agent_id, state)
        assert agents.get(tx, agent_id).lifecycle_state == state
    agent = agents.get(tx, agent_id)
    assert (agent.started_at, agent.ready_at) == (T0, T0 + 1)
    assert (agent.first_connected_at, agent.last_connected_at) == (T0, T0 + 3)


def test_an_agent_that_was_cut_off_while_it_started_may_report_ready_first(tx: Transaction) -> None:
    agent_id = one_agent(tx)
    assert agents.report(tx, T0 + 4, agent_id, "ready")
    agent = agents.get(tx, agent_id)
    assert (agent.started_at, agent.ready_at) == (T0 + 4, T0 + 4)


@pytest.mark.parametrize("state", ["start_timeout", "start_error"])
def test_startup_scripts_that_go_wrong_are_done_too(tx: Transaction, state: str) -> None:
    agent_id = one_agent(tx)
    agents.report(tx, T0, agent_id, "starting")
    agents.report(tx, T0 + 3, agent_id, state)
    agent = agents.get(tx, agent_id)
    assert (agent.lifecycle_state, agent.ready_at) == (state, T0 + 3)


@pytest.mark.parametrize("state", ["created", "starting", "start_timeout", "start_error", "ready"])
def test_a_report_that_does_not_go_on_changes_nothing(tx: Transaction, state: str) -> None:
    agent_id = one_agent(tx)
    agents.report(tx, T0 + 1, agent_id, "ready")
    before = agents.get(tx, agent_id)
    assert not agents.report(tx, T0 + 9, agent_id, state)
    assert agents.get(tx, agent_id) == before


def test_several_agents_become_ready_as_if_each_had_reported_it(tx: Transaction) -> None:
    build_id = build(tx, workspace(tx))
    new, started, gone, alone, left_out = insert(tx, T0, build_id, 1, [Agent(name) for name in "abcde"])
    agents.report(tx, T0 + 1, started, "starting")
    agents.report(tx, T0 + 1, gone, "off")
    before = [agents.get(tx, agent_id) for agent_id in (gone, left_out)]
    agents.become_ready(tx, T0 + 2, (new, started, gone, 99))
    agents.report(tx, T0 + 2, alone, "ready")
    assert agents.get(tx, new)[2:] == agents.get(tx, alone)[2:]
    assert agents.get(tx, started)[2:] == ("ready", T0 + 1, T0 + 2, T0 + 1, T0 + 2)
    assert [agents.get(tx, agent_id) for agent_id in (gone, left_out)] == before
    agents.become_ready(tx, T0 + 3, ())
    assert [agents.get(tx, agent_id) for agent_id in (gone, left_out)] == before


def test_an_unknown_state_is_refused_with_the_nearest_one(tx: Transaction) -> None:
    agent_id = one_agent(tx)
    with pytest.raises(RefusedError, match='"shuting_down" is no lifecycle state of an agent; write "shutting_down"'):
        agents.report(tx, T0, agent_id, "shuting_down")


def test_a_new_process_of_an_agent_is_not_ready_until_it_says_so(tx: Transaction) -> None:
    agent_id = one_agent(tx)
    agents.report(tx, T0, agent_id, "ready")
    agents.report(tx, T0 + 1, agent_id, "off")
    agents.start_anew(tx, T0 + 2, agent_id)
    agent = agents.get(tx, agent_id)
    assert (agent.lifecycle_state, agent.started_at, agent.ready_at) == ("starting", T0 + 2, NEVER)
    assert agents.report(tx, T0 + 3, agent_id, "ready")
    assert agents.get(tx, agent_id).ready_at == T0 + 3


def test_nothing_can_be_done_with_an_unknown_agent(tx: Transaction) -> None:
    for act in (agents.connect, agents.start_anew):
        with pytest.raises(RefusedError, match="there is no agent 99"):
            act(tx, T0, 99)
    with pytest.raises(RefusedError, match="there is no agent 99"):
        agents.report(tx, T0, 99, "ready")


def test_a_claim_makes_the_agent_start_anew(tx: Transaction) -> None:
    workspace_id = prebuild(tx, Agent())
    (before,) = tx.execute("SELECT id FROM workspace_agents")[0]
    (agent_id,) = insert(tx, T0 + 20, build(tx, workspace_id, 2), 2, [Agent()])
    event = agents.reinitialize(tx, T0 + 20, workspace_id)
    assert event == (agent_id, workspace_id, ALICE, "prebuild_claimed")
    assert tx.execute(
        "SELECT agent_id, workspace_id, epoch_us(happened_at), reason FROM workspace_agent_reinitializations"
    ) == [(agent_id, workspace_id, T0 + 20, "prebuild_claimed")]
    agent = agents.get(tx, agent_id)
    assert (agent.lifecycle_state, agent.started_at, agent.ready_at) == ("starting", T0 + 20, NEVER)
    assert token(tx, agent_id) == token(tx, before)
    assert agents.report(tx, T0 + 25, agent_id, "ready")
    assert agents.get(tx, agent_id).ready_at == T0 + 25


def test_a_claim_of_a_prebuild_with_two_agents_is_refused_by_their_names(tx: Transaction) -> None:
    workspace_id = prebuild(tx, Agent("web"), Agent("db"))
    with pytest.raises(
        RefusedError, match=r'has 2 agents \("web", "db"\), and a claim reinitialises one; write a single'
    ):
        agents.reinitialize(tx, T0 + 20, workspace_id)
    assert tx.execute("SELECT DISTINCT lifecycle_state FROM workspace_agents") == [("ready",)]
    assert tx.execute("SELECT count(*) FROM workspace_agent_reinitializations") == [(0,)]


def test_only_a_prebuild_is_reinitialised_and_only_once(tx: Transaction) -> None:
    with pytest.raises(RefusedError, match="there is no workspace 99"):
        agents.reinitialize(tx, T0, 99)
    own = workspace(tx)
    insert(tx, T0, build(tx, own), 1, [Agent()])
    with pytest.raises(RefusedError, match=f"workspace {own} never was a prebuild"):
        agents.reinitialize(tx, T0, own)
    claimed = prebuild(tx, Agent())
    agents.reinitialize(tx, T0 + 20, claimed)
    with pytest.raises(RefusedError, match=f"workspace {claimed} was claimed before"):
        agents.reinitialize(tx, T0 + 21, claimed)


def test_a_prebuild_without_an_agent_has_nobody_to_tell(tx: Transaction) -> None:
    workspace_id = prebuild(tx)
    assert agents.reinitialize(tx, T0 + 20, workspace_id) is None
    assert tx.execute("SELECT count(*) FROM workspace_agent_reinitializations") == [(0,)]
