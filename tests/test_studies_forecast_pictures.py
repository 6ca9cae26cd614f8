"""A forecast is drawn as it is, by each preset's own clocks, beside the last weeks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hourly import demand, weeks

from simkit.clock import parse_instant, zone
from simkit.deployment.forecast import Forecast, foretell, told
from simkit.model import HOURS_PER_WEEK
from simkit.studies.forecast import pictures
from simkit.studies.style import Picture

ODD = "a $x^2$ <b>"


@pytest.fixture(scope="module")
def found() -> Forecast:
    home = zone("America/New_York")
    return foretell(demand(weeks(12, seed=6), home, parse_instant("2026-01-05T00:00:00-05:00")), 3)


def words(picture: Picture) -> str:
    """Every text in a picture."""
    return "\n".join(text.get_text() for text in picture.findobj(lambda artist: hasattr(artist, "get_text")))


def test_each_coming_week_has_a_panel_with_its_hours(found: Forecast):
    picture = pictures.weeks([found])
    assert len(picture.axes) == 3
    for week, ax in enumerate(picture.axes):
        expected = next(patch for patch in ax.patches if patch.get_label() == "expected").get_data().values
        assert expected.tolist() == found.mean[week * HOURS_PER_WEEK : (week + 1) * HOURS_PER_WEEK].tolist()
    said = words(picture)
    assert "local time, America/New_York" in said
    assert "claims\nper hour" in said
    assert told(found)[:40] in said


def test_the_last_weeks_stand_at_their_own_hours(found: Forecast):
    dots = [line for line in pictures.weeks([found]).axes[0].lines if line.get_marker() == "."]
    assert len(dots) == 4
    last = found.past.part(found.past.at.size - HOURS_PER_WEEK, found.past.at.size)
    by_hour = dict(zip(last.of_week.tolist(), last.count.tolist(), strict=True))
    y = dots[-1].get_ydata()
    for i in (9, 33, 130):
        hour = found.zone.local(int(found.at[i]))
        assert y[i] == by_hour[hour.weekday() * 24 + hour.hour]
    assert np.nansum(y) >= last.count.sum() - 1  # the clocks went forward: an hour is not there, or twice


def test_names_are_text_and_many_presets_have_fewer_weeks(found: Forecast):
    many = [replace(found, preset=f"{ODD} {i}") for i in range(5)]
    picture = pictures.weeks(many)
    assert len(picture.axes) == 5
    assert f"{ODD} 4, week from " in words(picture)
    assert "nothing to look ahead" in words(pictures.weeks([]))
