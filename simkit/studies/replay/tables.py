"""What happened beside its replays, as tables: presets, weeks, days, and what another schedule would change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from simkit.decide.compare import Comparison
from simkit.decide.compared import groups, headings, row_of
from simkit.demand.claims import local_day, monday_of
from simkit.deployment.replay import Replay, Replayed, date_of, is_around
from simkit.estimates import Spread, spread
from simkit.studies.tables import Table, of_rows
from simkit.studies.wording import percent
from simkit.times import in_column, weekday_date

if TYPE_CHECKING:
    import pandas as pd

_MOST_DAYS = 12


def presets(of: Replay) -> Table:
    """Of each preset what happened, the replays' median, and what nine of ten of them give."""
    rows = []
    for one in of.presets:
        for i, (measure, label, text) in enumerate(_MEASURES):
            recorded, replayed = one.recorded[measure], one.replayed[measure]
            is_known = recorded == recorded and replayed.median == replayed.median
            rows.append(
                (
                    one.preset if not i else "",
                    label,
                    text(recorded),
                    text(replayed.median),
                    f"{text(replayed.low)} to {text(replayed.high)}" if is_known else "",
                    "" if not is_known else "yes" if is_around(replayed, recorded) else "no",
                )
            )
        rows.append(
            (
                "",
                "days that differ, at most by chance",
                f"{len(one.days)} of {one.days_with_claims}",
                f"{one.by_chance:.0f}",
                "",
                "yes" if len(one.days) <= max(one.by_chance, 1) else "no",
            )
        )
    titles = ("preset", "in the whole history", "recorded", "replayed", "nine of ten replays", "is it one of them?")
    return of_rows(titles, rows, 2, texts=1)


def weeks(of: Replay) -> pd.DataFrame:
    """A row for each preset and local week with claims: preset, monday, claims, recorded (hit rate), low, median, high
    (the replays')."""
    import pandas as pd

    rows = []
    for one in of.presets:
        mine = of.claims[of.claims["preset"] == one.preset]
        monday = monday_of(local_day(mine["at"].to_numpy(dtype=np.int64), one.zone))
        which, hit = mine["replication"].to_numpy(), mine["hit"].to_numpy(dtype=np.float64)
        for week in np.unique(monday[which == -1]).tolist():
            recorded = hit[(monday == week) & (which == -1)]
            again = [hit[(monday == week) & (which == i)] for i in range(of.replications)]
            replayed = spread([of_one.mean() if of_one.size else np.nan for of_one in again])
            rows.append((one.preset, date_of(week), recorded.size, float(recorded.mean()), *replayed))
    return pd.DataFrame(rows, columns=["preset", "monday", "claims", "recorded", *Spread._fields])


def days(of: Replay) -> Table:
    """The days that differ most of all presets, and what else was out of the ordinary on them."""
    found = [(one, day) for one in of.presets for day in one.days]
    found.sort(key=lambda pair: -abs(pair[1].hits - pair[1].replayed.median))
    titles = ("day", "preset", "claims", "hits", "replayed", "ran", "replayed ", "what one may suspect")
    rows = [
        (
            weekday_date(day.day),
            one.preset,
            f"{day.claims:,}",
            f"{day.hits:,}",
            f"{day.replayed.low:,.0f} to {day.replayed.high:,.0f}",
            f"{day.running:,.1f}",
            f"{day.replayed_running.low:,.1f} to {day.replayed_running.high:,.1f}",
            " ".join(day.why),
        )
        for one, day in found[:_MOST_DAYS]
    ]
    return of_rows(titles, rows, 2, texts=1)


def compared(of: Comparison | None) -> Table | None:
    """What the change does in a week, of each preset and of all."""
    if of is None:
        return None
    heads = headings(of)
    wanted = [i for i, text in enumerate(heads) if text]
    rows = []
    for preset, differences in groups(of.changes[0]).items():
        for i, found in enumerate(differences):
            row = row_of(found, of)
            rows.append((preset if not i else "", *(row[j] for j in wanted)))
    return of_rows(("preset", *(heads[i] for i in wanted)), rows, 2, texts=1)


def worst_day(of: Replay) -> tuple[Replayed, date] | None:
    """The preset and day on which hits, or where these are alike prebuilds that ran, differ most from the replays."""
    found = [(abs(day.hits - day.replayed.median), one, day.day) for one in of.presets for day in one.days]
    if not found:
        for one in of.presets:
            if one.pools is not None:
                apart = np.abs(one.pools.recorded - one.pools.replayed[:, 1])
                day, of_day = np.unique(local_day(one.pools.at, one.zone), return_inverse=True)
                sums = np.bincount(of_day, apart)
                found.append((float(sums.max()), one, date_of(int(day[sums.argmax()]))))
    if not found:
        return None
    _, preset, worst = max(found, key=lambda row: row[0])
    return preset, worst


def _wait(seconds: float) -> str:
    return "" if np.isnan(seconds) else in_column(seconds)


def _whole(value: float) -> str:
    return "" if np.isnan(value) else f"{value:,.0f}"


_MEASURES: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("claims", "claims", _whole),
    ("hit_rate", "hit rate", percent),
    ("wait_p95_s", "wait p95", _wait),
    ("builds", "builds of prebuilds", _whole),
    ("idle_instance_hours", "idle instance-hours", _whole),
)
