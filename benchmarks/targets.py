"""What target expressions cost that are worked out at every tick: the same year by its schedule and by expressions."""

from __future__ import annotations

import time
from functools import partial

from benchmarks import year
from benchmarks.clocks import line, spread, timed
from simkit.core import kernel
from simkit.decide.expressions import parse
from simkit.errors import Where
from simkit.runs.givens import givens, with_programs

EXPRESSIONS = (
    "scheduled_target + 0 * (claims_5m + claims_10m + claims_60m + misses_120m + eligible + hour)",
    "max(scheduled_target, claims_30m + misses_30m)",
    "hour >= 8 && hour < 19 && weekday % 6 > 0 ? 12 : 2",
)
"""The first looks at much and asks for what the schedule does: all that it costs is the looking."""


def targets() -> None:
    """The kernel with the year's schedule and with expressions, one after the other, in processor time."""
    given = givens(year.scenario(), 7, 0)
    by_text = {text: with_programs(given, {"large": parse(text, Where(text)).program}) for text in EXPRESSIONS}
    plain = kernel.simulate(given.inputs)  # compiles
    first = by_text[EXPRESSIONS[0]]
    same = kernel.simulate(first.inputs, programs=first.programs)
    assert (same.builds == plain.builds).all(), "both tell the same story"
    rounds: dict[str, list[float]] = {}
    for _ in range(11):
        for text, one in (("", given), *by_text.items()):
            work = partial(kernel.simulate, one.inputs, programs=one.programs)
            rounds.setdefault(text, []).extend(timed(work, 1, time.process_time)[1])
    line("kernel by its schedule", f"{min(rounds['']) * 1e3:,.1f} ms", spread(rounds[""]))
    for text in EXPRESSIONS:
        line("ratio with an expression to that", f"{min(rounds[text]) / min(rounds['']):.2f}", f"aim 3; {text}")
