"""Verbs about decisions: compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import simkit
from simkit.cli.door import cell, console_for, echo_exactly, main, seed_option, variables_option
from simkit.shown import visible

if TYPE_CHECKING:
    from simkit.decide.compare import Changed, Comparison

_MOST = 1000
_MEASURES = {
    "hit-rate": ("hit_rate",),
    "wait-p95": ("wait_p95_s",),
    "idle": ("idle_hours",),
    "pool": ("pool_cost", "pool_hours"),
    "builds": ("builds",),
}


def _share(_: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """5% or 0.05, as 0.05."""
    if text is None:
        return None
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise click.BadParameter(f'"{text}" is not a share above 0; write 5% or 0.05', param=parameter)
    return share


@main.command(
    epilog="""\b
Examples:
  simkit compare today.yaml more.yaml
  simkit compare today.yaml ttl-4h.yaml ttl-24h.yaml --replications 100
  simkit compare today.yaml more.yaml --until-settled 5% --format markdown
"""
)
@click.argument("base", type=click.Path())
@click.argument("changes", nargs=-1, required=True, type=click.Path(), metavar="CHANGE [CHANGE...]")
@click.option(
    "--replications",
    type=click.IntRange(1),
    help=f"Runs of each scenario that differ in chance: 50; with --until-settled the most of them, {_MOST}.",
)
@click.option(
    "--until-settled",
    callback=_share,
    metavar="SHARE",
    help="Stop when the chance of each difference in total is this share of BASE's value (5%) or less, or it is real.",
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    type=click.Choice(list(_MEASURES)),
    help="Compare only this; may be repeated.",
)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@seed_option
@variables_option
def compare(
    base: str,
    changes: tuple[str, ...],
    replications: int | None,
    until_settled: float | None,
    measures: tuple[str, ...],
    form: str,
    seed: int,
    variables: dict[str, str],
) -> None:
    """Tell which differences between the scenarios BASE and CHANGE are real.

    They may differ in anything but the window: schedules, TTLs, build times, daemons, failures, demand, Coder's
    version. All meet the same people and the same slow builds, and their weeks are compared one by one.
    """
    from simkit.decide.compare import MEASURES
    from simkit.decide.compared import as_json, markdown

    wanted = [name for measure in measures for name in _MEASURES[measure]]
    with _progress("simulating") as told:
        found = simkit.compare(
            base,
            *changes,
            replications=replications or (50 if until_settled is None else _MOST),
            seed=seed,
            until_settled=until_settled,
            measures=wanted or MEASURES,
            variables=variables,
            told=told,
        )
    if form == "json":
        echo_exactly(as_json(found))
    elif form == "markdown":
        echo_exactly(markdown(found))
    else:
        _print(found)


def _print(found: Comparison) -> None:
    from simkit.decide.compared import one_sided, sentences

    console = console_for()
    for changed in found.changes:
        console.print(_table(found, changed))
        for text in one_sided(changed):
            console.print(cell(text))
        console.print("")
    for text in sentences(found):
        console.print(cell(text))


def _table(found: Comparison, changed: Changed) -> Table:
    from simkit.decide.compared import groups, headings, row_of

    title = f"{cell(changed.name)} against {cell(found.base)}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    if console_for().width < 100:
        table.padding = (0, 1, 0, 0)
    heads = headings(found)
    wanted = [i for i, head in enumerate(heads) if head]
    for i in wanted:
        is_text = i in (0, len(heads) - 1)
        table.add_column(heads[i], justify="left" if is_text else "right", no_wrap=not is_text, overflow="fold")
    by_preset = groups(changed)
    for preset, rows in by_preset.items():
        if len(by_preset) > 1:
            table.add_row(cell(preset), style="bold")
        for row in rows:
            cells = row_of(row, found)
            table.add_row(*(cell(cells[i]) for i in wanted), style="dim" if row.verdict == "same" else None)
    return table


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how many of how many are done and how long the rest will take, if a person is watching."""
    console = console_for(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(visible(what), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
