"""The panel: sliders, what they come to beside today's setting, the week, and the block to copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, format_duration
from simkit.decide.plan import Block, terraform
from simkit.errors import Finding, InputError, Where, did_you_mean
from simkit.inputs.scenario import load
from simkit.model import Scenario
from simkit.runs.counts import count
from simkit.runs.givens import givens
from simkit.shown import visible
from simkit.studies.explore import pictures
from simkit.studies.explore.setting import Seen, Setting, preset_of, see
from simkit.studies.tables import Table
from simkit.times import about, rounded

TTLS = (0, *(hours * HOUR_US for hours in (1, 2, 4, 8, 12, 24, 48, 72, 168)))
_MIN_LEVEL = 20
"""Sliders of numbers reach at least so far; and to twice of what is set today."""
_CHANCE = (
    "One run with one seed: what differs by little may differ by chance. <code>simkit recommend</code> looks for the "
    "best, and says how sure that is."
)


@dataclass(frozen=True)
class Move:
    """A slider: what it is called and the values that it can have; `read` and `put` it in a setting."""

    name: str
    values: tuple[Any, ...]
    read: Callable[[Setting], Any]
    put: Callable[[Setting, Any], Setting]
    shown: Callable[[Any], str] = str


class Panel:
    """A preset's sliders. In JupyterLab it is moved; where nobody moves anything it is its first state, as a picture.

    `setting` is what is set now, `seen` what it comes to, `block` its Terraform. Made by `explore`.
    """

    def __init__(self, scenario: Scenario, preset: str, seed: int) -> None:
        self.scenario, self.preset, self.seed = scenario, preset, seed
        self.today = self.setting = Setting.of(scenario, preset)
        self.before = self.seen = see(scenario, preset, seed)
        self.moves = tuple(_moves(self.today))
        self._widget: Any = None

    def set(self, **changes: Any) -> Seen:
        """Set values by the names of sliders (`base`, `level_1`, `hours_1`, `ttl`, `daemons`, `build`).

        Hours are (first, until), `ttl` and `build` microseconds. Raises InputError for what no slider has.
        """
        moves = {move.name: move for move in self.moves}
        setting = self.setting
        for name, value in changes.items():
            if name not in moves:
                raise _problem(name, f'there is no slider "{name}"; {did_you_mean(name, moves)}')
            if value not in moves[name].values:
                few = ", ".join(str(each) for each in moves[name].values[:3])
                raise _problem(name, f"{value!r} is not on the slider, which has {few}, ... {moves[name].values[-1]}")
            setting = moves[name].put(setting, value)
        changed = setting.scenario(self.scenario, self.preset)
        if problem := preset_of(changed, self.preset).fallback:
            raise _problem("schedules", f"Coder would ignore them all: {problem}")
        self.seen, self.setting = see(changed, self.preset, self.seed), setting
        return self.seen

    @property
    def block(self) -> str:
        """The `prebuilds` block of what is set now."""
        return terraform(preset_of(self.setting.scenario(self.scenario, self.preset), self.preset), "")

    @property
    def table(self) -> Table:
        """Today's setting beside what is set now, a week."""
        import pandas as pd

        rows = [
            (name, told(self.before), told(self.seen))
            for name, told in _measures(self.scenario.currency, bool(self.before.cost or self.seen.cost)).items()
        ]
        return Table(pd.DataFrame(rows, columns=["a week", "today", "as set"]), frozenset({"today", "as set"}))

    @property
    def html(self) -> str:
        """All but the sliders."""
        zone = self.scenario.zone_of(preset_of(self.scenario, self.preset)).name
        picture = pictures.week(self.seen, self.before, self.preset, zone)
        block = escape("\n".join(visible(line) for line in self.block.splitlines()))
        return (
            f"{self.table._repr_html_()}<p>{escape(self._warning())}</p>{picture}<pre>{block}</pre>"
            f"<p><small>{_CHANCE}</small></p>"
        )

    def _warning(self) -> str:
        if not self.seen.limited_us:
            return ""
        return (
            f"The hard limit keeps this pool from building for {about(self.seen.limited_us / SECOND_US)} of the window."
        )

    def __repr__(self) -> str:
        return f"{self.table!r}\n\n{self.block}"

    def _repr_mimebundle_(self, **given: Any) -> Any:
        """The widget where ipywidgets is installed; beside it what is seen where it cannot live."""
        still = {"text/plain": repr(self), "text/html": self.html}
        if self._widget is None:
            self._widget = _widget(self)
        if self._widget is None:
            return still
        bundle = self._widget._repr_mimebundle_(**given)
        data, *metadata = bundle if isinstance(bundle, tuple) else (bundle,)
        return ({**data, **still}, *metadata) if metadata else {**data, **still}


def explore(scenario: str | Path | Scenario, preset: str | None = None, seed: int = 0) -> Panel:
    """A panel over one preset of a scenario (a path or one that was loaded): that with most claims, if none is named.

    Base, hours and levels of the schedules, TTL, daemons and build time are sliders; each move plays the scenario once
    and redraws. Needs ipywidgets (`simkit[lab]`) to be moved. Raises InputError.
    """
    given = load(scenario) if isinstance(scenario, str | Path) else scenario
    names = list(dict.fromkeys(one.name for version in given.versions for one in version.presets))
    if preset is None:
        counted = count(givens(given, seed, 0))
        preset = counted.presets[int(counted.claims.sum(axis=1).argmax())]
    if preset not in names:
        raise _problem("preset", f'there is no preset "{preset}"; {did_you_mean(preset, names)}')
    return Panel(given, preset, seed)


def _problem(name: str, text: str) -> InputError:
    return InputError([Finding("error", Where(name), text)])


def _moves(today: Setting) -> list[Move]:
    most = max(_MIN_LEVEL, 2 * max([today.base, *(block.instances for block in today.blocks)]))
    levels = tuple(range(most + 1))
    found = [Move("base", levels, lambda s: s.base, lambda s, v: replace(s, base=v))]
    for i in range(len(today.blocks)):
        found += [_hours_of(i), _level_of(i, levels)]
    ttls = tuple(sorted({*TTLS, today.ttl_us}))
    found.append(Move("ttl", ttls, lambda s: s.ttl_us, lambda s, v: replace(s, ttl_us=v), _ttl))
    daemons = tuple(range(1, max(_MIN_LEVEL, 2 * today.daemons) + 1))
    found.append(Move("daemons", daemons, lambda s: s.daemons, lambda s, v: replace(s, daemons=v)))
    minutes = tuple(sorted({*(n * MINUTE_US for n in range(1, 31)), today.build_us}))
    if today.build_us:
        found.append(Move("build", minutes, lambda s: s.build_us, lambda s, v: replace(s, build_us=v), _to_the_second))
    return found


def _hours_of(i: int) -> Move:
    def put(setting: Setting, hours: tuple[int, int]) -> Setting:
        return _with_block(setting, i, first=hours[0], last=hours[1] - 1)

    hours = tuple((first, until) for first in range(24) for until in range(first + 1, 25))
    return Move(f"hours_{i + 1}", hours, lambda s: (s.blocks[i].first, s.blocks[i].last + 1), put)


def _level_of(i: int, levels: tuple[int, ...]) -> Move:
    def put(setting: Setting, instances: int) -> Setting:
        return _with_block(setting, i, instances=instances)

    return Move(f"level_{i + 1}", levels, lambda s: s.blocks[i].instances, put)


def _with_block(setting: Setting, i: int, **changes: int) -> Setting:
    blocks: list[Block] = list(setting.blocks)
    blocks[i] = replace(blocks[i], **changes)
    return replace(setting, blocks=tuple(blocks))


def _to_the_second(us: int) -> str:
    return rounded(us, SECOND_US)


def _ttl(us: int) -> str:
    return format_duration(us) if us else "never"


def _measures(currency: str, has_cost: bool) -> Mapping[str, Callable[[Seen], str]]:
    found: dict[str, Callable[[Seen], str]] = {
        "claims": lambda s: f"{s.claims:,.1f}",
        "hit rate": lambda s: "-" if np.isnan(s.hit_rate) else f"{s.hit_rate:.1%}",
        "wait p95": lambda s: str(about(s.wait_p95_s)) or "-",
        "idle instance-hours": lambda s: f"{s.idle_hours:,.0f}",
        "builds of prebuilds": lambda s: f"{s.builds:,.0f}",
    }
    if has_cost:
        found[f"cost of the pool, {visible(currency)}"] = lambda s: f"{s.cost:,.0f}"
    return found


def _widget(panel: Panel) -> Any:
    """Sliders beside what they come to; None without ipywidgets."""
    try:
        import ipywidgets as widgets
    except ImportError:
        return None
    shown = widgets.HTML(panel.html)
    told = widgets.HTML()
    sliders = {}
    for move in panel.moves:
        label = _label(panel, move)
        if move.name.startswith("hours_"):
            first, until = move.read(panel.setting)
            slider = widgets.IntRangeSlider(value=(first, until), min=0, max=24, continuous_update=False)
        else:
            slider = widgets.SelectionSlider(
                options=[(move.shown(v), v) for v in move.values],
                value=move.read(panel.setting),
                continuous_update=False,
            )
        slider.description, slider.style.description_width = label, "16em"
        slider.layout.width = "38em"
        sliders[move.name] = slider

    def moved(change: Any) -> None:
        name = next(name for name, slider in sliders.items() if slider is change["owner"])
        value = change["new"]
        try:
            panel.set(**{name: tuple(value) if isinstance(value, list) else value})
        except InputError as error:
            told.value = f"<p><b>{escape(visible(error.problems[0].text))}</b></p>"
            return
        told.value, shown.value = "", panel.html

    for slider in sliders.values():
        slider.observe(moved, names="value")
    return widgets.VBox([widgets.HTML(f"<h3>{escape(visible(panel.preset))}</h3>"), *sliders.values(), told, shown])


def _label(panel: Panel, move: Move) -> str:
    """For people: which days a schedule's slider is about."""
    kind, _, number = move.name.partition("_")
    if not number:
        return {"ttl": "TTL", "build": "build, median"}.get(kind, kind)
    block = replace(panel.today.blocks[int(number) - 1], first=0, last=23)
    return f"{block.words}: {'hours' if kind == 'hours' else 'instances'}"
