"""What a run came to, said alike on a terminal and in a report: hard limits, the reaper, the quota, instance-hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.clock import Zone
from simkit.estimates import spread
from simkit.model import Scenario
from simkit.runs.quota import most_asked
from simkit.studies.wording import Sentence, as_instant, day_and_time, zone_of
from simkit.times import hours_text, plural

if TYPE_CHECKING:
    import pandas as pd


def hard_limits(answer: pd.DataFrame, runs: int = 1) -> list[Sentence]:
    """A sentence for each preset that was hard-limited: since when, for how long, what it cost and what ends it.

    Most misses first; beyond _MOST_LIMITED of them the others are only named. `answer`: hard_limits, of `runs` runs;
    over several, numbers and instants are those of the middle one by when it was stopped.
    """
    misses = answer.groupby("preset", sort=False)["misses"].sum().sort_values(ascending=False, kind="stable")
    presets = [str(preset) for preset in misses.index]
    told = [
        _hard_limit(i, preset, answer[answer["preset"] == preset], runs)
        for i, preset in enumerate(presets[:_MOST_LIMITED], start=1)
    ]
    if others := presets[_MOST_LIMITED:]:
        numbers = {"hard_limit_more": len(others), "hard_limit_more_presets": ", ".join(others)}
        text = "**The hard limit stopped {hard_limit_more} more**, with fewer misses: {hard_limit_more_presets}."
        told.append(Sentence(text, numbers))
    return told


_MOST_LIMITED = 6


def middle(begins: pd.Series[Any]) -> Any:
    """The label of the run in the middle, by when each began: its numbers belong together, which medians do not."""
    return begins.sort_values(kind="stable").index[(len(begins) - 1) // 2]


def _hard_limit(number: int, preset: str, mine: pd.DataFrame, runs: int) -> Sentence:
    name = f"hard_limit_{number}"
    where = zone_of(mine["timezone"].iloc[0])
    per_run = mine.groupby("run_id", sort=False)
    sums, spans = per_run[["hours", "claims", "misses"]].sum(), round(spread(per_run.size()).median)
    begins = per_run["from_at"].min()
    found = sums.loc[middle(begins)]
    since = spread(begins.map(as_instant))
    numbers: dict[str, Any] = {
        f"{name}_preset": preset,
        f"{name}_failures": int(mine["failures"].iloc[0]),
        f"{name}_for": days_text(found["hours"]),
        f"{name}_hours": float(found["hours"]),
        f"{name}_claims": round(found["claims"]),
        f"{name}_misses": round(found["misses"]),
        **day_and_time(int(since.median), where, f"{name}_since"),
    }
    text = f"**The hard limit stopped *{{{name}_preset}}*"
    if runs > 1:
        text += f" in {{{name}_runs}} of {runs} replications"
        numbers[f"{name}_runs"] = len(per_run)
    begun = f"{{{name}_since_day}} at {{{name}_since_time}}"
    if len(per_run) > 1:
        text += f"**, in half of these by {begun} (nine of ten: {{{name}_early_day}} to {{{name}_late_day}})"
        for end, at in (("early", since.low), ("late", since.high)):
            numbers[f"{name}_{end}_day"] = day_and_time(int(at), where, "")["_day"]
    else:
        text += f"**, {'first ' if spans > 1 else ''}on {begun}"
    if spans > 1:
        text += f" and {{{name}_times}} times in all"
        numbers[f"{name}_times"] = spans
    text += (
        f", for {{{name}_for}}: its newest {{{name}_failures}} {plural('prebuild', numbers[f'{name}_failures'])} had "
        "failed, and Coder builds no more then. "
    )
    if numbers[f"{name}_claims"]:
        asked = plural("claim", numbers[f"{name}_claims"])
        text += f"{{{name}_misses:,}} of the {{{name}_claims:,}} {asked} of that time found no prebuild. "
    else:
        text += "Nobody asked for one in that time. "
    ends, end_numbers = _ends(name, mine, where)
    return Sentence(text + ends, numbers | end_numbers)


_ENDS = {"deletion": "the deletion of failed prebuilds", "version": "a new version of the template"}
_NOTHING = (
    "What does: deleting its failed prebuilds (`failures: {{cleared_after: 1d}}` in the scenario plays an operator who "
    "does so), or a new version of the template."
)


def _ends(name: str, mine: pd.DataFrame, where: Zone) -> Sentence:
    """What ended the last hard limit of each run; in the numbers the commonest of it."""
    last = mine.groupby("run_id", sort=False).tail(1)
    ended = last[last["ended_by"].notna()]
    if ended.empty:
        return Sentence(f"Nothing ended it in this window. {_NOTHING}", {f"{name}_ended_by": "nothing"})
    by = str(ended["ended_by"].mode().iloc[0])
    what = _ENDS[by]
    numbers: dict[str, Any] = {f"{name}_ended_by": by}
    if len(last) == 1:
        numbers |= day_and_time(as_instant(ended["until_at"].iloc[0]), where, f"{name}_until")
        text = f"{what[0].upper()}{what[1:]} ended it on {{{name}_until_day}} at {{{name}_until_time}}."
        return Sentence(text, numbers)
    what = " or ".join(told for end, told in _ENDS.items() if end in set(ended["ended_by"]))
    text = f"{what[0].upper()}{what[1:]} ended it"
    if len(ended) == len(last):
        return Sentence(f"{text}.", numbers)
    numbers[f"{name}_ended_runs"] = len(ended)
    return Sentence(f"{text} in {{{name}_ended_runs}} of these before the window did. {_NOTHING}", numbers)


def reaped(answer: pd.DataFrame, scenario: Scenario, runs: int = 1) -> list[Sentence]:
    """A sentence about the jobs that the reaper ended, if there are any. `answer`: reaped, of `runs` runs."""
    if not len(answer):
        return []
    counts = answer.groupby("run_id")[["jobs", "of_prebuilds", "of_people"]].sum()
    missing = runs - len(counts)
    found = {
        column: round(spread(np.append(counts[column].to_numpy(float), np.zeros(missing))).median) for column in counts
    }
    first = answer.sort_values("first_at", kind="stable").iloc[0]
    numbers: dict[str, Any] = {
        "reaped_jobs": found["jobs"],
        "reaped_of_prebuilds": found["of_prebuilds"],
        "reaped_of_people": found["of_people"],
        "reaped_daemons": sum(group.count for group in scenario.daemons),
        **day_and_time(as_instant(first["first_at"]), zone_of(first["timezone"]), "reaped_since"),
    }
    of_runs = ""
    if runs > 1:
        numbers["reaped_runs"] = len(counts)
        of_runs = f" (median; {{reaped_runs}} of {runs} replications)"
    daemons = "daemon is" if numbers["reaped_daemons"] == 1 else "daemons are"
    text = (
        f"**The reaper ended {{reaped_jobs:,}} {plural('job', found['jobs'])}**{of_runs} that no daemon had taken for "
        "30 minutes, first on {reaped_since_day} at {reaped_since_time}: {reaped_of_prebuilds:,} of prebuilds, which "
        "count as failed builds if they were to build one, and {reaped_of_people:,} of people, who got nothing. "
        f"{{reaped_daemons}} provisioner {daemons} too few at such times, or their tags let them take too little."
    )
    return [Sentence(text, numbers)]


def quota(answer: pd.DataFrame, scenario: Scenario, runs: int = 1) -> list[Sentence]:
    """A sentence about the builds that the quota ended, if there are any. `answer`: quota, of `runs` runs."""
    if not len(answer):
        return []
    counts = answer.groupby("run_id").size()
    count = round(spread(np.append(counts.to_numpy(float), np.zeros(runs - len(counts)))).median)
    by_preset = answer["preset"].value_counts()
    first, most = answer.sort_values("happened_at", kind="stable").iloc[0], most_asked(scenario)
    numbers: dict[str, Any] = {
        "above_quota": count,
        "quota": scenario.prebuilds_quota,
        "quota_presets": ", ".join(str(name) for name in by_preset.index),
        "quota_asked": most.daily_cost,
        **day_and_time(as_instant(first["happened_at"]), zone_of(first["timezone"]), "quota_since"),
    }
    of_runs = ""
    if runs > 1:
        numbers["quota_runs"] = len(counts)
        of_runs = f" (median; {{quota_runs}} of {runs} replications)"
    text = (
        f"**The quota of the prebuilds group ended {{above_quota:,}} {plural('build', count)}**{of_runs}, first on "
        "{quota_since_day} at {quota_since_time}, of {quota_presets}: it allows {quota:,} a day, and the schedules ask "
        "for up to {quota_asked:,} at once. Each counts as a failed build, for backoff and the hard limit, too. "
    )
    if most.daily_cost > (scenario.prebuilds_quota or 0):
        text += "An allowance of {quota_asked:,} holds what they ask for; so do fewer instances at once."
    else:
        text += "While pools change more stands than they ask for, which takes a larger allowance."
    return [Sentence(text, numbers)]


def days_text(hours: float) -> str:
    """How long, as people say it: from two days on in days."""
    return f"{hours / 24:,.1f} days".replace(".0 days", " days") if hours >= 48 else hours_text(hours)


def spent(hours: pd.DataFrame, scenario: Scenario) -> Sentence:
    """What all instances ran and cost, by what they were. `hours`: of any number of runs of the scenario."""
    names = [str(name) for name in hours.columns if str(name).endswith(("_hours", "_cost", "_per_week"))]
    sums = hours.groupby("run_id")[names].sum()
    of: dict[str, Any] = {name: spread(sums[name]).median for name in names}
    costs = of["billed_cost"] > 0
    text = (
        "**The pools ran {pool_hours:,.0f} instance-hours in this window**: {building_hours:,.0f} building, "
        "{idle_hours:,.0f} idle, {deleting_hours:,.0f} being deleted"
    )
    text += (
        ", which costs {pool_cost:,.0f} {currency}, {pool_cost_per_week:,.0f} {currency} a week. " if costs else ". "
    )
    beside = []
    if round(of["failed_hours"]):
        beside.append("{failed_hours:,.0f} that failed builds left behind")
    if has_people := not leaves_out_people(scenario):
        beside.append("{claimed_hours:,.0f} claimed by people")
    else:
        of = {name: value for name, value in of.items() if not name.startswith(("claimed", "billed"))}
        totals = without_people(hours).groupby("run_id")[["total_hours", "total_cost"]].sum()
        weeks = float(hours["weeks"].iloc[0])
        of |= {name: spread(totals[name]).median for name in ("total_hours", "total_cost")} | {
            "total_cost_per_week": spread(totals["total_cost"]).median / weeks
        }
    if beside:
        total = "billed" if has_people else "total"
        text += f"With {' and '.join(beside)} that is {{{total}_hours:,.0f}}"
        text += (
            f": {{{total}_cost:,.0f}} {{currency}}, {{{total}_cost_per_week:,.0f}} {{currency}} a week. "
            if costs
            else ". "
        )
    text += strangers_note(hours, scenario)
    if not costs:
        of = {name: value for name, value in of.items() if not name.endswith(("_cost", "_per_week"))}
    return Sentence(text.rstrip(), of | ({"currency": str(hours["currency"].iloc[0])} if costs else {}))


def leaves_out_people(scenario: Scenario) -> bool:
    """Nothing in the scenario says when claimed workspaces stop, so that no total of theirs is one of a bill."""
    return bool(scenario.demand) and not scenario.people


def without_people(hours: pd.DataFrame) -> pd.DataFrame:
    """The answer with the hours and the cost of all that belongs to nobody: `total_hours`, `total_cost`."""
    total = hours["pool_hours"] + hours["failed_hours"]
    rate = (hours["billed_cost"] / hours["billed_hours"]).fillna(0.0)
    return hours.assign(total_hours=total, total_cost=total * rate)


def strangers_note(hours: pd.DataFrame, scenario: Scenario) -> str:
    """What the hours of claimed workspaces leave open; "" where the scenario knows when they stop."""
    if not scenario.demand or not hours["claimed_hours"].any():
        return ""
    if leaves_out_people(scenario):
        return (
            "Workspaces that somebody has claimed are not in it, for nothing in the scenario stops them: add theirs to "
            "match a bill, or write `people`."
        )
    return "A workspace that somebody of the demand claims is counted to the window's end, for nothing stops it."
