"""A comparison in words: the cells of its table, what the intervals hold, Markdown for a pull request, and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from simkit.clock import format_duration
from simkit.decide.compare import ALL, Changed, Comparison, Difference
from simkit.estimates import CONFIDENCE, Interval
from simkit.shown import code, escaped, visible_json
from simkit.times import in_column


class Row(NamedTuple):
    """The cells of a difference. `builds` and `weeks` are half widths; `weeks` is empty where people are drawn."""

    measure: str
    base: str
    change: str
    difference: str
    builds: str
    weeks: str
    verdict: str


def headings(comparison: Comparison) -> Row:
    builds, weeks = ("± builds", "± weeks" if comparison.weeks > 1 else "") if comparison.is_replayed else ("±", "")
    return Row("a week", "base", "change", "difference", builds, weeks, "is it real?")


def row_of(found: Difference, comparison: Comparison) -> Row:
    halves = [x.high - x.mean for x in (found.of_replications, found.of_weeks) if x and x.high > x.mean]
    digits = min(3, max(1, 1 - math.floor(math.log10(min(halves))))) if halves else 1
    return Row(
        _label(found.measure, comparison.currency),
        _value(found.measure, found.base),
        _value(found.measure, found.change),
        _signed(found.measure, found.difference, digits),
        _half(found.measure, found.of_replications, digits),
        _half(found.measure, found.of_weeks, digits) if found.of_weeks else "",
        _verdict(found, comparison.within),
    )


def groups(changed: Changed) -> dict[str, list[Difference]]:
    """The differences of each preset, and of ALL."""
    found: dict[str, list[Difference]] = {}
    for difference in changed.differences:
        found.setdefault(difference.preset, []).append(difference)
    return found


def sentences(comparison: Comparison) -> list[str]:
    """What was simulated, what the intervals hold, and what "open" means."""
    c = comparison
    weeks = f"{c.weeks} whole week{'s' * (c.weeks > 1)}, from Monday in {c.zone}"
    left = f"; {format_duration(c.left_out_us)} of cut weeks are left out" if c.left_out_us else ""
    told = [
        f"{c.replications} replication{'s' * (c.replications > 1)} with seed {c.seed} of {weeks}{left}. Base and "
        "change meet the same people and the same slow builds; each number is the mean of weeks that count alike."
    ]
    percent = f"{CONFIDENCE:.0%}"
    if c.is_replayed:
        told.append(
            f"± builds: {percent} over replications, the chance of builds alone, for a history is replayed and the "
            "people are the same in each of them. More replications narrow it."
        )
        told.append(
            f"± weeks: {percent} over the paired differences of weeks (Student's t), what other such weeks may bring. "
            "More weeks of history narrow it. A difference is real if both leave out 0."
            if c.weeks > 1
            else "There is one week: nothing is known of what other weeks may bring, and a difference is called real "
            "if the chance of builds leaves out 0."
        )
    else:
        told.append(
            f"±: {percent} over replications (Student's t), of which each draws its own people, builds and weeks. A "
            "difference is real if this leaves out 0."
        )
    if any(d.verdict == "open" for changed in c.changes for d in changed.differences):
        told.append(
            "Open: with so many more replications (r), or weeks of history (w), it is real, or known to within "
            f"{_percent(c.within)} of the base, if means and deviations stay as they are: n >= (t s / half width)^2."
        )
    many = sum(d.verdict not in ("same", "unknown") for changed in c.changes for d in changed.differences)
    if many >= 20:
        told.append(
            f"Each interval holds with {percent} by itself: of {many}, about {many * (1 - CONFIDENCE):.0f} do not."
        )
    if c.until_settled is not None:
        share = _percent(c.until_settled)
        told.append(
            f"Settled: over replications each difference of {ALL} is real, or known to within {share} of the base."
            if c.is_settled
            else f"Not settled: to know each difference of {ALL} to within {share} of the base takes more replications."
        )
    return told


def one_sided(changed: Changed) -> list[str]:
    """Which presets cannot be compared."""
    return [
        f"Only {side} has {', '.join(presets)}; in {ALL} they count."
        for side, presets in (("the base", changed.only_base), ("the change", changed.only_change))
        if presets
    ]


def markdown(comparison: Comparison) -> str:
    """For a pull request."""
    parts = []
    for changed in comparison.changes:
        parts.append(f"### {code(changed.name)} against {code(comparison.base)}")
        wanted = [i for i, text in enumerate(headings(comparison)) if text]
        lines = [
            _line(["preset", *headings(comparison)], wanted),
            "|" + "---|" * 2 + "--:|" * (len(wanted) - 2) + "---|",
        ]
        for preset, rows in groups(changed).items():
            lines += [
                _line([preset if preset == ALL else code(preset), *row_of(row, comparison)], wanted) for row in rows
            ]
        parts.append("\n".join(lines))
        parts += [escaped(text) for text in one_sided(changed)]
    return "\n\n".join([*parts, *sentences(comparison)]) + "\n"


def _line(cells: Sequence[str], wanted: Sequence[int]) -> str:
    return "| " + " | ".join([cells[0], *(cells[1 + i] for i in wanted)]) + " |"


def as_json(comparison: Comparison) -> str:
    """One object: what was simulated and `changes`, each with `differences`; null where there is no number.

    Keys of a difference: preset (null for all of them), measure, base, change, difference, replications_low and _high
    (over replications), weeks_low and _high (over weeks, null where people are drawn), verdict (real, same, small,
    open, unknown), more_replications, more_weeks.
    """
    c = comparison
    told = {
        "base": c.base,
        "replications": c.replications,
        "seed": c.seed,
        "weeks": c.weeks,
        "left_out_s": c.left_out_us / 1e6,
        "timezone": c.zone,
        "currency": c.currency,
        "confidence": CONFIDENCE,
        "people": "replayed" if c.is_replayed else "drawn",
        "within": c.within,
        "until_settled": c.until_settled,
        "is_settled": c.is_settled if c.until_settled is not None else None,
        "changes": [
            {
                "change": changed.name,
                "only_base": list(changed.only_base),
                "only_change": list(changed.only_change),
                "differences": [_plain(d) for d in changed.differences],
            }
            for changed in c.changes
        ],
    }
    return visible_json(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def _plain(d: Difference) -> dict[str, Any]:
    numbers = {
        "base": d.base,
        "change": d.change,
        "difference": d.difference,
        "replications_low": d.of_replications.low,
        "replications_high": d.of_replications.high,
        "weeks_low": d.of_weeks.low if d.of_weeks else None,
        "weeks_high": d.of_weeks.high if d.of_weeks else None,
        "more_replications": d.replications,
        "more_weeks": d.weeks,
    }
    plain = {name: x if x is not None and math.isfinite(x) else None for name, x in numbers.items()}
    return {"preset": None if d.preset == ALL else d.preset, "measure": d.measure, "verdict": d.verdict, **plain}


def _label(measure: str, currency: str) -> str:
    return {
        "hit_rate": "hit rate",
        "wait_p95_s": "wait p95",
        "idle_hours": "idle instance-hours",
        "pool_cost": f"pool cost, {currency}",
        "pool_hours": "pool instance-hours",
        "builds": "builds",
    }[measure]


def _value(measure: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    match measure:
        case "hit_rate":
            return f"{value:.1%}"
        case "wait_p95_s":
            return in_column(value)
    return f"{value:,.1f}"


def _signed(measure: str, value: float, digits: int) -> str:
    """With a sign; of a share in percentage points."""
    if math.isnan(value):
        return "-"
    match measure:
        case "hit_rate":
            return f"{100 * value:+.2f} pp"
        case "wait_p95_s":
            return ("-" if value < 0 else "+") + in_column(abs(value))
    return f"{round(value, digits) + 0.0:+,.{digits}f}"  # no -0.0


def _half(measure: str, interval: Interval, digits: int) -> str:
    half = interval.high - interval.mean
    if math.isnan(half):
        return "-"
    match measure:
        case "hit_rate":
            return f"{100 * half:.2f}"
        case "wait_p95_s":
            return in_column(half)
    return f"{half:,.{digits}f}"


def _verdict(found: Difference, within: float) -> str:
    match found.verdict:
        case "same":
            return "no difference"
        case "small":
            return f"no, < {_percent(within)}"
        case "open":
            needs = ((found.replications, "r"), (found.weeks, "w"))
            return " ".join(["open", *(f"{more:,.0f}{unit}" for more, unit in needs if more and math.isfinite(more))])
        case "real":
            return "yes"
    return "-"


def _percent(share: float) -> str:
    return f"{100 * share:g}%"
