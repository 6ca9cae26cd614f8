"""What a run gave: every row that happened, and its tables under Coder's names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simkit.clock import NEVER, Int64Array
from simkit.core import facts, kernel, lives, stopped_prebuilds
from simkit.core.numbers import CANCELED, FAILED, NONE, START, SUCCEEDED
from simkit.model import Scenario
from simkit.runs.givens import Givens
from simkit.runs.static import static_tables, static_views, version_of
from simkit.store.columns import Columns, Lazy, Tables, ids, text, whole
from simkit.store.words import (
    BUILD_ERROR,
    INSUFFICIENT_QUOTA_ERROR,
    NO_STOP_DAY_ERROR,
    PENDING_TOO_LONG_ERROR,
    REASONS,
    RULES,
)

if TYPE_CHECKING:
    import pandas as pd

PREBUILDS_OWNER_ID = 0


@dataclass(frozen=True)
class Result:
    """One run of either engine: a function of (scenario, seed, replication). It can be saved, asked and cited.

    >>> result = simkit.run(simkit.load("examples/template/morning.yaml"), seed=7)
    >>> result.run_id.startswith("morning-s7-r0-")
    True
    """

    given: Givens
    """What the run was given, before anything happened."""

    @property
    def tables(self) -> Tables:
        """The tables of `store/schema.sql` without run_id: table -> column -> array; a table's columns have one length.

        Instants are int64 microseconds with NEVER for NULL; text is an object array with None for NULL.
        """
        return static_tables(self.given)

    @property
    def views(self) -> Tables:
        """Views of `store/schema.sql` without run_id whose rows the run has anyhow, as in `tables`."""
        return static_views(self.given)

    @property
    def scenario(self) -> Scenario:
        return self.given.scenario

    @property
    def seed(self) -> int:
        return self.given.seed

    @property
    def replication(self) -> int:
        return self.given.replication

    @property
    def run_id(self) -> str:
        """Of the scenario's name, seed, replication and digest: equal ids mean equal rows."""
        return self.given.run_id

    @property
    def digest(self) -> str:
        """Of everything that decides the run; equal digests mean equal rows."""
        return self.given.digest

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


@dataclass(frozen=True)
class KernelResult(Result):
    """A run of the kernel, with its rows as arrays."""

    rows: kernel.Output

    @property
    def inputs(self) -> facts.Inputs:
        return self.given.inputs

    @cached_property
    def gone_at(self) -> Int64Array:
        """When each workspace first ran no more, stopped or deleted: int64[w], NEVER for those that run on."""
        b = self.rows.builds
        ends = b[(b[:, facts.B_TRANSITION] != START) & (b[:, facts.B_STATUS] == SUCCEEDED)]
        found = np.full(len(self.rows.workspaces), NEVER, dtype=np.int64)
        np.minimum.at(found, ends[:, facts.B_WORKSPACE], ends[:, facts.B_COMPLETED])
        return found

    @cached_property
    def tables(self) -> Tables:
        """As `Result.tables`: made when they are asked for, column by column where that takes time."""
        moved = {
            "workspaces": lambda: _workspaces(self),
            "workspace_builds": lambda: _workspace_builds(self),
            "provisioner_jobs": lambda: _provisioner_jobs(self),
            "workspace_agents": lambda: _workspace_agents(self),
            "claims": lambda: _claims(self),
            "sessions": lambda: sessions(self.given, self.rows.claims, self.rows.builds[:, facts.B_READY]),
            "lifecycle_decisions": lambda: _lifecycle_decisions(self),
            "reconciler_decisions": lambda: _reconciler_decisions(self),
        }
        static = static_tables(self.given)
        return Lazy({name: partial(static.__getitem__, name) for name in static} | moved)

    @cached_property
    def views(self) -> Tables:
        """As `Result.views`; a property test holds each equal to what its SQL finds."""
        static = static_views(self.given)
        moved = {"prebuild_spans": lambda: _prebuild_spans(self)}
        if not self.rows.decisions[:, facts.D_HARD_LIMITED].any():
            moved["hard_limits"] = _no_hard_limits
        return Lazy({name: partial(static.__getitem__, name) for name in static} | moved)


def _workspaces(result: KernelResult) -> Columns:
    w, claims = result.rows.workspaces, result.inputs.claims
    claim = w[:, facts.W_OWNER]
    owned = claim != NONE

    def last_used() -> Int64Array:
        found = w[:, facts.W_CREATED].copy()
        found[owned] = claims[claim[owned], facts.A_AT]
        return found

    columns = {
        "id": lambda: ids(len(w)),
        "created_at": lambda: w[:, facts.W_CREATED],
        "owner_id": lambda: _owner(result),
        "template_id": lambda: _template_of(result.given)[w[:, facts.W_PRESET]] + 1,
        "deleted": lambda: w[:, facts.W_DELETED] != NEVER,
        "name": lambda: text(
            [f"workspace-{o}" if o else f"prebuild-{i}" for i, o in enumerate(_owner(result).tolist(), 1)]
        ),
        "last_used_at": last_used,
    }
    if result.given.people is None:
        return Lazy(columns)

    mine = result.rows.owned
    of_person = np.flatnonzero(owned)
    of_person = of_person[claims[claim[of_person], facts.A_PERSON] != NONE]

    def of_life(column: int) -> Int64Array:
        found = last_used() if column == lives.O_LAST_USED else np.full(len(w), NEVER, dtype=np.int64)
        found[of_person] = mine[claim[of_person], column]
        return found

    def of_dormancy(column: int, of_prebuilt: int) -> Int64Array:
        found = of_life(column)
        if result.given.people is not None and result.given.people.prebuilds_too:
            found[~owned] = result.rows.prebuilt[~owned, of_prebuilt]
        return found

    def autostart() -> npt.NDArray[Any]:
        people = result.scenario.people
        own = np.repeat(text([p.autostart or None for p in people]), [p.count for p in people])
        found = np.full(len(w), None, dtype=object)
        found[of_person] = own[_owner(result)[of_person] - 1]
        return found

    return Lazy(
        columns
        | {
            "last_used_at": lambda: of_life(lives.O_LAST_USED),
            "next_start_at": lambda: of_life(lives.O_NEXT_START),
            "ttl": lambda: _nanoseconds(of_life(lives.O_TTL)),
            "dormant_at": lambda: of_dormancy(lives.O_DORMANT, stopped_prebuilds.U_DORMANT),
            "deleting_at": lambda: of_dormancy(lives.O_DELETING, stopped_prebuilds.U_DELETING),
            "autostart_schedule": autostart,
        }
    )


def _owner(result: KernelResult) -> Int64Array:
    """The owner's id of each workspace: int64[w]."""
    claim = result.rows.workspaces[:, facts.W_OWNER]
    if not len(result.inputs.claims):
        return np.full(len(claim), PREBUILDS_OWNER_ID, dtype=np.int64)
    return np.where(claim != NONE, result.given.user_of_claim[claim], PREBUILDS_OWNER_ID)


def _initiator(result: KernelResult) -> Int64Array:
    """Who initiated each build: int64[b], ids."""
    b = result.rows.builds
    owner = _owner(result)[b[:, facts.B_WORKSPACE]]
    # Of a prebuild only the operator is a person who builds it: to delete it.
    human = np.where(owner == PREBUILDS_OWNER_ID, result.given.operator_id, owner)
    return np.where(b[:, facts.B_HUMAN] == 1, human, PREBUILDS_OWNER_ID)


def _workspace_builds(result: KernelResult) -> Columns:
    b, w = result.rows.builds, result.rows.workspaces
    workspace = b[:, facts.B_WORKSPACE]

    def preset() -> Int64Array:
        return w[workspace, facts.W_PRESET]

    def reason() -> npt.NDArray[Any]:
        found = np.full(len(b), "initiator", dtype=object)
        if result.given.people is not None:
            rule = result.rows.lives[:, lives.L_REASON]
            found[rule != NEVER] = text(REASONS)[rule[rule != NEVER]]
        return found

    columns = {
        "id": lambda: ids(len(b)),
        "created_at": lambda: b[:, facts.B_CREATED],
        "workspace_id": lambda: workspace + 1,
        "template_version_id": lambda: version_of(result.given)[preset()] + 1,
        "template_version_preset_id": lambda: preset() + 1,
        "build_number": lambda: b[:, facts.B_NUMBER],
        "transition": lambda: text(["start", "stop", "delete"])[b[:, facts.B_TRANSITION]],
        "initiator_id": lambda: _initiator(result),
        "job_id": lambda: ids(len(b)),
        "reason": reason,
    }
    if result.inputs.settings.quota != NEVER:
        columns["daily_cost"] = lambda: _daily_cost(result)
    if result.given.people is not None:
        columns["deadline"] = lambda: result.rows.lives[:, lives.L_DEADLINE]
        columns["max_deadline"] = lambda: result.rows.lives[:, lives.L_MAX_DEADLINE]
    return Lazy(columns)


def _daily_cost(result: KernelResult) -> Int64Array:
    """What each build takes of the quota: int64[b]. Those of people's workspaces are nobody's concern here."""
    b = result.rows.builds
    built = (b[:, facts.B_NUMBER] == 1) & (b[:, facts.B_HUMAN] == 0) & (b[:, facts.B_STATUS] == SUCCEEDED)
    preset = result.rows.workspaces[b[:, facts.B_WORKSPACE], facts.W_PRESET]
    return np.where(built, result.inputs.presets[preset, facts.P_DAILY_COST], 0)


def _provisioner_jobs(result: KernelResult) -> Columns:
    b = result.rows.builds
    return Lazy(
        {
            "id": lambda: ids(len(b)),
            "created_at": lambda: b[:, facts.B_CREATED],
            "started_at": lambda: b[:, facts.B_STARTED],
            "canceled_at": lambda: _canceled_at(b),
            "completed_at": lambda: b[:, facts.B_COMPLETED],
            "error": lambda: text(_ERRORS)[_error(result)],
            "initiator_id": lambda: _initiator(result),
        }
    )


_ERRORS = (None, BUILD_ERROR, PENDING_TOO_LONG_ERROR, INSUFFICIENT_QUOTA_ERROR, NO_STOP_DAY_ERROR)


def _error(result: KernelResult) -> Int64Array:
    """Which of _ERRORS each build has: int64[b]."""
    b = result.rows.builds
    found = (b[:, facts.B_STATUS] == FAILED).astype(np.int64) + b[:, facts.B_ENDED]
    if result.given.people is not None:
        refused = result.rows.stories[:, lives.X_RULE] == lives.NO_STOP_DAY
        found[result.rows.stories[refused, lives.X_BUILD]] = _ERRORS.index(NO_STOP_DAY_ERROR)
    return found


def _canceled_at(builds: Int64Array) -> Int64Array:
    return np.where(builds[:, facts.B_STATUS] == CANCELED, builds[:, facts.B_COMPLETED], NEVER)


def _prebuild_spans(result: KernelResult) -> Columns:
    """The view of that name: its joins are positions here."""
    b, w, error = result.rows.builds, result.rows.workspaces, _error(result)
    workspace, created, completed = b[:, facts.B_WORKSPACE], b[:, facts.B_CREATED], b[:, facts.B_COMPLETED]
    by_pool = b[:, facts.B_HUMAN] == 0
    first = np.flatnonzero((b[:, facts.B_NUMBER] == 1) & by_pool)
    mine = workspace[first]
    is_end = b[:, facts.B_TRANSITION] != START

    def earliest(at: Int64Array, of: npt.NDArray[np.bool_]) -> Int64Array:
        found = np.full(len(w), NEVER, dtype=np.int64)
        np.minimum.at(found, workspace[of], at[of])
        return found[mine]

    started, canceled = b[first, facts.B_STARTED], _canceled_at(b)[first]
    status = np.select(
        [error[first] > 0, canceled != NEVER, completed[first] != NEVER, started == NEVER],
        [_STATUSES.index(name) for name in ("failed", "canceled", "succeeded", "pending")],
        _STATUSES.index("running"),
    )
    failed = status == _STATUSES.index("failed")
    is_there = status != _STATUSES.index("canceled")

    def ended(at: Int64Array, of: npt.NDArray[np.bool_]) -> Int64Array:
        return np.where(is_there, np.where(failed, earliest(at, of), earliest(at, of & by_pool)), NEVER)

    return Lazy(
        {
            "workspace_id": lambda: mine + 1,
            "preset_id": lambda: w[mine, facts.W_PRESET] + 1,
            "workspace_build_id": lambda: first + 1,
            "created_at": lambda: created[first],
            "started_at": lambda: started,
            "completed_at": lambda: completed[first],
            "build_status": lambda: text(_STATUSES)[status],
            "claimed_at": lambda: earliest(created, (b[:, facts.B_NUMBER] == 2) & ~is_end),
            "delete_created_at": lambda: ended(created, is_end),
            "deleted_at": lambda: ended(completed, is_end & (error == 0)),
        }
    )


def _no_hard_limits() -> Columns:
    """The view `hard_limits` of a run in which the limit held nothing: SQL would join much to find none."""
    whole_numbers = ("preset_id", "from_at", "until_at", "failures")
    return {**{name: whole([]) for name in whole_numbers}, "ended_by": text([])}


_STATUSES = ("failed", "canceled", "succeeded", "pending", "running")


def _workspace_agents(result: KernelResult) -> Columns:
    ready_at = result.rows.builds[:, facts.B_READY]
    build = np.flatnonzero(ready_at != NEVER)
    return Lazy(
        {
            "id": lambda: ids(len(build)),
            "workspace_build_id": lambda: build + 1,
            "ready_at": lambda: _by_the_end(result.given, ready_at[build]),
        }
    )


def _claims(result: KernelResult) -> Columns:
    found = result.rows.claims
    claim = np.flatnonzero((found[:, facts.C_HIT] == facts.HIT) | (found[:, facts.C_HIT] == facts.COLD))
    given, builds = result.inputs.claims, result.rows.builds
    return Lazy(
        {
            "id": lambda: ids(len(claim)),
            "created_at": lambda: given[claim, facts.A_AT],
            "preset_id": lambda: given[claim, facts.A_PRESET] + 1,
            "user_id": lambda: result.given.user_of_claim[claim],
            "workspace_id": lambda: found[claim, facts.C_WORKSPACE] + 1,
            "workspace_build_id": lambda: found[claim, facts.C_BUILD] + 1,
            "hit": lambda: found[claim, facts.C_HIT] == facts.HIT,
            "ready_at": lambda: _by_the_end(result.given, builds[found[claim, facts.C_BUILD], facts.B_READY]),
        }
    )


def sessions(given: Givens, claims: Int64Array, ready_at: Int64Array) -> Columns:
    """The table of that name, by what each claim found (the kernel's columns) and when each build was ready."""
    of_person = given.inputs.claims[:, facts.A_PERSON] != NONE
    asked, found = given.inputs.claims[of_person], claims[of_person]
    build = found[:, facts.C_BUILD]
    ready = np.full(len(asked), NEVER, dtype=np.int64)
    has_build = build != NONE
    ready[has_build] = np.maximum(ready_at[build[has_build]], asked[has_build, facts.A_AT])
    what = ["claimed", "claimed", "running", "starting", "started", "nothing"]
    return {
        "id": ids(len(asked)),
        "user_id": asked[:, facts.A_PERSON] + 1,
        "started_at": asked[:, facts.A_AT],
        "ended_at": asked[:, facts.A_UNTIL],
        "found": text(what)[found[:, facts.C_HIT]],
        "workspace_id": np.where(has_build, found[:, facts.C_WORKSPACE] + 1, NEVER),
        "workspace_build_id": np.where(has_build, build + 1, NEVER),
        "ready_at": _by_the_end(given, ready),
    }


def _lifecycle_decisions(result: KernelResult) -> Columns:
    x = result.rows.stories if result.given.people is not None else np.empty((0, lives.X_COLUMNS), dtype=np.int64)
    return {
        "decided_at": x[:, lives.X_AT],
        "workspace_id": x[:, lives.X_WORKSPACE] + 1,
        "rule": text(list(RULES.values()))[np.searchsorted(list(RULES), x[:, lives.X_RULE])],
        "workspace_build_id": x[:, lives.X_BUILD] + 1,
        "deadline": x[:, lives.X_DEADLINE],
        "max_deadline": x[:, lives.X_MAX_DEADLINE],
        "bumped_at": x[:, lives.X_BUMPED_AT],
        "bumped_from": x[:, lives.X_BUMPED_FROM],
        "next_start_at": x[:, lives.X_NEXT_START],
        "last_used_at": x[:, lives.X_LAST_USED],
        "deleting_at": x[:, lives.X_DELETING],
        "bumps": x[:, lives.X_BUMPS],
        "ttl": _nanoseconds(x[:, lives.X_TTL]),
    }


def _reconciler_decisions(result: KernelResult) -> Columns:
    d = result.rows.decisions
    held = d[:, facts.D_BACKOFF_UNTIL]
    return {
        "decided_at": d[:, facts.D_AT],
        "preset_id": d[:, facts.D_PRESET] + 1,
        "desired": d[:, facts.D_DESIRED],
        "actual": d[:, facts.D_ACTUAL],
        "expired": d[:, facts.D_EXPIRED],
        "starting": d[:, facts.D_STARTING],
        "deleted_expired": d[:, facts.D_DELETED_EXPIRED],
        "deleted_oldest": d[:, facts.D_DELETED_OLDEST],
        "created": d[:, facts.D_CREATED],
        "canceled": d[:, facts.D_CANCELED],
        "hard_limited": d[:, facts.D_HARD_LIMITED] == 1,
        "backoff_until": held,
    }


def _template_of(given: Givens) -> Int64Array:
    """The position of each preset's template."""
    templates = list(dict.fromkeys(v.template for v in given.scenario.all_versions))
    return whole(templates.index(version.template) for version, _ in given.presets)


def _by_the_end(given: Givens, at: Int64Array) -> Int64Array:
    """NEVER in place of what is later than the window: nothing happens after it."""
    return np.where(at > given.scenario.end_at, NEVER, at)


def _nanoseconds(us: Int64Array) -> Int64Array:
    """A duration as Coder stores it; NEVER stays NEVER."""
    return np.where(us == NEVER, NEVER, us * 1000)
