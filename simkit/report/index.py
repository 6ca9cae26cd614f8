"""The page over all reports: what each came to, what has changed since the one before, and what is out of bounds."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import NamedTuple

from simkit.clock import format_instant, to_datetime
from simkit.shown import visible
from simkit.store.reports import Made
from simkit.times import about, many, weekday_date

PICTURE = re.compile(rb'src="(data:image/[a-z+]+;base64,[A-Za-z0-9+/=]+)"')
_LARGEST = 400_000  # bytes of a picture that the index repeats: a hundred reports stay a page that opens at once


class Bound(NamedTuple):
    """What a number is on the wrong side of: "below" or "above" `limit`."""

    side: str
    limit: float


@dataclass(frozen=True)
class Threshold:
    """What a number must not be below or above. `measure`: a field of `Made`."""

    measure: str
    at_least: float | None
    at_most: float | None

    def broken_by(self, made: Made) -> Bound | None:
        """The bound that a report is out of; None if it keeps them, or has no such number."""
        value = getattr(made, self.measure)
        if value is None:
            return None
        if self.at_least is not None and value < self.at_least:
            return Bound("below", self.at_least)
        if self.at_most is not None and value > self.at_most:
            return Bound("above", self.at_most)
        return None


class _Column(NamedTuple):
    measure: str
    heading: str
    text: Callable[[float], str]
    change: Callable[[float], str]


def _signed(number: float, digits: int = 0) -> str:
    return f"{number:+,.{digits}f}"


def _seconds_changed(seconds: float) -> str:
    return f"{'+' if seconds >= 0 else '-'}{about(abs(seconds))}"


_COLUMNS = (
    _Column("hit_rate", "hit rate", lambda x: f"{x:.1%}", lambda x: f"{_signed(100 * x, 1)} points"),
    _Column("wait_p95_s", "longest wait, p95", lambda x: str(about(x)), _seconds_changed),
    _Column("idle_hours_per_week", "idle hours a week", lambda x: f"{x:,.0f}", _signed),
    _Column("idle_cost_per_week", "idle cost a week", lambda x: f"{x:,.0f}", _signed),
    _Column("claims", "claims", lambda x: f"{x:,.0f}", _signed),
    _Column("hard_limited_presets", "hard-limited presets", lambda x: f"{x:,.0f}", _signed),
)


def index_page(out: Path, rows: Sequence[Made], thresholds: Mapping[tuple[str, str], Sequence[Threshold]]) -> str:
    """One HTML file: a row for each report of the folder `out`, the newest of `rows`, which are in order of time."""
    by_place: dict[tuple[str, str], list[Made]] = {}
    for row in rows:
        by_place.setdefault((row.notebook, row.report), []).append(row)
    body = "\n".join(_row(out, mine, thresholds.get(place, ())) for place, mine in sorted(by_place.items()))
    headings = ["report", *(column.heading for column in _COLUMNS), "made"]
    head = "".join(
        f'<th scope="col" aria-sort="none"><button type="button">{escape(text)}</button></th>' for text in headings
    )
    newest = [mine[-1] for mine in by_place.values()]
    failed = sum(bool(row.message) for row in newest)
    broken = sum(
        any(threshold.broken_by(row) for threshold in thresholds.get((row.notebook, row.report), ())) for row in newest
    )
    told = f"{many(len(newest), 'report')}, the newest of {_day(max(row.made_at for row in newest))}."
    told += f" {failed} could not be made." if failed else " All were made."
    told += f" {broken} out of bounds." if broken else ""
    folder = resources.files("simkit").joinpath("report")
    script = folder.joinpath("index.js").read_text(encoding="utf-8")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return Template(folder.joinpath("index.html").read_text(encoding="utf-8")).substitute(
        style=folder.joinpath("look.css").read_text(encoding="utf-8"),
        told=escape(told),
        head=head,
        body=body,
        script=script,
        script_digest=digest,
    )


def _day(at: int) -> str:
    when = to_datetime(at)
    return f"{weekday_date(when)} {when:%H:%M} UTC"


def _row(out: Path, mine: Sequence[Made], bounds: Sequence[Threshold]) -> str:
    newest = mine[-1]
    good = [row for row in mine if not row.message]
    shown, before = (good[-1] if good else newest), (good[-2] if len(good) > 1 else None)
    name = f"{visible(newest.notebook)} · {visible(newest.report)}"
    picture = _thumbnail(out / shown.page) if shown.page else ""
    link = f'<a href="{escape(shown.page)}">{picture}{escape(name)}</a>' if shown.page else escape(name)
    if newest.message:
        link += f'<p class="bad">Not made {escape(_day(newest.made_at))}: {escape(visible(newest.message))}</p>'
    cells = [f'<th scope="row" data-value="{escape(name)}">{link}</th>']
    for column in _COLUMNS:
        cells.append(_cell(column, shown, before, [bound for bound in bounds if bound.measure == column.measure]))
    older = "".join(
        f'<li><a href="{escape(place.relative_to(out).as_posix())}">{escape(place.parent.name)}</a></li>'
        for place in _older(out, shown)
    )
    past = f"<details><summary>{older.count('<li>')} older</summary><ul>{older}</ul></details>" if older else ""
    made = f'<time datetime="{format_instant(shown.made_at)}">{escape(_day(shown.made_at))}</time>'
    cells.append(f'<td data-label="made" data-value="{shown.made_at}">{made} in {about(shown.seconds)}{past}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _cell(column: _Column, shown: Made, before: Made | None, bounds: Sequence[Threshold]) -> str:
    value, label = getattr(shown, column.measure), f'data-label="{escape(column.heading)}"'
    if value is None:
        return f'<td {label} data-value=""></td>'
    text = column.text(value)
    if column.measure == "idle_cost_per_week" and shown.currency:
        text += f" {visible(shown.currency)}"
    text = escape(text)
    earlier = None if before is None else getattr(before, column.measure)
    if earlier is not None:
        changed = column.change(value - earlier)
        same = column.change(0.0)
        text += f' <span class="change">{escape("unchanged" if changed == same else changed)}</span>'
    for broken in filter(None, (threshold.broken_by(shown) for threshold in bounds)):
        text += f' <strong class="bad">{broken.side} {escape(column.text(broken.limit))}</strong>'
    return f'<td {label} data-value="{value!r}">{text}</td>'


def _older(out: Path, shown: Made) -> list[Path]:
    page = out / shown.page
    return sorted(page.parent.glob(f"older/*/{page.name}"), reverse=True) if shown.page else []


def _thumbnail(page: Path) -> str:
    """The first picture of a page, if it is not too large to be repeated."""
    found = PICTURE.search(page.read_bytes()) if page.is_file() else None
    if found is None or len(found[1]) > _LARGEST:
        return ""
    return f'<img src="{found[1].decode()}" alt="" loading="lazy">'
