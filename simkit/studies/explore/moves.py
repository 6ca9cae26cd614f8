"""Sliders over a setting: what each is called, the values that it can have, and how they are put into a setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, format_duration
from simkit.decide.plan import Block
from simkit.studies.explore.setting import Setting
from simkit.times import rounded

TTLS = (0, *(hours * HOUR_US for hours in (1, 2, 4, 8, 12, 24, 48, 72, 168)))
_MIN_LEVEL = 20
"""Sliders of numbers reach at least so far; and to twice of what is set today."""


@dataclass(frozen=True)
class Move:
    """A slider: what it is called and the values that it can have; `read` and `put` it in a setting."""

    name: str
    values: tuple[Any, ...]
    read: Callable[[Setting], Any]
    put: Callable[[Setting, Any], Setting]
    shown: Callable[[Any], str] = str


def panel_moves(today: Setting) -> list[Move]:
    """What a panel has, which counts when it is moved: all that can be set, each in small steps."""
    most = max(_MIN_LEVEL, 2 * max([today.base, *(block.instances for block in today.blocks)]))
    levels = tuple(range(most + 1))
    found = [base_move(levels)]
    for i in range(len(today.blocks)):
        found += [_hours_move(i), level_move(i, levels)]
    found.append(ttl_move(sorted({*TTLS, today.ttl_us})))
    found.append(daemons_move(range(1, max(_MIN_LEVEL, 2 * today.daemons) + 1)))
    minutes = tuple(sorted({*(n * MINUTE_US for n in range(1, 31)), today.build_us}))
    if today.build_us:
        found.append(Move("build", minutes, lambda s: s.build_us, lambda s, v: replace(s, build_us=v), _to_the_second))
    return found


def base_move(values: Sequence[int]) -> Move:
    return Move("base", tuple(values), lambda s: s.base, lambda s, v: replace(s, base=v))


def ttl_move(values: Sequence[int]) -> Move:
    """In microseconds; 0 never expires."""
    return Move("ttl", tuple(values), lambda s: s.ttl_us, lambda s, v: replace(s, ttl_us=v), _ttl)


def daemons_move(values: Sequence[int]) -> Move:
    return Move("daemons", tuple(values), lambda s: s.daemons, lambda s, v: replace(s, daemons=v))


def level_move(i: int, values: Sequence[int]) -> Move:
    """Of the schedule with the number `i`, from 0."""

    def put(setting: Setting, instances: int) -> Setting:
        return with_block(setting, i, instances=instances)

    return Move(f"level_{i + 1}", tuple(values), lambda s: s.blocks[i].instances, put)


def _hours_move(i: int) -> Move:
    def put(setting: Setting, hours: tuple[int, int]) -> Setting:
        return with_block(setting, i, first=hours[0], last=hours[1] - 1)

    hours = tuple((first, until) for first in range(24) for until in range(first + 1, 25))
    return Move(f"hours_{i + 1}", hours, lambda s: (s.blocks[i].first, s.blocks[i].last + 1), put)


def with_block(setting: Setting, i: int, **changes: int) -> Setting:
    """The setting with another schedule in the place `i`."""
    blocks: list[Block] = list(setting.blocks)
    blocks[i] = replace(blocks[i], **changes)
    return replace(setting, blocks=tuple(blocks))


def label_of(name: str, today: Setting) -> str:
    """A slider's name for people: which days a schedule's is about."""
    kind, _, number = name.partition("_")
    if not number:
        return {"ttl": "TTL", "build": "build, median"}.get(kind, kind)
    block = replace(today.blocks[int(number) - 1], first=0, last=23)
    return f"{block.words}: {_OF_BLOCK[kind]}"


_OF_BLOCK = {"hours": "hours", "level": "instances", "first": "from", "until": "until"}


def _to_the_second(us: int) -> str:
    return rounded(us, SECOND_US)


def _ttl(us: int) -> str:
    return format_duration(us) if us else "never"
