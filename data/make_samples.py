"""Writes the sample demand histories in data/demand/: synthetic people, drawn from the hours below with a fixed seed.

Run it with `python data/make_samples.py`; it writes the same bytes every time.
"""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

HERE = Path(__file__).parent

# Expected claims in each quarter of an hour of a weekday, from 08:00. People come in, some again after lunch.
WORKDAY = [0, 0, 1, 1, *[5, 7, 6, 3], *[2, 2, 2, 1], *[1, 1, 1, 1], *[0, 0, 1, 1], *[3, 3, 2, 1], *[1] * 12, 0, 0, 0, 0]
FIRST_QUARTER = 8 * 4
BUSY = (1.25, 1.0, 1.0, 0.95, 0.8)  # Monday to Friday


def workdays(first: datetime, weeks: int, share: float, zone: ZoneInfo, chance: np.random.Generator) -> list[datetime]:
    """Instants at which people start to work, in order."""
    found = []
    for week in range(weeks):
        for weekday, busy in enumerate(BUSY):
            day = first + timedelta(days=7 * week + weekday)
            for quarter, expected in enumerate(WORKDAY):
                for _ in range(int(chance.poisson(expected * busy * share))):
                    second = (FIRST_QUARTER + quarter) * 900 + int(chance.integers(900))
                    found.append((day + timedelta(seconds=second)).replace(tzinfo=zone))
    return sorted(found)


def write(name: str, seed: int, first: datetime, weeks: int, shares: dict[str, tuple[float, str]]) -> None:
    """One history: preset -> (share of the workday's demand, zone in which its people work)."""
    rows = []
    for i, (preset, (share, zone)) in enumerate(shares.items()):
        chance = np.random.default_rng([seed, i])
        rows += [(at, preset) for at in workdays(first, weeks, share, ZoneInfo(zone), chance)]
    with (HERE / "demand" / name).open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["started_at", "preset"])
        out.writerows(
            (at.isoformat(), preset) for at, preset in sorted(rows, key=lambda row: (row[0].timestamp(), row[1]))
        )


def main() -> None:
    new_york, berlin, kolkata = "America/New_York", "Europe/Berlin", "Asia/Kolkata"
    write("workweek.csv", 7, datetime(2026, 11, 2), 3, {"goland-large": (1.6, new_york)})  # noqa: DTZ001
    shares = {
        f"{ide}-{size}": (share, zone)
        for ide, zone in (("goland", new_york), ("pycharm", berlin), ("webstorm", kolkata), ("vscode", new_york))
        for size, share in (("small", 0.5), ("large", 0.3), ("gpu", 0.1))
    }
    write("twelve-presets.csv", 12, datetime(2026, 11, 2), 1, shares)  # noqa: DTZ001
    regions = {"backend-us": (0.45, new_york), "backend-eu": (0.25, berlin), "backend-ap": (0.15, kolkata)}
    write("three-regions.csv", 3, datetime(2026, 10, 5), 6, regions)  # noqa: DTZ001
    write("monday.csv", 11, datetime(2026, 10, 5), 6, {"goland-large": (1.6, new_york)})  # noqa: DTZ001


if __name__ == "__main__":
    main()
