"""The verb that says what each instance-hour is worth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click
from rich.table import Table

import simkit
from simkit.cli import completion
from simkit.cli.door import (
    cell,
    console_for,
    echo,
    echo_exactly,
    main,
    png_file,
    progress,
    say_if_counting_compiles,
    seed_option,
    variables_option,
)
from simkit.cli.tables import print_table
from simkit.shown import printed, visible

if TYPE_CHECKING:
    from simkit.decide.worth import Worth


@main.command(
    epilog="""\b
Examples:
  simkit worth data/scenarios/three-regions.yaml --preset backend-us
  simkit worth SCENARIO.yaml --picture worth.png
  simkit worth SCENARIO.yaml --csv
"""
)
@click.argument("scenario", type=click.Path())
@click.option("--preset", shell_complete=completion.presets, help="This one alone.")
@click.option("--picture", type=click.Path(dir_okay=False), help="Draw it, too, into this PNG file.")
@click.option("--csv", "as_csv", is_flag=True, help="A row for each hour of the week, as CSV.")
@seed_option
@variables_option
def worth(
    scenario: str, preset: str | None, picture: str | None, as_csv: bool, seed: int, variables: dict[str, str]
) -> None:
    """Say why so many: what one instance more, and one fewer, is worth in each hour of the week."""
    target = None if picture is None else png_file(picture)
    loaded = simkit.load(scenario, variables)
    say_if_counting_compiles()
    with progress("playing constant numbers") as told:
        found = simkit.worth(loaded, preset, seed=seed, told=told)
    if target is not None:
        from simkit.files import write_whole
        from simkit.studies.decide import pictures

        write_whole(target, pictures.worth(found).png())
        echo(f"Picture: {visible(str(target))}", err=True)
    if as_csv:
        _print_csv(found)
        return
    for one in found:
        _print(one)


def _print_csv(found: tuple[Worth, ...]) -> None:
    from simkit.clock import WEEKDAYS

    lines = ["preset,timezone,weekday,hour,wanted,served_by_more,hours_of_more,lost_by_fewer,hours_of_fewer"]
    for one in found:
        for hour in range(168):
            numbers = (one.served_by_more, one.hours_of_more, one.lost_by_fewer, one.hours_of_fewer)
            values = ["" if math.isnan(of[hour]) else f"{of[hour]:.4f}" for of in numbers]
            name = '"' + one.preset.replace('"', '""') + '"'
            row = [name, one.timezone, WEEKDAYS[hour // 24], str(hour % 24), str(one.wanted[hour]), *values]
            lines.append(",".join(row))
    echo_exactly("\n".join(lines) + "\n")


def _print(one: Worth) -> None:
    from simkit.clock import WEEKDAYS
    from simkit.decide.worth import sentences

    console = console_for()
    title = (
        f"{cell(one.preset)}: idle instance-hours that the last instance wanted costs for each miss it prevents, "
        f"by hour ({one.timezone}, mean of {one.weeks} weeks)"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    for hour in range(24):
        table.add_column(f"{hour:02}", justify="right")
    for day in range(7):
        hours = range(day * 24, day * 24 + 24)
        table.add_row(WEEKDAYS[day], *(_short(one.hours_per_miss[h]) for h in hours))
    print_table(console, table)
    console.print("-: nothing is wanted; *: it prevents no miss.\n", style="dim")
    for text in sentences(one):
        console.print(printed(text))
    console.print("")


def _short(hours: float) -> str:
    if math.isnan(hours):
        return "-"
    return "*" if math.isinf(hours) else f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}"
