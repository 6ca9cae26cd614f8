"""How many will ask in each hour of the coming weeks: what hours of the week were like lately, and how sure that is.

The mean of an hour of the local week is that of all weeks so far, where a week counts half as much as one four weeks
later, and its neighbours count as much as the hour itself. How far counts lie from such means says how wide their
negative binomial distribution is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from simkit.arguments import a_mapping, a_path, a_text, at_least, takes
from simkit.clock import DAY_US, HOUR_US, WEEK_US, Int64Array, Zone, unknown_zone, zone
from simkit.demand.claims import local_day
from simkit.demand.streams import keys
from simkit.errors import Finding, Findings, InputError, StoreError, Where
from simkit.inputs.holidays import holidays_of
from simkit.inputs.scenario import load
from simkit.model import HOURS_PER_WEEK, History
from simkit.store.asking import claims_of
from simkit.timeline import local_hours
from simkit.times import weekday_date

Float64Array = npt.NDArray[np.float64]

HALF_LIFE_WEEKS = 4
NEIGHBOURS = (-1, 0, 1)
"""Hours of the week that count as one hour, by their distance."""
LEAST_WEEKS = 4
"""Of history, or nothing is said."""
TRIED_AFTER_WEEKS = 8
"""So much history has the first origin from which the forecast is tried."""
MOST_ORIGINS = 52
LEVELS = (0.05, 0.5, 0.95, 0.99)
"""The bounds that are told: of so many hours as few ask, or fewer."""
SCORED = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.98, 0.99, 0.995)
"""The bounds by which the forecast is judged: those that a pool is made for."""
_LEAST_MEAN = 0.02
"""An hour in which nobody was seen yet is not one in which nobody comes."""
_HOLIDAY_CLAIMS = 20
"""So many would have come on the holidays so far: of fewer they tell nothing, and are taken for Sundays."""


@dataclass(frozen=True)
class Demand:
    """Who asked for a preset in [start_at, end_at): claim_at int64[n], increasing. `zone`: by whose clocks."""

    preset: str
    zone: Zone
    claim_at: Int64Array
    start_at: int
    end_at: int


@dataclass(frozen=True)
class Kept:
    """What a pool of so many would have met: the share of hours in which more came, the share of all people who were
    beyond it, and how many of it nobody took, on average over the hours."""

    over: float
    beyond: float
    spare: float


@dataclass(frozen=True)
class Trial:
    """How the method did on the weeks that are known, from `origins` instants on, each looking `weeks` weeks ahead.

    `loss`: its pinball loss over SCORED, as a share of that of "as many as in this hour of the last week known" (NaN if
    that lost nothing). `bound`: of its bound of 95 %; `last_week`: of the same hour of the last week known.
    """

    origins: int
    weeks: int
    loss: float
    bound: Kept
    last_week: Kept

    @property
    def covered(self) -> float:
        """The share of hours in which no more came than the bound of 95 % said."""
        return 1 - self.bound.over


@dataclass(frozen=True)
class Hours:
    """Whole hours: when each begins, which of the local week it is (0: Monday 00:00), if it is of a holiday, and how
    many asked (all 0 if it is to come)."""

    at: Int64Array
    of_week: Int64Array
    is_holiday: npt.NDArray[np.bool_]
    count: Int64Array

    def part(self, begin: int, end: int) -> Hours:
        return Hours(self.at[begin:end], self.of_week[begin:end], self.is_holiday[begin:end], self.count[begin:end])


@dataclass(frozen=True)
class Forecast:
    """Claims of one preset in each coming hour. at: int64[h], when the hour begins; mean: float64[h]; bounds:
    int64[h, len(LEVELS)]; is_holiday: bool[h].

    `spread`, `day_spread`: the variance of an hour's count is mean + spread x mean squared, that of a day's likewise
    with the latter. `past`: what it stands on. `trial` is None where the history is too short for one.
    """

    preset: str
    zone: Zone
    at: Int64Array
    mean: Float64Array
    bounds: Int64Array
    is_holiday: npt.NDArray[np.bool_]
    spread: float
    day_spread: float
    past: Hours
    trial: Trial | None


@takes(source=a_path, weeks=at_least(1), preset=a_text, holidays=a_path, variables=a_mapping)
def forecast(
    source: str | Path,
    weeks: int = 4,
    preset: str | None = None,
    holidays: str | Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> tuple[Forecast, ...]:
    """A forecast for each preset of a runs file with a history, or of a scenario whose demand is one.

    `holidays`: a CSV file of dates, past and coming, on which people do not come as on other days, or a country
    (`inputs.holidays.holidays_of`). Raises InputError and StoreError.

    >>> coming = simkit.forecast("data/scenarios/three-regions.yaml", weeks=1, preset="backend-us")[0]
    >>> len(coming.mean)
    168
    """
    demands = _demands(source, variables)
    findings = Findings()
    first = min(demand.zone.local(demand.start_at).date() for demand in demands)
    last = max(demand.zone.local(demand.end_at + (weeks + 1) * WEEK_US).date() for demand in demands)
    days = holidays_of(holidays, first, last, findings) if holidays is not None else ()
    findings.raise_errors()
    names = [demand.preset for demand in demands]
    if preset is not None and preset not in names:
        raise _refused(source, f'nobody asked for a preset "{preset}"; there is {", ".join(names)}')
    return tuple(
        foretell(demand, weeks, {day.day for day in days}, where=str(source))
        for demand in demands
        if preset in (None, demand.preset)
    )


def foretell(demand: Demand, weeks: int, holidays: Collection[date] = (), where: str = "") -> Forecast:
    """The coming weeks of one preset, and how the same method did on the past ones. Raises InputError."""
    past = hours_of(demand, holidays)
    if past.at.size < LEAST_WEEKS * HOURS_PER_WEEK:
        known = past.at.size // HOURS_PER_WEEK
        text = f"{known} weeks of history are too few to look ahead; give {LEAST_WEEKS} or more"
        raise _refused(where or demand.preset, text)
    origin_at = int(past.at[-1]) + HOUR_US
    ahead = _hours(demand.zone, origin_at, origin_at + weeks * WEEK_US, holidays)
    mean, spread = _expected(past, past.at.size, ahead)
    return Forecast(
        demand.preset,
        demand.zone,
        ahead.at,
        mean,
        quantiles(mean, spread, LEVELS),
        ahead.is_holiday,
        spread,
        min(_expected(past, past.at.size, ahead, of_days=True)[1], spread),
        past,
        tried(past, weeks),
    )


def drawn(one: Forecast, seed: int = 0) -> Int64Array:
    """When people come, if it turns out as foretold: one of many possible futures, int64[n] instants, increasing.

    Each day is busy or quiet as a whole (a gamma level with the variance `day_spread`), and so is each of its hours, so
    that an hour's count has the forecast's mean and variance, and a day's varies as days did. What is the same in all
    hours of a week (a release, a quiet season) is not drawn.
    """
    chance = np.random.default_rng(int(keys(seed, 0, f"forecast/{one.preset}")[0]))
    wall = local_day(one.at, one.zone)
    of_hours = (1 + one.spread) / (1 + one.day_spread) - 1
    level = _levels(chance, one.day_spread, int(np.ptp(wall)) + 1)[wall - wall[0]]
    level = level * _levels(chance, of_hours, one.at.size)
    count = chance.poisson(one.mean * level)
    at = np.repeat(one.at, count)
    return np.sort(at + chance.integers(0, HOUR_US, at.size))


def _levels(chance: np.random.Generator, spread: float, count: int) -> Float64Array:
    """Gamma numbers of mean 1 with this variance."""
    return chance.gamma(1 / spread, spread, count) if spread > 1e-9 else np.ones(count)


@dataclass(frozen=True)
class Day:
    """A coming day of a preset's own clocks; of its busiest hour what is expected, and Forecast.bounds."""

    name: str
    claims: float
    busiest_hour: int
    busiest_claims: float
    busiest_bounds: tuple[int, ...]


def days_of(one: Forecast) -> tuple[Day, ...]:
    """The days of a forecast, the first and the last of which may be parts of days."""
    wall = [one.zone.local(int(at)) for at in one.at]
    day = np.array([w.date().toordinal() for w in wall])
    found = []
    for ordinal in np.unique(day):
        of = np.flatnonzero(day == ordinal)
        top = int(of[one.mean[of].argmax()])
        name = weekday_date(date.fromordinal(int(ordinal))) + (" holiday" if one.is_holiday[top] else "")
        bounds = tuple(one.bounds[top].tolist())
        found.append(Day(name, float(one.mean[of].sum()), wall[top].hour, float(one.mean[top]), bounds))
    return tuple(found)


def told(one: Forecast) -> str:
    """How the method did on the weeks that are known, as a sentence."""
    if one.trial is None:
        need = TRIED_AFTER_WEEKS + one.at.size // HOURS_PER_WEEK
        return f"Not tried on past weeks: that needs {need} weeks of history."
    trial = one.trial
    tries = f"Tried {trial.origins} time{'s' * (trial.origins > 1)} on the last weeks"
    covered = f"in {trial.covered:.1%} of the hours no more came than the bound of 95%"
    if np.isnan(trial.loss):
        return f"{tries}: {covered}."
    return f"{tries}: {covered}; its bounds lost {trial.loss:.2f} of what the same hour of the last week known loses."


def _hours(zone: Zone, start_at: int, end_at: int, holidays: Collection[date]) -> Hours:
    hours = local_hours(zone, start_at, end_at - 1)
    whole = np.append(hours.at[1:], end_at) - hours.at == HOUR_US
    days = np.array(sorted(day.toordinal() for day in holidays), dtype=np.int64) - date(1970, 1, 1).toordinal()
    of_week = ((hours.weekday + 6) % 7 * 24 + hours.hour)[whole]
    on_holiday = np.isin(hours.wall[whole] // DAY_US, days)
    return Hours(hours.at[whole], of_week, on_holiday, np.zeros(of_week.size, dtype=np.int64))


def hours_of(demand: Demand, holidays: Collection[date]) -> Hours:
    """The whole hours of what is known of a demand."""
    hours = _hours(demand.zone, demand.start_at, demand.end_at, holidays)
    ends = np.searchsorted(demand.claim_at, hours.at + HOUR_US)
    return Hours(hours.at, hours.of_week, hours.is_holiday, ends - np.searchsorted(demand.claim_at, hours.at))


def _expected(past: Hours, known: int, ahead: Hours, of_days: bool = False) -> tuple[Float64Array, float]:
    """(mean of each hour ahead, spread) from the first `known` hours: a variance is mean + spread x mean squared, of an
    hour's count, or `of_days` of a local day's."""
    seen = past.part(0, known)
    weight = 0.5 ** ((seen.at[-1] - seen.at) // WEEK_US / HALF_LIFE_WEEKS)
    normal = np.where(seen.is_holiday, 0.0, weight)
    of = (np.arange(HOURS_PER_WEEK)[:, None] + NEIGHBOURS) % HOURS_PER_WEEK
    people = np.bincount(seen.of_week, normal * seen.count, HOURS_PER_WEEK)[of].sum(axis=1)
    hours = np.bincount(seen.of_week, normal, HOURS_PER_WEEK)[of].sum(axis=1)
    week = np.maximum(np.divide(people, hours, out=np.zeros(HOURS_PER_WEEK), where=hours > 0), _LEAST_MEAN)
    mean, count = week[seen.of_week], seen.count
    if of_days:
        begins = np.flatnonzero(np.diff(seen.of_week // 24, prepend=-1))
        mean, count, normal = (np.add.reduceat(mean, begins), np.add.reduceat(count, begins), normal[begins])
    spread = float((normal * ((count - mean) ** 2 - mean)).sum() / (normal * mean**2).sum())
    return _with_holidays(week, seen, ahead), max(spread, 0.0)


def _with_holidays(week: Float64Array, seen: Hours, ahead: Hours) -> Float64Array:
    """The means of hours ahead, where holidays have the share of other days that those so far had."""
    mean = week[ahead.of_week]
    if not ahead.is_holiday.any():
        return mean
    usual = float(week[seen.of_week[seen.is_holiday]].sum())
    if usual >= _HOLIDAY_CLAIMS:
        quiet = mean * float(seen.count[seen.is_holiday].sum()) / usual
    else:
        quiet = np.minimum(mean, week[6 * 24 + ahead.of_week % 24])
    return np.where(ahead.is_holiday, np.maximum(quiet, _LEAST_MEAN), mean)


def quantiles(mean: Float64Array, spread: float, levels: Sequence[float]) -> Int64Array:
    """Of negative binomial counts with variance mean + spread x mean squared (Poisson for 0): int64[n, len(levels)].

    The least count whose distribution function reaches the level.
    """
    means, at = np.unique(mean, return_inverse=True)
    most = float(means.max())
    size = int(most + 12 * np.sqrt(most + spread * most**2)) + 20
    begin = -np.log1p(spread * means) / spread if spread > 0 else -means
    while True:
        k = np.arange(size)
        step = np.log1p(spread * k) - np.log(k + 1) + np.log(means / (1 + spread * means))[:, None]
        log = begin[:, None] + np.concatenate([np.zeros((means.size, 1)), np.cumsum(step, axis=1)], axis=1)
        below = np.cumsum(np.exp(log), axis=1)
        if (below[:, -1] >= max(levels)).all():
            break
        size *= 2
    found = np.stack([(below < level).sum(axis=1) for level in levels], axis=1)
    return found[at.reshape(-1)].astype(np.int64)


def tried(past: Hours, weeks: int, origins: int = MOST_ORIGINS) -> Trial | None:
    """The method and "this hour of the last week known" on the last weeks; None where there is too little history."""
    hours, ahead = past.at.size, weeks * HOURS_PER_WEEK
    last = hours - ahead
    begins = list(range(last, TRIED_AFTER_WEEKS * HOURS_PER_WEEK - 1, -HOURS_PER_WEEK))[:origins]
    if not begins:
        return None
    lost = naive = 0.0
    at_95 = SCORED.index(0.95)
    counts, bound, before = [], [], []
    for origin in begins:
        part = past.part(origin, origin + ahead)
        mean, spread = _expected(past, origin, part)
        bounds = quantiles(mean, spread, SCORED)
        lost += pinball(part.count, bounds, SCORED)
        last_week = np.resize(past.count[origin - HOURS_PER_WEEK : origin], part.count.size)
        naive += pinball(part.count, np.repeat(last_week[:, None], len(SCORED), axis=1), SCORED)
        counts.append(part.count)
        bound.append(bounds[:, at_95])
        before.append(last_week)
    came = np.concatenate(counts)
    return Trial(
        len(begins),
        weeks,
        lost / naive if naive else float("nan"),
        _kept(came, np.concatenate(bound)),
        _kept(came, np.concatenate(before)),
    )


def _kept(came: Int64Array, pool: Int64Array) -> Kept:
    beyond = np.maximum(came - pool, 0)
    people = int(came.sum())
    return Kept(
        over=float((beyond > 0).mean()),
        beyond=float(beyond.sum()) / people if people else 0.0,
        spare=float(np.maximum(pool - came, 0).mean()),
    )


def pinball(count: Int64Array, bounds: Int64Array, levels: Sequence[float]) -> float:
    """The mean loss of bounds int64[n, len(levels)]: a level's share of what is above its bound, the rest of what is
    below. (Koenker and Bassett, 1978: the least one is that of the true quantiles.)"""
    above = count[:, None] - bounds
    level = np.array(levels)
    return float(np.maximum(level * above, (level - 1) * above).mean())


def _demands(source: str | Path, variables: Mapping[str, str] | None) -> tuple[Demand, ...]:
    """Who asked for each preset, of a runs file or a scenario."""
    path = Path(source)
    is_runs_file = False
    if path.is_file():
        with path.open("rb") as file:
            is_runs_file = file.read(12)[8:] == b"DUCK"
    if is_runs_file:
        return _of_runs(path)
    scenario = load(path, variables)
    if not isinstance(scenario.demand, History):
        raise _refused(source, "its demand is a profile, which says itself what is to come; give one with a history")
    names = np.array(scenario.demand.preset, dtype=object)
    at = scenario.demand.claim_at
    inside = (at >= scenario.start_at) & (at < scenario.end_at)
    presets = {p.name: p for version in scenario.versions for p in version.presets}
    found = [
        Demand(name, scenario.zone_of(p), at[inside & (names == name)], scenario.start_at, scenario.end_at)
        for name, p in presets.items()
    ]
    return _asked_for(source, found)


def _of_runs(path: Path) -> tuple[Demand, ...]:
    found = []
    for name, timezone, claim_at, start_at, end_at in claims_of(path):
        home = zone(timezone)
        if home is None:
            raise StoreError(f"{path}: {unknown_zone(timezone)}")
        found.append(Demand(name, home, claim_at, start_at, end_at))
    return _asked_for(path, found)


def _asked_for(source: str | Path, demands: Iterable[Demand]) -> tuple[Demand, ...]:
    found = tuple(demand for demand in demands if demand.claim_at.size)
    if not found:
        raise _refused(source, "nobody asked for a preset in its window; there is nothing to look ahead from")
    return found


def _refused(source: str | Path, text: str) -> InputError:
    return InputError([Finding("error", Where(str(source)), text)])
