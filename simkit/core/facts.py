"""What a run is given and all that changes in it: tables with a row per thing and a named column per fact.

Tables double when they are full. A prebuild stands in exactly one list of its preset (starting, running or failed), in
order of creation, linked through its row.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from simkit.core.numbers import MINUTE_US, NEVER, NONE, Int64Array, Table
from simkit.core.policy import MOST_REAPED

# Claim orders.
OLDEST, NEWEST, RANDOM = 0, 1, 2
# Scenario events.
ACTIVATE, DEACTIVATE, INVALIDATE, PAUSE, RESUME = 0, 1, 2, 3, 4
# What takes time, by column of Inputs.samples_from.
BUILD, AGENT, CLAIM, REINITIALIZE, REMOVE, HALT, RESTART, REMOVE_CANCELED, DURATIONS = range(9)
# Streams of chance, so that a slow build does not come with a slow agent.
STREAMS = np.array(
    [0x3C6EF372, 0x1F83D9AB, 0x5BE0CD19, 0x0F4A7C15, 0x27D4EB2F, 0x510E527F, 0x1B873593, 0x6C62272E], dtype=np.int64
)
FAILURE_STREAM, CHOICE_STREAM = 0x2545F491, 0x6A09E667

# Workspaces. OWNER is the claim that owns it, NONE for the prebuilds user.
W_PRESET, W_CREATED, W_OWNER, W_CLAIMED, W_DELETED, W_READY, W_LUCK, W_ORDINAL, W_BUILD, W_PREV, W_NEXT = range(11)
W_COLUMNS = 11
# Builds; each is one job. HUMAN: initiated by a person and not by the prebuilds user.
# ENDED: by itself, or else by what.
B_WORKSPACE, B_NUMBER, B_TRANSITION, B_CREATED, B_STARTED, B_COMPLETED, B_STATUS, B_HUMAN, B_READY, B_NEXT = range(10)
B_ENDED, B_COLUMNS = 10, 11
BY_ITSELF, BY_REAPER, BY_QUOTA = 0, 1, 2
# Claims, in the order of the input. A session of somebody who has a workspace is none: it finds it RUNNING or STARTING,
# or has it STARTED; a suspended person's is LOST.
C_WORKSPACE, C_BUILD, C_HIT = range(3)
LOST, COLD, HIT, FOUND_RUNNING, FOUND_STARTING, STARTED = -1, 0, 1, 2, 3, 4
C_COLUMNS = 3
# The reconciler's decisions: a row for each tick at which it acted or what it saw made it hold still.
(
    D_AT,
    D_PRESET,
    D_DESIRED,
    D_ACTUAL,
    D_EXPIRED,
    D_STARTING,
    D_DELETED_EXPIRED,
    D_DELETED_OLDEST,
    D_CREATED,
    D_CANCELED,
    D_HARD_LIMITED,
    D_BACKOFF_UNTIL,
) = range(12)
D_COLUMNS = 12

# What a preset is given. Ranges into other arrays are [FROM, UNTIL).
P_INSTANCES, P_TTL, P_ACTIVE, P_KEY, P_FAILURE_THRESHOLD, P_FAILING_FROM, P_FAILING_UNTIL = range(7)
P_MOST_DESIRED, P_CHANGES_FROM, P_CHANGES_UNTIL, P_START_FAILURE_THRESHOLD = 7, 8, 9, 10
# How old a failed prebuild gets until an operator deletes it, 0 for ever.
P_CLEARED_AFTER = 11
# What a prebuild of it takes of the quota.
P_DAILY_COST = 12
P_SAMPLES_FROM, P_SAMPLES_COUNT, P_COLUMNS = 13, 13 + DURATIONS, 13 + 2 * DURATIONS
# Scenario events, and claims as they arrive.
E_AT, E_KIND, E_PRESET, E_COLUMNS = 0, 1, 2, 3
# A_PERSON: who asks, NONE for somebody new each time; A_UNTIL: the end of that person's session; A_CONNECTED: 1 if a
# connection reports activity until then.
A_AT, A_PRESET, A_LUCK, A_PERSON, A_UNTIL, A_CONNECTED, A_COLUMNS = 0, 1, 2, 3, 4, 5, 6

STARTING_LIST, RUNNING_LIST, FAILED_LIST, LISTS = 0, 1, 2, 3
FIRST, LAST, SIZE = 0, 1, 2

# What the reconciler knows of a preset. CLAIMING: claims' builds in progress that count as starting. CHANGE: the
# timeline's entry in force at its last tick. WAKE: no tick before this instant can decide anything.
# HELD_LIMIT, HELD_UNTIL: what it last held still for.
S_ACTIVE, S_INVALIDATED, S_CLAIMING, S_ORDINAL, S_CHANGE, S_WAKE, S_HELD_LIMIT, S_HELD_UNTIL = range(8)
S_COLUMNS = 8

# Counters.
WORKSPACES, BUILDS, DECISIONS, NEXT_WAKE = range(4)
# Queues of jobs, each its first and, in the next counter, its last, by who initiates them and whose tags they have:
# people's own and an operator's on prebuilds; of the prebuilds user's the claims' and the pools'.
PEOPLE_FIRST, OPERATORS_FIRST, CLAIMS_FIRST, PREBUILDS_FIRST, QUEUES_END = 4, 6, 8, 10, 12
NEXT_EVENT, NEXT_CLAIM, NEXT_TICK, PAUSED, RUNNING_JOBS, MORE = range(12, 18)
# NEXT_REAP: the reaper's next tick that may find a job; REAPED_AT: its last tick that is over; DRAWN_AT: the tick for
# which jobs were drawn, how many, and the next of them that it ends.
NEXT_REAP, REAPED_AT, DRAWN_AT, DRAWN, NEXT_DRAWN, COUNTERS = range(18, 24)

# Running jobs: (finishes at, build, group of daemons), the next to finish last.
J_AT, J_BUILD, J_GROUP, J_COLUMNS = 0, 1, 2, 3
# Jobs that a tick of the reaper ends.
DRAWN_LOT, DRAWN_JOB, DRAWN_COLUMNS = 0, 1, 2
# Groups of daemons, in the order in which they take jobs: how many, and which jobs their tags let them take.
G_COUNT, G_PEOPLE, G_PREBUILDS, G_COLUMNS = 0, 1, 2, 3


class Settings(NamedTuple):
    """A run's numbers that hold for all presets."""

    start_at: int
    end_at: int
    interval_us: int
    backoff_interval_us: int
    lookback_us: int
    hard_limit: int
    claim_order: int
    claims_by_prebuilds: bool  # a claim's build is initiated by the prebuilds user
    cancels_pending: bool  # pending start jobs of an inactive version are cancelled
    deletes_canceled: bool  # a job of its own deletes each workspace of these; without, it is gone at once
    retries_failed_stops: bool  # a stop that failed is tried again after failure_ttl
    ttl_removal_keeps_max_deadline: bool
    schedule_change_removes_deadline: bool
    has_reaper: bool  # jobs that wait for too long are ended
    executor_acts: bool  # False: no daemon could take what it builds, and the version looks
    clears_failed: bool = False  # an operator deletes failed prebuilds of some preset
    quota: int = NEVER  # what the prebuilds of all presets may cost a day together


class Inputs(NamedTuple):
    """A run's givens. Presets stand in the order in which the reconciler visits them; instants lie in the window."""

    settings: Settings
    presets: Table  # [p, P_COLUMNS]
    change_at: Int64Array  # instants at which a preset's desired number changes; the first of each is start_at
    change_desired: Int64Array
    samples: Int64Array  # durations in microseconds, equally likely within each range of samples
    failing: Int64Array  # ordinals, from 1, of prebuilds whose build fails; each preset's ascend
    events: Table  # [e, E_COLUMNS] in order of time
    claims: Table  # [n, A_COLUMNS] in order of time
    daemons: Table  # [g, G_COLUMNS]


class World(NamedTuple):
    """Everything that changes."""

    workspaces: Table
    builds: Table
    claims: Table
    decisions: Table
    counters: Int64Array
    lists: Table  # [p * LISTS + list, (first, last, size)]
    state: Table  # [p, S_COLUMNS]
    jobs: Table  # [daemons, J_COLUMNS]
    free: Int64Array  # [g] daemons of each group without a job
    drawn: Table  # [MOST_REAPED, DRAWN_COLUMNS]


class TooManyRowsError(Exception):
    """A run that would not end, or has more rows than there is room for: how far it came."""

    def __init__(self, rows: int, at: int, prebuilds: Int64Array) -> None:
        super().__init__(f"more than {rows:,} rows")
        self.rows, self.at = rows, at
        self.prebuilds = prebuilds
        """How many each preset had by then: int64[p]."""


class Pools(Protocol):
    """What the rules of the pools look at. Whoever has it can use them; rows stand in the order of creation."""

    @property
    def workspaces(self) -> Table: ...
    @property
    def counters(self) -> Int64Array: ...
    @property
    def lists(self) -> Table: ...
    @property
    def state(self) -> Table: ...
    @property
    def jobs(self) -> Table: ...
    @property
    def free(self) -> Int64Array: ...


def no_claims(inputs: Inputs) -> Table:
    return np.full((inputs.claims.shape[0], C_COLUMNS), NONE, dtype=np.int64)


def empty_world(inputs: Inputs) -> World:
    presets, claims = inputs.presets.shape[0], inputs.claims.shape[0]
    start_at = inputs.settings.start_at
    counters = np.zeros(COUNTERS, dtype=np.int64)
    counters[PEOPLE_FIRST:QUEUES_END] = NONE
    counters[[NEXT_WAKE, NEXT_TICK]] = start_at
    counters[[NEXT_REAP, DRAWN_AT]] = NEVER
    counters[REAPED_AT] = -(-start_at // MINUTE_US) * MINUTE_US - MINUTE_US
    lists = np.full((presets * LISTS, 3), NONE, dtype=np.int64)
    lists[:, SIZE] = 0
    state = np.zeros((presets, S_COLUMNS), dtype=np.int64)
    state[:, S_ACTIVE] = inputs.presets[:, P_ACTIVE]
    state[:, S_INVALIDATED] = -NEVER
    state[:, S_CHANGE] = inputs.presets[:, P_CHANGES_FROM]
    state[:, S_WAKE] = start_at
    return World(
        # Pages of an array cost nothing until they are written to, so there is room to begin with.
        workspaces=np.empty((2 * claims + 4096, W_COLUMNS), dtype=np.int64),
        builds=np.empty((4 * claims + 8192, B_COLUMNS), dtype=np.int64),
        claims=no_claims(inputs),
        decisions=np.empty((claims + 4096, D_COLUMNS), dtype=np.int64),
        counters=counters,
        lists=lists,
        state=state,
        jobs=np.empty((inputs.daemons[:, G_COUNT].sum(), J_COLUMNS), dtype=np.int64),
        free=inputs.daemons[:, G_COUNT].copy(),
        drawn=np.empty((MOST_REAPED, DRAWN_COLUMNS), dtype=np.int64),
    )
