"""Verbs about reports."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simkit.cli.door import echo, instant, main, pairs, progress, say_if_counting_compiles
from simkit.shown import visible

if TYPE_CHECKING:
    from simkit.report.batch import Became
    from simkit.report.index import Threshold
    from simkit.store.reports import Made


@main.command(
    epilog="""\b
Examples:
  simkit report notebooks/01-capacity.ipynb -p scenario=week.yaml
  simkit report week.yaml --interactive -p preset=dev
  simkit report --all reports.yaml --jobs 2
"""
)
@click.argument("notebook", type=click.Path(), required=False)
@click.option("-p", "parameters", multiple=True, callback=pairs, metavar="NAME=VALUE", help="A notebook's parameter.")
@click.option("--interactive", is_flag=True, help="Of a scenario: a page of sliders that answers without simkit.")
@click.option("--name", help="Folder of the report below its notebook's; from the scenario and parameters if left out.")
@click.option("--all", "batch", metavar="CONFIG.yaml", type=click.Path(), help="Make all reports that this file lists.")
@click.option("--jobs", type=click.IntRange(1), help="With --all: reports at a time; one per processor if left out.")
@click.option("--force", is_flag=True, help="With --all: make also what is up to date.")
@click.option("--pdf", is_flag=True, help="Print each page to PDF, too, with Chromium if there is one.")
@click.option("--out", type=click.Path(file_okay=False), help="Where to write; reports if left out.")
def report(
    notebook: str | None,
    parameters: dict[str, str],
    interactive: bool,
    name: str | None,
    batch: str | None,
    jobs: int | None,
    force: bool,
    pdf: bool,
    out: str | None,
) -> None:
    """Execute NOTEBOOK and write its report: notebook, one HTML file and result.json.

    It needs the extra simkit[notebooks]. The notebooks of simkit itself come with its source, and are not installed.

    With --interactive NOTEBOOK is a scenario, and the report one page with sliders over what was counted for a preset:
    -p preset=NAME (that with most claims if left out), -p replications=10, -p seed=0.

    With --all many reports, those which are not up to date, and an index over all.

    Exit status 0: made. 1: a report could not be made, or is out of the file's thresholds. 2: an input cannot be used.
    """
    if (notebook is None) == (batch is None):
        raise click.UsageError("give a NOTEBOOK, or --all CONFIG.yaml")
    if batch is not None:
        if parameters or name is not None or interactive:
            raise click.UsageError(
                "--all takes parameters and names from its file: leave out -p, --name and --interactive"
            )
        _all(batch, out, jobs, force, pdf)
        return
    if jobs is not None or force:
        raise click.UsageError("--jobs and --force go with --all")
    assert notebook is not None
    if interactive:
        _interactive(notebook, parameters, name, out or "reports", pdf)
        return
    from simkit.report.render import render, spare_import

    spare_import()
    with progress(f"executing {Path(notebook).name}, cell by cell") as told:
        made = render(notebook, parameters, out or "reports", made_at=instant(None), name=name, told=told)
    for sentence in made.sentences:
        echo(sentence)
    echo(f"Report: {visible(str(made.html))} (also {made.notebook.name} and {made.result.name} beside it)")
    if pdf:
        _print([made.html])


def _interactive(scenario: str, parameters: dict[str, str], name: str | None, out: str, pdf: bool) -> None:
    from simkit.files import write_whole
    from simkit.report.parameters import typed
    from simkit.report.render import folder_of
    from simkit.studies.explore.offline import OPTIONS, offline

    given = typed(Path(scenario), parameters, OPTIONS)
    page = folder_of(Path(scenario), "explore", given, {"scenario": scenario}, out, name) / "explore.html"
    say_if_counting_compiles()
    with progress("counting") as told:
        text = offline(scenario, **given, told=told)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_whole(page, text.encode())
    echo(f"Page: {visible(str(page))}")
    if pdf:
        _print([page])


def _all(path: str, out: str | None, jobs: int | None, force: bool, pdf: bool) -> None:
    from simkit.report.batch import INDEX, read_batch, render_all
    from simkit.times import many

    batch = read_batch(path, out)
    with progress("reports") as done:
        became = render_all(
            batch,
            made_at=instant(None),
            jobs=jobs or os.cpu_count() or 1,
            force=force,
            done=done,
            seconds=time.monotonic,
        )
    for each in became:
        echo(f"{visible(each.made.notebook)} {visible(each.made.report)}: {_said(each)}")
    if pdf:
        _print([batch.out / each.made.page for each in became if each.made.page and (each.is_new or force)])
    new, failed = sum(each.is_new for each in became), [each for each in became if each.made.message]
    broken = [each for each in became if each.broken]
    echo(
        f"{many(len(became), 'report')}: {new - len(failed)} made, {len(became) - new} up to date, "
        f"{len(failed)} failed, {len(broken)} out of bounds. Index: {visible(str(batch.out / INDEX))}"
    )
    if failed or broken:
        click.get_current_context().exit(1)


def _said(of: Became) -> str:
    if of.made.message:
        return f"failed: {of.made.message}"
    bounds = "".join(f"; {_bound(threshold, of.made)}" for threshold in of.broken)
    return ("made" if of.is_new else "up to date") + bounds


def _bound(threshold: Threshold, made: Made) -> str:
    broken = threshold.broken_by(made)
    assert broken is not None, "only broken ones are told"
    return f"{threshold.measure} is {getattr(made, threshold.measure):.6g}, {broken.side} {broken.limit:g}"


def _print(pages: list[Path]) -> None:
    from simkit.report.pdf import chromium, print_page

    browser = chromium()
    if browser is None:
        echo("no PDF: there is no Chromium (chromium, google-chrome) on the PATH", err=True)
        return
    for page in pages:
        echo(f"PDF: {visible(str(print_page(browser, page)))}")
