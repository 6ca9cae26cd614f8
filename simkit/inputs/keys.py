"""The keys of the files that people write, each with its type, unit, default and meaning.

A reader takes the keys that it knows from here, and the reference is made of the same lines: neither can have one that
the other lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simkit.clock import WEEKDAYS


@dataclass(frozen=True)
class Key:
    """`kind` of value, with its unit. `example`: another value than the default, as a file has it.

    `default`: what applies where the key is left out, as a file would have it; `otherwise` says it where no text can.
    """

    name: str
    kind: str
    example: str
    meaning: str
    default: str = ""
    otherwise: str = ""
    required: bool = False


@dataclass(frozen=True)
class Keys:
    """The keys of a mapping, or the columns of rows, at a `place` of a file; as an iterable their names."""

    place: str
    meaning: str
    keys: tuple[Key, ...]

    def __iter__(self) -> Iterator[str]:
        return (key.name for key in self.keys)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(key.name for key in self.keys if key.required)


NEEDED = "required"
"""Where the rules of a preset say so, whoever wrote it: the mapping alone would say it twice."""

INSTANT = "instant or local time"
DURATION = "duration"
TAKES = "duration or distribution"
_DAYS = "list of days"
_24 = "list of 24 numbers"
_ROW_INSTANT = "instant, local time, or seconds to nanoseconds since 1970"
_MORNING = "[0, 0, 0, 0, 0, 0, 0, 0, 4, 6, 2, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]"


def hours(unit: str) -> tuple[Key, ...]:
    """Numbers by the hour of the local week."""
    weekday = Key(
        "weekday",
        f"{_24}, {unit}",
        _MORNING,
        "Of each hour from 00:00, on Monday to Friday where the day has no list of its own.",
        otherwise="0 in every hour; at least one list has to be there",
    )
    weekend = Key(
        "weekend", f"{_24}, {unit}", _MORNING, "The same of Saturday and Sunday.", otherwise="0 in every hour"
    )
    days = tuple(
        Key(
            day.lower(),
            f"{_24}, {unit}",
            _MORNING,
            f"Of {day} alone.",
            otherwise=f"as `{'weekday' if i < 5 else 'weekend'}`",
        )
        for i, day in enumerate(WEEKDAYS)
    )
    return (weekday, weekend, *days)


HOURS_KEYS = tuple(key.name for key in hours(""))

HISTORY = Keys(
    "history",
    "A history in a DuckDB file, in place of a path; `demand.history` and `people[].sessions.history` take it. Either "
    "`table` or `query` has to be there.",
    (
        Key("duckdb", "path", "usage.duckdb", "The file, which is only read.", required=True),
        Key("table", "name of a table", "claims", "The table that has the rows.", otherwise="the rows of `query`"),
        Key(
            "query",
            "SQL",
            '"SELECT opened_at AS started_at, kind AS preset FROM opens"',
            "A SELECT whose rows they are.",
            otherwise="the rows of `table`",
        ),
    ),
)

DISTRIBUTION = Keys(
    "distribution",
    "A duration that varies, in place of one that is always the same: `median` and `p95`, or `sample` alone.",
    (
        Key("median", DURATION, "3m", "Half of them are shorter.", otherwise="those of `sample`"),
        Key(
            "p95",
            DURATION,
            "6m",
            "95 of 100 are shorter; the distribution is lognormal.",
            otherwise="those of `sample`",
        ),
        Key(
            "sample",
            "list of durations",
            "[2m, 3m30s, 9m]",
            "Durations that were observed, each equally likely.",
            otherwise="lognormal, by `median` and `p95`",
        ),
    ),
)

TEMPLATE_SCHEDULE = Keys(
    "template_schedule",
    "The template's schedule, under the names of Coder's API, for the workspaces of `people`; 0s switches a rule off.",
    (
        Key("default_ttl", DURATION, "10h", "How long a workspace runs after its start until it is stopped.", "7d"),
        Key("activity_bump", DURATION, "2h", "By how much activity moves the deadline.", "1h"),
        Key(
            "failure_ttl",
            f"{DURATION} of 1m or more",
            "1d",
            "How long a failed start stands until it is stopped.",
            "0s",
        ),
        Key(
            "time_til_dormant",
            f"{DURATION} of 1m or more",
            "14d",
            "How long a workspace is not used until it becomes dormant.",
            "0s",
        ),
        Key(
            "time_til_dormant_autodelete",
            f"{DURATION} of 1m or more",
            "30d",
            "How long a dormant workspace stands until it is deleted.",
            "0s",
        ),
        Key("allow_user_autostart", "true or false", "false", "Whether people's `autostart` is heard.", "true"),
        Key("allow_user_autostop", "true or false", "false", "Whether people may set a TTL of their own.", "true"),
        Key("autostop_requirement", "mapping", "{days_of_week: [saturday]}", "When each workspace has to stop.", "{}"),
        Key(
            "autostart_requirement",
            "mapping",
            "{days_of_week: [monday]}",
            "On which days autostart works.",
            otherwise="every day",
        ),
    ),
)

AUTOSTOP = Keys(
    "template_schedule.autostop_requirement",
    "When each workspace has to stop, in the quiet hours of its owner.",
    (
        Key("days_of_week", _DAYS, "[saturday]", "The days, as `monday`.", "[]"),
        Key("weeks", "whole number, weeks, 16 at most", "2", "Each, every second, ... week.", "1"),
    ),
)

AUTOSTART = Keys(
    "template_schedule.autostart_requirement",
    "On which days autostart works.",
    (Key("days_of_week", _DAYS, "[friday]", "The days, as `monday`.", required=True),),
)

PEOPLE = Keys(
    "people[]",
    "People who each own one workspace of a preset, and when they work.",
    (
        Key(
            "name",
            "text, as a workspace's",
            "ops",
            "What the group is called; its people are `NAME-1`, ...",
            required=True,
        ),
        Key(
            "count",
            "whole number, people",
            "40",
            "How many people; needed without a history.",
            otherwise="those of the history",
        ),
        Key(
            "preset",
            "name of a preset",
            "large",
            "Of which preset their workspaces are.",
            otherwise="the only preset there is",
        ),
        Key("timezone", "time zone", "Europe/Berlin", "Their clocks.", otherwise="`window.timezone`"),
        Key(
            "quiet_hours",
            "cron expression with a zone, or none",
            '"CRON_TZ=Europe/Berlin 0 2 * * *"',
            "When their quiet hours begin, in which workspaces that have to stop do; none: the deployment has none.",
            '"CRON_TZ=UTC 0 0 * * *"',
        ),
        Key(
            "autostart",
            "cron expression with a zone",
            '"CRON_TZ=Europe/Berlin 0 8 * * 1-5"',
            "When their workspaces start by themselves.",
            '""',
        ),
        Key(
            "ttl",
            f"{DURATION}, 1m to 30d",
            "8h",
            "Their workspaces' own TTL.",
            otherwise="`template_schedule.default_ttl`",
        ),
        Key("suspended_at", INSTANT, '"2026-03-06"', "When their accounts are suspended.", otherwise="never"),
        Key("sessions", "mapping", "", "When they work.", required=True),
    ),
)

SESSIONS = Keys(
    "people[].sessions",
    "When people work: drawn by the hour of the week, or a `history`.",
    (
        Key(
            "history",
            "path or mapping",
            "sessions.csv",
            "A CSV or Parquet file, or a table of a DuckDB file, with a row for each session.",
            otherwise="sessions are drawn",
        ),
        Key(
            "length",
            TAKES,
            "{median: 3h, p95: 8h}",
            "How long a session lasts, where a row does not say it.",
            otherwise="needed, but where each row has `ended_at`",
        ),
        Key(
            "connected",
            "number from 0 to 1",
            "0.8",
            "The share of sessions in which a connection reports activity all the while.",
            "1",
        ),
        Key(
            "per_week",
            "number, sessions of a person a week",
            "5",
            "What the hours of a week add up to: they are scaled to it.",
            otherwise="the sum of the hours as they are",
        ),
        *hours("sessions of a person an hour"),
    ),
)

CLAIM_ROWS = Keys(
    "rows of demand.history",
    "A row for each time that somebody asked for a workspace, in any order; other columns are left alone.",
    (
        Key("started_at", _ROW_INSTANT, "2026-03-02T09:00:00-05:00", "When somebody asked.", required=True),
        Key("preset", "name of a preset", "large", "For which preset.", otherwise="`demand.preset`"),
    ),
)

SESSION_ROWS = Keys(
    "rows of people[].sessions.history",
    "A row for each session of a person, in any order; other columns are left alone.",
    (
        Key("person", "text", "p1", "Who works.", required=True),
        Key("started_at", _ROW_INSTANT, "2026-03-02T09:00:00-05:00", "When the session begins.", required=True),
        Key(
            "ended_at",
            _ROW_INSTANT,
            "2026-03-02T11:00:00-05:00",
            "When it ends.",
            otherwise="`sessions.length` after it",
        ),
    ),
)

HOLIDAY_ROWS = Keys(
    "rows of --holidays",
    "A row for each day, of each preset's own clocks, on which people do not come, in any order.",
    (
        Key("date", "date", "2026-12-25", "The day.", required=True),
        Key("name", "text", "Christmas", "What it is called.", otherwise="no name"),
    ),
)

ROWS = (CLAIM_ROWS, SESSION_ROWS, HOLIDAY_ROWS)
"""What rows of a file hold."""
