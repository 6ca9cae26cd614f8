"""Pictures of schedules show what the steps say, with units, zone and colours, on days as long as they were."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from simkit.clock import DAY_US, HOUR_US, parse_instant
from simkit.studies.cron_ranges import pictures, readings
from simkit.studies.style import MISSED, SERVED, WANTED

NEW_YORK = "America/New_York"
LORD_HOWE = "Australia/Lord_Howe"


def read(label: str, schedules: dict[str, int], coder: str = "v2.35") -> readings.Reading:
    return readings.reading(label, schedules, NEW_YORK, base=1, coder=coder)


@pytest.fixture(scope="module")
def week() -> readings.Case:
    pair = [read("as written", {"* 8-17 * * 1,5": 8}), read("as meant", {"* 8-17 * * 1-5": 8})]
    return readings.week(pair, NEW_YORK, "2026-06-01", {}, seed=7, pools=1)


@pytest.fixture(scope="module")
def versions() -> readings.Case:
    pair = [read(coder, {"* 9-17 * * 1-5": 8}, coder) for coder in ("early-ranges", "v2.35")]
    return readings.week(pair, NEW_YORK, "2026-06-01", {}, seed=7, pools=1)


@pytest.fixture(scope="module")
def year() -> readings.Case:
    pair = [read("as written", {"* 8-17 1 * 1": 8, "* 8-17 2 * 2": 4}), read("alone", {"* 8-17 1 * 1": 8})]
    return readings.year(pair, NEW_YORK, 2026, {}, seed=7, pools=1)


def across(timezone: str, forward: bool) -> pictures.Picture:
    jump = readings.jump(timezone, 2026, forward)
    return pictures.clocks(jump, readings.across(jump, 8, 1, 0, seed=7, pools=1))


def words(picture: pictures.Picture) -> str:
    """Every text in a picture."""
    return "\n".join(text.get_text() for text in picture.findobj(lambda artist: hasattr(artist, "get_text")))


def boxes(picture: pictures.Picture, colour: str) -> list[tuple[float, float, float]]:
    """(row, from, until) of the boxes of a strip in one colour, instants in hours of UTC."""
    found = [p for p in picture.axes[0].patches if isinstance(p, Rectangle) and to_hex(p.get_facecolor()) == colour]
    hours = DAY_US / HOUR_US
    return [
        (round(p.get_y() + 0.38), round(p.get_x() * hours, 3), round((p.get_x() + p.get_width()) * hours, 3))
        for p in found
    ]


def bars(ax, colour: str) -> list[tuple[float, float, float]]:
    """(row, from, until) of what is drawn in one colour."""
    spans = []
    for collection in ax.collections:
        if to_hex(collection.get_facecolor()[0]) == colour:
            for path in collection.get_paths():
                (x0, y0), (x1, y1) = path.vertices.min(axis=0), path.vertices.max(axis=0)
                spans.append((round((y0 + y1) / 2), x0, x1))
    return spans


def test_every_picture_names_its_units_its_zone_and_its_colours(week, versions, year):
    shown = [pictures.weeks(week), pictures.edges(versions), pictures.year(year), across(NEW_YORK, True)]
    for picture in shown:
        assert "8 desired instances" in words(picture)
        assert NEW_YORK in words(picture)
        assert picture.alt
        assert picture.legends
    assert shown[3].png() == across(NEW_YORK, True).png()


def test_whoever_hears_a_picture_has_its_hours_and_days(week, versions, year):
    assert pictures.weeks(week)._text().split(". ")[1:] == [
        "as written: Mon 1 Jun 08:00 to 18:00 8; Fri 5 Jun 08:00 to 18:00 8; else 1",
        "as meant: Mon 1 Jun to Fri 5 Jun 08:00 to 18:00 8; else 1.",
    ]
    edges = pictures.edges(versions)._text()
    assert "early-ranges: Mon 1 Jun to Fri 5 Jun 08:59 to 17:59 8; else 1." in edges
    assert "the first span ends, Mon 2026-06-01: early-ranges 17:57 8, 17:59 1" in edges
    alone = pictures.year(year)._text().split("alone: ")[1]
    assert alone.startswith("up to 8 on 63 days (Mon 52, Tue 2, Wed 2, Thu 2, Fri 1, Sat 1, Sun 3); else 1.")
    forward = across(NEW_YORK, True)._text()
    assert "as written: 1 all the time. summer time all along: 8 from 06:00 to 07:00 UTC; else 1." in forward
    never = readings.week([read("none", {})], NEW_YORK, "2026-06-01", {}, seed=7, pools=1)
    assert "none: 1 all the time." in pictures.weeks(never)._text()


def test_a_week_is_seven_rows_of_24_hours_coloured_where_the_schedule_holds(week):
    written, meant = pictures.weeks(week).axes
    assert written.get_xlim() == meant.get_xlim() == (0, 24)
    assert [text.get_text() for text in written.get_yticklabels()][::6] == ["Mon 1 Jun", "Sun 7 Jun"]
    assert {row for row, _, _ in bars(written, to_hex(SERVED))} == {0, 4}
    assert {row for row, _, _ in bars(meant, to_hex(SERVED))} == {0, 1, 2, 3, 4}
    first = [(a, b) for row, a, b in bars(written, to_hex(SERVED)) if row == 0]
    assert (min(a for a, _ in first), max(b for _, b in first)) == (8, 18)
    assert '"* 8-17 * * 1,5" = 8,  else 1' in words(written.figure)


def test_the_edges_of_early_ranges_are_a_minute_before_those_of_v2_35(versions):
    _, begins, ends = pictures.edges(versions).axes
    for ax, hour in ((begins, "09:00"), (ends, "18:00")):
        at = parse_instant(f"2026-06-01T{hour}:00-04:00")
        jumps = [round(line.get_xdata()[1] * DAY_US - at) / 60e6 for line in ax.lines]
        assert jumps == pytest.approx([-1, 0], abs=0.01)


def test_a_skipped_hour_is_missing_from_the_wall_clock_and_from_the_strip():
    picture = across(NEW_YORK, True)
    change = parse_instant("2026-03-08T07:00:00Z") / HOUR_US
    assert "no 02:00 to 03:00" in words(picture)
    wall_clock = [t.get_text() for t in picture.axes[0].texts if round(t.get_position()[1]) == 2]
    assert wall_clock[4:7] == ["Sun\n00:00", "01:00", "03:00"]
    assert boxes(picture, to_hex(SERVED)) == [(0, change - 1, change)], "by the clock that keeps summer time alone"


def test_a_repeated_hour_is_there_twice():
    picture = across(NEW_YORK, False)
    change = parse_instant("2026-11-01T06:00:00Z") / HOUR_US
    assert boxes(picture, to_hex(SERVED)) == [
        (1, change - 1, change),
        (1, change, change + 1),
        (0, change - 1, change),
    ]
    assert boxes(picture, "#fbe3d2") == [(2, change - 1, change), (2, change, change + 1)]
    assert picture.axes[0].lines[0].get_color() == MISSED


def test_half_an_hour_has_boxes_of_half_an_hour():
    change = parse_instant("2026-04-04T15:00:00Z") / HOUR_US
    assert boxes(across(LORD_HOWE, False), "#fbe3d2") == [(2, change - 0.5, change), (2, change, change + 0.5)]


def test_a_year_has_a_box_for_each_day_and_frames_the_days_on_which_two_schedules_hold(year):
    picture = pictures.year(year, with_overlaps=True)
    for ax in picture.axes:
        assert sum(len(collection.get_paths()) for collection in ax.collections) == 365
        frames = [p for p in ax.patches if to_hex(p.get_edgecolor()) == to_hex(WANTED)]
        assert [(p.get_x(), p.get_y() + 0.5) for p in frames] == [(5, 0), (9, 0), (35, 1), (44, 0), (48, 1)]
    assert "5 days on which two schedules hold are framed" in picture.alt
    plain = pictures.year(year)
    assert not plain.axes[0].patches
    assert "two schedules hold" not in words(plain)


def test_where_there_is_nothing_to_show_a_picture_says_so():
    jump = readings.jump("UTC", 2026, forward=False)
    case = readings.across(jump, 8, 1, 6, seed=7, pools=1)
    assert pictures.clocks(jump, case).alt == "The clocks of UTC do not go back in 2026."
    assert pictures.weeks(case).alt == pictures.year(case).alt == "There is no schedule to show."
    base = readings.week([read("base", {})], NEW_YORK, "2026-06-01", {}, seed=7, pools=1)
    assert pictures.edges(base).alt == "No schedule holds in this time."


def test_many_schedules_are_counted_in_a_title():
    of = read("as meant", readings.both_days("* 8-17 */2 * 1-5", 8, 2026))
    case = readings.week([of], NEW_YORK, "2026-06-01", {}, seed=7, pools=1)
    assert "… (16 schedules),  else 1" in pictures.weeks(case).axes[0].get_title(loc="left")
