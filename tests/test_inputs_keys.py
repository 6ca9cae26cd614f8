"""A key means what the reference says of it: the reader takes its example, and its default applies without it."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

import simkit
from simkit.errors import Findings, InputError
from simkit.inputs import keys, scenario_keys
from simkit.inputs.holidays import read_holidays
from simkit.inputs.keys import Key, Keys
from simkit.report import keys as report_keys
from simkit.report.batch import _MEASURES, read_batch
from simkit.store.connection import schema
from simkit.templates.check import keys as test_keys
from simkit.templates.check.file import read_test_file
from simkit.templates.check.metrics import METRICS

ROOT = Path(__file__).parent.parent
WINDOW = {"from": "2026-03-02", "until": "2026-03-09"}
HOURS = {"weekday": [1] * 24}
LARGE, SMALL = {"name": "large", "instances": 1}, {"name": "small", "instances": 1}
PEOPLE = {"name": "developers", "count": 3, "preset": "small", "sessions": {**HOURS, "length": "1h"}}
SCENARIO = {"window": WINDOW, "presets": [LARGE, SMALL], "people": [PEOPLE]}
MORNINGS = {"timezone": "UTC", "schedules": [{"cron": "* 8 * * *", "instances": 2}]}

Steps = list[str | int]
Places = dict[str, tuple[dict[str, Any], Steps]]

# Where a mapping stands in a scenario that has what it needs; what keys need besides stands in WITH.
PLACES: Places = {
    "": (SCENARIO, []),
    "window": (SCENARIO, ["window"]),
    "coder": (SCENARIO, ["coder"]),
    "provisioners[]": ({**SCENARIO, "provisioners": [{"count": 1}]}, ["provisioners", 0]),
    "workspace_tags": (SCENARIO, ["workspace_tags"]),
    "presets[]": ({"window": WINDOW, "presets": [LARGE]}, ["presets", 0]),
    "presets[].scheduling": (
        {"window": WINDOW, "presets": [{**LARGE, "scheduling": MORNINGS}]},
        ["presets", 0, "scheduling"],
    ),
    "presets[].scheduling.schedules[]": (
        {"window": WINDOW, "presets": [{**LARGE, "scheduling": MORNINGS}]},
        ["presets", 0, "scheduling", "schedules", 0],
    ),
    "demand": ({**SCENARIO, "demand": {"history": "claims.csv"}}, ["demand"]),
    "history": ({**SCENARIO, "demand": {"history": {"duckdb": "usage.duckdb"}}}, ["demand", "history"]),
    "demand.profiles[]": (
        {**SCENARIO, "demand": {"profiles": [{**HOURS, "preset": "small"}]}},
        ["demand", "profiles", 0],
    ),
    "durations": (SCENARIO, ["durations"]),
    "distribution": ({**SCENARIO, "durations": {"build": {"median": "2m", "p95": "4m"}}}, ["durations", "build"]),
    "failures": (SCENARIO, ["failures"]),
    "cost": (SCENARIO, ["cost"]),
    "overrides.PRESET": ({**SCENARIO, "overrides": {"large": {}}}, ["overrides", "large"]),
    "events[]": ({**SCENARIO, "events": [{"at": "2026-03-04", "event": "pause"}]}, ["events", 0]),
    "template_schedule": (SCENARIO, ["template_schedule"]),
    "template_schedule.autostop_requirement": (SCENARIO, ["template_schedule", "autostop_requirement"]),
    "template_schedule.autostart_requirement": (
        {**SCENARIO, "template_schedule": {"autostart_requirement": {"days_of_week": ["monday"]}}},
        ["template_schedule", "autostart_requirement"],
    ),
    "people[]": (SCENARIO, ["people", 0]),
    "people[].sessions": (SCENARIO, ["people", 0, "sessions"]),
}
ACTIVATE = {"event": "activate", "version": "v2", "presets": [LARGE, SMALL]}
SET_TTL = {"event": "set_workspace_ttl", "people": "developers", "ttl": "4h"}
TEST = {
    "name": "it is so",
    "preset": "large",
    "simulate": {"demand": "claims.csv"},
    "expect": [{"hit_rate": {"at_least": 0.5}}],
}
TESTS = {"template": "main.tf", "tests": [TEST]}
AT = {"from": "2026-03-03", "until": "2026-03-04"}
TEST_PLACES: Places = {
    "": (TESTS, []),
    "tests[]": (TESTS, ["tests", 0]),
    "tests[].expect[]": ({**TESTS, "tests": [{**TEST, "expect": [{}]}]}, ["tests", 0, "expect", 0]),
    "tests[].expect[].over": (
        {**TESTS, "tests": [{**TEST, "expect": [{"desired": 1, "over": AT}]}]},
        ["tests", 0, "expect", 0, "over"],
    ),
    "bound": (
        {**TESTS, "tests": [{**TEST, "expect": [{"builds_per_week": {}}]}]},
        ["tests", 0, "expect", 0, "builds_per_week"],
    ),
    "tests[].simulate": (TESTS, ["tests", 0, "simulate"]),
}
REPORT = {"notebook": "01-capacity.ipynb", "scenarios": ["week.yaml"]}
BATCH = {"reports": [REPORT]}
LIMITED = {"thresholds": {"hit_rate": {}}, "reports": [REPORT]}
BATCH_PLACES: Places = {
    "": (BATCH, []),
    "reports[]": (BATCH, ["reports", 0]),
    "thresholds": (BATCH, ["thresholds"]),
    "thresholds.NUMBER": (LIMITED, ["thresholds", "hit_rate"]),
}
WITH: dict[tuple[str, str, str], dict[str, Any]] = {
    ("scenario", "", "presets"): {"people": None},
    ("scenario", "", "template"): {"presets": None, "people": None},
    ("scenario", "", "variables"): {"presets": None, "people": None, "template": "main.tf"},
    ("scenario", "demand", "preset"): {"history": "unnamed.csv"},
    ("scenario", "demand", "timezone"): {"history": "local.csv"},
    ("scenario", "demand", "profiles"): {"history": None},
    ("scenario", "history", "table"): {"query": None},
    ("scenario", "history", "query"): {"table": None},
    ("scenario", "history", "duckdb"): {"table": "claims"},
    ("scenario", "distribution", "sample"): {"median": None, "p95": None},
    ("scenario", "events[]", "version"): ACTIVATE,
    ("scenario", "events[]", "template"): {**ACTIVATE, "presets": None},
    ("scenario", "events[]", "presets"): ACTIVATE,
    ("scenario", "events[]", "preset"): {"event": "invalidate"},
    ("scenario", "events[]", "people"): SET_TTL,
    ("scenario", "events[]", "ttl"): SET_TTL,
    ("scenario", "events[]", "template_schedule"): {"event": "set_template_schedule"},
    ("scenario", "people[].sessions", "history"): {"weekday": None},
    ("test_file", "tests[].expect[]", "desired"): AT,
    ("test_file", "tests[].expect[]", "from"): {**AT, "desired": 1},
    ("test_file", "tests[].expect[]", "until"): {**AT, "desired": 1},
    ("test_file", "tests[].expect[]", "every"): {"desired": 1, "over": 2026},
    ("test_file", "tests[].expect[]", "over"): {"desired": 1},
    ("read_batch", "reports[]", "name"): {"scenarios": None},
    **{
        ("test_file", "tests[].expect[]", key.name): {test_keys.DRIFT: "10%", "against": "my.duckdb"}
        for key in test_keys.DRIFT_KEYS[1:]
    },
}
"""Keys beside one in the same mapping; None takes one away."""
EXAMPLES: dict[tuple[str, str, str], Any] = {
    ("scenario", "demand", "profiles"): [{**HOURS, "preset": "small"}],
    ("scenario", "", "people"): [{**PEOPLE, "count": 4}],
    ("scenario", "people[]", "sessions"): {**HOURS, "length": "2h"},
    ("test_file", "", "tests"): [{**TEST, "name": "other"}],
    ("test_file", "tests[]", "expect"): [{"hit_rate": 0.5}],
    ("read_batch", "", "reports"): [REPORT, {"notebook": "01-capacity.ipynb", "name": "second"}],
    ("read_batch", "reports[]", "notebook"): "01-capacity.ipynb",
    ("read_batch", "reports[]", "scenarios"): ["week.yaml"],
}
"""Of keys whose example would be too long for a table."""

TEMPLATE = """
variable "region" { default = "us" }
data "coder_workspace_preset" "large" {
  name = "large"
  parameters = { region = var.region }
  prebuilds { instances = 2 }
}
data "coder_workspace_preset" "small" {
  name = "small"
  prebuilds { instances = 1 }
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the files that examples name."""
    at = tmp_path_factory.mktemp("keys")
    (at / "main.tf").write_text(TEMPLATE)
    (at / "claims.csv").write_text("started_at,preset\n2026-03-02T09:00:00Z,large\n2026-03-03T09:00:00Z,large\n")
    (at / "unnamed.csv").write_text("started_at\n2026-03-02T09:00:00Z\n")
    (at / "local.csv").write_text("started_at,preset\n2026-03-02T09:00:00,large\n")
    (at / "sessions.csv").write_text(
        "person,started_at,ended_at\np1,2026-03-02T09:00:00Z,2026-03-02T10:00:00Z\np1,2026-03-03T09:00:00Z,\n"
    )
    with duckdb.connect(str(at / "usage.duckdb")) as usage:
        usage.execute("CREATE TABLE claims AS SELECT '2026-03-02T09:00:00Z' AS started_at, 'large' AS preset")
        usage.execute("CREATE TABLE opens AS SELECT '2026-03-04T09:00:00Z' AS opened_at, 'large' AS kind")
    with duckdb.connect(str(at / "my.duckdb")) as runs:
        runs.execute(schema())
        runs.execute(
            "INSERT INTO runs VALUES ('history', 'ide', 0, 0, '', '', '', now() - INTERVAL 1 DAY, now(), '', '', '')"
        )
    shutil.copy(ROOT / "notebooks" / "01-capacity.ipynb", at)
    (at / "week.yaml").write_text(yaml.safe_dump({"window": WINDOW, "presets": [LARGE]}))
    return at


def put(document: dict[str, Any], place: Steps, beside: dict[str, Any]) -> dict[str, Any]:
    """The document with keys in the mapping at a place, which is made where it is not there; None takes one away."""
    document = deepcopy(document)
    at: Any = document
    for step in place:
        at = at[step] if isinstance(step, int) else at.setdefault(step, {})
    for name, value in beside.items():
        at.pop(name, None)
        if value is not None:
            at[name] = value
    return document


def told(read: object) -> str:
    """What was read, without the lines on which it stood."""
    return re.sub(r"(Where|assumed=)\([^)]*\)", "", repr(read))


Read = Callable[[Path], object]


def scenario(path: Path) -> object:
    return replace(simkit.load(path), notes=())


def test_file(path: Path) -> object:
    findings = Findings()
    read = read_test_file(path, findings)
    findings.raise_errors()
    return read


test_file.__test__ = False  # type: ignore[attr-defined]


def held(read: Read, folder: Path, document: dict[str, Any]) -> str:
    """What a file with this in it says, or that it is refused."""
    path = folder / "file.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    try:
        return told(read(path))
    except InputError as error:
        return f"refused: {error}"


FILES: tuple[tuple[Read, tuple[Keys, ...], Places], ...] = (
    (scenario, scenario_keys.SCENARIO_KEYS, PLACES),
    (test_file, test_keys.TEST_KEYS, TEST_PLACES),
    (read_batch, report_keys.BATCH_KEYS, BATCH_PLACES),
)
CASES = [
    pytest.param(read, *places[table.place], table.place, key, id=f"{read.__name__}:{table.place}:{key.name}")
    for read, tables, places in FILES
    for table in tables
    for key in table.keys
]


@pytest.mark.parametrize(("read", "document", "steps", "place", "key"), CASES)
def test_a_keys_example_says_something_else_than_its_default_which_is_what_applies_without_it(
    read: Read, document: dict[str, Any], steps: Steps, place: str, key: Key, folder: Path
):
    beside = WITH.get((read.__name__, place, key.name), {})
    without = held(read, folder, put(document, steps, {**beside, key.name: None}))
    example = EXAMPLES.get((read.__name__, place, key.name)) or yaml.safe_load(key.example)
    there = held(read, folder, put(document, steps, {**beside, key.name: example}))
    assert not there.startswith("refused"), "its example can be read"
    assert there != without, "and is no default"
    if key.required or key.otherwise == keys.NEEDED:
        assert without.startswith("refused"), "a file needs it"
    if key.default:
        given = put(document, steps, {**beside, key.name: yaml.safe_load(key.default)})
        assert held(read, folder, given) == without


def test_numbers_that_are_read_are_those_that_have_keys():
    assert [key.name for key in test_keys.METRIC_KEYS] == list(METRICS)
    assert list(report_keys.THRESHOLDS) == list(_MEASURES)


@pytest.mark.parametrize(
    ("read", "steps"), [(read, steps) for read, _, places in FILES for _, steps in places.values()]
)
def test_a_key_that_no_table_has_is_refused(read: Read, steps: Steps, folder: Path):
    document = next(one for _, _, places in FILES for one, at in places.values() if at is steps)
    path = folder / "file.yaml"
    path.write_text(yaml.safe_dump(put(document, steps, {"zzz": 1}), sort_keys=False))
    with pytest.raises(InputError, match="zzz: unknown key"):
        read(path)


def test_no_reader_knows_a_key_that_is_in_no_table():
    """What a mapping takes comes from a table of the reference, but where its keys are names of the user's own."""
    listed = {id(table) for _, tables, _ in FILES for table in tables}
    taken = []
    for path in sorted((ROOT / "simkit").rglob("*.py")):
        if path.parts[len(ROOT.parts) + 1] not in ("inputs", "templates", "report"):
            continue
        home = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "mapping":
                assert len(node.args) == 1, f"{path.name}:{node.lineno}"
                what = ast.unparse(node.args[0])
                if what == "names":
                    continue  # of presets, in `overrides`
                table = eval(what, vars(home))
                assert id(table) in listed, f"{path.name}:{node.lineno} takes {what}"
                taken.append(id(table))
    assert set(taken) == listed, "and every table is some reader's"


def test_the_columns_of_rows_are_those_that_are_read(folder: Path):
    path = folder / "days.csv"
    path.write_text("date,name\n2026-12-25,Christmas\n")
    assert [day.name for day in read_holidays(path, Findings())] == ["Christmas"]
    for table in keys.ROWS:
        assert table.required, table.place
        assert all(key.meaning and key.kind for key in table.keys)
