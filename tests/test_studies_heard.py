"""The numbers of a picture in words."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.ticker import PercentFormatter

from simkit.studies.heard import heard
from simkit.studies.style import Picture


def picture(columns: int = 1, **how):
    made = Picture((4, 2))
    return made, made.subplots(1, columns, **how)


def test_bars_are_told_by_the_names_beside_them():
    made, ax = picture()
    ax.barh(range(2), [3.5, 1200], label="building")
    ax.barh(range(2), [1, 0.25], left=[3.5, 1200], label="idle")
    ax.set_yticks(range(2), ["dev", "<b>qa"])
    ax.set_xlabel("cost, USD")
    assert heard(made) == "cost, USD: building dev 3.5, <b>qa 1,200; idle dev 1, <b>qa 0.25."


def test_many_bars_are_told_by_their_ends_and_as_the_axis_writes_them():
    made, ax = picture()
    ax.bar(range(24), np.linspace(0, 1, 24), label="hit rate")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_title("by hour", loc="left")
    assert heard(made) == "by hour: hit rate from 0% to 100%."


def test_a_heatmap_tells_where_it_is_most_also_where_another_panel_has_the_names():
    made, (left, right) = picture(2, sharey=True)
    for ax, most in ((left, (1, 0)), (right, (0, 2))):
        cells = np.zeros((2, 3))
        cells[most] = 7.25
        ax.imshow(np.where(cells == 0, np.nan, cells) if ax is right else cells)
    left.set_yticks(range(2), ["Mon", "Tue"])
    right.tick_params(labelleft=False)
    assert heard(made) == "from 0 to 7.25, most at Tue, 0. 7.25, most at Mon, 2."


def test_points_lines_and_areas_are_told_by_their_labels():
    made, ax = picture()
    ax.plot([0, 1, 2], [4, np.nan, 6], label="wanted")
    ax.plot([0, 1], [9, 9], label="_hidden")
    ax.stairs([1, 2], [0, 1, 2], baseline=[1, 1], fill=True, label="served")
    ax.fill_between([0, 1], [3, 5], label="ready")
    ax.errorbar([0, 1], [2, 3], yerr=[1, 1], fmt="o", label="p95")
    assert heard(made) == "wanted from 4 to 6; p95 from 2 to 3; served from 0 to 1; ready from 0 to 5."


def test_points_in_rows_are_told_by_row_and_about_the_nearest_mark_of_time():
    made, ax = picture()
    ax.plot([20_750.2, 20_757], [0, 1], "x", label="failed")
    ax.set_yticks([0, 1], ["dev", "qa"])
    ax.set_xticks([20_750, 20_757], ["Mon\n26 Oct", "Mon\n2 Nov"])
    assert heard(made) == "failed dev about Mon 26 Oct, qa Mon 2 Nov."


def test_numbers_that_are_only_written_are_told_and_nothing_is_told_of_nothing():
    made, ax = picture()
    assert heard(made) == ""
    ax.text(0, 0, "14 of 46")
    ax.text(0, 0, "a word")
    assert heard(made) == "14 of 46."


@pytest.mark.parametrize("panels", [1, 40])
def test_what_is_told_ends_before_it_is_too_long_to_hear(panels: int):
    made, axes = picture(panels, squeeze=False)
    for ax in axes.flat:
        ax.plot([0, 1], [1, 2], label="a series of this name")
        ax.set_title("a panel")
    assert heard(made).startswith("a panel: a series of this name from 1 to 2.")
    assert heard(made).endswith(".")
    assert len(heard(made)) <= 1000


def test_the_text_of_a_picture_has_its_numbers():
    made, ax = picture()
    made.alt = "Claims by preset."
    ax.bar([0], [7], label="claims")
    ax.set_xticks([0], ["dev"])
    ((_, shown),) = made._repr_mimebundle_()[1].items()
    assert shown["alt"] == "Claims by preset. claims dev 7."
