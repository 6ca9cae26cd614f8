"""What a notebook does to a control plane in one line: queue, finish, claim, refuse, write much."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from simkit.controlplane import ControlPlane, jobs, logs, prebuilds
from simkit.controlplane.types import BuildResult, ImportResult
from simkit.errors import RefusedError
from simkit.model import Preset

if TYPE_CHECKING:
    import pandas as pd


def refusal(act: Callable[..., object], *given: object, **named: object) -> str:
    """Why the control plane refuses something; "" if it does not, and then it was done."""
    try:
        act(*given, **named)
    except RefusedError as error:
        return str(error)
    return ""


def queue_dry_runs(plane: ControlPlane, organization_id: int, *asked: tuple[int, Mapping[str, str]]) -> list[int]:
    """Queue a job for each (initiator, tags) in an organization, a minute apart: their ids."""
    found = []
    for initiator_id, tags in asked:
        with plane.transaction() as tx:
            kind = "template_version_dry_run"
            found.append(jobs.insert(tx, plane.now_at, kind, initiator_id, organization_id, tags))  # type: ignore[arg-type]
        plane.deliver()
        plane.advance(minutes=1)
    return found


def finish_next(plane: ControlPlane, daemon_id: int, result: BuildResult | ImportResult) -> int:
    """A daemon takes its next job and completes it at once: the job's id. Raises RefusedError if there is none."""
    job_id = plane.acquire(daemon_id)
    if job_id is None:
        raise RefusedError(f"there is no job for provisioner daemon {daemon_id}")
    plane.complete_job(job_id, result, daemon_id)
    return job_id


def build_now(
    plane: ControlPlane, daemon_id: int, owner_id: int, name: str, result: BuildResult, preset_id: int
) -> int:
    """A person's cold workspace of a preset, which a daemon builds at once: the workspace's id."""
    with plane.database.transaction() as tx:
        template_id, _ = prebuilds.preset_of(tx, preset_id)
    created = plane.create_workspace(owner_id, template_id, name, preset_id=preset_id)
    finish_next(plane, daemon_id, result)
    return created.workspace_id


def pool_of_one() -> ImportResult:
    """A template version with a preset `pair` that keeps one prebuild."""
    return ImportResult(presets=(Preset("pair", 1),))


def claim_when_ready(plane: ControlPlane, owner_id: int, preset_id: int, name: str) -> str:
    """All agents of a preset's prebuilds report that they are ready, then a person claims one: why it is refused."""
    with plane.transaction() as tx:
        template_id, _ = prebuilds.preset_of(tx, preset_id)
        found = tx.execute(
            "SELECT a.id FROM workspace_agents AS a JOIN workspace_builds AS b ON b.id = a.workspace_build_id "
            "WHERE b.template_version_preset_id = $preset ORDER BY a.id",
            preset=preset_id,
        )
    for (agent_id,) in found:
        plane.agent_reports(agent_id, "ready")
    return refusal(plane.create_workspace, owner_id, template_id, name, preset_id=preset_id)


def oldest_ready(plane: ControlPlane, preset_id: int) -> int:
    """The prebuild of a preset that the next claim gets. Raises RefusedError if none is ready."""
    with plane.database.transaction() as tx:
        ready = prebuilds.claimable(tx, plane.now_at, preset_id)
    if not ready:
        raise RefusedError(f"no prebuild of preset {preset_id} is ready; let some time go by")
    return ready[0].workspace_id


def write_ttl(plane: ControlPlane, workspace_id: int, ttl_us: int) -> None:
    """Write a TTL into a workspace's row, past every door. Raises RefusedError where the table itself refuses it."""
    with plane.transaction() as tx:
        tx.update("workspaces", workspace_id, ttl=ttl_us * 1000)


def report_each(plane: ControlPlane, agent_id: int, reports: Iterable[str]) -> pd.DataFrame:
    """An agent connects, then reports a state a minute: what its row holds after each, and if the report was taken."""
    asked = (
        "SELECT $report AS reported, $taken AS taken, lifecycle_state AS state, first_connected_at AS first_connected, "
        "last_connected_at AS last_connected, started_at AS scripts_began, ready_at AS scripts_done "
        "FROM workspace_agents WHERE id = $id"
    )
    rows = [plane.sql(asked, report="nothing yet", taken="", id=agent_id)]
    plane.agent_connects(agent_id)
    rows.append(plane.sql(asked, report="(connects)", taken="", id=agent_id))
    for report in reports:
        plane.advance(minutes=1)
        taken = "yes" if plane.agent_reports(agent_id, report) else "no"
        rows.append(plane.sql(asked, report=report, taken=taken, id=agent_id))
    return below(*rows)


def below(*frames: pd.DataFrame) -> pd.DataFrame:
    """The rows of several frames with the same columns, one below the other."""
    import pandas as pd

    filled = [frame.dropna(axis="columns", how="all") for frame in frames]
    return pd.concat(filled, ignore_index=True).reindex(columns=frames[0].columns)


def chatter(lines: int, characters: int = 1000) -> list[logs.JobLine]:
    """So many lines of a job that says too much, each of so many characters."""
    return [
        logs.JobLine(f"line {i} ".ljust(characters, "."), stage="Planning infrastructure") for i in range(1, lines + 1)
    ]


def agent_chatter(lines: int, characters: int = 1000) -> list[logs.AgentLine]:
    """The same of an agent."""
    return [logs.AgentLine(line.output) for line in chatter(lines, characters)]


def tail(text: str, lines: int) -> str:
    """The last lines of a log; what is longer than 300 characters is cut after 90."""
    return "\n".join(line if len(line) <= 300 else f"{line[:90]}…" for line in text.splitlines()[-lines:])


def samples_of(exposition: str, beginning: str, containing: str = "") -> str:
    """The samples of a Prometheus text that begin so and contain something, without their HELP and TYPE."""
    return "\n".join(line for line in exposition.splitlines() if line.startswith(beginning) and containing in line)
