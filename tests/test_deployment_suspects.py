"""What is out of the ordinary on a recorded day is told, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from simkit.clock import HOUR_US, MINUTE_US, parse_instant, zone
from simkit.deployment.suspects import Count, Events, longest_stall, suspects

USUAL = Count(claims=30, hits=28, failed=1, deleted=2, queue_s=4.0, build_s=300.0, running=3.0)
REPLAYS = [replace(USUAL, failed=i % 3, queue_s=2.0 + i, build_s=280.0 + 10 * i) for i in range(5)]
QUIET = ("Nothing else that the history tells is out of the ordinary: chance, or what no table says.",)


def why(day: Count, stalls_us=(0, 0), happened=(), is_first=False) -> tuple[str, ...]:
    return suspects(day, REPLAYS, stalls_us, happened, is_first)


def test_a_usual_day_has_no_suspect():
    assert why(USUAL) == QUIET
    assert why(replace(USUAL, failed=3, build_s=400.0, queue_s=50.0)) == QUIET
    assert why(replace(USUAL, queue_s=float("nan"), build_s=float("nan"))) == QUIET


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"failed": 7}, "7 builds failed; replayed 0 to 2."),
        (
            {"deleted": 9},
            "9 prebuilds were deleted before anybody came; replayed 2 to 2: by hand, or by an invalidation?",
        ),
        (
            {"queue_s": 840.0},
            "Builds waited 14m in the queue (median); replayed 4s: fewer daemons, or jobs that are not of these pools?",
        ),
        ({"build_s": 900.0}, "Builds took 15m (median); replayed 5m."),
    ],
)
def test_what_is_beyond_the_replays_is_told(changes, sentence):
    assert why(replace(USUAL, **changes)) == (sentence,)


def test_a_pool_that_was_short_for_long_is_told_once_with_its_cause():
    long = (2 * HOUR_US, 10 * MINUTE_US)
    short = "For 2h fewer stood or were being built than wanted, and none was begun"
    assert why(USUAL, long) == (f"{short}: a pause, failed builds, or a quota?",)
    assert why(USUAL, long, ["The reconciler was paused at 09:00."])[1] == f"{short}."
    assert why(USUAL, (2 * HOUR_US, 2 * HOUR_US)) == QUIET
    assert why(USUAL, (5 * MINUTE_US, 0)) == QUIET
    assert why(USUAL, is_first=True) == ("It is the history's first day, and replays begin with empty pools.",)


def test_events_are_told_of_their_preset_on_its_own_day():
    home, at = zone("America/New_York"), parse_instant("2026-03-05T03:30:00Z")  # still Wednesday in New York
    events = Events(
        ((at, "activate", "", "v2"), (at + 1, "invalidate", "large", ""), (at + 2, "set_workspace_ttl", "", ""))
    )
    assert events.on("large", date(2026, 3, 4), home) == (
        "Version v2 became active at 22:30: its pools were built anew.",
        "It was invalidated at 22:30: its prebuilds were built anew.",
    )
    assert len(events.on("small", date(2026, 3, 4), home)) == 1
    assert events.on("large", date(2026, 3, 5), home) == ()


def test_a_stall_is_the_longest_span_short_of_what_is_wanted_in_which_nothing_is_begun():
    steps = [  # at, desired, running, starting
        (0, 2, 2, 0),
        (10, 3, 2, 0),  # short until 30, but something is begun at 18
        (18, 3, 1, 1),
        (30, 3, 2, 1),
        (40, 3, 2, 0),  # short until the end
    ]
    pool = pd.DataFrame(steps, columns=["at", "desired", "running", "starting"])
    assert longest_stall(pool, 0, 30) == 12
    assert longest_stall(pool, 0, 100) == 60
    assert longest_stall(pool, 12, 20) == 6
    assert longest_stall(pool, 0, 10) == 0
    assert longest_stall(pool.iloc[:0], 0, 10) == 0
