"""What differs by Coder version, and which of the modelled versions a version means. A new version is added here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from simkit.clock import MINUTE_US, SECOND_US, format_duration


@dataclass(frozen=True)
class Behaviour:
    """What differs by Coder version: each field is a row of the table of differences (`differences`)."""

    version: str
    reconciliation_interval_us: int
    claims_by_prebuilds: bool
    """A claim's build is initiated by the prebuilds user: queued behind people's jobs and counted as starting."""
    cancels_pending: bool
    """Pending start jobs of an inactive version are cancelled instead of built and then deleted."""
    deletes_canceled: bool
    """What was cancelled so is deleted by a job of its own with an empty state, as long as a daemon could take it."""
    invalidates: bool
    """Prebuilds created before their preset's `last_invalidated_at` count as expired."""
    executor_skips_prebuilds: bool
    """The lifecycle executor, activity and schedule changes leave prebuilds alone, which have no deadlines."""
    executor_needs_daemons: bool
    """The executor leaves a workspace alone whose job no live daemon could take."""
    retries_failed_stops: bool
    """A stop that failed is tried again after the template's `failure_ttl`."""
    ttl_removal_keeps_max_deadline: bool
    """A running build whose workspace's TTL is removed keeps its max deadline as its deadline."""
    schedule_change_removes_deadline: bool
    """A running build loses its deadline to a schedule that leaves neither a TTL nor a requirement."""
    schedule_changes_deleted: bool
    """A schedule change writes to the dormancy columns of deleted workspaces, too."""
    start_wakes: bool
    """Who starts a dormant workspace wakes it; before, the client has to wake it first."""
    stops_keep_ai_task: bool
    """A stop build keeps the `has_ai_task` of the build before it."""
    has_tasks: bool
    """AI tasks are rows of a table of their own, and name their app by `app_id`."""
    range_early_us: int = 0
    """A cron range holds this much before its wall-clock time: never in a release, see `EARLY_RANGES`."""


_V24 = Behaviour(
    version="v2.24",
    reconciliation_interval_us=15 * SECOND_US,
    claims_by_prebuilds=True,
    cancels_pending=False,
    deletes_canceled=False,
    invalidates=False,
    executor_skips_prebuilds=False,
    executor_needs_daemons=False,
    retries_failed_stops=False,
    ttl_removal_keeps_max_deadline=False,
    schedule_change_removes_deadline=False,
    schedule_changes_deleted=True,
    start_wakes=False,
    stops_keep_ai_task=False,
    has_tasks=False,
)
_V26 = replace(
    _V24,
    version="v2.26",
    reconciliation_interval_us=MINUTE_US,
    executor_skips_prebuilds=True,
    executor_needs_daemons=True,
    ttl_removal_keeps_max_deadline=True,
    schedule_change_removes_deadline=True,
    stops_keep_ai_task=True,
)
_V29 = replace(
    _V26, version="v2.29", claims_by_prebuilds=False, cancels_pending=True, deletes_canceled=True, invalidates=True
)
_V34 = replace(_V29, version="v2.34", retries_failed_stops=True, schedule_changes_deleted=False, start_wakes=True)
_V35 = replace(_V34, version="v2.35", has_tasks=True)

BEHAVIOURS: Mapping[str, Behaviour] = {b.version: b for b in (_V24, _V26, _V29, _V34, _V35)}
"""By version, the oldest first; each stands for the versions up to the next one."""
DEFAULT_BEHAVIOUR = BEHAVIOURS["v2.35"]
_V28 = replace(_V26, version="v2.28", claims_by_prebuilds=False, cancels_pending=True)
_V30 = replace(_V29, version="v2.30", schedule_changes_deleted=False, start_wakes=True)
_PATCHES = (
    replace(_V24, version="v2.24.2", executor_skips_prebuilds=True),
    _V28,
    _V30,
    replace(_V30, version="v2.33.8", retries_failed_stops=True),
    replace(_V30, version="v2.34.0"),
)
"""Versions between those from which on something differs; v2.34 itself is what v2.34.2 brought."""


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


_DIFFERENCES: tuple[tuple[str, Callable[[Behaviour], str]], ...] = (
    ("reconciliation interval", lambda b: format_duration(b.reconciliation_interval_us)),
    ("initiator of a claim's build", lambda b: "prebuilds user" if b.claims_by_prebuilds else "who claims"),
    ("pending starts of an inactive version", lambda b: "cancelled" if b.cancels_pending else "built, deleted"),
    ("what was cancelled is deleted by a job", lambda b: _yes(b.deletes_canceled)),
    ("preset invalidation", lambda b: _yes(b.invalidates)),
    ("the executor leaves prebuilds alone", lambda b: "yes" if b.executor_skips_prebuilds else "from v2.24.2 on"),
    ("the executor needs a live daemon", lambda b: _yes(b.executor_needs_daemons)),
    ("a failed stop is tried again", lambda b: _yes(b.retries_failed_stops)),
    (
        "deadline once the TTL is removed",
        lambda b: "max deadline" if b.ttl_removal_keeps_max_deadline else "none, or refused",
    ),
    (
        "deadline once no TTL or requirement is left",
        lambda b: "removed" if b.schedule_change_removes_deadline else "kept",
    ),
    (
        "schedule changes and deleted workspaces",
        lambda b: "written" if b.schedule_changes_deleted else "left alone",
    ),
    ("a start wakes a dormant workspace", lambda b: "yes" if b.start_wakes else "the client does"),
    ("a stop build keeps has_ai_task", lambda b: _yes(b.stops_keep_ai_task)),
    ("AI tasks", lambda b: "app_id, tasks table" if b.has_tasks else "sidebar app"),
)


def differences() -> list[tuple[str, ...]]:
    """What differs by version, as a table of text: a row of heads, then a row for each behaviour."""
    rows = [("behaviour", *BEHAVIOURS)]
    return rows + [(words, *(say(b) for b in BEHAVIOURS.values())) for words, say in _DIFFERENCES]


def patches() -> list[str]:
    """From which version between those of `differences` on what differs, a line each."""
    known = sorted((*BEHAVIOURS.values(), *_PATCHES), key=_begins)
    told = []
    for before, own in pairwise(known):
        changed = [f"{words}: {say(own)}" for words, say in _DIFFERENCES if say(own) != say(before)]
        if own in _PATCHES or own is _V34:
            told.append(f"{'v{}.{}.{}'.format(*_begins(own))}: {'; '.join(changed)}")
    return told


EARLY_RANGES = "early-ranges"
"""Added to any version (`v2.26+early-ranges`, or alone for the default one): cron ranges hold a minute early.

What the pull request that brought the ranges describes as its imprecision, and its first implementation did; no release
has it.
"""
_NUMBER = "(0|[1-9][0-9]{0,8})"
_VERSION = re.compile(rf"[vV]?{_NUMBER}\.{_NUMBER}(\.{_NUMBER}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?")


def behaviour_of(text: str) -> Behaviour:
    """How a version of Coder behaves, written as `v2.35`, `2.35`, `v2.35.1`, `2.35.0-rc.1` or `v2.35.1+0a1b2c3`.

    It has the rules of the newest version not above it that has some, a pre-release those of its release. A minor alone
    is its newest patch release, but for v2.24, which is its first. `EARLY_RANGES` may follow. Raises ValueError for one
    older than all, and for what is no version.
    """
    number, early = _number(text), _is_early(text)
    below = [b for b in (*BEHAVIOURS.values(), *_PATCHES) if _begins(b) <= number]
    if not below:
        raise ValueError(f'"{text}" is older than any modelled version; there are {", ".join(BEHAVIOURS)}')
    used = max(below, key=_begins)
    return with_early_ranges(used) if early else used


def with_early_ranges(behaviour: Behaviour) -> Behaviour:
    """The same version with cron ranges that hold a minute early."""
    if behaviour.range_early_us:
        return behaviour
    return replace(behaviour, version=f"{behaviour.version}+{EARLY_RANGES}", range_early_us=MINUTE_US)


def behaviour_note(text: str) -> str:
    """Which version's rules `behaviour_of` gives for another version, and why; "" for a version that has rules."""
    used, minor = behaviour_of(_without_early(text)), minor_version(_without_early(text))
    if _minor(used.version) == _minor(minor):
        return ""
    if used is [*BEHAVIOURS.values()][-1]:
        return f"Coder {minor} is newer than any modelled version; the rules of {used.version}, the newest, are used"
    return f"Coder {minor} is not modelled by itself; the rules of {used.version}, the newest below it, are used"


def minor_version(text: str) -> str:
    """A version of Coder without its patch: "v2.35" for "2.35.1". Raises ValueError for what is no version."""
    minor = "v{}.{}".format(*_minor(text))
    return f"{minor}+{EARLY_RANGES}" if _is_early(text) else minor


def _is_early(text: str) -> bool:
    return text.strip() != _without_early(text).strip()


def _without_early(text: str) -> str:
    if text.strip() == EARLY_RANGES:
        return DEFAULT_BEHAVIOUR.version
    return text.strip().removesuffix(f"+{EARLY_RANGES}")


def _minor(text: str) -> tuple[int, int]:
    match = _parts(text)
    return int(match[1]), int(match[2])


_NEWEST = 10**9


def _number(text: str) -> tuple[int, int, int]:
    """Major, minor and patch; a minor alone is its newest patch release, but for v2.24, which is its first."""
    patch = _parts(text)[4]
    return (*_minor(text), int(patch) if patch else 0 if _minor(text) == _minor(_V24.version) else _NEWEST)


def _begins(behaviour: Behaviour) -> tuple[int, int, int]:
    """The first release that behaves so."""
    return (2, 34, 2) if behaviour is _V34 else (*_minor(behaviour.version), int(_parts(behaviour.version)[4] or 0))


def _parts(text: str) -> re.Match[str]:
    match = _VERSION.fullmatch(_without_early(text).strip())
    if match is None:
        raise ValueError(f'"{text}" is not a version of Coder; write one such as {DEFAULT_BEHAVIOUR.version}')
    return match
