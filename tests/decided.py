"""Small decisions that tests share: six weeks of people who come in the day, and what to set for them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scenarios import MONDAY_AT, scenario

from simkit import recommend
from simkit.clock import HOUR_US, MINUTE_US, WEEK_US
from simkit.decide.recommendation import Recommendation
from simkit.model import History, Preset, Scenario, Schedule, Workload, constant

WEEKS = 6


def six_weeks(name: str = "go", cost: float = 0.4, failing: float = 0.0) -> Scenario:
    """Twelve people a working day between 09:00 and 17:00 UTC, more of them early; today's setting serves few."""
    rng = np.random.default_rng(3)
    days = np.arange(7 * WEEKS)
    at = (days[days % 7 < 5][:, None] * 24 + 9 + rng.random((5 * WEEKS, 12)) ** 2 * 8).ravel()
    claims = np.sort(MONDAY_AT + (at * HOUR_US).astype(np.int64))
    preset = Preset(name, 0, timezone="UTC", schedules=(Schedule("* 9-16 * * 1-5", 1),))
    workload = Workload(constant(6 * MINUTE_US), failure_probability=failing, cost_per_instance_hour=cost)
    given = scenario(preset, workload=workload)
    demand = History(claims, (name,) * claims.size)
    return replace(given, start_at=MONDAY_AT, end_at=MONDAY_AT + WEEKS * WEEK_US, name="team", demand=demand)


@lru_cache
def decided(name: str = "go", cost: float = 0.4, failing: float = 0.0, target: float = 0.95) -> Recommendation:
    """What to set there, with one schedule at most."""
    return recommend(six_weeks(name, cost, failing), target, max_schedules=1)
