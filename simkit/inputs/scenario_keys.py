"""The keys of a scenario file, each with what the reference says of it; those of its people are in `keys`."""

from __future__ import annotations

from simkit.inputs.keys import (
    AUTOSTART,
    AUTOSTOP,
    DISTRIBUTION,
    DURATION,
    HISTORY,
    INSTANT,
    NEEDED,
    PEOPLE,
    SESSIONS,
    TAKES,
    TEMPLATE_SCHEDULE,
    Key,
    Keys,
    hours,
)

_TAGS = "mapping of tag to text"

SCENARIO = Keys(
    "",
    "At the top level.",
    (
        Key(
            "name",
            "text",
            "spring",
            "What the scenario is called in tables and runs files.",
            otherwise="the file's name",
        ),
        Key("window", "mapping", '{from: "2026-03-02", until: "2026-03-09"}', "What is simulated.", required=True),
        Key("coder", "mapping", "{version: v2.24.2}", "Coder's version and settings.", "{}"),
        Key(
            "template",
            "path",
            "main.tf",
            "A Terraform file or folder whose presets are simulated. Either this or `presets` has to be there.",
            otherwise="the presets of `presets`",
        ),
        Key(
            "variables",
            "mapping of name to value",
            "{region: eu}",
            "Values of the template's Terraform variables; `--var` comes before them.",
            otherwise="the template's defaults",
        ),
        Key(
            "presets",
            "list",
            "[{name: large, instances: 2}]",
            "Presets that no Terraform file has.",
            otherwise="the presets of `template`",
        ),
        Key(
            "demand", "mapping", "{history: claims.csv}", "Who asks for workspaces, and when.", otherwise="nobody asks"
        ),
        Key("durations", "mapping", "{build: 6m}", "How long each step takes.", "{}"),
        Key("failures", "mapping", "{probability: 0.02}", "How often builds fail.", "{}"),
        Key(
            "claim_order",
            "oldest, newest or random",
            "newest",
            "Which ready prebuild a claim gets. Coder promises no order.",
            "oldest",
        ),
        Key("cost", "mapping", "{per_instance_hour: 0.38}", "What instances cost.", "{}"),
        Key(
            "daily_cost",
            "whole number, units of quota",
            "10",
            "What a prebuild takes of `coder.prebuilds_quota` (`daily_cost` of Coder's resource metadata); no money.",
            "0",
        ),
        Key(
            "overrides",
            "mapping of preset to mapping",
            "{large: {durations: {build: 9m}}}",
            "What is other for one preset: durations, failures, costs.",
            "{}",
        ),
        Key(
            "events",
            "list",
            '[{at: "2026-03-04T12:00", event: pause}]',
            "What happens at an instant of the window.",
            "[]",
        ),
        Key(
            "template_schedule",
            "mapping",
            "{default_ttl: 10h}",
            "The template's schedule, by which people's workspaces stop and start.",
            "{}",
        ),
        Key("people", "list", "", "Groups of people who each own one workspace, and come back to it.", "[]"),
        Key(
            "provisioners",
            "list",
            "[{count: 2, tags: {}}]",
            "Provisioner daemons by their tags, in place of `coder.provisioner_daemons`.",
            otherwise="those of `coder.provisioner_daemons`, without tags",
        ),
        Key("workspace_tags", "mapping", "{all: {pool: a}}", "Tags of the jobs, which say who can take them.", "{}"),
    ),
)

WINDOW = Keys(
    "window",
    "What is simulated: from an instant to another, 20 years at most.",
    (
        Key("from", INSTANT, '"2026-03-03"', "The first instant.", required=True),
        Key("until", INSTANT, '"2026-03-16"', "The instant at which it ends.", required=True),
        Key(
            "timezone",
            "time zone",
            "Europe/Berlin",
            "The clocks of what names no zone and no offset: the window, events, demand, people.",
            "UTC",
        ),
    ),
)

CODER = Keys(
    "coder",
    "Coder's version, and how the deployment is set.",
    (
        Key(
            "version",
            "version",
            "v2.24.2",
            "Whose rules apply; `simkit versions` says what differs.",
            "v2.35",
        ),
        Key(
            "reconciliation_interval",
            DURATION,
            "5m",
            "Between two ticks of the reconciler (`CODER_WORKSPACE_PREBUILDS_RECONCILIATION_INTERVAL`).",
            "1m",
            otherwise="15s before v2.28",
        ),
        Key(
            "reconciliation_backoff_interval",
            DURATION,
            "5m",
            "How much longer the reconciler waits for each failed build (`..._RECONCILIATION_BACKOFF_INTERVAL`).",
            "1m",
        ),
        Key(
            "reconciliation_backoff_lookback",
            DURATION,
            "2h",
            "How far back failed builds count for that (`..._RECONCILIATION_BACKOFF_LOOKBACK_PERIOD`).",
            "1h",
        ),
        Key(
            "failure_hard_limit",
            "whole number, builds",
            "5",
            "Failed builds in a row after which no more are made for a preset; 0: no limit.",
            "3",
        ),
        Key("provisioner_daemons", "whole number, daemons", "5", "How many jobs run at once.", "3"),
        Key(
            "job_reaper",
            "true or false",
            "false",
            "Whether jobs that nobody takes for half an hour are ended, as Coder's job reaper does.",
            "true",
        ),
        Key(
            "prebuilds_quota",
            "whole number, units of quota",
            "40",
            "The allowance of the prebuilds user's group: a build above it fails.",
            otherwise="no quota",
        ),
    ),
)

PROVISIONERS = Keys(
    "provisioners[]",
    "Provisioner daemons that are alike.",
    (
        Key("count", "whole number, daemons", "4", "How many there are.", required=True),
        Key(
            "tags",
            _TAGS,
            "{pool: a}",
            "Their tags, beside Coder's own two. They take jobs whose tags they all have; those without tags, jobs "
            "without tags.",
            "{}",
        ),
    ),
)

WORKSPACE_TAGS = Keys(
    "workspace_tags",
    "Tags of the jobs that build workspaces (`coder_workspace_tags`).",
    (
        Key("all", _TAGS, "{pool: a}", "Of every such job.", "{}"),
        Key("prebuilds", _TAGS, "{pool: b}", "Of those that build prebuilds, besides.", "{}"),
    ),
)

PRESET = Keys(
    "presets[]",
    "A preset as in Terraform (`coder_workspace_preset`), whose rules apply.",
    (
        Key("name", "text", "large", "What it is called; unique.", otherwise=NEEDED),
        Key("description", "text, 128 characters at most", '"16 cores"', "As people see it.", '""'),
        Key("icon", "text, 256 characters at most", '"/icon/goland.svg"', "As people see it.", '""'),
        Key("default", "true or false", "true", "Whether it is chosen if nobody chooses; one of a template.", "false"),
        Key("parameters", "mapping of name to text", "{region: eu}", "The parameters that it sets.", "{}"),
        Key(
            "instances",
            "whole number, instances",
            "2",
            "The base number of prebuilds: what is wanted where no schedule matches.",
            otherwise=NEEDED,
        ),
        Key(
            "ttl",
            f"{DURATION}, 1h to 365d, or 0s",
            "8h",
            "How old a prebuild gets before it is replaced; 0s: it never expires.",
            "0s",
        ),
        Key(
            "scheduling",
            "mapping",
            '{timezone: Europe/Berlin, schedules: [{cron: "* 8-18 * * 1-5", instances: 4}]}',
            "When another number is wanted.",
            otherwise="no schedules",
        ),
    ),
)

SCHEDULING = Keys(
    "presets[].scheduling",
    "When another number than `instances` is wanted.",
    (
        Key(
            "timezone", "time zone", "America/New_York", "The clocks that the schedules are read by.", otherwise=NEEDED
        ),
        Key(
            "schedules",
            "list, 100 at most",
            '[{cron: "* 9-17 * * 1-5", instances: 6}]',
            "The first that matches wins; Coder refuses those that overlap.",
            required=True,
        ),
    ),
)

SCHEDULE = Keys(
    "presets[].scheduling.schedules[]",
    "A number, and when it is wanted.",
    (
        Key(
            "cron",
            "cron expression",
            '"* 9-17 * * 1-5"',
            "The hours, days and months, each minute of which is meant: the minute is `*`.",
            otherwise=NEEDED,
        ),
        Key("instances", "whole number, instances", "6", "How many are wanted then.", otherwise=NEEDED),
    ),
)

DEMAND = Keys(
    "demand",
    "Who asks for workspaces: either a `history` or `profiles`.",
    (
        Key(
            "history",
            "path or mapping",
            "claims.csv",
            "A CSV or Parquet file, or a table of a DuckDB file, with a row for each time that somebody asked.",
            otherwise="the demand of `profiles`",
        ),
        Key(
            "preset",
            "name of a preset",
            "large",
            "Whom rows without a preset ask for.",
            otherwise="the only preset there is",
        ),
        Key(
            "timezone",
            "time zone",
            "Europe/Berlin",
            "The clocks of rows without an offset, and of profiles that name no zone.",
            otherwise="rows need an offset; profiles take `window.timezone`",
        ),
        Key(
            "profiles", "list", "", "Demand that is drawn by the hour of the week.", otherwise="the demand of `history`"
        ),
    ),
)

PROFILE = Keys(
    "demand.profiles[]",
    "Claims that are drawn: a number expected in each hour of the local week (a Poisson process).",
    (
        Key("preset", "name of a preset", "large", "Whom it asks for.", otherwise="the only preset there is"),
        Key(
            "timezone",
            "time zone",
            "Europe/Berlin",
            "The clocks of its hours.",
            otherwise="`demand.timezone`, else `window.timezone`",
        ),
        Key(
            "claims_per_week",
            "number, claims a week",
            "150",
            "What the hours of a week add up to: they are scaled to it.",
            otherwise="the sum of the hours as they are",
        ),
        *hours("claims an hour"),
    ),
)

DURATIONS = Keys(
    "durations",
    "How long each step takes, once a daemon has it. `overrides.PRESET.durations` has the same keys.",
    (
        Key("build", TAKES, "6m", "The job that builds a prebuild, or a workspace cold.", "3m"),
        Key("agent", TAKES, "40s", "From the end of that job until the agent is ready.", "30s"),
        Key("claim", TAKES, "8s", "The job of a claim that gets a prebuild.", "10s"),
        Key("reinitialize", TAKES, "5s", "From the end of that job until the agent is ready again.", "0s"),
        Key("delete", TAKES, "20s", "The job that deletes a workspace.", "30s"),
        Key("stop", TAKES, "20s", "The job that stops one.", "30s"),
        Key("start", TAKES, "90s", "The job that starts a stopped one.", "1m"),
        Key(
            "delete_canceled",
            TAKES,
            "5s",
            "The job that deletes a prebuild whose build was cancelled before a daemon took it.",
            "0s",
        ),
    ),
)

FAILURES = Keys(
    "failures",
    "How often builds fail. `overrides.PRESET.failures` has the same keys.",
    (
        Key("probability", "number from 0 to 1", "0.02", "That a prebuild's build fails.", "0"),
        Key("start_probability", "number from 0 to 1", "0.01", "That starting a stopped workspace fails.", "0"),
        Key(
            "builds",
            "list of whole numbers",
            "[1, 2, 3]",
            "Prebuilds of the preset that fail whatever chance says: the first of each version is 1.",
            "[]",
        ),
        Key(
            "cleared_after",
            DURATION,
            "2h",
            "How old a failed prebuild gets until somebody deletes it, which ends the hard limit.",
            otherwise="nobody does, as in Coder",
        ),
    ),
)

COST = Keys(
    "cost",
    "What instances cost. `overrides.PRESET.cost` has the price alone: all presets have one currency.",
    (
        Key("per_instance_hour", "number, currency an instance-hour", "0.384", "The price of an hour of one.", "0"),
        Key("currency", "text", "EUR", "What the price is in.", "USD"),
    ),
)

OVERRIDE = Keys(
    "overrides.PRESET",
    "What is other for one preset; what it leaves out is as for all.",
    tuple(key for key in SCENARIO.keys if key.name in ("durations", "failures", "cost", "daily_cost")),
)

EVENT = Keys(
    "events[]",
    "Something that happens. Which keys belong to it depends on `event`.",
    (
        Key("at", INSTANT, '"2026-03-05T12:00"', "When, inside the window.", required=True),
        Key(
            "event",
            "activate, invalidate, pause, resume, set_workspace_ttl or set_template_schedule",
            "resume",
            "What: a new version of the template becomes active, a preset's prebuilds become invalid, the reconciler "
            "rests or works again, people's workspaces get another TTL, the template another schedule.",
            required=True,
        ),
        Key(
            "version",
            "text",
            "v3",
            "Of `activate`, which needs it: the new version's name.",
            otherwise="belongs to `activate`",
        ),
        Key(
            "template",
            "path",
            "main.tf",
            "Of `activate`: its presets; either this or `presets`.",
            otherwise="belongs to `activate`",
        ),
        Key(
            "presets",
            "list",
            "[{name: large, instances: 5}]",
            "Of `activate`: its presets.",
            otherwise="belongs to `activate`",
        ),
        Key(
            "preset",
            "name of a preset",
            "large",
            "Of `invalidate`: whose prebuilds.",
            otherwise="those of every preset",
        ),
        Key(
            "people",
            "name of a group",
            "developers",
            "Of `set_workspace_ttl`, which needs it: whose.",
            otherwise="belongs to `set_workspace_ttl`",
        ),
        Key(
            "ttl",
            f"{DURATION}, 1m to 30d, or none",
            "5h",
            "Of `set_workspace_ttl`, which needs it: the TTL from then on.",
            otherwise="belongs to `set_workspace_ttl`",
        ),
        Key(
            "template_schedule",
            "mapping",
            "{default_ttl: 9h}",
            "Of `set_template_schedule`, which needs it: what changes; the rest stays.",
            otherwise="belongs to `set_template_schedule`",
        ),
    ),
)

SCENARIO_KEYS = (
    *(SCENARIO, WINDOW, CODER, PROVISIONERS, WORKSPACE_TAGS, PRESET, SCHEDULING, SCHEDULE, DEMAND, HISTORY, PROFILE),
    *(
        DURATIONS,
        DISTRIBUTION,
        FAILURES,
        COST,
        OVERRIDE,
        EVENT,
        TEMPLATE_SCHEDULE,
        AUTOSTOP,
        AUTOSTART,
        PEOPLE,
        SESSIONS,
    ),
)
"""In the order of the reference."""
