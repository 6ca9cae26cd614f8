"""The story of a pool on a day or in an hour: what was wanted, ready and being built, behind whom, in order."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simkit.arguments import a_text, runs, takes
from simkit.clock import MINUTE_US, NEVER, SECOND_US, Zone, from_datetime, zone
from simkit.errors import Finding, InputError, Where, did_you_mean
from simkit.shown import joined
from simkit.store import Storable, ask
from simkit.times import Happening, about, lines_of, many, weekday_date

if TYPE_CHECKING:
    import pandas as pd

_LEAST_COLUMNS = 40
_EXAMPLE = 'write a day, such as 2026-11-16, or an hour of it, such as "2026-11-16 09:00"'


@dataclass(frozen=True)
class PoolStory:
    """A pool from `start_at` to before `end_at`, in order of time. `claims` and `misses` are counts in that time."""

    run_id: str
    preset: str
    zone: Zone
    start_at: int
    end_at: int
    claims: int
    misses: int
    events: tuple[Happening, ...]

    @property
    def text(self) -> str:
        """A line for each event, in the local time of the preset."""
        start = self.zone.local(self.start_at)
        hour = "" if self.end_at - self.start_at > 60 * MINUTE_US else f" from {start:%H:%M}"
        served = f"{self.misses} of {many(self.claims, 'claim')} found no prebuild" if self.claims else "nobody came"
        head = f"{self.preset} on {weekday_date(start)}{hour}, times in {self.zone.name}: {served}"
        return joined([head, *lines_of(self.events, lambda at: f"{self.zone.local(at):%H:%M:%S}")])

    def wrapped(self, columns: int) -> str:
        """The text for a terminal of so many columns."""
        if columns < _LEAST_COLUMNS:
            return self.text
        indent = " " * (len("09:00:00") + 4 + max(len(event.what) for event in self.events))
        lines = [textwrap.wrap(line, columns, subsequent_indent=indent) for line in self.text.splitlines()]
        return "\n".join(part for parts in lines for part in parts)


@takes(source=runs, preset=a_text, on=a_text, run_id=a_text)
def why_preset(
    source: str | Path | Storable | Sequence[Storable], preset: str, on: str, run_id: str | None = None
) -> PoolStory:
    """Why the pool of a preset served as it did on a local day ("2026-11-16") or in an hour ("2026-11-16 09:00").

    `source` is a runs file, a Result or several; of several runs, `run_id` chooses one. Raises StoreError; InputError
    for a preset or a time that the run does not have.

    >>> result = simkit.run(simkit.load("examples/template/morning.yaml"), seed=7)
    >>> story = simkit.why_preset(result, "goland", "2026-03-09")
    >>> story.claims, story.misses
    (5, 0)
    """
    runs = ask(source, "runs", run_id=run_id)
    if len(runs) > 1:
        raise InputError([_problem("--run", f"there are several runs; give one of {', '.join(runs['run_id'])}")])
    run = runs.iloc[0]
    name = str(run["run_id"])
    pool = ask(source, "pool", run_id=name)
    pooled = list(dict.fromkeys(pool["preset"]))
    if preset not in pooled:
        raise InputError([_problem("--preset", _has_no_pool(source, preset, name, pooled))])
    mine = pool[pool["preset"] == preset]
    where = zone(str(mine["timezone"].iloc[0]))
    assert where is not None, "a run's zones are known"
    first_at, last_at = (_at(run[column]) for column in ("start_at", "end_at"))
    start_at, end_at = _span(on, where)
    if end_at <= first_at or start_at >= last_at:
        window = f"{where.local(first_at):%Y-%m-%d %H:%M} to {where.local(last_at):%Y-%m-%d %H:%M}"
        raise InputError([_problem("--on", f'"{on}" is not in the run, which goes from {window}')])
    start_at, end_at = max(start_at, first_at), min(end_at, last_at)
    decisions, builds = (ask(source, question, run_id=name) for question in ("decisions", "builds"))
    above = frozenset(ask(source, "quota", run_id=name)["workspace_build_id"])
    told = _Told(preset, where, start_at, end_at, _rows(builds), above)
    asked = [row for row in told.builds if row["preset"] == preset and start_at <= _at(row["asked_at"]) < end_at]
    happened = _rows(ask(source, "events", run_id=name))
    events = [
        *told.scenario(happened),
        *told.levels(_rows(mine)),
        *told.decisions(_rows(decisions[decisions["preset"] == preset])),
        *told.failures(),
        *told.claims(asked, _rows(mine)),
    ]
    misses = sum(row["what"] == "cold" for row in asked)
    return PoolStory(name, preset, where, start_at, end_at, len(asked), misses, tuple(sorted(events, key=_in_order)))


def _has_no_pool(
    source: str | Path | Storable | Sequence[Storable], preset: str, run_id: str, pooled: list[str]
) -> str:
    """Why there is no pool of this name: no preset has it, or the one that has it never wants a prebuild."""
    summary = ask(source, "summary", run_id=run_id)
    known = list(dict.fromkeys(summary["preset"]))
    if preset not in known:
        return f'there is no preset "{preset}" in {run_id}; {did_you_mean(preset, known)}'
    claims = int(summary["claims"][summary["preset"] == preset].sum())
    built = f"each of its {many(claims, 'claim')} built a workspace of its own" if claims else "nobody asked for it"
    others = f"those with a pool are {', '.join(pooled)}" if pooled else "no preset of the run has one"
    return f'"{preset}" has no pool in {run_id}: it never wants a prebuild, and {built}; {others}'


def _span(on: str, where: Zone) -> tuple[int, int]:
    try:
        begin = datetime.fromisoformat(on.strip())
    except ValueError:
        raise InputError([_problem("--on", f'"{on}" is neither a day nor an hour; {_EXAMPLE}')]) from None
    if begin.tzinfo is not None:
        at = from_datetime(begin)
        return at, at + 60 * MINUTE_US
    if len(on.strip()) <= len("2026-11-16"):
        return where.at(begin), where.at(begin + timedelta(days=1))
    at = where.at(begin)
    return at, at + 60 * MINUTE_US


def _problem(option: str, text: str) -> Finding:
    return Finding("error", Where(option), text)


def _rows(answer: pd.DataFrame) -> list[dict[Any, Any]]:
    return answer.to_dict("records")


def _at(value: Any) -> int:
    """Microseconds; NEVER for a value that is none."""
    return NEVER if value is None or value != value else from_datetime(value.to_pydatetime())


# As the kernel orders what happens at one instant.
_ORDER = ("at first", "event", "failed", "served", "missed", "wanted", "held still", "deleted", "ordered", "canceled")


def _in_order(event: Happening) -> tuple[int, int]:
    return event.at, _ORDER.index(event.what)


@dataclass(frozen=True)
class _Told:
    preset: str
    zone: Zone
    start_at: int
    end_at: int
    builds: list[dict[Any, Any]]
    above_quota: frozenset[int]
    """Which of them the quota ended."""

    def inside(self, at: int) -> bool:
        return self.start_at <= at < self.end_at

    def clock(self, at: int) -> str:
        return f"{self.zone.local(at):%H:%M}"

    def levels(self, pool: list[dict[Any, Any]]) -> Iterator[Happening]:
        """What the pool had at first, and each change of what is wanted."""
        before = _level_at(pool, self.start_at)
        yield Happening(self.start_at, "at first", _level(before))
        wanted = before["desired"]
        for row in pool:
            at = _at(row["changed_at"])
            if self.start_at < at < self.end_at and row["desired"] != wanted:
                verb = "rises" if row["desired"] > wanted else "falls"
                yield Happening(at, "wanted", f"{verb} from {wanted} to {row['desired']}: {_level(row)}")
            if self.inside(at):
                wanted = row["desired"]

    def scenario(self, happened: list[dict[Any, Any]]) -> Iterator[Happening]:
        """What befell the pool from outside: a pause that is on, and events of this time that are about it."""
        for row in happened:
            at, until_at = _at(row["happened_at"]), _at(row["until_at"])
            is_pause = row["event"] == "pause"
            about_it = not isinstance(row["preset"], str) or row["preset"] == self.preset
            if self.inside(at) and about_it:
                yield Happening(at, "event", _EVENTS.get(row["event"], row["event"].replace("_", " ")))
            if is_pause and at < self.start_at < until_at:
                since = f"{weekday_date(self.zone.local(at))} {self.clock(at)}"
                yield Happening(self.start_at, "event", f"the reconciler is paused since {since}: it orders nothing")
            if is_pause and self.inside(until_at):
                yield Happening(until_at, "event", "the reconciler is resumed")

    def decisions(self, decisions: list[dict[Any, Any]]) -> Iterator[Happening]:
        held = ""
        for row in decisions:
            at = _at(row["decided_at"])
            if not self.inside(at):
                continue
            running = row["actual"] - row["expired"]
            saw = f"it wanted {row['desired']}, {running} ran, {row['starting']} were starting"
            if row["deleted_expired"] + row["deleted_oldest"]:
                said = [(row["deleted_expired"], "expired"), (row["deleted_oldest"], "too many")]
                yield Happening(at, "deleted", ", ".join(f"{count} {word}" for count, word in said if count))
            if row["created"]:
                yield Happening(at, "ordered", f"{many(row['created'], 'build')}: {saw}{self.queued(at)}")
            if row["canceled"]:
                yield Happening(at, "canceled", f"{many(row['canceled'], 'build')} of a version that is not active")
            until_at = _at(row["backoff_until"])
            why = "hard limit: too many builds failed in a row, and nothing is built" if row["hard_limited"] else ""
            if not why and until_at != NEVER:
                why = f"backoff until {self.zone.local(until_at):%H:%M:%S}, as builds failed"
            if why and why != held:
                yield Happening(at, "held still", f"{why}: {saw}")
            held = why

    def queued(self, at: int) -> str:
        """When those ordered at `at` were built, and behind whom the last of them waited for a daemon."""
        mine = [
            b
            for b in self.builds
            if b["preset"] == self.preset and b["what"] == "prebuild" and _at(b["created_at"]) == at
        ]
        ready = sorted(_at(b["ready_at"]) for b in mine if _at(b["ready_at"]) != NEVER)
        said = ""
        if ready:
            said += f"; ready {self.clock(ready[0])}" + (f" to {self.clock(ready[-1])}" if len(ready) > 1 else "")
        taken = max((min(_at(b["started_at"]), self.end_at) for b in mine), default=at)
        if taken - at < SECOND_US:
            return said
        ids = {b["workspace_build_id"] for b in mine}
        ahead = [
            b
            for b in self.builds
            if b["workspace_build_id"] not in ids and _at(b["started_at"]) < taken and _at(b["completed_at"]) > at
        ]
        kinds = Counter(_kind(b, self.preset) for b in ahead)
        said += f"; the last waited {about((taken - at) / 1e6)} for a daemon"
        if kinds:
            behind = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
            said += f", behind {many(len(ahead), 'build')}: {behind}"
        return said

    def failures(self) -> Iterator[Happening]:
        for build in self.builds:
            at = _at(build["completed_at"])
            of_pool = build["preset"] == self.preset and build["what"] == "prebuild"
            if of_pool and build["job_status"] == "failed" and self.inside(at):
                took = about((at - _at(build["started_at"])) / 1e6)
                is_above = build["workspace_build_id"] in self.above_quota
                why = ": the quota of the prebuilds group holds no more" if is_above else ""
                yield Happening(at, "failed", f"a build, after {took}{why}")

    def claims(self, asked: list[dict[Any, Any]], pool: list[dict[Any, Any]]) -> Iterator[Happening]:
        """Who came one after the other and was served, or was not."""
        ordered = sorted(asked, key=lambda row: _at(row["asked_at"]))
        for what, group in groupby(ordered, key=lambda row: row["what"]):
            came = list(group)
            first, last = _at(came[0]["asked_at"]), _at(came[-1]["asked_at"])
            until = f" until {self.clock(last)}" if last - first >= MINUTE_US else ""
            if what == "claim":
                yield Happening(first, "served", f"{many(len(came), 'claim')}{until}")
                continue
            waits = [
                (_at(row["ready_at"]) - _at(row["asked_at"])) / 1e6 for row in came if _at(row["ready_at"]) != NEVER
            ]
            waited = f", the longest wait {about(max(waits))}" if waits else ", none ready in time"
            yield Happening(
                first, "missed", f"{many(len(came), 'claim')}{until}: {_level(_level_at(pool, first))}{waited}"
            )


_EVENTS = {
    "pause": "the reconciler is paused: it orders and deletes nothing until it is resumed",
    "activate": "another version of the template becomes the active one",
    "invalidate": "the prebuilds are invalidated, and built anew",
}


def _kind(build: dict[Any, Any], preset: str) -> str:
    of = "of its own" if build["preset"] == preset else f"of {build['preset']}"
    return {"prebuild": f"for the pool {of}", "claim": "for claims", "cold": f"cold {of}"}.get(build["what"], "others")


def _level_at(pool: list[dict[Any, Any]], at: int) -> dict[Any, Any]:
    """The last row of a pool at or before an instant."""
    before = [row for row in pool if _at(row["changed_at"]) <= at]
    return before[-1] if before else dict.fromkeys(("desired", "eligible", "starting"), 0)


def _level(row: dict[Any, Any]) -> str:
    return f"{row['desired']} wanted, {row['eligible']} ready, {row['starting']} being built"
