"""Write down what each preset's schedules ask for in the coming weeks, for review, and say where that changed since."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from difflib import SequenceMatcher
from itertools import groupby, pairwise
from os.path import exists
from pathlib import Path
from typing import NamedTuple

from simkit.clock import Zone, to_datetime
from simkit.coder_versions import DEFAULT_BEHAVIOUR, Behaviour, behaviour_of, minor_version
from simkit.errors import Finding, Findings, InputError, Where, did_you_mean
from simkit.files import LEADS_OUT, leads_out, write_all
from simkit.inputs.coder import named_version, note_version
from simkit.inputs.functions import of_json
from simkit.inputs.hcl import PRESET, TERRAFORM
from simkit.inputs.preset import Given
from simkit.inputs.templates import Contents, Templates
from simkit.inputs.text import read_text
from simkit.inputs.variables import Outside, from_outside, value_text
from simkit.model import Preset
from simkit.shown import visible
from simkit.templates.find import Found, find
from simkit.timeline import BASE, schedule_steps
from simkit.times import utc_offset, weekday_date

WEEKS = 8
SUFFIX = ".simkit.snapshot"
_MOST_WEEKS = 520
_TITLE = "# What the schedules of {name} ask for. After a change that is meant: simkit snapshot --update {name}"
_MOST_SHOWN = 40
_HEADER = re.compile(r"(from|weeks|coder|var) +(\S.*)")
_UNSAID = "v2.35"
"""Coder's version in a snapshot that names none: those written before versions were recorded are of this one."""
_VARIABLE = re.compile(r"([^=:]+)([=:])(.*)")
"""A variable's name, and its value as it is after "=", as JSON text after ":"."""


@dataclass(frozen=True)
class Window:
    """What a snapshot shows: whole weeks of each preset's own calendar from a Monday on, as a version of Coder reads
    schedules, with values of Terraform's variables."""

    monday: date
    weeks: int = WEEKS
    variables: tuple[tuple[str, Given], ...] = ()
    """By name, each with the place where it is given."""
    coder: str = ""
    """Coder's version without its patch; "" in a snapshot that names none."""

    def __post_init__(self) -> None:
        assert self.monday.weekday() == 0, "weeks begin on Monday"
        assert 0 < self.weeks <= _MOST_WEEKS, "a snapshot shows some weeks"

    @property
    def behaviour(self) -> Behaviour:
        return behaviour_of(self.coder or _UNSAID)


class Written(NamedTuple):
    """Where snapshots were written, and what there is to say of Coder's version."""

    paths: tuple[Path, ...]
    notes: tuple[Finding, ...]


def window_at(at: int, weeks: int = WEEKS) -> Window:
    """The weeks from the one of the instant `at` (microseconds UTC, its day in UTC) on."""
    day = to_datetime(at).date()
    return Window(day - timedelta(days=day.weekday()), weeks)


def snapshot_path(template: Path) -> Path:
    """Where the snapshot of a Terraform file is: beside it, under its name."""
    return template.with_name(template.stem + SUFFIX)


def render(template: Path, presets: Iterable[Preset], window: Window) -> str:
    """The text of a snapshot of the presets of a Terraform file."""
    until = window.monday + timedelta(weeks=window.weeks)
    lines = [
        _TITLE.format(name=visible(template.name)),
        f"from   {window.monday.isoformat()}",
        f"weeks  {window.weeks}, until {until.isoformat()}",
        *([f"coder  {window.coder}"] if window.coder else []),
        *(f"var    {variable_line(name, given.value)}" for name, given in window.variables),
    ]
    for preset in presets:
        lines += ["", *map(visible, _preset(preset, window))]
    return "\n".join(lines) + "\n"


def variable_line(name: str, value: object) -> str:
    """A variable in one line, whatever is in its value."""
    if isinstance(value, str) and value.isprintable() and value == value.strip():
        return f"{name}={value}"
    return f"{name}:{json.dumps(value) if isinstance(value, str) else value_text(value)}"


def write(
    paths: Iterable[str | Path],
    at: int,
    weeks: int = WEEKS,
    variables: Outside | None = None,
    coder: str | None = None,
) -> Written:
    """Write the snapshot of each Terraform file with presets at or below `paths`, and say where they are.

    They show the weeks from `at` on, as Coder's version `coder` reads schedules. A value of a variable goes to the
    templates that declare it. Nothing is written if a template is wrong: InputError with every problem.
    """
    findings = Findings()
    named_version(coder, findings)
    findings.raise_errors()
    found = _found(paths)
    window = replace(window_at(at, weeks), coder=minor_version(coder or DEFAULT_BEHAVIOUR.version))
    return Written(_write(found, dict.fromkeys(found.files, window), variables or {}), tuple(findings))


def update(found: Found, variables: Outside | None = None, coder: str | None = None) -> Written:
    """Write snapshots again, for the weeks, the version of Coder and the variables that they already show; `coder` and
    `variables` come in place of theirs.

    Raises InputError; then nothing is written.
    """
    findings = Findings()
    named_version(coder, findings)
    windows: dict[Path, Window] = {}
    for file in found.files:
        window, _ = window_of(snapshot_path(file), findings)
        if window is not None:
            version = window.coder or _UNSAID if coder is None or findings.errors else minor_version(coder)
            windows[file] = replace(window, coder=version)
    findings.raise_errors()
    notes = Findings()  # of the versions that are written, which may not be those that were read
    for window in windows.values():
        note_version(window.coder, Where("coder"), notes)
    return Written(_write(found, windows, variables or {}), tuple(notes))


def with_snapshots(paths: Iterable[str | Path]) -> Found:
    """The Terraform files at or below `paths` that have a snapshot.

    Raises InputError if there is none, and for each file that is named and has none.
    """
    asked = [_template_of(Path(path)) for path in paths]
    found = _found(asked)
    have = _that_have_one(found)
    named = {Path(os.path.normpath(path)) for path in asked} & set(found.files)
    text = "there is no snapshot; write one with: simkit snapshot {}"
    missing = [Finding("error", Where(str(snapshot_path(f))), text.format(f)) for f in sorted(named - set(have.files))]
    if not have.files and not missing:
        text = "there is no snapshot here or below; write some with: simkit snapshot"
        missing = [Finding("error", Where(str(path)), text) for path in asked]
    if missing:
        raise InputError(missing)
    return have


def called(paths: Iterable[str | Path], name: str) -> Found:
    """The Terraform files at or below `paths` that have a snapshot and `name` in their path, or a preset of this name.

    Raises InputError if there is none.
    """
    have = _that_have_one(_found(paths))
    templates = Templates()
    chosen = {
        file: root
        for file, root in have.files.items()
        if name in str(file) or name in templates.read(root).part(file).names
    }
    if not chosen:
        text = "no snapshot has this in its path, and none is of a preset of this name; "
        text += did_you_mean(name, map(str, have.files))
        if not have.files:
            text = "there is no snapshot to update; write some with: simkit snapshot"
        raise InputError([Finding("error", Where(f"--update {name}"), text)])
    return replace(have, files=chosen)


def differences(found: Found) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """(what there is to say of snapshots, errors in the templates beside them too; what differs between the two).

    Only what differs is shown, a finding a preset: "-" the snapshot, "+" what the schedules ask for now. A template
    without a snapshot is passed over.
    """
    said = Findings()
    differing: list[Finding] = []
    reader = _Reader()
    for file, root in _that_have_one(found).files.items():
        own = Findings()
        window, lines = window_of(snapshot_path(file), own)
        if window is not None:
            contents = reader.read(root, window)
            own.extend([*contents.errors, *contents.undeclared])
            if not own.errors:
                wanted = render(file, contents.part(file).presets, window).splitlines()
                differing += _differences(file, lines, wanted)
        said.extend(own)
    return tuple(said), tuple(differing)


def _found(paths: Iterable[str | Path]) -> Found:
    """The Terraform files with presets. Raises InputError, also for a path without one."""
    findings = Findings()
    asked = [Path(os.path.normpath(path)) for path in paths]
    found = find(asked, findings)
    if not findings.errors:
        for path in asked:
            # A file may have presets in the modules that it calls alone.
            own = (path, path.parent)
            calls = any(root in own and file.parent != path.parent for file, root in found.files.items())
            if not calls and not any(path == file or path in file.parents for file in found.files):
                findings.error(Where(str(path)), f'no data "{PRESET}" here{" or below" if path.is_dir() else ""}')
    findings.raise_errors()
    return replace(found, tests=())


def _that_have_one(found: Found) -> Found:
    return replace(found, files={file: root for file, root in found.files.items() if exists(snapshot_path(file))})


@dataclass
class _Reader:
    """Reads templates with the variables of a snapshot's window, in place of those of a command."""

    known: dict[str, Templates] = field(default_factory=dict)

    def read(self, root: Path, window: Window) -> Contents:
        values = repr(window.variables)
        return self.known.setdefault(values, Templates(dict(window.variables))).read(root)


def _write(found: Found, windows: Mapping[Path, Window], variables: Outside) -> tuple[Path, ...]:
    """Write the snapshots of files, each with the values of those variables that its template declares."""
    texts: dict[Path, str] = {}
    problems: dict[Finding, None] = {}
    outside = Templates(from_outside(variables))
    reader = _Reader()
    for file, root in found.files.items():
        undeclared = {finding.where for finding in outside.read(root).undeclared}
        declared = {name: given for name, given in outside.variables.items() if given.where not in undeclared}
        merged = {**dict(windows[file].variables), **declared}
        window = replace(windows[file], variables=tuple(sorted(merged.items(), key=lambda one: one[0])))
        contents = reader.read(root, window)
        problems.update(dict.fromkeys([*contents.errors, *contents.undeclared]))
        texts[snapshot_path(file)] = render(file, contents.part(file).presets, window)
    problems.update(dict.fromkeys(outside.undeclared))
    if problems:
        raise InputError(problems)
    write_all({path: text.encode() for path, text in texts.items()})
    return tuple(texts)


def _differences(template: Path, found: Sequence[str], wanted: Sequence[str]) -> list[Finding]:
    """What differs between the lines of a snapshot and those that the template asks for."""
    if found == wanted:
        return []
    snapshot = snapshot_path(template)
    cure = f"if that is meant, run: simkit snapshot --update {template}"
    old, new = _sections(found), _sections(wanted)
    findings = []
    for title in dict.fromkeys([*old, *new]):
        (first, was), (_, now) = old.get(title, (1, [])), new.get(title, (1, []))
        if was == now:
            continue
        line, shown = _shown(first, was, now)
        what = title or "its first lines"
        if not was:
            text, shown = f"{what} is new in {template.name}", [f"+ {row}" for row in now if row]
        elif not now:
            text, shown = f"{what} is no longer in {template.name}", []
        else:
            text = f"{what} is not as {template.name} has it"
        if len(shown) > _MOST_SHOWN:
            shown = [*shown[:_MOST_SHOWN], f"... and {len(shown) - _MOST_SHOWN} more lines"]
        findings.append(Finding("error", Where(str(snapshot), line), text, details=(*shown, cure)))
    if not findings:  # the same sections in another order
        findings.append(Finding("error", Where(str(snapshot)), f"its presets are in another order; {cure}"))
    return findings


def _template_of(path: Path) -> Path:
    """The Terraform file, or the plan, that a snapshot is of; another path as it is."""
    if not path.name.endswith(SUFFIX):
        return path
    stem = path.name.removesuffix(SUFFIX)
    template, plan = path.with_name(stem + TERRAFORM), path.with_name(f"{stem}.json")
    return plan if exists(plan) and not exists(template) else template


def window_of(snapshot: Path, findings: Findings) -> tuple[Window | None, list[str]]:
    """(what the first lines of a snapshot say, all its lines); None, with findings, if they say no weeks."""
    again = f"write it again with: simkit snapshot {_template_of(snapshot)}"
    if leads_out(snapshot):
        findings.error(Where(str(snapshot)), LEADS_OUT)
        return None, []
    content = read_text(snapshot, findings, cure=again)
    if content is None:
        return None, []
    lines = content.splitlines()
    said: dict[str, tuple[int, str]] = {}
    variables: dict[str, Given] = {}
    problems = len(findings.errors)
    for number, line in enumerate(lines, start=1):
        if not line:
            break
        if match := _HEADER.fullmatch(line):
            key, value = match[1], match[2].strip()
            if key == "var":
                name, text = read_variable(value)
                if text is None:
                    findings.error(Where(str(snapshot), number), f'"{value}" is not NAME=VALUE; {again}')
                variables[name] = Given(text, Where(str(snapshot), number))
            else:
                said[key] = number, value
    coder = ""
    if "coder" in said:
        number, value = said["coder"]
        named_version(value, findings, Where(str(snapshot), number))
        coder = value
    for key in ("from", "weeks"):
        if key not in said:
            findings.error(Where(str(snapshot)), f'has no line "{key}" at its top; {again}')
    monday, weeks = date(1970, 1, 5), 1
    if "from" in said:
        number, value = said["from"]
        try:
            monday = date.fromisoformat(value)
        except ValueError:
            findings.error(Where(str(snapshot), number), f'"{value}" is not a date; {again}')
        else:
            if monday.weekday() != 0:
                findings.error(Where(str(snapshot), number), f"{value} is not a Monday; {again}")
    if "weeks" in said:
        number, value = said["weeks"]
        count = value.split(",")[0]
        weeks = int(count) if count.isdecimal() else 0
        if not 0 < weeks <= _MOST_WEEKS:
            findings.error(Where(str(snapshot), number), f'"{count}" is not 1 to {_MOST_WEEKS} weeks; {again}')
    if len(findings.errors) > problems:
        return None, lines
    return Window(monday, weeks, tuple(sorted(variables.items(), key=lambda one: one[0])), coder), lines


def read_variable(text: str) -> tuple[str, object]:
    """(name, value) of `variable_line`; None for a value that is none."""
    match = _VARIABLE.fullmatch(text)
    if match is None or match[2] == "=":
        return (match[1], match[3]) if match else (text, None)
    try:
        return match[1], of_json(json.loads(match[3]))
    except (ValueError, RecursionError):
        return match[1], None


@dataclass(frozen=True)
class _Step:
    """A line of a snapshot, but for its date: equal weeks have equal steps."""

    weekday: int
    clock: str
    offset: str
    what: str
    at: date

    @property
    def shape(self) -> tuple[int, str, str]:
        return self.weekday, self.clock, self.what

    @property
    def when(self) -> str:
        return f"{weekday_date(self.at)} {self.clock} {self.offset}"


def _preset(preset: Preset, window: Window) -> Iterator[str]:
    """A preset's lines: each week that is not as the one before it, and for how long it stays so."""
    zone = preset.zone
    yield f'preset "{preset.name}"  {zone.name}'
    if preset.fallback:
        yield f"  (Coder ignores schedules: {preset.fallback})"
    weeks = _weeks(preset, zone, window)
    written: dict[tuple[tuple[int, str, str], ...], date] = {}
    i = 0
    for _, same in groupby(weeks, key=lambda week: [(*step.shape, step.offset) for step in week]):
        first, *more = same
        shape = tuple(step.shape for step in first)
        i += 1 + len(more)
        until = f"until {weekday_date(window.monday + timedelta(weeks=i))}"
        if shape in written:
            # The same hours at the other offset, after clocks have changed.
            yield f"  {first[0].when}  as in the week of {weekday_date(written[shape])}, {until}"
            continue
        written[shape] = first[0].at
        yield from (f"  {step.when}{step.what}" for step in first)
        if more:
            yield f"  then the same every week {until}"


def _weeks(preset: Preset, zone: Zone, window: Window) -> list[list[_Step]]:
    """The steps of each week: what holds when it begins, each change, and each jump of the clocks."""
    begins = [zone.at(datetime.combine(window.monday + timedelta(weeks=i), time())) for i in range(window.weeks + 1)]
    start_at, end_at = begins[0], begins[-1]
    steps = schedule_steps(preset, window.behaviour, start_at, end_at)
    schedules = preset.schedules_in_force
    said = [f'{max(s.instances, 0):>3}  "{s.cron}"' for s in schedules]
    said.append(f"{max(preset.instances, 0):>3}  base")
    assert BASE == -1, "the base is what is said last"
    from_at, offsets = (column.tolist() for column in zone.offsets(start_at, end_at))
    jumps = dict(zip(from_at[1:], pairwise(offsets), strict=True))
    weeks = []
    for since, until in pairwise(begins):
        changes = {at for at in (*steps.at.tolist(), *jumps) if since < at < until}
        week = []
        for at in sorted({since, *changes}):
            what = said[int(steps.value_at(at))]
            if at in jumps:
                before, after = (to_datetime(at + offset) for offset in jumps[at])
                what += f"  (clocks {before:%H:%M} -> {after:%H:%M})"
            local = zone.local(at)
            week.append(_Step(local.weekday(), f"{local:%H:%M}", utc_offset(local), what, local.date()))
        weeks.append(week)
    return weeks


def _sections(lines: Sequence[str]) -> dict[str, tuple[int, list[str]]]:
    """{a preset's first line, "" for what stands before all: (number of its first line, its lines)}."""
    found: dict[str, tuple[int, list[str]]] = {"": (1, [])}
    title = ""
    for number, line in enumerate(lines, start=1):
        if line.startswith("preset "):
            title = line.split("  ")[0]
            found.setdefault(title, (number, []))
        if line:
            found[title][1].append(line)
    return found


def _shown(first: int, was: Sequence[str], now: Sequence[str]) -> tuple[int, list[str]]:
    """(line of the first difference, the lines that differ)."""
    shown: list[str] = []
    line = first
    for what, a, b, c, d in SequenceMatcher(a=was, b=now, autojunk=False).get_opcodes():
        if what != "equal":
            line = line if shown else first + a
            shown += [f"- {row.strip()}" for row in was[a:b]] + [f"+ {row.strip()}" for row in now[c:d]]
    return line, shown
