"""What is tried after a choice: one thing at a time, against the same people, and pools that die of failures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from decided import decided, six_weeks

from simkit.decide.compare import compare
from simkit.estimates import Interval
from simkit.model import Preset
from simkit.studies.decide import trials


def test_effects_are_paired_differences_of_one_change_at_a_time():
    given = decided().advised
    effects = trials.sensitivity(given, "go", 0, 2)
    named = {(one.what, one.how): one for one in effects}
    assert set(named) == {
        (trials.BUILD_TIME, "x 0.67"),
        (trials.BUILD_TIME, "x 1.5"),
        (trials.FAILURES, "2%"),
        (trials.DEMAND, "x 0.8"),
        (trials.DEMAND, "x 1.25"),
        (trials.DAEMONS, "2"),
        (trials.DAEMONS, "6"),
    }
    assert named[trials.BUILD_TIME, "x 1.5"].hit_rate.difference < 0
    assert named[trials.BUILD_TIME, "x 0.67"].hit_rate.difference >= 0
    assert named[trials.DEMAND, "x 1.25"].hit_rate.difference < 0
    same = replace(given, provisioner_daemons=6)
    (changed,) = compare(given, same, replications=2).changes
    assert named[trials.DAEMONS, "6"].hit_rate.difference == changed.of("go", "hit_rate").difference


def test_where_builds_fail_none_and_twice_as_many_are_tried():
    effects = trials.sensitivity(six_weeks(failing=0.03), "go", 0, 1)
    assert [one.how for one in effects if one.what == trials.FAILURES] == ["none", "x 2"]


def test_the_wider_interval_is_taken():
    (effect, *_) = trials.sensitivity(decided().advised, "go", 0, 2)
    narrow, wide = Interval(0.0, -0.1, 0.1), Interval(0.0, -0.5, 0.5)
    for one, other in ((narrow, wide), (wide, narrow)):
        assert trials.widest(replace(effect.hit_rate, of_replications=one, of_weeks=other)) == (-0.5, 0.5)
    assert trials.widest(replace(effect.hit_rate, of_replications=narrow, of_weeks=None)) == (-0.1, 0.1)


def test_more_failures_end_a_pool_sooner_and_none_does_not_end_it():
    given = six_weeks(failing=0.01)
    settings = {"one": given, "many": given.with_presets(lambda p: Preset(p.name, 8, timezone="UTC"))}
    found = trials.until_limited(settings, "go", 0, 4, rates=(0.3, 0.0, 0.01))
    assert list(dict.fromkeys(found["setting"])) == ["one", "many"]
    assert sorted(set(found["rate"])) == [0.01, 0.3], "the scenario's own is there once, and nothing fails of none"
    assert found.groupby("rate")["is_own"].all().tolist() == [True, False]
    assert len(found) == 2 * 2 * 4
    often = found[(found["setting"] == "one") & (found["rate"] == 0.3)]
    assert often["days"].between(0, 42).all()
    seldom = found[(found["setting"] == "one") & (found["rate"] == 0.01)]
    assert seldom["days"].fillna(np.inf).mean() > often["days"].mean()
    again = trials.until_limited(settings, "go", 0, 4, rates=(0.3, 0.01))
    assert again["days"].tolist() == pytest.approx(found["days"].tolist(), nan_ok=True)
