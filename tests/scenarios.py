"""Small scenarios that tests share: one to vary, strategies that draw more, and the digest of a run's tables."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from hypothesis import strategies as st

from simkit.clock import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    NEVER,
    SECOND_US,
    Zone,
    from_datetime,
    parse_instant,
    to_datetime,
    zone,
)
from simkit.coder_versions import BEHAVIOURS, behaviour_of
from simkit.cron import Cron, parse
from simkit.model import (
    Activate,
    Daemons,
    Event,
    History,
    Invalidate,
    Pause,
    People,
    Preset,
    Profile,
    Reconciler,
    Resume,
    Scenario,
    Schedule,
    SessionHistory,
    SessionProfile,
    SetSchedule,
    SetTTL,
    TemplateSchedule,
    TemplateVersion,
    Workload,
    constant,
    empirical,
    lognormal,
)
from simkit.runs.result import Result

MONDAY_AT = parse_instant("2026-03-02T00:00:00Z")

# Half-hour shifts, midnights that do not exist on either side of Greenwich, a day left out, offsets of odd minutes.
JUMPY_ZONES = (
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Havana",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Asia/Kathmandu",
)


def history(*claims: tuple[int, str]) -> History:
    """Claims as (instant, preset)."""
    return History(np.array([at for at, _ in claims], dtype=np.int64), tuple(preset for _, preset in claims))


def scenario(*presets: Preset, hours: int = 12, claims: tuple[tuple[int, str], ...] = (), **more: object) -> Scenario:
    """A Monday's first hours with these presets (one called `p` with two instances if there are none)."""
    version = TemplateVersion("t", "v1", presets or (Preset("p", 2),))
    given = {"versions": (version,), "demand": history(*claims), **more}
    return Scenario("small", MONDAY_AT, MONDAY_AT + hours * HOUR_US, **given)  # type: ignore[arg-type]


def tables_digest(result: Result) -> str:
    """Of every table of a run, names included."""
    digest = hashlib.sha256()
    for table, columns in result.tables.items():
        for name, column in columns.items():
            digest.update(f"{table}.{name} {column.dtype}".encode())
            digest.update(repr(column.tolist()).encode() if column.dtype == object else column.tobytes())
    return digest.hexdigest()


def busy_week(version: str = "v2.35", hours: int = 72) -> Scenario:
    """Two presets of which everything happens to one: schedules, failures, expiry, a new version, a pause."""
    eager = Preset("eager", 2, HOUR_US, "America/New_York", (Schedule("* 8-17 * * 1-5", 6), Schedule("* 2 * * *", 0)))
    later = replace(eager, schedules=(Schedule("* 9-11 * * *", 3),))
    workload = Workload(
        lognormal(3 * MINUTE_US, 8 * MINUTE_US, 64),
        empirical((20 * SECOND_US, 40 * SECOND_US)),
        failure_probability=0.2,
        cost_per_instance_hour=0.25,
    )
    utc = Zone("UTC")
    return Scenario(
        name="busy",
        start_at=MONDAY_AT,
        end_at=MONDAY_AT + hours * HOUR_US,
        versions=(TemplateVersion("t", "v1", (eager, Preset("calm", 1))),),
        demand=(Profile("eager", utc, (4.0,) * 168), Profile("calm", utc, (0.5,) * 168)),
        zone=Zone("America/New_York"),
        behaviour=BEHAVIOURS[version],
        claim_order="random",
        workload=workload,
        events=(
            Pause(MONDAY_AT + 5 * HOUR_US),
            Resume(MONDAY_AT + 7 * HOUR_US + 1),
            Invalidate(MONDAY_AT + 30 * HOUR_US),
            Activate(MONDAY_AT + 40 * HOUR_US, TemplateVersion("t", "v2", (later, Preset("calm", 1)))),
        ),
    )


@dataclass(frozen=True)
class Span:
    """A window of some days in a zone."""

    zone: Zone
    start_at: int
    end_at: int


@st.composite
def spans(draw: st.DrawFn, zones: tuple[str, ...] = JUMPY_ZONES) -> Span:
    """Up to two and a half days, around a change of the zone's clocks if the year has one."""
    in_zone = zone(draw(st.sampled_from(zones)))
    assert in_zone is not None
    year_at = from_datetime(to_datetime(0).replace(year=draw(st.sampled_from((2011, 2024, 2025, 2026)))))
    changes = in_zone.offsets(year_at, year_at + 366 * DAY_US)[0].tolist()
    near = draw(st.sampled_from(changes[1:] or changes))
    start_at = near - draw(st.integers(0, 30 * 3600)) * SECOND_US
    return Span(in_zone, start_at, start_at + draw(st.integers(1, 60 * 3600)) * SECOND_US)


@dataclass(frozen=True)
class Field:
    """A cron field: its text, its values and whether it carries a star."""

    text: str
    values: frozenset[int]
    star: bool = False


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> Field:
    kind = draw(st.sampled_from(("star", "star", "range", "list", "step")))
    first, last = sorted(draw(st.tuples(st.integers(low, high), st.integers(low, high))))
    match kind:
        case "star":
            return Field("*", frozenset(range(low, high + 1)), True)
        case "range":
            return Field(f"{first}-{last}", frozenset(range(first, last + 1)))
        case "list":
            return Field(f"{last},{first}", frozenset((first, last)))
    step = draw(st.integers(2, 5))
    return Field(f"{first}/{step}", frozenset(range(first, high + 1, step)))


@dataclass(frozen=True)
class Range:
    """A cron whose minute is a star, as text and as what it means."""

    hour: Field
    day: Field
    month: Field
    weekday: Field

    @property
    def text(self) -> str:
        return f"* {self.hour.text} {self.day.text} {self.month.text} {self.weekday.text}"

    @property
    def cron(self) -> Cron:
        return parse(self.text)


def ranges() -> st.SearchStrategy[Range]:
    return st.builds(Range, fields(0, 23), fields(1, 31), fields(1, 12), fields(0, 6))


@st.composite
def presets(draw: st.DrawFn, name: str) -> Preset:
    hours = draw(st.lists(st.integers(0, 23), min_size=0, max_size=2, unique=True))
    return Preset(
        name,
        draw(st.integers(0, 3)),
        draw(st.sampled_from((0, 20 * MINUTE_US, HOUR_US, 2 * HOUR_US + 1))),
        "Asia/Kathmandu" if hours else "",
        tuple(Schedule(f"* {hour} * * *", draw(st.integers(-1, 5))) for hour in hours),
    )


uneven = empirical((7 * SECOND_US, 3 * MINUTE_US, 11 * MINUTE_US))
durations = st.sampled_from((constant(0), constant(MINUTE_US), uneven, constant(25 * MINUTE_US)))
instants = st.one_of(
    st.integers(0, 8 * 60).map(lambda minute: MONDAY_AT + minute * MINUTE_US),  # together with a tick
    st.integers(0, 8 * 3600).map(lambda second: MONDAY_AT + second * SECOND_US),
)


@st.composite
def events(draw: st.DrawFn, names: tuple[str, ...]) -> Event:
    at = draw(instants)
    kind = draw(st.sampled_from(("activate", "invalidate", "pause", "resume")))
    match kind:
        case "activate":
            left = draw(st.sampled_from((names, names[:1], ())))
            return Activate(at, TemplateVersion("t", f"v{at}", tuple(draw(presets(name)) for name in left)))
        case "invalidate":
            return Invalidate(at, draw(st.sampled_from((None, *names))))
        case "pause":
            return Pause(at)
    return Resume(at)


tags = st.sampled_from(((), (), (("pool", "prebuilds"),), (("pool", "people"),)))


@st.composite
def provisioning(draw: st.DrawFn) -> dict[str, Any]:
    """A scenario's fields about daemons: some of one kind, or groups with tags, of which some jobs may find none."""
    if draw(st.booleans()):
        return {"provisioner_daemons": draw(st.integers(1, 3))}
    groups = draw(st.lists(st.builds(Daemons, st.integers(1, 2), tags), min_size=1, max_size=3))
    return {
        "provisioners": tuple(groups),
        "version_tags": draw(tags),
        "prebuild_tags": draw(tags),
        "has_reaper": draw(st.booleans()),
    }


POOL_VERSIONS = sorted({*BEHAVIOURS, "v2.28"})
"""Versions between which pools differ: v2.28 cancels, and deletes without a job."""


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Eight hours in which anything may happen, often at the same instant."""
    names = ("a", "b")[: draw(st.integers(1, 2))]
    claims = draw(st.lists(st.tuples(instants, st.sampled_from(names)), max_size=40))
    happening = draw(st.lists(events(names), max_size=3))
    workload = Workload(
        draw(durations),
        draw(durations),
        draw(durations),
        draw(durations),
        draw(durations),
        failure_probability=draw(st.sampled_from((0.0, 0.3, 1.0))),
        delete_canceled=draw(durations),
        failed_cleared_after_us=draw(st.sampled_from((0, 0, MINUTE_US, 45 * MINUTE_US, 2 * HOUR_US + 1))),
        daily_cost=draw(st.integers(0, 2)),
    )
    return Scenario(
        name="drawn",
        start_at=MONDAY_AT,
        end_at=MONDAY_AT + 8 * HOUR_US,
        versions=(TemplateVersion("t", "v1", tuple(draw(presets(name)) for name in names)),),
        demand=history(*sorted(claims)),
        behaviour=behaviour_of(draw(st.sampled_from(POOL_VERSIONS))),
        reconciler=Reconciler(
            draw(st.sampled_from((15 * SECOND_US, MINUTE_US, 7 * MINUTE_US + SECOND_US))),
            backoff_lookback_us=draw(st.sampled_from((10 * MINUTE_US, HOUR_US))),
            failure_hard_limit=draw(st.integers(0, 3)),
        ),
        **draw(provisioning()),
        claim_order=draw(st.sampled_from(("oldest", "newest", "random"))),
        prebuilds_quota=draw(st.sampled_from((None, 0, 2, 5))),
        workload=workload,
        workloads=(("b", replace(workload, daily_cost=draw(st.integers(0, 3)))),),
        events=tuple(sorted(happening, key=lambda e: e.at)),
    )


def with_workload(given: Scenario, **changes: Any) -> Scenario:
    """The same scenario with other fields of the workload of all presets."""
    own = tuple((name, replace(workload, **changes)) for name, workload in given.workloads)
    return replace(given, workload=replace(given.workload, **changes), workloads=own)


@st.composite
def with_canceled_builds(draw: st.DrawFn) -> Scenario:
    """Hours of few daemons, some of them busy with people, in which versions come while builds wait."""
    given = with_workload(draw(scenarios()), build=draw(st.sampled_from((uneven, constant(25 * MINUTE_US)))))
    later = draw(st.lists(instants, min_size=1, max_size=3, unique=True))
    eager = [
        Activate(at, TemplateVersion("t", f"w{at}", tuple(Preset(name, draw(st.integers(2, 6))) for name in "ab")))
        for at in later
    ]
    return replace(
        given,
        behaviour=behaviour_of(draw(st.sampled_from(("v2.28", "v2.29", "v2.35")))),
        provisioner_daemons=1,
        events=tuple(sorted([*given.events, *eager], key=lambda e: e.at)),
    )


@st.composite
def with_a_quota(draw: st.DrawFn) -> Scenario:
    """Hours in which pools want more than the prebuilds' quota holds, at times."""
    given = with_workload(draw(scenarios()), failure_probability=draw(st.sampled_from((0.0, 0.3))))
    more = draw(st.integers(1, 3))
    workload = replace(given.workload, daily_cost=draw(st.integers(1, 2)))
    return replace(
        given.with_presets(lambda preset: replace(preset, instances=preset.instances + more)),
        prebuilds_quota=draw(st.integers(1, 6)),
        workload=workload,
        workloads=(("b", replace(workload, daily_cost=draw(st.integers(0, 3)))),),
    )


template_schedules = st.builds(
    TemplateSchedule,
    default_ttl_us=st.sampled_from((0, 40 * MINUTE_US, 3 * HOUR_US, DAY_US)),
    activity_bump_us=st.sampled_from((0, 10 * MINUTE_US, HOUR_US)),
    autostart_days=st.sampled_from((0b1111111, 0b0010101, 0)),
    autostop_days=st.sampled_from((0, 0, 0b1111111, 0b1000001)),
    autostop_weeks=st.sampled_from((1, 2)),
    failure_ttl_us=st.sampled_from((0, MINUTE_US, 2 * HOUR_US)),
    time_til_dormant_us=st.sampled_from((0, MINUTE_US, 5 * HOUR_US)),
    time_til_dormant_autodelete_us=st.sampled_from((0, MINUTE_US, 4 * HOUR_US)),
    allow_user_autostart=st.booleans(),
    allow_user_autostop=st.booleans(),
)


@st.composite
def people(draw: st.DrawFn, name: str, span: Span) -> People:
    """One to three people and their sessions, of whom anything may be odd."""
    inside = st.integers(span.start_at // SECOND_US, span.end_at // SECOND_US).map(lambda second: second * SECOND_US)
    count = draw(st.integers(1, 3))
    lasting = st.sampled_from((0, 5 * MINUTE_US, 3 * HOUR_US, DAY_US))
    rows = sorted(draw(st.lists(st.tuples(inside, lasting, st.integers(0, count - 1)), max_size=20)))
    at, lasts, who = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    crons = (
        "",
        "*/30 * * * *",
        "CRON_TZ=America/New_York 30 8 * * 1-5",
        "0 25 * * *",
        "CRON_TZ=Asia/Kathmandu 0 */5 * * *",
    )
    return People(
        name,
        count,
        "p",
        SessionHistory(at, at + lasts, who, connected=draw(st.sampled_from((1.0, 0.5)))),
        quiet_hours=draw(st.sampled_from(("", "0 0 * * *", f"CRON_TZ={span.zone.name} 0 0 * * *", "30 13 * * *"))),
        autostart=draw(st.sampled_from(crons)),
        ttl_us=draw(st.sampled_from((None, 0, MINUTE_US, 5 * HOUR_US))),
        suspended_at=draw(st.one_of(st.just(NEVER), inside)),
    )


@st.composite
def inhabited(draw: st.DrawFn, changes: bool = True) -> Scenario:
    """Up to two and a half days of people with workspaces, in which anything may happen. `changes`: also of rules."""
    span = draw(spans())
    behaviour = BEHAVIOURS[draw(st.sampled_from(sorted(BEHAVIOURS)))]
    if not behaviour.executor_skips_prebuilds:  # those that it stops pile up: see `with_an_executor_for_prebuilds`
        span = replace(span, end_at=min(span.end_at, span.start_at + 3 * HOUR_US))
    inside = st.integers(span.start_at // SECOND_US, span.end_at // SECOND_US).map(lambda second: second * SECOND_US)
    groups = tuple(draw(people(name, span)) for name in ("a", "b")[: draw(st.integers(1, 2))])
    happening: list[Event] = []
    if changes:
        ttls = st.builds(SetTTL, inside, st.sampled_from(("a", groups[-1].name)), st.sampled_from((None, HOUR_US)))
        happening = draw(st.lists(st.one_of(ttls, st.builds(SetSchedule, inside, template_schedules)), max_size=3))
    return Scenario(
        name="inhabited",
        start_at=span.start_at,
        end_at=span.end_at,
        versions=(TemplateVersion("t", "v1", (Preset("p", draw(st.integers(0, 2)), HOUR_US),)),),
        behaviour=behaviour,
        **draw(provisioning()),
        workload=Workload(
            *(draw(durations) for _ in range(7)),
            failure_probability=draw(st.sampled_from((0.0, 0.3))),
            start_failure_probability=draw(st.sampled_from((0.0, 0.3, 1.0))),
        ),
        events=tuple(sorted(happening, key=lambda e: e.at)),
        schedule=draw(template_schedules),
        people=groups,
    )


def inhabited_fortnight() -> Scenario:
    """Two weeks around New York's change of clocks in which people's workspaces do everything that they can do."""
    new_york = Zone("America/New_York")
    start_at = new_york.at(datetime(2026, 3, 2))  # noqa: DTZ001
    weekday = (*[0.0] * 8, 0.5, 0.4, *[0.1] * 8, *[0.0] * 6)
    sessions = SessionProfile(new_york, (*weekday * 5, *[0.0] * 48), lognormal(2 * HOUR_US, 5 * HOUR_US, 64), 0.9)
    crons = {"autostart": "CRON_TZ=America/New_York 30 8 * * 1-5", "quiet_hours": "CRON_TZ=America/New_York 0 2 * * *"}
    schedule = TemplateSchedule(
        default_ttl_us=9 * HOUR_US,
        autostop_days=0b0100000,
        failure_ttl_us=HOUR_US,
        time_til_dormant_us=3 * DAY_US,
        time_til_dormant_autodelete_us=2 * DAY_US,
    )
    rare = replace(sessions, per_hour=tuple(rate / 20 for rate in sessions.per_hour))
    return Scenario(
        name="fortnight",
        start_at=start_at,
        end_at=start_at + 14 * DAY_US,
        versions=(TemplateVersion("t", "v1", (Preset("p", 2, DAY_US),)),),
        zone=new_york,
        workload=Workload(lognormal(3 * MINUTE_US, 8 * MINUTE_US, 64), start_failure_probability=0.05),
        schedule=schedule,
        people=(
            People("staff", 12, "p", sessions, **crons),
            People("rare", 20, "p", rare, ttl_us=3 * HOUR_US),
            People("leaves", 2, "p", sessions, suspended_at=start_at + 4 * DAY_US + 12 * HOUR_US, **crons),
        ),
        events=(
            SetTTL(start_at + 3 * DAY_US + 14 * HOUR_US, "staff", None),
            SetSchedule(start_at + 8 * DAY_US, replace(schedule, default_ttl_us=8 * HOUR_US, autostop_days=0b0001000)),
        ),
    )


@st.composite
def with_an_executor_for_prebuilds(draw: st.DrawFn) -> Scenario:
    """Some hours of the version whose executor does not leave prebuilds alone, under changing template schedules."""
    given = draw(st.one_of(scenarios(), inhabited()))
    # Prebuilds that are stopped stay, and the reference engine looks at all of them.
    end_at = min(given.end_at, given.start_at + 3 * HOUR_US)
    inside = st.integers(0, (end_at - given.start_at) // SECOND_US).map(lambda s: given.start_at + s * SECOND_US)
    later = draw(st.lists(st.builds(SetSchedule, inside, template_schedules), max_size=2))
    return replace(
        given,
        end_at=end_at,
        behaviour=BEHAVIOURS["v2.24"],
        schedule=draw(template_schedules),
        events=tuple(sorted([*(e for e in given.events if e.at <= end_at), *later], key=lambda e: e.at)),
    )
