"""Answers to conformance cases from a control plane: its tables, its SQL, its transactions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from conformance_cases import (
    CASE_AT,
    REFUSED,
    Answer,
    CannotBe,
    Given,
    connected_at,
    preset_of,
    scenario_of,
    schedule_of,
    seconds,
    told,
    us,
)
from conformance_lives import lifecycle_run

from simkit.clock import DAY_US, HOUR_US, NEVER, SECOND_US
from simkit.coder_versions import BEHAVIOURS
from simkit.controlplane import jobs, lifecycle, prebuilds, presets, templates, uploads, workspaces
from simkit.controlplane.types import PREBUILDS_USER
from simkit.core import lifecycle as core
from simkit.core import policy
from simkit.errors import RefusedError
from simkit.model import Preset, Reconciler, TemplateSchedule
from simkit.runs.reference import run_reference
from simkit.runs.simulate import run
from simkit.store.database import Database, Transaction, instant
from simkit.timeline import desired
from simkit.workspace.instants import template


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


def match_preset(given: Given) -> Any:
    with emptied(*PRESETS) as tx:
        ids = [
            presets.insert(tx, 1, Preset(f"p{i}", 0, parameters=tuple(parameters.items())), "UTC")
            for i, parameters in enumerate(given["presets"])
        ]
        found = presets.match(tx, 1, given["parameters"])
    return {"preset": None if found is None else ids.index(found)}


def acquire_order(given: Given) -> Any:
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


def backoff(given: Given) -> Any:
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


def constraint(given: Given) -> Any:
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


def life_of(**known: Any) -> lifecycle.Life:
    """A workspace of which a case says only this."""
    return lifecycle.Life(**dict.fromkeys(lifecycle.Life._fields, 1) | known)


def activity_bump(given: Given) -> Any:
    """Somebody is connected in this very instant."""
    now_at, autostart = connected_at(given)
    ends = {name: NEVER if given[name] is None else now_at + us(given, name) for name in ("deadline", "max_deadline")}
    workspace = life_of(
        autostart=autostart,
        ttl_us=us(given, "ttl"),
        transition=given["transition"],
        job_status="succeeded" if given["job_completed"] else "running",
        **ends,
    )
    after = ends["deadline"]
    if not given["is_prebuild"]:  # nobody can connect to one
        with database().transaction() as tx:
            activity = lifecycle.Activity(now_at, now_at, 1)
            after = lifecycle.report(tx, now_at, workspace, activity, schedule_of(given)).deadline
    return {"deadline": None if after == NEVER else (after - now_at) / SECOND_US}


def actions(given: Given) -> Any:
    """What a tick decides by what it saw, and what it then builds. Expired: as if invalidated after their creation."""
    now_at = given["now"] * SECOND_US
    active = given["active"] and not given["deleted"] and not given["deprecated"]
    preset = prebuilds.PresetRow(1, 1, 1, 1, active, len(given["expired"]), 0)
    running = [*given["expired"], *sorted(given["running"], key=lambda w: w["created_at"])]
    failures = given.get("backoff", {"num_failed": 0})
    seen = prebuilds.Snapshot(
        now_at,
        (preset,),
        {1: tuple(prebuilds.Prebuild(w["id"], 1, i, w["ready"]) for i, w in enumerate(running))},
        {1: given["starting"]},
        {1: prebuilds.Backoff(failures["num_failed"], failures["last_build_at"] * SECOND_US)}
        if failures["num_failed"]
        else {},
        frozenset(),
        {},
    )
    wanted = int(desired(preset_of(given), BEHAVIOURS["v2.26"], now_at, now_at + 1).value_at(now_at))
    settings = Reconciler(backoff_interval_us=given["backoff_interval"] * SECOND_US)
    deleted: list[int] = []
    created: list[int] = []
    with replaced(
        workspaces,
        build=lambda tx, at, workspace_id, *more: deleted.append(workspace_id),
        insert=lambda tx, at, *more: created.append(at) or (0, 0),
    ):
        (decision,) = prebuilds.reconcile(None, seen, BEHAVIOURS["v2.26"], settings, lambda preset_id: wanted)
    expired = decision.actions.delete_expired
    done: list[Any] = [{"type": "delete", "delete_ids": ids} for ids in (deleted[:expired], deleted[expired:]) if ids]
    done += [{"type": "create", "create": len(created)}] if created else []
    if decision.backoff_until != NEVER:
        done.append({"type": "backoff", "backoff_until": decision.backoff_until // SECOND_US})
    names = ("actual", "desired", "expired", "starting")
    return {
        "actions": done,
        "state": {name: getattr(decision.pool, name) for name in names}
        | {"extraneous": policy.extraneous(decision.pool)}
        | {"eligible": sum(p.ready for p in seen.running[1][len(given["expired"]) :]) if active else 0},
    }


@contextmanager
def replaced(module: ModuleType, **new: Any) -> Iterator[None]:
    """Other functions in a module's place for a while."""
    old = {name: getattr(module, name) for name in new}
    for name, function in new.items():
        setattr(module, name, function)
    try:
        yield
    finally:
        for name, function in old.items():
            setattr(module, name, function)


def autostop(given: Given) -> Any:
    """What the completion of a start writes into its row."""
    completed_at = given["completed_at"] * SECOND_US
    workspace = life_of(
        transition="start", autostart=given["autostart"], quiet_hours=given["quiet_hours"], ttl_us=us(given, "ttl")
    )
    with emptied("templates", "workspace_builds") as tx:
        tx.insert("templates", id=1, name="t", **templates.columns(schedule_of(given)))
        tx.insert("workspace_builds", id=1, **a_build(completed_at))
        if lifecycle.complete_build(tx, completed_at, workspace, lifecycle.Activity()):
            return REFUSED
        ends = tx.one("SELECT epoch_us(deadline), epoch_us(max_deadline) FROM workspace_builds")
    assert ends is not None, "the build is there"
    return {"deadline": seconds(instant(ends[0])), "max_deadline": seconds(instant(ends[1]))}


def a_build(created_at: int, **more: Any) -> dict[str, Any]:
    """The columns of workspace 1's build by its owner."""
    given = {
        "created_at": created_at,
        "workspace_id": 1,
        "template_version_id": 1,
        "build_number": 1,
        "transition": "start",
        "initiator_id": 1,
        "job_id": 1,
        "reason": "initiator",
    }
    return given | more


V26_ANYWHERE = replace(BEHAVIOURS["v2.26"], executor_needs_daemons=False)
"""In these cases there are no daemons, and nobody asks for one."""


def transition(given: Given) -> Any:
    """What the executor's tick does to a workspace whose rows are as the case says.

    The cases ask the rule alone: where another build is active or the pre-filter does not select the workspace, the
    executor never asks it.
    """
    now_at, created_at = given["now"] // 60 * 60 * SECOND_US, given["build_created_at"] * SECOND_US
    if given.get("job_completed_at") is None:
        raise CannotBe
    schedule, status = schedule_of(given), given["job_status"]
    done_at = us(given, "job_completed_at")
    queued_at = min(created_at, done_at)  # cases say when a job was done whenever its build was created
    with emptied("users", "templates", *BUILDS, "lifecycle_decisions", "notification_messages") as tx:
        tx.insert("users", id=1, username="ada", quiet_hours_schedule="", status=given["user_status"])
        tx.insert("templates", id=1, name="t", **templates.columns(schedule))
        tx.insert(
            "workspaces",
            id=1,
            created_at=created_at,
            owner_id=1,
            template_id=1,
            name="w",
            deleted=False,
            autostart_schedule=given["autostart"] or None,
            next_start_at=lifecycle.next_allowed(schedule, given["autostart"], created_at),
            last_used_at=us(given, "last_used_at"),
            dormant_at=us(given, "dormant_at"),
            deleting_at=us(given, "deleting_at"),
        )
        tx.insert(
            "provisioner_jobs",
            id=1,
            created_at=queued_at,
            initiator_id=1,
            started_at=None if status == "pending" else queued_at,
            completed_at=done_at,
            canceled_at=queued_at if status in ("canceled", "canceling") else None,
            error="boom" if status == "failed" else None,
        )
        of = {"transition": given["transition"], "deadline": us(given, "deadline")}
        tx.insert("workspace_builds", id=1, **a_build(created_at, **of))
        (life,) = lifecycle._lives(tx, "true", None)
        seen, of = lifecycle.facts(life, now_at), template(schedule)
        is_selected = core.is_eligible(seen, of, now_at, False, False, False)
        lifecycle.execute(tx, now_at, {}, V26_ANYWHERE)
        made = tx.one("SELECT transition, reason FROM workspace_builds WHERE build_number = 2")
        slept = tx.execute("SELECT 1 FROM lifecycle_decisions WHERE rule = 'dormancy'")
    seen = seen._replace(allowed_start_at=life.next_start_at)
    if not is_selected and core.transition(seen, of, now_at, False) != core.NOTHING:
        assert (made, slept) == (None, []), "the executor sees only what its pre-filter selects"
        raise CannotBe
    if made is None:
        return {"reason": "dormancy" if slept else None, "transition": "" if slept else None}
    return {"reason": "dormancy" if slept else made[1], "transition": made[0]}


def reaper(given: Given) -> Any:
    """Which jobs the reaper may end now, and as what each is left."""
    now_at, names = given["now"] * SECOND_US, ("created_at", "updated_at", "started_at", "completed_at", "canceled_at")
    with emptied("provisioner_jobs", "provisioner_job_logs") as tx:
        for i, job in enumerate(given["jobs"], 1):
            instants = {name: None if job[name] is None else job[name] * SECOND_US for name in names}
            tx.insert("provisioner_jobs", id=i, type=job["type"], initiator_id=1, **instants)
        due, first = jobs.reapable(tx, now_at), jobs.to_reap(tx, now_at)
        for job in due:
            jobs.reap(tx, now_at, job)
        rows = {
            row[0]: [None if at is None else at // SECOND_US for at in row[1:4]] + list(row[4:])
            for row in tx.execute(
                "SELECT id, epoch_us(started_at), epoch_us(updated_at), epoch_us(completed_at), error, job_status "
                "FROM provisioner_jobs"
            )
        }
    assert set(first) <= set(due), "it ends what is due"
    left = ("started_at", "updated_at", "completed_at", "error", "status")
    told = [
        {"as": "pending" if job.is_pending else "hung", "job": job.job_id - 1}
        | dict(zip(left, rows[job.job_id], strict=True))
        for job in due
    ]
    return {"due": told, "reaped_in_one_run": len(first)}


def executor_daemons(given: Given) -> Any:
    """Does the executor act on a workspace for which something is due, by the daemons that there are?"""
    now_at, due, behaviour = given["now"] * SECOND_US, given["due"], BEHAVIOURS[given["version"]]
    schedule = TemplateSchedule(
        failure_ttl_us=DAY_US, time_til_dormant_us=40 * DAY_US, time_til_dormant_autodelete_us=DAY_US
    )
    long_ago, before = now_at - 60 * DAY_US, now_at - 3 * DAY_US
    stopped = due in ("autostart", "dormancy_stopped", "autodelete")
    with emptied(
        *("users", "templates", "template_versions", "provisioner_daemons", *BUILDS),
        *("lifecycle_decisions", "notification_messages"),
    ) as tx:
        tx.insert("users", id=1, username="ada", quiet_hours_schedule="")
        tx.insert("templates", id=1, name="t", active_version_id=1, **templates.columns(schedule))
        job = {"created_at": before, "initiator_id": 1, "started_at": before, "completed_at": before}
        tx.insert("provisioner_jobs", id=1, tags=jobs.written(given["version_tags"]), **job)
        tx.insert("template_versions", id=1, template_id=1, name="v1", created_at=before, job_id=1)
        for daemon in given["daemons"]:
            seen = daemon["last_seen_at"]
            seen_at = None if seen is None else seen * SECOND_US
            row = {"organization_id": 1, "name": "d", "created_at": before, "last_seen_at": seen_at}
            tx.insert("provisioner_daemons", tags=jobs.written(daemon["tags"]), **row)
        tx.insert(
            "workspaces",
            id=1,
            created_at=long_ago,
            owner_id=1,
            template_id=1,
            name="w",
            deleted=False,
            autostart_schedule="CRON_TZ=UTC 0 * * * *" if due == "autostart" else None,
            next_start_at=before + HOUR_US if due == "autostart" else None,
            last_used_at=long_ago if due.startswith("dormancy") else before,
            dormant_at=before if due == "autodelete" else None,
            deleting_at=before + DAY_US if due == "autodelete" else None,
        )
        tx.insert("provisioner_jobs", id=2, error="boom" if due == "failure" else None, **job)
        of = {"transition": "stop" if stopped else "start", "deadline": before if due == "autostop" else None}
        tx.insert("workspace_builds", id=1, **a_build(before, job_id=2, **of))
        lifecycle.execute(tx, now_at, {}, behaviour)
        made = tx.one("SELECT transition, reason FROM workspace_builds WHERE build_number = 2")
        slept = tx.execute("SELECT 1 FROM lifecycle_decisions WHERE rule = 'dormancy'")
    return {"build": None if made is None else list(made), "marked_dormant": bool(slept)}


def played(given: Given, version: str) -> Any:
    """A run on the reference engine, by its own rows."""
    return told(run_reference(scenario_of(given, version)).tables)


def pool(given: Given, version: str) -> Any:
    """A run on the reference engine, whose rows are those of the kernel."""
    scenario = scenario_of(given, version)
    kernels, mine = run(scenario).tables, run_reference(scenario).tables
    for table, columns in kernels.items():
        for column, values in columns.items():
            np.testing.assert_array_equal(mine[table][column], values, f"{table}.{column}")
    return told(mine)


ANSWERS: dict[str, Answer] = {
    "acquire_order": acquire_order,
    "actions": actions,
    "activity_bump": activity_bump,
    "autostop": autostop,
    "backoff": backoff,
    "constraint": constraint,
    "executor_daemons": executor_daemons,
    "lifecycle_run": lifecycle_run,
    "match_preset": match_preset,
    "pool_v2.26": lambda given: pool(given, "v2.26"),
    "pool_v2.35": lambda given: pool(given, "v2.35"),
    "reaper": reaper,
    "transition": transition,
    "upload_receive": upload_receive,
    "upload_split": upload_split,
}
