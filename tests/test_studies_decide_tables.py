"""A decision as tables: the block reads back as what was meant, and rows have the numbers of their picture."""

from __future__ import annotations

from html import unescape

import pandas as pd
from decided import decided

from simkit import league
from simkit.decide.plan import terraform
from simkit.studies.decide import tables, trials


def test_the_block_is_the_one_that_a_terminal_prints():
    (advice,) = decided().presets
    assert repr(tables.block(advice)) == terraform(advice.preset)
    assert f"instances = {advice.preset.instances}" in unescape(tables.block(advice)._repr_html_())


def test_todays_setting_stands_beside_the_recommended_one():
    found = decided()
    (advice,) = found.presets
    frame = tables.compared(advice, "USD").frame.set_index("in the same weeks")
    assert list(frame.loc["hit rate"]) == [f"{advice.before.hit_rate:.1%}", f"{advice.after.hit_rate:.1%}"]
    assert "pool's cost a week, USD" in frame.index


def test_plans_have_the_numbers_of_the_picture():
    (advice,) = decided().presets
    frame = tables.front(advice, "EUR").frame
    assert "EUR/week" in frame.columns
    assert list(frame[""]) == [str(i + 1) for i in range(len(advice.front))]
    marked = [text for text in frame["what to set"] if "(recommended)" in text]
    assert marked == [f"{advice.plan.words} (recommended)"]


def test_the_league_has_a_row_for_each_policy():
    found = decided()
    played = league(found.scenario, preset="go", advised=found.advised, expressions=("2",))
    frame = tables.league(played).frame
    assert len(frame) == len(played.rows)
    assert "today's schedule" in set(frame["a week"])


def test_answers_for_two_settings_stand_beside_each_other_under_the_settings_names():
    before = pd.DataFrame({"preset": ["go", "py", None], "x": [1, 2, 3]})
    after = pd.DataFrame({"preset": ["py", "go"], "x": [4, 5]})
    both = tables.side_by_side(before, after, "go")
    assert both["x"].tolist() == [1, 3, 5]
    assert both["preset"].tolist()[::2] == [trials.TODAY, trials.RECOMMENDED]
    assert both["preset"].isna().tolist() == [False, True, False], "what concerns all presets stays so"
    assert len(tables.side_by_side(before, after, "rs")) == 1
