"""Instants and local calendars: RFC 3339 text, durations, IANA zones. Instants are int64 microseconds UTC.

Zones come from the `tzdata` package and not from the machine, so that a run gives the same bytes everywhere.
A Coder server may know other rules than today's: zone files in the directory SIMKIT_ZONEINFO come first.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from simkit.core.numbers import DAY_US as DAY_US
from simkit.core.numbers import HOUR_US as HOUR_US
from simkit.core.numbers import MINUTE_US as MINUTE_US
from simkit.core.numbers import NEVER as NEVER
from simkit.core.numbers import SECOND_US as SECOND_US
from simkit.core.numbers import Int64Array as Int64Array
from simkit.errors import InputError, RunError

WEEK_US = 7 * DAY_US
LONG_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WEEKDAYS = tuple(day[:3] for day in LONG_WEEKDAYS)
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
FIRST_YEAR, LAST_YEAR = 1900, 9000
"""Of which calendars can still look a few years back and ahead."""
LONGEST_DURATION_US = 100 * 366 * DAY_US
"""Of what somebody writes. A window has 20 years, so a longer one never ends in any; and what is added to an instant
stays in the calendar, and in 63 bits."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAMPLE_US = 12 * HOUR_US  # shorter than any two changes of a zone's offset have been apart since 1970
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|s|m|h|d|w)")
_DURATIONS = re.compile(rf"(?:{_DURATION.pattern})+")
_UNIT_US = {"us": 1, "ms": 1000, "s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US, "w": WEEK_US}


@dataclass(frozen=True)
class Zone:
    """An IANA time zone by name, and the directory of its own rules if they are not tzdata's. Made by `zone(name)`."""

    name: str
    directory: str = ""

    def __reduce__(self) -> tuple[type[Zone], tuple[str, str]]:
        # The rules stay where they are: each process reads its own.
        return Zone, (self.name, self.directory)

    @cached_property
    def info(self) -> ZoneInfo:
        """Its rules. Raises RunError where their file is missing or none."""
        place = Path(self.directory, self.name) if self.directory else None
        try:
            opened = place.open("rb") if place else _tzdata("zoneinfo", *self.name.split("/")).open("rb")
            with opened as file:
                return ZoneInfo.from_file(file, key=self.name)
        except (OSError, ValueError, LookupError, struct.error) as error:
            shown = place or f"tzdata's {self.name}"
            text = f"{shown}: this is no file of time zone rules, or it cannot be read; put one there"
            raise RunError(text, InputError.status) from error

    def offset_us(self, at: int) -> int:
        """Local time minus UTC at the instant `at`, in microseconds."""
        offset = to_datetime(at).astimezone(self.info).utcoffset()
        assert offset is not None, "a zone knows its offset at every instant"
        return offset // timedelta(microseconds=1)

    def offsets(self, start_at: int, end_at: int) -> tuple[Int64Array, Int64Array]:
        """The zone's offsets over [start_at, end_at): (from_at int64[k], offset_us int64[k]).

        `from_at[0]` is `start_at`; each later entry is an instant at which the offset changes.
        """
        from_at, offset = [start_at], [self.offset_us(start_at)]
        for year in range(to_datetime(start_at).year, to_datetime(max(end_at - 1, start_at)).year + 1):
            for change_at, after in _changes(self, year):
                if start_at < change_at < end_at and after != offset[-1]:
                    from_at.append(change_at)
                    offset.append(after)
        return np.array(from_at, dtype=np.int64), np.array(offset, dtype=np.int64)

    def local(self, at: int) -> datetime:
        """The wall clock in this zone at the instant `at` (aware)."""
        return to_datetime(at).astimezone(self.info)

    def at(self, wall: datetime) -> int:
        """The instant of a naive wall-clock time: the first of two; one that the clocks skip is read an hour later."""
        return from_datetime(wall.replace(tzinfo=self.info))


UTC_ZONE = Zone("UTC")


def zone(name: str) -> Zone | None:
    """The zone called `name` exactly, or None. Go loads "" and "UTC" as UTC, and so does this."""
    if name in ("", "UTC"):
        return UTC_ZONE
    if name not in zone_names():
        return None
    directory = os.environ.get("SIMKIT_ZONEINFO", "")
    return Zone(name, directory if directory and Path(directory, name).is_file() else "")


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every name the time zone database knows."""
    try:
        return frozenset(_tzdata("zones").read_text(encoding="utf-8").split())
    except OSError as error:
        raise _no_zones() from error


def _tzdata(*names: str) -> Traversable:
    try:
        return resources.files("tzdata").joinpath(*names)
    except ModuleNotFoundError:
        raise _no_zones() from None


def _no_zones() -> RunError:
    return RunError("the time zone database is missing, the Python package tzdata: install it, or simkit anew")


def unknown_zone(name: str) -> str:
    """What to say of a name that is not a zone's: the zone that is meant, if that is sure to have the same clocks."""
    plain = name.strip().lower().replace(" ", "_")
    if plain.upper() in _ABBREVIATED:
        meant = _ABBREVIATED[plain.upper()]
        return f'"{name}" is not a time zone, but short for several or for half a year; write a place such as "{meant}"'
    if offset := _OFFSET.fullmatch(plain):
        return f'"{name}" is not a time zone; {_of_offset(*offset.groups())}'
    known = _similar_zone(plain)
    cure = f'an IANA name such as "{known}"' if known else "the IANA name of a place with these clocks, as Area/City"
    return f'"{name}" is not a time zone; write {cure}'


def _of_offset(sign: str, hours: str, minutes: str | None) -> str:
    """What to write in place of an offset. The signs of Etc/GMT are the other way round: Etc/GMT-2 is ahead of UTC."""
    ahead = int(hours) if sign == "+" else -int(hours)
    if minutes not in (None, "00") or not -12 <= ahead <= 14:
        return "write the IANA name of a place with these clocks, as Area/City"
    if ahead == 0:
        return 'write "UTC"'
    return f'write the IANA name of a place, or "Etc/GMT{-ahead:+d}", which is always {abs(ahead)} h ' + (
        "ahead of UTC" if ahead > 0 else "behind UTC"
    )


def _similar_zone(plain: str) -> str:
    """The zone whose place is written nearly like this; "" if there is none, as another place has other clocks."""
    by_lower = {known.lower(): known for known in sorted(zone_names())}
    if plain in by_lower:
        return by_lower[plain]
    by_place: dict[str, str] = {}
    for known in by_lower.values():
        if known.count("/") and not known.startswith(("Etc/", "posix/", "right/")):
            by_place.setdefault(known.lower().rsplit("/", 1)[-1], known)
    area, _, place = plain.rpartition("/")
    near = get_close_matches(place, by_place, n=1, cutoff=1 if len(place) < 5 else 0.8)
    if not near:
        return ""
    same_area = get_close_matches(f"{area}/{near[0]}", by_lower, n=1, cutoff=0.8)
    found = by_lower[same_area[0]] if same_area else by_place[near[0]]
    return found if found.lower().endswith(f"/{near[0]}") else by_place[near[0]]


_OFFSET = re.compile(r"(?:utc|gmt|etc/gmt|etc/utc)?_?([+-])(\d{1,2})(?::?(\d\d))?")
_ABBREVIATED = {
    "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "PT": "America/Los_Angeles",
    "MDT": "America/Denver", "MT": "America/Denver", "CST": "America/Chicago", "CDT": "America/Chicago",
    "CT": "America/Chicago", "EDT": "America/New_York", "ET": "America/New_York", "AST": "America/Halifax",
    "ADT": "America/Halifax", "NST": "America/St_Johns", "NDT": "America/St_Johns", "AKST": "America/Anchorage",
    "AKDT": "America/Anchorage", "HDT": "America/Adak", "BRT": "America/Sao_Paulo",
    "ART": "America/Argentina/Buenos_Aires", "CLT": "America/Santiago", "COT": "America/Bogota",
    "BST": "Europe/London", "WEST": "Europe/Lisbon", "CEST": "Europe/Berlin", "MEZ": "Europe/Berlin",
    "MESZ": "Europe/Berlin", "EEST": "Europe/Athens", "MSK": "Europe/Moscow", "TRT": "Europe/Istanbul",
    "IST": "Asia/Kolkata", "PKT": "Asia/Karachi", "GST": "Asia/Dubai", "SGT": "Asia/Singapore", "HKT": "Asia/Hong_Kong",
    "ICT": "Asia/Bangkok", "WIB": "Asia/Jakarta", "JST": "Asia/Tokyo", "KST": "Asia/Seoul", "AWST": "Australia/Perth",
    "ACST": "Australia/Adelaide", "ACDT": "Australia/Adelaide", "AEST": "Australia/Sydney",
    "AEDT": "Australia/Sydney", "NZST": "Pacific/Auckland", "NZDT": "Pacific/Auckland", "SAST": "Africa/Johannesburg",
    "CAT": "Africa/Maputo", "EAT": "Africa/Nairobi", "WAT": "Africa/Lagos",
}  # fmt: skip
"""Abbreviations that people write, each with the place that they most often mean."""


@lru_cache(maxsize=1)
def zone_database_version() -> str:
    """The release of the time zone database that is used, such as 2026a."""
    import tzdata

    return str(tzdata.IANA_VERSION)


@lru_cache(maxsize=4096)
def _changes(of: Zone, year: int) -> tuple[tuple[int, int], ...]:
    """Every (instant, new offset in microseconds) at which the zone's offset changes in the UTC year."""
    at = from_datetime(datetime(year, 1, 1, tzinfo=UTC)) - 1
    end_at = from_datetime(datetime(year + 1, 1, 1, tzinfo=UTC)) - 1 if year < 9999 else at
    found = []
    before = of.offset_us(at)
    while at < end_at:
        next_at = min(at + _SAMPLE_US, end_at)
        after = of.offset_us(next_at)
        if after != before:
            low, high = at, next_at
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if of.offset_us(middle) == before else (low, middle)
            found.append((high, after))
            before = after
        at = next_at
    return tuple(found)


def to_datetime(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(at))


def from_datetime(when: datetime) -> int:
    """Microseconds since the epoch of an aware datetime."""
    return (when.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


class NoOffset(ValueError):
    """An instant without an offset, where no zone is known in which it could be read."""


def parse_instant(text: str, in_zone: Zone | None = None) -> int:
    """Read an RFC 3339 instant; without an offset it is wall-clock time in `in_zone`.

    Raises ValueError with what to write instead.
    """
    if text.strip().isdigit():
        raise ValueError(f'"{text}" is a number and no instant; write "2026-03-02T09:00:00-05:00"')
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f'"{text}" is not an instant; write "2026-03-02T09:00:00-05:00"') from None
    if not FIRST_YEAR <= when.year <= LAST_YEAR:
        raise ValueError(f'"{text}" is out of range; write a year from {FIRST_YEAR} to {LAST_YEAR}')
    if when.tzinfo is not None:
        return from_datetime(when)
    if in_zone is None:
        raise NoOffset(f'"{text}" has no UTC offset; write "{when.isoformat()}Z" for UTC, or "-05:00" in place of Z')
    return in_zone.at(when)


def format_instant(at: int, in_zone: Zone = UTC_ZONE) -> str:
    """RFC 3339, in seconds, with the zone's offset (Z in UTC)."""
    text = in_zone.local(at).isoformat(timespec="microseconds" if at % SECOND_US else "seconds")
    return text.replace("+00:00", "Z") if in_zone == UTC_ZONE else text


def parse_duration(text: str) -> int:
    """Read a duration such as 90s, 15m, 8h, 7d or 1h30m: microseconds. Raises ValueError."""
    compact = text.strip().replace(" ", "")
    if not _DURATIONS.fullmatch(compact):
        raise ValueError(f'"{text}" is not a duration; write "90s", "15m", "8h", "7d" or "1h30m"')
    each_us = [float(number) * _UNIT_US[unit] for number, unit in _DURATION.findall(compact)]
    if sum(each_us) > LONGEST_DURATION_US:
        raise ValueError(f'"{text}" is longer than {LONGEST_DURATION_US // DAY_US} days; write a shorter duration')
    return sum(map(round, each_us))


def format_duration(us: int) -> str:
    """The shortest exact reading of a duration: 90s is 1m30s, 0 is 0s."""
    if us < 0:
        return "-" + format_duration(-us)
    text = ""
    for unit in ("d", "h", "m", "s", "ms", "us"):
        count, us = divmod(us, _UNIT_US[unit])
        text += f"{count}{unit}" if count else ""
    return text or "0s"
