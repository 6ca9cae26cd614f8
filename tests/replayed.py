"""A small history with a pause in it, and its replays, that tests share."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import yaml
from coder_database import SCENARIO

import simkit
from simkit.deployment.replay import Replay, replay

ODD = "a $x^2$ <b>"


@lru_cache
def replayed(name: str = "large", replications: int = 6) -> Replay:
    """A week of two pools, in which the reconciler was paused on a Wednesday."""
    pauses = [{"at": "2026-03-04T09:30", "event": "pause"}, {"at": "2026-03-04T16:00", "event": "resume"}]
    given = yaml.safe_load(SCENARIO) | {"events": pauses, "failures": {"probability": 0.0}}
    for one in (given["presets"][0], given["demand"]["profiles"][0]):
        one["name" if "name" in one else "preset"] = name
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "paused.yaml")
        file.write_text(yaml.safe_dump(given), encoding="utf-8")
        simkit.run(simkit.load(file), seed=2).save(Path(folder, "paused.duckdb"))
        return replay(Path(folder, "paused.duckdb"), replications=replications)
