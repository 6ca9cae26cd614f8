"""The cheapest base and blocks that meet an aim, by tables of constant numbers.

A price per miss turns both into one number, for which the best block is found by trying every set of weekdays, every
range of hours and every number at once (sums along hours, then over days); further blocks are added where they
gain most and do not overlap. From there changes of an edge, a number, a day, one or two at a time, lead to the cheapest
plan that meets the aim.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simkit.clock import Int64Array
from simkit.decide.levels import Float64Array, LevelTables
from simkit.decide.margins import Weeks, lower_limit, rate
from simkit.decide.plan import EVERY_DAY, Block, Plan
from simkit.model import HOURS_PER_WEEK

PRICES = 16
_PRICES = np.geomspace(0.05, 500, PRICES)
"""Prices per miss that are tried to begin with, in idle hours."""
MOST_BASES = 6
MOST_IMPROVED, MUCH_WORSE = 3, 1.3
"""So many bases are searched further, if they are not so many times as dear to begin with as the best."""
MOST_ROUNDS = 200
_RANGES = [(first, last) for first in range(24) for last in range(first, 24)]


@dataclass(frozen=True)
class Fit:
    """A plan and what the tables, as corrected, say of it: float64[w] each."""

    plan: Plan
    hits: Float64Array
    idle_hours: Float64Array


@dataclass(frozen=True)
class Aim:
    """A hit rate, of the weeks with these claims, float64[w]; or, with a confidence, what the next quarter's is not
    below. `of_volume`: see Outlook."""

    claims: Float64Array
    hit_rate: float
    confidence: float | None = None
    of_volume: float = 0.0

    def shortfall(self, hits: Float64Array) -> Float64Array:
        """How far hits by week, float64[n, w], are from it: float64[n], 0 or less where it is met."""
        weeks = Weeks(hits, self.claims)
        if self.confidence is None:
            return self.hit_rate - rate(weeks)
        return self.hit_rate - lower_limit(weeks, self.confidence, of_volume=self.of_volume)


@dataclass(frozen=True)
class Search:
    """What is searched: tables, the aim, and the least and greatest number that may be wanted.

    `hits_off`, `idle_off`: float64[w], what exact runs had more than the tables say; a number for all weeks at first.
    """

    tables: LevelTables
    aim: Aim
    least: int = 0
    hits_off: Float64Array | float = 0.0
    idle_off: Float64Array | float = 0.0

    def fit(self, plan: Plan) -> Fit:
        return self.fits([plan])[0]

    def fits(self, plans: list[Plan]) -> list[Fit]:
        hits, idle = self._sums(np.stack([p.levels for p in plans]))
        return [Fit(plan, h, i) for plan, h, i in zip(plans, hits, idle, strict=True)]

    def _sums(self, levels: Int64Array) -> tuple[Float64Array, Float64Array]:
        """(hits, idle hours) by week of levels int64[n, 168]: float64[n, w] each."""
        at = np.minimum(levels, self.tables.most)
        cells = np.arange(HOURS_PER_WEEK)
        misses = self.tables.misses[cells, at].sum(axis=1)
        hits = self.tables.claims.sum(axis=0) - misses + self.hits_off
        return hits, self.tables.idle_hours[cells, at].sum(axis=1) + self.idle_off

    def best(self, blocks: int, begin: tuple[Plan, ...] = ()) -> Fit | None:
        """The cheapest plan found with at most so many blocks that meets the aim; None if none does."""
        found: Fit | None = None
        for plan in dict.fromkeys((*begin, *self._beginnings(blocks))):
            one = self.improved(plan, blocks)
            if self.meets(one) and (found is None or one.idle_hours.sum() < found.idle_hours.sum()):
                found = one
        return found

    def nearest(self, blocks: int, begin: Plan) -> Plan:
        """The cheapest plan found that meets the aim, or what comes nearest to it from this one on."""
        best = self.best(blocks, (begin,))
        return (best if best is not None else self.improved(begin, blocks)).plan

    def meets(self, fit: Fit) -> bool:
        return bool(self.aim.shortfall(fit.hits[None])[0] <= 1e-12)

    def _beginnings(self, blocks: int) -> list[Plan]:
        """For each base the plans of the two prices around the aim; those of the cheapest bases."""
        misses, idle = self.tables.misses.sum(axis=2), self.tables.idle_hours.sum(axis=2)
        found: list[tuple[float, list[Plan]]] = []
        for base in range(self.least, min(self.least + MOST_BASES, self.tables.most + 1)):
            low, high = 0, PRICES - 1  # the first price that meets the aim, if any does, is in [low, high]
            fits: dict[int, Fit] = {}
            while low < high:
                middle = (low + high) // 2
                fits[middle] = self.fit(_greedy(idle + _PRICES[middle] * misses, base, self.least, blocks))
                if self.meets(fits[middle]):
                    high = middle
                else:
                    low = middle + 1
            for which in (low, low - 1):
                if which >= 0 and which not in fits:
                    fits[which] = self.fit(_greedy(idle + _PRICES[which] * misses, base, self.least, blocks))
            cost = float(fits[low].idle_hours.sum()) if self.meets(fits[low]) else np.inf
            found.append((cost, [fits[which].plan for which in (low, low - 1) if which in fits]))
        found.sort(key=lambda one: one[0])
        return [plan for cost, plans in found[:MOST_IMPROVED] if cost <= found[0][0] * MUCH_WORSE for plan in plans]

    def improved(self, plan: Plan, blocks: int) -> Fit:
        """Changes as long as they help: to meet the aim first, then to idle less."""
        now = self.fit(plan)
        price = 100.0 * max(float(now.idle_hours.sum()), 1.0)
        for _ in range(MOST_ROUNDS):
            moves = [p for p in _neighbours(now.plan, self.least, self.tables.most, blocks) if p.is_sound]
            if not moves:
                break
            hits, idle = self._sums(np.stack([p.levels for p in moves]))
            costs = self._cost(hits, idle, price)
            cost = self._cost(now.hits[None], now.idle_hours[None], price)[0]
            better = self._better(now, moves, hits, idle, costs, cost, price)
            if better is None:
                break
            now = better
        return replace(now, plan=now.plan.merged)

    def _cost(self, hits: Float64Array, idle: Float64Array, price: float) -> Float64Array:
        return idle.sum(axis=-1) + price * np.maximum(self.aim.shortfall(hits), 0)

    def _better(
        self,
        now: Fit,
        moves: list[Plan],
        hits: Float64Array,
        idle: Float64Array,
        costs: Float64Array,
        cost: float,
        price: float,
    ) -> Fit | None:
        least = int(np.argmin(costs))
        best = Fit(moves[least], hits[least], idle[least]) if costs[least] < cost - 1e-9 else None
        # Two changes of different places add up, nearly; the best by that are looked at.
        more_hits, more_idle = hits - now.hits, idle - now.idle_hours
        one, other = np.triu_indices(len(moves), 1)
        pairs = self._cost(
            now.hits + more_hits[one] + more_hits[other], now.idle_hours + more_idle[one] + more_idle[other], price
        )
        looked = np.argsort(pairs)[:12]
        combined = [_both(now.plan, moves[one[i]], moves[other[i]]) for i in looked if pairs[i] < cost - 1e-9]
        sound = [plan for plan in combined if plan is not None and plan.is_sound]
        if sound:
            their_hits, their_idle = self._sums(np.stack([p.levels for p in sound]))
            theirs = self._cost(their_hits, their_idle, price)
            i = int(np.argmin(theirs))
            if theirs[i] < min(cost, costs[least] if best else cost) - 1e-9:
                return Fit(sound[i], their_hits[i], their_idle[i])
        return best


def _both(plan: Plan, one: Plan, other: Plan) -> Plan | None:
    """The plan with two changes; None where they change the same block, or how many there are."""
    if not len(plan.blocks) == len(one.blocks) == len(other.blocks):
        return None
    blocks = []
    for old, a, b in zip(plan.blocks, one.blocks, other.blocks, strict=True):
        fields = {}
        for name in ("first", "last", "days", "instances"):
            values = {getattr(x, name) for x in (a, b)} - {getattr(old, name)}
            if len(values) > 1:
                return None
            fields[name] = values.pop() if values else getattr(old, name)
        if fields["first"] > fields["last"] or not fields["days"]:
            return None
        blocks.append(Block(**fields))
    bases = {one.base, other.base} - {plan.base}
    if len(bases) > 1:
        return None
    return Plan(bases.pop() if bases else plan.base, tuple(blocks))


def _neighbours(plan: Plan, least: int, most: int, blocks: int) -> Iterator[Plan]:
    """Plans one change away."""
    for base in (plan.base - 1, plan.base + 1):
        if least <= base <= most:
            yield replace(plan, base=base)
    for i, block in enumerate(plan.blocks):
        for changed in _changed(block, least, most):
            yield replace(plan, blocks=(*plan.blocks[:i], changed, *plan.blocks[i + 1 :]))
        yield replace(plan, blocks=(*plan.blocks[:i], *plan.blocks[i + 1 :]))
        if len(plan.blocks) < blocks:
            for part in _parts(block, least, most):
                yield replace(plan, blocks=(*plan.blocks[:i], *part, *plan.blocks[i + 1 :]))


def _changed(block: Block, least: int, most: int) -> Iterator[Block]:
    for first in (block.first - 1, block.first + 1):
        if 0 <= first <= block.last:
            yield replace(block, first=first)
    for last in (block.last - 1, block.last + 1):
        if block.first <= last < 24:
            yield replace(block, last=last)
    for step in (-1, 1):
        if block.first + step >= 0 and block.last + step < 24:
            yield replace(block, first=block.first + step, last=block.last + step)
    for instances in (block.instances - 2, block.instances - 1, block.instances + 1, block.instances + 2):
        if least <= instances <= most:
            yield replace(block, instances=instances)
    for day in range(7):
        if block.days ^ 1 << day:
            yield replace(block, days=block.days ^ 1 << day)


def _parts(block: Block, least: int, most: int) -> Iterator[tuple[Block, Block]]:
    """Two blocks in place of one, one of them with one instance more or less."""
    for hour in range(block.first + 1, block.last + 1):
        early, late = replace(block, last=hour - 1), replace(block, first=hour)
        for step in (-1, 1):
            if least <= block.instances + step <= most:
                yield replace(early, instances=block.instances + step), late
                yield early, replace(late, instances=block.instances + step)
    for day in range(7):
        alone = block.days & 1 << day
        if alone and block.days ^ alone:
            for step in (-1, 1):
                if least <= block.instances + step <= most:
                    yield (
                        replace(block, days=block.days ^ alone),
                        replace(block, days=alone, instances=block.instances + step),
                    )


def _greedy(cost: Float64Array, base: int, least: int, blocks: int) -> Plan:
    """Blocks that each gain most beside those before it, at a cost per hour of the week and number, float64[168, s]."""
    levels = cost.shape[1]
    gain = (cost[:, base, None] - cost).reshape(7, 24, levels)
    gain[:, :, :least] = -np.inf
    begun = np.concatenate([np.zeros((7, 1, levels)), np.cumsum(np.where(np.isinf(gain), -1e18, gain), axis=1)], axis=1)
    firsts, lasts = (np.array(column) for column in zip(*_RANGES, strict=True))
    ranges = begun[:, lasts + 1] - begun[:, firsts]
    # A set of days has what it has without its last one, and that one's: added in the same order on every machine.
    total = np.zeros((EVERY_DAY + 1, len(_RANGES), levels))
    for days in range(1, EVERY_DAY + 1):
        last = days.bit_length() - 1
        np.add(total[days ^ 1 << last], ranges[last], out=total[days])
    total = total[1:]
    at_level = total.argmax(axis=2)
    best = np.take_along_axis(total, at_level[:, :, None], axis=2)[:, :, 0]
    sets = np.arange(1, EVERY_DAY + 1)
    found: list[Block] = []
    for _ in range(blocks):
        d, r = np.unravel_index(int(np.argmax(best)), best.shape)
        if best[d, r] <= 0:
            break
        block = Block(int(firsts[r]), int(lasts[r]), int(sets[d]), int(at_level[d, r]))
        found.append(block)
        shares_days = (sets & block.days) > 0
        shares_hours = (firsts <= block.last) & (lasts >= block.first)
        best = np.where(shares_days[:, None] & shares_hours[None, :], -np.inf, best)
    return Plan(base, tuple(b for b in found if b.instances != base))
