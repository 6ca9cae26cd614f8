"""The command line: parse, call the library, print. Exit status 0 good, 1 it failed, 2 the input is wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import simkit
from simkit.errors import Finding, SimkitError

if TYPE_CHECKING:
    import pandas as pd

    from simkit.result import Result

_PIPED_WIDTH = 160  # wide enough for every table; a terminal's own width otherwise


def _console(stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _PIPED_WIDTH, highlight=False, soft_wrap=False)


class _Group(click.Group):
    """Tells what went wrong in a line each, without a traceback; `--debug` shows it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SimkitError as error:
            if ctx.params.get("debug"):
                raise
            for line in str(error).splitlines():
                click.echo(line, err=True)
            ctx.exit(error.status)


def _pairs(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE options as a dictionary."""
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f'"{value}" is not NAME=VALUE', param=parameter)
        found[name] = text
    return found


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(simkit.__version__, prog_name="simkit")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Decide how many prebuilt workspaces a Coder deployment keeps warm, when, for how long and at what cost."""


@main.command()
@click.argument("scenario", type=click.Path())
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of all chance.")
@click.option("--out", type=click.Path(dir_okay=False), help="DuckDB file to add the run to.")
@click.option(
    "--replications", type=click.IntRange(1), default=1, show_default=True, help="Runs that differ in chance."
)
@click.option("--var", "variables", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="A Terraform variable.")
def run(scenario: str, seed: int, out: str | None, replications: int, variables: dict[str, str]) -> None:
    """Simulate SCENARIO (a YAML file) and print how each preset's pool served and what it cost."""
    loaded = simkit.load(scenario, variables)
    _print_findings(simkit.lint(loaded))
    results = _simulated(lambda: simkit.replicate(loaded, seed, replications), replications)
    if out is not None:
        simkit.save(out, results)
    console = _console()
    console.print(_summary(simkit.ask(results, "summary"), loaded.name, seed, replications))
    if out is not None:
        console.print(f"{len(results)} run{'s' * (len(results) > 1)} in {out}: {results[0].run_id}", soft_wrap=True)


def _simulated(simulate: Callable[[], Iterator[Result]], replications: int) -> list[Result]:
    """All results, with a progress bar if it takes a while and a person is watching."""
    console = _console(stderr=True)
    results = []
    with Progress(console=console, transient=True, disable=not console.is_terminal or replications == 1) as progress:
        task = progress.add_task("simulating", total=replications)
        for result in simulate():
            results.append(result)
            progress.advance(task)
    return results


def _print_findings(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        click.echo(str(finding), err=True)


def _summary(answer: pd.DataFrame, name: str, seed: int, replications: int) -> Table:
    """The answer as a table; over several replications with the mean, the least and the greatest of each number."""
    many = f", {replications} replications" if replications > 1 else ""
    table = Table(title=f"{name}, seed {seed}{many}", title_justify="left", box=None, pad_edge=False)
    table.add_column("\npreset", no_wrap=True)
    columns: list[tuple[str, str, Callable[[float], str]]] = [
        ("claims", "\nclaims", _count),
        ("hit_rate", "hit\nrate", lambda x: f"{x:.1%}"),
        ("wait_p50_s", "wait\np50", _seconds),
        ("wait_p95_s", "wait\np95", _seconds),
        ("wait_p99_s", "wait\np99", _seconds),
        ("idle_instance_hours", "idle inst.-\nhours", lambda x: f"{x:,.1f}"),
        ("builds", "\nbuilds", _count),
        ("failed_builds", "\nfailed", _count),
        ("idle_cost", f"idle cost\n{answer['currency'].iloc[0]}", lambda x: f"{x:,.2f}"),
    ]
    for _, title, _ in columns:
        table.add_column(title, justify="right", no_wrap=True)
    rows = [("mean", "mean"), ("  least", "min"), ("  greatest", "max")]
    for preset, mine in answer.groupby("preset", sort=False):
        for label, how in rows[: 3 if replications > 1 else 1]:
            values = [mine[column].agg(how) for column, _, _ in columns]
            cells = [
                "-" if value != value else text(value) for value, (_, _, text) in zip(values, columns, strict=True)
            ]
            table.add_row(str(preset) if how == "mean" else label, *cells, style=None if how == "mean" else "dim")
    return table


def _count(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def _seconds(value: float) -> str:
    minutes, seconds = divmod(round(float(value)), 60)
    return f"{minutes}m{seconds:02d}s" if minutes else f"{value:.0f}s"


@main.command()
@click.argument("cron")
@click.option("--timezone", default="UTC", show_default=True, help="An IANA zone, as in the preset.")
@click.option("--at", help="The instant to look ahead from (RFC 3339); now, if not given.")
def explain(cron: str, timezone: str, at: str | None) -> None:
    """Say when a prebuild schedule's CRON holds, what daylight saving does to it, and who reads it differently."""
    now_at = time.time_ns() // 1000
    click.echo(simkit.explain(cron, timezone=timezone, at=at if at is not None else now_at).text)


@main.command()
@click.argument("runs", type=click.Path())
@click.argument("question", required=False)
@click.option("--run", "run_id", help="Only this run.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, whole.")
def ask(runs: str, question: str | None, run_id: str | None, as_csv: bool) -> None:
    """Ask a runs file a QUESTION; without one, list the questions."""
    if question is None:
        table = Table("question", "asks", box=None, header_style="bold", pad_edge=False)
        for name, text in simkit.questions().items():
            table.add_row(name, text)
        _console().print(table)
        return
    answer = simkit.ask(runs, question, run_id=run_id)
    click.echo(answer.to_csv(index=False) if as_csv else answer.to_string(index=False, max_rows=60), nl=not as_csv)


@main.command()
@click.argument("runs", type=click.Path())
@click.option("--workspace", required=True, help="Its id or name, or its owner's name.")
@click.option("--run", "run_id", help="The run, if there are several.")
def why(runs: str, workspace: str, run_id: str | None) -> None:
    """Tell the story of one workspace in a runs file: each transition, its rule, and the numbers that it saw."""
    click.echo("\n\n".join(story.text for story in simkit.why(runs, workspace, run_id)))


@main.command()
@click.argument("scenario", type=click.Path())
@click.option("--at", required=True, help="When its start build is done (RFC 3339, or in the scenario's time zone).")
@click.option("--people", help="Whose TTL, autostart and quiet hours it has; the options below come first.")
@click.option("--ttl", help="Its own TTL, or none; the template's default, if nothing says otherwise.")
@click.option("--autostart", help='Its autostart, such as "CRON_TZ=America/New_York 30 8 * * 1-5".')
@click.option("--quiet-hours", help="Its owner's quiet hours; Coder's default, if nothing says otherwise.")
@click.option("--var", "variables", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="A Terraform variable.")
def when(
    scenario: str,
    at: str,
    people: str | None,
    ttl: str | None,
    autostart: str | None,
    quiet_hours: str | None,
    variables: dict[str, str],
) -> None:
    """Say when one workspace stops, starts, goes dormant and is deleted, and why, by SCENARIO's rules; nothing runs."""
    loaded = simkit.load(scenario, variables)
    click.echo(simkit.when(loaded, at, people, ttl=ttl, autostart=autostart, quiet_hours=quiet_hours).text)


@main.command()
@click.argument("runs", type=click.Path())
@click.option("--at", required=True, help="The instant (RFC 3339).")
@click.option("--run", "run_id", help="The run, if there are several.")
def metrics(runs: str, at: str, run_id: str | None) -> None:
    """Print Coder's Prometheus metrics of a run in a runs file as they stood at an instant."""
    from simkit.controlplane.metrics import exposition_of

    click.echo(exposition_of(runs, at, run_id), nl=False)


@main.command("plan-check")
@click.argument("plan", type=click.Path(allow_dash=True))
@click.pass_context
def plan_check(context: click.Context, plan: str) -> None:
    """List what a claim would replace by PLAN, the output of `terraform show -json` (- for standard input).

    Exit status 0: nothing is replaced. 1: something is, and the lifecycle block to add is printed.
    """
    from simkit.inputs.plan import STDIN, parse_plan, read_plan

    checked = parse_plan(sys.stdin.buffer.read()) if plan == STDIN else read_plan(plan)
    _print_findings(checked.notes)
    click.echo(checked.text)
    context.exit(1 if checked.replaced else 0)


@main.command()
@click.argument("notebook", type=click.Path())
@click.option("-p", "parameters", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="A notebook's parameter.")
@click.option("--out", type=click.Path(file_okay=False), default="reports", show_default=True, help="Where to write.")
def report(notebook: str, parameters: dict[str, str], out: str) -> None:
    """Execute NOTEBOOK and write its report: notebook, one HTML file and result.json."""
    from simkit.report import render

    console = _console(stderr=True)
    with _working(console, f"executing {Path(notebook).name}"):
        made = render(notebook, parameters, out)
    for sentence in made.sentences:
        click.echo(sentence)
    click.echo(f"Report: {made.html} (also {made.notebook.name} and {made.result.name} beside it)")


@contextmanager
def _working(console: Console, what: str) -> Iterator[None]:
    if console.is_terminal:
        with console.status(what):
            yield
    else:
        yield


if __name__ == "__main__":
    main()
