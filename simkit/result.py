"""What a run gave: every row that happened, and its tables under Coder's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import simkit
from simkit.clock import NEVER, SECOND_US, Int64Array, zone_database_version
from simkit.core import kernel, lives
from simkit.model import Activate, Preset, Scenario, TemplateSchedule, TemplateVersion
from simkit.rules import BUILD_ERROR, NO_STOP_DAY_ERROR, REASONS, RULES
from simkit.timeline import Steps, local_hours, steps_of

if TYPE_CHECKING:
    import pandas as pd

PREBUILDS_OWNER_ID = 0

Columns = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Result:
    """One run: its givens and every row that happened. A run is a function of (scenario, seed, replication)."""

    scenario: Scenario
    seed: int
    replication: int
    run_id: str
    digest: str
    """Of everything that decides the run; equal digests mean equal rows."""
    presets: tuple[tuple[TemplateVersion, Preset], ...]
    """In the kernel's order."""
    inputs: kernel.Inputs
    people: lives.People | None
    rows: kernel.Output

    def save(self, path: str | Path) -> str:
        """Write the run to a DuckDB file, entirely or not at all, and return its run_id. Raises StoreError.

        A run that is already there stays as it is: it has the same rows.
        """
        from simkit.store import save

        save(path, [self])
        return self.run_id

    def ask(self, question: str) -> pd.DataFrame:
        """The answer to one of `simkit.questions()` for this run."""
        from simkit.store import ask

        return ask(self, question)

    @cached_property
    def user_of_claim(self) -> Int64Array:
        """Who asks: a person, or somebody new for each claim: int64[n], ids."""
        person = self.inputs.claims[:, kernel.A_PERSON]
        return np.where(person == kernel.NONE, sum(_counts(self)) + _ids(len(person)), person + 1)

    def sessions(self, claims: Int64Array, ready_at: Int64Array) -> Columns:
        """The table of that name, by what each claim found (kernel's columns) and when each build was ready."""
        of_person = self.inputs.claims[:, kernel.A_PERSON] != kernel.NONE
        given, found = self.inputs.claims[of_person], claims[of_person]
        build = found[:, kernel.C_BUILD]
        ready = np.full(len(given), NEVER, dtype=np.int64)
        has_build = build != kernel.NONE
        ready[has_build] = np.maximum(ready_at[build[has_build]], given[has_build, kernel.A_AT])
        what = ["claimed", "claimed", "running", "starting", "started", "nothing"]
        return {
            "id": _ids(len(given)),
            "user_id": given[:, kernel.A_PERSON] + 1,
            "started_at": given[:, kernel.A_AT],
            "ended_at": given[:, kernel.A_UNTIL],
            "found": _text(what)[found[:, kernel.C_HIT]],
            "workspace_id": np.where(has_build, found[:, kernel.C_WORKSPACE] + 1, NEVER),
            "workspace_build_id": np.where(has_build, build + 1, NEVER),
            "ready_at": _by_the_end(self, ready),
        }

    @cached_property
    def tables(self) -> Mapping[str, Columns]:
        """The tables of `store/schema.sql` without run_id: table -> column -> array; a table's columns have one length.

        Instants are int64 microseconds with NEVER for NULL; text is an object array with None for NULL.
        """
        return {
            "runs": _runs(self),
            "local_hours": _local_hours(self),
            **_templates(self),
            **_presets(self),
            **_workspaces(self),
            "claims": _claims(self),
            **_people(self),
            "reconciler_decisions": _decisions(self),
            "desired_instances": _desired_instances(self),
        }


def _runs(result: Result) -> Columns:
    scenario = result.scenario
    return {
        "scenario": _text([scenario.name]),
        "seed": _whole([result.seed]),
        "replication": _whole([result.replication]),
        "digest": _text([result.digest]),
        "simkit_version": _text([simkit.__version__]),
        "coder_version": _text([scenario.behaviour.version]),
        "start_at": _whole([scenario.start_at]),
        "end_at": _whole([scenario.end_at]),
        "timezone": _text([scenario.zone.name]),
        "timezone_database": _text([zone_database_version()]),
        "currency": _text([scenario.currency]),
    }


def _local_hours(result: Result) -> Columns:
    start_at, end_at = result.scenario.start_at, result.scenario.end_at
    zones = {z.name: z for z in (result.scenario.zone_of(p) for _, p in result.presets)}
    hours = [local_hours(zones[name], start_at, end_at - 1) for name in sorted(zones)]
    return {
        "timezone": np.repeat(_text(sorted(zones)), [h.at.size for h in hours]),
        "from_at": np.concatenate([h.at for h in hours]),
        "until_at": np.concatenate([np.append(h.at[1:], end_at) for h in hours]),
        "local_at": np.concatenate([h.wall for h in hours]),
    }


def _templates(result: Result) -> Mapping[str, Columns]:
    versions = result.scenario.all_versions
    active_from = [result.scenario.start_at] * len(result.scenario.versions)
    active_from += [e.at for e in result.scenario.events if isinstance(e, Activate)]
    last = {v.template: i for i, v in enumerate(versions)}
    templates = list(last)
    return {
        "templates": {
            "id": _ids(len(templates)),
            "name": _text(templates),
            "active_version_id": _whole(last[t] + 1 for t in templates),
            **{name: np.repeat(value, len(templates)) for name, value in _schedule(result.scenario.schedule).items()},
        },
        "template_versions": {
            "id": _ids(len(versions)),
            "template_id": _whole(templates.index(v.template) + 1 for v in versions),
            "name": _text([v.name for v in versions]),
            "created_at": _whole(active_from),
        },
    }


def _presets(result: Result) -> Mapping[str, Columns]:
    presets = [p for _, p in result.presets]
    invalidated = np.full(len(presets), NEVER, dtype=np.int64)
    for at, kind, preset in result.inputs.events.tolist():
        if kind == kernel.INVALIDATE:
            invalidated[preset] = at
    parameters = [(i + 1, name, value) for i, p in enumerate(presets) for name, value in p.parameters]
    schedules = [(i + 1, s) for i, p in enumerate(presets) for s in p.schedules]
    costs = [result.scenario.workload_of(p.name).cost_per_instance_hour for p in presets]
    return {
        "template_version_presets": {
            "id": _ids(len(presets)),
            "template_version_id": _version_of(result) + 1,
            "name": _text([p.name for p in presets]),
            "description": _text([p.description for p in presets]),
            "icon": _text([p.icon for p in presets]),
            "is_default": np.array([p.default for p in presets], dtype=bool),
            "desired_instances": _whole(p.instances for p in presets),
            "invalidate_after_secs": _whole(p.ttl_us // SECOND_US for p in presets),
            "scheduling_timezone": _text([p.timezone for p in presets]),
            "last_invalidated_at": invalidated,
            "timezone": _text([result.scenario.zone_of(p).name for p in presets]),
            "cost_per_instance_hour": np.array(costs, dtype=np.float64),
        },
        "template_version_preset_parameters": {
            "template_version_preset_id": _whole(i for i, _, _ in parameters),
            "name": _text([name for _, name, _ in parameters]),
            "value": _text([value for _, _, value in parameters]),
        },
        "template_version_preset_prebuild_schedules": {
            "id": _ids(len(schedules)),
            "preset_id": _whole(i for i, _ in schedules),
            "cron_expression": _text([s.cron for _, s in schedules]),
            "desired_instances": _whole(s.instances for _, s in schedules),
        },
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
    return {name: _whole([us * 1000]) for name, us in durations.items()} | {
        "autostart_days_of_week": _whole([schedule.autostart_days]),
        "autostop_requirement_days_of_week": _whole([schedule.autostop_days]),
        "autostop_requirement_weeks": _whole([schedule.autostop_weeks]),
        "allow_user_autostart": np.array([schedule.allow_user_autostart]),
        "allow_user_autostop": np.array([schedule.allow_user_autostop]),
    }


def _workspaces(result: Result) -> Mapping[str, Columns]:
    w, b = result.rows.workspaces, result.rows.builds
    build_ids = _ids(len(b))
    version_of, template_of = _version_of(result), _template_of(result)
    claim = w[:, kernel.W_OWNER]
    owned = claim != kernel.NONE
    owner = np.where(owned, result.user_of_claim[claim] if len(result.inputs.claims) else 0, PREBUILDS_OWNER_ID)
    workspace = b[:, kernel.B_WORKSPACE]
    preset = w[workspace, kernel.W_PRESET]
    initiator = np.where(b[:, kernel.B_HUMAN] == 1, owner[workspace], PREBUILDS_OWNER_ID)
    completed, canceled = b[:, kernel.B_COMPLETED], b[:, kernel.B_STATUS] == kernel.CANCELED
    failed = b[:, kernel.B_STATUS] == kernel.FAILED
    with_agent = b[:, kernel.B_READY] != NEVER
    last_used = np.full(len(w), NEVER, dtype=np.int64)
    last_used[owned] = result.inputs.claims[claim[owned], kernel.A_AT]
    life, life_of_build = {}, {}
    reason = np.full(len(b), "initiator", dtype=object)
    error = _text([None, BUILD_ERROR])[failed.astype(np.int64)]
    if result.scenario.people:
        mine, build_life = result.rows.owned, result.rows.lives
        of_person = np.flatnonzero(owned)
        of_person = of_person[result.inputs.claims[claim[of_person], kernel.A_PERSON] != kernel.NONE]
        fields = {"last_used_at": lives.O_LAST_USED, "next_start_at": lives.O_NEXT_START}
        fields |= {"ttl": lives.O_TTL, "dormant_at": lives.O_DORMANT, "deleting_at": lives.O_DELETING}
        life = {name: np.full(len(w), NEVER, dtype=np.int64) for name in fields} | {"last_used_at": last_used}
        for name, column in fields.items():
            life[name][of_person] = mine[claim[of_person], column]
        life["ttl"] = _nanoseconds(life["ttl"])
        autostart = np.repeat(_text([p.autostart or None for p in result.scenario.people]), _counts(result))
        life["autostart_schedule"] = np.full(len(w), None, dtype=object)
        life["autostart_schedule"][of_person] = autostart[owner[of_person] - 1]
        life_of_build = {
            "deadline": build_life[:, lives.L_DEADLINE],
            "max_deadline": build_life[:, lives.L_MAX_DEADLINE],
        }
        known = build_life[:, lives.L_REASON] != NEVER
        reason[known] = _text(REASONS)[build_life[known, lives.L_REASON]]
        refused = result.rows.stories[:, lives.X_RULE] == lives.NO_STOP_DAY
        error[result.rows.stories[refused, lives.X_BUILD]] = NO_STOP_DAY_ERROR
    return {
        "workspaces": {
            "id": _ids(len(w)),
            "created_at": w[:, kernel.W_CREATED],
            "owner_id": owner,
            "template_id": template_of[w[:, kernel.W_PRESET]] + 1,
            "deleted": w[:, kernel.W_DELETED] != NEVER,
            "name": _text([f"workspace-{o}" if o else f"prebuild-{i}" for i, o in enumerate(owner.tolist(), 1)]),
            "last_used_at": last_used,
            **life,
        },
        "workspace_builds": {
            "id": build_ids,
            "created_at": b[:, kernel.B_CREATED],
            "workspace_id": workspace + 1,
            "template_version_id": version_of[preset] + 1,
            "template_version_preset_id": preset + 1,
            "build_number": b[:, kernel.B_NUMBER],
            "transition": _text(["start", "stop", "delete"])[b[:, kernel.B_TRANSITION]],
            "initiator_id": initiator,
            "job_id": build_ids,
            "reason": reason,
            **life_of_build,
        },
        "provisioner_jobs": {
            "id": build_ids,
            "created_at": b[:, kernel.B_CREATED],
            "started_at": b[:, kernel.B_STARTED],
            "canceled_at": np.where(canceled, completed, NEVER),
            "completed_at": completed,
            "error": error,
            "initiator_id": initiator,
        },
        "workspace_agents": {
            "id": _ids(int(with_agent.sum())),
            "workspace_build_id": build_ids[with_agent],
            "ready_at": _by_the_end(result, b[with_agent, kernel.B_READY]),
        },
    }


def _claims(result: Result) -> Columns:
    asked = result.rows.claims[:, kernel.C_HIT]
    is_claim = (asked == kernel.HIT) | (asked == kernel.COLD)
    given, claims = result.inputs.claims[is_claim], result.rows.claims[is_claim]
    return {
        "id": _ids(len(claims)),
        "created_at": given[:, kernel.A_AT],
        "preset_id": given[:, kernel.A_PRESET] + 1,
        "user_id": result.user_of_claim[is_claim],
        "workspace_id": claims[:, kernel.C_WORKSPACE] + 1,
        "workspace_build_id": claims[:, kernel.C_BUILD] + 1,
        "hit": claims[:, kernel.C_HIT] == kernel.HIT,
        "ready_at": _by_the_end(result, result.rows.builds[claims[:, kernel.C_BUILD], kernel.B_READY]),
    }


def _people(result: Result) -> Mapping[str, Columns]:
    people = result.scenario.people
    names = [f"{p.name}-{i}" for p in people for i in range(1, p.count + 1)]
    stories = result.rows.stories if people else np.empty((0, lives.X_COLUMNS), dtype=np.int64)
    claim = stories[:, lives.X_CLAIM]
    return {
        "users": {
            "id": _ids(len(names)),
            "username": _text(names),
            "quiet_hours_schedule": np.repeat(_text([p.quiet_hours for p in people]), _counts(result)),
            "suspended_at": np.repeat(_whole(p.suspended_at for p in people), _counts(result)),
        },
        "sessions": result.sessions(result.rows.claims, result.rows.builds[:, kernel.B_READY]),
        "lifecycle_decisions": {
            "decided_at": stories[:, lives.X_AT],
            "workspace_id": result.rows.claims[claim, kernel.C_WORKSPACE] + 1,
            "rule": _text(list(RULES.values()))[np.searchsorted(list(RULES), stories[:, lives.X_RULE])],
            "workspace_build_id": stories[:, lives.X_BUILD] + 1,
            "deadline": stories[:, lives.X_DEADLINE],
            "max_deadline": stories[:, lives.X_MAX_DEADLINE],
            "bumped_at": stories[:, lives.X_BUMPED_AT],
            "bumped_from": stories[:, lives.X_BUMPED_FROM],
            "next_start_at": stories[:, lives.X_NEXT_START],
            "last_used_at": stories[:, lives.X_LAST_USED],
            "deleting_at": stories[:, lives.X_DELETING],
            "bumps": stories[:, lives.X_BUMPS],
            "ttl": _nanoseconds(stories[:, lives.X_TTL]),
        },
    }


def _counts(result: Result) -> list[int]:
    return [p.count for p in result.scenario.people]


def _decisions(result: Result) -> Columns:
    d = result.rows.decisions
    held = d[:, kernel.D_BACKOFF_UNTIL]
    return {
        "decided_at": d[:, kernel.D_AT],
        "preset_id": d[:, kernel.D_PRESET] + 1,
        "desired": d[:, kernel.D_DESIRED],
        "actual": d[:, kernel.D_ACTUAL],
        "expired": d[:, kernel.D_EXPIRED],
        "starting": d[:, kernel.D_STARTING],
        "deleted_expired": d[:, kernel.D_DELETED_EXPIRED],
        "deleted_oldest": d[:, kernel.D_DELETED_OLDEST],
        "created": d[:, kernel.D_CREATED],
        "canceled": d[:, kernel.D_CANCELED],
        "hard_limited": d[:, kernel.D_HARD_LIMITED] == 1,
        "backoff_until": held,
    }


def _desired_instances(result: Result) -> Columns:
    """The timelines, 0 while a preset's version is not the active one."""
    presets, from_at, desired = [], [], []
    for i, given in enumerate(result.inputs.presets):
        change = slice(given[kernel.P_CHANGES_FROM], given[kernel.P_CHANGES_UNTIL])
        switch_at, on = [result.scenario.start_at], [int(given[kernel.P_ACTIVE])]
        for at, kind, preset in result.inputs.events.tolist():
            if preset == i and kind in (kernel.ACTIVATE, kernel.DEACTIVATE):
                switch_at.append(at)
                on.append(int(kind == kernel.ACTIVATE))
        wanted = Steps(result.inputs.change_at[change], result.inputs.change_desired[change], result.scenario.end_at)
        active = Steps(_whole(switch_at), _whole(on), result.scenario.end_at)
        at = np.union1d(wanted.at, active.at)
        steps = steps_of(at, wanted.value_at(at) * active.value_at(at), result.scenario.end_at)
        presets.append(np.full(steps.at.size, i + 1, dtype=np.int64))
        from_at.append(steps.at)
        desired.append(steps.value)
    return {
        "preset_id": np.concatenate(presets),
        "from_at": np.concatenate(from_at),
        "desired": np.concatenate(desired),
    }


def _version_of(result: Result) -> Int64Array:
    """The position of each preset's template version."""
    versions = result.scenario.all_versions
    return _whole(next(i for i, v in enumerate(versions) if v is version) for version, _ in result.presets)


def _template_of(result: Result) -> Int64Array:
    """The position of each preset's template."""
    templates = list(dict.fromkeys(v.template for v in result.scenario.all_versions))
    return _whole(templates.index(version.template) for version, _ in result.presets)


def _by_the_end(result: Result, at: Int64Array) -> Int64Array:
    """NEVER in place of what is later than the window: nothing happens after it."""
    return np.where(at > result.scenario.end_at, NEVER, at)


def _nanoseconds(us: Int64Array) -> Int64Array:
    """A duration as Coder stores it; NEVER stays NEVER."""
    return np.where(us == NEVER, NEVER, us * 1000)


def _ids(count: int) -> Int64Array:
    return np.arange(1, count + 1, dtype=np.int64)


def _whole(values: Iterable[int]) -> Int64Array:
    return np.array(list(values), dtype=np.int64)


def _text(values: Sequence[str | None]) -> npt.NDArray[Any]:
    return np.array(values, dtype=object)
