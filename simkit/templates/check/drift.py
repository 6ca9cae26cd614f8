"""Do committed numbers still suit the people who come? A history's last weeks, played, beside the best for them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import nan
from pathlib import Path

import numpy as np

from simkit.clock import HOUR_US, WEEK_US, Int64Array
from simkit.coder_versions import Behaviour
from simkit.decide.asked import FEWEST_WEEKS, presets_of
from simkit.decide.levels import Run, counted
from simkit.decide.margins import Float64Array, Weeks, deviation_of_next
from simkit.decide.plan import terraform
from simkit.decide.recommend import recommend
from simkit.deployment.calibrate import calibrated
from simkit.deployment.facts import presets_asked
from simkit.errors import Finding, Findings, InputError, StoreError, Where, did_you_mean
from simkit.estimates import CONFIDENCE, t_quantile
from simkit.model import History, Preset, Scenario
from simkit.templates.check.types import (
    TARGET,
    WEEKS,
    Against,
    Drift,
    DriftExpectation,
    MetricExpectation,
    Setting,
    Test,
    TestFile,
)
from simkit.timeline import whole_weeks

MOST_SCHEDULES = 5
STANDS_OUT = 8.85
"""The greatest of a likelihood ratio over all weeks is above this by chance in one of twenty histories (Andrews 1993,
table 1: one parameter, 15 % at either end left out)."""
REPLICATIONS = 20
"""Of a demand that is drawn."""


class UnjudgedError(Exception):
    """Nothing can be said, and why not."""


def tests_against(
    against: Against,
    presets: Sequence[Preset],
    files: Sequence[TestFile],
    behaviour: Behaviour,
    variables: tuple[tuple[str, str], ...],
    findings: Findings,
) -> list[tuple[TestFile, Test]]:
    """A test for each of the presets that the history tells enough of, a warning for each of the others.

    A history that cannot be read, or knows none of the presets, is an error among the findings.
    """
    where = Where(against.history)
    try:
        asked = presets_asked(against.history)
    except StoreError as error:
        findings.error(where, str(error).removeprefix(f"{against.history}: "))
        return []
    if against.template:
        if against.template not in asked:
            text = f'nobody asked for a preset of a template "{against.template}"'
            findings.error(where, f"{text}; {did_you_mean(against.template, asked)}")
            return []
        asked = {against.template: asked[against.template]}
    known = dict.fromkeys(name for names in asked.values() for name in names)
    here = dict.fromkeys(preset.name for preset in presets)
    was = {new: old for old, new in against.renamed}
    for new, old in was.items():
        if old not in known:
            findings.error(where, f'--renamed: there is no preset "{old}"; {did_you_mean(old, known)}')
        if new not in here:
            findings.error(Where("--renamed"), f'no template here has a preset "{new}"; {did_you_mean(new, here)}')
    if findings.errors:
        return []
    found: list[tuple[TestFile, Test]] = []
    unknown: list[Preset] = []
    for preset in presets:
        name = was.get(preset.name, preset.name)
        templates = [template for template, names in asked.items() if name in names]
        if len(templates) > 1:
            text = f"{', '.join(templates)} have a preset of this name in {against.history}"
            findings.error(preset.where, f"{text}; choose one with --template")
        if len(templates) != 1:
            unknown += [preset] if not templates else []
            continue
        expected = DriftExpectation(
            against.within,
            _target_of(preset, files) if against.target is None else against.target,
            against.weeks,
            preset.where,
            against.history,
            templates[0],
            was.get(preset.name, ""),
        )
        deployed = deployment_of(against.history, templates[0])
        try:
            mondays_of(deployed.scenario, name)
        except UnjudgedError as error:
            findings.warning(preset.where, f'nothing is said of the drift of "{preset.name}": {error}')
            continue
        findings.extend(deployed.notes)
        findings.note(where, deployed.censored)
        file = TestFile(
            preset.where.path, preset.where.path, behaviour, tuple(presets), (), variables, options=against.words
        )
        zone = preset.zone
        found.append(
            (file, Test(f"{preset.name} against {against.history}", preset.where, preset.name, zone, (expected,)))
        )
    gone = [name for name in known if name not in here and name not in was.values()]
    for preset in unknown:
        text = f'nobody asked for "{preset.name}" in {against.history}, so that nothing is said of its drift'
        if gone:
            old = " or ".join(f'"{name}"' for name in gone)
            text += f"; if it was called {old} there, write --renamed {shlex.quote(f'{gone[0]}={preset.name}')}"
        findings.warning(preset.where, text)
    if unknown and len(unknown) == len(presets) and not findings.errors:
        findings.error(where, f"it has none of the presets here; it has {', '.join(known) or 'no claim'}")
    return found


def _target_of(preset: Preset, files: Sequence[TestFile]) -> float:
    """The highest hit rate that a test asks of the preset at least; TARGET if none does."""
    tests = [test for file in files for test in file.tests if file.preset_of(test) == preset]
    bounds = [
        e.bound.at_least
        for t in tests
        for e in t.expectations
        if isinstance(e, MetricExpectation) and e.metric == "hit_rate"
    ]
    return max((bound for bound in bounds if bound is not None and 0 < bound < 1), default=TARGET)


@dataclass(frozen=True)
class Deployment:
    """A history's scenario, what is thin of it, and what it does not hold."""

    scenario: Scenario
    notes: tuple[Finding, ...]
    censored: str


def deployment_of(history: str, template: str) -> Deployment:
    """The deployment that a runs file tells of. Raises InputError and StoreError."""
    state = Path(history).stat()
    return _deployment_of(history, template, (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=8)
def _deployment_of(history: str, template: str, _: tuple[int, int]) -> Deployment:
    """As long as the file is the same."""
    scenario, found = calibrated(history, template or None)
    return Deployment(scenario, found.notes, found.assumed[0])


def mondays_of(scenario: Scenario, name: str, weeks: int = WEEKS) -> Int64Array:
    """Where the whole weeks of a history begin by a preset's own clocks, and the last one's end: int64[w + 1].

    Raises UnjudgedError where they are too few, or nobody came in the last `weeks` of them.
    """
    preset = next(p for p in presets_of(scenario) if p.name == name)
    edges = whole_weeks(scenario.zone_of(preset), scenario.start_at, scenario.end_at)
    many = max(edges.size - 1, 0)
    if many < FEWEST_WEEKS:
        raise UnjudgedError(f"{many} whole weeks are known (from Monday), and it takes {FEWEST_WEEKS}")
    assert isinstance(scenario.demand, History), "weeks of a history"
    at = scenario.demand.claim_at[np.array([of == name for of in scenario.demand.preset], dtype=np.bool_)]
    seen = np.histogram(at, edges[-min(weeks, many) - 1 :])[0] if at.size else np.zeros(1)
    if not seen.any():
        raise UnjudgedError(f"nobody asked for it in the last {min(weeks, many)} weeks")
    return edges


def drift_of(file: TestFile, test: Test, expected: DriftExpectation) -> Drift:
    """How a preset's numbers do in the last weeks, and what would mend them: tried before it is named.

    Raises UnjudgedError, with the reason, where nothing can be said; InputError, StoreError and RunError.
    """
    preset = file.preset_of(test)
    name = expected.was or preset.name
    scenario, assumed = _committed(file, test, expected, name)
    recent, edges = scenario, np.array([scenario.start_at, scenario.end_at])
    is_drawn = not isinstance(scenario.demand, History)
    if not is_drawn:
        edges = mondays_of(scenario, name, expected.weeks)
        recent = replace(scenario, start_at=int(edges[-min(expected.weeks, edges.size - 1) - 1]), end_at=int(edges[-1]))
    try:
        most = min(len(preset.schedules), MOST_SCHEDULES)
        (advice,) = recommend(recent, expected.target, max_schedules=most, preset=name).presets
    except InputError as error:
        raise UnjudgedError("; ".join(problem.text for problem in error.problems)) from None
    best = scenario.with_presets(lambda p: advice.preset if p.name == name else p)
    now, mended = (_played(of, name, edges, is_drawn) for of in (scenario, best))
    last = slice(-expected.weeks, None) if not is_drawn else slice(None)
    setting, of_best = (_setting(of, scenario, name, last) for of in (now, mended))
    seen = Weeks(now.hits[last], now.claims[last])
    above = t_quantile(seen.claims.size - 1, 2 * CONFIDENCE - 1) * float(deviation_of_next(seen, 10**9))
    misses = setting.hit_rate + above < expected.target
    is_enough = meets(mended, expected.target, seen.claims.size)
    costs_more = is_enough and setting.pool_hours_per_week > of_best.pool_hours_per_week * (1 + expected.within)
    series = now if misses else mended
    broke_i = None if is_drawn else since(series, expected.target, misses)
    before, after = (_rate(series, part) for part in (slice(broke_i), slice(broke_i, None)))
    return Drift(
        from_at=recent.start_at,
        until_at=recent.end_at,
        weeks=round((recent.end_at - recent.start_at) / WEEK_US),
        claims=int(seen.claims.sum()) // (REPLICATIONS if is_drawn else 1),
        target=expected.target,
        now=setting,
        best=of_best,
        block=terraform(replace(advice.preset, name=preset.name)),
        is_best_enough=is_enough,
        misses=misses,
        costs_more=costs_more,
        broke_at=None if broke_i is None else int(edges[broke_i]),
        weeks_before=broke_i or 0,
        rate_before=before if broke_i else nan,
        rate_after=after,
        by_week=() if is_drawn else tuple((series.hits / np.where(series.claims, series.claims, nan)).tolist()),
        currency=scenario.currency if scenario.workload_of(name).cost_per_instance_hour else "",
        assumed=assumed,
    )


def _committed(file: TestFile, test: Test, expected: DriftExpectation, name: str) -> tuple[Scenario, tuple[str, ...]]:
    """The scenario in which the committed presets serve those who came, and what is assumed of it."""
    if not expected.history:
        assert test.simulation is not None, "a drift is that of a history or of a simulated demand"
        return test.simulation.scenario, test.simulation.assumed
    deployed = deployment_of(expected.history, expected.template)
    known = [p.name for p in presets_of(deployed.scenario)]
    if name not in known:
        text = f'the active version in {expected.history} has no preset "{name}"; {did_you_mean(name, known)}'
        raise UnjudgedError(f"{text}; was: NAME says how it was called there")
    committed = {p.name: p for p in file.presets} | {name: replace(file.preset_of(test), name=name)}
    return deployed.scenario.with_presets(lambda p: committed.get(p.name, p)), (deployed.censored,)


@dataclass(frozen=True)
class Played:
    """What one preset has in each week of a history, or replication of a drawn demand: float64[w] each."""

    claims: Float64Array
    hits: Float64Array
    pool_hours: Float64Array
    weeks: float
    """How long each is."""


def _played(scenario: Scenario, name: str, edges: Int64Array, is_drawn: bool) -> Played:
    runs = [counted(Run(scenario, 0, r, edges)) for r in range(REPLICATIONS if is_drawn else 1)]
    i = runs[0].presets.index(name)
    claims, hits, pool_us = (
        np.concatenate([column[i] for column in columns]).astype(np.float64)
        for columns in zip(*((run.claims, run.hits, run.pool_us) for run in runs), strict=True)
    )
    return Played(claims, hits, pool_us / HOUR_US, float(edges[-1] - edges[0]) / (edges.size - 1) / WEEK_US)


def _rate(of: Played, part: slice) -> float:
    claims = of.claims[part].sum()
    return float(of.hits[part].sum() / claims) if claims else nan


def _setting(of: Played, scenario: Scenario, name: str, last: slice) -> Setting:
    hours = float(of.pool_hours[last].mean()) / of.weeks
    return Setting(_rate(of, last), hours, hours * scenario.workload_of(name).cost_per_instance_hour)


def meets(of: Played, target: float, last: int) -> bool:
    """Is the target met in the last weeks, and in all before them that are like these?

    What four weeks let pass by chance is no better setting where others, in which people came as often, do not.
    """
    alike = min(parts_of(of.hits, of.claims)[-1][0], of.claims.size - last)
    return min(_rate(of, slice(alike, None)), _rate(of, slice(of.claims.size - last, None))) >= target


def since(of: Played, target: float, misses: bool) -> int | None:
    """Since which week numbers miss a target (or meet it, where `misses` is false), as they do at the end.

    None if no week stands out: as far as weeks differ by more than chance, they always did.
    """
    begin = 0
    for first, until in reversed(parts_of(of.hits, of.claims)):
        begin = first
        if (_rate(of, slice(first, until)) < target) != misses:
            return until if until < of.claims.size else None
    return begin or None


def parts_of(hits: Float64Array, claims: Float64Array) -> list[tuple[int, int]]:
    """Spans of weeks [first, until) in each of which the hit rate is one, as far as chance tells, in order.

    Cut in two where two rates are likelier than one by most, and each part again, as long as that is STANDS_OUT or more
    in units of how one week differs from the next.
    """
    return _parts(hits, claims, 0, _dispersion(hits, claims))


def _parts(hits: Float64Array, claims: Float64Array, begin: int, dispersion: float) -> list[tuple[int, int]]:
    gains = [(_gain(hits, claims, i), i) for i in range(1, claims.size)]
    gain, at = max(gains, default=(0.0, 0))
    if gain / dispersion < STANDS_OUT:
        return [(begin, begin + claims.size)]
    early = _parts(hits[:at], claims[:at], begin, dispersion)
    return [*early, *_parts(hits[at:], claims[at:], begin + at, dispersion)]


def _dispersion(hits: Float64Array, claims: Float64Array) -> float:
    """How many times more than by chance alone a week differs from the one before, 1 at least.

    The median of the squares, so that the few weeks in which habits change do not count; of one normal variable it is
    0.455.
    """
    came = claims > 0
    hits, claims = hits[came], claims[came]
    if claims.size < 3 or not 0 < hits.sum() < claims.sum():
        return 1.0
    rate = hits.sum() / claims.sum()
    variance = rate * (1 - rate) * (1 / claims[1:] + 1 / claims[:-1])
    return max(float(np.median(np.diff(hits / claims) ** 2 / variance)) / 0.455, 1.0)


def _gain(hits: Float64Array, claims: Float64Array, at: int) -> float:
    """Twice the logarithm by which two rates, cut before week `at`, are likelier than one."""
    halves = [(float(hits[part].sum()), float(claims[part].sum())) for part in (slice(at), slice(at, None))]
    whole = _log_likelihood(float(hits.sum()), float(claims.sum()))
    return 2 * (sum(_log_likelihood(*half) for half in halves) - whole)


def _log_likelihood(hits: float, claims: float) -> float:
    """Of so many hits, at the rate that makes them likeliest."""
    return sum(float(of * np.log(of / claims)) for of in (hits, claims - hits) if of > 0)
