"""Numbers that no longer suit the people who come fail, with the week since when and what mends them; others pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

import simkit
from simkit.cli import main
from simkit.clock import HOUR_US, MINUTE_US, WEEK_US, zone
from simkit.errors import Findings
from simkit.model import History, Preset, Scenario, Schedule, TemplateVersion, Workload, lognormal
from simkit.templates.check import FORMATS, Against, Checked, check, read_test_file, run_test
from simkit.templates.check.drift import Played, meets, parts_of, since

pytest_plugins = ["pytester"]

NEW_YORK = zone("America/New_York")
assert NEW_YORK is not None
START = datetime(2026, 3, 9)  # noqa: DTZ001  # a Monday, the clocks have changed
START_AT = NEW_YORK.at(START)
GOOD = ("* 8-9 * * 1-5", 6), ("* 10-16 * * 1-5", 1)
"""For people of whom most come between 9 and 10: ready an hour before, few afterwards."""


def template(*schedules: tuple[str, int], name: str = "large", instances: int = 0) -> str:
    blocks = "".join(
        f'      schedule {{\n        cron      = "{cron}"\n        instances = {count}\n      }}\n'
        for cron, count in schedules
    )
    return (
        f'data "coder_workspace_preset" "{name}" {{\n  name = "{name}"\n  prebuilds {{\n    instances = {instances}\n'
        f'    scheduling {{\n      timezone = "America/New_York"\n{blocks}    }}\n  }}\n}}\n'
    )


def deployed(
    path: Path,
    weeks: int,
    opens: Callable[[int], float] = lambda _: 9.0,
    people: Callable[[int], float] = lambda _: 30.0,
    **names: str,
) -> Path:
    """A simulated history: on each working day so many people within the hour from when it `opens`, others later."""
    print("seed 7")
    rng = np.random.default_rng(7)
    hours = []
    for day in range(7 * weeks):
        if day % 7 < 5:
            first = 24 * day + opens(day // 7)
            hours += [first + rng.random(rng.poisson(people(day // 7))), first + 1 + 7 * rng.random(rng.poisson(8))]
    at = START_AT + (np.sort(np.concatenate(hours)) * HOUR_US).astype(np.int64)
    name = names.get("preset", "large")
    schedules = tuple(Schedule(cron, count) for cron, count in GOOD)
    version = TemplateVersion("ide", "v1", (Preset(name, 0, 0, NEW_YORK.name, schedules),))
    scenario = Scenario(
        "ide", START_AT, START_AT + weeks * WEEK_US, (version,), History(at, (name,) * at.size), NEW_YORK,
        provisioner_daemons=14, workload=Workload(lognormal(4 * MINUTE_US, 6 * MINUTE_US)),
    )  # fmt: skip
    simkit.run(scenario, seed=3).save(path)
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("main.tf").write_text(template(*GOOD))
    return tmp_path


@pytest.fixture(scope="module")
def histories(tmp_path_factory) -> Path:
    """`shifted`: an hour later from the ninth week on; `steady`: never; `few`: from the seventh week on."""
    folder = tmp_path_factory.mktemp("histories")
    deployed(folder / "shifted.duckdb", 12, opens=lambda week: 9.0 if week < 8 else 10.0)
    deployed(folder / "steady.duckdb", 12)
    deployed(folder / "few.duckdb", 10, people=lambda week: 30.0 if week < 6 else 6.0)
    return folder


@pytest.fixture(scope="module")
def shifted(histories, tmp_path_factory) -> Checked:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("shifted"))
        Path("main.tf").write_text(template(*GOOD))
        Path("my.duckdb").symlink_to(histories / "shifted.duckdb")
        return check(["main.tf"], against=Against("my.duckdb"))


def monday(week: int) -> str:
    """Of the history's week, from 1 on."""
    return f"{START + timedelta(weeks=week - 1):%Y-%m-%d}"


def test_habits_that_shift_by_an_hour_fail_and_the_week_is_named(shifted):
    (failure,) = shifted.outcomes[0].failures
    assert (shifted.status, failure.where.line) == (1, 1)
    assert f"It broke in the week of Mon {monday(9)}:" in failure.text
    assert "in the 8 weeks before it" in failure.text
    assert failure.drift is not None
    assert failure.drift.misses
    assert len(failure.drift.by_week) == 12
    assert failure.drift.rate_before >= 0.95 > failure.drift.rate_after


def test_what_mends_it_was_tried_and_passes_when_it_is_pasted(shifted, histories, here):
    drift = shifted.outcomes[0].failures[0].drift
    assert drift is not None
    assert drift.is_best_enough
    assert drift.best.hit_rate >= 0.95
    assert drift.block.count("schedule {") <= 2, "as many schedules as there are"
    Path("main.tf").write_text(f'data "coder_workspace_preset" "large" {{\n  name = "large"\n{drift.block}\n}}\n')
    again = check(["main.tf"], against=Against(str(histories / "shifted.duckdb")))
    assert again.status == 0, FORMATS["text"](again)
    mended = again.outcomes[0].measured[0].drift
    assert mended is not None
    assert mended.now == drift.best


def test_a_history_that_does_not_drift_passes(histories, here):
    found = check(["main.tf"], against=Against(str(histories / "steady.duckdb")))
    assert found.status == 0, FORMATS["text"](found)
    (said,) = found.outcomes[0].measured
    assert said.ok
    assert "find one ready; expected 95 %" in said.text
    assert any("Demand is censored: " in finding.text for finding in found.findings)


def test_fewer_people_than_the_numbers_are_for_cost_too_much_since_that_week(histories, here):
    found = check(["main.tf"], against=Against(str(histories / "few.duckdb")))
    (failure,) = found.outcomes[0].failures
    assert failure.drift is not None
    assert (failure.drift.misses, failure.drift.costs_more) == (False, True)
    assert failure.drift.best.pool_hours_per_week * 1.1 < failure.drift.now.pool_hours_per_week
    assert f"It broke in the week of Mon {monday(7)}: the best numbers below have" in failure.text


def test_every_format_says_it_and_how_to_run_it_alone(shifted):
    week = f"It broke in the week of Mon {monday(9)}"
    assert week in FORMATS["text"](shifted)
    assert "To run it alone: simkit check main.tf --against my.duckdb -k 'large against my.duckdb'" in FORMATS["text"](
        shifted
    )
    whole = json.loads(FORMATS["json"](shifted))
    (failed,) = whole["tests"][0]["failures"]
    assert failed["drift"]["broke"] == f"{monday(9)}T00:00:00-04:00"
    assert failed["drift"]["misses_target"] is True
    assert failed["drift"]["prebuilds"] in failed["text"].replace("\n  ", "\n")
    assert whole["tests"][0]["measured"][0]["drift"] == failed["drift"]
    case = ElementTree.fromstring(FORMATS["junit"](shifted)).find(".//testcase[failure][@file='main.tf']")
    assert case is not None
    assert week in (case.findtext("failure") or "")
    (line,) = [line for line in FORMATS["github"](shifted).splitlines() if line.startswith("::error")]
    assert line.startswith("::error file=main.tf,line=1,title=simkit%3A large against my.duckdb::")
    assert week in line


def test_a_test_file_expects_it_of_a_history_and_of_what_it_simulates(histories, here):
    deployed(here / "old.duckdb", 12, opens=lambda week: 9.0 if week < 8 else 10.0, preset="huge")
    Path("a.simkit.yaml").write_text(
        "template: main.tf\ntests:\n  - name: near\n    expect:\n"
        "      - {within_of_best: 30%, against: old.duckdb, was: huge}\n"
        "      - {within_of_best: 0.3, against: old.duckdb, was: huge, target_hit_rate: 50%, weeks: 12}\n"
    )
    findings = Findings()
    file = read_test_file("a.simkit.yaml", findings)
    assert file is not None, list(findings)
    found = run_test(file, file.tests[0])
    assert [one.ok for one in found.measured] == [False, False]
    late, early = (one.drift for one in found.measured)
    assert late is not None
    assert early is not None
    assert (late.misses, late.weeks, late.target) == (True, 4, 0.95)
    assert (early.misses, early.weeks, early.target) == (False, 12, 0.5)
    assert early.costs_more


def test_a_demand_that_is_drawn_has_no_week_in_which_it_broke(here):
    Path("main.tf").write_text(template(("* 9-16 * * 1-5", 9)))
    Path("a.simkit.yaml").write_text(
        "template: main.tf\ntests:\n  - name: near\n    expect: [{within_of_best: 20%}]\n    simulate:\n"
        '      window: {from: "2026-03-09", until: "2026-03-23"}\n      cost: {per_instance_hour: 0.5}\n'
        "      durations: {build: 4m, agent: 30s}\n"
        "      demand: {profiles: [{preset: large, timezone: America/New_York, claims_per_week: 100, weekday: [\n"
        f"        {', '.join('1' if 9 <= hour < 17 else '0' for hour in range(24))}]}}]}}\n"
    )
    found = check(["."])
    (failure,) = found.outcomes[0].failures
    assert failure.drift is not None
    assert (failure.drift.costs_more, failure.drift.broke_at, failure.drift.weeks) == (True, None, 2)
    assert " USD a week, in place of " in failure.text
    assert "It broke" not in failure.text


def test_a_target_is_that_of_the_tests_of_the_preset_unless_it_is_given(histories, here):
    Path("a.simkit.yaml").write_text(
        "template: main.tf\ntests:\n  - name: near\n    simulate: {demand: c.csv}\n"
        "    expect: [{hit_rate: {at_least: 0.4}}]\n"
    )
    Path("c.csv").write_text("started_at\n2026-03-09T13:30:00Z\n")
    history = str(histories / "shifted.duckdb")
    for given, target, misses in ((None, 0.4, False), (0.9, 0.9, True)):
        found = check(["."], "against", against=Against(history, target=given))
        drift = found.outcomes[0].measured[0].drift
        assert drift is not None
        assert (drift.target, drift.misses) == (target, misses)


def test_a_thin_history_and_names_that_it_does_not_know_are_told(here):
    deployed(here / "thin.duckdb", 3)
    found = check(["main.tf"], against=Against("thin.duckdb"))
    assert (found.status, found.outcomes) == (0, ())
    (warning,) = [finding for finding in found.findings if finding.level == "warning"]
    assert "3 whole weeks are known (from Monday), and it takes 4" in warning.text
    assert check(["main.tf"], strict=True, against=Against("thin.duckdb")).status == 1
    Path("main.tf").write_text(template(*GOOD) + template(*GOOD, name="goland"))
    told = [str(f) for f in check(["main.tf"], against=Against("thin.duckdb")).findings]
    assert any('nobody asked for "goland" in thin.duckdb' in text for text in told)
    Path("main.tf").write_text(template(*GOOD, name="goland"))
    found = check(["main.tf"], against=Against("thin.duckdb"))
    assert found.status == 2
    told = "\n".join(map(str, found.findings))
    assert "write --renamed large=goland" in told
    assert "it has none of the presets here; it has large" in told
    renamed = check(["main.tf"], against=Against("thin.duckdb", renamed=(("large", "goland"),)))
    assert renamed.status == 0
    assert any('of the drift of "goland": 3 whole weeks' in f.text for f in renamed.findings)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--against", "no.duckdb"), "there is no such runs file"),
        (("--against", "main.tf"), "main.tf"),
        (
            ("--against", "{}", "--template", "idle"),
            'nobody asked for a preset of a template "idle"; write "ide"',
        ),
        (("--against", "{}", "--renamed", "larger=large"), 'there is no preset "larger"; write "large"'),
        (("--against", "{}", "--renamed", "large=larger"), 'no template here has a preset "larger"'),
        (("--against", "{}", "--weeks", "3"), "--weeks"),
        (("--against", "{}", "--target-hit-rate", "1"), "--target-hit-rate"),
    ],
)
def test_wrong_input_is_status_2_and_a_sentence(words, said, histories, here):
    given = [word.replace("{}", str(histories / "steady.duckdb")) for word in words]
    done = CliRunner().invoke(main, ["check", "main.tf", *given])
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        (
            "{within_of_best: 10%}",
            "a.simkit.yaml:4: tests[0].expect[0]: needs people who come; write against: my.duckdb",
        ),
        ("{within_of_best: ten, against: no.duckdb}", '"ten" is not a share; write 10% or 0.1'),
        ("{within_of_best: 10%, against: no.duckdb}", "there is no such runs file"),
        ("{against: main.tf, weeks: 2}", '"within_of_best" is missing; write within_of_best: 10%'),
        ("{against: main.tf, weeks: 2}", '"2" is not a whole number from 4 to 520'),
        ("{within_of_best: 1, target_hit_rate: 1, desired: 2}", "does not go with within_of_best"),
        ("{within_of_best: 1, target_hit_rate: 1}", '"1" is not a hit rate between 0 and 1'),
        ("{within_of_best: 1, was: big}", "is of a history; write against: my.duckdb"),
    ],
)
def test_an_expectation_that_is_wrong_is_told_at_its_line(expectation, said, here):
    Path("a.simkit.yaml").write_text(f"template: main.tf\ntests:\n  - name: near\n    expect: [{expectation}]\n")
    findings = Findings()
    assert read_test_file("a.simkit.yaml", findings) is None
    told = "\n".join(map(str, findings))
    assert said in told
    assert told.count("a.simkit.yaml:4: ") == len(told.splitlines())


def weeks_of(*rates: float, claims: float = 400.0) -> Played:
    """Weeks with these hit rates, as chance has them."""
    rng = np.random.default_rng(2)
    hits = rng.binomial(int(claims), rates).astype(np.float64)
    return Played(np.full(len(rates), claims), hits, np.ones(len(rates)), 1.0)


def test_the_week_is_that_in_which_the_last_change_for_the_worse_was():
    assert since(weeks_of(*[0.97] * 8, *[0.85] * 4), 0.95, misses=True) == 8
    assert since(weeks_of(*[0.97] * 11, 0.85), 0.95, misses=True) == 11
    assert since(weeks_of(*[0.9] * 12), 0.95, misses=True) is None
    assert since(weeks_of(*[0.85] * 3, *[0.98] * 5, *[0.9] * 4), 0.95, misses=True) == 8
    assert since(weeks_of(*[0.98] * 4, *[0.93] * 4, *[0.8] * 4), 0.95, misses=True) == 4
    assert since(weeks_of(*[0.8] * 6, *[0.97] * 4), 0.95, misses=False) == 6


def test_weeks_without_anybody_and_equal_weeks_are_one_part():
    assert parts_of(np.zeros(6), np.zeros(6)) == [(0, 6)]
    assert parts_of(np.full(6, 10.0), np.full(6, 10.0)) == [(0, 6)]
    empty = replace(weeks_of(0.97, 0.97, 0.97, 0.97), claims=np.array([400.0, 400, 400, 0]))
    assert parts_of(np.where(empty.claims > 0, empty.hits, 0), empty.claims) == [(0, 4)]


def test_of_two_hundred_steady_histories_about_one_in_twenty_has_a_week_that_stands_out():
    print("seed 5")
    rng = np.random.default_rng(5)
    cut = sum(len(parts_of(rng.binomial(200, 0.95, 12).astype(float), np.full(12, 200.0))) > 1 for _ in range(200))
    assert cut <= 20


def test_what_is_cheap_by_the_luck_of_four_weeks_is_not_enough():
    steady = weeks_of(*[0.93] * 12, claims=100.0)
    lucky = replace(steady, hits=np.append(steady.hits[:-4], np.full(4, 96.0)))
    assert parts_of(lucky.hits, lucky.claims) == [(0, 12)]
    assert not meets(lucky, 0.95, 4)
    assert meets(weeks_of(*[0.8] * 8, *[0.97] * 4), 0.95, 4), "earlier weeks were others"


def test_the_plugin_tells_the_drift(pytester, histories):
    (pytester.path / "main.tf").write_text(template(*GOOD))
    (pytester.path / "near.simkit.yaml").write_text(
        "template: main.tf\ntests:\n  - name: near the best\n    expect:\n"
        f"      - {{within_of_best: 10%, against: {histories / 'shifted.duckdb'}}}\n"
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--simkit", "near.simkit.yaml")
    result.assert_outcomes(failed=1)
    assert f"It broke in the week of Mon {monday(9)}:" in result.stdout.str()
