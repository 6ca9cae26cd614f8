"""How numbers are worded: ranges over replications, days and local times, shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simkit.clock import UTC_ZONE, Zone, format_instant, from_datetime, zone
from simkit.estimates import Spread
from simkit.times import Told, long_weekday_date

if TYPE_CHECKING:
    import pandas as pd


class Sentence(NamedTuple):
    """Markdown with a replacement field for each of `numbers`, as `report.say` takes it."""

    text: str
    numbers: dict[str, Any]


def range_of(of: Spread, name: str, form: str, runs: int) -> tuple[str, dict[str, float]]:
    """What to add to a number called `name`: (text, its numbers); nothing where there is one run."""
    if runs < 2:
        return "", {}
    text = f" (in nine of ten replications {{{name}_low:{form}}} to {{{name}_high:{form}}})"
    return text, {f"{name}_low": of.low, f"{name}_high": of.high}


def day_and_time(at: int, where: Zone, name: str) -> dict[str, str]:
    """The numbers `{name}_day`, as "Tuesday 2026-11-17", and `{name}_time`, as "09:00 EST".

    Exactly: the date, and the instant in RFC 3339.
    """
    local = where.local(at)
    return {
        f"{name}_day": Told(long_weekday_date(local), local.date().isoformat()),
        f"{name}_time": Told(f"{local:%H:%M %Z}", format_instant(at, where)),
    }


def as_instant(of: Any) -> int:
    """A pandas instant as microseconds."""
    return from_datetime(of.to_pydatetime())


def largest(values: pd.Series[Any]) -> Any:
    """The label of the first of the largest values."""
    return values.idxmax()


def zone_of(name: str) -> Zone:
    return zone(name) or UTC_ZONE


def percent(share: float) -> str:
    return "" if np.isnan(share) else f"{share:.1%}"
