"""The numbers of a picture in words."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.ticker import PercentFormatter

from simkit.studies.heard import TOLD, heard
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
    ax.stairs([1, 1], [0, 1, 2], fill=True)
    ax.stairs([1, 2], [0, 1, 2], baseline=[1, 1], fill=True, label="served")
    ax.stairs([5, 6], [0, 1, 2], baseline=[3, 4], fill=True, label="nine of ten")
    ax.fill_between([0, 1], [3, 5], label="ready")
    ax.errorbar([0, 1], [2, 3], yerr=[1, 1], fmt="o", label="p95")
    told = "wanted from 4 to 6; p95 from 2 to 3; served from 0 to 1; nine of ten from 3 to 6; ready from 0 to 5."
    assert heard(made) == told


def test_a_bar_that_stands_on_nothing_is_told_from_where_it_begins_to_where_it_ends():
    made, ax = picture()
    ax.bar([0, 1], [0.25, 0.5], bottom=[0.5, 0.25], label="nine of ten")
    ax.hlines([0.6, 0.5], [-0.25, 0.75], [0.25, 1.25], label="median")
    ax.set_xticks([0, 1], ["Mon", "Tue"])
    assert heard(made) == "nine of ten Mon 0.5 to 0.75, Tue 0.25 to 0.75; median Mon 0.6, Tue 0.5."


def test_an_axis_is_told_as_its_panel_reads_a_coordinate():
    made, (upper, lower) = picture(2, sharex=True)
    upper.plot([1.5, 3], [60, 90], "o", label="wait")
    upper.fmt_xdata = "day {:g}".format
    upper.fmt_ydata = "{:g} s".format
    lower.barh([0], [0.5], left=[1.5], label="builds")
    lower.set_yticks([0], ["dev"])
    assert heard(made) == "wait day 1.5 60 s, day 3 90 s. builds dev day 1.5 to day 2."


def test_points_and_lines_without_a_name_are_told_by_their_rows_and_hidden_ones_are_not():
    made, ax = picture()
    ax.plot(0.9, 0, "o")
    ax.plot(0.8, 1, "o")
    ax.plot([0, 1], [0, 1])  # a line of the grid, perhaps
    ax.hlines(1, 0.7, 0.95)
    ax.hlines(0, 0.1, 0.2, label="_nolegend_")
    ax.axvline(0.95, label="target 95%")
    ax.axhline(0.5, label="middle")
    ax.set_yticks([0, 1], ["today", "as set"])
    assert heard(made) == "target 95%; middle about today; today 0.9, as set 0.8; as set 0.7 to 0.95."


def test_a_value_a_little_beside_the_mark_of_its_place_is_told_as_of_that_place():
    made, ax = picture()
    ax.bar([-0.2, 0.8], [1, 2], 0.4, label="p50")
    ax.set_xticks([0, 1], ["4h", "8h"])
    assert heard(made) == "p50 4h 1, 8h 2."


def test_the_only_heatmap_is_told_row_by_row_as_its_cells_are_written():
    made, ax = picture()
    image = ax.imshow([[0.25, np.nan, 0.5], [0, 0, 0]])
    image.format_cursor_data = "{:.0%}".format
    ax.set_yticks([0, 1], ["dev", "qa"])
    ax.set_xticks([0, 1, 2], ["Mon", "Tue", "Wed"])
    made.colorbar(image, label="found none")
    assert heard(made) == "found none: dev Mon 25%, Wed 50%; qa Mon 0%, Tue 0%, Wed 0%."


def test_numbers_that_fall_below_nothing_are_told_by_how_far():
    made, ax = picture()
    ax.stairs([-2, 0], [0, 1, 2], fill=True, label="deleted")
    ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    assert heard(made) == "deleted from 0 to 2."


def test_a_panel_that_the_text_of_its_picture_tells_is_not_told_again():
    made, ax = picture()
    made.alt, made.numbers = "Waits", "Half wait at most 8s."
    ax.plot([0, 1], [1, 2], label="a series")
    ax.set_label(TOLD)
    assert made._text() == "Waits. Half wait at most 8s."


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
