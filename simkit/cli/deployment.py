"""Verbs about a deployment: import its history, make a scenario of it, replay it, look ahead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

import simkit
from simkit.cli.decide import share
from simkit.cli.door import (
    cell,
    console_for,
    duration,
    echo,
    echo_exactly,
    instant,
    main,
    png_file,
    print_findings,
    progress,
    progress_of_shares,
    seed_option,
    variables_option,
    working,
)
from simkit.cli.tables import print_table
from simkit.deployment.tables import psql_lines
from simkit.shown import printed, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from simkit.clock import Zone
    from simkit.deployment.coming import Coming
    from simkit.deployment.forecast import Forecast, Trial
    from simkit.deployment.history import Source
    from simkit.deployment.replay import Replayed


def _zone(_: click.Context, parameter: click.Parameter, name: str) -> Zone:
    from simkit.clock import unknown_zone, zone

    found = zone(name)
    if found is None:
        raise click.BadParameter(unknown_zone(name), param=parameter)
    return found


def _since(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    from simkit.clock import UTC_ZONE, parse_instant

    try:
        return None if text is None else parse_instant(text, context.params.get("in_zone", UTC_ZONE))
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None


def _import_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--keep-names", is_flag=True, help="Keep the names of users, workspaces, groups and daemons."),
        click.option(
            "--since", "since_at", callback=_since, metavar="INSTANT", help="Only what happened since then; else all."
        ),
        click.option(
            "--timezone",
            "in_zone",
            callback=_zone,
            default="UTC",
            show_default=True,
            is_eager=True,
            help="In which people think of presets that name no zone.",
        ),
        click.option(
            "--out", required=True, type=click.Path(dir_okay=False), help="DuckDB file to add the history to."
        ),
    ):
        command = option(command)
    return command


@main.group("import")
def import_() -> None:
    """Import a deployment's history: what was claimed, built and waited for, as a run named history.

    Ids become numbers. No e-mail is read, and no name of a person, a workspace, a group or a daemon unless
    --keep-names asks for it. The file is written whole or not at all; a second import brings it up to date. Who has no
    history of Coder imports commits (git), as a CSV file of claims.
    """


@import_.command(
    epilog="""\b
Examples:
  simkit import postgres postgresql://coder@db.example.com:5432/coder --out my.duckdb
  simkit import postgres postgresql://coder@db.example.com/coder?sslmode=require --since 2026-01-01 --out my.duckdb
  simkit ask my.duckdb hit_rate
The password may stand in PGPASSWORD or ~/.pgpass in place of the URL.
"""
)
@click.argument("url")
@_import_options
def postgres(url: str, out: str, in_zone: Zone, since_at: int | None, keep_names: bool) -> None:
    """Read Coder's PostgreSQL at URL, in one transaction that reads only.

    It needs SELECT on a few tables, of Coder v2.24 or newer, and the extra simkit[postgres].
    """
    from simkit.deployment.postgres import Database

    _bring(Database(url), out, in_zone, since_at, keep_names)


class _WithLines(click.Command):
    """Its help ends with the lines for psql."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write_text("Type this into psql, connected to Coder's database, in the folder for the files:")
        formatter.write_paragraph()
        formatter.write(psql_lines())


@import_.command("csv", cls=_WithLines)
@click.argument("folder", metavar="DIR", type=click.Path())
@_import_options
def csv_(folder: str, out: str, in_zone: Zone, since_at: int | None, keep_names: bool) -> None:
    """Read exports of Coder's tables from the folder DIR: a CSV or a Parquet file each, named as the table."""
    from simkit.deployment.exports import Exports

    _bring(Exports(Path(folder)), out, in_zone, since_at, keep_names)


@import_.command(
    epilog="""\b
Examples:
  simkit import api https://coder.example.com --out my.duckdb
  simkit import api --since 2026-01-01 --out my.duckdb
The token comes from CODER_SESSION_TOKEN, the address from CODER_URL if it is left out, as for Coder's own commands.
"""
)
@click.argument("url", required=False, envvar="CODER_URL")
@_import_options
def api(url: str | None, out: str, in_zone: Zone, since_at: int | None, keep_names: bool) -> None:
    """Read what the REST API of the Coder at URL offers, with the token in CODER_SESSION_TOKEN.

    It takes a request for each workspace, and lacks schedules and TTLs of prebuilds. What it lacks is printed.
    """
    import os

    from simkit.deployment.api import Api

    if not url:
        raise click.UsageError("give the URL of Coder, or set CODER_URL")
    _bring(Api(url, os.environ.get("CODER_SESSION_TOKEN", "").strip()), out, in_zone, since_at, keep_names)


@import_.command(
    epilog="""\b
Examples:
  simkit import git ../backend ../frontend --since 2026-01-01 --out claims.csv
  simkit import git ~/src --quiet 6h --exclude 'ci@*' --out claims.csv
A scenario takes the file: demand: {history: claims.csv, preset: NAME}
"""
)
@click.argument("repositories", metavar="REPOSITORY...", nargs=-1, required=True, type=click.Path())
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="CSV file to write the claims into.")
@click.option(
    "--quiet",
    "quiet_us",
    callback=duration,
    default="4h",
    show_default=True,
    help="After so long without a commit, the next one is a claim: longer than a meal, shorter than a night.",
)
@click.option(
    "--since", "since_at", callback=_since, metavar="INSTANT", help="Only claims since then; UTC if it names no zone."
)
@click.option(
    "--exclude", multiple=True, metavar="PATTERN", help="Names or e-mails that are not people's, such as 'ci@*'."
)
@click.option("--keep-names", is_flag=True, help="Keep e-mails; else people are numbers.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def git(
    repositories: tuple[str, ...],
    out: str,
    quiet_us: int,
    since_at: int | None,
    exclude: tuple[str, ...],
    keep_names: bool,
    force: bool,
) -> None:
    """Turn the commits of git repositories into demand: a claim whenever a person begins to work.

    That is the first commit after some hours without one, by author's date, in any of the repositories. A folder may
    have several in it. Merges and bots do not count. Nothing is fetched, and no program of a repository is run.
    """
    from simkit.clock import format_duration, format_instant
    from simkit.deployment.git import LACKS, claims_of_commits, write_claims
    from simkit.deployment.text import as_yaml
    from simkit.times import many

    with progress_of_shares("connecting") as reading:
        begun = claims_of_commits(repositories, instant(None), quiet_us, since_at, exclude, reading)
    write_claims(out, begun, keep_names, force)
    print_findings(begun.notes)
    span = f"{format_instant(begun.claims[0].at)} to {format_instant(begun.claims[-1].at)}"
    echo(f"{visible(out)}: {many(len(begun.claims), 'claim')} of {many(len(begun.people), 'author')} from {span}")
    echo(
        f"A claim is a person's first commit after {format_duration(quiet_us)} without one, in any of the repositories."
    )
    of = many(begun.repositories, "repository")
    echo(
        f"{many(begun.commits, 'commit')} of people in {of}; left out: {many(begun.merges, 'merge')}, "
        f"{begun.of_bots:,} by {many(begun.bots, 'bot')}, {begun.undated:,} of an impossible date"
    )
    for sentence in LACKS:
        echo(f"- {sentence}")
    echo(f"A scenario takes them, for one of its presets: demand: {{history: {as_yaml(Path(out).name)}, preset: NAME}}")


def _bring(source: Source, out: str, in_zone: Zone, since_at: int | None, keep_names: bool) -> None:
    from simkit.deployment.history import bring

    with progress_of_shares("connecting") as reading:
        brought = bring(out, source, in_zone, since_at, keep_names, reading)
    from simkit.clock import format_instant
    from simkit.times import many

    span = f"{format_instant(brought.start_at, in_zone)} to {format_instant(brought.end_at, in_zone)}"
    misses = brought.claims - brought.hits
    of = f" of Coder {visible(brought.coder_version)}" if brought.coder_version else ""
    echo(f"{visible(out)}: the history{of} from {span}")
    echo(
        f"{many(brought.workspaces, 'workspace')} with {many(brought.builds, 'build')}; "
        f"{many(brought.claims, 'claim')} of {many(brought.presets, 'preset')} (of all versions): "
        f"{many(brought.hits, 'hit')}, {misses:,} {'miss' if misses == 1 else 'misses'}"
    )
    if brought.without_preset:
        were = "workspace was" if brought.without_preset == 1 else "workspaces were"
        echo(
            f"{brought.without_preset:,} more {were} made by people who chose no preset; no pool could have served them"
        )
    echo(
        "Demand is seen in part: who found no preset that fits, or gave up, left no row. When a version was activated "
        "is taken from its first prebuild."
    )
    for sentence in brought.lacks:
        echo(f"- {sentence}")


@main.command(
    epilog="""\b
Examples:
  simkit calibrate my.duckdb --out deployment.yaml
  simkit recommend deployment.yaml --target-hit-rate 0.95
"""
)
@click.argument("history", type=click.Path())
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="YAML file to write the scenario into.")
@click.option("--template", help="Which one, if people asked for presets of several.")
@click.option("--run", "run_id", metavar="ID", help="Of the file's runs; the history, or the only one, if left out.")
@click.option("--by-hour", is_flag=True, help="Claims as expected in each hour of the week, not as they came.")
@click.option(
    "--hidden-demand",
    callback=share,
    metavar="SHARE",
    help="So much more demand than was seen (10%), for people who found nothing or gave up; by hour of the week.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def calibrate(
    history: str,
    out: str,
    template: str | None,
    run_id: str | None,
    by_hour: bool,
    hidden_demand: float | None,
    force: bool,
) -> None:
    """Write a scenario out of the HISTORY in a runs file: presets as deployed, claims and durations as they were.

    Each number has its sample size and interval beside it, as a comment.
    """
    from simkit.deployment.calibrate import calibrate
    from simkit.deployment.mix import mix_told
    from simkit.deployment.written import told
    from simkit.times import many

    with working(console_for(stderr=True), "measuring"):
        found = calibrate(history, out, template, run_id, by_hour, hidden_demand or 0.0, force)
    facts = found.facts
    print_findings(found.notes)
    claims, daemons = many(facts.claims, "claim"), many(facts.provisioners.count, "daemon")
    echo(f"{visible(out)}: template {visible(facts.template)}, {claims}; {daemons}")
    for one in facts.durations:
        if not one.preset:
            echo(f"{one.kind}: {told(one)}")
    for rate in facts.failures:
        if not rate.preset:
            share_of = rate.share
            between = f"[{share_of.low:.2%}, {share_of.high:.2%}]"
            echo(f"failures: {rate.failed:,} of n = {rate.of:,}, {share_of.mean:.2%} {between}")
    for sentence in (*mix_told(facts.mix), *found.assumed):
        echo(f"- {visible(sentence)}")


@main.command(
    epilog="""\b
Examples:
  simkit replay my.duckdb
  simkit replay my.duckdb --scenario changed.yaml
  simkit replay my.duckdb --csv > hours.csv
  simkit report notebooks/06-replay.ipynb -p history=my.duckdb
"""
)
@click.argument("history", type=click.Path())
@click.option("--scenario", type=click.Path(), help="Play this one, as a calibrated one with a changed schedule.")
@click.option("--template", help="Which one, if people asked for presets of several.")
@click.option(
    "--replications", type=click.IntRange(2), default=20, show_default=True, help="Replays that differ in chance."
)
@click.option("--csv", "as_csv", is_flag=True, help="Prebuilds that ran, a row for each preset and hour, as CSV.")
@seed_option
def replay(
    history: str, scenario: str | None, template: str | None, replications: int, as_csv: bool, seed: int
) -> None:
    """Play the claims of the HISTORY in a runs file against the schedules of their time, beside what happened.

    In brackets: nine of ten replays. Days on which the recorded hits are none of the replays' are listed with what else
    was out of the ordinary on them.
    """
    from simkit.deployment.replay import replay

    with progress("replaying") as told:
        found = replay(history, scenario, template, seed, replications, told)
    print_findings(found.notes)
    if as_csv:
        _print_pools(found.presets)
        return
    for one in found.presets:
        _print_replayed(one, found.replications)


def _print_replayed(one: Replayed, replications: int) -> None:
    from simkit.deployment.replay import is_around, told

    console = console_for()
    title = f"{cell(one.preset)}: what happened, and {replications} replays"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for head in ("", "recorded", "replayed", "from", "to"):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    table.add_column("")
    for measure, label, text in _REPLAYED:
        again = one.replayed[measure]
        values = (one.recorded[measure], again.median, again.low, again.high)
        known = values[0] == values[0] and again.median == again.median
        mark = "outside" if known and not is_around(again, values[0]) else ""
        table.add_row(label, *("-" if value != value else text(value) for value in values), mark)
    print_table(console, table)
    for line in told(one):
        console.print(printed(line))
    console.print("")


def _print_pools(found: Sequence[Replayed]) -> None:
    import numpy as np

    from simkit.clock import format_instant

    rows: list[list[str]] = []
    for one in found:
        if one.pools is None:
            continue
        columns = np.column_stack([one.pools.wanted, one.pools.recorded, one.pools.replayed])
        for at, row in zip(one.pools.at.tolist(), columns.tolist(), strict=True):
            rows.append([one.preset, one.zone.name, format_instant(at, one.zone), *(f"{value:.3f}" for value in row)])
    heads = ("wanted", "recorded", "replayed_low", "replayed_median", "replayed_high")
    echo_exactly(_csv(("preset", "timezone", "hour_at", *heads), rows))


def _csv(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    return text.getvalue()


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _wait(value: float) -> str:
    from simkit.times import in_column

    return in_column(value)


_REPLAYED = (
    ("claims", "claims", _number),
    ("hit_rate", "hit rate", _share),
    ("wait_p50_s", "wait p50", _wait),
    ("wait_p95_s", "wait p95", _wait),
    ("builds", "builds of prebuilds", _number),
    ("failed_builds", "of them failed", _number),
    ("idle_instance_hours", "idle instance-hours", _number),
)


@main.command(
    epilog="""\b
Examples:
  simkit forecast my.duckdb --weeks 4
  simkit forecast SCENARIO.yaml --preset goland-large --holidays days.csv
  simkit forecast my.duckdb --holidays country:DE-BY
  simkit forecast my.duckdb --csv > hours.csv
  simkit forecast my.duckdb --picture forecast.png
  simkit forecast my.duckdb --weeks 6 --for deployment.yaml --out coming.yaml
  simkit recommend coming.yaml
"""
)
@click.argument("source", type=click.Path())
@click.option("--weeks", type=click.IntRange(1, 26), default=4, show_default=True, help="How far to look ahead.")
@click.option("--preset", help="This one alone.")
@click.option(
    "--holidays",
    type=click.Path(),
    metavar="FILE|country:CODE",
    help="Days, past and coming, on which people do not come: a CSV of dates, or country:US, country:DE-BY.",
)
@click.option("--csv", "as_csv", is_flag=True, help="A row for each coming hour, as CSV.")
@click.option("--picture", type=click.Path(dir_okay=False), help="Draw it, too, into this PNG file.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    help="Write claims drawn from it: a CSV file that a scenario's demand takes.",
)
@click.option(
    "--for",
    "scenario",
    type=click.Path(),
    help="This scenario in the coming weeks, as --out.",
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
@seed_option
@variables_option
def forecast(
    source: str,
    weeks: int,
    preset: str | None,
    holidays: str | None,
    as_csv: bool,
    picture: str | None,
    out: str | None,
    scenario: str | None,
    force: bool,
    seed: int,
    variables: dict[str, str],
) -> None:
    """Say how many will ask in the coming weeks, from the history in SOURCE: a runs file, or a scenario that has one.

    The bound of 95% holds in 19 of 20 hours. How the same method did on the last weeks stands below.
    """
    if scenario is not None and out is None:
        raise click.UsageError("--for needs --out: a YAML file beside the scenario")
    target = None if picture is None else png_file(picture)
    with working(console_for(stderr=True), "trying the last weeks"):
        found = simkit.forecast(source, weeks, preset, holidays, variables)
    if target is not None:
        from simkit.files import write_whole
        from simkit.studies.forecast import pictures

        write_whole(target, pictures.weeks(found).png())
        echo(f"Picture: {visible(str(target))}", err=True)
    if out is not None:
        from simkit.deployment.coming import write_coming

        beside = None if scenario is None else Path(scenario)
        _say_written(write_coming(found, Path(out), beside, seed, variables, force), beside)
    if as_csv:
        _print_hours(found)
        return
    if out is not None:
        return
    for one in found:
        _print_days(one)


def _say_written(written: Coming, scenario: Path | None) -> None:
    from simkit.clock import format_instant
    from simkit.deployment.coming import lines_of
    from simkit.times import many

    span = " to ".join(format_instant(at, written.zone) for at in (written.start_at, written.end_at))
    claims = f"{many(written.claims, 'claim')} from {span}, drawn with seed {written.seed}"
    echo(f"{visible(str(written.demand))}: {claims}", err=True)
    if written.scenario is not None:
        echo(f"{visible(str(written.scenario))}: {visible(str(scenario))} in these weeks", err=True)
        return
    echo("A scenario takes it with these lines:", err=True)
    for line in lines_of(written):
        echo(f"  {visible(line)}", err=True)


def _print_hours(found: tuple[Forecast, ...]) -> None:
    from simkit.clock import format_instant
    from simkit.deployment.forecast import LEVELS

    rows: list[list[object]] = []
    for one in found:
        for at, mean, bounds, holiday in zip(one.at, one.mean, one.bounds, one.is_holiday, strict=True):
            hour = format_instant(int(at), one.zone)
            rows.append([one.preset, one.zone.name, hour, f"{mean:.3f}", *bounds.tolist(), "yes" if holiday else ""])
    levels = (f"at_most_{level:.0%}" for level in LEVELS)
    echo_exactly(_csv(("preset", "timezone", "hour_at", "claims", *levels, "holiday"), rows))


def _print_days(one: Forecast) -> None:
    """A row a day: how many are expected, and in the busiest hour how many, and at most."""
    from simkit.deployment.forecast import LEVELS, days_of, told

    console = console_for()
    title = f"{cell(one.preset)}: who will ask, by day ({one.zone.name})"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("\nday", no_wrap=True)
    for head in ("\nclaims", "busiest\nhour", "claims\nin it", *(f"at most,\n{level:.0%}" for level in LEVELS[2:])):
        table.add_column(head, justify="right", no_wrap=True)
    for day in days_of(one):
        bounds = (f"{bound:,}" for bound in day.busiest_bounds[2:])
        hour = f"{day.busiest_hour:02}:00"
        table.add_row(day.name, f"{day.claims:,.1f}", hour, f"{day.busiest_claims:,.1f}", *bounds)
    print_table(console, table)
    console.print(printed(told(one)))
    if one.trial is not None:
        _print_trial(one.trial)
    console.print("")


def _print_trial(trial: Trial) -> None:
    """What pools of these sizes would have met on the past weeks."""
    console = console_for()
    title = "\nA pool of so many, on those weeks:"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for head in ("", "bound of 95%", "same hour, last week"):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    pools = (trial.bound, trial.last_week)
    table.add_row("hours in which more came", *(f"{one.over:.1%}" for one in pools))
    table.add_row("people beyond it", *(f"{one.beyond:.1%}" for one in pools))
    table.add_row("spare, on average", *(f"{one.spare:.2f}" for one in pools))
    table.add_row("loss (pinball)", *("-" if loss != loss else f"{loss:.2f}" for loss in (trial.loss, 1.0)))
    print_table(console, table)
