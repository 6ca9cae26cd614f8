"""Each way in which people get schedules wrong, given as Terraform, has its verdict, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from simkit.cli import main


def preset(*schedules, instances="1", timezone="UTC", ttl=None, head="") -> str:
    """A preset as people write it. Its `timezone` is in line 6, its schedules in lines 7, 11, ... with crons below."""
    blocks = "".join(
        f'      schedule {{\n        cron      = "{cron}"\n        instances = {count}\n      }}\n'
        for cron, count in schedules
    )
    scheduling = f'    scheduling {{\n      timezone = "{timezone}"\n{blocks}    }}\n' if schedules else ""
    expiration = f"    expiration_policy {{\n      ttl = {ttl}\n    }}\n" if ttl is not None else ""
    return (
        f'data "coder_workspace_preset" "large" {{\n  name = "large"\n{head}'
        f"  prebuilds {{\n    instances = {instances}\n{expiration}{scheduling}  }}\n}}\n"
    )


BLOCKS = """\
data "coder_workspace_preset" "goland" {
  name = "GoLand: Large"
  parameters = {
    jetbrains_ide = "GO"
    cpus          = 8
    memory        = 16
  }
  prebuilds {
    instances = 0
    scheduling {
      timezone = "UTC"
      schedule {
        cron      = "* 8-18 * * 1-5"
        instances = 5
      }
      schedule {
        cron      = "* 8-14 * * 6"
        instances = 1
      }
    }
  }
}
"""

OBJECT = """\
data "coder_workspace_preset" "goland" {
  name = "GoLand: Large"
  prebuilds = {
    instances = 3
    expiration_policy = {
      ttl = 86400
    }
    scheduling = {
      timezone = "UTC"
      schedule = [{ cron = "* 8-18 * * 1-5", instances = 5 }]
    }
  }
}
"""

MIXED = """\
data "coder_workspace_preset" "goland" {
  name = "GoLand: Large"
  prebuilds = {
    instances = 3
    expiration_policy {
      ttl = 86400
    }
  }
}
"""

BACKOFF = (
    "main.tf:1: note: with a base of 0 backoff never triggers, as it looks at the newest 0 prebuilds: failed builds "
    "are retried at every reconciliation, until the hard limit; write a base of 1 or more to have it"
)


def uncovered(hours: str, base: int, more: str = "") -> str:
    use = f"use the base of {base}{more}" if base else "have no prebuilds, as the base is 0"
    much = "many" if base else "few"
    return (
        f"main.tf:1: note: the {hours} hours a week that no schedule covers {use}; "
        f"write another schedule if that is too {much}"
    )


def cold(line: int, cron: str, before: int, after: int, write: str) -> str:
    some = f"only {before}" if before else "none"
    return (
        f'main.tf:{line}: note: "{cron}" goes from {before} to {after} prebuilds at 08:00, and {some} can be ready in '
        f'its first minutes; write "{write}" to have them at 08:00, if claims come that early'
    )


REFUSED = "1 preset, no test was run; 1 error"
TTL = "ttl must be 0 (never expires) or 3600 seconds (1h) to 31536000 seconds (365d), got"
CASES = {
    "the documentation's blocks": (
        BLOCKS,
        0,
        [
            uncovered("106", 0),
            BACKOFF,
            cold(12, "* 8-18 * * 1-5", 0, 5, "* 7-18 * * 1-5"),
            cold(16, "* 8-14 * * 6", 0, 1, "* 7-14 * * 6"),
            "",
            "1 preset, no tests; 4 notes",
        ],
    ),
    "the documentation's objects": (
        OBJECT,
        0,
        [uncovered("113", 3), "", "1 preset, no tests; 1 note"],
    ),
    "blocks inside an object": (
        MIXED,
        2,
        [
            'main.tf:5: "expiration_policy {" is a block inside an object, which Terraform refuses; write blocks all '
            'the way, without "=":',
            "    prebuilds {",
            "      instances = 1",
            "      expiration_policy {",
            "        ttl = 86400",
            "      }",
            "      scheduling {",
            '        timezone = "UTC"',
            "        schedule {",
            '          cron      = "* 8-18 * * 1-5"',
            "          instances = 5",
            "        }",
            "      }",
            "    }",
            "",
            REFUSED,
        ],
    ),
    "a list that was meant as a range": (
        preset(("* 8-18 * * 1,5", 2)),
        0,
        [
            uncovered("146", 1),
            'main.tf:7: warning: "1,5" is Monday and Friday only; write "1-5" for Monday to Friday, or "5,1" if you '
            "mean the two days",
            "",
            "1 preset, no tests; 1 warning, 1 note",
        ],
    ),
    "an overlap that Coder does not notice": (
        preset(("* 9 1 * 1", 1), ("* 9 2 * 2", 2)),
        0,
        [
            uncovered("165.7", 1),
            'main.tf:7: note: "* 9 1 * 1" holds on day 1 of the month or Monday (either is enough), 09:00 to 09:59; '
            'for fewer days, write "*" as day of month or as day of week',
            'main.tf:11: warning: "* 9 2 * 2" overlaps "* 9 1 * 1" at main.tf:7, which Coder does not notice: both '
            "hold on Mon 2026-02-02T09:00:00Z, and the one written first wins (1, not 2 instances); where day of month "
            "and day of week are given either is enough: write one",
            'main.tf:11: note: "* 9 2 * 2" holds on day 2 of the month or Tuesday (either is enough), 09:00 to 09:59; '
            'for fewer days, write "*" as day of month or as day of week',
            "",
            "1 preset, no tests; 1 warning, 3 notes",
        ],
    ),
    "names of days beside another schedule": (
        preset(("* 8-18 * * MON-FRI", 3), ("* 9-12 * * 6", 2)),
        2,
        [
            'main.tf:8: "* 8-18 * * MON-FRI": day of week "MON-FRI" is neither a number, a range a-b, a list nor "*", '
            "and with two schedules or more Coder's overlap check reads nothing else; write numbers",
            "",
            REFUSED,
        ],
    ),
    "names of days alone": (
        preset(("* 8-18 * * MON-FRI", 2)),
        0,
        [uncovered("113", 1), "", "1 preset, no tests; 1 note"],
    ),
    "hour 25": (
        preset(("* 25 * * *", 2)),
        2,
        ['main.tf:8: hour "25": 25 is no hour; write 0 to 23', "", REFUSED],
    ),
    "a TTL of 1800": (
        preset(ttl=1800),
        2,
        [f"main.tf:6: {TTL} 1800 seconds (30m); the nearest is 3600", "", REFUSED],
    ),
    "a TTL of 63072000": (
        preset(ttl=63072000),
        2,
        [f"main.tf:6: {TTL} 63072000 seconds (730d); the nearest is 31536000", "", REFUSED],
    ),
    "an unknown zone": (
        preset(("* 8-18 * * 1-5", 2), timezone="Europe/Berln"),
        2,
        ['main.tf:6: "Europe/Berln" is not a time zone; write an IANA name such as "Europe/Berlin"', "", REFUSED],
    ),
    "a minute": (
        preset(("30 8-18 * * 1-5", 2)),
        2,
        [
            'main.tf:8: minutes must be "*", got "30": Coder reads a schedule as whole hours; write "* 8-18 * * 1-5"',
            "",
            REFUSED,
        ],
    ),
    "an overlap that Coder refuses": (
        preset(("* 8-18 * * 1-5", 3), ("* 18-19 * * 5-6", 1)),
        2,
        [
            'main.tf:12: "* 18-19 * * 5-6" overlaps "* 8-18 * * 1-5" at main.tf:8, which Coder refuses; write hours, '
            "days or months that they do not share",
            "",
            REFUSED,
        ],
    ),
    "a base of -1": (
        preset(instances=-1),
        2,
        ["main.tf:4: instances must be 0 to 2147483647, got -1", "", REFUSED],
    ),
    "a schedule of -1": (
        preset(("* * * * *", -1), instances=0),
        0,
        [
            "main.tf:7: warning: instances = -1 acts as 0, no prebuild is kept; write 0",
            "",
            "1 preset, no tests; 1 warning",
        ],
    ),
    "a count of -1": (
        preset(head="  count = -1\n"),
        2,
        ["main.tf:3: count = -1: must be 0 to 1000, got -1; write another number", "", REFUSED],
    ),
    "a base above every schedule": (
        preset(("* 8-18 * * 1-5", 3), ("* 9-12 * * 6", 3), instances=4),
        0,
        [uncovered("109", 4, ", more than in any schedule"), "", "1 preset, no tests; 1 note"],
    ),
    "a base of 0": (
        preset(("* 8-18 * * 1-5", 3), instances=0),
        0,
        [
            uncovered("113", 0),
            BACKOFF,
            cold(7, "* 8-18 * * 1-5", 0, 3, "* 7-18 * * 1-5"),
            "",
            "1 preset, no tests; 3 notes",
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_template_gets_the_right_verdict_and_the_right_words(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    terraform, status, lines = CASES[name]
    Path("main.tf").write_text(terraform, encoding="utf-8")
    done = CliRunner().invoke(main, ["check"])
    assert done.output.splitlines() == lines
    assert done.exit_code == status


@pytest.mark.parametrize("name", [name for name, (_, status, _) in CASES.items() if status == 0])
def test_only_a_warning_fails_if_it_is_strict(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    terraform, _, lines = CASES[name]
    Path("main.tf").write_text(terraform, encoding="utf-8")
    assert CliRunner().invoke(main, ["check", "--strict"]).exit_code == int(any(": warning: " in li for li in lines))
