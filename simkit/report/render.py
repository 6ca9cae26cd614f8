"""Notebooks become reports: executed with parameters, written as notebook, as one HTML file and as result.json."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

from simkit.clock import SECOND_US, format_instant
from simkit.errors import Finding, InputError, Where
from simkit.files import write_all
from simkit.report.notebook import MIME, plain
from simkit.report.page import page
from simkit.report.parameters import checked

_ODD = re.compile(r"[^A-Za-z0-9._=-]+|^\.+")
_LONGEST = 80  # characters of a folder's name; file systems allow 255 bytes


@dataclass(frozen=True)
class Report:
    """The files of a report, and what it says."""

    notebook: Path
    html: Path
    result: Path
    sentences: tuple[str, ...]


def render(
    notebook: str | Path,
    parameters: Mapping[str, str],
    directory: str | Path = "reports",
    *,
    made_at: int,
    name: str | None = None,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Report:
    """Execute a notebook with parameters and write its report: notebook, HTML and result.json.

    They are put in `directory`/NOTEBOOK/NAME, where the name is, if not given, that of `named`. `made_at`
    (microseconds) is told in result.json, to the second; result.schema.json beside this module holds the rest, which
    is the same bytes for the same notebook, parameters and versions. Parameters are text and take the type of the
    notebook's own value. `told` is called with how many cells are done, of how many. Raises InputError for a parameter
    that the notebook does not declare, RunError if the notebook fails; nothing is written then.
    """
    source = Path(notebook)
    given, defaults = checked(source, parameters)
    folder = folder_of(source, source.stem, given, defaults, directory, name)
    from simkit.report.execute import execute  # two seconds of imports, which a wrong parameter need not wait for

    with tempfile.TemporaryDirectory(prefix="simkit-report-") as scratch:
        executed = Path(scratch, source.name)
        execute(source, executed, given, told)
        cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
        records = list(_records(cells))
        sentences = tuple(text for text, _ in records)
        found = _result(source, defaults | given, records, made_at)
        folder.mkdir(parents=True, exist_ok=True)
        made = Report(folder / source.name, folder / f"{source.stem}.html", folder / "result.json", sentences)
        write_all(
            {
                made.notebook: executed.read_bytes(),
                made.html: page(executed).encode(),
                made.result: (json.dumps(found, indent=2, sort_keys=True) + "\n").encode(),
            }
        )
    return made


def folder_of(
    source: Path,
    kind: str,
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
    directory: str | Path,
    name: str | None,
) -> Path:
    """Where a report of `source` goes: `directory`/KIND/NAME, by default of `named`. Raises InputError for a name that
    is none, and for a folder that cannot be written to."""
    if name is not None and not is_name(name):
        raise InputError([Finding("error", Where(str(source)), f'"{name}" is no name of a folder; write one word')])
    folder = Path(directory, kind, name or named(given, defaults))
    _check_folder(folder)
    return folder


def _check_folder(folder: Path) -> None:
    """Raise InputError unless files may be written to a folder that is there or can be made: before minutes of work."""
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # looked at below
    except OSError as error:
        text = f"this can be no folder: {error.strerror}; give one that you may write to"
        raise InputError([Finding("error", Where(str(folder)), text)]) from None
    there = next(path for path in (folder, *folder.parents, Path(".")) if os.path.exists(path))
    if not there.is_dir():
        text = "this is no folder; give one that you may write to"
    elif not os.access(there, os.W_OK | os.X_OK):
        text = "you may not write here; give a folder that you may write to"
    else:
        return
    raise InputError([Finding("error", Where(str(there)), text)])


def named(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """What tells a report from others of its notebook, as a folder's name: its scenario and what else was given.

    What a folder's name should not have becomes "-", with a few letters of a digest so that two stay two.
    """
    scenario = str({**defaults, **given}.get("scenario", ""))
    others = [f"{name}={value}" for name, value in sorted(given.items()) if name != "scenario"]
    text = "_".join(filter(None, [PurePath(scenario).stem, *others])) or "default"
    plain_text = _ODD.sub("-", text)[:_LONGEST]
    return plain_text if plain_text == text else f"{plain_text}-{sha256(text.encode()).hexdigest()[:6]}"


def is_name(text: str) -> bool:
    """Whether a folder can have this name, below that of its notebook and nowhere else."""
    return text not in ("", ".", "..") and len(text) <= _LONGEST and not set("/\\\0") & set(text)


def spare_import() -> None:
    """Make the import of papermill in this process, a program's own, three to four times as fast.

    papermill imports nbformat, that jsonschema, and that rfc3987_syntax wherever it is installed, which JupyterLab sees
    to: it compiles its grammars then and there, for longer than all else takes together. They tell what an
    internationalized address is. jsonschema does without, and no schema of a notebook asks; who validates something
    else in the process may. jsonschema has no switch (its issues 1428 and 1521); a test says when it needs none any
    more.
    """
    # None is Python's own way to say that a module cannot be imported. What somebody has imported before stays.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def _records(cells: list[dict[str, Any]]) -> Iterable[tuple[str, dict[str, Any]]]:
    for cell in cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if MIME in data:
                yield "".join(data["text/plain"]), data[MIME]


def _result(
    source: Path, parameters: Mapping[str, Any], records: list[tuple[str, dict[str, Any]]], made_at: int
) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for _, record in records:
        numbers |= record.get("numbers", {})
    runs = [record["run"] for _, record in records if "run" in record]
    return {
        "made_at": format_instant(made_at // SECOND_US * SECOND_US),
        "notebook": source.name,
        "parameters": {name: plain(value) for name, value in parameters.items()},
        "runs": runs,
        "numbers": numbers,
        "sentences": [text for text, _ in records],
    }
