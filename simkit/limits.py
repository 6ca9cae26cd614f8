"""How much simkit takes, and why not more."""

MAX_SEED = 2**63 - 1
"""The largest whole number that a runs file holds."""

MAX_DAEMONS = 10_000
"""Provisioner daemons; each is a row that the event loop moves."""
MOST_CLAIMS = 20_000_000
"""Claims and sessions that are expected in a window: four times a year of 50,000 people, and 2 GB of rows."""
MOST_INSTANCES = 100_000
"""Prebuilds that a version wants at once. Each is a row, and a job in a queue: ten times the largest deployments."""
MOST_EXPRESSION = 2_000
"""Characters of a target expression."""

MOST_SAMPLES = 200_000_000
"""Of metrics over a span of time. Each is a line of some 150 bytes: 30 GB, which promtool takes half an hour to read.
Four weeks of twelve presets at 15 s are 86 million, without the builds of each workspace."""
