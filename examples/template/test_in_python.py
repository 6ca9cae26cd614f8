"""The same template, tested in Python: `pytest examples/template` (simkit's pytest plugin brings the fixtures)."""

from __future__ import annotations


def test_the_pool_is_large_before_people_come_also_on_the_day_after_clocks_change(simkit_presets, simkit_desired):
    goland = simkit_presets("main.tf")["goland"]
    assert simkit_desired(goland, "2026-03-30 06:59") == 1
    assert simkit_desired(goland, "2026-03-30 07:00") == 6


def test_most_of_a_morning_is_served_at_once(simkit_run):
    answer = simkit_run("morning.yaml", seed=7).ask("hit_rate")
    assert answer["hit_rate"].min() >= 0.9
