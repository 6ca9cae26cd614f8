"""The lifecycle of people's workspaces: deadlines when a build is done, activity, the executor's tick, and changes.

Prebuilds have none of it, but for versions whose executor does not leave them alone. The rules are `core.lifecycle`;
this module reads their facts from the tables, does what they say, and writes down what they saw. It speaks of the
workspaces of known users alone: an owner without a row in `users` is somebody of whose later life nothing is known.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple

from simkit.clock import MINUTE_US, NEVER
from simkit.coder_versions import Behaviour
from simkit.controlplane import jobs, notifications, templates, workspaces
from simkit.controlplane.types import PREBUILDS_USER, Transition
from simkit.core import lifecycle as core
from simkit.core import lives
from simkit.core.numbers import CANCELED, DELETE, FAILED, PENDING, RUNNING, START, STOP, SUCCEEDED
from simkit.cron import CronError, daily, is_autostart, weekly
from simkit.errors import RefusedError
from simkit.model import DEFAULT_QUIET_HOURS, TemplateSchedule
from simkit.store.database import Row, Transaction
from simkit.store.words import NO_STOP_DAY_ERROR, REASONS, RULES
from simkit.workspace.instants import next_starts, reports, start_deadlines, template, zoned

LOG = logging.getLogger("simkit.controlplane")
_SOON_US = 29 * MINUTE_US
"""A new deadline is at least this far away: half an hour, and a minute for a slow client."""
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
        coalesce(u.quiet_hours_schedule, $quiet_hours), epoch_us(u.suspended_at) AS suspended_us,
        coalesce(u.status, 'active') AS user_status,
        b.id AS build_id, b.build_number, b.transition, j.job_status, epoch_us(b.created_at) AS created_us,
        epoch_us(j.completed_at) AS completed_us, b.template_version_id, b.template_version_preset_id,
        epoch_us(b.deadline) AS deadline_us, epoch_us(b.max_deadline) AS max_deadline_us, t.organization_id
    FROM workspaces AS w
    LEFT JOIN users AS u ON u.id = w.owner_id
    JOIN templates AS t ON t.id = w.template_id
    JOIN workspace_builds AS b ON b.workspace_id = w.id
    JOIN provisioner_jobs AS j ON j.id = b.job_id
    WHERE NOT w.deleted AND (u.id IS NOT NULL OR (w.owner_id = 0 AND $prebuilds)) AND {which}
    QUALIFY row_number() OVER (PARTITION BY w.id ORDER BY b.build_number DESC) = 1
"""
# What sleeps for good: no rule but that of a failed build looks at it.
_MAY_ACT = "NOT (w.dormant_at IS NOT NULL AND w.deleting_at IS NULL AND t.failure_ttl = 0)"
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


def get(tx: Transaction, workspace_id: int, behaviour: Behaviour | None = None) -> Life | None:
    """None for a workspace that is deleted, or whose owner is no known user.

    `behaviour`: of a version whose executor may not leave prebuilds alone; without it a prebuild is None, too.
    """
    found = _lives(tx, "w.id = $id", behaviour, id=workspace_id)
    return found[0] if found else None


def _lives(tx: Transaction, which: str, behaviour: Behaviour | None, **given: int) -> list[Life]:
    """The lives that a condition selects, in the order in which the executor looks at them."""
    prebuilds = behaviour is not None and not behaviour.executor_skips_prebuilds
    sql = _LIVES.format(which=which) + _IN_ORDER
    return [_life(row) for row in tx.execute(sql, prebuilds=prebuilds, quiet_hours=DEFAULT_QUIET_HOURS, **given)]


def _life(row: Row) -> Life:
    """A row of _LIVES; NULL is NEVER, but for the text and the preset."""
    values = dict(zip(Life._fields, row[: len(Life._fields)], strict=True))
    plain = {"autostart": values["autostart"] or "", "preset_id": values["preset_id"]}
    given = {name: NEVER if value is None else value for name, value in values.items()} | plain
    return Life._make(given[name] for name in Life._fields)


def settle(
    tx: Transaction, now_at: int, workspace_id: int, template_id: int, autostart: str, ttl_us: int | None
) -> None:
    """Give a workspace that a person just got its lifecycle fields.

    `ttl_us` None, or 0 as Coder has no other way to ask for none, is the template's default.
    """
    schedule = templates.schedule(tx, template_id)
    ttl = ttl_us or schedule.default_ttl_us
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
    """The next start on a day that the template allows after an instant; NEVER without, or if Coder cannot read it.

    Whether users may have an autostart at all plays no part in it.
    """
    if not autostart or not is_autostart(autostart):
        return NEVER
    return next_starts(autostart, schedule, after_at)[2]


def complete_build(tx: Transaction, now_at: int, life: Life, activity: Activity) -> str:
    """Give a build that is done its deadlines, and its workspace the next start.

    Coder computes the deadlines of stops and deletes too, which nothing reads: they are not kept here. The error with
    which Coder fails the build if it cannot, or "".
    """
    schedule = templates.schedule(tx, life.template_id)
    ttl_us = None if life.ttl_us == NEVER else life.ttl_us
    if life.owner_id == PREBUILDS_USER:
        ttl_us = schedule.default_ttl_us or None  # of a version that does not leave them alone
    deadline, max_deadline, is_refused = start_deadlines(schedule, now_at, ttl_us, life.autostart, life.quiet_hours)
    if is_refused:
        tell(tx, now_at, life, activity, lives.NO_STOP_DAY)
        return NO_STOP_DAY_ERROR
    next_start_at = next_allowed(schedule, life.autostart, now_at)
    if next_start_at != NEVER and life.dormant_at == NEVER:
        tx.update("workspaces", life.id, next_start_at=next_start_at)
        life = life._replace(next_start_at=next_start_at)
    if life.transition == "start":
        tx.update("workspace_builds", life.build_id, deadline=deadline, max_deadline=max_deadline)
        activity.begins(life.build_id, now_at)
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
    report(tx, now_at - 1, life, activity)
    if activity.until_at < now_at:
        activity.report_at, activity.build_id = max(report_at, now_at), life.build_id
    activity.until_at = max(activity.until_at, until_at)


def execute(tx: Transaction, now_at: int, activities: dict[int, Activity], behaviour: Behaviour) -> int:
    """The executor's tick: act by the first rule that applies on each workspace which its pre-filter selects.

    `activities`: the connections, by workspace. The instant before which no later tick can do anything, unless
    something changes; NEVER if there is nothing to come.
    """
    schedules: dict[int, TemplateSchedule] = {}
    served: dict[int, bool] = {}
    next_at = NEVER
    for life in _lives(tx, _MAY_ACT, behaviour):
        if life.template_id not in schedules:
            schedules[life.template_id] = templates.schedule(tx, life.template_id)
        schedule = schedules[life.template_id]
        # What is not written down yet, activity, only moves it further away.
        if due_at(life, schedule, behaviour) <= now_at:
            activity = activities.setdefault(life.id, Activity())
            life = report(tx, now_at, life, activity, schedule)
            rule = _rule(life, schedule, behaviour, now_at)
            if rule != core.NOTHING and life.template_id not in served:
                served[life.template_id] = not behaviour.executor_needs_daemons or _has_daemon(tx, now_at, life)
                if not served[life.template_id]:
                    LOG.warning("no live daemon could take a job of template %s; it is left alone", life.template_id)
            acts = rule != core.NOTHING and served[life.template_id]
            # A build that cannot be created undoes all of it; where no daemon could take it, the start is kept.
            if not (acts and core.needs_build(rule, _TRANSITIONS[life.transition]) and not life.is_done):
                life = _with_next_start(tx, now_at, life, schedule, behaviour)
                if acts:
                    _act(tx, now_at, life, schedule, activity, rule)
                    next_at = now_at + 1  # it is another workspace now: look again
                    continue
                if rule != core.NOTHING:
                    continue  # until a daemon is heard of
        next_at = min(next_at, max(due_at(life, schedule, behaviour), now_at + 1))
    return next_at


def _has_daemon(tx: Transaction, now_at: int, life: Life) -> bool:
    """Could a daemon that is alive take a job of the active version of a workspace's template?"""
    return jobs.has_daemon(tx, now_at, life.organization_id, templates.active_tags(tx, life.template_id))


def due_at(life: Life, schedule: TemplateSchedule, behaviour: Behaviour) -> int:
    """No rule applies to a workspace before this instant, NEVER if none will until something happens to it."""
    at = NEVER
    failed, awake = life.job_status == "failed", life.dormant_at == NEVER
    starts, stops = life.transition == "start", life.transition == "stop"
    if awake and schedule.time_til_dormant_us > 0 and (life.is_done or not starts):
        at = min(at, life.last_used_at + schedule.time_til_dormant_us + 1)
    if not life.is_done:
        return at  # nobody builds it until that is done
    if awake and not failed and starts:
        at = min(at, life.deadline + 1 if life.deadline != NEVER else NEVER, life.suspended_at)
        if life.user_status == "suspended":
            return -NEVER
    if awake and not failed and stops and life.user_status == "active" and _has_autostart(life):
        start_at = _allowed_start(life, schedule)
        if life.next_start_at == NEVER and start_at != NEVER:
            return -NEVER  # the executor computes it
        if schedule.allow_user_autostart:
            at = min(at, max(life.next_start_at, start_at))
    if not awake and schedule.time_til_dormant_autodelete_us > 0 and life.deleting_at != NEVER:
        retry_at = life.completed_at + core.RETRY_DELETE_US if failed and life.transition == "delete" else -NEVER
        at = min(at, max(life.deleting_at, retry_at) + 1)
    if failed and (starts or (stops and behaviour.retries_failed_stops)) and schedule.failure_ttl_us > 0:
        at = min(at, life.completed_at + schedule.failure_ttl_us + 1)
    return at


def _rule(life: Life, schedule: TemplateSchedule, behaviour: Behaviour, now_at: int) -> int:
    """The rule that applies to a workspace at the executor's tick; NOTHING if its pre-filter does not select it."""
    seen, given = facts(life, now_at), template(schedule)
    retries = behaviour.retries_failed_stops
    if not core.is_eligible(seen, given, now_at, False, False, retries):
        return core.NOTHING
    if core.may_autostart(seen, now_at):
        seen = seen._replace(allowed_start_at=_allowed_start(life, schedule))
    return int(core.transition(seen, given, now_at, retries))


def _allowed_start(life: Life, schedule: TemplateSchedule) -> int:
    return next_allowed(schedule, life.autostart, life.created_at)


def _has_autostart(life: Life) -> bool:
    return bool(life.autostart) and is_autostart(life.autostart)


def _with_next_start(
    tx: Transaction, now_at: int, life: Life, schedule: TemplateSchedule, behaviour: Behaviour
) -> Life:
    """A workspace that the executor looks at gets the next start that it lacks; a dormant one has none."""
    if life.next_start_at != NEVER or life.dormant_at != NEVER:
        return life
    eligible = core.is_eligible(
        facts(life, now_at), template(schedule), now_at, False, False, behaviour.retries_failed_stops
    )
    next_start_at = next_allowed(schedule, life.autostart, now_at) if eligible else NEVER
    if next_start_at == NEVER:
        return life
    tx.update("workspaces", life.id, next_start_at=next_start_at)
    return life._replace(next_start_at=next_start_at)


def _act(tx: Transaction, now_at: int, life: Life, schedule: TemplateSchedule, activity: Activity, rule: int) -> None:
    """Do what a rule says to a workspace."""
    tell(tx, now_at, life, activity, rule)
    if core.needs_build(rule, _TRANSITIONS[life.transition]):
        builds: dict[int, Transition] = {core.AUTOSTART: "start", core.AUTODELETE: "delete"}
        _build(tx, now_at, life, builds.get(rule, "stop"), rule)
    if rule == core.DORMANCY:
        _sleep(tx, now_at, life.id, schedule)
        if life.owner_id != PREBUILDS_USER:
            notifications.workspace_dormant(tx, now_at, life.id)


def _sleep(tx: Transaction, now_at: int, workspace_id: int, schedule: TemplateSchedule) -> None:
    """A workspace is dormant from now on, and has no next start as long as it is."""
    deleting_at = int(core.deletes_at(now_at, template(schedule)))
    tx.update("workspaces", workspace_id, dormant_at=now_at, deleting_at=deleting_at, next_start_at=None)


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
    """What the rules see of a workspace, but for the start that `may_autostart` asks for."""
    status = core.SUSPENDED if life.suspended_at <= now_at else _USERS[life.user_status]
    return core.Facts(
        user_status=status,
        transition=_TRANSITIONS[life.transition],
        job_status=_STATUSES[life.job_status],
        created_at=life.created_at,
        finished_at=life.completed_at,
        deadline=life.deadline if life.transition == "start" else NEVER,
        has_autostart=_has_autostart(life),
        next_start_at=life.next_start_at,
        allowed_start_at=NEVER,
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
    """Somebody starts a dormant workspace, which ends its dormancy (in old versions the client wakes it first)."""
    if life.dormant_at == NEVER:
        return
    tx.update("workspaces", life.id, dormant_at=None, deleting_at=None, last_used_at=now_at)
    told = life._replace(dormant_at=NEVER, deleting_at=NEVER, last_used_at=now_at)
    tell(tx, now_at, told, activity, lives.WOKEN)


def caught_up(tx: Transaction, now_at: int, workspace_id: int, activity: Activity) -> None:
    """Apply what agents have reported before an instant, at which something happens to a person's workspace.

    What people and administrators do at an instant comes before the reports of that instant.
    """
    life = get(tx, workspace_id)
    if life is not None:
        report(tx, now_at - 1, life, activity)


def set_ttl(
    tx: Transaction, now_at: int, workspace_id: int, ttl_us: int | None, activity: Activity, behaviour: Behaviour
) -> None:
    """Give a workspace a TTL of its own, in whole minutes, or none: a new one acts from the next build on.

    Where it is removed, the running build's deadline becomes its max deadline (unset if it has none). Raises
    RefusedError for a prebuild, a TTL that Coder does not take, where the template forbids it, and where old versions
    cannot unset a deadline that a max deadline needs.
    """
    workspaces.owned(tx, workspace_id, "TTL")
    ttl_us = workspaces.checked_ttl(ttl_us)
    life = _known(tx, workspace_id)
    if not templates.schedule(tx, life.template_id).allow_user_autostop:
        raise RefusedError(
            "the template's allow_user_autostop is false: its default TTL is in force for all workspaces"
        )
    to_max = behaviour.ttl_removal_keeps_max_deadline
    if ttl_us is None and life.transition == "start" and life.max_deadline != NEVER and not to_max:
        raise RefusedError(
            "the rule workspace_builds_deadline_below_max_deadline of workspace_builds refuses this: Coder "
            f"{behaviour.version} unsets the deadline with the TTL, and there is a max deadline"
        )
    life = report(tx, now_at - 1, life, activity)
    tx.update("workspaces", workspace_id, ttl=None if ttl_us is None else ttl_us * 1000)
    tell(tx, now_at, life._replace(ttl_us=NEVER if ttl_us is None else ttl_us), activity, lives.TTL_CHANGED)
    if life.transition == "start" and ttl_us is None:
        tx.update("workspace_builds", life.build_id, deadline=int(core.deadline_without_ttl(life.max_deadline, to_max)))


def set_autostart(tx: Transaction, now_at: int, workspace_id: int, autostart: str) -> None:
    """Give a workspace an autostart, or none ("").

    Raises RefusedError for a prebuild, for an unreadable one, for any change where the template does not let users have
    an autostart, and for one that has no start on a day that the template allows.
    """
    workspaces.owned(tx, workspace_id, "autostart")
    life = _known(tx, workspace_id)
    schedule = templates.schedule(tx, life.template_id)
    if not schedule.allow_user_autostart:
        raise RefusedError("the template's allow_user_autostart is false: nobody can change an autostart, or remove it")
    if autostart:
        try:
            weekly(autostart)
        except CronError as error:
            raise RefusedError(f"autostart: {error}") from error
    next_at = next_allowed(schedule, autostart, now_at)
    if autostart and next_at == NEVER:
        raise RefusedError(f'the template allows none of the days of the autostart "{autostart}"')
    if life.dormant_at != NEVER:
        next_at = NEVER
    tx.update("workspaces", workspace_id, autostart_schedule=autostart or None, next_start_at=next_at)


def set_dormant(tx: Transaction, now_at: int, workspace_id: int, dormant: bool) -> None:
    """Put a workspace to sleep, or wake it; nothing changes if it is so already. Raises RefusedError for a prebuild."""
    workspaces.owned(tx, workspace_id, "dormancy")
    life = _known(tx, workspace_id)
    if dormant == (life.dormant_at != NEVER):
        return
    if dormant:
        _sleep(tx, now_at, workspace_id, templates.schedule(tx, life.template_id))
    else:
        tx.update("workspaces", workspace_id, dormant_at=None, deleting_at=None, last_used_at=now_at)


def set_deadline(tx: Transaction, now_at: int, workspace_id: int, deadline: int) -> None:
    """Move a running build's deadline. Raises RefusedError for a prebuild, a workspace that does not run or has no
    deadline, and for a deadline that is less than 29 minutes away or after the max deadline."""
    workspaces.owned(tx, workspace_id, "deadline")
    life = _known(tx, workspace_id)
    if life.transition != "start" or not life.is_done:
        raise RefusedError(f"workspace {workspace_id} does not run; start it first")
    if life.deadline == NEVER:
        raise RefusedError(f"workspace {workspace_id} has no deadline to move: it runs until somebody stops it")
    if deadline < now_at + _SOON_US:
        raise RefusedError("a new deadline must be at least 29 minutes in the future")
    if deadline > life.max_deadline:
        raise RefusedError("a new deadline must not be after the max deadline")
    tx.update("workspace_builds", life.build_id, deadline=deadline)


def reschedule(
    tx: Transaction,
    now_at: int,
    template_id: int,
    schedule: TemplateSchedule,
    activities: dict[int, Activity],
    behaviour: Behaviour,
    *,
    update_last_used_at: bool = False,
    update_dormant_at: bool = False,
) -> None:
    """Give a template another schedule, which its workspaces follow in the order in which Coder's store goes on.

    The flags set the last use of all its workspaces to now, and make the dormant ones dormant since now. Nothing
    happens, of these neither, if the schedule is the one that it has.
    """
    templates.get(tx, template_id)
    before, after = template(templates.schedule(tx, template_id)), template(schedule)
    if not core.changes_schedule(before, after):
        return
    of = "w.template_id = $template"
    for life in _lives(tx, of, behaviour, template=template_id):
        life = report(tx, now_at - 1, life, activities.setdefault(life.id, Activity()))
        tell(tx, now_at, life, activities[life.id], lives.TEMPLATE_CHANGED)
    templates.set_schedule(tx, template_id, schedule)
    spares = "" if behaviour.schedule_changes_deleted else " AND NOT deleted"
    if behaviour.executor_skips_prebuilds:
        spares += " AND owner_id <> 0"
    for life_id, dormant_at in tx.execute(
        "SELECT id, epoch_us(dormant_at) FROM workspaces "
        f"WHERE template_id = $template AND dormant_at IS NOT NULL{spares}",
        template=template_id,
    ):
        since_at = now_at if update_dormant_at else int(dormant_at)
        deleting_at = int(core.deletes_at(since_at, after))
        tx.update("workspaces", life_id, dormant_at=since_at, deleting_at=deleting_at)
        if deleting_at != NEVER:
            notifications.workspace_marked_for_deletion(tx, now_at, life_id)
    if update_last_used_at:
        tx.execute(
            "UPDATE workspaces SET last_used_at = make_timestamptz($now) WHERE template_id = $template",
            now=now_at,
            template=template_id,
        )
    lives_now = _lives(tx, of, behaviour, template=template_id)
    for i, life in enumerate(lives_now):
        ttl_us = int(core.ttl_after_change(life.ttl_us, before, after))
        if ttl_us != life.ttl_us and life.owner_id != PREBUILDS_USER:
            tx.update("workspaces", life.id, ttl=None if ttl_us == NEVER else ttl_us * 1000)
            lives_now[i] = life._replace(ttl_us=ttl_us)
    for life in lives_now:
        if life.runs and not core.keeps_deadlines(life.max_deadline, now_at):
            _follow(tx, now_at, life, schedule, behaviour)
    if before.autostart_days != after.autostart_days:
        for life in lives_now:
            next_at = next_allowed(schedule, life.autostart, now_at) if life.dormant_at == NEVER else NEVER
            tx.update("workspaces", life.id, next_start_at=next_at)


def _follow(tx: Transaction, now_at: int, life: Life, schedule: TemplateSchedule, behaviour: Behaviour) -> None:
    """A running build, and the next start of its workspace, follow the new schedule of their template."""
    if _has_autostart(life) and life.dormant_at == NEVER:
        # Coder asks for the next start here, whether the template allows its day or not.
        tx.update("workspaces", life.id, next_start_at=next_starts(life.autostart, schedule, now_at)[0])
    new_max_at, _ = _max_deadline(schedule, life.quiet_hours, life.completed_at)
    ttl_us = core.ttl_in_force(life.ttl_us, template(schedule))
    deadline, max_at = core.rescheduled(
        life.deadline, life.max_deadline, new_max_at, ttl_us, now_at, behaviour.schedule_change_removes_deadline
    )
    tx.update("workspace_builds", life.build_id, deadline=int(deadline), max_deadline=int(max_at))


def _known(tx: Transaction, workspace_id: int) -> Life:
    life = get(tx, workspace_id)
    if life is None:
        raise RefusedError(f"the owner of workspace {workspace_id} is no known user; create the user first")
    return life
