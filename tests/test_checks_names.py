"""Whatever the linter says about a preset has one name, by which a test can forbid it."""

from __future__ import annotations

import re

import pytest

from simkit.checks.names import NAMES, name_of
from simkit.clock import HOUR_US, MINUTE_US, parse_instant
from simkit.explainer import YEAR_US
from simkit.linter import lint_preset
from simkit.model import Preset, Schedule, Workload, constant

START_AT = parse_instant("2026-01-01T00:00:00Z")
SLOW = Workload(build=constant(2 * HOUR_US), agent=constant(MINUTE_US))


def preset(instances, *schedules, timezone="UTC", ttl_us=0):
    placed = tuple(Schedule(cron, count) for cron, count in schedules)
    return Preset("large", instances, ttl_us, timezone, placed)


FOUND = {
    "undetected_overlap": preset(1, ("* 9 1 * 1", 1), ("* 9 2 * 2", 2)),
    "fallback_to_base": preset(1, ("* 8-18 * * 1-5", 1), timezone=""),
    "list_for_range": preset(1, ("* 8-18 * * 1,5", 1)),
    "never_holds": preset(1, ("* 8-18 30 2 *", 1)),
    "negative_instances": preset(1, ("* 8-18 * * 1-5", -2)),
    "short_ttl": preset(1, ttl_us=HOUR_US),
    "uncovered_hours": preset(1, ("* 8-18 * * 1-5", 1)),
    "no_backoff": preset(0, ("* * * * *", 1)),
    "cold_begin": preset(1, ("* 8-18 * * 1-5", 9)),
}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_stands_for_something_that_the_linter_says(name):
    assert name in {name_of(finding) for finding in lint_preset(FOUND[name], SLOW, START_AT, START_AT + YEAR_US)}


@pytest.mark.parametrize("of", FOUND.values(), ids=FOUND)
def test_all_that_the_linter_says_has_exactly_one_name(of):
    for finding in lint_preset(of, SLOW, START_AT, START_AT + YEAR_US):
        assert sum(re.search(text, finding.text) is not None for text, _ in NAMES.values()) == 1, finding.text
