"""Look for what Coder accepts but is likely a mistake (warnings), and for what is worth knowing (notes)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from itertools import pairwise

from simkit.arguments import a_scenario, a_text, takes
from simkit.clock import LONG_WEEKDAYS, MINUTE_US, NEVER, SECOND_US, Zone, format_duration
from simkit.coder_versions import Behaviour
from simkit.cron import WEEKDAY_WORDS, Cron, CronError, field_text, provider_cron
from simkit.errors import NOWHERE, Finding, Findings, Where
from simkit.inputs.coder import named_version
from simkit.model import HOURS_PER_WEEK, People, Preset, Scenario, Schedule, Workload
from simkit.templates.explainer import YEAR_US, describe, every_day, hours_per_week, repeats_weekly
from simkit.timeline import BASE, schedule_steps, true_overlaps
from simkit.times import hours_text, rounded, weekday_instant
from simkit.workspace.instants import next_starts

NAMES: Mapping[str, str] = {
    "undetected_overlap": "two schedules hold at once and Coder is silent",
    "fallback_to_base": "Coder ignores schedules and uses the base number",
    "list_for_range": '"1,5" where "1-5" was probably meant',
    "never_holds": "a schedule that does not hold once in a year",
    "negative_instances": "a number of instances below 0",
    "short_ttl": "prebuilds that expire about when they are ready",
    "either_day": "a day of month and a day of week in one cron, of which either is enough",
    "uncovered_hours": "hours that no schedule covers",
    "no_backoff": "a base of 0, so that failed builds are not spaced out",
    "cold_begin": "a steep step that finds no prebuild ready",
}
"""Name of what the linter says about a preset -> what it is."""
_DAYS_APART = range(3, 6)  # Tuesday and Thursday are a pattern of their own, Sunday and Saturday a weekend
_HOURS_APART = range(6, 24)  # 9 and 13 may be two rushes; 8 and 18 are the ends of a working day
_STEEP = 3
"""A step up to this many times the instances before is worth a note, and so is any step up from none."""


@takes(scenario=a_scenario, coder=a_text)
def lint(scenario: Scenario, *, coder: str | None = None) -> tuple[Finding, ...]:
    """What there is to say about the presets of all versions of a scenario, in the order of the input's lines.

    Looks at the scenario's window, and at a year at least, so that rare overlaps are found, as the scenario's version
    of Coder does, or as `coder`. Begins with what there was to say when the scenario was read. Raises InputError for a
    version of Coder that is none.

    >>> scenario = simkit.load("examples/template/morning.yaml")
    >>> [finding.name for finding in simkit.lint(scenario)]
    ['uncovered_hours', 'cold_begin']
    """
    said = Findings()
    said.extend(scenario.notes)
    behaviour = scenario.behaviour if coder is None else named_version(coder, said)
    said.raise_errors()
    end_at = looked_at_until(scenario)
    found: dict[Finding, None] = dict.fromkeys(said)
    for version in scenario.all_versions:
        for preset in version.presets:
            workload = scenario.workload_of(preset.name)
            found.update(dict.fromkeys(lint_preset(preset, workload, scenario.start_at, end_at, behaviour)))
    lifecycle = Findings()
    _template_schedule(scenario, lifecycle)
    for group in scenario.people:
        _people(group, scenario, lifecycle)
    found.update(dict.fromkeys(lifecycle))
    return tuple(sorted(found, key=lambda finding: finding.where))


def looked_at_until(scenario: Scenario) -> int:
    """The end of what the linter looks at, so that rare overlaps are found: of the window, or of a year."""
    return max(scenario.end_at, scenario.start_at + YEAR_US)


def _template_schedule(scenario: Scenario, findings: Findings) -> None:
    schedule = scenario.schedule
    if schedule.time_til_dormant_autodelete_us and not schedule.time_til_dormant_us:
        findings.warning(
            scenario.where,
            "template_schedule.time_til_dormant_autodelete deletes nothing: nothing goes dormant; set time_til_dormant",
        )
    if schedule.autostop_weeks > 1 and not schedule.autostop_days:
        findings.warning(
            scenario.where,
            "template_schedule.autostop_requirement.weeks stops nothing without days_of_week; write days, or no weeks",
        )


def _people(group: People, scenario: Scenario, findings: Findings) -> None:
    schedule = scenario.schedule
    if group.ttl_us is not None and not schedule.allow_user_autostop:
        findings.warning(
            group.where,
            f"the TTL of {group.name} does not act: the template's allow_user_autostop is false, and its default "
            "TTL is in force",
        )
    if not group.autostart:
        return
    never = f'the workspaces of {group.name} never start by themselves, though their autostart is "{group.autostart}"'
    try:
        _, _, allowed_at = next_starts(group.autostart, schedule, scenario.start_at)
    except CronError as error:
        findings.warning(group.where, f"{never}: Coder cannot read it ({error})")
        return
    if not schedule.allow_user_autostart:
        findings.warning(group.where, f"{never}: the template's allow_user_autostart is false")
    elif allowed_at == NEVER:
        findings.warning(group.where, f"{never}: it is on none of the days that the template allows")


def lint_preset(
    preset: Preset, workload: Workload | None, start_at: int, end_at: int, behaviour: Behaviour
) -> tuple[Finding, ...]:
    """What there is to say about one preset, looking at [start_at, end_at): warnings, then notes.

    Without a workload nothing is said about how long builds take.
    """
    findings = Findings()
    crons = [provider_cron(s.cron) for s in preset.schedules_in_force]
    _fallback(preset, findings)
    _negative(preset, findings)
    for schedule, cron in zip(preset.schedules_in_force, crons, strict=True):
        _ends_of_a_range(schedule, cron, findings)
    _never(preset, crons, start_at, end_at, findings)
    _overlaps(preset, start_at, end_at, findings)
    _short_ttl(preset, workload, findings)
    for schedule, cron in zip(preset.schedules_in_force, crons, strict=True):
        _either_day(schedule, cron, findings)
    _uncovered(preset, crons, start_at, end_at, findings)
    _no_backoff(preset, findings)
    findings.extend(begin.finding for begin in cold_begins(preset, workload, start_at, end_at, behaviour))
    return tuple(sorted(findings, key=lambda f: (f.level == "note", f.where)))


def _fallback(preset: Preset, findings: Findings) -> None:
    if not preset.fallback:
        return
    which = "those schedules that it cannot use" if preset.schedules_in_force else "all schedules"
    findings.warning(
        preset.where,
        f"Coder ignores {which} and keeps the base of {preset.instances} in their hours; correct what it stumbles "
        f"over: {preset.fallback}",
        name="fallback_to_base",
    )


def _negative(preset: Preset, findings: Findings) -> None:
    counts = [(preset.where, preset.instances), *((s.where, s.instances) for s in preset.schedules)]
    for where, instances in counts:
        if instances < 0:
            text = f"instances = {instances} acts as 0, no prebuild is kept; write 0"
            findings.warning(where, text, name="negative_instances")


def _ends_of_a_range(schedule: Schedule, cron: Cron, findings: Findings) -> None:
    """Two values that are probably the first and the last of what the author had in mind."""
    _, hours, _, _, weekdays = cron.text.split()
    ends = _two(weekdays)
    if ends and ends[1] - ends[0] in _DAYS_APART:
        first, last = (LONG_WEEKDAYS[end - 1] for end in ends)  # 0 is Sunday
        findings.warning(
            schedule.where,
            f'"{weekdays}" is {first} and {last} only; write "{ends[0]}-{ends[1]}" for {first} to {last}, '
            f'or "{ends[1]},{ends[0]}" if you mean the two days',
            name="list_for_range",
        )
    ends = _two(hours)
    if ends and ends[1] - ends[0] in _HOURS_APART:
        first, last = (f"{end:02d}" for end in ends)
        findings.warning(
            schedule.where,
            f'"{hours}" is {first}:00 to {first}:59 and {last}:00 to {last}:59 only; write "{ends[0]}-{ends[1]}" '
            f'for {first}:00 to {last}:59, or "{ends[1]},{ends[0]}" if you mean the two hours',
            name="list_for_range",
        )


def _either_day(schedule: Schedule, cron: Cron, findings: Findings) -> None:
    """Who writes two day fields mostly wants the days on which both hold, such as the first Monday of a month."""
    if not cron.both_days:
        findings.note(
            schedule.where,
            f'"{schedule.cron}" holds on {describe(cron)}; for fewer days, write "*" as day of month or as day of week',
            name="either_day",
        )


def _two(field: str) -> tuple[int, int] | None:
    """The values of a field that lists two single values, in the order they are written."""
    items = [item.capitalize() for item in field.split(",")]
    values = [WEEKDAY_WORDS.index(i) if i in WEEKDAY_WORDS else int(i) for i in items if i.isalnum()]
    return (values[0], values[1]) if len(values) == len(items) == 2 else None


def _never(preset: Preset, crons: list[Cron], start_at: int, end_at: int, findings: Findings) -> None:
    for schedule, cron in zip(preset.schedules_in_force, crons, strict=True):
        if hours_per_week([cron], preset.zone, start_at, end_at) == 0:
            since, until = (f"{preset.zone.local(at):%Y-%m-%d}" for at in (start_at, end_at))
            findings.warning(
                schedule.where,
                f'"{schedule.cron}" ({describe(cron)}) does not hold once from {since} to {until}; '
                "write days that come in that time",
                name="never_holds",
            )


def _overlaps(preset: Preset, start_at: int, end_at: int, findings: Findings) -> None:
    for overlap in true_overlaps(preset, start_at, end_at):
        first, second = (preset.schedules_in_force[i] for i in (overlap.first, overlap.second))
        at = "" if first.where == NOWHERE else f" at {first.where}"
        # The check misses an overlap only where a cron restricts both day fields, of which either is enough.
        findings.warning(
            second.where,
            f'"{second.cron}" overlaps "{first.cron}"{at}, which Coder does not notice: both hold on '
            f"{weekday_instant(overlap.first_at, preset.zone)}, and the one written first wins ({first.instances}, not "
            f"{second.instances} instances); where day of month and day of week are given either is enough: write one",
            name="undetected_overlap",
        )


def _short_ttl(preset: Preset, workload: Workload | None, findings: Findings) -> None:
    if workload and 0 < preset.ttl_us <= workload.build.median_us + workload.agent.median_us:
        findings.warning(
            preset.where,
            f"ttl is {format_duration(preset.ttl_us)}, but a prebuild takes {_takes(workload)}: each expires before or "
            "soon after it is ready; write a longer ttl, or 0 so that none expires",
            name="short_ttl",
        )


def _uncovered(preset: Preset, crons: list[Cron], start_at: int, end_at: int, findings: Findings) -> None:
    hours = HOURS_PER_WEEK - hours_per_week(crons, preset.zone, start_at, end_at) if crons else 0
    if hours > 0:
        base = f"use the base of {preset.instances}" if preset.instances else "have no prebuilds, as the base is 0"
        if preset.instances > max(0, *(s.instances for s in preset.schedules_in_force)):
            base += ", more than in any schedule"
        findings.note(
            preset.where,
            f"the {hours_text(hours)} a week that no schedule covers {base}; write another schedule if that is too "
            f"{'many' if preset.instances else 'few'}",
            name="uncovered_hours",
        )


def _no_backoff(preset: Preset, findings: Findings) -> None:
    if preset.instances == 0 and any(s.instances > 0 for s in preset.schedules_in_force):
        findings.note(
            preset.where,
            "with a base of 0 backoff never triggers, as it looks at the newest 0 prebuilds: failed builds are retried "
            "at every reconciliation, until the hard limit; write a base of 1 or more to have it",
            name="no_backoff",
        )


@dataclass(frozen=True)
class ColdBegin:
    """A step up that finds (almost) no prebuild. `advice` has them at `begins_at` (local, 24-hour); `cured` is the
    preset of him who takes it, None where that takes more than a cron."""

    where: Where
    seen: str
    begins_at: str
    advice: str
    preset: Preset
    cured: Preset | None

    @property
    def finding(self) -> Finding:
        """What to say where nobody knows who comes: what the advice does, and no word of what it is good for."""
        return self.saying(f"{self.advice} to have them at {self.begins_at}, if claims come that early")

    def saying(self, rest: str) -> Finding:
        """What was seen, and the rest of the sentence."""
        return Finding("note", self.where, f"{self.seen}; {rest}", "cold_begin")


def cold_begins(
    preset: Preset, workload: Workload | None, start_at: int, end_at: int, behaviour: Behaviour
) -> tuple[ColdBegin, ...]:
    """One for each schedule of a preset that begins with such a step in [start_at, end_at), and one for the base."""
    schedules, zone = preset.schedules_in_force, preset.zone
    crons = [provider_cron(s.cron) for s in schedules]
    instances = [*(max(s.instances, 0) for s in schedules), max(preset.instances, 0)]
    begins: dict[int, list[tuple[int, int]]] = {}
    spans = schedule_steps(preset, behaviour, start_at, end_at).spans()
    for (_, _, before), (at, _, after) in pairwise(spans):
        if instances[after] > instances[before] and instances[after] >= _STEEP * instances[before]:
            begins.setdefault(after, []).append((at, before))
    found = []
    for after, steps in begins.items():
        at, before, often = _most_often(steps, instances, zone)
        begins_at = f"{zone.local(at):%H:%M}"
        local = [zone.local(step_at) for step_at in often]
        cured: Preset | None
        if after == BASE:
            where, who = preset.where, "the base"
            advice, cured = _ended_earlier(preset, before, crons[before], local)
        else:
            where, who = schedules[after].where, f'"{schedules[after].cron}"'
            advice, cured = _an_hour_earlier(preset, after, crons[after], local)
            if cured is None:
                advice = "begin an hour earlier"
                advice += "" if before == BASE else f', and end "{schedules[before].cron}" before that'
        ready = "in its first minutes"
        if workload:
            ready_at = at + workload.build.median_us + workload.agent.median_us
            ready = f"before about {zone.local(ready_at + MINUTE_US - 1):%H:%M} ({_takes(workload)})"
        some = f"only {instances[before]}" if instances[before] else "none"
        seen = f"{who} goes from {instances[before]} to {instances[after]} prebuilds at {begins_at}, and {some} can be "
        found.append(ColdBegin(where, f"{seen}ready {ready}", begins_at, advice, preset, cured))
    return tuple(found)


def _most_often(steps: list[tuple[int, int]], instances: list[int], in_zone: Zone) -> tuple[int, int, list[int]]:
    """Of (instant, schedule before): the first of the time of day at which most begin, and all that are as frequent.

    A night from 22:00 to 06:59 on working days begins at 22:00 five times, and at 00:00 once, on Monday.
    """
    by_time: dict[time, list[tuple[int, int]]] = {}
    for step in steps:
        by_time.setdefault(in_zone.local(step[0]).time(), []).append(step)
    most = max(len(of) for of in by_time.values())
    # Clocks that change and holidays make some a little rarer.
    frequent = [step for of in by_time.values() if 2 * len(of) > most for step in of]
    at, before = min(frequent, key=lambda step: (instances[step[1]], in_zone.local(step[0]).time()))
    return at, before, [step_at for step_at, _ in frequent]


def _an_hour_earlier(preset: Preset, i: int, cron: Cron, begins: list[datetime]) -> tuple[str, Preset | None]:
    """(what to write so that schedule `i` begins an hour before each of `begins`, the preset then); None if that takes
    more than a cron."""
    schedule = preset.schedules_in_force[i]
    minute, _, *days = cron.text.split()
    hours = {begin.hour for begin in begins}
    if hours == {0} and repeats_weekly(cron) and not every_day(cron):
        # The evening before Monday, which is 0 to Python, is Sunday, which is 0 to cron.
        evenings = sum(1 << day for day in {begin.weekday() for begin in begins})
        text = f"{minute} 23 * * {field_text(evenings)}"
        cured = replace(preset, schedules=(*preset.schedules, replace(schedule, cron=text)))
        advice = f'write another schedule "{text}" with {schedule.instances} instances'
    elif len(hours) <= 2 and (0 not in hours or (repeats_weekly(cron) and every_day(cron))):
        earlier = sum(1 << hour for hour in {(hour - 1) % 24 for hour in hours})
        text = " ".join([minute, field_text(cron.hours | earlier), *days])
        cured = _with_cron(preset, schedule, text)
        advice = f'write "{text}"'
    else:
        return "", None
    return ("", None) if cured.fallback else (advice, cured)


def _ended_earlier(preset: Preset, i: int, cron: Cron, ends: list[datetime]) -> tuple[str, Preset]:
    """(what to do so that schedule `i` ends an hour before each of `ends`, the preset then)."""
    schedule = preset.schedules_in_force[i]
    minute, _, *days = cron.text.split()
    left = cron.hours
    for end in ends:
        left &= ~(1 << (end.hour - 1) % 24)
    if not left:
        others = tuple(s for s in preset.schedules if s is not schedule)
        return f'leave out "{schedule.cron}"', replace(preset, schedules=others)
    cured = _with_cron(preset, schedule, " ".join([minute, field_text(left), *days]))
    return f'end "{schedule.cron}" an hour earlier', cured


def _with_cron(preset: Preset, schedule: Schedule, cron: str) -> Preset:
    """The preset with another cron for one of its schedules."""
    return replace(preset, schedules=tuple(replace(s, cron=cron) if s is schedule else s for s in preset.schedules))


def _takes(workload: Workload) -> str:
    build, agent = (rounded(d.median_us, SECOND_US) for d in (workload.build, workload.agent))
    return f"build {build} + agent {agent}"
