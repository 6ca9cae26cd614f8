"""The engine of a control plane: its clock, its loops and their ticks, and what the world does in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from simkit.clock import (
    FIRST_YEAR,
    LAST_YEAR,
    MINUTE_US,
    NEVER,
    UTC_ZONE,
    format_instant,
    parse_instant,
    zone_database_version,
)
from simkit.coder_versions import DEFAULT_BEHAVIOUR, Behaviour, behaviour_of
from simkit.controlplane import (
    agents,
    completion,
    jobs,
    lifecycle,
    logs,
    notifications,
    prebuilds,
    templates,
)
from simkit.controlplane.clockwork import Agenda, Ticks
from simkit.controlplane.types import PREBUILDS_USER, BuildResult, ImportResult, JobType
from simkit.core import policy
from simkit.core.numbers import Order
from simkit.errors import RefusedError
from simkit.model import Reconciler
from simkit.store.connection import file_of
from simkit.store.database import Database, Transaction
from simkit.timeline import Steps, desired
from simkit.version import __version__

_AHEAD_US = 31 * 24 * 60 * MINUTE_US


@dataclass(frozen=True)
class Outcome:
    """What a simulated daemon makes of a job: after `takes_us` it is done, or it has failed if there is an `error`.

    `agent_us`: how long after that its agents are ready; None: never by themselves.
    """

    takes_us: int = 0
    agent_us: int | None = 0
    result: BuildResult | ImportResult | None = None
    error: str = ""


Work = Callable[[completion.Assignment], Outcome]
"""What becomes of a job, asked when a simulated daemon takes it."""


@dataclass
class Wait:
    """A daemon waits for a job. It is over when there is one, or when the daemon takes it back."""

    daemon_id: int
    types: tuple[JobType, ...]
    job_id: int | None = None
    is_over: bool = False


@dataclass
class Crew:
    """Simulated daemons that do the same work. `pending`: no more jobs than these may be there for them."""

    work: Work
    daemons: tuple[jobs.Daemon, ...]
    idle: list[jobs.Daemon]
    pending: int = 1 << 62


class Engine:
    """A control plane at an instant of simulated time.

    `path` is a DuckDB file, which may be one that a control plane left behind, or `:memory:`. Instants are microseconds
    UTC or RFC 3339 text. Raises RefusedError for time that goes backwards.
    """

    def __init__(
        self,
        path: str | Path = ":memory:",
        *,
        now: str | int | None = None,
        coder: str | None = None,
        reconciler: Reconciler | None = None,
        run_id: str = "control-plane",
        has_reaper: bool = True,
    ) -> None:
        try:
            given = None if coder is None else behaviour_of(coder)
        except ValueError as error:
            raise RefusedError(str(error)) from None
        at = None if now is None else _instant(now)
        is_new = str(path) == ":memory:" or not file_of(path).exists()
        if at is None and is_new:
            # Asked before anything is made: who is refused finds no file.
            raise RefusedError("a new control plane needs to know what time it is; give now")
        self.database = Database(path, run_id)
        # A file goes on as the version that it was begun with, unless it is upgraded.
        found = self.database.rows("SELECT coder_version FROM runs")
        self.behaviour: Behaviour = given or (behaviour_of(found[0][0]) if found else DEFAULT_BEHAVIOUR)
        self.reconciler = reconciler or Reconciler(interval_us=self.behaviour.reconciliation_interval_us)
        self.activities: dict[int, lifecycle.Activity] = {}
        self._crews: list[Crew] = []
        self._waits: list[Wait] = []
        self._working: dict[int, int] = {}
        self._canceled: set[int] = set()
        self._steps: dict[int, Steps] = {}
        self._held: dict[int, tuple[bool, int]] = {}
        self._settled: dict[int, prebuilds.PresetRow] = {}
        self._presets: tuple[prebuilds.PresetRow, ...] | None = None
        self._agenda = Agenda()
        self._jobs_seen = 0
        try:
            self.now_at = self._begin(at)
        except BaseException:
            self.database.close()
            raise
        started_at = int(self.database.rows("SELECT epoch_us(start_at) FROM runs")[0][0])
        self._reconciler = Ticks(started_at, self.reconciler.interval_us)
        self._reconciler.resume(self.now_at)
        self._executor = Ticks(-(-self.now_at // MINUTE_US) * MINUTE_US, MINUTE_US)
        self._reaper = Ticks(-(-self.now_at // MINUTE_US) * MINUTE_US, MINUTE_US) if has_reaper else None

        self.on_created: Callable[[int, int, tuple[int, ...]], None] = lambda now_at, preset_id, workspace_ids: None
        """What the world does when the reconciler has created prebuilds: (now_at, preset id, workspace ids)."""
        self.before_reconcile: Callable[[Transaction, int], int] = lambda tx, now_at: NEVER
        """What the world does before a tick of the reconciler: (transaction, now_at). It says by when it has to be
        asked again."""
        self.on_build_done: Callable[[Transaction, int, completion.Build], None] = lambda tx, now_at, build: None
        """What the world does when a build is done: (transaction, now_at, build)."""

    def _begin(self, at: int | None) -> int:
        """The instant to go on from: that of a file that was left behind, unless a later one is given."""
        # A process that was killed did not say how far it had come; its rows do.
        found = self.database.rows(
            """
            SELECT run_id, greatest(
                epoch_us(end_at) - 1,
                (SELECT max(epoch_us(greatest(created_at, started_at, completed_at, canceled_at, updated_at)))
                 FROM provisioner_jobs),
                (SELECT max(epoch_us(decided_at)) FROM reconciler_decisions),
                (SELECT max(epoch_us(decided_at)) FROM lifecycle_decisions),
                (SELECT max(epoch_us(last_connected_at)) FROM workspace_agents)
            )
            FROM runs
            """
        )
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
                simkit_version=__version__,
                coder_version=self.behaviour.version,
                start_at=at,
                end_at=at + 1,
                timezone="UTC",
                timezone_database=zone_database_version(),
                currency="USD",
            )
        return at

    def close(self) -> None:
        """Let go of the file; what is in it goes on when it is opened again."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def now(self) -> str:
        return format_instant(self.now_at)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All that happens inside is kept together, or nothing of it is; afterwards everybody looks again."""
        with self.database.transaction() as tx:
            yield tx
        self.touch()

    def touch(self) -> None:
        """Anything may have changed: nothing is known any more, and the next ticks count."""
        self._presets = None
        self._steps.clear()
        self.pools_changed()
        self._executor.touch(self.now_at)
        if self._reaper is not None:
            self._reaper.touch(self.now_at)

    def pools_changed(self) -> None:
        """Prebuilds came or went: the reconciler's next tick counts."""
        self._settled.clear()
        self._reconciler.touch(self.now_at)

    def people_changed(self) -> None:
        """Something happened to people's workspaces: the executor's next tick counts."""
        self._executor.touch(self.now_at)

    def activity(self, workspace_id: int) -> lifecycle.Activity:
        """Who is connected to a workspace, as long as this control plane remembers it."""
        return self.activities.setdefault(workspace_id, lifecycle.Activity())

    def complete(self, job_id: int, result: BuildResult | ImportResult, daemon_id: int | None) -> completion.Completed:
        """A job is done. Raises RefusedError if it is not in the daemon's hands."""

        def end(tx: Transaction) -> tuple[completion.Assignment, completion.Completed]:
            jobs.working_on(tx, job_id, daemon_id)
            job = completion.assignment(tx, job_id)
            return job, completion.complete(tx, self.now_at, job, result, self.activity, self.behaviour)

        return self._end(end)

    def fail(self, job_id: int, error: str, daemon_id: int | None) -> None:
        """A job has failed. Raises RefusedError if it is not in the daemon's hands."""

        def end(tx: Transaction) -> tuple[completion.Assignment, completion.Completed]:
            jobs.working_on(tx, job_id, daemon_id)
            job = completion.assignment(tx, job_id)
            return job, completion.fail(tx, self.now_at, job, error)

        self._end(end)

    def _end(
        self, end: Callable[[Transaction], tuple[completion.Assignment, completion.Completed]]
    ) -> completion.Completed:
        """A job ends, all in one transaction, and who waits for it goes on."""
        with self.database.transaction() as tx:
            job, done = end(tx)
            if job.build is not None:
                self.on_build_done(tx, self.now_at, job.build)
        self._working.pop(job.job_id, None)
        self._job_done(job, done)
        return done

    def _job_done(self, job: completion.Assignment, done: completion.Completed) -> None:
        """Who looks again, now that a job is done?"""
        if job.build is None:
            self.touch()
            return
        if job.build.transition == "start" and job.build.initiator_id == PREBUILDS_USER:
            self._pool_grows(job.build, done)
        if job.build.user_id is not None or not self.behaviour.executor_skips_prebuilds:
            self.people_changed()

    # Time

    def advance(self, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Let time go by."""
        self.advance_to(self.now_at + round((minutes + 60 * hours + 24 * 60 * days) * MINUTE_US))

    def advance_to(self, until: str | int) -> None:
        """Let time go by up to and including an instant: the loops tick, jobs finish, agents become ready."""
        until_at = _instant(until) if isinstance(until, str) else until
        if until_at < self.now_at:
            raise RefusedError(f"{format_instant(until_at)} is before {self.now}: time does not go backwards")
        self.deliver()
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
            self.deliver()
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
        return at, act or (lambda now_at: self._agenda.pop()(now_at)), order

    def _execute(self, now_at: int) -> None:
        self._executor.passed(now_at)
        skips_prebuilds = self.behaviour.executor_skips_prebuilds
        if skips_prebuilds and not self.database.rows("SELECT 1 FROM users LIMIT 1"):
            self._executor.due_at = NEVER
            return
        with self.database.transaction() as tx:
            self._see_daemons(tx)
            self._executor.due_at = lifecycle.execute(tx, now_at, self.activities, self.behaviour)
        if not skips_prebuilds:
            self.pools_changed()  # it may have stopped some

    def _reconcile(self, now_at: int) -> None:
        self._reconciler.passed(now_at)
        with self.database.transaction() as tx:
            if self._presets is None:
                self._presets = () if prebuilds.is_paused(tx) else prebuilds.presets(tx)
            if self.behaviour.deletes_canceled and not all(preset.active for preset in self._presets):
                self._see_daemons(tx)  # is one alive that could take the job of what is deleted?
            again_at = self.before_reconcile(tx, now_at) if self._presets else NEVER
            seen = prebuilds.snapshot(tx, now_at, self._presets, self.reconciler)
            decisions = prebuilds.reconcile(
                tx, seen, self.behaviour, self.reconciler, lambda preset_id: self.desired(tx, preset_id)
            )
            acted = self._note(tx, now_at, decisions)
            for decision in decisions:
                self.on_created(now_at, decision.preset_id, decision.workspace_ids)
        self._settled = {decision.preset_id: preset for preset, decision in self._in_balance(seen, decisions)}
        self._reconciler.due_at = min(again_at, self._due_again(seen, decisions))
        if acted and seen.failures:
            self._reconciler.touch(now_at)  # what was created or deleted changes which failures are among the newest

    @staticmethod
    def _in_balance(
        seen: prebuilds.Snapshot, decisions: tuple[prebuilds.Decision, ...]
    ) -> Iterator[tuple[prebuilds.PresetRow, prebuilds.Decision]]:
        """Presets in force that have, or will have, no more than they want: one more that runs changes nothing."""
        for preset, decision in zip(seen.presets, decisions, strict=True):
            pool, actions = decision.pool, decision.actions
            coming = pool.actual - actions.delete_expired - actions.delete_oldest + pool.starting + actions.create
            if preset.active and decision.backoff_until == NEVER and coming <= pool.desired:
                yield preset, decision

    def _pool_grows(self, build: completion.Build, done: completion.Completed) -> None:
        """A start by the prebuilds user is done. The reconciler looks again, unless its pool is only as it will be."""
        preset = self._settled.get(build.preset_id or 0)
        if preset is None or build.is_claim or done.error or build.workspace_created_at < preset.invalidated_at:
            self._reconciler.touch(self.now_at)
        elif preset.ttl_us > 0:
            expires_at = build.workspace_created_at + preset.ttl_us + 1
            self._reconciler.expect(self.now_at, expires_at)

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
            for job in reaped:
                jobs.reap(tx, now_at, job)
                logs.write_job_logs(tx, now_at, job.job_id, [logs.JobLine(job.error, "error", "Reaper")])
                of = completion.assignment(tx, job.job_id)
                completion.failed(tx, now_at, of, job.error)
                if of.build is not None:
                    self.on_build_done(tx, now_at, of.build)
                self._working.pop(job.job_id, None)
            self._reaper.due_at = jobs.reapable_at(tx, self._working)
        if reaped:
            self.touch()

    def _see_daemons(self, tx: Transaction) -> None:
        """Simulated daemons are alive, and so are those that wait for a job."""
        simulated = [daemon.id for crew in self._crews for daemon in crew.daemons]
        jobs.seen(tx, self.now_at, [*simulated, *(wait.daemon_id for wait in self._waits)])

    # Simulated daemons

    def deliver(self) -> None:
        """Give pending jobs to those who wait for them, then to simulated daemons, as long as both are there."""
        inserted = self.database.inserted.get("provisioner_jobs", 0)
        if inserted > self._jobs_seen and self._reaper is not None:
            self._reaper.expect(self.now_at, self.now_at + policy.PENDING_TOO_LONG_US + 1)
        for crew in self._crews:
            crew.pending += inserted - self._jobs_seen
        self._jobs_seen = inserted
        for wait in list(self._waits):
            with self.database.transaction() as tx:
                wait.job_id = jobs.acquire(tx, self.now_at, jobs.daemon(tx, wait.daemon_id), wait.types)
            if wait.job_id is not None:
                wait.is_over = True
                self._waits.remove(wait)
        for crew in self._crews:
            while crew.idle and crew.pending > 0:
                crew.pending = crew.pending - 1 if self._take(crew) else 0

    def _take(self, crew: Crew) -> bool:
        """An idle daemon takes the next job, if there is one."""
        daemon = crew.idle[0]
        with self.database.transaction() as tx:
            job_id = jobs.acquire(tx, self.now_at, daemon)
            if job_id is None:
                return False
            job = completion.assignment(tx, job_id)
        outcome = crew.work(job)
        crew.idle.pop(0)
        self._working[job_id] = daemon.id
        self.at(self.now_at + outcome.takes_us, Order.JOB, lambda _: self._finish(crew, daemon, job, outcome))
        return True

    def _finish(self, crew: Crew, daemon: jobs.Daemon, job: completion.Assignment, outcome: Outcome) -> None:
        """A simulated daemon is done with a job, unless it was reaped in between; a cancelled one ends as that."""
        crew.idle.append(daemon)
        if self._working.pop(job.job_id, None) is None:
            return
        done = self._end(lambda tx: (job, self._as(tx, job, outcome)))
        if done.agent_ids and outcome.agent_us is not None and job.build is not None:
            build = job.build
            ready_at = self.now_at + outcome.agent_us
            self.at(ready_at, Order.AGENT, lambda at: self._become_ready(at, build, done.agent_ids))

    def _as(self, tx: Transaction, job: completion.Assignment, outcome: Outcome) -> completion.Completed:
        """A job ends as its simulated daemon made it end; a cancelled one as that."""
        if job.job_id in self._canceled:
            jobs.finish(tx, self.now_at, job.job_id)
            return completion.Completed("canceled")
        if outcome.error:
            return completion.fail(tx, self.now_at, job, outcome.error)
        return completion.complete(tx, self.now_at, job, outcome.result or BuildResult(), self.activity, self.behaviour)

    def _become_ready(self, now_at: int, build: completion.Build, agent_ids: tuple[int, ...]) -> None:
        with self.database.transaction() as tx:
            agents.become_ready(tx, now_at, agent_ids)
            if build.is_claim:
                tx.execute(
                    "UPDATE claims SET ready_at = make_timestamptz($now) WHERE workspace_build_id = $build",
                    now=now_at,
                    build=build.id,
                )

    # What the schedules want

    def desired(self, tx: Transaction, preset_id: int) -> int:
        """How many prebuilds a preset's schedules want now, whether its version is the active one or not."""
        steps = self._steps.get(preset_id)
        if steps is None or self.now_at >= steps.end_at:
            for known, preset in templates.presets(tx).items():
                self._steps[known] = desired(preset, self.behaviour, self.now_at, self.now_at + _AHEAD_US)
            steps = self._steps[preset_id]
        return int(steps.value_at(self.now_at))

    def _desired_changes_at(self, preset_id: int, now_at: int) -> int:
        steps = self._steps[preset_id]
        later = steps.at[steps.at > now_at]
        return int(later[0]) if later.size else steps.end_at


def _instant(given: str | int) -> int:
    if isinstance(given, int) and not _FIRST_AT <= given <= _LAST_AT:
        raise RefusedError(
            f"{given} is no instant of the years {FIRST_YEAR} to {LAST_YEAR}; give microseconds, or text"
        )
    try:
        return parse_instant(given, UTC_ZONE) if isinstance(given, str) else given
    except ValueError as error:
        raise RefusedError(str(error)) from error


_FIRST_AT, _LAST_AT = (parse_instant(f"{year}-01-01T00:00:00Z") for year in (FIRST_YEAR, LAST_YEAR))
