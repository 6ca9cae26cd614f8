"""Less of an answer: a preset, a span of time, local clocks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from weekend import scenario

import simkit
from simkit.clock import from_datetime, parse_instant
from simkit.store import ask, questions, save

BERLIN = "Europe/Berlin"
TWO_ZONES = """\
name: zones
window: {from: "2026-03-06", until: "2026-03-10", timezone: America/New_York}
presets:
  - name: east
    instances: 1
    scheduling: {timezone: Europe/Berlin, schedules: [{cron: "* 8-17 * * 1-5", instances: 3}]}
  - {name: west, instances: 2}
demand:
  profiles:
    - {preset: east, timezone: Europe/Berlin, claims_per_week: 60, weekday: HOURS}
    - {preset: west, timezone: America/New_York, claims_per_week: 60, weekday: HOURS}
events:
  - {at: "2026-03-06T12:00:00Z", event: pause}
  - {at: "2026-03-06T14:00:00Z", event: resume}
""".replace("HOURS", str([0] * 8 + [2] * 10 + [0] * 6))


@pytest.fixture(scope="module")
def zones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zones")
    (folder / "zones.yaml").write_text(TWO_ZONES)
    save(folder / "runs.duckdb", simkit.replicate(simkit.load(folder / "zones.yaml"), 1, 2))
    return folder / "runs.duckdb"


def test_rows_of_one_preset_are_those_that_a_filter_of_the_whole_finds(zones: Path):
    whole = ask(zones, "builds")
    assert 0 < len(ask(zones, "builds", preset="east")) < len(whole)
    assert ask(zones, "builds", preset="east").equals(whole[whole["preset"] == "east"].reset_index(drop=True))


def test_a_span_of_time_holds_its_beginning_and_not_its_end(zones: Path):
    at = sorted(set(ask(zones, "builds")["created_at"]))
    first, last = (from_datetime(at[i].to_pydatetime()) for i in (3, 9))
    found = ask(zones, "builds", from_at=first, until_at=last)
    assert sorted(set(found["created_at"])) == at[3:9]


def test_what_began_before_and_still_holds_is_there(zones: Path):
    from_at = "2026-03-06T16:00:00Z"
    whole = ask(zones, "pool")
    found = ask(zones, "pool", from_at=from_at, until_at="2026-03-06T16:30:00Z")
    before = whole[whole["changed_at"] <= pd.Timestamp(from_at)].groupby(["run_id", "preset"]).tail(1)
    assert len(before) == 4
    begun = found[found["changed_at"] <= pd.Timestamp(from_at)]
    assert (
        begun.sort_values(["run_id", "preset"]).to_numpy().tolist()
        == before.sort_values(["run_id", "preset"]).to_numpy().tolist()
    )
    assert (found["changed_at"] < pd.Timestamp("2026-03-06T16:30:00Z")).all()


@pytest.mark.parametrize(
    ("from_at", "until_at", "seen"),
    [
        ("2026-03-06T11:00:00Z", "2026-03-06T12:00:00Z", False),
        ("2026-03-06T11:00:00Z", "2026-03-06T12:00:01Z", True),
        ("2026-03-06T13:00:00Z", "2026-03-06T13:30:00Z", True),
        ("2026-03-06T14:00:00Z", None, False),
        (None, "2026-03-06T12:30:00Z", True),
    ],
)
def test_a_pause_is_there_as_long_as_it_lasts_and_for_every_preset(
    from_at: str | None, until_at: str | None, seen: bool, zones: Path
):
    found = ask(zones, "events", preset="west", from_at=from_at, until_at=until_at)
    assert found["event"].tolist() == ["pause", "pause"] * seen


def test_a_hard_limit_that_nothing_ends_lasts_to_the_end(tmp_path: Path):
    path = tmp_path / "limit.yaml"
    path.write_text(
        "name: limit\nwindow: {from: '2026-03-02', until: '2026-03-05'}\npresets: [{name: a, instances: 1}]\n"
        "failures: {probability: 1}\n"
    )
    result = simkit.run(simkit.load(path))
    (limit,) = ask(result, "hard_limits")["from_at"]
    assert len(ask(result, "hard_limits", from_at="2026-03-04")) == 1
    failures = ask(result, "failures", from_at="2026-03-04")["what"].tolist()
    assert failures == ["hard limit"], "a build that failed lasts no longer"
    assert len(ask(result, "hard_limits", until_at=from_datetime(limit.to_pydatetime()))) == 0


def test_a_time_without_an_offset_is_of_each_rows_own_clocks(zones: Path):
    found = ask(zones, "builds", from_at="2026-03-09T09:00", until_at="2026-03-09T12:00")
    assert set(found["preset"]) == {"east", "west"}
    for row in found.itertuples():
        assert 9 <= row.created_at.tz_convert(row.timezone).hour < 12
    for preset, zone in (("east", BERLIN), ("west", "America/New_York")):
        # This question has no zones of its own.
        for at in ask(zones, "decisions", preset=preset, from_at="2026-03-09T09:00", until_at="2026-03-09T12:00")[
            "decided_at"
        ]:
            assert 9 <= at.tz_convert(zone).hour < 12


def test_local_time_is_the_same_instant_by_the_presets_clocks_with_the_zone(zones: Path):
    for question in sorted(questions()):
        utc, local = ask(zones, question), ask(zones, question, local=True)
        assert "timezone" in local
        for name in utc:
            if isinstance(utc[name].dtype, pd.DatetimeTZDtype):
                for before, after, zone in zip(utc[name], local[name], local["timezone"], strict=True):
                    assert before == after or (before is pd.NaT and after is pd.NaT)
                    assert after is pd.NaT or str(after.tzinfo) == zone
    zoned = ask(zones, "decisions", local=True)
    assert dict(zip(zoned["preset"], zoned["timezone"], strict=True)) == {"east": BERLIN, "west": "America/New_York"}
    assert set(ask(zones, "workspaces", local=True)["timezone"]) == {"America/New_York"}


def test_daylight_saving_changes_the_offset_of_local_time(zones: Path):
    at = ask(zones, "decisions", preset="west", local=True)["decided_at"]
    assert {str(one)[-6:] for one in at} == {"-05:00", "-04:00"}


def test_a_file_and_results_in_memory_are_narrowed_alike(tmp_path: Path):
    results = list(simkit.replicate(scenario(), 7, 2))
    save(tmp_path / "runs.duckdb", results)
    for question in ("builds", "pool", "decisions"):
        given = {"preset": "large", "from_at": "2026-03-07T10:00:00Z", "local": True}
        known = ask(results, question)["preset"].unique()
        given["preset"] = known[0]
        one, other = (ask(source, question, **given) for source in (tmp_path / "runs.duckdb", results))
        assert len(one) > 0
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    ("question", "given", "said"),
    [
        (
            "summary",
            {"from_at": "2026-03-06"},
            ['--from: the rows of "summary" have no instant; it takes --preset, --over replications'],
        ),
        (
            "runs",
            {"until_at": "2026-03-06"},
            ['--until: the rows of "runs" have no instant; it takes none of these options'],
        ),
        (
            "workspaces",
            {"preset": "east"},
            ['--preset: the rows of "workspaces" have no preset; it takes --from and --until'],
        ),
        (
            "pool",
            {"over": "replications"},
            [
                '--over: the rows of "pool" have no counterparts in other replications; '
                "it takes --preset, --from and --until"
            ],
        ),
        ("pool", {"preset": "eats"}, ['--preset: there is no preset "eats"; write "east"']),
        ("hours", {"over": "weeks"}, ['--over: "weeks" is nothing to sum up over; write "replications"']),
        (
            "pool",
            {"from_at": "2026-03-08", "until_at": "2026-03-08"},
            ['--until: "2026-03-08" is not after --from "2026-03-08"; write a later one'],
        ),
        (
            "pool",
            {"until_at": "2025-03-08"},
            ["--until: no run has such a time; the window is 2026-03-06 00:00 to 2026-03-10 00:00"],
        ),
        (
            "pool",
            {"from_at": "2026-03-10"},
            ["--from: no run has such a time; the window is 2026-03-06 00:00 to 2026-03-10 00:00"],
        ),
        (
            "pool",
            {"preset": "north", "from_at": "noon", "until_at": "9999-12-31", "over": "x"},
            [
                '--from: "noon" is not an instant; write "2026-03-02T09:00:00-05:00"',
                '--over: "x" is nothing to sum up over; write "replications"',
                '--preset: there is no preset "north"; there are east, west',
                '--until: "9999-12-31" is out of range; write a year from 1900 to 9000',
            ],
        ),
    ],
)
def test_what_a_question_does_not_take_is_told_whole(
    question: str, given: dict[str, str], said: list[str], zones: Path
):
    with pytest.raises(simkit.InputError) as caught:
        ask(zones, question, **given)
    assert [str(problem) for problem in caught.value.problems] == said


def test_nothing_of_a_preset_is_an_answer_without_rows(zones: Path):
    assert len(ask(zones, "hard_limits", preset="west", local=True)) == 0
    assert parse_instant("2026-03-06T00:00:00-05:00") == from_datetime(
        ask(zones, "runs")["start_at"][0].to_pydatetime()
    )
