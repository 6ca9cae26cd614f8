"""What a sweep varies: `PATH=VALUES`, of which the grid is every combination, and a sample fills it evenly."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice, product

import numpy as np

from simkit.clock import format_duration, parse_duration
from simkit.errors import Finding, InputError, Where

MAX_VALUES = 10_000
"""Of one path."""
MAX_POINTS = 1_000_000
"""Of a grid that is computed whole; of a larger one take a sample."""

_RANGE = re.compile(r"(?P<first>\S+?)\s*\.\.\s*(?P<last>\S+?)(?:\s+step\s+(?P<step>\S+))?")
_MARGIN = 6
"""A sample meets cells again: up to 2**6 draws for each cell of the grid are made, the rest is taken in order."""

Point = tuple[str, ...]
"""A value of each variation."""


@dataclass(frozen=True)
class Variation:
    """The values of one path, each once, as a scenario file would have them."""

    path: str
    values: tuple[str, ...]


def read_variations(texts: Sequence[str]) -> tuple[Variation, ...]:
    """`PATH=VALUES` each: values and ranges, `a..b` or `a..b step c`, between commas, of numbers or durations.

    `0..10`, `0.01..0.05 step 0.01`, `1h..8h step 1h`, `0,4h,24h`. Raises InputError with every problem.
    """
    found, problems = [], []
    for text in texts:
        path, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not path or not values:
            problems.append(f'"{text}" is not PATH=VALUES; write coder.provisioner_daemons=2..8')
            continue
        try:
            found.append(Variation(path, _values(values)))
        except ValueError as error:
            problems.append(f"{path}: {error}")
    for i, one in enumerate(found):
        for other in found[:i]:
            short, long = sorted((one.path, other.path), key=len)
            if short == long:
                problems.append(f"{long}: varied twice; write all its values in one place")
            elif long.startswith((f"{short}.", f"{short}[")):
                problems.append(f"{long}: {short}, of which it is a part, is varied, too; vary one of them")
    if not texts:
        problems.append("nothing is varied; write coder.provisioner_daemons=2..8")
    if problems:
        raise InputError(Finding("error", Where("--vary"), problem) for problem in problems)
    return tuple(found)


def _values(text: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for item in (part.strip() for part in text.split(",")):
        if not item:
            raise ValueError("there is an empty value between commas; leave out one comma")
        # A file's path may have dots, too: ../templates/main.tf.
        found.update(dict.fromkeys(_range(item) if ".." in item and item[0] in "+-0123456789" else [item]))
        if len(found) > MAX_VALUES:
            raise ValueError(f"there are more than {MAX_VALUES:,} values; take a larger step")
    return tuple(found)


def _range(text: str) -> Iterator[str]:
    """Every value of a range, its end included where a step meets it."""
    parts = _RANGE.fullmatch(text)
    numbers = [_number(parts[name]) for name in ("first", "last")] if parts else []
    if parts is None or numbers.count(None) == 1:
        raise ValueError(f'"{text}" is not a range; write 0..10 or 1h..8h step 1h')
    if None not in numbers:
        step = Decimal(1) if parts["step"] is None else _number(parts["step"])
        shown: Callable[[Decimal], str] = _plain
        first, last = numbers
    else:
        first, last = (Decimal(parse_duration(parts[name])) for name in ("first", "last"))
        if parts["step"] is None:
            raise ValueError(f'"{text}" has no step; write {text} step 1h')
        step = Decimal(parse_duration(parts["step"]))
        shown = _duration
    if step is None or step <= 0:
        raise ValueError(f'"{text}" has the step {parts["step"]}; write a number above 0')
    assert first is not None, "a number or a duration"
    assert last is not None, "a number or a duration"
    if last < first:
        raise ValueError(f'"{text}" ends before it begins; write {parts["last"]}..{parts["first"]}')
    count = int((last - first) // step) + 1
    return (shown(first + i * step) for i in range(min(count, MAX_VALUES + 1)))


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _duration(us: Decimal) -> str:
    return format_duration(int(us))


def grid(variations: Sequence[Variation]) -> Iterator[Point]:
    """Every combination; the last path's values change fastest."""
    return product(*(one.values for one in variations))


def points(variations: Sequence[Variation], sample: int | None = None, seed: int = 0) -> list[Point]:
    """The grid, or `sample` points of it, no two of them alike. Raises InputError for a grid that is too large."""
    size = math.prod(len(one.values) for one in variations)
    if sample is not None and sample < size:
        return list(islice(_sampled(variations, size, sample, seed), sample))
    if size > MAX_POINTS:
        text = f"the grid has {size:,} points; take a sample of it (--sample 500), or vary less"
        raise InputError([Finding("error", Where("--vary"), text)])
    return list(grid(variations))


def _sampled(variations: Sequence[Variation], size: int, sample: int, seed: int) -> Iterator[Point]:
    """Points of a scrambled Sobol sequence, which fills a cube evenly, as cells of the grid. A larger sample begins
    with the smaller one, so that it can be gone on with."""
    from scipy.stats import qmc  # half a second that no other verb need wait for

    counts = np.array([len(one.values) for one in variations])
    seen: set[Point] = set()
    power = max(1, math.ceil(math.log2(sample)))
    done = 0
    while power <= math.log2(size) + _MARGIN and power < 30:
        # The sequence of more points begins with that of fewer. Powers of two keep its balance.
        shares = qmc.Sobol(len(counts), scramble=True, seed=seed).random_base2(power)[done:]
        done += len(shares)
        for cell in np.minimum((shares * counts).astype(np.int64), counts - 1).tolist():
            point = tuple(one.values[i] for one, i in zip(variations, cell, strict=True))
            if point not in seen:
                seen.add(point)
                yield point
        power += 1
    yield from (point for point in grid(variations) if point not in seen)
