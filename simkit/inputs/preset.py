"""From what somebody wrote about a preset, in whatever format, to a Preset: the Terraform provider's rules, once."""

from __future__ import annotations

from dataclasses import dataclass

from simkit.errors import Findings, Where
from simkit.model import Preset


@dataclass(frozen=True)
class Given:
    """A value as it was written (str, int, float, bool or a mapping of those), and where it stands."""

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
    """A preset as it was written; None where a field is missing. `ttl_us` is already in microseconds."""

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


def read_presets(given: tuple[GivenPreset, ...], findings: Findings) -> tuple[Preset, ...]:
    """The presets that obey the provider's rules; everything wrong with the others is added to `findings`."""
    raise NotImplementedError
