"""What the quota of the prebuilds group has to do with a recommendation, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from simkit.clock import WEEK_US
from simkit.model import Scenario
from simkit.runs.counts import Counts
from simkit.runs.quota import most_asked
from simkit.times import many


def quota_said(advised: Scenario, results: Sequence[Counts], is_met: bool) -> str:
    """Did the quota end builds, does it hold what is asked for, or was there none? `results`: of the advised numbers;
    `is_met`: do they reach their targets?"""
    most, quota = most_asked(advised), advised.prebuilds_quota
    asked = f"at most {many(most.instances, 'prebuild')} at once"
    if quota is None:
        costs = f", a daily_cost of {most.daily_cost:,}" if most.daily_cost else ""
        return f"No quota was looked at: the recommended numbers ask for {asked}{costs}."
    ended = sum(int(one.above_quota.sum()) for one in results)
    if ended:
        weeks = (advised.end_at - advised.start_at) / WEEK_US * len(results)
        text = (
            f"The quota of the prebuilds group ({quota:,}) binds: it ended {ended / weeks:,.1f} builds a week of the "
            f"recommended numbers, which ask for a daily_cost of up to {most.daily_cost:,} at once"
        )
        return f"{text}; an allowance of {most.daily_cost:,} holds that." if most.daily_cost > quota else f"{text}."
    held = f"a daily_cost of {most.daily_cost:,} of {quota:,}, {asked}"
    own = (advised.workload_of(preset.name).daily_cost for one in advised.all_versions for preset in one.presets)
    costs_most = max(own, default=0)
    if not is_met and most.daily_cost + costs_most > quota:
        return f"The quota of the prebuilds group binds: it is used up ({held}), and the target takes more prebuilds."
    return f"The quota of the prebuilds group holds the recommended numbers: {held}."
