"""The lifecycle of people's workspaces: deadlines when a start is done, activity, the executor's tick, and changes.

Prebuilds have none of it. The rules are `core.lifecycle`; this module reads their facts from the tables, does what they
say, and writes down what they saw. It speaks of the workspaces of known users alone: an owner without a row in `users`
is somebody of whose later life nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from simkit.clock import MINUTE_US, NEVER
from simkit.controlplane import notifications, templates, workspaces
from simkit.controlplane.types import Transition
from simkit.core import lifecycle as core
from simkit.core import lives
from simkit.core.numbers import CANCELED, DELETE, FAILED, PENDING, RUNNING, START, STOP, SUCCEEDED
from simkit.cron import CronError, daily, is_autostart, weekly
from simkit.errors import RefusedError
from simkit.model import TemplateSchedule
from simkit.store.database import Row, Transaction
from simkit.store.words import NO_STOP_DAY_ERROR, REASONS, RULES
from simkit.workspace.rules import next_starts, reports, start_deadlines, template, zoned

_TRANSITIONS = {"start": START, "stop": STOP, "delete": DELETE}
_USERS = {"active": core.ACTIVE, "dormant": core.DORMANT_USER, "suspended": core.SUSPENDED}
_STATUSES = {
    "pending": PENDING,
    "running": RUNNING,
    "canceling": RUNNING,
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "canceled": CANCELED,
}
_LIVES = """
    SELECT
        w.id, w.owner_id, w.template_id, w.autostart_schedule, w.ttl // 1000 AS ttl_us,
        epoch_us(w.next_start_at) AS next_start_us, epoch_us(w.last_used_at) AS last_used_us,
        epoch_us(w.dormant_at) AS dormant_us, epoch_us(w.deleting_at) AS deleting_us,
        u.quiet_hours_schedule, epoch_us(u.suspended_at) AS suspended_us, u.status AS user_status,
        b.id AS build_id, b.build_number, b.transition, j.job_status, epoch_us(b.created_at) AS created_us,
        epoch_us(j.completed_at) AS completed_us, b.template_version_id, b.template_version_preset_id,
        epoch_us(b.deadline) AS deadline_us, epoch_us(b.max_deadline) AS max_deadline_us, t.organization_id
    FROM workspaces AS w
    JOIN users AS u ON u.id = w.owner_id
    JOIN templates AS t ON t.id = w.template_id
    JOIN workspace_builds AS b ON b.workspace_id = w.id
    JOIN provisioner_jobs AS j ON j.id = b.job_id
    WHERE NOT w.deleted AND {which}
    QUALIFY row_number() OVER (PARTITION BY w.id ORDER BY b.build_number DESC) = 1
"""
_IN_ORDER = " ORDER BY w.owner_id, w.id"


class Life(NamedTuple):
    """A person's workspace with its latest build. Instants and durations in microseconds, NEVER for unset."""

    id: int
    owner_id: int
    template_id: int
    autostart: str
    ttl_us: int
    next_start_at: int
    last_used_at: int
    dormant_at: int
    deleting_at: int
    quiet_hours: str
    suspended_at: int
    user_status: str
    build_id: int
    build_number: int
    transition: str
    job_status: str
    created_at: int
    completed_at: int
    version_id: int
    preset_id: int | None
    deadline: int
    max_deadline: int
    organization_id: int

    @property
    def runs(self) -> bool:
        return self.transition == "start" and self.job_status == "succeeded"

    @property
    def is_done(self) -> bool:
        return self.completed_at != NEVER


@dataclass
class Activity:
    """A connection to a workspace, as its agent reports it every minute, and what it has done to the build's deadline.

    Nothing of it is stored: it is the world's and not Coder's.
    """

    until_at: int = -NEVER
    report_at: int = NEVER
    build_id: int = 0
    bumped_at: int = NEVER
    bumped_from: int = NEVER
    bumps: int = 0

    def begins(self, build_id: int, report_at: int) -> None:
        """A start build is done: reports come from an instant on, and nothing has moved its deadline yet."""
        self.report_at, self.build_id = report_at, build_id
        self.bumped_at, self.bumped_from, self.bumps = NEVER, NEVER, 0


def get(tx: Transaction, workspace_id: int) -> Life | None:
    """None for a workspace that is deleted or whose owner is no known user."""
    row = tx.one(_LIVES.format(which="w.id = $id"), id=workspace_id)
    return None if row is None else _life(row)


def _life(row: Row) -> Life:
    """A row of _LIVES; NULL is NEVER, but for the text and the preset."""
    values = dict(zip(Life._fields, row[: len(Life._fields)], strict=True))
    plain = {"autostart": values["autostart"] or "", "preset_id": values["preset_id"]}
    given = {name: NEVER if value is None else value for name, value in values.items()} | plain
    return Life._make(given[name] for name in Life._fields)


def settle(
    tx: Transaction, now_at: int, workspace_id: int, template_id: int, autostart: str, ttl_us: int | None
) -> None:
    """Give a workspace that a person just got its lifecycle fields. `ttl_us`: 0 for none, None for the template's."""
    schedule = templates.schedule(tx, template_id)
    ttl = schedule.default_ttl_us if ttl_us is None else ttl_us
    tx.update(
        "workspaces",
        workspace_id,
        autostart_schedule=autostart or None,
        ttl=ttl * 1000 if ttl else None,
        next_start_at=next_allowed(schedule, autostart, now_at),
        last_used_at=now_at,
        dormant_at=None,
        deleting_at=None,
    )


def next_allowed(schedule: TemplateSchedule, autostart: str, after_at: int) -> int:
    """The next start that the template allows after an instant; NEVER without, or if Coder cannot read it."""
    if not autostart or not schedule.allow_user_autostart or not is_autostart(autostart):
        return NEVER
    return next_starts(autostart, schedule, after_at)[2]


def complete_start(tx: Transaction, now_at: int, life: Life, activity: Activity) -> str:
    """Give a start build that is done its deadlines. The error with which Coder fails it if it cannot, or ""."""
    schedule = templates.schedule(tx, life.template_id)
    ttl_us = None if life.ttl_us == NEVER else life.ttl_us
    deadline, max_deadline, is_refused = start_deadlines(schedule, now_at, ttl_us, life.autostart, life.quiet_hours)
    if is_refused:
        tell(tx, now_at, life, activity, lives.NO_STOP_DAY)
        return NO_STOP_DAY_ERROR
    tx.update("workspace_builds", life.build_id, deadline=deadline, max_deadline=max_deadline)
    tell(tx, now_at, life._replace(deadline=deadline, max_deadline=max_deadline), activity, lives.STARTED_UP)
    return ""


def _max_deadline(schedule: TemplateSchedule, quiet_hours: str, completed_at: int) -> tuple[int, bool]:
    if not quiet_hours:
        return NEVER, False
    at, refused = core.max_deadline(zoned(daily(quiet_hours), completed_at), completed_at, template(schedule))
    return int(at), bool(refused)


def report(
    tx: Transaction, now_at: int, life: Life, activity: Activity, schedule: TemplateSchedule | None = None
) -> Life:
    """Apply the activity that an agent has reported up to an instant: one report a minute, each by the rule.

    `schedule`: of the template, if it is known already.
    """
    until_at, at = min(now_at, activity.until_at), activity.report_at
    if not life.runs or at > until_at:
        return life
    if schedule is None:
        schedule = templates.schedule(tx, life.template_id)
    last_at = at + (until_at - at) // lives.REPORT_US * lives.REPORT_US
    deadline = life.deadline
    if deadline != NEVER and schedule.activity_bump_us > 0:
        for each in reports(schedule, life.autostart, life.ttl_us, deadline, life.max_deadline, at):
            if each.at > last_at or each.before == life.max_deadline:
                break  # they end, or nothing moves it any more
            if each.after != each.before:
                activity.bumped_at, activity.bumped_from = each.at, each.before
                activity.bumps += 1
            deadline = each.after
    activity.report_at = last_at + lives.REPORT_US
    last_used_at = max(life.last_used_at, last_at) if life.last_used_at != NEVER else last_at
    tx.update("workspaces", life.id, last_used_at=last_used_at)
    if deadline != life.deadline:
        tx.update("workspace_builds", life.build_id, deadline=deadline)
    return life._replace(deadline=deadline, last_used_at=last_used_at)


def join(tx: Transaction, now_at: int, life: Life, activity: Activity, until_at: int, report_at: int) -> None:
    """Somebody is connected to a running workspace until an instant; the first report comes at `report_at`, unless
    somebody else is connected already."""
    life = report(tx, now_at, life, activity)
    if activity.until_at < now_at:
        activity.report_at, activity.build_id = max(report_at, now_at), life.build_id
    activity.until_at = max(activity.until_at, until_at)
    report(tx, now_at, life, activity)


def execute(tx: Transaction, now_at: int, activities: dict[int, Activity]) -> int:
    """The executor's tick: act by the first rule that applies on each workspace for which one may.

    `activities`: the connections, by workspace. The instant before which no later tick can do anything, unless
    something changes; NEVER if there is nothing to come.
    """
    schedules: dict[int, TemplateSchedule] = {}
    next_at = NEVER
    for row in tx.execute(_LIVES.format(which="true") + _IN_ORDER):
        life = _life(row)
        if not life.is_done:
            continue
        if life.template_id not in schedules:
            schedules[life.template_id] = templates.schedule(tx, life.template_id)
        schedule = schedules[life.template_id]
        # What is not written down yet, activity, only moves it further away.
        if due_at(life, schedule) <= now_at:
            activity = activities.setdefault(life.id, Activity())
            life = report(tx, now_at, life, activity, schedule)
            if _act(tx, now_at, life, schedule, activity):
                next_at = now_at + 1  # it is another workspace now: look again
                continue
        next_at = min(next_at, max(due_at(life, schedule), now_at + 1))
    return next_at


def due_at(life: Life, schedule: TemplateSchedule) -> int:
    """No rule applies to a workspace before this instant, NEVER if none will."""
    at = NEVER
    failed, awake = life.job_status == "failed", life.dormant_at == NEVER
    if awake and not failed and life.transition == "start":
        at = min(at, life.deadline, life.suspended_at)
    if awake and not failed and life.transition == "stop" and life.suspended_at > life.next_start_at:
        at = min(at, life.next_start_at)
    if awake and schedule.time_til_dormant_us > 0:
        at = min(at, life.last_used_at + schedule.time_til_dormant_us + 1)
    if not awake and schedule.time_til_dormant_autodelete_us > 0 and life.deleting_at != NEVER:
        retry_at = life.completed_at + core.RETRY_DELETE_US if failed and life.transition == "delete" else -NEVER
        at = min(at, max(life.deleting_at, retry_at) + 1)
    if failed and life.transition == "start" and schedule.failure_ttl_us > 0:
        at = min(at, life.completed_at + schedule.failure_ttl_us + 1)
    if life.user_status == "suspended" and awake and life.transition == "start" and not failed:
        return -NEVER
    return at


def _act(tx: Transaction, now_at: int, life: Life, schedule: TemplateSchedule, activity: Activity) -> bool:
    """Do what the first rule that applies says; False if none does."""
    rule = core.transition(facts(life, now_at), template(schedule), now_at)
    if rule == core.NOTHING:
        return False
    tell(tx, now_at, life, activity, rule)
    if rule in (core.AUTOSTOP, core.SUSPENDED_STOP, core.FAILED_STOP):
        _stop(tx, now_at, life, schedule, rule)
    elif rule == core.AUTOSTART:
        _build(tx, now_at, life, "start", rule)
    elif rule == core.AUTODELETE:
        _build(tx, now_at, life, "delete", rule)
    elif rule == core.DORMANCY:
        until_us = schedule.time_til_dormant_autodelete_us
        tx.update("workspaces", life.id, dormant_at=now_at, deleting_at=now_at + until_us if until_us else None)
        if life.transition == "start":
            _stop(tx, now_at, life, schedule, rule)
        notifications.workspace_dormant(tx, now_at, life.id)
    return True


def _stop(tx: Transaction, now_at: int, life: Life, schedule: TemplateSchedule, rule: int) -> None:
    _build(tx, now_at, life, "stop", rule)
    tx.update("workspaces", life.id, next_start_at=next_allowed(schedule, life.autostart, now_at))


def _build(tx: Transaction, now_at: int, life: Life, transition: Transition, rule: int) -> int:
    """A build by the owner, whom the executor acts for."""
    return workspaces.insert_build(
        tx,
        now_at,
        life.id,
        life.build_number + 1,
        transition,
        life.owner_id,
        life.version_id,
        life.preset_id,
        life.organization_id,
        REASONS[rule],
    )


def facts(life: Life, now_at: int) -> core.Facts:
    """What the rules see of a workspace."""
    status = core.SUSPENDED if life.suspended_at <= now_at else _USERS[life.user_status]
    return core.Facts(
        user_status=status,
        transition=_TRANSITIONS[life.transition],
        job_status=_STATUSES[life.job_status],
        created_at=life.created_at,
        finished_at=life.completed_at,
        deadline=life.deadline if life.transition == "start" else NEVER,
        has_autostart=bool(life.autostart) and is_autostart(life.autostart),
        next_start_at=life.next_start_at,
        last_used_at=life.last_used_at,
        dormant_at=life.dormant_at,
        deleting_at=life.deleting_at,
    )


def tell(tx: Transaction, now_at: int, life: Life, activity: Activity, rule: int) -> None:
    """Write down what is about to happen to a workspace, and the numbers that caused it."""
    mine = activity if activity.build_id == life.build_id else Activity()
    tx.insert(
        "lifecycle_decisions",
        decided_at=now_at,
        workspace_id=life.id,
        rule=RULES[rule],
        workspace_build_id=life.build_id,
        deadline=life.deadline,
        max_deadline=life.max_deadline,
        bumped_at=mine.bumped_at,
        bumped_from=mine.bumped_from,
        next_start_at=life.next_start_at,
        last_used_at=life.last_used_at,
        deleting_at=life.deleting_at,
        bumps=mine.bumps,
        ttl=life.ttl_us * 1000 if life.ttl_us != NEVER else None,
    )


def wake(tx: Transaction, now_at: int, life: Life, activity: Activity) -> None:
    """Somebody starts a dormant workspace, which ends its dormancy."""
    if life.dormant_at == NEVER:
        return
    tx.update("workspaces", life.id, dormant_at=None, deleting_at=None, last_used_at=now_at)
    told = life._replace(dormant_at=NEVER, deleting_at=NEVER, last_used_at=now_at)
    tell(tx, now_at, told, activity, lives.WOKEN)


def set_ttl(tx: Transaction, now_at: int, workspace_id: int, ttl_us: int | None, activity: Activity) -> None:
    """Give a workspace a TTL of its own, or none: a new one acts from the next start on.

    Where it is removed, the running build's deadline becomes its max deadline (unset if it has none). Raises
    RefusedError for a prebuild, a TTL that Coder does not take, and where the template forbids it.
    """
    workspaces.owned(tx, workspace_id, "TTL")
    ttl_us = workspaces.checked_ttl(ttl_us)
    life = _known(tx, workspace_id)
    if not templates.schedule(tx, life.template_id).allow_user_autostop:
        raise RefusedError(
            "the template's allow_user_autostop is false: its default TTL is in force for all workspaces"
        )
    life = report(tx, now_at, life, activity)
    tx.update("workspaces", workspace_id, ttl=None if ttl_us is None else ttl_us * 1000)
    tell(tx, now_at, life._replace(ttl_us=NEVER if ttl_us is None else ttl_us), activity, lives.TTL_CHANGED)
    if life.runs and ttl_us is None:
        tx.update("workspace_builds", life.build_id, deadline=int(core.deadline_without_ttl(life.max_deadline)))


def set_autostart(tx: Transaction, now_at: int, workspace_id: int, autostart: str) -> None:
    """Give a workspace an autostart, or none (""). Raises RefusedError as `set_ttl` does, and for an unreadable one."""
    workspaces.owned(tx, workspace_id, "autostart")
    life = _known(tx, workspace_id)
    schedule = templates.schedule(tx, life.template_id)
    if autostart and not schedule.allow_user_autostart:
        raise RefusedError("the template's allow_user_autostart is false")
    if autostart:
        try:
            weekly(autostart)
        except CronError as error:
            raise RefusedError(f"autostart: {error}") from error
    next_at = next_allowed(schedule, autostart, now_at)
    tx.update("workspaces", workspace_id, autostart_schedule=autostart or None, next_start_at=next_at)


def set_dormant(tx: Transaction, now_at: int, workspace_id: int, dormant: bool) -> None:
    """Put a workspace to sleep, or wake it. Raises RefusedError for a prebuild."""
    workspaces.owned(tx, workspace_id, "dormancy")
    life = _known(tx, workspace_id)
    if not dormant:
        tx.update("workspaces", workspace_id, dormant_at=None, deleting_at=None, last_used_at=now_at)
        return
    until_us = templates.schedule(tx, life.template_id).time_til_dormant_autodelete_us
    tx.update("workspaces", workspace_id, dormant_at=now_at, deleting_at=now_at + until_us if until_us else None)


def set_deadline(tx: Transaction, now_at: int, workspace_id: int, deadline: int) -> None:
    """Move a running build's deadline. Raises RefusedError for a prebuild, a stopped workspace, a deadline less than
    half an hour away, or one after the max deadline."""
    workspaces.owned(tx, workspace_id, "deadline")
    life = _known(tx, workspace_id)
    if not life.runs:
        raise RefusedError(f"workspace {workspace_id} does not run; start it first")
    if deadline < now_at + 30 * MINUTE_US:
        raise RefusedError("a new deadline must be at least 30 minutes in the future")
    if deadline > life.max_deadline:
        raise RefusedError("a new deadline must not be after the max deadline")
    tx.update("workspace_builds", life.build_id, deadline=deadline)


def reschedule(
    tx: Transaction, now_at: int, template_id: int, schedule: TemplateSchedule, activities: dict[int, Activity]
) -> None:
    """Give a template another schedule: running builds and next starts of people's workspaces follow it."""
    templates.get(tx, template_id)
    before = [
        report(tx, now_at, _life(row), activities.setdefault(row[0], Activity()))
        for row in tx.execute(_LIVES.format(which="w.template_id = $template") + _IN_ORDER, template=template_id)
    ]
    templates.set_schedule(tx, template_id, schedule)
    for life in before:
        tell(tx, now_at, life, activities[life.id], lives.TEMPLATE_CHANGED)
        next_at = next_allowed(schedule, life.autostart, life.created_at)
        tx.update("workspaces", life.id, next_start_at=next_at)
        if life.runs:
            new_max_at, _ = _max_deadline(schedule, life.quiet_hours, life.completed_at)
            ttl_us = core.ttl_in_force(life.ttl_us, template(schedule))
            deadline, max_at = core.rescheduled(life.deadline, life.max_deadline, new_max_at, ttl_us, now_at)
            tx.update("workspace_builds", life.build_id, deadline=int(deadline), max_deadline=int(max_at))


def _known(tx: Transaction, workspace_id: int) -> Life:
    life = get(tx, workspace_id)
    if life is None:
        raise RefusedError(f"the owner of workspace {workspace_id} is no known user; create the user first")
    return life
