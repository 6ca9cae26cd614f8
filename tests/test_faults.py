"""What befalls a machine, brought about for real, is told in a sentence, and nothing half-done is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
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


ANOTHER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.getuid() == 0 else ()
"""A user who is not root."""
can_be_another = pytest.mark.skipif(
    not works(*ANOTHER, "sh", "-c", f"{sys.executable} -c 'import simkit'"),
    reason="another user cannot run this Python here",
)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every user may look into; pytest's own are its user's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize(
    "user", [pytest.param(ORDINARY, marks=can_be_ordinary), pytest.param(ANOTHER, marks=can_be_another)]
)
def test_a_home_that_may_only_be_read_costs_nothing_but_time(open_to_all: Path, user: tuple[str, ...]):
    home, work = open_to_all / "home", open_to_all / "work"
    home.mkdir()
    work.mkdir()
    (work / "main.tf").write_text(TEMPLATE)
    (work / "week.yaml").write_text(SCENARIO)
    work.chmod(0o777)
    home.chmod(0o555)
    done = shell(
        f"unset SIMKIT_CACHE_DIR XDG_CACHE_HOME MPLCONFIGDIR; export HOME={home} NUMBA_DISABLE_JIT=1 LC_ALL=C\n"
        f"touch {home}/x && echo it is not\n"
        f"{SIMKIT} --log-level warning run week.yaml --out runs.duckdb >/dev/null; echo status $?\n"
        f"{SIMKIT} ask runs.duckdb runs >/dev/null; echo status $?\n{SIMKIT} check . >/dev/null; echo status $?\n"
        f"{SIMKIT} diff . . >/dev/null; echo status $?",
        work,
        user,
    )
    assert done.stdout.splitlines() == ["status 0"] * 4, done.stderr
    assert "compiled code is not kept: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list(home.iterdir()) == []


PAIRS = "FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range < 0"
ENDLESS = f"SELECT min(a.range)::VARCHAR AS run_id {PAIRS}"
"""On which several threads work, which DuckDB would not end by itself."""
AT_WORK = {
    "ask": ("ask", "runs.duckdb", "runs"),
    "run": ("run", "endless.yaml"),
    "sweep": ("sweep", "week.yaml", "--vary", "presets.p.instances=0..9999", "--out", "sweep.duckdb"),
}
"""Each is at work for long on a file that is there from when it begins."""


@pytest.fixture
def at_work(here: Path) -> Path:
    with duckdb.connect(str(here / "runs.duckdb")) as connection:
        connection.execute(f"CREATE TABLE schema_version AS SELECT 4 AS version; CREATE VIEW runs AS {ENDLESS}")
    history = f'demand: {{history: {{duckdb: runs.duckdb, query: "SELECT run_id AS started_at FROM ({ENDLESS})"}}}}\n'
    (here / "endless.yaml").write_text(SCENARIO + history)
    return here


def is_open(file: Path, process: int) -> bool:
    """Has the process opened the file? Who looks by opening it would be in its way."""
    with suppress(OSError):
        return any(link.resolve() == file for link in Path(f"/proc/{process}/fd").iterdir())
    return False


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process has open is told elsewhere here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("verb", AT_WORK)
def test_who_interrupts_what_is_at_work_does_not_wait_for_its_end(at_work: Path, verb: str, times: int, number: int):
    """A query of DuckDB's that never ends, and a sweep that lasts for hours."""
    command = [sys.executable, "-m", "simkit.cli", *AT_WORK[verb]]
    environment = {**ENVIRONMENT, "NUMBA_DISABLE_JIT": "1"}
    file = at_work / ("sweep.duckdb" if verb == "sweep" else "runs.duckdb")
    with subprocess.Popen(command, cwd=at_work, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not is_open(file, process.pid):
            time.sleep(0.05)
        time.sleep(0.5)
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.05)
        _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    if number == signal.SIGTERM:
        assert process.returncode in ((143,) if times == 1 else (143, -signal.SIGTERM))
    elif times == 1:
        expected = "interrupted; what was done is in it" if verb == "sweep" else "Aborted!"
        assert (process.returncode, expected in said) == (1, True), said
    else:
        assert process.returncode in (1, 130, -signal.SIGINT)
    if verb == "sweep":
        with duckdb.connect(str(file), read_only=True) as connection:
            assert connection.execute("SELECT count(*) FROM sweep").fetchall() == [(1,)], "the file is whole"
    assert not [path for path in at_work.iterdir() if path.name.startswith(".")], "nothing is left beside it"


INTERRUPTED = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "simkit.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from simkit.__main__ import main
main()
"""


def test_ctrl_c_is_quiet_while_the_command_line_is_imported():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
    ignored = ["sh", "-c", 'trap "" INT; exec "$0" "$@"', sys.executable, "-c", INTERRUPTED, "--version"]
    done = subprocess.run(ignored, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


WRITER = """
import simkit
scenario = simkit.load("week.yaml")
for seed in range(12):
    result = simkit.run(scenario, seed)
    while True:
        try:
            simkit.save("runs.duckdb", [result])
            break
        except simkit.StoreError as error:
            assert "another process has it open; wait until it is done" in str(error)
"""


def test_who_reads_a_file_while_somebody_writes_it_sees_whole_runs_or_is_told(here: Path):
    environment = {**ENVIRONMENT, "NUMBA_DISABLE_JIT": "1"}
    seen, told = [0], set()
    with subprocess.Popen([sys.executable, "-c", WRITER], cwd=here, env=environment) as writer:
        while writer.poll() is None:
            try:
                with suppress(FileNotFoundError):
                    seen.append(len(simkit.ask(here / "runs.duckdb", "summary")))
            except simkit.StoreError as error:
                told.add(str(error).replace(f"{here}/", ""))
    assert writer.returncode == 0
    assert len(simkit.ask(here / "runs.duckdb", "summary")) == 12
    assert seen == sorted(seen)
    assert told <= {
        "runs.duckdb: there is no such runs file; `simkit run` writes one with --out",
        "runs.duckdb: another process has it open; wait until it is done, or write to another file",
    }
