"""What is replayed is a deployment's history, or a sample; and a change is more of the same schedule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from replayed import replayed

import simkit
from simkit.clock import DAY_US
from simkit.errors import StoreError
from simkit.studies.replay import setting


def test_more_prebuilds_come_wherever_any_is_wanted():
    given = simkit.load(Path(__file__).parent.parent / "data" / "scenarios" / "three-regions.yaml")
    one = setting.with_more(given, 2)
    for before, after in zip(given.versions[0].presets, one.versions[0].presets, strict=True):
        assert after.instances == (before.instances + 2 if before.instances else 0)
        assert [s.instances for s in after.schedules] == [s.instances + 2 for s in before.schedules if s.instances]
    fewer = setting.with_more(given, -99)
    assert {s.instances for p in fewer.versions[0].presets for s in p.schedules} == {1}


def test_a_change_is_a_scenario_file_or_more_of_what_was_played(tmp_path):
    of = replayed()
    assert setting.changed(of, more=2).name == "today's schedule +2"
    assert setting.changed(of, more=2).demand == of.scenario.demand
    (tmp_path / "other.yaml").write_text(
        'name: other\nwindow: {from: "2026-03-02", until: "2026-03-09"}\npresets: [{name: large, instances: 9}]\n'
    )
    other = setting.changed(of, str(tmp_path / "other.yaml"))
    assert other.name == "other"
    short = replace(of, scenario=replace(of.scenario, end_at=of.scenario.start_at + 5 * DAY_US))
    assert setting.compared(short, other, 2, 0) is None


def test_a_history_is_looked_for_and_the_sample_has_a_pause(tmp_path, monkeypatch):
    with pytest.raises(StoreError, match="there is no such runs file"):
        setting.replayed(str(tmp_path / "none.duckdb"))
    monkeypatch.chdir(Path(__file__).parent)
    of = setting.replayed(replications=2)
    assert [one.preset for one in of.presets] == ["backend-us", "backend-eu", "backend-ap"]
    whys = [sentence for one in of.presets for day in one.days for sentence in day.why]
    assert "The reconciler was paused at 09:00." in whys
    given = tmp_path / "my.duckdb"
    of.results[0].save(given)
    own = setting.replayed(str(given), replications=2)
    assert [one.recorded["claims"] for one in own.presets] == [one.recorded["claims"] for one in of.presets]
