"""Is simkit well on this machine? Versions, places, zones and a self-check, each with what to do where it is not."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Literal

import click

import simkit
from simkit.cli.door import echo, echo_exactly, main
from simkit.shown import visible

State = Literal["well", "absent", "wrong"]
_WORDS: dict[State, str] = {"well": "well", "absent": "-", "wrong": "NOT WELL"}


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and what to do about it where it is not well or not there."""

    name: str
    state: State
    found: str
    cure: str = ""


@main.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def doctor(context: click.Context, form: str) -> None:
    """Tell whether simkit is well on this machine, and what to do where it is not.

    Versions, compiled code, time zones, threads, places to write to, extras, a browser for --pdf, and some cases whose
    answers are known. What "-" stands at is not there and not needed.

    Exit status 0: all is well. 1: something is not.
    """
    checks = looked_at()
    well = all(check.state != "wrong" for check in checks)
    if form == "json":
        echo_exactly(json.dumps({"well": well, "checks": [asdict(check) for check in checks]}, indent=2) + "\n")
    else:
        for check in checks:
            told = f"{check.found}; {check.cure}" if check.cure else check.found
            echo(f"{_WORDS[check.state]:<9} {check.name:<18} {visible(told)}")
    context.exit(0 if well else 1)


def looked_at() -> list[Check]:
    """Every check, in the order in which they are told. None of them raises: what it would is what was found."""
    return [check for name, look in _CHECKS.items() for check in _guarded(name, look)]


def _guarded(name: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    found: list[Check] = []
    try:
        found.extend(look())
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        found.append(Check(name, "wrong", said, "mend that, or install simkit anew"))
    return found


def _versions() -> Iterator[Check]:
    yield Check("simkit", "well", simkit.__version__)
    allowed = str(metadata.metadata("simkit").json.get("requires_python", ""))
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if _satisfies(platform.python_version(), allowed):
        yield Check("Python", "well", text)
    else:
        yield Check("Python", "wrong", text, f"simkit is for {allowed}: install it with such a Python")
    missing, too_old, there = [], [], []
    for name, wanted, extra in _requirements():
        if extra:
            continue
        version = _version(name)
        if version is None:
            missing.append(name)
        elif not _satisfies(version, wanted):
            too_old.append(f"{name} {version} (needs {wanted})")
        else:
            there.append(f"{name} {version}")
    if missing or too_old:
        found = ", ".join([*(f"{name} is missing" for name in missing), *too_old])
        yield Check("packages", "wrong", found, "install simkit anew: pip install --upgrade simkit")
    else:
        yield Check("packages", "well", ", ".join(there))


def _requirements() -> Iterator[tuple[str, str, str]]:
    """Of each package that simkit names: its name, its versions, the extra it belongs to ("": none)."""
    for text in metadata.requires("simkit") or []:
        named, _, marker = text.partition(";")
        name = re.match(r"[\w.-]+", named)
        extra = re.search(r"extra == ['\"]([\w-]+)", marker)
        if name is not None:
            yield name[0], named[name.end() :].strip(), extra[1] if extra else ""


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _satisfies(version: str, wanted: str) -> bool:
    """Bounds of the form >=1.2,<3; of any other nothing is known, and it is taken."""
    for sign, bound in re.findall(r"(>=|<)\s*([\d.]+)", wanted):
        if (_numbers(version) >= _numbers(bound)) != (sign == ">="):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3]]
    return tuple(numbers + [0] * (3 - len(numbers)))


def _compiled_code() -> Iterator[Check]:
    from simkit.core.compile import kept

    of = kept()
    if not of.is_usable:
        cure = "every process compiles for some 20 s: let it be written, or name another folder in SIMKIT_CACHE_DIR"
        found = f"{of.directory} cannot be written" if of.directory else "this user has no home"
        yield Check("compiled code", "wrong", found, cure)
    elif of.damaged:
        cure = f"what is needed of it is compiled again; to be rid of it delete {of.directory}"
        yield Check("compiled code", "wrong", f"{len(of.damaged)} damaged, such as {of.damaged[0]}", cure)
    else:
        yield Check("compiled code", "well", f"{of.directory}, {of.bytes / 1e6:.1f} MB")


def _time_zones() -> Iterator[Check]:

    from simkit.clock import Zone, zone, zone_database_version, zone_names

    names = zone_names()
    for name in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
        assert zone(name) is not None, f"{name} is missing"
        Zone(name).offset_us(0)
    yield Check("time zones", "well", f"{zone_database_version()}, {len(names)} zones of the package tzdata")
    place = os.environ.get("SIMKIT_ZONEINFO", "")
    if not place:
        return
    files = [path for path in sorted(Path(place).rglob("*")) if path.is_file()]
    known = [path for path in files if path.relative_to(place).as_posix() in names]
    bad = [path for path in known if path.read_bytes()[:4] != b"TZif"]
    found = f"{place}, {len(known)} zones before those of tzdata"
    if not Path(place).is_dir():
        yield Check("SIMKIT_ZONEINFO", "wrong", f"{place} is no folder", "name one with zone files, or unset it")
    elif bad:
        cure = "put a file of time zone rules there, or take it away"
        yield Check("SIMKIT_ZONEINFO", "wrong", f"{bad[0]} is no file of time zone rules", cure)
    else:
        yield Check("SIMKIT_ZONEINFO", "well" if known else "absent", found, "" if known else "unset it")


def _threads() -> Iterator[Check]:
    may = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        cure = "unset NUMBA_DISABLE_JIT: runs are some hundred times slower"
        yield Check("compiling", "wrong", "NUMBA_DISABLE_JIT is set, nothing is compiled", cure)
    yield Check("threads", "well", f"{os.cpu_count()} processors, of which this process may use {may}")


def _places() -> Iterator[Check]:
    yield _place("this folder", Path.cwd(), "reports and runs files go elsewhere: change to a folder of yours")
    try:
        scratch = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        yield Check("scratch", "wrong", str(error), "name a folder that may be written in TMPDIR")
        return
    yield _place("scratch", scratch, "name a folder that may be written in TMPDIR")


def _place(name: str, folder: Path, cure: str) -> Check:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"simkit")
    except OSError as error:
        return Check(name, "wrong", f"{folder} cannot be written: {error.strerror}", cure)
    return Check(name, "well", f"{folder} can be written")


_OF_DEVELOPERS = {"dev", "browser"}
_WHAT_FOR = {
    "dask": "for sweeps on several machines",
    "holidays": "for the holidays of a country",
    "lab": "for the panel in JupyterLab",
    "postgres": "for `simkit import postgres`",
}


def _extras() -> Iterator[Check]:
    of_extra: dict[str, dict[str, str | None]] = {}
    for name, _, extra in _requirements():
        if extra and extra not in _OF_DEVELOPERS:
            of_extra.setdefault(extra, {})[name] = _version(name)
    for extra, versions in sorted(of_extra.items()):
        missing = [name for name, version in versions.items() if version is None]
        if not missing:
            yield Check(f"extra {extra}", "well", ", ".join(f"{name} {v}" for name, v in versions.items()))
            continue
        cure = f"{_WHAT_FOR.get(extra, 'if you want it')}: pip install 'simkit[{extra}]'"
        yield Check(f"extra {extra}", "absent", f"{', '.join(missing)} is not installed", cure)


def _browser() -> Iterator[Check]:
    from simkit.report.pdf import chromium

    found = chromium()
    if found is None:
        yield Check("browser", "absent", "no Chromium", "for --pdf install one (Debian: apt install chromium)")
    else:
        yield Check("browser", "well", found)


def _self_check() -> Iterator[Check]:
    cases = json.loads(resources.files("simkit.cli").joinpath("selfcheck.json").read_text(encoding="utf-8"))
    cure = "install simkit anew; if that is no help, report it with what this says"
    for name, ask in (("within", _is_within), ("desired", _is_desired)):
        wrong = [case for case in cases[name] if ask(case) != case["is"]]
        what = {"within": "hours of crons", "desired": "desired prebuilds"}[name]
        if wrong:
            yield Check(what, "wrong", f"{len(wrong)} of {len(cases[name])} known answers are others", cure)
        else:
            yield Check(what, "well", f"{len(cases[name])} of Coder's own answers")
    how = "compiled" if _can_run_compiled() else "as plain Python: a first run compiles for some 20 s"
    digest = day_digest()
    if digest == cases["digest"]:
        yield Check("a simulated day", "well", f"{digest}, {how}")
    else:
        yield Check("a simulated day", "wrong", f"{digest}, not {cases['digest']} ({how})", cure)


def _is_within(case: dict[str, Any]) -> list[int]:
    import numpy as np

    from simkit import cron
    from simkit.clock import SECOND_US, UTC_ZONE
    from simkit.timeline import range_steps

    range_, at = cron.parse(case["spec"]), np.array(case["at"]) * SECOND_US
    return [*map(int, range_steps(range_, range_.zone or UTC_ZONE, int(at.min()), int(at.max()) + 1, 0).value_at(at))]


def _is_desired(case: dict[str, Any]) -> list[int]:
    import numpy as np

    from simkit.clock import SECOND_US
    from simkit.coder_versions import BEHAVIOURS
    from simkit.model import Preset, Schedule
    from simkit.timeline import desired

    schedules, at = tuple(Schedule(*each) for each in case["schedules"]), np.array(case["at"]) * SECOND_US
    preset = Preset("p", case["default"], timezone=case["tz"], schedules=schedules)
    return [*map(int, desired(preset, BEHAVIOURS["v2.26"], int(at.min()), int(at.max()) + 1).value_at(at))]


def _can_run_compiled() -> bool:
    from simkit.core.compile import kept, will_compile

    return not will_compile("pools") and not kept().damaged


def day_digest() -> str:
    """Of the rows of the day in `selfcheck.yaml`; by compiled code if that is there, else as plain Python elsewhere."""
    if _can_run_compiled() or os.environ.get("NUMBA_DISABLE_JIT"):
        return digest_of_day()
    code = "from simkit.cli.doctor import digest_of_day; print(digest_of_day())"
    given = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout.strip()


def digest_of_day() -> str:
    """The same, in this process."""
    import numpy as np

    with resources.as_file(resources.files("simkit.cli").joinpath("selfcheck.yaml")) as file:
        result = simkit.run(simkit.load(file), seed=7)
    digest = hashlib.sha256()
    for table in result.rows:
        digest.update(np.ascontiguousarray(table, dtype="<i8").tobytes())
    return digest.hexdigest()[:12]


_CHECKS: dict[str, Callable[[], Iterator[Check]]] = {
    "versions": _versions,
    "compiled code": _compiled_code,
    "time zones": _time_zones,
    "threads": _threads,
    "places": _places,
    "extras": _extras,
    "browser": _browser,
    "self-check": _self_check,
}
