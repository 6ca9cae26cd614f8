"""What a picture shows, in words and numbers: for whoever hears a page, or has its text alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PolyCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.ticker import FixedLocator, FuncFormatter, PercentFormatter, StrMethodFormatter

_EACH = 12
"""Values up to which each is told; of more it is from where to where they go."""
_LONGEST = 1000
"""Characters; who wants to hear more has the tables."""
_WRITTEN = (FuncFormatter, PercentFormatter, StrMethodFormatter)


def heard(figure: Figure) -> str:
    """A sentence for each panel: its series by the names of the legend, each with its values or with their ends."""
    told = [text for ax in figure.axes if ax.get_label() != "<colorbar>" and (text := _panel(ax))]
    while len(told) > 1 and len(" ".join(told)) > _LONGEST:
        told.pop()
    return " ".join(told)[:_LONGEST]


def _panel(ax: Axes) -> str:
    series = [*_images(ax), *_bars(ax), *_lines(ax), *_areas(ax)]
    if not series:
        series = [_line(text.get_text()) for text in ax.texts[:_EACH] if any(map(str.isdigit, text.get_text()))]
    name = _line(next(filter(None, (ax.get_title("left"), ax.get_title(), ax.get_ylabel(), ax.get_xlabel())), ""))
    return f"{name}{': ' if name else ''}{'; '.join(series)}." if series else ""


def _images(ax: Axes) -> Iterator[str]:
    for image in ax.images:
        cells: npt.NDArray[np.float64] = np.ma.filled(np.ma.asarray(image.get_array(), dtype=float), np.nan)
        if cells.ndim != 2 or not np.isfinite(cells).any():
            continue
        cells = np.where(np.isfinite(cells), cells, np.nan)
        row, column = np.unravel_index(int(np.nanargmax(cells)), cells.shape)
        where = f"{_at(ax.yaxis, float(row))}, {_at(ax.xaxis, float(column))}"
        yield f"{_ends(None, cells.ravel())}, most at {where}"


def _bars(ax: Axes) -> Iterator[str]:
    alone: list[str] = []
    for bars in ax.containers:
        if not isinstance(bars, BarContainer):
            continue
        flat = bars.orientation == "horizontal"
        names, values = (ax.yaxis, ax.xaxis) if flat else (ax.xaxis, ax.yaxis)
        sizes = np.asarray(bars.datavalues, dtype=float)
        at = [r.get_y() + r.get_height() / 2 if flat else r.get_x() + r.get_width() / 2 for r in bars.patches]
        told = _each(names, values, np.array(at), sizes)
        if _label(bars.get_label()):
            yield f"{_label(bars.get_label())} {told}"
        else:
            alone.append(told)
    if alone:
        yield ", ".join(alone)


def _lines(ax: Axes) -> Iterator[str]:
    for line in ax.get_lines():
        label = _label(line.get_label())
        x, y = (np.asarray(values, dtype=float) for values in line.get_data(orig=False))
        if label and np.isfinite(y).any():
            yield f"{label} {_points(ax, x, y)}"
    for bars in ax.containers:
        if isinstance(bars, ErrorbarContainer) and bars.lines[0] is not None and (label := _label(bars.get_label())):
            yield f"{label} {_points(ax, *map(np.asarray, bars.lines[0].get_data(orig=False)))}"


def _points(ax: Axes, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> str:
    """By the names of the rows that they stand in, or as heights."""
    rows = _names(ax.yaxis)
    if rows and all(round(float(at), 6) in rows for at in y):
        return _each(ax.yaxis, ax.xaxis, y, x)
    return _each(ax.xaxis, ax.yaxis, x, y)


def _areas(ax: Axes) -> Iterator[str]:
    for patch in ax.patches:
        if isinstance(patch, StepPatch) and (label := _label(patch.get_label())):
            values, _, below = patch.get_data()
            yield f"{label} {_ends(ax.yaxis, np.asarray(values) - np.asarray(0.0 if below is None else below))}"
    for area in ax.collections:
        if isinstance(area, PolyCollection) and (label := _label(area.get_label())):
            heights = np.concatenate([path.vertices[:, 1] for path in area.get_paths()] or [np.array([])])  # type: ignore[index]
            if len(heights):
                yield f"{label} {_ends(ax.yaxis, heights)}"


def _each(names: Axis, values: Axis, at: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64]) -> str:
    if len(sizes) > _EACH or not _names(names):
        return _ends(values, sizes)
    return ", ".join(f"{_at(names, where)} {_text(values, size)}" for where, size in zip(at, sizes, strict=True))


def _ends(axis: Axis | None, values: npt.NDArray[np.float64]) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "nothing"
    low, high = _text(axis, known.min()), _text(axis, known.max())
    return low if low == high else f"from {low} to {high}"


def _text(axis: Axis | None, value: float) -> str:
    """As the axis writes it; about the nearest of its marks, where it has names for these alone."""
    if not np.isfinite(value):
        return "nothing"
    if axis is not None and (names := _names(axis)):
        nearest = min(names, key=lambda at: abs(at - value))
        return names[nearest] if nearest == value else f"about {names[nearest]}"
    formatter = None if axis is None else axis.get_major_formatter()
    written = _line(formatter(value)) if isinstance(formatter, _WRITTEN) else ""
    return written or f"{value:,.4g}"


def _at(axis: Axis, where: float) -> str:
    """The name of a place on an axis of names; its number, where only some of them have a mark."""
    names = _names(axis)
    if (name := names.get(round(where, 6))) is not None:
        return name
    return f"{where:.4g}" if where.is_integer() or not names else _text(axis, where)


def _names(axis: Axis) -> Mapping[float, str]:
    """The marks that have a name, also where they stand beside another panel that has the same axis."""
    if not isinstance(axis.get_major_locator(), FixedLocator):
        return {}
    found: dict[float, str] = {}
    is_x = axis is axis.axes.xaxis
    shared = axis.axes.get_shared_x_axes() if is_x else axis.axes.get_shared_y_axes()
    for ax in shared.get_siblings(axis.axes):
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
