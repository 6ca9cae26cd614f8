"""Verbs about decisions: compare, sweep."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from rich.table import Table

import simkit
from simkit.cli.door import (
    cell,
    console_for,
    echo,
    echo_exactly,
    main,
    progress,
    say_if_counting_compiles,
    seed_option,
    variables_option,
)
from simkit.cli.tables import print_table
from simkit.errors import RunError
from simkit.shown import visible

if TYPE_CHECKING:
    import pandas as pd

    from simkit.decide.compare import Changed, Comparison
    from simkit.decide.sweep import Swept

_MOST = 1000
_MEASURES = {
    "hit-rate": ("hit_rate",),
    "wait-p95": ("wait_p95_s",),
    "idle": ("idle_hours",),
    "pool": ("pool_cost", "pool_hours"),
    "builds": ("builds",),
}


def share(_: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """5% or 0.05, as 0.05."""
    from simkit.inputs.quantities import parse_share

    try:
        return None if text is None else parse_share(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None


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
    callback=share,
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
    say_if_counting_compiles()
    with progress("simulating") as told:
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
        print_table(console, _table(found, changed))
        for text in one_sided(changed):
            console.print(cell(text))
        console.print("")
    for text in sentences(found):
        console.print(cell(text))


def _table(found: Comparison, changed: Changed) -> Table:
    from simkit.decide.compared import groups, headings, row_of

    title = f"{cell(changed.name)} against {cell(found.base)}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    heads = headings(found)
    wanted = [i for i, head in enumerate(heads) if head]
    for i in wanted:
        is_text = i in (0, len(heads) - 1)
        table.add_column(heads[i], justify="left" if is_text else "right", no_wrap=not is_text)
    by_preset = groups(changed)
    for preset, rows in by_preset.items():
        if len(by_preset) > 1:
            table.add_row(cell(preset), style="bold")
        for row in rows:
            cells = row_of(row, found)
            table.add_row(*(cell(cells[i]) for i in wanted), style="dim" if row.verdict == "same" else None)
    return table


@main.command(
    epilog="""\b
Examples:
  simkit sweep week.yaml --vary presets.dev.instances=0..10 --vary presets.dev.ttl=0,4h,24h --out sweep.duckdb
  simkit sweep week.yaml --vary coder.provisioner_daemons=2..8 --vary failures.probability=0..0.05 --out d.duckdb
  simkit sweep week.yaml --vary "durations.build.median=4m..8m step 1m" --vary presets.dev.instances=0..40 \\
      --sample 100 --replications 5 --out sampled.duckdb

A range ends with its last value. Without "step" it goes by 1.
"""
)
@click.argument("scenario", type=click.Path())
@click.option(
    "--vary",
    "vary",
    multiple=True,
    required=True,
    metavar="PATH=VALUES",
    help="presets.NAME.instances, presets.NAME.ttl or a key of the scenario file; values and ranges between commas.",
)
@click.option("--sample", type=click.IntRange(1), help="So many points that fill the grid evenly, not all of it.")
@click.option("--replications", type=click.IntRange(1), default=1, show_default=True, help="Runs of each point.")
@click.option("--out", type=click.Path(dir_okay=False), required=True, help="DuckDB file, new or of the same sweep.")
@seed_option
@variables_option
@click.pass_context
def sweep(
    context: click.Context,
    scenario: str,
    vary: tuple[str, ...],
    sample: int | None,
    replications: int,
    out: str,
    seed: int,
    variables: dict[str, str],
) -> None:
    """Simulate SCENARIO at every point of a grid, or at a sample of it, into a DuckDB file.

    What the file has already is not computed again: a sweep that was stopped goes on with the same command.

    Exit status 0: every point is there. 1: some failed, or it was stopped. 2: an input is wrong.
    """
    done = 0

    say_if_counting_compiles()
    with progress("sweeping") as tell:

        def told(so_far: int, total: int) -> None:
            nonlocal done
            done = so_far
            tell(so_far, total)

        try:
            found = simkit.sweep(
                scenario,
                vary,
                out,
                sample=sample,
                replications=replications,
                seed=seed,
                variables=variables,
                told=told,
            )
        except KeyboardInterrupt:
            from simkit.times import many

            text = f"{out}: interrupted; what was done is in it ({many(done, 'point')}), and the same command goes on"
            raise RunError(text) from None
    _print_swept(found, vary)
    if found.failures:
        context.exit(1)


_SHOWN_POINTS = 20


def _print_swept(found: Swept, vary: tuple[str, ...]) -> None:
    from simkit.decide.sweep import front, totals
    from simkit.times import many

    of_points = totals(found)
    best = of_points if len(of_points) <= _SHOWN_POINTS else front(of_points)
    console = console_for()
    if len(best):
        title = "Points" if best is of_points else "Points of which no other is as good for less"
        print_table(console, _points_table(best.head(_SHOWN_POINTS), title))
        if len(best) > _SHOWN_POINTS:
            echo(f"and {len(best) - _SHOWN_POINTS} more")
        console.print("")
    for values, message in found.failures[:_SHOWN_POINTS]:
        echo(f"{' '.join(f'{path}={visible(text)}' for path, text in values.items())}: {visible(message)}", err=True)
    if len(found.failures) > _SHOWN_POINTS:
        echo(f"and {len(found.failures) - _SHOWN_POINTS} more failed", err=True)
    stored = "1 was" if found.stored == 1 else f"{found.stored:,} were"
    computed = found.points - found.stored - len(found.failures)
    echo(
        f"{many(found.points, 'point')} in {visible(found.out)}: {computed:,} computed, {stored} there"
        + (f", {len(found.failures):,} failed" if found.failures else "")
    )


def _points_table(best: pd.DataFrame, title: str) -> Table:
    """A row a point: its values, then what it gave."""
    from simkit.decide.sweep import TOTALS
    from simkit.times import in_column

    texts: dict[str, tuple[str, Callable[[float], str]]] = {
        "hit_rate": ("hit\nrate", lambda x: f"{x:.1%}"),
        "wait_p95_s": ("longest\nwait p95", in_column),
        "idle_hours_per_week": ("idle hours\na week", lambda x: f"{x:,.1f}"),
        "pool_cost_per_week": ("pool cost\na week", lambda x: f"{x:,.1f}"),
        "pool_hours_per_week": ("pool hours\na week", lambda x: f"{x:,.1f}"),
        "builds_per_week": ("builds\na week", lambda x: f"{x:,.1f}"),
    }
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    shown = [name for name in TOTALS if name in best]
    paths = [name for name in best if name not in TOTALS]
    for path in paths:
        table.add_column(cell(str(path)).replace(".", ".\n"), justify="right", vertical="bottom")
    for name in shown:
        table.add_column(texts[name][0], justify="right", no_wrap=True, vertical="bottom")
    for row in best.to_dict("records"):
        values = [cell(str(row[path])) for path in paths]
        table.add_row(*values, *("-" if row[name] != row[name] else texts[name][1](row[name]) for name in shown))
    return table
