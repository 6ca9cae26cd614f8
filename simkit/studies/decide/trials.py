"""What would change a decision: other build times, failures, demand, daemons; how long a pool lives if builds fail.

Everything is tried on exact runs, with the same people and the same slow builds on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from simkit.clock import DAY_US, NEVER
from simkit.decide.choice import THICKENED, THINNED
from simkit.decide.compare import Difference, compare
from simkit.decide.work import in_order, workers
from simkit.demand import scaled
from simkit.model import Scenario, Workload
from simkit.runs.counts import count
from simkit.runs.givens import givens

if TYPE_CHECKING:
    import pandas as pd

BUILD_TIME, FAILURES, DEMAND, DAEMONS = "build time", "failures", "demand", "daemons"
LONGER = 1.5
SOME_FAIL = 0.02
"""Tried where a scenario has no failures."""
TODAY, RECOMMENDED = "today's setting", "the recommendation"
FAILURE_RATES = (0.002, 0.005, 0.01, 0.02, 0.05)


@dataclass(frozen=True)
class Effect:
    """What one change, `how` of `what`, does to a preset: paired differences a week of the hit rate, which is a share,
    and of idle instance-hours."""

    what: str
    how: str
    hit_rate: Difference
    idle_hours: Difference


def sensitivity(scenario: Scenario, preset: str, seed: int, replications: int) -> tuple[Effect, ...]:
    """What changes for a preset if one thing is other than the scenario says, less and more of it.

    Build times and failures of all presets, everybody's demand, all daemons. People with sessions of their own stay as
    they are. Raises InputError if the window has no whole week.
    """
    changes = list(_changes(scenario))
    measures = ("hit_rate", "idle_hours")
    found = compare(scenario, *(one for _, _, one in changes), replications=replications, seed=seed, measures=measures)
    return tuple(
        Effect(what, how, *(changed.of(preset, measure) for measure in measures))
        for (what, how, _), changed in zip(changes, found.changes, strict=True)
    )


def widest(found: Difference) -> tuple[float, float]:
    """(low, high) of the wider of a difference's intervals; NaN where nothing is known."""
    known = [found.of_replications, *([found.of_weeks] if found.of_weeks else [])]
    best = max(known, key=lambda one: -1.0 if math.isnan(one.low) else one.high - one.low)
    return best.low, best.high


def _changes(scenario: Scenario) -> list[tuple[str, str, Scenario]]:
    """(what, how, the scenario changed so), less and then more."""
    found = []
    for factor in (1 / LONGER, LONGER):

        def longer(workload: Workload, factor: float = factor) -> Workload:
            return replace(workload, build=workload.build.stretched(factor))

        found.append((BUILD_TIME, f"x {factor:.2g}", _with_workloads(scenario, longer)))
    rates = {one.failure_probability for one in (scenario.workload, *(w for _, w in scenario.workloads))}
    if max(rates) > 0:
        found.append((FAILURES, "none", _failing(scenario, lambda _: 0.0)))
        found.append((FAILURES, "x 2", _failing(scenario, lambda rate: min(2 * rate, 1.0))))
    else:
        found.append((FAILURES, f"{SOME_FAIL:.0%}", _failing(scenario, lambda _: SOME_FAIL)))
    for factor in (THINNED, THICKENED):
        found.append((DEMAND, f"x {factor:g}", scaled(scenario, factor)))
    for factor in (0.5, 2.0):
        groups = tuple(replace(one, count=max(1, round(one.count * factor))) for one in scenario.daemons)
        found.append((DAEMONS, str(sum(one.count for one in groups)), replace(scenario, provisioners=groups)))
    return found


def _failing(scenario: Scenario, rate: Callable[[float], float]) -> Scenario:
    return _with_workloads(scenario, lambda w: replace(w, failure_probability=rate(w.failure_probability)))


def _with_workloads(scenario: Scenario, change: Callable[[Workload], Workload]) -> Scenario:
    others = tuple((name, change(workload)) for name, workload in scenario.workloads)
    return replace(scenario, workload=change(scenario.workload), workloads=others)


def until_limited(
    settings: Mapping[str, Scenario],
    preset: str,
    seed: int,
    replications: int,
    rates: Sequence[float] = FAILURE_RATES,
) -> pd.DataFrame:
    """How long a preset's pool lives at each failure rate, until the hard limit first keeps it from building.

    `settings`: scenarios by the names that people know them by. A row per setting, rate (those given and the
    scenario's own, ascending) and replication: setting, rate, is_own, replication, days (from the window's beginning;
    NaN: not within it), window_days, hard_limit (how many failures it counts; 0: it is off).
    """
    import pandas as pd

    rows = []
    with workers(None) as pool:
        for name, scenario in settings.items():
            own = scenario.workload_of(preset).failure_probability
            tried = [rate for rate in sorted({*rates, own}) if rate > 0]
            tasks = [(scenario, rate, preset, seed, r) for rate in tried for r in range(replications)]
            for (_, rate, *_, r), at in zip(tasks, in_order(pool, _limited_at, tasks), strict=True):
                days = float("nan") if at == NEVER else (at - scenario.start_at) / DAY_US
                window = (scenario.end_at - scenario.start_at) / DAY_US
                rows.append((name, rate, rate == own, r, days, window, scenario.reconciler.failure_hard_limit))
    columns = ["setting", "rate", "is_own", "replication", "days", "window_days", "hard_limit"]
    return pd.DataFrame(rows, columns=columns)


def _limited_at(task: tuple[Scenario, float, str, int, int]) -> int:
    scenario, rate, preset, seed, replication = task
    counted = count(givens(_failing(scenario, lambda _: rate), seed, replication))
    return int(counted.limited_at[counted.presets.index(preset)])
