"""What people, daemons and agents do with a control plane: each in one transaction, refused where Coder refuses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from simkit.clock import (
    UTC_ZONE,
    parse_duration,
    parse_instant,
)
from simkit.controlplane import (
    agents,
    ai_tasks,
    devcontainers,
    directory,
    external,
    jobs,
    lifecycle,
    logs,
    metrics,
    prebuilds,
    presets,
    templates,
    timings,
    uploads,
    workspaces,
)
from simkit.controlplane.directory import UserStatus
from simkit.controlplane.engine import Crew, Engine, Wait, Work
from simkit.controlplane.types import PREBUILDS_USER, Agent, BuildResult, ImportResult, JobType, Timing, Transition
from simkit.cron import CronError, weekly
from simkit.errors import RefusedError
from simkit.model import (
    DEFAULT_QUIET_HOURS,
    TemplateSchedule,
)
from simkit.store.database import Transaction

if TYPE_CHECKING:
    import pandas as pd


class Created(NamedTuple):
    """A workspace that somebody got: `hit`, if it was a prebuild."""

    workspace_id: int
    build_id: int
    hit: bool


class ControlPlane(Engine):
    """A control plane at an instant of simulated time, with a method for each thing that can be done with it.

    Every method raises RefusedError for what Coder refuses, and changes nothing then.

    >>> plane = simkit.ControlPlane(now="2026-11-09T08:00:00-05:00")
    >>> plane.create_organization("default")
    1
    >>> plane.create_user("ada")
    1
    >>> plane.advance(minutes=5)
    >>> plane.sql("SELECT username FROM users")["username"].tolist()
    ['ada']
    """

    # Looking

    def sql(self, query: str, **given: object) -> pd.DataFrame:
        """What a SELECT answers, as a DataFrame."""
        frame: pd.DataFrame = self.database.table(query, **given)
        return frame

    def log(self, job_id: int) -> str:
        """A job's log as a person sees it."""
        return logs.job_log(self.database, job_id)

    def agent_log(self, agent_id: int) -> str:
        """An agent's log as a person sees it."""
        return logs.agent_log(self.database, agent_id)

    # Changing

    def create_organization(self, name: str) -> int:
        with self.transaction() as tx:
            return directory.create_organization(tx, name)

    def create_user(
        self, username: str, quiet_hours: str = DEFAULT_QUIET_HOURS, is_template_admin: bool = False
    ) -> int:
        with self.transaction() as tx:
            return directory.create_user(tx, username, quiet_hours, is_template_admin)

    def suspend_user(self, user_id: int) -> None:
        self.set_user_status(user_id, "suspended")

    def set_user_status(self, user_id: int, status: UserStatus) -> None:
        """`suspended`, `dormant` or `active`: the executor starts nobody's workspace but an active user's."""
        with self.transaction() as tx:
            directory.set_status(tx, self.now_at, user_id, status)

    def create_group(self, organization_id: int, name: str, quota_allowance: int, members: Iterable[int] = ()) -> int:
        with self.transaction() as tx:
            return directory.create_group(tx, organization_id, name, quota_allowance, members)

    def create_template(self, organization_id: int, name: str, schedule: TemplateSchedule | None = None) -> int:
        with self.transaction() as tx:
            return templates.create(tx, name, organization_id, schedule)

    def create_version(
        self, template_id: int, name: str, created_by: int, tags: Mapping[str, str] | None = None
    ) -> tuple[int, int]:
        """(version id, id of its import job). Its presets come with the import."""
        with self.transaction() as tx:
            found = templates.create_version(tx, self.now_at, template_id, name, created_by, tags)
        self.deliver()
        return found

    def activate_version(self, version_id: int) -> None:
        with self.transaction() as tx:
            templates.activate(tx, version_id)

    def set_template_schedule(
        self,
        template_id: int,
        schedule: TemplateSchedule,
        *,
        update_last_used_at: bool = False,
        update_dormant_at: bool = False,
    ) -> None:
        """Another schedule; the flags make all its workspaces used now, and the dormant ones dormant since now."""
        with self.transaction() as tx:
            lifecycle.reschedule(
                tx,
                self.now_at,
                template_id,
                schedule,
                self.activities,
                self.behaviour,
                update_last_used_at=update_last_used_at,
                update_dormant_at=update_dormant_at,
            )

    def create_workspace(
        self,
        owner_id: int,
        template_id: int,
        name: str,
        *,
        preset_id: int | None = None,
        parameters: Mapping[str, str] | None = None,
        autostart: str = "",
        ttl: str | int | None = None,
    ) -> Created:
        """A workspace of the template's active version: a prebuild of its preset, if one is ready, or a cold one.

        The preset is the one given, or that which the parameters match. `ttl`: a duration, None or 0 for the template's
        default: Coder has no way to ask for none.
        """
        ttl_us = _duration(ttl)
        with self.transaction() as tx:
            directory.not_suspended(tx, owner_id)
            template = templates.get(tx, template_id)
            version_id = templates.check_usable(template)
            workspaces.checked_name(tx, owner_id, name)
            ttl_us = workspaces.checked_ttl(ttl_us or None)
            _check_autostart(autostart)
            if preset_id is None and parameters is not None:
                preset_id = presets.match(tx, version_id, parameters)
            elif preset_id is not None:
                of_template, of_version = prebuilds.preset_of(tx, preset_id)
                if of_template != template_id:
                    raise RefusedError(f'preset {preset_id} is not one of template "{template.name}"')
                if of_version != version_id:
                    raise RefusedError(f'preset {preset_id} is of a version of "{template.name}" that is not active')
            created = self.claim_or_build(tx, owner_id, template, version_id, preset_id, name)
            for parameter, value in (parameters or {}).items():
                tx.insert(
                    "workspace_build_parameters", workspace_build_id=created.build_id, name=parameter, value=value
                )
            lifecycle.settle(tx, self.now_at, created.workspace_id, template_id, autostart, ttl_us)
        self.deliver()
        return created

    def create_task(self, owner_id: int, template_id: int, name: str, prompt: str, **more: Any) -> int:
        """An AI task and the workspace that it runs in: the task's id. `more`: as `create_workspace` takes it.

        Refused by versions that have no tasks of their own, and where the active version has no `coder_ai_task`.
        """
        if not self.behaviour.has_tasks:
            raise RefusedError(f"Coder {self.behaviour.version} has no tasks of their own; v2.35 has")
        with self.database.transaction() as tx:
            version_id = templates.check_usable(templates.get(tx, template_id))
            if tx.one("SELECT 1 FROM template_versions WHERE id = $id AND has_ai_task", id=version_id) is None:
                raise RefusedError(f"the active version of template {template_id} has no coder_ai_task")
        made = self.create_workspace(owner_id, template_id, name, **more)
        with self.transaction() as tx:
            return ai_tasks.create(tx, self.now_at, owner_id, version_id, made.workspace_id, prompt)

    def claim_or_build(
        self,
        tx: Transaction,
        owner_id: int,
        template: templates.Template,
        version_id: int,
        preset_id: int | None,
        name: str,
        choose: Callable[[list[prebuilds.Ready]], prebuilds.Ready] = lambda ready: ready[0],
        asked_at: int | None = None,
    ) -> Created:
        """Give the owner a prebuild of the preset, chosen from those that are ready, or a cold workspace.

        `asked_at`: since when they wait for it, if not just now: their workspace was being deleted.
        """
        ready = [] if preset_id is None else prebuilds.claimable(tx, self.now_at, preset_id)
        if ready:
            chosen = choose(ready)
            workspace_id = chosen.workspace_id
            initiator_id = PREBUILDS_USER if self.behaviour.claims_by_prebuilds else owner_id
            build_id = prebuilds.claim(tx, self.now_at, owner_id, chosen, name, initiator_id)
        else:
            workspace_id, build_id = workspaces.insert(
                tx, self.now_at, owner_id, template.id, version_id, preset_id, template.organization_id, name
            )
        if preset_id is not None:
            tx.insert(
                "claims",
                created_at=self.now_at if asked_at is None else asked_at,
                preset_id=preset_id,
                user_id=owner_id,
                workspace_id=workspace_id,
                workspace_build_id=build_id,
                hit=bool(ready),
            )
        return Created(workspace_id, build_id, bool(ready))

    def start_workspace(self, workspace_id: int, initiator_id: int) -> int:
        """Start a stopped workspace, which ends its dormancy: the build's id."""
        with self.transaction() as tx:
            directory.not_suspended(tx, initiator_id)
            workspaces.get(tx, workspace_id)
            build_id = self.start(tx, workspace_id, initiator_id)
        self.deliver()
        return build_id

    def start(self, tx: Transaction, workspace_id: int, initiator_id: int) -> int:
        """`start_workspace` within a transaction."""
        before = workspaces.latest_build(tx, workspace_id)
        if before.transition == "start" and before.job_status == "succeeded":
            raise RefusedError(f"workspace {workspace_id} runs already")
        life = lifecycle.get(tx, workspace_id)
        if life is not None:
            lifecycle.wake(tx, self.now_at, life, self.activity(workspace_id))
        return workspaces.build(tx, self.now_at, workspace_id, "start", initiator_id)

    def stop_workspace(self, workspace_id: int, initiator_id: int) -> int:
        return self._end_of_use(workspace_id, initiator_id, "stop")

    def delete_workspace(self, workspace_id: int, initiator_id: int) -> int:
        return self._end_of_use(workspace_id, initiator_id, "delete")

    def _end_of_use(self, workspace_id: int, initiator_id: int, transition: Transition) -> int:
        """A build after which no agent reports any more: what they have reported counts."""
        with self.transaction() as tx:
            directory.not_suspended(tx, initiator_id)
            lifecycle.caught_up(tx, self.now_at, workspace_id, self.activity(workspace_id))
            build_id = workspaces.build(tx, self.now_at, workspace_id, transition, initiator_id)
        self.deliver()
        return build_id

    def set_workspace_ttl(self, workspace_id: int, ttl: str | int | None) -> None:
        """A TTL of its own, from the next start on; None removes it at once."""
        ttl_us = _duration(ttl)
        with self.transaction() as tx:
            lifecycle.set_ttl(tx, self.now_at, workspace_id, ttl_us, self.activity(workspace_id), self.behaviour)

    def set_workspace_autostart(self, workspace_id: int, autostart: str) -> None:
        with self.transaction() as tx:
            lifecycle.caught_up(tx, self.now_at, workspace_id, self.activity(workspace_id))
            lifecycle.set_autostart(tx, self.now_at, workspace_id, autostart)

    def set_workspace_dormant(self, workspace_id: int, dormant: bool) -> None:
        with self.transaction() as tx:
            lifecycle.caught_up(tx, self.now_at, workspace_id, self.activity(workspace_id))
            lifecycle.set_dormant(tx, self.now_at, workspace_id, dormant)

    def set_workspace_deadline(self, workspace_id: int, deadline: str | int) -> None:
        at = _instant(deadline)
        with self.transaction() as tx:
            lifecycle.caught_up(tx, self.now_at, workspace_id, self.activity(workspace_id))
            lifecycle.set_deadline(tx, self.now_at, workspace_id, at)

    def connect(self, workspace_id: int, lasting: str | int) -> None:
        """Somebody is connected to a workspace for so long: its agent reports activity every minute."""
        lasts_us = _duration(lasting) or 0
        with self.transaction() as tx:
            workspaces.owned(tx, workspace_id, "connection")
            life = lifecycle.get(tx, workspace_id)
            if life is None or not life.runs:
                raise RefusedError(f"workspace {workspace_id} does not run; start it first")
            lifecycle.join(tx, self.now_at, life, self.activity(workspace_id), self.now_at + lasts_us, self.now_at)

    def pause_prebuilds(self) -> None:
        with self.transaction() as tx:
            prebuilds.pause(tx, True)

    def resume_prebuilds(self) -> None:
        with self.transaction() as tx:
            prebuilds.pause(tx, False)
        self._reconciler.resume(self.now_at)

    def invalidate_preset(self, preset_id: int) -> None:
        with self.transaction() as tx:
            prebuilds.invalidate(tx, self.now_at, preset_id, self.behaviour)

    def set_prebuilds_quota(self, organization_id: int, quota_allowance: int) -> None:
        with self.transaction() as tx:
            directory.organization(tx, organization_id)
            prebuilds.set_quota(tx, organization_id, quota_allowance)

    # Daemons and jobs

    def create_daemon(self, name: str, organization_id: int = 1, tags: Mapping[str, str] | None = None) -> int:
        """A daemon that somebody else runs: it acquires jobs, works on them and says what became of each."""
        with self.transaction() as tx:
            directory.organization(tx, organization_id)
            return tx.insert(
                "provisioner_daemons",
                organization_id=organization_id,
                name=name,
                tags=jobs.written(tags),
                created_at=self.now_at,
                last_seen_at=self.now_at,
            )

    def run_daemons(
        self, count: int, work: Work, organization_id: int = 1, tags: Mapping[str, str] | None = None
    ) -> tuple[int, ...]:
        """Daemons that take jobs by themselves, the moment there are some; `work` says what becomes of each."""
        ids = tuple(self.create_daemon(f"daemon-{i}", organization_id, tags) for i in range(1, count + 1))
        with self.transaction() as tx:
            crew = tuple(jobs.daemon(tx, daemon_id) for daemon_id in ids)
            self._crews.append(Crew(work, crew, list(crew)))
        self.deliver()
        return ids

    def acquire(self, daemon_id: int, types: tuple[JobType, ...] = ()) -> int | None:
        """The next job for a daemon, None if there is none. It does not wait."""
        with self.transaction() as tx:
            return jobs.acquire(tx, self.now_at, jobs.daemon(tx, daemon_id), types)

    def wait_for_job(self, daemon_id: int, types: tuple[JobType, ...] = ()) -> Wait:
        """A daemon waits for a job, which it gets in the moment in which there is one."""
        with self.database.transaction() as tx:
            jobs.daemon(tx, daemon_id)
        wait = Wait(daemon_id, types)
        self._waits.append(wait)
        self.deliver()
        return wait

    def cancel_wait(self, wait: Wait) -> int | None:
        """A daemon waits no longer. The job that it got before that, which it still has; None if it has none."""
        if not wait.is_over:
            wait.is_over = True
            self._waits.remove(wait)
        return wait.job_id

    def heartbeat(self, job_id: int, daemon_id: int) -> bool:
        """True: somebody has cancelled the job, and the daemon must stop."""
        with self.transaction() as tx:
            return jobs.heartbeat(tx, self.now_at, job_id, daemon_id)

    def write_log(self, job_id: int, lines: Iterable[logs.JobLine]) -> None:
        with self.transaction() as tx:
            logs.write_job_logs(tx, self.now_at, job_id, lines)

    def cancel_job(self, job_id: int) -> str:
        """`canceled` at once if nobody has taken it, else `canceling`."""
        with self.transaction() as tx:
            status = jobs.cancel(tx, self.now_at, job_id)
        self._canceled.add(job_id)
        return status

    def complete_job(self, job_id: int, result: BuildResult | ImportResult, daemon_id: int | None = None) -> str:
        """A job is done, in one transaction: the error that it fails of all the same, or ""."""
        error = self.complete(job_id, result, daemon_id).error
        self.deliver()
        return error

    def fail_job(self, job_id: int, error: str, daemon_id: int | None = None) -> None:
        """A job has failed."""
        if not error:
            raise RefusedError("a job fails of something; say what")
        self.fail(job_id, error, daemon_id)
        self.deliver()

    def dry_run(self, version_id: int, initiator_id: int) -> int:
        """Ask for a dry run of an imported template version: the job's id."""
        with self.transaction() as tx:
            directory.username(tx, initiator_id)
            job_id = templates.dry_run(tx, self.now_at, version_id, initiator_id)
        self.deliver()
        return job_id

    def upload(self, source: bytes | BinaryIO, uploader: int, mimetype: str = uploads.TAR) -> int:
        """Keep a file, in pieces if it is large: its id, the same for the same content by the same uploader."""
        with self.transaction() as tx:
            return uploads.upload(tx, self.now_at, source, uploader, mimetype)

    # Agents

    def agents_of(self, workspace_id: int) -> tuple[int, ...]:
        """The ids of the agents of a workspace's newest build that has some."""
        return tuple(
            int(row[0])
            for row in self.database.rows(
                "SELECT a.id FROM workspace_agents AS a JOIN workspace_builds AS b ON b.id = a.workspace_build_id "
                "WHERE b.workspace_id = $workspace QUALIFY rank() OVER (ORDER BY b.build_number DESC) = 1 "
                "ORDER BY a.id",
                workspace=workspace_id,
            )
        )

    def create_sub_agent(self, parent_id: int, agent: Agent) -> int:
        """An agent runs in a devcontainer of another one's workspace; until it is ready, a prebuild is not."""
        with self.transaction() as tx:
            return agents.insert_sub_agent(tx, self.now_at, parent_id, agent)

    def agent_connects(self, agent_id: int) -> None:
        with self.transaction() as tx:
            agents.connect(tx, self.now_at, agent_id)

    def agent_reports(self, agent_id: int, state: str) -> bool:
        """An agent reports its lifecycle; False if it had come that far before."""
        with self.transaction() as tx:
            return agents.report(tx, self.now_at, agent_id, state)

    def write_agent_log(self, agent_id: int, lines: Iterable[logs.AgentLine]) -> None:
        with self.transaction() as tx:
            logs.write_agent_logs(tx, self.now_at, agent_id, lines)

    def manifest(self, agent_id: int) -> devcontainers.Manifest:
        """What an agent is told of its workspace when it connects."""
        with self.database.transaction() as tx:
            return devcontainers.manifest(tx, agent_id)

    def start_devcontainers(
        self, agent_id: int, config_exists: Callable[[str], bool]
    ) -> tuple[devcontainers.Attempt, ...]:
        """An agent whose startup scripts are done starts its devcontainers, or says in its log why it cannot."""
        with self.transaction() as tx:
            return devcontainers.autostart(tx, self.now_at, agent_id, config_exists)

    def external_credentials(self, workspace_id: int, agent_name: str, access_url: str) -> external.Credentials:
        """The token of an external agent, and the one line with which its owner runs it."""
        with self.database.transaction() as tx:
            return external.credentials(tx, workspace_id, agent_name, access_url)

    def init_script(self, operating_system: str = "linux", architecture: str = "amd64", access_url: str = "") -> str:
        """The script that connects a machine of somebody's to Coder; `access_url`: where Coder is, if it is known."""
        return external.init_script(operating_system, architecture, access_url)

    def find_templates(self, *, has_external_agent: bool) -> list[int]:
        """The templates whose active version has an external agent, or has none."""
        with self.database.transaction() as tx:
            return external.templates(tx, has_external_agent)

    def find_versions(self, *, has_external_agent: bool) -> list[int]:
        """The template versions that have an external agent, or have none."""
        with self.database.transaction() as tx:
            return external.template_versions(tx, has_external_agent)

    def find_workspaces(self, *, has_external_agent: bool) -> list[int]:
        """The workspaces whose latest build has an external agent, or has none."""
        with self.database.transaction() as tx:
            return external.workspaces(tx, has_external_agent)

    def timings(self, job_id: int) -> tuple[Timing, ...]:
        """How long each step of a job took; steps without a start or an end are left out."""
        found, _ = timings.read(self.database, job_id)
        return found

    def deprecate_template(self, template_id: int, message: str) -> None:
        """Its pools are emptied, and nobody creates a workspace of it. An empty message ends that."""
        with self.transaction() as tx:
            templates.deprecate(tx, template_id, message)

    def delete_template(self, template_id: int) -> None:
        """Refused while people have workspaces of it."""
        with self.transaction() as tx:
            templates.delete(tx, template_id)

    def run_init_script(self, agent_id: int, token: str) -> None:
        """The owner of an external workspace runs its agent, which connects."""
        with self.transaction() as tx:
            external.run_init_script(tx, self.now_at, agent_id, token)

    # Metrics

    def metrics(self) -> str:
        """Coder's metrics as they are now, in Prometheus' text format."""
        with self.database.transaction() as tx:
            wanted = {p.id: self.desired(tx, p.id) for p in prebuilds.presets(tx) if p.active}
        return metrics.exposition(self.database, self.now_at, wanted, self.reconciler.failure_hard_limit)


def _duration(given: str | int | None) -> int | None:
    """Microseconds of a duration, as text or already so. Raises RefusedError for text that is none."""
    try:
        return parse_duration(given) if isinstance(given, str) else given
    except ValueError as error:
        raise RefusedError(str(error)) from None


def _instant(given: str | int) -> int:
    """Microseconds of an instant, as text or already so. Raises RefusedError for text that is none."""
    try:
        return parse_instant(given, UTC_ZONE) if isinstance(given, str) else given
    except ValueError as error:
        raise RefusedError(str(error)) from None


def _check_autostart(autostart: str) -> None:
    """Raises RefusedError for an autostart that Coder cannot read. One that the template forbids it takes: it does not
    act."""
    try:
        if autostart:
            weekly(autostart)
    except CronError as error:
        raise RefusedError(f"autostart: {error}") from error
