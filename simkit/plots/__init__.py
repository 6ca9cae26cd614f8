"""Pictures of answers, for somebody who must decide: each function takes DataFrames of `simkit.ask`, returns a Picture.

Instants are drawn where they happen and labelled with the wall clock of the preset's zone, so that a day on which the
clocks change is as long as it was. A module draws what the notebook of its name asks.
"""

from simkit.plots.capacity import (
    age_at_claim,
    demand,
    failures,
    first_hour,
    first_hours,
    hit_rate_by_hour,
    idle,
    idle_cost,
    week,
)
from simkit.plots.controlplane import day
from simkit.plots.cron_ranges import cron_clocks, cron_edges, cron_weeks, cron_year
from simkit.plots.expiration import bumps, deadlines, prebuild_ttls, running, stops, workspaces
from simkit.plots.style import Picture

__all__ = [
    "Picture",
    "age_at_claim",
    "bumps",
    "cron_clocks",
    "cron_edges",
    "cron_weeks",
    "cron_year",
    "day",
    "deadlines",
    "demand",
    "failures",
    "first_hour",
    "first_hours",
    "hit_rate_by_hour",
    "idle",
    "idle_cost",
    "prebuild_ttls",
    "running",
    "stops",
    "week",
    "workspaces",
]
