"""The benchmark's templates: 50 folders of 10 presets with 4 schedules, each tested over a year."""

from __future__ import annotations

from pathlib import Path

TEAMS, PRESETS = 50, 10
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney", "America/Sao_Paulo")
SCHEDULES = (("* 7 * * 1-5", 2), ("* 8-17 * * 1-5", 5), ("* 18-20 * * 1-5", 2), ("* 9-14 * * 6", 1))


def write(folder: Path) -> list[str]:
    """Write the templates with their test files below a folder, and give the names of their folders in it."""
    schedules = "".join(
        f'      schedule {{\n        cron = "{cron}"\n        instances = {count}\n      }}\n'
        for cron, count in SCHEDULES
    )
    teams = [f"team{team}" for team in range(TEAMS)]
    for team in teams:
        presets, tests = "", "template: main.tf\ntests:\n"
        for i in range(PRESETS):
            presets += (
                f'data "coder_workspace_preset" "p{i}" {{\n  name = "p{i}"\n  prebuilds {{\n    instances = 1\n'
                f'    scheduling {{\n      timezone = "{ZONES[i % 5]}"\n{schedules}    }}\n  }}\n}}\n'
            )
            tests += (
                f"  - name: p{i}\n    preset: p{i}\n    expect:\n"
                '      - {desired: 5, every: "weekday 08:00-18:00", over: 2026}\n'
            )
        here = folder / team
        here.mkdir()
        (here / "main.tf").write_text(presets, encoding="utf-8")
        (here / "t.simkit.yaml").write_text(tests, encoding="utf-8")
    return teams
