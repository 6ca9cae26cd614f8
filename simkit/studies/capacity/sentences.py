"""What pools do, in sentences with the numbers of a run, and a table of all presets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simkit.clock import LONG_WEEKDAYS, Zone
from simkit.errors import Finding, InputError, Where
from simkit.estimates import spread
from simkit.model import Scenario
from simkit.runs.simulate import chance
from simkit.studies.outcome import days_text, middle
from simkit.studies.tables import Table
from simkit.studies.wording import (
    Sentence,
    as_instant,
    day_and_time,
    largest,
    percent,
    range_of,
    zone_of,
)
from simkit.times import about, day_month, plural, short_weekday

if TYPE_CHECKING:
    import pandas as pd


def served(summary: pd.DataFrame) -> Sentence:
    """Hit rate of all pools together; a preset without a pool has none. `summary`: of any number of runs."""
    pooled = summary[summary["has_pool"]]
    sums = pooled.groupby("run_id")[["claims", "hits"]].sum()
    without = summary[~summary["has_pool"]]
    text, others = "", {}
    if without["claims"].sum():
        count = round(spread(without.groupby("run_id")["claims"].sum()).median)
        text = (
            f" {{unpooled_claims:,}} {'claim was' if count == 1 else 'claims were'} for presets without a pool "
            f"({{unpooled}}), and {'is' if count == 1 else 'are'} not among them."
        )
        others = {
            "unpooled_claims": count,
            "unpooled": ", ".join(dict.fromkeys(without["preset"])),
        }
    if not len(sums) or not sums["claims"].any():
        asked = "for a workspace of a preset with a pool" if text else "for a workspace"
        return Sentence(f"Nobody asked {asked} in this window.{text}", others)
    numbers: dict[str, Any] = {"claims": round(spread(sums["claims"]).median), **others}
    rate = spread(sums["hits"] / sums["claims"])
    numbers |= {"hit_rate": rate.median, "misses": round(spread(sums["claims"] - sums["hits"]).median)}
    range_text, range_numbers = range_of(rate, "hit_rate", ".1%", len(sums))
    missed = "{misses:,} found no prebuild and waited for a build of their own" if rate.low < 1 else "nobody missed one"
    return Sentence(
        f"**The pools served {{hit_rate:.1%}} of {{claims:,}} claims**{range_text}; {missed}.{text}",
        numbers | range_numbers,
    )


def first_dry(pool: pd.DataFrame, first_hour: pd.DataFrame, runs: int = 1) -> Sentence:
    """When the pool with most misses was first found empty, and its worst first hour. The answers for the first run."""
    empty = _first_misses(pool)
    if not empty:
        came = int(pool.groupby("preset")["claimed"].max().sum())
        return Sentence("Whoever came found a prebuild." if came else "No pool was ever asked for one.", {})
    preset = str(largest(pool.groupby("preset", sort=False)["missed"].max()))
    where, empty_at = empty[preset]
    numbers: dict[str, Any] = {"worst_preset": preset, **day_and_time(empty_at, where, "first_empty")}
    text = (
        f"{_on(runs)} {{first_empty_day}} at {{first_empty_time}} somebody found the pool of *{{worst_preset}}* empty "
        "for the first time"
    )
    pools = pool["preset"].nunique()
    if pools > 1:
        text += "; {empty_pools} of {pools} pools were found empty at least once, and the table says when"
        numbers |= {"empty_pools": len(empty), "pools": pools}
    days = first_hour[first_hour["preset"] == preset]
    missed = days["claims"] - days["hits"]
    if missed.sum() == 0:
        return Sentence(text + ". In the first hour of its days it never was.", numbers)
    worst = days.loc[largest(missed)]
    text += (
        ". Its worst first hour began on {worst_day} at {worst_time} with {worst_ready} ready: "
        + ("{worst_misses} of the {worst_claims} people" if worst["claims"] > 1 else "the {worst_claims} person")
        + " who came found none"
    )
    numbers |= {
        **day_and_time(as_instant(worst["started_at"]), where, "worst"),
        "worst_ready": int(worst["ready"]),
        "worst_misses": int(worst["claims"] - worst["hits"]),
        "worst_claims": int(worst["claims"]),
    }
    if worst["longest_wait_s"] > 0:
        text += ", and the longest wait was {worst_wait}"
        numbers["worst_wait"] = about(worst["longest_wait_s"])
    return Sentence(text + ".", numbers)


def _on(runs: int) -> str:
    return "In the first replication, on" if runs > 1 else "On"


def replications(scenario: Scenario, count: int) -> Sentence:
    """What differs between replications, and so what the ranges hold."""
    if count == 1:
        return Sentence("This is one replication, one way that things can go, so there are no ranges.", {})
    what, colon, more = chance(scenario).partition(":")
    return Sentence(
        f"**Ranges hold {what[0].lower()}{what[1:]}**{colon}{more} Numbers are medians over {{replications}} "
        "replications; ranges hold nine of ten of them.",
        {"replications": count},
    )


def events(answer: pd.DataFrame, summary: pd.DataFrame, runs: int = 1) -> list[Sentence]:
    """A sentence for each event in which more people than else found no prebuild. The answers for the first run.

    What a hard limit cost is told elsewhere, and is no measure of other times.
    """
    found = []
    summary = summary[summary["has_pool"]]
    limited = int(summary["hard_limited_misses"].sum())
    claims = int(summary["claims"].sum()) - limited
    misses = int((summary["claims"] - summary["hits"]).sum()) - limited
    known = answer[answer["claims"].fillna(0) > 0]
    for i, (_, event) in enumerate(known.iterrows(), start=1):
        mine, missed = int(event["claims"]), int(event["misses"])
        rest = max(misses - missed, 0) / (claims - mine) if claims > mine else 0.0
        if missed == 0 or missed / mine <= rest:
            continue
        where = zone_of(event["timezone"])
        name = f"event_{i}"
        numbers: dict[str, Any] = {
            f"{name}_claims": mine,
            f"{name}_misses": missed,
            f"{name}_share": missed / mine,
            f"{name}_rest": rest,
            **day_and_time(as_instant(event["happened_at"]), where, f"{name}_from"),
            **day_and_time(as_instant(event["until_at"]), where, f"{name}_until"),
        }
        since = f"{{{name}_from_day}} at {{{name}_from_time}}"
        if event["event"] == "pause":
            begin = f"**The reconciler was paused** from {since} to {{{name}_until_day}} at {{{name}_until_time}}"
        elif event["event"] == "activate":
            begin = f"**A new version**, *{{{name}_version}}*, became active on {since}, and its pools began empty"
            numbers[f"{name}_version"] = event["version"]
        else:
            begin = f"**Prebuilds were invalidated** on {since}, and built anew"
        during = "Meanwhile" if event["event"] == "pause" else "In the hour after it"
        during += ", in the first replication," if runs > 1 else ""
        other = "other times without a hard limit" if limited else "other times"
        found.append(
            Sentence(
                f"{begin}. {during} {{{name}_misses:,}} of {{{name}_claims:,}} claims found no prebuild "
                f"({{{name}_share:.0%}}; {{{name}_rest:.0%}} at {other}).",
                numbers,
            )
        )
    return found


def overview(summary: pd.DataFrame, pool: pd.DataFrame, hours: pd.DataFrame) -> Table:
    """A row for each preset: medians over the runs of `summary` and `hours`; found empty as in `pool`, for one run.

    The hard limit stands beside the hit rate if any preset met it; costs are the pool's, as billed.
    """
    limited = summary["hard_limited_hours"].any()
    costs = hours["pool_cost_per_week"].any()
    empty = _first_misses(pool)
    several = summary["run_id"].nunique() > 1
    found_empty = "first found empty (first replication)" if several else "first found empty"
    currency = str(summary["currency"].iloc[0]) if len(summary) else ""
    rows = []
    for preset, mine in summary.groupby("preset", sort=False):
        rate = spread(mine["hit_rate"])
        row = {
            "preset": str(preset),
            "claims": f"{spread(mine['claims']).median:,.0f}",
            "hit rate": percent(rate.median) if mine["has_pool"].any() else "no pool",
        }
        if several:
            row["nine of ten hit rates"] = "" if np.isnan(rate.low) else f"{rate.low:.1%} to {rate.high:.1%}"
        if limited:
            row["hard-limited since, for"] = _limited(mine)
        row[found_empty] = "never"
        if preset in empty:
            where, empty_at = empty[str(preset)]
            local = where.local(empty_at)
            row[found_empty] = f"{short_weekday(local)} {day_month(local)} {local:%H:%M %Z}"
        waits = [about(spread(mine[f"wait_p{p}_s"]).median) for p in (50, 95, 99)]
        row["wait p50 / p95 / p99"] = " / ".join(waits) if any(waits) else ""
        spent = hours[hours["preset"] == preset]
        hours_of = [f"{spread(spent[f'{what}_hours']).median:,.0f}" for what in ("building", "idle")]
        row["hours building / idle"] = " / ".join(hours_of)
        if costs:
            row[f"pool's cost a week, {currency}"] = f"{spread(spent['pool_cost_per_week']).median:,.0f}"
        row["builds / failed"] = " / ".join(f"{spread(mine[what]).median:,.0f}" for what in ("builds", "failed_builds"))
        rows.append(row)
    table = type(summary)(rows)
    return Table(table, frozenset(table.columns) - {"preset"})


def _limited(mine: pd.DataFrame) -> str:
    """Since when and for how long a preset was hard-limited; `mine`: its rows of the summary."""
    runs = mine[mine["hard_limited_hours"] > 0]
    if runs.empty:
        return "never"
    where = zone_of(mine["timezone"].iloc[0])
    shown = runs.loc[middle(runs["hard_limited_at"])]
    since, lasted = where.local(as_instant(shown["hard_limited_at"])), days_text(shown["hard_limited_hours"])
    share = "" if len(runs) == len(mine) else f" ({len(runs)} of {len(mine)} runs)"
    return f"{day_month(since)} {since:%H:%M}, {lasted}{share}"


def demand(answer: pd.DataFrame) -> Sentence:
    """When most people come. `answer`: demand, of any number of runs."""
    if answer["claims"].sum() == 0:
        return Sentence("Nobody asked for a workspace in this window.", {})
    sums = answer.groupby(["preset", "weekday", "hour"], sort=False)[["claims", "hours"]].sum()
    rate = sums["claims"] / sums["hours"]
    preset, weekday, hour = largest(rate)
    by_hour = answer.groupby("hour")["claims"].sum()
    busiest = int(largest(by_hour))
    return Sentence(
        "Demand is highest on {peak_weekday}s between {peak_hour}:00 and {peak_hour_end}:00 with "
        "{peak_claims_per_hour:.1f} claims an hour for *{peak_preset}*. Of all claims, {busiest_share:.0%} come "
        "between {busiest_hour}:00 and {busiest_hour_end}:00 local time.",
        {
            "peak_preset": preset,
            "peak_weekday": LONG_WEEKDAYS[weekday],
            "peak_hour": int(hour),
            "peak_hour_end": int(hour) + 1,
            "peak_claims_per_hour": float(rate.max()),
            "busiest_hour": busiest,
            "busiest_hour_end": busiest + 1,
            "busiest_share": float(by_hour.max() / by_hour.sum()),
        },
    )


def busiest_week(pool: pd.DataFrame, runs: pd.DataFrame, week: str = "") -> date:
    """The Monday of the week with the date `week`; if that is "", of the local week with most misses, then most claims.

    The answers for one run. Raises InputError for a date that is none, or that lies outside the run's window.
    """
    where = zone_of(runs["timezone"].iloc[0])
    first = where.local(as_instant(runs["start_at"].iloc[0])).date()
    last = where.local(as_instant(runs["end_at"].iloc[0]) - 1).date()
    if week:
        try:
            day = date.fromisoformat(week)
        except ValueError:
            day = date.min
        if not _monday(first) <= day <= last:
            text = f'"{week}" is not a date from {first} to {last}, the window; write one of them, such as "{first}"'
            raise InputError([Finding("error", Where("week"), text)])
        return _monday(day)
    counts: dict[date, tuple[int, int]] = {_monday(first): (0, 0)}
    for monday, served, missed in _claims_by_week(pool):
        before = counts.get(monday, (0, 0))
        counts[monday] = (before[0] + missed, before[1] + served + missed)
    return max(sorted(counts), key=lambda monday: counts[monday])


def week(pool: pd.DataFrame, presets: Sequence[str], monday: date) -> Sentence:
    """How many claims of `presets` found no prebuild in the local week from `monday`. `pool`: for one run."""
    counts = [c for c in _claims_by_week(pool[pool["preset"].isin(presets)]) if c[0] == monday]
    missed = sum(c[2] for c in counts)
    claims = missed + sum(c[1] for c in counts)
    numbers: dict[str, Any] = {"week": str(monday), "week_misses": missed, "week_claims": claims}
    pools = pool["preset"].nunique()
    shown = ""
    if len(presets) < pools:
        shown = "The pictures show the {shown} of {pools} presets that most people found empty. "
        numbers |= {"shown": len(presets), "pools": pools}
    if claims == 0:
        return Sentence(shown + "In the week from Monday {week} nobody came.", numbers)
    return Sentence(
        shown + "In the week from Monday {week}, {week_misses:,} of {week_claims:,} "
        f"{plural('claim', claims)} found no prebuild.",
        numbers,
    )


def worst_hour(answer: pd.DataFrame) -> Sentence:
    """The preset and hour of day with most misses. `answer`: hit_rate_by_hour, of any number of runs."""
    if answer.empty:
        return Sentence("Nobody asked for a workspace in this window.", {})
    misses = (answer["claims"] - answer["hits"]).groupby([answer["preset"], answer["hour"]], sort=False).sum()
    if misses.max() == 0:
        return Sentence("Every claim in every hour of the day found a prebuild.", {})
    preset, hour = largest(misses)
    mine = answer[(answer["preset"] == preset) & (answer["hour"] == hour)]
    rate, wait = spread(mine["hit_rate"]), spread(mine["wait_p95_s"])
    runs = answer["run_id"].nunique()
    range_text, range_numbers = range_of(rate, "worst_hour_hit_rate", ".1%", runs)
    numbers: dict[str, Any] = {
        "worst_hour_preset": preset,
        "worst_hour": int(hour),
        "worst_hour_end": int(hour) + 1,
        "worst_hour_hit_rate": rate.median,
        **range_numbers,
    }
    text = (
        "Most misses fall on *{worst_hour_preset}* between {worst_hour}:00 and {worst_hour_end}:00: its pool serves "
        f"{{worst_hour_hit_rate:.1%}} of the claims in that hour{range_text}"
    )
    if not np.isnan(wait.median):
        text += ", and 95% of them wait {worst_hour_wait} at most"
        numbers["worst_hour_wait"] = about(wait.median)
        if runs > 1:
            text += " (nine of ten replications: {worst_hour_wait_low} to {worst_hour_wait_high})"
            numbers |= {"worst_hour_wait_low": about(wait.low), "worst_hour_wait_high": about(wait.high)}
    return Sentence(text + ".", numbers)


def first_hour(answer: pd.DataFrame, summary: pd.DataFrame) -> Sentence:
    """How many of the misses fall into the first hour of a day. The answers for the same runs."""
    summary = summary[summary["has_pool"]]
    misses = (summary["claims"] - summary["hits"]).groupby(summary["run_id"]).sum()
    if misses.sum() == 0:
        return Sentence("Nobody found a pool empty, in the first hour of a day or later.", {})
    early = (answer["claims"] - answer["hits"]).groupby(answer["run_id"]).sum().reindex(misses.index, fill_value=0)
    share = spread((early / misses.where(misses > 0)).to_numpy())
    range_text, range_numbers = range_of(share, "first_hour_share", ".0%", len(misses))
    return Sentence(
        "A day begins with its first hour on the clock in which at least a quarter as many people come as in its "
        "busiest hour. "
        f"{{first_hour_share:.0%}} of the claims that find no prebuild come in the first hour of a day{range_text}.",
        {"first_hour_share": share.median, **range_numbers},
    )


def idle(answer: pd.DataFrame, demand: pd.DataFrame) -> Sentence:
    """How much of the idle time falls into hours of the week without demand. The answers for the same runs."""
    hours = answer.groupby("run_id")["idle_instance_hours"].sum()
    if hours.sum() == 0:
        return Sentence("No prebuild stood idle.", {})
    wanted = answer[asked_for(answer, demand)].groupby("run_id")["idle_instance_hours"].sum()
    wanted = wanted.reindex(hours.index, fill_value=0)
    total, unwanted = spread(hours), spread((1 - wanted / hours.where(hours > 0)).to_numpy())
    range_text, range_numbers = range_of(total, "idle_hours", ",.0f", len(hours))
    return Sentence(
        f"Beside what they take to build, prebuilds stand idle for {{idle_hours:,.0f}} instance-hours until they are "
        f"claimed or deleted{range_text}; {{idle_unasked_share:.0%}} of that in hours of the week in which nobody asks "
        "for their preset.",
        {"idle_hours": total.median, "idle_unasked_share": unwanted.median, **range_numbers},
    )


def failures(answer: pd.DataFrame, summary: pd.DataFrame) -> Sentence:
    """How many builds failed. `answer`: failures, for one run; `summary`: of any number of runs."""
    sums = summary.groupby("run_id")[["builds", "failed_builds"]].sum()
    if sums["failed_builds"].sum() == 0:
        return Sentence("No build of a prebuild failed.", {})
    failed = spread(sums["failed_builds"])
    range_text, range_numbers = range_of(failed, "failed_builds", ",.0f", len(sums))
    what = answer["what"].value_counts()
    stopped = answer.loc[answer["what"] == "hard limit", "preset"].nunique()
    limited = f", and the hard limit stopped {{hard_limited_presets}} {plural('preset', stopped)}" if stopped else ""
    backoffs = int(what.get("backoff", 0))
    return Sentence(
        f"{{failed_builds:,.0f}} of {{builds:,.0f}} builds of prebuilds fail{range_text}. In the run drawn here "
        "{shown_failures} failed; the reconciler backed off "
        f"{{backoffs}} {plural('time', backoffs)}{limited}.",
        {
            "failed_builds": failed.median,
            "builds": spread(sums["builds"]).median,
            "shown_failures": int(what.get("build failed", 0)),
            "backoffs": backoffs,
            "hard_limits": int(what.get("hard limit", 0)),
            "hard_limited_presets": stopped,
            **range_numbers,
        },
    )


def age_at_claim(age: pd.DataFrame, fates: pd.DataFrame) -> Sentence:
    """How old claimed prebuilds were, and how many expired unused. The answers for the same runs."""
    sums = fates.groupby("run_id")[["created", "expired"]].sum()
    if sums["created"].sum() == 0:
        return Sentence("No prebuild was built.", {})
    expired = spread((sums["expired"] / sums["created"].where(sums["created"] > 0)).to_numpy())
    range_text, range_numbers = range_of(expired, "expired_share", ".1%", len(sums))
    end = f"{{expired_share:.1%}} of all prebuilds expired unused{range_text}."
    numbers: dict[str, Any] = {"expired_share": expired.median, **range_numbers}
    if age.empty:
        return Sentence("No prebuild was claimed; " + end, numbers)
    p50, p95 = np.quantile(age["age_s"], (0.5, 0.95), method="inverted_cdf")
    ttls = sorted(set(age["ttl_s"]))
    against = ""
    if ttls == [0]:
        against = "; they never expire"
    elif len(ttls) == 1:
        against = "; they expire after {ttl}"
        numbers["ttl"] = about(ttls[0])
    return Sentence(
        f"Half of the claimed prebuilds were {{age_p50}} old or younger, 95% {{age_p95}} or younger{against}. {end}",
        numbers | {"age_p50": about(p50), "age_p95": about(p95)},
    )


def asked_for(idle: pd.DataFrame, demand: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """For each row of the idle answer: whether its preset has claims in that hour of the week in any of the runs."""
    keys = ["preset", "weekday", "hour"]
    asked = demand.loc[demand["claims"] > 0, keys].drop_duplicates().assign(asked=True)
    return idle[keys].merge(asked, how="left", on=keys)["asked"].notna().to_numpy()


def _first_misses(pool: pd.DataFrame) -> dict[str, tuple[Zone, int]]:
    """Each preset's zone and the instant at which somebody first found no prebuild, where that happened."""
    rows = pool[pool["missed"] > 0].drop_duplicates("preset")
    columns = zip(rows["preset"], rows["timezone"], rows["changed_at"], strict=True)
    return {preset: (zone_of(timezone), as_instant(changed_at)) for preset, timezone, changed_at in columns}


def _claims_by_week(pool: pd.DataFrame) -> list[tuple[date, int, int]]:
    """(Monday, served, missed) of each preset and local week with claims."""
    found: list[tuple[date, int, int]] = []
    for _, mine in pool.groupby("preset", sort=False):
        counts = mine[["claimed", "missed"]].diff().fillna(mine[["claimed", "missed"]]).astype("int64")
        counts = counts[counts.sum(axis=1) > 0]
        days = mine.loc[counts.index, "changed_at"].dt.tz_convert(zone_of(mine["timezone"].iloc[0]).info)
        days = days.dt.tz_localize(None).dt.normalize()
        sums = counts.groupby(days - days.dt.day_of_week * timedelta(days=1)).sum()
        for monday, (served, missed) in zip(sums.index, sums.to_numpy(), strict=True):
            found.append((monday.date(), int(served), int(missed)))
    return found


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
