"""Coder's rules, each a pure function over whole numbers: no clock, no chance, no I/O.

Instants end in `_at` (microseconds UTC), durations in `_us`. The rules are those of Coder's
`coderd/prebuilds` and its queries; `tests/conformance/` holds the cases its own code answered.
"""

from __future__ import annotations

from typing import NamedTuple

from simkit.core.chance import luck_of
from simkit.core.compile import jit
from simkit.core.numbers import MINUTE_US, SECOND_US

HUNG_US = 5 * MINUTE_US
PENDING_TOO_LONG_US = 30 * MINUTE_US
MOST_REAPED = 10
"""Jobs that one run of the reaper ends."""
REAPER_KEY = 0x52656170


class Pool(NamedTuple):
    """One preset's prebuilds at a tick. `actual` includes the `expired`.

    `active`: its template version is the active one.
    """

    desired: int
    actual: int
    expired: int
    starting: int
    active: bool


class Actions(NamedTuple):
    """What the reconciler does next, in this order: delete all expired, delete the oldest of the others, create."""

    delete_expired: int
    delete_oldest: int
    create: int


@jit
def extraneous(pool: Pool) -> int:
    """Running, unexpired prebuilds beyond the desired number, as Coder counts them (0 for an inactive preset)."""
    return max(pool.actual - pool.expired - pool.desired, 0) if pool.active else 0


@jit
def reconcile(pool: Pool) -> Actions:
    """Actions that bring the pool to `desired`. An expired prebuild no longer counts as running.

    An inactive preset loses every running, unexpired prebuild; its expired ones are left behind, as in Coder.
    """
    running = pool.actual - pool.expired
    if not pool.active:
        return Actions(0, running, 0)
    return Actions(
        delete_expired=pool.expired,
        # A schedule may ask for less than nothing; there is still no more to delete than runs.
        delete_oldest=min(extraneous(pool), running),
        create=max(pool.desired - running - pool.starting, 0),
    )


@jit
def is_expired(created_at: int, ttl_us: int, invalidated_at: int, now_at: int) -> bool:
    """Older than `ttl_us` (0: never), or created before its preset was invalidated."""
    # `>` as in Coder: a prebuild still lives in the instant it turns `ttl_us` old.
    return (ttl_us > 0 and now_at - created_at > ttl_us) or created_at < invalidated_at


@jit
def starts_backoff(failed_at: int, newer: int, instances: int, since_at: int) -> bool:
    """Does the preset's newest failed prebuild, created at `failed_at`, hold its reconciliation back?

    Only if it is in the lookback and among the newest `instances` (the base number, whatever the schedules say):
    `newer` prebuilds that did not fail were created after it.
    """
    return failed_at >= since_at and newer < instances


@jit
def backoff_until_at(failed_at: int, failures: int, interval_us: int) -> int:
    """The last instant at which the preset is left alone: every failure in the lookback adds an interval."""
    return failed_at + failures * interval_us


@jit
def is_hard_limited(failed: int, newer: int, limit: int) -> bool:
    """Did the newest `limit` prebuilds all fail? `failed` ones stand, `newer` others were created after the one
    that is `limit`-th from the end. A limit of 0 switches the rule off."""
    return limit > 0 and failed >= limit and newer == 0


@jit
def is_above_quota(consumed: int, daily_cost: int, allowance: int) -> bool:
    """Is a first build of this daily cost one too many for an owner whose workspaces cost `consumed` a day?"""
    return daily_cost > 0 and consumed + daily_cost > allowance


@jit
def goes_first(human: bool, created_at: int, other_human: bool, other_created_at: int) -> bool:
    """Does a daemon take the first job before the other? People's jobs first, then the older one."""
    if human != other_human:
        return human
    return created_at < other_created_at


@jit
def is_reapable(is_started: bool, updated_at: int, now_at: int) -> bool:
    """Does nobody work on a job that is not done? `updated_at`: when it was last heard of, or else queued."""
    return now_at - updated_at > (HUNG_US if is_started else PENDING_TOO_LONG_US)


@jit
def reaping_lot(job: int, now_at: int) -> int:
    """Of more than MOST_REAPED jobs a run of the reaper ends those with the lowest lots.

    Coder's query orders them at random, so that the same ones are not tried again and again; here the lot belongs to
    the job (its number, from 1) and the second, so that a run can be repeated and both engines choose the same.
    """
    return luck_of(REAPER_KEY, now_at // SECOND_US, job)
