"""What candidates are compared by: one run's counts by period, without rows, at half of the kernel's price.

They are the numbers that `measures` takes from the kernel's rows; a property test says so. Where the loop that keeps
counts only cannot go (see `core/counts`), the kernel runs and its rows are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from logging import DEBUG

import numpy as np
import numpy.typing as npt

from simkit.clock import NEVER, Int64Array
from simkit.core import counts, facts, tally
from simkit.core.compile import compiled
from simkit.phases import phase
from simkit.runs.givens import Givens, told_if_too_long
from simkit.runs.measures import (
    ByWeek,
    Measures,
    counted_between,
    groups_of,
    names_of,
    of_groups,
    of_window,
    periods_of,
    wait_quantiles,
    window_of,
)
from simkit.runs.simulate import rows_of
from simkit.timeline import whole_weeks


@dataclass(frozen=True)
class Counts:
    """Counts of one run, a row per preset in the order of the scenario and a column per period; presets of one name are
    one.

    Periods lie between the `edges`: int64[k + 1], each with its beginning and without its end, but for the last, which
    has both. What happens at an instant counts there, what lasts counts in each period it touches, its part each.
    `builds` of prebuilds count when they are ordered, `failed_builds` when they fail; `above_quota` are those of these
    that the quota ended. Durations in microseconds, as in `Measures`: `idle_us` from build to claim or end of deletion;
    `building_us`, `ready_us` (until a claim or the order to delete) and `deleting_us` are the pool's three kinds of
    `Measures.spent_us`.
    `limited_at`: int64[p], the first tick at which the hard limit kept the preset from building (NEVER: it did not);
    `limited_us`: for how long.

    A claim each, in the order of time: `claimed_at` and `claim_preset` (the row it counts in); `hit`: bool[n];
    `ready_at`: NEVER for who was not ready within the window; `queued_us`: how long the claim's build waited for a
    daemon, NEVER if none took it.
    """

    presets: tuple[str, ...]
    edges: Int64Array
    claims: Int64Array
    hits: Int64Array
    builds: Int64Array
    failed_builds: Int64Array
    above_quota: Int64Array
    idle_us: Int64Array
    building_us: Int64Array
    ready_us: Int64Array
    deleting_us: Int64Array
    limited_at: Int64Array
    limited_us: Int64Array
    claimed_at: Int64Array
    claim_preset: Int64Array
    hit: npt.NDArray[np.bool_]
    ready_at: Int64Array
    queued_us: Int64Array

    @property
    def pool_us(self) -> Int64Array:
        """What the pool itself runs: building, idle and deleting: int64[p, k]."""
        return self.building_us + self.ready_us + self.deleting_us

    @property
    def wait_us(self) -> Int64Array:
        """How long each claim waited until it was ready, NEVER for who was not within the window: int64[n]."""
        return np.where(self.ready_at == NEVER, NEVER, self.ready_at - self.claimed_at)

    @cached_property
    def wait_quantiles_us(self) -> Int64Array:
        """int64[p, 3]: p50, p95 and p99 by nearest rank over the whole run, as `Measures.wait_us`."""
        return wait_quantiles(self.claim_preset, self.wait_us, len(self.presets))


def count(given: Givens, edges: Int64Array | None = None) -> Counts:
    """Run what is given and count it, by period between the edges (without any: the whole window).

    The interpreter lock is released meanwhile: threads run side by side, and their number changes nothing.
    Raises ValueError for edges that do not ascend or are fewer than two, RunError.
    """
    window = given.inputs.settings.start_at, given.inputs.settings.end_at
    edges = np.array(window if edges is None else edges, dtype=np.int64)
    if edges.size < 2 or (np.diff(edges) <= 0).any():
        raise ValueError("edges of periods are at least two instants, each later than the one before")
    of = _counted(given, edges)
    names = names_of(given)
    asked = slice(None) if of.asked.all() else of.asked  # a slice copies nothing
    group = groups_of(given, names)
    cells = of_groups(of.cells, group, len(names))
    limited_at = np.full(len(names), NEVER, dtype=np.int64)
    np.minimum.at(limited_at, group, of.limited_at)
    return Counts(
        presets=names,
        edges=edges,
        claims=cells[:, :, tally.N_CLAIMS],
        hits=cells[:, :, tally.N_HITS],
        builds=cells[:, :, tally.N_BUILDS],
        failed_builds=cells[:, :, tally.N_FAILED],
        above_quota=cells[:, :, tally.N_ABOVE],
        idle_us=cells[:, :, tally.N_UNUSED],
        building_us=cells[:, :, tally.N_BUILDING],
        ready_us=cells[:, :, tally.N_IDLE],
        deleting_us=cells[:, :, tally.N_DELETING],
        limited_at=limited_at,
        limited_us=of_groups(of.limited_us, group, len(names)),
        claimed_at=given.inputs.claims[asked, facts.A_AT],
        claim_preset=group[given.inputs.claims[asked, facts.A_PRESET]],
        hit=of.hit[asked],
        ready_at=of.ready_at[asked],
        queued_us=of.queued_us[asked],
    )


def count_by_week(given: Givens) -> ByWeek:
    """What `measures_by_week` takes from a run's rows, without them; equal to the bit."""
    window = given.inputs.settings.start_at, given.inputs.settings.end_at
    edges = whole_weeks(given.scenario.zone, *window)
    of = _counted(given, periods_of(edges) if edges.size else np.array(window, dtype=np.int64))
    return counted_between(given, edges, of)


def count_measures(given: Givens) -> Measures:
    """What `measures` takes from a run's rows, without them; equal to the bit."""
    of = _lean(given, window_of(given))
    if of is None:
        return of_window(given, _from_rows(given, window_of(given)))
    of.cells[:, 0, tally.N_CLAIMED] = counts.claimed_us(given.inputs, of)
    return of_window(given, of)


def _counted(given: Givens, edges: Int64Array) -> tally.Counted:
    with phase("counted", DEBUG, scenario=given.scenario.name, seed=given.seed, replication=given.replication):
        of = _lean(given, edges)
        return _from_rows(given, edges) if of is None else of


def _lean(given: Givens, edges: Int64Array) -> tally.Counted | None:
    """By the loop that keeps counts only; None where it cannot go."""
    if given.programs is not None or not counts.can_count(given.inputs, given.people):
        return None
    with told_if_too_long(given):
        of = counts.count(given.inputs, edges, given.most_rows)
    if of is not None:
        compiled("counts")
    return of


def _from_rows(given: Givens, edges: Int64Array) -> tally.Counted:
    return tally.tally(given.inputs, rows_of(given), edges)
