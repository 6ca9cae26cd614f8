"""The policies that people use elsewhere, played over the same weeks as today's schedule, in one table.

Each is played in closed loop: who finds a prebuild takes it, and the policy sees what is left. A policy with a number
to choose gets, for each preset, the smallest that reaches the target on these very weeks: in hindsight, which flatters
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from simkit.arguments import a_mapping, a_number, a_scenario_or_path, a_text, a_whole_number, takes, texts
from simkit.clock import DAY_US, HOUR_US, MINUTE_US, NEVER, SECOND_US, WEEK_US, Int64Array
from simkit.core import facts
from simkit.core.targets import SPANS
from simkit.decide.expressions import Expression, parse, stays_at_zero
from simkit.decide.levels import lead_us
from simkit.decide.recommend import recommend
from simkit.decide.work import in_order, workers
from simkit.errors import Finding, Findings, InputError, Where, did_you_mean
from simkit.inputs import load
from simkit.inputs.variables import Outside
from simkit.model import Preset, Scenario
from simkit.runs.counts import Counts, count
from simkit.runs.givens import Givens, givens, with_desired, with_programs
from simkit.runs.measures import wait_quantiles
from simkit.timeline import Steps, local_hours, steps_of

TODAY, CONSTANT, PERCENTILE, RATE, IN_USE = "today's schedule", "constant", "percentile", "rate", "in use"
RECOMMENDED = "recommended"
DRAFTED = ("max(scheduled_target, claims_30m + misses_30m)", "min(claims_10m*10, 20)")
"""Target expressions that are played if none are given; the second is one that can never leave zero."""
WEEKS_SEEN = 3
PERCENTILES = (10, 25, 50, 75, 90, 95, 99, 100)
"""The first five are the steps of the slider of Azure's managed pools, from cheapest to fastest."""
SAFETIES = (0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
MOST = 100
NO_GAIN = 0.001
"""Of the hit rate: twice as many that bring less are not doubled again."""
DEAD_US = WEEK_US
"""So long at zero, to the window's end, is not a schedule's night or weekend any more."""


@dataclass(frozen=True)
class Standing:
    """One preset's numbers under a policy, or those of all presets that are played; per week but for rates and waits.

    `wait_p95_s`: NaN if nobody was served in time. Hours are instance-hours; those of the pool are building, idle and
    deleting. `at_zero_since`: from when on nothing was built or idle to the window's end, a week or more, and `missed`:
    how many people came then; None if the pool lives. `is_limited`: the hard limit keeps such a pool from building.
    """

    claims: float
    hit_rate: float
    wait_p95_s: float
    idle_hours: float
    pool_hours: float
    pool_cost: float
    builds: float
    at_zero_since: int | None
    missed: int
    is_limited: bool


@dataclass(frozen=True)
class Row:
    """A policy and what it came to. `settings`: the number chosen for each preset, empty where there is none to choose.

    `stuck`: presets whose pool this policy can never bring back from zero, which follows from its text alone.
    """

    policy: str
    settings: tuple[tuple[str, float], ...]
    total: Standing
    by_preset: tuple[tuple[str, Standing], ...]
    stuck: tuple[str, ...] = ()

    @property
    def is_today(self) -> bool:
        return self.policy == TODAY

    @property
    def dead(self) -> tuple[str, ...]:
        """Presets whose pool was at zero for the rest of the window while people missed."""
        return tuple(name for name, one in self.by_preset if one.at_zero_since is not None)


@dataclass(frozen=True)
class League:
    """Rows in order: those that reach the target by cost (instance-hours of the pools where nothing costs anything),
    then the others by hit rate. `left_out`: policies that could not be played, and why."""

    scenario: Scenario
    rows: tuple[Row, ...]
    presets: tuple[str, ...]
    target: float
    seed: int
    replications: int
    weeks: float
    lead_us: tuple[tuple[str, int], ...]
    left_out: tuple[str, ...]

    @property
    def today(self) -> Row:
        return next(row for row in self.rows if row.is_today)

    def reaches(self, row: Row) -> bool:
        """Does a policy serve the share of people that was asked for?"""
        return row.total.hit_rate >= self.target

    @property
    def has_cost(self) -> bool:
        return any(self.scenario.workload_of(name).cost_per_instance_hour for name in self.presets)


@takes(
    scenario=a_scenario_or_path,
    target_hit_rate=a_number,
    expressions=texts,
    preset=a_text,
    seed=a_whole_number,
    replications=a_whole_number,
    variables=a_mapping,
)
def league(
    scenario: str | Path | Scenario,
    *,
    target_hit_rate: float = 0.95,
    expressions: Sequence[str] = DRAFTED,
    preset: str | None = None,
    advised: Scenario | None = None,
    seed: int = 0,
    replications: int = 1,
    variables: Outside | None = None,
    executor: Executor | None = None,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> League:
    """Play today's schedule and what others do in its place, over the same people, builds and weeks.

    Presets are played that somebody asks for and that have a pool today (all that are asked for, if none has one); the
    others keep their schedules. `preset`: this one alone is played. `expressions`: target expressions, as
    `decide.expressions` reads them. `advised`: the scenario as recommended, if that is known already. `executor`:
    where policies are played, threads if it is left out; the rows are the same. `told` is called with how many policies
    are done, of how many. Raises InputError with every problem, RunError.

    >>> played = simkit.league("data/scenarios/workweek.yaml", expressions=["claims_30m + 2"])
    >>> len(played.rows) > 3
    True
    """
    findings = Findings()
    if not 0 < target_hit_rate < 1:
        text = f"a target of {target_hit_rate:g} is met by no pool, or by every; write a share such as 0.95"
        findings.error(Where("--target-hit-rate"), text)
    if replications < 1:
        findings.error(Where("--replications"), f"{replications} is none; write 1 or more")
    parsed: list[Expression] = []
    for number, text in enumerate(expressions, 1):
        try:
            parsed.append(parse(text, Where(f"--expression {number}" if len(expressions) > 1 else "--expression")))
        except InputError as error:
            findings.extend(error.problems)
    try:
        loaded = scenario if isinstance(scenario, Scenario) else load(scenario, variables)
    except InputError as error:
        findings.extend(error.problems)
    findings.raise_errors()
    return _Players(loaded, target_hit_rate, seed, replications, preset, advised).league(parsed, executor, told)


class _Players:
    """A scenario, its runs as they are given, and policies to play in them."""

    def __init__(
        self,
        scenario: Scenario,
        target: float,
        seed: int,
        replications: int,
        preset: str | None,
        advised: Scenario | None,
    ) -> None:
        self.scenario, self.target, self.seed = scenario, target, seed
        self.preset, self.advised = preset, advised
        self.given = [givens(scenario, seed, r) for r in range(replications)]
        window = scenario.start_at, scenario.end_at
        self.weeks = (window[1] - window[0]) / WEEK_US
        self.edges = np.append(np.arange(window[0], window[1], DAY_US, dtype=np.int64), window[1])
        self.today = self._played(self.given)
        self.names = self._named()
        self.lead_us = {name: lead_us(scenario, name) for name in self.names}

    def _named(self) -> tuple[str, ...]:
        first = self.today[0]
        asked = sum(one.claims.sum(axis=1) for one in self.today) > 0
        rows = self.given[0].inputs.presets[:, facts.P_MOST_DESIRED] > 0
        pooled = {p.name for (_, p), wants in zip(self.given[0].presets, rows, strict=True) if wants}
        names = [name for name, is_asked in zip(first.presets, asked, strict=True) if is_asked]
        if not names:
            text = "nobody asks for any preset in the scenario's window; give it a `demand`"
            raise InputError([Finding("error", self.scenario.where, text)])
        if self.preset is not None:
            if self.preset not in names:
                text = f'nobody asks for a preset "{self.preset}"; {did_you_mean(self.preset, names)}'
                raise InputError([Finding("error", Where("--preset"), text)])
            return (self.preset,)
        return tuple(name for name in names if name in pooled) or tuple(names)

    def league(
        self, expressions: Sequence[Expression], executor: Executor | None, told: Callable[[int, int], None]
    ) -> League:
        players: list[Callable[[], Row | str]] = [
            partial(self._row, TODAY, self.today),
            self._recommended,
            partial(self._tuned, CONSTANT, tuple(map(float, range(1, MOST + 1))), self._constant),
            partial(self._tuned, PERCENTILE, tuple(map(float, PERCENTILES)), self._percentile),
            partial(self._tuned, RATE, tuple(map(float, SAFETIES)), self._rate),
            partial(self._tuned, IN_USE, tuple(map(float, range(1, MOST + 1))), self._in_use),
            *(partial(self._expression, one) for one in expressions),
        ]
        rows: list[Row] = []
        left_out: list[str] = []
        with workers(executor) as pool:
            for done, found in enumerate(in_order(pool, _call, players), 1):
                if isinstance(found, str):
                    left_out.append(found)
                else:
                    rows.append(found)
                told(done, len(players))
        made = League(
            scenario=self.scenario,
            rows=(),
            presets=self.names,
            target=self.target,
            seed=self.seed,
            replications=len(self.given),
            weeks=self.weeks,
            lead_us=tuple(self.lead_us.items()),
            left_out=tuple(left_out),
        )
        return replace(made, rows=tuple(sorted(rows, key=partial(_order, made))))

    # What a policy comes to

    def _played(self, given: Iterable[Givens]) -> list[Counts]:
        return [count(one, self.edges) for one in given]

    def _row(
        self,
        policy: str,
        played: Sequence[Counts],
        settings: Mapping[str, float] | None = None,
        stuck: tuple[str, ...] = (),
    ) -> Row:
        position = [played[0].presets.index(name) for name in self.names]
        by_preset = [(name, self._standing(played, [i])) for name, i in zip(self.names, position, strict=True)]
        total = self._standing(played, position)
        return Row(policy, tuple((settings or {}).items()), total, tuple(by_preset), stuck)

    def _standing(self, played: Sequence[Counts], which: Sequence[int]) -> Standing:
        weeks = self.weeks * len(played)
        claims = sum(int(one.claims[which].sum()) for one in played)
        hits = sum(int(one.hits[which].sum()) for one in played)
        waits = np.concatenate([one.wait_us[np.isin(one.claim_preset, which)] for one in played])
        p95 = int(wait_quantiles(np.zeros(waits.size, dtype=np.int64), waits, 1)[0, 1])
        hours = [one.pool_us[which].sum(axis=1) / HOUR_US for one in played]
        costs = [self.scenario.workload_of(played[0].presets[i]).cost_per_instance_hour for i in which]
        since, missed = _at_zero(played, which, self.edges)
        is_limited = since is not None and any((one.limited_at[which] != NEVER).any() for one in played)
        return Standing(
            claims=claims / weeks,
            hit_rate=hits / claims if claims else float("nan"),
            wait_p95_s=p95 / SECOND_US if p95 != NEVER else float("nan"),
            idle_hours=sum(float(one.idle_us[which].sum()) for one in played) / HOUR_US / weeks,
            pool_hours=float(sum(h.sum() for h in hours)) / weeks,
            pool_cost=float(sum(h @ np.array(costs) for h in hours)) / weeks,
            builds=sum(int(one.builds[which].sum()) for one in played) / weeks,
            at_zero_since=since,
            missed=missed,
            is_limited=is_limited,
        )

    # Policies

    def _recommended(self) -> Row | str:
        """What `recommend` says for the same target, which is chosen for the weeks to come and not for these."""
        try:
            advised = self.advised or recommend(self.scenario, self.target, preset=self.preset, seed=self.seed).advised
        except InputError as error:
            return f"What `simkit recommend` says is not among them: {error.problems[0].text}."
        return self._row(RECOMMENDED, self._played(givens(advised, one.seed, one.replication) for one in self.given))

    def _tuned(
        self, policy: str, knobs: Sequence[float], made: Callable[[Mapping[str, float]], Iterable[Givens]]
    ) -> Row:
        """The smallest number for each preset with which it reaches the target, or else the one that serves most.

        They are doubled as long as that helps and then halved in between, all presets at once.
        """
        known: dict[str, dict[int, float]] = {name: {} for name in self.names}
        runs: dict[tuple[int, ...], list[Counts]] = {}

        def play(at: Mapping[str, int]) -> None:
            key = tuple(at.values())
            if key not in runs:
                runs.clear()
                runs[key] = self._played(made({name: knobs[i] for name, i in at.items()}))
            for name, i in at.items():
                row = runs[key][0].presets.index(name)
                asked = sum(int(one.claims[row].sum()) for one in runs[key])
                known[name][i] = sum(int(one.hits[row].sum()) for one in runs[key]) / asked

        at = dict.fromkeys(self.names, 0)
        while True:
            play(at)
            following = {name: self._following(known[name], len(knobs)) for name in self.names}
            if all(i is None for i in following.values()):
                break
            at = {name: self._chosen(known[name]) if i is None else i for name, i in following.items()}
        at = {name: self._chosen(known[name]) for name in self.names}
        play(at)
        return self._row(policy, runs[tuple(at.values())], {name: knobs[i] for name, i in at.items()})

    def _following(self, known: Mapping[int, float], count: int) -> int | None:
        """Which to try next; None if it is found."""
        enough = [i for i, rate in known.items() if rate >= self.target]
        if enough:
            low = max((i for i in known if i < min(enough)), default=-1)
            return (low + min(enough)) // 2 if min(enough) - low > 1 else None
        tried = sorted(known)
        if tried[-1] == count - 1 or (len(tried) > 2 and known[tried[-1]] < known[tried[-2]] + NO_GAIN):
            return None
        return min(2 * tried[-1] + 1, count - 1)

    def _chosen(self, known: Mapping[int, float]) -> int:
        enough = [i for i, rate in known.items() if rate >= self.target]
        return min(enough) if enough else max(known, key=lambda i: (known[i], -i))

    def _constant(self, numbers: Mapping[str, float]) -> Iterator[Givens]:
        def changed(preset: Preset) -> Preset:
            if preset.name not in numbers:
                return preset
            return replace(preset, instances=int(numbers[preset.name]), schedules=())

        scenario = self.scenario.with_presets(changed)
        for one in self.given:
            yield givens(scenario, one.seed, one.replication)

    def _percentile(self, percents: Mapping[str, float]) -> Iterator[Givens]:
        for one, played in zip(self.given, self.today, strict=True):
            yield with_desired(one, {name: self._seen(one, played, name, p) for name, p in percents.items()})

    def _seen(self, given: Givens, played: Counts, name: str, percent: float) -> Steps:
        """For each hour the percentile of what was needed in the same hour of the last weeks: the most claims within
        one lead. It is wanted a lead before the hour. Until there is a week to look at, today's schedule holds."""
        scenario, lead_us = self.scenario, self.lead_us[name]
        i, preset = next((i, p) for i, (_, p) in enumerate(given.presets) if p.name == name)
        hours = local_hours(scenario.zone_of(preset), scenario.start_at, scenario.end_at)
        at = played.claimed_at[played.claim_preset == played.presets.index(name)]
        within = np.arange(at.size) - np.searchsorted(at, at - lead_us, side="right") + 1
        needed = np.zeros(hours.at.size, dtype=np.int64)
        np.maximum.at(needed, np.maximum(np.searchsorted(hours.at, at, side="right") - 1, 0), within)
        changes = slice(*given.inputs.presets[i, [facts.P_CHANGES_FROM, facts.P_CHANGES_UNTIL]])
        now = Steps(given.inputs.change_at[changes], given.inputs.change_desired[changes], scenario.end_at)
        desired = now.value_at(hours.at)
        of_week = hours.weekday * 24 + hours.hour
        for hour in range(7 * 24):
            mine = np.flatnonzero(of_week == hour)
            for k in range(1, mine.size):
                seen = needed[mine[max(k - WEEKS_SEEN, 0) : k]]
                desired[mine[k]] = int(np.ceil(np.percentile(seen, percent) - 1e-9))
        begin = np.maximum(hours.at - lead_us, scenario.start_at)
        last = np.append(begin[1:] > begin[:-1], True)  # of hours that begin at once the last one holds
        return steps_of(begin[last], desired[last], scenario.end_at)

    def _rate(self, safeties: Mapping[str, float]) -> Iterator[Givens]:
        return self._by_expressions({name: rate_expression(self.lead_us[name], x) for name, x in safeties.items()})

    def _in_use(self, spares: Mapping[str, float]) -> Iterator[Givens]:
        return self._by_expressions({name: in_use_expression(self.lead_us[name], x) for name, x in spares.items()})

    def _by_expressions(self, texts: Mapping[str, str]) -> Iterator[Givens]:
        programs = {name: parse(text, Where(name)).program for name, text in texts.items()}
        for one in self.given:
            yield with_programs(one, programs)

    def _expression(self, one: Expression) -> Row:
        played = self._played(self._by_expressions(dict.fromkeys(self.names, one.text)))
        stuck = tuple(name for name in self.names if stays_at_zero(one.program, self._scheduled(name)))
        return self._row(one.text, played, stuck=stuck)

    def _scheduled(self, name: str) -> list[int]:
        """Every number that today's schedules ask for in the window."""
        given = self.given[0]
        rows = [i for i, (_, p) in enumerate(given.presets) if p.name == name]
        spans = given.inputs.presets[rows][:, [facts.P_CHANGES_FROM, facts.P_CHANGES_UNTIL]].tolist()
        return [x for begin, end in spans for x in given.inputs.change_desired[begin:end].tolist()]


def rate_expression(lead_us: int, safety: float) -> str:
    """As many as come while one prebuild is made, by the rate of the last half an hour, times a safety; 1 at least."""
    return f"max(1, ceil((claims_30m + misses_30m) / 30 * {lead_us / MINUTE_US:.1f} * {safety:g}))"


def in_use_expression(lead_us: int, spare: float) -> str:
    """As many as were taken while one prebuild is made, which an autoscaler counts as in use, and some to spare."""
    span = next((n for n in SPANS if n * MINUTE_US >= lead_us), SPANS[-1])
    return f"claims_{span}m + {spare:g}"


def _call(player: Callable[[], Any]) -> Any:
    return player()


def _order(of: League, row: Row) -> tuple[float, ...]:
    price = row.total.pool_cost if of.has_cost else row.total.pool_hours
    if of.reaches(row):
        return 0, price, -row.total.hit_rate
    return 1, -row.total.hit_rate, price


def _at_zero(played: Sequence[Counts], which: Sequence[int], edges: Int64Array) -> tuple[int | None, int]:
    """(since when the pool was at zero to the end in some run, how many missed from then on), by whole days."""
    for one in played:
        lives = np.flatnonzero(one.pool_us[which].sum(axis=0) > 0)
        first = int(lives[-1]) + 1 if lives.size else 0
        missed = int(one.claims[which, first:].sum() - one.hits[which, first:].sum())
        if missed and edges[-1] - edges[first] >= min(DEAD_US, (edges[-1] - edges[0]) // 2):
            return int(edges[first]), missed
    return None, 0
