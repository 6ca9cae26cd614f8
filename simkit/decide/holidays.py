"""Days on which people do not come, which no cron can name: what to set on them, and the two edits around them.

An edit is a new version of the template, as in Coder: its activation deletes every prebuild of the version before and
builds the pools anew. So each pair of edits is played on the exact kernel as two such versions, on the days themselves
where a history has them, else on the last such days of the window, with everybody and with nobody there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simkit.clock import DAY_US, HOUR_US, Zone
from simkit.core import facts
from simkit.decide.levels import Calendar, Float64Array, LevelTables
from simkit.decide.plan import Plan
from simkit.model import HOURS_PER_WEEK, Activate, History, Holiday, Preset, Scenario, TemplateVersion
from simkit.runs.counts import Counts
from simkit.runs.givens import Givens, without_claims
from simkit.times import weekday_date

NOTICED_MISSES = 0.1
"""A pair of edits that adds fewer elsewhere is not worth a sentence."""
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Edit:
    """Days in a row, from `first` to `last`, for which one edit serves: made at `edit_at`, taken back at `back_at`,
    the first instants of the first day and of the day after the last.

    `tried_on`: the first of the days on which it was played. If `is_seen`, they are these days, with the people who
    came; else `idle_saved_hours` is what it saves if nobody comes, and `misses_added` what it costs if as many come as
    on any such day. Both are of the preset, on these days and the day after.
    """

    first: date
    last: date
    names: str
    edit_at: int
    back_at: int
    tried_on: date
    is_seen: bool
    idle_saved_hours: float
    misses_added: float


@dataclass(frozen=True)
class Exceptions:
    """What to do about holidays for one preset: `preset` has the block that stands while they last, in which no hour
    wants more than `instances`.

    `quiet` are holidays with nothing to edit; `seen`: how many of the holidays the history has, and `share`: how many
    people came on them, as a share of those who come on other such days (NaN if none is seen). `zone`: whose days.
    """

    preset: Preset
    instances: int
    zone: Zone
    edits: tuple[Edit, ...]
    quiet: tuple[Holiday, ...]
    seen: int
    share: float
    said: tuple[str, ...]


class Days(NamedTuple):
    """Days in a row, both included."""

    first: date
    last: date
    names: str

    def earlier(self, weeks: int) -> Days:
        step = timedelta(weeks=weeks)
        return Days(self.first - step, self.last - step, self.names)


class Span(NamedTuple):
    """A preset's days, as instants: edited from `edit_at` to `back_at`, looked at until the end of the day after."""

    preset: str
    edit_at: int
    back_at: int
    until_at: int

    def meets(self, other: Span) -> bool:
        return self.edit_at < other.until_at and other.edit_at < self.until_at


def midnight(day: date, zone: Zone) -> int:
    """The first instant of a day: where clocks skip midnight, the instant at which they do."""
    return zone.at(datetime.combine(day, time()))


def span_of(preset: str, days: Days, zone: Zone) -> Span:
    after = days.last + timedelta(days=1)
    return Span(preset, midnight(days.first, zone), midnight(after, zone), midnight(after + timedelta(days=1), zone))


def is_holiday(calendar: Calendar, zone: Zone, holidays: Iterable[Holiday]) -> npt.NDArray[np.bool_]:
    """Which hours of a calendar are of a holiday: bool[h]."""
    at = calendar.edges[:-1]
    from_at, offset = zone.offsets(int(at[0]), int(calendar.edges[-1]))
    local_day = (at + offset[np.searchsorted(from_at, at, side="right") - 1]) // DAY_US
    return np.isin(local_day, [one.day.toordinal() - _EPOCH_ORDINAL for one in holidays])


def ordinary_weeks(calendar: Calendar, zone: Zone, holidays: Iterable[Holiday]) -> npt.NDArray[np.bool_]:
    """Which weeks of a calendar have no holiday: bool[w]."""
    found = np.ones(calendar.weeks, dtype=np.bool_)
    found[calendar.week[is_holiday(calendar, zone, holidays) & (calendar.week >= 0)]] = False
    return found


class Quiet(NamedTuple):
    """So many, and no more, are wanted on holidays; `seen` and `share`: see Exceptions."""

    instances: int
    seen: int
    share: float


def quiet_number(
    table: LevelTables,
    calendar: Calendar,
    zone: Zone,
    holidays: Sequence[Holiday],
    plan: Plan,
    target: float,
    least: int,
) -> Quiet:
    """The least number that a plan may be kept to while the target's share of those who came on the holidays of a
    history are served; the plan's greatest if none is.

    `table` is of all its weeks. Where it has no holiday nobody knows how many come: the plan's lowest number it is.
    """
    cells = np.zeros((HOURS_PER_WEEK, calendar.weeks), dtype=np.bool_)
    hours = is_holiday(calendar, zone, holidays) & (calendar.week >= 0)
    cells[calendar.hour[hours], calendar.week[hours]] = True
    seen = int(cells.reshape(7, 24, -1).any(axis=1).sum())
    if not seen:
        return Quiet(int(plan.levels.min()), 0, float("nan"))
    came = float(table.claims[cells].sum())
    usual = np.where(cells, 0, table.claims).sum(axis=1) / np.maximum((~cells).sum(axis=1), 1)
    expected = float((usual[:, None] * cells).sum())
    misses = np.where(cells[:, None, :], table.misses, 0).sum(axis=2)
    most = int(plan.levels.max())
    instances = next(
        (n for n in range(least, most) if _missed_at(misses, plan.at_most(n)) <= (1 - target) * came + 1e-9), most
    )
    return Quiet(instances, seen, came / expected if expected else float("nan"))


def _missed_at(misses: Float64Array, plan: Plan) -> float:
    """Of a plan, by misses float64[168, s] of hours and numbers."""
    levels = np.minimum(plan.levels, misses.shape[1] - 1)
    return float(misses[np.arange(HOURS_PER_WEEK), levels].sum())


def in_rows(holidays: Iterable[Holiday], plan: Plan, instances: int) -> tuple[list[Days], list[Holiday]]:
    """(holidays on which the plan wants more than `instances`, those in a row as one; the others, in order of time).

    Days between two of them on which the plan wants no more are in the row, too: one edit serves.
    """
    wants_more = plan.levels.reshape(7, 24).max(axis=1) > instances
    holidays = sorted(holidays, key=lambda one: one.day)
    days = {one.day: one.name for one in holidays}
    found: list[Days] = []
    for day, name in days.items():
        if not wants_more[day.weekday()]:
            continue
        if found and (day - found[-1].last).days <= 7:
            between = [found[-1].last + timedelta(days=i) for i in range(1, (day - found[-1].last).days)]
            if all(one in days or not wants_more[one.weekday()] for one in between):
                before = found[-1]
                names = ", ".join(dict.fromkeys(filter(None, (before.names, name))))
                found[-1] = Days(before.first, day, names)
                continue
        found.append(Days(day, day, name))
    inside = [one for one in holidays if not any(days.first <= one.day <= days.last for days in found)]
    return found, inside


def like_days(
    days: Days, preset: str, zone: Zone, window: tuple[int, int], taken: Sequence[Span], holidays: Iterable[Holiday]
) -> Days | None:
    """The last days of the window on the same weekdays, they and the day after within it, without a holiday, and
    apart from the spans of this preset that are taken; None if there are none."""
    named = {one.day for one in holidays}
    end = zone.local(window[1]).date()
    weeks = max(0, -(-((days.last - end).days) // 7))
    while True:
        found = days.earlier(weeks)
        span = span_of(preset, found, zone)
        if span.edit_at < window[0]:
            return None
        length = (found.last - found.first).days + 2
        is_free = not any(found.first + timedelta(days=i) in named for i in range(length))
        if span.until_at <= window[1] and is_free and not any(span.meets(o) for o in taken if o.preset == preset):
            return found
        weeks += 1


def with_edits(scenario: Scenario, blocks: Mapping[str, Preset], spans: Sequence[Span]) -> Scenario:
    """The scenario with new versions of its templates at the instants at which the spans begin and end.

    In each, the presets of the spans that last have the prebuilds of their block. Every version has a name of its own.
    """
    events: list[Activate] = []
    initial: list[TemplateVersion] = []
    for first in scenario.versions:
        activated = [e for e in scenario.events if isinstance(e, Activate) and e.version.template == first.template]
        names = {p.name for v in (first, *(e.version for e in activated)) for p in v.presets}
        mine = [one for one in spans if one.preset in names]
        changes = {at for one in mine for at in (one.edit_at, one.back_at)} | {e.at for e in activated}
        initial.append(_edited(first, blocks, mine, scenario.start_at, ""))
        base = first
        for i, at in enumerate(sorted(at for at in changes if scenario.start_at < at < scenario.end_at)):
            base = next((e.version for e in reversed(activated) if e.at == at), base)
            events.append(Activate(at, _edited(base, blocks, mine, at, f"-{i + 1}")))
    others = [e for e in scenario.events if not isinstance(e, Activate)]
    ordered = sorted([*others, *events], key=lambda e: e.at)
    return replace(scenario, versions=tuple(initial), events=tuple(ordered))


def _edited(
    version: TemplateVersion, blocks: Mapping[str, Preset], spans: Iterable[Span], at: int, suffix: str
) -> TemplateVersion:
    now = {one.preset for one in spans if one.edit_at <= at < one.back_at}

    def changed(preset: Preset) -> Preset:
        block = blocks[preset.name] if preset.name in now else preset
        return replace(preset, instances=block.instances, ttl_us=block.ttl_us, schedules=block.schedules)

    return replace(version, name=version.name + suffix, presets=tuple(map(changed, version.presets)))


class Of(NamedTuple):
    """A preset as it is advised, its plan, and the number for holidays."""

    preset: Preset
    plan: Plan
    zone: Zone
    quiet: Quiet


Runs = Callable[[Scenario, Sequence[Span]], list[Counts]]
"""Runs of a scenario in every replication, without those who come in spans."""


def exceptions(
    advised: Scenario, holidays: Sequence[Holiday], presets: Mapping[str, Of], usual: Sequence[Counts], runs: Runs
) -> dict[str, Exceptions]:
    """What to do about the holidays in the window and after it, each pair of edits played.

    `usual`: runs of what is advised, without an edit.
    """
    blocks = {name: of.plan.at_most(of.quiet.instances).of(of.preset, of.zone.name) for name, of in presets.items()}
    window = advised.start_at, advised.end_at
    rows: dict[str, tuple[list[Days], list[Holiday]]] = {}
    seen: list[tuple[Span, Days]] = []
    ahead: list[tuple[str, Days]] = []
    for name, of in presets.items():
        coming = [one for one in holidays if midnight(one.day, of.zone) >= window[0]]
        rows[name] = in_rows(coming, of.plan, of.quiet.instances)
        for days in rows[name][0]:
            span = span_of(name, days, of.zone)
            if isinstance(advised.demand, History) and span.until_at <= window[1]:
                seen.append((span, days))
            else:
                ahead.append((name, days))
    tried = _Trial(advised, blocks, usual, runs)
    found: dict[tuple[str, Days], Edit] = {}
    untried: dict[str, list[Days]] = {}
    todo = ahead
    while seen or todo:
        taken = [span for span, _ in seen]
        likes: dict[tuple[str, Days], tuple[Span, Days]] = {}
        known: dict[tuple[str, int, int], tuple[Span, Days]] = {}
        later = []
        for name, days in todo:
            pattern = name, days.first.weekday(), (days.last - days.first).days
            if pattern not in known:
                named = holidays if isinstance(advised.demand, History) else ()
                like = like_days(days, name, presets[name].zone, window, taken, named)
                if like is None:
                    later.append((name, days))
                    continue
                known[pattern] = span_of(name, like, presets[name].zone), like
                taken.append(known[pattern][0])
            likes[name, days] = known[pattern]
        if not taken:
            for name, days in later:
                untried.setdefault(name, []).append(days)
            break
        found |= tried.edits(seen, likes, presets)
        seen, todo = [], later
    said = {
        name: (_number_said(of.quiet, isinstance(advised.demand, History)), *_untried_said(untried.get(name, ())))
        for name, of in presets.items()
    }
    edits = {name: [found[name, days] for days in rows[name][0] if (name, days) in found] for name in presets}
    return {
        name: Exceptions(
            blocks[name],
            of.quiet.instances,
            of.zone,
            tuple(one for one in edits[name] if one.idle_saved_hours > 0),
            tuple(rows[name][1]),
            of.quiet.seen,
            of.quiet.share,
            (*said[name], *_useless_said(edits[name]), *tried.elsewhere_said()),
        )
        for name, of in presets.items()
    }


class _Trial:
    """Plays edits and counts what they change."""

    def __init__(self, advised: Scenario, blocks: Mapping[str, Preset], usual: Sequence[Counts], runs: Runs) -> None:
        self._advised, self._blocks, self._usual, self._runs = advised, blocks, usual, runs
        self._elsewhere, self._many = 0.0, 0

    def edits(
        self,
        seen: Sequence[tuple[Span, Days]],
        likes: Mapping[tuple[str, Days], tuple[Span, Days]],
        presets: Mapping[str, Of],
    ) -> dict[tuple[str, Days], Edit]:
        """Of spans apart from each other; `likes` are played in place of days that are not in the window."""
        stand_ins = list(dict.fromkeys(span for span, _ in likes.values()))
        spans = [*(span for span, _ in seen), *stand_ins]
        edited = with_edits(self._advised, self._blocks, spans)
        with_people = self._runs(edited, ())
        added = {one: had(with_people, one).misses - had(self._usual, one).misses for one in spans}
        saved = {one: had(self._usual, one).idle_hours - had(with_people, one).idle_hours for one in spans}
        if stand_ins:
            usual, alone = self._runs(self._advised, stand_ins), self._runs(edited, stand_ins)
            saved |= {one: had(usual, one).idle_hours - had(alone, one).idle_hours for one in stand_ins}
        self._elsewhere += _missed(with_people) - _missed(self._usual) - sum(added.values())
        self._many += len(spans)
        found = {}
        for span, days in seen:
            found[span.preset, days] = Edit(
                *days, span.edit_at, span.back_at, days.first, True, saved[span], added[span]
            )
        for (name, days), (span, like) in likes.items():
            own = span_of(name, days, presets[name].zone)
            found[name, days] = Edit(*days, own.edit_at, own.back_at, like.first, False, saved[span], added[span])
        return found

    def elsewhere_said(self) -> tuple[str, ...]:
        if not self._many or self._elsewhere / self._many < NOTICED_MISSES:
            return ()
        return (
            f"Each pair of edits adds {self._elsewhere / self._many:,.1f} misses in other pools or at other times: a "
            "new version of a template builds all of its pools anew.",
        )


def _number_said(quiet: Quiet, is_history: bool) -> str:
    if not quiet.seen:
        what = "These weeks have no holiday" if is_history else "What people are drawn from has no holidays"
        return f"{what}, so nobody knows how many come: {quiet.instances}, the plan's lowest number, is kept to."
    days = "the one holiday" if quiet.seen == 1 else f"the {quiet.seen} holidays"
    came = "" if np.isnan(quiet.share) else f"{quiet.share:.0%} as many people came as on other such days; "
    return f"On {days} of these weeks {came}no more than {quiet.instances} serve the target's share of them."


def _useless_said(edits: Sequence[Edit]) -> tuple[str, ...]:
    listed = ", ".join(weekday_date(one.first) for one in edits if one.idle_saved_hours <= 0)
    return (f"Edits around {listed} were tried and save nothing.",) if listed else ()


def _untried_said(days: Sequence[Days]) -> tuple[str, ...]:
    if not days:
        return ()
    listed = ", ".join(weekday_date(one.first) for one in days)
    return (f"The window has no days like {listed} to try an edit on, so none is advised; a longer window has.",)


class Had(NamedTuple):
    """What a preset had in a span, on average over replications."""

    idle_hours: float
    misses: float


def had(results: Sequence[Counts], span: Span) -> Had:
    """Of runs that were counted between edges of which the span's ends are some."""
    idle, missed = 0, 0
    for one in results:
        i = one.presets.index(span.preset)
        inside = (one.edges[:-1] >= span.edit_at) & (one.edges[:-1] < span.until_at)
        idle += int(one.idle_us[i, inside].sum())
        came = (one.claimed_at >= span.edit_at) & (one.claimed_at < span.until_at) & (one.claim_preset == i)
        missed += int((came & ~one.hit).sum())
    return Had(idle / HOUR_US / len(results), missed / len(results))


def _missed(results: Sequence[Counts]) -> float:
    """Of all presets in the whole window, on average over replications."""
    return sum(int((~one.hit).sum()) for one in results) / len(results)


def without(given: Givens, spans: Iterable[Span]) -> Givens:
    """The same run to which nobody comes for a preset on the days of its spans; people who own a workspace stay."""
    at, asked = given.inputs.claims[:, facts.A_AT], given.inputs.claims[:, facts.A_PRESET]
    left_out = np.zeros(at.size, dtype=np.bool_)
    for one in spans:
        mine = [i for i, (_, preset) in enumerate(given.presets) if preset.name == one.preset]
        left_out |= (at >= one.edit_at) & (at < one.back_at) & np.isin(asked, mine)
    return without_claims(given, left_out)
