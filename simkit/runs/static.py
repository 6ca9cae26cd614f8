"""The tables that follow from a run's givens alone, whichever engine runs it."""

from __future__ import annotations

import itertools

import numpy as np

from simkit.clock import NEVER, SECOND_US, Int64Array, zone_database_version
from simkit.core import facts
from simkit.model import Activate, Event, Invalidate, Pause, Resume, SetSchedule, SetTTL, TemplateSchedule
from simkit.runs.givens import Givens
from simkit.store.columns import Columns, Lazy, Tables, ids, text, whole
from simkit.timeline import Steps, local_hours, steps_of
from simkit.version import __version__


def static_tables(given: Givens) -> Tables:
    """Tables of `store/schema.sql` without run_id that are known before the run."""
    return Lazy(
        {
            "runs": lambda: _runs(given),
            "reconciler_settings": lambda: _reconciler_settings(given),
            "scenario_events": lambda: _scenario_events(given),
            "local_hours": lambda: _local_hours(given),
            "templates": lambda: _templates(given),
            "template_versions": lambda: _template_versions(given),
            "template_version_presets": lambda: _presets(given),
            "template_version_preset_parameters": lambda: _parameters(given),
            "template_version_preset_prebuild_schedules": lambda: _schedules(given),
            "users": lambda: _users(given),
            "desired_instances": lambda: _desired_instances(given),
        }
    )


def static_views(given: Givens) -> Tables:
    """Views of `store/schema.sql` without run_id that are known before the run."""
    return Lazy({"presets": lambda: _presets_with_their_run(given)})


def _runs(given: Givens) -> Columns:
    scenario = given.scenario
    return {
        "scenario": text([scenario.name]),
        "seed": whole([given.seed]),
        "replication": whole([given.replication]),
        "digest": text([given.digest]),
        "simkit_version": text([__version__]),
        "coder_version": text([scenario.behaviour.version]),
        "start_at": whole([scenario.start_at]),
        "end_at": whole([scenario.end_at]),
        "timezone": text([scenario.zone.name]),
        "timezone_database": text([zone_database_version()]),
        "currency": text([scenario.currency]),
    }


def _reconciler_settings(given: Givens) -> Columns:
    settings = given.scenario.reconciler
    durations = {
        "reconciliation_interval": settings.interval_us,
        "reconciliation_backoff_interval": settings.backoff_interval_us,
        "reconciliation_backoff_lookback": settings.backoff_lookback_us,
    }
    return {name: whole([us * 1000]) for name, us in durations.items()} | {
        "failure_hard_limit": whole([settings.failure_hard_limit])
    }


_EVENT_NAMES: dict[type[Event], str] = {
    Activate: "activate",
    Invalidate: "invalidate",
    Pause: "pause",
    Resume: "resume",
    SetTTL: "set_workspace_ttl",
    SetSchedule: "set_template_schedule",
}


def _scenario_events(given: Givens) -> Columns:
    events = given.scenario.events
    first = len(given.scenario.versions) + 1
    versions = itertools.count(first)
    return {
        "id": ids(len(events)),
        "happened_at": whole(e.at for e in events),
        "event": text([_EVENT_NAMES[type(e)] for e in events]),
        "template_version_id": whole(next(versions) if isinstance(e, Activate) else NEVER for e in events),
        "preset": text([e.preset if isinstance(e, Invalidate) else None for e in events]),
        "people": text([e.people if isinstance(e, SetTTL) else None for e in events]),
    }


def _local_hours(given: Givens) -> Columns:
    start_at, end_at = given.scenario.start_at, given.scenario.end_at
    zones = {z.name: z for z in (given.scenario.zone_of(p) for _, p in given.presets)}
    hours = [local_hours(zones[name], start_at, end_at - 1) for name in sorted(zones)]
    return {
        "timezone": np.repeat(text(sorted(zones)), [h.at.size for h in hours]),
        "from_at": np.concatenate([h.at for h in hours]),
        "until_at": np.concatenate([np.append(h.at[1:], end_at) for h in hours]),
        "local_at": np.concatenate([h.wall for h in hours]),
    }


def _templates(given: Givens) -> Columns:
    last = {v.template: i for i, v in enumerate(given.scenario.all_versions)}
    schedule = _schedule(given.scenario.schedule)
    return {
        "id": ids(len(last)),
        "name": text(list(last)),
        "active_version_id": whole(i + 1 for i in last.values()),
        **{name: np.repeat(value, len(last)) for name, value in schedule.items()},
    }


def _template_versions(given: Givens) -> Columns:
    versions = given.scenario.all_versions
    templates = list(dict.fromkeys(v.template for v in versions))
    active_from = [given.scenario.start_at] * len(given.scenario.versions)
    active_from += [e.at for e in given.scenario.events if isinstance(e, Activate)]
    return {
        "id": ids(len(versions)),
        "template_id": whole(templates.index(v.template) + 1 for v in versions),
        "name": text([v.name for v in versions]),
        "created_at": whole(active_from),
    }


def _presets(given: Givens) -> Columns:
    presets = [p for _, p in given.presets]
    invalidated = np.full(len(presets), NEVER, dtype=np.int64)
    for at, kind, preset in given.inputs.events.tolist():
        if kind == facts.INVALIDATE:
            invalidated[preset] = at
    costs = [given.scenario.workload_of(p.name).cost_per_instance_hour for p in presets]
    return {
        "id": ids(len(presets)),
        "template_version_id": version_of(given) + 1,
        "name": text([p.name for p in presets]),
        "description": text([p.description for p in presets]),
        "icon": text([p.icon for p in presets]),
        "is_default": np.array([p.default for p in presets], dtype=bool),
        "desired_instances": whole(p.instances for p in presets),
        "invalidate_after_secs": whole(p.ttl_us // SECOND_US for p in presets),
        "scheduling_timezone": text([p.timezone for p in presets]),
        "last_invalidated_at": invalidated,
        "timezone": text([given.scenario.zone_of(p).name for p in presets]),
        "cost_per_instance_hour": np.array(costs, dtype=np.float64),
    }


def _presets_with_their_run(given: Givens) -> Columns:
    """The view `presets`."""
    presets, scenario = static_tables(given)["template_version_presets"], given.scenario
    same = ("timezone", "cost_per_instance_hour", "invalidate_after_secs")
    of_run = {"start_at": scenario.start_at, "end_at": scenario.end_at}
    count = len(given.presets)
    return {
        "preset_id": presets["id"],
        "template": text([version.template for version, _ in given.presets]),
        "version": text([version.name for version, _ in given.presets]),
        "preset": presets["name"],
        "currency": text([scenario.currency] * count),
        **{name: presets[name] for name in same},
        **{name: np.full(count, at, dtype=np.int64) for name, at in of_run.items()},
    }


def _parameters(given: Givens) -> Columns:
    rows = [(i + 1, name, value) for i, (_, p) in enumerate(given.presets) for name, value in p.parameters]
    return {
        "template_version_preset_id": whole(i for i, _, _ in rows),
        "name": text([name for _, name, _ in rows]),
        "value": text([value for _, _, value in rows]),
    }


def _schedules(given: Givens) -> Columns:
    rows = [(i + 1, s) for i, (_, p) in enumerate(given.presets) for s in p.schedules]
    return {
        "id": ids(len(rows)),
        "preset_id": whole(i for i, _ in rows),
        "cron_expression": text([s.cron for _, s in rows]),
        "desired_instances": whole(s.instances for _, s in rows),
    }


def _schedule(schedule: TemplateSchedule) -> Columns:
    """A template's schedule under Coder's names, durations in nanoseconds."""
    durations = {
        "default_ttl": schedule.default_ttl_us,
        "activity_bump": schedule.activity_bump_us,
        "failure_ttl": schedule.failure_ttl_us,
        "time_til_dormant": schedule.time_til_dormant_us,
        "time_til_dormant_autodelete": schedule.time_til_dormant_autodelete_us,
    }
    return {name: whole([us * 1000]) for name, us in durations.items()} | {
        "autostart_days_of_week": whole([schedule.autostart_days]),
        "autostop_requirement_days_of_week": whole([schedule.autostop_days]),
        "autostop_requirement_weeks": whole([schedule.autostop_weeks]),
        "allow_user_autostart": np.array([schedule.allow_user_autostart]),
        "allow_user_autostop": np.array([schedule.allow_user_autostop]),
    }


def _users(given: Givens) -> Columns:
    people = given.scenario.people
    names = [f"{p.name}-{i}" for p in people for i in range(1, p.count + 1)]
    counts = [p.count for p in people]
    return {
        "id": ids(len(names)),
        "username": text(names),
        "quiet_hours_schedule": np.repeat(text([p.quiet_hours for p in people]), counts),
        "suspended_at": np.repeat(whole(p.suspended_at for p in people), counts),
    }


def _desired_instances(given: Givens) -> Columns:
    """The timelines, 0 while a preset's version is not the active one."""
    inputs, scenario = given.inputs, given.scenario
    presets, from_at, desired = [], [], []
    for i, row in enumerate(inputs.presets):
        change = slice(row[facts.P_CHANGES_FROM], row[facts.P_CHANGES_UNTIL])
        switch_at, on = [scenario.start_at], [int(row[facts.P_ACTIVE])]
        for at, kind, preset in inputs.events.tolist():
            if preset == i and kind in (facts.ACTIVATE, facts.DEACTIVATE):
                switch_at.append(at)
                on.append(int(kind == facts.ACTIVATE))
        wanted = Steps(inputs.change_at[change], inputs.change_desired[change], scenario.end_at)
        active = Steps(whole(switch_at), whole(on), scenario.end_at)
        at = np.union1d(wanted.at, active.at)
        steps = steps_of(at, wanted.value_at(at) * active.value_at(at), scenario.end_at)
        presets.append(np.full(steps.at.size, i + 1, dtype=np.int64))
        from_at.append(steps.at)
        desired.append(steps.value)
    return {
        "preset_id": np.concatenate(presets),
        "from_at": np.concatenate(from_at),
        "desired": np.concatenate(desired),
    }


def version_of(given: Givens) -> Int64Array:
    """The position of each preset's template version."""
    versions = given.scenario.all_versions
    return whole(next(i for i, v in enumerate(versions) if v is version) for version, _ in given.presets)
