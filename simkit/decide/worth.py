"""Why so many? What one instance more, and one fewer, is worth in each hour of the week."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simkit.arguments import a_scenario, a_text, a_whole_number, takes
from simkit.clock import LONG_WEEKDAYS, Int64Array
from simkit.decide.asked import Asked, drowns_below
from simkit.decide.choice import Choice
from simkit.decide.levels import LEVELS, Calendar, Float64Array, LevelTables, level_tables
from simkit.decide.work import workers
from simkit.model import HOURS_PER_WEEK, Preset, Scenario
from simkit.timeline import desired


@dataclass(frozen=True)
class Worth:
    """What changes for one preset, by hour of the week from Monday 00:00 in `timezone`: [168] each, a week.

    `wanted`: today's number. `served_by_more`: misses that one more would prevent, booked where they could have been,
    one lead time before; `hours_of_more`: idle instance-hours that it would add. `lost_by_fewer`, `hours_of_fewer`: the
    misses that one fewer would add, and the idle hours it would save; NaN where nothing is wanted. `price`: of an
    instance-hour, 0 if the scenario has none. `drowns_below`: numbers below end in the hard limit, in the tables,
    too; 0 if none does.
    """

    preset: str
    timezone: str
    wanted: Int64Array
    served_by_more: Float64Array
    hours_of_more: Float64Array
    lost_by_fewer: Float64Array
    hours_of_fewer: Float64Array
    price: float
    currency: str
    weeks: int
    drowns_below: int

    @property
    def hours_per_miss(self) -> Float64Array:
        """The price per miss, in idle instance-hours, that today's number implies: what its last instance idles for
        each miss that it prevents. Infinite where it prevents none, NaN where there is none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(
                self.lost_by_fewer > 0, self.hours_of_fewer / self.lost_by_fewer, self.hours_of_fewer * np.inf
            )

    @property
    def hours_per_miss_of_more(self) -> Float64Array:
        """What one more would idle for each miss that it prevents; infinite where it prevents none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.served_by_more > 0, self.hours_of_more / self.served_by_more, np.inf)


@takes(scenario=a_scenario, preset=a_text, seed=a_whole_number)
def worth(
    scenario: Scenario,
    preset: str | None = None,
    *,
    seed: int = 0,
    told: Callable[[int, int], None] = lambda done, most: None,
) -> tuple[Worth, ...]:
    """The marginal value of instances of each preset that is asked for, or of the one named.

    By tables of constant numbers that exact runs gave (see `levels`): an hour's value is that of its number alone, with
    all other hours as they are. `told` is called with how many runs are done, and how many there are at most. Raises
    InputError as `recommend` does.

    >>> scenario = simkit.load("data/scenarios/three-regions.yaml")
    >>> [each.preset for each in simkit.worth(scenario, "backend-us")]
    ['backend-us']
    """
    asked = Asked(scenario, 0.5, None, None, 0, preset, None, seed)
    asked.check()
    with workers(None) as executor:
        choice = Choice(asked, None, executor)
        done, most = itertools.count(1), len(LEVELS) * choice.replications
        tables, _ = level_tables(
            scenario, choice.calendar, seed, choice.replications, executor, lambda: told(next(done), most)
        )
    return tuple(
        _worth(scenario, choice.now[n], choice.calendar[n], tables[n], choice.zone[n].name) for n in choice.names
    )


def _worth(scenario: Scenario, preset: Preset, calendar: Calendar, tables: LevelTables, timezone: str) -> Worth:
    wanted = _wanted(scenario, preset, calendar)
    misses, idle = tables.misses.mean(axis=2), tables.idle_hours.mean(axis=2)
    hour = np.arange(HOURS_PER_WEEK)

    def at(levels: Int64Array) -> tuple[Float64Array, Float64Array]:
        inside = np.clip(levels, 0, tables.most)
        return misses[hour, inside], idle[hour, inside]

    (now_misses, now_idle), (more_misses, more_idle) = at(wanted), at(wanted + 1)
    fewer_misses, fewer_idle = at(wanted - 1)
    # Beyond the tables one more serves nobody, and idles all the time.
    more_idle = np.where(wanted >= tables.most, now_idle + 1, more_idle)
    some = wanted > 0
    return Worth(
        preset=preset.name,
        timezone=timezone,
        wanted=wanted,
        served_by_more=now_misses - more_misses,
        hours_of_more=more_idle - now_idle,
        lost_by_fewer=np.where(some, fewer_misses - now_misses, np.nan),
        hours_of_fewer=np.where(some, np.where(wanted > tables.most, 1.0, now_idle - fewer_idle), np.nan),
        price=scenario.workload_of(preset.name).cost_per_instance_hour,
        currency=scenario.currency,
        weeks=tables.claims.shape[1],
        drowns_below=drowns_below(scenario, preset.name),
    )


def _wanted(scenario: Scenario, preset: Preset, calendar: Calendar) -> Int64Array:
    """Today's number in each hour of the week; the median of the window's weeks, where a month or a day decides."""
    at = np.clip(calendar.edges[:-1], scenario.start_at, scenario.end_at)
    values = desired(preset, scenario.behaviour, scenario.start_at, scenario.end_at).value_at(at)
    by_hour = [values[calendar.hour == hour] for hour in range(HOURS_PER_WEEK)]
    return np.array(
        [int(np.sort(v)[(len(v) - 1) // 2]) if len(v) else preset.instances for v in by_hour], dtype=np.int64
    )


def extremes(of: Worth) -> tuple[int | None, int | None]:
    """(the hour in which one more prevents most misses for what it idles, the one in which one fewer costs least).

    None where one more serves nobody in any hour; where there is none to take away, or what is left would drown.
    """
    more = int(np.argmin(of.hours_per_miss_of_more))
    may_go = (of.wanted > of.drowns_below) & (of.hours_of_fewer > 0)
    fewer = int(np.lexsort((of.hours_of_fewer, np.where(may_go, of.hours_per_miss, -1.0)))[-1])
    return more if of.served_by_more[more] > 0 else None, fewer if may_go[fewer] else None


def sentences(of: Worth) -> list[str]:
    """Where one more and one fewer pay most, and what the numbers stand on."""
    more, fewer = extremes(of)
    told = []
    if more is not None:
        told.append(
            f"One more pays most {_when(more)}: {of.served_by_more[more]:.2f} misses a week fewer for "
            f"{_hours(of, of.hours_of_more[more])}."
        )
    else:
        told.append("One more would serve nobody in any hour.")
    if fewer is not None:
        told.append(
            f"One fewer pays most {_when(fewer)}: {_hours(of, of.hours_of_fewer[fewer])} a week saved for "
            f"{of.lost_by_fewer[fewer]:.2f} misses more."
        )
    elif of.drowns_below and of.wanted.any():
        told.append(f"One fewer would leave fewer than {of.drowns_below} in any hour, which the hard limit ends.")
    if idle := int(((of.lost_by_fewer <= 0) & (of.wanted > 0)).sum()):
        told.append(
            f"In {idle} hour{'s' * (idle > 1)} of the week the last instance prevented no miss at all in these weeks."
        )
    if of.drowns_below:
        told.append(
            f"Builds fail here and nobody deletes the failed, so that any number below {of.drowns_below} ends in the "
            "hard limit, also in the runs behind this table: there one more or one fewer seems to change nothing, and "
            f"number {of.drowns_below} seems to change all."
        )
    told.append(
        "By tables of constant numbers that exact runs gave, each hour by itself; a schedule that changes in many "
        "hours has a little more of both."
    )
    return told


def _when(hour: int) -> str:
    return f"on {LONG_WEEKDAYS[hour // 24]} at {hour % 24:02}:00"


def _hours(of: Worth, hours: float) -> str:
    return f"{hours:.1f} idle instance-hours" + (f" ({hours * of.price:,.2f} {of.currency})" if of.price else "")
