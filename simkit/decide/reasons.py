"""Why a plan is what it is, and how long people's builds wait beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simkit.clock import HOUR_US, LONG_WEEKDAYS, NEVER, SECOND_US, Int64Array, Zone
from simkit.decide.levels import Float64Array
from simkit.decide.plan import Plan
from simkit.decide.recommendation import CONFIDENCE
from simkit.decide.search import Search
from simkit.demand import hour_of_week
from simkit.runs.counts import Counts


def why(search: Search, plan: Plan, lead: int, seen: float, limit: float) -> tuple[str, ...]:
    """Three sentences, each with a number.

    `lead`: microseconds from the wish for a prebuild to one that is ready; `seen`, `limit`: as Advice has them.
    """
    claims = search.tables.claims.mean(axis=1)
    hour = int(claims.argmax())
    day, of_day = divmod(hour, 24)
    during = claims[hour] * lead / HOUR_US
    first = (
        f"Most people come on {LONG_WEEKDAYS[day]} around {of_day:02}:00, {claims[hour]:.1f} an hour, which is "
        f"{during:.1f} while one prebuild is made; {int(plan.levels[hour])} are warm then."
    )
    now = search.fit(plan)
    weeks = now.hits.size

    def other(changed: Plan) -> tuple[float, float]:
        fit = search.fit(changed)
        return (now.hits - fit.hits).sum() / weeks, (now.idle_hours - fit.idle_hours).sum() / weeks

    busiest = max(plan.blocks, key=lambda b: b.instances, default=None)

    def with_step(step: int) -> Plan:
        if busiest is None:
            return replace(plan, base=plan.base + step)
        changed = replace(busiest, instances=busiest.instances + step)
        return replace(plan, blocks=tuple(changed if b is busiest else b for b in plan.blocks))

    where = "at all hours" if busiest is None else f"on {busiest.words}"
    if (plan.base if busiest is None else busiest.instances) > search.least:
        lost, saved = other(with_step(-1))
        second = (
            f"One fewer {where} would save {saved:,.0f} idle instance-hours a week and leave {lost:,.1f} more "
            "people a week without a prebuild."
        )
    else:
        won, more = other(with_step(1))
        second = (
            f"One more {where} would cost {-more:,.0f} idle instance-hours a week and serve {-won:,.1f} more "
            "people a week."
        )
    sure = f"with a confidence of {CONFIDENCE:.0%} the next is not below {limit:.1%}."
    third = f"It aims higher than the target, at {seen:.1%} on the {weeks} weeks seen, because quarters differ: {sure}"
    if search.least and plan == Plan(search.least):
        third = (
            f"It is above the target, at {seen:.1%} on the {weeks} weeks seen, because fewer than {search.least} would "
            f"drown in the hard limit; of quarters, {sure}"
        )
    return first, second, third


@dataclass(frozen=True)
class Queued:
    """By hour of the day: how long people's builds wait for a daemon, on average, and how many prebuilds are ordered in
    such an hour, by how long people wait on each day."""

    wait_s: Float64Array
    builds: Float64Array


def queued(results: Sequence[Counts], zone: Zone) -> Queued:
    waited, many, builds = np.zeros(24), np.zeros(24), np.zeros(24)
    for one in results:
        took = one.queued_us != NEVER
        at, wait_s = one.claimed_at[took], one.queued_us[took] / SECOND_US
        hour = _hour_of_day(at, zone)
        waited += np.bincount(hour, wait_s, 24)
        many += np.bincount(hour, minlength=24)
        span = np.clip(np.searchsorted(one.edges, at, side="right") - 1, 0, one.edges.size - 2)
        builds += np.bincount(hour, wait_s * one.builds.sum(axis=0)[span], 24)
    return Queued(waited / np.maximum(many, 1), np.divide(builds, waited, out=np.zeros(24), where=waited > 0))


def _hour_of_day(at: Int64Array, zone: Zone) -> Int64Array:
    return hour_of_week(at, zone) % 24
