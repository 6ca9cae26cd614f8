"""Types that are valid once they exist, and what Coder makes of a preset's schedules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenarios import MONDAY_AT, scenario

from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, UTC_ZONE, Zone
from simkit.coder_versions import BEHAVIOURS, DEFAULT_BEHAVIOUR
from simkit.model import (
    HOURS_PER_WEEK,
    Activate,
    Distribution,
    Pause,
    Preset,
    Profile,
    Schedule,
    TemplateVersion,
    Workload,
    constant,
    empirical,
    lognormal,
)


def preset(*crons: str, timezone: str = "UTC") -> Preset:
    return Preset("p", 1, timezone=timezone, schedules=tuple(Schedule(cron, 2) for cron in crons))


def in_force(given: Preset) -> list[str]:
    return [schedule.cron for schedule in given.schedules_in_force]


def test_schedules_that_do_not_meet_are_all_in_force():
    given = preset("* 9-12 * * 1-5", "* 13-18 * * 1-5")
    assert in_force(given) == ["* 9-12 * * 1-5", "* 13-18 * * 1-5"]
    assert given.fallback == ""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (preset("* 9 * * *", timezone=""), "the timezone is not set"),
        (preset("* 9 * * *", timezone="Mars/Olympus"), '"Mars/Olympus" is not a time zone'),
        (preset("* 9 * * *", "* 9 * * 1"), '"* 9 * * *" and "* 9 * * 1" overlap'),
        (preset("* 9 * * MON", "* 10 * * *"), "neither a number"),
    ],
)
def test_one_fault_and_coder_ignores_every_schedule(given, why):
    assert in_force(given) == []
    assert why in given.fallback


def test_coder_skips_a_single_schedule_it_cannot_read_and_uses_the_others():
    given = preset("30 9 * * *", "* 10 * * *")
    assert in_force(given) == ["* 10 * * *"]
    assert "minutes must be" in given.fallback


def test_a_preset_without_schedules_falls_back_on_nothing():
    assert Preset("p", 3).fallback == ""


def test_a_preset_lives_in_its_schedules_zone_or_in_utc():
    assert preset(timezone="Europe/Berlin").zone == Zone("Europe/Berlin")
    assert Preset("p", 1).zone == preset(timezone="Local").zone == UTC_ZONE


def test_each_version_of_coder_behaves_in_its_own_way():
    assert DEFAULT_BEHAVIOUR is BEHAVIOURS["v2.35"]
    oldest, middle, newest = (BEHAVIOURS[v] for v in ("v2.24", "v2.26", "v2.35"))
    assert {b.range_early_us for b in BEHAVIOURS.values()} == {0}, "no release has early ranges"
    assert oldest.reconciliation_interval_us == 15 * SECOND_US
    assert middle.reconciliation_interval_us == newest.reconciliation_interval_us == MINUTE_US
    assert (middle.claims_by_prebuilds, middle.cancels_pending, middle.invalidates) == (True, False, False)
    assert (newest.claims_by_prebuilds, newest.cancels_pending, newest.invalidates) == (False, True, True)


@given(median_s=st.integers(1, 3600), spread=st.floats(1, 20))
def test_a_lognormal_has_the_median_and_the_95th_percentile_it_was_given(median_s, spread):
    median_us = median_s * SECOND_US
    p95_us = round(median_us * spread)
    ordered = sorted(lognormal(median_us, p95_us).samples)
    assert ordered[len(ordered) // 2] == pytest.approx(median_us, rel=0.01)
    assert ordered[round(0.95 * len(ordered))] == pytest.approx(p95_us, rel=0.02)
    assert ordered[0] >= 0


def test_a_distribution_says_what_it_is():
    assert constant(90 * SECOND_US) == Distribution((90 * SECOND_US,), "1m30s")
    assert empirical((3, 1, 2)) == Distribution((1, 2, 3), "sample of 3")
    assert lognormal(MINUTE_US, 2 * MINUTE_US, 3).text == "lognormal, median 1m, p95 2m"
    assert empirical((4, 1, 3, 2)).median_us == 2


@pytest.mark.parametrize("samples", [(), (1, -1)])
def test_a_distribution_has_values_and_none_is_negative(samples):
    with pytest.raises(AssertionError):
        Distribution(samples, "")


def test_a_profile_covers_a_whole_week():
    with pytest.raises(AssertionError, match="a whole week"):
        Profile("p", UTC_ZONE, (1.0,) * (HOURS_PER_WEEK - 1))


def test_a_scenarios_window_has_a_length():
    with pytest.raises(AssertionError, match="has a length"):
        scenario(hours=0)


def test_a_scenarios_versions_are_those_at_the_start_and_those_events_activate():
    later = TemplateVersion("t", "v2", ())
    given = scenario(events=(Pause(MONDAY_AT), Activate(MONDAY_AT + HOUR_US, later)))
    assert [version.name for version in given.all_versions] == ["v1", "v2"]


def test_presets_change_in_each_version_and_nothing_else_does():
    first, later = (TemplateVersion("t", name, (Preset("p", 1), Preset("q", 2))) for name in ("v1", "v2"))
    given = scenario(versions=(first,), events=(Pause(MONDAY_AT), Activate(MONDAY_AT + HOUR_US, later)))
    more = given.with_presets(lambda p: replace(p, instances=p.instances + 5) if p.name == "p" else p)
    assert [[p.instances for p in version.presets] for version in more.all_versions] == [[6, 2], [6, 2]]
    assert [p.instances for p in given.versions[0].presets] == [1, 2], "the given one is as it was"
    back = more.with_presets(lambda p: replace(p, instances=p.instances - 5) if p.name == "p" else p)
    assert back == given


def test_a_presets_workload_is_its_own_or_everyones():
    slow = Workload(build=constant(HOUR_US))
    given = scenario(workloads=(("slow", slow),))
    assert given.workload_of("slow") is slow
    assert given.workload_of("p") is given.workload
