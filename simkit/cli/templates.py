"""Verbs about templates: explain, check, diff, snapshot, plan-check."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

import simkit
from simkit.cli.decide import share
from simkit.cli.door import (
    coder_option,
    console_for,
    duration,
    echo,
    echo_exactly,
    instant,
    main,
    named,
    print_findings,
    progress,
    say_if_counting_compiles,
    seed_option,
    variables_option,
)
from simkit.errors import InputError
from simkit.shown import visible

if TYPE_CHECKING:
    from simkit.model import Daemons
    from simkit.templates.snapshot import Written


@main.command()
@click.argument("cron")
@click.option("--timezone", default="UTC", show_default=True, help="An IANA zone, as in the preset.")
@click.option("--at", help="The instant to look ahead from (RFC 3339); now, if not given.")
@coder_option
def explain(cron: str, timezone: str, at: str | None, coder: str | None) -> None:
    """Say when a prebuild schedule's CRON holds, what daylight saving does to it, and who reads it differently."""
    explained = simkit.explain(cron, timezone=timezone, at=instant(None) if at is None else at, coder=coder)
    print_findings(explained.notes)
    echo(explained.text)


def _renamed(_: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """OLD=NEW each, as (old, new)."""
    found = [text.partition("=") for text in texts]
    for text, (old, equals, new) in zip(texts, found, strict=True):
        if not (old and equals and new):
            raise click.BadParameter(f'"{text}" is not OLD=NEW', param=parameter)
    return tuple((old, new) for old, _, new in found)


@main.command(
    epilog="""\b
Examples:
  simkit check templates/
  simkit check templates/ --against my.duckdb --target-hit-rate 0.9
"""
)
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
@click.option(
    "--against",
    type=click.Path(),
    metavar="HISTORY",
    help="Hold each preset to the people in this runs file (simkit import): does it meet the target, near the best?",
)
@click.option("--weeks", type=click.IntRange(4, 520), default=4, show_default=True, help="The last ones that count.")
@click.option("--within", callback=share, default="10%", show_default=True, help="More than the best may cost.")
@click.option(
    "--target-hit-rate",
    "target",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="That is to be met; what a preset's own tests ask of its hit_rate, or 0.95, if left out.",
)
@click.option("--template", default="", help="Which one of the history's, if several have a preset of one name.")
@click.option(
    "--renamed", multiple=True, callback=_renamed, metavar="OLD=NEW", help="A preset with another name in the history."
)
@variables_option
@coder_option
@click.pass_context
def check(
    context: click.Context,
    paths: tuple[str, ...],
    form: str,
    keyword: str,
    strict: bool,
    update: str | None,
    against: str | None,
    weeks: int,
    within: float,
    target: float | None,
    template: str,
    renamed: tuple[tuple[str, str], ...],
    variables: dict[str, str],
    coder: str | None,
) -> None:
    """Look at every preset in the .tf files below PATHS (here, if none is given) and run the *.simkit.yaml tests.

    A template with a snapshot beside it (see `simkit snapshot`) must still ask for what that says.

    With --against, each preset must also suit the people of a deployment's last weeks: meet the target, and cost little
    more than the best numbers with as many schedules. If it does not, the week in which it broke is named, and what
    mends it.

    Exit status 0: all is well. 1: a test failed, a snapshot differs, or a preset drifted. 2: an input cannot be used.
    """
    from simkit.templates.check import FORMATS, Against
    from simkit.templates.check import check as check_paths

    if update is not None:
        from simkit.templates import snapshot as snapshots

        for path in snapshots.update(snapshots.called(paths or (".",), update), variables, coder).paths:
            echo(f"Wrote {visible(str(path))}", err=True)
    held = None
    if against is not None:
        held = Against(against, weeks, within, target, template, renamed)
        say_if_counting_compiles()
    with progress("checking") as told:
        checked = check_paths(paths or (".",), keyword, strict, variables, coder, held, told)
    if form == "text":
        echo(FORMATS[form](checked), nl=False)
    else:
        echo_exactly(FORMATS[form](checked))
    context.exit(checked.status)


def _daemons(_: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[Daemons, ...]:
    """COUNT, or COUNT:NAME=VALUE,... each."""
    from simkit.limits import MAX_DAEMONS
    from simkit.model import Daemons, tags_of

    groups = []
    for text in texts:
        count, colon, tags = text.partition(":")
        pairs_of = [pair.partition("=") for pair in tags.split(",")] if colon else []
        is_count = count.isascii() and count.isdigit() and 0 < len(count) <= len(str(MAX_DAEMONS)) and int(count) > 0
        if not (is_count and all(name and equals for name, equals, _ in pairs_of)):
            raise click.BadParameter(f'"{text}" is not a number such as 3, nor 2:pool=prebuilds', param=parameter)
        groups.append(Daemons(int(count), tags_of({name: value for name, _, value in pairs_of})))
    if sum(group.count for group in groups) > MAX_DAEMONS:
        raise click.BadParameter(f"simkit simulates up to {MAX_DAEMONS} daemons", param=parameter)
    return tuple(groups)


@main.command()
@click.argument("old")
@click.argument("new")
@click.option("--at", help="The instant to look ahead from (RFC 3339); now, if not given.")
@click.option("--weeks", type=click.IntRange(1, 52), default=4, show_default=True, help="How far to look ahead.")
@click.option("--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
@click.option(
    "--demand",
    help="A history of claims to simulate both sides with: a CSV or Parquet file, or '{duckdb: FILE, table: NAME}'.",
)
@click.option("--scenario", type=click.Path(), help="Durations, costs and demand to simulate both sides with.")
@seed_option
@click.option("--replications", type=click.IntRange(2), default=20, show_default=True, help="Pairs of runs.")
@click.option("--build", callback=duration, default="3m", show_default=True, help="A build's duration.")
@click.option("--build-p95", callback=duration, help="Its 95th percentile, --build being the median then.")
@click.option("--agent", callback=duration, default="30s", show_default=True, help="From build to ready.")
@click.option("--claim", callback=duration, default="10s", show_default=True, help="The build of a claim.")
@click.option("--failures", callback=share, help="Share of prebuilds' builds that fail; none if left out.")
@click.option(
    "--daemons",
    multiple=True,
    callback=_daemons,
    default=("3",),
    show_default="3",
    metavar="COUNT[:NAME=VALUE,...]",
    help="Provisioner daemons, with these tags; once for each group of them.",
)
@click.option(
    "--tag", "tags", multiple=True, callback=named, metavar="NAME=VALUE", help="Of jobs that build workspaces."
)
@click.option(
    "--prebuild-tag",
    "prebuild_tags",
    multiple=True,
    callback=named,
    metavar="NAME=VALUE",
    help="Of jobs that build prebuilds, besides.",
)
@click.option("--cost", type=click.FloatRange(0), default=0.0, help="Of an instance-hour.")
@click.option("--currency", default="USD", show_default=True)
@click.option("--exit-zero", is_flag=True, help="Exit status 0, too, where desired instances differ: for a hook.")
@variables_option
@coder_option
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
    claim: int,
    failures: float | None,
    daemons: tuple[Daemons, ...],
    tags: dict[str, str],
    prebuild_tags: dict[str, str],
    cost: float,
    currency: str,
    exit_zero: bool,
    variables: dict[str, str],
    coder: str | None,
) -> None:
    """Say which presets differ between OLD and NEW, when desired instances do, and what people notice of it.

    Each is a .tf file, a folder of templates, or either of them in a git revision, such as main:templates. With
    --demand or --scenario both sides are simulated; a scenario's durations and costs come before the options here.

    Exit status 0: desired instances stay as they are. 1: they differ. 2: an input cannot be used.
    """
    from simkit.model import Workload, constant, lognormal, tags_of
    from simkit.templates.diff import FORMATS, Trial, text
    from simkit.templates.diff import diff as diff_sides

    trial = None
    if demand or scenario:
        if build_p95 is not None and not 0 < build <= build_p95:
            raise click.BadParameter("is below --build", param_hint="--build-p95")
        built = constant(build) if build_p95 is None else lognormal(build, build_p95)
        workload = Workload(
            build=built,
            agent=constant(agent),
            claim=constant(claim),
            cost_per_instance_hour=cost,
            failure_probability=failures or 0.0,
        )
        trial = Trial(
            demand or "",
            scenario or "",
            workload,
            sum(group.count for group in daemons),
            daemons if any(group.tags for group in daemons) else (),
            tags_of(tags),
            tags_of(prebuild_tags),
            seed,
            replications,
            currency,
        )
    with progress("simulating") as told:
        difference = diff_sides(
            old, new, instant(at), weeks=weeks, variables=variables, coder=coder, trial=trial, told=told
        )
    print_findings(difference.findings)
    if form == "text":
        console = console_for()
        echo(text.render(difference, console.width if console.is_terminal else None))
    else:
        echo(FORMATS[form](difference))
    context.exit(1 if difference.differs and not exit_zero else 0)


@main.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--at", help="Show the weeks from this instant on (RFC 3339); from now on, if not given.")
@click.option("--weeks", type=click.IntRange(1, 520), default=8, show_default=True, help="How many weeks to show.")
@click.option("--update", "how", flag_value="update", help="Write again what is there, for the weeks that it shows.")
@click.option("--check", "how", flag_value="check", help="Write nothing, show what differs.")
@variables_option
@coder_option
@click.pass_context
def snapshot(
    context: click.Context,
    paths: tuple[str, ...],
    at: str | None,
    weeks: int,
    how: str | None,
    variables: dict[str, str],
    coder: str | None,
) -> None:
    """Write what the schedules below PATHS (here, if none is given) ask for into NAME.simkit.snapshot beside NAME.tf.

    Commit these files: a review then shows when a change acts, and `simkit check` tells of a template that is no longer
    as its snapshot says.

    Exit status 0: written, or with --check nothing differs. 1: something does. 2: an input cannot be used.
    """
    from simkit.templates import snapshot as snapshots

    if how is None:
        _tell(snapshots.write(paths or (".",), instant(at), weeks, variables, coder))
        return
    found = snapshots.with_snapshots(paths or (".",))
    if how == "update":
        _tell(snapshots.update(found, variables, coder))
        return
    said, differing = snapshots.differences(found)
    if wrong := [finding for finding in said if finding.level == "error"]:
        raise InputError(wrong)
    print_findings(said)
    for difference in differing:
        echo(str(difference))
    context.exit(1 if differing else 0)


def _tell(written: Written) -> None:
    print_findings(written.notes)
    for path in written.paths:
        echo(f"Wrote {visible(str(path))}")


@main.command("plan-check")
@click.argument("plan", type=click.Path(allow_dash=True))
@click.pass_context
def plan_check(context: click.Context, plan: str) -> None:
    """List what a claim would replace by PLAN, the output of `terraform show -json` (- for standard input).

    Exit status 0: nothing is replaced. 1: something is, and the lifecycle block to add is printed.
    """
    from simkit.templates.plan import STDIN, parse_plan, read_plan

    checked = parse_plan(sys.stdin.buffer.read()) if plan == STDIN else read_plan(plan)
    print_findings(checked.notes)
    echo(checked.text)
    context.exit(1 if checked.replaced else 0)
