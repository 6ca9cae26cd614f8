"""A demand history in CSV: one row for each time that somebody asked for a workspace."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simkit.clock import Zone, parse_instant
from simkit.errors import Findings, Where
from simkit.model import History

_SHOWN_PROBLEMS = 10


def read_history(
    path: Path,
    in_zone: Zone | None,
    default_preset: str | None,
    presets: Sequence[str],
    findings: Findings,
) -> History:
    """Rows of `started_at` (RFC 3339; without an offset: wall-clock time in `in_zone`) and an optional `preset`.

    Rows may stand in any order, other columns are left alone, a name that ends in .gz is compressed. A row without a
    preset asks for `default_preset`.
    """
    shown = str(path)
    problems: list[tuple[int, str]] = []
    at: list[int] = []
    names: list[str] = []
    known = dict.fromkeys(presets)
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as file
        ):
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if "started_at" not in columns:
                found = ", ".join(columns) or "nothing"
                findings.error(Where(shown, 1), f'has no column "started_at"; its first line has {found}')
                return History(np.empty(0, dtype=np.int64), ())
            for row in reader:
                preset = (row.get("preset") or "").strip() or default_preset
                if preset is None:
                    problems.append((reader.line_num, "names no preset; add one, or set demand.preset for such rows"))
                elif preset not in known:
                    problems.append((reader.line_num, f'there is no preset "{preset}"; there is {", ".join(known)}'))
                try:
                    at.append(parse_instant(row["started_at"] or "", in_zone))
                except ValueError as error:
                    hint = " or set demand.timezone" if in_zone is None and "UTC offset" in str(error) else ""
                    problems.append((reader.line_num, f"started_at: {error}{hint}"))
                    continue
                names.append(preset or "")
    except (OSError, EOFError) as error:
        findings.error(Where(shown), f"cannot be read: {getattr(error, 'strerror', None) or error}")
    except (UnicodeDecodeError, csv.Error) as error:
        findings.error(Where(shown), f"is not CSV in UTF-8: {error}")
    for line, text in problems[:_SHOWN_PROBLEMS]:
        findings.error(Where(shown, line), text)
    if len(problems) > _SHOWN_PROBLEMS:
        findings.error(Where(shown, problems[-1][0]), f"... and {len(problems) - _SHOWN_PROBLEMS} more such lines")
    order = np.argsort(np.array(at, dtype=np.int64), kind="stable")
    return History(np.array(at, dtype=np.int64)[order], tuple(names[i] for i in order.tolist()), Where(shown))
