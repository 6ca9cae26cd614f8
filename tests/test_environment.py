"""One set of dependencies, told three times: pyproject.toml, requirements.lock and environment.yml agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

TOP = Path(__file__).parent.parent

# What conda-forge calls otherwise than the Python package index.
CONDA_NAME = {"duckdb": "python-duckdb", "tzdata": "python-tzdata"}


class Pin(NamedTuple):
    """One package of the lock. `hashes` as written, `algorithm:hex`."""

    name: str
    version: str
    hashes: list[str]


def read(name: str) -> str:
    return (TOP / name).read_text(encoding="utf-8")


def ranges(requirements: list[str]) -> dict[str, SpecifierSet]:
    """{package: versions allowed}, names as the package index spells them."""
    parsed = [Requirement(r) for r in requirements]
    return {canonicalize_name(r.name): r.specifier for r in parsed}


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


@pytest.fixture(scope="module")
def direct(pyproject: dict[str, Any]) -> dict[str, SpecifierSet]:
    """The ranges of what simkit itself asks for, to run and to develop."""
    project = pyproject["project"]
    return ranges(project["dependencies"] + project["optional-dependencies"]["dev"])


@pytest.fixture(scope="module")
def conda() -> dict[str, SpecifierSet]:
    return ranges(yaml.safe_load(read("environment.yml"))["dependencies"])


@pytest.fixture(scope="module")
def pins() -> list[Pin]:
    found = []
    for line in read("requirements.lock").replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith(("#", "-")):
            requirement, *hashes = line.split("--hash=")
            pinned = Requirement(requirement)
            version = str(pinned.specifier).removeprefix("==")
            found.append(Pin(canonicalize_name(pinned.name), version, [h.strip() for h in hashes]))
    return found


@pytest.fixture(scope="module")
def python_range(pyproject: dict[str, Any]) -> SpecifierSet:
    return SpecifierSet(pyproject["project"]["requires-python"])


@pytest.fixture(scope="module")
def makefile_pythons() -> list[str]:
    line = re.search(r"^PYTHON_VERSIONS = (.+)$", read("Makefile"), re.MULTILINE)
    assert line, "the Makefile has no line PYTHON_VERSIONS = ..."
    return line[1].split()


def test_every_direct_dependency_is_in_environment_yml_under_its_conda_name_with_the_same_range(direct, conda):
    expected = {CONDA_NAME.get(name, name): allowed for name, allowed in direct.items()}
    wrong = [
        f"{name}: pyproject.toml allows {allowed}, environment.yml {conda.get(name, 'does not name it')}"
        for name, allowed in expected.items()
        if conda.get(name) != allowed
    ]
    assert not wrong, "\n".join(wrong)


def test_everything_in_environment_yml_is_a_direct_dependency(direct, conda):
    known = {CONDA_NAME.get(name, name) for name in direct} | {"python", "pip"}
    assert not conda.keys() - known, f"not in pyproject.toml: {sorted(conda.keys() - known)}"


def test_every_direct_dependency_is_in_the_lock_at_a_version_it_allows(direct, pins):
    wrong = []
    for name, allowed in direct.items():
        versions = [pin.version for pin in pins if pin.name == name]
        if not versions:
            wrong.append(f"{name}: not in requirements.lock; run `make lock`")
        wrong += [f"{name}: locked at {v}, allowed {allowed}; run `make lock`" for v in versions if v not in allowed]
    assert not wrong, "\n".join(wrong)


def test_what_notebooks_need_is_asked_for_by_extras_alone_and_the_lock_has_all_extras(pyproject):
    extras = {name: ranges(wanted) for name, wanted in pyproject["project"]["optional-dependencies"].items()}
    own = ranges(pyproject["project"]["dependencies"])
    assert {"papermill", "nbconvert", "ipykernel"} == set(extras["notebooks"])
    assert {"jupyterlab", "ipywidgets"} == set(extras["lab"])
    apart = {"dev", "browser", "holidays"}  # the tests need no package of holidays, and a browser has a lock of its own
    for extra, wanted in extras.items():
        assert wanted.keys() & own.keys() == set(), extra
        if extra not in apart:
            assert {name: extras["dev"].get(name) for name in wanted} == wanted, f"{extra}: dev asks for others"


def test_every_line_of_the_lock_pins_one_exact_version(pins):
    loose = [f"{pin.name} {pin.version!r}" for pin in pins if not re.fullmatch(r"\d[\w.!+]*", pin.version)]
    assert not loose, f"no exact version: {loose}"


def test_every_locked_package_has_a_sha256_hash_and_no_weaker_one(pins):
    assert pins, "requirements.lock pins nothing"
    wrong = [
        f"{pin.name}=={pin.version}: {pin.hashes or 'no hash'}"
        for pin in pins
        if not pin.hashes or not all(re.fullmatch(r"sha256:[0-9a-f]{64}", h) for h in pin.hashes)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_lock_holds_no_address_no_path_and_no_option_but_hashes():
    wrong = []
    for number, line in enumerate(read("requirements.lock").splitlines(), start=1):
        text = line.strip().removesuffix("\\")
        option = text.startswith("-") and not text.startswith("--hash=")
        if option or "://" in text or "/" in text or "\\" in text or "@" in text:
            wrong.append(f"requirements.lock:{number}: {line.strip()}")
    assert not wrong, "\n".join(wrong)


def test_environment_yml_asks_for_the_python_that_pyproject_asks_for(conda, python_range):
    assert conda.get("python") == python_range, f"environment.yml {conda.get('python')}, pyproject.toml {python_range}"


def test_environment_yml_takes_everything_from_conda_forge_and_ends_with_how_to_install_simkit():
    text = read("environment.yml")
    assert yaml.safe_load(text)["channels"] == ["conda-forge"]
    last = text.splitlines()[-1]
    assert last.startswith("#"), f"the last line is no comment: {last}"
    assert "pip install --no-deps --no-build-isolation -e ." in last, f"the last line says: {last}"


def test_make_setup_accepts_the_pythons_that_pyproject_allows(makefile_pythons, python_range):
    allowed = [f"3.{minor}" for minor in range(100) if f"3.{minor}.0" in python_range]
    assert makefile_pythons == allowed, f"Makefile {makefile_pythons}, pyproject.toml {allowed}"


def test_the_code_is_checked_as_the_oldest_python_reads_it(pyproject, makefile_pythons):
    oldest = makefile_pythons[0]
    assert pyproject["tool"]["mypy"]["python_version"] == oldest
    assert pyproject["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")


def test_make_test_oldest_takes_the_oldest_duckdb_that_pyproject_allows(direct):
    tried = re.search(r"'duckdb==([\d.]+)\.\*'", read("Makefile"))
    assert tried, "the Makefile installs no 'duckdb==X.Y.*'"
    lowest = [s.version for s in direct["duckdb"] if s.operator == ">="]
    assert [tried[1]] == lowest, f"Makefile {tried[1]}, pyproject.toml from {lowest}"


def test_the_build_backend_comes_with_the_lock(pyproject, direct):
    wanted = ranges(pyproject["build-system"]["requires"])
    missing = {name: str(allowed) for name, allowed in wanted.items() if direct.get(name) != allowed}
    assert not missing, f"build-system asks for {missing}; the extra `dev` must ask for the same"
