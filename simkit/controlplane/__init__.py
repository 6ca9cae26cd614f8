"""The reference engine: a Coder control plane as transactions over DuckDB tables, for those who want to see every row.

A `ControlPlane` holds the clock and what the world does (daemons, connections); each subsystem is a module of functions
over a transaction. The rules are those of `core`, the tables those of `store/schema.sql`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import simkit
from simkit.clock import (
    MINUTE_US,
    NEVER,
    UTC_ZONE,
    format_instant,
    parse_duration,
    parse_instant,
    zone_database_version,
)
from simkit.controlplane import (
    agents,
    completion,
    directory,
    jobs,
    lifecycle,
    logs,
    notifications,
    prebuilds,
    presets,
    templates,
    workspaces,
)
from simkit.controlplane.clockwork import Agenda, Order, Ticks
from simkit.controlplane.types import PREBUILDS_USER, BuildResult, ImportResult, JobType
from simkit.errors import RefusedError
from simkit.model import (
    BEHAVIOURS,
    DEFAULT_BEHAVIOUR,
    DEFAULT_QUIET_HOURS,
    Behaviour,
    Reconciler,
    TemplateSchedule,
)
from simkit.store.database import Database, Transaction
from simkit.timeline import Steps, desired

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ControlPlane", "Created", "Outcome", "Wait"]

_AHEAD_US = 31 * 24 * 60 * MINUTE_US
_EVERY: tuple[JobType, ...] = ("template_version_import", "workspace_build", "template_version_dry_run")


class Created(NamedTuple):
    """A workspace that somebody got: `hit`, if it was a prebuild."""

    workspace_id: int
    build_id: int
    hit: bool


@dataclass(frozen=True)
class Outcome:
    """What a simulated daemon makes of a job: after `takes_us` it is done, or it has failed if there is an `error`.

    `agent_us`: how long after that its agents are ready; None: never by themselves.
    """

    takes_us: int = 0
    agent_us: int | None = 0
    result: BuildResult | ImportResult | None = None
    error: str = ""


Work = Callable[[Transaction, int], Outcome]
"""What becomes of a job, asked when a simulated daemon takes it: (transaction, job id) -> Outcome."""


@dataclass
class Wait:
    """A daemon waits for a job. It is over when there is one, or when the daemon takes it back."""

    daemon_id: int
    types: tuple[JobType, ...]
    job_id: int | None = None
    is_over: bool = False


@dataclass
class _Crew:
    """Simulated daemons that do the same work."""

    work: Work
    idle: list[jobs.Daemon] = field(default_factory=list)


class ControlPlane:
    """A control plane at an instant of simulated time.

    `path` is a DuckDB file, which may be one that a control plane left behind, or `:memory:`. Instants are microseconds
    UTC or RFC 3339 text. Every method raises RefusedError for what Coder refuses, and changes nothing then.
    """

    def __init__(
        self,
        path: str | Path = ":memory:",
        *,
        now: str | int | None = None,
        coder: str = DEFAULT_BEHAVIOUR.version,
        reconciler: Reconciler | None = None,
        run_id: str = "control-plane",
        has_reaper: bool = True,
    ) -> None:
        if coder not in BEHAVIOURS:
            raise RefusedError(f'"{coder}" is not a modelled version; there are {", ".join(BEHAVIOURS)}')
        self.behaviour: Behaviour = BEHAVIOURS[coder]
        self.reconciler = reconciler or Reconciler(interval_us=self.behaviour.reconciliation_interval_us)
        self.database = Database(path, run_id)
        self.activities: dict[int, lifecycle.Activity] = {}
        self._crews: list[_Crew] = []
        self._waits: list[Wait] = []
        self._working: dict[int, int] = {}
        self._canceled: set[int] = set()
        self._steps: dict[int, Steps] = {}
        self._held: dict[int, tuple[bool, int]] = {}
        self._agenda = Agenda()
        self._may_be_pending = True
        self._jobs_seen = 0
        try:
            self.now_at = self._begin(now)
        except BaseException:
            self.database.close()
            raise
        self._reconciler = Ticks(self.now_at, self.reconciler.interval_us)
        self._executor = Ticks(-(-self.now_at // MINUTE_US) * MINUTE_US, MINUTE_US)
        self._reaper = Ticks(-(-self.now_at // MINUTE_US) * MINUTE_US, MINUTE_US) if has_reaper else None

        self.on_created: Callable[[int, int, tuple[int, ...]], None] = lambda now_at, preset_id, workspace_ids: None
        """What the world does when the reconciler has created prebuilds: (now_at, preset id, workspace ids)."""
        self.on_build_done: Callable[[Transaction, int, int], None] = lambda tx, now_at, workspace_id: None
        """What the world does when a workspace's job is done: (transaction, now_at, workspace id)."""

    def _begin(self, now: str | int | None) -> int:
        """The instant to go on from: that of a file that was left behind, unless a later one is given."""
        at = parse_instant(now, UTC_ZONE) if isinstance(now, str) else now
        found = self.database.rows("SELECT run_id, epoch_us(end_at) FROM runs")
        if found:
            if len(found) > 1:
                raise RefusedError(f"{self.database.path} holds {len(found)} runs; a control plane's file holds one")
            self.database.run_id, left_at = found[0]
            if at is not None and at < left_at:
                raise RefusedError(
                    f"{format_instant(at)} is before {format_instant(left_at)}, at which this control plane stopped; "
                    "time does not go backwards"
                )
            return max(at or left_at, left_at)
        if at is None:
            raise RefusedError("a new control plane needs to know what time it is; give now")
        with self.database.transaction() as tx:
            tx.insert(
                "runs",
                scenario="control plane",
                seed=0,
                replication=0,
                digest="",
                simkit_version=simkit.__version__,
                coder_version=self.behaviour.version,
                start_at=at,
                end_at=at + 1,
                timezone="UTC",
                timezone_database=zone_database_version(),
                currency="USD",
            )
        return at

    # Looking

    def sql(self, query: str, **given: object) -> pd.DataFrame:
        """What a SELECT answers, as a DataFrame."""
        frame: pd.DataFrame = self.database.table(query, **given)
        return frame

    def log(self, job_id: int) -> str:
        """A job's log as a person sees it."""
        return logs.job_log(self.database, job_id)

    @property
    def now(self) -> str:
        return format_instant(self.now_at)

    # Changing

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All that happens inside is kept together, or nothing of it is; afterwards everybody looks again."""
        with self.database.transaction() as tx:
            yield tx
        self.touch()

    def touch(self) -> None:
        """Something may have changed: the next ticks count, and daemons look for jobs."""
        self._reconciler.touch(self.now_at)
        self._executor.touch(self.now_at)
        if self._reaper is not None:
            self._reaper.touch(self.now_at)
        self._may_be_pending = True

    def create_organization(self, name: str) -> int:
        with self.transaction() as tx:
            return directory.create_organization(tx, name)

    def create_user(
        self, username: str, quiet_hours: str = DEFAULT_QUIET_HOURS, is_template_admin: bool = False
    ) -> int:
        with self.transaction() as tx:
            return directory.create_user(tx, username, quiet_hours, is_template_admin)

    def suspend_user(self, user_id: int) -> None:
        with self.transaction() as tx:
            directory.suspend_user(tx, self.now_at, user_id)

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
        self._deliver()
        return found

    def activate_version(self, version_id: int) -> None:
        with self.transaction() as tx:
            templates.activate(tx, version_id)

    def set_template_schedule(self, template_id: int, schedule: TemplateSchedule) -> None:
        with self.transaction() as tx:
            lifecycle.reschedule(tx, self.now_at, template_id, schedule, self.activities)

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

        The preset is the one given, or that which the parameters match. `ttl`: a duration, 0 for none, None for the
        template's default.
        """
        ttl_us = parse_duration(ttl) if isinstance(ttl, str) else ttl
        with self.transaction() as tx:
            directory.username(tx, owner_id)
            template = templates.get(tx, template_id)
            version_id = templates.check_usable(template)
            workspaces.checked_name(tx, owner_id, name)
            workspaces.checked_ttl(ttl_us or None)
            if preset_id is None and parameters is not None:
                preset_id = presets.match(tx, version_id, parameters)
            elif preset_id is not None and prebuilds.preset_of(tx, preset_id)[0] != template_id:
                raise RefusedError(f'preset {preset_id} is not one of template "{template.name}"')
            created = self.claim_or_build(tx, owner_id, template, version_id, preset_id, name)
            for parameter, value in (parameters or {}).items():
                tx.insert(
                    "workspace_build_parameters", workspace_build_id=created.build_id, name=parameter, value=value
                )
            lifecycle.settle(tx, self.now_at, created.workspace_id, template_id, autostart, ttl_us)
        self._deliver()
        return created

    def claim_or_build(
        self,
        tx: Transaction,
        owner_id: int,
        template: templates.Template,
        version_id: int,
        preset_id: int | None,
        name: str,
        choose: Callable[[list[prebuilds.Ready]], prebuilds.Ready] = lambda ready: ready[0],
    ) -> Created:
        """Give the owner a prebuild of the preset, chosen from those that are ready, or a cold workspace."""
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
                created_at=self.now_at,
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
            build_id = self.start(tx, workspace_id, initiator_id)
        self._deliver()
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
        with self.transaction() as tx:
            build_id = workspaces.build(tx, self.now_at, workspace_id, "stop", initiator_id)
        self._deliver()
        return build_id

    def delete_workspace(self, workspace_id: int, initiator_id: int) -> int:
        with self.transaction() as tx:
            build_id = workspaces.build(tx, self.now_at, workspace_id, "delete", initiator_id)
        self._deliver()
        return build_id

    def set_workspace_ttl(self, workspace_id: int, ttl: str | int | None) -> None:
        """A TTL of its own, from the next start on; None removes it at once."""
        ttl_us = parse_duration(ttl) if isinstance(ttl, str) else ttl
        with self.transaction() as tx:
            lifecycle.set_ttl(tx, self.now_at, workspace_id, ttl_us, self.activity(workspace_id))

    def set_workspace_autostart(self, workspace_id: int, autostart: str) -> None:
        with self.transaction() as tx:
            lifecycle.set_autostart(tx, self.now_at, workspace_id, autostart)

    def set_workspace_dormant(self, workspace_id: int, dormant: bool) -> None:
        with self.transaction() as tx:
            lifecycle.set_dormant(tx, self.now_at, workspace_id, dormant)

    def set_workspace_deadline(self, workspace_id: int, deadline: str | int) -> None:
        at = parse_instant(deadline, UTC_ZONE) if isinstance(deadline, str) else deadline
        with self.transaction() as tx:
            lifecycle.set_deadline(tx, self.now_at, workspace_id, at)

    def connect(self, workspace_id: int, lasting: str | int) -> None:
        """Somebody is connected to a workspace for so long: its agent reports activity every minute."""
        lasts_us = parse_duration(lasting) if isinstance(lasting, str) else lasting
        with self.transaction() as tx:
            workspaces.owned(tx, workspace_id, "connection")
            life = lifecycle.get(tx, workspace_id)
            if life is None or not life.runs:
                raise RefusedError(f"workspace {workspace_id} does not run; start it first")
            lifecycle.join(tx, self.now_at, life, self.activity(workspace_id), self.now_at + lasts_us, self.now_at)

    def activity(self, workspace_id: int) -> lifecycle.Activity:
        """Who is connected to a workspace, as long as this control plane remembers it."""
        return self.activities.setdefault(workspace_id, lifecycle.Activity())

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
            self._crews.append(_Crew(work, [jobs.daemon(tx, daemon_id) for daemon_id in ids]))
        self._deliver()
        return ids

    def acquire(self, daemon_id: int, types: tuple[JobType, ...] = _EVERY) -> int | None:
        """The next job for a daemon, None if there is none. It does not wait."""
        with self.transaction() as tx:
            return jobs.acquire(tx, self.now_at, jobs.daemon(tx, daemon_id), types)

    def wait_for_job(self, daemon_id: int, types: tuple[JobType, ...] = _EVERY) -> Wait:
        """A daemon waits for a job, which it gets in the moment in which there is one."""
        wait = Wait(daemon_id, types)
        self._waits.append(wait)
        self._may_be_pending = True
        self._deliver()
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
        error = self._complete(job_id, result, daemon_id).error
        self._may_be_pending = True
        self._deliver()
        return error

    def fail_job(self, job_id: int, error: str, daemon_id: int | None = None) -> None:
        """A job has failed."""
        if not error:
            raise RefusedError("a job fails of something; say what")
        with self.transaction() as tx:
            jobs.working_on(tx, job_id, daemon_id)
            jobs.finish(tx, self.now_at, job_id, error)
        self._deliver()

    def _complete(self, job_id: int, result: BuildResult | ImportResult, daemon_id: int | None) -> completion.Completed:
        """Complete a job in one transaction, whatever its kind."""
        with self.database.transaction() as tx:
            if isinstance(result, ImportResult):
                done = completion.complete_import(tx, self.now_at, job_id, result, daemon_id)
            elif jobs.get(tx, job_id).type == "template_version_dry_run":
                done = completion.complete_dry_run(tx, self.now_at, job_id, result, daemon_id)
            else:
                done = completion.complete_build(tx, self.now_at, job_id, result, self.activity, daemon_id)
                if done.workspace_id is not None:
                    self.on_build_done(tx, self.now_at, done.workspace_id)
        if isinstance(result, ImportResult):
            self._steps.clear()
        if done.concerns_pools:
            self._reconciler.touch(self.now_at)
        if done.concerns_people:
            self._executor.touch(self.now_at)
        return done

    # Time

    def advance(self, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Let time go by."""
        self.advance_to(self.now_at + round((minutes + 60 * hours + 24 * 60 * days) * MINUTE_US))

    def advance_to(self, until: str | int) -> None:
        """Let time go by up to and including an instant: the loops tick, jobs finish, agents become ready."""
        until_at = parse_instant(until, UTC_ZONE) if isinstance(until, str) else until
        if until_at < self.now_at:
            raise RefusedError(f"{format_instant(until_at)} is before {self.now}: time does not go backwards")
        self._deliver()
        while True:
            at, act, order = self._next()
            if at > until_at:
                break
            assert at >= self.now_at, "time does not go backwards"
            self.now_at = at
            act(at)
            # What comes later at this instant comes after these ticks, whether they were skipped or not.
            if order > Order.EXECUTOR:
                self._executor.passed(at)
            if order > Order.RECONCILER:
                self._reconciler.passed(at)
            self._deliver()
        self.now_at = until_at
        with self.database.transaction() as tx:
            tx.execute("UPDATE runs SET end_at = make_timestamptz($at)", at=until_at + 1)

    def at(self, at: int, order: Order, act: Callable[[int], None]) -> None:
        """Let something happen at an instant to come, in its place among what happens then."""
        self._agenda.add(at, order, act)

    def _next(self) -> tuple[int, Callable[[int], None], int]:
        at, order = self._agenda.next
        candidates: list[tuple[int, int, Callable[[int], None] | None]] = [(at, order, None)]
        candidates.append((self._executor.next, Order.EXECUTOR, self._execute))
        candidates.append((self._reconciler.next, Order.RECONCILER, self._reconcile))
        if self._reaper is not None:
            candidates.append((self._reaper.next, Order.REAPER, self._reap))
        at, order, act = min(candidates, key=lambda c: c[:2])
        if at == NEVER:
            return NEVER, lambda _: None, order
        return at, act or self._agenda.pop(), order

    def _execute(self, now_at: int) -> None:
        self._executor.passed(now_at)
        if not self.database.rows("SELECT 1 FROM users LIMIT 1"):
            self._executor.due_at = NEVER
            return
        with self.database.transaction() as tx:
            acted = lifecycle.execute(tx, now_at, self.activities)
            self._executor.due_at = lifecycle.due_at(tx)
        if acted:
            self._executor.touch(now_at)

    def _reconcile(self, now_at: int) -> None:
        self._reconciler.passed(now_at)
        with self.database.transaction() as tx:
            if prebuilds.is_paused(tx):
                self._reconciler.due_at = NEVER
                return
            seen, decisions = prebuilds.reconcile(
                tx, now_at, self.behaviour, self.reconciler, lambda preset_id: self._desired(tx, preset_id, now_at)
            )
            acted = self._note(tx, now_at, decisions)
            for decision in decisions:
                self.on_created(now_at, decision.preset_id, decision.workspace_ids)
        self._reconciler.due_at = self._due_again(seen, decisions)
        if acted:
            self._reconciler.touch(self.now_at)
            self._may_be_pending = True

    def _note(self, tx: Transaction, now_at: int, decisions: tuple[prebuilds.Decision, ...]) -> bool:
        """Write down what was decided, where something was done or what was seen made the reconciler hold still."""
        acted = False
        for decision in decisions:
            was_limited, was_held = self._held.get(decision.preset_id, (False, NEVER))
            done = sum(decision.actions) + decision.canceled > 0
            acted = acted or done
            newly_limited = decision.hard_limited and not was_limited
            newly_held = decision.backoff_until not in (NEVER, was_held)
            if decision.backoff_until == NEVER:
                self._held[decision.preset_id] = (decision.hard_limited, was_held)
            else:
                self._held[decision.preset_id] = (was_limited, decision.backoff_until)
            if newly_limited:
                notifications.prebuild_failure_limit_reached(tx, now_at, decision.preset_id)
            if done or newly_limited or newly_held:
                pool, actions = decision.pool, decision.actions
                tx.insert(
                    "reconciler_decisions",
                    decided_at=now_at,
                    preset_id=decision.preset_id,
                    desired=pool.desired,
                    actual=pool.actual,
                    expired=pool.expired,
                    starting=pool.starting,
                    deleted_expired=actions.delete_expired,
                    deleted_oldest=actions.delete_oldest,
                    created=actions.create,
                    canceled=decision.canceled,
                    hard_limited=newly_limited,
                    backoff_until=decision.backoff_until,
                )
        return acted

    def _due_again(self, seen: prebuilds.Snapshot, decisions: tuple[prebuilds.Decision, ...]) -> int:
        """Before this instant no tick decides anything, unless something changes."""
        due_at = NEVER
        by_preset = {decision.preset_id: decision for decision in decisions}
        for preset in seen.presets:
            due_at = min(due_at, self._desired_changes_at(preset.id, seen.now_at))
            running = seen.running.get(preset.id, ())
            if preset.active and preset.ttl_us > 0 and running:
                due_at = min(due_at, running[0].created_at + preset.ttl_us + 1)
            until_at = by_preset[preset.id].backoff_until
            if until_at != NEVER:
                # It ends, or the oldest of the failures leaves the lookback and it becomes shorter.
                since_at = seen.now_at - self.reconciler.backoff_lookback_us
                oldest_at = min(at for at in seen.failures[preset.id] if at >= since_at)
                due_at = min(due_at, until_at + 1, oldest_at + self.reconciler.backoff_lookback_us + 1)
        return due_at

    def _reap(self, now_at: int) -> None:
        assert self._reaper is not None, "a control plane without a reaper has no tick for it"
        self._reaper.passed(now_at)
        with self.database.transaction() as tx:
            # Simulated daemons are heard of all the time.
            jobs.heard_of(tx, now_at, self._working)
            reaped = jobs.to_reap(tx, now_at)
            for job_id, error in reaped:
                logs.write_job_logs(tx, now_at, job_id, [logs.JobLine(error, "error", "Reaper")])
                jobs.finish(tx, now_at, job_id, error)
                self._working.pop(job_id, None)
            self._reaper.due_at = jobs.reapable_at(tx, self._working)
        if reaped:
            self.touch()

    # Simulated daemons

    def _deliver(self) -> None:
        """Give pending jobs to those who wait for them, then to simulated daemons, as long as both are there."""
        inserted = self.database.inserted.get("provisioner_jobs", 0)
        if inserted != self._jobs_seen:
            self._jobs_seen, self._may_be_pending = inserted, True
        if not self._may_be_pending:
            return
        for wait in list(self._waits):
            with self.database.transaction() as tx:
                wait.job_id = jobs.acquire(tx, self.now_at, jobs.daemon(tx, wait.daemon_id), wait.types)
            if wait.job_id is not None:
                wait.is_over = True
                self._waits.remove(wait)
        # Whoever finds no job need not ask again before there is a new one.
        found_none = [self._exhausts(crew) for crew in self._crews]
        self._may_be_pending = not all(found_none)

    def _exhausts(self, crew: _Crew) -> bool:
        """Let idle daemons take jobs; True if they left none that they could do."""
        while crew.idle:
            if not self._take(crew):
                return True
        return False

    def _take(self, crew: _Crew) -> bool:
        """An idle daemon takes the next job, if there is one."""
        daemon = crew.idle[0]
        with self.database.transaction() as tx:
            job_id = jobs.acquire(tx, self.now_at, daemon)
            if job_id is None:
                return False
            outcome = crew.work(tx, job_id)
        crew.idle.pop(0)
        self._working[job_id] = daemon.id
        self.at(self.now_at + outcome.takes_us, Order.JOB, lambda _: self._finish(crew, daemon, job_id, outcome))
        return True

    def _finish(self, crew: _Crew, daemon: jobs.Daemon, job_id: int, outcome: Outcome) -> None:
        """A simulated daemon is done with a job, unless it was reaped or cancelled in between."""
        crew.idle.append(daemon)
        if self._working.pop(job_id, None) is None:
            return
        if outcome.error or job_id in self._canceled:
            with self.database.transaction() as tx:
                jobs.finish(tx, self.now_at, job_id, outcome.error)
                row = tx.one("SELECT workspace_id FROM workspace_builds WHERE job_id = $job", job=job_id)
                if row is not None:
                    self.on_build_done(tx, self.now_at, int(row[0]))
            self._reconciler.touch(self.now_at)
            self._executor.touch(self.now_at)
            return
        done = self._complete(job_id, outcome.result or BuildResult(), daemon.id)
        if done.agent_ids and outcome.agent_us is not None:
            ready_at = self.now_at + outcome.agent_us
            self.at(ready_at, Order.AGENT, lambda at: self._become_ready(at, done))

    def _become_ready(self, now_at: int, of: completion.Completed) -> None:
        with self.database.transaction() as tx:
            agents.become_ready(tx, now_at, of.agent_ids)
            if of.is_claim:
                tx.execute(
                    "UPDATE claims SET ready_at = make_timestamptz($now) WHERE workspace_build_id = $build",
                    now=now_at,
                    build=of.build_id,
                )

    # What the schedules want

    def _desired(self, tx: Transaction, preset_id: int, now_at: int) -> int:
        steps = self._steps.get(preset_id)
        if steps is None or now_at >= steps.end_at:
            for known, preset in templates.presets(tx).items():
                self._steps[known] = desired(preset, self.behaviour, now_at, now_at + _AHEAD_US)
            steps = self._steps[preset_id]
        return int(steps.value_at(now_at))

    def _desired_changes_at(self, preset_id: int, now_at: int) -> int:
        steps = self._steps[preset_id]
        later = steps.at[steps.at > now_at]
        return int(later[0]) if later.size else steps.end_at
