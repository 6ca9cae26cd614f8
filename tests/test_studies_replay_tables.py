"""A replay as tables: what happened stands beside it, and the worst day comes first."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from replayed import replayed

from simkit import compare
from simkit.deployment.replay import is_around
from simkit.estimates import Spread
from simkit.studies.replay import setting, tables


def test_each_preset_has_what_happened_beside_the_replays():
    of = replayed()
    frame = tables.presets(of).frame
    large = of.presets[0]
    rows = frame.iloc[:6].set_index("in the whole history")
    assert frame["preset"].iloc[0] == "large"
    assert rows.loc["hit rate", "recorded"] == f"{large.recorded['hit_rate']:.1%}"
    assert rows.loc["hit rate", "replayed"] == f"{large.replayed['hit_rate'].median:.1%}"
    said = "yes" if is_around(large.replayed["hit_rate"], large.recorded["hit_rate"]) else "no"
    assert rows.loc["hit rate", "is it one of them?"] == said == "no"
    assert rows.loc["claims", "is it one of them?"] == "yes"
    assert rows.loc["days that differ, at most by chance", "recorded"] == f"{len(large.days)} of 5"


def test_a_week_has_the_hits_of_its_claims():
    of = replayed()
    frame = tables.weeks(of)
    large = frame[frame["preset"] == "large"]
    assert list(large["monday"]) == [date(2026, 3, 2)]
    assert large["claims"].item() == of.presets[0].recorded["claims"]
    assert large["recorded"].item() == pytest.approx(of.presets[0].recorded["hit_rate"])
    found = Spread(*(large[name].item() for name in Spread._fields))
    assert found == pytest.approx(of.presets[0].replayed["hit_rate"])


def test_days_stand_with_their_suspects_and_the_worst_is_drawn():
    of = replayed()
    frame = tables.days(of).frame
    assert frame["day"].iloc[0] == "Wed 2026-03-04"
    assert "The reconciler was paused at 09:30." in frame["what one may suspect"].iloc[0]
    found = tables.worst_day(of)
    assert found is not None
    assert (found[0].preset, found[1]) == ("large", date(2026, 3, 4))


def test_where_no_day_is_out_of_reach_the_one_is_drawn_on_which_most_others_ran():
    from dataclasses import replace

    of = replayed()
    large = replace(of.presets[0], days=())
    found = tables.worst_day(replace(of, presets=(large,)))
    assert found is not None
    assert found[1] == date(2026, 3, 4)
    assert tables.worst_day(replace(of, presets=(replace(large, pools=None),))) is None


def test_a_change_has_a_row_for_each_measure_of_each_preset():
    of = replayed()
    found = compare(of.scenario, setting.changed(of), replications=3)
    frame = tables.compared(found).frame
    assert list(frame["preset"][frame["preset"] != ""]) == ["large", "small & cheap, 'x'", "all presets"]
    assert "hit rate" in set(frame["a week"])
    assert np.isfinite(found.changes[0].of("large", "hit_rate").difference)
