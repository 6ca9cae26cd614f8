"""Presets as Terraform resolved them: `terraform show -json` of a plan or a state, read by all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import simkit
from simkit.inputs.templates import read_template
from simkit.templates import snapshot
from simkit.templates.check import check


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def resource(key: str, instances: int = 1, cron: str = "", **more: Any) -> dict[str, Any]:
    scheduling = [{"timezone": "UTC", "schedule": [{"cron": cron, "instances": 4}]}] if cron else []
    pool = {"instances": instances, "expiration_policy": [{"ttl": 86400}], "scheduling": scheduling, "new": None}
    values = {"name": key, "default": False, "description": None, "icon": "", "parameters": {"a": "${b}"}}
    return {
        "address": f'data.coder_workspace_preset.p["{key}"]', "mode": "data", "type": "coder_workspace_preset",
        "name": "p", "index": key, "values": {**values, "id": "x", "prebuilds": [pool]} | more,
    }  # fmt: skip


AGENT = {"address": "coder_agent.a", "mode": "managed", "type": "coder_agent", "name": "a", "values": {}}


def plan(*read: dict[str, Any], planned: tuple[dict[str, Any], ...] = (), **more: Any) -> None:
    below = {"child_modules": [{"address": "module.m", "resources": list(read[1:])}]}
    document = {
        "format_version": "1.2",
        "planned_values": {"root_module": {"resources": list(planned)}},
        "prior_state": {"values": {"root_module": {"resources": list(read[:1]), **below}}},
        **more,
    }
    Path("plan.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def said() -> list[str]:
    return [str(finding) for finding in check(["plan.json"]).findings if finding.level != "note"]


def test_presets_of_a_plan_are_those_that_terraform_read_also_in_modules():
    plan(resource("eu", 2, "* 8-18 * * 1-5"), resource("us"), planned=(AGENT,))
    assert said() == []
    contents = read_template(Path("plan.json"), {})
    assert [(p.name, p.instances, p.ttl_us, [s.cron for s in p.schedules]) for p in contents.presets] == [
        ("eu", 2, 86400_000_000, ["* 8-18 * * 1-5"]),
        ("us", 1, 86400_000_000, []),
    ]
    assert contents.presets[0].parameters == (("a", "${b}"),), "what a plan says is no template"
    assert [given.address for given, _ in contents.written] == [
        'data.coder_workspace_preset.p["eu"]', 'data.coder_workspace_preset.p["us"]',
    ]  # fmt: skip


def test_a_state_says_the_same():
    document = {"format_version": "1.0", "values": {"root_module": {"resources": [resource("eu", 3)]}}}
    Path("plan.json").write_text(json.dumps(document))
    assert [(p.name, p.instances) for p in read_template(Path("plan.json"), {}).presets] == [("eu", 3)]
    assert said() == []


def test_a_problem_has_its_line_and_its_address():
    plan(resource("eu", 1, "* 25 * * *"), resource("us", -1))
    first, second = said()
    lines = Path("plan.json").read_text().splitlines()
    assert first.startswith("plan.json:")
    assert 'data.coder_workspace_preset.p["eu"]: hour "25"' in first
    assert '"cron": "* 25 * * *"' in lines[int(first.split(":")[1]) - 1]
    assert '"instances": -1' in lines[int(second.split(":")[1]) - 1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", 'plan.json: it has neither "planned_values" nor "resource_changes"; run `terraform plan'),
        ("{\n1", "plan.json:2: this is no JSON"),
        ("", "plan.json: it is empty; write the output of `terraform show -json PLANFILE`"),
        ('{"format_version": "1.2", "planned_values": {}}', 'plan.json: no data "coder_workspace_preset" here; show'),
        ("[" * 90 + "]" * 90, "plan.json: a JSON list is no plan"),
        ('{"format_version": "1.2", "planned_values": ' + "[" * 90 + "]" * 90 + "}", "nested deeper than 60 levels"),
        ('{"format_version": "1.0", "values": {"root_module": {"resources": [1, {"type": "coder_workspace_preset"}]}}}',
         "name is missing"),
    ],
)  # fmt: skip
def test_what_is_no_plan_is_told(text, told):
    Path("plan.json").write_text(text)
    (only,) = said()
    assert told in only


def test_a_preset_that_is_read_only_when_the_plan_is_applied_is_told():
    change = {"address": 'data.coder_workspace_preset.p["eu"]', "mode": "data", "type": "coder_workspace_preset",
              "change": {"actions": ["read"]}}  # fmt: skip
    plan(planned=(resource("eu"),), resource_changes=[change])
    (only,) = said()
    assert 'data.coder_workspace_preset.p["eu"] is read only when the plan is applied' in only


def test_two_agents_in_a_plan_are_warned_of_and_values_from_outside_are_refused():
    plan(resource("eu"), planned=(AGENT, {**AGENT, "address": "coder_agent.b"}))
    (only,) = said()
    assert "warning: data.coder_workspace_preset.p" in only
    assert "its template has 2 agents" in only
    checked = check(["plan.json"], variables={"n": "1"})
    assert [str(one) for one in checked.findings if one.level == "error"] == [
        "--var n=1: plan.json has its values already; give them to `terraform plan`, or name the template itself"
    ]


def test_a_plan_is_the_template_of_a_scenario_a_test_file_and_a_snapshot():
    plan(resource("eu", 2, "* 8-18 * * 1-5"))
    Path("s.yaml").write_text(
        'window: {from: "2026-11-09", until: "2026-11-10"}\ntemplate: plan.json\n'
        "demand: {profiles: [{preset: eu, claims_per_week: 1, weekday: [1" + ", 1" * 23 + "]}]}\n"
    )
    assert [preset.instances for preset in simkit.load("s.yaml").versions[0].presets] == [2]
    Path("eu.simkit.yaml").write_text(
        "template: plan.json\ntests:\n  - name: warm\n    preset: eu\n    expect:\n"
        '      - {desired: 4, from: "2026-11-09 08:00", until: "2026-11-09 19:00"}\n'
    )
    assert check(["eu.simkit.yaml"]).status == 0
    (written,) = snapshot.write(["plan.json"], at=0).paths
    assert written.name == "plan.simkit.snapshot"
    assert check(["plan.json"]).status == 0
    plan(resource("eu", 3, "* 8-18 * * 1-5"))
    assert check(["plan.json"]).status == 1
    assert snapshot.update(snapshot.with_snapshots([written])).paths == (written,)
    assert check(["plan.json"]).status == 0
