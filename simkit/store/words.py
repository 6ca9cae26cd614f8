"""What tables call the rules of a workspace's lifecycle, the builds that they cause, and the errors of builds."""

from __future__ import annotations

from simkit.core import lifecycle, lives

RULES = {
    lifecycle.AUTOSTOP: "autostop",
    lifecycle.AUTOSTART: "autostart",
    lifecycle.FAILED_STOP: "failure stop",
    lifecycle.DORMANCY: "dormancy",
    lifecycle.AUTODELETE: "autodelete",
    lifecycle.SUSPENDED_STOP: "owner suspended",
    lives.TTL_CHANGED: "TTL changed",
    lives.TEMPLATE_CHANGED: "template schedule changed",
    lives.NO_STOP_DAY: "no day to stop on",
    lives.WOKEN: "woken",
    lives.STARTED_UP: "started",
}
"""What `lifecycle_decisions` calls the rules, in ascending order of their numbers."""

REASONS = ("initiator", "autostop", "autostart", "autostop", "dormancy", "autodelete", "autostop")
"""Coder's build reasons, by the number of the rule that caused the build; 0: somebody wanted it."""

BUILD_ERROR = "the simulated build failed"
PENDING_TOO_LONG_ERROR = (
    "Coder: Build has been detected as pending for 30 minutes and has been terminated by the reaper."
)
INSUFFICIENT_QUOTA_ERROR = "insufficient quota"
NO_STOP_DAY_ERROR = "could not find suitable day for template autostop requirement in the next 7 days"
