"""External workspaces: init scripts, credentials, an agent that connects when its owner wants, lists by the flag."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simkit.clock import NEVER, SECOND_US
from simkit.controlplane import agents, external
from simkit.controlplane.types import Agent, Transition
from simkit.errors import RefusedError
from simkit.store.database import Database, Transaction

T0 = 1_750_000_000 * SECOND_US
URL = "https://coder.example.com"
SCHEDULE = (
    "default_ttl",
    "activity_bump",
    "autostart_days_of_week",
    "autostop_requirement_days_of_week",
    "autostop_requirement_weeks",
    "failure_ttl",
    "time_til_dormant",
    "time_til_dormant_autodelete",
)
FOR_SH = [platform for platform in external.PLATFORMS if platform[0] != "windows"]


@pytest.fixture
def tx() -> Iterator[Transaction]:
    with Database(":memory:", "test") as database, database.transaction() as transaction:
        yield transaction


def workspace(tx: Transaction, *flags: bool | None, deleted: bool = False) -> int:
    """A workspace with a start build for each flag."""
    workspace_id = tx.insert("workspaces", created_at=T0, owner_id=1, template_id=1, deleted=deleted, name="dev")
    for number, flag in enumerate(flags, 1):
        build(tx, workspace_id, number, flag)
    return workspace_id


def build(tx: Transaction, workspace_id: int, number: int, flag: bool | None, transition: Transition = "start") -> int:
    return tx.insert(
        "workspace_builds",
        created_at=T0,
        workspace_id=workspace_id,
        template_version_id=1,
        template_version_preset_id=1,
        build_number=number,
        transition=transition,
        initiator_id=1,
        job_id=1,
        reason="initiator",
        has_external_agent=flag,
    )


def with_agent(tx: Transaction, agent: Agent, flag: bool | None = True) -> tuple[int, int, str]:
    """(workspace, agent, token) of a workspace with one build."""
    workspace_id = workspace(tx)
    (agent_id,) = agents.insert(tx, T0, build(tx, workspace_id, 1, flag), 1, [(1, agent)])
    row = tx.one("SELECT coalesce(auth_token, '') FROM workspace_agents WHERE id = $id", id=agent_id)
    assert row is not None
    return workspace_id, agent_id, row[0]


@pytest.mark.parametrize("url", ["", URL])
@pytest.mark.parametrize(("system", "architecture"), FOR_SH)
def test_a_shell_can_read_the_script(system: str, architecture: str, url: str) -> None:
    script = external.init_script(system, architecture, url)
    assert f"/bin/coder-{system}-{architecture}" in script
    assert "@" not in script, "a placeholder is left"
    readers = [["sh", "-n"]] + ([["shellcheck", "-"]] if shutil.which("shellcheck") else [])
    for reader in readers:
        read = subprocess.run(reader, input=script, text=True, capture_output=True, check=False)
        assert (read.returncode, read.stdout) == (0, ""), reader


def run_script(tmp_path: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it where `curl` writes an agent that tells what it was given and where it came from."""
    curl = tmp_path / "curl"
    curl.write_text(
        "#!/bin/sh\n"
        'cat >"$4" <<END\n#!/bin/sh\n'
        'echo "\\$1 from $2: \\$CODER_AGENT_TOKEN \\$CODER_AGENT_URL \\$CODER_AGENT_AUTH"\nEND\n'
    )
    curl.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    return subprocess.run(
        ["sh"],
        input=script,
        text=True,
        capture_output=True,
        check=False,
        env={"PATH": path, "TMPDIR": str(tmp_path), **environment},
    )


def test_the_script_downloads_the_agent_and_runs_it(tmp_path: Path) -> None:
    done = run_script(
        tmp_path, external.init_script("linux", "arm64"), CODER_AGENT_TOKEN="t-1", CODER_AGENT_URL=f"{URL}/"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"agent from {URL}/bin/coder-linux-arm64: t-1 {URL}/ token\n"


def test_the_access_url_is_only_a_default(tmp_path: Path) -> None:
    script = external.init_script("linux", "amd64", URL)
    assert URL in run_script(tmp_path, script, CODER_AGENT_TOKEN="t").stdout
    other = run_script(tmp_path, script, CODER_AGENT_TOKEN="t", CODER_AGENT_URL="http://other")
    assert other.stdout == "agent from http://other/bin/coder-linux-amd64: t http://other token\n"


def test_a_script_without_its_token_says_what_is_missing(tmp_path: Path) -> None:
    done = run_script(tmp_path, external.init_script("linux", "amd64", URL))
    assert done.returncode != 0
    assert "CODER_AGENT_TOKEN: is not set: take the whole command from the page of your workspace" in done.stderr


def test_half_a_script_does_nothing(tmp_path: Path) -> None:
    script = external.init_script("linux", "amd64", URL)
    half = script[: script.rindex("main")]
    done = run_script(tmp_path, half, CODER_AGENT_TOKEN="t")
    assert (done.stdout, [path.name for path in tmp_path.iterdir()]) == ("", ["curl"])


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_windows_gets_powershell(architecture: str) -> None:
    script = external.init_script("windows", architecture, URL)
    assert f"/bin/coder-windows-{architecture}.exe" in script
    assert f'$env:CODER_AGENT_URL = "{URL}"' in script
    assert "$env:CODER_AGENT_TOKEN" in script
    assert script.rstrip().endswith("& $binary agent")
    assert script.count("{") == script.count("}")


def test_the_case_of_a_platform_does_not_count() -> None:
    assert external.init_script("Linux", "AMD64") == external.init_script("linux", "amd64")


@pytest.mark.parametrize(
    ("system", "architecture"), [("freebsd", "amd64"), ("linux", "i386"), ("darwin", "armv7"), ("windows", "armv7")]
)
def test_another_platform_is_refused_with_what_there_is(system: str, architecture: str) -> None:
    with pytest.raises(RefusedError) as refused:
        external.init_script(system, architecture)
    assert str(refused.value) == (
        f"there is no init script for {system}/{architecture}; there are darwin/amd64, darwin/arm64, linux/amd64, "
        "linux/arm64, linux/armv7, windows/amd64, windows/arm64"
    )


@pytest.mark.parametrize(
    "url", ["coder.example.com", 'https://a"; rm -rf /', "https://a$(id)", "https://a b", "https://`id`"]
)
def test_a_url_that_a_shell_would_run_is_refused(url: str) -> None:
    with pytest.raises(RefusedError, match="is no URL of Coder"):
        external.init_script("linux", "amd64", url)


def test_the_credentials_are_the_token_and_one_line(tx: Transaction) -> None:
    workspace_id, _, token = with_agent(tx, Agent("ext", "linux", "arm64"))
    assert external.credentials(tx, workspace_id, "ext", f"{URL}/") == (
        token,
        f'curl -fsSL "{URL}/api/v2/init-script/linux/arm64" | CODER_AGENT_TOKEN="{token}" sh',
    )


def test_the_line_for_windows_is_powershell(tx: Transaction) -> None:
    workspace_id, _, token = with_agent(tx, Agent("ext", "windows", "amd64"))
    assert external.credentials(tx, workspace_id, "ext", URL).command == (
        f'$env:CODER_AGENT_TOKEN="{token}"; iwr -useb "{URL}/api/v2/init-script/windows/amd64" | iex'
    )


@pytest.mark.parametrize("flag", [False, None])
def test_a_build_without_an_external_agent_has_no_credentials(tx: Transaction, flag: bool | None) -> None:
    workspace_id, agent_id, token = with_agent(tx, Agent("ext"), flag)
    with pytest.raises(RefusedError, match="workspace 1 has no external agent in its latest build"):
        external.credentials(tx, workspace_id, "ext", URL)
    with pytest.raises(RefusedError, match="workspace 1 has no external agent in its latest build"):
        external.run_init_script(tx, T0, agent_id, token)


def test_only_the_latest_build_counts(tx: Transaction) -> None:
    workspace_id, agent_id, token = with_agent(tx, Agent("ext"))
    build(tx, workspace_id, 2, False, "stop")
    with pytest.raises(RefusedError, match="no external agent in its latest build"):
        external.credentials(tx, workspace_id, "ext", URL)
    with pytest.raises(RefusedError, match="whose latest build is 2"):
        external.run_init_script(tx, T0, agent_id, token)


def test_an_unknown_agent_or_workspace_has_no_credentials(tx: Transaction) -> None:
    workspace_id, _, _ = with_agent(tx, Agent("ext"))
    with pytest.raises(RefusedError, match='has no external agent "exd"; write "ext"'):
        external.credentials(tx, workspace_id, "exd", URL)
    with pytest.raises(RefusedError, match="there is no workspace 99"):
        external.credentials(tx, 99, "ext", URL)
    with pytest.raises(RefusedError, match="there is no agent 99"):
        external.run_init_script(tx, T0, 99, "t")


def test_an_agent_with_an_instance_identity_has_no_credentials(tx: Transaction) -> None:
    workspace_id, agent_id, _ = with_agent(tx, Agent("ext", instance_id="i-1"))
    with pytest.raises(RefusedError, match='"ext" shows who it is by an instance identity'):
        external.credentials(tx, workspace_id, "ext", URL)
    with pytest.raises(RefusedError, match='"ext" shows who it is by an instance identity'):
        external.run_init_script(tx, T0, agent_id, "")


def test_the_agent_connects_when_its_owner_runs_the_script(tx: Transaction) -> None:
    workspace_id, agent_id, _ = with_agent(tx, Agent("ext"))
    assert agents.get(tx, agent_id).first_connected_at == NEVER
    external.run_init_script(tx, T0 + 9, agent_id, external.credentials(tx, workspace_id, "ext", URL).token)
    agent = agents.get(tx, agent_id)
    assert (agent.first_connected_at, agent.lifecycle_state) == (T0 + 9, "created")


def test_a_wrong_token_does_not_connect(tx: Transaction) -> None:
    _, agent_id, token = with_agent(tx, Agent("ext"))
    for wrong in ("", token.upper(), f"{token} "):
        with pytest.raises(RefusedError, match='this is not the token of agent "ext"'):
            external.run_init_script(tx, T0, agent_id, wrong)
    assert agents.get(tx, agent_id).first_connected_at == NEVER


def test_a_machine_without_a_script_does_not_connect(tx: Transaction) -> None:
    _, agent_id, token = with_agent(tx, Agent("ext", "linux", "riscv64"))
    with pytest.raises(RefusedError, match="there is no init script for linux/riscv64"):
        external.run_init_script(tx, T0, agent_id, token)


def test_workspaces_are_listed_by_their_latest_build(tx: Transaction) -> None:
    once, now = workspace(tx, True, False), workspace(tx, False, True)
    unset = workspace(tx, True, None)
    workspace(tx, True, deleted=True)
    assert external.workspaces(tx, True) == [now]
    assert external.workspaces(tx, False) == [once, unset]


def test_templates_and_versions_are_listed_by_their_flag(tx: Transaction) -> None:
    def template(flag: bool | None, deleted: bool = False) -> tuple[int, int]:
        version_id = tx.insert("template_versions", template_id=1, name="v", created_at=T0, has_external_agent=flag)
        template_id = tx.insert(
            "templates",
            name="t",
            active_version_id=version_id,
            allow_user_autostart=True,
            allow_user_autostop=True,
            deleted=deleted,
            **dict.fromkeys(SCHEDULE, 0),
        )
        return template_id, version_id

    own, theirs, unset, gone = template(False), template(True), template(None), template(True, deleted=True)
    assert (external.templates(tx, True), external.templates(tx, False)) == ([theirs[0]], [own[0], unset[0]])
    assert external.template_versions(tx, True) == [theirs[1], gone[1]]
    assert external.template_versions(tx, False) == [own[1], unset[1]]
