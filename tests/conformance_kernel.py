"""Answers to conformance cases from the kernel: whole runs of it, or its parts on a world that is as a case says.

The parts are those that runs are made of, as plain Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import uncompiled
from conformance_cases import (
    CASE_AT,
    REFUSED,
    STATUSES,
    TRANSITIONS,
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
from conformance_sessions import lifecycle_run

from simkit import cron
from simkit.clock import DAY_US, NEVER, SECOND_US
from simkit.coder_versions import BEHAVIOURS
from simkit.core import facts, kernel
from simkit.core.facts import B_COMPLETED, B_STATUS, B_TRANSITION, B_WORKSPACE
from simkit.core.numbers import DELETE, FAILED, NONE, PENDING, RUNNING, START, STOP, SUCCEEDED
from simkit.model import TemplateSchedule
from simkit.runs.simulate import run
from simkit.store.words import REASONS
from simkit.timeline import desired
from simkit.workspace import instants

jobs, pools, lives, executor = uncompiled.jobs, uncompiled.pools, uncompiled.lives, uncompiled.lifecycle_executor


def pool(given: Given, version: str) -> Any:
    """A run, which is the same if the reconciler looks at every tick."""
    result = run(scenario_of(given, version))
    for ours, every_tick in zip(
        result.rows, kernel.simulate(result.inputs, result.given.people, every_tick=True), strict=True
    ):
        np.testing.assert_array_equal(ours, every_tick, "a tick that was skipped could have decided something")
    return told(result.tables)


def played(given: Given, version: str) -> Any:
    """A run, once."""
    return told(run(scenario_of(given, version)).tables)


# Pools


def world_of(
    instances: int = 0, desired_now: int = 0, backoff_us: int = 0, lookback_us: int = 0, hard_limit: int = 0
) -> tuple[Any, Any]:
    """(inputs, world) of one preset, without anything in it."""
    of = (backoff_us, lookback_us, hard_limit, facts.OLDEST)
    settings = facts.Settings(0, NEVER, SECOND_US, *of, True, False, False, False, True, True, False, True)
    given = np.zeros((1, facts.P_COLUMNS), dtype=np.int64)
    given[0, [facts.P_INSTANCES, facts.P_ACTIVE, facts.P_CHANGES_UNTIL]] = instances, 1, 1
    nothing = np.empty(0, dtype=np.int64)
    inputs = facts.Inputs(
        settings,
        given,
        np.zeros(1, dtype=np.int64),
        np.array([desired_now], dtype=np.int64),
        nothing,
        nothing,
        np.empty((0, facts.E_COLUMNS), dtype=np.int64),
        np.zeros((1, facts.A_COLUMNS), dtype=np.int64),
        np.ones((1, facts.G_COLUMNS), dtype=np.int64),
    )
    world = facts.empty_world(inputs)._replace(
        workspaces=np.zeros((64, facts.W_COLUMNS), dtype=np.int64),
        builds=np.zeros((64, facts.B_COLUMNS), dtype=np.int64),
        decisions=np.zeros((4, facts.D_COLUMNS), dtype=np.int64),
    )
    return inputs, world


def put(world: Any, which: int, created_at: int, status: int) -> int:
    """A prebuild whose start build has a status, in one of the preset's lists."""
    workspace = pools.new_workspace(world, 0, NONE, 0, created_at)
    build = pools.new_build(world, workspace, START, False, created_at)
    world.builds[build, B_STATUS] = status
    pools.link(world, which, workspace)
    return int(workspace)


def acquire_order(given: Given) -> Any:
    _, world = world_of()
    by_build = {}
    for job in sorted(given["jobs"], key=lambda job: -job["age"]):
        at = CASE_AT - job["age"] * SECOND_US
        workspace = pools.new_workspace(world, 0, NONE, 0, at)
        build = pools.new_build(world, workspace, START, not job["initiated_by_prebuilds"], at)
        by_build[int(build)] = job["id"]
        if job["started"]:
            world.builds[build, B_STATUS] = RUNNING
    taken = iter(lambda: int(jobs._next_job(world, True, True)), NONE)
    return {"order": [by_build[build] for build in taken]}


IN_LIST = {"failed": facts.FAILED_LIST, "succeeded": facts.RUNNING_LIST}
"""The list of a prebuild whose start has a status; what is cancelled stands, as what waits does, for no failure."""


def backoff(given: Given) -> Any:
    """A backoff lasts so long here that until when it does tells the number of failures."""
    interval_us = 1000 * DAY_US
    inputs, world = world_of(
        given["desired_instances"], 0, interval_us, given["lookback"] * SECOND_US, given["failure_hard_limit"]
    )
    mine = [build for build in given["builds"] if build["owned_by_prebuilds"] and build["transition"] == "start"]
    for build in sorted(mine, key=lambda build: -build["age"]):
        which = IN_LIST.get(build["status"], facts.STARTING_LIST)
        put(world, which, CASE_AT - build["age"] * SECOND_US, STATUSES[build["status"]])
    until_at, _ = pools._backoff_until(inputs, world, 0, CASE_AT)
    failed = last_age = None
    if until_at != NEVER:
        failed = int(until_at - CASE_AT + interval_us - 1) // interval_us
        last_age = int(CASE_AT + failed * interval_us - until_at) // SECOND_US
    return {
        "num_failed": failed or 0,
        "last_build_age": last_age,
        "hard_limited": bool(pools._limited(inputs, world, 0)),
    }


def actions(given: Given) -> Any:
    """What a tick does to a pool, and of its state what the tick writes down when it acts or holds still.

    Expired are those that a case says are, as if the preset had been invalidated right after they were created.
    """
    now_at = given["now"] * SECOND_US
    active = given["active"] and not given["deleted"] and not given["deprecated"]
    failures = given.get("backoff", {"num_failed": 0, "last_build_at": 0})
    if failures["num_failed"] > 0 and not active:
        raise CannotBe  # only a preset in force is held back
    wanted = int(desired(preset_of(given), BEHAVIOURS["v2.26"], now_at, now_at + 1).value_at(now_at))
    inputs, world = world_of(NEVER, wanted, given["backoff_interval"] * SECOND_US, now_at)
    world.state[0, facts.S_ACTIVE], world.state[0, facts.S_INVALIDATED] = active, len(given["expired"])
    running = [*given["expired"], *sorted(given["running"], key=lambda w: w["created_at"])]
    for i in range(len(running)):
        put(world, facts.RUNNING_LIST, i, SUCCEEDED)
    for _ in range(given["starting"]):
        put(world, facts.STARTING_LIST, 0, PENDING)
    for _ in range(failures["num_failed"]):
        put(world, facts.FAILED_LIST, failures["last_build_at"] * SECOND_US, FAILED)
    known = int(world.counters[facts.BUILDS])
    pools.decide(inputs, world, None, 0, now_at)
    made = world.builds[known : world.counters[facts.BUILDS]]
    deleted = [running[i]["id"] for i in made[made[:, B_TRANSITION] == DELETE, B_WORKSPACE].tolist()]
    if not world.counters[facts.DECISIONS]:
        assert not len(made), "what is done is written down"
        return {"actions": [], "state": {}}
    row = world.decisions[0].tolist()
    expired, create = row[facts.D_DELETED_EXPIRED], int((made[:, B_TRANSITION] == START).sum())
    names = {"actual": facts.D_ACTUAL, "desired": facts.D_DESIRED, "expired": facts.D_EXPIRED}
    until_at = row[facts.D_BACKOFF_UNTIL]
    done = [{"type": "delete", "delete_ids": ids} for ids in (deleted[:expired], deleted[expired:]) if ids]
    done += [{"type": "create", "create": create}] if create else []
    return {
        "actions": done if until_at == NEVER else [{"type": "backoff", "backoff_until": until_at // SECOND_US}],
        "state": {name: row[column] for name, column in names.items()} | {"starting": row[facts.D_STARTING]},
    }


# Lives


def lives_of(
    schedule: TemplateSchedule, at: int, autostart: str = "", quiet_hours: str = "", ttl_us: int = NEVER
) -> tuple[Any, Any, Any]:
    """(inputs, world, lives) of one person with a workspace, whose build 1 is a start that is done.

    Crons that Coder cannot read are none. Zones are those around an instant.
    """
    inputs, world = world_of()
    inputs.claims[0, facts.A_PERSON] = 0
    workspace = pools.new_workspace(world, 0, 0, 0, at)
    build = pools.new_build(world, workspace, START, True, at)
    world.builds[build, B_STATUS] = SUCCEEDED
    crons, from_at, offset, columns = [], [], [], {}
    for name, text in (("H_AUTOSTART", autostart), ("H_QUIET_HOURS", quiet_hours)):
        columns[name] = NONE
        if text and cron.is_autostart(text):
            zoned = instants.zoned(cron.weekly(text), at)
            begin = sum(len(one) for one in from_at)
            crons.append([*(int(field) for field in zoned.cron), begin, begin + len(zoned.from_at)])
            from_at.append(zoned.from_at)
            offset.append(zoned.offset_us)
            columns[name] = len(crons) - 1
    nothing = np.empty(0, dtype=np.int64)
    people = np.zeros((1, lives.H_COLUMNS), dtype=np.int64)
    people[0, [lives.H_AUTOSTART, lives.H_QUIET_HOURS]] = columns["H_AUTOSTART"], columns["H_QUIET_HOURS"]
    people[0, [lives.H_TTL, lives.H_SUSPENDED_AT]] = ttl_us, NEVER
    given = lives.People(
        people=people,
        templates=np.array([instants.template(schedule)], dtype=np.int64),
        crons=np.array(crons, dtype=np.int64).reshape(-1, lives.Q_COLUMNS),
        zone_from=np.concatenate([nothing, *from_at]),
        zone_offset=np.concatenate([nothing, *offset]),
        changes=np.empty((0, lives.V_COLUMNS), dtype=np.int64),
    )
    theirs = lives.empty_lives(given, 1, len(world.builds), at)
    theirs = theirs._replace(stories=np.zeros((8, lives.X_COLUMNS), dtype=np.int64))
    lives.begin_life(theirs.builds[build], 0)
    theirs.people[0, [lives.H_WORKSPACE, lives.H_REPORT]] = workspace, NEVER
    theirs.owned[0, lives.O_TTL] = ttl_us
    return inputs, world, theirs


def autostop(given: Given) -> Any:
    completed_at = given["completed_at"] * SECOND_US
    quiet_hours = given["quiet_hours"]
    _, _, theirs = lives_of(schedule_of(given), completed_at, given["autostart"], quiet_hours, us(given, "ttl"))
    if not lives.complete_build(theirs, 0, 0, 0, START, completed_at):
        return REFUSED
    row = theirs.builds[0].tolist()
    return {"deadline": seconds(row[lives.L_DEADLINE]), "max_deadline": seconds(row[lives.L_MAX_DEADLINE])}


def next_autostart(given: Given) -> Any:
    now_at = given["now"] * SECOND_US
    if not given["allow_user_autostart"]:
        raise CannotBe  # no engine looks for a start that the template forbids
    _, _, theirs = lives_of(schedule_of(given), now_at, given["autostart"])
    lives.start_crossed(theirs, 0, now_at)
    at, allowed = theirs.people[0, [lives.H_CROSSED, lives.H_ALLOWED]].tolist()
    return {"next": seconds(at), "allowed": allowed == 1, "next_allowed": seconds(lives.next_start(theirs, 0, now_at))}


def transition(given: Given) -> Any:
    """What the executor's tick does to a workspace that is as the case says, where it asks the rule at all."""
    if given["user_status"] == "dormant":
        raise CannotBe  # the kernel's people are active or suspended
    if given.get("job_completed_at") is None:
        raise CannotBe
    now_at, created_at = given["now"] // 60 * 60 * SECOND_US, given["build_created_at"] * SECOND_US
    inputs, world, theirs = lives_of(schedule_of(given), created_at, given["autostart"])
    theirs.people[0, lives.H_SUSPENDED_AT] = now_at if given["user_status"] == "suspended" else NEVER
    row = world.builds[0]
    row[B_TRANSITION], row[B_STATUS] = TRANSITIONS[given["transition"]], STATUSES[given["job_status"]]
    row[B_COMPLETED] = us(given, "job_completed_at")
    owned = theirs.owned[0]
    owned[lives.O_NEXT_START] = lives.next_start(theirs, 0, created_at)
    owned[lives.O_LAST_USED], owned[lives.O_DORMANT] = us(given, "last_used_at"), us(given, "dormant_at")
    owned[lives.O_DELETING] = us(given, "deleting_at")
    theirs.builds[0, lives.L_DEADLINE] = us(given, "deadline")
    seen = lives.facts_of_workspace(world, theirs, 0, 0, owned[lives.O_NEXT_START], now_at)
    of = lives.template_of(theirs, 0)
    is_selected = executor.is_eligible(seen, of, now_at, False, False, False)
    executor._execute(inputs, world, theirs, 0, now_at)
    if not is_selected and executor.transition(seen, of, now_at, False) != executor.NOTHING:
        assert not theirs.counters[lives.STORIES], "the executor sees only what its pre-filter selects"
        raise CannotBe
    if not theirs.counters[lives.STORIES]:
        return {"reason": None, "transition": None}
    rule = int(theirs.stories[0, lives.X_RULE])
    built = {START: "start", STOP: "stop", DELETE: "delete"}
    made = [built[b] for b in world.builds[1 : world.counters[facts.BUILDS], B_TRANSITION].tolist()]
    return {"reason": REASONS[rule], "transition": made[0] if made else ""}


def activity_bump(given: Given) -> Any:
    """Somebody is connected in this very instant, which lies so that the next autostart is a whole minute."""
    now_at, autostart = connected_at(given)
    inputs, world, theirs = lives_of(schedule_of(given), now_at, autostart, ttl_us=us(given, "ttl"))
    row = theirs.builds[0]
    row[lives.L_DEADLINE], row[lives.L_MAX_DEADLINE] = (
        NEVER if given[name] is None else now_at + us(given, name) for name in ("deadline", "max_deadline")
    )
    world.builds[0, B_TRANSITION] = TRANSITIONS[given["transition"]]
    world.builds[0, B_STATUS] = SUCCEEDED if given["job_completed"] else RUNNING
    theirs.people[0, [lives.H_UNTIL, lives.H_REPORT]] = now_at
    if given["is_prebuild"]:
        theirs.people[0, lives.H_WORKSPACE] = NONE  # it is nobody's
    lives.end_lives(inputs, world, theirs, now_at)
    after = int(row[lives.L_DEADLINE])
    return {"deadline": None if after == NEVER else (after - now_at) / SECOND_US}


ANSWERS: dict[str, Answer] = {
    "acquire_order": acquire_order,
    "actions": actions,
    "activity_bump": activity_bump,
    "autostop": autostop,
    "backoff": backoff,
    "lifecycle_run": lifecycle_run,
    "next_autostart": next_autostart,
    "pool_v2.26": lambda given: pool(given, "v2.26"),
    "pool_v2.35": lambda given: pool(given, "v2.35"),
    "transition": transition,
}
