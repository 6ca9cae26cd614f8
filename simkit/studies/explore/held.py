"""What held an answer back: the hard limit, builds that fail, the quota, a lack of daemons; in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simkit.clock import HOUR_US
from simkit.studies.explore.setting import Totals
from simkit.studies.outcome import days_text
from simkit.times import about

_LEAST = 0.001
"""A share of claims that is less is not told: it would read as 0.0%."""


def held(runs: Sequence[Totals]) -> str:
    """Sentences about one preset in one run or in several of the same setting; that there is nothing, if so."""
    told = []
    if limited := [run.limited_us for run in runs if run.limited_us]:
        of = f" on average, in {len(limited)} of {len(runs)} replications" if len(runs) > 1 else ""
        told.append(
            "The hard limit keeps this pool from building for "
            f"{days_text(float(np.mean(limited)) / HOUR_US)} of the window{of}."
        )
    builds, failed = sum(run.builds for run in runs), sum(run.failed for run in runs)
    if failed:
        told.append(f"{failed / builds:.1%} of the builds of prebuilds fail.")
    if above := float(np.mean([run.above_quota for run in runs])):
        told.append(f"The quota ends {above:,.1f} of them a week.")
    if (queued := float(np.mean([run.queued for run in runs]))) >= _LEAST:
        waits = [run.queued_s for run in runs if run.queued_s == run.queued_s]
        long = f", {about(float(np.mean(waits)))} on average" if waits else ""
        told.append(f"{queued:.1%} of claims wait for a free provisioner daemon{long}.")
    return " ".join(told) or "Neither the hard limit nor failed builds, the quota or a lack of daemons held this back."
