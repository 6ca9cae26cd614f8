"""The keys of a `*.simkit.yaml` file, each with what the reference says of it."""

from __future__ import annotations

from simkit.inputs.keys import Key, Keys
from simkit.inputs.scenario_keys import WINDOW

TEST_FILE = Keys(
    "",
    "At the top level.",
    (
        Key("template", "path", "main.tf", "The Terraform file or folder whose presets are tested.", required=True),
        Key("coder", "version", "v2.24.2", "Whose rules apply.", otherwise="as the command line says, else v2.35"),
        Key(
            "variables",
            "mapping of name to value",
            "{region: eu}",
            "Values of the template's Terraform variables; `--var` comes before them.",
            otherwise="the template's defaults",
        ),
        Key("tests", "list", "", "The tests.", required=True),
    ),
)

TEST = Keys(
    "tests[]",
    "One test, about one preset. `expect` or `never` has to be there.",
    (
        Key("name", "text", "nights are cheap", "A sentence that says what is so; unique in the file.", required=True),
        Key("preset", "name of a preset", "small", "Which one.", otherwise="the only preset there is"),
        Key(
            "timezone",
            "time zone",
            "Asia/Tokyo",
            "The clocks that times are read by.",
            otherwise="the preset's own",
        ),
        Key("expect", "list", "", "What has to be so.", otherwise="nothing"),
        Key(
            "never",
            "list of names of findings",
            "[never_holds]",
            "What `simkit check` must not find; its names are those in the brackets of its findings.",
            otherwise="nothing",
        ),
        Key("simulate", "mapping", "{demand: claims.csv}", "What is simulated.", otherwise="nothing is simulated"),
    ),
)

_SHARE, _PER_WEEK = "bound of a number from 0 to 1", "bound of a number"
_NUMBER = "{at_least: 1, at_most: 40}"
_ABSENT = "not looked at"
METRIC_KEYS = (
    Key("hit_rate", _SHARE, "{at_least: 0.9}", "The share of claims that got a ready prebuild.", otherwise=_ABSENT),
    *(
        Key(
            f"wait_p{p}",
            "bound of a duration",
            "{at_most: 5m}",
            f"{p} of 100 people waited at most so long.",
            otherwise=_ABSENT,
        )
        for p in (50, 95, 99)
    ),
    Key("idle_cost_per_week", f"{_PER_WEEK}, currency a week", _NUMBER, "What idle prebuilds cost.", otherwise=_ABSENT),
    Key(
        "pool_cost_per_week",
        f"{_PER_WEEK}, currency a week",
        _NUMBER,
        "The same, with those that are built and deleted.",
        otherwise=_ABSENT,
    ),
    Key(
        "pool_instance_hours_per_week",
        f"{_PER_WEEK}, instance-hours a week",
        _NUMBER,
        "Hours in which a prebuild is built, idle or deleted.",
        otherwise=_ABSENT,
    ),
    Key(
        "idle_instance_hours_per_week",
        f"{_PER_WEEK}, instance-hours a week",
        _NUMBER,
        "Hours in which a prebuild is there for nobody.",
        otherwise=_ABSENT,
    ),
    Key("claims_per_week", f"{_PER_WEEK}, claims a week", _NUMBER, "How many people ask.", otherwise=_ABSENT),
    Key("builds_per_week", f"{_PER_WEEK}, builds a week", _NUMBER, "Builds of prebuilds.", otherwise=_ABSENT),
    Key("failed_builds", f"{_PER_WEEK}, builds", _NUMBER, "Of these, those that failed.", otherwise=_ABSENT),
    Key("failed_builds_per_week", f"{_PER_WEEK}, builds a week", _NUMBER, "The same, a week.", otherwise=_ABSENT),
)
"""Numbers of a whole simulation."""

DESIRED_KEYS = (
    Key(
        "desired",
        "bound of a whole number, instances",
        "{at_least: 1}",
        "What the schedules ask for.",
        otherwise=_ABSENT,
    ),
    Key(
        "from",
        "instant or local time",
        '"2026-03-02 18:00"',
        "Of `desired`: from when on.",
        otherwise="see `every` and `over`",
    ),
    Key(
        "until",
        "instant or local time",
        '"2026-03-10 07:00"',
        "Of `desired`: until when.",
        otherwise="see `every` and `over`",
    ),
    Key(
        "every",
        "days and times",
        '"weekday 08:00-18:00"',
        "Of `desired`, with `over`: at these times of the week, such as `mon-thu,sat 22:00-06:00`.",
        otherwise="all the time",
    ),
    Key(
        "over",
        "year, month, date or mapping",
        "2026-03",
        "Of `desired`: in which span of time.",
        otherwise="`from` and `until`",
    ),
)
"""What a schedule asks for, and when."""

DRIFT = "within_of_best"
DRIFT_KEYS = (
    Key(
        DRIFT,
        "share, as 10% or 0.1",
        "20%",
        "The preset's idle hours may be by so much above those of the best setting that meets the target hit rate.",
        otherwise=_ABSENT,
    ),
    Key(
        "target_hit_rate",
        "share, as 95% or 0.95",
        "90%",
        f"Of `{DRIFT}`: the target.",
        otherwise="the test's own bound of `hit_rate`, else 95%",
    ),
    Key(
        "weeks", "whole number, weeks, 4 at least", "8", f"Of `{DRIFT}`: the last weeks of the history that count.", "4"
    ),
    Key(
        "against",
        "path",
        "my.duckdb",
        f"Of `{DRIFT}`: a history that `simkit import` made.",
        otherwise="the demand of `simulate`",
    ),
    Key(
        "template",
        "name of a template",
        "ide",
        "Of `against`: the template as the history calls it.",
        otherwise="the only one",
    ),
    Key(
        "was", "name of a preset", "old-large", "Of `against`: the preset's name there.", otherwise="the preset's name"
    ),
)
"""Whether the numbers still suit those who come."""

EXPECTATION = Keys(
    "tests[].expect[]",
    f"What has to be so: `desired` with times, numbers of the simulation, or `{DRIFT}`.",
    (*DESIRED_KEYS, *METRIC_KEYS, *DRIFT_KEYS),
)

BOUND = Keys(
    "bound",
    "In place of an exact number: limits, one of them or both.",
    (
        Key("at_least", "as the number", "2", "The lowest that is good.", otherwise="no lowest"),
        Key("at_most", "as the number", "5", "The highest that is good.", otherwise="no highest"),
    ),
)

SPAN = Keys(
    "tests[].expect[].over",
    "In place of a year, a month or a date: a span of time, 20 years at most.",
    tuple(key for key in WINDOW.keys if key.required),
)

SIMULATE = Keys(
    "tests[].simulate",
    "What is simulated, with Coder's defaults for what is not said. `durations`, `failures` and `cost` are as in a "
    "scenario.",
    (
        Key(
            "demand",
            "path or mapping",
            "claims.csv",
            "A history, or what a scenario has as `demand`.",
            required=True,
        ),
        Key("seed", "whole number", "7", "Of all chance.", "0"),
        Key("replications", "whole number, 2 at least", "50", "How many runs, with other chance each.", "20"),
        Key(
            "window",
            "mapping",
            '{from: "2026-03-02", until: "2026-03-16"}',
            "What is simulated; its clocks are the test's if it names none.",
            otherwise="the whole weeks, from Monday on, that hold the history",
        ),
        Key("provisioner_daemons", "whole number, daemons", "5", "How many jobs run at once.", "3"),
        Key("durations", "mapping", "{build: 6m}", "How long each step takes.", "{}"),
        Key("failures", "mapping", "{probability: 0.02}", "How often builds fail.", "{}"),
        Key("cost", "mapping", "{per_instance_hour: 0.38}", "What instances cost.", "{}"),
    ),
)

WORKLOAD = ("durations", "failures", "cost")
"""Those of a simulation that a scenario has, too."""

TEST_KEYS = (TEST_FILE, TEST, EXPECTATION, BOUND, SPAN, SIMULATE)
"""In the order of the reference."""
