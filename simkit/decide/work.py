"""Runs are handed to an executor, some ahead of those that are asked for, and come back in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

_AHEAD = 256
"""Tasks that an executor of somebody else's has at once: more than it has workers, in most cases."""


@contextmanager
def workers(executor: Executor | None) -> Iterator[Executor]:
    """The executor, or as many threads as there are processors: the kernel lets go of the interpreter's lock."""
    if executor is not None:
        yield executor
        return
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield pool
    finally:
        # Who interrupts waits for the runs that are under way, and for no others.
        pool.shutdown(cancel_futures=True)


def in_order(
    executor: Executor, function: Callable[[_T], _R], tasks: Iterable[_T], ahead: int = _AHEAD
) -> Generator[_R, None, None]:
    """The results of all tasks, in the order of these, whoever computes them. Raises what a task raises.

    Memory is bounded: of the tasks only `ahead` are taken at once.
    """
    pending = iter(tasks)
    under_way: deque[Future[_R]] = deque(executor.submit(function, task) for task in islice(pending, ahead))
    try:
        while under_way:
            result = under_way.popleft().result()
            under_way.extend(executor.submit(function, task) for task in islice(pending, 1))
            yield result
    finally:
        for future in under_way:
            future.cancel()
