"""What `simkit diff` finds, as frozen facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple

from simkit.clock import Zone
from simkit.coder_versions import Behaviour
from simkit.errors import Finding, Where
from simkit.model import Daemons, Tags, Workload

WEEKS = 4
Kind = Literal["added", "removed", "changed", "unchanged"]


@dataclass(frozen=True)
class FieldChange:
    """One thing that somebody wrote differently; None where it is not written."""

    name: str
    old: str | None
    new: str | None
    old_where: Where | None
    new_where: Where | None


@dataclass(frozen=True)
class Period:
    """Desired instances go from `old` to `new` in [start_at, end_at), and again as often as `words` says.

    `words` is "" for a period that comes once; `except_on` are days on which a weekly one does not come.
    """

    start_at: int
    end_at: int
    old: int
    new: int
    words: str = ""
    except_on: tuple[date, ...] = ()


@dataclass(frozen=True)
class ClockDay:
    """A local day on which the zone's clocks jump between two wall-clock times (microseconds since its 1970)."""

    at: int
    from_wall: int
    to_wall: int
    zone: Zone
    periods: tuple[Period, ...]
    hours: tuple[float, float]
    """Instance-hours of that day, old and new."""


@dataclass(frozen=True)
class PresetChange:
    """What becomes of one preset. Its times are shown in `zone`; without a preset nothing is desired."""

    template: str
    """The template's folder below what was compared, "" for that itself."""
    name: str
    kind: Kind
    where: Where
    zone: Zone
    fields: tuple[FieldChange, ...]
    start_at: int
    end_at: int
    periods: tuple[Period, ...]
    """In [start_at, end_at), whole local days."""
    clock_days: tuple[ClockDay, ...]
    later_at: int | None
    """When desired first differs after `end_at`, in the coming year."""
    hours: tuple[float, float]
    """Instance-hours a week desired, old and new: the mean of [start_at, end_at)."""

    @property
    def differs(self) -> bool:
        """Do desired instances differ in the coming year?"""
        return bool(self.periods) or self.later_at is not None or any(day.periods for day in self.clock_days)


class Paired(NamedTuple):
    """A measure of one preset (or of "all presets") before and after, and the mean of the replications' differences
    with its confidence interval. NaN where there is no value."""

    preset: str
    measure: str
    old: float
    new: float
    change: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """What simulating both sides under common random numbers gave."""

    seed: int
    replications: int
    start_at: int
    end_at: int
    zone: Zone
    demand: str
    currency: str
    chance: str
    """What differs between replications, and so what the intervals hold."""
    rows: tuple[Paired, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """Everything that `simkit diff` tells, as data. `presets` are in the order of the new side, then what is gone."""

    old: str
    new: str
    weeks: int
    presets: tuple[PresetChange, ...]
    behaviour: Behaviour
    """Of Coder's version, by which both sides are read."""
    findings: tuple[Finding, ...]
    effect: Effect | None = None

    @property
    def differs(self) -> bool:
        return any(preset.differs for preset in self.presets)

    def of(self, kind: Kind) -> tuple[PresetChange, ...]:
        return tuple(preset for preset in self.presets if preset.kind == kind)


@dataclass(frozen=True)
class Trial:
    """What to simulate both sides with: a history's claims and one workload, or all of a scenario but its presets."""

    history: str = ""
    scenario: str = ""
    workload: Workload = field(default_factory=Workload)
    """Of every preset, with a history alone."""
    provisioner_daemons: int = 3
    provisioners: tuple[Daemons, ...] = ()
    """Daemons by their tags, in place of `provisioner_daemons` without; as a scenario has them, as the tags of jobs."""
    version_tags: Tags = ()
    prebuild_tags: Tags = ()
    seed: int = 0
    replications: int = 20
    currency: str = "USD"

    def __post_init__(self) -> None:
        assert self.replications >= 2, "an interval needs two replications"
