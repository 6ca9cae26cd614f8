"""What a history's builds took and how many failed: samples, quantiles and families, each with its interval."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from simkit.clock import Int64Array
from simkit.deployment.fits import Durations, Fit, fit
from simkit.deployment.fits import quantile as quantile_of
from simkit.errors import Findings, Where
from simkit.estimates import Interval, share_interval
from simkit.store.asking import rows_of

KINDS = ("build", "agent", "claim", "reinitialize", "delete", "stop", "start")
THIN = 72
"""Of fewer nothing bounds the 95th percentile from above, which waits hang on: all of them are below it with more than
2.5 % (.95**72 = .0249). Such a sample is told to be thin, and a preset with fewer builds has the durations of all."""
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
    """Failed builds of prebuilds out of how many, one at least, and the probability with its interval of 95 %."""

    preset: str
    failed: int
    of: int

    @property
    def share(self) -> Interval:
        return share_interval(self.failed, self.of)


def builds_of(
    path: Path, run_id: str, template_id: int, names: Sequence[str], findings: Findings
) -> tuple[tuple[Measured, ...], tuple[Rate, ...]]:
    """Durations of each kind, of all presets together and of each that has enough; failures likewise.

    What is thin is a warning among the findings. Raises StoreError.
    """
    rows: Iterable[tuple[Any, ...]] = rows_of(path, _BUILDS, run_id, template_id)
    where = Where(str(path))
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
            rates.append(Rate(of, failed, count))
    if builds[""][1] < THIN:
        findings.warning(where, f"failures.probability is thin: {builds[''][1]} builds of prebuilds were seen")
    return tuple(durations), tuple(rates)


def cleared_after(path: Path, run_id: str, template_id: int) -> int:
    """How old half of the failed prebuilds were when somebody deleted them; 0: at least half of them never were."""
    [(failed, cleared, age_us)] = rows_of(path, _CLEARED, run_id, template_id)
    return int(age_us) if cleared * 2 > failed else 0


def measure(kind: str, preset: str, sample_us: Int64Array, outlasted_us: Int64Array | None = None) -> Measured:
    """What a sample of durations says: int64[n], increasing, n >= 1, and others that lasted longer than was seen."""
    outlasted_us = np.zeros(0, dtype=np.int64) if outlasted_us is None else outlasted_us
    durations = Durations(sample_us.astype(np.float64), outlasted_us.astype(np.float64))
    longest = max(int(sample_us[-1]), int(outlasted_us.max(initial=0)))
    median, p95 = (
        (round(value), round(low), round(min(high, longest)))
        for value, low, high in (quantile_of(durations, 0.5), quantile_of(durations, 0.95))
    )
    fitted = fit(durations) if sample_us.size >= THIN else None
    return Measured(kind, preset, sample_us, median, p95, nearest(sample_us), outlasted_us, fitted)


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
