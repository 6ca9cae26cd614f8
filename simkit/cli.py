"""The command line: parse, call the library, print. Exit status 0 good, 1 it failed, 2 the input is wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

import simkit
from simkit.errors import Finding, SimkitError
from simkit.shown import printed, visible, visible_lines

if TYPE_CHECKING:
    import pandas as pd

    from simkit.store import Storable

_PIPED_WIDTH = 160  # wide enough for every table; a terminal's own width otherwise


def _console(stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def _echo(text: str, err: bool = False, nl: bool = True) -> None:
    """Print lines of text: what inputs have in them is seen, and obeyed by nobody."""
    click.echo(printed(text), err=err, nl=nl)


def _echo_exactly(text: str) -> None:
    """Print lines for a program to read. A person at a terminal sees them as others."""
    # With colours on, click takes nothing out of it.
    click.echo(visible_lines(text) if sys.stdout.isatty() else text, nl=False, color=True)


def _cell(text: str) -> str:
    """A name as text in a table."""
    return printed(visible(text))


class _Group(click.Group):
    """Tells what went wrong in a line each, without a traceback; `--debug` shows it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SimkitError as error:
            if ctx.params.get("debug"):
                raise
            _echo(str(error), err=True)
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


def _duration(_: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Microseconds."""
    from simkit.clock import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None


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
@click.option(
    "--engine",
    type=click.Choice(["kernel", "reference"]),
    default="kernel",
    show_default=True,
    help="The reference does row by row what the kernel computes: the same tables, some thousand times slower.",
)
def run(scenario: str, seed: int, out: str | None, replications: int, variables: dict[str, str], engine: str) -> None:
    """Simulate SCENARIO (a YAML file) and print how each preset's pool served and what it cost."""
    loaded = simkit.load(scenario, variables)
    _print_findings(simkit.lint(loaded))
    runs: Iterable[Storable] = (
        simkit.replicate(loaded, seed, replications)
        if engine == "kernel"
        else (simkit.run_reference(loaded, seed, replication) for replication in range(replications))
    )
    results = _simulated(runs, replications)
    if out is not None:
        simkit.save(out, results)
    _console().print(_summary(simkit.ask(results, "summary"), loaded.name, seed, replications))
    if out is not None:
        _echo(f"{len(results)} run{'s' * (len(results) > 1)} in {visible(out)}: {visible(results[0].run_id)}")


def _simulated(runs: Iterable[Storable], replications: int) -> list[Storable]:
    """All results, with a progress bar if it takes a while and a person is watching."""
    console = _console(stderr=True)
    results = []
    with Progress(console=console, transient=True, disable=not console.is_terminal or replications == 1) as progress:
        task = progress.add_task("simulating", total=replications)
        for result in runs:
            results.append(result)
            progress.advance(task)
    return results


def _print_findings(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        _echo(str(finding), err=True)


def _summary(answer: pd.DataFrame, title: str, seed: int, replications: int) -> Table:
    """The answer as a table; over several replications with the mean, the least and the greatest of each number."""
    many = f", {replications} replications" if replications > 1 else ""
    table = Table(title=f"{_cell(title)}, seed {seed}{many}", title_justify="left", box=None, pad_edge=False)
    table.add_column("\npreset", overflow="fold")  # a long name takes lines, and no room from numbers
    columns: list[tuple[str, str, Callable[[float], str]]] = [
        ("claims", "\nclaims", _count),
        ("hit_rate", "hit\nrate", lambda x: f"{x:.1%}"),
        ("wait_p50_s", "wait\np50", _seconds),
        ("wait_p95_s", "wait\np95", _seconds),
        ("wait_p99_s", "wait\np99", _seconds),
        ("idle_instance_hours", "idle inst.-\nhours", lambda x: f"{x:,.1f}"),
        ("builds", "\nbuilds", _count),
        ("failed_builds", "\nfailed", _count),
        ("idle_cost", f"idle cost\n{_cell(answer['currency'].iloc[0])}", lambda x: f"{x:,.2f}"),
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
            name, style = (_cell(str(preset)), None) if how == "mean" else (label, "dim")
            table.add_row(name, *cells, style=style)
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
    _echo(simkit.explain(cron, timezone=timezone, at=at if at is not None else now_at).text)


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
    if as_csv:
        _echo_exactly(answer.to_csv(index=False, lineterminator="\n"))
    else:
        _echo(answer.to_string(index=False, max_rows=60))


@main.command()
@click.argument("runs", type=click.Path())
@click.option("--workspace", required=True, help="Its id or name, or its owner's name.")
@click.option("--run", "run_id", help="The run, if there are several.")
def why(runs: str, workspace: str, run_id: str | None) -> None:
    """Tell the story of one workspace in a runs file: each transition, its rule, and the numbers that it saw."""
    _echo("\n\n".join(story.text for story in simkit.why(runs, workspace, run_id)))


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
    _echo(simkit.when(loaded, at, people, ttl=ttl, autostart=autostart, quiet_hours=quiet_hours).text)


@main.command()
@click.argument("runs", type=click.Path())
@click.option("--at", required=True, help="The instant (RFC 3339).")
@click.option("--run", "run_id", help="The run, if there are several.")
def metrics(runs: str, at: str, run_id: str | None) -> None:
    """Print Coder's Prometheus metrics of a run in a runs file as they stood at an instant."""
    from simkit.controlplane.metrics import exposition_of

    _echo_exactly(exposition_of(runs, at, run_id))


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
    _echo(checked.text)
    context.exit(1 if checked.replaced else 0)


@main.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "junit", "github"]),
    default="text",
    show_default=True,
    help="github marks the lines of a pull request, junit is what most other services read.",
)
@click.option("-k", "keyword", default="", metavar="NAME", help="Only the tests called NAME, or with NAME in theirs.")
@click.option("--strict", is_flag=True, help="A warning fails, too.")
@click.option(
    "--update", metavar="NAME", help="First write again the snapshots with NAME in their path, or of preset NAME."
)
@click.option("--var", "variables", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="A Terraform variable.")
@click.pass_context
def check(
    context: click.Context,
    paths: tuple[str, ...],
    form: str,
    keyword: str,
    strict: bool,
    update: str | None,
    variables: dict[str, str],
) -> None:
    """Look at every preset in the .tf files below PATHS (here, if none is given) and run the *.simkit.yaml tests.

    A template with a snapshot beside it (see `simkit snapshot`) must still ask for what that says.

    Exit status 0: all is well. 1: a test failed, or a snapshot differs. 2: an input cannot be used.
    """
    from simkit.checks import FORMATS
    from simkit.checks import check as check_paths

    if update is not None:
        from simkit import snapshot as snapshots

        for path in snapshots.update(snapshots.called(paths or (".",), update), variables):
            _echo(f"Wrote {visible(str(path))}", err=True)
    checked = check_paths(paths or (".",), keyword, strict, variables)
    if form == "text":
        _echo(FORMATS[form](checked), nl=False)
    else:
        _echo_exactly(FORMATS[form](checked))
    context.exit(checked.status)


@main.command()
@click.argument("old")
@click.argument("new")
@click.option("--at", help="The instant to look ahead from (RFC 3339); now, if not given.")
@click.option("--weeks", type=click.IntRange(1, 52), default=4, show_default=True, help="How far to look ahead.")
@click.option("--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
@click.option("--demand", type=click.Path(), help="A history of claims (CSV) to simulate both sides with.")
@click.option("--scenario", type=click.Path(), help="Durations, costs and demand to simulate both sides with.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of all chance.")
@click.option("--replications", type=click.IntRange(2), default=20, show_default=True, help="Pairs of runs.")
@click.option("--build", callback=_duration, default="3m", show_default=True, help="A build's duration.")
@click.option("--build-p95", callback=_duration, help="Its 95th percentile, --build being the median then.")
@click.option("--agent", callback=_duration, default="30s", show_default=True, help="From build to ready.")
@click.option("--daemons", type=click.IntRange(1), default=3, show_default=True, help="Provisioner daemons.")
@click.option("--cost", type=click.FloatRange(0), default=0.0, help="Of an idle instance-hour.")
@click.option("--currency", default="USD", show_default=True)
@click.option("--var", "variables", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="A Terraform variable.")
@click.pass_context
def diff(
    context: click.Context,
    old: str,
    new: str,
    at: str | None,
    weeks: int,
    form: str,
    demand: str | None,
    scenario: str | None,
    seed: int,
    replications: int,
    build: int,
    build_p95: int | None,
    agent: int,
    daemons: int,
    cost: float,
    currency: str,
    variables: dict[str, str],
) -> None:
    """Say which presets differ between OLD and NEW, when desired instances do, and what people notice of it.

    Each is a .tf file, a folder of templates, or either of them in a git revision, such as main:templates. With
    --demand or --scenario both sides are simulated; a scenario's durations and costs come before the options here.

    Exit status 0: desired instances stay as they are. 1: they differ. 2: an input cannot be used.
    """
    from simkit.compare import FORMATS, Trial, compare
    from simkit.model import Workload, constant, lognormal

    trial = None
    if demand or scenario:
        if build_p95 is not None and not 0 < build <= build_p95:
            raise click.BadParameter("is below --build", param_hint="--build-p95")
        built = constant(build) if build_p95 is None else lognormal(build, build_p95)
        workload = Workload(build=built, agent=constant(agent), cost_per_instance_hour=cost)
        trial = Trial(demand or "", scenario or "", workload, daemons, seed, replications, currency)
    difference = compare(old, new, _instant(at), weeks=weeks, variables=variables, trial=trial)
    _print_findings(difference.findings)
    _echo(FORMATS[form](difference))
    context.exit(1 if difference.differs else 0)


@main.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--at", help="Show the weeks from this instant on (RFC 3339); from now on, if not given.")
@click.option("--weeks", type=click.IntRange(1, 520), default=8, show_default=True, help="How many weeks to show.")
@click.option("--update", "how", flag_value="update", help="Write again what is there, for the weeks that it shows.")
@click.option("--check", "how", flag_value="check", help="Write nothing, show what differs.")
@click.option("--var", "variables", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="A Terraform variable.")
@click.pass_context
def snapshot(
    context: click.Context,
    paths: tuple[str, ...],
    at: str | None,
    weeks: int,
    how: str | None,
    variables: dict[str, str],
) -> None:
    """Write what the schedules below PATHS (here, if none is given) ask for into NAME.simkit.snapshot beside NAME.tf.

    Commit these files: a review then shows when a change acts, and `simkit check` tells of a template that is no longer
    as its snapshot says.

    Exit status 0: written, or with --check nothing differs. 1: something does. 2: an input cannot be used.
    """
    from simkit import snapshot as snapshots

    if how is None:
        for path in snapshots.write(paths or (".",), _instant(at), weeks, variables):
            _echo(f"Wrote {visible(str(path))}")
        return
    templates = snapshots.with_snapshots(paths or (".",))
    if how == "update":
        for path in snapshots.update(templates, variables):
            _echo(f"Wrote {visible(str(path))}")
        return
    differences = [difference for template in templates for difference in snapshots.compare(template)]
    for difference in differences:
        _echo(str(difference))
    context.exit(1 if differences else 0)


def _instant(text: str | None) -> int:
    """Microseconds since the epoch; now for None."""
    from simkit.clock import parse_instant

    if text is None:
        return time.time_ns() // 1000
    try:
        return parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None


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
        _echo(sentence)
    _echo(f"Report: {visible(str(made.html))} (also {made.notebook.name} and {made.result.name} beside it)")


@contextmanager
def _working(console: Console, what: str) -> Iterator[None]:
    if console.is_terminal:
        with console.status(Text(visible(what))):
            yield
    else:
        yield


if __name__ == "__main__":
    main()
