"""What a finished job leaves behind: one transaction for each kind, all or nothing.

Every function here is called inside the transaction that ends the job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from simkit.controlplane import (
    agents,
    ai_tasks,
    devcontainers,
    jobs,
    lifecycle,
    logs,
    presets,
    replacements,
    templates,
    timings,
    workspaces,
)
from simkit.controlplane.types import (
    PREBUILDS_USER,
    Agent,
    BuildResult,
    ImportResult,
    Resource,
    Timing,
    Transition,
)
from simkit.errors import RefusedError
from simkit.store.database import Transaction

INSUFFICIENT_QUOTA = "insufficient quota"
INSUFFICIENT_QUOTA_CODE = "INSUFFICIENT_QUOTA"


class Completed(NamedTuple):
    """What became of a job: the error that it fails of all the same, the agents it brought, and who looks again."""

    error: str = ""
    agent_ids: tuple[int, ...] = ()
    concerns_pools: bool = True
    concerns_people: bool = True
    workspace_id: int | None = None
    build_id: int | None = None
    is_claim: bool = False


def complete_import(
    tx: Transaction, now_at: int, job_id: int, result: ImportResult, daemon_id: int | None = None
) -> Completed:
    """A template version is imported: its presets and resources are kept.

    It becomes its template's active version if that has none. Raises RefusedError for a job of another kind, in
    another state or in other hands, and for what a version may not have.
    """
    jobs.working_on(tx, job_id, daemon_id)
    row = tx.one("SELECT id, template_id FROM template_versions WHERE job_id = $job", job=job_id)
    if row is None:
        raise RefusedError(f"job {job_id} imports no template version")
    version_id, template_id = row
    if problems := agents.problems(_agents(result.start_resources)):
        raise RefusedError("\n".join(problems))
    for preset in result.presets:
        presets.insert(tx, version_id, preset, preset.zone.name)
    for transition, resources in (("start", result.start_resources), ("stop", result.stop_resources)):
        for resource in resources:
            _insert_resource(tx, now_at, job_id, transition, resource)
    tx.update(
        "template_versions",
        version_id,
        has_ai_task=result.has_ai_task,
        has_external_agent=result.has_external_agent,
        cached_module_files=result.module_files,
    )
    _timings(tx, now_at, job_id, result.timings)
    jobs.finish(tx, now_at, job_id)
    if templates.get(tx, template_id).active_version_id is None:
        templates.activate(tx, version_id)
    return Completed()


def complete_dry_run(
    tx: Transaction, now_at: int, job_id: int, result: BuildResult, daemon_id: int | None = None
) -> Completed:
    """A dry run is done: its resources are kept, and no workspace is made.

    Raises RefusedError as `complete_import` does.
    """
    job = jobs.working_on(tx, job_id, daemon_id)
    if job.type != "template_version_dry_run":
        raise RefusedError(f"job {job_id} is a {job.type} and no dry run")
    for resource in result.resources:
        _insert_resource(tx, now_at, job_id, "start", resource)
    _timings(tx, now_at, job_id, result.timings)
    jobs.finish(tx, now_at, job_id)
    return Completed(concerns_pools=False, concerns_people=False)


def complete_build(
    tx: Transaction,
    now_at: int,
    job_id: int,
    result: BuildResult,
    activity_of: Callable[[int], lifecycle.Activity],
    daemon_id: int | None = None,
) -> Completed:
    """A workspace build is done. `activity_of`: who is connected to a workspace.

    A start of a person's workspace gets its deadlines, a claimed prebuild's agent is told to start anew, a delete
    leaves a deleted workspace. A build above its owner's quota fails, and so does one for which Coder finds no day to
    stop on. Raises RefusedError as `complete_import` does.
    """
    jobs.working_on(tx, job_id, daemon_id)
    row = tx.one(
        "SELECT b.id, b.workspace_id, b.transition, u.id, b.initiator_id, c.hit "
        "FROM workspace_builds AS b JOIN workspaces AS w ON w.id = b.workspace_id "
        "LEFT JOIN users AS u ON u.id = w.owner_id "
        "LEFT JOIN claims AS c ON c.workspace_build_id = b.id WHERE b.job_id = $job",
        job=job_id,
    )
    if row is None:
        raise RefusedError(f"job {job_id} builds no workspace")
    build_id, workspace_id, transition, user_id, initiator_id, hit = row
    done = Completed(
        concerns_pools=transition == "start" and initiator_id == PREBUILDS_USER,
        concerns_people=user_id is not None,
        workspace_id=workspace_id,
        build_id=build_id,
        is_claim=hit is not None,
    )
    daily_cost = sum(resource.daily_cost for resource in result.resources)
    if transition == "start" and workspaces.is_above_quota(tx, build_id, daily_cost):
        jobs.finish(tx, now_at, job_id, INSUFFICIENT_QUOTA, INSUFFICIENT_QUOTA_CODE)
        return done._replace(error=INSUFFICIENT_QUOTA)
    if transition == "start" and user_id is not None:
        life = lifecycle.get(tx, workspace_id)
        if life is not None and (error := lifecycle.complete_start(tx, now_at, life, activity_of(workspace_id))):
            jobs.finish(tx, now_at, job_id, error)
            return done._replace(error=error)
    jobs.finish(tx, now_at, job_id)
    agent_ids: list[int] = []
    for resource in result.resources if transition == "start" else ():
        resource_id = _insert_resource(tx, now_at, job_id, transition, resource)
        if resource.agents:
            ids = agents.insert(tx, now_at, build_id, resource_id, resource.agents)
            for agent_id, agent in zip(ids, resource.agents, strict=True):
                devcontainers.insert(tx, now_at, agent_id, agent.devcontainers)
            agent_ids += ids
    has_ai_task, sidebar_app_id = False, None
    if result.ai_tasks or transition == "stop":
        apps = (app for agent in _agents(result.resources) for app in agent.apps)
        has_ai_task, sidebar_app_id = ai_tasks.resolve(tx, now_at, job_id, build_id, transition, result.ai_tasks, apps)
    if has_ai_task or daily_cost or result.has_external_agent:
        tx.update(
            "workspace_builds",
            build_id,
            has_ai_task=has_ai_task,
            ai_task_sidebar_app_id=sidebar_app_id,
            has_external_agent=result.has_external_agent,
            daily_cost=daily_cost,
        )
    _timings(tx, now_at, job_id, result.timings)
    if result.replacements:
        replacements.record(tx, now_at, build_id, result.replacements)
    if transition == "delete":
        tx.update("workspaces", workspace_id, deleted=True)
    if hit:
        agents.reinitialize(tx, now_at, workspace_id)
    return done._replace(agent_ids=tuple(agent_ids))


def _agents(resources: Iterable[Resource]) -> tuple[Agent, ...]:
    return tuple(agent for resource in resources for agent in resource.agents)


def _insert_resource(
    tx: Transaction, now_at: int, job_id: int, transition: Transition | str, resource: Resource
) -> int:
    return tx.insert(
        "workspace_resources",
        job_id=job_id,
        created_at=now_at,
        transition=transition,
        type=resource.type,
        name=resource.name,
        daily_cost=resource.daily_cost,
    )


def _timings(tx: Transaction, now_at: int, job_id: int, given: tuple[Timing, ...]) -> None:
    """Keep a job's timings; what is wrong with them is a warning in its log."""
    warnings = timings.insert(tx, job_id, given) if given else ()
    if warnings:
        logs.write_job_logs(tx, now_at, job_id, [logs.JobLine(text, "warn") for text in warnings])
