"""Demand out of commits, for teams without a history of Coder: who commits after a while of quiet has begun to work.

Git is asked, and nothing that a repository has configured is run: no hook, no pager, no program that checks signatures;
nothing is fetched.
"""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from os.path import exists
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Int64Array
from simkit.errors import Finding, Findings, InputError, Where
from simkit.files import write_whole
from simkit.shown import visible

QUIET_US = 4 * HOUR_US
"""Longer than a meal and a meeting or two, shorter than a night: one claim a working day, for most people."""
LONGEST_OFFSET_US = 14 * HOUR_US
"""No place's clock is further from UTC; some commits' are."""
EARLIEST_AT = 315_532_800 * SECOND_US
"""1980: what is dated before was dated by a machine without a clock."""

LACKS = (
    "Presets, hits, misses, durations and failures are not known: `simkit calibrate` needs a history of Coder.",
    "Who commits is not who opens workspaces: readers, reviewers, squashed and unpushed work are missing.",
)

_FIELDS = ("ad", "ct", "P", "aN", "aE")
"""Of each commit, in git's letters: author's date, when it was committed, parents, name and e-mail by `.mailmap`."""
_OPTIONS = (
    *("--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"),
    *("-c", "log.showSignature=false", "-c", "protocol.allow=never"),
)
_LOG = (
    *("log", "--exclude=refs/stash", "--exclude=refs/notes/*", "--all", "--no-show-signature", "--no-patch"),
    *(
        "--no-color",
        "--no-decorate",
        "--encoding=UTF-8",
        "--date=raw",
        "-z",
        f"--format=tformat:{'%x00'.join(f'%{letters}' for letters in _FIELDS)}",
    ),
)
_BOT = re.compile(r"\[bot\]|(?:^|[-_ .+])bot(?:$|[-_@\d])", re.IGNORECASE)
_ELSEWHERE = re.compile(r"[\w.@+-]{2,}:")


@dataclass(frozen=True)
class Claim:
    """Somebody began to work; `offset_us`: how far their clock was from UTC. `person` counts from 1."""

    at: int
    offset_us: int
    person: int


@dataclass(frozen=True)
class Begun:
    """Claims in order of time, and what they were made of. `people`: an e-mail for each number of a person, from 1.

    commits: those that count; merges, of_bots, undated: those that do not. `bots`: how many, those excluded among them.
    """

    claims: tuple[Claim, ...]
    people: tuple[str, ...]
    repositories: int
    commits: int
    merges: int
    of_bots: int
    bots: int
    undated: int
    notes: tuple[Finding, ...] = ()


@dataclass
class _Seen:
    """What is read so far: [(at, offset_us)] of each person."""

    times: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    bots: set[str] = field(default_factory=set)
    merges: int = 0
    of_bots: int = 0
    undated: int = 0


def claims_of_commits(
    folders: Sequence[str | Path],
    now_at: int,
    quiet_us: int = QUIET_US,
    since_at: int | None = None,
    exclude: Sequence[str] = (),
    reading: Callable[[str, float], None] = lambda what, share: None,
) -> Begun:
    """A claim for the first commit of a person after `quiet_us` without one in any of the repositories.

    A folder is a repository, or has some in it. People are told apart by their e-mail, as `.mailmap` has it. Merges do
    not count, nor do bots and those whose name or e-mail is like one of `exclude`, nor commits that are dated after
    `now_at`, a day or more after they were committed, or before 1980. Raises InputError.
    """
    findings = Findings()
    repositories = [one for folder in folders for one in _repositories(Path(folder), findings)]
    repositories = list({one.resolve(): one for one in repositories}.values())
    findings.raise_errors()
    seen = _Seen()
    for i, repository in enumerate(repositories):
        reading(repository.name, i / len(repositories))
        if _git(repository, ("rev-parse", "--is-shallow-repository")).strip() == b"true":
            findings.warning(
                Where(str(repository)), "is a shallow clone: its older commits are missing; fetch them first"
            )
        for fields in _commits(repository):
            _count(seen, fields, now_at, exclude)
    begun = [
        (at, offset, email)
        for email, times in seen.times.items()
        for at, offset in _first(sorted(times), quiet_us)
        if since_at is None or at >= since_at
    ]
    if not begun:
        since = "" if since_at is None else " since then"
        where = Where(str(folders[0]) if len(folders) == 1 else f"{len(repositories)} repositories")
        raise InputError([Finding("error", where, f"has no commit of a person{since}; there is no demand to import")])
    begun.sort()
    number = {email: i for i, email in enumerate(dict.fromkeys(email for _, _, email in begun), 1)}
    return Begun(
        tuple(Claim(at, offset, number[email]) for at, offset, email in begun),
        tuple(number),
        len(repositories),
        sum(len(times) for times in seen.times.values()),
        seen.merges,
        seen.of_bots,
        len(seen.bots),
        seen.undated,
        tuple(findings),
    )


def write_claims(out: str | Path, begun: Begun, keep_names: bool = False, force: bool = False) -> None:
    """A CSV file with `started_at` and `person` of each claim: a number, or the e-mail if names are kept.

    A file that is there is written over with `force` alone. Raises InputError.
    """
    path = Path(out)
    if path.suffix.lower() != ".csv":
        text = f"this import writes claims as CSV, for the history of a scenario; write {path.stem or 'claims'}.csv"
        raise InputError([Finding("error", Where(str(path)), text)])
    if exists(path) and not force:
        raise InputError([Finding("error", Where(str(path)), "is there already; give another name, or --force")])
    told = io.StringIO()
    rows = csv.writer(told, lineterminator="\n")
    rows.writerow(["started_at", "person"])
    for claim in begun.claims:
        person = begun.people[claim.person - 1] if keep_names else claim.person
        rows.writerow([_local(claim.at, claim.offset_us), person])
    write_whole(path, told.getvalue().encode())


def _local(at: int, offset_us: int) -> str:
    """An instant as the clock of who committed showed it."""
    in_zone = timezone(timedelta(microseconds=offset_us))
    return datetime.fromtimestamp(at // SECOND_US, in_zone).isoformat()


def _first(times: Sequence[tuple[int, int]], quiet_us: int) -> list[tuple[int, int]]:
    """Of increasing times those before which there was none for so long."""
    at: Int64Array = np.array([at for at, _ in times], dtype=np.int64)
    begins = np.flatnonzero(np.diff(at, prepend=at[0] - quiet_us) >= quiet_us)
    return [times[i] for i in begins.tolist()]


def _count(seen: _Seen, fields: Sequence[bytes], now_at: int, exclude: Sequence[str]) -> None:
    """One commit, by its _FIELDS."""
    date, committed, parents, *who = fields
    name, email = (text.decode("utf-8", "replace").strip() for text in who)
    email = email.lower() or name
    if len(parents.split()) > 1:
        seen.merges += 1
        return
    if _is_bot(name, email, exclude):
        seen.bots.add(email)
        seen.of_bots += 1
        return
    told = re.fullmatch(rb"(\d{1,12}) ([+-])(\d\d)(\d\d)", date)
    at = int(told[1]) * SECOND_US if told else 0
    latest = min(now_at, int(committed) * SECOND_US + DAY_US if committed.isdigit() else now_at)
    if told is None or not EARLIEST_AT <= at <= latest:
        seen.undated += 1
        return
    offset_us = (int(told[3]) * HOUR_US + int(told[4]) * MINUTE_US) * (-1 if told[2] == b"-" else 1)
    offset_us = 0 if abs(offset_us) > LONGEST_OFFSET_US else offset_us
    seen.times.setdefault(email, []).append((at, offset_us))


def _is_bot(name: str, email: str, exclude: Sequence[str]) -> bool:
    return any(
        _BOT.search(text) is not None or any(fnmatchcase(text.lower(), pattern.lower()) for pattern in exclude)
        for text in (name, email)
    )


def _repositories(folder: Path, findings: Findings) -> list[Path]:
    """The repository that a folder is, or those that are in it."""
    where = Where(str(folder))
    if _is_repository(folder):
        return [folder]
    if not folder.is_dir():
        if exists(folder):
            findings.error(where, "is no folder; clone it first, and give the clone's folder")
        elif _ELSEWHERE.match(str(folder)):
            findings.error(Where("a repository elsewhere"), "nothing is fetched; clone it, and give the clone's folder")
        else:
            findings.error(where, "there is no such folder; name a git repository")
        return []
    found = [one for one in sorted(folder.iterdir()) if _is_repository(one)]
    if not found:
        findings.error(where, "is no git repository and has none in it; give the folder in which .git is")
    return found


def _is_repository(folder: Path) -> bool:
    return exists(folder / ".git") or ((folder / "HEAD").is_file() and (folder / "objects").is_dir())


def _commits(repository: Path) -> Iterator[list[bytes]]:
    """The fields of each commit that a branch, a tag or a remote's branch leads to."""
    fields: list[bytes] = []
    rest = b""
    with TemporaryFile() as told, _started(repository, _LOG, told.fileno()) as log:
        assert log.stdout is not None, "it is a pipe"
        while piece := log.stdout.read(1 << 16):
            *ended, rest = (rest + piece).split(b"\0")
            fields += ended
            whole = len(fields) // len(_FIELDS) * len(_FIELDS)
            yield from (fields[i : i + len(_FIELDS)] for i in range(0, whole, len(_FIELDS)))
            del fields[:whole]
        log.wait()
        told.seek(0)
        _check(repository, log.returncode, told.read())


def _git(repository: Path, arguments: Sequence[str]) -> bytes:
    with TemporaryFile() as told, _started(repository, arguments, told.fileno()) as process:
        assert process.stdout is not None, "it is a pipe"
        answer = process.stdout.read()
        process.wait()
        told.seek(0)
        _check(repository, process.returncode, told.read())
    return answer


def _started(repository: Path, arguments: Sequence[str], told: int) -> subprocess.Popen[bytes]:
    """Git at work in this repository and in none above it, with its own settings and nobody else's variables."""
    here = repository.resolve()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"LC_ALL": "C", "GIT_CEILING_DIRECTORIES": str(here.parent), "GIT_TERMINAL_PROMPT": "0"}
    environment |= {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
    command = ("git", *_OPTIONS, "-C", str(here), *arguments)
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told, env=environment)
    except FileNotFoundError:
        raise _refused(repository, "there is no git on this machine to read it with; install git") from None


def _check(repository: Path, status: int, told: bytes) -> None:
    """Raise InputError for what git has to say, unless it is content."""
    if not status:
        return
    said = told.decode("utf-8", "replace").strip()
    if "dubious ownership" in said:
        raise _refused(
            repository,
            "belongs to another user, so that git does not read it; if you trust it: git config --global --add "
            f"safe.directory {visible(str(repository.resolve()))}",
        )
    last = (said.splitlines() or [f"status {status}"])[-1].removeprefix("fatal: ").removeprefix("error: ")
    raise _refused(repository, f"git cannot read it: {visible(last)}; look with `git fsck`")


def _refused(repository: Path, text: str) -> InputError:
    return InputError([Finding("error", Where(str(repository)), text)])
