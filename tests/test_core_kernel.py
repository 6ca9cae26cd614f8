"""The event loop: no tick that was skipped would have decided anything, and tables grow without losing a row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from scenarios import busy_week, history, scenario, scenarios

from simkit.clock import HOUR_US, NEVER
from simkit.coder_versions import BEHAVIOURS
from simkit.core import kernel
from simkit.core.facts import B_COMPLETED, B_CREATED, B_STARTED, W_CLAIMED, W_CREATED, W_DELETED
from simkit.model import Preset, TemplateVersion
from simkit.runs.simulate import run


@given(given=scenarios())
def test_skipping_ticks_changes_no_row(given):
    result = run(given)
    for skipped, every in zip(
        result.rows, kernel.simulate(result.inputs, result.given.people, every_tick=True), strict=True
    ):
        np.testing.assert_array_equal(skipped, every)


@pytest.mark.parametrize("version", sorted(BEHAVIOURS))
def test_more_rows_than_there_was_room_for_are_kept(version, monkeypatch):
    roomy = run(busy_week(version), 7).rows
    empty_world = kernel.empty_world
    monkeypatch.setattr(
        kernel,
        "empty_world",
        lambda inputs: (world := empty_world(inputs))._replace(
            workspaces=world.workspaces[:1], builds=world.builds[:1], decisions=world.decisions[:1]
        ),
    )
    cramped = run(busy_week(version), 7).rows
    for some, same in zip(roomy, cramped, strict=True):
        np.testing.assert_array_equal(some, same)


def test_nothing_happens_after_the_window():
    result = run(scenario(Preset("p", 2, ttl_us=HOUR_US), hours=3))
    end_at = result.scenario.end_at
    for column in (B_CREATED, B_STARTED, B_COMPLETED):
        at = result.rows.builds[:, column]
        assert (at[at != NEVER] <= end_at).all()
    at = result.rows.workspaces[:, [W_CREATED, W_CLAIMED, W_DELETED]]
    assert (at[at != NEVER] <= end_at).all()


def test_a_scenario_without_presets_has_no_rows():
    given = scenario(versions=(TemplateVersion("t", "v1", ()),), demand=history())
    assert {len(table) for table in run(given).rows} == {0}
