"""When things happen in a control plane: an agenda of instants, and ticks of which those without effect are skipped."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from simkit.clock import NEVER
from simkit.core.numbers import Order


class Agenda:
    """What is to happen, in order of time, then of `Order`, then of being written down."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, int, Callable[[int], None]]] = []
        self._written = 0

    def add(self, at: int, order: Order, act: Callable[[int], None]) -> None:
        heapq.heappush(self._entries, (at, order, self._written, act))
        self._written += 1

    @property
    def next(self) -> tuple[int, int]:
        """(the instant, the order) of what comes next; NEVER if nothing does."""
        return self._entries[0][:2] if self._entries else (NEVER, Order.REAPER)

    def pop(self) -> Callable[[int], None]:
        return heapq.heappop(self._entries)[3]


class Ticks:
    """The ticks of a loop: every `interval_us` from `first_at` on. Those before `due_at` are skipped."""

    def __init__(self, first_at: int, interval_us: int) -> None:
        self._first_at = first_at
        self._interval_us = interval_us
        self._next_at = first_at
        self.due_at = first_at

    @property
    def next(self) -> int:
        """The next tick at which something may be due; NEVER if none is in sight."""
        return self._from(max(self._next_at, self.due_at)) if self.due_at != NEVER else NEVER

    def passed(self, at: int) -> None:
        """The tick at an instant, if there is one, is over."""
        self._next_at = max(self._next_at, self._from(at + 1))

    def resume(self, at: int) -> None:
        """No tick before an instant comes any more."""
        self._next_at = max(self._next_at, self._from(at))

    def expect(self, now_at: int, at: int) -> None:
        """Something will be due at an instant, or is now if that is over."""
        self.due_at = min(self.due_at, max(at, now_at))

    def touch(self, now_at: int) -> None:
        """Something has changed: the next tick counts."""
        self.expect(now_at, now_at)

    def _from(self, at: int) -> int:
        return max(self._first_at, at + (self._first_at - at) % self._interval_us)
