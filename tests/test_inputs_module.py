"""Templates through `simkit check` and snapshots as Terraform reads them: every kind of file, value and module."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from simkit.cli import main
from simkit.inputs.templates import Contents, read_template
from simkit.inputs.variables import from_outside
from simkit.templates import snapshot
from simkit.templates.check import check


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(files: dict[str, str]) -> None:
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content, encoding="utf-8")


def preset(name: str = '"p"', instances: str = "1", more: str = "", head: str = "") -> str:
    return (
        f'data "coder_workspace_preset" "p" {{\n{head}  name = {name}\n'
        f"  prebuilds {{\n    instances = {instances}\n{more}  }}\n}}\n"
    )


def said(*paths: str, **variables: str) -> list[str]:
    """What `simkit check` says of errors and warnings."""
    found = check(paths or (".",), variables=variables).findings
    return [str(finding) for finding in found if finding.level != "note"]


def wanted(path: str = ".", **variables: str) -> dict[str, int]:
    """Base instances by preset, of a template without problems, which `check` and snapshots read alike."""
    checked = check([path], variables=variables)
    assert [str(finding) for finding in checked.findings if finding.level != "note"] == []
    contents = read_template(Path(path), from_outside(variables))
    found = {one.name: one.instances for one in contents.presets}
    assert checked.presets == len(found)
    texts = [file.read_text() for file in snapshot.write([path], at=0, variables=variables).paths]
    assert sum(text.count('\npreset "') for text in texts) == len(found)
    return found


SCHEDULED = """\
    scheduling {
      timezone = "UTC"
%s    }
"""


@pytest.mark.parametrize(
    "body",
    [
        "startup_script = <<EOT\n    echo ready\n  EOT  \n",
        "startup_script = <<-EOT\n    echo ready\n  EOT\t\n",
        "env = {\n  A = <<A-1 \n".replace("A-1 ", "A-1") + "x\nA-1   \n  B = 1\n}\n",
        "command = [\n  <<E\necho <<F\nE  \n  ,\n  <<-F\n  E\n  F  \n]\n",
        "startup_script = <<EOT\n EOT 1\n${EOT}\nEOT \n",
        "startup_script = <<EOT\nEOT    \n",
    ],
)
def test_blanks_after_the_end_of_a_heredoc_are_nothing(body):
    write({"main.tf": preset() + f'resource "coder_agent" "main" {{\n  {body}}}\n'})
    assert wanted() == {"p": 1}


WARM = 'variable "warm" {\n  type = number\n  default = 1\n}\n' + preset(instances="var.warm")


@pytest.mark.parametrize(
    ("files", "variables", "instances"),
    [
        ({"terraform.tfvars": "warm = 7\n"}, {}, 7),
        ({"terraform.tfvars.json": '{"warm": 6}'}, {}, 6),
        ({"a.auto.tfvars": 'warm = "5"\n'}, {}, 5),
        ({"a.auto.tfvars.json": '{\n"warm": 4}'}, {}, 4),
        ({"terraform.tfvars": "warm = 7\n", "terraform.tfvars.json": '{"warm": 6}'}, {}, 6),
        ({"terraform.tfvars.json": '{"warm": 6}', "a.auto.tfvars": "warm = 5\n"}, {}, 5),
        ({"b.auto.tfvars": "warm = 5\n", "a.auto.tfvars.json": '{"warm": 4}'}, {}, 5),
        ({"terraform.tfvars": "warm = 7\n", "a.auto.tfvars": "warm = 5\n"}, {"warm": "9"}, 9),
        ({"other.tfvars": "warm = 7\n"}, {}, 1),
        ({"pool/terraform.tfvars": "warm = 7\n"}, {}, 1),
    ],
)
def test_values_beside_a_template_count_in_terraforms_order(files, variables, instances):
    write({"main.tf": WARM, **files})
    assert wanted(**variables) == {"p": instances}
    assert wanted("main.tf", **variables) == {"p": instances}


def test_what_is_wrong_in_a_file_of_values_is_told_at_its_line():
    write({"main.tf": WARM, "terraform.tfvars": 'wram = 2\nwarm = "many"\nother = var.x\nblock {\n}\n'})
    assert said() == [
        'terraform.tfvars:1: warning: the template declares no "wram"; write "warm"',
        'terraform.tfvars:2: variable "warm" is a number; write warm=3',
        "terraform.tfvars:3: other refers to var, and has to stand by itself; write a value, such as other = 1",
        "terraform.tfvars:4: block is a block; write a value, such as block = 1",
    ]
    write({"terraform.tfvars": "warm = 1\n", "a.auto.tfvars.json": '{\n"warm": }'})
    assert said() == ["a.auto.tfvars.json:2: this cannot be read as JSON: expecting value; correct it"]


@pytest.mark.parametrize(
    ("more", "instances"),
    [
        ('variable "hours" {\n  type = number\n  default = 2\n}\n', "var.hours * 3 - 1"),
        ('locals {\n  env = "prod"\n}\n', 'local.env == "prod" ? 5 : 0'),
        ("locals {\n  sizes = { small = 4, large = 1 }\n}\n", "sum([for k, v in local.sizes : v])"),
        ('locals {\n  raw = jsondecode("{\\"n\\": 5}")\n}\n', "local.raw.n"),
        ("locals {\n  all = [{ n = 2 }, { n = 3 }]\n}\n", "sum(local.all[*].n)"),
        ("locals {\n  text = <<-EOT\n    %{ if true }5%{ else }0%{ endif }\n  EOT\n}\n", "trimspace(local.text)"),
        ("", 'try(tonumber("x"), 5)'),
        ("", 'length(split(",", "a,b,c,d,e"))'),
    ],
)
def test_arithmetic_conditions_and_functions_have_their_values(more, instances):
    write({"main.tf": preset(instances=instances) + more})
    assert wanted() == {"p": 5}


def test_presets_of_count_and_for_each_are_all_there():
    counted = "  count = local.n\n"
    write({"main.tf": preset('"preset-${count.index + 1}"', "2", head=counted) + "locals { n = 3 }\n"})
    assert wanted() == {"preset-1": 2, "preset-2": 2, "preset-3": 2}
    regions = 'locals {\n  regions = { us = { warm = 3 }, eu = { warm = 1 } }\n  names = ["b", "a"]\n}\n'
    keyed = "  for_each = local.regions\n"
    write({"main.tf": preset('"Region ${each.key}"', "each.value.warm", head=keyed) + regions})
    assert wanted() == {"Region eu": 1, "Region us": 3}
    sets = "  for_each = toset([for n in local.names : upper(n)])\n"
    write({"main.tf": preset("each.value", "2", head=sets) + regions})
    assert list(wanted()) == ["A", "B"]
    nested = '  for_each = { for p in setproduct(["s", "l"], [1, 2]) : "${p[0]}${p[1]}" => p[1] }\n'
    write({"main.tf": preset("each.key", "each.value", head=nested)})
    assert wanted() == {"l1": 1, "l2": 2, "s1": 1, "s2": 2}


def test_a_problem_of_one_of_many_says_its_address_and_its_line():
    head = "  for_each = { eu = -1, us = 2 }\n"
    write({"main.tf": preset("each.key", "each.value", head=head)})
    assert said() == ['main.tf:5: data.coder_workspace_preset.p["eu"]: instances must be 0 to 2147483647, got -1']
    write({"main.tf": preset('"p"', "1", head="  count = 2\n")})
    assert said() == [
        'main.tf:3: data.coder_workspace_preset.p[1]: "p" is also the preset at main.tf:3; names are unique'
    ]


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ('for_each = ["a"]', 'for_each = ["a"]: must be a map or a set of texts, got a list; write a map, or toset'),
        ("for_each = data.x.y.z", "for_each = data.x.y.z: data.x.y.z is not declared"),
        ("count = 5000", "count = 5000: must be 0 to 1000, got 5000"),
        ("count = pow(2, 100)", "must be 0 to 1000"),
        ('count = data.coder_parameter.n.value == "1" ? 1 : 0', "data.coder_parameter.n.value is known only when"),
    ],
)
def test_what_many_are_made_of_is_told_once_if_it_cannot_be(head, told):
    write(
        {"main.tf": preset('"p${try(each.key, count.index)}"', head=f"  {head}\n") + 'data "coder_parameter" "n" {}\n'}
    )
    (only,) = [one for one in said() if "name = " not in one]
    assert only.startswith("main.tf:2: ")
    assert told in only


def test_a_value_known_at_run_time_is_told_with_the_ways_to_give_it():
    more = 'data "coder_parameter" "n" {\n  default = "2"\n}\nlocals {\n  n = data.coder_parameter.n.value\n}\n'
    write({"main.tf": preset(instances="max(1, local.n)") + more})
    assert said() == [
        "main.tf:4: instances = max(1, local.n): data.coder_parameter.n.value is known only when a workspace is built; "
        "give it with --var data.coder_parameter.n.value=value, or check the plan itself: "
        "terraform show -json PLANFILE > plan.json, simkit check plan.json"
    ]
    assert wanted(**{"data.coder_parameter.n.value": "4"}) == {"p": 4}
    assert wanted(**{"local.n": "3"}) == {"p": 3}
    write({"main.tf": preset(instances="data.coder_parameter.n.default") + more})
    assert wanted() == {"p": 2}
    assert said(**{"data.coder_parametr.n.value": "4"}) == [
        '--var data.coder_parametr.n.value=4: the template declares no "data.coder_parametr.n.value"; there are local.n'
    ]


def schedules(*paths: str) -> list[tuple[str, int]]:
    contents: Contents = read_template(Path(*paths), {})
    assert [str(finding) for finding in contents.findings] == []
    (one,) = contents.presets
    return [(schedule.cron, schedule.instances) for schedule in one.schedules]


SEVERAL = """\
data "coder_parameter" "size" {
  count   = 3
  name    = "size-${count.index}"
  default = count.index + 2
  option {
    name = "x"
  }
}
data "coder_parameter" "region" {
  for_each = { eu = 4, us = 1 }
  default  = each.value
}
data "coder_parameter" "none" {
  count   = 0
  default = 7
}
data "coder_parameter" "late" {
  count   = data.coder_workspace.me.start_count
  default = 7
}
resource "null_resource" "none" {
  count = 0
}
"""


@pytest.mark.parametrize(
    ("instances", "made"),
    [
        ("data.coder_parameter.size[2].default", 4),
        ("data.coder_parameter.size.1.default", 3),
        ('data.coder_parameter.region["us"].default', 1),
        ("try(data.coder_parameter.none[0].default, 6)", 6),
        ("try(null_resource.none[0].id, 5)", 5),
        ("length(data.coder_parameter.size) + length(data.coder_parameter.none)", 3),
        ("length(data.coder_parameter.region)", 2),
        ("can(data.coder_parameter.size[3].value) ? 1 : 0", 0),
    ],
)
def test_what_is_written_in_one_of_several_data_sources_is_known(instances, made):
    write({"main.tf": SEVERAL + preset(instances=instances)})
    assert wanted() == {"p": made}


@pytest.mark.parametrize(
    ("instances", "told"),
    [
        ("try(data.coder_parameter.size[1].value, 5)", "data.coder_parameter.size[1].value is known only when"),
        ("try(data.coder_parameter.late[0].default, 5)", "data.coder_parameter.late[0].default is known only when"),
        ("try(length(data.coder_parameter.size[0].option), 5)", "data.coder_parameter.size[0].option is known only"),
        ("length(data.coder_parameter.late)", "data.coder_parameter.late is known only when"),
        ("data.coder_parameter.size[3].default", "there is no data.coder_parameter.size[3]; write one that is there"),
    ],
)
def test_what_is_not_known_of_one_of_several_is_told_as_such_and_try_takes_nothing_in_its_place(instances, told):
    write({"main.tf": SEVERAL + preset(instances=instances)})
    (found,) = said()
    assert told in found


def test_dynamic_blocks_make_the_blocks_that_terraform_makes():
    of_list = """\
      dynamic "schedule" {
        for_each = [{ cron = "* 8-18 * * 1-5", n = 3 }, { cron = "* 8-14 * * 6", n = 1 }]
        content {
          cron      = schedule.value.cron
          instances = schedule.value.n + schedule.key
        }
      }
"""
    write({"main.tf": preset(more=SCHEDULED % of_list)})
    assert schedules() == [("* 8-18 * * 1-5", 3), ("* 8-14 * * 6", 2)]
    between = """\
      schedule {
        cron      = "* 1 * * *"
        instances = 1
      }
      dynamic "schedule" {
        for_each = { "2" = 5, "3" = 6 }
        iterator = it
        content {
          cron      = "* ${it.key} * * *"
          instances = it.value
        }
      }
      schedule {
        cron      = "* 4 * * *"
        instances = 4
      }
"""
    write({"main.tf": preset(more=SCHEDULED % between)})
    assert schedules() == [("* 1 * * *", 1), ("* 2 * * *", 5), ("* 3 * * *", 6), ("* 4 * * *", 4)]
    nested = """\
    dynamic "scheduling" {
      for_each = ["UTC"]
      content {
        timezone = scheduling.value
        dynamic "schedule" {
          for_each = range(2)
          content {
            cron      = "* ${schedule.value} * * *"
            instances = 7
          }
        }
      }
    }
"""
    write({"main.tf": preset(more=nested)})
    assert schedules() == [("* 0 * * *", 7), ("* 1 * * *", 7)]
    write({"main.tf": 'data "coder_workspace_preset" "p" {\n  name = "p"\n  dynamic "prebuilds" {\n'
           "    for_each = true ? [2] : []\n    content { instances = prebuilds.value }\n  }\n}\n"})  # fmt: skip
    assert wanted() == {"p": 2}


def test_a_dynamic_block_of_what_nobody_knows_is_told_and_nothing_follows_from_it():
    block = '      dynamic "schedule" {\n        for_each = data.a.b.c\n        content {\n        }\n      }\n'
    write({"main.tf": preset(more=SCHEDULED % block) + 'data "a" "b" {}\n'})
    (only,) = said()
    assert only.startswith("main.tf:8: for_each = data.a.b.c: data.a.b.c is known only when a workspace is built; give")


def test_json_says_what_blocks_say():
    document = """\
{"locals": {"n": 3},
 "variable": {"zone": {"type": "string", "default": "UTC"}},
 "data": {"coder_workspace_preset": {
  "p": {"name": "json ${upper("x")}", "prebuilds": [{"instances": "${local.n}",
    "scheduling": {"timezone": "${var.zone}", "schedule": [
      {"cron": "* 8-18 * * 1-5", "instances": 3},
      {"cron": "* 8 * * 6", "instances": 4}]}}]},
  "q": [{"//": "a comment", "for_each": {"a": 1, "b": 2}, "name": "${each.key}",
    "prebuilds": {"instances": 0, "scheduling": {"timezone": "UTC", "dynamic": {"schedule":
      {"for_each": ["* 1 * * *"], "content": {"cron": "${schedule.value}", "instances": "${each.value}"}}}}}}]}}}
""".replace('"x"', '\\"x\\"')
    write({"main.tf.json": document})
    assert wanted() == {"json X": 3, "a": 0, "b": 0}
    found = read_template(Path(), {}).presets
    assert [[(s.cron, s.instances) for s in one.schedules] for one in found] == [
        [("* 8-18 * * 1-5", 3), ("* 8 * * 6", 4)], [("* 1 * * *", 1)], [("* 1 * * *", 2)],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("{", "main.tf.json:1: this cannot be read as JSON: expecting property name enclosed in double quotes"),
        ('{\n"data": {\n"coder_workspace_preset": 1}}', 'main.tf.json:3: "coder_workspace_preset" must be an object'),
        ("[1]", "main.tf.json:1: a file of Terraform's is an object in JSON"),
        ("[" * 100 + "]" * 100, "nested deeper than 60 levels"),
        ("[" * 100_000, "nested too deep"),
        ('{"data": {"coder_workspace_preset":\n{"p": {"name": "p",\n"prebuilds":{"instances": -1}}}}}',
         "main.tf.json:3: instances must be 0"),
        ('{"data": {"coder_workspace_preset":\n{"p": {"name": "${x",\n"prebuilds":{"instances": 1}}}}}',
         "main.tf.json:2: name = \"${x\": has ${ or %{ without a } that closes it"),
    ],
)  # fmt: skip
def test_json_that_is_wrong_is_told_at_its_line(document, told):
    write({"main.tf.json": document})
    assert any(told in str(one) for one in read_template(Path("main.tf.json"), {}).findings)


def test_locals_and_variables_in_json_count_too():
    write({"main.tf": preset(instances="local.n + var.m"), "locals.tf.json": '{"locals": {"n": 3}}'})
    write({"variables.tf.json": '{"variable": {"m": {"type": "number", "default": "${2}"}}}'})
    assert wanted() == {"p": 5}


def test_overrides_change_blocks_and_are_no_presets_of_their_own():
    over = 'data "coder_workspace_preset" "p" {\n  prebuilds {\n    instances = %s\n  }\n}\n'
    write({"main.tf": preset(), "pools_override.tf": over % "5"})
    assert wanted() == {"p": 5}
    write({"main.tf": WARM, "pools_override.tf": 'variable "warm" {\n  default = 4\n}\nlocals {\n  n = 1\n}\n'})
    assert wanted() == {"p": 4}
    write({"override.tf.json": '{"data": {"coder_workspace_preset": {"p": {"name": "q"}}}}'})
    assert wanted() == {"q": 4}
    write({"pools_override.tf": over % "-5"})
    assert said() == ["pools_override.tf:3: instances must be 0 to 2147483647, got -5"]
    write({"pools_override.tf": (over % "1").replace('"p"', '"nope"')})
    assert said() == [
        'pools_override.tf:1: there is no data "coder_workspace_preset" "nope" for this to override; write it in '
        "another file"
    ]


POOL = 'variable "size" {\n  type = number\n}\n' + preset('"pooled ${var.size}"', "var.size")


def test_presets_of_child_modules_count_with_what_they_are_called_with():
    write({"main.tf": 'module "pool" {\n  source = "./pool"\n  size = 4\n}\n', "pool/main.tf": POOL})
    assert wanted() == {"pooled 4": 4}
    assert wanted("main.tf") == {"pooled 4": 4}
    assert said("pool") == [
        'pool/main.tf:5: name = "pooled ${var.size}": var.size has no default; give it with --var size=value',
        "pool/main.tf:7: instances = var.size: var.size has no default; give it with --var size=value",
    ]
    write({"main.tf": 'module "pool" {\n  source = "./pool"\n  for_each = { a = 1, b = 2 }\n  size = each.value\n}\n'})
    assert wanted() == {"pooled 1": 1, "pooled 2": 2}
    contents = read_template(Path(), {})
    assert [given.address for given, _ in contents.written] == [
        'module.pool["a"].data.coder_workspace_preset.p', 'module.pool["b"].data.coder_workspace_preset.p',
    ]  # fmt: skip
    write({"main.tf": 'module "a" {\n  source = "./a"\n  n = 3\n}\n' + preset(instances="module.a.twice"),
           "a/main.tf": 'variable "n" {}\nmodule "b" {\n  source = "../pool"\n  size = var.n * 3\n}\n'
                        'output "twice" {\n  value = var.n * 2\n}\n'})  # fmt: skip
    assert wanted() == {"p": 6, "pooled 9": 9}


def test_what_is_wrong_with_a_module_is_told_where_it_is_called():
    write({"main.tf": 'module "pool" {\n  source = "./pool"\n  sze = 4\n}\n', "pool/main.tf": POOL})
    assert said()[0] == 'main.tf:3: the module declares no variable "sze"; write "size"'
    assert said()[1] == (
        'pool/main.tf:5: module.pool.data.coder_workspace_preset.p: name = "pooled ${var.size}": module.pool is called '
        "without size; give it where the module is called"
    )
    write({"main.tf": preset() + 'module "x" {\n  source = "./nowhere"\n}\n'})
    assert said("main.tf") == ['main.tf:8: there is no Terraform file in "./nowhere"; write the folder of a module']
    write({"main.tf": preset() + 'module "x" {\n  source = "./pool"\n  size = 1\n}\n',
           "pool/main.tf": POOL + 'module "me" {\n  source = "../pool"\n}\n'})  # fmt: skip
    assert said("main.tf") == [
        'pool/main.tf:11: "../pool" leads back to a module that it is called from; write another folder'
    ]


def test_modules_from_elsewhere_are_unknown_and_nothing_outside_of_the_folder_is_read():
    write(
        {"t/main.tf": preset(instances="module.m.n") + 'module "m" {\n  source = "registry.coder.com/x/y/coder"\n}\n'}
    )
    (only,) = said("t")
    assert "module.m.n comes from elsewhere and is not here; give it with --var module.m.n=value, or check" in only
    assert wanted("t", **{"module.m.n": "2"}) == {"p": 2}
    write({"t/main.tf": preset() + 'module "m" {\n  source = "../pool"\n}\n', "pool/main.tf": POOL})
    assert [str(one) for one in check(["t"]).findings if '"../pool"' in str(one)] == [
        't/main.tf:8: note: "../pool" is outside of the template\'s folder, which is all that Coder gets; it is '
        "not read"
    ]
    Path("t/linked").symlink_to(Path("pool").absolute())
    write({"t/main.tf": preset() + 'module "m" {\n  source = "./linked"\n}\n'})
    assert wanted("t") == {"p": 1}


@pytest.mark.parametrize(
    ("kind", "default", "use", "instances"),
    [
        ("object({ instances = optional(number, 4), tz = string })", '{ tz = "UTC" }', "instances", 4),
        (
            "object({ instances = optional(number, 4), tz = string })",
            '{ tz = "UTC", instances = null }',
            "instances",
            4,
        ),
        ("object({ a = optional(object({ n = optional(number, 3) }), {}) })", "{}", "a.n", 3),
        ("list(object({ n = optional(number, 2) }))", "[{}, { n = 6 }]", "*.n[0]", 2),
        ("map(object({ n = optional(string) }))", "{ x = { n = 5 } }", "x.n", 5),
        ("object({ n = number })", '{ n = "7", other = 1 }', "n", 7),
    ],
)
def test_objects_have_the_defaults_of_optional(kind, default, use, instances):
    step = use if use.startswith("*") else f"{use}"
    write({"main.tf": f'variable "pool" {{\n  type = {kind}\n  default = {default}\n}}\n'
           + preset(instances=f"var.pool.{step}")})  # fmt: skip
    assert wanted() == {"p": instances}


def test_values_of_a_command_are_read_by_the_type_of_their_variable():
    write({"main.tf": 'variable "pool" {\n  type = object({ n = optional(number, 4) })\n  default = {}\n'
           '  validation {\n    condition = var.pool.n < 9\n    error_message = "too many"\n  }\n}\n'
           + preset(instances="var.pool.n")})  # fmt: skip
    assert wanted() == {"p": 4}
    assert wanted(pool="{ n = 5 }") == {"p": 5}
    assert wanted(pool='{"n": 6}') == {"p": 6}
    assert said(pool="{ n = 9 }") == [
        '--var pool={ n = 9 }: variable "pool" is refused by the template: too many; write another'
    ]
    (only,) = [one for one in said(pool="[1]") if one.startswith("--var")]
    assert only.startswith(
        '--var pool=[1]: variable "pool" is an object({ n = optional(number, 4) }), but this needs a map'
    )


@pytest.mark.parametrize(
    ("agents", "warns"),
    [
        ('resource "coder_agent" "a" {}\n', False),
        ('resource "coder_agent" "a" {}\nresource "coder_agent" "b" {}\n', True),
        ('resource "coder_agent" "a" {\n  count = 2\n}\n', True),
        ('resource "coder_agent" "a" {\n  count = data.coder_workspace.me.start_count\n}\n' * 1, False),
        ('resource "coder_agent" "a" {\n  count = 0\n}\nresource "coder_agent" "b" {}\n', False),
        ('resource "coder_agent" "a" {\n  count = data.coder_parameter.x.value ? 1 : 0\n}\n'
         'resource "coder_agent" "b" {}\n'
         'data "coder_parameter" "x" {}\n', False),
        ('resource "coder_agent" "a" {\n  for_each = toset(["x", "y"])\n}\n', True),
    ],
)  # fmt: skip
def test_prebuilds_in_a_template_with_two_agents_are_warned_of(agents, warns):
    write({"main.tf": preset() + agents})
    assert [("this preset has prebuilds, and its template has 2 agents" in one) for one in said()] == [True] * warns
    write({"main.tf": preset(instances="0") + agents})
    assert said() == []


def test_a_template_that_doubles_itself_is_refused_soon():
    lines = [f'a{i} = "${{local.a{i + 1}}}${{local.a{i + 1}}}"' for i in range(26)]
    write({"main.tf": preset("local.a0") + "locals {\n" + "\n".join([*lines, 'a26 = "x"']) + "\n}\n"})
    assert said() == ["main.tf:2: name = local.a0: is longer than 1,000,000 characters; write less"]
    lists = [f"a{i} = [local.a{i + 1}, local.a{i + 1}]" for i in range(26)] + ["a26 = 1"]
    write({"main.tf": preset("jsonencode(local.a0)") + "locals {\n" + "\n".join(lists) + "\n}\n"})
    (only,) = said()
    assert "has more than 100,000 elements" in only or "steps to work out" in only
    maps = [f"a{i} = merge({{ x = local.a{i + 1} }}, {{ y = local.a{i + 1} }})" for i in range(40)] + ["a40 = {}"]
    write({"main.tf": preset(instances="length(flatten(values(local.a0)))") + "locals {\n" + "\n".join(maps) + "\n}\n"})
    (only,) = said()
    assert "has more than 100,000 elements" in only or "steps to work out" in only


def test_an_empty_time_zone_is_taken_as_by_the_provider_and_coder_then_keeps_the_base():
    schedule = '      schedule {\n        cron      = "* 8 * * *"\n        instances = 3\n      }\n'
    block = (SCHEDULED % schedule).replace('"UTC"', '""')
    write({"main.tf": preset(more=block)})
    (only,) = said()
    assert "warning: Coder ignores all schedules and keeps the base of 1" in only
    assert "the timezone is not set" in only
    assert check(["."]).status == 0


def test_how_often_a_module_is_called_matters_only_if_it_has_presets():
    call = 'data "coder_parameter" "x" {}\nmodule "m" {\n  count = data.coder_parameter.x.value\n  source = "./m"\n}\n'
    write({"main.tf": preset() + call, "m/main.tf": 'resource "coder_app" "a" {}\n'})
    assert wanted() == {"p": 1}
    write({"m/main.tf": preset('"q"')})
    (only,) = said()
    assert only.startswith(
        "main.tf:9: count = data.coder_parameter.x.value: data.coder_parameter.x.value is known only"
    )


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, arguments)
    return done.exit_code, done.output


def test_files_of_values_count_like_values_of_the_command_and_a_snapshot_keeps_them():
    write({"main.tf": 'variable "pool" {\n  default = { n = 1 }\n}\n' + preset(instances="var.pool.n + var.more") +
           'variable "more" {\n  type = number\n  default = 0\n}\n',
           "prod.tfvars": "pool = { n = 5 }\nmore = 2\n", "more.tfvars.json": '{"more": 3}'})  # fmt: skip
    status, _ = run("snapshot", "main.tf", "--var-file", "prod.tfvars", "--var-file", "more.tfvars.json")
    assert status == 0
    shown = Path("main.simkit.snapshot").read_text()
    assert 'var    more:3\nvar    pool:{"n": 5}\n' in shown
    assert 'preset "p"' in shown
    assert run("check", ".")[0] == 0, "the snapshot knows the values that it shows"
    assert run("snapshot", "main.tf", "--var", "more=1", "--var-file", "prod.tfvars")[0] == 0
    assert "var    more=1\n" in Path("main.simkit.snapshot").read_text(), "--var comes before files"
    assert run("check", ".", "--var-file", "nope.tfvars") == (
        2, "nope.tfvars: there is no such file; name a .tfvars or .tfvars.json file\n",
    )  # fmt: skip
    write({"prod.tfvars": "more = 1\n\nwhat = 1\nmoer = [\n"})
    status, output = run("check", ".", "--var-file", "prod.tfvars")
    assert status == 2
    assert output.startswith("prod.tfvars:4: the [ here is never closed")
    write({"prod.tfvars": "more = 1\n\nwhat = 1\n"})
    assert 'prod.tfvars:3: the template declares no "what"' in run("check", ".", "--var-file", "prod.tfvars")[1]


def test_a_test_file_has_variables_of_its_own():
    tests = (
        "tests:\n  - name: warm\n    expect:\n"
        '      - {desired: 4, from: "2026-11-09 08:00", until: "2026-11-09 19:00"}\n'
    )
    write({"main.tf": WARM, "a.simkit.yaml": "template: main.tf\nvariables: {warm: 4}\n" + tests})
    assert check(["."]).status == 0
    assert check(["."], variables={"warm": "3"}).status == 1, "the command line comes before it"
    write({"a.simkit.yaml": "template: main.tf\nvariables:\n  wram: 4\n" + tests})
    assert said() == ['a.simkit.yaml:3: the template declares no "wram"; write "warm"']
    write({"main.tf": 'variable "pool" {\n  type = map(list(any))\n}\n' + preset(instances="var.pool.n[1]"),
           "a.simkit.yaml": "template: main.tf\nvariables:\n  pool: {n: [1, 4]}\n" + tests})  # fmt: skip
    assert check(["a.simkit.yaml"]).outcomes[0].ok


def test_a_difference_in_a_file_of_values_is_a_difference_also_between_revisions():
    write({"old/main.tf": WARM, "new/main.tf": WARM, "new/terraform.tfvars": "warm = 7\n"})
    assert run("diff", "old", "new")[0] == 1

    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    assert run("diff", "HEAD:new", "new")[0] == 0
    write({"new/terraform.tfvars": "warm = 8\n"})
    assert run("diff", "HEAD:new", "new")[0] == 1


def test_pipes_and_links_out_of_the_folder_are_never_waited_for_nor_read():
    write({"t/main.tf": preset('fileexists("pipe") ? "is" : "p"'), "secret": "root:x\n"})
    os.mkfifo("t/pipe")
    Path("t/a.auto.tfvars").symlink_to(Path("secret").absolute())
    Path("t/b.auto.tfvars.json").symlink_to("/dev/zero")
    assert said("t") == [
        f"t/{name}: warning: is a link out of the template's folder, which is all that Coder gets; it is not read"
        for name in ("a.auto.tfvars", "b.auto.tfvars.json")
    ]
    os.mkfifo("t/terraform.tfvars")
    assert "t/terraform.tfvars: is not a Terraform file; name a .tf file or a folder with some" in said("t")
    os.mkfifo("plan.json")
    assert said("plan.json")[0].startswith("plan.json: cannot be read: it is a pipe or a device")


def test_json_of_more_values_than_anybody_has_is_refused_soon():
    write({"main.tf": preset(), "terraform.tfvars.json": json.dumps({f"a{i}": i for i in range(100_000)})})
    (told,) = said()
    assert told == "terraform.tfvars.json:1: this JSON has more than 20,000 values; write less"
    write({"terraform.tfvars.json": "{}", "more.tf.json": json.dumps({"locals": {"a": [0] * 100_000}})})
    assert said() == ["more.tf.json:1: this JSON has more than 20,000 values; write less"]
