"""A day of a control plane, as the study's tables have it."""

from __future__ import annotations

import pandas as pd


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def a_day() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """As `answers` gives them: a prebuild that is claimed and fails, and one that is deleted."""
    states = pd.DataFrame(
        [
            (1, "ben/api", "waiting", at("2026-11-10T13:00"), at("2026-11-10T14:00")),
            (1, "ben/api", "claimed", at("2026-11-10T14:00"), at("2026-11-10T14:00")),
            (1, "ben/api", "failed", at("2026-11-10T14:00"), at("2026-11-10T14:30")),
            (2, "prebuild-2", "waiting", at("2026-11-10T13:00"), at("2026-11-10T14:00")),
            (2, "prebuild-2", "deleted", at("2026-11-10T14:00"), at("2026-11-10T14:00")),
        ],
        columns=["workspace_id", "workspace", "state", "from_at", "until_at"],
    )
    queue = pd.DataFrame(
        {
            "changed_at": [at("2026-11-10T13:00"), at("2026-11-10T13:10"), at("2026-11-10T14:00")],
            "people": [0, 1, 2],
            "prebuilds": [2, 3, 0],
        }
    )
    volume = pd.DataFrame(
        {
            "from_at": [at("2026-11-10T13:00"), at("2026-11-10T13:15"), at("2026-11-10T13:30")],
            "jobs": [1000, 4000, 0],
            "agents": [500, 2500, 0],
        }
    )
    return states, queue, volume
