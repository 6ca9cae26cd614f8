"""The verb that says what to set."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

import simkit
from simkit.cli import completion
from simkit.cli.door import (
    cell,
    console_for,
    duration,
    echo,
    echo_exactly,
    main,
    print_findings,
    progress,
    say_if_counting_compiles,
    seed_option,
    variables_option,
)
from simkit.cli.tables import print_table
from simkit.shown import printed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from simkit.decide.holidays import Exceptions
    from simkit.decide.recommendation import Recommendation
    from simkit.model import Holiday, Scenario


_HOLIDAYS_AHEAD = timedelta(days=91)
"""After the window, for which a country's holidays are looked up."""


def _weeks(_: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """ "13w" or "13"."""
    if text is None:
        return None
    number = text.removesuffix("w")
    if not number.isascii() or not number.isdigit():
        raise click.BadParameter(f'"{text}" is not a number of weeks; write "13w"', param=parameter)
    return int(number)


def _ttls(_: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...]:
    """Microseconds each, 0 is none."""
    from simkit.clock import format_duration, parse_duration
    from simkit.model import MAX_TTL_US, MIN_TTL_US

    found = []
    for word in (text or "").split(","):
        if not word.strip():
            continue
        try:
            us = 0 if word.strip() in ("0", "never") else parse_duration(word)
        except ValueError as error:
            raise click.BadParameter(str(error), param=parameter) from None
        if us and not MIN_TTL_US <= us <= MAX_TTL_US:
            least, most = format_duration(MIN_TTL_US), format_duration(MAX_TTL_US)
            raise click.BadParameter(f'"{word}": Coder takes {least} to {most}, or never', param=parameter)
        found.append(us)
    return tuple(found)


def _rate(_: click.Context, parameter: click.Parameter, text: str) -> float:
    """95% or 0.95, as 0.95; what no target can be is told with all other problems."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise click.BadParameter(f'"{text}" is no share; write 95% or 0.95', param=parameter) from None


@main.command()
@click.argument("scenario", type=click.Path())
@click.option(
    "--target-hit-rate",
    callback=_rate,
    default="0.95",
    show_default=True,
    metavar="SHARE",
    help="Share of claims that find one ready (0.95 or 95%).",
)
@click.option("--max-wait-p95", callback=duration, metavar="DURATION", help="Nineteen of twenty wait no longer (60s).")
@click.option("--max-cost-per-week", type=float, help="Of all pools together, in the scenario's currency.")
@click.option("--max-schedules", type=int, default=3, show_default=True, help="Schedules of a preset.")
@click.option("--preset", shell_complete=completion.presets, help="This one alone; the others stay as they are.")
@click.option(
    "--ttl", "ttls", callback=_ttls, metavar="TTL,...", help="Lifetimes that may be chosen, too (4h,24h,never)."
)
@click.option("--holdout", callback=_weeks, metavar="WEEKS", help="Leave the last weeks out, to judge by them (13w).")
@click.option(
    "--holidays",
    metavar="FILE|country:CODE",
    help="Days on which people do not come, to plan around: a CSV of dates, or country:US, country:DE-BY.",
)
@click.option(
    "--format", "style", type=click.Choice(["text", "markdown", "terraform", "json"]), default="text", show_default=True
)
@click.option("--apply", "template", type=click.Path(), help="Write the block into this .tf file, and nothing else.")
@seed_option
@variables_option
@click.pass_context
def recommend(
    context: click.Context,
    scenario: str,
    target_hit_rate: float,
    max_wait_p95: int | None,
    max_cost_per_week: float | None,
    max_schedules: int,
    preset: str | None,
    ttls: tuple[int, ...],
    holdout: int | None,
    holidays: str | None,
    style: str,
    template: str | None,
    seed: int,
    variables: dict[str, str],
) -> None:
    """Find what to set: the cheapest base and schedules that meet a target, and how sure that is.

    \b
    simkit recommend data/scenarios/three-regions.yaml --target-hit-rate 0.95
    simkit recommend SCENARIO.yaml --max-schedules 1 --holdout 13w --format markdown

    Exit status 0: the target is met. 1: it cannot be. 2: the input is wrong.
    """
    import json

    from simkit.decide.advice import blocks, document, markdown
    from simkit.decide.apply import check_takes, write

    loaded, days = _loaded(scenario, variables, holidays)
    if template is not None:
        check_takes(Path(template), [preset] if preset else [p.name for v in loaded.versions for p in v.presets])
    say_if_counting_compiles()
    with progress("choosing") as told:
        found = simkit.recommend(
            loaded,
            target_hit_rate,
            max_wait_p95_s=None if max_wait_p95 is None else max_wait_p95 / 1e6,
            max_cost_per_week=max_cost_per_week,
            max_schedules=max_schedules,
            preset=preset,
            holdout_weeks=holdout,
            ttls_us=ttls,
            holidays=days,
            seed=seed,
            told=told,
        )
    print_findings(loaded.notes)
    if style == "json":
        echo_exactly(json.dumps(document(found), indent=2, allow_nan=False) + "\n")
    elif style == "markdown":
        echo_exactly(markdown(found) + "\n")
    elif style == "terraform":
        echo_exactly(blocks(found))
    else:
        _print(found)
    if template is not None:
        for name in write(Path(template), found):
            echo(f'Wrote the prebuilds of "{cell(name)}" into {cell(template)}', err=True)
    context.exit(0 if found.is_met else 1)


def _loaded(path: str, variables: dict[str, str], holidays: str | None) -> tuple[Scenario, tuple[Holiday, ...]]:
    """The scenario and the holidays. Raises InputError with every problem of both."""
    from simkit.errors import Findings
    from simkit.inputs.holidays import holidays_of

    findings = Findings()
    loaded: Scenario | None = None
    try:
        loaded = simkit.load(path, variables)
    except simkit.InputError as error:
        findings.extend(error.problems)
    first = last = date(1970, 1, 1)
    if loaded is not None:
        first, last = (loaded.zone.local(at).date() for at in (loaded.start_at, loaded.end_at))
        last += _HOLIDAYS_AHEAD
    days = holidays_of(holidays, first, last, findings) if holidays is not None else ()
    findings.raise_errors()
    assert loaded is not None, "a scenario that cannot be read is an error"
    print_findings(tuple(findings.items))
    return loaded, days


def _print(found: Recommendation) -> None:
    from simkit.decide.advice import (
        LADDER_TITLES,
        based_on,
        compared,
        front_rows,
        front_said,
        front_titles,
        ladder_rows,
        queue_said,
        sentences,
        setting,
        verdict,
    )
    from simkit.decide.plan import terraform

    console = console_for()
    for advice in found.presets:
        console.print(f"{cell(advice.preset.name)}\n", style="bold")
        console.print(printed(verdict(advice, found.over_cost)) + "\n")
        console.print(printed(terraform(advice.preset)) + "\n")
        console.print(f"today: {cell(setting(advice.now))} ({advice.timezone})\n")
        rows = compared(advice, found.scenario.currency)
        print_table(console, _table(("in the same weeks", "today's", "recommended"), rows, (1, 2)))
        if advice.exceptions is not None:
            _print_exceptions(console, advice.exceptions)
        console.print("\nWhy", style="bold")
        console.print(_items(advice.why))
        console.print("\nWhat is known of it, and what bound it", style="bold")
        console.print(_items((*sentences(advice), *advice.bound)))
        console.print("\nOther hit rates, and their price", style="bold")
        if len(found.presets) > 1:
            console.print(printed(front_said(found)))
        print_table(console, _table(front_titles(found.scenario.currency), front_rows(advice), (0, 1, 2, 3)))
        console.print("\nWhat finer knowledge would save", style="bold")
        print_table(console, _table(LADDER_TITLES, ladder_rows(advice), (0, 1)))
        console.print("")
    for text in (*queue_said(found.queue), *found.notes, based_on(found)):
        console.print(printed(text))


def _print_exceptions(console: Console, exceptions: Exceptions) -> None:
    from simkit.decide.advice import EDIT_TITLES, EDITS_SAID, edit_rows, exceptions_said
    from simkit.decide.plan import terraform

    console.print("\nHolidays", style="bold")
    console.print(_items(exceptions_said(exceptions)))
    if exceptions.edits:
        console.print(f"\n{printed(EDITS_SAID)}\n\n{printed(terraform(exceptions.preset))}\n")
        print_table(console, _table(EDIT_TITLES, edit_rows(exceptions), ()))


def _items(texts: Iterable[str]) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    for text in texts:
        grid.add_row("-", printed(text))
    return grid


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for i, title in enumerate(titles):
        table.add_column(title, justify="right" if i in right else "left", no_wrap=i in right, overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    return table
