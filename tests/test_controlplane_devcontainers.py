"""Devcontainers reach the agent by its manifest, and start after the startup scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simkit.clock import SECOND_US
from simkit.controlplane import devcontainers
from simkit.controlplane.types import Devcontainer
from simkit.errors import RefusedError
from simkit.store.database import Database, Transaction

T0 = 1_750_000_000 * SECOND_US
API = Devcontainer("api", "/home/coder/api")
CONFIG = "/home/coder/api/.devcontainer/devcontainer.json"


@pytest.fixture
def tx() -> Iterator[Transaction]:
    with Database(":memory:", "test") as database, database.transaction() as transaction:
        yield transaction


def agent(tx: Transaction, *of: Devcontainer, state: str = "ready", has_cli: bool = True) -> int:
    workspace_id = tx.insert("workspaces", created_at=T0, owner_id=3, template_id=1, deleted=False, name="dev")
    build_id = tx.insert(
        "workspace_builds",
        created_at=T0,
        workspace_id=workspace_id,
        template_version_id=1,
        template_version_preset_id=1,
        build_number=1,
        transition="start",
        initiator_id=3,
        job_id=1,
        reason="initiator",
    )
    agent_id = tx.insert(
        "workspace_agents", workspace_build_id=build_id, lifecycle_state=state, has_devcontainer_cli=has_cli
    )
    devcontainers.insert(tx, T0, agent_id, of)
    return agent_id


def logs(tx: Transaction) -> list[tuple[int, str, str]]:
    return tx.execute("SELECT agent_id, level, output FROM workspace_agent_logs ORDER BY id")


def test_the_manifest_says_who_the_agent_is_and_what_to_bring_up(tx: Transaction) -> None:
    web = Devcontainer("web", "/home/coder/web", "ci/devcontainer.json")
    agent_id = agent(tx, API, web)
    assert devcontainers.manifest(tx, agent_id) == devcontainers.Manifest(agent_id, "main", 1, "dev", 3, (API, web))


def test_the_manifest_names_the_new_owner_after_a_claim(tx: Transaction) -> None:
    agent_id = agent(tx)
    tx.update("workspaces", 1, owner_id=8, name="mine")
    manifest = devcontainers.manifest(tx, agent_id)
    assert (manifest.owner_id, manifest.workspace_name, manifest.devcontainers) == (8, "mine", ())


def test_devcontainers_without_a_folder_or_of_one_name_are_refused_together(tx: Transaction) -> None:
    agent_id = agent(tx)
    with pytest.raises(RefusedError) as refused:
        devcontainers.insert(tx, T0, agent_id, [API, API, Devcontainer("web", "")])
    first, second = str(refused.value).splitlines()
    assert 'two coder_devcontainer "api"' in first
    assert '"web" has no workspace_folder' in second
    assert devcontainers.manifest(tx, agent_id).devcontainers == ()


@pytest.mark.parametrize(
    ("config_path", "looked_at"),
    [
        ("", (CONFIG, "/home/coder/api/.devcontainer.json")),
        ("ci/devcontainer.json", ("/home/coder/api/ci/devcontainer.json",)),
        ("/etc/devcontainer.json", ("/etc/devcontainer.json",)),
        ("~/devcontainer.json", ("~/devcontainer.json",)),
    ],
)
def test_a_config_path_is_below_the_folder_unless_it_says_otherwise(
    config_path: str, looked_at: tuple[str, ...]
) -> None:
    assert devcontainers.config_paths(Devcontainer("api", "/home/coder/api", config_path)) == looked_at


def test_a_devcontainer_starts_where_the_cli_and_a_config_are(tx: Transaction) -> None:
    agent_id = agent(tx, API)
    (outcome,) = devcontainers.autostart(tx, T0 + 5, agent_id, {CONFIG}.__contains__)
    assert (outcome.name, outcome.started, outcome.config_path) == ("api", True, CONFIG)
    ((of, level, output),) = logs(tx)
    assert (of, level) == (agent_id, "info")
    assert CONFIG in output


def test_the_second_usual_place_of_a_config_will_do(tx: Transaction) -> None:
    agent_id = agent(tx, API)
    (outcome,) = devcontainers.autostart(tx, T0, agent_id, {"/home/coder/api/.devcontainer.json"}.__contains__)
    assert outcome.config_path == "/home/coder/api/.devcontainer.json"


def test_without_the_cli_the_log_names_the_package(tx: Transaction) -> None:
    agent_id = agent(tx, API, has_cli=False)
    (outcome,) = devcontainers.autostart(tx, T0, agent_id, lambda _: True)
    assert not outcome.started
    ((of, level, output),) = logs(tx)
    assert (of, level) == (agent_id, "error")
    assert "npm install -g @devcontainers/cli" in output
    assert '"api"' in output


def test_without_a_config_the_log_names_every_place_that_was_looked_at(tx: Transaction) -> None:
    agent_id = agent(tx, API)
    assert not devcontainers.autostart(tx, T0, agent_id, lambda _: False)[0].started
    ((_, level, output),) = logs(tx)
    assert level == "error"
    assert CONFIG in output
    assert "/home/coder/api/.devcontainer.json" in output


def test_a_config_path_of_the_template_is_the_only_place(tx: Transaction) -> None:
    agent_id = agent(tx, Devcontainer("api", "/home/coder/api", "ci/devcontainer.json"))
    (outcome,) = devcontainers.autostart(tx, T0, agent_id, {CONFIG}.__contains__)
    assert not outcome.started
    assert "there is no /home/coder/api/ci/devcontainer.json; " in outcome.problem
    assert "correct config_path" in outcome.problem


def test_one_devcontainer_that_cannot_start_does_not_hold_up_the_others(tx: Transaction) -> None:
    agent_id = agent(tx, Devcontainer("web", "/home/coder/web"), API)
    outcomes = devcontainers.autostart(tx, T0, agent_id, {CONFIG}.__contains__)
    assert [(each.name, each.started) for each in outcomes] == [("web", False), ("api", True)]
    assert [level for _, level, _ in logs(tx)] == ["error", "info"]


def test_an_agent_without_devcontainers_says_nothing(tx: Transaction) -> None:
    assert devcontainers.autostart(tx, T0, agent(tx, has_cli=False), lambda _: False) == ()
    assert logs(tx) == []


@pytest.mark.parametrize("state", ["created", "shutting_down", "off"])
def test_nothing_starts_before_the_scripts_or_while_the_agent_goes(tx: Transaction, state: str) -> None:
    agent_id = agent(tx, API, state=state)
    with pytest.raises(RefusedError, match=f'agent "main" is {state}; start its devcontainers when'):
        devcontainers.autostart(tx, T0, agent_id, lambda _: True)
    assert logs(tx) == []


def test_an_unknown_agent_is_refused(tx: Transaction) -> None:
    with pytest.raises(RefusedError, match="there is no agent 99"):
        devcontainers.manifest(tx, 99)
    with pytest.raises(RefusedError, match="there is no agent 99"):
        devcontainers.autostart(tx, T0, 99, lambda _: True)
