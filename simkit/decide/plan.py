"""A plan for one preset: the base number and blocks of weekdays and hours with others, which is what cron can say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from simkit.clock import Int64Array
from simkit.cron import day_words, field_text
from simkit.model import HOURS_PER_WEEK, Preset, Schedule

EVERY_DAY = 0b1111111


@dataclass(frozen=True, order=True)
class Block:
    """On weekdays (bit 0 is Monday), from local hour `first` to `last`, both whole, `instances` are wanted."""

    first: int
    last: int
    days: int
    instances: int

    def __post_init__(self) -> None:
        assert 0 < self.days <= EVERY_DAY, "a block has days"
        assert 0 <= self.first <= self.last < 24, "a block has hours of one day"

    @property
    def cron(self) -> str:
        """As the range of a schedule: every minute of these hours."""
        hours = "*" if (self.first, self.last) == (0, 23) else field_text(_span(self.first, self.last))
        sunday_first = (self.days << 1 | self.days >> 6) & EVERY_DAY
        return f"* {hours} * * {'*' if self.days == EVERY_DAY else field_text(sunday_first)}"

    @property
    def words(self) -> str:
        """For people: "Monday to Friday 08:00-18:00"."""
        sunday_first = (self.days << 1 | self.days >> 6) & EVERY_DAY
        days = "every day" if self.days == EVERY_DAY else day_words(sunday_first)
        return days if (self.first, self.last) == (0, 23) else f"{days} {self.first:02}:00-{self.last + 1:02}:00"

    def overlaps(self, other: Block) -> bool:
        """Is there an hour that both hold? Coder then ignores all schedules of the preset."""
        return bool(self.days & other.days) and self.first <= other.last and other.first <= self.last


def _joined(one: Block, other: Block) -> Block | None:
    """What two blocks say together, None if one block cannot say it."""
    if one.instances != other.instances:
        return None
    if (one.first, one.last) == (other.first, other.last):
        return replace(one, days=one.days | other.days)
    if one.days == other.days and one.first <= other.last + 1 and other.first <= one.last + 1:
        return replace(one, first=min(one.first, other.first), last=max(one.last, other.last))
    return None


def _span(first: int, last: int) -> int:
    return (1 << last + 1) - (1 << first)


@dataclass(frozen=True)
class Plan:
    """A base number and blocks of which no two overlap."""

    base: int
    blocks: tuple[Block, ...] = ()

    @property
    def levels(self) -> Int64Array:
        """The number wanted in each local hour of the week, from Monday 00:00: int64[168]."""
        found = np.full((7, 24), self.base, dtype=np.int64)
        for block in self.blocks:
            for day in range(7):
                if block.days >> day & 1:
                    found[day, block.first : block.last + 1] = block.instances
        return found.reshape(HOURS_PER_WEEK)

    @property
    def is_sound(self) -> bool:
        """Do no two blocks overlap, and does each say something else than the base?"""
        return all(b.instances != self.base for b in self.blocks) and not any(
            one.overlaps(other) for i, one in enumerate(self.blocks) for other in self.blocks[:i]
        )

    @property
    def merged(self) -> Plan:
        """The same numbers in fewer lines: blocks of the same days that touch, or of the same hours, may be one."""
        blocks = list(self.blocks)
        while True:
            for one, other in combinations(blocks, 2):
                joined = _joined(one, other)
                if joined is not None:
                    blocks = [joined if b is one else b for b in blocks if b is not other]
                    break
            else:
                return Plan(self.base, tuple(blocks))

    def at_most(self, instances: int) -> Plan:
        """The plan in which no hour wants more, without the lines that this makes needless."""
        base = min(self.base, instances)
        days: dict[tuple[int, int, int], int] = {}
        for block in self.blocks:
            what = block.first, block.last, min(block.instances, instances)
            if what[2] != base:
                days[what] = days.get(what, 0) | block.days
        return Plan(base, tuple(Block(first, last, of, number) for (first, last, number), of in days.items()))

    def of(self, preset: Preset, timezone: str) -> Preset:
        """The preset with this plan in place of its own numbers, read in `timezone` if it has none itself."""
        schedules = tuple(Schedule(block.cron, block.instances, preset.where) for block in sorted(self.blocks))
        zone = (preset.timezone or timezone) if schedules else preset.timezone
        return replace(preset, instances=self.base, timezone=zone, schedules=schedules)

    @property
    def words(self) -> str:
        """In one line: "2, Monday to Friday 08:00-18:00 8"."""
        return ", ".join([str(self.base), *(f"{b.words} {b.instances}" for b in sorted(self.blocks))])


def terraform(preset: Preset, indent: str = "  ") -> str:
    """The preset's `prebuilds` block, as its template has it: lines with `indent`, without an end of line."""
    lines = [f"{indent}prebuilds {{", f"{indent}  instances = {preset.instances}"]
    if preset.ttl_us:
        lines += [f"{indent}  expiration_policy {{", f"{indent}    ttl = {preset.ttl_us // 1_000_000}", f"{indent}  }}"]
    if preset.schedules:
        lines += [f"{indent}  scheduling {{", f'{indent}    timezone = "{preset.timezone}"']
        for schedule in preset.schedules:
            lines += [f"{indent}    schedule {{", f'{indent}      cron      = "{schedule.cron}"']
            lines += [f"{indent}      instances = {schedule.instances}", f"{indent}    }}"]
        lines.append(f"{indent}  }}")
    lines.append(f"{indent}}}")
    return "\n".join(lines)
