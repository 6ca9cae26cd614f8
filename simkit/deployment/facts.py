"""What a history tells of one template: all that a calibrated scenario is made of, as it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simkit.clock import UTC_ZONE, WEEK_US, format_instant, zone
from simkit.deployment import hours
from simkit.deployment.deployed import Provisioners, Quota, Version, provisioners_of, quota_of, versions_of
from simkit.deployment.durations import Measured, Rate, builds_of, cleared_after
from simkit.deployment.mix import Mix, mix_of
from simkit.errors import Finding, Findings, InputError, StoreError, Where, did_you_mean
from simkit.model import Reconciler
from simkit.store.asking import history_run, rows_of


@dataclass(frozen=True)
class Facts:
    """Of the run `run_id` in a runs file, in [start_at, end_at]: its versions in order, the last of them active at the
    end, and what was measured of one template. `names`: of the presets of these versions; `claims` are of these.
    """

    path: Path
    run_id: str
    template_id: int
    template: str
    start_at: int
    end_at: int
    timezone: str
    coder_version: str
    versions: tuple[Version, ...]
    names: tuple[str, ...]
    claims: int
    durations: tuple[Measured, ...]
    failures: tuple[Rate, ...]
    cleared_after_us: int
    provisioners: Provisioners
    quota: Quota | None
    reconciler: Reconciler | None
    """As it was set; None where that is not known."""
    mix: Mix
    demand: tuple[hours.Asked, ...]
    """By hour of the week, of each preset."""


def facts_of(
    path: Path, findings: Findings, template: str | None = None, run_id: str | None = None, is_past: bool = False
) -> Facts:
    """Measure. What is thin or left out is a warning among the findings. Raises InputError and StoreError.

    `template`: which one, if people asked for presets of several; `run_id`: another run than the history; `is_past`:
    all versions that were active, in place of the last one alone.
    """
    run_id = history_run(path) if run_id is None else _run(path, run_id)
    [(start_at, end_at, timezone, version)] = rows_of(
        path, "SELECT epoch_us(start_at), epoch_us(end_at), timezone, coder_version FROM runs WHERE run_id = ?", run_id
    )
    template_id, name = _template(path, run_id, template)
    versions = versions_of(path, run_id, template_id, (start_at, end_at), is_past)
    names = tuple(dict.fromkeys(preset["name"] for version in versions for preset in version.presets))
    claims, others = _claims(path, run_id, template_id, names)
    if others:
        which = "no active version of {name} has" if is_past else "the active version of {name} does not have"
        text = f"{others:,} claims are left out: of presets that {which.format(name=name)}"
        findings.warning(Where(str(path)), text)
    if not claims:
        raise refused(path, f"nobody asked for a preset that the active version of {name} has; there is no demand")
    if silent := _silence(path, run_id, end_at):
        findings.warning(Where(str(path)), silent)
    durations, failures = builds_of(path, run_id, template_id, names, findings)
    return Facts(
        path,
        run_id,
        template_id,
        name,
        start_at,
        end_at,
        timezone,
        version,
        versions,
        names,
        claims,
        durations,
        failures,
        cleared_after(path, run_id, template_id),
        provisioners_of(path, run_id, template_id),
        quota_of(path, run_id, template_id),
        _reconciler(path, run_id),
        mix_of(path, run_id, template_id),
        _asked(path, run_id, template_id, (start_at, end_at, timezone), names),
    )


def presets_asked(history: str | Path) -> dict[str, tuple[str, ...]]:
    """The presets of each template's active version that somebody asked for in a history. Raises StoreError."""
    path = Path(history)
    found: dict[str, tuple[str, ...]] = {}
    for template, name in rows_of(
        path,
        "SELECT DISTINCT t.name, now.name FROM templates AS t JOIN template_version_presets AS now "
        "ON now.run_id = t.run_id AND now.template_version_id = t.active_version_id JOIN template_versions AS v "
        "ON v.run_id = t.run_id AND v.template_id = t.id JOIN template_version_presets AS p ON p.run_id = v.run_id "
        "AND p.template_version_id = v.id AND p.name = now.name JOIN claims AS c ON c.run_id = p.run_id "
        "AND c.preset_id = p.id WHERE t.run_id = ? ORDER BY ALL",
        history_run(path),
    ):
        found[template] = (*found.get(template, ()), name)
    return found


def _run(path: Path, run_id: str) -> str:
    """A run of this id. Raises StoreError."""
    known = [str(name) for (name,) in rows_of(path, "SELECT run_id FROM runs ORDER BY run_id")]
    if run_id not in known:
        raise StoreError(f'{path}: there is no run "{run_id}"; {did_you_mean(run_id, known)}')
    return run_id


def _silence(path: Path, run_id: str, end_at: int) -> str:
    """Says that a deployment in which something is built all the time has stood still: an old copy was read."""
    [(last_at,)] = rows_of(path, "SELECT epoch_us(max(created_at)) FROM provisioner_jobs WHERE run_id = ?", run_id)
    if last_at is None or end_at - last_at <= WEEK_US:
        return ""
    return (
        f"no job was begun in the last {(end_at - last_at) / WEEK_US:.1f} weeks of the history: if a copy of an older "
        f'database was read, write {{until: "{format_instant(last_at)}"}} into the window, or nobody comes in them'
    )


def _reconciler(path: Path, run_id: str) -> Reconciler | None:
    """As a simulated run was set; a server's settings stand in no table of Coder's."""
    found = rows_of(
        path,
        "SELECT reconciliation_interval, reconciliation_backoff_interval, reconciliation_backoff_lookback, "
        "failure_hard_limit FROM reconciler_settings WHERE run_id = ?",
        run_id,
    )
    for interval, backoff, lookback, limit in found:
        return Reconciler(interval // 1000, backoff // 1000, lookback // 1000, limit)
    return None


def _asked(
    path: Path, run_id: str, template_id: int, window: tuple[int, int, str], names: Sequence[str]
) -> tuple[hours.Asked, ...]:
    """The demand for each preset, by the clocks that people think of it in."""
    start_at, end_at, timezone = window
    found = rows_of(
        path,
        "SELECT p.name, max_by(p.timezone, p.id), list(epoch_us(c.created_at) ORDER BY c.created_at) FROM claims AS c "
        "JOIN template_version_presets AS p ON p.run_id = c.run_id AND p.id = c.preset_id JOIN template_versions AS v "
        "ON v.run_id = p.run_id AND v.id = p.template_version_id WHERE c.run_id = ? AND v.template_id = ? "
        "GROUP BY p.name",
        run_id,
        template_id,
    )
    by_name = {name: (zone_name, at) for name, zone_name, at in found}
    told = []
    for name in names:
        zone_name, at = by_name.get(name, (timezone, []))
        in_zone = zone(zone_name) or UTC_ZONE
        told.append(hours.asked(name, in_zone, np.array(at, dtype=np.int64), start_at, end_at))
    return tuple(told)


def _template(path: Path, run_id: str, wanted: str | None) -> tuple[int, str]:
    found = rows_of(
        path,
        "SELECT t.id, t.name, count(c.id) FROM templates AS t "
        "LEFT JOIN template_versions AS v ON v.run_id = t.run_id AND v.template_id = t.id "
        "LEFT JOIN template_version_presets AS p ON p.run_id = v.run_id AND p.template_version_id = v.id "
        "LEFT JOIN claims AS c ON c.run_id = p.run_id AND c.preset_id = p.id "
        "WHERE t.run_id = ? GROUP BY ALL ORDER BY count(c.id) DESC, t.id",
        run_id,
    )
    asked = [(template_id, name) for template_id, name, claims in found if claims]
    chosen = [one for one in asked if wanted in (None, one[1])]
    names = ", ".join(name for _, name in asked)
    if not asked:
        raise refused(path, "nobody asked for a preset; there is nothing to calibrate")
    if not chosen:
        raise refused(path, f'nobody asked for a preset of a template "{wanted}"; there is {names}')
    if len(chosen) > 1:
        raise refused(path, f"people asked for presets of several templates ({names}); choose one with --template")
    return chosen[0]


def _claims(path: Path, run_id: str, template_id: int, names: Sequence[str]) -> tuple[int, int]:
    """(claims of these presets, claims of others of the template)"""
    found = rows_of(
        path,
        "SELECT p.name, count(*) FROM claims AS c JOIN template_version_presets AS p ON p.run_id = c.run_id "
        "AND p.id = c.preset_id JOIN template_versions AS v ON v.run_id = p.run_id AND v.id = p.template_version_id "
        "WHERE c.run_id = ? AND v.template_id = ? GROUP BY p.name",
        run_id,
        template_id,
    )
    mine = sum(count for name, count in found if name in names)
    return mine, sum(count for _, count in found) - mine


def refused(path: Path, text: str) -> InputError:
    return InputError([Finding("error", Where(str(path)), text)])
