"""The panel: sliders, what they come to beside today's setting, the week, and the block to copy."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from simkit.arguments import a_scenario_or_path, a_text, a_whole_number, takes
from simkit.decide.plan import terraform
from simkit.errors import Finding, InputError, Where, did_you_mean
from simkit.inputs.scenario import load
from simkit.model import Scenario
from simkit.shown import visible
from simkit.studies.explore import pictures
from simkit.studies.explore.held import held
from simkit.studies.explore.moves import label_of, panel_moves
from simkit.studies.explore.setting import Seen, Setting, chosen, measures_of, preset_of, see
from simkit.studies.tables import Table

_CHANCE = (
    "One run with one seed: what differs by little may differ by chance. <code>simkit recommend</code> looks for the "
    "best, and says how sure that is."
)


class Panel:
    """A preset's sliders. In JupyterLab it is moved; where nobody moves anything it is its first state, as a picture.

    `setting` is what is set now, `seen` what it comes to, `block` its Terraform. Made by `explore`.
    """

    def __init__(self, scenario: Scenario, preset: str, seed: int) -> None:
        self.scenario, self.preset, self.seed = scenario, preset, seed
        self.today = self.setting = Setting.of(scenario, preset)
        self.before = self.seen = see(scenario, preset, seed)
        self.moves = tuple(panel_moves(self.today))
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

        measures = measures_of(self.scenario.currency, bool(self.before.cost or self.seen.cost))
        rows = [(m.name, *(m.text(m.of(seen)) or "-" for seen in (self.before, self.seen))) for m in measures]
        return Table(pd.DataFrame(rows, columns=["a week", "today", "as set"]), frozenset({"today", "as set"}))

    @property
    def html(self) -> str:
        """All but the sliders."""
        zone = self.scenario.zone_of(preset_of(self.scenario, self.preset)).name
        picture = pictures.week(self.seen, self.before, self.preset, zone)
        block = escape("\n".join(visible(line) for line in self.block.splitlines()))
        return (
            f"{self.table._repr_html_()}<p>{escape(held([self.seen]))}</p>{picture}<pre>{block}</pre>"
            f"<p><small>{_CHANCE}</small></p>"
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


@takes(scenario=a_scenario_or_path, preset=a_text, seed=a_whole_number)
def explore(scenario: str | Path | Scenario, preset: str | None = None, seed: int = 0) -> Panel:
    """A panel over one preset of a scenario (a path or one that was loaded): that with most claims, if none is named.

    Base, hours and levels of the schedules, TTL, daemons and build time are sliders; each move plays the scenario once
    and redraws. Needs ipywidgets (`simkit[lab]`) to be moved. Raises InputError.

    >>> panel = simkit.explore("data/scenarios/workweek.yaml")
    >>> panel.preset
    'goland-large'
    """
    given = load(scenario) if isinstance(scenario, str | Path) else scenario
    return Panel(given, chosen(given, preset, seed), seed)


def _problem(name: str, text: str) -> InputError:
    return InputError([Finding("error", Where(name), text)])


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
        label = label_of(move.name, panel.today)
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
