"""Lay the rules of one workspace's life out for pictures: deadlines around a day, what activity moves, a TTL removed.

Nothing is simulated here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from simkit.clock import MINUTE_US, NEVER, Int64Array, Zone, parse_duration, parse_instant
from simkit.core import lifecycle as core
from simkit.core import lives
from simkit.cron import daily
from simkit.errors import Finding, InputError, Where
from simkit.model import People, Scenario
from simkit.workspace.instants import people_named, reports, start_deadlines_of, ttl_at

if TYPE_CHECKING:
    import pandas as pd

_T = TypeVar("_T")


def deadlines_around(scenario: Scenario, day: str, people: str = "", days: int = 7) -> pd.DataFrame:
    """The deadlines of a start build of `people` by when it is done: every 15 minutes from `days` days before a date in
    the scenario's zone to as many after it.

    A row per build: people, timezone (the scenario's), completed_at, deadline and max_deadline (NaT: unset), is_refused
    (Coder cannot complete it). No rows where the scenario has no people.
    """
    import pandas as pd

    from_at, until_at = _days_around(scenario.zone, day, days)
    group = people_named(scenario, people)
    done_at = range(from_at, until_at, 15 * MINUTE_US) if group is not None else ()
    found = [] if group is None else [start_deadlines_of(scenario, group, at) for at in done_at]
    return pd.DataFrame(
        {
            "people": "" if group is None else group.name,
            "timezone": scenario.zone.name,
            "completed_at": _instants(done_at),
            "deadline": _instants(f.deadline for f in found),
            "max_deadline": _instants(f.max_deadline for f in found),
            "is_refused": np.array([f.is_refused for f in found], dtype=np.bool_),
        }
    )


def quiet_hours_around(scenario: Scenario, day: str, people: str = "", days: int = 7) -> pd.DataFrame:
    """When the quiet hours of `people` begin, over the same days as `deadlines_around`.

    A row per beginning: people, timezone (the scenario's), quiet_hours (their cron), begins_at. No rows without people
    or quiet hours. A night on which the clocks skip that time has none.
    """
    import pandas as pd

    from_at, until_at = _days_around(scenario.zone, day, days)
    group = people_named(scenario, people)
    begins: list[int] = []
    if group is not None and group.quiet_hours:
        at = from_at - 1
        while (at := daily(group.quiet_hours).next_after(at)) < until_at:
            begins.append(at)
    return pd.DataFrame(
        {
            "people": "" if group is None else group.name,
            "timezone": scenario.zone.name,
            "quiet_hours": "" if group is None else group.quiet_hours,
            "begins_at": _instants(begins),
        }
    )


REPORT_US = lives.REPORT_US
"""An agent reports activity every minute while somebody is connected."""

FURTHER, TOO_EARLY, MOVED, CROSSED, CAPPED, AT_MAX, FIXED = (
    "further away",
    "less than 5 % passed",
    "moved",
    "moved past the autostart",
    "moved to the max deadline",
    "at the max deadline",
    "nothing moves it",
)
"""What a report of activity does to a deadline, in `bumps`: it moves it, or why it does not."""


def bumps(scenario: Scenario, completed: str, connected: str, people: str = "") -> pd.DataFrame:
    """What each minute's report of activity does to the deadline of one start of `people`.

    The start is done at `completed` ("2026-10-29T08:32", in the scenario's zone), and somebody is connected for as long
    as `connected` says ("2d") or until the deadline stops the workspace. A row per report: people, timezone (the
    scenario's), reported_at, deadline (after it) and max_deadline (NaT: unset), next_start_at (the autostart that it
    may cross; NaT: none), extension_us (from now, if it moves), what (one of the words above), is_over (the workspace
    is stopped at the end of this minute). No rows where the scenario has no people. Raises InputError.
    """
    import pandas as pd

    completed_at = _given("completed", lambda: parse_instant(completed, scenario.zone))
    until_at = completed_at + _given("connected", lambda: parse_duration(connected))
    group = people_named(scenario, people)
    rows = [] if group is None else list(_reports(scenario, group, completed_at, until_at))
    column = dict(zip(_REPORTED, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(_REPORTED, ())
    return pd.DataFrame(
        {
            "people": "" if group is None else group.name,
            "timezone": scenario.zone.name,
            **{name: _instants(column[name]) for name in _REPORTED[:4]},
            "extension_us": np.array(column["extension_us"], dtype=np.int64),
            "what": np.array(column["what"], dtype=object),
            "is_over": np.array(column["is_over"], dtype=np.bool_),
        }
    )


_REPORTED = ("reported_at", "deadline", "max_deadline", "next_start_at", "extension_us", "what", "is_over")


def _reports(
    scenario: Scenario, group: People, completed_at: int, until_at: int
) -> Iterable[tuple[int, int, int, int, int, str, bool]]:
    """(reported_at, deadline after it, max deadline, next start, extension, what, is_over) minute by minute."""
    schedule = scenario.schedule_at(completed_at)
    ttl_us = ttl_at(scenario, group, completed_at)
    found = start_deadlines_of(scenario, group, completed_at)
    max_at, bump_us = found.max_deadline, schedule.activity_bump_us
    given = (schedule, group.autostart, NEVER if ttl_us is None else ttl_us, found.deadline, max_at)
    for at, before, after, start_at, extension_us in reports(*given, completed_at):
        if at > until_at or at >= before:
            return
        what = _what(at, before, after, max_at, bump_us, extension_us)
        yield at, after, max_at, start_at, extension_us, what, after <= at + REPORT_US


def _what(at: int, before: int, after: int, max_at: int, bump_us: int, extension_us: int) -> str:
    if after != before:
        return CAPPED if after == max_at else CROSSED if extension_us != bump_us else MOVED
    if bump_us <= 0 or extension_us <= 0 or before == NEVER:
        return FIXED
    if before == max_at:
        return AT_MAX
    return FURTHER if before - at > extension_us else TOO_EARLY


_ENDS = ("autostop", "owner suspended", "dormancy", "autodelete")


def running_starts(story: pd.DataFrame) -> pd.DataFrame:
    """The people's start builds that run at the instant at which most do, as `workspace_builds` has them.

    `story`: of one run. A row per build: at (that instant), id, transition, deadline and max_deadline (as the finished
    start got them), started_at, and of its workspace: workspace, username, timezone.
    """
    mine = story[story["what"].isin(("started", *_ENDS))]
    mine = mine.assign(until_at=mine.groupby("workspace_id")["happened_at"].shift(-1))
    starts = mine[mine["what"] == "started"]
    from_at, until_at = _whole(starts["happened_at"]), _whole(starts["until_at"])
    # How many run right after each start: those begun, without those stopped.
    counts = np.arange(1, from_at.size + 1) - np.searchsorted(np.sort(until_at), np.sort(from_at), side="right")
    at = np.sort(from_at)[np.argmax(counts)] if from_at.size else NEVER
    here = starts[(from_at <= at) & (at < until_at)]
    columns = {"workspace_build_id": "id", "happened_at": "started_at"}
    kept = ["workspace_build_id", "deadline", "max_deadline", "workspace", "username", "timezone", "happened_at"]
    here = here[kept].rename(columns=columns).reset_index(drop=True)
    return here.assign(transition="start", at=_instants([at] * len(here)))


def without_ttl(builds: pd.DataFrame, older: bool = False) -> pd.DataFrame:
    """The same running start builds once the TTL of their workspaces is removed; `older`: as Coder's endpoint once did
    it, which cleared the deadline and left the max deadline. `builds`: with deadline and max_deadline."""
    max_at = _whole(builds["max_deadline"]).tolist()
    cleared = [core.deadline_without_ttl(at, not older) for at in max_at]
    return builds.assign(deadline=_instants(cleared).set_axis(builds.index))


def _days_around(zone: Zone, day: str, days: int) -> tuple[int, int]:
    """From local midnight `days` days before a date to the one after as many days behind it."""

    def midnight(of: date) -> int:
        return zone.at(datetime.combine(of, time()))

    try:
        middle = date.fromisoformat(day)
    except ValueError:
        text = f'"{day}" is not a date; write "2026-11-01"'
        raise InputError([Finding("error", Where("day"), text)]) from None
    return midnight(middle - timedelta(days=days)), midnight(middle + timedelta(days=days + 1))


def _given(name: str, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except ValueError as error:
        raise InputError([Finding("error", Where(name), str(error))]) from None


def _instants(at: Iterable[int]) -> pd.Series[Any]:
    """Microseconds as a column of aware instants, NEVER as NaT."""
    import pandas as pd

    whole = np.array(list(at), dtype=np.int64)
    whole[whole == NEVER] = np.iinfo(np.int64).min  # as numpy writes NaT
    return pd.Series(whole.view("datetime64[us]")).dt.tz_localize("UTC")


def _whole(column: pd.Series[Any]) -> Int64Array:
    """A column of aware instants as microseconds, NaT as NEVER."""
    whole = column.dt.as_unit("us").astype("int64").to_numpy()
    return np.where(column.isna(), NEVER, whole)
