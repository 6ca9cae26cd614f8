"""Tasks come back in order, few are ahead, and who stops leaves none behind."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

from simkit.decide import work


class Recorded(Executor):
    """Keeps what it is given, and computes when it is asked for the result."""

    def __init__(self) -> None:
        self.futures: list[Future[int]] = []

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        future: Future[int] = Future()
        future.result = lambda timeout=None: fn(*args, **kwargs)  # type: ignore[method-assign]
        self.futures.append(future)
        return future


def test_results_come_in_the_order_of_the_tasks():
    with ThreadPoolExecutor(4) as pool:
        assert list(work.in_order(pool, lambda x: x * x, range(1000))) == [x * x for x in range(1000)]


def test_only_some_tasks_are_ahead_of_what_is_asked_for():
    executor = Recorded()
    results = work.in_order(executor, lambda x: x, iter(range(10**9)))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(executor.futures) == 256 + 3


def test_who_stops_cancels_what_is_left():
    executor = Recorded()
    results = work.in_order(executor, lambda x: x, range(100))
    next(results)
    results.close()
    assert [future.cancelled() for future in executor.futures] == [False] + [True] * 99


def test_what_a_task_raises_is_raised():
    with work.workers(None) as threads, pytest.raises(ZeroDivisionError):
        list(work.in_order(threads, lambda x: 1 // x, [1, 0, 1]))


def test_an_executor_of_somebody_else_stays_open():
    with ThreadPoolExecutor(1) as mine:
        with work.workers(mine) as given:
            assert given is mine
        assert mine.submit(lambda: 3).result() == 3
