"""What is deployed: versions with their presets and schedules, daemons by their tags, the quota of prebuilds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simkit.controlplane.jobs import STALE_US
from simkit.model import Daemons, Tags, tags_of
from simkit.store.asking import rows_of

_JOBS = """
SELECT epoch_us(started_at), epoch_us(completed_at) FROM provisioner_jobs
WHERE run_id = ? AND started_at IS NOT NULL AND completed_at IS NOT NULL
"""


@dataclass(frozen=True)
class Version:
    """A version that was active from an instant on: its presets, as a scenario writes them."""

    name: str
    from_at: int
    presets: list[dict[str, Any]]


def versions_of(
    path: Path, run_id: str, template_id: int, window: tuple[int, int], is_past: bool
) -> tuple[Version, ...]:
    """The versions of a template that were active in the window, in order; without `is_past` the one active now."""
    [(active_id, active)] = rows_of(
        path,
        "SELECT v.id, v.name FROM templates AS t JOIN template_versions AS v ON v.run_id = t.run_id "
        "AND v.id = t.active_version_id WHERE t.run_id = ? AND t.id = ?",
        run_id,
        template_id,
    )
    begun = [(active_id, active, window[0])]
    if is_past:
        begun = rows_of(
            path,
            "SELECT v.id, v.name, greatest(epoch_us(e.happened_at), $start) FROM template_versions AS v "
            "LEFT JOIN scenario_events AS e ON e.run_id = v.run_id AND e.event = 'activate' "
            "AND e.template_version_id = v.id WHERE v.run_id = $run AND v.template_id = $template ORDER BY 3, v.id",
            **{"run": run_id, "template": template_id, "start": window[0]},
        )
        told = [(i, name, at) for i, name, at in begun if at is not None]
        # A simulation tells of no activation of the version that it begins with.
        first = [(i, name, window[0]) for i, name, at in begun if at is None][:1]
        begun = told if told and told[0][2] == window[0] else [*first, *told]
    return tuple(Version(name, at, _presets(path, run_id, version_id)) for version_id, name, at in begun)


def _presets(path: Path, run_id: str, version_id: int) -> list[dict[str, Any]]:
    """The presets of a version, as a scenario writes them."""
    found = rows_of(
        path,
        "SELECT p.id, p.name, p.desired_instances, p.invalidate_after_secs, p.scheduling_timezone "
        "FROM template_version_presets AS p WHERE p.run_id = ? AND p.template_version_id = ? ORDER BY p.id",
        run_id,
        version_id,
    )
    schedules: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for preset_id, cron, instances in rows_of(
        path,
        "SELECT preset_id, cron_expression, desired_instances FROM template_version_preset_prebuild_schedules "
        "WHERE run_id = ? ORDER BY id",
        run_id,
    ):
        schedules[preset_id].append({"cron": cron, "instances": instances})
    presets = []
    for preset_id, name, instances, ttl_s, timezone in found:
        preset: dict[str, Any] = {"name": name, "instances": instances}
        if ttl_s:
            preset["ttl"] = f"{ttl_s}s"
        if schedules[preset_id]:
            preset["scheduling"] = {"timezone": timezone, "schedules": schedules[preset_id]}
        presets.append(preset)
    return presets


def most_at_once(jobs: Sequence[tuple[int, int]]) -> int:
    """How many jobs ran at once, at most: so many daemons there were at least."""
    if not jobs:
        return 1
    times = np.array(jobs, dtype=np.int64)
    at = np.concatenate([times[:, 0], times[:, 1]])
    step = np.repeat([1, -1], len(times))
    order = np.lexsort((step, at))  # who ends at an instant makes room for who begins then
    return max(int(np.cumsum(step[order]).max()), 1)


_DAEMONS = """
SELECT d.tags, count(*)
FROM provisioner_daemons AS d
JOIN runs AS r ON r.run_id = d.run_id
WHERE d.run_id = ? AND epoch_us(d.last_seen_at) >= epoch_us(r.end_at) - ?
GROUP BY d.tags
ORDER BY d.tags
"""
_JOB_TAGS = """
SELECT b.build_number = 1 AND b.initiator_id = 0 AS of_prebuild, j.tags, count(*)
FROM workspace_builds AS b
JOIN workspaces AS w ON w.run_id = b.run_id AND w.id = b.workspace_id
JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
WHERE b.run_id = ? AND w.template_id = ?
GROUP BY ALL
ORDER BY count(*), j.tags
"""
_QUOTA = """
SELECT
    (
        SELECT sum(g.quota_allowance)
        FROM groups AS g
        JOIN group_members AS m ON m.run_id = g.run_id AND m.group_id = g.id AND m.user_id = 0
        WHERE g.run_id = t.run_id AND g.organization_id = t.organization_id
    ),
    (
        SELECT {median: median(b.daily_cost), least: min(b.daily_cost), most: max(b.daily_cost), builds: count(*)}
        FROM workspace_builds AS b
        JOIN workspaces AS w ON w.run_id = b.run_id AND w.id = b.workspace_id
        WHERE b.run_id = t.run_id AND w.template_id = t.id AND b.build_number = 1 AND b.initiator_id = 0
    )
FROM templates AS t
WHERE t.run_id = ? AND t.id = ?
"""


@dataclass(frozen=True)
class Provisioners:
    """The daemons that can take a template's jobs, by their tags beside Coder's own two; those jobs' tags.

    `daemons`: those alive when the history was read, () if none was or nobody wrote it down; `others`: how many more
    were alive that cannot take such jobs. `at_once`: how many jobs ran at once, at most: so many there were at least.
    """

    daemons: tuple[Daemons, ...]
    others: int
    at_once: int
    job_tags: Tags
    prebuild_tags: Tags
    """Of the jobs that build prebuilds, beside those of all."""

    @property
    def count(self) -> int:
        return max(sum(one.count for one in self.daemons), self.at_once)


def provisioners_of(path: Path, run_id: str, template_id: int) -> Provisioners:
    """Which daemons build a template's workspaces, by the tags that most of its jobs have. Raises StoreError."""
    usual: dict[bool, Tags] = {}
    for of_prebuild, tags, _ in rows_of(path, _JOB_TAGS, run_id, template_id):
        usual[of_prebuild] = _tags(tags)  # the most frequent comes last
    every, prebuilds = usual.get(False, usual.get(True, ())), usual.get(True, usual.get(False, ()))
    alive: dict[Tags, int] = {}
    others = 0
    for tags, count in rows_of(path, _DAEMONS, run_id, STALE_US):
        group = Daemons(count, _tags(tags))
        if _scope(tags) == "user" or not (group.takes(every) or group.takes(prebuilds)):
            others += count
        else:
            alive[group.tags] = alive.get(group.tags, 0) + count
    daemons = tuple(Daemons(count, tags) for tags, count in sorted(alive.items()))
    more = tags_of({name: value for name, value in prebuilds if dict(every).get(name) != value})
    return Provisioners(daemons, others, most_at_once(rows_of(path, _JOBS, run_id)), every, more)


def _tags(text: str) -> Tags:
    """Tags beside scope and owner, which Coder gives every daemon and job."""
    return tags_of({name: str(value) for name, value in json.loads(text).items() if name not in ("scope", "owner")})


def _scope(text: str) -> str:
    return str(json.loads(text).get("scope", ""))


@dataclass(frozen=True)
class Quota:
    """What the groups of the prebuilds user allow a day, and what a prebuild costs: median, least, most of `builds`."""

    allowance: int
    median: float
    least: int
    most: int
    builds: int


def quota_of(path: Path, run_id: str, template_id: int) -> Quota | None:
    """None where the prebuilds user is in no group, or nothing costs anything. Raises StoreError."""
    [(allowance, cost)] = rows_of(path, _QUOTA, run_id, template_id)
    if allowance is None or not cost["builds"] or not cost["most"]:
        return None
    return Quota(int(allowance), float(cost["median"]), int(cost["least"]), int(cost["most"]), int(cost["builds"]))
