"""A forecast becomes claims that a scenario takes, with the means and the variances that it foretells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hourly import demand, weeks

import simkit
from simkit.cli import main
from simkit.clock import HOUR_US, WEEK_US, zone
from simkit.deployment.coming import lines_of, write_coming
from simkit.deployment.forecast import Forecast, drawn, foretell
from simkit.errors import InputError
from simkit.model import History

SCENARIO = """\
# Ours.
name: s
window: {from: "2026-01-05", until: "2026-03-30", timezone: UTC}
presets:
- {name: large, instances: 3}
demand:
  # as it came
  history: history.csv

# What builds take.
durations: {build: 4m}
"""


@pytest.fixture(scope="module")
def found() -> Forecast:
    return foretell(demand(weeks(20, seed=4, scale=2, spread=0.3)), 26)


def test_draws_have_the_means_and_the_variances_that_are_foretold(found: Forecast):
    counts = []
    for seed in range(40):
        at = drawn(found, seed)
        assert (np.diff(at) >= 0).all()
        counts.append(np.histogram(at, np.append(found.at, found.at[-1] + HOUR_US))[0])
    count = np.stack(counts)
    assert count.sum() / 40 == pytest.approx(found.mean.sum(), rel=0.02)
    assert found.spread > 0.1

    def spread(mean: np.ndarray, of: np.ndarray) -> float:
        return float((((of - mean) ** 2 - mean) / (mean**2).mean()).mean())

    assert spread(found.mean, count) == pytest.approx(found.spread, rel=0.15)
    busy = replace(found, day_spread=found.spread / 2)
    days = np.stack([np.histogram(drawn(busy, seed), busy.at[::24])[0] for seed in range(40)])
    of_days = busy.mean.reshape(-1, 24).sum(axis=1)[:-1]
    within = ((busy.spread - busy.day_spread) * (busy.mean.reshape(-1, 24) ** 2).sum(axis=1)[:-1]).mean()
    expected = busy.day_spread + within / (of_days**2).mean()
    assert spread(of_days, days) == pytest.approx(expected, rel=0.25)


def test_a_draw_is_a_presets_own_and_the_seeds(found: Forecast):
    assert drawn(found, 1).tolist() == drawn(found, 1).tolist()
    assert drawn(found, 1).tolist() != drawn(found, 2).tolist()
    assert drawn(found, 1).tolist() != drawn(replace(found, preset="small"), 1).tolist()
    assert drawn(replace(found, spread=0.0, day_spread=0.0), 1).size == pytest.approx(found.mean.sum(), rel=0.1)


def test_days_that_are_busy_as_a_whole_have_a_spread_of_their_own():
    print("seed", 3)
    chance = np.random.default_rng(3)
    level = np.repeat(chance.gamma(1 / 0.2, 0.2, 40 * 7), 24)
    counts = chance.poisson(np.tile(np.maximum(weeks(1, seed=1), 0.0) * 6, 40) * level)
    found = foretell(demand(counts), 1)
    assert 0.08 < found.day_spread < found.spread
    independent = foretell(demand(weeks(40, seed=3, scale=6, spread=0.3)), 1)
    assert independent.day_spread < 0.06


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    rows = "".join(f"{at},large\n" for at in demand(weeks(12, seed=2)).claim_at.tolist())
    (tmp_path / "history.csv").write_text(f"started_at,preset\n{rows}", encoding="utf-8")
    (tmp_path / "s.yaml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path / "s.yaml"


def test_the_same_scenario_is_written_for_the_coming_weeks(scenario, tmp_path):
    found = simkit.forecast(scenario, 5)
    written = write_coming(found, tmp_path / "coming.yaml", scenario, seed=3)
    text = (tmp_path / "coming.yaml").read_text()
    assert text.startswith("# Ours.\nname: s\npresets:\n- {name: large, instances: 3}\n# What builds take.\n")
    coming, now = simkit.load(tmp_path / "coming.yaml"), simkit.load(scenario)
    assert coming.start_at == now.end_at
    assert coming.end_at == now.end_at + 5 * WEEK_US
    assert coming.versions[0].presets[0].instances == 3
    assert coming.workload == now.workload
    assert isinstance(coming.demand, History)
    assert coming.demand.claim_at.tolist() == drawn(found[0], 3).tolist()
    assert written.claims == coming.demand.claim_at.size
    assert simkit.run(coming).tables["claims"]["id"].size == written.claims
    (advice,) = simkit.recommend(coming, 0.9, max_schedules=1).presets
    assert advice.preset.name == "large"


def test_claims_alone_are_written_with_the_lines_that_take_them(scenario, tmp_path):
    home = zone("America/New_York")
    one = replace(simkit.forecast(scenario, 1)[0], preset='a, "b"', zone=home)
    written = write_coming([one], tmp_path / "coming.csv")
    presets = "[{name: 'a, \"b\"', instances: 1}]"
    (tmp_path / "own.yaml").write_text("\n".join([f"presets: {presets}", *lines_of(written)]))
    read = simkit.load(tmp_path / "own.yaml").demand
    assert isinstance(read, History)
    assert set(read.preset) == {'a, "b"'}
    assert read.claim_at.tolist() == drawn(one).tolist()


def test_what_cannot_be_written_is_told_and_leaves_nothing(scenario, tmp_path):
    found = simkit.forecast(scenario, 1)
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for out, beside, words in (
        ("coming.csv", scenario, "ends with .yaml: coming.yaml"),
        ("coming.yaml", None, "ends with .csv: coming.csv"),
        ("folder/coming.yaml", scenario, "stands beside it"),
        ("s.yaml", scenario, "the scenario itself"),
        ("history.csv", None, "is there already"),
        ("coming.yaml", tmp_path / "none.yaml", "there is no such file"),
    ):
        with pytest.raises(InputError, match=words):
            write_coming(found, tmp_path / out, beside)
    with pytest.raises(InputError, match="the scenario itself"):
        write_coming(found, scenario, scenario, force=True)
    with pytest.raises(InputError, match='there is no preset "other"'):
        write_coming([replace(found[0], preset="other")], tmp_path / "coming.yaml", scenario)
    assert sorted(tmp_path.rglob("*")) == before
    write_coming(found, tmp_path / "coming.csv")
    write_coming(found, tmp_path / "coming.csv", force=True)


def test_the_command_writes_what_run_takes(scenario, tmp_path):
    def said(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, list(arguments))
        return done.exit_code, done.output

    out = str(tmp_path / "coming.yaml")
    status, text = said("forecast", str(scenario), "--weeks", "1", "--for", str(scenario), "--out", out)
    assert status == 0
    assert "coming.csv: " in text
    assert "drawn with seed 0" in text
    assert said("run", out)[0] == 0
    status, text = said("forecast", str(scenario), "--out", str(tmp_path / "alone.csv"))
    assert "A scenario takes it with these lines:" in text
    assert '  demand: {"history": "alone.csv"}' in text
    assert said("forecast", str(scenario), "--for", str(scenario))[0] == 2
    picture = tmp_path / "forecast.png"
    assert said("forecast", str(scenario), "--weeks", "1", "--picture", str(picture))[0] == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert said("forecast", str(scenario), "--picture", str(tmp_path / "forecast.jpg"))[0] == 2
