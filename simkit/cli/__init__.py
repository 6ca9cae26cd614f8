"""The command line: parse, call the library, print. A file per asker."""

from simkit.cli import decide, deployment, league, recommend, report, runs, templates, workspace, worth
from simkit.cli.door import main

__all__ = ["decide", "deployment", "league", "main", "recommend", "report", "runs", "templates", "workspace", "worth"]
