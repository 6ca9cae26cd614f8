"""Demands by the hour that tests share: counts of hours as claims, and weeks that are like each other."""

from __future__ import annotations

import numpy as np

from simkit.clock import HOUR_US, UTC_ZONE, Zone, parse_instant
from simkit.deployment.forecast import Demand

MONDAY = parse_instant("2026-01-05T00:00:00Z")
WORKDAY = [0] * 8 + [4, 9, 8, 6, 5, 6, 7, 5, 3, 2] + [0] * 6
WEEK = np.array([*WORKDAY * 5, *[0] * 48], dtype=np.float64)


def demand(counts: np.ndarray, home: Zone = UTC_ZONE, start_at: int = MONDAY) -> Demand:
    """Counts of hours, one after the other, as claims in the middle of their hours."""
    at = start_at + np.repeat(np.arange(counts.size), counts) * HOUR_US + HOUR_US // 2
    return Demand("large", home, at.astype(np.int64), start_at, start_at + counts.size * HOUR_US)


def weeks(count: int, scale: float = 1, seed: int = 1, spread: float = 0.0) -> np.ndarray:
    """Counts of `count` weeks: Poisson, or with a gamma level of each hour with this relative variance."""
    print("seed", seed)
    chance = np.random.default_rng(seed)
    size = (count, WEEK.size)
    level = chance.gamma(1 / spread, spread, size) if spread else np.ones(size)
    return chance.poisson(WEEK * scale * level).reshape(-1)
