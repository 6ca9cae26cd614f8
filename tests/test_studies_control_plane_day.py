"""The sample day's daemons and agents work as they say, by the wall clock of its zone."""

from __future__ import annotations

import pytest
from days import UTC, small

from simkit.clock import MINUTE_US
from simkit.controlplane.types import Replacement
from simkit.errors import RefusedError
from simkit.studies.control_plane import answers, day


def test_a_clock_reads_the_wall_of_its_zone_and_refuses_what_is_none():
    new_york = day.Clock("2026-11-10", "America/New_York")
    assert new_york("08:30") - UTC("08:30") == 5 * 60 * MINUTE_US
    with pytest.raises(RefusedError, match="day 2026-13-10"):
        day.Clock("2026-13-10", "UTC")("08:30")
    with pytest.raises(RefusedError, match="timezone: "):
        day.Clock("2026-11-10", "Mars/Olympus")("08:30")


def test_the_next_error_and_the_next_replacements_are_those_of_a_person_once():
    plane, world, owner, template, us = small()
    world.next_error = "no space left"
    world.next_replacements = (Replacement("docker_container.workspace", ("env",)),)
    plane.advance_to(UTC("08:20"))
    assert "failed" not in set(answers.states(plane)["state"]), "prebuilds were built and did not fail"
    for name in ("fails", "works"):
        plane.create_workspace(owner, template, name, preset_id=us)
        plane.advance(minutes=2)
    states = answers.states(plane)
    assert list(states.loc[states["state"] == "failed", "workspace"]) == ["ben/fails"]
    assert world.next_replacements == ()
    error = plane.sql("SELECT error FROM provisioner_jobs WHERE job_status = 'failed'")
    assert list(error["error"]) == ["no space left"]
