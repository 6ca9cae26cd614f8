"""The verb that plays the policies which people use elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table

import simkit
from simkit.cli import completion
from simkit.cli.decide import share
from simkit.cli.door import (
    cell,
    console_for,
    echo_exactly,
    main,
    progress,
    say_if_counting_compiles,
    seed_option,
    variables_option,
)
from simkit.cli.tables import print_table

if TYPE_CHECKING:
    from simkit.decide.league import League


@main.command(
    epilog="""\b
Examples:
  simkit league data/scenarios/three-regions.yaml
  simkit league SCENARIO.yaml --target-hit-rate 99% --format markdown
  simkit league SCENARIO.yaml --expression 'claims_30m + misses_30m + 1' --expression 'hour < 8 ? 0 : 4'
"""
)
@click.argument("scenario", type=click.Path())
@click.option(
    "--target-hit-rate",
    "--target",
    "target",
    callback=share,
    default="95%",
    show_default=True,
    metavar="SHARE",
    help="Share of claims that find a prebuild; numbers of policies are chosen for it.",
)
@click.option(
    "--expression",
    "expressions",
    multiple=True,
    metavar="TEXT",
    help="A target expression to play in place of the two drafted ones; may be repeated.",
)
@click.option("--preset", shell_complete=completion.presets, help="This one alone; the others keep their schedules.")
@click.option(
    "--replications", type=click.IntRange(1), default=1, show_default=True, help="Runs that differ in chance."
)
@click.option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True)
@seed_option
@variables_option
def league(
    scenario: str,
    target: float,
    expressions: tuple[str, ...],
    preset: str | None,
    replications: int,
    form: str,
    seed: int,
    variables: dict[str, str],
) -> None:
    """Play the policies that people use elsewhere over the weeks of SCENARIO.

    Today's schedule, what recommend says, constant numbers, the percentile of the last weeks by hour, a rate with a
    safety, an autoscaler on what is in use, and target expressions as drafted for Coder: names scheduled_target,
    running, eligible, starting, expired, claims_Nm, misses_Nm, claim_rate_Nm (N: 5, 10, 30, 60, 120), hour, weekday;
    functions min, max, ceil, floor, abs, clamp. Each sees at every tick what its own pool has come to.
    """
    from simkit.decide.league import DRAFTED
    from simkit.decide.standings import as_json, markdown

    say_if_counting_compiles()
    with progress("playing") as told:
        found = simkit.league(
            scenario,
            target_hit_rate=target,
            expressions=expressions or DRAFTED,
            preset=preset,
            seed=seed,
            replications=replications,
            variables=variables,
            told=told,
        )
    if form == "json":
        echo_exactly(as_json(found))
    elif form == "markdown":
        echo_exactly(markdown(found))
    else:
        _print(found)


def _print(found: League) -> None:
    from simkit.decide.standings import cells, headings, sentences

    console = console_for()
    table = Table(box=None, pad_edge=False)
    heads = headings(found)
    for i, head in enumerate(heads):
        is_text = i in (0, len(heads) - 1)
        table.add_column(head, justify="left" if is_text else "right", no_wrap=not is_text)
    for row in found.rows:
        style = "bold" if row.is_today else None if found.reaches(row) else "dim"
        table.add_row(*map(cell, cells(found, row)), style=style)
    print_table(console, table)
    console.print("")
    for text in sentences(found):
        console.print(cell(text))
