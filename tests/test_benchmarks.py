"""The benchmark compares like with like: both models tell the same story."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import year
from benchmarks.__main__ import counts, given
from benchmarks.peer_simpy import Deployment
from simkit.clock import DAY_US
from simkit.inputs import load
from simkit.runs.simulate import run


@pytest.mark.parametrize("claims", [0, 500, 20_000])
def test_simpy_and_simkit_agree_on_every_wait(claims: int):
    scenario = replace(year.scenario(claims), end_at=year.START_AT + 60 * DAY_US)
    result = run(scenario)
    assert Deployment(given(result)).run() == counts(result)
    assert len(result.rows.claims) <= claims


def test_the_scenario_file_is_the_scenario(tmp_path):
    written = load(year.write(tmp_path))
    made = year.scenario()
    assert written.versions[0].presets[0].schedules[0].cron == made.versions[0].presets[0].schedules[0].cron
    assert written.workload == made.workload
    assert (written.start_at, written.end_at, written.reconciler) == (made.start_at, made.end_at, made.reconciler)
    assert written.demand.claim_at.tolist() == made.demand.claim_at.tolist()
