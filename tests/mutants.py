"""Mutants of the rules by which the engines run, and the conformance cases that must catch each.

Run as a program with NUMBA_DISABLE_JIT=1, where every function can be put in another's place: says as JSON how many
cases of each check fail without a mutant, and with each.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import IntEnum
from typing import Any, NamedTuple

import conformance_kernel
import conformance_plane
from conformance_cases import ZONEINFO, Answer, cases, differing

from simkit.clock import MINUTE_US, NEVER
from simkit.controlplane import engine, jobs, prebuilds, presets, uploads
from simkit.core import facts, lifecycle, policy, pools
from simkit.core.numbers import NONE
from simkit.errors import RefusedError


class Check(NamedTuple):
    """Cases of one kind, put to one engine."""

    file: str
    kind: str
    answer: Answer
    which: range | tuple[int, ...]


PLAYED = (4, 9, 14, 17, 22, 25, 26, 54, 74)
"""Small pools in which prebuilds are claimed, fail, expire, are deleted and wait for a daemon."""


def _kernel(file: str, kind: str, *which: int) -> Check:
    return Check(file, kind, conformance_kernel.ANSWERS[kind], range(*which))


def _plane(file: str, kind: str, *which: int) -> Check:
    return Check(file, kind, conformance_plane.ANSWERS[kind], range(*which))


def _pool(played: Callable[..., Any], version: str, *which: int) -> Check:
    return Check(f"pool_{version}", f"pool_{version}", lambda given: played(given, version), which)


def _of_each_rule(many: int) -> tuple[int, ...]:
    """The first so many cases of each kind of transition."""
    chosen: dict[Any, list[int]] = {}
    for i, case in enumerate(cases("lifecycle")["transition"]):
        given = case["in"]
        if given.get("job_completed_at") is not None:
            states = (given["user_status"] == "suspended", given["job_status"] == "failed")
            chosen.setdefault((case["out"]["reason"], *states), []).append(i)
    return tuple(sorted(i for cases_ in chosen.values() for i in cases_[:many]))


CHECKS = {
    "kernel: acquire_order": _kernel("database", "acquire_order", 0, 150, 5),
    "kernel: backoff": _kernel("database", "backoff", 0, 500, 5),
    "kernel: actions": _kernel("prebuilds", "actions", 0, 2500, 40),
    "kernel: activity_bump": _kernel("database", "activity_bump", 0, 1500, 10),
    "kernel: autostop": _kernel("lifecycle", "autostop", 0, 3500, 70),
    "kernel: next_autostart": _kernel("lifecycle", "next_autostart", 0, 1500, 50),
    "kernel: transition": _kernel("lifecycle", "transition", 0, 4500, 15),
    "kernel: pool": Check("pool_v2.26", "pool_v2.26", lambda g: conformance_kernel.played(g, "v2.26"), PLAYED),
    "kernel: pool v2.35": Check(
        "pool_v2.35", "pool_v2.35", lambda g: conformance_kernel.played(g, "v2.35"), (0, 9, 26)
    ),
    "control plane: acquire_order": _plane("database", "acquire_order", 0, 150, 15),
    "control plane: backoff": _plane("database", "backoff", 0, 500, 25),
    "control plane: actions": _plane("prebuilds", "actions", 0, 2500, 40),
    "control plane: activity_bump": _plane("database", "activity_bump", 0, 1500, 10),
    "control plane: autostop": _plane("lifecycle", "autostop", 0, 3500, 140),
    "control plane: transition": Check(
        "lifecycle", "transition", conformance_plane.ANSWERS["transition"], _of_each_rule(2)
    ),
    "control plane: match_preset": _plane("database", "match_preset", 0, 200, 10),
    "control plane: upload_receive": _plane("names_uploads", "upload_receive", 0, 200, 10),
    "control plane: upload_split": _plane("names_uploads", "upload_split", 0, 11),
    "control plane: pool": Check(
        "pool_v2.26", "pool_v2.26", lambda g: conformance_plane.played(g, "v2.26"), (9, 14, 17)
    ),
}


class Mutant(NamedTuple):
    """`changes`: (module, name, what stands there instead); a function stands instead wherever it was imported."""

    changes: tuple[tuple[Any, str, Any], ...]
    caught_by: tuple[str, ...]


def _both(kind: str) -> tuple[str, ...]:
    return (f"kernel: {kind}", f"control plane: {kind}")


def _rule(module: Any, name: str, caught_by: tuple[str, ...], wrong: Callable[..., Any]) -> Mutant:
    """A rule that `wrong` gives a wrong answer for: it is called with the right rule and what that is given."""
    right = getattr(module, name)
    return Mutant(((module, name, lambda *given: wrong(right, *given)),), caught_by)


def _sql(module: Any, name: str, old: str, new: str, *caught_by: str) -> Mutant:
    right = getattr(module, name)
    assert right.count(old) == 1, f"{name} has no {old!r}"
    return Mutant(((module, name, right.replace(old, new)),), caught_by)


def _never(rule: int) -> Mutant:
    """The executor does not know a rule."""
    return _rule(
        lifecycle,
        "transition",
        _both("transition"),
        lambda right, *given: lifecycle.NOTHING if right(*given) == rule else right(*given),
    )


def _newest_first(world: facts.World, which: int, workspace: int) -> None:
    """`pools.link` the wrong way round."""
    rows, lists = world.workspaces, world.lists
    after = lists[which, facts.FIRST]
    rows[workspace, [facts.W_PREV, facts.W_NEXT]] = NONE, after
    if after == NONE:
        lists[which, facts.LAST] = workspace
    else:
        rows[after, facts.W_PREV] = workspace
    lists[which, facts.FIRST] = workspace
    lists[which, facts.SIZE] += 1


class ClaimsFirst(IntEnum):
    """`clockwork.Order`, but for who comes before whom."""

    EVENT, CLAIM, RECONCILER, EXECUTOR, JOB, AGENT, REAPER = range(7)


def _any_piece(receiver: uploads.Receiver, piece: uploads.Piece) -> bool:
    receiver._next = min(max(piece.index, 0), receiver.header.pieces - 1)
    return _add(receiver, piece)


_add = uploads.Receiver.add
_latest = prebuilds._latest


def _extraneous(right: Any, pool: policy.Pool) -> int:
    return max(pool.actual - pool.desired, 0) if pool.active else 0


def _bumped(right: Any, now_at: int, deadline: int, max_at: int, bump_us: int, interval_us: int) -> int:
    if bump_us <= 0 or interval_us <= 0 or deadline == NEVER:
        return deadline
    return min(max(deadline, now_at + interval_us), max_at)


def _reconciled(create: int) -> Callable[..., policy.Actions]:
    def wrong(right: Any, pool: policy.Pool) -> policy.Actions:
        do = right(pool)
        return do._replace(create=do.create + create if do.create else 0)

    return wrong


MUTANTS = {
    "prebuilds' jobs go before people's": _rule(
        policy, "goes_first", ("kernel: acquire_order", "kernel: pool"), lambda right, *given: not right(*given)
    ),
    "prebuilds' jobs go before people's, in SQL": _sql(
        jobs, "_PENDING", "initiator_id = $prebuilds", "initiator_id <> $prebuilds", "control plane: acquire_order"
    ),
    "the youngest job goes first, in SQL": _sql(
        jobs, "_PENDING", "created_at, id", "created_at DESC, id", "control plane: acquire_order"
    ),
    "a failure holds nothing back": _rule(
        policy, "starts_backoff", ("kernel: backoff", "kernel: pool"), lambda right, *given: False
    ),
    "a failure among one more of the newest holds a preset back": _rule(
        policy,
        "starts_backoff",
        ("kernel: backoff",),
        lambda right, failed_at, newer, instances, since_at: right(failed_at, newer, instances + 1, since_at),
    ),
    "a failure among one more of the newest holds a preset back, in SQL": _sql(
        prebuilds, "_BACKOFF", "<= p.desired_instances", "<= p.desired_instances + 1", "control plane: backoff"
    ),
    "failures out of the lookback count, in SQL": _sql(
        prebuilds,
        "_BACKOFF",
        "f.failed AND f.build_at >= make_timestamptz($since)",
        "f.failed",
        "control plane: backoff",
    ),
    "a backoff ends an interval too early": _rule(
        policy,
        "backoff_until_at",
        (*_both("actions"), "kernel: backoff"),
        lambda right, failed_at, failures, interval_us: right(failed_at, failures - 1, interval_us),
    ),
    "what came after the failures does not lift the hard limit": _rule(
        policy,
        "is_hard_limited",
        ("kernel: backoff",),
        lambda right, failed, newer, limit: right(failed, 0, limit),
    ),
    "the hard limit is one more, in SQL": _sql(
        prebuilds, "_AT_FAILURE_LIMIT", "count(*) = $limit", "count(*) = $limit + 1", "control plane: backoff"
    ),
    "nothing is older than its TTL": _rule(
        policy,
        "is_expired",
        _both("pool"),
        lambda right, created_at, ttl_us, invalidated_at, now_at: right(created_at, 0, invalidated_at, now_at),
    ),
    "invalidation is forgotten": _rule(
        policy,
        "is_expired",
        (*_both("actions"), "kernel: pool v2.35"),
        lambda right, created_at, ttl_us, invalidated_at, now_at: right(created_at, ttl_us, -NEVER, now_at),
    ),
    "the expired count as surplus, too": _rule(policy, "extraneous", _both("actions"), _extraneous),
    "the newest of a pool are deleted and claimed": Mutant(
        ((pools, "link", _newest_first),), ("kernel: actions", "kernel: pool")
    ),
    "the newest of a pool are deleted and claimed, by rows": Mutant(
        ((prebuilds, "_latest", lambda rows: _latest(rows)[::-1]),), ("control plane: pool",)
    ),
    "one too many is created": _rule(policy, "reconcile", (*_both("actions"), *_both("pool")), _reconciled(1)),
    "what is starting is created again": _rule(
        policy, "reconcile", _both("actions"), lambda right, pool: right(pool._replace(starting=0))
    ),
    "a claim takes the newest": Mutant(((pools, "OLDEST", 1), (pools, "NEWEST", 0)), ("kernel: pool",)),
    "claims come before jobs that are done": Mutant(((engine, "Order", ClaimsFirst),), ("control plane: pool",)),
    "activity moves a deadline at once": _rule(lifecycle, "bumped_deadline", _both("activity_bump"), _bumped),
    "activity moves a deadline beyond the max deadline": _rule(
        lifecycle,
        "bumped_deadline",
        _both("activity_bump"),
        lambda right, now_at, deadline, max_at, *more: right(now_at, deadline, NEVER, *more),
    ),
    "activity that crosses an autostart is like any other": _rule(
        lifecycle, "bump_interval", _both("activity_bump"), lambda right, now_at, bump_us, *more: bump_us
    ),
    "a workspace's own TTL is in force where users may have none": _rule(
        lifecycle, "ttl_in_force", _both("autostop"), lambda right, ttl_us, template: ttl_us
    ),
    "a deadline may lie after the max deadline": _rule(
        lifecycle,
        "deadlines",
        _both("autostop"),
        lambda right, ttl_us, next_start_at, max_at, completed_at: (
            right(ttl_us, next_start_at, NEVER, completed_at)[0],
            max_at,
        ),
    ),
    "a deadline does not cross an autostart": _rule(
        lifecycle,
        "deadlines",
        _both("autostop"),
        lambda right, ttl_us, next_start_at, *more: right(ttl_us, NEVER, *more),
    ),
    "every week requires a stop": _rule(
        lifecycle,
        "max_deadline",
        _both("autostop"),
        lambda right, hours, at, template: right(hours, at, template._replace(autostop_weeks=1)),
    ),
    "an autostart may come on every weekday": _rule(
        lifecycle, "next_autostart", ("kernel: next_autostart",), lambda right, cron, at, days: right(cron, at, 127)
    ),
    "a workspace stops a minute after its deadline": _rule(
        lifecycle,
        "transition",
        _both("transition"),
        lambda right, facts, *more: right(
            facts._replace(deadline=facts.deadline if facts.deadline == NEVER else facts.deadline + MINUTE_US), *more
        ),
    ),
    "there is no autostop": _never(lifecycle.AUTOSTOP),
    "there is no autostart": _never(lifecycle.AUTOSTART),
    "a failed start is not stopped": _never(lifecycle.FAILED_STOP),
    "nothing goes dormant": _never(lifecycle.DORMANCY),
    "nothing dormant is deleted": _never(lifecycle.AUTODELETE),
    "the workspaces of the suspended run on": _never(lifecycle.SUSPENDED_STOP),
    "the smallest preset matches": _sql(
        presets, "_MATCH", "(mine.name) DESC", "(mine.name)", "control plane: match_preset"
    ),
    "a part of a preset's parameters is enough": _sql(
        presets, "_MATCH", "HAVING count(mine.name) = count(theirs.name)", "HAVING true", "control plane: match_preset"
    ),
    "pieces may come in any order": Mutant(
        ((uploads.Receiver, "add", _any_piece),), ("control plane: upload_receive",)
    ),
    "pieces hold 1 MiB": Mutant(((uploads, "PIECE_BYTES", 1 << 20),), ("control plane: upload_split",)),
}


@contextmanager
def alive(mutant: Mutant) -> Iterator[None]:
    """The mutant lives: what it changes is changed in every module that has it."""
    with ExitStack() as back:
        for owner, name, new in mutant.changes:
            old = getattr(owner, name)
            theirs = [m for key, m in sys.modules.items() if key.startswith("simkit") and m.__dict__.get(name) is old]
            for place in theirs if callable(old) and owner in theirs else [owner]:
                back.callback(setattr, place, name, old)
                setattr(place, name, new)
        yield


def failing(check: Check) -> tuple[int, int]:
    """(cases that were put, cases that failed: answered otherwise than by Coder, or refused by a rule of the tables).

    Any other error is the mutant's own, and no case has caught it.
    """
    asked = failed = 0
    for i in check.which:
        case = cases(check.file)[check.kind][i]
        try:
            put, wrong = differing(check.kind, [case], check.answer)
        except RefusedError:
            put, wrong = 1, [case]
        asked, failed = asked + put, failed + len(wrong)
    return asked, failed


def main() -> None:
    os.environ["SIMKIT_ZONEINFO"] = str(ZONEINFO)
    found: dict[str, Any] = {"without": {name: failing(check) for name, check in CHECKS.items()}}
    for name, mutant in MUTANTS.items():
        with alive(mutant):
            found[name] = {check: failing(CHECKS[check]) for check in mutant.caught_by}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
