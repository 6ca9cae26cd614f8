"""What drawing the claims of 200 presets takes, against the kernel on the same: four schedules each, a year."""

from __future__ import annotations

from itertools import count

from benchmarks.clocks import line, spread, timed
from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, Zone, parse_instant
from simkit.core import kernel
from simkit.demand import Draws
from simkit.model import Preset, Profile, Scenario, Schedule, TemplateVersion, Workload, constant, lognormal
from simkit.runs.simulate import run

PRESETS, CLAIMS = 200, 100_000
_ZONE = "America/New_York"
_SCHEDULES = (("* 0-5 * * 1-5", 1), ("* 6-11 * * 1-5", 8), ("* 12-17 * * 1-5", 8), ("* 18-23 * * 1-5", 2))
_WEEKDAY = (*[0] * 8, 2, 8, 4, 2, 1, 3, 2, 2, 1, *[0] * 7)


def scenario(presets: int = PRESETS, claims: int = CLAIMS) -> Scenario:
    """A year of so many presets, which expect so many claims together."""
    schedules = tuple(Schedule(cron, instances) for cron, instances in _SCHEDULES)
    names = [f"p{i:03d}" for i in range(presets)]
    a_claim = claims / presets / 52 / (5 * sum(_WEEKDAY))
    hours = tuple(rate * a_claim for rate in (*_WEEKDAY * 5, *[0] * 48))
    return Scenario(
        "many",
        parse_instant("2026-01-05T00:00:00-05:00"),
        parse_instant("2027-01-04T00:00:00-05:00"),
        (TemplateVersion("t", "v1", tuple(Preset(n, 3, 24 * HOUR_US, _ZONE, schedules) for n in names)),),
        tuple(Profile(name, Zone(_ZONE), hours) for name in names),
        zone=Zone(_ZONE),
        provisioner_daemons=200,
        workload=Workload(
            build=lognormal(4 * MINUTE_US, 9 * MINUTE_US), agent=constant(40 * SECOND_US), failure_probability=0.01
        ),
    )


def drawing() -> None:
    """Both in this process; each time another replication."""
    many = scenario()
    result = run(many)  # compiles
    replications = count(1)
    _, kernel_s = timed(lambda: kernel.simulate(result.given.inputs), 5)
    draws, shared_s = timed(lambda: Draws(many), 5)
    _, drawn_s = timed(lambda: draws.claims(7, next(replications)), 5)
    line(f"a year of {PRESETS} presets: kernel", f"{1e3 * min(kernel_s):,.0f} ms", spread(kernel_s))
    line("  drawing its claims, per replication", f"{1e3 * min(drawn_s):,.0f} ms", spread(drawn_s))
    line("  what replications share, once", f"{1e3 * min(shared_s):,.0f} ms", spread(shared_s))
    line("  drawing as a share of the kernel", f"{min(drawn_s) / min(kernel_s):.1%}", "aim 100%")
