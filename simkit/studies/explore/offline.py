"""One page that answers without simkit: sliders, what each of their positions comes to, and the block to copy."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from html import escape
from importlib import resources
from itertools import product
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from simkit.clock import WEEK_US
from simkit.decide.plan import Plan, terraform
from simkit.errors import Finding, InputError, Where
from simkit.estimates import mean_interval
from simkit.inputs.scenario import load
from simkit.limits import MAX_SEED
from simkit.model import History, Scenario
from simkit.runs.givens import scenario_digest
from simkit.shown import visible
from simkit.studies.explore.grid import Grid
from simkit.studies.explore.held import held
from simkit.studies.explore.moves import label_of
from simkit.studies.explore.setting import Measure, Setting, Totals, chosen, measures_of, preset_of, wanted_by_hour
from simkit.times import many, plural, to_a_tenth, window_text
from simkit.version import __version__

REPLICATIONS = 10
"""Of each position, if nobody says how many."""
OPTIONS = {"preset": "None", "seed": "0", "replications": str(REPLICATIONS)}
"""What `offline` can be given as text, and the defaults, as Python writes them."""
LARGEST = 2_000_000
"""Bytes of a page: it is sent by mail and opened on a phone."""


def offline(
    scenario: str | Path | Scenario,
    preset: str | None = None,
    *,
    seed: int = 0,
    replications: int = REPLICATIONS,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> str:
    """The page of one preset of a scenario (a path or one that was loaded): that with most claims, if none is named.

    It is one HTML file of at most LARGEST bytes that loads nothing. Each position of its sliders was played in
    `replications` runs before; `told` is called with how many settings are done, of how many. Raises InputError.
    """
    given = load(scenario) if isinstance(scenario, str | Path) else scenario
    if not 1 <= replications <= MAX_SEED:
        text = f"{replications} is out of range; write 1 to {MAX_SEED}"
        raise InputError([Finding("error", Where("replications"), text)])
    name = chosen(given, preset, seed)
    grid = Grid.of(given, name)
    return page_of(grid, grid.counted(seed, replications, told), seed)


class _Strings:
    """Texts by number: most of a page's cells say what others say."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def __getitem__(self, text: str) -> int:
        return self._number.setdefault(text, len(self._number))

    @property
    def all(self) -> list[str]:
        return list(self._number)


def page_of(grid: Grid, counted: Sequence[tuple[Totals, ...]], seed: int) -> str:
    """The page over a grid of which `counted` has what each position comes to. Raises InputError if it is too large."""
    scenario, preset = grid.scenario, preset_of(grid.scenario, grid.preset)
    has_cost = any(runs[0].cost for runs in counted)
    measures = [m for m in measures_of(scenario.currency, has_cost) if m.name != "claims"]
    strings = _Strings()
    blocks, words = _templates(grid, strings)
    data = {
        "sliders": [
            {"texts": [move.shown(value) for value in move.values], "today": now}
            for move, now in zip(grid.moves, grid.now, strict=True)
        ],
        "measures": [[strings[_told(measure, runs)] for runs in counted] for measure in measures],
        "held": [strings[held(runs)] for runs in counted],
        "blocks": blocks,
        "words": words,
        "week": _week(grid),
        "strings": strings.all,
    }
    here = resources.files("simkit").joinpath("studies", "explore")
    script = here.joinpath("offline.js").read_text(encoding="utf-8")
    look = resources.files("simkit").joinpath("report", "look.css").read_text(encoding="utf-8")
    now = counted[int(np.ravel_multi_index(grid.now, [len(move.values) for move in grid.moves]))]
    found = Template(here.joinpath("offline.html").read_text(encoding="utf-8")).substitute(
        style=look,
        preset=escape(visible(grid.preset)),
        about=_about(grid, now, seed),
        sliders="\n".join(_slider(i, grid) for i in range(len(grid.moves))),
        rows="\n".join(
            f'<tr><th scope="row">{escape(measure.name)}</th>{2 * f"<td>{escape(_told(measure, now))}</td>"}</tr>'
            for measure in measures
        ),
        held=escape(held(now)),
        words=escape(visible(_words(grid, grid.now))),
        block=escape(_block(grid, grid.now)),
        zone=escape(visible(scenario.zone_of(preset).name)),
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        script=script,
        script_digest=b64encode(sha256(script.encode()).digest()).decode(),
    )
    if (size := len(found.encode())) > LARGEST:
        text = (
            f'the page would have {size:,} bytes, more than {LARGEST:,}, for "{grid.preset}" has '
            f"{many(len(preset.schedules), 'schedule')}; take another preset, or fewer schedules"
        )
        raise InputError([Finding("error", Where("preset"), text)])
    return found


def _about(grid: Grid, now: Sequence[Totals], seed: int) -> str:
    """What was played, and what its intervals hold, as paragraphs."""
    scenario = grid.scenario
    weeks = (scenario.end_at - scenario.start_at) / WEEK_US
    claims = float(np.mean([run.claims for run in now]))
    window = window_text(scenario.start_at, scenario.end_at, scenario.zone)
    played = (
        f"Scenario {visible(scenario.name)}, {visible(window)}, {to_a_tenth(weeks)} {plural('week', weeks)}, "
        f"Coder {scenario.behaviour.version}: {to_a_tenth(claims)} claims of this preset a week. "
        f"simkit {__version__}, seed {seed}, inputs {scenario_digest(scenario)[:12]}."
    )
    chance = (
        "the chance of builds only: who comes is what happened in that time, and another time differs"
        if isinstance(scenario.demand, History) and not scenario.people
        else "the chance of who comes, as the scenario says it, and of builds; what the scenario assumes is as it is"
    )
    if len(now) == 1:
        said = f"Each number is one run's, without an interval: it does not tell {chance}."
    else:
        said = (
            f"Each number is the mean of {many(len(now), 'replication')}, in brackets its 95 % interval. "
            f"That holds {chance}."
        )
    return f"<p>{escape(played)}</p>\n<p>{escape(said)}</p>"


def _told(measure: Measure, runs: Sequence[Totals]) -> str:
    """A number over the replications, and its interval where that can be told from it."""
    values = [measure.of(run) for run in runs]
    if any(value != value for value in values):
        return "not within the window" if any(run.claims for run in runs) else "nobody came"
    found = mean_interval(values)
    mean, low, high = (measure.text(max(0.0, value)) for value in found)
    if len(runs) == 1 or low == high:
        return mean
    if measure.name == "hit rate":
        high = measure.text(min(1.0, found.high))
    return f"{mean} ({low} to {high})"


def _slider(i: int, grid: Grid) -> str:
    move, now = grid.moves[i], grid.now[i]
    text = escape(move.shown(move.values[now]))
    return (
        f'<div><label for="s{i}">{escape(visible(label_of(move.name, grid.today)))}</label>'
        f'<input type="range" id="s{i}" min="0" max="{len(move.values) - 1}" step="1" value="{now}" '
        f'aria-valuetext="{text}"><b aria-hidden="true">{text}</b><small>today {text}</small></div>'
    )


def _templates(grid: Grid, strings: _Strings) -> tuple[list[list[int]], list[int]]:
    """For each position of all sliders but the daemons': the lines of its block, and its plan in words."""
    blocks, words = [], []
    for others in product(*(range(len(move.values)) for move in grid.moves[:-1])):
        position = (*others, grid.now[-1])
        blocks.append([strings[line] for line in _block(grid, position).split("\n")])
        words.append(strings[visible(_words(grid, position))])
    return blocks, words


def _block(grid: Grid, position: Sequence[int]) -> str:
    now = preset_of(grid.scenario, grid.preset)
    return "\n".join(
        map(visible, terraform(grid.setting(position).preset(now, grid.scenario.zone.name), "").splitlines())
    )


def _words(grid: Grid, position: Sequence[int]) -> str:
    setting = grid.setting(position)
    told = [Plan(setting.base, setting.blocks).words, *(f'"{s.cron}" {s.instances}' for s in setting.kept)]
    changed = setting.preset(preset_of(grid.scenario, grid.preset), grid.scenario.zone.name)
    text = f"Wanted: {', '.join(told)}."
    return f"{text} Coder would ignore the schedules: {changed.fallback}." if changed.fallback else text


def _week(grid: Grid) -> dict[str, Any]:
    """What the picture is drawn of: without the schedule that moves, `of_base` times the base and `other` instances are
    wanted in an hour of the week; `days` of that schedule, bit 0 is Monday; `ignored`: pairs of positions of its hours
    for which Coder ignores all schedules."""
    i, block = grid.block, grid.today.blocks[grid.block]
    without = replace(grid.today, blocks=grid.today.blocks[:i] + grid.today.blocks[i + 1 :])

    def wanted(setting: Setting) -> Any:
        return wanted_by_hour(setting.scenario(grid.scenario, grid.preset), grid.preset)

    other = wanted(replace(without, base=0))
    ignored = [
        [first, until]
        for first, until in product(range(len(grid.moves[2].values)), range(len(grid.moves[3].values)))
        if _is_ignored(grid, (grid.now[0], len(grid.moves[1].values) - 1, first, until, *grid.now[4:]))
    ]
    return {
        "of_base": (wanted(replace(without, base=1)) - other).round(3).tolist(),
        "other": other.round(3).tolist(),
        "days": block.days,
        "ignored": ignored,
        "levels": [[0 if v is None else v for v in move.values] for move in grid.moves[:4]],
        "off": [v is None for v in grid.moves[1].values],
    }


def _is_ignored(grid: Grid, position: Sequence[int]) -> bool:
    now = preset_of(grid.scenario, grid.preset)
    return bool(grid.setting(position).preset(now, grid.scenario.zone.name).fallback)
