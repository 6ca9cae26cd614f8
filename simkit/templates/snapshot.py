"""Write down what each preset's schedules ask for in the coming weeks, for review, and say where that changed since."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from difflib import SequenceMatcher
from itertools import groupby, pairwise
from pathlib import Path

from simkit.clock import Zone, to_datetime
from simkit.errors import Finding, Findings, InputError, Where, did_you_mean
from simkit.inputs.preset import read_presets
from simkit.inputs.terraform import PRESET, read_terraform
from simkit.model import DEFAULT_BEHAVIOUR, Preset
from simkit.shown import visible
from simkit.timeline import BASE, schedule_steps
from simkit.times import utc_offset, weekday_date

WEEKS = 8
SUFFIX = ".simkit.snapshot"
_MOST_WEEKS = 520
_TITLE = "# What the schedules of {name} ask for. After a change that is meant: simkit snapshot --update {name}"
_MOST_SHOWN = 40
_HEADER = re.compile(r"(from|weeks|var) +(\S.*)")


@dataclass(frozen=True)
class Window:
    """Which weeks a snapshot shows: whole ones of each preset's own calendar from a Monday on, and Terraform's
    variables."""

    monday: date
    weeks: int = WEEKS
    variables: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        assert self.monday.weekday() == 0, "weeks begin on Monday"
        assert 0 < self.weeks <= _MOST_WEEKS, "a snapshot shows some weeks"


def window_at(at: int, weeks: int = WEEKS) -> Window:
    """The weeks from the one of the instant `at` (microseconds UTC, its day in UTC) on."""
    day = to_datetime(at).date()
    return Window(day - timedelta(days=day.weekday()), weeks)


def snapshot_path(template: Path) -> Path:
    """Where the snapshot of a Terraform file is: beside it, under its name."""
    return template.with_name(template.stem + SUFFIX)


def render(template: Path, window: Window) -> str:
    """A snapshot's text. Raises InputError with every problem of the template."""
    findings = Findings()
    given = read_terraform(template, dict(window.variables), findings)
    presets = read_presets(given, findings)
    findings.raise_errors()
    until = window.monday + timedelta(weeks=window.weeks)
    lines = [
        _TITLE.format(name=template.name),
        f"from   {window.monday.isoformat()}",
        f"weeks  {window.weeks}, until {until.isoformat()}",
        *(f"var    {name}={value}" for name, value in window.variables),
    ]
    for preset in presets:
        lines += ["", *map(visible, _preset(preset, window))]
    return "\n".join(lines) + "\n"


def write(
    paths: Iterable[str | Path], at: int, weeks: int = WEEKS, variables: Mapping[str, str] | None = None
) -> tuple[Path, ...]:
    """Write the snapshot of each Terraform file with presets at or below `paths`, and say where they are.

    They show the weeks from `at` on. A value of a variable goes to the templates that declare it. Nothing is written
    if a template is wrong: InputError with every problem.
    """
    return _write({template: (window_at(at, weeks), variables or {}) for template in templates(paths)})


def update(paths: Iterable[str | Path], variables: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Write the snapshots of Terraform files again, for the weeks (and with the variables) that they already show.

    Raises InputError, also if there is no snapshot yet; then nothing is written.
    """
    windows = {}
    for template in (_template_of(Path(path)) for path in paths):
        windows[template] = _window(snapshot_path(template)), variables or {}
    return _write(windows)


def with_snapshots(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """The Terraform files at or below `paths` that have a snapshot, and those that are named. Raises InputError."""
    paths = [_template_of(Path(path)) for path in paths]
    found = tuple(template for template in templates(paths) if template in paths or snapshot_path(template).exists())
    if not found:
        text = "there is no snapshot here or below; write some with: simkit snapshot"
        raise InputError([Finding("error", Where(str(path)), text) for path in paths])
    return found


def called(paths: Iterable[str | Path], name: str) -> tuple[Path, ...]:
    """The Terraform files at or below `paths` that have a snapshot and `name` in their path, or a preset of this name.

    Raises InputError if there is none.
    """
    found = [path for path in templates(paths) if snapshot_path(path).exists()]
    chosen = tuple(path for path in found if name in str(path) or _has_preset(path, name))
    if not chosen:
        text = "no snapshot has this in its path, and none is of a preset of this name; "
        text += did_you_mean(name, map(str, found))
        if not found:
            text = "there is no snapshot to update; write some with: simkit snapshot"
        raise InputError([Finding("error", Where(f"--update {name}"), text)])
    return chosen


def _has_preset(template: Path, name: str) -> bool:
    return any(one.name is not None and one.name.value == name for one in read_terraform(template, {}, Findings()))


def is_undeclared(finding: Finding) -> bool:
    """Does it say that a template does not declare a variable for which there is a value?"""
    return finding.where.path.startswith("--var ") and finding.text.startswith("the template declares no ")


def _declared(template: Path, variables: Mapping[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """(the variables that a template declares, what there is to say of the others)."""
    findings = Findings()
    if variables:
        read_terraform(template, variables, findings)
    unknown = [finding for finding in findings if is_undeclared(finding)]
    missing = {finding.where for finding in unknown}
    return {k: v for k, v in variables.items() if Where(f"--var {k}={v}") not in missing}, unknown


def _write(windows: Mapping[Path, tuple[Window, Mapping[str, str]]]) -> tuple[Path, ...]:
    """Each template's window, and values of variables for those that declare them."""
    texts: dict[Path, str] = {}
    declared = {template: _declared(template, variables) for template, (_, variables) in windows.items()}
    every = [unknown for _, unknown in declared.values()]
    problems = [f for f in (every or [[]])[0] if all(f.where in [g.where for g in unknown] for unknown in every)]
    for template, (window, _) in windows.items():
        merged = {**dict(window.variables), **declared[template][0]}
        window = replace(window, variables=tuple(sorted(merged.items())))
        try:
            texts[snapshot_path(template)] = render(template, window)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    for path, text in texts.items():
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError([Finding("error", Where(str(path)), f"cannot be written: {error.strerror}")]) from None
    return tuple(texts)


def compare(path: str | Path) -> tuple[Finding, ...]:
    """What differs between a Terraform file and the snapshot beside it (either may be named): one finding a preset.

    Only what differs is shown: "-" the snapshot, "+" what the schedules ask for now. Raises InputError if either
    cannot be read.
    """
    template = _template_of(Path(path))
    snapshot = snapshot_path(template)
    found = _lines(snapshot)
    wanted = render(template, _window(snapshot)).splitlines()
    if found == wanted:
        return ()
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
    return tuple(findings)


def differences(templates: Iterable[Path]) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """(what is wrong with the snapshots beside these Terraform files, what differs between the two).

    Neither for a template without a snapshot, nor for one that cannot be read itself, of which whoever reads it for its
    own sake tells.
    """
    broken: list[Finding] = []
    differing: list[Finding] = []
    for template in templates:
        if not snapshot_path(template).exists():
            continue
        try:
            differing += compare(template)
        except InputError as error:
            broken += [problem for problem in error.problems if problem.where.path == str(snapshot_path(template))]
    return tuple(broken), tuple(differing)


def templates(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """The Terraform files with presets at or below `paths`, hidden folders left out. Raises InputError."""
    found: dict[Path, None] = {}
    problems = []
    for path in map(Path, paths):
        inside: Iterable[Path] = [path]
        if path.is_dir():
            every = sorted(path.rglob("*.tf"))
            inside = [f for f in every if not any(part.startswith(".") for part in f.relative_to(path).parts)]
            inside = [f for f in inside if f.is_file() and PRESET in f.read_text(encoding="utf-8", errors="replace")]
            if not inside:
                problems.append(Finding("error", Where(str(path)), f'no data "{PRESET}" here or below'))
        elif not path.is_file():
            problems.append(Finding("error", Where(str(path)), "there is no such file or folder"))
        elif path.suffix != ".tf":
            problems.append(Finding("error", Where(str(path)), "is not a Terraform file; name a .tf file or a folder"))
        found.update(dict.fromkeys(inside))
    if problems:
        raise InputError(problems)
    return tuple(found)


def _template_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(SUFFIX) + ".tf") if path.name.endswith(SUFFIX) else path


def _lines(snapshot: Path) -> list[str]:
    try:
        return snapshot.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        text = f"there is no snapshot; write one with: simkit snapshot {_template_of(snapshot)}"
    except OSError as error:
        text = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        text = f"is not UTF-8 text (byte {error.start}); write it again with: simkit snapshot {_template_of(snapshot)}"
    raise InputError([Finding("error", Where(str(snapshot)), text)])


def _window(snapshot: Path) -> Window:
    """What the first lines of a snapshot say. Raises InputError."""
    said: dict[str, tuple[int, str]] = {}
    variables = {}
    for number, line in enumerate(_lines(snapshot), start=1):
        if not line:
            break
        if match := _HEADER.fullmatch(line):
            key, value = match[1], match[2].strip()
            if key == "var":
                name, _, text = value.partition("=")
                variables[name] = text
            else:
                said[key] = number, value
    findings = Findings()
    again = f"write it again with: simkit snapshot {_template_of(snapshot)}"
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
    findings.raise_errors()
    return Window(monday, weeks, tuple(sorted(variables.items())))


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
    steps = schedule_steps(preset, DEFAULT_BEHAVIOUR, start_at, end_at)
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
