"""Somebody who works at some minutes of a Monday, and what befalls their workspace."""

from __future__ import annotations

import numpy as np
from scenarios import MONDAY_AT

from simkit.clock import HOUR_US, MINUTE_US
from simkit.model import People, Preset, Scenario, SessionHistory, TemplateSchedule, TemplateVersion, Workload, constant
from simkit.runs.result import Result
from simkit.runs.simulate import run

QUICK = Workload(
    constant(2 * MINUTE_US),
    constant(0),
    constant(MINUTE_US),
    constant(0),
    constant(MINUTE_US),
    constant(MINUTE_US),
    constant(0),
)


def one_person(
    *sessions: tuple[int, int], hours: int = 48, instances: int = 0, schedule: TemplateSchedule, events=(), **more
) -> Result:
    """A person who works from and until these minutes of a Monday."""
    at, until = np.array(sessions, dtype=np.int64).reshape(-1, 2).T * MINUTE_US + MONDAY_AT
    who = People("one", 1, "p", SessionHistory(at, until, np.zeros(at.size, dtype=np.int64)), **more)
    version = TemplateVersion("t", "v1", (Preset("p", instances),))
    end_at = MONDAY_AT + hours * HOUR_US
    given = Scenario(
        "one", MONDAY_AT, end_at, (version,), workload=QUICK, schedule=schedule, people=(who,), events=events
    )
    return run(given, 7)


def life(result: Result) -> list[tuple[int, str, str]]:
    """(minute, transition, reason) of each build of the person's workspace."""
    tables = result.tables
    mine = tables["workspace_builds"]["workspace_id"] == tables["claims"]["workspace_id"][0]
    builds = {name: column[mine] for name, column in tables["workspace_builds"].items()}
    minutes = (builds["created_at"] - MONDAY_AT) // MINUTE_US
    return list(zip(minutes.tolist(), builds["transition"], builds["reason"], strict=True))


def stories(result: Result) -> list[tuple[int, str]]:
    """(minute, rule) of what befell the person's workspace, but for starts that are done."""
    decisions = result.tables["lifecycle_decisions"]
    minutes = ((decisions["decided_at"] - MONDAY_AT) // MINUTE_US).tolist()
    return [(minute, rule) for minute, rule in zip(minutes, decisions["rule"], strict=True) if rule != "started"]
