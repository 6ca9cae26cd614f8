"""Say why an expectation does not hold: where, what was expected, what was found when, the schedules, and a hint."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from simkit.clock import DAY_US, HOUR_US, Zone, format_duration, to_datetime
from simkit.coder_versions import EARLY_RANGES, Behaviour
from simkit.cron import Cron, field_text, night_of, provider_cron, runs
from simkit.errors import NOWHERE, Finding
from simkit.estimates import CONFIDENCE
from simkit.model import Preset
from simkit.shown import joined, visible
from simkit.templates.check.metrics import METRICS, Metric, Verdict
from simkit.templates.check.types import (
    BadSpan,
    Bound,
    DesiredExpectation,
    Estimate,
    Expectation,
    Failure,
    MetricExpectation,
    NeverExpectation,
    Simulation,
    Test,
    TestFile,
)
from simkit.templates.explainer import YEAR_US, describe
from simkit.templates.linter import NAMES, lint_preset
from simkit.timeline import BASE, Steps, matching_steps
from simkit.times import in_hours, many, plural, weekday_date, weekday_instant

_SHOWN_SPANS = 5
_SHOWN_HINTS = 3


def desired_failure(
    file: TestFile, test: Test, expected: DesiredExpectation, bad: Sequence[BadSpan], steps: Steps
) -> Failure:
    """`steps`: the positions of the schedules in force around the spans that do not hold."""
    preset = file.preset_of(test)
    summary = f"{test.name}: expected {_instances_text(expected.bound)} {expected.words}, in {test.zone.name}"
    total_us = sum(until - since for since, until in expected.spans)
    bad_us = sum(span.until_at - span.from_at for span in bad)
    count = f"in {many(len(bad), 'span')}"
    lines = [f"It does not hold for {in_hours(bad_us)} of the {in_hours(total_us)}, {count}:"]
    for span in bad[:_SHOWN_SPANS]:
        times = f"{weekday_instant(span.from_at, test.zone)} to {weekday_instant(span.until_at, test.zone)}"
        by = "the base" if span.schedule == BASE else f"schedule {span.schedule + 1}"
        lines.append(f"  {times}: {_instances(span.value)}, by {by}")
    if len(bad) > _SHOWN_SPANS:
        last = f"the last until {weekday_instant(bad[-1].until_at, test.zone)}"
        lines.append(f"  ... and {len(bad) - _SHOWN_SPANS} more, {last}")
    hints = list(dict.fromkeys(_hints(file, test, expected, bad, steps)))[:_SHOWN_HINTS]
    return failure(file, test, expected, summary, [*lines, *schedules_text(preset)], hints, spans=tuple(bad))


def metric_failure(
    file: TestFile, test: Test, expected: MetricExpectation, verdict: Verdict, estimate: Estimate | None
) -> Failure:
    metric, simulation = METRICS[expected.metric], test.simulation
    assert simulation is not None, "a metric is expected of a simulation"
    summary = f"{test.name}: expected {expected.metric} of {_limits_text(expected.bound, metric)}"
    lines = list(_estimate_lines(expected, metric, verdict, estimate, simulation))
    zone = test.zone
    start, end = (weekday_instant(at, zone) for at in (simulation.scenario.start_at, simulation.scenario.end_at))
    lines.append(
        f"Simulated: {start} to {end}, {many(simulation.replications, 'replication')} of seed {simulation.seed}."
    )
    if simulation.assumed:
        lines.append(f"Assumed: {', '.join(simulation.assumed)}.")
    lines += schedules_text(file.preset_of(test))
    return failure(file, test, expected, summary, lines, [], estimate=estimate)


def never_failure(file: TestFile, test: Test, expected: NeverExpectation, found: Sequence[Finding]) -> Failure:
    summary = f"{test.name}: expected no {expected.name} ({NAMES[expected.name]})"
    lines = [f"Found at {finding}" for finding in found] + schedules_text(file.preset_of(test))
    return failure(file, test, expected, summary, lines, [])


def schedules_text(preset: Preset) -> list[str]:
    """The schedules in force in order, each with its meaning, and the base."""
    at = "" if preset.where == NOWHERE else f" at {preset.where}"
    if not preset.schedules_in_force:
        return [f"{preset.name}{at} has no schedule: always {_instances(preset.instances)}, the base."]
    zone = preset.zone.name
    lines = [f"The schedules of {preset.name}{at}, in {zone}; where two hold at once the first decides:"]
    for i, schedule in enumerate(preset.schedules_in_force, 1):
        place = "" if schedule.where == NOWHERE else f"{schedule.where}: "
        acts = ", which acts as 0" if schedule.instances < 0 else ""
        meaning = describe(provider_cron(schedule.cron))
        lines.append(f'  {i}. {place}"{schedule.cron}", {_instances(schedule.instances)}{acts}: {meaning}')
    return [*lines, f"  When none holds: {_instances(preset.instances)}, the base."]


def command(file: TestFile, test: Test) -> str:
    """What to type to run a test alone."""
    variables = "".join(f" --var {shlex.quote(f'{name}={value}')}" for name, value in file.variables)
    coder = f" --coder {file.coder}" if file.coder else ""
    more = "".join(f" {shlex.quote(word)}" for word in file.options)
    return f"simkit check {shlex.quote(file.path)}{more} -k {shlex.quote(test.name)}{variables}{coder}"


def failure(
    file: TestFile,
    test: Test,
    expected: Expectation,
    summary: str,
    lines: Iterable[str],
    hints: Sequence[str],
    spans: tuple[BadSpan, ...] = (),
    estimate: Estimate | None = None,
) -> Failure:
    said = [*lines, *(f"Hint: {hint}" for hint in hints), f"To run it alone: {command(file, test)}"]
    text = joined([f"{expected.where}: {summary}", *(f"  {line}" for line in said)])
    return Failure(expected.where, summary, text, spans, estimate)


def _instances(count: float) -> str:
    return f"{count:g} {plural('instance', count)}"


def _instances_text(bound: Bound) -> str:
    words = [f"{word} {value:g}".removeprefix("exactly ") for word, value in bound.limits]
    noun = "instance" if bound.limits[-1][1] == 1 else "instances"
    return f"{' and '.join(words)} desired {noun}"


def _limits_text(bound: Bound, metric: Metric) -> str:
    return " and ".join(
        f"{word} {metric.show_limit(value)}" + (" in every replication" if word == "exactly" else "")
        for word, value in bound.limits
    )


def estimate_text(metric: Metric, estimate: Estimate) -> str:
    """The estimate and its interval, as part of a sentence."""
    if estimate.low == estimate.high:
        return f"{metric.show(estimate.mean)} in each of {estimate.replications} replications"
    how = f"Student's t, {estimate.replications} replications"
    between = f"between {metric.show(estimate.low)} and {metric.show(estimate.high)}"
    return f"{metric.show(estimate.mean)}, with {CONFIDENCE:.0%} confidence {between} ({how})"


def measured_text(test: Test, expected: MetricExpectation, estimate: Estimate) -> str:
    """One line on what holds, or does not."""
    metric = METRICS[expected.metric]
    wanted = f"expected {_limits_text(expected.bound, metric)}"
    said = f"{expected.where}: {test.name}: {expected.metric} is {estimate_text(metric, estimate)}; {wanted}"
    return visible(said)


def _estimate_lines(
    expected: MetricExpectation, metric: Metric, verdict: Verdict, estimate: Estimate | None, simulation: Simulation
) -> Iterator[str]:
    if estimate is None:
        yield "No replication gives a value: nobody who asked for this preset was served in the window."
        return
    yield f"The simulation gives {estimate_text(metric, estimate)}."
    if estimate.replications < simulation.replications:
        left = simulation.replications - estimate.replications
        yield f"{left} of the {simulation.replications} replications served nobody and were left out."
    if verdict == "open" and estimate.needed is None:
        yield (
            "That is too close to call, and no number of replications that is worth the wait would settle it; "
            "write a limit farther from the estimate."
        )
    elif verdict == "open":
        yield (
            f"That is too close to call: about {estimate.needed} replications would settle it, if the others are like "
            f"these; write replications: {estimate.needed}."
        )


# Usual causes.


def _hints(
    file: TestFile, test: Test, expected: DesiredExpectation, bad: Sequence[BadSpan], steps: Steps
) -> Iterator[str]:
    preset = file.preset_of(test)
    crons = [provider_cron(schedule.cron) for schedule in preset.schedules_in_force]
    begins, ends = ({span[i] for span in expected.spans} for i in (0, 1))
    for span in bad:
        if span.from_at in begins:
            yield from _ends_late(preset, crons, span, expected.bound, steps)
        if span.until_at in ends:
            yield from _ends_early(preset, crons, span, expected.bound, steps)
    yield from _nights(preset, crons, bad)
    yield from _hidden(preset, crons, file.behaviour, bad[0], expected.bound)
    if test.zone != preset.zone:
        yield from _zones(test.zone, preset.zone, bad[0].from_at)
    if file.behaviour.range_early_us and all(s.until_at - s.from_at <= file.behaviour.range_early_us for s in bad):
        yield f"With {EARLY_RANGES} each range begins and ends one minute early; no release of Coder does so."
    for finding in lint_preset(preset, None, bad[0].from_at, bad[0].from_at + YEAR_US, file.behaviour):
        if finding.name == "list_for_range":
            yield f"{finding.where}: {finding.text}."
    if preset.schedules_in_force:
        yield from _clock_change(preset.zone, bad)


def _ends_late(preset: Preset, crons: list[Cron], span: BadSpan, bound: Bound, steps: Steps) -> Iterator[str]:
    """A range goes on to the last minute of its last hour, where its author had the hour's first in mind."""
    if span.schedule == BASE or span.until_at - span.from_at > HOUR_US:
        return
    if not bound.holds(_asked_for(preset, int(steps.value_at(span.until_at)))):
        return  # to end earlier would not help
    cron = crons[span.schedule]
    begins, ends = preset.zone.local(span.from_at), preset.zone.local(span.until_at)
    for first, last in runs(cron.hours):
        if begins.hour == last and first < last and ends.minute == 0 and ends.hour == (last + 1) % 24:
            less = cron.hours & ~(1 << last)
            yield f'"{_hours(cron)}" ends at {last:02d}:59; write "{field_text(less)}" to end at {last:02d}:00.'


def _ends_early(preset: Preset, crons: list[Cron], span: BadSpan, bound: Bound, steps: Steps) -> Iterator[str]:
    """A range that was to reach to the end of what is expected stops an hour or two before."""
    if span.until_at - span.from_at > 2 * HOUR_US or span.from_at - 1 < int(steps.at[0]):
        return
    before = int(steps.value_at(span.from_at - 1))
    if before == BASE or not bound.holds(_asked_for(preset, before)):
        return
    cron = crons[before]
    begins, ends = preset.zone.local(span.from_at), preset.zone.local(span.until_at)
    lasts = [last for _, last in runs(cron.hours)]
    if begins.minute == ends.minute == 0 and begins.hour - 1 in lasts and begins.hour < ends.hour:
        more = cron.hours | sum(1 << hour for hour in range(begins.hour, ends.hour))
        longer = field_text(more)
        yield f'"{_hours(cron)}" ends at {begins.hour - 1:02d}:59; write "{longer}" to end at {ends.hour:02d}:00.'


def _nights(preset: Preset, crons: list[Cron], bad: Sequence[BadSpan]) -> Iterator[str]:
    """A range with hours on both sides of midnight has the mornings of its own days, not those after its evenings."""
    for cron in crons:
        night = night_of(cron)
        if night is None:
            continue
        evening, morning = (provider_cron(text) for text in night.crons)
        for span in bad:
            start_at, end_at = span.from_at, span.until_at
            meant = matching_steps([evening, morning], preset.zone, start_at, end_at)
            held = matching_steps([cron], preset.zone, start_at, end_at)
            changes = (*meant.at, *held.at)
            if any((meant.value_at(at) == BASE) != (held.value_at(at) == BASE) for at in changes):
                crons_of_nights = " and ".join(f'"{text}"' for text in night.crons)
                yield (
                    f'"{cron.text}" {night.covers}; for the nights that begin on {night.days} write two schedules, '
                    f"{crons_of_nights}."
                )
                break


def _asked_for(preset: Preset, schedule: int) -> int:
    return max(preset.instances if schedule == BASE else preset.schedules_in_force[schedule].instances, 0)


def _hours(cron: Cron) -> str:
    return cron.text.split()[1]


def _hidden(preset: Preset, crons: list[Cron], behaviour: Behaviour, span: BadSpan, bound: Bound) -> Iterator[str]:
    """A later schedule holds at the same time and asks for what is expected, but an earlier one decides."""
    if span.schedule == BASE:
        return
    for i in range(span.schedule + 1, len(crons)):
        later = preset.schedules_in_force[i]
        steps = matching_steps([crons[i]], preset.zone, span.from_at, span.until_at, behaviour.range_early_us)
        if int(steps.value[0]) != BASE and bound.holds(max(later.instances, 0)):
            yield (
                f"schedule {i + 1} holds then, too, and asks for {_instances(later.instances)}; schedule "
                f"{span.schedule + 1} stands before it and decides."
            )


def _zones(of_test: Zone, of_preset: Zone, at: int) -> Iterator[str]:
    apart = of_preset.offset_us(at) - of_test.offset_us(at)
    if apart:
        word = "ahead" if apart > 0 else "behind"
        yield (
            f"the test's times are in {of_test.name}, the schedules' in {of_preset.name}, "
            f"{format_duration(abs(apart))} {word}; write timezone: {of_preset.name} if you mean that."
        )


def _clock_change(zone: Zone, bad: Sequence[BadSpan]) -> Iterator[str]:
    """All that does not hold is within a day of a change of the clocks."""
    start_at, end_at = bad[0].from_at - DAY_US, bad[-1].until_at + DAY_US
    from_at, offset_us = (column.tolist() for column in zone.offsets(start_at, end_at))
    changes = list(zip(from_at[1:], pairwise(offset_us), strict=True))
    near = [c for c in changes if any(s.from_at - DAY_US < c[0] < s.until_at + DAY_US for s in bad)]
    everywhere = all(any(s.from_at - DAY_US < at < s.until_at + DAY_US for at, _ in near) for s in bad)
    short = all(s.until_at - s.from_at < DAY_US for s in bad)
    if near and everywhere and short:
        at, (before, after) = near[0]
        old, new = to_datetime(at + before), to_datetime(at + after)
        hour = format_duration(abs(after - before))
        jump = f"{hour} of the wall clock {'is skipped' if after > before else 'comes twice'}"
        day = weekday_date(old)
        yield f"the clocks of {zone.name} change on {day} from {old:%H:%M} to {new:%H:%M}: {jump}."
