"""What befalls a machine, brought about for real, is told in a sentence, and nothing half-done is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import simkit

pytestmark = pytest.mark.slow

TEMPLATE = 'data "coder_workspace_preset" "p" {\n  name = "p"\n  prebuilds {\n    instances = 1\n  }\n}\n'
SCENARIO = 'window: {from: "2026-03-02", until: "2026-03-03"}\npresets: [{name: p, instances: 1}]\n'
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(simkit.__file__).parents[1])}
SIMKIT = f"{sys.executable} -m simkit.cli"


def shell(script: str, here: Path, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, "sh", "-c", script], cwd=here, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def works(*command: str) -> bool:
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True).returncode == 0


ALONE = ("unshare", "--user", "--map-root-user", "--mount")
"""With mounts of its own."""
can_mount = pytest.mark.skipif(
    not works(*ALONE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"), reason="a process may have no mounts of its own here"
)
ORDINARY = ("setpriv", "--bounding-set=-all") if os.getuid() == 0 else ()
"""Root, too, may write only where the mode says so, without its capabilities."""
can_be_ordinary = pytest.mark.skipif(
    os.getuid() == 0 and not works(*ORDINARY, "true"), reason="root cannot let go of its capabilities here"
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    (tmp_path / "main.tf").write_text(TEMPLATE)
    (tmp_path / "week.yaml").write_text(SCENARIO)
    return tmp_path


@can_mount
def test_a_full_disk_keeps_what_was_there_and_gets_nothing_half_written(here: Path):
    done = shell(
        "mount -t tmpfs -o size=64k tmpfs disk && cp main.tf disk && cd disk\n"
        f"{SIMKIT} snapshot . --at 2026-03-02T00:00:00Z >/dev/null && cp main.simkit.snapshot ../before\n"
        f"cat /dev/zero > filled 2>/dev/null\n{SIMKIT} snapshot . --at 2026-06-02T00:00:00Z; echo status $?\n"
        "cmp main.simkit.snapshot ../before && echo as before; ls -A | tr '\\n' ' '",
        here,
        ALONE,
    )
    assert "main.simkit.snapshot: cannot be written: No space left on device; give a file that you may" in done.stderr
    assert done.stdout.splitlines() == ["status 2", "as before", "filled main.simkit.snapshot main.tf "]


@can_mount
def test_a_runs_file_for_which_the_disk_has_no_room_is_not_there(here: Path):
    done = shell(
        f"mount -t tmpfs -o size=64k tmpfs disk\n{SIMKIT} run week.yaml --out disk/runs.duckdb >/dev/null\n"
        "echo status $?; ls -A disk",
        here,
        ALONE,
    )
    assert "the machine has no room for this, in memory or on the disk; make some, or do less at once" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == "status 1\n"


@can_mount
def test_a_mount_that_may_only_be_read_is_told(here: Path):
    done = shell(
        "mount -t tmpfs tmpfs disk && cp main.tf week.yaml disk && mount -o remount,ro disk\n"
        f"{SIMKIT} snapshot disk --at 2026-03-02T00:00:00Z; echo status $?\n"
        f"{SIMKIT} run week.yaml --out disk/runs.duckdb >/dev/null; echo status $?\n"
        f"{SIMKIT} check disk >/dev/null; echo status $?; ls -A disk | tr '\\n' ' '",
        here,
        ALONE,
    )
    first, second = done.stderr.splitlines()
    assert first.endswith("cannot be written: Read-only file system; give a file that you may write to")
    assert second == "disk/runs.duckdb: you may not open it so; allow yourself to, or choose another place"
    assert done.stdout.splitlines() == ["status 2", "status 2", "status 0", "main.tf week.yaml "]


@can_be_ordinary
def test_a_folder_that_one_may_not_write_to_or_look_into_is_told(here: Path):
    (here / "secret").mkdir()
    (here / "secret" / "main.tf").write_text(TEMPLATE)
    (here / "disk" / "main.tf").write_text(TEMPLATE)
    (here / "disk").chmod(0o555)
    (here / "secret").chmod(0o000)
    try:
        done = shell(
            f"{SIMKIT} snapshot disk --at 2026-03-02T00:00:00Z; echo status $?\n"
            f"{SIMKIT} run week.yaml --out disk/runs.duckdb >/dev/null; echo status $?\n"
            f"{SIMKIT} check secret; echo status $?\n{SIMKIT} run secret/week.yaml; echo status $?\n"
            f"{SIMKIT} check secret/main.tf; echo status $?",
            here,
            ORDINARY,
        )
    finally:
        (here / "disk").chmod(0o755)
        (here / "secret").chmod(0o755)
    assert "Traceback" not in done.stderr
    assert "fault of simkit" not in done.stderr
    assert "main.simkit.snapshot: cannot be written: Permission denied" in done.stderr
    assert "disk/runs.duckdb: you may not open it so" in done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("status")] == ["status 2"] * 5
    assert sorted(path.name for path in (here / "disk").iterdir()) == ["main.tf"]


def test_a_zone_file_that_is_none_is_told(here: Path):
    (here / "zones" / "Europe").mkdir(parents=True)
    (here / "zones" / "Europe" / "Berlin").write_bytes(b"TZif2 and no more")
    done = shell(f"SIMKIT_ZONEINFO=zones {SIMKIT} explain '* 8 * * *' --timezone Europe/Berlin; echo status $?", here)
    assert (
        done.stderr == "zones/Europe/Berlin: this is no file of time zone rules, or it cannot be read; put one there\n"
    )
    assert done.stdout == "status 2\n"


def test_a_machine_without_time_zones_is_told(here: Path):
    (here / "tzdata.py").write_text("raise ModuleNotFoundError('No module named tzdata')\n")
    done = shell(
        f"PYTHONPATH=.:$PYTHONPATH {SIMKIT} explain '* 8 * * *' --timezone Europe/Berlin; echo status $?", here
    )
    assert done.stderr == ("the time zone database is missing, the Python package tzdata: install it, or simkit anew\n")
    assert done.stdout == "status 1\n"
