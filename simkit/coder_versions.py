"""What differs by Coder version, and which of the modelled versions a version means. A new version is added here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from simkit.clock import MINUTE_US, SECOND_US


@dataclass(frozen=True)
class Behaviour:
    """What differs by Coder version (`domain`: Behaviour by Coder version)."""

    version: str
    range_early_us: int
    """A cron range holds this much before its wall-clock time."""
    reconciliation_interval_us: int
    claims_by_prebuilds: bool
    """A claim's build is initiated by the prebuilds user: queued behind people's jobs and counted as starting."""
    cancels_pending: bool
    """Pending start jobs of an inactive version are cancelled instead of built and then deleted."""
    invalidates: bool
    """Prebuilds created before their preset's `last_invalidated_at` count as expired."""


BEHAVIOURS: Mapping[str, Behaviour] = {
    b.version: b
    for b in (
        Behaviour(
            version="v2.24",
            range_early_us=MINUTE_US,
            reconciliation_interval_us=15 * SECOND_US,
            claims_by_prebuilds=True,
            cancels_pending=False,
            invalidates=False,
        ),
        Behaviour(
            version="v2.26",
            range_early_us=0,
            reconciliation_interval_us=MINUTE_US,
            claims_by_prebuilds=True,
            cancels_pending=False,
            invalidates=False,
        ),
        Behaviour(
            version="v2.35",
            range_early_us=0,
            reconciliation_interval_us=MINUTE_US,
            claims_by_prebuilds=False,
            cancels_pending=True,
            invalidates=True,
        ),
    )
}
"""By version, the oldest first; each stands for the versions up to the next one."""
DEFAULT_BEHAVIOUR = BEHAVIOURS["v2.35"]
_NUMBER = "(0|[1-9][0-9]{0,8})"
_VERSION = re.compile(rf"[vV]?{_NUMBER}\.{_NUMBER}(\.{_NUMBER}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?")


def behaviour_of(text: str) -> Behaviour:
    """How a version of Coder behaves, written as `v2.35`, `2.35`, `v2.35.1`, `2.35.0-rc.1` or `v2.35.1+0a1b2c3`.

    A patch release, or one before a release, is its minor. A minor without rules of its own has those of the newest
    one below it; see `behaviour_note`. Raises ValueError for one older than all, and for what is no version.
    """
    number = _minor(text)
    below = [behaviour for behaviour in BEHAVIOURS.values() if _minor(behaviour.version) <= number]
    if not below:
        raise ValueError(f'"{text}" is older than any modelled version; there are {", ".join(BEHAVIOURS)}')
    return below[-1]


def behaviour_note(text: str) -> str:
    """Which version's rules `behaviour_of` gives for another version, and why; "" for a version that has rules."""
    used, minor = behaviour_of(text), minor_version(text)
    if minor in BEHAVIOURS:
        return ""
    if used is [*BEHAVIOURS.values()][-1]:
        return f"Coder {minor} is newer than any modelled version; the rules of {used.version}, the newest, are used"
    return f"Coder {minor} is not modelled by itself; the rules of {used.version}, the newest below it, are used"


def minor_version(text: str) -> str:
    """A version of Coder without its patch: "v2.35" for "2.35.1". Raises ValueError for what is no version."""
    return "v{}.{}".format(*_minor(text))


def _minor(text: str) -> tuple[int, int]:
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is not a version of Coder; write one such as {DEFAULT_BEHAVIOUR.version}')
    return int(match[1]), int(match[2])
