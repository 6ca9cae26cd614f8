"""A recommendation in words: rows and sentences that a terminal and a pull request share, Markdown, and a document."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from typing import Any

from simkit.clock import NEVER, UTC_ZONE, Zone, format_duration, format_instant, zone
from simkit.decide.holidays import Exceptions
from simkit.decide.margins import GROWTH, QUARTER
from simkit.decide.plan import terraform
from simkit.decide.recommendation import CONFIDENCE, NOTICED_US, Advice, Outcome, Queue, Recommendation
from simkit.model import Preset
from simkit.runs.simulate import is_only_of_builds
from simkit.shown import visible
from simkit.times import in_column, local_instant, weekday_date, window_text
from simkit.version import __version__

Row = tuple[str, ...]
_COMMENT = 98
"""Characters in a line of a comment."""


def setting(preset: Preset) -> str:
    """A preset's numbers in one line: "2, `* 9-17 * * 1-5` 8, TTL 8h"."""
    parts = [str(preset.instances), *(f"{s.cron} -> {s.instances}" for s in preset.schedules)]
    return "; ".join([*parts, f"TTL {format_duration(preset.ttl_us)}" if preset.ttl_us else "no TTL"])


def compared(advice: Advice, currency: str) -> list[Row]:
    """(what, today's, recommended) in the same weeks."""
    before, after = advice.before, advice.after
    rows: list[Row] = [("hit rate", _percent(before.hit_rate), _percent(after.hit_rate))]
    if advice.held_out is not None and advice.held_out.is_recommended:
        held = advice.held_out
        rows.append((f"  on {_weeks(held.weeks)} held out", _percent(held.now_rate), _percent(held.rate)))
    rows += [
        ("wait, p50", _wait(before.wait_p50_s), _wait(after.wait_p50_s)),
        ("wait, p95", _wait(before.wait_p95_s), _wait(after.wait_p95_s)),
        ("idle instance-hours a week", _number(before.idle_hours_per_week), _number(after.idle_hours_per_week)),
        ("pool's instance-hours a week", _number(before.pool_hours_per_week), _number(after.pool_hours_per_week)),
    ]
    if before.cost_per_week or after.cost_per_week:
        rows.append((f"pool's cost a week, {currency}", _money(before.cost_per_week), _money(after.cost_per_week)))
    rows.append(("builds of prebuilds a week", _number(before.builds_per_week), _number(after.builds_per_week)))
    if min(before.limited_at, after.limited_at) != NEVER:
        rows.append(("hard-limited", *(_limited(one, zone(advice.timezone) or UTC_ZONE) for one in (before, after))))
    return rows


def verdict(advice: Advice, over_cost: float = 0.0) -> str:
    """Is the target met, and what may end it? `over_cost`: as Recommendation has it."""
    target, seen, limit = _percent(advice.target), _percent(advice.aim), _percent(advice.limit)
    if advice.is_target_met:
        only = " only while the hard limit stays away" if advice.drowned is not None else ""
        only += "" if advice.is_met else ", but not the wait"
        only += ", but costs too much" if over_cost else ""
        text, how = f"Meets {target}{only}", f"with a confidence of {CONFIDENCE:.0%}"
    else:
        text, how = f"Does not meet {target}", f"{100 * (advice.target - advice.limit):.1f} points short"
    text += f": {seen} on the weeks it was chosen by, and in the next quarter not below {limit}, {how}."
    if advice.in_time is not None:
        wait = advice.in_time
        kept = "keeps" if wait.is_met else "misses"
        text += (
            f" Nineteen of twenty should wait no longer than {_wait(wait.within_s)} (p95 is "
            f"{_wait(advice.after.wait_p95_s)} on these weeks): {_percent(wait.seen)} do not, and in the next quarter "
            f"no fewer than {_percent(wait.limit)} with that confidence, which {kept} it."
        )
    if advice.drowned is not None:
        one = advice.drowned
        text += (
            f" The hard limit ends it in {len(one.after_days)} of {one.replications} replications of "
            f"{_weeks(round(one.weeks))} ({one.share.low:.0%} to {one.share.high:.0%} of many more), the first after "
            f"{min(one.after_days):,.1f} days, unless somebody deletes failed prebuilds."
        )
    return text


def sentences(advice: Advice) -> list[str]:
    """What is known of it beside the numbers: weeks it was not chosen by, what the next quarter may bring."""
    return [*_held_out(advice), _outlook(advice)]


def _held_out(advice: Advice) -> list[str]:
    held = advice.held_out
    if held is None:
        return []
    if held.is_recommended:
        return [
            f"On the last {_weeks(held.weeks)}, which it was not chosen by, it has {_percent(held.rate)} at "
            f"{_number(held.idle_hours)} idle instance-hours a week; today's setting {_percent(held.now_rate)} at "
            f"{_number(held.now_idle_hours)}."
        ]
    met = "met" if held.rate >= advice.target else f"missed by {100 * (advice.target - held.rate):.1f} points"
    same = "the same plan" if held.plan == advice.plan else f"another plan ({held.plan.words})"
    return [
        f"Chosen without the last {_weeks(held.weeks)}, the same way finds {same}, which there has "
        f"{_percent(held.rate)} at {_number(held.idle_hours)} idle instance-hours a week: the target is {met}. Today's "
        f"setting has {_percent(held.now_rate)} there, at {_number(held.now_idle_hours)}."
    ]


def _outlook(advice: Advice) -> str:
    one = advice.outlook
    low, high = _percent(one.interval.low), _percent(one.interval.high)
    of_builds = "" if math.isnan(one.of_builds) else f" (chance of builds alone: {100 * one.of_builds:.1f})"
    return (
        f"Next quarter ({QUARTER} weeks): {low} to {high}, an interval of 95 %. As standard deviations in points: "
        f"weeks differ {100 * one.of_weeks:.1f}{of_builds}, {GROWTH:.0%} more or fewer people "
        f"{100 * one.of_volume:.1f}, a plan does worse on weeks that it was not chosen by {100 * one.of_choice:.1f}. "
        "It does not hold a change of habits that these weeks have not seen"
        + (", nor the end by the hard limit." if advice.drowned is not None else ".")
    )


def queue_said(queue: Queue | None) -> list[str]:
    """What people wait for daemons, where anybody notices."""
    if queue is None:
        return []
    longer = queue.after_s - queue.before_s
    change = "about as today"
    if abs(longer) * 1e6 >= NOTICED_US / 2:
        change = f"{in_column(abs(longer))} {'longer' if longer > 0 else 'shorter'} than today"
    text = (
        f"At {queue.hour:02}:00 people's builds wait {in_column(queue.after_s)} for one of {queue.daemons} provisioner "
        f"daemons on average, {change}"
    )
    if queue.own_s is not None:
        behind = queue.after_s - queue.own_s
        if behind * 1e6 >= NOTICED_US / 2:
            text += f"; {in_column(behind)} of it because {queue.builds:,.0f} prebuilds are ordered in that hour"
        else:
            text += "; not because of prebuilds, but of each other"
    if queue.mending_daemons is not None:
        return [f"{text}. {queue.mending_daemons} daemons would mend it (tried)."]
    return [f"{text}. More of them, up to five times as many, were tried and do not mend it."]


def front_said(of: Recommendation) -> str:
    """What a row of the front was played with."""
    if len(of.presets) == 1:
        return ""
    return "In each row the other presets have the plans of that hit rate, too: the daemons are those of all."


def front_titles(currency: str) -> Row:
    """What `front_rows` have."""
    return "hit rate", "not below", "idle h/week", f"{currency}/week", "what to set"


def front_rows(advice: Advice) -> list[Row]:
    """(hit rate, what the next quarter's is not below, idle hours a week, cost a week, what to set) of the front; the
    recommended one is marked."""
    return [
        (
            _percent(point.hit_rate),
            _percent(point.limit),
            _number(point.idle_hours_per_week),
            _money(point.cost_per_week),
            point.plan.words + (" (recommended)" if point.plan == advice.plan else ""),
        )
        for point in advice.front
    ]


def ladder_rows(advice: Advice) -> list[Row]:
    """(idle hours a week, hit rate, how, what it was chosen by): bounds, the recommendation, today's setting."""
    rows: list[tuple[float, Row]] = [
        (
            rung.idle_hours_per_week,
            (
                _number(rung.idle_hours_per_week),
                _percent(rung.hit_rate),
                rung.name,
                f"{'in' if rung.in_sample else 'out of'} sample: {rung.knows}",
            ),
        )
        for rung in advice.ladder
    ]
    for name, by, one in (
        ("the recommendation", "in sample: these weeks, with a margin for others", advice.after),
        ("today's setting", "out of sample", advice.before),
    ):
        idle = one.idle_hours_per_week
        rows.append((idle, (_number(idle), _percent(one.hit_rate), name, by)))
    return [row for _, row in sorted(rows, key=lambda one: (math.isnan(one[0]), one[0]))]


def edit_rows(exceptions: Exceptions) -> list[Row]:
    """(days, edit at, take back at, idle hours saved, misses added, what it was tried on) of each pair of edits."""
    rows: list[Row] = []
    for one in exceptions.edits:
        days = weekday_date(one.first)
        if one.last > one.first:
            days += f" to {weekday_date(one.last)}"
        rows.append(
            (
                f"{days} ({one.names})" if one.names else days,
                local_instant(one.edit_at, exceptions.zone),
                local_instant(one.back_at, exceptions.zone),
                _number(one.idle_saved_hours) + ("" if one.is_seen else " if nobody comes"),
                _number(one.misses_added) + ("" if one.is_seen else " if all come"),
                "the day itself" if one.is_seen else weekday_date(one.tried_on),
            )
        )
    return rows


def exceptions_said(exceptions: Exceptions) -> list[str]:
    """How the number for holidays was found, what to do with the block, and on which days there is nothing to do."""
    said = list(exceptions.said)
    if exceptions.quiet:
        listed = ", ".join(weekday_date(one.day) for one in exceptions.quiet)
        said.append(f"Nothing to edit on {listed}: the plan has no more than {exceptions.instances} then.")
    return said


EDITS_SAID = "Around holidays put this block in its place, and take it back with the one above:"
EDIT_TITLES = ("days", "edit at", "take back at", "idle h saved", "misses added", "tried on")
LADDER_TITLES = ("idle h/week", "hit rate", "how", "chosen by")


def based_on(of: Recommendation) -> str:
    """What all numbers stand on."""
    scenario = of.scenario
    window = window_text(scenario.start_at, scenario.end_at, scenario.zone)
    held_out = of.weeks - of.fitted_weeks - of.left_out_weeks
    weeks = f"{of.fitted_weeks} weeks" + (f", {held_out} held out" if held_out else "")
    if of.left_out_weeks:
        weeks += f", {of.left_out_weeks} with holidays left out"
    history = (
        "one history replayed: people who gave up unseen are not in it"
        if is_only_of_builds(scenario)
        else "people drawn from the scenario's profile, which is taken as right"
    )
    return (
        f"{visible(scenario.name)}, {window}, {weeks}; {history}. Coder {scenario.behaviour.version}, "
        f"seed {of.seed}, {of.runs} exact runs."
    )


def blocks(of: Recommendation) -> str:
    """What to paste, and nothing else: each preset's block below its name and verdict, as a comment of Terraform."""
    parts = []
    for advice in of.presets:
        said = f"{visible(advice.preset.name)}: {visible(verdict(advice, of.over_cost))}"
        parts += [*(f"# {line}" for line in textwrap.wrap(said, _COMMENT)), terraform(advice.preset), ""]
    return "\n".join(parts)


def markdown(of: Recommendation) -> str:
    """The recommendation as the text of a pull request."""
    parts = []
    for advice in of.presets:
        name = visible(advice.preset.name).replace("`", "'")
        parts += [f"### Prebuilds of `{name}`: {_md(advice.plan.words)}", _md(verdict(advice, of.over_cost))]
        parts.append(_md_table(("in the same weeks", "today's", "recommended"), compared(advice, of.scenario.currency)))
        parts.append(f"```hcl\n{terraform(advice.preset)}\n```")
        if advice.exceptions is not None:
            parts += _md_exceptions(advice.exceptions)
        parts.append("**Why**\n\n" + "\n".join(f"1. {_md(text)}" for text in advice.why))
        said = [*sentences(advice), *advice.bound, *queue_said(of.queue)]
        parts.append("**What is known of it, and what bound it**\n\n" + "\n".join(f"- {_md(text)}" for text in said))
        said = [front_said(of)] if len(of.presets) > 1 else []
        front = "\n\n".join([*said, _md_table(front_titles(of.scenario.currency), front_rows(advice))])
        parts.append(_folded("Other hit rates, and their price", front))
        parts.append(_folded("What finer knowledge would save", _md_table(LADDER_TITLES, ladder_rows(advice))))
    parts += [_md(note) for note in of.notes]
    parts.append(f"<sub>{_md(based_on(of))} simkit {__version__}</sub>")
    return "\n\n".join(parts)


def _md_exceptions(exceptions: Exceptions) -> list[str]:
    parts = ["**Holidays**\n\n" + "\n".join(f"- {_md(text)}" for text in exceptions_said(exceptions))]
    if exceptions.edits:
        parts += [_md(EDITS_SAID), f"```hcl\n{terraform(exceptions.preset)}\n```"]
        parts.append(_md_table(EDIT_TITLES, edit_rows(exceptions)))
    return parts


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _md_table(titles: Iterable[str], rows: Iterable[Row]) -> str:
    titles = list(titles)
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    return "\n".join([*lines, *(f"| {' | '.join(map(_md, row))} |" for row in rows)])


def _md(text: str) -> str:
    return visible(text).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def document(of: Recommendation) -> dict[str, Any]:
    """The recommendation for a program; `recommendation.schema.json` beside this module describes it.

    Shares are of 1, waits in seconds, instants in RFC 3339; what has no value is null.
    """
    scenario = of.scenario
    return {
        "simkit": __version__,
        "scenario": scenario.name,
        "coder": scenario.behaviour.version,
        "seed": of.seed,
        "from": format_instant(scenario.start_at, scenario.zone),
        "until": format_instant(scenario.end_at, scenario.zone),
        "timezone": scenario.zone.name,
        "currency": scenario.currency,
        "weeks": of.weeks,
        "fitted_weeks": of.fitted_weeks,
        "left_out_weeks": of.left_out_weeks,
        "kernel_runs": of.runs,
        "is_met": of.is_met,
        "over_cost_per_week": _rounded(of.over_cost),
        "based_on": based_on(of),
        "notes": list(of.notes),
        "queue": None
        if of.queue is None
        else {
            "hour": of.queue.hour,
            "wait_today_s": _rounded(of.queue.before_s),
            "wait_recommended_s": _rounded(of.queue.after_s),
            "wait_without_prebuilds_s": None if of.queue.own_s is None else _rounded(of.queue.own_s),
            "prebuilds_ordered": _rounded(of.queue.builds),
            "provisioner_daemons": of.queue.daemons,
            "mending_provisioner_daemons": of.queue.mending_daemons,
        },
        "presets": [_preset(advice) for advice in of.presets],
    }


def _preset(advice: Advice) -> dict[str, Any]:
    held, outlook = advice.held_out, advice.outlook
    return {
        "preset": advice.preset.name,
        "target_hit_rate": advice.target,
        "is_met": advice.is_met,
        "today": {**_setting(advice.now), **_outcome(advice.before)},
        "recommended": {**_setting(advice.preset), **_outcome(advice.after)},
        "terraform": terraform(advice.preset),
        "hard_limited": None
        if advice.drowned is None
        else {
            "replications": len(advice.drowned.after_days),
            "of_replications": advice.drowned.replications,
            "share_low": _rounded(advice.drowned.share.low),
            "share_high": _rounded(advice.drowned.share.high),
            "weeks": _rounded(advice.drowned.weeks),
            "first_after_days": _rounded(min(advice.drowned.after_days)),
        },
        "wait": None
        if advice.in_time is None
        else {
            "asked_p95_s": _rounded(advice.in_time.within_s),
            "served_in_time": _rounded(advice.in_time.seen),
            "not_below": _rounded(advice.in_time.limit),
            "is_met": advice.in_time.is_met,
        },
        "seen_hit_rate": _rounded(advice.aim),
        "next_quarter": {
            "not_below": _rounded(advice.limit),
            "confidence": CONFIDENCE,
            "low": _rounded(outlook.interval.low),
            "high": _rounded(outlook.interval.high),
            "deviation_of_weeks": _rounded(outlook.of_weeks),
            "deviation_of_volume": _rounded(outlook.of_volume),
            "deviation_of_choice": _rounded(outlook.of_choice),
            "deviation_of_builds": _rounded(outlook.of_builds),
        },
        "held_out": None
        if held is None
        else {
            "weeks": held.weeks,
            "is_of_recommended": held.is_recommended,
            "plan": held.plan.words,
            "hit_rate": _rounded(held.rate),
            "idle_hours_per_week": _rounded(held.idle_hours),
            "today_hit_rate": _rounded(held.now_rate),
            "today_idle_hours_per_week": _rounded(held.now_idle_hours),
        },
        "holidays": None if advice.exceptions is None else _exceptions(advice.exceptions),
        "why": list(advice.why),
        "bound": list(advice.bound),
        "front": [
            {
                "plan": point.plan.words,
                "hit_rate": _rounded(point.hit_rate),
                "not_below": _rounded(point.limit),
                "idle_hours_per_week": _rounded(point.idle_hours_per_week),
                "cost_per_week": _rounded(point.cost_per_week),
            }
            for point in advice.front
        ],
        "ladder": [
            {
                "name": rung.name,
                "knows": rung.knows,
                "in_sample": rung.in_sample,
                "hit_rate": _rounded(rung.hit_rate),
                "idle_hours_per_week": _rounded(rung.idle_hours_per_week),
            }
            for rung in advice.ladder
        ],
    }


def _exceptions(of: Exceptions) -> dict[str, Any]:
    return {
        "instances": of.instances,
        "terraform": terraform(of.preset),
        "seen": of.seen,
        "share_of_people": _rounded(of.share),
        "edits": [
            {
                "first": one.first.isoformat(),
                "last": one.last.isoformat(),
                "names": one.names,
                "edit_at": format_instant(one.edit_at, of.zone),
                "take_back_at": format_instant(one.back_at, of.zone),
                "tried_on": one.tried_on.isoformat(),
                "is_seen": one.is_seen,
                "idle_hours_saved": _rounded(one.idle_saved_hours),
                "misses_added": _rounded(one.misses_added),
            }
            for one in of.edits
        ],
        "nothing_to_edit": [one.day.isoformat() for one in of.quiet],
        "said": exceptions_said(of),
    }


def _setting(preset: Preset) -> dict[str, Any]:
    return {
        "instances": preset.instances,
        "ttl_s": preset.ttl_us // 1_000_000,
        "timezone": preset.timezone,
        "schedules": [{"cron": s.cron, "instances": s.instances} for s in preset.schedules],
    }


def _outcome(one: Outcome) -> dict[str, Any]:
    return {
        "hit_rate": _rounded(one.hit_rate),
        "wait_p50_s": _rounded(one.wait_p50_s),
        "wait_p95_s": _rounded(one.wait_p95_s),
        "claims_per_week": _rounded(one.claims_per_week),
        "builds_per_week": _rounded(one.builds_per_week),
        "idle_hours_per_week": _rounded(one.idle_hours_per_week),
        "pool_hours_per_week": _rounded(one.pool_hours_per_week),
        "cost_per_week": _rounded(one.cost_per_week),
        "hard_limited_from": None if one.limited_at == NEVER else format_instant(one.limited_at),
    }


def _rounded(value: float) -> float | None:
    """Without the noise of the last digits; None for NaN."""
    return None if math.isnan(value) else round(value, 6)


def _weeks(count: int) -> str:
    return "week" if count == 1 else f"{count} weeks"


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.1%}"


def _wait(seconds: float) -> str:
    return "-" if math.isnan(seconds) else in_column(seconds)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.0f}" if value >= 99.5 else f"{value:,.1f}"


def _money(value: float) -> str:
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _limited(one: Outcome, where: Zone) -> str:
    return "-" if one.limited_at == NEVER else f"from {weekday_date(where.local(one.limited_at))} on"
