"""How pictures look: colours, the figure that shows itself, titles, axes of local time, steps and whiskers."""

from __future__ import annotations

import textwrap
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta
from io import BytesIO
from typing import Any, Literal

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine

from simkit.clock import DAY_US, MINUTE_US, WEEK_US, Int64Array, Zone
from simkit.shown import escaped, visible
from simkit.studies.heard import heard
from simkit.times import day_month, short_weekday

# Okabe and Ito's colours, which people with any colour vision tell apart.
SERVED, MISSED, WANTED, READY, STARTING, OTHER = "#0072B2", "#D55E00", "#000000", "#56B4E9", "#E69F00", "#BBBBBB"
MEDIAN, TAIL = "#0072B2", "#D55E00"
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib
    "font.size": 9.0,
    "text.parse_math": False,  # a name with dollars is no formula
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": False,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "svg.hashsalt": "simkit",  # names in a picture are the same every time
}
styled = matplotlib.rc_context(_STYLE)
WIDTH = 9.2  # inches; at 100 pixels each it fits the text column of a report
_DPI = 100
_SMALL = 100_000  # bytes of an SVG; a PNG of a full picture has 40,000 to 160,000
_LONGEST_NAME = 60  # characters, at which there is room for a picture beside it
_TITLE = 93  # characters, also capitals, for which a title has room over the whole width


class Picture(Figure):
    """A figure that shows itself in a notebook, sharp on any screen; the same bytes every time.

    `alt`: what it shows; `numbers`: those that `heard` cannot tell from it, as sentences.
    """

    alt = ""
    numbers = ""
    _is_laid_out = False

    def get_layout_engine(self) -> LayoutEngine | None:
        """None once it is laid out: matplotlib would lay it out, and draw it once more for that, for every file."""
        return None if self._is_laid_out else super().get_layout_engine()

    def png(self) -> bytes:
        """At twice the resolution it is shown in."""
        return self._drawn("png", dpi=2 * _DPI, metadata={"Software": None})

    def svg(self) -> bytes:
        """Its letters are drawn, so that it looks alike everywhere."""
        return self._drawn("svg", metadata={"Date": None, "Creator": None})

    def _drawn(self, of: str, **how: Any) -> bytes:
        buffer = BytesIO()
        with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
            # The font has not the letters of every language; those of a name are drawn as boxes then.
            warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font", UserWarning)
            if (engine := self.get_layout_engine()) is not None:
                engine.execute(self)
                self._is_laid_out = True
            self.savefig(buffer, format=of, **how)
        return buffer.getvalue()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Lines and areas as SVG; thousands of points, which are smaller so, as PNG."""
        svg = self.svg()
        width, height = (round(inches * _DPI) for inches in self.get_size_inches())
        shown = {"width": width, "height": height, "alt": visible(self._text())}
        # Drawing takes a quarter of a report's time: what no PNG is much smaller than is not drawn once more to see.
        if len(svg) <= _SMALL or len(svg) <= len(png := self.png()):
            return {"image/svg+xml": svg.decode()}, {"image/svg+xml": shown}
        return {"image/png": b64encode(png).decode()}, {"image/png": shown}

    def _text(self) -> str:
        numbers = " ".join(filter(None, (self.numbers.strip(), heard(self))))
        return f"{self.alt.rstrip('.')}. {numbers}" if numbers else self.alt


AGES = tuple(
    (seconds, text)
    for seconds, text in (
        (10, "10s"),
        (60, "1m"),
        (300, "5m"),
        (1800, "30m"),
        (7200, "2h"),
        (28800, "8h"),
        (86400, "1d"),
        (7 * 86400, "1w"),
        (30 * 86400, "30d"),
        (365 * 86400, "1y"),
    )
)


def steps(
    at: Int64Array, values: Iterable[int], from_at: int, until_at: int
) -> tuple[npt.NDArray[np.float64], Int64Array]:
    """Where a step function changes in [from_at, until_at], and both ends of it: exact, whatever the number of rows."""
    inside = at[(at > from_at) & (at < until_at)]
    x = np.concatenate([[from_at], inside, [max(until_at, from_at)]])
    y = value_at(at, values, x)
    y[-1] = value_at(at, values, x[-1:] - 1)[0]
    keep = np.ones(x.size, dtype=bool)
    keep[1:-1] = y[1:-1] != y[:-2]
    return x[keep] / DAY_US, y[keep]


def value_at(at: Int64Array, values: Iterable[int], when: Int64Array) -> Int64Array:
    """The value that holds at each instant of `when`, 0 before the first."""
    padded = np.concatenate([[0], np.asarray(values, dtype=np.int64)])
    return padded[np.searchsorted(at, when, side="right")]


def whiskers(by: pd.DataFrame, middle: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.maximum(np.stack([middle - by["low"].to_numpy(), by["high"].to_numpy() - middle]), 0.0)


def days_axis(ax: Axes, where: Zone, from_at: int, until_at: int) -> None:
    """Days of the zone's calendar: lines at local midnight, however long the day is.

    With hours in a week or less, only Mondays in more than five weeks.
    """
    days = [where.local(from_at).date()]
    while where.at(datetime.combine(days[-1], time())) < until_at:
        days.append(days[-1] + timedelta(days=1))
    short = until_at - from_at <= WEEK_US + DAY_US
    every = 1 if short else -(-len(days) // 12)
    if every > 3:  # weeks
        mondays = [day for day in days if day.weekday() == 0]
        days = mondays[:: -(-len(mondays) // 12)]
    else:
        days = days[::every]
    midnights = [where.at(datetime.combine(day, time())) for day in days]
    if short:
        hours = [(day, hour, where.at(datetime.combine(day, time(hour)))) for day in days for hour in (6, 12, 18)]
        labels = [
            f"{hour}\n{short_weekday(day)} {day_month(day)}" if hour == 12 else str(hour) for day, hour, _ in hours
        ]
        ax.set_xticks([x_of(at) for *_, at in hours], labels)
        ax.set_xticks([x_of(at) for at in midnights], minor=True)
        ax.grid(axis="x", which="minor")
        ax.tick_params(axis="x", which="minor", length=8)
    else:
        ax.set_xticks([x_of(at) for at in midnights], [f"{short_weekday(day)}\n{day_month(day)}" for day in days])
        ax.grid(axis="x")
    ax.set_axisbelow(True)
    ax.set_xlim(x_of(from_at), x_of(until_at))
    ax.fmt_xdata = told_as_time(where)


def told_as_time(where: Zone, with_day: bool = True) -> Callable[[float], str]:
    """How a place on an axis of instants is told: on the zone's wall clock."""

    def told(x: float) -> str:
        local = where.local(round(x * DAY_US / MINUTE_US) * MINUTE_US)
        return f"{short_weekday(local)} {day_month(local)} {local:%H:%M}" if with_day else f"{local:%H:%M}"

    return told


_SIDES: dict[str, Literal["outside upper left", "outside upper right"]] = {
    "left": "outside upper left",
    "right": "outside upper right",
}


def legend(picture: Picture, *axes: Axes, side: Literal["left", "right"] = "right", ncols: int = 0) -> None:
    """One legend for several axes, above them, with each label once. `ncols` 0: in rows of up to five."""
    handles = {handle.get_label(): handle for ax in axes for handle in ax.get_legend_handles_labels()[0]}
    picture.legend(handles=list(handles.values()), loc=_SIDES[side], ncols=ncols or min(max(len(handles), 1), 5))


def local_time(name: str) -> str:
    return "time, UTC" if name == "UTC" else f"local time, {name}"


def local_times(names: Iterable[str]) -> str:
    different = list(dict.fromkeys(names))
    return local_time(different[0]) if len(different) == 1 else "local time of each preset's zone"


def shown_name(text: str) -> str:
    """A name from the inputs as text in a picture, as far as there is room."""
    seen = visible(text)
    return seen if len(seen) <= _LONGEST_NAME else f"{seen[: _LONGEST_NAME - 1]}…"


def titled(ax: Axes, *texts: str, columns: int = 1) -> None:
    """A panel's title in the room of one of `columns` beside each other: one line if it fits, else wrapped texts."""
    room = max(_TITLE // columns, 12)
    whole = ", ".join(texts)
    lines = [whole] if len(whole) <= room else [textwrap.fill(text, room) for text in texts]
    ax.set_title("\n".join(lines), fontsize=8 if columns > 1 else None)


def instants(column: pd.Series[Any]) -> Int64Array:
    """A column of instants as int64 microseconds."""
    return column.dt.as_unit("us").astype("int64").to_numpy()


def x_of(at: int) -> float:
    return at / DAY_US


class _Sentence(Picture):
    """What a notebook shows as text, which is read on a phone, found, and heard once."""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"text/html": f"<p>{escaped(self.alt)}</p>", "text/plain": visible(self.alt)}, {}


def empty(sentence: str) -> Picture:
    """In place of a picture that would show nothing."""
    picture = _Sentence(figsize=(WIDTH, 0.6))
    picture.alt = sentence
    picture.text(0.01, 0.5, sentence, va="center", color="#555555", fontsize=10)
    return picture
