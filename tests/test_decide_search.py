"""The search finds what trying everything finds, and what it finds keeps its promises."""

from __future__ import annotations

import numpy as np
import pytest

from simkit.clock import Int64Array
from simkit.decide.levels import LevelTables
from simkit.decide.plan import EVERY_DAY, Block, Plan
from simkit.decide.search import Aim, Search

MOST = 4


def tables(seed: int, weeks: int = 6) -> LevelTables:
    """Tables like those of a team that works by day: more instances miss fewer and idle longer."""
    rng = np.random.default_rng(seed)
    hour = np.arange(168)
    busy = (hour // 24 < 5) & (hour % 24 >= 8) & (hour % 24 < 18)
    claims = rng.poisson(np.where(busy, 4.0, 0.3)[:, None], (168, weeks)).astype(float)
    levels = np.arange(MOST + 1)
    still = np.exp(-levels[None, :, None] * np.where(busy, 0.9, 2.5)[:, None, None])
    misses = claims[:, None, :] * still
    idle = levels[None, :, None] * np.where(busy, 0.8, 1.0)[:, None, None] * np.ones((1, 1, weeks))
    return LevelTables(claims, misses, idle)


def brute_force(of: LevelTables, goal: float) -> float:
    """The least idle hours of any base and one block that meet a hit rate."""
    misses, idle = of.misses.sum(axis=2), of.idle_hours.sum(axis=2)
    claims, best = of.claims.sum(), np.inf
    for base in range(MOST + 1):
        m0, i0 = misses[:, base].sum(), idle[:, base].sum()
        if 1 - m0 / claims >= goal:
            best = min(best, i0)
        for level in range(MOST + 1):
            dm = (misses[:, level] - misses[:, base]).reshape(7, 24).cumsum(axis=1)
            di = (idle[:, level] - idle[:, base]).reshape(7, 24).cumsum(axis=1)
            dm, di = (np.concatenate([np.zeros((7, 1)), d], axis=1) for d in (dm, di))
            for first in range(24):
                for last in range(first, 24):
                    by_day = np.stack([d[:, last + 1] - d[:, first] for d in (dm, di)])
                    for days in range(1, EVERY_DAY + 1):
                        on = np.array([days >> day & 1 for day in range(7)])
                        more_misses, more_idle = by_day @ on
                        if 1 - (m0 + more_misses) / claims >= goal:
                            best = min(best, i0 + more_idle)
    return float(best)


@pytest.mark.slow
@pytest.mark.parametrize("goal", [0.8, 0.95])
def test_one_block_is_within_a_hundredth_of_the_best_of_all(goal: float):
    of = tables(3)
    found = Search(of, Aim(of.claims.sum(axis=0), goal)).best(1)
    assert found is not None
    assert found.idle_hours.sum() <= brute_force(of, goal) * 1.01


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_more_blocks_never_idle_longer_and_all_meet_the_aim(seed: int):
    of = tables(seed)
    search = Search(of, Aim(of.claims.sum(axis=0), 0.93, 0.8))
    begin: tuple[Plan, ...] = ()
    idle = np.inf
    for blocks in range(4):
        fit = search.best(blocks, begin)
        assert fit is not None
        assert len(fit.plan.blocks) <= blocks
        assert fit.plan.is_sound
        assert search.meets(fit)
        assert fit.idle_hours.sum() <= idle + 1e-9
        idle, begin = float(fit.idle_hours.sum()), (*begin, fit.plan)


def test_no_number_is_below_the_least():
    of = tables(1)
    fit = Search(of, Aim(of.claims.sum(axis=0), 0.5), least=3).best(2)
    assert fit is not None
    assert int(fit.plan.levels.min()) >= 3
    free = Search(of, Aim(of.claims.sum(axis=0), 0.5)).best(2)
    assert free is not None
    assert int(free.plan.levels.min()) < 3, "otherwise this proves nothing"


def test_what_no_plan_reaches_is_told_by_none():
    of = tables(1)
    assert Search(of, Aim(of.claims.sum(axis=0), 0.9999)).best(3) is None


def test_a_fit_is_the_sum_of_its_hours_and_of_what_exact_runs_had_more():
    of = tables(7)
    plan = Plan(1, (Block(9, 16, 0b11111, 3),))
    levels: Int64Array = plan.levels
    by_hand = sum(of.claims[h] - of.misses[h, levels[h]] for h in range(168))
    off = np.arange(6.0)
    fit = Search(of, Aim(of.claims.sum(axis=0), 0.9), hits_off=off, idle_off=2.0).fit(plan)
    np.testing.assert_allclose(fit.hits, by_hand + off)
    np.testing.assert_allclose(fit.idle_hours, sum(of.idle_hours[h, levels[h]] for h in range(168)) + 2.0)


def test_a_number_beyond_the_tables_does_what_their_last_does():
    of = tables(7)
    search = Search(of, Aim(of.claims.sum(axis=0), 0.9))
    np.testing.assert_array_equal(search.fit(Plan(MOST + 9)).hits, search.fit(Plan(MOST)).hits)
