"""The most that schedules ask of the prebuilds' quota at once, over presets and versions."""

from __future__ import annotations

from scenarios import MONDAY_AT, scenario

from simkit.clock import HOUR_US
from simkit.model import Activate, Preset, Schedule, TemplateVersion, Workload
from simkit.runs.quota import Most, most_asked

MORNING = Preset("p", 1, timezone="UTC", schedules=(Schedule("* 2-3 * * *", 6),))
LATER = Preset("q", 2, timezone="UTC", schedules=(Schedule("* 4-5 * * *", 9),))


def test_what_is_asked_at_different_hours_is_not_added():
    given = scenario(MORNING, LATER, workload=Workload(daily_cost=1))
    assert most_asked(given) == Most(10, 10), "1 and 9, after 6 and 2"


def test_the_dearest_hour_may_be_another_than_that_of_most_prebuilds():
    given = scenario(MORNING, LATER, workload=Workload(daily_cost=1), workloads=(("p", Workload(daily_cost=10)),))
    assert most_asked(given) == Most(62, 10)
    assert most_asked(scenario(MORNING, LATER)) == Most(0, 10)


def test_a_version_counts_while_it_is_active():
    after = TemplateVersion("t", "v2", (Preset("p", 7),))
    given = scenario(MORNING, workload=Workload(daily_cost=2), events=(Activate(MONDAY_AT + HOUR_US, after),))
    assert most_asked(given) == Most(14, 7), "the morning of the old version never comes"


def test_a_schedule_below_zero_asks_for_nothing():
    odd = Preset("odd", -0, timezone="UTC", schedules=(Schedule("* * * * *", -5),))
    assert most_asked(scenario(odd, MORNING, workload=Workload(daily_cost=1))) == Most(6, 6)
