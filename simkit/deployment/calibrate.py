"""A scenario out of a history: presets as deployed, claims as they came, durations and failures as they were.

Each number stands beside its sample size and interval.
"""

from __future__ import annotations

import os
import tempfile
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from simkit.clock import SECOND_US, UTC_ZONE, Int64Array, format_duration, format_instant, zone
from simkit.coder_versions import DEFAULT_BEHAVIOUR, behaviour_of
from simkit.deployment import hours
from simkit.deployment.assumed import assumed
from simkit.deployment.fits import Durations, Fit, fit
from simkit.deployment.fits import quantile as censored_quantile
from simkit.deployment.text import as_yaml
from simkit.errors import Finding, Findings, InputError, StoreError, Where, did_you_mean
from simkit.files import write_whole
from simkit.inputs.scenario import load
from simkit.model import Scenario
from simkit.shown import visible
from simkit.store.asking import history_run, rows_of
from simkit.store.connection import literal

KINDS = ("build", "agent", "claim", "reinitialize", "delete", "stop", "start")
THIN = 30
"""A sample below this is told to be thin, and a preset with fewer builds has the durations of all."""
MOST_SAMPLES = 200
"""Of a longer sample so many quantiles are written, equally likely."""
FAMILIES = ("lognormal", "gamma", "weibull")

_BUILDS = """
WITH all_builds AS (
    SELECT
        b.run_id, b.id, b.job_id, b.build_number, b.transition,
        first_value(b.template_version_preset_id IGNORE NULLS) OVER life AS preset_id,
        first_value(b.initiator_id) OVER life AS first_initiator,
        lag(b.transition) OVER (PARTITION BY b.workspace_id ORDER BY b.build_number) AS before,
        lead(b.created_at) OVER (PARTITION BY b.workspace_id ORDER BY b.build_number) AS next_at,
        b.created_at
    FROM workspace_builds AS b
    WHERE b.run_id = ?
    WINDOW life AS (
        PARTITION BY b.workspace_id ORDER BY b.build_number ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
)
SELECT
    p.name,
    CASE
        WHEN b.transition <> 'start' THEN b.transition
        WHEN b.build_number = 1 THEN 'build'
        WHEN b.build_number = 2 AND b.first_initiator = 0 AND b.before = 'start' THEN 'claim'
        WHEN b.before = 'stop' THEN 'start'
    END AS kind,
    b.build_number = 1 AND b.first_initiator = 0 AS is_prebuild,
    j.completed_at IS NOT NULL AND j.error IS NULL AND j.canceled_at IS NULL AS is_good,
    -- What the reaper ended was never taken by a daemon: no build failed.
    j.error IS NOT NULL AND j.started_at IS NOT NULL AS is_failed,
    epoch_us(j.completed_at) - epoch_us(j.started_at) AS took_us,
    greatest(epoch_us(a.ready_at) - epoch_us(j.completed_at), 0) AS ready_us,
    a.ready_at IS NOT NULL AS is_ready,
    -- How long it went on without an end that was seen: it was cancelled, or the history ended.
    CASE WHEN j.error IS NULL AND (j.completed_at IS NULL OR j.canceled_at IS NOT NULL) THEN
        epoch_us(least(j.completed_at, r.end_at)) - epoch_us(j.started_at)
    END AS outlasted_us,
    CASE WHEN a.id IS NOT NULL AND a.ready_at IS NULL THEN
        greatest(epoch_us(least(b.next_at, r.end_at)) - epoch_us(j.completed_at), 0)
    END AS unready_us
FROM all_builds AS b
JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
JOIN template_version_presets AS p ON p.run_id = b.run_id AND p.id = b.preset_id
JOIN template_versions AS v ON v.run_id = p.run_id AND v.id = p.template_version_id
JOIN runs AS r ON r.run_id = b.run_id
LEFT JOIN workspace_agents AS a ON a.run_id = b.run_id AND a.workspace_build_id = b.id
WHERE v.template_id = ? AND b.created_at >= r.start_at
"""
_CLEARED = """
SELECT
    count(*), count(d.id), median(epoch_us(d.created_at) - epoch_us(b.created_at))
FROM workspace_builds AS b
JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
JOIN template_versions AS v ON v.run_id = b.run_id AND v.id = b.template_version_id
LEFT JOIN workspace_builds AS d
    ON d.run_id = b.run_id AND d.workspace_id = b.workspace_id AND d.build_number = 2 AND d.transition = 'delete'
WHERE b.run_id = ? AND v.template_id = ? AND b.build_number = 1 AND b.initiator_id = 0 AND j.error IS NOT NULL
    AND j.started_at IS NOT NULL
"""
_JOBS = """
SELECT epoch_us(started_at), epoch_us(completed_at) FROM provisioner_jobs
WHERE run_id = ? AND started_at IS NOT NULL AND completed_at IS NOT NULL
"""


@dataclass(frozen=True)
class Measured:
    """Durations of one kind, of all presets (preset "") or of one: sample_us int64[n], increasing.

    `median` and `p95` are (value, low, high) in microseconds; the interval of 95 % is between order statistics,
    whatever the distribution is. `outlasted_us`: of those that went on for longer than was seen; with them, quantiles
    are those of Kaplan and Meier. `fit`: of a lognormal, None for a thin sample. `family`: which of FAMILIES is
    nearest, with the greatest difference of the two distribution functions; ("", NaN) where the sample does not tell.
    """

    kind: str
    preset: str
    sample_us: Int64Array
    median: tuple[int, int, int]
    p95: tuple[int, int, int]
    family: tuple[str, float]
    outlasted_us: Int64Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    fit: Fit | None = None

    @property
    def count(self) -> int:
        return self.sample_us.size + self.outlasted_us.size


@dataclass(frozen=True)
class Rate:
    """Failed builds of prebuilds out of how many, with the interval of 95 % of the probability (Wilson)."""

    preset: str
    failed: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.failed / self.of if self.of else 0.0


@dataclass(frozen=True)
class Calibrated:
    """What was measured, and the scenario as text. `notes` say where data is thin, and what is left out."""

    template: str
    durations: tuple[Measured, ...]
    failures: tuple[Rate, ...]
    claims: int
    daemons: int
    cleared_after_us: int
    """How old half of the failed prebuilds were when somebody deleted them; 0: at least half of them never were."""
    text: str
    notes: tuple[Finding, ...]
    assumed: tuple[str, ...]
    """What is assumed or cannot be known, in sentences with numbers."""
    demand: tuple[hours.Asked, ...]
    """By hour of the week, of each preset."""


def calibrate(
    history: str | Path,
    out: str | Path,
    template: str | None = None,
    run_id: str | None = None,
    by_hour: bool = False,
    hidden_demand: float = 0.0,
    force: bool = False,
) -> Calibrated:
    """Write the scenario of a runs file's history (or its only run) for one template. Raises InputError, StoreError.

    `template`: which one, if people asked for presets of several; `run_id`: another run than the history. Claims stand
    in it as they came, `by_hour` as expected in each hour of the week: so they do with a `hidden_demand`, a share by
    which there are more than were seen. A file that is there is written over with `force` alone.
    """
    if Path(out).exists() and not force:
        raise _refused(Path(out), "is there already; give another name, or --force")
    found = measured(history, Path(out).parent, template, run_id, by_hour, hidden_demand)
    write_whole(Path(out), found.text.encode())
    return found


def measured(
    history: str | Path,
    folder: Path,
    template: str | None = None,
    run_id: str | None = None,
    by_hour: bool = False,
    hidden_demand: float = 0.0,
    is_past: bool = False,
) -> Calibrated:
    """As `calibrate`, without writing; `folder`: where the scenario will stand.

    `is_past`: with the versions as they were active one after the other, in place of the active one alone.
    """
    path, findings = Path(history), Findings()
    run_id = history_run(path) if run_id is None else _run(path, run_id)
    [(start_at, end_at, timezone, version)] = rows_of(
        path, "SELECT epoch_us(start_at), epoch_us(end_at), timezone, coder_version FROM runs WHERE run_id = ?", run_id
    )
    template_id, name = _template(path, run_id, template)
    versions = _versions(path, run_id, template_id, (start_at, end_at), is_past)
    names = list(dict.fromkeys(preset["name"] for version in versions for preset in version.presets))
    claims, others = _claims(path, run_id, template_id, names)
    if others:
        which = "no active version of {name} has" if is_past else "the active version of {name} does not have"
        text = f"{others:,} claims are left out: of presets that {which.format(name=name)}"
        findings.warning(Where(str(path)), text)
    if not claims:
        raise _refused(path, f"nobody asked for a preset that the active version of {name} has; there is no demand")
    durations, failures = _measure(rows_of(path, _BUILDS, run_id, template_id), names, Where(str(path)), findings)
    [(failed, cleared, age_us)] = rows_of(path, _CLEARED, run_id, template_id)
    cleared_after_us = int(age_us) if cleared * 2 > failed else 0
    daemons = _most_at_once(rows_of(path, _JOBS, run_id))
    sentences = tuple(assumed(path, run_id, template_id, hidden_demand))
    demand = _asked(path, run_id, template_id, (start_at, end_at, timezone), names)
    profiles: list[str] = []
    if by_hour or hidden_demand:
        profiles = [line for one in demand if one.claims for line in hours.profile(one, 1 + hidden_demand)]
        for one in demand:
            for sentence in hours.thin(one):
                findings.warning(Where(str(path)), sentence)
    told_first = [*sentences, *(f"Thin: {note.text}" for note in findings)]
    text = _scenario(
        path,
        folder,
        run_id,
        template_id,
        name,
        (start_at, end_at, timezone, version),
        versions,
        durations,
        failures,
        claims,
        daemons,
        cleared_after_us,
        told_first,
        profiles,
    )
    return Calibrated(
        name, durations, failures, claims, daemons, cleared_after_us, text, tuple(findings), sentences, demand
    )


def calibrated(history: str | Path, template: str | None = None, is_past: bool = False) -> tuple[Scenario, Calibrated]:
    """The scenario of a runs file's history, read, and what was measured. Raises InputError and StoreError."""
    with tempfile.TemporaryDirectory(prefix="simkit-") as folder:
        found = measured(history, Path(folder), template, is_past=is_past)
        file = Path(folder, "scenario.yaml")
        file.write_text(found.text, encoding="utf-8")
        return load(file), found


def presets_asked(history: str | Path) -> dict[str, tuple[str, ...]]:
    """The presets of each template's active version that somebody asked for in a history. Raises StoreError."""
    path = Path(history)
    found: dict[str, tuple[str, ...]] = {}
    for template, name in rows_of(
        path,
        "SELECT DISTINCT t.name, now.name FROM templates AS t JOIN template_version_presets AS now "
        "ON now.run_id = t.run_id AND now.template_version_id = t.active_version_id JOIN template_versions AS v "
        "ON v.run_id = t.run_id AND v.template_id = t.id JOIN template_version_presets AS p ON p.run_id = v.run_id "
        "AND p.template_version_id = v.id AND p.name = now.name JOIN claims AS c ON c.run_id = p.run_id "
        "AND c.preset_id = p.id WHERE t.run_id = ? ORDER BY ALL",
        history_run(path),
    ):
        found[template] = (*found.get(template, ()), name)
    return found


def _run(path: Path, run_id: str) -> str:
    """A run of this id. Raises StoreError."""
    known = [str(name) for (name,) in rows_of(path, "SELECT run_id FROM runs ORDER BY run_id")]
    if run_id not in known:
        raise StoreError(f'{path}: there is no run "{run_id}"; {did_you_mean(run_id, known)}')
    return run_id


def _asked(
    path: Path, run_id: str, template_id: int, window: tuple[int, int, str], names: Sequence[str]
) -> tuple[hours.Asked, ...]:
    """The demand for each preset, by the clocks that people think of it in."""
    start_at, end_at, timezone = window
    found = rows_of(
        path,
        "SELECT p.name, max_by(p.timezone, p.id), list(epoch_us(c.created_at) ORDER BY c.created_at) FROM claims AS c "
        "JOIN template_version_presets AS p ON p.run_id = c.run_id AND p.id = c.preset_id JOIN template_versions AS v "
        "ON v.run_id = p.run_id AND v.id = p.template_version_id WHERE c.run_id = ? AND v.template_id = ? "
        "GROUP BY p.name",
        run_id,
        template_id,
    )
    by_name = {name: (zone_name, at) for name, zone_name, at in found}
    told = []
    for name in names:
        zone_name, at = by_name.get(name, (timezone, []))
        in_zone = zone(zone_name) or UTC_ZONE
        told.append(hours.asked(name, in_zone, np.array(at, dtype=np.int64), start_at, end_at))
    return tuple(told)


def _template(path: Path, run_id: str, wanted: str | None) -> tuple[int, str]:
    found = rows_of(
        path,
        "SELECT t.id, t.name, count(c.id) FROM templates AS t "
        "LEFT JOIN template_versions AS v ON v.run_id = t.run_id AND v.template_id = t.id "
        "LEFT JOIN template_version_presets AS p ON p.run_id = v.run_id AND p.template_version_id = v.id "
        "LEFT JOIN claims AS c ON c.run_id = p.run_id AND c.preset_id = p.id "
        "WHERE t.run_id = ? GROUP BY ALL ORDER BY count(c.id) DESC, t.id",
        run_id,
    )
    asked = [(template_id, name) for template_id, name, claims in found if claims]
    chosen = [one for one in asked if wanted in (None, one[1])]
    names = ", ".join(name for _, name in asked)
    if not asked:
        raise _refused(path, "nobody asked for a preset; there is nothing to calibrate")
    if not chosen:
        raise _refused(path, f'nobody asked for a preset of a template "{wanted}"; there is {names}')
    if len(chosen) > 1:
        raise _refused(path, f"people asked for presets of several templates ({names}); choose one with --template")
    return chosen[0]


@dataclass(frozen=True)
class _Version:
    """A version that was active from an instant on: its presets, as a scenario writes them."""

    name: str
    from_at: int
    presets: list[dict[str, Any]]


def _versions(
    path: Path, run_id: str, template_id: int, window: tuple[int, int], is_past: bool
) -> tuple[_Version, ...]:
    """The versions of a template that were active in the window, in order; without `is_past` the one active now."""
    [(active_id, active)] = rows_of(
        path,
        "SELECT v.id, v.name FROM templates AS t JOIN template_versions AS v ON v.run_id = t.run_id "
        "AND v.id = t.active_version_id WHERE t.run_id = ? AND t.id = ?",
        run_id,
        template_id,
    )
    begun = [(active_id, active, window[0])]
    if is_past:
        begun = rows_of(
            path,
            "SELECT v.id, v.name, greatest(epoch_us(e.happened_at), $start) FROM template_versions AS v "
            "LEFT JOIN scenario_events AS e ON e.run_id = v.run_id AND e.event = 'activate' "
            "AND e.template_version_id = v.id WHERE v.run_id = $run AND v.template_id = $template ORDER BY 3, v.id",
            **{"run": run_id, "template": template_id, "start": window[0]},
        )
        told = [(i, name, at) for i, name, at in begun if at is not None]
        # A simulation tells of no activation of the version that it begins with.
        first = [(i, name, window[0]) for i, name, at in begun if at is None][:1]
        begun = told if told and told[0][2] == window[0] else [*first, *told]
    return tuple(_Version(name, at, _presets(path, run_id, version_id)) for version_id, name, at in begun)


def _presets(path: Path, run_id: str, version_id: int) -> list[dict[str, Any]]:
    """The presets of a version, as a scenario writes them."""
    found = rows_of(
        path,
        "SELECT p.id, p.name, p.desired_instances, p.invalidate_after_secs, p.scheduling_timezone "
        "FROM template_version_presets AS p WHERE p.run_id = ? AND p.template_version_id = ? ORDER BY p.id",
        run_id,
        version_id,
    )
    schedules: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for preset_id, cron, instances in rows_of(
        path,
        "SELECT preset_id, cron_expression, desired_instances FROM template_version_preset_prebuild_schedules "
        "WHERE run_id = ? ORDER BY id",
        run_id,
    ):
        schedules[preset_id].append({"cron": cron, "instances": instances})
    presets = []
    for preset_id, name, instances, ttl_s, timezone in found:
        preset: dict[str, Any] = {"name": name, "instances": instances}
        if ttl_s:
            preset["ttl"] = f"{ttl_s}s"
        if schedules[preset_id]:
            preset["scheduling"] = {"timezone": timezone, "schedules": schedules[preset_id]}
        presets.append(preset)
    return presets


def _claims(path: Path, run_id: str, template_id: int, names: Sequence[str]) -> tuple[int, int]:
    """(claims of these presets, claims of others of the template)"""
    found = rows_of(
        path,
        "SELECT p.name, count(*) FROM claims AS c JOIN template_version_presets AS p ON p.run_id = c.run_id "
        "AND p.id = c.preset_id JOIN template_versions AS v ON v.run_id = p.run_id AND v.id = p.template_version_id "
        "WHERE c.run_id = ? AND v.template_id = ? GROUP BY p.name",
        run_id,
        template_id,
    )
    mine = sum(count for name, count in found if name in names)
    return mine, sum(count for _, count in found) - mine


def _measure(
    rows: Iterable[tuple[Any, ...]], names: Sequence[str], where: Where, findings: Findings
) -> tuple[tuple[Measured, ...], tuple[Rate, ...]]:
    """Durations of each kind, of all presets together and of each that has enough; failures likewise."""
    samples: dict[tuple[str, str], list[int]] = defaultdict(list)
    outlasted: dict[tuple[str, str], list[int]] = defaultdict(list)
    builds: dict[str, list[int]] = {name: [0, 0] for name in ("", *names)}
    for preset, kind, is_prebuild, is_good, is_failed, took_us, ready_us, is_ready, outlasted_us, unready_us in rows:
        whose = ("", preset) if preset in names else ("",)
        for of in whose:
            if is_prebuild and (is_good or is_failed):
                builds[of][0] += is_failed
                builds[of][1] += 1
            if kind is not None and outlasted_us is not None:
                outlasted[kind, of].append(outlasted_us)
            if kind is None or not is_good or took_us is None:
                continue
            samples[kind, of].append(took_us)
            agent = "reinitialize" if kind == "claim" else "agent"
            if is_ready and kind in ("build", "start", "claim"):
                samples[agent, of].append(ready_us)
            elif unready_us is not None and kind in ("build", "start", "claim"):
                outlasted[agent, of].append(unready_us)
    durations = []
    for kind in KINDS:
        for of in ("", *names) if len(names) > 1 else ("",):
            sample = np.sort(np.array(samples[kind, of], dtype=np.int64))
            if sample.size >= (1 if not of else THIN):
                durations.append(measure(kind, of, sample, np.sort(np.array(outlasted[kind, of], dtype=np.int64))))
        size = len(samples[kind, ""])
        if size < THIN and kind in ("build", "agent", "claim", "delete"):
            seen = f"only {size} were seen" if size else "none was seen, so that simkit's default stands"
            findings.warning(where, f"durations.{kind} is thin: {seen}")
    rates = []
    for of in ("", *names) if len(names) > 1 else ("",):
        failed, count = builds[of]
        if count >= (1 if not of else THIN):
            rates.append(Rate(of, failed, count, *wilson(failed, count)))
    if builds[""][1] < THIN:
        findings.warning(where, f"failures.probability is thin: {builds[''][1]} builds of prebuilds were seen")
    return tuple(durations), tuple(rates)


def measure(kind: str, preset: str, sample_us: Int64Array, outlasted_us: Int64Array | None = None) -> Measured:
    """What a sample of durations says: int64[n], increasing, n >= 1, and others that lasted longer than was seen."""
    outlasted_us = np.zeros(0, dtype=np.int64) if outlasted_us is None else outlasted_us
    durations = Durations(sample_us.astype(np.float64), outlasted_us.astype(np.float64))
    fitted = fit(durations) if sample_us.size >= THIN else None
    if not outlasted_us.size:
        median, p95 = quantile(sample_us, 0.5), quantile(sample_us, 0.95)
    else:
        longest = int(max(sample_us[-1], outlasted_us[-1]))
        median, p95 = (
            (round(value), round(low), round(min(high, longest)))
            for value, low, high in (censored_quantile(durations, 0.5), censored_quantile(durations, 0.95))
        )
    return Measured(kind, preset, sample_us, median, p95, nearest(sample_us), outlasted_us, fitted)


def quantile(sample: Int64Array, level: float) -> tuple[int, int, int]:
    """(value, low, high) of a quantile: the interval lies between order statistics and holds with 95 % at least, if
    the sample is large enough; else it is the whole sample. (Conover, Practical Nonparametric Statistics, 3.2.)"""
    from scipy.special import bdtr

    n = sample.size
    below = bdtr(np.arange(n), n, level)  # of k: P(at most k of the sample are below the quantile)
    low = max(int(np.searchsorted(below, 0.025, side="right")) - 1, 0)
    high = min(int(np.searchsorted(below, 0.975)), n - 1)
    return int(sample[min(int(level * n), n - 1)]), int(sample[low]), int(sample[high])


def wilson(failed: int, of: int) -> tuple[float, float]:
    """The interval of 95 % of a probability (Wilson, 1927)."""
    z2 = 1.959963984540054**2
    share = failed / of
    center = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = np.sqrt(z2 * (share * (1 - share) / of + z2 / (4 * of * of))) / (1 + z2 / of)
    return max(float(center - half), 0.0), min(float(center + half), 1.0)


def nearest(sample: Int64Array) -> tuple[str, float]:
    """Of FAMILIES, fitted by their moments, the one whose distribution function is nearest to the sample's."""
    x = sample[sample > 0] / 1e6
    if x.size < THIN or np.ptp(x) == 0:
        return "", float("nan")
    found = {name: float(_distance(x, _fitted(name, x))) for name in FAMILIES}
    best = min(found, key=lambda name: found[name])
    return best, found[best]


def _fitted(family: str, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The distribution function of a family at the sample, with parameters by its logarithm or its moments."""
    from scipy.special import gammainc, ndtr

    log = np.log(x)
    if family == "lognormal":
        return np.asarray(ndtr((log - log.mean()) / log.std(ddof=1)))
    if family == "gamma":
        shape = x.mean() ** 2 / x.var(ddof=1)
        return np.asarray(gammainc(shape, x * shape / x.mean()))
    shape = np.pi / np.sqrt(6) / log.std(ddof=1)
    scale = np.exp(log.mean() + np.euler_gamma / shape)
    return 1 - np.exp(-((x / scale) ** shape))


def _distance(x: npt.NDArray[np.float64], cdf: npt.NDArray[np.float64]) -> float:
    """Kolmogorov's: x is increasing."""
    step = np.arange(1, x.size + 1) / x.size
    return float(np.maximum(np.abs(step - cdf), np.abs(step - 1 / x.size - cdf)).max())


def _most_at_once(jobs: Sequence[tuple[int, int]]) -> int:
    """How many jobs ran at once, at most: so many daemons there were at least."""
    if not jobs:
        return 1
    times = np.array(jobs, dtype=np.int64)
    at = np.concatenate([times[:, 0], times[:, 1]])
    step = np.repeat([1, -1], len(times))
    order = np.lexsort((step, at))  # who ends at an instant makes room for who begins then
    return max(int(np.cumsum(step[order]).max()), 1)


def _scenario(
    path: Path,
    folder: Path,
    run_id: str,
    template_id: int,
    name: str,
    window: tuple[int, int, str, str],
    versions: Sequence[_Version],
    durations: Sequence[Measured],
    failures: Sequence[Rate],
    claims: int,
    daemons: int,
    cleared_after_us: int,
    told_first: Sequence[str],
    profiles: Sequence[str],
) -> str:
    """The scenario's text. Values are JSON, so that a name is text whatever is in it.

    `profiles`: lines of the demand by hour of the week, in place of the claims as they came.
    """
    start_at, end_at, timezone, version = window
    names = list(dict.fromkeys(preset["name"] for one in versions for preset in one.presets))
    query = (
        "SELECT c.created_at AS started_at, p.name AS preset FROM claims AS c JOIN template_version_presets AS p "
        "ON p.run_id = c.run_id AND p.id = c.preset_id JOIN template_versions AS v ON v.run_id = p.run_id AND v.id = "
        f"p.template_version_id WHERE c.run_id = {literal(run_id)} AND v.template_id = {template_id} AND p.name IN "
        f"({', '.join(map(literal, names))})"
    )
    shown = os.path.relpath(path, folder)
    history = f"demand: {as_yaml({'history': {'duckdb': shown, 'query': query}})}  # {claims:,} claims"
    span = {"from": format_instant(start_at), "until": format_instant(end_at), "timezone": timezone}
    lines = [
        f"# Made by simkit calibrate of the run {as_yaml(run_id)} in {as_yaml(shown)}. n: how many were seen; in",
        "# brackets: the interval of 95 %. Demand is seen in part: who chose no preset or gave up left no claim.",
        *(line for sentence in told_first for line in _item(sentence)),
        f"name: {as_yaml(name)}",
        f"window: {as_yaml(span)}",
        f"coder: {as_yaml({'version': _coder(version), 'provisioner_daemons': daemons})}  # so many jobs ran at once",
        f"presets:  # of the version {as_yaml(versions[0].name)}",
        *(f"  - {as_yaml(preset)}" for preset in versions[0].presets),
        *(["demand:", "  profiles:", *(f"    {line}" for line in profiles)] if profiles else [history]),
        "# cost: {per_instance_hour: 0.00, currency: USD}  # yours to fill in; nothing is known of it",
    ]
    lines += _workload("", durations, failures, cleared_after_us, "")
    if versions[1:]:
        lines.append("events:  # a version's first prebuild tells when it was activated")
    for one in versions[1:]:
        event = {"at": format_instant(one.from_at), "event": "activate", "version": one.name, "presets": one.presets}
        lines.append(f"  - {as_yaml(event)}")
    overrides = [name for name in names if any(of.preset == name for of in durations)]
    if overrides:
        lines.append("overrides:")
        for of in overrides:
            lines += [f"  {as_yaml(of)}:", *_workload(of, durations, failures, cleared_after_us, "    ")]
    return "\n".join(lines) + "\n"


def _item(sentence: str) -> list[str]:
    """A sentence of the head, as lines of a comment; a name in it stays in its line."""
    lines = textwrap.wrap(visible(sentence), 110, break_long_words=False, break_on_hyphens=False)
    return [f"# {'  ' if i else '- '}{line}" for i, line in enumerate(lines)]


def _workload(
    preset: str, durations: Sequence[Measured], failures: Sequence[Rate], cleared_after_us: int, indent: str
) -> list[str]:
    lines = [f"{indent}durations:"]
    for one in durations:
        if one.preset == preset:
            lines += [f"{indent}  # {sentence}" for sentence in (told(one), fit_told(one)) if sentence]
            lines.append(f"{indent}  {one.kind}: {as_yaml(_distribution(one))}")
    if len(lines) == 1:
        lines = []
    for rate in failures:
        if rate.preset == preset:
            given: dict[str, object] = {"probability": round(rate.value, 6)}
            if cleared_after_us and not preset:
                given["cleared_after"] = format_duration(max(cleared_after_us // SECOND_US, 1) * SECOND_US)
            value = f"{indent}failures: {as_yaml(given)}"
            lines.append(f"{value}  # {rate.failed:,} of n = {rate.of:,} [{rate.low:.2%}, {rate.high:.2%}]")
    return lines


def told(one: Measured) -> str:
    """A measured duration as a sentence of a comment."""
    thin = f"; thin, fewer than {THIN}" if one.sample_us.size < THIN else ""
    family, distance = one.family
    near = f"; nearest to a {family} distribution, {distance:.2f} off at most" if family else ""
    cut = f", {one.outlasted_us.size:,} of them longer than was seen" if one.outlasted_us.size else ""
    return f"n = {one.count:,}{cut}, median {_between(one.median)}, p95 {_between(one.p95)}{near}{thin}"


def fit_told(one: Measured) -> str:
    """How a lognormal fits, in a comment; "" where none was tried."""
    found = one.fit
    if found is None or found.distance != found.distance:
        return ""
    verdict = "fits" if found.family == "lognormal" else "does not fit, so that quantiles stand here"
    said = ""
    if found.family == "lognormal":
        median, p95 = (f"{_to_ms(of.mean)} [{_to_ms(of.low)}, {_to_ms(of.high)}]" for of in (found.median, found.p95))
        said = f"; median {median}, p95 {p95}"
    return (
        f"A lognormal {verdict}: {found.distance:.3f} off, {found.limit:.3f} allowed (Lilliefors); AIC "
        f"{found.aic:,.1f}, a gamma's {found.aic_of_gamma:,.1f}{said}"
    )


def _distribution(one: Measured) -> str | dict[str, Any]:
    """As a scenario writes it: the lognormal that fits, else the sample or its quantiles."""
    if one.fit is not None and one.fit.family == "lognormal":
        return {name: _to_ms(at.mean) for name, at in (("median", one.fit.median), ("p95", one.fit.p95))}
    if one.fit is not None and one.outlasted_us.size and one.fit.sample:
        return {"sample": [_to_ms(us) for us in one.fit.sample]}
    return _sample(one.sample_us)


def _to_ms(us: float) -> str:
    return format_duration(round(us / 1000) * 1000)


def _between(value: tuple[int, int, int]) -> str:
    middle, low, high = (format_duration(round(us / 1e5) * 100_000) for us in value)
    return f"{middle} [{low}, {high}]"


def _sample(sample_us: Int64Array) -> str | dict[str, list[str]]:
    """The sample itself, or so many of its quantiles, to the millisecond; one duration, if all are equal."""
    if np.ptp(sample_us) == 0:
        return format_duration(int(sample_us[0]))
    if sample_us.size > MOST_SAMPLES:
        at = (np.arange(MOST_SAMPLES) + 0.5) / MOST_SAMPLES * sample_us.size
        sample_us = sample_us[at.astype(np.int64)]
    return {"sample": [format_duration(round(us / 1000) * 1000) for us in sample_us.tolist()]}


def _coder(version: str) -> str:
    try:
        behaviour_of(version)
    except ValueError:
        return DEFAULT_BEHAVIOUR.version
    return version


def _refused(path: Path, text: str) -> InputError:
    return InputError([Finding("error", Where(str(path)), text)])
