"""What pools may take of the prebuilds' quota: the most that their schedules ask for at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simkit.model import Scenario
from simkit.runs.givens import givens
from simkit.runs.static import static_tables


class Most(NamedTuple):
    """At one instant of the window: `daily_cost` in the units of the quota, `instances` of all presets."""

    daily_cost: int
    instances: int


def most_asked(scenario: Scenario) -> Most:
    """The greatest daily cost, and the greatest number of prebuilds, that schedules ask for at once, each by itself.

    More may stand for a while, where fewer are wanted than are being built.
    """
    given = givens(scenario, 0, 0)
    table = static_tables(given)["desired_instances"]
    costs = np.array([scenario.workload_of(preset.name).daily_cost for _, preset in given.presets], dtype=np.int64)
    at = np.unique(table["from_at"])
    instances, daily_cost = np.zeros((2, at.size), dtype=np.int64)
    for i, cost in enumerate(costs.tolist()):
        mine = table["preset_id"] == i + 1
        # A preset has a step at the window's start.
        desired = np.maximum(table["desired"][mine][np.searchsorted(table["from_at"][mine], at, side="right") - 1], 0)
        instances += desired
        daily_cost += cost * desired
    return Most(int(daily_cost.max(initial=0)), int(instances.max(initial=0)))
