"""Whole lives of people's workspaces, put to a control plane: in the order that conformance/README tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conformance_cases import Given, schedule_of

from simkit.clock import NEVER, SECOND_US
from simkit.controlplane import ControlPlane, Outcome, lifecycle, prebuilds, workspaces
from simkit.controlplane.completion import Assignment, Build
from simkit.controlplane.types import PREBUILDS_USER, ImportResult
from simkit.core.numbers import Order
from simkit.errors import RefusedError
from simkit.model import DEFAULT_QUIET_HOURS, Preset
from simkit.store.database import Transaction

_COLUMNS = ("ttl", "autostart", "next_start_at", "last_used_at", "dormant_at", "deleting_at")
_ROW = (
    "SELECT ttl // 1000000000, autostart_schedule, epoch_us(next_start_at), epoch_us(last_used_at), "
    "epoch_us(dormant_at), epoch_us(deleting_at), deleted FROM workspaces WHERE id = $id"
)


def lifecycle_run(given: Given) -> Any:
    """The answer of a control plane: builds by workspace and number, refused events, the columns at the end."""
    return _Lives(given).played()


def _seconds(value: Any) -> int | None:
    return None if value is None or value == NEVER else int(value) // SECOND_US


@dataclass
class _Lives:
    given: Given
    plane: ControlPlane = field(init=False)
    ids: dict[int, int] = field(default_factory=dict)
    """The workspace of each index; its preset's id is the index and 1."""
    waiting: set[int] = field(default_factory=set)
    """Those whose owner waits for a build to be done."""
    left: dict[int, tuple[int, int]] = field(default_factory=dict)
    """The deadlines that the completion of a build left."""
    refused: list[int] = field(default_factory=list)
    before: dict[int, dict[str, Any]] = field(default_factory=dict)

    def played(self) -> Any:
        given = self.given
        start_at = given["start"] * SECOND_US
        self.plane = plane = ControlPlane(now=start_at, coder=given["version"], has_reaper=given["reaper"])
        plane.create_organization("acme")
        for i, w in enumerate(given["workspaces"]):
            plane.create_user(f"user-{i}", w["quiet_hours"] or DEFAULT_QUIET_HOURS)
        plane.create_template(1, "t", schedule_of(given["template"]))
        plane.create_daemon("by-hand")
        _, job_id = plane.create_version(1, "v1", 1)
        assert plane.acquire(1) == job_id
        presets = tuple(Preset(f"p{i}", 0) for i in range(len(given["workspaces"])))
        plane.complete_job(job_id, ImportResult(presets=presets), 1)
        plane.pause_prebuilds()
        plane.on_build_done = self.build_done
        plane.run_daemons(given["daemons"], self.work)
        creations = []
        for i, w in enumerate(given["workspaces"]):
            if "prebuilt_at" in w:
                creations.append((w["prebuilt_at"], i, self.build_prebuild))
            creations.append((w["created_at"], i, self.create))
        for at, i, act in sorted(creations, key=lambda c: c[:2]):
            if at <= given["end"]:
                plane.at(at * SECOND_US, Order.CLAIM, lambda now_at, act=act, i=i: act(now_at, i))
        for i, event in enumerate(given["events"]):
            order = Order.EVENT if event["do"].startswith("set_") else Order.CLAIM
            plane.at(event["at"] * SECOND_US, order, lambda now_at, i=i: self.happen(now_at, i))
        with plane.database.together():
            plane.advance_to(given["end"] * SECOND_US)
            with plane.transaction() as tx:
                for life_id in self.ids.values():
                    if (life := lifecycle.get(tx, life_id)) is not None:
                        lifecycle.report(tx, plane.now_at, life, plane.activity(life_id))
        told = self.told()
        plane.close()
        return told

    def work(self, job: Assignment) -> Outcome:
        assert job.build is not None
        w = self.given["workspaces"][job.build.preset_id - 1]
        fails = job.build.number in w["failing_builds"]
        return Outcome(w["durations"][job.build.transition] * SECOND_US, 0, error="boom" if fails else "")

    def build_prebuild(self, now_at: int, i: int) -> None:
        with self.plane.transaction() as tx:
            self.ids[i], _ = workspaces.insert(tx, now_at, PREBUILDS_USER, 1, 1, i + 1, 1)

    def create(self, now_at: int, i: int) -> None:
        w, plane = self.given["workspaces"][i], self.plane
        if "prebuilt_at" in w:
            self.before[i] = self.columns(self.ids[i])
            with plane.transaction() as tx:
                ready = prebuilds.claimable(tx, now_at, i + 1)
                assert [one.workspace_id for one in ready] == [self.ids[i]], "the prebuild is ready"
        known = plane.create_workspace(
            i + 1, 1, f"w{i}", preset_id=i + 1, autostart=w["autostart"], ttl=w["ttl"] * SECOND_US
        )
        self.ids[i] = known.workspace_id
        plane.activity(known.workspace_id).until_at = w["until"] * SECOND_US

    def happen(self, now_at: int, i: int) -> None:
        event = self.given["events"][i]
        try:
            self.do(now_at, event)
        except RefusedError:
            self.refused.append(i)

    def do(self, now_at: int, event: dict[str, Any]) -> None:
        plane, index = self.plane, event.get("workspace")
        if event["do"] == "set_schedule":
            flags = {
                name: event.get(f"update_workspace_{name.removeprefix('update_')}", False)
                for name in ("update_last_used_at", "update_dormant_at")
            }
            return plane.set_template_schedule(1, schedule_of(event["template"]), **flags)
        if event["do"] == "set_status":
            return plane.set_user_status(index + 1, event["status"])
        workspace_id = self.ids.get(index)
        if workspace_id is None:
            raise RefusedError("it does not exist")
        match event["do"]:
            case "set_ttl":
                plane.set_workspace_ttl(workspace_id, event["ttl"] * SECOND_US or None)
            case "set_autostart":
                plane.set_workspace_autostart(workspace_id, event["autostart"])
            case "set_dormant":
                plane.set_workspace_dormant(workspace_id, event["dormant"])
            case "set_deadline":
                plane.set_workspace_deadline(workspace_id, event["deadline"] * SECOND_US)
            case "stop":
                self.check_active(index)
                plane.stop_workspace(workspace_id, index + 1)
            case "open":
                self.check_active(index)
                self.open(now_at, index, event["until"] * SECOND_US)

    def check_active(self, i: int) -> None:
        found = self.plane.database.rows("SELECT status FROM users WHERE id = $id", id=i + 1)
        if found != [("active",)]:
            raise RefusedError("the owner is not active")

    def open(self, now_at: int, i: int, until_at: int) -> None:
        plane, workspace_id = self.plane, self.ids[i]
        with plane.transaction() as tx:
            life = lifecycle.get(tx, workspace_id)
            if life is None:
                raise RefusedError("it is a prebuild, or deleted")
            activity = plane.activity(workspace_id)
            if life.runs:
                lifecycle.join(tx, now_at, life, activity, until_at, now_at)
                return
            activity.until_at = max(activity.until_at, until_at)
            if life.is_done:
                plane.start(tx, workspace_id, i + 1)
            else:
                self.waiting.add(i)

    def build_done(self, tx: Transaction, now_at: int, done: Build) -> None:
        row = tx.one("SELECT epoch_us(deadline), epoch_us(max_deadline) FROM workspace_builds WHERE id = $i", i=done.id)
        assert row is not None
        self.left[done.id] = row
        assert done.preset_id is not None
        i = done.preset_id - 1
        if i in self.waiting:
            self.waiting.remove(i)
            if done.transition == "stop":
                self.plane.start(tx, done.workspace_id, i + 1)

    def columns(self, workspace_id: int) -> dict[str, Any]:
        row = self.plane.database.rows(_ROW, id=workspace_id)[0]
        return dict(zip(_COLUMNS, (*row[:2], *(_seconds(at) for at in row[2:6])), strict=True))

    def told(self) -> Any:
        builds = []
        for id_, workspace, number, *rest in self.plane.database.rows(
            "SELECT b.id, b.template_version_preset_id - 1, b.build_number, b.transition, b.reason, j.job_status, "
            "coalesce(j.error LIKE '%reaper.', false), epoch_us(b.created_at), epoch_us(j.started_at), "
            "epoch_us(j.completed_at), epoch_us(b.deadline), epoch_us(b.max_deadline) "
            "FROM workspace_builds AS b JOIN provisioner_jobs AS j ON j.id = b.job_id"
        ):
            transition, reason, status, reaped, *instants = rest
            left = self.left.get(id_, (None, None)) if transition == "start" else (None, None)
            names = ("created_at", "started_at", "completed_at", "last_deadline", "last_max_deadline")
            names = (*names, "deadline", "max_deadline")
            builds.append(
                {
                    "workspace": workspace,
                    "number": number,
                    "transition": transition,
                    "reason": reason,
                    "status": status,
                    "reaped": reaped,
                    **{name: _seconds(at) for name, at in zip(names, (*instants, *left), strict=True)},
                }
            )
        builds.sort(key=lambda b: (b["workspace"], b["number"]))
        found = []
        for i, w in enumerate(self.given["workspaces"]):
            if i not in self.ids or w["created_at"] > self.given["end"]:
                found.append(None)
                continue
            deleted = self.plane.database.rows("SELECT deleted FROM workspaces WHERE id = $id", id=self.ids[i])[0][0]
            found.append({"deleted": True} if deleted else {"deleted": False} | self.columns(self.ids[i]))
        before = [self.before.get(i) for i in range(len(found))]
        return {"builds": builds, "refused": sorted(self.refused), "workspaces": found, "prebuilds": before}
