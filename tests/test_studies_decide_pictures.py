"""What is drawn of a decision is what was decided, with its unit and beside what bound it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from decided import decided

from simkit.decide.bounds import Rung
from simkit.decide.recommendation import Advice
from simkit.studies.decide import pictures

ODD = "a $x^2$ <b>"


@pytest.fixture(scope="module")
def advice() -> Advice:
    return decided().presets[0]


def words(picture: pictures.Picture) -> str:
    """Every text in a picture."""
    return "\n".join(text.get_text() for text in picture.findobj(lambda artist: hasattr(artist, "get_text")))


def test_the_answer_stands_beside_the_target_and_the_next_quarter(advice: Advice):
    (ax,) = pictures.answer(advice).axes
    dots = {line.get_ydata()[0]: line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"}
    assert [dots[0], dots[1]] == [advice.before.hit_rate, advice.after.hit_rate]
    said = words(pictures.answer(advice))
    interval = advice.outlook.interval
    assert f"{interval.low:.1%} to {interval.high:.1%}" in said
    assert f"target {advice.target:.1%}" in said
    assert "hit rate: share of claims that find a prebuild" in said
    assert "chosen without the last week, and tried there" in said


def test_the_answer_needs_no_weeks_left_out(advice: Advice):
    assert "chosen without" not in words(pictures.answer(replace(advice, held_out=None)))


def test_the_front_has_a_point_for_each_plan_and_the_price_that_people_pay(advice: Advice):
    picture = pictures.front(advice, "EUR")
    (ax,) = picture.axes
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_markersize() == 13]
    assert points == [(point.cost_per_week, point.hit_rate) for point in advice.front]
    assert "the pool's cost a week, EUR" in words(picture)
    free = replace(advice, front=tuple(replace(point, cost_per_week=0.0) for point in advice.front))
    assert "idle instance-hours a week" in words(pictures.front(free, "EUR"))


def test_todays_setting_is_told_where_it_lies_beyond_the_picture(advice: Advice):
    far = replace(advice, before=replace(advice.before, hit_rate=0.01, cost_per_week=1.0))
    assert "today's setting: 1.0% at 1, beyond this edge" in words(pictures.front(far, "USD"))
    near = replace(advice, before=advice.after)
    assert "beyond" not in words(pictures.front(near, "USD"))


def test_the_ladder_has_a_bar_for_each_rung_and_says_what_it_has_to_know(advice: Advice):
    picture = pictures.ladder(advice)
    (ax,) = picture.axes
    wide = sorted(bar.get_width() for bar in ax.patches)
    hours = [rung.idle_hours_per_week for rung in advice.ladder]
    assert wide == sorted([*hours, advice.after.idle_hours_per_week, advice.before.idle_hours_per_week])
    assert "to be known: every claim" in words(picture)
    assert "idle instance-hours a week" in words(picture)


def test_a_rung_that_no_number_reaches_says_so(advice: Advice):
    rungs = (*advice.ladder[:-1], Rung("one number all week", "these weeks", 0.7, float("nan")))
    said = words(pictures.ladder(replace(advice, ladder=rungs)))
    assert "no such number reaches 95.0%; the best has 70.0%" in said


def test_names_are_text(advice: Advice):
    picture = pictures.front(replace(advice, now=replace(advice.now, name=ODD)), ODD)
    assert picture.png().startswith(b"\x89PNG")
    assert ODD in words(picture)
