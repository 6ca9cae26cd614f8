"""Chance without a sequence: a draw is a function of what it belongs to, so that two scenarios meet the same luck.

Numbers are 32 bits wide and held in int64, so that compiled and plain Python agree and nothing overflows.
"""

from __future__ import annotations

from simkit.core.compile import jit
from simkit.core.numbers import Int64Array

MASK = 0xFFFFFFFF
ONE = 1 << 32
"""A probability of 1 as a threshold for `happens`."""


@jit
def mix(x: int) -> int:
    """A bijection of 32-bit numbers that leaves no visible relation (Chris Wellons' hash-prospector, "two round")."""
    x = (x ^ (x >> 16)) & MASK
    x = (x * 0x21F0AAAD) & MASK
    x = x ^ (x >> 15)
    x = (x * 0x735A2D97) & MASK
    return x ^ (x >> 15)


@jit
def luck_of(key: int, second: int, slot: int) -> int:
    """The luck of the `slot`-th prebuild that a tick at `second` (since the epoch) creates for the preset of `key`."""
    return mix((mix((mix(key) + second) & MASK) + slot * 0x1E3779B9) & MASK)


@jit
def pick(samples: Int64Array, first: int, count: int, luck: int, stream: int) -> int:
    """One of `samples[first:first + count]`, the same for the same luck and stream."""
    if count == 1:
        return samples[first]
    return samples[first + ((mix(luck ^ stream) * count) >> 32)]


@jit
def happens(threshold: int, luck: int, stream: int) -> bool:
    """True with probability threshold / 2**32."""
    return threshold > 0 and mix(luck ^ stream) < threshold
