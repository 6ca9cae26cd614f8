"""What takes time tells Python's logging when it is done: read, drawn, compiled, simulated, saved, asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOG = logging.getLogger("simkit")

Size = int | float | str


@contextmanager
def phase(name: str, level: int = logging.INFO, **sizes: Size) -> Iterator[dict[str, Size]]:
    """Tell what a phase took, under its name: a record whose attribute `told` has `seconds` and the sizes.

    Sizes that are known only at its end go into the dictionary. A phase that fails tells nothing: its error does.
    """
    if not LOG.isEnabledFor(level):
        yield sizes
        return
    begun = time.perf_counter()
    yield sizes
    LOG.log(level, name, extra={"told": {**sizes, "seconds": round(time.perf_counter() - begun, 6)}})
