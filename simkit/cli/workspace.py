"""Verbs about one workspace: why it did what it did, and when the rules act on it."""

from __future__ import annotations

import click

import simkit
from simkit.cli.door import echo, main, print_findings, variables_option


@main.command()
@click.argument("runs", type=click.Path())
@click.option("--workspace", required=True, help="Its id or name, or its owner's name.")
@click.option("--run", "run_id", help="The run, if there are several.")
def why(runs: str, workspace: str, run_id: str | None) -> None:
    """Tell the story of one workspace in a runs file: each transition, its rule, and the numbers that it saw."""
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
