"""How much simkit takes, and why not more."""

MAX_SEED = 2**63 - 1
"""The largest whole number that a runs file holds."""

MAX_DAEMONS = 10_000
"""Provisioner daemons; each is a row that the event loop moves."""
MOST_EXPRESSION = 2_000
"""Characters of a target expression."""
