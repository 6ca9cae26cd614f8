"""What schedules say and what was meant, in sentences with the numbers of both: hours, people served, idle pools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simkit.clock import SECOND_US, format_duration, to_datetime
from simkit.coder_versions import DEFAULT_BEHAVIOUR
from simkit.cron import provider_cron
from simkit.model import Workload
from simkit.studies.cron_ranges.readings import DAEMONS, Case, Jump, days
from simkit.studies.cron_ranges.readings import overlaps as overlaps_of
from simkit.studies.tables import Table, of_rows
from simkit.studies.wording import Sentence, as_instant, day_and_time, percent
from simkit.templates.explainer import describe, explain
from simkit.timeline import BASE
from simkit.times import hours_text, long_weekday_date, short_weekday

if TYPE_CHECKING:
    import pandas as pd

# Names of a case's numbers begin with the case's name, which the notebook gives: result.json has each number once.


def answer(cases: Mapping[str, Case]) -> Sentence:
    """In how many cases fewer people find a prebuild than was meant, or more prebuilds wait, and where it is worst."""
    both = {name: of for name, of in cases.items() if len(of.readings) > 1 and of.pool["claims"].iloc[0]}
    missed = {name: _shown_rate(of, 1) - _shown_rate(of, 0) for name, of in both.items()}
    idle = {name: (_idle(of, 0) - _idle(of, 1)) / of.hours for name, of in both.items()}
    fewer, more = (
        [name for name, by in sorted(differences.items(), key=lambda one: -one[1]) if by > 0]
        for differences in (missed, idle)
    )
    numbers: dict[str, Any] = {"edge_cases": len(both), "serve_fewer": len(fewer), "idle_more": len(more)}
    text = "In {serve_fewer} of {edge_cases} edge cases fewer people find a prebuild than was meant"
    if fewer:
        of = both[fewer[0]]
        text += (
            ", most of all with *{worst_served}*: {worst_hit_rate:.1%} of the claims instead of {meant_hit_rate:.1%}"
        )
        numbers |= {"worst_served": fewer[0], "worst_hit_rate": _rate(of, 0), "meant_hit_rate": _rate(of, 1)}
    text += ". In {idle_more} more prebuilds wait"
    if more:
        of = both[more[0]]
        text += (
            ", most of all with *{worst_idle}*: {worst_idle_hours:,.0f} idle instance-hours instead of "
            "{meant_idle_hours:,.0f} in a {worst_idle_span}"
        )
        numbers |= {"worst_idle": more[0], "worst_idle_hours": _idle(of, 0), "meant_idle_hours": _idle(of, 1)}
        numbers["worst_idle_span"] = span(of)
    return Sentence(f"{text}.", numbers)


def answer_table(cases: Mapping[str, Case]) -> Table:
    """A row for each case: for how long a schedule holds, which share of claims finds a prebuild, how long prebuilds
    wait; as the first reading has it, and as the second does."""
    rows = []
    for name, of in cases.items():
        held: Mapping[str, float] = dict(days(of).groupby("reading")["held_hours"].sum()) if of.readings else {}
        held_by = [f"{held[r.label]:,.1f}".removesuffix(".0") for r in of.readings]
        served = [percent(_rate(of, i)) for i in range(len(of.readings))]
        idle = [f"{_idle(of, i):,.1f}" for i in range(len(of.readings))]
        pairs = [(*texts, "", "")[:2] for texts in (held_by, served, idle)]
        rows.append((name, span(of) if of.readings else "", *(text for pair in pairs for text in pair)))
    titles = ("edge case", "in a", "holds, hours", "as meant, hours", "served", "as meant")
    return of_rows((*titles, "idle, instance-hours", "as meant, instance-hours"), rows, 2)


def _rate(of: Case, reading: int) -> float:
    return float(of.pool["hit_rate"].iloc[reading])


def _shown_rate(of: Case, reading: int) -> float:
    return round(_rate(of, reading), 3)


def _idle(of: Case, reading: int) -> float:
    return float(of.pool["idle_instance_hours"].iloc[reading])


def pools(base: int, instances: int, pools: int) -> Sentence:
    """What all pools have in common."""
    takes = Workload()
    return Sentence(
        "In what follows a pool has a base of {base} and, by schedule, {instances} desired instances. A prebuild takes "
        "{build} to build and {agent} until its agent is ready; {daemons} daemons build for each pool. Numbers of a "
        "week or less come from {pools} pools, each with people of its own, and each reading of a schedule meets the "
        "same people. An idle instance-hour is one prebuild that waits for an hour.",
        {
            "base": base,
            "instances": instances,
            "build": format_duration(takes.build.median_us),
            "agent": format_duration(takes.agent.median_us),
            "daemons": DAEMONS,
            "pools": pools,
        },
    )


def pool(case: Case, name: str) -> Sentence:
    """What each reading does to the pool: the share of claims it serves, and how long prebuilds wait."""
    if not case.readings:
        return Sentence("There is no pool to compare.", {})
    if case.pool["claims"].iloc[0] == 0:
        return Sentence("Nobody asks for a workspace in this time, so no claim tells the readings apart.", {})
    numbers: dict[str, Any] = {f"{name}_claims": int(case.pool["claims"].iloc[0]), f"{name}_span": span(case)}
    numbers[f"{name}_pools"] = case.pools
    parts = []
    columns = zip(*(case.pool[c] for c in ("reading", "hit_rate", "idle_instance_hours")), strict=True)
    for i, (said_by, served, idles) in enumerate(columns):
        hit_rate, idle, label = (f"{name}_{what}_{i}" for what in ("hit_rate", "idle_hours", "reading"))
        numbers |= {label: said_by, hit_rate: float(served), idle: float(idles)}
        parts.append(
            f"*{{{label}}}*: {{{hit_rate}:.{_digits(case)}%}} of the claims find a prebuild, and {{{idle}:,.1f}} "
            "instance-hours are idle"
        )
    return Sentence(
        f"**What it does to the pool:** {'; '.join(parts)} (a pool in this {{{name}_span}}; {{{name}_claims:,}} claims "
        f"in {{{name}_pools}} pools).",
        numbers,
    )


def _digits(case: Case) -> int:
    """As many digits of a percentage as tell the readings apart, at most three."""
    rates = set(case.pool["hit_rate"])
    return next((d for d in (1, 2) if len({f"{rate:.{d}%}" for rate in rates}) == len(rates)), 3)


def span(case: Case) -> str:
    """How long a case is: week, year, or a number of hours."""
    named = {7: "week", 365: "year", 366: "year"}
    return named.get(round(case.hours / 24), f"span of {hours_text(case.hours)}")


def warnings(case: Case, name: str) -> Sentence:
    """What simkit's linter warns of when it sees the first reading."""
    numbers = {f"{name}_warning_{i}": text for i, text in enumerate(case.warnings)}
    if not numbers:
        return Sentence("simkit has no warning for it: Coder does what it says, and it can be meant.", {})
    return Sentence("\n\n".join(f"> **simkit warns:** {{{key}}}" for key in numbers), dict(numbers))


def early(case: Case, name: str) -> Sentence:
    """When each reading's first span begins and ends, to the second."""
    numbers: dict[str, Any] = {}
    parts = []
    for i, of in enumerate(case.readings):
        spans = case.desired[(case.desired["reading"] == of.label) & (case.desired["schedule"] != BASE)]
        if spans.empty:
            continue
        begins = case.zone.local(as_instant(spans["from_at"].iloc[0]))
        ends = case.zone.local(as_instant(spans["until_at"].iloc[0]) - SECOND_US)
        label, first, last = (f"{name}_{what}_{i}" for what in ("rules", "begins", "ends"))
        numbers |= {label: of.label, first: f"{short_weekday(begins)} {begins:%H:%M:%S}", last: f"{ends:%H:%M:%S}"}
        parts.append(f"{{{first}}} to {{{last}}} under *{{{label}}}*")
    if not parts:
        return Sentence("No schedule holds in this time.", {})
    return Sentence(f"The first span goes from {'; '.join(parts)}.", numbers)


def held(case: Case, name: str) -> Sentence:
    """For how long a schedule holds as written and as meant: hours, days, and how many of them only one has."""
    by = days(case)
    held = by[by["held_hours"] > 0]
    numbers: dict[str, Any] = {f"{name}_held_span": span(case)}
    parts = []
    of_reading = []
    for i, of in enumerate(case.readings):
        mine = held[held["reading"] == of.label]
        of_reading.append(dict(zip(mine["day"], mine["desired"], strict=True)))
        label, hours, count = (f"{name}_{what}_{i}" for what in ("held", "held_hours", "held_days"))
        numbers |= {label: of.label, hours: float(mine["held_hours"].sum()), count: len(mine)}
        parts.append(f"*{{{label}}}* for {{{hours}:,.0f}} hours on {{{count}}} {_days(len(mine))}")
    text = f"In this {{{name}_held_span}} a schedule holds {', '.join(parts)}"
    if len(of_reading) > 1:
        first, second = of_reading[:2]
        more, fewer = len(first.keys() - second.keys()), len(second.keys() - first.keys())
        numbers |= {f"{name}_only_first": more, f"{name}_only_second": fewer}
        text += f": {{{name}_only_first}} {_days(more)} that nobody meant" if more else ""
        text += f"{' and' if more else ':'} {{{name}_only_second}} {_days(fewer)} missed" if fewer else ""
    return Sentence(text + ".", numbers)


def _days(count: int) -> str:
    return "day" if count == 1 else "days"


def words(cron: str, year: int, timezone: str, name: str) -> Sentence:
    """How Coder reads a range, in words, and how standard cron would."""
    said = explain(cron, timezone=timezone, at=f"{year}-01-01")
    readers = dict(said.readers)
    return Sentence(
        f"Coder reads `{{{name}_cron}}` as *{{{name}_words}}*. Standard cron: {{{name}_standard}}.",
        {
            f"{name}_cron": cron,
            f"{name}_words": describe(provider_cron(cron)),
            f"{name}_standard": readers["standard cron"],
        },
    )


def instead(case: Case, name: str) -> Sentence:
    """The schedules of the second reading, for somebody who wants to write that."""
    preset = case.readings[1].preset
    numbers: dict[str, Any] = {f"{name}_instead": len(preset.schedules)}
    crons = []
    for i, schedule in enumerate(preset.schedules):
        numbers[f"{name}_instead_{i}"] = schedule.cron
        crons.append(f"`{{{name}_instead_{i}}}`")
    accepted = "accepts together" if not preset.fallback else "does not accept together"
    return Sentence(
        f"What was meant takes {{{name}_instead}} schedules, which Coder {accepted}: {', '.join(crons)}.", numbers
    )


def jump(jump: Jump, name: str) -> Sentence:
    """What a change of clocks does to the range of the hour that it skips or repeats."""
    way = "forward" if jump.forward else "back"
    numbers: dict[str, Any] = {f"{name}_zone": jump.zone.name, f"{name}_way": way, f"{name}_year": jump.year}
    if jump.change is None:
        return Sentence(f"The clocks of {{{name}_zone}} do not go {{{name}_way}} in {{{name}_year}}.", numbers)
    before, after = to_datetime(jump.change.from_wall), to_datetime(jump.change.to_wall)
    first, last = (to_datetime(wall) for wall in jump.walls)
    numbers |= {
        f"{name}_day": long_weekday_date(before),
        f"{name}_before": f"{before:%H:%M}",
        f"{name}_after": f"{after:%H:%M}",
        f"{name}_first": f"{first:%H:%M}",
        f"{name}_last": f"{last:%H:%M}",
        f"{name}_cron": jump.cron,
        f"{name}_extra": format_duration(abs(jump.change.extra_us)),
    }
    del numbers[f"{name}_way"], numbers[f"{name}_year"]
    of_the_day = "" if after.date() == before.date() else " of the day before"
    text = (
        f"On {{{name}_day}} at {{{name}_before}} the clocks of {{{name}_zone}} show {{{name}_after}}{of_the_day}: "
        f"{{{name}_first}} to {{{name}_last}} "
    )
    if jump.change.extra_us > 0:
        text += f"comes twice, and `{{{name}_cron}}` holds {{{name}_extra}} longer than on any other day."
    elif jump.change.lost_day:
        text += f"is skipped, and `{{{name}_cron}}` **does not hold at all that day**."
    else:
        text += f"is skipped, and `{{{name}_cron}}` holds {{{name}_extra}} less than on any other day."
    return Sentence(text, numbers)


def overlaps(case: Case, name: str) -> Sentence:
    """When two schedules hold at the same time though Coder's check accepts them."""
    found = overlaps_of(case)
    if found.empty:
        return Sentence("No two schedules hold at the same time.", {})
    numbers: dict[str, Any] = {}
    parts = []
    columns = zip(*(found[c] for c in ("first", "second", "first_at", "hours", "days")), strict=True)
    for i, (one, other, first_at, both, dates) in enumerate(columns):
        first, second, hours, on = (f"{name}_{what}_{i}" for what in ("first", "second", "both_hours", "both_days"))
        when = day_and_time(as_instant(first_at), case.zone, f"{name}_both_{i}")
        numbers |= {first: one, second: other, hours: hours_text(both), on: len(dates), **when}
        parts.append(
            f"`{{{first}}}` and `{{{second}}}` both hold for {{{hours}}} on {{{on}}} {_days(len(dates))}, first on "
            f"{{{name}_both_{i}_day}} at {{{name}_both_{i}_time}}"
        )
    return Sentence(
        f"Coder's overlap check accepts them, yet {'; '.join(parts)}. The one written first wins there.", numbers
    )


def validation(answer: pd.DataFrame, beside: str, name: str) -> Sentence:
    """Which crons the provider takes alone and refuses beside another, and why. `answer`: cron_ranges.validation."""
    changed = answer[answer["alone"] & ~answer["beside"]]
    numbers: dict[str, Any] = {
        f"{name}_tried": len(answer),
        f"{name}_alone": int(answer["alone"].sum()),
        f"{name}_together": int(answer["beside"].sum()),
        f"{name}_beside": beside,
    }
    text = (
        f"Of {{{name}_tried}} crons the provider takes {{{name}_alone}} alone and {{{name}_together}} beside "
        f"`{{{name}_beside}}`."
    )
    if len(changed):
        text += f"\n\n> **The provider refuses:** {{{name}_refusal}}"
        numbers[f"{name}_refusal"] = str(changed["refusal"].iloc[0])
    return Sentence(text, numbers)


def validation_table(answer: pd.DataFrame) -> Table:
    """Each cron: what it says, and whether the provider takes it alone and beside another schedule."""
    taken = {True: "accepted", False: "refused"}
    return Table(
        type(answer)(
            {
                "cron": answer["cron"],
                "holds": [_described(c, ok) for c, ok in zip(answer["cron"], answer["alone"], strict=True)],
                "alone": [taken[bool(ok)] for ok in answer["alone"]],
                "beside another": [taken[bool(ok)] for ok in answer["beside"]],
            }
        ),
        frozenset(),
    )


def _described(cron: str, is_read: bool) -> str:
    return describe(provider_cron(cron)) if is_read else ""


def fallback(case: Case, name: str) -> Sentence:
    """Why Coder ignores schedules of the first reading, and what it keeps instead."""
    preset = case.readings[0].preset
    if not preset.fallback:
        return Sentence("Coder uses every schedule.", {})
    return Sentence(
        f"Coder {{{name}_coder}} says nothing and uses {{{name}_used}} of {{{name}_written}} schedules, because "
        f"{{{name}_because}}: the pool keeps its base of {{{name}_base}} at every hour.",
        {
            f"{name}_coder": DEFAULT_BEHAVIOUR.version,
            f"{name}_used": len(preset.schedules_in_force),
            f"{name}_written": len(preset.schedules),
            f"{name}_because": preset.fallback,
            f"{name}_base": preset.instances,
        },
    )
