"""What a finished job leaves behind: one transaction for each kind, all or nothing.

Every function here is called inside the transaction that ends the job.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

from simkit.clock import from_datetime
from simkit.coder_versions import Behaviour
from simkit.controlplane import (
    agents,
    ai_tasks,
    jobs,
    lifecycle,
    notifications,
    presets,
    replacements,
    templates,
    timings,
    workspaces,
)
from simkit.controlplane.types import (
    Agent,
    BuildResult,
    ImportResult,
    Resource,
    Timing,
    Transition,
)
from simkit.errors import RefusedError
from simkit.store.database import Transaction
from simkit.store.words import INSUFFICIENT_QUOTA_ERROR

LOG = logging.getLogger("simkit.controlplane")
"""What a server says in its own log, which nobody sees who looks at a job."""
INSUFFICIENT_QUOTA_CODE = "INSUFFICIENT_QUOTA"


class Build(NamedTuple):
    """What does not change of a build while a daemon works on it. `user_id`: its owner, if that is a known user."""

    id: int
    workspace_id: int
    transition: Transition
    number: int
    preset_id: int | None
    initiator_id: int
    owner_id: int
    user_id: int | None
    workspace_created_at: int
    is_claim: bool
    """Of a claim, be it of a prebuild or cold."""
    is_hit: bool


class Assignment(NamedTuple):
    """A job that a daemon has taken. `build`: of a workspace build."""

    job_id: int
    type: str
    build: Build | None


class Completed(NamedTuple):
    """What became of a job: the error that it fails of all the same, and the agents that it brought."""

    error: str = ""
    agent_ids: tuple[int, ...] = ()


def assignment(tx: Transaction, job_id: int) -> Assignment:
    """What a job is about. Raises RefusedError for an id that no job has."""
    row = tx.one(
        "SELECT j.type, b.id, b.workspace_id, b.transition, b.build_number, b.template_version_preset_id, "
        "b.initiator_id, w.owner_id, u.id, w.created_at, c.hit "
        "FROM provisioner_jobs AS j LEFT JOIN workspace_builds AS b ON b.job_id = j.id "
        "LEFT JOIN workspaces AS w ON w.id = b.workspace_id LEFT JOIN users AS u ON u.id = w.owner_id "
        "LEFT JOIN claims AS c ON c.workspace_build_id = b.id WHERE j.id = $id",
        id=job_id,
    )
    if row is None:
        raise RefusedError(f"there is no job {job_id}")
    of, build_id, *known, created_at, hit = row
    if build_id is None:
        return Assignment(job_id, of, None)
    return Assignment(
        job_id, of, Build._make((build_id, *known, from_datetime(created_at), hit is not None, bool(hit)))
    )


def complete(
    tx: Transaction,
    now_at: int,
    job: Assignment,
    result: BuildResult | ImportResult,
    activity_of: Callable[[int], lifecycle.Activity],
    behaviour: Behaviour,
) -> Completed:
    """A job that a daemon works on is done, whatever its kind. `activity_of`: who is connected to a workspace.

    Raises RefusedError for a job of another kind than its result, and as the kinds do.
    """
    imports = job.type == "template_version_import"
    if imports != isinstance(result, ImportResult):
        wanted = "ImportResult" if imports else "BuildResult"
        raise RefusedError(f"job {job.job_id} is a {job.type}; complete it with a {wanted}")
    if isinstance(result, ImportResult):
        return _complete_import(tx, now_at, job.job_id, result)
    if job.build is None:
        return _complete_dry_run(tx, now_at, job.job_id, result)
    return _complete_build(tx, now_at, job, job.build, result, activity_of, behaviour)


def fail(tx: Transaction, now_at: int, job: Assignment, error: str, error_code: str = "") -> Completed:
    """A job has failed of an error, and who should know is told."""
    jobs.finish(tx, now_at, job.job_id, error, error_code)
    return failed(tx, now_at, job, error)


def failed(tx: Transaction, now_at: int, job: Assignment, error: str) -> Completed:
    """Who should know that a job has failed is told."""
    if job.build is not None and job.build.user_id is not None:
        notifications.build_failed(tx, now_at, job.build.id)
    return Completed(error)


def _complete_import(tx: Transaction, now_at: int, job_id: int, result: ImportResult) -> Completed:
    """A template version is imported: its presets and resources are kept.

    It becomes its template's active version if that has none. Raises RefusedError for what a version may not have.
    """
    row = tx.one("SELECT id, template_id FROM template_versions WHERE job_id = $job", job=job_id)
    assert row is not None, "an import job is queued with its version"
    version_id, template_id = row
    if problems := agents.problems(_agents(result.start_resources)):
        raise RefusedError("\n".join(problems))
    if result.module_files is not None and tx.one("SELECT 1 FROM files WHERE id = $id", id=result.module_files) is None:
        raise RefusedError(f"there is no file {result.module_files}; upload the module files first")
    for preset in result.presets:
        presets.insert(tx, version_id, preset, preset.zone.name)
    for transition, resources in (("start", result.start_resources), ("stop", result.stop_resources)):
        for resource in resources:
            _insert_resource(tx, now_at, job_id, transition, resource)
    templates.set_workspace_tags(tx, version_id, result.workspace_tags)
    templates.set_workspace_tags(tx, version_id, result.prebuild_tags, of_prebuilds=True)
    tx.update(
        "template_versions",
        version_id,
        has_ai_task=result.has_ai_task,
        has_external_agent=result.has_external_agent,
        cached_module_files=result.module_files,
    )
    _timings(tx, job_id, result.timings)
    jobs.finish(tx, now_at, job_id)
    if templates.get(tx, template_id).active_version_id is None:
        templates.activate(tx, version_id)
    return Completed()


def _complete_dry_run(tx: Transaction, now_at: int, job_id: int, result: BuildResult) -> Completed:
    """A dry run is done: its resources are kept, and no workspace is made."""
    for resource in result.resources:
        _insert_resource(tx, now_at, job_id, "start", resource)
    _timings(tx, job_id, result.timings)
    jobs.finish(tx, now_at, job_id)
    return Completed()


def _complete_build(
    tx: Transaction,
    now_at: int,
    job: Assignment,
    build: Build,
    result: BuildResult,
    activity_of: Callable[[int], lifecycle.Activity],
    behaviour: Behaviour,
) -> Completed:
    """A workspace build is done.

    A build of a person's workspace gets its deadlines, a claimed prebuild's agent is told to start anew, a delete
    leaves a deleted workspace. A build above its owner's quota fails, and so does one for which Coder finds no day to
    stop on. Raises RefusedError for agents that Coder does not take.
    """
    job_id = job.job_id
    daily_cost = sum(resource.daily_cost for resource in result.resources)
    if build.transition == "start" and workspaces.is_above_quota(tx, build.id, daily_cost):
        return fail(tx, now_at, job, INSUFFICIENT_QUOTA_ERROR, INSUFFICIENT_QUOTA_CODE)
    if build.user_id is not None or not behaviour.executor_skips_prebuilds:
        life = lifecycle.get(tx, build.workspace_id, behaviour)
        if life is not None and (error := lifecycle.complete_build(tx, now_at, life, activity_of(build.workspace_id))):
            return fail(tx, now_at, job, error)
    jobs.finish(tx, now_at, job_id)
    agent_ids: tuple[int, ...] = ()
    if build.transition == "start":
        placed: list[tuple[int, Agent]] = []
        for resource in result.resources:
            resource_id = _insert_resource(tx, now_at, job_id, build.transition, resource)
            placed += [(resource_id, agent) for agent in resource.agents]
        agent_ids = agents.insert(tx, now_at, build.id, build.number, placed)
    has_ai_task, sidebar_app_id = False, None
    if result.ai_tasks or build.transition == "stop":
        apps = (app for agent in _agents(result.resources) for app in agent.apps)
        has_ai_task, sidebar_app_id = ai_tasks.resolve(
            tx, now_at, job_id, build.id, build.transition, result.ai_tasks, apps, behaviour
        )
    tx.update(
        "workspace_builds",
        build.id,
        has_ai_task=has_ai_task,
        ai_task_sidebar_app_id=sidebar_app_id,
        has_external_agent=result.has_external_agent,
        daily_cost=daily_cost,
    )
    if has_ai_task and behaviour.has_tasks:
        ai_tasks.link(tx, build.workspace_id, build.number, agent_ids, sidebar_app_id)
    _timings(tx, job_id, result.timings)
    if result.replacements:
        replacements.record(tx, now_at, build.id, result.replacements)
    if build.transition == "delete":
        tx.update("workspaces", build.workspace_id, deleted=True)
        if build.user_id is not None:
            notifications.workspace_deleted(tx, now_at, build.id)
    if build.is_hit:
        agents.tell_claimed(tx, now_at, build.workspace_id, build.owner_id, agent_ids)
    return Completed(agent_ids=agent_ids)


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


def _timings(tx: Transaction, job_id: int, given: tuple[Timing, ...]) -> None:
    """Keep a job's timings; what is wrong with them is a warning in the server's own log."""
    for text in timings.insert(tx, job_id, given) if given else ():
        LOG.warning(text)
