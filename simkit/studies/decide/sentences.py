"""A recommendation in sentences with their numbers; what a terminal says of it, too, is `decide.advice`'s."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from simkit.decide import advice as words
from simkit.decide.asked import drowns_below
from simkit.decide.bounds import OF_WEEK
from simkit.decide.league import RECOMMENDED as RECOMMENDED_POLICY
from simkit.decide.league import TODAY as TODAY_POLICY
from simkit.decide.league import League, Row
from simkit.decide.margins import QUARTER
from simkit.decide.recommendation import Advice, Recommendation
from simkit.decide.standings import remarks
from simkit.decide.worth import Worth
from simkit.decide.worth import sentences as worth_said
from simkit.studies.capacity import sentences as capacity
from simkit.studies.decide.trials import RECOMMENDED, TODAY, Effect, widest
from simkit.studies.wording import Sentence
from simkit.times import Told

if TYPE_CHECKING:
    import pandas as pd


def verdict(of: Recommendation) -> Sentence:
    """Is the target met? `of`: with one preset."""
    (advice,) = of.presets
    numbers: dict[str, Any] = {
        "answered_preset": advice.preset.name,
        "target_hit_rate": advice.target,
        "is_met": of.is_met,
        "seen_hit_rate": advice.aim,
        "next_quarter_not_below": advice.limit,
        "verdict": words.verdict(advice, of.over_cost),
    }
    return Sentence("***{answered_preset}*: {verdict}** To paste into its template:", numbers)


def bought(of: Recommendation) -> Sentence:
    """What the answer buys in the same weeks, and for how much. `of`: with one preset."""
    (advice,) = of.presets
    before, after = advice.before, advice.after
    served = after.claims_per_week * after.hit_rate - before.claims_per_week * before.hit_rate
    numbers: dict[str, Any] = {
        "today_hit_rate": before.hit_rate,
        "recommended_hit_rate": after.hit_rate,
        "served_change": Told(f"{abs(served):,.1f} {'more' if served >= 0 else 'fewer'}", served),
    }
    if before.cost_per_week or after.cost_per_week:
        unit, today, recommended = "{currency}", before.cost_per_week, after.cost_per_week
        numbers["currency"] = of.scenario.currency
    else:
        unit, today, recommended = "idle instance-hours", before.idle_hours_per_week, after.idle_hours_per_week
    change = recommended - today
    numbers |= {
        "price_change": Told(f"{abs(change):,.0f}", change),
        "price_recommended": recommended,
        "price_today": today,
    }
    text = (
        "**In the same weeks {recommended_hit_rate:.1%} of the claims find a prebuild, today {today_hit_rate:.1%}**: "
        f"{{served_change}} people a week, for {{price_change}} {unit} a week {'more' if change >= 0 else 'less'} "
        "({price_recommended:,.0f} in place of {price_today:,.0f})."
    )
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
    own = next(i for i, point in enumerate(points) if point.plan == advice.plan)
    text = "Each point is the cheapest plan that was found for its hit rate, in one exact run of the weeks seen. "
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
    """How far the answer is from what finer knowledge would make of it, and what the hard limit takes of that."""
    (advice,) = of.presets
    *_, weekly = (rung for rung in advice.ladder if rung.name.startswith(OF_WEEK) and rung.in_sample)
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
        (deleted, *_) = (rung for rung in advice.ladder if rung.name.startswith(OF_WEEK))
        text = (
            "**The hard limit has a price**: no number may fall below {floor}, as builds fail here and nobody deletes "
            "the failed. With an operator who does (`failures: {{cleared_after: 1d}}`) numbers for each hour of the "
            "week would idle {deleted_idle:,.0f} instance-hours a week at {deleted_rate:.1%}."
        )
        numbers = {
            "floor": floor,
            "deleted_idle": deleted.idle_hours_per_week,
            "deleted_rate": deleted.hit_rate,
        }
        told.append(Sentence(text, numbers))
    return told


def worth(of: Sequence[Worth]) -> list[Sentence]:
    """Where one more and one fewer pay most. `of`: one preset, under today's setting and then under the answer."""
    told = []
    for name, whose, one in zip(("today", "recommended"), ("Today's setting", "The recommendation"), of, strict=True):
        *mine, _ = worth_said(one)
        told.append(Sentence(f"*{whose}*: {{worth_{name}}}", {f"worth_{name}": " ".join(mine)}))
    return told


def drowned(limits: pd.DataFrame) -> list[Sentence]:
    """How often the hard limit stops the recommended pool as failures are now, in bold; nothing where it never does.

    `limits`: trials.until_limited, with RECOMMENDED among its settings.
    """
    mine = limits[(limits["setting"] == RECOMMENDED) & limits["is_own"]]
    met = mine["days"].dropna()
    if met.empty:
        return []
    numbers = {
        "drowned_runs": len(met),
        "drowned_of": len(mine),
        "drowned_window_days": float(mine["window_days"].iloc[0]),
        "drowned_median_days": float(met.median()),
        "drowned_rate": float(mine["rate"].iloc[0]),
    }
    text = (
        "**In {drowned_runs} of {drowned_of} replications the hard limit stops it within these "
        "{drowned_window_days:.0f} days**, half of those within {drowned_median_days:.1f} days: {drowned_rate:.1%} "
        "of the builds fail and nobody deletes the failed. From then on nobody finds a prebuild. The hit rates here "
        "hold as long as somebody deletes failed prebuilds, or is told when the limit is met."
    )
    return [Sentence(text, numbers)]


def until_limited(limits: pd.DataFrame) -> Sentence:
    """At which failure rates the pools live. `limits`: trials.until_limited."""
    if limits.empty or not limits["hard_limit"].any():
        return Sentence("The hard limit is off here, or nothing fails: no number of failures stops a pool.", {})
    runs = int(limits["replication"].max()) + 1
    numbers: dict[str, Any] = {
        "limit_runs": runs,
        "limit_failures": int(limits["hard_limit"].iloc[0]),
        "limit_window_days": float(limits["window_days"].iloc[0]),
    }
    parts = []
    for i, (setting, mine) in enumerate(limits.groupby("setting", sort=False), 1):
        met = mine[mine["days"].notna()].groupby("rate").size()
        lived = [rate for rate in sorted(set(mine["rate"])) if rate not in met.index]
        below = [rate for rate in lived if not len(met) or rate < met.index.min()]
        numbers[f"limit_setting_{i}"] = setting
        if below:
            numbers[f"limit_lives_at_{i}"] = max(below)
            parts.append(f"*{{limit_setting_{i}}}* never meets it at {{limit_lives_at_{i}:.1%}} or less")
        else:
            least = min(mine["rate"])
            numbers |= {f"limit_least_{i}": least, f"limit_met_{i}": int(met[least])}
            often = f"in {{limit_met_{i}}} of {{limit_runs}}"
            parts.append(f"*{{limit_setting_{i}}}* meets it even at {{limit_least_{i}:.1%}}, {often}")
    text = (
        "Once the newest {limit_failures} of a preset's prebuilds have failed, Coder builds no more for it. In "
        f"{{limit_runs}} runs of {{limit_window_days:.0f}} days each, {'; '.join(parts)}."
    )
    if not limits["is_own"].any():
        text += " As written no build fails: this is what it would take."
    return Sentence(text, numbers)


def sensitivity(effects: Sequence[Effect]) -> Sentence:
    """Which thing moves the hit rate most, and which are not told from chance."""
    real = [one for one in effects if one.hit_rate.is_real]
    text = "Each row has one thing other than the scenario says, the recommendation as it is. "
    if not real:
        return Sentence(text + "No difference of the hit rate is told from chance in these replications.", {})
    worst = min(real, key=lambda one: one.hit_rate.difference)
    most = max(real, key=lambda one: abs(one.hit_rate.difference))
    numbers: dict[str, Any] = {}
    said = []
    for name, one in (("most", most), *([("worst", worst)] if worst is not most else [])):
        low, high = widest(one.hit_rate)
        numbers |= {
            f"{name}_what": f"{one.what}: {one.how}",
            f"{name}_points": 100 * one.hit_rate.difference,
            f"{name}_low": 100 * low,
            f"{name}_high": 100 * high,
        }
        said.append(f"**{{{name}_what}}** ({{{name}_points:+.1f}} points, {{{name}_low:+.1f}} to {{{name}_high:+.1f}})")
    text += f"Most moves the hit rate {said[0]}"
    if len(said) > 1 and worst.hit_rate.difference < 0:
        text += f"; what would hurt most is {said[1]}"
    open_ones = [f"{one.what}: {one.how}" for one in effects if one.hit_rate.verdict == "open"]
    if open_ones:
        text += ". Not told from chance in these replications: {open_changes}"
        numbers["open_changes"] = ", ".join(open_ones)
    return Sentence(text + ".", numbers)


def league(of: League) -> list[Sentence]:
    """Where the recommendation stands among what people do elsewhere, and what is wrong with some of it."""
    better = [row for row in of.rows if of.reaches(row) and row.policy not in (RECOMMENDED_POLICY, TODAY_POLICY)]
    mine = next((row for row in of.rows if row.policy == RECOMMENDED_POLICY), None)
    told = []
    if mine is not None:

        def price(row: Row) -> float:
            return row.total.pool_cost if of.has_cost else row.total.pool_hours

        cheaper = [row for row in better if price(row) < price(mine)]
        numbers: dict[str, Any] = {
            "league_reach": len(better),
            "league_cheaper": len(cheaper),
            "league_rate": mine.total.hit_rate,
        }
        few = "{league_cheaper}" if cheaper else "none"
        text = (
            f"{{league_reach}} of the others reach the target in these weeks, {few} of them for less than the "
            "recommendation, which has {league_rate:.1%}. Their numbers were chosen in hindsight, by these very weeks, "
            "and have no margin for the next quarter."
        )
        told.append(Sentence(text, numbers))
    return [*told, *_each("league", remarks(of))]


def week(pool: pd.DataFrame, monday: date) -> Sentence:
    """How many found none in one week, today and as recommended. `pool`: of both, as tables.side_by_side has it."""
    numbers: dict[str, Any] = {"worst_week": str(monday)}
    for name, setting in (("before", TODAY), ("after", RECOMMENDED)):
        told = capacity.week(pool[pool["preset"] == setting], [setting], monday).numbers
        numbers |= {f"{name}_misses": told["week_misses"], f"{name}_claims": told["week_claims"]}
    return Sentence(
        "In the week from Monday {worst_week}, {after_misses} of {after_claims} claims find no prebuild as "
        "recommended; under today's setting {before_misses} of {before_claims}.",
        numbers,
    )


def next_steps(of: Recommendation, limits: pd.DataFrame) -> list[Sentence]:
    """What to do with it."""
    (advice,) = of.presets
    told = []
    if advice.is_met:
        told.append(
            Sentence(
                "Write the block into the template (`simkit recommend ... --apply main.tf` does), and let "
                "`simkit check` and `simkit diff` show what it changes before it ships.",
                {},
            )
        )
    else:
        text = (
            "The target of {target_hit_rate:.1%} is not met: first mend what bound it, allow more schedules, or take "
            "another point of the front. Then ask again."
        )
        told.append(Sentence(text, {"target_hit_rate": advice.target}))
    if drowned(limits):
        text = (
            "Before that, see to it that failed prebuilds are deleted: while nobody does, the hard limit ends this "
            "plan sooner or later. With `failures: {{cleared_after: 1d}}` in the scenario this page shows what it is "
            "worth to do so."
        )
        told.append(Sentence(text, {}))
    told.append(
        Sentence(
            "Choose again after {again_weeks} weeks, with their history, or sooner if a month's hit rate is below "
            "{next_quarter_not_below:.1%}: then people have changed their habits, which these weeks cannot know.",
            {"again_weeks": QUARTER, "next_quarter_not_below": advice.limit},
        )
    )
    return told


def _each(name: str, texts: Iterable[str]) -> list[Sentence]:
    """Whole sentences as fields, `{name}_1` and on; what stands between backticks is code there, too."""
    found = []
    for i, text in enumerate(texts, 1):
        parts = text.split("`")
        fields = {f"{name}_{i}" if len(parts) == 1 else f"{name}_{i}_{k}": part for k, part in enumerate(parts, 1)}
        found.append(Sentence("`".join(f"{{{field}}}" for field in fields), dict(fields)))
    return found
