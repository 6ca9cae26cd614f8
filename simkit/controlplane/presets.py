"""Presets: kept with a template version, and found for the parameters that somebody gives."""

from __future__ import annotations

from collections.abc import Mapping

from simkit.clock import SECOND_US
from simkit.model import Preset
from simkit.store.database import Transaction

_MATCH = """
    WITH provided AS (SELECT unnest($names) AS name, unnest($values) AS value)
    SELECT p.id
    FROM template_version_presets AS p
    LEFT JOIN template_version_preset_parameters AS mine ON mine.template_version_preset_id = p.id
    LEFT JOIN provided AS theirs ON theirs.name = mine.name AND theirs.value = mine.value
    WHERE p.template_version_id = $version
    GROUP BY p.id
    HAVING count(mine.name) = count(theirs.name)
    ORDER BY count(mine.name) DESC, p.id
    LIMIT 1
"""


def insert(
    tx: Transaction, version_id: int, preset: Preset, zone_name: str, cost_per_instance_hour: float = 0.0
) -> int:
    """A preset of a version, with its parameters and prebuild schedules. `zone_name`: that people think of it in.

    Raises RefusedError for a description above 128 or an icon above 256 characters, by the name of Coder's rule.
    """
    preset_id = tx.insert(
        "template_version_presets",
        template_version_id=version_id,
        name=preset.name,
        description=preset.description,
        icon=preset.icon,
        is_default=preset.default,
        desired_instances=preset.instances,
        invalidate_after_secs=preset.ttl_us // SECOND_US,
        scheduling_timezone=preset.timezone,
        timezone=zone_name,
        cost_per_instance_hour=cost_per_instance_hour,
    )
    for name, value in preset.parameters:
        tx.insert("template_version_preset_parameters", template_version_preset_id=preset_id, name=name, value=value)
    for schedule in preset.schedules:
        tx.insert(
            "template_version_preset_prebuild_schedules",
            preset_id=preset_id,
            cron_expression=schedule.cron,
            desired_instances=schedule.instances,
        )
    return preset_id


def match(tx: Transaction, version_id: int, parameters: Mapping[str, str]) -> int | None:
    """The preset of a version whose parameters are the largest exact subset of those given; None if none is.

    Of equally large ones the first (Coder's FindMatchingPresetID leaves that open).
    """
    found = tx.one(
        _MATCH,
        names=list(parameters),
        values=list(parameters.values()),
        version=version_id,
    )
    return None if found is None else int(found[0])
