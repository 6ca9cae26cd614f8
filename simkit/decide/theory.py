"""Theory as a check: what queueing theory says of a pool, of the daemons and of people, where a formula is known.

Rates and durations are in one unit of time, whichever: claims an hour and hours, or claims a microsecond and
microseconds. Each formula says where it holds; `docs/theory.md` says how far the kernel is from it there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, eye_array, vstack
from scipy.sparse.linalg import spsolve
from scipy.special import pdtrc

from simkit.clock import NEVER, Int64Array
from simkit.core import facts
from simkit.core.numbers import START, SUCCEEDED
from simkit.runs.result import KernelResult

MOST_STATES = 10_000
"""Of a Markov chain that is solved: a second's work."""


def erlang_b(servers: int, load: float) -> float:
    """The share of arrivals that find all servers busy, and are lost (Erlang 1917: M/G/s/s; by the recursion
    that loses no digits, Jagerman, Bell System Technical Journal 53, 1974).

    A pool of `servers` instances loses the head start of so many claims, for a load of rate x (build + agent), where
    the demand is Poisson, no TTL acts, a daemon is always free, nothing fails and an instance that is taken is built
    anew *at once*: then any distribution of builds will do. The reconciler waits for its tick. With an interval R the
    load is at least rate x (build + agent + R / 2); Erlang's number is still too low then, for those who come between
    two ticks wait for the same one, and it is right where R is a small part of the build. `fixed_build_pool` counts
    the ticks. Raises ValueError for a negative number of servers or load.
    """
    if servers < 0 or load < 0:
        raise ValueError(f"servers and load are 0 or more, got {servers} and {load}")
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = load * blocked / (server + load * blocked)
    return blocked


class PoolMeans(NamedTuple):
    """A pool in its steady state. `ready`: the mean number of instances that a claim could take; `idle`: of those that
    are built and not claimed, as `Measures.idle_us` counts them (their agent may still start)."""

    hit_rate: float
    ready: float
    idle: float


def fixed_build_pool(instances: int, rate: float, interval: float, build: float, agent: float = 0.0) -> PoolMeans:
    """A pool whose builds all take equally long, tick by tick: a finite Markov chain, solved (Kemeny and Snell, Finite
    Markov Chains, chapter 4).

    Its state after a tick is how many instances each of the last ticks created that are not ready yet; the others are.
    Until the next tick claims take what is ready, those created ceil((build + agent) / interval) - 1 ticks ago become
    ready on the way, and the tick creates as many as were taken. It is exact for one preset with a constant number of
    `instances`, Poisson claims, no TTL, constant durations, a daemon that is always free and no failures.

    Raises ValueError where the chain has more than MOST_STATES states: many instances, or builds of many ticks.
    """
    if instances < 0 or rate <= 0 or interval <= 0 or build < 0 or agent < 0:
        raise ValueError("rate and interval are above 0; instances, build and agent are 0 or more")
    lead = build + agent
    ages = math.ceil(lead / interval)
    count = math.comb(instances + ages, ages)
    if count > MOST_STATES:
        raise ValueError(f"{count} states are too many; give fewer instances or a build of fewer ticks")
    # From a tick until the oldest of those under way are ready; rounding makes no more than an interval of it.
    early = min(lead - (ages - 1) * interval, interval) if ages else 0.0
    states = list(_compositions(instances, ages))
    position = {state: i for i, state in enumerate(states)}
    rows, columns, chances = [], [], []
    hits, ready = np.zeros(count), np.zeros(count)
    until = [_taken(left, rate, early) for left in range(instances + 1)]
    after = [_taken(left, rate, interval - early) for left in range(instances + 1)]
    for i, state in enumerate(states):
        first = until[instances - sum(state)]
        comes = state[-1] if ages else 0
        ready[i] += first.ready_for
        for taken, chance in enumerate(first.chances):
            second = after[instances - sum(state) - taken + comes]
            ready[i] += chance * second.ready_for
            hits[i] += chance * (taken + second.mean)
            for more, then in enumerate(second.chances):
                rows.append(i)
                columns.append(position[(taken + more, *state[:-1])] if ages else i)
                chances.append(chance * then)
    share = _stationary(coo_array((chances, (rows, columns)), shape=(count, count)))
    hit_rate = float(share @ hits) / (rate * interval)
    mean_ready = float(share @ ready) / interval
    return PoolMeans(hit_rate, mean_ready, mean_ready + rate * hit_rate * agent)  # Little's law: all built are taken


class _Taken(NamedTuple):
    """What claims take in a while of what is ready at its beginning: the chance of each number, its mean, and for how
    long instances are ready, summed over them."""

    chances: tuple[float, ...]
    mean: float
    ready_for: float


def _taken(ready: int, rate: float, length: float) -> _Taken:
    more = np.array(pdtrc(np.arange(ready), rate * length))  # the chance of more than 0, 1, ... claims
    chances = -np.diff(np.concatenate([[1.0], more, [0.0]]))
    # The j + 1st claim has come at t with the chance P(N(t) > j); its integral over time is that of being still ready.
    stays = (ready - np.arange(ready)) @ more / rate
    return _Taken(tuple(chances.tolist()), float(more.sum()), float(stays))


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Every tuple of so many numbers from 0 whose sum is at most the total."""
    if parts == 0:
        yield ()
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def _stationary(moves: coo_array) -> npt.NDArray[np.float64]:
    """How often a chain is in each state: the left eigenvector of its transitions that sums to 1."""
    count = moves.shape[0]
    balance = (moves.T - eye_array(count)).tocsr()[:-1]  # one of the equations follows from the others
    whole = vstack([balance, np.ones((1, count))]).tocsc()
    return np.atleast_1d(spsolve(whole, np.append(np.zeros(count - 1), 1.0)))


class OneInstance(NamedTuple):
    """A pool of one in its steady state. `ready`: the share of time in which a claim could take it, which is the hit
    rate, for claims that come by chance see what time sees; `expired_share`: of the builds, those that expire."""

    hit_rate: float
    expired_share: float
    builds_per_claim: float

    @property
    def ready(self) -> float:
        return self.hit_rate


def one_instance(rate: float, interval: float, build: float, agent: float = 0.0, ttl: float = 0.0) -> OneInstance:
    """A pool of one instance whose builds all take equally long, with a TTL (0: none): a closed form.

    A cycle goes from the tick that creates the instance to the next that does (Ross, Stochastic Processes, renewal
    reward). It is claimed after a time X, exponential, from when it is ready, and the next tick creates another; or
    the first tick at which it is *older* than the TTL deletes it and creates another at once, with the number
    K = floor(ttl / interval) + 1, until which it can be claimed. So with lead = build + agent and r the interval
    P(hit) = 1 - exp(-rate (K r - lead)), the mean length is r times the sum over k < K of P(X > k r - lead), and the
    hit rate is P(hit) / (rate x mean length).

    Exact for one preset, instances 1, Poisson claims, constant durations, a daemon that is always free, no failures.
    Raises ValueError where it expires before it is ready.
    """
    if rate <= 0 or interval <= 0 or build < 0 or agent < 0 or ttl < 0:
        raise ValueError("rate and interval are above 0; build, agent and ttl are 0 or more")
    lead = build + agent
    # A tick, of which the one that creates it is 0. A TTL of whole intervals is one whatever rounding makes of it.
    expires = math.floor(ttl / interval * (1 + 1e-12)) + 1 if ttl else math.inf
    if expires * interval <= lead:
        raise ValueError("it expires before it is ready; give a TTL above build + agent")
    before = min(math.floor(lead / interval) + 1, expires)  # ticks at which nobody can have taken it
    per_tick = math.exp(-rate * interval)
    taken_later = math.exp(-rate * (before * interval - lead)) if before < expires else 0.0
    later = 0.0 if math.isinf(expires) else per_tick ** (expires - before)
    length = interval * (before + taken_later * (1 - later) / (1 - per_tick))
    expired = 0.0 if math.isinf(expires) else math.exp(-rate * (expires * interval - lead))
    return OneInstance((1 - expired) / (rate * length), expired, 1 / (rate * length))


def erlang_c(servers: int, load: float) -> float:
    """The share of jobs that have to wait for one of the servers (Erlang 1917: M/M/s; Cooper, Introduction to
    Queueing Theory, section 3.4).

    It holds for provisioner daemons whose jobs are Poisson and take exponential times, whatever the order in which
    they are taken; other distributions of times change little. 1 where the load is the servers' number or more.
    Raises ValueError for less than one server or a negative load.
    """
    if servers < 1:
        raise ValueError(f"servers are 1 or more, got {servers}")
    if load >= servers:
        return 1.0
    lost = erlang_b(servers, load)
    return lost / (1 - load / servers * (1 - lost))


class Jobs(NamedTuple):
    """Jobs of one class: how many come in a unit of time, how long one takes in the mean, and the squared coefficient
    of variation of that (1: exponential, 0: constant)."""

    rate: float
    mean: float
    squared_cv: float = 1.0

    @property
    def load(self) -> float:
        return self.rate * self.mean


def mean_waits(daemons: int, classes: Sequence[Jobs]) -> tuple[float, ...]:
    """How long a job of each class waits for a daemon in the mean, the class that goes first at the front: Cobham's
    priority queue (Operations Research 2, 1954), nobody is interrupted. One class is the queue in order of coming.

    Exact where jobs are Poisson and times exponential with one mean, and for one daemon with any times (Pollaczek and
    Khinchine). Otherwise an approximation: M/M/c and Cosmetatos' M/D/c, mixed by the squared coefficient of variation
    (Cosmetatos, Operational Research Quarterly 27, 1976), a few per cent off. People's jobs before prebuilds' are such
    classes; but a pool's builds come in batches at ticks and in the wake of claims, so that they wait longer than this
    says (5 to 10 % with ticks of a minute and builds of ten), and jobs that wait for half an hour are ended by the
    reaper. inf where there is more to do than daemons can. Raises ValueError without a daemon or for a class without
    jobs.
    """
    if daemons < 1 or not classes or any(c.rate <= 0 or c.mean <= 0 or c.squared_cv < 0 for c in classes):
        raise ValueError("there is a daemon, and each class has a rate and a mean above 0")
    rate, load = sum(c.rate for c in classes), sum(c.load for c in classes)
    mean = load / rate
    squared_cv = sum(c.rate * c.mean**2 * (1 + c.squared_cv) for c in classes) / (rate * mean**2) - 1
    busy = min(load / daemons, 1.0)
    constant = (1 + (1 - busy) * (daemons - 1) * (math.sqrt(4 + 5 * daemons) - 2) / (16 * busy * daemons)) / 2
    # Until the next daemon is free, for somebody who comes and goes first.
    until_free = erlang_c(daemons, load) * mean / daemons * (squared_cv + (1 - squared_cv) * constant)
    waits, before = [], 0.0
    for each in classes:
        upto = before + each.load / daemons
        waits.append(until_free / ((1 - before) * (1 - upto)) if upto < 1 else math.inf)
        before = upto
    return tuple(waits)


def mean_running(rate: float, mean_stay: float, people: float = math.inf) -> float:
    """How many workspaces of people run in the mean: M/G/infinity, rate x mean stay, Poisson in number, whatever the
    distribution of stays (Takács, Introduction to the Theory of Queues, chapter 3).

    A stay is how long one session keeps its workspace running: the session and the activity bump after it. Who comes
    back while it runs has one workspace and would count twice: each of n `people` is an M/G/infinity of their own, and
    theirs runs unless that is empty, so that n (1 - exp(-rate x mean stay / n)) run. It holds where sessions are
    Poisson and connected, a daemon is always free, and stays are the sessions' own: no autostart, no TTL above the
    bump, no max deadline. With `people` inf it is also how many daemons are at work, where one is always free.
    Raises ValueError for less than nothing.
    """
    if rate < 0 or mean_stay < 0 or people <= 0:
        raise ValueError("rate and mean stay are 0 or more, people above 0")
    load = rate * mean_stay
    return load if math.isinf(people) else -people * math.expm1(-load / people)


class Flow(NamedTuple):
    """What is somewhere in a window of time, counted in two ways (Little, Operations Research 9, 1961): at the door, as
    `area_us`, the sum over time of how many are there; and by following each: `stay_us`, the whole stays of those
    that came in the window (until the run's end), `before_us`, what those who came before it stay in it, `after_us`,
    what those who came in it stay after it.
    """

    window_us: int
    arrivals: int
    area_us: int
    stay_us: int
    before_us: int
    after_us: int

    @property
    def mean_there(self) -> float:
        """L: how many are there in the mean."""
        return self.area_us / self.window_us

    @property
    def rate_per_us(self) -> float:
        """Lambda."""
        return self.arrivals / self.window_us

    @property
    def mean_stay_us(self) -> float:
        """W, NaN if nobody came."""
        return self.stay_us / self.arrivals if self.arrivals else math.nan

    @property
    def is_kept(self) -> bool:
        """L = lambda W with what crosses the window's edges: exact, for any run and any window."""
        return self.area_us == self.stay_us + self.before_us - self.after_us


def idle_prebuilds(result: KernelResult, from_at: int, until_at: int) -> Flow:
    """Prebuilds that are built and neither claimed nor deleted, from `from_at` to `until_at`, both in the run's window.

    At the door are builds that succeed, claims that hit and deletions that succeed, each from their own rows; who is
    followed is a workspace's row. Little's law holds for every run.
    """
    workspaces, builds, claims = result.rows.workspaces, result.rows.builds, result.rows.claims
    prebuilt = (builds[:, facts.B_NUMBER] == 1) & (builds[:, facts.B_HUMAN] == 0)
    is_built = prebuilt & (builds[:, facts.B_TRANSITION] == START) & (builds[:, facts.B_STATUS] == SUCCEEDED)
    mine = builds[is_built, facts.B_WORKSPACE]
    began_at = builds[is_built, facts.B_COMPLETED]
    claimed_at, gone_at = workspaces[mine, facts.W_CLAIMED], result.gone_at[mine]

    # Who comes while their workspace is being deleted claims when it is gone: a claim is when its build is created.
    hits_at = builds[claims[claims[:, facts.C_HIT] == facts.HIT, facts.C_BUILD], facts.B_CREATED]
    # Stopped or deleted while nobody owned it: the first build after the one that built it, and that succeeded.
    ends = (builds[:, facts.B_TRANSITION] != START) & (builds[:, facts.B_STATUS] == SUCCEEDED)
    ends &= np.isin(builds[:, facts.B_WORKSPACE], mine[claimed_at == NEVER])
    _, first = np.unique(builds[ends, facts.B_WORKSPACE], return_index=True)
    went_at = np.concatenate([hits_at, builds[ends, facts.B_COMPLETED][first]])
    return _flow(result, began_at, went_at, np.minimum(claimed_at, gone_at), from_at, until_at)


def waiting_jobs(result: KernelResult, from_at: int, until_at: int) -> Flow:
    """Jobs that no daemon has taken yet, from `from_at` to `until_at`, both in the run's window. One that is cancelled
    or reaped waits no longer. Little's law holds for every run."""
    builds = result.rows.builds
    created_at, started_at = builds[:, facts.B_CREATED], builds[:, facts.B_STARTED]
    left_at = np.minimum(started_at, builds[:, facts.B_COMPLETED])
    return _flow(result, created_at, left_at, left_at, from_at, until_at)


def _flow(
    result: KernelResult, began_at: Int64Array, went_at: Int64Array, ended_at: Int64Array, from_at: int, until_at: int
) -> Flow:
    """`began_at`, `ended_at`: int64[n], of each that is followed, NEVER for no end; `went_at`: of who leaves at the
    door. Raises ValueError for a window that is not in the run's."""
    scenario = result.scenario
    if not scenario.start_at <= from_at < until_at <= scenario.end_at:
        raise ValueError("a window of time lies in the run's, and has a length")
    ended_at = np.minimum(ended_at, scenario.end_at)

    def passed(at: Int64Array) -> int:
        # What is left of the window after each. Sums may wrap on the way, their differences do not.
        return (until_at - np.clip(at, from_at, until_at)).sum()

    with np.errstate(over="ignore"):
        area_us = passed(began_at) - passed(went_at[went_at != NEVER])
    comes = (from_at <= began_at) & (began_at < until_at)
    came_before = began_at < from_at
    in_window_us = np.clip(ended_at, from_at, until_at) - from_at
    return Flow(
        window_us=until_at - from_at,
        arrivals=int(comes.sum()),
        area_us=int(area_us),
        stay_us=int((ended_at - began_at)[comes].sum()),
        before_us=int(in_window_us[came_before].sum()),
        after_us=int(np.maximum(ended_at[comes] - until_at, 0).sum()),
    )
