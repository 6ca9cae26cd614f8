"""The same model in lean SimPy: a pool with schedule, TTL, backoff and hard limit, a queue that serves people first.

Written as somebody who knows SimPy writes it: a process per build, a process that ticks, a resource of daemons. It
looks at the pool at every tick: sleeping until something can have changed took 76 thousand ticks in place of 526
thousand and as much time, for every wake-up is an event as well. Daemons as processes that take jobs from a
PriorityStore took 0.73 of the time; then a callback per job stands where a process tells its story.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Generator
from typing import Any, NamedTuple

import simpy

Steps = Generator[simpy.Event, Any, None]
PEOPLE, PREBUILDS = 0, 1


class Given(NamedTuple):
    """What the model is given; instants and durations in whole microseconds from one origin."""

    claims_at: list[int]
    changes: list[tuple[int, int]]  # (from, desired), in order
    end_at: int
    interval_us: int
    daemons: int
    base: int
    ttl_us: int
    build_us: int
    agent_us: int
    claim_us: int
    delete_us: int
    backoff_us: int
    lookback_us: int
    hard_limit: int
    failing: frozenset[int]


class Counts(NamedTuple):
    """What is compared: each claim's wait (-1: not ready in time), hits, and builds of every kind."""

    waits: list[int]
    hits: int
    builds: int


class Deployment:
    """One pool and the daemons that build for it. A prebuild is the instant at which it was created."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.env = simpy.Environment(given.changes[0][0])
        self.daemons = simpy.PriorityResource(self.env, given.daemons)
        self.running: deque[tuple[int, int, int]] = deque()  # (created, ordinal, ready), by creation
        self.starting: deque[tuple[int, int]] = deque()  # (created, ordinal), by creation
        self.failed: list[tuple[int, int]] = []
        self.waits = [-1] * len(given.claims_at)
        self.hits = self.builds = self.ordinal = 0
        self.desired = iter(given.changes)
        self.change = next(self.desired)
        self.next_change = next(self.desired, None)
        self.env.process(self.people())
        self.env.process(self.reconciler())

    def run(self) -> Counts:
        """Simulate to the end, inclusive."""
        self.env.run(until=self.given.end_at + 1)
        return Counts(self.waits, self.hits, self.builds)

    def people(self) -> Steps:
        for i, at in enumerate(self.given.claims_at):
            yield self.env.timeout(at - self.env.now)
            self.claim(i)

    def claim(self, i: int) -> None:
        given, now = self.given, int(self.env.now)
        for place, (_, _, ready) in enumerate(self.running):
            if ready <= now:
                del self.running[place]
                self.hits += 1
                self.env.process(self.person(i, given.claim_us, 0))
                return
        self.env.process(self.person(i, given.build_us, given.agent_us))

    def person(self, i: int, build_us: int, agent_us: int) -> Steps:
        self.builds += 1
        with self.daemons.request(priority=PEOPLE) as daemon:
            yield daemon
            yield self.env.timeout(build_us)
        ready = int(self.env.now) + agent_us
        if ready <= self.given.end_at:
            self.waits[i] = ready - self.given.claims_at[i]

    def build(self, created: int, ordinal: int) -> Steps:
        self.builds += 1
        with self.daemons.request(priority=PREBUILDS) as daemon:
            yield daemon
            yield self.env.timeout(self.given.build_us)
        self.starting.remove((created, ordinal))
        if ordinal in self.given.failing:
            insort(self.failed, (created, ordinal))
        else:
            self.running.insert(
                bisect_left(self.running, (created, ordinal, 0)),
                (created, ordinal, int(self.env.now) + self.given.agent_us),
            )

    def delete(self) -> Steps:
        self.builds += 1
        with self.daemons.request(priority=PREBUILDS) as daemon:
            yield daemon
            yield self.env.timeout(self.given.delete_us)

    def reconciler(self) -> Steps:
        while True:
            self.tick(int(self.env.now))
            yield self.env.timeout(self.given.interval_us)

    def tick(self, now: int) -> None:
        given = self.given
        while self.next_change is not None and self.next_change[0] <= now:
            self.change, self.next_change = self.next_change, next(self.desired, None)
        desired = self.change[1]
        if self.failed and self.backs_off(now):
            return
        oldest_expires = self.running and given.ttl_us and now - self.running[0][0] > given.ttl_us
        if not oldest_expires and desired - len(self.starting) <= len(self.running) <= desired:
            return
        is_limited = self.is_limited()  # like every fact, before anything is deleted
        while self.running and given.ttl_us and now - self.running[0][0] > given.ttl_us:
            self.running.popleft()
            self.env.process(self.delete())
        while len(self.running) > desired:
            self.running.popleft()
            self.env.process(self.delete())
        missing = desired - len(self.running) - len(self.starting)
        if missing > 0 and not is_limited:
            for _ in range(missing):
                self.ordinal += 1
                self.starting.append((now, self.ordinal))
                self.env.process(self.build(now, self.ordinal))

    def newer(self, than: tuple[int, int]) -> int:
        created, ordinal = than
        starting = sum(one > than for one in self.starting)
        return starting + sum((one[0], one[1]) > (created, ordinal) for one in self.running)

    def backs_off(self, now: int) -> bool:
        given = self.given
        last = self.failed[-1]
        since = now - given.lookback_us
        if last[0] < since or self.newer(last) >= given.base:
            return False
        recent = sum(created >= since for created, _ in self.failed)
        return now <= last[0] + recent * given.backoff_us

    def is_limited(self) -> bool:
        limit = self.given.hard_limit
        return 0 < limit <= len(self.failed) and self.newer(self.failed[-limit]) == 0
