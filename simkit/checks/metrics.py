"""The numbers that a test may ask a simulation for, and whether replications settle a bound on one.

The interval is Student's t over independent replications: each replication gives one number, their mean is the
estimate. (Law, Simulation Modeling and Analysis, on terminating simulations: the fixed-sample-size procedure.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from simkit.checks.types import Bound, Estimate
from simkit.clock import SECOND_US, WEEK_US, format_duration

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
_MOST_REPLICATIONS = 100_000
"""Nobody waits for more; the answer is then that the bound is too near the estimate."""

Verdict = Literal["holds", "fails", "open"]


@dataclass(frozen=True)
class Metric:
    """A number of one run. `kind` is how a test writes it: a share from 0 to 1, a duration (in seconds) or a number."""

    column: str
    kind: Literal["share", "duration", "number"]
    per_week: bool = False

    def values(self, summary: pd.DataFrame, window_us: int) -> list[float]:
        """One number per run out of the question `summary`; NaN where a run has none."""
        weeks = window_us / WEEK_US if self.per_week else 1.0
        return [float(value) / weeks for value in summary[self.column]]

    def show(self, value: float) -> str:
        if self.kind == "share":
            # Cut and not rounded: what is below a bound never reads as if it had reached it.
            return f"{math.floor(value * 1000 + 1e-9) / 10:g} %"
        if self.kind == "duration":
            if value < 600:
                return f"{value:.1f}".removesuffix(".0") + "s"
            return format_duration(round(value) * SECOND_US)
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
    known = np.array([value for value in values if not math.isnan(value)], dtype=np.float64)
    if not known.size:
        return "fails", None
    mean = float(known.mean())
    spread = float(known.std(ddof=1)) if known.size > 1 and np.ptp(known) else 0.0
    half = t_quantile(known.size - 1) * spread / math.sqrt(known.size) if spread else 0.0
    low, high = mean - half, mean + half
    if bound.exactly is not None:
        is_every = all(bound.holds(value) for value in known.tolist())
        return "holds" if is_every else "fails", Estimate(mean, low, high, known.size, 0)
    verdict = _side(bound, low, high) if known.size > 1 else "open"
    needed: int | None = 0
    if verdict == "open":
        gaps = [abs(mean - value) for _, value in bound.limits]
        needed = _needed(spread, min(gaps), known.size) if known.size > 1 else 2
    return verdict, Estimate(mean, low, high, known.size, needed)


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


def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """How far from 0 Student's t is with this confidence, for whole degrees of freedom of 1 or more."""
    low, high = 0.0, 1.0
    while _t_within(high, freedom) < confidence:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_within(middle, freedom) < confidence else (low, middle)
    return high


def _t_within(t: float, freedom: int) -> float:
    """P(|T| <= t): the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4; the normal beyond 1,000 degrees."""
    if freedom > 1000:
        return math.erf(t * (1 - 1 / (4 * freedom)) / math.sqrt(2 * (1 + t * t / (2 * freedom))))
    angle = math.atan2(t, math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    if freedom % 2 == 0:
        total = term = 1.0
        for k in range(1, freedom // 2):
            term *= square * (2 * k - 1) / (2 * k)
            total += term
        return sine * total
    total = 0.0
    if freedom > 1:
        total = term = math.cos(angle)
        for k in range(1, (freedom - 1) // 2):
            term *= square * (2 * k) / (2 * k + 1)
            total += term
    return 2 / math.pi * (angle + sine * total)
