"""The reference engine: a Coder control plane as transactions over DuckDB tables, row by row as Coder would store it.

`ControlPlane` is what people, daemons and agents do with it, `Engine` its clock and loops; each subsystem is a module
of functions over a transaction. The rules are those of `core`, the tables those of `store/schema.sql`.
"""

from __future__ import annotations

import logging

from simkit.controlplane.engine import Outcome, Wait
from simkit.controlplane.plane import ControlPlane, Created

# What a server says in its own log is for whoever listens, and not for a terminal.
logging.getLogger("simkit").addHandler(logging.NullHandler())

__all__ = ["ControlPlane", "Created", "Outcome", "Wait"]
