"""What Coder's own code answered, simkit answers: every case of every kind that is implemented.

SIMKIT_CONFORMANCE names another directory of the same files. conformance/README.md says what the kinds mean.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cmp_to_key, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simkit import cron, names
from simkit.clock import NEVER, SECOND_US, UTC_ZONE
from simkit.controlplane import jobs, prebuilds, presets, templates, uploads
from simkit.controlplane import lifecycle as plane_lifecycle
from simkit.controlplane.types import PREBUILDS_USER
from simkit.core import kernel, policy, pools
from simkit.core import lifecycle as life
from simkit.core.numbers import CANCELED, DELETE, FAILED, NONE, PENDING, RUNNING, START, STOP, SUCCEEDED
from simkit.core.pools import B_COMPLETED, B_CREATED, B_NUMBER, B_READY, B_STATUS, B_TRANSITION, B_WORKSPACE
from simkit.errors import RefusedError
from simkit.model import (
    BEHAVIOURS,
    Activate,
    History,
    Invalidate,
    Preset,
    Reconciler,
    Scenario,
    Schedule,
    TemplateSchedule,
    TemplateVersion,
    Workload,
    constant,
)
from simkit.runs.reference import run_reference
from simkit.runs.result import Result
from simkit.runs.simulate import run
from simkit.store import refused
from simkit.store.connection import opened, schema
from simkit.store.database import Database, Transaction
from simkit.timeline import desired, range_steps
from simkit.workspace import rules

HERE = Path(__file__).parent / "conformance"
DIRECTORY = Path(os.environ.get("SIMKIT_CONFORMANCE") or HERE)
ZONEINFO = next((d for d in (DIRECTORY / "zoneinfo", HERE / "zoneinfo") if d.is_dir()), HERE)
"""Rules of the time zone database 2025b, which the cases were answered with, for the zones that have changed since."""

NOT_YET: dict[str, str] = {}
"""Kinds that nothing in simkit answers, and what they are about."""

REFUSED = {"refused": True}
Given = dict[str, Any]
Answer = Callable[[Given], Any]


def within(given: Given, early_us: int = 0) -> Any:
    range_ = cron.parse(given["spec"])
    at = np.array(given["at"]) * SECOND_US
    steps = range_steps(range_, range_.zone or UTC_ZONE, int(at.min()), int(at.max()) + 1, early_us)
    return {"within": steps.value_at(at).tolist()}


def within_v1(given: Given) -> Any:
    return within(given, BEHAVIOURS["v2.24"].range_early_us)


def next_(given: Given) -> Any:
    schedule = cron.parse(given["spec"])
    rows = []
    for second in given["at"]:
        at, row = second * SECOND_US, []
        for _ in range(given["n"]):
            at = schedule.next_after(at)
            row.append(at // SECOND_US)
        rows.append(row)
    return {"next": rows}


def weekly(given: Given) -> Any:
    return shown(cron.weekly(given["spec"]))


def daily(given: Given) -> Any:
    return shown(cron.daily(given["spec"]))


def time_range(given: Given) -> Any:
    return shown(cron.time_range(given["spec"]))


def shown(schedule: cron.Cron) -> Any:
    shortest = schedule.min_us()
    return {
        "humanize": schedule.humanize,
        "string": schedule.string,
        "min": None if shortest is None else shortest // SECOND_US,
    }


def provider_cron(given: Given) -> Any:
    cron.provider_cron(given["spec"])
    return {"ok": True}


def overlap(given: Given) -> Any:
    return {"ok": True} if cron.first_detected_overlap(given["specs"]) is None else REFUSED


def preset_of(given: Given) -> Preset:
    schedules = [Schedule(*s) for s in zip(given["specs"], given["instances"], strict=True)]
    return Preset("p", given["default"], timezone=given["tz"], schedules=tuple(schedules))


def desired_(given: Given) -> Any:
    preset = preset_of(given)
    at = np.array(given["at"]) * SECOND_US
    steps = desired(preset, BEHAVIOURS["v2.26"], int(at.min()), int(at.max()) + 1)
    return {"desired": steps.value_at(at).tolist(), "logged": bool(preset.fallback)}


def actions(given: Given) -> Any:
    now_at = given["now"] * SECOND_US
    active = given["active"] and not given["deleted"] and not given["deprecated"]
    wanted = desired(preset_of(given), BEHAVIOURS["v2.26"], now_at, now_at + 1).value_at(now_at)
    pool = policy.Pool(
        desired=int(wanted) if active else 0,
        actual=len(given["running"]) + len(given["expired"]),
        expired=len(given["expired"]),
        starting=given["starting"],
        active=active,
    )
    return {
        "state": {
            "actual": pool.actual,
            "desired": pool.desired,
            "expired": pool.expired,
            "extraneous": policy.extraneous(pool),
            "eligible": sum(w["ready"] for w in given["running"]) if active else 0,
            **{name: given[name] for name in ("starting", "stopping", "deleting")},
        },
        "actions": actions_of(given, pool, now_at),
    }


def actions_of(given: Given, pool: policy.Pool, now_at: int) -> list[Any]:
    failed = given.get("backoff", {"num_failed": 0})
    if failed["num_failed"] > 0:
        until_at = policy.backoff_until_at(
            failed["last_build_at"] * SECOND_US, failed["num_failed"], given["backoff_interval"] * SECOND_US
        )
        if now_at <= until_at:
            return [{"type": "backoff", "backoff_until": until_at // SECOND_US}]
    do = policy.reconcile(pool)
    expired = [w["id"] for w in given["expired"]]
    oldest = [w["id"] for w in sorted(given["running"], key=lambda w: w["created_at"])]
    deletes = [expired[: do.delete_expired], oldest[: do.delete_oldest]]
    return [
        *({"type": "delete", "delete_ids": ids} for ids in deletes if ids),
        *([{"type": "create", "create": do.create}] if do.create else []),
    ]


def name(given: Given) -> Any:
    return {
        "agent": names.agent_name_problem(given["name"]) == "",
        "app_slug": names.app_slug_problem(given["name"]) == "",
        "workspace": names.workspace_name_problem(given["name"]) == "",
    }


def backoff(given: Given) -> Any:
    starts = [b for b in given["builds"] if b["owned_by_prebuilds"] and b["transition"] == "start"]
    newest_first = sorted(starts, key=lambda b: b["age"])
    failed = [i for i, b in enumerate(newest_first) if b["status"] == "failed"]
    limit, held, limited = given["failure_hard_limit"], False, False
    if failed:
        failed_at = -newest_first[failed[0]]["age"]
        held = policy.starts_backoff(failed_at, failed[0], given["desired_instances"], -given["lookback"])
    if limit <= len(failed):
        newer = failed[limit - 1] - (limit - 1) if limit else 0
        limited = policy.is_hard_limited(len(failed), newer, limit)
    return {
        "num_failed": sum(newest_first[i]["age"] <= given["lookback"] for i in failed) if held else 0,
        "last_build_age": newest_first[failed[0]]["age"] if held else None,
        "hard_limited": bool(limited),
    }


def acquire_order(given: Given) -> Any:
    def compare(one: Given, other: Given) -> int:
        a, b = ((not j["initiated_by_prebuilds"], -j["age"]) for j in (one, other))
        return int(policy.goes_first(*b, *a)) - int(policy.goes_first(*a, *b))

    pending = [job for job in given["jobs"] if not job["started"]]
    return {"order": [job["id"] for job in sorted(pending, key=cmp_to_key(compare))]}


def pool_v2_26(given: Given) -> Any:
    return pool(given, "v2.26")


def pool_v2_35(given: Given) -> Any:
    return pool(given, "v2.35")


def pool(given: Given, version: str) -> Any:
    result = run(scenario_of(given, version))
    for ours, every_tick in zip(result.rows, kernel.simulate(result.inputs, every_tick=True), strict=True):
        np.testing.assert_array_equal(ours, every_tick, "a tick that was skipped could have decided something")
    return {"events": events_of(result), "claims": claims_of(result)}


def scenario_of(given: Given, version: str) -> Scenario:
    """A pool case as a scenario: each preset is a template of its own, `p0`, `p1`, ..."""
    versions, workloads, events = [], [], []
    for i, p in enumerate(given["presets"]):
        schedules = tuple(Schedule(*s) for s in zip(p["crons"], p["cron_instances"], strict=True))
        preset = Preset(f"p{i}", p["instances"], p["ttl"] * SECOND_US, p["timezone"], schedules)
        versions.append(TemplateVersion(f"t{i}", "v1", (preset,)))
        durations = (p[f"{key}_s"] for key in ("build", "agent", "claim_build", "agent_reinit", "delete"))
        failing = tuple(ordinal + 1 for ordinal in p["failing_prebuild_builds"])
        workload = Workload(*(constant(s * SECOND_US) for s in durations), failing_builds=failing)
        workloads.append((preset.name, workload))
        if p["deactivated_at"]:
            events.append(Activate(p["deactivated_at"] * SECOND_US, TemplateVersion(f"t{i}", "v2", ())))
        if p.get("invalidated_at"):
            events.append(Invalidate(p["invalidated_at"] * SECOND_US, preset.name))
    claim_at = np.array([at for at, _ in given["claims"]], dtype=np.int64) * SECOND_US
    return Scenario(
        name="case",
        start_at=given["start"] * SECOND_US,
        end_at=given["end"] * SECOND_US,
        versions=tuple(versions),
        demand=History(claim_at, tuple(f"p{i}" for _, i in given["claims"])),
        behaviour=BEHAVIOURS[version],
        reconciler=Reconciler(
            given["reconciliation_interval"] * SECOND_US,
            given["backoff_interval"] * SECOND_US,
            given["backoff_lookback"] * SECOND_US,
            given["failure_hard_limit"],
        ),
        provisioner_daemons=given["provisioner_daemons"],
        workloads=tuple(workloads),
        events=tuple(sorted(events, key=lambda e: e.at)),
    )


def events_of(result: Result) -> Counter[tuple[int, ...]]:
    """How often each (second, event, preset, created_at, until) happened."""
    workspaces, builds, _, decisions = (table.tolist() for table in result.rows[:4])
    happened: Counter[Any] = Counter()
    for build in builds:
        workspace = workspaces[build[B_WORKSPACE]]
        claimed = workspace[pools.W_CLAIMED] != NEVER
        if workspace[pools.W_OWNER] != NONE and (build[B_NUMBER] > 1 or not claimed):
            continue  # a person's build
        starts = build[B_TRANSITION] == START
        of = (workspace[pools.W_PRESET], workspace[pools.W_CREATED] // SECOND_US, 0)
        happened[(build[B_CREATED] // SECOND_US, "create" if starts else "delete", *of)] += 1
        if build[B_COMPLETED] != NEVER:
            done = {FAILED: "build_failed", CANCELED: "canceled"}
            event = done.get(build[B_STATUS], "built" if starts else "deleted")
            happened[(build[B_COMPLETED] // SECOND_US, event, *of)] += 1
    for decision in decisions:
        second, preset = decision[pools.D_AT] // SECOND_US, decision[pools.D_PRESET]
        if decision[pools.D_BACKOFF_UNTIL] != NEVER:
            happened[second, "backoff", preset, 0, decision[pools.D_BACKOFF_UNTIL] // SECOND_US] += 1
        if decision[pools.D_HARD_LIMITED]:
            happened[second, "hard_limited", preset, 0, 0] += 1
    return happened


def claims_of(result: Result) -> list[tuple[int | None, int | None]]:
    """(seconds of waiting, the claimed prebuild's creation) of each claim in turn."""
    found = []
    for given, (workspace, build, hit) in zip(result.inputs.claims, result.rows.claims, strict=True):
        ready_at = int(result.rows.builds[build, B_READY])
        wait = None if ready_at > result.scenario.end_at else (ready_at - int(given[pools.A_AT])) // SECOND_US
        created = int(result.rows.workspaces[workspace, pools.W_CREATED]) // SECOND_US
        found.append((wait, created if hit else None))
    return found


TRANSITIONS = {"start": START, "stop": STOP, "delete": DELETE}
STATUSES = {"pending": PENDING, "running": RUNNING, "canceling": RUNNING} | {
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "canceled": CANCELED,
}
USERS = {"active": life.ACTIVE, "dormant": life.DORMANT_USER, "suspended": life.SUSPENDED}
REASONS = {
    life.NOTHING: (None, None),
    life.AUTOSTOP: ("autostop", "stop"),
    life.SUSPENDED_STOP: ("autostop", "stop"),
    life.FAILED_STOP: ("autostop", "stop"),
    life.AUTOSTART: ("autostart", "start"),
    life.AUTODELETE: ("autodelete", "delete"),
}


def schedule_of(given: Given) -> TemplateSchedule:
    seconds = ("default_ttl", "activity_bump", "failure_ttl", "time_til_dormant", "time_til_dormant_autodelete")
    same = ("autostart_days", "autostop_days", "autostop_weeks", "allow_user_autostart", "allow_user_autostop")
    fields = {f"{name}_us": given[name] * SECOND_US for name in seconds if name in given}
    return TemplateSchedule(**fields, **{name: given[name] for name in same if name in given})


def us(given: Given, name: str) -> int:
    return NEVER if given.get(name) is None else given[name] * SECOND_US


def seconds(at: int) -> int | None:
    return None if at == NEVER else at // SECOND_US


def autostop(given: Given) -> Any:
    ttl_us = None if given["ttl"] is None else given["ttl"] * SECOND_US
    found = rules.start_deadlines(
        schedule_of(given), given["completed_at"] * SECOND_US, ttl_us, given["autostart"], given["quiet_hours"]
    )
    if found.is_refused:
        return REFUSED
    return {"deadline": seconds(found.deadline), "max_deadline": seconds(found.max_deadline)}


def next_autostart(given: Given) -> Any:
    at, allowed, allowed_at = rules.next_starts(given["autostart"], schedule_of(given), given["now"] * SECOND_US)
    return {"next": seconds(at), "allowed": allowed, "next_allowed": seconds(allowed_at)}


def facts_of(given: Given, created_at: int, finished_at: int, next_start_at: int, has_autostart: bool) -> life.Facts:
    return life.Facts(
        user_status=USERS[given["user_status"]],
        transition=TRANSITIONS[given["transition"]],
        job_status=STATUSES[given["job_status"]],
        created_at=created_at,
        finished_at=finished_at,
        deadline=us(given, "deadline"),
        has_autostart=has_autostart,
        next_start_at=next_start_at,
        last_used_at=us(given, "last_used_at"),
        dormant_at=us(given, "dormant_at"),
        deleting_at=us(given, "deleting_at"),
    )


def transition(given: Given) -> Any:
    created_at, schedule = given["build_created_at"] * SECOND_US, schedule_of(given)
    next_start_at = NEVER
    if cron.is_autostart(given["autostart"]):
        _, _, next_start_at = rules.next_starts(given["autostart"], schedule, created_at)
    has_autostart = cron.is_autostart(given["autostart"])
    facts = facts_of(given, created_at, us(given, "job_completed_at"), next_start_at, has_autostart)
    rule = life.transition(facts, rules.template(schedule), given["now"] // 60 * 60 * SECOND_US)
    only_mark = "stop" if given["transition"] == "start" else ""
    reason, chosen = REASONS.get(rule, ("dormancy", only_mark))
    return {"reason": reason, "transition": chosen}


def eligible_for_transition(given: Given) -> Any:
    facts = facts_of(given, 0, us(given, "job_finished_at"), us(given, "next_start_at"), given["autostart"] is not None)
    template = rules.template(schedule_of(given))
    return {"eligible": bool(life.is_eligible(facts, template, 0, given["is_prebuild"], given["deleted"]))}


def activity_bump(given: Given) -> Any:
    deadline, bump_us = us(given, "deadline"), given["activity_bump"] * SECOND_US
    if given["job_completed"] and given["transition"] == "start" and not given["is_prebuild"]:
        ttl_us = life.ttl_in_force(us(given, "ttl"), rules.template(schedule_of(given)))
        interval_us = life.bump_interval(0, bump_us, ttl_us, us(given, "next_autostart"))
        deadline = life.bumped_deadline(0, deadline, us(given, "max_deadline"), bump_us, interval_us)
    return {"deadline": None if deadline == NEVER else deadline / SECOND_US}


def constraint(given: Given) -> Any:
    row = {name: value for name, value in given.items() if name not in ("kind", "table", "char", "length", "column")}
    for column in ("deadline", "max_deadline"):
        if row.get(column) is not None:
            row[column] = datetime.fromtimestamp(row[column], UTC)
    if "column" in given:
        row[given["column"]] = given["char"] * given["length"]
    if "output_length" in row:
        row["output"] = "x" * row.pop("output_length")
    name = refused(given["table"], pd.DataFrame([row]))["constraint"].item()
    return {"accepted": False, "constraint": name} if name else {"accepted": True}


def job_status(given: Given) -> Any:
    at = datetime.fromtimestamp(1, UTC)
    stamps = [at if given[name] else None for name in ("started", "canceled", "completed")]
    with opened(":memory:") as connection:
        connection.execute(schema())
        connection.execute(
            "INSERT INTO provisioner_jobs (run_id, id, created_at, initiator_id, started_at, canceled_at, "
            "completed_at, error) VALUES ('', 1, ?, 0, ?, ?, ?, ?)",
            [at, *stamps, given["error"]],
        )
        return {"status": connection.execute("SELECT job_status FROM provisioner_jobs").fetchall()[0][0]}


def upload_of(given: Given) -> tuple[uploads.Header, list[uploads.Piece]]:
    period = bytes((i * 31 + 7) % 251 for i in range(251))
    header, pieces = uploads.split((period * (given["size"] // 251 + 1))[: given["size"]])
    return header, list(pieces)


def upload_split(given: Given) -> Any:
    header, pieces = upload_of(given)
    return {
        "chunk_sizes": [len(piece.data) for piece in pieces],
        "chunks": header.pieces,
        "file_size": header.size,
        "sha256": header.sha256.hex(),
    }


def upload_receive(given: Given) -> Any:
    header, pieces = upload_of(given)
    size, sha256 = header.size + given["declared_size_delta"], header.sha256[: given["hash_length"]]
    try:
        receiver = uploads.Receiver(replace(header, size=size, sha256=sha256))
    except RefusedError:
        return {"start_error": True}
    adds = []
    for op in given["ops"]:
        piece = pieces[op["piece"]]
        changed = {
            "": {},
            "hash": {"sha256": bytes(32)},
            "byte": {"data": bytes([piece.data[0] ^ 1]) + piece.data[1:]},
            "long": {"data": bytes(piece.data) + b"!"},
        }[op["tamper"]]
        try:
            receiver.add(replace(piece, **changed))
            added = "accepted"
        except RefusedError:
            added = "rejected"
        adds.append(added + ",done" * receiver.is_done)
    try:
        receiver.complete()
    except RefusedError:
        return {"adds": adds, "complete": False}
    return {"adds": adds, "complete": True}


@lru_cache
def database() -> Database:
    """One for all cases: making it takes longer than answering."""
    return Database(":memory:", "case")


@contextmanager
def emptied(*tables: str) -> Iterator[Transaction]:
    """A transaction on tables without rows."""
    with database().transaction() as tx:
        for table in tables:
            tx.execute(f"DELETE FROM {table}")
        yield tx


PRESETS = ("template_version_presets", "template_version_preset_parameters", "templates", "template_versions")
BUILDS = ("workspaces", "workspace_builds", "provisioner_jobs")
CASE_AT = 1_750_000_020 * SECOND_US
"""An instant, a whole minute, to which a case's times are relative."""


def match_preset(given: Given) -> Any:
    with emptied(*PRESETS) as tx:
        ids = [
            presets.insert(tx, 1, Preset(f"p{i}", 0, parameters=tuple(parameters.items())), "UTC")
            for i, parameters in enumerate(given["presets"])
        ]
        found = presets.match(tx, 1, given["parameters"])
    return {"preset": None if found is None else ids.index(found)}


def acquire_in_plane(given: Given) -> Any:
    with emptied("provisioner_jobs") as tx:
        for job in given["jobs"]:
            owner = PREBUILDS_USER if job["initiated_by_prebuilds"] else 1
            job_id = jobs.insert(tx, CASE_AT - job["age"] * SECOND_US, "workspace_build", owner)
            if job["started"]:
                tx.update("provisioner_jobs", job_id, started_at=CASE_AT, worker_id=1)
        daemon = jobs.Daemon(2, 1, jobs.UNTAGGED)
        taken = iter(lambda: jobs.acquire(tx, CASE_AT, daemon), None)
        ids = [row[0] for row in tx.execute("SELECT id FROM provisioner_jobs ORDER BY id")]
        return {"order": [given["jobs"][ids.index(job_id)]["id"] for job_id in taken]}


def insert_build(tx: Transaction, given: Given, preset_id: int) -> None:
    """A workspace of template and version 1 with one build, as a case describes it."""
    created_at, status = CASE_AT - given["age"] * SECOND_US, given["status"]
    owner_id = PREBUILDS_USER if given["owned_by_prebuilds"] else 1
    workspace_id = tx.insert(
        "workspaces", created_at=created_at, owner_id=owner_id, template_id=1, name="w", deleted=False
    )
    job_id = tx.insert(
        "provisioner_jobs",
        created_at=created_at,
        initiator_id=owner_id,
        started_at=None if status == "pending" else created_at,
        completed_at=created_at if status in ("succeeded", "failed", "canceled") else None,
        canceled_at=created_at if status in ("canceled", "canceling") else None,
        error="boom" if status == "failed" else None,
    )
    tx.insert(
        "workspace_builds",
        created_at=created_at,
        workspace_id=workspace_id,
        template_version_id=1,
        template_version_preset_id=preset_id,
        build_number=1,
        transition=given["transition"],
        initiator_id=owner_id,
        job_id=job_id,
        reason="initiator",
    )


def backoff_in_plane(given: Given) -> Any:
    with emptied(*PRESETS, *BUILDS, "workspace_agents") as tx:
        tx.insert("templates", id=1, name="t", active_version_id=1, **templates.columns(TemplateSchedule()))
        tx.insert("template_versions", id=1, template_id=1, name="v", created_at=CASE_AT)
        preset_id = presets.insert(tx, 1, Preset("p", given["desired_instances"]), "UTC")
        for build in given["builds"]:
            insert_build(tx, build, preset_id)
        settings = Reconciler(
            backoff_lookback_us=given["lookback"] * SECOND_US, failure_hard_limit=given["failure_hard_limit"]
        )
        seen = prebuilds.snapshot(tx, CASE_AT, prebuilds.presets(tx), settings)
    held = seen.backoff.get(preset_id)
    return {
        "num_failed": 0 if held is None else held.failed,
        "last_build_age": None if held is None else (CASE_AT - held.last_build_at) // SECOND_US,
        "hard_limited": preset_id in seen.hard_limited,
    }


def constraint_in_plane(given: Given) -> Any:
    """The row as a real INSERT; what a case does not say is what the table wants."""
    table, row = (
        given["table"],
        {k: v for k, v in given.items() if k not in ("kind", "table", "char", "length", "column")},
    )
    for column in ("deadline", "max_deadline"):
        if row.get(column) is not None:
            row[column] = row[column] * SECOND_US
    if "column" in given:
        row[given["column"]] = given["char"] * given["length"]
    if "output_length" in row:
        row["output"] = "x" * row.pop("output_length")
    types = database()._types[table]
    wanted = dict(
        database().rows(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = $table AND NOT is_nullable "
            "AND column_default IS NULL AND column_name NOT IN ('run_id', 'id')",
            table=table,
        )
    )
    wanted.update({name: types[name] for name in row})
    for name, of in wanted.items():
        plain: Any = {"VARCHAR": "x", "BOOLEAN": False, "TIMESTAMP WITH TIME ZONE": CASE_AT}.get(of, 1)
        row.setdefault(name, CHOICES.get((table, name), plain))
    try:
        with database().transaction() as tx:
            tx.insert(table, **row)
    except RefusedError as refusal:
        told = re.fullmatch(rf"the rule (\w+) of {table} refuses this", str(refusal))
        return {"accepted": False, "constraint": told[1] if told else str(refusal)}
    return {"accepted": True}


CHOICES = {
    ("workspace_builds", "transition"): "start",
    ("provisioner_job_logs", "source"): "provisioner",
    ("provisioner_job_logs", "level"): "info",
    ("workspace_agent_logs", "level"): "info",
    ("provisioner_job_timings", "stage"): "apply",
}


def activity_bump_in_plane(given: Given) -> Any:
    """Somebody is connected in this very instant, which lies so that the next autostart is a whole minute."""
    start = given["next_autostart"]
    now_at = CASE_AT - (start or 0) % 60 * SECOND_US
    autostart = ""
    if start is not None:
        at = datetime.fromtimestamp(now_at // SECOND_US + start, UTC)
        autostart = f"CRON_TZ=UTC {at.minute} {at.hour} * * *"
    ends = {name: NEVER if given[name] is None else now_at + us(given, name) for name in ("deadline", "max_deadline")}
    workspace = plane_lifecycle.Life(
        **dict.fromkeys(plane_lifecycle.Life._fields, 1)
        | {
            "autostart": autostart,
            "ttl_us": us(given, "ttl"),
            "transition": given["transition"],
            "job_status": "succeeded" if given["job_completed"] else "running",
            **ends,
        }
    )
    after = ends["deadline"]
    if not given["is_prebuild"]:  # nobody can connect to one
        with database().transaction() as tx:
            activity = plane_lifecycle.Activity(now_at, now_at, 1)
            after = plane_lifecycle.report(tx, now_at, workspace, activity, schedule_of(given)).deadline
    return {"deadline": None if after == NEVER else (after - now_at) / SECOND_US}


def pool_by_reference(given: Given, version: str) -> Any:
    """The reference engine's rows, which are those of the kernel, whose events and claims are Coder's."""
    scenario = scenario_of(given, version)
    kernels, mine = run(scenario).tables, run_reference(scenario).tables
    for table, columns in kernels.items():
        for column, values in columns.items():
            np.testing.assert_array_equal(mine[table][column], values, f"{table}.{column}")
    return pool(given, version)


ANSWERS_OF_THE_CONTROL_PLANE: dict[str, Answer] = {
    "acquire_order": acquire_in_plane,
    "backoff": backoff_in_plane,
    "constraint": constraint_in_plane,
    "activity_bump": activity_bump_in_plane,
    "pool_v2.26": lambda given: pool_by_reference(given, "v2.26"),
    "pool_v2.35": lambda given: pool_by_reference(given, "v2.35"),
}
"""The same questions, answered from the tables of a control plane."""

POOLS_OF_EVERY_DAY = (0, 3, 6, 9, 14, 17, 22, 23, 29, 30)
"""Of a hundred pool cases those that the reference engine plays in a second; the slow test plays all of them."""


ANSWERS: dict[str, Answer] = {
    "match_preset": match_preset,
    "upload_split": upload_split,
    "upload_receive": upload_receive,
    "constraint": constraint,
    "job_status": job_status,
    "autostop": autostop,
    "next_autostart": next_autostart,
    "transition": transition,
    "eligible_for_transition": eligible_for_transition,
    "activity_bump": activity_bump,
    "within": within,
    "within_v1": within_v1,
    "next": next_,
    "weekly": weekly,
    "daily": daily,
    "timerange": time_range,
    "provider_cron": provider_cron,
    "overlap": overlap,
    "desired": desired_,
    "actions": actions,
    "name": name,
    "backoff": backoff,
    "acquire_order": acquire_order,
    "pool_v2.26": pool_v2_26,
    "pool_v2.35": pool_v2_35,
}


def coders_answer(kind: str, out: dict[str, Any]) -> Any:
    """A case's `out` in the shape of ours: the text of a refusal or of a log line is Go's."""
    match kind:
        case "desired":
            return {**out, "logged": bool(out["logged"])}
        case "actions":
            return {**out, "actions": [a for a in out["actions"] if a["type"] != "delete" or a.get("delete_ids")]}
        case "name":
            return {"agent": out["agent"], "app_slug": out["app_slug"], "workspace": out["workspace_error"] == ""}
        case "pool_v2.26" | "pool_v2.35":
            happened = Counter(
                (e["t"], e["event"], e["preset"], e.get("created_at", 0), e.get("until", 0)) for e in out["events"]
            )
            return {"events": happened, "claims": [(c["wait_s"], c["hit"]) for c in out["claims"]]}
    return REFUSED if "error" in out else out


def our_answer(answer: Answer, given: Given) -> Any:
    try:
        return answer(given)
    except cron.CronError:
        return REFUSED


@lru_cache
def cases(file: str) -> dict[str, list[dict[str, Any]]]:
    """Every case of a file, by kind; a file of one kind names it."""
    by_kind: dict[str, list[dict[str, Any]]] = {}
    with gzip.open(DIRECTORY / f"{file}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            by_kind.setdefault(case["in"].get("kind", file), []).append(case)
    return by_kind


OURS = sorted(path.name.removesuffix(".jsonl.gz") for path in HERE.glob("*.jsonl.gz"))
THEIRS = sorted(path.name.removesuffix(".jsonl.gz") for path in DIRECTORY.glob("*.jsonl.gz"))
EVERY = [(file, kind) for file in THEIRS for kind in cases(file)]


@pytest.fixture(autouse=True)
def _zones_of_the_cases(monkeypatch):
    monkeypatch.setenv("SIMKIT_ZONEINFO", str(ZONEINFO))


@pytest.mark.parametrize("file", OURS)
def test_every_file_is_there(file):
    if file not in THEIRS:
        pytest.skip(f"{DIRECTORY} has no {file}.jsonl.gz")


@pytest.mark.parametrize(("file", "kind"), EVERY)
def test_simkit_answers_as_coder_does(file, kind, record_property):
    every = cases(file)[kind]
    if kind in NOT_YET:
        record_property("conformance", f"{file} {kind}: {len(every)} skipped, not implemented: {NOT_YET[kind]}")
        pytest.skip(f"not implemented: {NOT_YET[kind]}")
    assert kind in ANSWERS, "a kind that nobody has heard of: answer it, or say in NOT_YET what it is about"
    compare(f"{file} {kind}", kind, every, ANSWERS[kind], record_property)


@pytest.mark.parametrize(("file", "kind"), [each for each in EVERY if each[1] in ANSWERS_OF_THE_CONTROL_PLANE])
def test_a_control_plane_answers_as_coder_does(file, kind, record_property):
    every = cases(file)[kind]
    if kind.startswith("pool"):
        every = [every[i] for i in POOLS_OF_EVERY_DAY if i < len(every)]
    compare(f"{file} {kind}, control plane", kind, every, ANSWERS_OF_THE_CONTROL_PLANE[kind], record_property)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "kind"), [each for each in EVERY if each[1].startswith("pool")])
def test_a_control_plane_plays_every_pool_as_coder_does(file, kind, record_property):
    answer = ANSWERS_OF_THE_CONTROL_PLANE[kind]
    compare(f"{file} {kind}, all on the control plane", kind, cases(file)[kind], answer, record_property)


def compare(
    label: str, kind: str, every: list[Given], answer: Answer, record_property: Callable[[str, object], None]
) -> None:
    differing = []
    for case in every:
        ours, coders = our_answer(answer, case["in"]), coders_answer(kind, case["out"])
        # Coder's `min` is there for the kinds that have a use for it.
        ours = {key: ours[key] for key in ours if key != "min" or key in coders}
        if ours != coders:
            differing.append((case["in"], ours, coders))
    record_property("conformance", f"{label}: {len(every) - len(differing)} of {len(every)}")
    assert not differing, f"{len(differing)} of {len(every)} differ; the first:\n" + "\n".join(
        f"  in:     {given}\n  simkit: {ours}\n  Coder:  {coders}" for given, ours, coders in differing[:3]
    )
