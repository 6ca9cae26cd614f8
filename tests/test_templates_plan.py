"""What a claim would replace: plans as Terraform shows them, and what people hand over in their place."""

from __future__ import annotations

import json
import sys
from typing import Any

import hcl2
import pytest
from click.testing import CliRunner, Result

from simkit.cli import main
from simkit.errors import InputError
from simkit.templates.plan import Plan, parse_plan, read_plan, reference


def change(address: str, *actions: str, reason: str = "", mode: str = "managed", **fields: Any) -> dict[str, Any]:
    """An entry of resource_changes. `fields` are those of its change."""
    kind, name = address.split("[")[0].split(".")[-2:]
    found: dict[str, Any] = {"address": address, "mode": mode, "type": kind, "name": name}
    found["change"] = {"actions": list(actions), "before": {}, "after": {}, "after_unknown": {}} | fields
    return found | ({"action_reason": reason} if reason else {})


CONTAINER = change(
    "docker_container.workspace[0]",
    "delete",
    "create",
    reason="replace_because_cannot_update",
    before={"name": "coder-prebuilds-a1", "env": ["CODER_AGENT_TOKEN=t0ps3cret"], "image": "sha256:1"},
    after={"name": "coder-alice-dev", "image": "sha256:1"},
    after_unknown={"env": True, "id": True},
    before_sensitive={"env": [True]},
    after_sensitive={},
    replace_paths=[["name"], ["env"]],
)
POD = change(
    "kubernetes_pod.main",
    "create",
    "delete",
    reason="replace_because_cannot_update",
    before={"spec": [{"container": [{"env": [{"name": "OWNER", "value": "prebuilds"}]}], "hostname": "p-1"}]},
    after={"spec": [{"container": [{"env": [{"name": "OWNER", "value": "alice"}]}], "hostname": "dev"}]},
    before_sensitive={},
    after_sensitive={},
    replace_paths=[["spec", 0, "hostname"], ["spec", 0, "container", 0, "env", 0, "value"]],
)
KEPT = [
    change("docker_volume.home", "no-op", before={"name": "v"}, after={"name": "v"}),
    change("docker_image.main", "update", before={"keep_locally": False}, after={"keep_locally": True}),
    change("data.coder_workspace.me", "read", mode="data", reason="read_because_config_unknown"),
]


def plan(*changes: dict[str, Any], **fields: Any) -> bytes:
    """What `terraform show -json` prints."""
    document = {"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {"root_module": {}}}
    return json.dumps(document | {"resource_changes": list(changes)} | fields).encode()


def refusal(data: bytes) -> str:
    with pytest.raises(InputError) as refused:
        parse_plan(data, "plan.json")
    assert refused.value.status == 2
    return str(refused.value)


def check(data: bytes) -> Result:
    return CliRunner().invoke(main, ["plan-check", "-"], input=data)


def test_a_replacement_names_the_attributes_that_force_it_from_what_to_what():
    found = parse_plan(plan(*KEPT, CONTAINER))
    assert [(r.address, r.block) for r in found.replaced] == [
        ("docker_container.workspace[0]", "docker_container.workspace")
    ]
    env, name = found.replaced[0].forced
    assert (env.attribute, env.before, env.after) == ("env", "(sensitive value)", "(known after apply)")
    assert (name.attribute, name.before, name.after) == ("name", '"coder-prebuilds-a1"', '"coder-alice-dev"')


def test_no_op_updates_and_data_sources_replace_nothing():
    found = parse_plan(plan(*KEPT))
    assert found.replaced == found.notes == ()
    assert check(plan(*KEPT)).exit_code == 0


def test_the_lifecycle_block_is_valid_hcl_for_nested_attributes_too():
    done = check(plan(CONTAINER, POD))
    assert done.exit_code == 1
    assert "2 resources would be replaced" in done.stdout
    assert "    ignore_changes = [env, name]" in done.stdout
    assert "    ignore_changes = [spec[0].container[0].env[0].value, spec[0].hostname]" in done.stdout
    block = done.stdout.split("that it has:\n")[2]
    assert hcl2.loads(block)["lifecycle"][0]["ignore_changes"]


def test_nothing_sensitive_is_shown_wherever_it_is_marked():
    for before, path in (({"env": [False, True]}, ["env"]), (True, ["env"]), ({"env": True}, ["env", 1])):
        secret = change("a_b.c", "delete", "create", before={"env": ["x", "s3"]}, before_sensitive=before)
        secret["change"] |= {"after": {"env": ["x", "s4"]}, "after_sensitive": before, "replace_paths": [path]}
        done = check(plan(secret))
        assert "(sensitive value) -> (sensitive value)" in done.stdout
        assert "s3" not in done.output
        assert "s4" not in done.output


def test_a_path_inside_one_that_forces_it_too_is_left_out():
    inner = change("a_b.c", "delete", "create", replace_paths=[["subject", 0, "name"], ["subject"], ["sub"]])
    assert parse_plan(plan(inner)).ignore_changes == {"a_b.c": ("sub", "subject")}


def test_an_element_of_a_set_is_ignored_by_its_attribute():
    element = change("a_b.c", "delete", "create", replace_paths=[["ports", {"internal": 80}, "external"]])
    assert parse_plan(plan(element)).ignore_changes == {"a_b.c": ("ports",)}


def test_instances_of_one_resource_share_a_lifecycle_block():
    first = change('module.m["a.b"].a_b.c[0]', "delete", "create", replace_paths=[["x"]])
    second = change('module.m["a.b"].a_b.c[1]', "delete", "create", replace_paths=[["y"]])
    assert parse_plan(plan(first, second)).ignore_changes == {"module.m.a_b.c": ("x", "y")}
    assert check(plan(first, second)).stdout.count("lifecycle {") == 1


def test_keys_that_are_no_names_are_quoted():
    assert reference(["network", 0, "ip"]) == "network[0].ip"
    assert reference(["labels", "app.kubernetes.io/name"]) == 'labels["app.kubernetes.io/name"]'
    assert reference(["labels", '${x}"']) == 'labels["$${x}\\""]'


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("replace_because_tainted", "terraform untaint"),
        ("replace_by_triggers", "replace_triggered_by"),
        ("replace_by_request", "-replace"),
        ("", "names no attribute"),
    ],
)
def test_a_replacement_that_no_attribute_forces_says_why_and_offers_nothing_to_ignore(reason, said):
    done = check(plan(change("docker_container.workspace", "delete", "create", reason=reason)))
    assert done.exit_code == 1
    assert said in done.stdout
    assert "ignore_changes does not help" in done.stdout
    assert "lifecycle {" not in done.stdout


def test_what_is_only_created_or_deleted_is_a_note():
    done = check(plan(change("docker_container.sidecar", "create"), change("docker_volume.old", "delete")))
    assert done.exit_code == 0
    assert "docker_container.sidecar: a claim would create it" in done.stderr
    assert "docker_volume.old: a claim would delete it" in done.stderr


def test_coders_own_resources_do_not_count_as_coder_does_not_count_them():
    agent = change("coder_agent.main", "delete", "create", replace_paths=[["os"]])
    done = check(plan(agent, change("coder_script.s", "create")))
    assert done.exit_code == 0
    assert "coder_agent.main is replaced, which costs nothing" in done.stderr
    assert "coder_script" not in done.stderr


def test_an_attribute_that_the_template_does_not_write_is_noted():
    resources = [{"address": "docker_container.workspace", "expressions": {"env": {}}}]
    called = {"m": {"module": {"resources": resources}}}
    inside = CONTAINER | {"address": "module.m[0].docker_container.workspace[0]"}
    for entry, module in ((CONTAINER, {"resources": resources}), (inside, {"module_calls": called})):
        notes = parse_plan(plan(entry, configuration={"root_module": module})).notes
        assert len(notes) == 1
        assert "the provider alone decides name" in notes[0].text


def test_a_plan_is_read_in_the_encodings_that_shells_write(tmp_path):
    file = tmp_path / "plan.json"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        file.write_bytes(plan(CONTAINER).decode().encode(encoding))
        assert len(read_plan(file).replaced) == 1


def test_long_values_are_cut():
    long = change("a_b.c", "delete", "create", before={"x": "y" * 500}, after={}, replace_paths=[["x"]])
    forced = parse_plan(plan(long)).replaced[0].forced[0]
    assert len(forced.before) == 80
    assert forced.after == "null"


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04\x14\x00", "this is the plan file itself"),
        (b"Terraform will perform the following actions:", "this is no JSON"),
        (b"\xff\xfe\x00", "this is no text"),
        (b"[" * 100_000, "nested too deep"),
        (b"[]", "a JSON list is no plan"),
        (b'{"@level":"info"}\n{"@level":"info"}\n', "the log of `terraform plan -json`"),
        (b'{"format_version":"1.0","values":{"root_module":{}}}', "this is a state, not a plan"),
        (b'{"version":4,"serial":5,"lineage":"8871c1f2","resources":[]}', "this is a state, not a plan"),
        (b'{"format_version":"1.0"}', 'neither "planned_values" nor "resource_changes"'),
        (plan(format_version="2.0"), 'format_version "2.0"'),
        (plan(format_version=None), "there is no format_version"),
        (plan(errored=True), "Terraform failed while it made this plan"),
        (plan(resource_changes={}), "resource_changes is a JSON object"),
        (plan({"address": "a.b"}), "resource_changes[0] has no list change.actions"),
        (plan({"address": "a", "change": {"actions": ["delete", "create"]}}), "resource_changes[0] has no address"),
    ],
)
def test_what_is_no_plan_is_refused_with_what_was_seen_and_what_to_write(data, seen):
    said = refusal(data)
    assert said.startswith("plan.json:")
    assert seen in said
    assert "; " in said
    assert check(data).exit_code == 2


def test_every_entry_that_is_no_change_is_told_at_once():
    assert len(refusal(plan({}, CONTAINER, {})).splitlines()) == 2


def test_a_file_that_is_not_there_is_refused(tmp_path):
    done = CliRunner().invoke(main, ["plan-check", str(tmp_path / "no.json")])
    assert done.exit_code == 2
    assert "no.json: cannot be read: no such file or directory; write the output of" in done.stderr


def test_a_plan_of_many_changes_is_looked_through_once():
    """Each change is looked up, and no list is gone through for each."""
    changes = [
        {
            "address": f"docker_container.w{i}",
            "type": "docker_container",
            "change": {"actions": ["delete", "create"], "replace_paths": [["image"]], "before": {}, "after": {}},
        }
        for i in range(4000)
    ]
    resources = [{"address": change["address"], "expressions": {}} for change in changes]
    document = {
        "format_version": "1.2",
        "planned_values": {},
        "resource_changes": changes,
        "configuration": {"root_module": {"resources": resources}},
    }
    found, steps = steps_of(json.dumps(document).encode())
    assert (len(found.replaced), len(found.notes)) == (4000, 4000)
    assert steps < 4000 * 1000


def test_a_change_of_many_attributes_is_looked_through_once():
    paths = [[f"a{i}"] for i in range(4000)] + [[f"a{i}", "b"] for i in range(0, 4000, 2)]
    found, steps = steps_of(plan(change("docker_container.w", "delete", "create", replace_paths=paths)))
    assert [len(one.forced) for one in found.replaced] == [4000]
    assert steps < 4000 * 1000


def steps_of(data: bytes) -> tuple[Plan, int]:
    """A plan, and how many functions were called to read it."""
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        found = parse_plan(data)
    finally:
        sys.setprofile(None)
    return found, steps
