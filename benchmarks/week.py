"""The benchmark's scenario for the reference engine: a week of one preset with 2,000 claims."""

from __future__ import annotations

import numpy as np

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, parse_instant, zone
from simkit.model import History, Preset, Scenario, Schedule, TemplateVersion, Workload, lognormal

CLAIMS = 2_000
_ZONE = "America/New_York"
_START_AT = parse_instant("2026-03-02T00:00:00-05:00")


def scenario(claims: int = CLAIMS) -> Scenario:
    """The week: people come on working days between nine and six, to a pool of 25."""
    chance = np.random.default_rng(3)
    day = chance.integers(0, 5, claims) * DAY_US
    at = np.sort(_START_AT + day + 9 * HOUR_US + chance.integers(0, 9 * HOUR_US, claims)).astype(np.int64)
    preset = Preset("p", 4, 8 * HOUR_US, _ZONE, (Schedule("* 8-17 * * 1-5", 25),))
    in_zone = zone(_ZONE)
    assert in_zone is not None, "the zone exists"
    return Scenario(
        "week",
        _START_AT,
        _START_AT + 7 * DAY_US,
        (TemplateVersion("t", "v1", (preset,)),),
        demand=History(at, ("p",) * claims),
        zone=in_zone,
        provisioner_daemons=10,
        workload=Workload(lognormal(3 * MINUTE_US, 6 * MINUTE_US)),
    )
