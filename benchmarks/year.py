"""The benchmark's scenario: one preset for a year with 100,000 claims, the same as a Scenario and as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, format_instant, parse_instant, zone
from simkit.coder_versions import BEHAVIOURS
from simkit.model import History, Preset, Reconciler, Scenario, Schedule, TemplateVersion, Workload, constant

CLAIMS = 100_000
ZONE = "America/New_York"
START_AT = parse_instant("2026-01-01T00:00:00Z")
END_AT = parse_instant("2027-01-01T00:00:00Z")
BASE, BUSY, CRON = 2, 12, "* 8-18 * * 1-5"
DAEMONS = 10
BUILD_US, AGENT_US, CLAIM_US, DELETE_US = 3 * MINUTE_US, 30 * SECOND_US, 10 * SECOND_US, 30 * SECOND_US
FAILING = tuple(range(997, 200_000, 997))  # one build in about a thousand


def claims_at(claims: int = CLAIMS) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Instants at which people ask: on working days between 13:00 and 23:00 UTC, in order."""
    chance = np.random.default_rng(1)
    days = np.arange(START_AT, END_AT, DAY_US)
    days = days[(days // DAY_US + 3) % 7 < 5]
    at = chance.choice(days, claims) + 13 * HOUR_US + chance.integers(0, 10 * HOUR_US, claims)
    return np.sort(at.astype(np.int64))


def scenario(claims: int = CLAIMS) -> Scenario:
    """The year with so many claims."""
    new_york = zone(ZONE)
    assert new_york is not None, "the zone exists"
    preset = Preset("large", BASE, DAY_US, ZONE, (Schedule(CRON, BUSY),))
    at = claims_at(claims)
    return Scenario(
        name="year",
        start_at=START_AT,
        end_at=END_AT,
        versions=(TemplateVersion("ide", "v1", (preset,)),),
        demand=History(at, ("large",) * at.size),
        zone=new_york,
        behaviour=BEHAVIOURS["v2.35"],
        reconciler=Reconciler(),
        provisioner_daemons=DAEMONS,
        workload=Workload(
            build=constant(BUILD_US),
            agent=constant(AGENT_US),
            claim=constant(CLAIM_US),
            delete=constant(DELETE_US),
            failing_builds=FAILING,
        ),
    )


def write(folder: Path) -> Path:
    """The same as a scenario file with its history, and its path."""
    rows = "\n".join(format_instant(at) for at in claims_at().tolist())
    (folder / "claims.csv").write_text(f"started_at\n{rows}\n", encoding="utf-8")
    path = folder / "year.yaml"
    path.write_text(
        f"""\
name: year
window: {{from: "2026-01-01T00:00:00Z", until: "2027-01-01T00:00:00Z", timezone: {ZONE}}}
coder: {{version: v2.35, provisioner_daemons: {DAEMONS}}}
presets:
  - name: large
    instances: {BASE}
    ttl: 24h
    scheduling: {{timezone: {ZONE}, schedules: [{{cron: "{CRON}", instances: {BUSY}}}]}}
demand: {{history: claims.csv}}
durations: {{build: 3m, agent: 30s, claim: 10s, delete: 30s}}
failures: {{builds: [{", ".join(map(str, FAILING))}]}}
""",
        encoding="utf-8",
    )
    return path
