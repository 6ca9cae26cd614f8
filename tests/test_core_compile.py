"""A stale or damaged kernel does not run, and nothing fails because of the place where it is kept."""

from __future__ import annotations

import os
import pickle
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simkit.core import compile as compiling

TESTS = Path(__file__).parent
PATH = (str(TESTS), str(TESTS.parent))


def test_the_key_of_compiled_code_covers_every_file_of_the_core(tmp_path, monkeypatch):
    (tmp_path / "compile.py").write_text("a")
    (tmp_path / "policy.py").write_text("b")
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "compile.py"))
    before = compiling.source_digest()
    assert compiling.source_digest() == before
    (tmp_path / "policy.py").write_text("c")
    changed = compiling.source_digest()
    (tmp_path / "another.py").write_text("")
    assert len({before, changed, compiling.source_digest()}) == 3


def test_the_key_covers_what_compiles(monkeypatch):
    before = compiling.source_digest()
    monkeypatch.setattr(compiling.numba, "__version__", "0.0.0")
    assert compiling.source_digest() != before


def test_compiled_code_is_kept_where_it_is_told_to(tmp_path, monkeypatch):
    monkeypatch.setenv("SIMKIT_CACHE_DIR", str(tmp_path / "new"))
    assert compiling._cache_directory() == tmp_path / "new" / f"core-{compiling.source_digest()}"


def test_without_a_place_to_keep_it_each_process_compiles(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIMKIT_CACHE_DIR", str(tmp_path / "file"))
    assert compiling._cache_directory() is None


def plus_one(number: int) -> int:
    return number + 1


def plus_two(number: int) -> int:
    return number + 2


def called(function: Callable[[Any], Any], given: Any = 5) -> tuple[Any, int]:
    """What a function answers that a new process compiles or finds, and how often it was found."""
    compiled: Any = compiling.jit(function)
    answer = compiled(given)
    return answer, sum(compiled.stats.cache_hits.values())


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty directory for compiled code."""
    monkeypatch.setattr(compiling, "_DIRECTORY", tmp_path / "core-0")
    return tmp_path / "core-0"


def the(directory: Path, ending: str) -> Path:
    (file,) = directory.rglob(f"*{ending}")
    return file


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def overwrite(file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 40)


def flip(file: Path) -> None:
    """Change one bit in the middle: it is as good a pickle as before, of other code."""
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    file.write_bytes(changed)


def of_another_version(file: Path) -> None:
    """An index as another numba writes it, whose rest may be anything."""
    file.write_bytes(pickle.dumps("0.0.1") + b"what another version writes")


def of_another_program(file: Path) -> None:
    """A good pickle of something else."""
    file.write_bytes(pickle.dumps({"a": 1}) * 3)


def replace_by_directory(file: Path) -> None:
    file.unlink()
    (file / "in the way").mkdir(parents=True)


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", [cut, empty, overwrite, flip, of_another_version, of_another_program, Path.unlink])
def test_damaged_code_is_compiled_again_and_kept(damage, ending, directory):
    assert called(plus_one) == (6, 0)
    assert called(plus_one) == (6, 1)
    damage(the(directory, ending))
    answer, found = called(plus_one)
    assert answer == 6
    assert found == 0 or (damage, ending) == (flip, "nbi"), "a bit of an index may say nothing"
    assert called(plus_one) == (6, 1)


def test_what_was_compiled_is_told_with_its_seconds_and_what_was_found_is_not(directory, caplog):
    caplog.set_level("INFO", "simkit.core")
    for _ in range(2):
        called(plus_one)
    (told,) = [record for record in caplog.records if record.message == "compiled"]
    assert told.told["function"] == "plus_one"
    assert told.told["seconds"] > 0


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_what_cannot_be_written_is_compiled_each_time(ending, directory):
    assert called(plus_one) == (6, 0)
    replace_by_directory(the(directory, ending))
    assert called(plus_one) == (6, 0)
    assert called(plus_one) == (6, 0)


def test_a_directory_that_cannot_be_written_is_done_without(directory):
    directory.write_text("a file")
    assert called(plus_one) == (6, 0)
    directory.unlink()
    compiled: Any = compiling.jit(plus_two)
    shutil.rmtree(directory)
    directory.write_text("a file")
    assert compiled(5) == 7
    assert directory.read_text() == "a file"
    assert list(Path(__file__).parent.rglob("*.nbi")) == [], "no code is kept where its key does not count"


@pytest.mark.parametrize("what", ["no home", "a home that is none"])
def test_without_a_home_nothing_is_kept_in_the_folder_one_works_in(what, tmp_path, monkeypatch):
    for name in ("SIMKIT_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    if what == "no home":
        monkeypatch.setattr(os.path, "expanduser", str)  # as of a user whom the machine does not know
        monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    else:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert compiling._cache_directory() is None
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "room",
    [pytest.param(0, marks=pytest.mark.slow), *(pytest.param(room, marks=pytest.mark.longest) for room in (100, 3000))],
    ids="{} bytes".format,
)
def test_where_there_is_no_room_for_it_it_is_compiled_each_time(room, tmp_path):
    # Python would cut bytecode at the limit, too, and leave it: -B.
    script = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))\n"
        "import test_core_compile as t; print(*t.called(t.plus_one))"
    )
    environment = {**os.environ, "SIMKIT_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(PATH)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-B", "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert (done.stdout, done.stderr) == ("6 0\n", "")


def test_the_code_of_another_function_is_not_taken_for_it(directory):
    assert plus_one.__code__.co_code == plus_two.__code__.co_code
    assert called(plus_one)[0] == 6
    others = the(directory, "nbc").read_bytes()
    shutil.rmtree(directory)
    assert called(plus_two)[0] == 7
    the(directory, "nbc").write_bytes(others)
    assert called(plus_two) == (7, 0)
    assert called(plus_two) == (7, 1)


def test_code_for_other_arguments_is_not_taken_for_it(directory):
    assert called(plus_one, 5) == (6, 0)
    others = the(directory, "nbc").read_bytes()
    shutil.rmtree(directory)
    assert called(plus_one, 5.5) == (6.5, 0)
    the(directory, "nbc").write_bytes(others)
    assert called(plus_one, 5.5) == (6.5, 0)
    assert called(plus_one, 5.5) == (6.5, 1)


def test_code_of_another_core_is_not_taken_for_it(directory, monkeypatch):
    assert called(plus_one) == (6, 0)
    other = directory.with_name("core-1")
    shutil.copytree(directory, other)
    monkeypatch.setattr(compiling, "_DIRECTORY", other)
    assert called(plus_one) == (6, 0)
    assert called(plus_one) == (6, 1)


@pytest.mark.slow
def test_processes_that_compile_at_once_do_not_disturb_each_other(tmp_path):
    command = [sys.executable, "-c", "import test_core_compile as t; print(*t.called(t.plus_one))"]
    environment = {**os.environ, "SIMKIT_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(PATH)}
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].split()[0] for process in both] == ["6", "6"]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "6 1\n"


def test_what_was_compiled_is_remembered_by_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compiling, "_DIRECTORY", tmp_path)
    monkeypatch.setattr(compiling.numba.config, "DISABLE_JIT", 0)
    assert compiling.will_compile("pools")
    compiling.compiled("pools")
    assert not compiling.will_compile("pools")
    assert compiling.will_compile("people")
    monkeypatch.setattr(compiling, "_DIRECTORY", None)
    assert compiling.will_compile("pools"), "nothing is kept"
    compiling.compiled("pools")


RUN = """
import hashlib, logging, sys
import numpy as np

told = []
logging.getLogger("simkit.core").addHandler(type("Told", (logging.Handler,), {"emit": lambda _, r: told.append(r)})())
logging.getLogger("simkit.core").setLevel("INFO")
import simkit
from simkit import cron
from simkit.core import compile
from simkit.runs.measures import measures

load, used = compile._Kept.load_overload, set()
compile._Kept.load_overload = lambda self, *given: used.add(self._impl.filename_base) or load(self, *given)
result = simkit.run(simkit.load(sys.argv[1]), seed=7)
told_too = (measures(result), cron.daily("0 9 * * *").next_after(0))
digest = hashlib.sha256(repr(told_too).encode())
for table, columns in sorted(result.tables.items()):
    for name, column in columns.items():
        digest.update(f"{table}.{name}: {np.asarray(column).tolist()}".encode())
print(digest.hexdigest(), sum(record.msg == "compiled" for record in told), *sorted(used))
"""
"""Prints a hash of all rows of a run, how many functions were compiled for them, and which files it looks for."""
KINDS = (cut, empty, overwrite, flip)
UNPRIVILEGED = ("setpriv", "--bounding-set=-all") if os.getuid() == 0 else ()


@pytest.mark.longest
def test_whatever_becomes_of_the_cores_own_code_runs_go_on_with_the_same_rows(tmp_path):
    """Each file is damaged in each way, several in a run; the loop itself, which takes long to compile, only twice."""

    used: set[str] = set()

    def ran(*before: str) -> tuple[str, int]:
        environment = {**os.environ, "SIMKIT_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(PATH)}
        command = [*before, sys.executable, "-B", "-c", RUN, str(TESTS / "samples" / "busy.yaml")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert "Traceback" not in done.stderr
        rows, count, *names = done.stdout.split()
        used.update(names)
        return rows, int(count)

    if compiling._DIRECTORY is not None and compiling._DIRECTORY.exists():
        shutil.copytree(compiling._DIRECTORY, tmp_path / compiling._DIRECTORY.name)
    rows, _ = ran()
    assert ran() == (rows, 0), "what was compiled is found"
    files = sorted(
        path for path in tmp_path.rglob("*.nb[ic]") if path.name.startswith(tuple(f"{name}." for name in used))
    )
    long = [path for path in files if path.name.startswith("kernel._advance")]
    short = [path for path in files if path not in long]
    assert (len(long) >= 2, len(short) >= 4) == (True, True), files
    for turn in range(len(KINDS)):
        for i, file in enumerate(short):
            KINDS[(i + turn) % len(KINDS)](file)
        if turn == 0:
            cut(next(path for path in long if path.suffix == ".nbi"))
        if turn == 1:
            for path in long:
                if path.suffix == ".nbc":
                    overwrite(path)
        found, count = ran()
        assert (found, count > 0) == (rows, True)
        assert ran() == (rows, 0), "and is kept again"
    if UNPRIVILEGED and subprocess.run([*UNPRIVILEGED, "true"], capture_output=True).returncode != 0:
        print("the last part was not tried: root writes everywhere here")
        return
    places = [path for path in (tmp_path, *tmp_path.rglob("*")) if path.is_dir()]
    for file in short:
        cut(file)
        file.chmod(0o444)
    for place in places:
        place.chmod(0o555)
    sizes = [file.stat().st_size for file in short]
    try:
        for _ in range(2):
            assert ran(*UNPRIVILEGED)[0] == rows, "compiled each time, and kept nowhere"
        assert all(file.stat().st_size == size for file, size in zip(short, sizes, strict=True))
    finally:
        for place in places:
            place.chmod(0o755)
