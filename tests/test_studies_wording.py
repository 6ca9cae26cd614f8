"""Pieces of sentences: ranges over replications, days and times, shares."""

from __future__ import annotations

import math

import pandas as pd

from simkit.clock import UTC_ZONE, Zone, parse_instant
from simkit.estimates import spread
from simkit.studies import wording


def test_a_range_is_said_of_several_runs_and_not_of_one():
    of = spread(pd.Series([0.25, 0.5, 0.75]))
    assert wording.range_of(of, "rate", ".0%", 1) == ("", {})
    text, numbers = wording.range_of(of, "rate", ".0%", 3)
    assert text.format(**numbers) == f" (in nine of ten replications {of.low:.0%} to {of.high:.0%})"


def test_a_day_and_its_time_are_those_of_the_zone():
    at = parse_instant("2026-11-17T02:30:00Z")
    assert wording.as_instant(pd.Timestamp("2026-11-17T02:30Z")) == at
    told = wording.day_and_time(at, Zone("America/New_York"), "worst")
    assert told == {"worst_day": "Monday 2026-11-16", "worst_time": "21:30 EST"}


def test_the_first_of_the_largest_is_the_largest():
    assert wording.largest(pd.Series({"a": 1, "b": 3, "c": 3})) == "b"


def test_a_share_of_nothing_has_no_words():
    assert (wording.percent(0.123), wording.percent(math.nan)) == ("12.3%", "")


def test_a_zone_is_found_by_its_name():
    assert wording.zone_of("Asia/Kolkata").name == "Asia/Kolkata"
    assert wording.zone_of("UTC") == UTC_ZONE
