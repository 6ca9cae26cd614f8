"""The week of a setting, redrawn at each move: what is wanted and ready, and who comes, by hour of the local week.

Written as SVG here: matplotlib takes a fifth of a second for a picture, and a move has a tenth for everything.
"""

from __future__ import annotations

from base64 import b64encode
from html import escape

import numpy as np
import numpy.typing as npt

from simkit.clock import WEEKDAYS
from simkit.model import HOURS_PER_WEEK
from simkit.shown import visible
from simkit.studies.explore.setting import Seen
from simkit.studies.style import MISSED, READY, SERVED, WANTED

_WIDTH, _LEFT, _RIGHT = 920, 60, 10
_ABOVE, _BELOW = (30, 180), (205, 275)  # top and bottom of the two charts
_HEIGHT = 325
_TODAY = "#777777"


def week(seen: Seen, today: Seen, preset: str, timezone: str) -> str:
    """An image of a page. Means over the window's weeks; today's number beside what is set now."""
    instances = _top(seen.wanted, today.wanted, seen.ready)
    claims = _top(seen.served + seen.missed)
    alt = (
        f"{preset}: prebuilds wanted and ready, and claims served and missed, by hour of the week. "
        f"Wanted {_heard(seen.wanted)}; today {_heard(today.wanted)}; ready on average {_heard(seen.ready)}. "
        f"Claims an hour: served {_heard(seen.served)}; that found none {_heard(seen.missed)}."
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="DejaVu Sans, sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        *(_line(_x(24 * day), _ABOVE[0], _x(24 * day), _BELOW[1], "#dddddd") for day in range(8)),
        _area(seen.ready, instances, _ABOVE, READY, 0.55),
        _steps(today.wanted, instances, _ABOVE, _TODAY, "2 3"),
        _steps(seen.wanted, instances, _ABOVE, WANTED, "6 3"),
        _area(seen.served + seen.missed, claims, _BELOW, MISSED, 1.0),
        _area(seen.served, claims, _BELOW, SERVED, 1.0),
        *_axis(instances, _ABOVE, "prebuilds"),
        *_axis(claims, _BELOW, "claims / h"),
        *(_text(_x(24 * day + 12), _BELOW[1] + 16, name, "middle") for day, name in enumerate(WEEKDAYS)),
        _text(_x(HOURS_PER_WEEK / 2), _HEIGHT - 12, f"hour of the week, local time, {timezone}", "middle"),
        *_legend(),
        "</svg>",
    ]
    image = b64encode("".join(parts).encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{image}" width="{_WIDTH}" alt="{escape(visible(alt))}">'


def _heard(values: npt.NDArray[np.float64]) -> str:
    low, high, most = float(values.min()), float(values.max()), int(values.argmax())
    if low == high:
        return f"{high:,.3g} in every hour"
    return f"{low:,.3g} to {high:,.3g}, most on {WEEKDAYS[most // 24]} from {most % 24:02d}:00"


def _top(*values: npt.NDArray[np.float64]) -> int:
    return max(1, int(np.ceil(max(float(each.max()) for each in values))))


def _x(hour: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * hour / HOURS_PER_WEEK


def _path(values: npt.NDArray[np.float64], top: int, within: tuple[int, int]) -> str:
    """A level for each hour, as moves across and up or down."""
    y = within[1] - values / top * (within[1] - within[0])
    return " ".join(f"V{level:.1f} H{_x(hour + 1):.1f}" for hour, level in enumerate(y.tolist()))


def _area(values: npt.NDArray[np.float64], top: int, within: tuple[int, int], color: str, opacity: float) -> str:
    path = f"M{_x(0):.1f} {within[1]} {_path(values, top, within)} V{within[1]} Z"
    return f'<path d="{path}" fill="{color}" fill-opacity="{opacity}"/>'


def _steps(values: npt.NDArray[np.float64], top: int, within: tuple[int, int], color: str, dashes: str) -> str:
    begin = within[1] - float(values[0]) / top * (within[1] - within[0])
    path = f"M{_x(0):.1f} {begin:.1f} {_path(values, top, within)}"
    return f'<path d="{path}" fill="none" stroke="{color}" stroke-width="1.5" stroke-dasharray="{dashes}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, color: str, dashes: str = "") -> str:
    return f'<path d="M{x1:.1f} {y1} L{x2:.1f} {y2}" stroke="{color}" stroke-dasharray="{dashes}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222222">{escape(visible(text))}</text>'


def _axis(top: int, within: tuple[int, int], label: str) -> list[str]:
    middle = (within[0] + within[1]) / 2
    turned = f'<g transform="rotate(-90 16 {middle})">{_text(16, middle, label, "middle")}</g>'
    ends = (_text(_LEFT - 6, within[1] + 4, "0", "end"), _text(_LEFT - 6, within[0] + 8, str(top), "end"))
    return [turned, *ends, _line(_LEFT, within[1], _WIDTH - _RIGHT, within[1], "#555555")]


def _legend() -> list[str]:
    found, x = [], float(_LEFT)
    for text, color, dashes in (
        ("ready, on average", READY, None),
        ("wanted as set here", WANTED, "6 3"),
        ("wanted today", _TODAY, "2 3"),
        ("claims served", SERVED, None),
        ("claims that found none", MISSED, None),
    ):
        box = f'<rect x="{x:.1f}" y="7" width="16" height="10" fill="{color}"/>'
        found += [box if dashes is None else _line(x, 12, x + 18, 12, color, dashes), _text(x + 23, 16, text)]
        x += 45 + 6.6 * len(text)
    return found
