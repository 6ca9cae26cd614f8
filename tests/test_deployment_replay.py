"""A replay stands beside what happened, and says where the two differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from coder_database import SCENARIO, coder_id, rows_of, simulated, write_files

import simkit
from simkit.cli import main
from simkit.clock import parse_instant, zone
from simkit.deployment.calibrate import measured
from simkit.deployment.exports import Exports
from simkit.deployment.history import bring
from simkit.deployment.replay import MEASURES, replay, told
from simkit.errors import InputError, StoreError


@pytest.fixture(scope="module")
def rows():
    return rows_of(simulated())


@pytest.fixture(scope="module")
def history(rows, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("replay")
    bring(folder / "my.duckdb", Exports(write_files(rows, folder)), zone("America/New_York"))
    return folder / "my.duckdb"


@pytest.fixture
def office(tmp_path) -> Path:
    """The scenario that the history was simulated by."""
    (tmp_path / "office.yaml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path / "office.yaml"


def test_a_simulated_history_is_reproduced_by_its_own_scenario_row_by_row(history, office):
    again = simkit.run(simkit.load(office), seed=3)
    claims = again.tables["claims"]
    found = replay(history, office, seed=3, replications=2)
    for one in found.presets:
        mine = simkit.ask(again, "summary").set_index("preset").loc[one.preset]
        for measure in set(MEASURES) - {"idle_instance_hours"}:  # the imported window ends with its last event
            assert one.recorded[measure] == pytest.approx(mine[measure], nan_ok=True)
    assert sum(one.recorded["claims"] for one in found.presets) == claims["id"].size


def test_replays_of_the_past_lie_around_what_happened(history):
    found = replay(history, replications=8)
    assert {one.preset for one in found.presets} == {"large", "small & cheap, 'x'"}
    for one in found.presets:
        assert one.replayed["claims"].low == one.replayed["claims"].high == one.recorded["claims"]
        for measure in ("hit_rate", "builds", "idle_instance_hours"):
            low, _, high = one.replayed[measure]
            assert low * 0.97 <= one.recorded[measure] <= high * 1.03, measure
        assert len(one.days) <= 1
        assert one.days_with_claims == 5


def test_a_scenario_that_is_not_what_happened_is_seen_day_by_day(history, tmp_path):
    text = measured(history, tmp_path).text
    changed = yaml.safe_load(text)
    for preset in changed["presets"]:
        preset.pop("scheduling", None)
        preset["instances"] = 0
    changed["demand"]["history"]["duckdb"] = str(history)
    (tmp_path / "none.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    [large] = [one for one in replay(history, tmp_path / "none.yaml").presets if one.preset == "large"]
    assert large.replayed["builds"].high == 0
    assert len(large.days) == 5
    lost = [abs(day.hits - day.replayed.median) for day in large.days]
    assert lost == sorted(lost, reverse=True)
    lines = told(large, most=2)
    assert lines[0] == "On 5 of 5 days with claims the recorded hits are none of the replays':"
    assert lines[-1] == "  and 3 more"
    assert "claims were hits; replayed 0 to 0" in lines[1]


def test_versions_are_played_while_they_were_active(rows, tmp_path):
    """A second version with more instances, from the fifth of March on."""
    new, at = coder_id("template_versions", 2), parse_instant("2026-03-05T00:00:00Z")
    preset = dict(rows["template_version_presets"][0], id=new, template_version_id=new, desired_instances=2)
    version = dict(rows["template_versions"][0], id=new, name="v2", created_at="2026-03-04T09:00:00Z")
    late = {
        row["workspace_id"]
        for row in rows["workspace_builds"]
        if row["build_number"] == 1 and parse_instant(row["created_at"]) >= at
    }
    moved = rows | {
        "template_versions": [*rows["template_versions"], version],
        "template_version_presets": [*rows["template_version_presets"], preset],
        "templates": [dict(rows["templates"][0], active_version_id=new)],
        "workspace_builds": [
            dict(row, template_version_id=new, template_version_preset_id=new) if row["workspace_id"] in late else row
            for row in rows["workspace_builds"]
        ],
    }
    bring(tmp_path / "two.duckdb", Exports(write_files(moved, tmp_path)), zone("America/New_York"))
    (tmp_path / "past.yaml").write_text(measured(tmp_path / "two.duckdb", tmp_path, is_past=True).text)
    made = simkit.load(tmp_path / "past.yaml")
    [event] = made.events
    first = min(row["created_at"] for row in moved["workspace_builds"] if row["template_version_id"] == new)
    assert event.at == parse_instant(first)
    assert [p.instances for p in event.version.presets] == [2]
    assert len(made.versions[0].presets) == 2
    now = yaml.safe_load(measured(tmp_path / "two.duckdb", tmp_path).text)
    assert [p["instances"] for p in now["presets"]] == [2]
    assert "events" not in now
    found = replay(tmp_path / "two.duckdb")
    assert {one.preset for one in found.presets} == {"large", "small & cheap, 'x'"}


def test_the_history_of_a_simulation_with_an_activation_is_replayed_with_it(tmp_path, office):
    given = yaml.safe_load(office.read_text())
    given["events"] = [
        {"at": "2026-03-04T12:00", "event": "activate", "version": "v2", "presets": [{"name": "large", "instances": 4}]}
    ]
    office.write_text(yaml.safe_dump(given))
    simkit.run(simkit.load(office), seed=1).save(tmp_path / "run.duckdb")
    text = yaml.safe_load(measured(tmp_path / "run.duckdb", tmp_path, is_past=True).text)
    assert [p["instances"] for p in text["presets"]] == [1, 1]
    assert [(e["version"], e["presets"][0]["instances"]) for e in text["events"]] == [("v2", 4)]


def test_the_command_shows_both_and_refuses_what_is_no_history(history, office, tmp_path):
    done = CliRunner().invoke(main, ["replay", str(history), "--replications", "3"])
    assert done.exit_code == 0
    assert "large: what happened, and 3 replays" in done.output
    assert done.output.count("hit rate") == 2
    with pytest.raises(StoreError, match="no such runs file"):
        replay(tmp_path / "none.duckdb")
    with pytest.raises(InputError, match='a template "none"'):
        replay(history, template="none")
    assert np.isfinite(replay(history, office, replications=2).presets[0].recorded["hit_rate"])
