"""How long prebuilds and workspaces live, in sentences with the numbers of a run, and what a table refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.clock import LONG_WEEKDAYS, UTC_ZONE, WEEK_US, Zone, format_duration, format_instant
from simkit.estimates import spread
from simkit.studies.expiration import tables
from simkit.studies.tables import Table
from simkit.studies.wording import (
    Sentence,
    as_instant,
    day_and_time,
    largest,
    range_of,
    zone_of,
)
from simkit.times import Told, about, day_month, plural, short_weekday

if TYPE_CHECKING:
    import pandas as pd

_NOBODY = "The scenario has no people, so there are no workspaces of theirs: {what}."
NEVER_EXPIRES = "never"


def prebuild_ttls(answer: pd.DataFrame) -> Sentence:
    """What a shorter prebuild TTL costs, from the scenario's own to the next shorter one. `answer`: of the TTLs."""
    if answer["created"].sum() == 0:
        return Sentence("No prebuild was built.", {})
    longer, shorter = _compared(answer)
    before, after = (answer[answer["ttl_us"] == ttl].set_index("replication") for ttl in (longer, shorter))
    numbers: dict[str, Any] = {
        "swept_preset": str(answer["preset"].iloc[0]),
        "longer_ttl": format_duration(longer) if longer else NEVER_EXPIRES,
        "builds_per_week": spread(before["builds_per_week"]).median,
        "longer_expired_share": spread(before["expired_share"]).median,
    }
    if longer == shorter:
        return Sentence(
            "With a TTL of {longer_ttl}, *{swept_preset}* has {builds_per_week:,.0f} prebuilds built a week; "
            "{longer_expired_share:.0%} of them expire unused.",
            numbers,
        )
    # Replications meet the same people under both, so their difference is the TTL's.
    more = spread(after["builds_per_week"] - before["builds_per_week"])
    range_text, range_numbers = range_of(more, "more_builds_per_week", "+,.0f", len(before))
    numbers |= {
        "shorter_ttl": format_duration(shorter),
        "shorter_builds_per_week": spread(after["builds_per_week"]).median,
        "more_builds_per_week": more.median,
        "shorter_expired_share": spread(after["expired_share"]).median,
        "less_idle_hours": spread(before["idle_hours_per_week"] - after["idle_hours_per_week"]).median,
        **range_numbers,
    }
    if longer == 0:
        change = "A TTL of {shorter_ttl} for *{swept_preset}*, whose prebuilds else never expire,"
    elif longer == 2 * shorter:
        change = "Halving the TTL of *{swept_preset}* from {longer_ttl} to {shorter_ttl}"
    else:
        change = "Shortening the TTL of *{swept_preset}* from {longer_ttl} to {shorter_ttl}"
    text = (
        f"**{change} costs {{more_builds_per_week:,.0f}} more builds a week**{range_text}: "
        "{shorter_builds_per_week:,.0f} instead of {builds_per_week:,.0f}, and {shorter_expired_share:.0%} of the "
        "prebuilds expire unused instead of {longer_expired_share:.0%}. "
    )
    ages = [spread(of[f"age_p{p}_s"]).median for p in (50, 95) for of in (before, after)]
    if not np.isnan(ages).any():
        names = ("longer_age_p50", "shorter_age_p50", "longer_age_p95", "shorter_age_p95")
        numbers |= dict(zip(names, map(about, ages), strict=True))
        goes = "goes from {longer_age_p50} to" if ages[0] != ages[1] else "stays"
        text += (
            f"The median age at claim {goes} {{shorter_age_p50}}, and 95% of the claimed prebuilds are at most "
            "{shorter_age_p95} old instead of {longer_age_p95}. "
        )
    rates = [spread((of["hits"] / of["claims"].where(of["claims"] > 0)).to_numpy()).median for of in (before, after)]
    if not np.isnan(rates).any():
        numbers |= {"longer_hit_rate": rates[0], "shorter_hit_rate": rates[1]}
        same = f"{rates[0]:.1%}" == f"{rates[1]:.1%}"
        text += "{shorter_hit_rate:.1%} of the claims find a prebuild" + (
            ", as before. " if same else " instead of {longer_hit_rate:.1%}. "
        )
    text += (
        "Prebuilds then stand ready for {less_idle_hours:,.1f} instance-hours a week less, because one that is built "
        "again serves nobody meanwhile."
    )
    return Sentence(text, numbers)


def deadlines(answer: pd.DataFrame) -> Sentence:
    """For how long starts may run. `answer`: tables.deadlines_around."""
    if answer.empty:
        return Sentence(_NOBODY, {"what": "nothing has a deadline"})
    where = zone_of(answer["timezone"].iloc[0])
    numbers: dict[str, Any] = {"people": answer["people"].iloc[0], "starts": len(answer)}
    numbers |= {f"{name}_day": _date(answer["completed_at"].iloc[i], where) for name, i in (("first", 0), ("last", -1))}
    hours = (answer["deadline"] - answer["completed_at"]).dt.total_seconds()
    text = "From {first_day} to {last_day}, a workspace of *{people}* "
    if hours.notna().any():
        text += "may run for {shortest} to {longest}, depending on when its start is done"
        numbers |= {"shortest": about(hours.min()), "longest": about(hours.max())}
        capped = (answer["deadline"] == answer["max_deadline"]).mean()
        if answer["max_deadline"].notna().any():
            text += "; the max deadline cuts {capped_share:.0%} of these starts short"
            numbers["capped_share"] = float(capped)
        else:
            text += "; nothing gives it a max deadline"
    else:
        text += "has no deadline"
    refused, unset = int(answer["is_refused"].sum()), int((hours.isna() & ~answer["is_refused"]).sum())
    if unset and hours.notna().any():
        text += "; {unset_share:.0%} of them get no deadline"
        numbers["unset_share"] = unset / len(answer)
    if refused:
        text += (
            ". At {refused_share:.0%} of these instants Coder cannot complete a start: a defect, at a midnight that "
            "the clocks skip"
        )
        numbers["refused_share"] = refused / len(answer)
    return Sentence(text + ".", numbers)


def quiet_hours(answer: pd.DataFrame) -> Sentence:
    """When quiet hours begin by the wall clock and in UTC. `answer`: tables.quiet_hours_around."""
    if answer.empty:
        return Sentence("There are no quiet hours.", {})
    where = zone_of(answer["timezone"].iloc[0])
    at = [as_instant(of) for of in answer["begins_at"]]
    local, utc = (_in_order(f"{clock.local(a):%H:%M}" for a in at) for clock in (where, UTC_ZONE))
    numbers: dict[str, Any] = {
        "quiet_people": answer["people"].iloc[0],
        "quiet_nights": len(at),
        "quiet_zone": where.name,
        "quiet_local": " and then ".join(local),
        "quiet_utc": " and then ".join(utc),
    }
    text = "The quiet hours of *{quiet_people}* begin {quiet_nights} " + plural("time", len(at)) + " in these days, "
    if where == UTC_ZONE or (len(local) == 1 and len(utc) == 1):
        text += "always at {quiet_local} in {quiet_zone} ({quiet_utc} UTC)"
    elif len(local) == 1:
        text += "always at {quiet_local} on the wall clock of {quiet_zone}; in UTC that is {quiet_utc}"
    else:
        text += "at {quiet_local} on the wall clock of {quiet_zone}; in UTC that is {quiet_utc}"
    days = {where.local(a).date() for a in at}
    span = (max(days) - min(days)).days
    skipped = [day for day in (min(days) + timedelta(days=i) for i in range(span)) if day not in days]
    if skipped:
        text += ". A change of the clocks skips that time on {quiet_skipped}, so that night has none"
        numbers["quiet_skipped"] = ", ".join(map(str, skipped))
    return Sentence(text + ".", numbers)


def bumps(answer: pd.DataFrame) -> Sentence:
    """What activity did to one start's deadline. `answer`: tables.bumps."""
    if answer.empty:
        return Sentence(_NOBODY, {"what": "there is nothing that activity could extend"})
    where = zone_of(answer["timezone"].iloc[0])
    first, last = answer.iloc[0], answer.iloc[-1]
    numbers: dict[str, Any] = {
        "bumped_people": first["people"],
        "reports": len(answer),
        **day_and_time(as_instant(first["reported_at"]), where, "completed"),
    }
    text = "A start of *{bumped_people}* that is done on {completed_day} at {completed_time} gets "
    if answer["deadline"].isna().all():
        return Sentence(text + "no deadline, so there is nothing that activity could move.", numbers)
    what = answer["what"]
    counts = what.value_counts()
    moves = what.isin((tables.MOVED, tables.CROSSED, tables.CAPPED))
    given = as_instant(first["deadline"])
    numbers |= {
        "given": _local(given, where),
        "moves": int(moves.sum()),
        "too_far": int(counts.get(tables.FURTHER, 0)),
        "too_early": int(counts.get(tables.TOO_EARLY, 0)),
        "at_max": int(counts.get(tables.AT_MAX, 0)),
    }
    text += (
        "the deadline {given}. Of {reports:,} reports of activity, one a minute, {moves:,} move it. {too_far:,} find "
        "it further away than they would set it, and do not lower it; {too_early:,} come before 5% of the extension "
        "has passed"
    )
    if moves.any():
        text += ". The first to move it comes at {first_move}"
        numbers["first_move"] = _local(as_instant(answer.loc[moves, "reported_at"].iloc[0]), where)
    for kind, name, end in (
        (tables.CROSSED, "crossing", "the extension crosses the next autostart and becomes {crossing_to}"),
        (tables.CAPPED, "cap", "the max deadline caps it, and the {at_max:,} reports after that move nothing"),
    ):
        rows = answer[what == kind]
        if len(rows):
            text += f"; at {{{name}}} {end}"
            numbers[name] = _local(as_instant(rows["reported_at"].iloc[0]), where)
            if kind == tables.CROSSED:
                numbers["crossing_to"] = _local(as_instant(rows["deadline"].iloc[0]), where)
    if last["is_over"]:
        text += ". At {stopped} the workspace stops, with somebody connected"
        numbers["stopped"] = _local(as_instant(last["deadline"]), where)
    return Sentence(text + ".", numbers)


def ttl_removed(older: pd.DataFrame, today: pd.DataFrame) -> Sentence:
    """How many running builds the table's constraint refuses once their TTL is removed, the older way and today's.

    `older`, `today`: what `store.refused` says of the same builds after `tables.without_ttl`.
    """
    if older.empty:
        return Sentence("No start of a person's workspace ever ran, so there was no deadline to clear.", {})
    where = zone_of(older["timezone"].iloc[0])
    refused = older[older["constraint"] != ""]
    numbers: dict[str, Any] = {
        **day_and_time(as_instant(older["at"].iloc[0]), where, "removed"),
        "running_builds": len(older),
        "with_max_deadline": int(older["max_deadline"].notna().sum()),
        "older_refused": len(refused),
        "today_refused": int((today["constraint"] != "").sum()),
    }
    text = (
        "On {removed_day} at {removed_time}, when most workspaces run, {with_max_deadline} of the {running_builds} "
        "running builds have a max deadline. Had the TTL endpoint then removed everybody's TTL the older way, which "
        "cleared deadlines, "
    )
    if refused.empty:
        text += "every row would still be valid: the rule speaks only of builds with a max deadline."
    else:
        text += "**`{constraint}` would refuse {older_refused} of {running_builds} rows**."
        numbers["constraint"] = ", ".join(_in_order(refused["constraint"]))
    text += " Under today's rule the max deadline becomes the deadline, and it refuses {today_refused}."
    return Sentence(text, numbers)


def refused_rows(builds: pd.DataFrame, older: pd.DataFrame, today: pd.DataFrame, most: int = 6) -> Table:
    """The first running builds with a max deadline as text: before, and their deadline after both ways.

    `builds`: tables.running_starts; `older`, `today`: what `store.refused` says of them after `without_ttl`.
    """
    shown = builds["max_deadline"].notna()
    zones = [zone_of(name) for name in builds.loc[shown, "timezone"]][:most]

    def texts(of: pd.DataFrame, column: str, missing: str) -> list[str]:
        at = of.loc[shown, column]
        pairs = zip(at[:most], at.isna()[:most], zones, strict=True)
        return [
            missing if is_missing else _local(as_instant(a), where, with_weekday=False)
            for a, is_missing, where in pairs
        ]

    table = type(builds)(
        {
            "workspace": list(builds.loc[shown, "workspace"][:most]),
            "deadline": texts(builds, "deadline", "unset"),
            "max deadline": texts(builds, "max_deadline", "unset"),
            "the older way": texts(older, "deadline", "cleared"),
            "refused by": [name or "nothing" for name in older.loc[shown, "constraint"][:most]],
            "today": texts(today, "deadline", "unset"),
        }
    )
    return Table(table, frozenset(table.columns) - {"workspace"})


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def workspaces(answer: pd.DataFrame, story: pd.DataFrame) -> Sentence:
    """How many workspaces run, go dormant and are deleted. The answers for one run."""
    if not (story["what"] == "started").any():
        return Sentence(_NOBODY, {"what": "none runs, is stopped, dormant or deleted"})
    end = answer.iloc[-1]
    numbers: dict[str, Any] = {
        "most_running": int(answer["running"].max()),
        "owned": int(answer[["running", "stopped", "dormant", "deleted"]].sum(axis=1).max()),
        "dormant_at_end": int(end["dormant"]),
        "deleted_at_end": int(end["deleted"]),
    }
    text = (
        f"People get {{owned}} {plural('workspace', numbers['owned'])} in this run, and at most {{most_running}} of "
        f"them {'runs' if numbers['most_running'] == 1 else 'run'} at once. "
    )
    dormancies = story[story["what"] == "dormancy"]
    if dormancies.empty:
        return Sentence(text + "None goes dormant.", numbers)
    zones = dormancies["timezone"].map(zone_of)
    days = [_date(at, where) for at, where in zip(dormancies["happened_at"], zones, strict=True)]
    by_day = {day: days.count(day) for day in _in_order(sorted(days))}
    worst = max(by_day, key=lambda day: by_day[day])
    numbers |= {
        "dormancies": len(dormancies),
        "dormancy_days": len(by_day),
        "worst_dormancy_day": worst,
        "worst_dormancies": by_day[worst],
        "woken": int((story["what"] == "woken").sum()),
    }
    text += (
        f"{{dormancies}} {plural('time', len(dormancies))} one goes dormant, on {{dormancy_days}} "
        f"{plural('day', len(by_day))}, most often on {{worst_dormancy_day}} ({{worst_dormancies}}); {{woken}} "
        f"{plural('time', numbers['woken'])} its owner comes back to it. By the end {{deleted_at_end}} "
        f"{_are(numbers['deleted_at_end'])} deleted and {{dormant_at_end}} {_are(numbers['dormant_at_end'])} dormant."
    )
    return Sentence(text, numbers)


def running(answer: pd.DataFrame, with_people: bool = True) -> Sentence:
    """How many instances run on average, in the busiest and in the quietest hour of the week.

    `answer`: running, of any number of runs. Without people a claimed workspace has no lifecycle: it is left out.
    """
    both = ["people_instance_hours", "prebuild_instance_hours"]
    text = ""
    if not with_people:
        answer = answer.assign(people_instance_hours=0.0)
        text = "The scenario has no people, so what becomes of a workspace once it is claimed is left out. "
    total_hours = float(answer[both].to_numpy().sum())
    if total_hours == 0:
        return Sentence(text + "No instance ran in this window.", {})
    by_preset = answer.groupby(["preset", "weekday", "hour"], sort=False)[[*both, "hours"]].sum()
    rates = by_preset[both].div(by_preset["hours"], axis=0).groupby(["weekday", "hour"]).sum()
    total = rates.sum(axis=1)
    busiest, quietest = largest(total), largest(-total)
    numbers: dict[str, Any] = {
        "mean_instances": total_hours / float(by_preset["hours"].sum()) * answer["preset"].nunique(),
        "prebuild_share": float(answer["prebuild_instance_hours"].sum()) / total_hours,
    }
    for name, (weekday, hour) in (("busiest", busiest), ("quietest", quietest)):
        numbers |= {
            f"{name}_hour": f"{LONG_WEEKDAYS[weekday]}s from {hour}:00 to {hour + 1}:00",
            f"{name}_instances": float(total[weekday, hour]),
            f"{name}_people": float(rates["people_instance_hours"][weekday, hour]),
        }
    if with_people:
        text += (
            "On average {mean_instances:.1f} instances run, {prebuild_share:.0%} of their time as prebuilds. Most run "
            "on {busiest_hour}: {busiest_instances:.1f}, of them {busiest_people:.1f} people's; fewest on "
            "{quietest_hour}: {quietest_instances:.1f}, of them {quietest_people:.1f} people's."
        )
    else:
        text += (
            "On average {mean_instances:.1f} prebuilds run; most on {busiest_hour}: {busiest_instances:.1f}, fewest on "
            "{quietest_hour}: {quietest_instances:.1f}."
        )
    return Sentence(text, numbers)


DEADLINE, BUMPED, MAX_DEADLINE, OWNER_SUSPENDED, FAILED_START, GONE_DORMANT = (
    "deadline, as the start got it",
    "deadline, moved by activity",
    "max deadline",
    "owner suspended",
    "failed start",
    "goes dormant, running or not",
)
_OTHER_STOPS = {"owner suspended": OWNER_SUSPENDED, "failure stop": FAILED_START, "dormancy": GONE_DORMANT}


def stop_reasons(answer: pd.DataFrame) -> pd.DataFrame:
    """The answer to `stops` without what stops nothing, by reason: a row per reason (as above) and hour, with times."""
    rows: list[tuple[str, int, int]] = []
    columns = zip(*(answer[c] for c in ("rule", "hour", "times", "at_max_deadline", "bumped")), strict=True)
    for rule, hour, times, at_max, bumped in columns:
        if rule == "autostop":
            # One that was moved up to its max deadline counts as that.
            moved = min(bumped, times - at_max)
            rows += [(DEADLINE, hour, times - at_max - moved), (BUMPED, hour, moved), (MAX_DEADLINE, hour, at_max)]
        elif rule in _OTHER_STOPS:
            rows.append((_OTHER_STOPS[rule], hour, times))
    found = type(answer)([row for row in rows if row[2]], columns=["reason", "hour", "times"])
    return found.groupby(["reason", "hour"], as_index=False)[["times"]].sum()


def stops(answer: pd.DataFrame, runs: pd.DataFrame) -> Sentence:
    """Why workspaces stop, and when most do. The answers for the same runs."""
    reasons = stop_reasons(answer)
    reasons = reasons[reasons["reason"] != GONE_DORMANT]
    if reasons.empty:
        return Sentence("No workspace of a person was stopped in this window.", {})
    weeks = sum(map(as_instant, runs["end_at"])) / WEEK_US - sum(map(as_instant, runs["start_at"])) / WEEK_US
    times = int(reasons["times"].sum())
    by_hour = reasons.groupby("hour")["times"].sum()
    busiest = int(largest(by_hour))
    by_reason = reasons.groupby("reason")["times"].sum().sort_values(ascending=False, kind="stable") / times
    numbers: dict[str, Any] = {
        "stops_per_week": times / weeks,
        "stop_hour": busiest,
        "stop_hour_end": busiest + 1,
        "stop_hour_share": float(by_hour.max() / times),
    }
    parts = []
    for i, (reason, share) in enumerate(by_reason.items()):
        parts.append(f"{{stop_share_{i}:.1%}} by {{stop_reason_{i}}}")
        numbers |= {f"stop_reason_{i}": str(reason), f"stop_share_{i}": float(share)}
    return Sentence(
        "People's workspaces are stopped {stops_per_week:,.0f} times a week, {stop_hour_share:.0%} of that between "
        f"{{stop_hour}}:00 and {{stop_hour_end}}:00. The reasons: {'; '.join(parts)}.",
        numbers,
    )


def _compared(answer: pd.DataFrame) -> tuple[int, int]:
    """(a longer TTL, a shorter one): the scenario's and its half, or the nearest that was tried; 0 is the longest."""
    tried = sorted(set(answer["ttl_us"].tolist()), key=lambda us: (us == 0, us))
    own = answer.loc[answer["is_own"], "ttl_us"]
    place = tried.index(int(own.iloc[0])) if len(own) else len(tried) - 1
    if place and tried[place] and tried[place] // 2 in tried[:place]:
        return tried[place], tried[place] // 2
    place = max(place, min(1, len(tried) - 1))
    return tried[place], tried[max(place - 1, 0)]


def _in_order(values: Any) -> list[str]:
    """Each value once, as it first comes."""
    return list(dict.fromkeys(values))


def _date(of: Any, where: Zone) -> str:
    return f"{where.local(as_instant(of)):%Y-%m-%d}"


def _local(at: int, where: Zone, with_weekday: bool = True) -> Told:
    """An instant as "Thu 29 Oct 08:32 EDT"; exactly, in RFC 3339."""
    local = where.local(at)
    day = f"{short_weekday(local)} {day_month(local)}" if with_weekday else day_month(local)
    return Told(f"{day} {local:%H:%M %Z}", format_instant(at, where))
