"""External workspaces: somebody else runs the machine, and its agent connects when the owner runs the init script."""

from __future__ import annotations

import re
from hmac import compare_digest
from typing import NamedTuple

from simkit.controlplane import agents
from simkit.errors import RefusedError, did_you_mean
from simkit.store.database import Transaction

PLATFORMS = (
    ("darwin", "amd64"),
    ("darwin", "arm64"),
    ("linux", "amd64"),
    ("linux", "arm64"),
    ("linux", "armv7"),
    ("windows", "amd64"),
    ("windows", "arm64"),
)
"""(operating system, architecture) that an init script can be had for."""

# Nothing that a shell or PowerShell would read as more than text between double quotes.
_URL = re.compile(r"https?://[A-Za-z0-9\-._~:/%\[\]]+")

_UNSET_URL = "is not set: write the address of Coder there"

# `main` is called in the last line, so that a download that breaks off runs nothing.
_SHELL = """\
#!/usr/bin/env sh
# Connects this machine (@OS@/@ARCH@) to Coder as an external agent, and stays in the foreground.
set -eu

main() {
	@URL@
	: "${CODER_AGENT_TOKEN:?is not set: take the whole command from the page of your workspace}"
	CODER_AGENT_AUTH=token
	export CODER_AGENT_URL CODER_AGENT_TOKEN CODER_AGENT_AUTH

	source="${CODER_AGENT_URL%/}/bin/coder-@OS@-@ARCH@"
	directory=$(mktemp -d "${TMPDIR:-/tmp}/coder-agent.XXXXXX")
	binary="$directory/coder"
	attempts=1
	until download; do
		if [ "$attempts" -ge 10 ]; then
			echo "coder: could not download $source; check that this machine reaches $CODER_AGENT_URL" >&2
			exit 1
		fi
		attempts=$((attempts + 1))
		echo "coder: could not download $source; trying again in 5 seconds" >&2
		sleep 5
	done
	chmod +x "$binary"
	exec "$binary" agent
}

download() {
	if command -v curl >/dev/null 2>&1; then
		curl -fsSL "$source" -o "$binary"
	elif command -v wget >/dev/null 2>&1; then
		wget -q "$source" -O "$binary"
	else
		echo "coder: neither curl nor wget is here; install one of them and run this again" >&2
		exit 127
	fi
}

main
"""

_POWERSHELL = """\
# Connects this machine (@OS@/@ARCH@) to Coder as an external agent, and stays in the foreground.
$ErrorActionPreference = "Stop"
$ProgressPreference = "SilentlyContinue"

@URL@
if (-not $env:CODER_AGENT_TOKEN) {
    throw "CODER_AGENT_TOKEN is not set: take the whole command from the page of your workspace"
}
$env:CODER_AGENT_AUTH = "token"

$source = $env:CODER_AGENT_URL.TrimEnd("/") + "/bin/coder-@OS@-@ARCH@.exe"
$directory = Join-Path ([System.IO.Path]::GetTempPath()) ("coder-agent-" + [System.Guid]::NewGuid())
New-Item -ItemType Directory -Path $directory | Out-Null
$binary = Join-Path $directory "coder.exe"
for ($attempts = 1; ; $attempts++) {
    try {
        Invoke-WebRequest -UseBasicParsing -Uri $source -OutFile $binary
        break
    } catch {
        if ($attempts -ge 10) {
            throw "could not download ${source}; check that this machine reaches $env:CODER_AGENT_URL"
        }
        Write-Host "coder: could not download ${source}; trying again in 5 seconds"
        Start-Sleep -Seconds 5
    }
}
& $binary agent
"""


class Credentials(NamedTuple):
    """What the owner of an external workspace needs: the agent's token, and one line that connects the machine."""

    token: str
    command: str


def init_script(operating_system: str, architecture: str, access_url: str = "") -> str:
    """The script that connects a machine of this kind, in any case: for `sh`, on Windows for PowerShell.

    It takes CODER_AGENT_TOKEN and CODER_AGENT_URL from its environment; `access_url` is the default of the second.
    Raises RefusedError for a machine that there is no script for, and for a URL that is none.
    """
    system, arch = operating_system.lower(), architecture.lower()
    if (system, arch) not in PLATFORMS:
        there_are = ", ".join("/".join(platform) for platform in PLATFORMS)
        raise RefusedError(f"there is no init script for {operating_system}/{architecture}; there are {there_are}")
    url = _checked(access_url) if access_url else ""
    if system == "windows":
        script = _POWERSHELL
        instead = f'$env:CODER_AGENT_URL = "{url}"' if url else f'throw "CODER_AGENT_URL {_UNSET_URL}"'
        line = f"if (-not $env:CODER_AGENT_URL) {{ {instead} }}"
    else:
        script = _SHELL
        line = f': "${{CODER_AGENT_URL:{"=" + url if url else "?" + _UNSET_URL}}}"'
    return script.replace("@URL@", line).replace("@OS@", system).replace("@ARCH@", arch)


def credentials(tx: Transaction, workspace_id: int, agent_name: str, access_url: str) -> Credentials:
    """The token and the command of an agent of the workspace's latest build.

    Raises RefusedError if the workspace is unknown or has no external agent, and if the agent is unknown or uses an
    instance identity.
    """
    url = _checked(access_url)
    row = tx.one(
        "SELECT b.id, coalesce(b.has_external_agent, false) FROM workspaces AS w "
        "JOIN workspace_builds AS b ON b.workspace_id = w.id WHERE w.id = $id AND NOT w.deleted "
        "ORDER BY b.build_number DESC LIMIT 1",
        id=workspace_id,
    )
    if row is None:
        raise RefusedError(f"there is no workspace {workspace_id}")
    build_id, is_external = row
    if not is_external:
        raise RefusedError(_no_external_agent(workspace_id))
    found = {
        name: rest
        for name, *rest in tx.execute(
            "SELECT name, auth_token, auth_instance_id, operating_system, architecture FROM workspace_agents "
            "WHERE workspace_build_id = $build ORDER BY id",
            build=build_id,
        )
    }
    if agent_name not in found:
        raise RefusedError(
            f'workspace {workspace_id} has no external agent "{agent_name}"; {did_you_mean(agent_name, found)}'
        )
    token, instance_id, system, architecture = found[agent_name]
    if instance_id:
        raise RefusedError(_by_instance_identity(agent_name))
    return Credentials(token, command(system, architecture, token, url))


def command(operating_system: str, architecture: str, token: str, access_url: str) -> str:
    """The one line that the owner runs on the machine. Raises RefusedError for a URL that is none."""
    script_url = f"{_checked(access_url)}/api/v2/init-script/{operating_system}/{architecture}"
    if operating_system.lower() == "windows":
        return f'$env:CODER_AGENT_TOKEN="{token}"; iwr -useb "{script_url}" | iex'
    return f'curl -fsSL "{script_url}" | CODER_AGENT_TOKEN="{token}" sh'


def run_init_script(tx: Transaction, now_at: int, agent_id: int, token: str) -> None:
    """The owner runs the command on a machine: the agent connects, and reports its lifecycle from then on.

    Raises RefusedError for an agent that is unknown, not external, of an instance identity, of an outdated build or of
    a machine that there is no script for, and for a wrong token.
    """
    row = tx.one(
        """
        SELECT a.name, a.auth_token, a.auth_instance_id, a.operating_system, a.architecture, b.workspace_id,
            coalesce(b.has_external_agent, false)
        FROM workspace_agents AS a JOIN workspace_builds AS b ON b.id = a.workspace_build_id WHERE a.id = $id
        """,
        id=agent_id,
    )
    if row is None:
        raise RefusedError(f"there is no agent {agent_id}")
    name, expected, instance_id, system, architecture, workspace_id, is_external = row
    if not is_external:
        raise RefusedError(_no_external_agent(workspace_id))
    if instance_id:
        raise RefusedError(_by_instance_identity(name))
    init_script(system, architecture)
    if expected is None or not compare_digest(expected.encode(), token.encode()):
        raise RefusedError(
            f'this is not the token of agent "{name}"; take the command from the workspace\'s credentials'
        )
    agents.connect(tx, now_at, agent_id)


def templates(tx: Transaction, has_external_agent: bool) -> list[int]:
    """Ids of the templates that are not deleted, by the flag of their active version; unset is false."""
    return _ids(
        tx,
        "SELECT t.id FROM templates AS t JOIN template_versions AS v ON v.id = t.active_version_id "
        "WHERE NOT t.deleted AND coalesce(v.has_external_agent, false) = $flag ORDER BY t.id",
        has_external_agent,
    )


def template_versions(tx: Transaction, has_external_agent: bool) -> list[int]:
    """Ids of the template versions by their flag; unset, as before the import is done, is false."""
    return _ids(
        tx,
        "SELECT id FROM template_versions WHERE coalesce(has_external_agent, false) = $flag ORDER BY id",
        has_external_agent,
    )


def workspaces(tx: Transaction, has_external_agent: bool) -> list[int]:
    """Ids of the workspaces that are not deleted, by the flag of their latest build; unset is false."""
    return _ids(
        tx,
        "SELECT id FROM (SELECT w.id, b.has_external_agent FROM workspaces AS w "
        "JOIN workspace_builds AS b ON b.workspace_id = w.id WHERE NOT w.deleted "
        "QUALIFY row_number() OVER (PARTITION BY w.id ORDER BY b.build_number DESC) = 1) "
        "WHERE coalesce(has_external_agent, false) = $flag ORDER BY id",
        has_external_agent,
    )


def _ids(tx: Transaction, sql: str, flag: bool) -> list[int]:
    return [int(row[0]) for row in tx.execute(sql, flag=flag)]


def _checked(access_url: str) -> str:
    if not _URL.fullmatch(access_url):
        raise RefusedError(f'"{access_url}" is no URL of Coder; write one such as "https://coder.example.com"')
    return access_url.rstrip("/")


def _no_external_agent(workspace_id: int) -> str:
    return (
        f"workspace {workspace_id} has no external agent in its latest build; "
        "use a template with a coder_external_agent, or wait for its build"
    )


def _by_instance_identity(name: str) -> str:
    return (
        f'agent "{name}" shows who it is by an instance identity and has no token; write auth = "token" in the template'
    )
