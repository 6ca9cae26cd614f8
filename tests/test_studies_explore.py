"""The panel: what its sliders set, what a setting comes to, and what is seen where nobody moves anything."""

from __future__ import annotations

import base64
import json
import random
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simkit
from simkit.clock import HOUR_US, MINUTE_US
from simkit.decide.plan import Block, Plan, terraform
from simkit.estimates import mean_interval
from simkit.model import History
from simkit.runs.counts import count
from simkit.runs.givens import givens
from simkit.runs.measures import measures
from simkit.studies.explore import pictures
from simkit.studies.explore.grid import Grid
from simkit.studies.explore.held import held
from simkit.studies.explore.offline import LARGEST, offline, page_of
from simkit.studies.explore.setting import (
    Setting,
    Totals,
    block_of,
    chosen,
    preset_of,
    see,
    totals,
    wanted_by_hour,
)

SCENARIO = """
name: week
window: {from: "2026-03-09", until: "2026-03-23", timezone: America/New_York}
coder: {provisioner_daemons: 3}
presets:
  - name: dev
    instances: 1
    ttl: 8h
    scheduling:
      timezone: America/New_York
      schedules: [{cron: "* 9-16 * * 1-5", instances: 4}, {cron: "* 10-11 * * 6,0", instances: 2}]
  - {name: quiet, instances: 1}
demand:
  profiles:
    - preset: dev
      claims_per_week: 150
      weekday: [0, 0, 0, 0, 0, 0, 0, 0, 4, 9, 3, 2, 1, 3, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0]
durations: {build: {median: 4m, p95: 8m}}
cost: {per_instance_hour: 0.5}
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("explore") / "week.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def panel(scenario) -> simkit.studies.explore.Panel:
    return simkit.explore(scenario, seed=3)


def test_the_sliders_begin_at_todays_setting_of_the_preset_with_most_claims(panel):
    assert panel.preset == "dev"
    assert [move.name for move in panel.moves] == [
        *("base", "hours_1", "level_1", "hours_2", "level_2", "ttl", "daemons", "build"),
    ]
    assert [move.read(panel.setting) for move in panel.moves] == [
        *(1, (9, 17), 4, (10, 12), 2, 8 * HOUR_US, 3, panel.scenario.workload.build.median_us),
    ]
    assert all(move.read(panel.setting) in move.values for move in panel.moves)
    assert panel.seen == panel.before or np.array_equal(panel.seen.ready, panel.before.ready)


def test_the_week_is_heard_with_its_numbers(panel):
    seen = panel.seen
    alt = re.search('alt="(.*?)"', pictures.week(seen, panel.before, "dev", "America/New_York"))[1]
    assert f"Wanted {seen.wanted.min():g} to {seen.wanted.max():g}, most on Mon from 09:00" in alt
    assert f"; today {seen.wanted.min():g} to" in alt
    none = pictures.week(replace(seen, missed=seen.missed * 0), panel.before, "dev", "America/New_York")
    assert "that found none 0 in every hour." in none


def test_what_is_seen_is_what_a_whole_run_gives(panel):
    run = measures(simkit.run(panel.scenario, seed=3))
    seen = panel.seen
    row = run.presets.index("dev")
    assert seen.claims * 2 == run.claims[row]
    assert seen.hit_rate == pytest.approx(run.hits[row] / run.claims[row])
    assert seen.wait_p95_s == pytest.approx(run.wait_us[row, 1] / 1e6)
    assert seen.builds * 2 == run.builds[row]
    assert seen.idle_hours * 2 == pytest.approx(run.idle_us[row] / HOUR_US)
    assert (seen.served + seen.missed).sum() == pytest.approx(seen.claims, rel=0.02)
    assert seen.wanted.reshape(7, 24)[0].tolist() == [1] * 9 + [4] * 8 + [1] * 7
    assert seen.wanted.reshape(7, 24)[5].tolist() == [1] * 10 + [2] * 2 + [1] * 12
    assert (seen.ready <= seen.wanted.max() + 1e-9).all()


def test_a_move_is_what_the_scenario_with_that_number_gives(panel, scenario, tmp_path):
    panel.set(base=2, hours_1=(8, 18), level_1=7, hours_2=(0, 24), ttl=0, daemons=6)
    written = SCENARIO
    for old, new in (
        ("instances: 1\n    ttl: 8h", "instances: 2"),
        ('"* 9-16 * * 1-5", instances: 4', '"* 8-17 * * 1-5", instances: 7'),
        ('"* 10-11 * * 6,0"', '"* * * * 0,6"'),
        ("provisioner_daemons: 3", "provisioner_daemons: 6"),
    ):
        assert old in written
        written = written.replace(old, new)
    (tmp_path / "moved.yaml").write_text(written)
    other = see(simkit.load(tmp_path / "moved.yaml"), "dev", 3)
    assert all(np.array_equal(value, vars(other)[name], equal_nan=True) for name, value in vars(panel.seen).items())
    assert 'cron      = "* 8-17 * * 1-5"' in panel.block
    assert "ttl" not in panel.block
    assert panel.before.hit_rate < panel.seen.hit_rate


def test_a_longer_build_is_the_same_distribution_stretched(panel):
    panel.set(build=8 * MINUTE_US)
    changed = panel.setting.scenario(panel.scenario, "dev")
    assert changed.workload_of("dev").build.median_us == pytest.approx(8 * MINUTE_US, rel=1e-6)
    assert changed.workload_of("quiet") == panel.scenario.workload_of("quiet")
    assert panel.seen.wait_p95_s > panel.before.wait_p95_s


@pytest.mark.parametrize(
    ("moves", "told"),
    [
        ({"bse": 1}, 'bse: there is no slider "bse"; write "base"'),
        ({"base": -1}, "base: -1 is not on the slider, which has 0, 1, 2, ... 20"),
        ({"hours_1": (9, 9)}, r"hours_1: \(9, 9\) is not on the slider"),
        ({"daemons": 0}, "daemons: 0 is not on the slider"),
    ],
)
def test_a_move_that_no_slider_has_is_refused_and_nothing_moves(panel, moves, told):
    before = panel.setting
    with pytest.raises(simkit.InputError, match=told):
        panel.set(**moves)
    assert panel.setting is before


def test_hours_that_overlap_are_refused_for_coder_would_ignore_all_schedules(tmp_path):
    text = SCENARIO.replace('"* 10-11 * * 6,0"', '"* 18-19 * * 1-5"')
    (tmp_path / "two.yaml").write_text(text)
    panel = simkit.explore(tmp_path / "two.yaml")
    with pytest.raises(simkit.InputError, match="schedules: Coder would ignore them all"):
        panel.set(hours_1=(9, 19))
    assert panel.setting == panel.today


@pytest.mark.parametrize(
    ("cron", "block"),
    [
        ("* 9-16 * * 1-5", Block(9, 16, 0b0011111, 2)),
        ("* * * * 0", Block(0, 23, 0b1000000, 2)),
        ("* 6 * * *", Block(6, 6, 0b1111111, 2)),
        ("* 6,18 * * *", None),
        ("* 6-8 1 * *", None),
        ("* 6-8 * 12 *", None),
    ],
)
def test_a_schedule_of_more_than_hours_of_weekdays_has_no_slider_and_stays(cron, block, tmp_path):
    text = SCENARIO.replace('{cron: "* 9-16 * * 1-5", instances: 4}, ', "").replace("* 10-11 * * 6,0", cron)
    (tmp_path / "odd.yaml").write_text(text)
    scenario = simkit.load(tmp_path / "odd.yaml")
    (schedule,) = preset_of(scenario, "dev").schedules
    assert block_of(schedule) == block
    setting = Setting.of(scenario, "dev")
    assert (len(setting.blocks), len(setting.kept)) == ((1, 0) if block else (0, 1))
    assert setting.scenario(scenario, "dev").versions[0].presets[0].schedules[0].cron.split()[1:] == cron.split()[1:]


def test_the_panel_is_its_first_state_where_nobody_can_move_it(panel, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    still = panel._repr_mimebundle_()
    assert sorted(still) == ["text/html", "text/plain"]
    (image,) = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)"', still["text/html"])
    svg = base64.b64decode(image).decode()
    assert "hour of the week, local time, America/New_York" in svg
    assert "<script" not in svg
    assert "cost of the pool, USD" in still["text/html"]
    assert "cron      = &quot;* 9-16 * * 1-5&quot;" in still["text/html"]


def test_a_slider_that_is_moved_redraws_what_it_comes_to_and_tells_what_cannot_be(panel):
    pytest.importorskip("ipywidgets")
    bundle = panel._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"} <= set(data)
    title, *sliders, told, shown = panel._widget.children
    assert "dev" in title.value
    assert [slider.description for slider in sliders] == [
        "base",
        "Monday to Friday: hours",
        "Monday to Friday: instances",
        "Saturday and Sunday: hours",
        "Saturday and Sunday: instances",
        "TTL",
        "daemons",
        "build, median",
    ]
    before = shown.value
    sliders[2].value = 9
    assert panel.setting.blocks[0].instances == 9
    assert shown.value != before
    sliders[1].value = (9, 9)
    assert "is not on the slider" in told.value
    sliders[1].value = (9, 12)
    assert told.value == ""
    assert panel.setting.blocks[0] == Block(9, 11, 0b0011111, 9)


def test_names_are_text_in_the_panel(tmp_path):
    name = "<script>alert(1)</script>"
    (tmp_path / "odd.yaml").write_text(SCENARIO.replace("dev", f'"{name}"').replace("USD", name))
    html = simkit.explore(tmp_path / "odd.yaml").html
    assert "<script" not in html


def test_a_preset_that_is_not_there_is_told(scenario):
    with pytest.raises(simkit.InputError, match='preset: there is no preset "dv"; write "dev"'):
        simkit.explore(scenario, "dv")


def small(scenario, preset: str | None = None) -> Grid:
    """A grid of few positions: two of each slider, of which one is today's."""
    grid = Grid.of(scenario, preset or chosen(scenario, None, 0))
    moves = tuple(
        replace(move, values=move.values[max(0, now - 1) : max(2, now + 1)])
        for move, now in zip(grid.moves, grid.now, strict=True)
    )
    return replace(grid, moves=moves)


def data_of(page: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(found)


def test_every_position_of_a_page_is_what_a_run_of_that_scenario_gives(scenario):
    given = simkit.load(scenario)
    grid = small(given, "dev")
    counted = grid.counted(seed=3, replications=2)
    positions = list(grid.positions)
    assert len(positions) == len(counted) == 64
    data = data_of(page_of(grid, counted, 3))
    chance = random.Random(7)
    for cell in [positions.index(grid.now), *chance.sample(range(len(positions)), 4)]:
        moved = grid.setting(positions[cell]).scenario(given, "dev")
        runs = [measures(simkit.run(moved, seed=3, replication=r)) for r in range(2)]
        row = runs[0].presets.index("dev")
        rates = [run.hits[row] / run.claims[row] for run in runs]
        texts = [data["strings"][column[cell]] for column in data["measures"]]
        assert texts[0].startswith(f"{np.mean(rates):.1%}"), cell
        assert texts[2].startswith(f"{np.mean([run.idle_us[row] for run in runs]) / HOUR_US / 2:,.0f}"), cell
        assert texts[3].startswith(f"{np.mean([run.builds[row] for run in runs]) / 2:,.0f}"), cell
        pool = np.mean([run.spent_us[row, :3].sum() for run in runs]) / HOUR_US / 2 * 0.5
        assert texts[4].startswith(f"{pool:,.0f}"), cell
        interval = mean_interval(rates)
        assert texts[0] == f"{interval.mean:.1%} ({max(0, interval.low):.1%} to {min(1, interval.high):.1%})", cell


def test_the_block_and_the_words_of_a_position_are_those_of_its_setting(scenario):
    given = simkit.load(scenario)
    grid = small(given, "dev")
    data = data_of(page_of(grid, [(see(given, "dev", 0),)] * len(list(grid.positions)), 0))
    of_daemons = len(grid.moves[-1].values)
    for cell, position in enumerate(grid.positions):
        setting = grid.setting(position)
        block = "\n".join(data["strings"][line] for line in data["blocks"][cell // of_daemons])
        assert block == terraform(preset_of(setting.scenario(given, "dev"), "dev"), "")
        assert (
            f"Wanted: {Plan(setting.base, setting.blocks).words}." == data["strings"][data["words"][cell // of_daemons]]
        )


ODD = {
    "no schedule": ("    scheduling:\n", None),
    "all day": ('"* 9-16 * * 1-5"', '"* * * * 1-5"'),
    "one hour": ('"* 9-16 * * 1-5"', '"* 0 * * *"'),
    "the last hour": ('"* 9-16 * * 1-5"', '"* 23 * * 1"'),
    "many": ("instances: 4", "instances: 90"),
}


@pytest.mark.parametrize("name", ODD)
def test_sliders_have_todays_value_and_hours_of_one_day_whatever_is_set(name, tmp_path):
    old, new = ODD[name]
    text = SCENARIO
    if new is None:
        begin = text.index(old)
        text = text[:begin] + text[text.index("  - {name: quiet") :]
    else:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "odd.yaml").write_text(text)
    given = simkit.load(tmp_path / "odd.yaml")
    grid = Grid.of(given, "dev")
    now, today = Setting.of(grid.setting(grid.now).scenario(given, "dev"), "dev"), Setting.of(given, "dev")
    assert replace(now, blocks=tuple(sorted(now.blocks))) == replace(today, blocks=tuple(sorted(today.blocks)))
    assert [list(move.values) for move in grid.moves[2:4]] == [sorted(move.values) for move in grid.moves[2:4]]
    assert max(grid.moves[2].values) < min(grid.moves[3].values) <= 24
    assert 500 < len(list(grid.positions)) < 6000
    for position in (tuple(0 for _ in grid.moves), tuple(len(move.values) - 1 for move in grid.moves)):
        assert grid.setting(position).scenario(given, "dev").versions[0].presets[0].name == "dev"


def test_a_page_of_the_most_positions_is_small_enough_to_send(scenario):
    given = simkit.load(scenario)
    grid = Grid.of(given, "dev")
    print("seed 5")
    chance = random.Random(5)
    now = totals(given, "dev", count(givens(given, 0, 0)))
    counted = [
        tuple(
            replace(now, hit_rate=chance.random(), wait_p95_s=3000 * chance.random(), cost=9e5 * chance.random())
            for _ in range(3)
        )
        for _ in grid.positions
    ]
    assert len(page_of(grid, counted, 0).encode()) < LARGEST


def test_a_page_that_would_be_too_large_is_refused(scenario, monkeypatch):
    given = simkit.load(scenario)
    monkeypatch.setattr(simkit.studies.explore.offline, "LARGEST", 5000)
    with pytest.raises(simkit.InputError, match=r'the page would have [\d,]+ bytes, .* "dev" has 2 schedules'):
        page_of(small(given, "dev"), [(see(given, "dev", 0),)] * 64, 0)


def test_a_page_says_what_its_interval_holds_and_what_held_the_answer_back(scenario, tmp_path):
    given = simkit.load(scenario)
    grid = small(given, "dev")
    now = totals(given, "dev", count(givens(given, 0, 0)))
    some = len(list(grid.positions))
    assert "the chance of who comes, as the scenario says it, and of builds" in page_of(grid, [(now, now)] * some, 0)
    assert "one run&#x27;s, without an interval" in page_of(grid, [(now,)] * some, 0)
    history = replace(given, demand=History(np.array([given.start_at + HOUR_US]), ("dev",)))
    page = page_of(Grid(history, "dev", grid.today, grid.moves, grid.block), [(now, now)] * some, 0)
    assert "That holds the chance of builds only" in page


HELD = {
    "limited_us": (3 * HOUR_US, "The hard limit keeps this pool from building for 3 hours of the window"),
    "failed": (10.0, "20.0% of the builds of prebuilds fail."),
    "above_quota": (2.0, "The quota ends 2.0 of them a week."),
    "queued": (0.25, "25.0% of claims wait for a free provisioner daemon, 1m30s on average."),
}


@pytest.mark.parametrize("name", HELD)
def test_what_bound_an_answer_is_said(name):
    free = Totals(9.0, 0.5, 60.0, 10.0, 12.0, 6.0, 50.0, 0, 0.0, 0.0, 0.0, 90.0)
    nothing = "Neither the hard limit nor failed builds, the quota or a lack of daemons held this back."
    assert held([free]) == nothing
    value, told = HELD[name]
    bound = replace(free, **{name: value})
    assert held([bound, bound]).startswith(told.removesuffix("."))
    if name == "limited_us":
        assert held([bound, free]) == f"{told} on average, in 1 of 2 replications."


def test_the_week_of_a_page_is_what_the_schedules_want(scenario):
    """The page's own script adds the same numbers; a browser test looks at what it draws."""
    given = simkit.load(scenario)
    grid = Grid.of(given, "dev")
    week = data_of(
        page_of(small(given, "dev"), [(see(given, "dev", 0),)] * len(list(small(given, "dev").positions)), 0)
    )["week"]
    base, level, first, until = 3, 11, 8, 18
    setting = replace(
        grid.today,
        base=base,
        blocks=(replace(grid.today.blocks[0], first=first, last=until - 1, instances=level), *grid.today.blocks[1:]),
    )
    hours = np.arange(168)
    is_in = (week["days"] >> (hours // 24) & 1).astype(bool) & (hours % 24 >= first) & (hours % 24 < until)
    mine = np.where(is_in, level, np.array(week["of_base"]) * base + np.array(week["other"]))
    assert mine == pytest.approx(wanted_by_hour(setting.scenario(given, "dev"), "dev"))
    assert week["ignored"] == []


def test_what_a_page_cannot_hold_or_has_no_preset_for_is_refused(scenario):
    with pytest.raises(simkit.InputError, match='there is no preset "dv"; write "dev"'):
        offline(scenario, "dv")
    with pytest.raises(simkit.InputError, match="replications: 0 is out of range; write 1 to"):
        offline(scenario, replications=0)
