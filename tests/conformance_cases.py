"""The conformance cases: what was asked of Coder, what it answered, and both in simkit's words.

SIMKIT_CONFORMANCE names another directory of the same files. conformance/README.md says what the kinds mean.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from simkit import cron
from simkit.clock import NEVER, SECOND_US
from simkit.coder_versions import BEHAVIOURS
from simkit.core.numbers import CANCELED, DELETE, FAILED, PENDING, RUNNING, START, STOP, SUCCEEDED
from simkit.model import (
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
from simkit.store.columns import Columns, Tables

HERE = Path(__file__).parent / "conformance"
DIRECTORY = Path(os.environ.get("SIMKIT_CONFORMANCE") or HERE)
ZONEINFO = next((d for d in (DIRECTORY / "zoneinfo", HERE / "zoneinfo") if d.is_dir()), HERE)
"""Rules of the time zone database 2025b, which the cases were answered with, for the zones that have changed since."""

CASE_AT = 1_750_000_020 * SECOND_US
"""An instant, a whole minute, to which a case's times are relative."""


class CannotBe(Exception):
    """Whoever is asked never comes into the state that a case describes."""


REFUSED = {"refused": True}
Given = dict[str, Any]
Answer = Callable[[Given], Any]


def preset_of(given: Given) -> Preset:
    schedules = [Schedule(*s) for s in zip(given["specs"], given["instances"], strict=True)]
    return Preset("p", given["default"], timezone=given["tz"], schedules=tuple(schedules))


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
        has_reaper=False,
    )


TRANSITIONS = {"start": START, "stop": STOP, "delete": DELETE}
STATUSES = {"pending": PENDING, "running": RUNNING, "canceling": RUNNING} | {
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "canceled": CANCELED,
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


def told(tables: Tables) -> Any:
    """The answer to a pool case, by the tables of a run. What is cancelled is gone in it, without a build.

    Events: how often each (second, event, preset, created_at, until) happened. Claims, in turn: (seconds of waiting,
    None: not ready by the end; the claimed prebuild's creation, None: cold).
    """
    made, jobs, claims, decisions = (
        _rows(tables[name]) for name in ("workspace_builds", "provisioner_jobs", "claims", "reconciler_decisions")
    )
    workspaces = {row["id"]: row for row in _rows(tables["workspaces"])}
    job_of = {row["id"]: row for row in jobs}
    peoples = {claim["workspace_build_id"] for claim in claims}
    canceled = {build["workspace_id"] for build in made if job_of[build["job_id"]]["canceled_at"] != NEVER}
    happened: Counter[Any] = Counter()
    for build in made:
        if build["id"] in peoples or (build["workspace_id"] in canceled and build["transition"] == "delete"):
            continue
        starts, job = build["transition"] == "start", job_of[build["job_id"]]
        created_at = workspaces[build["workspace_id"]]["created_at"]
        of = (build["template_version_preset_id"] - 1, created_at // SECOND_US, 0)
        happened[(build["created_at"] // SECOND_US, "create" if starts else "delete", *of)] += 1
        if job["completed_at"] != NEVER:
            done = "canceled" if job["canceled_at"] != NEVER else "built" if starts else "deleted"
            happened[(job["completed_at"] // SECOND_US, "build_failed" if job["error"] else done, *of)] += 1
    for decision in decisions:
        at, preset = decision["decided_at"] // SECOND_US, decision["preset_id"] - 1
        if decision["backoff_until"] != NEVER:
            happened[at, "backoff", preset, 0, decision["backoff_until"] // SECOND_US] += 1
        if decision["hard_limited"]:
            happened[at, "hard_limited", preset, 0, 0] += 1
    waits = [seconds(c["ready_at"] - c["created_at"] if c["ready_at"] != NEVER else NEVER) for c in claims]
    hits = [workspaces[c["workspace_id"]]["created_at"] // SECOND_US if c["hit"] else None for c in claims]
    return {"events": happened, "claims": list(zip(waits, hits, strict=True))}


def _rows(columns: Columns) -> list[dict[str, Any]]:
    """A table's rows, by the names of its columns."""
    values = [column.tolist() for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def connected_at(given: Given) -> tuple[int, str]:
    """(the instant of an `activity_bump`, an autostart whose next start is as far away as the case says).

    Coder's autostarts are whole minutes, so the instant lies before one.
    """
    start = given["next_autostart"]
    now_at = CASE_AT - (start or 0) % 60 * SECOND_US
    if start is None:
        return now_at, ""
    at = datetime.fromtimestamp(now_at // SECOND_US + start, UTC)
    return now_at, f"CRON_TZ=UTC {at.minute} {at.hour} * * *"


def coders_answer(kind: str, out: dict[str, Any]) -> Any:
    """A case's `out` in the shape of ours: the text of a refusal or of a log line is Go's."""
    match kind:
        case "lifecycle_run":
            return comparable_lives(out)
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


def comparable_lives(out: dict[str, Any]) -> Any:
    """Coder's answer to a lifecycle run as ours: deadlines of starts alone, of a deleted workspace nothing but that."""
    builds = [{"reaped": False, **build} for build in out["builds"]]
    for build in builds:
        if build["transition"] != "start":
            build |= dict.fromkeys(("deadline", "max_deadline", "last_deadline", "last_max_deadline"))
    columns = [w if w is None or not w["deleted"] else {"deleted": True} for w in out["workspaces"]]
    before = out.get("prebuilds") or [None] * len(columns)
    return {"builds": builds, "refused": out["refused"], "workspaces": columns, "prebuilds": before}


def differing(kind: str, every: list[Given], answer: Answer) -> tuple[int, list[tuple[Given, Any, Any]]]:
    """(how many cases could be put, of them those that are answered otherwise than by Coder: in, ours, Coder's)."""
    asked, found = 0, []
    for case in every:
        try:
            ours = our_answer(answer, case["in"])
        except CannotBe:
            continue
        asked += 1
        coders = coders_answer(kind, case["out"])
        # Coder's `min` is there for the kinds that have a use for it.
        ours = {key: ours[key] for key in ours if key != "min" or key in coders}
        if kind == "actions":  # each says of the state what it knows
            coders = {**coders, "state": {key: coders["state"][key] for key in ours["state"]}}
        if ours != coders:
            found.append((case["in"], ours, coders))
    return asked, found


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
