"""Prebuild TTLs by trying: the same people meet each of them, and the answer has a row per TTL and replication."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from simkit.clock import WEEK_US, format_duration, parse_duration
from simkit.errors import Finding, InputError, Where, did_you_mean
from simkit.model import MAX_TTL_US, MIN_TTL_US, Preset, Scenario
from simkit.runs.simulate import replicate
from simkit.store import ask, save

if TYPE_CHECKING:
    import pandas as pd

WITHOUT_TTL = "never"


def ttls_to_try(text: str, scenario: Scenario, preset: str) -> tuple[int, ...]:
    """Prebuild TTLs such as "1h 8h never", the preset's own one and half of that, if Coder takes it.

    Microseconds, ascending, 0 (never) at the end.
    Raises InputError with every one that Coder does not take.
    """
    own_us = _own_ttl(scenario, preset)
    tried, problems = {own_us} | ({own_us // 2} if own_us >= 2 * MIN_TTL_US else set()), []
    for word in text.replace(",", " ").split():
        try:
            us = 0 if word == WITHOUT_TTL else parse_duration(word)
        except ValueError as error:
            problems.append(str(error))
            continue
        if word != WITHOUT_TTL and not MIN_TTL_US <= us <= MAX_TTL_US:
            least, most = format_duration(MIN_TTL_US), format_duration(MAX_TTL_US)
            problems.append(f'a prebuild\'s TTL is {least} to {most}, got "{word}"; write "{WITHOUT_TTL}" for none')
        tried.add(us)
    if problems:
        raise InputError(Finding("error", Where("ttls"), problem) for problem in problems)
    return tuple(sorted(tried, key=lambda us: (us == 0, us)))


def prebuild_ttls(
    scenario: Scenario, preset: str, ttls_us: Sequence[int], seed: int, replications: int
) -> pd.DataFrame:
    """What becomes of a preset's prebuilds and claims under each TTL, in all versions of its template.

    Common random numbers: replication r meets the same people and the same slow builds under every TTL. A row per TTL,
    in the order given, and replication: ttl_us (0 never expires), is_own (the scenario's), replication, preset, claims,
    hits, created, expired, expired_share, age_p50_s and age_p95_s (of claimed prebuilds, NaN without any),
    builds_per_week, idle_hours_per_week (instance-hours), pool_hours_per_week and pool_cost_per_week (as billed:
    building, idle and deleting), currency.
    """
    own_us = _own_ttl(scenario, preset)
    results = chain.from_iterable(
        replicate(_with_ttl(scenario, preset, ttl_us), seed, replications) for ttl_us in ttls_us
    )
    with TemporaryDirectory(prefix="simkit-ttls-") as scratch:
        # In a file every run is loaded once for all questions, and one run at a time is in memory.
        runs = Path(scratch, "runs.duckdb")
        run_ids = save(runs, results)
        summary, hours, fates, ages = (
            ask(runs, question) for question in ("summary", "hours", "fates", "age_at_claim")
        )
    tried = [(ttl_us, replication) for ttl_us in ttls_us for replication in range(replications)]
    answer = type(summary)(
        {
            "run_id": run_ids,
            "ttl_us": [ttl_us for ttl_us, _ in tried],
            "is_own": [ttl_us == own_us for ttl_us, _ in tried],
            "replication": [replication for _, replication in tried],
        }
    )
    weeks = (scenario.end_at - scenario.start_at) / WEEK_US
    age = ages[ages["preset"] == preset].groupby("run_id")["age_s"]
    for name, share in (("age_p50_s", 0.5), ("age_p95_s", 0.95)):
        quantiles = {run: float(np.quantile(of, share, method="inverted_cdf")) for run, of in age}
        answer[name] = answer["run_id"].map(quantiles).astype("float64")
    for of in (summary, hours, fates):
        mine = of[of["preset"] == preset].drop(columns=[c for c in of if c in answer and c != "run_id"])
        answer = answer.merge(mine, on="run_id", how="left", validate="one_to_one")
    answer["expired_share"] = answer["expired"] / answer["created"].where(answer["created"] > 0)
    answer["builds_per_week"] = answer["builds"] / weeks
    answer["idle_hours_per_week"] = answer["idle_instance_hours"] / weeks
    answer["pool_hours_per_week"] = answer["pool_hours"] / weeks
    return answer[list(_COLUMNS)]


_COLUMNS = (
    "ttl_us",
    "is_own",
    "replication",
    "preset",
    "claims",
    "hits",
    "created",
    "expired",
    "expired_share",
    "age_p50_s",
    "age_p95_s",
    "builds_per_week",
    "idle_hours_per_week",
    "pool_hours_per_week",
    "pool_cost_per_week",
    "currency",
)


def _presets(scenario: Scenario) -> list[Preset]:
    return [preset for version in scenario.all_versions for preset in version.presets]


def _own_ttl(scenario: Scenario, preset: str) -> int:
    found = [p.ttl_us for p in _presets(scenario) if p.name == preset]
    if not found:
        text = f'there is no preset "{preset}"; {did_you_mean(preset, {p.name for p in _presets(scenario)})}'
        raise InputError([Finding("error", Where("preset"), text)])
    return found[0]


def _with_ttl(scenario: Scenario, preset: str, ttl_us: int) -> Scenario:
    """The same scenario with another TTL for the preset, in each version that has it."""
    return scenario.with_presets(lambda p: replace(p, ttl_us=ttl_us) if p.name == preset else p)
