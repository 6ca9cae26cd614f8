"""What the first notebook says of a Monday and of the worst day."""

from __future__ import annotations

import pandas as pd
import pytest

from simkit.report.notebook import text_of
from simkit.studies.start import sentences

ROWS = [
    # preset, date, first hour (UTC), ready, claims, hits
    ("go", "2026-11-06", "2026-11-06T14:00Z", 1, 9, 2),
    ("go", "2026-11-09", "2026-11-09T14:00Z", 2, 46, 32),
    ("go", "2026-11-10", "2026-11-10T14:00Z", 2, 40, 26),
    ("go", "2026-11-16", "2026-11-16T14:00Z", 0, 41, 29),
    ("rust", "2026-11-10", "2026-11-10T13:00Z", 3, 1, 1),
]


@pytest.fixture
def first_hour() -> pd.DataFrame:
    columns = ["preset", "local_date", "started_at", "ready", "claims", "hits"]
    frame = pd.DataFrame(ROWS, columns=columns)
    frame["local_date"] = pd.to_datetime(frame["local_date"])
    frame["started_at"] = pd.to_datetime(frame["started_at"], utc=True)
    return frame.assign(timezone="America/New_York")


def test_the_last_monday_is_told(first_hour):
    told = sentences.monday(first_hour, "go")
    assert text_of(told.text, told.numbers) == (
        "On Monday 2026-11-16 at 09:00 EST go had 0 ready, and in that hour 41 people asked: 12 found none."
    )


def test_a_window_without_a_monday_says_so(first_hour):
    told = sentences.monday(first_hour, "rust")
    assert text_of(told.text, told.numbers) == "On no Monday of this window did anybody come for rust."


def test_the_worst_day_has_most_misses_and_is_the_first_of_equals(first_hour):
    assert sentences.worst_day(first_hour, "go") == "2026-11-09"
    assert sentences.worst_day(first_hour, "rust") == "2026-11-10"
