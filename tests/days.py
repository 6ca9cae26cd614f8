"""Small days on a control plane for tests: a pool with one prebuild before the working day, and a laboratory."""

from __future__ import annotations

from simkit.controlplane import ControlPlane
from simkit.studies.control_plane import day

UTC = day.Clock("2026-11-10", "UTC")  # a Tuesday


def small() -> tuple[ControlPlane, day.Site, int, int, int]:
    """(plane, world, owner, template, preset `us`) at 7:40, before the working day, with one prebuild that is ready."""
    plane = ControlPlane(now=UTC("07:25"))
    organization = plane.create_organization("acme")
    admin = plane.create_user("ada", is_template_admin=True)
    owner = plane.create_user("ben")
    plane.create_group(organization, "developers", 100, (owner,))
    plane.set_prebuilds_quota(organization, 100)
    world = day.Site(plane, day.version("UTC"))
    plane.run_daemons(2, world.work, organization)
    template = plane.create_template(organization, "dev")
    version, _ = plane.create_version(template, "v1", admin)
    plane.advance_to(UTC("07:40"))
    return plane, world, owner, template, day.preset_ids(plane, version)[0]


def lab() -> tuple[ControlPlane, int, int, int]:
    """(plane, daemon, owner, template) without simulated daemons; the template's import is queued."""
    plane = ControlPlane(now=UTC("12:00"))
    organization = plane.create_organization("lab")
    owner = plane.create_user("ada")
    daemon = plane.create_daemon("plain", organization)
    template = plane.create_template(organization, "crafts")
    plane.create_version(template, "v1", owner)
    return plane, daemon, owner, template
