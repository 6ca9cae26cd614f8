"""One day of a small deployment on a control plane: who does what when, and what its tables held at each instant.

`World` is what the control plane is not: daemons that build, with their logs, and agents that start. Everything it does
follows from the order of the calls, so that a day is the same every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from simkit.clock import MINUTE_US, SECOND_US, Zone, parse_instant, unknown_zone, zone
from simkit.controlplane import ControlPlane, Outcome, jobs, logs, prebuilds, presets
from simkit.controlplane.clockwork import Order
from simkit.controlplane.completion import Assignment, Build
from simkit.controlplane.types import PREBUILDS_USER, Agent, BuildResult, ImportResult, Replacement, Resource, Timing
from simkit.errors import RefusedError
from simkit.model import Preset, Schedule
from simkit.store.database import Transaction

if TYPE_CHECKING:
    import pandas as pd

DAILY_COST = 10
"""Of each workspace of the sample day's template, in the units of a group's quota."""
VOLUME_US = 15 * MINUTE_US
"""The interval over which log volume is counted."""


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


class World:
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


# Doing things in one line of a notebook


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


# A failure in the middle


class Interruption(NamedTuple):
    """A job's completion was made to fail before each of its statements, then let through.

    `changed_by_failures`: tables that differed after one of the failures. `added`: rows that success added, by table.
    """

    kind: str
    statements: int
    changed_by_failures: int
    added: Mapping[str, int]


def interrupt(plane: ControlPlane, daemon_id: int, result: BuildResult | ImportResult) -> Interruption:
    """A daemon's next job is completed with a failure injected before each statement in turn, then without one.

    Raises RefusedError if there is no job for the daemon.
    """
    job_id = plane.acquire(daemon_id)
    if job_id is None:
        raise RefusedError(f"there is no job for provisioner daemon {daemon_id}")
    kind = str(plane.database.rows("SELECT type FROM provisioner_jobs WHERE id = $id", id=job_id)[0][0])
    before, changed, statements = contents(plane), 0, 0
    while _breaks_before(plane, statements + 1, lambda: plane.complete_job(job_id, result, daemon_id)):
        statements += 1
        after = contents(plane)
        changed += sum(after[table] != before[table] for table in before)
    after = contents(plane)
    added = {table: after[table][0] - before[table][0] for table in before if after[table][0] > before[table][0]}
    return Interruption(kind, statements, changed, added)


def contents(plane: ControlPlane) -> dict[str, tuple[int, int]]:
    """(rows, a hash of them) of each table."""
    tables = plane.database.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' ORDER BY table_name"
    )
    return {
        table: plane.database.rows(f"SELECT count(*), coalesce(bit_xor(hash(of)), 0) FROM {table} AS of")[0]
        for (table,) in tables
    }


class _InjectedError(Exception):
    pass


def _breaks_before(plane: ControlPlane, statement: int, act: Callable[[], object]) -> bool:
    """Let something fail before its n-th statement. False if it is done before, with fewer."""
    seen = 0

    def count(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            raise _InjectedError

    usual, plane.database.on_statement = plane.database.on_statement, count
    try:
        act()
    except _InjectedError:
        return True
    finally:
        plane.database.on_statement = usual
    return False


# What the tables say


def states(plane: ControlPlane) -> pd.DataFrame:
    """Every span in which a workspace was in a state: workspace, state, from_at, until_at, by creation.

    States: `pending` and `building` while a job waits or works, `waiting` (a prebuild that stands there for nobody),
    `running` (for its owner), `stopped`, `failed` (or cancelled); `deleted` and `claimed` are instants.
    """
    return plane.sql(_STATES, now=plane.now_at)


def queue_length(plane: ControlPlane) -> pd.DataFrame:
    """Pending jobs after each instant at which their number changed: changed_at, of people, of prebuilds."""
    return plane.sql(_QUEUE)


def log_volume(plane: ControlPlane) -> pd.DataFrame:
    """Bytes of UTF-8 that jobs and agents wrote in each interval of VOLUME_US from the first instant on, 0 also."""
    return plane.sql(_VOLUME, now=plane.now_at, interval=VOLUME_US)


def pools(plane: ControlPlane) -> pd.DataFrame:
    """What the reconciler's snapshot sees now: a row for each preset of an active version."""
    import pandas as pd

    with plane.database.transaction() as tx:
        seen = prebuilds.snapshot(tx, plane.now_at, prebuilds.presets(tx), plane.reconciler)
        names: dict[int, str] = dict(tx.execute("SELECT id, name FROM template_version_presets"))
        rows = [
            {
                "preset": names[preset.id],
                "preset_id": preset.id,
                "desired": plane.desired(tx, preset.id),
                "running": len(seen.running.get(preset.id, ())),
                "eligible": sum(prebuild.ready for prebuild in seen.running.get(preset.id, ())),
                "starting": seen.starting.get(preset.id, 0),
                "hard limited": "yes" if preset.id in seen.hard_limited else "no",
            }
            for preset in seen.presets
            if preset.active
        ]
    return pd.DataFrame(rows)


def matches(plane: ControlPlane, version_id: int, given: Iterable[Mapping[str, str]]) -> pd.DataFrame:
    """The preset of a version that each set of parameters finds, as text; "none" where none does."""
    import pandas as pd

    rows = []
    with plane.database.transaction() as tx:
        names: dict[int, str] = dict(tx.execute("SELECT id, name FROM template_version_presets"))
        for parameters in given:
            found = presets.match(tx, version_id, parameters)
            text = ", ".join(f"{name} = {value}" for name, value in parameters.items())
            rows.append({"parameters given": text or "(none)", "preset": "none" if found is None else names[found]})
    return pd.DataFrame(rows)


_STATES = """
WITH builds AS (
    SELECT
        b.workspace_id, w.name AS workspace_name, w.owner_id, w.deleted, b.build_number, b.transition, b.created_at,
        j.started_at, j.completed_at, j.job_status,
        coalesce(lead(b.created_at) OVER next_build, make_timestamptz($now::BIGINT)) AS next_at,
        first(b.initiator_id) OVER next_build = 0 AS was_prebuild,
        coalesce(c.hit, false) AS is_claim,
        make_timestamptz($now::BIGINT) AS now_at
    FROM workspace_builds AS b
    JOIN workspaces AS w ON w.id = b.workspace_id
    JOIN provisioner_jobs AS j ON j.id = b.job_id
    LEFT JOIN claims AS c ON c.workspace_build_id = b.id
    WINDOW next_build AS (PARTITION BY b.workspace_id ORDER BY b.build_number)
),

spans AS (
    SELECT
        workspace_id, 'pending' AS state, created_at AS from_at,
        coalesce(started_at, completed_at, now_at) AS until_at
    FROM builds
    UNION ALL
    SELECT workspace_id, 'building', started_at, coalesce(completed_at, now_at) FROM builds WHERE started_at IS NOT NULL
    UNION ALL
    SELECT
        workspace_id,
        CASE
            WHEN job_status <> 'succeeded' THEN 'failed'
            WHEN transition = 'stop' THEN 'stopped'
            WHEN was_prebuild AND build_number = 1 THEN 'waiting'
            ELSE 'running'
        END,
        completed_at, next_at
    FROM builds
    WHERE completed_at IS NOT NULL AND NOT (transition = 'delete' AND job_status = 'succeeded')
        AND NOT (deleted AND job_status = 'canceled')
    UNION ALL
    SELECT workspace_id, 'deleted', completed_at, completed_at FROM builds
    WHERE (transition = 'delete' AND job_status = 'succeeded') OR (deleted AND job_status = 'canceled')
    UNION ALL
    SELECT workspace_id, 'claimed', created_at, created_at FROM builds WHERE is_claim
)

SELECT
    s.workspace_id, CASE WHEN w.owner_id = 0 THEN w.name ELSE u.username || '/' || w.name END AS workspace, s.state,
    s.from_at, s.until_at
FROM spans AS s
JOIN workspaces AS w ON w.id = s.workspace_id
LEFT JOIN users AS u ON u.id = w.owner_id
WHERE s.from_at < s.until_at OR s.state IN ('deleted', 'claimed')
ORDER BY s.workspace_id, s.from_at, s.until_at, s.state
"""

_QUEUE = """
WITH changes AS (
    SELECT created_at AS changed_at, initiator_id, 1 AS change FROM provisioner_jobs
    UNION ALL
    SELECT coalesce(started_at, completed_at), initiator_id, -1 FROM provisioner_jobs
    WHERE started_at IS NOT NULL OR completed_at IS NOT NULL
),

net AS (
    SELECT
        changed_at,
        sum(CASE WHEN initiator_id <> 0 THEN change ELSE 0 END) AS people,
        sum(CASE WHEN initiator_id = 0 THEN change ELSE 0 END) AS prebuilds
    FROM changes
    GROUP BY changed_at
)

SELECT
    changed_at, (sum(people) OVER in_time)::BIGINT AS people, (sum(prebuilds) OVER in_time)::BIGINT AS prebuilds
FROM net
WINDOW in_time AS (ORDER BY changed_at)
ORDER BY changed_at
"""

_VOLUME = """
WITH begun AS (SELECT epoch_us(start_at) AS start_us FROM runs),

written AS (
    SELECT created_at, strlen(output) AS bytes, true AS of_job FROM provisioner_job_logs
    UNION ALL
    SELECT created_at, strlen(output), false FROM workspace_agent_logs
),

intervals AS (
    SELECT start_us + i * $interval::BIGINT AS from_us
    FROM begun, range(0, ($now::BIGINT - (SELECT start_us FROM begun)) // $interval::BIGINT + 1) AS of(i)
)

SELECT
    make_timestamptz(i.from_us) AS from_at,
    coalesce(sum(w.bytes) FILTER (WHERE w.of_job), 0)::BIGINT AS jobs,
    coalesce(sum(w.bytes) FILTER (WHERE NOT w.of_job), 0)::BIGINT AS agents
FROM intervals AS i
LEFT JOIN written AS w
    ON epoch_us(w.created_at) >= i.from_us AND epoch_us(w.created_at) < i.from_us + $interval::BIGINT
GROUP BY i.from_us
ORDER BY i.from_us
"""
