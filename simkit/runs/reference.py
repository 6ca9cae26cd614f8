"""A scenario on the reference engine: the same givens and chance as the kernel's, done row by row by a control plane.

Slow, and auditable: where both engines cover a scenario, their rows are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from simkit.arguments import a_scenario, a_whole_number, at_least, takes
from simkit.clock import NEVER, SECOND_US
from simkit.controlplane import ControlPlane, Outcome, lifecycle, prebuilds, templates, workspaces
from simkit.controlplane.completion import Assignment, Build
from simkit.controlplane.types import PREBUILDS_USER, Agent, BuildResult, Resource
from simkit.core import facts, kernel
from simkit.core.chance import happens, luck_of, mix, pick
from simkit.core.numbers import NONE, Order
from simkit.errors import RefusedError
from simkit.model import Activate, Invalidate, Pause, People, Resume, Scenario, SetSchedule, SetTTL
from simkit.phases import phase
from simkit.runs.givens import Givens, givens
from simkit.runs.result import KernelResult, Result, sessions
from simkit.runs.static import static_tables
from simkit.store.columns import Columns, Tables
from simkit.store.database import Transaction
from simkit.store.words import BUILD_ERROR


@dataclass(frozen=True)
class ReferenceResult(Result):
    """A run on the reference engine, and the control plane that holds its rows."""

    plane: ControlPlane
    sessions: Columns
    claim_of: Mapping[int, int]
    """The claim of the input, of each workspace that was made or taken for one."""

    @cached_property
    def tables(self) -> Tables:
        """As `Result.tables`."""
        moved = {
            name: self.plane.database.columns(name, columns)
            for name, columns in KernelResult(self.given, kernel.no_rows(self.given.inputs)).tables.items()
            if name not in static_tables(self.given) and name != "sessions"
        }
        # The kernel numbers agents in the order of their builds, a control plane in that of their coming.
        agents = moved["workspace_agents"]
        order = np.argsort(agents["workspace_build_id"], kind="stable")
        moved["workspace_agents"] = {name: column[order] for name, column in agents.items()} | {"id": agents["id"]}
        # And claims in the order in which they are asked: one may wait for a deletion, and another come before it.
        claims = moved["claims"]
        order = np.argsort([self.claim_of[w] for w in claims["workspace_id"].tolist()], kind="stable")
        moved["claims"] = {name: column[order] for name, column in claims.items()} | {"id": claims["id"]}
        return {**static_tables(self.given), **moved, "sessions": self.sessions}


@takes(scenario=a_scenario, seed=a_whole_number, replication=at_least(0))
def run_reference(scenario: Scenario, seed: int = 0, replication: int = 0) -> ReferenceResult:
    """Simulate a scenario once on the reference engine. Raises RunError.

    >>> scenario = simkit.load("examples/template/morning.yaml")
    >>> simkit.run_reference(scenario, seed=7).run_id == simkit.run(scenario, seed=7).run_id
    True
    """
    given = givens(scenario, seed, replication)
    plane = ControlPlane(
        now=scenario.start_at,
        coder=scenario.behaviour.version,
        reconciler=scenario.reconciler,
        run_id=given.run_id,
        has_reaper=scenario.has_reaper,
    )
    world = _World(plane, given)
    world.begin()
    as_phase = phase("simulated", scenario=scenario.name, seed=seed, replication=replication, engine="reference")
    with as_phase, plane.database.together():
        plane.advance_to(scenario.end_at)
        world.end()
    return ReferenceResult(given, plane, world.sessions(), world.claim_of)


@dataclass
class _Person:
    """Somebody who owns one workspace at a time. `waiting`: the session that waits for a build."""

    group: People
    ttl_us: int | None
    workspace_id: int | None = None
    waiting: int | None = None


@dataclass
class _World:
    """What surrounds the control plane: people who come, builds that take their time and fail by chance."""

    plane: ControlPlane
    given: Givens
    people: list[_Person] = field(default_factory=list)
    claim_of: dict[int, int] = field(default_factory=dict)
    """The claim that a workspace was made or taken for."""
    luck_of: dict[int, int] = field(default_factory=dict)
    """Of each prebuild, and which of its preset it is, from 1."""
    ordinal_of: dict[int, int] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    """The workspaces of which a daemon has built something."""
    made: dict[int, int] = field(default_factory=dict)
    known: dict[int, tuple[templates.Template, int]] = field(default_factory=dict)
    found: list[tuple[int, int | None, int | None]] = field(default_factory=list)
    """Of each claim or session: what it found (facts.C_HIT), the workspace and the build."""

    @property
    def inputs(self) -> facts.Inputs:
        return self.given.inputs

    def begin(self) -> None:
        scenario = self.given.scenario
        self.plane.database.replace(static_tables(self.given))
        with self.plane.transaction() as tx:
            active = {version.template: i + 1 for i, version in enumerate(scenario.versions)}
            for template_id, name in tx.execute("SELECT id, name FROM templates"):
                tx.update("templates", template_id, active_version_id=active.get(name))
            tx.insert("organizations", name="default")
            for i in range(len(scenario.all_versions)):
                templates.set_workspace_tags(tx, i + 1, scenario.version_tags)
                templates.set_workspace_tags(tx, i + 1, scenario.prebuild_tags, of_prebuilds=True)
            tx.execute("UPDATE template_version_presets SET last_invalidated_at = NULL")
        self.people = [_Person(group, group.ttl_us) for group in scenario.people for _ in range(group.count)]
        self.found = [(facts.LOST, None, None)] * len(self.inputs.claims)
        version_id = len(scenario.versions)
        for event in scenario.events:
            if isinstance(event, Activate):
                version_id += 1
            self.plane.at(event.at, Order.EVENT, self._event(event, version_id))
        for i, at in enumerate(self.inputs.claims[:, facts.A_AT].tolist()):
            self.plane.at(at, Order.CLAIM, self._arrival(i))
        self.plane.on_created = self.created
        if self.inputs.settings.clears_failed:
            cleared_after = {i + 1: int(row[facts.P_CLEARED_AFTER]) for i, row in enumerate(self.inputs.presets)}
            self.plane.before_reconcile = lambda tx, now_at: prebuilds.clear_failed(
                tx, now_at, cleared_after, self.given.operator_id
            )
        if scenario.prebuilds_quota is not None:
            self.plane.set_prebuilds_quota(1, scenario.prebuilds_quota)
        self.plane.on_build_done = self.build_done
        for daemons in scenario.daemons:
            self.plane.run_daemons(daemons.count, self.work, tags=dict(daemons.tags))

    def end(self) -> None:
        """What agents have reported until the window ends."""
        with self.plane.transaction() as tx:
            for workspace_id, activity in self.plane.activities.items():
                life = lifecycle.get(tx, workspace_id)
                if life is not None:
                    lifecycle.report(tx, self.plane.now_at, life, activity)

    # The scenario's events

    def _event(self, event: Any, version_id: int) -> Callable[[int], None]:
        match event:
            case Activate():
                return lambda _: self.plane.activate_version(version_id)
            case Invalidate():
                return lambda at: self._invalidate(at, event.preset)
            case Pause():
                return lambda _: self.plane.pause_prebuilds()
            case Resume():
                return lambda _: self.plane.resume_prebuilds()
            case SetTTL():
                return lambda at: self._set_ttl(at, event)
            case SetSchedule():
                return lambda at: self._set_schedule(at, event)
        raise AssertionError(f"{event} is an event")

    def _invalidate(self, now_at: int, name: str | None) -> None:
        if not self.plane.behaviour.invalidates:
            return
        with self.plane.transaction() as tx:
            for (preset_id,) in tx.execute(
                "SELECT p.id FROM template_version_presets AS p "
                "JOIN templates AS t ON t.active_version_id = p.template_version_id "
                "WHERE $name IS NULL OR p.name = $name ORDER BY p.id",
                name=name,
            ):
                prebuilds.invalidate(tx, now_at, preset_id, self.plane.behaviour)

    def _set_ttl(self, now_at: int, event: SetTTL) -> None:
        if not self.given.scenario.schedule_at(now_at).allow_user_autostop:
            return  # Coder refuses it
        with self.plane.transaction() as tx:
            for person in self.people:
                if person.group.name == event.people:
                    self._set_ttl_of(tx, now_at, person, event.ttl_us)

    def _set_ttl_of(self, tx: Transaction, now_at: int, person: _Person, ttl_us: int | None) -> None:
        """A person's own TTL; what Coder refuses for the workspace that they have changes nothing."""
        if person.workspace_id is not None:
            activity = self.plane.activity(person.workspace_id)
            try:
                lifecycle.set_ttl(tx, now_at, person.workspace_id, ttl_us, activity, self.plane.behaviour)
            except RefusedError:
                return
        person.ttl_us = ttl_us or 0

    def _set_schedule(self, now_at: int, event: SetSchedule) -> None:
        with self.plane.transaction() as tx:
            for (template_id,) in tx.execute("SELECT id FROM templates ORDER BY id"):
                lifecycle.reschedule(
                    tx, now_at, template_id, event.schedule, self.plane.activities, self.plane.behaviour
                )

    # People

    def _arrival(self, i: int) -> Callable[[int], None]:
        return lambda at: self.arrive(at, i)

    def arrive(self, now_at: int, i: int) -> None:
        """Somebody starts to work: with the workspace they have, else they claim one."""
        person_i = int(self.inputs.claims[i, facts.A_PERSON])
        with self.plane.database.transaction() as tx:
            if person_i == NONE:
                self.claim(tx, now_at, i)
            elif self.people[person_i].group.suspended_at <= now_at:
                self.found[i] = (facts.LOST, None, None)
            elif self.people[person_i].workspace_id is None:
                self.settle_in(tx, now_at, person_i, i)
            else:
                self.work_on(tx, now_at, self.people[person_i], i)
        if person_i != NONE:
            self.plane.people_changed()

    def claim(self, tx: Transaction, now_at: int, i: int) -> int:
        preset_id, luck = int(self.inputs.claims[i, facts.A_PRESET]) + 1, int(self.inputs.claims[i, facts.A_LUCK])
        template, version_id = self.of_preset(tx, preset_id)
        owner_id = int(self.given.user_of_claim[i])
        created = self.plane.claim_or_build(
            tx,
            owner_id,
            template,
            version_id,
            preset_id,
            f"workspace-{owner_id}",
            lambda ready: self._chosen(ready, luck),
            int(self.inputs.claims[i, facts.A_AT]),
        )
        self.claim_of[created.workspace_id] = i
        self.found[i] = (facts.HIT if created.hit else facts.COLD, created.workspace_id, created.build_id)
        if created.hit:
            self.plane.pools_changed()
        return created.workspace_id

    def of_preset(self, tx: Transaction, preset_id: int) -> tuple[templates.Template, int]:
        """The template and the version of a preset, neither of which changes but for which version is active."""
        if preset_id not in self.known:
            template_id, version_id = prebuilds.preset_of(tx, preset_id)
            self.known[preset_id] = templates.get(tx, template_id), version_id
        return self.known[preset_id]

    def _chosen(self, ready: list[prebuilds.Ready], luck: int) -> prebuilds.Ready:
        match self.given.scenario.claim_order:
            case "oldest":
                return ready[0]
            case "newest":
                return ready[-1]
        return ready[(mix(luck ^ facts.CHOICE_STREAM) * len(ready)) >> 32]

    def settle_in(self, tx: Transaction, now_at: int, person_i: int, i: int) -> None:
        """Somebody who has no workspace claims one: it gets their TTL and their autostart."""
        person = self.people[person_i]
        workspace_id = self.claim(tx, now_at, i)
        person.workspace_id, person.waiting = workspace_id, i
        template_id = workspaces.get(tx, workspace_id).template_id
        lifecycle.settle(tx, now_at, workspace_id, template_id, person.group.autostart, person.ttl_us)
        connected, until_at = (int(self.inputs.claims[i, c]) for c in (facts.A_CONNECTED, facts.A_UNTIL))
        self.plane.activities[workspace_id] = lifecycle.Activity(until_at if connected else -NEVER)

    def work_on(self, tx: Transaction, now_at: int, person: _Person, i: int) -> None:
        assert person.workspace_id is not None, "somebody works on a workspace"
        life = lifecycle.get(tx, person.workspace_id)
        assert life is not None, "a workspace that somebody has is not deleted"
        connected, until_at = (int(self.inputs.claims[i, c]) for c in (facts.A_CONNECTED, facts.A_UNTIL))
        activity = self.plane.activity(life.id)
        build_id, found = life.build_id, facts.FOUND_RUNNING
        if life.runs:
            if connected:
                lifecycle.join(tx, now_at, life, activity, until_at, self.ready_at(tx, life.build_id))
            else:
                lifecycle.report(tx, now_at, life, activity)
        else:
            if connected:
                activity.until_at = max(activity.until_at, until_at)
            person.waiting = i
            if life.is_done:
                build_id, found = self.plane.start(tx, life.id, life.owner_id), facts.STARTED
            elif life.transition == "start":
                found = facts.FOUND_STARTING
            else:
                found = facts.STARTED
        self.found[i] = (found, life.id, build_id)

    def ready_at(self, tx: Transaction, build_id: int) -> int:
        """When a start build's agent is or will be ready."""
        row = tx.one(
            "SELECT epoch_us(j.completed_at) FROM workspace_builds AS b JOIN provisioner_jobs AS j ON j.id = b.job_id "
            "WHERE b.id = $id",
            id=build_id,
        )
        assert row is not None, "a build has a job"
        return int(row[0]) + self.agent_us[build_id]

    # Builds

    agent_us: dict[int, int] = field(default_factory=dict)
    """How long the agent of each start build takes."""

    def work(self, job: Assignment) -> Outcome:
        """How long a build takes, and whether it fails: the kernel's chance, keyed by what the build belongs to."""
        assert job.build is not None, "a job of a simulation builds a workspace"
        build_id, workspace_id, transition, number, preset_id, *_ = job.build
        assert preset_id is not None, "a workspace of a simulation has a preset"
        preset, claim = preset_id - 1, self.claim_of.get(workspace_id)
        if claim is not None and (transition != "delete" or workspace_id not in self.luck_of):
            luck = int(self.inputs.claims[claim, facts.A_LUCK])
        else:
            luck = self.luck_of[workspace_id]
        claimed = claim is not None and number > 1 and self.found[claim][2] == build_id
        what = facts.BUILD
        if transition == "delete":
            what = facts.REMOVE
            if workspace_id not in self.begun and job.build.initiator_id == PREBUILDS_USER:
                what = facts.REMOVE_CANCELED
        elif claimed:
            what = facts.CLAIM
        elif number > 1:
            what, luck = facts.HALT if transition == "stop" else facts.RESTART, mix(luck ^ number)
        self.begun.add(workspace_id)
        takes_us = self._duration(preset, what, luck)
        if transition != "start":
            return Outcome(takes_us)
        agent_luck = int(self.inputs.claims[claim, facts.A_LUCK]) if claim is not None else luck
        agent_us = self._duration(preset, facts.REINITIALIZE if claimed else facts.AGENT, agent_luck)
        self.agent_us[build_id] = agent_us
        fails = self._fails(workspace_id, number, preset, luck, claimed)
        result = None
        if claim is None and self.given.scenario.prebuilds_quota is not None:
            daily_cost = int(self.inputs.presets[preset, facts.P_DAILY_COST])
            result = BuildResult((Resource(daily_cost=daily_cost, agents=(Agent(),)),))
        return Outcome(takes_us, agent_us, result, error=BUILD_ERROR if fails else "")

    def created(self, now_at: int, preset_id: int, workspace_ids: tuple[int, ...]) -> None:
        """A prebuild's luck is keyed by the preset, the tick that created it and its place among those of the tick."""
        key = int(self.inputs.presets[preset_id - 1, facts.P_KEY])
        for slot, workspace_id in enumerate(workspace_ids):
            self.luck_of[workspace_id] = int(luck_of(key, now_at // SECOND_US, slot))
            self.made[preset_id] = self.made.get(preset_id, 0) + 1
            self.ordinal_of[workspace_id] = self.made[preset_id]

    def _fails(self, workspace_id: int, number: int, preset: int, luck: int, claimed: bool) -> bool:
        given, claim = self.inputs.presets[preset], self.claim_of.get(workspace_id)
        if claim is not None:
            # A claim's build does not fail, nor a cold one: its person retries, which its duration includes.
            again = number > 1 and not claimed and self.inputs.claims[claim, facts.A_PERSON] != NONE
            threshold = int(given[facts.P_START_FAILURE_THRESHOLD])
            return bool(again) and bool(happens(threshold, luck, facts.FAILURE_STREAM))
        if happens(int(given[facts.P_FAILURE_THRESHOLD]), luck, facts.FAILURE_STREAM):
            return True
        failing = self.inputs.failing[given[facts.P_FAILING_FROM] : given[facts.P_FAILING_UNTIL]]
        return self.ordinal_of[workspace_id] in failing

    def _duration(self, preset: int, what: int, luck: int) -> int:
        given = self.inputs.presets[preset]
        first, count = given[facts.P_SAMPLES_FROM + what], given[facts.P_SAMPLES_COUNT + what]
        return int(pick(self.inputs.samples, int(first), int(count), luck, int(facts.STREAMS[what])))

    def build_done(self, tx: Transaction, now_at: int, done: Build) -> None:
        """A job of somebody's workspace is done: who waited for it goes on."""
        workspace_id = done.workspace_id
        claim = self.claim_of.get(workspace_id)
        person_i = NONE if claim is None else int(self.inputs.claims[claim, facts.A_PERSON])
        if person_i == NONE:
            return
        person = self.people[person_i]
        waiting, person.waiting = person.waiting, None
        build = workspaces.latest_build(tx, workspace_id)
        activity = self.plane.activity(workspace_id)
        if build.transition == "start" and build.job_status == "succeeded":
            activity.begins(build.id, now_at + self.agent_us[build.id])
        elif build.transition == "delete" and build.job_status == "succeeded":
            person.workspace_id = None
            if waiting is not None:
                self.settle_in(tx, now_at, person_i, waiting)
        elif build.transition != "start" and waiting is not None:
            started = self.plane.start(tx, workspace_id, person_i + 1)
            self.found[waiting] = (facts.STARTED, workspace_id, started)
            person.waiting = waiting

    def sessions(self) -> Columns:
        """The table of that name."""
        whole = np.array(
            [[hit, -1 if w is None else w - 1, -1 if b is None else b - 1] for hit, w, b in self.found], dtype=np.int64
        ).reshape(-1, 3)
        claims = np.empty((len(whole), facts.C_COLUMNS), dtype=np.int64)
        claims[:, facts.C_HIT], claims[:, facts.C_WORKSPACE], claims[:, facts.C_BUILD] = whole.T
        ready = self.plane.database.rows(
            "SELECT b.id, coalesce(epoch_us(j.completed_at), -1), j.job_status FROM workspace_builds AS b "
            "JOIN provisioner_jobs AS j ON j.id = b.job_id ORDER BY b.id"
        )
        ready_at = np.full(len(ready), NEVER, dtype=np.int64)
        for build_id, completed_at, status in ready:
            if status == "succeeded" and build_id in self.agent_us:
                ready_at[build_id - 1] = completed_at + self.agent_us[build_id]
        return sessions(self.given, claims, ready_at)
