"""A scenario over the weekend on which New York's clocks go forward, and short runs of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import simkit
from simkit.clock import HOUR_US, parse_instant, zone
from simkit.model import (
    Preset,
    Profile,
    Scenario,
    Schedule,
    TemplateVersion,
    Workload,
)
from simkit.runs.result import Result

NEW_YORK = zone("America/New_York")
START_AT = parse_instant("2026-03-06T00:00:00-05:00")
END_AT = parse_instant("2026-03-10T00:00:00-04:00")


def scenario(**changes: Any) -> Scenario:
    """Two presets over the weekend on which New York's clocks go forward."""
    assert NEW_YORK is not None
    large = Preset("large", 2, 8 * HOUR_US, NEW_YORK.name, (Schedule("* 9-17 * * 1-5", 4),), parameters=(("cpu", "8"),))
    day = [0.0] * 8 + [4.0] * 10 + [0.0] * 6
    given = Scenario(
        name="weekend",
        start_at=START_AT,
        end_at=END_AT,
        versions=(TemplateVersion("ide", "v1", (large, Preset("small", 1))),),
        demand=(Profile("large", NEW_YORK, tuple(day * 7)), Profile("small", NEW_YORK, tuple([0.5] * 168))),
        zone=NEW_YORK,
        workload=Workload(failure_probability=0.05, cost_per_instance_hour=0.5),
    )
    return replace(given, **changes)


def short_runs() -> list[Result]:
    return list(simkit.replicate(scenario(end_at=START_AT + 12 * HOUR_US), 100, 3))
