"""A scenario file with other values: what the reader would say of them, it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from simkit import InputError
from simkit.clock import HOUR_US, MINUTE_US
from simkit.inputs.varied import Varied

SCENARIO = """\
name: week
window: {from: "2026-03-02", until: "2026-03-09"}
presets:
  - {name: dev, instances: 2}
  - {name: "v1.2", instances: 1, ttl: 8h}
demand: {history: asked.csv}
durations: {build: 6m}
overrides:
  v1.2: {durations: {build: {median: 5m, p95: 9m}}}
events:
  - {at: "2026-03-03T10:00", event: activate, version: v2, presets: [{name: dev, instances: 3}]}
"""


@pytest.fixture
def varied(tmp_path: Path) -> Varied:
    (tmp_path / "asked.csv").write_text("started_at,preset\n2026-03-02T10:00:00Z,dev\n", encoding="utf-8")
    path = tmp_path / "week.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return Varied(path)


def refused(varied: Varied, **changes: str) -> list[str]:
    with pytest.raises(InputError) as error:
        varied.scenario(changes)
    return [str(problem) for problem in error.value.problems]


def test_presets_change_in_every_version(varied: Varied):
    found = varied.scenario({"presets.dev.instances": "7", "presets.v1.2.ttl": "never"})
    assert [(p.name, p.instances, p.ttl_us) for v in found.all_versions for p in v.presets] == [
        ("dev", 7, 0),
        ("v1.2", 1, 0),
        ("dev", 7, 0),
    ]
    assert varied.scenario({"presets.dev.ttl": "4h"}).versions[0].presets[0].ttl_us == 4 * HOUR_US
    assert varied.base.versions[0].presets[1].ttl_us == 8 * HOUR_US, "the scenario itself stays as it is"


def test_keys_of_the_file_change_also_such_as_it_lacks(varied: Varied):
    found = varied.scenario(
        {
            "coder.provisioner_daemons": "5",
            "failures.probability": "0.25",
            "overrides.v1.2.durations.build.median": "6m",
            "events[0].at": "2026-03-04T10:00",
            "durations.build": "7m",
        }
    )
    assert found.provisioner_daemons == 5
    assert found.workload.failure_probability == 0.25
    assert found.workload.build.median_us == 7 * MINUTE_US
    assert abs(found.workload_of("v1.2").build.median_us - 6 * MINUTE_US) < MINUTE_US / 10
    assert found.events[0].at - varied.base.events[0].at == 24 * HOUR_US


def test_demand_that_stays_is_the_same_object(varied: Varied):
    """So that what follows from it is made once."""
    assert varied.scenario({"coder.provisioner_daemons": "5"}).demand is varied.base.demand
    assert varied.scenario({"presets.dev.instances": "5"}).demand is varied.base.demand


def test_files_are_read_once(varied: Varied, tmp_path: Path):
    (tmp_path / "week.yaml").write_text("name: other", encoding="utf-8")
    (tmp_path / "asked.csv").write_text("nothing", encoding="utf-8")
    assert varied.scenario({"coder.provisioner_daemons": "5"}).name == "week"


def test_a_history_with_problems_is_told_each_time(varied: Varied, tmp_path: Path):
    (tmp_path / "wrong.csv").write_text("started_at,preset\nsoon,dev\n", encoding="utf-8")
    first, second = (refused(varied, **{"demand.history": "wrong.csv"}) for _ in range(2))
    assert first == second
    assert "soon" in first[0]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("coder.provisioner_daemon", "3", 'coder.provisioner_daemon: unknown key; write "provisioner_daemons"'),
        ("failurs.probability", "0.1", 'failurs: unknown key; write "failures"'),
        ("coder.provisioner_daemons", "0", "0 is out of range; write a number 1 or more"),
        ("failures.probability", "2", "2 is out of range; write a number from 0 to 1"),
        ("durations.build", "soon", '"soon" is not a duration'),
        ("name.first", "x", "name: expected a single value, got a mapping"),
        ("events[3].at", "x", "there is no entry [3]; they count from 0"),
        ("name[0]", "x", "there is no entry [0]"),
        ("presets.dve.ttl", "1h", 'there is no preset "dve"; write "dev"'),
        ("presets.dev.tll", "1h", 'of a preset instances and ttl can be varied; write "ttl"'),
        ("presets.dev", "1h", "of a preset instances and ttl can be varied"),
        ("presets.dev.ttl", "5m", "ttl must be 0 (never expires) or 3600 seconds (1h)"),
        ("presets.dev.ttl", "soon", '"soon" is not a duration'),
        ("presets.dev.instances", "-1", "instances must be 0 to"),
        ("presets.dev.instances", "two", 'instances must be a whole number, got "two"'),
    ],
)
def test_what_the_reader_refuses_is_refused(varied: Varied, path: str, value: str, said: str):
    (problem,) = refused(varied, **{path: value})
    assert problem.startswith("--vary"), "it stands in no line of the file"
    assert said in problem


def test_all_problems_are_told_at_once(varied: Varied):
    told = refused(varied, **{"coder.provisioner_daemons": "0", "durations.build": "x", "claim_order": "best"})
    assert len(told) == 3
    assert len(refused(varied, **{"presets.dev.instances": "-1", "presets.dev.ttl": "x"})) == 2


def test_what_stands_in_the_file_is_told_with_its_line(varied: Varied):
    (problem,) = refused(varied, **{"overrides.v1.2.durations.build.median": "10m"})
    assert "week.yaml:9: " in problem
