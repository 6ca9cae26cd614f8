"""What pictures share: titles that keep to their panel, axes of local days, step functions."""

from __future__ import annotations

from html import unescape
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

from simkit.clock import DAY_US, Zone, parse_instant
from simkit.studies import style
from simkit.studies.capacity import pictures

ZONES = ("America/Argentina/Buenos_Aires", "America/North_Dakota/New_Salem", "UTC")


def titles(picture: style.Picture) -> list:
    """The boxes that the titles of all panels take, in pixels."""
    picture.set_canvas(FigureCanvasAgg(picture))
    picture.canvas.draw()
    texts = [text for ax in picture.axes for text in (ax.title, ax._left_title, ax._right_title) if text.get_text()]
    return [text.get_window_extent() for text in texts]


def week(names: list[str], zones: tuple[str, ...]) -> pd.DataFrame:
    hours = [(weekday, hour) for weekday in range(7) for hour in range(24)]
    rows = [(n, zones[i % len(zones)], d, h, 2, 1.0) for i, n in enumerate(names) for d, h in hours]
    return pd.DataFrame(rows, columns=["preset", "timezone", "weekday", "hour", "claims", "hours"])


@pytest.mark.parametrize("count", [2, 4, 6])
@pytest.mark.parametrize("zones", [("UTC",), ZONES])
@pytest.mark.parametrize(
    "name",
    [
        "machine-for-those-who-train-models-in-the-west-of-the-state-",
        "TRAINING-OF-LARGE-MODELS-ON-MACHINES-OF-THE-WESTERN-STATES-",
        "small machine, large disk, no ",
    ],
)
def test_titles_beside_each_other_do_not_overlap(name, zones, count):
    shown = pictures.demand(week([f"{name}{i}" for i in range(count)], zones))
    boxes = titles(shown)
    assert len(boxes) == count
    width = shown.get_size_inches()[0] * shown.dpi
    assert all(box.x0 >= 0 and box.x1 <= width for box in boxes)
    assert [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])] == []


def test_a_title_keeps_one_line_where_there_is_room():
    ax: Axes = style.Picture().subplots()
    style.titled(ax, "small", "America/New_York", columns=2)
    assert ax.get_title() == "small, America/New_York"
    style.titled(ax, "a name that is too long for one of the columns", "UTC", columns=3)
    assert ax.get_title().splitlines() == ["a name that is too long for one", "of the columns", "UTC"]


def test_steps_keep_only_the_changes_and_both_ends():
    at = np.array([0, 10, 20, 30], dtype=np.int64)
    x, y = style.steps(at, [1, 1, 3, 2], 5, 30)
    assert (x * DAY_US).round().tolist() == [5, 20, 30]
    assert y.tolist() == [1, 3, 3], "what begins at the end is not in it"


def test_an_axis_of_days_marks_local_midnights_also_where_clocks_change():
    where = Zone("America/New_York")
    begin, end = (parse_instant(text, where) for text in ("2026-10-30T00:00", "2026-11-03T00:00"))
    ax = style.Picture().subplots()
    style.days_axis(ax, where, begin, end)
    midnights = ax.get_xticks(minor=True)
    assert (np.diff(midnights) * 24).round(6).tolist()[:3] == [24, 24, 25], "Sunday is an hour longer"
    assert [text.get_text() for text in ax.get_xticklabels()][1] == "12\nFri 30 Oct"


def test_a_long_name_is_cut_and_an_odd_one_is_visible():
    assert style.shown_name("x" * 61) == "x" * 59 + "…"
    assert style.shown_name("a\nb") == "a\\nb"


def test_what_stands_in_place_of_a_picture_is_text():
    data, metadata = style.empty("Nobody <came>.")._repr_mimebundle_()
    assert unescape(data["text/html"]) == "<p>Nobody <came>.</p>"
    assert "<came>" not in data["text/html"]
    assert data["text/plain"] == "Nobody <came>."
    assert metadata == {}
