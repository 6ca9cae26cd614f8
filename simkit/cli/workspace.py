"""Verbs about the rules: what they did to a workspace or a pool, when they act on one, what differs by version."""

from __future__ import annotations

import click

import simkit
from simkit.cli.door import console_for, echo, main, print_findings, variables_option


@main.command()
@click.argument("runs", type=click.Path())
@click.option("--workspace", help="A workspace's id or name, or its owner's name.")
@click.option("--preset", help="A preset, of which --on chooses the day.")
@click.option("--on", help="A local day (2026-11-16), or the hour from a time on (2026-11-16T09:00).")
@click.option("--run", "run_id", help="The run, if there are several.")
def why(runs: str, workspace: str | None, preset: str | None, on: str | None, run_id: str | None) -> None:
    """Tell the story of one workspace in a runs file, or of a preset's pool on a day: what, why, with numbers."""
    if (workspace is None) == (preset is None) or (preset is None) != (on is None):
        raise click.UsageError("write --workspace NAME, or --preset NAME with --on 2026-11-16")
    if preset is not None and on is not None:
        echo(simkit.why_preset(runs, preset, on, run_id).wrapped(console_for().width))
        return
    echo("\n\n".join(story.text for story in simkit.why(runs, workspace, run_id)))


@main.command()
@click.argument("scenario", type=click.Path())
@click.option("--at", required=True, help="When its start build is done (RFC 3339, or in the scenario's time zone).")
@click.option("--people", help="Whose TTL, autostart and quiet hours it has; the options below come first.")
@click.option("--ttl", help="Its own TTL, or none; the template's default, if nothing says otherwise.")
@click.option("--autostart", help='Its autostart, such as "CRON_TZ=America/New_York 30 8 * * 1-5".')
@click.option("--quiet-hours", help="Its owner's quiet hours; Coder's default, if nothing says otherwise.")
@variables_option
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
    print_findings(loaded.notes)
    echo(simkit.when(loaded, at, people, ttl=ttl, autostart=autostart, quiet_hours=quiet_hours).text)


@main.command()
def versions() -> None:
    """Show what differs by Coder version, and how other versions are read."""
    from rich.table import Table

    from simkit.cli.tables import print_table
    from simkit.coder_versions import DEFAULT_BEHAVIOUR, EARLY_RANGES, differences, patches

    heads, *rows = differences()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head)
    for row in rows:
        table.add_row(*row)
    print_table(console_for(), table)
    echo(
        "\nEach column stands for the versions up to the next one, but for what differs from one of these on:\n  "
        + "\n  ".join(patches())
        + "\nA minor alone is its newest patch release (v2.24 its first). The default is "
        f"{DEFAULT_BEHAVIOUR.version}.\n"
        f"{EARLY_RANGES}, added to any of them (--coder {DEFAULT_BEHAVIOUR.version}+{EARLY_RANGES}), makes cron ranges "
        "hold a minute early, as no release does."
    )
