"""The command line: parse, call the library, print. A file per asker."""

from simkit.cli import decide, recommend, report, runs, templates, workspace
from simkit.cli.door import main

__all__ = ["decide", "main", "recommend", "report", "runs", "templates", "workspace"]
