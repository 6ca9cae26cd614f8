"""A calibrated scenario as text: each number beside its sample size and interval."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simkit.clock import SECOND_US, format_duration, format_instant
from simkit.coder_versions import DEFAULT_BEHAVIOUR, behaviour_of
from simkit.deployment import hours
from simkit.deployment.deployed import Provisioners, Quota
from simkit.deployment.durations import THIN, Measured
from simkit.deployment.facts import Facts
from simkit.deployment.fits import Durations, sample
from simkit.deployment.mix import mix_told
from simkit.deployment.text import as_yaml
from simkit.model import Reconciler
from simkit.shown import visible
from simkit.store.connection import literal
from simkit.times import many


def scenario_text(
    facts: Facts, folder: Path, told_first: Sequence[str], by_hour: bool = False, hidden_demand: float = 0.0
) -> str:
    """The scenario, to stand in `folder`. Values are JSON, so that a name is text whatever is in it.

    `told_first`: sentences for its head; `by_hour`, or a `hidden_demand`: the demand by hour of the week, in place of
    the claims as they came.
    """
    shown = os.path.relpath(facts.path, folder)
    span = {"from": format_instant(facts.start_at), "until": format_instant(facts.end_at), "timezone": facts.timezone}
    lines = [
        f"# Made by simkit calibrate of the run {as_yaml(facts.run_id)} in {as_yaml(shown)}. n: how many were seen; in",
        "# brackets: the interval of 95 %. Demand is seen in part: who chose no preset or gave up left no claim.",
        *(line for sentence in told_first for line in _item(sentence)),
        f"name: {as_yaml(facts.template)}",
        f"window: {as_yaml(span)}",
        *_coder(facts),
        f"presets:  # of the version {as_yaml(facts.versions[0].name)}",
        *(f"  - {as_yaml(preset)}" for preset in facts.versions[0].presets),
        *_demand(facts, shown, by_hour, hidden_demand),
        "# cost: {per_instance_hour: 0.00, currency: USD}  # yours to fill in; nothing is known of it",
        *_workload(facts, "", ""),
    ]
    if facts.versions[1:]:
        lines.append("events:  # a version's first prebuild tells when it was activated")
    for one in facts.versions[1:]:
        event = {"at": format_instant(one.from_at), "event": "activate", "version": one.name, "presets": one.presets}
        lines.append(f"  - {as_yaml(event)}")
    overrides = [name for name in facts.names if any(of.preset == name for of in facts.durations)]
    if overrides:
        lines.append("overrides:")
        for of in overrides:
            lines += [f"  {as_yaml(of)}:", *_workload(facts, of, "    ")]
    return "\n".join(lines) + "\n"


def _coder(facts: Facts) -> Iterator[str]:
    """Version, reconciler, daemons and quota."""
    of, version = facts.provisioners, _known_version(facts.coder_version)
    given: dict[str, Any] = {"version": version}
    if facts.reconciler is not None:
        given |= _settings(facts.reconciler, version)
    is_tagged = len(of.daemons) > 1 or bool(of.job_tags or of.prebuild_tags)
    if not (is_tagged and of.daemons):
        given["provisioner_daemons"] = of.count
    yield f"coder: {as_yaml(given)}  # {_daemons_told(of)}"
    if is_tagged and of.daemons:
        yield "provisioners:"
        for one in of.daemons:
            group: dict[str, Any] = {"count": one.count} | ({"tags": dict(one.tags)} if one.tags else {})
            yield f"  - {as_yaml(group)}"
        tags = {"all": dict(of.job_tags), "prebuilds": dict(of.prebuild_tags)}
        if kept := {name: value for name, value in tags.items() if value}:
            yield f"workspace_tags: {as_yaml(kept)}  # as most jobs have them"
    if facts.quota is not None:
        yield from _item(_quota_told(facts.quota))


def _quota_told(quota: Quota) -> str:
    fit = [quota.allowance // cost for cost in (quota.most, max(quota.least, 1))]
    fitting = f"{fit[0]:,}" if fit[0] == fit[1] else f"{fit[0]:,} to {fit[1]:,}"
    return (
        f"Quota: the groups of the prebuilds user allow a daily cost of {quota.allowance:,}, and a prebuild costs "
        f"{quota.median:,.4g} (median of n = {quota.builds:,}, {quota.least:,} to {quota.most:,}): {fitting} at once. "
        "It is not in the scenario, as other templates share it; to play it, write "
        f"`prebuilds_quota: {quota.allowance}` into coder, and `daily_cost: {round(quota.median)}`."
    )


def _settings(reconciler: Reconciler, version: str) -> dict[str, Any]:
    """What is set otherwise than the version has it by default."""
    default = Reconciler(interval_us=behaviour_of(version).reconciliation_interval_us)
    keys = {
        "reconciliation_interval": "interval_us",
        "reconciliation_backoff_interval": "backoff_interval_us",
        "reconciliation_backoff_lookback": "backoff_lookback_us",
    }
    given: dict[str, Any] = {
        key: format_duration(getattr(reconciler, name))
        for key, name in keys.items()
        if getattr(reconciler, name) != getattr(default, name)
    }
    if reconciler.failure_hard_limit != default.failure_hard_limit:
        given["failure_hard_limit"] = reconciler.failure_hard_limit
    return given


def _daemons_told(of: Provisioners) -> str:
    if not of.daemons:
        return f"{of.at_once:,} jobs ran at once; no daemon that takes these jobs was alive when the history was read"
    alive = sum(one.count for one in of.daemons)
    others = f", and {of.others:,} that take no such jobs" if of.others else ""
    return f"{many(alive, 'daemon')} alive when the history was read{others}; {of.at_once:,} jobs ran at once at most"


def _demand(facts: Facts, shown: str, by_hour: bool, hidden_demand: float) -> Iterator[str]:
    for sentence in mix_told(facts.mix):
        yield from _item(sentence)
    if by_hour or hidden_demand:
        yield "demand:"
        yield "  profiles:"
        for one in facts.demand:
            if one.claims:
                yield from (f"    {line}" for line in hours.profile(one, 1 + hidden_demand))
        return
    for one in facts.demand:
        if one.claims:
            yield from _item(f"{one.preset}: {hours.amount(one)} {hours.trend_told(one)}")
    query = (
        "SELECT c.created_at AS started_at, p.name AS preset FROM claims AS c JOIN template_version_presets AS p "
        "ON p.run_id = c.run_id AND p.id = c.preset_id JOIN template_versions AS v ON v.run_id = p.run_id AND v.id = "
        f"p.template_version_id WHERE c.run_id = {literal(facts.run_id)} AND v.template_id = {facts.template_id} "
        f"AND p.name IN ({', '.join(map(literal, facts.names))})"
    )
    yield f"demand: {as_yaml({'history': {'duckdb': shown, 'query': query}})}  # {facts.claims:,} claims"


def _item(sentence: str) -> list[str]:
    """A sentence of the head, as lines of a comment; a name in it stays in its line."""
    lines = textwrap.wrap(visible(sentence), 110, break_long_words=False, break_on_hyphens=False)
    return [f"# {'  ' if i else '- '}{line}" for i, line in enumerate(lines)]


def _workload(facts: Facts, preset: str, indent: str) -> list[str]:
    lines = [f"{indent}durations:"]
    for one in facts.durations:
        if one.preset == preset:
            lines += [f"{indent}  # {sentence}" for sentence in (told(one), fit_told(one)) if sentence]
            lines.append(f"{indent}  {one.kind}: {as_yaml(distribution(one))}")
    if len(lines) == 1:
        lines = []
    for rate in facts.failures:
        if rate.preset == preset:
            share = rate.share
            given: dict[str, object] = {"probability": round(share.mean, 6)}
            if facts.cleared_after_us and not preset:
                given["cleared_after"] = format_duration(max(facts.cleared_after_us // SECOND_US, 1) * SECOND_US)
            value = f"{indent}failures: {as_yaml(given)}"
            lines.append(f"{value}  # {rate.failed:,} of n = {rate.of:,} [{share.low:.2%}, {share.high:.2%}]")
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


def distribution(one: Measured) -> str | dict[str, Any]:
    """As a scenario writes it: one duration, if all are equal; the lognormal that fits; else the sample, see `fits`."""
    if one.fit is not None and one.fit.family == "lognormal":
        return {name: _to_ms(at.mean) for name, at in (("median", one.fit.median), ("p95", one.fit.p95))}
    durations = Durations(one.sample_us.astype(np.float64), one.outlasted_us.astype(np.float64))
    values = [_to_ms(us) for us in sample(durations)]
    return values[0] if len(set(values)) == 1 else {"sample": values}


def _to_ms(us: float) -> str:
    return format_duration(round(us / 1000) * 1000)


def _between(value: tuple[int, int, int]) -> str:
    middle, low, high = (format_duration(round(us / 1e5) * 100_000) for us in value)
    return f"{middle} [{low}, {high}]"


def _known_version(version: str) -> str:
    try:
        behaviour_of(version)
    except ValueError:
        return DEFAULT_BEHAVIOUR.version
    return version
