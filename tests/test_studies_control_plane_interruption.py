"""A completion that fails at any of its statements leaves nothing, and that is seen to the cell."""

from __future__ import annotations

import pytest
from days import lab

from simkit.controlplane.types import BuildResult
from simkit.errors import RefusedError
from simkit.studies.control_plane import day, interruption


def test_a_failure_before_any_statement_of_a_completion_leaves_no_trace():
    plane, daemon, owner, template = lab()
    imported = interruption.interrupt(plane, daemon, day.lab_version())
    assert (imported.kind, imported.changed_by_failures) == ("template_version_import", 0)
    assert imported.statements > 5
    assert imported.added == {"template_version_presets": 1, "workspace_resources": 1}
    preset = plane.database.rows("SELECT id FROM template_version_presets")[0][0]
    plane.create_workspace(owner, template, "box", preset_id=preset)
    built = interruption.interrupt(plane, daemon, BuildResult())
    assert (built.changed_by_failures, built.added["workspace_agents"]) == (0, 1)
    with pytest.raises(RefusedError, match="there is no job"):
        interruption.interrupt(plane, daemon, BuildResult())


def test_a_changed_cell_changes_what_a_table_contains():
    plane, *_, template = lab()
    before = interruption.contents(plane)
    with plane.database.transaction() as tx:
        tx.update("templates", template, deprecated="old")
    after = interruption.contents(plane)
    assert [table for table in before if before[table] != after[table]] == ["templates"]
