"""What `simkit why` tells: everything that happened to a workspace, in order, with the rule and the numbers it saw."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from scenarios import MONDAY_AT, inhabited, inhabited_fortnight, scenario

import simkit
from simkit.clock import HOUR_US, MINUTE_US
from simkit.model import People, Preset, SessionHistory, TemplateSchedule, Workload, constant
from simkit.runs.result import Result
from simkit.store.words import RULES
from simkit.workspace.why import _TOLD, why


@pytest.fixture(scope="module")
def fortnight() -> Result:
    return simkit.run(inhabited_fortnight(), 7)


def one_day() -> Result:
    """Somebody claims a prebuild at nine, works until half past four, and is stopped before the day ends."""
    at = np.array([MONDAY_AT + 9 * HOUR_US], dtype=np.int64)
    sessions = SessionHistory(at, at + 7 * HOUR_US + 30 * MINUTE_US, np.zeros(1, dtype=np.int64))
    who = People("ada", 1, "p", sessions, quiet_hours="0 0 * * *")
    workload = Workload(constant(4 * MINUTE_US), constant(0), constant(MINUTE_US), constant(0))
    schedule = TemplateSchedule(3 * HOUR_US, autostop_days=0b0100000)
    given = scenario(Preset("p", 1), hours=20, workload=workload, schedule=schedule, people=(who,))
    return simkit.run(given)


def test_a_story_reads_like_this():
    (story,) = simkit.why(one_day(), "ada-1")
    assert story.text.splitlines() == [
        "Workspace 1 (workspace-1), preset p, of ada-1, times in UTC",
        "Mon 2026-03-02 00:00:00 UTC  created   by the reconciler, as a prebuild: it wanted 1, 0 ran",
        "Mon 2026-03-02 00:04:00 UTC  built     its start build is done",
        "Mon 2026-03-02 09:00:00 UTC  claimed   by ada-1: the pool had it ready",
        "Mon 2026-03-02 09:00:00 UTC  used      by ada-1 until 16:30",
        "Mon 2026-03-02 09:01:00 UTC  started   deadline 12:01, max deadline Sat 00:00",
        "Mon 2026-03-02 17:30:00 UTC  autostop  deadline 17:29 reached; it was bumped 82 times, last at 16:29 from "
        "17:25; max deadline Sat 00:00 never came into play",
        "Mon 2026-03-02 17:30:30 UTC  stopped   its stop build is done: it uses no capacity",
    ]


def test_a_workspace_has_an_id_a_name_and_an_owner():
    result = one_day()
    assert len({why(result, name)[0].text for name in ("1", "workspace-1", "ada-1")}) == 1


def test_a_person_may_have_owned_several(fortnight):
    owned = fortnight.tables["workspaces"]["owner_id"]
    ids, counts = np.unique(owned[owned > 0], return_counts=True)
    person = fortnight.tables["users"]["username"][ids[counts > 1][0] - 1]
    assert len(why(fortnight, person)) == counts.max()


def test_every_rule_has_a_sentence():
    assert set(RULES.values()) <= set(_TOLD)


def test_every_end_of_a_build_has_a_sentence():
    """The reaper ends jobs of each transition; only a start is cancelled."""
    ends = {f"{transition} {end}" for transition in ("start", "stop", "delete") for end in ("succeeded", "failed")}
    assert ends | {"start canceled"} <= set(_TOLD)


def test_every_workspace_has_a_story_that_ends_as_its_row_does(fortnight):
    stories, workspaces = why(fortnight), fortnight.tables["workspaces"]
    for story, deleted in zip(stories, workspaces["deleted"].tolist(), strict=True):
        assert [event.at for event in story.events] == sorted(event.at for event in story.events)
        assert ("deleted" in [event.what for event in story.events]) == deleted
    assert workspaces["deleted"].any()


@settings(max_examples=25)
@given(given=inhabited())
def test_whatever_happens_can_be_told(given):
    result = simkit.run(given, 7)
    stories = why(result)
    assert len(stories) == len(result.tables["workspaces"]["id"])
    assert all(event.what and event.why for story in stories for event in story.events)


def test_an_unknown_workspace_is_refused(fortnight):
    with pytest.raises(simkit.StoreError, match='there is no workspace "nobody-7" in fortnight-s7-r0-'):
        why(fortnight, "nobody-7")


def test_of_several_runs_one_must_be_chosen(fortnight):
    other = simkit.run(inhabited_fortnight(), 8)
    with pytest.raises(simkit.StoreError, match="there are several runs; give one of"):
        why([fortnight, other], "1")
    assert why([fortnight, other], "1", run_id=other.run_id)[0].run_id == other.run_id


def test_an_instant_that_is_days_away_is_named_with_its_date(fortnight):
    told = [event.why for story in why(fortnight) for event in story.events if event.what == "dormant"]
    assert any(re.fullmatch(r"unused for 3d, since \w{3} \d\d:\d\d", text) for text in told)
