"""Rows that metrics count, and samples of metrics out of both text formats, by the official parsers."""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from simkit.clock import SECOND_US
from simkit.store.database import Transaction

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]
"""{name: {labels: value}}"""


def insert_template(tx: Transaction, name: str, **columns: object) -> int:
    numbers = ["default_ttl", "activity_bump", "autostart_days_of_week", "autostop_requirement_days_of_week"]
    numbers += ["autostop_requirement_weeks", "failure_ttl", "time_til_dormant", "time_til_dormant_autodelete"]
    given = dict.fromkeys(numbers, 0) | {"allow_user_autostart": True, "allow_user_autostop": True} | columns
    return tx.insert("templates", name=name, **given)


def insert_version(tx: Transaction, template_id: int, name: str, created_at: int, preset: str = "large") -> int:
    return insert_preset(
        tx, tx.insert("template_versions", template_id=template_id, name=name, created_at=created_at), preset
    )


def insert_preset(tx: Transaction, version_id: int, name: str) -> int:
    return tx.insert(
        "template_version_presets",
        template_version_id=version_id,
        name=name,
        description="",
        icon="",
        is_default=False,
        desired_instances=2,
        invalidate_after_secs=0,
        scheduling_timezone="",
        timezone="UTC",
        cost_per_instance_hour=0.0,
    )


def build(
    tx: Transaction,
    created_s: int,
    done_s: int | None = None,
    workspace: int | None = None,
    transition: str = "start",
    initiator: int = 0,
    error: str = "",
    ready_s: int | None = None,
    preset: int = 1,
    **agent: object,
) -> int:
    """A build of a workspace, a new one if none is named; its workspace's id. Instants in seconds."""
    done = None if done_s is None else done_s * SECOND_US
    at = created_s * SECOND_US
    if workspace is None:
        workspace = tx.insert(
            "workspaces", created_at=at, owner_id=initiator, template_id=1, deleted=False, name=f"w-{created_s}"
        )
    job = tx.insert(
        "provisioner_jobs",
        created_at=at,
        started_at=None if done is None else at + SECOND_US,
        completed_at=done,
        error=error or None,
        initiator_id=initiator,
    )
    number = tx.one("SELECT count(*) + 1 FROM workspace_builds WHERE workspace_id = $id", id=workspace)
    assert number is not None
    build_id = tx.insert(
        "workspace_builds",
        created_at=at,
        workspace_id=workspace,
        template_version_id=preset,
        template_version_preset_id=preset,
        build_number=number[0],
        transition=transition,
        initiator_id=initiator,
        job_id=job,
        reason="initiator",
    )
    if ready_s is not None:
        tx.insert("workspace_agents", workspace_build_id=build_id, ready_at=ready_s * SECOND_US, **agent)
    return workspace


def claim(tx: Transaction, at_s: int, workspace: int, done_s: int | None = None) -> int:
    """A person takes a prebuild; the build's id."""
    tx.update("workspaces", workspace, owner_id=1)
    build(tx, at_s, done_s, workspace, initiator=1)
    found = tx.one("SELECT max(id) FROM workspace_builds")
    assert found is not None
    row = {"preset_id": 1, "user_id": 1, "workspace_id": workspace, "workspace_build_id": found[0], "hit": True}
    tx.insert("claims", created_at=at_s * SECOND_US, **row)
    return int(found[0])


def samples(text: str) -> Samples:
    """Of Prometheus' text format."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def samples_by_second(text: str, some: Collection[int]) -> dict[int, Samples]:
    """Of OpenMetrics with timestamps, at some seconds.

    The parser takes the samples of one second at a time: of a histogram with several it drops all but the first ones.
    """
    lines = text.removesuffix("# EOF\n").split("\n")[:-1]
    assert "\n".join([*lines, "# EOF", ""]) == text, "the text has one end"
    by_second: dict[int, list[str]] = {second: [] for second in some}
    for line in lines:
        for second in some if line[0] == "#" else [int(line.rpartition(" ")[2])]:
            if second in by_second:
                by_second[second].append(line)
    found: dict[int, Samples] = {second: {} for second in some}
    for second, of_second in by_second.items():
        for family in openmetrics_families("\n".join([*of_second, "# EOF", ""])):
            for sample in family.samples:
                values = found[second].setdefault(sample.name, {})
                labels = tuple(sorted(sample.labels.items()))
                assert labels not in values, f"{sample} is there twice"
                values[labels] = sample.value
    return found
