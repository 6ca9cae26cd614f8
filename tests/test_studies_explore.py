"""The panel: what its sliders set, what a setting comes to, and what is seen where nobody moves anything."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import simkit
from simkit.clock import HOUR_US, MINUTE_US
from simkit.decide.plan import Block
from simkit.runs.measures import measures
from simkit.studies.explore.setting import Setting, block_of, preset_of, see

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
    assert all(np.array_equal(one, two) for one, two in zip(panel.seen, other, strict=True))
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
