"""Say how a preset's numbers drifted from what people do: since when, what it costs, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from simkit.shown import visible
from simkit.templates.check.failure import failure, schedules_text
from simkit.templates.check.metrics import METRICS
from simkit.templates.check.types import Drift, DriftExpectation, Failure, Setting, Test, TestFile
from simkit.times import many, weekday_date


def drift_failure(file: TestFile, test: Test, expected: DriftExpectation, found: Drift) -> Failure:
    lines = list(_lines(test, expected, found))
    if found.assumed:
        lines += [sentence if sentence.endswith(".") else f"Assumed: {sentence}." for sentence in _assumed(found)]
    lines += schedules_text(file.preset_of(test))
    return replace(failure(file, test, expected, _summary(test, expected), lines, []), drift=found)


def unjudged_failure(file: TestFile, test: Test, expected: DriftExpectation, reason: str) -> Failure:
    """Nothing can be said, which is not what was expected."""
    lines = [f"Nothing can be said of it: {reason}."]
    return failure(file, test, expected, _summary(test, expected), lines, [])


def drift_text(test: Test, expected: DriftExpectation, found: Drift) -> str:
    """One line on what holds, or does not."""
    share, limit = METRICS["hit_rate"].show, METRICS["hit_rate"].show_limit
    said = (
        f"{expected.where}: {test.name}: {share(found.now.hit_rate)} of {found.claims:,} claims in {found.weeks} weeks "
        f"find one ready; expected {limit(expected.target)}"
    )
    if found.now.hit_rate < expected.target and not found.misses:
        said += ", and weeks differ by more than what is missing"
    if found.is_best_enough:
        said += (
            f"; costs {found.above_best:+.1%} beside the best that was found; expected {limit(expected.within)} at most"
        )
    else:
        said += "; no setting with as many schedules was found that meets it"
    return visible(said)


def _summary(test: Test, expected: DriftExpectation) -> str:
    target, within = (METRICS["hit_rate"].show_limit(share) for share in (expected.target, expected.within))
    return f"{test.name}: expected a hit rate of {target}, for at most {within} more than the best that meets it"


def _lines(test: Test, expected: DriftExpectation, found: Drift) -> Iterator[str]:
    share, zone = METRICS["hit_rate"].show, test.zone
    begin, end = (weekday_date(zone.local(at)) for at in (found.from_at, found.until_at))
    span = f"in the {found.weeks} weeks from {begin} to {end}"
    if found.misses:
        yield f"It misses the target: {share(found.now.hit_rate)} of {found.claims:,} claims find one ready {span}."
    if found.costs_more:
        yield f"It costs {found.above_best:.0%} more than the best that was found {span}: {_cost(found.now, found)}."
    whose = "they have" if found.misses else "the best numbers below have"
    if found.broke_at is not None:
        monday = weekday_date(zone.local(found.broke_at))
        span_before = f"in the {many(found.weeks_before, 'week')} before it"
        before, after = share(found.rate_before), share(found.rate_after)
        yield f"It broke in the week of {monday}: {whose} {before} {span_before}, {after} since."
    elif found.by_week:
        weeks = len(found.by_week)
        yield f"No week stands out in which it broke: {whose} {share(found.rate_after)} in all {weeks} weeks."
    if found.by_week:
        rates = " ".join("-" if rate != rate else f"{rate * 100:.0f}" for rate in found.by_week)
        yield f"Week by week, in %: {rates}"
    if not found.is_best_enough:
        yield "No setting with as many schedules was found that meets the target; this comes nearest to it:"
    else:
        yield "To mend it, write this into the preset:"
    yield from found.block.splitlines()
    yield (
        f"Tried {span}: {share(found.best.hit_rate)} for {_cost(found.best, found)}, in place of "
        f"{share(found.now.hit_rate)} for {_cost(found.now, found)}."
    )


def _cost(of: Setting, found: Drift) -> str:
    if found.currency:
        return f"{of.cost_per_week:,.2f} {found.currency} a week"
    return f"{of.pool_hours_per_week:,.1f} instance-hours a week"


def _assumed(found: Drift) -> list[str]:
    """A sentence each, or what no test says as one list."""
    sentences = [text for text in found.assumed if text.endswith(".")]
    others = [text for text in found.assumed if not text.endswith(".")]
    return [*sentences, *([", ".join(others)] if others else [])]
