"""What happened on a control plane, for readers who do not know its tables: a day, refusals, interruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.studies.tables import Table
from simkit.studies.wording import Sentence, as_instant, day_and_time, zone_of
from simkit.times import plural

if TYPE_CHECKING:
    import pandas as pd

    from simkit.studies.control_plane.interruption import Interruption


def refusals(tried: Mapping[str, str]) -> Sentence:
    """What was tried and what the control plane said, a line each; "" is said where it did it."""
    lines, numbers = [], dict[str, str]()
    for i, (what, said) in enumerate(tried.items(), start=1):
        name = f"refused_{'_'.join(what.split()[:3])}".replace("-", "_")
        name = "".join(c for c in name if c.isalnum() or c == "_") + f"_{i}"
        numbers[name] = said or "(not refused)"
        lines.append(f"- **{what}**: {{{name}}}")
    return Sentence("\n".join(lines), numbers)


def day(states: pd.DataFrame, queue: pd.DataFrame, volume: pd.DataFrame, timezone: str) -> Sentence:
    """What happened on a day. The answers are those of `answers`."""
    if states.empty:
        return Sentence("There was no workspace yet.", {})
    where = zone_of(timezone)
    count = states["state"].value_counts()
    first, last = (as_instant(volume["from_at"].iloc[i]) for i in (0, -1))
    written = volume["jobs"] + volume["agents"]
    waiting = queue["people"] + queue["prebuilds"]
    worst, most = int(waiting.to_numpy().argmax()), int(written.to_numpy().argmax())
    numbers: dict[str, Any] = {
        "workspaces": states["workspace_id"].nunique(),
        "claims": int(count.get("claimed", 0)),
        "failed": int(count.get("failed", 0)),
        "deleted": int(count.get("deleted", 0)),
        "pending_people": int(queue["people"].iloc[worst]),
        "pending_prebuilds": int(queue["prebuilds"].iloc[worst]),
        "most_people": int(queue["people"].max()),
        "job_kb": float(volume["jobs"].sum() / 1000),
        "agent_kb": float(volume["agents"].sum() / 1000),
        "most_kb": float(written.iloc[most] / 1000),
        **day_and_time(first, where, "first"),
        **{"last_time": day_and_time(last, where, "last")["last_time"]},
        **{"worst_time": day_and_time(as_instant(queue["changed_at"].iloc[worst]), where, "worst")["worst_time"]},
        **{"most_time": day_and_time(as_instant(volume["from_at"].iloc[most]), where, "most")["most_time"]},
    }
    return Sentence(
        "On {first_day}, from {first_time} to {last_time}, there "
        f"{'was' if numbers['workspaces'] == 1 else 'were'} **{{workspaces}} "
        f"{plural('workspace', numbers['workspaces'])}**. Prebuilds claimed: "
        "{claims}; builds that failed: {failed}; workspaces deleted: {deleted}. The queue was longest at {worst_time}: "
        "{pending_people} of people's jobs and {pending_prebuilds} of the prebuilds' waited then; of people's there "
        "were never more than {most_people}. Jobs wrote {job_kb:,.0f} kB of log and agents {agent_kb:,.0f} kB, most in "
        "the quarter of an hour from {most_time} on ({most_kb:,.0f} kB).",
        numbers,
    )


def interruptions(of: Sequence[Interruption]) -> Table:
    """A row for each completion that was made to fail before each of its statements."""
    import pandas as pd

    rows = [
        {
            "job": one.kind.replace("_", " "),
            "failures injected": f"{one.statements:,}",
            "tables changed by them": f"{one.changed_by_failures:,}",
            "rows that success adds": ", ".join(f"{n} {table}" for table, n in one.added.items()) or "none",
        }
        for one in of
    ]
    return Table(pd.DataFrame(rows), frozenset({"failures injected", "tables changed by them"}))
