"""Try what the linter advises before it is advised: the same people meet the scenario as it is and as it would be."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from simkit.errors import Finding, RunError
from simkit.estimates import Interval, mean_interval
from simkit.model import Preset, Scenario
from simkit.runs.givens import givens
from simkit.runs.measures import Measures, measures
from simkit.runs.simulate import replicate
from simkit.templates.linter import ColdBegin, cold_begins, lint, looked_at_until

REPLICATIONS = 5
"""Runs of the scenario as it is, and of each cure."""
MOST_RUNS = 100
MOST_CLAIMS = 1_000_000
"""Together they are no more runs, and have no more claims and sessions: notes take a few seconds at most."""
LEAST_POINTS = 0.05
"""A cure that buys less of the hit rate, in points, buys nothing."""


def lint_tried(scenario: Scenario, seed: int = 0) -> tuple[Finding, ...]:
    """What `lint` says of a scenario, where each cure of a cold beginning was tried: what it buys and what it costs.

    Common random numbers: replication r meets the same people and the same slow builds with and without. What buys
    nothing is not advised, nor what the replications leave open; what was not tried says so.
    """
    said = {finding: finding for finding in lint(scenario)}
    begins = _begins(scenario)
    try:
        claims = len(givens(scenario, seed, 0).inputs.claims) if begins else 0
    except RunError:
        return tuple(said)  # the run itself tells why
    cured = [begin for begin in begins if begin.cured]
    runs = min(MOST_RUNS, MOST_CLAIMS // max(claims, 1))
    tried = cured[: max(runs // REPLICATIONS - 1, 0)]
    base = _measured(scenario, seed) if tried else []
    for begin in begins:
        if begin in tried:
            told = _told(begin, scenario, base, _measured(_cured(scenario, begin), seed))
        else:
            why = (
                f"more than {MOST_RUNS} runs or {MOST_CLAIMS:,} claims"
                if begin.cured
                else "another cron does not do it"
            )
            told = Finding("note", begin.where, f"{begin.finding.text} (not tried: {why})", begin.finding.name)
        said[begin.finding] = told
    return tuple(said.values())


def _begins(scenario: Scenario) -> tuple[ColdBegin, ...]:
    """Every cold beginning of all versions, once."""
    presets: dict[Preset, None] = dict.fromkeys(p for version in scenario.all_versions for p in version.presets)
    end_at = looked_at_until(scenario)
    return tuple(
        begin
        for preset in presets
        for begin in cold_begins(
            preset, scenario.workload_of(preset.name), scenario.start_at, end_at, scenario.behaviour
        )
    )


def _cured(scenario: Scenario, begin: ColdBegin) -> Scenario:
    cured = begin.cured
    assert cured is not None, "what is tried is a preset"
    return scenario.with_presets(lambda preset: cured if preset == begin.preset else preset)


def _measured(scenario: Scenario, seed: int) -> list[Measures]:
    return [measures(result) for result in replicate(scenario, seed, REPLICATIONS)]


def _told(begin: ColdBegin, scenario: Scenario, base: Sequence[Measures], cured: Sequence[Measures]) -> Finding:
    i = base[0].presets.index(begin.preset.name)
    points = mean_interval([100 * (_hit_rate(b, i) - _hit_rate(a, i)) for a, b in zip(base, cured, strict=True)])
    bought = f"{_points(points)} of the hit rate {_paid(scenario, base, cured, i)}"
    if points.mean < LEAST_POINTS:
        return begin.saying(f"to have them at {begin.begins_at} was tried and buys nothing: {bought}")
    if points.low <= 0:
        return begin.saying(
            f"to have them at {begin.begins_at} was tried, and {REPLICATIONS} replications leave open whether it buys "
            f"anything: {bought}"
        )
    return begin.saying(f"{begin.advice} to have them at {begin.begins_at}: it buys {bought}")


def _hit_rate(of: Measures, i: int) -> float:
    """0 where nobody asks: more prebuilds buy nothing there."""
    rate = float(of.hit_rate[i])
    return 0.0 if isnan(rate) else rate


def _points(points: Interval) -> str:
    low, mean, high = (f"{value + 0:.1f}" for value in (points.low, points.mean, points.high))
    return f"{mean} points" + (f" ({low} to {high})" if low != high else "")


def _paid(scenario: Scenario, base: Sequence[Measures], cured: Sequence[Measures], i: int) -> str:
    """What the preset's pool costs more a week, in money where instances have a price."""
    has_price = bool(base[0].cost_per_instance_hour[i])
    more = sum(_weekly(b, i, has_price) - _weekly(a, i, has_price) for a, b in zip(base, cured, strict=True)) / len(
        base
    )
    amount = f"{abs(more):,.2f} {scenario.currency}" if has_price else f"{abs(more):,.1f} instance-hours"
    return f"for {amount} a week" if more >= 0 else f"and saves {amount} a week"


def _weekly(of: Measures, i: int, has_price: bool) -> float:
    return float((of.pool_cost if has_price else of.pool_instance_hours)[i]) / of.weeks
