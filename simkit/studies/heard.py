"""What a picture shows, in words and numbers: for whoever hears a page, or has its text alone.

An axis is told as `fmt_xdata` and `fmt_ydata` of its panel say, matplotlib's own place for how a coordinate is read, or
else as its marks are written; a cell of an image as its `format_cursor_data` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from matplotlib.ticker import FixedLocator, FuncFormatter, PercentFormatter, StrMethodFormatter

TOLD = "<told>"
"""The label of a panel that is not looked at: the picture's own text has its numbers."""
_EACH = (12, 6, 0)
"""Values of a series up to which each is told; of more from where to where they go. Fewer, if it gets too long."""
_LONGEST = 1000
"""Characters; who wants to hear more has the tables."""
_WRITTEN = (FuncFormatter, PercentFormatter, StrMethodFormatter)
_UNNAMED, _HIDDEN = "_child", "_nolegend_"

Values = npt.NDArray[np.float64]


def heard(figure: Figure) -> str:
    """A sentence for each panel: its series by the names of the legend, each with its values or with their ends."""
    panels = [ax for ax in figure.axes if ax.get_label() not in ("<colorbar>", TOLD)]
    told: list[str] = []
    for each in _EACH:
        told = [text for ax in panels if (text := _panel(ax, each))]
        if len(" ".join(told)) <= _LONGEST:
            return " ".join(told)
    while len(told) > 1 and len(" ".join(told)) > _LONGEST:
        told.pop()
    text = " ".join(told)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rsplit(';', 1)[0].rstrip(';.,')} …"


def _panel(ax: Axes, each: int) -> str:
    series = [*_images(ax, each), *_bars(ax, each), *_lines(ax, each), *_segments(ax, each), *_areas(ax)]
    if not series:
        series = [_line(text.get_text()) for text in ax.texts[:12] if any(map(str.isdigit, text.get_text()))]
    scales = (image.colorbar.ax.get_ylabel() for image in ax.images if image.colorbar is not None)
    name = next(filter(None, (ax.get_title("left"), ax.get_title(), ax.get_ylabel(), ax.get_xlabel(), *scales)), "")
    return f"{_line(name)}{': ' if name else ''}{'; '.join(series)}." if series else ""


def _images(ax: Axes, each: int) -> Iterator[str]:
    images = [image for image in ax.images if image.get_label() != _HIDDEN]
    for image in images:
        cells: Values = np.ma.filled(np.ma.asarray(image.get_array(), dtype=float), np.nan)
        if cells.ndim != 2 or not np.isfinite(cells).any():
            continue
        cells = np.where(np.isfinite(cells), cells, np.nan)
        if each and len(cells) <= each and sum(len(other.images) for other in ax.figure.axes) == 1:
            yield from (_row(ax, image, row, values, each) for row, values in enumerate(cells))
            continue
        row, column = np.unravel_index(int(np.nanargmax(cells)), cells.shape)
        where = f"{_at(ax.yaxis, float(row))}, {_at(ax.xaxis, float(column))}"
        yield f"{_ends(_cell(image), cells.ravel())}, most at {where}"


def _row(ax: Axes, image: AxesImage, row: int, values: Values, each: int) -> str:
    name, known, written = _at(ax.yaxis, float(row)), np.flatnonzero(np.isfinite(values)), _cell(image)
    if len(known) == 0 or len(known) > each:
        most = f", most at {_at(ax.xaxis, float(np.nanargmax(values)))}" if len(set(values[known])) > 1 else ""
        return f"{name} {_ends(written, values)}{most}"
    return f"{name} {', '.join(f'{_at(ax.xaxis, float(at))} {written(values[at])}' for at in known)}"


def _cell(image: AxesImage) -> Callable[[float], str]:
    own = image.__dict__.get("format_cursor_data")
    return own if own is not None else _number


def _bars(ax: Axes, each: int) -> Iterator[str]:
    containers = [bars for bars in ax.containers if isinstance(bars, BarContainer)]
    by_name: dict[tuple[str, bool], list[Values]] = {}
    for bars in containers:
        by_name.setdefault((_label(bars.get_label()), bars.orientation == "horizontal"), []).append(_places(bars))
    together = {of: np.concatenate(parts, axis=1) for of, parts in by_name.items()}
    ends = {(round(x, 6), round(y, 6)) for at, _, end in together.values() for x, y in zip(at, end, strict=True)}
    for (label, flat), (at, begin, end) in together.items():
        names, values = (ax.yaxis, ax.xaxis) if flat else (ax.xaxis, ax.yaxis)
        stands = all(b == 0 or (round(x, 6), round(b, 6)) in ends for x, b in zip(at, begin, strict=True))
        if stands and _own(values) is None:
            told = _each(names, values, at, end - begin, each)
        else:
            told = _spans(names, values, at, begin, end, each)
        yield f"{label} {told}".lstrip()


def _places(bars: BarContainer) -> Values:
    """Where each bar stands, begins and ends."""
    flat = bars.orientation == "horizontal"
    at = [r.get_y() + r.get_height() / 2 if flat else r.get_x() + r.get_width() / 2 for r in bars.patches]
    begin = np.array([r.get_x() if flat else r.get_y() for r in bars.patches], dtype=float)
    size = np.array([r.get_width() if flat else r.get_height() for r in bars.patches], dtype=float)
    return np.array([at, begin, begin + size])


def _lines(ax: Axes, each: int) -> Iterator[str]:
    dots: list[Values] = []
    for line in ax.get_lines():
        x, y = (np.asarray(values, dtype=float) for values in line.get_data(orig=False))
        label, of = _label(line.get_label()), line.get_transform()
        if not label and _is_dots(line) and len(x):
            dots.append(np.array([x, y]))
        if not label or not np.isfinite(y).any():
            continue
        if of is ax.get_yaxis_transform("grid"):  # a line through the whole panel
            yield _named_level(label, _text(ax.yaxis, y[0]))
        elif of is ax.get_xaxis_transform("grid"):
            yield _named_level(label, _text(ax.xaxis, x[0]))
        else:
            yield f"{label} {_points(ax, x, y, each)}"
    if dots:
        x, y = np.concatenate(dots, axis=1)
        yield _points(ax, x, y, each)
    for bars in ax.containers:
        if isinstance(bars, ErrorbarContainer) and bars.lines[0] is not None:
            x, y = (np.asarray(values, dtype=float) for values in bars.lines[0].get_data(orig=False))
            yield f"{_label(bars.get_label())} {_points(ax, x, y, each)}".lstrip()
    for marks in ax.collections:
        if isinstance(marks, PathCollection) and (label := _label(marks.get_label())):
            x, y = np.asarray(marks.get_offsets(), dtype=float).T
            yield f"{label} {_points(ax, x, y, each)}"


def _named_level(label: str, level: str) -> str:
    return label if any(map(str.isdigit, label)) else f"{label} {level}"


def _is_dots(line: Line2D) -> bool:
    """Points without a name in the legend: the rows or columns that they stand in have names."""
    return str(line.get_label()).startswith(_UNNAMED) and line.get_marker() not in ("None", None, "", " ")


def _points(ax: Axes, x: Values, y: Values, each: int) -> str:
    """By the names of the rows that they stand in, or as heights."""
    if _in_rows(ax, y):
        return _each(ax.yaxis, ax.xaxis, y, x, each)
    return _each(ax.xaxis, ax.yaxis, x, y, each)


def _in_rows(ax: Axes, y: Values) -> bool:
    rows = _names(ax.yaxis)
    return bool(rows) and _own(ax.yaxis) is None and all(round(float(at), 6) in rows for at in y)


def _segments(ax: Axes, each: int) -> Iterator[str]:
    of_bars = [part for bars in ax.containers if isinstance(bars, ErrorbarContainer) for part in bars.lines[2]]
    by_name: dict[str, list[Values]] = {}
    for lines in ax.collections:
        if isinstance(lines, LineCollection) and lines.get_label() != _HIDDEN and lines not in of_bars:
            ends = [np.asarray(path, dtype=float)[[0, -1]] for path in lines.get_segments() if len(path) > 1]
            by_name.setdefault(_label(lines.get_label()), []).extend(ends)
    for label, parts in by_name.items():
        if not parts:
            continue
        x, y = np.stack(parts).transpose(2, 0, 1)
        if (x[:, 0] == x[:, 1]).all():
            told = _spans(ax.xaxis, ax.yaxis, x[:, 0], y[:, 0], y[:, 1], each)
        elif _in_rows(ax, y[:, 0]):
            told = _spans(ax.yaxis, ax.xaxis, y[:, 0], x[:, 0], x[:, 1], each)
        else:
            told = _each(ax.xaxis, ax.yaxis, x.mean(axis=1), y[:, 0], each)
        yield f"{label} {told}".lstrip()


def _areas(ax: Axes) -> Iterator[str]:
    steps = [patch for patch in ax.patches if isinstance(patch, StepPatch)]
    tops: list[Values] = [np.asarray(patch.get_data()[0], dtype=float) for patch in steps]
    for patch, top in zip(steps, tops, strict=True):
        if label := _label(patch.get_label()):
            baseline: Any = patch.get_data()[2]
            below: Values = np.zeros(1) if baseline is None else np.atleast_1d(np.asarray(baseline, dtype=float))
            stands = not below.any() or any(top.shape == below.shape and np.allclose(top, below) for top in tops)
            yield f"{label} {_ends(ax.yaxis, top - below if stands else np.concatenate([below, top]))}"
    for area in ax.collections:
        if isinstance(area, PolyCollection) and (label := _label(area.get_label())):
            heights = np.concatenate([path.vertices[:, 1] for path in area.get_paths()] or [np.array([])])  # type: ignore[index]
            if len(heights):
                yield f"{label} {_ends(ax.yaxis, heights)}"


def _each(names: Axis, values: Axis, at: Values, sizes: Values, each: int) -> str:
    if len(sizes) > each or not (_names(names) or _own(names)):
        return _ends(values, sizes)
    return ", ".join(f"{_at(names, where)} {_text(values, size)}" for where, size in zip(at, sizes, strict=True))


def _spans(names: Axis, values: Axis, at: Values, begin: Values, end: Values, each: int) -> str:
    """Of bars and lines that begin elsewhere than at nothing."""
    if len(at) > each:
        first, last = _text(values, float(begin.min())), _text(values, float(end.max()))
        return f"{len(at)} times between {first} and {last}"
    rows = zip(at, begin, end, strict=True)
    return ", ".join(f"{_at(names, where)} {_text(values, a)} to {_text(values, b)}" for where, a, b in rows)


def _ends(axis: Axis | Callable[[float], str] | None, values: Values) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "nothing"
    ends = sorted((known.min(), known.max()), key=abs) if (known <= 0).all() else (known.min(), known.max())
    low, high = (axis(end) if callable(axis) else _text(axis, end) for end in ends)
    return low if low == high else f"from {low} to {high}"


def _text(axis: Axis | None, value: float) -> str:
    """As its panel says, or as the axis writes it; about the nearest of its marks, where only these have names."""
    if not np.isfinite(value):
        return "nothing"
    if axis is not None and (own := _own(axis)):
        return _line(own(value))
    if axis is not None and (names := _names(axis)):
        nearest = min(names, key=lambda at: abs(at - value))
        return names[nearest] if _is_beside(nearest, value, names) else f"about {names[nearest]}"
    formatter = None if axis is None else axis.get_major_formatter()
    written = _line(formatter(float(f"{value:.4g}"))) if isinstance(formatter, _WRITTEN) else ""
    return written or _number(value)


def _number(value: float) -> str:
    return f"{value:,.4g}"


def _at(axis: Axis, where: float) -> str:
    """The name of a place on an axis of names; its number, where only some of them have a mark."""
    if own := _own(axis):
        return _line(own(where))
    names = _names(axis)
    if (name := names.get(round(where, 6))) is not None:
        return name
    return f"{where:.4g}" if where.is_integer() or not names else _text(axis, where)


def _is_beside(mark: float, value: float, names: Mapping[float, str]) -> bool:
    """Whether a value stands at a mark: also a little beside, where marks are places for things of one name."""
    if mark == value:
        return True
    places = sorted(names)
    return abs(mark - value) < 0.5 and all(b - a == 1 for a, b in pairwise(places))


def _own(axis: Axis) -> Callable[[float], str] | None:
    """How its panel, or one that has the same axis, reads a coordinate."""
    is_x = axis is axis.axes.xaxis
    found = ((ax.fmt_xdata if is_x else ax.fmt_ydata) for ax in _siblings(axis))
    return next(filter(None, found), None)


def _siblings(axis: Axis) -> list[Axes]:
    is_x = axis is axis.axes.xaxis
    shared = axis.axes.get_shared_x_axes() if is_x else axis.axes.get_shared_y_axes()
    return list(shared.get_siblings(axis.axes))


def _names(axis: Axis) -> Mapping[float, str]:
    """The marks that have a name, also where they stand beside another panel that has the same axis."""
    if not isinstance(axis.get_major_locator(), FixedLocator):
        return {}
    found: dict[float, str] = {}
    is_x = axis is axis.axes.xaxis
    for ax in _siblings(axis):
        of = ax.xaxis if is_x else ax.yaxis
        for at, text in zip(of.get_ticklocs(), of.get_ticklabels(), strict=False):
            if name := _line(text.get_text()):
                found[round(float(at), 6)] = name
    return found


def _label(text: object) -> str:
    """What stands in the legend; "" for what does not."""
    return "" if str(text).startswith("_") else _line(str(text))


def _line(text: str) -> str:
    return " ".join(text.split())
