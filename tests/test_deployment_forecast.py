"""A forecast: its means are those of the weeks before, its bounds hold, and it says how it did."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from coder_database import SCENARIO
from hourly import WEEK, demand, weeks
from scipy.stats import nbinom, poisson

import simkit
from simkit.cli import main
from simkit.clock import HOUR_US, WEEK_US, parse_instant, zone
from simkit.deployment.forecast import (
    LEVELS,
    SCORED,
    foretell,
    hours_of,
    pinball,
    quantiles,
    told,
    tried,
)
from simkit.errors import InputError
from simkit.model import HOURS_PER_WEEK


@pytest.mark.parametrize(
    ("mean", "spread"), [(0.02, 0.0), (3.7, 0.0), (800.0, 0.0), (0.3, 2.0), (3.7, 0.4), (250.0, 0.05)]
)
def test_the_bounds_are_the_quantiles_of_a_negative_binomial_distribution(mean, spread):
    levels = (0.05, 0.5, 0.9, 0.95, 0.99, 0.999)
    n = 1 / spread if spread else 0
    expected = nbinom.ppf(levels, n, n / (n + mean)) if spread else poisson.ppf(levels, mean)
    found = quantiles(np.array([mean, 1.0, mean]), spread, levels)
    assert found[0].tolist() == found[2].tolist() == expected.tolist()


def test_the_loss_is_least_at_the_true_quantile():
    counts = np.random.default_rng(5).poisson(4.0, 20_000)
    losses = [pinball(counts, np.full((counts.size, 1), bound), (0.9,)) for bound in range(12)]
    assert int(np.argmin(losses)) == poisson.ppf(0.9, 4.0)
    assert pinball(np.array([3]), np.array([[1, 5]]), (0.9, 0.9)) == pytest.approx((0.9 * 2 + 0.1 * 2) / 2)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_bounds_of_95_hold_in_95_of_100_hours_and_lose_less_than_last_week(spread):
    found = foretell(demand(weeks(60, seed=7, spread=spread)), 1)
    assert found.trial is not None
    assert found.trial.origins == 52
    assert 0.94 <= found.trial.covered <= 0.99  # most hours are empty, and none of them is above its bound
    busy = hours_of(demand(weeks(60, seed=7, spread=spread)), ())
    assert found.trial.loss < 0.75
    assert busy.count.sum() == weeks(60, seed=7, spread=spread).sum()


def test_a_pool_of_the_bound_and_one_of_last_week_are_told_by_what_they_would_have_met():
    found = foretell(demand(weeks(60, seed=7)), 1)
    assert found.trial is not None
    bound, last_week = found.trial.bound, found.trial.last_week
    assert bound.over == pytest.approx(1 - found.trial.covered)
    assert bound.over < last_week.over
    assert bound.beyond < last_week.beyond / 5
    assert bound.spare > last_week.spare
    constant = foretell(demand(np.tile(WEEK.astype(int), 12)), 1)
    assert constant.trial is not None
    assert (constant.trial.last_week.over, constant.trial.last_week.spare) == (0, 0)


def test_it_is_as_good_as_a_generalized_linear_model_with_fourier_terms():
    """Poisson regression by statsmodels on weekdays and harmonics of the day, its quantiles from its own dispersion."""
    models = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed: nothing to compare with")
    print("seed", 11)
    chance = np.random.default_rng(11)
    workday = np.array([0] * 7 + [1, 3, 6, 7, 7, 5, 6, 7, 7, 6, 4, 2, 1, 1] + [0] * 3)
    week = np.concatenate([*[workday] * 5, *[workday / 5] * 2])
    growth = np.exp(np.cumsum(chance.normal(0, 0.08, 24)))[:, None]  # habits that change
    past = hours_of(demand(chance.poisson(week * growth * chance.gamma(8, 1 / 8, (24, week.size))).ravel()), ())

    def terms(of_week: np.ndarray) -> np.ndarray:
        day, wave = of_week // 24, 2 * np.pi * (of_week % 24) / 24
        is_weekend = day >= 5
        waves = [of(k * wave) * ~is_weekend for k in range(1, 9) for of in (np.sin, np.cos)]
        return np.stack([np.ones(day.size), is_weekend, *(day == d for d in (1, 2, 3, 4)), *waves], axis=1)

    own, theirs = 0.0, 0.0
    for origin in range(16 * HOURS_PER_WEEK, 24 * HOURS_PER_WEEK, 2 * HOURS_PER_WEEK):
        seen, part = past.part(0, origin), past.part(origin, origin + HOURS_PER_WEEK)
        fit = models.GLM(seen.count, terms(seen.of_week), family=models.families.Poisson()).fit()
        fitted = fit.fittedvalues
        spread = max(float(((seen.count - fitted) ** 2 - fitted).sum() / (fitted**2).sum()), 0.0)
        mean = np.maximum(fit.predict(terms(part.of_week)), 1e-3)
        theirs += pinball(part.count, quantiles(mean, spread, SCORED), SCORED)
        trial = tried(past.part(0, origin + HOURS_PER_WEEK), 1, 1)
        assert trial is not None
        week = past.count[origin - HOURS_PER_WEEK : origin]
        own += trial.loss * pinball(part.count, np.repeat(week[:, None], len(SCORED), axis=1), SCORED)
    print("own", own, "statsmodels", theirs)
    assert own < 1.1 * theirs


def test_an_hour_is_expected_to_be_what_it_and_its_neighbours_were():
    found = foretell(demand(np.tile(WEEK.astype(int), 8)), 2)
    week = (np.roll(WEEK, 1) + WEEK + np.roll(WEEK, -1)) / 3
    assert found.at.size == 2 * HOURS_PER_WEEK
    assert found.mean == pytest.approx(np.tile(np.maximum(week, 0.02), 2))


def test_a_week_counts_half_of_one_four_weeks_later():
    counts = np.zeros((9, HOURS_PER_WEEK), dtype=np.int64)
    counts[:, 20:23] = np.array([[8], [0], [0], [0], [16], [0], [0], [0], [32]])
    mean = foretell(demand(counts.reshape(-1)), 1).mean[21]
    weight = 0.5 ** (np.arange(8, -1, -1) / 4)
    assert mean == pytest.approx((weight @ counts[:, 21]) / weight.sum())


def test_hours_are_those_of_the_presets_own_clocks_across_a_change():
    home = zone("America/New_York")
    start_at = parse_instant("2026-01-05T00:00:00-05:00")
    counts = np.zeros((8, HOURS_PER_WEEK), dtype=np.int64)
    counts[:, 9] = 30  # Mondays at nine; the clocks jump on Sunday, 8 March
    found = foretell(demand(counts.reshape(-1), home, start_at), 2)
    busiest = [home.local(int(at)) for at, mean in zip(found.at, found.mean, strict=True) if mean > 5]
    assert [(w.weekday(), w.hour, w.date().isoformat()) for w in busiest] == [
        (0, hour, day) for day in ("2026-03-02", "2026-03-09") for hour in (8, 9, 10)
    ]
    assert found.at.size == 2 * HOURS_PER_WEEK
    assert {b - a for a, b in pairwise(found.at.tolist())} == {HOUR_US}


def test_holidays_are_expected_as_those_before_were_and_spoil_no_other_day():
    counts = weeks(12, seed=3, scale=4).reshape(12, HOURS_PER_WEEK)
    past, coming = date(2026, 2, 3), date(2026, 4, 1)  # a Tuesday, and the Wednesday after the last week
    without = foretell(demand(counts.reshape(-1)), 1)
    quiet = counts.copy()
    quiet[4, 24:48] = quiet[4, 24:48] // 4
    found = foretell(demand(quiet.reshape(-1)), 1, {past, coming})
    assert found.is_holiday.nonzero()[0].tolist() == list(range(48, 72))
    assert found.mean[48:72].sum() == pytest.approx(without.mean[48:72].sum() / 4, rel=0.15)
    assert found.mean[24:48].sum() == pytest.approx(without.mean[24:48].sum(), rel=0.02)
    unseen = foretell(demand(counts.reshape(-1)), 1, {coming})
    assert unseen.mean[48:72].max() <= 0.02  # as on Sundays, on which nobody comes


def test_the_trial_looks_only_back():
    """What comes after the last origin changes its score alone, and never the bounds of an origin before."""
    counts = weeks(20, seed=9)
    hours = hours_of(demand(counts), ())
    trial = tried(hours, 1)
    assert trial is not None
    assert trial.origins == 12
    one = tried(hours.part(0, 19 * HOURS_PER_WEEK), 1)
    more = counts.copy()
    more[-HOURS_PER_WEEK:] = 50
    assert tried(hours_of(demand(more), ()).part(0, 19 * HOURS_PER_WEEK), 1) == one


def test_a_history_that_is_too_short_is_told():
    with pytest.raises(InputError, match="3 weeks of history are too few"):
        foretell(demand(weeks(3)), 1)
    found = foretell(demand(weeks(5)), 1)
    assert found.trial is None
    assert told(found) == "Not tried on past weeks: that needs 9 weeks of history."


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["forecast", *arguments])
    return done.exit_code, done.output


@pytest.fixture
def scenario(tmp_path):
    """Twelve weeks of one preset's history."""
    given = demand(weeks(12, seed=2))
    rows = "".join(f"{at},large\n" for at in given.claim_at.tolist())
    (tmp_path / "history.csv").write_text(f"started_at,preset\n{rows}", encoding="utf-8")
    (tmp_path / "s.yaml").write_text(
        'name: s\nwindow: {from: "2026-01-05", until: "2026-03-30", timezone: UTC}\n'
        "presets: [{name: large, instances: 3}, {name: nobody, instances: 0}]\ndemand: {history: history.csv}\n",
        encoding="utf-8",
    )
    return tmp_path / "s.yaml"


def test_a_scenario_and_a_file_of_its_run_are_looked_ahead_from_alike(scenario, tmp_path):
    simkit.run(simkit.load(scenario)).save(tmp_path / "runs.duckdb")
    one, other = (simkit.forecast(source, 2) for source in (scenario, tmp_path / "runs.duckdb"))
    assert [found.preset for found in one] == [found.preset for found in other] == ["large"]
    assert one[0].mean.tolist() == other[0].mean.tolist()
    assert one[0].trial == other[0].trial


def test_the_command_shows_a_row_a_day_and_writes_a_row_an_hour(scenario, tmp_path):
    (tmp_path / "days.csv").write_text("date,name\n2026-04-03,Good Friday\n")
    status, said = run(str(scenario), "--weeks", "2", "--holidays", str(tmp_path / "days.csv"))
    assert status == 0
    assert sum(line.startswith(("Mon 2026-", "Fri 2026-04-03 holiday")) for line in said.splitlines()) == 3
    assert "Tried 3 times on the last weeks: in 9" in said
    assert "hours in which more came" in said
    assert "people beyond it" in said
    status, said = run(str(scenario), "--weeks", "1", "--csv")
    lines = said.splitlines()
    assert lines[0] == "preset,timezone,hour_at,claims,at_most_5%,at_most_50%,at_most_95%,at_most_99%,holiday"
    assert len(lines) == 1 + HOURS_PER_WEEK
    assert lines[1].startswith("large,UTC,2026-03-30T00:00:00Z,")
    assert len(lines[1].split(",")) == 5 + len(LEVELS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{scenario}", "--preset", "nobody"], 'nobody asked for a preset "nobody"; there is large'),
        (["{folder}/none.duckdb"], "none.duckdb"),
        (["{folder}/office.yaml"], "its demand is a profile"),
        (["{folder}/many.duckdb"], "2 runs and none is a history"),
        (["{scenario}", "--holidays", "{folder}/s.yaml"], 'has no column "date"'),
    ],
)
def test_what_nothing_can_be_said_of_is_told_with_status_2(scenario, tmp_path, arguments, words):
    (tmp_path / "office.yaml").write_text(SCENARIO, encoding="utf-8")
    if "many" in arguments[0]:
        for result in simkit.replicate(simkit.load(tmp_path / "office.yaml"), 0, 2):
            result.save(tmp_path / "many.duckdb")
    status, said = run(*(text.format(scenario=scenario, folder=tmp_path) for text in arguments))
    assert (status, words in said) == (2, True), said
    assert "Traceback" not in said


def test_the_weeks_of_a_forecast_are_a_whole_number_of_them():
    found = foretell(demand(weeks(6)), 3)
    assert (found.at[-1] + HOUR_US - found.at[0]) == 3 * WEEK_US
