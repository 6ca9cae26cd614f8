"""From what somebody wrote about a preset, in whatever format, to a Preset: the Terraform provider's rules, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

from simkit.clock import SECOND_US, format_duration, unknown_zone, zone
from simkit.cron import CronError, first_detected_overlap, provider_cron
from simkit.errors import Findings, Where
from simkit.inputs.text import NO_TEXT
from simkit.model import MAX_TTL_US, MIN_TTL_US, Preset, Schedule

MAX_DESCRIPTION = 128
MAX_ICON = 256
_MAX_INSTANCES = 2**31 - 1  # Coder stores it in an integer column
MOST_SCHEDULES = 100
"""Of a preset: each is compared with each other, by Coder, too. A week has seven days, and a day few changes."""

REPORTED = object()
"""The value of a Given whose problem is already among the findings: nothing more is said about it."""


@dataclass(frozen=True)
class Given:
    """A value as it was written (str, int, float, bool or a mapping of those), and where it stands.

    None says that a value is missing here. REPORTED says that it is wrong and that the user hears of it already.
    """

    value: object
    where: Where


@dataclass(frozen=True)
class GivenSchedule:
    """A schedule as it was written; None where a field is missing."""

    cron: Given | None
    instances: Given | None
    where: Where


@dataclass(frozen=True)
class GivenPreset:
    """A preset as it was written; None where a field is missing. `ttl_us` is already in microseconds.

    Whoever read a scheduling block without a timezone gives `timezone` as Given(None, the block's place). `address`: of
    one that Terraform made, such as data.coder_workspace_preset.region["eu"]; several may stand at one place.
    """

    where: Where
    name: Given | None = None
    description: Given | None = None
    icon: Given | None = None
    default: Given | None = None
    parameters: Given | None = None
    instances: Given | None = None
    ttl_us: Given | None = None
    timezone: Given | None = None
    schedules: tuple[GivenSchedule, ...] = ()
    address: str = field(default="", compare=False)

    @property
    def label(self) -> str:
        """The address before what is said of the preset, if its place does not say which one is meant."""
        return f"{self.address}: " if "[" in self.address or self.address.startswith("module.") else ""


def read_presets(given: tuple[GivenPreset, ...], findings: Findings) -> tuple[Preset, ...]:
    """The presets of one template that obey the provider's rules; what is wrong with the others becomes findings."""
    return tuple(preset for preset in read_each(given, findings) if preset is not None)


def read_each(given: tuple[GivenPreset, ...], findings: Findings) -> tuple[Preset | None, ...]:
    """Each of them as a preset; None for one with a problem, which becomes a finding."""
    presets: list[Preset | None] = []
    names: dict[str, Where] = {}
    default: Where | None = None
    for one in given:
        reader = _Reader(findings, one.label)
        preset = reader.preset(one)
        name_where = one.name.where if one.name else one.where
        if preset.name and names.setdefault(preset.name, name_where) is not name_where:
            reader.error(name_where, f'"{preset.name}" is also the preset at {names[preset.name]}; names are unique')
        if preset.default:
            default_where = one.default.where if one.default else one.where
            if default is not None:
                reader.error(default_where, f"the preset at {default} is the default already; a template has one")
            default = default or default_where
        presets.append(preset if reader.good else None)
    return tuple(presets)


def text_of(value: object) -> object:
    """Text, numbers and truth values as Terraform writes them into text; anything else as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


@dataclass
class _Reader:
    """Reads one preset field by field. A value that is wrong is reported and replaced by a harmless one."""

    findings: Findings
    label: str
    good: bool = True

    def error(self, where: Where, text: str) -> None:
        self.good = False
        self.findings.error(where, f"{self.label}{text}")

    def preset(self, given: GivenPreset) -> Preset:
        absent = Given(None, given.where)
        return Preset(
            name=self.text(given.name or absent, "name", example='name = "Large"'),
            instances=self.whole(given.instances or absent, lowest=0),
            ttl_us=self.ttl_us(given.ttl_us or absent),
            timezone=self.timezone(given),
            schedules=self.schedules(given.schedules),
            description=self.text(given.description or absent, "description", longest=MAX_DESCRIPTION),
            icon=self.text(given.icon or absent, "icon", longest=MAX_ICON),
            default=self.truth(given.default or absent, "default"),
            parameters=self.parameters(given.parameters or absent),
            where=given.where,
        )

    def is_there(self, given: Given, label: str, example: str = "") -> bool:
        """Whether there is a value to look at. With an `example` of what to write it has to be there."""
        if given.value is REPORTED:
            self.good = False
            return False
        missing = given.value is None or (isinstance(given.value, str) and not given.value.strip())
        if missing and example:
            self.error(given.where, f"{label} is missing; write {example}")
        return not missing

    def text(self, given: Given, label: str, longest: int | None = None, example: str = "") -> str:
        if not self.is_there(given, label, example):
            return ""
        if not isinstance(given.value, str):
            shown = _shown(given.value)
            self.error(given.where, f'{label} must be text, got {shown}; write "{shown}" with the quotes')
            return ""
        if NO_TEXT.search(given.value):
            self.error(given.where, f"{label} has a zero byte or half of a surrogate pair; leave it out")
        if longest is not None and len(given.value) > longest:
            self.error(given.where, f"{label} has {len(given.value)} characters; Coder takes {longest} at most")
        return given.value

    def whole(self, given: Given, lowest: int) -> int:
        if not self.is_there(given, "instances", "instances = 1"):
            return 0
        if isinstance(given.value, bool) or not isinstance(given.value, int):
            self.error(given.where, f"instances must be a whole number, got {_shown(given.value)}; write instances = 1")
            return 0
        if not lowest <= given.value <= _MAX_INSTANCES:
            self.error(given.where, f"instances must be {lowest} to {_MAX_INSTANCES}, got {given.value}")
            return 0
        return given.value

    def truth(self, given: Given, label: str) -> bool:
        if self.is_there(given, label) and not isinstance(given.value, bool):
            self.error(given.where, f"{label} must be true or false, got {_shown(given.value)}; write one of the two")
        return given.value is True

    def ttl_us(self, given: Given) -> int:
        if not self.is_there(given, "ttl"):
            return 0
        ttl_us = given.value
        assert isinstance(ttl_us, int), "a ttl comes in microseconds"
        if ttl_us != 0 and not MIN_TTL_US <= ttl_us <= MAX_TTL_US:
            nearest = min(max(ttl_us, MIN_TTL_US), MAX_TTL_US)
            self.error(
                given.where,
                f"ttl must be 0 (never expires) or {_ttl(MIN_TTL_US)} to {_ttl(MAX_TTL_US)}, got {_ttl(ttl_us)}; "
                f"the nearest is {nearest // SECOND_US}",
            )
        return ttl_us

    def timezone(self, given: GivenPreset) -> str:
        if given.timezone is None and not given.schedules:
            return ""
        timezone = given.timezone or Given(None, given.schedules[0].where)
        if not given.schedules:
            self.error(timezone.where, "scheduling has no schedule; write at least one, or leave scheduling out")
        if timezone.value == "":
            return ""  # the provider reads it as UTC; what Coder makes of it is told by the linter
        name = self.text(timezone, "timezone", example='timezone = "America/New_York"')
        if name == "Local":
            self.error(timezone.where, '"Local" is the zone of whatever machine reads it; write an IANA name or "UTC"')
        elif zone(name) is None:
            self.error(timezone.where, unknown_zone(name))
        return name

    def schedules(self, given: tuple[GivenSchedule, ...]) -> tuple[Schedule, ...]:
        schedules, crons = [], []
        if len(given) > MOST_SCHEDULES:
            said = f"there are {len(given):,} schedules, and {MOST_SCHEDULES} at most are read; write fewer, with lists"
            self.error(given[MOST_SCHEDULES].where, f'{said} such as "* 9,14 * * 1-5"')
            return ()
        for one in given:
            absent = Given(None, one.where)
            cron, instances = one.cron or absent, one.instances or absent
            text = self.text(cron, "cron", example='cron = "* 8-18 * * 1-5"')
            schedules.append(Schedule(text, self.whole(instances, lowest=-_MAX_INSTANCES), one.where))
            if text:
                try:
                    provider_cron(text)
                    crons.append((text, cron.where))
                except CronError as error:
                    self.error(cron.where, str(error))
        self.overlaps(crons)
        return tuple(schedules)

    def overlaps(self, crons: list[tuple[str, Where]]) -> None:
        for (one, one_where), (other, other_where) in combinations(crons, 2):
            try:
                overlap = first_detected_overlap([one, other])
            except CronError:
                # A cron that the check cannot read beside another, it cannot read beside itself either.
                self.check_readable(one, one_where)
                self.check_readable(other, other_where)
                continue
            if overlap is not None:
                self.error(
                    other_where,
                    f'"{other}" overlaps "{one}" at {one_where}, which Coder refuses; '
                    "write hours, days or months that they do not share",
                )

    def check_readable(self, cron: str, where: Where) -> None:
        try:
            first_detected_overlap([cron, cron])
        except CronError as error:
            self.error(where, f'"{cron}": {error}')

    def parameters(self, given: Given) -> tuple[tuple[str, str], ...]:
        if not self.is_there(given, "parameters"):
            return ()
        if not isinstance(given.value, Mapping):
            self.error(given.where, f'parameters must be a mapping such as region = "eu", got {_shown(given.value)}')
            return ()
        read = []
        for name, value in given.value.items():
            text = text_of(value)
            if isinstance(text, str) and NO_TEXT.search(f"{name}{text}"):
                self.error(given.where, "a parameter has a zero byte or half of a surrogate pair; leave it out")
            elif isinstance(text, str):
                read.append((str(text_of(name)), text))
            else:
                self.error(given.where, f'parameter "{name}" must be text, got {_shown(value)}; write {name} = "..."')
        return tuple(read)


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(text_of(value))


def _ttl(us: int) -> str:
    return f"{us // SECOND_US} seconds ({format_duration(us)})"
