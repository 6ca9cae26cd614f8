"""The numbers that everything agrees on: units of time, what stands for nothing, and positions in Coder's enums.

Instants and durations are int64 microseconds. This module imports nothing of simkit, and nothing that is slow to load.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]
Table = npt.NDArray[np.int64]
"""A row per thing, a named column per fact."""

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

NEVER = np.iinfo(np.int64).max
"""An instant that does not come: Coder's zero time, what arrays hold where tables hold NULL."""
NONE = -1
"""A row that is not there."""

# What a workspace's build is for, and how its job stands.
START, STOP, DELETE = 0, 1, 2
PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED = 0, 1, 2, 3, 4


class Order(IntEnum):
    """What comes first at one instant, in both engines. The kernel has no events for agents."""

    EVENT = 0  # of the scenario, and changes of TTLs and schedules
    JOB = 1  # is done; of several the one that was taken first
    AGENT = 2  # is ready
    CLAIM = 3  # or somebody comes back to a workspace
    EXECUTOR = 4
    RECONCILER = 5
    REAPER = 6
