"""Targets that follow the pool: an expression of its state and of recent claims gives the desired number.

An expression is a small program for a stack of floats, whose operations and operands stand in two arrays. What goes
wrong in it (a division by zero, a number without bounds) is NaN, which goes through all operations, but not through a
choice that does not take it; a NaN at the end means the schedule's number. Claims are counted by the minute from the
window's start on, so that a span of minutes is exact at ticks on whole minutes, and at others begins up to a minute
early.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simkit.core.compile import part
from simkit.core.numbers import DAY_US, HOUR_US, MINUTE_US, NEVER, Float64Array, Int64Array, Table

LOWEST_TARGET, HIGHEST_TARGET = 0, 100
"""What an expression is clamped to; the schedule's number is not."""
SPANS = (5, 10, 30, 60, 120)
"""Minutes over which claims are counted."""

# Operations that put a number on the stack; the operand is the number, or the minutes of a span.
OF_NUMBER, OF_SCHEDULED, OF_RUNNING, OF_ELIGIBLE, OF_STARTING, OF_EXPIRED, OF_HOUR, OF_WEEKDAY = range(8)
OF_CLAIMS, OF_MISSES, OF_CLAIM_RATE = 8, 9, 10
# Those that take one from it, two, or three, and put one back.
TO_MINUS, TO_NOT, TO_CEIL, TO_FLOOR, TO_ABS = range(11, 16)
TO_SUM, TO_DIFFERENCE, TO_PRODUCT, TO_QUOTIENT, TO_REMAINDER, TO_MIN, TO_MAX = range(16, 23)
TO_LESS, TO_AT_MOST, TO_EQUAL, TO_UNEQUAL, TO_AND, TO_OR = range(23, 29)
TO_CHOICE, TO_CLAMP = 29, 30

# What a preset's program needs, and what is counted for it. Ranges into other arrays are [FROM, UNTIL); an empty one is
# no program. ZONE: the offset in force at its last tick. MINUTE: up to which the ring is filled. HITS, MISSES: claims
# that found a prebuild, and that did not.
F_FROM, F_UNTIL, F_USES_ELIGIBLE, F_USES_CLOCK, F_ZONE_FROM, F_ZONE_UNTIL, F_ZONE = range(7)
F_MINUTE, F_HITS, F_MISSES, F_COLUMNS = 7, 8, 9, 10

_RING = 128  # minutes that are remembered: more than the longest span
_LAST = _RING - 1


class Program(NamedTuple):
    """One expression: its operations, their operands, and how high its stack gets."""

    code: tuple[int, ...]
    operand: tuple[float, ...]
    depth: int


class Programs(NamedTuple):
    """Expressions as a run is given them."""

    code: Int64Array
    operand: Float64Array
    presets: Table  # [p, F_COLUMNS]
    zone_from: Int64Array  # the clocks of the presets: from when on which offset holds
    zone_offset: Int64Array
    depth: int  # of the stack


class Targets(NamedTuple):
    """The same in a run, with what changes: the presets' rows, the rings, the stack."""

    code: Int64Array
    operand: Float64Array
    presets: Table
    zone_from: Int64Array
    zone_offset: Int64Array
    rings: Table  # [2 p, _RING] hits and misses of each preset before the minute began
    stack: Float64Array


class PoolFacts(NamedTuple):
    """A preset's prebuilds at a tick, as an expression sees them: running ones are not expired, eligible ones are
    ready, too."""

    scheduled: int
    running: int
    eligible: int
    starting: int
    expired: int


def empty_targets(given: Programs) -> Targets:
    rings = np.zeros((2 * given.presets.shape[0], _RING), dtype=np.int64)
    stack = np.zeros(given.depth, dtype=np.float64)
    return Targets(given.code, given.operand, given.presets.copy(), given.zone_from, given.zone_offset, rings, stack)


@part
def has_program(targets: Targets, preset: int) -> bool:
    return targets.presets[preset, F_FROM] < targets.presets[preset, F_UNTIL]


@part
def _minute_at(targets: Targets, preset: int, start_at: int, now_at: int) -> int:
    """The minute of the window; the rings are filled up to it."""
    minute = (now_at - start_at) // MINUTE_US
    row = targets.presets[preset]
    known = max(row[F_MINUTE], minute - _RING)
    while known < minute:
        known += 1
        targets.rings[2 * preset, known & _LAST] = row[F_HITS]
        targets.rings[2 * preset + 1, known & _LAST] = row[F_MISSES]
    row[F_MINUTE] = known
    return minute


@part
def count_claim(targets: Targets, preset: int, is_hit: bool, start_at: int, now_at: int) -> None:
    """Somebody asked for the preset: a claim if a prebuild was found, a miss otherwise."""
    _minute_at(targets, preset, start_at, now_at)
    targets.presets[preset, F_HITS if is_hit else F_MISSES] += 1


@part
def _local(targets: Targets, preset: int, now_at: int) -> int:
    """Microseconds of the preset's clock since 1970."""
    row = targets.presets[preset]
    while row[F_ZONE] + 1 < row[F_ZONE_UNTIL] and targets.zone_from[row[F_ZONE] + 1] <= now_at:
        row[F_ZONE] += 1
    return now_at + targets.zone_offset[row[F_ZONE]]


@part
def _worth(targets: Targets, preset: int, facts: PoolFacts, minute: int, now_at: int) -> float:
    """What the program leaves on the stack."""
    stack, row = targets.stack, targets.presets[preset]
    top = -1
    for i in range(row[F_FROM], row[F_UNTIL]):
        what = targets.code[i]
        if what <= OF_CLAIM_RATE:
            value = targets.operand[i]
            if what >= OF_CLAIMS:
                since = (minute - int(value)) & _LAST
                if what == OF_MISSES:
                    value = float(row[F_MISSES] - targets.rings[2 * preset + 1, since])
                elif what == OF_CLAIMS:
                    value = float(row[F_HITS] - targets.rings[2 * preset, since])
                else:
                    value = float(row[F_HITS] - targets.rings[2 * preset, since]) / value
            elif what == OF_SCHEDULED:
                value = float(facts.scheduled)
            elif what == OF_RUNNING:
                value = float(facts.running)
            elif what == OF_ELIGIBLE:
                value = float(facts.eligible)
            elif what == OF_STARTING:
                value = float(facts.starting)
            elif what == OF_EXPIRED:
                value = float(facts.expired)
            elif what == OF_HOUR:
                value = float(_local(targets, preset, now_at) // HOUR_US % 24)
            elif what == OF_WEEKDAY:
                value = float((_local(targets, preset, now_at) // DAY_US + 4) % 7)
            top += 1
            stack[top] = value
        elif what <= TO_ABS:
            stack[top] = _of_one(what, float(stack[top]))
        elif what <= TO_OR:
            top -= 1
            stack[top] = _of_two(what, float(stack[top]), float(stack[top + 1]))
        else:
            top -= 2
            first, second, third = float(stack[top]), float(stack[top + 1]), float(stack[top + 2])
            if what == TO_CLAMP:
                stack[top] = _of_two(TO_MIN, _of_two(TO_MAX, first, second), third)
            elif first != first:
                stack[top] = np.nan
            else:
                stack[top] = second if first != 0 else third
    return float(stack[0])


@part
def _of_one(what: int, x: float) -> float:
    if what == TO_MINUS:
        return -x
    if what == TO_ABS:
        return abs(x)
    if what == TO_CEIL:
        return float(np.ceil(x))
    if what == TO_FLOOR:
        return float(np.floor(x))
    if x != x:
        return np.nan
    return 1.0 if x == 0 else 0.0  # TO_NOT


@part
def _of_two(what: int, x: float, y: float) -> float:
    if what == TO_AND and x == 0:
        return 0.0
    if what == TO_OR and x != 0 and x == x:
        return 1.0
    if x != x or y != y:
        return np.nan
    if what == TO_SUM:
        return x + y
    if what == TO_DIFFERENCE:
        return x - y
    if what == TO_PRODUCT:
        return x * y
    if what == TO_QUOTIENT:
        return x / y if y != 0 else np.nan
    if what == TO_REMAINDER:
        return x % y if y != 0 else np.nan
    if what == TO_MIN:
        return min(x, y)
    if what == TO_MAX:
        return max(x, y)
    if what == TO_LESS:
        holds = x < y
    elif what == TO_AT_MOST:
        holds = x <= y
    elif what == TO_EQUAL:
        holds = x == y
    elif what == TO_UNEQUAL:
        holds = x != y
    else:  # TO_AND, TO_OR: the second decides
        holds = y != 0
    return 1.0 if holds else 0.0


@part
def target(targets: Targets, preset: int, facts: PoolFacts, start_at: int, now_at: int) -> int:
    """The desired number: what the expression is worth, without its fraction, from 0 to 100; the schedule's number
    where it is worth nothing."""
    minute = _minute_at(targets, preset, start_at, now_at)
    value = _worth(targets, preset, facts, minute, now_at)
    if value != value or abs(value) == np.inf:
        return facts.scheduled
    return int(min(max(value, float(LOWEST_TARGET)), float(HIGHEST_TARGET)))


@part
def target_changes_at(targets: Targets, preset: int, start_at: int, now_at: int) -> int:
    """Before this instant no count of claims and no clock has another value, if nobody asks."""
    row = targets.presets[preset]
    minute = row[F_MINUTE]
    changes_at = NEVER
    if row[F_USES_CLOCK] == 1:
        local = _local(targets, preset, now_at)
        changes_at = now_at - local % HOUR_US + HOUR_US
        if row[F_ZONE] + 1 < row[F_ZONE_UNTIL]:
            changes_at = min(changes_at, targets.zone_from[row[F_ZONE] + 1])
    for i in range(row[F_FROM], row[F_UNTIL]):
        if targets.code[i] >= OF_CLAIMS and targets.code[i] <= OF_CLAIM_RATE:
            span, misses = int(targets.operand[i]), targets.code[i] == OF_MISSES
            ring = targets.rings[2 * preset + 1 if misses else 2 * preset]
            first = minute - span
            before = ring[first & _LAST]
            if before != row[F_MISSES if misses else F_HITS]:
                while first < minute and ring[(first + 1) & _LAST] == before:
                    first += 1
                changes_at = min(changes_at, start_at + (first + 1 + span) * MINUTE_US)
    return changes_at
