"""Templates and versions: imported before they are used, one active, deprecated, deleted, with a schedule."""

from __future__ import annotations

import pytest
from controlplane_office import EU, NONE, builds, import_version, office
from hypothesis import given
from scenarios import template_schedules

from simkit.clock import HOUR_US
from simkit.controlplane import ControlPlane, templates
from simkit.controlplane.types import ImportResult
from simkit.errors import RefusedError
from simkit.model import TemplateSchedule
from simkit.store.database import Database


@pytest.fixture(scope="module")
def database():
    with Database(":memory:", "test") as opened:
        yield opened


@given(template_schedules)
def test_a_schedule_is_read_as_it_was_set(database, schedule):
    with database.transaction() as tx:
        tx.execute("DELETE FROM organizations")
        tx.execute("DELETE FROM templates")
        tx.insert("organizations", id=1, name="acme")
        template_id = templates.create(tx, "docker", 1)
        assert templates.schedule(tx, template_id) == TemplateSchedule()
        templates.set_schedule(tx, template_id, schedule)
        assert templates.schedule(tx, template_id) == schedule


def test_durations_are_nanoseconds_as_coder_stores_them(database):
    assert templates.columns(TemplateSchedule(default_ttl_us=HOUR_US))["default_ttl"] == 3_600_000_000_000


def test_a_name_is_taken_once_in_an_organization_until_the_template_is_deleted():
    plane = office()
    with pytest.raises(RefusedError, match='there is a template "DOCKER" already'):
        plane.create_template(1, "DOCKER")
    plane.create_organization("other")
    assert plane.create_template(2, "docker") == 2
    with plane.transaction() as tx:
        templates.delete(tx, 1)
    assert plane.create_template(1, "docker") == 3


def test_a_version_can_be_used_once_it_was_imported():
    plane = office()
    version_id, job_id = plane.create_version(1, "v2", 2)
    for _ in range(2):
        with pytest.raises(RefusedError, match=r'version "v2" cannot be made active: its import has (pending|running)'):
            plane.activate_version(version_id)
        with pytest.raises(RefusedError, match="it must have succeeded"):
            plane.dry_run(version_id, 1)
        plane.acquire(1)
    plane.complete_job(job_id, ImportResult(), 1)
    plane.activate_version(version_id)
    assert plane.dry_run(version_id, 1) == job_id + 1


def test_a_version_whose_import_failed_is_never_used():
    plane = office()
    version_id, job_id = plane.create_version(1, "v2", 2)
    plane.acquire(1)
    plane.fail_job(job_id, "no such module", 1)
    with pytest.raises(RefusedError, match="its import has failed"):
        plane.activate_version(version_id)


def test_a_version_of_a_run_that_was_loaded_counts_as_imported(database):
    with database.transaction() as tx:
        tx.execute("DELETE FROM templates")
        tx.execute("DELETE FROM organizations")
        tx.insert("organizations", id=1, name="acme")
        template_id = templates.create(tx, "loaded", 1)
        version_id = tx.insert("template_versions", template_id=template_id, name="v", created_at=1)
        templates.activate(tx, version_id)
        assert templates.get(tx, template_id).active_version_id == version_id
        assert templates.dry_run(tx, 1, version_id, 1) == 1


def test_an_import_waits_for_a_daemon_with_its_tags():
    plane = office()
    _, job_id = plane.create_version(1, "v2", 2, tags={"region": "east"})
    assert plane.acquire(1) is None
    east = plane.create_daemon("east", tags={"region": "east"})
    assert plane.acquire(east) == job_id


def test_a_deprecated_template_says_why_and_may_come_back():
    plane = office(":memory:", NONE)
    with plane.transaction() as tx:
        templates.deprecate(tx, 1, "use the new one")
    with pytest.raises(RefusedError, match="is deprecated: use the new one"):
        plane.create_workspace(1, 1, "dev", preset_id=1)
    with plane.transaction() as tx:
        templates.deprecate(tx, 1, "")
    assert plane.create_workspace(1, 1, "dev", preset_id=1).workspace_id == 1


def test_a_template_is_deleted_once_people_have_no_workspaces_of_it_prebuilds_are_no_hindrance():
    plane = office(":memory:", EU)
    plane.run_daemons(2, builds())
    plane.advance(minutes=5)
    plane.create_workspace(1, 1, "dev", preset_id=1)
    plane.advance(minutes=5)
    with pytest.raises(RefusedError, match='template "docker" has 1 workspaces; delete them first'):
        delete(plane)
    plane.delete_workspace(1, 1)
    plane.advance(minutes=5)
    delete(plane)
    with pytest.raises(RefusedError, match='template "docker" is deleted'):
        plane.create_workspace(1, 1, "dev", preset_id=1)


def delete(plane: ControlPlane) -> None:
    with plane.transaction() as tx:
        templates.delete(tx, 1)


def test_presets_of_another_template_are_refused():
    plane = office(":memory:", NONE)
    plane.create_template(1, "other")
    _, job_id = plane.create_version(2, "v1", 2)
    plane.acquire(1)
    plane.complete_job(job_id, ImportResult(presets=(EU,)), 1)
    with pytest.raises(RefusedError, match='preset 2 is not one of template "docker"'):
        plane.create_workspace(1, 1, "dev", preset_id=2)
    assert import_version(plane, name="v2") == 3
