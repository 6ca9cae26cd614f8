"""A history beside its replay: the recorded claims, played by the event loop against the schedules of their time.

Where the two differ the model, or what was measured for it, does not say what happened.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from simkit.clock import UTC_ZONE, zone
from simkit.deployment.calibrate import measured
from simkit.errors import Finding
from simkit.estimates import Spread, spread
from simkit.inputs.scenario import load
from simkit.model import Scenario
from simkit.runs.result import Result
from simkit.runs.simulate import replicate
from simkit.store.asking import ask, history_run, rows_of
from simkit.times import weekday_date

MEASURES = ("claims", "hit_rate", "wait_p50_s", "wait_p95_s", "builds", "failed_builds", "idle_instance_hours")
"""What is compared: columns of the question `summary`."""


@dataclass(frozen=True)
class Day:
    """A day of a preset's own clocks on which fewer or more were hits than in any replay."""

    day: date
    claims: int
    hits: int
    replayed: Spread


@dataclass(frozen=True)
class Replayed:
    """One preset: of each of MEASURES what was recorded and what replays gave, NaN where there is none.

    `days`: those on which the two differ, most first, of `days_with_claims`.
    """

    preset: str
    recorded: Mapping[str, float]
    replayed: Mapping[str, Spread]
    days: tuple[Day, ...]
    days_with_claims: int


@dataclass(frozen=True)
class Replay:
    """All presets of a history that a scenario has, and what there was to say while it was calibrated."""

    presets: tuple[Replayed, ...]
    replications: int
    notes: tuple[Finding, ...]


def replay(
    history: str | Path,
    scenario: str | Path | None = None,
    template: str | None = None,
    seed: int = 0,
    replications: int = 5,
) -> Replay:
    """Play what a runs file's history (or only run) tells, and put it beside what happened.

    `scenario`: another one to play, such as a calibrated one with a changed schedule; else that of the past itself,
    with the versions as they were active. Raises InputError and StoreError.
    """
    run_id = history_run(history)
    notes: tuple[Finding, ...] = ()
    if scenario is None:
        with tempfile.TemporaryDirectory(prefix="simkit-") as folder:
            found = measured(history, Path(folder), template, is_past=True)
            file = Path(folder, "replay.yaml")
            file.write_text(found.text, encoding="utf-8")
            played, notes = load(file), found.notes
    else:
        played = load(scenario)
    results = list(replicate(played, seed, replications))
    before, after = ask(history, "summary", run_id), ask(results, "summary")
    happened, again = _recorded_days(history, run_id), [_days(result, played) for result in results]
    presets = []
    for name in dict.fromkeys(preset.name for version in played.all_versions for preset in version.presets):
        mine = before[before["preset"] == name]
        if mine.empty:
            continue
        recorded = {measure: float(mine[measure].iloc[0]) for measure in MEASURES}
        replayed = {measure: spread(after.loc[after["preset"] == name, measure].to_numpy()) for measure in MEASURES}
        mine_by_day = happened.get(name, {})
        days = _different(mine_by_day, [days.get(name, {}) for days in again])
        presets.append(Replayed(name, recorded, replayed, days, len(mine_by_day)))
    return Replay(tuple(presets), replications, notes)


def told(one: Replayed, most: int = 5) -> tuple[str, ...]:
    """On which days the recorded hits are none of the replays', as lines; `most` of them."""
    if not one.days_with_claims:
        return ("Nobody asked for it.",)
    if not one.days:
        return (f"On each of {one.days_with_claims} days with claims the recorded hits are within the replays'.",)
    lines = [
        f"On {len(one.days)} of {one.days_with_claims} days with claims the recorded hits are none of the replays':"
    ]
    for day in one.days[:most]:
        again = f"{day.replayed.low:,.0f} to {day.replayed.high:,.0f}"
        lines.append(f"  {weekday_date(day.day)}: {day.hits:,} of {day.claims:,} claims were hits; replayed {again}")
    if len(one.days) > most:
        lines.append(f"  and {len(one.days) - most} more")
    return tuple(lines)


_Days = dict[str, dict[date, tuple[int, int]]]
"""(claims, hits) of each preset and day."""


def _recorded_days(path: str | Path, run_id: str) -> _Days:
    found = rows_of(
        path,
        "SELECT p.preset, p.timezone, epoch_us(c.created_at), c.hit FROM claims AS c JOIN presets AS p "
        "USING (run_id, preset_id) WHERE c.run_id = ?",
        run_id,
    )
    zones = {name: zone(timezone) or UTC_ZONE for name, timezone, _, _ in found}
    return _counted((name, zones[name].local(at).date(), hit) for name, _, at, hit in found)


def _days(result: Result, scenario: Scenario) -> _Days:
    claims, presets = result.tables["claims"], result.tables["template_version_presets"]
    names = dict(zip(presets["id"].tolist(), presets["name"].tolist(), strict=True))
    zones = {p.name: scenario.zone_of(p) for version in scenario.all_versions for p in version.presets}
    rows = zip(claims["preset_id"].tolist(), claims["created_at"].tolist(), claims["hit"].tolist(), strict=True)
    return _counted((names[i], zones[names[i]].local(at).date(), hit) for i, at, hit in rows)


def _counted(claims: Iterable[tuple[str, date, bool]]) -> _Days:
    found: dict[str, dict[date, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for name, day, hit in claims:
        found[name][day][0] += 1
        found[name][day][1] += hit
    return {name: {day: (claims, hits) for day, (claims, hits) in days.items()} for name, days in found.items()}


def _different(happened: dict[date, tuple[int, int]], again: list[dict[date, tuple[int, int]]]) -> tuple[Day, ...]:
    """The days on which fewer or more were hits than in any replay, those that differ most first."""
    found = []
    for day, (claims, hits) in happened.items():
        of = [days.get(day, (0, 0))[1] for days in again]
        if not min(of) <= hits <= max(of):
            found.append(Day(day, claims, hits, spread(of)))
    return tuple(sorted(found, key=lambda one: (-abs(one.hits - one.replayed.median), one.day)))
