"""A cure of a cold beginning is tried with the people there are before it is advised."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scenarios import MONDAY_AT, scenario

from simkit import ask
from simkit.clock import DAY_US, HOUR_US, MINUTE_US
from simkit.model import Activate, Pause, Preset, Scenario, Schedule, TemplateVersion, Workload, constant, lognormal
from simkit.runs.simulate import replicate
from simkit.templates import cures
from simkit.templates.cures import REPLICATIONS, lint_tried
from simkit.templates.linter import lint

DAY = Preset("go", 0, timezone="UTC", schedules=(Schedule("* 9-17 * * *", 4),))
BASE = Workload(constant(5 * MINUTE_US), constant(0), cost_per_instance_hour=0.5)


def week(preset: Preset = DAY, minute: int = 1, workload: Workload = BASE, **more: object) -> Scenario:
    """Two people a day, from Monday to Sunday, this many minutes after 09:00."""
    at = [MONDAY_AT + day * DAY_US + 9 * HOUR_US + minute * MINUTE_US for day in range(7)]
    claims = tuple((one, preset.name) for one in at for _ in range(2))
    return scenario(preset, hours=7 * 24, claims=claims, workload=workload, **more)


def told(given: Scenario) -> str:
    """What is said of the one step that finds no prebuild."""
    (found,) = [finding.text for finding in lint_tried(given) if finding.name == "cold_begin"]
    return found


def test_a_cure_that_helps_says_what_it_buys_for_what():
    # Four prebuilds idle an hour longer, seven times a week, for two dollars; those of people are theirs earlier.
    assert told(week()).endswith(
        '; write "* 8-17 * * *" to have them at 09:00: it buys 100.0 points of the hit rate for 13.99 USD a week'
    )


@pytest.mark.parametrize("minute", [30, 300, -200])
def test_a_cure_that_buys_nothing_is_not_advised(minute):
    text = told(week(minute=minute))
    assert "to have them at 09:00 was tried and buys nothing: 0.0 points of the hit rate for 14" in text
    assert "write" not in text
    assert "8-17" not in text


def test_nobody_who_asks_buys_nothing():
    assert "buys nothing: 0.0 points" in told(replace(week(), demand=()))


def test_without_a_price_the_cure_costs_instance_hours():
    assert told(week(workload=replace(BASE, cost_per_instance_hour=0))).endswith("for 28.0 instance-hours a week")


def test_what_chance_leaves_open_is_not_advised():
    # One build in ten fails and nobody clears them: when the hard limit ends all building is chance.
    text = told(week(minute=8, workload=replace(BASE, failure_probability=0.1)))
    assert "replications leave open whether it buys anything: 21.4 points (-8.0 to 50.8) of the hit rate for" in text
    assert "write" not in text


@pytest.mark.parametrize("minute", [1, 4, 6, 9])
def test_what_it_buys_and_costs_is_the_difference_of_two_series_of_runs(minute):
    given = week(minute=minute, workload=replace(BASE, build=lognormal(5 * MINUTE_US, 15 * MINUTE_US)))
    early = given.with_presets(lambda p: replace(p, schedules=(Schedule("* 8-17 * * *", 4),)))
    rates, costs = [], []
    for one in (given, early):
        results = list(replicate(one, 0, REPLICATIONS))
        rates.append(ask(results, "summary")["hit_rate"].mean())
        costs.append(ask(results, "hours")["pool_cost_per_week"].mean())
    text = told(given)
    assert f" {100 * (rates[1] - rates[0]):.1f} points" in text
    assert f" {abs(costs[1] - costs[0]):,.2f} USD a week" in text


def test_a_base_that_begins_cold_is_tried_with_the_schedule_before_it_ended_earlier():
    night = Preset("go", 4, timezone="UTC", schedules=(Schedule("* 0-8,22-23 * * *", 0),))
    assert told(week(night)).endswith(
        '; end "* 0-8,22-23 * * *" an hour earlier to have them at 09:00: it buys 100.0 points of the hit rate for '
        "13.99 USD a week"
    )


def test_a_preset_of_a_version_that_comes_later_is_tried_there():
    later = Activate(MONDAY_AT + 2 * DAY_US, TemplateVersion("t", "v2", (DAY,)))
    given = replace(week(Preset("go", 0)), events=(later,))
    # Ten of fourteen people come after it. The hit rate is of all of them.
    assert "it buys 71.4 points" in told(given)


def test_what_is_too_much_to_try_says_so(monkeypatch):
    monkeypatch.setattr(cures, "MOST_CLAIMS", 14 * 2 * REPLICATIONS - 1)
    assert told(week()).endswith(
        '; write "* 8-17 * * *" to have them at 09:00, if claims come that early '
        "(not tried: more than 100 runs or 139 claims)"
    )
    monkeypatch.setattr(cures, "MOST_CLAIMS", 14 * 2 * REPLICATIONS)
    assert "it buys 100.0 points" in told(week())


def test_what_no_cron_does_is_not_tried():
    assert told(week(replace(DAY, schedules=(Schedule("* */3 * * *", 4),)))).endswith(
        "if claims come that early (not tried: another cron does not do it)"
    )


def test_all_else_is_said_as_the_linter_says_it_in_its_order():
    given = week(events=(Pause(MONDAY_AT),))
    alone, tried = lint(given), lint_tried(given)
    assert [(f.level, f.where, f.name) for f in alone] == [(f.level, f.where, f.name) for f in tried]
    assert [f for f in alone if f.name != "cold_begin"] == [f for f in tried if f.name != "cold_begin"]
    quiet = week(Preset("go", 1))
    assert lint_tried(quiet) == lint(quiet)


def test_a_demand_that_no_preset_meets_is_left_to_the_run_to_tell():
    given = scenario(DAY, claims=((MONDAY_AT, "rust"),))
    assert lint_tried(given) == lint(given)
