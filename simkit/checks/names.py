"""Stable names for what the linter says, so that a test can forbid one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from simkit.errors import Finding

NAMES: Mapping[str, tuple[str, str]] = {
    "undetected_overlap": (
        r"overlaps .* which Coder does not notice",
        "two schedules hold at once and Coder is silent",
    ),
    "fallback_to_base": (r"Coder ignores .* and keeps the base", "Coder ignores schedules and uses the base number"),
    "list_for_range": (r'" is .* only; write "\d+-\d+"', '"1,5" where "1-5" was probably meant'),
    "never_holds": (r"does not hold once from", "a schedule that does not hold once in a year"),
    "negative_instances": (r"instances = -\d+ acts as 0", "a number of instances below 0"),
    "short_ttl": (r"ttl is .* but a prebuild takes", "prebuilds that expire about when they are ready"),
    "uncovered_hours": (r"a week that no schedule covers", "hours that no schedule covers"),
    "no_backoff": (r"with a base of 0 backoff never triggers", "a base of 0, so that failed builds are not spaced out"),
    "cold_begin": (r"goes from \d+ to \d+ prebuilds at", "a steep step that finds no prebuild ready"),
}
"""Name -> (what the linter's text has in it, what it is)."""


def name_of(finding: Finding) -> str:
    """The name of what the linter says about a preset; "" for anything else."""
    return next((name for name, (text, _) in NAMES.items() if re.search(text, finding.text)), "")
