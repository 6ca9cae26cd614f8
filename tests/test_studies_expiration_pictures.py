"""Pictures of lifetimes show what the rules and the answers say, on axes that name units and zone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scenarios import inhabited_fortnight, scenario

from simkit import ask, replicate
from simkit.clock import DAY_US, HOUR_US, Zone
from simkit.decide.ttls import prebuild_ttls
from simkit.model import TemplateSchedule
from simkit.studies.expiration import pictures, sentences, tables
from simkit.studies.expiration.pictures import _REASONS

NEW_YORK = Zone("America/New_York")
LOCAL = "local time, America/New_York"
CHANGE = "2026-03-08"  # New York's clocks go forward, from 2:00, at which quiet hours begin


@pytest.fixture(scope="module")
def fortnight() -> dict:
    """Every answer that a picture takes; those under "one" are for the first of two runs."""
    given = inhabited_fortnight()
    results = list(replicate(given, seed=7, replications=2))
    one = {q: ask(results[0], q) for q in ("workspaces", "story", "runs")}
    many = {q: ask(results, q) for q in ("running", "stops", "runs")}
    return {"given": given, "one": one, **many, "ttls": prebuild_ttls(given, "p", (HOUR_US, DAY_US, 0), 7, 2)}


def drawn(of: dict) -> dict[str, pictures.Picture]:
    given, one = of["given"], of["one"]
    around, quiet = (
        tables.deadlines_around(given, CHANGE),
        tables.quiet_hours_around(given, CHANGE),
    )
    return {
        "prebuild_ttls": pictures.prebuild_ttls(of["ttls"]),
        "deadlines": pictures.deadlines(around, quiet),
        "bumps": pictures.bumps(tables.bumps(given, "2026-03-03T09:00", "3d")),
        "workspaces": pictures.workspaces(one["workspaces"], one["story"], one["runs"]),
        "running": pictures.running(of["running"], ["p"]),
        "stops": pictures.stops(of["stops"], of["runs"]),
    }


def words(picture: pictures.Picture) -> str:
    """Every text in a picture."""
    return "\n".join(text.get_text() for text in picture.findobj(lambda artist: hasattr(artist, "get_text")))


def line(ax, label: str):
    return next(x for x in ax.lines if x.get_label() == label)


def instants(column: pd.Series) -> np.ndarray:
    return column.dt.as_unit("us").astype("int64").to_numpy() / DAY_US


def test_every_picture_names_its_units_its_zone_and_its_colours(fortnight):
    shown = {name: words(picture) for name, picture in drawn(fortnight).items()}
    for name in ("deadlines", "bumps", "workspaces", "running", "stops"):
        assert LOCAL in shown[name], name
    for units in (
        ("prebuild_ttls", "per week"),
        ("prebuild_ttls", "median age"),
        ("deadlines", "hours until\nits deadline"),
        ("deadlines", "max deadline"),
        ("deadlines", "in UTC"),
        ("bumps", "now: at its deadline it stops"),
        ("workspaces", "per day:\ndeleted | dormant"),
        ("running", "instances that run,\non average"),
        ("running", "people's workspaces"),
        ("stops", "workspaces per day,\non average"),
    ):
        assert units[1] in shown[units[0]], units
    assert all(picture.alt for picture in drawn(fortnight).values())


def test_without_people_there_are_sentences_and_no_crash():
    nobody = replace(scenario(hours=24), zone=NEW_YORK)
    result = next(replicate(nobody, seed=7, replications=1))
    story, runs = result.ask("story"), result.ask("runs")
    empty = {
        "deadlines": pictures.deadlines(
            tables.deadlines_around(nobody, CHANGE), tables.quiet_hours_around(nobody, CHANGE)
        ),
        "bumps": pictures.bumps(tables.bumps(nobody, "2026-03-02T09:00", "1h")),
        "workspaces": pictures.workspaces(result.ask("workspaces"), story, runs),
        "stops": pictures.stops(result.ask("stops"), runs),
    }
    for name, picture in empty.items():
        assert picture.png().startswith(b"\x89PNG"), name
        assert not picture.axes, name
        assert words(picture).strip().endswith("."), name
    running = pictures.running(result.ask("running"), ["p"], with_people=False)
    assert "people's workspaces" not in words(running)


def test_where_nothing_is_built_or_bumped_a_sentence_says_so(fortnight):
    none = fortnight["ttls"].assign(created=0)
    assert "No prebuild was built" in words(pictures.prebuild_ttls(none))
    free = replace(fortnight["given"], schedule=TemplateSchedule(0))
    assert "no deadline" in words(pictures.bumps(tables.bumps(free, "2026-03-03T09:00", "1h")))
    idle = fortnight["running"].assign(people_instance_hours=0.0, prebuild_instance_hours=0.0)
    assert "No instance ran" in words(pictures.running(idle, ["p"]))


def test_each_ttl_stands_with_its_median_and_the_scenarios_own_is_marked(fortnight):
    swept = fortnight["ttls"]
    age, expired, builds, paid = pictures.prebuild_ttls(swept).axes
    assert [text.get_text() for text in expired.get_xticklabels()] == ["1h", "1d", "never"]
    drawn = expired.lines[0].get_ydata()
    assert drawn.tolist() == swept.groupby("ttl_us", sort=False)["expired_share"].min().tolist(), "of two, the lower"
    for ax in (age, expired, builds, paid):
        own = next(patch for patch in ax.patches if patch.get_label() == "the scenario's TTL")
        assert own.get_x() < 1 < own.get_x() + own.get_width()
    assert line(age, "the TTL").get_ydata().tolist() == [3600, 86400], "never has no line"
    assert (drawn <= expired.get_ylim()[1]).all()
    for ax, name in ((builds, "builds_per_week"), (paid, "pool_hours_per_week")):
        assert swept[name].max() < ax.get_ylim()[1], "nothing is cut off"


def test_a_deadline_is_drawn_as_the_hours_that_are_left_and_never_as_a_rise():
    given = inhabited_fortnight()
    around = tables.deadlines_around(given, CHANGE)
    upper, lower = pictures.deadlines(around, tables.quiet_hours_around(given, CHANGE)).axes
    drawn = np.asarray(line(upper, "deadline").get_ydata())
    hours = (around["deadline"] - around["completed_at"]).dt.total_seconds() / 3600
    kept = ~np.isnan(drawn)
    assert np.allclose(drawn[kept], hours[kept])
    assert kept.mean() > 0.97
    assert np.nanmax(np.diff(drawn)) < 0.5
    assert "clocks go forward 1h" in words(upper.figure)
    assert not [text for text in lower.texts if "clocks" in text.get_text()]


def test_quiet_hours_stand_at_their_wall_clock_and_at_utc_with_the_max_deadlines_marked():
    given = inhabited_fortnight()
    around, quiet = (
        tables.deadlines_around(given, CHANGE),
        tables.quiet_hours_around(given, CHANGE),
    )
    lower = pictures.deadlines(around, quiet).axes[1]
    assert set(line(lower, f"on the wall clock, {NEW_YORK.name}").get_ydata()) == {2.0}
    assert line(lower, "in UTC").get_ydata().tolist() == [7.0] * 7 + [6.0] * 7, "none on the 8th"
    assert [text.get_text() for text in lower.texts] == ["02:00", "07:00", "06:00"]
    marked = np.sort(lower.lines[1].get_xdata())
    expected = instants(quiet.loc[quiet["begins_at"].isin(around["max_deadline"]), "begins_at"])
    assert np.array_equal(marked, expected)
    assert expected.size >= 2


def test_a_deadline_under_activity_is_drawn_as_steps_up_to_the_instant_at_which_it_stops():
    reports = tables.bumps(inhabited_fortnight(), "2026-03-03T09:00", "5d")
    left, right = pictures.bumps(reports).axes
    drawn = line(left, "deadline")
    assert drawn.get_drawstyle() == "steps-post"
    assert np.array_equal(drawn.get_ydata()[:-1], instants(reports["deadline"]))
    assert drawn.get_xdata()[-1] == drawn.get_ydata()[-1], "it meets now"
    letters = [text.get_text() for text in left.texts]
    assert letters == list("ABCDEFGH")[: len(letters)]
    assert len(letters) >= 4
    moved = line(right, "moves the deadline").get_xdata()
    assert np.allclose(np.diff(moved) * 24 * 60, 4), "5 % of an hour, and not more"
    assert np.isclose(moved[0], instants(reports.loc[reports["what"] == tables.MOVED, "reported_at"])[0])


def test_workspaces_by_state_add_up_to_all_that_people_got(fortnight):
    one = fortnight["one"]
    upper, lower = pictures.workspaces(one["workspaces"], one["story"], one["runs"]).axes
    states = ["running", "stopped", "dormant", "deleted"]
    assert [band.get_label() for band in upper.patches] == states
    assert max(band.get_data().values.max() for band in upper.patches) == one["workspaces"][states].sum(axis=1).max()
    dormant, deleted = (patch.get_data().values for patch in lower.patches)
    assert dormant.sum() == (one["story"]["what"] == "dormancy").sum() > 0
    assert -deleted.sum() == (one["story"]["what"] == "autodelete").sum() > 0
    edges = lower.patches[0].get_data().edges
    assert np.round(np.diff(edges) * 24).tolist() == [24] * 6 + [23] + [24] * 7 + [1], "the 8th has 23 hours"


def test_six_weeks_have_a_line_on_every_monday(fortnight):
    one = fortnight["one"]
    runs = one["runs"].assign(end_at=one["runs"]["end_at"] + pd.Timedelta(weeks=4))
    lower = pictures.workspaces(one["workspaces"], one["story"], runs).axes[1]
    days = [text.get_text() for text in lower.get_xticklabels()]
    assert days[:3] == ["Mon\n2 Mar", "Mon\n9 Mar", "Mon\n16 Mar"]


def test_what_runs_is_the_mean_of_each_hour_of_the_week_prebuilds_below_people(fortnight):
    answer = fortnight["running"]
    ax = pictures.running(answer, ["p"]).axes[0]
    prebuilds, people = (patch.get_data() for patch in ax.patches)
    noon = answer[(answer["weekday"] == 2) & (answer["hour"] == 17)]
    hours = noon["hours"].sum()
    at = 2 * 24 + 17
    assert prebuilds.values[at] == pytest.approx(noon["prebuild_instance_hours"].sum() / hours)
    assert people.values[at] - people.baseline[at] == pytest.approx(noon["people_instance_hours"].sum() / hours)
    assert people.values.max() < ax.get_ylim()[1]


def test_hours_of_the_week_outside_the_window_are_not_shown_as_hours_without_instances(fortnight):
    answer = fortnight["running"]
    assert "not in the window" not in words(pictures.running(answer, ["p"]))
    ax = pictures.running(answer[answer["weekday"] > 0], ["p"]).axes[0]
    unknown = next(patch for patch in ax.patches if patch.get_label() == "not in the window").get_data().values
    assert (unknown[:24] > ax.get_ylim()[1]).all()
    assert (unknown[24:] == 0).all()


def test_stops_by_hour_add_up_to_those_of_a_day_and_keep_their_reasons(fortnight):
    answer, runs = fortnight["stops"], fortnight["runs"]
    ax = pictures.stops(answer, runs).axes[0]
    stopping = answer["rule"].isin(("autostop", "owner suspended", "failure stop", "dormancy"))
    days = (runs["end_at"] - runs["start_at"]).dt.total_seconds().sum() / 86400
    heights = sum(bar.get_height() for bar in ax.patches)
    assert heights == pytest.approx(answer.loc[stopping, "times"].sum() / days)
    for reason, colour in _REASONS.items():
        drawn = sum(bar.get_height() for bar in ax.patches if to_hex(bar.get_facecolor()) == colour.lower())
        reasons = sentences.stop_reasons(answer)
        assert drawn == pytest.approx(reasons.loc[reasons["reason"] == reason, "times"].sum() / days), reason


def test_a_picture_is_the_same_bytes_every_time(fortnight):
    once, again = drawn(fortnight), drawn(fortnight)
    for name in ("bumps", "workspaces"):
        assert once[name].png() == again[name].png(), name
