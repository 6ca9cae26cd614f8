"""The lifecycle of people's workspaces on a control plane: deadlines, activity, autostart, dormancy, and changes."""

from __future__ import annotations

from typing import Any

import pytest
from controlplane_office import EU, NONE, T0, builds, office
from hypothesis import given
from hypothesis import strategies as st
from promises import broken_promises

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, NEVER, parse_instant
from simkit.controlplane import ControlPlane, lifecycle
from simkit.core import lifecycle as core
from simkit.errors import RefusedError
from simkit.model import TemplateSchedule
from simkit.workspace.rules import template

DONE_AT = T0 + MINUTE_US


def living(schedule: TemplateSchedule | None = None, **more: Any) -> ControlPlane:
    """Ada's workspace 1 has been running for a minute: its start was done at DONE_AT."""
    plane = office(":memory:", NONE)
    plane.set_template_schedule(1, schedule or TemplateSchedule())
    plane.run_daemons(2, builds())
    plane.create_workspace(1, 1, "dev", preset_id=1, **more)
    plane.advance(minutes=2)
    return plane


def deadlines(plane: ControlPlane) -> tuple[int | None, int | None]:
    return plane.database.rows(
        "SELECT epoch_us(deadline), epoch_us(max_deadline) FROM workspace_builds ORDER BY id DESC LIMIT 1"
    )[0]


def builds_of(plane: ControlPlane, column: str = "reason") -> list[Any]:
    return [row[0] for row in plane.database.rows(f"SELECT {column} FROM workspace_builds ORDER BY id")]


def workspace(plane: ControlPlane, column: str) -> Any:
    return plane.database.rows(f"SELECT {column} FROM workspaces WHERE id = 1")[0][0]


def test_a_start_gets_its_deadline_when_it_is_done():
    assert deadlines(living(ttl="8h")) == (DONE_AT + 8 * HOUR_US, None)
    assert deadlines(living(TemplateSchedule(default_ttl_us=2 * HOUR_US))) == (DONE_AT + 2 * HOUR_US, None)
    assert deadlines(living(ttl=0)) == (None, None)
    forbids = TemplateSchedule(default_ttl_us=2 * HOUR_US, allow_user_autostop=False)
    assert deadlines(living(forbids, ttl="8h")) == (DONE_AT + 2 * HOUR_US, None), "the template's is in force"
    midnight_at = parse_instant("2026-03-03T00:00:00Z")
    assert deadlines(living(TemplateSchedule(DAY_US, autostop_days=0b1111111))) == (midnight_at, midnight_at)


def test_a_workspace_stops_at_its_deadline_and_not_a_minute_before():
    plane = living(ttl="1h")
    plane.advance_to(DONE_AT + HOUR_US - MINUTE_US)
    assert builds_of(plane, "transition") == ["start"]
    plane.advance(minutes=1)
    assert builds_of(plane, "transition") == ["start", "stop"]
    assert builds_of(plane) == ["initiator", "autostop"]


def test_activity_moves_the_deadline_and_only_while_somebody_is_connected():
    plane = living(ttl="1h")
    plane.connect(1, "3h")
    plane.advance_to(DONE_AT + 3 * HOUR_US)
    assert builds_of(plane) == ["initiator"], "somebody works on it"
    plane.advance(hours=2)
    assert builds_of(plane) == ["initiator", "autostop"]
    bumps = plane.database.rows("SELECT bumps FROM lifecycle_decisions WHERE rule = 'autostop'")
    assert bumps[0][0] > 1


def test_a_workspace_starts_by_itself_on_the_days_that_the_template_allows():
    plane = living(TemplateSchedule(autostart_days=0b0000100), ttl="1h", autostart="CRON_TZ=UTC 30 9 * * *")
    assert workspace(plane, "epoch_us(next_start_at)") == parse_instant("2026-03-04T09:30:00Z"), "a Wednesday"
    plane.advance_to("2026-03-04T09:29:00Z")
    assert builds_of(plane) == ["initiator", "autostop"]
    plane.advance(minutes=1)
    assert builds_of(plane) == ["initiator", "autostop", "autostart"]


def test_nobody_starts_the_workspace_of_somebody_who_is_suspended():
    plane = living(autostart="CRON_TZ=UTC 30 9 * * *")
    plane.suspend_user(1)
    plane.advance(minutes=1)
    assert builds_of(plane, "transition") == ["start", "stop"]
    plane.advance(days=3)
    assert builds_of(plane, "transition") == ["start", "stop"]


def test_an_unused_workspace_becomes_dormant_and_is_deleted_unless_somebody_wakes_it():
    schedule = TemplateSchedule(time_til_dormant_us=4 * HOUR_US, time_til_dormant_autodelete_us=DAY_US)
    plane = living(schedule, ttl="1h")
    plane.advance(hours=5)
    dormant_at = workspace(plane, "epoch_us(dormant_at)")
    assert dormant_at == T0 + 4 * HOUR_US + MINUTE_US, "later than four hours, at the next tick"
    assert workspace(plane, "epoch_us(deleting_at)") == dormant_at + DAY_US
    plane.set_workspace_dormant(1, False)
    assert (workspace(plane, "dormant_at"), workspace(plane, "deleting_at")) == (None, None)
    plane.advance(hours=5)
    assert workspace(plane, "dormant_at") is not None
    plane.start_workspace(1, 1)
    assert workspace(plane, "dormant_at") is None, "starting it wakes it"
    plane.advance(days=2)
    assert workspace(plane, "deleted")
    assert builds_of(plane, "transition")[-1] == "delete"
    assert broken_promises(plane.database) == []


def test_a_failed_start_is_stopped_after_the_failure_ttl():
    plane = office(":memory:", NONE)
    plane.set_template_schedule(1, TemplateSchedule(failure_ttl_us=10 * MINUTE_US))
    plane.create_workspace(1, 1, "dev", preset_id=1)
    plane.fail_job(plane.acquire(1), "boom", 1)
    plane.advance(minutes=10)
    assert builds_of(plane, "transition") == ["start"]
    plane.advance(minutes=1)
    assert builds_of(plane, "transition") == ["start", "stop"]


def test_a_new_ttl_acts_from_the_next_start_on_and_removing_it_at_once():
    plane = living(ttl="8h")
    plane.set_workspace_ttl(1, "1h")
    assert deadlines(plane) == (DONE_AT + 8 * HOUR_US, None)
    plane.set_workspace_ttl(1, None)
    assert deadlines(plane) == (None, None)
    capped = living(TemplateSchedule(autostop_days=0b1111111), ttl="8h")
    max_at = deadlines(capped)[1]
    capped.set_workspace_ttl(1, None)
    assert deadlines(capped) == (max_at, max_at), "the table's rule holds"


def test_what_the_template_forbids_is_refused():
    plane = living(TemplateSchedule(allow_user_autostop=False, allow_user_autostart=False))
    with pytest.raises(RefusedError, match="allow_user_autostop is false"):
        plane.set_workspace_ttl(1, "1h")
    with pytest.raises(RefusedError, match="allow_user_autostart is false"):
        plane.set_workspace_autostart(1, "0 9 * * *")
    plane.set_workspace_autostart(1, "")


def test_a_deadline_moves_between_half_an_hour_and_the_max_deadline():
    plane = living(TemplateSchedule(8 * HOUR_US, autostop_days=0b1111111))
    max_at = deadlines(plane)[1]
    assert max_at is not None
    for at, said in ((plane.now_at + 30 * MINUTE_US - 1, "at least 30 minutes"), (max_at + 1, "not be after the max")):
        with pytest.raises(RefusedError, match=said):
            plane.set_workspace_deadline(1, at)
    for at in (plane.now_at + 30 * MINUTE_US, max_at):
        plane.set_workspace_deadline(1, at)
        assert deadlines(plane) == (at, max_at)


def test_another_schedule_of_the_template_reaches_running_builds():
    plane = living(ttl="10h", autostart="CRON_TZ=UTC 30 9 * * *")
    before = deadlines(plane)[0]
    assert before == parse_instant("2026-03-02T19:30:00Z"), "the autostart at 09:30 comes before: that and the TTL"
    plane.advance_to("2026-03-02T18:30:00Z")
    plane.set_template_schedule(1, TemplateSchedule(autostart_days=0b0000100, autostop_days=0b1111111))
    assert deadlines(plane) == (before, parse_instant("2026-03-03T00:00:00Z"))
    assert workspace(plane, "epoch_us(next_start_at)") == parse_instant("2026-03-04T09:30:00Z")
    rules = plane.database.rows("SELECT rule FROM lifecycle_decisions ORDER BY decided_at")
    assert len(rules) == len({*rules}) == 2, "each change is written down once"


def test_a_claim_is_a_start_like_any_other():
    plane = office(":memory:", EU)
    plane.run_daemons(2, builds())
    plane.advance(minutes=5)
    plane.create_workspace(1, 1, "dev", preset_id=1, ttl="1h")
    plane.advance(minutes=65)
    last = plane.database.rows("SELECT transition, reason FROM workspace_builds WHERE workspace_id = 1 ORDER BY id")
    assert last == [("start", "initiator"), ("start", "initiator"), ("stop", "autostop")]


INSTANTS = st.sampled_from((-3 * DAY_US, -25 * HOUR_US, -HOUR_US, -MINUTE_US, -1, 0, 1, MINUTE_US, HOUR_US))
MAYBE = st.one_of(st.just(NEVER), INSTANTS.map(lambda us: T0 + us))
DURATIONS = st.sampled_from((0, 1, MINUTE_US, HOUR_US, 2 * DAY_US))


@given(
    life=st.fixed_dictionaries(
        {
            "transition": st.sampled_from(("start", "stop", "delete")),
            "job_status": st.sampled_from(("succeeded", "failed", "canceled")),
            "user_status": st.sampled_from(("active", "dormant", "suspended")),
            "autostart": st.sampled_from(("", "CRON_TZ=UTC 0 9 * * *")),
            "completed_at": INSTANTS.map(lambda us: T0 + us),
            **dict.fromkeys(("deadline", "next_start_at", "last_used_at"), MAYBE),
            **dict.fromkeys(("dormant_at", "deleting_at", "suspended_at"), MAYBE),
        }
    ),
    schedule=st.builds(
        TemplateSchedule,
        failure_ttl_us=DURATIONS,
        time_til_dormant_us=DURATIONS,
        time_til_dormant_autodelete_us=DURATIONS,
        allow_user_autostart=st.booleans(),
    ),
)
def test_no_rule_applies_before_the_instant_at_which_one_is_due(life, schedule):
    mine = lifecycle.Life(**dict.fromkeys(lifecycle.Life._fields, 1) | life)
    if core.transition(lifecycle.facts(mine, T0), template(schedule), T0) != core.NOTHING:
        assert lifecycle.due_at(mine, schedule) <= T0
