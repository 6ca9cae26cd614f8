"""Verbs about reports."""

from __future__ import annotations

from pathlib import Path

import click

from simkit.cli.door import console_for, echo, instant, main, pairs, working
from simkit.shown import visible


@main.command()
@click.argument("notebook", type=click.Path())
@click.option("-p", "parameters", multiple=True, callback=pairs, metavar="NAME=VALUE", help="A notebook's parameter.")
@click.option("--out", type=click.Path(file_okay=False), default="reports", show_default=True, help="Where to write.")
def report(notebook: str, parameters: dict[str, str], out: str) -> None:
    """Execute NOTEBOOK and write its report: notebook, one HTML file and result.json."""
    from simkit.report.render import render

    console = console_for(stderr=True)
    with working(console, f"executing {Path(notebook).name}"):
        made = render(notebook, parameters, out, made_at=instant(None))
    for sentence in made.sentences:
        echo(sentence)
    echo(f"Report: {visible(str(made.html))} (also {made.notebook.name} and {made.result.name} beside it)")
