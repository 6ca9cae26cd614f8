"""What an instance-hour is worth agrees with exact runs that have one more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from scenarios import MONDAY_AT, scenario

from simkit import InputError, worth
from simkit.cli import main
from simkit.clock import MINUTE_US, UTC_ZONE, WEEK_US
from simkit.decide.worth import extremes, sentences
from simkit.model import Preset, Profile, Scenario, Schedule, Workload, constant
from simkit.runs.measures import measures
from simkit.runs.simulate import run

RATES = tuple(3.0 if hour // 24 < 5 and 8 <= hour % 24 < 18 else 0.0 for hour in range(168))
DAY = (Schedule("* 8-17 * * 1-5", 2),)


def working(*schedules: Schedule, base: int = 0) -> Scenario:
    preset = Preset("p", base, timezone="UTC", schedules=schedules)
    given = scenario(preset, workload=Workload(constant(5 * MINUTE_US)), provisioner_daemons=20)
    return replace(given, start_at=MONDAY_AT, end_at=MONDAY_AT + 26 * WEEK_US, demand=(Profile("p", UTC_ZONE, RATES),))


def test_one_more_in_a_block_is_the_sum_of_its_hours():
    (one,) = worth(working(*DAY))
    block = one.wanted == 2
    assert block.sum() == 50
    before, after = (measures(run(working(Schedule("* 8-17 * * 1-5", n)), 0)) for n in (2, 3))
    served = float(after.hits[0] - before.hits[0]) / 26
    idle = float(after.idle_instance_hours[0] - before.idle_instance_hours[0]) / 26
    assert one.served_by_more[block].sum() == pytest.approx(served, rel=0.05)
    assert one.hours_of_more[block].sum() == pytest.approx(idle, rel=0.05)


def test_where_nobody_comes_the_last_instance_prevents_nothing():
    told: list[tuple[int, int]] = []
    (one,) = worth(working(base=1), told=lambda *of: told.append(of))
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert 3 <= len(told) <= told[0][1], "of at most so many"
    night = one.wanted.reshape(7, 24)[6] == 1
    assert night.all()
    assert np.isinf(one.hours_per_miss.reshape(7, 24)[6]).all()
    more, fewer = extremes(one)
    assert None not in (more, fewer)
    assert RATES[more] > 0
    assert RATES[fewer] == 0.0


def test_where_nothing_is_wanted_there_is_no_last_instance():
    (one,) = worth(working(*DAY))
    assert np.isnan(one.hours_per_miss[one.wanted == 0]).all()
    assert (one.lost_by_fewer[one.wanted > 0] >= 0).all()


def test_a_preset_that_is_not_there_is_refused():
    with pytest.raises(InputError, match='there is no preset "q"'):
        worth(working(*DAY), "q")


def test_the_table_and_its_sentences_are_printed():
    done = CliRunner().invoke(main, ["worth", "data/scenarios/three-regions.yaml", "--preset", "backend-eu"])
    assert done.exit_code == 0, done.output
    assert "One more " in done.stdout
    assert "One fewer pays most on " in done.stdout
    assert "Mon" in done.stdout
    rows = CliRunner().invoke(main, ["worth", "data/scenarios/three-regions.yaml", "--csv"]).stdout.splitlines()
    assert len(rows) == 1 + 3 * 168
    assert rows[0].startswith("preset,timezone,weekday,hour,wanted")


def test_a_picture_is_written_whole_and_asked_for_rightly(tmp_path):
    scenario, target = "data/scenarios/three-regions.yaml", tmp_path / "worth.PNG"
    done = CliRunner().invoke(main, ["worth", scenario, "--csv", "--picture", str(target)])
    assert done.exit_code == 0, done.output
    assert target.read_bytes().startswith(b"\x89PNG")
    assert done.stdout.startswith("preset,timezone,weekday"), "what is piped stays what it was"
    assert [path.name for path in tmp_path.iterdir()] == ["worth.PNG"]
    for wrong, said in (("worth.jpg", "write worth.png"), ("no/worth.png", "no such folder")):
        done = CliRunner().invoke(main, ["worth", scenario, "--picture", str(tmp_path / wrong)])
        assert done.exit_code == 2
        assert said in done.output
        assert not (tmp_path / wrong).exists()


def test_failures_that_drown_small_numbers_are_told():
    given = working(*DAY)
    assert not any("hard limit" in text for text in sentences(worth(given)[0]))
    failing = replace(given, workload=replace(given.workload, failure_probability=0.02))
    (one,) = worth(failing)
    assert any("any number below 3 ends in the hard limit" in text for text in sentences(one))
    assert extremes(one)[1] is None, "none that is wanted can go"
    assert any("One fewer would leave fewer than 3 in any hour" in text for text in sentences(one))
