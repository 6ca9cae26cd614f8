"""Named random streams: the same seed, replication and name give the same numbers, whatever else is drawn."""

from __future__ import annotations

import hashlib

import numpy as np


def _sequence(seed: int, replication: int, name: str) -> np.random.SeedSequence:
    words = np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], dtype="<u4")
    return np.random.SeedSequence([seed, replication, *(int(w) for w in words)])


def stream(seed: int, replication: int, name: str) -> np.random.Generator:
    """A generator of its own for one purpose, such as `claims/goland-large`."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, replication, name)))


def key(seed: int, replication: int, name: str) -> int:
    """A 32-bit number that names a purpose to the kernel (see simkit.core.chance)."""
    return int(_sequence(seed, replication, name).generate_state(1)[0])
