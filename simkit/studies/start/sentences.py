"""What the first notebook says: how a Monday began, and on which day most people found nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simkit.studies.wording import Sentence, as_instant, day_and_time, zone_of

if TYPE_CHECKING:
    import pandas as pd

MONDAY = 0


def monday(first_hour: pd.DataFrame, preset: str) -> Sentence:
    """How a preset's last Monday began. `first_hour`: of one run."""
    days = first_hour[first_hour["preset"] == preset]
    mondays = days[[day.weekday() == MONDAY for day in days["local_date"]]]
    if mondays.empty:
        return Sentence("On no Monday of this window did anybody come for *{preset}*.", {"preset": preset})
    last = mondays.iloc[-1]
    when = day_and_time(as_instant(last["started_at"]), zone_of(str(last["timezone"])), "monday")
    claims, ready = int(last["claims"]), int(last["ready"])
    return Sentence(
        "**On {monday_day} at {monday_time} *{preset}* had {ready} ready**, and in that hour {claims} people asked: "
        "{misses} found none.",
        when
        | {
            "preset": preset,
            "ready": ready,
            "claims": claims,
            "misses": claims - int(last["hits"]),
        },
    )


def worst_day(first_hour: pd.DataFrame, preset: str) -> str:
    """The date in whose first hour most people found no prebuild of a preset; of the first if there are several."""
    days = first_hour[first_hour["preset"] == preset]
    worst = (days["claims"] - days["hits"]).to_numpy().argmax()
    return f"{days['local_date'].iloc[worst]:%Y-%m-%d}"
