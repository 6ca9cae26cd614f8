"""The command line: parse, call the library, print. A file per asker."""

from simkit.cli import decide, deployment, doctor, league, recommend, report, runs, templates, workspace, worth
from simkit.cli.door import main

__all__ = [
    "decide",
    "deployment",
    "doctor",
    "league",
    "main",
    "recommend",
    "report",
    "runs",
    "templates",
    "workspace",
    "worth",
]
