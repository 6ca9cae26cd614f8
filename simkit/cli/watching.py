"""Log lines on stderr for `--log-level`: an object of JSON each, of what simkit tells Python's logging."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime

LOGGER = logging.getLogger("simkit")


class _AsJson(logging.Formatter):
    """`at` (RFC 3339), `level`, `logger` and `message`, then what the record tells beside them."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        # ASCII alone: what a name has in it reaches no terminal as anything but text.
        return json.dumps(head | getattr(record, "told", {}), default=str)


def watching(level: str) -> Callable[[], None]:
    """Tell from `level` on; returns what ends it."""
    handler, before = logging.StreamHandler(sys.stderr), LOGGER.level
    handler.setFormatter(_AsJson())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(level.upper())

    def end() -> None:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)

    return end
