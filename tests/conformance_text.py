"""Answers to conformance cases from what is asked without an engine: cron text, names, timelines, one life, rows.

`eligible_for_transition` is the executor's pre-filter: a rule of the core that no engine asks yet.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from conformance_cases import (
    REFUSED,
    STATUSES,
    TRANSITIONS,
    Answer,
    Given,
    preset_of,
    schedule_of,
    seconds,
    us,
)

from simkit import cron, names
from simkit.clock import NEVER, SECOND_US, UTC_ZONE
from simkit.coder_versions import BEHAVIOURS, behaviour_of
from simkit.core import lifecycle as life
from simkit.store import refused
from simkit.store.connection import schema
from simkit.timeline import desired, range_steps
from simkit.workspace import instants

USERS = {"active": life.ACTIVE, "dormant": life.DORMANT_USER, "suspended": life.SUSPENDED}


def within(given: Given, early_us: int = 0) -> Any:
    range_ = cron.parse(given["spec"])
    at = np.array(given["at"]) * SECOND_US
    steps = range_steps(range_, range_.zone or UTC_ZONE, int(at.min()), int(at.max()) + 1, early_us)
    return {"within": steps.value_at(at).tolist()}


def within_v1(given: Given) -> Any:
    return within(given, behaviour_of("early-ranges").range_early_us)


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


def desired_(given: Given) -> Any:
    preset = preset_of(given)
    at = np.array(given["at"]) * SECOND_US
    steps = desired(preset, BEHAVIOURS["v2.26"], int(at.min()), int(at.max()) + 1)
    return {"desired": steps.value_at(at).tolist(), "logged": bool(preset.fallback)}


def name(given: Given) -> Any:
    return {
        "agent": names.agent_name_problem(given["name"]) == "",
        "app_slug": names.app_slug_problem(given["name"]) == "",
        "workspace": names.workspace_name_problem(given["name"]) == "",
    }


def autostop(given: Given) -> Any:
    ttl_us = None if given["ttl"] is None else given["ttl"] * SECOND_US
    found = instants.start_deadlines(
        schedule_of(given), given["completed_at"] * SECOND_US, ttl_us, given["autostart"], given["quiet_hours"]
    )
    if found.is_refused:
        return REFUSED
    return {"deadline": seconds(found.deadline), "max_deadline": seconds(found.max_deadline)}


def next_autostart(given: Given) -> Any:
    at, allowed, allowed_at = instants.next_starts(given["autostart"], schedule_of(given), given["now"] * SECOND_US)
    return {"next": seconds(at), "allowed": allowed, "next_allowed": seconds(allowed_at)}


REASONS = {
    life.NOTHING: (None, None),
    life.AUTOSTOP: ("autostop", "stop"),
    life.SUSPENDED_STOP: ("autostop", "stop"),
    life.FAILED_STOP: ("autostop", "stop"),
    life.AUTOSTART: ("autostart", "start"),
    life.AUTODELETE: ("autodelete", "delete"),
}


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
        allowed_start_at=next_start_at,
        last_used_at=us(given, "last_used_at"),
        dormant_at=us(given, "dormant_at"),
        deleting_at=us(given, "deleting_at"),
    )


def transition(given: Given) -> Any:
    created_at, schedule = given["build_created_at"] * SECOND_US, schedule_of(given)
    next_start_at = NEVER
    if cron.is_autostart(given["autostart"]):
        _, _, next_start_at = instants.next_starts(given["autostart"], schedule, created_at)
    has_autostart = cron.is_autostart(given["autostart"])
    facts = facts_of(given, created_at, us(given, "job_completed_at"), next_start_at, has_autostart)
    now_at = given["now"] // 60 * 60 * SECOND_US
    rule = life.transition(facts, instants.template(schedule), now_at, False)
    only_mark = "stop" if given["transition"] == "start" else ""
    reason, chosen = REASONS.get(rule, ("dormancy", only_mark))
    return {"reason": reason, "transition": chosen}


def eligible_for_transition(given: Given) -> Any:
    facts = facts_of(given, 0, us(given, "job_finished_at"), us(given, "next_start_at"), given["autostart"] is not None)
    template = instants.template(schedule_of(given))
    return {"eligible": bool(life.is_eligible(facts, template, 0, given["is_prebuild"], given["deleted"], False))}


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


@lru_cache
def tables() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.execute(schema())
    return connection


def job_status(given: Given) -> Any:
    at = datetime.fromtimestamp(1, UTC)
    stamps = [at if given[name] else None for name in ("started", "canceled", "completed")]
    tables().execute("DELETE FROM provisioner_jobs")
    tables().execute(
        "INSERT INTO provisioner_jobs (run_id, id, created_at, initiator_id, started_at, canceled_at, "
        "completed_at, error) VALUES ('', 1, ?, 0, ?, ?, ?, ?)",
        [at, *stamps, given["error"]],
    )
    return {"status": tables().execute("SELECT job_status FROM provisioner_jobs").fetchall()[0][0]}


ANSWERS: dict[str, Answer] = {
    "within": within,
    "within_v1": within_v1,
    "next": next_,
    "weekly": weekly,
    "daily": daily,
    "timerange": time_range,
    "provider_cron": provider_cron,
    "overlap": overlap,
    "desired": desired_,
    "name": name,
    "autostop": autostop,
    "next_autostart": next_autostart,
    "eligible_for_transition": eligible_for_transition,
    "constraint": constraint,
    "job_status": job_status,
    "transition": transition,
}
