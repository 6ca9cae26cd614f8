"""What answers mean, for somebody who must decide: sentences with the numbers of a run, and tables.

Each sentence is true for any scenario, also where nobody came, nothing failed or only one replication was run. What
holds for several replications is a median; ranges are those of nine of ten replications. A module tells what the
notebook of its name asks.
"""

from simkit.sentences.capacity import (
    age_at_claim,
    asked_for,
    busiest_week,
    demand,
    failures,
    first_dry,
    first_hour,
    idle,
    overview,
    replications,
    served,
    week,
    worst_hour,
)
from simkit.sentences.expiration import (
    bumps,
    deadlines,
    prebuild_ttls,
    quiet_hours,
    refused_rows,
    running,
    stop_reasons,
    stops,
    ttl_removed,
    workspaces,
)
from simkit.sentences.wording import Sentence

__all__ = [
    "Sentence",
    "age_at_claim",
    "asked_for",
    "bumps",
    "busiest_week",
    "deadlines",
    "demand",
    "failures",
    "first_dry",
    "first_hour",
    "idle",
    "overview",
    "prebuild_ttls",
    "quiet_hours",
    "refused_rows",
    "replications",
    "running",
    "served",
    "stop_reasons",
    "stops",
    "ttl_removed",
    "week",
    "workspaces",
    "worst_hour",
]
