"""The story of one workspace in a run: each thing that happened to it, the rule that caused it, the numbers it saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simkit.arguments import a_text, runs, takes
from simkit.clock import DAY_US, MINUTE_US, NEVER, WEEK_US, Zone, format_duration, from_datetime, zone
from simkit.errors import StoreError
from simkit.shown import joined
from simkit.store import Storable, ask
from simkit.times import Happening, lines_of, short_weekday, weekday_date

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Story:
    """A workspace's life in order of time."""

    run_id: str
    title: str
    zone: Zone
    events: tuple[Happening, ...]

    @property
    def text(self) -> str:
        """A line for each event, in the local time of the workspace's preset."""
        lines = lines_of(self.events, lambda at: _to_the_second(self.zone.local(at)))
        return joined([f"{self.title}, times in {self.zone.name}", *lines])


@takes(source=runs, workspace=a_text, run_id=a_text)
def why(
    source: str | Path | Storable | Sequence[Storable], workspace: str | None = None, run_id: str | None = None
) -> tuple[Story, ...]:
    """The stories of a workspace, by its id or name, of all that a person owned, by their name, or of every workspace.

    `source` is a runs file, a Result or several; of several runs, `run_id` chooses one. Raises StoreError.

    >>> result = simkit.run(simkit.load("examples/template/morning.yaml"), seed=7)
    >>> for event in simkit.why(result, "1")[0].events[:2]:
    ...     print(event.what, event.why)
    created by the reconciler, as a prebuild: it wanted 1, 0 ran
    built its start build is done
    """
    answer = ask(source, "story", run_id=run_id, workspace=workspace)
    if answer.empty and workspace is not None:
        known = ask(source, "runs", run_id=run_id)
        runs = ", ".join(known["run_id"]) or "no run"
        raise StoreError(
            f'there is no workspace "{workspace}" in {runs}; give the id or name of one, or the name of its owner, '
            'such as "12", "prebuild-12" or "developers-3"'
        )
    if answer["run_id"].nunique() > 1:
        raise StoreError(f"there are several runs; give one of {', '.join(answer['run_id'].unique())}")
    return tuple(_story(mine) for _, mine in answer.groupby("workspace_id"))


def _story(rows: pd.DataFrame) -> Story:
    first, last = rows.iloc[0], rows.iloc[-1]
    where = zone(first["timezone"])
    assert where is not None, "a run's zones are known"
    owner = last["username"] if isinstance(last["username"], str) else None
    title = f"Workspace {first['workspace_id']} ({last['workspace']}), preset {first['preset']}"
    title += f", of {owner}" if owner else ""
    # What a finished start did to the lifecycle says that it is finished, too.
    begun = set(rows["workspace_build_id"][rows["what"].isin(("started", "no day to stop on"))])
    doubled = rows["what"].isin(("start succeeded", "start failed")) & rows["workspace_build_id"].isin(begun)
    told = [_event(_Row(row, where, owner or "somebody")) for row in rows[~doubled].to_dict("records")]
    return Story(str(first["run_id"]), title, where, tuple(told))


@dataclass(frozen=True)
class _Row:
    """A row of the question, read."""

    row: dict[Any, Any]
    zone: Zone
    owner: str

    @property
    def at(self) -> int:
        return self.instant("happened_at")

    def instant(self, name: str) -> int:
        value = self.row[name]
        return NEVER if value != value or value is None else from_datetime(value.to_pydatetime())

    def number(self, name: str) -> int:
        return int(self.row[name])

    def near(self, name: str) -> str:
        """An instant as somebody says it who speaks at the time of the event."""
        at = self.instant(name)
        local, here = self.zone.local(at), self.zone.local(self.at)
        if local.date() == here.date():
            return f"{local:%H:%M}"
        if abs(at - self.at) < WEEK_US - DAY_US:
            return f"{short_weekday(local)} {local:%H:%M}"
        return f"{weekday_date(local)} {local:%H:%M}"


def _event(row: _Row) -> Happening:
    what, sentence = _TOLD[row.row["what"]]
    return Happening(row.at, what, sentence(row))


def _saw(row: _Row) -> str:
    starting = row.number("starting")
    running = row.number("actual") - row.number("expired")
    return f"it wanted {row.number('desired')}, {running} ran" + (f", {starting} were starting" if starting else "")


def _prebuild(row: _Row) -> str:
    return f"by the reconciler, as a prebuild: {_saw(row)}"


def _prebuild_deleted(row: _Row) -> str:
    expired = row.number("expired")
    return f"by the reconciler: {_saw(row)}" + (f", {expired} had expired" if expired else "")


def _started(row: _Row) -> str:
    if row.instant("deadline") == NEVER:
        return "no deadline: it has no TTL, and the template requires no autostop"
    if row.instant("max_deadline") == NEVER:
        return f"deadline {row.near('deadline')}, no max deadline"
    capped = ", which caps its TTL" if row.instant("deadline") == row.instant("max_deadline") else ""
    return f"deadline {row.near('deadline')}, max deadline {row.near('max_deadline')}{capped}"


def _bumped(row: _Row) -> str:
    bumps = row.number("bumps")
    if bumps == 0:
        return "no activity moved it"
    last = f"at {row.near('bumped_at')} from {row.near('bumped_from')}"
    return f"it was bumped {last}" if bumps == 1 else f"it was bumped {bumps} times, last {last}"


def _autostop(row: _Row) -> str:
    reached = f"deadline {row.near('deadline')} reached; {_bumped(row)}"
    if row.instant("max_deadline") == NEVER:
        return f"{reached}; there is no max deadline"
    if row.instant("max_deadline") == row.instant("deadline"):
        return f"{reached}; it is the max deadline, which activity cannot move"
    return f"{reached}; max deadline {row.near('max_deadline')} never came into play"


def _dormancy(row: _Row) -> str:
    # Never rounded up: a workspace goes dormant in the minute after its wait is over.
    unused = format_duration((row.at - row.instant("last_used_at")) // MINUTE_US * MINUTE_US)
    return f"unused for {unused}, since {row.near('last_used_at')}"


def _autodelete(row: _Row) -> str:
    return f"dormant, and due for deletion since {row.near('deleting_at')}"


def _ttl_changed(row: _Row) -> str:
    if row.row["ttl"] == row.row["ttl"] and row.row["ttl"] is not None:
        return f"to {format_duration(row.number('ttl') // 1000)}, from its next start on"
    if row.instant("deadline") == NEVER:
        return "it has none any more"
    if row.instant("max_deadline") == NEVER:
        return f"it has none any more: its deadline, which was {row.near('deadline')}, is unset"
    return (
        f"it has none any more: its deadline, which was {row.near('deadline')}, becomes its max deadline, "
        f"{row.near('max_deadline')}"
    )


def _schedule_changed(row: _Row) -> str:
    if row.instant("deadline") == NEVER:
        return "of its template; it had no deadline"
    capped = f" and its max deadline {row.near('max_deadline')}" if row.instant("max_deadline") != NEVER else ""
    return f"of its template; until then its deadline was {row.near('deadline')}{capped}"


_TOLD: dict[str, tuple[str, Callable[[_Row], str]]] = {
    "prebuild": ("created", _prebuild),
    "start failed": ("start failed", lambda row: str(row.row["error"])),
    "stop failed": ("stop failed", lambda row: str(row.row["error"])),
    "delete failed": ("delete failed", lambda row: str(row.row["error"])),
    "start canceled": ("canceled", lambda _: "its template version was no longer the active one"),
    "start succeeded": ("built", lambda _: "its start build is done"),
    "stop succeeded": ("stopped", lambda _: "its stop build is done: it uses no capacity"),
    "delete succeeded": ("deleted", lambda _: "its delete build is done"),
    "prebuild deleted": ("delete", _prebuild_deleted),
    "claimed": ("claimed", lambda row: f"by {row.owner}: the pool had it ready"),
    "cold": ("created", lambda row: f"by {row.owner}, cold: the pool had none ready"),
    "session running": ("used", lambda row: f"by {row.owner} until {row.near('ended_at')}; it was running"),
    "session starting": (
        "used",
        lambda row: f"by {row.owner} until {row.near('ended_at')}, who had to wait: it was starting",
    ),
    "session started": (
        "used",
        lambda row: f"by {row.owner} until {row.near('ended_at')}, who started it and had to wait",
    ),
    "session claimed": ("used", lambda row: f"by {row.owner} until {row.near('ended_at')}"),
    "started": ("started", _started),
    "autostop": ("autostop", _autostop),
    "autostart": ("autostart", lambda row: f"its autostart {row.near('next_start_at')} has come"),
    "failure stop": ("failure stop", lambda _: "its start failed longer ago than the template's failure TTL"),
    "dormancy": ("dormant", _dormancy),
    "autodelete": ("autodelete", _autodelete),
    "owner suspended": ("autostop", lambda row: f"its owner {row.owner} is suspended"),
    "TTL changed": ("TTL changed", _ttl_changed),
    "template schedule changed": ("schedule changed", _schedule_changed),
    "no day to stop on": (
        "start failed",
        lambda _: "Coder finds no day to stop on: quiet hours begin at a midnight that the clocks skip",
    ),
    "woken": ("woken", lambda row: f"{row.owner} started it, which ends its dormancy"),
}


def _to_the_second(local: datetime) -> str:
    return f"{weekday_date(local)} {local:%H:%M:%S %Z}"
