"""Verbs about runs: simulate, ask, Coder's metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
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
    print_findings,
    progress,
    seed_option,
    variables_option,
    working,
)
from simkit.errors import RunError
from simkit.files import writing_whole
from simkit.shown import printed, visible

if TYPE_CHECKING:
    import pandas as pd

    from simkit.model import Scenario
    from simkit.store import Storable


@main.command()
@click.argument("scenario", type=click.Path())
@seed_option
@click.option("--out", type=click.Path(dir_okay=False), help="DuckDB file to add the run to.")
@click.option(
    "--replications", type=click.IntRange(1), default=1, show_default=True, help="Runs that differ in chance."
)
@variables_option
@click.option(
    "--engine",
    type=click.Choice(["kernel", "reference"]),
    default="kernel",
    show_default=True,
    help="The reference does row by row what the kernel computes: the same tables, some thousand times slower.",
)
def run(scenario: str, seed: int, out: str | None, replications: int, variables: dict[str, str], engine: str) -> None:
    """Simulate SCENARIO (a YAML file) and print how each preset's pool served and what it cost."""
    if out is not None:
        from simkit.store.writing import check_target

        check_target(out)
    from simkit.inputs.history import rows_told
    from simkit.templates.cures import lint_tried

    watched = console_for(stderr=True)
    with working(watched, "reading"):
        loaded = simkit.load(scenario, variables)
    if engine == "kernel":
        _say_if_it_compiles(loaded)  # before anything is tried, for that compiles
        with working(watched, "trying what would mend its schedules"):
            findings = lint_tried(loaded, seed)
        print_findings(findings)
    else:
        print_findings(simkit.lint(loaded))
    runs: Iterable[Storable] = (
        simkit.replicate(loaded, seed, replications)
        if engine == "kernel"
        else (simkit.run_reference(loaded, seed, replication) for replication in range(replications))
    )
    results = _simulated(runs, replications)
    if out is not None:
        with progress("saving rows") as heard:
            _save(out, results, heard)
    _print_outcome(results, loaded, seed)
    for told in rows_told(loaded):
        echo(told)
    if out is not None:
        echo(f"{len(results)} run{'s' * (len(results) > 1)} in {visible(out)}: {visible(results[0].run_id)}")


def _save(out: str, results: list[Storable], told: Callable[[int, int], None]) -> None:
    """Ctrl-C leaves whole runs in the file, and says how many. Raises RunError then, StoreError as `simkit.save`."""
    from simkit.store.connection import file_of

    try:
        simkit.save(out, results, told)
    except KeyboardInterrupt:
        mine = {result.run_id for result in results}
        stored = mine & set(simkit.ask(out, "runs")["run_id"]) if file_of(out).exists() else set()
        many = f"{len(mine)} run{'s' * (len(mine) > 1)}"
        text = (
            f"{out}: interrupted while saving; {len(stored)} of {many} {'are' if len(mine) > 1 else 'is'} in it, whole"
        )
        raise RunError(text) from None


def _say_if_it_compiles(scenario: Scenario) -> None:
    """A person who watches is told why nothing happens for a while."""
    from simkit.runs.simulate import will_compile

    if console_for(stderr=True).is_terminal and will_compile(scenario):
        echo("compiling the event loop, once, about 20 s", err=True)


def _simulated(runs: Iterable[Storable], replications: int) -> list[Storable]:
    results: list[Storable] = []
    with progress("simulating") as told:
        told(0, replications)
        for result in runs:
            results.append(result)
            told(len(results), replications)
    return results


def _print_outcome(results: list[Storable], scenario: Scenario, seed: int) -> None:
    """How the pools served, what the hard limit did, and what everything costs."""
    from simkit.report.notebook import text_of
    from simkit.runs.simulate import chance
    from simkit.studies.outcome import hard_limits, leaves_out_people, quota, reaped, strangers_note

    console, runs = console_for(), len(results)
    if runs > 1:
        console.print(f"Least and greatest of {runs} replications. {chance(scenario)}\n")
    many = f", {runs} replications" if runs > 1 else ""
    summary, hours = simkit.ask(results, "summary"), simkit.ask(results, "hours")
    console.print(_served(summary, f"{cell(scenario.name)}, seed {seed}{many}"))
    limits, ended = simkit.ask(results, "hard_limits"), simkit.ask(results, "reaped")
    above = [] if scenario.prebuilds_quota is None else quota(simkit.ask(results, "quota"), scenario, runs)
    for told in (*hard_limits(limits, runs), *above, *reaped(ended, scenario, runs)):
        console.print(f"\n{printed(text_of(told.text, told.numbers))}")
    console.print("")
    console.print(_spent(hours, leaves_out_people(scenario)))
    if note := strangers_note(hours, scenario):
        console.print(note.replace("`", ""))


_Columns = list[tuple[str, str, "Callable[[float], str]"]]


def _served(answer: pd.DataFrame, title: str) -> Table:
    """The question `summary` as a table. The hard limit stands beside the hit rate where there was one."""
    from simkit.times import in_column

    limited = answer["hard_limited_hours"].any()
    return _table(
        answer,
        title,
        [
            ("claims", "\nclaims", _count),
            ("hit_rate", "hit\nrate", lambda x: f"{x:.1%}"),
            *([("hard_limited_hours", "hard-\nlimited", _days)] if limited else []),
            ("wait_p50_s", "wait\np50", in_column),
            ("wait_p95_s", "wait\np95", in_column),
            ("wait_p99_s", "wait\np99", in_column),
            ("builds", "\nbuilds", _count),
            ("failed_builds", "\nfailed", _count),
        ],
    )


def _spent(answer: pd.DataFrame, leaves_out_people: bool) -> Table:
    """The question `hours` as a table: what a cloud bill has, by what it is."""
    from simkit.studies.outcome import without_people

    answer = without_people(answer)
    total = "total" if leaves_out_people else "billed"
    currency = cell(answer["currency"].iloc[0])
    costs = answer["billed_cost"].any()
    return _table(
        answer,
        "Instance-hours in the window" + (f", and what they cost in {currency}" if costs else ""),
        [
            ("building_hours", "\nbuilding", _whole),
            ("idle_hours", "\nidle", _whole),
            ("deleting_hours", "delet-\ning", _whole),
            *([("pool_cost", "= pool's\ncost", _whole)] if costs else [("pool_hours", "=\npool's", _whole)]),
            *([("pool_cost_per_week", "a\nweek", _whole)] if costs else []),
            ("failed_hours", "failed,\nleft", _whole),
            *([] if leaves_out_people else [("claimed_hours", "by\npeople", _whole)]),
            *(
                [(f"{total}_cost", f"= {total}\ncost", _whole)]
                if costs
                else [(f"{total}_hours", f"=\n{total}", _whole)]
            ),
        ],
    )


def _table(answer: pd.DataFrame, title: str, columns: _Columns) -> Table:
    """A row a preset; over several replications with the mean, the least and the greatest of each number."""
    replications = answer["run_id"].nunique()
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    if console_for().width < 100:
        table.padding = (0, 1, 0, 0)  # names and numbers need the room more
    table.add_column("\npreset", overflow="fold")  # a long name takes lines, and no room from numbers
    for _, title, _ in columns:
        table.add_column(title, justify="right", no_wrap=True)
    rows = [("mean", "mean"), ("  least", "min"), ("  greatest", "max")]
    for preset, mine in answer.groupby("preset", sort=False):
        for label, how in rows[: 3 if replications > 1 else 1]:
            values = [mine[column].agg(how) for column, _, _ in columns]
            cells = [
                "-" if value != value else text(value) for value, (_, _, text) in zip(values, columns, strict=True)
            ]
            name, style = (cell(str(preset)), None) if how == "mean" else (label, "dim")
            table.add_row(name, *cells, style=style)
    return table


def _days(hours: float) -> str:
    return f"{hours / 24:,.1f}d" if hours else "-"


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.5 or not value else f"{value:,.1f}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


@main.command()
@click.argument("runs", type=click.Path())
@click.argument("question", required=False, shell_complete=completion.questions)
@click.option("--run", "run_id", help="Only this run.")
@click.option(
    "--preset", shell_complete=completion.presets, help="Only rows of this preset, and of what concerns all presets."
)
@click.option("--from", "from_at", metavar="INSTANT", help="Only from then on, with what began before and still lasts.")
@click.option("--until", "until_at", metavar="INSTANT", help="Only what began before then.")
@click.option("--local", is_flag=True, help="Instants by the clocks of each row's preset, with the zone.")
@click.option(
    "--over",
    type=click.Choice(["replications"]),
    help="One row for all runs of a scenario and seed: the median of each number, and 5 % to 95 % of the runs.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, whole.")
def ask(
    runs: str,
    question: str | None,
    run_id: str | None,
    preset: str | None,
    from_at: str | None,
    until_at: str | None,
    local: bool,
    over: str | None,
    as_csv: bool,
) -> None:
    """Ask a runs file a QUESTION; without one, list the questions.

    An INSTANT is RFC 3339 or, without an offset, a day or a time by the clocks of each row's preset. A question that
    does not take an option says which ones it takes.

    \b
    simkit ask runs.duckdb pool --preset large --from 2026-11-16T09:00 --until 2026-11-16T12:00 --local
    simkit ask runs.duckdb decisions --from 2026-11-16 --until 2026-11-17 --csv
    simkit ask runs.duckdb hit_rate_by_hour --over replications
    """
    from simkit.store.asking import check_there

    if question is None:
        if any((run_id, preset, from_at, until_at, local, over, as_csv)):
            raise click.UsageError("these options belong to a QUESTION; `simkit ask RUNS` lists them")
        check_there(runs)
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("question", no_wrap=True)
        table.add_column("asks")
        for name, text in simkit.questions().items():
            table.add_row(name, text)
        console_for().print(table)
        return
    answer = simkit.ask(
        runs, question, run_id, preset=preset, from_at=from_at, until_at=until_at, local=local, over=over
    )
    if as_csv:
        echo_exactly(answer.to_csv(index=False, lineterminator="\n"))
        return
    from simkit.cli.answers import laid_out
    from simkit.store.question import find

    console = console_for()
    if over:
        console.print(
            "Median (5 % to 95 %) of the replications of a scenario and seed; `runs` of `of_runs` have the row.\n"
        )
    echo(laid_out(answer, find(question).lead, console.width if console.is_terminal else None))


@main.command()
@click.argument("runs", type=click.Path())
@click.option("--at", metavar="INSTANT", help="As they stood then, in Prometheus' text format.")
@click.option("--step", help="At --from and each so much later, before --until, as OpenMetrics with timestamps.")
@click.option("--from", "from_at", metavar="INSTANT", help="The first step; the run's begin if left out.")
@click.option("--until", "until_at", metavar="INSTANT", help="The steps' end; the run's end if left out.")
@click.option("--without", multiple=True, metavar="METRIC", help="Leave this metric out of the steps.")
@click.option("--out", type=click.Path(dir_okay=False), help="The file to write the steps to.")
@click.option("--run", "run_id", help="The run, if there are several.")
def metrics(
    runs: str,
    at: str | None,
    step: str | None,
    from_at: str | None,
    until_at: str | None,
    without: tuple[str, ...],
    out: str | None,
    run_id: str | None,
) -> None:
    """Print Coder's Prometheus metrics of a run in a runs file, at an instant or over a span of time.

    An INSTANT is RFC 3339. Steps are for `promtool tsdb create-blocks-from openmetrics`, which makes them blocks of a
    Prometheus of their own: see docs/prometheus.md.

    \b
    simkit metrics runs.duckdb --at 2026-11-09T09:10:00-05:00
    simkit metrics runs.duckdb --step 15s --without coderd_workspace_builds --out metrics.txt
    """
    if (at is None) == (step is None):
        raise click.UsageError("write --at for one instant, or --step for a span of time")
    if at is not None:
        from simkit.controlplane.metrics import exposition_of

        if any((from_at, until_at, without, out)):
            raise click.UsageError("--from, --until, --without and --out belong to --step, not to --at")
        echo_exactly(exposition_of(runs, at, run_id))
        return
    from simkit.controlplane.scrapes import scraped

    assert step is not None
    with scraped(runs, from_at, until_at, step, run_id, without) as scrapes:
        if out is None:
            for text in scrapes.text():
                echo_exactly(text)
            return
        with working(console_for(stderr=True), "writing"), writing_whole(Path(out)) as file:
            for text in scrapes.text():
                file.write(text.encode())
        echo(f"{sum(scrapes.samples.values()):,} samples in {visible(out)}")
