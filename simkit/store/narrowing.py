"""Less of an answer: the rows of one preset, of a span of time; local time; one row for all replications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simkit.clock import NEVER, Int64Array, Zone, parse_instant, zone
from simkit.errors import Findings, Where, did_you_mean
from simkit.store.question import Question
from simkit.store.replications import OVER, over_replications

if TYPE_CHECKING:
    import pandas as pd

Instant = str | int
"""RFC 3339, or wall-clock time without an offset; or microseconds since the epoch."""

RUNS_AND_PRESETS = """
SELECT r.run_id, r.scenario, r.seed, r.replication, epoch_us(r.start_at) AS start_us, epoch_us(r.end_at) AS end_us,
    r.timezone AS run_timezone, p.name AS preset, min_by(p.timezone, p.id) AS timezone
FROM runs AS r LEFT JOIN template_version_presets AS p USING (run_id)
WHERE list_contains($runs, r.run_id)
GROUP BY ALL
ORDER BY r.run_id, min(p.id)
"""
"""What there is to narrow an answer to: a row per run and name of a preset."""


@dataclass(frozen=True)
class Narrowing:
    """What is asked of an answer. Text without an offset is read by the clocks of each row: those of its preset, or of
    the run where a row belongs to no preset."""

    preset: str | None = None
    from_at: Instant | None = None
    until_at: Instant | None = None
    local: bool = False
    over: str | None = None

    def of(self, answer: pd.DataFrame, question: Question, presets: pd.DataFrame) -> pd.DataFrame:
        """What is asked for. `presets` is the answer to RUNS_AND_PRESETS. Raises InputError with every problem."""
        findings = Findings()
        zones = _zones(answer, presets)
        if self.preset is not None:
            known = [name for name in presets["preset"].unique() if isinstance(name, str)]
            if "preset" not in answer:
                findings.error(Where("--preset"), _lacks("no preset", question, answer))
            elif self.preset not in known:
                findings.error(
                    Where("--preset"), f'there is no preset "{self.preset}"; {did_you_mean(self.preset, known)}'
                )
        if self.over not in (None, OVER):
            findings.error(Where("--over"), f'"{self.over}" is nothing to sum up over; write "{OVER}"')
        elif self.over and not question.key:
            findings.error(Where("--over"), _lacks("no counterparts in other replications", question, answer))
        begins = self._begins(question, answer, zones, presets, findings)
        findings.raise_errors()
        keep = np.ones(len(answer), dtype=bool)
        if self.preset is not None:
            # What happens to no preset of its own, such as a pause, happens to all.
            keep &= ((answer["preset"] == self.preset) | answer["preset"].isna()).to_numpy()
        if begins is not None:
            keep &= begins
        narrowed = (_local(answer, zones) if self.local else answer)[keep].reset_index(drop=True)
        if self.over:
            return over_replications(narrowed, question.key, presets.drop_duplicates("run_id"))
        return narrowed

    def _begins(
        self, question: Question, answer: pd.DataFrame, zones: pd.Series[str], presets: pd.DataFrame, findings: Findings
    ) -> Int64Array | None:
        """Which rows are of the time that is asked for; None: all."""
        given = {"--from": self.from_at, "--until": self.until_at}
        given = {option: at for option, at in given.items() if at is not None}
        if not given:
            return None
        if not question.at:
            findings.error(Where(" and ".join(given)), _lacks("no instant", question, answer))
            return None
        names = sorted({*zones, *presets["run_timezone"]})
        low, high = (
            {name: _read(option, given.get(option), _zone(name), never, findings) for name in names}
            for option, never in (("--from", -NEVER), ("--until", NEVER))
        )
        if findings.errors:
            return None
        if any(high[name] <= low[name] for name in names):
            findings.error(
                Where("--until"), f'"{self.until_at}" is not after --from "{self.from_at}"; write a later one'
            )
            return None
        runs = presets.drop_duplicates("run_id")
        rows = zip(runs["run_timezone"], runs["start_us"], runs["end_us"], strict=True)
        if not any(low[name] < end and high[name] > start for name, start, end in rows):
            first, last = (_zone(runs["run_timezone"].iloc[0]).local(runs[c].iloc[0]) for c in ("start_us", "end_us"))
            text = f"no run has such a time; the window is {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
            findings.error(Where(" and ".join(given)), text)
            return None
        return _of_time(question, answer, zones.map(low).to_numpy(), zones.map(high).to_numpy())


def _of_time(question: Question, answer: pd.DataFrame, low: Int64Array, high: Int64Array) -> Int64Array:
    """Which rows begin in [low, high), or begin before and last into it."""
    at = _us(answer[question.at])
    keep = (at >= low) & (at < high)
    if question.until:
        ends = _us(answer[question.until])
        keep |= (at < low) & ((ends > low) & (ends != NEVER) | (question.ends & (ends == NEVER)))
    if question.holds:
        of = ["run_id", *(["preset"] if "preset" in answer else [])]
        in_force = answer[at <= low].groupby(of, sort=False).tail(1).index
        keep[in_force] = True
    return np.asarray(keep)


def _us(column: pd.Series[pd.Timestamp]) -> Int64Array:
    """Microseconds; NEVER for NULL."""
    us = column.dt.tz_convert(None).to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(us), NEVER, us.astype(np.int64))


def _read(option: str, given: Instant | None, of: Zone, never: int, findings: Findings) -> int:
    if given is None:
        return never
    try:
        return parse_instant(given, of) if isinstance(given, str) else int(given)
    except ValueError as error:
        findings.error(Where(option), str(error))
        return never


def _zones(answer: pd.DataFrame, presets: pd.DataFrame) -> pd.Series[str]:
    """The name of each row's zone."""
    if "timezone" in answer:
        return answer["timezone"]
    run = answer["run_id"].map(presets.drop_duplicates("run_id").set_index("run_id")["run_timezone"])
    if "preset" not in answer:
        return run
    of_preset = presets.dropna(subset=["preset"])[["run_id", "preset", "timezone"]]
    own = answer[["run_id", "preset"]].merge(of_preset, how="left", on=["run_id", "preset"])["timezone"]
    return own.set_axis(answer.index).fillna(run)


def _zone(name: str) -> Zone:
    known = zone(name)
    assert known is not None, "a run's zones are known"
    return known


def _local(answer: pd.DataFrame, zones: pd.Series[str]) -> pd.DataFrame:
    """The answer with instants by each row's own clocks, and a column `timezone` that names them."""
    local = answer.copy()
    for name, column in answer.items():
        if getattr(column.dtype, "tz", None) is None:
            continue
        parts = [column[zones == of].dt.tz_convert(_zone(of).info) for of in zones.unique()]
        # Several zones in one column make it one of objects.
        local[name] = parts[0] if len(parts) == 1 else _joined(parts, column)
    if "timezone" not in answer:
        local.insert(1, "timezone", zones)
    return local


def _joined(parts: list[pd.Series[pd.Timestamp]], column: pd.Series[pd.Timestamp]) -> pd.Series[pd.Timestamp]:
    joined = column.astype(object)
    for part in parts:
        joined[part.index] = part.astype(object)
    return joined


def _lacks(what: str, question: Question, answer: pd.DataFrame) -> str:
    """That its rows have no such thing, and what the question can be asked with."""
    takes = [
        *(["--preset"] if "preset" in answer else []),
        *(["--from and --until"] if question.at else []),
        *([f"--over {OVER}"] if question.key else []),
    ]
    return f'the rows of "{question.name}" have {what}; it takes {", ".join(takes) or "none of these options"}'
