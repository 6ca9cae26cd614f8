"""A scenario and a seed become a result, and the same ones the same bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from scenarios import MONDAY_AT, busy_week, history, scenario, scenarios, tables_digest

from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, Zone
from simkit.coder_versions import BEHAVIOURS
from simkit.core import facts
from simkit.errors import RunError
from simkit.limits import MAX_SEED
from simkit.model import (
    HOURS_PER_WEEK,
    Activate,
    Invalidate,
    Preset,
    Profile,
    Schedule,
    TemplateVersion,
    Workload,
    lognormal,
)
from simkit.runs.result import Result
from simkit.runs.simulate import replicate, run

STEADY = (Profile("p", Zone("UTC"), (3.0,) * HOURS_PER_WEEK),)
UNEVEN = Workload(build=lognormal(2 * MINUTE_US, 6 * MINUTE_US), failure_probability=0.1)


def luck_of_prebuilds(result: Result) -> dict[tuple[int, int], int]:
    """{(tick, slot): luck}: the slot counts what the tick creates."""
    found: dict[tuple[int, int], int] = {}
    for row in result.rows.workspaces.tolist():
        if row[facts.W_ORDINAL] > 0:
            at = row[facts.W_CREATED]
            found[at, sum(tick == at for tick, _ in found)] = row[facts.W_LUCK]
    return found


def test_two_schedules_with_one_seed_meet_the_same_people_and_the_same_slow_builds():
    few = Preset("p", 2, timezone="UTC", schedules=(Schedule("* 3-5 * * *", 4),))
    many = Preset("p", 3, timezone="UTC", schedules=(Schedule("* 4-9 * * *", 8),))
    one, other = (run(scenario(p, demand=STEADY, workload=UNEVEN), seed=7) for p in (few, many))
    np.testing.assert_array_equal(one.inputs.claims, other.inputs.claims)
    lucks, others = luck_of_prebuilds(one), luck_of_prebuilds(other)
    shared = lucks.keys() & others.keys()
    assert len(shared) > 10, "the scenarios create some prebuilds at the same ticks"
    assert lucks != others
    assert all(lucks[which] == others[which] for which in shared)


def test_a_seed_and_a_replication_each_change_what_happens():
    results = [run(busy_week(), seed, replication) for seed, replication in ((7, 0), (8, 0), (7, 1))]
    assert len({tables_digest(result) for result in results}) == 3
    assert len({result.digest for result in results}) == 3
    assert len({result.run_id for result in results}) == 3
    assert tables_digest(run(busy_week(), 7)) == tables_digest(results[0])


@pytest.mark.parametrize("threads", [1, 4])
def test_any_number_of_threads_gives_the_same_bytes_in_the_same_order(threads):
    given = busy_week(hours=24)
    alone = [tables_digest(run(given, 7, replication)) for replication in range(6)]
    assert [tables_digest(result) for result in replicate(given, 7, 6, threads)] == alone


def test_replications_are_computed_as_they_are_asked_for():
    first = next(replicate(scenario(), 7, 1_000_000, threads=2))
    assert first.replication == 0


@given(given=scenarios())
def test_equal_digests_mean_equal_rows(given):
    one, again = run(given, 7), run(given, 7)
    assert one.digest == again.digest
    for table, same in zip(one.rows, again.rows, strict=True):
        assert table.tobytes() == same.tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"behaviour": BEHAVIOURS["v2.26"]},
        {"provisioner_daemons": 2},
        {"claim_order": "newest"},
        {"workload": UNEVEN},
        {"end_at": MONDAY_AT + HOUR_US},
        {"currency": "EUR"},
        {"name": "another"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_decides_a_run_is_in_its_digest(change):
    assert run(replace(scenario(), **change)).digest != run(scenario()).digest


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(RunError, match=f"seed is {seed}; give a whole number from 0 to"):
        run(scenario(), seed)


def test_demand_for_a_preset_that_nobody_has_is_refused():
    with pytest.raises(RunError, match='asks for the preset "q", which no template version has; it has "p"'):
        run(scenario(demand=history((MONDAY_AT, "q"))))


def test_a_claim_asks_the_newest_version_that_has_its_preset():
    with_p, without = (TemplateVersion("t", name, presets) for name, presets in (("v2", (Preset("p", 1),)), ("v3", ())))
    claims = [(MONDAY_AT + hour * HOUR_US, "p") for hour in (1, 3, 5)]
    events = (Activate(MONDAY_AT + 2 * HOUR_US, with_p), Activate(MONDAY_AT + 4 * HOUR_US, without))
    result = run(scenario(demand=history(*claims), events=events))
    assert result.inputs.claims[:, facts.A_PRESET].tolist() == [0, 1, 1]
    assert result.rows.claims[:, facts.C_HIT].tolist() == [1, 1, 0], "an inactive version's pool serves nobody"


@pytest.mark.parametrize(("version", "left"), [("v2.26", 0), ("v2.35", 2)])
def test_an_invalidation_replaces_what_was_built_before_it_from_v2_35_on(version, left):
    events = (Invalidate(MONDAY_AT + HOUR_US),)
    result = run(scenario(events=events, behaviour=BEHAVIOURS[version]))
    assert result.rows.decisions[:, facts.D_DELETED_EXPIRED].sum() == left


def test_an_invalidation_may_name_one_preset():
    two = Preset("p", 1), Preset("q", 1)
    result = run(scenario(*two, events=(Invalidate(MONDAY_AT + HOUR_US, "q"),)))
    deleted = result.rows.decisions[result.rows.decisions[:, facts.D_DELETED_EXPIRED] > 0]
    assert deleted[:, facts.D_PRESET].tolist() == [1]


def test_a_preset_keeps_the_luck_of_its_name_whatever_else_is_in_the_scenario():
    given = scenario(Preset("p", 2), workload=UNEVEN)
    with_another = scenario(Preset("a", 1), Preset("p", 2), workload=UNEVEN)
    alone = run(given, 7).inputs.presets[0, facts.P_KEY]
    assert run(with_another, 7).inputs.presets[1, facts.P_KEY] == alone
    assert run(given, 8).inputs.presets[0, facts.P_KEY] != alone


def test_durations_that_presets_share_are_held_once():
    inputs = run(scenario(Preset("p", 1), Preset("q", 1), workload=UNEVEN)).inputs
    assert inputs.samples.size == 4096 + len({30 * SECOND_US, 10 * SECOND_US, 0, MINUTE_US})
