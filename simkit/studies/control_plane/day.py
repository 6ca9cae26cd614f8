"""The place of the sample day: its clock, its template, and the daemons and agents that work for it.

`Site` is what the control plane is not: daemons that build, with their logs, and agents that start. Everything it does
follows from the order of the calls, so that a day is the same every time.
"""

from __future__ import annotations

from dataclasses import dataclass

from simkit.clock import MINUTE_US, SECOND_US, Zone, parse_instant, unknown_zone, zone
from simkit.controlplane import ControlPlane, Outcome, logs
from simkit.controlplane.completion import Assignment, Build
from simkit.controlplane.types import PREBUILDS_USER, Agent, BuildResult, ImportResult, Replacement, Resource, Timing
from simkit.core.numbers import Order
from simkit.errors import RefusedError
from simkit.model import Preset, Schedule
from simkit.store.database import Transaction

DAILY_COST = 10
"""Of each workspace of the sample day's template, in the units of a group's quota."""


@dataclass(frozen=True)
class Clock:
    """The wall clock of a zone on one day: `clock("08:30")` is an instant. Raises RefusedError for what is none."""

    day: str
    timezone: str

    def __call__(self, wall: str) -> int:
        try:
            return parse_instant(f"{self.day}T{wall}", self.zone)
        except ValueError as error:
            raise RefusedError(f"day {self.day}, {wall}: {error}") from error

    @property
    def zone(self) -> Zone:
        found = zone(self.timezone)
        if found is None:
            raise RefusedError(f"timezone: {unknown_zone(self.timezone)}")
        return found


def version(timezone: str, module_files: int | None = None) -> ImportResult:
    """A template version with two presets in a zone: `us` is a subset of `us-large`, which matters for matching.

    Each keeps one prebuild at night; on working days `us` has three from 8:00 to 18:00 and `us-large` two from 9:00 on.
    """
    us = Preset(
        "us",
        1,
        timezone=timezone,
        schedules=(Schedule("* 8-17 * * 1-5", 3),),
        description="A small machine in the US",
        default=True,
        parameters=(("region", "us"),),
    )
    large = Preset(
        "us-large",
        1,
        timezone=timezone,
        schedules=(Schedule("* 9-17 * * 1-5", 2),),
        description="A large machine in the US",
        parameters=(("region", "us"), ("size", "large")),
    )
    return ImportResult(start_resources=(_machine(),), presets=(us, large), module_files=module_files)


def lab_version() -> ImportResult:
    """A template version for trying things: a preset `any`, which keeps no prebuilds and asks for no parameters."""
    return ImportResult(presets=(Preset("any", 0),))


def preset_ids(plane: ControlPlane, version_id: int) -> tuple[int, ...]:
    """The ids of a version's presets, in the template's order."""
    found = plane.database.rows(
        "SELECT id FROM template_version_presets WHERE template_version_id = $version ORDER BY id", version=version_id
    )
    return tuple(int(id) for (id,) in found)


class Site:
    """The daemons and agents of the day: how long each job takes, what is said of it and what becomes of it.

    `next_error` makes the next start of a person's workspace fail, once. `next_replacements` are those of the next
    claim of a prebuild.
    """

    def __init__(self, plane: ControlPlane, imported: ImportResult) -> None:
        self.next_error = ""
        self.next_replacements: tuple[Replacement, ...] = ()
        self._plane, self._imported = plane, imported
        plane.on_build_done = self._on_build_done

    def work(self, job: Assignment) -> Outcome:
        """What becomes of a job: durations depend on its kind, and by up to a minute on its number."""
        kind = _kind(job)
        takes_us = _TAKES_US[kind] + (job.job_id % 4) * _TAKES_US[kind] // 12
        error = ""
        if job.build is not None and job.build.transition == "start" and job.build.owner_id != PREBUILDS_USER:
            error, self.next_error = self.next_error, ""
        self._write_log(job.job_id, kind, takes_us, error)
        return Outcome(takes_us, 40 * SECOND_US, self._result(job, kind, takes_us), error)

    def _result(self, job: Assignment, kind: str, takes_us: int) -> BuildResult | ImportResult:
        if kind == "import":
            return self._imported
        if kind in ("stop", "delete"):
            return BuildResult(resources=())
        replaced: tuple[Replacement, ...] = ()
        if job.build is not None and job.build.is_hit:
            replaced, self.next_replacements = self.next_replacements, ()
        begun_at = self._plane.now_at
        planned_at, done_at = begun_at + takes_us // 4, begun_at + takes_us
        timings = (
            Timing(begun_at, planned_at, "plan", "docker", "read", "data.docker_image.base"),
            Timing(planned_at, done_at, "apply", "docker", "create", "docker_container.workspace"),
        )
        return BuildResult((_machine(),), timings, replacements=replaced)

    def _write_log(self, job_id: int, kind: str, takes_us: int, error: str) -> None:
        """A line every two seconds, written in four batches, as the job goes on."""
        count = max(takes_us // (2 * SECOND_US), 4)
        lines = [
            logs.JobLine(
                f"{kind}: step {i} of {count}: docker_container.workspace: still going", stage=_stage(i, count)
            )
            for i in range(1, count + 1)
        ]
        if error:
            lines[-1] = logs.JobLine(error, "error", _stage(count, count))
        for quarter in range(4):
            batch = lines[quarter * count // 4 : (quarter + 1) * count // 4]
            at = self._plane.now_at + (quarter + 1) * takes_us // 4
            self._plane.at(at, Order.EVENT, lambda _, batch=batch: self._plane.write_log(job_id, batch))  # type: ignore[misc]

    def _on_build_done(self, tx: Transaction, now_at: int, build: Build) -> None:
        """Agents of a start say something while their startup scripts run."""
        found = tx.execute("SELECT id FROM workspace_agents WHERE workspace_build_id = $build", build=build.id)
        for (agent_id,) in found:
            for second in (5, 15, 25):
                at = now_at + second * SECOND_US
                self._plane.at(at, Order.EVENT, lambda _, agent=agent_id: self._agent_says(agent))  # type: ignore[misc]

    def _agent_says(self, agent_id: int) -> None:
        lines = [logs.AgentLine(f"startup script: step {i} of 40: cloning and installing") for i in range(1, 41)]
        self._plane.write_agent_log(agent_id, lines)


_TAKES_US = {
    "import": 75 * SECOND_US,
    "dry run": 45 * SECOND_US,
    "prebuild": 8 * MINUTE_US,
    "claim": 40 * SECOND_US,
    "cold start": 8 * MINUTE_US,
    "start": 90 * SECOND_US,
    "stop": 30 * SECOND_US,
    "delete": 45 * SECOND_US,
}


def _kind(job: Assignment) -> str:
    build = job.build
    if build is None:
        return "import" if job.type == "template_version_import" else "dry run"
    if build.transition != "start":
        return build.transition
    if build.is_hit:
        return "claim"
    if build.number > 1:
        return "start"
    return "prebuild" if build.owner_id == PREBUILDS_USER else "cold start"


def _stage(i: int, count: int) -> str:
    return ("Initializing", "Planning infrastructure", "Starting workspace")[min(3 * (i - 1) // count, 2)]


def _machine() -> Resource:
    return Resource(daily_cost=DAILY_COST, agents=(Agent(),))
