"""Who asks: how many people, how often each, how many workspaces each has; and how much of it is programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simkit.clock import WEEK_US
from simkit.estimates import Interval, mean_interval, share_interval
from simkit.store.asking import rows_of
from simkit.times import many

_ASKED = """
SELECT coalesce(u.is_service_account, false), c.user_id, count(*), count(*) FILTER (WHERE b.has_ai_task)
FROM claims AS c
JOIN workspace_builds AS b ON b.run_id = c.run_id AND b.id = c.workspace_build_id
LEFT JOIN users AS u ON u.run_id = c.run_id AND u.id = c.user_id
JOIN workspaces AS w ON w.run_id = c.run_id AND w.id = c.workspace_id
WHERE c.run_id = ? AND w.template_id = ?
GROUP BY ALL
"""
_OWN = """
WITH lives AS (
    SELECT
        w.owner_id, w.created_at,
        (
            SELECT min(b.created_at) FROM workspace_builds AS b
            WHERE b.run_id = w.run_id AND b.workspace_id = w.id AND b.transition = 'delete'
        ) AS deleted_at
    FROM workspaces AS w
    LEFT JOIN users AS u ON u.run_id = w.run_id AND u.id = w.owner_id
    WHERE w.run_id = ? AND w.template_id = ? AND w.owner_id > 0 AND NOT coalesce(u.is_service_account, false)
)

SELECT owner_id, count(*) FROM lives, runs AS r
WHERE r.run_id = ? AND (deleted_at IS NULL OR deleted_at >= r.end_at)
GROUP BY owner_id
"""


@dataclass(frozen=True)
class Mix:
    """Of one template's people: `people` asked, each of them `per_week` times (the mean over people, and its interval;
    the median and the most); `several` of `owners` have more than one workspace when the history ends.

    `program_claims` more claims are those of `programs` accounts of programs; `tasks` of all are for tasks of agents.
    """

    people: int
    claims: int
    per_week: Interval
    median_per_week: float
    most_per_week: float
    owners: int
    several: int
    most_owned: int
    programs: int
    program_claims: int
    tasks: int


def mix_of(path: Path, run_id: str, template_id: int) -> Mix:
    """Who asked for one template's presets. Raises StoreError."""
    [(length_us,)] = rows_of(path, "SELECT epoch_us(end_at) - epoch_us(start_at) FROM runs WHERE run_id = ?", run_id)
    asked = rows_of(path, _ASKED, run_id, template_id)
    each = np.array([count for is_program, _, count, _ in asked if not is_program], dtype=np.float64)
    per_week = each / (length_us / WEEK_US)
    owned = [count for _, count in rows_of(path, _OWN, run_id, template_id, run_id)]
    programs = [count for is_program, _, count, _ in asked if is_program]
    return Mix(
        people=each.size,
        claims=int(each.sum()),
        per_week=mean_interval(per_week),
        median_per_week=float(np.median(per_week)) if each.size else 0.0,
        most_per_week=float(per_week.max(initial=0.0)),
        owners=len(owned),
        several=sum(count > 1 for count in owned),
        most_owned=max(owned, default=0),
        programs=len(programs),
        program_claims=sum(programs),
        tasks=sum(tasks for *_, tasks in asked),
    )


def mix_told(mix: Mix) -> Iterator[str]:
    """In sentences, with sample sizes and intervals of 95 %."""
    if mix.people:
        mean, low, high = mix.per_week
        between = f" [{low:.2f}, {high:.2f}]" if low == low else ""
        yield (
            f"{mix.people:,} {'people' if mix.people > 1 else 'person'} asked {many(mix.claims, 'time')}: each "
            f"{mean:.2f}{between} times a week on average, half of them {mix.median_per_week:.2f} at most, and nobody "
            f"more than {mix.most_per_week:.2f}."
        )
    if mix.owners:
        share = share_interval(mix.several, mix.owners)
        yield (
            f"{mix.several:,} of {mix.owners:,} who have a workspace when the history ends have several "
            f"[{share.low:.1%}, {share.high:.1%}], the most {mix.most_owned}."
        )
    if mix.programs:
        share = share_interval(mix.program_claims, mix.claims + mix.program_claims)
        yield (
            f"{many(mix.program_claims, 'claim')}, {share.mean:.1%} [{share.low:.1%}, {share.high:.1%}] of all, of "
            f"{many(mix.programs, 'account')} of programs. They are in the demand: they take prebuilds, too."
        )
    else:
        yield "No claim is known to be a program's."
    if mix.tasks:
        share = share_interval(mix.tasks, mix.claims + mix.program_claims)
        yield (
            f"{many(mix.tasks, 'claim')}, {share.mean:.1%} [{share.low:.1%}, {share.high:.1%}] of all, for tasks of "
            "agents (they come when programs ask, not by people's hours)."
        )
