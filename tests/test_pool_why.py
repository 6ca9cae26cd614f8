"""What `simkit why --preset` tells of a pool's day: levels, orders, the queue, failures and claims, in order."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from scenarios import MONDAY_AT, scenario

import simkit
from simkit.cli import main
from simkit.clock import HOUR_US
from simkit.model import Preset
from simkit.pool.why import PoolStory, why_preset

WEEK = """\
window: {from: "2026-03-02", until: "2026-03-04", timezone: America/New_York}
coder: {provisioner_daemons: 1}
presets:
  - name: large
    instances: 2
    scheduling: {timezone: America/New_York, schedules: [{cron: "* 9-17 * * *", instances: 4}]}
  - {name: small, instances: 1}
durations: {build: 4m, agent: 30s, claim: 10s, delete: 30s}
demand: {history: came.csv}
"""
CAME = "started_at,preset\n" + "".join(
    f"2026-03-03T09:{minute:02d}:00-05:00,{preset}\n"
    for minute, preset in ((1, "large"), (2, "large"), (3, "small"), (4, "large"), (30, "small"))
)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "came.csv").write_text(CAME)
    (tmp_path / "week.yaml").write_text(WEEK)
    simkit.run(simkit.load(tmp_path / "week.yaml")).save(tmp_path / "runs.duckdb")
    return tmp_path / "runs.duckdb"


def lines(story: PoolStory) -> list[str]:
    return [f"{story.zone.local(e.at):%H:%M} {e.what}: {e.why}" for e in story.events]


def test_a_bad_hour_is_told_with_its_queue(runs: Path):
    story = why_preset(runs, "large", "2026-03-03 09:00")
    assert (story.claims, story.misses) == (3, 1)
    assert lines(story)[:3] == [
        "09:00 at first: 4 wanted, 2 ready, 2 being built",
        "09:00 ordered: 2 builds: it wanted 4, 2 ran, 0 were starting; ready 09:04 to 09:13; the last waited 8m30s for "
        "a daemon, behind 4 builds: 3 for claims, 1 cold of its own",
        "09:01 served: 2 claims until 09:02",
    ]


def test_counts_are_those_of_the_day_and_the_levels_chain(runs: Path):
    for preset, claims in (("large", 3), ("small", 2)):
        day = why_preset(runs, preset, "2026-03-03")
        assert day.claims == claims
        assert day.misses == sum(int(re.match(r"\d+", e.why)[0]) for e in day.events if e.what == "missed")
        assert [e.at for e in day.events] == sorted(e.at for e in day.events)
    rises = [line for line in lines(why_preset(runs, "large", "2026-03-03")) if "wanted: " in line]
    assert [line.partition(":")[2].split(":")[1][:22] for line in rises] == [" rises from 2 to 4", " falls from 4 to 2"]


def test_a_quiet_day_says_so(runs: Path):
    assert why_preset(runs, "large", "2026-03-02").text.splitlines()[0] == (
        "large on Mon 2026-03-02, times in America/New_York: nobody came"
    )


def test_failures_and_a_backoff_are_told(tmp_path: Path):
    (tmp_path / "week.yaml").write_text(
        'window: {from: "2026-03-02", until: "2026-03-03"}\npresets: [{name: p, instances: 1}]\n'
        "failures: {builds: [1, 2, 3]}\n"
    )
    story = why_preset(simkit.run(simkit.load(tmp_path / "week.yaml")), "p", "2026-03-02")
    assert {"failed", "held still"} <= {event.what for event in story.events}
    assert any("hard limit" in event.why for event in story.events)


def test_a_pause_is_told_when_it_begins_and_while_it_is_on(tmp_path: Path):
    (tmp_path / "week.yaml").write_text(
        'window: {from: "2026-03-02", until: "2026-03-05"}\n'
        "presets: [{name: p, instances: 1}, {name: q, instances: 1}]\n"
        'events:\n  - {at: "2026-03-02T13:00", event: pause}\n  - {at: "2026-03-03T09:00", event: resume}\n'
        '  - {at: "2026-03-03T10:00", event: invalidate, preset: q}\n'
    )
    result = simkit.run(simkit.load(tmp_path / "week.yaml"))
    told = {
        day: [line for line in lines(why_preset(result, "p", f"2026-03-0{day}")) if " event: " in line]
        for day in (2, 3, 4)
    }
    assert told[2] == ["13:00 event: the reconciler is paused: it orders and deletes nothing until it is resumed"]
    assert told[3] == [
        "00:00 event: the reconciler is paused since Mon 2026-03-02 13:00: it orders nothing",
        "09:00 event: the reconciler is resumed",
    ]
    assert told[4] == []
    assert any("invalidated" in line for line in lines(why_preset(result, "q", "2026-03-03")))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "large"], "write --workspace NAME, or --preset NAME with --on 2026-11-16"),
        (["--workspace", "1", "--preset", "large", "--on", "2026-03-03"], "write --workspace NAME, or --preset NAME"),
        ([], "write --workspace NAME, or --preset NAME"),
        (["--preset", "larg", "--on", "2026-03-03"], '--preset: there is no preset "larg"'),
        (["--preset", "large", "--on", "Monday"], '--on: "Monday" is neither a day nor an hour; write a day, such as'),
        (
            ["--preset", "large", "--on", "2027-03-03"],
            "is not in the run, which goes from 2026-03-02 00:00 to 2026-03-04",
        ),
    ],
)
def test_what_is_wrong_is_told_with_status_2(runs: Path, words: list[str], said: str):
    outcome = CliRunner().invoke(main, ["why", str(runs), *words])
    assert outcome.exit_code == 2
    assert said in outcome.output


@pytest.mark.parametrize(
    ("asked", "built"), [(2, "each of its 2 claims built a workspace"), (0, "nobody asked for it")]
)
def test_a_preset_without_a_pool_is_told_as_that_and_not_as_unknown(asked: int, built: str):
    claims = tuple((MONDAY_AT + i * HOUR_US, "cold") for i in range(asked))
    result = simkit.run(scenario(Preset("warm", 1), Preset("cold", 0), Preset("cool", 0), claims=claims))
    with pytest.raises(simkit.InputError) as told:
        why_preset(result, "cold", "2026-03-02")
    assert f'--preset: "cold" has no pool in {result.run_id}: it never wants a prebuild, and {built}' in str(told.value)
    assert str(told.value).endswith("; those with a pool are warm")
    with pytest.raises(simkit.InputError, match='; write "cold"'):
        why_preset(result, "colt", "2026-03-02")
    alone = simkit.run(scenario(Preset("cold", 0)))
    with pytest.raises(simkit.InputError, match="no preset of the run has one"):
        why_preset(alone, "cold", "2026-03-02")


@pytest.mark.parametrize("columns", [60, 80])
def test_it_fits_a_terminal(runs: Path, columns: int):
    text = why_preset(runs, "large", "2026-03-03").wrapped(columns)
    assert max(map(len, text.splitlines())) <= columns
    assert " ".join(text.split()) == " ".join(why_preset(runs, "large", "2026-03-03").text.split())


def test_several_runs_are_asked_for_one(runs: Path):
    scenario = replace(simkit.load(runs.with_name("week.yaml")))
    simkit.run(scenario, seed=2).save(runs)
    with pytest.raises(simkit.InputError, match="there are several runs; give one of"):
        why_preset(runs, "large", "2026-03-03")
