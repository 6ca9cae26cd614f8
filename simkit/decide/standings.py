"""A league in words: its table, what each policy does, what is wrong with some of them, Markdown and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from simkit.clock import SECOND_US, format_duration, format_instant
from simkit.core.targets import HIGHEST_TARGET, LOWEST_TARGET
from simkit.decide.league import (
    CONSTANT,
    IN_USE,
    PERCENTILE,
    RATE,
    WEEKS_SEEN,
    League,
    Row,
    Standing,
    in_use_expression,
    rate_expression,
)
from simkit.shown import code, escaped, visible_json
from simkit.times import in_column, many, weekday_date

_NAMED = {
    CONSTANT: "constant {}",
    PERCENTILE: f"percentile {{}} of {WEEKS_SEEN} weeks, by hour",
    RATE: "rate x lead x {}",
    IN_USE: "in use + {}",
}


def headings(of: League) -> tuple[str, ...]:
    money = f"pool cost, {of.scenario.currency}" if of.has_cost else "pool hours"
    return "a week", "hit rate", f"{_percent(of.target)}?", "wait p95", "idle hours", money, "builds", "remark"


def cells(of: League, row: Row) -> tuple[str, ...]:
    total = row.total
    return (
        name_of(row),
        f"{total.hit_rate:.1%}",
        "yes" if of.reaches(row) else "no",
        "-" if math.isnan(total.wait_p95_s) else in_column(total.wait_p95_s),
        f"{total.idle_hours:,.0f}",
        f"{total.pool_cost if of.has_cost else total.pool_hours:,.0f}",
        f"{total.builds:,.0f}",
        _remark(row),
    )


def name_of(row: Row) -> str:
    """The policy with the numbers that were chosen for it, in the order of the presets."""
    numbers = ", ".join(f"{x:g}" for _, x in row.settings)
    return _NAMED[row.policy].format(numbers) if row.settings else row.policy


def _remark(row: Row) -> str:
    if row.is_today:
        return "today" if not row.dead else "today, dead"
    return "stuck at 0" if row.stuck else "dead" if row.dead else ""


def sentences(of: League) -> list[str]:
    """What was played, how the numbers were chosen, and what some of the rows mean."""
    target = _percent(of.target)
    several = len(of.presets) > 1
    runs = f", {of.replications} replications" if of.replications > 1 else ""
    leads = dict.fromkeys(format_duration(round(us / SECOND_US) * SECOND_US) for _, us in of.lead_us)
    told = [
        f"{', '.join(of.presets)}: {of.weeks:,.1f} weeks, seed {of.seed}{runs}. All policies meet the same people and "
        f"the same slow builds. First those that reach {target}, the cheapest first, then the others.",
        f"Numbers are the smallest with which {'each preset' if several else 'the policy'} reaches {target} on these "
        "very weeks, in hindsight"
        + (f" (in the order of {', '.join(of.presets)})" if several else "")
        + "; where none does, that which serves most. On other weeks they would do worse.",
        f"The lead, in which a prebuild is made (build, agent, a tick), is {', '.join(leads)}.",
        f"Percentile: for each hour of the week that of what the same hour of the last {WEEKS_SEEN} weeks needed, as "
        "Azure's managed pools describe it: the most claims within one lead. In the first week today's schedule holds.",
    ]
    lead_us = of.lead_us[0][1]
    numbers = {row.policy: dict(row.settings)[of.lead_us[0][0]] for row in of.rows if row.settings}
    rate, in_use = rate_expression(lead_us, numbers[RATE]), in_use_expression(lead_us, numbers[IN_USE])
    told.append(
        f"Rate is {rate}, in use {in_use}{f' (for {of.presets[0]})' if several else ''}. Such target expressions are "
        f"worked out at every tick and clamped to {LOWEST_TARGET} to {HIGHEST_TARGET}; claims are those that found a "
        "prebuild, misses those that did not."
    )
    return [*told, *remarks(of), *of.left_out]


def remarks(of: League) -> list[str]:
    """Which pools end at zero, by the text of the policy or in these weeks."""
    told = []
    for row in of.rows:
        if row.stuck:
            whose = f" for {', '.join(row.stuck)}" if row.stuck != of.presets else ""
            told.append(
                f"Stuck: {name_of(row)} can never leave zero{whose}, whoever comes: without a prebuild nobody claims "
                "one, and those who miss do not raise it. Add misses, or take max(scheduled_target, ...)."
            )
        if row.dead:
            ends = []
            for name, one in row.by_preset:
                if one.at_zero_since is not None:
                    since = weekday_date(of.scenario.zone.local(one.at_zero_since))
                    why = " by the hard limit" if one.is_limited else ""
                    ends.append(f"{name} from {since}{why} ({many(one.missed, 'claim')} without a prebuild)")
            told.append(
                f"Dead: under {name_of(row)} there are no prebuilds to the end of the window: {'; '.join(ends)}."
            )
    return told


def markdown(of: League) -> str:
    """For a pull request."""
    heads = headings(of)
    lines = [_line(heads), "|---|" + "--:|" * (len(heads) - 2) + "---|"]
    for row in of.rows:
        first, *rest = cells(of, row)
        text = code(first) if row.policy not in _NAMED and not row.is_today else escaped(first)
        lines.append(_line([f"**{text}**" if row.is_today else text, *rest]))
    return "\n\n".join(["\n".join(lines), *map(escaped, sentences(of))]) + "\n"


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def as_json(of: League) -> str:
    """One object: what was played, and `rows` in the order of the table; null where there is no number.

    Keys of a row: policy (a name, or an expression's text), settings (the number chosen for each preset), is_today,
    reaches_target, stuck (presets that can never leave zero), total and presets: per week claims, idle_hours,
    pool_hours, pool_cost, builds; hit_rate, wait_p95_s, at_zero_since (null: the pool lives), missed since, is_limited.
    """
    told = {
        "scenario": of.scenario.name,
        "target_hit_rate": of.target,
        "seed": of.seed,
        "replications": of.replications,
        "weeks": of.weeks,
        "currency": of.scenario.currency,
        "lead_s": {name: us / SECOND_US for name, us in of.lead_us},
        "rows": [
            {
                "policy": row.policy,
                "settings": dict(row.settings),
                "is_today": row.is_today,
                "reaches_target": of.reaches(row),
                "stuck": list(row.stuck),
                "total": _plain(row.total),
                "presets": {name: _plain(one) for name, one in row.by_preset},
            }
            for row in of.rows
        ],
        "left_out": list(of.left_out),
    }
    return visible_json(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def _plain(one: Standing) -> dict[str, Any]:
    found = {name: None if isinstance(x, float) and math.isnan(x) else x for name, x in vars(one).items()}
    if one.at_zero_since is not None:
        found["at_zero_since"] = format_instant(one.at_zero_since)
    return found


def _percent(share: float) -> str:
    return f"{100 * share:g}%"
