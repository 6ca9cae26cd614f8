"""What a replay says of a deployment, in sentences with their numbers."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.decide.compare import ALL, Comparison, Difference
from simkit.demand.claims import local_day
from simkit.deployment.replay import EPOCH, Replay, Replayed, is_around
from simkit.estimates import Spread, spread
from simkit.studies.wording import Sentence
from simkit.times import Told, about, long_weekday_date

if TYPE_CHECKING:
    import pandas as pd


def is_right(of: Replay) -> bool:
    """Is what happened one of the replays, as far as hit rates and the number of days that differ go?"""
    recorded, replayed = _all_hits(of)
    differ, _, by_chance = _days(of)
    return is_around(replayed, recorded) and differ <= max(by_chance, 1)


def answer(of: Replay) -> list[Sentence]:
    """How near the replays are, and if a changed schedule can be judged by them."""
    recorded, (low, median, high) = _all_hits(of)
    differ, days, by_chance = _days(of)
    inside = is_around(Spread(low, median, high), recorded)
    numbers: dict[str, Any] = {
        "recorded_hit_rate": recorded,
        "replayed_hit_rate": median,
        "replayed_low": low,
        "replayed_high": high,
        "claims": sum(int(one.recorded["claims"]) for one in of.presets),
        "replications": of.replications,
    }
    told = [
        Sentence(
            "**simkit replays {replayed_hit_rate:.1%} where {recorded_hit_rate:.1%} happened**: so many of "
            "{claims:,} claims found a prebuild. Nine of ten of {replications} replays have {replayed_low:.1%} to "
            f"{{replayed_high:.1%}}, and what happened lies {'within' if inside else '**outside**'}.",
            numbers,
        ),
        Sentence(
            "They differ on {days_that_differ} of {days_with_claims} days of a preset: fewer or more were hits than in "
            "any replay. Chance alone makes {days_by_chance:.0f} of them at most.",
            {"days_that_differ": differ, "days_with_claims": days, "days_by_chance": by_chance},
        ),
    ]
    if differ:
        recorded, replayed = _all_hits(of, without_days=True)
        numbers = {
            "other_days_recorded": recorded,
            "other_days_replayed": replayed.median,
            "other_days_low": replayed.low,
            "other_days_high": replayed.high,
        }
        inside = is_around(replayed, recorded)
        text = (
            "Without them simkit replays {other_days_replayed:.1%} where {other_days_recorded:.1%} happened "
            f"({{other_days_low:.1%}} to {{other_days_high:.1%}}: {'within' if inside else 'still outside'})."
        )
        told.append(Sentence(text, numbers))
    outside = [one for one in of.presets if _is_outside(one)]
    if is_right(of) and not outside:
        told.append(Sentence("**A changed schedule can be judged by these replays.**", {}))
    else:
        names = ", ".join(one.preset for one in outside)
        whose = "Of {outside_presets} the hit rate lies outside. " if outside else ""
        text = f"{whose}**Look at the days below before a changed schedule is judged by these replays.**"
        told.append(Sentence(text, {"outside_presets": names} if outside else {}))
    return told


def notes(of: Replay) -> list[Sentence]:
    """What there was to say while the history was calibrated."""
    return [Sentence(f"Note: {{note_{i}}}.", {f"note_{i}": note.text}) for i, note in enumerate(of.notes, 1)]


def weeks(of: pd.DataFrame) -> Sentence:
    """In how many weeks the recorded hit rate lies outside. `of`: tables.weeks."""
    apart = of[(of["recorded"] < of["low"] - 1e-9) | (of["recorded"] > of["high"] + 1e-9)]
    numbers: dict[str, Any] = {"weeks_outside": len(apart), "weeks_of_presets": len(of)}
    text = (
        "In {weeks_outside} of {weeks_of_presets} weeks of a preset the recorded hit rate lies outside nine of ten "
        "replays; one in ten does by chance."
    )
    if len(apart):
        worst = apart.iloc[int((apart["recorded"] - apart["median"]).abs().to_numpy().argmax())]
        numbers |= {
            "worst_week": Told(long_weekday_date(worst["monday"]), worst["monday"].isoformat()),
            "worst_week_preset": worst["preset"],
            "worst_week_recorded": float(worst["recorded"]),
            "worst_week_replayed": float(worst["median"]),
        }
        text += (
            " Furthest apart is *{worst_week_preset}* in the week from {worst_week}: {worst_week_recorded:.1%}, "
            "replayed {worst_week_replayed:.1%}."
        )
    return Sentence(text, numbers)


def waits(of: Replay) -> Sentence:
    """Medians and p95 of all presets' waits."""
    mine = of.claims[of.claims["preset"].isin([one.preset for one in of.presets])]
    took = mine["took_us"].dropna() / 1e6
    by = took.groupby(mine["replication"])
    halves, tails = by.median(), by.quantile(0.95, interpolation="higher")
    if -1 not in halves.index:
        return Sentence("Nobody's wait has an end in this history.", {})
    half, tail = spread(halves.drop(-1).to_numpy()), spread(tails.drop(-1).to_numpy())
    numbers = {
        "wait_p50": about(float(halves[-1])),
        "wait_p50_replayed": about(half.median),
        "wait_p95": about(float(tails[-1])),
        "wait_p95_replayed": about(tail.median),
        "wait_p95_low": about(tail.low),
        "wait_p95_high": about(tail.high),
    }
    return Sentence(
        "Half of the people waited {wait_p50} at most (replayed {wait_p50_replayed}), 95% of them {wait_p95} (replayed "
        "{wait_p95_replayed}, {wait_p95_low} to {wait_p95_high}).",
        numbers,
    )


def day(worst: tuple[Replayed, date] | None) -> list[Sentence]:
    """What happened on the day that differs most. `worst`: tables.worst_day."""
    if worst is None:
        return [Sentence("There is no pool to show.", {})]
    one, which = worst
    numbers: dict[str, Any] = {"day": Told(long_weekday_date(which), which.isoformat()), "day_preset": one.preset}
    found = next((day for day in one.days if day.day == which), None)
    if found is None:
        text = "No day's hits are out of reach of the replays. Most differ the prebuilds of *{day_preset}* on {day}."
        return [Sentence(text, numbers)]
    numbers |= {
        "day_hits": found.hits,
        "day_claims": found.claims,
        "day_low": found.replayed.low,
        "day_high": found.replayed.high,
        "day_ran": found.running,
        "day_ran_replayed": found.replayed_running.median,
    }
    text = (
        "Most differs *{day_preset}* on {day}: {day_hits} of {day_claims} claims were hits, in the replays "
        "{day_low:.0f} to {day_high:.0f}. On average {day_ran:.1f} prebuilds ran, replayed {day_ran_replayed:.1f}."
    )
    whys = [Sentence(f"{{day_why_{i}}}", {f"day_why_{i}": why}) for i, why in enumerate(found.why, 1)]
    return [Sentence(text, numbers), *whys]


def compared(of: Comparison | None) -> list[Sentence]:
    """What the other schedule changes in a week, of all presets. `of`: setting.compared."""
    if of is None:
        return [Sentence("The history has no whole week from Monday on: nothing is compared.", {})]
    rate, idle = (of.changes[0].of(ALL, measure) for measure in ("hit_rate", "idle_hours"))
    numbers: dict[str, Any] = {
        "change": of.changes[0].name,
        "base_hit_rate": rate.base,
        "change_hit_rate": rate.change,
        "change_points": 100 * rate.difference,
        "change_idle": idle.difference,
        "base_idle": idle.base,
    }
    text = (
        "**Under *{change}* {change_hit_rate:.1%} of the same claims find a prebuild, under the schedules of their "
        f"time {{base_hit_rate:.1%}}** ({{change_points:+.1f}} points, {_certain(rate)}), for {{change_idle:+,.0f}} "
        f"idle instance-hours a week (they idle {{base_idle:,.0f}}; {_certain(idle)})."
    )
    return [Sentence(text, numbers)]


def next_steps(of: Replay, comparison: Comparison | None) -> list[Sentence]:
    """What to do now."""
    told = []
    names = ", ".join(one.preset for one in of.presets if one.days)
    if is_right(of):
        told.append("- Choose a schedule: `simkit calibrate`, then `simkit recommend`, with this history.")
    else:
        told.append(
            "- Read the table of days with who runs the deployment. What happened once (a pause, failed builds of one "
            "day) is no fault of the model; what happens on many days is something that simkit is not told: daemons, "
            "quotas, tags, or jobs of other templates."
        )
    if any("in the queue" in why for one in of.presets for day in one.days for why in day.why):
        told.append(
            "- Builds waited for a daemon: set `coder.provisioner_daemons` to what there was, and replay again."
        )
    if any("builds failed" in why for one in of.presets for day in one.days for why in day.why):
        told.append("- Builds failed on some days: `simkit ask my.duckdb failures` lists them.")
    if comparison is None or comparison.changes[0].of(ALL, "hit_rate").verdict == "open":
        told.append("- The change is not told from chance in these weeks: import more of them.")
    told.append("- Play your own change: `-p changed=SCENARIO.yaml`, such as what `simkit recommend` says.")
    told.append("- Replay again after the next month: what differs on new days was not there before.")
    numbers = {"presets_that_differ": names} if names else {}
    return [Sentence(text, numbers if not i else {}) for i, text in enumerate(told)]


def _certain(found: Difference) -> str:
    words = {"real": "a real difference", "same": "the same", "small": "small", "open": "not told from chance"}
    return words.get(found.verdict, "not known how sure")


def _all_hits(of: Replay, without_days: bool = False) -> tuple[float, Spread]:
    """The share of all claims of the presets that were hits, recorded and replayed; `without_days`: that differ."""
    mine = of.claims[of.claims["preset"].isin([one.preset for one in of.presets])]
    for one in of.presets if without_days else ():
        is_own = (mine["preset"] == one.preset).to_numpy()
        days = [day.day.toordinal() - EPOCH for day in one.days]
        mine = mine[~(is_own & np.isin(local_day(mine["at"].to_numpy(dtype=np.int64), one.zone), days))]
    rates = mine["hit"].astype(float).groupby(mine["replication"]).mean()
    return float(rates.get(-1, np.nan)), spread(rates.drop(-1, errors="ignore").to_numpy())


def _days(of: Replay) -> tuple[int, int, float]:
    """(days of a preset that differ, of how many, of how many by chance)"""
    return (
        sum(len(one.days) for one in of.presets),
        sum(one.days_with_claims for one in of.presets),
        sum(one.by_chance for one in of.presets),
    )


def _is_outside(one: Replayed) -> bool:
    recorded, replayed = one.recorded["hit_rate"], one.replayed["hit_rate"]
    return recorded == recorded and replayed.median == replayed.median and not is_around(replayed, recorded)
