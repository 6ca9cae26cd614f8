"""What a scenario is made of: frozen facts under Coder's names, valid once they exist, each knowing where it came from.

Instants end `_at` (int64 microseconds UTC), durations `_us`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from statistics import NormalDist
from typing import Literal

import numpy as np

from simkit.clock import (
    DAY_US,
    HOUR_US,
    LONGEST_DURATION_US,
    MINUTE_US,
    NEVER,
    SECOND_US,
    UTC_ZONE,
    WEEK_US,
    Int64Array,
    Zone,
    format_duration,
    zone,
)
from simkit.coder_versions import DEFAULT_BEHAVIOUR, Behaviour
from simkit.cron import CronError, first_detected_overlap, time_range
from simkit.errors import NOWHERE, Finding, Where

PREBUILDS_USER_ID = "c42fdf75-3097-471c-8c33-fb52454d81c0"
"""The system user that owns every prebuild until it is claimed."""

EVERY_DAY = 0b1111111
DEFAULT_QUIET_HOURS = "CRON_TZ=UTC 0 0 * * *"

MAX_TTL_US = 31_536_000 * SECOND_US
MIN_TTL_US = 3600 * SECOND_US
MAX_WORKSPACE_TTL_US = 30 * DAY_US
MIN_WORKSPACE_TTL_US = MINUTE_US


@dataclass(frozen=True)
class Schedule:
    """`instances` desired while the cron range holds. The first match of a preset's schedules wins."""

    cron: str
    instances: int
    where: Where = NOWHERE


@dataclass(frozen=True)
class Preset:
    """A `coder_workspace_preset` with its prebuild pool: `instances` is the base number, `ttl_us` 0 never expires."""

    name: str
    instances: int
    ttl_us: int = 0
    timezone: str = ""
    schedules: tuple[Schedule, ...] = ()
    description: str = ""
    icon: str = ""
    default: bool = False
    parameters: tuple[tuple[str, str], ...] = ()
    where: Where = NOWHERE

    @property
    def zone(self) -> Zone:
        """The zone of its schedules, or UTC."""
        return zone(self.timezone) or UTC_ZONE

    @property
    def schedules_in_force(self) -> tuple[Schedule, ...]:
        """The schedules Coder looks at: none if they are at odds with each other, else those it can read."""
        return self._readable[0]

    @property
    def fallback(self) -> str:
        """Why Coder ignores schedules and uses the base number in their place; "" if it uses all of them."""
        return self._readable[1]

    @cached_property
    def _readable(self) -> tuple[tuple[Schedule, ...], str]:
        if not self.schedules:
            return (), ""
        if not self.timezone:
            return (), "the timezone is not set"
        if zone(self.timezone) is None and self.timezone != "Local":
            return (), f'"{self.timezone}" is not a time zone'
        try:
            overlap = first_detected_overlap([s.cron for s in self.schedules])
        except CronError as error:
            return (), str(error)
        if overlap is not None:
            one, other = (self.schedules[i].cron for i in overlap)
            return (), f'"{one}" and "{other}" overlap'
        readable, faults = [], []
        for schedule in self.schedules:
            try:
                time_range(f"CRON_TZ={self.timezone} {schedule.cron}")
                readable.append(schedule)
            except CronError as error:
                faults.append(str(error))
        return tuple(readable), "; ".join(faults)


@dataclass(frozen=True)
class TemplateVersion:
    """One version of a template: the presets it brings."""

    template: str
    name: str
    presets: tuple[Preset, ...]
    where: Where = NOWHERE


Tags = tuple[tuple[str, str], ...]
"""Tags of a job or of daemons, by name."""


def tags_of(given: Mapping[str, str]) -> Tags:
    """Tags in the order of their names, so that equal ones are equal."""
    return tuple(sorted(given.items()))


@dataclass(frozen=True)
class Daemons:
    """Provisioner daemons that are alike: how many, and which tags they have beside Coder's own two."""

    count: int
    tags: Tags = ()
    where: Where = field(default=NOWHERE, compare=False)

    def takes(self, tags: Tags) -> bool:
        """Can they do a job with these tags? One without tags goes to daemons without tags alone."""
        return set(tags) <= set(self.tags) if tags else not self.tags


@dataclass(frozen=True)
class Reconciler:
    """The reconciliation loop's settings. `failure_hard_limit` 0 switches that rule off."""

    interval_us: int = MINUTE_US
    backoff_interval_us: int = MINUTE_US
    backoff_lookback_us: int = HOUR_US
    failure_hard_limit: int = 3


@dataclass(frozen=True)
class Distribution:
    """How long something takes: equally likely `samples`, int64[n] microseconds, n >= 1. See the functions below."""

    samples: tuple[int, ...]
    text: str

    def __post_init__(self) -> None:
        assert self.samples, "a distribution has values"
        assert min(self.samples) >= 0, "a duration is never negative"

    @property
    def median_us(self) -> int:
        return sorted(self.samples)[(len(self.samples) - 1) // 2]

    def stretched(self, factor: float) -> Distribution:
        """The same with everything `factor` times as long."""
        return Distribution(tuple(round(us * factor) for us in self.samples), f"{self.text}, x {factor:.2g}")


def constant(us: int) -> Distribution:
    """Always `us`."""
    return Distribution((us,), format_duration(us))


def lognormal(median_us: int, p95_us: int, quantiles: int = 4096) -> Distribution:
    """Lognormal by its median and 95th percentile, as `quantiles` equally likely values."""
    assert 0 < median_us <= p95_us, "the median is positive and not above p95"
    normal = NormalDist()
    sigma = float(np.log(p95_us / median_us)) / normal.inv_cdf(0.95)
    z = np.array([normal.inv_cdf((i + 0.5) / quantiles) for i in range(quantiles)])
    # The tail of a steep one is longer than any calendar.
    samples = np.rint(np.minimum(median_us * np.exp(sigma * z), LONGEST_DURATION_US)).astype(np.int64)
    text = f"lognormal, median {format_duration(median_us)}, p95 {format_duration(p95_us)}"
    return Distribution(tuple(samples.tolist()), text)


def empirical(samples_us: tuple[int, ...]) -> Distribution:
    """Each of the observed durations with the same probability."""
    return Distribution(tuple(sorted(samples_us)), f"sample of {len(samples_us)}")


@dataclass(frozen=True)
class Workload:
    """What building a preset's workspaces takes, how often it fails, and what an idle instance costs.

    `build` ends when the job completes, `agent` when the agent is ready after it. A claim takes `claim` (its build)
    and `reinitialize` (its agent). `failure_probability` is that of prebuilds' builds, `start_failure_probability` that
    of starting a stopped workspace; a claim's build or a cold one does not fail: its person retries, which it includes.
    """

    build: Distribution = field(default_factory=lambda: constant(3 * MINUTE_US))
    agent: Distribution = field(default_factory=lambda: constant(30 * SECOND_US))
    claim: Distribution = field(default_factory=lambda: constant(10 * SECOND_US))
    reinitialize: Distribution = field(default_factory=lambda: constant(0))
    delete: Distribution = field(default_factory=lambda: constant(30 * SECOND_US))
    stop: Distribution = field(default_factory=lambda: constant(30 * SECOND_US))
    start: Distribution = field(default_factory=lambda: constant(MINUTE_US))
    """Of a workspace that was stopped."""
    delete_canceled: Distribution = field(default_factory=lambda: constant(0))
    """The delete job of a prebuild whose build was cancelled before a daemon took it: there is nothing to delete."""
    failure_probability: float = 0.0
    start_failure_probability: float = 0.0
    failing_builds: tuple[int, ...] = ()
    """Ordinals, from 1 in each version, of the preset's prebuilds whose build fails whatever chance says."""
    failed_cleared_after_us: int = 0
    """How old a failed prebuild gets until an operator deletes it, at a reconciler tick; 0: never, as in Coder."""
    cost_per_instance_hour: float = 0.0
    daily_cost: int = 0
    """What a prebuild takes of the quota (`daily_cost` of the resources in Coder's coder_metadata), and no money."""


@dataclass(frozen=True)
class History:
    """Demand that happened: an instant and a preset's name for each claim, in order of time."""

    claim_at: Int64Array
    preset: tuple[str, ...]
    where: Where = NOWHERE


@dataclass(frozen=True)
class Holiday:
    """A day, of everybody's own clock, on which people do not come; `name` may be empty."""

    day: date
    name: str = ""


HOURS_PER_WEEK = WEEK_US // HOUR_US


@dataclass(frozen=True)
class Profile:
    """Demand by hour of week: `claims_per_hour[h]` expected in local hour h, counted from Monday 00:00, in `zone`."""

    preset: str
    zone: Zone
    claims_per_hour: tuple[float, ...]
    where: Where = NOWHERE

    def __post_init__(self) -> None:
        assert len(self.claims_per_hour) == HOURS_PER_WEEK, "a profile covers a whole week"


Demand = History | tuple[Profile, ...]


@dataclass(frozen=True)
class TemplateSchedule:
    """A template's schedule, with Coder's defaults. Sets of weekdays have Monday as bit 0; a duration of 0 is off."""

    default_ttl_us: int = WEEK_US
    activity_bump_us: int = HOUR_US
    autostart_days: int = EVERY_DAY
    autostop_days: int = 0
    autostop_weeks: int = 1
    failure_ttl_us: int = 0
    time_til_dormant_us: int = 0
    time_til_dormant_autodelete_us: int = 0
    allow_user_autostart: bool = True
    allow_user_autostop: bool = True


@dataclass(frozen=True)
class SessionProfile:
    """When each of some people starts to work: `per_hour[h]` sessions expected in local hour h of the week, in `zone`;
    a session lasts `length`. In a share of them, `connected`, an agent connection reports activity all the while."""

    zone: Zone
    per_hour: tuple[float, ...]
    length: Distribution
    connected: float = 1.0

    def __post_init__(self) -> None:
        assert len(self.per_hour) == HOURS_PER_WEEK, "a profile covers a whole week"
        assert 0 <= self.connected <= 1, "a share is between 0 and 1"


@dataclass(frozen=True)
class SessionHistory:
    """Sessions that happened, in order of time: int64[n] instants, and the person of each, from 0 on.

    One without an end (NEVER) lasts as `length` says.
    """

    started_at: Int64Array
    ended_at: Int64Array
    person: Int64Array
    length: Distribution | None = None
    connected: float = 1.0
    where: Where = NOWHERE


@dataclass(frozen=True)
class People:
    """People who each own one workspace of a preset, and when they work."""

    name: str
    count: int
    preset: str
    sessions: SessionProfile | SessionHistory
    quiet_hours: str = DEFAULT_QUIET_HOURS
    """"": the deployment has no quiet hours, and no workspace a max deadline."""
    autostart: str = ""
    ttl_us: int | None = None
    """Their workspaces' own TTL, 0 for none; None takes the template's default."""
    suspended_at: int = NEVER
    where: Where = NOWHERE


ClaimOrder = Literal["oldest", "newest", "random"]


@dataclass(frozen=True)
class Activate:
    """From `at` on, this is its template's active version; the version before it is inactive."""

    at: int
    version: TemplateVersion
    where: Where = NOWHERE


@dataclass(frozen=True)
class Invalidate:
    """At `at` the preset of the active version (all of them if None) gets a new `last_invalidated_at`."""

    at: int
    preset: str | None = None
    where: Where = NOWHERE


@dataclass(frozen=True)
class Pause:
    """From `at` on the reconciler does nothing."""

    at: int
    where: Where = NOWHERE


@dataclass(frozen=True)
class Resume:
    at: int
    where: Where = NOWHERE


@dataclass(frozen=True)
class SetTTL:
    """At `at` the workspaces of these people get a TTL of their own; None removes it."""

    at: int
    people: str
    ttl_us: int | None
    where: Where = NOWHERE


@dataclass(frozen=True)
class SetSchedule:
    """From `at` on the template has this schedule."""

    at: int
    schedule: TemplateSchedule
    where: Where = NOWHERE


Event = Activate | Invalidate | Pause | Resume | SetTTL | SetSchedule


@dataclass(frozen=True)
class Scenario:
    """Everything a simulation is given, apart from the seed. `versions` are active from the start; events are in order
    of time."""

    name: str
    start_at: int
    end_at: int
    versions: tuple[TemplateVersion, ...]
    demand: Demand = ()
    zone: Zone = UTC_ZONE
    behaviour: Behaviour = DEFAULT_BEHAVIOUR
    reconciler: Reconciler = Reconciler()
    provisioner_daemons: int = 3
    provisioners: tuple[Daemons, ...] = ()
    """The daemons by their tags; without, `provisioner_daemons` of them have none."""
    version_tags: Tags = ()
    """Of the jobs that build workspaces of every template version."""
    prebuild_tags: Tags = ()
    """Of the jobs that build prebuilds, beside those of the version."""
    has_reaper: bool = True
    """Jobs that nobody takes for half an hour are ended, as Coder's job reaper does."""
    prebuilds_quota: int | None = None
    """The allowance of the prebuilds user's group: a build above it fails. None: no quota is looked at."""
    claim_order: ClaimOrder = "oldest"
    workload: Workload = field(default_factory=Workload)
    workloads: tuple[tuple[str, Workload], ...] = ()
    """Presets whose workload differs, by name."""
    events: tuple[Event, ...] = ()
    schedule: TemplateSchedule = TemplateSchedule()
    """Of every template, for the workspaces of `people`."""
    people: tuple[People, ...] = ()
    currency: str = "USD"
    where: Where = NOWHERE
    notes: tuple[Finding, ...] = ()
    """What there was to say when it was read, which decides nothing."""

    def __post_init__(self) -> None:
        assert self.start_at < self.end_at, "a scenario's window has a length"
        assert self.reconciler.interval_us > 0, "the reconciler ticks"

    @property
    def daemons(self) -> tuple[Daemons, ...]:
        """The provisioner daemons, by their tags."""
        return self.provisioners or (Daemons(self.provisioner_daemons),)

    @property
    def is_tagged(self) -> bool:
        """Does it matter which daemon a job goes to?"""
        return bool(self.version_tags or self.prebuild_tags or any(one.tags for one in self.provisioners))

    def job_tags(self, prebuild: bool) -> Tags:
        """The tags of the jobs that build prebuilds, or people's workspaces (a claim's build is one of these)."""
        return tags_of({**dict(self.version_tags), **(dict(self.prebuild_tags) if prebuild else {})})

    @property
    def all_versions(self) -> tuple[TemplateVersion, ...]:
        """The versions active at the start, then those that events activate, in order."""
        return self.versions + tuple(e.version for e in self.events if isinstance(e, Activate))

    def with_presets(self, change: Callable[[Preset], Preset]) -> Scenario:
        """The same scenario with `change` of each preset of each version, those that events activate too."""

        def changed(version: TemplateVersion) -> TemplateVersion:
            return replace(version, presets=tuple(map(change, version.presets)))

        events = (replace(e, version=changed(e.version)) if isinstance(e, Activate) else e for e in self.events)
        return replace(self, versions=tuple(map(changed, self.versions)), events=tuple(events))

    def schedule_at(self, at: int) -> TemplateSchedule:
        """The template's schedule in force at an instant."""
        changes = [e.schedule for e in self.events if isinstance(e, SetSchedule) and e.at <= at]
        return changes[-1] if changes else self.schedule

    def zone_of(self, preset: Preset) -> Zone:
        """The zone in which to show a preset: that of its schedules, or the scenario's."""
        return preset.zone if preset.timezone else self.zone

    def workload_of(self, preset: str) -> Workload:
        return dict(self.workloads).get(preset, self.workload)
