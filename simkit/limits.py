"""How much simkit takes, and why not more."""

MAX_SEED = 2**63 - 1
"""The largest whole number that a runs file holds."""

MOST_NAME = 250
"""Characters of a scenario's name, which is part of each row of a runs file: as many as a file's name has."""
MAX_DAEMONS = 10_000
"""Provisioner daemons; each is a row that the event loop moves."""
MOST_PEOPLE = 200_000
"""Of all groups. Each takes 1.6 kB of memory, whether anything happens or not: four times the largest deployments."""
MOST_PRESETS = 800
"""Of all versions of a template that are simulated: each takes half a megabyte, and has a row in each answer."""
MOST_CLAIMS = 20_000_000
"""Claims and sessions that are expected in a window: four times a year of 50,000 people, and 2 GB of rows."""
MOST_BUILDS = 10_000_000
"""Prebuilds that expire in a window, and are built anew: each has two of the builds that MOST_ROWS counts."""
MOST_INSTANCES = 100_000
"""Prebuilds that a version wants at once. Each is a row, and a job in a queue: ten times the largest deployments."""
MOST_ROWS = 20_000_000
"""Of builds (or another table) that a run holds beside four for each claim; prebuilds of a run that only counts. They
take 3 GB and a minute; what has more would fill any machine, or never end: prebuilds that fail and are cleared each
second, schedules that want thousands anew each hour, people whose workspaces start each morning for decades."""
MOST_EXPRESSION = 2_000
"""Characters of a target expression."""

MOST_SAMPLES = 200_000_000
"""Of metrics over a span of time. Each is a line of some 150 bytes: 30 GB, which promtool takes half an hour to read.
Four weeks of twelve presets at 15 s are 86 million, without the builds of each workspace."""
