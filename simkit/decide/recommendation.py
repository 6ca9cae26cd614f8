"""What is recommended: the types of it."""

from __future__ import annotations

from dataclasses import dataclass

from simkit.decide.bounds import Rung
from simkit.decide.holidays import Exceptions
from simkit.decide.margins import Outlook
from simkit.decide.plan import Plan
from simkit.estimates import Interval, share_interval
from simkit.model import Preset, Scenario

CONFIDENCE = 0.8
"""That the next quarter is not below the target."""
NOTICED_US = 30_000_000
"""A wait that people notice."""


P95_TARGET = 0.95
PRINTED = 0.0005
"""Shares are printed to a tenth of a percent; what is less is no difference."""


@dataclass(frozen=True)
class Outcome:
    """What one preset has in a run, a week: `wait_p50_s`, `wait_p95_s` NaN if nobody was served in time; hours are
    instance-hours, those of the pool building, idle and deleting; `limited_at`: since when the hard limit holds, or
    NEVER."""

    hit_rate: float
    wait_p50_s: float
    wait_p95_s: float
    claims_per_week: float
    builds_per_week: float
    idle_hours_per_week: float
    pool_hours_per_week: float
    cost_per_week: float
    limited_at: int


@dataclass(frozen=True)
class HeldOut:
    """What weeks say that a plan was not chosen by: today's setting and the plan's. `plan` is the recommended one, or,
    where that was chosen by all weeks, what the same way chooses without these."""

    weeks: int
    plan: Plan
    is_recommended: bool
    now_rate: float
    now_idle_hours: float
    rate: float
    idle_hours: float


@dataclass(frozen=True)
class Point:
    """A plan on the front: nothing found is as good in hit rate and limit (see Advice) and idles less."""

    plan: Plan
    hit_rate: float
    limit: float
    idle_hours_per_week: float
    cost_per_week: float


@dataclass(frozen=True)
class Drowned:
    """What the hard limit ends to the end of a window of so many weeks: after how many days, in each of the
    replications in which it does."""

    after_days: tuple[float, ...]
    replications: int
    weeks: float

    @property
    def share(self) -> Interval:
        """Of all replications that might be made."""
        return share_interval(len(self.after_days), self.replications)


@dataclass(frozen=True)
class InTime:
    """Which share of people are served `within_s` seconds on the weeks seen, and what the next quarter is not below."""

    within_s: float
    seen: float
    limit: float

    @property
    def is_met(self) -> bool:
        """Are nineteen of twenty, so that p95 of the wait is no longer?"""
        return self.limit >= P95_TARGET - PRINTED


@dataclass(frozen=True)
class Advice:
    """What to set for one preset, and what is known of it."""

    now: Preset
    preset: Preset
    plan: Plan
    timezone: str
    target: float
    aim: float
    """The hit rate on the weeks seen that makes the target likely in the next quarter."""
    limit: float
    """What the next quarter is not below, with CONFIDENCE, be it a busier one, less what plans lose on weeks that they
    were not chosen by."""
    before: Outcome
    after: Outcome
    held_out: HeldOut | None
    outlook: Outlook
    front: tuple[Point, ...]
    ladder: tuple[Rung, ...]
    why: tuple[str, ...]
    bound: tuple[str, ...]
    """What bound the answer, a sentence each."""
    drowned: Drowned | None = None
    """None if the hard limit ends it in no replication."""
    exceptions: Exceptions | None = None
    """What to do about holidays, if any are named."""
    in_time: InTime | None = None
    """None if no wait was asked for."""

    @property
    def is_target_met(self) -> bool:
        return self.limit >= self.target - PRINTED

    @property
    def is_met(self) -> bool:
        """The target, and the wait, if one was asked for."""
        return self.is_target_met and (self.in_time is None or self.in_time.is_met)


@dataclass(frozen=True)
class Queue:
    """How long people's builds wait for a daemon in the hour of the day in which that is worst, and behind what."""

    hour: int
    before_s: float
    after_s: float
    own_s: float | None
    """What they would wait if prebuilds were built by other daemons; None where daemons have tags already."""
    builds: float
    """Prebuilds ordered in such an hour, on the days on which people wait."""
    daemons: int
    mending_daemons: int | None
    """With so many nobody waits NOTICED_US in any hour of the day, on average; None if none tried does that."""


@dataclass(frozen=True)
class Recommendation:
    """What to set in a scenario. `runs`: how many full runs of the kernel it took; `left_out_weeks`: how many weeks
    have a holiday, and neither choose nor judge."""

    scenario: Scenario
    advised: Scenario
    seed: int
    weeks: int
    fitted_weeks: int
    presets: tuple[Advice, ...]
    queue: Queue | None
    runs: int
    notes: tuple[str, ...]
    left_out_weeks: int = 0
    over_cost: float = 0.0
    """How much a week above what it may cost."""

    @property
    def is_met(self) -> bool:
        return all(one.is_met for one in self.presets) and not self.over_cost
