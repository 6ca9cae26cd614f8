"""How benchmarks time and print."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def timed(work: Callable[[], _T], times: int, clock: Callable[[], float] = time.perf_counter) -> tuple[_T, list[float]]:
    """The work's result, and how many seconds each of so many repetitions took."""
    seconds = []
    for _ in range(times):
        gc.collect()
        before = clock()
        result = work()
        seconds.append(clock() - before)
    return result, seconds


def spread(seconds: list[float]) -> str:
    best, median = f"{min(seconds) * 1e3:,.1f}", f"{statistics.median(seconds) * 1e3:,.1f}"
    return f"best {best} ms, median {median} ms of {len(seconds)}"


def line(what: str, value: str, note: str = "") -> None:
    print(f"{what:<46}{value:>18}  {note}".rstrip(), flush=True)
