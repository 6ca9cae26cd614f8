"""What is asked of a recommendation, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simkit.clock import SECOND_US
from simkit.decide.holidays import midnight, ordinary_weeks
from simkit.decide.levels import Calendar
from simkit.decide.recommendation import P95_TARGET
from simkit.errors import Finding, InputError, Where, did_you_mean
from simkit.model import Distribution, History, Holiday, Preset, Scenario, Workload

FEWEST_WEEKS = 4
ENOUGH_WEEKS = 26
"""So many weeks of a profile are drawn, or some more."""


@dataclass(frozen=True)
class Asked:
    scenario: Scenario
    target: float
    max_wait_p95_s: float | None
    max_cost_per_week: float | None
    max_schedules: int
    preset: str | None
    holdout_weeks: int | None
    seed: int
    holidays: tuple[Holiday, ...] = ()

    def check(self) -> None:
        """Raises InputError with every problem."""
        problems: list[tuple[str, str]] = []
        if not 0 < self.target < 1:  # NaN is neither
            text = f"a target of {self.target:g} "
            if self.target == 1:
                text += "can be promised by no pool, as two people may come within one build; write 0.99 at most"
            elif self.target == 0:
                text += "needs no pool at all; write a share of the claims such as 0.95"
            else:
                text += "is no share of the claims; write 0.95 or 95%"
            problems.append(("--target-hit-rate", text))
        if self.max_schedules < 0 or self.max_schedules > 5:
            problems.append(("--max-schedules", f"is {self.max_schedules}; write 0 to 5"))
        names = {p.name for p in presets_of(self.scenario)}
        theirs = sorted(names if self.preset is None else names & {self.preset})
        if self.max_cost_per_week is not None and not any(
            self.scenario.workload_of(name).cost_per_instance_hour for name in theirs or names
        ):
            text = "needs a price; give the scenario `cost: {per_instance_hour: 0.40}`"
            problems.append(("--max-cost-per-week", text))
        if self.max_cost_per_week is not None and not self.max_cost_per_week > 0:
            problems.append(
                (
                    "--max-cost-per-week",
                    f"is {self.max_cost_per_week:g}; write an amount above 0, as a pool that may cost nothing is none",
                )
            )
        wanted = claims_of(self.scenario)
        if self.max_wait_p95_s is not None:
            problems += self._waits(self.max_wait_p95_s, [name for name in theirs if name in wanted])
        if self.holdout_weeks is not None and self.holdout_weeks < 1:
            text = f"{self.holdout_weeks} weeks cannot judge; write 13w, or leave it out to choose by all weeks"
            problems.append(("--holdout", text))
        if self.preset is not None and self.preset not in names:
            problems.append(("--preset", f'there is no preset "{self.preset}"; {did_you_mean(self.preset, names)}'))
        if not wanted or (self.preset in names and self.preset not in wanted):
            whose = f'the preset "{self.preset}"' if self.preset in names else "any preset"
            text = f"nobody asks for {whose} in the scenario's window; give it a `demand`"
            problems.append((self.scenario.where.path, text))
        else:
            calendar = Calendar.of(self.scenario.zone, self.scenario.start_at, self.scenario.end_at)
            weeks = calendar.weeks
            is_drawn = not isinstance(self.scenario.demand, History)
            with_holidays = 0 if is_drawn or not weeks else int(self._have_holidays(calendar).sum())
            if is_drawn and not weeks:
                text = "its window is shorter than a week, of which each hour has to be known; widen `window`"
                problems.append((self.scenario.where.path, text))
            elif is_drawn and weeks_drawn(weeks) - (self.holdout_weeks or 0) < FEWEST_WEEKS:
                drawn = weeks_drawn(weeks)
                text = f"{drawn} weeks are drawn, of which {FEWEST_WEEKS} have to choose; write "
                text += f"{drawn - FEWEST_WEEKS}w at most"
                problems.append(("--holdout", text))
            elif not is_drawn and weeks - with_holidays - (self.holdout_weeks or 0) < FEWEST_WEEKS:
                less = f" less {self.holdout_weeks} held out" if self.holdout_weeks else ""
                if with_holidays:
                    less += f" less {with_holidays} with a holiday"
                whole = "1 whole week" if weeks == 1 else f"{weeks} whole weeks"
                text = (
                    f"its window has {whole}{less}; a setting for the weeks to come needs at least "
                    f"{FEWEST_WEEKS}, as weeks differ more than anything else: widen `window` if the history has more"
                )
                problems.append((self.scenario.where.path, text))
        if self.holidays and all(midnight(h.day, self.scenario.zone) < self.scenario.start_at for h in self.holidays):
            last = max(one.day for one in self.holidays)
            text = f"the last of them, {last}, is before the window; add those in it, or to come"
            problems.append(("--holidays", text))
        if problems:
            raise InputError(Finding("error", Where(at), text) for at, text in problems)

    def _waits(self, most_s: float, names: Sequence[str]) -> list[tuple[str, str]]:
        """What is wrong with a limit of the wait: claims that take longer by themselves than it allows."""
        if not 0 <= most_s < math.inf:
            return [("--max-wait-p95", f"is {most_s:g} s; write a duration such as 60s")]
        found = []
        for name in names:
            workload = self.scenario.workload_of(name)
            if _share_served(workload, round(most_s * SECOND_US)) < P95_TARGET:
                most = math.ceil(_least_wait_us(workload) / SECOND_US)
                text = (
                    f'nineteen of twenty cannot wait {most_s:g} s at most for "{name}": to claim a prebuild, or to '
                    f"build a workspace, takes longer by itself, whatever is set; write {most}s or more"
                )
                found.append(("--max-wait-p95", text))
        return found

    def _have_holidays(self, calendar: Calendar) -> npt.NDArray[np.bool_]:
        """Which of its weeks that choose: bool[w]."""
        have = ~ordinary_weeks(calendar, self.scenario.zone, self.holidays)
        have[calendar.weeks - (self.holdout_weeks or 0) :] = False
        return have


def weeks_drawn(weeks: int) -> int:
    """How many weeks of a demand that is drawn choose, of a window of so many whole ones: it is drawn until they are
    enough."""
    return -(-ENOUGH_WEEKS // weeks) * weeks


def _share_served(workload: Workload, within_us: int) -> float:
    """The share of people who could be served in this time if a prebuild, or a daemon, always stood ready."""

    def share(one: Distribution, other: Distribution) -> float:
        left = within_us - np.array(one.samples, dtype=np.int64)
        among = np.sort(np.array(other.samples, dtype=np.int64))
        return float(np.searchsorted(among, left, side="right").mean()) / among.size

    return max(share(workload.claim, workload.reinitialize), share(workload.build, workload.agent))


def _least_wait_us(workload: Workload) -> int:
    """The least time in which nineteen of twenty could be served."""
    low, high = 0, max(workload.claim.samples) + max(workload.reinitialize.samples)
    while low < high:
        middle = (low + high) // 2
        if _share_served(workload, middle) < P95_TARGET:
            low = middle + 1
        else:
            high = middle
    return low


def presets_of(scenario: Scenario) -> list[Preset]:
    """Those of the versions that are active at the end, by name once."""
    return list({p.name: p for version in scenario.all_versions for p in version.presets}.values())


def claims_of(scenario: Scenario) -> dict[str, int]:
    """How many claims there are in the window for each preset of a history, 1 for those with a profile or people."""
    found: dict[str, int] = {}
    if isinstance(scenario.demand, History):
        at = scenario.demand.claim_at
        inside = (at >= scenario.start_at) & (at <= scenario.end_at)
        for name, is_in in zip(scenario.demand.preset, inside.tolist(), strict=True):
            if is_in:
                found[name] = found.get(name, 0) + 1
    else:
        found = {p.preset: 1 for p in scenario.demand if sum(p.claims_per_hour) > 0}
    return found | {p.preset: 1 for p in scenario.people if p.preset not in found}


def drowns_below(scenario: Scenario, name: str) -> int:
    """The least number of a preset that failures alone do not drown: as many stand failed sooner or later as the hard
    limit counts, where some builds fail and nobody deletes them. 0 where none drowns."""
    workload = scenario.workload_of(name)
    piles_up = workload.failure_probability > 0 and not workload.failed_cleared_after_us
    return scenario.reconciler.failure_hard_limit if piles_up else 0
