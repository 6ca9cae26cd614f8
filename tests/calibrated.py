"""A deployment whose every number is known, and what a calibration says of it: shared by quick and slow tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from scenarios import MONDAY_AT

import simkit
from simkit.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, zone
from simkit.deployment.calibrate import Calibrated, measured
from simkit.estimates import Interval
from simkit.model import Preset, Profile, Scenario, Schedule, TemplateVersion, Workload, lognormal

WEEKS = 6
HOME = zone("America/New_York")
assert HOME is not None
HOURS = tuple(
    3.0 if 8 <= h % 24 < 12 and h < 120 else 1.0 if 12 <= h % 24 < 18 and h < 120 else 0.0 for h in range(168)
)
QUIET = tuple(0.5 if h < 120 else 0.0 for h in range(168))
WORKLOAD = Workload(
    build=lognormal(6 * MINUTE_US, 9 * MINUTE_US),
    agent=lognormal(40 * SECOND_US, 70 * SECOND_US),
    claim=lognormal(8 * SECOND_US, 13 * SECOND_US),
    delete=lognormal(30 * SECOND_US, 50 * SECOND_US),
    failure_probability=0.03,
    failed_cleared_after_us=4 * HOUR_US,
)
MEDIANS_AND_P95S = {"build": (360, 540), "agent": (40, 70), "claim": (8, 13), "delete": (30, 50)}
"""In seconds."""
DEPLOYED = Scenario(
    name="ide",
    start_at=MONDAY_AT + 5 * HOUR_US,  # Monday in New York
    end_at=MONDAY_AT + 5 * HOUR_US + WEEKS * 7 * DAY_US,
    versions=(
        TemplateVersion(
            "ide",
            "v1",
            (
                Preset("large", 1, 8 * HOUR_US, "America/New_York", (Schedule("* 7-17 * * 1-5", 5),)),
                Preset("small", 2),
            ),
        ),
    ),
    demand=(Profile("large", HOME, HOURS), Profile("small", HOME, QUIET)),
    zone=HOME,
    provisioner_daemons=4,
    workload=WORKLOAD,
)


def each_calibrated(folder: Path, seeds: Sequence[int], scenario: Scenario = DEPLOYED) -> Iterator[Calibrated]:
    """What is said of a simulated history for each seed; all of them go into one file, which is quicker."""
    path = folder / f"{seeds[0]}.duckdb"
    for run_id in simkit.save(path, [simkit.run(scenario, seed=seed) for seed in seeds]):
        yield measured(path, folder, run_id=run_id, by_hour=True)


def known(found: Calibrated) -> Iterator[tuple[str, float, Interval]]:
    """(what, what it is, the interval that was stated) of everything that DEPLOYED has."""
    durations = {one.kind: one for one in found.facts.durations if not one.preset}
    for kind, (median, p95) in MEDIANS_AND_P95S.items():
        one = durations[kind]
        yield f"median {kind}", median * SECOND_US, Interval(*one.median)
        yield f"p95 {kind}", p95 * SECOND_US, Interval(*one.p95)
        if one.fit is not None and one.fit.family == "lognormal":
            yield f"lognormal median {kind}", median * SECOND_US, one.fit.median
            yield f"lognormal p95 {kind}", p95 * SECOND_US, one.fit.p95
    failures = next(rate for rate in found.facts.failures if not rate.preset)
    yield "failures", 0.03, failures.share
    for asked, rates in zip(found.facts.demand, (HOURS, QUIET), strict=True):
        yield f"claims a week of {asked.preset}", sum(rates), asked.per_week
        yield f"claims a Monday of {asked.preset}", sum(rates[:24]), asked.per_day[0]
        assert asked.trend is not None
        yield f"trend of {asked.preset}", 1.0, asked.trend.factor
