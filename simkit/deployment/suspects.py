"""Why a recorded day may differ from its replays: what a history tells of it beside its claims."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simkit.clock import MINUTE_US, Zone
from simkit.estimates import spread
from simkit.store.asking import rows_of
from simkit.times import about

if TYPE_CHECKING:
    import pandas as pd

_STALL_US = 15 * MINUTE_US
"""So long a pool may be short of what it wants without being suspect: some reconcilers look once in five minutes."""
_MORE = 1.5
"""So many times as long as in the replays is longer than chance makes a median."""
_LEAST_QUEUE_S = 60
_EVENTS = """
SELECT epoch_us(e.happened_at), e.event, coalesce(e.preset, ''), coalesce(v.name, '')
FROM scenario_events AS e
JOIN runs AS r ON r.run_id = e.run_id
LEFT JOIN template_versions AS v ON v.run_id = e.run_id AND v.id = e.template_version_id
WHERE e.run_id = $run AND e.happened_at > r.start_at
UNION ALL
SELECT epoch_us(p.last_invalidated_at), 'invalidate', p.name, ''
FROM template_version_presets AS p
WHERE p.run_id = $run AND p.last_invalidated_at IS NOT NULL
    AND NOT EXISTS (FROM scenario_events AS e WHERE e.run_id = p.run_id AND e.event = 'invalidate')
ORDER BY ALL
"""


@dataclass(frozen=True)
class Count:
    """What happened to one preset on one day.

    `queue_s`, `build_s`: how long its prebuilds waited for a daemon, and took to build: medians, NaN where there was
    none. `running`: prebuilds, on average.
    """

    claims: int
    hits: int
    failed: int
    deleted: int
    queue_s: float
    build_s: float
    running: float


@dataclass(frozen=True)
class Events:
    """(instant, what, preset or "", version or "") of what a history says was done to its pools."""

    rows: tuple[tuple[int, str, str, str], ...]

    def on(self, preset: str, day: date, in_zone: Zone) -> tuple[str, ...]:
        """What concerns a preset on one of its local days, in sentences."""
        said = []
        for at, event, whose, version in self.rows:
            local = in_zone.local(at)
            if local.date() == day and whose in ("", preset) and event in _WORDS:
                said.append(_WORDS[event].format(version=version, time=f"{local:%H:%M}"))
        return tuple(dict.fromkeys(said))


_WORDS = {
    "activate": "Version {version} became active at {time}: its pools were built anew.",
    "invalidate": "It was invalidated at {time}: its prebuilds were built anew.",
    "pause": "The reconciler was paused at {time}.",
    "resume": "The reconciler was resumed at {time}.",
}


def events_of(path: str | Path, run_id: str) -> Events:
    """Raises StoreError."""
    return Events(tuple(rows_of(path, _EVENTS, run=run_id)))


def longest_stall(pool: pd.DataFrame, from_at: int, until_at: int) -> int:
    """The longest span between two instants in which fewer prebuilds ran or were being built than wanted, and none
    came.

    `pool`: the question's answer for one preset, with `at` in microseconds.
    """
    if not len(pool):
        return 0
    at = pool["at"].to_numpy()
    ends = np.append(at[1:], until_at)
    short = (pool["desired"] > pool["running"] + pool["starting"]).to_numpy()
    came = np.diff(pool["starting"].to_numpy(), prepend=0) > 0
    # A span begins where the pool gets short, or where something was begun that is not enough.
    span = np.cumsum(np.diff(short, prepend=False) | came)
    lengths = np.minimum(ends, until_at) - np.maximum(at, from_at)
    inside = short & (lengths > 0)
    return int(np.bincount(span[inside], lengths[inside]).max()) if inside.any() else 0


def suspects(
    day: Count, replays: Sequence[Count], stalls_us: tuple[int, int], happened: Sequence[str], is_first: bool
) -> tuple[str, ...]:
    """What is out of the ordinary on a day, in sentences; one that says so where nothing is.

    `stalls_us`: `longest_stall` of the day, and the longest of its replays.
    """
    found = [*happened]
    if stalls_us[0] >= _STALL_US and stalls_us[0] > 2 * stalls_us[1]:
        guess = "." if any("paused" in sentence for sentence in happened) else ": a pause, failed builds, or a quota?"
        spent = about(stalls_us[0] / 1e6)
        found.append(f"For {spent} fewer stood or were being built than wanted, and none was begun{guess}")
    found += _odd(day, replays)
    if is_first:
        found.append("It is the history's first day, and replays begin with empty pools.")
    return tuple(found) or (
        "Nothing else that the history tells is out of the ordinary: chance, or what no table says.",
    )


def _odd(day: Count, replays: Sequence[Count]) -> Iterator[str]:
    if day.failed > 1 + max(one.failed for one in replays):
        low, _, high = spread([one.failed for one in replays])
        yield f"{day.failed} builds failed; replayed {low:.0f} to {high:.0f}."
    if day.deleted > 1 + max(one.deleted for one in replays):
        low, _, high = spread([one.deleted for one in replays])
        yield (
            f"{day.deleted} prebuilds were deleted before anybody came; replayed {low:.0f} to {high:.0f}: by hand, or "
            "by an invalidation?"
        )
    queue = spread([one.queue_s for one in replays])
    if day.queue_s >= _LEAST_QUEUE_S and not day.queue_s <= _MORE * queue.high:
        yield (
            f"Builds waited {about(day.queue_s)} in the queue (median); replayed {about(queue.median)}: fewer daemons, "
            "or jobs that are not of these pools?"
        )
    build = spread([one.build_s for one in replays])
    if day.build_s > _MORE * build.high:
        yield f"Builds took {about(day.build_s)} (median); replayed {about(build.median)}."
