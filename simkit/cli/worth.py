"""The verb that says what each instance-hour is worth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click
from rich.table import Table

import simkit
from simkit.cli.door import cell, console_for, echo_exactly, main, seed_option, variables_option
from simkit.shown import printed

if TYPE_CHECKING:
    from simkit.decide.worth import Worth


@main.command(
    epilog="""\b
Examples:
  simkit worth data/scenarios/three-regions.yaml --preset backend-us
  simkit worth SCENARIO.yaml --csv
"""
)
@click.argument("scenario", type=click.Path())
@click.option("--preset", help="This one alone.")
@click.option("--csv", "as_csv", is_flag=True, help="A row for each hour of the week, as CSV.")
@seed_option
@variables_option
def worth(scenario: str, preset: str | None, as_csv: bool, seed: int, variables: dict[str, str]) -> None:
    """Say why so many: what one instance more, and one fewer, is worth in each hour of the week."""
    found = simkit.worth(simkit.load(scenario, variables), preset, seed=seed)
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
    from simkit.clock import LONG_WEEKDAYS, WEEKDAYS
    from simkit.decide.worth import extremes

    console = console_for()
    title = (
        f"{cell(one.preset)}: idle instance-hours that the last instance wanted costs for each miss it prevents, "
        f"by hour ({one.timezone}, mean of {one.weeks} weeks)"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    for hour in range(24):
        table.add_column(f"{hour:02}", justify="right", no_wrap=True)
    for day in range(7):
        hours = range(day * 24, day * 24 + 24)
        table.add_row(WEEKDAYS[day], *(_short(one.hours_per_miss[h]) for h in hours))
    console.print(table)
    console.print("-: nothing is wanted; *: it prevents no miss.\n", style="dim")
    more, fewer = extremes(one)

    def money(hours: float) -> str:
        return f" ({hours * one.price:,.2f} {one.currency})" if one.price else ""

    def when(hour: int) -> str:
        return f"on {LONG_WEEKDAYS[hour // 24]} at {hour % 24:02}:00"

    if one.served_by_more[more] > 0:
        idle = one.hours_of_more[more]
        console.print(
            printed(
                f"One more pays most {when(more)}: {one.served_by_more[more]:.2f} misses a week fewer for {idle:.1f} "
                f"idle instance-hours{money(idle)}."
            )
        )
    else:
        console.print("One more would serve nobody in any hour.")
    if not math.isnan(one.hours_of_fewer[fewer]):
        idle = one.hours_of_fewer[fewer]
        console.print(
            printed(
                f"One fewer pays most {when(fewer)}: {idle:.1f} idle instance-hours{money(idle)} a week saved for "
                f"{one.lost_by_fewer[fewer]:.2f} misses more."
            )
        )
    dear = int(((one.lost_by_fewer <= 0) & (one.wanted > 0)).sum())
    if dear:
        console.print(f"In {dear} hours of the week the last instance prevented no miss at all in these weeks.")
    console.print(
        "By tables of constant numbers that exact runs gave, each hour by itself; a schedule that changes in many "
        "hours has a little more of both.\n",
        style="dim",
    )


def _short(hours: float) -> str:
    if math.isnan(hours):
        return "-"
    return "*" if math.isinf(hours) else f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}"
