"""Presets out of Terraform templates, as people write them and as they get them wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from simkit.clock import SECOND_US
from simkit.errors import Findings, Where
from simkit.inputs.preset import GivenPreset, read_presets
from simkit.inputs.terraform import read_terraform
from simkit.inputs.variables import from_outside
from simkit.model import Preset, Schedule

BLOCKS = """\
data "coder_workspace_preset" "goland" {
  name = "GoLand: Large" # what people see
  default = true
  parameters = {
    (data.coder_parameter.ide.name) = "GO"
    cpus = 8
  }
  prebuilds {
    instances = 1
    scheduling {
      timezone = "UTC"
      schedule {
        cron      = "* 8-18 * * 1-5"
        instances = 5
      }
      schedule {
        cron      = "* 8-14 * * 6"
        instances = 0
      }
    }
    expiration_policy {
      ttl = 86400
    }
  }
}
"""

OBJECT = """\
data "coder_workspace_preset" "goland" {
  name = "GoLand: Large"
  prebuilds = {
    instances = 1
    expiration_policy = { ttl = 86400 }
    scheduling = {
      timezone = "UTC"
      schedule = [
        { cron = "* 8-18 * * 1-5", instances = 5 },
        { cron = "* 8-14 * * 6", instances = 0 },
      ]
    }
  }
}
"""


@pytest.fixture
def template(tmp_path, monkeypatch):
    """Write files into an empty template directory, which is the current one: paths are then short."""
    monkeypatch.chdir(tmp_path)

    def write(**files: str) -> Path:
        for name, text in files.items():
            Path(f"{name}.tf").write_text(text, encoding="utf-8")
        return Path("main.tf")

    return write


def read(path: Path, **variables: str) -> tuple[Preset, ...]:
    findings = Findings()
    presets = read_presets(read_terraform(path, from_outside(variables), findings), findings)
    assert [str(finding) for finding in findings] == []
    return presets


def problems(path: Path, **variables: str) -> list[str]:
    findings = Findings()
    read_presets(read_terraform(path, from_outside(variables), findings), findings)
    return [str(f) for f in sorted(findings.errors, key=lambda f: f.where)]


def pool(*lines: str, before: str = "") -> str:
    """A preset that begins on line 1 and whose prebuilds block has the lines, from line 4 on."""
    return "\n".join(
        ['data "coder_workspace_preset" "p" {', '  name = "p"', "  prebuilds {", *lines, "  }", "}", before, ""]
    )


def test_a_preset_of_blocks_is_read_with_the_line_of_each_part(template):
    (preset,) = read(template(main=BLOCKS))
    assert preset == Preset(
        name="GoLand: Large",
        instances=1,
        ttl_us=86400 * SECOND_US,
        timezone="UTC",
        schedules=(
            Schedule("* 8-18 * * 1-5", 5, Where("main.tf", 12)),
            Schedule("* 8-14 * * 6", 0, Where("main.tf", 16)),
        ),
        default=True,
        parameters=(("(data.coder_parameter.ide.name)", "GO"), ("cpus", "8")),
        where=Where("main.tf", 1),
    )


def test_a_preset_with_an_object_says_the_same(template):
    (preset,) = read(template(main=OBJECT))
    assert (preset.instances, preset.ttl_us, preset.timezone) == (1, 86400 * SECOND_US, "UTC")
    assert preset.schedules == (
        Schedule("* 8-18 * * 1-5", 5, Where("main.tf", 9)),
        Schedule("* 8-14 * * 6", 0, Where("main.tf", 10)),
    )


def test_blocks_may_hold_objects_and_one_schedule_needs_no_list(template):
    text = pool("instances = 2", 'scheduling = {timezone = "UTC", schedule = {cron = "* 8 * * *", instances = 3}}')
    (preset,) = read(template(main=text))
    assert preset.schedules == (Schedule("* 8 * * *", 3, Where("main.tf", 5)),)


def test_a_pool_may_be_a_local(template):
    text = OBJECT[: OBJECT.index("prebuilds")] + "prebuilds = local.pools.small\n}\n"
    (preset,) = read(template(main=text, pools="locals {\n  pools = { small = { instances = 2 } }\n}\n"))
    assert (preset.instances, preset.schedules) == (2, ())


def test_a_preset_without_prebuilds_has_no_pool(template):
    (given,) = read_terraform(template(main='data "coder_workspace_preset" "p" {\n  name = "p"\n}\n'), {}, Findings())
    assert given.instances is not None
    assert given == GivenPreset(Where("main.tf", 1), given.name, instances=given.instances)
    assert given.instances.value == 0


def test_blocks_inside_an_object_are_refused_with_the_block_form_to_write(template):
    text = """\
data "coder_workspace_preset" "p" {
  name = "p"
  prebuilds = {
    instances = 1
    scheduling = {
      timezone = "Mars/Base"
      schedule {
        cron = "* 25 * * *"
        instances = 1
      }
      schedule {
        cron = "* 9 * * *"
        instances = 1
      }
    }
    expiration_policy {
      ttl = 60
    }
  }
}
"""
    told = problems(template(main=text))
    assert [problem.split(": ")[0] for problem in told] == ["main.tf:6", "main.tf:7", "main.tf:8", "main.tf:17"]
    assert told[1] == (
        'main.tf:7: "schedule {" is a block inside an object, which Terraform refuses; '
        'write blocks all the way, without "=":\n'
        "    prebuilds {\n"
        "      instances = 1\n"
        "      expiration_policy {\n"
        "        ttl = 86400\n"
        "      }\n"
        "      scheduling {\n"
        '        timezone = "UTC"\n'
        "        schedule {\n"
        '          cron      = "* 8-18 * * 1-5"\n'
        "          instances = 5\n"
        "        }\n"
        "      }\n"
        "    }"
    )


def test_a_block_beside_the_commas_of_an_object_is_refused_and_nothing_is_guessed_about_the_rest(template):
    text = (
        'data "coder_workspace_preset" "p" {\n  prebuilds = {\n    instances = 1,\n    expiration_policy {}\n  }\n}\n'
    )
    (problem,) = problems(template(main=text))
    assert problem.startswith('main.tf:4: "expiration_policy {}" is a block inside an object')


def test_locals_and_defaults_of_the_whole_directory_count(template):
    values = """\
variable "size" {
  type    = number
  default = "3"
}
variable "zone" { default = "Europe/Berlin" }
locals {
  base  = var.size
  pools = { gpu = { hours = ["* 8-11 * * *", "* 12 * * *"] } }
}
"""
    text = """\
locals { who = "EU" }
data "coder_workspace_preset" "p" {
  name = "${local.who}-${local.base} $${x}"
  prebuilds {
    instances = "${local.base}"
    scheduling {
      timezone = var.zone
      schedule {
        cron      = local.pools.gpu.hours[1]
        instances = -1
      }
    }
  }
}
"""
    (preset,) = read(template(main=text, values=values))
    assert (preset.name, preset.instances, preset.timezone) == ("EU-3 ${x}", 3, "Europe/Berlin")
    assert [(s.cron, s.instances) for s in preset.schedules] == [("* 12 * * *", -1)]


def test_a_value_given_from_outside_comes_before_a_default_and_stands_in_for_a_local(template):
    text = pool("instances = local.n", "expiration_policy { ttl = var.ttl }") + (
        'locals { n = max(1, 2) }\nvariable "ttl" {\n  type = number\n  default = 3600\n}\n'
    )
    (preset,) = read(template(main=text), **{"local.n": "4", "ttl": "7200"})
    assert (preset.instances, preset.ttl_us) == (4, 7200 * SECOND_US)


def test_a_single_file_gives_its_own_presets_and_a_directory_gives_all(template):
    path = template(main=BLOCKS, other=pool("instances = 2"))
    assert [preset.name for preset in read(path)] == ["GoLand: Large"]
    assert [preset.name for preset in read(Path())] == ["GoLand: Large", "p"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("data.a.b.z", "data.a.b.z is known only when a workspace is built; give it with --var data.a.b.z=value, or "
         "check the plan itself: terraform show -json PLANFILE > plan.json, simkit check plan.json"),
        ("data.a.c.z", 'data.a.c.z is not declared; there are data.a.b'),
        ("max(1, data.a.b.z)", "instances = max(1, data.a.b.z): data.a.b.z is known only when a workspace is built"),
        ("maxx(1, 2)", 'Terraform has no function maxx; write "max"'),
        ("max(1, [])", "max(1, []) needs a number, got a list; write a number"),
        ("1 / 0", "instances = 1 / 0: divides by zero"),
        ("timestamp()", "timestamp() is another value each time; give the value itself, or check the plan"),
        ("[1, 2][2]", 'there is no "2" in it; write one that is there'),
        ("var.n", "instances = var.n: var.n has no default; give it with --var n=value"),
        ("local.m", "instances = local.m: var.n has no default; give it with --var n=value"),
        ("local.f", "local.f: timestamp() is another value each time; give it with --var local.f=value, or check"),
        ("local.g", "local.g: timestamp() is another value each time; give it with --var local.f=value, or check"),
        ("local.a", "instances = local.a: local.a refers to itself; give it with --var local.b="),
        ("local.o.x", "instances = local.o.x: local.o refers to itself; give the value itself"),
        ("local.o.y", 'instances = local.o.y: there is no "y" in it'),
        ("local.ff", 'instances = local.ff: local.ff is not declared; write "local.f"'),
        ("var.nn", 'instances = var.nn: var.nn is not declared; write "var.n"'),
        ("{ a = 1 }", "instances must be one value, got { a = 1 }"),
        ('"three"', 'instances must be a whole number, got "three"'),
        ("2.5", "instances must be a whole number, got 2.5"),
        ("null", "instances is missing; write instances = 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_worked_out_says_how_to_give_it(template, value, problem):
    more = """\
variable "n" {}
data "a" "b" {}
locals {
  m = var.n
  f = timestamp()
  g = local.f
  a = local.b
  b = local.a
  o = { x = local.o.x }
}
"""
    (told,) = problems(template(main=pool(f"instances = {value}") + more))
    assert told.startswith("main.tf:3: " if value == "null" else "main.tf:4: ")
    assert problem in told


@pytest.mark.parametrize(("value", "instances"), [("3", 3), ('"3"', 3), ("3.0", 3), ("1e1", 10), ("(7)", 7)])
def test_numbers_are_what_terraform_makes_of_them(template, value, instances):
    (preset,) = read(template(main=pool(f"instances = {value}")))
    assert preset.instances == instances


def test_a_variable_nobody_declared_is_told_with_the_nearest_name(template):
    text = pool("instances = 1") + 'variable "replicas" {}\nlocals { zone = "UTC" }\n'
    assert problems(template(main=text), replica="3", **{"local.zones": "UTC"}) == [
        '--var local.zones=UTC: the template declares no "local.zones"; write "local.zone"',
        '--var replica=3: the template declares no "replica"; write "replicas"',
    ]


def test_a_variable_of_the_wrong_type_is_told(template):
    text = pool("instances = 1") + 'variable "n" { type = number }\nvariable "b" { type = bool }\n'
    assert problems(template(main=text), n="three", b="maybe") == [
        '--var b=maybe: variable "b" is a bool; write b=true',
        '--var n=three: variable "n" is a number; write n=3',
    ]


def test_count_0_leaves_a_preset_out_and_1_keeps_it(template):
    text = BLOCKS.replace("  default = true", "  count = local.on") + pool("instances = 1")
    text += 'locals { on = data.a.b.c }\ndata "a" "b" {}\n'
    assert "count = local.on: data.a.b.c is known only when a workspace is built" in problems(template(main=text))[0]
    assert [preset.name for preset in read(template(main=text), **{"local.on": "0"})] == ["p"]
    assert [preset.name for preset in read(template(main=text), **{"local.on": "1"})] == ["GoLand: Large", "p"]
    assert problems(template(main=text), **{"local.on": "2"}) == [
        'main.tf:2: data.coder_workspace_preset.goland[1]: "GoLand: Large" is also the preset at main.tf:2; '
        "names are unique"
    ]
    assert problems(template(main=text), **{"local.on": "-1"}) == [
        "main.tf:3: count = local.on: must be 0 to 1000, got -1; write another number"
    ]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["instance = 1"], '4: "instance" is unknown in prebuilds, and Terraform refuses it; write "instances"'),
        (["expiration_policy { tll = 0 }"], 'main.tf:4: "tll" is unknown in expiration_policy'),
        (["expiration_policy {", "}"], "main.tf:4: ttl is missing; write ttl = 86400"),
        (["expiration_policy { ttl = 1.5 }"], "main.tf:4: ttl must be a whole number of seconds, got 1.5"),
        (["expiration_policy { ttl = 1800 }"], "main.tf:4: ttl must be 0 (never expires) or 3600 seconds"),
        (["expiration_policy { ttl = 63072000 }"], "got 63072000 seconds (730d)"),
        (["expiration_policy = 86400"], "main.tf:4: expiration_policy must be a block, got 86400; write it like this:"),
        (["scheduling {", "}"], "main.tf:4: timezone is missing"),
        (["scheduling {", "}"], "main.tf:4: scheduling has no schedule"),
        (["scheduling {", 'timezome = "UTC"', "}"], 'main.tf:5: "timezome" is unknown in scheduling'),
        (["scheduling {", "schedule {", "crom = 1", "}", "}"], 'main.tf:6: "crom" is unknown in schedule'),
        (["instances = 1", "instances = 2"], 'main.tf:5: a second "instances", the first is at main.tf:4'),
        (["instances {", "}"], "main.tf:4: instances is written as a block; write instances = ..."),
    ],
)  # fmt: skip
def test_what_terraform_would_refuse_in_a_pool_is_refused(template, lines, problem):
    assert any(problem in told for told in problems(template(main=pool(*lines))))


def test_a_second_pool_is_refused(template):
    text = (
        'data "coder_workspace_preset" "p" {\n  name = "p"\n  prebuilds {\n    instances = 1\n  }\n  prebuilds {}\n}\n'
    )
    assert problems(template(main=text)) == [
        'main.tf:6: a second "prebuilds", the first is at main.tf:3; Terraform takes one'
    ]


def test_a_misspelt_pool_is_warned_about(template):
    findings = Findings()
    read_terraform(template(main=pool("instances = 1").replace("prebuilds", "prebuild")), {}, findings)
    assert [str(finding) for finding in findings] == [
        'main.tf:3: warning: "prebuild" in a coder_workspace_preset is not looked at; write "prebuilds"'
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('data "a" "b" {\n  x = 1\n', "main.tf:1: the { here is never closed; write } where it ends"),
        ('a = "x\nb = 1\n', 'main.tf:1: the " here is never closed; write " where it ends'),
        ("a = 1\nb = [1, 2\nc = 3\n", "main.tf:3: this cannot be read as HCL: c = 3"),
        ("a = 1\nb = 3 ]\n", "main.tf:2: this cannot be read as HCL: ]; correct it or what comes before it"),
        ("a {\n}\n}\n", "main.tf:3: this cannot be read as HCL: }"),
        ("a = {\n  b {\n  }\n}\n", "main.tf:2: this cannot be read as HCL: {"),
    ],
)
def test_what_is_not_hcl_is_told_in_a_sentence(template, text, problem):
    (told,) = problems(template(main=text))
    assert told.startswith(problem)
    assert "\n" not in told


def test_a_path_without_a_template_is_told(template):
    path = template(values="locals {}\n")
    assert problems(path) == ["main.tf: there is no such file, or it is a link to none; name a .tf file"]
    assert problems(Path("values.tf")) == [
        'values.tf: no data "coder_workspace_preset" here; name the file or directory that has some'
    ]
    Path("empty").mkdir()
    assert problems(Path("empty")) == ["empty: there is no .tf file here; name the folder of a Coder template"]
    path.write_bytes(b"\xff")
    assert problems(path) == ["main.tf:1: is not UTF-8 text (byte 0xff); save it as UTF-8"]


def test_a_broken_file_beside_the_named_one_matters_once_something_is_missing(template):
    assert len(read(template(main=BLOCKS, broken="locals {\n"))) == 1
    assert problems(template(main=pool("instances = local.n"))) == [
        "broken.tf:1: the { here is never closed; write } where it ends"
    ]
    assert problems(Path()) == ["broken.tf:1: the { here is never closed; write } where it ends"]


def test_every_fault_of_a_file_is_told_at_once_in_the_order_of_its_lines(template):
    text = """\
variable "size" {}
data "coder_workspace_preset" "a" {
  name = "A"
  prebuilds {
    instances = var.size
    expiration_policy {
      ttl = 1800
    }
    scheduling {
      timezone = "Europe/Berln"
      schedule {
        cron      = "30 8-18 * * 1-5"
        instances = 1
      }
    }
  }
}
data "coder_workspace_preset" "b" {
  name = "A"
  prebuilds {
    instances = -1
    scheduling {
      timezone = "UTC"
      schedule {
        cron      = "* 25 * * *"
        instances = "few"
      }
      schedule {
        cron      = "* 8-12 * * MON-FRI"
        instances = 1
      }
      schedule {
        cron      = "* 12 * * 1"
        instances = 1
      }
    }
  }
}
data "coder_workspace_preset" "c" {
  prebuilds {
    instances = 1
    scheduling {
      timezone = "UTC"
      schedule {
        cron      = "* 8-12 * * 1"
        instances = 1
      }
      schedule {
        cron      = "* 12 * * 1"
        instances = 1
      }
    }
  }
}
"""
    told = problems(template(main=text))
    seen = [(5, "var.size has no default"), (7, "1800 seconds"), (10, "Europe/Berlin"), (12, "minutes must be"),
            (19, '"A" is also the preset at main.tf:3'), (21, "got -1"), (25, 'hour "25"'), (26, '"few"'),
            (29, "MON-FRI"), (39, "name is missing"), (49, '"* 8-12 * * 1" at main.tf:45')]  # fmt: skip
    assert [problem.split(": ")[0] for problem in told] == [f"main.tf:{line}" for line, _ in seen]
    assert all(text in problem for (_, text), problem in zip(seen, told, strict=True))


def test_what_a_preset_only_shows_is_never_an_error(template):
    text = """\
data "coder_parameter" "region" { name = "Region" }
locals {
  common = { (data.coder_parameter.region.name) = "eu", "Disk (GB)" : 30, on : true, none = null }
}
data "coder_workspace_preset" "a" {
  name        = "a"
  description = join(", ", [data.coder_workspace.me.name, "%s"])
  icon        = "${data.coder_workspace.me.access_url}/icon.svg"
  parameters  = local.common
}
data "coder_workspace_preset" "b" {
  name        = "b"
  description = null
  icon        = "/icon/\\u00e9.svg"
  parameters  = merge(local.common, { x = 1 })
}
data "coder_workspace_preset" "c" {
  name        = "c"
  description = format("%s", "%s")
  parameters  = {
    script = <<-EOT
      echo 1
        echo 2
    EOT
    repos  = jsonencode(["a"])
    (data.coder_parameter.other.name) = data.coder_parameter.region.default
  }
}
""".replace('"%s"]', f'"{"d" * 200}"]')
    a, b, c = read(template(main=text))
    assert a.parameters == (("Region", "eu"), ("Disk (GB)", "30"), ("on", "true"), ("none", ""))
    assert a.icon == '"${data.coder_workspace.me.access_url}/icon.svg"'
    assert len(a.description) == 128
    assert a.description.startswith('join(", ", [data.coder_workspace.me.name, "ddd')
    assert (b.description, b.icon, b.parameters) == ("", "/icon/é.svg", (*a.parameters, ("x", "1")))
    assert c.description == "%s"
    assert c.parameters == (
        ("script", "echo 1\n  echo 2\n"),
        ("repos", '["a"]'),
        ("(data.coder_parameter.other.name)", "data.coder_parameter.region.default"),
    )


def test_a_template_full_of_other_things_is_read_past_them(template):
    presets = read(template(main=REALISTIC))
    assert [(preset.name, preset.instances, preset.ttl_us // SECOND_US) for preset in presets] == [
        ("Falkenstein", 2, 28800),
        ("Ohio", 3, 0),
        ("Nothing warm", 0, 0),
    ]
    assert [[(s.cron, s.instances) for s in preset.schedules] for preset in presets] == [
        [("* 8-18 * * 1-5", 3), ("* 19-23 * * 1-5", 0)],
        [("* 12-23 * * 1-5", 1), ("* 1-11 * * *", 0)],
        [],
    ]
    assert presets[0].parameters == (("region", "eu-helsinki"), ("Home disk", "50"))


REALISTIC = r"""
terraform {
  required_version = ">= 1.5"
  required_providers {
    coder = {
      source  = "coder/coder"
      version = "~> 2.4, != 2.4.1"
    }
    kubernetes = { source = "hashicorp/kubernetes" }
    docker     = { source = "kreuzwerker/docker" }
  }
}

/* Where the
   workspaces run */
provider "kubernetes" {
  config_path = var.use_kubeconfig == true ? "~/.kube/config" : null
}

provider "docker" {
  host = var.docker_socket != "" ? var.docker_socket : null
}

variable "use_kubeconfig" {
  type        = bool
  description = <<-EOF
  Use host kubeconfig? (true/false)

  Set this to "false" if the Coder host is itself running as a Pod.
  EOF
  default     = false
  validation {
    condition     = contains([true, false], var.use_kubeconfig)
    error_message = "Say \"true\" or \"false\", not ${var.use_kubeconfig}."
  }
}

variable "docker_socket" {
  default = ""
  type    = string
}

variable "pools" {
  type = map(object({
    size = optional(number, 2)
  }))
  default = {
    falkenstein = { size = 2 }
    ohio        = { size = 3 }
  }
}

locals {
  username = lower(data.coder_workspace_owner.me.name)
  labels = merge(
    { "app.kubernetes.io/name" = "coder-workspace" },
    { for key, value in var.pools : key => tostring(value.size) if value.size > 0 },
  )
  upper   = [for s in keys(var.pools) : upper(s)]
  total   = sum(values(var.pools)[*].size)
  is_big  = local.total >= 4 && !var.use_kubeconfig || local.total % 2 == 0
  image   = (
    local.is_big
    ? "codercom/enterprise-base:ubuntu"
    : "codercom/enterprise-minimal:${replace(local.username, "/[^a-z0-9.]+/", "-")}"
  )
  eight_hours = 28800
  regions     = ["eu-helsinki", "us-pittsburgh"]
}

data "coder_provisioner" "me" {}
data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}

data "coder_parameter" "region" {
  name         = "region"
  display_name = "Region"
  default      = local.regions[0]
  mutable      = false
  dynamic "option" {
    for_each = toset(local.regions)
    content {
      name  = option.value
      value = option.key
    }
  }
}

data "coder_parameter" "disk" {
  name    = "Home disk"
  type    = "number"
  default = "30"
  validation {
    min       = 10
    max       = 100
    monotonic = "increasing"
  }
}

data "coder_workspace_preset" "falkenstein" {
  name        = "Falkenstein"
  description = "Warm in ${upper("europe")}'s day"
  icon        = "/emojis/1f1ea-1f1fa.png"
  default     = true
  parameters = {
    (data.coder_parameter.region.name) = local.regions[0]
    (data.coder_parameter.disk.name)   = 50
  }

  prebuilds {
    instances = var.pools["falkenstein"].size # enough for the night
    expiration_policy {
      ttl = local.eight_hours // in seconds
    }
    scheduling {
      timezone = "UTC"
      schedule {
        cron      = "* 8-18 * * 1-5"
        instances = 3
      }
      # nobody is there
      schedule {
        cron      = "* 19-23 * * 1-5"
        instances = 0
      }
    }
  }
}

data "coder_workspace_preset" "ohio" {
  name       = "Ohio"
  parameters = merge(local.labels, { (data.coder_parameter.region.name) = "us-pittsburgh" })
  prebuilds  = {
    instances  = var.pools.ohio.size
    scheduling = {
      timezone = "UTC"
      schedule = [
        # 12PM-11PM UTC, turn on instances
        { cron = "* 12-23 * * 1-5", instances = 1 },
        { cron = "* 1-11 * * *", instances = 0 }, # turn off
      ]
    }
  }
}

data "coder_workspace_preset" "cold" {
  name = "Nothing warm"
}

resource "coder_agent" "main" {
  arch           = data.coder_provisioner.me.arch
  os             = "linux"
  startup_script = <<-EOT
    set -e
    if [ ! -f ~/.init_done ]; then cp -rT /etc/skel ~ && touch ~/.init_done; fi
    echo "$${HOME} of ${local.username}" "%%{notadirective}"
    %{ if local.is_big ~}
    echo big
    %{ endif ~}
    awk '{ print $1 }' < /proc/loadavg
  EOT

  env = {
    GIT_AUTHOR_NAME  = coalesce(data.coder_workspace_owner.me.full_name, local.username)
    GIT_AUTHOR_EMAIL = "${data.coder_workspace_owner.me.email}"
    "MAIL"           : jsonencode({ a = [1, 2.5, -3e2], b = null })
  }

  metadata {
    display_name = "Load Average (Host)"
    key          = "6_load_host"
    script       = <<EOT
      echo "`cat /proc/loadavg | awk '{ print $1 }'` `nproc`" | awk '{ printf "%0.2f", $1/$2 }'
    EOT
    interval     = 60
    timeout      = 1
  }

  display_apps {
    vscode = true
  }
}

module "code-server" {
  count    = data.coder_workspace.me.start_count
  source   = "registry.coder.com/coder/code-server/coder"
  version  = "~> 1.0"
  agent_id = coder_agent.main.id
  settings = { "workbench.colorTheme" : "Default Dark Modern" }
}

resource "kubernetes_persistent_volume_claim_v1" "home" {
  metadata {
    name   = "coder-${data.coder_workspace.me.id}-home"
    labels = local.labels
  }
  wait_until_bound = false
  spec {
    access_modes = ["ReadWriteOnce"]
    resources { requests = { storage = "${data.coder_parameter.disk.value}Gi" } }
  }
  lifecycle {
    ignore_changes = [metadata[0].annotations, spec]
  }
}

resource "docker_container" "workspace" {
  for_each   = { for i, name in local.upper : name => i... }
  image      = docker_image.main[each.key].image_id
  entrypoint = ["sh", "-c", replace(coder_agent.main.init_script, "/localhost|127\\.0\\.0\\.1/", "host.internal")]
  env        = ["CODER_AGENT_TOKEN=${coder_agent.main.token}"]
  command = [
    "sh", "-c",
    <<-EOT
    exec ${coder_agent.main.init_script}
    EOT
  ]
  dynamic "volumes" {
    for_each = var.use_kubeconfig ? [] : [1]
    content {
      container_path = "/home/coder"
      volume_name    = one(docker_volume.home[*].name)
    }
  }
  depends_on = [docker_image.main]
}

moved {
  from = docker_volume.old
  to   = docker_volume.home[0]
}

output "names" {
  value = join(",", docker_container.workspace.*.name)
}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('resource "null_resource" "r" {\n  triggers = { a = "b" }\n}\n' * 10_000, "3572: a file is read up to 25,000"),
        (
            f"locals {{\n  a = [{'1,' * 100_000}]\n}}\n",
            "2: a file is read up to 25,000 words and signs, which end here",
        ),
        ('locals {\n  a = "' + "${1}" * 100_000 + '"\n}\n', "2: a file is read up to 25,000 words and signs"),
        ("# x\n" * 300_000, " cannot be read: it has more than 1,000,000 bytes"),
        (f'locals {{\n  a = "{"x" * 1_000_000}"\n}}\n', " cannot be read: it has more than 1,000,000 bytes"),
        ("<<A\n" * 100_000, "1: this cannot be read as HCL: <<A"),
    ],
    ids=["blocks", "a list", "a text of pieces", "comments", "a line", "texts without an end"],
)
def test_a_file_that_nobody_wrote_is_refused_soon(template, text, said):
    findings = Findings()
    template(main=BLOCKS, other=text)
    read_terraform(Path(), {}, findings)
    assert any(str(finding).startswith(f"other.tf:{said}") for finding in findings.errors), findings.errors


def test_of_many_blocks_in_objects_the_first_are_told(template):
    findings = Findings()
    block = 'data "coder_workspace_preset" "p" {\n  prebuilds = {\n    scheduling {\n    }\n  }\n}\n'
    read_terraform(template(main=block * 200), {}, findings)
    assert sum("is a block inside an object" in str(finding) for finding in findings.errors) == 20


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("auto.tfvars", "there are 1,001 files of values here, and 1,000 at most are read; take some out"),
        ("tf", "there are 1,002 .tf files here, and 1,000 at most are read; take some out"),
    ],
)
def test_a_folder_of_more_files_than_anybody_has_is_refused(template, ending, said):
    template(main=BLOCKS)
    for i in range(1001):
        Path(f"v{i}.{ending}").touch()
    findings = Findings()
    read_terraform(Path(), {}, findings)
    assert str(findings.errors[0]) == f".: {said}"
