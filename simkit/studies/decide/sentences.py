"""A recommendation in sentences with their numbers; what a terminal says of it, too, is `decide.advice`'s."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from simkit.decide import advice as words
from simkit.decide.asked import drowns_below
from simkit.decide.recommendation import Advice, Recommendation
from simkit.decide.worth import Worth
from simkit.decide.worth import sentences as worth_said
from simkit.studies.wording import Sentence


def verdict(advice: Advice) -> Sentence:
    """Is the target met?"""
    numbers: dict[str, Any] = {
        "answered_preset": advice.preset.name,
        "target_hit_rate": advice.target,
        "is_met": advice.is_met,
        "seen_hit_rate": advice.aim,
        "next_quarter_not_below": advice.limit,
        "verdict": words.verdict(advice),
    }
    return Sentence("***{answered_preset}*: {verdict}** To paste into its template:", numbers)


def bought(of: Recommendation) -> Sentence:
    """What the answer buys in the same weeks, and for how much. `of`: with one preset."""
    (advice,) = of.presets
    before, after = advice.before, advice.after
    numbers: dict[str, Any] = {
        "today_hit_rate": before.hit_rate,
        "recommended_hit_rate": after.hit_rate,
        "more_served": after.claims_per_week * after.hit_rate - before.claims_per_week * before.hit_rate,
    }
    text = (
        "**In the same weeks {recommended_hit_rate:.1%} of the claims find a prebuild, today {today_hit_rate:.1%}**: "
        "{more_served:+,.1f} people a week, for "
    )
    if before.cost_per_week or after.cost_per_week:
        text += "{more_cost:+,.0f} {currency} a week ({recommended_cost:,.0f} for {today_cost:,.0f})."
        numbers |= {
            "more_cost": after.cost_per_week - before.cost_per_week,
            "recommended_cost": after.cost_per_week,
            "today_cost": before.cost_per_week,
            "currency": of.scenario.currency,
        }
    else:
        text += "{more_idle:+,.0f} idle instance-hours a week ({recommended_idle:,.0f} for {today_idle:,.0f})."
        numbers |= {
            "more_idle": after.idle_hours_per_week - before.idle_hours_per_week,
            "recommended_idle": after.idle_hours_per_week,
            "today_idle": before.idle_hours_per_week,
        }
    return Sentence(text, numbers)


def known(of: Recommendation) -> list[Sentence]:
    """Weeks it was not chosen by, what the next quarter may bring, and what all of it stands on."""
    (advice,) = of.presets
    interval = advice.outlook.interval
    told = _each("known", [*words.sentences(advice), *of.notes, words.based_on(of)])
    told[0] = Sentence(
        told[0].text, {**told[0].numbers, "next_quarter_low": interval.low, "next_quarter_high": interval.high}
    )
    return told


def bound(of: Recommendation) -> list[Sentence]:
    """What bound the answer."""
    (advice,) = of.presets
    return _each("bound", [*advice.bound, *words.queue_said(of.queue)])


def why(advice: Advice) -> list[Sentence]:
    """Why these numbers."""
    return _each("why", advice.why)


def front(of: Recommendation) -> Sentence:
    """What the next cheaper and the next dearer plan would change."""
    (advice,) = of.presets
    points = advice.front
    own = next((i for i, point in enumerate(points) if point.plan == advice.plan), None)
    text = "Each point is the cheapest plan that was found for its hit rate, in one exact run of the weeks seen. "
    if own is None:
        return Sentence(text + "The recommendation is not among them: another plan is as good for less there.", {})
    has_cost = any(point.cost_per_week for point in points)
    numbers: dict[str, Any] = {"front_unit": of.scenario.currency if has_cost else "idle instance-hours"}

    def price(i: int) -> float:
        return points[i].cost_per_week if has_cost else points[i].idle_hours_per_week

    if own > 0:
        text += (
            "**One step down ({cheaper}) saves {cheaper_saves:,.1f} {front_unit} a week and serves "
            "{cheaper_points:.1f} points fewer**"
        )
        numbers |= {
            "cheaper": points[own - 1].plan.words,
            "cheaper_saves": price(own) - price(own - 1),
            "cheaper_points": 100 * (points[own].hit_rate - points[own - 1].hit_rate),
        }
    else:
        text += "No cheaper plan is on the front"
    if own + 1 < len(points):
        text += "; one step up ({dearer}) costs {dearer_costs:,.1f} more and serves {dearer_points:.1f} points more."
        numbers |= {
            "dearer": points[own + 1].plan.words,
            "dearer_costs": price(own + 1) - price(own),
            "dearer_points": 100 * (points[own + 1].hit_rate - points[own].hit_rate),
        }
    else:
        text += "; no dearer one serves more."
    return Sentence(text, numbers)


def ladder(of: Recommendation) -> list[Sentence]:
    """How far the answer is from what finer knowledge would make of it, and what the bounds leave out."""
    (advice,) = of.presets
    weekly = advice.ladder[2]
    idle = advice.after.idle_hours_per_week
    numbers: dict[str, Any] = {
        "ladder_idle": idle,
        "weekly_idle": weekly.idle_hours_per_week,
        "weekly_rate": weekly.hit_rate,
        "ladder_rate": advice.after.hit_rate,
    }
    told = [
        Sentence(
            "Numbers for each hour of the week, chosen in hindsight for these very weeks, would idle "
            "{weekly_idle:,.0f} instance-hours a week at {weekly_rate:.1%}, the recommendation {ladder_idle:,.0f} at "
            "{ladder_rate:.1%}. Between them lies the price of few schedules, of "
            "a margin for the next quarter, and of what bound the answer.",
            numbers,
        )
    ]
    if floor := drowns_below(of.scenario, advice.preset.name):
        text = (
            "**The bounds leave the hard limit out**: they put hours together from runs of constant numbers, and any "
            "that fall below {floor} would drown sooner or later, as builds fail here and nobody deletes the failed. "
            "With an operator who does (`failures: {{cleared_after: 1d}}`) they could be had."
        )
        told.append(Sentence(text, {"floor": floor}))
    return told


def worth(of: Sequence[Worth]) -> list[Sentence]:
    """Where one more and one fewer pay most. `of`: one preset, under today's setting and then under the answer."""
    told = []
    for name, whose, one in zip(("today", "recommended"), ("Today's setting", "The recommendation"), of, strict=True):
        *mine, _ = worth_said(one)
        told.append(Sentence(f"*{whose}*: {{worth_{name}}}", {f"worth_{name}": " ".join(mine)}))
    return told


def _each(name: str, texts: Iterable[str]) -> list[Sentence]:
    """Whole sentences as fields, `{name}_1` and on; what stands between backticks is code there, too."""
    found = []
    for i, text in enumerate(texts, 1):
        parts = text.split("`")
        fields = {f"{name}_{i}" if len(parts) == 1 else f"{name}_{i}_{k}": part for k, part in enumerate(parts, 1)}
        found.append(Sentence("`".join(f"{{{field}}}" for field in fields), dict(fields)))
    return found
