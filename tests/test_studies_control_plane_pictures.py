"""The picture of a day shows what the tables say, on one axis of local time."""

from __future__ import annotations

import pandas as pd
from control_plane_day import a_day

from simkit.clock import DAY_US, from_datetime
from simkit.studies.control_plane import pictures

NEW_YORK = "America/New_York"


def words(picture: pictures.Picture) -> str:
    return "\n".join(text.get_text() for text in picture.findobj(lambda artist: hasattr(artist, "get_text")))


def x(text: str) -> float:
    return from_datetime(pd.Timestamp(text, tz="UTC").to_pydatetime()) / DAY_US


def test_a_day_has_three_panels_on_one_axis_that_names_its_zone_and_units():
    picture = pictures.day(*a_day(), NEW_YORK)
    shown = words(picture)
    assert [ax.get_title("left") for ax in picture.axes] == [
        "Workspaces by state",
        "Jobs that wait for a daemon",
        "Log written",
    ]
    assert len({ax.get_xlim() for ax in picture.axes}) == 1
    assert picture.axes[0].get_xlim() == (x("2026-11-10T13:00"), x("2026-11-10T13:30"))
    for word in (f"local time, {NEW_YORK}, Tuesday 2026-11-10", "kB per\n15 minutes", "jobs", "people's", "by agents"):
        assert word in shown, word
    assert picture.alt


def test_a_row_of_the_gantt_is_a_workspace_and_a_bar_is_a_span():
    picture = pictures.day(*a_day(), NEW_YORK)
    gantt = picture.axes[0]
    assert [label.get_text() for label in gantt.get_yticklabels()] == ["ben/api", "prebuild-2"]
    bars = {
        c.get_label(): [(round(p.get_y() + p.get_height() / 2), p.get_x(), p.get_width()) for p in c]
        for c in gantt.containers
    }
    waiting = bars["prebuild, waits for somebody"]
    assert [(row, begin) for row, begin, _ in waiting] == [(0, x("2026-11-10T13:00")), (1, x("2026-11-10T13:00"))]
    assert all(abs(width - 1 / 24) < 1e-9 for _, _, width in waiting)
    assert set(bars) == {"prebuild, waits for somebody", "failed"}
    marks = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in gantt.lines}
    assert marks == {"claimed": ([x("2026-11-10T14:00")], [0]), "deleted": ([x("2026-11-10T14:00")], [1])}


def test_log_volume_is_stacked_in_kilobytes_and_leaves_out_the_interval_that_is_not_over():
    picture = pictures.day(*a_day(), NEW_YORK)
    jobs, agents = (patch.get_data() for patch in picture.axes[2].patches)
    assert list(jobs.values) == [1.0, 4.0]
    assert list(agents.values) == [1.5, 6.5]
    assert list(agents.baseline) == [1.0, 4.0]


def test_hours_are_those_of_the_wall_clock_also_on_a_day_that_is_longer():
    states, queue, _ = a_day()
    midnight = pd.Timestamp("2026-11-01", tz=NEW_YORK).tz_convert("UTC")
    hours = pd.date_range(midnight, periods=26, freq="h")
    volume = pd.DataFrame({"from_at": hours, "jobs": 0, "agents": 0})
    picture = pictures.day(states, queue, volume, NEW_YORK)
    labels = [label.get_text() for label in picture.axes[2].get_xticklabels()]
    assert labels == [f"{hour:02d}:00" for hour in (*range(0, 24, 2), 0)]
    gap = picture.axes[2].get_xticks()[1] - picture.axes[2].get_xticks()[0]
    assert round(gap * 24) == 3, "two hours by the wall clock, one of them twice"


def test_without_workspaces_there_is_a_sentence():
    states, queue, volume = a_day()
    assert "no workspace" in words(pictures.day(states.iloc[:0], queue, volume, NEW_YORK))


def test_a_day_is_the_same_bytes_every_time():
    assert pictures.day(*a_day(), NEW_YORK).png() == pictures.day(*a_day(), NEW_YORK).png()
