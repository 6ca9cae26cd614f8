"""Whole lives of people's workspaces, put to the kernel: as far as a scenario can say what happens in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance_cases import CannotBe, Given, schedule_of

from simkit.clock import NEVER, SECOND_US
from simkit.coder_versions import BEHAVIOURS
from simkit.model import (
    DEFAULT_QUIET_HOURS,
    Event,
    People,
    Preset,
    Scenario,
    SessionHistory,
    SetSchedule,
    SetTTL,
    TemplateVersion,
    Workload,
    constant,
)
from simkit.runs.simulate import run

_LONGEST_TTL = 30 * 24 * 3600
_SAYS = {"set_schedule", "set_ttl", "set_status", "open"}


def check_expressible(given: Given) -> None:
    """Raises CannotBe for what a scenario does not have: claims of a pool's prebuild at a given instant, builds that
    fail by their number, people who stop, wake or postpone by hand, change their autostart or come back from a
    suspension, flags of a schedule change, a TTL of more than 30 days, and what Coder refuses because the workspace is
    not there yet."""
    born = {i: w["created_at"] for i, w in enumerate(given["workspaces"])}
    for w in given["workspaces"]:
        if "prebuilt_at" in w or w["failing_builds"] or w["created_at"] > given["end"]:
            raise CannotBe
    suspended: set[int] = set()
    for event in given["events"]:
        i = event.get("workspace")
        if event["do"] not in _SAYS or any(name.startswith("update_") for name in event):
            raise CannotBe
        if event["do"] == "set_status":
            if event["status"] != "suspended" or i in suspended:
                raise CannotBe
            suspended.add(i)
        elif i is not None:
            is_early = event["at"] < born[i] + (event["do"] == "set_ttl")
            if is_early or event.get("ttl", 0) > _LONGEST_TTL:
                raise CannotBe


def lifecycle_scenario(given: Given) -> Scenario:
    """Each workspace is of a preset of its own without prebuilds, and its owner a group of one."""
    check_expressible(given)
    at_us = SECOND_US
    happening: list[Event] = []
    groups, workloads = [], []
    for event in given["events"]:
        if event["do"] == "set_schedule":
            happening.append(SetSchedule(event["at"] * at_us, schedule_of(event["template"])))
        elif event["do"] == "set_ttl":
            happening.append(SetTTL(event["at"] * at_us, f"w{event['workspace']}", event["ttl"] * at_us or None))
    for i, w in enumerate(given["workspaces"]):
        mine = [event for event in given["events"] if event.get("workspace") == i]
        sessions = [(w["created_at"], w["until"])] + [(e["at"], e["until"]) for e in mine if e["do"] == "open"]
        started_at, ended_at = (np.array(column, dtype=np.int64) * at_us for column in zip(*sessions, strict=True))
        history = SessionHistory(started_at, ended_at, np.zeros(len(sessions), dtype=np.int64))
        suspended = [e["at"] * at_us for e in mine if e["do"] == "set_status"]
        groups.append(
            People(
                f"w{i}",
                1,
                f"p{i}",
                history,
                w["quiet_hours"] or DEFAULT_QUIET_HOURS,
                w["autostart"],
                w["ttl"] * at_us or None,
                suspended[0] if suspended else NEVER,
            )
        )
        nothing = constant(0)
        takes = {name: constant(seconds * at_us) for name, seconds in w["durations"].items()}
        build, stop, delete = takes["start"], takes["stop"], takes["delete"]
        workloads.append((f"p{i}", Workload(build, nothing, nothing, nothing, delete, stop, build)))
    presets = tuple(Preset(f"p{i}", 0) for i in range(len(groups)))
    return Scenario(
        name="lives",
        start_at=given["start"] * at_us,
        end_at=given["end"] * at_us,
        versions=(TemplateVersion("t", "v1", presets),),
        behaviour=BEHAVIOURS[given["version"]],
        provisioner_daemons=given["daemons"],
        workloads=tuple(workloads),
        events=tuple(happening),
        schedule=schedule_of(given["template"]),
        people=tuple(groups),
        has_reaper=given["reaper"],
    )


def lifecycle_run(given: Given) -> Any:
    """The kernel's answer, in the shape of Coder's."""
    result = run(lifecycle_scenario(given))
    t = result.tables
    builds, jobs, stories = t["workspace_builds"], t["provisioner_jobs"], t["lifecycle_decisions"]
    left = {
        int(build): (int(deadline), int(max_deadline))
        for rule, build, deadline, max_deadline in zip(
            *(stories[name] for name in ("rule", "workspace_build_id", "deadline", "max_deadline")), strict=True
        )
        if rule == "started"
    }
    # Workspaces are numbered in the order in which they were created, cases number them otherwise.
    index = {
        int(w): int(p) - 1 for w, p in zip(builds["workspace_id"], builds["template_version_preset_id"], strict=True)
    }
    told = []
    for i in range(len(builds["id"])):
        starts = builds["transition"][i] == "start"
        ends = left.get(int(builds["id"][i]), (NEVER, NEVER)) if starts else (NEVER, NEVER)
        last = (builds["deadline"][i], builds["max_deadline"][i]) if starts else (NEVER, NEVER)
        error = jobs["error"][i]
        told.append(
            {
                "workspace": index[int(builds["workspace_id"][i])],
                "number": int(builds["build_number"][i]),
                "transition": builds["transition"][i],
                "reason": builds["reason"][i],
                "status": _status(jobs, i),
                "reaped": str(error).endswith("reaper."),
                "created_at": _seconds(jobs["created_at"][i]),
                "started_at": _seconds(jobs["started_at"][i]),
                "completed_at": _seconds(jobs["completed_at"][i]),
                "deadline": _seconds(ends[0]),
                "max_deadline": _seconds(ends[1]),
                "last_deadline": _seconds(last[0]),
                "last_max_deadline": _seconds(last[1]),
            }
        )
    told.sort(key=lambda b: (b["workspace"], b["number"]))
    workspaces: list[Any] = [None] * len(given["workspaces"])
    rows = t["workspaces"]
    for k in range(len(rows["id"])):
        i = index[int(rows["id"][k])]
        ttl = int(rows["ttl"][k])
        workspaces[i] = (
            {"deleted": True}
            if rows["deleted"][k]
            else {
                "deleted": False,
                "ttl": None if ttl == NEVER else ttl // 1_000_000_000,
                "autostart": rows["autostart_schedule"][k],
                **{
                    name: _seconds(rows[name][k])
                    for name in ("next_start_at", "last_used_at", "dormant_at", "deleting_at")
                },
            }
        )
    return {"builds": told, "refused": _REFUSED, "workspaces": workspaces, "prebuilds": [None] * len(workspaces)}


class _Any:
    """Equal to everything: which events are refused is not in a run's tables."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


_REFUSED = _Any()


def _status(jobs: Any, i: int) -> str:
    if jobs["completed_at"][i] == NEVER:
        return "pending" if jobs["started_at"][i] == NEVER else "running"
    return "failed" if jobs["error"][i] else "succeeded"


def _seconds(at: Any) -> int | None:
    return None if int(at) == NEVER else int(at) // SECOND_US
