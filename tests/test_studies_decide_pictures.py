"""What is drawn of a decision is what was decided, with its unit and beside what bound it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from decided import decided, six_weeks

from simkit import league, worth
from simkit.decide.bounds import Rung
from simkit.decide.compare import Difference
from simkit.decide.recommendation import Advice
from simkit.decide.worth import extremes
from simkit.estimates import Interval
from simkit.studies.decide import pictures, trials

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
    heard = pictures.answer(advice)._text()
    assert re.search(r"today's setting, weeks seen [0-9.]+%, recommended, weeks seen [0-9.]+%", heard)
    assert re.search(r"recommended, next 13 weeks \(95%\) [0-9.]+% to [0-9.]+%", heard)


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
    assert pictures.front(far, "USD")._text().count("today's setting: 1.0% at 1, beyond this edge.") == 1
    near = replace(advice, before=advice.after)
    assert "beyond" not in words(pictures.front(near, "USD"))


def test_the_ladder_has_a_bar_for_each_rung_and_says_what_it_has_to_know(advice: Advice):
    picture = pictures.ladder(advice)
    (ax,) = picture.axes
    wide = sorted(bar.get_width() for bar in ax.patches)
    hours = [rung.idle_hours_per_week for rung in advice.ladder]
    assert wide == sorted([*hours, advice.after.idle_hours_per_week, advice.before.idle_hours_per_week])
    assert "chosen by every claim, in sample" in words(picture)
    last = advice.ladder[-1]
    told = f"{last.name} (chosen by {last.knows}, in sample) {last.idle_hours_per_week:,.0f} h at {last.hit_rate:.1%}"
    assert told in picture._text()
    assert "idle instance-hours a week" in words(picture)


def test_a_rung_that_no_number_reaches_says_so(advice: Advice):
    rungs = (*advice.ladder[:-1], Rung("one number all week", "these weeks", 0.7, float("nan")))
    said = words(pictures.ladder(replace(advice, ladder=rungs)))
    assert "no such number reaches 95.0%; the best has 70.0%" in said


def heat(ax) -> list:
    """The cells of a heat map that have a price."""
    return [image for image in ax.images if image.get_cmap().name == "YlOrRd"]


def test_worth_has_a_cell_for_each_hour_with_its_price_in_money_and_outlines_where_a_change_pays_most():
    (one,) = worth(six_weeks())
    picture = pictures.worth([one])
    _, last, more, bar = picture.axes
    (image,) = heat(last)
    cells = image.get_array().filled(float("nan")).ravel()
    known = np.isfinite(one.hours_per_miss)
    assert known.any()
    assert cells[known] == pytest.approx(one.hours_per_miss[known] * 0.4)
    assert np.isnan(cells[~known]).all()
    outlined = {tuple(int(x + 0.5) for x in box.get_xy()) for ax in (last, more) for box in ax.patches}
    assert outlined == {(hour % 24, hour // 24) for hour in extremes(one)}
    said = words(picture)
    assert "hour of day, time, UTC" in said
    assert "USD\nper miss prevented" in bar.get_ylabel()
    assert "go, prebuilds wanted" in said


def test_worth_without_a_price_counts_in_instance_hours():
    picture = pictures.worth(worth(six_weeks(cost=0.0)))
    assert "idle instance-hours\nper miss prevented" in picture.axes[-1].get_ylabel()


def test_worth_of_several_presets_has_a_row_each():
    (one,) = worth(six_weeks())
    other = replace(one, preset=ODD, timezone="Asia/Kolkata")
    picture = pictures.worth([one, other])
    assert len([ax for ax in picture.axes if heat(ax)]) == 4
    said = words(picture)
    assert ODD in said.splitlines()
    assert "local time of each preset's zone" in said


def test_worth_draws_what_prevents_nothing_and_what_is_not_there():
    (one,) = worth(six_weeks())
    nothing = replace(
        one,
        wanted=one.wanted * 0,
        lost_by_fewer=one.lost_by_fewer * np.nan,
        hours_of_fewer=one.hours_of_fewer * np.nan,
        served_by_more=one.served_by_more * 0,
    )
    picture = pictures.worth([nothing])
    assert picture.png().startswith(b"\x89PNG")
    assert not [box for ax in picture.axes for box in ax.patches if ax in picture.axes[1:3]]
    assert "There is no preset" in words(pictures.worth([]))


def test_names_are_text(advice: Advice):
    picture = pictures.front(replace(advice, now=replace(advice.now, name=ODD)), ODD)
    assert picture.png().startswith(b"\x89PNG")
    assert ODD in words(picture)


def test_the_league_has_a_dot_and_a_bar_for_each_policy(advice: Advice):
    found = decided()
    played = league(found.scenario, target_hit_rate=0.95, preset="go", advised=found.advised)
    picture = pictures.league(played)
    left, right = picture.axes
    dots = [line.get_xdata()[0] for line in left.lines if line.get_marker() == "o"]
    assert dots == [row.total.hit_rate for row in played.rows]
    assert [bar.get_width() for bar in right.patches] == [row.total.pool_cost for row in played.rows]
    said = words(picture)
    assert "min(claims_10m*10, 20) (dead)" in said
    assert "the pool's cost a week, USD" in said


def test_effects_stand_with_the_largest_first_and_pale_where_they_are_not_real():
    def effect(what: str, points: float, half: float) -> trials.Effect:
        rate = Interval(points / 100, (points - half) / 100, (points + half) / 100)
        hours = Interval(5.0, 1.0, 9.0)
        return trials.Effect(
            what,
            "x 2",
            Difference("go", "hit_rate", 0.9, 0.9, points / 100, rate, None, False, None, None),
            Difference("go", "idle_hours", 9.0, 9.0, 5.0, hours, None, False, None, None),
        )

    picture = pictures.sensitivity([effect("demand", 1.0, 4.0), effect("failures", -8.0, 3.0)])
    left, right = picture.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["failures: x 2", "demand: x 2"]
    assert [bar.get_width() for bar in left.patches] == pytest.approx([-8.0, 1.0])
    assert [bar.get_alpha() for bar in left.patches] == [1.0, 0.35]
    assert "hit rate, difference in percentage points" in left.get_xlabel()
    assert "idle instance-hours a week" in right.get_xlabel()
    assert "Nothing was varied" in words(pictures.sensitivity([]))


def test_each_run_that_meets_the_hard_limit_is_a_dot_at_its_day():
    nan = float("nan")
    rows = [("now", 0.01, True, 0, 3.0), ("now", 0.01, True, 1, nan), ("then", 0.01, True, 0, nan)]
    frame = pd.DataFrame(rows, columns=["setting", "rate", "is_own", "replication", "days"])
    frame = frame.assign(window_days=42.0, hard_limit=3)
    picture = pictures.until_limited(frame)
    left, _ = picture.axes
    assert [list(line.get_xdata()) for line in left.lines] == [[3.0]]
    said = words(picture)
    assert "1 of 2" in said
    assert "0 of 1" in said
    assert "1% fail (as now)" in said
    told = "now: 1% fail (as now), 1 of 2, the first after 3 days. then: 1% fail (as now), 0 of 1."
    assert picture._text().endswith(told)
    assert "days from the beginning" in said
    assert "The hard limit is off" in words(pictures.until_limited(frame.assign(hard_limit=0)))
