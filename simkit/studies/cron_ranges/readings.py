"""What was written beside what was meant: a preset's schedules under several readings, and what each does to a pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import numpy as np
import pandas as pd

from simkit.clock import (
    DAY_US,
    HOUR_US,
    UTC_ZONE,
    WEEK_US,
    Int64Array,
    Zone,
    parse_instant,
    unknown_zone,
    zone,
    zone_names,
)
from simkit.coder_versions import DEFAULT_BEHAVIOUR, Behaviour, with_early_ranges
from simkit.cron import Cron, provider_cron
from simkit.errors import Finding, Findings, InputError, Where
from simkit.inputs.coder import named_version
from simkit.inputs.preset import Given, GivenPreset, GivenSchedule, read_presets
from simkit.model import Preset, Profile, Reconciler, Scenario, Schedule, TemplateVersion
from simkit.runs.simulate import run
from simkit.store import ask
from simkit.templates.explainer import ClockChange, explain
from simkit.templates.linter import lint_preset
from simkit.timeline import BASE, LocalHours, local_hours, schedule_steps, true_overlaps

AROUND_A_CHANGE_US = 6 * HOUR_US
"""For how long before and after a change of clocks a pool is looked at."""
DAEMONS = 10
"""Provisioner daemons for each pool: as many as build all of it at once."""
_PRESET = "pool"


@dataclass(frozen=True)
class Reading:
    """One way to read a preset's schedules: under these rules of Coder, called `label`."""

    label: str
    preset: Preset
    behaviour: Behaviour = DEFAULT_BEHAVIOUR


def reading(
    label: str, schedules: Mapping[str, int], timezone: str, base: int, coder: str = DEFAULT_BEHAVIOUR.version
) -> Reading:
    """Crons and their instances, in order, as Coder would keep them, whether or not the provider accepts them.

    Raises InputError for what is no version of Coder, or older than what is modelled.
    """
    findings = Findings()
    behaviour = named_version(coder, findings)
    findings.raise_errors()
    wanted = tuple(Schedule(cron, instances) for cron, instances in schedules.items())
    return Reading(label, Preset(_PRESET, base, timezone=timezone, schedules=wanted), behaviour)


def a_minute_early(label: str, of: Reading) -> Reading:
    """The same, with the early ranges that the pull request for them describes and no release has."""
    return Reading(label, of.preset, with_early_ranges(of.behaviour))


def both_days(cron: str, instances: int, year: int) -> dict[str, int]:
    """Schedules for one year that hold where day of month *and* day of week match, which no single range can ask for.

    One for each day of the month, with the months in which it falls on such a weekday. Coder accepts them together.
    """
    fields = cron.split()
    strict = replace(provider_cron(cron), both_days=True)
    new_year = (date(year, 1, 1) - date(1970, 1, 1)).days * DAY_US
    hours = local_hours(UTC_ZONE, new_year, (date(year + 1, 1, 1) - date(1970, 1, 1)).days * DAY_US - 1)
    held = hours.hold(strict)
    months = {day: np.unique(hours.month[held & (hours.day == day)]).tolist() for day in range(1, 32)}
    return {
        " ".join([*fields[:2], str(day), ",".join(map(str, found)), "*"]): instances
        for day, found in months.items()
        if found
    }


def either_and_both(cron: str, instances: int, timezone: str, base: int, year: int) -> tuple[Reading, Reading]:
    """A range as Coder reads it, for which either day field is enough, and as meant by who wants both to match."""
    both = both_days(cron, instances, year)
    return (
        reading("as written", {cron: instances}, timezone, base),
        reading("as meant", both, timezone, base),
    )


@dataclass(frozen=True)
class Case:
    """Several readings over the same [start_at, end_at) and the same people, shown in `zone`.

    `desired` has a row for each step of each reading: reading, from_at, until_at, schedule (its position among those
    in force, -1 for the base), desired. `pool` has a row per reading, over as many `pools` as are simulated, each with
    people of its own: claims, hits, hit_rate (NaN without claims), idle_instance_hours (of one pool, on average).
    `warnings`: the linter's, of the first reading.
    """

    readings: tuple[Reading, ...]
    zone: Zone
    start_at: int
    end_at: int
    pools: int
    desired: pd.DataFrame
    pool: pd.DataFrame
    warnings: tuple[str, ...] = ()

    @property
    def hours(self) -> float:
        return (self.end_at - self.start_at) / HOUR_US


def week(
    readings: Sequence[Reading],
    timezone: str,
    monday: str,
    asked: Mapping[str, float],
    seed: int,
    pools: int,
) -> Case:
    """The readings in the seven days from a date on. `asked`: claims expected in each hour of a weekly range.

    Raises InputError for what is no zone or no date.
    """
    where, first = _zone(timezone), _date(monday)
    start_at, end_at = (where.at(datetime.combine(first + timedelta(days=days), time())) for days in (0, 7))
    return side_by_side(readings, where, start_at, end_at, asked, where, seed, pools)


def year(
    readings: Sequence[Reading], timezone: str, year: int, asked: Mapping[str, float], seed: int, pools: int
) -> Case:
    """The readings in a calendar year; otherwise as `week`."""
    where = _zone(timezone)
    start_at, end_at = (where.at(datetime(y, 1, 1)) for y in (year, year + 1))  # noqa: DTZ001
    return side_by_side(readings, where, start_at, end_at, asked, where, seed, pools)


def side_by_side(
    readings: Sequence[Reading],
    where: Zone,
    start_at: int,
    end_at: int,
    asked: Mapping[str, float],
    asked_in: Zone,
    seed: int,
    pools: int,
) -> Case:
    """The readings over [start_at, end_at), each with the same people, who come by the wall clock of `asked_in`."""
    rates = np.zeros(WEEK_US // HOUR_US)
    monday = local_hours(UTC_ZONE, 4 * DAY_US, 4 * DAY_US + WEEK_US - 1)  # 1970-01-05
    for cron, per_hour in asked.items():
        rates += per_hour * monday.hold(provider_cron(cron))
    rate = tuple(rates.tolist())
    served = [_pool(r, where, start_at, end_at, rate, asked_in, seed, pools) for r in readings]
    warnings: tuple[str, ...] = ()
    if readings:
        found = lint_preset(readings[0].preset, None, start_at, end_at, readings[0].behaviour)
        warnings = tuple(f.text for f in found if f.level == "warning")
    return Case(
        readings=tuple(readings),
        zone=where,
        start_at=start_at,
        end_at=end_at,
        pools=pools,
        desired=pd.concat([_desired(r, start_at, end_at) for r in readings], ignore_index=True)
        if readings
        else pd.DataFrame(columns=["reading", "from_at", "until_at", "schedule", "desired"]),
        pool=pd.DataFrame(served, columns=["reading", "claims", "hits", "hit_rate", "idle_instance_hours"]),
        warnings=warnings,
    )


def _desired(of: Reading, start_at: int, end_at: int) -> pd.DataFrame:
    """The steps of one reading. Coder's own desired number: nothing below 0."""
    spans = schedule_steps(of.preset, of.behaviour, start_at, end_at).spans()
    instances = [*(s.instances for s in of.preset.schedules_in_force), of.preset.instances]
    from_at, until_at, schedule = (np.array(column, dtype=np.int64) for column in zip(*spans, strict=True))
    return pd.DataFrame(
        {
            "reading": of.label,
            "from_at": pd.to_datetime(from_at, unit="us", utc=True),
            "until_at": pd.to_datetime(until_at, unit="us", utc=True),
            "schedule": schedule,
            "desired": [max(instances[i], 0) for i in schedule.tolist()],
        }
    )


def _pool(
    of: Reading, where: Zone, start_at: int, end_at: int, rate: tuple[float, ...], asked_in: Zone, seed: int, pools: int
) -> tuple[str, int, int, float, float]:
    # A run with many pools is read much faster than as many runs. They share nothing but daemons, and have enough.
    presets = tuple(replace(of.preset, name=f"{_PRESET}-{i}") for i in range(pools))
    scenario = Scenario(
        name=of.label,
        start_at=start_at,
        end_at=end_at,
        versions=(TemplateVersion("template", "v1", presets),),
        demand=tuple(Profile(preset.name, asked_in, rate) for preset in presets),
        zone=where,
        behaviour=of.behaviour,
        reconciler=Reconciler(interval_us=of.behaviour.reconciliation_interval_us),
        provisioner_daemons=DAEMONS * pools,
    )
    summary = ask(run(scenario, seed), "summary")
    claims, hits = int(summary["claims"].sum()), int(summary["hits"].sum())
    return of.label, claims, hits, hits / claims if claims else float("nan"), summary["idle_instance_hours"].mean()


@dataclass(frozen=True)
class Jump:
    """The first change of a zone's clocks in one direction in a year; `change` is None where there is none.

    `cron` is the range of the hour that is skipped or repeated (whole or in part), every day; `change` says what it
    does to that range.
    """

    zone: Zone
    year: int
    forward: bool
    cron: str = ""
    change: ClockChange | None = None

    @property
    def walls(self) -> tuple[int, int]:
        """What is skipped or repeated: from and until by the wall clock, in microseconds since its 1970."""
        assert self.change is not None, "only a change skips or repeats something"
        first, last = sorted((self.change.from_wall, self.change.to_wall))
        return first, last


def jump(timezone: str, year: int, forward: bool) -> Jump:
    """When the clocks of a zone first go forward (or back) in a year. Raises InputError for what is no zone."""
    where = _zone(timezone)
    new_year, end_at = (where.at(datetime(y, 1, 1)) for y in (year, year + 1))  # noqa: DTZ001
    for change in explain("* * * * *", timezone=timezone, at=new_year).clock_changes:
        if (change.to_wall > change.from_wall) == forward and change.at < end_at:
            first, last = sorted((change.from_wall, change.to_wall))
            hours = [h % 24 for h in range(first // HOUR_US, (last - 1) // HOUR_US + 1)]
            cron = f"* {','.join(map(str, sorted(set(hours))))} * * *"
            near = explain(cron, timezone=timezone, at=change.at - DAY_US).clock_changes
            return Jump(where, year, forward, cron, next(c for c in near if c.at == change.at))
    return Jump(where, year, forward)


def across(of: Jump, instances: int, base: int, per_hour: float, seed: int, pools: int) -> Case:
    """The hour that a change skips or repeats, as written, and by a clock that keeps the later of both offsets.

    People come at the same rate all the time, whatever the clocks show. The second reading is left out for an offset
    of a part of an hour, for which there is no zone that keeps it; without a change there are no readings.
    """
    if of.change is None:
        return side_by_side([], of.zone, 0, 1, {}, UTC_ZONE, seed, pools)
    at = of.change.at
    offset_us = max(of.change.from_wall, of.change.to_wall) - at
    readings = [reading("as written", {of.cron: instances}, of.zone.name, base)]
    steady = f"Etc/GMT{-offset_us // HOUR_US:+d}"
    if offset_us % HOUR_US == 0 and steady in zone_names():
        readings.append(reading("summer time all along", {of.cron: instances}, steady, base))
    start_at, end_at = at - AROUND_A_CHANGE_US, at + AROUND_A_CHANGE_US
    return side_by_side(readings, of.zone, start_at, end_at, {"* * * * *": per_hour}, UTC_ZONE, seed, pools)


def validation(crons: Sequence[str], beside: str, timezone: str) -> pd.DataFrame:
    """What the provider says to each cron alone, and to each beside another schedule: a row per cron.

    cron, alone, beside (whether it is accepted), refusal: why it is not, "" if it is.
    """
    rows = []
    for cron in crons:
        alone, both = (_refusals(texts, timezone) for texts in ([cron], [cron, beside]))
        rows.append((cron, not alone, not both, "; ".join(f.text for f in (*alone, *both)[:1])))
    return pd.DataFrame(rows, columns=["cron", "alone", "beside", "refusal"])


def _refusals(crons: Sequence[str], timezone: str) -> tuple[Finding, ...]:
    findings = Findings()
    schedules = tuple(
        GivenSchedule(Given(cron, Where("schedule", i)), Given(1, Where("schedule", i)), Where("schedule", i))
        for i, cron in enumerate(crons, 1)
    )
    here = Where("preset")
    preset = GivenPreset(
        where=here,
        name=Given(_PRESET, here),
        instances=Given(0, here),
        timezone=Given(timezone, here),
        schedules=schedules,
    )
    read_presets((preset,), findings)
    return findings.errors


def days(case: Case) -> pd.DataFrame:
    """Each local day of each reading: reading, day, desired (the most of that day), held_hours (of any schedule)."""
    cells = cells_of(case)
    by = cells.assign(held_hours=cells["hours"].where(cells["schedule"] != BASE, 0.0)).groupby(
        ["reading", "day"], sort=False, as_index=False
    )
    return by.agg(desired=("desired", "max"), held_hours=("held_hours", "sum"))


def cells_of(case: Case) -> pd.DataFrame:
    """The steps of a case, cut at each local hour: reading, day (a date), hour (of the wall clock, with its fraction),
    hours (how long), from_at (microseconds), schedule, desired."""
    hours = local_hours(case.zone, case.start_at, case.end_at - 1)
    parts = []
    for label, of in case.desired.groupby("reading", sort=False):
        from_at = of["from_at"].dt.as_unit("us").astype("int64").to_numpy()
        at = np.unique(np.concatenate([hours.at, from_at]))
        step = np.searchsorted(from_at, at, side="right") - 1
        wall = _wall(hours, at)
        parts.append(
            pd.DataFrame(
                {
                    "reading": label,
                    "day": (wall // DAY_US).astype("datetime64[D]").astype(object),
                    "hour": wall % DAY_US / HOUR_US,
                    "hours": np.diff(np.append(at, case.end_at)) / HOUR_US,
                    "from_at": at,
                    "schedule": of["schedule"].to_numpy()[step],
                    "desired": of["desired"].to_numpy()[step],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def overlaps(case: Case) -> pd.DataFrame:
    """When schedules of the first reading hold at the same time, whatever Coder's check says: a row per overlap.

    first, second (the crons, by order), first_at, hours, days (the local dates on which they do).
    """
    preset = case.readings[0].preset
    schedules = preset.schedules_in_force
    hours = local_hours(preset.zone, case.start_at, case.end_at - 1)
    rows = []
    for found in true_overlaps(preset, case.start_at, case.end_at):
        one, other = schedules[found.first], schedules[found.second]
        both = hours.hold(_cron(one)) & hours.hold(_cron(other))
        dates = np.unique(hours.wall[both] // DAY_US).astype("datetime64[D]").tolist()
        rows.append((one.cron, other.cron, found.first_at, found.total_us / HOUR_US, dates))
    table = pd.DataFrame(rows, columns=["first", "second", "first_at", "hours", "days"])
    return table.assign(first_at=pd.to_datetime(table["first_at"], unit="us", utc=True))


def _cron(of: Schedule) -> Cron:
    return provider_cron(of.cron)


def _wall(hours: LocalHours, at: Int64Array) -> Int64Array:
    """The wall clock at instants, from the local hours around them."""
    i = np.searchsorted(hours.at, at, side="right") - 1
    wall: Int64Array = hours.wall[i] + at - hours.at[i]
    return wall


def _zone(name: str) -> Zone:
    found = zone(name)
    if found is None:
        raise InputError([Finding("error", Where("timezone"), unknown_zone(name))])
    return found


def _date(text: str) -> date:
    try:
        return UTC_ZONE.local(parse_instant(text, UTC_ZONE)).date()
    except ValueError as error:
        raise InputError([Finding("error", Where("monday"), str(error))]) from error
