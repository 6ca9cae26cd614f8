"""A deployment's tables become those of a run named `history`, under numbers instead of ids: whole, or not at all."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Protocol

import numpy as np

from simkit.clock import Int64Array, Zone, format_instant, zone, zone_database_version
from simkit.coder_versions import DEFAULT_BEHAVIOUR, Behaviour, behaviour_of
from simkit.deployment.tables import NEEDED, REFERENCES, TABLES, Reading, Seen
from simkit.errors import Finding, Findings, InputError, StoreError, Where
from simkit.model import PREBUILDS_USER_ID, Preset, Schedule
from simkit.store.asking import HISTORY as RUN_ID
from simkit.store.columns import ids as numbers
from simkit.store.columns import text, whole
from simkit.store.connection import literal
from simkit.store.staging import Stage, staging
from simkit.store.writing import check_target
from simkit.timeline import Steps, desired, local_hours, steps_of
from simkit.times import many
from simkit.version import __version__


class Source(Protocol):
    """What can be read: `read` stages every table."""

    @property
    def where(self) -> Where: ...

    def read(self, stage: Stage, keep_names: bool, since_at: int | None, reading: Reading) -> Seen: ...


@dataclass(frozen=True)
class Brought:
    """What a history has after an import; `without_preset`: first builds by people that chose no preset; `lacks`: what
    could not be read, a sentence each."""

    start_at: int
    end_at: int
    coder_version: str
    workspaces: int
    builds: int
    claims: int
    hits: int
    presets: int
    without_preset: int
    lacks: tuple[str, ...] = ()


def bring(
    path: str | Path,
    source: Source,
    in_zone: Zone,
    since_at: int | None = None,
    keep_names: bool = False,
    reading: Reading = lambda table, share: None,
) -> Brought:
    """Add a deployment's history to a runs file, or make one with it. What is there already is brought up to date.

    `in_zone`: in which people think where a preset names no zone. `since_at`: nothing older is needed. Raises
    InputError for what is wrong with the source and StoreError, both with status 2; the file is as it was then.
    """
    try:
        check_target(path)
        with staging() as staged:
            with staged.opened() as stage:
                seen = source.read(stage, keep_names, since_at, reading)
                _check(stage, source.where, since_at)
            reading("writing", 1.0)
            staged.write(path, lambda stage: _fill(stage, source.where, in_zone, since_at, seen))
            with staged.opened() as stage:
                return replace(_brought(stage, path), lacks=seen.lacks)
    except StoreError as error:
        raise StoreError(str(error)) from error
    except OSError as error:
        raise InputError([Finding("error", source.where, f"{error.strerror}; nothing was imported")]) from error


def _check(stage: Stage, where: Where, since_at: int | None) -> None:
    """Raise InputError unless each id is there once, each row has what it needs, and each reference leads somewhere."""
    findings = Findings()
    for table in TABLES:
        if table.columns[0].name == "id":
            twice = stage.rows(f"SELECT count(id) - count(DISTINCT id), count(*) - count(id) FROM {table.name}")
            for doubles, without in twice:
                if doubles:
                    findings.error(where, f"{table.name} has {many(doubles, 'row')} twice; export it again, once")
                if without:
                    findings.error(where, f"{table.name} has {many(without, 'row')} without an id; export it again")
    for table_name, columns in NEEDED.items():
        for column in columns:
            empty = stage.rows(f"SELECT count(*) FROM {table_name} WHERE {column} IS NULL")[0][0]
            if empty:
                findings.error(where, f"{table_name} has {many(empty, 'row')} without {column}; export it again")
    for table_name, column, target in REFERENCES:
        found = stage.rows(
            f"SELECT count(*) FROM {table_name} AS t ANTI JOIN {target} AS o ON o.id = t.{column} "
            f"WHERE t.{column} IS NOT NULL"
        )
        if found[0][0]:
            findings.error(
                where,
                f"{target} lacks rows that {found[0][0]:,} of {table_name} name as their {column}; is it cut off, or "
                "of another time? Export all tables again, in one transaction",
            )
    if not stage.rows("SELECT 1 FROM workspace_builds LIMIT 1"):
        since = "" if since_at is None else f" since {format_instant(since_at)}"
        findings.error(where, f"no workspace was built{since}: there is no history to import")
    findings.raise_errors()


_NUMBERED = (
    ("organizations", "SELECT DISTINCT organization_id AS id, NULL::TIMESTAMPTZ AS created_at FROM staged.templates"),
    ("users", f"SELECT id, NULL::TIMESTAMPTZ AS created_at FROM staged.users WHERE id <> '{PREBUILDS_USER_ID}'"),
    *(
        (name, f"SELECT id, created_at FROM staged.{name}")
        for name in (
            *("templates", "template_versions", "template_version_presets", "provisioner_daemons", "workspaces"),
            *("workspace_builds", "provisioner_jobs"),
        )
    ),
    ("groups", "SELECT id, NULL::TIMESTAMPTZ AS created_at FROM staged.groups"),
)
"""(what has numbers of its own, its ids): in order of time, or of nothing where time could tell who is who."""


def _fill(stage: Stage, where: Where, in_zone: Zone, since_at: int | None, seen: Seen) -> None:
    """Everything that is staged, into the tables of the runs file."""
    before = stage.rows("SELECT epoch_us(start_at), epoch_us(end_at) FROM runs WHERE run_id = $run", {"run": RUN_ID})
    if before and since_at is not None and since_at > before[0][1]:
        until = format_instant(before[0][1])
        text = f"the history in the file ends at {until}; leave no gap behind it: give this instant or an earlier one"
        raise InputError([Finding("error", Where(f"--since {format_instant(since_at)}"), text)])
    for what, ids in _NUMBERED:
        stage.rows(_numbers(what, ids), {"run": RUN_ID})
    stage.rows(f"INSERT INTO n_users VALUES ('{PREBUILDS_USER_ID}', NULL, 0, false)")
    first_at = stage.rows("SELECT epoch_us(min(created_at)) FROM staged.workspace_builds")[0][0]
    start_at = int(first_at) if since_at is None else since_at
    start_at = min(start_at, before[0][0]) if before else start_at
    end_at = max(seen.at, before[0][1]) if before else seen.at
    version = seen.coder_version or _version(stage)
    _take_zones(stage, in_zone)
    stage.rows(f"SET VARIABLE run = '{RUN_ID}'")
    stage.rows(f"SET VARIABLE keeps_presets = {seen.keeps_presets}")
    stage.rows(f"SET VARIABLE start_at = make_timestamptz({start_at})")
    stage.rows(
        "INSERT OR REPLACE INTO runs VALUES ($run, $run, 0, 0, '', $simkit, $coder, make_timestamptz($start), "
        "make_timestamptz($end), $zone, $zones, '')",
        {
            **{"run": RUN_ID, "simkit": __version__, "coder": version, "start": start_at, "end": end_at},
            **{"zone": in_zone.name, "zones": zone_database_version()},
        },
    )
    for statement in resources.files("simkit.deployment").joinpath("history.sql").read_text("utf-8").split(";\n"):
        if statement.strip():
            stage.rows(statement)
    for what, _ in _NUMBERED:
        sql = f"INSERT INTO imported_ids SELECT $run, '{what}', digest, id FROM n_{what} WHERE is_new"
        stage.rows(sql, {"run": RUN_ID})
    _take_hours(stage, start_at, end_at)
    active = _active(stage, start_at, end_at)
    _take_activations(stage, active)
    _take_desired(stage, active, _behaviour(version), start_at, end_at)


def _numbers(what: str, ids: str) -> str:
    """SQL that makes the table n_<what>: the number of each staged id, known ones as before, and new ones above."""
    return f"""
    CREATE OR REPLACE TEMP TABLE n_{what} AS
    WITH given AS (SELECT id, created_at, md5(id::VARCHAR)::UUID AS digest FROM ({ids})),
    known AS (SELECT digest, number FROM imported_ids WHERE run_id = $run AND of = '{what}')
    SELECT
        g.id AS uuid, g.digest,
        coalesce(
            k.number,
            (SELECT coalesce(max(number), 0) FROM known)
            + row_number() OVER (PARTITION BY k.number IS NULL ORDER BY g.created_at, g.digest)
        )::BIGINT AS id,
        k.number IS NULL AS is_new
    FROM given AS g
    LEFT JOIN known AS k USING (digest)
    """


def _version(stage: Stage) -> str:
    """The version of Coder that the daemon heard of last has; "" if none tells."""
    found = stage.rows(
        "SELECT version FROM staged.provisioner_daemons WHERE version <> '' "
        "ORDER BY last_seen_at DESC NULLS LAST LIMIT 1"
    )
    return str(found[0][0]) if found else ""


def _behaviour(version: str) -> Behaviour:
    try:
        return behaviour_of(version)
    except ValueError:
        return DEFAULT_BEHAVIOUR


def _take_zones(stage: Stage, in_zone: Zone) -> None:
    """The table `zones`: what each preset's zone is taken for."""
    names = [
        n
        for (n,) in stage.rows("SELECT DISTINCT coalesce(scheduling_timezone, '') FROM staged.template_version_presets")
    ]
    stage.rows("CREATE OR REPLACE TEMP TABLE zones (name VARCHAR, taken VARCHAR)")
    for name in sorted(names):
        taken = name if name and zone(name) is not None else in_zone.name
        stage.rows("INSERT INTO zones VALUES ($name, $taken)", {"name": name, "taken": taken})


def _take_hours(stage: Stage, start_at: int, end_at: int) -> None:
    found = stage.rows(
        "SELECT timezone FROM template_version_presets WHERE run_id = $run UNION SELECT timezone FROM runs "
        "WHERE run_id = $run ORDER BY timezone",
        {"run": RUN_ID},
    )
    stage.rows("DELETE FROM local_hours WHERE run_id = $run", {"run": RUN_ID})
    for (name,) in found:
        hours = local_hours(zone(name) or Zone("UTC"), start_at, end_at - 1)
        stage.insert(
            "local_hours",
            {
                "run_id": text([RUN_ID] * hours.at.size),
                "timezone": text([name] * hours.at.size),
                "from_at": hours.at,
                "until_at": np.append(hours.at[1:], end_at),
                "local_at": hours.wall,
            },
        )


def _take_activations(stage: Stage, active: dict[int, tuple[int, int]]) -> None:
    """An event for each version that was active, also for the one that was when the window began."""
    begun = sorted((from_at, version_id) for version_id, (from_at, until_at) in active.items() if from_at < until_at)
    stage.rows("DELETE FROM scenario_events WHERE run_id = $run", {"run": RUN_ID})
    stage.insert(
        "scenario_events",
        {
            "run_id": text([RUN_ID] * len(begun)),
            "id": numbers(len(begun)),
            "happened_at": whole(from_at for from_at, _ in begun),
            "event": text(["activate"] * len(begun)),
            "template_version_id": whole(version_id for _, version_id in begun),
        },
    )


def _take_desired(
    stage: Stage, active: dict[int, tuple[int, int]], behaviour: Behaviour, start_at: int, end_at: int
) -> None:
    """What each preset wanted, from its own schedules, 0 while its version was not the active one."""
    schedules: dict[int, list[Schedule]] = defaultdict(list)
    for preset_id, cron, instances in stage.rows(
        "SELECT preset_id, cron_expression, desired_instances FROM template_version_preset_prebuild_schedules "
        "WHERE run_id = $run ORDER BY id",
        {"run": RUN_ID},
    ):
        schedules[preset_id].append(Schedule(cron, instances))
    stage.rows("DELETE FROM desired_instances WHERE run_id = $run", {"run": RUN_ID})
    for preset_id, version_id, name, instances, timezone in stage.rows(
        "SELECT id, template_version_id, name, desired_instances, scheduling_timezone FROM template_version_presets "
        "WHERE run_id = $run ORDER BY id",
        {"run": RUN_ID},
    ):
        preset = Preset(name, instances, timezone=timezone, schedules=tuple(schedules[preset_id]))
        from_at, until_at = active.get(version_id, (end_at, end_at))
        wanted = desired(preset, behaviour, start_at, end_at)
        steps = _between(wanted, from_at, until_at, start_at, end_at)
        stage.insert(
            "desired_instances",
            {
                "run_id": text([RUN_ID] * steps.at.size),
                "preset_id": np.full(steps.at.size, preset_id, dtype=np.int64),
                "from_at": steps.at,
                "desired": steps.value,
            },
        )


def _between(wanted: Steps, from_at: int, until_at: int, start_at: int, end_at: int) -> Steps:
    """The steps from one instant to another, 0 elsewhere."""
    switches = [start_at, *(at for at in (from_at, until_at) if start_at < at < end_at)]
    at: Int64Array = np.union1d(wanted.at, whole(switches))
    return steps_of(at, wanted.value_at(at) * ((at >= from_at) & (at < until_at)), end_at)


def _active(stage: Stage, start_at: int, end_at: int) -> dict[int, tuple[int, int]]:
    """{version: (from, until)} for those that were active, as far as it can be seen.

    Coder does not keep when a version was activated. A version's first prebuild tells it; the first of a template, and
    the one that is active now, count from their creation where no prebuild does.
    """
    found = stage.rows(
        """
        SELECT
            v.template_id, v.id, epoch_us(v.created_at), v.id = t.active_version_id,
            epoch_us(min(b.created_at) FILTER (WHERE b.initiator_id = 0 AND b.build_number = 1))
        FROM template_versions AS v
        JOIN templates AS t ON t.run_id = v.run_id AND t.id = v.template_id
        LEFT JOIN workspace_builds AS b ON b.run_id = v.run_id AND b.template_version_id = v.id
        WHERE v.run_id = $run
        GROUP BY ALL
        ORDER BY v.template_id, v.id
        """,
        {"run": RUN_ID},
    )
    by_template: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for template_id, version_id, created_at, is_active, first_at in found:
        if first_at is not None or is_active:
            by_template[template_id].append((created_at if first_at is None else first_at, created_at, version_id))
    spans: dict[int, tuple[int, int]] = {}
    for versions in by_template.values():
        versions.sort()
        begins = [versions[0][1], *(at for at, _, _ in versions[1:]), end_at]
        for i, (_, _, version_id) in enumerate(versions):
            spans[version_id] = (max(begins[i], start_at), begins[i + 1])
    return spans


def _brought(stage: Stage, path: str | Path) -> Brought:
    """What the file has now."""
    stage.rows(f"ATTACH {literal(path)} AS written (READ_ONLY)")
    start_at, end_at, version = stage.rows(
        "SELECT epoch_us(start_at), epoch_us(end_at), coder_version FROM written.runs WHERE run_id = $run",
        {"run": RUN_ID},
    )[0]
    counts = [
        stage.rows(f"SELECT count(*) FROM written.{what}", {"run": RUN_ID})[0][0]
        for what in (
            "workspaces WHERE run_id = $run",
            "workspace_builds WHERE run_id = $run",
            "claims WHERE run_id = $run",
            "claims WHERE run_id = $run AND hit",
            "template_version_presets WHERE run_id = $run",
            "workspace_builds WHERE run_id = $run AND build_number = 1 AND transition = 'start' AND initiator_id <> 0 "
            "AND template_version_preset_id IS NULL "
            "AND created_at >= (SELECT start_at FROM written.runs WHERE run_id = $run)",
        )
    ]
    return Brought(start_at, end_at, version, *counts)
