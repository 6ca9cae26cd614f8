"""The numbers that a test may ask a simulation for, and whether replications settle a bound on one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from simkit.clock import SECOND_US
from simkit.estimates import deviation, mean_interval, t_quantile
from simkit.templates.check.types import Bound, Estimate
from simkit.times import rounded, tenths

if TYPE_CHECKING:
    from simkit.runs.measures import Measures

_MOST_REPLICATIONS = 100_000
"""Nobody waits for more; the answer is then that the bound is too near the estimate."""

Verdict = Literal["holds", "fails", "open"]


@dataclass(frozen=True)
class Metric:
    """A number of one run. `kind` is how a test writes it: a share from 0 to 1, a duration (in seconds) or a number."""

    column: str
    """Of `Measures.columns`."""
    kind: Literal["share", "duration", "number"]
    per_week: bool = False

    def values(self, runs: Sequence[Measures], preset: str) -> list[float]:
        """One number per run; NaN where a run has none."""
        return [
            float(of.columns[self.column][of.presets.index(preset)]) / (of.weeks if self.per_week else 1.0)
            for of in runs
        ]

    def show(self, value: float) -> str:
        if self.kind == "share":
            # Cut and not rounded: what is below a bound never reads as if it had reached it.
            return f"{math.floor(value * 1000 + 1e-9) / 10:g} %"
        if self.kind == "duration":
            # Tenths also of a minute and more, so that what misses a bound does not read as if it were the bound.
            return tenths(value) if value < 600 else rounded(value * SECOND_US, SECOND_US)
        return f"{value:,.2f}".removesuffix(".00")

    def show_limit(self, value: float) -> str:
        """A number as somebody wrote it, with all of its digits."""
        return f"{value * 100:.10g} %" if self.kind == "share" else self.show(value)


METRICS: Mapping[str, Metric] = {
    "hit_rate": Metric("hit_rate", "share"),
    "wait_p50": Metric("wait_p50_s", "duration"),
    "wait_p95": Metric("wait_p95_s", "duration"),
    "wait_p99": Metric("wait_p99_s", "duration"),
    "idle_cost_per_week": Metric("idle_cost", "number", per_week=True),
    "pool_cost_per_week": Metric("pool_cost", "number", per_week=True),
    "pool_instance_hours_per_week": Metric("pool_instance_hours", "number", per_week=True),
    "idle_instance_hours_per_week": Metric("idle_instance_hours", "number", per_week=True),
    "claims_per_week": Metric("claims", "number", per_week=True),
    "builds_per_week": Metric("builds", "number", per_week=True),
    "failed_builds": Metric("failed_builds", "number"),
    "failed_builds_per_week": Metric("failed_builds", "number", per_week=True),
}


def judge(bound: Bound, values: Sequence[float]) -> tuple[Verdict, Estimate | None]:
    """Does the bound hold, fail, or is it too close to call? None: no replication gave a number, which fails.

    A limit holds if the whole interval of the mean is on its good side, and fails if none of it is. An exact number has
    to come out of every replication.
    """
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "fails", None
    mean, low, high = mean_interval(known)
    if len(known) == 1:
        low = high = mean
    if bound.exactly is not None:
        is_every = all(bound.holds(value) for value in known)
        return "holds" if is_every else "fails", Estimate(mean, low, high, len(known), 0)
    verdict = _side(bound, low, high) if len(known) > 1 else "open"
    needed: int | None = 0
    if verdict == "open":
        gaps = [abs(mean - value) for _, value in bound.limits]
        needed = _needed(deviation(known), min(gaps), len(known)) if len(known) > 1 else 2
    return verdict, Estimate(mean, low, high, len(known), needed)


def _side(bound: Bound, low: float, high: float) -> Verdict:
    if bound.holds(low) and bound.holds(high):
        return "holds"
    too_low = bound.at_least is not None and high < bound.at_least
    too_high = bound.at_most is not None and low > bound.at_most
    return "fails" if too_low or too_high else "open"


def _needed(spread: float, gap: float, have: int) -> int | None:
    """The fewest replications whose interval would leave the bound outside, were mean and spread to stay."""
    low, high = have, have
    while t_quantile(high - 1) * spread / math.sqrt(high) >= gap:
        low, high = high, 2 * high
        if high > _MOST_REPLICATIONS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        is_enough = t_quantile(middle - 1) * spread / math.sqrt(middle) < gap
        low, high = (low, middle) if is_enough else (middle, high)
    return high
