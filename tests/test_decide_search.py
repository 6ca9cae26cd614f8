"""The search finds what trying everything finds, and what it finds keeps its promises."""

from __future__ import annotations

import numpy as np
import pytest

from simkit.clock import Int64Array
from simkit.decide.levels import LevelTables
from simkit.decide.plan import EVERY_DAY, Block, Plan
from simkit.decide.search import _PRICES, Aim, Fit, Search, _greedy

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


def one_claim(idle: float) -> LevelTables:
    """Somebody comes each Monday at ten, whom one instance serves that idles so long then, and far longer at any other
    hour."""
    claims, misses, hours = np.zeros((168, 4)), np.zeros((168, 2, 4)), np.zeros((168, 2, 4))
    claims[10] = misses[10, 0] = 1.0
    hours[:, 1] = 1e6
    hours[10, 1] = idle
    return LevelTables(claims, misses, hours)


@pytest.mark.parametrize("idle", [0.04, 0.06, 1.0, 260.0, 490.0])
def test_a_claim_is_served_at_any_price_that_is_tried(idle: float):
    of = one_claim(idle)
    found = Search(of, Aim(of.claims.sum(axis=0), 1.0)).best(1)
    assert found is not None
    assert found.plan == Plan(0, (Block(10, 10, 1, 1),))


def test_a_search_begins_with_the_prices_around_the_aim_of_the_cheapest_bases():
    of = one_claim(490.0)
    met = Search(of, Aim(of.claims.sum(axis=0), 0.0))._beginnings(1)
    assert met == [Plan(0), Plan(1, (Block(0, 23, EVERY_DAY, 0),))], "by the lowest price, and there is none below"
    served = Search(of, Aim(of.claims.sum(axis=0), 1.0))._beginnings(1)
    assert served == [Plan(0, (Block(10, 10, 1, 1),)), Plan(0)]
    bases = {plan.base for plan in Search(of, Aim(of.claims.sum(axis=0), 1.1))._beginnings(0)}
    assert bases == {0, 1}, "where none meets it, all are as good"


def test_a_base_may_be_the_greatest_number_of_all():
    of = one_claim(1.0)
    found = Search(of, Aim(of.claims.sum(axis=0), 1.0), least=1).best(1)
    assert found is not None
    assert found.plan == Plan(1)


def test_an_aim_that_is_just_met_is_met():
    of = tables(1)
    half = Fit(Plan(0), np.full(6, 50.0), np.zeros(6))
    claims = np.full(6, 100.0)
    assert Search(of, Aim(claims, 0.5)).meets(half)
    assert Search(of, Aim(claims, 0.5 + 1e-13)).meets(half)
    assert not Search(of, Aim(claims, 0.5 + 1e-11)).meets(half)


@pytest.mark.parametrize("goal", [0.6, 0.9])
def test_of_each_base_the_search_begins_with_the_first_price_that_meets_the_aim_and_that_before_it(goal: float):
    of = tables(3)
    search = Search(of, Aim(of.claims.sum(axis=0), goal))
    misses, idle = of.misses.sum(axis=2), of.idle_hours.sum(axis=2)
    found = []
    for base in range(MOST + 1):
        fits = [search.fit(_greedy(idle + price * misses, base, 0, 1)) for price in _PRICES]
        first = next(i for i, fit in enumerate(fits) if search.meets(fit))
        found.append((float(fits[first].idle_hours.sum()), [fit.plan for fit in (fits[first], *fits[:first][-1:])]))
    found.sort(key=lambda one: one[0])
    assert any(len(set(plans)) == 2 for _, plans in found[:3]), "otherwise this proves nothing"
    cheap = [plan for cost, plans in found[:3] if cost <= 1.3 * found[0][0] for plan in plans]
    assert search._beginnings(1) == cheap
