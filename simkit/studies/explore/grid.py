"""What every position of a page's sliders comes to, counted before anybody moves one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from simkit.decide.plan import Block
from simkit.decide.work import in_order, workers
from simkit.model import Scenario
from simkit.runs.counts import count
from simkit.runs.givens import givens
from simkit.studies.explore.moves import TTLS, Move, base_move, daemons_move, level_move, ttl_move, with_block
from simkit.studies.explore.setting import Setting, Totals, totals

_WORKDAYS, _FIRST, _LAST = 0b0011111, 8, 17
"""Of the schedule that a preset without one is offered."""
_LEVELS, _BASES = 7, 6
_SHARES = (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


@dataclass(frozen=True)
class Grid:
    """The sliders of one preset and all of their positions: `today` is what is set, `block` the schedule that moves.

    A position has an index for each of `moves`, of which the last is that of the daemons: all others are a template's.
    """

    scenario: Scenario
    preset: str
    today: Setting
    moves: tuple[Move, ...]
    block: int

    @staticmethod
    def of(scenario: Scenario, preset: str) -> Grid:
        """Around what is set now: its base, TTL, daemons and the schedule with most instance-hours; where it has none,
        one for workdays that is off today."""
        today = Setting.of(scenario, preset)
        if not today.blocks:
            shown = replace(today, blocks=(Block(_FIRST, _LAST, _WORKDAYS, today.base),))
            return Grid(scenario, preset, shown, _moves(scenario, preset, shown, 0, is_new=True), 0)
        block = max(range(len(today.blocks)), key=lambda i: _weight(today.blocks[i]))
        return Grid(scenario, preset, today, _moves(scenario, preset, today, block, is_new=False), block)

    @cached_property
    def now(self) -> tuple[int, ...]:
        """The position of what is set today."""
        return tuple(
            move.values.index(None) if None in move.values else move.values.index(move.read(self.today))
            for move in self.moves
        )

    @property
    def positions(self) -> Iterator[tuple[int, ...]]:
        """All of them; the last slider moves first."""
        return product(*(range(len(move.values)) for move in self.moves))

    def setting(self, position: Sequence[int]) -> Setting:
        """What the sliders say there."""
        setting, is_off = self.today, False
        for move, i in zip(self.moves, position, strict=True):
            if move.values[i] is None:
                is_off = True
            else:
                setting = move.put(setting, move.values[i])
        if is_off:
            setting = replace(setting, blocks=setting.blocks[: self.block] + setting.blocks[self.block + 1 :])
        return setting

    def counted(
        self, seed: int, replications: int, told: Callable[[int, int], None] = lambda done, of: None
    ) -> list[tuple[Totals, ...]]:
        """What each position comes to, in their order, a run for each replication. Equal settings are played once."""
        settings = [self.setting(position) for position in self.positions]
        different = list(dict.fromkeys(settings))

        def played(setting: Setting) -> tuple[Totals, ...]:
            scenario = setting.scenario(self.scenario, self.preset)
            return tuple(totals(scenario, self.preset, count(givens(scenario, seed, r))) for r in range(replications))

        found: dict[Setting, tuple[Totals, ...]] = {}
        told(0, len(different))
        with workers(None) as threads:
            for setting, runs in zip(different, in_order(threads, played, different), strict=True):
                found[setting] = runs
                told(len(found), len(different))
        return [found[setting] for setting in settings]


def _weight(block: Block) -> int:
    return block.instances * block.days.bit_count() * (block.last + 1 - block.first)


def _moves(scenario: Scenario, preset: str, today: Setting, i: int, *, is_new: bool) -> tuple[Move, ...]:
    block = today.blocks[i]
    levels = _around(block.instances, _LEVELS)
    middle = (block.first + block.last) // 2
    firsts = [hour for hour in range(block.first - 1, block.first + 2) if 0 <= hour <= middle]
    untils = [hour for hour in range(block.last, block.last + 3) if middle < hour <= 24]
    level = level_move(i, levels[1:] if is_new else levels)
    if is_new:
        level = replace(level, values=(None, *level.values), shown=lambda v: "no schedule" if v is None else str(v))
    return (
        base_move(_around(today.base, _BASES)),
        level,
        _hour_move(f"first_{i + 1}", firsts, lambda s: s.blocks[i].first, lambda s, v: with_block(s, i, first=v)),
        _hour_move(f"until_{i + 1}", untils, lambda s: s.blocks[i].last + 1, lambda s, v: with_block(s, i, last=v - 1)),
        ttl_move(_ttls(today.ttl_us)),
        daemons_move(_daemons(scenario, preset, today)),
    )


def _hour_move(
    name: str, hours: Sequence[int], read: Callable[[Setting], int], put: Callable[[Setting, int], Setting]
) -> Move:
    return Move(name, tuple(hours), read, put, _hour)


def _hour(hour: int) -> str:
    return f"{hour:02}:00"


def _around(number: int, many: int) -> list[int]:
    """So many whole numbers from 0 on, this one among them: shares of it, or all of them where it is small."""
    found = {round(number * share) for share in _SHARES}
    following = 1
    while len(found) < many:
        found.add(following)
        following += 1
    return sorted(found)


def _ttls(today: int) -> list[int]:
    """Today's, the next shorter and the next longer one; that which never ends is the longest."""
    every = [*sorted({*TTLS, today} - {0}), 0]
    i = every.index(today)
    return every[max(0, i - 1) : i + 2]


def _daemons(scenario: Scenario, preset: str, today: Setting) -> list[int]:
    """Half, as many as today, and twice as many, as far as groups of daemons can be so many."""
    asked = (max(1, today.daemons // 2), today.daemons, 2 * today.daemons)
    there = (Setting.of(replace(today, daemons=many).scenario(scenario, preset), preset).daemons for many in asked)
    return sorted(set(there) & set(asked))
