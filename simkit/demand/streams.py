"""Named chance: the same seed, replication, name and position give the same number, whatever else is drawn.

A number is a function of a key and its position (SplitMix64, by position and not in sequence), so that arrays of them
are made at once, and what is left out or added moves no other.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from simkit.clock import Int64Array

UInt64Array = npt.NDArray[np.uint64]
Float64Array = npt.NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _sequence(seed: int, replication: int, name: str) -> np.random.SeedSequence:
    words = np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], dtype="<u4")
    return np.random.SeedSequence([seed, replication, *(int(w) for w in words)])


def key(seed: int, replication: int, name: str) -> int:
    """A 32-bit number that names a purpose to the kernel (see simkit.core.chance)."""
    return int(_sequence(seed, replication, name).generate_state(1)[0])


def keys(seed: int, replication: int, *names: str) -> UInt64Array:
    """A key for each purpose, such as `claims/goland-large`: uint64[names], to give to `numbers`."""
    found = [_sequence(seed, replication, name).generate_state(1, np.uint64)[0] for name in names]
    return np.array(found, dtype=np.uint64)


def numbers(of: UInt64Array, at: UInt64Array | Int64Array) -> UInt64Array:
    """The numbers of keys at positions, 64 bits each; they are keys again. Shapes are broadcast, one is an array."""
    x = of + (at.astype(np.uint64) + np.uint64(1)) * _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def shares(of: UInt64Array) -> Float64Array:
    """Numbers as evenly spread shares, 0 <= share < 1."""
    return (of >> np.uint64(11)).astype(np.float64) * 2.0**-53


def lucks(of: UInt64Array) -> Int64Array:
    """Numbers as luck of 32 bits (see simkit.core.chance)."""
    return (of >> np.uint64(32)).astype(np.int64)


def choices(of: UInt64Array, count: int) -> Int64Array:
    """Numbers as evenly spread whole numbers, 0 <= choice < count; `count` < 2**31."""
    return (lucks(of) * count) >> 32
