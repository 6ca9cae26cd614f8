"""The lifecycle of people's workspaces on a control plane: deadlines, activity, autostart, dormancy, and changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from controlplane_office import EU, NONE, T0, builds, office
from hypothesis import given
from hypothesis import strategies as st
from promises import broken_promises

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, NEVER, SECOND_US, parse_instant
from simkit.coder_versions import BEHAVIOURS
from simkit.controlplane import ControlPlane, Outcome, lifecycle
from simkit.controlplane.types import BuildResult
from simkit.core import lifecycle as core
from simkit.errors import RefusedError
from simkit.model import Preset, TemplateSchedule

DONE_AT = T0 + MINUTE_US


def living(
    schedule: TemplateSchedule | None = None,
    *,
    coder: str = "v2.35",
    takes_us: int = MINUTE_US,
    work: Any = None,
    **more: Any,
) -> ControlPlane:
    """Ada's workspace 1 has been running for a minute: its start was done at DONE_AT, if builds take a minute."""
    plane = office(":memory:", NONE, coder=coder)
    plane.set_template_schedule(1, schedule or TemplateSchedule())
    plane.run_daemons(2, work or builds(takes_us))
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
    assert deadlines(living(TemplateSchedule(default_ttl_us=0), ttl=0)) == (None, None)
    assert deadlines(living(TemplateSchedule(HOUR_US), ttl=0)) == (DONE_AT + HOUR_US, None), "nobody can ask for none"
    assert deadlines(living(ttl="90m59s")) == (DONE_AT + 90 * MINUTE_US, None), "whole minutes, rounded down"
    forbids = TemplateSchedule(default_ttl_us=2 * HOUR_US, allow_user_autostop=False)
    assert deadlines(living(forbids, ttl="8h")) == (DONE_AT + 2 * HOUR_US, None), "the template's is in force"
    midnight_at = parse_instant("2026-03-03T00:00:00Z")
    assert deadlines(living(TemplateSchedule(DAY_US, autostop_days=0b1111111))) == (midnight_at, midnight_at)


def test_a_workspace_stops_at_the_first_tick_after_its_deadline():
    for takes_us, stops_at in ((MINUTE_US, DONE_AT + HOUR_US + MINUTE_US), (59 * SECOND_US, DONE_AT + HOUR_US)):
        plane = living(ttl="1h", takes_us=takes_us)
        plane.advance_to(stops_at - MINUTE_US)
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
    plane = living(TemplateSchedule(failure_ttl_us=10 * MINUTE_US), work=builds(error="boom"))
    plane.advance_to(DONE_AT + 10 * MINUTE_US)
    assert builds_of(plane, "transition") == ["start"]
    plane.advance(minutes=1)
    assert builds_of(plane, "transition") == ["start", "stop"]


@pytest.mark.parametrize("coder", ["v2.24", "v2.26", "v2.29", "v2.34", "v2.35"])
def test_a_failed_stop_is_tried_again_where_the_version_does_so(coder):
    def work(job):
        return Outcome(MINUTE_US, 0, error="no cloud" if job.build.number == 2 else "")

    plane = living(TemplateSchedule(2 * HOUR_US, failure_ttl_us=DAY_US), coder=coder, work=work)
    plane.advance(days=4)
    again = plane.behaviour.retries_failed_stops
    assert builds_of(plane, "transition") == ["start", "stop"] + ["stop"] * again
    made = plane.database.rows("SELECT epoch_us(created_at) FROM workspace_builds ORDER BY id")
    if again:
        assert made[2][0] == made[1][0] + DAY_US + 2 * MINUTE_US, "a day after it failed, strictly"


def test_a_new_ttl_acts_from_the_next_start_on_and_removing_it_at_once():
    plane = living(ttl="8h")
    plane.set_workspace_ttl(1, "1h")
    assert deadlines(plane) == (DONE_AT + 8 * HOUR_US, None)
    plane.set_workspace_ttl(1, None)
    assert deadlines(plane) == (None, None)
    plane.set_workspace_ttl(1, "2h0m30s")
    assert workspace(plane, "ttl // 1000") == 2 * HOUR_US, "whole minutes"
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
    with pytest.raises(RefusedError, match="allow_user_autostart is false"):
        plane.set_workspace_autostart(1, "")
    wednesdays = living(TemplateSchedule(autostart_days=0b0000100))
    with pytest.raises(RefusedError, match='allows none of the days of the autostart "0 9 \\* \\* 1"'):
        wednesdays.set_workspace_autostart(1, "0 9 * * 1")


def test_an_autostart_that_the_template_forbids_may_be_there_at_creation_and_does_not_act():
    plane = living(TemplateSchedule(2 * HOUR_US, allow_user_autostart=False), autostart="CRON_TZ=UTC 30 11 * * *")
    assert workspace(plane, "epoch_us(next_start_at)") == parse_instant("2026-03-02T11:30:00Z")
    plane.advance(days=2)
    assert builds_of(plane) == ["initiator", "autostop"]


def test_a_suspended_user_can_do_nothing():
    plane = living()
    plane.suspend_user(1)
    for act in (
        lambda: plane.create_workspace(1, 1, "other", preset_id=1),
        lambda: plane.stop_workspace(1, 1),
        lambda: plane.start_workspace(1, 1),
    ):
        with pytest.raises(RefusedError, match='user "ada" is suspended'):
            act()
    plane.set_user_status(1, "active")
    plane.create_workspace(1, 1, "other", preset_id=1)
    with pytest.raises(RefusedError, match='"asleep" is no status of a user'):
        plane.set_user_status(1, "asleep")


def test_a_stop_counts_what_agents_have_reported_before_it():
    plane = living(ttl="2h")
    plane.connect(1, "1h")
    plane.advance(minutes=30)
    plane.stop_workspace(1, 1)
    assert workspace(plane, "epoch_us(last_used_at)") == plane.now_at - MINUTE_US, "the report of this instant is late"


def test_a_stopped_workspace_is_marked_dormant_while_its_stop_still_runs():
    schedule = TemplateSchedule(HOUR_US, time_til_dormant_us=2 * HOUR_US)
    plane = living(schedule, work=lambda job: Outcome(MINUTE_US if job.build.number == 1 else 3 * HOUR_US, 0))
    plane.advance_to(T0 + 2 * HOUR_US + MINUTE_US)
    assert plane.database.rows("SELECT job_status FROM provisioner_jobs ORDER BY id DESC LIMIT 1") == [("running",)]
    assert workspace(plane, "epoch_us(dormant_at)") == plane.now_at
    assert builds_of(plane, "transition") == ["start", "stop"]


def test_the_next_start_is_counted_from_the_completion_of_a_build_and_null_while_dormant():
    nine = "CRON_TZ=UTC 0 9 * * *"
    plane = living(autostart=nine, work=lambda job: Outcome(MINUTE_US if job.build.number == 1 else 10 * MINUTE_US, 0))
    plane.advance_to("2026-03-02T08:55:00Z")
    plane.stop_workspace(1, 1)
    plane.advance(hours=12)
    assert builds_of(plane) == ["initiator", "initiator"], "the start at 09:00 fell into the stop"
    assert workspace(plane, "epoch_us(next_start_at)") == parse_instant("2026-03-03T09:00:00Z")
    plane.set_workspace_dormant(1, True)
    assert workspace(plane, "next_start_at") is None
    plane.set_workspace_dormant(1, False)
    assert workspace(plane, "next_start_at") is None, "until the executor looks"
    plane.advance(minutes=1)
    assert builds_of(plane) == ["initiator", "initiator", "autostart"], "a start has passed since the stop was created"


def test_the_dormancy_that_a_workspace_has_changes_nothing():
    plane = living()
    used_at = workspace(plane, "epoch_us(last_used_at)")
    plane.advance(minutes=5)
    plane.set_workspace_dormant(1, False)
    assert workspace(plane, "epoch_us(last_used_at)") == used_at
    plane.set_workspace_dormant(1, True)
    dormant_at = plane.now_at
    plane.advance(minutes=5)
    plane.set_workspace_dormant(1, True)
    assert workspace(plane, "epoch_us(dormant_at)") == dormant_at


def test_the_executor_waits_for_a_daemon_that_is_alive():
    plane = office(":memory:", NONE)
    plane.set_template_schedule(1, TemplateSchedule(HOUR_US))
    plane.create_workspace(1, 1, "dev", preset_id=1)
    plane.complete_job(plane.acquire(1), BuildResult(), 1)
    plane.advance(hours=3)
    assert builds_of(plane) == ["initiator"], "nobody has heard of the daemon for hours"
    plane.run_daemons(1, builds())
    plane.advance(minutes=1)
    assert builds_of(plane) == ["initiator", "autostop"]


def test_a_deadline_is_not_set_where_there_is_none():
    plane = living(TemplateSchedule(default_ttl_us=0))
    for at in (plane.now_at + HOUR_US, plane.now_at + DAY_US, plane.now_at + 29 * MINUTE_US):
        with pytest.raises(RefusedError, match="has no deadline to move"):
            plane.set_workspace_deadline(1, at)
    assert deadlines(plane) == (None, None)


def test_a_deadline_moves_between_29_minutes_and_the_max_deadline():
    plane = living(TemplateSchedule(8 * HOUR_US, autostop_days=0b1111111))
    max_at = deadlines(plane)[1]
    assert max_at is not None
    for at, said in ((plane.now_at + 29 * MINUTE_US - 1, "at least 29 minutes"), (max_at + 1, "not be after the max")):
        with pytest.raises(RefusedError, match=said):
            plane.set_workspace_deadline(1, at)
    for at in (plane.now_at + 29 * MINUTE_US, max_at):
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
    plane.set_template_schedule(1, TemplateSchedule(autostart_days=0b0000100, autostop_days=0b1111111))
    assert len(plane.database.rows("SELECT rule FROM lifecycle_decisions")) == 2, "nothing differs"


@pytest.mark.parametrize(("before_us", "after_us"), [(0, DAY_US), (30 * DAY_US, 2 * DAY_US), (DAY_US, 3 * DAY_US)])
def test_deleting_at_of_the_dormant_follows_the_template(before_us, after_us):
    schedule = TemplateSchedule(2 * HOUR_US, time_til_dormant_us=DAY_US, time_til_dormant_autodelete_us=before_us)
    plane = living(schedule)
    plane.advance_to(T0 + DAY_US + 2 * HOUR_US)
    dormant_at = workspace(plane, "epoch_us(dormant_at)")
    assert dormant_at == T0 + DAY_US + MINUTE_US
    plane.set_template_schedule(1, replace(schedule, time_til_dormant_autodelete_us=after_us))
    assert workspace(plane, "epoch_us(deleting_at)") == dormant_at + after_us
    told = plane.database.rows("SELECT notification_template FROM notification_messages WHERE user_id = 1")
    assert told[-1] == ("TemplateWorkspaceMarkedForDeletion",)
    plane.advance_to(dormant_at + after_us + 5 * MINUTE_US)
    assert workspace(plane, "deleted")


def test_deleting_at_is_removed_with_the_auto_delete_and_counted_anew_on_request():
    schedule = TemplateSchedule(2 * HOUR_US, time_til_dormant_us=DAY_US, time_til_dormant_autodelete_us=DAY_US)
    plane = living(schedule)
    plane.advance_to(T0 + DAY_US + 2 * HOUR_US)
    plane.set_template_schedule(1, replace(schedule, time_til_dormant_autodelete_us=0))
    assert workspace(plane, "deleting_at") is None
    plane.set_template_schedule(1, schedule, update_dormant_at=True, update_last_used_at=True)
    assert workspace(plane, "epoch_us(deleting_at)") == plane.now_at + DAY_US
    assert workspace(plane, "epoch_us(dormant_at)") == workspace(plane, "epoch_us(last_used_at)") == plane.now_at


def test_the_templates_ttl_is_written_to_the_workspaces_and_stays_there():
    plane = living(TemplateSchedule(8 * HOUR_US), ttl="24h")
    ttl_us = []
    for hours, allow in ((8, True), (8, False), (8, True), (5, False), (0, False), (0, True), (6, True)):
        plane.set_template_schedule(1, TemplateSchedule(hours * HOUR_US, allow_user_autostop=allow))
        ttl_us.append(workspace(plane, "ttl // 1000"))
    hours = [None if us is None else us // HOUR_US for us in ttl_us]
    assert hours == [24, 8, 8, 5, None, None, None]


@pytest.mark.parametrize("days", [0b0011111, 0b0111110, 0b0000001])
def test_the_next_start_is_counted_from_the_change_of_the_days(days):
    plane = living(TemplateSchedule(2 * HOUR_US, autostart_days=days), autostart="CRON_TZ=UTC 30 8 * * *")
    plane.advance_to("2026-03-07T12:00:30Z")
    if builds_of(plane, "transition")[-1] == "start":
        pytest.skip("it runs on that Saturday")
    made = len(builds_of(plane))
    plane.set_template_schedule(1, TemplateSchedule(2 * HOUR_US, autostart_days=0b1111111))
    assert workspace(plane, "epoch_us(next_start_at)") == parse_instant("2026-03-08T08:30:00Z")
    plane.advance(hours=12)
    assert len(builds_of(plane)) == made, "the start of Saturday is over"
    plane.advance_to("2026-03-08T08:30:00Z")
    assert builds_of(plane)[-1] == "autostart"


@pytest.mark.parametrize("coder", ["v2.24", "v2.26"])
def test_a_schedule_without_ttl_or_requirement_removes_deadlines_but_in_the_oldest_version(coder):
    plane = living(TemplateSchedule(8 * HOUR_US, allow_user_autostop=False), coder=coder)
    plane.set_template_schedule(1, TemplateSchedule(0, allow_user_autostop=False))
    kept = DONE_AT + 8 * HOUR_US if coder == "v2.24" else None
    assert deadlines(plane) == (kept, None)


def test_the_oldest_version_cannot_unset_the_deadline_below_a_max_deadline():
    plane = living(TemplateSchedule(8 * HOUR_US, autostop_days=0b1111111), coder="v2.24", ttl="8h")
    before = deadlines(plane)
    with pytest.raises(RefusedError, match="workspace_builds_deadline_below_max_deadline"):
        plane.set_workspace_ttl(1, None)
    assert deadlines(plane) == before


def test_a_claim_is_a_start_like_any_other():
    plane = office(":memory:", EU)
    plane.run_daemons(2, builds())
    plane.advance(minutes=5)
    plane.create_workspace(1, 1, "dev", preset_id=1, ttl="1h")
    plane.advance(minutes=65)
    last = plane.database.rows("SELECT transition, reason FROM workspace_builds WHERE workspace_id = 1 ORDER BY id")
    assert last == [("start", "initiator"), ("start", "initiator"), ("stop", "autostop")]


@pytest.mark.parametrize("coder", ["v2.24", "v2.24.1", "v2.26", "v2.35"])
def test_the_oldest_executor_stops_prebuilds_at_the_templates_ttl(coder):
    plane = office(":memory:", Preset("eu", 2), coder=coder)
    plane.set_template_schedule(1, TemplateSchedule(8 * HOUR_US))
    plane.run_daemons(2, builds())
    plane.advance(hours=9)
    made = plane.database.rows("SELECT workspace_id, transition, reason FROM workspace_builds ORDER BY id")
    firsts = [(1, "start", "initiator"), (2, "start", "initiator")]
    if coder.startswith("v2.24"):
        assert made[:4] == [*firsts, (1, "stop", "autostop"), (2, "stop", "autostop")]
        assert made[4:] == [(3, "start", "initiator"), (4, "start", "initiator")], "new ones, and the stopped ones stay"
        assert plane.database.rows("SELECT count(*) FROM workspaces WHERE NOT deleted") == [(4,)]
    else:
        assert made == firsts


INSTANTS = st.sampled_from((-3 * DAY_US, -25 * HOUR_US, -HOUR_US, -MINUTE_US, -1, 0, 1, MINUTE_US, HOUR_US))
MAYBE = st.one_of(st.just(NEVER), INSTANTS.map(lambda us: T0 + us))
DURATIONS = st.sampled_from((0, 1, MINUTE_US, HOUR_US, 2 * DAY_US))


@given(
    life=st.fixed_dictionaries(
        {
            "transition": st.sampled_from(("start", "stop", "delete")),
            "job_status": st.sampled_from(("succeeded", "failed", "canceled", "running")),
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
    retries=st.booleans(),
)
def test_no_rule_applies_before_the_instant_at_which_one_is_due(life, schedule, retries):
    mine = lifecycle.Life(**dict.fromkeys(lifecycle.Life._fields, 1) | life)
    if mine.job_status == "running":
        mine = mine._replace(completed_at=NEVER)
    behaviour = replace(BEHAVIOURS["v2.35"], retries_failed_stops=retries)
    rule = lifecycle._rule(mine, schedule, behaviour, T0)
    builds_it = core.needs_build(rule, lifecycle._TRANSITIONS[mine.transition])
    if rule != core.NOTHING and (mine.is_done or not builds_it):
        assert lifecycle.due_at(mine, schedule, behaviour) <= T0
