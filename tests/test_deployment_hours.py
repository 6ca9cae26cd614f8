"""The demand by hour of the week is that of the history, as sure as is said; what is not seen of it is said, too."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibrated import DEPLOYED, HOME, HOURS, each_calibrated, known
from click.testing import CliRunner

import simkit
from simkit.cli import main
from simkit.clock import DAY_US, HOUR_US, SECOND_US
from simkit.deployment.calibrate import Calibrated, calibrate, measured
from simkit.model import History, Preset, Profile, Scenario, TemplateVersion

FEW, MANY = 10, 100
"""Repetitions of the quick and of the slow test."""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("deployed") / "my.duckdb"
    simkit.run(DEPLOYED, seed=1).save(path)
    return path


def made(scenario: Scenario, folder: Path, **more) -> tuple[Calibrated, Scenario]:
    """(what was found of a simulated history, the scenario of it by hour of the week)."""
    simkit.run(scenario, seed=5).save(folder / "my.duckdb")
    found = calibrate(folder / "my.duckdb", folder / "s.yaml", by_hour=True, **more)
    return found, simkit.load(folder / "s.yaml")


def called(*words: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["calibrate", *map(str, words)])
    return done.exit_code, done.stdout, done.stderr


def shares(folder: Path, seeds: range) -> dict[str, float]:
    """In which share of repetitions each number that is known lay in the interval that was stated for it."""
    held: Counter[str] = Counter()
    stated: Counter[str] = Counter()
    for begin in range(seeds.start, seeds.stop, FEW):
        for found in each_calibrated(folder, range(begin, begin + FEW)):
            for what, value, interval in known(found):
                held[what] += interval.low <= value <= interval.high
                stated[what] += 1
    return {what: held[what] / count for what, count in stated.items()}


@pytest.mark.slow
def test_known_numbers_come_back_in_their_intervals(tmp_path):
    found = shares(tmp_path, range(FEW))
    assert min(found.values()) >= 0.6, found
    assert 0.9 <= sum(found.values()) / len(found) <= 0.99, found


@pytest.mark.longest
def test_each_known_number_comes_back_in_90_to_99_of_100_intervals(tmp_path):
    found = shares(tmp_path, range(MANY))
    assert {what: share for what, share in found.items() if not 0.9 <= share <= 0.99} == {}


def test_the_scenario_by_hour_serves_as_the_history_was_served(tmp_path):
    tight = (TemplateVersion("ide", "v1", (Preset("large", 1), Preset("small", 1))),)
    _, scenario = made(replace(DEPLOYED, versions=tight), tmp_path)
    history = simkit.ask(tmp_path / "my.duckdb", "hit_rate").set_index("preset")
    runs = [run.ask("hit_rate").set_index("preset") for run in simkit.replicate(scenario, 0, 20)]
    for preset in ("large", "small"):
        seen, *drawn = (of.loc[preset, "hits"] / of.loc[preset, "claims"] for of in (history, *runs))
        assert seen < 0.97, "some miss, or nothing is compared"
        assert min(drawn) <= seen <= max(drawn)


def test_a_week_with_a_single_claim_says_how_little_that_is(tmp_path):
    one = History(np.array([DEPLOYED.start_at + 10 * HOUR_US]), ("small",))
    found, scenario = made(replace(DEPLOYED, end_at=DEPLOYED.start_at + 7 * DAY_US, demand=one), tmp_path)
    small = found.facts.demand[1]
    # Garwood's interval for one.
    assert small.per_week == pytest.approx((1, 0.02532, 5.5716), abs=1e-3)
    assert small.trend is None
    told = "\n".join(note.text for note in found.notes)
    assert "small: 1 claim, fewer than 100: there may be 0.0 to 5.6 a week" in told
    assert "1.0 weeks long, fewer than 4" in told
    assert "large: nobody asked for it" in told
    assert [(p.preset, sum(p.claims_per_hour)) for p in scenario.demand] == [("small", pytest.approx(1))]


def test_a_day_that_is_not_in_the_history_is_told(tmp_path):
    found, scenario = made(replace(DEPLOYED, end_at=DEPLOYED.start_at + 2 * DAY_US), tmp_path)
    assert any("120 of the 168 hours of a week are not in the history" in note.text for note in found.notes)
    assert sum(scenario.demand[0].claims_per_hour[48:]) == 0
    assert np.isnan(found.facts.demand[0].per_day[2].low)


def test_demand_that_grows_is_told_with_its_level_at_the_end(tmp_path):
    weeks = range(6)
    at = [DEPLOYED.start_at + w * 7 * DAY_US + i * 600 * SECOND_US for w in weeks for i in range(20 * 2**w)]
    claims = History(np.sort(np.array(at)), ("small",) * len(at))
    found, _ = made(replace(DEPLOYED, demand=claims), tmp_path)
    trend = found.facts.demand[1].trend
    assert trend is not None
    assert trend.factor.low < 2 < trend.factor.high
    assert trend.level == pytest.approx(20 * 2**5.5, rel=0.02)
    assert any("small: the demand changes by +100.0%" in note.text for note in found.notes)


@pytest.mark.parametrize("name", ["ü" * 64, "line\nbreak\u2028 \x1b[31m \x85 \u202e", "🚀 \"q\" # 'null': {[", "null"])
def test_any_name_comes_back_as_it_was(tmp_path, name):
    version = TemplateVersion(name, "v1", (Preset(name, 1), Preset("other", 1)))
    found, scenario = made(replace(DEPLOYED, versions=(version,), demand=(Profile(name, HOME, HOURS),)), tmp_path)
    assert [preset.name for preset in scenario.versions[0].presets] == [name, "other"]
    assert [profile.preset for profile in scenario.demand] == [name]
    assert "\x1b" not in found.text
    assert scenario.versions[0].presets[1].schedules == ()


def test_time_in_the_queue_is_told_and_no_part_of_the_durations(tmp_path):
    found, _ = made(replace(DEPLOYED, provisioner_daemons=1), tmp_path)
    build = found.facts.durations[0]
    assert (build.kind, build.preset) == ("build", "")
    assert build.median[1] <= 360 * SECOND_US <= build.median[2]
    waited = next(sentence for sentence in found.assumed if sentence.startswith("Jobs of people waited"))
    assert int(waited.partition("p95 ")[2].partition("m")[0]) >= 3


def test_hidden_demand_raises_what_is_written_and_says_so(deployed, tmp_path):
    plain, more = tmp_path / "plain.yaml", tmp_path / "more.yaml"
    assert called(deployed, "--by-hour", "--out", plain)[0] == 0
    status, said, _ = called(deployed, "--hidden-demand", "10%", "--out", more)
    assert status == 0
    claims = measured(deployed, tmp_path).facts.claims
    assert f"10.000% more claims are written than were seen: {claims * 1.1:,.0f} in place of {claims:,}" in said
    seen, raised = (sum(sum(p.claims_per_hour) for p in simkit.load(path).demand) for path in (plain, more))
    assert raised == pytest.approx(1.1 * seen, rel=1e-4)
    assert "Demand is censored" in more.read_text(encoding="utf-8")


def test_a_file_that_is_there_stays_unless_it_is_forced(deployed, tmp_path):
    out = tmp_path / "s.yaml"
    out.write_text("mine", encoding="utf-8")
    status, _, error = called(deployed, "--out", out)
    assert (status, error) == (2, f"{out}: is there already; give another name, or --force\n")
    assert out.read_text(encoding="utf-8") == "mine"
    assert called(deployed, "--out", out, "--force")[0] == 0
    assert simkit.load(out).name == "ide"


def test_a_run_is_chosen_by_its_id_and_a_wrong_one_is_one_line(tmp_path):
    short = replace(DEPLOYED, end_at=DEPLOYED.start_at + DAY_US)
    runs = simkit.save(tmp_path / "two.duckdb", list(simkit.replicate(short, 0, 2)))
    out = tmp_path / "s.yaml"
    for words in ([], ["--run", "x"]):
        status, said, error = called(tmp_path / "two.duckdb", *words, "--out", out)
        assert (status, said, error.count("\n"), out.exists()) == (2, "", 1, False)
    assert called(tmp_path / "two.duckdb", "--run", runs[1], "--out", out)[0] == 0
    assert runs[1] in out.read_text(encoding="utf-8")
