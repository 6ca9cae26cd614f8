"""A replay stands beside what happened, and says where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from simkit.deployment.replay import means, replay, told
from simkit.errors import InputError, StoreError
from simkit.store import asking
from simkit.store.asking import HISTORY

CLAIMS = """
SELECT p.preset, c.created_at, c.hit, c.ready_at, j.started_at, j.completed_at, j.error IS NULL
FROM claims AS c
JOIN presets AS p USING (run_id, preset_id)
JOIN workspace_builds AS b ON b.run_id = c.run_id AND b.id = c.workspace_build_id
JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
WHERE c.run_id = ? ORDER BY ALL
"""
PREBUILDS = """
SELECT
    p.preset, s.created_at, s.started_at, s.completed_at, s.build_status, s.ready_at, s.claimed_at, s.delete_created_at,
    s.deleted_at
FROM prebuilds AS s JOIN presets AS p USING (run_id, preset_id) WHERE s.run_id = ? ORDER BY ALL
"""
CASES = (
    (1, {}),
    (2, {"coder": {"version": "v2.26", "provisioner_daemons": 1}}),
    (3, {"failures": {"probability": 0.3, "cleared_after": "2h"}}),
    (4, {"coder": {"version": "v2.30", "provisioner_daemons": 4}, "failures": {"probability": 0.0}}),
    (5, {"failures": {"probability": 0.5}}),  # nobody clears: the hard limit ends the pools
    (6, {"claim_order": "newest", "coder": {"version": "v2.28", "provisioner_daemons": 2}}),
    (7, {"window": {"from": "2026-10-30", "until": "2026-11-04", "timezone": "America/New_York"}}),  # clocks go back
    (8, {"coder": {"version": "v2.24"}, "template_schedule": {"default_ttl": "3h"}}),  # prebuilds are stopped
)


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


@pytest.mark.parametrize(
    ("seed", "changes"),
    [*CASES[:3], *(pytest.param(*case, marks=pytest.mark.slow) for case in CASES[3:])],
)
def test_a_replay_by_its_own_scenario_reproduces_a_simulated_history_row_by_row(tmp_path, seed, changes):
    print("seed", seed)
    drawn = _scenario(tmp_path / "drawn.yaml", yaml.safe_load(SCENARIO) | changes)
    _write_claims(simkit.run(drawn, seed=seed), tmp_path / "claims.csv")
    given = yaml.safe_load(SCENARIO) | changes
    before = simkit.run(_scenario(tmp_path / "own.yaml", given | {"demand": {"history": "claims.csv"}}), seed=seed)
    before.save(tmp_path / "before.duckdb")
    my = tmp_path / "my.duckdb"
    bring(my, Exports(write_files(rows_of(before), tmp_path)), zone("America/New_York"))

    # Who asked is taken from the history.
    query = f"SELECT c.created_at AS started_at, p.preset FROM claims AS c JOIN ({_NAMES}) AS p ON p.id = c.preset_id"
    replayed = given | {"demand": {"history": {"duckdb": "my.duckdb", "query": query}}}
    again = simkit.run(_scenario(tmp_path / "again.yaml", replayed), seed=seed)
    again.save(tmp_path / "again.duckdb")

    for sql, least in ((CLAIMS, 80), (PREBUILDS, 20)):
        recorded = asking.rows_of(my, sql, HISTORY)
        assert len(recorded) >= least
        assert _differ(recorded, asking.rows_of(tmp_path / "before.duckdb", sql, before.run_id)) == []
        assert _differ(recorded, asking.rows_of(tmp_path / "again.duckdb", sql, again.run_id)) == []

    found = replay(my, tmp_path / "again.yaml", seed=seed, replications=2)
    for one in found.presets:
        assert one.days_with_claims > 0
        assert one.days == (), "one of the replays is the history itself"
        assert one.pools is not None
        assert np.isclose(one.pools.recorded[:, None], one.pools.replayed).any(axis=1).all()
    waits = [found.claims[found.claims["replication"] == i].drop(columns="replication") for i in (-1, 0)]
    assert waits[0].to_csv(index=False) == waits[1].to_csv(index=False)


_NAMES = "SELECT id, name AS preset FROM template_version_presets"


def _scenario(path: Path, given: dict[str, Any]) -> simkit.Scenario:
    path.write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")
    return simkit.load(path)


def _write_claims(result: simkit.Result, path: Path) -> None:
    claims, presets = result.tables["claims"], result.tables["template_version_presets"]
    names = dict(zip(presets["id"].tolist(), presets["name"].tolist(), strict=True))
    rows = [
        f'{at},"{names[i]}"' for at, i in zip(claims["created_at"].tolist(), claims["preset_id"].tolist(), strict=True)
    ]
    assert len(set(rows)) == np.size(claims["id"])
    path.write_text("\n".join(["started_at,preset", *rows]) + "\n", encoding="utf-8")


def _differ(some: Sequence[tuple[Any, ...]], others: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows that only one of both has."""
    return sorted(set(some) ^ set(others), key=str)[:4] + ([()] if len(some) != len(others) else [])


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
        assert one.by_chance == pytest.approx(10 / 9)
        assert told(one)[0].startswith("Replayed are ")


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
    assert lines[0].endswith("of the claims were hits; what is played has no pool for them.")
    said = "On 5 of 5 days with claims the recorded hits are none of the replays' (by chance alone: on 0 or fewer):"
    assert lines[1] == said
    assert "  and 3 more" in lines
    assert "claims were hits; replayed 0 to 0" in lines[2]


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


@pytest.fixture
def paused(tmp_path, office) -> Path:
    """A history in which the reconciler was paused on a Wednesday, and a version with one prebuild came on Thursday."""
    version = {"event": "activate", "version": "v2", "presets": [{"name": "large", "instances": 1}]}
    events = [
        {"at": "2026-03-04T09:30", "event": "pause"},
        {"at": "2026-03-04T16:00", "event": "resume"},
        {"at": "2026-03-05T12:00", **version},
    ]
    given = yaml.safe_load(office.read_text()) | {"events": events, "failures": {"probability": 0.0}}
    simkit.run(_scenario(tmp_path / "paused.yaml", given), seed=2).save(tmp_path / "paused.duckdb")
    return tmp_path / "paused.duckdb"


def test_a_pause_is_a_day_that_differs_most_and_is_suspected(paused):
    [large] = [one for one in replay(paused, replications=6).presets if one.preset == "large"]
    worst = large.days[0]
    assert str(worst.day) == "2026-03-04"
    assert worst.hits < worst.replayed.low
    assert worst.running < worst.replayed_running.low
    assert "The reconciler was paused at 09:30." in worst.why
    assert any("fewer stood or were being built than wanted" in sentence for sentence in worst.why)
    assert large.pools is not None
    hours = {large.zone.local(at).isoformat()[:13]: i for i, at in enumerate(large.pools.at.tolist())}
    at_noon = hours["2026-03-04T12"]
    assert not large.pools.is_around[at_noon]
    assert large.pools.recorded[at_noon] < large.pools.replayed[at_noon, 0]
    assert large.pools.wanted[at_noon] == 3
    assert large.pools.wanted[hours["2026-03-06T12"]] == 1


def test_a_scenario_of_another_time_is_refused_and_of_another_window_compared_where_both_are(paused, office, tmp_path):
    given = yaml.safe_load(office.read_text())
    later = given | {"window": {"from": "2026-05-02", "until": "2026-05-09"}}
    _scenario(tmp_path / "later.yaml", later)
    with pytest.raises(InputError, match="have no time in common"):
        replay(paused, tmp_path / "later.yaml")
    part = given | {"window": {"from": "2026-03-05", "until": "2026-03-12", "timezone": "America/New_York"}}
    _scenario(tmp_path / "part.yaml", part)
    found = replay(paused, tmp_path / "part.yaml", replications=2)
    assert {one.days_with_claims for one in found.presets} == {2}
    assert found.claims["at"].min() >= parse_instant("2026-03-05T00:00:00-05:00")


def test_a_mean_over_an_hour_is_the_area_under_the_steps():
    at, value = np.array([10, 20, 25]), np.array([2.0, 0.0, 4.0])
    edges = np.array([0, 10, 15, 30, 30, 40])
    assert means(at, value, edges).tolist() == [0.0, 2.0, (5 * 2 + 5 * 0 + 5 * 4) / 15, 0.0, 4.0]
    assert means(at[:0], value[:0], edges).tolist() == [0.0] * 5


def test_the_command_writes_the_pools_by_hour(paused):
    done = CliRunner().invoke(main, ["replay", str(paused), "--replications", "2", "--csv"])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    heads = "wanted,recorded,replayed_low,replayed_median,replayed_high"
    assert lines[0] == f"preset,timezone,hour_at,{heads}"
    assert lines[1].startswith("large,America/New_York,2026-03-02T00:00:00-05:00,1.000,0.")
    assert len(lines) == 1 + 2 * (7 * 24 - 1)  # the clocks go forward


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
