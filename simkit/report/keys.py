"""The keys of the file that `simkit report --all` reads, each with what the reference says of it."""

from __future__ import annotations

from simkit.inputs.keys import Key, Keys

BATCH = Keys(
    "",
    "At the top level; paths are relative to the file.",
    (
        Key("out", "path", "pages", "The folder of pages, `index.html` and `history.duckdb`.", "reports"),
        Key("keep", "whole number, reports", "3", "How many older reports of each kind stay.", "10"),
        Key("thresholds", "mapping", "{hit_rate: {at_least: 90%}}", "What is marked where it is not kept.", "{}"),
        Key("reports", "list", "", "What is made.", required=True),
    ),
)

ENTRY = Keys(
    "reports[]",
    "A notebook, and what it is made for.",
    (
        Key("notebook", "path", "", "The notebook.", required=True),
        Key("scenarios", "list of paths", "", "A report for each.", otherwise="one, of the notebook's own scenario"),
        Key("parameters", "mapping of name to value", "{replications: 7}", "Parameters of the notebook.", "{}"),
        Key("name", "name of a folder", "nightly", "Where one report goes.", otherwise="the scenario's name"),
        Key(
            "thresholds",
            "mapping",
            "{wait_p95: {at_most: 9m}}",
            "In place of those for all.",
            otherwise="those of the file",
        ),
    ),
)

_KEPT = "not looked at"
THRESHOLDS = Keys(
    "thresholds",
    "Numbers of a report, medians over its replications. `reports[].thresholds` has the same keys.",
    (
        Key("hit_rate", "limits of a share, as 90% or 0.9", "{at_least: 91%}", "Of all presets.", otherwise=_KEPT),
        Key("wait_p95", "limits of a duration", "{at_most: 9m}", "Of the preset with the longest.", otherwise=_KEPT),
        Key(
            "idle_hours_per_week",
            "limits of a number, instance-hours a week",
            "{at_most: 200}",
            "Hours in which a prebuild is there for nobody.",
            otherwise=_KEPT,
        ),
        Key(
            "idle_cost_per_week",
            "limits of a number, currency a week",
            "{at_most: 400}",
            "What these cost.",
            otherwise=_KEPT,
        ),
    ),
)

LIMITS = Keys(
    "thresholds.NUMBER",
    "Limits, one of them or both.",
    (
        Key("at_least", "as the number", "40%", "The lowest that is good.", otherwise="no lowest"),
        Key("at_most", "as the number", "50%", "The highest that is good.", otherwise="no highest"),
    ),
)

BATCH_KEYS = (BATCH, ENTRY, THRESHOLDS, LIMITS)
"""In the order of the reference."""
