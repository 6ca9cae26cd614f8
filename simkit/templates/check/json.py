"""What was checked, for a program: one JSON object, instants in RFC 3339 in the zone of their test."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from simkit.clock import format_instant
from simkit.errors import Where
from simkit.shown import visible_json
from simkit.templates.check.types import Checked, Drift, Estimate, Failure, Setting, Test
from simkit.timeline import BASE


def render(checked: Checked) -> str:
    """`status` is the exit status, the `name` of a finding what `never` calls it.

    A span's `schedule` counts from 1 and is null where the base is used.
    """
    whole = {
        "status": checked.status,
        "presets": checked.presets,
        "findings": [
            {"level": f.level, "name": f.name or None, **_place(f.where), "text": f.told} for f in checked.findings
        ],
        "tests": [
            {
                "name": outcome.test.name,
                "preset": outcome.test.preset,
                **_place(outcome.test.where),
                "ok": outcome.ok,
                "measured": [
                    {"metric": m.metric, **_place(m.where), "ok": m.ok}
                    | (_estimate(m.estimate) if m.estimate else {})
                    | ({"drift": _drift(outcome.test, m.drift)} if m.drift else {})
                    for m in outcome.measured
                ],
                "failures": [_failure(outcome.test, failure) for failure in outcome.failures],
            }
            for outcome in checked.outcomes
        ],
        "snapshots": [{**_place(f.where), "text": f.told} for f in checked.differences],
    }
    return visible_json(json.dumps(whole, indent=2, ensure_ascii=False)) + "\n"


def _place(where: Where) -> dict[str, Any]:
    return {"path": where.path, "line": where.line or None}


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "mean": estimate.mean,
        "low": estimate.low,
        "high": estimate.high,
        "replications": estimate.replications,
        "replications_needed": estimate.needed,
    }


def _failure(test: Test, failure: Failure) -> dict[str, Any]:
    spans = [
        {
            "from": format_instant(span.from_at, test.zone),
            "until": format_instant(span.until_at, test.zone),
            "desired": span.value,
            "schedule": None if span.schedule == BASE else span.schedule + 1,
        }
        for span in failure.spans
    ]
    return {
        **_place(failure.where),
        "summary": failure.summary,
        "spans": spans,
        "estimate": failure.estimate and _estimate(failure.estimate),
        **({"drift": _drift(test, failure.drift)} if failure.drift else {}),
        "text": failure.text,
    }


def _drift(test: Test, drift: Drift) -> dict[str, Any]:
    """Shares from 0 to 1; `broke` is the Monday of the week, null if no week stands out."""

    def setting(of: Setting) -> dict[str, float]:
        return {
            "hit_rate": of.hit_rate,
            "pool_instance_hours_per_week": of.pool_hours_per_week,
            "pool_cost_per_week": of.cost_per_week,
        }

    def known(value: float) -> float | None:
        return value if isfinite(value) else None

    return {
        "from": format_instant(drift.from_at, test.zone),
        "until": format_instant(drift.until_at, test.zone),
        "weeks": drift.weeks,
        "claims": drift.claims,
        "now": setting(drift.now),
        "best": setting(drift.best),
        "above_best": known(drift.above_best),
        "misses_target": drift.misses,
        "costs_too_much": drift.costs_more,
        "broke": None if drift.broke_at is None else format_instant(drift.broke_at, test.zone),
        "hit_rate_by_week": [known(rate) for rate in drift.by_week],
        "prebuilds": drift.block,
    }
