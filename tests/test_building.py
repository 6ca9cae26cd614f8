"""What is released: the same bytes each time, simkit alone, and enough of it to work without its checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from building import TOP, build, needed

import simkit

EPOCH = 1_760_000_000
KINDS = {".py", ".sql", ".json", ".yaml", ".html", ".css", ".js"}


class Made(NamedTuple):
    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("dist")
    return Made(build("wheel", folder, EPOCH), build("sdist", folder, EPOCH))


def test_a_build_from_another_folder_at_another_time_gives_the_same_bytes(made: Made, tmp_path: Path):
    assert build("sdist", tmp_path / "again", EPOCH).read_bytes() == made.sdist.read_bytes()
    with tarfile.open(made.sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    for path in source.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert build("wheel", tmp_path / "of-sdist", EPOCH, source).read_bytes() == made.wheel.read_bytes()
    assert build("wheel", tmp_path / "later", EPOCH + 1000).read_bytes() != made.wheel.read_bytes()


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(made: Made):
    inside = set(zipfile.ZipFile(made.wheel).namelist())
    ours = {name for name in inside if not name.startswith(f"simkit-{simkit.__version__}.dist-info/")}
    package = TOP / "simkit"
    wanted = {p.relative_to(TOP).as_posix() for p in package.rglob("*") if p.suffix in KINDS or p.name == "py.typed"}
    assert ours == wanted
    for needs in (
        "py.typed",
        "store/schema.sql",
        "store/questions/hit_rate.sql",
        "report/page.html",
        "report/look.css",
    ):
        assert f"simkit/{needs}" in ours
    for needs in ("report/index.js", "report/result.schema.json", "decide/recommendation.schema.json"):
        assert f"simkit/{needs}" in ours


def test_the_sdist_has_notebooks_samples_and_documents_and_nothing_that_was_built(made: Made):
    with tarfile.open(made.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tops = {name.partition("/")[0] for name in names}
    assert {"simkit", "notebooks", "data", "docs", "examples", "SECURITY.md", "CHANGELOG.md", "LICENSE"} <= tops
    assert tops & {"tests", "benchmarks", "reports", ".venv", "requirements.lock"} == set()
    assert [name for name in names if re.search(r"__pycache__|_build|checkpoints|\.duckdb|questions\.md", name)] == []


def test_the_version_stands_in_one_place(made: Made):
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" in project["dynamic"]
    assert "version" not in project
    metadata = zipfile.ZipFile(made.wheel).read(f"simkit-{simkit.__version__}.dist-info/METADATA").decode()
    assert f"\nVersion: {simkit.__version__}\n" in metadata
    said = [
        path.relative_to(TOP).as_posix()
        for path in (TOP / "simkit").rglob("*.py")
        if re.search(rf"""["']v?{re.escape(simkit.__version__)}["']""", path.read_text(encoding="utf-8"))
    ]
    assert said == ["simkit/version.py"]


class Installed(NamedTuple):
    """An environment with the wheel and what it needs to run; no extras, no checkout, no network."""

    bin: Path
    work: Path

    def __call__(self, *command: str, status: int = 0) -> str:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
        env["PATH"] = f"{self.bin}{os.pathsep}{env['PATH']}"
        done = subprocess.run(command, cwd=self.work, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What the wheel asks for is linked from the environment of the tests; nothing else of it is seen."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home / "venv", symlinks=True)
    python = home / "venv" / "bin" / "python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    here = {Path(entry) for entry in sys.path if entry.endswith("site-packages")}
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in needed(project["dependencies"]):
        (found,) = [folder / name for folder in here if (folder / name).exists()]
        (site / name).symlink_to(found)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(made.wheel)], check=True, cwd=home)
    work = home / "work"
    work.mkdir()
    with tarfile.open(made.sdist) as archive:
        archive.extractall(home, filter="data")
    (source,) = home.glob("simkit-*")
    for name in ("data", "examples", "notebooks"):
        (source / name).rename(work / name)
    return Installed(python.parent, work)


WORKWEEK, REGIONS = "data/scenarios/workweek.yaml", "data/scenarios/three-regions.yaml"


@pytest.mark.slow
def test_the_wheel_works_without_its_checkout_and_without_extras(installed: Installed):
    assert installed("simkit", "--version").strip() == f"simkit, version {simkit.__version__}"
    where = installed("python", "-c", "import simkit; print(simkit.__file__)")
    assert where.startswith(str(installed.bin.parent))
    for absent in ("tests", "benchmarks", "notebooks", "jupyterlab", "papermill", "nbconvert", "IPython", "ipywidgets"):
        find = (
            f"import importlib.util, sys; sys.path.pop(0); sys.exit(importlib.util.find_spec({absent!r}) is not None)"
        )
        assert installed("python", "-c", find) == "", absent
    assert "goland-large" in installed("simkit", "run", WORKWEEK, "--seed", "7", "--out", "runs.duckdb")
    assert installed("simkit", "ask", "runs.duckdb", "hit_rate", "--csv").startswith("run_id,preset,")
    assert "1 preset, 3 tests, all passed" in installed("simkit", "check", "examples/template")
    assert "backend-us" in installed("simkit", "recommend", REGIONS, "--preset", "backend-us", "--max-schedules", "1")
    installed("simkit", "forecast", REGIONS, "--preset", "backend-us", "--picture", "weeks.png")
    assert (installed.work / "weeks.png").read_bytes().startswith(b"\x89PNG")
    panel = f"import simkit; print('<' in simkit.explore({WORKWEEK!r})._repr_mimebundle_()['text/html'])"
    assert installed("python", "-c", panel).strip() == "True"


@pytest.mark.slow
def test_without_the_extra_a_report_is_refused_with_what_to_install(installed: Installed):
    assert installed("simkit", "report", "notebooks/01-capacity.ipynb", status=2) == (
        "notebooks/01-capacity.ipynb: a report needs ipykernel, nbconvert, papermill; "
        "install what makes reports with: pip install 'simkit[notebooks]'\n"
    )
    (installed.work / "reports.yaml").write_text("reports: [{notebook: notebooks/01-capacity.ipynb}]")
    said = installed("simkit", "report", "--all", "reports.yaml", status=2)
    assert "pip install 'simkit[notebooks]'" in said
    assert not (installed.work / "reports").exists()
